"""`e_step` and `m_step`: the two halves of an iteration of EM, for a loop of one's own."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gmm import _fitting as fitting
from gmm._estimators.exclusions import checked_without
from gmm._estimators.fitted import (
    FittedMixture,
    check_is_mixture,
    estimator_of,
    fitted_parameters,
    model_of,
    source_of,
)
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.outcome import ill_defined
from gmm._estimators.scorer import Scorer
from gmm._public import publish
from gmm._validation.combinations import refuse
from gmm._validation.fixed import check_fixed
from gmm._validation.given import check_statistics
from gmm._validation.parameters import check_parameters
from gmm._validation.ratio import check_max_ratio
from gmm._values.layouts import SingularMatrixError
from gmm._values.noise import NO_NOISE
from gmm._values.objective import Objective
from gmm._values.statistics import SufficientStatistics


def e_step(model: FittedMixture, X: ArrayLike, sample_weight: ArrayLike | None = None) -> SufficientStatistics:
    """Compute the moments of rows, weighted by their responsibilities: the E-step of EM.

    Parameters
    ----------
    model : GaussianMixture or BayesianGaussianMixture
        A fitted mixture.
    X : array-like or data frame of shape (n, d), data set, or what `open_rows` or `partitioned_rows` returns
    sample_weight : array-like of shape (n,), default=None

    Returns
    -------
    SufficientStatistics
        About the means of the mixture. Those of blocks of rows add up by ``+`` to those of all rows, up to rounding,
        and can be pickled: O(K·d²) numbers. The second moments are those that the covariance type needs, in the
        storage of "full", "tied", "diag" or "spherical".

    See Also
    --------
    m_step : From statistics to the next mixture.
    partitioned_rows : Rows that an engine holds, for `fit` with the accelerated solver and its stopping rule.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> X = np.random.default_rng(0).normal(size=(1000, 2))
    >>> mixture = gmm.GaussianMixture(2, random_state=0).fit(X)
    >>> both = gmm.em.e_step(mixture, X[:300]) + gmm.em.e_step(mixture, X[300:])
    >>> both.counts.sum().round(6), round(abs(both.mean_log_evidence - mixture.score(X)), 12)
    (np.float64(1000.0), 0.0)
    """
    source = source_of(model, X, sample_weight)
    return Scorer(checked_without(model, "e_step", "heavy tails"), model.n_threads).statistics(source)


def m_step(model: GaussianMixture, statistics: SufficientStatistics) -> GaussianMixture:
    """Compute the mixture of highest expected likelihood given statistics: the M-step of EM.

    Parameters
    ----------
    model : GaussianMixture
        Its covariance type, `reg_covar` and `max_ratio` are used, and, if it is fitted, its covariances as the start of
        those covariance types that iterate, and its parameters where they are `fixed`. It is not changed.
    statistics : SufficientStatistics
        From `gmm.em.e_step`, of all rows.

    Returns
    -------
    GaussianMixture
        With the parameters of the constructor of `model`, and the new mixture.

    Raises
    ------
    ValueError
        If the statistics are not those of such a mixture, if the model has a prior, or if a covariance is singular and
        `reg_covar` is 0.

    See Also
    --------
    e_step : From rows to statistics.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> X = np.random.default_rng(0).normal(size=(1000, 2))
    >>> mixture = gmm.GaussianMixture(2, max_iter=0, random_state=0).fit(X)
    >>> for _ in range(10):
    ...     statistics = gmm.em.e_step(mixture, X)
    ...     mixture = gmm.em.m_step(mixture, statistics)
    >>> mixture.score(X) > statistics.mean_log_evidence
    True
    """
    check_is_mixture(model)
    check_parameters(model, fitting.starts.STARTS)
    if not isinstance(statistics, SufficientStatistics):
        raise TypeError(f"expected SufficientStatistics, from em.e_step, got {type(statistics).__name__}")
    has_prior = getattr(model, "prior", model) is not None  # a posterior is no mixture to update
    refuse("m_step", {"a prior": has_prior, "heavy tails": getattr(model, "tails", "normal") != "normal"})
    before = fitted_parameters(model).whole() if model.__sklearn_is_fitted__() else None
    d = statistics.first.shape[1] if before is None else before.n_features
    covariance = model_of(model, d)
    check_statistics(statistics, (model.n_components, d), covariance.moments)
    fixed = check_fixed(model.fixed, model.n_components, covariance)
    if before is None and (fixed or model.noise is not False):
        raise ValueError("expected a fitted model, which has a box of noise and fixed parameters")
    try:
        noise = NO_NOISE if before is None else before.noise
        max_ratio = check_max_ratio(model.max_ratio, covariance, model.n_components)
        objective = Objective(covariance, model.reg_covar, noise=noise, fixed=fixed, max_ratio=max_ratio)
        parameters = objective.update(statistics.reduced(covariance.moments), before)
    except SingularMatrixError as error:
        raise ill_defined(error, covariance) from None
    dtype = np.dtype(np.float64) if before is None else model.means_.dtype
    return estimator_of(type(model), parameters, vars(model).get("feature_names_in_"), dtype, **model.get_params())


publish("gmm.em", [e_step, m_step])
