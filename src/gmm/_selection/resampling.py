"""Model comparison by refitting: held-out folds, replicates drawn from a fitted mixture, and halves of the rows.

Criteria computed from the training data are in `gmm._estimators.criteria`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from math import nan
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._em import OFFSET
from gmm._estimators.attributes import estimator_of, fitted_parameters
from gmm._estimators.contract import record_features
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.outcome import quiet_fits, set_fitted
from gmm._estimators.request import fit_settings
from gmm._estimators.scorer import Scorer
from gmm._exceptions import warn
from gmm._fitting.degenerate import Degeneracy, Resolution
from gmm._fitting.fit import fit_mixture
from gmm._fitting.sampling import common_seed, start_seeds
from gmm._fitting.split_merge import halve_component, halve_widest
from gmm._fitting.starts import FitSettings, StartSettings, choose_best, short_runs
from gmm._passes.e_step import iter_replicates
from gmm._passes.problem import Continuation, Problem
from gmm._passes.solver import SolverResult
from gmm._rows.incomplete import IncompleteSource
from gmm._rows.input import Names, as_one_array, as_source_to_fit, check_enough_rows
from gmm._rows.sources import ArraySource, Source
from gmm._selection import request
from gmm._selection.solutions import share_moved
from gmm._selection.standard import comparable_fits, in_original_units, log_volume
from gmm._text.words import counted
from gmm._validation.checks import check_limits
from gmm._validation.combinations import check_compatible
from gmm._validation.parameters import MOST_STARTS, check_callback, check_random_state, features_of, is_default
from gmm._validation.scalars import MOST_REPLICATES, check_real, check_whole, is_whole
from gmm._values.coordinates import Coordinates
from gmm._values.covariance import DEFAULT_COVARIANCE_TYPE
from gmm._values.layouts import Array, SingularMatrixError
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics

Rows = NDArray[Any]
Halves = Sequence[Rows]  # two
Fits = Sequence[Sequence[GaussianMixture]]  # to each half, of every number of components
_Result = TypeVar("_Result", "SplitLRT", "Stability")
Seed = int | np.random.RandomState | np.random.Generator | None

_OF_ESTIMATORS = "get_params", "fit", "score_samples"
_SPLIT_PASSES = 15
_MORE_STARTS = 10  # of fits, until one has no degenerate component


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Log-likelihood of held-out rows, fold by fold.

    Attributes
    ----------
    folds : ndarray of float64, shape (n_splits,)
        Mean log-likelihood of each fold under the fit to the others, in nats per row (per unit weight).
    weights : ndarray of float64, shape (n_splits,)
        Number of rows of each fold, or the sum of their weights.
    """

    folds: Array
    weights: Array

    @property
    def mean(self) -> float:
        """Mean over all rows, each held out once, in nats per row."""
        return float(np.average(self.folds, weights=self.weights))

    @property
    def standard_error(self) -> float:
        """Standard error of the mean, from the spread of the folds, in nats per row."""
        return float(self.folds.std(ddof=1) / np.sqrt(len(self.folds)))

    def __repr__(self) -> str:
        """Return the mean and its standard error."""
        return f"HeldOut({self.mean:.4f} ± {self.standard_error:.4f} nats per row, {len(self.folds)} folds)"


def held_out_log_likelihood(
    estimator: Any, X: Any, *, n_splits: int = 5, random_state: Seed = None, sample_weight: ArrayLike | None = None
) -> HeldOut:
    """Estimate the log-likelihood of new rows by cross-validation (Smyth 2000).

    The rows are split into folds at random; each fold is scored under a fit to the others.

    Parameters
    ----------
    estimator : GaussianMixture
        This, or any density estimator with `get_params`, `fit` and `score_samples`. A copy is fitted for each fold; the
        estimator itself does not change.
    X : array-like or data frame of shape (n, d)
        The rows.
    n_splits : int, default=5
        Number of folds.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the split into folds. The copies have that of the estimator.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows. Whole numbers count copies of a row, which may be in several folds; with other weights, a
        row is in one fold.

    Returns
    -------
    HeldOut
        Mean log-likelihood of each fold and of all rows; larger is better.

    Raises
    ------
    ValueError
        If the data or `n_splits` are invalid, or rows are too few without a fold. If a fit fails, a note on the error
        names the fold.

    References
    ----------
    P. Smyth (2000). Model selection for probabilistic clustering using cross-validated likelihood. *Statistics and
    Computing* 10, 63-72.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import GaussianMixture
    >>> from gmm.inference import held_out_log_likelihood
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-4, 1, (100, 1)), rng.normal(4, 1, (100, 1))])
    >>> means = [held_out_log_likelihood(GaussianMixture(k), X, random_state=0).mean for k in (1, 2)]
    >>> np.round(means, 1)
    array([-2.8, -2.1])
    """
    if isinstance(estimator, type) or not all(hasattr(estimator, name) for name in _OF_ESTIMATORS):
        raise TypeError(
            f"expected a density estimator with {', '.join(_OF_ESTIMATORS)}, got {type(estimator).__name__}"
        )
    missing = getattr(estimator, "missing", None)
    table = _one_table(X, sample_weight, held_out_log_likelihood.__name__, missing)
    table = request.repeated(table) or table.select_rows(np.flatnonzero(table.weights))
    K = getattr(estimator, "n_components", 1)
    request.check_folds(table.n_rows, n_splits, K if is_whole(K) else 1)
    folds, means = request.folds_of(table.n_rows, n_splits, check_random_state(random_state)), np.empty(n_splits)
    for number, fold in enumerate(folds):
        others, part = table.select_rows(np.delete(np.arange(table.n_rows), fold)), table.select_rows(fold)
        try:
            weight = {} if others.sample_weight is None else {"sample_weight": others.sample_weight}  # not all have it
            fitted = type(estimator)(**deepcopy(estimator.get_params(deep=False))).fit(others.rows, **weight)
        except Exception as error:
            error.add_note(f"In fold {number + 1} of {n_splits}, fitted to {others.n_rows} rows.")
            raise
        means[number] = np.average(fitted.score_samples(part.rows), weights=part.sample_weight)
    return HeldOut(means, np.array([table.weights[fold].sum() for fold in folds]))


def _one_table(X: Any, sample_weight: Any, caller: str, missing: str | None) -> ArraySource:
    """Return rows with their weights, checked once for all fits."""
    return as_one_array(as_source_to_fit(X, sample_weight, estimator=caller, missing=missing), caller, gaps=True)


class _Comparison(NamedTuple):
    """Rows from which tables are drawn, and the parameters of fits to these tables.

    `rows` (n, d) are repeated by their weights, in `units` in which columns have the same width; None if these are the
    given ones. `parameters` are those of each fit.
    """

    rows: Rows
    names: Names
    parameters: dict[str, Any]
    units: Coordinates | None


def _prepare_comparison(
    X: Any, sample_weight: Any, caller: str, n_components: int, parameters: dict[str, Any], n_parts: int = 1
) -> _Comparison:
    """Check rows, of which each part must suffice for so many components, and the parameters of the fits.

    Raises
    ------
    TypeError
        If there is no such parameter, or it applies to a single fit.
    ValueError
        If weights do not count rows, or rows are too few, or a feature excludes the comparison.
    """
    request.check_comparable(parameters, caller)
    check_compatible(caller, features_of(GaussianMixture(**parameters)))
    table = _one_table(X, sample_weight, caller, parameters.get("missing", "error"))
    counted_table = request.repeated(table)
    if counted_table is None:
        weight = table.weights
        row = int((weight != np.floor(weight)).argmax())
        raise ValueError(
            f"{caller} draws from the rows: expected whole numbers in sample_weight, counts of each row, of "
            f"at most {request.MOST_REPEATED:,} in all; got {weight[row]:.6g} in row {row}, and "
            f"{weight.sum():,.6g} in all"
        )
    check_enough_rows(counted_table.n_rows // n_parts, n_components)
    rows, settings, units = comparable_fits(counted_table.rows, parameters)
    return _Comparison(rows, table.feature_names, settings, units)


@dataclass(frozen=True)
class Replicate:
    """One replicate, as passed to the callback of `bootstrap_lrt`.

    Attributes
    ----------
    number, n_replicates : int
        Index of the replicate, from 0, and the number requested.
    statistic : float
        Test statistic of the replicate; NaN if it is omitted, because no mixture of K components could be fitted.
    p_value : float
        p-value from this replicate and those before it.
    """

    number: int
    n_replicates: int
    statistic: float
    p_value: float


@dataclass(frozen=True, eq=False, repr=False)
class BootstrapLRT:
    """Result of a test of K components against K + 1.

    Attributes
    ----------
    statistic : float
        −2 log λ = 2 (log-likelihood of K + 1 − log-likelihood of K), never negative.
    replicates : ndarray of float64, shape (n_kept,)
        Statistics of data drawn from the mixture of K components.
    null, alternative : GaussianMixture
        The mixtures of K and of K + 1 components, fitted to the data.
    n_replicates : int
        Number of replicates requested; fewer were made if the callback ended the test.
    n_left_out : int
        Number of replicates that are omitted: every fit of K components to them has degenerate ones.
    """

    statistic: float
    replicates: Array
    null: GaussianMixture
    alternative: GaussianMixture
    n_replicates: int
    n_left_out: int = 0

    @property
    def p_value(self) -> float:
        """(1 + number of replicates at least as large) / (1 + number of replicates); small is evidence against K.

        Omitted replicates do not count.
        """
        return float(1 + (self.replicates >= self.statistic).sum()) / (1 + len(self.replicates))

    def __repr__(self) -> str:
        """Return a summary of the test."""
        K, n_values = self.null.n_components, len(self.replicates)
        of = "" if n_values == self.n_replicates else f" of {self.n_replicates}"
        median, high = np.quantile(self.replicates, [0.5, 0.95])
        kind = fitted_parameters(self.null).model.printed(self.null.n_features_in_)
        omissions = f"; {self.n_left_out} more could not be fitted" if self.n_left_out else ""
        return (
            f"BootstrapLRT of {K} against {K + 1} components, {kind}: p = {self.p_value:.3g}\n"
            f"−2 log λ = {self.statistic:.2f}; of {n_values}{of} tables drawn from "
            f"{counted(K, 'component')}, half have more than {median:.2f}, 5 % more than {high:.2f}{omissions}"
        )


def bootstrap_lrt(
    X: Any,
    n_components: int,
    *,
    covariance_type: str = DEFAULT_COVARIANCE_TYPE,
    n_replicates: int = 99,
    n_init: int = 3,
    random_state: Seed = None,
    n_threads: int | None = None,
    sample_weight: ArrayLike | None = None,
    callback: Callable[[Replicate], object] | None = None,
    **parameters: Any,
) -> BootstrapLRT:
    """Test K components against K + 1 by a bootstrapped likelihood ratio (McLachlan 1987).

    The usual χ² distribution does not hold for a number of components. Both mixtures are therefore fitted to the data
    and to many tables drawn from the smaller one. The p-value is the share of tables on which the additional component
    gains at least as much. Drawn tables have the missing values of the data, in random rows, and their columns the
    steps of the data, such as 0.1.

    Only valid fits are compared: the likelihood of a fit with a degenerate component, on few rows, on ties or with a
    singular covariance, is no evidence. If ten more starts find no valid fit of K + 1 components, the statistic is 0;
    for the data, with a warning. Drawn tables without a valid fit of K components are omitted; `n_left_out` counts
    them.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d)
        The rows.
    n_components : int
        K, the smaller number.
    covariance_type : str, default="full"
        The covariance type of both mixtures.
    n_replicates : int, default=99
        Number of tables to draw; the smallest possible p-value is 1 / (1 + n_replicates).
    n_init : int, default=3
        Number of starts of each fit, and up to ten more until one is valid, at random rows instead of the default
        start. Fits of K + 1 components also start from the mixture of K with one component split; on replicates, fits
        of K also start from the mixture from which the table was drawn.
    random_state : int, RandomState, Generator or None, default=None
        Seed of starts and draws. A generator is advanced by one draw.
    n_threads : int or None, default=None
        Number of threads; None uses all available cores. The result does not depend on it.
    sample_weight : array-like of int of shape (n,), default=None
        Number of copies of each row.
    callback : callable, default=None
        Called with a `Replicate` after each replicate, in order. If it returns True, the test ends with those so far.
    **parameters
        Other parameters of `GaussianMixture`, such as `n_factors`, the same for all fits. The defaults are
        ``tol=1e-5, max_iter=1000``, and `reg_covar` is in the units of the columns, as in `select`.

    Returns
    -------
    BootstrapLRT
        Statistic, replicates, p-value and both mixtures. If no valid mixture of K + 1 components is better than that of
        K, the alternative is the latter with one component as two halves.

    Raises
    ------
    ValueError
        If the data or a number are invalid, or there is no valid mixture of K components, or none for any drawn table.

    Warns
    -----
    UserWarning
        If there is no valid mixture of K + 1 components.
    TypeError
        If `GaussianMixture` has no such parameter, or it applies to a single fit.

    References
    ----------
    G. J. McLachlan (1987). On bootstrapping the likelihood ratio test statistic for the number of components in a
    normal mixture. *Applied Statistics* 36, 318-324.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm.inference import bootstrap_lrt
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-4, 1, (100, 1)), rng.normal(4, 1, (100, 1))])
    >>> bootstrap_lrt(X, 1, n_replicates=19, random_state=0).p_value
    0.05
    >>> bootstrap_lrt(X, 2, n_replicates=19, random_state=0).p_value > 0.1
    True
    """
    callback = check_callback(callback)
    n_components = check_whole(n_components, "n_components")
    n_init = check_whole(n_init, "n_init", 1, MOST_STARTS)
    n_replicates = check_whole(n_replicates, "n_replicates", 1, MOST_REPLICATES)
    parameters |= {"covariance_type": covariance_type, "n_init": n_init, "n_threads": n_threads}
    compared = _prepare_comparison(X, sample_weight, bootstrap_lrt.__name__, n_components + 1, parameters)
    rng = np.random.default_rng(common_seed(random_state))
    rows, units = compared.rows, compared.units
    with quiet_fits():
        observed = _pair(rows, n_components, compared.parameters, int(rng.integers(2**31)))
        if observed.failure is not None:
            reason = f"No valid fit of {n_components + 1} components was found: {observed.failure}"
            warn("statistic of 0", reason)
        null, alternative = observed.estimators()
        if units is not None:
            source = observed.null.source
            raised = -log_volume(source, units) / source.survey.weight
            null, alternative = (in_original_units(fit, units, raised) for fit in (null, alternative))
        for fit in (null, alternative):
            record_features(fit, rows.shape[1], compared.names)
        test = BootstrapLRT(observed.statistic, np.empty(0), null, alternative, n_replicates)
        return _add_replicates(test, compared, observed.null, rng, callback)


def _add_replicates(
    test: BootstrapLRT,
    compared: _Comparison,
    fit: _Fit,
    rng: np.random.Generator,
    callback: Callable[[Replicate], object] | None,
) -> BootstrapLRT:
    """Return a test with its replicates, in the same order for all numbers of threads, until the callback ends it.

    `fit` has K components, and is to the rows.
    """
    observed, parameters, null = compared.rows, compared.parameters, fit.result.parameters
    gaps, survey = np.isnan(observed), fit.source.survey
    (origin, _), steps = survey.box, survey.steps
    width = np.where(steps > 0, steps, 1.0)

    def statistic(seed: int, n_threads: int | None) -> float:
        draws = np.random.default_rng(seed)
        rows, _ = null.sample(len(gaps), draws)
        rows = np.where(steps > 0, origin + np.round((rows - origin) / width) * width, rows).astype(observed.dtype)
        if gaps.any():
            draws.shuffle(rows)  # they are ordered by component, and the gaps are not
            rows[gaps] = np.nan
        try:
            arguments = parameters | {"n_threads": n_threads}
            return _pair(rows, null.n_components, arguments, int(draws.integers(2**31)), null).statistic
        except _NoValidFitError:
            return nan

    seeds, statistics = rng.integers(2**63, size=test.n_replicates).tolist(), list[float]()
    work = float(len(observed) * (null.n_components + 1) * null.n_features**2)
    with closing(iter_replicates(statistic, seeds, work=work, n_threads=parameters["n_threads"])) as values:
        for number, value in enumerate(values):
            statistics.append(value)
            is_missing = np.isnan(statistics)
            test = replace(test, replicates=np.array(statistics)[~is_missing], n_left_out=int(is_missing.sum()))
            test.replicates.flags.writeable = False
            if callback is not None and callback(Replicate(number, test.n_replicates, value, test.p_value)):
                break
    if not len(test.replicates):
        raise ValueError(
            f"all fits of {test.null.n_components} components to the {test.n_left_out} drawn tables are degenerate, so "
            "there is nothing to compare with. Use fewer components, a larger reg_covar or another n_init."
        )
    return test


class _Fit(NamedTuple):
    """The best valid fit of a number of components to a table, and the parameters that repeat it."""

    source: Source
    settings: FitSettings
    result: SolverResult
    parameters: dict[str, Any]
    loglik: float

    def estimator(self) -> GaussianMixture:
        """Return it as a fitted mixture."""
        mixture, mixture_of_fit = GaussianMixture(**self.parameters), self.result.parameters
        set_fitted(mixture, self.result, self.source, None, self.settings.objective.stored_for(mixture_of_fit.model))
        return mixture


class _Pair(NamedTuple):
    """Both fits of a test to the same rows; no alternative if none is better, and the reason if none is valid."""

    null: _Fit
    alternative: _Fit | None
    failure: _NoValidFitError | None = None

    @property
    def statistic(self) -> float:
        """Return −2 log λ."""
        return 2 * (self.alternative.loglik - self.null.loglik) if self.alternative else 0.0

    def estimators(self) -> tuple[GaussianMixture, GaussianMixture]:
        """Return both mixtures; without an alternative, the null with its heaviest component as two halves."""
        null = self.null.estimator()
        if self.alternative:
            return null, self.alternative.estimator()
        parameters = self.null.result.parameters
        halved = halve_component(parameters, int(np.argmax(parameters.weights)))
        settings = null.get_params() | {"n_components": halved.n_components}
        return null, estimator_of(GaussianMixture, halved, **settings)


def _pair(
    rows: Rows, n_components: int, parameters: dict[str, Any], seed: int, truth: MixtureParameters | None = None
) -> _Pair:
    """Fit K and K + 1 components with these parameters; K also from the true mixture, if known.

    Raises
    ------
    _NoValidFitError
        If every fit of K components has degenerate ones.
    """
    source: Source = ArraySource(rows)
    if np.isnan(rows).any():
        source = IncompleteSource.from_rows(ArraySource(rows))
    null = _best_fit(source, n_components, parameters, seed, truth)
    try:
        alternative = _best_fit(source, n_components + 1, parameters, seed, _split_start(null))
    except _NoValidFitError as error:
        return _Pair(null, None, error)
    return _Pair(null, alternative if alternative.loglik >= null.loglik else None)


def _best_fit(
    source: Source, n_components: int, parameters: dict[str, Any], seed: int, mixture: MixtureParameters | None
) -> _Fit:
    """Return the valid fit of the highest likelihood, from starts and a mixture, if there is one."""
    template = GaussianMixture(n_components, **parameters | {"n_init": 1})
    settings, arguments = fit_settings(template, source), template.get_params()
    objective, start = settings.objective, settings.start
    degeneracy = Degeneracy(objective.model, Resolution.from_source(source, objective.ridge))
    n_init = parameters["n_init"] if n_components > 1 else 1  # all starts of one component are the same
    if n_components == 1 and objective.is_plain and not objective.noise:
        mixture = None
    starts = list[tuple[dict[str, Any], StartSettings, Continuation | None]]()
    if mixture is not None and mixture.model.stores_dense and not mixture.noise:
        parts = request.parts_of(mixture, objective.model)
        starts.append(({f"{name}_init": values for name, values in parts.items()}, StartSettings("", parts), None))
    elif mixture is not None:  # with noise or factors, weights and covariances are no starting values
        starts.append(({}, start, Continuation(mixture.with_other(noise=objective.noise))))
    n_requested = len(starts) + n_init
    for number, each in enumerate(start_seeds(seed, n_init + _MORE_STARTS)):
        options: dict[str, Any] = {"random_state": each}
        initial = start
        if is_default(template.init_params, "kmeans"):
            # Default starts differ so little that all lead to the same degenerate mixture.
            options["init_params"] = "random_from_data" if number >= n_init else start.method
            initial = start._replace(method=options["init_params"])
        starts.append((options, initial, None))
    best: tuple[SolverResult, dict[str, Any]] | None = None
    for number, (options, initial, continuation) in enumerate(starts):
        if best is not None and number >= n_requested:
            break
        seeds = start_seeds(options.get("random_state", 0), 1)
        with suppress(SingularMatrixError):
            result = fit_mixture(source, settings._replace(start=initial), seeds, continuation=continuation).result
            is_higher = best is None or result.lower_bound > best[0].lower_bound
            if is_higher and not degeneracy(result.parameters).any():
                best = result, arguments | options
    if best is None:
        raise _NoValidFitError(n_components, len(starts))
    # A bound is below the likelihood, because the ridge is added to the covariances.
    loglik = Scorer(best[0].parameters, settings.n_threads).log_likelihood(source)
    return _Fit(source, settings, *best, loglik)


def _split_start(null: _Fit) -> MixtureParameters | None:
    """Return a start of K + 1 components: the best of short runs that each split one component of `null`."""
    parameters, source, template = null.result.parameters, null.source, GaussianMixture(**null.parameters)
    limits = check_limits(template, parameters.model, parameters.n_components + 1)
    objective = Objective(parameters.model, template.reg_covar, **limits).for_mixture(parameters)
    problem = Problem(source, objective, template.n_threads)
    splits: Iterable[MixtureParameters | SufficientStatistics]
    if parameters.model.stores_dense:
        with problem.e_step() as e_step:
            statistics = e_step(parameters.whitened())
        (K, d), layout, covariances = parameters.means.shape, parameters.model.layout, parameters.covariances
        splits = [statistics.split(k, K, OFFSET * layout.widest(covariances, k, d)) for k in range(K)]
    else:
        splits = halve_widest(parameters)
    best = choose_best(problem, short_runs(problem, splits, _SPLIT_PASSES))
    is_valid = best is not None and Degeneracy.for_fits(objective, source).first(best) < 0
    return best.parameters if best is not None and is_valid else None


class _NoValidFitError(ValueError):
    """Every fit of so many components to a table has a degenerate component."""

    def __init__(self, n_components: int, n_starts: int) -> None:
        super().__init__(
            f"every fit of {counted(n_components, 'component')}, from {counted(n_starts, 'start')}, has a degenerate "
            "component (too few rows or too little variance). Use fewer components, a larger reg_covar or n_init, or "
            "noise=True."
        )


_RANDOM_LABELS = 20  # pairs of random labellings; disagreements are in units of their mean


@dataclass(frozen=True, eq=False, repr=False)
class _Splits:
    """A number for each K and each random split into halves; fewer splits if a callback ended the work."""

    n_components: NDArray[np.intp]
    splits: Array
    n_splits: int

    @property
    def _heading(self) -> str:
        made = self.splits.shape[1]
        of = "" if made == self.n_splits else f" of {self.n_splits}"
        return f"{type(self).__name__}, mean of {made}{of} split{'s' if self.n_splits > 1 else ''}"


class SplitLRT(_Splits):
    """E-values against "at most K components", for each K.

    Attributes
    ----------
    n_components : ndarray of int, shape (m,)
        The numbers K.
    splits : ndarray of float64, shape (m, n_splits)
        Natural logarithms of the e-values of each split, which are means of both directions.
    n_splits : int
        Number of splits requested; fewer were made if the callback ended the test.
    """

    @property
    def e_values(self) -> Array:
        """Mean e-value over the splits, (m,): its expectation is at most 1 if K components suffice."""
        with np.errstate(over="ignore"):
            return np.exp(np.logaddexp.reduce(self.splits, axis=1)) / self.splits.shape[1]

    @property
    def p_values(self) -> Array:
        """min(1, 1 / e-value), (m,): below α with a probability of at most α if K components suffice."""
        with np.errstate(divide="ignore"):
            return np.minimum(1.0, 1 / self.e_values)

    def confidence_set(self, level: float = 0.95) -> NDArray[np.intp]:
        """Return the numbers K not rejected at this confidence level, in increasing order.

        With probability `level` at least, the set contains the smallest number that suffices, if it was tested. Numbers
        above the largest K that was tested are never rejected.

        Raises
        ------
        ValueError
            If `level` is not between 0 and 1.
        """
        return self.n_components[self.p_values > 1 - check_real(level, "level", "(0, 1)")]

    def __repr__(self) -> str:
        """Return the e-value of each K."""
        lines = [self._heading]
        for K, e, p in zip(self.n_components, self.e_values, self.p_values, strict=True):
            lines.append(f"at most {K:2d} component{'s' if K > 1 else ' '}: e = {e:.3g}, p ≤ {p:.3g}")
        return "\n".join(lines)


class Stability(_Splits):
    """Disagreement between partitions of the same rows by fits to other rows, for each number of components.

    Attributes
    ----------
    n_components : ndarray of int, shape (m,)
        The numbers K, at least 2.
    splits : ndarray of float64, shape (m, n_splits)
        Share of rows with another label, after the best renumbering, over that share for random labels: 0 if the
        partition is the same, 1 if it is no better than random.
    n_splits : int
        Number of splits requested; fewer were made if the callback ended the work.
    """

    @property
    def curve(self) -> Array:
        """Mean disagreement of each K, (m,); small is stable."""
        return self.splits.mean(axis=1)

    @property
    def standard_errors(self) -> Array:
        """Standard errors of `curve` from the spread of the splits, (m,); NaN for a single split."""
        n = self.splits.shape[1]
        return self.splits.std(axis=1, ddof=1) / np.sqrt(n) if n > 1 else np.full(len(self.curve), np.nan)

    @property
    def best(self) -> int:
        """The most stable K; the largest of equals."""
        return int(self.n_components[np.flatnonzero(self.curve == self.curve.min())[-1]])

    def __repr__(self) -> str:
        """Return the curve, and its smallest value."""
        lines = [f"{self._heading} (0 is stable, 1 random)"]
        for K, value, error in zip(self.n_components, self.curve, self.standard_errors, strict=True):
            lines.append(f"{'★' if self.best == K else ' '} {K:2d} components: {value:.3f} ± {error:.3f}")
        return "\n".join(lines)


def split_lrt(
    X: Any,
    n_components: int | Iterable[int],
    *,
    covariance_type: str = DEFAULT_COVARIANCE_TYPE,
    n_splits: int = 20,
    n_init: int = 5,
    random_state: Seed = None,
    n_threads: int | None = None,
    sample_weight: ArrayLike | None = None,
    callback: Callable[[SplitLRT], object] | None = None,
    **parameters: Any,
) -> SplitLRT:
    """Test "at most K components" by the split likelihood ratio (Wasserman, Ramdas & Balakrishnan 2020).

    The rows are split into halves at random. Mixtures with more than K components are fitted to one half, and the one
    of the best BIC is compared, on the other half, with the mixture of K components that is most likely there: the
    ratio of likelihoods, averaged over both directions and all splits, is an e-value. If K components suffice, its
    expectation is at most 1, so it exceeds 1 / α with a probability of at most α: without a bootstrap, for any number
    of rows. That guarantee costs power, half of the rows and more: if components overlap, an e-value below 1 / α is
    little evidence for K. To choose K, use `select`; `bootstrap_lrt` has more power to find that one more component is
    significant.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d)
        The rows; they must be independent.
    n_components : int or iterable of int
        The numbers K to test. Alternatives to each have K + 1 components to one more than the largest.
    covariance_type : str, default="full"
        The covariance type of all mixtures: the test is within that model.
    n_splits : int, default=20
        Number of random splits into halves.
    n_init : int, default=5
        Number of starts of each fit. A fit of K components that misses the highest likelihood overstates the evidence.
    random_state : int, RandomState, Generator or None, default=None
        Seed of splits and starts. A generator is advanced by one draw.
    n_threads : int or None, default=None
        Number of threads; None uses all available cores. The result does not depend on it.
    sample_weight : array-like of int of shape (n,), default=None
        Number of copies of each row.
    callback : callable, default=None
        Called with the `SplitLRT` so far after each split. If it returns True, the test ends with these splits.
    **parameters
        Other parameters of `GaussianMixture`, the same for all fits. The defaults are ``tol=1e-5, max_iter=1000``,
        and `reg_covar` is in the units of the columns, as in `select`.

    Returns
    -------
    SplitLRT
        The e-values of all splits, their means, p-values, and a confidence set for K.

    Raises
    ------
    ValueError
        If the data or a number are invalid, or halves have fewer rows than components. If a fit fails, a note on the
        error names the split.
    TypeError
        If `GaussianMixture` has no such parameter, or it applies to a single fit.

    References
    ----------
    L. Wasserman, A. Ramdas & S. Balakrishnan (2020). Universal inference. *Proceedings of the National Academy of
    Sciences* 117, 16880-16890; equations 6 (split) and 8 (both directions), section 6 (mixtures).

    Examples
    --------
    >>> import numpy as np
    >>> from gmm.inference import split_lrt
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-4, 1, (100, 1)), rng.normal(4, 1, (100, 1))])
    >>> test = split_lrt(X, range(1, 4), random_state=0)
    >>> bool(test.p_values[0] < 1e-6)
    True
    >>> test.confidence_set()
    array([2, 3])
    """
    callback = check_callback(callback)
    numbers = _numbers(n_components, 1)
    all_numbers = sorted({*numbers, *range(numbers[0] + 1, numbers[-1] + 2)})
    parameters |= {"covariance_type": covariance_type, "n_init": n_init, "n_threads": n_threads}
    compared = _prepare_comparison(X, sample_weight, split_lrt.__name__, all_numbers[-1], parameters, n_parts=2)
    test = SplitLRT(np.array(numbers), np.empty((len(numbers), 0)), n_splits)
    return _add_splits(test, compared, all_numbers, partial(_log_e_values, numbers=numbers), random_state, callback)


def stability(
    X: Any,
    n_components: int | Iterable[int],
    *,
    covariance_type: str = DEFAULT_COVARIANCE_TYPE,
    n_splits: int = 20,
    n_init: int = 3,
    random_state: Seed = None,
    n_threads: int | None = None,
    sample_weight: ArrayLike | None = None,
    callback: Callable[[Stability], object] | None = None,
    **parameters: Any,
) -> Stability:
    """Measure how well a partition is reproduced from other rows (Lange, Roth, Braun & Buhmann 2004).

    The rows are split into halves at random, and a mixture is fitted to each. Both label the rows of the second half;
    the share of rows on which they disagree, after the best renumbering, is divided by that of random labels, so that
    numbers of components can be compared. It is undefined for K = 1, and prefers few, well separated groups: if
    clusters overlap, it counts too few. Heavy tails, for which BIC adds components, do not mislead it.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d)
        The rows.
    n_components : int or iterable of int
        The numbers K to compare, at least 2.
    covariance_type : str, default="full"
        The covariance type of all mixtures.
    n_splits : int, default=20
        Number of random splits into halves.
    n_init : int, default=3
        Number of starts of each fit.
    random_state : int, RandomState, Generator or None, default=None
        Seed of splits and starts. A generator is advanced by one draw.
    n_threads : int or None, default=None
        Number of threads; None uses all available cores. The result does not depend on it.
    sample_weight : array-like of int of shape (n,), default=None
        Number of copies of each row.
    callback : callable, default=None
        Called with the `Stability` so far after each split. If it returns True, the work ends with these splits.
    **parameters
        Other parameters of `GaussianMixture`, the same for all fits. The defaults are ``tol=1e-5, max_iter=1000``,
        and `reg_covar` is in the units of the columns, as in `select`.

    Returns
    -------
    Stability
        The disagreement of every split, their means, and the most stable K.

    Raises
    ------
    ValueError
        If the data or a number are invalid, or halves have fewer rows than components.
    TypeError
        If `GaussianMixture` has no such parameter, or it applies to a single fit.

    References
    ----------
    T. Lange, V. Roth, M. L. Braun & J. M. Buhmann (2004). Stability-based validation of clustering solutions. *Neural
    Computation* 16, 1299-1323; equations 5 (disagreement) and 13 (random labels).

    Examples
    --------
    >>> import numpy as np
    >>> from gmm.inference import stability
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(centre, 1, (100, 1)) for centre in (-8, 0, 8)])
    >>> stability(X, range(2, 6), random_state=0).best
    3
    """
    callback = check_callback(callback)
    numbers = _numbers(n_components, 2)
    parameters |= {"covariance_type": covariance_type, "n_init": n_init, "n_threads": n_threads}
    compared = _prepare_comparison(X, sample_weight, stability.__name__, numbers[-1], parameters, n_parts=2)
    curve = Stability(np.array(numbers), np.empty((len(numbers), 0)), n_splits)
    return _add_splits(curve, compared, numbers, _disagreements, random_state, callback)


def _add_splits(
    result: _Result,
    compared: _Comparison,
    numbers: Sequence[int],
    measure: Callable[[Halves, Fits], Array],
    random_state: Seed,
    callback: Callable[[_Result], object] | None,
) -> _Result:
    """Return a result with a measure of the fits to both halves of each split, until a callback ends it."""
    rows, parameters, rng = compared.rows, compared.parameters, np.random.default_rng(common_seed(random_state))
    seeds = rng.integers(2**31, size=check_whole(result.n_splits, "n_splits")).tolist()

    def measure_split(seed: int, n_threads: int | None) -> Array:
        order = np.random.default_rng(seed).permutation(len(rows))
        halves = [rows[np.sort(part)] for part in np.array_split(order, 2)]
        arguments = parameters | {"random_state": seed, "n_threads": n_threads}
        with quiet_fits():
            fits = [[GaussianMixture(K, **arguments).fit(half) for K in numbers] for half in halves]
        return measure(halves, fits)

    work = float(len(rows) / 2 * numbers[-1] * rows.shape[1] ** 2)
    with closing(iter_replicates(measure_split, seeds, work=work, n_threads=parameters["n_threads"])) as values:
        for column in values:
            result = replace(result, splits=np.column_stack([result.splits, column]))
            result.splits.flags.writeable = False
            if callback is not None and callback(result):
                break
    return result


def _numbers(n_components: int | Iterable[int], least: int) -> list[int]:
    numbers = sorted(request.requested_components(n_components))
    check_whole(numbers[0], "n_components", least)
    return numbers


def _log_e_values(halves: Halves, fits: Fits, numbers: Sequence[int]) -> Array:
    """Return log e-values of one split, (m,), averaged over its two directions (Wasserman et al., equation 8).

    In each, nulls and likelihoods are those of one half. The alternatives are fitted to the other one, and the one with
    the best BIC there is compared (equation 6).
    """
    log_ratios = list[Array]()
    for (half, nulls), (other, alternatives) in permutations(zip(halves, fits, strict=True)):
        likelihoods = {null.n_components: null.log_likelihood(half) for null in nulls}
        highest = {K: max(value for n, value in likelihoods.items() if n <= K) for K in numbers}
        scores = [(each.bic(other), each.log_likelihood(half), each.n_components) for each in alternatives]
        best = [min(score for score in scores if score[2] > K)[1] for K in numbers]
        log_ratios.append(np.array(best) - [highest[K] for K in numbers])
    return np.asarray(np.logaddexp(log_ratios[0], log_ratios[1]) - np.log(2))


def _disagreements(halves: Halves, fits: Fits) -> Array:
    """Return the disagreement of both fits on the second half, (m,), over that of random labels (Lange et al.)."""
    half, shares = halves[1], []
    for one, other in zip(*fits, strict=True):
        K = one.n_components
        pairs = np.random.default_rng([len(half), K]).integers(K, size=(_RANDOM_LABELS, 2, len(half)))
        by_chance = [share_moved(first, second) for first, second in pairs]
        shares.append(share_moved(one.predict(half), other.predict(half)) / np.mean(by_chance))
    return np.array(shares)


BootstrapLRT.__module__ = HeldOut.__module__ = Replicate.__module__ = bootstrap_lrt.__module__ = "gmm.inference"
held_out_log_likelihood.__module__ = "gmm.inference"
SplitLRT.__module__ = Stability.__module__ = split_lrt.__module__ = stability.__module__ = "gmm.inference"
