"""`Part`: a table that is read in batches; and how text is stored in it, its compression and its encoding."""

from __future__ import annotations

import codecs
import io
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import PurePath

import pyarrow as pa

from gmm._rows.suffixes import COMPRESSED

_AT_ONCE = 1 << 16  # rows


class Part(ABC):
    """A table that is read in batches, such as a file.

    Attributes
    ----------
    name : str
        What messages call the table.
    schema : pyarrow.Schema
        Names and types of all columns.
    once : bool
        Whether it can be read only once.
    typed : bool
        Whether its columns have types of their own, as those of text have not.
    """

    name: str
    schema: pa.Schema
    once: bool = False
    typed: bool = True

    @property
    def guessed(self) -> pa.Schema:
        """The columns with the types, and obstacles to numbers, that their content suggests."""
        return self.schema

    def notes(self, columns: Sequence[str] | None) -> tuple[str, ...]:
        """Tell how these columns are read, or all of them, where that is a guess."""
        return ()

    @abstractmethod
    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Begin to read anew: yield these columns, some `at_once` rows at a time."""

    def texts(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Begin to read anew: yield these columns as they are, those of text as it is written."""
        return self.batches(columns, _AT_ONCE)


class FilePart(Part):
    """A table in a file of one kind, which a subclass opens to see its schema.

    Parameters
    ----------
    name : str
        For messages.
    source : str or bytes
        The path, or the content of a file that can be read only once.

    Raises
    ------
    ValueError
        If it is no such file.
    """

    def __init__(self, name: str, source: str | bytes) -> None:
        self.name, self.source = name, source


_MAGIC = {b"\x1f\x8b": "gzip", b"BZh91AY&SY": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
_STORED_TEXT_AT_ONCE = 1 << 20  # bytes
UTF_8, _WESTERN, LATIN_1 = "utf8", "cp1252", "latin-1"


def compression_of(path: str, source: str | bytes) -> str | None:
    """Return pyarrow's name of the compression by the suffix of the path or, failing that, by the first bytes."""
    suffix = PurePath(path).suffix.lower()
    if suffix in COMPRESSED:
        return COMPRESSED[suffix]
    with opened(source, None) as stream:
        first = stream.read(max(map(len, _MAGIC)))
    return next((name for magic, name in _MAGIC.items() if first.startswith(magic)), None)


def encoding_of(beginning: bytes) -> str:
    """Return UTF-8, or what text that is none is most likely to be."""
    for encoding in (UTF_8, _WESTERN):
        try:
            codecs.getincrementaldecoder(encoding)().decode(beginning)
        except UnicodeDecodeError:
            continue
        return encoding
    return LATIN_1


class KeptLines(io.RawIOBase):
    """A text in which the first lines, and those that begin with `comment`, are empty; others keep their numbers."""

    def __init__(self, stream: pa.NativeFile, skip: int, comment: str) -> None:
        self._stream, self._skip = stream, skip
        mark = re.escape(comment.encode())
        self._comments = re.compile(rb"(?<![^\r\n])(?:\xef\xbb\xbf)?" + mark + rb"[^\r\n]*") if comment else None
        self._ready, self._rest = b"", b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read as many bytes, or up to the end."""
        more = b"-"
        while more and (size < 0 or len(self._ready) < size):
            more = self._stream.read(_STORED_TEXT_AT_ONCE)
            text = self._rest + more
            n = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1 if more else len(text)
            self._ready, self._rest = self._ready + self._kept(text[:n]), text[n:]
        text, self._ready = (self._ready, b"") if size < 0 else (self._ready[:size], self._ready[size:])
        return text

    def _kept(self, lines: bytes) -> bytes:
        if self._skip:
            every = lines.splitlines(keepends=True)
            n = min(self._skip, len(every))
            self._skip, lines = self._skip - n, b"\n" * n + b"".join(every[n:])
        return lines if self._comments is None else self._comments.sub(b"", lines)


def opened(source: str | bytes, compression: str | None) -> pa.NativeFile:
    """Open a file, or bytes in memory, as a stream of what was compressed."""
    return pa.input_stream(native_file(source), compression=compression)


def native_file(source: str | bytes) -> pa.NativeFile:
    """Open a file, whose path need not be UTF-8, or bytes in memory."""
    return pa.OSFile(os.fsencode(source)) if isinstance(source, str) else pa.BufferReader(source)
