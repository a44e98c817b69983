"""What a file is by its first bytes, if it is no text."""

from __future__ import annotations

__all__ = ["check_is_text"]

_SIGNATURES = {  # and what to do
    b"PK\x03\x04": "a ZIP archive, such as .xlsx or .ods: save the table as CSV",
    b"\xd0\xcf\x11\xe0": "an old Office file, such as .xls: save the table as CSV",
    b"\x89PNG": "a PNG picture: name a table",
    b"\xff\xd8\xff": "a JPEG picture: name a table",
    b"%PDF-": "a PDF document: name a table",
    b"PAR1": "Parquet: end its name in .parquet",
}


def check_is_text(path: str, beginning: bytes) -> None:
    """Check that a file does not begin as one of another kind.

    Raises
    ------
    ValueError
        If it does.
    """
    for signature, what in _SIGNATURES.items():
        if beginning.startswith(signature):
            raise ValueError(f"{path} is not text but {what}")
