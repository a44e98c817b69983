"""Reading of delimited text: detects compression, the delimiter, and whether the first line holds column names.

All at once as a table, or block by block.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import PurePath
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from gmm.exceptions import warn
from gmm.rows.suffixes import COMPRESSED
from gmm.text.amounts import counted
from gmm.text.lists import quoted

__all__ = ["TextPart", "is_missing", "is_number", "read_text"]

Hints = tuple[str, str]

_MAGIC = {b"\x1f\x8b": "gzip", b"BZh91AY&SY": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
_MISSING = [*pa.csv.ConvertOptions().null_values, "?", "None", "<NA>"]
_HINTS = ("header=True", "header=False")
_SHOWN = 3
_COUNTING = 3  # at least this many consecutive integers look like column names: 0, 1, 2 or 2001, 2002, 2003
_FAULTS = (pa.ArrowInvalid, UnicodeDecodeError, csv.Error, OSError)
_BLOCK, _LARGEST_BLOCK = 1 << 20, 1 << 30  # bytes; a block of pyarrow's reader must hold a whole line


def read_text(
    path: str, source: str | bytes, header: bool | None, hints: Hints = _HINTS
) -> tuple[pa.Table, tuple[str, ...]]:
    """Read delimited text, compressed or not.

    Parameters
    ----------
    path : str
        Name for messages; its suffix gives the compression.
    source : str or bytes
        The path of the file, or its content.
    header : bool or None
        Whether the first line holds column names; None decides from the text.
    hints : pair of str
        What the user writes to say that the first line holds column names, and that it is a row.

    Returns
    -------
    table : pyarrow.Table
        The columns, named ``x0``, ``x1``, ... if the first line is a row.
    notes : tuple of str
        Says how a first line that holds numbers was read.

    Raises
    ------
    ValueError
        If the text is not a table, or its first line could be column names or a row.
    """
    try:
        text = _Text.of(path, source)
        named, note = (header, "") if header is not None else _has_column_names(path, text, hints)
        table = text.named if named else text.unnamed
        table.column_names  # noqa: B018  decodes the names, which may fail
    except _FAULTS as error:
        raise ValueError(f"{path} is not a table: {_reason(error)}") from error
    return table, (note,) if note else ()


class TextPart:
    """A file of delimited text, read block by block; a value that is no number is an error that tells its line.

    Parameters
    ----------
    path : str
    header : bool, default=None
        Whether the first line holds column names; None decides from the text, with a warning where that is a guess.

    Attributes
    ----------
    schema, guessed : pyarrow.Schema
        The columns as they are read, and with the types that the first block suggests.

    Raises
    ------
    ValueError
        If the text is not a table, or its first line could be column names or a row.
    """

    def __init__(self, path: str, header: bool | None = None) -> None:
        self.name = path
        try:
            text = _TextToStream.of(path, path)
            named, note = (header, "") if header is not None else _has_column_names(path, text, _HINTS)
            self._names = None if named else text.default_names
            self.guessed: pa.Schema = (text.named if named else text.unnamed).schema
            self._text = replace(text)  # without the block that it has read
            self.schema: pa.Schema = pa.schema([(name, pa.float64()) for name in self.guessed.names])
        except _FAULTS as error:
            raise ValueError(f"{path} is not a table: {_reason(error)}") from error
        if note:
            warn(f"{path}: {note}", UserWarning)

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Read the columns, as float64, from the first row on."""
        try:
            with _opened(self.name, self._text.compression) as stream:
                yield from self._text.reader(stream, self._names, columns)
        except _FAULTS as error:
            raise ValueError(f"{self.name}: {_reason(error, self.schema.names)}") from error


def is_number(text: str) -> bool:
    """Return whether Python can convert the text to a float."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_missing(text: str) -> bool:
    """Return whether the text is empty or stands for a missing value, such as NA."""
    return text.strip() in _MISSING


@dataclass(frozen=True, eq=False)
class _Text:
    """Delimited text with its compression, first line and delimiter, before it is parsed."""

    source: str | bytes
    compression: str | None
    line: str  # the first line that is not empty
    delimiter: str

    @classmethod
    def of(cls, path: str, source: str | bytes) -> Self:
        compression = _compression(path, source)
        with _opened(source, compression) as stream:
            # Read with universal newlines; a line may have any length.
            lines = (line.rstrip("\n") for line in io.TextIOWrapper(stream, "utf-8-sig", "replace"))
            first = next(filter(None, lines), "")
        if "\0" in first:
            raise ValueError(f"{path} is no text in UTF-8, but holds zero bytes, as UTF-16 does: convert it to UTF-8")
        return cls(source, compression, first, _delimiter(first))

    @cached_property
    def fields(self) -> list[str]:
        return next(csv.reader([self.line], delimiter=self.delimiter), [])

    @cached_property
    def named(self) -> pa.Table:
        """The table if the first line holds column names."""
        return self._parsed(None)

    @property
    def unnamed(self) -> pa.Table:
        """The table if the first line is a row."""
        return self._parsed(self.default_names)

    @property
    def default_names(self) -> list[str]:
        return [f"x{j}" for j in range(len(self.fields))]

    def _parsed(self, names: Sequence[str] | None) -> pa.Table:
        try:
            return self._read(names, use_threads=True)
        except pa.ArrowInvalid:
            return self._read(names, use_threads=False)  # only then does the error give the line

    def _read(self, names: Sequence[str] | None, *, use_threads: bool) -> pa.Table:
        with _opened(self.source, self.compression) as stream:
            return pa.csv.read_csv(
                stream, *self._options(names, use_threads), pa.csv.ConvertOptions(null_values=_MISSING)
            )

    def _options(self, names: Sequence[str] | None, use_threads: bool) -> tuple[Any, Any]:
        block = min(max(_BLOCK, 8 * len(self.line)), _LARGEST_BLOCK)
        reading = pa.csv.ReadOptions(column_names=names, block_size=block, use_threads=use_threads)
        return reading, pa.csv.ParseOptions(delimiter=self.delimiter)


class _TextToStream(_Text):
    """Text that is too long to be in memory: its first block stands for the whole."""

    def _read(self, names: Sequence[str] | None, *, use_threads: bool) -> pa.Table:
        with _opened(self.source, self.compression) as stream:
            reader = pa.csv.open_csv(stream, *self._options(names, False), pa.csv.ConvertOptions(null_values=_MISSING))
            return pa.Table.from_batches(islice(reader, 1), reader.schema)

    def reader(self, stream: pa.NativeFile, names: Sequence[str] | None, columns: Sequence[str]) -> Any:
        """Return an iterator of record batches with these columns."""
        types = dict.fromkeys(columns, pa.float64())
        how = pa.csv.ConvertOptions(null_values=_MISSING, column_types=types, include_columns=columns)
        return pa.csv.open_csv(stream, *self._options(names, False), how)


def _reason(error: Exception, names: Sequence[str] = ()) -> str:
    """Word the errors of a line with too few or too many fields, and of a field; return others as they are."""
    text = str(error)
    field = re.search(r"In CSV column #(\d+): Row #(\d+): CSV conversion error to \w+: invalid value (.*)", text)
    if field is not None and int(field[1]) < len(names):
        where = f"line {field[2]}, column {names[int(field[1])]!r}"
        return f"{where}: expected a number, got {field[3]}; columns=[…] names the columns to use"
    uneven = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", text)
    if uneven is None:
        return text
    line, expected, found = map(int, uneven.groups())
    return f"line {line} has {counted(found, 'field')}, expected {expected}"


def _has_column_names(path: str, text: _Text, hints: Hints) -> tuple[bool, str]:
    """Decide whether the first line holds column names; a wrong guess would lose a row or add one."""
    if_names, if_row = hints
    numbers = [field for field in text.fields if field.strip() and _like_value(field)]
    if not numbers:
        return True, ""
    examples, last = quoted(numbers, _SHOWN), len(text.fields) - 1
    row = (
        f"the first line holds numbers ({examples}), so it is read as a row and the columns are named "
        f"{_default_names(last)}; use {if_names} if it holds column names"
    )
    if all(map(_like_value, text.fields)) and not _count_up(numbers):
        return False, row
    body = text.named
    verdicts = {_is_name(field, column) for field, column in zip(body.column_names, body.columns, strict=True)} - {None}
    if verdicts == {True}:
        return True, ""
    if verdicts == {False}:
        return False, row
    alike = len(numbers) == len(body.columns) and all(map(pa.types.is_integer, body.schema.types))
    if not verdicts and (2 * len(numbers) <= len(text.fields) or (_count_up(numbers) and not alike)):
        return True, (
            f"the first line is read as column names, although it holds numbers ({examples}); use {if_row} if it is "
            "a row"
        )
    raise ValueError(
        f"{path}: the first line holds numbers ({examples}) and could be column names or a row: use {if_names} if it "
        f"holds column names, {if_row} if it is a row"
    )


def _default_names(last: int) -> str:
    return {0: "x0", 1: "x0 and x1"}.get(last, f"x0 to x{last}")


def _is_name(field: str, column: pa.ChunkedArray) -> bool | None:
    """Return whether a field of the first line is the name of the column below it; None if this cannot be decided."""
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
    """Return whether the numbers are consecutive, as in column names 0, 1, 2 or 2001, 2002, 2003."""
    values = [float(text) for text in numbers if is_number(text)]
    return len(values) >= _COUNTING and bool(np.all(np.diff(values) == 1))


def _like_value(text: str) -> bool:
    """Return whether the text is a number or a mark for a missing value."""
    return _like_number(text) or is_missing(text)


def _like_number(text: str) -> bool:
    """Return whether the text is a number, possibly with a decimal comma."""
    return is_number(text.replace(",", "."))


def _delimiter(line: str) -> str:
    """Return the most frequent delimiter; a space counts only between numbers, a decimal comma does not count."""
    candidates = [",", "\t", ";", "|"]
    if ";" in line and all(map(_like_number, line.split(";"))):
        return ";"
    unquoted = re.sub(r'"[^"]*"', "", line)  # the csv module rejects fields over 128 KiB
    counts = [unquoted.count(delimiter) for delimiter in candidates]
    if max(counts) > 0:
        return candidates[int(np.argmax(counts))]
    return " " if " " in line and all(is_number(word) for word in line.split(" ")) else ","


def _compression(path: str, source: str | bytes) -> str | None:
    suffix = PurePath(path).suffix.lower()
    if suffix in COMPRESSED:
        return COMPRESSED[suffix]
    with _opened(source, None) as stream:
        first = stream.read(max(map(len, _MAGIC)))
    return next((name for magic, name in _MAGIC.items() if first.startswith(magic)), None)


def _opened(source: str | bytes, compression: str | None) -> pa.NativeFile:
    return pa.input_stream(source if isinstance(source, str) else pa.py_buffer(source), compression=compression)
