"""Textbook EM and the accelerated solver, which EM preconditions, and the M-step with its repairs of empty components.

Its objective is the likelihood of the rows seen through noise N(0, ridge I): the E-step subtracts ½·ridge·tr Σ_k⁻¹ from
log ρ_ik, and then the M-step that adds the ridge to the covariances never lowers the objective. Each pass records the
bound of the plain likelihood as well. The steps, their memory and stopping rule R* are compiled; `quasi_newton.pxd`
describes them and cites the sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from math import inf

import numpy as np

from gmm._blas import blas_alone
from gmm._em import Ascent, Run, StopTarget
from gmm._kernel.mstep import MixtureFamily, QuasiNewtonState
from gmm._passes.e_step import EStep
from gmm._passes.solver import GainBelow, Iteration, SolverResult, Trace
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import Array, SingularMatrixError
from gmm._values.objective import Objective, ShareOut, in_turn
from gmm._values.parameters import MixtureParameters
from gmm._values.row_data import ALL_UNKNOWN, KnownClasses
from gmm._values.statistics import SufficientStatistics
from gmm._values.whitened import WhitenedMixture

AT_LIMIT = "max_iter reached"  # the start of the reason of a run that made all its passes


class MStep:
    """The M-step of one run, which may move components without rows.

    Parameters
    ----------
    objective : Objective
    repairs : int
        Maximum number of components that are moved.
    weight : float
        Weight of all rows: that of statistics differs by rounding.
    classes : KnownClasses
        Classes of the rows.
    share_out : callable, optional
        As in `Objective.update`.
    repaired : sequence of int
        Components that were moved before; they count towards `repairs`.

    Attributes
    ----------
    repair_empty : bool
        Whether a component without rows is moved.
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
        self.objective, self._repairs, self._weight, self._classes = objective, repairs, weight, classes
        self._share_out, self.repaired = share_out, list(repaired)
        self.repair_empty = repairs > len(self.repaired)

    def family(self, shape: tuple[int, ...]) -> MixtureFamily:
        """Return the compiled family of the mixtures with means of a shape."""
        return self.objective.family(shape, self._weight, self._classes)

    def __call__(
        self, statistics: SufficientStatistics, previous: MixtureParameters | None = None
    ) -> MixtureParameters:
        """Maximise the expected complete-data log-likelihood, ridge and prior included; never worse than `previous`."""
        at_most = self._repairs - len(self.repaired)
        statistics, donors = refill_empty(statistics, self.objective.model, at_most)
        halves = {} if self.objective.model.stores_dense else donors
        if halves and previous is not None:
            order = np.arange(previous.n_components)
            for k, donor in halves.items():
                order[k] = order[donor]
            factors = previous.whiteners[order], previous.log_determinants[order]
            previous = previous.with_other(covariances=previous.covariances[order], factors=factors)
        self.repaired += donors
        self.repair_empty = self._repairs > len(self.repaired)
        mixture = self.objective.update(statistics, previous, weight=self._weight, share_out=self._share_out)
        return _separate_halves(mixture, halves) if halves else mixture


def refill_empty(
    statistics: SufficientStatistics, model: CovarianceModel, at_most: int
) -> tuple[SufficientStatistics, dict[int, int]]:
    """Give each component without rows half of the heaviest one, split along its widest direction.

    Low-rank moments have no other origin: their halves are equal, and an update must separate the means.

    Parameters
    ----------
    statistics : SufficientStatistics
    model : CovarianceModel
    at_most : int
        Maximum number of components to repair; further ones stay empty.

    Returns
    -------
    statistics : SufficientStatistics
    donors : dict
        The component that was halved, for each that was empty.
    """
    empty: list[int] = np.flatnonzero(statistics.counts <= statistics.least_count).tolist()
    donors = dict[int, int]()
    for k in empty[: at_most if len(statistics.counts) > 1 else 0]:
        donors[k] = donor = int(np.argmax(statistics.counts))
        offset = None
        if model.stores_dense:
            counts = np.maximum(statistics.counts, statistics.least_count)
            free = model.layout.per_count(statistics.scatter, counts)
            offset = 0.5 * model.layout.widest(free, donor, statistics.first.shape[1])
        statistics = statistics.split(donor, k, offset)
    return statistics, donors


def _separate_halves(mixture: MixtureParameters, halves: dict[int, int]) -> MixtureParameters:
    """Move the means of each pair of equal components one standard deviation apart, along the widest direction."""
    means = mixture.means.copy()
    for k, donor in halves.items():
        step = 0.5 * mixture.model.layout.widest(mixture.covariances, donor, mixture.n_features)
        means[donor] -= step
        means[k] += step
    return mixture.with_other(means=means)


class TextbookEM:
    """Solve by alternating E-steps and M-steps (Dempster, Laird & Rubin 1977).

    The run starts from `parameters`; `before` has the lower bounds of an earlier run that it continues, with
    `statistics` from the pass that measured `parameters`; without them, it measures these first.

    The likelihood may fall by as much as rounding and the ridge, which only the update includes, explain. If it falls
    further, the run ends at the mixture before.
    """

    state = None

    def __init__(
        self,
        parameters: MixtureParameters,
        e_step: EStep,
        m_step: MStep,
        stopping: GainBelow,
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
        """Components that were moved because they were empty."""
        return tuple(self._m_step.repaired)

    def successor(self) -> TextbookEM:
        """Return the solver of the next pass."""
        return self

    def advance(self, records: Array, n: int, at_most: int, target: StopTarget, unit: float) -> int:
        """Make the pending update, then one or more passes, none after one at which the run may stop.

        Their records, times `unit`, follow those of n passes; return the new number of passes.
        """
        before = self._update()
        family, repair_empty = self._m_step.family(self.parameters.means.shape), self._m_step.repair_empty
        at_most = at_most if target.is_none else 1
        batch = self._e_step.run_em(
            self.parameters, self._stopping, self._bounds, at_most, family=family, repair_empty=repair_empty
        )
        self.parameters, self._statistics = batch.parameters, batch.statistics
        self._bounds += batch.bounds
        taken_back = self._takes_back(batch.before if len(batch.bounds) > 1 else before)
        batch.bounds[-1], last = self._bounds[-1], n + len(batch.bounds)
        records[n:last, :2] = np.multiply(batch.bounds, unit)[:, None]
        records[n:last, 2:4] = inf, True
        records[last - 1, 3] = not taken_back
        return last

    def why_stop(self) -> str | None:
        """Return why to stop now, or None to continue."""
        return self._why or self._stopping(self._bounds)

    def close(self) -> tuple[str, float]:
        """Make the pending update and measure it; if it is singular or worse, keep the mixture measured last."""
        try:
            before = self._update()
        except SingularMatrixError:
            return f"{AT_LIMIT}, the last update was singular", self._bounds[-1]
        self._measure()
        self._bounds.append(self.statistics.mean_log_evidence)
        worse = self._takes_back(before)
        return f"{AT_LIMIT}, {self._why}" if worse else AT_LIMIT, self._bounds[-1]

    def _update(self) -> tuple[MixtureParameters, Array] | None:
        """Make the pending update; return the mixture before it, unless it was a repair: see `_takes_back`."""
        if self._statistics is None:
            return None
        before, repaired = (self.parameters, self._statistics.counts), self.repaired
        self.parameters = self._m_step(self._statistics, self.parameters)
        return before if self.repaired == repaired else None

    def _measure(self) -> None:
        self._statistics = self._e_step.measure(self.parameters, self._m_step.family(self.parameters.means.shape))

    def _takes_back(self, before: tuple[MixtureParameters, Array] | None) -> bool:
        """Return to a mixture, with the counts of its pass, if the last pass fell further than it may.

        The update maximises Q(θ') − ½ ridge Σ_k n_k tr Σ'_k⁻¹, so the likelihood loses at most the difference of these
        terms.
        """
        if before is None or not self._bounds[-1] < self._bounds[-2]:
            return False
        (mixture, counts), current, higher = before, self.parameters, self._bounds[-2]
        narrower = self._m_step.objective.ridge / 2 * (mixture.column_precisions - current.column_precisions)
        ridge_loss = float(counts / self.statistics.weight @ narrower.sum(axis=1))  # of terms of at most d / 2
        fall = higher - self._bounds[-1] - max(ridge_loss, 0.0)
        rounding = max(self._e_step.slack(each, higher) for each in (mixture, current))
        if not fall > rounding:
            return False
        self._why = self._stopping.after_fall(fall, rounding)
        self.parameters, self._bounds[-1] = mixture, higher
        self._measure()
        return True


class QuasiNewton(Ascent):
    """Solve by passes between which a `QuasiNewtonState` chooses the next mixture.

    A run starts by `start_at` or `start`, or continues from its state, which then has a mixture. The `problem` is a
    `Problem`; `repaired` are the components that were moved because they were empty. It stops when five accepted passes
    in a row project a remaining gain below the state's tolerance, in nats per unit weight, or three passes of which the
    last projects less than a hundredth of it; if the state need not confirm that, after the first such pass. It gives
    the reason in units of `unit` nats.
    """

    repaired: tuple[int, ...] = ()
    _at_pause: QuasiNewtonState | None = None
    _closing: SufficientStatistics | None = None

    @property
    def parameters(self) -> MixtureParameters:
        """The current mixture: the last one that was measured and kept."""
        if self.mixture is None:
            objective, weight = self.problem.objective, self.problem.rows.survey.weight
            self.mixture = objective.mixture(self.working.measured(), weight)
        return self.mixture

    @property
    def statistics(self) -> SufficientStatistics:
        """Statistics from the pass that measured the current mixture; their evidence excludes a prior."""
        return self._closing or SufficientStatistics(*self.working.moments(self.problem.objective.model.layout))

    @property
    def state(self) -> QuasiNewtonState | None:
        """The state from which the run can continue, if it is resumable."""
        return (self._at_pause or self.working) if self.resumable else None

    def successor(self) -> Solver:
        """Return the solver that continues from a stuck state: this one, with a component moved if it has no rows.

        If a covariance is the cause, textbook EM continues. Such a covariance is singular but for the ridge, which is
        lost in rounding: no objective can measure its gain.
        """
        sums, measured = self.statistics, self.parameters
        m_step = self.problem.m_step(self.e_step, len(sums.counts), self.repaired)
        parameters = m_step(sums, measured)
        if len(m_step.repaired) == len(self.repaired):
            bounds, rule = (self.working.lower_bound,), GainBelow(self.working.tolerance, self.unit)
            return TextbookEM(measured, self.e_step, m_step, rule, before=bounds, statistics=sums)
        self.start(parameters, m_step)
        return self

    def pass_elsewhere(self) -> tuple[float, float, float, bool]:
        """Make one pass, in threads or on the cluster of the rows; return the result of `QuasiNewtonState.add_pass`."""
        objective, state = self.problem.objective, self.working
        mixture = WhitenedMixture(objective.model.layout, *state.next(), objective.noise)
        statistics, rounding = self.e_step.rounded(mixture)
        with blas_alone(state.work):
            return state.add_pass(statistics, rounding, repair_empty=self.repair_empty)

    def why_stop(self) -> str | None:
        """Return why to stop now, or None to continue."""
        state, unit = self.working, self.unit
        if not state.converged:
            return None
        if state.fall:
            slack = self.e_step.slack(self.parameters, state.lower_bound)
            return GainBelow(state.tolerance, unit).after_fall(state.fall, slack)
        return f"projected remaining gain {state.remaining * unit:.2g} below tol={state.tolerance * unit:g}"

    def close(self) -> tuple[str, float]:
        """Measure the pending trial and keep it unless it is worse; a run that continues measures it again."""
        if not self.has_started:
            self._closing = self.e_step.measure(self.parameters, self.working.family)
            return AT_LIMIT, self._closing.mean_log_evidence
        if self.working.stuck:
            return f"{AT_LIMIT}, before a repair", self.working.lower_bound
        if self.resumable:
            self._at_pause = copy(self.working)
        self.pass_once()
        return AT_LIMIT, self.working.lower_bound

    def start(self, parameters: MixtureParameters, m_step: MStep) -> None:
        """Forget all passes, and measure this mixture next, after the repairs of an M-step."""
        self.mixture, self.repaired, self.repair_empty = parameters, tuple(m_step.repaired), m_step.repair_empty
        self.working.start(*parameters.as_estimate())


Solver = TextbookEM | QuasiNewton


class SolverRun(Run):
    """One run of a `Solver`; see `gmm._em.Run`. The callback is called with an `Iteration` after each pass."""

    @property
    def parameters(self) -> MixtureParameters:
        """The current mixture."""
        return self.solver.parameters

    @property
    def statistics(self) -> SufficientStatistics:
        """Statistics of the pass that measured it."""
        return self.solver.statistics

    def left(self, why: str = "") -> SolverResult:
        """Return the `result` of a run that stops here, which records `why` unless it has ended before."""
        solver = self.solver
        trace = Trace(self.records, self.why if self.ended or not why else why, self.converged, self.start)
        end = solver.parameters, solver.statistics, self.lower_bound, trace
        return SolverResult(*end, solver.repaired, solver.state)

    result = property(left, doc="The current mixture and the passes so far, as a value.")

    def report(self, record: Sequence[float], before: float | None) -> bool:
        """Call the callback with the last pass; return whether it ends the run."""
        assert self.callback is not None  # or this is not called
        bound, _, remaining, accepted, seconds = record
        fields = self.start, self.n_passes, bound, inf if before is None else bound - before, seconds
        return bool(self.callback(Iteration(*fields, self.parameters, remaining, accepted > 0)))
