"""The lines of a text, whatever its encoding, as the table reader of pyarrow needs them."""

from __future__ import annotations

import csv
import io
import re
import sys
import threading
import weakref
from contextlib import nullcontext, suppress
from time import monotonic, sleep
from typing import Any

import pyarrow as pa

from gmm._rows.tables import Columns

FAULTS = (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError, csv.Error, OSError)
BLOCK, LARGEST_BLOCK = 1 << 20, 1 << 30  # bytes; a block of pyarrow's reader must hold a whole line
_LAST_WAIT = 0.5  # seconds for a thread whose stream is no longer needed
UTF_8 = "utf-8"
_OTHERWISE = {UTF_8: "cp1252", "cp1252": "latin-1"}  # the next encoding if text is invalid in one
_LINE = re.compile(rb"[^\r\n]*(\r\n?|\n)|[^\r\n]+\Z")
_BLANKS, _AROUND = re.compile(rb"[ \t]+"), re.compile(rb"(?<![^\r\n]) | (?![^\r\n])")
_LETTERS_SHOWN = 24  # of a text in a message
_SIGNATURES = {  # and what to do
    b"PK\x03\x04": "a ZIP archive, such as .xlsx or .ods: save the table as CSV",
    b"\xd0\xcf\x11\xe0": "an old Office file, such as .xls: save the table as CSV",
    b"\x89PNG": "a PNG picture: name a table",
    b"\xff\xd8\xff": "a JPEG picture: name a table",
    b"%PDF-": "a PDF document: name a table",
    b"PAR1": "Parquet: end its name in .parquet",
}


def shortened(text: str) -> str:
    return repr(text if len(text) <= _LETTERS_SHOWN else text[: _LETTERS_SHOWN - 1] + "…")


class TextStream(io.RawIOBase):
    """The lines of a text in UTF-8 that are part of its table, without rows of delimiters at its end.

    Parameters
    ----------
    stream : binary file
    name : str
        Name of the text, for messages.
    delimiter : str
        Separator of fields, whose quotes are checked; empty for no check.
    columns : sequence of str
        For messages.
    skip, comments : as in `TextFormat`
        These lines become empty; others keep their numbers.

    Raises
    ------
    ValueError
        When a field starts with a quote and does not end with one, or if it is not text.
    """

    def __init__(
        self, stream: Any, name: str, delimiter: str, columns: Columns, skip: int = 0, comments: Columns = ()
    ) -> None:
        self._stream, self._name, self._columns, self._skip = stream, name, columns, skip
        marks = "|".join(map(re.escape, filter(None, comments)))
        self._comment = re.compile(rf"(?<![^\r\n])(?:{marks})[^\r\n]*".encode()) if marks else None
        mark = re.escape(delimiter)
        end, begin, quoted = rf"[{mark}\r\n]", rf"(?<![^{mark}\r\n])", r'"[^"]*+(?:""[^"]*+)*+"'
        inside = rf'(?<=[^{mark}\r\n])"'  # of a field without quotes around it
        # The first of these is a case of the last, without which files with many quotes take four times as long.
        several = rf'{begin}(?:"[^"]*+"{end})++|{inside}|{quoted}(?= *(?:{end}|\Z))'
        self._fields = re.compile(rf'(?:[^"]*+(?:{several}))*+[^"]*+'.encode())
        self._quoted, self._delimiter = re.compile((begin + quoted).encode()), delimiter.encode()
        self._after_blank = re.compile(rf"(?<=[{mark}]) (?={quoted} *(?:{end}|\Z))".encode()) if delimiter else None
        self.encoding, self._line, self._is_blank, self._at_end = UTF_8, 1, True, False
        self._lock = threading.Lock()
        self._rest, self._ready = stream.read(max(map(len, _SIGNATURES))).removeprefix(b"\xef\xbb\xbf"), b""
        for signature, what in _SIGNATURES.items():
            if self._rest.startswith(signature):
                raise ValueError(f"{name} is not text but {what}")

    def readable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Close the stream too."""
        # At the end of the process a reading thread is gone without releasing its lock.
        with nullcontext() if sys.is_finalizing() else self._lock:
            self._stream.close()
            self._at_end = True
            super().close()

    def read(self, size: int = BLOCK) -> bytes:
        """Read as many bytes, or up to the end."""
        with self._lock:  # pyarrow reads ahead: a file that is closed meanwhile lends its descriptor to the next one
            while len(self._ready) < size and not self._at_end:
                # Slightly more, as an incomplete line has to wait.
                more = self._stream.read(max(size + size // 16 - len(self._ready), len(self._rest)))
                self._at_end = not more
                self._ready += self._in_utf_8(self._records(self._rest + more))
            text, self._ready = self._ready[:size], self._ready[size:]
        return text

    def _records(self, text: bytes) -> bytes:
        """Return the complete records of a text, and store the rest."""
        is_last = self._at_end or len(text) > LARGEST_BLOCK
        n = len(text) if is_last else text.rfind(b"\n") + 1 or text.rfind(b"\r", 0, -1) + 1
        lines, rest = text[:n], text[n:]
        if self._at_end and self._is_blank:
            lines += b"\n"  # without it, pyarrow ignores a line of names
        if self._skip:
            lines, n_skipped = _LINE.subn(rb"\1", lines, self._skip)
            self._skip -= n_skipped
        if self._comment is not None:
            lines = self._comment.sub(b"", lines)
        if self._delimiter == b" ":
            lines = _AROUND.sub(b"", _BLANKS.sub(b" ", lines))
        elif self._after_blank is not None and self._delimiter + b' "' in lines:
            lines = self._after_blank.sub(b"", lines)
        fields = self._fields.match(lines) if self._delimiter and b'"' in lines else None
        n = len(lines) if fields is None else fields.end()
        if n < len(lines):  # a field starts with a quote there, and has no end
            before = self._quoted.sub(lambda field: b"-" * len(field[0]), lines[:n])
            begin = max(before.rfind(b"\n"), before.rfind(b"\r")) + 1
            if is_last or self._quoted.match(lines, n):
                number = before.count(self._delimiter, begin)
                name = self._columns[number].partition("\n")[0] if number < len(self._columns) else f"x{number}"
                field = shortened(lines[n:].decode(errors="replace").splitlines()[0])
                raise ValueError(
                    f"{self._name}: line {self._line + _line_ends(lines[:n])}, column {name!r}: expected a field that "
                    f"starts with a quote to end with one, got {field}: put a quote at its end, and write quotes "
                    "inside it twice"
                )
            lines, rest = lines[:begin], lines[begin:] + rest
        if self._delimiter:  # rows without a value wait for one below them: those at the end are dropped
            n = len(lines.rstrip(self._delimiter + b" \r\n"))
            if n and (end := _LINE.match(lines, n)):  # of the last row that has a value
                n = end.end()
            lines, rest = lines[:n], b"" if self._at_end else lines[n:] + rest
        self._line += _line_ends(lines)
        self._is_blank = self._is_blank and not lines.strip()
        self._rest = rest
        return lines

    def _in_utf_8(self, lines: bytes) -> bytes:
        while not lines.isascii():
            try:
                return lines.decode(self.encoding).encode()
            except UnicodeDecodeError:
                self.encoding = _OTHERWISE[self.encoding]
        return lines


def end_reading(reader: Any, stream: TextStream) -> None:
    """Stop the thread that reads ahead, as it would block the reader and the interpreter at exit."""
    stream.close()
    with suppress(*FAULTS, ValueError, StopIteration):
        while reader is not None:
            reader.read_next_batch()


def await_end(stream: weakref.ref[TextStream]) -> None:
    """Wait until that thread has dropped its stream: while the interpreter ends, it would abort the process."""
    stop = monotonic() + _LAST_WAIT
    while stream() is not None and monotonic() < stop:
        sleep(1e-4)


def _line_ends(lines: bytes) -> int:
    return lines.count(b"\n") or lines.count(b"\r")
