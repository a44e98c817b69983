"""The accelerated solver: EM preconditions a limited-memory quasi-Newton method on sufficient statistics.

Its objective is the likelihood of the rows seen through noise N(0, ridge I): the E-step subtracts ½·ridge·tr Σ_k⁻¹ from
log ρ_ik, and then the M-step that adds the ridge to the covariances never lowers the objective. Each pass records the
bound of the plain likelihood beside it. The steps, their memory and stopping rule R* are compiled; `quasi_newton.pxd`
describes them and cites the sources.
"""

from __future__ import annotations

import math
from copy import copy

from gmm._blas import blas_alone
from gmm._kernel.mstep import QuasiNewtonState
from gmm._passes.e_step import EStep
from gmm._passes.m_step import MStep
from gmm._passes.textbook import TextbookEM
from gmm._passes.trace import GainBelow, PassRecord
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics


class QuasiNewton:
    """Solve by passes between which a `QuasiNewtonState` chooses the next mixture.

    The run starts from a mixture, or from the one that follows statistics, or continues from `state`, whose last pass
    measured `bound`; it is of the same `family`. It stops when five
    accepted passes in a row project a remaining gain below `tolerance`, in nats per unit weight, or three passes of
    which the last projects less than a hundredth of it; without `confirm_stop`, after the first such pass. It says why
    in units of `unit` nats.
    """

    def __init__(
        self,
        begin: MixtureParameters | SufficientStatistics,
        e_step: EStep,
        m_step: MStep,
        *,
        tolerance: float,
        confirm_stop: bool = True,
        unit: float = 1.0,
        state: QuasiNewtonState | None = None,
        bound: float = -math.inf,
    ) -> None:
        self._e_step = e_step
        self._m_step = m_step
        self._unit = unit
        self._current: MixtureParameters | None = None
        self._bound = bound
        self._closing: SufficientStatistics | None = None
        self._instead: TextbookEM | None = None
        shape = (begin.means if isinstance(begin, MixtureParameters) else begin.first).shape
        self._state = state or QuasiNewtonState(m_step.family(shape), tolerance, confirm_stop)
        self.state: QuasiNewtonState | None = self._state
        self._rule = GainBelow(self._state.tolerance, unit)
        if state is None:
            self._begin(begin)
        elif isinstance(begin, MixtureParameters):
            self._current = begin

    @property
    def parameters(self) -> MixtureParameters:
        """The current mixture: the last one that was measured and kept."""
        if self._instead is not None:
            return self._instead.parameters
        if self._current is None:
            self._current = self._m_step.mixture(self._state.measured())
        return self._current

    @property
    def statistics(self) -> SufficientStatistics:
        """Statistics from the pass that measured the current mixture; their evidence leaves out a prior."""
        if self._instead is not None:
            return self._instead.statistics
        if self._closing is not None:
            return self._closing
        return SufficientStatistics.from_kernel(self._m_step.objective.model.moments, *self._state.moments())

    @property
    def repaired(self) -> tuple[int, ...]:
        """Components that were given a new place."""
        return tuple(self._m_step.repaired)

    def advance(self, at_most: int, lead: float = -math.inf) -> list[PassRecord]:
        """Make as many passes as one compiled loop is worth; see `EStep.run_quasi_newton`."""
        if self._state.stuck and self._instead is None:
            self._repair()
        if self._instead is not None:
            return self._instead.advance(at_most)
        self._current = None
        repair_empty, noise = self._m_step.repair_empty, self._m_step.objective.noise
        passes = self._e_step.run_quasi_newton(self._state, at_most, repair_empty=repair_empty, noise=noise, lead=lead)
        self._bound = passes[-1].lower_bound
        return passes

    def why_stop(self) -> str | None:
        """Return why to stop now, or None to continue."""
        if self._instead is not None:
            return self._instead.why_stop()
        if not self._state.converged:
            return None
        if self._state.fall:
            return self._rule.after_fall(self._state.fall, self._e_step.slack(self.parameters, self._bound))
        remaining, tolerance = self._state.remaining * self._unit, self._state.tolerance * self._unit
        return f"projected remaining gain {remaining:.2g} below tol={tolerance:g}"

    def close(self) -> tuple[str, float]:
        """Measure the pending trial and keep it unless it is worse; a run that continues measures it again."""
        if self._instead is not None:
            return self._instead.close()
        if self._bound == -math.inf:  # no pass was made
            self._closing = self._e_step.measure(self.parameters, self._m_step.family(self.parameters.means.shape))
            return "max_iter reached", self._closing.mean_log_evidence
        if self._state.stuck:
            return "max_iter reached, before a repair", self._bound
        self.state = copy(self._state)
        return "max_iter reached", self.advance(1)[-1].lower_bound

    def _repair(self) -> None:
        """Restart with a component in a new place; if a covariance needs help instead, continue by textbook EM.

        Such a covariance is singular but for the ridge, which rounding eats: no objective can measure its gain.
        """
        before, sums, measured = self.repaired, self.statistics, self.parameters
        parameters = self._m_step(sums, measured)
        if self.repaired != before:
            self._begin(parameters)
        else:
            self.state, how = None, (self._e_step, self._m_step, self._rule)
            self._instead = TextbookEM(measured, *how, before=(self._bound,), statistics=sums)

    def _begin(self, begin: MixtureParameters | SufficientStatistics) -> None:
        if isinstance(begin, SufficientStatistics):
            with blas_alone(self._state.work):
                if self._state.begin_after(begin, repair_empty=self._m_step.repair_empty):
                    return
            begin = self._m_step(begin)
        self._current = begin
        self._state.begin(*begin.as_estimate())
