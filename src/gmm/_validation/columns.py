"""Validation of columns that a user names or numbers, and which may be codes of categories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    "check_columns",
    "check_known_columns",
    "few_valued",
    "is_code",
    "long_tails",
    "most_codes",
]

_MOST_CODES, _ROWS_PER_CODE = 10, 20  # distinct values, and rows for each of them, that make a code likely
FEW_ROWS = 10  # of fewer, little can be said of columns
CODES = ("may be a code", "may be codes")  # of one column and of several
NUMBERS = ("numbers the rows, like an identifier", "number the rows, like identifiers")
COPIES = ("is a copy or a rescaling", "are copies or rescalings")
LONG_TAIL = "positive with a long tail"
_ROWS_PER_TIE = 5  # with which a component can settle on one value
_MOST_YEARS, _YEARS = 30, (1800, 2100)
_ENOUGH = 50  # rows that show a tail
_LEAST_FACTOR, _LEAST_SKEWNESS = 10, 1.25  # from the 5 % to the 95 % quantile; of values that logarithms even out
_BEGINNING = 1000  # rows that show of most columns that they have more


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
    chosen = [columns] if one else list(columns)
    if not chosen:
        raise ValueError("expected at least one column, got none")
    indices = [_index(column, names, n_features) for column in chosen]
    repeated = [column for i, column in enumerate(chosen) if indices[i] in indices[:i]]
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
        name, what = ("known", "known") if not len(others) else ("target", "a target")
        raise ValueError(f"{name}: expected a column that is not {what}, got all {n_features} columns")
    both = np.intersect1d(columns, others)
    if len(both):
        name = repr(names[both[0]]) if names else str(both[0])
        raise ValueError(f"expected targets that are not known, but column {name} is both: leave it out of X")
    return columns, others


def few_valued(rows: NDArray[Any], names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return which columns of rows (n, d) may be codes, of few values, and which others have few for so many rows.

    As codes of categories they have no distances, and components settle on single values. Fractions are among both.
    """
    n, d = rows.shape
    most, most_ties = min(_MOST_CODES, n // _ROWS_PER_CODE) if d > 1 else 0, min(_MOST_CODES, n // _ROWS_PER_TIE)
    counts = [(repr(name), m) for name, m in zip(names, _n_values(rows), strict=True) if 1 < m <= most_ties]
    few = [(f"{name} ({m} distinct values)", m <= most) for name, m in counts]
    return [text for text, coded in few if coded], [text for text, coded in few if not coded]


def _n_values(rows: NDArray[Any]) -> list[int]:
    """Count distinct values of each column, but NaN: exact up to `_MOST_CODES`, else a lower bound."""
    there = [column[~np.isnan(column)] for column in rows.T]
    counts = [len(np.unique(column[:_BEGINNING])) for column in there]
    return [len(np.unique(x)) if n <= _MOST_CODES < len(x) else n for x, n in zip(there, counts, strict=True)]


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
    return n <= _MOST_CODES or bool(_YEARS[0] <= first and last <= _YEARS[1] and last - first < 2 * n)


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
