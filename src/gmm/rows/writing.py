"""Writing of tables that come block by block, as Parquet, Arrow or delimited text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet
from numpy.typing import NDArray

__all__ = ["WRITERS", "write_blocks"]


def _text(file: BinaryIO, schema: pa.Schema, delimiter: str = ",") -> pa.csv.CSVWriter:
    file.write((delimiter.join(schema.names) + "\n").encode())  # pyarrow would quote every name
    style = pa.csv.WriteOptions(include_header=False, delimiter=delimiter, quoting_style="needed")
    return pa.csv.CSVWriter(file, schema, write_options=style)


WRITERS: Mapping[str, Callable[[BinaryIO, pa.Schema], Any]] = {
    ".parquet": pa.parquet.ParquetWriter,
    ".pq": pa.parquet.ParquetWriter,
    ".arrow": pa.ipc.new_file,
    ".feather": pa.ipc.new_file,
    ".csv": _text,
    ".tsv": lambda file, schema: _text(file, schema, "\t"),
}


def write_blocks(file: BinaryIO, suffix: str, blocks: Iterable[Mapping[str, NDArray[Any]]]) -> None:
    """Write blocks of columns, one after the other; `suffix` is one of `WRITERS`."""
    tables = (pa.table(dict(block)) for block in blocks)
    first = next(tables)
    with WRITERS[suffix](file, first.schema) as writer:
        for table in chain([first], tables):
            writer.write_table(table)
