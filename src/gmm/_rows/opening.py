"""`open_rows`: the source for a path, what another package holds, a function, or a scratch file of them."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from errno import EIO
from importlib import import_module
from tempfile import TemporaryFile
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmm._exceptions import warn
from gmm._public import publish
from gmm._rows.blocks import Block, BlockSource, FactorySource, OnceSource
from gmm._rows.npy import NpySource, is_file_backed, npy_array
from gmm._rows.parts import open_part
from gmm._rows.sources import SameColumns, Source
from gmm._rows.suffixes import NPY, files_of, suffix_of
from gmm._rows.text_format import TextFormat
from gmm._text.words import printable
from gmm._validation.rows import float_type, to_kernel_floats
from gmm._values.layouts import Array
from gmm._values.weights import weights_of

if TYPE_CHECKING:
    from gmm._rows.part import Part

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


_BLOCK_BYTES = 1 << 20


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
        self._array = array

    @property
    def name(self) -> str:
        """What kind of array it is, and its name if it has one."""
        name = getattr(self._array, "name", None)
        return f"the {type(self._array).__name__}" + (f" {name!r}" if name else "")

    @property
    def n_features(self) -> int:
        """Number of features, d."""
        return int(self._array.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the rows: float32 or float64, whatever the array holds."""
        return float_type(self._array.dtype)

    def blocks(self, *, weighted: bool) -> Iterator[Block]:
        """Slice the array from the first row on."""
        n, d = self._array.shape
        step = max(1, _BLOCK_BYTES // (max(d, 1) * self._array.dtype.itemsize))
        chunk = (getattr(self._array, "shards", None) or getattr(self._array, "chunks", None) or (1,))[0]
        step = -(-step // chunk) * chunk  # no chunk is decoded twice
        for start in range(0, n, step):
            yield Block(to_kernel_floats(np.asarray(self._array[start : start + step])))


_Path = str | os.PathLike[str]
_DUCKDB = ("duckdb.DuckDBPyRelation", "_duckdb.DuckDBPyRelation")
_READERS = ("pyarrow.Scanner", "pyarrow.RecordBatchReader", "pyarrow.RecordBatchFileReader")
_PARTS = {
    "LazyFramePart": ("polars.LazyFrame",),
    "RelationPart": _DUCKDB,
    "DatasetPart": ("pyarrow.Dataset",),
    "ReaderPart": _READERS,
}
_SLICED = ("h5py.Dataset", "zarr.Array", "numpy.memmap")


def open_rows(
    data: _Path | Sequence[_Path] | Callable[[], Iterable[Any]] | Any,
    *,
    columns: Sequence[str] | None = None,
    weight: str | None = None,
    header: bool | None = None,
    decimal: str | None = None,
    na_values: Sequence[str] = (),
    scratch: bool | _Path = False,
) -> Source:
    """Open rows, which need not fit into memory, for `fit`, `predict`, `score` and the criteria.

    They are read anew for every pass, block by block, and give the same bits as an array of the same rows, but for
    `score` of float32 rows, which of an array is a mean in float32.

    Parameters
    ----------
    data : path, list of paths, data set, query, array of another package, or callable
        A file, a folder of files, or a pattern such as ``"data/*.parquet"``: Parquet, Arrow or Feather, ORC, delimited
        text (possibly compressed) or .npy, which the suffix tells; without one, it is text. The files of a
        folder, and of its folders, are read in the order of their paths; those whose names begin with a dot or an
        underscore are not, and a warning names those of another kind. A ``pyarrow.dataset.Dataset`` or its ``Scanner``,
        an Arrow table, any object with `schema` and `to_batches`, a polars ``LazyFrame``, a DuckDB relation; an h5py
        data set, a zarr array or a memory map of shape (n, d). A function that returns an iterable of blocks, from the
        beginning each time it is called: arrays or data frames, or tuples of one and the weights of its rows. With
        `scratch`, also what can be read only once: an iterator of such blocks, or a stream of Arrow.
    columns : sequence of str, default=None
        The features, by their names (x0, x1, … of .npy files); all columns but the weight's by default.
    weight : str, default=None
        The column of the rows' weights, which are kept in memory: 8 bytes a row.
    header : bool, default=None
        Whether the first line of delimited text holds column names. None decides from the text, with a warning if that
        line holds numbers.
    decimal : {".", ","}, default=None
        The decimal mark of delimited text; the other one may then separate thousands. None decides from the first
        megabyte, with a warning if that says a comma.
    na_values : list of str, default=()
        Texts that stand for a missing value in delimited text, beside an empty field, NA, NaN, null and their like.
        Numbers among them, such as "-999", do so in tables of all kinds, however they are written.
    scratch : bool, str or os.PathLike, default=False
        Decode the rows once, into a temporary file in this folder, or in the system's if True, and read that for every
        later pass: worth it where decoding takes longer than a pass, as of text. It takes 8 bytes a number (4 of
        float32), has no name, and is gone when the process ends, however it does. Without room for it, a warning says
        so, and each pass reads the data. What can be read only once is copied at once, or an error says why not.

    Returns
    -------
    Source
        To be passed as ``X``. It also has `n_rows`, `n_features`, `dtype` and `feature_names`.

    Raises
    ------
    ValueError, TypeError
        If the data cannot be read as a table of numbers, the message says where; for a URL, and what can be read only
        once.
    FileNotFoundError
        If there is no file by this name, or none that matches.
    ModuleNotFoundError
        If pyarrow, which reads all files but .npy, is not installed.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> def blocks():
    ...     for part in range(4):
    ...         rng = np.random.default_rng(part)
    ...         yield rng.normal(size=(1000, 2)) + 10 * (rng.uniform(size=(1000, 1)) < 0.3)
    >>> mixture = gmm.GaussianMixture(2, random_state=0).fit(gmm.open_rows(blocks))
    >>> mixture.weights_.round(1)
    array([0.7, 0.3])
    """
    if not isinstance(scratch, bool | str | os.PathLike):
        raise TypeError(f"expected True, False or a folder for scratch, got {scratch!r:.80}")
    reads_once = (isinstance(data, Iterator) and not callable(data)) or _is_a(data, "pyarrow.RecordBatchReader")
    if reads_once and not scratch:
        raise TypeError(
            f"expected a function that returns the blocks anew each time it is called, got a {type(data).__name__}, "
            "which can be read only once: scratch=True keeps a copy of its rows"
        )
    source = block_source(data, columns, weight, TextFormat.of(header, decimal, na_values))
    return ScratchSource(source, None if scratch is True else scratch) if scratch else source


def block_source(data: Any, columns: Sequence[str] | None, weight: str | None, text_format: TextFormat) -> BlockSource:
    """Return the source of `open_rows`, of delimited text as the user says."""
    if isinstance(data, str | os.PathLike):
        return _of_paths([data], columns, weight, text_format)
    if isinstance(data, list | tuple) and data and all(isinstance(item, str | os.PathLike) for item in data):
        return _of_paths(data, columns, weight, text_format)
    if not text_format.is_silent:
        raise TypeError(
            f"{text_format.words.all} to delimited text: expected a path with it, got {type(data).__name__}"
        )
    if (part := _table(data)) is not None:
        return _of_parts([part], columns, weight)
    if columns is not None or weight is not None:
        raise TypeError("columns and weight name columns of a table: expected a path or a data set with them")
    if is_file_backed(data):
        return NpySource(data)
    if _is_a(data, *_SLICED):
        return SlicedSource(data)
    if callable(data):
        return FactorySource(data)
    if isinstance(data, Iterator):
        return OnceSource(data)
    instead = (
        f"pass one of its arrays: data[{next(iter(data), 'name')!r}]"
        if _is_a(data, "h5py.Group", "zarr.Group")
        else "an array or a data frame is passed to fit and predict as it is"
    )
    raise TypeError(
        f"expected a path, a data set or a function that returns blocks, got {type(data).__name__}; {instead}"
    )


def _is_a(data: object, *names: str) -> bool:
    """Return whether an object is of a class by one of these names, "package.Class", or derived from one."""
    return any(f"{kind.__module__.partition('.')[0]}.{kind.__name__}" in names for kind in type(data).__mro__)


def _table(data: Any) -> Part | None:
    """Return the part that reads a table of another package, which is recognised by its name; None of what is none."""
    if not (gives_batches(data) or _is_a(data, "pyarrow.Dataset")):
        return None
    kind = next((part for part, names in _PARTS.items() if _is_a(data, *names)), "BatchesPart")
    opened: Part = getattr(import_module("gmm._rows.arrow"), kind)(data)
    return opened


def gives_batches(data: object) -> bool:
    """Return whether an object gives record batches, as Arrow's tables and data sets do, or queries of others."""
    if _is_a(data, "polars.LazyFrame", *_DUCKDB, *_READERS):
        return True
    return hasattr(data, "to_batches") and hasattr(data, "schema") and not isinstance(data, type)


def _of_paths(
    paths: Sequence[_Path], columns: Sequence[str] | None, weight: str | None, text_format: TextFormat
) -> BlockSource:
    listed = [files_of(path) for path in paths]
    for note in filter(None, (others for _, others in listed)):
        warn(note, UserWarning)
    files = [file for each, _ in listed for file in each]
    if len(files) == 1 and suffix_of(files[0]) in NPY and columns is None and weight is None and text_format.is_silent:
        return NpySource(npy_array(files[0], printable(str(files[0]))))  # needs nothing but numpy
    parts = [open_part(file, text_format) for file in files]
    for part in parts:
        for note in part.notes(columns):
            warn(f"{part.name}: {note}", UserWarning)
    return _of_parts(parts, columns, weight, text_format.codes)


def _of_parts(
    parts: Sequence[Part], columns: Sequence[str] | None, weight: str | None, codes: Sequence[float] = ()
) -> BlockSource:
    from gmm._rows.file_table import TableSource

    return TableSource(parts, columns, weight, codes)


publish("gmm", [open_rows])
