"""Rows outside of an array: the result of `open_rows`, and base classes for rows elsewhere.

A `BlockSource` yields blocks of rows, a `PartitionedSource` sends each pass to the rows where they are; any other way
to serve rows is a subclass of `Source`. `partitioned_rows` makes a source of partitions that an engine holds.
`open_table` shows what a table of files holds, `checked_rows` checks rows once for many uses, and `column_notes` looks
for columns that are no measurements. `write_table` writes a table block by block, `write_to` anything: the file appears
when it is complete.
"""

from gmm._persistence import check_target, prediction_columns, write_table, write_to
from gmm._rows.blocks import Block, BlockSource
from gmm._rows.input import checked_rows, open_table
from gmm._rows.opening import column_notes
from gmm._rows.partitions import PartitionedSource, partitioned_rows
from gmm._rows.sources import ArraySource, Chunk, Source, relative_ridge
from gmm._validation.column_notes import ColumnNote

__all__ = [
    "ArraySource",
    "Block",
    "BlockSource",
    "Chunk",
    "ColumnNote",
    "PartitionedSource",
    "Source",
    "check_target",
    "checked_rows",
    "column_notes",
    "open_table",
    "partitioned_rows",
    "prediction_columns",
    "relative_ridge",
    "write_table",
    "write_to",
]
