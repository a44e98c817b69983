"""Conjugate priors on the component means and covariances.

A fit with a prior maximises the log posterior density (MAP). The prior adds moments worth a few rows to each update,
which is therefore as exact and fast as without a prior, for every covariance model.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import lgamma, log, pi
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gmm._kernel.mstep import log_gamma_sum
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import FULL, SPHERICAL, Array, Layout
from gmm._values.parameters import Estimate, Kind, MixtureParameters


class PriorMoments(NamedTuple):
    """A prior as the rows that it adds to an update.

    Attributes
    ----------
    mean : array of shape (d,)
        The mean of the rows that it adds.
    scale : flat array
        Their scatter, for one covariance as its layout stores it.
    shrinkage : float
        Rows for each mean.
    pseudocount : float
        Rows for each covariance.
    constant : float
        Of the log density.
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
    """Return hyperparameters by name, as numbers, lists or None, which compare equal and fit in JSON; others as is."""
    if not isinstance(value, NormalInverseWishart):
        return value
    prior = value
    return {field.name: np.asarray(getattr(prior, field.name)).tolist() for field in fields(prior)}


class Prior:
    """No prior, which is false; its subclasses are the others."""

    variational = False  # whether a posterior over mixtures is fitted
    ordered = False  # whether the order of the components matters

    def __bool__(self) -> bool:
        return False

    def as_moments(self, model: CovarianceModel, n_components: int, n_features: int) -> PriorMoments | None:
        """Return the moments that the prior adds to an update."""
        return None

    def belief(self, weight: float) -> tuple[float, bool, float] | None:
        """Return the prior of the weights as the compiled core takes it, given rows of this weight."""
        return None

    def mixture(self, estimate: Estimate, kind: Kind, weight: float) -> MixtureParameters:
        """Return the result of a compiled update of rows of this weight."""
        return MixtureParameters.estimated(estimate, kind)

    def adopted(self, parameters: MixtureParameters, weight: float) -> MixtureParameters:
        """Return a mixture as one of a fit with this prior, to rows of this weight."""
        return parameters

    def shortfall(self, means: Array, counts: Array) -> Array:
        """Return distances (K, d) whose squares an update leaves out of those of given means from the prior's."""
        return np.zeros_like(means)

    def stored_for(self, model: CovarianceModel) -> Prior:
        """Return the prior for a model whose covariances are the same but for the layout, as those of one feature."""
        return self


FLAT = Prior()


def of_variances(layout: Layout) -> bool:
    """Return whether variances have the prior: those of columns, or of the noise beside factors."""
    return layout.axis_aligned or not layout.whole


@dataclass(frozen=True, eq=False)
class ConjugatePrior(Prior):
    """A `NormalInverseWishart` with all hyperparameters set.

    Parameters
    ----------
    mean : array of shape (d,)
    shrinkage, dof : float
    scale : array of shape (d, d)
        For diagonal and spherical models, and for noise beside factors, only its diagonal, (d,).
    """

    mean: Array
    shrinkage: float
    dof: float
    scale: Array

    def __bool__(self) -> bool:
        return True

    def as_moments(self, model: CovarianceModel, n_components: int, n_features: int) -> PriorMoments:
        """Return the prior as the moments that it adds to an update; see `gmm._kernel.mstep.MixtureFamily`.

        An inverse-Wishart density of Σ_k counts as dof + d + 1 rows with the scatter `scale`, an inverse-gamma density
        of a variance as dof + 2.
        """
        K, d = n_components, n_features
        scale, pseudocount = self.scale, self.dof + d + 1
        if of_variances(model.layout):
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

    def shortfall(self, means: Array, counts: Array) -> Array:
        """Return distances (K, d) whose squares an update leaves out: it has them κ n / (κ + n) times, not κ times."""
        if self.shrinkage == 0:
            return np.zeros_like(means)
        return np.asarray((means - self.mean) * (self.shrinkage / np.sqrt(self.shrinkage + counts))[:, None])

    def stored_for(self, model: CovarianceModel) -> ConjugatePrior:
        """Return the prior for a model whose covariances are the same but for the layout, as those of one feature."""
        if (self.scale.ndim == 1) == of_variances(model.layout):
            return self
        return replace(self, scale=np.diagonal(self.scale).copy() if self.scale.ndim == 2 else np.diag(self.scale))

    def as_rows(self, model: CovarianceModel) -> Array:
        """Return how many rows with which standard deviations the prior of a covariance is worth, (1 + d,)."""
        n = self.dof + (2 if of_variances(model.layout) else len(self.mean) + 1)
        return np.append(n, np.sqrt((self.scale if self.scale.ndim == 1 else np.diagonal(self.scale)) / n))

    def _log_normaliser(self, model: CovarianceModel, d: int) -> float:
        half = 0.5 * self.dof
        if model.layout is SPHERICAL:
            return half * log(0.5 * self.scale.mean()) - lgamma(half)
        if of_variances(model.layout):
            return float(half * np.log(0.5 * self.scale).sum() - d * lgamma(half))
        log_determinant = -2 * float(FULL.whiten(self.scale[None], d)[1][0])
        return half * log_determinant - half * d * log(2) - log_gamma_sum(self.dof, d)
