"""The loop that every climb is: passes until a rule, a callback or their number ends it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from gmm._kernel.mstep import QuasiNewtonState
from gmm.em.trace import PassRecord, Trace
from gmm.values.parameters import MixtureParameters
from gmm.values.statistics import SufficientStatistics


@dataclass(frozen=True, repr=False)
class Iteration:
    """One pass, as a callback sees it.

    Parameters
    ----------
    start : int
        Which start is climbing, the first being 0.
    n_iter : int
        Which pass, the first being 1.
    lower_bound : float
        Mean log-likelihood of `parameters`, in nats per unit weight.
    gain : float
        Its change since the pass before; infinite on the first.
    seconds : float
        Time of the pass and of the update before it.
    parameters : MixtureParameters
        What the pass measured; where it was not accepted, what stands.
    remaining : float
        Projected remaining gain, in nats per unit weight; infinite where it is not known.
    accepted : bool
        Whether the pass measured a mixture that was kept.
    move : int
        Which climb of a refinement it belongs to, counted from 1; 0 before.
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
        """The numbers of the pass, rounded."""
        at = f"start={self.start}, n_iter={self.n_iter}" + f", move={self.move}" * bool(self.move)
        told = f"lower_bound={self.lower_bound:.6g}, gain={self.gain:.3g}, remaining={self.remaining:.3g}"
        return f"Iteration({at}, {told}{'' if self.accepted else ', not accepted'})"


@dataclass(frozen=True, eq=False)
class SolverResult:
    """Where a climb ended.

    Parameters
    ----------
    parameters : MixtureParameters
    statistics : SufficientStatistics
        Of the pass that measured them.
    lower_bound : float
        Their mean log-likelihood, in nats per unit weight.
    trace : Trace
    ascent : QuasiNewtonState or None
        Where an accelerated climb would go on.
    """

    parameters: MixtureParameters
    statistics: SufficientStatistics
    lower_bound: float
    trace: Trace
    ascent: QuasiNewtonState | None = None


class Solver(Protocol):
    """A way to climb, one or more passes at a time."""

    @property
    def parameters(self) -> MixtureParameters:
        """The mixture that stands: measured last, and kept."""

    @property
    def statistics(self) -> SufficientStatistics:
        """Of the pass that measured it."""

    @property
    def ascent(self) -> QuasiNewtonState | None:
        """Where an accelerated climb stands."""

    def advance(self, at_most: int) -> list[PassRecord]:
        """Make a pass, or several, none of which but the last may be one to stop after."""

    def why_stop(self) -> str | None:
        """Why to stop now, or None to go on."""

    def close(self) -> tuple[str, float]:
        """End for lack of passes: say so, and what is the lower bound of the mixture that stands then."""


class SolverRun:
    """A climb under way: it goes on in legs, and tells where it stands to whom that concerns.

    Parameters
    ----------
    way : Solver
    max_iter : int
        Passes at most.
    start : int
        The number of the start, for the record.
    callback : callable, optional
        Called with an `Iteration` after each pass; a true answer ends the climb.
    before : float, optional
        The last lower bound of an earlier climb that this one continues.

    Attributes
    ----------
    passes : list of PassRecord
        Those made.
    lower_bound : float
        The mean log-likelihood of the mixture that stands, in nats per unit weight.
    ended, converged : bool
        Whether there is nothing more to be done, and whether that is by the way's rule.
    """

    def __init__(
        self,
        way: Solver,
        *,
        max_iter: int,
        start: int = 0,
        callback: Callable[[Iteration], object] | None = None,
        before: float | None = None,
    ) -> None:
        self._way = way
        self._max_iter = max_iter
        self._start = start
        self._callback = callback
        self._before = before
        self._seconds: list[float] = []
        self._reason = "to be continued"
        self.passes: list[PassRecord] = []
        self.lower_bound = -math.inf
        self.ended = self.converged = False

    @property
    def parameters(self) -> MixtureParameters:
        """The mixture that stands."""
        return self._way.parameters

    @property
    def climb(self) -> SolverResult:
        """Where it stands, as a record."""
        trace = Trace(tuple(self.passes), tuple(self._seconds), self._reason, self.converged, self._start)
        return SolverResult(self._way.parameters, self._way.statistics, self.lower_bound, trace, self._way.ascent)

    def go(self, at_most: int | None = None) -> SolverRun:
        """Make `at_most` passes more, or all; where there are no more to be had, the way says what stands then."""
        enough = self._max_iter if at_most is None else min(len(self.passes) + at_most, self._max_iter)
        while not self.ended and len(self.passes) < enough:
            self._advance(1 if self._callback else enough - len(self.passes))
        if not self.ended and enough == self._max_iter:
            self._reason, self.lower_bound = self._way.close()
            self.ended = True
        return self

    def _advance(self, at_most: int) -> None:
        began = perf_counter()
        made = self._way.advance(at_most)
        self.passes += made
        self._seconds += [(perf_counter() - began) / len(made)] * len(made)
        self.lower_bound = made[-1].lower_bound
        told_to_stop = self._callback is not None and self._told(self._callback, made[-1])
        self._before = self.lower_bound
        why = self._way.why_stop()
        if why or told_to_stop:
            self._reason, self.ended, self.converged = why or "stopped by the callback", True, why is not None

    def _told(self, callback: Callable[[Iteration], object], last: PassRecord) -> bool:
        gain = math.inf if self._before is None else last.lower_bound - self._before
        iteration = Iteration(
            self._start,
            len(self.passes),
            last.lower_bound,
            gain,
            self._seconds[-1],
            self._way.parameters,
            remaining=last.remaining,
            accepted=last.accepted,
        )
        return bool(callback(iteration))


def climb(
    way: Solver,
    *,
    max_iter: int,
    start: int = 0,
    callback: Callable[[Iteration], object] | None = None,
    before: float | None = None,
) -> SolverResult:
    """SolverResult until the way's rule says so, `max_iter` passes, or a true answer of `callback`: see `SolverRun`.

    A climb that ends by its rule returns the parameters that its last pass measured; what one does that runs out of
    passes is the way's affair.
    """
    return SolverRun(way, max_iter=max_iter, start=start, callback=callback, before=before).go().climb
