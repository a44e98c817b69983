"""Validation of single values, and names of estimators and positions in messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf, nan
from numbers import Integral, Real
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from gmm._exceptions import invalid
from gmm._text.words import quoted, suggestion

MOST_REPLICATES = 10**9  # their seeds are drawn at once


def excerpt(value: Any) -> str:
    """Return the text of a value in messages: shortened, and the shape of an array."""
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__} of shape {shape}" if isinstance(shape, tuple) and shape else f"{value!r:.80}"


def is_whole(value: Any, least: float = -inf, most: float = inf) -> TypeGuard[int]:
    """Return whether a value is an integer from `least` to `most`, which a boolean is not."""
    is_integer = type(value) is int or (isinstance(value, Integral) and not isinstance(value, bool))
    return is_integer and least <= int(value) <= most


def as_real(value: Any) -> float:
    """Return a real number as a float; NaN for other values, such as booleans, and for numbers beyond all floats."""
    is_real = type(value) is float or (isinstance(value, Real) and not isinstance(value, bool))
    try:
        return float(value) if is_real else nan
    except OverflowError:
        return nan


def as_list(values: Any) -> list[Any]:
    """Return several values as a list, and a single one, such as text or a 0-dimensional array, as a list of it."""
    one = isinstance(values, str | bytes | bytearray | memoryview) or getattr(values, "ndim", 1) == 0
    return [values] if one or not isinstance(values, Iterable) else list(values)


def check_whole(value: Any, name: str, least: int = 1, most: float = inf) -> int:
    """Check a whole number from `least` to `most`; return it as an int.

    Raises
    ------
    InvalidParameterError
        If it is anything else.
    """
    if is_whole(value, least, most):
        return int(value)
    interval = f"a whole number from {least}" + (f" to {most}" if most < inf else "")
    raise invalid(f"expected {name} to be {interval}, got {excerpt(value)}")


def check_boolean(value: Any, name: str) -> bool:
    """Check that a value is True or False, Python's or numpy's; return it as a bool.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise TypeError(f"expected {name} to be True or False, got {excerpt(value)}")


def check_text(value: Any, name: str) -> str:
    """Check that a value is text; return it.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if isinstance(value, str):
        return value
    raise TypeError(f"expected text for {name}, got {excerpt(value)}")


def check_texts(values: Any, name: str) -> tuple[str, ...]:
    """Check a list of texts; return them.

    Raises
    ------
    TypeError
        If it is one text, or holds anything else.
    """
    if isinstance(values, str):
        raise TypeError(f"expected a list of texts for {name}, got {values!r:.80}: {name}=[{values!r:.80}]")
    texts = tuple(as_list(values))
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"expected a list of texts for {name}, got {excerpt(text)} at index {index}")
    return texts


def check_choice(value: Any, name: str, choices: Sequence[str]) -> str:
    """Check a name among several; return it.

    Raises
    ------
    InvalidParameterError
        If it is none of them; the message suggests the nearest.
    """
    if isinstance(value, str) and value in choices:
        return value
    raise invalid(f"expected {name} among {quoted(choices)}, got {excerpt(value)}{suggestion(value, choices)}")


def check_real(value: Any, name: str, interval: str) -> float:
    """Check a real number in an interval, such as ``"[0, 1)"``; return it as a float.

    Raises
    ------
    InvalidParameterError
        If it is anything else.
    """
    number = as_real(value)
    if is_within(number, interval):
        return number
    raise invalid(f"expected {name} to be a number in {interval}, got {excerpt(value)}")


def is_within(number: float, interval: str) -> bool:
    """Return whether a number is in an interval, such as ``"[0, 1)"``."""
    low, high = map(float, interval[1:-1].split(", "))
    return low < number < high or (number == low and "[" in interval) or (number == high and "]" in interval)


def name_of(estimator: object) -> str:
    """Return the name of an estimator's class; a string is returned unchanged."""
    return estimator if isinstance(estimator, str) else type(estimator).__name__


def column_text(column: int, names: Sequence[object] | NDArray[np.object_] | None) -> str:
    """Return "column 2", followed by the column's name if it has one."""
    name = "" if names is None or len(names) <= column else f" ({names[column]!r})"
    return f"column {column}{name}"


def row_and_column(row: int | None, column: int, names: Sequence[object] | NDArray[np.object_] | None) -> str:
    """Return a position such as "row 5, column 2 ('petal width')", counted from 0; of no row, the column alone."""
    return column_text(column, names) if row is None else f"row {row}, {column_text(column, names)}"
