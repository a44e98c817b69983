"""The EM loop. It sees an E-step, an M-step and a stopping rule; what they do is their own affair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from gmm.inference.stopping import Stopping
from gmm.inference.trace import Trace
from gmm.layouts import SingularMatrixError
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
        What the pass measured.
    """

    start: int
    n_iter: int
    lower_bound: float
    gain: float
    seconds: float
    parameters: MixtureParameters


@dataclass(frozen=True, eq=False)
class Climb:
    """Where a climb ended.

    Parameters
    ----------
    parameters : MixtureParameters
    statistics : SufficientStatistics
        Of the pass that measured them.
    trace : Trace
    """

    parameters: MixtureParameters
    statistics: SufficientStatistics
    trace: Trace

    @property
    def lower_bound(self) -> float:
        """The parameters' mean log-likelihood, in nats per unit weight."""
        return self.statistics.mean_log_evidence


EStepFunction = Callable[[MixtureParameters], SufficientStatistics]
MStepFunction = Callable[[SufficientStatistics], MixtureParameters]
BurstFunction = Callable[
    [MixtureParameters, Stopping, list[float], int], tuple[MixtureParameters, SufficientStatistics, list[float]]
]


def em(
    parameters: MixtureParameters,
    e_step: EStepFunction,
    m_step: MStepFunction,
    *,
    stopping: Stopping,
    max_iter: int,
    before: tuple[float, ...] = (),
    start: int = 0,
    callback: Callable[[Iteration], object] | None = None,
    burst: BurstFunction | None = None,
) -> Climb:
    """Climb from `parameters` until `stopping` says so, `max_iter` passes, or a true answer of `callback`.

    A climb that ends by its rule returns the parameters that its last pass measured. One that runs
    out of passes has done the last update, and one closing pass measures it; where that update is
    singular, the parameters measured last stand.

    Parameters
    ----------
    parameters : MixtureParameters
        The start.
    e_step, m_step : callable
        From parameters to statistics, and back.
    stopping : Stopping
    max_iter : int
    before : tuple of float
        Lower bounds of an earlier climb that this one continues.
    start : int
        The number of the start, for the record.
    callback : callable, optional
        Called with an `Iteration` after each pass.
    burst : callable, optional
        Several passes at once, bit by bit what `e_step` and `m_step` do in turn. From parameters, the stopping rule,
        the lower bounds so far and a number of passes at most, to the parameters that its last pass measured, the
        statistics of that, and the lower bounds of all its passes, none of which but the last may meet the rule.

    Returns
    -------
    Climb
    """
    bounds: list[float] = list(before)
    seconds: list[float] = []
    statistics: SufficientStatistics | None = None

    def ended(reason: str, statistics: SufficientStatistics, *, converged: bool = False) -> Climb:
        trace = Trace(tuple(bounds[len(before) :]), tuple(seconds), reason, converged, start)
        return Climb(parameters, statistics, trace)

    burst = burst or _one_pass(e_step)
    while (left := max_iter - len(seconds)) > 0:
        began = perf_counter()
        if statistics is not None:
            parameters = m_step(statistics)
        parameters, statistics, measured = burst(parameters, stopping, bounds, left if callback is None else 1)
        bounds += measured
        seconds += [(perf_counter() - began) / len(measured)] * len(measured)
        told = callback is not None and callback(
            Iteration(start, len(seconds), bounds[-1], _gain(bounds), seconds[-1], parameters)
        )
        why = stopping(bounds)
        if why or told:
            return ended(why or "stopped by the callback", statistics, converged=why is not None)
    if statistics is not None:
        try:
            parameters = m_step(statistics)
        except SingularMatrixError:
            return ended("max_iter reached, the last update was singular", statistics)
    return ended("max_iter reached", e_step(parameters))


def _one_pass(e_step: EStepFunction) -> BurstFunction:
    def burst(
        parameters: MixtureParameters, stopping: Stopping, bounds: list[float], at_most: int
    ) -> tuple[MixtureParameters, SufficientStatistics, list[float]]:
        statistics = e_step(parameters)
        return parameters, statistics, [statistics.mean_log_evidence]

    return burst


def _gain(bounds: list[float]) -> float:
    return bounds[-1] - bounds[-2] if len(bounds) > 1 else float("inf")
