"""Columns in numbers: extremes, quartiles, mean and standard deviation, of weighted rows too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Columns"]

_QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True, eq=False)
class Columns:
    """Of each of d columns.

    Attributes
    ----------
    means, spreads : ndarray of float64, shape (d,)
        Means and standard deviations, weighted if rows are; the latter divide by the total weight.
    quantiles : ndarray of float64, shape (5, d)
        Smallest, lower quartile, median, upper quartile, largest.
    """

    means: NDArray[np.float64]
    spreads: NDArray[np.float64]
    quantiles: NDArray[np.float64]

    @classmethod
    def of(cls, X: NDArray[np.floating], weights: NDArray[np.float64] | None) -> Columns:
        """Look at rows.

        Parameters
        ----------
        X : ndarray of float, shape (n, d)
        weights : ndarray of float64, shape (n,), or None

        Returns
        -------
        Columns
        """
        parts = [_column(np.asarray(column, dtype=np.float64), weights) for column in X.T]
        means, spreads, quantiles = zip(*parts, strict=True)
        return cls(np.array(means), np.array(spreads), np.stack(quantiles, axis=1))


def _column(
    values: NDArray[np.float64], weights: NDArray[np.float64] | None
) -> tuple[float, float, NDArray[np.float64]]:
    mean = float(np.average(values, weights=weights))
    spread = float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))
    if weights is None:
        return mean, spread, np.quantile(values, (0.0, *_QUARTILES, 1.0))
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    places = np.searchsorted(reached, np.array(_QUARTILES) * reached[-1])
    counted = values[weights > 0]
    return mean, spread, np.array([counted.min(), *values[order][places], counted.max()])
