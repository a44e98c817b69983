"""Writing of tables that come block by block, as Parquet, Arrow or delimited text."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import StringIO
from itertools import chain
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

from gmm._validation.scalars import excerpt

_AT_ONCE = 1 << 18  # rows


def _parquet(file: BinaryIO, schema: pa.Schema) -> pa.parquet.ParquetWriter:
    # A dictionary of numbers that hardly repeat is most of the time, and of the file.
    repeating = [field.name for field in schema if not pa.types.is_floating(field.type) and field.name != "row"]
    return pa.parquet.ParquetWriter(file, schema, use_dictionary=repeating)


def _text(file: BinaryIO, schema: pa.Schema, delimiter: str = ",") -> pa.csv.CSVWriter:
    names = StringIO()  # pyarrow would quote every name
    csv.writer(names, delimiter=delimiter, lineterminator="\n").writerow(schema.names)
    file.write(names.getvalue().encode())
    style = pa.csv.WriteOptions(include_header=False, delimiter=delimiter, quoting_style="needed")
    return pa.csv.CSVWriter(file, schema, write_options=style)


WRITERS: Mapping[str, Callable[[BinaryIO, pa.Schema], Any]] = {
    ".csv": _text,
    ".tsv": lambda file, schema: _text(file, schema, "\t"),
    ".parquet": _parquet,
    ".pq": _parquet,
    ".arrow": pa.ipc.new_file,
    ".feather": pa.ipc.new_file,
}


def write_blocks(file: BinaryIO, suffix: str, blocks: Iterable[Mapping[str, Any]]) -> None:
    """Write blocks of columns, one after the other; `suffix` is one of `WRITERS`.

    Raises
    ------
    TypeError, ValueError
        If there is no block, or one is not a mapping of names to columns.
    """
    try:
        every = iter(blocks)
    except (TypeError, NotImplementedError):  # the latter of a memoryview
        raise TypeError(f"expected blocks of columns, got {excerpt(blocks)}") from None
    tables = _even(map(_table, every))
    first = next(tables, None)
    if first is None:
        raise ValueError("expected at least one block of columns, got none")
    with WRITERS[suffix](file, first.schema) as writer:
        for table in chain([first], tables):
            writer.write_table(table)


def _table(block: Mapping[str, Any]) -> pa.Table:
    if not isinstance(block, Mapping):
        raise TypeError(f"expected blocks that map names to columns, got {excerpt(block)}")
    for name, column in block.items():
        if isinstance(column, list | tuple) or getattr(getattr(column, "dtype", None), "kind", "") == "O":
            for value in column:  # pyarrow follows one that contains itself until the process ends
                if isinstance(value, list | tuple | dict | np.ndarray):
                    raise ValueError(f"expected single values in column {name!r}, got {excerpt(value)}")
    try:
        return pa.table(dict(block))
    except (pa.ArrowException, TypeError) as error:
        raise ValueError(f"expected blocks that map names to columns, got {excerpt(block)}: {error}") from error


def _even(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the rows of tables in tables of one length, so that files do not depend on how the rows were read."""
    waiting: pa.Table | None = None
    for table in tables:
        waiting = table if waiting is None else pa.concat_tables([waiting, table])
        while waiting.num_rows > _AT_ONCE:
            yield waiting.slice(0, _AT_ONCE).combine_chunks()
            waiting = waiting.slice(_AT_ONCE)
    if waiting is not None:
        yield waiting.combine_chunks()
