"""Rows that are drawn from or held out: each as often as its weight says, and dealt into folds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._rows.sources import ArraySource
from gmm._validation.scalars import check_whole

_MOST_REPEATED = 10_000_000  # rows, by weights that say how often each occurs


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
