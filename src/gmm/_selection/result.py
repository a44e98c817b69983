"""`Selection`: the result of a search, as a table that can be printed, ranked, saved and loaded.

Its parts are values, a grid of the criterion, a ranking and notes, which `repr`, notebooks, the command line and
reports render.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, nan
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.attributes import fitted_parameters, record_of
from gmm._estimators.contract import names_of_features
from gmm._estimators.criteria import CRITERIA, CRITERION, HELD_OUT, OF_SEARCHES, overparametrised_note, title
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.outcome import doubt_of_shapes
from gmm._estimators.saved import from_state, states_of
from gmm._estimators.summary import summary_of
from gmm._lazy import reduced_at_home
from gmm._persistence import Readable, Writable, build_object, item, load_object, metadata_of, save_object, unbundle
from gmm._selection.progress import MORE_THAN_ROWS, TOO_FEW_ROWS, Ending, Status
from gmm._selection.request import kind_of
from gmm._selection.solutions import Solution
from gmm._text.frames import data_frame
from gmm._text.html import block, details, joined, line
from gmm._text.table import LABEL, TEXT, Cell, Column, Table
from gmm._text.words import counted, in_one_line, percent, printable, span
from gmm._validation.column_notes import LONG_TAIL
from gmm._validation.scalars import as_list, check_boolean, check_choice, check_text, check_whole, excerpt, is_whole
from gmm._values.covariance import CovarianceModel, covariance_model, same_as
from gmm._values.tails import NORMAL_TAILS

_Table = TypeVar("_Table", bound="Selection")
_WIDTH = 80  # characters of a line of `repr`
_NEXT = 5  # cells that are named after the best
_MORE_PASSES = 10  # times as many as before
_FEW_ROWS = 10  # for each parameter
# The first columns keep their positions, on which scripts may rely.
_FRAME_FIRST = ("n_components", "covariance_type", "loglik", "n_parameters", "bic", "aic", "icl", "status")
_TEXTS = "covariance_type", "tails", "status"
_COUNTS = "n_components", "n_parameters"
_NUMBERS = ("loglik", *OF_SEARCHES, "scores", "seconds")
# Fields of a file, with their values for files of earlier versions.
_DEFAULTS = {"n_new_starts": 0, "n_found_again": 0, "standardized": False}


class Entry(NamedTuple):
    """One cell of the table: the fields of `Selection`, log-likelihood and criteria by name in `scores`.

    `error` is the reason if there is no fit.
    """

    n_components: int
    covariance_type: str
    tails: str
    status: Status
    seconds: float
    estimator: GaussianMixture | None = None
    n_parameters: int = 0
    scores: Mapping[str, float] = {}
    error: Exception | None = None


class Remarks(NamedTuple):
    """Remarks on a search in addition to its tables, as `Selection.remarks` returns them.

    Attributes
    ----------
    certainty : tuple of str
        Number of starts that found the best fit again, and of cells near it.
    advice : tuple of str
        Advice if the choice is doubtful.
    failures : tuple of str
        The cells without a fit, and the reasons.
    incomplete : str
        The missing part of a search that ended early; empty if it completed.
    """

    certainty: tuple[str, ...]
    advice: tuple[str, ...]
    failures: tuple[str, ...]
    incomplete: str


Remarks.__module__ = "gmm.analysis"
Remarks.__reduce_ex__ = reduced_at_home  # type: ignore[method-assign]


@dataclass(frozen=True, eq=False, repr=False)
class Selection:
    """Result of a search: a table of its cells, the pairs of a number of components and a covariance type.

    Cells are ordered by number of components, then by covariance type, then by tails, as requested. Arrays have one
    entry per cell, NaN if there is no fit.

    Attributes
    ----------
    criterion : str
        The criterion that chose the best cell: "bic", "aic", "aicc", "icl", "nec" or "held_out".
    n_components : ndarray of int, shape (n_cells,)
        Number of components.
    covariance_type : tuple of str
        Covariance type, as requested.
    tails : tuple of str
        "normal" or "t".
    loglik : ndarray of float64, shape (n_cells,)
        Total log-likelihood in nats, weighted if weights were given.
    n_parameters : ndarray of int, shape (n_cells,)
        Number of free parameters.
    bic, aic, aicc, icl, nec : ndarray of float64, shape (n_cells,)
        The criteria; smaller is better.
    held_out : ndarray of float64, shape (n_cells,)
        −2 log-likelihood of the rows, each under a fit of the cell to other rows; NaN unless it is the criterion of the
        search, ∞ if a fold has no fit.
    scores : ndarray of float64, shape (n_cells,)
        The criterion that chose.
    status : tuple of str
        ``"ok"``; ``"not converged"``; ``"stopped because an update lowered the objective"``, by rounding of values far
        from each other, so that it is not chosen; ``"not pursued"`` if, on a large table, the cell was stopped before
        it converged, because its projected gain does not bring it within 40 of the best criterion: it would converge to
        a higher log-likelihood; ``"degenerate: component k"`` if every fit of the cell has a component with too few
        rows or too little variance, so that all criteria but that of held-out rows are meaningless; ``"failed: "``
        followed by the reason; ``"not tried"`` if the search ended earlier.
    seconds : ndarray of float64, shape (n_cells,)
        Time spent on the cell, without work that cells share. NaN in unpickled selections and deep copies, as in
        `gmm.em.Trace`.
    estimators : tuple of GaussianMixture or None
        The fitted mixtures; None if there is no fit. The `fit` of each repeats it: see `select`.
    best_index : int
        Index of the cell with the smallest criterion, among cells that have not failed and, unless the criterion is
        that of held-out rows, are neither degenerate nor stopped because an update lowered the objective; if there are
        none, among these. The first in case of a tie.
    complete : bool
        Whether the search completed, rather than being ended by `time_limit` or a callback.
    n_new_starts, n_found_again : int
        Number of random starts of the best cell after its mixture had been found, and of those that found it again.
        None found a better one, which would have replaced it. Both are 0 for a single component, and in files of
        earlier versions.
    others : tuple of Solution
        Other solutions near the best: see `solutions`.
    standardized : bool
        Whether columns were searched in units of their standard deviations. `covariance_type` and `n_parameters` are
        then those of the models there; see `select`.
    notes : tuple of str
        Notes on the columns: those that may be codes of categories, have few distinct values or one value in many rows,
        are copies, rescalings or sums of others, also up to rounding, or have a value of many rows far from all others,
        such as an error code.
    """

    metadata = property(metadata_of)

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
    n_new_starts: int = 0
    n_found_again: int = 0
    standardized: bool = False
    notes: tuple[str, ...] = ()
    others: tuple[Solution, ...] = ()

    @property
    def best(self) -> GaussianMixture:
        """Fitted mixture of the best cell."""
        best = self.estimators[self.best_index]
        assert best is not None  # best_index is that of a fitted cell
        return best

    def __getitem__(self, cell: tuple[int, str] | tuple[int, str, str]) -> GaussianMixture:
        """Return the fitted mixture of a cell, whose `fit` to the same rows gives the same bits.

        Parameters
        ----------
        cell : tuple of (int, str) or (int, str, str)
            Number of components, covariance type as requested and, unless all tails are the same, tails.

        Raises
        ------
        KeyError
            If there is no such cell, or it has no fit.

        Examples
        --------
        >>> import numpy as np
        >>> from gmm import GaussianMixture, select
        >>> X = np.random.default_rng(0).normal(size=(50, 2))
        >>> found = select(X, (1, 2), ["EII", "VVV"], random_state=0)
        >>> again = GaussianMixture(**found[2, "EII"].get_params()).fit(X)
        >>> bool((again.means_ == found[2, "EII"].means_).all())
        True
        """
        called: Any = cell
        if not (isinstance(called, tuple) and len(called) in (2, 3)):
            raise KeyError(f"expected the number of components and covariance type of a cell, got {cell!r:.80}")
        every = zip(self.n_components.tolist(), self.covariance_type, self.tails, strict=True)
        numbers = [number for number, each in enumerate(every) if each[: len(cell)] == tuple(cell)]
        estimator = self.estimators[numbers[0]] if len(numbers) == 1 else None
        if estimator is None:
            what = self.status[numbers[0]] if len(numbers) == 1 else f"{len(numbers)} cells have this name"
            raise KeyError(f"expected the number of components, covariance type and tails of a fit, got {cell}: {what}")
        return estimator

    @property
    def kinds(self) -> tuple[str, ...]:
        """Short name of the covariance type and tails of each cell."""
        return tuple(map(kind_of, self.covariance_type, self.tails))

    @property
    def criteria(self) -> tuple[str, ...]:
        """Names of the criteria in the table; "held_out" is among them if it is the criterion of the search."""
        return OF_SEARCHES if self.criterion == HELD_OUT else CRITERIA

    def ranked(self, criterion: str | None = None, *, distinct: bool = False) -> list[int]:
        """Rank the fitted cells, best first; degenerate ones are last, unless the criterion is that of held-out rows.

        Parameters
        ----------
        criterion : str, default=None
            "bic", "aic", "aicc", "icl", "nec" or, in a search by it, "held_out"; None is the criterion of the search.
        distinct : bool, default=False
            Whether to omit degenerate cells, unless all are, and all but the first of those of one model under several
            names.

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
        states = statuses(self)
        fitted = [number for number, estimator in enumerate(self.estimators) if estimator is not None]
        ranked = sorted(fitted, key=lambda n: (not states[n].is_eligible(name), np.isnan(scores[n]), scores[n]))
        if not check_boolean(distinct, "distinct"):
            return ranked
        d, first = self.best.n_features_in_, dict[tuple[int, CovarianceModel, str], int]()
        for number in [n for n in ranked if states[n].is_eligible(name)] or ranked:
            K = int(self.n_components[number])
            model = same_as(covariance_model(self.covariance_type[number]), K, d)
            first.setdefault((K, model, self.tails[number]), number)
        return list(first.values())

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
        fitted = [number for number, entry in enumerate(entries) if entry.estimator is not None]
        if not fitted:
            first = next(entry for entry in entries if entry.status.kind == Ending.FAILED)
            raise ValueError(
                f"no mixture could be fitted, all {len(entries)} cells failed; with {first.n_components} components, "
                f"{kind_of(first.covariance_type, first.tails)}: {first.status.detail}"
            ) from first.error
        cells = dict(zip(Entry._fields, zip(*entries, strict=True), strict=True))
        values: dict[str, Any] = {"seconds": cells["seconds"]}
        for name in ("loglik", *OF_SEARCHES):
            values[name] = [scores.get(name, nan) for scores in cells["scores"]]
        values["scores"] = values[criterion]
        columns: dict[str, Any] = {name: _frozen(values[name], np.float64) for name in _NUMBERS}
        columns |= {name: _frozen(cells[name], np.int64) for name in _COUNTS}
        columns |= {name: tuple(map(str, cells[name])) for name in _TEXTS}
        eligible = [number for number in fitted if entries[number].status.is_eligible(criterion)]
        best_index = min(eligible or fitted, key=values["scores"].__getitem__)
        return cls(criterion, **columns, estimators=cells["estimator"], best_index=best_index, complete=complete)

    @property
    def ambiguous(self) -> list[int]:
        """Indices of the other cells within 10 of the best criterion (NEC: 0.1), best first."""
        limit = self.scores[self.best_index] + CRITERION[self.criterion].near
        return [number for number in self.ranked(distinct=True)[1:] if self.scores[number] <= limit]

    @property
    def pursued(self) -> NDArray[np.bool_]:
        """Whether cells are within 10 of the best criterion (NEC: 0.1), and were fitted from many starts, (n_cells,).

        For the others, apart from those of one component, more starts may find a lower criterion.
        """
        return self.differences <= CRITERION[self.criterion].near

    def solutions(self) -> tuple[Solution, ...]:
        """Return the solutions within 10 of the best criterion: fits that divide the rows differently, the best first.

        Two fits, of the same cell or not, are one solution if the adjusted Rand index of their clusters is .9 or more.
        The first is `best`. There are others only with criteria of the likelihood (BIC, AIC, AICc) and without a prior.

        Returns
        -------
        tuple of Solution
            Each with its ``mixture``, ``criterion``, the number of random starts of its cell that found it
            (``n_starts`` of ``n_seeds``), and the share of rows in other groups than in the best (``share_moved``).
        """
        again, starts = self.n_found_again, self.n_new_starts
        return (Solution(self.best, float(self.scores[self.best_index]), again, starts, 0.0), *self.others)

    @property
    def differences(self) -> NDArray[np.float64]:
        """Differences of the criterion of each cell to the best; 0 if both are infinite, as with few rows."""
        best = self.scores[self.best_index]
        return np.array([0.0 if score == best else score - best for score in self.scores.tolist()])

    def tables(self, width: int | None = None, word: str = "component") -> list[Table]:
        """Return the criterion by model and number of components; the more numerous of the two are in rows.

        Cells closer to the best have a deeper colour. The notes of the last table explain its marks.

        Parameters
        ----------
        width : int, default=None
            Characters of a line: decimals are dropped if all columns then fit; otherwise the remaining ones are in
            further tables. None makes one table.
        word : str, default="component"
            The word for a component.

        Returns
        -------
        list of Table

        Examples
        --------
        >>> import numpy as np
        >>> from gmm import select
        >>> found = select(np.random.default_rng(0).normal(size=(50, 2)), (1, 2), ["EII", "VVV"], random_state=0)
        >>> print(found.tables()[0])
        BIC by covariance model and number of components
          K      EII      VVV
          1  ★286.83   292.96
          2   295.93  ^310.84
          ★ best (smallest)
          ^ a component is degenerate: not chosen
        """
        width = None if width is None else check_whole(width, "width")
        kinds, sizes, word = self.kinds, self.n_components.tolist(), check_text(word, "word")
        tried = {K for K, status in zip(sizes, self.status, strict=True) if status != Ending.NOT_TRIED}
        counts, types = [str(K) for K in sorted(tried)], list(dict.fromkeys(kinds))
        models_in_rows = len(types) > len(counts)
        corner, names, over = ("model", types, counts) if models_in_rows else ("K", counts, types)
        headings = [f"K={count}" for count in counts] if models_in_rows else types
        available = None if width is None else width - max(map(len, (corner, *names)))
        texts, size = _fit_texts(self, headings, available)
        numbered = enumerate(zip(map(str, sizes), kinds, strict=True))
        cells = {key: _cell(self, number, texts[number], word) for number, key in numbered}
        columns = []
        for heading, column in zip(headings, over, strict=True):
            keys = [(column, name) if models_in_rows else (name, column) for name in names]
            entries = [cells.get(key, Cell("", kind="muted")) for key in keys]
            columns.append(Column(heading, entries, least=size - 1))
        many = ceil(len(columns) / (1 if available is None else ceil(len(columns) / max(1, available // size))))
        first_column = Column(corner, names, TEXT if models_in_rows else LABEL)
        caption = f"{title(self.criterion)} by covariance model and number of {word}s"
        tables = [
            Table([first_column, *columns[first : first + many]], "" if first else caption)
            for first in range(0, len(columns), many)
        ]
        return [*tables[:-1], tables[-1]._replace(notes=tuple(_legend(self)))]

    def ranking(self, cells: Sequence[int] | None = None) -> Table:
        """Return a table of cells with all criteria, that of the search first; its notes explain the marks.

        Parameters
        ----------
        cells : sequence of int, default=None
            Indices of fitted cells; None is all distinct ones, best first, as in `ranked`.

        Returns
        -------
        Table
        """
        cells, chooser = self.ranked(distinct=True) if cells is None else as_list(cells), CRITERION[self.criterion]
        for cell in cells:
            if not (is_whole(cell) and 0 <= cell < len(self.status)) or self.estimators[cell] is None:
                raise ValueError(f"expected indices of fitted cells, such as {self.ranked()[:3]}, got {excerpt(cell)}")

        def column(name: str) -> Column:
            decimals = CRITERION[name].decimals
            return Column(title(name), [f"{getattr(self, name)[n]:.{decimals}f}" for n in cells])

        columns = [
            Column("", [Cell(_mark(self, n), kind="mark") for n in cells], LABEL),
            Column("K", [str(self.n_components[n]) for n in cells]),
            Column("model", [self.kinds[n] for n in cells], TEXT),
            Column("loglik", [f"{self.loglik[n]:.2f}" for n in cells]),
            Column("df", [str(self.n_parameters[n]) for n in cells]),
            column(self.criterion),
            Column(f"Δ{chooser.title}", [chooser.text(distance) for distance in self.differences[cells]]),
            *(column(name) for name in self.criteria if name != self.criterion),
        ]
        best = cells.index(self.best_index) if self.best_index in cells else None
        return Table(columns, f"Best cells by {chooser.title}", best, tuple(_legend(self, of_grid=False)))

    def remarks(self, word: str = "component") -> Remarks:
        """Return how certain the choice is, what to do if it is doubtful, and which cells are missing.

        Parameters
        ----------
        word : str, default="component"
            The word for a component.

        Returns
        -------
        Remarks
            Texts, which `repr` also prints.
        """
        advice = tuple(_advice(self, check_text(word, "word")))
        return Remarks(tuple(_certainty(self)), advice, tuple(_failures(self)), _incomplete(self))

    def best_by(self, criterion: str) -> GaussianMixture:
        """Return the fitted mixture that another criterion chooses, a degenerate one only if all are.

        On many rows, cells that the criterion of the search could not choose stop before they converge (`status`);
        a search by this criterion finishes them.

        Parameters
        ----------
        criterion : str
            "bic", "aic", "aicc", "icl", "nec" or, in a search by it, "held_out".

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
            ``aic``, ``icl``, ``status``, ``aicc``, ``nec``, ``seconds`` and ``tails``, and ``held_out`` in a search by
            it. A library that is already imported is preferred, then pandas.

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
        """Write the table and all fitted mixtures to a file that contains only numbers and text.

        Parameters
        ----------
        file : str, os.PathLike or binary file
            A path, used as given (no suffix is added), or a file open for writing, which need not be seekable.
        metadata : dict of JSON values, optional
            Other information, such as names, dates, the number of rows or their scores. None writes that of the file
            from which the object was loaded. Nothing is added, so the same object gives the same bytes.

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
        arrays: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in (*_NUMBERS, *_COUNTS)}
        headers, mixture_arrays = states_of([*self.estimators, *(other.mixture for other in self.others)])
        fields = ("criterion", *_TEXTS, "best_index", "complete", "notes", *_DEFAULTS)
        header: dict[str, Any] = {"mixtures": headers} | {name: getattr(self, name) for name in fields}
        header["others"] = [other[1:] for other in self.others]
        save_object(self, file, metadata, header, arrays | mixture_arrays)

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
            If the file is not a saved selection, was written by a newer version, or is inconsistent.
        """
        return load_object(file, {cls.__name__: partial(selection_from_state, cls)})

    def __repr__(self) -> str:
        """Return the criterion as a grid, with a star at the best cell, and the distances of the next ones."""
        tables, remarks, chooser = self.tables(_WIDTH), self.remarks(), CRITERION[self.criterion]
        grid = "\n\n".join("\n".join(table.lines("", 1, ruled=True)) for table in tables)
        lines = [grid, *in_one_line(tables[-1].notes, _WIDTH)]
        nearest = [
            f"{self.n_components[n]} {self.kinds[n]} +{chooser.text(self.differences[n])}" for n in self._nearest()
        ]
        lines += [f"next by Δ{chooser.title}: {', '.join(nearest)}"] if nearest else []
        lines += in_one_line(remarks.certainty, _WIDTH)
        notes = (*remarks.advice, *remarks.failures, remarks.incomplete, *self.notes)
        return "\n".join([self._headline(), *lines, *filter(None, notes)])

    def _nearest(self) -> list[int]:
        return self.ranked(distinct=True)[1 : 1 + _NEXT]

    def _repr_html_(self) -> str:
        """Return HTML for notebooks: the grid, the best cells with all criteria, and the best mixture in a fold."""
        return block(*html_parts(self))

    def _headline(self) -> str:
        K = int(self.n_components[self.best_index])
        ended = "" if self.complete else " (incomplete)"
        columns = " of standardised columns" if self.standardized else ""
        return (
            f"Selection by {title(self.criterion)} among {counted(len(self.status), 'cell')}{columns}{ended}: "
            f"{counted(K, 'component')}, {self.kinds[self.best_index]}"
        )


def selection_from_state(cls: type[_Table], header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> _Table:
    """Make a selection from the header and arrays that `Selection.save` wrote.

    Raises
    ------
    KeyError, ValueError
        If something is missing or invalid.
    """
    arrays = {HELD_OUT: np.full(np.shape(arrays["scores"]), nan)} | arrays
    header = {"tails": [NORMAL_TAILS.name] * len(item(header, "mixtures", list)), "notes": []} | _DEFAULTS | header
    kinds = {"criterion": str, "best_index": int, "complete": bool} | {n: type(v) for n, v in _DEFAULTS.items()}
    columns: dict[str, Any] = {name: item(header, name, kind) for name, kind in kinds.items()}
    columns |= {name: _texts(header, name) for name in (*_TEXTS, "notes")}
    for name in (*_COUNTS, *_NUMBERS):
        if name in _COUNTS and arrays[name].dtype.kind not in "iu":
            raise ValueError(f"expected whole numbers in {name!r}, got {arrays[name].dtype}")
        columns[name] = _frozen(arrays[name], np.int64 if name in _COUNTS else np.float64)
    estimators, parts = list[GaussianMixture | None](), unbundle(arrays)
    for number, saved in enumerate(header["mixtures"]):
        if not (saved is None or isinstance(saved, dict)):
            raise ValueError(f"expected a header or null for cell {number} in 'mixtures', got {saved!r:.60}")
        build, part = partial(from_state, GaussianMixture), parts[str(number)]
        estimators.append(saved if saved is None else build_object(f"its cell {number}", "mixture", build, saved, part))
    facts = item({"others": []} | header, "others", list)
    mixtures = estimators[len(estimators) - len(facts) :]
    others = [Solution.from_state(mixture, of) for mixture, of in zip(mixtures, facts, strict=True)]
    selection = cls(**columns, estimators=tuple(estimators[: len(estimators) - len(facts)]), others=tuple(others))
    check_selection(selection)
    return selection


def _texts(header: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the texts of a file, which need not be trusted, made printable."""
    texts = item(header, name, list)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"expected texts in {name!r}, got {texts!r:.60}")
    return tuple(map(printable, texts))


def html_parts(selection: Selection) -> list[object]:
    """Return a selection as parts of a page."""
    (grid,), remarks = selection.tables(), selection.remarks()
    parts: list[object] = [line(selection._headline(), "title"), grid._replace(notes=())]
    if grid.notes:
        parts.append(line(" · ".join(grid.notes), "faint"))
    if nearest := selection._nearest():
        parts.append(selection.ranking([selection.best_index, *nearest])._replace(notes=()))
    parts.append(line("; ".join(remarks.certainty), "faint"))
    parts += [line(note) for note in remarks.advice]
    notes = (*remarks.failures, remarks.incomplete, *selection.notes)
    parts += [line(note, "faint") for note in notes if note]
    return [*parts, details("the best mixture", joined(*summary_of(selection.best).html()))]


def statuses(selection: Selection) -> list[Status]:
    """Return the status of each cell."""
    return [Status.of(text) for text in selection.status]


def _frozen(values: Sequence[float] | NDArray[Any], dtype: Any) -> NDArray[Any]:
    array = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array


def check_criterion(criterion: object, among: tuple[str, ...] = CRITERIA) -> str:
    """Return the name of a criterion; raise a ValueError if it is none of these."""
    return check_choice(criterion, "a criterion", among)


def _fit_texts(selection: Selection, headings: Sequence[str], available: int | None) -> tuple[list[str], int]:
    """Return the texts of the cells, with fewer decimals if all columns then fit, and the width of a column."""
    most, layouts = CRITERION[selection.criterion].decimals, []
    for decimals in range(most, most - 3, -1):
        texts = [_text(selection, number, decimals) for number in range(len(selection.status))]
        size = 1 + max(map(len, (*headings, *texts)))
        layouts.append((texts, size))
        if available is None or size * len(headings) <= available:
            return layouts[-1]
    return layouts[0]


def _text(selection: Selection, number: int, decimals: int) -> str:
    status = Status.of(selection.status[number])
    if status.is_solved:
        return f"{_mark(selection, number)}{CRITERION[selection.criterion].text(selection.scores[number], decimals)}"
    return "failed" if status.kind == Ending.FAILED else "–"


def _cell(selection: Selection, number: int, text: str, word: str) -> Cell:
    status, chooser = Status.of(selection.status[number]), CRITERION[selection.criterion]
    distance = float(selection.differences[number])
    details = [f"{counted(int(selection.n_components[number]), word)}, {selection.kinds[number]}"]
    if status.is_solved:
        details += [
            f"log-likelihood {selection.loglik[number]:.2f}, {selection.n_parameters[number]} free parameters",
            f"Δ{chooser.title} {chooser.text(distance)}",
        ]
    is_candidate = status.is_solved and status.is_eligible(selection.criterion)
    kind = "best" if number == selection.best_index else "" if is_candidate else "muted"
    return Cell(
        text,
        title="; ".join(details if status.kind == Ending.OK else [*details, str(status)]),
        kind="muted failed" if status.kind == Ending.FAILED else kind,
        shade=1 / (1 + max(distance, 0.0) / chooser.near) if is_candidate else 0.0,
    )


_MARKED = Ending.NOT_CONVERGED, Ending.LOWERED, Ending.NOT_PURSUED, Ending.DEGENERATE
_MARKS: dict[str, str] = dict(zip(_MARKED, "~!≤^", strict=True))


def _mark(selection: Selection, number: int) -> str:
    best = "★" if number == selection.best_index and len(selection.status) > 1 else ""
    return best + _MARKS.get(Status.of(selection.status[number]).kind, "")


def _certainty(selection: Selection) -> Iterator[str]:
    """Yield how often the best fit was found again, the rows per parameter, and the cells and solutions near it."""
    if selection.n_new_starts:
        again, starts = selection.n_found_again, counted(selection.n_new_starts, "new random start")
        yield f"{again or 'none'} of {starts} found the same solution"
        if again < selection.n_new_starts:
            yield "none found a better one" if again else "all ended lower: treat it with care"
    weight, n_parameters = record_of(selection.best).weight, int(selection.n_parameters[selection.best_index])
    if n_parameters < weight < _FEW_ROWS * n_parameters:
        yield f"{weight / n_parameters:.1f} rows for each parameter"
    if len(selection.ranked(distinct=True)) > 1:
        n = len(selection.ambiguous)
        limit = f"{CRITERION[selection.criterion].near:g} {title(selection.criterion)}"
        yield f"{counted(n, 'other cell') if n else 'no other cell'} within {limit}"
        if (~selection.pursued & (selection.n_components > 1)).any():
            yield from ("cells farther from the best had few starts", "more starts may lower their criteria")
    if selection.others:
        other, chooser, n = selection.others[0], CRITERION[selection.criterion], len(selection.others)
        model = f"{other.mixture.n_components} {kind_of(other.mixture.covariance_type, other.mixture.tails)}"
        difference = chooser.text(other.criterion - selection.scores[selection.best_index])
        others = f"{n} other solutions" if n > 1 else "another solution"
        yield f"{others} within {chooser.near:g} {chooser.title}"
        yield f"{model} (+{difference}): {percent(other.share_moved)} of rows in other groups"
        yield f"{other.n_starts} of {counted(other.n_seeds, 'random start')} found it"


def _legend(selection: Selection, *, of_grid: bool = True) -> Iterator[str]:
    """Explain the marks in a grid or a list."""
    states = statuses(selection)
    kinds = {status.kind for status in states}
    if len(states) > 1:
        yield "★ best (smallest)"
    if Ending.NOT_CONVERGED in kinds:
        yield "~ not converged"
    if Ending.LOWERED in kinds:
        yield f"! {Ending.LOWERED}"
    if Ending.NOT_PURSUED in kinds:
        yield f"≤ {Ending.NOT_PURSUED}: cannot reach within {CRITERION[selection.criterion].of_interest:g} of the best"
    if Ending.DEGENERATE in kinds:
        yield "^ " + (
            "a component is degenerate: evaluated on held-out rows"
            if selection.criterion == HELD_OUT
            else "every fit has a degenerate component: do not use these criteria"
            if states[selection.best_index].kind == Ending.DEGENERATE
            else "a component is degenerate: not chosen"
        )
    if of_grid and Ending.NOT_TRIED in kinds:
        yield "– not tried"


def _advice(selection: Selection, word: str) -> Iterator[str]:
    """Yield what to do if the choice is doubtful; `word` is the word for a component."""
    best, number, states = selection.best, selection.best_index, statuses(selection)
    K, criterion = int(selection.n_components[number]), selection.criterion

    def diagnosis(number: int) -> str:
        """Return which components are degenerate, and why; for a mixture of a file, which has no rows, its status."""
        mixture = selection.estimators[number]
        return (mixture and summary_of(mixture).diagnosis) or selection.status[number]

    yield from filter(None, [overparametrised_note(int(selection.n_parameters[number]), record_of(best).weight)])
    yield from filter(None, [doubt_of_shapes(fitted_parameters(best), names_of_features(best), word)])
    ranked = selection.ranked()
    fitted = selection.n_components[ranked]
    if fitted.min() < fitted.max() == K:  # more may be better
        has_tail = any(LONG_TAIL in note for note in selection.notes)
        first = "take logarithms of long tails first, then " if has_tail else ""
        yield f"{counted(K, word)} are the most that were tried: {first}try n_components up to {2 * K + 2}"
    if states[number].kind == Ending.NOT_CONVERGED:
        yield f"the best has not converged: try max_iter={_MORE_PASSES * best.max_iter}"
    if states[number].kind == Ending.LOWERED:
        yield f"the best {Ending.LOWERED}, by rounding: subtract the columns' means, or drop rows far from all others"
    if states[number].kind == Ending.DEGENERATE and criterion == HELD_OUT:
        yield (
            f"the best is {diagnosis(number)}; reg_covar sets its density: if values are rounded to multiples of s, "
            "set reg_covar to s²/12 or more"
        )
    elif states[number].kind == Ending.DEGENERATE:
        yield f"every fit is {diagnosis(number)}; try fewer {word}s or a prior"
    larger = [other for other in ranked if selection.n_components[other] > K]
    if any(states[other].is_eligible(criterion) for other in larger):
        return
    if larger and selection.differences[larger[0]] < 0:
        yield (
            f"every cell of more than {counted(K, word)} is degenerate, such as {selection.n_components[larger[0]]} "
            f"{selection.kinds[larger[0]]}, {diagnosis(larger[0])}; try prior='conjugate'"
        )


def _failures(selection: Selection) -> Iterator[str]:
    """Yield the reasons of failures, one line for all models with the same one, and the cells with too few rows."""
    models: dict[tuple[int, Status], list[str]] = {}
    skipped: dict[str, list[tuple[int, str]]] = {}
    for K, name, status in zip(selection.n_components.tolist(), selection.kinds, statuses(selection), strict=True):
        if status.kind == Ending.FAILED and status.detail.startswith((MORE_THAN_ROWS, TOO_FEW_ROWS)):
            skipped.setdefault(status.detail, []).append((K, name))
        elif status.kind == Ending.FAILED:
            models.setdefault((K, status), []).append(name)
    every = len(dict.fromkeys(selection.kinds))
    for (K, status), names in models.items():
        yield f"{K} {'all models' if len(names) == every > 1 else ', '.join(names)} {status}"
    for reason, cells in skipped.items():
        numbers, kinds = (dict.fromkeys(values) for values in zip(*cells, strict=True))
        some = f" of {', '.join(kinds)}" if len(kinds) < every else ""
        yield f"K = {span(sorted(numbers))}{some} skipped: {reason}"


def _incomplete(selection: Selection) -> str:
    """Describe what is missing from a search that ended early; empty if it completed."""
    if selection.complete:
        return ""
    n_missing = selection.status.count(Ending.NOT_TRIED)
    if n_missing:
        n = len(selection.status)
        return f"incomplete (ended early): {n - n_missing:,} of {n:,} cells tried"
    return "incomplete (ended early): every cell was fitted once, but better fits may exist"


# --- Checks of files -----------------------------------------------------------------------------


def check_selection(selection: Selection) -> None:
    """Check that the columns form a table that a search can produce.

    Raises
    ------
    ValueError
        For the first column or cell that is wrong.
    """
    if selection.criterion not in OF_SEARCHES:
        raise ValueError(f"expected a criterion among {OF_SEARCHES}, got {selection.criterion!r}")
    n_cells = len(selection.estimators)
    for name in (*_TEXTS, *_COUNTS, *_NUMBERS):
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
    again, starts = selection.n_found_again, selection.n_new_starts
    if not 0 <= again <= starts:
        raise ValueError(f"expected 'n_found_again' from 0 to 'n_new_starts', got {again} and {starts}")
    features = {estimator.n_features_in_ for estimator in selection.estimators if estimator is not None}
    if len(features) != 1:
        raise ValueError(f"expected mixtures with one number of features, got {sorted(features)}")


def _check_cell(selection: Selection, number: int) -> None:
    text, estimator = selection.status[number], selection.estimators[number]
    status = Status.of(text)
    covariance_model(selection.covariance_type[number])
    tails = selection.tails[number]
    if (tails if estimator is None else fitted_parameters(estimator).tails.name) != tails:
        raise ValueError(f"expected the tails of the mixture of cell {number} in 'tails', got {tails!r:.60}")
    if status.kind not in tuple(Ending) or str(status) != text:
        raise ValueError(f"expected a known status for cell {number} in 'status', got {text!r:.60}")
    if (estimator is not None) != status.is_solved:
        expected, actual = ("a fit", "none") if estimator is None else ("no fit", "one")
        raise ValueError(f"expected {expected} for cell {number}, whose status is {text!r:.60}, got {actual}")
    K, n_parameters = int(selection.n_components[number]), int(selection.n_parameters[number])
    if K < 1 or n_parameters < 0:
        raise ValueError(f"expected at least 1 component and 0 parameters in cell {number}, got {K} and {n_parameters}")
    if estimator is not None and (len(estimator.weights_) != K or np.isnan(selection.scores[number])):
        actual = f"{len(estimator.weights_)} and {selection.scores[number]}"
        raise ValueError(f"expected {K} components and a criterion in cell {number}, got {actual}")
