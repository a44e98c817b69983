"""Relations of DuckDB, whose query is executed anew for every reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from gmm._rows.part import Part


class RelationPart(Part):
    """A `duckdb.DuckDBPyRelation`.

    Parameters
    ----------
    relation : duckdb.DuckDBPyRelation
    """

    name = "the DuckDB relation"

    def __init__(self, relation: Any) -> None:
        self._relation = relation
        reader = _reader(relation.limit(0), 1)
        self.schema: pa.Schema = reader.schema
        reader.close()

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Execute the query for these columns, `at_once` rows at a time."""
        quoted = ('"' + name.replace('"', '""') + '"' for name in columns)
        reader = _reader(self._relation.project(", ".join(quoted)), at_once)
        try:
            yield from reader
        finally:
            reader.close()  # a connection has one open result


def _reader(relation: Any, at_once: int) -> pa.RecordBatchReader:
    """Return the rows as DuckDB streams them; before version 1.4 by another name."""
    open_reader = relation.to_arrow_reader if hasattr(relation, "to_arrow_reader") else relation.fetch_arrow_reader
    return open_reader(at_once)
