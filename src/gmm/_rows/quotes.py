"""`QuotedText`: delimited text on its way to a parser that takes quotes as they come."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Sequence
from typing import Any

__all__ = ["QuotedText"]

_SHOWN = 24  # letters of a field that a message shows


class QuotedText(io.RawIOBase):
    """A stream of text that fails at a field that begins with a quote and does not end with one.

    Parameters
    ----------
    stream : binary file
    name : str
        Of the text, for messages.
    delimiter : str
    columns : sequence of str

    Raises
    ------
    ValueError
        When such a field is read.
    """

    def __init__(self, stream: Any, name: str, delimiter: str, columns: Sequence[str]) -> None:
        self._stream, self._name, self._columns = stream, name, columns
        mark = re.escape(delimiter)
        end, begin, quoted = rf"[{mark}\r\n]", rf"(?<![^{mark}\r\n])", r'"[^"]*+(?:""[^"]*+)*+"'
        inside = rf'(?<=[^{mark}\r\n])"'  # of a field without quotes around it
        # The first of these is a case of the last, without which files with many quotes take four times as long.
        several = rf'{begin}(?:"[^"]*+"{end})++|{inside}|{quoted}(?= *(?:{end}|\Z))'
        self._fields = re.compile(rf'(?:[^"]*+(?:{several}))*+[^"]*+'.encode())
        self._quoted, self._end = re.compile((begin + quoted).encode()), re.compile(rf"{mark}|([\r\n])".encode())
        self._rest, self._line, self._column = b"", 1, 0  # what is not looked at yet, and where it begins

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read bytes, as they are: as many, or up to the end."""
        text: bytes = self._stream.read(size)
        while len(text) < size and (more := self._stream.read(size - len(text))):
            text += more
        rest, at_end = self._rest + text, len(text) < size or size < 0
        n_whole = len(rest) if at_end else rest.rfind(b"\n") + 1 or rest.rfind(b"\r", 0, -1) + 1
        lines = rest[:n_whole]
        n_fields = self._end_of_fields(lines)
        if n_fields < n_whole and (at_end or self._quoted.match(lines, n_fields)):
            self._fail(lines, n_fields)
        self._advance(lines, n_fields)
        self._rest = rest[n_fields:]
        return text

    def close(self) -> None:
        """Close the stream too."""
        self._stream.close()
        super().close()

    def _end_of_fields(self, lines: bytes) -> int:
        """Return where a field begins with a quote and has no end, or all of the lines."""
        if b'"' not in lines:
            return len(lines)
        signature = len(codecs.BOM_UTF8) if lines.startswith(codecs.BOM_UTF8) else 0
        fields = self._fields.match(lines, signature)
        return len(lines) if fields is None else fields.end()

    def _advance(self, lines: bytes, n: int) -> None:
        """Go to the n-th byte."""
        if n == len(lines):
            self._column = 0
        else:
            for end in self._end.finditer(self._quoted.sub(b"", lines[:n])):
                self._column = 0 if end[1] else self._column + 1
        self._line += lines.count(b"\n", 0, n) or lines.count(b"\r", 0, n)

    def _fail(self, lines: bytes, n: int) -> None:
        self._advance(lines, n)
        field = lines[n:].decode("utf-8", "replace").splitlines()[0]
        shown = field if len(field) <= _SHOWN else field[: _SHOWN - 1] + "…"
        column = self._columns[self._column] if self._column < len(self._columns) else f"x{self._column}"
        column = column.partition("\n")[0]
        raise ValueError(
            f"{self._name}: line {self._line}, column {column!r}: expected a field that ends with a quote, as it "
            f"begins with one, got {shown!r}: put a quote where it ends, and write quotes inside of it twice"
        )
