"""How a search looks: the criterion of all cells as a grid, the best ones in full, and what else there is to say.

Lines of text for a width, as the terminal or the pipe has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

from rich.text import Text

from gmm.covariance import CovarianceModel, covariance_model, same_as
from gmm.criteria import CRITERIA
from gmm.selection import FAILED, NOT_CONVERGED, NOT_TRIED, SPIKE, Selection

__all__ = ["choice"]

_TOP = 10  # cells listed below the grid
_FEW = 12  # up to so many cells, the list is whole and needs no grid
_GAPS = (3, 2)  # between two columns of the list, by the room there is
_DECIMALS = {"nec": 3}
_BEST, _WRONG, _BESIDE = "bold green", "red", "dim"


def choice(found: Selection, width: int) -> Iterator[Text]:
    """Lay a search out as lines.

    Parameters
    ----------
    found : Selection
        The search.
    width : int
        Characters that a line should not exceed.

    Yields
    ------
    Text
        The lines.
    """
    many = len(found.status) > _FEW
    if many:
        yield from _grid(found, width)
        yield Text()
    yield from _ranking(found, _distinct(found)[:_TOP] if many else found.ranked(), width)
    legend = list(_legend(found, many)) if len(found.status) > 1 else []
    together = "   ".join(legend)
    yield from (Text(line, _BESIDE) for line in ([together] if 0 < len(together) <= width else legend))
    yield from _failures(found)
    if not found.complete:
        yield Text(_incomplete(found), "bold yellow")


def _grid(found: Selection, width: int) -> Iterator[Text]:
    """The criterion by models and components: the more numerous go down, and columns that find no room below."""
    yield Text(f"{_title(found.criterion)} by covariance model and number of components", "italic")
    tried = {int(K) for K, status in zip(found.n_components, found.status, strict=True) if status != NOT_TRIED}
    counts, types = [str(K) for K in sorted(tried)], list(dict.fromkeys(found.covariance_type))
    models_down = len(types) > len(counts)
    corner, rows, columns = ("model", types, counts) if models_down else ("K", counts, types)
    labels = [f"K={column}" for column in columns] if models_down else columns
    margin = max(map(len, (corner, *rows)))
    decimals, size = _fitting(found, labels, width - margin)
    parts = ceil(len(columns) / max(1, (width - margin) // size))
    many = ceil(len(columns) / parts)
    cells = {
        (str(K), name): n for n, (K, name) in enumerate(zip(found.n_components, found.covariance_type, strict=True))
    }
    for first in range(0, len(columns), many):
        if first:
            yield Text()
        heading = corner.ljust(margin) + "".join(label.rjust(size) for label in labels[first : first + many])
        yield Text(heading, "bold")
        yield Text("─" * len(heading))
        for row in rows:
            line = Text(row.ljust(margin) if models_down else row.rjust(margin))
            for column in columns[first : first + many]:
                number = cells[(column, row) if models_down else (row, column)]
                line.append(_entry(found, number, decimals).rjust(size), _style(found, number))
            yield line


def _fitting(found: Selection, labels: Sequence[str], room: int) -> tuple[int, int]:
    """As many decimals as let all columns stand beside each other, or all, and how wide a column is."""
    sizes = {}
    most = _decimals(found.criterion)
    for decimals in range(most, most - 3, -1):
        entries = (_entry(found, number, decimals) for number in range(len(found.status)))
        sizes[decimals] = 1 + max(map(len, (*labels, *entries)))
        if sizes[decimals] * len(labels) <= room:
            return decimals, sizes[decimals]
    return most, sizes[most]


def _entry(found: Selection, number: int, decimals: int) -> str:
    if found.status[number].startswith(FAILED):
        return "failed"
    if found.status[number] == NOT_TRIED:
        return "–"
    return f"{_mark(found, number)}{found.scores[number]:.{decimals}f}"


def _style(found: Selection, number: int) -> str:
    if number == found.best_index:
        return _BEST
    return _WRONG if found.status[number].startswith(FAILED) else ""


def _mark(found: Selection, number: int) -> str:
    """Return the sign of what the legend tells about a cell."""
    status = found.status[number]
    best = "★" if number == found.best_index and len(found.status) > 1 else ""
    if status == NOT_CONVERGED:
        return best + "~"
    return best + "^" if status.startswith(SPIKE) else best


def _distinct(found: Selection) -> list[int]:
    """The cells from the best on that might be chosen; of those that are the same mixture by two names, the first."""
    d, told = found.best.n_features_in_, dict[tuple[int, CovarianceModel], int]()
    sound = [number for number in found.ranked() if not found.status[number].startswith(SPIKE)]
    for number in sound or found.ranked():
        K = int(found.n_components[number])
        told.setdefault((K, same_as(covariance_model(found.covariance_type[number]), K, d)), number)
    return list(told.values())


def _ranking(found: Selection, cells: Sequence[int], width: int) -> Iterator[Text]:
    """List cells with their numbers and the distance to the best; criteria that find no room are left out."""
    columns = _columns(found, cells)
    gap = next((gap for gap in _GAPS if _width(columns, gap) <= width), _GAPS[-1])
    while _width(columns, gap) > width and columns[-1][0] != f"Δ{_title(found.criterion)}":
        columns.pop()
    sizes = [max(map(len, column)) for column in columns]
    for place, row in enumerate(zip(*columns, strict=True)):
        texts = (text.ljust(size) if name == "model" else text.rjust(size)
                 for text, size, (name, *_) in zip(row, sizes, columns, strict=True))  # fmt: skip
        best = place and cells[place - 1] == found.best_index
        yield Text((" " * gap).join(texts).rstrip(), "bold" if not place else _BEST if best else "")
        if not place:
            yield Text("─" * _width(columns, gap))


def _columns(found: Selection, cells: Sequence[int]) -> list[list[str]]:
    """The list's columns, a name above each: what chose stands before the other criteria."""
    best, others = found.scores[found.best_index], [name for name in CRITERIA if name != found.criterion]
    chose = _decimals(found.criterion)
    return [
        ["", *(_mark(found, n) for n in cells)],
        ["K", *(str(found.n_components[n]) for n in cells)],
        ["model", *(found.covariance_type[n] for n in cells)],
        ["loglik", *(f"{found.loglik[n]:.2f}" for n in cells)],
        ["df", *(str(found.n_parameters[n]) for n in cells)],
        [_title(found.criterion), *(f"{found.scores[n]:.{chose}f}" for n in cells)],
        [f"Δ{_title(found.criterion)}", *(f"{found.scores[n] - best:.{chose}f}" for n in cells)],
        *([_title(name), *(f"{getattr(found, name)[n]:.{_decimals(name)}f}" for n in cells)] for name in others),
    ]


def _width(columns: Sequence[Sequence[str]], gap: int) -> int:
    return sum(max(map(len, column)) for column in columns) + gap * (len(columns) - 1)


def _legend(found: Selection, many: bool) -> Iterator[str]:
    yield "★ best (smallest)"
    if NOT_CONVERGED in found.status:
        yield "~ not converged"
    if any(status.startswith(SPIKE) for status in found.status):
        chosen = found.status[found.best_index].startswith(SPIKE)
        told = "in every fit: these criteria mean nothing" if chosen else "not chosen"
        yield f"^ a component collapsed on few rows or ties: {told}"
    if many and NOT_TRIED in found.status:
        yield "– not tried"
    fitted = found.n_components[found.ranked()]
    if fitted.min() < fitted.max() == found.n_components[found.best_index]:
        yield "the best has the most components that were tried: more may be better"


def _failures(found: Selection) -> Iterator[Text]:
    """Why cells failed: one line for all models of which the same is said."""
    models: dict[tuple[int, str], list[str]] = {}
    for K, name, status in zip(found.n_components.tolist(), found.covariance_type, found.status, strict=True):
        if status.startswith(FAILED):
            models.setdefault((K, status), []).append(name)
    every = len(dict.fromkeys(found.covariance_type))
    for (K, status), names in models.items():
        told = "all models" if len(names) == every > 1 else ", ".join(names)
        yield Text(f"{K} {told} {status}", _WRONG)


def _incomplete(found: Selection) -> str:
    left = found.status.count(NOT_TRIED)
    if left:
        return f"incomplete: time was up before {left} of {len(found.status)} cells were tried"
    return "incomplete: time was up after the first round of fits; better ones may be there"


def _title(criterion: str) -> str:
    return {"aicc": "AICc"}.get(criterion, criterion.upper())


def _decimals(criterion: str) -> int:
    return _DECIMALS.get(criterion, 2)
