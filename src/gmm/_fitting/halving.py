"""Successive halving of candidates for a start: all begin on part of the rows, and those that lag behind drop out.

Some have more components than asked for. The best of these drops the ones that cost least, and what is left is compared
with the best of the others: two components on one cluster, and one on two, are rare among mixtures made like this.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from gmm import _em
from gmm._candidates import Candidate, CandidateView
from gmm._fitting.degenerate import THIN, degenerate_components, fewest_rows
from gmm._fitting.metrics import View, views_of
from gmm._fitting.sampling import Rng, greedy_seeds, seeding_uniforms
from gmm._passes.e_step import EStep
from gmm._passes.problem import Problem
from gmm._rows.sources import ArraySource, in_range
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import FULL, TIED, Array
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics

# Measured on the tables of `python -m benchmarks fits` (docs/measurements.md): more candidates end higher, more passes
# for each do not.
_CANDIDATES = 12
_SOFT_PASSES = 3
_SURPLUS = 2  # components that are dropped in the end …
_LAST_DROPS = 3  # … in so many ways
_ROWS_FOR_SURPLUS = 5  # fewest rows of each component: with fewer, what is left overfits more often
_FEWEST_ROWS = 400
_ROWS_PER_COMPONENT = 50
_ROWS_PER_FEATURE = 10  # of a component with a full covariance: with fewer, the candidate that overfits most wins
_LLOYD_PASSES = 2
_SEEDING_ROWS = 100
_SEEDING_ROWS_PER_COMPONENT = 50
# Of many rows there tend to be many clusters, and k-means has to find them all: random rows, few rows to seed with and
# few passes merge some.
_MANY_ROWS = 10_000
_LLOYD_PASSES_OF_MANY = 30
_SEEDING_ROWS_OF_MANY = 300  # per component
_MANY_COMPONENTS = 50  # whose covariances all overfit
# Of so many components with so many rows each, diagonal mixtures tell which candidates are worth full covariances.
_SEVERAL, _MANY_OF_EACH, _FEW_MIXTURES = 10, 50, 2
_FEW_NUMBERS = 1000  # in the rows: passes take less time than Python between them, so there may be more
_MOST_NUMBERS = 2e5  # in the second moments of all candidates together: some 10 MB with their mixtures
_WORTH_SCRATCH = 2000  # rows: a worker's scratch is as large as some hundred
_SAME_LIKELIHOOD = 1e-6  # nats per row
_ROUGHLY = 50.0  # times the limits of float32: candidates differ by more than it loses

_Task = Callable[[Candidate, _em.Scratch], None]


@dataclass(frozen=True)
class Cut:
    """Keep the `n_survivors` best candidates after `passes` more passes of each, over part of the rows or over all."""

    n_survivors: int
    passes: int
    all_rows: bool = False


_CUTS = Cut(6, 1), Cut(2, 3), Cut(1, 2, all_rows=True)
_CUTS_OF_FEW = Cut(6, 4), Cut(3, 6), Cut(1, 10, all_rows=True)
_FINAL_CUTS = Cut(2, 3, all_rows=True), Cut(1, 2, all_rows=True)


@dataclass(frozen=True)
class Schedule:
    """How candidates are compared.

    Parameters
    ----------
    n_candidates : int
    n_mixtures : int
        Candidates that get as far as a mixture of the family: those whose simpler mixtures are likeliest.
    part : int
        Rows that candidates begin on.
    cuts : tuple of Cut
    n_lloyd : int
        Passes of k-means from the seeds.
    n_seeding : int
        Rows among which the seeds of k-means++ are.
    random_seeds : bool
        Whether the seeds of every other pair of candidates are rows at random.
    single : bool
        Whether passes over the part may be in float32: not where covariances are singular but for the ridge.
    surplus : int
        By how many components the candidates of the second race exceed what is asked for; 0 for no such race.
    """

    n_candidates: int
    n_mixtures: int
    part: int
    cuts: tuple[Cut, ...]
    n_lloyd: int = _LLOYD_PASSES
    n_seeding: int = _SEEDING_ROWS
    random_seeds: bool = True
    single: bool = True
    surplus: int = 0


def schedule_for(problem: Problem, n_components: int) -> Schedule:
    """Choose a schedule by the shape of the rows and by the model."""
    objective, rows = problem.objective, problem.rows
    return _schedule(objective.model, rows.n_rows, rows.n_features, n_components, not objective.prior)


@lru_cache
def _schedule(model: CovarianceModel, n: int, d: int, K: int, without_prior: bool) -> Schedule:
    full = model.moments is FULL and d > 1
    n_seeding = max(_SEEDING_ROWS, _SEEDING_ROWS_PER_COMPONENT * K)
    if full and n < K * model.fewest_rows(d):
        # Too few rows for so many covariances: any fit overfits them, and passes are dear.
        n_mixtures = 2 if K <= _MANY_COMPONENTS else 1
        return Schedule(4, n_mixtures, n, (Cut(1, 1),), n_seeding=n_seeding, single=False)
    n_candidates = min(_CANDIDATES, max(4, int(_MOST_NUMBERS / math.prod(model.moments.shape(K, d)))))
    # What a drop costs is likelihood, and says nothing of a prior.
    enough = (
        without_prior and n_candidates == _CANDIDATES and n >= _ROWS_FOR_SURPLUS * (K + _SURPLUS) * model.fewest_rows(d)
    )
    n_mixtures = _FEW_MIXTURES if full and K >= _SEVERAL and n >= _MANY_OF_EACH * K else n_candidates
    schedule = Schedule(n_candidates, n_mixtures, n, _CUTS, n_seeding=n_seeding, surplus=enough * _SURPLUS)
    if n * d <= _FEW_NUMBERS:
        return replace(schedule, cuts=_CUTS_OF_FEW)
    rows_of_component = max(_ROWS_PER_COMPONENT, _ROWS_PER_FEATURE * d if full else 0)
    if without_prior:
        schedule = replace(schedule, part=min(n, max(_FEWEST_ROWS, rows_of_component * K)))
    if n < _MANY_ROWS:
        return schedule
    n_seeding = _SEEDING_ROWS_OF_MANY * K
    return replace(schedule, n_lloyd=_LLOYD_PASSES_OF_MANY, n_seeding=n_seeding, random_seeds=False)


def best_candidate(
    problem: Problem, sample: ArraySource, n_components: int, rng: Rng, *, schedule: Schedule | None = None
) -> SufficientStatistics:
    """Return the statistics of the candidate that is left in the end.

    Parameters
    ----------
    problem : Problem
        Of the rows of the sample.
    sample : ArraySource
        Distinct rows, in float64.
    n_components : int
    rng : Rng
    schedule : Schedule, optional
        `schedule_for` chooses one by default.
    """
    with problem.e_step() as e_step:
        halving = _Halving(problem, sample, n_components, e_step, schedule or schedule_for(problem, n_components))
        return halving.best(rng).statistics


@dataclass(frozen=True, eq=False)
class _Part:
    """Part of the rows in the coordinates of a metric, scaled to a mean variance of 1, in random order."""

    rows: Array
    weights: Array
    view: CandidateView

    @classmethod
    def of(cls, view: View, centre: Array, *, single_limit: float) -> _Part:
        rows, weight = view.rows.rows, view.rows.sample_weight
        variance = view.rows.mean_of(np.einsum("ij,ij->i", rows, rows)) / rows.shape[1]
        scale = 1 / math.sqrt(variance) if variance > 0 else 1.0
        rows = rows * scale
        reach = np.abs(rows).max(axis=0)
        passed = _em.CandidateRows(rows, weight, np.zeros(rows.shape[1]), reach, single_limit=single_limit)
        whitener = scale * view.metric.whitener.ravel()
        return cls(rows, view.rows.weights, CandidateView(passed, view.metric.layout.code, whitener, centre))

    def seeds(self, n_turns: int, n_components: int, schedule: Schedule, uniforms: Array) -> Array:
        """Choose rows (K, d) turn by turn: by greedy D² sampling of a few, or every other turn as they come."""
        chosen = np.arange(n_turns * n_components).reshape(n_turns, n_components) % len(self.rows)
        greedy = chosen[1::2] if schedule.random_seeds else chosen
        few = slice(schedule.n_seeding)
        greedy[:] = greedy_seeds(self.rows[few], self.weights[few], n_components, uniforms)
        return self.rows[chosen]


class _Halving:
    def __init__(
        self, problem: Problem, sample: ArraySource, n_components: int, e_step: EStep, schedule: Schedule
    ) -> None:
        self._sample = sample
        self._model: CovarianceModel = problem.objective.model
        self._objective = problem.objective.of_components
        self._K = n_components
        self._e_step = e_step
        self._schedule = schedule
        sizes = dict.fromkeys((n_components, n_components + schedule.surplus))
        self._families = {K: problem.family(K) for K in sizes}
        self._may_be_degenerate = n_components > 1 and not problem.objective.prior.variational
        self._d = sample.n_features
        self._fewest = fewest_rows(self._model, self._d)
        self._centre = sample.survey.centre
        self._reach = sample.survey.reach(self._centre)
        self._n_effective = sample.n_effective
        self._scratches: list[_em.Scratch] = []

    def best(self, rng: Rng) -> Candidate:
        sample, schedule = self._sample, self._schedule
        indices = rng.permutation(sample.n_rows)[: schedule.part]
        part = sample.subset(indices)
        limit = _ROUGHLY if in_range(part.heaviest) else 0.0
        rows = self._rows(part, single_limit=limit if schedule.single else 0)
        all_rows = self._rows(sample, single_limit=0)
        races = self._begun(part, rows, rng, single_limit=limit)
        for cut in schedule.cuts:
            if max(map(len, races)) > 1 or cut.all_rows:
                races = self._halve(races, cut, all_rows if cut.all_rows else rows)
        finalists = self._finalists([race[0] for race in races], rows)
        if len(finalists) > 1:
            for cut in _FINAL_CUTS:
                (finalists,) = self._halve([finalists], cut, all_rows)
        return finalists[0]

    def _halve(self, races: list[list[Candidate]], cut: Cut, rows: _em.CandidateRows) -> list[list[Candidate]]:
        """Run all candidates for the passes of a cut, and keep the best of each race."""
        candidates = [one for race in races for one in race]
        self._each(lambda one, scratch: one.run(scratch, rows, cut.passes), candidates, rows.n_rows * cut.passes)
        return [self._survivors(race, cut.n_survivors) for race in races]

    def _finalists(self, winners: list[Candidate], rows: _em.CandidateRows) -> list[Candidate]:
        """Return the winner of the first race, and what is left of the other when it drops its surplus."""
        best, *larger = winners
        if not larger or larger[0].failed:
            return [best]
        reduced = larger[0].without(self._scratches[0], rows, self._families[self._K], _LAST_DROPS)
        return [best, *reduced]

    def _rows(self, source: ArraySource, *, single_limit: float) -> _em.CandidateRows:
        scatter = None
        if self._model.moments is TIED:
            rows = source.rows - self._centre
            scatter = source.weighed(rows).T @ rows
        return _em.CandidateRows(
            source.rows, source.sample_weight, self._centre, self._reach, scatter=scatter, single_limit=single_limit
        )

    def _begun(
        self, part: ArraySource, rows: _em.CandidateRows, rng: Rng, *, single_limit: float
    ) -> list[list[Candidate]]:
        """Let the candidates of each size begin, by turns in both views, and estimate their first mixtures.

        Views may be passed over in float32 where the part may not: variances there are about 1, and clusters spherical
        or diagonal.
        """
        schedule, centre, moments = self._schedule, part.survey.centre, self._model.moments
        n, dear = schedule.n_candidates, schedule.n_mixtures < schedule.n_candidates
        parts = [_Part.of(view, centre, single_limit=single_limit) for view in views_of(part, moments)]
        races = [[Candidate(family, moments) for _ in range(n)] for family in self._families.values()]
        begins: dict[Candidate, tuple[CandidateView, Array]] = {}
        n_greedy = sum(i // 2 % 2 for i in range(n)) if schedule.random_seeds else n
        for K, race in zip(self._families, races, strict=True):
            uniforms = seeding_uniforms(n_greedy, K, rng)
            for i, one_part in enumerate(parts):
                turns = race[i::2]
                seeds = one_part.seeds(len(turns), K, schedule, uniforms[i::2])
                begins |= {one: (one_part.view, chosen) for one, chosen in zip(turns, seeds, strict=True)}

        def begin(one: Candidate, scratch: _em.Scratch) -> None:
            one.begin(scratch, *begins[one], n_lloyd=schedule.n_lloyd, n_soft=_SOFT_PASSES)
            if not dear:
                one.leave_view(scratch, rows)

        self._each(begin, list(begins), rows.n_rows * (schedule.n_lloyd + _SOFT_PASSES))
        if dear:
            races = [sorted(race, key=lambda one: -one.lower_bound)[: schedule.n_mixtures] for race in races]
            entrants = [one for race in races for one in race]
            self._each(lambda one, scratch: one.leave_view(scratch, rows), entrants, rows.n_rows)
        return races

    def _survivors(self, candidates: list[Candidate], n: int) -> list[Candidate]:
        """Return the n highest, degenerate ones last, and one of those that have the same likelihood."""
        if len(candidates) == 1:
            return candidates
        falling = sorted(candidates, key=lambda one: (self._is_degenerate(one), -one.lower_bound))
        survivors = falling[:1]
        for one in falling[1:n]:
            if abs(survivors[-1].lower_bound - one.lower_bound) > _SAME_LIKELIHOOD:
                survivors.append(one)
        return survivors

    def _is_degenerate(self, one: Candidate) -> bool:
        if not self._may_be_degenerate:
            return False
        if one.failed or self._n_effective * one.least_weight < self._fewest:
            return True
        if THIN * one.thinness < 1:  # which bounds what the eigenvalues are
            return False
        parameters = MixtureParameters.estimated(one.estimate, self._objective)
        return bool(degenerate_components(parameters, self._n_effective, self._objective.ridge).any())

    def _each(self, task: _Task, candidates: list[Candidate], n_rows: int) -> None:
        """Do a task for each candidate, in threads if it is worth them.

        `n_rows` are the rows that one candidate passes over, all passes together.
        """

        def some(start: int, end: int) -> None:
            scratch = self._scratches.pop() if self._scratches else _em.Scratch()
            for one in candidates[start:end]:
                task(one, scratch)
            self._scratches.append(scratch)

        K, d, n = self._K, self._d, len(candidates)
        if self._sample.n_rows < _WORTH_SCRATCH:
            some(0, n)
            return
        terms = 2 * math.prod(self._model.moments.shape(K, d)) + 20 * K
        work = float(n * n_rows * terms)
        self._e_step.spread(some, n, work, product=self._families[K].work)
