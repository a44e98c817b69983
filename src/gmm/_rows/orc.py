"""ORC files, read stripe by stripe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.orc

from gmm._rows.part import Part
from gmm._rows.stored_text import native_file


class ORCPart(Part):
    """An ORC file.

    Parameters
    ----------
    name : str
        For messages.
    source : str or bytes
        The path, or the content of a file that can be read only once.

    Raises
    ------
    ValueError
        If it is not an ORC file.
    """

    def __init__(self, name: str, source: str | bytes) -> None:
        self.name, self._source = name, source
        self.schema: pa.Schema = self._opened().schema

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Read the columns from the first row on, in the stripes of the file."""
        file = self._opened()
        present = [name for name in columns if name in file.schema.names]
        try:
            for stripe in range(file.nstripes):
                yield file.read_stripe(stripe, columns=present)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{self.name} is damaged: {error}") from error

    def _opened(self) -> pa.orc.ORCFile:
        file = native_file(self._source)
        try:
            return pa.orc.ORCFile(file)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{self.name} is not a complete ORC file: {error}") from error
