"""A header and arrays as one file: an uncompressed ``.npz`` archive, numeric arrays beside one JSON header."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gmm.persistence.places import Source, Target, content_of, name_of_source, write_to

Arrays = dict[str, NDArray[Any]]
Header = dict[str, Any]
Saved = TypeVar("Saved")
Value = TypeVar("Value")

__all__ = ["FORMAT", "FORMAT_VERSION", "Arrays", "Header", "item", "load_state", "loaded", "made", "save_state"]

FORMAT = "gmm-em model"
FORMAT_VERSION = 1

_HEADER = "header"
_KINDS = "biuf"  # booleans, integers, floats: nothing that needs pickle
_ARRAY_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def save_state(target: Target, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a header and arrays to a path or a file, whole or not at all.

    The same values give the same bytes. A file already at the path is replaced only once the new one is complete.

    Parameters
    ----------
    target : str, os.PathLike or binary file
        Where to write; nothing is appended to a name.
    header : mapping of str to JSON values
        Everything that is not an array. The keys ``format`` and ``format_version`` are added here.
    arrays : mapping of str to ndarray
        Boolean, integer or float arrays of any shape.

    Raises
    ------
    TypeError
        A header value has no JSON form, an array holds anything but numbers, or the target is no place to write to.
    ValueError
        An array is named ``header``, or the header sets a reserved key.
    OSError
        The target cannot be written.

    See Also
    --------
    load_state : Read it back.
    """
    members: dict[str, Any] = {_HEADER: _encoded(header)}
    for name, values in arrays.items():
        members[name] = _checked(name, values)
    write_to(target, lambda file: np.savez(file, **members))


def load_state(source: Source) -> tuple[Header, Arrays]:
    """Read the header and the arrays of a saved model.

    Parameters
    ----------
    source : str, os.PathLike, binary file or bytes
        What `save_state` wrote, of this version of the format or any older one.

    Returns
    -------
    header : dict
        The header as saved, with ``format`` and ``format_version``.
    arrays : dict of str to ndarray
        The arrays as saved, in native byte order.

    Raises
    ------
    ValueError
        The source is no saved model, is damaged or cut short, or was written by a newer version of the format. The
        message names it.
    TypeError
        The source is none of these.
    OSError
        It cannot be read.
    """
    content, name = content_of(source), name_of_source(source)
    try:
        arrays = _members(content)
        header = json.loads(arrays.pop(_HEADER).tobytes().decode())
        foreign, version = header["format"] != FORMAT, item(header, "format_version", int)
    except Exception as error:  # what zipfile, numpy and json raise over damaged bytes may be anything
        raise ValueError(f"{name} is not a saved model, or damaged: {_reason(error)}") from error
    if foreign:
        raise ValueError(f"{name} is not a saved model: it was not written by gmm")
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{name} has format version {version}, this version of gmm reads up to "
            f"{FORMAT_VERSION}: install a newer gmm-em"
        )
    return header, arrays


def loaded(source: Source, makers: Mapping[str, Callable[[Header, Arrays], Saved]]) -> Saved:
    """Return what a file holds, made of its header and arrays by the maker for its class.

    Parameters
    ----------
    source : str, os.PathLike, binary file or bytes
    makers : mapping of str to callable
        By the name of the class that was saved.

    Raises
    ------
    ValueError
        As `load_state`; for a file of another class, and where something is missing or cannot be used.
    """
    header, arrays = load_state(source)
    name, held = name_of_source(source), header.get("class")
    if not isinstance(held, str) or held not in makers:
        raise ValueError(f"{name} holds {held!r}, expected {' or '.join(map(repr, makers))}")
    return made(f"{name} is no", held, makers[held], header, arrays)


def made(subject: str, noun: str, maker: Callable[[Header, Arrays], Saved], header: Header, arrays: Arrays) -> Saved:
    """Return what `maker` makes of a header and arrays, or tell what is wrong with them.

    Raises
    ------
    ValueError
        "`subject` complete `noun`" where something is missing, "`subject` usable `noun`" where something is at fault.
    """
    try:
        return maker(header, arrays)
    except KeyError as error:
        raise ValueError(f"{subject} complete {noun}: {error} is missing") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{subject} usable {noun}: {error}") from None


def item(header: Mapping[str, Any], name: str, kind: type[Value]) -> Value:
    """Return the value that a header has by a name.

    Raises
    ------
    KeyError
        It has none.
    ValueError
        It is of another type; a truth or NaN is no number.
    """
    value = header[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool) or value != value:
        raise ValueError(f"expected {kind.__name__} for {name!r} in its header, got {value!r:.60}")
    return value


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


def _members(content: bytes) -> Arrays:
    """Read every array of an archive; all of them together are no larger than that."""
    arrays: Arrays = {}
    with zipfile.ZipFile(BytesIO(content)) as archive:
        entries = archive.infolist()
        for entry in entries:
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"its member {entry.filename!r} is compressed")
        if sum(entry.file_size for entry in entries) > len(content):  # members may lie over each other
            raise ValueError("its members are larger than the file")
        for entry in entries:
            name = entry.filename.removesuffix(".npy")
            if name in arrays:
                raise ValueError(f"its member {name!r} is there twice")
            arrays[name] = _array(name, archive.read(entry))
    return arrays


def _array(name: str, member: bytes) -> NDArray[Any]:
    """Return the array of a ``.npy`` file, once its header is known to tell no more than what is there."""
    stream = BytesIO(member)
    version = np.lib.format.read_magic(stream)
    if version not in _ARRAY_HEADERS:
        raise ValueError(f"its member {name!r} is of another version of .npy, {version}")
    shape, in_columns, dtype = _ARRAY_HEADERS[version](stream)
    if dtype.kind not in _KINDS:
        raise ValueError(f"its member {name!r} holds {dtype}, expected real numbers")
    told, there = prod(shape) * dtype.itemsize, len(member) - stream.tell()
    if told != there:
        raise ValueError(f"its member {name!r} has {there} bytes, expected {told}: shape {shape} of {dtype}")
    values = np.ndarray(shape, dtype, member, stream.tell(), order="F" if in_columns else "C")
    return np.array(values, dtype=dtype.newbyteorder("="), order="C")


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]}"
    return " ".join(str(error).split()) or type(error).__name__
