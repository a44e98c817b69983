"""Split–merge: moves out of a solution that EM alone cannot leave (Ueda et al. 2000).

A move drops one component, whose rows go to its neighbours, and splits another one in two. Moves are found from one
pass and arithmetic on statistics, without random numbers, and kept only if they raise the likelihood.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from gmm._em import NO_TARGET, OFFSET, STOPPED, StopTarget, split_axes, split_gains, split_step
from gmm._fitting.degenerate import Degeneracy
from gmm._fitting.sampling import LARGEST_SHARE, draw_sample, sample_size
from gmm._fitting.starts import FitSettings
from gmm._passes.e_step import ComponentDiagnostics, EStep
from gmm._passes.em import SolverRun
from gmm._passes.problem import Continuation, Problem, RunStart
from gmm._passes.solver import Iteration, Refinement, SolverResult
from gmm._rows.sources import Source
from gmm._values.layouts import Array, SingularMatrixError
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics
from gmm._values.whitened import WhitenedMixture

# Measured on ten real data sets by four types.
_TRIES = 8  # moves that fail in a row, before the search ends
_FIRST_CHECKED = 5  # passes of a move before it may be given up
_SCREENING = 30  # passes on a sample
_EACH_DROPPED, _EACH_SPLIT = 4, 3  # how often a component is tried in one round; more often if there are few components
_AXES = 3  # along which a component may be split
_CHECKED = 8  # passes between two checks for degenerate components
_MOST_ROUNDS = 50
_LEAST_GAIN = 1e-5  # nats per unit weight

_EPS = float(np.finfo(np.float64).eps)

Watch = Callable[[Iteration], object]


class MoveContext(NamedTuple):
    """The rows on which moves are tried, the E-step over them, and their share of all rows.

    A move fails if a component loses its rows, so the problem repairs none.
    """

    problem: Problem
    e_step: EStep
    share: float = 1.0


class ComponentDiagnosis(NamedTuple):
    """Deviations of the components of a mixture from Gaussians, with the expected gains of splits and losses of drops.

    Parameters
    ----------
    parameters : MixtureParameters
        A mixture of at least two components whose covariances are stored as matrices or variances.
    axes : array
        The principal axes of its covariances, as `split_axes` returns them.
    diagnostics : ComponentDiagnostics
        From a pass along them.
    """

    parameters: MixtureParameters
    axes: Array
    diagnostics: ComponentDiagnostics

    @classmethod
    def of(cls, parameters: MixtureParameters, rows: Source, e_step: EStep) -> Self:
        """Make the pass over rows."""
        axes = split_axes(parameters.model.layout.code, parameters.weights, parameters.means, parameters.covariances)
        return cls(parameters, axes, e_step.diagnostics(parameters.whitened(), axes))

    @property
    def gains(self) -> Array:
        """Estimates of what splitting each component along each of its axes gains, (K, d), in nats per unit weight."""
        statistics = self.diagnostics.statistics
        powers = np.ascontiguousarray(self.diagnostics.powers.transpose(1, 0, 2))
        return split_gains(powers, statistics.counts, statistics.weight)

    @property
    def losses(self) -> Array:
        """Losses of dropping each component, whose rows go to the others, (K,), in nats per unit weight.

        They are exactly the mean over rows of log(1 − π_j) − log(1 − r_ij).
        """
        counts, weight = self.diagnostics.statistics.counts, self.diagnostics.statistics.weight
        return np.asarray(np.log1p(-np.minimum(counts / weight, 1 - _EPS)) - self.diagnostics.log_rest / weight)

    def step(self, component: int, axis: int, offset: float = OFFSET) -> Array:
        """Return the step from a component's mean to that of a half, along one of its axes, (d,)."""
        covariances, d = self.parameters.covariances, self.parameters.n_features
        return split_step(self.parameters.model.layout.code, covariances, self.axes, component, axis, d, offset)


class Move(NamedTuple):
    """Drop one component and split another along an axis, for a promised gain in nats per unit weight."""

    dropped: int
    split: int
    axis: int
    promise: float


def split_and_merge(
    source: Source,
    settings: FitSettings,
    best: SolverResult,
    e_step: EStep,
    *,
    callback: Watch | None,
    stop_requested: Callable[[], bool],
) -> SolverResult:
    """Return the best solution that moves reach from a result, higher and without degenerate components, or the result.

    If rows are many, moves are tried on a sample first.

    Parameters
    ----------
    source : Source
        All rows.
    settings : FitSettings
    best : SolverResult
        The result of a run that has converged.
    e_step : EStep
        Open over `source`.
    callback : callable, optional
        Called after each pass of a move; a truthy return value ends the run of the move.
    stop_requested : callable
        Called after each move; True returns the best solution so far.
    """
    if best.parameters.n_components == 1 or settings.solver.max_iter == 0:
        return best
    share = min(1.0, sample_size(settings.n_components) / source.n_rows)
    objective = settings.objective.for_mixture(best.parameters)
    context, screen = MoveContext(Problem(source, objective, settings.n_threads, repair_empty=False), e_step), None
    with ExitStack() as stack:
        if share < LARGEST_SHARE:
            rng = np.random.default_rng(0)  # the same for every seed: a refinement is a function of the rows
            on_sample = context.problem._replace(rows=draw_sample(source, settings.n_components, rng))
            screen = MoveContext(on_sample, stack.enter_context(on_sample.e_step()), share)
        search = _Search(context, screen, settings, best.trace.start, callback, stop_requested)
        end, kept = best, list[tuple[int, int, float]]()
        while len(kept) < _MOST_ROUNDS and (found := search.improved(end)) is not None:
            better, move = found
            kept.append((move.dropped, move.split, better.lower_bound - end.lower_bound))
            end = better
    refinement = Refinement(tuple(kept), search.tried, len(best.trace) + search.passes)
    return end._replace(trace=replace(end.trace, refinement=refinement))


class _Search:
    """A search for moves, which counts its runs, the moves that it tried, and its passes over all rows."""

    def __init__(
        self,
        context: MoveContext,
        screen: MoveContext | None,
        settings: FitSettings,
        start: int,
        callback: Watch | None,
        stop_requested: Callable[[], bool],
    ) -> None:
        self._context, self._screen, self._solver, self._start = context, screen, settings.solver, start
        self._degenerate = Degeneracy.for_fits(settings.objective, context.problem.rows)
        self._callback, self._stop_requested = callback, stop_requested
        self._runs = self.tried = 0
        self.passes = 0.0

    def improved(self, best: SolverResult) -> tuple[SolverResult, Move] | None:
        """Return the result of the first move that raises the likelihood, and the move; None if none of a few does."""
        context = self._screen or self._context
        base = best if self._screen is None else self._run(context, Continuation(best.parameters), _SCREENING)
        diagnosis = ComponentDiagnosis.of(base.parameters, context.problem.rows, context.e_step)
        whitened = base.parameters.whitened()
        self.passes += context.share
        sums_without: dict[int, SufficientStatistics] = {}
        degenerate = self._degenerate(best.parameters, best.statistics)
        least = best.lower_bound + max(self._solver.tolerance, _LEAST_GAIN)
        owners = context.problem.rows.known.owner_of_each(best.parameters.n_components)
        promising = moves(diagnosis, degenerate, owners, best.parameters.fixed.components)
        for move in promising:
            if move.dropped not in sums_without:
                sums_without[move.dropped] = drop_component(context.e_step, whitened, move.dropped)
                self.passes += context.share
            step = diagnosis.step(move.split, move.axis)
            statistics = sums_without[move.dropped].split(move.split, move.dropped, step)
            self.tried += 1
            end = self._followed(statistics, base.lower_bound, least, context)
            if self._stop_requested():
                return None
            if end is not None and end.lower_bound > least and self._degenerate.first(end) < 0:
                return end.left(STOPPED), move
        return None

    def _followed(
        self, statistics: SufficientStatistics, base: float, least: float, context: MoveContext
    ) -> SolverRun | None:
        """Return the run from a move; on a sample it must exceed `base` first."""
        try:
            initial: RunStart = statistics
            if self._screen is not None:
                screened = self._run(context, initial, _SCREENING, min(base, least))
                if screened.lower_bound < min(base, least):
                    return None
                initial = Continuation(screened.parameters)
            return self._run(self._context, initial, self._solver.max_iter, least)
        except SingularMatrixError:
            return None

    def _run(self, context: MoveContext, initial: RunStart, passes: int, target: float | None = None) -> SolverRun:
        """Make a run, which stops if it cannot reach a target, or reaches it by a degenerate component."""
        self._runs += 1
        number, listener, settings = self._runs, self._callback, self._solver._replace(max_iter=passes)
        numbered = None if listener is None else lambda iteration: listener(replace(iteration, move=number))
        run = context.problem.prepare_run(context.e_step, initial, settings, start=self._start, callback=numbered)
        stop_target = NO_TARGET if target is None else StopTarget(target=target, first=_FIRST_CHECKED)
        while not run.ended and not run.cannot_reach_target(stop_target):
            run.go(_CHECKED - run.n_passes % _CHECKED, stop_target)
            is_checked = target is not None and run.n_passes % _CHECKED == 0
            if is_checked and self._degenerate.first(run, mixture_only=True) >= 0:
                break
        self.passes += (run.n_passes + (run.n_passes == passes and not run.converged)) * context.share
        return run


def moves(
    diagnosis: ComponentDiagnosis,
    degenerate: NDArray[np.bool_],
    owners: NDArray[np.intp],
    fixed: NDArray[np.bool_],
) -> list[Move]:
    """Return the moves worth trying, by decreasing promise; if there are degenerate components, each drops one of them.

    Components are dropped and split within the class of their `owners`, (K,), and none occurs often; those of which
    a part is `fixed` are not dropped.
    """
    K, loss, gain = len(owners), diagnosis.losses, diagnosis.gains
    axes = (-gain).argsort(axis=1, kind="stable")[:, :_AXES]
    with np.errstate(invalid="ignore"):  # NaN of two infinities comes last
        promise = gain[np.arange(K)[:, None], axes] - loss[:, None, None]
    forbidden = np.eye(K, dtype=bool) | (owners[:, None] != owners) | fixed[:, None]
    if degenerate.any():
        forbidden |= ~degenerate[:, None]
    promise[forbidden] = -np.inf
    most_dropped, most_split = (max(each, -(-_TRIES // K)) for each in (_EACH_DROPPED, _EACH_SPLIT))
    dropped, split = [0] * K, [0] * K
    ranked: list[Move] = []
    for flat in (-promise).argsort(axis=None, kind="stable"):
        pair, number = divmod(int(flat), axes.shape[1])
        j, k = divmod(pair, K)
        if promise[j, k, number] == -np.inf or len(ranked) == _TRIES:
            break
        if dropped[j] < most_dropped and split[k] < most_split:
            dropped[j] += 1
            split[k] += 1
            ranked.append(Move(j, k, int(axes[k, number]), float(promise[j, k, number])))
    return ranked


def drop_component(e_step: EStep, mixture: WhitenedMixture, component: int) -> SufficientStatistics:
    """Return the statistics of the mixture without a component, whose rows the others share."""
    log_offset = mixture.log_offset.copy()
    log_offset[component] = -np.inf
    return e_step(mixture._replace(log_offset=log_offset))


def halve_worst(parameters: MixtureParameters, rows: Source, e_step: EStep, n: int) -> list[MixtureParameters]:
    """Return at most n mixtures with one component more: each halves a component that fits badly, the worst first.

    With factors stored, heavy tails or one component, the worst is the widest.
    """
    if parameters.n_components == 1 or not parameters.model.stores_dense or parameters.tails:
        return halve_widest(parameters)[:n]
    diagnosis = ComponentDiagnosis.of(parameters, rows, e_step)
    gains = diagnosis.gains
    axes, worst = gains.argmax(axis=1), (-gains.max(axis=1)).argsort(kind="stable")[:n].tolist()
    return [halve_component(parameters, k, diagnosis.step(k, int(axes[k]))) for k in worst]


def halve_widest(parameters: MixtureParameters) -> list[MixtureParameters]:
    """Return mixtures that halve a component along its widest direction, those of many rows and much variance first."""
    K, d, layout = parameters.n_components, parameters.n_features, parameters.model.layout
    steps = OFFSET * np.stack([layout.widest(parameters.covariances, k, d) for k in range(K)])
    promising = np.argsort(-parameters.weights * np.square(steps).sum(axis=1), kind="stable")
    return [halve_component(parameters, int(k), steps[k]) for k in promising]


def halve_component(parameters: MixtureParameters, component: int, step: Array | float = 0.0) -> MixtureParameters:
    """Return the mixture with a component replaced by two halves, whose means are a step before and behind its mean."""
    order = np.arange(parameters.n_components + 1)
    order[-1] = component
    weights, means = parameters.weights[order], parameters.means[order]
    weights[[component, -1]] /= 2
    means[component], means[-1] = means[component] - step, means[component] + step
    factors = parameters.whiteners, parameters.log_determinants
    if not parameters.model.layout.pooled:
        factors = factors[0][order], factors[1][order]
    covariances = parameters.covariances_of(order)
    return parameters.with_other(weights=weights, means=means, covariances=covariances, factors=factors)
