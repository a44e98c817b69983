"""Validation of X, its type, its shape and its feature names, and its conversion to an array of floats.

Data frames of pandas, polars, narwhals and Arrow are recognised by their attributes; none is imported. An error names
the first value that is not a real number.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from os import PathLike
from types import SimpleNamespace
from typing import Any, NamedTuple, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gmm._validation.scalars import check_texts, column_text, excerpt, name_of, row_and_column

FloatArray: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
_SINGLE: np.dtype[Any] = np.dtype(np.float32)
_DOUBLE: np.dtype[Any] = np.dtype(np.float64)
_LEAST_WEIGHT = 1e-280  # and the inverse of the largest


def place(index: Sequence[int], name: str, *, is_column: bool = False) -> str:
    """Return an index of an array as text: "row 1, column 2 of X" for a matrix, or if `name` is "column 2 of X"."""
    position = tuple(map(int, index))
    if is_column:
        return f"row {position[0]}, {name}"
    if len(position) == 2:
        return f"{row_and_column(*position, None)} of {name}"
    return f"index {position[0] if len(position) == 1 else position} of {name}" if position else name


def check_values(
    right: NDArray[np.bool_],
    values: NDArray[Any],
    expected: str,
    where: str | Callable[[tuple[int, ...]], str],
    remedy: str = "",
) -> None:
    """Check the values of an array one by one: whether each is `right`.

    Parameters
    ----------
    right : bool array in the shape of the values
    values : array
    expected : str
        What is right, in words.
    where : str or callable
        The name of the array, or what words an index.
    remedy : str
        What to do about a value that is not right, with the sign in front of it.

    Raises
    ------
    ValueError
        With the first value that is not right and its place.
    """
    if (index := first_index(~right)) is not None:
        at = place(index, where) if isinstance(where, str) else where(index)
        raise ValueError(f"expected {expected}, got {values[index]:.6g} at {at}{remedy}")


def first_index(wrong: NDArray[np.bool_]) -> tuple[int, ...] | None:
    """Return the index of the first value that is wrong; None if none is."""
    return tuple(map(int, np.unravel_index(int(wrong.argmax()), wrong.shape))) if wrong.any() else None


def as_array(values: object, name: str) -> NDArray[Any]:
    """Return `values` as a numpy array of any type; an array is not copied.

    Parameters
    ----------
    values : array-like
        An array, nested lists, or an object with numpy's array protocol.
    name : str
        Name of the array in messages.

    Returns
    -------
    ndarray
        Any shape and type.

    Raises
    ------
    TypeError
        If `values` is None, text, sparse, a `numpy.matrix` or not array-like.
    ValueError
        If entries are masked or rows differ in length.
    """
    if type(values) is not np.ndarray:
        _refuse_containers(values, name)
    if isinstance(values, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(values)
        if masked.dtype.names is None and (index := first_index(masked)) is not None:
            raise ValueError(
                f"expected {name} without masked values, got {int(masked.sum())}, the first at {place(index, name)}. "
                "Drop those rows (np.ma.compress_rows) or replace them (.filled(...))."
            )
        return np.asarray(values.data)
    try:
        array = np.asarray(values)
    except ValueError as error:
        rows = list(values) if isinstance(values, Sequence) else []
        sizes = [len(row) if hasattr(row, "__len__") else 1 for row in rows]
        uneven = f"Expected rows of equal length for {name}."
        if other := next((i for i, size in enumerate(sizes) if size != sizes[0]), 0):
            uneven = f"Row 0 of {name} has {sizes[0]} value(s), but row {other} has {sizes[other]}."
        raise ValueError(f"{error} {uneven}") from error
    if array.ndim == 0 and array.dtype.kind == "O":
        convert = "Convert it first, e.g. with list(...) or .collect()."
        raise TypeError(
            f"Expected an array-like of numbers for {name}, got {type(values).__qualname__}: {excerpt(values)}. "
            + ("A model has no rows: pass these." if hasattr(values, "get_params") else convert)
        )
    return array


def as_floats(array: NDArray[Any], name: str, *, is_column: bool = False) -> FloatArray:
    """Convert an array to float32 or float64; an array of these types is returned unchanged.

    Parameters
    ----------
    array : ndarray
        Real numbers of any type. Half precision becomes float32, other types float64.
    name : str
        Name of the array in messages.
    is_column : bool
        Whether `name` is that of a column of a table.

    Returns
    -------
    ndarray of float32 or float64
        Native byte order, aligned, same shape, any strides.

    Raises
    ------
    ValueError
        If the array holds complex numbers or text.
    TypeError
        If it holds dates, durations, structures or other values that are not numbers.
    """
    if array.dtype.kind in "biuf":
        return to_kernel_floats(array)
    if array.dtype.kind == "O":
        return _converted(array, _float_of, name, is_column)
    _refuse_kind(array, name, is_column)


def to_kernel_floats(array: NDArray[Any]) -> FloatArray:
    """Convert real numbers for the kernel: float32 or float64, native byte order, aligned."""
    if array.dtype in (_SINGLE, _DOUBLE) and array.flags.aligned:  # dtypes of different byte order are not equal
        return array
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes inf, which is reported later
        return array.astype(float_type(array.dtype))


def float_type(dtype: Any) -> np.dtype[Any]:
    """Return float32 for half and single precision, otherwise float64; `dtype` may be numpy's or a data frame's."""
    return _SINGLE if dtype.kind == "f" and getattr(dtype, "itemsize", 8) <= 4 else _DOUBLE


def refuse_sparse(name: str) -> NoReturn:
    """Raise the error for sparse input.

    Raises
    ------
    TypeError
        Always.
    """
    raise TypeError(
        f"Sparse data was passed for {name}, but dense data is required. "
        "Use '.toarray()' to convert to a dense numpy array."
    )


def _refuse_containers(values: object, name: str) -> None:
    if values is None:  # ValueErrors, as of scikit-learn
        raise ValueError(f"Expected an array-like of numbers for {name}, got None.")
    if isinstance(values, str | bytes | PathLike):
        kind = "a path" if isinstance(values, PathLike) else "text"
        raise ValueError(
            f"Expected an array-like of numbers for {name}, got {kind}: {excerpt(values)}. "
            "To read the rows of a file, use gmm.open_rows(path)."
        )
    if hasattr(values, "nnz"):
        refuse_sparse(name)
    if isinstance(values, np.matrix):
        raise TypeError(
            "np.matrix is not supported. Please convert to a numpy array with np.asarray. For more "
            "information see: https://numpy.org/doc/stable/reference/generated/numpy.matrix.html"
        )


def _refuse_kind(array: NDArray[Any], name: str, is_column: bool) -> NoReturn:
    kind = array.dtype.kind
    if kind == "c":
        raise ValueError(
            f"Complex data not supported: expected real numbers in {name}, got {array.dtype} of shape "
            f"{array.shape}. Pass the real and imaginary parts as separate columns."
        )
    if kind in "UST":
        _converted(array.astype(object), float, name, is_column)
        convert = f"Convert it first, e.g. with {name}.astype(float)."
        raise ValueError(f"{name} contains text (dtype {array.dtype}); expected numbers. {convert}")
    if array.dtype.names is not None:
        raise TypeError(
            f"{name} is a structured array with the fields {array.dtype.names}; expected an array of "
            "numbers. Use numpy.lib.recfunctions.structured_to_unstructured."
        )
    word = {"M": "dates (datetime)", "m": "durations (timedelta)"}.get(kind, "values that are not numbers")
    raise TypeError(
        f"{name} contains {word}: expected real numbers, got dtype {array.dtype}, starting at "
        f"{place((0,) * array.ndim, name, is_column=is_column)}. Convert the values first, or drop them."
    )


def _converted(array: NDArray[Any], convert: Callable[[Any], float], name: str, is_column: bool) -> NDArray[np.float64]:
    """Convert values one by one; an error names the first that is not a number."""
    floats = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        try:
            floats[index] = convert(value := array[index])
        except (TypeError, ValueError, OverflowError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(
                f"{error} (at {place(index, name, is_column=is_column)}): expected a number, got "
                f"{type(value).__qualname__} {excerpt(value)}. Convert it first, or drop its row or column."
            ) from None
    return floats


def _float_of(value: Any) -> float:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return np.nan
    if isinstance(value, complex | np.complexfloating):
        raise ValueError(f"Complex data not supported: {value}")
    if isinstance(value, str | bytes):
        float(value)
        raise ValueError(f"the text {value!r} is not converted to a number")
    if isinstance(value, np.ndarray) and value.ndim:  # numpy 2.0 takes one of a single number
        raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
    return float(value)


class Frame(NamedTuple):
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
        dtypes: list[Any] = [getattr(column, "dtype", None) for column in self.columns]
        all_floats = all(isinstance(dtype, np.dtype) and dtype.kind == "f" for dtype in dtypes)
        if all_floats and len(set(dtypes)) == 1 and hasattr(self.frame, "iloc"):  # pandas converts these without a copy
            return to_kernel_floats(np.asarray(self.frame))
        if dtypes and all(hasattr(dtype, "fill_value") for dtype in dtypes):  # pandas' SparseDtype
            refuse_sparse("X")
        columns = [_column_floats(c, j, self.names) for j, c in enumerate(self.columns)]
        if (side_by_side := _as_one(columns)) is not None:
            return side_by_side
        dtype = np.result_type(*(column.dtype for column in columns), np.float32)
        matrix = np.empty((len(self.frame), len(columns)), dtype, order="F")
        for j, column in enumerate(columns):
            matrix[:, j] = column
        return matrix


def as_frame(X: Any) -> Frame | None:
    """Return X as a `Frame`, or None if X is not a data frame."""
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return Frame(X, tuple(X.columns), tuple(X.iloc[:, j] for j in range(len(X.columns))))
    if hasattr(X, "get_column") and hasattr(X, "columns"):
        return Frame(X, tuple(X.columns), tuple(map(X.get_column, X.columns)))
    if hasattr(X, "column_names") and hasattr(X, "column"):
        return Frame(X, tuple(X.column_names), tuple(map(X.column, range(len(X.column_names)))))
    return None


_PAGE = 4096  # bytes


def _as_one(columns: Sequence[FloatArray]) -> FloatArray | None:
    """Return columns as a matrix without a copy, if they are at equal distances in one piece of memory; else None.

    Any two columns are at equal distances: numpy crashes where these are larger than what it takes for a stride.
    """
    if not columns:
        return None
    first, places = columns[0], [column.ctypes.data for column in columns]
    steps = set(np.diff(places).tolist()) or {first.itemsize}
    alike = all(c.dtype == first.dtype and c.shape == first.shape and c.strides == first.strides for c in columns)
    step = steps.pop()
    if not alike or steps or step == 0 or step % first.itemsize or first.ndim != 1:
        return None
    if not abs(step) <= 2 * max(first.nbytes, _PAGE):
        return None
    memory = {"shape": (len(first), len(columns)), "strides": (*first.strides, step), "data": (places[0], True)}
    interface = first.__array_interface__ | memory  # numpy's array protocol
    return np.asarray(SimpleNamespace(__array_interface__=interface, kept_alive=columns))


def _column_floats(column: Any, j: int, names: Sequence[object]) -> FloatArray:
    dtype: Any = getattr(column, "dtype", None)
    if hasattr(dtype, "na_value") and getattr(dtype, "kind", "O") in "biuf":
        return to_kernel_floats(column.to_numpy(dtype=float_type(dtype), na_value=np.nan))
    values = np.asarray(column)
    if values.ndim != 1:
        raise ValueError(
            f"expected a number in each row of {column_text(j, names)} of X, got {dtype or type(column).__name__} of "
            f"shape {values.shape}: give each of its parts a column"
        )
    return as_floats(values, f"{column_text(j, names)} of X", is_column=True)


def as_rows(X: Any, estimator: object) -> tuple[FloatArray, NDArray[np.object_] | None]:
    """Convert X to a matrix of floats, without a copy if it already is one, and get its feature names.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
        An array of any strides and byte order, nested lists, or a data frame.
    estimator : object
        The estimator, or its name, for messages.

    Returns
    -------
    rows : ndarray of shape (n_rows, n_features), float32 or float64
        Native byte order, aligned, any strides, possibly read-only. Finiteness is not checked.
    names : ndarray of str, or None
        The feature names, if X has names and all are text.

    Raises
    ------
    TypeError
        If X is None or sparse, holds values that are not numbers (dates, structures), or only some of its column
        names are text.
    ValueError
        If X holds complex numbers, text or masked values, or is no matrix.
    """
    frame = None if type(X) is np.ndarray else as_frame(X)
    if frame is not None:
        names = frame.feature_names()
        return frame.floats(), names
    array = X if type(X) is np.ndarray and X.ndim == 2 else as_array(X, "X")
    if array.ndim != 2 and array.dtype.kind in "biufO":
        _refuse_dimensions(array, X, estimator)
    return as_floats(array, "X"), None


def check_feature_names(feature_names: Iterable[str] | None, n_features: int) -> NDArray[np.object_] | None:
    """Check the feature names that a user passes.

    Parameters
    ----------
    feature_names : iterable of str, or None
        One name per feature.
    n_features : int
        d.

    Returns
    -------
    ndarray of shape (n_features,) of str objects, or None

    Raises
    ------
    TypeError
        If they are one text, or a name is not text.
    ValueError
        If the number of names is not `n_features`.
    """
    if feature_names is None:
        return None
    names = check_texts(feature_names, "feature_names")
    if len(names) != n_features:
        raise ValueError(f"Expected {n_features} feature names, one per feature, got {len(names)}.")
    return np.array([str(name) for name in names], dtype=object)


def _refuse_dimensions(array: NDArray[Any], X: object, estimator: object) -> NoReturn:
    if array.ndim > 2:
        raise ValueError(f"Found array with dim {array.ndim}, while dim <= 2 is required by {name_of(estimator)}.")
    if hasattr(X, "to_frame") and not hasattr(X, "columns"):  # a column or an index of a data frame
        name = str(getattr(X, "name", None) or "name")
        raise ValueError(
            f"Expected a 2-dimensional container but got {type(X)} instead. Pass a DataFrame "
            "containing a single row (i.e. single sample) or a single column (i.e. single "
            f"feature) instead. Of one column, pass a table: df[[{name!r}]]."
        )
    numbers = np.array2string(array, threshold=10)
    raise ValueError(
        f"Expected 2D array, got {('scalar', '1D')[array.ndim]} array instead:\narray={numbers}.\n"
        "Reshape your data either using array.reshape(-1, 1) if your data has a single feature "
        "or array.reshape(1, -1) if it contains a single sample."
    )


def floats_of(value: Any, name: str) -> FloatArray:
    """Return an array-like of numbers as an array of float32 or float64."""
    return as_floats(as_array(value, name), name)


def check_finite(array: FloatArray, subject: str, name: str) -> None:
    """Raise the error for the first value that is not finite, if there is one."""
    if (index := first_index(~np.isfinite(array))) is not None:
        raise ValueError(
            f"{subject} contains {'NaN' if np.isnan(array[index]) else 'infinity'}. The first is at "
            f"{place(index, name)}; expected finite numbers."
        )


def check_sample_weight(sample_weight: Any, n_rows: int) -> NDArray[np.float64] | None:
    """Check the weights of the rows.

    Parameters
    ----------
    sample_weight : array-like of shape (n_rows,), number or None
        Finite, non-negative and not all zero; a number is the weight of every row.
    n_rows : int
        The number of rows of X.

    Returns
    -------
    ndarray of shape (n_rows,), float64, contiguous; or None

    Raises
    ------
    ValueError
        If the shape is wrong, a weight is negative or not finite (the message gives its index), all are zero, or
        their sum overflows or underflows.
    TypeError
        If `sample_weight` does not hold numbers.
    """
    if sample_weight is None:
        return None
    name = "sample_weight"
    weights = floats_of(sample_weight, name).astype(np.float64, order="C")
    check_finite(weights, f"Input {name}", name)
    if isinstance(sample_weight, numbers.Number):
        weights = np.full(n_rows, weights)
    if weights.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got {weights.ndim}D array. Expected "
            f"either a scalar value or a 1D array of length {n_rows}."
        )
    if weights.shape != (n_rows,):
        raise ValueError(f"{name}.shape == {weights.shape}, expected {(n_rows,)}!")
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    words = ". Negative values in data passed to `sample_weight`"  # scikit-learn's
    check_values(weights >= 0, weights, "weights of 0 or more", name, words)
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not _LEAST_WEIGHT < total < 1 / _LEAST_WEIGHT:
        raise ValueError(
            f"{name} is too {'small' if total < 1 else 'large'}: its sum is {total:g}, expected between "
            f"{_LEAST_WEIGHT:g} and {1 / _LEAST_WEIGHT:g}. Divide it by its maximum."
        )
    return weights


def check_same_columns(values: Any, names: NDArray[np.object_] | None, argument: str = "error_covariance") -> None:
    """Check that the labels of a value for each column of the rows are their names, in their order.

    Raises
    ------
    ValueError
        If it has others; the message names the first.
    """
    if names is None:
        return
    columns, index = getattr(values, "columns", None), getattr(values, "index", None)
    sides = {} if columns is None else {"column": columns}
    labels = list(index) if index is not None and hasattr(index, "dtype") else []  # a list has a method of this name
    if columns is None and labels and all(isinstance(label, str) for label in labels):
        sides["value"] = labels
    elif columns is not None and set(columns) == set(labels):  # a matrix
        sides["row"] = labels
    for side, labels in sides.items():
        for j, (label, name) in enumerate(zip_longest(map(str, labels), map(str, names))):
            if label != name:
                raise ValueError(
                    f"expected {argument} with the columns of X, got {label!r} instead of {name!r} as {side} {j}: "
                    "select them in the order of X"
                )
