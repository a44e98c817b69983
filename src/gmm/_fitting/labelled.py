"""Starts beside labels: components of a class begin at its rows, the others at rows of unknown class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gmm._fitting.metrics import View, views_of
from gmm._fitting.racing import best_of, short_runs
from gmm._fitting.sampling import Rng, kmeans_plusplus, sample_size, sampled
from gmm._fitting.starts import STARTS, StartRequest, from_means, from_responsibilities, lloyd, partition
from gmm._kernel.first_look import distinct_rows
from gmm._passes.problem import Problem
from gmm._rows.sources import ArraySource, Source
from gmm._values.classes import ALL_UNKNOWN, KnownClasses
from gmm._values.layouts import Array, Layout
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics

_PASSES = 20  # of EM on the sample, from each candidate
_LLOYD_PASSES = 5
_TRIES = 3  # in each metric, where seeds are drawn


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
    sample, moments = _sampled(problem.rows, rng), problem.objective.model.of_starts.moments
    classes, on_sample = sample.known, replace(problem, rows=sample)
    labelled = classes.codes > 0
    starts = [] if classes.n_free else [_partitioned(on_sample, labelled, _views(sample, moments)[0], rng, 0)]
    is_random = len(classes.owners) > classes.owners.max() + 1
    if is_random or not labelled.all():
        everything = np.ones(sample.n_rows, dtype=bool)
        views = _views(sample, moments) * (_TRIES if is_random else 1)
        starts += [_partitioned(on_sample, everything, view, rng, _LLOYD_PASSES) for view in views]
    results = short_runs(on_sample, starts, _PASSES)
    best = results[best_of(on_sample, results)]
    if best is not None:
        return best.parameters
    with on_sample.e_step() as e_step:
        return on_sample.beginning(e_step, starts[0]).parameters


def start_within_classes(problem: Problem, method: str, rng: Rng) -> SufficientStatistics:
    """Return the statistics of a start in `STARTS`, made for each class and for the rows of unknown class.

    Each row then belongs to the nearest mean of its class or, from the start "random", to components by chance.

    Parameters
    ----------
    problem : Problem
        With rows of known classes.
    method : str
    rng : Rng
    """
    sample = _sampled(problem.rows, rng)
    classes, moments, n_threads = sample.known, problem.objective.model.moments, problem.n_threads
    if method == "random":
        shares = np.exp(classes.allowed).T[classes.codes] * rng.uniform(size=(sample.n_rows, len(classes.owners)))
        return from_responsibilities(sample, shares / shares.sum(axis=1, keepdims=True), moments, n_threads=n_threads)
    means = []
    for owner in dict.fromkeys(classes.owners.tolist()):
        of_class, n = np.flatnonzero(classes.codes == owner + 1), int((classes.owners == owner).sum())
        request = StartRequest(n, problem.objective.of_components, n_threads)
        means.append(STARTS[method](sample.subset(of_class).with_classes(ALL_UNKNOWN), request, rng).means)
    return from_means(sample, np.concatenate(means), moments, n_threads=n_threads)


def sampled_problem(problem: Problem, n_components: int, sample: ArraySource | None = None) -> Problem:
    """Return a problem on a sample of its rows, the same for every seed: a refinement is a function of the rows."""
    rng = np.random.default_rng(0)
    if problem.rows.known:
        return replace(problem, rows=_sampled(problem.rows, rng))
    return replace(problem, rows=sample or sampled(problem.rows, n_components, rng))


def _sampled(source: Source, rng: Rng) -> ArraySource:
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
    return ArraySource(np.ascontiguousarray(merged[:, :-1]), weight, replace(classes, codes=codes))


def _views(sample: ArraySource, moments: Layout) -> tuple[View, View, View]:
    """Return the sample in three metrics, the last that of the labelled rows about their classes' means."""
    classes = sample.known
    labelled = classes.codes > 0
    codes, part = classes.codes[labelled] - 1, sample.subset(np.flatnonzero(labelled))
    rows, mass = part.rows, part.weights
    sums = np.zeros((codes.max() + 1, sample.n_features))
    np.add.at(sums, codes, rows * mass[:, None])
    within = ArraySource(rows - (sums / np.bincount(codes, mass)[:, None])[codes], part.sample_weight)
    return *views_of(sample, moments), views_of(sample, moments, deviations=within)[1]


def _partitioned(
    problem: Problem, mask: NDArray[np.bool_], view: View, rng: Rng, n_passes: int
) -> SufficientStatistics:
    """Return the statistics of assigning the rows of a mask to the nearest centre that they may belong to."""
    sample, moments = problem.rows.resident, problem.objective.model.moments
    assert sample is not None  # it is a sample
    centres = view.in_own_units(_centres(view.rows, sample.known, rng)) + sample.survey.centre
    rows = sample.subset(np.flatnonzero(mask)).with_classes(sample.known.of_rows(mask))
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
