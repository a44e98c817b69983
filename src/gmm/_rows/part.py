"""`Part`: a table that is read in batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import pyarrow as pa

_AT_ONCE = 1 << 16  # rows


class Part(ABC):
    """A table that is read in batches, such as a file.

    Attributes
    ----------
    name : str
        What messages call the table.
    schema : pyarrow.Schema
        Names and types of all columns.
    once : bool
        Whether it can be read only once.
    typed : bool
        Whether its columns have types of their own, as those of text have not.
    """

    name: str
    schema: pa.Schema
    once: bool = False
    typed: bool = True

    @property
    def guessed(self) -> pa.Schema:
        """The columns with the types, and obstacles to numbers, that their content suggests."""
        return self.schema

    def notes(self, columns: Sequence[str] | None) -> tuple[str, ...]:
        """Tell how these columns are read, or all of them, where that is a guess."""
        return ()

    @abstractmethod
    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Begin to read anew: yield these columns, some `at_once` rows at a time."""

    def texts(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Begin to read anew: yield these columns as they are, those of text as it is written."""
        return self.batches(columns, _AT_ONCE)
