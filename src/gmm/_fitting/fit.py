"""One fit: from each promising start a climb; the order of the best, its split–merge moves, and what is left out.

`fit_mixture` reads from top to bottom: a run from each start that the screening finds promising, then the order of the
components where a prior has one, and `split_merged` for moves. `fit_trimmed` takes turns with it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from gmm._blas import blas_alone_in_fit
from gmm._fitting.degenerate import Degeneracy
from gmm._fitting.sampling import sample_indices
from gmm._fitting.split_merge import split_merged
from gmm._fitting.starts import FitSettings, first_start, own_start, short_runs
from gmm._passes.e_step import EStep
from gmm._passes.em import SolverRun
from gmm._passes.problem import Beginning, Problem, SolverSettings
from gmm._passes.solver import Iteration, SolverResult, Trace
from gmm._rows.sources import ArraySource, Source, box_of, reweighed
from gmm._validation.rows import check_enough_rows
from gmm._values.layouts import Array, SingularMatrixError
from gmm._values.noise import Noise
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics
from gmm._values.weights import trimmed


class MixtureFit(NamedTuple):
    """The best result, the components that its run had to give a new place, and the trace of every run."""

    result: SolverResult
    repaired: tuple[int, ...]
    traces: tuple[Trace, ...] = ()

    def improved(self, result: SolverResult) -> MixtureFit:
        """Return the fit with a result that continues the best one; its trace replaces that of its start."""
        start = self.result.trace.start
        traces = tuple(result.trace if trace.start == start else trace for trace in self.traces)
        return self._replace(result=result, traces=traces)


class Listener:
    """A callback, and whether it has ended the fit."""

    def __init__(self, callback: Callable[[Iteration], object] | None) -> None:
        self._callback = callback
        self.stopped = False

    def __call__(self, iteration: Iteration) -> bool:
        """Return whether the callback ends the fit after this pass."""
        self.stopped |= self._callback is not None and bool(self._callback(iteration))
        return self.stopped


SCREENING_PASSES = 15
# Fitted to m rows, p parameters are p / 2m nats per row better on these than they are: 0.01.
_ROWS_PER_PARAMETER = 50
_FEWEST_ROWS = 2000
_FEWEST_ROWS_OF_A_COMPONENT = 10  # for each feature
_WORTH_SCREENING = 2  # times the rows that are screened
# Measured with n_init=10 on 60,000 to 150,000 rows, of photos and drawn from overlapping components: 0.01 runs twice as
# many starts as 0, for a gain of at most 0.004 nats per row.
_MARGIN = 0.002  # nats per row
_SAME = 1e-6  # nats per row


def screening_rows(source: Source, first: MixtureParameters, seed: int) -> ArraySource | None:
    """Draw the rows to screen starts on; None if every start is to be run without screening.

    There is no screening of few rows, where it costs nearly as much as the run, nor where the part would hold too few
    rows of some component of the `first` start.
    """
    size = max(_FEWEST_ROWS, _ROWS_PER_PARAMETER * first.n_parameters)
    rarest = size * float(first.weights.min())
    if source.n_used < _WORTH_SCREENING * size or rarest < _FEWEST_ROWS_OF_A_COMPONENT * source.n_features:
        return None
    part = source.subset(sample_indices(source, size, np.random.default_rng(seed)))
    return ArraySource(np.ascontiguousarray(part.rows), part.sample_weight)


class Screened(NamedTuple):
    """Result of a short run from a start on a part of the rows.

    Parameters
    ----------
    parameters : MixtureParameters
        Where the run ended.
    lower_bound : float
        Mean log-likelihood on those rows, in nats per unit weight; −∞ if a covariance became singular.
    record : float
        The highest lower bound of the starts before; −∞ for the first.
    promising : bool
        Whether the start comes near the record or above it, and no earlier start ended in the same place.
    """

    parameters: MixtureParameters
    lower_bound: float
    record: float
    promising: bool


def screened(sample: Problem, start: MixtureParameters, earlier: Sequence[Screened]) -> Screened:
    """Make a short run from the next start on the rows that `screening_rows` drew, and judge it.

    A start is judged only by the starts before it. A start that is promising among few starts is so among more of them,
    so more starts never end lower.
    """
    (result,) = short_runs(sample, [start], SCREENING_PASSES)
    reached = -np.inf if result is None else result.lower_bound
    record = max((other.lower_bound for other in earlier), default=-np.inf)
    new = all(abs(reached - other.lower_bound) > _SAME for other in earlier)
    return Screened(start if result is None else result.parameters, reached, record, reached > record - _MARGIN and new)


# Fits that are compared by n times their mean log-likelihoods must end closer to their optimum than one alone needs to.
COMPARISON_DEFAULTS = {"tol": 1e-5, "max_iter": 1000}

OnSkip = Callable[[int, Screened | None], object]


def ignored(*_: object) -> None:
    """Do nothing: the callback of whoever asked for none."""


_ROWS = 0.1  # by which a component must outweigh the one before it


def _starts(
    problem: Problem,
    e_step: EStep,
    settings: FitSettings,
    seeds: Sequence[int],
    ended: Sequence[Trace],
    on_failure: Callable[[int, SingularMatrixError], object],
    on_skip: OnSkip,
) -> Iterator[tuple[int, Beginning | SufficientStatistics]]:
    """Yield the index of each start that is to be run, and where its run begins.

    Starts that are not promising are run after all while every run has failed: none has `ended`.
    """
    sample: Problem | None = None  # on which starts are compared with the first
    earlier: list[Screened] = []
    unpromising: list[tuple[int, Beginning]] = []
    is_first = True
    for number, seed in enumerate(seeds):
        try:
            if len(seeds) == 1 and not problem.objective.tails:  # nobody compares its mixture
                yield 0, first_start(problem, settings, seed, e_step)
                return
            begin = problem.beginning(e_step, first_start(problem, settings, seed, e_step))
        except SingularMatrixError as error:
            on_failure(number, error)
            continue
        if sample is None:
            yield number, begin
        else:
            earlier.append(screened(sample, begin.parameters, earlier))
            if earlier[-1].promising:
                yield number, begin._replace(parameters=earlier[-1].parameters)
            elif not ended:
                unpromising.append((number, begin))
            else:
                on_skip(number, earlier[-1])
        is_long = settings.solver.max_iter > SCREENING_PASSES
        if is_first and number + 1 < len(seeds) and not problem.rows.known and is_long:
            rows = screening_rows(problem.rows, begin.parameters, seed)
            if rows is not None:
                sample = problem._replace(rows=rows)
                earlier.append(screened(sample, begin.parameters, []))
        is_first = False
    yield from ((number, begin) for number, begin in unpromising if not ended)


def _ordered(
    problem: Problem,
    e_step: EStep,
    settings: SolverSettings,
    result: SolverResult,
    run: Callable[..., SolverRun],
) -> SolverResult:
    """Sort the components of a result, or of each class, by rows; run on as long as the bound rises."""
    owners = problem.rows.known.owner_of_each(result.parameters.n_components)
    together, last = np.diff(owners) == 0, owners.max() + 1  # components of no class come last
    while result.trace.converged and (np.diff(result.statistics.counts)[together] > _ROWS).any():
        n_passes = settings.max_iter - len(result.trace)
        if n_passes <= 0:
            break
        order = np.lexsort((-result.statistics.counts, np.where(owners < 0, last, owners)))
        begin = problem.continuation(e_step, result.statistics.reordered(order))
        end = run(begin, settings._replace(max_iter=n_passes), start=result.trace.start).go().result
        if not end.lower_bound > result.lower_bound:
            break
        result = end._replace(trace=end.trace.with_earlier(result.trace))
    return result


def fit_mixture(
    source: Source,
    settings: FitSettings,
    seeds: Sequence[int],
    *,
    beginning: Beginning | None = None,
    callback: Callable[[Iteration], object] | None = None,
    on_end: Callable[[SolverResult], object] = ignored,
    on_skip: OnSkip = ignored,
) -> MixtureFit:
    """Run the solver from each promising start and return the best result.

    Parameters
    ----------
    source : Source
    settings : FitSettings
    seeds : sequence of int
        One for each start. The first start does not depend on how many there are.
    beginning : Beginning, optional
        Where to begin or continue, instead of from starts.
    callback : callable, optional
        Called after each pass; a truthy return value ends the run, and no further start is tried.
    on_end : callable
        Called with the result of each run.
    on_skip : callable
        Called with the index of each start that is left out, from 0, and the result of its screening; with None if a
        covariance became singular.

    Raises
    ------
    SingularMatrixError
        If there is no ridge and every start ends in a singular covariance.
    """
    problem, watch = settings.problem(source), Listener(callback)
    degeneracy = Degeneracy.of_fits(settings.objective, source)
    listener = None if callback is None else watch
    best: SolverResult | None = None
    traces, failures = list[Trace](), list[SingularMatrixError]()

    def rank(end: SolverResult) -> tuple[bool, float]:
        return degeneracy.first(end) < 0, end.lower_bound

    def failed(number: int, error: SingularMatrixError) -> None:
        failures.append(error)
        on_skip(number, None)

    with blas_alone_in_fit(source.n_features), problem.e_step() as e_step:
        run = partial(problem.run, e_step, callback=listener)
        starts: Iterable[tuple[int, Beginning | SufficientStatistics]]
        starts = [(0, beginning)] if beginning else _starts(problem, e_step, settings, seeds, traces, failed, on_skip)
        for number, begin in starts:
            try:
                begun = run(begin, settings.solver, start=number)
                del begin  # as large as a mixture, as are many in the state of the solver
                result = begun.go().result
            except SingularMatrixError as error:
                failed(number, error)
                continue
            on_end(result)
            traces.append(result.trace)
            if best is None or rank(result) > rank(best):
                best = result
            if watch.stopped:
                break
        if best is None:
            raise failures[0]
        fit = MixtureFit(best, best.repaired, tuple(traces))
        if settings.objective.prior.ordered and settings.solver.accelerated and not watch.stopped:
            fit = fit.improved(_ordered(problem, e_step, settings.solver, best, run))
        if settings.refine is not None and fit.result.trace.converged and not watch.stopped:
            where = source, settings, fit.result, e_step
            fit = fit.improved(split_merged(*where, callback=listener, stop_requested=lambda: watch.stopped))
    return fit


def first_mixture(source: Source, settings: FitSettings, seed: int) -> MixtureParameters:
    """Return the mixture that the first pass of a fit would measure."""
    problem = settings.problem(source)
    with problem.e_step() as e_step:
        return problem.beginning(e_step, first_start(problem, settings, seed, e_step)).parameters


class SteppedPass(NamedTuple):
    """One pass of a run.

    Parameters
    ----------
    iteration : Iteration
    statistics : SufficientStatistics
        Of the current mixture after the pass.
    reason : str or None
        Why it was the last pass; None before.
    repaired : tuple of int
        The components that the run had to give a new place so far.
    """

    iteration: Iteration
    statistics: SufficientStatistics
    reason: str | None
    repaired: tuple[int, ...]


def iter_passes(source: Source, settings: FitSettings, seed: int) -> Generator[SteppedPass, None, None]:
    """Yield the passes of the run that `fit_mixture` makes from one start, each made when it is asked for."""
    records: list[tuple[Iteration, SolverResult]] = []

    def record(iteration: Iteration) -> None:
        # At once: on reaching max_iter the run makes the pending update and measures it.
        records.append((iteration, run.result))

    problem = settings.problem(source)
    with problem.e_step() as e_step:
        begin = problem.beginning(e_step, first_start(problem, settings, seed, e_step))
        run = problem.run(e_step, begin, settings.solver, callback=record)
        while not run.ended:
            now = run.go(1)
            if records:  # a run of no passes ends without one
                iteration, result = records.pop()
                last = now.result if now.ended else None
                reason, repaired = (None, result.repaired) if last is None else (last.trace.reason, last.repaired)
                yield SteppedPass(iteration, result.statistics, reason, repaired)


# --- A share of the rows is left out ---------------------------------------------------------------

# Neykov, Filzmoser, Dimova & Neytchev (2007); with a limit on the ratio of eigenvalues, the mixture form of tclust
# (García-Escudero, Gordaliza & Mayo-Iscar 2014). Fits to the rows that are left and choices of these rows take turns;
# each raises the trimmed likelihood.


def fit_trimmed(
    source: Source,
    share: float,
    settings: FitSettings,
    settings_for: Callable[[Source], FitSettings],
    seeds: Sequence[int],
    *,
    beginning: Beginning | None,
    callback: Callable[[Iteration], object] | None,
    on_end: Callable[[SolverResult], object],
    on_skip: OnSkip,
) -> tuple[MixtureFit, Source, FitSettings]:
    """Fit a mixture to rows of which a share is left out; each start chooses its own, until the same rows stay out.

    Parameters
    ----------
    source : Source
        Rows without gaps, read here.
    share : float
        Of the weight of all rows.
    settings : FitSettings
        For all rows.
    settings_for : callable
        Returns the settings for rows: a prior is completed by those that are left in the first round.
    seeds : sequence of int
        One for each start; empty where a fit begins elsewhere.
    beginning, callback, on_end, on_skip
        As in `fit_mixture`. Each round of passes counts its own.

    Returns
    -------
    MixtureFit
        With the passes of all rounds of a start as those of one run.
    Source
        The rows with the weights that they had in the last round of the best start.
    FitSettings
        Those of the best start.

    Raises
    ------
    SingularMatrixError
        If there is no ridge and every start ends in a singular covariance.
    ValueError
        If a class has too few rows left.
    """
    watch, failure = Listener(callback), SingularMatrixError(0)
    ends = list[tuple[MixtureFit, Source, FitSettings]]()
    for number, seed in enumerate(seeds or (0,)):

        def of_start(iteration: Iteration, number: int = number) -> bool:
            return watch(replace(iteration, start=number))

        each = None if callback is None else of_start
        try:
            first = beginning.parameters if beginning else _resistant_mixture(source, settings, seed)
            weight = _weights_under(first, settings.problem(source), share)
            if shortage := _shortage(source, weight):
                raise ValueError(
                    "expected a share to trim that leaves each class a row for each of its components, but "
                    f"trim={share:g} leaves {shortage}: its rows have the least density. Trim less, or give that class "
                    "no label"
                )
            rows = reweighed(source, weight)
            own = settings_for(rows)
            check_enough_rows(rows.n_used, own.n_components)
            begin = beginning and Beginning(first)
            fit = fit_mixture(rows, own, seeds[number : number + 1], beginning=begin, callback=each)
            # Turns end where the objective no longer rises, which beside a ridge the likelihood need not do. Plain EM
            # does not record it: there the likelihood decides, and the last turn may be missing.
            while not watch.stopped and (n_passes := own.solver.max_iter - len(fit.result.trace)) > 0:
                weight = _weights_under(fit.result.parameters, own.problem(source), share)
                if np.array_equal(weight, rows.weights) or _shortage(source, weight):
                    break
                left = reweighed(source, weight)
                turn = own._replace(refine=None, solver=own.solver._replace(max_iter=n_passes))
                begin = Beginning(fit.result.parameters)
                result = fit_mixture(left, turn, (), beginning=begin, callback=each).result
                if not result.trace.objective[-1] > fit.result.trace.objective[-1]:
                    break
                result = result._replace(trace=result.trace.with_earlier(fit.result.trace))
                fit, rows = fit.improved(result)._replace(repaired=fit.repaired + result.repaired), left
        except SingularMatrixError as error:
            failure = error
            on_skip(number, None)
            continue
        result = fit.result._replace(trace=replace(fit.result.trace, start=number))
        on_end(result)
        ends.append((MixtureFit(result, fit.repaired), rows, own))
        if watch.stopped:
            break
    if not ends:
        raise failure
    best, rows, own = max(ends, key=lambda end: end[0].result.lower_bound)
    return best._replace(traces=tuple(fit.result.trace for fit, *_ in ends)), rows, own


def _shortage(source: Source, weight: Array) -> str:
    """Return in words which class has fewer rows left than components; empty if none has."""
    codes, owners = source.known.codes, source.known.owners
    for number, needed in zip(*np.unique(owners[owners >= 0], return_counts=True), strict=True):
        of_class = codes == number + 1
        if (n := np.count_nonzero(weight[of_class])) < needed:
            return f"{n} of the class of row {of_class.argmax()} for {needed}"
    return ""


def _resistant_mixture(source: Source, settings: FitSettings, seed: int) -> MixtureParameters:
    """Return a mixture that rows far away move little, if its start is left to the data; else that of the start."""
    low, high = box_of(source)
    if not settings.start.from_data or not (high > low).all():
        return first_mixture(source, settings, seed)
    objective = replace(settings.objective.for_starts, noise=Noise(low, high, 0.05))
    beside = own_start(settings.problem(source)._replace(objective=objective), settings, np.random.default_rng(seed))
    return beside.for_components(np.arange(beside.n_components))


def _weights_under(mixture: MixtureParameters, problem: Problem, share: float) -> Array:
    """Return the weights of the rows, less those of the least density."""
    with problem.e_step() as e_step:
        values = e_step.rows(mixture.whitened(), log_evidence=True).log_evidence
    assert values is not None  # it was asked for
    return trimmed(problem.rows.weights, values, share)
