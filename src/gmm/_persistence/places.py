"""Reading from and writing to paths, open files and bytes, whatever the file format; predictions block by block."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO, TextIOBase
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gmm._text.words import printable, quoted

Bytes: TypeAlias = bytes | bytearray | memoryview
Writable: TypeAlias = str | os.PathLike[str] | BinaryIO
Readable: TypeAlias = str | os.PathLike[str] | BinaryIO | Bytes


def write_to(target: Writable, write: Callable[[BinaryIO], object]) -> None:
    """Write to a path atomically, or to an open file.

    Parameters
    ----------
    target : str, os.PathLike or binary file
        An open file need not be seekable.
    write : callable
        Called with a seekable binary file.

    Raises
    ------
    TypeError
        If `target` is neither a path nor a file opened in binary mode.
    OSError
        If the target cannot be written.
    """
    if isinstance(target, str | os.PathLike):
        write_atomically(target, write)
        return
    if not _is_binary(target, "write"):
        raise TypeError(f"expected a path or a file opened in binary mode ('wb'), got {_described(target)}")
    buffer = BytesIO()
    write(buffer)
    rest = buffer.getvalue()
    while rest:  # an unbuffered file may accept only a part
        rest = rest[target.write(rest) or len(rest) :]


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Write to a temporary file in the same directory, then rename it to `path`.

    Parameters
    ----------
    path : str or os.PathLike
        Where to write. Symbolic links are followed; pipes and devices are written in place; a file that is replaced
        hands down who may read it.
    write : callable
        Called with the open file.

    Raises
    ------
    ValueError
        If the path is empty.
    OSError
        If the path cannot be written; an existing file is left unchanged.
    """
    if not os.fspath(path):
        raise ValueError("expected the path of a file to write, got an empty one")
    if not replaceable(path):
        with open(path, "wb") as file:
            write(file)
        return
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{os.urandom(16).hex()}.part")  # short, as a name may be as long as can be
    try:
        file = temporary.open("xb")
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None
    try:
        with file:
            if path.exists():
                temporary.chmod(stat.S_IMODE(path.stat().st_mode))
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def replaceable(path: str | os.PathLike[str]) -> bool:
    """Return whether a path names a regular file, or nothing yet; not a pipe or a device, nor standard output as one.

    Such places have no name of their own behind the links that lead to them.
    """
    return not os.path.exists(path) or os.path.isfile(path)


def suffix_to_write(path: str | os.PathLike[str], default: str) -> str:
    """Return the suffix of a path in lower case; that of a pipe or a device without one is the default."""
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    return suffix or ("" if replaceable(path) else default)


def read_bytes(source: Readable) -> bytes:
    """Read a path, or an open file to its end; bytes are returned as they are.

    Parameters
    ----------
    source : str, os.PathLike, binary file or bytes

    Raises
    ------
    TypeError
        If `source` is none of these.
    OSError
        If it cannot be read.
    """
    if isinstance(source, Bytes):
        return bytes(source)
    if isinstance(source, str | os.PathLike):
        return Path(source).read_bytes()
    content = source.read() if _is_binary(source, "read") else None
    if not isinstance(content, Bytes):
        raise TypeError(f"expected a path, a file opened in binary mode ('rb') or bytes, got {_described(source)}")
    return bytes(content)


def name_of_source(source: Readable) -> str:
    """Name a source for messages: by its path, the name of the open file, or its type."""
    if isinstance(source, str | os.PathLike):
        return printable(str(source))
    if isinstance(source, Bytes):
        return "the content given as bytes"
    return printable(str(getattr(source, "name", f"the content of a {type(source).__name__}")))


def _is_binary(file: object, verb: str) -> bool:
    return hasattr(file, verb) and not isinstance(file, TextIOBase)


def _described(place: object) -> str:
    return "a file opened in text mode" if isinstance(place, TextIOBase) else f"{type(place).__name__}: {place!r:.60}"


Predicted: TypeAlias = tuple[int, NDArray[Any], NDArray[Any] | None]  # first row, labels, responsibilities


def write_predictions(path: str | os.PathLike[str], blocks: Iterable[Predicted]) -> None:
    """Write blocks of predictions, as `write_table` does."""
    from gmm._rows.writing import prediction_columns

    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"expected the path of a file to write, got {path!r:.80}")
    numbered = ((first + 1 + np.arange(len(labels)), labels, soft) for first, labels, soft in blocks)
    write_table(path, (prediction_columns(*block) for block in numbered))


def write_table(path: str | os.PathLike[str], blocks: Iterable[Mapping[str, Any]]) -> None:
    """Write blocks of columns in the format of the suffix, CSV without one; the file appears when it is complete.

    Raises
    ------
    ValueError
        If the suffix is unknown.
    OSError
        If the file cannot be written; one that was there is left as it was.
    """
    from gmm._rows.writing import WRITERS, write_blocks

    suffix = suffix_to_write(path, ".csv")
    if suffix not in WRITERS:
        raise ValueError(f"{os.fspath(path)}: expected a name ending in one of {quoted(WRITERS)}")
    write_atomically(path, lambda file: write_blocks(file, suffix, blocks))
