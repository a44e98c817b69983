"""Validation of columns that a user names or numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._text.lists import quoted, suggestion
from gmm._validation.scalars import is_whole


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
