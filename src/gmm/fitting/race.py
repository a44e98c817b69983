"""Candidates for a start, which race: few passes of EM each, and those that lag behind drop out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gmm import _em
from gmm.em.m_step import mixture_family
from gmm.fitting.degenerate import effective_rows, spikes
from gmm.fitting.metrics import View, views_of
from gmm.rows.sources import ArraySource
from gmm.values.covariance import CovarianceModel
from gmm.values.layouts import TIED, Array
from gmm.values.parameters import MixtureParameters
from gmm.values.priors import ConjugatePrior
from gmm.values.statistics import SufficientStatistics

Rng = np.random.RandomState | np.random.Generator

_THIN = 1e4  # one over what `spikes` calls thin


@dataclass(frozen=True)
class Cut:
    """After `passes` more passes over the first `rows` rows, `left` candidates go on."""

    left: int
    passes: int
    rows: int


@dataclass(frozen=True)
class Schedule:
    """How many candidates there are, on how many rows they begin, how, and when they drop out."""

    n_candidates: int
    rows: int
    n_lloyd: int
    n_soft: int
    cuts: tuple[Cut, ...]
    greedy_rows: int = 10**9
    single: bool = True
    n_enter: int = 99


def schedule_for(K: int, n: int, d: int) -> Schedule:
    m = min(n, max(300, 100 * K))
    return Schedule(12, m, 2, 3, (Cut(4, 2, m), Cut(2, 5, n), Cut(1, 10, n)))


def raced(
    sample: ArraySource,
    model: CovarianceModel,
    n_components: int,
    ridge: float,
    prior: ConjugatePrior | None,
    rng: Rng,
    schedule: Schedule | None = None,
) -> SufficientStatistics:
    return winner(sample, model, n_components, ridge, prior, rng, schedule).statistics


def winner(sample, model, n_components, ridge, prior, rng, schedule=None):
    K, d, n = n_components, sample.n_features, sample.n_rows
    plan = schedule or schedule_for(K, n, d)
    order = rng.permutation(n)
    rows = sample.rows[order]
    weight = None if sample.sample_weight is None else sample.sample_weight[order]
    centre, survey = sample.survey.centre, sample.survey
    reach = survey.reach(centre)
    family = mixture_family(model, (K, d), ridge, prior)
    part = ArraySource(rows[: plan.rows], None if weight is None else weight[: plan.rows])
    object.__setattr__ if False else None
    seen = views_of_rows(rows[: plan.rows], None if weight is None else weight[: plan.rows], centre, model)
    views = [compiled(*view, plan.single) for view in seen]
    grounds = {}

    def ground(m, single):
        if (m, single) not in grounds:
            r, w = rows[:m], None if weight is None else weight[:m]
            scatter = None
            if model.moments is TIED:
                x = r - centre
                scatter = (x if w is None else x * w[:, None]).T @ x
            grounds[m, single] = _em.RaceRows(r, w, centre, reach, scatter=scatter, single=single)
        return grounds[m, single]

    n_draws = 2 + int(math.log(K))
    n_greedy = plan.n_candidates // 2
    scratch = _em.Scratch()
    candidates = []
    start = 0
    for number in range(plan.n_candidates):
        y = seen[number % 2][0]
        if number // 2 % 2:
            g = min(plan.greedy_rows, plan.rows)
            w = np.ones(g) if weight is None else weight[:g]
            u = rng.uniform(size=1 + (K - 1) * n_draws)
            seeds = y[_em.kmeans_seeds(y[:g], w, u, K, n_draws)]
        else:
            seeds = y[np.arange(start, start + K) % plan.rows]
            start += K
        candidate = _em.Candidate(family, model.moments)
        candidate.begin(scratch, views[number % 2], seeds, plan.n_lloyd, plan.n_soft)
        candidates.append(candidate)
    candidates = sorted(candidates, key=lambda candidate: -candidate.lower_bound)[: plan.n_enter]
    for candidate in candidates:
        candidate.leave_view(scratch, ground(plan.rows, plan.single))
    n_effective = effective_rows(sample)
    fewest = model.fewest_rows(d)

    def sick(candidate) -> bool:
        if candidate.failed or n_effective * candidate.least_weight < fewest - 0.5:
            return True
        if candidate.thinness < _THIN:
            return False
        return bool(spikes(MixtureParameters.estimated(candidate.estimate, model), n_effective, ridge).any())

    for i, cut in enumerate(plan.cuts):
        at = ground(cut.rows, plan.single and i < len(plan.cuts) - 1)
        for candidate in candidates:
            candidate.climb(scratch, at, cut.passes)
        if len(candidates) > 1:
            order = sorted(candidates, key=lambda candidate: (sick(candidate), -candidate.lower_bound))
            candidates = order[: cut.left]
    return candidates[0]


def views_of_rows(rows, weight, centre, model):
    from gmm.fitting.metrics import Metric, _WHOLE_METRIC, _shrunk
    from gmm.values.layouts import DIAGONAL, SPHERICAL
    x = rows - centre
    weighted = x if weight is None else x * weight[:, None]
    total = len(x) if weight is None else weight.sum()
    d = x.shape[1]
    covariance = weighted.T @ x / total
    spread = math.sqrt(float(np.trace(covariance)) / d) or 1.0
    own = Metric(SPHERICAL, np.array([1 / spread]))
    if model.moments.axis_aligned and d > _WHOLE_METRIC:
        variances = np.diagonal(covariance).copy(); variances[variances == 0] = 1
        metric = Metric(DIAGONAL, 1 / np.sqrt(variances)[None])
    else:
        metric = _shrunk(covariance)
    return [(x * (1 / spread), weight, centre, own), (metric.layout.whitened(metric.whitener, 0, x), weight, centre, metric)]


def compiled(y, weight, centre, metric, single) -> _em.RaceView:
    d = y.shape[1]
    rows = _em.RaceRows(y, weight, np.zeros(d), np.abs(y).max(axis=0), single=single)
    return _em.RaceView(rows, metric.layout.code, np.ravel(metric.whitener), centre)
