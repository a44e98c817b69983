"""The accelerated climb: EM preconditions a limited-memory quasi-Newton method on sufficient statistics.

What it climbs is the likelihood of the rows as seen through noise N(0, ridge I): with log ρ_ik less by
½·ridge·tr Σ_k⁻¹ in the E-step, the M-step that adds the ridge to the covariances never lowers it. Bounds of the plain
likelihood are told beside it. The steps themselves, what is remembered and rule R*, which ends the climb, are compiled:
see `_ascent.pxd` for them and their sources.
"""

from __future__ import annotations

import math
from copy import copy
from typing import Protocol

from gmm._mstep import Ascent, MixtureFamily
from gmm.inference.e_step import EStep
from gmm.inference.em import EStepFunction, TextbookEM
from gmm.inference.stopping import GainBelow
from gmm.inference.trace import PassRecord
from gmm.parameters import MixtureParameters
from gmm.statistics import SufficientStatistics


class HelpfulMStep(Protocol):
    """What a climb asks where the compiled update cannot go on."""

    repaired: list[int]

    @property
    def refills(self) -> bool:
        """Whether components without rows are given a new place, and told in `repaired`."""

    def family(self, parameters: MixtureParameters) -> MixtureFamily:
        """What it maximises over mixtures of that shape."""

    def measuring(self, e_step: EStep) -> EStepFunction:
        """Passes whose statistics have what it maximises for their evidence."""

    def __call__(
        self, statistics: SufficientStatistics, previous: MixtureParameters | None = None
    ) -> MixtureParameters:
        """The parameters for these statistics."""


class QuasiNewton:
    """Passes between which an `Ascent` chooses the next mixture: a way to climb.

    Parameters
    ----------
    parameters : MixtureParameters
        The start.
    e_step : EStep
    m_step : HelpfulMStep
    tolerance : float
        In nats per unit weight.
    thorough : bool
        Whether to stop only when five accepted passes in a row project less than `tolerance` to be gained, or three of
        which the last does less than a hundredth of it; else after the first.
    ascent : Ascent, optional
        Continue with this one, instead of from `parameters`.
    """

    def __init__(
        self,
        parameters: MixtureParameters,
        e_step: EStep,
        m_step: HelpfulMStep,
        *,
        tolerance: float,
        thorough: bool = True,
        ascent: Ascent | None = None,
    ) -> None:
        self._e_step = e_step
        self._m_step = m_step
        self._model = parameters.model
        self._standing: MixtureParameters | None = parameters
        self._bound = -math.inf
        self._closing: SufficientStatistics | None = None
        self._instead: TextbookEM | None = None
        self._ascent = ascent or Ascent(m_step.family(parameters), tolerance, thorough)
        self.ascent: Ascent | None = self._ascent
        if ascent is None:
            self._begin(parameters)

    @property
    def parameters(self) -> MixtureParameters:
        """The mixture that stands: measured last, and kept."""
        if self._instead is not None:
            return self._instead.parameters
        if self._standing is None:
            self._standing = MixtureParameters.estimated(self._ascent.measured(), self._model)
        return self._standing

    @property
    def statistics(self) -> SufficientStatistics:
        """Of the pass that measured it; their evidence is the objective."""
        if self._instead is not None:
            return self._instead.statistics
        return self._closing or self._e_step.statistics(*self._ascent.moments())

    def advance(self, at_most: int) -> list[PassRecord]:
        """Passes, as many as are worth a compiled loop."""
        if self._ascent.stuck and self._instead is None:
            self._repair()
        if self._instead is not None:
            return self._instead.advance(at_most)
        self._standing = None
        passes = self._e_step.ascend(self._ascent, at_most, refills=self._m_step.refills)
        self._bound = passes[-1][0]
        return [PassRecord._make(told) for told in passes]

    def why_stop(self) -> str | None:
        """Why to stop now, or None to go on."""
        if self._instead is not None:
            return self._instead.why_stop()
        if not self._ascent.converged:
            return None
        if self._ascent.fall:
            return f"rounding hides the way up: EM's own step lowers the objective by {self._ascent.fall:.2g}"
        return f"projected remaining gain {self._ascent.remaining:.2g} below tol={self._ascent.tolerance:g}"

    def close(self) -> tuple[str, float]:
        """Measure what is next; it stands, unless it is worse than what stood. To continue is to measure it again."""
        if self._instead is not None:
            return self._instead.close()
        if self._bound == -math.inf:  # no pass was made: the start stays
            self._closing = self._m_step.measuring(self._e_step)(self.parameters)
            return "max_iter reached", self._closing.mean_log_evidence
        if self._ascent.stuck:
            return "max_iter reached, before a repair", self._bound
        self.ascent = copy(self._ascent)
        return "max_iter reached", self.advance(1)[-1].lower_bound

    def _repair(self) -> None:
        """Begin anew with a component in a new place; where it is a covariance that needs help, leave it to EM.

        Such a covariance is singular but for the ridge, which rounding eats: no objective can tell what that adds.
        """
        before = len(self._m_step.repaired)
        parameters = self._m_step(self.statistics, self.parameters)
        if len(self._m_step.repaired) > before:
            self._begin(parameters)
        else:
            self.ascent = None
            self._instead = TextbookEM(
                parameters,
                self._m_step.measuring(self._e_step),
                self._m_step,
                GainBelow(self._ascent.tolerance),
                before=(self._bound,),
            )

    def _begin(self, parameters: MixtureParameters) -> None:
        self._ascent.begin(
            parameters.weights,
            parameters.means,
            parameters.covariances.ravel(),
            parameters.whiteners.ravel(),
            parameters.log_determinants,
        )
