"""Reading of tables: delimited text, Parquet, Arrow, Feather and npy files.

`rows` chooses the columns and checks their values.
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

from gmm.cli.failures import CommandError, UsageError
from gmm.rows.delimited import read_text
from gmm.rows.suffixes import ARROW, COMPRESSED, PARQUET, TEXT
from gmm.text.lists import quoted

__all__ = ["faithful", "read"]

_TEXT = {*TEXT, ""}
_FLAGS = ("--header", "--no-header")


def read(path: str | None, header: bool | None = None) -> tuple[pa.Table, tuple[str, ...]]:
    """Read a table from a file, whose suffix gives the format.

    Parameters
    ----------
    path : str or None
        Delimited text (possibly compressed), Parquet, Arrow, Feather or npy. ``-`` reads delimited text from standard
        input; None reads the bundled Old Faithful data.
    header : bool, default=None
        Whether the first line of delimited text holds column names; None decides from the text.

    Returns
    -------
    table : pyarrow.Table
        Columns with distinct names.
    notes : tuple of str
        Notes for the user on how the file was read.

    Raises
    ------
    CommandError
        If the suffix is unknown or the content is not a table.
    OSError
        If the file cannot be read.
    """
    if path is None:
        return faithful(), ()
    suffixes = [suffix.lower() for suffix in PurePath(path).suffixes[-2:]]
    suffix = suffixes[-1] if suffixes else ""
    is_text = path == "-" or suffix in _TEXT or (suffix in COMPRESSED and suffixes[0] in _TEXT)
    if not is_text and suffix not in _READERS:
        known = ", ".join(sorted({*_TEXT, *_READERS} - {""}))
        raise UsageError(f"{path}: unknown file type {suffix!r}, expected one of {known}")
    if not is_text and header is not None:
        raise UsageError(f"{path}: --header and --no-header apply to delimited text, not to a {suffix} file")
    source = _source(path)
    try:
        table, notes = read_text(path, source, header, _FLAGS) if is_text else _READERS[suffix](path, source)
    except ValueError as error:
        raise CommandError(str(error)) from error
    names = [name.strip() for name in table.column_names]
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)
    if repeated:
        raise CommandError(f"{path}: column names must be unique, but these occur more than once: {quoted(repeated)}")
    return table.rename_columns(names), notes


def faithful() -> pa.Table:
    """Return the Old Faithful data, which are bundled with the package.

    Returns
    -------
    pyarrow.Table
        272 rows of ``eruptions`` (minutes) and ``waiting`` (minutes until the next eruption).

    References
    ----------
    A. Azzalini, A. W. Bowman (1990). A look at some data on the Old Faithful geyser.
    *Applied Statistics* 39, 357-365.
    """
    with as_file(files("gmm") / "data" / "faithful.csv") as path:
        return read(str(path))[0]


def _source(path: str) -> str | bytes:
    """Return the path of a seekable file, or the content of a pipe or standard input, which can be read only once."""
    if path == "-":
        return sys.stdin.buffer.read()
    with Path(path).open("rb") as file:  # raises OSError if missing or unreadable
        return path if file.seekable() else file.read()


def _opened(source: str | bytes) -> pa.NativeFile:
    return pa.OSFile(source) if isinstance(source, str) else pa.BufferReader(source)


def _read_parquet(path: str, source: str | bytes) -> _Read:
    try:
        return pa.parquet.read_table(_opened(source), partitioning=None), ()
    except pa.ArrowInvalid as error:
        raise CommandError(f"{path} is not a Parquet file: {error}") from error


def _read_arrow(path: str, source: str | bytes) -> _Read:
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
        # A memory map, so that a false shape in a damaged header allocates nothing.
        if isinstance(source, str):
            array = np.load(source, mmap_mode="r", allow_pickle=False)
        else:
            array = np.load(_opened(source), allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # numpy may raise anything on a damaged header
        raise CommandError(f"{path} is not an array of numbers: {error}") from error
    if not isinstance(array, np.ndarray):
        raise CommandError(f"{path} is an archive of arrays, expected a single array")
    if array.ndim not in (1, 2) or array.dtype.kind not in "iuf":
        got = f"{array.dtype} of shape {array.shape}"
        raise CommandError(f"{path}: expected numbers of shape (rows, columns), got {got}")
    array = array[:, None] if array.ndim == 1 else array
    if array.dtype.itemsize > np.float64().itemsize:
        notes: tuple[str, ...] = (f"{array.dtype} (longdouble) numbers are converted to float64",)
        with np.errstate(over="ignore"):  # infinite values are rejected later
            array = array.astype(np.float64)
    else:
        notes = ()
        array = np.array(array, dtype=array.dtype.newbyteorder("="))
    names = [f"x{j}" for j in range(array.shape[1])]
    return pa.table([pa.array(column) for column in array.T], names=names), notes


_Read = tuple[pa.Table, tuple[str, ...]]  # a table and notes
_READERS: dict[str, Callable[[str, str | bytes], _Read]] = {
    **dict.fromkeys(PARQUET, _read_parquet),
    **dict.fromkeys(ARROW, _read_arrow),
    ".npy": _read_npy,
}
