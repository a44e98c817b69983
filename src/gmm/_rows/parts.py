"""Files as tables: the suffix chooses how each is read."""

from __future__ import annotations

from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING

from gmm._rows.suffixes import ARROW, NPY, ORC, PARQUET, TEXT, suffix_of, unknown_type
from gmm._rows.text_format import TextFormat
from gmm._text.words import printable

if TYPE_CHECKING:
    from gmm._rows.part import Part

_PARTS = {  # modules that need pyarrow, or its own modules, and what reads a file
    PARQUET: ("arrow", "ParquetPart"),
    ARROW: ("arrow", "ArrowPart"),
    ORC: ("arrow", "ORCPart"),
    NPY: ("file_table", "NpyPart"),
}


def open_part(path: PurePath, text_format: TextFormat, *, content: bytes | None = None, whole: bool = False) -> Part:
    """Open a file, or its content; without a suffix, it is text. `whole` is as for `TextPart`.

    Raises
    ------
    ValueError
        If the suffix is unknown, the file is none of its kind, or it is no text although something is said of text.
    """
    suffix, name = suffix_of(path), printable(str(path))
    source = str(path) if content is None else content
    if not suffix or suffix in TEXT:
        from gmm._rows.delimited import TextPart

        return TextPart(name, source, text_format, whole=whole)
    is_of_text = not text_format._replace(na_values=()).is_silent
    if is_of_text or len(text_format.codes) < len(text_format.na_values):
        raise ValueError(f"{name}: {text_format.words.all} to delimited text, not to a {suffix} file")
    for suffixes, (module, part) in _PARTS.items():
        if suffix in suffixes:
            opened: Part = getattr(import_module(f"gmm._rows.{module}"), part)(name, source)
            return opened
    raise ValueError(unknown_type(name, suffix, (*PARQUET, *ARROW, *ORC, *TEXT, *NPY)))
