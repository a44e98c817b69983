"""Textbook EM: E-steps and M-steps in turn."""

from __future__ import annotations

import math

from gmm._passes.e_step import EStep
from gmm._passes.m_step import MStep
from gmm._passes.stopping import Stopping
from gmm._passes.trace import PassRecord
from gmm._values.layouts import SingularMatrixError
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics


class TextbookEM:
    """Solve by E-steps and M-steps in turn (Dempster, Laird & Rubin 1977).

    The run starts from `parameters`; `before` has the lower bounds of an earlier run that it continues, with
    `statistics` from the pass that measured `parameters`, or else by measuring these.
    """

    state = None

    def __init__(
        self,
        parameters: MixtureParameters,
        e_step: EStep,
        m_step: MStep,
        stopping: Stopping,
        *,
        before: tuple[float, ...] = (),
        statistics: SufficientStatistics | None = None,
    ) -> None:
        self.parameters = parameters
        self._e_step = e_step
        self._m_step = m_step
        self._stopping = stopping
        self._bounds = list(before)
        self._statistics = statistics

    @property
    def statistics(self) -> SufficientStatistics:
        """Statistics from the pass that measured the current mixture; the evidence includes the log prior."""
        assert self._statistics is not None  # there was a pass
        return self._statistics

    @property
    def repaired(self) -> tuple[int, ...]:
        """Components that were given a new place."""
        return tuple(self._m_step.repaired)

    def advance(self, at_most: int, lead: float = -math.inf) -> list[PassRecord]:
        """Make the pending update, then one or more passes; before a lead, two in all at most."""
        if lead > -math.inf:
            at_most = min(at_most, 2 - len(self._bounds))
        if self._statistics is not None:
            self.parameters = self._m_step(self._statistics, self.parameters)
        family, repair_empty = self._m_step.family(self.parameters.means.shape), self._m_step.repair_empty
        batch = self._e_step.run_em(
            self.parameters, self._stopping, self._bounds, at_most, family=family, repair_empty=repair_empty
        )
        self.parameters, self._statistics = batch.parameters, batch.statistics
        self._bounds += batch.bounds
        return [PassRecord(bound, bound) for bound in batch.bounds]

    def why_stop(self) -> str | None:
        """Return why to stop now, or None to continue."""
        return self._stopping(self._bounds)

    def close(self) -> tuple[str, float]:
        """Make the pending update and measure it; if it is singular, keep the mixture that was measured last."""
        if self._statistics is not None:
            try:
                self.parameters = self._m_step(self._statistics, self.parameters)
            except SingularMatrixError:
                return "max_iter reached, the last update was singular", self._bounds[-1]
        self._statistics = self._e_step.measure(self.parameters, self._m_step.family(self.parameters.means.shape))
        return "max_iter reached", self._statistics.mean_log_evidence
