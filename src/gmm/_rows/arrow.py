"""Arrow: files and streams, tables in memory, queries, and whatever else gives record batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from gmm._rows.part import Part
from gmm._rows.stored_text import native_file


class ArrowPart(Part):
    """An Arrow file, Feather included, or a file that holds an Arrow stream.

    Parameters
    ----------
    name : str
        For messages.
    source : str or bytes
        The path, or the content of a file that can be read only once.

    Raises
    ------
    ValueError
        If it is no such file.
    """

    def __init__(self, name: str, source: str | bytes) -> None:
        self.name, self._source = name, source
        with native_file(source) as file:
            self.schema: pa.Schema = self._reader(file).schema

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Read the columns from the first row on, in the batches of the file."""
        with native_file(self._source) as file:
            try:
                yield from _batches(self._reader(file))
            except (pa.ArrowException, OSError) as error:
                raise ValueError(f"{self.name} is damaged: {error}") from error

    def _reader(self, file: pa.NativeFile) -> Any:
        try:
            return pa.ipc.open_file(file)
        except pa.ArrowInvalid:
            file.seek(0)
        try:
            return pa.ipc.open_stream(file)
        except pa.ArrowInvalid as error:
            raise ValueError(f"{self.name} is not an Arrow file: {error}") from error


class BatchesPart(Part):
    """An object with `schema` and `to_batches`: a table, or whatever behaves like one.

    Parameters
    ----------
    data : object
    """

    def __init__(self, data: Any) -> None:
        self.name = f"the {type(data).__name__}"
        self.schema: pa.Schema = data.schema
        self._data = data

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Begin to read anew."""
        yield from self._data.to_batches()


class ReaderPart(Part):
    """A scanner, a stream or a file that another one opened.

    Parameters
    ----------
    reader : pyarrow.dataset.Scanner, pyarrow.RecordBatchReader or pyarrow.ipc.RecordBatchFileReader

    Attributes
    ----------
    once : bool
        Whether it is a stream, which can be read only once.
    """

    def __init__(self, reader: Any) -> None:
        self.name = f"the {type(reader).__name__}"
        self.schema: pa.Schema = reader.projected_schema if hasattr(reader, "projected_schema") else reader.schema
        self.once = isinstance(reader, pa.RecordBatchReader)
        self._reader = reader

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Read from the first row on."""
        try:
            yield from _batches(self._reader)
        except (pa.ArrowException, OSError) as error:
            why = " again: give scratch=True, which keeps a copy of what can be read only once" * (
                "OneShot" in str(error)
            )
            raise ValueError(f"{self.name} cannot be read{why}: {error}") from error


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if hasattr(reader, "to_batches"):
        yield from reader.to_batches()
    elif isinstance(reader, pa.ipc.RecordBatchFileReader):
        for i in range(reader.num_record_batches):
            yield reader.get_batch(i)
    else:
        yield from reader


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


class RelationPart(Part):
    """A `duckdb.DuckDBPyRelation`.

    Parameters
    ----------
    relation : duckdb.DuckDBPyRelation
    """

    name = "the DuckDB relation"

    def __init__(self, relation: Any) -> None:
        self._relation = relation
        reader = _result_of(relation.limit(0), 1)
        self.schema: pa.Schema = reader.schema
        reader.close()

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Execute the query for these columns, `at_once` rows at a time."""
        quoted = ('"' + name.replace('"', '""') + '"' for name in columns)
        reader = _result_of(self._relation.project(", ".join(quoted)), at_once)
        try:
            yield from reader
        finally:
            reader.close()  # a connection has one open result


def _result_of(relation: Any, at_once: int) -> pa.RecordBatchReader:
    """Return the rows as DuckDB streams them; before version 1.4 by another name."""
    open_reader = relation.to_arrow_reader if hasattr(relation, "to_arrow_reader") else relation.fetch_arrow_reader
    return open_reader(at_once)
