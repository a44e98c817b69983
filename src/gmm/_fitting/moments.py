"""Mean and covariance of all rows, also of rows with missing values, and the prior that they complete."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from gmm._em import Race
from gmm._exceptions import warn
from gmm._fitting.sampling import draw_sample
from gmm._fitting.starts import FitSettings, StartSettings, first_start, run_race
from gmm._passes.e_step import EStep
from gmm._passes.problem import Continuation, Problem, SolverSettings
from gmm._rows.input import Names
from gmm._rows.sources import ArraySource, Source
from gmm._text.words import column_names, listed
from gmm._validation.checks import are_collinear, check_prior
from gmm._validation.combinations import check_compatible
from gmm._values.covariance import CovarianceModel, stored_as
from gmm._values.layouts import DIAGONAL, FULL, SPHERICAL, TIED, Array, SingularMatrixError
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.priors import FLAT, NormalInverseWishart, Prior, has_variances
from gmm._values.row_data import ALL_UNKNOWN, NO_ERRORS
from gmm._values.statistics import SufficientStatistics
from gmm._values.whitened import WhitenedMixture

_LARGEST = 100  # features of which a full covariance is fitted
_PAIRS_SHOWN = 4
_FINELY = SolverSettings(tolerance=1e-9, max_iter=500)


def one_component(problem: Problem) -> MixtureParameters:
    """Fit a single component.

    Raises
    ------
    SingularMatrixError
        If its covariance is singular and there is no ridge.
    """
    mixture, _ = _moment_component(problem)
    if not (problem.rows.patterns or problem.objective.tails):
        return mixture
    with problem.e_step() as e_step:
        return problem.prepare_run(e_step, Continuation(mixture), _FINELY).go().result.parameters


def single_log_likelihood(problem: Problem) -> float:
    """Return the log-likelihood of one normal component, in one pass over rows without missing values and errors.

    Its covariance is stored as a matrix or as variances.

    Raises
    ------
    SingularMatrixError
        As `one_component`.
    """
    mixture, moments = _moment_component(problem)
    layout, d = mixture.model.layout, mixture.n_features
    squares = layout.gram(mixture.whiteners) * moments.recentred(mixture.means).second
    n_squares = d if layout is SPHERICAL else 1  # the layout stores their mean
    return float(moments.counts @ mixture.whitened().log_offset) - n_squares * float(squares.sum()) / 2


def _moment_component(problem: Problem) -> tuple[MixtureParameters, SufficientStatistics]:
    """Return the component with the moments of all rows, and these."""
    rows, moments = problem.rows, problem.objective.model.layout
    with EStep(rows.without_gaps, moments, n_threads=problem.n_threads) as e_step:
        statistics = e_step.single_component_statistics()
        return problem.first_update(e_step, statistics).parameters, statistics


def component_with_noise(problem: Problem) -> MixtureParameters:
    """Fit a single component with the problem's noise.

    Raises
    ------
    SingularMatrixError
        If its covariance is singular, and there is no ridge.
    """
    settings = FitSettings(1, problem.objective, problem.n_threads, StartSettings("kmeans"))
    with problem.e_step() as e_step:
        initial = first_start(problem, settings, 0, e_step)
        return problem.prepare_run(e_step, initial, _FINELY).go().result.parameters


def never_observed_together(source: Source, names: Names, models: Sequence[CovarianceModel]) -> str:
    """Return, as text, the pairs of columns that no row has together; empty if there are none, or no model correlates.

    The likelihood does not depend on the covariance of such columns.
    """
    axis_aligned = all(model.layout.axis_aligned for model in models)
    if axis_aligned or not source.patterns:
        return ""
    has_weight = [pattern.weight > 0 for pattern in source.patterns]
    has_column = np.array([~pattern.missing for pattern in source.patterns], dtype=float)[has_weight]
    pairs = np.argwhere(np.triu(has_column.T @ has_column == 0))
    if not len(pairs):
        return ""
    called = column_names(names, source.n_features)
    return listed((f"{called[i]!r} and {called[j]!r}" for i, j in pairs), _PAIRS_SHOWN)


def warn_of_unobserved_pairs(columns: str, of_rows: str = "") -> None:
    """Warn of pairs of columns that `never_observed_together` returns; `of_rows` names the rows, if not all."""
    if columns:
        warn(
            "never together",
            f"No row{of_rows} has values in both of these columns, so their covariance is that of the start or of a "
            f"prior: {columns}. Drop one of them, add rows with both, or fit a model without correlations: 'diag', "
            "'spherical', or a name that ends in I.",
        )


_FEW = 20  # rows of a component for each parameter of a column
_SHRINKAGE = 3.0  # rows for each mean, where they are few
_ROWS_WITH_ERRORS = 10
_LEAST_SHARE = 1e-8  # of the largest variance: a column may be constant
_ROUNDING = 8  # eps of the largest value
_INCOMPLETE: WeakKeyDictionary[Source, dict[int, MixtureParameters]] = WeakKeyDictionary()


def prior_of(
    prior: NormalInverseWishart | str | None,
    model: CovarianceModel,
    n_components: int,
    source: Source,
    n_threads: int | None = None,
    *,
    accelerated: bool = True,
) -> Prior:
    """Return the prior with all its hyperparameters; unset ones are estimated from the rows as one component."""
    # Factors of many columns overfit few rows without a prior.
    least = 0 if model.stores_dense else _FEW * (model.n_factors + 2) * n_components
    shrunk = prior is None and source.survey.n_used < least
    has_errors = not shrunk and prior is None and bool(source.errors) and accelerated
    if prior is None and not (shrunk or has_errors):
        return FLAT
    check_compatible(
        "a prior of factors", {"dense covariances": prior is not None and model.n_factors and model.stores_dense}
    )
    if has_errors or not model.stores_dense:
        mean, covariance = _mean_and_variances_within(n_components, source, n_threads)
    else:
        mean, covariance = mean_and_covariance(model, source, n_threads)
    if shrunk and not covariance.any():  # a component for each row: no variance remains for noise
        return FLAT
    if has_errors:
        if not covariance.any():  # a cluster for each value
            mean, covariance = _mean_and_variances_within(1, source, n_threads)
        prior = _error_prior(model, covariance, source)
    elif prior is None:
        prior = NormalInverseWishart(shrinkage=_SHRINKAGE)
    return check_prior(prior, model, n_components, mean=mean, covariance=covariance)


def _error_prior(model: CovarianceModel, variances: Array, source: Source) -> NormalInverseWishart:
    """Return a prior worth few rows: without it, errors that explain all variance in a direction leave none.

    Its variances are those within clusters less those of the mean error, but half of them at least.
    """
    d, errors, sums = len(variances), source.errors, np.zeros((2, len(variances)))  # of variances, and of weights
    heaviest, all_weights = source.survey.heaviest, source.weights
    rows_of_pattern: dict[tuple[bytes, int], list[Any]] = {}
    for pattern, indices, _ in source.iter_patterns():
        rows_of_pattern.setdefault((pattern.missing.tobytes(), pattern.error), []).append(indices)
    for pattern in source.patterns:  # all rows of each, whatever the chunks
        indices, observed = np.concatenate(rows_of_pattern[pattern.missing.tobytes(), pattern.error]), pattern.observed
        weights = all_weights[indices] / heaviest  # products of large weights and errors overflow
        sums[0, observed] += weights @ errors.variances[errors.codes[indices]][:, observed]
        sums[1, observed] += weights.sum()
    n = max(_ROWS_WITH_ERRORS, 2 * d + 2)  # so that the prior is proper
    if not _LEAST_SHARE * variances.max() > 0:
        raise ValueError(
            f"error_covariance needs rows that vary, but their largest variance is {variances.max():g}. Multiply tiny "
            "rows by a number (error_covariance by its square), or set prior=NormalInverseWishart(scale=...)"
        )
    scale = n * np.diag(np.maximum(variances - sums[0] / sums[1], variances / 2))
    return NormalInverseWishart(shrinkage=0, dof=n - 2 if has_variances(model.layout) else n - d - 1, scale=scale)


def _mean_and_variances_within(n_components: int, source: Source, n_threads: int | None) -> tuple[Array, Array]:
    """Return the mean of the rows, and the pooled variances of the columns within k-means clusters of a sample."""
    rng = np.random.RandomState(0)
    sample = draw_sample(source.without_gaps, n_components, rng)
    assert isinstance(sample, ArraySource)  # of complete rows
    centre = sample.survey.centre
    scale: Any = 1.0  # of the columns: those with factors have one unit, as a rule
    if source.errors:
        scale = sample.rows.std(axis=0)
        scale[scale == 0] = scale.max() or 1.0
    centred = ArraySource((sample.rows - centre) / scale, sample.sample_weight)
    settings = FitSettings(n_components, Objective(stored_as(DIAGONAL)), n_threads, StartSettings("kmeans"))
    statistics = run_race(settings, centred, rng, Race.initial)[0].statistics
    n = statistics.weight
    variances = statistics.scatter.sum(axis=0) / max(n - n_components, n / 2)
    variances[variances <= (_ROUNDING * np.finfo(np.float64).eps * np.abs(sample.rows / scale).max()) ** 2] = 0.0
    mean = centre + scale * (statistics.counts @ statistics.means) / n
    return mean, scale**2 * np.maximum(variances, _LEAST_SHARE * variances.max())


def mean_and_covariance(model: CovarianceModel, source: Source, n_threads: int | None = None) -> tuple[Array, Array]:
    """Return the mean of the rows and their unbiased covariance or, for models of variances, its diagonal.

    If values are missing, return the estimates of maximum likelihood.
    """
    layout = DIAGONAL if model.layout.axis_aligned else TIED
    # Complete rows with errors have patterns, too.
    if source.patterns and (not source.errors or any(pattern.missing.any() for pattern in source.patterns)):
        mixtures, weight = _INCOMPLETE.setdefault(source, {}), source.survey.weight
        with suppress(SingularMatrixError):
            if layout.code not in mixtures:  # once for all fits to them
                objective = Objective(stored_as(FULL if layout is TIED else layout))
                as_measured = source.with_changes(errors=NO_ERRORS, known=ALL_UNKNOWN) if source.errors else source
                mixtures[layout.code] = one_component(Problem(as_measured, objective, n_threads))
            (mean,), (covariance,) = mixtures[layout.code].means, mixtures[layout.code].covariances
            # Where columns follow from others, rounding decides whether the fit ends by such an error.
            if layout is DIAGONAL or not are_collinear(covariance):
                return mean, covariance * (weight / max(weight - 1, weight / 2))
    one = WhitenedMixture(SPHERICAL, np.zeros(1), source.survey.centre[None], np.ones(1))
    with EStep(source.without_gaps, layout, n_threads=n_threads) as e_step:
        statistics = e_step(one)
    scatter = statistics.scatter[0] if model.layout.axis_aligned else statistics.scatter
    # If weights sum to less than two, they are shares rather than numbers of rows, and their scale cancels.
    return statistics.means[0], scatter / max(statistics.weight - 1, statistics.weight / 2)
