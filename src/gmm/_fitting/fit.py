"""One fit: a run from each promising start, the order of the components, and split–merge moves.

`fit_mixture` reads from top to bottom: a run from each start that the screening finds promising, then the order of the
components where a prior has one, and `split_and_merge` for moves.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from gmm._blas import OF_EIGENVECTORS, blas_alone
from gmm._fitting.degenerate import Degeneracy
from gmm._fitting.sampling import sample_indices
from gmm._fitting.split_merge import split_and_merge
from gmm._fitting.starts import FitSettings, first_start, short_runs
from gmm._passes.e_step import EStep
from gmm._passes.em import SolverRun
from gmm._passes.problem import Continuation, Problem, RunStart, SolverSettings
from gmm._passes.solver import Iteration, SolverResult, Trace
from gmm._rows.sources import ArraySource, Source
from gmm._values.layouts import SingularMatrixError
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics


class MixtureFit(NamedTuple):
    """The best result, the components that its run moved because they were empty, and the trace of every run."""

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
_ROUNDING = 1e-14  # of a bound: starts that end at one optimum


def screening_rows(source: Source, first: MixtureParameters, seed: int) -> ArraySource | None:
    """Draw the rows to screen starts on; return None to run every start without screening.

    Few rows are not screened, as that costs nearly as much as the run, nor rows of which the sample would contain too
    few of some component of the `first` start.
    """
    size = max(_FEWEST_ROWS, _ROWS_PER_PARAMETER * first.n_parameters)
    rarest = size * float(first.weights.min())
    if source.survey.n_used < _WORTH_SCREENING * size or rarest < _FEWEST_ROWS_OF_A_COMPONENT * source.n_features:
        return None
    part = source.without_gaps.select_rows(sample_indices(source, size, np.random.default_rng(seed)))
    return ArraySource(np.ascontiguousarray(part.rows), part.sample_weight)


class Screened(NamedTuple):
    """Result of a short run from a start on a part of the rows.

    Parameters
    ----------
    parameters : MixtureParameters
        The mixture at the end of the run.
    lower_bound : float
        Mean log-likelihood on those rows, in nats per unit weight; −∞ if a covariance became singular.
    record : float
        The highest lower bound of the starts before; −∞ for the first.
    promising : bool
        Whether the start comes near the record or above it, and no earlier start ended at the same mixture.
    """

    parameters: MixtureParameters
    lower_bound: float
    record: float
    promising: bool


def screen_start(sample: Problem, start: MixtureParameters, earlier: Sequence[Screened]) -> Screened:
    """Make a short run from the next start on the rows that `screening_rows` drew, and compare it with earlier ones.

    A start that is promising among few starts is so among more of them, so more starts never end lower.
    """
    (result,) = short_runs(sample, [start], SCREENING_PASSES)
    reached = -np.inf if result is None else result.lower_bound
    record = max((other.lower_bound for other in earlier), default=-np.inf)
    new = all(abs(reached - other.lower_bound) > _SAME for other in earlier)
    return Screened(start if result is None else result.parameters, reached, record, reached > record - _MARGIN and new)


# Fits that are compared by n times their mean log-likelihoods must end closer to their optimum than one alone needs to.
COMPARISON_DEFAULTS = {"tol": 1e-5, "max_iter": 1000}

OnSkip = Callable[[int, Screened | None], object]


def no_op(*_: object) -> None:
    """Do nothing: the default callback."""


_ROWS = 0.1  # by which a component must outweigh the one before it


def _starts(
    problem: Problem,
    e_step: EStep,
    settings: FitSettings,
    seeds: Sequence[int],
    ended: Sequence[Trace],
    on_failure: Callable[[int, SingularMatrixError], object],
    on_skip: OnSkip,
) -> Iterator[tuple[int, RunStart]]:
    """Yield the index of each start to run, and its start.

    If every run has failed, so that none has `ended`, the starts that are not promising are run as well.
    """
    sample: Problem | None = None  # on which starts are compared with the first
    earlier: list[Screened] = []
    unpromising: list[tuple[int, Continuation]] = []
    is_first = True
    for number, seed in enumerate(seeds):
        try:
            if len(seeds) == 1:  # its mixture is compared with none
                yield 0, first_start(problem, settings, seed, e_step)
                return
            initial = problem.first_update(e_step, first_start(problem, settings, seed, e_step))
        except SingularMatrixError as error:
            on_failure(number, error)
            continue
        if sample is None:
            yield number, initial
        else:
            earlier.append(screen_start(sample, initial.parameters, earlier))
            if earlier[-1].promising:
                yield number, initial._replace(parameters=earlier[-1].parameters)
            elif not ended:
                unpromising.append((number, initial))
            else:
                on_skip(number, earlier[-1])
        is_long = settings.solver.max_iter > SCREENING_PASSES
        if is_first and number + 1 < len(seeds) and not problem.rows.known and is_long:
            rows = screening_rows(problem.rows, initial.parameters, seed)
            if rows is not None:
                sample = problem._replace(rows=rows)
                earlier.append(screen_start(sample, initial.parameters, []))
        is_first = False
    yield from ((number, initial) for number, initial in unpromising if not ended)


def _ordered(
    problem: Problem,
    e_step: EStep,
    settings: SolverSettings,
    result: SolverResult,
    run: Callable[..., SolverRun],
) -> SolverResult:
    """Sort the components of a result, or of each class, by rows; continue the run as long as the bound rises."""
    owners = problem.rows.known.owner_of_each(result.parameters.n_components)
    same_class, last = np.diff(owners) == 0, owners.max() + 1  # components of no class come last
    while result.trace.converged and (np.diff(result.statistics.counts)[same_class] > _ROWS).any():
        n_passes = settings.max_iter - len(result.trace)
        if n_passes <= 0:
            break
        order = np.lexsort((-result.statistics.counts, np.where(owners < 0, last, owners)))
        initial = problem.next_update(e_step, result.statistics.reordered(order))
        end = run(initial, settings._replace(max_iter=n_passes), start=result.trace.start).go().result
        if not end.lower_bound > result.lower_bound:
            break
        result = end._replace(trace=end.trace.with_earlier(result.trace))
    return result


def fit_mixture(
    source: Source,
    settings: FitSettings,
    seeds: Sequence[int],
    *,
    continuation: Continuation | None = None,
    callback: Callable[[Iteration], object] | None = None,
    on_end: Callable[[SolverResult], object] = no_op,
    on_skip: OnSkip = no_op,
) -> MixtureFit:
    """Run the solver from each promising start and return the best result.

    Parameters
    ----------
    source : Source
    settings : FitSettings
    seeds : sequence of int
        One for each start. The first start does not depend on their number.
    continuation : Continuation, optional
        A mixture or a run to continue, instead of starts.
    callback : callable, optional
        Called after each pass; a truthy return value ends the run, and no further start is tried.
    on_end : callable
        Called with the result of each run.
    on_skip : callable
        Called with the index of each start that is skipped, from 0, and the result of its screening; with None if a
        covariance became singular.

    Raises
    ------
    SingularMatrixError
        If there is no ridge and every start ends in a singular covariance.
    """
    problem, watch = settings.problem(source), Listener(callback)
    listener = None if callback is None else watch
    best: SolverResult | None = None
    traces, failures = list[Trace](), list[SingularMatrixError]()

    def betters(one: SolverResult, other: SolverResult) -> bool:
        worth = Degeneracy.for_fits(settings.objective, source).worth
        (valid, ours), (before, theirs) = worth(one), worth(other)
        return valid > before or (valid == before and ours > theirs + _ROUNDING * (1 + abs(theirs)))

    def failed(number: int, error: SingularMatrixError) -> None:
        failures.append(error)
        on_skip(number, None)

    # Threads of BLAS spin after a call between two passes, for longer than a pass takes.
    with blas_alone(OF_EIGENVECTORS * source.n_features**3), problem.e_step() as e_step:
        run = partial(problem.prepare_run, e_step, callback=listener)
        starts: Iterable[tuple[int, RunStart]]
        starts = (
            [(0, continuation)] if continuation else _starts(problem, e_step, settings, seeds, traces, failed, on_skip)
        )
        for number, initial in starts:
            try:
                solver_run = run(initial, settings.solver, start=number)
                del initial  # as large as a mixture, as are many in the state of the solver
                result = solver_run.go().result
            except SingularMatrixError as error:
                failed(number, error)
                continue
            on_end(result)
            traces.append(result.trace)
            if best is None or betters(result, best):
                best = result
            if watch.stopped:
                break
        if best is None:
            raise failures[0]
        fit = MixtureFit(best, best.repaired, tuple(traces))
        if settings.objective.prior.ordered and settings.solver.accelerated and not watch.stopped:
            fit = fit.improved(_ordered(problem, e_step, settings.solver, best, run))
        if settings.refine is not None and fit.result.trace.converged and not watch.stopped:
            arguments = source, settings, fit.result, e_step
            fit = fit.improved(split_and_merge(*arguments, callback=listener, stop_requested=lambda: watch.stopped))
    return fit


def first_mixture(source: Source, settings: FitSettings, seed: int) -> MixtureParameters:
    """Return the mixture that the first pass of a fit would measure."""
    problem = settings.problem(source)
    with problem.e_step() as e_step:
        return problem.first_update(e_step, first_start(problem, settings, seed, e_step)).parameters


class SteppedPass(NamedTuple):
    """One pass of a run.

    Parameters
    ----------
    iteration : Iteration
    statistics : SufficientStatistics
        Statistics of the current mixture after the pass.
    reason : str or None
        Why it was the last pass; None before.
    repaired : tuple of int
        The components that the run has moved so far because they were empty.
    """

    iteration: Iteration
    statistics: SufficientStatistics
    reason: str | None
    repaired: tuple[int, ...]


def iter_passes(source: Source, settings: FitSettings, seed: int) -> Generator[SteppedPass, None, None]:
    """Yield the passes of the run that `fit_mixture` makes from one start, each made on demand."""
    records: list[tuple[Iteration, SolverResult]] = []

    def record(iteration: Iteration) -> None:
        # At once: on reaching max_iter the run makes the pending update and measures it.
        records.append((iteration, run.result))

    problem = settings.problem(source)
    with problem.e_step() as e_step:
        initial = problem.first_update(e_step, first_start(problem, settings, seed, e_step))
        run = problem.prepare_run(e_step, initial, settings.solver, callback=record)
        while not run.ended:
            now = run.go(1)
            if records:  # a run of no passes ends without one
                iteration, result = records.pop()
                last = now.result if now.ended else None
                reason, repaired = (None, result.repaired) if last is None else (last.trace.reason, last.repaired)
                yield SteppedPass(iteration, result.statistics, reason, repaired)
