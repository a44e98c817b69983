"""Where a saved model goes to and comes from: paths, open files and bytes. Its format is not known here."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from io import BytesIO, TextIOBase
from pathlib import Path
from typing import BinaryIO, TypeAlias

__all__ = ["Source", "Target", "content_of", "name_of_source", "write_to", "write_whole"]

Bytes: TypeAlias = bytes | bytearray | memoryview
Target: TypeAlias = str | os.PathLike[str] | BinaryIO
Source: TypeAlias = str | os.PathLike[str] | BinaryIO | Bytes


def write_to(target: Target, write: Callable[[BinaryIO], object]) -> None:
    """Write to a path, whole or not at all, or into an open file, which need not be able to seek.

    Parameters
    ----------
    target : str, os.PathLike or binary file
    write : callable
        Called with an open file that can seek.

    Raises
    ------
    TypeError
        The target is neither a path nor a file opened in binary mode.
    OSError
        It cannot be written.
    """
    if isinstance(target, str | os.PathLike):
        write_whole(target, write)
        return
    if not _is_binary(target, "write"):
        raise TypeError(f"expected a path or a file opened in binary mode ('wb'), got {_described(target)}")
    whole = BytesIO()
    write(whole)
    rest = whole.getvalue()
    while rest:  # an unbuffered file may take a part
        rest = rest[target.write(rest) or len(rest) :]


def write_whole(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Write beside the path, then rename; what is no regular file is written in place.

    Parameters
    ----------
    path : str or os.PathLike
        Where to write; a link is followed.
    write : callable
        Called with the open file.

    Raises
    ------
    OSError
        The path cannot be written; a file that was there stays as it was.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            write(file)
        return
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        file = beside.open("xb")
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None
    try:
        with file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def content_of(source: Source) -> bytes:
    """All bytes of a path, of the rest of an open file, or those given.

    Parameters
    ----------
    source : str, os.PathLike, binary file or bytes

    Raises
    ------
    TypeError
        The source is none of these.
    OSError
        It cannot be read.
    """
    if isinstance(source, Bytes):
        return bytes(source)
    if isinstance(source, str | os.PathLike):
        return Path(source).read_bytes()
    content = source.read() if _is_binary(source, "read") else None
    if not isinstance(content, Bytes):
        raise TypeError(f"expected a path, a file opened in binary mode ('rb') or bytes, got {_described(source)}")
    return bytes(content)


def name_of_source(source: Source) -> str:
    """What messages call it: the path, the file's name where it has one, or what it is."""
    if isinstance(source, str | os.PathLike):
        return str(source)
    if isinstance(source, Bytes):
        return "the content given as bytes"
    return str(getattr(source, "name", f"the content of a {type(source).__name__}"))


def _is_binary(file: object, verb: str) -> bool:
    return hasattr(file, verb) and not isinstance(file, TextIOBase)


def _described(place: object) -> str:
    return "a file opened in text mode" if isinstance(place, TextIOBase) else f"{type(place).__name__}: {place!r:.60}"
