"""`SufficientStatistics`: what a pass sends up, and the only thing a parameter update sees.

It is additive, so it is also the message between threads, chunks and machines. No rows live here and no covariance
model: only moments and their arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmm.values.layouts import Array, Layout


@dataclass(frozen=True, eq=False)
class SufficientStatistics:
    """Moments of the responsibilities r_ik of n rows about stated origins o_k.

    Parameters
    ----------
    layout : Layout
        How much of the second moments is kept, and its shape.
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
    """

    layout: Layout
    origins: Array
    counts: Array
    first: Array
    second: Array
    log_evidence: float
    weight: float

    @property
    def means(self) -> Array:
        """The components' means, (K, d); a component without rows keeps its origin."""
        return self.origins + self.first / self._divisors[:, None]

    @property
    def scatter(self) -> Array:
        """The second moments about the means, in the shape of `layout`."""
        root = self.first / np.sqrt(self._divisors)[:, None]
        return self.second - self.layout.outer(root, root)

    @property
    def _divisors(self) -> Array:
        # Moments of a component without rows are zero, whatever divides them.
        return np.maximum(self.counts, np.finfo(np.float64).tiny)

    @property
    def mean_log_evidence(self) -> float:
        """Per unit weight, in nats."""
        return self.log_evidence / self.weight

    def __add__(self, other: SufficientStatistics) -> SufficientStatistics:
        """The statistics of both sets of rows."""
        if not np.array_equal(self.origins, other.origins):
            other = other.recentred(self.origins)
        return replace(
            self,
            counts=self.counts + other.counts,
            first=self.first + other.first,
            second=self.second + other.second,
            log_evidence=self.log_evidence + other.log_evidence,
            weight=self.weight + other.weight,
        )

    def scaled(self, factor: float) -> SufficientStatistics:
        """The statistics of the same rows, each `factor` times as heavy."""
        return replace(
            self,
            counts=factor * self.counts,
            first=factor * self.first,
            second=factor * self.second,
            log_evidence=factor * self.log_evidence,
            weight=factor * self.weight,
        )

    def recentred(self, origins: Array) -> SufficientStatistics:
        """The same moments about other `origins`, (K, d)."""
        step = self.origins - origins
        mass = self.counts[:, None] * step
        second = self.second + self.layout.outer(2 * self.first + mass, step)
        return replace(self, origins=origins, first=self.first + mass, second=second)

    def reordered(self, order: NDArray[np.intp]) -> SufficientStatistics:
        """The same components in another `order`, (K,)."""
        return replace(
            self,
            origins=self.origins[order],
            counts=self.counts[order],
            first=self.first[order],
            second=self.second if self.layout.pooled else self.second[order],
        )

    def reduced(self, layout: Layout) -> SufficientStatistics:
        """The same moments, as far as another `layout` keeps them: full ones tell all others, diagonal the spherical.

        Raises
        ------
        ValueError
            Where these do not tell them.
        """
        if layout is self.layout:
            return self
        second = layout.reduced(self.second, self.layout, self.first.shape[1])
        return replace(self, layout=layout, second=second)

    def grown(self) -> SufficientStatistics:
        """The same with one more component, the last, which is empty."""
        second = self.second
        if not self.layout.pooled:
            second = np.concatenate([second, np.zeros_like(second[:1])])
        return replace(
            self,
            origins=np.concatenate([self.origins, self.origins[:1]]),
            counts=np.append(self.counts, 0.0),
            first=np.concatenate([self.first, np.zeros_like(self.first[:1])]),
            second=second,
        )

    def split(self, component: int, into: int, offset: Array) -> SufficientStatistics:
        """Half of `component` given to the empty component `into`, the two means 2·`offset` (d,) apart.

        Zeroth, first and second moments of the whole are kept.
        """
        counts, first, origins = self.counts.copy(), self.first.copy(), self.origins.copy()
        half = 0.5 * counts[component]
        origins[into] = origins[component]
        counts[[component, into]] = half
        first[component] = 0.5 * self.first[component] - half * offset
        first[into] = 0.5 * self.first[component] + half * offset
        return replace(
            self,
            origins=origins,
            counts=counts,
            first=first,
            second=self._split_second(component, into, offset),
        )

    def _split_second(self, component: int, into: int, offset: Array) -> Array:
        if self.layout.pooled:
            return self.second
        second = self.second.copy()
        slope = self.layout.outer(self.first[component][None], offset[None])[0]
        second[component] = 0.5 * self.second[component] - slope
        second[into] = 0.5 * self.second[component] + slope
        return second
