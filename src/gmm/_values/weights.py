"""Weights of rows, where None stands for ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._values.layouts import Array

_ROUNDING = 1e-9  # of a share of the rows, or of a weight


def in_full(weight: Array | None, n: int) -> Array:
    """Return the weights of n rows as an array."""
    return np.ones(n) if weight is None else weight


def weights_of(weight: Array | None, index: slice | NDArray[Any]) -> Array | None:
    """Return the weights of some rows."""
    return None if weight is None else weight[index]


def joined(parts: Iterable[Array | None]) -> Array | None:
    """Return the weights of rows behind each other, which all have weights or none of them."""
    weights = [part for part in parts if part is not None]
    return np.concatenate(weights) if weights else None


def weighed(values: NDArray[Any], weight: Array | None) -> NDArray[Any]:
    """Return values of rows, (n,) or (n, d), times their weights."""
    return values if weight is None else (values.T * weight).T


def trimmed(weight: Array, values: Array, share: float) -> Array:
    """Return the weights of rows less a share of their sum, taken from the rows of the least values.

    A row on the border keeps a part, so that the sum is exact; rows of equal values keep the same part.
    """
    order = np.argsort(values)
    reached = np.cumsum(weight[order])
    excess = share * reached[-1]
    border = np.searchsorted(reached, excess + _ROUNDING * reached[-1], side="right")
    least = values[order[min(border, len(order) - 1)]]
    below, tied = values < least, values == least
    part = (weight[below].sum() + weight[tied].sum() - excess) / weight[tied].sum()
    part = 1.0 if part > 1 - _ROUNDING else part
    return np.where(below, 0.0, np.where(tied, part * weight, weight))
