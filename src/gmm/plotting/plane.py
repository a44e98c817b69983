"""The plane in which the components of a mixture differ most, computed from its parameters alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm.values.layouts import Array
from gmm.values.parameters import MixtureParameters

_MIN_BETWEEN = 0.05  # least share of a direction's variance between the means, for it to separate the components
_MIN_EIGENVALUE = 1e-10  # of the kernel: below it, components differ only by rounding
_FLAT = 1e-12  # variance, relative to the largest, of a direction in which rows do not vary
# An axis-aligned mixture of more features is reduced to the means' directions and these features: d × d matrices of
# all would be larger than the mixture, and its remaining directions are nearly axis-aligned too.
_MOST_FEATURES = 64
_NEGLIGIBLE = 1e-15  # weight, relative to the largest, of a component without rows; its spread may be huge


@dataclass(frozen=True, eq=False)
class Directions:
    """Two directions in feature space.

    Attributes
    ----------
    matrix : array of shape (2, d)
        Scaled so that the mixture has unit variance along each and zero covariance between them.
    centre, scales : arrays of shape (d,)
        The mixture's mean, and its standard deviation in each feature.
    kinds : tuple of str
        "discriminating" or "principal", for each direction.
    """

    matrix: Array
    centre: Array
    scales: Array
    kinds: tuple[str, str]


def directions(mixture: MixtureParameters) -> Directions:
    """Compute the two directions in which the components' means and covariances differ most.

    The first choice are directions that separate the means: B v = λ Σ v with the largest λ, where B is the covariance
    of the means, W the mean of the covariances, and Σ = B + W the covariance of the mixture; λ is the share of the
    variance between the means. If fewer than two have λ ≥ 0.05, the next choice are directions, uncorrelated with
    these, in which means or covariances differ most: M v = λ Σ v with
    M = B Σ⁻¹ B + Σ_k π_k (Σ_k − W) Σ⁻¹ (Σ_k − W) (Scrucca 2010). Means come first, as in Scrucca 2014, since spreads
    differ without bound, and components with one centre but different spreads overlap in the plot. If components do
    not differ in two directions (one component, or two that share a covariance), the remaining directions are those
    of the largest variance of the standardised features.

    The feature with the largest coefficient in a direction has a positive sign. For diagonal or spherical covariances
    and more than 64 features, directions other than those of the means are sought among the 64 features in which the
    components' variances differ most.

    Parameters
    ----------
    mixture : MixtureParameters
        A mixture of at least two features.

    References
    ----------
    L. Scrucca (2010). Dimension reduction for model-based clustering. *Statistics and Computing* 20, 471-484.
    L. Scrucca (2014). Graphical tools for model-based mixture discriminant analysis. *Advances in Data Analysis and
    Classification* 8, 147-165.
    """
    mixture = _without_negligible(mixture)
    weights = mixture.weights
    layout, (K, d) = mixture.model.layout, mixture.means.shape
    centre = weights @ mixture.means
    away = mixture.means - centre
    variances = np.broadcast_to(layout.diagonal(mixture.covariances, d), (K, d))
    scales = np.sqrt(weights @ (away**2 + variances))
    # Standardised: the units of the features may differ by any factor.
    away, variances = away / scales, variances / scales**2
    wide = layout.axis_aligned and d > _MOST_FEATURES
    basis = _reduced_basis(away, variances, weights) if wide else np.eye(d)
    away, covariances = away @ basis, layout.projected(mixture.covariances, K, basis.T / scales)
    whitener = _whitener((away.T * weights) @ away + np.tensordot(weights, covariances, axes=1))
    discriminating = _discriminating(away @ whitener, whitener.T @ covariances @ whitener, weights)
    n_discriminating = discriminating.shape[1]
    rest = _principal(basis @ whitener, discriminating) if n_discriminating < 2 else discriminating[:, :0]
    matrix = (basis @ whitener @ np.hstack([discriminating, rest])[:, :2]).T
    largest = np.abs(matrix).max(axis=1, keepdims=True)
    first = (np.abs(matrix) > (1 - 1e-9) * largest).argmax(axis=1)  # the first of equal coefficients
    matrix *= np.sign(matrix[np.arange(2), first])[:, None]
    first_kind, second_kind = ("discriminating" if n_discriminating > i else "principal" for i in range(2))
    return Directions(matrix / scales, centre, scales, (first_kind, second_kind))


def _without_negligible(mixture: MixtureParameters) -> MixtureParameters:
    kept = mixture.weights > _NEGLIGIBLE * mixture.weights.max()
    weights = mixture.weights[kept] / mixture.weights[kept].sum()
    covariances = mixture.covariances if mixture.model.layout.pooled else mixture.covariances[kept]
    return MixtureParameters(weights, mixture.means[kept], covariances, mixture.model)


def _reduced_basis(away: Array, variances: Array, weights: Array) -> Array:
    """Return an orthonormal basis (d, m) of the features whose variances differ most and the directions of the means.

    The directions of largest λ are all W⁻¹ B v, so the directions W⁻¹ (μ_k − μ) span them exactly.
    """
    within = weights @ variances
    differ = weights @ (variances - within) ** 2
    features = np.argsort(-differ, kind="stable")[:_MOST_FEATURES]
    chosen = np.zeros((away.shape[1], _MOST_FEATURES))
    chosen[features, np.arange(_MOST_FEATURES)] = 1
    return np.asarray(np.linalg.qr(np.hstack([chosen, (away / within).T]))[0])


def _whitener(covariance: Array) -> Array:
    """Return T with TᵀΣT = 1, (d, d)."""
    variances, axes = np.linalg.eigh(covariance)
    return np.asarray(axes / np.sqrt(np.maximum(variances, _FLAT * variances[-1])))


def _discriminating(means: Array, covariances: Array, weights: Array) -> Array:
    """Return up to two directions in which the components of a whitened mixture differ, (d, 0 to 2)."""
    between = (means.T * weights) @ means
    separating = _leading(between, _MIN_BETWEEN)
    complement = _complement(separating)
    differences = covariances - np.tensordot(weights, covariances, axes=1)
    kernel = between @ between + np.tensordot(weights, differences @ differences, axes=1)
    others = complement @ _leading(complement.T @ kernel @ complement, _MIN_EIGENVALUE)
    return np.hstack([separating, others])[:, :2]


def _leading(kernel: Array, least: float) -> Array:
    """Return the eigenvectors of the two largest eigenvalues, if these are above `least`; (d, 0 to 2)."""
    values, vectors = np.linalg.eigh(kernel)
    order = np.argsort(-values, kind="stable")[:2]
    return np.asarray(vectors[:, order[values[order] > least]])


def _complement(directions: Array) -> Array:
    """Return an orthonormal basis of the complement of m orthonormal directions, (d, d − m)."""
    d, n_directions = directions.shape
    return np.asarray(np.linalg.qr(np.hstack([directions, np.eye(d)]))[0][:, n_directions:d])


def _principal(whitener: Array, discriminating: Array) -> Array:
    """Return directions of largest variance, uncorrelated with the discriminating ones, (d, up to 2).

    In whitened coordinates they are orthogonal directions u that maximise vᵀΣv / vᵀv for v = T u.
    """
    complement = _complement(discriminating)
    basis = whitener @ complement
    return np.asarray(complement @ np.linalg.eigh(basis.T @ basis)[1][:, :2])
