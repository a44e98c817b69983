"""`Completion`: a mixture seen in some columns only, and what its statistics there say about all columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, pi

import numpy as np

from gmm.values.columns import Columns
from gmm.values.layouts import DIAGONAL, FULL, SPHERICAL, Array
from gmm.values.noise import UniformNoise
from gmm.values.statistics import SufficientStatistics
from gmm.values.whitened import WhitenedMixture


@dataclass(frozen=True, eq=False)
class Completion:
    """The columns `missing` given those of `known`: in component k, N(c_k + slopes_k (x − c_k), Σ_k).

    Parameters
    ----------
    observed, missing : arrays of int, shape (q,) and (m,)
        Together, all columns.
    known : WhitenedMixture
        Of the observed columns: the mixture with the others integrated out.
    centres : array of shape (K, m)
        Of the missing columns.
    slopes : array of shape (K, m, q) or (1, m, q), or None
        None where the columns of a component are independent.
    roots : array of shape (K, m, m) or (1, m, m), or (K, m) without slopes
        Of the covariances of the missing columns, given the observed ones: Σ_k = root rootᵀ.
    """

    observed: Columns
    missing: Columns
    known: WhitenedMixture
    centres: Array
    slopes: Array | None
    roots: Array

    @classmethod
    def of(
        cls, mixture: WhitenedMixture, observed: Columns, missing: Columns, noise: UniformNoise | None = None
    ) -> Completion:
        """Integrate the columns `missing` out; `noise` is what the mixture's `log_noise` is of, without its weight."""
        K, d = mixture.centres.shape
        q, m, layout = len(observed), len(missing), mixture.layout
        slopes: Array | None = None
        whiteners = mixture.whiteners.reshape(layout.shape(K, d))
        if layout.axis_aligned:
            scales = layout.diagonal(whiteners, d)[:, missing]
            whiteners = layout.of_columns(whiteners, observed)
            roots = 1 / scales
        else:
            # ‖W x‖² = ‖R x‖² for the triangular factor R of W = Q R.  With the missing columns first, its last rows
            # are a whitener of the others; these come in reverse, so that it is a lower triangle once it is turned.
            order = np.concatenate([missing, observed[::-1]])
            R = np.asarray(np.linalg.qr(whiteners.reshape(-1, d, d)[:, :, order], mode="r"))
            roots = np.asarray(np.linalg.inv(R[:, :m, :m]), dtype=np.float64)
            slopes = -(roots @ R[:, :m, m:])[:, :, ::-1]
            scales = np.diagonal(R, axis1=1, axis2=2)[:, :m]
            turned = R[:, m:, m:][:, ::-1, ::-1]
            signs = np.sign(np.diagonal(turned, axis1=1, axis2=2))[:, :, None]
            whiteners = np.ascontiguousarray(turned * signs).reshape(layout.shape(K, q))
        log_offset = mixture.log_offset + (0.5 * m * log(2 * pi) - np.log(np.abs(scales)).sum(axis=1))
        log_noise = mixture.log_noise
        if noise is not None:
            log_noise += noise.of_columns(observed).log_density - noise.log_density
        centres = np.ascontiguousarray(mixture.centres[:, observed])
        known = WhitenedMixture(layout, log_offset, centres, whiteners, log_noise)
        return cls(observed, missing, known, mixture.centres[:, missing], slopes, roots)

    def expanded(self, statistics: SufficientStatistics) -> SufficientStatistics:
        """Return the expected statistics of all columns from those of the observed ones, about the centres.

        With T = [1; slopes], the first moments are T·first, the second T·second·Tᵀ, and of the missing columns
        n_k Σ_k more (Little & Rubin 2019, section 11.2; Ghahramani & Jordan 1994).
        """
        K, q, m = len(self.centres), len(self.observed), len(self.missing)
        there = statistics.recentred(self.known.centres)
        counts, moments, origins = there.counts, there.layout, np.empty((K, q + m))
        origins[:, self.observed], origins[:, self.missing] = self.known.centres, self.centres
        first = np.zeros((K, q + m))
        first[:, self.observed] = there.first
        if moments is SPHERICAL:
            second = (q * there.second + counts * (self.roots**2).sum(axis=1)) / (q + m)
        elif moments is DIAGONAL:
            second = np.empty((K, q + m))
            second[:, self.observed], second[:, self.missing] = there.second, counts[:, None] * self.roots**2
        else:
            maps = self._maps
            first = np.broadcast_to(maps @ there.first[:, :, None], (K, q + m, 1))[:, :, 0]
            second = maps @ there.second @ maps.transpose(0, 2, 1)
            second = np.ascontiguousarray(0.5 * (second + second.transpose(0, 2, 1)))
            rest = counts[:, None, None] * self._covariances
            here = self.missing[:, None], self.missing
            second[:, *here] += rest if moments is FULL else rest.sum(axis=0)
            second = second.reshape(moments.shape(K, q + m))
        return replace(there, origins=origins, first=first, second=second)

    def means_given(self, rows: Array) -> Array:
        """Return the means of the missing columns in each component, given rows (n, q): (K, n, m)."""
        K, m = self.centres.shape
        if self.slopes is None:
            return np.broadcast_to(self.centres[:, None], (K, len(rows), m))
        steps = rows - self.known.centres[:, None]
        return np.asarray(self.centres[:, None] + steps @ self.slopes.transpose(0, 2, 1))

    def drawn(self, component: int, rows: Array, rng: np.random.RandomState | np.random.Generator) -> Array:
        """Draw the missing columns in one component, given rows (n, q): (n, m)."""
        white = rng.standard_normal((len(rows), len(self.missing)))
        root = self.roots[min(component, len(self.roots) - 1)]
        return self.means_given(rows)[component] + (white * root if self.slopes is None else white @ root.T)

    @property
    def _maps(self) -> Array:
        """The matrices T, (K, d, q) or (1, d, q)."""
        q, m = len(self.observed), len(self.missing)
        maps = np.zeros((1 if self.slopes is None else len(self.slopes), q + m, q))
        maps[:, self.observed, np.arange(q)] = 1
        if self.slopes is not None:
            maps[:, self.missing] = self.slopes
        return maps

    @property
    def _covariances(self) -> Array:
        if self.slopes is None:
            return (self.roots**2)[:, :, None] * np.eye(len(self.missing))
        return np.asarray(self.roots @ self.roots.transpose(0, 2, 1))
