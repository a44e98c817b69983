"""Files for scripts: labels, criteria, drawn rows and JSON, each written whole."""

from __future__ import annotations

import csv
import errno
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from io import StringIO
from pathlib import Path, PurePath
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
from numpy.typing import NDArray

from gmm.cli.failures import UsageError
from gmm.persistence import write_atomically

__all__ = ["check_place", "check_suffix", "check_table", "labels_table", "table_to", "text_to", "to_json"]


def check_suffix(option: str, path: str, suffixes: Iterable[str]) -> None:
    """Refuse a path whose suffix names nothing that can be written, before any work is done.

    Parameters
    ----------
    option : str
        Where the path was given.
    path : str
    suffixes : iterable of str
        Those that there are, in small letters.

    Raises
    ------
    UsageError
        The suffix is another.
    """
    if PurePath(path).suffix.lower() not in suffixes:
        raise UsageError(f"{option} {path}: expected a name ending in one of {', '.join(suffixes)}")


def check_table(option: str, path: str | None) -> None:
    """Refuse, before any work is done, a place that no table can be written to.

    Parameters
    ----------
    option : str
        Where the path was given.
    path : str or None
        Where a table will go; None is standard output.

    Raises
    ------
    UsageError
        The suffix names no kind of table.
    OSError
        As `check_place`.
    """
    if path is not None:
        check_suffix(option, path, _WRITERS)
        check_place(path)


def check_place(path: str | os.PathLike[str]) -> None:
    """Refuse a path that no file can be written to, before any work is done.

    Parameters
    ----------
    path : str or os.PathLike
        Where a file will go.

    Raises
    ------
    OSError
        It is a directory, or its own directory is missing or may not be written to.
    """
    place = Path(os.path.realpath(path))
    if place.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if place.exists() and not place.is_file():
        return  # a pipe or a device
    try:
        with tempfile.TemporaryFile(dir=place.parent):
            pass
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None


def labels_table(numbers: NDArray[np.int64], labels: NDArray[np.int64], proba: NDArray[np.floating] | None) -> pa.Table:
    """Lay out rows, components and responsibilities as a table.

    Parameters
    ----------
    numbers : ndarray of int, shape (n,)
        Where each row stood in its file, from 1.
    labels : ndarray of int, shape (n,)
        The most probable component, from 0.
    proba : ndarray of float, shape (n, K), or None
        Responsibilities.

    Returns
    -------
    pyarrow.Table
        The columns ``row``, ``component``, ``p_0``, ``p_1``, ...
    """
    columns: dict[str, Any] = {"row": numbers, "component": labels}
    if proba is not None:
        columns |= {f"p_{k}": column for k, column in enumerate(proba.T)}
    return pa.table({name: pa.array(column) for name, column in columns.items()})


def table_to(path: str | os.PathLike[str] | None, table: pa.Table) -> None:
    """Write a table by the path's suffix, or as CSV to standard output.

    Parameters
    ----------
    path : str, os.PathLike or None
        Where to; None is standard output.
    table : pyarrow.Table
        The table.

    Raises
    ------
    OSError
        The path cannot be written.
    """
    if path is None:
        sys.stdout.flush()
        _write_csv(table, sys.stdout.buffer)
        return
    writer = _WRITERS[PurePath(path).suffix.lower()]
    write_atomically(path, lambda file: writer(table, file))


def to_json(path: Path | None, document: Mapping[str, Any]) -> None:
    """Write a JSON document to a file or to standard output.

    Parameters
    ----------
    path : Path or None
        Where to; None is standard output.
    document : mapping
        JSON values; no NaN, no infinities.
    """
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if path is None:
        sys.stdout.write(_encoded(text).decode())
    else:
        text_to(path, text)


def text_to(path: str | os.PathLike[str], text: str) -> None:
    """Write a text, whole or not at all.

    Parameters
    ----------
    path : str or os.PathLike
        Where to; a file that is there is replaced once all is written.
    text : str
        What to write, as UTF-8.

    Raises
    ------
    OSError
        The path cannot be written.
    """
    content = _encoded(text)
    write_atomically(path, lambda file: file.write(content))


def _encoded(text: str) -> bytes:
    """UTF-8; of a file's name that is no text, the bytes as escapes, which JSON reads again."""
    return text.encode("utf-8", "backslashreplace")


def _write_csv(table: pa.Table, file: BinaryIO, delimiter: str = ",") -> None:
    names = StringIO()  # pyarrow would quote every name
    csv.writer(names, delimiter=delimiter, lineterminator="\n").writerow(table.column_names)
    file.write(names.getvalue().encode())
    style = pa.csv.WriteOptions(include_header=False, delimiter=delimiter, quoting_style="needed")
    pa.csv.write_csv(table, file, style)


def _write_tsv(table: pa.Table, file: BinaryIO) -> None:
    _write_csv(table, file, delimiter="\t")


_WRITERS: Mapping[str, Callable[[pa.Table, BinaryIO], object]] = {
    ".csv": _write_csv,
    ".tsv": _write_tsv,
    ".parquet": pa.parquet.write_table,
    ".arrow": pa.feather.write_feather,
    ".feather": pa.feather.write_feather,
}
