"""`IncompletePartitions`: rows in partitions elsewhere, of which some values are missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._caching import cached_property
from gmm._kernel.first_look import Survey
from gmm._rows.incomplete import IncompleteSource
from gmm._rows.partitions import PartitionedSource
from gmm._rows.sources import ArraySource, Chunk, Fill, Pattern, Source
from gmm._rows.tasks import Opening
from gmm._values.errors import NO_ERRORS
from gmm._values.statistics import SufficientStatistics

__all__ = ["IncompletePartitions"]


class IncompletePartitions(IncompleteSource):
    """Rows in partitions elsewhere, of which some values are missing."""

    base: PartitionedSource
    filled: PartitionedSource | None
    here = False
    fill: Fill | None = None  # what fills the gaps of samples, if not the means of the columns

    @classmethod
    def of(cls, rows: Source) -> IncompletePartitions:
        """Leave out rows without a value."""
        return cls(rows)

    @cached_property
    def by_key(self) -> dict[Any, Pattern]:
        """The patterns by their keys, which increase."""
        return self.base.by_key

    @property
    def n_used(self) -> int:
        """Number of rows with a positive weight."""
        return self.base.n_rows

    @property
    def n_effective(self) -> float:
        """The effective number of rows, (Σ w)² / Σ w²."""
        return self.base.n_effective

    @property
    def fingerprint(self) -> str:
        """Digest of all rows and weights."""
        return self.base.fingerprint

    @property
    def infinite(self) -> tuple[int, int]:
        """Row and column of the first infinite value, where there is one; rows without a value count."""
        place = self.base.anew(opening=Opening(means=np.zeros(self.n_features)), gaps=False).survey.nonfinite
        assert place is not None
        return place

    @cached_property
    def without_gaps(self) -> PartitionedSource:
        """The rows with the means of the columns in their gaps."""
        if self.filled is not None:
            return self.filled
        sums, weights = np.zeros((2, self.n_features))
        for pattern in self.patterns:
            if pattern.survey is not None:
                sums[pattern.observed] += pattern.weight * pattern.survey.centre
                weights[pattern.observed] += pattern.weight
        return self.base.anew(opening=Opening(gaps=True, means=sums / np.maximum(weights, np.finfo(np.float64).tiny)))

    @property
    def survey(self) -> Survey:
        """Survey of the rows, with the means of the columns in their gaps."""
        return self.without_gaps.survey

    def subset(self, indices: NDArray[np.intp]) -> ArraySource:
        """Return the rows with these indices, their gaps filled, and their weights."""
        if self.fill is None:
            return self.without_gaps.subset(indices)
        part = self.base.subset(indices)
        return replace(part, rows=self.rows_filled(Chunk(0, part.rows, part.sample_weight), NO_ERRORS, self.fill))

    def part(self, indices: NDArray[np.intp]) -> IncompleteSource:
        """Return the rows with these indices, which increase, here, with their gaps."""
        part = self.base.subset(indices)
        return IncompleteSource(part, part.sample_weight, self.subset(indices))

    def filled_by(self, fill: Fill | None) -> IncompletePartitions:
        """Return the same rows, of which samples are filled otherwise."""
        other = replace(self, filled=None if fill is None else self.without_gaps)
        vars(other)["fill"] = fill
        return other

    def check_unchanged(self, statistics: SufficientStatistics) -> None:
        """Check the weight of the rows of a pass.

        Raises
        ------
        ValueError
            If it is not that of the first look.
        """
        weight = self.survey.weight
        if abs(statistics.weight - weight) > 1e-9 * weight:
            raise ValueError(
                f"{self.base!r} changed between two passes: their weight was {weight:.10g} and is "
                f"{statistics.weight:.10g}; expected the same rows each time"
            )
