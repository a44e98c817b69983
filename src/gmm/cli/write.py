"""Output for scripts: tables, text and JSON, written atomically, and checks of output paths."""

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

__all__ = ["check_suffix", "check_table", "check_writable", "labels_table", "write_json", "write_table", "write_text"]


def check_suffix(option: str, path: str, suffixes: Iterable[str]) -> None:
    """Check that a path has one of the suffixes, given in lower case.

    Raises
    ------
    UsageError
        If it has not; the message names the option that gave the path.
    """
    if PurePath(path).suffix.lower() not in suffixes:
        raise UsageError(f"{option} {path}: expected a name ending in one of {', '.join(suffixes)}")


def check_table(option: str, path: str | None) -> None:
    """Check that a table can be written to a path; None stands for standard output.

    Raises
    ------
    UsageError
        If the suffix is not that of a table; the message names the option that gave the path.
    OSError
        As for `check_writable`.
    """
    if path is not None:
        check_suffix(option, path, _WRITERS)
        check_writable(path)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check that a file can be written to a path.

    Raises
    ------
    OSError
        If the path is a directory, or its directory is missing or not writable.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if target.exists() and not target.is_file():
        return  # a pipe or a device
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None


def labels_table(numbers: NDArray[np.int64], labels: NDArray[np.int64], proba: NDArray[np.floating] | None) -> pa.Table:
    """Build a table of row numbers, components and responsibilities.

    Parameters
    ----------
    numbers : ndarray of int, shape (n,)
        Row numbers in the file, from 1.
    labels : ndarray of int, shape (n,)
        Most probable component, from 0.
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


def write_table(path: str | os.PathLike[str] | None, table: pa.Table) -> None:
    """Write a table in the format of the path's suffix, or as CSV to standard output if the path is None.

    Raises
    ------
    OSError
        If the path cannot be written.
    """
    if path is None:
        sys.stdout.flush()
        _write_csv(table, sys.stdout.buffer)
        return
    writer = _WRITERS[PurePath(path).suffix.lower()]
    write_atomically(path, lambda file: writer(table, file))


def write_json(path: Path | None, document: Mapping[str, Any]) -> None:
    """Write JSON values to a file, or to standard output if the path is None.

    Raises
    ------
    ValueError
        If a number is NaN or infinite.
    OSError
        If the path cannot be written.
    """
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if path is None:
        sys.stdout.write(_encoded(text).decode())
    else:
        write_text(path, text)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text atomically, as UTF-8.

    Raises
    ------
    OSError
        If the path cannot be written.
    """
    content = _encoded(text)
    write_atomically(path, lambda file: file.write(content))


def _encoded(text: str) -> bytes:
    """Encode as UTF-8; undecodable bytes of a file name become escapes, which JSON can read."""
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
