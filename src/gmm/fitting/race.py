"""Candidates for a start: a few passes of EM each, first on part of the rows, and those that lag behind drop out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from gmm import _em
from gmm._kernel.mstep import MixtureFamily
from gmm.em.e_step import EStep
from gmm.fitting.degenerate import effective_rows, spikes
from gmm.fitting.metrics import View, views_of
from gmm.rows.sources import ArraySource, single_weights
from gmm.values.covariance import CovarianceModel
from gmm.values.layouts import FULL, TIED, Array
from gmm.values.parameters import MixtureParameters
from gmm.values.statistics import SufficientStatistics

Rng = np.random.RandomState | np.random.Generator

# Measured on the tables of `python -m benchmarks fits`: more candidates end higher, more passes for each do not.
_CANDIDATES = 12
_LLOYD_PASSES = 2
_SOFT_PASSES = 3
_FEWEST_ROWS = 400
_ROWS_PER_COMPONENT = 50
_ROWS_PER_FEATURE = 10  # and component of its own full covariance: on fewer, the race goes to whoever overfits
_SEEDING_ROWS = 100
_SEEDING_ROWS_PER_COMPONENT = 50
_SURELY_SOUND = 1e4  # tr Σ_k⁻¹W below this: see `spikes`
_SAME_LIKELIHOOD = 1e-6  # nats per row

_Task = Callable[[_em.Candidate, _em.Scratch], None]


@dataclass(frozen=True)
class Cut:
    """After `passes` more passes, over all rows or the part alone, `left` candidates go on."""

    left: int
    passes: int
    all_rows: bool = False


@dataclass(frozen=True)
class Schedule:
    """How many candidates begin, how many of them make a first mixture of the family, and when they drop out.

    `part` is the number of rows that the candidates begin on.
    """

    n_candidates: int
    n_entered: int
    part: int
    cuts: tuple[Cut, ...]


def schedule_for(model: CovarianceModel, n_components: int, n_rows: int, n_features: int) -> Schedule:
    """The race for a table of this shape."""
    K, d = n_components, n_features
    full = model.moments is FULL
    if full and n_rows < K * model.fewest_rows(d):
        # Too few rows for covariances of their own: wherever the climb ends, they say more of rows than of the data.
        return Schedule(4, 2, n_rows, (Cut(1, 1),))
    part = max(_FEWEST_ROWS, K * max(_ROWS_PER_COMPONENT, _ROWS_PER_FEATURE * d if full else 0))
    return Schedule(_CANDIDATES, _CANDIDATES, min(part, n_rows), (Cut(6, 1), Cut(2, 3), Cut(1, 2, all_rows=True)))


def raced(
    sample: ArraySource,
    model: CovarianceModel,
    family: MixtureFamily,
    ridge: float,
    rng: Rng,
    *,
    n_components: int,
    n_threads: int | None = None,
    schedule: Schedule | None = None,
) -> SufficientStatistics:
    """The statistics of the candidate that wins.

    Parameters
    ----------
    sample : ArraySource
        Distinct float64 rows.
    model : CovarianceModel
    family : MixtureFamily
        Of the model, `n_components` and the ridge, and the prior, if there is one.
    ridge : float
    rng : Rng
    n_components : int
    n_threads : int, optional
    schedule : Schedule, optional
        That of `schedule_for`, if None.
    """
    shape = n_components, sample.n_rows, sample.n_features
    schedule = schedule or schedule_for(model, *shape)
    with EStep(sample, model.moments, n_threads=n_threads) as e_step:
        race = _Race(sample, model, family, ridge, e_step, schedule, n_components)
        return race.run(rng).statistics


@dataclass(frozen=True, eq=False)
class _Seen:
    """Part of the rows in the coordinates of a metric, brought to a variance of 1 in the features' mean."""

    rows: Array
    weight: Array | None
    view: _em.RaceView

    @classmethod
    def by(cls, seen: View, centre: Array, *, single: bool) -> _Seen:
        rows, weight = seen.rows.rows, seen.rows.sample_weight
        squares = np.einsum("ij,ij->i", rows, rows)
        variance = (squares.mean() if weight is None else squares @ weight / weight.sum()) / rows.shape[1]
        scale = 1 / math.sqrt(variance) if variance > 0 else 1.0
        rows = rows * scale
        origin = np.zeros(rows.shape[1])
        reach = np.abs(rows).max(axis=0)
        passed = _em.RaceRows(rows, weight, origin, reach, single=single)
        return cls(rows, weight, _em.RaceView(passed, seen.metric.layout.code, scale * seen.metric.whitener.ravel(), centre))

    def seeds(self, n_components: int, round_: int, rng: Rng) -> Array:
        """Rows by turns at random, for that is what their order is, and by greedy D² sampling among a few."""
        K, n = n_components, len(self.rows)
        if round_ % 2 == 0:
            return self.rows[np.arange(round_ * K, (round_ + 1) * K) % n]
        n_draws = 2 + int(math.log(K))
        few = min(n, max(_SEEDING_ROWS, _SEEDING_ROWS_PER_COMPONENT * K))
        weight = np.ones(few) if self.weight is None else self.weight[:few]
        uniforms = rng.uniform(size=1 + (K - 1) * n_draws)
        return self.rows[_em.kmeans_seeds(self.rows[:few], weight, uniforms, K, n_draws)]


class _Race:
    def __init__(
        self,
        sample: ArraySource,
        model: CovarianceModel,
        family: MixtureFamily,
        ridge: float,
        e_step: EStep,
        schedule: Schedule,
        n_components: int,
    ) -> None:
        self._sample = sample
        self._model = model
        self._family = family
        self._ridge = ridge
        self._e_step = e_step
        self._schedule = schedule
        self._K = n_components
        self._centre = sample.survey.centre
        self._reach = sample.survey.reach(self._centre)
        self._n_effective = effective_rows(sample)
        self._scratches: list[_em.Scratch] = []

    def run(self, rng: Rng) -> _em.Candidate:
        """Return the winner."""
        schedule, sample = self._schedule, self._sample
        chosen = rng.permutation(sample.n_rows)[: schedule.part]
        weight = sample.sample_weight
        part = ArraySource(sample.rows[chosen], None if weight is None else weight[chosen])
        single = single_weights(part.sample_weight)
        views = views_of(part, self._model.moments)
        seen = [_Seen.by(view, part.survey.centre, single=single) for view in views]
        rows = self._rows(part, single=single)
        candidates = self._begun(seen, rows, rng)
        for cut in schedule.cuts:
            on = self._rows(sample, single=False) if cut.all_rows else rows
            self._each(partial(_climb, rows=on, n_passes=cut.passes), candidates, cut.passes)
            candidates = self._best(candidates, cut.left)
        return candidates[0]

    def _rows(self, source: ArraySource, *, single: bool) -> _em.RaceRows:
        scatter = None
        if self._model.moments is TIED:
            rows, weight = source.rows - self._centre, source.sample_weight
            scatter = (rows if weight is None else rows * weight[:, None]).T @ rows
        return _em.RaceRows(
            source.rows, source.sample_weight, self._centre, self._reach, scatter=scatter, single=single
        )

    def _begun(self, seen: list[_Seen], rows: _em.RaceRows, rng: Rng) -> list[_em.Candidate]:
        """The candidates, by turns in the two views, each with its first mixture."""
        candidates, places = [], {}
        for number in range(self._schedule.n_candidates):
            candidate, by = _em.Candidate(self._family, self._model.moments), seen[number % 2]
            places[candidate] = by.view, by.seeds(self._K, number // 2, rng)
            candidates.append(candidate)

        def begin(candidate: _em.Candidate, scratch: _em.Scratch) -> None:
            candidate.begin(scratch, *places[candidate], _LLOYD_PASSES, _SOFT_PASSES)

        self._each(begin, candidates, 1 + _LLOYD_PASSES + _SOFT_PASSES)
        if self._schedule.n_entered < len(candidates):
            candidates = sorted(candidates, key=_bound)[: self._schedule.n_entered]
        self._each(lambda candidate, scratch: candidate.leave_view(scratch, rows), candidates, 1)
        return candidates

    def _best(self, candidates: list[_em.Candidate], n: int) -> list[_em.Candidate]:
        """The n highest, sound ones before others; of those that come to the same likelihood one is kept."""
        if len(candidates) == 1:
            return candidates
        falling = sorted(candidates, key=_bound)
        if self._K > 1:
            falling.sort(key=self._is_sick)
        best = falling[:1]
        for candidate in falling[1:n]:
            if best[-1].lower_bound - candidate.lower_bound > _SAME_LIKELIHOOD:
                best.append(candidate)
        return best

    def _is_sick(self, candidate: _em.Candidate) -> bool:
        fewest = self._model.fewest_rows(self._sample.n_features)
        if candidate.failed or self._n_effective * candidate.least_weight < fewest - 0.5:
            return True
        if candidate.thinness < _SURELY_SOUND:
            return False
        parameters = MixtureParameters.estimated(candidate.estimate, self._model)
        return bool(spikes(parameters, self._n_effective, self._ridge).any())

    def _each(self, task: _Task, candidates: list[_em.Candidate], n_passes: int) -> None:
        """Do something with every candidate, in threads where that is worth them; one scratch for each."""

        def some(start: int, end: int) -> None:
            scratch = self._scratches.pop() if self._scratches else _em.Scratch()
            for candidate in candidates[start:end]:
                task(candidate, scratch)
            self._scratches.append(scratch)

        K, d = self._K, self._sample.n_features
        terms = 2 * math.prod(self._model.moments.shape(K, d)) + 20 * K
        work = float(len(candidates) * n_passes * self._schedule.part * terms)
        self._e_step.spread(some, len(candidates), work, self._family.work)


def _bound(candidate: _em.Candidate) -> float:
    return -candidate.lower_bound


def _climb(candidate: _em.Candidate, scratch: _em.Scratch, rows: _em.RaceRows, n_passes: int) -> None:
    candidate.climb(scratch, rows, n_passes)
