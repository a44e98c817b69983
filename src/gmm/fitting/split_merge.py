"""Split and merge: out of a solution from which EM alone finds no way (Ueda et al. 2000).

A move drops one component, whose rows go to their neighbours, and splits another in its place. It is made of a pass
and of arithmetic on statistics, without random numbers, and kept only where the likelihood gains by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmm.em.e_step import ComponentDiagnostics, EStep
from gmm.em.solver import Iteration, SolverResult
from gmm.em.textbook import MStepFunction
from gmm.em.trace import Refinement
from gmm.values.layouts import Array, SingularMatrixError
from gmm.values.parameters import MixtureParameters
from gmm.values.statistics import SufficientStatistics

# Measured on ten real data sets by four types.
_TRIES = 8  # moves that fail, in a row, before the last solution stands
# A climb is given up if the gain of its last passes, so many times, leaves it below what it has to reach. Of moves that
# end higher, one in four is far below after a dozen passes, but climbs.
_FIRST_JUDGED, _JUDGED_BY, _FORESEEN = 5, 3, 30  # passes
_SCREENING = 30  # passes on a sample
_EACH_DROPPED, _EACH_SPLIT = 2, 3  # how often a component is tried in one round; of few components, more often
_AXES = 3  # along which a component may be split
OFFSET = 0.8  # standard deviations between the whole's mean and each half's
_WATCHED = 8  # passes between two looks at a component's health
_MOST_ROUNDS = 50
_LEAST_GAIN = 1e-5  # nats per unit weight

_EPS, _TINY = float(np.finfo(np.float64).eps), float(np.finfo(np.float64).tiny)

Watch = Callable[[Iteration], object]
Spikes = Callable[[MixtureParameters], NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Ground:
    """Rows to climb on, and how.

    Parameters
    ----------
    e_step : EStep
    m_step : callable
        From statistics to parameters.
    climb : callable
        From parameters, a tolerance, a number of passes at most and a watch, which ends the climb by a true answer, to
        the end of the climb.
    share : float
        The rows' share of all rows.
    """

    e_step: EStep
    m_step: MStepFunction
    climb: Callable[[MixtureParameters, float, int, Watch | None], SolverResult]
    share: float = 1.0


@dataclass(frozen=True)
class Move:
    """Drop one component, split another along an axis; what that may gain, in nats per unit weight."""

    dropped: int
    split: int
    axis: int
    promise: float


def refined(
    climb: SolverResult,
    ground: Ground,
    spikes: Spikes,
    *,
    tol: float,
    max_iter: int,
    screen: Ground | None = None,
    told_to_stop: Callable[[], bool] = lambda: False,
) -> SolverResult:
    """The best that moves make of a climb's end: higher and without spikes, if it is another.

    An end with spikes, whose likelihood means nothing, gives way to one without, be it lower.

    Parameters
    ----------
    climb : SolverResult
    ground : Ground
        All rows.
    spikes : callable
        Which components of a mixture have collapsed, (K,).
    tol : float
        Of the climbs, in nats per unit weight.
    max_iter : int
        Passes of one climb at most.
    screen : Ground, optional
        A sample on which moves are tried first.
    told_to_stop : callable, optional
        Whether to end with the best so far; asked after each move.
    """
    if climb.parameters.n_components == 1 or max_iter == 0:
        return climb
    search = _Search(ground, screen, spikes, tol, max_iter, told_to_stop)
    best = climb
    while len(search.moves) < _MOST_ROUNDS and (better := search.improved(best)) is not None:
        best = better
    refinement = Refinement(tuple(search.moves), search.tried, len(climb.trace) + search.passes)
    return replace(best, trace=replace(best.trace, refinement=refinement))


class _Search:
    """Rounds of moves, and what they cost."""

    def __init__(
        self,
        ground: Ground,
        screen: Ground | None,
        spikes: Spikes,
        tol: float,
        max_iter: int,
        told_to_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._told_to_stop = told_to_stop
        self._ground = ground
        self._screen = screen
        self._spikes = spikes
        self._tol = tol
        self._max_iter = max_iter
        self.moves: list[tuple[int, int, float]] = []
        self.tried = 0
        self.passes = 0.0

    def improved(self, best: SolverResult) -> SolverResult | None:
        """The end of the first move that leads higher; None where none of a few does."""
        where = self._screen or self._ground
        base = best if self._screen is None else self._climbed(where, best.parameters, _SCREENING)
        model = base.parameters.model
        principal = model.layout.principal(base.parameters.covariances)
        look = where.e_step.diagnostics(base.parameters.whitened(), principal)
        self._count(1, where)
        kept: dict[int, SufficientStatistics] = {}
        spiked = self._spikes(best.parameters)
        least = -np.inf if spiked.any() else best.lower_bound + max(self._tol, _LEAST_GAIN)
        for move in moves(look, spiked):
            if move.dropped not in kept:
                kept[move.dropped] = without(where.e_step, base.parameters, move.dropped)
                self._count(1, where)
            offset = OFFSET * model.layout.deviation(principal, move.split, move.axis, look.powers.shape[2])
            statistics = kept[move.dropped].split(move.split, move.dropped, offset)
            self.tried += 1
            end = self._followed(statistics, base.lower_bound, least, where)
            if self._told_to_stop():
                return None
            if end is not None and end.lower_bound > least and not self._spikes(end.parameters).any():
                self.moves.append((move.dropped, move.split, end.lower_bound - best.lower_bound))
                return end
        return None

    def _followed(
        self, statistics: SufficientStatistics, base: float, least: float, where: Ground
    ) -> SolverResult | None:
        """Where a move leads; on a sample it has to pass `base` first."""
        try:
            parameters = where.m_step(statistics, None)
            if self._screen is not None:
                tried = self._climbed(where, parameters, _SCREENING, self._watch(min(base, least)))
                if tried.lower_bound < min(base, least):
                    return None
                parameters = tried.parameters
            return self._climbed(self._ground, parameters, self._max_iter, self._watch(least))
        except SingularMatrixError:
            return None

    def _watch(self, target: float) -> Watch:
        """What ends a climb that will not reach a lower bound of `target`, or reaches it by a collapse."""
        bounds: list[float] = []

        def hopeless(iteration: Iteration) -> bool:
            bounds.append(max([iteration.lower_bound, *bounds[-1:]]))  # a rejected trial of the climb is lower
            if len(bounds) % _WATCHED == 0 and self._spikes(iteration.parameters).any():
                return True
            if len(bounds) < _FIRST_JUDGED:
                return False
            gain = (bounds[-1] - bounds[-1 - _JUDGED_BY]) / _JUDGED_BY
            return bounds[-1] + _FORESEEN * gain < target

        return hopeless

    def _climbed(
        self, where: Ground, parameters: MixtureParameters, passes: int, watch: Watch | None = None
    ) -> SolverResult:
        climb = where.climb(parameters, self._tol, passes, watch)
        trace = climb.trace
        closing = len(trace) == passes and not trace.converged
        self._count(len(trace) + closing, where)
        return climb

    def _count(self, passes: int, where: Ground) -> None:
        self.passes += passes * where.share


def moves(look: ComponentDiagnostics, spiked: NDArray[np.bool_]) -> list[Move]:
    """The moves that are worth a try, by falling promise; where there are spikes, they drop one.

    See `drop_losses` and `split_gains`.
    """
    counts = look.statistics.counts
    loss, gain = drop_losses(look), split_gains(look)
    axes = np.argsort(-gain, axis=1, kind="stable")[:, :_AXES]
    promise = np.take_along_axis(gain, axes, axis=1) - loss[:, None, None]
    forbidden = np.eye(len(counts), dtype=bool)
    if spiked.any():
        forbidden |= ~spiked[:, None]
    promise[forbidden] = -np.inf
    return _ranked(promise, axes)


def drop_losses(look: ComponentDiagnostics) -> Array:
    """What it costs to drop each component, whose rows go to the others, (K,), in nats per unit weight.

    It is log(1 − π_j) − log(1 − r_ij) in the rows' mean, exactly.
    """
    counts, weight = look.statistics.counts, look.statistics.weight
    return np.asarray(np.log1p(-np.minimum(counts / weight, 1 - _EPS)) - look.log_rest / weight)


def without(e_step: EStep, parameters: MixtureParameters, component: int) -> SufficientStatistics:
    """The statistics of the rows when a component is dropped and the others take over what was its own."""
    mixture = parameters.whitened()
    log_offset = mixture.log_offset.copy()
    log_offset[component] = -np.inf
    return e_step(replace(mixture, log_offset=log_offset))


def split_gains(look: ComponentDiagnostics) -> Array:
    """What to split each component along each of its axes may gain, (K, d), in nats per unit weight.

    To leading order it is what its Hermite moments there differ from a Gaussian's.
    """
    counts, weight = look.statistics.counts, look.statistics.weight
    second, third, fourth = look.powers / np.maximum(counts, _TINY)[:, None]
    gain = np.maximum(second - 1, 0) ** 2 / 4 + third**2 / 12 + (fourth - 6 * second + 3) ** 2 / 48
    return np.asarray(gain * (counts / weight)[:, None])


def _ranked(promise: Array, axes: NDArray[np.intp]) -> list[Move]:
    """The first of all (j, k, axis), of the `axes` (K, _) for each k, that do not lean on few components alone."""
    K = len(promise)
    most_dropped, most_split = (max(each, -(-_TRIES // K)) for each in (_EACH_DROPPED, _EACH_SPLIT))
    dropped, split = [0] * K, [0] * K
    found: list[Move] = []
    for flat in np.argsort(-promise, axis=None, kind="stable"):
        j, k, number = (int(i) for i in np.unravel_index(flat, promise.shape))
        if promise[j, k, number] == -np.inf or len(found) == _TRIES:
            break
        if dropped[j] < most_dropped and split[k] < most_split:
            dropped[j] += 1
            split[k] += 1
            found.append(Move(j, k, int(axes[k, number]), float(promise[j, k, number])))
    return found
