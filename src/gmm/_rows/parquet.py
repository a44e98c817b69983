"""Parquet files, read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet

from gmm._rows.part import Part

__all__ = ["ParquetPart", "parquet_batches"]

_BUFFER = 1 << 16  # bytes of each column that are read at once; without a buffer, a row group is in memory twice
_USUAL: Mapping[str, int] = MappingProxyType({})


class ParquetPart(Part):
    """A Parquet file.

    Parameters
    ----------
    path : str
    content : bytes, optional
        The content of a file that can be read only once.

    Raises
    ------
    ValueError
        If it is not a Parquet file.
    """

    def __init__(self, path: str, content: bytes | None = None) -> None:
        self.name, self._content = path, content
        with _opened(self._source, path) as file:
            self.schema: pa.Schema = file.schema_arrow

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Read the columns, `at_once` rows at a time, from the first row on."""
        return parquet_batches(self._source, self.name, columns, at_once)

    @property
    def _source(self) -> str | pa.NativeFile:
        return self.name if self._content is None else pa.BufferReader(self._content)


def parquet_batches(
    source: str | pa.NativeFile,
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


def _opened(source: str | pa.NativeFile, name: str, limits: Mapping[str, int] = _USUAL) -> pa.parquet.ParquetFile:
    try:
        return pa.parquet.ParquetFile(
            source, pre_buffer=False, buffer_size=_BUFFER, page_checksum_verification=True, **limits
        )
    except pa.ArrowException as error:
        raise ValueError(f"{name} is not a complete Parquet file: {error}") from error
