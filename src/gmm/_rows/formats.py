"""Files to read: those of a path, their suffixes, and the format of delimited text."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from errno import ENOENT
from glob import glob
from pathlib import Path, PurePath
from typing import Any, NamedTuple, Self

from gmm._text.words import quoted
from gmm._validation.scalars import check_boolean, check_texts

TEXT = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data")
# Suffixes of files that are read: of text, and those that have a row in `gmm._rows.arrow.OF_FILES`.
SUFFIXES = (".parquet", ".pq", ".arrow", ".arrows", ".feather", ".ipc", ".orc", *TEXT, ".npy")
COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}  # of text, with the names that pyarrow has for them

_PANDAS = {  # its functions for other kinds of files
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".xlsb", ".ods"), "read_excel"),
    **{".sav": "read_spss", ".dta": "read_stata", ".sas7bdat": "read_sas", ".json": "read_json"},
    **dict.fromkeys((".jsonl", ".ndjson"), "read_json"),
}
_INSTEAD = {
    **dict.fromkeys(
        (".h5", ".hdf5"), "open it by h5py, and pass one of its arrays: gmm.open_rows(h5py.File(path)[name])"
    ),
    **dict.fromkeys((".jsonl", ".ndjson"), ", or pass a query: gmm.open_rows(polars.scan_ndjson(path))"),
}


def suffix_of(path: PurePath) -> str:
    """Return the suffix that gives the kind of a file: for compressed text, the one before the last."""
    suffixes = ["", *(suffix.lower() for suffix in path.suffixes[-2:])]
    return suffixes[-2] if suffixes[-1] in COMPRESSED and suffixes[-2] in TEXT else suffixes[-1]


def unknown_type(path: str, suffix: str) -> str:
    """Return the message for a file of another kind, with how to convert files of spreadsheets and others."""
    types = ", ".join(SUFFIXES)
    instead = _INSTEAD.get(suffix, "")
    if reader := _PANDAS.get(suffix):
        save = "save the sheet as CSV (UTF-8), or " if reader == "read_excel" else ""
        lines = ", lines=True" if suffix in _INSTEAD else ""
        command = f"import pandas; pandas.{reader}('{path}'{lines}).to_parquet('{path.removesuffix(suffix)}.parquet')"
        instead = f'{save}convert it: python -c "{command}"{instead}'
    return f"{path}: unknown file type {suffix!r}, expected one of {types}" + (f"; {instead}" if instead else "")


_TABLES = tuple(suffix for suffix in SUFFIXES if suffix not in TEXT)
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
_HIDDEN = re.compile(r"(?:^|/)[._]")
_NAMED = 4  # files in a message


def files_of(path: str | os.PathLike[str]) -> tuple[list[Path], str]:
    """Return the files of rows in the order of their paths and, of a folder or a pattern, a note on others.

    Raises
    ------
    FileNotFoundError
        If there is nothing by this name, or nothing matches.
    ValueError
        If it is a URL, or a folder without files of rows.
    """
    text = os.fspath(path)
    if _URL.match(text):
        raise ValueError(
            f"{text!r} is a URL, expected a local path: open it as a data set, "
            f"gmm.open_rows(pyarrow.dataset.dataset({text!r})), with filesystem=fsspec.filesystem(…) where pyarrow "
            "has none"
        )
    if os.path.isdir(text):
        return _tables_among(_files_in(Path(text)), f"the folder {text}")
    if os.path.exists(text):
        return [Path(text)], ""
    if not any(wildcard in text for wildcard in "*?["):
        raise FileNotFoundError(ENOENT, os.strerror(ENOENT), text)
    matches = [Path(match) for match in sorted(glob(text, recursive=True))]
    if not matches:
        raise FileNotFoundError(ENOENT, "No file matches", text)
    files = (file for match in matches for file in (_files_in(match) if match.is_dir() else [match]))
    return _tables_among(list(dict.fromkeys(files)), f"what matches {text}")


def _files_in(folder: Path) -> list[Path]:
    files = (file for file in folder.rglob("*") if not _HIDDEN.search(file.relative_to(folder).as_posix()))
    return sorted(filter(Path.is_file, files))


def _tables_among(files: Sequence[Path], where: str) -> tuple[list[Path], str]:
    """Return the tables or, if there are none, the texts; texts in a folder of tables describe these."""
    suffixes = {suffix_of(file) for file in files}
    kinds = TEXT if suffixes.isdisjoint(_TABLES) else _TABLES
    tables = [file for file in files if suffix_of(file) in kinds]
    others = [file.name for file in files if suffix_of(file) not in kinds]
    if not tables:
        instead = f", but {quoted(others, _NAMED)}" if others else ""
        raise ValueError(f"{where} has no files of rows{instead}: expected {quoted((*_TABLES, *TEXT))}")
    return tables, f"{where}: files of another kind are not read: {quoted(others, _NAMED)}" if others else ""


DECIMALS = (".", ",")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class Words(NamedTuple):
    """How a user states each part of a `TextFormat`; ``{}`` stands for the text in question."""

    named: str
    unnamed: str
    decimal: str
    missing: str
    each: str  # of several texts for ``{}`` in `missing`
    columns: str
    above: str  # ``{}`` is a number of lines
    line: str  # ``{}`` is the start of the line
    delimiter: str
    all: str


PYTHON = Words(
    named="header=True",
    unnamed="header=False",
    decimal="decimal={!r}",
    missing="na_values=[{}]",
    each="{!r}, ",
    columns="columns=[…]",
    above="pandas.read_csv with skiprows={} reads the lines below a title",
    line="pandas.read_csv with comment={!r} skips lines that start with it",
    delimiter="pandas.read_csv with sep={!r}",
    all="header, decimal and na_values apply",
)


class TextFormat(NamedTuple):
    """How delimited text is read; None decides by the text.

    Attributes
    ----------
    header : bool or None
        Whether the first line holds column names.
    decimal : {".", ","} or None
        The decimal mark. The other one may then separate thousands, as blanks and apostrophes may.
    na_values : tuple of str
        Texts that mean a missing value, in addition to the usual ones.
    delimiter : str or None
        The separator of fields.
    skip : int
        Number of lines above the table.
    comments : tuple of str
        Lines that start with one of these are skipped.
    words : Words
        The names of these settings in messages.
    """

    header: bool | None = None
    decimal: str | None = None
    na_values: tuple[str, ...] = ()
    delimiter: str | None = None
    skip: int = 0
    comments: tuple[str, ...] = ()
    words: Words = PYTHON

    @classmethod
    def from_user(cls, header: bool | None, decimal: Any, na_values: object) -> Self:
        """Check the settings of a user.

        Raises
        ------
        ValueError, TypeError
            If `header` is not a truth value, `decimal` is neither mark, or `na_values` is not a list of texts.
        """
        header = None if header is None else check_boolean(header, "header")
        if decimal is not None and not (isinstance(decimal, str) and decimal in DECIMALS):
            raise ValueError(f"expected '.' or ',' for decimal, got {decimal!r:.60}")
        return cls(header, decimal, check_texts(na_values, "na_values"))

    @property
    def codes(self) -> tuple[float, ...]:
        """The texts that are numbers, which tables may write in other ways."""
        return tuple(map(float, filter(_NUMBER.fullmatch, self.na_values)))

    @property
    def is_silent(self) -> bool:
        """Whether nothing is set."""
        return self == TextFormat(words=self.words)

    @property
    def is_for_tables(self) -> bool:
        """Whether only numbers that mean a missing value are set, which any table may have."""
        return self._replace(na_values=()).is_silent and len(self.codes) == len(self.na_values)
