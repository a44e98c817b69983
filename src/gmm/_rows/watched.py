"""`WatchedSource`: a source whose readings are followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter

from gmm._rows.sources import Chunk, SameRows, Source


class WatchedSource(SameRows):
    """The rows of another source.

    Parameters
    ----------
    watched : Source
        Not in memory.
    on_reading : callable
        Called with the number of rows that a reading has served, and the seconds since it began, after each chunk.
    """

    def __init__(self, watched: Source, on_reading: Callable[[int, float], object]) -> None:
        super().__init__(watched)
        self._on_reading = on_reading

    def chunks(self, lane_rows: int = 1) -> Iterator[Chunk]:
        """Yield the chunks of the other source."""
        began = perf_counter()
        for chunk in self.base.chunks(lane_rows):
            yield chunk
            self._on_reading(chunk.first + len(chunk.rows), perf_counter() - began)


def followed(source: Source, on_reading: Callable[[int, float], object]) -> Source:
    """Return a source as one whose readings are followed, if it is read here and not in memory."""
    if not source.here or source.without_gaps.resident is not None:
        return source
    return source.read_by(WatchedSource(source.read, on_reading))
