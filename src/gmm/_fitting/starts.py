"""Starts: each looks at a sample of the rows and returns statistics, like an E-step.

Rows are compared in metrics (`views_of`): their own units, and those of their covariance. `Course` is successive
halving: all candidates begin on part of the rows, and those that lag behind drop out. Some have more components than
asked for. The best of these drops the ones that cost least, and what is left is compared with the best of the others:
two components on one cluster, and one on two, are rare among mixtures made like this. `Hierarchy` is Ward's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._blas import blas_alone, single_threaded_blas
from gmm._candidates import CandidateView, Opening, Race
from gmm._em import CandidateRows
from gmm._fitting.degenerate import Judge, Resolution, degenerate_components, fewest_rows
from gmm._fitting.racing import short_runs
from gmm._fitting.sampling import Rng, RoughRows, kmeans_plusplus, sampled, sampled_share, seeding_uniforms
from gmm._lazy import cached_property
from gmm._passes.e_step import CENTRED_DOUBLE, EStep, Partition
from gmm._passes.problem import Problem
from gmm._rows.sources import ArraySource, Source, in_range
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import DIAGONAL, FULL, SPHERICAL, TIED, Array, Layout
from gmm._values.objective import Objective
from gmm._values.parameters import Estimate, MixtureParameters
from gmm._values.statistics import SufficientStatistics
from gmm._values.weights import ALL_UNKNOWN, weighed
from gmm._values.whitened import WhitenedMixture

_TIE = 1e-9  # of a cost: merges that differ by less are ties, which the order of the rows breaks
_TINY = float(np.finfo(np.float64).tiny)


class Hierarchy:
    """The merges of rows by Ward's method (1963), each the one that adds least to the scatter within clusters.

    Merging a and b costs w_a w_b / (w_a + w_b) ‖c_a − c_b‖², so that a row of weight 2 equals two rows.

    Parameters
    ----------
    rows : array of shape (n, d)
        About their centre.
    weight : array of shape (n,)
        Above 0.

    Attributes
    ----------
    merges : array of int, shape (n − 1, 2)
        Each cluster by its first row, in the order of their costs.
    costs : array of shape (n − 1,)
        The scatter that merges add, as a share of the weight.
    """

    def __init__(self, rows: Array, weight: Array) -> None:
        weight = np.maximum(weight / weight.sum(), _TINY)  # none underflows to 0, which has no cost
        merges, costs = _merges(_costs(rows, weight), weight)
        order = np.argsort(costs)
        rank = np.empty_like(order)
        rank[order] = np.cumsum(np.diff(costs[order], prepend=0) > _TIE * costs[order])
        # Stable: a cluster must be made before it is merged, even if both cost the same.
        order = np.argsort(rank, kind="stable")
        self.merges, self.costs = merges[order], costs[order]

    def clusters(self, n_clusters: int) -> NDArray[np.intp]:
        """Return the cluster of each row, (n,), numbered in the order of their first rows; at most one for each row."""
        n = len(self.merges) + 1
        cheapest = self.merges[: max(n - n_clusters, 0)]
        into = np.arange(n)
        into[cheapest[:, 1]] = cheapest[:, 0]
        while not np.array_equal(into, into[into]):
            into = into[into]
        return np.unique(into, return_inverse=True)[1].reshape(-1)


def _costs(rows: Array, weight: Array) -> Array:
    """Return the cost of merging any two rows, (n, n), symmetric to the last bit; ∞ for a row and itself."""
    squares = np.einsum("ij,ij->i", rows, rows)
    with single_threaded_blas():
        distances = rows @ rows.T
    distances *= -2
    distances += squares[:, None] + squares
    np.maximum(distances, 0, out=distances)
    inverse = 1 / weight
    distances /= inverse[:, None] + inverse  # the product of two weights might underflow
    np.fill_diagonal(distances, np.inf)
    return distances


def _merges(costs: Array, weight: Array) -> tuple[NDArray[np.intp], Array]:
    """Return all n − 1 merges, (n − 1, 2), and their costs; a cluster has the index of its first row.

    A nearest-neighbour chain (Murtagh 1983) goes from a cluster to its nearest one until two are nearest to each other,
    which are merged sooner or later, whatever the order. `costs` are overwritten.
    """
    weight, n = weight.copy(), len(weight)
    merges, paid, heights = np.empty((n - 1, 2), dtype=np.intp), np.empty(n - 1), np.zeros(n)
    chain = [0]
    for number in range(n - 1):
        a, b = sorted(_nearest_of_each_other(costs, chain))
        paid[number] = heights[a] = max(costs[a, b], heights[a], heights[b])
        merges[number] = a, b
        # Lance & Williams (1967). Infinite costs stay infinite.
        ours, theirs = weight[a] + weight, weight[b] + weight
        row = (ours * costs[a] + theirs * costs[b] - weight * costs[a, b]) / (ours + weight[b])
        costs[a] = costs[:, a] = row
        costs[b] = costs[:, b] = np.inf
        weight[a] += weight[b]
    return merges, paid


def _nearest_of_each_other(costs: Array, chain: list[int]) -> tuple[int, int]:
    """Extend the chain until two clusters are nearest to each other; take them off it."""
    if not chain:
        chain.append(0)  # the first row's cluster is always there
    while True:
        row = costs[chain[-1]]
        near = row <= row.min() * (1 + _TIE)
        # Every link is cheaper than the previous one, so the chain ends.
        if len(chain) > 1 and near[chain[-2]]:
            return chain.pop(), chain.pop()
        chain.append(int(near.argmax()))


# Measured on 200k × 8 and × 16 and 50k × 64 (`python -m benchmarks kmeans`), among 1e-6 … 0.1: without shrinkage,
# directions of little variance add only noise.
_SHRINKAGE = 0.03  # of the total variance, added to each variance once every feature is brought to variance 1
# Features up to which starts of diagonal and spherical models also use the metric of the whole covariance. It costs
# n·d² and d³, far more on wide tables than all their passes. With each feature's own variance instead, fits of ten real
# data sets by six types lose 0.014 (wine, diag) and 0.19 nats per row (breast cancer, EVI), and gain less on others.
_WHOLE_METRIC = 64
_LEAST_DEVIATION = 1e-50  # of a feature's reach: squares of rows in its units are then finite


class Metric(NamedTuple):
    """A distance between rows, ‖W (x − y)‖.

    `whitener` is W as `layout` stores it for one component.
    """

    layout: Layout
    whitener: Array

    def about(self, centres: Array) -> WhitenedMixture:
        """Return the mixture whose most probable component is the nearest of `centres`, (K, d)."""
        K = len(centres)
        whiteners = self.whitener if self.layout.pooled else np.repeat(self.whitener, K, axis=0)
        return WhitenedMixture(self.layout, np.zeros(K), centres, whiteners)


OWN_UNITS = Metric(SPHERICAL, np.ones(1))


class View(NamedTuple):
    """A sample in the coordinates of a metric, about its centre: `rows` are W (x − centre)."""

    rows: ArraySource
    metric: Metric

    def in_own_units(self, rows: Array) -> Array:
        """Convert rows (m, d) of these coordinates to differences from the sample's centre."""
        return self.metric.layout.coloured(self.metric.whitener, 0, rows)


def views_of(sample: ArraySource, moments: Layout, *, deviations: ArraySource | None = None) -> tuple[View, View]:
    """Return the sample in its own units, and in the units of its covariance.

    For models of variances alone and many features, the second view is in units of each feature's standard deviation.
    The covariance is that of `deviations`, if they are given, shrunk towards its diagonal.
    """
    own = ArraySource(sample.rows - sample.survey.centre, sample.sample_weight)
    spread = own if deviations is None else deviations
    z, weighted, total = spread.rows, spread.weighed(spread.rows), (deviations or sample).survey.weight
    least = (_LEAST_DEVIATION * sample.survey.reach(sample.survey.centre)) ** 2
    if moments.axis_aligned and sample.n_features > _WHOLE_METRIC:
        variances = _positive(np.einsum("ij,ij->j", weighted, z) / total, least)
        metric = Metric(DIAGONAL, 1 / np.sqrt(variances)[None])
    else:
        covariance, d = weighted.T @ z / total, sample.n_features
        variances = covariance.ravel()[:: d + 1]
        variances[:] = _positive(variances * (1 + d * _SHRINKAGE), least)
        metric = Metric(TIED, TIED.whiten(covariance, d)[0])
    white = ArraySource(metric.layout.whitened(metric.whitener, 0, own.rows), own.sample_weight)
    return View(own, OWN_UNITS), View(white, metric)


def _positive(variances: Array, least: Array) -> Array:
    """Return variances (d,) that rows can be divided by; that of a constant feature is 1."""
    return np.where(variances > 0, np.maximum(variances, least), 1)


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


class Cut(NamedTuple):
    """Keep the `n_survivors` best candidates after `passes` more passes of each, over part of the rows or over all."""

    n_survivors: int
    passes: int
    all_rows: bool = False


_CUTS = Cut(6, 1), Cut(2, 3), Cut(1, 2, all_rows=True)
_CUTS_OF_FEW = Cut(6, 4), Cut(3, 6), Cut(1, 10, all_rows=True)


class Schedule(NamedTuple):
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
        return schedule._replace(cuts=_CUTS_OF_FEW)
    rows_of_component = max(_ROWS_PER_COMPONENT, _ROWS_PER_FEATURE * d if full else 0)
    if without_prior:
        schedule = schedule._replace(part=min(n, max(_FEWEST_ROWS, rows_of_component * K)))
    if n < _MANY_ROWS:
        return schedule
    n_seeding = _SEEDING_ROWS_OF_MANY * K
    return schedule._replace(
        n_lloyd=_LLOYD_PASSES_OF_MANY, n_seeding=n_seeding, random_seeds=False, single_throughout=True
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
            parameters = MixtureParameters.from_estimate(estimate, objective.for_starts)
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


class StartRequest(NamedTuple):
    """The mixture that a start is asked for.

    Parameters
    ----------
    n_components : int
    objective : Objective
        Of the components alone.
    n_threads : int, optional
    share : float
        Share of the rows that the sample holds.
    moments : Layout, optional
        Layout of the second moments to return; what the starts' model needs by default.
    """

    n_components: int
    objective: Objective
    n_threads: int | None = None
    share: float = 1.0
    moments: Layout | None = None

    @property
    def layout(self) -> Layout:
        """The layout of the second moments to return."""
        return self.moments or self.objective.model.for_starts.moments

    def problem(self, sample: ArraySource) -> Problem:
        """Return the problem of fitting a mixture of the starts' model to the sample."""
        return Problem(sample, self.objective.stored_for(self.objective.model.for_starts), self.n_threads)


StartMethod = Callable[[ArraySource, StartRequest, Rng], SufficientStatistics]

_LLOYD_PASSES = 150
_LLOYD_GAIN = 3e-4
# Measured on 200k × 8 and × 16 and 50k × 64 (docs/measurements.md): of many rows, most passes of the fit are made on a
# sample, where they are cheap.
_SAMPLE_PASSES = 100
_SMALL_SAMPLE = 1 / 3  # of the rows
_HIERARCHY_ROWS = 1000
_NEARLY = 0.005  # of the data's reach: k-means centres that are one partition


def from_responsibilities(
    source: Source, responsibilities: Array, moments: Layout, *, n_threads: int | None = None
) -> SufficientStatistics:
    """Return the statistics of given responsibilities (n, K), about the means they imply."""
    weighted = weighed(responsibilities, source.sample_weight)
    counts = weighted.sum(axis=0)
    centre, K = source.survey.centre, len(counts)
    sums = sum(weighted[first : first + len(rows)].T @ (rows - centre) for first, rows, _ in source.chunks())
    means = sums / np.where(counts > 0, counts, 1)[:, None] + centre
    origins = WhitenedMixture(SPHERICAL, np.zeros(K), means, np.ones(K))
    with EStep(source.with_classes(ALL_UNKNOWN), moments, n_threads=n_threads) as e_step:
        return e_step(origins, given=responsibilities)


def from_means(source: Source, means: Array, moments: Layout, *, n_threads: int | None = None) -> SufficientStatistics:
    """Return the statistics of assigning each row to the nearest of `means`, (K, d), or of those of its class."""
    metric = Metric(SPHERICAL, np.array([1 / _farthest(source)]))
    return partition(source, means, metric, moments, n_threads)


def partition(
    source: Source, centres: Array, metric: Metric, moments: Layout, n_threads: int | None
) -> SufficientStatistics:
    """Return the statistics of assigning each row to the nearest of `centres`, or of its class's, in a metric."""
    # The whitener is a metric, not a spread, so the pass cannot derive the precision of another form from it.
    with EStep(source, moments, n_threads=n_threads, form=CENTRED_DOUBLE) as e_step:
        return e_step(metric.about(centres), hard=True)


def _farthest(source: Source) -> float:
    """Return the largest distance from the centre in any feature, or 1 if that is 0."""
    return float(source.survey.reach(source.survey.centre).max()) or 1.0


def lloyd(source: ArraySource, centres: Array, *, n_threads: int | None = None) -> Array:
    """Return the centres of k-means from given ones (Lloyd 1982), by E-steps with hard assignment.

    It stops when a pass gains less than 0.03 % of the squared deviations that the clusters explain.
    """
    rows, survey = source.rows, source.survey
    total = float(np.einsum("ij,ij,i->", rows, rows, source.weights)) - survey.weight * float(
        survey.centre @ survey.centre
    )
    clusters, ended, remaining_passes = Partition(centres, _farthest(source), total), False, _LLOYD_PASSES
    with EStep(source, SPHERICAL, n_threads=n_threads) as e_step:
        while remaining_passes > 0 and not ended:
            clusters, passes, ended = e_step.run_lloyd(clusters, _LLOYD_GAIN, remaining_passes)
            remaining_passes -= passes
    return clusters.centres


def _kmeans(sample: ArraySource, request: StartRequest, rng: Rng) -> SufficientStatistics:
    """Return the best of some candidates that begin from k-means, in the data's own units and in those of `views_of`.

    Each metric fails on some data (Scrucca & Raftery 2015), so there are candidates of both; they are compared by the
    likelihood after a few passes of EM. Where the sample is a small part of the rows, the best runs on there. What
    float32 loses is then far less than the sample does.
    """
    if request.n_components == 1:
        return _whole(sample, request.layout, request.n_threads)
    problem = request.problem(sample)
    K, moments = request.n_components, problem.objective.model.moments
    best = Course.over(sample, moments, K, schedule_for(problem, K), rng).winner(problem)
    if request.share > _SMALL_SAMPLE:
        return best
    rough = request.problem(RoughRows(sample.rows, sample.sample_weight))
    result = short_runs(rough, [best], _SAMPLE_PASSES)[0]
    return best if result is None else result.statistics


def _whole(sample: ArraySource, moments: Layout, n_threads: int | None) -> SufficientStatistics:
    """Return the statistics of one cluster of all rows."""
    return partition(sample, sample.survey.centre[None], OWN_UNITS, moments, n_threads)


def _seeds(sample: ArraySource, n_components: int, rng: Rng) -> Array:
    return kmeans_plusplus(sample.rows, sample.weights, n_components, rng)


def _hierarchical(sample: ArraySource, request: StartRequest, rng: Rng) -> SufficientStatistics:
    """Assign each row to the nearest mean of Ward's clusters of at most 1000 rows, in whitened units."""
    view = views_of(sample, request.layout)[1]
    centres = Ward(view, rng).centres(request.n_components) + sample.survey.centre
    return partition(sample, centres, view.metric, request.layout, request.n_threads)


class Ward:
    """Ward's hierarchy of at most 1000 rows of a view."""

    def __init__(self, view: View, rng: Rng) -> None:
        rows, weight = view.rows.rows, view.rows.weights
        if len(rows) > _HIERARCHY_ROWS:
            indices = np.sort(rng.choice(len(rows), _HIERARCHY_ROWS, replace=False))
            rows, weight = rows[indices], weight[indices]
        self._moments = np.column_stack([weight, rows * weight[:, None]])
        self.hierarchy, self.weight = Hierarchy(rows, weight), weight
        self._view = view

    @classmethod
    def of(cls, source: Source, rng: Rng) -> Ward:
        """Return the hierarchy of rows, as starts of full covariances see it."""
        return cls(views_of(sampled(source, 1, rng), FULL)[1], rng)

    def centres(self, n_components: int) -> Array:
        """Return the clusters' means from the sample's centre, (K, d), in its own units."""
        clusters = self.hierarchy.clusters(n_components)
        sums = np.zeros((clusters.max() + 1, self._moments.shape[1]))
        np.add.at(sums, clusters, self._moments)
        means = self._view.in_own_units(sums[:, 1:] / sums[:, :1])
        # With fewer rows than components, some means are repeated.
        return np.resize(means, (n_components, means.shape[1]))


@dataclass(frozen=True, eq=False)
class Portfolio:
    """Partitions of one sample into any number of clusters: by k-means in both metrics, and by Ward's method.

    Parameters
    ----------
    sample : ArraySource
    moments : Layout
        Layout of the second moments to return.
    rng : Rng
        Chooses the rows of Ward's hierarchy, which takes at most 1000.
    n_threads : int, optional
    """

    sample: ArraySource
    moments: Layout
    rng: Rng
    n_threads: int | None

    @cached_property
    def _views(self) -> tuple[View, View]:
        return views_of(self.sample, self.moments)

    @cached_property
    def _ward(self) -> Ward:
        return Ward(self._views[1], self.rng)

    def partitions(self, n_components: int, rng: Rng, *, first: bool) -> list[SufficientStatistics]:
        """Return two k-means partitions, and Ward's partition if they are the `first`, without near duplicates."""
        if n_components == 1:
            return [_whole(self.sample, self.moments, self.n_threads)]
        with blas_alone(float(self.sample.n_rows) * self.sample.n_features**2):
            origin, distinct = self.sample.survey.centre, list[tuple[Array, Metric]]()
            near = _NEARLY * self.sample.survey.reach(origin)
            for centres, metric in self._candidates(n_components, rng, first=first):
                centres = centres[np.lexsort(centres.T[::-1])]
                if not any((np.abs(centres - other) <= near).all() for other, _ in distinct):
                    distinct.append((centres, metric))
            how = self.moments, self.n_threads
            return [partition(self.sample, centres + origin, metric, *how) for centres, metric in distinct]

    def _candidates(self, n_components: int, rng: Rng, *, first: bool) -> Iterator[tuple[Array, Metric]]:
        """Yield centres (K, d), from the sample's centre, and the metric in which rows are nearest to them."""
        for view in self._views:
            seeds = _seeds(view.rows, n_components, rng)
            yield view.in_own_units(lloyd(view.rows, seeds, n_threads=self.n_threads)), view.metric
        if first:
            yield self._ward.centres(n_components), self._views[1].metric

    def by_rows(
        self, n_components: int, moments: Layout, rng: np.random.Generator, n_threads: int | None
    ) -> SufficientStatistics:
        """Return the partition by the nearest of random rows, in one of the metrics by chance."""
        view = self._views[int(rng.integers(2))]
        indices = rng.choice(view.rows.n_rows, n_components, replace=n_components > view.rows.n_rows)
        centres = view.in_own_units(view.rows.rows[indices]) + self.sample.survey.centre
        return partition(self.sample, centres, view.metric, moments, n_threads)


def _plus_plus(sample: ArraySource, request: StartRequest, rng: Rng) -> SufficientStatistics:
    centre = sample.survey.centre
    centred = ArraySource(sample.rows - centre, sample.sample_weight)
    seeds = _seeds(centred, request.n_components, rng) + centre
    return from_means(sample, seeds, request.layout, n_threads=request.n_threads)


def _rows_of_data(sample: ArraySource, request: StartRequest, rng: Rng) -> SufficientStatistics:
    enough = sample.n_rows >= request.n_components
    indices = rng.choice(sample.n_rows, request.n_components, replace=not enough)
    return from_means(sample, sample.rows[indices], request.layout, n_threads=request.n_threads)


def _random(sample: ArraySource, request: StartRequest, rng: Rng) -> SufficientStatistics:
    responsibilities = rng.uniform(size=(sample.n_rows, request.n_components))
    responsibilities /= responsibilities.sum(axis=1, keepdims=True)
    return from_responsibilities(sample, responsibilities, request.layout, n_threads=request.n_threads)


STARTS: dict[str, StartMethod] = {
    "kmeans": _kmeans,
    "k-means++": _plus_plus,
    "random": _random,
    "random_from_data": _rows_of_data,
    "hierarchical": _hierarchical,
}


def start_statistics(source: Source, request: StartRequest, init_params: str, rng: Rng) -> SufficientStatistics:
    """Return the statistics of the start called `init_params`, from a sample of the rows.

    Components come from the heaviest to the lightest, and by falling means where they weigh the same.
    """
    sample = sampled(source, request.n_components, rng)
    share = sampled_share(source, request.n_components)
    if share < 1:
        request = request._replace(share=share)
    layout = request.moments or request.objective.model.moments
    with blas_alone(float(sample.n_rows) * sample.n_features**2):
        statistics = STARTS[init_params](sample, request, rng).reduced(layout)
    # Rounded, so that components of the same weight are ordered by their means, not by the last digit.
    shares = (statistics.counts / statistics.weight).round(9)
    return statistics.reordered(np.lexsort((*-statistics.means.T[::-1], -shares)))
