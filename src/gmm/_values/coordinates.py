"""`Coordinates`: rows after an affine map, mixtures mapped back, and how components differ along directions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._values.covariance import DEFAULT_COVARIANCE_TYPE, covariance_model, stored_as
from gmm._values.layouts import FULL, Array, SingularMatrixError
from gmm._values.parameters import MixtureParameters
from gmm._values.priors import NormalInverseWishart


class Coordinates(NamedTuple):
    """Coordinates y of rows x, with x = centre + scales y.

    Parameters
    ----------
    centre : array of shape (d,)
    scales : array of shape (d,) or (d, d)
        One number for each column by itself, or a matrix that mixes columns.
    """

    centre: Array
    scales: Array

    def from_rows(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return rows (n, d) in these coordinates, in the type of the rows; `scales` must have shape (d,)."""
        return np.asarray((rows - self.centre) / self.scales, dtype=rows.dtype)

    def restored_prior(self, prior: NormalInverseWishart) -> NormalInverseWishart:
        """Map a prior on mixtures of y to one on mixtures of x; None stays None, and `scales` must have shape (d,)."""
        mean, scale = prior.mean, prior.scale
        if mean is not None:
            mean = self.centre + self.scales * np.asarray(mean)
        if scale is not None:
            squares = np.asarray(scale) if np.ndim(scale) else np.diag(np.full(len(self.scales), scale))
            scale = squares * np.outer(self.scales, self.scales)
        return NormalInverseWishart(mean, prior.shrinkage, prior.dof, scale)

    def restored(self, mixture: MixtureParameters) -> MixtureParameters:
        """Map a mixture of y to one of x, of the model that its covariances have there.

        Noise is kept if columns are scaled one by one; otherwise its box would not remain a box.

        Raises
        ------
        ValueError
            If columns are scaled one by one, and means or variances of x overflow or underflow.
        """
        scales, model, layout = self.scales, mixture.model, mixture.model.layout
        if scales.ndim == 2:
            covariances = layout.projected(mixture.covariances, mixture.n_components, scales)
            means = self.centre + mixture.means @ scales.T
            full = np.ascontiguousarray(covariances)
            return MixtureParameters(mixture.weights, means, full, stored_as(FULL), tails=mixture.tails)
        if mixture.n_features > 1:
            model = model.for_scaled_columns
        stored = mixture.covariances if model.layout is layout else mixture.covariances[:, None]
        noise = mixture.noise.mapped(lambda corner: self.centre + scales * corner)
        with np.errstate(over="ignore"):
            means, covariances = self.centre + scales * mixture.means, stored * layout.multipliers(scales)
            variances = mixture.column_variances * scales**2
        least, most = np.finfo(np.float64).tiny, np.finfo(np.float64).max
        if not (np.isfinite(means).all() and least <= variances.min() and variances.max() <= most):
            raise ValueError(
                f"expected means below {most:.1e} and variances of {least:.1e} to {most:.1e} in units of the columns, "
                f"got variances of {variances.min():.1e} to {variances.max():.1e}: "
                "divide the columns by their standard deviations, or change reg_covar or the prior"
            )
        return MixtureParameters(mixture.weights, means, covariances, model, noise=noise, tails=mixture.tails)


_FLAT = 1e-12  # variance, relative to the largest, of a direction in which a mixture does not vary
_FLAT_ROWS = 1.5e-8  # the same for rows, as in mclust
# An axis-aligned mixture of more features is reduced to the means' directions and these features: d × d matrices of
# all would be larger than the mixture, and its remaining directions are nearly axis-aligned too.
_MOST_FEATURES = 64
_NEGLIGIBLE = 1e-15  # weight, relative to the largest, of a component without rows; its spread may be huge


class Differences(NamedTuple):
    """Differences of components, in m coordinates in which the mixture has unit variance and no correlations.

    Attributes
    ----------
    weights : array of shape (K,)
    means : array of shape (K, m)
        Centred.
    covariances : array of shape (K, m, m)
    axes : array of shape (d, m)
        The directions of the coordinates, in the standardised features.
    centre, scales : arrays of shape (d,)
        Mean and standard deviation of the mixture in each feature.
    """

    weights: Array
    means: Array
    covariances: Array
    axes: Array
    centre: Array
    scales: Array

    @property
    def between(self) -> Array:
        """Covariance of the means, B, (m, m); its eigenvalues are shares of the variance."""
        return (self.means.T * self.weights) @ self.means

    def kernel(self, balance: float) -> Array:
        """2λ B² + 2(1 − λ) Σ_k π_k (Σ_k − W)², (m, m), where W = Σ_k π_k Σ_k and λ is the balance (Scrucca 2010)."""
        apart = self.covariances - np.tensordot(self.weights, self.covariances, axes=1)
        spread = np.tensordot(self.weights, apart @ apart, axes=1)
        return np.asarray(2 * balance * self.between @ self.between + 2 * (1 - balance) * spread)

    def in_features(self, vectors: Array) -> Array:
        """Return directions in the d features, (q, d), of vectors (m, q) of coordinates.

        The feature with the largest coefficient, standardised, has a positive sign.
        """
        matrix = (self.axes @ vectors).T
        largest = np.abs(matrix).max(axis=1, keepdims=True)
        first = (np.abs(matrix) > (1 - 1e-9) * largest).argmax(axis=1)  # the first of equal coefficients
        matrix *= np.sign(matrix[np.arange(len(matrix)), first])[:, None]
        return np.asarray(matrix / self.scales)


def differences(mixture: MixtureParameters, moments: tuple[Array, Array] | None = None) -> Differences:
    """Compute how the components differ, in units of the mixture.

    For diagonal or spherical covariances and more than 64 features, the coordinates span all directions of the means
    and those 64 features in which the variances of the components differ most.

    Parameters
    ----------
    mixture : MixtureParameters
    moments : arrays of shape (d,) and (d, d), optional
        Mean and covariance of rows; those of the mixture by default. Then all features are used.
    """
    mixture = _without_negligible(mixture)
    weights, layout, (K, d) = mixture.weights, mixture.model.layout, mixture.means.shape
    centre, scales = _centre_and_scales(mixture) if moments is None else (moments[0], np.sqrt(np.diag(moments[1])))
    scales = np.where(scales > 0, scales, 1.0)
    # Standardised: the units of the features may differ by any factor.
    steps = (mixture.means - centre) / scales
    wide = moments is None and layout.axis_aligned and d > _MOST_FEATURES
    basis = _reduced_basis(steps, mixture.column_variances / scales**2, weights) if wide else np.eye(d)
    steps, covariances = steps @ basis, layout.projected(mixture.covariances, K, basis.T / scales)
    if moments is None:
        covariance = (steps.T * weights) @ steps + np.tensordot(weights, covariances, axes=1)
    else:
        covariance = moments[1] / np.outer(scales, scales)
    whitener = _whitener(covariance, drop_flat=moments is not None)
    return Differences(weights, steps @ whitener, whitener.T @ covariances @ whitener, basis @ whitener, centre, scales)


def discrimination(mixture: MixtureParameters) -> Array:
    """Return how much the components differ in each single feature, (d,): the kernel of its marginal mixture, λ = ½."""
    mixture = _without_negligible(mixture)
    weights, (centre, scales) = mixture.weights, _centre_and_scales(mixture)
    between = weights @ ((mixture.means - centre) / scales) ** 2
    variances = mixture.column_variances / scales**2
    return np.asarray(between**2 + weights @ (variances - weights @ variances) ** 2)


def leading(kernel: Array, least: float) -> tuple[Array, Array]:
    """Return the eigenvalues above `least`, largest first, and their eigenvectors, (m, q)."""
    values, vectors = np.linalg.eigh(kernel)
    order = np.argsort(-values, kind="stable")
    order = order[values[order] > least]
    return values[order], np.asarray(vectors[:, order])


def complement(vectors: Array) -> Array:
    """Return an orthonormal basis of the complement of q orthonormal vectors, (m, m − q)."""
    m, q = vectors.shape
    return np.asarray(np.linalg.qr(np.hstack([vectors, np.eye(m)]))[0][:, q:m])


def projected_mixture(weights: Array, means: Array, covariances: Array) -> MixtureParameters:
    """Make a mixture of projected covariances (K, m, m); widen those that rounding made singular."""
    covariances = np.ascontiguousarray(0.5 * (covariances + covariances.transpose(0, 2, 1)))
    model = covariance_model(DEFAULT_COVARIANCE_TYPE)
    try:
        return MixtureParameters(weights, means, covariances, model)
    except SingularMatrixError:
        ridge = np.maximum(1e-14 * np.trace(covariances, axis1=1, axis2=2), 1e-300)
        return MixtureParameters(weights, means, FULL.with_ridge(covariances, ridge), model)


def _without_negligible(mixture: MixtureParameters) -> MixtureParameters:
    return mixture.for_components(mixture.weights > _NEGLIGIBLE * mixture.weights.max())


def _centre_and_scales(mixture: MixtureParameters) -> tuple[Array, Array]:
    centre = mixture.weights @ mixture.means
    return centre, np.sqrt(mixture.weights @ ((mixture.means - centre) ** 2 + mixture.column_variances))


def _reduced_basis(steps: Array, variances: Array, weights: Array) -> Array:
    """Return an orthonormal basis (d, m) of the features whose variances differ most and the directions of the means.

    The directions of largest λ are all W⁻¹ B v, so the directions W⁻¹ (μ_k − μ) span them exactly.
    """
    within = weights @ variances
    differ = weights @ (variances - within) ** 2
    features = np.argsort(-differ, kind="stable")[:_MOST_FEATURES]
    selectors = np.zeros((steps.shape[1], _MOST_FEATURES))
    selectors[features, np.arange(_MOST_FEATURES)] = 1
    return np.asarray(np.linalg.qr(np.hstack([selectors, (steps / within).T]))[0])


def _whitener(covariance: Array, *, drop_flat: bool) -> Array:
    """Return T with TᵀΣT = 1, (d, d), or fewer columns if directions in which rows do not vary are dropped."""
    variances, axes = np.linalg.eigh(covariance)
    if drop_flat:
        varies = variances > _FLAT_ROWS * variances[-1]
        variances, axes = variances[varies], axes[:, varies]
    return np.asarray(axes / np.sqrt(np.maximum(variances, _FLAT * variances[-1])))
