"""`UniformNoise`: rows that belong to no component, spread evenly over a box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from gmm._kernel.mstep import noise_weight
from gmm._values.layouts import Array

Rng = np.random.RandomState | np.random.Generator


class Noise:
    """No noise, which is false; its subclass has some."""

    log_density = -inf
    n_parameters = 0
    share = 0.0  # the least weight at a start
    box: Array = np.zeros((2, 0))
    parameter: Array | bool = False  # as `GaussianMixture` takes it
    means: Array | float = 0.0  # of each column, (d,)
    variances: Array | float = 0.0

    def __bool__(self) -> bool:
        return False

    def weight(self, weights: Array) -> float:
        """Return the weight that components with these weights, (K,), leave."""
        return 0.0

    def shares(self, counts: Array, weight: float) -> Array:
        """Return the weights of components with these counts, of rows of this weight."""
        return np.asarray(counts / counts.sum())

    def of_columns(self, columns: NDArray[np.intp]) -> Noise:
        """Return the noise of some columns."""
        return self

    def mapped(self, function: Callable[[Array], Array]) -> Noise:
        """Return the noise between other corners, each a function of one of these."""
        return self

    def with_share(self, share: float) -> Noise:
        """Return the noise with another least weight at a start."""
        return self

    def share_below(self, values: Array) -> Array | float:
        """Return the share of each column that lies below values (n, d)."""
        return 0.0

    def equals(self, other: Noise) -> bool:
        """Whether both are noise in the same box, or none."""
        return not other

    def log_volumes(self, mask: NDArray[np.bool_]) -> Array | float:
        """Return the log volume of the box in the chosen columns of each pattern, (P, d)."""
        return 0.0

    def number(self, n: int, weight: float, rng: Rng) -> int:
        """Draw how many of n rows are noise of this weight."""
        return 0

    def sample(self, shape: tuple[int, int], rng: Rng) -> Array:
        """Draw rows (n, d)."""
        return np.empty(shape)


NO_NOISE = Noise()


@dataclass(frozen=True, eq=False)
class UniformNoise(Noise):
    """The uniform density 1/V of a box (Banfield & Raftery 1993), whose weight is what the components leave.

    A pass takes it as the same everywhere, outside of the box too.

    Parameters
    ----------
    low, high : arrays of shape (d,)
        Corners of the box.
    share : float
        The least weight of the noise where a fit begins.
    """

    low: Array
    high: Array
    share: float = 0.0

    n_parameters = 2

    def __bool__(self) -> bool:
        return True

    @property
    def log_density(self) -> float:  # type: ignore[override]
        """−log V."""
        return -float(np.log(self.high - self.low).sum())

    @property
    def box(self) -> Array:  # type: ignore[override]
        """Both corners, (2, d)."""
        return np.array([self.low, self.high])

    @property
    def parameter(self) -> Array:  # type: ignore[override]
        """The box, which an estimator takes as `noise`."""
        return self.box

    @property
    def means(self) -> Array:  # type: ignore[override]
        """Mean of each column, (d,)."""
        return np.asarray(0.5 * (self.low + self.high))

    @property
    def variances(self) -> Array:  # type: ignore[override]
        """Variance of each column, (d,)."""
        return np.asarray((self.high - self.low) ** 2 / 12)

    def weight(self, weights: Array) -> float:
        """Return 1 − Σ_k π_k, at least 0."""
        return max(0.0, noise_weight(weights))

    def shares(self, counts: Array, weight: float) -> Array:
        """Return n_k / n, which leave noise its share."""
        return np.asarray(counts / weight)

    def of_columns(self, columns: NDArray[np.intp]) -> UniformNoise:
        """Return the noise of some columns."""
        return replace(self, low=self.low[columns], high=self.high[columns])

    def share_below(self, values: Array) -> Array:
        """Return the share of each column that lies below values (n, d)."""
        return np.asarray(np.clip((values - self.low) / (self.high - self.low), 0, 1))

    def mapped(self, function: Callable[[Array], Array]) -> UniformNoise:
        """Return the noise between other corners."""
        return replace(self, low=function(self.low), high=function(self.high))

    def with_share(self, share: float) -> UniformNoise:
        """Return the noise with another least weight at a start."""
        return replace(self, share=share)

    def equals(self, other: Noise) -> bool:
        """Whether the other has the same box."""
        return np.array_equal(self.parameter, other.parameter)

    def log_volumes(self, mask: NDArray[np.bool_]) -> Array:
        """Return the log volume of the box in the chosen columns of each pattern, (P,)."""
        return np.asarray(mask @ np.log(self.high - self.low))

    def number(self, n: int, weight: float, rng: Rng) -> int:
        """Draw how many of n rows are noise of this weight."""
        return int(rng.binomial(n, weight))

    def sample(self, shape: tuple[int, int], rng: Rng) -> Array:
        """Draw rows (n, d)."""
        return np.asarray(rng.uniform(self.low, self.high, shape))
