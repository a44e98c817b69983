"""How one cell is solved: starts race, the best are finished, and the highest end without a spike is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from math import inf

from gmm.em.e_step import EStep
from gmm.em.m_step import MStep
from gmm.em.solver import Iteration, SolverResult, SolverRun
from gmm.fitting.degenerate import spikes
from gmm.fitting.fit import Beginning, FitSettings, split_merged
from gmm.rows.sources import ArraySource
from gmm.values.layouts import Layout, SingularMatrixError
from gmm.values.parameters import MixtureParameters
from gmm.values.statistics import SufficientStatistics

_RACE = 6  # passes of each start, …
_FIRST_ROUND, _IN_SIGHT = 3, 10  # … after so many of which it is out, if so many more gains like its last are too few
_RACE_ON_SAMPLE, _SECOND_HEAT = 10, 30  # which cost little beside those over all rows
_RIVALRY = 0.02  # nats per row: a start that is nearer to the first than this may pass it
_RIVALRY_AFTER = 0.002  # after the second heat
_BETTER = 1e-4  # nats per row, on a sample, than what stands
_HEAT = 3  # starts that a second heat is of
_FINISHED = 2  # starts, unless their ends have spikes
_LEG = 6  # passes between two looks at a climb
_LAST_RESORT = 50  # passes of the best of them, where all have spikes
_WATCHED = 16  # passes after which a climb's components are looked at
_JUDGED_BY, _FORESEEN = 3, 30  # passes: the gain of the last so many goes on for so many, where nothing else is known
_TRUST = 3  # times what a climb projects to gain, it may gain
_OUT_OF_TIME, _SPIKED = "the time of the search was up", "left where it was: a component had collapsed"
WORTH = 0.025  # nats in all, below which a fit may be left: 0.05 of a criterion


@dataclass(frozen=True, eq=False)
class Ground:
    """The rows of a search.

    Parameters
    ----------
    rows : ArraySource
        All, on which cells are finished.
    sample : ArraySource
        On which starts race; the same where there are few rows.
    n_effective : float
        See `gmm.fitting.degenerate.effective_rows`.
    """

    rows: ArraySource
    sample: ArraySource
    n_effective: float

    @property
    def whole(self) -> bool:
        """Whether starts race on all rows."""
        return self.sample is self.rows


class Worker:
    """The passes of one thread over the rows of a search, by the moments they add up."""

    def __init__(self, ground: Ground, n_threads: int | None) -> None:
        self.ground = ground
        self.n_threads = n_threads
        self._open = ExitStack()
        self._e_steps: dict[tuple[bool, int], EStep] = {}

    def all(self, moments: Layout) -> EStep:
        """Passes over all rows."""
        return self._e_step(self.ground.rows, moments)

    def sample(self, moments: Layout) -> EStep:
        """Passes over the rows on which starts race."""
        return self._e_step(self.ground.sample, moments)

    def close(self) -> None:
        """Let threads and memory go."""
        self._open.close()
        self._e_steps.clear()

    def _e_step(self, source: ArraySource, moments: Layout) -> EStep:
        key = (source is self.ground.rows, moments.code)
        if key not in self._e_steps:
            e_step = EStep(source, moments, n_threads=self.n_threads)
            self._e_steps[key] = self._open.enter_context(e_step)
        return self._e_steps[key]


@dataclass(frozen=True, eq=False)
class Solution:
    """Where the best climb of a cell ended.

    Parameters
    ----------
    climb : SolverResult
    spiked : int
        The first component that is a spike, −1 where none is.
    pace : float
        What it reaches in a race; −∞ where that was not tried.
    """

    climb: SolverResult
    spiked: int
    pace: float = -inf

    @property
    def parameters(self) -> MixtureParameters:
        """The mixture."""
        return self.climb.parameters

    @property
    def healthy(self) -> bool:
        """Whether no component is a spike."""
        return self.spiked < 0

    @property
    def lower_bound(self) -> float:
        """The mean log-likelihood over all rows, in nats per unit weight."""
        return self.climb.lower_bound

    def beats(self, other: Solution | None) -> bool:
        """Whether it is the better of two: without spikes, then higher."""
        return other is None or (self.healthy, self.lower_bound) > (other.healthy, other.lower_bound)


def _place(runner: SolverRun) -> float:
    return -runner.lower_bound


def _in_sight(runner: SolverRun, lead: float) -> bool:
    if len(runner.passes) < 2:
        return True
    before, last = runner.passes[-2:]
    return last.lower_bound + _IN_SIGHT * (last.lower_bound - before.lower_bound) >= lead


class Cell:
    """One number of components and one model, and how it is climbed.

    Parameters
    ----------
    settings : FitSettings
    ground : Ground
    watch : callable, optional
        Called after each pass; it may raise.
    time_is_up : callable
        Whether to leave climbs where they are.
    """

    def __init__(
        self,
        settings: FitSettings,
        ground: Ground,
        watch: Callable[[Iteration], object] | None = None,
        time_is_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self._settings = settings
        self._ground = ground
        self._model = settings.model
        self._worth = WORTH / ground.rows.survey.weight
        self._watch = watch
        self._time_is_up = time_is_up

    def solved(
        self, worker: Worker, starts: Sequence[SufficientStatistics], standing: Solution | None = None
    ) -> Solution:
        """The best of what the starts lead to, and of what stands.

        Raises
        ------
        SingularMatrixError
            If every start ends in a singular covariance, and nothing stands.
        """
        best = standing if standing is not None and standing.healthy else None
        lead = -inf if best is None else best.pace
        runners, failure = self._raced(worker, starts, lead)
        rivalry = _RIVALRY if self._ground.whole else _RIVALRY_AFTER
        last_resort, left_off, finished = (standing if best is None else None), None, 0
        for runner in runners:
            bar = lead + _BETTER if best is standing and not self._ground.whole else lead - rivalry
            raced = runner.lower_bound
            if best is not None and (finished == _FINISHED or raced < bar):
                break
            try:
                climber = self._over_all_rows(worker, runner)
                end = self._finished(climber, -inf if best is None else best.lower_bound)
            except SingularMatrixError as error:
                failure = error
                continue
            finished += climber.ended or end is not None
            if end is None:
                continue
            if end.healthy and end.beats(best):
                best, lead = end, max(lead, raced)
            elif not end.healthy and end.beats(last_resort):
                last_resort, left_off = end, climber
        if best is not None:
            return best if best is standing else self._paced(worker, best)
        if last_resort is None:
            assert failure is not None  # a start that nothing is better than is finished, or fails
            raise failure
        return last_resort if left_off is None else self._judged(left_off.go(_LAST_RESORT), _SPIKED)

    def refined(self, worker: Worker, solution: Solution) -> Solution:
        """What split–merge makes of a solution, if it is better."""
        if not solution.climb.trace.converged:
            return solution
        e_step, ground = worker.all(self._model.moments), self._ground
        how = (lambda iteration: bool(self._watch and self._watch(iteration)), self._time_is_up, ground.n_effective)
        sample = None if ground.whole else ground.sample
        end = self._solution(split_merged(ground.rows, self._settings, solution.climb, e_step, *how, sample))
        return solution if solution.beats(end) else self._paced(worker, end)

    def _raced(
        self, worker: Worker, starts: Sequence[SufficientStatistics], lead: float
    ) -> tuple[list[SolverRun], SingularMatrixError | None]:
        """The starts after some passes each, the highest first, without those that end in a singular covariance.

        Those that fall behind what stands, which reaches `lead`, or behind the first of them are left where they are.
        """
        e_step = worker.sample(self._model.moments)
        runners: list[SolverRun] = []
        failure: SingularMatrixError | None = None
        for start in starts:
            m_step = self._m_step(e_step)
            try:
                begin = m_step(start.reduced(self._model.moments))
                runners.append(self._climber(e_step, m_step, begin).go(_FIRST_ROUND))
            except SingularMatrixError as error:
                failure = error
        lead = max([lead, *(runner.lower_bound for runner in runners)])
        self._race_on([runner for runner in runners if _in_sight(runner, lead)], self._race_passes - _FIRST_ROUND)
        runners.sort(key=_place)
        if not self._ground.whole:
            lead = max([runner.lower_bound for runner in runners[:1]], default=-inf)
            runners = [runner for runner in runners[:_HEAT] if runner.lower_bound >= lead - _RIVALRY]
            self._race_on(runners, _SECOND_HEAT)
            runners.sort(key=_place)
        return runners, failure

    def _race_on(self, runners: Sequence[SolverRun], passes: int) -> None:
        """So many passes more; those that end in a singular covariance are left before that."""
        for runner in runners:
            with suppress(SingularMatrixError):
                runner.go(passes)

    @property
    def _race_passes(self) -> int:
        return _RACE if self._ground.whole else _RACE_ON_SAMPLE

    def _paced(self, worker: Worker, solution: Solution) -> Solution:
        """A solution, and what it reaches in a race."""
        if self._ground.whole:
            return replace(solution, pace=solution.lower_bound)
        e_step = worker.sample(self._model.moments)
        try:
            climber = self._climber(e_step, self._m_step(e_step), solution.parameters)
            reached = climber.go(_SECOND_HEAT).lower_bound
        except SingularMatrixError:
            reached = -inf
        return replace(solution, pace=reached)

    def _over_all_rows(self, worker: Worker, runner: SolverRun) -> SolverRun:
        """The climb that finishes a start: of the race itself, where that is over all rows."""
        if self._ground.whole:
            return runner
        e_step = worker.all(self._model.moments)
        return self._climber(e_step, self._m_step(e_step), runner.parameters).go(_LEG)

    def _finished(self, climber: SolverRun, target: float) -> Solution | None:
        """The end of a climb, finished or not if it has spikes; None where it does not pass `target`."""
        while not climber.ended and not self._time_is_up():
            if self._hopeless(climber, target):
                return None
            if len(climber.passes) >= _WATCHED and self._has_few_rows(climber.parameters):
                judged = self._judged(climber, _SPIKED)
                if not judged.healthy:
                    return judged
            climber.go(_LEG)
        return self._judged(climber) if climber.lower_bound > target else None

    def _climber(self, e_step: EStep, m_step: MStep, parameters: MixtureParameters) -> SolverRun:
        return self._settings.climber(e_step, m_step, Beginning(parameters), callback=self._watch)

    def _m_step(self, e_step: EStep) -> MStep:
        settings = self._settings
        return MStep(self._model, settings.reg_covar, settings.n_components, e_step.spread, settings.prior)

    def _judged(self, climber: SolverRun, why_left: str = _OUT_OF_TIME) -> Solution:
        """Where a climb stands, `why_left` being why it does not go on if it could."""
        climb = climber.climb
        return self._solution(climb if climber.ended else replace(climb, trace=replace(climb.trace, reason=why_left)))

    def _solution(self, climb: SolverResult) -> Solution:
        collapsed = spikes(climb.parameters, self._ground.n_effective, self._settings.reg_covar)
        return Solution(climb, int(collapsed.argmax()) if collapsed.any() else -1)

    def _has_few_rows(self, parameters: MixtureParameters) -> bool:
        """Whether some component is about to be left without rows: other spikes show in the end."""
        fewest = self._model.fewest_rows(parameters.n_features)
        return bool(self._ground.n_effective * parameters.weights.min() < 2 * fewest)

    def _hopeless(self, climber: SolverRun, target: float) -> bool:
        """Whether a climb will not end above `target` by as much as is worth telling."""
        if target == -inf or not climber.passes:
            return False
        passes, remaining = climber.passes, climber.passes[-1].remaining
        if remaining == inf and len(passes) > _JUDGED_BY:
            gained = passes[-1].lower_bound - passes[-1 - _JUDGED_BY].lower_bound
            remaining = _FORESEEN / _TRUST * max(gained, 0) / _JUDGED_BY
        return climber.lower_bound + _TRUST * remaining < target + self._worth
