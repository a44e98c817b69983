"""Tables that pyarrow reads batch by batch: files except text, data sets of files, tables in memory and queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.ipc
import pyarrow.orc
import pyarrow.parquet
from numpy.typing import NDArray

from gmm._rows.blocks import NpySource, npy_array
from gmm._rows.tables import Batches, Columns, Part, native_file

_BUFFER = 1 << 16  # bytes of each column that are read at once; without a buffer, a row group is in memory twice
_FAULTS = (pa.ArrowException, OSError)


@contextmanager
def _worded(what: str, kinds: tuple[type[Exception], ...] = _FAULTS) -> Iterator[None]:
    """Name the damaged or unreadable file in errors of pyarrow."""
    try:
        yield
    except kinds as error:
        raise ValueError(f"{what}: {error}") from error


_Open = Callable[[str, pa.NativeFile], Any]  # a file, whose name is for messages


def _file_part(open_file: _Open, schema: str, read: Callable[..., Batches], name: str, source: str | bytes) -> Part:
    """Open a file of a kind, whose reader has its schema in this attribute."""
    with native_file(source) as file:
        batches = partial(_read_file, open_file, read, name, source)
        return Part(name, getattr(open_file(name, file), schema), batches)


def _read_file(open_file: _Open, read: Callable[..., Batches], name: str, source: str | bytes, *args: Any) -> Batches:
    with native_file(source) as file:
        reader = open_file(name, file)
        with _worded(f"{name} is damaged"):
            yield from read(reader, *args)


def _parquet_file(name: str, file: pa.NativeFile, **limits: int) -> pa.parquet.ParquetFile:
    """Open a Parquet file; checksums of its pages are verified, if it has any."""
    with _worded(f"{name} is not a complete Parquet file", (pa.ArrowException,)):
        return pa.parquet.ParquetFile(
            file, pre_buffer=False, buffer_size=_BUFFER, page_checksum_verification=True, **limits
        )


def _row_groups(
    file: pa.parquet.ParquetFile, columns: Columns, at_once: int, numbers: Sequence[int] | None = None
) -> Batches:
    return file.iter_batches(at_once, row_groups=numbers, columns=list(columns), use_threads=False)


def _arrow_reader(name: str, file: pa.NativeFile) -> Any:
    """Open an Arrow file, Feather included, or a file that holds an Arrow stream."""
    try:
        return pa.ipc.open_file(file)
    except pa.ArrowInvalid:
        file.seek(0)
    with _worded(f"{name} is not an Arrow file", (pa.ArrowInvalid,)):
        return pa.ipc.open_stream(file)


def _batches(reader: Any, columns: Columns, at_once: int) -> Batches:
    if hasattr(reader, "to_batches"):
        yield from reader.to_batches()
    elif hasattr(reader, "get_batch"):
        for i in range(reader.num_record_batches):
            yield reader.get_batch(i)
    else:
        yield from reader if isinstance(reader, pa.RecordBatchReader) else pa.RecordBatchReader.from_stream(reader)


def _orc_file(name: str, file: pa.NativeFile) -> pa.orc.ORCFile:
    with _worded(f"{name} is not a complete ORC file"):
        return pa.orc.ORCFile(file)


def _stripes(file: pa.orc.ORCFile, columns: Columns, at_once: int) -> Batches:
    present = [name for name in columns if name in file.schema.names]
    return (file.read_stripe(number, columns=present) for number in range(file.nstripes))


# Functions that open a file, by its name in messages, and its path or content.
parquet_part = partial(_file_part, _parquet_file, "schema_arrow", _row_groups)
arrow_part = partial(_file_part, _arrow_reader, "schema", _batches)
orc_part = partial(_file_part, _orc_file, "schema", _stripes)


def npy_part(name: str, source: str | bytes) -> Part:
    """Open an .npy file, with columns x0, x1 and so on."""
    array = npy_array(Path(source) if isinstance(source, str) else BytesIO(source), name)
    is_wide = array.dtype.itemsize > np.float64().itemsize
    dtype = np.dtype(np.float64) if is_wide else array.dtype.newbyteorder("=")
    schema = pa.schema([(f"x{j}", pa.from_numpy_dtype(dtype)) for j in range(array.shape[1])])
    remarks = (f"{array.dtype} (longdouble) numbers are converted to float64",) if is_wide else ()
    blocks = NpySource(array).raw_blocks if isinstance(array, np.memmap) else lambda: iter([array])
    return Part(name, schema, partial(_npy_batches, blocks, dtype, schema), remarks=remarks)


def _npy_batches(
    blocks: Callable[[], Iterator[NDArray[Any]]], dtype: Any, schema: pa.Schema, columns: Columns, at_once: int
) -> Batches:
    places = [schema.get_field_index(name) for name in columns]
    for rows in blocks():
        with np.errstate(over="ignore"):  # the reader checks infinite values
            values = [pa.array(np.array(rows[:, j], dtype=dtype)) for j in places]
        yield pa.RecordBatch.from_arrays(values, names=list(columns))


def reader_part(data: Any) -> Part:
    """Return an object with record batches, or a new C stream of Arrow at each call, as a table."""
    name, once = f"the {type(data).__name__}", isinstance(data, pa.RecordBatchReader)
    schema = getattr(data, "projected_schema", None) or getattr(data, "schema", None)
    if not isinstance(schema, pa.Schema):
        schema = pa.RecordBatchReader.from_stream(data).schema
    return Part(name, schema, partial(_read, name, data), once)


def _read(name: str, data: Any, columns: Columns, at_once: int) -> Batches:
    try:
        yield from _batches(data, columns, at_once)
    except _FAULTS as error:
        advice = " again: pass scratch=True, which stores a copy of rows that can be read only once"
        raise ValueError(f"{name} cannot be read{advice if 'OneShot' in str(error) else ''}: {error}") from error


def lazy_frame_part(frame: Any) -> Part:
    """Return a `polars.LazyFrame` as a table.

    Raises
    ------
    TypeError
        If this polars evaluates queries only as a whole.
    """
    if not hasattr(frame, "collect_batches"):
        raise TypeError("this polars has no LazyFrame.collect_batches: update it, or fit frame.collect()")
    return Part("the LazyFrame", frame.clear().collect().to_arrow().schema, partial(_evaluated, frame))


def _evaluated(frame: Any, columns: Columns, at_once: int) -> Batches:
    for some in frame.select(columns).collect_batches(chunk_size=at_once, maintain_order=True):
        yield from some.to_arrow().to_batches()


def relation_part(relation: Any) -> Part:
    """Return a `duckdb.DuckDBPyRelation` as a table."""
    with _result_of(relation.limit(0), 1) as reader:
        return Part("the DuckDB relation", reader.schema, partial(_executed, relation))


def _executed(relation: Any, columns: Columns, at_once: int) -> Batches:
    quoted = ('"' + name.replace('"', '""') + '"' for name in columns)
    with _result_of(relation.project(", ".join(quoted)), at_once) as reader:  # a connection has one open result
        yield from reader


def _result_of(relation: Any, at_once: int) -> pa.RecordBatchReader:
    """Return the rows as DuckDB streams them; version 1.4 has another name for it."""
    open_reader = relation.to_arrow_reader if hasattr(relation, "to_arrow_reader") else relation.fetch_arrow_reader
    return open_reader(at_once)


_LIMITS = ("thrift_string_size_limit", "thrift_container_size_limit")


def dataset_part(data: pa.dataset.Dataset) -> Part:
    """Return a data set as a table, scanned by its own options; of Parquet files, checksums of pages are verified."""
    return Part(f"the {type(data).__name__}", data.schema, partial(_scanned, data))


def _scanned(data: pa.dataset.Dataset, columns: Columns, at_once: int) -> Batches:
    names = list(columns)
    with _worded(f"the {type(data).__name__} cannot be read"):
        if (fragments := _parquet_files(data, names)) is None:
            settings = {"batch_readahead": 1, "fragment_readahead": 1, "use_threads": False}
            options = _verifying(getattr(data, "format", None))
            yield from data.to_batches(columns=names, batch_size=at_once, fragment_scan_options=options, **settings)
            return
        for fragment in fragments:
            numbers = [group.id for group in fragment.row_groups]
            limits = {name: getattr(fragment.format.default_fragment_scan_options, name) for name in _LIMITS}
            with fragment.open() as stored:
                file = _parquet_file(fragment.path, stored, **limits)
                with _worded(f"{fragment.path} is damaged"):
                    yield from _row_groups(file, names, at_once, numbers)


def _parquet_files(data: pa.dataset.Dataset, names: Sequence[str]) -> list[Any] | None:
    """Return the files of a data set if all are open Parquet and have the columns; else, or if it is filtered, None.

    The scanner of a data set reads some hundred megabytes ahead, whatever its options.
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
    """Return the options by which a format is scanned, with checksums verified; None for its own options."""
    if not isinstance(kind, pa.dataset.ParquetFileFormat) or _is_encrypted(kind.default_fragment_scan_options):
        return None  # a copy has no keys
    options = copy(kind.default_fragment_scan_options)
    options.page_checksum_verification = True
    return options


def _is_encrypted(options: pa.dataset.ParquetFragmentScanOptions) -> bool:
    keys = ("parquet_decryption_config", "decryption_properties")
    return any(getattr(options, name, None) is not None for name in keys)


OF_FILES: dict[str, Callable[[str, str | bytes], Part]] = {  # by suffix
    **dict.fromkeys((".parquet", ".pq"), parquet_part),
    **dict.fromkeys((".arrow", ".arrows", ".feather", ".ipc"), arrow_part),
    ".orc": orc_part,
    ".npy": npy_part,
}
OF_QUERIES: dict[str, Callable[[Any], Part]] = {  # by class, as `opening.query_of` returns it
    "polars.LazyFrame": lazy_frame_part,
    **dict.fromkeys(("duckdb.DuckDBPyRelation", "_duckdb.DuckDBPyRelation"), relation_part),
    "pyarrow.Dataset": dataset_part,
    "": reader_part,
}
