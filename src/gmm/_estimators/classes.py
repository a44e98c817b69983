"""Classes of rows: labels, and which components the rows of each class may belong to."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.attributes import MixtureEstimator
from gmm._exceptions import warn
from gmm._rows.sources import Source
from gmm._text.words import quoted
from gmm._validation.combinations import check_compatible
from gmm._validation.parameters import is_default
from gmm._validation.scalars import is_whole
from gmm._values.row_data import ALL_UNKNOWN, KnownClasses


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
    values = np.asarray(labels, dtype=None if hasattr(labels, "dtype") else object)  # else NaN among strings is "nan"
    if values.shape != (n_rows,):
        raise ValueError(f"expected {name} of shape {(n_rows,)}, one for each row, got {values.shape}")
    has_class = np.ones(n_rows, dtype=bool)
    if values.dtype.kind in "fO":
        has_class = np.array([not _is_missing(value) for value in values], dtype=bool)
    entries = values[has_class]
    if entries.dtype.kind == "O" and len({isinstance(value, str) for value in entries}) == 1:
        with suppress(ValueError):  # of lists, which differ in length
            entries = np.array(entries.tolist())
    for value in entries.tolist() if entries.dtype.kind in "ufO" else ():
        if isinstance(value, int | float | np.number) and not -(2**63) <= value < 2**63:
            raise ValueError(f"expected {name} between -2**63 and 2**63 - 1, got {value!r:.80}")
    integers = (isinstance(value, float | np.floating) and float(value).is_integer() for value in entries)
    if entries.dtype.kind == "u" or (entries.dtype.kind in "fO" and all(integers)):
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


def _is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, masked, or pandas' NA, whose equality to itself is no truth value."""
    try:
        return value is None or not bool(value == value)
    except TypeError:
        return True


def classes_with_weight(
    classes: NDArray[Any], codes: NDArray[np.intp], has_weight: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the classes of the rows with a positive weight, and each row's class, −1 where it is unknown or unused.

    Warns
    -----
    UserWarning
        If a class has no such row.
    """
    is_used = has_weight & (codes >= 0)
    present = np.unique(codes[is_used])
    absent = classes[np.setdiff1d(codes[codes >= 0], present)].tolist()
    if absent:
        has, verb = ("class {} has", "is") if len(absent) == 1 else ("classes {} have", "are")
        warn(
            "class without weight", f"{has.format(quoted(absent))} no row with a positive weight, and {verb} not fitted"
        )
    return classes[present], np.where(is_used, np.searchsorted(present, codes), -1)


def check_components_per_class(
    per_class: Any, classes: NDArray[Any], codes: NDArray[np.intp], n_components: int
) -> NDArray[np.intp]:
    """Return the class of each component, (K,): classes in order, then −1 for components of none.

    `codes` are those of the rows with a positive weight.

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
        if not is_whole(number, 1):
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


def known_classes(
    labels: Any, components_per_class: Any, n_components: int, source: Source
) -> tuple[NDArray[Any] | None, KnownClasses]:
    """Return the classes in labels, None without labels, and which components rows may belong to.

    Raises
    ------
    ValueError
        If the labels are invalid, do not fit the number of components, or the rows are in partitions.
    """
    if labels is None:
        if not is_default(components_per_class, 1):
            raise ValueError("components_per_class needs rows of known class: expected labels, got None")
        return None, ALL_UNKNOWN
    check_compatible("labels", {"rows in partitions": source.storage == "remote"})
    classes, codes = check_labels(labels, source.n_rows)
    if source.survey.n_used < source.n_rows:
        classes, codes = classes_with_weight(classes, codes, source.weights > 0)
    if not len(classes):
        return classes, ALL_UNKNOWN
    owners = check_components_per_class(components_per_class, classes, codes[source.weights > 0], n_components)
    return classes, KnownClasses((codes + 1).astype(np.intc), owners)


def restored_classes(mixture: MixtureEstimator, labels: Any, source: Source) -> KnownClasses:
    """Return which components of a fitted mixture rows may belong to, given the labels of its fit.

    Raises
    ------
    ValueError
        If the labels are not those of the fit.
    """
    fitted = vars(mixture).get("classes_")
    if (labels is None) != (fitted is None):
        remedy = "without labels: expected labels=None" if fitted is None else "with labels: expected these as labels"
        raise ValueError(f"the mixture was fitted {remedy}")
    if fitted is None:
        return ALL_UNKNOWN
    owners, others = mixture.component_classes_.tolist(), f"expected the labels of the fit, of classes {fitted}"
    if not np.isin(fitted, check_labels(labels, source.n_rows)[0]).all():
        raise ValueError(others)
    per_class = {label: owners.count(label) for label in fitted.tolist()}
    classes, restriction = known_classes(labels, per_class, mixture.n_components, source)
    restored = restriction.owner_of_each(mixture.n_components)
    if classes is None or not np.array_equal(classes, fitted) or classes_of(classes, restored).tolist() != owners:
        raise ValueError(others)
    return restriction


def classes_of(classes: NDArray[Any], owners: NDArray[np.intp]) -> NDArray[Any]:
    """Return the class of each component; where it has none, −1 if classes are integers, else None."""
    none = -1 if classes.dtype.kind in "if" else None
    labels = [*classes.tolist(), none]
    return np.array([labels[owner] for owner in owners], dtype=object if none is None and -1 in owners else None)


def sorted_classes(labels: list[Any]) -> NDArray[Any]:
    """Check the classes of a file.

    Raises
    ------
    ValueError
        If they are not classes, or not sorted.
    """
    classes, codes = check_labels(labels, len(labels), "classes", unknown=None)
    if not np.array_equal(codes, np.arange(len(codes))):
        raise ValueError(f"expected sorted classes in 'classes' in its header, got {labels!r:.60}")
    return classes
