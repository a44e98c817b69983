"""Columns that are other columns in other units, exactly or but for rounding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rescaling", "rescalings", "rounded_rescalings"]

_NEAR, _ROUNDING = 1e-5, 16  # in standard deviations; in units of eps
_RATIOS = (0.7548776662466927, 0.5698402909980532)  # whose multiples fill the unit square evenly
_LOOKED_AT = 1000  # rows that tell correlations
_TOGETHER = 256  # columns whose correlations with all others are held at once
_CORRELATED, _HALF_STEP = 1 - 4e-3, 0.04  # of columns that differ by rounding; its half step in interquartile ranges


@dataclass(frozen=True)
class Rescaling:
    """A column that is another one, but for its unit and its origin.

    Attributes
    ----------
    copy, original : int
        The columns.
    slope, intercept : float
        The copy is `slope` times the original plus `intercept`.
    tolerance : float
        Difference beyond rounding that goes unnoticed.
    """

    copy: int
    original: int
    slope: float
    intercept: float
    tolerance: float

    def among(self, columns: NDArray[np.intp]) -> Rescaling:
        """Return it for a matrix of which these columns were looked at."""
        return replace(self, copy=int(columns[self.copy]), original=int(columns[self.original]))

    def holds(self, rows: NDArray[Any]) -> bool:
        """Return whether it is true of rows (n, d), NaN in both columns or in none."""
        copy, scaled = rows[:, self.copy], self.slope * rows[:, self.original]
        rounding = _ROUNDING * np.finfo(rows.dtype).eps * (np.abs(copy) + np.abs(scaled) + abs(self.intercept))
        missing = np.isnan(copy)
        near = np.abs(copy - scaled - self.intercept) <= self.tolerance + rounding
        return bool((np.isnan(scaled) == missing).all() and (near | missing).all())


def rescalings(rows: NDArray[Any]) -> list[Rescaling]:
    """Return which columns of rows (n, d) are copies of earlier ones, or have only another unit and origin.

    A column is compared with those alone that have nearly the same projections on two fixed directions.
    """
    prints = _fingerprints(rows)
    order = [int(j) for j in np.argsort(prints[0]) if np.isfinite(prints[0, j])]
    groups: list[list[int]] = []
    window: list[list[int]] = []  # groups whose columns may be near
    for j in order:
        window = [group for group in window if prints[0, j] - prints[0, group[0]] <= 2 * _NEAR]
        near = (group for group in window if abs(prints[1, j] - prints[1, group[0]]) <= 2 * _NEAR)
        home = next((group for group in near if _rescaling(rows, group[0], j) is not None), None)
        if home is None:
            window.append([j])
            groups.append(window[-1])
        else:
            home.append(j)
    pairs = [_rescaling(rows, min(group), j) for group in groups for j in sorted(group) if j != min(group)]
    return [pair for pair in pairs if pair is not None]


def rounded_rescalings(rows: NDArray[Any]) -> list[Rescaling]:
    """Return which columns of rows (n, d) are earlier ones in another unit but for some rounding, copies among them."""
    some = rows[:: max(1, len(rows) // _LOOKED_AT)]
    with np.errstate(all="ignore"):  # of columns that are constant, empty or infinite
        away = np.nan_to_num(some - _means(some))
        away /= np.sqrt(np.square(away).sum(axis=0))
        starts = range(0, away.shape[1], _TOGETHER)
        near = ((first, np.abs(away[:, first : first + _TOGETHER].T @ away) > _CORRELATED) for first in starts)
        likely = [(first + i, j) for first, alike in near for i, j in np.argwhere(np.triu(alike, first + 1)).tolist()]
    pairs = {copy: pair for original, copy in likely[::-1] if (pair := _rounded(rows, original, copy))}
    return [pairs[copy] for copy in sorted(pairs)]


def _rounded(rows: NDArray[Any], original: int, copy: int) -> Rescaling | None:
    low, high = np.nanpercentile(rows[:, copy], [25, 75])
    return _rescaling(rows, original, copy, _HALF_STEP * float(high - low))


def _fingerprints(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return two numbers for each column, the same for its copies in any unit; NaN where it does not vary."""
    n, missing = len(rows), np.isnan(rows)
    with np.errstate(all="ignore"):  # of columns that are constant, empty or infinite
        away = np.where(missing, 0.0, rows - _means(rows))
        directions = np.outer(_RATIOS, np.arange(1, n + 1)) % 1 - 0.5
        prints: NDArray[np.float64] = np.abs(directions @ away) / np.sqrt(np.square(away).sum(axis=0))
    return prints


def _means(rows: NDArray[Any]) -> NDArray[np.float64]:
    missing = np.isnan(rows)
    means: NDArray[np.float64] = np.where(missing, 0.0, rows).sum(axis=0, dtype=np.float64) / (~missing).sum(axis=0)
    return means


def _rescaling(rows: NDArray[Any], original: int, copy: int, tolerance: float | None = None) -> Rescaling | None:
    """Return how one column is another one, if it is, beyond rounding to some tolerance."""
    x, y = rows[:, original].astype(np.float64), rows[:, copy].astype(np.float64)
    low, high = np.nanargmin(x), np.nanargmax(x)
    slope = (y[high] - y[low]) / (x[high] - x[low]) if x[high] > x[low] else 0.0
    if not (np.isfinite(slope) and slope):
        return None
    tolerance = _NEAR * float(np.nanstd(y)) if tolerance is None else tolerance
    pair = Rescaling(copy, original, float(slope), float(y[low] - slope * x[low]), tolerance)
    return pair if pair.holds(rows) else None
