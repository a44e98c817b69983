"""`FileTable`: a table in files, whose columns are read as numbers or as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa

from gmm._rows.delimited import MISSING
from gmm._rows.formats import TextFormat, files_of
from gmm._rows.opening import open_part
from gmm._rows.tables import Batches, Column, Columns, Part, TableSource, is_text
from gmm._text.words import quoted

_AT_ONCE = 1 << 16  # rows


class FileTable:
    """A table in one file or several. Blanks around the names of columns do not count.

    Parameters
    ----------
    path : str or Path
        A file, a folder or a pattern.
    text_format : TextFormat
        How delimited text is read.
    whole : bool
        Whether it is read into memory. Types of text are then those of the whole, else of its first block.
    content : bytes, optional
        The content of the file, if it was read before.

    Attributes
    ----------
    fields : dict of str to Column
        The columns by their names.
    missing : tuple of str
        The usual texts that stand for a missing value.

    Raises
    ------
    ValueError
        If a file is not a table, or two of them differ in columns.
    """

    missing = MISSING

    def __init__(self, path: str | Path, text_format: TextFormat, *, whole: bool, content: bytes | None = None) -> None:
        files: Sequence[PurePath]
        files, self._others = files_of(path) if content is None else ([PurePath(path)], "")
        opened = (
            open_part(file, text_format, content=_content(file) if content is None else content, whole=whole)
            for file in files
        )
        self._parts = [_stripped(part, text_format) for part in list(opened)]
        self._codes = text_format.codes
        columns = [part.columns for part in self._parts]
        for part, present in zip(self._parts, columns, strict=True):
            if absent := [name for name in columns[0] if name not in present]:
                raise ValueError(
                    f"{part.name}: no column {absent[0]!r}, which {self._parts[0].name} has: {path} is read as one "
                    "table, so name one file, or move those of other tables elsewhere"
                )
        self.fields = {name: _merged(name, self._parts, [of[name] for of in columns]) for name in columns[0]}
        later = {name for present in columns for name in present} - self.fields.keys()
        lacks = f"{self._parts[0].name} lacks columns of later files, which are dropped: "
        self._dropped = lacks + quoted(sorted(later)) if later else ""

    def labels(self) -> dict[str, str]:
        """Return columns of numbers that are labels by the first file, with the reason."""
        return self._parts[0].labels()

    def notes(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Return notes on how these columns are read, and on unread files and columns of a folder."""
        notes = (note for part in self._parts for note in part.notes(columns))
        return tuple(dict.fromkeys(filter(None, (self._others, self._dropped, *notes))))

    def numbers(self, columns: Sequence[str], weight: str | None = None) -> TableSource:
        """Return the rows of columns of numbers, with their weights."""
        return TableSource(self._parts, columns, weight, self._codes)

    def columns(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Read columns block by block in their types, those of delimited text as texts."""
        types = {name: self.fields[name].type for name in names}
        plain = {name: kind.value_type if pa.types.is_dictionary(kind) else kind for name, kind in types.items()}
        schema = pa.schema(list(plain.items()))
        for part in self._parts:
            for batch in part.batches(names, _AT_ONCE) if part.texts is None else part.texts(names):
                table = pa.Table.from_batches([batch])
                yield table.cast(schema) if part.texts is None else table


def _stripped(part: Part, text_format: TextFormat) -> Part:
    """Return a table without blanks around the names of its columns."""
    names = [name.strip() for name in part.schema.names]
    if repeated := sorted(name for name, times in Counter(names).items() if times > 1):
        is_above = part.texts is not None and not any(column.is_numeric for column in part.columns.values())
        remedy = text_format.words.above.format(text_format.skip + 1) if is_above else "give each its own name"
        what = f"column names must be unique, but these occur more than once: {quoted(repeated)}"
        if repeated == [""]:
            what = f"{names.count('')} of {len(names)} columns have no name"
        raise ValueError(f"{part.name}: {what}: {remedy}")
    given = dict(zip(names, part.schema.names, strict=True))

    def renamed(read: Callable[..., Batches], columns: Columns, *args: Any) -> Batches:
        for batch in read([given[name] for name in columns], *args):
            arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
            found = {name: arrays[given[name]] for name in columns if given[name] in arrays}
            yield pa.RecordBatch.from_arrays(list(found.values()), names=list(found))

    return part._replace(
        schema=pa.schema([field.with_name(field.name.strip()) for field in part.schema]),
        batches=partial(renamed, part.batches),
        texts=None if part.texts is None else partial(renamed, part.texts),
        examples=tuple((name.strip(), text) for name, text in part.examples),
        guessed=None if part.guessed is None else {name.strip(): of for name, of in part.guessed.items()},
    )


def _content(file: PurePath) -> bytes | None:
    """Return the content of a pipe, which can be read only once; None for a file."""
    with open(file, "rb") as stream:  # raises OSError if missing or unreadable
        return None if stream.seekable() else stream.read()


def _merged(name: str, parts: Sequence[Part], columns: Sequence[Column]) -> Column:
    """Return a column of several files as one."""
    texts = [is_text(column.type) for column in columns]
    if any(texts):
        first = texts.index(True)
        column = columns[first]
        if all(texts) or column.obstacle is None:
            return column
        reason = f"{column.obstacle.reason} of {parts[first].name}"  # numbers in others
        return column._replace(obstacle=column.obstacle._replace(reason=reason, mostly_numbers=True))
    try:
        schemas = [pa.schema([(name, column.type)]) for column in columns]
        return Column(pa.unify_schemas(schemas, promote_options="permissive").field(name).type)
    except pa.ArrowTypeError as error:
        raise ValueError(f"the files of the folder of {parts[0].name} have columns of other types: {error}") from error
