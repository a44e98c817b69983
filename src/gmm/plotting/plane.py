"""The plane in which the components of a mixture differ most; names, rows and pictures are not known here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm.layouts import Array
from gmm.parameters import MixtureParameters

# Of the variance along a direction, the part that the means make: below it, it does not show the components apart.
_APART = 0.05
_NOTHING = 1e-10  # an eigenvalue of the kernel below which components do not differ but by rounding
_FLAT = 1e-12  # of the largest variance: a direction in which rows do not vary
# Features among which directions of axis-aligned mixtures are sought, beside those of the means: d × d matrices of all
# would be larger than the mixture. Where covariances are axis-aligned, so nearly are the directions beside the means.
_MOST_FEATURES = 64
_UNSEEN = 1e-15  # of the largest weight: a component that no rows show, and whose spread may be beyond all measure


@dataclass(frozen=True, eq=False)
class Directions:
    """Two directions of the space of features.

    Attributes
    ----------
    matrix : array of shape (2, d)
        Such that the mixture's variance along each is 1, and their covariance 0.
    centre, scales : arrays of shape (d,)
        The mixture's mean, and its standard deviation in each feature.
    kinds : tuple of str
        For each, "discriminating" or "principal".
    """

    matrix: Array
    centre: Array
    scales: Array
    kinds: tuple[str, str]


def directions(mixture: MixtureParameters) -> Directions:
    """The two directions in which the components' means and covariances differ most.

    First those that tell the means apart: B v = λ Σ v with the largest λ, where B is the covariance of the means, W
    the mean of the covariances, and Σ = B + W that of the mixture; λ is the part of the variance that the means make.
    Where fewer than two have λ ≥ 0.05, those follow, uncorrelated with them, in which means or covariances differ
    most: M v = λ Σ v with M = B Σ⁻¹ B + Σ_k π_k (Σ_k − W) Σ⁻¹ (Σ_k − W) (Scrucca 2010; means first as in Scrucca
    2014, since spreads differ without bound, and components of one centre but different spreads lie on each other).
    Where components do not differ in two directions (one component; two that share a covariance), the rest are those
    of the largest variance, in units of each feature's own.

    The feature that weighs most in a direction has a positive sign. Of a mixture of diagonal or spherical covariances
    and more than 64 features, directions beside those of the means are sought among the 64 features in which the
    components' variances differ most.

    Parameters
    ----------
    mixture : MixtureParameters
        Of at least two features.

    References
    ----------
    L. Scrucca (2010). Dimension reduction for model-based clustering. *Statistics and Computing* 20, 471-484.
    L. Scrucca (2014). Graphical tools for model-based mixture discriminant analysis. *Advances in Data Analysis and
    Classification* 8, 147-165.
    """
    mixture = _without_unseen(mixture)
    weights = mixture.weights
    layout, (K, d) = mixture.model.layout, mixture.means.shape
    centre = weights @ mixture.means
    away = mixture.means - centre
    variances = np.broadcast_to(layout.diagonal(mixture.covariances, d), (K, d))
    scales = np.sqrt(weights @ (away**2 + variances))
    # In units of each feature's own: features may differ by any factor.
    away, variances = away / scales, variances / scales**2
    wide = layout.axis_aligned and d > _MOST_FEATURES
    basis = _among_few(away, variances, weights) if wide else np.eye(d)
    away, seen = away @ basis, layout.projected(mixture.covariances, K, basis.T / scales)
    whitener = _whitener((away.T * weights) @ away + np.tensordot(weights, seen, axes=1))
    telling = _telling(away @ whitener, whitener.T @ seen @ whitener, weights)
    rest = _varying(basis @ whitener, telling) if telling.shape[1] < 2 else telling[:, :0]
    found = (basis @ whitener @ np.hstack([telling, rest])[:, :2]).T
    largest = np.abs(found).max(axis=1, keepdims=True)
    first = (np.abs(found) > (1 - 1e-9) * largest).argmax(axis=1)  # of features that weigh the same, the first
    found *= np.sign(found[np.arange(2), first])[:, None]
    first_kind, second_kind = ("discriminating" if telling.shape[1] > i else "principal" for i in range(2))
    return Directions(found / scales, centre, scales, (first_kind, second_kind))


def _without_unseen(mixture: MixtureParameters) -> MixtureParameters:
    """The mixture of the components that are seen; its weights have the sum 1."""
    seen = mixture.weights > _UNSEEN * mixture.weights.max()
    weights = mixture.weights[seen] / mixture.weights[seen].sum()
    covariances = mixture.covariances if mixture.model.layout.pooled else mixture.covariances[seen]
    return MixtureParameters(weights, mixture.means[seen], covariances, mixture.model)


def _among_few(away: Array, variances: Array, weights: Array) -> Array:
    """An orthonormal basis (d, m) of what tells the means apart, exactly, and of the features whose variances differ.

    Those of largest λ are all W⁻¹ B v, so that the directions W⁻¹ (μ_k − μ) are enough for them.
    """
    within = weights @ variances
    differ = weights @ (variances - within) ** 2
    features = np.argsort(-differ, kind="stable")[:_MOST_FEATURES]
    chosen = np.zeros((away.shape[1], _MOST_FEATURES))
    chosen[features, np.arange(_MOST_FEATURES)] = 1
    return np.asarray(np.linalg.qr(np.hstack([chosen, (away / within).T]))[0])


def _whitener(covariance: Array) -> Array:
    """T with TᵀΣT = 1, (d, d)."""
    variances, axes = np.linalg.eigh(covariance)
    return np.asarray(axes / np.sqrt(np.maximum(variances, _FLAT * variances[-1])))


def _telling(means: Array, covariances: Array, weights: Array) -> Array:
    """Up to two directions in which components differ, (d, 0 to 2); where the mixture's covariance is 1."""
    between = (means.T * weights) @ means
    apart = _leading(between, _APART)
    complement = _complement(apart)
    differences = covariances - np.tensordot(weights, covariances, axes=1)
    kernel = between @ between + np.tensordot(weights, differences @ differences, axes=1)
    beside = complement @ _leading(complement.T @ kernel @ complement, _NOTHING)
    return np.hstack([apart, beside])[:, :2]


def _leading(kernel: Array, least: float) -> Array:
    """Up to two eigenvectors, of the largest eigenvalues, those above `least`; (d, 0 to 2)."""
    values, vectors = np.linalg.eigh(kernel)
    order = np.argsort(-values, kind="stable")[:2]
    return np.asarray(vectors[:, order[values[order] > least]])


def _complement(directions: Array) -> Array:
    """An orthonormal basis of what is orthogonal to m orthonormal directions, (d, d − m)."""
    d, n_directions = directions.shape
    return np.asarray(np.linalg.qr(np.hstack([directions, np.eye(d)]))[0][:, n_directions:d])


def _varying(whitener: Array, telling: Array) -> Array:
    """Directions of largest variance among those uncorrelated with `telling`, (d, up to 2); components share it.

    Where the mixture's covariance is 1 they are orthogonal directions u, and vᵀΣv / vᵀv of v = T u is largest.
    """
    complement = _complement(telling)
    basis = whitener @ complement
    return np.asarray(complement @ np.linalg.eigh(basis.T @ basis)[1][:, :2])
