"""Tables from files: delimited text, Parquet, Arrow, Feather and npy arrays.

What is in the columns, and which of them a mixture is fitted to, is the business of `rows`.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path, PurePath

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

from gmm.cli.delimited import COMPRESSED, read_text
from gmm.cli.failures import CommandError, UsageError, quoted

__all__ = ["faithful", "read"]

_TEXT = {".csv", ".tsv", ".tab", ".txt", ".dat", ".data", ""}


def read(path: str, header: bool | None = None) -> tuple[pa.Table, tuple[str, ...]]:
    """Read a table from a file, by its suffix.

    Parameters
    ----------
    path : str
        CSV, TSV or other delimited text (also compressed), Parquet, Arrow, Feather or npy; a pipe is read whole, and
        ``-`` reads delimited text from standard input.
    header : bool, default=None
        Whether the first line of delimited text names the columns; None decides by the text.

    Returns
    -------
    table : pyarrow.Table
        The columns, with distinct names.
    notes : tuple of str
        What was noticed on the way.

    Raises
    ------
    CommandError
        The file's kind is unknown, or its content is no table.
    OSError
        The file cannot be read.
    """
    suffixes = [suffix.lower() for suffix in PurePath(path).suffixes[-2:]]
    suffix = suffixes[-1] if suffixes else ""
    is_text = path == "-" or suffix in _TEXT or (suffix in COMPRESSED and suffixes[0] in _TEXT)
    if not is_text and suffix not in _READERS:
        known = ", ".join(sorted({*_TEXT, *_READERS} - {""}))
        raise UsageError(f"{path}: unknown kind of file {suffix!r}, expected one of {known}")
    if not is_text and header is not None:
        raise UsageError(f"{path}: --header and --no-header are for delimited text, a {suffix} file has no lines")
    source = _source(path)
    table, notes = read_text(path, source, header) if is_text else _READERS[suffix](path, source)
    names = [name.strip() for name in table.column_names]
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise CommandError(
            f"{path}: column names must differ, {quoted(twice)} {'is' if len(twice) == 1 else 'are'} there twice"
        )
    return table.rename_columns(names), notes


def faithful() -> pa.Table:
    """Return the Old Faithful eruptions, which ship with the package.

    Returns
    -------
    pyarrow.Table
        272 rows of ``eruptions`` (minutes) and ``waiting`` (minutes to the next).

    References
    ----------
    A. Azzalini, A. W. Bowman (1990). A look at some data on the Old Faithful geyser.
    *Applied Statistics* 39, 357-365.
    """
    with as_file(files("gmm") / "data" / "faithful.csv") as path:
        return read(str(path))[0]


def _source(path: str) -> str | bytes:
    """The path, once the file can be opened; all bytes of what can be read only once: a pipe, standard input."""
    if path == "-":
        return sys.stdin.buffer.read()
    with Path(path).open("rb") as file:  # the plain OSError of a missing or unreadable file
        return path if file.seekable() else file.read()


def _opened(source: str | bytes) -> pa.NativeFile:
    return pa.OSFile(source) if isinstance(source, str) else pa.BufferReader(source)


def _read_parquet(path: str, source: str | bytes) -> _Read:
    try:
        return pa.parquet.read_table(_opened(source), partitioning=None), ()
    except pa.ArrowInvalid as error:
        raise CommandError(f"{path} is not a Parquet file: {error}") from error


def _read_arrow(path: str, source: str | bytes) -> _Read:
    """Read the file format (which Feather is), or a stream of record batches."""
    try:
        return pa.feather.read_table(_opened(source)), ()
    except pa.ArrowInvalid:
        try:
            with pa.ipc.open_stream(_opened(source)) as reader:
                return reader.read_all(), ()
        except pa.ArrowInvalid as error:
            raise CommandError(f"{path} is not an Arrow file: {error}") from error


def _read_npy(path: str, source: str | bytes) -> _Read:
    try:
        # A file is mapped first: a header that tells of more than there is takes no memory.
        if isinstance(source, str):
            array = np.load(source, mmap_mode="r", allow_pickle=False)
        else:
            array = np.load(_opened(source), allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # what numpy raises over a damaged header may be anything
        raise CommandError(f"{path} is not an array of numbers: {error}") from error
    if not isinstance(array, np.ndarray):
        raise CommandError(f"{path} is an archive of arrays, expected one array")
    if array.ndim not in (1, 2) or array.dtype.kind not in "iuf":
        got = f"{array.dtype} of shape {array.shape}"
        raise CommandError(f"{path}: expected numbers of shape (rows, columns), got {got}")
    array = array[:, None] if array.ndim == 1 else array
    if array.dtype.itemsize > np.float64().itemsize:
        notes: tuple[str, ...] = (f"the numbers are {array.dtype} (longdouble) and are read as float64",)
        with np.errstate(over="ignore"):  # infinite values are refused later
            array = array.astype(np.float64)
    else:
        notes = ()
        array = np.array(array, dtype=array.dtype.newbyteorder("="))
    names = [f"x{j}" for j in range(array.shape[1])]
    return pa.table([pa.array(column) for column in array.T], names=names), notes


_Read = tuple[pa.Table, tuple[str, ...]]  # a table, and notes on it
_READERS: dict[str, Callable[[str, str | bytes], _Read]] = {
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".arrow": _read_arrow,
    ".arrows": _read_arrow,
    ".feather": _read_arrow,
    ".ipc": _read_arrow,
    ".npy": _read_npy,
}
