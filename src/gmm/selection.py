"""The choice of a mixture: every number of components by every covariance type.

Here lives the search over cells and the table of what it found. How one cell is fitted
is the estimator's business, what a criterion weighs is that of `gmm.criteria`.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from math import nan
from numbers import Integral
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm import criteria
from gmm._validation import (
    check_callback,
    check_random_state,
    check_rows,
    check_sample_weight,
    raise_nonfinite,
)
from gmm.covariance import COVARIANCE_TYPES, PARSIMONIOUS, covariance_model
from gmm.exceptions import ConvergenceWarning, InvalidParameterError
from gmm.health import effective_rows, spikes
from gmm.mixture import GaussianMixture
from gmm.sources import as_source

__all__ = ["Progress", "Selection", "select"]

OK = "ok"
NOT_CONVERGED = "not converged"
SPIKE = "spike: "
FAILED = "failed: "

_IN_FRAME = ("bic", "aic", "icl")
_CLOSE = {"tol": 1e-5, "max_iter": 1000}


@dataclass(frozen=True)
class Progress:
    """One finished cell of a search, as `select` reports it to its callback.

    Attributes
    ----------
    cell, n_cells : int
        The number of the cell, from 0, and how many there are.
    n_components : int
        Its number of components.
    covariance_type : str
        Its covariance type.
    status : str
        As in `Selection`.
    """

    cell: int
    n_cells: int
    n_components: int
    covariance_type: str
    status: str


@dataclass(frozen=True, eq=False, repr=False)
class Selection:
    """What a search found: the table of all cells, and the best of them.

    Cells are ordered by number of components, then by covariance type, as requested.
    Arrays have one entry per cell and hold NaN where a cell failed.

    Attributes
    ----------
    criterion : str
        The criterion that chose, a name of `gmm.criteria.CRITERIA`.
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
    status : tuple of str
        ``"ok"``; ``"not converged"``; ``"spike: component k"``, where a component has collapsed
        on a few rows or on ties, so that its criterion means nothing; ``"failed: "`` and why.
    seconds : ndarray of float64, shape (n_cells,)
        Wall time of the cell.
    estimators : tuple of GaussianMixture or None
        The fitted mixtures, None where the cell failed.
    best_index : int
        The cell with the smallest criterion among those that neither failed nor hold a
        spike (among the spikes where there is nothing else); the first of equals.
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
    status: tuple[str, ...]
    seconds: NDArray[np.float64]
    estimators: tuple[GaussianMixture | None, ...]
    best_index: int

    @property
    def best(self) -> GaussianMixture:
        """The fitted mixture of the best cell."""
        best = self.estimators[self.best_index]
        assert best is not None  # best_index names a cell that did not fail
        return best

    @property
    def scores(self) -> NDArray[np.float64]:
        """The criterion that chose, one value per cell, shape (n_cells,)."""
        return np.asarray(getattr(self, self.criterion))

    def to_frame(self) -> Any:
        """Return the table as a data frame of pandas or polars.

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
            One row per cell; the columns ``n_components``, ``covariance_type``, ``loglik``,
            ``n_parameters``, ``bic``, ``aic``, ``icl`` and ``status``. A library already
            imported is preferred, then pandas.

        Raises
        ------
        ImportError
            Neither library is installed.
        """
        return _frame_library().DataFrame(
            {
                "n_components": self.n_components,
                "covariance_type": list(self.covariance_type),
                "loglik": self.loglik,
                "n_parameters": self.n_parameters,
                **{name: getattr(self, name) for name in _IN_FRAME},
                "status": list(self.status),
            }
        )

    def __repr__(self) -> str:
        """Return the criterion as a grid, the best cell marked with a star."""
        return "\n".join([self._headline(), *_grid(self), *self._footnotes()])

    def _headline(self) -> str:
        best = self.best_index
        return (
            f"Selection by {self.criterion.upper()} among {len(self.status)} cells: "
            f"{self.n_components[best]} components, {self.covariance_type[best]}"
        )

    def _footnotes(self) -> list[str]:
        told = {"* best (smallest)": True}
        told["~ not converged"] = NOT_CONVERGED in self.status
        told["^ holds a spike, not chosen"] = any(s.startswith(SPIKE) for s in self.status)
        return ["   ".join(note for note, there in told.items() if there)] + [
            f"{k} components, {name}: {status}"
            for k, name, status in zip(self.n_components, self.covariance_type, self.status, strict=True)
            if status.startswith(FAILED)
        ]


def select(
    X: Any,
    n_components: int | Iterable[int] = range(1, 10),
    covariance_type: str | Sequence[str] = "all",
    *,
    criterion: str = "bic",
    n_init: int = 1,
    random_state: Any = None,
    n_threads: int | None = None,
    sample_weight: ArrayLike | None = None,
    callback: Callable[[Progress], object] | None = None,
    **parameters: Any,
) -> Selection:
    """Fit every number of components by every covariance type, and choose.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d)
        The rows.
    n_components : int or iterable of int, default=range(1, 10)
        The numbers of components to try.
    covariance_type : str or sequence of str, default="all"
        The covariance types to try.
    criterion : {"bic", "aic", "aicc", "icl", "nec"}, default="bic"
        What chooses; smaller is better.
    n_init : int, default=1
        Starts per cell.
    random_state : int, RandomState, Generator or None, default=None
        Seeds the starts. Every cell gets the same seed: with an int, a cell is what
        ``GaussianMixture(..., random_state=that int)`` gives alone, with the same `tol` and
        `max_iter`. Anything else is drawn from once.
    n_threads : int or None, default=None
        Threads of each fit; None for all usable cores. Results do not depend on it.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows; in the criteria n is then their sum.
    callback : callable, default=None
        Called with a `Progress` after each cell; a true answer ends the search, and the cells
        so far are compared.
    **parameters
        Further parameters of `GaussianMixture`, ``refine="split-merge"`` say, the same for every cell. Unless given,
        ``tol=1e-5`` and ``max_iter=1000``: a criterion is n times a mean, so fits that are to
        be compared must end closer to their optimum than one fit alone needs to.

    Returns
    -------
    Selection
        All cells and the best of them. A cell that could not be fitted is marked so, and the
        search goes on.

    Raises
    ------
    ValueError
        The data, a name or a number is not usable, or no cell could be fitted.
    TypeError
        `GaussianMixture` has no such parameter.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import select
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-4, 1, (100, 2)), rng.normal(4, 1, (100, 2))])
    >>> found = select(X, range(1, 4), random_state=0)
    >>> found.best.n_components
    2
    """
    if criterion not in criteria.CRITERIA:
        raise ValueError(f"expected a criterion among {criteria.CRITERIA}, got {criterion!r}")
    check_callback(callback)
    parameters = _CLOSE | parameters | {"n_init": n_init, "n_threads": n_threads}
    types, seed = _requested_types(covariance_type), _shared_seed(random_state)
    estimators = [
        GaussianMixture(k, covariance_type=name, random_state=seed, **parameters)
        for k in _requested_components(n_components)
        for name in types
    ]
    rows = _checked_rows(X, sample_weight)
    cells = []
    for number, estimator in enumerate(estimators):
        cells.append(_fit_cell(estimator, rows))
        if callback is not None:
            told = callback(_progress(number, len(estimators), cells[-1]))
            if told:
                break
    return _selection(cells, criterion)


@dataclass(frozen=True)
class _Cell:
    """One finished cell: the estimator it asked for, and what came of it."""

    requested: GaussianMixture
    status: str
    seconds: float
    loglik: float = nan
    n_parameters: int = 0
    scores: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(criteria.CRITERIA, nan))

    @property
    def failed(self) -> bool:
        return self.status.startswith(FAILED)

    @property
    def spiked(self) -> bool:
        return self.status.startswith(SPIKE)


@dataclass(frozen=True, eq=False)
class _Rows:
    """The data of all cells, checked: values (n, d), column names, weights (n,) or None."""

    values: NDArray[Any]
    names: NDArray[np.object_] | None
    weights: NDArray[np.float64] | None

    @property
    def total(self) -> float:
        """What the criteria call n: the sum of the weights."""
        return float(len(self.values) if self.weights is None else self.weights.sum())

    @property
    def effective(self) -> float:
        """As many rows of equal weight say as much."""
        return effective_rows(as_source(self.values, self.weights))


def _requested_components(n_components: int | Iterable[int]) -> list[int]:
    many = n_components if isinstance(n_components, Iterable) else [n_components]
    try:
        requested = [index(k) for k in many]
    except TypeError as error:
        raise TypeError(f"expected whole numbers in n_components, got {n_components!r}") from error
    if not requested or min(requested) < 1:
        raise ValueError(f"expected n_components from 1 upwards, got {n_components!r}")
    return requested


def _requested_types(covariance_type: str | Iterable[str]) -> list[str]:
    if isinstance(covariance_type, str):
        names = list(PARSIMONIOUS) if covariance_type == "all" else [covariance_type]
    else:
        names = list(covariance_type)
    if not names:
        raise ValueError(f"expected a covariance type among {COVARIANCE_TYPES}, got none")
    for name in names:
        covariance_model(name)
    return names


def _shared_seed(random_state: Any) -> int:
    if isinstance(random_state, Integral):
        return int(random_state)
    rng = check_random_state(random_state)
    draw = rng.integers if isinstance(rng, np.random.Generator) else rng.randint
    return int(draw(2**31))


def _checked_rows(X: Any, sample_weight: Any) -> _Rows:
    """Look at the data once for all cells: a fault in them is nobody's failed fit."""
    values, names = check_rows(X, estimator=select.__name__)
    weights = check_sample_weight(sample_weight, len(values))
    survey = as_source(values, weights).survey
    if survey.nonfinite is not None:
        row, column = survey.nonfinite
        raise_nonfinite(values, row, column, estimator=select.__name__, feature_names=names)
    return _Rows(values, names, weights)


def _fit_cell(estimator: GaussianMixture, rows: _Rows) -> _Cell:
    began = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            estimator.fit(rows.values, sample_weight=rows.weights)
        loglik = estimator.log_likelihood(rows.values, sample_weight=rows.weights)
        scores = _scores(estimator, rows, loglik)
    except InvalidParameterError:
        raise
    except (ValueError, ArithmeticError, MemoryError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        return _Cell(estimator, FAILED + why, time.perf_counter() - began)
    if rows.names is not None:
        estimator.feature_names_in_ = rows.names
    seconds = time.perf_counter() - began
    return _Cell(estimator, _status(estimator, rows.effective), seconds, loglik, estimator.n_parameters_, scores)


def _scores(estimator: GaussianMixture, rows: _Rows, loglik: float) -> dict[str, float]:
    source, scorer = as_source(rows.values, rows.weights), estimator._scorer()
    return criteria.evaluate(
        loglik,
        scorer.classification_log_likelihood(source),
        estimator.n_parameters_,
        rows.total,
        entropy=scorer.entropy(source),
        loglik_of_one=scorer.log_likelihood_of_one(source, estimator.reg_covar),
    )


def _status(estimator: GaussianMixture, n_effective: float) -> str:
    parameters = estimator._parameters
    assert parameters is not None  # it is fitted
    collapsed = np.flatnonzero(spikes(parameters, n_effective, estimator.reg_covar))
    if collapsed.size:
        return f"{SPIKE}component {collapsed[0]}"
    return OK if estimator.converged_ else NOT_CONVERGED


def _progress(number: int, n_cells: int, cell: _Cell) -> Progress:
    requested = cell.requested
    return Progress(number, n_cells, requested.n_components, requested.covariance_type, cell.status)


def _selection(cells: Sequence[_Cell], criterion: str) -> Selection:
    return Selection(
        criterion=criterion,
        n_components=_frozen([cell.requested.n_components for cell in cells], np.int64),
        covariance_type=tuple(cell.requested.covariance_type for cell in cells),
        loglik=_frozen([cell.loglik for cell in cells], np.float64),
        n_parameters=_frozen([cell.n_parameters for cell in cells], np.int64),
        **{name: _frozen([cell.scores[name] for cell in cells], np.float64) for name in criteria.CRITERIA},
        status=tuple(cell.status for cell in cells),
        seconds=_frozen([cell.seconds for cell in cells], np.float64),
        estimators=tuple(None if cell.failed else cell.requested for cell in cells),
        best_index=_best_index(cells, criterion),
    )


def _best_index(cells: Sequence[_Cell], criterion: str) -> int:
    """Find the smallest criterion; a spike counts only where there is nothing else."""
    fitted = [number for number, cell in enumerate(cells) if not cell.failed]
    if not fitted:
        first = cells[0].requested
        raise ValueError(
            f"no mixture could be fitted, all {len(cells)} cells failed; with "
            f"{first.n_components} components, {first.covariance_type}: "
            f"{cells[0].status.removeprefix(FAILED)}"
        )
    sound = [number for number in fitted if not cells[number].spiked]
    return min(sound or fitted, key=lambda number: cells[number].scores[criterion])


def _frozen(values: Sequence[float], dtype: Any) -> NDArray[Any]:
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


def _grid(found: Selection) -> list[str]:
    types = list(dict.fromkeys(found.covariance_type))
    rows: dict[int, dict[str, str]] = {}
    for number, k in enumerate(found.n_components):
        rows.setdefault(int(k), {})[found.covariance_type[number]] = _grid_entry(found, number)
    lines = [f"{'K':>4}" + "".join(f"{name:>14}" for name in types)]
    lines += [f"{k:>4}" + "".join(f"{row.get(name, ''):>14}" for name in types) for k, row in rows.items()]
    return lines


def _grid_entry(found: Selection, number: int) -> str:
    status = found.status[number]
    if status.startswith(FAILED):
        return "failed"
    best = "* " if number == found.best_index else ""
    mark = "~ " if status == NOT_CONVERGED else "^ " if status.startswith(SPIKE) else ""
    return f"{best}{mark}{found.scores[number]:.2f}"
