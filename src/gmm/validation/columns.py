"""Validation of columns that a user names or numbers, and which may be codes of categories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm.text.lists import quoted
from gmm.validation.scalars import is_whole

__all__ = ["MOST_CODES", "check_columns", "check_known_columns", "coded", "few_values"]

MOST_CODES, _ROWS_PER_CODE = 10, 20  # distinct values, and rows for each of them, that make a code likely
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
    one = isinstance(columns, str) or not isinstance(columns, Iterable) or getattr(columns, "ndim", 1) == 0
    listed = [columns] if one else list(columns)
    if not listed:
        raise ValueError("expected at least one column, got none")
    found = [_index(column, names, n_features) for column in listed]
    repeated = [column for i, column in enumerate(listed) if found[i] in found[:i]]
    if repeated:
        raise ValueError(f"expected each column once, got {repeated[0]!r} again")
    return np.array(found, dtype=np.intp)


def check_known_columns(
    columns: Any, names: Sequence[str], n_features: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Check the columns that are known, and return their indices and those of the others, in the order of the fit.

    Raises
    ------
    ValueError, TypeError
        As `check_columns`; also if there are no others.
    """
    known = check_columns(columns, names, n_features)
    others = np.setdiff1d(np.arange(n_features, dtype=np.intp), known)
    if not len(others):
        raise ValueError(f"expected a column that is not known, got all {n_features} columns")
    return known, others


def coded(columns: Iterable[tuple[str, int]], n_rows: int) -> list[str]:
    """Return the columns, by name and number of distinct values, that may be codes: there are few values.

    As codes of categories they have no distances, and components settle on single values.
    """
    listed = list(columns)
    most = min(MOST_CODES, n_rows // _ROWS_PER_CODE) if len(listed) > 1 else 0
    return [f"{name!r} ({n} distinct values)" for name, n in listed if 1 < n <= most]


def few_values(rows: NDArray[Any]) -> list[int]:
    """Count distinct values of each column of rows (n, d), but NaN: exact up to `MOST_CODES`, else a lower bound."""
    there = [column[~np.isnan(column)] for column in rows.T]
    counts = [len(np.unique(column[:_BEGINNING])) for column in there]
    return [len(np.unique(x)) if n <= MOST_CODES < len(x) else n for x, n in zip(there, counts, strict=True)]


def _index(column: object, names: Sequence[str], n_features: int) -> int:
    if isinstance(column, str):
        if names.count(column) == 1:
            return names.index(column)
        if not names:
            raise ValueError(f"expected indices from 0 to {n_features - 1}, as the fit had no names, got {column!r}")
        raise ValueError(f"expected one of the columns {quoted(names)}, each name once, got {column!r}")
    if not is_whole(column):
        raise TypeError(f"expected the name of a column or its index, got {column!r}")
    if not -n_features <= int(column) < n_features:
        raise ValueError(f"expected columns from 0 to {n_features - 1}, got {column!r}")
    return int(column) % n_features
