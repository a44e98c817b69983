"""Parquet files, read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet

__all__ = ["ParquetPart"]

_BUFFER = 1 << 16  # bytes of each column that are read at once; without a buffer, a row group is in memory twice


class ParquetPart:
    """A Parquet file.

    Parameters
    ----------
    path : str

    Raises
    ------
    ValueError
        If it is not a Parquet file.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        with self._opened() as file:
            self.schema: pa.Schema = file.schema_arrow

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Read the columns, `at_once` rows at a time, from the first row on."""
        with self._opened() as file:
            try:
                yield from file.iter_batches(batch_size=at_once, columns=list(columns), use_threads=False)
            except (pa.ArrowException, OSError) as error:
                raise ValueError(f"{self.name} is damaged: {error}") from error

    def _opened(self) -> pa.parquet.ParquetFile:
        try:
            return pa.parquet.ParquetFile(self.name, pre_buffer=False, buffer_size=_BUFFER)
        except pa.ArrowException as error:
            raise ValueError(f"{self.name} is not a whole Parquet file: {error}") from error
