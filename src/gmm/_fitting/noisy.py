"""The start of a fit with noise, or heavy tails: from all rows, or from those in dense places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gmm._fitting.moments import FINELY
from gmm._fitting.racing import best_of, short_runs
from gmm._fitting.sampling import sampled
from gmm._fitting.starts import StartRequest, start_statistics
from gmm._passes.problem import Beginning, Problem, SolverSettings
from gmm._rows.sources import ArraySource, box_of
from gmm._values.layouts import SingularMatrixError
from gmm._values.noise import Noise
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics

# Shares of the rows, those nearest to their neighbours. Measured on 180 tables with 5 to 85 % noise: without the
# last three, one of four fits misses the best optimum by more than a nat, nearly all of them where most rows are noise.
KEPT = (0.75, 0.5, 0.25, 0.15, 0.05)
_NEIGHBOUR = 10  # whose distance says how dense a place is
_ROWS = 4000
_PASSES = 20
_LEAST_SHARE = 0.05  # of noise, where a fit begins that asks for no other
_ROUGHLY = SolverSettings(1e-4, 100)


def noisy_start(
    problem: Problem,
    n_components: int,
    share: float,
    start: Callable[[ArraySource], SufficientStatistics],
    rng: np.random.Generator,
) -> MixtureParameters:
    """Return the best of some starts, after a few passes over a sample of the rows.

    k-means of all rows puts means between noise and groups where there is much noise. So it also starts from the rows
    whose tenth neighbour is near, in units of the noise's box (after Byers & Raftery 1998, who fit the distances). How
    many rows are noise is not known: the smallest share has to hold rows of groups alone.

    Parameters
    ----------
    problem : Problem
        With noise.
    n_components : int
    share : float
        Weight of the noise at the start from all rows, and the least at others.
    start : callable
        Returns statistics for a sample of rows, as `fitting.starts` do.
    rng : Generator

    Raises
    ------
    SingularMatrixError
        If every start has a singular covariance, and there is no ridge.
    """
    noise = problem.objective.noise
    sample = sampled(problem.rows, n_components, rng, size=_ROWS)
    on_sample = problem._replace(rows=sample)
    starts, failures = [], []
    with on_sample.e_step() as e_step:
        for fraction, rows in zip((1.0, *KEPT), (sample, *dense_parts(sample, noise)), strict=True):
            if fraction == 1 or rows.n_rows > n_components:
                try:
                    begin = on_sample.beginning(e_step, start(rows)).parameters
                except SingularMatrixError as error:
                    failures.append(error)
                else:
                    starts.append(begin.with_noise(noise, max(share, 1 - fraction)))
    if not starts:
        raise failures[0]
    results = short_runs(on_sample, starts, _PASSES)
    best = results[best_of(on_sample, results)]
    return starts[0] if best is None else best.parameters


def start_of_heavy_tails(
    problem: Problem,
    n_components: int,
    start: Callable[[ArraySource], SufficientStatistics],
    rng: np.random.Generator,
) -> MixtureParameters | None:
    """Return the components of a fit of normal ones beside noise, which rows far away do not move.

    From a start that such rows have moved, heavy tails do not bring the components back. In a constant column the box
    of the rows has the ridge for its variance. None where it has no volume, or noise has taken all rows.

    Parameters
    ----------
    problem : Problem
        Without noise.
    n_components : int
    start, rng
        As in `noisy_start`.
    """
    low, high = box_of(problem.rows)
    half = np.where(high > low, 0, np.sqrt(3 * problem.objective.ridge))  # of a uniform distribution with this variance
    low, high = low - half, high + half
    if not (high > low).all():
        return None
    noise = Noise(low, high, _LEAST_SHARE)
    beside = problem._replace(objective=replace(problem.objective.for_starts, noise=noise))
    begin = noisy_start(beside, n_components, noise.share, start, rng)
    with beside.e_step() as e_step:
        mixture = beside.run(e_step, Beginning(begin), _ROUGHLY).go().result.parameters
    if not mixture.weights.sum() > 0:
        return None
    begun, spread = mixture.for_components(np.arange(n_components)), np.diag(np.sqrt(noise.variances))
    away = (np.vstack([spread, noise.means - mean]) for mean in begun.means)  # of rows in the box, from each component
    whitened = (begun.model.layout.whitened(begun.whiteners, k, rows) for k, rows in enumerate(away))
    with np.errstate(over="ignore"):  # ∞ is far away, too
        squares = np.array([np.square(rows).sum() for rows in whitened])
    return begun.with_other(tails=problem.objective.tails.beginning(squares / begun.n_features))


def one_beside_noise(problem: Problem) -> MixtureParameters:
    """Fit a single component beside the problem's noise.

    Raises
    ------
    SingularMatrixError
        If its covariance is singular, and there is no ridge.
    """

    def whole(sample: ArraySource) -> SufficientStatistics:
        request = StartRequest(1, problem.objective.for_starts, problem.n_threads)
        return start_statistics(sample, request, "kmeans", np.random.default_rng(0))

    begin = noisy_start(problem, 1, _LEAST_SHARE, whole, np.random.default_rng(0))
    with problem.e_step() as e_step:
        return problem.run(e_step, Beginning(begin), FINELY).go().result.parameters


def dense_parts(sample: ArraySource, noise: Noise) -> list[ArraySource]:
    """Return the shares `KEPT` of the rows, or of some of them, whose neighbours are nearest."""
    from scipy.spatial import KDTree

    if sample.n_rows > _ROWS:
        sample = sampled(sample, 1, np.random.default_rng(0), size=_ROWS)
    sample = sample.subset(np.flatnonzero(sample.weights))  # a row without weight is nobody's neighbour
    rows = sample.rows
    low, high = noise.box
    scaled = (rows - low) / (high - low)
    neighbour = min(_NEIGHBOUR, len(rows) - 1)
    distances = KDTree(scaled).query(scaled, [neighbour + 1])[0][:, 0]
    order = np.argsort(distances, kind="stable")
    reached = np.cumsum(sample.weights[order])
    parts = (np.sort(order[reached <= share * reached[-1]]) for share in KEPT)
    return [sample.subset(indices) for indices in parts]
