"""Textbook EM, pass by pass. It sees an E-step, an M-step and a stopping rule; what they do is their own affair."""

from __future__ import annotations

from collections.abc import Callable

from gmm.em.stopping import Stopping
from gmm.em.trace import PassRecord
from gmm.values.layouts import SingularMatrixError
from gmm.values.parameters import MixtureParameters
from gmm.values.statistics import SufficientStatistics

EStepFunction = Callable[[MixtureParameters], SufficientStatistics]
MStepFunction = Callable[[SufficientStatistics, MixtureParameters | None], MixtureParameters]
PassBatchFunction = Callable[
    [MixtureParameters, Stopping, list[float], int], tuple[MixtureParameters, SufficientStatistics, list[float]]
]


class TextbookEM:
    """E-steps and M-steps in turn (Dempster, Laird & Rubin 1977): a way to climb.

    Parameters
    ----------
    parameters : MixtureParameters
        The start.
    e_step, m_step : callable
        From parameters to statistics, whose evidence is what is climbed, and from those and the parameters back.
    stopping : Stopping
    before : tuple of float
        Lower bounds of an earlier climb that this one continues.
    batches : callable, optional
        Several passes at once, bit by bit what `e_step` and `m_step` do in turn. From parameters, the stopping rule,
        the lower bounds so far and a number of passes at most, to the parameters that its last pass measured, the
        statistics of that, and the lower bounds of all its passes, none of which but the last may meet the rule.
    """

    ascent = None

    def __init__(
        self,
        parameters: MixtureParameters,
        e_step: EStepFunction,
        m_step: MStepFunction,
        stopping: Stopping,
        *,
        before: tuple[float, ...] = (),
        batches: PassBatchFunction | None = None,
    ) -> None:
        self.parameters = parameters
        self._e_step = e_step
        self._m_step = m_step
        self._stopping = stopping
        self._bounds = list(before)
        self._batches = batches or self._one_pass
        self._statistics: SufficientStatistics | None = None

    @property
    def statistics(self) -> SufficientStatistics:
        """Of the pass that measured the parameters."""
        assert self._statistics is not None  # there was a pass
        return self._statistics

    def advance(self, at_most: int) -> list[PassRecord]:
        """The update that is due, and passes."""
        if self._statistics is not None:
            self.parameters = self._m_step(self._statistics, self.parameters)
        run = self._batches
        self.parameters, self._statistics, bounds = run(self.parameters, self._stopping, self._bounds, at_most)
        self._bounds += bounds
        return [PassRecord(bound, bound) for bound in bounds]

    def why_stop(self) -> str | None:
        """Why to stop now, or None to go on."""
        return self._stopping(self._bounds)

    def close(self) -> tuple[str, float]:
        """Make the update that is due, and measure it; where it is singular, the parameters measured last stand."""
        if self._statistics is not None:
            try:
                self.parameters = self._m_step(self._statistics, self.parameters)
            except SingularMatrixError:
                return "max_iter reached, the last update was singular", self._bounds[-1]
        self._statistics = self._e_step(self.parameters)
        return "max_iter reached", self._statistics.mean_log_evidence

    def _one_pass(
        self, parameters: MixtureParameters, stopping: Stopping, bounds: list[float], at_most: int
    ) -> tuple[MixtureParameters, SufficientStatistics, list[float]]:
        statistics = self._e_step(parameters)
        return parameters, statistics, [statistics.mean_log_evidence]
