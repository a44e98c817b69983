"""How one cell is solved: starts race, the best are finished, and the highest end without a spike is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple

from gmm.fitting import Beginning, FitSettings, split_merged
from gmm.health import spikes
from gmm.inference import Climb, EStep, Iteration
from gmm.layouts import Layout, SingularMatrixError
from gmm.likelihood import MStep
from gmm.parameters import MixtureParameters
from gmm.sources import ArraySource
from gmm.statistics import SufficientStatistics

_RACE = 6  # passes of each start
_RACE_ON_SAMPLE, _SECOND_HEAT = 10, 30  # which cost little beside those over all rows
_RIVALRY = 0.02  # nats per row: a start that is nearer to the first than this may pass it
_RIVALRY_AFTER = 0.002  # after the second heat
_BETTER = 1e-4  # nats per row, on a sample, than what stands
_HEAT = 3  # starts that a second heat is of
_FINISHED = 2  # starts, unless their ends have spikes
_FIRST_LEG = 8  # passes; each leg is twice as long as the one before
_WATCHED = 16  # passes after which a climb's components are looked at
_JUDGED_BY, _FORESEEN = 3, 30  # passes: the gain of the last so many goes on for so many, where nothing else is known
_TRUST = 3  # times what a climb projects to gain, it may gain
_WORTH = 0.025  # nats in all: 0.05 of a criterion


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
        See `gmm.health.effective_rows`.
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
    climb : Climb
    spiked : int
        The first component that is a spike, −1 where none is.
    pace : float
        What it reaches in a race; −∞ where that was not tried.
    """

    climb: Climb
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


class _Runner(NamedTuple):
    """A start after the race, and what updates it."""

    climb: Climb
    m_step: MStep


def _place(runner: _Runner) -> float:
    return -runner.climb.lower_bound


class Cell:
    """One number of components and one model, and how it is climbed.

    Parameters
    ----------
    settings : FitSettings
    ground : Ground
    watch : callable, optional
        Called after each pass; it may raise.
    """

    def __init__(
        self, settings: FitSettings, ground: Ground, watch: Callable[[Iteration], object] | None = None
    ) -> None:
        self._settings = settings
        self._ground = ground
        self._model = settings.model
        self._worth = _WORTH / ground.rows.survey.weight
        self._watch = watch

    def solved(
        self, worker: Worker, starts: Sequence[SufficientStatistics], standing: Solution | None = None
    ) -> Solution:
        """The best of what the starts lead to, and of what stands.

        Raises
        ------
        SingularMatrixError
            If every start ends in a singular covariance, and nothing stands.
        """
        runners, failure = self._raced(worker, starts)
        best = standing if standing is not None and standing.healthy else None
        lead = -inf if best is None else best.pace
        rivalry = _RIVALRY if self._ground.whole else _RIVALRY_AFTER
        last_resort, finished = (standing if best is None else None), 0
        for runner in runners:
            bar = lead + _BETTER if best is standing and not self._ground.whole else lead - rivalry
            if best is not None and (finished == _FINISHED or runner.climb.lower_bound < bar):
                break
            try:
                end = self._finished(worker, runner, -inf if best is None else best.lower_bound)
            except SingularMatrixError as error:
                failure = error
                continue
            if end is None:
                continue
            finished += 1
            if not end.healthy:
                last_resort = end if end.beats(last_resort) else last_resort
            elif end.beats(best):
                best, lead = end, max(lead, runner.climb.lower_bound)
        if best is not None:
            return best if best is standing else self._paced(worker, best)
        if last_resort is None:
            assert failure is not None  # a start that nothing is better than is finished, or fails
            raise failure
        return self._to_the_end(worker, last_resort)

    def refined(self, worker: Worker, solution: Solution) -> Solution:
        """What split–merge makes of a solution, if it is better."""
        if not solution.climb.trace.converged:
            return solution
        e_step, ground = worker.all(self._model.moments), self._ground
        how = (lambda iteration: bool(self._watch and self._watch(iteration)), lambda: False, ground.n_effective)
        sample = None if ground.whole else ground.sample
        end = self._judged(split_merged(ground.rows, self._settings, solution.climb, e_step, *how, sample))
        return solution if solution.beats(end) else self._paced(worker, end)

    def _raced(
        self, worker: Worker, starts: Sequence[SufficientStatistics]
    ) -> tuple[list[_Runner], SingularMatrixError | None]:
        """The starts after some passes each, the highest first, without those that end in a singular covariance."""
        e_step = worker.sample(self._model.moments)
        runners: list[_Runner] = []
        failure: SingularMatrixError | None = None
        for start in starts:
            m_step = self._m_step(e_step)
            try:
                begin = Beginning(m_step(start.reduced(self._model.moments)))
                runners.append(_Runner(self._climbed(e_step, m_step, begin, self._race_passes), m_step))
            except SingularMatrixError as error:
                failure = error
        runners.sort(key=_place)
        if not self._ground.whole:
            lead = max([runner.climb.lower_bound for runner in runners[:1]], default=-inf)
            near = [runner for runner in runners[:_HEAT] if runner.climb.lower_bound >= lead - _RIVALRY]
            runners = [self._after_second_heat(e_step, runner) for runner in near]
            runners.sort(key=_place)
        return runners, failure

    def _after_second_heat(self, e_step: EStep, runner: _Runner) -> _Runner:
        if runner.climb.trace.converged:
            return runner
        try:
            return runner._replace(climb=self._continued(e_step, runner.m_step, runner.climb, _SECOND_HEAT))
        except SingularMatrixError:
            return runner

    @property
    def _race_passes(self) -> int:
        return _RACE if self._ground.whole else _RACE_ON_SAMPLE

    def _paced(self, worker: Worker, solution: Solution) -> Solution:
        """A solution, and what it reaches in a race."""
        if self._ground.whole:
            return replace(solution, pace=solution.lower_bound)
        e_step = worker.sample(self._model.moments)
        begin = Beginning(solution.parameters)
        try:
            reached = self._climbed(e_step, self._m_step(e_step), begin, _SECOND_HEAT).lower_bound
        except SingularMatrixError:
            reached = -inf
        return replace(solution, pace=reached)

    def _finished(self, worker: Worker, runner: _Runner, target: float) -> Solution | None:
        """The end of a start, finished or not if it has spikes; None where it will not pass `target`."""
        e_step, m_step, climb = worker.all(self._model.moments), runner.m_step, runner.climb
        if not self._ground.whole:
            m_step = self._m_step(e_step)
            climb = self._climbed(e_step, m_step, Beginning(climb.parameters), _FIRST_LEG)
        leg = _FIRST_LEG
        while not self._ended(climb):
            if self._hopeless(climb, target):
                return None
            if len(climb.trace) >= _WATCHED and self._has_few_rows(climb):
                judged = self._judged(climb)
                if not judged.healthy:
                    return judged
            climb = self._continued(e_step, m_step, climb, leg)
            leg *= 2
        return self._judged(climb)

    def _to_the_end(self, worker: Worker, solution: Solution) -> Solution:
        """A solution with spikes, better than none, whose climb was left off for them."""
        e_step, climb = worker.all(self._model.moments), solution.climb
        m_step = self._m_step(e_step)
        while not self._ended(climb):
            climb = self._continued(e_step, m_step, climb, self._settings.max_iter)
        return self._judged(climb)

    def _continued(self, e_step: EStep, m_step: MStep, climb: Climb, passes: int) -> Climb:
        begin = Beginning(climb.parameters, climb.trace.lower_bounds[-1:], climb.ascent)
        made = climb.trace
        more = self._climbed(e_step, m_step, begin, passes, made=len(made))
        both = made.passes + more.trace.passes, made.seconds + more.trace.seconds
        return replace(more, trace=replace(more.trace, passes=both[0], seconds=both[1]))

    def _climbed(self, e_step: EStep, m_step: MStep, begin: Beginning, passes: int, *, made: int = 0) -> Climb:
        """A climb of so many passes, to be continued unless `max_iter` is reached; `made` were before."""
        left = self._settings.max_iter - made
        closing = passes >= left
        at_most = min(passes, left)
        return self._settings.climb(e_step, m_step, begin, at_most=at_most, closing=closing, callback=self._watch)

    def _m_step(self, e_step: EStep) -> MStep:
        settings = self._settings
        return MStep(self._model, settings.reg_covar, settings.n_components, e_step.spread, settings.prior)

    def _ended(self, climb: Climb) -> bool:
        return climb.trace.converged or len(climb.trace) >= self._settings.max_iter

    def _judged(self, climb: Climb) -> Solution:
        collapsed = spikes(climb.parameters, self._ground.n_effective, self._settings.reg_covar)
        return Solution(climb, int(collapsed.argmax()) if collapsed.any() else -1)

    def _has_few_rows(self, climb: Climb) -> bool:
        """Whether some component is about to be left without rows: other spikes show in the end."""
        fewest = self._model.fewest_rows(climb.parameters.n_features)
        return bool(self._ground.n_effective * climb.parameters.weights.min() < 2 * fewest)

    def _hopeless(self, climb: Climb, target: float) -> bool:
        """Whether a climb will not end above `target` by as much as is worth telling."""
        if target == -inf:
            return False
        bounds, remaining = climb.trace.lower_bounds, climb.trace.passes[-1].remaining if climb.trace.passes else inf
        if remaining == inf and len(bounds) > _JUDGED_BY:
            remaining = _FORESEEN / _TRUST * max(bounds[-1] - bounds[-1 - _JUDGED_BY], 0) / _JUDGED_BY
        return climb.lower_bound + _TRUST * remaining < target + self._worth
