"""The suffixes by which files of rows are known."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

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
