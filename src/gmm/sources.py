"""Rows outside of an array: the result of `open_rows`, and base classes for rows elsewhere.

A `BlockSource` yields blocks of rows, a `PartitionedSource` sends each pass to the rows where they are; any other way
to serve rows is a subclass of `Source`. `partitioned_rows` makes a source of partitions that an engine holds.
"""

from gmm._rows.blocks import Block, BlockSource
from gmm._rows.partitions import PartitionedSource, partitioned_rows
from gmm._rows.sources import Chunk, Source

__all__ = ["Block", "BlockSource", "Chunk", "PartitionedSource", "Source", "partitioned_rows"]
