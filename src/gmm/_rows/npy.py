"""`NpySource`: an array in a file, .npy or a memory map, read block by block.

What is touched of a memory map counts as memory of the process; what is read into a small buffer does not.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gmm._rows.blocks import Block, BlockSource
from gmm._rows.sources import ArraySource
from gmm._validation.rows import float_type, to_kernel_floats
from gmm._values.layouts import Array

_BLOCK_BYTES = 1 << 20
_WORTH_READING = 1 << 26  # bytes: smaller maps are arrays like others, over which compiled loops make many passes


@dataclass(frozen=True, eq=False, repr=False)
class NpySource(BlockSource):
    """Rows of a two-dimensional array that lies in a file as it would in memory.

    Parameters
    ----------
    mapped : memmap of shape (n, d)
        The whole map of a file. Passes use its shape, type and place, and read the file.
    row_weights : array of shape (n,), optional
    """

    mapped: np.memmap[Any, Any]
    row_weights: Array | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle which part of which file it is, not its content."""
        order = "C" if self.mapped.flags.c_contiguous else "F"
        place = (self.name, self.mapped.dtype, "r", self.mapped.offset, self.mapped.shape, order)
        return _mapped_again, (place, self.row_weights)

    @property
    def name(self) -> str:
        """The path."""
        return os.fspath(self.mapped.filename or "")

    @property
    def n_features(self) -> int:
        """Number of features, d."""
        return int(self.mapped.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the rows: float32 or float64, whatever the file holds."""
        return float_type(self.mapped.dtype)

    @property
    def n_rows(self) -> int:
        """Number of rows, n."""
        return len(self.mapped)

    @property
    def one_array(self) -> ArraySource | None:
        """The map, of which the operating system loads what is touched; None if the numbers need conversion."""
        if self.mapped.dtype != self.dtype:
            return None
        return ArraySource(to_kernel_floats(self.mapped), self.row_weights)

    def blocks(self, *, weighted: bool) -> Iterator[Block]:
        """Read the file from the beginning."""
        return (Block(to_kernel_floats(raw)) for raw in self.raw_blocks())

    def raw_blocks(self) -> Iterator[NDArray[Any]]:
        """Read the file from the beginning, in its own type; each block is valid until the next is asked for."""
        n, d = self.mapped.shape
        by_column = not self.mapped.flags.c_contiguous
        step = max(1, _BLOCK_BYTES // (max(d, 1) * self.mapped.itemsize))
        raw = np.empty((step, d), self.mapped.dtype, order="F" if by_column else "C")
        with FileIO(self.name) as file:
            for start in range(0, n, step):
                rows = min(step, n - start)
                # Parts of the file: (number of the item they begin with, where they go).
                parts = [(j * n + start, raw[:rows, j]) for j in range(d)] if by_column else [(start * d, raw[:rows])]
                for item, part in parts:
                    file.seek(self.mapped.offset + item * raw.itemsize)
                    self._fill(file, part)
                yield raw[:rows]

    def _fill(self, file: FileIO, part: NDArray[Any]) -> None:
        """Read until the buffer is full; one call may give less."""
        buffer = part.view(np.uint8).reshape(-1).data
        while len(buffer):
            got = file.readinto(buffer)
            if not got:
                raise ValueError(
                    f"{self.name} changed between two readings: it ends at byte {file.tell()}, before its last row"
                )
            buffer = buffer[got:]


def npy_array(file: Path | BinaryIO, name: str) -> Any:
    """Map an array of numbers, of one column if it has one dimension, or read that of a stream; `name` is for messages.

    Raises
    ------
    ValueError
        If the file is damaged, or holds something else.
    """
    try:
        # Mapped, so that a false shape in a damaged header allocates nothing.
        array = np.load(file, mmap_mode="r" if isinstance(file, Path) else None, allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # numpy may raise anything on a damaged header
        raise ValueError(f"{name} is not an array of numbers: {error}") from error
    if not isinstance(array, np.ndarray) or array.ndim not in (1, 2) or array.dtype.kind not in "biuf":
        got = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else "an archive of arrays"
        raise ValueError(f"{name}: expected numbers of shape (rows, columns), got {got}")
    return array[:, None] if array.ndim == 1 else array


def _mapped_again(place: tuple[Any, ...], row_weights: Array | None) -> NpySource:
    return NpySource(np.memmap(*place), row_weights)


def is_file_backed(X: object) -> bool:
    """Return whether X is a large memory map of numbers, two-dimensional and whole, with the content of its file."""
    return (
        isinstance(X, np.memmap)
        and isinstance(X.base, mmap.mmap)
        and X.mode != "c"  # what was written to it is in memory alone
        and isinstance(X.filename, str | os.PathLike)
        and X.ndim == 2
        and X.dtype.kind in "biuf"
        and X.nbytes > _WORTH_READING
        and _is_what_its_file_holds(X, X.base)
    )


def _is_what_its_file_holds(X: np.memmap[Any, Any], mapped: mmap.mmap) -> bool:
    """Return whether both ends of a map are those of its file, which may be gone, or another one by that name."""
    begin, end = X.offset - X.offset % mmap.ALLOCATIONGRANULARITY, len(mapped) - mmap.PAGESIZE
    try:
        with open(X.filename, "rb") as file:  # type: ignore[arg-type]
            file.seek(begin)
            same = file.read(mmap.PAGESIZE) == mapped[: mmap.PAGESIZE]
            file.seek(begin + end)
            return same and file.read(mmap.PAGESIZE) == mapped[end:]
    except OSError:
        return False
