"""`Deconvolution`: a mixture as rows with known errors show it, and what their statistics say about the true values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, pi

import numpy as np
from numpy.typing import NDArray

from gmm._caching import cached_property
from gmm._values.completion import Gaps
from gmm._values.errors import RowErrors, lower_triangle
from gmm._values.layouts import FULL, Array, Layout
from gmm._values.statistics import SufficientStatistics
from gmm._values.whitened import WhitenedMixture


class Blur(Gaps):
    """Which columns P patterns of rows lack, and the errors of the others.

    Parameters
    ----------
    missing : bool array of shape (P, d)
    errors : RowErrors
    numbers : list of int
        The error that the rows of each pattern share, or that of rows with errors of their own.
    layout : Layout
        DIAGONAL or FULL: that of passes over the rows.
    """

    def __init__(self, missing: NDArray[np.bool_], errors: RowErrors, numbers: list[int], layout: Layout) -> None:
        super().__init__(missing)
        self.errors, self.numbers, self.layout = errors, numbers, layout

    @cached_property
    def of_patterns(self) -> list[Array]:
        """The error that the rows of each pattern share, in its columns; where they have their own, all, packed."""
        errors, layout = self.errors, self.layout
        stored, kinds = errors.stored(layout), zip(self.observed, self.numbers, strict=True)
        return [
            errors.packed(columns, layout)
            if kind == errors.own
            else layout.of_columns(stored[kind : kind + 1], columns)
            for columns, kind in kinds
        ]

    def of_mixture(self, mixture: WhitenedMixture) -> Deconvolution:  # type: ignore[override]
        """Return a mixture as the rows show it."""
        return Deconvolution.of(mixture, self)


@dataclass(frozen=True, eq=False)
class BlurredMixture:
    """A mixture of true values as rows with errors of their own see it, which add these to its covariances.

    Parameters
    ----------
    layout : Layout
        DIAGONAL or FULL.
    log_offset : array of shape (K,)
        log π_k − q/2·log 2π, in nats.
    centres : array of shape (K, q)
    covariances : array in the shape of `layout`
    errors : array of shape (E, p)
        The covariances of the errors of these columns, as `RowErrors.packed` has them.
    log_noise : float
    """

    layout: Layout
    log_offset: Array
    centres: Array
    covariances: Array
    errors: Array
    log_noise: float

    @cached_property
    def packed(self) -> Array:
        """The covariances as lower triangles row by row, or variances, (K, p)."""
        q = self.centres.shape[1]
        packed = self.covariances[:, *lower_triangle(q)] if self.layout is FULL else self.covariances
        return np.ascontiguousarray(packed)


@dataclass(frozen=True, eq=False)
class Deconvolution:
    """Rows x = v + e of P patterns, e ~ N(0, S) in the columns that are there, v ~ N(c_k, V_k) in component k.

    Bovy, Hogg & Roweis (2011). With T = V_k + S and z = U (x − c_k), Uᵀ U = T⁻¹, v has the mean c_k + G z and the
    covariance V_k − G Gᵀ. A missing value has an infinite error: its column is not in x.

    Parameters
    ----------
    blur : Blur
    marginals : list
        Of the columns that each pattern has: the mixture of x, with the whiteners U, or a `BlurredMixture`.
    centres : array of shape (K, d)
    covariances : array of shape (K, d) or (K, d, d)
        V_k.
    gains : list of arrays of shape (K, d, q) or (K, q)
        G = V_k Uᵀ, or V_k where rows have errors of their own: of all columns and those that are there.
    """

    blur: Blur
    marginals: list[WhitenedMixture | BlurredMixture]
    centres: Array
    covariances: Array
    gains: list[Array]

    @classmethod
    def of(cls, mixture: WhitenedMixture, blur: Blur) -> Deconvolution:
        """Add the errors to the covariances of what is there."""
        mixture, layout = mixture.whole(), blur.layout
        K, d = mixture.centres.shape
        whiteners = mixture.whiteners.reshape(mixture.layout.shape(K, d))
        if layout is FULL:
            roots = np.linalg.inv(mixture.layout.dense(whiteners, K, d))
            covariances = roots @ roots.transpose(0, 2, 1)
        else:
            covariances = mixture.layout.diagonal(whiteners, d) ** -2.0
        log_weights = mixture.log_offset - np.log(np.abs(mixture.layout.diagonal(whiteners, d))).sum(axis=1)
        log_noise = (np.full(len(blur.missing), mixture.log_noise) + mixture.noise.log_volumes(blur.missing)).tolist()
        marginals, gains = list[WhitenedMixture | BlurredMixture](), []
        for p, (columns, number) in enumerate(zip(blur.observed, blur.numbers, strict=True)):
            offset, of_columns = log_weights + 0.5 * log(2 * pi) * (d - len(columns)), layout.of_columns
            centres, of_noise = np.ascontiguousarray(mixture.centres[:, columns]), log_noise[p]
            blurred, gain = of_columns(covariances, columns), covariances[..., columns]
            if number == blur.errors.own:
                marginals.append(BlurredMixture(layout, offset, centres, blurred, blur.of_patterns[p], of_noise))
            else:
                blurred = blurred + blur.of_patterns[p]
                whitener, log_determinants = layout.whiten(blurred, len(columns))
                marginals.append(WhitenedMixture(layout, offset + log_determinants, centres, whitener, of_noise))
                gain = gain @ whitener.transpose(0, 2, 1) if layout is FULL else gain * whitener
            gains.append(gain)
        return cls(blur, marginals, mixture.centres, covariances, gains)

    def expanded(self, statistics: Sequence[SufficientStatistics]) -> SufficientStatistics:
        """Return the expected statistics of the true values of all columns, about the centres.

        Σ r E[v − c] = G Σ r z and Σ r E[(v − c)(v − c)ᵀ] = n V + G (Σ r z zᵀ − n) Gᵀ. Of rows with errors of their own,
        Σ r Uᵀ z and Σ r Uᵀ (z zᵀ − 1) U come in the place of moments.
        """
        layout, counts = self.blur.layout, np.sum([part.counts for part in statistics], axis=0)
        first, second = np.zeros_like(self.centres), layout.per_count(self.covariances, 1 / np.maximum(counts, _TINY))
        parts = zip(self.blur.observed, self.marginals, self.gains, statistics, strict=True)
        for columns, marginal, gain, part in parts:
            scores, excess = part.first, part.second
            if isinstance(marginal, WhitenedMixture):
                scores, excess = _whitened(part.recentred(marginal.centres), marginal.whiteners)
            if layout is FULL:
                first += (gain @ scores[..., None])[..., 0]
                second += gain @ excess @ gain.transpose(0, 2, 1)
            else:
                first[:, columns] += gain * scores
                second[:, columns] += gain * (gain * excess)  # the square of a variance may overflow
        if layout is FULL:
            second = 0.5 * (second + second.transpose(0, 2, 1))
        log_evidence, weight = sum(part.log_evidence for part in statistics), sum(part.weight for part in statistics)
        return SufficientStatistics(layout, self.centres, counts, first, second, log_evidence, weight)


_TINY = 1e-290


def _whitened(part: SufficientStatistics, U: Array) -> tuple[Array, Array]:
    """Return Σ r z and Σ r (z zᵀ − 1)."""
    if U.ndim == 2:
        return U * part.first, U**2 * part.second - part.counts[:, None]
    second = U @ part.second @ U.transpose(0, 2, 1) - part.counts[:, None, None] * np.eye(U.shape[1])
    return (U @ part.first[..., None])[..., 0], second
