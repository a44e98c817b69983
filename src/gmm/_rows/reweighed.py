"""`ReweighedSource`: the rows of another source with other weights."""

from __future__ import annotations

from collections.abc import Iterator

from gmm._caching import cached_property
from gmm._kernel.first_look import Survey
from gmm._rows.sources import Chunk, SameRows, Source
from gmm._values.layouts import Array
from gmm._values.weights import weights_of


class ReweighedSource(SameRows):
    """The rows of another source, with weights (n,) in memory."""

    def __init__(self, source: Source, weight: Array) -> None:
        super().__init__(source)
        self.sample_weight = weight

    @cached_property
    def survey(self) -> Survey:
        """Survey of all rows with these weights, made once."""
        return Survey(self.chunks(), self.n_features)

    def chunks(self, lane_rows: int = 1) -> Iterator[Chunk]:
        """Yield the chunks of the other source with their new weights."""
        for first, rows, _ in self.base.chunks(lane_rows):
            yield Chunk(first, rows, weights_of(self.sample_weight, slice(first, first + len(rows))))


def reweighed(source: Source, weight: Array) -> Source:
    """Return rows, without gaps and read here, with other weights (n,)."""
    if source.resident is not None:
        return source.resident.anew(sample_weight=weight, known=source.known)
    return ReweighedSource(source, weight)
