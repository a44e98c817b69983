"""`FileTable`: the columns of a file, or of the files of a folder, as numbers and as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

import pyarrow as pa

from gmm._rows.numerals import Obstacle, is_text
from gmm._rows.part import Part
from gmm._rows.parts import open_part
from gmm._rows.paths import files_of
from gmm._rows.tables import TableSource
from gmm._rows.text_format import TextFormat
from gmm._text.lists import quoted


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
        schema = pa.schema([(name, _plain(self.fields[name].type)) for name in names])
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
        return replace(obstacle, reason=of_file, mostly_numbers=True).on(fields[first])
    try:
        return pa.unify_schemas([pa.schema([field]) for field in fields], promote_options="permissive").field(name)
    except pa.ArrowTypeError as error:
        raise ValueError(f"{parts[0].name} and the files beside it have columns of other types: {error}") from error


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values of a dictionary; others as they are."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind
