"""How one cell is solved: starts race, the best are finished, and the highest without degenerate components is kept.

The threads that solve cells, and the time that they have, are those of a `TaskPool`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from itertools import zip_longest
from math import inf, isfinite
from operator import attrgetter
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from gmm._em import Outlook, foreseen_gain
from gmm._estimators.criteria import CRITERION, HELD_OUT, least, title
from gmm._estimators.outcome import ill_defined
from gmm._exceptions import warn
from gmm._fitting.degenerate import Degeneracy, fewest_rows
from gmm._fitting.sampling import LARGEST_SHARE, sampled, sampled_share
from gmm._fitting.split_merge import split_merged
from gmm._fitting.starts import FitSettings, Start, first_runs
from gmm._lazy import cached_property
from gmm._log import LOGGER
from gmm._passes.e_step import EStep, result_of, submitted
from gmm._passes.em import SolverRun
from gmm._passes.problem import Beginning, Problem, e_step_over
from gmm._passes.solver import Iteration, SolverResult
from gmm._rows.sources import Source
from gmm._selection.candidates import Diagnosis, Starts
from gmm._selection.request import CRITERION_ACCURACY, Key, Request
from gmm._values.covariance import covariance_model
from gmm._values.layouts import Array, Layout, SingularMatrixError
from gmm._values.parameters import MixtureParameters

OK = "ok"
NOT_CONVERGED = "not converged"
NOT_TRIED = "not tried"
DEGENERATE = "degenerate"
FAILED = "failed"
LEFT = "left"
_DETAILED = DEGENERATE, FAILED, LEFT
KINDS = OK, NOT_CONVERGED, NOT_TRIED, *_DETAILED
MORE_THAN_ROWS = "more components than rows"


class Status(NamedTuple):
    """What became of a cell.

    `detail` names the component that is degenerate, says how far behind the best it was left, or why it has failed.
    """

    kind: str
    detail: str = ""

    @classmethod
    def of(cls, text: str) -> Status:
        """Return the status that a table, a file or the record of a run words so."""
        kind, _, detail = text.partition(": ")
        return cls(kind, detail)

    def __str__(self) -> str:
        """Return the text of tables and files."""
        return f"{self.kind}: {self.detail}" if self.kind in _DETAILED else self.kind

    @property
    def is_solved(self) -> bool:
        """Whether the cell has a fit."""
        return self.kind not in (FAILED, NOT_TRIED)

    def is_eligible(self, criterion: str) -> bool:
        """Return whether this criterion of a cell with a fit may choose it: rows held out judge degenerate ones too."""
        return criterion == HELD_OUT or self.kind != DEGENERATE


# A run may gain so many times its projected gain. In 1112 passes of slow runs, up to 239 passes before their end, the
# gain to come exceeded this bound by 20 nats at most, half of `of_interest`: what is left cannot be the best.
_GAIN_SAFETY_OF_SCORES = 10


class BestScore(NamedTuple):
    """The best criterion of other cells.

    Parameters
    ----------
    criterion : str
    score : float
        Infinite if no other cell has one.
    weight : float
        Of all rows.
    """

    criterion: str
    score: float
    weight: float

    def reason_to_leave(self, records: Array, n_parameters: int) -> str | None:
        """Return the status of a run with these records that will not end near the best; None if it may.

        A mixture without prior is assumed: the bounds of its passes are log-likelihoods.
        """
        gain = foreseen_gain(records)
        if not isfinite(gain):
            return None
        bound, _, remaining, *_ = records[-1].tolist()
        gain = min(gain, _GAIN_SAFETY_OF_SCORES * remaining)
        reached = self.weight * (bound + gain)
        behind = least(self.criterion, reached, n_parameters, self.weight) - self.score
        if not CRITERION[self.criterion].of_interest < behind < inf:
            return None
        return str(Status(LEFT, f"at least {behind:,.0f} {title(self.criterion)} behind the best"))


# Sample on which starts are compared; all rows if it would hold more than LARGEST_SHARE of them.
_SAMPLE_ROWS, _ROWS_PER_PARAMETER = 10_000, 20
_RACE = 6  # passes of each start
_RACE_ON_SAMPLE, _LONG_RACE = 10, 30  # passes, which cost little beside those over all rows
_IN_LONG_RACE = 3  # starts
_MARGIN = 0.02  # nats per row: a start that is nearer to the first than this may pass it
_MARGIN_AFTER = 0.002  # after the long race
_BETTER = 1e-4  # nats per row: how much a start must beat the present solution by, on a sample
_FINISHED = 2  # starts that are finished, not counting those with degenerate components
_FEW_ROWS = 7  # of those that have a component with too few rows after the race, while all that ended are degenerate
_PASSES_AT_ONCE = 6  # between two checks of a run
_LAST_RESORT = 50  # passes of the best of them, where all have degenerate components
_CHECKED = 16  # passes before a run is checked for degenerate components
_GAIN_SAFETY = 3  # a run may gain so many times its projected remaining gain
_SAME_OPTIMUM = 0.25  # nats in all: a run that ends so near to a solution has found it again
_LOWER_BOUND = attrgetter("lower_bound")
_OUT_OF_TIME, _DEGENERATE = "time limit of the search reached", "stopped early: a component is degenerate"


class SearchRows(NamedTuple):
    """The rows of a search.

    Parameters
    ----------
    all_rows : Source
        The rows on which cells are finished.
    sample : Source
        The rows on which starts race; `all_rows` itself if there are few.
    """

    all_rows: Source
    sample: Source

    @classmethod
    def of(cls, source: Source, most_components: int, seed: int) -> SearchRows:
        """Take all rows and a sample; few rows are their own sample, weighted, so that results ignore their order."""
        rng = np.random.default_rng(seed)
        sample = sampled(source, most_components, rng)
        whole = sampled_share(source, most_components) == 1
        rows = sample if whole and source.one_array is not None else source
        size = max(_SAMPLE_ROWS, _ROWS_PER_PARAMETER * most_components * source.n_features)
        if size > LARGEST_SHARE * rows.n_rows:
            return cls(rows, rows if whole else sample)
        return cls(rows, sampled(sample, most_components, rng, size=size))

    @property
    def whole(self) -> bool:
        """Whether starts race on all rows."""
        return self.sample is self.all_rows


class Worker:
    """One thread of a search, with its E-steps; their passes have `n_threads`."""

    def __init__(self, rows: SearchRows, n_threads: int | None) -> None:
        self._rows = rows
        self.n_threads = n_threads
        self._open = ExitStack()
        self._e_steps: dict[tuple[bool, int], EStep] = {}

    def close(self) -> None:
        """Release threads and memory."""
        self._open.close()
        self._e_steps.clear()

    def e_step(self, source: Source, moments: Layout) -> EStep:
        """Return passes over all rows, or over those on which starts race."""
        key = (source is self._rows.all_rows, moments.code)
        if key not in self._e_steps:
            e_step = e_step_over(source, moments, n_threads=self.n_threads)
            self._e_steps[key] = self._open.enter_context(e_step)
        return self._e_steps[key]


class Solution(NamedTuple):
    """The best result of a cell.

    Parameters
    ----------
    result : SolverResult
    degenerate : int
        The first degenerate component, −1 if there is none.
    race_bound : float
        The lower bound that it reaches in a race; −∞ if that was not measured.
    """

    result: SolverResult
    degenerate: int
    race_bound: float = -inf

    def __str__(self) -> str:
        """Return a line for the log."""
        end = f", component {self.degenerate} is degenerate" if self.degenerate >= 0 else ""
        return f"log-likelihood {self.result.lower_bound:.6f} nats per unit weight{end}"


class End(NamedTuple):
    """Where a run of a cell was left: why, its first degenerate component or −1, and its lower bound there."""

    run: SolverRun
    reason: str
    degenerate: int
    lower_bound: float

    def solution(self) -> Solution:
        """Return the end as a value, before the run goes on."""
        return Solution(self.run.left(self.reason), self.degenerate)


# What rows, numbers and sizes may lead to, in words; any other error is a fault of this package.
_REFUSALS = ValueError, ArithmeticError, MemoryError


def is_fault(error: Exception) -> bool:
    """Tell whether the package failed, rather than refused."""
    return not isinstance(error, _REFUSALS) or isinstance(error, np.linalg.LinAlgError)


def status_of(outcome: Solution | Exception | None, covariance_type: str) -> Status:
    """Return what became of a cell of this type, with a solution, the error that left none, or neither."""
    if outcome is None:
        return Status(NOT_TRIED)
    if isinstance(outcome, Solution):
        trace = outcome.result.trace
        ended = Status.of(trace.reason)
        if outcome.degenerate >= 0:
            return Status(DEGENERATE, f"component {outcome.degenerate}")
        return ended if ended.kind == LEFT else Status(OK if trace.converged else NOT_CONVERGED)
    model, error = covariance_model(covariance_type), outcome
    text = " ".join(str(ill_defined(error, model) if isinstance(error, SingularMatrixError) else error).split())
    return Status(FAILED, f"{type(error).__name__}: {text}".rstrip(": ") if is_fault(error) or not text else text)


class Clock:
    """The time limit of a search, in seconds from now; it does not end before there is a solution."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.perf_counter() + seconds
        self.has_solution = False

    @property
    def is_limited(self) -> bool:
        """Whether there is a time limit."""
        return self._end is not None

    def half(self) -> Clock:
        """Return a clock of half the time that is left."""
        return Clock(None if self._end is None else max(self._end - time.perf_counter(), 0.0) / 2)

    def is_up(self) -> bool:
        """Tell whether to begin nothing more."""
        return self.has_solution and self._end is not None and time.perf_counter() >= self._end


Task = Callable[[Worker], Any]


class TaskPool:
    """Run tasks for cells, on several threads if there are several workers, and time them.

    `n_workers` cells are solved at a time, the passes of each on `n_threads`.
    """

    def __init__(self, rows: SearchRows, n_workers: int, n_threads: int | None, clock: Clock) -> None:
        self.rows, self.clock = rows, clock
        self._workers: SimpleQueue[Worker] = SimpleQueue()
        self._all = [Worker(rows, n_threads) for _ in range(n_workers)]
        for worker in self._all:
            self._workers.put(worker)
        self._pool = ThreadPoolExecutor(n_workers, thread_name_prefix="gmm-cell") if n_workers > 1 else None
        self._interrupted = False

    @property
    def watch(self) -> Callable[[Iteration], None] | None:
        """A callback for each pass, which ends cells on other threads once this one is interrupted."""
        return None if self._pool is None else self._end_if_interrupted

    def close(self) -> None:
        """Wait for the threads, and release what the workers hold."""
        if self._pool is not None:
            self._pool.shutdown()
        for worker in self._all:
            worker.close()

    def __call__(
        self, tasks: Mapping[Cell, Task], report: Callable[..., object] | None = None, *, in_any_case: bool = False
    ) -> dict[Cell, Any]:
        """Return results in task order; tasks not started before the time limit are left out, or run `in_any_case`.

        `report` is called with each cell and its result, in this order, once those before are there.
        """
        if not tasks:
            return {}
        run, results = partial(self._run, in_any_case=in_any_case), dict[Cell, Any]()
        try:
            futures = submitted(self._pool, run, tasks.items()) if self._pool is not None and len(tasks) > 1 else []
            for (cell, task), future in zip_longest(tasks.items(), futures):
                result, was_run = run(cell, task) if future is None else result_of(future)
                if was_run:
                    results[cell] = result
                    if report is not None:
                        report(cell, result)
        except BaseException:
            self._interrupted = True
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
            raise
        return results

    def _run(self, cell: Cell, task: Task, *, in_any_case: bool) -> tuple[Any, bool]:
        if not in_any_case and self.clock.is_up():
            return None, False
        worker, began = self._workers.get(), time.perf_counter()
        try:
            result = task(worker)
        except OSError:  # rows that cannot be read, or the end of an interrupted search
            raise
        except Exception as error:
            result = error
            if is_fault(error):  # told at once, as the cell may have a solution that hides it
                warn(
                    f"A part of the search failed, {cell.key.n_components} components of {cell.key.model.name}: "
                    f"{type(error).__name__}: {error}. The search goes on without it; please report this.",
                    RuntimeWarning,
                )
        finally:
            self._workers.put(worker)
            cell.seconds += time.perf_counter() - began
        if isinstance(result, Solution):
            self.clock.has_solution = True
        return result, True

    def _end_if_interrupted(self, _: Iteration) -> None:
        if self._interrupted:
            raise InterruptedError


_BATCH = 3  # fresh starts of a cell between two looks at the others
_HALFWAY = 2  # starts between solution and random partition behind each fresh one, until one of those finds it again


class Attempts(NamedTuple):
    """What became of starts that were made for a cell once its solution had been found.

    Parameters
    ----------
    solution : Solution
    n_fresh, n_again : int
        Fresh starts since this solution was found, and how many of them led to it again.
    n_starts : int
        Starts in all.
    """

    solution: Solution
    n_fresh: int = 0
    n_again: int = 0
    n_starts: int = 0

    def settled(self, again: int, fresh: int) -> bool:
        """Tell whether the solution was found `again`, or after `fresh` starts; a single component has one solution."""
        single = self.solution.result.parameters.n_components == 1
        return single or self.n_again >= again or self.n_fresh >= fresh

    def after(self, solution: Solution, *, fresh: bool, same: bool) -> Attempts:
        """Return what is known after one more start."""
        total = self.n_starts + 1
        if not same and solution is not self.solution:
            return Attempts(solution, n_starts=total)
        return Attempts(solution, self.n_fresh + fresh, self.n_again + (fresh and same), total)


class Cell:
    """One number of components, model and tails: how it is solved, and what has become of it so far.

    Parameters
    ----------
    key : Key
    request : Request
    pool : TaskPool
        That solves it; runs are left where they are once its time is up.

    Attributes
    ----------
    outcome : Solution, the Exception that left none, or None
    solution, sound : Solution or None
        The outcome if it is one, and if none of its components is degenerate.
    best : BestScore or None
        What a run has to come near, fixed for a stage; None finishes each.
    seconds : float
        Time spent on the cell alone.
    diagnosed : tuple of Solution and Diagnosis, or None
        What other cells need to begin from a solution.
    scores : dict of str to float
        Log-likelihood and criteria by name, of the solution `scored`.
    begun_from : dict of Key to Solution
        Of other cells, from which this one has started.
    moments : Layout
        Of the second moments of its statistics.
    attempts : Attempts
        What is known of fresh starts since the solution was found; there are none without one.
    refined_solution : Solution or None
        What the moves of split–merge led to.
    """

    def __init__(self, key: Key, request: Request, pool: TaskPool) -> None:
        self.key, self.rows, self.is_up, self.is_timed = key, pool.rows, pool.clock.is_up, pool.clock.is_limited
        self._request, self._callback = request, pool.watch
        self.outcome: Solution | Exception | None = None
        self.solution: Solution | None = None
        self.sound: Solution | None = None
        self.best: BestScore | None = None
        self.seconds = 0.0
        self.diagnosed: tuple[Solution, Diagnosis] | None = None
        self.scored: Solution | None = None
        self.scores: dict[str, float] = {}
        self.begun_from: dict[Key, Solution] = {}  # not by cells, which would hold each other
        self.refined_solution: Solution | None = None
        self.attempts: Attempts
        self.moments, self._weight = key.model.layout, pool.rows.all_rows.survey.weight
        self._accuracy = CRITERION_ACCURACY / self._weight  # of a lower bound
        self._is_whole = pool.rows.whole  # whether starts race on all rows

    @cached_property
    def settings(self) -> FitSettings:
        """How the cell is fitted."""
        return self._request.settings(self.key, self.rows.all_rows)

    @cached_property
    def _problem(self) -> Problem:
        """Where starts race."""
        return self.settings.problem(self.rows.sample)

    @cached_property
    def _degeneracy(self) -> Degeneracy:
        return Degeneracy.of_fits(self.settings.objective, self.rows.all_rows, self._request.judge)

    def keep(self, result: Solution | Exception) -> None:
        """Take what a stage led to; a failure does not replace a solution."""
        if result is self.outcome or (isinstance(result, Exception) and self.solution):
            return
        if isinstance(result, Solution):
            self.attempts = Attempts(result, n_starts=self.attempts.n_starts if self.solution else 0)
            self.solution, self.sound = result, result if result.degenerate < 0 else None
        self.outcome = result
        text = result if isinstance(result, Solution) else f"failed: {result}"
        LOGGER.info("search: components %d, %s  %s", self.key.n_components, self.key.kind, text)

    @cached_property
    def is_settled(self) -> bool:
        """Whether no start leads to better: with one component, or so few rows that all ends are degenerate."""
        objective, K = self.settings.objective, self.settings.n_components
        if K == 1:
            return not (objective.noise or objective.tails)
        return K * self._fewest_rows > self._weight and not (objective.fixed or objective.model.common)

    @cached_property
    def _fewest_rows(self) -> float:
        return fewest_rows(self.key.model, self.rows.all_rows.n_features)

    def solved(self, worker: Worker, starts: Sequence[Start], present: Solution | None = None) -> Solution:
        """Return the best of the present solution and of what the starts lead to.

        Raises
        ------
        SingularMatrixError
            If every start ends in a singular covariance, and there is no present solution.
        """
        sound = present if present is not None and present.degenerate < 0 else None
        best: Solution | End | None = sound
        lead, bound = (-inf, -inf) if sound is None else (sound.race_bound, sound.result.lower_bound)
        runs, failure = self._raced(worker, starts, lead)
        margin = _MARGIN if self._is_whole else _MARGIN_AFTER
        last_resort: End | None = None
        finished = n_lacking = 0
        for raced in runs:
            enough = lead + _BETTER if best is present and not self._is_whole else lead - margin
            reached = raced.lower_bound
            if best is not None and (finished == _FINISHED or reached < enough):
                break
            lacks = best is None and self._lacks_rows(raced)
            if lacks and n_lacking == (1 if self.is_settled else _FEW_ROWS):
                continue
            try:
                run = raced if self._is_whole else self._over_all_rows(worker, raced)
                end = self._finished(run, bound)
            except SingularMatrixError as error:
                failure = error
                continue
            finished += run.ended or end is not None
            n_lacking += lacks
            if end is None:
                continue
            if end.degenerate < 0:
                best, lead, bound = end, max(lead, reached), end.lower_bound
            elif last_resort is None or end.lower_bound > last_resort.lower_bound:
                last_resort = end
        if best is not None:
            return best if isinstance(best, Solution) else self._paced(worker, best.solution())
        if present is not None and (last_resort is None or not last_resort.lower_bound > present.result.lower_bound):
            return present
        if last_resort is None:
            raise failure or ValueError("no start came to a finite likelihood: are rows very far from the others?")
        solution = last_resort.solution()
        with suppress(SingularMatrixError):
            return self._judged(last_resort.run.go(_LAST_RESORT), _DEGENERATE).solution()
        return solution

    def retried(self, worker: Worker, start: Start, present: Solution) -> tuple[Solution, bool]:
        """Return the better of the present solution and of what a start leads to; and whether both are the same."""
        (first,) = self._first_runs(worker, [start], _RACE)
        if not isinstance(first, SolverRun):
            return present, False
        if not self._is_whole:
            _race_on([first], _RACE_ON_SAMPLE + _LONG_RACE - _RACE)
            if first.lower_bound < present.race_bound + _BETTER:
                return present, first.lower_bound > present.race_bound - _BETTER
        try:
            run = first if self._is_whole else self._over_all_rows(worker, first)
            end = self._finished(run, -inf)  # a start left before its end tells nothing
        except SingularMatrixError:
            return present, False
        if end is None or end.degenerate >= 0:
            return present, False
        gain = end.lower_bound - present.result.lower_bound
        same = abs(gain) < _SAME_OPTIMUM / self._weight
        better = present.degenerate >= 0 or gain > self._accuracy
        return self._paced(worker, end.solution()) if better else present, same

    def refined(self, worker: Worker, solution: Solution) -> Solution:
        """Improve a solution by split–merge moves."""
        objective, model = self.settings.objective, self.settings.objective.model
        # Moves need moments about any origin, of normal components.
        if not solution.result.trace.converged or model.for_starts is not model or objective.tails:
            return solution
        settings = self.settings._replace(n_threads=worker.n_threads)
        where = self.rows.all_rows, settings, solution.result, worker.e_step(self.rows.all_rows, self.moments)
        sample = None if self._is_whole else self.rows.sample.resident
        result = split_merged(*where, callback=self._callback, stop_requested=self.is_up, sample=sample)
        if result.lower_bound < solution.result.lower_bound or self._degeneracy.first(result) >= 0:
            return solution  # else its trace tells of the moves
        return self._paced(worker, Solution(result, -1))

    def retry(self, starts: Starts, enough: tuple[int, int], worker: Worker) -> Attempts:
        """Solve the cell again from some fresh starts, and from halfway to them while none led to its solution."""
        attempts, objective = self.attempts, self.settings.objective
        until = attempts.n_starts + _BATCH * (1 + _HALFWAY)
        while attempts.n_starts < until and not attempts.settled(*enough) and not self.is_up():
            number, solution = attempts.n_starts, attempts.solution
            fresh = attempts.n_again > 0 or number % (1 + _HALFWAY) == 0
            start: Start
            if fresh:
                start = starts.fresh(self.settings, number, worker.n_threads)
            else:
                moments, statistics = objective.model.for_starts.layout, solution.result.statistics
                if moments is not self.moments:
                    statistics = worker.e_step(self.rows.sample, moments)(solution.result.parameters.whitened())
                start = starts.halfway(statistics, number, worker.n_threads)
            end, same = self.retried(worker, start, solution)
            attempts = attempts.after(end, fresh=fresh, same=same)
        return attempts

    def _raced(
        self, worker: Worker, starts: Sequence[Start], lead: float
    ) -> tuple[Iterable[SolverRun], SingularMatrixError | None]:
        """Run the starts for some passes; return the runs, the highest first, and the last error.

        A start is left after two passes if it is far below `lead`, which the present solution reaches, or an earlier
        start.
        """
        begun = self._first_runs(worker, starts, _RACE if self._is_whole else _RACE_ON_SAMPLE, lead)
        ranked = sorted([one for one in begun if isinstance(one, SolverRun)], key=_LOWER_BOUND, reverse=True)
        failure = next((one for one in reversed(begun) if isinstance(one, SingularMatrixError)), None)
        if self._is_whole:
            return ranked, failure
        runs = [one for one in ranked[:_IN_LONG_RACE] if one.lower_bound >= ranked[0].lower_bound - _MARGIN]
        _race_on(runs, _LONG_RACE)
        return sorted(runs, key=_LOWER_BOUND, reverse=True), failure

    def _paced(self, worker: Worker, solution: Solution) -> Solution:
        """Measure what a solution reaches in a race."""
        if self._is_whole:
            return solution._replace(race_bound=solution.result.lower_bound)
        (begun,) = self._first_runs(worker, [solution.result.parameters], _LONG_RACE)
        return solution._replace(race_bound=begun.lower_bound if isinstance(begun, SolverRun) else -inf)

    def _over_all_rows(self, worker: Worker, run: SolverRun) -> SolverRun:
        """Return a run over all rows from where one on a sample came."""
        problem, e_step = self.settings.problem(self.rows.all_rows), worker.e_step(self.rows.all_rows, self.moments)
        whole = problem.run(e_step, Beginning(run.parameters), self.settings.solver, callback=self._callback)
        return whole.go(_PASSES_AT_ONCE)

    def _first_runs(
        self, worker: Worker, starts: Sequence[Start], passes: int, lead: float = -inf
    ) -> list[SolverRun | SingularMatrixError]:
        begins = [one if isinstance(one, MixtureParameters) else one.reduced(self.moments) for one in starts]
        e_step = worker.e_step(self.rows.sample, self.moments)
        return first_runs(self._problem, e_step, begins, self.settings.solver, passes, self._callback, lead)

    def _finished(self, run: SolverRun, target: float) -> End | None:
        """Return the end of a run, early if a component is degenerate or the best far off; None if below `target`."""
        # A prior is no part of the criteria.
        best = None if self.best is None or self.settings.objective.prior else self.best
        # A component is about to lose its rows; other degenerate components show in the end.
        fewest, checked = 2 * self._fewest_rows / self._weight, _CHECKED
        if best is not None or self.is_timed:
            fewest, checked = inf, 0
        outlook = Outlook(
            target=target + self._accuracy,
            safety=_GAIN_SAFETY,
            period=_PASSES_AT_ONCE,
            since=run.n_passes,
            fewest=fewest,
            checked=checked,
        )
        reason: str | None = None
        while not (run.ended or (self.is_timed and self.is_up())):
            if run.is_hopeless(outlook):
                return None
            reason = best and best.reason_to_leave(run.records, run.parameters.n_parameters)
            if reason:
                break
            if run.n_passes >= _CHECKED and self._lacks_rows(run, 2):
                degenerate = self._degeneracy.first(run)
                if degenerate >= 0:
                    return End(run, _DEGENERATE, degenerate, run.lower_bound)
            run.go(outlook=outlook)
        return self._judged(run, reason or _OUT_OF_TIME) if run.lower_bound > target + self._accuracy else None

    def _judged(self, run: SolverRun, reason: str) -> End:
        return End(run, reason, self._degeneracy.first(run), run.lower_bound)

    def _lacks_rows(self, run: SolverRun, times: float = 1) -> bool:
        """Tell whether a component has fewer rows than so many times what it needs."""
        return self._weight * run.least_weight < times * self._fewest_rows


def _race_on(runs: Sequence[SolverRun], passes: int) -> None:
    """Make further passes; a run that ends in a singular covariance is left before that."""
    for run in runs:
        with suppress(SingularMatrixError):
            run.go(passes)
