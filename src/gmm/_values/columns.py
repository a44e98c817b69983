"""Some columns of a mixture, alone or given the others: exact mixtures again, component by component."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmm._values.covariance import CovarianceModel, stored_as
from gmm._values.layouts import FULL, Array
from gmm._values.noise import NO_NOISE, Noise
from gmm._values.parameters import MixtureParameters

Columns = NDArray[np.intp]
_FAR = 1e297  # a pass cuts squares off at 1e300


def marginal(mixture: MixtureParameters, columns: Columns) -> MixtureParameters:
    """Return the mixture of some columns, in this order."""
    model = mixture.model.of_columns
    covariances = mixture.model.layout.of_columns(mixture.covariances, columns)
    means = np.ascontiguousarray(mixture.means[:, columns])
    noise = mixture.noise.of_columns(columns)
    return MixtureParameters(mixture.weights, means, covariances, model, noise=noise, tails=mixture.tails)


@dataclass(frozen=True, eq=False)
class Regression:
    """The other columns of a mixture given those of `known`: in component k, N(means_k + slopes_k (x − μ_k), Σ_k).

    Parameters
    ----------
    predictors : MixtureParameters
        The marginal mixture of the q known columns, with means μ_k; it weighs the components. If q is 0, that of the
        others, of which only the weights count.
    means : array of shape (K, m)
        Of the m other columns.
    slopes : array of shape (K, m, q) or (1, m, q), or None
        None where the columns of a component are independent.
    covariances : array in the shape of the model's layout
        Of the other columns, given the known ones.
    model : CovarianceModel
    noise : Noise
        Of the other columns.
    """

    predictors: MixtureParameters
    means: Array
    slopes: Array | None
    covariances: Array
    model: CovarianceModel
    noise: Noise = NO_NOISE

    @classmethod
    def of(cls, mixture: MixtureParameters, columns: Columns, others: Columns) -> Regression:
        """Regress the columns `others` on `columns`; together they are all columns (Bishop 2006, 2.81 and 2.82).

        Raises
        ------
        SingularMatrixError
            If a covariance is not positive definite, to rounding, in the order of the columns that this needs.
        """
        if not len(columns):
            alone = marginal(mixture, others)
            return cls(alone, alone.means, None, alone.covariances, alone.model, alone.noise)
        model, before = mixture.model.of_columns, marginal(mixture, columns)
        layout, means = model.layout, mixture.means[:, others]
        noise = mixture.noise.of_columns(others)
        if layout.axis_aligned:
            return cls(before, means, None, layout.of_columns(mixture.covariances, others), model, noise)
        ordered = mixture.model.layout.of_columns(mixture.covariances, np.concatenate([columns, others]))
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
        """Return by how much the scale matrices of t components grow given rows (n, q), (K, n) or (1, 1).

        It is (ν + ‖W_k (x − μ_k)‖²) / (ν + q), and the other columns have ν + q degrees of freedom (Ding 2016). Squares
        that a pass cuts off are infinite.
        """
        if not rows.shape[1]:
            return np.ones((1, 1))
        widenings = self.predictors.widenings(rows - self.predictors.means[:, None])
        return np.where(widenings < _FAR, widenings, np.inf)

    def conditional(self, row: Array, weights: Array) -> MixtureParameters:
        """Return the mixture of the other columns given one row (q,), to which the components have these weights."""
        means = np.ascontiguousarray(self.conditional_means(row[None])[:, 0])
        covariances, model, tails = self.covariances, self.model, self.predictors.tails.given(len(row))
        if tails:  # each component has a scale of its own
            model = stored_as(FULL if model.layout.pooled else model.layout)
            each = self.model.layout.dense(covariances, *means.shape) * self.widenings(row[None])[:, :, None]
            covariances = model.layout.reduced(each, FULL, means.shape[1])
        return MixtureParameters(weights, means, covariances, model, noise=self.noise, tails=tails)
