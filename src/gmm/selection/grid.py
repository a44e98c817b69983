"""How a search is laid out, as values: the criterion of all cells as a grid, the best in full, what is said of both.

`repr`, a notebook and the command line render them, each in its own way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, isnan, nan
from typing import Any, Protocol

from numpy.typing import NDArray

from gmm.estimators.criteria import CRITERIA
from gmm.estimators.mixture import GaussianMixture
from gmm.selection.status import NOT_CONVERGED, NOT_TRIED, OK, has_failed, is_spike
from gmm.text.amounts import counted
from gmm.text.html import Cell, Html, table
from gmm.values.covariance import CovarianceModel, covariance_model, same_as

__all__ = [
    "Grid",
    "GridCell",
    "at_the_edge",
    "distance",
    "distinct",
    "failures",
    "incomplete",
    "legend",
    "ranking",
    "title",
    "written",
]

_DECIMALS = {"nec": 3}
_FAR = {"nec": 0.1}  # the distance to the best at which a cell's shade on a page is half as deep; else 10
_PLAIN = 1e12  # from here on a number is written with an exponent


class SearchTable(Protocol):
    """The part of a `Selection` that is laid out."""

    @property
    def criterion(self) -> str: ...
    @property
    def n_components(self) -> NDArray[Any]: ...
    @property
    def covariance_type(self) -> tuple[str, ...]: ...
    @property
    def loglik(self) -> NDArray[Any]: ...
    @property
    def n_parameters(self) -> NDArray[Any]: ...
    @property
    def scores(self) -> NDArray[Any]: ...
    @property
    def status(self) -> tuple[str, ...]: ...
    @property
    def estimators(self) -> tuple[GaussianMixture | None, ...]: ...
    @property
    def best_index(self) -> int: ...
    @property
    def complete(self) -> bool: ...
    @property
    def best(self) -> GaussianMixture: ...
    def ranked(self) -> list[int]: ...


@dataclass(frozen=True)
class GridCell:
    """A cell of the grid.

    Parameters
    ----------
    text : str
        The criterion, after the marks that the legend explains; or why there is none, in a word.
    told : str
        What else there is to say.
    best, failed, chosen_from : bool
        Whether it is the best, whether it has no fit for a reason, and whether it could have been the best.
    behind : float
        The distance to the best; NaN where there is no fit.
    """

    text: str = ""
    told: str = ""
    best: bool = False
    failed: bool = False
    chosen_from: bool = False
    behind: float = nan


@dataclass(frozen=True)
class Grid:
    """The criterion by models and numbers of components; the more numerous go down.

    Parameters
    ----------
    caption : str
    corner : str
        The heading above `names`.
    names : tuple of str
        Of the rows.
    headings : tuple of str
        Of the columns.
    rows : tuple of tuples of GridCell
    models_down : bool
        Whether the rows are models.
    size : int
        Characters of a column, with the gap before it.
    many : int
        Columns that find room beside each other; the others come below.
    legend : tuple of str
        What the marks mean, and what else there is to say of the whole.
    far : float
        The distance to the best that is half as good, for shading.
    """

    caption: str
    corner: str
    names: tuple[str, ...]
    headings: tuple[str, ...]
    rows: tuple[tuple[GridCell, ...], ...]
    models_down: bool
    size: int
    many: int
    legend: tuple[str, ...]
    far: float

    @classmethod
    def of(cls, found: SearchTable, width: int | None = None) -> Grid:
        """Lay a search out.

        Parameters
        ----------
        found : SearchTable
        width : int, optional
            Characters of a line: decimals are left away if all columns stand beside each other then.
        """
        tried = {int(K) for K, status in zip(found.n_components, found.status, strict=True) if status != NOT_TRIED}
        counts, types = [str(K) for K in sorted(tried)], list(dict.fromkeys(found.covariance_type))
        models_down = len(types) > len(counts)
        corner, names, columns = ("model", types, counts) if models_down else ("K", counts, types)
        headings = [f"K={column}" for column in columns] if models_down else columns
        room = None if width is None else width - max(map(len, (corner, *names)))
        decimals, size = _fitting(found, headings, room)
        parts = 1 if room is None else ceil(len(columns) / max(1, room // size))
        numbers = {
            (str(K), name): n for n, (K, name) in enumerate(zip(found.n_components, found.covariance_type, strict=True))
        }
        cells = (
            (numbers.get((column, name) if models_down else (name, column)) for column in columns) for name in names
        )
        return cls(
            caption=f"{title(found.criterion)} by covariance model and number of components",
            corner=corner,
            names=tuple(names),
            headings=tuple(headings),
            rows=tuple(tuple(_cell(found, number, decimals) for number in row) for row in cells),
            models_down=models_down,
            size=size,
            many=ceil(len(columns) / parts),
            legend=tuple(legend(found)),
            far=_FAR.get(found.criterion, 10.0),
        )

    def lines(self) -> Iterator[str]:
        """The grid as plain text."""
        margin = max(map(len, (self.corner, *self.names)))
        for first in range(0, len(self.headings), self.many):
            if first:
                yield ""
            within = slice(first, first + self.many)
            heading = self.corner.ljust(margin) + "".join(name.rjust(self.size) for name in self.headings[within])
            yield heading
            yield "─" * len(heading)
            for name, row in zip(self.names, self.rows, strict=True):
                left = name.ljust(margin) if self.models_down else name.rjust(margin)
                yield left + "".join(cell.text.rjust(self.size) for cell in row[within])

    def html(self) -> Html:
        """The grid as a table of a page: the nearer a cell is to the best, the deeper its colour."""
        rows = [[name, *map(self._shaded, row)] for name, row in zip(self.names, self.rows, strict=True)]
        return table([self.corner, *self.headings], rows, caption=self.caption)

    def _shaded(self, cell: GridCell) -> Cell:
        kind = "best" if cell.best else "" if cell.chosen_from else "muted"
        shade = 1 / (1 + max(cell.behind, 0.0) / self.far) if cell.chosen_from and not isnan(cell.behind) else 0.0
        return Cell(cell.text, title=cell.told, kind=kind, shade=shade)


def _fitting(found: SearchTable, headings: Sequence[str], room: int | None) -> tuple[int, int]:
    """As many decimals as let all columns stand beside each other, or all, and how wide a column is."""
    sizes = {}
    most = _decimals(found.criterion)
    for decimals in range(most, most - 3, -1):
        entries = (_entry(found, number, decimals) for number in range(len(found.status)))
        sizes[decimals] = 1 + max(map(len, (*headings, *entries)))
        if room is None or sizes[decimals] * len(headings) <= room:
            return decimals, sizes[decimals]
    return most, sizes[most]


def _cell(found: SearchTable, number: int | None, decimals: int) -> GridCell:
    if number is None:
        return GridCell()
    status, behind = found.status[number], float(found.scores[number] - found.scores[found.best_index])
    told = [_name(found, number)]
    if found.estimators[number] is not None:
        told.append(f"log-likelihood {found.loglik[number]:.2f}, {found.n_parameters[number]} free parameters")
        told.append(f"Δ{title(found.criterion)} {distance(found, number)}")
    if status != OK:
        told.append(status)
    return GridCell(
        text=_entry(found, number, decimals),
        told="; ".join(told),
        best=number == found.best_index,
        failed=has_failed(status),
        chosen_from=found.estimators[number] is not None and not is_spike(status),
        behind=behind,
    )


def _entry(found: SearchTable, number: int, decimals: int) -> str:
    if has_failed(found.status[number]):
        return "failed"
    if found.status[number] == NOT_TRIED:
        return "–"
    return f"{_mark(found, number)}{_number(found.scores[number], decimals)}"


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if abs(value) < _PLAIN else f"{value:.4g}"


def _name(found: SearchTable, number: int) -> str:
    K = int(found.n_components[number])
    return f"{counted(K, 'component')}, {found.covariance_type[number]}"


def _mark(found: SearchTable, number: int) -> str:
    """Return the sign of what the legend tells about a cell."""
    status = found.status[number]
    best = "★" if number == found.best_index and len(found.status) > 1 else ""
    if status == NOT_CONVERGED:
        return best + "~"
    return best + "^" if is_spike(status) else best


def written(criterion: str, value: float) -> str:
    """A criterion, or a difference of it, as text with the decimals that suit it and digits in groups."""
    return f"{value:,.{_decimals(criterion)}f}" if abs(value) < _PLAIN else f"{value:.4g}"


def distance(found: SearchTable, number: int) -> str:
    """How much greater the criterion of a cell is than the best, as text."""
    return _number(found.scores[number] - found.scores[found.best_index], _decimals(found.criterion))


def distinct(found: SearchTable) -> list[int]:
    """The cells from the best on that might be chosen; of those that are the same mixture by two names, the first."""
    d, told = found.best.n_features_in_, dict[tuple[int, CovarianceModel], int]()
    sound = [number for number in found.ranked() if not is_spike(found.status[number])]
    for number in sound or found.ranked():
        K = int(found.n_components[number])
        told.setdefault((K, same_as(covariance_model(found.covariance_type[number]), K, d)), number)
    return list(told.values())


def ranking(found: SearchTable, cells: Sequence[int]) -> list[list[str]]:
    """The columns of a list of cells, a name above each: what chose stands before the other criteria."""
    others, chose = [name for name in CRITERIA if name != found.criterion], _decimals(found.criterion)
    return [
        ["", *(_mark(found, n) for n in cells)],
        ["K", *(str(found.n_components[n]) for n in cells)],
        ["model", *(found.covariance_type[n] for n in cells)],
        ["loglik", *(f"{found.loglik[n]:.2f}" for n in cells)],
        ["df", *(str(found.n_parameters[n]) for n in cells)],
        [title(found.criterion), *(f"{found.scores[n]:.{chose}f}" for n in cells)],
        [f"Δ{title(found.criterion)}", *(distance(found, n) for n in cells)],
        *([title(name), *(f"{getattr(found, name)[n]:.{_decimals(name)}f}" for n in cells)] for name in others),
    ]


def legend(found: SearchTable, *, of_grid: bool = True) -> Iterator[str]:
    """What the marks of a search mean, of a grid or a list, and whether it should have gone on to more components."""
    if len(found.status) > 1:
        yield "★ best (smallest)"
    if NOT_CONVERGED in found.status:
        yield "~ not converged"
    if any(is_spike(status) for status in found.status):
        chosen = is_spike(found.status[found.best_index])
        told = "in every fit: these criteria mean nothing" if chosen else "not chosen"
        yield f"^ a component collapsed on few rows or ties: {told}"
    if of_grid and NOT_TRIED in found.status:
        yield "– not tried"
    if at_the_edge(found):
        yield "the best has the most components that were tried: more may be better"


def at_the_edge(found: SearchTable) -> bool:
    """Whether the best has the most components of several numbers that were fitted, so that more may be better."""
    fitted = found.n_components[found.ranked()]
    return bool(fitted.min() < fitted.max() == found.n_components[found.best_index])


def failures(found: SearchTable) -> Iterator[str]:
    """Why cells failed: one line for all models of which the same is said."""
    models: dict[tuple[int, str], list[str]] = {}
    for K, name, status in zip(found.n_components.tolist(), found.covariance_type, found.status, strict=True):
        if has_failed(status):
            models.setdefault((K, status), []).append(name)
    every = len(dict.fromkeys(found.covariance_type))
    for (K, status), names in models.items():
        told = "all models" if len(names) == every > 1 else ", ".join(names)
        yield f"{K} {told} {status}"


def incomplete(found: SearchTable) -> str:
    """What a search that was ended has not done; empty where it came to its end."""
    if found.complete:
        return ""
    left = found.status.count(NOT_TRIED)
    if left:
        return f"incomplete: time was up before {left} of {len(found.status)} cells were tried"
    return "incomplete: time was up after the first round of fits; better ones may be there"


def title(criterion: str) -> str:
    """The criterion as it is written."""
    return {"aicc": "AICc"}.get(criterion, criterion.upper())


def _decimals(criterion: str) -> int:
    return _DECIMALS.get(criterion, 2)
