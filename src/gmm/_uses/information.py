"""The covariance of maximum likelihood estimates by the information matrix, from the derivative of EM's own map.

Meng & Rubin (1991): with the covariance V that the estimates would have if the component of each row were known, and
the derivative D of one iteration of EM, they have (I − D)⁻¹V. Both come from passes and updates that a fit makes too,
so that all covariance types, noise, weights and sources of rows are the same to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmm._caching import cached_property
from gmm._passes.problem import Problem
from gmm._rows.sources import Source
from gmm._values.layouts import SPHERICAL, Array
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics

_MOST_NUMBERS = 2000  # of which each takes two passes, and matrices of that size
_UNSURE = "the likelihood has no maximum here that all parameters are determined by"


@dataclass(frozen=True, eq=False)
class LocalCoordinates:
    """Mixtures near a given one as numbers v, u, S: π_k (1 + v_k), μ_k + L_k u_k and L_k (I + S_k) L_kᵀ = Σ_k + ….

    S is stored as the entries of its upper triangle, those off the diagonal times √2, or as what the layout stores.
    """

    mixture: MixtureParameters

    @cached_property
    def _factors(self) -> tuple[Array, Array]:
        """L_k and their inverses, (K, d, d) or (1, d, d); for variances their roots, (K, d)."""
        mixture = self.mixture
        if mixture.model.layout.axis_aligned:
            roots: Array = np.sqrt(mixture.model.layout.diagonal(mixture.covariances, mixture.n_features))
            return roots, 1 / roots
        whiteners = mixture.whiteners.reshape(-1, mixture.n_features, mixture.n_features)
        return np.asarray(np.linalg.inv(whiteners), dtype=np.float64), whiteners

    @cached_property
    def _triangle(self) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
        rows, columns = np.triu_indices(self.mixture.n_features)
        return rows, columns, np.where(rows == columns, 1.0, np.sqrt(2))

    @property
    def number(self) -> int:
        """How many coordinates there are."""
        mixture, entries = self.mixture, self.mixture.covariances.size
        if not mixture.model.layout.axis_aligned:
            entries = entries // mixture.n_features * (mixture.n_features + 1) // 2
        return mixture.n_components + mixture.means.size + entries

    def matrices(self, changes: Array) -> Array:
        """Return S of changes of the covariances, (m, …) in the shape of the layout: (m, number of entries)."""
        if self.mixture.model.layout.axis_aligned:
            return np.asarray((changes / self.mixture.covariances).reshape(len(changes), -1))
        rows, columns, scale = self._triangle
        whiteners, d = self._factors[1], self.mixture.n_features
        white = whiteners @ changes.reshape(len(changes), -1, d, d) @ whiteners.transpose(0, 2, 1)
        return np.asarray((white[:, :, rows, columns] * scale).reshape(len(changes), -1))

    def covariances(self, entries: Array) -> Array:
        """Return the changes of the covariances for S, (m, number of entries): (m, …) in the shape of the layout."""
        shape, d = self.mixture.covariances.shape, self.mixture.n_features
        if self.mixture.model.layout.axis_aligned:
            return np.asarray(entries.reshape(-1, *shape) * self.mixture.covariances)
        rows, columns, scale = self._triangle
        packed = entries.reshape(len(entries), -1, len(rows)) / scale
        dense = np.empty((*packed.shape[:2], d, d))
        dense[:, :, rows, columns] = dense[:, :, columns, rows] = packed
        return np.asarray(self._factors[0] @ dense @ self._factors[0].transpose(0, 2, 1)).reshape(-1, *shape)

    def means(self, steps: Array) -> Array:
        """Return the changes of the means for u, (m, K·d): (m, K, d)."""
        return self._times(self._factors[0], steps)

    def of(self, other: MixtureParameters) -> Array:
        """Return the coordinates of another mixture."""
        here = self.mixture
        steps = self._times(self._factors[1], (other.means - here.means)[None])
        entries = self.matrices((other.covariances - here.covariances)[None])
        return np.concatenate([other.weights / here.weights - 1, steps.ravel(), entries.ravel()])

    def at(self, point: Array) -> MixtureParameters:
        """Return the mixture at these coordinates."""
        weights, means, covariances = (part[0] for part in self.changes(point[None]))
        here = self.mixture
        sums = {"means": here.means + means, "covariances": here.covariances + covariances}
        return replace(here, weights=here.weights + weights, **sums)

    def changes(self, points: Array) -> tuple[Array, Array, Array]:
        """Return what coordinates, (m, …), change of weights (m, K), means (m, K, d) and covariances (m, …)."""
        K, d = self.mixture.means.shape
        weights, steps, entries = np.split(points, [K, K + K * d], axis=1)
        return weights * self.mixture.weights, self.means(steps), self.covariances(entries)

    def _times(self, factors: Array, steps: Array) -> Array:
        steps = steps.reshape(len(steps), *self.mixture.means.shape)
        return np.asarray(factors * steps if factors.ndim == 2 else (factors @ steps[..., None])[..., 0])


def deviations_by_information(
    mixture: MixtureParameters, source: Source, ridge: float, n_threads: int | None
) -> tuple[Array, Array, Array]:
    """Return standard deviations of the estimates of weights (K,), means (K, d) and covariances in the layout's shape.

    Raises
    ------
    ValueError
        If there are too many parameters, or the mixture is no maximum that determines them all.
    """
    here, model, step = LocalCoordinates(mixture), mixture.model, float(np.finfo(source.dtype).eps) ** 0.25
    if here.number > _MOST_NUMBERS:
        raise ValueError(
            f'method="information" makes two passes for each parameter: expected up to {_MOST_NUMBERS:,} numbers in '
            f"weights, means and covariances, got {here.number:,}; the bootstrap has no such limit"
        )
    objective = Objective(model, ridge).beside(mixture)
    with Problem(source, objective, n_threads).e_step() as e_step:

        def em(point: Array) -> Array:
            statistics = e_step(here.at(point).whitened())
            return here.of(objective.update(statistics, mixture, share_out=e_step.share_out))

        statistics = e_step(mixture.whitened())
        counts = statistics.counts
        if not (counts > statistics.least_count).all():
            raise ValueError(f"component {int(counts.argmin())} has no rows: {_UNSURE}")
        free = model.layout.with_ridge(model.layout.per_count(statistics.scatter, counts), ridge)
        axes, complete = _complete_data_covariance(here, free, ridge, statistics)
        derivative = axes.T @ _derivative(em, axes, step)
    observed = np.linalg.solve(np.eye(len(complete)) - derivative, complete)
    observed = 0.5 * (observed + observed.T)
    if not (np.isfinite(observed).all() and np.linalg.eigvalsh(observed)[0] > 0):
        raise ValueError(f"{_UNSURE}; fit again with a smaller tol or fewer components")
    parts = here.changes(axes.T)
    weights, means, covariances = (_deviations(part, observed) for part in parts)
    return weights, means, covariances


def _deviations(part: Array, covariance: Array) -> Array:
    """Return the standard deviations of parameters that change by `part`, (m, …), along m axes of this covariance."""
    largest = float(np.abs(part).max(initial=0)) or 1.0  # the square of which may overflow
    flat = part.reshape(len(part), -1) / largest
    variances = np.einsum("aj,ab,bj->j", flat, covariance, flat, optimize=True)
    return np.asarray(largest * np.sqrt(variances).reshape(part.shape[1:]))


def _derivative(function: Callable[[Array], Array], axes: Array, step: float) -> Array:
    """Return the derivatives at 0 along axes, the columns, by central differences."""
    columns = [(function(step * axis) - function(-step * axis)) / (2 * step) for axis in axes.T]
    return np.array(columns).T


def _complete_data_covariance(
    here: LocalCoordinates, free: Array, ridge: float, statistics: SufficientStatistics
) -> tuple[Array, Array]:
    """Return axes of the parameters that are free, as columns, and their covariance if components were known."""
    from scipy.linalg import block_diag

    mixture, model, counts = here.mixture, here.mixture.model, statistics.counts
    K, d = mixture.means.shape
    of_weights = (np.diag(1 / mixture.weights) - 1) / statistics.weight
    entries = here.matrices(free[None] - mixture.covariances)[0]
    own = np.array([counts.sum()]) if model.layout.pooled else counts
    of_entries = np.repeat(2 / own, entries.size // len(own)) / (d if model.layout is SPHERICAL else 1)
    covariance = block_diag(of_weights, np.diag(np.repeat(1 / counts, d)), np.diag(of_entries))
    blocks = [_spanned(of_weights, K - (not mixture.noise)), np.eye(K * d)]
    if not model.constraint:
        blocks.append(np.eye(entries.size))
    else:

        def constrained(change: Array) -> Array:
            nearby = free + here.covariances(change[None])[0]
            fit = model.constrained(nearby, counts, previous=mixture.covariances, least=ridge)
            return here.matrices(fit[None] - mixture.covariances)[0]

        first = K + K * d
        change = _derivative(constrained, np.eye(entries.size), float(np.finfo(np.float64).eps) ** 0.25)
        covariance[first:, first:] = change * of_entries
        blocks.append(_spanned(covariance[first:, first:], model.n_parameters(K, d)))
    axes = np.asarray(block_diag(*blocks))
    return axes, axes.T @ covariance @ axes


def _spanned(covariance: Array, rank: int) -> Array:
    """Return an orthonormal basis, as columns, of what a covariance of this rank spans."""
    vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))[1]
    return np.asarray(vectors[:, len(vectors) - rank :])
