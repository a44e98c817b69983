"""The start of a fit with noise: from all rows, or from those in dense places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gmm.em.problem import Problem
from gmm.fitting.racing import best_of, short_runs
from gmm.fitting.sampling import sampled
from gmm.rows.sources import ArraySource
from gmm.values.noise import UniformNoise
from gmm.values.parameters import MixtureParameters
from gmm.values.statistics import SufficientStatistics

KEPT = (0.9, 0.75, 0.5)  # shares of the rows, those nearest to their neighbours
_NEIGHBOUR = 10  # whose distance says how dense a place is
_ROWS = 4000
_PASSES = 20


def noisy_start(
    problem: Problem,
    n_components: int,
    share: float,
    start: Callable[[ArraySource], SufficientStatistics],
    rng: np.random.Generator,
) -> MixtureParameters:
    """Return the best of some starts, after a few passes over a sample of the rows.

    k-means of all rows puts means between noise and groups where there is much noise. So it also starts from the rows
    whose tenth neighbour is near, in units of the noise's box (after Byers & Raftery 1998, who fit the distances).

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
    """
    noise = problem.noise
    assert noise is not None  # it is asked for
    sample = sampled(problem.rows, n_components, rng, size=_ROWS)
    on_sample = replace(problem, rows=sample)
    starts = []
    with on_sample.e_step() as e_step:
        for kept in (1.0, *KEPT):
            rows = sample if kept == 1 else densest(sample, noise, kept)
            if kept == 1 or rows.n_rows > n_components:
                begin = on_sample.beginning(e_step, start(rows)).parameters
                starts.append(begin.with_noise(noise, max(share, 1 - kept)))
    results = short_runs(on_sample, starts, _PASSES)
    best = results[best_of(results, sample.n_effective, problem.ridge)]
    return starts[0] if best is None else best.parameters


def densest(sample: ArraySource, noise: UniformNoise, share: float) -> ArraySource:
    """Return the share of the rows, or of some of them, whose neighbours are nearest."""
    from scipy.spatial import KDTree

    if sample.n_rows > _ROWS:
        sample = sampled(sample, 1, np.random.default_rng(0), size=_ROWS)
    rows, weight = sample.rows, sample.sample_weight
    scaled = (rows - noise.low) / (noise.high - noise.low)
    neighbour = min(_NEIGHBOUR, len(rows) - 1)
    distances = KDTree(scaled).query(scaled, [neighbour + 1])[0][:, 0]
    order = np.argsort(distances, kind="stable")
    reached = np.cumsum(np.ones(len(rows)) if weight is None else weight[order])
    kept = np.sort(order[reached <= share * reached[-1]])
    return ArraySource(np.ascontiguousarray(rows[kept]), None if weight is None else weight[kept])
