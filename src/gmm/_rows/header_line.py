"""Whether the first line of a delimited text holds column names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gmm._rows.numerals import is_number, like_number
from gmm._rows.text_format import TextFormat
from gmm._text.lists import quoted

__all__ = ["has_column_names"]

_SHOWN = 3
_COUNTING = 3  # at least this many consecutive integers look like column names: 0, 1, 2 or 2001, 2002, 2003


def has_column_names(
    path: str, fields: Sequence[str], read: Callable[[], pa.Table], missing: Sequence[str], text_format: TextFormat
) -> tuple[bool, str]:
    """Decide whether the fields of the first line are column names; a wrong guess would lose a row or add one.

    `read` returns the table below the first line, and `missing` are texts that stand for a missing value.
    """
    if text_format.header is not None:
        return text_format.header, ""
    if_names, if_row = text_format.words.named, text_format.words.unnamed
    numbers = [field for field in fields if field.strip() and _like_value(field, missing)]
    if not numbers:
        return True, ""
    examples, last = quoted(numbers, _SHOWN), len(fields) - 1
    row = (
        f"the first line holds numbers ({examples}), so it is read as a row and the columns are named "
        f"{_default_names(last)}; use {if_names} if it holds column names"
    )
    if all(_like_value(field, missing) for field in fields) and not _count_up(numbers):
        return False, row
    body = read()
    pairs = zip(body.column_names, body.columns, strict=True)
    verdicts = {_is_name(field, column, missing) for field, column in pairs} - {None}
    if verdicts == {True}:
        return True, ""
    if verdicts == {False}:
        return False, row
    alike = len(numbers) == len(body.columns) and all(map(pa.types.is_integer, body.schema.types))
    if not verdicts and (2 * len(numbers) <= len(fields) or (_count_up(numbers) and not alike)):
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
    return like_number(text) or text.strip() in missing
