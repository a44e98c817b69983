"""Validation of the classes of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._exceptions import warn
from gmm._text.lists import quoted
from gmm._validation.scalars import is_whole


def check_labels(labels: Any, n_rows: int, name: str = "labels", *, unknown: int | None = -1) -> tuple[Any, Any]:
    """Return the classes, sorted, and the index of each row's class, −1 where it is unknown.

    Parameters
    ----------
    labels : array-like of shape (n_rows,)
        Integers, truth values or strings; None, NaN, NA and masked values are unknown.
    n_rows : int
    name : str
    unknown : int, optional
        A number that stands for unknown as well.

    Raises
    ------
    ValueError
        If the shape is wrong, or labels are not of one kind, or too large.
    """
    if isinstance(labels, np.ma.MaskedArray):
        labels = labels.tolist()  # None where they are masked
    values = np.asarray(labels, dtype=None if hasattr(labels, "dtype") else object)  # else NaN beside words is "nan"
    if values.shape != (n_rows,):
        raise ValueError(f"expected {name} of shape {(n_rows,)}, one for each row, got {values.shape}")
    if values.dtype.kind in "fO":
        has_class = np.array([not _is_missing(value) for value in values], dtype=bool)
    else:
        has_class = np.ones(n_rows, dtype=bool)
    entries = values[has_class]
    if entries.dtype.kind == "O" and len({isinstance(value, str) for value in entries}) == 1:
        entries = np.array(entries.tolist())
    _check_range(entries, name)
    if entries.dtype.kind == "u" or (entries.dtype.kind in "fO" and all(_has_no_fraction(value) for value in entries)):
        entries = entries.astype(np.int64)
    if entries.dtype.kind not in "ibU" or entries.ndim != 1:
        raise ValueError(
            f"Unknown label type: expected {name} that are integers, or strings, or missing (None, NaN), "
            f"got {entries[:3]!r:.80}"
        )
    if unknown is not None and entries.dtype.kind == "i":
        has_class[has_class] = entries != unknown
        entries = entries[entries != unknown]
    codes = np.full(n_rows, -1, dtype=np.intp)
    classes, codes[has_class] = np.unique(entries, return_inverse=True)
    return classes, codes


def classes_with_weight(
    classes: NDArray[Any], codes: NDArray[np.intp], weighs: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the classes of the rows that weigh something, and each row's class, −1 where it is unknown or unused.

    Warns
    -----
    UserWarning
        If a class has no such row.
    """
    weighs = weighs & (codes >= 0)
    present = np.unique(codes[weighs])
    absent = classes[np.setdiff1d(codes[codes >= 0], present)].tolist()
    if absent:
        has = "class {} has" if len(absent) == 1 else "classes {} have"
        warn(f"{has.format(quoted(absent))} no row with a positive weight: left out of the fit", UserWarning)
    return classes[present], np.where(weighs, np.searchsorted(present, codes), -1)


def _check_range(labels: NDArray[Any], name: str) -> None:
    numbers = labels.tolist() if labels.dtype.kind in "ufO" else []
    for value in numbers:
        if isinstance(value, int | float | np.number) and not -(2**63) <= value < 2**63:
            raise ValueError(f"expected {name} between -2**63 and 2**63 - 1, got {value!r:.80}")


def _is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, masked, or pandas' NA, whose equality to itself is no truth value."""
    try:
        return value is None or not bool(value == value)
    except TypeError:
        return True


def _has_no_fraction(value: Any) -> bool:
    return isinstance(value, float | np.floating) and float(value).is_integer()


def check_components_per_class(
    per_class: Any, classes: NDArray[Any], codes: NDArray[np.intp], n_components: int
) -> NDArray[np.intp]:
    """Return the class of each component, (K,): classes in order, then −1 for components of none.

    `codes` are those of the rows that weigh something.

    Raises
    ------
    ValueError
        If there are too few components, or too few rows for them.
    """
    named = per_class if isinstance(per_class, Mapping) else dict.fromkeys(classes.tolist(), per_class)
    unknown = [label for label in named if label not in classes.tolist()]
    if unknown:
        raise ValueError(f"components_per_class names {unknown[0]!r}: expected classes among {classes.tolist()!r:.200}")
    numbers = [named.get(label, 1) for label in classes.tolist()]
    for label, number, rows in zip(classes.tolist(), numbers, np.bincount(codes[codes >= 0]), strict=True):
        if not is_whole(number) or number < 1:
            raise ValueError(f"expected components_per_class of 1 or more, got {number!r:.40} for class {label!r}")
        if rows < number:
            raise ValueError(f"class {label!r} has {rows} labelled rows for {number} components: expected one for each")
    n_free = n_components - sum(numbers)
    if n_free < 0:
        raise ValueError(
            f"expected n_components >= {sum(numbers)}, for {len(classes)} classes in labels with their "
            f"components_per_class, got {n_components}"
        )
    if n_free > int((codes < 0).sum()):
        raise ValueError(
            f"{n_free} of {n_components} components belong to no class, but there are {int((codes < 0).sum())} rows "
            f"without a label: expected n_components={sum(numbers)}, or other components_per_class"
        )
    return np.append(np.repeat(np.arange(len(classes)), numbers), np.full(n_free, -1))
