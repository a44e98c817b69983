"""Where fits begin: the best of a few candidates, after a few passes of the problem's own.

A candidate is a partition of the rows about the centres of k-means in a view (`CandidateRows.views`): in the rows' own
units, in those of their covariance, or in the metric within clusters. Partitions that differ become mixtures; of few
rows, the tightest of each view do. Where rows are enough, the best splits some components and drops those that cost
least: then two on one cluster, and one on two, are rare. It runs on beside the best of the other views until none of
these may catch up.
The candidates of plain rows run in a compiled `Race`; those of rows with classes, gaps or errors, and beside noise or
heavy tails, in runs of the solver (`own_start`), since their passes are its own; there, those with a degenerate
component come last. Mixtures compare by what their bounds are worth (`Degeneracy.worth`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from gmm._blas import blas_alone
from gmm._em import (
    Candidate,
    CandidateRows,
    Clusters,
    Race,
    Scratch,
    falling_order,
    has_wide_views,
    tightest,
    view_of,
)
from gmm._fitting.degenerate import Degeneracy, Resolution
from gmm._fitting.hierarchy import Hierarchy
from gmm._fitting.sampling import (
    Rng,
    generator,
    kmeans_plusplus,
    sample_by_weight,
    sample_size,
    sampled,
    seeding_uniforms,
)
from gmm._kernel.mstep import Unguarded
from gmm._passes.e_step import CENTRED_DOUBLE, EStep
from gmm._passes.problem import Continuation, Parts, Problem, RunStart, SolverSettings
from gmm._passes.solver import SolverResult
from gmm._rows.sources import ArraySource, Source
from gmm._validation.given import check_constraint, check_fixed_start
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import SPHERICAL, Array, Layout, SingularMatrixError, layout_with_code
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics
from gmm._values.weights import ALL_UNKNOWN, weighed
from gmm._values.whitened import WhitenedMixture

Clusterings = dict[tuple[Any, ...], list[Clusters]]


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
    clusterings : dict, optional
        Those of fits of other models to the same rows, which have them in common, by their draws.
    """

    method: str = ""
    parts: Mapping[str, Array] = MappingProxyType({})
    responsibilities: Callable[[int], Array] | None = None
    clusterings: Clusterings | None = None


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

    def start_problem(self, sample: Source) -> Problem:
        """Return the problem of fitting a mixture of the starts' model, of normal components alone, to a sample."""
        objective = self.objective.for_starts
        return Problem(sample, objective.stored_for(objective.model.for_starts), self.n_threads)


class Metric(NamedTuple):
    """A distance between rows, ‖W (x − y)‖.

    `whitener` is W as `layout` stores it for one component, flat.
    """

    layout: Layout
    whitener: Array

    def about(self, centres: Array) -> WhitenedMixture:
        """Return the mixture whose most probable component is the nearest of `centres`, (K, d)."""
        K, d = centres.shape
        whitener = self.whitener.reshape(self.layout.shape(1, d))
        whiteners = whitener if self.layout.pooled else whitener.repeat(K, axis=0)
        return WhitenedMixture(self.layout, np.zeros(K), centres, whiteners)


# --- Short runs that compare starts -------------------------------------

ROUGHLY = SolverSettings(tolerance=1e-3, max_iter=20, confirm_stop=False)


def short_runs(
    problem: Problem, starts: Iterable[MixtureParameters | SufficientStatistics], max_iter: int
) -> list[SolverResult | None]:
    """Run each start for a few passes to compare them; None where a covariance becomes singular."""
    settings, results = ROUGHLY._replace(max_iter=max_iter), list[SolverResult | None]()
    with problem.e_step() as e_step:
        for start in starts:
            begin = Continuation(start) if isinstance(start, MixtureParameters) else start
            try:
                run = problem.prepare_run(e_step, begin, settings).go(max_iter)
            except SingularMatrixError:
                results.append(None)
            else:
                results.append(run.result._replace(state=None))  # as large as many mixtures
    return results


def best_of(problem: Problem, results: Sequence[SolverResult | None]) -> SolverResult | None:
    """Return the result without degenerate components that is worth most, or of all if each has one."""
    ended = (result for result in results if result is not None)
    degeneracy = Degeneracy.of_fits(problem.objective, problem.rows)
    return max(ended, key=lambda result: (degeneracy.first(result) < 0, degeneracy.worth(result)), default=None)


# --- How much a start tries ------------------------------------------------------------------------

# Measured (docs/measurements.md, "How much a start tries"): with fewer rows for each number of the means, a higher
# likelihood says nothing of rows held out, and looking for it finds components on two or three rows.
_FEW = 6
# There the tightest partition of each view begins best, and also with fewer rows than parameters; elsewhere the
# likelihood of a mixture tells more of each than how tight it is.
_CLUSTERINGS_OF_FEW, _CLUSTERINGS_BELOW_PARAMETERS, _CLUSTERINGS = 8, 12, 4
_FEWEST_MORE, _MOST_MORE = 2, 10  # components that split and are dropped again: half of all, within these limits
# Rows on which candidates are compared: all, or for each component, and one for each parameter.
_ALL_ROWS, _ROWS_PER_COMPONENT = 800, 150


class Effort(NamedTuple):
    """How much a start tries.

    Parameters
    ----------
    n_clusterings : int
    n_mixtures : int
        How many of them become mixtures: if not all, the tightest of each view.
    n_more : int
        Components that split, and are dropped again.
    n_groups : int
        Clusters whose metric is one of the views; 1 for no such view.
    part : int
        Rows on which candidates are compared.
    """

    n_clusterings: int
    n_mixtures: int
    n_more: int
    n_groups: int
    part: int


@lru_cache
def effort(model: CovarianceModel, n: int, d: int, K: int, *, plain: bool) -> Effort:
    """Return what n rows repay.

    `plain` is whether a likelihood alone tells what components are worth: classes tell more than how tight clusters
    are, and the bound of a prior may prefer one component for all rows.
    """
    n_means, within = K * (d + 1), d > 1 and not has_wide_views(model.layout, d)
    more = min(K, max(_FEWEST_MORE, min(K // 2, _MOST_MORE))) if plain and K > 1 else 0
    if plain and n < _FEW * n_means:
        within = within and model.common
        return Effort(_CLUSTERINGS_OF_FEW, 2 + within, 0, K if within else 1, n)
    n_parameters = n_means + model.n_parameters(K, d)
    if plain and n < n_parameters:
        return Effort(_CLUSTERINGS_BELOW_PARAMETERS, 2 + within, more, K, n)
    part = max(_ALL_ROWS, K * _ROWS_PER_COMPONENT, n_parameters) if plain else n
    return Effort(_CLUSTERINGS, _CLUSTERINGS, more, K, min(n, part))


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
    with EStep(source.with_changes(known=ALL_UNKNOWN), moments, n_threads=n_threads) as e_step:
        return e_step(origins, given=responsibilities)


def from_means(source: Source, means: Array, moments: Layout, *, n_threads: int | None = None) -> SufficientStatistics:
    """Return the statistics of assigning each row to the nearest of `means`, (K, d), or of those of its class."""
    metric = Metric(SPHERICAL, np.array([1 / (source.survey.extent or 1.0)]))
    return partition(source, means, metric, moments, n_threads)


def partition(
    source: Source, centres: Array, metric: Metric, moments: Layout, n_threads: int | None
) -> SufficientStatistics:
    """Return the statistics of assigning each row to the nearest of `centres`, or of its class's, in a metric."""
    # The whitener is a metric, not a spread, so the pass cannot derive the precision of another form from it.
    with EStep(source, moments, n_threads=n_threads, form=CENTRED_DOUBLE) as e_step:
        return e_step(metric.about(centres), hard=True)


# --- Plain rows: a compiled race -------------------------------------------------------------------

_SEEDING_ROWS = 100  # for each component
_MANY_ROWS = 10_000  # of which no climb notices what float32 loses
_WORTH_SCRATCH = 2000  # rows: a worker's scratch is as large as some hundred
_ROUGHLY = 50.0  # times the limits of float32: candidates differ by more than it loses


def raced(
    problem: Problem, n_components: int, rng: Rng, clusterings: Clusterings | None = None
) -> SufficientStatistics:
    """Return the statistics of the best of some candidates, whose rows are distinct, in float64."""
    objective, sample, K = problem.objective, problem.rows, n_components
    assert isinstance(sample, ArraySource)
    model, n, d = objective.model, sample.n_rows, sample.n_features
    how = effort(model, n, d, K, plain=not objective.prior)
    part = sample_by_weight(sample, how.part, rng) if n > min(how.part, _SEEDING_ROWS * K) else sample
    single = _ROUGHLY if sample.survey.suits_single and n >= _FEW * (d + 1) * K else 0.0
    rows = CandidateRows.of(part, sample, model.layout, single)
    clusterings = {} if clusterings is None else clusterings
    uniforms = seeding_uniforms(how.n_clusterings, K, rng)
    draws = uniforms.tobytes(), how.part, single, has_wide_views(model.layout, d), how.n_groups
    clusters = clusterings.get(draws)
    views = rows.views(model.layout, how.n_groups) if clusters is None else []
    whole: CandidateRows | None = None
    if part.n_rows < n:
        whole = CandidateRows.of(sample, sample, model.layout, single if n >= _MANY_ROWS else 0.0)
    resolution = Resolution.from_source(sample, objective.ridge)
    with problem.e_step() if n >= _WORTH_SCRATCH else Unguarded() as e_step:
        race = Race(
            list(map(problem.family, dict.fromkeys((K, K + how.n_more)))),
            model.layout,
            views,
            rows,
            whole,
            uniforms,
            n_seeding=min(part.n_rows, _SEEDING_ROWS * K),
            n_candidates=how.n_mixtures,
            clusters=clusters,
            verdict=None if objective.prior.variational else resolution.verdict(model),
            spread=None if e_step is None else partial(e_step.share_out, product=problem.family(K).work),
        )
        best = race.best()
    clusterings[draws] = race.clusters
    return best.statistics


# --- Starts by their names -------------------------------------------------------------------------

StartMethod = Callable[[ArraySource, FitSettings, Rng], SufficientStatistics]

# Of many rows, most passes of the fit are made on a sample, where they are cheap.
_SMALL_SAMPLE, _SAMPLE_PASSES = 1 / 3, 100


def _kmeans(sample: ArraySource, settings: FitSettings, rng: Rng) -> SufficientStatistics:
    if settings.n_components == 1:
        with EStep(sample, settings.start_moments, n_threads=settings.n_threads) as e_step:
            return e_step.of_one()
    return raced(settings.start_problem(sample), settings.n_components, rng, settings.start.clusterings)


def _hierarchical(sample: ArraySource, settings: FitSettings, rng: Rng) -> SufficientStatistics:
    """Assign each row to the nearest mean of Ward's clusters of at most 1000 rows, in whitened units."""
    view = CandidateRows.of(sample, sample, settings.start_moments).views(settings.start_moments)[1]
    hierarchy = Hierarchy.of_some(ArraySource(view.coordinates, sample.sample_weight), rng)
    means = view.in_own_units(hierarchy.means(settings.n_components))
    centres = np.resize(means, (settings.n_components, means.shape[1]))  # rows may be fewer
    code, whitener = view.of_rows
    return partition(
        sample, centres, Metric(layout_with_code(code), whitener), settings.start_moments, settings.n_threads
    )


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
    """Return the statistics of a start by the method of the settings, from a sample of plain rows.

    Where the sample of k-means is a small part of the rows, the best candidate runs on there. What float32 loses is
    then far less than the sample does.
    """
    K, method = settings.n_components, settings.start.method
    sample = sampled(source, K, rng)
    assert isinstance(sample, ArraySource)  # of plain rows
    with blas_alone(float(sample.n_rows) * sample.n_features**2):
        statistics = STARTS[method](sample, settings, rng)
        if method == "kmeans" and K > 1 and sample_size(K) <= _SMALL_SAMPLE * source.n_rows:
            rough = settings.start_problem(sample.with_changes(dtype=np.dtype(np.float32)))
            (result,) = short_runs(rough, [statistics], _SAMPLE_PASSES)
            statistics = statistics if result is None else result.statistics
        return in_order(statistics.reduced(settings.objective.model.layout))


def in_order(statistics: SufficientStatistics) -> SufficientStatistics:
    """Return the components from the heaviest to the lightest, and by falling means where they weigh the same."""
    if len(statistics.counts) == 1:
        return statistics
    counts, origins, first = statistics.counts, statistics.origins, statistics.first
    return statistics.reordered(falling_order(counts, statistics.weight, origins, first))


# --- Rows with classes, gaps or errors, beside noise or heavy tails: runs of the solver ------------

_OWN_ROWS, _OWN_PASSES = 4000, 10  # of k-means, and of EM
# Shares of the rows, those nearest to their neighbours, of which candidates begin where far rows belong to no group.
# Measured on 180 tables with 5 to 85 % noise: without the last three, one of four fits misses the best optimum by more
# than a nat, nearly all of them where most rows are noise.
_DENSE = 0.75, 0.5, 0.25, 0.15, 0.05
_NEIGHBOUR = 10  # whose distance says how dense a place is
_PRECISION_ROUNDS = 5


def own_start(problem: Problem, settings: FitSettings, rng: Rng) -> MixtureParameters:
    """Return the best of some candidates after a few passes of the problem's own over a sample of the rows.

    Raises
    ------
    SingularMatrixError
        If every candidate has a singular covariance, and there is no ridge.
    """
    K = settings.n_components
    sample = sampled(problem.rows, K, rng, size=_OWN_ROWS)
    on_sample, noise, failures, starts = problem._replace(rows=sample), problem.objective.noise, [], []
    with on_sample.e_step() as e_step:
        for share, rows in rows_to_partition(sample, problem.objective):
            for statistics in partitions(rows, settings, rng) if share == 1 or rows.n_rows > K else ():
                try:
                    begun = on_sample.first_update(
                        e_step, statistics.reduced(problem.objective.model.layout)
                    ).parameters
                except SingularMatrixError as error:
                    failures.append(error)
                else:
                    starts.append(begun.with_noise(noise, max(noise.share, 1 - share)) if noise else begun)
    if not starts:
        raise failures[0]
    best = best_of(on_sample, short_runs(on_sample, starts, _OWN_PASSES)) if len(starts) > 1 else None
    return starts[0] if best is None else best.parameters


def rows_to_partition(sample: Source, objective: Objective) -> Iterator[tuple[float, ArraySource]]:
    """Yield whole rows, and which share of all they are: where far rows may be noise, also those in dense places.

    After Byers & Raftery (1998), who fit the distances. Rows of known class are no noise. Rows with large errors weigh
    less: see `_precisions`.
    """
    whole = sample.without_gaps
    assert isinstance(whole, ArraySource)  # a sample is in memory
    rows = whole.with_changes(rows=np.ascontiguousarray(whole.rows, np.float64), dtype=np.dtype(np.float64))
    if sample.errors:
        precise = rows.weights * _precisions(rows, sample.errors.variances[sample.errors.codes])
        rows = rows.with_changes(sample_weight=precise * (rows.weights.sum() / precise.sum()))
    yield 1.0, rows
    if not (objective.noise or objective.tails):
        return
    from scipy.spatial import KDTree

    low, high = rows.survey.box
    scaled = rows.rows / np.where(high > low, high - low, 1.0)
    distances = KDTree(scaled).query(scaled, [min(_NEIGHBOUR, len(scaled) - 1) + 1])[0][:, 0]
    order = np.argsort(np.where(rows.known.codes > 0, 0.0, distances) if rows.known else distances, kind="stable")
    reached = np.cumsum(rows.weights[order])
    known = rows.weights @ (rows.known.codes > 0) if rows.known else 0.0
    for share in _DENSE:
        dense = np.sort(order[reached <= known + share * (reached[-1] - known)])
        yield share, rows.select_rows(dense).with_changes(known=rows.known.for_rows(dense))


def _precisions(rows: ArraySource, variances: Array) -> Array:
    """Return the share of each row's variance that is not its error's, (n,), which tells how much its place says."""
    weights, precisions = rows.weights, np.ones(rows.n_rows)
    for _ in range(_PRECISION_ROUNDS):
        shares = weights * precisions / (weights @ precisions)
        spread = shares @ np.square(rows.rows - shares @ rows.rows)
        with np.errstate(over="ignore"):
            ratios = variances / np.where(spread > 0, spread, np.inf)
        precisions = 1 / (1 + np.minimum(ratios, 1e100).mean(axis=1))  # never 0, or all might be
    return precisions


def partitions(rows: ArraySource, settings: FitSettings, rng: Rng) -> list[SufficientStatistics]:
    """Return the statistics of the tightest of some partitions, or of the start of another name."""
    K, method, moments = settings.n_components, settings.start.method, settings.start_moments
    if method != "kmeans" or K == 1:
        return [_by_name(rows, settings, rng)]
    problem, scratch = settings.start_problem(rows), Scratch()
    plain = not (problem.objective.prior or rows.known)
    how = effort(problem.objective.model, rows.n_rows, rows.n_features, K, plain=plain)
    table, found = CandidateRows.of(rows, rows, moments), []
    views = table.views(moments, how.n_groups)
    for number in range(how.n_clusterings):
        of_view = view_of(number, len(views))
        seen = ArraySource(views[of_view].coordinates, rows.sample_weight)
        seeds = _seeds(seen.with_changes(known=rows.known), K, rng)
        found.append(Clusters(views[of_view], seeds, _OWN_PASSES, scratch, of_view))
    chosen = []
    for clusters in tightest(found, how.n_clusterings, how.n_clusterings if rows.known else 1):
        candidate = Candidate(problem.family(K), moments)
        candidate.begin(scratch, table, clusters)
        chosen.append(candidate.statistics if rows.known else in_order(candidate.statistics))
    return chosen


def _seeds(rows: ArraySource, n_components: int, rng: Rng) -> Array:
    """Return where k-means begins, (K, d): in each class by k-means++, then at rows of no class, far from these."""
    classes, weights = rows.known, rows.weights
    if not classes:
        return kmeans_plusplus(rows.rows, weights, n_components, rng)
    centres: list[Array] = []
    for owner, n in zip(*np.unique(classes.owners[classes.owners >= 0], return_counts=True), strict=True):
        here = classes.codes == owner + 1
        part, mass = np.ascontiguousarray(rows.rows[here]), weights[here]
        centres.extend([mass @ part / mass.sum()] if n == 1 else kmeans_plusplus(part, mass, int(n), rng))
    unknown = weights * (classes.codes == 0)
    unknown = unknown if unknown.any() else weights
    for _ in range(int((classes.owners < 0).sum())):
        squares = np.min([np.square(rows.rows - centre).sum(axis=1) for centre in centres], axis=0)
        share = unknown / unknown.max() * squares
        share = share if share.any() else unknown
        centres.append(rows.rows[rng.choice(rows.n_rows, p=share / share.sum())])
    return np.array(centres)


def _by_name(rows: ArraySource, settings: FitSettings, rng: Rng) -> SufficientStatistics:
    """Return the statistics of a start by its name; of rows with classes, for each class and those of unknown class.

    Each row then belongs to the nearest mean of its class or, from the start "random", to components by chance.
    """
    classes, moments, n_threads = rows.known, settings.start_moments, settings.n_threads
    if not classes:
        return in_order(STARTS[settings.start.method](rows, settings, rng))
    if settings.start.method == "random":
        shares = np.exp(classes.allowed).T[classes.codes] * rng.uniform(size=(rows.n_rows, len(classes.owners)))
        return from_responsibilities(rows, shares / shares.sum(axis=1, keepdims=True), moments, n_threads=n_threads)
    means = []
    for owner in dict.fromkeys(classes.owners.tolist()):
        own = settings._replace(n_components=int((classes.owners == owner).sum()))
        of_class = rows.select_rows(np.flatnonzero(classes.codes == owner + 1))
        means.append(STARTS[settings.start.method](of_class, own, rng).means)
    return from_means(rows, np.concatenate(means), moments, n_threads=n_threads)


# --- Where a run of a fit begins -------------------------------------------------------------------

_ROUNDING = 1e-5  # of responsibilities in float32 that sum to 1
_OR_GO_ON = "; or let a GaussianMixture that has them go on with warm_start=True"


def first_start(problem: Problem, settings: FitSettings, seed: int, e_step: EStep) -> RunStart:
    """Return where the run of one start begins: parts that are given, and a start of the rows for the others."""
    how, objective, rows = settings.start, problem.objective, problem.rows
    if objective.fixed:
        check_fixed_start(objective.fixed, how.parts, otherwise=_OR_GO_ON)
    is_own = rows.known or rows.patterns or objective.noise or objective.tails
    if is_own and not (how.parts or how.responsibilities):
        return Continuation(own_start(problem, settings, generator(seed)))
    begin = _given_start(problem, settings, seed, e_step)
    if not objective.noise:
        return begin
    begin = problem.first_update(e_step, begin)
    remainder = 1 - float(begin.parameters.as_estimate()[0].sum())
    share = remainder if remainder > _ROUNDING else objective.noise.share
    return begin._replace(parameters=begin.parameters.with_noise(objective.noise, share))


def _given_start(problem: Problem, settings: FitSettings, seed: int, e_step: EStep) -> RunStart:
    """Return where a run begins without noise, at the parts that are given."""
    rows, how, model, K = problem.rows, settings.start, problem.objective.model, settings.n_components
    parts: dict[str, Any] = dict(how.parts)
    if "precisions" in parts:
        precisions = parts.pop("precisions")
        shares = parts["weights"] if "weights" in parts else np.full(K, 1 / K)
        if problem.objective.fixed and problem.objective.fixed.covariances.any():
            covariances = model.layout.inverse(precisions, rows.n_features)
            check_constraint(MixtureParameters(shares, np.zeros((K, rows.n_features)), covariances, model))
        if len(parts) == 2:
            return Parts(shares, parts["means"], precisions.reshape(-1))
        parts["covariances"], parts["factors"] = problem.at_precisions(shares, precisions.reshape(-1))
    if "means" in parts:
        statistics = from_means(rows.without_gaps, parts["means"], model.layout, n_threads=settings.n_threads)
    elif how.responsibilities is not None:
        shares = how.responsibilities(seed)
        statistics = from_responsibilities(rows.without_gaps, shares, model.layout, n_threads=settings.n_threads)
    elif rows.patterns:
        normal = problem._replace(objective=problem.objective.for_starts)
        return Continuation(own_start(normal, settings, generator(seed)).with_other(**parts))
    elif K == 1 and how.method == "kmeans" and rows.n_rows <= sample_size(K):
        statistics = e_step.of_one()  # of any partition of rows into one part
    else:
        statistics = start_statistics(rows, settings, generator(seed))
    if not (parts or problem.objective.tails):  # whose first numbers no statistics tell
        return statistics
    begin = problem.first_update(e_step, statistics)
    return begin._replace(parameters=begin.parameters.with_other(**parts))
