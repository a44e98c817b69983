"""Successive halving of candidates for a start: all begin on part of the rows, and those that lag behind drop out.

Some have more components than asked for. The best of these drops the ones that cost least, and what is left is compared
with the best of the others: two components on one cluster, and one on two, are rare among mixtures made like this.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import numpy as np

from gmm._candidates import CandidateView, Opening, Race
from gmm._em import CandidateRows
from gmm._fitting.degenerate import Judge, Resolution, degenerate_components, fewest_rows
from gmm._fitting.metrics import View, views_of
from gmm._fitting.sampling import Rng, seeding_uniforms
from gmm._passes.e_step import EStep
from gmm._passes.problem import Problem
from gmm._rows.sources import ArraySource, in_range
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import FULL, TIED, Array, Layout
from gmm._values.parameters import Estimate, MixtureParameters
from gmm._values.statistics import SufficientStatistics

# Measured on the tables of `python -m benchmarks fits` (docs/measurements.md): more candidates end higher, more passes
# for each do not.
_CANDIDATES = 12
_SURPLUS = 2  # components that are dropped in the end
_LARGER = 6  # candidates with so many more: twelve end hardly higher
_AGREEMENT = 0.005  # nats per row between the three best: where they agree, more candidates seldom end higher
_ROWS_FOR_SURPLUS = 5  # fewest rows of each component: with fewer, what is left overfits more often
_FEWEST_ROWS = 400
_ROWS_PER_COMPONENT = 50
_ROWS_PER_FEATURE = 10  # of a component with a full covariance: with fewer, the candidate that overfits most wins
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
_FEW_NUMBERS = 1000  # in the rows: passes take little time beside the rest of a fit, so there may be more
_MOST_NUMBERS = 2e5  # in the second moments of all candidates together: some 10 MB with their mixtures
_WORTH_SCRATCH = 2000  # rows: a worker's scratch is as large as some hundred
_ROUGHLY = 50.0  # times the limits of float32: candidates differ by more than it loses

Task = Callable[[int, int], None]


@dataclass(frozen=True)
class Cut:
    """Keep the `n_survivors` best candidates after `passes` more passes of each, over part of the rows or over all."""

    n_survivors: int
    passes: int
    all_rows: bool = False


_CUTS = Cut(6, 1), Cut(2, 3), Cut(1, 2, all_rows=True)
_CUTS_OF_FEW = Cut(6, 4), Cut(3, 6), Cut(1, 10, all_rows=True)


@dataclass(frozen=True)
class Schedule:
    """How candidates are compared.

    Parameters
    ----------
    n_candidates : int
    n_mixtures : int
        Candidates of a race that get as far as a mixture of the family: those whose simpler mixtures are likeliest.
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
    single_throughout : bool
        Whether passes over all rows may be as well. Of few rows, a climb from rounded sums would take more passes.
    n_larger : int
        Candidates of the second race, with a surplus of components; 0 for no such race.
    agreement : float
        Nats per row between the best and the third best of the first race, up to which there is no second.
    """

    n_candidates: int
    n_mixtures: int
    part: int
    cuts: tuple[Cut, ...]
    n_lloyd: int = 2
    n_seeding: int = _SEEDING_ROWS
    random_seeds: bool = True
    single: bool = True
    single_throughout: bool = False
    n_larger: int = 0
    agreement: float = 0.0

    def n_greedy(self, n_candidates: int) -> int:
        """How many candidates of a race have seeds of k-means++."""
        # Views take turns, and in each view random rows and seeds of k-means++: see `Race.begin`.
        return sum(i // 2 % 2 for i in range(n_candidates)) if self.random_seeds else n_candidates


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
        return Schedule(4, 2 if K <= _MANY_COMPONENTS else 1, n, (Cut(1, 1),), n_seeding=n_seeding, single=False)
    n_candidates = min(_CANDIDATES, max(4, int(_MOST_NUMBERS / math.prod(model.moments.shape(K, d)))))
    n_mixtures = _FEW_MIXTURES if full and K >= _SEVERAL and n >= _MANY_OF_EACH * K else n_candidates
    # What a drop costs is likelihood, and says nothing of a prior.
    worthwhile = (
        without_prior and n_candidates == _CANDIDATES and n >= _ROWS_FOR_SURPLUS * (K + _SURPLUS) * model.fewest_rows(d)
    )
    schedule = Schedule(
        n_candidates, n_mixtures, n, _CUTS, n_seeding=n_seeding, n_larger=worthwhile * _LARGER, agreement=_AGREEMENT
    )
    if n * d <= _FEW_NUMBERS:
        return replace(schedule, cuts=_CUTS_OF_FEW)
    rows_of_component = max(_ROWS_PER_COMPONENT, _ROWS_PER_FEATURE * d if full else 0)
    if without_prior:
        schedule = replace(schedule, part=min(n, max(_FEWEST_ROWS, rows_of_component * K)))
    if n < _MANY_ROWS:
        return schedule
    n_seeding = _SEEDING_ROWS_OF_MANY * K
    return replace(
        schedule,
        n_lloyd=_LLOYD_PASSES_OF_MANY,
        n_seeding=n_seeding,
        random_seeds=False,
        single_throughout=True,
    )


@dataclass(frozen=True, eq=False)
class Course:
    """What the candidates of a race see of the rows, for all models of one layout; they begin alike.

    Parameters
    ----------
    schedule : Schedule
    sample : ArraySource
        Distinct rows, in float64.
    sizes : tuple of int
        Numbers of components of the candidates.
    uniforms : list of array
    views : list of CandidateView
    part, rows : CandidateRows
        As `Race` takes them.
    openings : dict of int to list of Opening
        How candidates began in a race before.
    """

    schedule: Schedule
    sample: ArraySource
    sizes: tuple[int, ...]
    uniforms: list[Array]
    views: list[CandidateView]
    part: CandidateRows
    rows: CandidateRows
    openings: dict[int, list[Opening]] = field(default_factory=dict)

    @classmethod
    def over(cls, sample: ArraySource, moments: Layout, n_components: int, schedule: Schedule, rng: Rng) -> Course:
        """Deal out the rows and what chance decides."""
        sizes = {n_components: schedule.n_candidates}
        if schedule.n_larger:
            sizes[n_components + _SURPLUS] = schedule.n_larger
        part = sample.subset(rng.permutation(sample.n_rows)[: schedule.part])
        limit = _ROUGHLY if in_range(part.heaviest) else 0.0
        return cls(
            schedule,
            sample,
            tuple(sizes),
            [seeding_uniforms(schedule.n_greedy(n), K, rng) for K, n in sizes.items()],
            # Also where the part may not be in float32: here variances are about 1, and clusters spherical or diagonal.
            [_scaled(view, part.survey.centre, limit) for view in views_of(part, moments)],
            _rows(part, sample, moments, limit if schedule.single else 0.0),
            _rows(sample, sample, moments, limit if schedule.single_throughout else 0.0),
        )

    def winner(self, problem: Problem, judge: Judge = Judge.START) -> SufficientStatistics:
        """Return the statistics of the candidate that is left in the end, of the model of a problem."""
        objective, n_components = problem.objective, self.sizes[0]
        model, rows = objective.model, Resolution.of(self.sample, objective.ridge)
        enough = fewest_rows(model, self.sample.n_features) / rows.weight

        def is_degenerate(estimate: Estimate) -> bool:
            parameters = MixtureParameters.estimated(estimate, objective.of_components)
            return bool(degenerate_components(parameters, rows, judge=judge).any())

        with problem.e_step() as e_step:
            race = Race(
                self.schedule,
                [problem.family(K) for K in self.sizes],
                model.moments,
                self.uniforms,
                self.views,
                self.part,
                self.rows,
                fewest=0.0 if model.common else enough,
                enough=enough,
                least=rows.variances,
                verdict=is_degenerate if n_components > 1 and not objective.prior.variational else None,
                spread=(
                    None if self.sample.n_rows < _WORTH_SCRATCH else partial(_share_out, e_step, problem, n_components)
                ),
                openings=self.openings,
            )
            return race.best().statistics


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
    schedule = schedule or schedule_for(problem, n_components)
    return Course.over(sample, problem.objective.model.moments, n_components, schedule, rng).winner(problem)


def _share_out(e_step: EStep, problem: Problem, n_components: int, task: Task, n: int, n_rows: int) -> None:
    """Do a task for n candidates, each of which passes over so many rows, in threads if it is worth them."""
    shape = problem.objective.model.moments.shape(n_components, problem.rows.n_features)
    work = float(n * n_rows) * (2 * math.prod(shape) + 20 * n_components)
    e_step.share_out(task, n, work, product=problem.family(n_components).work)


def _scaled(view: View, centre: Array, single_limit: float) -> CandidateView:
    """Return a view with a mean variance of 1."""
    rows, metric = view.rows.rows, view.metric
    variance = view.rows.mean_of(np.einsum("ij,ij->i", rows, rows)) / rows.shape[1]
    scale = 1 / math.sqrt(variance) if variance > 0 else 1.0
    scaled, origin = ArraySource(rows * scale, view.rows.sample_weight), np.zeros(rows.shape[1])
    reach = scaled.survey.reach(origin)
    passed = CandidateRows(scaled.rows, scaled.sample_weight, origin, reach, single_limit=single_limit)
    return CandidateView(passed, metric.layout.code, scale * metric.whitener.ravel(), centre)


def _rows(part: ArraySource, sample: ArraySource, moments: Layout, single_limit: float) -> CandidateRows:
    """Return part of a sample as candidates pass over it."""
    centre, scatter = sample.survey.centre, None
    if moments is TIED:
        rows = part.rows - centre
        scatter = part.weighed(rows).T @ rows
    reach = sample.survey.reach(centre)
    return CandidateRows(part.rows, part.sample_weight, centre, reach, scatter=scatter, single_limit=single_limit)
