"""Tasks that go to the rows of a partition, and how they take them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm import _em
from gmm._kernel.first_look import Survey
from gmm._rows.incomplete import IncompleteSource
from gmm._rows.sources import ArraySource, Pattern
from gmm._validation.given import check_array, check_sample_weight
from gmm._validation.rows import check_rows
from gmm._values.layouts import Array
from gmm._values.weights import in_full, weights_of


class Look(NamedTuple):
    """What the first look at a partition finds.

    Parameters
    ----------
    number : int
        Which partition.
    n_rows : int
        Rows of a positive weight; if there are none, the rest means nothing.
    n_features : int
    dtype : dtype
    names : array of str, optional
        Names of the features.
    weighted : bool
    survey : Survey, optional
        None without rows.
    largest : float
        The largest weight.
    patterns : dict
        Of rows with gaps: the patterns by their keys.
    """

    number: int
    n_rows: int
    n_features: int
    dtype: np.dtype[Any]
    names: NDArray[np.object_] | None
    weighted: bool
    survey: Survey | None
    largest: float
    patterns: dict[Any, Pattern]


@dataclass(frozen=True, eq=False)
class Opening:
    """How the rows of a partition are taken: with or without gaps, or with `means` of columns in their places."""

    gaps: bool = False
    means: NDArray[Any] | None = None

    def rows(
        self, number: int, partition: Any, dtype: np.dtype[Any] | None = None
    ) -> tuple[ArraySource, NDArray[np.object_] | None]:
        """Return the rows that have a positive weight and, if there may be gaps, a value; and names of features."""
        name = f"partition {number}"
        values, weight = partition if isinstance(partition, tuple) else (partition, None)
        floats, names = check_rows(values, estimator=name, min_rows=0)
        if weight is not None:
            try:
                weight = check_array(weight, "weights", (len(floats),)).astype(np.float64)
                if weight.any():
                    check_sample_weight(weight, len(floats))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        usable = in_full(weight, len(floats)) > 0
        if self.gaps:
            usable = usable & ~np.isnan(floats).all(axis=1)
        if not usable.all():
            floats, weight = floats[usable], weights_of(weight, usable)
        if self.means is not None:
            floats = np.where(np.isnan(floats), self.means.astype(floats.dtype), floats)
        return ArraySource(floats if dtype is None else floats.astype(dtype, copy=False), weight), names

    def __call__(self, number: int, partition: Any) -> list[Look]:
        """Look at a partition for the first time."""
        source, names = self.rows(number, partition)
        n, d = source.n_rows, source.n_features
        if not n:
            return [Look(number, n, d, source.dtype, names, False, None, 0.0, {})]
        weight, weighted = source.weights, source.sample_weight is not None
        patterns, whole = {}, source
        if self.gaps and self.means is None:
            patterns = IncompleteSource(source, source.sample_weight).by_key
            whole = replace(source, rows=np.where(np.isnan(source.rows), 0, source.rows))
        facts = number, n, d, source.dtype, names, weighted, whole.survey, float(weight.max())
        return [Look(*facts, patterns)]


@dataclass(frozen=True, eq=False)
class Expected:
    """What the partitions are at every reading: how many rows they have, of which type, and how they are taken."""

    n_rows: tuple[int, ...]
    dtype: np.dtype[Any]
    opening: Opening

    def rows(self, number: int, partition: Any) -> ArraySource:
        """Return the rows of a partition.

        Raises
        ------
        ValueError
            If there are more or fewer than before.
        """
        source, _ = self.opening.rows(number, partition, self.dtype)
        if source.n_rows != self.n_rows[number]:
            raise ValueError(
                f"partition {number} changed between two readings: {self.n_rows[number]} rows the first time, "
                f"{source.n_rows} now; expected the same rows each time"
            )
        return source


@dataclass(frozen=True)
class Pass:
    """The task that makes a pass over a partition; its sums, of which there are O(K·d²), add up."""

    plan: _em.Plan
    expected: Expected

    def __call__(self, number: int, partition: Any) -> Array | float:
        """Walk the rows of a partition, on one thread; of none, the sums are 0."""
        source = self.expected.rows(number, partition)
        n_lanes = -(-source.n_rows // self.plan.lane_rows)
        if not n_lanes:
            return 0.0
        scratch = _em.Scratch()
        self.plan.begin(scratch, source.n_rows)
        self.plan.walk(scratch, _em.RowTable(source.rows, source.sample_weight), 0, n_lanes)
        return self.plan.sums(scratch)


@dataclass(frozen=True)
class Take:
    """The task that picks rows by their numbers, which increase."""

    indices: NDArray[np.intp]
    expected: Expected

    def __call__(self, number: int, partition: Any) -> list[tuple[int, NDArray[Any], Array | None]]:
        """Return the number of the partition, and those of its rows with these indices, with their weights."""
        first = sum(self.expected.n_rows[:number])
        start, stop = np.searchsorted(self.indices, [first, first + self.expected.n_rows[number]])
        if start == stop:
            return []
        part = self.expected.rows(number, partition).subset(self.indices[start:stop] - first)
        return [(number, part.rows, part.sample_weight)]


@dataclass(frozen=True)
class Digest:
    """The task that makes a digest of a partition."""

    expected: Expected

    def __call__(self, number: int, partition: Any) -> list[tuple[int, str]]:
        """Return the number of the partition and its digest."""
        return [(number, self.expected.rows(number, partition).fingerprint)]
