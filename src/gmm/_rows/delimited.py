"""Reading of delimited text: detects compression, encoding, delimiter and column names, and how numbers are written.

All at once as a table, or block by block.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from itertools import islice
from pathlib import PurePath
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from gmm._rows.formats import COMPRESSED, DECIMALS, TextFormat, Words
from gmm._rows.tables import Batches, Column, Columns, Obstacle, Part, is_text, native_file
from gmm._text.words import counted, quoted

MISSING = (*pa.csv.ConvertOptions().null_values, "?", "None", "<NA>")
_SPACES = " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"
_GROUPED_BY = ("'", "’", *_SPACES)
_SIGNS = "$€£¥%"  # before or behind all numbers of a column, or none
_SIGN = re.compile(rf"^([+-]?)[{_SIGNS}][{_SPACES}]?|[{_SPACES}]?[{_SIGNS}]$")
_MARKS = dict(zip(DECIMALS, ("points", "commas"), strict=True))
_LETTERS_SHOWN, _NAMED = 24, 12  # letters of a text, and texts, that a message shows


def remedy_of(obstacle: Obstacle, words: Words) -> str:
    """Say how to read a column in spite of its obstacle."""
    if not obstacle.mostly_numbers:
        return ""
    plain = {text: _SIGN.sub(r"\1", text) for text in obstacle.texts}
    texts = [text for text in obstacle.texts if not _NUMBER[obstacle.decimal].search(plain[text])]
    if not texts:
        what = f"write {obstacle.sign}" if obstacle.sign else "write the same sign"
        return f"{what} beside every number of the column, or none"
    for mark, name in _MARKS.items():
        if all(_NUMBER[mark].search(plain[text]) for text in texts):
            return f"use {words.decimal.format(mark)} if {name} are decimal"
    more = " and more" if len(obstacle.texts) > _NAMED else ""
    stands = "these stand for missing values" if len(texts) > 1 else "that stands for a missing value"
    named = "".join(map(words.each.format, texts[:_NAMED])).rstrip(", ")
    return f"use {words.missing.format(named)}{more} if {stands}"


def is_number(text: str) -> bool:
    """Return whether Python can convert the text to a float."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_missing(text: str) -> bool:
    """Return whether the text is empty or stands for a missing value, such as NA."""
    return text.strip() in MISSING


def _like_number(text: str) -> bool:
    """Return whether the text is a number with either decimal mark."""
    return any(pattern.search(_SIGN.sub(r"\1", text.strip())) for pattern in _NUMBER.values())


def _matching(texts: Any, pattern: str) -> Any:
    return pc.fill_null(pc.match_substring_regex(texts, pattern), False)


def _without_signs(texts: Any) -> Any:
    return pc.replace_substring_regex(texts, _SIGN.pattern, r"\1")


class _Numbers(NamedTuple):
    """A table in which columns of text that hold numbers are numbers.

    Parameters
    ----------
    table : pyarrow.Table
    obstacles : dict of str to Obstacle
        Of columns that are still text.
    signs : dict of str to str
        What numbers of columns that were text have beside them.
    examples : tuple of (str, str)
        Columns of those whose numbers have separated thousands or signs, and how one is read.
    """

    table: pa.Table
    obstacles: dict[str, Obstacle]
    signs: dict[str, str]
    examples: tuple[tuple[str, str], ...]


def _obstacle(column: Any, numbers: Any, unreadable: Any, decimal: str, sign: str) -> Obstacle:
    texts = pc.utf8_trim_whitespace(column)
    plain = _without_signs(texts)
    n_numbers, n_unreadable = len(numbers) - numbers.null_count, pc.sum(unreadable).as_py()
    like = pc.or_(*(_matching(plain, pattern.pattern) for pattern in _NUMBER.values()))
    n_other = pc.sum(pc.and_(unreadable, like)).as_py()
    row = pc.index(unreadable, True).as_py()
    return Obstacle(
        f"text {_shortened(texts[row].as_py())} in row {row + 1}",
        _different(texts, unreadable),
        n_numbers + n_other > n_unreadable - n_other,
        decimal,
        sign,
    )


def _different(texts: Any, chosen: Any) -> tuple[str, ...]:
    """Return the different ones of the chosen texts, without the blanks around them: as many as messages need."""
    return tuple(pc.unique(pc.utf8_trim_whitespace(pc.filter(texts, chosen))).slice(0, _NAMED + 1).to_pylist())


def _shortened(text: str) -> str:
    return repr(text if len(text) <= _LETTERS_SHOWN else text[: _LETTERS_SHOWN - 1] + "…")


def _grouping(decimal: str) -> str:
    """Return the marks that may separate thousands, for a class of a regular expression."""
    return "".join((*(mark for mark in DECIMALS if mark != decimal), *_GROUPED_BY))


def _number(decimal: str) -> re.Pattern[str]:
    groups = "|".join(rf"(?:{re.escape(mark)}\d{{3}})+" for mark in _grouping(decimal))
    whole, mark = rf"(?:\d+|[1-9]\d{{0,2}}(?:{groups}))", re.escape(decimal)
    finite = rf"(?:{whole}(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?"
    return re.compile(rf"^[+-]?(?:{finite}|(?i:inf|infinity|nan))$")


_NUMBER = {decimal: _number(decimal) for decimal in DECIMALS}


_SIGNATURES = {  # and what to do
    b"PK\x03\x04": "a ZIP archive, such as .xlsx or .ods: save the table as CSV",
    b"\xd0\xcf\x11\xe0": "an old Office file, such as .xls: save the table as CSV",
    b"\x89PNG": "a PNG picture: name a table",
    b"\xff\xd8\xff": "a JPEG picture: name a table",
    b"%PDF-": "a PDF document: name a table",
    b"PAR1": "Parquet: end its name in .parquet",
}


class QuotedText(io.RawIOBase):
    """A stream of text that fails at a field that begins with a quote and does not end with one.

    Parameters
    ----------
    stream : binary file
    name : str
        Of the text, for messages.
    delimiter : str
    columns : sequence of str

    Raises
    ------
    ValueError
        When such a field is read.
    """

    def __init__(self, stream: Any, name: str, delimiter: str, columns: Sequence[str]) -> None:
        self._stream, self._name, self._columns = stream, name, columns
        mark = re.escape(delimiter)
        end, begin, quoted = rf"[{mark}\r\n]", rf"(?<![^{mark}\r\n])", r'"[^"]*+(?:""[^"]*+)*+"'
        inside = rf'(?<=[^{mark}\r\n])"'  # of a field without quotes around it
        # The first of these is a case of the last, without which files with many quotes take four times as long.
        several = rf'{begin}(?:"[^"]*+"{end})++|{inside}|{quoted}(?= *(?:{end}|\Z))'
        self._fields = re.compile(rf'(?:[^"]*+(?:{several}))*+[^"]*+'.encode())
        self._quoted, self._end = re.compile((begin + quoted).encode()), re.compile(rf"{mark}|([\r\n])".encode())
        self._rest, self._line, self._column = b"", 1, 0  # what is not looked at yet, and where it begins

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read bytes, as they are: as many, or up to the end."""
        text: bytes = self._stream.read(size)
        while len(text) < size and (more := self._stream.read(size - len(text))):
            text += more
        rest, at_end = self._rest + text, len(text) < size or size < 0
        n_whole = len(rest) if at_end else rest.rfind(b"\n") + 1 or rest.rfind(b"\r", 0, -1) + 1
        lines = rest[:n_whole]
        n_fields = n_whole  # or where a field begins with a quote and has no end
        if b'"' in lines:
            signature = len(codecs.BOM_UTF8) if lines.startswith(codecs.BOM_UTF8) else 0
            fields = self._fields.match(lines, signature)
            n_fields = n_whole if fields is None else fields.end()
        if n_fields < n_whole and (at_end or self._quoted.match(lines, n_fields)):
            self._fail(lines, n_fields)
        self._advance(lines, n_fields)
        self._rest = rest[n_fields:]
        return text

    def close(self) -> None:
        """Close the stream too."""
        self._stream.close()
        super().close()

    def _advance(self, lines: bytes, n: int) -> None:
        """Go to the n-th byte."""
        if n == len(lines):
            self._column = 0
        else:
            for end in self._end.finditer(self._quoted.sub(b"", lines[:n])):
                self._column = 0 if end[1] else self._column + 1
        self._line += lines.count(b"\n", 0, n) or lines.count(b"\r", 0, n)

    def _fail(self, lines: bytes, n: int) -> None:
        self._advance(lines, n)
        field = lines[n:].decode("utf-8", "replace").splitlines()[0]
        column = self._columns[self._column] if self._column < len(self._columns) else f"x{self._column}"
        column = column.partition("\n")[0]
        raise ValueError(
            f"{self._name}: line {self._line}, column {column!r}: expected a field that ends with a quote, as it "
            f"begins with one, got {_shortened(field)}: put a quote where it ends, and write quotes inside of it twice"
        )


_EXAMPLES = 3  # texts that a note shows
_COUNTING = 3  # at least this many consecutive integers look like column names: 0, 1, 2 or 2001, 2002, 2003


def _is_name(field: str, column: pa.ChunkedArray, missing: Sequence[str]) -> bool | None:
    """Return whether a field of the first line is the name of the column below it; None if this cannot be decided."""
    if _like_value(field, missing) or pa.types.is_null(column.type) or pa.types.is_binary(column.type):
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


def _like_value(text: str, missing: Sequence[str]) -> bool:
    """Return whether the text is a number or a mark for a missing value."""
    return _like_number(text) or text.strip() in missing


T = TypeVar("T")

_BLANKS = tuple(" " * length for length in range(1, 9))
_FAULTS = (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError, csv.Error, OSError)
_CUT, _NOT_UTF_8 = "straddl", "invalid UTF8"  # pyarrow's words for a line that no block holds, and other encodings
_FIELD = re.compile(r"In CSV column #(\d+): Row #(\d+): CSV conversion error to \w+: invalid value '(.*)'", re.DOTALL)
_BLOCK, _LARGEST_BLOCK = 1 << 20, 1 << 30  # bytes; a block of pyarrow's reader must hold a whole line
_THREADS = int(pa.__version__.partition(".")[0]) >= 23  # before, they wait for each other for ever after an error
_NO_UTF_8 = "the text is not UTF-8, so it is read as Latin-1 (Windows-1252)"
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh91AY&SY": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
_STORED_TEXT_AT_ONCE = 1 << 20  # bytes
UTF_8, _WESTERN, LATIN_1 = "utf8", "cp1252", "latin-1"


def text_part(name: str, source: str | bytes, text_format: TextFormat, *, whole: bool = False) -> Part:
    """Open delimited text, in which a value that is no number is an error that tells its line.

    Parameters
    ----------
    name : str
        For messages; its suffix gives the compression.
    source : str or bytes
        The path, or the content of a file that can be read only once.
    text_format : TextFormat
        What the user says of the text.
    whole : bool, default=False
        Look at the whole text and keep its numbers in memory; by default the first block stands for the whole.

    Raises
    ------
    ValueError
        If the text is not a table, or may be read in several ways.
    """
    place = _Place(name, source, text_format)
    try:
        text, said = _Text.begun(place, whole=whole)
        below_names = cache(partial(text.parsed, None))
        has_names, note = text.has_names(below_names)
        names = None if has_names else text.default_names
        table = below_names() if has_names else text.parsed(names)
        if any(map(pa.types.is_binary, table.schema.types)):  # behind the beginning, it is no UTF-8
            text, said = text._replace(encoding=LATIN_1), (*said, _NO_UTF_8)
            table = text.parsed(names)
        numbers = text.numbers_in(table)
    except _FAULTS as error:
        raise ValueError(f"{name} is not a table: {place.reason(error)}") from error
    schema = numbers.table.schema
    reader = _Reader(text, names, schema.names, numbers.signs)
    part = Part(
        name,
        pa.schema([(name, pa.float64()) for name in schema.names]),
        reader.batches,
        said=(*said, note) if note else said,
        examples=numbers.examples,
        texts=reader.texts,
        guessed={field.name: Column(field.type, numbers.obstacles.get(field.name)) for field in schema},
    )
    return part._replace(schema=schema, batches=partial(_batches_of, numbers.table)) if whole else part


def _batches_of(table: pa.Table, columns: Columns, at_once: int) -> Batches:
    yield from table.select(columns).to_batches()


class _Reader:
    """Reads text from its first row on, again and again."""

    def __init__(self, text: _Text, names: Columns | None, columns: Columns, signs: Mapping[str, str]) -> None:
        self._text, self._names, self._columns, self._signs = text, names, columns, signs

    def batches(self, columns: Columns, at_once: int) -> Batches:
        """Read the columns as numbers."""
        n_rows = 0
        types = {name: pa.string() if name in self._signs else pa.float64() for name in columns}
        for batch in self._batches(types, self._text.absent):
            numbers = list(batch.columns)
            for j, (name, column) in enumerate(zip(batch.schema.names, batch.columns, strict=True)):
                if name in self._signs:
                    numbers[j], unreadable, _ = self._text.as_numbers(column, self._signs[name])
                    row = pc.index(unreadable, True).as_py()
                    if row >= 0:
                        raise self._no_number(name, f"row {n_rows + row + 1}", column[row].as_py())
            yield pa.RecordBatch.from_arrays(numbers, names=batch.schema.names)
            n_rows += len(batch)

    def texts(self, columns: Columns) -> Batches:
        """Read the columns as they are written; an empty field is null."""
        return self._batches(dict.fromkeys(columns, pa.string()), [""])

    def _batches(self, types: Mapping[str, pa.DataType], missing: Sequence[str]) -> Batches:
        text, n_rows, is_read = self._text, 0, False
        try:
            while not is_read:
                try:
                    for batch in text.batches(self._names, types, missing, n_rows):
                        yield batch
                        n_rows += len(batch)
                    self._text, is_read = text, True
                except pa.ArrowInvalid as error:
                    text = text.read_otherwise(error)
        except _FAULTS as error:
            field = _FIELD.search(str(error))
            if field is not None and int(field[1]) < len(self._columns):
                line = self._text.place.line_of(int(field[2]))
                raise self._no_number(self._columns[int(field[1])], f"line {line}", field[3]) from error
            raise ValueError(f"{self._text.place.name}: {self._text.place.reason(error)}") from error

    def _no_number(self, name: str, where: str, text: str) -> ValueError:
        """Return the error for a text in a column of numbers; its advice is for all others of the column as well."""
        texts, sign = {text.strip(): None}, self._signs.get(name, "")
        with suppress(ValueError):  # of the rest of the file
            for batch in self.texts([name]):
                _, unreadable, _ = self._text.as_numbers(batch.column(0), sign)
                texts |= dict.fromkeys(_different(batch.column(0), unreadable))
        words = self._text.place.text_format.words
        remedy = remedy_of(Obstacle("", tuple(texts), True, self._text.decimal, sign), words)
        return ValueError(
            f"{self._text.place.name}: {where}, column {name!r}: expected a number, got {text!r}; {remedy}; "
            f"{words.columns} names the columns to use"
        )


class _Place(NamedTuple):
    """Where a text is, and what the user says of it."""

    name: str  # for messages
    source: str | bytes
    text_format: TextFormat

    def lines(self) -> Any:
        """Open the text without the lines that are no part of the table."""
        compression = COMPRESSED.get(PurePath(self.name).suffix.lower())
        if compression is None:
            with native_file(self.source) as stored:
                first = stored.read(max(map(len, _MAGIC)))
            compression = next((name for magic, name in _MAGIC.items() if first.startswith(magic)), None)
        stream = pa.input_stream(native_file(self.source), compression=compression)
        skip, comment = self.text_format.skip, self.text_format.comment
        return _KeptLines(stream, skip, comment) if skip or comment else stream

    def line_of(self, number: int) -> int:
        """Return which line of the file one is, given its number among those that are not empty."""
        with self.lines() as stream:
            lines = enumerate(io.TextIOWrapper(stream, LATIN_1, newline=""), 1)
            return next(islice((i for i, line in lines if line.strip("\r\n")), number - 1, None), number)

    def reason(self, error: Exception) -> str:
        """Word the errors of a line with too few or too many fields; return others as they are."""
        text = str(error)
        if _CUT in text:
            return f"a line is longer than {_LARGEST_BLOCK:,} bytes: look for a missing line feed or quote"
        if absent := re.search(r"Column (.*) in include_columns does not exist", text):
            return f"no column {absent[1]} in it any more"
        uneven = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", text)
        if uneven is None:
            return text
        number, expected, n_fields = map(int, uneven.groups())
        fields = f"line {self.line_of(number)} has {counted(n_fields, 'field')}, expected {expected}"
        return f"{fields}: {self.text_format.words.lines}"


class _Text(NamedTuple):
    """Delimited text and how it is written, before it is parsed."""

    place: _Place
    encoding: str
    line: str  # the first record that is not empty
    delimiter: str
    block: int  # bytes, which hold a whole line
    whole: bool  # or the first block stands for it
    decimal: str = "."

    @classmethod
    def begun(cls, place: _Place, *, whole: bool) -> tuple[Self, tuple[str, ...]]:
        """Look at the beginning of a text; return also what to tell of it.

        Raises
        ------
        ValueError
            If it is no text, or its decimal mark cannot be told.
        """
        said, path, text_format = [], place.name, place.text_format
        with place._replace(text_format=TextFormat()).lines() as stream:
            opening = stream.read(_BLOCK)
        for signature, what in _SIGNATURES.items():
            if opening.startswith(signature):
                raise ValueError(f"{path} is not text but {what}")
        with place.lines() as stream:
            beginning = stream.read(_BLOCK)
        encoding = _encoding_of(beginning)
        if encoding != UTF_8:
            said.append(_NO_UTF_8)
        with place.lines() as stream:
            # Lines end with LF, CR or both, which stay in a quoted name; a line may have any length.
            unsigned = "utf-8-sig" if encoding == UTF_8 else encoding  # without the mark that UTF-8 may begin with
            lines = io.TextIOWrapper(stream, unsigned, "replace", newline="")
            first = next((line for line in lines if line.strip("\r\n")), "")
            while first.count('"') % 2 and len(first) < _BLOCK and (more := next(lines, None)) is not None:
                first += more
            below = next((line for line in lines if line.strip("\r\n")), "").rstrip("\r\n")
            first = first.rstrip("\r\n")
        if "\0" in first:
            raise ValueError(f"{path} is not UTF-8 text: it holds zero bytes, as in UTF-16. Convert it to UTF-8")
        block = min(max(_BLOCK, 8 * len(first)), _LARGEST_BLOCK)
        delimiter, mark = text_format.delimiter or _delimiter(first, below), text_format.decimal or "."
        text = cls(place, encoding, first, delimiter, block, whole, mark)
        # Without these marks, no field has decimal commas, or points that separate thousands before them.
        marks = {",": b'"', ";": b",."}.get(delimiter, b",")
        if text_format.decimal is None and any(mark in beginning for mark in marks):
            mark = text.decimal_mark()
            if mark == ",":
                said.append(f"commas are read as decimal; use {text_format.words.decimal.format('.')} if they are not")
            text = text._replace(decimal=mark)
        return text, tuple(said)

    @property
    def missing(self) -> tuple[str, ...]:
        """Texts that stand for a missing value."""
        return (*MISSING, *self.place.text_format.na_values)

    @property
    def absent(self) -> tuple[str, ...]:
        """Texts that stand for a missing value, and blanks."""
        return (*self.missing, *_BLANKS)

    @property
    def fields(self) -> list[str]:
        """What the first line holds."""
        return next(csv.reader([self.line], delimiter=self.delimiter), [])

    @property
    def default_names(self) -> list[str]:
        """Names for columns that have none."""
        return [f"x{j}" for j in range(len(self.fields))]

    def as_numbers(self, column: Any, sign: str | None = None) -> tuple[Any, Any, str]:
        """Read texts as numbers.

        Parameters
        ----------
        column : pyarrow.Array or ChunkedArray of strings
        sign : str, optional
            What each number has beside it, such as $ or %; by default as the first has.

        Returns
        -------
        numbers : as `column`, of float64
            Null where a value is missing or unreadable.
        unreadable : as `column`, of bool
        sign : str
        """
        text = pc.utf8_trim_whitespace(column)
        absent = pc.or_(pc.is_null(text), pc.is_in(text, value_set=pa.array([*self.missing, ""], text.type)))
        if sign is None:
            first = pc.index(absent, False).as_py()
            sign = re.sub(f"[^{_SIGNS}]", "", text[first].as_py()) if first >= 0 else ""
        plain, others = text, absent
        if sign:
            plain = _without_signs(text)
            signs = pc.replace_substring_regex(text, f"[^{_SIGNS}]", "")
            others = pc.or_(absent, pc.fill_null(pc.not_equal(signs, sign), True))
        readable = pc.and_not(_matching(plain, _NUMBER[self.decimal].pattern), others)
        digits = pc.replace_substring_regex(plain, f"[{_grouping(self.decimal)}]", "")
        plain = pc.replace_substring(digits, self.decimal, ".")
        numbers = pc.cast(pc.if_else(readable, plain, pa.scalar(None, text.type)), pa.float64())
        return numbers, pc.invert(pc.or_(readable, absent)), sign

    def numbers_in(self, table: pa.Table) -> _Numbers:
        """Read the columns of text that hold nothing but numbers."""
        obstacles, signs, examples = dict[str, Obstacle](), dict[str, str](), []
        marks = rf"\d[{_grouping(self.decimal)}]\d|[{_SIGNS}]"
        for j, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
            if not is_text(column.type):
                continue
            numbers, unreadable, sign = self.as_numbers(column)
            if pc.any(unreadable).as_py():
                obstacles[name] = _obstacle(column, numbers, unreadable, self.decimal, sign)
                continue
            table, signs[name] = table.set_column(j, name, numbers), sign
            row = pc.index(pc.match_substring_regex(pc.utf8_trim_whitespace(column), marks), True).as_py()
            if row >= 0:
                value = f"{numbers[row].as_py():.15g}"
                examples.append((name, f"{_shortened(column[row].as_py())} of column {name!r} as {value}"))
        return _Numbers(table, obstacles, signs, tuple(examples))

    def has_names(self, read: Callable[[], pa.Table]) -> tuple[bool, str]:
        """Decide whether the fields of the first line are column names; a wrong guess would lose a row or add one.

        `read` returns the table below the first line.
        """
        header, words = self.place.text_format.header, self.place.text_format.words
        if header is not None:
            return header, ""
        fields, missing = self.fields, self.missing
        numbers = [field for field in fields if field.strip() and _like_value(field, missing)]
        if not numbers:
            return True, ""
        last, holds_numbers = len(fields) - 1, f"holds numbers ({quoted(numbers, _EXAMPLES)})"
        named = {0: "x0", 1: "x0 and x1"}.get(last, f"x0 to x{last}")
        row = (
            f"the first line {holds_numbers}, so it is read as a row and the columns are named {named}; use "
            f"{words.named} if it holds column names"
        )
        if all(_like_value(field, missing) for field in fields) and not _count_up(numbers):
            return False, row
        body = read()
        verdicts = {_is_name(*pair, missing) for pair in zip(body.column_names, body.columns, strict=True)} - {None}
        if verdicts == {True}:
            return True, ""
        if verdicts == {False}:
            return False, row
        alike = len(numbers) == len(body.columns) and all(map(pa.types.is_integer, body.schema.types))
        if not verdicts and (2 * len(numbers) <= len(fields) or (_count_up(numbers) and not alike)):
            names = f"the first line is read as column names, although it {holds_numbers}"
            return True, f"{names}; use {words.unnamed} if it is a row"
        raise ValueError(
            f"{self.place.name}: the first line {holds_numbers} and could be column names or a row: use {words.named} "
            f"if it holds column names, {words.unnamed} if it is a row"
        )

    def decimal_mark(self) -> str:
        """Return the decimal mark that the columns show of which most values are numbers, a point where none does.

        Raises
        ------
        ValueError
            If commas, or points beside semicolons, may be decimal marks or separate thousands, or columns disagree.
        """
        shown: dict[str, str] = {}  # what each mark is shown by, and what may be either
        # Points are likely to separate thousands in tables of countries with decimal commas.
        marks, words = "[.,]" if self.delimiter == ";" else ",", self.place.text_format.words
        table = self.with_whole_lines(lambda text: text._first_block(None, dict.fromkeys(text.fields, pa.string())))
        for name, column in zip(table.column_names, table.columns, strict=True):
            text = _without_signs(pc.utf8_trim_whitespace(column))
            point, comma = (_matching(text, _NUMBER[mark].pattern) for mark in DECIMALS)
            present = pc.invert(pc.fill_null(pc.is_in(text, value_set=pa.array([*self.missing, ""], text.type)), True))
            if 2 * (pc.sum(pc.or_(point, comma)).as_py() or 0) <= (pc.sum(present).as_py() or 0):
                continue
            either = pc.and_(pc.and_(point, comma), _matching(text, marks))
            evidence = {".": pc.and_not(point, comma), ",": pc.and_not(comma, point), "either": either}
            for mark, rows in evidence.items():
                row = pc.index(rows, True).as_py()
                if row >= 0:
                    shown.setdefault(mark, f"{_shortened(text[row].as_py())} in row {row + 1}, column {name!r}")
        use = {mark: words.decimal.format(mark) for mark in DECIMALS}
        if "." in shown and "," in shown:
            raise ValueError(
                f"decimal points ({shown['.']}) and commas ({shown[',']}): use {' or '.join(use.values())} to say "
                "which are decimal"
            )
        if "either" in shown and not ("." in shown or "," in shown):
            mark, other = ",." if "," in shown["either"].partition(" in row ")[0] else ".,"
            raise ValueError(
                f"{shown['either']}, may have a decimal mark or separate thousands: use {use[mark]} if {_MARKS[mark]} "
                f"are decimal, {use[other]} if they separate thousands"
            )
        return "," if "," in shown else "."

    def read_otherwise(self, error: pa.ArrowInvalid) -> Self:
        """Return the text in larger blocks or in Latin-1 if that may mend the error, which is raised else."""
        if _CUT in str(error) and self.block < _LARGEST_BLOCK:
            return self._replace(block=min(8 * self.block, _LARGEST_BLOCK))
        if _NOT_UTF_8 in str(error) and self.encoding == UTF_8:
            return self._replace(encoding=LATIN_1)
        raise error

    def with_whole_lines(self, read: Callable[[Self], T]) -> T:
        """Return what a function reads of the text, in larger blocks while one holds no whole line."""
        try:
            return read(self)
        except pa.ArrowInvalid as error:
            other = self.read_otherwise(error)
        return other.with_whole_lines(read)

    def parsed(self, names: Columns | None) -> pa.Table:
        """Return the table with these names of columns, or with those in the first line."""
        return self.with_whole_lines(lambda text: text._read(names) if text.whole else text._first_block(names, {}))

    def batches(
        self, names: Columns | None, types: Mapping[str, pa.DataType], missing: Sequence[str], n_before: int
    ) -> Batches:
        """Read the columns of these types from the row on that `n_before` come before."""
        with self._stream() as stream:
            for batch in pa.csv.open_csv(stream, **self._options(names, missing, types)):
                if len(batch) > n_before:
                    yield batch.slice(n_before)
                n_before = max(0, n_before - len(batch))

    def _first_block(self, names: Columns | None, types: Mapping[str, pa.DataType]) -> pa.Table:
        """Return the first block, of the columns of these types alone if there are any."""
        with self._stream() as stream:
            reader = pa.csv.open_csv(stream, **self._options(names, self.absent, types))
            return pa.Table.from_batches(islice(reader, 1), reader.schema)

    def _read(self, names: Columns | None, *, use_threads: bool = _THREADS) -> pa.Table:
        try:
            with self._stream() as stream:
                return pa.csv.read_csv(stream, **self._options(names, self.absent, {}, use_threads=use_threads))
        except pa.ArrowInvalid:
            if not use_threads:
                raise
        return self._read(names, use_threads=False)  # only then does the error give the line

    def _stream(self) -> pa.NativeFile:
        # Of columns in messages alone: `has_names` cannot decide yet, as it reads the table by this stream.
        has_names = self.place.text_format.header is not False and not any(map(is_number, self.fields))
        names = self.fields if has_names else self.default_names
        return pa.PythonFile(QuotedText(self.place.lines(), self.place.name, self.delimiter, names), mode="r")

    def _options(
        self,
        names: Columns | None,
        missing: Sequence[str],
        types: Mapping[str, pa.DataType],
        *,
        use_threads: bool = False,
    ) -> dict[str, Any]:
        """Return how pyarrow reads the text, of the columns of these types alone if there are any."""
        reading = {"block_size": self.block, "use_threads": use_threads, "encoding": self.encoding}
        values = {"null_values": list(missing), "strings_can_be_null": True, "decimal_point": self.decimal}
        return {
            "read_options": pa.csv.ReadOptions(column_names=names, **reading),
            "parse_options": pa.csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
            "convert_options": pa.csv.ConvertOptions(column_types=types, include_columns=list(types), **values),
        }


class _KeptLines(io.RawIOBase):
    """A text in which the first lines, and those that begin with `comment`, are empty; others keep their numbers."""

    def __init__(self, stream: pa.NativeFile, skip: int, comment: str) -> None:
        self._stream, self._skip = stream, skip
        mark = re.escape(comment.encode())
        self._comments = re.compile(rb"(?<![^\r\n])(?:\xef\xbb\xbf)?" + mark + rb"[^\r\n]*") if comment else None
        self._ready, self._rest = b"", b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read as many bytes, or up to the end."""
        more = b"-"
        while more and (size < 0 or len(self._ready) < size):
            more = self._stream.read(_STORED_TEXT_AT_ONCE)
            text = self._rest + more
            n = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1 if more else len(text)
            self._ready, self._rest = self._ready + self._kept(text[:n]), text[n:]
        text, self._ready = (self._ready, b"") if size < 0 else (self._ready[:size], self._ready[size:])
        return text

    def _kept(self, lines: bytes) -> bytes:
        if self._skip:
            every = lines.splitlines(keepends=True)
            n = min(self._skip, len(every))
            self._skip, lines = self._skip - n, b"\n" * n + b"".join(every[n:])
        return lines if self._comments is None else self._comments.sub(b"", lines)


def _encoding_of(beginning: bytes) -> str:
    """Return UTF-8, or what text that is none is most likely to be."""
    for encoding in (UTF_8, _WESTERN):
        try:
            codecs.getincrementaldecoder(encoding)().decode(beginning)
        except UnicodeDecodeError:
            continue
        return encoding
    return LATIN_1


def _delimiter(line: str, below: str) -> str:
    """Return the most frequent delimiter of the first line, or one that is as frequent in the line below.

    A space counts only between numbers, and a decimal comma does not count.
    """
    candidates = ["\t", ";", "|", ","]
    for text in (line, below):
        for mark in candidates[:-1]:
            if mark in text and all(map(_like_number, text.split(mark))):
                return mark
    counts, others = (
        [re.sub(r'"[^"]*"', "", text).count(mark) for mark in candidates]  # csv rejects fields over 128 KiB
        for text in (line, below)
    )
    alike = [count * (count == other) for count, other in zip(counts, others, strict=True)]
    if max(counts) > 0:
        return candidates[int(np.argmax(alike if any(alike) else counts))]
    return " " if " " in line and all(is_number(word) for word in line.split(" ")) else ","
