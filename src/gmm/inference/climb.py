"""The loop that every climb is: passes until a rule, a callback or their number ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from gmm._mstep import Ascent
from gmm.inference.trace import PassRecord, Trace
from gmm.parameters import MixtureParameters
from gmm.statistics import SufficientStatistics


@dataclass(frozen=True)
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


@dataclass(frozen=True, eq=False)
class Climb:
    """Where a climb ended.

    Parameters
    ----------
    parameters : MixtureParameters
    statistics : SufficientStatistics
        Of the pass that measured them.
    lower_bound : float
        Their mean log-likelihood, in nats per unit weight.
    trace : Trace
    ascent : Ascent or None
        Where an accelerated climb would go on.
    """

    parameters: MixtureParameters
    statistics: SufficientStatistics
    lower_bound: float
    trace: Trace
    ascent: Ascent | None = None


class Way(Protocol):
    """A way to climb, one or more passes at a time."""

    @property
    def parameters(self) -> MixtureParameters:
        """The mixture that stands: measured last, and kept."""

    @property
    def statistics(self) -> SufficientStatistics:
        """Of the pass that measured it."""

    @property
    def ascent(self) -> Ascent | None:
        """Where an accelerated climb stands."""

    def advance(self, at_most: int) -> list[PassRecord]:
        """Make a pass, or several, none of which but the last may be one to stop after."""

    def why_stop(self) -> str | None:
        """Why to stop now, or None to go on."""

    def close(self) -> tuple[str, float]:
        """End for lack of passes: say so, and what is the lower bound of the mixture that stands then."""


def climb(
    way: Way,
    *,
    max_iter: int,
    start: int = 0,
    callback: Callable[[Iteration], object] | None = None,
    before: float | None = None,
    closing: bool = True,
) -> Climb:
    """Climb until the way's rule says so, `max_iter` passes, or a true answer of `callback`.

    A climb that ends by its rule returns the parameters that its last pass measured; what one does that runs out of
    passes is the way's affair.

    Parameters
    ----------
    way : Way
    max_iter : int
    start : int
        The number of the start, for the record.
    callback : callable, optional
        Called with an `Iteration` after each pass.
    before : float, optional
        The last lower bound of an earlier climb that this one continues.
    closing : bool
        Whether to end for lack of passes as the way has it; else with what the last pass measured, to go on from there.

    Returns
    -------
    Climb
    """
    passes: list[PassRecord] = []
    seconds: list[float] = []

    def ended(reason: str, lower_bound: float, *, converged: bool = False) -> Climb:
        trace = Trace(tuple(passes), tuple(seconds), reason, converged, start)
        return Climb(way.parameters, way.statistics, lower_bound, trace, way.ascent)

    while (left := max_iter - len(passes)) > 0:
        began = perf_counter()
        made = way.advance(left if callback is None else 1)
        passes += made
        seconds += [(perf_counter() - began) / len(made)] * len(made)
        bound = made[-1].lower_bound
        told = False
        if callback is not None:
            gain = float("inf") if before is None else bound - before
            remaining, accepted = made[-1].remaining, made[-1].accepted
            iteration = Iteration(
                start, len(passes), bound, gain, seconds[-1], way.parameters, remaining=remaining, accepted=accepted
            )
            told = bool(callback(iteration))
        before = bound
        why = way.why_stop()
        if why or told:
            return ended(why or "stopped by the callback", bound, converged=why is not None)
    if passes and not closing:
        return ended("to be continued", passes[-1].lower_bound)
    return ended(*way.close())
