"""How one cell is solved: starts race, the best are finished, and the highest without degenerate components is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import NamedTuple

import numpy as np

from gmm._estimators import criteria
from gmm._fitting.degenerate import Judge, degenerate_under, fewest_rows
from gmm._fitting.sampling import LARGEST_SHARE, Rng, sample_indices, sample_size, sampled, sampled_share
from gmm._fitting.split_merge import split_merged
from gmm._fitting.starts import RECENT, FitSettings, Start, first_legs, foreseen_gain, is_hopeless
from gmm._passes.e_step import EStep
from gmm._passes.problem import Beginning, Leg, e_step_over
from gmm._passes.solver import Iteration, PassRecord, SolverResult, SolverRun
from gmm._rows.sources import Source
from gmm._selection.grid import LEFT, of_interest
from gmm._values.layouts import Layout, SingularMatrixError
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics

# A run may gain so many times its projected gain. In 1112 passes of slow runs, up to 239 passes before their end, the
# gain to come exceeded this bound by 20 nats at most, half of `of_interest`: what is left cannot be the best.
_BAR_GAIN_SAFETY = 10


class Bar(NamedTuple):
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

    def reason_to_leave(self, passes: Sequence[PassRecord], n_parameters: int) -> str | None:
        """Return the status of a run that will not end near the bar; None if it may.

        A mixture without prior is assumed: the bounds of its passes are log-likelihoods.
        """
        recent = passes[-RECENT:]
        gain = foreseen_gain([record.lower_bound for record in recent])
        if not isfinite(gain):
            return None
        gain = min(gain, _BAR_GAIN_SAFETY * recent[-1].remaining)
        reached = self.weight * (recent[-1].lower_bound + gain)
        behind = criteria.least(self.criterion, reached, n_parameters, self.weight) - self.score
        if not of_interest(self.criterion) < behind < inf:
            return None
        return f"{LEFT}at least {behind:,.0f} {criteria.title(self.criterion)} behind the best"


# Sample on which starts are compared; all rows if it would hold more than LARGEST_SHARE of them.
_SAMPLE_ROWS, _ROWS_PER_PARAMETER = 10_000, 20
_RACE = 6  # passes of each start
_RACE_ON_SAMPLE, _SECOND_HEAT = 10, 30  # passes, which cost little beside those over all rows
_RIVALRY = 0.02  # nats per row: a start that is nearer to the first than this may pass it
_RIVALRY_AFTER = 0.002  # after the second heat
_BETTER = 1e-4  # nats per row: how much a start must beat the present solution by, on a sample
_HEAT = 3  # starts in the second heat
_FINISHED = 2  # starts that are finished, not counting those with degenerate components
_FEW_ROWS = 7  # of those that have a component with too few rows after the race, while all that ended are degenerate
_LEG = 6  # passes between two checks of a run
_LAST_RESORT = 50  # passes of the best of them, where all have degenerate components
_CHECKED = 16  # passes before a run is checked for degenerate components
_GAIN_SAFETY = 3  # a run may gain so many times its projected remaining gain
_SAME_OPTIMUM = 0.25  # nats in all: a run that ends so near to a solution has found it again
_OUT_OF_TIME, _DEGENERATE = "time limit of the search reached", "stopped early: a component is degenerate"
CRITERION_ACCURACY = 0.025  # nats in all, below which a fit may be left: 0.05 of a criterion


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
        sample = _drawn(source, most_components, rng)
        whole = sampled_share(source, most_components) == 1
        rows = sample if whole and source.resident is not None else source
        size = max(_SAMPLE_ROWS, _ROWS_PER_PARAMETER * most_components * source.n_features)
        if size > LARGEST_SHARE * rows.n_rows:
            return cls(rows, rows if whole else sample)
        return cls(rows, _drawn(sample, most_components, rng, size))

    @property
    def whole(self) -> bool:
        """Whether starts race on all rows."""
        return self.sample is self.all_rows


def _drawn(source: Source, n_components: int, rng: Rng, size: int | None = None) -> Source:
    """Return what `sampled` returns; of rows with errors, some with theirs, which are no weighted set."""
    if not source.errors:
        return sampled(source, n_components, rng, size=size)
    return source.part(sample_indices(source, size or sample_size(n_components), rng))


class Worker:
    """One thread of a search, with its E-steps; their passes have `n_threads`."""

    def __init__(self, search_rows: SearchRows, n_threads: int | None) -> None:
        self.search_rows = search_rows
        self.n_threads = n_threads
        self._open = ExitStack()
        self._e_steps: dict[tuple[bool, int], EStep] = {}

    def all(self, moments: Layout) -> EStep:
        """Return passes over all rows."""
        return self._e_step(self.search_rows.all_rows, moments)

    def sample(self, moments: Layout) -> EStep:
        """Return passes over the rows on which starts race."""
        return self._e_step(self.search_rows.sample, moments)

    def close(self) -> None:
        """Release threads and memory."""
        self._open.close()
        self._e_steps.clear()

    def _e_step(self, source: Source, moments: Layout) -> EStep:
        key = (source is self.search_rows.all_rows, moments.code)
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

    @property
    def parameters(self) -> MixtureParameters:
        """The mixture."""
        return self.result.parameters

    def __str__(self) -> str:
        """Return a line for the log."""
        end = f", component {self.degenerate} is degenerate" if self.is_degenerate else ""
        return f"log-likelihood {self.lower_bound:.6f} nats per unit weight{end}"

    @property
    def is_degenerate(self) -> bool:
        """Whether a component is degenerate."""
        return self.degenerate >= 0

    @property
    def lower_bound(self) -> float:
        """Mean log-likelihood over all rows, in nats per unit weight."""
        return self.result.lower_bound

    def beats(self, other: Solution | None) -> bool:
        """Whether it is the better of two: first without degenerate components, then higher."""
        if other is None:
            return True
        return (not self.is_degenerate, self.lower_bound) > (not other.is_degenerate, other.lower_bound)


Solve = Callable[[], tuple[Solution, bool]]


@dataclass(frozen=True, eq=False)
class Cell:
    """One number of components and one model, and how it is solved.

    `callback` is called after each pass, and may raise; `time_is_up` is asked whether to leave runs where they are.
    `memory` returns what an interrupted search has found, or asks for it. A run that will not come near `bar` is left.
    `judge` says what mixtures are compared by.
    """

    settings: FitSettings
    rows: SearchRows
    callback: Callable[[Iteration], object] | None
    time_is_up: Callable[[], bool]
    memory: Callable[[Solve, Solution | None, Callable[[], bool]], tuple[Solution, bool]] | None = None
    bar: Bar | None = None
    judge: Judge = Judge.CRITERION

    def _recall(self, solve: Solve, present: Solution | None) -> tuple[Solution, bool]:
        return solve() if self.memory is None else self.memory(solve, present, self.time_is_up)

    @property
    def is_settled(self) -> bool:
        """Whether no start leads to better: with one component, or so few rows that all ends are degenerate."""
        objective, K = self.settings.objective, self.settings.n_components
        if K == 1:
            return not (objective.noise or objective.tails)
        return K * self._fewest_rows > self.rows.all_rows.survey.weight and not (
            objective.fixed or objective.model.common
        )

    @property
    def _fewest_rows(self) -> float:
        return fewest_rows(self.settings.objective.model, self.rows.all_rows.n_features)

    @property
    def _moments(self) -> Layout:
        return self.settings.objective.model.moments

    def moments(self, worker: Worker, solution: Solution) -> SufficientStatistics:
        """Return the moments of a solution about any origin, of which starts are made."""
        moments = self.settings.objective.model.of_starts.moments
        if moments is self._moments:
            return solution.result.statistics
        return worker.sample(moments)(solution.parameters.whitened())

    def solved(self, worker: Worker, starts: Sequence[Start], present: Solution | None = None) -> Solution:
        """Return the best of the present solution and of what the starts lead to.

        Raises
        ------
        SingularMatrixError
            If every start ends in a singular covariance, and there is no present solution.
        """
        return self._recall(lambda: (self._solved(worker, starts, present), False), present)[0]

    def _solved(self, worker: Worker, starts: Sequence[Start], present: Solution | None) -> Solution:
        best = present if present is not None and not present.is_degenerate else None
        lead = -inf if best is None else best.race_bound
        runs, failure = self._raced(worker, starts, lead)
        rivalry = _RIVALRY if self.rows.whole else _RIVALRY_AFTER
        last_resort, last_run, finished, n_lacking = (present if best is None else None), None, 0, 0
        for raced in runs:
            least = lead + _BETTER if best is present and not self.rows.whole else lead - rivalry
            reached = raced.lower_bound
            if best is not None and (finished == _FINISHED or reached < least):
                break
            lacks = best is None and self._lacks_rows(raced)
            if lacks and n_lacking == (1 if self.is_settled else _FEW_ROWS):
                continue
            try:
                run = self._over_all_rows(worker, raced)
                end = self._finished(run, -inf if best is None else best.lower_bound)
            except SingularMatrixError as error:
                failure = error
                continue
            finished += run.ended or end is not None
            n_lacking += lacks
            if end is None:
                continue
            if not end.is_degenerate and end.beats(best):
                best, lead = end, max(lead, reached)
            elif end.is_degenerate and end.beats(last_resort):
                last_resort, last_run = end, run
        if best is not None:
            return best if best is present else self._paced(worker, best)
        if last_resort is None:
            raise failure or ValueError("no start came to a finite likelihood: are rows very far from the others?")
        if last_run is not None:
            with suppress(SingularMatrixError):
                return self._judged(last_run.go(_LAST_RESORT), _DEGENERATE)
        return last_resort

    def retried(self, worker: Worker, start: Start, present: Solution) -> tuple[Solution, bool]:
        """Return the better of the present solution and of what a start leads to; and whether both are the same."""
        return self._recall(lambda: self._retried(worker, start, present), present)

    def _retried(self, worker: Worker, start: Start, present: Solution) -> tuple[Solution, bool]:
        (leg,) = self._first_legs(worker, [start], _RACE)
        if not isinstance(leg, Leg):
            return present, False
        first = leg.run
        if not self.rows.whole:
            _race_on([first], _RACE_ON_SAMPLE + _SECOND_HEAT - _RACE)
            if first.lower_bound < present.race_bound + _BETTER:
                return present, first.lower_bound > present.race_bound - _BETTER
        try:
            end = self._finished(self._over_all_rows(worker, first), -inf)  # a start left before its end tells nothing
        except SingularMatrixError:
            return present, False
        if end is None or end.is_degenerate:
            return present, False
        same = abs(end.lower_bound - present.lower_bound) < _SAME_OPTIMUM / self.rows.all_rows.survey.weight
        return self._paced(worker, end) if end.beats(present) else present, same

    def refined(self, worker: Worker, solution: Solution) -> Solution:
        """Improve a solution by split–merge moves."""
        return self._recall(lambda: (self._refined(worker, solution), False), solution)[0]

    def _refined(self, worker: Worker, solution: Solution) -> Solution:
        objective, model = self.settings.objective, self.settings.objective.model
        # Moves need moments about any origin, of normal components.
        if not solution.result.trace.converged or model.of_starts is not model or objective.tails:
            return solution
        e_step, rows = worker.all(self._moments), self.rows
        result = split_merged(
            rows.all_rows,
            self.settings,
            solution.result,
            e_step,
            callback=lambda iteration: bool(self.callback and self.callback(iteration)),
            stop_requested=self.time_is_up,
            sample=None if rows.whole else rows.sample.resident,
        )
        end = self._solution(result)
        return solution if solution.beats(end) else self._paced(worker, end)

    def _raced(
        self, worker: Worker, starts: Sequence[Start], lead: float
    ) -> tuple[Iterable[SolverRun], SingularMatrixError | None]:
        """Run the starts for some passes; return the runs, the highest first, and the last error.

        A start is left after two passes if it is far below `lead`, which the present solution reaches, or an earlier
        start.
        """
        legs = self._first_legs(worker, starts, _RACE if self.rows.whole else _RACE_ON_SAMPLE, lead)
        ranked = sorted((leg for leg in legs if isinstance(leg, Leg)), key=lambda leg: -leg.lower_bound)
        failure = next((leg for leg in reversed(legs) if isinstance(leg, SingularMatrixError)), None)
        if self.rows.whole:
            return (leg.run for leg in ranked), failure
        runs = [leg.run for leg in ranked[:_HEAT] if leg.lower_bound >= ranked[0].lower_bound - _RIVALRY]
        _race_on(runs, _SECOND_HEAT)
        return sorted(runs, key=lambda run: -run.lower_bound), failure

    def _paced(self, worker: Worker, solution: Solution) -> Solution:
        """Measure what a solution reaches in a race."""
        if self.rows.whole:
            return solution._replace(race_bound=solution.lower_bound)
        (leg,) = self._first_legs(worker, [solution.parameters], _SECOND_HEAT)
        return solution._replace(race_bound=leg.lower_bound if isinstance(leg, Leg) else -inf)

    def _over_all_rows(self, worker: Worker, run: SolverRun) -> SolverRun:
        """Return the run that finishes a start: the one of the race itself if that is over all rows."""
        if self.rows.whole:
            return run
        problem, e_step = self.settings.problem(self.rows.all_rows), worker.all(self._moments)
        return problem.run(e_step, Beginning(run.parameters), self.settings.solver, callback=self.callback).go(_LEG)

    def _first_legs(
        self, worker: Worker, starts: Sequence[Start], passes: int, lead: float = -inf
    ) -> list[Leg | SingularMatrixError]:
        problem, e_step = self.settings.problem(self.rows.sample), worker.sample(self._moments)
        begins = [one.reduced(self._moments) if isinstance(one, SufficientStatistics) else one for one in starts]
        return first_legs(problem, e_step, begins, self.settings.solver, passes, self.callback, lead)

    def _finished(self, run: SolverRun, target: float) -> Solution | None:
        """Return the end of a run, early if a component is degenerate or the bar far; None if below `target`."""
        while not run.ended and not self.time_is_up():
            if self._is_hopeless(run, target):
                return None
            reason = self.bar and self.bar.reason_to_leave(run.passes, run.parameters.n_parameters)
            if reason:
                return self._judged(run, reason) if run.lower_bound > target else None
            # A component is about to lose its rows; other degenerate components show in the end.
            if len(run.passes) >= _CHECKED and self._lacks_rows(run, 2):
                judged = self._judged(run, _DEGENERATE)
                if judged.is_degenerate:
                    return judged
            run.go(_LEG)
        return self._judged(run) if run.lower_bound > target else None

    def _judged(self, run: SolverRun, reason: str = _OUT_OF_TIME) -> Solution:
        """Return where a run stands; `reason` is the one to record if it could continue."""
        result = run.result
        return self._solution(result if run.ended else result._replace(trace=replace(result.trace, reason=reason)))

    def _solution(self, result: SolverResult) -> Solution:
        objective, rows = self.settings.objective, self.rows.all_rows
        degenerate = degenerate_under(objective, rows, result.parameters, result.statistics, self.judge)
        return Solution(result, int(degenerate.argmax()) if degenerate.any() else -1)

    def _lacks_rows(self, run: SolverRun, times: float = 1) -> bool:
        """Tell whether a component has fewer rows than so many times what it needs."""
        return bool(self.rows.all_rows.survey.weight * run.parameters.weights.min() < times * self._fewest_rows)

    def _is_hopeless(self, run: SolverRun, target: float) -> bool:
        """Tell whether a run will not end above `target` by as much as matters."""
        bounds = [record.lower_bound for record in run.passes[-RECENT:]]
        remaining = _GAIN_SAFETY * run.passes[-1].remaining if run.passes else inf
        return is_hopeless(bounds, target + CRITERION_ACCURACY / self.rows.all_rows.survey.weight, remaining=remaining)


def _race_on(runs: Sequence[SolverRun], passes: int) -> None:
    """Make further passes; a run that ends in a singular covariance is left before that."""
    for run in runs:
        with suppress(SingularMatrixError):
            run.go(passes)
