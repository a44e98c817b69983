"""Pairs of Gaussians: how far apart they are, and how much they have in common, many pairs at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np

from gmm._estimators.fitted import FittedMixture
from gmm._validation.rows import check_names
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters

_NUMBERS_AT_ONCE = 2_000_000


def check_same_names(mixture: FittedMixture, other: FittedMixture) -> None:
    """Check that two fitted mixtures have the same feature names in the same order, if both have any."""
    names, others = (vars(each).get("feature_names_in_") for each in (mixture, other))
    if names is not None and others is not None:
        check_names(others, names, mixture)


class Gaussians(NamedTuple):
    """Gaussians that are products of p independent ones of m features each: p = 1, or m = 1 along the axes.

    Parameters
    ----------
    means : array of shape (…, p, m)
    roots : array of shape (…, p, m, m)
        L with Σ = L Lᵀ.
    whiteners : array of shape (…, p, m, m)
        W = L⁻¹.
    """

    means: Array
    roots: Array
    whiteners: Array

    def at(self, index: Any) -> Self:
        """Return some of them, by an index of the leading axes."""
        return type(self)(*(values[index] for values in self))

    @property
    def n_features(self) -> int:
        """All of them, p m."""
        return int(self.means.shape[-1] * self.means.shape[-2])

    @property
    def log_determinants(self) -> Array:
        """Logarithms of |W|."""
        return np.asarray(np.log(np.diagonal(self.whiteners, axis1=-2, axis2=-1)).sum(axis=(-2, -1)))


def gaussians(mixture: MixtureParameters, axis_aligned: bool, origin: Array, scale: float) -> Gaussians:
    """Return the components of a mixture, in other units; taken apart feature by feature if asked to."""
    means = (mixture.means - origin) / scale
    if axis_aligned:
        roots = np.sqrt(mixture.column_variances)[:, :, None, None] / scale
        return Gaussians(means[:, :, None], roots, 1 / roots)
    mixture = mixture.whole()
    whiteners = mixture.model.layout.dense(mixture.whiteners, *mixture.means.shape)[:, None]
    return Gaussians(means[:, None], np.asarray(np.linalg.inv(whiteners) / scale, dtype=np.float64), whiteners * scale)


def of_all(function: Callable[[Gaussians, Gaussians], Array], a: Gaussians, b: Gaussians) -> Array:
    """Return a function of all pairs of K Gaussians and L others, (K, L), computed in parts."""
    step = max(1, _NUMBERS_AT_ONCE // b.roots.size)
    parts = [slice(first, first + step) for first in range(0, len(a.means), step)]
    return np.concatenate([function(a.at((part, None)), b.at(None)) for part in parts])


def bures(a: Gaussians, b: Gaussians) -> Array:
    """Return squared Wasserstein distances: ‖μ_a − μ_b‖² + the least ‖L_a − L_b U‖² of all rotations U."""
    left, _, right = np.linalg.svd(np.swapaxes(b.roots, -1, -2) @ a.roots)
    return _squares(a.means - b.means, 2) + _squares(a.roots - b.roots @ (left @ right), 3)


@np.errstate(over="ignore")  # of means beyond all distances, in the widths of the other
def kullback_leibler(a: Gaussians, b: Gaussians) -> Array:
    """Return the divergences of b from a, in nats."""
    steps = b.whiteners @ (a.means - b.means)[..., None]
    rest = b.whiteners @ a.roots
    logs = a.log_determinants - b.log_determinants
    return np.maximum(0.5 * (_squares(rest, 3) - a.n_features + _squares(steps, 3)) + logs, 0.0)


def log_overlap(a: Gaussians, b: Gaussians) -> Array:
    """Return log ∫ f_a f_b."""
    squares, half = _sum_of_covariances(a, b)
    return np.asarray(-0.5 * squares - half - 0.5 * a.n_features * np.log(2 * np.pi))


def bhattacharyya(a: Gaussians, b: Gaussians) -> Array:
    """Return Bhattacharyya's distances, −log ∫ √(f_a f_b)."""
    squares, half = _sum_of_covariances(a, b)
    apart = 0.25 * squares + half - 0.5 * a.n_features * np.log(2) + 0.5 * (a.log_determinants + b.log_determinants)
    return np.maximum(apart, 0.0)


def _sum_of_covariances(a: Gaussians, b: Gaussians) -> tuple[Array, Array]:
    """Return the squared Mahalanobis distances of the means under Σ = Σ_a + Σ_b, and ½ log|Σ|."""
    ratio = a.whiteners @ b.roots
    total = np.eye(ratio.shape[-1]) + ratio @ np.swapaxes(ratio, -1, -2)
    beyond = ~np.isfinite(total).all(axis=(-2, -1), keepdims=True)  # overflows, which a decomposition refuses
    factor = np.linalg.cholesky(np.where(beyond, np.eye(ratio.shape[-1]), total))
    factor = np.asarray(np.where(beyond, np.nan, factor), dtype=np.float64)
    steps = np.asarray(np.linalg.solve(factor, a.whiteners @ (a.means - b.means)[..., None]), dtype=np.float64)
    return _squares(steps, 3), np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=(-2, -1)) - a.log_determinants


def _squares(values: Array, n_axes: int) -> Array:
    """Return sums of squares over the last axes."""
    return np.asarray((values**2).sum(axis=tuple(range(-n_axes, 0))))
