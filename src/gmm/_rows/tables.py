"""Tables that are read in batches: `Part`, one of them, and `TableSource`, the rows of one or more."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gmm._rows.blocks import Block, BlockSource
from gmm._text.words import listed, quoted
from gmm._validation.scalars import check_texts, excerpt

_BATCH_BYTES = 1 << 20
_EXAMPLES = 3  # numbers that a note shows
_FIRST = 1000  # rows by which labels are recognised
_LARGEST = 10**15  # integers beyond are no measurements, and soon not exact in float64
_OF_LABEL = r"^\s*(0x[0-9a-fA-F]+|0\d{3,}|\+\d{7,}|[+-]?\d{16,})\s*$"


Columns = Sequence[str]
Batches = Iterator[pa.RecordBatch]


class Obstacle(NamedTuple):
    """The reason why a column of text is not one of numbers.

    Parameters
    ----------
    reason : str
        The first text that is neither a number nor a missing value, and its row (from 1).
    remedy : str
        How to read the column in spite of it.
    mostly_numbers : bool
        Whether more than half of the values that are not missing are numbers, with either decimal mark and any sign.
    row : int
        The same row, from 0.
    texts : tuple of str
        The different texts that are neither, the first one first; as many as messages show.
    """

    reason: str
    remedy: str
    mostly_numbers: bool
    row: int
    texts: tuple[str, ...]


class Column(NamedTuple):
    """The type of a column of a table, and why it is not numeric."""

    type: pa.DataType
    obstacle: Obstacle | None = None

    @property
    def is_numeric(self) -> bool:
        """Whether it holds numbers."""
        return is_numeric(self.type)


class Part(NamedTuple):
    """A table that is read in batches, such as a file.

    Parameters
    ----------
    name : str
        The name of the table in messages.
    schema : pyarrow.Schema
        Names and types of all columns.
    batches : callable
        Starts a new reading, of named columns and so many rows at a time.
    once : bool
        Whether it can be read only once.
    remarks : tuple of str
        Notes on how it is read.
    examples : tuple of (str, str)
        Names of columns whose numbers are read without marks in them, and how one is.
    texts : callable, optional
        Starts a reading of columns as texts.
    guessed : dict of str to Column, optional
        The columns as a text suggests; in `schema`, all have numbers.
    """

    name: str
    schema: pa.Schema
    batches: Callable[[Columns, int], Batches]
    once: bool = False
    remarks: tuple[str, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    texts: Callable[[Columns], Batches] | None = None
    guessed: dict[str, Column] | None = None

    @property
    def columns(self) -> dict[str, Column]:
        """The columns by their names."""
        return self.guessed or {field.name: Column(field.type) for field in self.schema}

    def labels(self) -> dict[str, str]:
        """Return columns of numbers that are labels by the first rows, with the reason."""
        show, kinds = (_are_large, pa.types.is_integer) if self.texts is None else (_are_labels, is_numeric)
        names = [name for name, column in self.columns.items() if kinds(column.type)]
        if not names:
            return {}
        first = next(self.batches(names, _FIRST) if self.texts is None else self.texts(names), None)
        return {name: "by its digits" for name in names if first is not None and show(first.column(name))}

    def notes(self, columns: Columns | None) -> tuple[str, ...]:
        """Return notes on how these columns are read, or all of them, where that is a guess."""
        examples = [text for name, text in self.examples if columns is None or name in columns]
        marks = f"numbers are read without the marks in them: {listed(examples, _EXAMPLES)}"
        return (*self.remarks, marks) if examples else self.remarks


def _are_large(integers: Any) -> bool:
    bounds = pc.min_max(integers).as_py()
    return bool(max(-(bounds["min"] or 0), bounds["max"] or 0) > _LARGEST)


def _are_labels(texts: Any) -> bool:
    """Return whether numbers are integers of which some have zeros in front, or very many digits."""
    numbers = texts.filter(pc.match_substring_regex(texts, r"\d"))
    are_whole = pc.all(pc.match_substring_regex(numbers, r"^\s*([+-]?\d+|0x[0-9a-fA-F]+)\s*$")).as_py()
    return bool(are_whole and pc.any(pc.match_substring_regex(numbers, _OF_LABEL)).as_py())


def native_file(source: str | bytes) -> pa.NativeFile:
    """Open a file, whose path need not be UTF-8, or bytes in memory."""
    return pa.OSFile(os.fsencode(source)) if isinstance(source, str) else pa.BufferReader(source)


def is_text(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_numeric(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


class TableSource(BlockSource):
    """Columns of one or more tables.

    Parameters
    ----------
    parts : sequence of Part
        Their rows follow each other.
    columns : sequence of str, or None
        The features; None for all columns but the weights.
    weight : str or None
        The column of the rows' weights.
    codes : sequence of float
        Numbers that stand for a missing value.

    Raises
    ------
    TypeError, ValueError
        If a name of a column is not text, or the column is missing or does not contain numbers.
    """

    feature_major: ClassVar[bool] = True

    def __init__(
        self, parts: Sequence[Part], columns: Columns | None, weight: str | None, codes: Sequence[float] = ()
    ) -> None:
        self._parts, self._codes = tuple(parts), codes
        first = self._parts[0]
        if weight is not None and not isinstance(weight, str):
            raise TypeError(f"expected the name of a column for weight, got {excerpt(weight)}")
        if columns is None:
            columns = [name for name in first.schema.names if name != weight]
            for part in self._parts[1:]:
                if more := sorted(set(part.schema.names) - set(first.schema.names)):
                    raise ValueError(
                        f"{part.name} has {quoted(more)}, which {first.name} lacks; columns=[…] names the columns to "
                        "use"
                    )
        self._columns = check_texts(columns, "columns")
        if not self._columns:
            raise ValueError(f"expected at least one column of {first.name} in addition to the weights, got none")
        self._weights = [] if weight is None else [weight]
        self.weighted = bool(self._weights)
        n_more = len(self._parts) - 1
        self.name, self.n_features = first.name + (f" and {n_more:,} more" if n_more else ""), len(self._columns)
        self.once = any(part.once for part in self._parts)
        self.feature_names = np.array(self._columns, dtype=object)
        self.dtype = np.dtype(np.float64)  # represents numbers of any type
        for part in self._parts:
            self._check(part.schema, [*self._columns, *self._weights], part.name)
        single = all(_is_single(part.schema.field(name).type) for part in self._parts for name in self._columns)
        self.dtype = np.dtype(np.float32) if single else self.dtype

    def blocks(self, *, weighted: bool) -> Iterator[Block]:
        """Read the tables one after the other."""
        names = [*self._columns, *(self._weights if weighted else ())]
        at_once = max(1, _BATCH_BYTES // (self.dtype.itemsize * len(names)))
        schema: pa.Schema | None = None
        for part in self._parts:
            for batch in part.batches(names, at_once):
                if schema is None or not batch.schema.equals(schema):  # a file may have been written anew
                    schema = batch.schema
                    self._check(schema, names, part.name)
                columns = tuple(_as_numpy(batch.column(name)) for name in names)
                features = columns[: self.n_features]
                if self._codes:
                    features = tuple(map(self._without_codes, features))
                yield Block(features, columns[-1] if weighted else None)

    def _without_codes(self, column: NDArray[Any]) -> NDArray[Any]:
        missing = np.isin(column, np.array(self._codes, self.dtype))
        return np.where(missing, self.dtype.type(np.nan), column) if missing.any() else column

    def array(self) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
        """Read all rows, including NaN and infinite values, and their weights into memory."""
        blocks = list(self.blocks(weighted=self.weighted))
        rows, first = np.empty((sum(map(len, blocks)), self.n_features), self.dtype), 0
        for block in blocks:
            block.copy_to(rows[first : first + len(block)], 0)
            first += len(block)
        weights = [np.asarray(block.sample_weight, dtype=np.float64) for block in blocks] if self.weighted else []
        return rows, np.concatenate(weights) if weights else None

    def _check(self, schema: pa.Schema, columns: Sequence[str], where: str) -> None:
        """Check that a table has these columns, each once, with numbers of the type of the source."""
        names = Counter(schema.names)
        repeated = [name for name in columns if names[name] > 1]
        if repeated or len(set(columns)) < len(columns):
            raise ValueError(f"expected distinct columns of {where}, got {quoted(repeated or columns)}")
        if absent := [name for name in columns if name not in names]:
            noun = "column" if len(absent) == 1 else "columns"
            raise ValueError(f"no {noun} {quoted(absent)} in {where}, which has {quoted(schema.names)}")
        wanted = set(columns)
        for field in (field for field in schema if field.name in wanted):
            found = f"column {field.name!r} of {where} has type {field.type}, expected"
            if not (is_numeric(field.type) or pa.types.is_boolean(field.type) or pa.types.is_null(field.type)):
                raise ValueError(f"{found} numbers; columns=[…] names the columns to use")
            if self.dtype == np.float32 and field.name not in self._weights and not _is_single(field.type):
                raise ValueError(f"{found} float as before")


def _is_single(kind: pa.DataType) -> bool:
    return bool(pa.types.is_float32(kind) or pa.types.is_float16(kind))


def _as_numpy(column: pa.Array) -> NDArray[Any]:
    """Return the values, missing ones as NaN; without a copy where that is possible."""
    if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        kind = column.type if pa.types.is_floating(column.type) else pa.float64()
        column = column.cast(kind, safe=False).fill_null(np.nan)
    # to_numpy, and to_pandas_dtype of older versions, would import pandas, and from_dlpack of numpy 2.0 makes pyarrow
    # warn.
    name = str(column.type)
    dtype = np.dtype({"halffloat": "float16", "float": "float32", "double": "float64"}.get(name, name))
    return np.frombuffer(column.buffers()[1], dtype, len(column), column.offset * dtype.itemsize)
