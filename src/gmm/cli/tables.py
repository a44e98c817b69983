"""Reading of tables: delimited text, Parquet, Arrow, Feather, ORC and npy files.

`rows` chooses the columns and checks their values.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.resources import as_file, files
from itertools import chain
from pathlib import Path, PurePath

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet

from gmm.cli.failures import CommandError, UsageError
from gmm.rows.delimited import read_text
from gmm.rows.numerals import MISSING, Obstacle, is_text, numbers_in
from gmm.rows.paths import files_of
from gmm.rows.suffixes import ARROW, NPY, ORC, PARQUET, TEXT, suffix_of, unknown_type
from gmm.rows.text_format import TextFormat, Words
from gmm.text.lists import quoted

__all__ = ["OPTIONS", "faithful", "format_of", "read"]

_TEXT = {*TEXT, ""}
OPTIONS = Words(
    named="--header",
    unnamed="--no-header",
    decimal="--decimal {}",
    missing="--na {!r}",
    columns="--columns",
    all="--header, --decimal and --na apply",
)
_SILENT = TextFormat(words=OPTIONS)


def format_of(options: argparse.Namespace) -> TextFormat:
    """Return what the options say of delimited text."""
    return TextFormat.of(options.header, options.decimal, options.na, OPTIONS)


def read(path: str | None, says: TextFormat = _SILENT) -> tuple[pa.Table, tuple[str, ...]]:
    """Read a table from a file, whose suffix gives the format, or from the files of a folder.

    Parameters
    ----------
    path : str or None
        Delimited text (possibly compressed), Parquet, Arrow, Feather or npy. ``-`` reads delimited text from standard
        input; None reads the bundled Old Faithful data.
    says : TextFormat
        What the user says of delimited text.

    Returns
    -------
    table : pyarrow.Table
        Columns with distinct names; those of text carry their `Obstacle`.
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
    is_pattern = any(wildcard in path for wildcard in "*?[") and not Path(path).exists()
    if not (is_pattern or Path(path).is_dir()):
        return _read_file(path, says)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            files = [str(file) for file in files_of(path)]
        except ValueError as error:
            raise CommandError(str(error)) from error
    tables, notes = zip(*(_read_file(file, says) for file in files), strict=True)
    others = (str(warning.message) for warning in caught)
    return _together(tables, files), tuple(dict.fromkeys([*others, *chain.from_iterable(notes)]))


def _read_file(path: str, says: TextFormat) -> tuple[pa.Table, tuple[str, ...]]:
    suffix = suffix_of(PurePath(path))
    is_text = path == "-" or suffix in _TEXT
    if not is_text and suffix not in _READERS:
        raise UsageError(unknown_type(path, suffix, sorted({*_TEXT, *_READERS} - {""})))
    if not is_text and not says.is_silent:
        raise UsageError(f"{path}: {says.words.all} to delimited text, not to a {suffix} file")
    source = _source(path)
    try:
        table, notes = read_text(path, source, says) if is_text else _READERS[suffix](path, source)
    except ValueError as error:
        raise CommandError(str(error)) from error
    names = [name.strip() for name in table.column_names]
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)
    if repeated:
        raise CommandError(f"{path}: column names must be unique, but these occur more than once: {quoted(repeated)}")
    table = table.rename_columns(names)
    return table if is_text else numbers_in(table, ".", MISSING, typed=True), notes


def _together(tables: Sequence[pa.Table], files: Sequence[str]) -> pa.Table:
    """Return the rows of all tables, with the columns of the first."""
    names = tables[0].column_names
    for table, file in zip(tables, files, strict=True):
        if absent := [name for name in names if name not in table.column_names]:
            raise CommandError(f"{file}: no column {absent[0]!r}, which {files[0]} has")
    tables = [table.select(names) for table in tables]
    for name in names:
        kinds = [is_text(table.schema.field(name).type) for table in tables]
        if any(kinds) and not all(kinds):  # text in one file, numbers in another
            first = kinds.index(True)
            obstacle = Obstacle.of(tables[first].schema.field(name)) or Obstacle("text")
            obstacle = replace(obstacle, reason=f"{obstacle.reason} of {files[first]}", mostly_numbers=True)
            tables = [_as_text(table, name, obstacle) for table in tables]
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowTypeError as error:
        raise CommandError(f"{files[0]} and the files beside it have columns of other types: {error}") from error


def _as_text(table: pa.Table, name: str, obstacle: Obstacle) -> pa.Table:
    field = obstacle.on(pa.field(name, pa.string()))
    return table.set_column(table.column_names.index(name), field, table[name].cast(pa.string()))


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
    file = _opened(source)
    try:
        return pa.parquet.read_table(file, partitioning=None, page_checksum_verification=True), ()
    except pa.ArrowInvalid as error:
        raise CommandError(f"{path} is not a Parquet file: {error}") from error
    except OSError as error:
        raise CommandError(f"{path} is damaged: {error}") from error


def _read_arrow(path: str, source: str | bytes) -> _Read:
    file, stream = _opened(source), _opened(source)
    try:
        return pa.feather.read_table(file), ()
    except pa.ArrowInvalid:
        try:
            with pa.ipc.open_stream(stream) as reader:
                return reader.read_all(), ()
        except (pa.ArrowException, OSError) as error:
            raise CommandError(f"{path} is not an Arrow file, or damaged: {error}") from error
    except OSError as error:
        raise CommandError(f"{path} is damaged: {error}") from error


def _read_orc(path: str, source: str | bytes) -> _Read:
    file = _opened(source)
    try:
        return pa.orc.ORCFile(file).read(), ()
    except (pa.ArrowException, OSError) as error:
        raise CommandError(f"{path} is not an ORC file, or damaged: {error}") from error


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
    **dict.fromkeys(ORC, _read_orc),
    **dict.fromkeys(NPY, _read_npy),
}
