"""The variational posterior of a mixture: its prior, and the value that a pass reads and an update makes."""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma, log

import numpy as np
from numpy.typing import NDArray

from gmm._kernel.mstep import log_gamma_sum
from gmm._kernel.mstep import log_offset as log_offsets
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import FULL, SPHERICAL, Array
from gmm._values.noise import Noise
from gmm._values.parameters import Estimate, Kind, MixtureParameters
from gmm._values.priors import Prior, PriorMoments
from gmm._values.whitened import WhitenedMixture


@dataclass(frozen=True, eq=False)
class VariationalPrior(Prior):
    """Prior of a mixture's weights, means and precisions Λ_k = Σ_k⁻¹ (Bishop 2006, 10.39 and 10.40).

    μ_k ~ N(mean, (shrinkage Λ_k)⁻¹), and Λ_k ~ Wishart with `dof` degrees of freedom and scale C⁻¹.

    Parameters
    ----------
    mean : array of shape (d,)
    shrinkage : float
        β_0.
    dof : float
        ν_0.
    scale : array
        C, for one covariance as its layout stores it: (d, d), (d,), or () for spherical ones.
    concentration : float
        Of the weights: α_0, or γ of a Dirichlet process.
    sticks : bool
        Whether the weights break sticks (a Dirichlet process), or have a symmetric Dirichlet distribution.
    """

    mean: Array
    shrinkage: float
    dof: float
    scale: Array
    concentration: float
    sticks: bool

    variational = True

    def __bool__(self) -> bool:
        return True

    @property
    def ordered(self) -> bool:  # type: ignore[override]
        """Whether the order of the components matters."""
        return self.sticks

    def as_moments(self, model: CovarianceModel, n_components: int, n_features: int) -> PriorMoments:
        """Return the moments that the prior adds to an update."""
        copies, K = n_components if model.layout.pooled else 1, n_components
        scale, constant = np.array(self.scale).reshape(-1), K * self._wishart_normaliser(model) + self._of_weights(K)
        return PriorMoments(self.mean, copies * scale, self.shrinkage, copies * self.dof, constant)

    def belief(self, weight: float) -> tuple[float, bool, float]:
        """Return the prior of the weights as the compiled core takes it, given rows of this weight."""
        return self.concentration, self.sticks, weight

    def mixture(self, estimate: Estimate, kind: Kind, weight: float) -> MixturePosterior:
        """Return the result of a compiled update as a posterior, in which nothing is fixed."""
        return MixturePosterior.of(estimate, kind, self, weight)

    def adopted(self, parameters: MixtureParameters, weight: float) -> MixtureParameters:
        """Return a posterior, which may be of another prior or rows, as one of this; a mixture as it is."""
        if not isinstance(parameters, MixturePosterior):
            return parameters
        return MixturePosterior.of(parameters.as_estimate(), parameters, self, weight)

    def _wishart_normaliser(self, model: CovarianceModel) -> float:
        """Return log B of Bishop (2006), B.79."""
        d = len(self.mean)
        if model.layout.axis_aligned:
            log_determinant = float(np.log(self.scale).sum()) * (d if model.layout is SPHERICAL else 1)
        else:
            log_determinant = -2 * float(FULL.whiten(self.scale[None], d)[1][0])
        return 0.5 * self.dof * (log_determinant - d * log(2)) - log_gamma_sum(self.dof, d)

    def _of_weights(self, K: int) -> float:
        if self.sticks:
            return K * log(self.concentration)
        return lgamma(K * self.concentration) - K * lgamma(self.concentration)

    def expected_weights(self, counts: Array) -> Array:
        """Return the posterior means of the weights, given counts; of broken sticks, renormalised."""
        if not self.sticks:
            concentration = self.concentration + counts
            return np.asarray(concentration / concentration.sum())
        own, rest = self.sticks_of(counts)
        remainder = np.concatenate([[1.0], np.cumprod(rest / (own + rest))[:-1]])
        weights = own / (own + rest) * remainder
        return np.asarray(weights / weights.sum())

    def sticks_of(self, counts: Array) -> tuple[Array, Array]:
        """Return the parameters of the sticks' beta posteriors (Blei & Jordan 2006): 1 + n_k, γ + Σ_{j>k} n_j."""
        later = np.concatenate([np.cumsum(counts[::-1])[-2::-1], [0.0]])
        return 1 + counts, self.concentration + later


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class MixturePosterior(MixtureParameters):
    """A variational posterior; as a mixture, that of its expected weights and means, and of Σ_k = (E Λ_k)⁻¹.

    The weight of noise has a uniform prior, and the posterior Beta(1 + n_0, 1 + n − n_0).

    Parameters
    ----------
    shares : array of shape (K,)
        n_k / n.
    weight : float
        n, of all rows.
    prior : VariationalPrior
    """

    shares: Array
    weight: float
    prior: VariationalPrior

    @classmethod
    def of(cls, estimate: Estimate, kind: Kind, prior: VariationalPrior, weight: float) -> MixturePosterior:
        """Make the posterior from the result of a compiled update of a family of the prior."""
        shares, means, covariances, whiteners, log_determinants, _ = estimate
        shape, weights = kind.model.layout.shape(*means.shape), prior.expected_weights(weight * shares)
        if kind.noise:
            weights = weights * (1 - (1 + weight * kind.noise.weight(shares)) / (2 + weight))
        return cls(
            weights,
            means,
            covariances.reshape(shape),
            kind.model,
            (whiteners.reshape(shape), log_determinants),
            kind.noise,
            shares=shares,
            weight=weight,
            prior=prior,
        )

    def updated(self, estimate: Estimate) -> MixturePosterior:
        """Make the posterior of another estimate with the same prior and rows."""
        return self.of(estimate, self, self.prior, self.weight)

    def with_noise(self, noise: Noise, share: float) -> MixturePosterior:
        """Return the posterior with rows taken from its components so that they leave noise a share."""
        shares, *parts = self.as_estimate()
        estimate = (shares * ((1 - share) / shares.sum()), *parts)
        return self.of(estimate, self.with_other(noise=noise), self.prior, self.weight)

    def as_estimate(self) -> Estimate:
        """Return what the compiled core reads: shares of the rows in place of weights."""
        return (self.shares, *super().as_estimate()[1:])

    @property
    def counts(self) -> Array:
        """Expected numbers of rows n_k, (K,)."""
        return self.weight * self.shares

    @property
    def noise_count(self) -> float:
        """Expected number of rows of noise n_0."""
        return self.weight * self.noise.weight(self.shares)

    @property
    def n_effective(self) -> int:
        """Number of components that expect one row at least, n_k ≥ 1."""
        return int((self.counts >= 1).sum())

    @property
    def present(self) -> NDArray[np.intp]:
        """Indices of those components, or of those with as many rows as any where there are none."""
        return np.flatnonzero(self.counts >= min(1, self.counts.max()))

    @property
    def mean_precisions(self) -> Array:
        """β_k, (K,)."""
        return self.prior.shrinkage + self.counts

    @property
    def dof(self) -> Array:
        """Degrees of freedom ν_k, (K,); where all components share a covariance, that of each."""
        if self.model.layout.pooled:
            return np.full(self.n_components, self.prior.dof + (self.weight - self.noise_count) / self.n_components)
        return self.prior.dof + self.counts

    def whitened(self) -> WhitenedMixture:
        """Return what a pass reads: whiteners of E Λ_k, and the expected log density in log_offset_k (10.46)."""
        prior, layout = self.prior, self.model.layout
        shares, _, _, whiteners, log_determinants, _ = self.as_estimate()
        pseudocount = prior.dof * (self.n_components if layout.pooled else 1)
        belief = prior.shrinkage, pseudocount, prior.concentration, prior.sticks, self.weight
        log_offset, log_noise = log_offsets(
            layout.code, shares, whiteners, log_determinants, self.n_features, self.noise.log_density, belief
        )
        return WhitenedMixture(layout, log_offset, self.means, self.whiteners, log_noise, noise=self.noise)
