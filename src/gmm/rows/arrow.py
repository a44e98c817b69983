"""Arrow: files and streams, tables in memory, data sets and whatever else gives record batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.dataset
import pyarrow.ipc

from gmm.rows.parquet import parquet_batches

__all__ = ["ArrowPart", "BatchesPart"]


class ArrowPart:
    """An Arrow file, Feather included, or a file that holds an Arrow stream.

    Parameters
    ----------
    path : str

    Raises
    ------
    ValueError
        If it is no such file.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        with pa.OSFile(path) as file:
            self.schema: pa.Schema = self._reader(file).schema

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Read the columns from the first row on, in the batches of the file."""
        with pa.OSFile(self.name) as file:
            reader = self._reader(file)
            try:
                if isinstance(reader, pa.ipc.RecordBatchFileReader):
                    for i in range(reader.num_record_batches):
                        yield reader.get_batch(i).select(list(columns))
                else:
                    for batch in reader:
                        yield batch.select(list(columns))
            except (pa.ArrowException, OSError) as error:
                raise ValueError(f"{self.name} is damaged: {error}") from error

    def _reader(self, file: pa.NativeFile) -> Any:
        try:
            return pa.ipc.open_file(file)
        except pa.ArrowInvalid:
            file.seek(0)
        try:
            return pa.ipc.open_stream(file)
        except pa.ArrowInvalid as error:
            raise ValueError(f"{self.name} is not an Arrow file: {error}") from error


class BatchesPart:
    """An object with `schema` and `to_batches`: a `pyarrow.dataset.Dataset`, a table, or one that behaves like these.

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
        data, names = self._data, list(columns)
        if hasattr(data, "select"):  # a table
            yield from data.select(names).to_batches()
        elif not isinstance(data, pa.dataset.Dataset):
            yield from (batch.select(names) for batch in data.to_batches())
        elif (fragments := _parquet_files(data, names)) is not None:
            for fragment in fragments:
                row_groups = [group.id for group in fragment.row_groups]
                with fragment.open() as file:
                    yield from parquet_batches(file, fragment.path, names, at_once, row_groups)
        else:
            yield from data.to_batches(
                columns=names, batch_size=at_once, batch_readahead=1, fragment_readahead=1, use_threads=False
            )


def _parquet_files(data: pa.dataset.Dataset, names: Sequence[str]) -> list[Any] | None:
    """Return the files of a data set if all are Parquet and hold the columns; else, or if it is filtered, None.

    The scanner of a data set reads some hundred megabytes ahead, whatever it is told.
    """
    try:
        fragments = list(data.get_fragments())
    except ValueError:  # it is filtered
        return None
    plain = all(
        isinstance(fragment, pa.dataset.ParquetFileFragment) and set(names) <= set(fragment.physical_schema.names)
        for fragment in fragments
    )
    return fragments if plain else None
