"""Rows that come in blocks of any size, put together to whole lanes: `BlockSource`.

Blocks come from functions (`FactorySource`), slices of an array elsewhere (`SlicedSource`) or a file (`NpySource`), and
are copied to a scratch file (`ScratchSource`). A thread reads them ahead of their use.
"""

from __future__ import annotations

import mmap
import os
import weakref
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from errno import EIO
from itertools import chain, cycle, islice
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryFile
from threading import Lock, Thread, current_thread
from typing import Any, BinaryIO, ClassVar, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from gmm._exceptions import answer_of, warn
from gmm._kernel.mstep import Survey, cached_property
from gmm._kernel.mstep import checksum as checksum_of
from gmm._rows.sources import (
    LOOK_UP,
    ArraySource,
    Chunk,
    Source,
    changed,
    check_names,
    check_part,
    check_shape,
    forwarded,
)
from gmm._text.words import counted
from gmm._validation.checks import check_array
from gmm._validation.rows import as_rows, check_sample_weight, float_type, to_kernel_floats
from gmm._validation.scalars import excerpt
from gmm._values.layouts import Array
from gmm._values.row_data import weights_of

_CHUNK_BYTES = 1 << 23
_FEWEST_LANES, _FEWEST_ROWS = 8, 1 << 14  # of a chunk, so that several workers have something to do
_BLOCK_BYTES = 1 << 20  # of what is read at a time of an array elsewhere or a scratch file
_WORTH_READING = 1 << 26  # bytes: smaller maps are arrays like others, over which compiled loops make many passes
_BUFFERS = 3  # a chunk is walked, one waits, one is being filled: see `read_ahead`
_LAST_WAIT = 0.5  # seconds for a thread whose items are not wanted any more

T = TypeVar("T")


def _item_of(queue: SimpleQueue[T]) -> T:
    """Wait for the next item; look for Ctrl-C meanwhile.

    The queue is C. `Queue` and `Semaphore` are Python code, whose lock Ctrl-C may leave taken.
    """
    while True:
        with suppress(Empty):
            return queue.get(timeout=LOOK_UP)


def read_ahead(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """Yield the items: one is used, one waits and one is being made at a time.

    An exception of `items` is raised here. If the caller stops early, the thread ends with the item that it is making,
    and is not waited for longer than half a second.
    """
    ready: SimpleQueue[tuple[T] | BaseException | None] = SimpleQueue()
    places: SimpleQueue[None] = SimpleQueue()  # for items that wait
    is_stopped = False

    def read() -> None:
        try:
            with closing(items):
                for item in items:
                    places.get()
                    if is_stopped:
                        return
                    ready.put((item,))
        except BaseException as error:
            ready.put(error)  # in no variable of this frame, which the error holds
        else:
            ready.put(None)

    thread = Thread(target=read, name="gmm-reader", daemon=True)
    try:
        try:
            thread.start()  # Ctrl-C may come while it waits for the thread to begin
        except RuntimeError:  # there is no memory for it
            yield from items
            return
        places.put(None)
        coming: Iterator[tuple[T] | BaseException] = iter(lambda: _item_of(ready), None)
        for came in coming:
            places.put(None)
            if isinstance(came, BaseException):
                try:
                    raise came
                finally:
                    del came  # it knows this frame, and all would live until the next collection
            yield came[0]
    finally:
        is_stopped = True
        places.put(None)  # a thread that waits for a place goes on, and sees that it is to stop
        if thread is not current_thread() and thread.is_alive():  # which the collector may run on
            thread.join(_LAST_WAIT)


class Block(NamedTuple):
    """Consecutive rows as they are read.

    Parameters
    ----------
    rows : array of shape (m, d), or tuple of d arrays of shape (m,)
        Numbers of any type that the type of the source represents.
    sample_weight : array of shape (m,), optional
        Weights, if the source has some and they were requested.
    """

    rows: NDArray[Any] | tuple[NDArray[Any], ...]
    sample_weight: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.rows[0]) if isinstance(self.rows, tuple) else len(self.rows)

    def copy_to(self, out: NDArray[Any], start: int) -> None:
        """Copy the rows from `start` on, as many as `out` has."""
        stop = start + len(out)
        if isinstance(self.rows, tuple):
            for j, column in enumerate(self.rows):
                out[:, j] = column[start:stop]
        else:
            out[...] = self.rows[start:stop]


class _FirstLook(NamedTuple):
    """The result of the first reading of all rows, with which later ones are compared."""

    survey: Survey | None
    n_rows: int
    checksum: int
    sample_weight: Array | None


class BlockSource(Source):
    """Rows that come in blocks, and are never in memory together.

    A subclass sets `n_features` and `dtype`, and defines `blocks`. Weights are read once and kept: 8 bytes a row.

    Attributes
    ----------
    name : str
        Name of the source in messages.
    weighted : bool
        Whether blocks have weights.
    row_weights : array of shape (n,), or None
        Weights of all rows that do not come with the blocks.
    feature_major : bool
        Whether blocks hold a feature's values together, as columns of files do.
    reads_ahead : bool
        Whether blocks are read on a thread of their own.
    once : bool
        Whether blocks can be read only once, so that the first reading goes to the end.
    """

    name: str = "the blocks"
    weighted: bool = False
    row_weights: Array | None = None
    feature_major: ClassVar[bool] = False
    reads_ahead = True
    once: bool = False
    n_rows: int = forwarded("_first_look.n_rows", "Number of rows, n.")
    survey: Survey = forwarded("_first_look.survey", "Survey of all rows, made once.")
    sample_weight: Array | None = forwarded("_first_look.sample_weight", "Weights of all rows.")

    @abstractmethod
    def blocks(self, *, weighted: bool) -> Iterator[Block]:
        """Start a new reading: yield all rows in order, with weights only if they are requested."""

    def __repr__(self) -> str:
        """Return the origin of the rows, without reading them."""
        return f"<rows of {self.name}: {counted(self.n_features, 'feature')}, {self.dtype}>"

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the origin of the rows; another process reads them again."""
        return vars(self.with_changes())

    def chunks(self, lane_rows: int = 1) -> Iterator[Chunk]:
        """Read all rows, in chunks of whole lanes; each is valid until the next is requested.

        Raises
        ------
        ValueError
            If there are more, fewer or other rows than the first time.
        """
        before, stop, checksum = self._first_look, 0, 0
        with closing(self._whole_lanes(lane_rows)) as lanes:
            for first, rows, _ in lanes:
                stop, checksum = first + len(rows), checksum + checksum_of(rows, first)
                if stop > before.n_rows:
                    raise self._changed(f"{before.n_rows} rows the first time, and more than that now")
                if stop < before.n_rows and len(rows) % lane_rows:
                    break
                yield Chunk(first, rows, weights_of(before.sample_weight, slice(first, stop)))
        if before.n_rows and not stop:
            raise ValueError(
                f"{self.name} returned {before.n_rows} rows the first time and none now: expected the same rows for "
                "every pass"
            )
        if stop != before.n_rows:
            raise self._changed(f"{before.n_rows} rows the first time, {stop} now")
        if checksum % 2**64 != before.checksum:
            raise self._changed(f"{stop} rows each time, but other values, or in another order of rows or columns")

    @cached_property
    def _first_look(self) -> _FirstLook:
        n_rows, checksum, weights = 0, 0, []

        def chunks() -> Iterator[Chunk]:
            nonlocal n_rows, checksum
            for first, rows, weight in self._whole_lanes(1, weighted=self.weighted):
                n_rows, checksum = first + len(rows), checksum + checksum_of(rows, first)
                if weight is not None:
                    weights.append(weight)
                else:
                    weight = weights_of(self.row_weights, slice(first, n_rows))
                yield Chunk(first, rows, weight)

        looking = chunks()
        first = list(islice(looking, 1))
        survey = Survey(chain(first, looking), self.n_features) if first else None
        deque(looking, maxlen=0)  # the survey ends at an infinite value
        weight = np.concatenate(weights) if weights else None
        weights.clear()
        weight = check_sample_weight(weight, n_rows) if self.weighted else self.row_weights
        return _FirstLook(survey, n_rows, checksum % 2**64, weight)

    def _check_block(self, block: Block, where: str, weighted: bool) -> None:
        if not isinstance(block, Block):
            raise TypeError(f"expected a Block as {where}, got {excerpt(block)}")
        rows, d = block.rows, self.n_features
        if isinstance(rows, tuple) and len(rows) != d:
            raise ValueError(f"expected {counted(d, 'column')} in {where}, got {len(rows)}")
        shape = (len(block),)
        parts = [(part, shape) for part in rows] if isinstance(rows, tuple) else [(rows, (*shape, d))]
        for part, of_part in [*parts, *([(block.sample_weight, shape)] if weighted else [])]:
            check_part(part, of_part, where)

    def _changed(self, difference: str) -> ValueError:
        return changed(self.name, difference, "the same rows and columns, in the same order, each time")

    def _whole_lanes(self, lane_rows: int, *, weighted: bool = False) -> Generator[Chunk, None, None]:
        """Read all rows; as `read_ahead` needs, what it yields stays valid until the next but one is made."""
        lanes = self._filled(lane_rows, weighted)
        return read_ahead(lanes) if self.reads_ahead else lanes

    def _filled(self, lane_rows: int, weighted: bool) -> Generator[Chunk, None, None]:
        d, order = self.n_features, "F" if self.feature_major else "C"
        # A pass, which requests lanes, finds in the cache what the checksum has read.
        at_once = _CHUNK_BYTES if lane_rows == 1 else _CHUNK_BYTES // 4
        fewest = min(_FEWEST_LANES, -(-_FEWEST_ROWS // lane_rows))
        lanes = max(fewest, at_once // (lane_rows * max(d, 1) * self.dtype.itemsize))
        size = lane_rows * lanes
        buffers = cycle([np.empty((size, d), self.dtype, order=order) for _ in range(_BUFFERS)])  # type: ignore[call-overload]
        first, full, buffer = 0, 0, next(buffers)
        weight = np.empty(size) if weighted else None
        for number, block in enumerate(self.blocks(weighted=weighted)):
            self._check_block(block, f"block {number} of {self.name}", weighted)
            start = 0
            while start < len(block):
                step = min(len(block) - start, size - full)
                block.copy_to(buffer[full : full + step], start)
                if weight is not None and block.sample_weight is not None:
                    weight[full : full + step] = block.sample_weight[start : start + step]
                start, full = start + step, full + step
                if full == size:
                    yield Chunk(first, buffer, weight)
                    first, full, buffer = first + size, 0, next(buffers)
                    weight = np.empty(size) if weighted else None
        if full:
            yield Chunk(first, buffer[:full], weights_of(weight, slice(full)))


Block.__module__ = BlockSource.__module__ = "gmm.sources"


Given = Any  # a block as the caller gives it: rows, or a tuple of rows and weights


class FactorySource(BlockSource):
    """Rows from a function that returns an iterable of blocks, each time anew.

    The first block, which is read at once, gives the number of features, their type and names.

    Parameters
    ----------
    factory : callable
        Its blocks are arrays or data frames of shape (m, d), or tuples (rows, weights).
    name : str, optional
        For messages; by default the name of the function.
    once : bool
        Whether it returns its blocks only once.
    """

    reads_ahead = False  # the caller's code runs on the caller's thread

    def __init__(self, factory: Callable[[], Iterable[Given]], name: str = "", *, once: bool = False) -> None:
        self._factory, self.once = factory, once
        self.name = name or f"the factory {getattr(factory, '__name__', type(factory).__name__)}"
        iterator = self._blocks_anew()
        first = next(iterator, None)
        if first is None:
            raise ValueError(f"expected at least one block of rows from {self.name}, got none")
        self._first_reading: Iterator[Given] | None = chain([first], iterator)
        self.weighted = isinstance(first, tuple)
        rows, self.feature_names = as_rows(first[0] if self.weighted else first, "block 0")
        check_shape(rows.shape, "block 0", None, 0)
        self.n_features, self.dtype = rows.shape[1], rows.dtype

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the function, not its blocks."""
        return super().__getstate__() | {"_first_reading": None}

    def blocks(self, *, weighted: bool) -> Iterator[Block]:
        """Call the factory, and check its blocks."""
        reading, self._first_reading = self._first_reading, None
        for number, block in enumerate(self._blocks_anew() if reading is None else reading):
            try:
                yield self._block(block, weighted)
            except (TypeError, ValueError) as error:
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"block {number} of {self.name}: {error}") from error

    def _blocks_anew(self) -> Iterator[Given]:
        blocks = answer_of(self._factory, name=self.name, hint="expected an iterable of blocks of rows")
        if isinstance(blocks, np.ndarray) or not isinstance(blocks, Iterable):
            raise TypeError(f"expected an iterable of blocks of rows from {self.name}, got {type(blocks).__name__}")
        return iter(blocks)

    def _block(self, block: Given, weighted: bool) -> Block:
        if isinstance(block, tuple) != self.weighted or (self.weighted and len(block) != 2):
            expected = "a tuple (rows, weights)" if self.weighted else "rows without weights"
            got = f"a tuple of {len(block)}" if isinstance(block, tuple) else type(block).__name__
            raise ValueError(f"expected {expected}, as in the first block, got {got}")
        rows, weight = block if self.weighted else (block, None)
        floats, names = as_rows(rows, "it")
        check_names(names, self.feature_names, "it")
        check_shape(floats.shape, "it", self.n_features, 0)
        if floats.dtype != self.dtype:
            raise ValueError(f"expected {self.dtype}, as in the first block, got {floats.dtype}")
        return Block(floats, check_array(weight, "weights", (len(floats),)) if weighted else None)


_FACTS = ("name", "n_features", "dtype", "feature_names", "weighted", "row_weights", "once")
_moving = Lock()


class _Copy:
    """A scratch file, which all copies of a source share."""

    def __init__(self) -> None:
        self.file: Any = None
        self.n_rows = 0  # once all are copied
        self.weights: Array | None = None  # of these, if they came with the blocks
        self.failed = False
        self.lock = Lock()


class ScratchSource(BlockSource):
    """The rows of another source.

    The file has no name, so it is gone however the process ends. If it cannot be written, there is a warning, and the
    rows are read from the other source. A source that can be read only once is copied at once.

    Parameters
    ----------
    source : BlockSource
    folder : str or os.PathLike, optional
        Where the file is; the system's folder for temporary files by default.
    """

    def __init__(self, source: BlockSource, folder: str | os.PathLike[str] | None = None) -> None:
        if folder is not None and not os.path.isdir(folder):
            raise NotADirectoryError(f"expected a folder for scratch, got {os.fspath(folder)!r}")
        self.base, self._folder = source, folder
        vars(self).update({name: getattr(source, name) for name in _FACTS})
        self._copy = _Copy()
        if self.once:
            self.n_rows  # noqa: B018 - which copies all rows

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the origin of the rows; another process makes its own file."""
        if self.once:
            raise TypeError(
                f"{self.name} can be read only once, and its copy is in a file of only this process, so it cannot be "
                "copied or pickled: expected rows that can be read again, such as an array or a file"
            )
        return ScratchSource, (self.base, self._folder)

    def __repr__(self) -> str:
        """Return the origin of the rows, and the size of the file."""
        size = self._copy.n_rows * self.n_features * self.dtype.itemsize
        return f"{super().__repr__()[:-1]}, {size / 1e6:,.1f} MB of scratch>"

    def blocks(self, *, weighted: bool) -> Iterator[Block]:
        """Read the file, or the other source, which is copied meanwhile."""
        copy = self._copy
        if not (copy.n_rows or copy.failed) and copy.lock.acquire(blocking=False):  # else another thread copies
            if not copy.n_rows:
                return self._copied_meanwhile()
            copy.lock.release()
        return self._copied() if copy.n_rows else self.base.blocks(weighted=weighted)

    def _copied_meanwhile(self) -> Iterator[Block]:
        copy, n_rows, weights = self._copy, 0, list[Array]()
        try:
            for block in self.base.blocks(weighted=self.weighted):
                rows = np.empty((len(block), self.n_features), self.dtype)
                block.copy_to(rows, 0)
                self._keep(rows, n_rows)
                n_rows += len(rows)
                weights += [np.array(block.sample_weight, np.float64)] if self.weighted else []
                yield Block(rows, block.sample_weight)
            copy.weights = np.concatenate(weights) if weights else None
            copy.n_rows = 0 if copy.failed else n_rows
        finally:
            copy.lock.release()

    def _keep(self, rows: NDArray[Any], first: int) -> None:
        """Write rows, after the `first` ones; without space for them, do without a file."""
        copy = self._copy
        if copy.failed:
            return
        try:
            if not first:  # a new file, as an unfinished one may be shared with a fork
                if copy.file is not None:
                    copy.file.close()
                copy.file = TemporaryFile(dir=self._folder, prefix="gmm-", buffering=0)  # noqa: SIM115
                weakref.finalize(copy, copy.file.close)
            self._move("pwritev", "write", rows, first)
        except OSError as error:
            copy.failed = True
            if copy.file is not None:
                copy.file.close()
            if self.once:
                raise OSError(error.errno, f"no space for a copy of {self.name}: {error.strerror}") from error
            warn("no scratch file", f"Cannot write a scratch file of {self.name}: {error.strerror}.")

    def _copied(self) -> Iterator[Block]:
        step = max(1, _BLOCK_BYTES // (self.n_features * self.dtype.itemsize))
        for start in range(0, self._copy.n_rows, step):
            rows = np.empty((min(step, self._copy.n_rows - start), self.n_features), self.dtype)
            self._move("preadv", "readinto", rows, start)
            yield Block(rows, weights_of(self._copy.weights, slice(start, start + step)))

    def _move(self, at_place: str, in_turn: str, rows: NDArray[Any], first: int) -> None:
        """Read or write rows, of which `first` come before these; one call may move less."""
        buffer, place = rows.view(np.uint8).reshape(-1).data, first * self.n_features * self.dtype.itemsize
        while len(buffer):
            if hasattr(os, at_place):  # threads and forks share a file's position, so nothing moves it
                n_bytes = getattr(os, at_place)(self._copy.file.fileno(), [buffer], place)
            else:  # Windows has no forks
                with _moving:
                    self._copy.file.seek(place)
                    n_bytes = getattr(self._copy.file, in_turn)(buffer)
            if not n_bytes:
                raise OSError(EIO, f"the scratch file of {self.name} ends before its last row")
            buffer, place = buffer[n_bytes:], place + n_bytes


class SlicedSource(BlockSource):
    """Rows of an array, some of which are sliced at a time: whole chunks, if it is stored in chunks.

    Parameters
    ----------
    array : h5py.Dataset, zarr.Array or numpy.memmap of shape (n, d)

    Raises
    ------
    ValueError
        If it does not hold numbers of shape (n, d).
    """

    def __init__(self, array: Any) -> None:
        if len(array.shape) != 2 or array.dtype.kind not in "biuf":
            raise ValueError(
                f"expected numbers of shape (rows, columns), got {array.dtype} of shape {array.shape} in a "
                f"{type(array).__name__}"
            )
        name = getattr(array, "name", None)
        self.name = f"the {type(array).__name__}" + (f" {name!r}" if name else "")
        self._array, self.n_features, self.dtype = array, int(array.shape[1]), float_type(array.dtype)

    def blocks(self, *, weighted: bool) -> Iterator[Block]:
        """Slice the array from the first row on."""
        n, d = self._array.shape
        step = max(1, _BLOCK_BYTES // (max(d, 1) * self._array.dtype.itemsize))
        chunk = (getattr(self._array, "shards", None) or getattr(self._array, "chunks", None) or (1,))[0]
        step = -(-step // chunk) * chunk  # no chunk is decoded twice
        for start in range(0, n, step):
            yield Block(to_kernel_floats(np.asarray(self._array[start : start + step])))


class NpySource(BlockSource):
    """Rows of a two-dimensional array that lies in a file, .npy or a memory map, as it would in memory.

    What is touched of a memory map counts as memory of the process; what is read into a small buffer does not.

    Parameters
    ----------
    memory_map : memmap of shape (n, d)
        The whole map of a file. Passes use its shape, type and place, and read the file.
    row_weights : array of shape (n,), optional
    """

    n_rows = 0

    def __init__(self, memory_map: np.memmap[Any, Any], row_weights: Array | None = None) -> None:
        self.name, self.dtype = os.fspath(memory_map.filename or ""), float_type(memory_map.dtype)
        self.n_rows, self.n_features = memory_map.shape
        self.row_weights, self._of_file, self._offset = row_weights, memory_map.dtype, memory_map.offset
        self._order: Literal["C", "F"] = "C" if memory_map.flags.c_contiguous else "F"
        self._beginning = self._size_and_header()

    def _size_and_header(self) -> tuple[int, bytes]:
        with open(self.name, "rb") as file:
            return os.fstat(file.fileno()).st_size, file.read(min(self._offset, _BLOCK_BYTES))

    def _check_unchanged(self) -> None:
        now, before = self._size_and_header(), self._beginning
        if now != before:
            sizes = f"{before[0]:,} bytes the first time, {now[0]:,} bytes now"
            raise changed(self.name, f"{sizes}, below another header" if now[1] != before[1] else sizes)

    @cached_property
    def one_array(self) -> ArraySource | None:
        """A map, of which the operating system loads what is touched; None if the numbers need conversion."""
        if self._of_file != self.dtype:
            return None
        self._check_unchanged()
        shape = self.n_rows, self.n_features
        memory_map = np.memmap(self.name, self.dtype, "r", self._offset, shape, self._order)
        return ArraySource(to_kernel_floats(memory_map), self.row_weights)

    def blocks(self, *, weighted: bool) -> Iterator[Block]:
        """Read the file from the beginning."""
        return (Block(to_kernel_floats(raw)) for raw in self.raw_blocks())

    def raw_blocks(self) -> Iterator[NDArray[Any]]:
        """Read the file from the beginning, in its own type; each block is valid until the next is requested."""
        n, d, by_column = self.n_rows, self.n_features, self._order == "F"
        step = max(1, _BLOCK_BYTES // (max(d, 1) * self._of_file.itemsize))
        raw = np.empty((step, d), self._of_file, order=self._order)
        self._check_unchanged()
        with open(self.name, "rb") as file:
            for start in range(0, n, step):
                rows = min(step, n - start)
                # Parts of the file: (number of the item they begin with, where they go).
                parts = [(j * n + start, raw[:rows, j]) for j in range(d)] if by_column else [(start * d, raw[:rows])]
                for item, part in parts:
                    file.seek(self._offset + item * raw.itemsize)
                    if file.readinto(part.data) < part.nbytes:
                        where = f"it ends at byte {file.tell()}, before its last row"
                        raise ValueError(f"{self.name} changed between two readings: {where}")
                yield raw[:rows]


def npy_array(file: Path | BinaryIO, name: str) -> Any:
    """Map an array of numbers, of one column if it has one dimension, or read that of a stream; `name` is for messages.

    Raises
    ------
    ValueError
        If the file is damaged, or has other content.
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


def is_from_file(X: object) -> bool:
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
    start, end = X.offset - X.offset % mmap.ALLOCATIONGRANULARITY, len(mapped) - mmap.PAGESIZE
    try:
        with open(X.filename, "rb") as file:  # type: ignore[arg-type]
            file.seek(start)
            same = file.read(mmap.PAGESIZE) == mapped[: mmap.PAGESIZE]
            file.seek(start + end)
            return same and file.read(mmap.PAGESIZE) == mapped[end:]
    except OSError:
        return False
