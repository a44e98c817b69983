"""Rows outside of an array: the result of `open_rows`, and base classes for rows elsewhere.

A `BlockSource` yields blocks of rows, a `PartitionedSource` sends each pass to the rows where they are; any other way
to serve rows is a subclass of `Source`. `partitioned_rows` makes a source of partitions that an engine holds.
`open_table` shows what a table of files holds, `write_table` writes one block by block, and `checked_rows` checks
rows once for many uses.
"""

from gmm._persistence import write_table
from gmm._rows.blocks import Block, BlockSource
from gmm._rows.entrance import checked_rows, open_table
from gmm._rows.partitions import PartitionedSource, partitioned_rows
from gmm._rows.sources import ArraySource, Chunk, Source, relative_ridge

__all__ = [
    "ArraySource",
    "Block",
    "BlockSource",
    "Chunk",
    "PartitionedSource",
    "Source",
    "checked_rows",
    "open_table",
    "partitioned_rows",
    "relative_ridge",
    "write_table",
]
