"""`steps`, `e_step` and `m_step`: a fit one pass, or one step of EM, at a time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators import attributes
from gmm._estimators.attributes import fitted_parameters
from gmm._estimators.bayesian import BayesianGaussianMixture
from gmm._estimators.contract import as_public_array
from gmm._estimators.fitted import FittedMixture
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.outcome import ill_defined, warn_of_repairs
from gmm._estimators.request import fit_settings, seeds_of, source_to_fit
from gmm._estimators.scorer import Scorer
from gmm._exceptions import invalid
from gmm._fitting.fit import SteppedPass, iter_passes
from gmm._fitting.starts import FitSettings
from gmm._rows.input import as_one_array
from gmm._rows.sources import ArraySource
from gmm._validation.checks import check_fixed, check_limits, check_statistics
from gmm._validation.combinations import check_compatible
from gmm._validation.parameters import OPTIONS, check_parameters, features_of, is_default
from gmm._validation.scalars import check_boolean
from gmm._values.layouts import SingularMatrixError
from gmm._values.noise import NO_NOISE
from gmm._values.objective import Objective
from gmm._values.statistics import SufficientStatistics


@dataclass(frozen=True, eq=False)
class EMStep:
    """One pass of EM over the rows: the mixture that it evaluated, and the results.

    Arrays are read-only and have the dtype of the rows, except `counts`.

    Attributes
    ----------
    n_iter : int
        Number of the pass, from 1. The first evaluates the start.
    weights : ndarray of shape (K,)
    means : ndarray of shape (K, d)
    covariances : ndarray
        In the shape of the covariance type, as ``GaussianMixture.covariances_``.
    counts : ndarray of float64, shape (K,)
        Soft counts Σ_i w_i r_ik of the components. In textbook EM, the next weights are the counts over their sum.
    lower_bound : float
        Mean log-likelihood of this mixture, in nats per unit weight; see ``GaussianMixture.lower_bound_``.
    responsibilities : ndarray of shape (n, K) or None
        r_ik, the probability of component k given row i; None unless requested.
    accepted : bool
        False if an accelerated step lowered the objective and was rejected. The other fields then repeat the last
        accepted mixture.
    reason : str or None
        Why the fit stopped, in the last step; None before.
    """

    n_iter: int
    weights: NDArray[Any]
    means: NDArray[Any]
    covariances: NDArray[Any]
    counts: NDArray[np.float64]
    lower_bound: float
    responsibilities: NDArray[Any] | None = None
    accepted: bool = True
    reason: str | None = None


def steps(
    X: ArrayLike,
    n_components: int,
    *,
    sample_weight: ArrayLike | None = None,
    responsibilities: bool = False,
    bayesian: bool = False,
    **parameters: Any,
) -> Generator[EMStep, None, None]:
    """Fit a mixture one pass at a time.

    The steps are the passes of ``GaussianMixture(n_components, **parameters).fit(X)``, bit for bit, ``n_iter_`` of
    them, where `parameters` has other defaults: ``acceleration=None``, which is textbook EM, ``tol=1e-10`` and
    ``max_iter=1000``. Each is computed when the generator is advanced.
    A step has the mixture before its parameter update: if the fit converges, the last step has the mixture that
    `fit` returns; if it reaches `max_iter`, `fit` returns the update after the last step.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d)
        Rows.
    n_components : int
        Number of components, K.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows; a row of weight 2 counts as two rows.
    responsibilities : bool, default=False
        Include the responsibilities in each step, at the cost of one more pass per step.
    bayesian : bool, default=False
        Fit a `BayesianGaussianMixture` instead: weights, means and covariances are those of its posterior, and the
        lower bound is that of the log evidence, in nats in all. With ``acceleration="auto"``, the steps end where `fit`
        first sorts the components of a Dirichlet process.
    **parameters
        Further parameters of the estimator for a single start, such as ``covariance_type``, ``init_params``,
        ``means_init``, ``tol`` and ``max_iter``. With ``init_params="random"``, components are nearly equal, and many
        passes gain little until they differ: with ``tol=1e-3`` such a fit often stops at the second.

    Returns
    -------
    generator of EMStep
        The input is validated and copied at the call, so later changes to the caller's arrays have no effect. The
        start and the passes are computed from the first ``next`` on.

    Raises
    ------
    ValueError, TypeError
        At the call, for invalid input and for parameters that do not apply to a single start. While iterating, if a
        covariance becomes singular with ``reg_covar=0``.

    Warns
    -----
    ConvergenceWarning
        If a component lost all its rows and was reseeded. There is no warning at `max_iter`; see ``EMStep.reason``.

    Examples
    --------
    One E-step and one M-step by hand. The second step follows from the responsibilities of the first.

    >>> import numpy as np
    >>> from gmm import em
    >>> X = np.array([[0.0], [1.0], [4.0], [5.0]])
    >>> passes = em.steps(X, 2, means_init=[[1.0], [5.0]], responsibilities=True)
    >>> one, two = next(passes), next(passes)
    >>> one.weights, one.means.ravel()
    (array([0.5, 0.5]), array([1., 5.]))

    The E-step divides each row among the components in proportion to weight times density.

    >>> variances = one.covariances.ravel()
    >>> density = np.exp(-((X - one.means.T) ** 2) / (2 * variances)) / np.sqrt(2 * np.pi * variances)
    >>> joint = one.weights * density
    >>> r = joint / joint.sum(axis=1, keepdims=True)
    >>> np.allclose(r, one.responsibilities), np.allclose(np.log(joint.sum(axis=1)).mean(), one.lower_bound)
    (True, True)

    The M-step computes weights and means from the rows weighted by the responsibilities.

    >>> counts = r.sum(axis=0)
    >>> np.allclose(counts / len(X), two.weights), np.allclose(r.T @ X / counts[:, None], two.means)
    (True, True)
    """
    parameters = {"tol": 1e-10, "max_iter": 1000} | parameters
    fit = prepare_stepped_fit(X, n_components, sample_weight, parameters, caller="em.steps", bayesian=bayesian)
    return _steps(fit, check_boolean(responsibilities, "responsibilities"))


@dataclass(frozen=True, eq=False)
class SteppedFit:
    """A validated fit from one start; iterating runs its passes."""

    source: ArraySource
    settings: FitSettings
    seed: int

    def __iter__(self) -> Generator[SteppedPass, None, None]:
        """Run the passes one by one, with the errors and warnings of `fit`."""
        repaired: tuple[int, ...] = ()
        try:
            with closing(iter_passes(self.source, self.settings, self.seed)) as passes:
                for each in passes:
                    repaired = each.repaired
                    yield each
        except SingularMatrixError as error:
            raise ill_defined(error, self.settings.objective.model) from None
        warn_of_repairs(repaired)


def prepare_stepped_fit(
    X: ArrayLike,
    n_components: int,
    sample_weight: ArrayLike | None,
    parameters: dict[str, Any],
    *,
    caller: str,
    bayesian: bool = False,
) -> SteppedFit:
    """Validate the arguments of `steps`; error messages name `caller`."""
    if hasattr(X, "get_params"):
        raise TypeError(
            f"{caller} makes its own estimator: expected rows first, then the number of components, "
            f"got {type(X).__name__} first"
        )
    kind = BayesianGaussianMixture if check_boolean(bayesian, "bayesian") else GaussianMixture
    defaults = kind().get_params()
    unknown = sorted(parameters.keys() - defaults.keys())
    if unknown:
        supported = ", ".join(sorted(name for name in defaults.keys() - {"n_components"} if not OPTIONS[name].steps))
        raise TypeError(f"{caller} has no parameter {unknown[0]!r}; expected some of {supported}")
    for name, value in parameters.items():
        if OPTIONS[name].steps and not is_default(value, defaults[name]):
            message = f"{caller} has no parameter {name}: {OPTIONS[name].steps}. Got {name}={value!r}."
            raise invalid(message)
    estimator = kind(**{"n_components": n_components, "acceleration": None} | parameters)
    check_parameters(estimator)
    resident = as_one_array(source_to_fit(estimator, X, sample_weight), caller)
    source = resident.with_changes(
        rows=resident.rows.copy(order="K")
    )  # the caller may change the array between two passes
    settings = fit_settings(estimator, source)
    if settings.start.responsibilities is not None and not callable(estimator.init_params):
        # An array is validated and copied now; the result of a callable, when it is called.
        start = settings.start.responsibilities(0).copy()
        settings = settings._replace(start=settings.start._replace(responsibilities=lambda seed: start))
    return SteppedFit(source, settings, *seeds_of(estimator))


def _steps(fit: SteppedFit, responsibilities: bool) -> Generator[EMStep, None, None]:
    with closing(iter(fit)) as passes:
        for each in passes:
            iteration, parameters, probabilities = each.iteration, each.iteration.parameters, None
            if responsibilities:
                probabilities = Scorer(parameters, fit.settings.n_threads).responsibilities(fit.source)
                probabilities.flags.writeable = False
            counts = np.array(each.statistics.counts)
            counts.flags.writeable = False
            arrays = parameters.weights, parameters.means, parameters.written_out
            weights, means, covariances = (as_public_array(values, fit.source.dtype) for values in arrays)
            outcome = iteration.lower_bound, probabilities, iteration.accepted, each.reason
            yield EMStep(iteration.n_iter, weights, means, covariances, counts, *outcome)


EMStep.__module__ = steps.__module__ = "gmm.em"


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
        Moments about the means of the mixture. Those of blocks of rows add up by ``+`` to those of all rows, up to
        rounding, and can be pickled: O(K·d²) numbers. The second moments are those that the covariance type needs, in
        the storage of "full", "tied", "diag" or "spherical".

    See Also
    --------
    m_step : From statistics to the next mixture.
    partitioned_rows : Rows in an engine's partitions, for `fit` with the accelerated solver and its stopping rule.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> X = np.random.default_rng(0).normal(size=(1000, 2))
    >>> mixture = gmm.GaussianMixture(2, random_state=0).fit(X)
    >>> both = gmm.em.e_step(mixture, X[:300]) + gmm.em.e_step(mixture, X[300:])
    >>> both.counts.sum().round(6), round(abs(both.mean_log_evidence - mixture.score(X)), 12)
    (np.float64(1000.0), 0.0)
    """
    source = attributes.source_of(model, X, sample_weight)
    return Scorer(attributes.checked_for(model, "e_step"), model.n_threads).statistics(source)


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
        The new mixture, with the constructor parameters of `model`.

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
    attributes.check_is_mixture(model)
    check_parameters(model)
    if not isinstance(statistics, SufficientStatistics):
        raise TypeError(f"expected SufficientStatistics, from em.e_step, got {type(statistics).__name__}")
    check_compatible("m_step", {"a prior": isinstance(model, BayesianGaussianMixture)} | features_of(model))
    before = fitted_parameters(model).to_dense() if model.__sklearn_is_fitted__() else None
    d = statistics.first.shape[1] if before is None else before.n_features
    covariance = attributes.model_of(model, d)
    check_statistics(statistics, (model.n_components, d), covariance.layout)
    fixed = check_fixed(model.fixed, model.n_components, covariance)
    if before is None and (fixed or model.noise is not False):
        raise ValueError("expected a fitted model, as it has the box of noise and fixed parameters")
    try:
        noise = NO_NOISE if before is None else before.noise
        limits = check_limits(model, covariance, model.n_components)
        objective = Objective(covariance, model.reg_covar, noise=noise, fixed=fixed, **limits)
        parameters = objective.update(statistics.reduced(covariance.layout), before)
    except SingularMatrixError as error:
        raise ill_defined(error, covariance) from None
    names, dtype = vars(model).get("feature_names_in_"), np.dtype(np.float64) if before is None else model.means_.dtype
    return attributes.estimator_of(type(model), parameters, names, dtype, **model.get_params())


e_step.__module__ = m_step.__module__ = "gmm.em"
