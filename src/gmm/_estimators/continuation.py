"""Where a warm start continues, and what must be the same for it."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np

from gmm._estimators.fitted import FittedMixture, past_of
from gmm._passes.problem import Beginning
from gmm._passes.solver import SolverResult
from gmm._rows.sources import Source
from gmm._validation.prior import OF_POSTERIOR
from gmm._values.covariance import CovarianceModel
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.priors import parts
from gmm._values.statistics import SufficientStatistics

_PRIOR = "prior", "max_ratio", *OF_POSTERIOR, "noise", "tails", "degrees_of_freedom"  # of one estimator or another


def is_noisy(mixture: FittedMixture) -> bool:
    """Whether the parameters ask for noise."""
    return np.ndim(mixture.noise) > 0 or bool(mixture.noise)


def prior_parts(mixture: FittedMixture) -> tuple[object, ...]:
    """Return the parameters that describe prior, noise, tails and limit, as values that compare equal."""
    raw = [vars(mixture)[name] for name in _PRIOR if name in vars(mixture)]
    return tuple(np.asarray(parts(each)).tolist() for each in raw)


def check_same(
    mixture: FittedMixture, previous: MixtureParameters, model: CovarianceModel, source: Source, who: str, instead: str
) -> None:
    """Check that the parameters of the estimator still describe its mixture, which `who` continues."""
    expected = (previous.n_components, previous.model.type_name, previous.n_features, bool(previous.noise))
    requested = (mixture.n_components, model.type_name, source.n_features, is_noisy(mixture))
    if requested != expected:
        raise ValueError(
            f"{who} continues the previous fit: expected the same (n_components, covariance_type, n_features, "
            f"noise) = {expected}, got {requested}. {instead} to start over."
        )


def problem_of(mixture: FittedMixture, source: Source, model: CovarianceModel) -> tuple[object, ...]:
    """What must not change for an accelerated fit to continue: rows, weights, classes, storage, ridge, prior, limit."""
    of_rows = source.fingerprint, source.known.fingerprint
    return *of_rows, model.stored_whole, mixture.reg_covar, *prior_parts(mixture)


def beginning_of(mixture: FittedMixture, objective: Objective, source: Source) -> Beginning | None:
    """Where a warm start continues; None if there is none. One that had converged ends where it is."""
    past = past_of(mixture)
    previous = past.parameters
    if not mixture.warm_start or previous is None:
        return None
    check_same(mixture, previous, objective.model, source, "warm_start", "Set warm_start=False")
    previous = previous.of_model(objective.model)
    same = objective.noise.equals(previous.noise) and objective.tails.equals(previous.tails)
    if not (same and objective.fixed.equals(previous.fixed)):
        return Beginning(replace(previous, noise=objective.noise))
    if past.problem and past.problem != problem_of(mixture, source, objective.model):
        return Beginning(previous)
    if past.solver_state is None or mixture.acceleration is None:
        return Beginning(previous, past.bounds)
    solver_state = copy(past.solver_state)  # a fit that fails leaves the estimator as it was
    solver_state.tolerance = float(mixture.tol) / (source.survey.weight if objective.prior.variational else 1.0)
    ended = None
    if solver_state.converged and past.trace:
        statistics = SufficientStatistics.from_kernel(objective.model.moments, *solver_state.moments())
        last = replace(past.trace, passes=past.trace.passes[-1:], seconds=past.trace.seconds[-1:])
        ended = SolverResult(previous, statistics, past.bounds[-1], last, state=solver_state)
    return Beginning(previous, past.bounds, solver_state, paused=ended)
