"""Validation of the noise that a user asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._exceptions import InvalidParameterError, raisable
from gmm._validation.given import check_array, check_squares
from gmm._validation.scalars import is_real
from gmm._values.noise import NO_NOISE, Noise, UniformNoise

_SHARE = 0.05  # of noise at the start, unless a share is given


def check_noise(noise: Any, n_features: int, box_of_rows: Callable[[], NDArray[np.float64]]) -> Noise:
    """Return the noise that a parameter asks for.

    Parameters
    ----------
    noise : bool, float or array-like of shape (2, d)
        Whether there is any; or its share of the rows; or the corners of its box.
    n_features : int
        d.
    box_of_rows : callable
        Returns the least and the largest values of the rows, (2, d).

    Raises
    ------
    InvalidParameterError
        If it is none of these.
    ValueError
        If the box is none: wrong shape, numbers that are not finite or too large, or no volume.
    """
    if np.ndim(noise) > 0:
        return UniformNoise(*check_box(noise, "noise", n_features), _SHARE)
    share = np.asarray(noise).item()
    if share is False:
        return NO_NOISE
    if share is not True and not (is_real(share) and 0 < share < 1):
        raise raisable(InvalidParameterError)(
            f"expected noise to be True, False, a share between 0 and 1 or a box, got {noise!r:.80}"
        )
    return UniformNoise(*_with_volume(box_of_rows(), "the rows"), _SHARE if share is True else float(share))


def check_box(box: Any, name: str, n_features: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the low and the high corner, (d,), of the box that a parameter gives."""
    corners = check_array(box, name, (2, n_features)).astype(np.float64)
    check_squares(corners, name, "corner")
    return _with_volume(corners, name)


def _with_volume(box: NDArray[np.float64], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = np.ascontiguousarray(box)
    flat = np.flatnonzero(~(high > low))
    if len(flat):
        raise ValueError(
            f"expected a box with a volume, low < high in every column, got {low[flat[0]]:g} and {high[flat[0]]:g} in "
            f"column {flat[0]} of {name}"
        )
    return low, high
