"""Parquet files, read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet

from gmm._rows.part import Part
from gmm._rows.stored_text import native_file

_BUFFER = 1 << 16  # bytes of each column that are read at once; without a buffer, a row group is in memory twice
_USUAL: Mapping[str, int] = MappingProxyType({})


class ParquetPart(Part):
    """A Parquet file.

    Parameters
    ----------
    name : str
        For messages.
    source : str or bytes
        The path, or the content of a file that can be read only once.

    Raises
    ------
    ValueError
        If it is not a Parquet file.
    """

    def __init__(self, name: str, source: str | bytes) -> None:
        self.name, self._source = name, source
        with _opened(native_file(source), name) as file:
            self.schema: pa.Schema = file.schema_arrow

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Read the columns, `at_once` rows at a time, from the first row on."""
        return parquet_batches(native_file(self._source), self.name, columns, at_once)


def parquet_batches(
    source: pa.NativeFile,
    name: str,
    columns: Sequence[str],
    at_once: int,
    row_groups: Sequence[int] | None = None,
    limits: Mapping[str, int] = _USUAL,
) -> Iterator[pa.RecordBatch]:
    """Yield columns of a Parquet file, `at_once` rows at a time; `name` is for messages, no `row_groups` are all.

    Checksums of its pages are verified, if it has any. `limits` are those of `pyarrow.parquet.ParquetFile`.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    with _opened(source, name, limits) as file:
        try:
            yield from file.iter_batches(at_once, row_groups=row_groups, columns=list(columns), use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{name} is damaged: {error}") from error


def _opened(source: pa.NativeFile, name: str, limits: Mapping[str, int] = _USUAL) -> pa.parquet.ParquetFile:
    try:
        return pa.parquet.ParquetFile(
            source, pre_buffer=False, buffer_size=_BUFFER, page_checksum_verification=True, **limits
        )
    except pa.ArrowException as error:
        raise ValueError(f"{name} is not a complete Parquet file: {error}") from error
