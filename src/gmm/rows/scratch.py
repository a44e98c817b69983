"""`ScratchSource`: rows that are decoded once, into a temporary file, and read from there by every later pass."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from tempfile import TemporaryFile
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm.exceptions import warn
from gmm.rows.blocks import Block, BlockSource
from gmm.rows.sources import SameColumns

__all__ = ["ScratchSource"]

_BLOCK_BYTES = 1 << 20


class ScratchSource(SameColumns, BlockSource):
    """The rows of another source.

    The file has no name, so it is gone however the process ends. If it cannot be written, a warning says so, and the
    rows are read from where they come from.

    Parameters
    ----------
    source : BlockSource
    folder : str or os.PathLike, optional
        Where the file is; the system's folder for temporary files by default.
    """

    _source: BlockSource

    def __init__(self, source: BlockSource, folder: str | os.PathLike[str] | None = None) -> None:
        if folder is not None and not os.path.isdir(folder):
            raise NotADirectoryError(f"expected a folder for scratch, got {os.fspath(folder)!r}")
        self._source = source
        self._folder = folder
        self._file: Any = None
        self._n_copied = 0  # rows, once all are
        self._failed = False
        self._copying, self._reading = Lock(), Lock()
        self.weighted, self.given_weight = source.weighted, source.given_weight
        self.feature_names = source.feature_names

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle where the rows come from; another process makes a file of its own."""
        return ScratchSource, (self._source, self._folder)

    def __repr__(self) -> str:
        """Show where the rows come from, and how large the file is."""
        size = self._n_copied * self.n_features * self.dtype.itemsize
        return f"{super().__repr__()[:-1]}, {size / 1e6:,.1f} MB of scratch>"

    @property
    def name(self) -> str:
        """What messages call the other source."""
        return self._source.name

    def blocks(self, *, weighted: bool) -> Iterator[Block]:
        """Read the file, or the other source, which is copied meanwhile."""
        if self._n_copied and not weighted:
            return self._copied()
        if self._failed or not self._copying.acquire(blocking=False):  # another thread makes the copy
            return self._source.blocks(weighted=weighted)
        return self._copied_meanwhile(weighted)

    def _copied_meanwhile(self, weighted: bool) -> Iterator[Block]:
        n_rows = 0
        try:
            for block in self._source.blocks(weighted=weighted):
                rows = np.empty((len(block), self.n_features), self.dtype)
                block.copy_to(rows, 0)
                self._write(rows, begin=n_rows == 0)
                n_rows += len(rows)
                yield Block(rows, block.sample_weight)
            self._n_copied = 0 if self._failed else n_rows
        finally:
            self._copying.release()

    def _write(self, rows: NDArray[Any], *, begin: bool) -> None:
        """Append rows to the file; without room for them, do without a file."""
        if self._failed:
            return
        try:
            if self._file is None:
                self._file = TemporaryFile(dir=self._folder, prefix="gmm-", buffering=0)  # noqa: SIM115
                weakref.finalize(self, self._file.close)
            if begin:
                self._file.seek(0)
            left = rows.view(np.uint8).reshape(-1).data
            while len(left):
                left = left[self._file.write(left) :]
        except OSError as error:
            self._failed = True
            if self._file is not None:
                self._file.close()
            warn(f"There is no scratch file of {self.name}, so each pass reads it: {error.strerror}", RuntimeWarning)

    def _copied(self) -> Iterator[Block]:
        step = max(1, _BLOCK_BYTES // (self.n_features * self.dtype.itemsize))
        for start in range(0, self._n_copied, step):
            rows = np.empty((min(step, self._n_copied - start), self.n_features), self.dtype)
            left = rows.view(np.uint8).reshape(-1).data
            with self._reading:
                self._file.seek(start * self.n_features * self.dtype.itemsize)
                while len(left):
                    left = left[self._file.readinto(left) or _raise_short(self.name) :]
            yield Block(rows)


def _raise_short(name: str) -> int:
    raise OSError(f"the scratch file of {name} ends before its last row")
