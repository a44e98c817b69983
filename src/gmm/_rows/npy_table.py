"""Arrays in .npy files as tables, whose columns are numbered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa

from gmm._rows.npy import NpySource, npy_array
from gmm._rows.part import Part


class NpyPart(Part):
    """An .npy file, with columns x0, x1 and so on.

    Parameters
    ----------
    name : str
        For messages.
    source : str or bytes
        The path, or the content of a file that can be read only once.

    Raises
    ------
    ValueError
        If it holds no array of numbers.
    """

    def __init__(self, name: str, source: str | bytes) -> None:
        self.name = name
        self._array = array = npy_array(Path(source) if isinstance(source, str) else BytesIO(source), name)
        self._wide = array.dtype.itemsize > np.float64().itemsize
        self._type = np.dtype(np.float64) if self._wide else array.dtype.newbyteorder("=")
        kind = pa.from_numpy_dtype(self._type)
        self.schema: pa.Schema = pa.schema([(f"x{j}", kind) for j in range(self._array.shape[1])])

    def notes(self, columns: Sequence[str] | None) -> tuple[str, ...]:
        """Tell of numbers that are wider than those of the package."""
        return (f"{self._array.dtype} (longdouble) numbers are converted to float64",) if self._wide else ()

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Read the columns from the first row on."""
        places = [self.schema.get_field_index(name) for name in columns]
        array = self._array
        for rows in NpySource(array).raw_blocks() if isinstance(array, np.memmap) else [array]:
            with np.errstate(over="ignore"):  # infinite values are judged by who reads them
                values = [pa.array(np.array(rows[:, j], dtype=self._type)) for j in places]
            yield pa.RecordBatch.from_arrays(values, names=list(columns))
