"""The outcome of a fit: its attributes, the record for the next fit, its progress, and its warnings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from itertools import pairwise
from math import ceil, inf, log, nan
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from gmm import _fitting as fitting
from gmm._em import LOWERED
from gmm._estimators.attributes import FitRecord, MixtureEstimator, fit_attributes, record_of, set_mixture
from gmm._estimators.contract import Estimator, names_of_features
from gmm._estimators.request import prior_parts
from gmm._exceptions import FOUND, WARNINGS, ConvergenceWarning, DegenerateWarning, LostClusterError, issue, warn
from gmm._log import LOGGER, follows_passes
from gmm._passes.solver import Iteration, SolverResult, Trace
from gmm._rows.input import Names
from gmm._rows.sources import Source, some_rows
from gmm._text.words import counted, duration, listed, percent, printable
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import SingularMatrixError
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.priors import ConjugatePrior
from gmm._values.tails import LEAST_DEGREES, MOST_ESTIMATED

if TYPE_CHECKING:
    pass

_Fit = TypeVar("_Fit", bound=Callable[..., Any])

_NAMED = 6  # columns or components at most
_AT_LIMIT = 1e-4  # relative
_NO_ROWS = 1e-12  # share of all rows: rounding may give a component without rows as much
_EQUAL, _OF_ROWS = 1e-5, 1e-3  # relative: components of more rows that differ by less are one
_RIDGES = 10  # variance of a column, in ridges: less is a warning
_SMALL, _WIDE = 0.1, 10  # weight up to which a component is small; deviations of the large ones from which it is wide
_ILL_DEFINED = (
    "Fitting the mixture model failed because some components have ill-defined empirical covariance (for instance "
    "caused by singleton or collapsed samples). Try to decrease the number of components, increase reg_covar, or scale "
    "the input data."
)


class one_warning:  # noqa: N801
    """Issue at most one warning, at the end of a block of code, instead of those that its thread issues in it.

    `ignored` causes are dropped, and all but faults if the block raises an error. The value is a dict of notes by
    cause, which estimators store as `remarks_`.
    """

    def __init__(self, *ignored: str) -> None:
        self._found, self._ignored = dict[str, str](), ignored

    def __enter__(self) -> dict[str, str]:
        self._token = FOUND.set(self._found)
        return self._found

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        FOUND.reset(self._token)
        for cause in self._ignored if error is None else self._found.keys() - {"fault"}:
            self._found.pop(cause, None)
        if FOUND.get() is not None:  # of a block around this one
            for cause, note in self._found.items():
                warn(cause, note)
        elif self._found:
            issue(self._found)


def with_remarks(fit: _Fit) -> _Fit:
    """Make a method that fits issue at most one warning, and store the notes as `remarks_` of its estimator."""

    @wraps(fit)
    def collecting(self: Any, *given: Any, **named: Any) -> Any:
        with one_warning() as found:
            fitted = fit(self, *given, **named)
            self.remarks_ = found
        return fitted

    return cast(_Fit, collecting)


def quiet_fits() -> one_warning:
    """Drop the warnings of single fits, for many fits that are compared."""
    kinds = ConvergenceWarning, DegenerateWarning
    return one_warning(*(cause for cause, (category, _) in WARNINGS.items() if category in kinds))


def warn_about(
    fit: fitting.fit.MixtureFit,
    causes: NDArray[np.uint8] | None,
    source: Source,
    objective: Objective,
    estimator: Any,
) -> None:
    """Warn of the problems of a fit to a source, with the causes of degenerate components, if these are known."""
    parameters, trace, tol, prior = fit.result.parameters, fit.result.trace, estimator.tol, objective.prior
    if LOWERED in trace.reason:
        stopped = f"The fit stopped after {len(trace)} passes, before it converged: {trace.reason}."
        warn("singular", f"{stopped} Try a larger reg_covar, or drop columns that others determine.")
    elif not trace.converged and 0 < estimator.max_iter <= len(trace):
        left = trace.remaining[-1]
        if left >= tol or len(trace) == 1:  # a single bound shows no gain, nor to scikit-learn
            unit = "nats" if prior.variational else "nats per row"
            warn("not converged", _unfinished(trace, left, tol, unit))
    if fit.repaired:
        warn_of_repairs(fit.repaired)
    counts = fit.result.statistics.counts.tolist()
    if parameters.noise and max(counts) < 1:
        warn("all noise")
    least = _NO_ROWS * sum(counts)
    if min(counts) <= least and least > 0 and not prior:
        empty = [str(k) for k, count in enumerate(counts) if count <= least]
        same = f"n_components={len(counts) - len(empty)} gives the same density"
        warn("no rows", f"Component(s) {', '.join(empty)} have no rows: {same}.")
    if not isinstance(estimator.init_params, str) or getattr(estimator, "means_init", None) is not None:
        _warn_of_equal(parameters, np.flatnonzero(fit.result.statistics.counts > _OF_ROWS * sum(counts)))
    if causes is not None and causes.any():
        _warn_of_degenerate(causes, parameters, source, objective.ridge, estimator)
    _warn_of_units(source, parameters, objective.ridge, estimator)
    if prior.variational:
        warn_of_light_rows(source, parameters.n_parameters)


def _unfinished(trace: Trace, left: float, tol: float, unit: str) -> str:
    """Return the remaining gain of a run as text, and the pass at which scikit-learn's rule would have stopped."""
    amount = f"some {left:.2g} {unit} remain" if left < inf else "an unknown gain remains"
    numbered = enumerate(pairwise(trace.passes), 2)
    small = (n for n, (one, two) in numbered if two.accepted and abs(two.lower_bound - one.lower_bound) < tol)
    last = next(small, None)
    rule = f"; scikit-learn's rule, a pass that gains less than tol, stops this fit at pass {last}" if last else ""
    passes = counted(len(trace), "pass", "passes")
    return f"After {passes}, {amount} to be gained (tol={tol:g}){rule}. Increase max_iter or tol, or try other starts."


def warn_of_repairs(repaired: tuple[int, ...]) -> None:
    """Warn if components lost all their rows."""
    if repaired:
        numbers = ", ".join(map(str, dict.fromkeys(repaired)))
        warn("lost rows", f"Component(s) {numbers} lost all rows and were given half of the heaviest component.")


def _warn_of_equal(parameters: MixtureParameters, some: NDArray[np.intp]) -> None:
    """Warn if some of these components are equal, as those of a given start remain."""
    layout, (K, d), equal = parameters.model.layout, parameters.means.shape, list[list[int]]()
    deviations, degrees = np.sqrt(parameters.column_variances), parameters.tails.numbers(K)
    close = partial(np.allclose, rtol=0, atol=_EQUAL)
    for pair in map(list, pairwise(some[np.lexsort(parameters.means[some].T)].tolist())):
        unit = deviations[pair[0]]
        if close(*parameters.means[pair] / unit) and close(*degrees[pair]):
            covariances = parameters.covariances_of(np.array(pair))
            if layout.pooled or close(*layout.dense(covariances, 2, d) / np.outer(unit, unit)):
                equal.append(pair)
    if equal:
        names = listed(map(str, sorted({k for pair in equal for k in pair})), _NAMED)
        warn("equal", f"Components {names} are equal: n_components={K - len(equal)} gives the same density.")


def _warn_of_degenerate(
    causes: NDArray[np.uint8], parameters: MixtureParameters, source: Source, ridge: float, estimator: Estimator
) -> None:
    """Warn if a fit to a source has degenerate components."""
    causes = np.where(parameters.weights > _NO_ROWS, causes, 0)  # those without rows have their own warning
    if not causes.any():
        return
    rows = fitting.degenerate.Resolution.from_source(source, ridge)
    reasons = fitting.degenerate.describe_causes(causes, parameters, rows, names_of_features(estimator))
    counts = [counted(round(rows.n_distinct * weight), "row") for weight in parameters.weights.tolist()]
    each = [
        f"component {k} has about {counts[k]} ({reason.replace('too few rows', 'too few')})"
        for k, reason in sorted(reasons.items())
    ]
    more = f"; {len(each) - _NAMED} more" if len(each) > _NAMED else ""
    warn(
        "degenerate",
        f"Degenerate: {'; '.join(each[:_NAMED])}{more}. bic() and aic() reward such components: compare fits by "
        "gmm.select, or try fewer components, a covariance type of fewer parameters, or a prior.",
    )


def warn_of_light_rows(source: Source, n_parameters: int) -> None:
    """Warn if weights sum to less than the numbers of parameters and of rows; criteria use their sum as n."""
    weight, n = source.survey.weight, source.survey.n_used
    if source.sample_weight is not None and weight < min(n, n_parameters):
        warn(
            "light rows",
            f"As counts of rows, the weights sum to {weight:.6g}, fewer than the "
            f"{counted(n_parameters, 'free parameter')} of the mixture. If they compare the {counted(n, 'row')}, "
            f"multiply them by {n / weight:.6g}, so that their mean is 1.",
        )


def _warn_of_units(source: Source, parameters: MixtureParameters, ridge: float, estimator: Estimator) -> None:
    """Warn if columns vary, but by less than ten ridges, which hide their groups."""
    most, whiteners = _RIDGES * ridge, parameters.whiteners
    if parameters.model.stores_dense and np.vdot(whiteners, whiteners) * (most + ridge) < 1:
        return  # tr Σ⁻¹ bounds the eigenvalues of every component from below: no column is so narrow
    low, high = source.survey.box
    small = np.flatnonzero((fitting.degenerate.total_variances(parameters) < most + ridge) & (high > low)).tolist()
    if not small:
        return
    rows, weights = some_rows(source)
    names = names_of_features(estimator)
    columns = np.ma.masked_invalid(rows[:, small])
    variances = np.ma.average(
        np.square(columns - np.ma.average(columns, axis=0, weights=weights)), axis=0, weights=weights
    )
    each = [f"{printable(names[j])!r} has {v:.3g}" for j, v in zip(small, variances.tolist(), strict=True) if v < most]
    if each:
        warn(
            "ridge",
            f"reg_covar={ridge:g} hides groups in columns with less than {_RIDGES} times as much variance: "
            f"{listed(each, _NAMED)}. Multiply such columns by a power of 10, so that their variance is near 1, or set "
            "reg_covar to a millionth of the least variance.",
        )


def ill_defined(error: SingularMatrixError, model: CovarianceModel) -> SingularMatrixError:
    """Return the error for a singular covariance in scikit-learn's sentence, and which covariance it is."""
    one = f"A covariance of {model.name}" if model.constraint else f"The covariance of component {error.component}"
    whose = "The covariance that all components share" if model.layout.pooled else one
    return SingularMatrixError(error.component, f"{_ILL_DEFINED} {whose} is singular.")


def doubt_of_shapes(parameters: MixtureParameters, names: Sequence[str], word: str = "component") -> str:
    """Return which small component is far wider than the large ones, or which tails are at a limit; else empty."""
    if parameters.tails:
        return _doubt_of_tails(parameters, word)
    large = parameters.weights > _SMALL
    if large.all() or not large.any() or parameters.noise:
        return ""
    deviations = np.sqrt(parameters.column_variances)
    ratios = deviations / deviations[large].max(axis=0)
    k, j = (int(index) for index in np.unravel_index(ratios.argmax(), ratios.shape))
    if ratios[k, j] < _WIDE:
        return ""
    return (
        f"{word} {k}, of weight {parameters.weights[k]:.4f}, is {ratios[k, j]:.0f} times as wide as the large ones in "
        f"{names[j]!r}: if these rows are outliers or have an error value, such as -999, try noise=True"
    )


def _doubt_of_tails(parameters: MixtureParameters, word: str) -> str:
    degrees, found = parameters.tails.numbers(parameters.n_components), []
    for end in (LEAST_DEGREES, MOST_ESTIMATED) if parameters.tails.free else ():
        if at_end := np.flatnonzero(np.isclose(degrees, end, rtol=_AT_LIMIT)).tolist():
            which = f"every {word}" if len(at_end) == len(degrees) else f"{word} {listed(map(str, at_end), _NAMED)}"
            found.append(f"degrees of freedom {end:g} of {which}")
    advice = f"compare normal {word}s and, if rows lie far away, other starts or noise=True"
    return f"at the limit of a fit: {', '.join(found)}; {advice}" if found else ""


def doubt_of_ridge(parameters: MixtureParameters, ridge: float, names: Sequence[str]) -> str:
    """Return in which columns all the variance is the ridge; else empty."""
    columns = fitting.degenerate.columns_without_variance(parameters, ridge, names)
    if not columns:
        return ""
    return (
        f"no variance but reg_covar in {listed(columns, _NAMED)}, so the criteria depend on it: drop constant columns, "
        "and multiply columns of tiny numbers, such as by 1000"
    )


SHRUNK = {  # the objective of a fit, by the cause of a prior that was not requested
    "rows": "mean log posterior density (noise and means are shrunk: each component has few rows)",
    "errors": "mean log posterior density (covariances are shrunk: errors may explain all variance)",
}


_QUIET = 10.0  # seconds without a line, at most
_LONG = 1.0  # seconds: the speed of shorter passes is not printed


class ProgressPrinter:
    """Prints the passes of an estimator's fit: one of `verbose_interval`, or in ten seconds, and each start's last.

    `objective` is the name of what is maximised, and its unit.
    With `verbose` 0 it prints nothing, above 1 the elapsed time as well. Whatever `verbose` is, the logger "gmm" gets
    every pass (DEBUG) and the ends of starts (INFO). For long passes it prints the speed, and the time left of this
    start: until the remaining gain is below `tol`, from how fast it falls, or until there were `max_iter` passes.

    Attributes
    ----------
    latest : Iteration or None
        The last pass.
    unit : str
        Unit of what is maximised.
    """

    def __init__(self, mixture: Any, objective: tuple[str, str], n_rows: int) -> None:
        self._mixture, self._n_rows, self._verbose = mixture, n_rows, int(mixture.verbose)
        self._name, self.unit = objective
        self.latest: Iteration | None = None
        self._seconds = 0.0
        self._remaining = inf
        self._start = 0
        self._last_line = perf_counter()

    def reading(self, n_read: int, seconds: float) -> None:
        """Print how far a pass has come, if there was no line for some time."""
        if self._verbose and perf_counter() - self._last_line >= _QUIET and n_read < self._n_rows:
            remainder = seconds * (self._n_rows - n_read) / n_read
            pace = f"{percent(n_read / self._n_rows)} of the rows, {n_read / seconds:,.0f} rows/s"
            self._print(self._start, f"{pace}, the pass ends in {duration(remainder)}")

    def step(self, iteration: Iteration) -> None:
        """Print a pass, if it is one of every `interval` or there was no line for some time."""
        self.latest = iteration
        self._seconds += iteration.seconds
        before, self._remaining, self._start = self._remaining, iteration.remaining, iteration.start
        due = iteration.n_iter % self._mixture.verbose_interval == 0 or perf_counter() - self._last_line >= _QUIET
        if (self._verbose and due) or follows_passes():
            text = f"move {iteration.move:>3}  " if iteration.move else ""
            text += f"pass {iteration.n_iter:>4}  {self._name} {iteration.lower_bound:.6f}"
            if not iteration.accepted:
                text += "  step rejected"
            elif iteration.n_iter > 1:
                text += f"  gain {iteration.gain:+.2e}"
            if iteration.remaining < inf:
                text += f"  remaining {iteration.remaining:.2e}"
            LOGGER.debug("%s  %s", self._label(iteration.start), text)
            if self._verbose and due:
                self._print(iteration.start, text + self._pace(iteration, before))

    def end(self, result: SolverResult) -> None:
        """Print how one start ended."""
        bound = f"{self._name} {result.lower_bound:.6f} {self.unit}"
        self._report(result.trace.start, f"{result.trace.ending} ({result.trace.reason}), {bound}")

    def refined(self, result: SolverResult) -> None:
        """Print the result of split–merge, if it ran."""
        tally = result.trace.refinement
        if tally is not None:
            self._report(
                result.trace.start,
                f"split-merge: {len(tally.moves)} of {tally.tried} moves kept, {tally.passes:.0f} passes in total, "
                f"{self._name} {result.lower_bound:.6f} {self.unit}",
            )

    def skip(self, start: int, screened: fitting.fit.Screened | None) -> None:
        """Print that a start was dropped after its trial; with None, that a covariance became singular."""
        why = "a covariance became singular"
        if screened is not None:
            why = f"{self._name} {screened.lower_bound:.6f} on a sample of the rows, "
            why += f"where an earlier start reached {screened.record:.6f}"
        self._report(start, f"dropped: {why}")

    def _pace(self, iteration: Iteration, before: float) -> str:
        """Rows per second of a long pass, and the time left: projected if the remaining gain falls, else at most."""
        if iteration.seconds < _LONG:
            return ""
        most = self._mixture.max_iter - iteration.n_iter
        passes = remaining_passes(iteration.remaining, before, self._mixture.tol, most)
        word, passes = ("about", passes) if passes < most else ("at most", most)
        pace = f"  {self._n_rows / iteration.seconds:,.0f} rows/s"
        return f"{pace}  {word} {duration(passes * iteration.seconds)} left"

    def _label(self, start: int) -> str:
        return f"start {start + 1}/{self._mixture.n_init}"

    def _report(self, start: int, text: str) -> None:
        """Log an event that occurs a few times a fit, and print it."""
        LOGGER.info("%s  %s", self._label(start), text)
        if self._verbose:
            self._print(start, text)

    def _print(self, start: int, text: str) -> None:
        clock = f"  {self._seconds:.3f} s" if self._verbose > 1 else ""
        print(f"{self._label(start)}  {text}{clock}", flush=True)
        self._last_line = perf_counter()


def remaining_passes(remaining: float, before: float, tol: float, most: int) -> float:
    """Project after how many passes the remaining gain, which was `before` a pass ago, is below `tol`.

    At most `most`; NaN if unknown.
    """
    if remaining <= tol:
        return 0.0
    if tol > 0 and remaining < before < inf:
        return min(most, ceil(log(tol / remaining) / log(remaining / before)))
    return nan


def set_fitted(
    mixture: MixtureEstimator,
    result: SolverResult,
    source: Source,
    names: Names,
    objective: Objective,
    *,
    traces: tuple[Trace, ...] = (),
    problem: tuple[object, ...] | None = None,
    causes: NDArray[np.uint8] | None = None,
) -> FitRecord:
    """Store the result of a fit in an estimator: parameters, traces, and the record that continues it; return this.

    A `problem` to be continued keeps its bounds and the state of the accelerated solver. `causes` are those of
    degenerate components, where they are known.
    """
    parameters, weight, prior = result.parameters, source.survey.weight, objective.prior
    degeneracy = fitting.degenerate.Degeneracy.for_fits(objective, source)
    # With a prior, components are valid.
    if prior:
        causes = None
    elif causes is None:
        causes = degeneracy.causes(parameters, result.statistics)
    record = FitRecord(parameters, None, weight, degeneracy.rows.steps, causes, bool(source.errors))
    if problem is not None:
        trace = result.trace or record_of(mixture).trace
        record = record._replace(trace=trace, solver_state=result.state, problem=problem)
    if prior and not prior.variational:
        if parameters.model.stores_dense and not source.errors:
            from gmm._passes.stepwise import Stream

            stream = Stream.from_mixture(parameters, weight, objective)
            record = record._replace(stream=stream, prior_parts=prior_parts(mixture))
        if getattr(mixture, "prior", None) is None:
            shrunk_by = prior.as_rows(parameters.model) if source.errors and isinstance(prior, ConjugatePrior) else None
            record = record._replace(shrunk="rows" if shrunk_by is None else "errors", shrunk_by=shrunk_by)
    described = fit_attributes(result.trace, result.lower_bound, traces or (result.trace,))
    set_mixture(mixture, parameters, names, source.dtype, _last_fit=record, **described)
    return record


def lost_cluster(
    mixture: MixtureEstimator, loss: LostClusterError, printer: ProgressPrinter, names: Names
) -> LostClusterError:
    """Return the error with the mixture that the fit had reached."""
    if (latest := printer.latest) is None:
        return loss
    report = LostClusterError(
        f"{loss}; the fit had reached {latest.lower_bound:.6g} {printer.unit} after pass {latest.n_iter} of start "
        f"{latest.start + 1}. The attribute `mixture` has these parameters: "
        "mixture.set_params(warm_start=True).fit(X) continues"
    )
    report.mixture = type(mixture)(**mixture.get_params())
    set_mixture(report.mixture, latest.parameters, names, np.dtype(np.float64))
    return report
