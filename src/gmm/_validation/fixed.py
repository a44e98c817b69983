"""Validation of the parameters that a user wants to fix."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._text.lists import quoted, suggestion
from gmm._values.covariance import CovarianceModel
from gmm._values.fixed import NOTHING_FIXED, PARTS, Fixed


def check_fixed(fixed: Mapping[str, Any] | None, n_components: int, model: CovarianceModel) -> Fixed:
    """Return which parameters a fit leaves as they are.

    Parameters
    ----------
    fixed : mapping of {"weights", "means", "covariances"} to bool or array-like of shape (n_components,), or None
    n_components : int
    model : CovarianceModel

    Raises
    ------
    ValueError
        If a name or a mask is invalid, or covariances that depend on each other are fixed in part.
    """
    if not fixed:
        return NOTHING_FIXED
    unknown = [name for name in fixed if name not in PARTS]
    if unknown:
        near = suggestion(unknown[0], PARTS)
        raise ValueError(f"fixed: expected some of {quoted(PARTS)}, got {unknown[0]!r:.40}{near}")
    table = np.array([_mask(name, fixed.get(name, False), n_components) for name in PARTS])
    return check_fixed_table(table, model)


def check_fixed_table(table: NDArray[np.bool_], model: CovarianceModel) -> Fixed:
    """Return what a table of masks fixes; see `check_fixed`."""
    fixed = Fixed(table) if table.any() else NOTHING_FIXED
    if model.joint and fixed.covariances.any() and not fixed.covariances.all():
        raise ValueError(
            f"fixed: covariances of {model.type_name} depend on each other, so fix all of them or none: "
            "expected True, or the covariance_type 'full', 'diag' or 'spherical'"
        )
    return fixed


def check_fixed_start(fixed: Fixed, parts: Container[str], *, otherwise: str = "") -> None:
    """Check that what is fixed is given, where a fit begins with these of weights, means and precisions.

    `otherwise` says how else it might be.

    Raises
    ------
    ValueError
        If a part that is fixed is not among them.
    """
    for name in fixed.masks:
        part = "precisions" if name == "covariances" else name
        if part not in parts:
            raise ValueError(f"fixed={{{name!r}: …}}: expected {part}_init, got None{otherwise}")


def _mask(name: str, value: Any, n_components: int) -> NDArray[np.bool_]:
    mask = np.asarray(value)
    if np.ma.is_masked(value) or mask.dtype != bool or mask.shape not in ((), (n_components,)):
        raise ValueError(
            f"fixed: expected True, False or one of them for each of {n_components} components for {name!r}, got "
            f"{value!r:.80}"
        )
    return np.broadcast_to(mask, n_components)
