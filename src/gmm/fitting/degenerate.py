"""Degenerate components: collapsed on a few rows or on ties, so that their likelihood means nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmm.values.covariance import CovarianceModel
from gmm.values.layouts import FULL, TIED, Array
from gmm.values.parameters import MixtureParameters
from gmm.values.variational import MixturePosterior

# In variances of the pooled covariance within components. A direction above 1e-3 of the data's variances is above this.
THIN = 1e-4
# A thin component with at least so many times the fewest rows, and variances above the ridge, is a tight cluster.
_MANY = 10


def degenerate_components(parameters: MixtureParameters, n_effective: float, ridge: float) -> NDArray[np.bool_]:
    """Tell which components are degenerate, (K,).

    A degenerate component has fewer rows than its model needs (half a row is rounded up), or it is thin: the least
    eigenvalue of W⁻¹Σ_k, where W = Σ_k π_k Σ_k with the noise among them, is tiny. A thin component of many rows is a
    tight cluster, which is not degenerate. A single component is degenerate only if it has too few rows to span all
    directions, and hardly more than the ridge as variance in some of them. A posterior has no degenerate component: the
    prior sees to that.

    Parameters
    ----------
    parameters : MixtureParameters
    n_effective : float
        Effective number of rows: `Source.n_effective`.
    ridge : float
        In the covariances' diagonals.
    """
    if isinstance(parameters, MixturePosterior):
        return np.zeros(parameters.n_components, dtype=bool)
    if parameters.n_components == 1 and parameters.noise is None:
        spanned = parameters.model.layout in (FULL, TIED) and n_effective < parameters.n_features + 1
        return flat_components(parameters, ridge) if spanned else np.array([False])
    model, d, rows = parameters.model, parameters.n_features, n_effective * parameters.weights
    few = np.asarray(are_too_few(rows, model, d))
    if not _any_thin(parameters):
        return few
    thinnest, least = _thinnest(parameters)
    tight = (rows >= _MANY * model.fewest_rows(d)) & (least > 2 * ridge)
    return np.asarray(few | ((thinnest < THIN) & ~tight))


def are_too_few(rows: Array | float, model: CovarianceModel, n_features: int) -> NDArray[np.bool_] | np.bool_ | bool:
    """Tell whether a component of so many effective rows has fewer than its model needs, half a row rounded up."""
    return rows < model.fewest_rows(n_features) - 0.5


def flat_components(parameters: MixtureParameters, ridge: float) -> NDArray[np.bool_]:
    """Tell which components have hardly more than the ridge as variance in some direction, (K,)."""
    covariances = parameters.model.layout.dense(parameters.covariances, *parameters.means.shape)
    return np.asarray(_least_eigenvalues(covariances) <= 2 * ridge)


def _any_thin(parameters: MixtureParameters) -> bool:
    """Tell whether a component may be thin; small tr Σ_k⁻¹W bound the eigenvalues, so that none has to be computed."""
    if parameters.noise is not None:
        return True
    if parameters.model.common:
        return False
    if parameters.model.layout is not FULL:
        return True
    whiteners = parameters.whiteners
    traces = (whiteners @ _pooled(parameters) * whiteners).reshape(len(whiteners), -1).sum(axis=1)
    return not bool((THIN * traces < 1).all())


def _pooled(parameters: MixtureParameters) -> Array:
    """Return W of covariances with correlations, (d, d)."""
    K, d = parameters.means.shape
    covariances = parameters.model.layout.dense(parameters.covariances, K, d)
    pooled = (parameters.weights @ covariances.reshape(K, d * d)).reshape(d, d)
    return np.asarray(pooled if parameters.noise is None else pooled + np.diag(_of_noise(parameters)))


def _of_noise(parameters: MixtureParameters) -> Array | float:
    """Return the variances of the noise times its weight, (d,); 0 without noise."""
    return 0.0 if parameters.noise is None else parameters.noise_weight * parameters.noise.variances


def _thinnest(parameters: MixtureParameters) -> tuple[Array, Array]:
    """Return the least eigenvalues of W⁻¹Σ_k and of Σ_k, (K,) each."""
    layout, weights = parameters.model.layout, parameters.weights
    if not layout.axis_aligned:
        covariances = layout.dense(parameters.covariances, *parameters.means.shape)
        try:
            whitener = np.linalg.inv(np.linalg.cholesky(_pooled(parameters)))
        except np.linalg.LinAlgError:  # singular to rounding: no direction is thinner than the rest
            return np.ones(len(weights)), _least_eigenvalues(covariances)
        return _least_eigenvalues(whitener @ covariances @ whitener.T), _least_eigenvalues(covariances)
    variances = layout.diagonal(parameters.covariances, parameters.n_features)
    variances = np.broadcast_to(variances, parameters.means.shape)
    return (variances / (weights @ variances + _of_noise(parameters))).min(axis=1), variances.min(axis=1)


def _least_eigenvalues(matrices: Array) -> Array:
    return np.asarray(np.linalg.eigvalsh(matrices)[:, 0], dtype=np.float64)
