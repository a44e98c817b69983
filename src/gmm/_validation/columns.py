"""Validation of columns that a user names or numbers, and which may be codes of categories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._text.lists import listed, quoted, suggestion
from gmm._validation.scalars import is_whole

__all__ = [
    "CODES",
    "COPIES",
    "FEW_ROWS",
    "LONG_TAIL",
    "NUMBERS",
    "Rescaling",
    "check_columns",
    "check_known_columns",
    "coded",
    "few_values",
    "is_code",
    "long_tails",
    "most_codes",
    "repeating",
    "rescalings",
    "rounded_rescalings",
]

MOST_CODES, _ROWS_PER_CODE = 10, 20  # distinct values, and rows for each of them, that make a code likely
FEW_ROWS = 10  # of fewer, little can be said of columns
CODES = ("may be a code", "may be codes")  # of one column and of several
NUMBERS = ("numbers the rows, like an identifier", "number the rows, like identifiers")
COPIES = ("is a copy or a rescaling", "are copies or rescalings")
LONG_TAIL = "positive with a long tail"
_ROWS_PER_TIE = 5  # with which a component can settle on one value
_MOST_YEARS, _YEARS = 30, (1800, 2100)
_ENOUGH = 50  # rows that show a tail
_LEAST_FACTOR, _LEAST_SKEWNESS = 10, 1.25  # from the 5 % to the 95 % quantile; of values that logarithms even out
_NEAR, _ROUNDING = 1e-5, 16  # in standard deviations; in units of eps
_RATIOS = (0.7548776662466927, 0.5698402909980532)  # whose multiples fill the unit square evenly
_BEGINNING = 1000  # rows that show of most columns that they have more
_LOOKED_AT = 1000  # rows that tell correlations
_TOGETHER = 256  # columns whose correlations with all others are held at once
_CORRELATED, _HALF_STEP = 1 - 4e-3, 0.04  # of columns that differ by rounding; its half step in interquartile ranges


def check_columns(columns: Any, names: Sequence[str], n_features: int) -> NDArray[np.intp]:
    """Check some of the columns of a fitted mixture.

    Parameters
    ----------
    columns : str, int or iterable of these
        Names of the fit, or indices from 0; negative ones count from the end.
    names : sequence of str
        Names of the fit; empty if there were none.
    n_features : int
        d.

    Returns
    -------
    ndarray of intp
        Indices, in the order given.

    Raises
    ------
    ValueError
        If there are none, one is not a column, or one comes twice.
    TypeError
        If one is neither text nor an integer.
    """
    if isinstance(columns, bytes | bytearray | memoryview):
        raise TypeError(f"expected the name of a column or its index, or a list of these, got {columns!r:.80}")
    one = isinstance(columns, str) or not isinstance(columns, Iterable) or getattr(columns, "ndim", 1) == 0
    listed = [columns] if one else list(columns)
    if not listed:
        raise ValueError("expected at least one column, got none")
    indices = [_index(column, names, n_features) for column in listed]
    repeated = [column for i, column in enumerate(listed) if indices[i] in indices[:i]]
    if repeated:
        raise ValueError(f"expected each column once, got {repeated[0]!r} again")
    return np.array(indices, dtype=np.intp)


def check_known_columns(
    known: Any, target: Any, names: Sequence[str], n_features: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Check known columns and targets, one of which is None for all others, in the order of the fit; return indices.

    Raises
    ------
    ValueError, TypeError
        As `check_columns`; also if both are None, there are no others, or a target is known.
    """
    if known is None and target is None:
        raise ValueError("X has no column names: expected `known`, the columns that X holds, or `target`")
    every = np.arange(n_features, dtype=np.intp)
    targets = every[:0] if target is None else check_columns(target, names, n_features)
    columns = np.setdiff1d(every, targets) if known is None else check_columns(known, names, n_features)
    others = np.setdiff1d(every, columns) if target is None else targets
    if not len(others) or not len(columns):
        what = "known" if not len(others) else "a target"
        raise ValueError(f"expected a column that is not {what}, got all {n_features} columns")
    both = np.intersect1d(columns, others)
    if len(both):
        name = repr(names[both[0]]) if names else str(both[0])
        raise ValueError(f"expected targets that are not known, but column {name} is both: leave it out of X")
    return columns, others


def coded(columns: Iterable[tuple[str, int]], n_rows: int) -> list[str]:
    """Return the columns, by name and number of distinct values, that may be codes: there are few values.

    As codes of categories they have no distances, and components settle on single values.
    """
    listed = list(columns)
    most = min(MOST_CODES, n_rows // _ROWS_PER_CODE) if len(listed) > 1 else 0
    return [_with_count(name, n) for name, n in listed if 1 < n <= most]


def repeating(columns: Iterable[tuple[str, int]], n_rows: int) -> list[str]:
    """Return the columns, likewise, of few values for so many rows, fractions as well, that are not `coded`."""
    listed, most = list(columns), min(MOST_CODES, n_rows // _ROWS_PER_TIE)
    codes = coded(listed, n_rows)
    return [text for name, n in listed if 1 < n <= most and (text := _with_count(name, n)) not in codes]


def _with_count(name: str, n: int) -> str:
    return f"{name!r} ({n} distinct values)"


def few_values(rows: NDArray[Any]) -> list[int]:
    """Count distinct values of each column of rows (n, d), but NaN: exact up to `MOST_CODES`, else a lower bound."""
    there = [column[~np.isnan(column)] for column in rows.T]
    counts = [len(np.unique(column[:_BEGINNING])) for column in there]
    return [len(np.unique(x)) if n <= MOST_CODES < len(x) else n for x, n in zip(there, counts, strict=True)]


def most_codes(n_rows: int) -> int:
    """Return how many distinct values of a column have to be known to say whether they are codes."""
    return min(_MOST_YEARS, n_rows // _ROWS_PER_CODE)


def is_code(values: NDArray[Any], n_rows: int) -> bool:
    """Return whether a column of whole numbers with these distinct values may be a code, or a year.

    Codes are ten or fewer, years thirty or fewer from 1800 to 2100 of which at least every other is there; on each
    come twenty rows or more.
    """
    n = len(values)
    if not 1 < n <= most_codes(n_rows):
        return False
    first, last = values.min(), values.max()
    return n <= MOST_CODES or bool(_YEARS[0] <= first and last <= _YEARS[1] and last - first < 2 * n)


def long_tails(rows: NDArray[Any], names: Sequence[str]) -> tuple[str, ...]:
    """Point out columns of rows (n, d) that need many components, and whose logarithms need few."""
    columns = [repr(name) for name, column in zip(names, rows.T, strict=True) if _is_long_tailed(column)]
    if not columns:
        return ()
    what, its = ("column {} is", "its logarithm") if len(columns) == 1 else ("columns {} are", "their logarithms")
    which = what.format(listed(columns, 4))
    return (f"{which} {LONG_TAIL}: fit {its} instead (numpy.log, LN in a spreadsheet); a simpler mixture may then do",)


def _is_long_tailed(column: NDArray[Any]) -> bool:
    """Return whether values are positive, span orders of magnitude, and are skewed unless as logarithms."""
    values = column[~np.isnan(column)].astype(np.float64)
    if len(values) < _ENOUGH or not 0 < values.min() < values.max() < np.inf:
        return False
    low, high = np.quantile(values, [0.05, 0.95])
    if high < _LEAST_FACTOR * low:
        return False
    skewness, of_logs = _skewness(values), _skewness(np.log(values))
    return skewness > max(_LEAST_SKEWNESS, 2 * abs(of_logs))


def _skewness(values: NDArray[np.float64]) -> float:
    away = values - values.mean()
    return float(np.mean(away**3) / np.mean(away**2) ** 1.5)


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
    slope = (y[high] - y[low]) / (x[high] - x[low])
    if not (np.isfinite(slope) and slope):
        return None
    tolerance = _NEAR * float(np.nanstd(y)) if tolerance is None else tolerance
    pair = Rescaling(copy, original, float(slope), float(y[low] - slope * x[low]), tolerance)
    return pair if pair.holds(rows) else None


def _index(column: object, names: Sequence[str], n_features: int) -> int:
    if isinstance(column, str):
        if names.count(column) == 1:
            return names.index(column)
        if not names:
            raise ValueError(f"expected indices from 0 to {n_features - 1}, as the fit had no names, got {column!r}")
        near = suggestion(column, names)
        raise ValueError(f"expected one of the columns {quoted(names)}, each name once, got {column!r}{near}")
    if not is_whole(column):
        raise TypeError(f"expected the name of a column or its index, got {column!r}")
    if not -n_features <= int(column) < n_features:
        raise ValueError(f"expected columns from 0 to {n_features - 1}, got {column!r}")
    return int(column) % n_features
