"""Priors on means and covariances, the conjugate ones, and the variational posterior of a mixture.

A fit with a prior maximises the log posterior density (MAP). The prior adds moments worth a few rows to each update,
which is therefore as exact and fast as without a prior, for every covariance model.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import lgamma, log, pi
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._kernel.mstep import log_gamma_sum
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import FULL, SPHERICAL, Array, Layout
from gmm._values.noise import Noise
from gmm._values.parameters import Estimate, Kind, MixtureParameters
from gmm._values.whitened import WhitenedMixture


class PriorMoments(NamedTuple):
    """A prior as the rows that it adds to an update.

    Attributes
    ----------
    mean : array of shape (d,)
        The mean of these rows.
    scale : flat array
        Their scatter, for one covariance in its layout.
    shrinkage : float
        Rows for each mean.
    pseudocount : float
        Rows for each covariance.
    constant : float
        Constant of the log density.
    """

    mean: Array
    scale: Array
    shrinkage: float
    pseudocount: float
    constant: float


@dataclass(frozen=True, eq=False)
class NormalInverseWishart:
    """Normal-inverse-Wishart prior: μ_k ~ N(mean, Σ_k / shrinkage) and Σ_k ~ InverseWishart(dof, scale).

    Hyperparameters that are None are estimated from the data. For diagonal and spherical covariances, each variance has
    an inverse-gamma prior with shape dof / 2 and rate scale / 2 instead; for factors of many columns, which are stored
    as factors and noise, each noise variance has it. A covariance or variance that all components share has the prior
    once.

    Parameters
    ----------
    mean : array-like of shape (d,), default=None
        Prior mean of the means; None is the mean of the rows.
    shrinkage : float, default=0.01
        Weight of the prior on a mean, as a number of rows; 0 is a flat prior on the means.
    dof : float, default=None
        Degrees of freedom, above d − 1; None is d + 2. Of noise variances, above 0; None is 18, worth 20 rows.
    scale : float or array-like of shape (d, d), default=None
        Scale matrix, in squared units of the data; a number is a multiple of the identity. None is the covariance of
        the rows (for spherical and diagonal models, the mean of its diagonal; where columns follow from others, its
        diagonal) divided by K^(2/d). Of noise variances, dof + 2 times those of the rows within k-means clusters.

    References
    ----------
    C. Fraley, A. E. Raftery (2007). Bayesian regularization for normal mixture estimation and model-based clustering.
    *Journal of Classification* 24, 155-181: section 3 and, for the defaults, 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import GaussianMixture, NormalInverseWishart
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [9.0, 9.0], [9.0, 9.0], [9.0, 9.0]])
    >>> prior = NormalInverseWishart(shrinkage=0, dof=4, scale=0.5)
    >>> mixture = GaussianMixture(2, reg_covar=0, prior=prior, random_state=0).fit(X)
    >>> mixture.covariances_[0].round(3)
    array([[0.05, 0.  ],
           [0.  , 0.05]])
    """

    mean: ArrayLike | None = None
    shrinkage: float = 0.01
    dof: float | None = None
    scale: float | ArrayLike | None = None


def parts(value: Any) -> Any:
    """Return hyperparameters by name, as numbers, lists or None, which compare equal and are valid JSON."""
    if not isinstance(value, NormalInverseWishart):
        return value
    return {field.name: np.asarray(getattr(value, field.name)).tolist() for field in fields(value)}


class Prior:
    """A term that a fit adds to the likelihood: nothing for `FLAT`, which is false; subclasses add more."""

    variational = False  # whether a posterior over mixtures is fitted
    ordered = False  # whether the order of the components matters

    def __bool__(self) -> bool:
        return True

    def as_moments(self, model: CovarianceModel, n_components: int, n_features: int) -> PriorMoments | None:
        """Return the moments that the prior adds to an update."""
        return None

    def belief(self, weight: float) -> tuple[float, bool, float] | None:
        """Return the prior of the weights for the compiled core, given rows of this weight."""
        return None

    def adopted(self, parameters: MixtureParameters, weight: float) -> MixtureParameters:
        """Convert a mixture to one of a fit with this prior, to rows of this weight."""
        return parameters

    def stored_for(self, model: CovarianceModel) -> Prior:
        """Return the prior for a model with the same covariances in another layout, as for one feature."""
        return self


class _Flat(Prior):
    __bool__ = staticmethod(bool)  # false


FLAT: Prior = _Flat()


def has_variances(layout: Layout) -> bool:
    """Return whether variances have the prior: those of columns, or of the noise of factors."""
    return layout.axis_aligned or not layout.stores_dense


class ConjugatePrior(Prior):
    """A `NormalInverseWishart` with all hyperparameters set.

    Parameters
    ----------
    mean : array of shape (d,)
    shrinkage, dof : float
    scale : array of shape (d, d)
        For diagonal and spherical models, and for the noise of factors, only its diagonal, (d,).
    """

    def __init__(self, mean: Array, shrinkage: float, dof: float, scale: Array) -> None:
        self.mean = mean
        self.shrinkage = shrinkage
        self.dof = dof
        self.scale = scale

    def as_moments(self, model: CovarianceModel, n_components: int, n_features: int) -> PriorMoments:
        """Return the prior as the moments that it adds to an update; see `gmm._kernel.mstep.MixtureFamily`.

        An inverse-Wishart density of Σ_k counts as dof + d + 1 rows with the scatter `scale`, an inverse-gamma density
        of a variance as dof + 2.
        """
        K, d = n_components, n_features
        scale, pseudocount = self.scale, self.dof + d + 1
        if has_variances(model.layout):
            pseudocount = self.dof + 2
            if model.layout is SPHERICAL:
                # Per feature, as in the layout's second moments.
                scale, pseudocount = scale.mean(keepdims=True) / d, pseudocount / d
        copies = 1 if model.common or model.layout.pooled else K
        constant = copies * self._log_normaliser(model, d)
        if self.shrinkage > 0:
            constant += 0.5 * K * d * log(self.shrinkage / (2 * pi))
        if model.common and not model.layout.pooled:  # stored K times, but one prior
            scale, pseudocount = scale / K, pseudocount / K
        return PriorMoments(self.mean, np.ravel(scale).copy(), self.shrinkage, pseudocount, constant)

    def stored_for(self, model: CovarianceModel) -> ConjugatePrior:
        """Return the prior for a model with the same covariances in another layout, as for one feature."""
        if (self.scale.ndim == 1) == has_variances(model.layout):
            return self
        scale = np.diag(self.scale)  # of a matrix its diagonal, and the other way round
        return ConjugatePrior(self.mean, self.shrinkage, self.dof, scale.copy())

    def as_rows(self, model: CovarianceModel) -> Array:
        """Return how many rows the prior of a covariance is worth, and their standard deviations, (1 + d,)."""
        n = self.dof + (2 if has_variances(model.layout) else len(self.mean) + 1)
        return np.append(n, np.sqrt((self.scale if self.scale.ndim == 1 else np.diagonal(self.scale)) / n))

    def _log_normaliser(self, model: CovarianceModel, d: int) -> float:
        half = 0.5 * self.dof
        if model.layout is SPHERICAL:
            return half * log(0.5 * self.scale.mean()) - lgamma(half)
        if has_variances(model.layout):
            return float(half * np.log(0.5 * self.scale).sum() - d * lgamma(half))
        log_determinant = -2 * float(FULL.whiten(self.scale[None], d)[1][0])
        return half * log_determinant - half * d * log(2) - log_gamma_sum(self.dof, d)


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
        C, for one covariance in its layout: (d, d), (d,), or () for spherical ones.
    concentration : float
        Concentration of the weights: α_0, or γ of a Dirichlet process.
    sticks : bool
        Whether the weights come from breaking sticks (a Dirichlet process), or have a symmetric Dirichlet distribution.
    """

    variational = True

    def __init__(
        self, mean: Array, shrinkage: float, dof: float, scale: Array, concentration: float, sticks: bool
    ) -> None:
        self.mean = mean
        self.shrinkage = shrinkage
        self.dof = dof
        self.scale = scale
        self.concentration = concentration
        self.sticks = self.ordered = sticks

    def as_moments(self, model: CovarianceModel, n_components: int, n_features: int) -> PriorMoments:
        """Return the moments that the prior adds to an update."""
        copies, K, a = n_components if model.layout.pooled else 1, n_components, self.concentration
        of_weights = K * log(a) if self.sticks else lgamma(K * a) - K * lgamma(a)
        scale, constant = np.array(self.scale).reshape(-1), K * self._wishart_normaliser(model) + of_weights
        return PriorMoments(self.mean, copies * scale, self.shrinkage, copies * self.dof, constant)

    def belief(self, weight: float) -> tuple[float, bool, float]:
        """Return the prior of the weights for the compiled core, given rows of this weight."""
        return self.concentration, self.sticks, weight

    def adopted(self, parameters: MixtureParameters, weight: float) -> MixtureParameters:
        """Convert a posterior with another prior or weight to this one; return other mixtures as they are."""
        if not isinstance(parameters, MixturePosterior):
            return parameters
        return MixturePosterior.from_shares(parameters.as_estimate(), parameters, self, weight)

    def _wishart_normaliser(self, model: CovarianceModel) -> float:
        """Return log B of Bishop (2006), B.79."""
        d = len(self.mean)
        if model.layout.axis_aligned:
            log_determinant = float(np.log(self.scale).sum()) * (d if model.layout is SPHERICAL else 1)
        else:
            log_determinant = -2 * float(FULL.whiten(self.scale[None], d)[1][0])
        return 0.5 * self.dof * (log_determinant - d * log(2)) - log_gamma_sum(self.dof, d)

    def expected_weights(self, counts: Array) -> Array:
        """Return the posterior means of the weights, given counts; of broken sticks, renormalised."""
        if not self.sticks:
            concentration = self.concentration + counts
            return np.asarray(concentration / concentration.sum())
        a, b = self.sticks_of(counts)
        remainder = np.concatenate([[1.0], np.cumprod(b / (a + b))[:-1]])
        weights = a / (a + b) * remainder
        return np.asarray(weights / weights.sum())

    def sticks_of(self, counts: Array) -> tuple[Array, Array]:
        """Return the parameters of the sticks' beta posteriors (Blei & Jordan 2006): 1 + n_k, γ + Σ_{j>k} n_j."""
        later = np.concatenate([np.cumsum(counts[::-1])[-2::-1], [0.0]])
        return 1 + counts, self.concentration + later


class MixturePosterior(MixtureParameters):
    """A variational posterior; as a mixture, it has the expected weights and means, and Σ_k = (E Λ_k)⁻¹.

    The weight of noise has a uniform prior, and the posterior Beta(1 + n_0, 1 + n − n_0).

    Parameters
    ----------
    shares : array of shape (K,)
        n_k / n.
    weight : float
        n, the weight of all rows.
    prior : VariationalPrior
    """

    _PARTS = (*MixtureParameters._PARTS, "shares", "weight", "prior")

    def __init__(self, *parts: Any, shares: Array, weight: float, prior: VariationalPrior, **named: Any) -> None:
        super().__init__(*parts, **named)
        self.shares = shares
        self.weight = weight
        self.prior = prior

    @classmethod
    def from_shares(cls, estimate: Estimate, kind: Kind, prior: VariationalPrior, weight: float) -> MixturePosterior:
        """Make the posterior from a compiled update of a family with the prior, without fixed parts."""
        shares, means, covariances, whiteners, log_determinants, _ = estimate
        shape, weights = kind.model.layout.shape(*means.shape), prior.expected_weights(weight * shares)
        if kind.noise:
            weights = weights * (1 - (1 + weight * kind.noise.weight(shares)) / (2 + weight))
        factors = whiteners.reshape(shape), log_determinants
        parts = weights, means, covariances.reshape(shape), kind.model, factors, kind.noise
        return cls(*parts, shares=shares, weight=weight, prior=prior)

    def updated(self, estimate: Estimate) -> MixturePosterior:
        """Make the posterior of another estimate with the same prior and rows."""
        return self.from_shares(estimate, self, self.prior, self.weight)

    def with_noise(self, noise: Noise, share: float) -> MixturePosterior:
        """Return the posterior with noise of this share, and the rows of its components scaled."""
        shares, *parts = self.as_estimate()
        estimate = (shares * ((1 - share) / shares.sum()), *parts)
        return self.from_shares(estimate, self.with_other(noise=noise), self.prior, self.weight)

    def as_estimate(self) -> Estimate:
        """Return the arrays of the compiled core, with shares of the rows in place of weights."""
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
        """Indices of those components; if there are none, of those with the most rows."""
        return np.flatnonzero(self.counts >= min(1, self.counts.max()))

    @property
    def mean_precisions(self) -> Array:
        """β_k, (K,)."""
        return self.prior.shrinkage + self.counts

    @property
    def dof(self) -> Array:
        """Degrees of freedom ν_k, (K,), of each component if all share a covariance."""
        if self.model.layout.pooled:
            return np.full(self.n_components, self.prior.dof + (self.weight - self.noise_count) / self.n_components)
        return self.prior.dof + self.counts

    @property
    def belief(self) -> tuple[float, float, float, bool, float]:
        """Numbers other than the parameters that the expected log densities depend on."""
        pseudocount = self.prior.dof * (self.n_components if self.model.layout.pooled else 1)
        return self.prior.shrinkage, pseudocount, self.prior.concentration, self.prior.sticks, self.weight

    @property
    def log_weights(self) -> Array:
        return np.asarray(self.whitened().log_offset - self.densities().log_offset)

    def densities(self) -> WhitenedMixture:
        """Return the input of a pass for the expected log density of each component (Bishop 2006, 10.64 and 10.65)."""
        from scipy.special import digamma

        plain, d = self.plugged_in().densities(), self.n_features
        expected = digamma((self.dof - np.arange(d)[:, None]) / 2).sum(axis=0) + d * np.log(2 / self.dof)
        return plain._replace(log_offset=plain.log_offset + (expected - d / self.mean_precisions) / 2)
