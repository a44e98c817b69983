"""Columns in numbers: extremes, quartiles, mean and standard deviation, of weighted rows too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["Columns"]

_QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True, eq=False)
class Columns:
    """Each of d columns in numbers.

    Attributes
    ----------
    X : ndarray of float, shape (n, d)
    weights : ndarray of float64, shape (n,), or None
    """

    X: NDArray[np.floating]
    weights: NDArray[np.float64] | None

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """Means, weighted if rows are, (d,)."""
        return np.array([np.average(column, weights=self.weights) for column in self._columns])

    @cached_property
    def spreads(self) -> NDArray[np.float64]:
        """Standard deviations, (d,), which divide by the number of rows or the total weight."""
        squares = ((column - mean) ** 2 for column, mean in zip(self._columns, self.means, strict=True))
        return np.sqrt([np.average(square, weights=self.weights) for square in squares])

    @cached_property
    def quantiles(self) -> NDArray[np.float64]:
        """Smallest, lower quartile, median, upper quartile and largest, (5, d)."""
        return np.stack([_quantiles(column, self.weights) for column in self._columns], axis=1)

    @property
    def _columns(self) -> Iterator[NDArray[np.float64]]:
        return (np.asarray(column, dtype=np.float64) for column in self.X.T)


def _quantiles(values: NDArray[np.float64], weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
    if weights is None:
        return np.quantile(values, (0.0, *_QUARTILES, 1.0))
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    places = np.searchsorted(reached, np.array(_QUARTILES) * reached[-1])
    counted = values[weights > 0]
    return np.array([counted.min(), *values[order][places], counted.max()])
