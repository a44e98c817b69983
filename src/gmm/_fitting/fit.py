"""One fit: its starts, screened or beside labels; its solver runs, which can pause; the best of them, and its order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._blas import blas_alone_in_fit
from gmm._fitting.degenerate import degenerate_under
from gmm._fitting.noisy import noisy_start, start_of_heavy_tails
from gmm._fitting.racing import best_of, short_runs
from gmm._fitting.sampling import (
    LARGEST_SHARE,
    Rng,
    kmeans_plusplus,
    sample_indices,
    sample_size,
    sampled,
    sampled_share,
)
from gmm._fitting.split_merge import MoveContext, Refined, SplitMerge
from gmm._fitting.starts import (
    STARTS,
    StartRequest,
    View,
    from_means,
    from_responsibilities,
    lloyd,
    partition,
    start_statistics,
    views_of,
)
from gmm._kernel.first_look import distinct_rows
from gmm._passes.e_step import EStep
from gmm._passes.em import SolverRun
from gmm._passes.problem import Beginning, Problem, SolverSettings
from gmm._passes.solver import Iteration, SolverResult, Trace
from gmm._rows.sources import ArraySource, Source
from gmm._validation.given import check_constraint, check_fixed_start
from gmm._values.layouts import FULL, Array, Layout, SingularMatrixError
from gmm._values.objective import Objective
from gmm._values.parameters import PARTS, MixtureParameters
from gmm._values.statistics import SufficientStatistics
from gmm._values.weights import ALL_UNKNOWN, KnownClasses

Stage = Literal["starts", "order", "refinement", "ended"]


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


class FitProgress(NamedTuple):
    """Where a fit stands.

    Parameters
    ----------
    seeds : tuple of int
        Of all starts.
    stage : {"starts", "order", "refinement", "ended"}
    fit : MixtureFit, optional
        The runs that ended.
    run : SolverResult, optional
        The run in progress.
    refined : Refined, optional
        How far the refinement has come.
    """

    seeds: tuple[int, ...]
    stage: Stage = "starts"
    fit: MixtureFit | None = None
    run: SolverResult | None = None
    refined: Refined | None = None

    @property
    def mixture_fit(self) -> MixtureFit:
        """The runs that ended, of which there is one at least."""
        assert self.fit is not None  # n_init is at least 1
        return self.fit

    @property
    def n_decided(self) -> int:
        """Number of starts up to the last that ended, or to the one in progress, which is not among them."""
        ended = 0 if self.fit is None else self.fit.traces[-1].start + 1
        return ended if self.run is None else max(ended, self.run.trace.start)

    def with_end(self, result: SolverResult) -> FitProgress:
        """Return the progress once the run of a start has ended."""
        traces = (*(self.fit.traces if self.fit else ()), result.trace)
        if self.fit is None or result.lower_bound > self.fit.result.lower_bound:
            return self._replace(fit=MixtureFit(result, result.repaired, traces), run=None)
        return self._replace(fit=self.fit._replace(traces=traces), run=None)


class Journal:
    """The progress of one fit, and who is told of it.

    Parameters
    ----------
    progress : FitProgress or sequence of int
        Where the fit continues, or the seeds of its starts.
    keep : callable, optional
        Called with the journal wherever the fit could be continued from its `progress`.
    """

    def __init__(
        self, progress: FitProgress | Sequence[int], keep: Callable[[Journal], object] = lambda journal: None
    ) -> None:
        self._progress = progress if isinstance(progress, FitProgress) else FitProgress(tuple(progress))
        self._run: SolverRun | None = None
        self._keep = keep

    @property
    def progress(self) -> FitProgress:
        """Where the fit stands now."""
        return self._progress if self._run is None else self._progress._replace(run=self._run.result)

    def pause(self, run: SolverRun) -> None:
        """Note that a run could be continued from here."""
        self._run = run
        self._keep(self)

    def drop_run(self) -> None:
        """Forget the run in progress, which has failed."""
        self._run = None

    def note(self, progress: FitProgress) -> None:
        """Note how far the fit has come between two runs."""
        self._progress, self._run = progress if progress.run is None else progress._replace(run=None), None
        self._keep(self)


class Listener:
    """A callback, and whether it has ended the fit."""

    def __init__(self, callback: Callable[[Iteration], object] | None) -> None:
        self._callback = callback
        self.stopped = False

    def __call__(self, iteration: Iteration) -> bool:
        """Return whether the callback ends the fit after this pass."""
        self.stopped = self._callback is not None and bool(self._callback(iteration))
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


class Screening:
    """Short runs on the same rows, one for each start.

    A start is judged only by the starts before it. A start that is promising among few starts is so among more of them,
    so more starts never end lower.

    Parameters
    ----------
    problem : Problem
        Over the rows that `screening_rows` drew.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._reached: list[float] = []

    def __call__(self, parameters: MixtureParameters) -> Screened:
        """Run the next start and judge it."""
        (result,) = short_runs(self._problem, [parameters], SCREENING_PASSES)
        reached = -np.inf if result is None else result.lower_bound
        parameters = parameters if result is None else result.parameters
        record = max(self._reached, default=-np.inf)
        new = all(abs(reached - other) > _SAME for other in self._reached)
        self._reached.append(reached)
        return Screened(parameters, reached, record, reached > record - _MARGIN and new)


_PASSES = 20  # of EM on the sample, from each candidate
_LLOYD_PASSES = 5
_TRIES = 3  # in each metric, where seeds are drawn


def labelled_start(problem: Problem, rng: Rng) -> MixtureParameters:
    """Return the best of some starts, after a few passes over a sample of the rows.

    Components of a class start at the mean of its labelled rows, or at their k-means centres; those of no class at rows
    of unknown class, far from these (D² sampling). Then k-means that keeps labelled rows in their class (Basu, Banerjee
    & Mooney 2002) shares out the others, in three metrics: the rows' own units, those of their covariance, and those of
    the covariance within classes. Where every component has a class, the labelled rows alone are one more candidate.

    Parameters
    ----------
    problem : Problem
        Of rows with known classes.
    rng : Rng
    """
    sample, moments = _sampled(problem.rows, rng), problem.objective.model.for_starts.moments
    classes, on_sample = sample.known, problem._replace(rows=sample)
    labelled = classes.codes > 0
    starts = [] if classes.n_free else [_partitioned(on_sample, labelled, _views(sample, moments)[0], rng, 0)]
    is_random = len(classes.owners) > classes.owners.max() + 1
    if is_random or not labelled.all():
        everything = np.ones(sample.n_rows, dtype=bool)
        views = _views(sample, moments) * (_TRIES if is_random else 1)
        starts += [_partitioned(on_sample, everything, view, rng, _LLOYD_PASSES) for view in views]
    results = short_runs(on_sample, starts, _PASSES)
    best = results[best_of(on_sample, results)]
    if best is not None:
        return best.parameters
    with on_sample.e_step() as e_step:
        return on_sample.beginning(e_step, starts[0]).parameters


def start_within_classes(problem: Problem, method: str, rng: Rng) -> SufficientStatistics:
    """Return the statistics of a start in `STARTS`, made for each class and for the rows of unknown class.

    Each row then belongs to the nearest mean of its class or, from the start "random", to components by chance.

    Parameters
    ----------
    problem : Problem
        With rows of known classes.
    method : str
    rng : Rng
    """
    sample = _sampled(problem.rows, rng)
    classes, moments, n_threads = sample.known, problem.objective.model.moments, problem.n_threads
    if method == "random":
        shares = np.exp(classes.allowed).T[classes.codes] * rng.uniform(size=(sample.n_rows, len(classes.owners)))
        return from_responsibilities(sample, shares / shares.sum(axis=1, keepdims=True), moments, n_threads=n_threads)
    means = []
    for owner in dict.fromkeys(classes.owners.tolist()):
        of_class, n = np.flatnonzero(classes.codes == owner + 1), int((classes.owners == owner).sum())
        request = StartRequest(n, problem.objective.for_starts, n_threads)
        means.append(STARTS[method](sample.subset(of_class).with_classes(ALL_UNKNOWN), request, rng).means)
    return from_means(sample, np.concatenate(means), moments, n_threads=n_threads)


def _sampled(source: Source, rng: Rng) -> ArraySource:
    """Return some rows of unknown class and of each class, as a weighted set: equal rows merged, and sorted."""
    classes = source.known
    size, has_weight = sample_size(len(classes.owners)), source.weights > 0
    samples = []
    for code in range(classes.owners.max() + 2):
        rows = np.flatnonzero(has_weight & (classes.codes == code))
        at_most = size if code == 0 else max(1000, size // (classes.owners.max() + 1))
        samples.append(rng.choice(rows, at_most, replace=False) if len(rows) > at_most else rows)
    indices = np.sort(np.concatenate(samples))
    part = source.subset(indices)
    coded = np.column_stack([part.rows.astype(np.float64), classes.codes[indices]])
    merged, weight = distinct_rows(coded, part.sample_weight)
    codes = merged[:, -1].astype(np.intc)
    return ArraySource(np.ascontiguousarray(merged[:, :-1]), weight, KnownClasses(codes, classes.owners))


def _views(sample: ArraySource, moments: Layout) -> tuple[View, View, View]:
    """Return the sample in three metrics, the last that of the labelled rows about their classes' means."""
    classes = sample.known
    labelled = classes.codes > 0
    codes, part = classes.codes[labelled] - 1, sample.subset(np.flatnonzero(labelled))
    rows, mass = part.rows, part.weights
    sums = np.zeros((codes.max() + 1, sample.n_features))
    np.add.at(sums, codes, rows * mass[:, None])
    within = ArraySource(rows - (sums / np.bincount(codes, mass)[:, None])[codes], part.sample_weight)
    return *views_of(sample, moments), views_of(sample, moments, deviations=within)[1]


def _partitioned(
    problem: Problem, mask: NDArray[np.bool_], view: View, rng: Rng, n_passes: int
) -> SufficientStatistics:
    """Return the statistics of assigning the rows of a mask to the nearest centre that they may belong to."""
    sample, moments = problem.rows.resident, problem.objective.model.moments
    assert sample is not None  # it is a sample
    centres = view.in_own_units(_centres(view.rows, sample.known, rng)) + sample.survey.centre
    rows = sample.subset(np.flatnonzero(mask)).with_classes(sample.known.for_rows(mask))
    for remaining_passes in range(n_passes, -1, -1):
        statistics = partition(rows, centres, view.metric, moments, problem.n_threads)
        if remaining_passes:
            centres = statistics.means
    return statistics


def _centres(rows: ArraySource, classes: KnownClasses, rng: Rng) -> Array:
    """Return where k-means begins, (K, d)."""
    weight = rows.weights
    centres: list[Array] = []
    for number in range(classes.owners.max() + 1):
        of_class, n = classes.codes == number + 1, int((classes.owners == number).sum())
        part, mass = np.ascontiguousarray(rows.rows[of_class]), weight[of_class]
        if n == 1:
            centres.append(mass @ part / mass.sum())
        else:
            centres.extend(lloyd(ArraySource(part, mass), kmeans_plusplus(part, mass, n, rng)))
    unknown = classes.codes == 0
    for _ in range(classes.n_free):
        squares = np.min([((rows.rows - centre) ** 2).sum(axis=1) for centre in centres], axis=0)
        share = np.where(unknown, weight / weight.max() * squares, 0)
        share = share if share.any() else weight * unknown
        centres.append(rows.rows[rng.choice(rows.n_rows, p=share / share.sum())])
    return np.array(centres)


_ROWS = 0.1  # by which a component must outweigh the one before it


def in_falling_order(
    problem: Problem,
    e_step: EStep,
    result: SolverResult,
    settings: SolverSettings,
    callback: Callable[[Iteration], object] | None,
    *,
    paused: SolverResult | None = None,
    on_pause: Callable[[SolverResult, SolverRun], object] = lambda result, run: None,
) -> SolverResult:
    """Sort the components of a converged result, or of each class, by their rows; run on as long as the bound rises.

    Parameters
    ----------
    problem : Problem
    e_step : EStep
        Open over the rows of the problem.
    result : SolverResult
    settings : SolverSettings
        With the maximum number of passes of all runs together.
    callback : callable, optional
        Called after each pass; each run counts its own.
    paused : SolverResult, optional
        The first of these runs, where it had been paused.
    on_pause : callable, optional
        Called wherever a run could pause, with the result that the run is to raise.
    """
    owners = problem.rows.known.owner_of_each(result.parameters.n_components)
    together, last = np.diff(owners) == 0, owners.max() + 1  # components of no class come last
    while result.trace.converged and (np.diff(result.statistics.counts)[together] > _ROWS).any():
        n_passes = settings.max_iter - len(result.trace)
        if n_passes <= 0:
            break
        order = np.lexsort((-result.statistics.counts, np.where(owners < 0, last, owners)))
        statistics = result.statistics.reordered(order)
        begin = Beginning.at_pause(paused) if paused else problem.continuation(e_step, statistics)
        run = problem.run(
            e_step,
            begin,
            settings._replace(max_iter=n_passes),
            start=result.trace.start,
            callback=callback,
            on_pause=partial(on_pause, result),
        ).go()
        paused = None
        if not run.lower_bound > result.lower_bound:
            break
        result = run.result._replace(trace=run.result.trace.with_earlier(result.trace))
    return result


# Fits that are compared by n times their mean log-likelihoods must end closer to their optimum than one alone needs to.
COMPARISON_DEFAULTS = {"tol": 1e-5, "max_iter": 1000}

OnSkip = Callable[[int, Screened | None], object]

_ROUNDING = 1e-5  # of responsibilities in float32 that sum to 1
_OR_GO_ON = "; or let a GaussianMixture that has them go on with warm_start=True"
_LEAST_LEFT = 0.05  # share of a variance that errors leave
_MOST_SHARES = 1e150  # of a variance that errors are: squares are finite
_ENOUGH, _MOST = 50, 1 << 17  # rows of small errors: for each component, and of a sample


class StartSettings(NamedTuple):
    """Where a fit begins; other parts are left to the data.

    Parameters
    ----------
    method : str
        A name in `STARTS`.
    parts : mapping
        Of "weights" (K,), "means" (K, d) and "precisions" in the shape of the model's layout, those that are given.
    responsibilities : callable
        From a start's seed to an array of shape (n, K).
    """

    method: str = ""
    parts: Mapping[str, Array] = MappingProxyType({})
    responsibilities: Callable[[int], Array] | None = None

    @property
    def from_data(self) -> bool:
        """Whether all parts are left to the data."""
        return not self.parts and self.responsibilities is None


class FitSettings(NamedTuple):
    """How to fit: so many components, what is maximised, where to begin, how to go on, and whether to refine."""

    n_components: int
    objective: Objective
    start: StartSettings
    solver: SolverSettings
    n_threads: int | None
    refine: str | None = None

    def problem(self, rows: Source) -> Problem:
        """Return the problem of fitting such a mixture to the rows."""
        return Problem(rows, self.objective, self.n_threads)


def fit_mixture(
    source: Source,
    settings: FitSettings,
    journal: Journal,
    *,
    beginning: Beginning | None = None,
    callback: Callable[[Iteration], object] | None = None,
    on_end: Callable[[SolverResult], object] | None = None,
    on_skip: OnSkip | None = None,
) -> MixtureFit:
    """Run the solver from each promising start and return the best result.

    Parameters
    ----------
    source : Source
    settings : FitSettings
    journal : Journal
        Of the seeds, one for each start, or of an earlier fit that this one continues; it is told how far the fit has
        come. The first start does not depend on how many there are.
    beginning : Beginning, optional
        Where to begin or continue, instead of from starts.
    callback : callable, optional
        Called after each pass; a truthy return value ends the run, and no further start is tried.
    on_end : callable, optional
        Called with the result of each run.
    on_skip : callable, optional
        Called with the index of each start that is left out, from 0, and the result of its screening; with None if a
        covariance became singular.

    Raises
    ------
    SingularMatrixError
        If there is no ridge and every start ends in a singular covariance.
    """
    problem, solver, watch = settings.problem(source), settings.solver, Listener(callback)
    each = None if callback is None else watch
    with blas_alone_in_fit(source.n_features), problem.e_step() as e_step:
        if journal.progress.stage == "starts":
            for result in _runs(problem, settings, journal, beginning, e_step, each, on_skip):
                if on_end is not None:
                    on_end(result)
                ended = journal.progress.with_end(result)
                if watch.stopped:
                    return ended.mixture_fit
                journal.note(ended)
            journal.note(journal.progress._replace(stage="order"))
        fit = journal.progress.mixture_fit
        if journal.progress.stage == "order" and settings.objective.prior.ordered and solver.accelerated:
            fit = fit.improved(_ordered(problem, e_step, solver, each, journal))
            if watch.stopped:
                return fit
            journal.note(journal.progress._replace(fit=fit, stage="refinement"))
        if journal.progress.stage != "ended":
            if settings.refine is not None and fit.result.trace.converged:
                how: dict[str, Any] = {"callback": watch, "stop_requested": lambda: watch.stopped, "journal": journal}
                refined = split_merged(source, settings, fit.result, e_step, **how)
                fit = fit.improved(refined)
            if not watch.stopped:
                journal.note(FitProgress(journal.progress.seeds, "ended", fit))
        return fit


def first_mixture(source: Source, settings: FitSettings, seed: int) -> MixtureParameters:
    """Return the mixture that the first pass of a fit would measure."""
    problem = settings.problem(source)
    with problem.e_step() as e_step:
        return problem.beginning(e_step, _start(problem, settings, seed, e_step)).parameters


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
        begin = problem.beginning(e_step, _start(problem, settings, seed, e_step))
        run = problem.run(e_step, begin, settings.solver, callback=record)
        while not run.ended:
            now = run.go(1)
            if records:  # a run of no passes ends without one
                iteration, result = records.pop()
                last = now.result if now.ended else None
                reason, repaired = (None, result.repaired) if last is None else (last.trace.reason, last.repaired)
                yield SteppedPass(iteration, result.statistics, reason, repaired)


def _ordered(
    problem: Problem,
    e_step: EStep,
    solver: SolverSettings,
    callback: Callable[[Iteration], object] | None,
    journal: Journal,
) -> SolverResult:
    """Return the best result with its components in falling order, or where the journal's run leads from there."""
    fit, paused = journal.progress.mixture_fit, journal.progress.run

    def pause(result: SolverResult, run: SolverRun) -> None:
        if result is not journal.progress.mixture_fit.result:
            journal.note(journal.progress._replace(fit=fit._replace(result=result)))
        journal.pause(run)

    return in_falling_order(problem, e_step, fit.result, solver, callback, paused=paused, on_pause=pause)


def split_merged(
    source: Source,
    settings: FitSettings,
    best: SolverResult,
    e_step: EStep,
    *,
    callback: Callable[[Iteration], bool],
    stop_requested: Callable[[], bool],
    sample: ArraySource | None = None,
    journal: Journal | None = None,
) -> SolverResult:
    """Improve a converged result by split–merge moves; of many rows, moves are tried on a sample first.

    Parameters
    ----------
    source : Source
        All rows.
    settings : FitSettings
    best : SolverResult
    e_step : EStep
        Open over `source`.
    callback : callable
        Called after each pass of a move; a truthy return value ends the run of the move.
    stop_requested : callable
        Asked whether to return the best solution so far.
    sample : ArraySource, optional
        The sample; drawn here if None.
    journal : Journal, optional
        Where the moves continue, and what is told of them.
    """
    journal = journal or Journal(())

    def watched(iteration: Iteration) -> bool:
        return callback(iteration._replace(start=best.trace.start))

    share = sampled_share(source, settings.n_components) if sample is None else sample.n_rows / source.n_rows
    objective, screen = settings.objective.for_mixture(best.parameters), None
    problem = Problem(source, objective, settings.n_threads, repair_empty=False)
    with ExitStack() as stack:
        if share < LARGEST_SHARE:
            rng = np.random.default_rng(0)  # the same for every seed: a refinement is a function of the rows
            rows = _sampled(source, rng) if source.known else sample or sampled(source, settings.n_components, rng)
            on_sample = problem._replace(rows=rows)
            screen = MoveContext(on_sample, stack.enter_context(on_sample.e_step()), share)
        return SplitMerge(
            MoveContext(problem, e_step),
            partial(degenerate_under, settings.objective, source),
            settings.solver,
            screen=screen,
            callback=watched,
            stop_requested=stop_requested,
            keep=lambda refined: journal.note(journal.progress._replace(refined=refined)),
        ).refined(best, journal.progress.refined)


def _runs(
    problem: Problem,
    settings: FitSettings,
    journal: Journal,
    beginning: Beginning | None,
    e_step: EStep,
    callback: Callable[[Iteration], object] | None,
    on_skip: OnSkip | None,
) -> Iterator[SolverResult]:
    """Yield where the run of each start ended; one whose covariance becomes singular is left out.

    Raises
    ------
    SingularMatrixError
        If all are.
    """
    failure: SingularMatrixError | None = None
    for number, begin in _starts(problem, settings, journal, beginning, e_step, on_skip):
        try:
            if isinstance(begin, SingularMatrixError):
                raise begin
            run = problem.run(e_step, begin, settings.solver, start=number, callback=callback, on_pause=journal.pause)
            result = run.go().result
        except SingularMatrixError as error:
            failure = failure or error
            journal.drop_run()
            if on_skip is not None:
                on_skip(number, None)
        else:
            yield result
    if failure is not None and journal.progress.fit is None:
        raise failure


def _starts(
    problem: Problem,
    settings: FitSettings,
    journal: Journal,
    beginning: Beginning | None,
    e_step: EStep,
    on_skip: OnSkip | None,
) -> Iterator[tuple[int, Beginning | SufficientStatistics | SingularMatrixError]]:
    """Yield the index of each start that is still to be run, and where its run begins or continues, or why it cannot.

    Starts that were decided before the fit was paused are made again, since later ones are compared with them. Starts
    that are not promising are run after all while every run has failed.
    """
    seeds, run, n_decided = journal.progress.seeds, journal.progress.run, journal.progress.n_decided
    single = beginning or (Beginning.at_pause(run) if run is not None and len(seeds) == 1 else None)
    if single is not None or (len(seeds) == 1 and n_decided == 0):
        yield 0, single or _only_start(problem, settings, seeds[0], e_step)
        return
    screening: Screening | None = None
    unpromising: list[tuple[int, Beginning]] = []
    first = True
    for number, seed in enumerate(seeds):
        try:
            begin = problem.beginning(e_step, _start(problem, settings, seed, e_step))
        except SingularMatrixError as error:
            if number >= n_decided:
                yield number, error
            continue
        screened = screening(begin.parameters) if screening is not None else None
        if number >= n_decided:
            if run is not None and run.trace.start == number:
                yield number, Beginning.at_pause(run)
            elif screened is None:
                yield number, begin
            elif screened.promising:
                yield number, begin._replace(parameters=screened.parameters)
            elif journal.progress.fit is None:
                unpromising.append((number, begin))
            elif on_skip is not None:
                on_skip(number, screened)
        if first and number + 1 < len(seeds):
            screening, first = _screening(problem, settings, begin.parameters, seed), False
    yield from ((number, begin) for number, begin in unpromising if journal.progress.fit is None)


def _only_start(
    problem: Problem, settings: FitSettings, seed: int, e_step: EStep
) -> Beginning | SufficientStatistics | SingularMatrixError:
    """Return where the run of the only start begins, whose mixture nobody compares, or why it cannot."""
    try:
        begin = _start(problem, settings, seed, e_step)
        return problem.beginning(e_step, begin) if problem.objective.tails else begin
    except SingularMatrixError as error:
        return error


def _screening(problem: Problem, settings: FitSettings, first: MixtureParameters, seed: int) -> Screening | None:
    """Return a screening that has seen the first start; None if every start is to be run."""
    if problem.rows.known or settings.solver.max_iter <= SCREENING_PASSES:
        return None
    rows = screening_rows(problem.rows, first, seed)
    if rows is None:
        return None
    screening = Screening(problem._replace(rows=rows))
    screening(first)
    return screening


def _start(problem: Problem, settings: FitSettings, seed: int, e_step: EStep) -> Beginning | SufficientStatistics:
    how, noise = settings.start, problem.objective.noise
    check_fixed_start(problem.objective.fixed, how.parts, otherwise=_OR_GO_ON)
    if problem.rows.known and how.from_data:
        rng = np.random.default_rng(seed)
        if how.method == "kmeans":
            return Beginning(labelled_start(problem, rng))
        return start_within_classes(problem, how.method, rng)
    K, start = settings.n_components, partial(_start_statistics, settings=settings, seed=seed)
    heavy = problem.objective.tails and how.from_data
    if heavy and (begun := start_of_heavy_tails(problem, K, start, np.random.default_rng(seed))) is not None:
        return Beginning(begun)
    if not noise:
        return _start_without_noise(problem, settings, seed, e_step)
    if how.from_data:
        return Beginning(noisy_start(problem, K, noise.share, start, np.random.default_rng(seed)))
    begin = problem.beginning(e_step, _start_without_noise(problem, settings, seed, e_step))
    remainder = 1 - float(begin.parameters.as_estimate()[0].sum())
    share = remainder if remainder > _ROUNDING else noise.share
    return begin._replace(parameters=begin.parameters.with_noise(noise, share))


def _start_without_noise(
    problem: Problem, settings: FitSettings, seed: int, e_step: EStep
) -> Beginning | SufficientStatistics:
    model, K = problem.objective.model, settings.n_components
    parts: dict[str, Any] = dict(settings.start.parts)
    if "precisions" in parts:
        covariances = model.layout.inverse(parts.pop("precisions"), problem.rows.n_features)
        shares = parts.get("weights", np.full(K, 1 / K))
        if problem.objective.fixed.covariances.any():
            check_constraint(MixtureParameters(shares, np.zeros((K, problem.rows.n_features)), covariances, model))
        parts["covariances"] = model.constrained(covariances, np.maximum(shares, 1e-300))
        if len(parts) == len(PARTS):
            return Beginning(MixtureParameters(**parts, model=model))
    rows = problem.rows
    if "means" not in parts and settings.start.responsibilities is None:
        rows = precise_half(rows, K)
    statistics = _start_statistics(rows, settings, seed)
    if rows.errors:
        statistics = without_errors(problem, rows, problem.beginning(e_step, statistics).parameters)
    if not parts:
        return statistics
    begin = problem.beginning(e_step, statistics)
    return begin._replace(parameters=begin.parameters.with_other(**parts))


def _start_statistics(source: Source, settings: FitSettings, seed: int) -> SufficientStatistics:
    how, objective, n_threads = settings.start, settings.objective.for_starts, settings.n_threads
    moments = objective.model.moments
    if "means" in how.parts:
        return from_means(source.without_gaps, how.parts["means"], moments, n_threads=n_threads)
    if how.responsibilities is not None:
        return from_responsibilities(source.without_gaps, how.responsibilities(seed), moments, n_threads=n_threads)
    request = StartRequest(settings.n_components, objective, n_threads)
    return start_statistics(source, request, how.method, np.random.default_rng(seed))


# --- Rows whose errors are known -----------------------------------------------------------------


def precise_half(source: Source, n_components: int) -> Source:
    """Return the half of the rows with the smallest errors, in units of the columns; of few rows or no errors, all."""
    errors, n = source.errors, source.n_used // 2
    if not errors or n < _ENOUGH * n_components:
        return source
    low, high = source.survey.box
    units = np.where(high > low, high - low, np.inf)
    sizes = np.square(np.sqrt(errors.variances) / units).sum(axis=1)
    size = np.where(source.weights > 0, sizes[errors.codes], np.inf)
    return source.part(np.sort(np.argsort(size, kind="stable")[: min(n, _MOST)]))


def without_errors(problem: Problem, start: Source, mixture: MixtureParameters) -> SufficientStatistics:
    """Return the statistics of a mixture of rows without their errors, which were part of it at the start."""
    errors, (K, d) = start.errors, mixture.means.shape
    with EStep(start.without_gaps, mixture.model.layout, n_threads=problem.n_threads) as e_step:
        responsibilities = e_step.rows(mixture.whitened(), responsibilities=True).responsibilities
    assert responsibilities is not None  # they were asked for
    shares = np.full((len(errors.covariances), K), np.finfo(np.float64).tiny)
    np.add.at(shares, errors.codes, responsibilities * start.weights[:, None])
    mean_errors = np.tensordot((shares / shares.sum(axis=0)).T, errors.stored(FULL), 1)
    covariances = _without(mixture.model.layout.dense(mixture.covariances, K, d), mean_errors)
    counts = mixture.weights * problem.rows.survey.weight
    moments = FULL, mixture.means, counts, np.zeros((K, d)), counts[:, None, None] * covariances
    return SufficientStatistics(*moments, 0.0, float(counts.sum())).reduced(problem.objective.model.moments)


def _without(covariances: Array, errors: Array) -> Array:
    """Return covariances less those of errors, which leave at least a share in every direction."""
    whiteners, _ = FULL.whiten(np.ascontiguousarray(covariances), covariances.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):  # of errors beside which a covariance is nothing
        shares = np.nan_to_num(whiteners @ errors @ whiteners.transpose(0, 2, 1))
        shares = np.clip(shares, -_MOST_SHARES, _MOST_SHARES)
    values, axes = np.linalg.eigh(shares)
    roots = np.linalg.solve(whiteners, axes * np.sqrt(1 - np.clip(values, 0, 1 - _LEAST_LEFT))[:, None])
    return np.asarray(roots @ roots.transpose(0, 2, 1))
