"""Numbers as texts write them: decimal marks, thousands in groups, and what stands for a missing value."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from gmm._rows.text_format import DECIMALS, Words

MISSING = (*pa.csv.ConvertOptions().null_values, "?", "None", "<NA>")
_BLANKS = " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"
_GROUPED_BY = ("'", "’", *_BLANKS)
_SIGNS = "$€£¥%"  # before or behind all numbers of a column, or none
_SIGN = re.compile(rf"^([+-]?)[{_SIGNS}][{_BLANKS}]?|[{_BLANKS}]?[{_SIGNS}]$")
_KEY = b"obstacle"
_MARKS = dict(zip(DECIMALS, ("points", "commas"), strict=True))
_SHOWN, _NAMED = 24, 12  # letters of a text, and texts, that a message shows


@dataclass(frozen=True)
class Obstacle:
    """Why a column of text is not one of numbers.

    Attributes
    ----------
    reason : str
        The first text that is neither a number nor a missing value, and its row (from 1).
    texts : tuple of str
        The first different ones.
    mostly_numbers : bool
        Whether more than half of the values that are not missing are numbers, with either decimal mark and any sign.
    decimal, sign : str
        The decimal mark, and what the first number has beside it, such as $ or %.
    """

    reason: str
    texts: tuple[str, ...]
    mostly_numbers: bool
    decimal: str
    sign: str

    @classmethod
    def of(cls, field: pa.Field) -> Self | None:
        """Return the obstacle that a field of a schema carries."""
        stored = (field.metadata or {}).get(_KEY)
        if stored is None:
            return None
        values = json.loads(stored)
        return cls(**values | {"texts": tuple(values["texts"])})

    def on(self, field: pa.Field) -> pa.Field:
        """Return the field with this obstacle."""
        return field.with_metadata({_KEY: json.dumps(asdict(self))})

    def remedy(self, words: Words) -> str:
        """Say how to read the column in spite of it."""
        if not self.mostly_numbers:
            return ""
        texts = [text for text in self.texts if not _NUMBER[self.decimal].search(_without_sign(text))]
        if not texts:
            what = f"write {self.sign}" if self.sign else "write the same sign"
            return f"{what} beside every number of the column, or none"
        for mark, name in _MARKS.items():
            if all(_NUMBER[mark].search(_without_sign(text)) for text in texts):
                return f"use {words.decimal.format(mark)} if {name} are decimal"
        more = " and more" if len(self.texts) > _NAMED else ""
        stands = "these stand for missing values" if len(texts) > 1 else "that stands for a missing value"
        named = "".join(map(words.each.format, texts[:_NAMED])).rstrip(", ")
        return f"use {words.missing.format(named)}{more} if {stands}"


def is_text(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_numeric(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def is_number(text: str) -> bool:
    """Return whether Python can convert the text to a float."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def like_number(text: str) -> bool:
    """Return whether the text is a number with either decimal mark."""
    return any(pattern.search(_without_sign(text.strip())) for pattern in _NUMBER.values())


def as_numbers(column: Any, decimal: str, missing: Collection[str], sign: str | None = None) -> tuple[Any, Any, str]:
    """Read texts as numbers.

    Parameters
    ----------
    column : pyarrow.Array or ChunkedArray of strings
    decimal : {".", ","}
    missing : collection of str
        What stands for a missing value, without the blanks around it; so does a text of blanks alone.
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
    absent = pc.or_(pc.is_null(text), pc.is_in(text, value_set=pa.array([*missing, ""], text.type)))
    if sign is None:
        first = pc.index(absent, False).as_py()
        sign = re.sub(f"[^{_SIGNS}]", "", text[first].as_py()) if first >= 0 else ""
    plain, others = text, absent
    if sign:
        plain = pc.replace_substring_regex(text, _SIGN.pattern, r"\1")
        signs = pc.replace_substring_regex(text, f"[^{_SIGNS}]", "")
        others = pc.or_(absent, pc.fill_null(pc.not_equal(signs, sign), True))
    readable = pc.and_not(pc.fill_null(pc.match_substring_regex(plain, _NUMBER[decimal].pattern), False), others)
    digits = pc.replace_substring_regex(plain, f"[{_grouping(decimal)}]", "")
    plain = pc.replace_substring(digits, decimal, ".")
    numbers = pc.cast(pc.if_else(readable, plain, pa.scalar(None, text.type)), pa.float64())
    return numbers, pc.invert(pc.or_(readable, absent)), sign


def numbers_in(table: pa.Table, decimal: str, missing: Collection[str]) -> tuple[pa.Table, dict[str, str]]:
    """Return a table in which columns of text that hold numbers are numbers, and others carry their `Obstacle`.

    Also return the signs beside the numbers of columns that were of text, by their names.
    """
    columns, fields, signs = list(table.columns), list(table.schema), dict[str, str]()
    for j, (column, field) in enumerate(zip(table.columns, table.schema, strict=True)):
        if is_text(field.type):
            numbers, unreadable, sign = as_numbers(column, decimal, missing)
            if pc.any(unreadable).as_py():
                fields[j] = _obstacle(column, numbers, unreadable, decimal, sign).on(field)
            else:
                columns[j], fields[j], signs[field.name] = numbers, pa.field(field.name, pa.float64()), sign
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, table.schema.metadata)), signs


def examples_of(before: pa.Table, after: pa.Table, decimal: str) -> dict[str, str]:
    """Return how a number is read, for each column of text that has separated thousands, or signs beside numbers."""
    examples, marks = {}, rf"\d[{_grouping(decimal)}]\d|[{_SIGNS}]"
    for name, text, numbers in zip(before.column_names, before.columns, after.columns, strict=True):
        if is_text(text.type) and not is_text(numbers.type):
            row = pc.index(pc.match_substring_regex(pc.utf8_trim_whitespace(text), marks), True).as_py()
            if row >= 0:
                value = f"{numbers[row].as_py():.15g}"
                examples[name] = f"{_shortened(text[row].as_py())} of column {name!r} as {value}"
    return examples


def decimal_mark(table: pa.Table, missing: Collection[str], words: Words, *, points_may_group: bool) -> str:
    """Return the decimal mark that columns of text show, a point where none does.

    Parameters
    ----------
    table : pyarrow.Table
        Columns of strings; only those of which most values are numbers count.
    missing : collection of str
        As in `as_numbers`.
    words : Words
    points_may_group : bool
        Whether points are likely to separate thousands, as in tables of countries with decimal commas.

    Raises
    ------
    ValueError
        If commas or such points may be decimal marks or separate thousands, or columns contradict each other.
    """
    shown: dict[str, str] = {}  # what each mark is shown by, and what may be either
    marks = "[.,]" if points_may_group else ","
    for name, column in zip(table.column_names, table.columns, strict=True):
        text = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), _SIGN.pattern, r"\1")
        point, comma = (pc.fill_null(pc.match_substring_regex(text, _NUMBER[mark].pattern), False) for mark in DECIMALS)
        present = pc.invert(pc.fill_null(pc.is_in(text, value_set=pa.array([*missing, ""], text.type)), True))
        if 2 * (pc.sum(pc.or_(point, comma)).as_py() or 0) <= (pc.sum(present).as_py() or 0):
            continue
        either = pc.and_(pc.and_(point, comma), pc.fill_null(pc.match_substring_regex(text, marks), False))
        evidence = {".": pc.and_not(point, comma), ",": pc.and_not(comma, point), "either": either}
        for mark, rows in evidence.items():
            row = pc.index(rows, True).as_py()
            if row >= 0:
                shown.setdefault(mark, f"{_shortened(text[row].as_py())} in row {row + 1}, column {name!r}")
    remedy = " or ".join(words.decimal.format(mark) for mark in DECIMALS)
    if "." in shown and "," in shown:
        raise ValueError(
            f"decimal points ({shown['.']}) and commas ({shown[',']}): use {remedy} to say which are decimal"
        )
    if "either" in shown and not ("." in shown or "," in shown):
        mark = "," if "," in shown["either"].partition(" in row ")[0] else "."
        (other,) = (each for each in DECIMALS if each != mark)
        raise ValueError(
            f"{shown['either']}, may have a decimal mark or separate thousands: use {words.decimal.format(mark)} if "
            f"{_MARKS[mark]} are decimal, {words.decimal.format(other)} if they separate thousands"
        )
    return "," if "," in shown else "."


def _obstacle(column: Any, numbers: Any, unreadable: Any, decimal: str, sign: str) -> Obstacle:
    texts = pc.utf8_trim_whitespace(column)
    plain = pc.replace_substring_regex(texts, _SIGN.pattern, r"\1")
    n_numbers, n_unreadable = len(numbers) - numbers.null_count, pc.sum(unreadable).as_py()
    like = [pc.fill_null(pc.match_substring_regex(plain, pattern.pattern), False) for pattern in _NUMBER.values()]
    n_other = pc.sum(pc.and_(unreadable, pc.or_(*like))).as_py()
    row = pc.index(unreadable, True).as_py()
    return Obstacle(
        f"text {_shortened(texts[row].as_py())} in row {row + 1}",
        different(texts, unreadable),
        n_numbers + n_other > n_unreadable - n_other,
        decimal,
        sign,
    )


def different(texts: Any, chosen: Any) -> tuple[str, ...]:
    """Return the different ones of the chosen texts, without the blanks around them: as many as messages need."""
    return tuple(pc.unique(pc.utf8_trim_whitespace(pc.filter(texts, chosen))).slice(0, _NAMED + 1).to_pylist())


def _without_sign(text: str) -> str:
    return _SIGN.sub(r"\1", text)


def _shortened(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def _grouping(decimal: str) -> str:
    """Return the marks that may separate thousands, for a class of a regular expression."""
    return "".join((*(mark for mark in DECIMALS if mark != decimal), *_GROUPED_BY))


def _number(decimal: str) -> re.Pattern[str]:
    groups = "|".join(rf"(?:{re.escape(mark)}\d{{3}})+" for mark in _grouping(decimal))
    whole, mark = rf"(?:\d+|[1-9]\d{{0,2}}(?:{groups}))", re.escape(decimal)
    finite = rf"(?:{whole}(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?"
    return re.compile(rf"^[+-]?(?:{finite}|(?i:inf|infinity|nan))$")


_NUMBER = {decimal: _number(decimal) for decimal in DECIMALS}
