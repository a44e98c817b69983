"""Conversion of array-likes to float arrays; an error names the first value that is not a real number.

`tables` converts data frames. Shapes and finiteness are checked by the callers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gmm._validation.where import index_text, row_and_column

FloatArray: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
Place: TypeAlias = Callable[[Sequence[int]], str]
_SINGLE: np.dtype[Any] = np.dtype(np.float32)
_DOUBLE: np.dtype[Any] = np.dtype(np.float64)


def place_in(name: str) -> Place:
    """Return a function that words an index of the array `name`: "row 1, column 2 of X" for a matrix."""

    def place(index: Sequence[int]) -> str:
        if len(index) == 2:
            return f"{row_and_column(index[0], index[1], None)} of {name}"
        return f"{index_text(index)} of {name}" if len(index) else name

    return place


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
    _refuse_containers(values, name)
    if isinstance(values, np.ma.MaskedArray):
        return _unmasked(values, name)
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{error} {_uneven_place(values, name)}") from error
    if array.ndim == 0 and array.dtype.kind == "O":
        convert = "Convert it first, e.g. with list(...) or .collect()."
        raise TypeError(
            f"Expected an array-like of numbers for {name}, got {type(values).__qualname__}: {_short(values)}. "
            + ("A model has no rows: pass these." if hasattr(values, "get_params") else convert)
        )
    return array


def as_floats(array: NDArray[Any], name: str, place: Place) -> FloatArray:
    """Convert an array to float32 or float64; an array of these types is returned unchanged.

    Parameters
    ----------
    array : ndarray
        Real numbers of any type. Half precision becomes float32, other types float64.
    name : str
        Name of the array in messages.
    place : callable
        Words an index of the array, as `place_in` does.

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
        return _floats_of_objects(array, place)
    _refuse_kind(array, name, place)


def to_kernel_floats(array: NDArray[Any]) -> FloatArray:
    """Convert real numbers to what the kernel reads: float32 or float64, native byte order, aligned."""
    dtype = float_type(array.dtype)
    if array.dtype == dtype and array.flags.aligned:  # dtypes of different byte order are not equal
        return array
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes inf, which is reported later
        return array.astype(dtype)


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
    if values is None:
        raise TypeError(f"Expected an array-like of numbers for {name}, got None.")
    if isinstance(values, str | bytes | PathLike):
        kind = "a path" if isinstance(values, PathLike) else "text"
        raise TypeError(
            f"Expected an array-like of numbers for {name}, got {kind}: {_short(values)}. "
            "To take the rows of a file, open it by gmm.open_rows(path)."
        )
    if hasattr(values, "nnz"):
        refuse_sparse(name)
    if isinstance(values, np.matrix):
        raise TypeError(
            "np.matrix is not supported. Please convert to a numpy array with np.asarray. For more "
            "information see: https://numpy.org/doc/stable/reference/generated/numpy.matrix.html"
        )


def _unmasked(values: np.ma.MaskedArray[Any, Any], name: str) -> NDArray[Any]:
    masked = np.ma.getmaskarray(values)
    if masked.dtype.names is None and masked.any():
        first = np.unravel_index(int(masked.argmax()), masked.shape)
        raise ValueError(
            f"{name} is a masked array with {int(masked.sum())} masked value(s), the first at "
            f"{place_in(name)(tuple(int(i) for i in first))}; expected no masked values. "
            "Drop those rows (np.ma.compress_rows) or fill them (.filled(...))."
        )
    return np.asarray(values.data)


def _uneven_place(values: object, name: str) -> str:
    rows = list(values) if isinstance(values, Sequence) else []
    sizes = [len(row) if hasattr(row, "__len__") else 1 for row in rows]
    for i, size in enumerate(sizes):
        if size != sizes[0]:
            return f"Row 0 of {name} has {sizes[0]} value(s), but row {i} has {size}."
    return f"Expected rows of equal length for {name}."


def _refuse_kind(array: NDArray[Any], name: str, place: Place) -> NoReturn:
    kind = array.dtype.kind
    if kind == "c":
        raise ValueError(
            f"Complex data not supported: expected real numbers in {name}, got {array.dtype} of shape "
            f"{array.shape}. Pass the real and imaginary parts as separate columns."
        )
    if kind in "UST":
        _refuse_text(array, name, place)
    if array.dtype.names is not None:
        raise TypeError(
            f"{name} is a structured array with the fields {array.dtype.names}; expected an array of "
            "numbers. Use numpy.lib.recfunctions.structured_to_unstructured."
        )
    word = {"M": "dates (datetime)", "m": "durations (timedelta)"}.get(kind, "values that are not numbers")
    raise TypeError(
        f"{name} holds {word}: expected real numbers, got dtype {array.dtype}, starting at "
        f"{place((0,) * array.ndim)}. Convert the values to numbers first, or leave them out."
    )


def _refuse_text(array: NDArray[Any], name: str, place: Place) -> NoReturn:
    for index in np.ndindex(array.shape):
        value: Any = array[index]
        text = value.item() if isinstance(value, np.generic) else value
        try:
            float(text)
        except ValueError as error:
            raise ValueError(_conversion_text(str(error), text, place(index))) from None
    raise ValueError(
        f"{name} holds text (dtype {array.dtype}); expected numbers. Convert it first, e.g. with {name}.astype(float)."
    )


def _floats_of_objects(array: NDArray[Any], place: Place) -> NDArray[np.float64]:
    floats = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        try:
            floats[index] = _float_of(array[index])
        except (TypeError, ValueError, OverflowError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(_conversion_text(str(error), array[index], place(index))) from None
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


def _conversion_text(fault: str, value: object, place: str) -> str:
    return (
        f"{fault} (at {place}). Expected a number, got {type(value).__qualname__} "
        f"{_short(value)}. Convert it to a number first, or leave out its row or column."
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
