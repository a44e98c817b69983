"""`Selection`: the result of a search, as a table that can be printed, ranked, saved and loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import nan
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.criteria import HELD_OUT, OF_SEARCHES, title
from gmm._estimators.fitted import fitted_html, fitted_parameters
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.saved import from_state, states_of
from gmm._passes.solver import Iteration
from gmm._persistence import Readable, Writable, build_object, item, load_object, metadata_of, save_state, with_metadata
from gmm._selection.grid import (
    FAILED,
    NOT_TRIED,
    Grid,
    SearchTable,
    advice,
    certainty,
    check_criterion,
    contesting,
    distance,
    distinct,
    failures,
    has_failed,
    incomplete,
    is_eligible,
    is_status,
    kind_of,
    ranking,
)
from gmm._text.frames import data_frame
from gmm._text.html import Html, block, details, joined, line, table
from gmm._text.words import counted, printable
from gmm._values.covariance import covariance_model
from gmm._values.tails import NORMAL_TAILS
from gmm._versions import __version__

_Table = TypeVar("_Table", bound="Selection")
_WIDTH = 80  # characters of a line of `repr`
_NEXT = 5  # cells named after the best
# The first columns keep their positions, on which scripts may rely.
_FRAME_FIRST = ("n_components", "covariance_type", "loglik", "n_parameters", "bic", "aic", "icl", "status")
_COUNTS = ("n_fresh_starts", "n_found_again", "n_searched")
_NUMBERS = ("loglik", *OF_SEARCHES, "scores", "seconds")
_COLUMNS = ("covariance_type", "tails", "status", "n_components", "n_parameters", *_NUMBERS)


@dataclass(frozen=True)
class Progress:
    """One cell of a search, or a step to finish it on rows beyond memory, as `select` reports it to its callback.

    Attributes
    ----------
    cell, n_cells : int
        Index of the cell in the table, and the number of cells.
    n_components : int
        Number of components.
    covariance_type, tails : str
        Covariance type, and tails of the components.
    status : str
        As in `Selection`. The cell may still be improved.
    iteration : Iteration or None
        The pass over all rows, of a cell that is being finished on them; None before the first.
    rows_per_second, seconds_left : float
        How fast that pass was, and how long the cell will take from there, projected; NaN where it is not known.
    readings : int
        About how many readings of all rows it takes to finish the best cells, which share them: as many passes as the
        best needed on the sample, and those of the criteria. 0 as long as the search is in memory.
    fold : int
        Number of the fold that is left out, from 1, of a search by "held_out"; 0 as the cells are fitted to all rows.
    """

    cell: int
    n_cells: int
    n_components: int
    covariance_type: str
    tails: str
    status: str
    iteration: Iteration | None = None
    rows_per_second: float = nan
    seconds_left: float = nan
    readings: int = 0
    fold: int = 0


class Entry(NamedTuple):
    """One cell of the table: the fields of `Selection`, criteria by name in `scores`; the error that left no fit."""

    n_components: int
    covariance_type: str
    tails: str
    status: str
    seconds: float
    estimator: GaussianMixture | None = None
    loglik: float = nan
    n_parameters: int = 0
    scores: Mapping[str, float] | None = None
    error: Exception | None = None

    def score(self, criterion: str) -> float:
        """Return the criterion of this name; NaN if there is no fit."""
        return nan if self.scores is None else self.scores.get(criterion, nan)


@dataclass(frozen=True, eq=False, repr=False)
class Selection(SearchTable):
    """Result of a search: a table of its cells, the pairs of a number of components and a covariance type.

    Cells are ordered by number of components, then by covariance type, then by tails, as requested. Arrays have one
    entry per cell, NaN where there is no fit.

    Attributes
    ----------
    criterion : str
        The criterion that chose the best cell: "bic", "aic", "aicc", "icl", "nec" or "held_out".
    n_components : ndarray of int, shape (n_cells,)
        Number of components.
    covariance_type : tuple of str
        Covariance type, as requested.
    tails : tuple of str
        "normal", "t" or "contaminated".
    loglik : ndarray of float64, shape (n_cells,)
        Total log-likelihood in nats, weighted if weights were given.
    n_parameters : ndarray of int, shape (n_cells,)
        Number of free parameters.
    bic, aic, aicc, icl, nec : ndarray of float64, shape (n_cells,)
        The criteria; smaller is better.
    held_out : ndarray of float64, shape (n_cells,)
        −2 log-likelihood of the rows, each under a fit of the cell that has not seen it; NaN unless the search was by
        it, ∞ where a fold has no fit.
    scores : ndarray of float64, shape (n_cells,)
        The criterion that chose.
    status : tuple of str
        ``"ok"``; ``"not converged"``; ``"left: at least 452 BIC behind the best"`` if, on many rows, the cell was left
        before it converged, since its projected gain does not bring it within 40 of the best criterion: it would end
        with a higher log-likelihood than the one here; ``"degenerate: component k"`` if in every fit of the cell a
        component has too few rows or too little spread, so that all criteria but that of rows held out are
        meaningless; ``"failed: "`` followed by the reason; ``"not tried"`` if the search ended earlier.
    seconds : ndarray of float64, shape (n_cells,)
        Time spent on the cell alone, without work that cells share. NaN in what is unpickled and in deep copies, as in
        `gmm.em.Trace`.
    estimators : tuple of GaussianMixture or None
        The fitted mixtures; None where there is no fit.
    best_index : int
        Index of the cell with the smallest criterion, among cells that have not failed and, unless rows held out judge
        them, are not degenerate; among the degenerate ones if there are no others. The first in case of a tie.
    complete : bool
        Whether the search completed, rather than being ended by `time_limit` or a callback.
    n_fresh_starts, n_found_again : int
        Number of fresh starts that were made for the best cell once its solution had been found, and how many of them
        led to it again. None led to a better one, which would have taken its place. Both are 0 for a single component,
        where another cell is the best on all rows than on the sample, and in files of earlier versions.
    standardized : bool
        Whether columns were searched in units of their standard deviations. `covariance_type` and `n_parameters` are
        then those of the models there; see `select`.
    n_searched : int
        Number of rows in the sample on which the search ran; 0 if it ran on all rows.
    notes : tuple of str
        What a reader should know of the columns: which may be codes of categories, which have few distinct values or
        one value in many rows, which are copies or rescalings of others or add up, also but for rounding, and which
        have a value that rows share far from all others, as error codes are.
    """

    metadata = property(metadata_of)

    def __getstate__(self) -> dict[str, Any]:
        """Return the columns, without the times."""
        return vars(self) | {"seconds": np.full(len(self.seconds), nan)}

    @classmethod
    def of(cls, entries: Sequence[Entry], criterion: str, *, complete: bool) -> Self:
        """Make the table of these cells.

        Raises
        ------
        ValueError
            If none of them has a fit.
        """
        scores: dict[str, Any] = {
            name: _frozen([entry.score(name) for entry in entries], np.float64) for name in OF_SEARCHES
        }
        return cls(
            criterion=criterion,
            n_components=_frozen([entry.n_components for entry in entries], np.int64),
            covariance_type=tuple(entry.covariance_type for entry in entries),
            tails=tuple(entry.tails for entry in entries),
            loglik=_frozen([entry.loglik for entry in entries], np.float64),
            n_parameters=_frozen([entry.n_parameters for entry in entries], np.int64),
            **scores,
            scores=_frozen([entry.score(criterion) for entry in entries], np.float64),
            status=tuple(entry.status for entry in entries),
            seconds=_frozen([entry.seconds for entry in entries], np.float64),
            estimators=tuple(entry.estimator for entry in entries),
            best_index=_best_index(entries, criterion),
            complete=complete,
        )

    @property
    def contested(self) -> list[int]:
        """Indices of the other cells within 10 of the best criterion (NEC: 0.1), best first: the choice is not sure."""
        return contesting(self)

    def best_by(self, criterion: str) -> GaussianMixture:
        """Return the fitted mixture that another criterion chooses, a degenerate one only if all are.

        On many rows, cells that the criterion of the search could not choose are left before they converge (`status`):
        search by this criterion to have them finished.

        Parameters
        ----------
        criterion : str
            "bic", "aic", "aicc", "icl", "nec" or, of a search by it, "held_out".

        Returns
        -------
        GaussianMixture

        Raises
        ------
        ValueError
            For any other criterion.
        """
        best = self.estimators[self.ranked(check_criterion(criterion, self.criteria))[0]]
        assert best is not None  # ranked cells have a fit
        return best

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns of the table.

        Returns
        -------
        dict of str to ndarray of shape (n_cells,)
            ``n_components``, ``covariance_type``, ``loglik``, ``n_parameters``, the criteria by their names,
            ``status``, ``seconds`` and ``tails``.
        """
        columns = {name: getattr(self, name) for name in ("loglik", "n_parameters", *self.criteria)}
        types, status, tails = map(np.array, (self.covariance_type, self.status, self.tails))
        cells = {"n_components": self.n_components, "covariance_type": types}
        return cells | columns | {"status": status, "seconds": self.seconds, "tails": tails}

    def to_frame(self) -> Any:
        """Return the table as a data frame of pandas or polars.

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
            One row per cell, with columns ``n_components``, ``covariance_type``, ``loglik``, ``n_parameters``, ``bic``,
            ``aic``, ``icl``, ``status``, ``aicc``, ``nec``, ``seconds`` and ``tails``, and with that criterion
            ``held_out``. A library that is already imported is preferred, then pandas.

        Raises
        ------
        ImportError
            If neither library is installed.
        """
        columns = self.columns()
        ordered = (*_FRAME_FIRST, *(name for name in columns if name not in _FRAME_FIRST))
        texts = "covariance_type", "status", "tails"  # as lists, which pandas stores as objects, as those of files
        data = {name: list(getattr(self, name)) if name in texts else columns[name] for name in ordered}
        return data_frame(data)

    def save(self, file: Writable, *, metadata: Mapping[str, Any] | None = None) -> None:
        """Write the table and all fitted mixtures to a file that holds only numbers and text.

        Parameters
        ----------
        file : str, os.PathLike or binary file
            A path, used as given (no suffix is added), or a file open for writing, which need not be seekable.
        metadata : dict of JSON values, optional
            What else people or programs should know: names, dates, the number of rows, scores of the rows. None writes
            those of the file that this comes from. Nothing is added, so the same object gives the same bytes.

        Examples
        --------
        >>> import tempfile, pathlib, numpy as np
        >>> from gmm import Selection, select
        >>> selection = select(np.random.default_rng(0).normal(size=(50, 2)), 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "selection.gmm"
        ...     selection.save(path)
        ...     Selection.load(path).best.n_components
        1
        """
        arrays: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in _NUMBERS}
        arrays |= {"n_components": self.n_components, "n_parameters": self.n_parameters}
        headers, of_mixtures = states_of(self.estimators)
        fields = ("criterion", "covariance_type", "tails", "status", "best_index", "complete", "notes", *_COUNTS)
        header: dict[str, Any] = {"gmm_version": __version__, "class": type(self).__name__, "mixtures": headers}
        header |= {name: getattr(self, name) for name in (*fields, "standardized")}
        save_state(file, with_metadata(self, metadata, header), arrays | of_mixtures)

    @classmethod
    def load(cls, file: Readable) -> Self:
        """Read a selection that `save` wrote.

        Parameters
        ----------
        file : str, os.PathLike, binary file or bytes
            A path, a file open for reading, which is read to its end, or the content of such a file.

        Returns
        -------
        Selection

        Raises
        ------
        ValueError
            If the file is not a saved selection, was written by a newer version, or is inconsistent; the message says
            which.
        """
        return load_object(file, {cls.__name__: partial(selection_from_state, cls)})

    def __repr__(self) -> str:
        """Return the criterion as a grid, with a star at the best cell, and the distances of the next ones."""
        grid = Grid.of(self, _WIDTH)
        lines = list(grid.lines())
        together = "   ".join(grid.legend)
        lines += [together] * bool(together) if len(together) <= _WIDTH else grid.legend
        nearest = [f"{self.n_components[n]} {self.kinds[n]} +{distance(self, n)}" for n in self._nearest()]
        lines += [f"next by Δ{title(self.criterion)}: {', '.join(nearest)}"] * bool(nearest)
        notes = ("; ".join(certainty(self)), *advice(self), *failures(self), incomplete(self), *self.notes)
        return "\n".join([self._headline(), *lines, *filter(None, notes)])

    def _nearest(self) -> list[int]:
        return distinct(self)[1 : 1 + _NEXT]

    def _repr_html_(self) -> str:
        """Return HTML for notebooks: the grid, the best cells with all criteria, and the best mixture in a fold."""
        return block(*html_parts(self))

    def _headline(self) -> str:
        K = int(self.n_components[self.best_index])
        ended = "" if self.complete else " (incomplete)"
        of_columns = " of standardised columns" if self.standardized else ""
        return (
            f"Selection by {title(self.criterion)} among {counted(len(self.status), 'cell')}{of_columns}{ended}: "
            f"{counted(K, 'component')}, {self.kinds[self.best_index]}"
        )


def selection_from_state(cls: type[_Table], header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> _Table:
    """Make a selection of the header and arrays that `Selection.save` wrote.

    Raises
    ------
    KeyError, ValueError
        If something is missing or invalid.
    """
    parts: dict[str, dict[str, NDArray[Any]]] = {}
    arrays = {HELD_OUT: np.full(np.shape(arrays["scores"]), nan)} | arrays
    for name, values in arrays.items():
        number, _, part = name.partition("/")
        parts.setdefault(number, {})[part] = values
    types = _texts(header, "covariance_type")
    selection = cls(
        criterion=item(header, "criterion", str),
        covariance_type=types,
        tails=_texts({"tails": [NORMAL_TAILS.name] * len(types)} | header, "tails"),
        status=_texts(header, "status"),
        best_index=item(header, "best_index", int),
        complete=item(header, "complete", bool),
        n_fresh_starts=item({"n_fresh_starts": 0} | header, "n_fresh_starts", int),
        n_found_again=item({"n_found_again": 0} | header, "n_found_again", int),
        standardized=item({"standardized": False} | header, "standardized", bool),
        n_searched=item({"n_searched": 0} | header, "n_searched", int),
        notes=_texts({"notes": []} | header, "notes"),
        estimators=tuple(
            None if saved is None else mixture_of_cell(number, saved, parts.get(str(number), {}))
            for number, saved in enumerate(item(header, "mixtures", list))
        ),
        **{name: _frozen(whole_numbers(arrays, name), np.int64) for name in ("n_components", "n_parameters")},
        **{name: _frozen(arrays[name], np.float64) for name in _NUMBERS},
    )
    check_together(selection)
    return selection


def _texts(header: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return texts for people, of a file that may be a stranger's."""
    texts = item(header, name, list)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"expected texts in {name!r}, got {texts!r:.60}")
    return tuple(map(printable, texts))


def html_parts(selection: Selection) -> list[Html]:
    """Return a selection as parts of a page."""
    grid = Grid.of(selection)
    parts = [line(selection._headline(), "title"), grid.html()]
    if grid.legend:
        parts.append(line(" · ".join(grid.legend), "faint"))
    headings, *rows = zip(*ranking(selection, [selection.best_index, *selection._nearest()]), strict=True)
    if len(rows) > 1:
        numbers = [j for j, name in enumerate(headings) if name not in ("", "model")]
        caption = f"Best cells by {title(selection.criterion)}"
        parts.append(table(headings, rows, caption=caption, best=0, numeric=numbers))
    parts.append(line("; ".join(certainty(selection)), "faint"))
    parts += [line(note) for note in advice(selection)]
    notes = (*failures(selection), incomplete(selection), *selection.notes)
    parts += [line(note, "faint") for note in notes if note]
    return [*parts, details("the best mixture", joined(*fitted_html(selection.best)))]


def _best_index(entries: Sequence[Entry], criterion: str) -> int:
    """The cell with the smallest criterion; one that it may not choose only if there are no others."""
    fitted = [number for number, entry in enumerate(entries) if entry.estimator is not None]
    if not fitted:
        first = next(entry for entry in entries if has_failed(entry.status))
        raise ValueError(
            f"no mixture could be fitted, all {len(entries)} cells failed; with {first.n_components} components, "
            f"{kind_of(first.covariance_type, first.tails)}: {first.status.removeprefix(FAILED)}"
        ) from first.error
    candidates = [number for number in fitted if is_eligible(entries[number].status, criterion)]
    return min(candidates or fitted, key=lambda number: entries[number].score(criterion))


def _frozen(values: Sequence[float] | NDArray[Any], dtype: Any) -> NDArray[Any]:
    array = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array


# --- What a file must hold -----------------------------------------------------------------------


def mixture_of_cell(number: int, header: Any, arrays: dict[str, NDArray[Any]]) -> GaussianMixture:
    """Return the fitted mixture of a cell, or raise a ValueError that names the cell."""
    if not isinstance(header, dict):
        raise ValueError(f"expected a header or null for cell {number} in 'mixtures', got {header!r:.60}")
    return build_object(f"its cell {number}", "mixture", partial(from_state, GaussianMixture), header, arrays)


def whole_numbers(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    """Return the array of this name, or raise a ValueError if it does not hold integers."""
    if arrays[name].dtype.kind not in "iu":
        raise ValueError(f"expected whole numbers in {name!r}, got {arrays[name].dtype}")
    return arrays[name]


def check_together(selection: SearchTable) -> None:
    """Check that the columns form a table that a search can produce.

    Raises
    ------
    ValueError
        For the first column or cell that is wrong.
    """
    if selection.criterion not in OF_SEARCHES:
        raise ValueError(f"expected a criterion among {OF_SEARCHES}, got {selection.criterion!r}")
    n_cells = len(selection.estimators)
    for name in _COLUMNS:
        shape = np.shape(getattr(selection, name))
        if shape != (n_cells,):
            raise ValueError(f"expected {n_cells} cells in {name!r}, as in 'mixtures', got shape {shape}")
    if not np.array_equal(selection.scores, getattr(selection, selection.criterion), equal_nan=True):
        raise ValueError(f"expected 'scores' to equal the column of the criterion, {selection.criterion!r}, got others")
    for number in range(n_cells):
        _check_cell(selection, number)
    best = selection.ranked()[:1]
    if [selection.best_index] != best:
        raise ValueError(f"expected the best cell, {best}, for 'best_index', got {selection.best_index}")
    if selection.n_searched < 0:
        raise ValueError(f"expected a number of rows in 'n_searched', got {selection.n_searched}")
    again, fresh = selection.n_found_again, selection.n_fresh_starts
    if not 0 <= again <= fresh:
        raise ValueError(f"expected 'n_found_again' from 0 to 'n_fresh_starts', got {again} and {fresh}")
    features = {estimator.n_features_in_ for estimator in selection.estimators if estimator is not None}
    if len(features) != 1:
        raise ValueError(f"expected mixtures with one number of features, got {sorted(features)}")


def _check_cell(selection: SearchTable, number: int) -> None:
    status, estimator = selection.status[number], selection.estimators[number]
    covariance_model(selection.covariance_type[number])
    came = selection.tails[number]
    if (came if estimator is None else fitted_parameters(estimator).tails.name) != came:
        raise ValueError(f"expected the tails of the mixture of cell {number} in 'tails', got {came!r:.60}")
    if not is_status(status):
        raise ValueError(f"expected a known status for cell {number} in 'status', got {status!r:.60}")
    if (estimator is None) != (has_failed(status) or status == NOT_TRIED):
        expected, came = ("a fit", "none") if estimator is None else ("no fit", "one")
        raise ValueError(f"expected {expected} for cell {number}, whose status is {status!r:.60}, got {came}")
    K, n_parameters = int(selection.n_components[number]), int(selection.n_parameters[number])
    if K < 1 or n_parameters < 0:
        raise ValueError(f"expected at least 1 component and 0 parameters in cell {number}, got {K} and {n_parameters}")
    if estimator is not None and (len(estimator.weights_) != K or np.isnan(selection.scores[number])):
        came = f"{len(estimator.weights_)} and {selection.scores[number]}"
        raise ValueError(f"expected {K} components and a criterion in cell {number}, got {came}")
