"""Where to begin: each start looks at a sample of the rows and returns statistics, like any E-step.

Starts see the rows as a weighted set (equal rows merged, ordered by value), so neither their order nor writing a row
twice instead of doubling its weight changes anything, as long as the rows fit the sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from gmm import _em
from gmm._kernel.first_look import distinct_rows
from gmm.em.e_step import CENTRED_DOUBLE, EStep, Partition
from gmm.em.m_step import mixture_family, short_climb
from gmm.em.solver import SolverResult
from gmm.fitting.degenerate import effective_rows, spikes
from gmm.fitting.hierarchy import Hierarchy
from gmm.fitting.metrics import OWN_UNITS, Metric, View, views_of
from gmm.fitting.race import raced
from gmm.rows.sources import ArraySource, Source
from gmm.values.covariance import CovarianceModel
from gmm.values.layouts import SPHERICAL, TIED, Array, Layout
from gmm.values.parameters import MixtureParameters
from gmm.values.priors import ConjugatePrior
from gmm.values.statistics import SufficientStatistics
from gmm.values.whitened import WhitenedMixture

Rng = np.random.RandomState | np.random.Generator


@dataclass(frozen=True)
class StartRequest:
    """What a start is to begin: a mixture of `n_components` with covariances of `model`.

    `shown` is the share of the rows that a start is shown, `moments` what is kept of theirs, if not what the model
    needs.
    """

    n_components: int
    model: CovarianceModel
    ridge: float
    n_threads: int | None = None
    shown: float = 1.0
    prior: ConjugatePrior | None = None
    moments: Layout | None = None

    @property
    def kept(self) -> Layout:
        """The layout of the second moments that a start adds up."""
        return self.moments or self.model.moments


Start = Callable[[ArraySource, StartRequest, Rng], SufficientStatistics]

_ROWS_PER_COMPONENT = 1000
_FEWEST_ROWS = 10_000
# Measured on ten real data sets by four types (docs/measurements.md): fewer screening passes choose by how
# fast a partition begins to climb, not by where it leads, and do not see that it leads to a singular covariance.
_LLOYD_PASSES = 150
_LLOYD_GAIN = 3e-4
_CANDIDATES = 4
_FEW_CLUSTERS = 8  # over the number of components: how often a search partitions in each metric
_SCREENING_PASSES = 20
# Measured on 200k × 8 and × 16 and 50k × 64 (docs/measurements.md): of many rows a sample is shown, on which
# fewer candidates are screened, and most of the climb is made where its passes are cheap.
_SAMPLE_CANDIDATES = 2
_SAMPLE_SCREENING_PASSES = 3
_SAMPLE_PASSES = 100
_SMALL_SAMPLE = 1 / 3  # of the rows
_HIERARCHY_ROWS = 1000
_NEARLY = 0.005  # of the data's reach: k-means centres that are one partition
_SAME_LIKELIHOOD = 1e-6  # nats per row


def _sample_size(n_components: int) -> int:
    return max(_FEWEST_ROWS, _ROWS_PER_COMPONENT * n_components)


def share_shown(source: Source, n_components: int) -> float:
    """The share of the rows that `sampled` returns."""
    return min(1.0, _sample_size(n_components) / source.n_rows)


def sampled(source: Source, n_components: int, rng: Rng, *, size: int | None = None) -> ArraySource:
    """The rows that starts look at: all of them as a weighted set, or a random subset when there are many."""
    size = size or _sample_size(n_components)
    weight, n_used = source.sample_weight, source.n_used
    many = n_used > size
    chosen = np.sort(rng.choice(n_used, size, replace=False)) if many else np.arange(n_used)
    if weight is not None and n_used < source.n_rows:
        chosen = np.flatnonzero(weight)[chosen]
    rows = np.ascontiguousarray(source.take(chosen), dtype=np.float64)
    weight = None if weight is None else weight[chosen]
    return ArraySource(rows, weight) if many else ArraySource(*distinct_rows(rows, weight))


def from_responsibilities(
    source: Source, responsibilities: Array, moments: Layout, *, n_threads: int | None = None
) -> SufficientStatistics:
    """The statistics of given responsibilities (n, K), about the means they imply."""
    weighted = responsibilities
    if source.sample_weight is not None:
        weighted = responsibilities * source.sample_weight[:, None]
    counts = weighted.sum(axis=0)
    centre, K = source.survey.centre, len(counts)
    sums = sum(weighted[first : first + len(rows)].T @ (rows - centre) for first, rows, _ in source.chunks())
    means = sums / np.where(counts > 0, counts, 1)[:, None] + centre
    origins = WhitenedMixture(SPHERICAL, np.zeros(K), means, np.ones(K))
    with EStep(source, moments, n_threads=n_threads) as e_step:
        return e_step(origins, given=responsibilities)


def from_means(source: Source, means: Array, moments: Layout, *, n_threads: int | None = None) -> SufficientStatistics:
    """The statistics of giving each row to the nearest of `means`, (K, d)."""
    metric = Metric(SPHERICAL, np.array([1 / _farthest(source)]))
    return _partition(source, means, metric, moments, n_threads)


def _partition(
    source: Source, centres: Array, metric: Metric, moments: Layout, n_threads: int | None
) -> SufficientStatistics:
    """The statistics of giving each row to the nearest of `centres` in a metric."""
    # The whitener is a metric, not a spread: it says nothing of how exact another form would be.
    with EStep(source, moments, n_threads=n_threads, form=CENTRED_DOUBLE) as e_step:
        return e_step(metric.about(centres), hard=True)


def _farthest(source: Source) -> float:
    """The largest distance from the centre in any feature, 1 if there is none."""
    return float(source.survey.reach(source.survey.centre).max()) or 1.0


def kmeans_plusplus(rows: Array, weight: Array, n_components: int, rng: Rng) -> Array:
    """Seeds by greedy weighted D² sampling (Arthur & Vassilvitskii 2007), (K, d): of 2 + ⌊log K⌋ draws the best."""
    n_draws = 2 + int(math.log(n_components))
    uniforms = rng.uniform(size=1 + (n_components - 1) * n_draws)
    return rows[_em.kmeans_seeds(np.ascontiguousarray(rows), weight, uniforms, n_components, n_draws)]


def lloyd(source: ArraySource, centres: Array, *, n_threads: int | None = None) -> Array:
    """K-means from given centres (Lloyd 1982): E-steps with hard assignment.

    They end with one that gains less than 0.03 % of the squared deviations that the clusters explain.
    """
    rows, survey = source.rows, source.survey
    weight = np.ones(source.n_rows) if source.sample_weight is None else source.sample_weight
    total = float(np.einsum("ij,ij,i->", rows, rows, weight)) - survey.weight * float(survey.centre @ survey.centre)
    partition, ended, passes_left = Partition(centres, _farthest(source), total), False, _LLOYD_PASSES
    with EStep(source, SPHERICAL, n_threads=n_threads) as e_step:
        while passes_left > 0 and not ended:
            partition, passes, ended = e_step.run_lloyd(partition, _LLOYD_GAIN, passes_left)
            passes_left -= passes
    return partition.centres


def _kmeans(sample: ArraySource, wanted: StartRequest, rng: Rng) -> SufficientStatistics:
    """The best of a few k-means partitions, in the data's own units and in those of its covariance (see `views_of`).

    Both metrics fail, on different data (Scrucca & Raftery 2015), so the portfolio holds both; the partitions are
    compared by the likelihood that a few passes of EM make of them.
    """
    centre = sample.survey.centre
    if wanted.n_components == 1:
        return _partition(sample, centre[None], OWN_UNITS, wanted.kept, wanted.n_threads)
    if wanted.shown == 1:
        family = mixture_family(wanted.model, (wanted.n_components, sample.n_features), wanted.ridge, wanted.prior)
        return raced(
            sample,
            wanted.model,
            family,
            wanted.ridge,
            rng,
            n_components=wanted.n_components,
            n_threads=wanted.n_threads,
        )
    near = _NEARLY * sample.survey.reach(centre)
    found: list[tuple[Array, Metric]] = []
    views = views_of(sample, wanted.kept)
    for number in range(_CANDIDATES if wanted.shown == 1 else _SAMPLE_CANDIDATES):
        view = views[number % len(views)]
        centres = _kmeans_centres(view, wanted.n_components, rng, wanted.n_threads)
        if not any((np.abs(centres - other) <= near).all() for other, _ in found):
            found.append((centres, view.metric))
        if number == 1 and len(found) == 1:
            break  # both metrics agree
    partitions = [
        _partition(sample, centres + centre, metric, wanted.kept, wanted.n_threads) for centres, metric in found
    ]
    if len(partitions) == 1 and wanted.shown == 1:
        return partitions[0]
    passes = _SCREENING_PASSES if wanted.shown == 1 else _SAMPLE_SCREENING_PASSES
    reached = [_climbed(sample, wanted, partition, passes) for partition in partitions]
    best = _best(reached, sample, wanted)
    if wanted.shown == 1 or (climb := reached[best]) is None:
        return partitions[best]  # the climb is the caller's to watch and to end
    if wanted.shown <= _SMALL_SAMPLE:
        climb = _climbed(sample, wanted, climb.statistics, _SAMPLE_PASSES) or climb
    return climb.statistics


def _best(reached: Sequence[SolverResult | None], sample: ArraySource, wanted: StartRequest) -> int:
    """Which climb is the highest of those that end without spikes; of all where there is none."""
    n_effective = effective_rows(sample)
    bounds = [-np.inf if climb is None else climb.lower_bound for climb in reached]

    def sound(number: int) -> bool:
        climb = reached[number]
        return climb is not None and not spikes(climb.parameters, n_effective, wanted.ridge).any()

    falling = sorted(range(len(reached)), key=lambda number: -bounds[number])
    highest = bounds[next(filter(sound, falling), falling[0])]
    # Partitions that lead to the same optimum differ by rounding: the first of them is taken.
    near = (highest - _SAME_LIKELIHOOD, highest + _SAME_LIKELIHOOD)
    return next(number for number, bound in enumerate(bounds) if near[0] <= bound <= near[1])


def _kmeans_centres(view: View, n_components: int, rng: Rng, n_threads: int | None) -> Array:
    """The centres (K, d) of k-means in a metric, from the sample's centre in its own coordinates, and sorted."""
    seeds = _seeds(view.rows, n_components, rng)
    centres = view.in_own_units(lloyd(view.rows, seeds, n_threads=n_threads))
    return centres[np.lexsort(centres.T[::-1])]


def _climbed(
    sample: ArraySource, wanted: StartRequest, begin: SufficientStatistics, passes: int
) -> SolverResult | None:
    how: dict[str, Any] = {"max_iter": passes, "n_threads": wanted.n_threads, "prior": wanted.prior}
    return short_climb(sample, wanted.model, wanted.ridge, begin, **how)


def _seeds(sample: ArraySource, n_components: int, rng: Rng) -> Array:
    weight = np.ones(sample.n_rows) if sample.sample_weight is None else sample.sample_weight
    return kmeans_plusplus(sample.rows, weight, n_components, rng)


def _hierarchical(sample: ArraySource, wanted: StartRequest, rng: Rng) -> SufficientStatistics:
    """Each row with the nearest mean of Ward's clusters, which are those of at most 1000 rows, in whitened units."""
    view = views_of(sample, wanted.kept)[1]
    centres = _Ward(view, rng).centres(wanted.n_components) + sample.survey.centre
    return _partition(sample, centres, view.metric, wanted.kept, wanted.n_threads)


class _Ward:
    """Ward's hierarchy of at most 1000 rows of a view."""

    def __init__(self, view: View, rng: Rng) -> None:
        rows, weight = view.rows.rows, view.rows.sample_weight
        weight = np.ones(len(rows)) if weight is None else weight
        if len(rows) > _HIERARCHY_ROWS:
            chosen = np.sort(rng.choice(len(rows), _HIERARCHY_ROWS, replace=False))
            rows, weight = rows[chosen], weight[chosen]
        self._moments = np.column_stack([weight, rows * weight[:, None]])
        self._hierarchy = Hierarchy(rows, weight)
        self._view = view

    def centres(self, n_components: int) -> Array:
        """The clusters' means from the sample's centre, (K, d), in its own units."""
        clusters = self._hierarchy.clusters(n_components)
        sums = np.zeros((clusters.max() + 1, self._moments.shape[1]))
        np.add.at(sums, clusters, self._moments)
        means = self._view.in_own_units(sums[:, 1:] / sums[:, :1])
        # Of fewer rows than components some have to come twice.
        return np.resize(means, (n_components, means.shape[1]))


class Portfolio:
    """Partitions of one sample into any number of components: k-means in both metrics, and Ward's clusters.

    Parameters
    ----------
    sample : ArraySource
    moments : Layout
        What is kept of each partition.
    rng : Rng
        Chooses the rows of Ward's hierarchy, where there are more than it takes.
    n_threads : int, optional
    """

    def __init__(self, sample: ArraySource, moments: Layout, rng: Rng, n_threads: int | None) -> None:
        self._sample = sample
        self._moments = moments
        self._n_threads = n_threads
        self._rng = rng

    @cached_property
    def _seen(self) -> tuple[View, View]:
        return views_of(self._sample, self._moments)

    @cached_property
    def _ward(self) -> _Ward:
        return _Ward(self._seen[1], self._rng)

    def partitions(self, n_components: int, rngs: Sequence[Rng]) -> list[SufficientStatistics]:
        """Two partitions for each of `rngs`, and one of Ward's; those that are nearly the same come once.

        Of few components there are more: they cost little, and each partition shows but one way to group the data.
        """
        sample, views = self._sample, self._seen
        centre = sample.survey.centre
        if n_components == 1:
            return [_partition(sample, centre[None], OWN_UNITS, self._moments, self._n_threads)]
        near = _NEARLY * sample.survey.reach(centre)
        rounds = max(1, _FEW_CLUSTERS // n_components)
        tried = [
            (_kmeans_centres(view, n_components, rng, self._n_threads), view.metric)
            for rng in rngs
            for view in views * rounds
        ]
        by_ward = self._ward.centres(n_components)
        tried.append((by_ward[np.lexsort(by_ward.T[::-1])], views[1].metric))
        found: list[tuple[Array, Metric]] = []
        for centres, metric in tried:
            if not any((np.abs(centres - other) <= near).all() for other, _ in found):
                found.append((centres, metric))
        return [
            _partition(sample, centres + centre, metric, self._moments, self._n_threads) for centres, metric in found
        ]


def _plus_plus(sample: ArraySource, wanted: StartRequest, rng: Rng) -> SufficientStatistics:
    centre = sample.survey.centre
    centred = ArraySource(sample.rows - centre, sample.sample_weight)
    seeds = _seeds(centred, wanted.n_components, rng) + centre
    return from_means(sample, seeds, wanted.kept, n_threads=wanted.n_threads)


def _rows_of_data(sample: ArraySource, wanted: StartRequest, rng: Rng) -> SufficientStatistics:
    enough = sample.n_rows >= wanted.n_components
    chosen = rng.choice(sample.n_rows, wanted.n_components, replace=not enough)
    return from_means(sample, sample.rows[chosen], wanted.kept, n_threads=wanted.n_threads)


def _random(sample: ArraySource, wanted: StartRequest, rng: Rng) -> SufficientStatistics:
    responsibilities = rng.uniform(size=(sample.n_rows, wanted.n_components))
    responsibilities /= responsibilities.sum(axis=1, keepdims=True)
    return from_responsibilities(sample, responsibilities, wanted.kept, n_threads=wanted.n_threads)


STARTS: dict[str, Start] = {
    "kmeans": _kmeans,
    "k-means++": _plus_plus,
    "random": _random,
    "random_from_data": _rows_of_data,
    "hierarchical": _hierarchical,
}


def start_statistics(source: Source, wanted: StartRequest, init_params: str, rng: Rng) -> SufficientStatistics:
    """The statistics of the start called `init_params`, from a sample of the rows.

    Components come from the heaviest to the lightest, and by falling means where they weigh the same.
    """
    sample = sampled(source, wanted.n_components, rng)
    wanted = replace(wanted, shown=share_shown(source, wanted.n_components))
    statistics = STARTS[init_params](sample, wanted, rng)
    # Rounded, so that components that weigh the same are told apart by their means and not by a last digit.
    shares = np.round(statistics.counts / statistics.weight, 9)
    return statistics.reordered(np.lexsort((*-statistics.means.T[::-1], -shares)))
