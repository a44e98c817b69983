"""The files that a path stands for, and the suffixes by which they are known."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from errno import ENOENT
from glob import glob
from pathlib import Path, PurePath

from gmm._text.words import quoted

PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".arrows", ".feather", ".ipc")
ORC = (".orc",)
NPY = (".npy",)
TEXT = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data")
COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}  # of text, with the names that pyarrow has for them

_READERS = {  # of pandas
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".xlsb", ".ods"), "read_excel"),
    **{".sav": "read_spss", ".dta": "read_stata", ".sas7bdat": "read_sas", ".json": "read_json"},
}
_INSTEAD = {
    **dict.fromkeys(
        (".h5", ".hdf5"), "open it by h5py, and pass one of its arrays: gmm.open_rows(h5py.File(path)[name])"
    ),
    **dict.fromkeys((".jsonl", ".ndjson"), "pass a query: gmm.open_rows(polars.scan_ndjson(path))"),
}


def suffix_of(path: PurePath) -> str:
    """Return the suffix that tells the kind of a file: of compressed text, the one before the last."""
    suffixes = ["", *(suffix.lower() for suffix in path.suffixes[-2:])]
    return suffixes[-2] if suffixes[-1] in COMPRESSED and suffixes[-2] in TEXT else suffixes[-1]


def unknown_type(path: str, suffix: str, types: Iterable[str]) -> str:
    """Word the error for a file that is not read, with how to convert those that spreadsheets and others write."""
    error = f"{path}: unknown file type {suffix!r}, expected one of {', '.join(types)}"
    if suffix in _INSTEAD:
        return f"{error}; {_INSTEAD[suffix]}"
    reader = _READERS.get(suffix)
    if reader is None:
        return error
    save = "save the sheet as CSV (UTF-8), or " if reader == "read_excel" else ""
    return f'{error}; {save}convert it with pandas: pandas.{reader}("…{suffix}").to_parquet("….parquet")'


_TABLES = (*PARQUET, *ARROW, *ORC, *NPY)
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
_NAMED = 4


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
        return _of_rows(_below(Path(text)), f"the folder {text}")
    if os.path.exists(text):
        return [Path(text)], ""
    if not any(wildcard in text for wildcard in "*?["):
        raise FileNotFoundError(ENOENT, os.strerror(ENOENT), text)
    matches = [Path(match) for match in sorted(glob(text, recursive=True))]
    if not matches:
        raise FileNotFoundError(ENOENT, "No file matches", text)
    files = (file for match in matches for file in (_below(match) if match.is_dir() else [match]))
    return _of_rows(list(dict.fromkeys(files)), f"what matches {text}")


def _below(folder: Path) -> list[Path]:
    hidden = (".", "_")
    return sorted(
        file
        for file in folder.rglob("*")
        if file.is_file() and not any(part.startswith(hidden) for part in file.relative_to(folder).parts)
    )


def _of_rows(files: Sequence[Path], where: str) -> tuple[list[Path], str]:
    """Return the tables or, where there are none, the texts; texts beside tables describe them."""
    suffixes = {suffix_of(file) for file in files}
    kinds = TEXT if suffixes.isdisjoint(_TABLES) else _TABLES
    tables = [file for file in files if suffix_of(file) in kinds]
    others = [file.name for file in files if suffix_of(file) not in kinds]
    if not tables:
        instead = f", but {quoted(others, _NAMED)}" if others else ""
        raise ValueError(f"{where} holds no files of rows{instead}: expected {quoted((*_TABLES, *TEXT))}")
    return tables, f"{where}: files of another kind are not read: {quoted(others, _NAMED)}" if others else ""
