"""Saved models: a safe, versioned file of plain values, and nothing that can run code.

A file is an uncompressed ``.npz`` archive: numeric arrays beside one JSON header. What the
values mean is the business of the estimator that gives and takes them.
"""

from __future__ import annotations

import json
import os
import struct
import uuid
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from gmm.values.priors import NormalInverseWishart, parts

Arrays = dict[str, NDArray[Any]]
Saved = TypeVar("Saved")

__all__ = ["FORMAT", "FORMAT_VERSION", "load_state", "loaded", "plain", "restored", "save_state", "write_whole"]

FORMAT = "gmm-em model"
FORMAT_VERSION = 1

_HEADER = "header"
_KINDS = "biuf"  # booleans, integers, floats: nothing that needs pickle

# What zipfile, numpy and json raise over damaged bytes.
_UNREADABLE = (
    zipfile.BadZipFile,
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    OSError,
    RuntimeError,
    MemoryError,
    OverflowError,
    struct.error,
)


def save_state(path: str | os.PathLike[str], header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a header and arrays to exactly this path, whole or not at all.

    The same values give the same bytes. A file already there is replaced only once the new
    one is complete.

    Parameters
    ----------
    path : str or os.PathLike
        Where to write; nothing is appended to the name.
    header : mapping of str to JSON values
        Everything that is not an array. The keys ``format`` and ``format_version`` are
        added here.
    arrays : mapping of str to ndarray
        Boolean, integer or float arrays of any shape.

    Raises
    ------
    TypeError
        A header value has no JSON form, or an array holds anything but numbers.
    ValueError
        An array is named ``header``, or the header sets a reserved key.
    OSError
        The path cannot be written.

    See Also
    --------
    load_state : Read it back.
    """
    members: dict[str, Any] = {_HEADER: _encoded(header)}
    for name, values in arrays.items():
        members[name] = _checked(name, values)
    write_whole(path, lambda file: np.savez(file, **members))


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


def load_state(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read the header and the arrays of a saved model.

    Parameters
    ----------
    path : str or os.PathLike
        A file written by `save_state`, of this version of the format or any older one.

    Returns
    -------
    header : dict
        The header as saved, with ``format`` and ``format_version``.
    arrays : dict of str to ndarray
        The arrays as saved, in native byte order.

    Raises
    ------
    ValueError
        The file is no saved model, is damaged or cut short, or was written by a newer
        version of the format. The message names the path.
    OSError
        The path cannot be read.
    """
    content = Path(path).read_bytes()
    try:
        arrays = _members(content)
        header = json.loads(arrays.pop(_HEADER).tobytes().decode())
        foreign, version = header["format"] != FORMAT, int(header["format_version"])
    except _UNREADABLE as error:
        raise ValueError(f"{path} is not a saved model, or damaged: {_reason(error)}") from error
    if foreign:
        raise ValueError(f"{path} is not a saved model: it was not written by gmm")
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {version}, this version of gmm reads up to "
            f"{FORMAT_VERSION}: install a newer gmm-em"
        )
    return header, arrays


def loaded(
    path: str | os.PathLike[str], wanted: str, noun: str, made: Callable[[dict[str, Any], Arrays], Saved]
) -> Saved:
    """Return what `made` makes of a file's header and arrays, if it holds a `wanted`, the name of a class.

    Raises
    ------
    ValueError
        As `load_state`; for a file of another class, and where `made` misses something or cannot use it, in the words
        of a `noun`.
    """
    header, arrays = load_state(path)
    if header.get("class") != wanted:
        raise ValueError(f"{path} holds {header.get('class')!r}, expected {wanted!r}")
    try:
        return made(header, arrays)
    except KeyError as error:
        raise ValueError(f"{path} is no complete {noun}: {error} is missing") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is no usable {noun}: {error}") from None


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the values that a header can hold: numbers, names, truths, None, and priors by their parts.

    Parameters
    ----------
    values : mapping of str to object
        Parameters of an estimator, say.

    Returns
    -------
    dict
        The values that are one thing, numpy's scalars as Python's.
    """
    kinds = (str, int, float, np.bool_, np.integer, np.floating, dict)
    named = {name: parts(value) if isinstance(value, NormalInverseWishart) else value for name, value in values.items()}
    held = {name: value for name, value in named.items() if value is None or isinstance(value, kinds)}
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in held.items()}


def restored(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that `plain` was given: those that a header held by their parts are whole again."""
    return {name: NormalInverseWishart(**value) if isinstance(value, dict) else value for name, value in values.items()}


def _encoded(header: Mapping[str, Any]) -> NDArray[np.uint8]:
    reserved = {"format", "format_version"} & header.keys()
    if reserved:
        raise ValueError(f"the header may not set {sorted(reserved)}: the format does")
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, **header}
    for key, value in header.items():
        try:
            json.dumps(value)
        except TypeError as error:
            raise TypeError(f"expected a JSON value for {key!r}, got {value!r}") from error
    return np.frombuffer(json.dumps(document, indent=1).encode(), dtype=np.uint8)


def _checked(name: str, values: NDArray[Any]) -> NDArray[Any]:
    if name == _HEADER:
        raise ValueError(f"no array may be named {_HEADER!r}")
    values = np.asarray(values)
    if values.dtype.kind not in _KINDS:
        raise TypeError(f"expected numbers in array {name!r}, got dtype {values.dtype}")
    return values


def _members(content: bytes) -> dict[str, NDArray[Any]]:
    """Read every array of an archive; their sizes are bounded by the file's own."""
    arrays = {}
    with zipfile.ZipFile(BytesIO(content)) as archive:
        for entry in archive.infolist():
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"its member {entry.filename!r} is compressed")
            values = np.lib.format.read_array(BytesIO(archive.read(entry)), allow_pickle=False)
            native = values.astype(values.dtype.newbyteorder("="), copy=False)
            arrays[entry.filename.removesuffix(".npy")] = native
    return arrays


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]}"
    return " ".join(str(error).split()) or type(error).__name__
