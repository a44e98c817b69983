"""Textbook EM and the accelerated solver, which EM preconditions, and the M-step with its repairs of empty components.

Its objective is the likelihood of the rows seen through noise N(0, ridge I): the E-step subtracts ½·ridge·tr Σ_k⁻¹ from
log ρ_ik, and then the M-step that adds the ridge to the covariances never lowers the objective. Each pass records the
bound of the plain likelihood beside it. The steps, their memory and stopping rule R* are compiled; `quasi_newton.pxd`
describes them and cites the sources.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from math import inf
from time import perf_counter

import numpy as np

from gmm._blas import blas_alone
from gmm._em import Outlook
from gmm._kernel.mstep import MixtureFamily, QuasiNewtonState
from gmm._passes.e_step import EStep
from gmm._passes.solver import LOWERED, ROOM, STOPPED, GainBelow, Iteration, SolverResult, Trace
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
        return self.objective.prior.mixture(estimate, self.objective, self._weight)

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
        statistics = statistics.split(donor, k)
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
        """Components that were given a new place."""
        return tuple(self._m_step.repaired)

    def successor(self) -> TextbookEM:
        """Return what makes the next pass."""
        return self

    def advance(self, records: Array, n: int, at_most: int, outlook: Outlook, unit: float) -> int:
        """Make the pending update, then one or more passes, none after one where the run may rest.

        Their records, times `unit`, come after those of n passes; return how many there are then.
        """
        before = self._update()
        family, repair_empty = self._m_step.family(self.parameters.means.shape), self._m_step.repair_empty
        at_most = min(at_most, outlook.left(n))
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

    The run starts from a mixture, or from the one that follows statistics, or continues from `state`, which is of the
    same `family`; `is_begun` tells whether its last pass was one of this run. It stops when five
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
        is_begun: bool = False,
    ) -> None:
        self._e_step = e_step
        self._m_step = m_step
        self._unit = unit
        self._current: MixtureParameters | None = None
        self._is_begun = is_begun
        self._closing: SufficientStatistics | None = None
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
        if self._current is None:
            self._current = self._m_step.mixture(self._state.measured())
        return self._current

    @property
    def statistics(self) -> SufficientStatistics:
        """Statistics from the pass that measured the current mixture; their evidence leaves out a prior."""
        if self._closing is not None:
            return self._closing
        return SufficientStatistics.from_kernel(self._m_step.objective.model.moments, *self._state.moments())

    @property
    def repaired(self) -> tuple[int, ...]:
        """Components that were given a new place."""
        return tuple(self._m_step.repaired)

    def successor(self) -> Solver:
        """Return what makes the next pass: this, with a component in a new place if one has no rows.

        If a covariance needs help instead, that is textbook EM. Such a covariance is singular but for the ridge, which
        rounding eats: no objective can measure its gain.
        """
        if not self._state.stuck:
            return self
        before, sums, measured = self.repaired, self.statistics, self.parameters
        parameters = self._m_step(sums, measured)
        if self.repaired == before:
            bounds = (self._state.lower_bound,)
            return TextbookEM(measured, self._e_step, self._m_step, self._rule, before=bounds, statistics=sums)
        self._begin(parameters)
        return self

    def advance(self, records: Array, n: int, at_most: int, outlook: Outlook, unit: float) -> int:
        """Make as many passes as one compiled loop is worth; see `EStep.run_quasi_newton`."""
        self._current, self._is_begun = None, True
        repair_empty, noise = self._m_step.repair_empty, self._m_step.objective.noise
        how = repair_empty, noise, outlook, unit
        return self._e_step.run_quasi_newton(self._state, records, n, at_most, *how)

    def why_stop(self) -> str | None:
        """Return why to stop now, or None to continue."""
        if not self._state.converged:
            return None
        if self._state.fall:
            return self._rule.after_fall(self._state.fall, self._e_step.slack(self.parameters, self._state.lower_bound))
        remaining, tolerance = self._state.remaining * self._unit, self._state.tolerance * self._unit
        return f"projected remaining gain {remaining:.2g} below tol={tolerance:g}"

    def close(self) -> tuple[str, float]:
        """Measure the pending trial and keep it unless it is worse; a run that continues measures it again."""
        if not self._is_begun:
            self._closing = self._e_step.measure(self.parameters, self._m_step.family(self.parameters.means.shape))
            return "max_iter reached", self._closing.mean_log_evidence
        if self._state.stuck:
            return "max_iter reached, before a repair", self._state.lower_bound
        self.state = copy(self._state)
        self.advance(np.empty((1, 5)), 0, 1, ANYWHERE, 1.0)
        return "max_iter reached", self._state.lower_bound

    def _begin(self, begin: MixtureParameters | SufficientStatistics) -> None:
        if isinstance(begin, SufficientStatistics):
            with blas_alone(self._state.work):
                if self._state.begin_after(begin, repair_empty=self._m_step.repair_empty):
                    return
            begin = self._m_step(begin)
        self._current = begin
        self._state.begin(*begin.as_estimate())


Solver = TextbookEM | QuasiNewton
ANYWHERE = Outlook()  # of a run that has nothing to reach


class SolverRun:
    """One run of a solver. It can pause after any pass and continue.

    Parameters
    ----------
    solver : Solver
    max_iter : int
        Maximum number of passes.
    start : int
        Index of the start, for the record.
    callback : callable, optional
        Called with an `Iteration` after each pass; a truthy return value ends the run.
    before : float, optional
        The last lower bound of an earlier run that this one continues.
    unit : float
        The solver's numbers are recorded times this: the weight of all rows, for nats in all.
    paused : SolverResult, optional
        What the `result` of this run was when it paused; the solver is the one of that time.
    on_pause : callable, optional
        Called with the run wherever it could pause: after one or more passes, unless the last met the stopping rule.
    records : array of shape (m, 5), optional
        Room for the records of passes, or those that were made, of which `note` tells.

    Attributes
    ----------
    n_passes : int
    lower_bound : float
        Mean log-likelihood of the current mixture, in nats per unit weight.
    ended, converged : bool
        Whether the run is over, and whether the solver's stopping rule ended it.
    """

    def __init__(
        self,
        solver: Solver,
        *,
        max_iter: int,
        start: int = 0,
        callback: Callable[[Iteration], object] | None = None,
        before: float | None = None,
        unit: float = 1.0,
        paused: SolverResult | None = None,
        on_pause: Callable[[SolverRun], object] | None = None,
        records: Array | None = None,
    ) -> None:
        self._solver = solver
        self._max_iter = max_iter
        self._start = start
        self._callback = callback
        self._before = before
        self._unit = unit
        self._on_pause = on_pause
        self._reason = "not finished"
        self.ended = self.converged = False
        self._records = np.empty((min(max_iter, ROOM), 5)) if records is None else records
        self.n_passes, self.lower_bound = 0, -inf
        if paused is not None:
            self._records, self.n_passes = paused.trace.records.copy(), len(paused.trace)
            self.lower_bound = paused.lower_bound
            self._end_if(solver.why_stop() if self.n_passes else None, stopped=False)

    @property
    def parameters(self) -> MixtureParameters:
        """The current mixture."""
        return self._solver.parameters

    @property
    def statistics(self) -> SufficientStatistics:
        """Those of the pass that measured it."""
        return self._solver.statistics

    @property
    def result(self) -> SolverResult:
        """The current mixture and the passes so far, as a value."""
        solver = self._solver
        trace = Trace(self._records[: self.n_passes].copy(), self._reason, self.converged, self._start)
        return SolverResult(
            solver.parameters, solver.statistics, self.lower_bound, trace, solver.repaired, solver.state
        )

    @property
    def records(self) -> Array:
        """Those of the passes so far, as in `Trace`; of the moment."""
        return self._records[: self.n_passes]

    def is_hopeless(self, outlook: Outlook) -> bool:
        """Tell whether the run will not reach what it has to."""
        return outlook.is_hopeless(self._records, self.n_passes)

    def go(self, at_most: int | None = None, outlook: Outlook = ANYWHERE) -> SolverRun:
        """Make up to `at_most` further passes, or all; the last possible one lets the solver finish its update.

        The run rests where `outlook` says, at once if it is hopeless.
        """
        enough = self._max_iter if at_most is None else min(self.n_passes + at_most, self._max_iter)
        is_resting = False
        while not (self.ended or is_resting or self.n_passes >= enough or self.is_hopeless(outlook)):
            n = self.n_passes
            if n == len(self._records):
                more = min(self._max_iter - n, max(n, ROOM))
                self._records = np.concatenate([self._records, np.empty((more, 5))])
            at_once = 1 if self._callback is not None else min(enough, len(self._records)) - n
            began = perf_counter()
            self._solver = self._solver.successor()
            made = self._solver.advance(self._records, n, at_once, outlook, self._unit)
            self.note(made, perf_counter() - began)
            if self._on_pause is not None and not (self.converged or self._reason.startswith(LOWERED)):
                self._on_pause(self)
            is_resting = outlook.asks(made) and min(self.parameters.weights.tolist()) < outlook.fewest
        if not self.ended and self.n_passes == self._max_iter:
            self._reason, lower_bound = self._solver.close()
            self.lower_bound = lower_bound * self._unit
            self.ended = True
            bound, _, remaining, *_ = self._records[0].tolist() if self.n_passes == 1 else (-inf, -inf, 0.0)
            if remaining == inf and bound > -inf:  # no other gain tells what is left
                self._records[0, 2] = max(0.0, self.lower_bound - bound)
        return self

    def note(self, n_passes: int, seconds: float) -> None:
        """Note that there are records of so many passes, of which the new ones took so long in all."""
        records, first = self._records, self.n_passes
        records[first:n_passes, 4] = seconds / (n_passes - first)
        self.n_passes, stopped = n_passes, False
        self.lower_bound, _, remaining, accepted, of_pass = records[n_passes - 1].tolist()
        if self._callback is not None:
            gain = inf if self._before is None else self.lower_bound - self._before
            told = self._start, n_passes, self.lower_bound, gain, of_pass
            stopped = bool(self._callback(Iteration(*told, self._solver.parameters, remaining, accepted > 0)))
        self._before = self.lower_bound
        self._end_if(self._solver.why_stop(), stopped=stopped)

    def _end_if(self, why: str | None, *, stopped: bool) -> None:
        if why or stopped:
            self._reason, self.ended = why or STOPPED, True
            self.converged = why is not None and not why.startswith(LOWERED)
