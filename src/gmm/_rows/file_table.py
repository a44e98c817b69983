"""Tables read batch by batch: `FileTable`, whose columns are numbers or as they are, and `TableSource`, its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path, PurePath
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gmm._rows.blocks import Block, BlockSource
from gmm._rows.delimited import Obstacle, is_numeric, is_text
from gmm._rows.npy import NpySource, npy_array
from gmm._rows.part import Part
from gmm._rows.parts import open_part
from gmm._rows.suffixes import files_of
from gmm._rows.text_format import TextFormat
from gmm._text.words import quoted

_BATCH_BYTES = 1 << 20


class TableSource(BlockSource):
    """Columns of one or more tables.

    Parameters
    ----------
    parts : sequence of Part
        Their rows follow each other.
    columns : sequence of str, optional
        The features; by default all columns but the weight's.
    weight : str, optional
        The column of the rows' weights.
    codes : sequence of float
        Numbers that stand for a missing value.

    Raises
    ------
    ValueError
        If a column is missing or does not hold numbers.
    """

    feature_major: ClassVar[bool] = True
    dtype: np.dtype[Any] = np.dtype(np.float64)  # float32 if all columns are

    def __init__(
        self,
        parts: Sequence[Part],
        columns: Sequence[str] | None = None,
        weight: str | None = None,
        codes: Sequence[float] = (),
    ) -> None:
        self._parts, self._codes = tuple(parts), codes
        first = self._parts[0]
        if isinstance(columns, str):
            raise TypeError(f"expected a list of columns, got the string {columns!r}: columns=[{columns!r}]")
        if columns is None:
            columns = [name for name in first.schema.names if name != weight]
            for part in self._parts[1:]:
                if more := sorted(set(part.schema.names) - set(first.schema.names)):
                    raise ValueError(
                        f"{part.name} has {quoted(more)}, which {first.name} lacks; columns=[…] names the columns to "
                        "use"
                    )
        names: Any = columns
        self._columns = tuple(names) if isinstance(names, Iterable) else (names,)
        if not all(isinstance(name, str) for name in self._columns):
            raise TypeError(f"expected a list of names of columns, got {columns!r:.80}")
        if not self._columns:
            raise ValueError(f"expected at least one column of {first.name} beside the weight's, got none")
        self._weights = [] if weight is None else [weight]
        self.weighted = bool(self._weights)
        self.once = any(part.once for part in self._parts)
        self.feature_names = np.array(self._columns, dtype=object)
        for part in self._parts:
            _check_names(part.schema.names, [*self._columns, *self._weights], part.name)
        single = all(_is_single(part.schema.field(name).type) for part in self._parts for name in self._columns)
        self.dtype = np.dtype(np.float32 if single and self._columns else np.float64)
        for part in self._parts:
            self._check_types(part.schema, part.name)

    @property
    def name(self) -> str:
        """The first table's name, and how many more there are."""
        more = len(self._parts) - 1
        return self._parts[0].name + (f" and {more:,} more" if more else "")

    @property
    def n_features(self) -> int:
        """Number of features, d."""
        return len(self._columns)

    def blocks(self, *, weighted: bool) -> Iterator[Block]:
        """Read the tables one after the other."""
        names = [*self._columns, *(self._weights if weighted else ())]
        at_once = max(1, _BATCH_BYTES // (self.dtype.itemsize * len(names)))
        schema: pa.Schema | None = None
        for part in self._parts:
            for batch in part.batches(names, at_once):
                if schema is None or not batch.schema.equals(schema):  # a file may have been written anew
                    schema = batch.schema
                    _check_names(schema.names, names, part.name)
                    self._check_types(schema, part.name)
                columns = tuple(_as_numpy(batch.column(name)) for name in names)
                features = tuple(map(self._without_codes, columns[: self.n_features]))
                yield Block(features, columns[-1] if weighted else None)

    def _without_codes(self, column: NDArray[Any]) -> NDArray[Any]:
        missing = np.isin(column, np.array(self._codes, self.dtype)) if self._codes else np.False_
        return np.where(missing, self.dtype.type(np.nan), column) if missing.any() else column

    def array(self) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
        """Read all rows, NaN and infinite values among them, and their weights into memory."""
        blocks = list(self.blocks(weighted=self.weighted))
        rows, first = np.empty((sum(map(len, blocks)), self.n_features), self.dtype), 0
        for block in blocks:
            block.copy_to(rows[first : first + len(block)], 0)
            first += len(block)
        weights = [np.asarray(block.sample_weight, dtype=np.float64) for block in blocks] if self.weighted else []
        return rows, np.concatenate(weights) if weights else None

    def _check_types(self, schema: pa.Schema, where: str) -> None:
        columns = set(self._columns)
        for field in schema:
            if field.name not in columns and field.name not in self._weights:
                continue
            if not (is_numeric(field.type) or pa.types.is_boolean(field.type) or pa.types.is_null(field.type)):
                raise ValueError(
                    f"column {field.name!r} of {where} holds {field.type}, expected numbers; columns=[…] names the "
                    "columns to use"
                )
            if self.dtype == np.float32 and field.name in columns and not _is_single(field.type):
                raise ValueError(f"column {field.name!r} of {where} holds {field.type}, expected float as before")


def _check_names(present: Sequence[str], columns: Sequence[str], where: str) -> None:
    names = Counter(present)
    repeated = [name for name in columns if names[name] > 1]
    if repeated or len(set(columns)) < len(columns):
        raise ValueError(f"expected distinct columns of {where}, got {quoted(repeated or columns)}")
    absent = [name for name in columns if name not in names]
    if absent:
        noun = "column" if len(absent) == 1 else "columns"
        raise ValueError(f"no {noun} {quoted(absent)} in {where}, which has {quoted(present)}")


def _is_single(kind: pa.DataType) -> bool:
    return bool(pa.types.is_float32(kind) or pa.types.is_float16(kind))


def _as_numpy(column: pa.Array) -> NDArray[Any]:
    """Return the values, missing ones as NaN; without a copy where that is possible."""
    if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        kind = column.type if pa.types.is_floating(column.type) else pa.float64()
        column = column.cast(kind, safe=False).fill_null(np.nan)
    letter = "f" if pa.types.is_floating(column.type) else "u" if pa.types.is_unsigned_integer(column.type) else "i"
    dtype = np.dtype(f"{letter}{column.type.bit_width // 8}")
    # to_numpy would import pandas where it is installed, and from_dlpack of numpy 2.0 makes pyarrow warn.
    return np.frombuffer(column.buffers()[1], dtype, len(column), column.offset * dtype.itemsize)


class FileTable:
    """A table in one file or several. Blanks around the names of columns do not count.

    Parameters
    ----------
    path : str or Path
        A file, a folder or a pattern.
    text_format : TextFormat
        What the user says of delimited text.
    whole : bool
        Whether it is read into memory. Text is then judged by all of it, else by its first block.
    content : bytes, optional
        The content of the file, if it was read before.

    Attributes
    ----------
    fields : dict of str to pyarrow.Field
        Names and types of the columns, with obstacles to numbers.

    Raises
    ------
    ValueError
        If a file is no table, or two of them do not belong together.
    """

    def __init__(self, path: str | Path, text_format: TextFormat, *, whole: bool, content: bytes | None = None) -> None:
        self._codes = text_format.codes
        if content is None:
            files, self._others = files_of(path)
            opened = [open_part(file, text_format, content=_content(file), whole=whole) for file in files]
        else:
            opened, self._others = [open_part(PurePath(path), text_format, content=content, whole=whole)], ""
        self._parts = [_Stripped(part) for part in opened]
        first = self._parts[0]
        for part in self._parts:
            if absent := [name for name in first.fields if name not in part.fields]:
                raise ValueError(
                    f"{part.name}: no column {absent[0]!r}, which {first.name} has: {path} is read as one table, so "
                    "name one file, or move those of other tables elsewhere"
                )
        self.fields = {name: _together(name, self._parts) for name in first.fields}
        later = {name for part in self._parts for name in part.fields} - self.fields.keys()
        lacks = f"{first.name} lacks columns that files after it have, and so they are left out: "
        self._left_out = lacks + quoted(sorted(later)) if later else ""

    def notes(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Tell how these columns are read, and which files and further columns of a folder are not."""
        notes = (note for part in self._parts for note in part.notes(columns))
        return tuple(dict.fromkeys(filter(None, (self._others, self._left_out, *notes))))

    def numbers(self, columns: Sequence[str], weight: str | None = None) -> TableSource:
        """Return the rows of columns of numbers, with their weights."""
        return TableSource(self._parts, columns, weight, self._codes)

    def columns(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Read columns block by block as they are, those of delimited text as texts."""
        types = {name: self.fields[name].type for name in names}
        plain = {name: kind.value_type if pa.types.is_dictionary(kind) else kind for name, kind in types.items()}
        schema = pa.schema(list(plain.items()))
        for part in self._parts:
            for batch in part.texts(names):
                table = pa.Table.from_batches([batch])
                yield table.cast(schema) if part.typed else table


class _Stripped(Part):
    """A table without the blanks around the names of its columns."""

    def __init__(self, part: Part) -> None:
        self._part, self.name, self.typed = part, part.name, part.typed
        names = [name.strip() for name in part.schema.names]
        if repeated := sorted(name for name, times in Counter(names).items() if times > 1):
            raise ValueError(
                f"{self.name}: column names must be unique, but these occur more than once: {quoted(repeated)}"
            )
        self._names = dict(zip(names, part.schema.names, strict=True))
        self.schema = pa.schema([field.with_name(field.name.strip()) for field in part.schema])
        # Streamed text is read as numbers, whatever it holds.
        self.fields = {field.name.strip(): field.with_name(field.name.strip()) for field in part.guessed}

    def notes(self, columns: Sequence[str] | None) -> tuple[str, ...]:
        return self._part.notes(None if columns is None else [self._names[name] for name in columns])

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        return self._renamed(self._part.batches([self._names[name] for name in columns], at_once), columns)

    def texts(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        return self._renamed(self._part.texts([self._names[name] for name in columns]), columns)

    def _renamed(self, batches: Iterator[pa.RecordBatch], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            places = {name: place for place, name in enumerate(batch.schema.names)}
            there = [name for name in columns if self._names[name] in places]
            yield pa.RecordBatch.from_arrays([batch.column(places[self._names[name]]) for name in there], names=there)


def _content(file: Path) -> bytes | None:
    """Return the content of a pipe, which can be read only once; None of a file."""
    with file.open("rb") as stream:  # raises OSError if missing or unreadable
        return None if stream.seekable() else stream.read()


def _together(name: str, parts: Sequence[_Stripped]) -> pa.Field:
    """Return a column of several files as one."""
    fields = [part.fields[name] for part in parts]
    texts = [is_text(field.type) for field in fields]
    if any(texts):
        first = texts.index(True)
        obstacle = Obstacle.of(fields[first])
        if all(texts) or obstacle is None:
            return fields[first]
        of_file = f"{obstacle.reason} of {parts[first].name}"  # numbers in others
        return obstacle._replace(reason=of_file, mostly_numbers=True).on(fields[first])
    try:
        return pa.unify_schemas([pa.schema([field]) for field in fields], promote_options="permissive").field(name)
    except pa.ArrowTypeError as error:
        raise ValueError(f"{parts[0].name} and the files beside it have columns of other types: {error}") from error


class NpyPart(Part):
    """An .npy file, with columns x0, x1 and so on.

    Parameters
    ----------
    name : str
        For messages.
    source : str or bytes
        The path, or the content of a file that can be read only once.

    Raises
    ------
    ValueError
        If it holds no array of numbers.
    """

    def __init__(self, name: str, source: str | bytes) -> None:
        self.name = name
        self._array = array = npy_array(Path(source) if isinstance(source, str) else BytesIO(source), name)
        self._wide = array.dtype.itemsize > np.float64().itemsize
        self._type = np.dtype(np.float64) if self._wide else array.dtype.newbyteorder("=")
        kind = pa.from_numpy_dtype(self._type)
        self.schema: pa.Schema = pa.schema([(f"x{j}", kind) for j in range(self._array.shape[1])])

    def notes(self, columns: Sequence[str] | None) -> tuple[str, ...]:
        """Tell of numbers that are wider than those of the package."""
        return (f"{self._array.dtype} (longdouble) numbers are converted to float64",) if self._wide else ()

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Read the columns from the first row on."""
        places = [self.schema.get_field_index(name) for name in columns]
        array = self._array
        for rows in NpySource(array).raw_blocks() if isinstance(array, np.memmap) else [array]:
            with np.errstate(over="ignore"):  # infinite values are judged by who reads them
                values = [pa.array(np.array(rows[:, j], dtype=self._type)) for j in places]
            yield pa.RecordBatch.from_arrays(values, names=list(columns))
