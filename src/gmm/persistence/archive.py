"""The file format: an uncompressed ``.npz`` archive that holds numeric arrays and one JSON header."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from math import inf, prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gmm.persistence.metadata import check_metadata, describe
from gmm.persistence.places import Readable, Writable, name_of_source, read_bytes, write_to

Arrays = dict[str, NDArray[Any]]
Header = dict[str, Any]
Saved = TypeVar("Saved")
Value = TypeVar("Value")

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "Arrays",
    "Header",
    "build_object",
    "item",
    "load_object",
    "load_state",
    "save_state",
]

FORMAT = "gmm-em model"
FORMAT_VERSION = 1

_HEADER = "header"
_KINDS = "biuf"  # booleans, integers and floats, which need no pickle
_ARRAY_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def save_state(target: Writable, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a header and arrays to a path or an open file.

    The same values give the same bytes. An existing file is replaced only after the new one is complete.

    Parameters
    ----------
    target : str, os.PathLike or binary file
        Where to write; no suffix is added to a path.
    header : mapping of str to JSON values
        Everything that is not an array. The keys ``format`` and ``format_version`` are added.
    arrays : mapping of str to ndarray
        Boolean, integer or float arrays of any shape.

    Raises
    ------
    TypeError
        If a header value has no JSON form, an array does not hold numbers, or `target` is neither a path nor a binary
        file.
    ValueError
        If an array is named ``header``, or the header sets a reserved key.
    OSError
        If the target cannot be written.

    See Also
    --------
    load_state : Read it back.
    """
    members: dict[str, Any] = {_HEADER: _encoded(header)}
    for name, values in arrays.items():
        members[name] = _checked(name, values)
    write_to(target, lambda file: np.savez(file, **members))


def load_state(source: Readable) -> tuple[Header, Arrays]:
    """Read the header and the arrays of a saved model.

    Parameters
    ----------
    source : str, os.PathLike, binary file or bytes
        A file written by `save_state`, in this or any earlier version of the format.

    Returns
    -------
    header : dict
        The header as saved, with ``format`` and ``format_version``.
    arrays : dict of str to ndarray
        The arrays as saved, in native byte order.

    Raises
    ------
    ValueError
        If the source is not a saved model, is damaged or truncated, or was written by a newer version of the format.
        The message names the source.
    TypeError
        If `source` is not a path, a binary file or bytes.
    OSError
        If the source cannot be read.
    """
    content, name = read_bytes(source), name_of_source(source)
    try:
        arrays = _members(content)
        header = json.loads(arrays.pop(_HEADER).tobytes().decode())
        foreign, version = header["format"] != FORMAT, item(header, "format_version", int)
    except Exception as error:  # zipfile, numpy and json may raise anything on damaged bytes
        raise ValueError(f"{name} is not a saved model, or damaged: {_reason(error)}") from error
    if foreign:
        raise ValueError(f"{name} is not a saved model: its format is {header['format']!r:.60}, expected {FORMAT!r}")
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{name} has format version {version}, but this version of gmm reads versions up to {FORMAT_VERSION}: "
            "install a newer gmm-em"
        )
    return header, arrays


def load_object(source: Readable, builders: Mapping[str, Callable[[Header, Arrays], Saved]]) -> Saved:
    """Read a file and build the object that was saved in it.

    Parameters
    ----------
    source : str, os.PathLike, binary file or bytes
    builders : mapping of str to callable
        For each class name, a function that builds the object from the header and the arrays.

    Raises
    ------
    ValueError
        As for `load_state`, and if the file holds another class or values that are missing or invalid.
    """
    header, arrays = load_state(source)
    name, kind = name_of_source(source), header.get("class")
    if not isinstance(kind, str) or kind not in builders:
        raise ValueError(f"{name} holds {kind!r}, expected {' or '.join(map(repr, builders))}")

    def build(header: Header, arrays: Arrays) -> Saved:
        metadata = check_metadata(header.pop("metadata", {}))
        return describe(builders[kind](header, arrays), metadata)

    return build_object(name, kind, build, header, arrays)


def build_object(
    subject: str, noun: str, build: Callable[[Header, Arrays], Saved], header: Header, arrays: Arrays
) -> Saved:
    """Build an object from a header and arrays, or say what is wrong with them.

    Raises
    ------
    ValueError
        If something is missing ("`subject` is not a complete `noun`") or invalid ("`subject` is not a valid `noun`").
    """
    try:
        return build(header, arrays)
    except KeyError as error:
        raise ValueError(f"{subject} is not a complete {noun}: {error} is missing") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{subject} is not a valid {noun}: {error}") from None


def item(header: Mapping[str, Any], name: str, kind: type[Value]) -> Value:
    """Return the header's value for `name`, checked to be of type `kind`.

    Raises
    ------
    KeyError
        If the header has no such name.
    ValueError
        If the value has another type, or is NaN; a boolean does not count as a number.
    """
    value = header[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool) or value != value:
        raise ValueError(f"expected {kind.__name__} for {name!r} in its header, got {value!r:.60}")
    return value


def positive(header: Header, name: str) -> float:
    """Return a positive, finite number of a header."""
    value = item(header, name, float)
    if not 0 < value < inf:
        raise ValueError(f"expected a positive number for {name!r} in its header, got {value!r}")
    return value


def _encoded(header: Mapping[str, Any]) -> NDArray[np.uint8]:
    reserved = {"format", "format_version"} & header.keys()
    if reserved:
        raise ValueError(f"the header may not set the reserved keys {sorted(reserved)}: rename them")
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, **header}
    for key, value in header.items():
        try:
            json.dumps(value)
        except TypeError as error:
            raise TypeError(f"expected a JSON value for {key!r} in the header, got {value!r}") from error
    return np.frombuffer(json.dumps(document, indent=1).encode(), dtype=np.uint8)


def _checked(name: str, values: NDArray[Any]) -> NDArray[Any]:
    if name == _HEADER:
        raise ValueError(f"no array may be named {_HEADER!r}, which is reserved: rename it")
    values = np.asarray(values)
    if values.dtype.kind not in _KINDS:
        raise TypeError(f"expected numbers in array {name!r}, got dtype {values.dtype}")
    return values


def _members(content: bytes) -> Arrays:
    """Read all arrays of an archive, which together take no more memory than the archive itself."""
    arrays: Arrays = {}
    with zipfile.ZipFile(BytesIO(content)) as archive:
        entries = archive.infolist()
        for entry in entries:
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"its member {entry.filename!r} is compressed")
        if sum(entry.file_size for entry in entries) > len(content):  # members may overlap
            raise ValueError("its members are larger than the file")
        for entry in entries:
            name = entry.filename.removesuffix(".npy")
            if name in arrays:
                raise ValueError(f"its member {name!r} is there twice")
            arrays[name] = _array(name, archive.read(entry))
    return arrays


def _array(name: str, member: bytes) -> NDArray[Any]:
    """Read a ``.npy`` member, after checking that the size in its header is the size of its data."""
    stream = BytesIO(member)
    version = np.lib.format.read_magic(stream)
    if version not in _ARRAY_HEADERS:
        raise ValueError(f"its member {name!r} has version {version} of .npy, expected (1, 0) or (2, 0)")
    shape, fortran_order, dtype = _ARRAY_HEADERS[version](stream)
    if dtype.kind not in _KINDS:
        raise ValueError(f"its member {name!r} holds {dtype}, expected real numbers")
    expected, size = prod(shape) * dtype.itemsize, len(member) - stream.tell()
    if size != expected:
        raise ValueError(f"its member {name!r} has {size} bytes, expected {expected} for shape {shape} of {dtype}")
    values = np.ndarray(shape, dtype, member, stream.tell(), order="F" if fortran_order else "C")
    return np.array(values, dtype=dtype.newbyteorder("="), order="C")


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]}"
    return " ".join(str(error).split()) or type(error).__name__
