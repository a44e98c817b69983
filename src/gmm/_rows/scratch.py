"""`ScratchSource`: rows that are decoded once, into a temporary file, and read from there by every later pass."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from errno import EIO
from tempfile import TemporaryFile
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._exceptions import warn
from gmm._rows.blocks import Block, BlockSource
from gmm._rows.sources import SameColumns
from gmm._values.layouts import Array
from gmm._values.weights import weights_of

_BLOCK_BYTES = 1 << 20
_Move = Callable[[Any, memoryview, int], int]


class ScratchSource(SameColumns, BlockSource):
    """The rows of another source.

    The file has no name, so it is gone however the process ends. If it cannot be written, a warning says so, and the
    rows are read from where they come from. What can be read only once is copied at once.

    Parameters
    ----------
    source : BlockSource
    folder : str or os.PathLike, optional
        Where the file is; the system's folder for temporary files by default.
    """

    base: BlockSource

    def __init__(self, source: BlockSource, folder: str | os.PathLike[str] | None = None) -> None:
        if folder is not None and not os.path.isdir(folder):
            raise NotADirectoryError(f"expected a folder for scratch, got {os.fspath(folder)!r}")
        self.base = source
        self._folder = folder
        self._file: Any = None
        self._n_copied = 0  # rows, once all are
        self._weights: Array | None = None  # of these, if they came with the blocks
        self._failed = False
        self._copying = Lock()
        self.weighted, self.row_weights = source.weighted, source.row_weights
        self.feature_names = source.feature_names
        if source.once:
            self.once = True
            self.n_rows  # noqa: B018 - which copies all rows

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle where the rows come from; another process makes a file of its own."""
        if self.once:
            raise TypeError(
                f"{self.name} can be read only once, and its copy is in a file of this process alone, so it cannot be "
                "copied or pickled: expected rows that can be read again, such as an array or a file"
            )
        return ScratchSource, (self.base, self._folder)

    def __repr__(self) -> str:
        """Show where the rows come from, and how large the file is."""
        size = self._n_copied * self.n_features * self.dtype.itemsize
        return f"{super().__repr__()[:-1]}, {size / 1e6:,.1f} MB of scratch>"

    @property
    def name(self) -> str:
        """What messages call the other source."""
        return self.base.name

    def blocks(self, *, weighted: bool) -> Iterator[Block]:
        """Read the file, or the other source, which is copied meanwhile."""
        if self._n_copied and not (weighted and self._weights is None):
            return self._copied(weighted)
        if self._n_copied or self._failed or not self._copying.acquire(blocking=False):  # another thread copies
            return self.base.blocks(weighted=weighted)
        return self._copied_meanwhile(weighted)

    def _copied_meanwhile(self, weighted: bool) -> Iterator[Block]:
        n_rows, weights = 0, []
        try:
            self._try(self._begin)
            for block in self.base.blocks(weighted=weighted):
                rows = np.empty((len(block), self.n_features), self.dtype)
                block.copy_to(rows, 0)
                self._try(self._move, _write_at, rows, n_rows)
                n_rows += len(rows)
                weights += [np.array(block.sample_weight, np.float64)] if weighted else []
                yield Block(rows, block.sample_weight)
            self._weights = np.concatenate(weights) if weights else None
            self._n_copied = 0 if self._failed else n_rows
        finally:
            self._copying.release()

    def _try(self, step: Callable[..., None], *arguments: Any) -> None:
        """Take a step of the copy; without room for it, do without a file."""
        if self._failed:
            return
        try:
            step(*arguments)
        except OSError as error:
            self._failed = True
            if self._file is not None:
                self._file.close()
            if self.once:
                raise OSError(error.errno, f"no room for a copy of {self.name}: {error.strerror}") from error
            message = f"Cannot write a scratch file of {self.name} ({error.strerror}), so each pass reads it anew."
            warn(message, RuntimeWarning)

    def _begin(self) -> None:
        """Open a new file: one that was begun may be a fork's as well."""
        if self._file is not None:
            self._file.close()
        self._file = TemporaryFile(dir=self._folder, prefix="gmm-", buffering=0)  # noqa: SIM115
        weakref.finalize(self, self._file.close)

    def _copied(self, weighted: bool) -> Iterator[Block]:
        step = max(1, _BLOCK_BYTES // (self.n_features * self.dtype.itemsize))
        for start in range(0, self._n_copied, step):
            rows = np.empty((min(step, self._n_copied - start), self.n_features), self.dtype)
            self._move(_read_at, rows, start)
            yield Block(rows, weights_of(self._weights, slice(start, start + step)) if weighted else None)

    def _move(self, move: _Move, rows: NDArray[Any], first: int) -> None:
        """Read or write rows, of which `first` come before these; one call may move less."""
        buffer, place = rows.view(np.uint8).reshape(-1).data, first * self.n_features * self.dtype.itemsize
        while len(buffer):
            n_bytes = move(self._file, buffer, place)
            if not n_bytes:
                raise OSError(EIO, f"the scratch file of {self.name} ends before its last row")
            buffer, place = buffer[n_bytes:], place + n_bytes


if hasattr(os, "preadv"):  # threads and forks share a file's position, so nothing moves it

    def _read_at(file: Any, buffer: memoryview, place: int) -> int:
        return os.preadv(file.fileno(), [buffer], place)

    def _write_at(file: Any, buffer: memoryview, place: int) -> int:
        return os.pwritev(file.fileno(), [buffer], place)

else:  # Windows has no forks
    _moving = Lock()

    def _read_at(file: Any, buffer: memoryview, place: int) -> int:
        with _moving:
            file.seek(place)
            return int(file.readinto(buffer))

    def _write_at(file: Any, buffer: memoryview, place: int) -> int:
        with _moving:
            file.seek(place)
            return int(file.write(buffer))
