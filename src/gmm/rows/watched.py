"""`WatchedSource`: a source whose readings are followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._kernel.first_look import Survey
from gmm.rows.partitions import PartitionedSource
from gmm.rows.sources import Chunk, Source

__all__ = ["WatchedSource", "followed"]


@dataclass(frozen=True, eq=False)
class WatchedSource(Source):
    """The rows of another source.

    Parameters
    ----------
    watched : Source
        Not in memory.
    seen : callable
        Called with the number of rows that a reading has served, and the seconds since it began, after each chunk.
    """

    watched: Source
    seen: Callable[[int, float], object]

    def __post_init__(self) -> None:
        for name in ("sample_weight", "feature_names", "reads_ahead"):
            vars(self)[name] = getattr(self.watched, name)

    @property
    def n_rows(self) -> int:
        """Number of rows, n."""
        return self.watched.n_rows

    @property
    def n_features(self) -> int:
        """Number of features, d."""
        return self.watched.n_features

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the rows."""
        return self.watched.dtype

    @cached_property
    def survey(self) -> Survey:
        """Survey of all rows."""
        return self.watched.survey

    def chunks(self, lane_rows: int = 1) -> Iterator[Chunk]:
        """Yield the chunks of the other source."""
        began = perf_counter()
        for chunk in self.watched.chunks(lane_rows):
            yield chunk
            self.seen(chunk.first + len(chunk.rows), perf_counter() - began)

    def take(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """Return rows of the other source."""
        return self.watched.take(indices)


def followed(source: Source, seen: Callable[[int, float], object]) -> Source:
    """Return a source as one whose readings are followed, if it is read here and not in memory."""
    unread = source.without_gaps is not None or isinstance(source, PartitionedSource)
    return source if unread else WatchedSource(source, seen)
