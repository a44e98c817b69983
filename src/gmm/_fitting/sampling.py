"""Samples of the rows, the centres that initialise k-means, and the seeds of random starts."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

from gmm import _em
from gmm._kernel.mstep import distinct_rows
from gmm._rows.sources import ArraySource, Source
from gmm._validation.parameters import check_random_state
from gmm._validation.scalars import is_whole
from gmm._values.layouts import Array
from gmm._values.row_data import NO_ERRORS, KnownClasses, RowErrors

Rng = np.random.RandomState | np.random.Generator

LARGEST_SHARE = 0.5  # of the rows: a larger sample saves too little
_ROWS_PER_COMPONENT = 1000
_FEWEST_ROWS = 10_000


def sample_size(n_components: int) -> int:
    """Return how many rows `draw_sample` draws."""
    return max(_FEWEST_ROWS, _ROWS_PER_COMPONENT * n_components)


def draw_sample(source: Source, n_components: int, rng: Rng, *, size: int | None = None) -> Source:
    """Return a random subset of many rows, or all of few as a weighted set: equal rows merged, and sorted.

    Missing values, errors and classes stay with their rows. Each class has some rows, as have those of unknown class.
    """
    size = size or sample_size(n_components)
    is_plain = not (source.patterns or source.known)
    if is_plain and isinstance(source, ArraySource) and size >= source.n_rows == source.survey.n_used:
        few = source.n_rows <= _FEWEST_ROWS  # a search or further starts merge them again
        return source.distinct if few else source.merged()
    indices = _sample_classes(source, size, rng) if source.known else sample_indices(source, size, rng)
    part = source.select_rows(indices)
    if not is_plain:
        return _weighted_set(part.with_changes(known=source.known.for_rows(indices)))
    if source.survey.n_used <= size:
        return part.merged()
    return ArraySource(np.ascontiguousarray(part.rows, dtype=np.float64), part.sample_weight)


def sample_indices(source: Source, size: int, rng: Rng) -> NDArray[np.intp]:
    """Return the indices of at most `size` rows of weight above 0, chosen at random, in rising order."""
    n_used = source.survey.n_used
    indices = np.sort(rng.choice(n_used, size, replace=False)) if n_used > size else np.arange(n_used)
    return indices if n_used == source.n_rows else np.flatnonzero(source.weights)[indices]


def sample_by_weight(rows: ArraySource, size: int, rng: Rng) -> ArraySource:
    """Return at most `size` rows in random order, drawn in proportion to their weights, without replacement.

    A row of more than its share is always drawn, with its weight, and the others have equal weights (Horvitz & Thompson
    1952): the sample has as many rows, whatever their weights.
    """
    order, weight = rng.permutation(rows.n_rows), rows.sample_weight
    if weight is None or size >= rows.n_rows or weight.min() == weight.max():
        return rows.select_rows(order[:size])
    weight = weight[order] / weight.max()
    falling = np.sort(weight)[::-1]
    limits = np.cumsum(falling[::-1])[: -size - 1 : -1] / np.arange(size, 0, -1)
    limit = limits[np.argmax(falling[:size] <= limits)]
    reached = np.floor(np.cumsum(np.minimum(weight / limit, 1)) + rng.random())
    chosen = np.diff(reached, prepend=0.0) > 0
    return ArraySource(rows.rows[order[chosen]], np.maximum(weight[chosen], limit))


def _sample_classes(source: Source, size: int, rng: Rng) -> NDArray[np.intp]:
    """Return the indices of at most `size` rows of unknown class, and of a share of that for each class."""
    classes, has_weight, chosen = source.known, source.weights > 0, []
    n_classes = classes.owners.max() + 1
    for code in range(n_classes + 1):
        rows = np.flatnonzero(has_weight & (classes.codes == code))
        at_most = size if code == 0 else max(_ROWS_PER_COMPONENT, size // n_classes)
        chosen.append(rng.choice(rows, at_most, replace=False) if len(rows) > at_most else rows)
    return np.sort(np.concatenate(chosen))


def _weighted_set(rows: Source) -> Source:
    """Return rows in memory, sorted; equal rows of one class and with the same error are merged."""
    d, errors = rows.n_features, rows.errors
    values = rows.take(np.arange(rows.n_rows)).astype(np.float64)
    keys = [np.where(np.isnan(values), np.inf, values)]  # rows are finite
    if rows.known:
        keys.append(rows.known.codes[:, None].astype(np.float64))
    if errors:  # in the order of their values
        sizes, ranks = np.unique(errors.covariances.reshape(len(errors.covariances), -1), axis=0, return_inverse=True)
        errors = RowErrors(ranks.ravel()[errors.codes], sizes.reshape(-1, *errors.covariances.shape[1:]))
        keys.append(errors.codes[:, None].astype(np.float64))
    merged, weight = distinct_rows(np.ascontiguousarray(np.hstack(keys)), rows.weights)
    values = np.ascontiguousarray(merged[:, :d])
    result: Source = ArraySource(np.where(np.isinf(values), np.nan, values), weight)
    if not isinstance(rows, ArraySource):
        from gmm._rows.incomplete import IncompleteSource

        row_errors = RowErrors(merged[:, -1].astype(np.intp), errors.covariances) if errors else NO_ERRORS
        result = IncompleteSource(result, row_errors)
    if rows.known:
        result = result.with_changes(known=KnownClasses(merged[:, d].astype(np.intc), rows.known.owners))
    return result


@ISeedSequence.register
class _KeptSequence:
    """The sequence of a seed, computed once: that takes longer than the first draws of a small fit."""

    def __init__(self, seed: int) -> None:
        self.generate_state = cache(np.random.SeedSequence(seed).generate_state)


_sequence_of: Any = lru_cache(_KeptSequence)  # as the seeds of starts repeat from fit to fit


def generator(seed: int) -> np.random.Generator:
    """Return ``numpy.random.default_rng(seed)``."""
    return np.random.default_rng(_sequence_of(seed))  # stubs do not know that it accepts one


def kmeans_plusplus(rows: Array, weight: Array, n_components: int, rng: Rng) -> Array:
    """Choose seeds (K, d) by D² sampling (Arthur & Vassilvitskii 2007)."""
    uniforms = seeding_uniforms(1, n_components, rng)[0]
    return rows[_em.kmeans_seeds(np.ascontiguousarray(rows), weight, uniforms, n_components)]


def seeding_uniforms(n_sets: int, n_components: int, rng: Rng) -> Array:
    """Return random numbers for the draws of k-means++, a row for each set: each centre is the best of some draws."""
    return rng.random((n_sets, 1 + (n_components - 1) * (2 + int(math.log(n_components)))))


def start_seeds(random_state: int | Rng | None, n_init: int) -> tuple[int, ...]:
    """Return the seeds of `n_init` starts; a generator, or numpy's global one for None, draws each of them."""
    if is_whole(random_state):
        return _seeds_of(int(random_state), n_init)
    rng = check_random_state(random_state)
    if isinstance(rng, np.random.Generator):
        return tuple(int(rng.integers(2**63)) for _ in range(n_init))
    return tuple(int(rng.randint(2**31)) for _ in range(n_init))


def common_seed(random_state: int | Rng | None) -> int:
    """Return one seed for all fits of a comparison: an int as it is; a generator draws it."""
    if is_whole(random_state):
        return int(random_state)
    rng = check_random_state(random_state)
    draw = rng.integers if isinstance(rng, np.random.Generator) else rng.randint
    return int(draw(2**31))


@lru_cache
def _seeds_of(number: int, n_init: int) -> tuple[int, ...]:
    # Seeding a RandomState takes longer than everything else that a small fit does before its first pass.
    return start_seeds(check_random_state(number), n_init)
