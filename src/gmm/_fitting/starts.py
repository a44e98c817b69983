"""Starts: each looks at a sample of the rows and returns statistics, like an E-step.

Rows are compared in metrics (`views_of`): their own units, and those of their covariance. `RaceRows` is successive
halving: all candidates of a heat begin on a part of the rows, and those that lag behind drop out. What is left splits
some of its components, those that gain most by it, and then drops those that cost least: two components on one cluster,
and one on two, are rare among mixtures made like this. Winners of heats meet on all rows. `Hierarchy` is Ward's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import lru_cache, partial
from math import inf
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._blas import blas_alone, single_threaded_blas
from gmm._em import (
    CandidateRows,
    CandidateView,
    Opening,
    Outlook,
    Race,
    centred,
    falling_order,
    make_positive,
    ward_merges,
)
from gmm._fitting.degenerate import Degeneracy, Judge, Resolution
from gmm._fitting.sampling import (
    Rng,
    generator,
    kmeans_plusplus,
    sample_size,
    sampled,
    sampled_share,
    seeding_uniforms,
)
from gmm._kernel.mstep import distinct_rows
from gmm._lazy import cached_property
from gmm._passes.e_step import CENTRED_DOUBLE, EStep, Partition
from gmm._passes.em import SolverRun
from gmm._passes.problem import Beginning, Problem, SolverSettings
from gmm._passes.solver import Iteration, SolverResult
from gmm._rows.sources import ArraySource, Source, box_of, in_range
from gmm._validation.given import check_constraint, check_fixed_start
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import DIAGONAL, FULL, SPHERICAL, TIED, Array, Layout, SingularMatrixError
from gmm._values.noise import Noise
from gmm._values.objective import Objective
from gmm._values.parameters import PARTS, MixtureParameters
from gmm._values.statistics import SufficientStatistics
from gmm._values.weights import ALL_UNKNOWN, KnownClasses, weighed
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
    weight : array of shape (n,)
    merges : array of int, shape (n − 1, 2)
        Each cluster by its first row, in the order of their costs.
    costs : array of shape (n − 1,)
        The scatter that merges add, as a share of the weight.
    """

    def __init__(self, rows: Array, weight: Array) -> None:
        self.weight, self._rows = weight, rows
        weight = np.maximum(weight / weight.sum(), _TINY)  # none underflows to 0, which has no cost
        merges, costs = ward_merges(_costs(rows, weight), weight, _TIE)
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
        return (np.cumsum(into == np.arange(n)) - 1)[into]

    def means(self, n_clusters: int) -> Array:
        """Return the means of the clusters, at most one for each row."""
        return group_means(self._rows, self.weight, self.clusters(n_clusters))


def group_means(rows: Array, weight: Array, labels: NDArray[Any]) -> Array:
    """Return the means of rows by their labels, from 0 on."""
    sums = np.zeros((labels.max() + 1, 1 + rows.shape[1]))
    np.add.at(sums, labels, np.column_stack([weight, rows * weight[:, None]]))
    return np.asarray(sums[:, 1:] / sums[:, :1])


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


# Measured on 200k × 8 and × 16 and 50k × 64 (docs/measurements.md), among 1e-6 … 0.1: without shrinkage,
# directions of little variance add only noise.
_SHRINKAGE = 0.03  # of the total variance, added to each variance once every feature is brought to variance 1
# Features up to which starts of diagonal and spherical models also use the metric of the whole covariance. It costs
# n·d² and d³, far more on wide tables than all their passes. With each feature's own variance instead, fits of ten real
# data sets by six types lose 0.014 (wine, diag) and 0.19 nats per row (breast cancer, EVI), and gain less on others.
_WHOLE_METRIC = 64
_WHITENED = 768  # rows at a time: BLAS packs all that it gets, and keeps the memory; whole tiles of it, for its bits
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
        whiteners = self.whitener if self.layout.pooled else self.whitener.repeat(K, axis=0)
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
    survey, d, weight = sample.survey, sample.n_features, sample.sample_weight
    centre, total = survey.centre, survey.weight
    own, weighted = centred(sample.rows, weight, centre)
    z = own
    if deviations is not None:
        z, total = deviations.rows, deviations.survey.weight
        weighted = weighed(z, deviations.sample_weight)
    if moments.axis_aligned and d > _WHOLE_METRIC:
        variances = np.einsum("ij,ij->j", weighted, z) / total
        make_positive(variances, survey.reach(centre), _LEAST_DEVIATION, 1.0)
        metric = Metric(DIAGONAL, 1 / np.sqrt(variances)[None])
    else:
        covariance = weighted.T @ z / total
        variances = covariance.reshape(-1)[:: d + 1]
        make_positive(variances, survey.reach(centre), _LEAST_DEVIATION, 1 + d * _SHRINKAGE)
        metric = Metric(TIED, TIED.whiten(covariance, d)[0])
    white, first, last = np.empty_like(own), 0, 0
    while last < len(own):
        first, last = last, last + _WHITENED if len(own) - last >= 2 * _WHITENED else len(own)
        white[first:last] = metric.layout.whitened(metric.whitener, 0, own[first:last])
    return View(ArraySource(own, weight), OWN_UNITS), View(ArraySource(white, weight), metric)


# --- Short runs that compare starts, and when to give a run up -------------------------------------

Start = SufficientStatistics | MixtureParameters  # of a run

ROUGHLY = SolverSettings(tolerance=1e-3, max_iter=20, confirm_stop=False)


def first_runs(
    problem: Problem,
    e_step: EStep,
    starts: Sequence[Start],
    settings: SolverSettings,
    passes: int,
    callback: Callable[[Iteration], object] | None = None,
    lead: float = -inf,
) -> list[SolverRun | SingularMatrixError]:
    """Run each start for some passes, fewer if far below a lead or an earlier one; return errors of singular ones."""
    runs: list[SolverRun | SingularMatrixError] = []
    for start in starts:
        begin = Beginning(start) if isinstance(start, MixtureParameters) else start
        try:
            run = problem.run(e_step, begin, settings, callback=callback).go(passes, Outlook(lead=lead))
        except SingularMatrixError as error:
            runs.append(error)
        else:
            runs.append(run)
            lead = max(lead, run.lower_bound)
    return runs


def short_runs(problem: Problem, starts: Iterable[Start], max_iter: int) -> list[SolverResult | None]:
    """Run each start for a few passes to compare them; None where a covariance becomes singular."""
    settings, results = ROUGHLY._replace(max_iter=max_iter), []
    with problem.e_step() as e_step:
        for start in starts:
            (run,) = first_runs(problem, e_step, [start], settings, max_iter)
            # The state of a solver is as large as many mixtures.
            results.append(run.result._replace(state=None) if isinstance(run, SolverRun) else None)
    return results


def best_of(problem: Problem, results: Sequence[SolverResult | None]) -> SolverResult | None:
    """Return the highest result without degenerate components, or the highest if there is none."""
    falling = sorted(results, key=lambda result: inf if result is None else -result.lower_bound)
    degeneracy = Degeneracy.of_fits(problem.objective, problem.rows)
    usable = (result for result in falling if result is not None and degeneracy.first(result) < 0)
    return next(usable, falling[0])


# --- A race of candidates --------------------------------------------------------------------------

# Measured on tables of R packages, digits and drawn rows (docs/measurements.md): more candidates or turns of splits and
# drops end hardly higher, nor do longer passes but on few rows.
_CANDIDATES = 12
_CANDIDATES_ALONG_COLUMNS = 6  # of diagonal and spherical models, whose ends differ less, where components split
_FEWEST_MORE, _MOST_MORE = 2, 10  # components that split and are dropped again: half of all, within these limits
_MOST_SHARES = 4e6  # of rows in components, while these are dropped
_FEWEST_ROWS = 800
_ROWS_PER_COMPONENT = 100
_ROWS_PER_COMPONENT_OF_MANY = 200  # as a start that overfits makes a longer climb, …
_MOST_PART, _FEWEST_PER_COMPONENT = 10_000, 50  # … but at most so many, or a few for each of very many components
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
_LARGER_OF_FEW, _FINAL_OF_FEW = 10, 6  # around splits and drops, where rows are as few as the smallest part
_MOST_NUMBERS = 2e5  # in the second moments of all candidates together: some 10 MB with their mixtures
_WORTH_SCRATCH = 2000  # rows: a worker's scratch is as large as some hundred
_ROUGHLY = 50.0  # times the limits of float32: candidates differ by more than it loses

Task = Callable[[int, int], None]


class Cut(NamedTuple):
    """Keep the `n_survivors` best candidates after `passes` more passes of each."""

    n_survivors: int
    passes: int


_CUTS = Cut(6, 1), Cut(2, 3), Cut(1, 2)
_CUTS_OF_FEW = Cut(6, 4), Cut(3, 6), Cut(1, 10)
# Candidates whose components split, in a fit that is alone: cells of a search begin from each other instead. With many
# rows, what that takes is better spent on the climb.
_GROWN, _GROWN_OF_FEW = 2, 3
_HEATS = 2  # there, where rows are more than the part: better than two candidates of one heat, as parts differ


class Schedule(NamedTuple):
    """How candidates are compared.

    Parameters
    ----------
    n_candidates : int
        In each heat.
    n_mixtures : int
        Candidates of a heat that get as far as a mixture of the family: those whose simpler mixtures are likeliest.
    part : int
        Rows that candidates begin on.
    cuts : tuple of Cut
    n_heats : int
        Parts of the rows, each with candidates of its own, whose winners are compared on all rows. What is best on one
        part may not be best on all.
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
    n_more : int
        Components of what the cuts leave that split, and are dropped again; 0 for none.
    n_larger : int
        Passes between the splits and the drops.
    n_final : int
        Passes after the drops, which compare what is left with what there was.
    """

    n_candidates: int
    n_mixtures: int
    part: int
    cuts: tuple[Cut, ...]
    n_heats: int = 1
    n_lloyd: int = 2
    n_seeding: int = _SEEDING_ROWS
    random_seeds: bool = True
    single: bool = True
    single_throughout: bool = False
    n_more: int = 0
    n_larger: int = 6
    n_final: int = 3

    def n_greedy(self, n: int) -> int:
        """Number of candidates of n that begin from seeds of k-means++: the second two of every four, or all."""
        return n // 4 * 2 + max(n % 4 - 2, 0) if self.random_seeds else n


def schedule_for(problem: Problem, n_components: int, *, alone: bool = True) -> Schedule:
    """Choose a schedule by the shape of the rows and by the model, for a fit that is alone or a cell of a search."""
    objective, rows = problem.objective, problem.rows
    return _schedule(objective.model, rows.n_rows, rows.n_features, n_components, not objective.prior, alone)


@lru_cache
def _schedule(model: CovarianceModel, n: int, d: int, K: int, without_prior: bool, alone: bool) -> Schedule:
    full = model.layout is FULL and d > 1
    n_seeding = max(_SEEDING_ROWS, _SEEDING_ROWS_PER_COMPONENT * K)
    if full and n < K * model.fewest_rows(d):
        # Too few rows for so many covariances: any fit overfits them, and passes are dear.
        return Schedule(4, 2 if K <= _MANY_COMPONENTS else 1, n, (Cut(1, 1),), n_seeding=n_seeding, single=False)
    along_columns = without_prior and (model.layout.axis_aligned or d == 1)
    most = _CANDIDATES_ALONG_COLUMNS if along_columns else _CANDIDATES
    n_candidates = min(most, max(4, int(_MOST_NUMBERS / math.prod(model.layout.shape(K, d)))))
    n_mixtures = _FEW_MIXTURES if full and K >= _SEVERAL and n >= _MANY_OF_EACH * K else n_candidates
    is_few, is_many = n * d <= _FEW_NUMBERS, n >= _MANY_ROWS
    *cuts, last = _CUTS_OF_FEW if is_few else _CUTS
    if alone and not is_many:
        last = last._replace(n_survivors=_GROWN_OF_FEW if is_few else _GROWN)
    schedule = Schedule(n_candidates, n_mixtures, n, (*cuts, last), n_seeding=n_seeding)
    if alone and (is_few or n <= _FEWEST_ROWS):
        schedule = schedule._replace(n_larger=_LARGER_OF_FEW, n_final=_FINAL_OF_FEW)
    if without_prior and not is_few:
        part = K * (_ROWS_PER_COMPONENT_OF_MANY if is_many else _ROWS_PER_COMPONENT)
        part = min(part, max(_MOST_PART, K * _FEWEST_PER_COMPONENT))
        part = max(part, _FEWEST_ROWS, K * d * _ROWS_PER_FEATURE if full else 0)
        schedule = schedule._replace(part=min(n, part))
    n_more = min(max(_FEWEST_MORE, min(K // 2, _MOST_MORE)), K)
    # What a drop costs is likelihood, and says nothing of a prior.
    worthwhile = without_prior and model.stored_whole and n_candidates == most
    # With fewer rows than parameters, any fit overfits.
    of_one = max(model.fewest_rows(d), d * (d + 1) / 2 if full else 0)
    if worthwhile and n >= (K + n_more) * of_one and schedule.part * (K + n_more) <= _MOST_SHARES:
        schedule = schedule._replace(n_more=n_more)
    if alone and schedule.n_more and schedule.part < n and not is_many:
        of_heat = n_candidates // _HEATS
        schedule = schedule._replace(n_heats=_HEATS, n_candidates=of_heat, n_mixtures=min(n_mixtures, of_heat))
        return schedule._replace(cuts=(*cuts, last._replace(n_survivors=1)))
    if not is_many:
        return schedule
    n_seeding = _SEEDING_ROWS_OF_MANY * K
    return schedule._replace(
        n_lloyd=_LLOYD_PASSES_OF_MANY, n_seeding=n_seeding, random_seeds=False, single_throughout=True
    )


class Heat(NamedTuple):
    """What some candidates of a race see of the rows: views of a part, the part itself, and what draws their seeds."""

    views: list[CandidateView]
    rows: CandidateRows
    uniforms: Array


class RaceRows:
    """What the candidates of a race see of the rows, for all models of one layout; they begin alike.

    Parameters
    ----------
    sample : ArraySource
        Distinct rows, in float64.
    moments : Layout
    n_components : int
    schedule : Schedule
    rng : Rng
        Decides which rows candidates begin on, and their seeds.

    Attributes
    ----------
    openings : list of Opening
        How candidates began in a race before.
    """

    def __init__(self, sample: ArraySource, moments: Layout, n_components: int, schedule: Schedule, rng: Rng) -> None:
        self._sample, self._schedule, self._n_components, self._moments = sample, schedule, n_components, moments
        self._limit = _ROUGHLY if in_range(sample.survey.heaviest) else 0.0
        self._all_rows = self._rows(sample, single=schedule.single_throughout)
        order, shape = rng.permutation(sample.n_rows), (schedule.n_greedy(schedule.n_candidates), n_components)
        # Of few rows, parts overlap.
        firsts = np.linspace(0, sample.n_rows - schedule.part, schedule.n_heats).astype(np.intp).tolist()
        self._begun = [(order[i : i + schedule.part], seeding_uniforms(*shape, rng)) for i in firsts]
        self._heats: dict[int, Heat] = {}
        self.openings: list[Opening] = []

    def _heat(self, number: int, *, again: bool) -> Heat:
        """Return a heat, which is kept for races after this one."""
        if number in self._heats:
            return self._heats[number] if again else self._heats.pop(number)
        indices, uniforms = self._begun[number]
        part = self._sample.subset(indices)
        # Views take turns, and in each view random rows and seeds of k-means++: see `Race.begin`. In float32 also where
        # the part may not be: here variances are about 1, and clusters spherical or diagonal.
        centre, limit = part.survey.centre, self._limit
        views = [
            CandidateView.scaled(
                rows.rows, rows.sample_weight, layout.code, whitener.reshape(-1), centre, single_limit=limit
            )
            for rows, (layout, whitener) in views_of(part, self._moments)
        ]
        heat = Heat(views, self._rows(part, single=self._schedule.single), uniforms)
        if again:
            self._heats[number] = heat
        return heat

    def _rows(self, rows: ArraySource, *, single: bool) -> CandidateRows:
        """Return rows of the sample, with its centre and reach, as candidates pass over them."""
        centre, scatter = self._sample.survey.centre, None
        if self._moments is TIED:
            z, weighted = centred(rows.rows, rows.sample_weight, centre)
            scatter = weighted.T @ z
        reach, limit = self._sample.survey.reach(centre), self._limit if single else 0.0
        return CandidateRows(rows.rows, rows.sample_weight, centre, reach, scatter=scatter, single_limit=limit)

    def winner(self, problem: Problem, judge: Judge = Judge.START, *, last: bool = False) -> SufficientStatistics:
        """Return the statistics of the candidate that is left in the end, of the model of a problem.

        The `last` race forgets views and openings when it needs them no more.
        """
        objective, n_components, sample = problem.objective, self._n_components, self._sample
        model, verdict, is_long = objective.model, None, sample.n_rows >= _WORTH_SCRATCH
        if n_components > 1 and not objective.prior.variational:
            verdict = Resolution.from_source(sample, objective.ridge).verdict(model, judge)
        with problem.e_step() if is_long else nullcontext() as e_step:
            openings = self.openings
            if last:
                del self.openings
            race = Race(
                self._schedule,
                [problem.family(n_components + more) for more in dict.fromkeys((0, self._schedule.n_more))],
                model.layout,
                (self._heat(number, again=not last) for number in range(self._schedule.n_heats)),
                self._all_rows,
                verdict=verdict,
                spread=None if e_step is None else partial(_share_out, e_step, problem, n_components),
                openings=None if last else openings,
            )
            return race.best().statistics


def _share_out(e_step: EStep, problem: Problem, n_components: int, task: Task, n: int, n_rows: int) -> None:
    """Do a task for n candidates, each of which passes over so many rows, in threads if it is worth them."""
    shape = problem.objective.model.layout.shape(n_components, problem.rows.n_features)
    work = float(n * n_rows) * (2 * math.prod(shape) + 20 * n_components)
    e_step.share_out(task, n, work, product=problem.family(n_components).work)


class StartSettings(NamedTuple):
    """Where a fit begins; other parts are left to the data.

    Parameters
    ----------
    method : str
        A name in `STARTS`.
    parts : mapping
        Of "weights" (K,), "means" (K, d) and "precisions" in the shape of the model's layout, those that are given.
    responsibilities : callable
        From a start's seed to an array of shape (n, K).
    """

    method: str = ""
    parts: Mapping[str, Array] = MappingProxyType({})
    responsibilities: Callable[[int], Array] | None = None

    @property
    def from_data(self) -> bool:
        """Whether all parts are left to the data."""
        return not self.parts and self.responsibilities is None


class FitSettings(NamedTuple):
    """How to fit: so many components, what is maximised, where to begin, how to go on, and whether to refine."""

    n_components: int
    objective: Objective
    n_threads: int | None = None
    start: StartSettings = StartSettings()
    solver: SolverSettings = SolverSettings(1e-3, 100)
    refine: str | None = None

    @property
    def start_moments(self) -> Layout:
        """The layout of the second moments that starts return."""
        return self.objective.model.for_starts.layout

    def problem(self, rows: Source) -> Problem:
        """Return the problem of fitting such a mixture to the rows."""
        return Problem(rows, self.objective, self.n_threads)

    def start_problem(self, sample: ArraySource) -> Problem:
        """Return the problem of fitting a mixture of the starts' model, of normal components alone, to a sample."""
        objective = self.objective.for_starts
        return Problem(sample, objective.stored_for(objective.model.for_starts), self.n_threads)


StartMethod = Callable[[ArraySource, FitSettings, Rng], SufficientStatistics]

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
    return source.survey.extent or 1.0


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


def kmeans_centres(rows: ArraySource, n_components: int, rng: Rng, n_threads: int | None) -> Array:
    """Return the centres of k-means, (K, d), from seeds of k-means++."""
    return lloyd(rows, kmeans_plusplus(rows.rows, rows.weights, n_components, rng), n_threads=n_threads)


def _kmeans(sample: ArraySource, settings: FitSettings, rng: Rng) -> SufficientStatistics:
    """Return the best of some candidates that begin from k-means, in the data's own units and in those of `views_of`.

    Each metric fails on some data (Scrucca & Raftery 2015), so there are candidates of both; they are compared by the
    likelihood after a few passes of EM.
    """
    K, moments = settings.n_components, settings.start_moments
    if K == 1:
        return _whole(sample, moments, settings.n_threads)
    problem = settings.start_problem(sample)
    return RaceRows(sample, moments, K, schedule_for(problem, K), rng).winner(problem, last=True)


def _whole(sample: ArraySource, moments: Layout, n_threads: int | None) -> SufficientStatistics:
    """Return the statistics of one cluster of all rows."""
    return partition(sample, sample.survey.centre[None], OWN_UNITS, moments, n_threads)


def _hierarchical(sample: ArraySource, settings: FitSettings, rng: Rng) -> SufficientStatistics:
    """Assign each row to the nearest mean of Ward's clusters of at most 1000 rows, in whitened units."""
    view = views_of(sample, settings.start_moments)[1]
    centres = _ward_centres(hierarchy_of(view, rng), view, settings.n_components) + sample.survey.centre
    return partition(sample, centres, view.metric, settings.start_moments, settings.n_threads)


def hierarchy_of(view: View, rng: Rng) -> Hierarchy:
    """Return Ward's hierarchy of at most 1000 rows of a view."""
    rows, weight = view.rows.rows, view.rows.weights
    if len(rows) > _HIERARCHY_ROWS:
        indices = np.sort(rng.choice(len(rows), _HIERARCHY_ROWS, replace=False))
        rows, weight = rows[indices], weight[indices]
    return Hierarchy(rows, weight)


def _ward_centres(hierarchy: Hierarchy, view: View, n_components: int) -> Array:
    """Return the clusters' means from the sample's centre, (K, d), in its own units; repeated, if rows are fewer."""
    means = view.in_own_units(hierarchy.means(n_components))
    return np.resize(means, (n_components, means.shape[1]))


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

    def __init__(self, sample: ArraySource, moments: Layout, rng: Rng, n_threads: int | None) -> None:
        self.sample, self._moments, self._rng, self._n_threads = sample, moments, rng, n_threads

    @cached_property
    def _views(self) -> tuple[View, View]:
        return views_of(self.sample, self._moments)

    @cached_property
    def _hierarchy(self) -> Hierarchy:
        return hierarchy_of(self._views[1], self._rng)

    def partitions(self, n_components: int, rng: Rng, *, first: bool) -> list[SufficientStatistics]:
        """Return two k-means partitions, and Ward's partition if they are the `first`, without near duplicates."""
        if n_components == 1:
            return [_whole(self.sample, self._moments, self._n_threads)]
        with blas_alone(float(self.sample.n_rows) * self.sample.n_features**2):
            origin, distinct = self.sample.survey.centre, list[tuple[Array, Metric]]()
            near = _NEARLY * self.sample.survey.reach(origin)
            for centres, metric in self._candidates(n_components, rng, first=first):
                centres = centres[np.lexsort(centres.T[::-1])]
                if not any((np.abs(centres - other) <= near).all() for other, _ in distinct):
                    distinct.append((centres, metric))
            how = self._moments, self._n_threads
            return [partition(self.sample, centres + origin, metric, *how) for centres, metric in distinct]

    def _candidates(self, n_components: int, rng: Rng, *, first: bool) -> Iterator[tuple[Array, Metric]]:
        """Yield centres (K, d), from the sample's centre, and the metric in which rows are nearest to them."""
        for view in self._views:
            centres = kmeans_centres(view.rows, n_components, rng, self._n_threads)
            yield view.in_own_units(centres), view.metric
        if first:
            yield _ward_centres(self._hierarchy, self._views[1], n_components), self._views[1].metric

    def by_rows(
        self, n_components: int, moments: Layout, rng: np.random.Generator, n_threads: int | None
    ) -> SufficientStatistics:
        """Return the partition by the nearest of random rows, in one of the metrics by chance."""
        view = self._views[int(rng.integers(2))]
        indices = rng.choice(view.rows.n_rows, n_components, replace=n_components > view.rows.n_rows)
        centres = view.in_own_units(view.rows.rows[indices]) + self.sample.survey.centre
        return partition(self.sample, centres, view.metric, moments, n_threads)


def _plus_plus(sample: ArraySource, settings: FitSettings, rng: Rng) -> SufficientStatistics:
    centre = sample.survey.centre
    centred = ArraySource(sample.rows - centre, sample.sample_weight)
    seeds = kmeans_plusplus(centred.rows, centred.weights, settings.n_components, rng) + centre
    return from_means(sample, seeds, settings.start_moments, n_threads=settings.n_threads)


def _rows_of_data(sample: ArraySource, settings: FitSettings, rng: Rng) -> SufficientStatistics:
    enough = sample.n_rows >= settings.n_components
    indices = rng.choice(sample.n_rows, settings.n_components, replace=not enough)
    return from_means(sample, sample.rows[indices], settings.start_moments, n_threads=settings.n_threads)


def _random(sample: ArraySource, settings: FitSettings, rng: Rng) -> SufficientStatistics:
    responsibilities = rng.uniform(size=(sample.n_rows, settings.n_components))
    responsibilities /= responsibilities.sum(axis=1, keepdims=True)
    return from_responsibilities(sample, responsibilities, settings.start_moments, n_threads=settings.n_threads)


STARTS: dict[str, StartMethod] = {
    "kmeans": _kmeans,
    "k-means++": _plus_plus,
    "random": _random,
    "random_from_data": _rows_of_data,
    "hierarchical": _hierarchical,
}


def start_statistics(source: Source, settings: FitSettings, rng: Rng) -> SufficientStatistics:
    """Return the statistics of a start by the method of the settings, from a sample of the rows.

    Where the sample of k-means is a small part of the rows, the best candidate runs on there. What float32 loses is
    then far less than the sample does. Components come from the heaviest to the lightest, and by falling means where
    they weigh the same.
    """
    K, method = settings.n_components, settings.start.method
    sample = sampled(source, K, rng)
    with blas_alone(float(sample.n_rows) * sample.n_features**2):
        statistics = STARTS[method](sample, settings, rng)
        if method == "kmeans" and K > 1 and sampled_share(source, K) <= _SMALL_SAMPLE:
            rough = settings.start_problem(sample.with_changes(is_rough=True))
            (result,) = short_runs(rough, [statistics], _SAMPLE_PASSES)
            statistics = statistics if result is None else result.statistics
        statistics = statistics.reduced(settings.objective.model.layout)
    if K == 1:
        return statistics
    counts, origins, first = statistics.counts, statistics.origins, statistics.first
    return statistics.reordered(falling_order(counts, statistics.weight, origins, first))


# --- Rows of known classes, with noise, with heavy tails or with known errors ----------------------

_CLASS_PASSES = 5  # of k-means that keeps labelled rows in their class
_TRIES = 3  # in each metric, where seeds are drawn
# Shares of the rows, those nearest to their neighbours. Measured on 180 tables with 5 to 85 % noise: without the
# last three, one of four fits misses the best optimum by more than a nat, nearly all of them where most rows are noise.
KEPT = (0.75, 0.5, 0.25, 0.15, 0.05)
_NEIGHBOUR = 10  # whose distance says how dense a place is
_NOISY_ROWS = 4000
LEAST_NOISE = 0.05  # share of noise, where a fit begins that asks for no other
_TO_HEAVY_TAILS = SolverSettings(1e-4, 100)
_ROUNDING = 1e-5  # of responsibilities in float32 that sum to 1
_OR_GO_ON = "; or let a GaussianMixture that has them go on with warm_start=True"
_LEAST_LEFT = 0.05  # share of a variance that errors leave
_LARGEST_SHARE = 1e150  # of a variance that errors are: squares are finite
_ENOUGH, _MOST = 50, 1 << 17  # rows of small errors: for each component, and of a sample


def best_start(problem: Problem, starts: Sequence[Start]) -> MixtureParameters:
    """Return where the best of some starts leads in a few passes, or the first start, if all become singular."""
    best = best_of(problem, short_runs(problem, starts, ROUGHLY.max_iter))
    if best is not None:
        return best.parameters
    if isinstance(starts[0], MixtureParameters):
        return starts[0]
    with problem.e_step() as e_step:
        return problem.beginning(e_step, starts[0]).parameters


def labelled_start(problem: Problem, rng: Rng) -> MixtureParameters:
    """Return the best of some starts, after a few passes over a sample of the rows.

    Components of a class start at the mean of its labelled rows, or at their k-means centres; those of no class at rows
    of unknown class, far from these (D² sampling). Then k-means that keeps labelled rows in their class (Basu, Banerjee
    & Mooney 2002) shares out the others, in three metrics: the rows' own units, those of their covariance, and those of
    the covariance within classes. Where every component has a class, the labelled rows alone are one more candidate.

    Parameters
    ----------
    problem : Problem
        Of rows with known classes.
    rng : Rng
    """
    sample = sampled_by_class(problem.rows, rng)
    classes, on_sample = sample.known, problem._replace(rows=sample)
    labelled, views = classes.codes > 0, _class_views(sample, problem.objective.model.for_starts.layout)
    starts = [] if classes.n_free else [_partitioned(on_sample, sample, labelled, views[0], rng, 0)]
    is_random = len(classes.owners) > classes.owners.max() + 1
    if is_random or not labelled.all():
        all_rows = np.ones(sample.n_rows, dtype=bool)
        n_tries = _TRIES if is_random else 1
        starts += [_partitioned(on_sample, sample, all_rows, view, rng, _CLASS_PASSES) for view in views * n_tries]
    return best_start(on_sample, starts)


def start_within_classes(problem: Problem, settings: FitSettings, rng: Rng) -> SufficientStatistics:
    """Return the statistics of a start by another method, made for each class and for the rows of unknown class.

    Each row then belongs to the nearest mean of its class or, from the start "random", to components by chance.
    """
    sample = sampled_by_class(problem.rows, rng)
    classes, moments, n_threads = sample.known, problem.objective.model.layout, problem.n_threads
    if settings.start.method == "random":
        shares = np.exp(classes.allowed).T[classes.codes] * rng.uniform(size=(sample.n_rows, len(classes.owners)))
        return from_responsibilities(sample, shares / shares.sum(axis=1, keepdims=True), moments, n_threads=n_threads)
    means = []
    for owner in dict.fromkeys(classes.owners.tolist()):
        rows = sample.subset(np.flatnonzero(classes.codes == owner + 1))
        own = settings._replace(n_components=int((classes.owners == owner).sum()))
        means.append(STARTS[settings.start.method](rows, own, rng).means)
    return from_means(sample, np.concatenate(means), moments, n_threads=n_threads)


def sampled_by_class(source: Source, rng: Rng) -> ArraySource:
    """Return some rows of unknown class and of each class, as a weighted set: equal rows merged, and sorted."""
    classes = source.known
    size, has_weight = sample_size(len(classes.owners)), source.weights > 0
    samples = []
    for code in range(classes.owners.max() + 2):
        rows = np.flatnonzero(has_weight & (classes.codes == code))
        at_most = size if code == 0 else max(1000, size // (classes.owners.max() + 1))
        samples.append(rng.choice(rows, at_most, replace=False) if len(rows) > at_most else rows)
    indices = np.sort(np.concatenate(samples))
    part = source.subset(indices)
    coded = np.column_stack([part.rows.astype(np.float64), classes.codes[indices]])
    merged, weight = distinct_rows(coded, part.sample_weight)
    codes = merged[:, -1].astype(np.intc)
    return ArraySource(np.ascontiguousarray(merged[:, :-1]), weight).with_classes(KnownClasses(codes, classes.owners))


def _class_views(sample: ArraySource, moments: Layout) -> tuple[View, View, View]:
    """Return the sample in three metrics, the last that of the labelled rows about their classes' means."""
    classes = sample.known
    labelled = classes.codes > 0
    codes, part = classes.codes[labelled] - 1, sample.subset(np.flatnonzero(labelled))
    within = ArraySource(part.rows - group_means(part.rows, part.weights, codes)[codes], part.sample_weight)
    return *views_of(sample, moments), views_of(sample, moments, deviations=within)[1]


def _partitioned(
    problem: Problem, sample: ArraySource, mask: NDArray[np.bool_], view: View, rng: Rng, n_passes: int
) -> SufficientStatistics:
    """Return the statistics of assigning the rows of a mask to the nearest centre that they may belong to."""
    moments = problem.objective.model.layout
    centres = view.in_own_units(_centres(view.rows, sample.known, rng)) + sample.survey.centre
    rows = sample.subset(np.flatnonzero(mask)).with_classes(sample.known.for_rows(mask))
    for remaining_passes in range(n_passes, -1, -1):
        statistics = partition(rows, centres, view.metric, moments, problem.n_threads)
        if remaining_passes:
            centres = statistics.means
    return statistics


def _centres(rows: ArraySource, classes: KnownClasses, rng: Rng) -> Array:
    """Return where k-means begins, (K, d)."""
    weight = rows.weights
    centres: list[Array] = []
    for number in range(classes.owners.max() + 1):
        of_class, n = classes.codes == number + 1, int((classes.owners == number).sum())
        part, mass = np.ascontiguousarray(rows.rows[of_class]), weight[of_class]
        if n == 1:
            centres.append(mass @ part / mass.sum())
        else:
            centres.extend(lloyd(ArraySource(part, mass), kmeans_plusplus(part, mass, n, rng)))
    unknown = classes.codes == 0
    for _ in range(classes.n_free):
        squares = np.min([((rows.rows - centre) ** 2).sum(axis=1) for centre in centres], axis=0)
        share = np.where(unknown, weight / weight.max() * squares, 0)
        share = share if share.any() else weight * unknown
        centres.append(rows.rows[rng.choice(rows.n_rows, p=share / share.sum())])
    return np.array(centres)


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
        Returns statistics for a sample of rows, as `start_statistics` does.
    rng : Generator

    Raises
    ------
    SingularMatrixError
        If every start has a singular covariance, and there is no ridge.
    """
    noise = problem.objective.noise
    sample = sampled(problem.rows, n_components, rng, size=_NOISY_ROWS)
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
    return best_start(on_sample, starts)


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
    noise = Noise(low, high, LEAST_NOISE)
    beside = problem._replace(objective=replace(problem.objective.for_starts, noise=noise))
    begin = noisy_start(beside, n_components, noise.share, start, rng)
    with beside.e_step() as e_step:
        mixture = beside.run(e_step, Beginning(begin), _TO_HEAVY_TAILS).go().result.parameters
    if not mixture.weights.sum() > 0:
        return None
    begun, spread = mixture.for_components(np.arange(n_components)), np.diag(np.sqrt(noise.variances))
    away = (np.vstack([spread, noise.means - mean]) for mean in begun.means)  # of rows in the box, from each component
    whitened = (begun.model.layout.whitened(begun.whiteners, k, rows) for k, rows in enumerate(away))
    with np.errstate(over="ignore"):  # ∞ is far away, too
        squares = np.array([np.square(rows).sum() for rows in whitened])
    return begun.with_other(tails=problem.objective.tails.beginning(squares / begun.n_features))


def dense_parts(sample: ArraySource, noise: Noise) -> list[ArraySource]:
    """Return the shares `KEPT` of the rows, or of some of them, whose neighbours are nearest."""
    from scipy.spatial import KDTree

    if sample.n_rows > _NOISY_ROWS:
        sample = sampled(sample, 1, np.random.default_rng(0), size=_NOISY_ROWS)
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


# --- Where a run of a fit begins -------------------------------------------------------------------


def first_start(problem: Problem, settings: FitSettings, seed: int, e_step: EStep) -> Beginning | SufficientStatistics:
    """Return where the run of one start begins: parts that are given, and a start of the rows for the others."""
    how, noise = settings.start, problem.objective.noise
    check_fixed_start(problem.objective.fixed, how.parts, otherwise=_OR_GO_ON)
    if problem.rows.known and how.from_data:
        rng = np.random.default_rng(seed)
        if how.method == "kmeans":
            return Beginning(labelled_start(problem, rng))
        return start_within_classes(problem, settings, rng)
    K, start = settings.n_components, partial(_start_statistics, settings=settings, seed=seed)
    heavy = problem.objective.tails and how.from_data
    if heavy and (begun := start_of_heavy_tails(problem, K, start, np.random.default_rng(seed))) is not None:
        return Beginning(begun)
    if not noise:
        return _start_without_noise(problem, settings, seed, e_step)
    if how.from_data:
        return Beginning(noisy_start(problem, K, noise.share, start, np.random.default_rng(seed)))
    begin = problem.beginning(e_step, _start_without_noise(problem, settings, seed, e_step))
    remainder = 1 - float(begin.parameters.as_estimate()[0].sum())
    share = remainder if remainder > _ROUNDING else noise.share
    return begin._replace(parameters=begin.parameters.with_noise(noise, share))


def _start_without_noise(
    problem: Problem, settings: FitSettings, seed: int, e_step: EStep
) -> Beginning | SufficientStatistics:
    model, K = problem.objective.model, settings.n_components
    parts: dict[str, Any] = dict(settings.start.parts)
    if "precisions" in parts:
        covariances = model.layout.inverse(parts.pop("precisions"), problem.rows.n_features)
        shares = parts.get("weights", np.full(K, 1 / K))
        if problem.objective.fixed.covariances.any():
            check_constraint(MixtureParameters(shares, np.zeros((K, problem.rows.n_features)), covariances, model))
        parts["covariances"] = model.constrained(covariances, np.maximum(shares, 1e-300))
        if len(parts) == len(PARTS):
            return Beginning(MixtureParameters(**parts, model=model))
    rows = problem.rows
    if rows.errors and "means" not in parts and settings.start.responsibilities is None:
        rows = precise_half(rows, K)
    statistics = _start_statistics(rows, settings, seed)
    if rows.errors:
        statistics = without_errors(problem, rows, problem.beginning(e_step, statistics).parameters)
    if not parts:
        return statistics
    begin = problem.beginning(e_step, statistics)
    return begin._replace(parameters=begin.parameters.with_other(**parts))


def _start_statistics(source: Source, settings: FitSettings, seed: int) -> SufficientStatistics:
    how, moments, n_threads = settings.start, settings.objective.model.layout, settings.n_threads
    if "means" in how.parts:
        return from_means(source.without_gaps, how.parts["means"], moments, n_threads=n_threads)
    if how.responsibilities is not None:
        return from_responsibilities(source.without_gaps, how.responsibilities(seed), moments, n_threads=n_threads)
    return start_statistics(source, settings, generator(seed))


def precise_half(source: Source, n_components: int) -> Source:
    """Return the half of the rows with the smallest errors, in units of the columns; of few rows or no errors, all."""
    errors, n = source.errors, source.n_used // 2
    if not errors or n < _ENOUGH * n_components:
        return source
    low, high = source.survey.box
    units = np.where(high > low, high - low, np.inf)
    sizes = np.square(np.sqrt(errors.variances) / units).sum(axis=1)
    size = np.where(source.weights > 0, sizes[errors.codes], np.inf)
    return source.part(np.sort(np.argsort(size, kind="stable")[: min(n, _MOST)]))


def without_errors(problem: Problem, start: Source, mixture: MixtureParameters) -> SufficientStatistics:
    """Return the statistics of a mixture of rows without their errors, which were part of it at the start."""
    errors, (K, d) = start.errors, mixture.means.shape
    with EStep(start.without_gaps, mixture.model.layout, n_threads=problem.n_threads) as e_step:
        responsibilities = e_step.rows(mixture.whitened(), responsibilities=True).responsibilities
    assert responsibilities is not None  # they were asked for
    shares = np.full((len(errors.covariances), K), np.finfo(np.float64).tiny)
    np.add.at(shares, errors.codes, responsibilities * start.weights[:, None])
    mean_errors = np.tensordot((shares / shares.sum(axis=0)).T, errors.stored(FULL), 1)
    covariances = _without(mixture.model.layout.dense(mixture.covariances, K, d), mean_errors)
    counts = mixture.weights * problem.rows.survey.weight
    moments = FULL, mixture.means, counts, np.zeros((K, d)), counts[:, None, None] * covariances
    return SufficientStatistics(*moments, 0.0, float(counts.sum())).reduced(problem.objective.model.layout)


def _without(covariances: Array, errors: Array) -> Array:
    """Return covariances less those of errors, which leave at least a share in every direction."""
    whiteners, _ = FULL.whiten(np.ascontiguousarray(covariances), covariances.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):  # of errors beside which a covariance is nothing
        shares = np.nan_to_num(whiteners @ errors @ whiteners.transpose(0, 2, 1))
        shares = np.clip(shares, -_LARGEST_SHARE, _LARGEST_SHARE)
    values, axes = np.linalg.eigh(shares)
    roots = np.linalg.solve(whiteners, axes * np.sqrt(1 - np.clip(values, 0, 1 - _LEAST_LEFT))[:, None])
    return np.asarray(roots @ roots.transpose(0, 2, 1))
