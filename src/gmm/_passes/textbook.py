"""Textbook EM: E-steps and M-steps in turn."""

from __future__ import annotations

import math

from gmm._passes.e_step import EStep
from gmm._passes.m_step import MStep
from gmm._passes.trace import PassRecord, Stopping
from gmm._values.layouts import Array, SingularMatrixError
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics


class TextbookEM:
    """Solve by E-steps and M-steps in turn (Dempster, Laird & Rubin 1977).

    The run starts from `parameters`; `before` has the lower bounds of an earlier run that it continues, with
    `statistics` from the pass that measured `parameters`, or else by measuring these.

    The likelihood may fall as far as the ridge, which the update alone knows, and rounding let it. Where it falls
    further, the run ends at the mixture before.
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
        self._why = ""

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
        before = self._update()
        family, repair_empty = self._m_step.family(self.parameters.means.shape), self._m_step.repair_empty
        batch = self._e_step.run_em(
            self.parameters, self._stopping, self._bounds, at_most, family=family, repair_empty=repair_empty
        )
        self.parameters, self._statistics = batch.parameters, batch.statistics
        self._bounds += batch.bounds
        records = [PassRecord(bound, bound) for bound in batch.bounds]
        if self._takes_back(batch.before if len(records) > 1 else before):
            records[-1] = PassRecord(self._bounds[-1], self._bounds[-1], accepted=False)
        return records

    def why_stop(self) -> str | None:
        """Return why to stop now, or None to continue."""
        return self._why or self._stopping(self._bounds)

    def close(self) -> tuple[str, float]:
        """Make the pending update and measure it; if it is singular or worse, keep the mixture measured last."""
        try:
            before = self._update()
        except SingularMatrixError:
            return "max_iter reached, the last update was singular", self._bounds[-1]
        self._measure()
        self._bounds.append(self.statistics.mean_log_evidence)
        worse = self._takes_back(before)
        return f"max_iter reached, {self._why}" if worse else "max_iter reached", self._bounds[-1]

    def _update(self) -> tuple[MixtureParameters, Array] | None:
        """Make the pending update; return what it must not be worse than, unless it was a repair: see `_takes_back`."""
        if self._statistics is None:
            return None
        before, repaired = (self.parameters, self._statistics.counts), self.repaired
        self.parameters = self._m_step(self._statistics, self.parameters)
        return before if self.repaired == repaired else None

    def _measure(self) -> None:
        self._statistics = self._e_step.measure(self.parameters, self._m_step.family(self.parameters.means.shape))

    def _takes_back(self, before: tuple[MixtureParameters, Array] | None) -> bool:
        """Go back to a mixture, with the counts of its pass, where the last pass fell further than it may.

        The update maximises Q(θ') − ½ ridge Σ_k n_k tr Σ'_k⁻¹, so that the likelihood loses at most the difference of
        these terms.
        """
        if before is None or not self._bounds[-1] < self._bounds[-2]:
            return False
        (mixture, counts), here, higher = before, self.parameters, self._bounds[-2]
        narrower = (mixture.column_precisions - here.column_precisions).sum(axis=1)
        of_ridge = self._m_step.objective.ridge / 2 * float(counts @ narrower) / self.statistics.weight
        fall = higher - self._bounds[-1] - max(of_ridge, 0.0)
        rounding = max(self._e_step.slack(each, higher) for each in (mixture, here))
        if not fall > rounding:
            return False
        self._why = self._stopping.after_fall(fall, rounding)
        self.parameters, self._bounds[-1] = mixture, higher
        self._measure()
        return True
