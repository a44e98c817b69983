"""One fit: starts, climbs, and the best of them. No estimator here."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import count
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._mstep import Ascent
from gmm._validation import check_prior, check_random_state
from gmm.covariance import CovarianceModel
from gmm.health import effective_rows, spikes
from gmm.inference import Climb, Climber, EStep, GainBelow, Ground, Iteration, QuasiNewton, Trace, Watch, Way, refined
from gmm.initialization import Rng, Wanted, from_means, from_responsibilities, sampled, share_shown, start_statistics
from gmm.layouts import DIAGONAL, SPHERICAL, TIED, Array
from gmm.likelihood import MStep, textbook
from gmm.parameters import MixtureParameters
from gmm.priors import ConjugatePrior, NormalInverseWishart
from gmm.screening import SCREENING_PASSES, Screened, Screening, screening_rows
from gmm.sources import ArraySource
from gmm.statistics import SufficientStatistics
from gmm.whitened import WhitenedMixture

# Fits that are compared by n times their mean log-likelihoods must end closer to their optimum than one alone needs to.
COMPARED = {"tol": 1e-5, "max_iter": 1000}
_WORTH_A_SAMPLE = 0.5  # of the rows


@dataclass(frozen=True, eq=False)
class GivenStart:
    """What the caller says of the start; None leaves it to the data.

    Parameters
    ----------
    weights : array of shape (K,)
    means : array of shape (K, d)
    precisions : array in the shape of the model's layout
    responsibilities : callable
        From a start's seed to an array of shape (n, K).
    """

    weights: Array | None = None
    means: Array | None = None
    precisions: Array | None = None
    responsibilities: Callable[[int], Array] | None = None


@dataclass(frozen=True, eq=False)
class FitSettings:
    """How to fit; the names are those of `GaussianMixture`'s parameters."""

    n_components: int
    model: CovarianceModel
    tol: float
    reg_covar: float
    max_iter: int
    init_params: str
    given: GivenStart
    n_threads: int | None
    acceleration: str | None
    refine: str | None = None
    prior: ConjugatePrior | None = None

    def climber(
        self,
        e_step: EStep,
        m_step: MStep,
        begin: Beginning,
        *,
        start: int = 0,
        callback: Callable[[Iteration], object] | None = None,
    ) -> Climber:
        """A climb of the likelihood the way that is asked for; it has not begun."""
        way = self._way(e_step, m_step, begin)
        before = begin.bounds[-1] if begin.bounds else None
        return Climber(way, max_iter=self.max_iter, start=start, callback=callback, before=before)

    def _way(self, e_step: EStep, m_step: MStep, begin: Beginning) -> Way:
        if self.acceleration is not None:
            return QuasiNewton(begin.parameters, e_step, m_step, tolerance=self.tol, ascent=begin.ascent)
        return textbook(begin.parameters, e_step, m_step, GainBelow(self.tol), begin.bounds)


@dataclass(frozen=True, eq=False)
class Beginning:
    """Where a climb begins, or goes on.

    Parameters
    ----------
    parameters : MixtureParameters
    bounds : tuple of float
        What passes before this climb measured.
    ascent : Ascent, optional
        Where an accelerated climb stands that this one continues.
    """

    parameters: MixtureParameters
    bounds: tuple[float, ...] = ()
    ascent: Ascent | None = None


@dataclass(frozen=True, eq=False)
class MixtureFit:
    """The best climb, which components it had to give a new place, and how each climb went."""

    climb: Climb
    repaired: tuple[int, ...]
    traces: tuple[Trace, ...] = ()


def prior_of(
    prior: NormalInverseWishart | str,
    model: CovarianceModel,
    n_components: int,
    source: ArraySource,
    n_threads: int | None = None,
) -> ConjugatePrior:
    """The prior with all its parts: what was left open is told by the rows, as one component."""
    one = WhitenedMixture(SPHERICAL, np.zeros(1), source.survey.centre[None], np.ones(1))
    with EStep(source, DIAGONAL if model.layout.axis_aligned else TIED, n_threads=n_threads) as e_step:
        statistics = e_step(one)
    scatter = statistics.scatter[0] if model.layout.axis_aligned else statistics.scatter
    covariance = scatter / max(statistics.weight - 1, 1)
    return check_prior(prior, model, n_components, mean=statistics.means[0], covariance=covariance)


def fit_mixture(
    source: ArraySource,
    settings: FitSettings,
    seeds: Sequence[int],
    *,
    resume: Beginning | None = None,
    callback: Callable[[Iteration], object] | None = None,
    on_end: Callable[[Climb], object] | None = None,
    on_skip: Callable[[int, Screened], object] | None = None,
) -> MixtureFit:
    """Climb from each start that is worth it and return the best climb.

    Parameters
    ----------
    source : ArraySource
    settings : FitSettings
    seeds : sequence of int
        One for each start; start 1 of many is the start of one alone.
    resume : Beginning, optional
        Continue from here, instead of from starts.
    callback : callable, optional
        Called after each pass; a true answer ends the climb, and no further start is tried.
    on_end : callable, optional
        Called with each climb.
    on_skip : callable, optional
        Called with the number of each start that is not climbed, the first being 0, and what was found of it.

    Raises
    ------
    SingularMatrixError
        If a covariance is singular and there is no ridge.
    """
    best: MixtureFit | None = None
    traces: list[Trace] = []
    told_to_stop = False

    def watched(iteration: Iteration) -> bool:
        nonlocal told_to_stop
        told_to_stop = callback is not None and bool(callback(iteration))
        return told_to_stop

    with EStep(source, settings.model.moments, n_threads=settings.n_threads) as e_step:
        for number, begin, m_step in _starts(source, settings, seeds, resume, e_step, on_skip):
            climber = settings.climber(e_step, m_step, begin, start=number, callback=watched if callback else None)
            climb = climber.go().climb
            traces.append(climb.trace)
            if on_end is not None:
                on_end(climb)
            if best is None or climb.lower_bound > best.climb.lower_bound:
                best = MixtureFit(climb, tuple(m_step.repaired))
            if told_to_stop:
                break
        assert best is not None  # n_init is at least 1
        best = replace(best, traces=tuple(traces))
        if settings.refine is None or told_to_stop or not best.climb.trace.converged:
            return best
        n_effective = effective_rows(source)
        climb = split_merged(source, settings, best.climb, e_step, watched, lambda: told_to_stop, n_effective)
        return replace(best, climb=climb, traces=replaced(best.traces, best.climb.trace, climb.trace))


@dataclass(frozen=True, eq=False)
class Stride:
    """One pass of a climb.

    Parameters
    ----------
    iteration : Iteration
    statistics : SufficientStatistics
        Of the mixture that stands after it.
    reason : str or None
        Why it was the last one.
    repaired : tuple of int
        The components that the climb had to give a new place so far.
    """

    iteration: Iteration
    statistics: SufficientStatistics
    reason: str | None
    repaired: tuple[int, ...]


def strides(source: ArraySource, settings: FitSettings, seed: int) -> Generator[Stride, None, None]:
    """The passes of the climb that `fit_mixture` makes from one start, each when it is asked for."""
    made: list[tuple[Iteration, SufficientStatistics]] = []

    def seen(iteration: Iteration) -> None:
        # Now, for at the last pass of all the climber makes the update that is due, and measures it.
        made.append((iteration, climber.climb.statistics))

    with EStep(source, settings.model.moments, n_threads=settings.n_threads) as e_step:
        ((number, begin, m_step),) = _starts(source, settings, (seed,), None, e_step, None)
        climber = settings.climber(e_step, m_step, begin, start=number, callback=seen)
        while not climber.ended:
            now = climber.go(1)
            if made:  # a climb of no passes ends without one
                reason = now.climb.trace.reason if now.ended else None
                yield Stride(*made.pop(), reason, tuple(m_step.repaired))


def replaced(traces: Sequence[Trace], old: Trace, new: Trace) -> tuple[Trace, ...]:
    """The traces with `new` where `old` stood."""
    return tuple(new if trace is old else trace for trace in traces)


def split_merged(
    source: ArraySource,
    settings: FitSettings,
    best: Climb,
    e_step: EStep,
    watched: Callable[[Iteration], bool],
    told_to_stop: Callable[[], bool],
    n_effective: float,
    sample: ArraySource | None = None,
) -> Climb:
    """What split–merge makes of where the best climb converged; on a sample first, where there are many rows.

    Parameters
    ----------
    source : ArraySource
        All rows.
    settings : FitSettings
    best : Climb
    e_step : EStep
        Over `source`.
    watched : callable
        Called after each pass of a move; a true answer ends the move's climb.
    told_to_stop : callable
        Whether to end with the best so far.
    n_effective : float
        See `gmm.health.effective_rows`.
    sample : ArraySource, optional
        The sample; of its own choice if None.
    """

    def collapsed(parameters: MixtureParameters) -> NDArray[np.bool_]:
        return spikes(parameters, n_effective, settings.reg_covar)

    numbers = count(1)

    def seen(iteration: Iteration, move: int) -> bool:
        return watched(replace(iteration, start=best.trace.start, move=move))

    ground = partial(_ground, settings, seen=seen, numbers=numbers)
    share = share_shown(source, settings.n_components) if sample is None else sample.n_rows / source.n_rows
    how: dict[str, Any] = {"tol": settings.tol, "max_iter": settings.max_iter, "told_to_stop": told_to_stop}
    if share >= _WORTH_A_SAMPLE:
        return refined(best, ground(e_step), collapsed, **how)
    # The same sample for every seed: a refinement is a function of the rows and of where it begins.
    sample = sample or sampled(source, settings.n_components, np.random.default_rng(0))
    with EStep(sample, settings.model.moments, n_threads=settings.n_threads) as on_sample:
        screen = ground(on_sample, share=share)
        return refined(best, ground(e_step), collapsed, screen=screen, **how)


def _ground(
    settings: FitSettings,
    e_step: EStep,
    *,
    seen: Callable[[Iteration, int], bool],
    numbers: Iterator[int],
    share: float = 1.0,
) -> Ground:
    """Where moves climb, each climb `seen` with the next of `numbers`."""
    # A component that loses its rows makes a move fail: it is given no new place.
    m_step = MStep(settings.model, settings.reg_covar, 0, e_step.spread, settings.prior)

    def climb(parameters: MixtureParameters, tol: float, max_passes: int, watch: Watch | None) -> Climb:
        asked, move = replace(settings, tol=tol, max_iter=max_passes), next(numbers)

        def told(iteration: Iteration) -> bool:
            return seen(iteration, move) or (watch is not None and bool(watch(iteration)))

        return asked.climber(e_step, m_step, Beginning(parameters), callback=told).go().climb

    return Ground(e_step, m_step, climb, share)


def _starts(
    source: ArraySource,
    settings: FitSettings,
    seeds: Sequence[int],
    resume: Beginning | None,
    e_step: EStep,
    on_skip: Callable[[int, Screened], object] | None,
) -> Iterator[tuple[int, Beginning, MStep]]:
    """The number of each start that is to be climbed, where from, and the M-step of its climb."""
    if resume is not None:
        yield 0, resume, _m_step(settings, e_step)
    screening: Screening | None = None
    for number, seed in enumerate(seeds if resume is None else ()):
        m_step = _m_step(settings, e_step)
        parameters = _start(source, settings, seed, m_step)
        screened = screening(parameters) if screening is not None else None
        if screened is None or screened.promising:
            yield number, Beginning(parameters if screened is None else screened.parameters), m_step
        elif on_skip is not None:
            on_skip(number, screened)
        if number == 0 and len(seeds) > 1 and settings.max_iter > SCREENING_PASSES:
            rows = screening_rows(source, parameters, seed)
            if rows is not None:
                screening = Screening(rows, settings.model, settings.reg_covar, settings.n_threads, settings.prior)
                screening(parameters)


def _m_step(settings: FitSettings, e_step: EStep) -> MStep:
    return MStep(settings.model, settings.reg_covar, settings.n_components, e_step.spread, settings.prior)


def start_seeds(random_state: int | Rng | None, n_init: int) -> tuple[int, ...]:
    """The seeds of `n_init` starts: a generator, or numpy's own for None, advances by a draw for each."""
    if isinstance(random_state, Integral):
        return _seeds_of(int(random_state), n_init)
    rng = check_random_state(random_state)
    if isinstance(rng, np.random.Generator):
        return tuple(int(rng.integers(2**63)) for _ in range(n_init))
    return tuple(int(rng.randint(2**31)) for _ in range(n_init))


def shared_seed(random_state: int | Rng | None) -> int:
    """One seed for much that is compared: a number stands for itself, a generator advances by a draw."""
    if isinstance(random_state, Integral):
        return int(random_state)
    rng = check_random_state(random_state)
    draw = rng.integers if isinstance(rng, np.random.Generator) else rng.randint
    return int(draw(2**31))


@lru_cache
def _seeds_of(number: int, n_init: int) -> tuple[int, ...]:
    # To seed a RandomState takes longer than what else a small fit does before its first pass.
    return start_seeds(check_random_state(number), n_init)


def _start(source: ArraySource, settings: FitSettings, seed: int, m_step: MStep) -> MixtureParameters:
    given, model = settings.given, settings.model
    covariances = None
    if given.precisions is not None:
        covariances = model.layout.inverse(given.precisions, source.n_features)
        shares = np.full(settings.n_components, 1 / settings.n_components) if given.weights is None else given.weights
        covariances = model.constrained(covariances, np.maximum(shares, 1e-300))
        if given.weights is not None and given.means is not None:
            return MixtureParameters(given.weights, given.means, covariances, model)
    started = m_step(_start_statistics(source, settings, seed))
    parts: dict[str, Any] = {"weights": given.weights, "means": given.means, "covariances": covariances}
    parts = {name: part for name, part in parts.items() if part is not None}
    return replace(started, **parts) if parts else started


def _start_statistics(source: ArraySource, settings: FitSettings, seed: int) -> SufficientStatistics:
    given, moments, n_threads = settings.given, settings.model.moments, settings.n_threads
    if given.means is not None:
        return from_means(source, given.means, moments, n_threads=n_threads)
    if given.responsibilities is not None:
        return from_responsibilities(source, given.responsibilities(seed), moments, n_threads=n_threads)
    wanted = Wanted(settings.n_components, settings.model, settings.reg_covar, n_threads, prior=settings.prior)
    return start_statistics(source, wanted, settings.init_params, np.random.default_rng(seed))
