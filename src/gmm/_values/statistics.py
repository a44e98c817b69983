"""`SufficientStatistics`: the result of a pass, and the input of a parameter update.

Statistics of parts of the rows can be added, so they are also what threads, chunks and machines exchange.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmm._kernel import mstep
from gmm._lazy import reduced_at_home
from gmm._values.layouts import Array, Layout

_ADDITIVE = "counts", "first", "second", "log_evidence", "weight", "precision"  # sums over rows
_EPS, _TINY = float(np.finfo(np.float64).eps), float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, eq=False)
class SufficientStatistics:
    """Moments of n rows, weighted by responsibilities r_ik, about given origins o_k.

    Parameters
    ----------
    layout : Layout
        Layout of the second moments.
    origins : array of shape (K, d)
    counts : array of shape (K,)
        Σ_i w_i r_ik.
    first : array of shape (K, d)
        Σ_i w_i r_ik (x_i − o_k).
    second : array in the shape of `layout`
        Σ_i w_i r_ik (x_i − o_k)(x_i − o_k)ᵀ; summed over k for the tied layout, the mean of
        its diagonal for the spherical one.
    log_evidence : float
        Σ_i w_i log Σ_k ρ_ik, in nats.
    weight : float
        Σ_i w_i.
    precision : array of shape (K,), or 0
        Σ_i w_i r_ik E [log u_ik − u_ik] of Student-t components, whose rows have precisions u_ik; 0 for normal ones,
        and undefined if degrees of freedom are given.
    """

    layout: Layout
    origins: Array
    counts: Array
    first: Array
    second: Array
    log_evidence: float
    weight: float
    precision: Array | float = 0.0
    __reduce_ex__ = reduced_at_home

    @property
    def precisions(self) -> Array:
        """The sums of the tails of each component, (K,)."""
        return self.precision if isinstance(self.precision, np.ndarray) else np.full(len(self.counts), self.precision)

    @property
    def least_count(self) -> float:
        """Count up to which a component is empty: the rounding of the weight of all rows."""
        return _EPS * self.weight

    @property
    def means(self) -> Array:
        """Means of the components, (K, d); the origin for a component without rows."""
        return self.origins + self.first / self._divisors[:, None]

    @property
    def scatter(self) -> Array:
        """Second moments about the means, in the shape of `layout`."""
        root = self.first / np.sqrt(self._divisors)[:, None]
        with np.errstate(over="ignore", invalid="ignore"):  # of very distant rows
            return self.second - self.layout.outer(root, root)

    @property
    def _divisors(self) -> Array:
        # Moments of a component without rows are zero; avoid 0/0.
        return np.maximum(self.counts, _TINY)

    @property
    def mean_log_evidence(self) -> float:
        """Log evidence per unit weight, in nats."""
        return self.log_evidence / self.weight

    def __add__(self, other: SufficientStatistics) -> SufficientStatistics:
        """Return the statistics of both sets of rows.

        Raises
        ------
        ValueError
            If the mixtures differ in size or in the storage of second moments.
        """
        if not isinstance(other, SufficientStatistics):
            return NotImplemented
        if (self.layout, self.first.shape) != (other.layout, other.first.shape):
            raise ValueError(
                f"expected statistics of the same mixture: means {self.first.shape}, second moments "
                f"{self.second.shape}; got {other.first.shape} and {other.second.shape}"
            )
        if not np.array_equal(self.origins, other.origins):
            other = other.recentred(self.origins)
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in _ADDITIVE})

    def scaled(self, factor: float) -> SufficientStatistics:
        """Return the statistics of the same rows with weights multiplied by `factor`."""
        return replace(self, **{name: factor * getattr(self, name) for name in _ADDITIVE})

    def recentred(self, origins: Array) -> SufficientStatistics:
        """Return the same moments about other `origins`, (K, d)."""
        step = self.origins - origins
        mass = self.counts[:, None] * step
        second = self.second + self.layout.outer(2 * self.first + mass, step)
        return replace(self, origins=origins, first=self.first + mass, second=second)

    def reordered(self, order: NDArray[np.intp]) -> SufficientStatistics:
        """Return the components in another `order`, (K,)."""
        second = self.second if self.layout.pooled else self.second.take(order, axis=0)
        moments = self.origins.take(order, axis=0), self.counts.take(order), self.first.take(order, axis=0), second
        precision = self.precision.take(order) if isinstance(self.precision, np.ndarray) else self.precision
        return SufficientStatistics(self.layout, *moments, self.log_evidence, self.weight, precision)

    def reduced(self, layout: Layout) -> SufficientStatistics:
        """Convert the second moments to another `layout`: full ones to any, diagonal ones to spherical.

        Raises
        ------
        ValueError
            If the stored second moments do not determine them.
        """
        if layout is self.layout:
            return self
        return replace(self, layout=layout, second=layout.reduced(self.second, self.layout, self.first.shape[1]))

    def joined(self, other: SufficientStatistics) -> SufficientStatistics:
        """Append the components of other statistics, of the same rows."""
        return replace(
            self,
            origins=np.concatenate([self.origins, other.origins]),
            counts=np.concatenate([self.counts, other.counts]),
            precision=np.concatenate([self.precisions, other.precisions]),
            first=np.concatenate([self.first, other.first]),
            second=self.second if self.layout.pooled else np.concatenate([self.second, other.second]),
        )

    def split(self, component: int, into: int, offset: Array | None = None) -> SufficientStatistics:
        """Move half of the rows of `component` to `into`, with the same mean and spread.

        `into` is an empty component or, if it equals the number of components, a new one. With an `offset`, (d,), the
        two means are 2·`offset` apart instead, and the sums of their zeroth, first and second moments do not change.
        """
        return SufficientStatistics(*mstep.halved(self, component, into, offset))


SufficientStatistics.__module__ = "gmm.em"
