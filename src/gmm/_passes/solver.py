"""The loop of every solver run: passes until a stopping rule, a callback or the maximum number ends it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from gmm._kernel.mstep import QuasiNewtonState
from gmm._passes.trace import CATCH_UP, LOWERED, PassRecord, Trace
from gmm._public import publish
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics


@dataclass(frozen=True, repr=False)
class Iteration:
    """One pass, as a callback sees it.

    Parameters
    ----------
    start : int
        Index of the start, from 0.
    n_iter : int
        Number of the pass, from 1.
    lower_bound : float
        Mean log-likelihood of `parameters`, in nats per unit weight; of a posterior, the lower bound of the log
        evidence, in nats in all, as `gain` and `remaining` then are.
    gain : float
        Change of the lower bound since the previous pass; infinite on the first pass.
    seconds : float
        Time of the pass and of the update before it.
    parameters : MixtureParameters
        The mixture that the pass measured; after a rejected pass, the last accepted mixture.
    remaining : float
        Projected remaining gain, in nats per unit weight; infinite where it is unknown.
    accepted : bool
        Whether the pass measured a mixture that was kept.
    move : int
        Number of the refinement move that the pass belongs to, from 1; 0 before the refinement.
    """

    start: int
    n_iter: int
    lower_bound: float
    gain: float
    seconds: float
    parameters: MixtureParameters
    remaining: float = float("inf")
    accepted: bool = True
    move: int = 0

    def __repr__(self) -> str:
        """Show the numbers of the pass, rounded."""
        at = f"start={self.start}, n_iter={self.n_iter}" + f", move={self.move}" * bool(self.move)
        numbers = f"lower_bound={self.lower_bound:.6g}, gain={self.gain:.3g}, remaining={self.remaining:.3g}"
        return f"Iteration({at}, {numbers}{'' if self.accepted else ', not accepted'})"


@dataclass(frozen=True, eq=False)
class SolverResult:
    """Where a run ended.

    Parameters
    ----------
    parameters : MixtureParameters
    statistics : SufficientStatistics
        From the pass that measured `parameters`.
    lower_bound : float
        Mean log-likelihood of `parameters`, in nats per unit weight.
    trace : Trace
    repaired : tuple of int
        Components that lost their rows and were given a new place, in that order.
    state : QuasiNewtonState or None
        Where an accelerated run can continue.
    """

    parameters: MixtureParameters
    statistics: SufficientStatistics
    lower_bound: float
    trace: Trace
    repaired: tuple[int, ...] = ()
    state: QuasiNewtonState | None = None


class Solver(Protocol):
    """An algorithm that makes one or more passes at a time."""

    @property
    def parameters(self) -> MixtureParameters:
        """The current mixture: the last one that was measured and kept."""

    @property
    def statistics(self) -> SufficientStatistics:
        """Statistics from the pass that measured the current mixture; their evidence may leave out a prior."""

    @property
    def repaired(self) -> tuple[int, ...]:
        """Components that were given a new place."""

    @property
    def state(self) -> QuasiNewtonState | None:
        """Where an accelerated run can continue."""

    def advance(self, at_most: int, lead: float = -math.inf) -> list[PassRecord]:
        """Make one or more passes, two if `CATCH_UP` more do not reach the lead; only the last may meet the rule."""

    def why_stop(self) -> str | None:
        """Return why to stop now, or None to continue."""

    def close(self) -> tuple[str, float]:
        """Finish at the maximum number of passes; return the reason and the lower bound of the current mixture."""


class SolverRun:
    """One run of a solver. It can pause after any pass and continue.

    Parameters
    ----------
    solver : Solver
    max_iter : int
        Maximum number of passes.
    start : int
        Index of the start, for the record.
    callback : callable, optional
        Called with an `Iteration` after each pass; a truthy return value ends the run.
    before : float, optional
        The last lower bound of an earlier run that this one continues.
    unit : float
        The solver's numbers are recorded times this: the weight of all rows, for nats in all.
    paused : SolverResult, optional
        What the `result` of this run was when it paused; the solver is the one of that time.
    on_pause : callable, optional
        Called with the run wherever it could pause: after one or more passes, unless the last met the stopping rule.

    Attributes
    ----------
    passes : list of PassRecord
        The passes so far.
    lower_bound : float
        Mean log-likelihood of the current mixture, in nats per unit weight.
    ended, converged : bool
        Whether the run is over, and whether the solver's stopping rule ended it.
    """

    def __init__(
        self,
        solver: Solver,
        *,
        max_iter: int,
        start: int = 0,
        callback: Callable[[Iteration], object] | None = None,
        before: float | None = None,
        unit: float = 1.0,
        paused: SolverResult | None = None,
        on_pause: Callable[[SolverRun], object] | None = None,
    ) -> None:
        self._solver = solver
        self._max_iter = max_iter
        self._start = start
        self._callback = callback
        self._before = before
        self._unit = unit
        self._on_pause = on_pause
        self._seconds: list[float] = [] if paused is None else list(paused.trace.seconds)
        self._reason = "not finished"
        self.passes: list[PassRecord] = [] if paused is None else list(paused.trace.passes)
        self.lower_bound = -math.inf if paused is None else paused.lower_bound
        self.ended = self.converged = False
        if self.passes:
            self._end_if(solver.why_stop(), stopped=False)

    @property
    def parameters(self) -> MixtureParameters:
        """The current mixture."""
        return self._solver.parameters

    @property
    def result(self) -> SolverResult:
        """The current mixture and the passes so far, as a value."""
        solver = self._solver
        trace = Trace(tuple(self.passes), tuple(self._seconds), self._reason, self.converged, self._start)
        return SolverResult(
            solver.parameters, solver.statistics, self.lower_bound, trace, solver.repaired, solver.state
        )

    def go(self, at_most: int | None = None, lead: float = -math.inf) -> SolverRun:
        """Make up to `at_most` further passes, or all; the last possible one lets the solver finish its update.

        A run that begins pauses after two passes if it is too far below `lead`, a lower bound: see `CATCH_UP`.
        """
        enough = self._max_iter if at_most is None else min(len(self.passes) + at_most, self._max_iter)
        while not self.ended and len(self.passes) < enough and not self._is_far_below(lead):
            self._advance(1 if self._callback is not None else enough - len(self.passes), lead)
            if self._on_pause is not None and not (self.converged or self._reason.startswith(LOWERED)):
                self._on_pause(self)
        if not self.ended and len(self.passes) == self._max_iter:
            self._reason, lower_bound = self._solver.close()
            self.lower_bound = lower_bound * self._unit
            self.ended = True
            only = self.passes[0] if len(self.passes) == 1 else None
            if only and only.remaining == math.inf and only.lower_bound > -math.inf:  # no other gain tells what is left
                self.passes = [only._replace(remaining=max(0.0, self.lower_bound - only.lower_bound))]
        return self

    def _is_far_below(self, lead: float) -> bool:
        """Tell whether two passes foretell that the run does not come up with a lead."""
        if len(self.passes) != 2 or lead == -math.inf:
            return False
        first, second = (record.lower_bound for record in self.passes)
        return second + CATCH_UP * (second - first) < lead

    def _advance(self, at_most: int, lead: float) -> None:
        began = perf_counter()
        records = self._solver.advance(at_most, lead / self._unit if len(self.passes) < 2 else -math.inf)
        self.add([record.times(self._unit) for record in records], perf_counter() - began)

    def add(self, records: list[PassRecord], seconds: float) -> None:
        """Record passes of the solver, which took so long in all."""
        self.passes += records
        self._seconds += [seconds / len(records)] * len(records)
        self.lower_bound = records[-1].lower_bound
        stopped = self._callback is not None and self._stopped_by(self._callback, records[-1])
        self._before = self.lower_bound
        self._end_if(self._solver.why_stop(), stopped=stopped)

    def _end_if(self, why: str | None, *, stopped: bool) -> None:
        if why or stopped:
            self._reason, self.ended = why or "stopped by the callback", True
            self.converged = why is not None and not why.startswith(LOWERED)

    def _stopped_by(self, callback: Callable[[Iteration], object], last: PassRecord) -> bool:
        gain = math.inf if self._before is None else last.lower_bound - self._before
        of_pass = self._start, len(self.passes), last.lower_bound, gain, self._seconds[-1]
        return bool(callback(Iteration(*of_pass, self._solver.parameters, last.remaining, last.accepted)))


publish("gmm.em", [Iteration])
