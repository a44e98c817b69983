"""The fit that an estimator's parameters request: rows, objective, start, solver, or where it continues."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gmm import _fitting as fitting
from gmm._estimators.attributes import MixtureEstimator, model_of, record_of
from gmm._exceptions import answer_of
from gmm._passes.problem import Continuation, SolverSettings
from gmm._rows.input import as_source_to_fit
from gmm._rows.sources import ArraySource, Source, box_of, fingerprint
from gmm._validation import checks
from gmm._validation import parameters as options
from gmm._validation.combinations import check_all_compatible
from gmm._values.covariance import CovarianceModel, stored_for
from gmm._values.layouts import Array
from gmm._values.noise import Noise
from gmm._values.objective import Objective, log_likelihood
from gmm._values.parameters import NOTHING_FIXED, Fixed, MixtureParameters
from gmm._values.priors import NormalInverseWishart, Prior, parts


def stored_model(mixture: MixtureEstimator, model: CovarianceModel, source: Source) -> CovarianceModel:
    """Return a model as an estimator stores it: factors and noise, unless other parameters need dense covariances."""
    if source.patterns or options.features_of(mixture, "dense"):
        return model
    return stored_for(model, source.n_features, has_prior="a prior" in options.features_of(mixture))


_LARGEST_SCATTER = 1e304


def source_to_fit(
    mixture: MixtureEstimator, X: ArrayLike, sample_weight: ArrayLike | None, error_covariance: ArrayLike | None = None
) -> Source:
    """Return the rows that an estimator is fitted to."""
    source = as_source_to_fit(
        X,
        sample_weight,
        estimator=mixture,
        n_components=int(mixture.n_components),
        missing=mixture.missing,
        error_covariance=error_covariance,
    )
    if source.patterns:
        unobserved = fitting.moments.never_observed_together(source, source.feature_names, [model_of(mixture)])
        if unobserved:
            fitting.moments.warn_of_unobserved_pairs(unobserved)
    return source


def check_features(mixture: MixtureEstimator, source: Source, fixed: Fixed = NOTHING_FIXED) -> bool:
    """Return whether a fit to the rows has a feature; raise a `CombinationError` if two of them exclude each other."""
    start = mixture.init_params
    features = options.features_of(mixture) | {
        "BayesianGaussianMixture": "mean_prior" in vars(mixture),
        "fixed weights": "weights" in fixed.masks,
        "fixed covariances": "covariances" in fixed.masks,
        "a callable init_params": callable(start),
        "responsibilities as init_params": not isinstance(start, str),
        "error_covariance": source.errors,
        "missing values": source.patterns,
        "rows beyond memory": source.storage != "memory",
        "rows in partitions": source.storage == "remote",
    }
    has_features = any(features.values())
    if has_features:
        check_all_compatible(features)
    return has_features


def objective_of(mixture: MixtureEstimator, source: Source, model: CovarianceModel) -> Objective:
    """Return the objective that a fit to the rows maximises."""
    parameters: Any = mixture
    if "mean_prior" in vars(mixture):
        checks.check_has_posterior(model, type(mixture).__name__)
        check_features(mixture, source)
        mean, covariance = fitting.moments.mean_and_covariance(model, source, mixture.n_threads)
        values = {name: getattr(mixture, name) for name in options.options_with("posterior")}
        K, ridge = int(mixture.n_components), mixture.reg_covar
        posterior = checks.check_variational_prior(values, model, K, mean, covariance, ridge)
        return Objective(model, ridge, posterior, noise_of(mixture, source))
    restrictions = restrictions_of(mixture, source, model)
    if not (restrictions or model.n_factors or parameters.degrees_of_freedom):
        return log_likelihood(model, mixture.reg_covar)
    prior, noise = prior_of(mixture, source, model), noise_of(mixture, source)
    tails = checks.check_tails(parameters.tails, parameters.degrees_of_freedom)
    return Objective(model, mixture.reg_covar, prior, noise, tails=tails, **restrictions)


def prior_of(mixture: Any, source: Source, model: CovarianceModel) -> Prior:
    """Return the prior of a `GaussianMixture`, by default that of rows that are few or have errors."""
    accelerated, K = mixture.acceleration is not None, int(mixture.n_components)
    return fitting.moments.prior_of(mixture.prior, model, K, source, mixture.n_threads, accelerated=accelerated)


def restrictions_of(mixture: Any, source: Source, model: CovarianceModel) -> dict[str, Any]:
    """Return fixed parameters and limits of a `GaussianMixture` with features, as arguments of an `Objective`."""
    fixed = NOTHING_FIXED
    if mixture.fixed is not None:
        fixed = checks.check_fixed(mixture.fixed, mixture.n_components, model)
    has_features = check_features(mixture, source, fixed)
    return {"fixed": fixed} | checks.check_limits(mixture, model, int(mixture.n_components)) if has_features else {}


def noise_of(mixture: MixtureEstimator, source: Source) -> Noise:
    """Return the noise of the parameters, by default in the box of the rows."""
    return checks.check_noise(mixture.noise, source.n_features, partial(box_of, source))


def seeds_of(mixture: MixtureEstimator, n_init: int = 1) -> tuple[int, ...]:
    """Return the seeds of starts. A given start draws nothing, so that None does not advance numpy's generator."""
    is_drawn = isinstance(mixture.init_params, str) or callable(mixture.init_params)
    is_given = not is_drawn or getattr(mixture, "means_init", None) is not None
    seed = 0 if is_given and mixture.random_state is None else mixture.random_state
    return fitting.sampling.start_seeds(seed, n_init)


def fit_settings(
    mixture: MixtureEstimator, source: Source, model: CovarianceModel | None = None
) -> fitting.starts.FitSettings:
    """Return the settings of a fit by the parameters of an estimator; those that depend on the rows are checked here.

    A `model` replaces that of the parameters.
    """
    if model is None:
        model = model_of(mixture, source.n_features)
        model = stored_model(mixture, model, source) if model.n_factors else model
    check_ridge(mixture.reg_covar, source.survey.weight)
    objective, K, d = objective_of(mixture, source, model), int(mixture.n_components), source.n_features
    parameters = vars(mixture)
    parts: dict[str, Array] = {}
    if (weights := parameters.get("weights_init")) is not None:
        parts["weights"] = checks.check_weights_init(weights, K)
    if (means := parameters.get("means_init")) is not None:
        parts["means"] = checks.check_coordinates(means, "means", (K, d))
    if (precisions := parameters.get("precisions_init")) is not None:
        parts["precisions"] = checks.check_spread(precisions, "precision", K, d, model)[0]
    if isinstance(mixture.init_params, str):
        start = fitting.starts.StartSettings(str(mixture.init_params), parts)
    else:
        start = fitting.starts.StartSettings("", parts, _responsibilities(mixture, source))
    return settings_of(mixture, objective, start)


def check_ridge(reg_covar: float, weight: float) -> None:
    """Check that `reg_covar` can be added to the scatter of rows of this total weight.

    Raises
    ------
    ValueError
        If their product overflows, or nearly so.
    """
    if weight > 0 and float(reg_covar) > _LARGEST_SCATTER / max(weight, 1.0):
        raise ValueError(
            f"reg_covar is too large: {reg_covar:g}, for rows of weight {weight:g}; expected a product of the two up "
            f"to {_LARGEST_SCATTER:g}. Divide the rows by their scale, or the weights by their maximum."
        )


def settings_of(
    mixture: MixtureEstimator, objective: Objective, start: fitting.starts.StartSettings
) -> fitting.starts.FitSettings:
    """Return the settings by which an estimator maximises an objective from a start."""
    # In Python's types: products of a narrower one would overflow.
    numbers, accelerated = (float(mixture.tol), int(mixture.max_iter)), mixture.acceleration is not None
    settings = {"bound_is_total": objective.prior.variational, "resumable": bool(mixture.warm_start)}
    solver = SolverSettings(*numbers, accelerated, **settings)
    K = int(mixture.n_components)
    return fitting.starts.FitSettings(K, objective, mixture.n_threads, start, solver, getattr(mixture, "refine", None))


def _responsibilities(mixture: MixtureEstimator, source: Source) -> Callable[[int], Array]:
    """Return a function of responsibilities for a seed, by an `init_params` that is an array or a callable."""
    start, complete = mixture.init_params, source.without_gaps
    make_rng = np.random.default_rng if isinstance(mixture.random_state, np.random.Generator) else np.random.RandomState

    def responsibilities(seed: int) -> Array:
        values = start
        if callable(start) and isinstance(complete, ArraySource):
            hint = f"expected responsibilities of shape {(source.n_rows, mixture.n_components)}"
            arguments = complete.rows, mixture.n_components, make_rng(seed)
            values = answer_of(start, *arguments, name="init_params", hint=hint)
        with_noise = not options.is_default(mixture.noise, False)
        return checks.check_responsibilities(values, source.n_rows, mixture.n_components, with_noise=with_noise)

    return responsibilities


def continuation_of(mixture: MixtureEstimator, objective: Objective, source: Source) -> Continuation | None:
    """Return where a warm start continues, if anywhere; a fit that had converged does not change."""
    record = record_of(mixture)
    if (previous := record.parameters) is None:
        return None
    check_same(mixture, previous, objective.model, source, "warm_start", "Set warm_start=False")
    previous = previous.for_model(objective.model)
    same = objective.noise.equals(previous.noise) and objective.tails.equals(previous.tails)
    if not (same and objective.fixed.equals(previous.fixed)):
        return Continuation(previous.with_other(noise=objective.noise))
    if record.problem and record.problem != problem_of(mixture, source, objective.model):
        return Continuation(previous)
    if record.solver_state is None or mixture.acceleration is None:
        return Continuation(previous, record.bounds)
    solver_state = copy(record.solver_state)  # a fit that fails does not change the estimator
    solver_state.tolerance = float(mixture.tol) / (source.survey.weight if objective.prior.variational else 1.0)
    last = record.trace.records[-1:] if solver_state.converged and record.trace else None
    return Continuation(previous, record.bounds, solver_state, records=last)


def check_same(
    mixture: MixtureEstimator,
    previous: MixtureParameters,
    model: CovarianceModel,
    source: Source,
    caller: str,
    advice: str,
) -> None:
    """Check that the parameters of the estimator still describe its mixture, which `caller` continues."""
    expected = (previous.n_components, previous.model.type_name, previous.n_features, bool(previous.noise))
    requested = (mixture.n_components, model.type_name, source.n_features, not options.is_default(mixture.noise, False))
    if requested != expected:
        raise ValueError(
            f"{caller} continues the previous fit: expected the same (n_components, covariance_type, n_features, "
            f"noise) = {expected}, got {requested}. {advice} to start over."
        )


def problem_of(mixture: MixtureEstimator, source: Source, model: CovarianceModel) -> tuple[object, ...]:
    """Return what an accelerated fit that continues must not change: rows, weights, classes, storage, ridge, prior."""
    rows = fingerprint(source), source.known.fingerprint
    return *rows, model.stores_dense, mixture.reg_covar, *prior_parts(mixture)


def prior_parts(mixture: MixtureEstimator) -> tuple[object, ...]:
    """Return the parameters that describe prior, noise, tails and limit, as values that compare equal."""
    return tuple(
        _comparable(vars(mixture)[name]) for name in options.options_with("objective") if name in vars(mixture)
    )


def _comparable(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | np.generic):
        return value
    if isinstance(value, NormalInverseWishart):
        return parts(value)
    array = np.ascontiguousarray(value, dtype=np.float64)
    return f"an array of shape {array.shape}, {hashlib.blake2b(array.data, digest_size=8).hexdigest()}"
