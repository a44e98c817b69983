"""Starts of fits: the best of a few candidates, after a few passes of the fit's problem.

A candidate is a partition of the rows about the centres of k-means in a view (`CandidateRows.views`): in the units of
the rows, in those of their covariance, or in the metric within clusters. Partitions that differ become mixtures; of few
rows, only the tightest of each view do. If rows are enough, the best splits some components and drops those that cost
least: then two on one cluster, and one on two, are rare. It continues with the best of the other views until none of
these can overtake it.
Candidates run in a compiled `Race` over complete rows. With noise or heavy tails, they also start in dense regions, and
their passes are those of the fit; with classes, they start in these. Missing values are imputed from similar rows; with
missing values or errors, the first mixtures make some passes of the fit instead. Mixtures are compared by
`Degeneracy.worth`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._blas import blas_alone
from gmm._em import (
    CandidateRows,
    Clusters,
    Race,
    falling_order,
    has_wide_views,
    neighbour_distances,
    view_of,
)
from gmm._fitting.degenerate import Degeneracy, Resolution
from gmm._fitting.hierarchy import Hierarchy
from gmm._fitting.sampling import (
    Rng,
    draw_sample,
    generator,
    kmeans_plusplus,
    sample_by_weight,
    sample_size,
    seeding_uniforms,
)
from gmm._kernel.mstep import NullContext
from gmm._passes.e_step import CENTRED_DOUBLE, EStep
from gmm._passes.problem import NO_NOISE_YET, Continuation, Parts, Problem, RunStart, SolverSettings
from gmm._passes.solver import SolverResult
from gmm._rows.sources import ArraySource, Source
from gmm._validation.checks import check_constraint, check_fixed_start
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import SPHERICAL, Array, Layout, SingularMatrixError, layout_with_code
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.row_data import ALL_UNKNOWN, KnownClasses, weighed, weights_of
from gmm._values.statistics import SufficientStatistics
from gmm._values.whitened import WhitenedMixture

Clusterings = dict[tuple[Any, ...], list[Clusters]]


class StartSettings(NamedTuple):
    """The start of a fit; parts that are not given are estimated from the rows.

    Parameters
    ----------
    method : str
        A name in `STARTS`.
    parts : mapping
        The given ones of "weights" (K,), "means" (K, d) and "precisions" in the shape of the model's layout.
    responsibilities : callable
        Returns an array of shape (n, K) for the seed of a start.
    clusterings : dict, optional
        The clusterings, by their draws, that fits of several models to the same rows share.
    """

    method: str = ""
    parts: Mapping[str, Array] = MappingProxyType({})
    responsibilities: Callable[[int], Array] | None = None
    clusterings: Clusterings | None = None


class FitSettings(NamedTuple):
    """The number of components, objective, start and solver of a fit, and whether to refine."""

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
        """Return the problem of fitting a mixture of normal components of the starts' model to a sample."""
        return Problem(sample, self.objective.for_starts, self.n_threads)


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
            initial = Continuation(start) if isinstance(start, MixtureParameters) else start
            try:
                run = problem.prepare_run(e_step, initial, settings).go(max_iter)
            except SingularMatrixError:
                results.append(None)
            else:
                results.append(run.result._replace(state=None))  # as large as many mixtures
    return results


def choose_best(problem: Problem, results: Sequence[SolverResult | None]) -> SolverResult | None:
    """Return the best result without degenerate components; if there is none, the best of all."""
    ended = (result for result in results if result is not None)
    degeneracy = Degeneracy.for_fits(problem.objective, problem.rows)
    return max(ended, key=lambda result: (degeneracy.first(result) < 0, degeneracy.worth(result)), default=None)


# --- How much a start tries ------------------------------------------------------------------------

# Measured (docs/measurements.md, "How much a start tries"): with fewer rows for each number of the means, a higher
# likelihood does not raise that of held-out rows, and a search for it finds components on two or three rows.
_FEW = 6
# There the tightest partition of each view is the best start, as also with fewer rows than parameters; elsewhere the
# likelihood of a mixture is a better measure than tightness.
_CLUSTERINGS_OF_FEW, _CLUSTERINGS_BELOW_PARAMETERS, _CLUSTERINGS, _CLUSTERINGS_OF_CLASSES = 8, 12, 4, 6
_FEWEST_MORE, _MOST_MORE = 2, 10  # components that split and are dropped again: half of all, within these limits
# Rows on which candidates are compared: all, or for each component, and one for each parameter.
_ALL_ROWS, _ROWS_PER_COMPONENT = 800, 150
_MIXED_ROWS = 1500  # at least


class Effort(NamedTuple):
    """The effort of a start.

    Parameters
    ----------
    n_clusterings : int
    n_mixtures : int
        The number of them that become mixtures: if not all, the tightest of each view.
    n_more : int
        Components that split, and are then dropped.
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
def effort(model: CovarianceModel, n: int, d: int, K: int, *, plain: bool, classes: bool, mixed: bool) -> Effort:
    """Return the effort that n rows justify.

    `plain` is whether candidates compare by their likelihoods alone: classes matter more than how tight clusters are,
    and the bound of a prior may prefer one component for all rows. With noise or heavy tails, rows are `mixed` with
    those of no group.
    """
    n_means, within = K * (d + 1), d > 1 and not has_wide_views(model.layout, d)
    more = min(K, max(_FEWEST_MORE, min(K // 2, _MOST_MORE))) if plain and K > 1 else 0
    if plain and not mixed and n < _FEW * n_means:
        within = within and model.common
        return Effort(_CLUSTERINGS_OF_FEW, 2 + within, 0, K if within else 1, n)
    n_parameters = n_means + model.n_parameters(K, d)
    if plain and not mixed and n < n_parameters:
        return Effort(_CLUSTERINGS_BELOW_PARAMETERS, 2 + within, more, K, n)
    part = max(_ALL_ROWS, K * _ROWS_PER_COMPONENT, n_parameters) if plain else n
    if mixed:
        return Effort(_CLUSTERINGS, 2 + within, 0, K, min(n, max(part, _MIXED_ROWS)))
    n_clusterings = _CLUSTERINGS_OF_CLASSES if classes else _CLUSTERINGS
    return Effort(n_clusterings, n_clusterings, more, K, min(n, part))


def from_responsibilities(
    source: Source, responsibilities: Array, moments: Layout, *, n_threads: int | None = None
) -> SufficientStatistics:
    """Return the statistics of given responsibilities (n, K), about the means that follow from them."""
    weighted = weighed(responsibilities, source.sample_weight)
    counts = weighted.sum(axis=0)
    centre, K = source.survey.centre, len(counts)
    sums = sum(weighted[first : first + len(rows)].T @ (rows - centre) for first, rows, _ in source.chunks())
    means = sums / np.where(counts > 0, counts, 1)[:, None] + centre
    origins = WhitenedMixture(SPHERICAL, np.zeros(K), means, np.ones(K))
    with EStep(source.with_changes(known=ALL_UNKNOWN), moments, n_threads=n_threads) as e_step:
        return e_step(origins, given=responsibilities)


def from_means(source: Source, means: Array, moments: Layout, *, n_threads: int | None = None) -> SufficientStatistics:
    """Return the statistics of assigning each row to the nearest of `means`, (K, d), within its class."""
    metric = Metric(SPHERICAL, np.array([1 / (source.survey.extent or 1.0)]))
    return partition(source, means, metric, moments, n_threads)


def partition(
    source: Source, centres: Array, metric: Metric, moments: Layout, n_threads: int | None
) -> SufficientStatistics:
    """Return the statistics of assigning each row to the nearest of `centres` within its class, in a metric."""
    # The whitener is a metric, not a spread, so the pass cannot derive the precision of another form from it.
    with EStep(source, moments, n_threads=n_threads, form=CENTRED_DOUBLE) as e_step:
        return e_step(metric.about(centres), hard=True)


# --- The race of candidates -------------------------------------------------------------------------

_SEEDING_ROWS = 100  # for each component
_MANY_ROWS = 10_000  # with so many, what float32 loses changes no run
_WORTH_SCRATCH = 2000  # rows: a worker's scratch is as large as some hundred
_ROUGHLY = 50.0  # times the limits of float32: candidates differ by more than it loses
# Shares of the rows, those nearest to their neighbours, in which candidates start if far rows belong to no group.
# Measured on 180 tables with 5 to 85 % noise: without the last three, one of four fits misses the best optimum by more
# than a nat, nearly all of them where most rows are noise.
_DENSE = 0.75, 0.5, 0.25, 0.15, 0.05
_NEIGHBOUR, _SOUGHT_IN = 10, 1100  # the neighbour whose distance measures density, and the rows that are searched
_FAR_AWAY = 1e3  # interquartile ranges, beyond which rows are as far


def run_race(settings: FitSettings, sample: ArraySource, rng: Rng, outcome: Callable[[Race], Any] = Race.best) -> Any:
    """Return the best of some candidates, or another `outcome` of their race.

    The rows are in float64. With noise or heavy tails, some candidates start from the rows in dense regions.
    """
    problem, K, classes = settings.start_problem(sample), settings.n_components, bool(sample.known)
    objective, noise = problem.objective, problem.objective.noise
    model, n, d = objective.model, sample.n_rows, sample.n_features
    plain, mixed = not (objective.prior or classes), bool(noise or objective.tails)
    arguments = effort(model, n, d, K, plain=plain, classes=classes, mixed=mixed)
    is_part = n > min(arguments.part, _SEEDING_ROWS * K) and not classes
    part = sample_by_weight(sample, arguments.part, rng) if is_part else sample
    single = _ROUGHLY if sample.survey.suits_single and n >= _FEW * (d + 1) * K else 0.0
    tables, dense = [CandidateRows.of(part, sample, model.layout, single)], dense_rows(part, K) if mixed else {}
    tables += map(tables[0].some, dense.values())
    clusterings = {} if settings.start.clusterings is None else settings.start.clusterings
    uniforms = seeding_uniforms(arguments.n_clusterings * len(tables), K, rng)
    draws = uniforms.tobytes(), arguments.part, single, has_wide_views(model.layout, d), arguments.n_groups
    clusters = clusterings.get(draws)
    views = [table.views(model.layout, arguments.n_groups) for table in tables] if clusters is None else []
    all_rows: CandidateRows | None = None
    if part.n_rows < n:
        all_rows = CandidateRows.of(sample, sample, model.layout, single if n >= _MANY_ROWS else 0.0)
    resolution = Resolution.from_source(sample, objective.ridge)
    with problem.e_step() if n >= _WORTH_SCRATCH else NullContext() as e_step:
        race = Race(
            list(map(problem.family, dict.fromkeys((K, K + arguments.n_more)))),
            model.layout,
            views,
            tables,
            all_rows,
            uniforms,
            n_seeding=min(part.n_rows, _SEEDING_ROWS * K),
            n_candidates=arguments.n_mixtures,
            shares=[max(noise.share, 1 - share) for share in (1.0, *dense)] if mixed else (0.0,),
            seeds=_class_seeds(part, [slice(None), *dense.values()], views, arguments, rng) if classes else None,
            clusters=clusters,
            degeneracy=None if objective.prior.variational else resolution.check(model),
            noise=np.asarray(noise.variances) if noise else None,
            spread=None if e_step is None else partial(e_step.share_out, product=problem.family(K).work),
        )
        found = outcome(race)
    clusterings[draws] = race.clusters
    return found


def dense_rows(rows: ArraySource, n_components: int) -> dict[float, NDArray[np.intp]]:
    """Return the rows in dense regions, more of them than components, by their share of all rows.

    The method follows Byers & Raftery (1998), who fit the distances. Rows of known class are not noise.
    """
    if rows.n_rows <= n_components:
        return {}
    quartiles = np.quantile(rows.rows, [0.25, 0.75], axis=0)
    beyond = np.where(quartiles[1] > quartiles[0], _FAR_AWAY * (quartiles[1] - quartiles[0]), np.inf)
    near = rows.rows.clip(quartiles[0] - beyond, quartiles[1] + beyond)  # or all others would coincide
    width = near.max(axis=0) - near.min(axis=0)
    scaled = near / np.where(width > 0, width, 1.0)
    n_others, number = min(rows.n_rows, _SOUGHT_IN), min(_NEIGHBOUR, rows.n_rows - 1)
    distances = neighbour_distances(scaled - scaled.mean(axis=0), n_others, number)
    weights, known, n_known = rows.weights, 0.0, 0
    if rows.known:
        is_known = rows.known.codes > 0
        distances[is_known] = -np.inf
        known, n_known = float(weights @ is_known), int(is_known.sum())
    order = np.argsort(distances, kind="stable")
    reached = np.cumsum(weights[order])
    ends = np.searchsorted(reached, known + np.array(_DENSE) * (reached[-1] - known), side="right")
    dense = {share: np.sort(order[: max(end, n_known)]) for share, end in zip(_DENSE, ends, strict=True)}
    return {share: some for share, some in dense.items() if len(some) > n_components}


# --- Starts by their names -------------------------------------------------------------------------

StartMethod = Callable[[ArraySource, FitSettings, Rng], SufficientStatistics]

# With many rows, most passes of the fit are made on a sample, where they are cheap.
_SMALL_SAMPLE, _SAMPLE_PASSES = 1 / 3, 100
_SPECIAL_ROWS = 2000  # of a sample of rows with classes, gaps or errors
_SPECIAL_PASSES = 10


def _kmeans(sample: ArraySource, settings: FitSettings, rng: Rng) -> SufficientStatistics:
    objective = settings.objective
    if settings.n_components == 1 and not (objective.noise or objective.tails):
        with EStep(sample, settings.start_moments, n_threads=settings.n_threads) as e_step:
            return e_step.single_component_statistics()
    return run_race(settings, sample, rng).statistics


def _hierarchical(sample: ArraySource, settings: FitSettings, rng: Rng) -> SufficientStatistics:
    """Assign each row to the nearest mean of Ward's clusters of at most 1000 rows, in whitened units."""
    view = CandidateRows.of(sample, sample, settings.start_moments).views(settings.start_moments)[1]
    hierarchy = Hierarchy.from_sample(ArraySource(view.coordinates, sample.sample_weight), rng)
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


def _random_from_data(sample: ArraySource, settings: FitSettings, rng: Rng) -> SufficientStatistics:
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
    "random_from_data": _random_from_data,
    "hierarchical": _hierarchical,
}


def start_statistics(source: Source, settings: FitSettings, rng: Rng) -> SufficientStatistics:
    """Return the statistics of a start by the method of the settings, from a sample of complete rows.

    If the sample of k-means is a small part of plain rows, the best candidate continues on it: float32 then loses far
    less than sampling. With missing values or errors, several candidates make passes of the fit.
    """
    K, method, is_plain = settings.n_components, settings.start.method, not (source.patterns or source.known)
    drawn = draw_sample(source, K, rng, size=None if is_plain else _SPECIAL_ROWS)
    sample: Any = drawn if is_plain else complete_rows(drawn)
    layout, best = settings.objective.model.layout, None
    with blas_alone(float(sample.n_rows) * sample.n_features**2):
        if method == "kmeans" and source.patterns:
            starts = [each.statistics.reduced(layout) for each in run_race(settings, sample, rng, Race.initial)]
            problem, statistics = settings.problem(drawn), starts[0]
            if len(starts) > 1:
                best = choose_best(problem, short_runs(problem, starts, _SPECIAL_PASSES))
        elif method != "kmeans" and sample.known:
            statistics = _start_by_class(sample, settings, rng)
        else:
            statistics = STARTS[method](sample, settings, rng)
        if method == "kmeans" and K > 1 and is_plain and sample_size(K) <= _SMALL_SAMPLE * source.n_rows:
            rough = settings.start_problem(sample.with_changes(dtype=np.dtype(np.float32)))
            (best,) = short_runs(rough, [statistics], _SAMPLE_PASSES)
        statistics = (statistics if best is None else best.statistics).reduced(layout)
        return statistics if source.known else order_components(statistics)


def order_components(statistics: SufficientStatistics) -> SufficientStatistics:
    """Return the components by decreasing weight, and by decreasing means if weights are equal."""
    if len(statistics.counts) == 1:
        return statistics
    counts, origins, first = statistics.counts, statistics.origins, statistics.first
    return statistics.reordered(falling_order(counts, statistics.weight, origins, first))


# --- Rows with classes, missing values or errors ----------------------------------------------------

_PRECISION_ROUNDS = 5


def complete_rows(sample: Source) -> ArraySource:
    """Return rows in memory, in float64, with missing values imputed, and less weight for those with large errors.

    The precision of a row is the share of its variance that is not that of its error.
    """
    filled = sample.without_gaps
    assert isinstance(filled, ArraySource)  # a sample is in memory
    rows = filled.with_changes(rows=np.ascontiguousarray(filled.rows, np.float64), dtype=np.dtype(np.float64))
    if not sample.errors:
        return rows
    variances = sample.errors.variances[sample.errors.codes]
    weights, precisions = rows.weights, np.ones(rows.n_rows)
    for _ in range(_PRECISION_ROUNDS):
        shares = weights * precisions / (weights @ precisions)
        spread = shares @ np.square(rows.rows - shares @ rows.rows)
        with np.errstate(over="ignore"):
            ratios = variances / np.where(spread > 0, spread, np.inf)
        precisions = 1 / (1 + np.minimum(ratios, 1e100).mean(axis=1))  # never 0, or all might be
    return rows.with_changes(sample_weight=weights * precisions * (weights.sum() / (weights @ precisions)))


def _class_seeds(
    rows: ArraySource, parts: Sequence[Any], views: Sequence[Sequence[Any]], effort: Effort, rng: Rng
) -> list[Array]:
    """Return the initial centres of the clusterings of each part of rows with classes, in their views' coordinates."""
    seeds = []
    for part, some in zip(parts, views, strict=False):
        classes = KnownClasses(rows.known.codes[part], rows.known.owners)
        for view in (some[view_of(number, len(some))] for number in range(effort.n_clusterings)):
            seen = ArraySource(view.coordinates, weights_of(rows.sample_weight, part)).with_changes(known=classes)
            seeds.append(_seeds(seen, rng))
    return seeds


def _seeds(rows: ArraySource, rng: Rng) -> Array:
    """Return initial centres of k-means, (K, d): by k-means++ in each class, then rows of no class, far from these."""
    classes, weights = rows.known, rows.weights
    centres: list[Array] = []
    for owner, n in zip(*np.unique(classes.owners[classes.owners >= 0], return_counts=True), strict=True):
        in_class = classes.codes == owner + 1
        part, mass = np.ascontiguousarray(rows.rows[in_class]), weights[in_class]
        centres.extend([mass @ part / mass.sum()] if n == 1 else kmeans_plusplus(part, mass, int(n), rng))
    unknown = weights * (classes.codes == 0)
    unknown = unknown if unknown.any() else weights
    for _ in range(int((classes.owners < 0).sum())):
        squares = np.min([np.square(rows.rows - centre).sum(axis=1) for centre in centres], axis=0)
        share = unknown / unknown.max() * squares
        share = share if share.any() else unknown
        centres.append(rows.rows[rng.choice(rows.n_rows, p=share / share.sum())])
    return np.array(centres)


def _start_by_class(rows: ArraySource, settings: FitSettings, rng: Rng) -> SufficientStatistics:
    """Return the statistics of the named start, applied to each class and to the rows of unknown class.

    Each row then belongs to the nearest mean of its class or, with the start "random", to random components.
    """
    classes, moments, n_threads = rows.known, settings.start_moments, settings.n_threads
    if settings.start.method == "random":
        shares = np.exp(classes.allowed).T[classes.codes] * rng.uniform(size=(rows.n_rows, len(classes.owners)))
        return from_responsibilities(rows, shares / shares.sum(axis=1, keepdims=True), moments, n_threads=n_threads)
    means = []
    for owner in dict.fromkeys(classes.owners.tolist()):
        class_settings = settings._replace(n_components=int((classes.owners == owner).sum()))
        class_rows = rows.select_rows(np.flatnonzero(classes.codes == owner + 1))
        means.append(STARTS[settings.start.method](class_rows, class_settings, rng).means)
    return from_means(rows, np.concatenate(means), moments, n_threads=n_threads)


# --- The start of a run ----------------------------------------------------------------------------

_OR_CONTINUE = "; or continue a GaussianMixture that has them with warm_start=True"


def first_start(problem: Problem, settings: FitSettings, seed: int, e_step: EStep) -> RunStart:
    """Return the start of a run: the parts that are given, and a start from the rows for the others."""
    arguments, objective = settings.start, problem.objective
    if objective.fixed:
        check_fixed_start(objective.fixed, arguments.parts, otherwise=_OR_CONTINUE)
    initial = _given_start(problem, settings, seed, e_step)
    if not objective.noise or not (arguments.parts or arguments.responsibilities):
        return initial
    initial = problem.first_update(e_step, initial)
    remainder = 1 - float(initial.parameters.as_estimate()[0].sum())
    share = remainder if remainder > NO_NOISE_YET else objective.noise.share
    return initial._replace(parameters=initial.parameters.with_noise(objective.noise, share))


def _given_start(problem: Problem, settings: FitSettings, seed: int, e_step: EStep) -> RunStart:
    """Return the start of a run without noise, with the parts that are given."""
    rows, arguments, model, K = problem.rows, settings.start, problem.objective.model, settings.n_components
    parts: dict[str, Any] = dict(arguments.parts)
    is_simple = not (rows.patterns or problem.objective.noise or problem.objective.tails)
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
    elif arguments.responsibilities is not None:
        shares = arguments.responsibilities(seed)
        statistics = from_responsibilities(rows.without_gaps, shares, model.layout, n_threads=settings.n_threads)
    elif K == 1 and arguments.method == "kmeans" and is_simple and rows.n_rows <= sample_size(K):
        statistics = e_step.single_component_statistics()  # the same for all methods
    else:
        statistics = start_statistics(rows, settings, generator(seed))
    if not parts and (not problem.objective.tails or np.any(statistics.precision)):
        return statistics
    initial = problem.first_update(e_step, statistics)  # a partition has no degrees of freedom
    mixture, has_drawn_means = initial.parameters, "means" not in parts and arguments.responsibilities is None
    if problem.objective.fixed and has_drawn_means and not rows.known:
        order = _match_groups(mixture, parts)
        groups = {"weights": mixture.weights[order], "covariances": mixture.covariances_of(order)}
        parts = groups | {"means": mixture.means[order]} | parts
    return initial._replace(parameters=mixture.with_other(**parts))


def _match_groups(groups: MixtureParameters, parts: dict[str, Any]) -> NDArray[np.intp]:
    """Return the group of a start that each given weight and covariance belongs to, by the likelihood of all."""
    from scipy.optimize import linear_sum_assignment

    given = groups.with_other(**parts)
    layout, gain = given.model.layout, np.zeros((given.n_components, given.n_components))
    if "weights" in parts:
        gain += np.log(np.maximum(given.weights, np.finfo(np.float64).tiny))
    if "covariances" in parts and layout.axis_aligned:
        gain += given.log_determinants - groups.column_variances @ given.column_precisions.T / 2
    elif "covariances" in parts:
        spreads, precisions = (
            layout.dense(matrices, *given.means.shape)
            for matrices in (groups.covariances, layout.gram(given.whiteners))
        )
        gain += given.log_determinants - np.tensordot(spreads, precisions, axes=([1, 2], [1, 2])) / 2
    group, of_each = linear_sum_assignment(gain * groups.weights[:, None], maximize=True)
    return np.asarray(group[np.argsort(of_each)], dtype=np.intp)
