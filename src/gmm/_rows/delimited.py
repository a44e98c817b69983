"""Reading of delimited text: detects compression, encoding, delimiter and column names, and the notation of numbers.

All at once as a table, or block by block.
"""

from __future__ import annotations

import csv
import io
import re
import weakref
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from itertools import accumulate, islice, pairwise, takewhile
from pathlib import PurePath
from traceback import clear_frames
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from gmm._rows.formats import COMPRESSED, DECIMALS, TextFormat
from gmm._rows.tables import Batches, Column, Columns, Obstacle, Part, is_numeric, is_text, native_file
from gmm._rows.text_stream import (
    BLOCK,
    FAULTS,
    LARGEST_BLOCK,
    UTF_8,
    TextStream,
    await_end,
    end_reading,
    shortened,
)
from gmm._text.words import counted, quoted

MISSING = (
    *pa.csv.ConvertOptions().null_values,
    "?",
    "None",
    "<NA>",
    "\\N",
    "--",
    *(" " * length for length in range(1, 9)),
)
_SPACES = " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"
_SIGNS = "$€£¥%"  # before or after all numbers of a column, or none
_SIGN = re.compile(rf"^([+-]?)[{_SIGNS}][{_SPACES}]?|[{_SPACES}]?[{_SIGNS}]$")
_DASHES = "\N{MINUS SIGN}\N{EN DASH}"
_MINUS = re.compile(rf"^([{_SIGNS}]?)\((.*\d.*)\)$|^[{_DASHES}](.*)$|^(\d.*[.,]\d+)-$")  # (3.50), −3.50 and 3.50-
_ERROR = re.compile(r"#(N/A|DIV/0!|VALUE!|REF!|NAME\?|NUM!|NULL!)")  # of Excel, instead of a value
_LIMIT = re.compile(r"[<>≤≥]|(n\.? ?d\.?|b\.?d\.?l\.?|l\.?o\.?d\.?)$", re.IGNORECASE)  # of detection
_SEPARATOR = re.compile('"?sep=(.)"?[;,\t ]*', re.IGNORECASE)  # Excel's first line
_NAMED, _EXAMPLES = 12, 3  # texts, and numbers, that a message shows
_SHOWING_UNITS = 1000  # rows
_SHOWING_ORDER = 10  # rows
_COUNTING = 3  # at least this many consecutive integers look like column names: 0, 1, 2 or 2001, 2002, 2003
_CUT = "straddl"  # pyarrow's word for a line longer than a block
_FIRST_LINES = 100  # by which the format of a text is detected
_FIELD = re.compile(r"In CSV column #(\d+): Row #(\d+): CSV conversion error to \w+: invalid value '(.*)'", re.DOTALL)
_THREADS = int(pa.__version__.partition(".")[0]) >= 23  # before, they wait for each other for ever after an error
_MAGIC = {b"\x1f\x8b\x08": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f": "zstd"}


def _number(decimal: str) -> re.Pattern[str]:
    groups = "|".join(rf"(?:{re.escape(mark)}\d{{3}})+" for mark in _grouping(decimal))
    groups += r"|(?:,\d{2})+,\d{3}" if decimal == "." else ""  # of India
    whole, mark = rf"(?:\d+|[1-9]\d{{0,2}}(?:{groups}))", re.escape(decimal)
    finite = rf"(?:{whole}(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?"
    return re.compile(rf"^[+-]?(?:{finite}|(?i:inf|infinity|nan))$")


def _grouping(decimal: str) -> str:
    """Return the marks that may separate thousands, for a class of a regular expression."""
    return "".join(mark for mark in (*DECIMALS, "'", "’", *_SPACES) if mark != decimal)


_NUMBER = {decimal: _number(decimal) for decimal in DECIMALS}


def _like_number(text: str) -> bool:
    """Return whether the text is a number with either decimal mark and any sign."""
    return any(pattern.search(_bare(text)) for pattern in _NUMBER.values())


def _bare(text: str) -> str:
    """Return a number without blanks around it and without signs, with its minus first."""
    return _SIGN.sub(r"\1", _with_hyphen(text))


def _with_hyphen(text: str) -> str:
    """Return a number without blanks around it, with its minus as a hyphen first."""
    return _MINUS.sub(r"-\1\2\3\4", text.strip())


def _matching(texts: Any, pattern: str) -> Any:
    return pc.fill_null(pc.match_substring_regex(texts, pattern), False)


def _count(chosen: Any) -> int:
    return pc.sum(chosen, min_count=0).as_py()


def _surplus(texts: Any, numbers: Any, unreadable: Any) -> int:
    """Return how many more texts are numbers, with either decimal mark and any sign, than are words."""
    like = pc.or_(*(_matching(_plain(texts), pattern.pattern) for pattern in _NUMBER.values()))
    return len(numbers) - numbers.null_count + _count(unreadable) - 2 * _count(pc.and_not(unreadable, like))


def _different(texts: Any, chosen: Any) -> list[str]:
    """Return the different ones of the chosen texts, without the blanks around them: as many as messages need."""
    return pc.unique(pc.utf8_trim_whitespace(pc.filter(texts, chosen))).slice(0, _NAMED + 1).to_pylist()


def _plain(texts: Any) -> Any:
    """Return texts as `_bare` returns one."""
    with_minus = pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), _MINUS.pattern, r"-\1\2\3\4")
    return pc.replace_substring_regex(with_minus, _SIGN.pattern, r"\1")


def _is_printable(text: str) -> bool:
    """Return whether a text is the same in quotes, as messages show it."""
    return text.isprintable() and "\\" not in text


def _is_name(field: str, column: pa.ChunkedArray) -> bool | None:
    """Return whether a word in the first line is the name of the column below it; None if this cannot be decided."""
    if pa.types.is_null(column.type):
        return None
    if is_text(column.type):
        return False if pc.any(pc.equal(column, field)).as_py() else None
    with suppress(pa.ArrowInvalid):
        pa.array([field]).cast(column.type)
        return False  # such as a date above dates
    return True  # text above numbers


def _delimiter(lines: Sequence[str]) -> str:
    """Return what separates fields in the first two lines that show it: numbers in one of them, or as often in both."""
    plain = re.sub(r'"[^"]*"', "_", "\n".join(lines)).split("\n")
    pairs = [*pairwise(plain)] or [(plain[0], plain[0])]
    if all(map(_has_decimal_commas, pairs[0])):
        return " "
    for pair in pairs:
        best = max("\t;|,", key=partial(_evidence, pair))
        if any(_evidence(pair, best)[:2]):
            return best
        if _are_spaced(*pair, is_row=pair is pairs[0]):
            return " "
    return max(",\t;|", key=partial(_evidence, pairs[0]))


def _has_decimal_commas(line: str) -> bool:
    """Return whether a line is made of numbers between blanks, maybe behind a label, of which some have a comma."""
    label, *fields = line.split() if "," in line else [""]
    fields = fields if not _like_number(label) else [label, *fields]
    inside = [re.fullmatch(r"[+-]?\d+(,\d+)?", field) for field in fields]
    return len(fields) > 1 and all(inside) and not (_like_number(line) or re.search("[\t;|]", line))


def _evidence(lines: tuple[str, str], mark: str) -> tuple[bool, int, int]:
    numbers = mark != "," and any(mark in line and all(map(_like_number, line.split(mark))) for line in lines)
    counts = [line.count(mark) for line in lines]
    return numbers, counts[0] if counts[0] == counts[1] else 0, counts[0]


def _are_spaced(above: str, below: str, *, is_row: bool) -> bool:
    """Return whether blanks separate numbers, with as many names above them or one less; 1 200 may be one number."""
    first, fields = above.split(), below.split()
    if is_row and len(first) > 1 and all(map(_like_number, first)):
        return True
    n_more, are_numbers = len(fields) - len(first), [*map(_like_number, fields)]
    if n_more not in (0, 1) or len(fields) < 2 or _like_number(below):
        return False
    are_words = not any(map(_like_number, first)) and not re.search(r"[\t;|,]", above + below)
    return all(are_numbers[n_more:]) or (any(are_numbers) and are_words)


def _number_rows(texts: Sequence[str]) -> bool:
    """Return whether texts are 1, 2, … or, if they are many, whole numbers that increase, as of some rows of R."""
    if not all(map(str.isdecimal, texts)):
        return False
    numbers = [*map(int, texts)]
    return numbers == [*range(1, len(numbers) + 1)] or (
        len(numbers) >= _SHOWING_ORDER and all(a < b for a, b in pairwise(numbers))
    )


def _count_up(numbers: Sequence[float]) -> bool:
    return len(numbers) >= _COUNTING and all(b - a == 1 for a, b in pairwise(numbers))


def _may_be_names(fields: Sequence[str]) -> bool:
    """Return whether fields may be names of columns: words, and integers that count up from 1, as on a plate."""
    numbers = [field.strip() for field in fields if _like_number(field)]
    return all(map(str.isdecimal, numbers)) and (not numbers or (numbers[0] == "1" and _count_up([*map(int, numbers)])))


class _Text:
    """Delimited text, and its format."""

    def __init__(self, name: str, source: str | bytes, text_format: TextFormat) -> None:
        self._name, self._source, self._format = name, source, text_format
        self._missing, self._decimal = (*MISSING, *text_format.na_values), text_format.decimal or "."
        self._block, self.encoding = BLOCK, UTF_8
        self._signs: dict[str, str] = {}  # of the numbers of columns that are read as texts
        self._fields: list[str] = []  # of the first line, for messages
        self.names: list[str] | None = None  # unless they are the first line, as pyarrow reads them
        self.remarks = list[str]()  # on lines above the table and names of rows
        self._skip, self._records = text_format.skip, list[tuple[int, list[str]]]()  # the first, with their last lines
        try:
            beginning = self._stream().read(BLOCK)
            texts = re.split("\r\n?|\n", beginning.decode(errors="replace"))
            if len(beginning) == BLOCK and len(texts) > 1:  # the last line is cut
                texts.pop()
            lines = [(i, line) for i, line in enumerate(texts, 1) if line]
            first = lines[0][1] if lines else ""
            if "\0" in first:
                raise ValueError(f"{name} is not UTF-8 text: it contains zero bytes, as in UTF-16. Convert it to UTF-8")
            self._block = min(max(BLOCK, 64 * len(first)), LARGEST_BLOCK)  # for the line of names
            with suppress(csv.Error):  # of fields that pyarrow reads
                self._look_at(lines)
                self._look_at_end(beginning)
        except FileNotFoundError:
            raise
        except FAULTS as error:
            raise self._refusal(error) from error

    def _look_at(self, lines: list[tuple[int, str]]) -> None:
        """Detect in numbered lines the delimiter, the lines above the table, and the names of columns."""
        given = self._format.delimiter
        if lines and (mark := _SEPARATOR.fullmatch(lines[0][1])):
            self._skip, given, lines = lines[0][0], given or mark[1], lines[1:]
        above = [*takewhile(lambda line: line[1].startswith("#") and not _ERROR.match(line[1]), lines)]
        all_lines = lines[len(above) :]
        lines = all_lines[:_FIRST_LINES]
        named = [line.lstrip("# ") for _, line in above[-1:]] if self._format.header is not False else []  # as of numpy
        self._delimiter = given or _delimiter([*named, *(line for _, line in lines), ""])
        names = next(self._split(named), (0, []))[1]
        self._records = [(lines[n - 1][0], fields) for n, fields in self._split([line for _, line in lines])]
        self._skip = above[-1][0] if above else self._skip
        if given is None:
            self._check_commas()
        first = self._records[0][1] if self._records else []
        is_named = len(names) == len(first) and any(map(_like_number, first)) and not any(map(_like_number, names))
        if not is_named:
            names = first
        elif units := self._units_below(above, len(first)):
            names = units
        if n_above := len(above) - is_named:
            verbs = ("starts", "is") if n_above == 1 else ("start", "are")
            self.remarks.append("{} above the table {} with # and {} skipped".format(counted(n_above, "line"), *verbs))
        if self._format.header is False:
            return
        n_lines = 0
        if not is_named:
            self._check_beginning()
            names, n_lines = self._names_in_lines()
        if _may_be_names(names):
            below = [fields for _, fields in self._records[n_lines:]]
            self._fields = self._completed(names, below, [line for _, line in all_lines[n_lines:]])
            if is_named or self._fields != first:
                self.names, self._skip = self._fields, self._records[n_lines - 1][0] if n_lines else self._skip

    def _look_at_end(self, end: bytes) -> None:
        """Count rows without a value at the end; for a large text in its file, which may be compressed."""
        if len(end) == BLOCK:
            stored = native_file(self._source)
            stored.seek(max(0, stored.size() - BLOCK))
            end = stored.read()
        rows = re.split(rb"[\r\n]+", end.rstrip(b"\r\n"))
        is_empty = (not row.strip(f"{self._delimiter} ".encode()) for row in reversed(rows))
        if n := sum(takewhile(bool, is_empty)):
            self.remarks.append(f"{counted(n, 'row')} at the end without a value {'is' if n == 1 else 'are'} dropped")

    def _names_in_lines(self) -> tuple[list[str], int]:
        """Return the names in the first line, and that it is one; or of two lines, and their number.

        pandas writes names with repeated parts in two lines. A blank after such a part repeats it, as in merged cells,
        and a third line may name the index.
        """
        rows = [[field.strip() for field in fields] for _, fields in self._records[:4]]
        first, have_numbers = self._records[0][1] if rows else [], [any(map(_like_number, row)) for row in rows]
        if have_numbers[:2] != [False, False] or not any(have_numbers) or len({*map(len, rows)}) > 1:
            return first, 1
        above, below, third, *_ = rows
        parts = [*filter(None, above)]
        second, pairs = [*filter(None, below)], zip(above[1:], below[1:], strict=True)
        is_merged = len({*second}) < len(second) and any(b and not a for a, b in pairs)
        filled: Iterator[str] = accumulate(above, lambda part, following: following or part)
        names = [f"{a} {b}".strip() if b else c for a, b, c in zip(filled, below, above, strict=True)]
        is_in_lines = len({*parts}) < len(parts) or not (above[0] or below[0]) or is_merged
        if not (is_in_lines and second) or len({*names}) < len(names):
            return first, 1
        self.remarks.append(f"the first two lines contain names of columns ({quoted(names, _EXAMPLES)})")
        return ([third[0], *names[1:]], 3) if not (names[0] or any(third[1:])) else (names, 2)

    def _units_below(self, above: Sequence[tuple[int, str]], width: int) -> list[str]:
        """Return the names above units, if the last two lines that start with # are these.

        Raises
        ------
        ValueError
            If the first of them may be a title.
        """
        lines = [line.lstrip("# ") for _, line in above[-2:]]
        names, *units = [next(self._split([line]), (0, []))[1] for line in lines]
        if not units or len(names) != width or any(map(_like_number, names)):
            return []
        if self._delimiter == " ":
            comment = self._format.words.line.format
            raise ValueError(
                f"{self._name}: lines {above[-2][0]} and {above[-1][0]} could both contain names of columns: if "
                f"{quoted(names)} are, {comment(above[-1][1])}; if {quoted(units[0])} are, {comment(above[-2][1])}"
            )
        self.remarks.append(f"line {above[-1][0]} contains only units, no numbers ({quoted(units[0], _EXAMPLES)})")
        return names

    def _check_beginning(self) -> None:
        """Check that no lines above the table have as many fields as it: then names, and numbers are below.

        Raises
        ------
        ValueError
            If there are such lines.
        """
        rows = [[field.strip() for field in fields] for _, fields in self._records]
        words = [i for i, row in enumerate(rows) if not any(map(_like_number, row)) and len({*row}) == len(row)]
        last = words[-1] if words and all(rows[words[-1]]) else 0
        above, below = rows[:last], rows[last + 1 :]
        is_odd = last > 1 or (last == 1 and any(map(_like_number, above[0])))  # one line of words may be above units
        if not is_odd or len({*map(len, rows)}) > 1 or len(below) < _COUNTING:
            return
        for column in range(len(rows[0])):
            are_numbers = [_like_number(row[column]) for row in below]
            if all(are_numbers) and not (above[1:] and all(_like_number(row[column]) for row in above[1:])):
                remedy = self._format.words.above.format(self._records[last - 1][0])
                raise ValueError(f"{self._name}: {quoted(rows[last])} may be the names of columns: {remedy}")

    def _check_commas(self) -> None:
        """Check that lines are not like 5,25 and 5,03, which may be one number or two.

        Raises
        ------
        ValueError
            If all lines are like this.
        """
        pairs = [fields for _, fields in self._records]
        are_whole = all(len(pair) == 2 and pair[0].lstrip("+-").isdecimal() and pair[1].isdecimal() for pair in pairs)
        odd = [pair for pair in pairs if pair[-1].startswith("0") and len(pair[-1]) > 1]
        if are_whole and odd and self._delimiter == ",":
            mark = self._format.words.delimiter.format
            raise ValueError(
                f"{self._name}: {','.join(odd[0])!r} may be one number or two: use {mark(';')} if commas are decimal, "
                f"{mark(',')} if they separate numbers"
            )

    def _split(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Yield records, with the number of lines up to their ends, except a later one that is incomplete."""
        if self._delimiter == " ":
            lines = (" ".join(line.split()) for line in lines)
        reader = csv.reader((f"{line}\n" for line in lines), delimiter=self._delimiter, skipinitialspace=True)
        for i, fields in enumerate(filter(None, reader)):  # without lines of blanks
            if i == 0 or not fields[-1].endswith("\n"):  # in a quote that has no end yet
                yield reader.line_num, fields

    def _completed(self, names: list[str], rows: list[list[str]], lines: list[str]) -> list[str]:
        """Return a name for each column if lines of names and of rows differ as some programs write them.

        Rows of R start with a row name or number; all rows, or the names, may end with a delimiter.
        """
        widths = {len(row) for row in rows}
        width, n = max(widths, default=len(names)), len(names)
        if widths != {width}:
            return names
        if width > n and not any("".join(fields[n:]).strip() for _, fields in self._split(lines)):
            names = [*names, *[""] * (width - n)]
        elif width == n + 1 and names[0].strip():
            first = [row[0].strip() for row in rows]
            numbers = [field for field in first if _like_number(field)]
            is_distinct = len({*first}) == len(first) or any(map(_like_number, names))  # of rows of a plate not
            are_names = is_distinct and (not numbers or _number_rows(first))
            if are_names and (all(line.startswith('"') for line in lines) or not self._may_be_split(rows)):
                names = ["", *names]
                self.remarks.append(f"the rows start with row names ({first[0]!r}), whose column has no name")
        elif not "".join(names[width:]).strip():
            names = names[:width]
        if width == len(names):
            unnamed = [j for j, name in enumerate(names) if not name.strip()]
            empty = {j for j in unnamed if len(unnamed) > 1 and not any(row[j].strip() for row in rows)}
            names = [f"x{j}" if j in empty else name for j, name in enumerate(names)]
        return names

    def _may_be_split(self, rows: list[list[str]]) -> bool:
        """Return whether two fields side by side may be one number, 15,0 or 1 100."""
        second = {",": r"\d+", " ": r"\d{3}([.,]\d+)?"}.get(self._delimiter)
        return second is not None and any(
            all(re.fullmatch(r"[+-]?\d+", row[j].strip()) and re.fullmatch(second, row[j + 1].strip()) for row in rows)
            for j in range(1, len(rows[0]) - 1)
        )

    def head(self) -> pa.Table:
        """Read the first block, with types by its values."""
        with closing(self.blocks()) as blocks:
            return pa.Table.from_batches([next(blocks)])

    def batches(self, columns: Columns, at_once: int) -> Batches:
        """Read columns as numbers."""
        n_rows = 0
        with closing(self.blocks(columns)) as blocks:
            for batch in blocks:
                numbers, obstacles, _ = self.numbers_in(pa.Table.from_batches([batch]))
                for name, obstacle in obstacles.items():
                    line = self._line_of(n_rows + obstacle.row + (1 if self.names else 2))
                    raise self._no_number(name, line, obstacle.texts[0])
                yield from numbers.to_batches()
                n_rows += len(batch)

    def blocks(
        self, columns: Columns = (), *, texts: bool = False, whole: bool = False
    ) -> Generator[pa.RecordBatch, None, None]:
        """Read columns, as numbers or texts, or all, with types by the first block, or by the whole.

        After a fault that other settings may avoid, read the rest with these.
        """
        n_rows, threads = 0, whole and _THREADS
        while True:
            types = {name: pa.string() if texts or name in self._signs else pa.float64() for name in columns}
            missing = [""] if texts else self._missing
            reading = pa.csv.ReadOptions(column_names=self.names, block_size=self._block, use_threads=threads)
            parsing = pa.csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True)
            values = pa.csv.ConvertOptions(column_types=types, include_columns=list(types), null_values=missing)
            values.strings_can_be_null, values.decimal_point = True, self._decimal
            n_seen, read = 0, pa.csv.read_csv if whole else pa.csv.open_csv
            try:
                stream, reader = self._stream(self._delimiter), None
                used = weakref.ref(stream)
                try:
                    reader = read(pa.PythonFile(stream, mode="r"), reading, parsing, values)
                    reader = reader.to_reader() if whole else reader
                    for batch in reader:
                        self.encoding, n_seen = stream.encoding, n_seen + len(batch)
                        if n_seen > n_rows:
                            n_new, n_rows = n_seen - n_rows, n_seen
                            yield batch.slice(len(batch) - n_new)
                    if not n_rows:
                        yield pa.RecordBatch.from_pylist([], reader.schema)
                    return
                except BaseException as error:
                    clear_frames(error.__traceback__)  # those of the stream hold it
                    raise
                finally:
                    end_reading(reader, stream)
                    del reader, stream
                    await_end(used)
            except FileNotFoundError:
                raise
            except FAULTS as error:
                if threads:
                    threads = False  # only then does the error give the line
                elif _CUT in str(error) and self._block < LARGEST_BLOCK:
                    self._block = min(8 * self._block, LARGEST_BLOCK)
                elif name := self._with_late_marks(error):
                    self._signs[name] = ""
                else:
                    raise self._refusal(error) from error

    def _with_late_marks(self, error: Exception) -> str | None:
        """Return the column of a number after the first block that is only unreadable for its thousands or minus."""
        if (field := _FIELD.search(str(error))) is None:
            return None
        name = (self.names or self.head().column_names)[int(field[1])]
        is_number = _NUMBER[self._decimal].search(_with_hyphen(field[3]))
        return name if name not in self._signs and is_number else None

    def _stream(self, delimiter: str = "") -> Any:
        stored = native_file(self._source)
        magic = stored.read(3)
        compression = _MAGIC.get(magic, COMPRESSED.get(PurePath(self._name).suffix.lower()))
        stored.seek(0)
        text = pa.input_stream(stored, compression=compression)
        if magic[:2] in (b"\xff\xfe", b"\xfe\xff"):
            text = pa.transcoding_input_stream(text, "utf-16", UTF_8)
        return TextStream(text, self._name, delimiter, self._fields, self._skip, self._format.comments)

    def _refusal(self, error: Exception) -> ValueError:
        """Return the error for a text, with the reason and the place."""
        reason, field = str(error), _FIELD.search(str(error))
        if field is not None and int(field[1]) < len(columns := self.names or self.head().column_names):
            return self._no_number(columns[int(field[1])], self._line_of(int(field[2])), field[3])
        if absent := re.search(r"Column (.*) in include_columns does not exist", reason):
            return ValueError(f"{self._name}: no column {absent[1]} in it any more")
        if uneven := re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", reason):
            number, expected, n_fields = map(int, uneven.groups())
            line = self._line_of(number)
            reason = f"line {line} has {counted(n_fields, 'field')}, expected {expected}: {self._remedy_of(line)}"
        elif "Empty CSV file" in reason:
            reason = "there is no line in it"
        elif _CUT in reason:
            reason = f"a line is longer than {LARGEST_BLOCK:,} bytes: look for a missing line feed or quote"
        return ValueError(f"{self._name} is not a table: {reason}")

    def _remedy_of(self, line: int) -> str:
        """Return advice to read a table in spite of a line of more or fewer fields than others."""
        words, widths = self._format.words, [len(fields) for _, fields in self._records]
        late = widths[len(widths) // 2 :]
        usual = max(late[::-1], key=late.count, default=0)
        odd = [number for number, width in enumerate(widths[:-1]) if width != usual]
        if odd[:1] == [0] and not re.search(r"\w", "".join(self._records[0][1])):  # of a box around the table
            line = self._records[0][0]
        if odd:
            above, fields = self._records[odd[-1]][0], self._records[odd[-1] + 1][1]
            is_title = widths[0] == 1 and len(odd) == odd[-1] + 1
            if is_title and len(fields) == 2 and all(map(str.isdecimal, fields)):
                return (
                    f"{words.delimiter.format(';')} if {','.join(fields)!r} is one number, {words.above.format(above)}"
                )
            if is_title and above == 1 and len(names := self._records[0][1][0].split()) == len(fields):
                blank = words.delimiter.format(" ")
                return f"{blank} if {quoted(names)} are names of columns, {words.above.format(above)}"
            if is_title or _may_be_names(fields):
                return words.above.format(above)
            if odd == [0]:
                return f"correct line {above}, which names the columns"
        with self._stream() as stream:
            text = next(islice(io.TextIOWrapper(stream, UTF_8, newline=""), line - 1, None), "")
        mark = "#" if text.startswith("#") else text.split(self._delimiter)[0].strip()
        is_other = mark and _is_printable(mark) and not any(map(_like_number, [mark, *mark.split()[:1]]))
        return words.line.format(mark) if is_other else "correct it"

    def _line_of(self, number: int) -> int:
        """Return which line of the file one is, given its number among those that are not empty."""
        blanks = "\r\n \t" if self._delimiter == " " else "\r\n"
        with self._stream() as stream:
            lines = enumerate(io.TextIOWrapper(stream, UTF_8, newline=""), 1)
            return next(islice((i for i, line in lines if line.strip(blanks)), number - 1, None), number)

    def _no_number(self, name: str, line: int, text: str) -> ValueError:
        """Return the error for a text in a column of numbers; its advice is for all others of the column as well."""
        texts, sign, surplus = {text.strip(): None}, self._signs.get(name, ""), 0
        with suppress(ValueError):  # of the rest of the file
            for batch in self.blocks([name], texts=True):
                numbers, unreadable, _ = self._as_numbers(batch.column(0), sign)
                texts |= dict.fromkeys(_different(batch.column(0), unreadable))
                surplus += _surplus(batch.column(0), numbers, unreadable)
        remedy = f"{self._remedy(list(texts), sign)}; " if surplus > 0 else ""
        return ValueError(
            f"{self._name}: line {line}, column {name!r}: expected a number, got {text!r}; "
            f"{remedy}{self._format.words.columns} names the columns to use"
        )

    def _remedy(self, texts: Columns, sign: str) -> str:
        """Return advice to read a column of numbers in spite of these texts in it."""
        words, plain = self._format.words, {text: _bare(text) for text in texts}
        texts = [text for text in texts if not _NUMBER[self._decimal].search(plain[text])]
        if not texts:
            return f"write {sign or 'the same sign'} with every number of the column, or with none"
        for mark, name in zip(DECIMALS, ("points", "commas"), strict=True):
            if all(_NUMBER[mark].search(plain[text]) for text in texts):
                return f"use {words.decimal.format(mark)} if {name} are decimal"
        if not all(map(_is_printable, texts)):
            return "replace it by a number, or by nothing"
        more = " and more" if len(plain) > _NAMED else ""
        meaning = "these mean missing values" if len(texts) > 1 else "that means a missing value"
        named = "".join(map(words.each.format, texts[:_NAMED])).rstrip(", ")
        limit = " (a value beyond a limit is not missing: write a number, such as half the limit, to keep it)"
        return f"use {words.missing.format(named)}{more} if {meaning}{limit if any(map(_LIMIT.match, texts)) else ''}"

    def _absent(self, texts: Any) -> Any:
        missing = pa.array([*self._missing, "", None], texts.type)
        return pc.is_in(pc.utf8_trim_whitespace(texts), value_set=missing)

    def _as_numbers(self, column: Any, sign: str | None = None) -> tuple[Any, Any, str]:
        """Read texts as numbers.

        Parameters
        ----------
        column : pyarrow.Array or ChunkedArray of strings
        sign : str, optional
            The sign of each number, such as $ or %; by default that of the first.

        Returns
        -------
        numbers : as `column`, of float64
            Null where a value is missing or unreadable.
        unreadable : as `column`, of bool
        sign : str
        """
        texts = pc.utf8_trim_whitespace(column)
        absent = self._absent(texts)
        signs = pc.replace_substring_regex(texts, f"[^{_SIGNS}]", "")
        if sign is None:
            first = pc.index(absent, False).as_py()
            sign = signs[first].as_py() if first >= 0 else ""
        plain = _plain(texts)
        alike = pc.and_(_matching(plain, _NUMBER[self._decimal].pattern), pc.equal(signs, sign))
        readable = pc.and_not(pc.fill_null(alike, False), absent)
        digits = pc.replace_substring_regex(plain, f"[{_grouping(self._decimal)}]", "")
        digits = pc.replace_substring(digits, self._decimal, ".")
        numbers = pc.cast(pc.if_else(readable, digits, pa.scalar(None, texts.type)), pa.float64())
        return numbers, pc.invert(pc.or_(readable, absent)), sign

    def numbers_in(self, table: pa.Table) -> tuple[pa.Table, dict[str, Obstacle], list[tuple[str, str]]]:
        """Read the columns of text that contain only numbers.

        Returns
        -------
        table : pyarrow.Table
        obstacles : dict of str to Obstacle
            Those of columns that are still text.
        examples : list of (str, str)
            Columns whose numbers have separated thousands or signs, and how one is read, at the first time.
        """
        obstacles, examples = dict[str, Obstacle](), []
        marks = rf"\d[{_grouping(self._decimal)}]\d|[{_SIGNS}{_DASHES}(]|\d-\s*$"
        for j, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
            if not is_text(column.type):
                continue
            numbers, unreadable, sign = self._as_numbers(column, self._signs.get(name))
            if (row := pc.index(unreadable, True).as_py()) >= 0:
                texts, mostly = _different(column, unreadable), _surplus(column, numbers, unreadable) > 0
                reason = f"text {shortened(texts[0])} in row {row + 1}"
                obstacles[name] = Obstacle(reason, self._remedy(texts, sign), mostly, row, tuple(texts))
                continue
            table = table.set_column(j, name, numbers)
            row = pc.index(_matching(column, marks), True).as_py()
            if name not in self._signs and row >= 0:
                value = f"{numbers[row].as_py():.15g}"
                examples.append((name, f"{shortened(column[row].as_py())} of column {name!r} as {value}"))
            self._signs[name] = sign
        return table, obstacles, examples

    def choose_decimal(self) -> str:
        """Choose the decimal mark by columns of which most values are numbers; return a note on it.

        Raises
        ------
        ValueError
            If commas, or points with semicolons, may be decimal marks or separate thousands, or columns disagree.
        """
        head = self.head()
        # Points are likely to separate thousands in tables of countries with decimal commas.
        ambiguous = "[.,]" if self._delimiter == ";" else ","
        if self._format.decimal or not (self._delimiter == ";" or any(map(is_text, head.schema.types))):
            return ""
        shown: dict[str, str] = {}  # a number that shows each mark, and one that may have either
        n_rows = 0
        with closing(self.blocks(head.column_names, texts=True)) as blocks:
            for batch in blocks:
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    plain = _plain(column)
                    point, comma = (_matching(plain, _NUMBER[mark].pattern) for mark in DECIMALS)
                    if 2 * _count(pc.or_(point, comma)) <= _count(pc.invert(self._absent(column))):
                        continue
                    odd = pc.and_(comma, _matching(plain, ambiguous))
                    evidence = {".": pc.and_not(point, comma), ",": pc.and_not(odd, point)}
                    evidence["either"] = pc.and_(odd, point)
                    for mark, rows in evidence.items():
                        if (row := pc.index(rows, True).as_py()) >= 0:
                            shown.setdefault(
                                mark, f"{shortened(plain[row].as_py())} in row {n_rows + row + 1}, column {name!r}"
                            )
                n_rows += len(batch)
                if shown or self._delimiter != ";":  # with semicolons, whole numbers are no evidence on later ones
                    break
        either = shown.pop("either", "")
        use = {mark: self._format.words.decimal.format(mark) for mark in DECIMALS}
        if len(shown) == len(DECIMALS) or (either and not shown):
            raise ValueError(
                f"{self._name}: {' and '.join(shown.values()) or either}, may have a decimal mark or separate "
                f"thousands: use {use['.']} if points are decimal, {use[',']} if commas are"
            )
        if "," not in shown:
            return ""
        self._decimal = ","
        return f"commas are read as decimal; use {use['.']} if they are not"

    def choose_names(self) -> str:
        """Decide whether the first line has column names, or else is a row; return a note on it."""
        words, head = self._format.words, self.head()
        fields, last = head.column_names, head.num_columns - 1
        default = [f"x{j}" for j in range(last + 1)]
        like = [_like_number(field) or field.strip() in self._missing for field in fields]
        numbers = [field for field, is_value in zip(fields, like, strict=True) if is_value and field.strip()]
        if self._format.header is not None or not numbers or self.names is not None:
            self.names = default if self._format.header is False else self.names
            return ""
        pairs = zip(fields, like, head.columns, strict=True)
        are_names = {_is_name(field, column) for field, is_value, column in pairs if not is_value} - {None}
        values = self._as_numbers(pa.array(numbers))[0].drop_null().to_pylist()
        are_measured = 2 * len(values) >= len(fields) and any(value % 1 for value in values)
        if are_names == {True} and not are_measured:
            return ""
        counts_up = _count_up(values)
        shown = f"contains numbers ({quoted(numbers, _EXAMPLES)})"
        steps = {round(b - a, 9) for a, b in pairwise(values)}
        is_far = len(values) == len(fields) and len(steps) == 1 and _are_far(values, head)
        if are_names == {False} or (all(like) and not counts_up and not is_far):
            self.names = default
            named = " to ".join(default[:: last or 1])
            return (
                f"the first line {shown}, so it is read as a row and the columns are named {named}; use {words.named} "
                "if it contains column names"
            )
        alike = len(numbers) == len(fields) and all(map(pa.types.is_integer, head.schema.types))
        if not are_names and (2 * len(numbers) <= len(fields) or (counts_up and not alike)):
            return f"the first line is read as column names, although it {shown}; use {words.unnamed} if it is a row"
        raise ValueError(
            f"{self._name}: the first line {shown} and could be column names or a row: use {words.named} if it "
            f"contains column names, {words.unnamed} if it is a row"
        )

    def skip_units(self) -> str:
        """Skip a row of units below the names, which has no number; return a note on it."""
        head = self.head().slice(0, _SHOWING_UNITS)
        names, units = head.column_names, list[str]()
        is_named = all(map(str.strip, names)) and len({*names}) == len(names)
        if self._format.header is False or len(head) < _COUNTING or not is_named:
            return ""
        below, obstacles, _ = self.numbers_in(head.slice(1))
        self._signs = {}
        for name, column, numbers in zip(names, head.columns, below.columns, strict=True):
            is_text_below = name not in obstacles or not obstacles[name].mostly_numbers
            if is_text_below and not is_numeric(numbers.type):
                continue
            first = column[0].as_py()
            if first is not None and (not is_text(column.type) or _like_number(first) or _LIMIT.match(first)):
                return ""
            if first is not None and first.strip() not in self._missing:
                if pc.any(pc.equal(column.slice(1), first)).as_py():
                    return ""
                units.append(first)
        if not units:
            return ""
        self._skip, self.names = self._line_of(1 if self.names else 2), names
        return f"line {self._skip} contains only units, no numbers ({quoted(units, _EXAMPLES)}), so it is skipped"


def _are_far(values: Sequence[float], table: pa.Table) -> bool:
    """Return whether each number is farther from all below it than these are from each other."""
    bounds = [pc.min_max(column).as_py() for column in table.columns if is_numeric(column.type)]
    if len(table) < _COUNTING or len(bounds) < len(values) or any(of["min"] is None for of in bounds):
        return False
    return all(
        max(value - of["max"], of["min"] - value) > of["max"] - of["min"]
        for value, of in zip(values, bounds, strict=True)
    )


def text_part(name: str, source: str | bytes, text_format: TextFormat, *, whole: bool = False) -> Part:
    """Open delimited text, in which a value that is not a number is an error with its line.

    Parameters
    ----------
    name : str
        For messages.
    source : str or bytes
        The path, or the content of a file that can be read only once.
    text_format : TextFormat
        The format of the text.
    whole : bool, default=False
        Read the whole text into memory, with types by all of it; by default they are those of the first block.

    Raises
    ------
    ValueError
        If the text is not a table, or may be read in several ways.
    """
    text = _Text(name, source, text_format)
    notes = *text.remarks, text.choose_decimal(), text.choose_names(), *iter(text.skip_units, "")
    table = pa.Table.from_batches(text.blocks(whole=True)) if whole else text.head()
    table, obstacles, examples = text.numbers_in(table)
    not_utf_8 = "the text is not UTF-8, so it is read as Latin-1 (Windows-1252)" if text.encoding != UTF_8 else ""
    return Part(
        name,
        table.schema if whole else pa.schema([(name, pa.float64()) for name in table.column_names]),
        (lambda columns, _: iter(table.select(columns).to_batches())) if whole else text.batches,
        remarks=tuple(filter(None, (not_utf_8, *notes))),
        examples=tuple(examples),
        texts=partial(text.blocks, texts=True),
        guessed={field.name: Column(field.type, obstacles.get(field.name)) for field in table.schema},
    )
