"""Lazy frames of polars, whose query is evaluated anew for every reading, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from gmm._rows.part import Part


class LazyFramePart(Part):
    """A `polars.LazyFrame`.

    Parameters
    ----------
    frame : polars.LazyFrame

    Raises
    ------
    TypeError
        If this polars evaluates queries only as a whole.
    """

    name = "the LazyFrame"

    def __init__(self, frame: Any) -> None:
        if not hasattr(frame, "collect_batches"):
            raise TypeError("this polars has no LazyFrame.collect_batches: update it, or fit frame.collect()")
        self.schema: pa.Schema = frame.clear().collect().to_arrow().schema
        self._frame = frame

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Evaluate the query for these columns, `at_once` rows at a time."""
        for frame in self._frame.select(columns).collect_batches(chunk_size=at_once, maintain_order=True):
            yield from frame.to_arrow().to_batches()
