"""The plane in which the components of a mixture differ most; names, rows and pictures are not known here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm.layouts import Array
from gmm.parameters import MixtureParameters

# Eigenvalues of the kernel are at most of the order of 1; below this, components do not differ but by rounding.
_NOTHING = 1e-10
_FLAT = 1e-12  # of the largest variance: a direction in which rows do not vary


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

    They solve M v = λ Σ v for the largest λ, with M = B Σ⁻¹ B + Σ_k π_k (Σ_k − W) Σ⁻¹ (Σ_k − W), where B is the
    covariance of the means, W the mean of the covariances, and Σ = B + W that of the mixture (Scrucca 2010).
    Where fewer than two tell components apart (one component; two that share a covariance), the rest are those
    of the largest variance, in units of each feature's own, that are uncorrelated with the others.

    The feature that weighs most in a direction has a positive sign.

    Parameters
    ----------
    mixture : MixtureParameters
        Of at least two features.

    References
    ----------
    L. Scrucca (2010). Dimension reduction for model-based clustering. *Statistics and Computing* 20, 471-484.
    """
    weights = mixture.weights / mixture.weights.sum()
    dense = mixture.model.layout.dense(mixture.covariances, *mixture.means.shape)
    centre = weights @ mixture.means
    away = mixture.means - centre
    scales = np.sqrt(weights @ (away**2 + np.einsum("kjj->kj", dense)))
    # In units of each feature's own: features may differ by any factor.
    away, dense = away / scales, dense / np.outer(scales, scales)
    whitener = _whitener((away.T * weights) @ away + np.tensordot(weights, dense, axes=1))
    telling = _telling(away @ whitener, whitener.T @ dense @ whitener, weights)
    rest = _varying(whitener, telling) if telling.shape[1] < 2 else telling[:, :0]
    found = (whitener @ np.hstack([telling, rest])[:, :2]).T
    largest = np.abs(found).max(axis=1, keepdims=True)
    first = (np.abs(found) > (1 - 1e-9) * largest).argmax(axis=1)  # of features that weigh the same, the first
    found *= np.sign(found[np.arange(2), first])[:, None]
    first_kind, second_kind = ("discriminating" if telling.shape[1] > i else "principal" for i in range(2))
    return Directions(found / scales, centre, scales, (first_kind, second_kind))


def _whitener(covariance: Array) -> Array:
    """T with TᵀΣT = 1, (d, d)."""
    variances, axes = np.linalg.eigh(covariance)
    return np.asarray(axes / np.sqrt(np.maximum(variances, _FLAT * variances[-1])))


def _telling(means: Array, covariances: Array, weights: Array) -> Array:
    """Up to two directions in which components differ, (d, 0 to 2); where the mixture's covariance is 1."""
    between = (means.T * weights) @ means
    differences = covariances - np.tensordot(weights, covariances, axes=1)
    kernel = between @ between + np.tensordot(weights, differences @ differences, axes=1)
    values, vectors = np.linalg.eigh(kernel)
    order = np.argsort(-values, kind="stable")[:2]
    return np.asarray(vectors[:, order[values[order] > _NOTHING]])


def _varying(whitener: Array, telling: Array) -> Array:
    """Directions of largest variance among those uncorrelated with `telling`, (d, up to 2); components share it.

    Where the mixture's covariance is 1 they are orthogonal directions u, and vᵀΣv / vᵀv of v = T u is largest.
    """
    d, n_telling = telling.shape
    complement = np.linalg.qr(np.hstack([telling, np.eye(d)]))[0][:, n_telling:d]
    basis = whitener @ complement
    return np.asarray(complement @ np.linalg.eigh(basis.T @ basis)[1][:, :2])
