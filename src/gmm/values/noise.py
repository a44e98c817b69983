"""`UniformNoise`: rows that belong to no component, spread evenly over a box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmm.values.layouts import Array


@dataclass(frozen=True, eq=False)
class UniformNoise:
    """The uniform density 1/V of a box (Banfield & Raftery 1993), whose weight is what the components leave.

    A pass takes it as the same everywhere, outside of the box too.

    Parameters
    ----------
    low, high : arrays of shape (d,)
        Corners of the box.
    """

    low: Array
    high: Array

    @property
    def log_density(self) -> float:
        """−log V."""
        return -float(np.log(self.high - self.low).sum())

    @property
    def box(self) -> Array:
        """Both corners, (2, d)."""
        return np.array([self.low, self.high])

    @property
    def mean(self) -> Array:
        """The middle of the box, (d,)."""
        return np.asarray(0.5 * (self.low + self.high))

    @property
    def variances(self) -> Array:
        """Of each column, (d,)."""
        return np.asarray((self.high - self.low) ** 2 / 12)

    def of_columns(self, columns: NDArray[np.intp]) -> UniformNoise:
        """Return the noise of some columns."""
        return UniformNoise(self.low[columns], self.high[columns])

    def share_below(self, values: Array) -> Array:
        """Return the share of each column that lies below values (n, d)."""
        return np.asarray(np.clip((values - self.low) / (self.high - self.low), 0, 1))

    def sample(self, n: int, rng: np.random.RandomState | np.random.Generator) -> Array:
        """Draw rows (n, d)."""
        return np.asarray(rng.uniform(self.low, self.high, (n, len(self.low))))
