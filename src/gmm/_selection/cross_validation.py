"""Which cells to predict classes with: of those near the best of each class, the ones that tell held-out rows apart."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.fitted import fitted_parameters
from gmm._estimators.mixture import GaussianMixture
from gmm._fitting.degenerate import Resolution, degenerate_components
from gmm._rows.sources import ArraySource, Source
from gmm._selection.grid import distinct
from gmm._selection.status import is_degenerate
from gmm._selection.table import Selection
from gmm._values.layouts import Array, SingularMatrixError

_FOLDS = 5
_COMPARED = 10  # cells of a class, best first, and those of a single component
_LEAST = -5.0  # nats: what the log probability of a row's class counts at least, so that no row decides alone
_FARTHEST = -1e200  # nats, of a row beyond all densities: sums of these are finite
_BETTER = 1e-9  # nats per row, above rounding errors
_DOUBT = 0.5  # standard errors by which cells, the best of many combinations, have to beat a model that classes share


def predictive_cells(
    searches: Sequence[Selection],
    parts: Sequence[Source],
    class_prior: Array | None,
    settings: Mapping[str, Any],
    shared: Sequence[str] = (),
) -> list[int] | str:
    """Return the index of a cell for each class, near its best, that together find the classes of held-out rows.

    The cells are fitted again to four fifths of the rows of their class, five times; one with a component that
    degenerates is out. A class begins with the cell of the highest density at its own rows: a search that finds every
    optimum comes to small and peculiar components, which raise the likelihood of the rows they were made for alone.

    Parameters
    ----------
    searches : sequence of Selection
        The cells of each class, fitted to all its rows; none compares shared models alone.
    parts : sequence of Source
        The rows of each class, as its search had them.
    class_prior : array of shape (C,), optional
        Prior probabilities of the classes; None takes their shares of the weight.
    settings : mapping
        Further parameters of the fits, by the names of `GaussianMixture`.
    shared : sequence of str
        Covariance types of mixtures of one component for each class. If none of the cells does clearly better, the name
        of the best of these is returned instead, which is empty if there are no cells, and all of these degenerate.
    """
    compared = [_compared(search) for search in searches]
    if not shared and all(len(cells) == 1 for cells in compared):
        return [cell for (cell,) in compared]
    rows = _Rows.of(parts)
    prior = np.bincount(rows.owner, rows.weights) if class_prior is None else class_prior
    log_prior = np.log(np.maximum(prior / prior.sum(), np.finfo(np.float64).tiny))[:, None]
    of_shared = {
        name: _out_of_fold(GaussianMixture(len(parts), covariance_type=name, **settings), rows) for name in shared
    }
    together = {name: _of_own_class(x + log_prior, rows) for name, x in of_shared.items() if x is not None}
    one = max(together, key=lambda name: together[name] @ rows.weights, default="")
    if not searches:
        return one
    tables = [
        _densities(search, cells, number, rows, settings)
        for number, (search, cells) in enumerate(zip(searches, compared, strict=True))
    ]
    joint = [
        np.maximum(np.stack(list(of_class.values())) + share, _FARTHEST)
        for of_class, share in zip(tables, log_prior, strict=True)
    ]
    places = _separating_cells(joint, rows)
    if one:
        apart = np.stack([table[place] for table, place in zip(joint, places, strict=True)])
        gain = _of_own_class(apart, rows) - together[one]
        mean = np.average(gain, weights=rows.weights)
        if mean <= _DOUBT * np.sqrt((gain - mean) ** 2 @ rows.weights) / rows.weights.sum():
            return one
    return [list(of_class)[place] for of_class, place in zip(tables, places, strict=True)]


class _Rows(NamedTuple):
    """The rows of all classes that weigh something, one class after the other, with the numbers of class and fold."""

    values: NDArray[Any]
    weights: Array
    owner: NDArray[np.intp]
    fold: NDArray[np.intp]

    @classmethod
    def of(cls, parts: Sequence[Source]) -> Self:
        chunks = [next(iter(part.chunks())) for part in parts]
        weights = np.concatenate([chunk.weights for chunk in chunks])
        has_weight = weights > 0
        owner = np.repeat(np.arange(len(chunks)), [len(chunk.rows) for chunk in chunks])[has_weight]
        fold = np.empty(len(owner), dtype=np.intp)
        for number in range(len(chunks)):
            own = np.flatnonzero(owner == number)
            for place, part in enumerate(np.array_split(np.random.default_rng(0).permutation(own), _FOLDS)):
                fold[part] = place
        values = np.concatenate([chunk.rows for chunk in chunks])[has_weight]
        return cls(values, weights[has_weight], owner, fold)


def _compared(search: Selection) -> list[int]:
    near = [cell for cell in search.ranked() if not is_degenerate(search.status[cell])][:_COMPARED]
    return [cell for cell in distinct(search) if cell in near or search.n_components[cell] == 1] or [search.best_index]


def _densities(
    search: Selection, cells: Sequence[int], number: int, rows: _Rows, settings: Mapping[str, Any]
) -> dict[int, Array]:
    """Return the log densities of all rows, (n,), under fits of the cells of a class that leave each row's fold out.

    Where no cell has such fits, they are those of the best one, which has seen the rows.
    """
    sizes, types = search.n_components.tolist(), search.covariance_type
    is_enough = np.count_nonzero(rows.owner == number) >= 2 * _FOLDS
    tables = {
        cell: _out_of_fold(GaussianMixture(sizes[cell], covariance_type=types[cell], **settings), rows, number)
        for cell in (cells if is_enough else ())
    }
    found = {cell: table[0] for cell, table in tables.items() if table is not None}
    return found or {search.best_index: search.best.score_samples(rows.values).astype(np.float64)}


def _out_of_fold(estimator: GaussianMixture, rows: _Rows, number: int | None = None) -> Array | None:
    """Return log densities of all rows under fits to the other folds of a class, (1, n); None if one fit is no use.

    Without the number of a class, all have one component each, and densities are (C, n), of each row up to a factor.
    """
    scores = np.full((estimator.n_components if number is None else 1, len(rows.values)), -np.inf)
    for fold in range(_FOLDS):
        here = rows.fold == fold
        others = np.flatnonzero(~here & (number is None or rows.owner == number))
        training = ArraySource(rows.values, rows.weights).subset(others)
        labels = rows.owner[others] if number is None else None
        if training.n_rows < estimator.n_components:
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                estimator.fit(training.rows, sample_weight=training.sample_weight, labels=labels)
        except (SingularMatrixError, ArithmeticError):
            return None
        if degenerate_components(fitted_parameters(estimator), Resolution.of(training, estimator.reg_covar)).any():
            return None
        held = rows.values[here]
        if labels is None:
            scores[:, here] = estimator.score_samples(held)
        else:
            with np.errstate(divide="ignore"):
                scores[np.ix_(np.unique(labels), here)] = np.log(estimator.predict_proba(held) / estimator.weights_).T
    return scores


def _of_own_class(joint: Array, rows: _Rows) -> Array:
    """Return the log probability of each row's class, (n,), as it counts, from log densities times prior (C, n)."""
    right = joint[rows.owner, np.arange(len(rows.owner))]
    return np.asarray(np.maximum(right - np.logaddexp.reduce(joint, axis=0), _LEAST))


def _separating_cells(joint: Sequence[Array], rows: _Rows) -> list[int]:
    """Return the place of a cell in each class's densities times prior, (cells, n), logarithms.

    From the cells with the highest density at the rows of their own class, one class after the other takes the cell by
    which the classes of all rows are most probable, until none changes.
    """
    own = [rows.owner == number for number in range(len(joint))]
    places = [int((table[:, mine] @ rows.weights[mine]).argmax()) for table, mine in zip(joint, own, strict=True)]
    weights, before = rows.weights / rows.weights.sum(), list[int]()
    while places != before:
        before = places.copy()
        for number, table in enumerate(joint):
            present = np.stack([joint[other][place] for other, place in enumerate(places)])
            others = np.logaddexp.reduce(np.delete(present, number, axis=0), axis=0)
            right = np.where(own[number], table, present[rows.owner, np.arange(len(rows.owner))])
            values = np.maximum(right - np.logaddexp(others, table), _LEAST) @ weights
            if values.max() > values[places[number]] + _BETTER:
                places[number] = int(values.argmax())
    return places
