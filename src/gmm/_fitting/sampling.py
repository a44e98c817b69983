"""Samples of the rows, for work that does not need all of them, rows to seed k-means with, and seeds of starts."""

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

Rng = np.random.RandomState | np.random.Generator

LARGEST_SHARE = 0.5  # of the rows: a larger sample saves too little
_ROWS_PER_COMPONENT = 1000
_FEWEST_ROWS = 10_000


def sample_size(n_components: int) -> int:
    """Return how many rows `sampled` takes."""
    return max(_FEWEST_ROWS, _ROWS_PER_COMPONENT * n_components)


def sampled_share(source: Source, n_components: int) -> float:
    """Return the share of the rows that `sampled` takes."""
    return min(1.0, sample_size(n_components) / source.n_rows)


def sampled(source: Source, n_components: int, rng: Rng, *, size: int | None = None) -> ArraySource:
    """Return a random subset of many rows, or all of few rows as a weighted set: equal rows merged, and sorted."""
    size = size or sample_size(n_components)
    part = source.resident if size >= source.n_rows == source.n_used else None
    if part is None:
        part = source.subset(sample_indices(source, size, rng))
    rows, weight = np.ascontiguousarray(part.rows, dtype=np.float64), part.sample_weight
    return ArraySource(rows, weight) if source.n_used > size else ArraySource(*distinct_rows(rows, weight))


def sample_indices(source: Source, size: int, rng: Rng) -> NDArray[np.intp]:
    """Return the indices of at most `size` rows of weight above 0, chosen at random, in rising order."""
    n_used = source.n_used
    indices = np.sort(rng.choice(n_used, size, replace=False)) if n_used > size else np.arange(n_used)
    return indices if n_used == source.n_rows else np.flatnonzero(source.weights)[indices]


class _KeptSequence(ISeedSequence):
    """The sequence of a seed, which is computed once: that takes longer than the first draws of a small fit."""

    def __init__(self, seed: int) -> None:
        self._words = cache(np.random.SeedSequence(seed).generate_state)

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[Any]:
        """Return what a generator begins with."""
        return self._words(n_words, dtype)


_sequence_of = lru_cache(_KeptSequence)  # as the seeds of starts repeat from fit to fit


def generator(seed: int) -> np.random.Generator:
    """Return ``numpy.random.default_rng(seed)``."""
    sequence: Any = _sequence_of(seed)  # of which stubs do not know that this takes one
    return np.random.default_rng(sequence)


def kmeans_plusplus(rows: Array, weight: Array, n_components: int, rng: Rng) -> Array:
    """Choose seeds (K, d) by D² sampling (Arthur & Vassilvitskii 2007)."""
    uniforms = seeding_uniforms(1, n_components, rng)[0]
    return rows[_em.kmeans_seeds(np.ascontiguousarray(rows), weight, uniforms, n_components)]


def seeding_uniforms(n_sets: int, n_components: int, rng: Rng) -> Array:
    """Return the random numbers, a row for each set, by which seeds are drawn: each is the best of some draws."""
    return rng.random((n_sets, 1 + (n_components - 1) * (2 + int(math.log(n_components)))))


def start_seeds(random_state: int | Rng | None, n_init: int) -> tuple[int, ...]:
    """Return the seeds of `n_init` starts; a generator, or numpy's global one for None, advances by a draw for each."""
    if is_whole(random_state):
        return _seeds_of(int(random_state), n_init)
    rng = check_random_state(random_state)
    if isinstance(rng, np.random.Generator):
        return tuple(int(rng.integers(2**63)) for _ in range(n_init))
    return tuple(int(rng.randint(2**31)) for _ in range(n_init))


def common_seed(random_state: int | Rng | None) -> int:
    """Return one seed for all fits of a comparison: an int itself; a generator advances by a draw."""
    if is_whole(random_state):
        return int(random_state)
    rng = check_random_state(random_state)
    draw = rng.integers if isinstance(rng, np.random.Generator) else rng.randint
    return int(draw(2**31))


@lru_cache
def _seeds_of(number: int, n_init: int) -> tuple[int, ...]:
    # Seeding a RandomState takes longer than everything else that a small fit does before its first pass.
    return start_seeds(check_random_state(number), n_init)
