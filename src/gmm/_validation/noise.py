"""Validation of the noise that a user asks for."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._validation.given import check_array
from gmm._values.noise import NO_NOISE, Noise, UniformNoise

__all__ = ["check_noise"]

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
    ValueError
        If the box is none: wrong shape, numbers that are not finite, or no volume.
    """
    given = np.ndim(noise) > 0
    noise = noise if given else np.asarray(noise).item()
    if noise is False:
        return NO_NOISE
    box = check_array(noise, "noise", (2, n_features)).astype(np.float64) if given else box_of_rows()
    flat = np.flatnonzero(~(box[1] > box[0]))
    if len(flat):
        raise ValueError(
            f"noise needs a box with a volume: expected low < high in every column, got {box[0, flat[0]]:g} and "
            f"{box[1, flat[0]]:g} in column {flat[0]}"
        )
    if not given and not isinstance(noise, Real):
        raise TypeError(f"expected noise to be True, False, a share or a box, got {noise!r:.80}")
    share = _SHARE if given or noise is True else float(noise)
    return UniformNoise(np.ascontiguousarray(box[0]), np.ascontiguousarray(box[1]), share)
