"""`Source`: rows that can be read in chunks, any number of times.

`ArraySource` holds an array in memory. Any other class with the attributes of `Source` can be used in its place.
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
        Index of the first row in the source.
    rows : array of shape (m, d), float32 or float64
    sample_weight : array of shape (m,), or None
    """

    first: int
    rows: NDArray[Any]
    sample_weight: Array | None


class Source(Protocol):
    """Rows that can be read any number of times."""

    @property
    def n_rows(self) -> int:
        """Number of rows, n."""

    @property
    def n_used(self) -> int:
        """Number of rows with a positive weight."""

    @property
    def n_features(self) -> int:
        """Number of features, d."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the rows, float32 or float64, and so of results per row."""

    @property
    def single(self) -> bool:
        """Whether passes may compute in float32."""

    @property
    def sample_weight(self) -> Array | None:
        """Weights of all rows, (n,)."""

    @property
    def survey(self) -> Survey:
        """Survey of all rows, made once."""

    @property
    def fingerprint(self) -> str:
        """Digest of all rows and weights, the same for equal rows from any source."""

    @property
    def resident(self) -> ArraySource | None:
        """The same rows as one array if they are in memory, which compiled loops over many passes need."""

    def chunks(self, lane_rows: int = 1) -> Iterator[Chunk]:
        """Yield all rows in order, in chunks of whole lanes of `lane_rows` rows; the last lane may be shorter."""

    def take(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """Return the rows with these indices, which increase."""


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Rows (n, d) in memory, in any memory order, float32 or float64, with their weights (n,)."""

    rows: NDArray[Any]
    sample_weight: Array | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows, n."""
        return len(self.rows)

    @property
    def n_used(self) -> int:
        """Number of rows with a positive weight."""
        return self.n_rows if self.sample_weight is None else int(np.count_nonzero(self.sample_weight))

    @property
    def n_features(self) -> int:
        """Number of features, d."""
        return int(self.rows.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the rows."""
        return self.rows.dtype

    @property
    def single(self) -> bool:
        """Whether passes may compute in float32: the rows are float32, and their weights are in its range."""
        return self.dtype == np.float32 and self._single_weights

    @property
    def resident(self) -> ArraySource:
        """The source itself."""
        return self

    def chunks(self, lane_rows: int = 1) -> Iterator[Chunk]:
        """Yield all rows as one chunk."""
        yield Chunk(0, self.rows, self.sample_weight)

    def take(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """Return the rows with these indices."""
        return self.rows[indices]

    @cached_property
    def _single_weights(self) -> bool:
        return single_weights(self.sample_weight)

    @cached_property
    def survey(self) -> Survey:
        """Survey of all rows, made once."""
        return Survey(((0, self.rows, self.sample_weight),), self.n_features)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of all rows and weights, by which a warm start recognises them."""
        return fingerprint_of(self)


def single_weights(sample_weight: Array | None) -> bool:
    """Return whether sums with these weights stay in the range of float32."""
    return sample_weight is None or bool(1e-6 < sample_weight.max() < 1e6)


def fingerprint_of(source: Source) -> str:
    """Return a digest of the rows and weights of a source, independent of its chunks."""
    digest = hashlib.blake2b(repr(((source.n_rows, source.n_features), source.dtype.str)).encode())
    for chunk in source.chunks():
        for start in range(0, len(chunk.rows), _HASHED_AT_ONCE):
            digest.update(np.ascontiguousarray(chunk.rows[start : start + _HASHED_AT_ONCE]).data)
    if source.sample_weight is not None:
        digest.update(np.ascontiguousarray(source.sample_weight).data)
    return digest.hexdigest()
