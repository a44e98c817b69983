"""Split and merge: out of a solution from which EM alone finds no way (Ueda et al. 2000).

A move drops one component, whose rows go to their neighbours, and splits another in its place. It is made of a pass
and of arithmetic on statistics, without random numbers, and kept only where the likelihood gains by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmm.inference.e_step import EStep, Shapes
from gmm.inference.em import Climb, Iteration, MStepFunction
from gmm.inference.trace import Refinement
from gmm.layouts import Array, SingularMatrixError
from gmm.parameters import MixtureParameters
from gmm.statistics import SufficientStatistics

# ALGORITHMS
_TRIES = 6  # moves that fail, in a row, before the last solution stands
_SHORT = 12  # passes that a move is given to show what it is worth
_EACH_DROPPED, _EACH_SPLIT = 2, 3  # how often a component is tried, in one round
_OFFSET = 0.8  # standard deviations between the whole's mean and each half's
_WATCHED = 8  # passes between two looks at a component's health
_MOST_ROUNDS = 50
_LEAST_GAIN = 1e-5  # nats per unit weight

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
    climb: Callable[[MixtureParameters, float, int, Watch | None], Climb]
    share: float = 1.0


@dataclass(frozen=True)
class Move:
    """Drop one component, split another along an axis; what that may gain, in nats per unit weight."""

    dropped: int
    split: int
    axis: int
    promise: float


def refined(
    climb: Climb, ground: Ground, spikes: Spikes, *, tol: float, max_iter: int, screen: Ground | None = None
) -> Climb:
    """The best that moves make of a climb's end: higher and without spikes, if it is another.

    An end with spikes, whose likelihood means nothing, gives way to one without, be it lower.

    Parameters
    ----------
    climb : Climb
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
    """
    if climb.parameters.n_components == 1 or max_iter == 0:
        return climb
    search = _Search(ground, screen, spikes, tol, max_iter)
    best = climb
    while len(search.moves) < _MOST_ROUNDS and (better := search.improved(best)) is not None:
        best = better
    refinement = Refinement(tuple(search.moves), search.tried, search.passes)
    return replace(best, trace=replace(best.trace, refinement=refinement))


class _Search:
    """Rounds of moves, and what they cost."""

    def __init__(self, ground: Ground, screen: Ground | None, spikes: Spikes, tol: float, max_iter: int) -> None:
        self._ground = ground
        self._screen = screen
        self._spikes = spikes
        self._tol = tol
        self._max_iter = max_iter
        self.moves: list[tuple[int, int, float]] = []
        self.tried = 0
        self.passes = 0.0

    def improved(self, best: Climb) -> Climb | None:
        """The end of the first move that leads higher; None where none of a few does."""
        where = self._screen or self._ground
        base = best if self._screen is None else self._climbed(where, best.parameters, _SHORT)
        model = base.parameters.model
        principal = model.layout.principal(base.parameters.covariances)
        look = where.e_step.shapes(base.parameters.whitened(), principal)
        self._count(1, where)
        kept: dict[int, SufficientStatistics] = {}
        spiked = self._spikes(best.parameters)
        least = -np.inf if spiked.any() else best.lower_bound + max(self._tol, _LEAST_GAIN)
        for move in moves(look, spiked)[:_TRIES]:
            if move.dropped not in kept:
                kept[move.dropped] = self._without(base.parameters, move.dropped, where)
            offset = _OFFSET * model.layout.deviation(principal, move.split, move.axis, look.powers.shape[2])
            statistics = kept[move.dropped].split(move.split, move.dropped, offset)
            self.tried += 1
            hopeful = base.lower_bound - max(0.02 * abs(move.promise), 5e-3) if least > -np.inf else least
            end = self._followed(statistics, hopeful, where)
            if end is not None and end.lower_bound > least and not self._spikes(end.parameters).any():
                self.moves.append((move.dropped, move.split, end.lower_bound - best.lower_bound))
                return end
        return None

    def _followed(self, statistics: SufficientStatistics, hopeful: float, where: Ground) -> Climb | None:
        """Where a move leads: no further than a short climb that ends below `hopeful`, or than a component collapses."""
        try:
            parameters = where.m_step(statistics)
            if self._screen is not None:
                tried = self._climbed(where, parameters, _SHORT)
                if tried.lower_bound < hopeful:
                    return None
                parameters, hopeful = tried.parameters, -np.inf
            return self._climbed(self._ground, parameters, self._max_iter, self._watch(hopeful))
        except SingularMatrixError:
            return None

    def _watch(self, hopeful: float) -> Watch:
        def hopeless(iteration: Iteration) -> bool:
            if iteration.n_iter % _WATCHED == 0 and self._spikes(iteration.parameters).any():
                return True
            return iteration.n_iter == _SHORT and iteration.lower_bound < hopeful

        return hopeless

    def _without(self, parameters: MixtureParameters, component: int, where: Ground) -> SufficientStatistics:
        """The statistics of the rows when a component is dropped and the others take over what was its own."""
        mixture = parameters.whitened()
        log_offset = mixture.log_offset.copy()
        log_offset[component] = -np.inf
        self._count(1, where)
        return where.e_step(replace(mixture, log_offset=log_offset))

    def _climbed(self, where: Ground, parameters: MixtureParameters, passes: int, watch: Watch | None = None) -> Climb:
        climb = where.climb(parameters, self._tol, passes, watch)
        trace = climb.trace
        closing = len(trace) == passes and not trace.converged
        self._count(len(trace) + closing, where)
        return climb

    def _count(self, passes: int, where: Ground) -> None:
        self.passes += passes * where.share


def moves(look: Shapes, spiked: NDArray[np.bool_]) -> list[Move]:
    """All moves that are worth a try, by falling promise; where there are spikes, those that drop one.

    To drop j costs log(1 − π_j) − log(1 − r_ij) in the rows' mean, exactly; to split k may gain what its Hermite
    moments along an axis differ from a Gaussian's, to leading order.
    """
    counts, weight = look.statistics.counts, look.statistics.weight
    loss = np.log1p(-np.minimum(counts / weight, 1 - 1e-12)) - look.log_rest / weight
    second, third, fourth = look.powers / np.maximum(counts, np.finfo(float).tiny)[:, None]
    gain = np.maximum(second - 1, 0) ** 2 / 4 + third**2 / 12 + (fourth - 6 * second + 3) ** 2 / 48
    axes = gain.argmax(axis=1)
    gain = gain.max(axis=1) * counts / weight
    promise = gain[None, :] - loss[:, None]
    np.fill_diagonal(promise, -np.inf)
    if spiked.any():
        promise[~spiked] = -np.inf
    return _ranked(promise, axes)


def _ranked(promise: Array, axes: NDArray[np.intp]) -> list[Move]:
    K = len(promise)
    dropped, split = [0] * K, [0] * K
    found = []
    for flat in np.argsort(-promise, axis=None, kind="stable"):
        j, k = divmod(int(flat), K)
        if promise[j, k] == -np.inf or dropped[j] == _EACH_DROPPED or split[k] == _EACH_SPLIT:
            continue
        dropped[j] += 1
        split[k] += 1
        found.append(Move(j, k, int(axes[k]), float(promise[j, k])))
    return found
