"""Held-out likelihood: rows dealt into folds, and the deviance of each fold under the mixtures of the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from math import inf
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.scorer import Scorer
from gmm._rows.sources import ArraySource, Source
from gmm._validation.scalars import check_whole
from gmm._values.parameters import MixtureParameters

_MOST_REPEATED = 10_000_000  # rows, by weights that say how often each occurs
_Cell = TypeVar("_Cell", bound=Hashable)


def check_folds(n_rows: int, n_splits: int, n_components: int) -> None:
    """Check that rows of positive weight can be dealt into folds, and each time suffice for so many components.

    Raises
    ------
    ValueError
        If they do not.
    """
    check_whole(n_splits, "n_splits", 2)
    if n_rows < n_splits:
        raise ValueError(
            f"expected as many rows as folds, n_splits={n_splits}, got {n_rows} (those of weight 0 left out)"
        )
    needed, n_training = max(2, n_components), n_rows - -(-n_rows // n_splits)
    if n_training < needed:
        raise ValueError(
            f"{n_rows} rows in n_splits={n_splits} folds leave {n_training} to fit, expected at least {needed}, one "
            "for each component. Use more folds or fewer components."
        )


def repeated(table: ArraySource) -> ArraySource | None:
    """Return rows without weights, each as often as its weight says; None if weights are not whole, or too large."""
    weight = table.sample_weight
    if weight is None:
        return table
    if (weight != np.floor(weight)).any() or weight.sum() > _MOST_REPEATED:
        return None
    return ArraySource(np.repeat(table.rows, weight.astype(np.intp), axis=0))


def counted_rows(table: ArraySource, caller: str) -> NDArray[Any]:
    """Return the rows of a table that are drawn from, each as often as its weight says.

    Raises
    ------
    ValueError
        If weights do not say how often.
    """
    rows = repeated(table)
    if rows is None:
        weight = table.weights
        row = int((weight != np.floor(weight)).argmax())
        raise ValueError(
            f"{caller} draws from the rows: expected in sample_weight whole numbers, how often each row occurs, of at "
            f"most {_MOST_REPEATED:,} in all; got {weight[row]:.6g} in row {row}, and {weight.sum():,.6g} in all"
        )
    return rows.rows


def folds_of(n_rows: int, n_splits: int, rng: np.random.RandomState | np.random.Generator) -> list[NDArray[np.intp]]:
    """Return the rows of each fold, in their order."""
    return [np.sort(fold) for fold in np.array_split(rng.permutation(n_rows), n_splits)]


def deviances(
    source: Source,
    n_splits: int,
    rng: np.random.Generator,
    solve: Callable[[Source, int], Mapping[_Cell, MixtureParameters]],
    is_up: Callable[[], bool],
    n_threads: int | None,
) -> Mapping[_Cell, float]:
    """Return minus twice the log-likelihood of all rows, each under the mixture of a cell that has not seen it.

    Where time is up, the folds so far stand for all. It is ∞ for a cell without a mixture in one of them.

    Parameters
    ----------
    source : Source
        In memory.
    n_splits : int
    rng : Generator
        Deals the rows.
    solve : callable
        From the rows outside of a fold, and its number from 1, to the mixtures of cells.
    is_up : callable
        Whether time is up: no further fold is begun, and one that it cut counts only if it is the first.
    n_threads : int, optional
    """
    used, weight = np.flatnonzero(source.weights), 0.0
    sums: dict[_Cell, float] = {}
    for number, fold in enumerate(folds_of(len(used), n_splits, rng), 1):
        if weight and is_up():
            break
        mixtures, part = solve(source.part(np.delete(used, fold)), number), source.part(used[fold])
        if weight and is_up():  # which cut the fold: it lacks the larger numbers of components
            break
        here = {name: Scorer(each, n_threads).log_likelihood(part) for name, each in mixtures.items()}
        sums = {name: sums.get(name, 0.0) + here[name] for name in here if not weight or name in sums}
        weight += part.survey.weight
    shares = {name: -2 * value * source.survey.weight / weight for name, value in sums.items()}
    return defaultdict(lambda: inf, shares)
