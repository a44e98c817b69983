"""Anything array-like becomes a float array, or is refused by its kind, telling the first place.

Tables are taken apart next door, and neither shapes nor finiteness are judged here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gmm.validation.where import index_text, row_and_column

__all__ = ["FloatArray", "as_floats", "as_plain_array", "place_in", "refuse_sparse", "usable"]

FloatArray: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
Place: TypeAlias = Callable[[Sequence[int]], str]
_SINGLE: np.dtype[Any] = np.dtype(np.float32)
_DOUBLE: np.dtype[Any] = np.dtype(np.float64)


def place_in(name: str) -> Place:
    """Return the wording of a place in the array called `name`; in a matrix, rows and columns."""

    def place(index: Sequence[int]) -> str:
        if len(index) == 2:
            return f"{row_and_column(index[0], index[1], None)} of {name}"
        return f"{index_text(index)} of {name}" if len(index) else name

    return place


def as_plain_array(values: object, name: str) -> NDArray[Any]:
    """Return `values` as a numpy array of whatever type, without a copy where it is one.

    Parameters
    ----------
    values : array-like
        An array, nested lists, or anything with numpy's array protocol.
    name : str
        What messages call it.

    Returns
    -------
    ndarray
        Of any shape and type, not yet judged.

    Raises
    ------
    TypeError
        For None, sparse and `numpy.matrix` input, and what numpy cannot take for an array.
    ValueError
        For masked entries and rows of unequal length.
    """
    _refuse_containers(values, name)
    if isinstance(values, np.ma.MaskedArray):
        return _unmasked(values, name)
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{error} {_uneven_place(values, name)}") from error
    if array.ndim == 0 and array.dtype.kind == "O":
        raise TypeError(
            f"Expected an array-like of numbers for {name}, got {type(values).__qualname__}: "
            f"{_short(values)}. Make it an array first, e.g. by list(...) or .collect()."
        )
    return array


def as_floats(array: NDArray[Any], name: str, place: Place) -> FloatArray:
    """Return `array` in float32 or float64, untouched where it is so already.

    Parameters
    ----------
    array : ndarray
        Real numbers of any type: half precision becomes float32, all others float64.
    name : str
        What messages call the array.
    place : callable
        Words an index of the array.

    Returns
    -------
    ndarray of float32 or float64
        Native, aligned, of the same shape, with whatever strides.

    Raises
    ------
    ValueError
        For complex numbers and text.
    TypeError
        For dates, durations, structured and other types that hold no numbers.
    """
    if array.dtype.kind in "biuf":
        return usable(array)
    if array.dtype.kind == "O":
        return _floats_of_objects(array, place)
    _refuse_kind(array, name, place)


def usable(array: NDArray[Any]) -> FloatArray:
    """Return real numbers as the kernels read them: float32 or float64, native and aligned."""
    dtype = array.dtype
    wanted = _SINGLE if dtype.kind == "f" and dtype.itemsize <= 4 else _DOUBLE
    if dtype == wanted and array.flags.aligned:  # types in another byte order are not equal
        return array
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes inf, reported as such
        return array.astype(wanted)


def refuse_sparse(name: str) -> NoReturn:
    """Say that sparse data came as `name`.

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
    if isinstance(values, str | bytes):
        raise TypeError(
            f"Expected an array-like of numbers for {name}, got text: {_short(values)}. "
            "If it names a file, read that first."
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
            f"{place_in(name)(tuple(int(i) for i in first))}; expected every value to be there. "
            "Drop those rows (np.ma.compress_rows) or fill them (.filled(...))."
        )
    return np.asarray(values.data)


def _uneven_place(values: object, name: str) -> str:
    rows = list(values) if isinstance(values, Sequence) else []
    sizes = [len(row) if hasattr(row, "__len__") else 1 for row in rows]
    for i, size in enumerate(sizes):
        if size != sizes[0]:
            return f"Row 0 of {name} has {sizes[0]} value(s), row {i} has {size}."
    return f"Expected rows of as many numbers each for {name}."


def _refuse_kind(array: NDArray[Any], name: str, place: Place) -> NoReturn:
    kind = array.dtype.kind
    if kind == "c":
        raise ValueError(
            f"Complex data not supported\n{array}\nExpected real numbers in {name}, got "
            f"{array.dtype}; pass the real and imaginary parts as columns of their own."
        )
    if kind in "UST":
        _refuse_text(array, name, place)
    if array.dtype.names is not None:
        raise TypeError(
            f"{name} is a structured array with the fields {array.dtype.names}; expected plain "
            "numbers. Use numpy.lib.recfunctions.structured_to_unstructured."
        )
    word = {"M": "dates (datetime)", "m": "durations (timedelta)"}.get(kind, "no numbers")
    raise TypeError(
        f"{name} holds {word}: expected real numbers, got dtype {array.dtype} from "
        f"{place((0,) * array.ndim)} on. Convert it to numbers first, or leave it out."
    )


def _refuse_text(array: NDArray[Any], name: str, place: Place) -> NoReturn:
    for index in np.ndindex(array.shape):
        value: Any = array[index]
        plain = value.item() if isinstance(value, np.generic) else value
        try:
            float(plain)
        except ValueError as error:
            raise ValueError(_conversion_text(str(error), plain, place(index))) from None
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
        raise ValueError(f"will not read the text {value!r} as a number")
    return float(value)


def _conversion_text(fault: str, value: object, place: str) -> str:
    return (
        f"{fault} (at {place}). Expected a number, got {type(value).__qualname__} "
        f"{_short(value)}. Convert it to a number first, or leave it out."
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
