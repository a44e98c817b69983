"""`Fixed`: which parameters of a mixture stay as they are while the others are fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmm._caching import cached_property
from gmm._values.covariance import CovarianceModel

PARTS = "weights", "means", "covariances"


@dataclass(frozen=True, eq=False)
class Fixed:
    """Weights, means and covariances of components that a fit leaves as it finds them; false if it fits all.

    Parameters
    ----------
    table : bool array of shape (3, K)
        Whether the weight, the mean and the covariance of each component are fixed.
    """

    table: NDArray[np.bool_]

    def __bool__(self) -> bool:
        return len(self.masks) > 0

    @property
    def weights(self) -> NDArray[np.bool_]:
        """Whose weights are fixed, (K,)."""
        return self.table[0]

    @property
    def means(self) -> NDArray[np.bool_]:
        """Whose means are fixed, (K,)."""
        return self.table[1]

    @property
    def covariances(self) -> NDArray[np.bool_]:
        """Whose covariances are fixed, (K,)."""
        return self.table[2]

    @property
    def components(self) -> NDArray[np.bool_]:
        """Of which components something is fixed, (K,)."""
        return np.asarray(self.table.any(axis=0))

    @cached_property
    def masks(self) -> dict[str, list[bool]]:
        """The rows of the table that fix something, by name."""
        return {name: row.tolist() for name, row in zip(PARTS, self.table, strict=True) if row.any()}

    def equals(self, other: Fixed) -> bool:
        """Whether the same parameters are fixed."""
        return self is other or np.array_equal(self.table, other.table)

    def beside(self, n_others: int) -> Fixed:
        """Return the same beside further components, of which nothing is fixed."""
        return Fixed(np.pad(self.table, ((0, 0), (0, n_others))))

    def n_parameters(self, model: CovarianceModel, n_components: int, n_features: int) -> int:
        """Count the parameters that would be free otherwise."""
        K, (weights, means, covariances) = n_components, self.table.sum(axis=1).tolist()
        free = 0 if covariances == K else model.n_parameters(K - covariances, n_features)
        return min(weights, K - 1) + means * n_features + model.n_parameters(K, n_features) - free


NOTHING_FIXED = Fixed(np.zeros((len(PARTS), 1), dtype=bool))
