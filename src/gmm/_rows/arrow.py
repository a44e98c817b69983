"""What pyarrow reads batch by batch: Arrow, Parquet and ORC, data sets of files, tables in memory and queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.dataset
import pyarrow.ipc
import pyarrow.orc
import pyarrow.parquet

from gmm._rows.part import FilePart, Part, native_file

_BUFFER = 1 << 16  # bytes of each column that are read at once; without a buffer, a row group is in memory twice
_USUAL: Mapping[str, int] = MappingProxyType({})


class ParquetPart(FilePart):
    """A Parquet file."""

    def __init__(self, name: str, source: str | bytes) -> None:
        super().__init__(name, source)
        with _opened(native_file(source), name) as file:
            self.schema: pa.Schema = file.schema_arrow

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Read the columns, `at_once` rows at a time, from the first row on."""
        return parquet_batches(native_file(self.source), self.name, columns, at_once)


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
    with _opened(source, name, limits) as file, _reading(name):
        yield from file.iter_batches(at_once, row_groups=row_groups, columns=list(columns), use_threads=False)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Say which file is damaged, where pyarrow finds that one is."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{name} is damaged: {error}") from error


def _opened(source: pa.NativeFile, name: str, limits: Mapping[str, int] = _USUAL) -> pa.parquet.ParquetFile:
    try:
        return pa.parquet.ParquetFile(
            source, pre_buffer=False, buffer_size=_BUFFER, page_checksum_verification=True, **limits
        )
    except pa.ArrowException as error:
        raise ValueError(f"{name} is not a complete Parquet file: {error}") from error


class ArrowPart(FilePart):
    """An Arrow file, Feather included, or a file that holds an Arrow stream."""

    def __init__(self, name: str, source: str | bytes) -> None:
        super().__init__(name, source)
        with native_file(source) as file:
            self.schema: pa.Schema = self._reader(file).schema

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Read the columns from the first row on, in the batches of the file."""
        with native_file(self.source) as file, _reading(self.name):
            yield from _batches(self._reader(file))

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


_LIMITS = ("thrift_string_size_limit", "thrift_container_size_limit")


class DatasetPart(Part):
    """A `pyarrow.dataset.Dataset`, scanned by its own options; of Parquet files, checksums of pages are verified.

    Parameters
    ----------
    data : pyarrow.dataset.Dataset
    """

    def __init__(self, data: pa.dataset.Dataset) -> None:
        self.name = f"the {type(data).__name__}"
        self.schema: pa.Schema = data.schema
        self._data = data

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Begin to read anew."""
        data, names = self._data, list(columns)
        try:
            if (fragments := _parquet_files(data, names)) is None:
                how = {"batch_readahead": 1, "fragment_readahead": 1, "use_threads": False}
                options = _verifying(getattr(data, "format", None))
                yield from data.to_batches(columns=names, batch_size=at_once, fragment_scan_options=options, **how)
                return
            for fragment in fragments:
                row_groups = [group.id for group in fragment.row_groups]
                limits = {name: getattr(fragment.format.default_fragment_scan_options, name) for name in _LIMITS}
                with fragment.open() as file:
                    yield from parquet_batches(file, fragment.path, names, at_once, row_groups, limits)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{self.name} cannot be read: {error}") from error


def _parquet_files(data: pa.dataset.Dataset, names: Sequence[str]) -> list[Any] | None:
    """Return the files of a data set if all are open Parquet and hold the columns; else, or if it is filtered, None.

    The scanner of a data set reads some hundred megabytes ahead, whatever it is told.
    """
    try:
        fragments = list(data.get_fragments())
    except ValueError:  # it is filtered
        return None
    plain = all(
        isinstance(fragment, pa.dataset.ParquetFileFragment)
        and not _is_encrypted(fragment.format.default_fragment_scan_options)
        and set(names) <= set(fragment.physical_schema.names)
        for fragment in fragments
    )
    return fragments if plain else None


def _verifying(kind: pa.dataset.FileFormat | None) -> pa.dataset.ParquetFragmentScanOptions | None:
    """Return the options by which a format is scanned, with checksums verified; None leaves them as they are."""
    if not isinstance(kind, pa.dataset.ParquetFileFormat) or _is_encrypted(kind.default_fragment_scan_options):
        return None  # a copy has no keys
    options = copy(kind.default_fragment_scan_options)
    options.page_checksum_verification = True
    return options


def _is_encrypted(options: pa.dataset.ParquetFragmentScanOptions) -> bool:
    keys = ("parquet_decryption_config", "decryption_properties")
    return any(getattr(options, name, None) is not None for name in keys)


class ORCPart(FilePart):
    """An ORC file."""

    def __init__(self, name: str, source: str | bytes) -> None:
        super().__init__(name, source)
        self.schema: pa.Schema = self._opened().schema

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Read the columns from the first row on, in the stripes of the file."""
        file = self._opened()
        present = [name for name in columns if name in file.schema.names]
        with _reading(self.name):
            for stripe in range(file.nstripes):
                yield file.read_stripe(stripe, columns=present)

    def _opened(self) -> pa.orc.ORCFile:
        file = native_file(self.source)
        try:
            return pa.orc.ORCFile(file)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{self.name} is not a complete ORC file: {error}") from error
