"""Data frames from pandas, polars, narwhals and Arrow, recognised by their attributes; none is imported.

A frame is converted to a matrix of floats, and its columns name the features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._validation.arrays import FloatArray, as_floats, float_type, refuse_sparse, to_kernel_floats
from gmm._validation.where import column_text, row_and_column


@dataclass(frozen=True, eq=False)
class Table:
    """A data frame as named columns.

    Attributes
    ----------
    frame : object
        The data frame.
    names : tuple
        Column names of any type.
    columns : tuple
        One-dimensional array-likes.
    """

    frame: Any
    names: tuple[object, ...]
    columns: tuple[Any, ...]

    def feature_names(self) -> NDArray[np.object_] | None:
        """Return the column names if all are text, or None if none is.

        Raises
        ------
        TypeError
            If only some names are text.
        """
        kinds = sorted({type(name).__qualname__ for name in self.names})
        if "str" not in kinds:
            return None
        if len(kinds) > 1:
            raise TypeError(
                "Feature names are only supported if all input features have string names, "
                f"but your input has {kinds} as feature name / column name types. If you want "
                "feature names to be stored and validated, you must convert them all to strings, "
                "by using X.columns = X.columns.astype(str) for example. Otherwise you can remove "
                "feature / column names from your input data, or convert them all to a non-string "
                "data type."
            )
        return np.asarray(self.names, dtype=object)

    def floats(self) -> FloatArray:
        """Convert the frame to a matrix of shape (n_rows, n_columns), float32 if all columns are, else float64.

        Raises
        ------
        TypeError, ValueError
            As for `as_floats`; messages give the row, the column and its name.
        """
        if _one_float_type([getattr(c, "dtype", None) for c in self.columns], self.frame):
            return to_kernel_floats(np.asarray(self.frame))
        if self.columns and all(_is_sparse(column) for column in self.columns):
            refuse_sparse("X")
        columns = [_column_floats(c, j, self.names) for j, c in enumerate(self.columns)]
        side_by_side = _as_one(columns)
        if side_by_side is not None:
            return side_by_side
        matrix = np.empty(
            (len(self.frame), len(columns)),
            dtype=np.result_type(*(column.dtype for column in columns), np.float32),
            order="F",
        )
        for j, column in enumerate(columns):
            matrix[:, j] = column
        return matrix


def as_table(X: Any) -> Table | None:
    """Return X as a `Table`, or None if X is not a data frame."""
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return Table(X, tuple(X.columns), tuple(X.iloc[:, j] for j in range(len(X.columns))))
    if hasattr(X, "get_column") and hasattr(X, "columns"):
        return Table(X, tuple(X.columns), tuple(X.get_column(name) for name in X.columns))
    if hasattr(X, "column_names") and hasattr(X, "column"):
        names = tuple(X.column_names)
        return Table(X, names, tuple(X.column(j) for j in range(len(names))))
    return None


def is_table(X: object) -> bool:
    """Return whether X is a data frame in memory."""
    return as_table(X) is not None


def is_series(X: object) -> bool:
    """Return whether X is a column or an index of a data frame."""
    return hasattr(X, "to_frame") and not hasattr(X, "columns")


def _is_sparse(column: object) -> bool:
    return hasattr(getattr(column, "dtype", None), "fill_value")  # pandas' SparseDtype


def _one_float_type(dtypes: Sequence[object], frame: object) -> bool:
    floats = all(isinstance(t, np.dtype) and t.kind == "f" for t in dtypes)
    return floats and len(set(dtypes)) == 1 and hasattr(frame, "iloc")  # pandas converts these without a copy


@dataclass(frozen=True, eq=False)
class _Columns:
    """Columns at equal distances in memory, as numpy's array protocol describes a matrix; keeps them alive."""

    columns: Sequence[FloatArray]
    __array_interface__: dict[str, Any]


def _as_one(columns: Sequence[FloatArray]) -> FloatArray | None:
    """Return columns as a matrix without a copy, if they lie at equal distances in memory; else None."""
    if not columns:
        return None
    first, places = columns[0], [column.ctypes.data for column in columns]
    steps = set(np.diff(places).tolist()) or {first.itemsize}
    alike = all(c.dtype == first.dtype and c.shape == first.shape and c.strides == first.strides for c in columns)
    step = steps.pop()
    if not alike or steps or step == 0 or step % first.itemsize or first.ndim != 1:
        return None
    return np.asarray(
        _Columns(
            columns,
            {
                "version": 3,
                "typestr": first.dtype.str,
                "shape": (len(first), len(columns)),
                "strides": (*first.strides, step),
                "data": (places[0], True),
            },
        )
    )


def _column_floats(column: Any, j: int, names: Sequence[object]) -> FloatArray:
    def place(index: Sequence[int]) -> str:
        return f"{row_and_column(index[0], j, names)} of X"

    dtype: Any = getattr(column, "dtype", None)
    if hasattr(dtype, "na_value") and getattr(dtype, "kind", "O") in "biuf":
        return to_kernel_floats(column.to_numpy(dtype=float_type(dtype), na_value=np.nan))
    values = np.asarray(column)
    if values.ndim != 1:
        raise ValueError(
            f"expected a number in each row of {column_text(j, names)} of X, got {dtype or type(column).__name__} of "
            f"shape {values.shape}: give each of its parts a column"
        )
    return as_floats(values, f"{column_text(j, names)} of X", place)
