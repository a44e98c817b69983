"""Conjugate priors: what is believed of means and covariances before the rows are seen.

A fit with a prior climbs the log posterior density (MAP). What a prior adds to an update are a few rows' worth of
moments, so updates are as exact and as fast as without, for every covariance model.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import lgamma, log, pi
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gmm.covariance import CovarianceModel
from gmm.layouts import DIAGONAL, SPHERICAL, Array

Told = tuple[Array, Array, float, float, float]


@dataclass(frozen=True, eq=False)
class NormalInverseWishart:
    """μ_k ~ N(mean, Σ_k / shrinkage) and Σ_k ~ InverseWishart(dof, scale); what is None comes from the data.

    Of diagonal and spherical covariances every variance is inverse-gamma instead: shape dof / 2 and rate scale / 2.
    A covariance, or a variance, that all components share has the prior once.

    Parameters
    ----------
    mean : array-like of shape (d,), default=None
        None is the rows' mean.
    shrinkage : float, default=0.01
        How many rows the belief about a mean is worth; 0 says nothing of the means.
    dof : float, default=None
        Degrees of freedom, above d − 1; None is d + 2.
    scale : float or array-like of shape (d, d), default=None
        In squared units of the data; a number is a multiple of the identity. None is the rows' covariance (of
        spherical and diagonal models the mean of its diagonal) divided by K^(2/d).

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


def parts(prior: NormalInverseWishart) -> dict[str, Any]:
    """Its parts by name as what can be compared and written down: numbers, lists of them, or None."""
    return {field.name: np.asarray(getattr(prior, field.name)).tolist() for field in fields(prior)}


@dataclass(frozen=True, eq=False)
class ConjugatePrior:
    """A `NormalInverseWishart` whose every part is known.

    Parameters
    ----------
    mean : array of shape (d,)
    shrinkage, dof : float
    scale : array of shape (d, d)
        Of diagonal and spherical models its diagonal alone, (d,).
    """

    mean: Array
    shrinkage: float
    dof: float
    scale: Array

    def told(self, model: CovarianceModel, n_components: int, n_features: int) -> Told:
        """The prior as the compiled update takes it: see `gmm._mstep.MixtureFamily`.

        An inverse Wishart density says as much of Σ_k as dof + d + 1 rows of which S_k is the scale, an inverse gamma
        density of a variance as dof + 2.
        """
        K, d = n_components, n_features
        scale, pseudocount = self.scale, self.dof + d + 1
        if model.layout.axis_aligned:
            pseudocount = self.dof + 2
            if model.layout is SPHERICAL:
                # Per feature, as the layout counts.
                scale, pseudocount = scale.mean(keepdims=True) / d, pseudocount / d
        many = 1 if model.common or model.layout.pooled else K
        constant = many * self._log_normaliser(model, d)
        if self.shrinkage > 0:
            constant += 0.5 * K * d * log(self.shrinkage / (2 * pi))
        if model.common and not model.layout.pooled:  # held K times, believed once
            scale, pseudocount = scale / K, pseudocount / K
        return self.mean, np.ravel(scale).copy(), self.shrinkage, pseudocount, constant

    def _log_normaliser(self, model: CovarianceModel, d: int) -> float:
        """Of one covariance's density."""
        half = 0.5 * self.dof
        if model.layout is SPHERICAL:
            return half * log(0.5 * self.scale.mean()) - lgamma(half)
        if model.layout is DIAGONAL:
            return float(half * np.log(0.5 * self.scale).sum() - d * lgamma(half))
        log_determinant = float(np.linalg.slogdet(self.scale)[1])
        log_gamma = 0.25 * d * (d - 1) * log(pi) + sum(lgamma(half - 0.5 * j) for j in range(d))
        return half * log_determinant - half * d * log(2) - log_gamma
