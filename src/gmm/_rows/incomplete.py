"""`IncompleteSource`: rows in memory of which some values are missing, grouped by the columns that they have."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._caching import cached_property
from gmm._kernel.first_look import Survey
from gmm._rows.sources import ArraySource, Chunk, Pattern, Source
from gmm._values.classes import ALL_UNKNOWN, KnownClasses
from gmm._values.layouts import Array
from gmm._values.weights import in_full, part_of

__all__ = ["IncompleteSource"]


@dataclass(frozen=True, eq=False)
class IncompleteSource(Source):
    """Rows (n, d) in memory, NaN where a value is missing. A row without a value has no weight: it says nothing.

    Passes go to the `patterns`; `chunks` and `take` have the gaps. Starts and samples, which need whole rows, get those
    of `without_gaps`, and so does `subset`.

    Parameters
    ----------
    given : array of shape (n, d), float32 or float64
    sample_weight : array of shape (n,), optional
    filled : array of shape (n, d), optional
        The rows with their gaps filled; by default, with the means of the columns.
    known : KnownClasses
    feature_names : array of str, shape (d,), optional
    """

    given: NDArray[Any]
    sample_weight: Array | None = None
    filled: NDArray[Any] | None = None
    known: KnownClasses = ALL_UNKNOWN
    feature_names: NDArray[np.object_] | None = None

    has_gaps = True

    @classmethod
    def of(cls, rows: ArraySource) -> IncompleteSource:
        """Take the weight from rows without a value."""
        given, weight = np.ascontiguousarray(rows.rows), rows.sample_weight
        empty = np.isnan(given).all(axis=1)
        if empty.any():
            weight = np.where(empty, 0.0, in_full(weight, len(given)))
        return cls(given, weight, feature_names=rows.feature_names)

    @property
    def n_rows(self) -> int:
        """Number of rows, n."""
        return len(self.given)

    @property
    def n_features(self) -> int:
        """Number of features, d."""
        return int(self.given.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the rows."""
        return self.given.dtype

    @cached_property
    def patterns(self) -> list[Pattern]:
        """The rows by the columns that they have."""
        absent, weight, d = np.isnan(self.given), self.sample_weight, self.n_features
        codes = np.zeros(self.n_rows, np.uint64)
        for first in range(0, d, 32):  # a number for each pattern of 32 columns more
            bits = np.uint64(1) << np.arange(min(32, d - first), dtype=np.uint64)
            _, which = np.unique((codes << np.uint64(32)) + absent[:, first : first + 32] @ bits, return_inverse=True)
            codes = which.astype(np.uint64)
        order = np.argsort(codes, kind="stable")
        patterns = []
        for indices in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
            missing = absent[indices[0]]
            observed = np.flatnonzero(~missing)
            rows = self.given[indices] if len(observed) == d else self.given[np.ix_(indices, observed)]
            part = ArraySource(np.ascontiguousarray(rows), part_of(weight, indices))
            patterns.append(Pattern(observed, missing, indices, part))
        return patterns

    def with_known(self, known: KnownClasses) -> IncompleteSource:
        """Return the same rows with other classes."""
        other = super().with_known(known)
        if other is not self:
            vars(other).pop("without_gaps", None)
        return other

    @property
    def unfilled(self) -> bool:  # type: ignore[override]
        """Whether gaps are filled by the means of the columns alone."""
        return self.filled is None

    def through(self, function: Callable[[NDArray[Any]], NDArray[Any]]) -> IncompleteSource:
        """Return rows that a function makes of these, gaps at the same places."""
        filled = None if self.filled is None else function(self.filled)
        return replace(self, given=function(self.given), filled=filled)

    @property
    def as_given(self) -> ArraySource:
        """The rows as one array, NaN where a value is missing."""
        return ArraySource(self.given, self.sample_weight)

    def filled_with(self, rows: NDArray[Any]) -> IncompleteSource:
        """Return the same rows, with others in the place of `filled`."""
        other = replace(self, filled=rows)
        vars(other).update({name: getattr(self, name) for name in ("patterns", "survey", "_with_means")})
        return other

    @property
    def informative(self) -> IncompleteSource:
        """The rows of weight above 0, so that others, among which sums are rounded otherwise, change no bit."""
        if self.sample_weight is None or self.n_used == self.n_rows:
            return self
        there = self.sample_weight > 0
        weight = None if (self.sample_weight[there] == 1).all() else self.sample_weight[there]
        return IncompleteSource(self.given[there], weight, None if self.filled is None else self.filled[there])

    @cached_property
    def without_gaps(self) -> ArraySource:
        """The rows with their gaps filled."""
        return ArraySource(self._with_means if self.filled is None else self.filled, self.sample_weight, self.known)

    @cached_property
    def survey(self) -> Survey:
        """Survey of the rows, with the means of the columns in their gaps: it says where the given values lie."""
        return Survey([(0, self._with_means, self.sample_weight)], self.n_features)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the rows, gaps among them, and their weights."""
        return hashlib.blake2b(ArraySource(self.given, self.sample_weight).fingerprint.encode()).hexdigest()

    def chunks(self, lane_rows: int = 1) -> Iterator[Chunk]:
        """Yield the rows as one chunk, NaN where a value is missing."""
        yield Chunk(0, self.given, self.sample_weight)

    def take(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """Return the rows with these indices, NaN where a value is missing."""
        return self.given[indices]

    def subset(self, indices: NDArray[np.intp]) -> ArraySource:
        """Return the rows with these indices, their gaps filled, and their weights."""
        return self.without_gaps.subset(indices)

    @cached_property
    def _with_means(self) -> NDArray[Any]:
        absent = np.isnan(self.given)
        used = ~absent & (self.weights > 0)[:, None]
        # About a value of each column, so that columns far from zero keep their digits; about 0 without values.
        about = np.nan_to_num(self.given[used.argmax(axis=0), np.arange(self.n_features)].astype(np.float64))
        with np.errstate(over="ignore"):
            means = about + np.where(used, self.given - about, 0.0).sum(axis=0) / np.maximum(used.sum(axis=0), 1)
        return np.where(absent, means.astype(self.dtype), self.given)
