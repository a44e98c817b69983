"""`Deconvolution`: a mixture as rows with known errors show it, and what their statistics say about the true values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, pi

import numpy as np
from numpy.typing import NDArray

from gmm._values.completion import Gaps
from gmm._values.layouts import FULL, Array, Layout
from gmm._values.statistics import SufficientStatistics
from gmm._values.whitened import WhitenedMixture


class Blur(Gaps):
    """Which columns P patterns of rows lack, and the covariances of the errors of the others.

    Parameters
    ----------
    missing : bool array of shape (P, d)
    covariances : array of shape (P, d) or (P, d, d)
    layout : Layout
        DIAGONAL or FULL: that of passes over the rows.
    """

    def __init__(self, missing: NDArray[np.bool_], covariances: Array, layout: Layout) -> None:
        super().__init__(missing)
        self.covariances, self.layout = covariances, layout

    def of_mixture(self, mixture: WhitenedMixture) -> Deconvolution:
        """Return a mixture as the rows show it."""
        return Deconvolution.of(mixture, self)


@dataclass(frozen=True, eq=False)
class Deconvolution:
    """Rows x = v + e of P patterns, e ~ N(0, S_p) in the columns that are there, v ~ N(c_k, V_k) in component k.

    Bovy, Hogg & Roweis (2011). Given z = U_pk (x − c_k), v has the mean c_k + G_pk z and the covariance V_k − G_pk
    G_pkᵀ. A missing value has an infinite error: its column is not in x.

    Parameters
    ----------
    blur : Blur
    marginals : list of WhitenedMixture
        Of the columns that each pattern has: the mixture of x, with whiteners U_pk of T_pk = V_k + S_p.
    centres : array of shape (K, d)
    covariances : array of shape (K, d) or (K, d, d)
        V_k.
    gains : list of arrays of shape (K, d) or (K, d, q)
        G_pk = V_k U_pkᵀ, of all columns and those that are there; with variances alone, 0 of a column that is missing.
    """

    blur: Blur
    marginals: list[WhitenedMixture]
    centres: Array
    covariances: Array
    gains: list[Array]

    @classmethod
    def of(cls, mixture: WhitenedMixture, blur: Blur) -> Deconvolution:
        """Add the errors to the covariances of what is there."""
        mixture, layout = mixture.whole(), blur.layout
        (K, d), whiteners = mixture.centres.shape, mixture.whiteners.reshape(mixture.layout.shape(*mixture.centres.shape))
        if layout is FULL:
            roots = np.linalg.inv(mixture.layout.dense(whiteners, K, d))
            covariances = roots @ roots.transpose(0, 2, 1)
        else:
            covariances = mixture.layout.diagonal(whiteners, d) ** -2.0
        log_scales = np.log(np.abs(mixture.layout.diagonal(whiteners, d))).sum(axis=1)
        marginals, gains = [], []
        log_noise = np.full(len(blur.missing), mixture.log_noise) + mixture.noise.log_volumes(blur.missing)
        for columns, missing, errors, of_noise in zip(
            blur.observed, blur.n_missing.tolist(), blur.covariances, log_noise.tolist(), strict=True
        ):
            of_rows = layout.of_columns(covariances, columns) + _of_columns(errors, columns, layout)
            whitener, log_determinants = layout.whiten(of_rows, d - missing)
            offset = mixture.log_offset - log_scales + log_determinants + 0.5 * log(2 * pi) * missing
            centres = np.ascontiguousarray(mixture.centres[:, columns])
            marginals.append(WhitenedMixture(layout, offset, centres, whitener, of_noise))
            if layout is FULL:
                gains.append(covariances[:, :, columns] @ whitener.transpose(0, 2, 1))
            else:
                gains.append(covariances[:, columns] * whitener)
        return cls(blur, marginals, mixture.centres, covariances, gains)

    def expanded(self, statistics: Sequence[SufficientStatistics]) -> SufficientStatistics:
        """Return the expected statistics of the true values of all columns, about the centres.

        Σ r E[v − c] = G Σ r z and Σ r E[(v − c)(v − c)ᵀ] = n V + G (Σ r z zᵀ − n) Gᵀ.
        """
        layout, counts = self.blur.layout, np.sum([part.counts for part in statistics], axis=0)
        first = np.zeros_like(self.centres)
        second = self.covariances * counts.reshape((-1,) + (1,) * (self.covariances.ndim - 1))
        for columns, marginal, gains, part in zip(
            self.blur.observed, self.marginals, self.gains, statistics, strict=True
        ):
            about, U = part.recentred(marginal.centres), marginal.whiteners
            if layout is FULL:
                first += (gains @ (U @ about.first[..., None]))[..., 0]
                excess = U @ about.second @ U.transpose(0, 2, 1) - about.counts[:, None, None] * np.eye(len(columns))
                second += gains @ excess @ gains.transpose(0, 2, 1)
            else:
                first[:, columns] += gains * U * about.first
                second[:, columns] += gains**2 * (U**2 * about.second - about.counts[:, None])
        if layout is FULL:
            second = 0.5 * (second + second.transpose(0, 2, 1))
        log_evidence, weight = sum(part.log_evidence for part in statistics), sum(part.weight for part in statistics)
        return SufficientStatistics(layout, self.centres, counts, first, second, log_evidence, weight)


def _of_columns(errors: Array, columns: NDArray[np.intp], layout: Layout) -> Array:
    """Return the covariance of the errors of some columns as the layout stores it for one component."""
    if errors.ndim == 2:
        return errors[columns[:, None], columns][None]
    return np.diag(errors[columns])[None] if layout is FULL else errors[columns][None]
