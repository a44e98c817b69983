"""`Noise`: rows that belong to no component, spread evenly over a box."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._kernel.mstep import noise_weight
from gmm._values.layouts import Array

Rng = np.random.RandomState | np.random.Generator


class Noise(NamedTuple):
    """The uniform density 1/V of a box (Banfield & Raftery 1993), with the weight that the components do not have.

    A pass assumes the same density outside the box. `NO_NOISE` is false.

    Parameters
    ----------
    low, high : arrays of shape (d,)
        Corners of the box.
    share : float
        The least initial weight of the noise in a fit.
    """

    low: Array
    high: Array
    share: float = 0.0

    def __bool__(self) -> bool:
        return True

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return 2 if self else 0

    @property
    def log_density(self) -> float:
        """−log V."""
        return -float(np.log(self.high - self.low).sum()) if self else -inf

    @property
    def box(self) -> Array:
        """Both corners, (2, d)."""
        return np.array([self.low, self.high])

    @property
    def parameter(self) -> Array | bool:
        """The box or False, as the parameter `noise` of an estimator."""
        return self.box if self else False

    @property
    def means(self) -> Array | float:
        """Mean of each column, (d,)."""
        return np.asarray(0.5 * (self.low + self.high)) if self else 0.0

    @property
    def variances(self) -> Array | float:
        """Variance of each column, (d,)."""
        return np.asarray((self.high - self.low) ** 2 / 12) if self else 0.0

    def weight(self, weights: Array) -> float:
        """Return 1 − Σ_k π_k, at least 0, for components with these weights, (K,)."""
        return max(0.0, noise_weight(weights)) if self else 0.0

    def mapped(self, function: Callable[[Array], Array]) -> Noise:
        """Return the noise in the box with mapped corners."""
        return Noise(function(self.low), function(self.high), self.share) if self else self

    def for_columns(self, columns: NDArray[np.intp]) -> Noise:
        """Return the noise of some columns."""
        return self.mapped(lambda corner: corner[columns])

    def share_below(self, values: Array) -> Array | float:
        """Return the share of each column that lies below values (n, d)."""
        return np.asarray(np.clip((values - self.low) / (self.high - self.low), 0, 1)) if self else 0.0

    def equals(self, other: Noise) -> bool:
        """Return whether both are noise in the same box, or none."""
        return np.array_equal(self.box, other.box)

    @property
    def log_widths(self) -> Array | None:
        """The logarithm of the width of the box in each column, (d,)."""
        return np.log(self.high - self.low) if self else None

    def number(self, n: int, weight: float, rng: Rng) -> int:
        """Draw how many of n rows are noise of this weight."""
        return int(rng.binomial(n, weight)) if self else 0

    def sample(self, shape: tuple[int, int], rng: Rng) -> Array:
        """Draw rows (n, d)."""
        return np.asarray(rng.uniform(self.low, self.high, shape)) if self else np.empty(shape)


class _NoNoise(Noise):
    __bool__ = staticmethod(bool)  # false


NO_NOISE: Noise = _NoNoise(np.array(0.0), np.array(0.0))  # in no box: that of no columns has the volume 1
