"""Textbook EM and the accelerated solver, which EM preconditions, and the M-step with its repairs of empty components.

Its objective is the likelihood of the rows seen through noise N(0, ridge I): the E-step subtracts ½·ridge·tr Σ_k⁻¹ from
log ρ_ik, and then the M-step that adds the ridge to the covariances never lowers the objective. Each pass records the
bound of the plain likelihood beside it. The steps, their memory and stopping rule R* are compiled; `quasi_newton.pxd`
describes them and cites the sources.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy

import numpy as np

from gmm._blas import blas_alone
from gmm._kernel.mstep import MixtureFamily, QuasiNewtonState
from gmm._passes.e_step import EStep
from gmm._passes.solver import GainBelow, PassRecord, Stopping
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import Array, SingularMatrixError
from gmm._values.objective import Objective, ShareOut, in_turn, positive_counts
from gmm._values.parameters import Estimate, MixtureParameters
from gmm._values.statistics import SufficientStatistics
from gmm._values.weights import ALL_UNKNOWN, KnownClasses


class MStep:
    """The M-step of one run, which may give components without rows a new place.

    Parameters
    ----------
    objective : Objective
    repairs : int
        Maximum number of components that get a new place.
    weight : float
        Of all rows: that of statistics differs by rounding.
    classes : KnownClasses
        Of the rows.
    share_out : callable, optional
        As in `Objective.update`.
    repaired : sequence of int
        Components that got a new place before; they count towards `repairs`.
    """

    def __init__(
        self,
        objective: Objective,
        repairs: int,
        *,
        weight: float = 1.0,
        classes: KnownClasses = ALL_UNKNOWN,
        share_out: ShareOut = in_turn,
        repaired: Sequence[int] = (),
    ) -> None:
        self.objective = objective
        self._repairs = repairs
        self._weight = weight
        self._classes = classes
        self._share_out = share_out
        self.repaired = list(repaired)

    @property
    def repair_empty(self) -> bool:
        """Whether a component without rows is given a new place."""
        return self._repairs > len(self.repaired)

    def family(self, shape: tuple[int, ...]) -> MixtureFamily:
        """Return the mixtures with means of a shape, as the compiled core sees them."""
        return self.objective.family(shape, self._weight, self._classes)

    def mixture(self, estimate: Estimate) -> MixtureParameters:
        """Return the result of a compiled update."""
        return self.objective.mixture(estimate, self._weight)

    def adopted(self, parameters: MixtureParameters) -> MixtureParameters:
        """Return a mixture, which may be of another fit, as one of this."""
        return self.objective.adopted(parameters, self._weight)

    def __call__(
        self, statistics: SufficientStatistics, previous: MixtureParameters | None = None
    ) -> MixtureParameters:
        """Maximise the expected complete-data log-likelihood, ridge and prior included; never worse than `previous`."""
        model, at_most = self.objective.model, self._repairs - len(self.repaired)
        pairs = list[tuple[int, int]]()
        if not model.stored_whole:
            statistics, previous, pairs = _halved(statistics, previous, at_most)
            repaired = [into for _, into in pairs]
        else:
            statistics, repaired = refilled(statistics, model, at_most)
        self.repaired += repaired
        mixture = self.objective.update(statistics, previous, weight=self._weight, share_out=self._share_out)
        return _parted(mixture, pairs)


def refilled(
    statistics: SufficientStatistics, model: CovarianceModel, at_most: int
) -> tuple[SufficientStatistics, list[int]]:
    """Give each component without rows half of the heaviest one, split along its widest direction.

    Parameters
    ----------
    statistics : SufficientStatistics
    model : CovarianceModel
    at_most : int
        Maximum number of components to repair; further ones stay where they are.

    Returns
    -------
    statistics : SufficientStatistics
    repaired : list of int
        The components that were given a new place.
    """
    repaired = _empty(statistics, at_most)
    for k in repaired:
        donor = int(np.argmax(statistics.counts))
        free = model.layout.per_count(statistics.scatter, positive_counts(statistics))
        statistics = statistics.split(donor, k, 0.5 * model.layout.widest(free, donor, statistics.first.shape[1]))
    return statistics, repaired


def _empty(statistics: SufficientStatistics, at_most: int) -> list[int]:
    empty = (statistics.counts <= statistics.least_count).nonzero()[0]
    return [int(k) for k in empty[: at_most if len(statistics.counts) > 1 else 0]]


def _halved(
    statistics: SufficientStatistics, previous: MixtureParameters | None, at_most: int
) -> tuple[SufficientStatistics, MixtureParameters | None, list[tuple[int, int]]]:
    """Give each component without rows half of the heaviest one as it is, in the mixture before as well.

    Also return which got half of which: low-rank moments have no other origin, so that `_parted` moves the means.
    """
    pairs = []
    for k in _empty(statistics, at_most):
        donor = int(np.argmax(statistics.counts))
        statistics = statistics.halved(donor, k)
        pairs.append((donor, k))
        if previous is not None:
            order = np.arange(len(statistics.counts))
            order[k] = donor
            factors = previous.whiteners[order], previous.log_determinants[order]
            previous = previous.with_other(covariances=previous.covariances[order], factors=factors)
    return statistics, previous, pairs


def _parted(mixture: MixtureParameters, pairs: list[tuple[int, int]]) -> MixtureParameters:
    """Move the means of each pair of equal components one standard deviation apart, along the widest direction."""
    means = mixture.means.copy()
    for donor, k in pairs:
        step = 0.5 * mixture.model.layout.widest(mixture.covariances, donor, mixture.n_features)
        means[donor] -= step
        means[k] += step
    return mixture.with_other(means=means) if pairs else mixture


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
