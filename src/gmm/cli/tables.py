"""Tables from files: delimited text, Parquet, Arrow, Feather and npy arrays.

What is in the columns, and which of them a mixture is fitted to, is the business of `rows`.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from importlib.resources import as_file, files
from pathlib import Path, PurePath

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet

from gmm.cli.failures import CommandError, UsageError, quoted

__all__ = ["faithful", "is_number", "read"]

_TEXT = {".csv", ".tsv", ".tab", ".txt", ".dat", ".data", ""}
_COMPRESSED = {".gz", ".bz2", ".zst"}
_MISSING_MARKS = ["?", "None", "<NA>"]  # beside pyarrow's own: "", NA, NaN, null, ...


def read(path: str) -> tuple[pa.Table, tuple[str, ...]]:
    """Read a table from a file, by its suffix.

    Parameters
    ----------
    path : str
        CSV, TSV or other delimited text (also compressed), Parquet, Arrow, Feather or npy;
        ``-`` reads delimited text from standard input.

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
    if path == "-" or suffix in _TEXT or (suffix in _COMPRESSED and suffixes[0] in _TEXT):
        table, notes = _read_text(path)
    elif suffix in _READERS:
        with Path(path).open("rb"):  # the plain OSError of a missing or unreadable file
            table, notes = _READERS[suffix](path), ()
    else:
        known = ", ".join(sorted({*_TEXT, *_READERS} - {""}))
        raise UsageError(f"{path}: unknown kind of file {suffix!r}, expected one of {known}")
    table = table.rename_columns([name.strip() for name in table.column_names])
    twice = sorted(name for name, times in Counter(table.column_names).items() if times > 1)
    if twice:
        raise CommandError(
            f"{path}: column names must differ, {quoted(twice)} {'is' if len(twice) == 1 else 'are'} there twice"
        )
    return table, notes


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


def is_number(text: str) -> bool:
    """Tell whether a text is a number.

    Parameters
    ----------
    text : str
        One entry of a table.

    Returns
    -------
    bool
        True for what Python reads as a float.
    """
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_text(path: str) -> tuple[pa.Table, tuple[str, ...]]:
    if path == "-":
        return _parsed(path, sys.stdin.buffer.read())
    with Path(path).open("rb"):  # the plain OSError of a missing or unreadable file
        return _parsed(path, None)


def _parsed(path: str, text: bytes | None) -> tuple[pa.Table, tuple[str, ...]]:
    try:
        with _opened(path, text) as stream:
            first = stream.read(1 << 16).decode("utf-8-sig", "replace").partition("\n")[0]
        delimiter = _delimiter(first.rstrip("\r"))
        fields = next(csv.reader([first.rstrip("\r")], delimiter=delimiter), [])
        headerless = bool(fields) and all(_like_number(field) for field in fields)
        names = [f"x{j}" for j in range(len(fields))] if headerless else None
        with _opened(path, text) as stream:
            table = pa.csv.read_csv(
                stream,
                pa.csv.ReadOptions(column_names=names),
                pa.csv.ParseOptions(delimiter=delimiter),
                pa.csv.ConvertOptions(null_values=_null_values()),
            )
        listed = ", ".join(table.column_names)  # decodes them
    except (pa.ArrowInvalid, UnicodeDecodeError, csv.Error, OSError) as error:
        raise CommandError(f"{path} is not a table: {error}") from error
    told = f"the first line holds numbers, so it counts as a row; the columns are named {listed}"
    return table, ((told,) if headerless else ())


def _opened(path: str, text: bytes | None) -> pa.NativeFile:
    if text is not None:
        return pa.BufferReader(text)
    return pa.input_stream(path, compression="detect")


def _delimiter(line: str) -> str:
    """Return what splits the line most often; a blank only between numbers, and a comma not within them."""
    candidates = [",", "\t", ";", "|"]
    if ";" in line and all(map(_like_number, line.split(";"))):
        return ";"
    fields = [len(next(csv.reader([line], delimiter=d), [])) for d in candidates]
    if max(fields) > 1:
        return candidates[int(np.argmax(fields))]
    return " " if " " in line and all(is_number(word) for word in line.split(" ")) else ","


def _like_number(text: str) -> bool:
    """Whether it is a number, with a decimal comma perhaps."""
    return is_number(text.replace(",", "."))


def _null_values() -> list[str]:
    return [*pa.csv.ConvertOptions().null_values, *_MISSING_MARKS]


def _read_parquet(path: str) -> pa.Table:
    try:
        return pa.parquet.read_table(path, partitioning=None)
    except pa.ArrowInvalid as error:
        raise CommandError(f"{path} is not a Parquet file: {error}") from error


def _read_arrow(path: str) -> pa.Table:
    """Read the file format (which Feather is), or a stream of record batches."""
    try:
        return pa.feather.read_table(path)
    except pa.ArrowInvalid:
        try:
            with pa.ipc.open_stream(path) as reader:
                return reader.read_all()
        except pa.ArrowInvalid as error:
            raise CommandError(f"{path} is not an Arrow file: {error}") from error


def _read_npy(path: str) -> pa.Table:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise CommandError(f"{path} is not an array of numbers: {error}") from error
    if not isinstance(array, np.ndarray):
        raise CommandError(f"{path} is an archive of arrays, expected one array")
    if array.ndim not in (1, 2) or array.dtype.kind not in "iuf":
        got = f"{array.dtype} of shape {array.shape}"
        raise CommandError(f"{path}: expected numbers of shape (rows, columns), got {got}")
    array = array[:, None] if array.ndim == 1 else array
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    names = [f"x{j}" for j in range(array.shape[1])]
    return pa.table([pa.array(column) for column in array.T], names=names)


_READERS = {
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".arrow": _read_arrow,
    ".arrows": _read_arrow,
    ".feather": _read_arrow,
    ".ipc": _read_arrow,
    ".npy": _read_npy,
}
