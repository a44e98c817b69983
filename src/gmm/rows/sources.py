"""Where rows come from: a source serves them in pieces, as often as passes ask; nothing here knows of mixtures.

An array is one source. Another is a class with the attributes of `Source`, which `gmm.rows.entrance` lets through.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gmm._kernel.first_look import Survey
from gmm.values.layouts import Array

_HASHED_AT_ONCE = 1 << 16  # rows


class Chunk(NamedTuple):
    """Consecutive rows of a source.

    Parameters
    ----------
    first : int
        The number of the first row in the source.
    rows : array of shape (m, d), float32 or float64
    sample_weight : array of shape (m,), or None
    """

    first: int
    rows: NDArray[Any]
    sample_weight: Array | None


class Source(Protocol):
    """Rows that can be passed over again and again."""

    @property
    def n_rows(self) -> int:
        """All rows."""

    @property
    def n_used(self) -> int:
        """How many rows have a weight above 0."""

    @property
    def n_features(self) -> int:
        """D."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the rows, float32 or float64, and so of results about them."""

    @property
    def single(self) -> bool:
        """Whether float32 may do for the arithmetic."""

    @property
    def sample_weight(self) -> Array | None:
        """The weights of all rows, (n,)."""

    @property
    def survey(self) -> Survey:
        """The first look, taken once."""

    @property
    def fingerprint(self) -> str:
        """A digest of all rows and weights; the same for the same rows from every source."""

    @property
    def resident(self) -> ArraySource | None:
        """The same rows as one array, where they are in memory: loops that make many passes by themselves need that."""

    def chunks(self, lane_rows: int = 1) -> Iterator[Chunk]:
        """All rows in their order, in chunks of whole lanes of `lane_rows` rows; only the last lane may be shorter."""

    def take(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """The rows of these numbers, which rise."""


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Rows (n, d) in memory, in any memory order, float32 or float64, with their weights (n,)."""

    rows: NDArray[Any]
    sample_weight: Array | None = None

    @property
    def n_rows(self) -> int:
        """N."""
        return len(self.rows)

    @property
    def n_used(self) -> int:
        """How many rows have a weight above 0."""
        return self.n_rows if self.sample_weight is None else int(np.count_nonzero(self.sample_weight))

    @property
    def n_features(self) -> int:
        """D."""
        return int(self.rows.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the rows."""
        return self.rows.dtype

    @property
    def single(self) -> bool:
        """Whether float32 may do for the arithmetic: the rows are float32, and it can hold their weights."""
        return self.dtype == np.float32 and self._single_weights

    @property
    def resident(self) -> ArraySource:
        """Itself."""
        return self

    def chunks(self, lane_rows: int = 1) -> Iterator[Chunk]:
        """All rows as one chunk."""
        yield Chunk(0, self.rows, self.sample_weight)

    def take(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """The rows of these numbers."""
        return self.rows[indices]

    @cached_property
    def _single_weights(self) -> bool:
        return single_weights(self.sample_weight)

    @cached_property
    def survey(self) -> Survey:
        """The first look, taken once."""
        return Survey(((0, self.rows, self.sample_weight),), self.n_features)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of all rows and weights, by which a fit knows them again."""
        return fingerprint_of(self)


def single_weights(sample_weight: Array | None) -> bool:
    """Whether float32 can hold the weights beside those of the moments."""
    return sample_weight is None or bool(1e-6 < sample_weight.max() < 1e6)


def fingerprint_of(source: Source) -> str:
    """A digest of all rows of a source and of their weights, whatever chunks it serves them in."""
    digest = hashlib.blake2b(repr(((source.n_rows, source.n_features), source.dtype.str)).encode())
    for chunk in source.chunks():
        for start in range(0, len(chunk.rows), _HASHED_AT_ONCE):
            digest.update(np.ascontiguousarray(chunk.rows[start : start + _HASHED_AT_ONCE]).data)
    if source.sample_weight is not None:
        digest.update(np.ascontiguousarray(source.sample_weight).data)
    return digest.hexdigest()
