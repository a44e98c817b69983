"""Summary statistics of the values that columns have, with or without row weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmm._caching import cached_property

__all__ = ["COLUMNS_SHOWN", "Columns"]

COLUMNS_SHOWN = 60  # in a table of a report
_QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True, eq=False)
class Columns:
    """Summary statistics of d columns.

    Attributes
    ----------
    X : ndarray of float, shape (n, d)
        NaN where a value is missing.
    weights : ndarray of float64, shape (n,), or None
    """

    X: NDArray[np.floating]
    weights: NDArray[np.float64] | None

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """Means, weighted if the rows are, shape (d,)."""
        return np.array([np.average(column, weights=weights) for column, weights in self._columns])

    @cached_property
    def spreads(self) -> NDArray[np.float64]:
        """Standard deviations, which divide by the number of rows or the total weight, shape (d,)."""
        about_means = zip(self._columns, self.means, strict=True)
        return np.sqrt([np.average((column - mean) ** 2, weights=weights) for (column, weights), mean in about_means])

    @cached_property
    def quantiles(self) -> NDArray[np.float64]:
        """Minimum, lower quartile, median, upper quartile and maximum, shape (5, d)."""
        return np.stack([_quantiles(*column) for column in self._columns], axis=1)

    @property
    def n_missing(self) -> NDArray[np.intp]:
        """How many rows have no value, shape (d,)."""
        return np.isnan(self.X).sum(axis=0)

    @property
    def _columns(self) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64] | None]]:
        for column in self.X.T:
            there = ~np.isnan(column)
            yield column[there].astype(np.float64), None if self.weights is None else self.weights[there]


def _quantiles(values: NDArray[np.float64], weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
    if weights is None:
        return np.quantile(values, (0.0, *_QUARTILES, 1.0))
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    positions = np.searchsorted(cumulative, np.array(_QUARTILES) * cumulative[-1])
    weighted = values[weights > 0]
    return np.array([weighted.min(), *values[order][positions], weighted.max()])
