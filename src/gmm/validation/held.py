"""Validation of the parameters that a user wants to hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm.text.lists import quoted, suggestion
from gmm.values.covariance import CovarianceModel
from gmm.values.held import PARTS, Held

__all__ = ["check_frozen", "check_held", "check_held_given"]


def check_frozen(frozen: Mapping[str, Any] | None, n_components: int, model: CovarianceModel) -> Held | None:
    """Return which parameters a fit is to hold; None if none.

    Parameters
    ----------
    frozen : mapping of {"weights", "means", "covariances"} to bool or array-like of shape (n_components,), or None
    n_components : int
    model : CovarianceModel

    Raises
    ------
    ValueError
        If a name or a mask is invalid, or covariances that depend on each other are held in part.
    """
    unknown = [name for name in frozen or () if name not in PARTS]
    if unknown:
        near = suggestion(unknown[0], PARTS)
        raise ValueError(f"frozen: expected some of {quoted(PARTS)}, got {unknown[0]!r:.40}{near}")
    table = np.array([_mask(name, (frozen or {}).get(name, False), n_components) for name in PARTS])
    return check_held(table, model) if table.any() else None


def check_held(table: NDArray[np.bool_], model: CovarianceModel) -> Held:
    """Return what a table of masks holds; see `check_frozen`."""
    held = Held(table)
    joint = bool(model.constraint) or model.layout.pooled
    if joint and held.covariances.any() and not held.covariances.all():
        raise ValueError(
            f"frozen: covariances of {model.known_as} depend on each other, so that all of them are held or none: "
            "expected True, or the covariance_type 'full', 'diag' or 'spherical'"
        )
    return held


def check_held_given(held: Held | None, weights: Any, means: Any, precisions: Any) -> None:
    """Check that what is held is given, where a fit begins with these.

    Raises
    ------
    ValueError
        If a part that is held is None.
    """
    given = {"weights": weights, "means": means, "covariances": precisions}
    for name in () if held is None else held.masks:
        if given[name] is None:
            parameter = f"{name}_init" if name != "covariances" else "precisions_init"
            raise ValueError(
                f"frozen holds {name}: expected {parameter}, or a mixture to go on from with warm_start=True"
            )


def _mask(name: str, value: Any, n_components: int) -> NDArray[np.bool_]:
    mask = np.asarray(value)
    if mask.dtype != bool or mask.shape not in ((), (n_components,)):
        raise ValueError(
            f"frozen: expected True, False or one of them for each of {n_components} components for {name!r}, got "
            f"{value!r:.80}"
        )
    return np.broadcast_to(mask, n_components)
