"""How mixtures are fitted by passes over rows: `fit`, `fit_predict`, `impute`, warm starts, and fits kept in a file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm import _fitting as fitting
from gmm._estimators.contract import Estimator
from gmm._estimators.factors import stored_beside
from gmm._estimators.fitted import (
    FittedMixture,
    checked_for,
    model_of,
    objective_of,
    record_of,
    set_mixture,
    source_of,
)
from gmm._estimators.labelled import known_classes, record_classes
from gmm._estimators.outcome import (
    FitRecord,
    ProgressPrinter,
    fit_attributes,
    ill_defined,
    warn_about,
    warn_of_light_rows,
    warn_of_units,
)
from gmm._exceptions import LostClusterError, answer_of
from gmm._log import LOGGER, follows_passes
from gmm._passes.problem import Beginning, SolverSettings
from gmm._passes.solver import Iteration, SolverResult, Trace
from gmm._rows.entrance import Names, as_source_to_fit, is_dask
from gmm._rows.sources import Source, box_of, followed
from gmm._text.frames import framed_like
from gmm._validation.combinations import check_together, refuse
from gmm._validation.given import (
    check_coordinates,
    check_noise,
    check_responsibilities,
    check_ridge,
    check_spread,
    check_weights_init,
)
from gmm._validation.parameters import (
    check_callback,
    check_parameters,
    check_random_state,
    features_of,
    is_default,
    options_with,
)
from gmm._validation.scalars import check_boolean
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import Array, SingularMatrixError
from gmm._values.noise import Noise
from gmm._values.objective import Objective
from gmm._values.parameters import NOTHING_FIXED, Fixed, MixtureParameters
from gmm._values.priors import ConjugatePrior, NormalInverseWishart, parts
from gmm._values.statistics import SufficientStatistics


def kept_journal(
    estimator: Estimator,
    source: Source,
    settings: fitting.starts.FitSettings,
    seeds: tuple[int, ...],
    checkpoint: str | os.PathLike[str] | None,
    resume: bool,
) -> tuple[fitting.fit.Journal, AbstractContextManager[None]]:
    """Return the journal of a fit, at its beginning or where it had come, and the context in which a file keeps it.

    Raises
    ------
    ValueError
        If the file is damaged or of another fit.
    """
    from gmm._persistence.checkpoints import Checkpoint

    same = what_must_be_same(estimator, source)
    same |= {"a digest of the labels": source.known.fingerprint} if source.known else {}
    file = Checkpoint(checkpoint, same, resume)
    refuse("warm_start of a fitted mixture", {"checkpoint": not seeds})
    before = file.begin(settings.problem(source), settings.n_components)
    journal = fitting.fit.Journal(seeds if before is None else before, file.keep)
    return journal, file.during_work(lambda: file.write(journal.progress))


def what_must_be_same(estimator: Estimator, source: Source) -> dict[str, Any]:
    """Return the facts about an estimator and its rows on which the bits of a fit depend, as JSON values."""
    rows = f"{source.n_rows} × {source.n_features} {source.dtype}"
    same = {"the estimator": type(estimator).__name__, "the shape of X": rows, "a digest of X": source.fingerprint[:16]}
    free = options_with("continuation")
    return same | {name: _described(value) for name, value in estimator.get_params().items() if name not in free}


def _described(value: Any) -> Any:
    """Return a value that fits in JSON and differs where parameters do; generators count as one, for seeds are kept."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, NormalInverseWishart):
        return parts(value)
    if isinstance(value, Mapping):
        return {name: _described(each) for name, each in value.items()}
    if isinstance(value, np.random.RandomState | np.random.Generator):
        return "a generator"
    if callable(value):
        return getattr(value, "__qualname__", type(value).__name__)
    array = np.ascontiguousarray(value, dtype=np.float64)
    return f"an array of shape {array.shape}, {hashlib.blake2b(array.data, digest_size=8).hexdigest()}"


def prior_parts(mixture: FittedMixture) -> tuple[object, ...]:
    """Return the parameters that describe prior, noise, tails and limit, as values that compare equal."""
    raw = [vars(mixture)[name] for name in options_with("objective") if name in vars(mixture)]
    return tuple(np.asarray(parts(each)).tolist() for each in raw)


def check_same(
    mixture: FittedMixture, previous: MixtureParameters, model: CovarianceModel, source: Source, who: str, instead: str
) -> None:
    """Check that the parameters of the estimator still describe its mixture, which `who` continues."""
    expected = (previous.n_components, previous.model.type_name, previous.n_features, bool(previous.noise))
    requested = (mixture.n_components, model.type_name, source.n_features, not is_default(mixture.noise, False))
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
    if not mixture.warm_start:
        return None
    record = record_of(mixture)
    if (previous := record.parameters) is None:
        return None
    check_same(mixture, previous, objective.model, source, "warm_start", "Set warm_start=False")
    previous = previous.for_model(objective.model)
    same = objective.noise.equals(previous.noise) and objective.tails.equals(previous.tails)
    if not (same and objective.fixed.equals(previous.fixed)):
        return Beginning(previous.with_other(noise=objective.noise))
    if record.problem and record.problem != problem_of(mixture, source, objective.model):
        return Beginning(previous)
    if record.solver_state is None or mixture.acceleration is None:
        return Beginning(previous, record.bounds)
    solver_state = copy(record.solver_state)  # a fit that fails leaves the estimator as it was
    solver_state.tolerance = float(mixture.tol) / (source.survey.weight if objective.prior.variational else 1.0)
    ended = None
    if solver_state.converged and record.trace:
        statistics = SufficientStatistics.from_kernel(objective.model.moments, *solver_state.moments())
        last = replace(record.trace, records=record.trace.records[-1:])
        ended = SolverResult(previous, statistics, record.bounds[-1], last, state=solver_state)
    return Beginning(previous, record.bounds, solver_state, paused=ended)


_Mixture = TypeVar("_Mixture", bound=FittedMixture)
_NOT_KEPT: AbstractContextManager[None] = nullcontext()


def fit(
    self: _Mixture,
    X: ArrayLike,
    y: object = None,
    sample_weight: ArrayLike | None = None,
    callback: Callable[[Iteration], object] | None = None,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    labels: ArrayLike | None = None,
    components_per_class: int | Mapping[Any, int] = 1,
    error_covariance: ArrayLike | None = None,
) -> _Mixture:
    """Fit the mixture to rows.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        Rows. float32 rows give float32 results; integers are converted to float64.
    y : ignored
    sample_weight : array-like of shape (n,), default=None
        *Beyond*: weights of the rows; a row of weight 2 counts as two rows. Not with what `open_rows` returns,
        which has its own.
    callback : callable, default=None
        *Beyond*: called with an `Iteration` after each pass. A true return value ends the fit.
    checkpoint : str or os.PathLike, default=None
        *Beyond*: a file that keeps how far the fit has come. It is written before the first pass, after a pass
        where the last writing is five seconds and fifty times its own duration ago, and at the end. A fit that is
        killed loses what it did since. The file is replaced as a whole, so it is valid at any time; if it cannot be
        written during the fit, the one before stays, and a warning says so.
    resume : bool, default=False
        *Beyond*: continue the fit of the file `checkpoint` to the bits of a fit without interruption; begin it if
        there is no such file. X, its weights, the version of gmm and all parameters but `n_threads`, `verbose`,
        `verbose_interval` and `warm_start` must be the same; a callable counts by its name. A fit that had ended is
        returned as it was, one that a callback ended goes on.
    labels : array-like of shape (n,), default=None
        *Beyond*: the classes of rows, integers or strings; −1, None, NaN and masked values are unknown. Rows of a
        class belong to its components alone, and the others to any: semi-supervised EM. The likelihood of a row of
        known class is that of its class's part of the mixture. Components come in the order of the sorted classes, and
        behind them those of no class, which hold rows of unknown class alone.
    components_per_class : int or mapping of classes to int, default=1
        *Beyond*: how many components each class has, or some classes have if not 1. The rest of `n_components`
        belong to no class.
    error_covariance : array-like, default=None
        *Beyond*: what is known of measurement errors: variances of each column, (d,) in all rows or (n, d) row by row,
        or covariances, (d, d) or (n, d, d). The fit is then of the values without errors (extreme deconvolution: Bovy,
        Hogg & Roweis 2011). With `acceleration` and without a `prior`, covariances have a weak one, worth ten rows or
        more with the variances within k-means clusters, since errors may explain all spread in a direction; `print`
        tells how strong it was. Not for `BayesianGaussianMixture`.

    Returns
    -------
    Self
        The estimator itself.

    Raises
    ------
    ValueError, TypeError
        If the input is unusable; the message says where. With ``reg_covar=0``, also if a covariance becomes
        singular from every start; with `resume`, if the file is damaged or of another fit. The estimator is then
        unchanged.
    OSError
        If the file `checkpoint` cannot be written before the first pass.
    LostClusterError
        If the rows lie on a cluster that is gone. Its attribute `mixture` has the parameters of the last pass.

    Warns
    -----
    ConvergenceWarning
        If `max_iter` passes left `tol` or more to gain, by ``history_.remaining``, or a component lost all its rows and
        was reseeded. The text says how much is left, and at which pass scikit-learn's rule would have ended the fit.
    RuntimeWarning
        If the file `checkpoint` could not be written during the fit.
    UserWarning
        If no row of a class has a positive weight, so that it is left out.
    """
    check_parameters(self)
    callback = check_callback(callback)
    source, names = source_to_fit(self, X, sample_weight, error_covariance)
    classes, restriction = known_classes(labels, components_per_class, self.n_components, source)
    source = source.with_classes(restriction)
    printer = ProgressPrinter(self, self._objective, source.n_rows)

    def watched(iteration: Iteration) -> bool:
        printer.step(iteration)
        return callback is not None and callback(iteration)

    is_followed = self.verbose or callback is not None or follows_passes() or source.resident is None
    settings_for = partial(fit_settings, self, model=stored_beside(self, model_of(self, source.n_features), source))
    settings, share = settings_for(source), float(vars(self).get("trim", 0.0))
    refuse("checkpoint", features_of(self) if checkpoint is not None else {})
    model, beginning = settings.objective.model, beginning_of(self, settings.objective, source)
    of_rows = source.n_rows, source.n_features, settings.n_components, model.type_name
    LOGGER.info("fit: rows %d, features %d, components %d, %s", *of_rows)
    seeds = () if beginning else seeds_of(self, self.n_init)
    journal, keeping = fitting.fit.Journal(seeds), _NOT_KEPT
    if checkpoint is not None or resume is not False:
        journal, keeping = kept_journal(self, source, settings, seeds, checkpoint, resume)
    try:
        with keeping:
            rows = followed(source, printer.reading) if self.verbose else source
            how: dict[str, Any] = {"on_end": printer.end, "on_skip": printer.skip, "beginning": beginning}
            how["callback"] = watched if is_followed else None
            if share:
                best, rows, settings = fitting.fit.fit_trimmed(rows, share, settings, settings_for, seeds, **how)
            else:
                best, rows = fitting.fit.fit_mixture(rows, settings, journal, **how), source
    except SingularMatrixError as error:
        raise ill_defined(error, model) from None
    except LostClusterError as error:
        raise _report(self, error, printer, names) from error
    printer.refined(best.result)
    outside = (rows.weights == 0) & (source.weights > 0) if share else None
    objective = settings.objective
    problem = problem_of(self, rows, objective.model) if self.warm_start else None
    set_fitted(self, best.result, rows, names, objective, traces=best.traces, problem=problem, trimmed=outside)
    record_classes(self, classes, rows.known)
    warn_about(best, self.max_iter, self.tol, objective.prior)
    warn_of_units(source, best.result.parameters, objective.ridge, self)
    if objective.prior.variational:
        warn_of_light_rows(source, best.result.parameters.n_parameters)
    return self


def fit_predict(
    self: FittedMixture,
    X: ArrayLike,
    y: object = None,
    sample_weight: ArrayLike | None = None,
    callback: Callable[[Iteration], object] | None = None,
    **how: Any,
) -> NDArray[np.intp]:
    """Return ``fit(X, …).predict(X)`` for the same arguments: the most probable component of each row, (n,).

    Rows that a `GaussianMixture` left out, with `trim`, have -1 instead (*beyond*).
    """
    estimator: Any = self  # whose `fit` may be a subclass's
    known = {"error_covariance": how["error_covariance"]} if "error_covariance" in how else {}
    labels: NDArray[np.intp] = estimator.fit(X, y, sample_weight, callback, **how).predict(X, **known)
    outside = record_of(self).trimmed
    return labels if outside is None else np.where(outside, -1, labels)


def impute(
    self: FittedMixture,
    X: ArrayLike,
    *,
    draw: bool = False,
    random_state: int | np.random.RandomState | np.random.Generator | None = None,
) -> Any:
    """Fill missing values from the others in their row; *beyond*.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        NaN stands for a missing value, whatever `missing` is; a row without any value gets the mean of the mixture.
        The rows of a Dask collection come here.
    draw : bool, default=False
        False gives conditional means, which have the least expected squared error; they vary less than values do.
        True draws from the conditional distribution: several such tables are multiple imputations (Rubin 1987),
        but for the uncertainty of the mixture itself.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the draws; None uses the estimator's `random_state`.

    Returns
    -------
    ndarray or data frame of shape (n, d)
        A data frame of pandas or polars if X is one. float32 for float32 rows, else float64; values that are there
        stay.

    Examples
    --------
    >>> from gmm import GaussianMixture
    >>> mixture = GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [[[1.0, 0.9], [0.9, 1.0]]])
    >>> mixture.impute([[2.0, float("nan")], [1.0, 1.0]])
    array([[2. , 1.8],
           [1. , 1. ]])
    """
    draw = check_boolean(draw, "draw")
    rows: Any = X
    if is_dask(X):
        rows = rows.compute()  # passes over a collection leave out rows without a value
    source = source_of(self, rows, missing="em")
    rng = check_random_state(self.random_state if random_state is None else random_state) if draw else None

    from gmm._estimators.conditional import imputed

    return framed_like(rows, imputed(checked_for(self, "impute"), source, self.n_threads, rng))


def _report(mixture: FittedMixture, loss: LostClusterError, printer: ProgressPrinter, names: Names) -> LostClusterError:
    """Return the error that tells how far the fit had come."""
    if (latest := printer.latest) is None:
        return loss
    report = LostClusterError(
        f"{loss}; after pass {latest.n_iter} of start {latest.start + 1} the fit had come to "
        f"{latest.lower_bound:.6g} {printer.unit}, whose parameters the attribute `mixture` has; "
        "mixture.set_params(warm_start=True).fit(X) continues from there"
    )
    report.mixture = type(mixture)(**mixture.get_params())
    set_mixture(report.mixture, latest.parameters, names, np.dtype(np.float64))
    return report


def _responsibilities(mixture: FittedMixture, source: Source) -> Callable[[int], Array]:
    """Responsibilities for a seed, from an `init_params` that is an array or a callable."""
    start, resident = mixture.init_params, source.without_gaps.resident
    make_rng = np.random.default_rng if isinstance(mixture.random_state, np.random.Generator) else np.random.RandomState

    def responsibilities(seed: int) -> Array:
        values = start
        if callable(start) and resident is not None:
            hint = f"expected responsibilities of shape {(source.n_rows, mixture.n_components)}"
            arguments = resident.rows, mixture.n_components, make_rng(seed)
            values = answer_of(start, *arguments, name="init_params", hint=hint)
        beside_noise = not is_default(mixture.noise, False)
        return check_responsibilities(values, source.n_rows, mixture.n_components, beside_noise=beside_noise)

    return responsibilities


def noise_of(mixture: FittedMixture, source: Source) -> Noise:
    """Return the noise that the parameters ask for, in the box of the rows unless they give one."""
    return check_noise(mixture.noise, source.n_features, partial(box_of, source))


def check_features(mixture: FittedMixture, source: Source, fixed: Fixed = NOTHING_FIXED) -> None:
    """Raise a `CombinationError` if two features of a fit to the rows exclude each other."""
    start = mixture.init_params
    features = features_of(mixture) | {
        "BayesianGaussianMixture": "mean_prior" in vars(mixture),
        "fixed weights": "weights" in fixed.masks,
        "fixed covariances": "covariances" in fixed.masks,
        "a callable init_params": callable(start),
        "responsibilities as init_params": not isinstance(start, str),
        "error_covariance": source.errors,
        "missing values": source.in_patterns,
        "rows beyond memory": source.without_gaps.resident is None,
        "rows in partitions": not source.is_local,
    }
    check_together(features)


def seeds_of(mixture: FittedMixture, n_init: int = 1) -> tuple[int, ...]:
    """Return the seeds of starts. One that is given draws nothing, so that None leaves numpy's generator as it is."""
    drawn = isinstance(mixture.init_params, str) or callable(mixture.init_params)
    given = not drawn or vars(mixture).get("means_init") is not None
    return fitting.sampling.start_seeds(0 if given and mixture.random_state is None else mixture.random_state, n_init)


def source_to_fit(
    mixture: FittedMixture, X: ArrayLike, sample_weight: ArrayLike | None, error_covariance: ArrayLike | None = None
) -> tuple[Source, Names]:
    """Return the rows that an estimator is to be fitted to, gaps filled for starts, and their feature names."""
    how: dict[str, Any] = {"missing": mixture.missing, "error_covariance": error_covariance}
    source, names = as_source_to_fit(X, sample_weight, estimator=mixture, n_components=int(mixture.n_components), **how)
    if not source.unfilled:
        return source, names
    models = [model_of(mixture)]
    fitting.moments.warn_of_unobserved_pairs(fitting.moments.never_observed_together(source, names, models))
    return fitting.moments.completed(source, models, mixture.reg_covar, mixture.n_threads), names


def set_fitted(
    mixture: FittedMixture,
    result: SolverResult,
    source: Source,
    names: Names,
    objective: Objective,
    *,
    traces: tuple[Trace, ...] = (),
    problem: tuple[object, ...] | None = None,
    trimmed: NDArray[np.bool_] | None = None,
) -> None:
    """Let an estimator hold the result of a fit: its parameters, how it went, and what continues it.

    A `problem` to be continued keeps its bounds and the state of the accelerated solver; `trimmed` rows were left out.
    """
    parameters, weight, prior = result.parameters, source.survey.weight, objective.prior
    steps = fitting.degenerate.Resolution.from_source(source, mixture.reg_covar).steps
    record = FitRecord(parameters, weight=weight, steps=steps, beside_errors=bool(source.errors), trimmed=trimmed)
    if problem is not None:
        trace = result.trace or record_of(mixture).trace
        record = record._replace(trace=trace, solver_state=result.state, problem=problem)
    if prior and not prior.variational:
        if parameters.model.stored_whole and not source.errors:
            from gmm._passes.stepwise import Stream

            stream = Stream.from_mixture(parameters, weight, objective)
            record = record._replace(stream=stream, prior_parts=prior_parts(mixture))
        if vars(mixture).get("prior") is None:
            shrunk_by = prior.as_rows(parameters.model) if source.errors and isinstance(prior, ConjugatePrior) else None
            record = record._replace(shrunk="rows" if shrunk_by is None else "errors", shrunk_by=shrunk_by)
    of_fit = fit_attributes(result.trace, result.lower_bound, traces or (result.trace,))
    set_mixture(mixture, parameters, names, source.dtype, _last_fit=record, **of_fit)


def fit_settings(mixture: FittedMixture, source: Source, model: CovarianceModel) -> fitting.starts.FitSettings:
    """Return how the parameters of an estimator ask to fit the rows; those that depend on the rows are checked here."""
    check_ridge(mixture.reg_covar, source.survey.weight)
    objective, K, d = objective_of(mixture, source, model), int(mixture.n_components), source.n_features
    given, parts = vars(mixture), dict[str, Array]()
    if (weights := given.get("weights_init")) is not None:
        parts["weights"] = check_weights_init(weights, K)
    if (means := given.get("means_init")) is not None:
        parts["means"] = check_coordinates(means, "means", (K, d))
    if (precisions := given.get("precisions_init")) is not None:
        parts["precisions"] = check_spread(precisions, "precision", K, d, model)[0]
    if isinstance(mixture.init_params, str):
        start = fitting.starts.StartSettings(str(mixture.init_params), parts)
    else:
        start = fitting.starts.StartSettings("", parts, _responsibilities(mixture, source))
    return settings_of(mixture, objective, start)


def settings_of(
    mixture: FittedMixture, objective: Objective, start: fitting.starts.StartSettings
) -> fitting.starts.FitSettings:
    """Return how the parameters of an estimator ask to maximise an objective from a start."""
    solver = SolverSettings(  # in Python's types: products of a narrower one would overflow
        tolerance=float(mixture.tol),
        max_iter=int(mixture.max_iter),
        accelerated=mixture.acceleration is not None,
        bound_is_total=objective.prior.variational,
        resumable=bool(mixture.warm_start),
    )
    K = int(mixture.n_components)
    return fitting.starts.FitSettings(K, objective, mixture.n_threads, start, solver, vars(mixture).get("refine"))
