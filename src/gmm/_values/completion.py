"""`Regression` and `Completion`: marginal and conditional mixtures of columns, and imputed rows."""

from __future__ import annotations

from math import log, pi
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._values.covariance import CovarianceModel, stored_as
from gmm._values.layouts import FULL, Array
from gmm._values.noise import NO_NOISE, Noise
from gmm._values.parameters import MixtureParameters
from gmm._values.whitened import WhitenedMixture

Columns = NDArray[np.intp]
_FAR = 1e297  # a pass cuts squares off at 1e300


def marginal(mixture: MixtureParameters, columns: Columns) -> MixtureParameters:
    """Return the mixture of some columns, in this order."""
    model = mixture.model.for_columns
    covariances = mixture.model.layout.for_columns(mixture.covariances, columns)
    means = np.ascontiguousarray(mixture.means[:, columns])
    noise = mixture.noise.for_columns(columns)
    return MixtureParameters(mixture.weights, means, covariances, model, noise=noise, tails=mixture.tails)


class Regression(NamedTuple):
    """The other columns of a mixture given those of `known`: in component k, N(means_k + slopes_k (x − μ_k), Σ_k).

    Parameters
    ----------
    predictors : MixtureParameters
        The marginal mixture of the q known columns, with means μ_k; it weights the components. If q is 0, that of the
        others, of which only the weights matter.
    means : array of shape (K, m)
        Means of the m other columns.
    slopes : array of shape (K, m, q) or (1, m, q), or None
        None if the columns of a component are independent.
    covariances : array in the shape of the model's layout
        Covariances of the other columns, given the known ones.
    model : CovarianceModel
    noise : Noise
        Noise of the other columns.
    """

    predictors: MixtureParameters
    means: Array
    slopes: Array | None
    covariances: Array
    model: CovarianceModel
    noise: Noise = NO_NOISE

    @classmethod
    def from_mixture(cls, mixture: MixtureParameters, columns: Columns, others: Columns) -> Regression:
        """Regress the columns `others` on `columns`; together they are all columns (Bishop 2006, 2.81 and 2.82).

        Raises
        ------
        SingularMatrixError
            If a covariance, in the required order of the columns, is not positive definite to rounding.
        """
        if not len(columns):
            rest = marginal(mixture, others)
            return cls(rest, rest.means, None, rest.covariances, rest.model, rest.noise)
        model, before = mixture.model.for_columns, marginal(mixture, columns)
        layout, means = model.layout, mixture.means[:, others]
        noise = mixture.noise.for_columns(others)
        if layout.axis_aligned:
            return cls(before, means, None, layout.for_columns(mixture.covariances, others), model, noise)
        ordered = mixture.model.layout.for_columns(mixture.covariances, np.concatenate([columns, others]))
        q, d = len(columns), mixture.n_features
        # Of Σ = L Lᵀ in this order, L⁻¹ has the inverse factor of the conditional covariance in its last rows.
        rows = layout.whiten(ordered, d)[0].reshape(-1, d, d)[:, q:]
        factors = np.linalg.inv(rows[:, :, q:])
        covariances = factors @ factors.transpose(0, 2, 1)
        covariances = 0.5 * (covariances + covariances.transpose(0, 2, 1))
        return cls(
            before, means, -factors @ rows[:, :, :q], covariances.reshape(layout.shape(*means.shape)), model, noise
        )

    def conditional_means(self, rows: Array) -> Array:
        """Return the means of the other columns in each component, given rows (n, q): (K, n, m)."""
        K, m = self.means.shape
        if self.slopes is None:
            return np.broadcast_to(self.means[:, None], (K, len(rows), m))
        steps = rows - self.predictors.means[:, None]
        return np.asarray(self.means[:, None] + steps @ self.slopes.transpose(0, 2, 1))

    def widenings(self, rows: Array) -> Array:
        """Return the factors of the scale matrices of t components given rows (n, q), (K, n) or (1, 1).

        They are (ν + ‖W_k (x − μ_k)‖²) / (ν + q), and the other columns have ν + q degrees of freedom (Ding 2016).
        Squares above the limit of a pass are infinite.
        """
        if not rows.shape[1]:
            return np.ones((1, 1))
        widenings = self.predictors.widenings(rows - self.predictors.means[:, None])
        return np.where(widenings < _FAR, widenings, np.inf)

    def conditional(self, row: Array, weights: Array) -> MixtureParameters:
        """Return the mixture of the other columns given one row (q,) and the weights of the components there."""
        means = np.ascontiguousarray(self.conditional_means(row[None])[:, 0])
        covariances, model, tails = self.covariances, self.model, self.predictors.tails.given(len(row))
        if tails:  # each component has a scale of its own
            model = stored_as(FULL if model.layout.pooled else model.layout)
            each = self.model.layout.dense(covariances, *means.shape) * self.widenings(row[None])[:, :, None]
            covariances = model.layout.reduced(each, FULL, means.shape[1])
        return MixtureParameters(weights, means, covariances, model, noise=self.noise, tails=tails)


class Completion(NamedTuple):
    """Rows with missing columns, in component k: c_k + M_k y; y is x − c_k in observed columns, else white noise.

    Parameters
    ----------
    missing : bool array of shape (d,)
        Which columns are missing.
    observed : WhitenedMixture
        The mixture of the other columns, with the missing ones integrated out.
    centres : array of shape (K, d)
    maps : array of shape (K, d, d) or (1, d, d), or (K, d)
        M_k, with a row of the identity for an observed column; for a missing one, its slopes on the observed ones and a
        root of the remaining covariance. Only its diagonal if the columns of a component are independent.
    """

    missing: NDArray[np.bool_]
    observed: WhitenedMixture
    centres: Array
    maps: Array

    @classmethod
    def from_mixture(cls, mixture: WhitenedMixture, missing: NDArray[np.bool_]) -> Completion:
        """Complete rows with these missing columns by a mixture."""
        mixture = mixture.to_dense()
        whiteners, maps, log_scales = (_by_axes if mixture.layout.axis_aligned else _by_factors)(mixture, missing)
        log_offset = mixture.log_offset + (0.5 * log(2 * pi) * int(missing.sum()) - log_scales)
        centres = np.ascontiguousarray(mixture.centres[:, ~missing])
        widths = mixture.noise.log_widths
        log_noise = mixture.log_noise + (0.0 if widths is None else float(widths[missing].sum()))
        observed = WhitenedMixture(mixture.layout, log_offset, centres, whiteners, log_noise)
        return cls(missing, observed, mixture.centres, maps)

    def conditional_means(self, rows: Array) -> Array:
        """Return the means of the missing columns in each component, (K, n, m), given rows (n, q)."""
        gaps, maps, centres = self.missing, self.maps, self.centres[:, None, self.missing]
        if maps.ndim == 2:
            return np.broadcast_to(centres, (len(centres), len(rows), centres.shape[2]))
        steps = rows - self.observed.centres[:, None]
        return np.asarray(centres + steps @ maps[:, gaps][:, :, ~gaps].transpose(0, 2, 1))

    def draw(self, component: int, rows: Array, rng: np.random.RandomState | np.random.Generator) -> Array:
        """Draw the missing columns in one component, given rows (n, q): (n, m)."""
        gaps, maps = self.missing, self.maps
        white, root = rng.standard_normal((len(rows), int(gaps.sum()))), maps[min(component, len(maps) - 1)][gaps]
        noise = white * root if maps.ndim == 2 else white @ root[:, gaps].T
        return np.asarray(self.conditional_means(rows)[component] + noise)


def _by_axes(mixture: WhitenedMixture, missing: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Return whiteners of observed columns, the diagonals of the maps, and Σ log|scale| of missing columns, (K,)."""
    layout, (K, d) = mixture.layout, mixture.centres.shape
    whiteners = mixture.whiteners.reshape(layout.shape(K, d))
    scales = np.where(missing, layout.diagonal(whiteners, d), 1.0)
    return layout.for_columns(whiteners, np.flatnonzero(~missing)), 1 / scales, np.log(scales).sum(axis=1)


def _by_factors(mixture: WhitenedMixture, missing: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Return the same for whiteners that are matrices.

    ‖W x‖² = ‖R x‖² for the triangular factor R of W = Q R. With the missing columns first, its last rows are a whitener
    of the others; these are in reverse order, so that it is lower triangular once it is reversed.
    """
    layout, (K, d), m = mixture.layout, mixture.centres.shape, int(missing.sum())
    order = np.concatenate([np.flatnonzero(missing), np.flatnonzero(~missing)[::-1]])
    R = np.asarray(np.linalg.qr(mixture.whiteners.reshape(-1, d, d)[:, :, order], mode="r"), dtype=np.float64)
    scales = np.diagonal(R, axis1=1, axis2=2)
    of_observed = R[:, m:, m:] * np.sign(scales[:, m:])[..., None]
    whiteners = np.ascontiguousarray(of_observed[:, ::-1, ::-1]).reshape(layout.shape(K, d - m))
    # The inverse of [[R_mm, R_mo], [0, 1]] is [[root, slopes], [0, 1]]; its other rows are the identity's.
    maps, position = np.tile(np.eye(d), (len(R), 1, 1)), np.argsort(order)
    maps[:, :m, :m] = np.linalg.inv(R[:, :m, :m])
    maps[:, :m, m:] = -maps[:, :m, :m] @ R[:, :m, m:]
    return whiteners, maps[:, position][:, :, position], np.log(np.abs(scales[:, :m])).sum(axis=1)
