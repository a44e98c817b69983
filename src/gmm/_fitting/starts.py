"""Starts: each looks at a sample of the rows and returns statistics, like an E-step.

Starts see the rows as a weighted set: equal rows merged and sorted by value. As long as all rows fit the sample, their
order does not matter, and a row written twice equals a row of weight 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gmm._blas import blas_alone
from gmm._caching import cached_property
from gmm._fitting.halving import best_candidate
from gmm._fitting.hierarchy import Hierarchy
from gmm._fitting.metrics import OWN_UNITS, Metric, View, views_of
from gmm._fitting.racing import short_runs
from gmm._fitting.sampling import Rng, RoughRows, kmeans_plusplus, sampled, sampled_share
from gmm._passes.e_step import CENTRED_DOUBLE, EStep
from gmm._passes.problem import Problem
from gmm._passes.results import Partition
from gmm._rows.sources import ArraySource, Source
from gmm._values.classes import ALL_UNKNOWN
from gmm._values.layouts import FULL, SPHERICAL, Array, Layout
from gmm._values.objective import Objective
from gmm._values.statistics import SufficientStatistics
from gmm._values.weights import weighed
from gmm._values.whitened import WhitenedMixture


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
        return self.moments or self.objective.model.of_starts.moments

    def problem(self, sample: ArraySource) -> Problem:
        """Return the problem of fitting a mixture of the starts' model to the sample."""
        return Problem(sample, self.objective.stored_for(self.objective.model.of_starts), self.n_threads)


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
    best = best_candidate(problem, sample, request.n_components, rng)
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
            return self._partitions(n_components, rng, first=first)

    def _partitions(self, n_components: int, rng: Rng, *, first: bool) -> list[SufficientStatistics]:
        origin, distinct = self.sample.survey.centre, list[tuple[Array, Metric]]()
        near = _NEARLY * self.sample.survey.reach(origin)
        for centres, metric in self._candidates(n_components, rng, first=first):
            centres = centres[np.lexsort(centres.T[::-1])]
            if not any((np.abs(centres - other) <= near).all() for other, _ in distinct):
                distinct.append((centres, metric))
        moments, n_threads = self.moments, self.n_threads
        return [partition(self.sample, centres + origin, metric, moments, n_threads) for centres, metric in distinct]

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
