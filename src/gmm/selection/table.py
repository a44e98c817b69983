"""`Selection`: what a search found, as a value with a table, a text and a file."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from math import nan
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gmm.estimators import criteria
from gmm.estimators.mixture import GaussianMixture
from gmm.persistence import Readable, Writable, item, load_object, save_state
from gmm.selection.from_file import check_together, mixture_of_cell, whole_numbers
from gmm.selection.grid import Grid, distance, distinct, failures, incomplete, ranking, title
from gmm.selection.status import FAILED, has_failed, is_spike
from gmm.text.amounts import counted
from gmm.text.html import Html, block, details, joined, line, table
from gmm.versions import __version__

_WIDTH = 80  # characters of a line of `repr`
_NEXT = 5  # cells after the best that are named
# Where they stood before there were more: positions that scripts may rely on.
_FRAME_FIRST = ("n_components", "covariance_type", "loglik", "n_parameters", "bic", "aic", "icl", "status")
_NUMBERS = ("loglik", *criteria.CRITERIA, "scores", "seconds")


@dataclass(frozen=True)
class Progress:
    """One cell of a search, as `select` reports it to its callback.

    Attributes
    ----------
    cell, n_cells : int
        The number of the cell in the table, from 0, and how many there are.
    n_components : int
        Its number of components.
    covariance_type : str
        Its covariance type.
    status : str
        As in `Selection`; the cell may still be improved.
    """

    cell: int
    n_cells: int
    n_components: int
    covariance_type: str
    status: str


@dataclass(frozen=True, eq=False)
class Entry:
    """One cell of the table.

    Parameters
    ----------
    n_components : int
    covariance_type : str
    status : str
    seconds : float
    estimator : GaussianMixture, optional
    loglik : float
    n_parameters : int
    scores : mapping of str to float
        The criteria by their names.
    """

    n_components: int
    covariance_type: str
    status: str
    seconds: float
    estimator: GaussianMixture | None = None
    loglik: float = nan
    n_parameters: int = 0
    scores: Mapping[str, float] | None = None

    def score(self, criterion: str) -> float:
        """The criterion of this name; NaN where there is no fit."""
        return nan if self.scores is None else self.scores[criterion]


@dataclass(frozen=True, eq=False, repr=False)
class Selection:
    """What a search found: the table of all cells, and the best of them.

    Cells are ordered by number of components, then by covariance type, as requested. Arrays have one entry per cell and
    hold NaN where there is no fit.

    Attributes
    ----------
    criterion : str
        The criterion that chose, "bic", "aic", "aicc", "icl" or "nec".
    n_components : ndarray of int, shape (n_cells,)
        Number of components.
    covariance_type : tuple of str
        Covariance type, as requested.
    loglik : ndarray of float64, shape (n_cells,)
        Total log-likelihood, nats (weighted, if weights were given).
    n_parameters : ndarray of int, shape (n_cells,)
        Number of free parameters.
    bic, aic, aicc, icl, nec : ndarray of float64, shape (n_cells,)
        The criteria, smaller is better.
    scores : ndarray of float64, shape (n_cells,)
        The criterion that chose.
    status : tuple of str
        ``"ok"``; ``"not converged"``; ``"spike: component k"``, where in every fit that was found a component has
        collapsed on a few rows or on ties, so that its criterion means nothing; ``"failed: "`` and why;
        ``"not tried"``, where the search ended before.
    seconds : ndarray of float64, shape (n_cells,)
        What was spent on the cell alone; what cells share is in none of them.
    estimators : tuple of GaussianMixture or None
        The fitted mixtures, None where there is none.
    best_index : int
        The cell with the smallest criterion among those that neither failed nor hold a spike (among the spikes where
        there is nothing else); the first of equals.
    complete : bool
        Whether the search came to its end, and not to that of its time or to a callback that ended it.
    """

    criterion: str
    n_components: NDArray[np.int64]
    covariance_type: tuple[str, ...]
    loglik: NDArray[np.float64]
    n_parameters: NDArray[np.int64]
    bic: NDArray[np.float64]
    aic: NDArray[np.float64]
    aicc: NDArray[np.float64]
    icl: NDArray[np.float64]
    nec: NDArray[np.float64]
    scores: NDArray[np.float64]
    status: tuple[str, ...]
    seconds: NDArray[np.float64]
    estimators: tuple[GaussianMixture | None, ...]
    best_index: int
    complete: bool = True

    @classmethod
    def of(cls, entries: Sequence[Entry], criterion: str, *, complete: bool) -> Self:
        """The table of these cells.

        Raises
        ------
        ValueError
            If none of them is fitted.
        """
        return cls(
            criterion=criterion,
            n_components=_frozen([entry.n_components for entry in entries], np.int64),
            covariance_type=tuple(entry.covariance_type for entry in entries),
            loglik=_frozen([entry.loglik for entry in entries], np.float64),
            n_parameters=_frozen([entry.n_parameters for entry in entries], np.int64),
            **{name: _frozen([entry.score(name) for entry in entries], np.float64) for name in criteria.CRITERIA},
            scores=_frozen([entry.score(criterion) for entry in entries], np.float64),
            status=tuple(entry.status for entry in entries),
            seconds=_frozen([entry.seconds for entry in entries], np.float64),
            estimators=tuple(entry.estimator for entry in entries),
            best_index=_best_index(entries, criterion),
            complete=complete,
        )

    @property
    def best(self) -> GaussianMixture:
        """The fitted mixture of the best cell."""
        best = self.estimators[self.best_index]
        assert best is not None  # best_index names a cell that is fitted
        return best

    def ranked(self, criterion: str | None = None) -> list[int]:
        """The fitted cells from the best on; those with spikes come last, since their criteria mean nothing.

        Parameters
        ----------
        criterion : str, default=None
            What they are compared by: "bic", "aic", "aicc", "icl" or "nec"; None takes the criterion that chose.

        Returns
        -------
        list of int
            Places in the table.

        Raises
        ------
        ValueError
            For any other criterion.

        Examples
        --------
        >>> import numpy as np
        >>> from gmm import select
        >>> found = select(np.random.default_rng(0).normal(size=(50, 2)), (1, 2), ["EII", "VVV"], random_state=0)
        >>> for place in found.ranked("icl")[:2]:
        ...     print(found.n_components[place], found.covariance_type[place])
        1 EII
        1 VVV
        """
        if criterion is not None:
            check_criterion(criterion)
        scores = self.scores if criterion is None else getattr(self, criterion)
        fitted = [number for number, estimator in enumerate(self.estimators) if estimator is not None]
        return sorted(fitted, key=lambda n: (is_spike(self.status[n]), np.isnan(scores[n]), scores[n]))

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the table as its columns.

        Returns
        -------
        dict of str to ndarray of shape (n_cells,)
            ``n_components``, ``covariance_type``, ``loglik``, ``n_parameters``, the criteria by their names, ``status``
            and ``seconds``.
        """
        types, status = np.array(self.covariance_type), np.array(self.status)
        numbers = {name: getattr(self, name) for name in ("loglik", "n_parameters", *criteria.CRITERIA)}
        told = {"n_components": self.n_components, "covariance_type": types}
        return told | numbers | {"status": status, "seconds": self.seconds}

    def to_frame(self) -> Any:
        """Return the table as a data frame of pandas or polars.

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
            One row per cell; the columns ``n_components``, ``covariance_type``, ``loglik``, ``n_parameters``, ``bic``,
            ``aic``, ``icl``, ``status``, ``aicc``, ``nec`` and ``seconds``. A library already imported is preferred,
            then pandas.

        Raises
        ------
        ImportError
            Neither library is installed.
        """
        columns = self.columns()
        ordered = (*_FRAME_FIRST, *(name for name in columns if name not in _FRAME_FIRST))
        texts = ("covariance_type", "status")  # as lists: pandas makes objects of them, as it does of a file's
        told = {name: list(getattr(self, name)) if name in texts else columns[name] for name in ordered}
        return _frame_library().DataFrame(told)

    def save(self, file: Writable) -> None:
        """Write the table and all fitted mixtures to `file`, in a format that holds numbers and text only.

        Parameters
        ----------
        file : str, os.PathLike or binary file
            A path, to which nothing is appended, or a file opened for writing, which need not be able to seek.

        Examples
        --------
        >>> import tempfile, pathlib, numpy as np
        >>> from gmm import Selection, select
        >>> found = select(np.random.default_rng(0).normal(size=(50, 2)), 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "found"
        ...     found.save(path)
        ...     Selection.load(path).best.n_components
        1
        """
        arrays: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in _NUMBERS}
        arrays |= {"n_components": self.n_components, "n_parameters": self.n_parameters}
        headers: list[dict[str, Any] | None] = []
        for number, estimator in enumerate(self.estimators):
            header, parts = (None, {}) if estimator is None else estimator._state()
            headers.append(header)
            arrays |= {f"{number}/{name}": values for name, values in parts.items()}
        told = ("criterion", "covariance_type", "status", "best_index", "complete")
        header = {"gmm_version": __version__, "class": type(self).__name__, "mixtures": headers}
        save_state(file, header | {name: getattr(self, name) for name in told}, arrays)

    @classmethod
    def load(cls, file: Readable) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        file : str, os.PathLike, binary file or bytes
            A path, a file opened for reading, which is read to its end, or what such a file holds.

        Raises
        ------
        ValueError
            If the file is no saved selection, or of a newer version, or its parts do not fit together; it says what is
            wrong.
        """
        return load_object(file, {cls.__name__: cls._from_state})

    @classmethod
    def _from_state(cls, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        parts: dict[str, dict[str, NDArray[Any]]] = {}
        for name, values in arrays.items():
            number, _, part = name.partition("/")
            parts.setdefault(number, {})[part] = values
        found = cls(
            criterion=item(header, "criterion", str),
            covariance_type=tuple(item(header, "covariance_type", list)),
            status=tuple(item(header, "status", list)),
            best_index=item(header, "best_index", int),
            complete=item(header, "complete", bool),
            estimators=tuple(
                None if told is None else mixture_of_cell(number, told, parts.get(str(number), {}))
                for number, told in enumerate(item(header, "mixtures", list))
            ),
            n_components=_frozen(whole_numbers(arrays, "n_components"), np.int64),
            n_parameters=_frozen(whole_numbers(arrays, "n_parameters"), np.int64),
            **{name: _frozen(arrays[name], np.float64) for name in _NUMBERS},
        )
        check_together(found)
        return found

    def __repr__(self) -> str:
        """Return the criterion as a grid, the best cell marked with a star, and how far the next ones are."""
        grid = Grid.of(self, _WIDTH)
        lines = list(grid.lines())
        together = "   ".join(grid.legend)
        lines += [together] * bool(together) if len(together) <= _WIDTH else grid.legend
        nearest = [f"{self.n_components[n]} {self.covariance_type[n]} +{distance(self, n)}" for n in self._nearest()]
        lines += [f"next by Δ{title(self.criterion)}: {', '.join(nearest)}"] * bool(nearest)
        told = (*failures(self), incomplete(self))
        return "\n".join([self._headline(), *lines, *filter(None, told)])

    def _nearest(self) -> list[int]:
        return distinct(self)[1 : 1 + _NEXT]

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the grid, the best in full, and the best mixture below a fold."""
        return block(*self._described())

    def _described(self) -> list[Html]:
        grid = Grid.of(self)
        parts = [
            line(self._headline(), "title"),
            grid.html(),
            *([line(" · ".join(grid.legend), "faint")] * bool(grid.legend)),
        ]
        columns = ranking(self, [self.best_index, *self._nearest()])
        headings, *rows = zip(*columns, strict=True)
        if len(rows) > 1:
            numbers = [j for j, name in enumerate(headings) if name not in ("", "model")]
            parts.append(table(headings, rows, caption=f"The best by {title(self.criterion)}", best=0, numeric=numbers))
        parts += [line(told, "faint") for told in (*failures(self), incomplete(self)) if told]
        return [*parts, details("the best mixture", joined(*self.best._described()))]

    def _headline(self) -> str:
        K = int(self.n_components[self.best_index])
        ended = "" if self.complete else " (incomplete)"
        return (
            f"Selection by {title(self.criterion)} among {counted(len(self.status), 'cell')}{ended}: "
            f"{counted(K, 'component')}, {self.covariance_type[self.best_index]}"
        )


def check_criterion(criterion: object) -> None:
    """Refuse what is no criterion.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if criterion not in criteria.CRITERIA:
        raise ValueError(f"expected a criterion among {criteria.CRITERIA}, got {criterion!r}")


def _best_index(entries: Sequence[Entry], criterion: str) -> int:
    """Find the smallest criterion; a spike counts only where there is nothing else."""
    fitted = [number for number, entry in enumerate(entries) if entry.estimator is not None]
    if not fitted:
        first = next(entry for entry in entries if has_failed(entry.status))
        raise ValueError(
            f"no mixture could be fitted, all {len(entries)} cells failed; with {first.n_components} components, "
            f"{first.covariance_type}: {first.status.removeprefix(FAILED)}"
        )
    sound = [number for number in fitted if not is_spike(entries[number].status)]
    return min(sound or fitted, key=lambda number: entries[number].score(criterion))


def _frozen(values: Sequence[float] | NDArray[Any], dtype: Any) -> NDArray[Any]:
    array = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array


def _frame_library() -> Any:
    names = sorted(("pandas", "polars"), key=lambda name: name not in sys.modules)
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise ImportError("to_frame needs pandas or polars: install one of them")
