"""Delimited text as a table: its compression, what separates its fields, and whether the first line names them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from gmm.cli.failures import CommandError, quoted

__all__ = ["COMPRESSED", "is_number", "read_text"]

COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
_BEGINNINGS = {b"\x1f\x8b": "gzip", b"BZh91AY&SY": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}  # of what has no suffix
_MISSING = [*pa.csv.ConvertOptions().null_values, "?", "None", "<NA>"]
_SHOWN = 3
_COUNTING = 3  # so many numbers that go up by one look like names: 0, 1, 2 or 2001, 2002, 2003
_BLOCK, _LARGEST_BLOCK = 1 << 20, 1 << 30  # bytes; a block of pyarrow's must hold a line


def read_text(path: str, source: str | bytes, header: bool | None) -> tuple[pa.Table, tuple[str, ...]]:
    """Read delimited text, compressed or not.

    Parameters
    ----------
    path : str
        The name for messages; its suffix tells the compression.
    source : str or bytes
        The file's path, or its content.
    header : bool or None
        Whether the first line names the columns; None decides by the text.

    Returns
    -------
    table : pyarrow.Table
        The columns, named ``x0``, ``x1``, ... where the first line is a row.
    notes : tuple of str
        What was decided about a first line that holds numbers.

    Raises
    ------
    CommandError
        The text is not a table, or its first line may be names or a row.
    """
    try:
        text = _Text.of(path, source)
        names, note = (header, "") if header is not None else _judged(path, text)
        table = text.named if names else text.unnamed
        table.column_names  # noqa: B018  decodes them
    except (pa.ArrowInvalid, UnicodeDecodeError, csv.Error, OSError) as error:
        raise CommandError(f"{path} is not a table: {error}") from error
    return table, (note,) if note else ()


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


@dataclass(frozen=True, eq=False)
class _Text:
    """Delimited text and what is known of it before it is parsed."""

    source: str | bytes
    compression: str | None
    line: str  # the first that is not empty
    delimiter: str

    @classmethod
    def of(cls, path: str, source: str | bytes) -> _Text:
        compression = _compression(path, source)
        with _opened(source, compression) as stream:
            # Universal newlines; a line is read whole, however long.
            lines = (line.rstrip("\n") for line in io.TextIOWrapper(stream, "utf-8-sig", "replace"))
            first = next(filter(None, lines), "")
        return cls(source, compression, first, _delimiter(first))

    @cached_property
    def fields(self) -> list[str]:
        return next(csv.reader([self.line], delimiter=self.delimiter), [])

    @cached_property
    def named(self) -> pa.Table:
        """The table with the first line as the names of its columns."""
        return self._parsed(None)

    @property
    def unnamed(self) -> pa.Table:
        """The table with the first line as a row."""
        return self._parsed([f"x{j}" for j in range(len(self.fields))])

    def _parsed(self, names: Sequence[str] | None) -> pa.Table:
        block = min(max(_BLOCK, 8 * len(self.line)), _LARGEST_BLOCK)
        with _opened(self.source, self.compression) as stream:
            return pa.csv.read_csv(
                stream,
                pa.csv.ReadOptions(column_names=names, block_size=block),
                pa.csv.ParseOptions(delimiter=self.delimiter),
                pa.csv.ConvertOptions(null_values=_MISSING),
            )


def _judged(path: str, text: _Text) -> tuple[bool, str]:
    """Whether the first line names the columns, and a note on it; a wrong guess would lose a row, or invent one."""
    numbers = [field for field in text.fields if field.strip() and _like_value(field)]
    if not numbers:
        return True, ""
    shown, last = quoted(numbers, _SHOWN), len(text.fields) - 1
    row = (
        f"the first line holds numbers ({shown}), so it is a row, and the columns are named "
        f"{'x0' if last == 0 else f'x0 to x{last}'}; --header takes it for their names"
    )
    if all(map(_like_value, text.fields)) and not _count_up(numbers):
        return False, row
    body = text.named
    told = {_names(field, column) for field, column in zip(body.column_names, body.columns, strict=True)} - {None}
    if told == {True}:
        return True, ""
    if told == {False}:
        return False, row
    alike = len(numbers) == len(body.columns) and all(map(pa.types.is_integer, body.schema.types))
    if not told and (2 * len(numbers) <= len(text.fields) or (_count_up(numbers) and not alike)):
        return True, f"the first line names the columns, though it holds numbers ({shown}); --no-header makes it a row"
    raise CommandError(f"{path}: the first line holds numbers ({shown}): say --header if it names the columns, "
                       "--no-header if it is a row")  # fmt: skip


def _names(field: str, column: pa.ChunkedArray) -> bool | None:
    """Whether a field of the first line names the column below it, or belongs to it; None where it may do either."""
    if _like_value(field) or pa.types.is_null(column.type) or pa.types.is_binary(column.type):
        return None
    if pa.types.is_string(column.type):
        return False if pc.any(pc.equal(column, field)).as_py() else None
    try:
        pa.array([field]).cast(column.type)
    except pa.ArrowInvalid:
        return True  # a word above numbers
    return False  # a date above dates


def _count_up(numbers: Sequence[str]) -> bool:
    """Whether they go up by one, as numbers do that name columns: 0, 1, 2 or 2001, 2002, 2003."""
    values = [float(text) for text in numbers if is_number(text)]
    return len(values) >= _COUNTING and bool(np.all(np.diff(values) == 1))


def _like_value(text: str) -> bool:
    """Whether it is a number or stands for a missing one."""
    return _like_number(text) or text.strip() in _MISSING


def _like_number(text: str) -> bool:
    """Whether it is a number, with a decimal comma perhaps."""
    return is_number(text.replace(",", "."))


def _delimiter(line: str) -> str:
    """Return what splits the line most often; a blank only between numbers, and a comma not within them."""
    candidates = [",", "\t", ";", "|"]
    if ";" in line and all(map(_like_number, line.split(";"))):
        return ";"
    unquoted = re.sub(r'"[^"]*"', "", line)  # the reader of csv would take no field of 128 KiB
    counts = [unquoted.count(delimiter) for delimiter in candidates]
    if max(counts) > 0:
        return candidates[int(np.argmax(counts))]
    return " " if " " in line and all(is_number(word) for word in line.split(" ")) else ","


def _compression(path: str, source: str | bytes) -> str | None:
    suffix = PurePath(path).suffix.lower()
    if suffix in COMPRESSED:
        return COMPRESSED[suffix]
    with _opened(source, None) as stream:
        first = stream.read(max(map(len, _BEGINNINGS)))
    return next((name for beginning, name in _BEGINNINGS.items() if first.startswith(beginning)), None)


def _opened(source: str | bytes, compression: str | None) -> pa.NativeFile:
    return pa.input_stream(source if isinstance(source, str) else pa.py_buffer(source), compression=compression)
