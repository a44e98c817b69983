"""Weights of rows, where None stands for ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._values.layouts import Array

__all__ = ["in_full", "joined", "weighed", "weights_of"]


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
