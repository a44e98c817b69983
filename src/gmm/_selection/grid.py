"""The cells of a search column by column, and its layout, as values: a grid of the criterion, a ranking, and notes.

`repr`, notebooks and the command line each render them in their own way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, isnan, nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.contract import names_of_features
from gmm._estimators.criteria import CRITERIA, HELD_OUT, OF_SEARCHES, surplus, title
from gmm._estimators.fitted import fitted_parameters, past_of, summary_of
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.outcome import doubt_of_shapes
from gmm._passes.solver import Trace
from gmm._text.html import Cell, Html, table
from gmm._text.words import counted, with_minus
from gmm._validation.column_notes import LONG_TAIL
from gmm._validation.scalars import check_choice
from gmm._values.covariance import CovarianceModel, covariance_model, same_as
from gmm._values.tails import NORMAL_TAILS

OK = "ok"
NOT_CONVERGED = "not converged"
NOT_TRIED = "not tried"
DEGENERATE = "degenerate: "
FAILED = "failed: "
LEFT = "left: "
MORE_THAN_ROWS = FAILED + "more components than rows"


def status_of(trace: Trace, degenerate: int) -> str:
    """Return the status of a cell with a fit, of which this is the first degenerate component, −1 if there is none."""
    if degenerate >= 0:
        return f"{DEGENERATE}component {degenerate}"
    if trace.reason.startswith(LEFT):
        return trace.reason
    return OK if trace.converged else NOT_CONVERGED


def is_status(status: str) -> bool:
    """Return whether this is the status of a cell."""
    return status in (OK, NOT_CONVERGED, NOT_TRIED) or is_degenerate(status) or has_failed(status) or is_behind(status)


def is_degenerate(status: str) -> bool:
    """Return whether every fit of the cell has a degenerate component: only rows held out can judge it."""
    return status.startswith(DEGENERATE)


def is_eligible(status: str, criterion: str) -> bool:
    """Return whether the criterion of a cell with a fit may choose it."""
    return criterion == HELD_OUT or not is_degenerate(status)


def is_behind(status: str) -> bool:
    """Return whether the cell was left before it converged, since it could not come near the best."""
    return status.startswith(LEFT)


def has_failed(status: str) -> bool:
    """Return whether the cell has no fit because fitting failed."""
    return status.startswith(FAILED)


@dataclass(frozen=True, eq=False, repr=False)
class SearchTable:
    """The columns of a `Selection`, which describes them."""

    criterion: str
    n_components: NDArray[np.int64]
    covariance_type: tuple[str, ...]
    tails: tuple[str, ...]
    loglik: NDArray[np.float64]
    n_parameters: NDArray[np.int64]
    bic: NDArray[np.float64]
    aic: NDArray[np.float64]
    aicc: NDArray[np.float64]
    icl: NDArray[np.float64]
    nec: NDArray[np.float64]
    held_out: NDArray[np.float64]
    scores: NDArray[np.float64]
    status: tuple[str, ...]
    seconds: NDArray[np.float64]
    estimators: tuple[GaussianMixture | None, ...]
    best_index: int
    complete: bool = True
    n_fresh_starts: int = 0
    n_found_again: int = 0
    standardized: bool = False
    n_searched: int = 0
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> GaussianMixture:
        """Fitted mixture of the best cell."""
        best = self.estimators[self.best_index]
        assert best is not None  # best_index is that of a fitted cell
        return best

    @property
    def kinds(self) -> tuple[str, ...]:
        """Covariance type and tails of each cell, in short."""
        return tuple(map(kind_of, self.covariance_type, self.tails))

    @property
    def criteria(self) -> tuple[str, ...]:
        """Names of the criteria that the table has; "held_out" is among them if the search was by it."""
        return OF_SEARCHES if self.criterion == HELD_OUT else CRITERIA

    def ranked(self, criterion: str | None = None) -> list[int]:
        """Rank the fitted cells, best first; degenerate ones come last, unless held-out rows judge them.

        Parameters
        ----------
        criterion : str, default=None
            "bic", "aic", "aicc", "icl", "nec" or, of a search by it, "held_out"; None takes the criterion of the
            search.

        Returns
        -------
        list of int
            Indices of the cells.

        Raises
        ------
        ValueError
            For any other criterion.

        Examples
        --------
        >>> import numpy as np
        >>> from gmm import select
        >>> selection = select(np.random.default_rng(0).normal(size=(50, 2)), (1, 2), ["EII", "VVV"], random_state=0)
        >>> for cell in selection.ranked("icl")[:2]:
        ...     print(selection.n_components[cell], selection.covariance_type[cell])
        1 EII
        1 VVV
        """
        name = self.criterion if criterion is None else check_criterion(criterion, self.criteria)
        scores = self.scores if criterion is None else getattr(self, name)
        fitted = [number for number, estimator in enumerate(self.estimators) if estimator is not None]
        return sorted(fitted, key=lambda n: (not is_eligible(self.status[n], name), np.isnan(scores[n]), scores[n]))


def kind_of(covariance_type: str, tails: str) -> str:
    """Return a covariance type and tails in short: "VVV", or "VVV t"."""
    return covariance_type if tails == NORMAL_TAILS.name else f"{covariance_type} {tails}"


def check_criterion(criterion: object, among: tuple[str, ...] = CRITERIA) -> str:
    """Return the name of a criterion; raise a ValueError if it is none of these."""
    return check_choice(criterion, "a criterion", among)


_DECIMALS = {"nec": 3}
_NEAR = {"nec": 0.1}  # the distance to the best up to which a cell contests it; else 10
_MORE_PASSES = 10  # times as many as before
_LARGEST_FIXED = 1e12  # larger numbers are written with an exponent


class GridCell(NamedTuple):
    """A cell of the grid.

    `text` is the criterion with the marks that the legend explains, or "failed" or "–". `details` gives the model,
    log-likelihood, number of parameters, distance to the best, and status. `is_candidate` says if the cell was a
    candidate for the best; `behind` is its distance to the best, NaN if there is no fit.
    """

    text: str = ""
    details: str = ""
    best: bool = False
    failed: bool = False
    is_candidate: bool = False
    behind: float = nan


class Grid(NamedTuple):
    """The criterion by model and number of components; the rows are whichever of the two are more numerous.

    `names` are the headings of the rows, with `corner` above them, and `headings` those of the columns. A column is
    `size` characters wide, including the gap before it; `many` columns stand side by side, further ones below. A cell
    at the distance `far` from the best has half the shade.
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
    def of(cls, selection: SearchTable, width: int | None = None, word: str = "component") -> Grid:
        """Lay out a search.

        Parameters
        ----------
        selection : SearchTable
        width : int, optional
            Characters of a line; decimals are dropped if all columns then fit side by side.
        word : str, default="component"
            What a component is called.
        """
        tried = {
            int(K) for K, status in zip(selection.n_components, selection.status, strict=True) if status != NOT_TRIED
        }
        counts, types = [str(K) for K in sorted(tried)], list(dict.fromkeys(selection.kinds))
        models_down = len(types) > len(counts)
        corner, names, columns = ("model", types, counts) if models_down else ("K", counts, types)
        headings = [f"K={column}" for column in columns] if models_down else columns
        room = None if width is None else width - max(map(len, (corner, *names)))
        decimals, size = _fitting(selection, headings, room)
        parts = 1 if room is None else ceil(len(columns) / max(1, room // size))
        numbers = {
            (str(K), name): n for n, (K, name) in enumerate(zip(selection.n_components, selection.kinds, strict=True))
        }
        cells = (
            (numbers.get((column, name) if models_down else (name, column)) for column in columns) for name in names
        )
        return cls(
            caption=f"{title(selection.criterion)} by covariance model and number of {word}s",
            corner=corner,
            names=tuple(names),
            headings=tuple(headings),
            rows=tuple(tuple(_cell(selection, number, decimals, word) for number in row) for row in cells),
            models_down=models_down,
            size=size,
            many=ceil(len(columns) / parts),
            legend=tuple(legend(selection)),
            far=near(selection.criterion),
        )

    def lines(self) -> Iterator[str]:
        """Yield the lines of the grid as text."""
        margin = max(map(len, (self.corner, *self.names)))
        for first in range(0, len(self.headings), self.many):
            if first:
                yield ""
            within = slice(first, first + self.many)
            heading = self.corner.ljust(margin) + "".join(name.rjust(self.size) for name in self.headings[within])
            yield heading
            yield "─" * len(heading)
            for name, row in zip(self.names, self.rows, strict=True):
                label = name.ljust(margin) if self.models_down else name.rjust(margin)
                yield label + "".join(cell.text.rjust(self.size) for cell in row[within])

    def html(self) -> Html:
        """Return the grid as an HTML table; cells closer to the best have a deeper colour."""
        rows = [[name, *map(self._shaded, row)] for name, row in zip(self.names, self.rows, strict=True)]
        return table([self.corner, *self.headings], rows, caption=self.caption)

    def _shaded(self, cell: GridCell) -> Cell:
        kind = "best" if cell.best else "" if cell.is_candidate else "muted"
        shade = 1 / (1 + max(cell.behind, 0.0) / self.far) if cell.is_candidate and not isnan(cell.behind) else 0.0
        return Cell(cell.text, title=cell.details, kind=kind, shade=shade)


def _fitting(selection: SearchTable, headings: Sequence[str], room: int | None) -> tuple[int, int]:
    """The number of decimals with which all columns fit side by side, else the usual one; and the column width."""
    sizes = {}
    most = _decimals(selection.criterion)
    for decimals in range(most, most - 3, -1):
        entries = (_entry(selection, number, decimals) for number in range(len(selection.status)))
        sizes[decimals] = 1 + max(map(len, (*headings, *entries)))
        if room is None or sizes[decimals] * len(headings) <= room:
            return decimals, sizes[decimals]
    return most, sizes[most]


def _cell(selection: SearchTable, number: int | None, decimals: int, word: str) -> GridCell:
    if number is None:
        return GridCell()
    status = selection.status[number]
    details = [f"{counted(int(selection.n_components[number]), word)}, {selection.kinds[number]}"]
    if selection.estimators[number] is not None:
        details.append(
            f"log-likelihood {selection.loglik[number]:.2f}, {selection.n_parameters[number]} free parameters"
        )
        details.append(f"Δ{title(selection.criterion)} {distance(selection, number)}")
    if status != OK:
        details.append(status)
    return GridCell(
        text=_entry(selection, number, decimals),
        details="; ".join(details),
        best=number == selection.best_index,
        failed=has_failed(status),
        is_candidate=selection.estimators[number] is not None and is_eligible(status, selection.criterion),
        behind=behind(selection, number),
    )


def _entry(selection: SearchTable, number: int, decimals: int) -> str:
    if has_failed(selection.status[number]):
        return "failed"
    if selection.status[number] == NOT_TRIED:
        return "–"
    return f"{_mark(selection, number)}{_number(selection.scores[number], decimals)}"


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if abs(value) < _LARGEST_FIXED else f"{value:.4g}"


def _mark(selection: SearchTable, number: int) -> str:
    status = selection.status[number]
    best = "★" if number == selection.best_index and len(selection.status) > 1 else ""
    if status == NOT_CONVERGED:
        return best + "~"
    if is_behind(status):
        return best + "≤"
    return best + "^" if is_degenerate(status) else best


def text_of(criterion: str, value: float) -> str:
    """Format a criterion or a difference for a sentence, with the criterion's number of decimals, as in tables."""
    return with_minus(_number(value, _decimals(criterion)))


def behind(selection: SearchTable, number: int) -> float:
    """How much greater the criterion of a cell is than the best; 0 where both are infinite, as AICc of few rows is."""
    score, best = float(selection.scores[number]), float(selection.scores[selection.best_index])
    return 0.0 if score == best else score - best


def distance(selection: SearchTable, number: int) -> str:
    """Format how much greater the criterion of a cell is than the best."""
    return _number(behind(selection, number), _decimals(selection.criterion))


def distinct(selection: SearchTable) -> list[int]:
    """Rank the candidate cells, best first; of cells that are one model under several names, keep the first."""
    d, first = selection.best.n_features_in_, dict[tuple[int, CovarianceModel, str], int]()
    candidates = [number for number in selection.ranked() if is_eligible(selection.status[number], selection.criterion)]
    for number in candidates or selection.ranked():
        K = int(selection.n_components[number])
        model = same_as(covariance_model(selection.covariance_type[number]), K, d)
        first.setdefault((K, model, selection.tails[number]), number)
    return list(first.values())


def contesting(selection: SearchTable) -> list[int]:
    """Return the other cells from which the best is not far enough to be sure of it, best first."""
    limit = selection.scores[selection.best_index] + near(selection.criterion)
    return [number for number in distinct(selection)[1:] if selection.scores[number] <= limit]


def certainty(selection: SearchTable) -> Iterator[str]:
    """Tell how sure the choice is: on what it rests, how often the best was found again, and how many are near it."""
    if selection.n_searched:
        yield f"searched on {counted(selection.n_searched, 'row')} drawn at random, these cells finished on all"
    if selection.n_fresh_starts:
        again, starts = selection.n_found_again, counted(selection.n_fresh_starts, "fresh start")
        none_better = ", bettered by none" * (again < selection.n_fresh_starts)
        yield f"found again by {again} of {starts}{none_better}" if again else f"none of {starts} found as good a fit"
    if len(distinct(selection)) > 1:
        n = len(contesting(selection))
        limit = f"{near(selection.criterion):g} {title(selection.criterion)}"
        yield f"{counted(n, 'other cell') if n else 'no other cell'} within {limit}"


def ranking(selection: SearchTable, cells: Sequence[int]) -> list[list[str]]:
    """Return the columns of a table of cells, headings first; the criterion that chose comes before the others."""
    others, chose = [name for name in selection.criteria if name != selection.criterion], _decimals(selection.criterion)
    return [
        ["", *(_mark(selection, n) for n in cells)],
        ["K", *(str(selection.n_components[n]) for n in cells)],
        ["model", *(selection.kinds[n] for n in cells)],
        ["loglik", *(f"{selection.loglik[n]:.2f}" for n in cells)],
        ["df", *(str(selection.n_parameters[n]) for n in cells)],
        [title(selection.criterion), *(f"{selection.scores[n]:.{chose}f}" for n in cells)],
        [f"Δ{title(selection.criterion)}", *(distance(selection, n) for n in cells)],
        *([title(name), *(f"{getattr(selection, name)[n]:.{_decimals(name)}f}" for n in cells)] for name in others),
    ]


def legend(selection: SearchTable, *, of_grid: bool = True) -> Iterator[str]:
    """Explain the marks in a grid or a list."""
    if len(selection.status) > 1:
        yield "★ best (smallest)"
    if NOT_CONVERGED in selection.status:
        yield "~ not converged"
    if any(map(is_behind, selection.status)):
        yield f"≤ left: cannot come within {of_interest(selection.criterion):g} of the best"
    if any(is_degenerate(status) for status in selection.status):
        if selection.criterion == HELD_OUT:
            yield "^ a component is degenerate (few rows or thin): judged by rows held out"
        elif is_degenerate(selection.status[selection.best_index]):
            yield "^ every fit has a degenerate component (few rows or thin): do not use these criteria"
        else:
            yield "^ a component is degenerate (few rows or thin): not chosen"
    if of_grid and NOT_TRIED in selection.status:
        yield "– not tried"


def at_the_edge(selection: SearchTable) -> bool:
    """Return whether the best has the largest of several numbers of components, so that more may be better."""
    fitted = selection.n_components[selection.ranked()]
    return bool(fitted.min() < fitted.max() == selection.n_components[selection.best_index])


def advice(selection: SearchTable, word: str = "component") -> Iterator[str]:
    """Say what to do next where the choice is doubtful; `word` is what a component is called."""
    best, number = selection.best, selection.best_index
    K, status = int(selection.n_components[number]), selection.status[number]
    yield from filter(None, [surplus(int(selection.n_parameters[number]), past_of(best).weight)])
    yield from filter(None, [doubt_of_shapes(fitted_parameters(best), names_of_features(best), word)])
    if at_the_edge(selection):
        first = "take logarithms of long tails first, then " * any(LONG_TAIL in note for note in selection.notes)
        yield f"{counted(K, word)} are the most that were tried: {first}try n_components up to {2 * K + 2}"
    if status == NOT_CONVERGED:
        yield f"the best has not converged: try max_iter={_MORE_PASSES * best.max_iter}"
    if selection.criterion == HELD_OUT and is_degenerate(status):
        yield f"the best is {_verdict(best, status)}; reg_covar sets its density: expected step²/12 of rounding or more"
    elif is_degenerate(status):
        yield f"every fit is {_verdict(best, status)}; try fewer {word}s or a prior"
    yield from _end_of_sound_cells(selection, word)


def _end_of_sound_cells(selection: SearchTable, word: str) -> Iterator[str]:
    """Say that every cell with more components than the best is degenerate, if one of them has a better criterion."""
    K, criterion = int(selection.n_components[selection.best_index]), selection.criterion
    more = [number for number in selection.ranked() if selection.n_components[number] > K]
    if not more or any(is_eligible(selection.status[number], criterion) for number in more):
        return
    mixture, status = selection.estimators[more[0]], selection.status[more[0]]
    if mixture is not None and behind(selection, more[0]) < 0:
        cell = f"{selection.n_components[more[0]]} {selection.kinds[more[0]]}"
        yield (
            f"every cell of more than {counted(K, word)} is degenerate, such as {cell}, {_verdict(mixture, status)}; "
            "try prior='conjugate'"
        )


def _verdict(mixture: GaussianMixture, status: str) -> str:
    """Return which components are degenerate, and why; of a mixture that remembers no rows, what its status says."""
    return summary_of(mixture).verdict or status


def failures(selection: SearchTable) -> Iterator[str]:
    """Yield why cells failed, one line for all models with the same reason, and which had too few rows."""
    models: dict[tuple[int, str], list[str]] = {}
    skipped: dict[str, list[int]] = {}
    for K, name, status in zip(selection.n_components.tolist(), selection.kinds, selection.status, strict=True):
        if status.startswith(MORE_THAN_ROWS):
            skipped.setdefault(status.removeprefix(FAILED), []).append(K)
        elif has_failed(status):
            models.setdefault((K, status), []).append(name)
    every = len(dict.fromkeys(selection.kinds))
    for (K, status), names in models.items():
        yield f"{K} {'all models' if len(names) == every > 1 else ', '.join(names)} {status}"
    for reason, numbers in skipped.items():
        yield f"K = {_range(sorted(set(numbers)))} skipped: {reason}"


def _range(numbers: Sequence[int]) -> str:
    """Write ascending numbers: ``5 to 9`` if there are several in a row, else ``2, 5``."""
    first, last = numbers[0], numbers[-1]
    in_a_row = len(numbers) > 1 and last - first == len(numbers) - 1
    return f"{first} to {last}" if in_a_row else ", ".join(map(str, numbers))


def incomplete(selection: SearchTable) -> str:
    """Describe what a search that was ended early left out; empty if it completed."""
    if selection.complete:
        return ""
    n_missing = selection.status.count(NOT_TRIED)
    if n_missing:
        n = len(selection.status)
        return f"incomplete (ended early): {n - n_missing:,} of {n:,} models tried"
    return "incomplete (ended early): every model was fitted once, but better fits may exist"


def near(criterion: str) -> float:
    """Return the difference of criteria up to which the choice between two cells is not sure."""
    return _NEAR.get(criterion, 10.0)


def of_interest(criterion: str) -> float:
    """Return the difference from the best criterion up to which a cell of many rows is finished."""
    return 4 * near(criterion)


def _decimals(criterion: str) -> int:
    return _DECIMALS.get(criterion, 2)
