"""Rows of known class in a fit, and the classes of a fitted mixture's components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmm._persistence import item
from gmm._rows.sources import Source
from gmm._validation.combinations import refuse
from gmm._validation.given import check_components_per_class, check_labels, classes_with_weight
from gmm._values.weights import ALL_UNKNOWN, KnownClasses

if TYPE_CHECKING:
    from gmm._estimators.fitted import FittedMixture


_ATTRIBUTES = "classes_", "component_classes_"


def known_classes(
    labels: Any, components_per_class: Any, n_components: int, source: Source
) -> tuple[NDArray[Any] | None, KnownClasses]:
    """Return the classes in labels, None without labels, and which components rows may belong to.

    Raises
    ------
    ValueError
        If the labels are unusable, do not go with the number of components, or the rows lie in partitions.
    """
    if labels is None:
        if components_per_class != 1:
            raise ValueError("components_per_class needs rows of known class: expected labels, got None")
        return None, ALL_UNKNOWN
    refuse("labels", {"rows in partitions": not source.is_local})
    classes, codes = check_labels(labels, source.n_rows)
    if source.n_used < source.n_rows:
        classes, codes = classes_with_weight(classes, codes, source.weights > 0)
    if not len(classes):
        return classes, ALL_UNKNOWN
    owners = check_components_per_class(components_per_class, classes, codes[source.weights > 0], n_components)
    return classes, KnownClasses((codes + 1).astype(np.intc), owners)


def known_again(mixture: FittedMixture, labels: Any, source: Source) -> KnownClasses:
    """Return which components of a fitted mixture rows may belong to, given the labels of its fit.

    Raises
    ------
    ValueError
        If a fit with labels comes without them or with others, or a fit without labels with some.
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
    again = restriction.owner_of_each(mixture.n_components)
    if classes is None or not np.array_equal(classes, fitted) or _classes_of(classes, again).tolist() != owners:
        raise ValueError(others)
    return restriction


def record_classes(mixture: FittedMixture, classes: NDArray[Any] | None, of_rows: KnownClasses = ALL_UNKNOWN) -> None:
    """Set what a fit knows of classes; those of an earlier fit do not outlive it."""
    for name in _ATTRIBUTES:
        vars(mixture).pop(name, None)
    if classes is not None:
        owners = of_rows.owner_of_each(mixture.n_components)
        mixture.classes_, mixture.component_classes_ = classes, _classes_of(classes, owners)


def copy_classes(mixture: FittedMixture, other: FittedMixture) -> None:
    """Let another mixture of the same components know their classes."""
    vars(other).update({name: vars(mixture)[name] for name in _ATTRIBUTES if name in vars(mixture)})


def classes_to_state(mixture: FittedMixture) -> dict[str, Any]:
    """Return what a file keeps of the classes."""
    if "classes_" not in vars(mixture):
        return {}
    classes = mixture.classes_.tolist()
    owners = [classes.index(label) if label in classes else -1 for label in mixture.component_classes_.tolist()]
    return {"classes": classes, "owners": owners}


def restore_classes(mixture: FittedMixture, header: dict[str, Any], n_components: int) -> None:
    """Take what `classes_to_state` returned."""
    if "classes" not in header:
        return
    classes = sorted_classes(item(header, "classes", list))
    owners = item(header, "owners", list)
    if len(owners) != n_components or not all(type(one) is int and -1 <= one < len(classes) for one in owners):
        raise ValueError(f"expected the index of a class, or -1, for each component, got {owners!r:.80}")
    mixture.classes_, mixture.component_classes_ = classes, _classes_of(classes, np.array(owners, dtype=np.intp))


def sorted_classes(labels: list[Any]) -> NDArray[Any]:
    """Return the classes that a file names.

    Raises
    ------
    ValueError
        If they are none, or not sorted.
    """
    classes, codes = check_labels(labels, len(labels), "classes", unknown=None)
    if not np.array_equal(codes, np.arange(len(codes))):
        raise ValueError(f"expected sorted classes in 'classes' in its header, got {labels!r:.60}")
    return classes


def _classes_of(classes: NDArray[Any], owners: NDArray[np.intp]) -> NDArray[Any]:
    """Return the class of each component; −1, or None beside classes that are no integers, where it has none."""
    none = -1 if classes.dtype.kind in "if" else None
    labels = [*classes.tolist(), none]
    return np.array([labels[owner] for owner in owners], dtype=object if none is None and -1 in owners else None)
