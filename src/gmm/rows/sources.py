"""Where rows come from; nothing here knows of mixtures.

Which source fits the data that validation let through is asked here and nowhere else (`as_source`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm import _em
from gmm.values.layouts import Array

_HASHED_AT_ONCE = 1 << 16  # rows


@dataclass(frozen=True, eq=False)
class Survey:
    """What the first look at the rows told.

    Parameters
    ----------
    nonfinite : tuple of int or None
        Row and column of the first value that is not finite; the rest is of no use then.
    weight : float
        Σ w.
    centre, low, high : array of shape (d,)
        The weighted mean, and each feature's least and greatest value.
    """

    nonfinite: tuple[int, int] | None
    weight: float
    centre: Array
    low: Array
    high: Array

    def reach(self, origin: Array) -> Array:
        """Each feature's greatest distance from `origin`, (d,)."""
        return _em.reach(self.low, self.high, origin)


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
        """The type of the rows, and so of results about them."""
        return self.rows.dtype

    @property
    def single(self) -> bool:
        """Whether float32 may do for the arithmetic: the rows are float32, and it can hold their weights."""
        return self.dtype == np.float32 and self._single_weights

    def part(self, start: int, end: int) -> ArraySource:
        """The rows from `start` to before `end`."""
        weight = self.sample_weight
        return ArraySource(self.rows[start:end], None if weight is None else weight[start:end])

    @cached_property
    def _single_weights(self) -> bool:
        return self.sample_weight is None or bool(1e-6 < self.sample_weight.max() < 1e6)

    @cached_property
    def survey(self) -> Survey:
        """The first look, taken once."""
        row, column, weight, centre, low, high = _em.survey(self.rows, self.sample_weight)
        return Survey((row, column) if row >= 0 else None, weight, centre, low, high)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of all rows and weights, by which a climb knows them again."""
        digest = hashlib.blake2b(repr((self.rows.shape, self.dtype.str)).encode())
        for start in range(0, self.n_rows, _HASHED_AT_ONCE):
            digest.update(np.ascontiguousarray(self.rows[start : start + _HASHED_AT_ONCE]).data)
        if self.sample_weight is not None:
            digest.update(np.ascontiguousarray(self.sample_weight).data)
        return digest.hexdigest()


def as_source(data: Any, sample_weight: Array | None = None) -> ArraySource:
    """`data` as a source: an array of float32 or float64 today."""
    return ArraySource(data, sample_weight)
