"""Saved models: safe, versioned files without pickle, ``.npz`` archives of numeric arrays and one JSON header.

Each class decides what it saves; the header may also have metadata of users, such as the origin of a model. Below, the
sources and targets of files of any format: paths, open files and bytes.
"""

from __future__ import annotations

import json
import os
import stat
import struct
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from errno import EISDIR
from io import BytesIO, TextIOBase
from math import inf, isfinite, prod
from numbers import Real
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from gmm._text.words import printable, printable_lines
from gmm._validation.scalars import as_list, check_text
from gmm._values.priors import NormalInverseWishart, parts

Bytes: TypeAlias = bytes | bytearray | memoryview
Writable: TypeAlias = str | os.PathLike[str] | BinaryIO
Readable: TypeAlias = str | os.PathLike[str] | BinaryIO | Bytes
Predicted: TypeAlias = tuple[int, NDArray[Any], NDArray[Any] | None]  # first row, labels, responsibilities
Arrays = dict[str, NDArray[Any]]
Header = dict[str, Any]
Saved = TypeVar("Saved")
Value = TypeVar("Value")

FORMAT = "gmm-em model"
FORMAT_VERSION = 1

_HEADER = "header"
_ALIGNMENT = 64  # bytes; the data of every array start at a multiple of it
_LOCAL_HEADER = 30  # bytes before the name of a member
_MAGIC = b"PK"  # of every zip archive
_BEGINNING = 64  # bytes by which text is recognised
_KINDS = "biuf"  # booleans, integers and floats, which need no pickle
_PADDING = 0xD935  # extra field of a member that aligns it
_SIZE_FIELD = 20  # bytes, which zipfile adds for large members
_DEEPEST = 20  # levels of metadata; a value that contains itself has no end
_LONGEST_ARRAY_HEADER = 1 << 14
_ARRAY_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def save_state(target: Writable, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a header and arrays to a path or an open file.

    The same values give the same bytes. An existing file is replaced only after the new one is complete.

    Parameters
    ----------
    target : str, os.PathLike or binary file
        Where to write; no suffix is added to a path.
    header : mapping of str to JSON values
        All values that are not arrays. The keys ``format`` and ``format_version`` are added.
    arrays : mapping of str to ndarray
        Boolean, integer or float arrays of any shape.

    Raises
    ------
    TypeError
        If a header value has no JSON form, an array has no numbers, or `target` is neither a path nor a binary file.
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
        if name == _HEADER:
            raise ValueError(f"no array may be named {_HEADER!r}, which is reserved: rename it")
        members[name] = np.asarray(values)
        if members[name].dtype.kind not in _KINDS:
            raise TypeError(f"expected numbers in array {name!r}, got dtype {members[name].dtype}")
    write_to(target, lambda file: _write(file, members))


def load_state(source: Readable, *, mmap: bool = False) -> tuple[Header, Arrays]:
    """Read the header and the arrays of a saved model.

    Parameters
    ----------
    source : str, os.PathLike, binary file or bytes
        A file written by `save_state`, in this or any earlier version of the format.
    mmap : bool
        Whether to map the arrays of a path into memory, which processes share. They are then read-only, in the byte
        order of the file, and nothing is read before it is used, so no checksum is compared.

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
    if mmap and not isinstance(source, str | os.PathLike):
        raise TypeError(f"expected a path for mmap=True, got {type(source).__name__}: pass mmap=False")
    name, arrays = name_of_source(source), Arrays()
    file: Any = open(source, "rb") if mmap else BytesIO(read_bytes(source))  # type: ignore[arg-type]  # noqa: SIM115
    with file, _damage(name, file):
        mapped = np.asarray(np.memmap(file, np.uint8, "r")) if mmap else None
        with zipfile.ZipFile(file) as archive:
            for member, entry in _members(archive, file.seek(0, os.SEEK_END)).items():
                if mapped is None or member == _HEADER:
                    values = _array(member, archive.read(entry))
                    arrays[member] = np.array(values, dtype=values.dtype.newbyteorder("="), order="C")
                else:
                    arrays[member] = _array(member, _member_content(member, entry, mapped))
        header = json.loads(arrays.pop(_HEADER).tobytes().decode())
        format_, version = header["format"], item(header, "format_version", int)
    if format_ != FORMAT:
        raise ValueError(f"{name} is not a saved model: its format is {format_!r:.60}, expected {FORMAT!r}")
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{name} has format version {version}, but this version of gmm reads versions up to {FORMAT_VERSION}: "
            "install a newer gmm-em"
        )
    return header, arrays


def load_object(
    source: Readable, builders: Mapping[str, Callable[[Header, Arrays], Saved]], *, mmap: bool = False
) -> Saved:
    """Read a file and build the object that was saved in it.

    Parameters
    ----------
    source : str, os.PathLike, binary file or bytes
    builders : mapping of str to callable
        For each class name, a function that builds the object from the header and the arrays.
    mmap : bool
        Whether to map the arrays, see `load_state`.

    Raises
    ------
    ValueError
        As for `load_state`, and if the file contains another class, or values are missing or invalid.
    """
    header, arrays = load_state(source, mmap=mmap)
    name, kind = name_of_source(source), header.get("class")
    if not isinstance(kind, str) or kind not in builders:
        raise ValueError(f"{name} contains {kind!r}, expected {' or '.join(map(repr, builders))}")

    def build(header: Header, arrays: Arrays) -> Saved:
        metadata = check_metadata(header.pop("metadata", {}))
        return describe(builders[kind](header, arrays), metadata)

    return build_object(name, kind, build, header, arrays)


def build_object(
    subject: str, noun: str, build: Callable[[Header, Arrays], Saved], header: Header, arrays: Arrays
) -> Saved:
    """Build an object from a header and arrays, with errors that name the file.

    Raises
    ------
    ValueError
        If a value is missing ("`subject` is not a complete `noun`") or invalid ("`subject` is not a valid `noun`").
    """
    try:
        return build(header, arrays)
    except KeyError as error:
        raise ValueError(f"{subject} is not a complete {noun}: {error} is missing") from None
    except (TypeError, ValueError) as error:
        raise ValueError(printable_lines(f"{subject} is not a valid {noun}: {error}")) from None


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


def bundle(parts: Mapping[Any, Arrays]) -> Arrays:
    """Return the arrays of several parts in one dict: their names start with that of the part."""
    return {f"{part}/{name}": values for part, arrays in parts.items() for name, values in arrays.items()}


def unbundle(arrays: Arrays) -> defaultdict[str, Arrays]:
    """Return the arrays of each part in a bundle."""
    parts = defaultdict[str, Arrays](dict)
    for path, values in arrays.items():
        part, _, name = path.partition("/")
        parts[part][name] = values
    return parts


def to_json_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert values for a header: scalars, text, booleans and None, and priors as dictionaries.

    Parameters
    ----------
    values : mapping of str to object
        For example, the parameters of an estimator.

    Returns
    -------
    dict
        JSON values. Values of any other type, such as arrays and callables, are dropped.
    """
    kinds = (str, Real, np.bool_, NormalInverseWishart)
    plain = {name: value for name, value in values.items() if value is None or isinstance(value, kinds)}
    named = {name: parts(value) for name, value in plain.items()}
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in named.items()}


def from_json_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `to_json_values`: rebuild the priors from their dictionaries."""

    def prior(saved: Header) -> NormalInverseWishart:
        arguments: dict[str, Any] = {n: np.array(v) if isinstance(v, list) else v for n, v in saved.items()}
        return NormalInverseWishart(**arguments)

    return {name: prior(value) if isinstance(value, dict) else value for name, value in values.items()}


def metadata_of(thing: object) -> dict[str, Any]:
    """A copy of the `metadata` that `save` wrote into the file."""
    metadata: dict[str, Any] = getattr(thing, "_metadata", {})
    return deepcopy(metadata)


def describe(thing: Saved, metadata: dict[str, Any]) -> Saved:
    """Set the metadata of an object, even if it is immutable."""
    if metadata:
        object.__setattr__(thing, "_metadata", metadata)
    return thing


def save_object(
    thing: object,
    target: Writable,
    metadata: Mapping[str, Any] | None,
    header: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
) -> None:
    """Write an object as `save_state` does, with the version of the package, and its class unless the header names it.

    Metadata None keeps those of the object.

    Raises
    ------
    TypeError, ValueError, OSError
        As `save_state` and `check_metadata`.
    """
    from gmm._versions import __version__

    metadata = metadata_of(thing) if metadata is None else check_metadata(metadata)
    header = {"gmm_version": __version__, "class": type(thing).__name__, **header}
    save_state(target, header | ({"metadata": metadata} if metadata else {}), arrays)


def check_metadata(value: Any) -> dict[str, Any]:
    """Check that a value is a mapping of texts to JSON values, and return a copy of it.

    Raises
    ------
    TypeError, ValueError
        If it is not; the message gives the place, the value, and what to pass instead.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"expected metadata to be a dict of JSON values, got {type(value).__name__}")
    metadata = dict(value)
    _check_entry(metadata, "metadata", _DEEPEST)
    copy: dict[str, Any] = json.loads(json.dumps(metadata))
    return copy


def _encoded(header: Mapping[str, Any]) -> NDArray[np.uint8]:
    reserved = {"format", "format_version"} & header.keys()
    if reserved:
        raise ValueError(f"the header may not set the reserved keys {sorted(reserved)}: rename them")
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, **header}
    for key, value in header.items():
        try:
            json.dumps(value, default=_float)
        except TypeError as error:
            raise TypeError(f"expected a JSON value for {key!r} in the header, got {value!r}") from error
    return np.frombuffer(json.dumps(document, indent=1, default=_float).encode(), dtype=np.uint8)


def _float(value: object) -> float:
    """Return a number of a type that JSON does not know, such as a long double or a fraction."""
    if not isinstance(value, Real):
        raise TypeError(f"expected a number, got {type(value).__name__}")
    return float(value)


def _write(file: BinaryIO, members: Mapping[str, NDArray[Any]]) -> None:
    """Write an archive as `numpy.savez` does, with the data of each array at a multiple of 64 bytes."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, values in members.items():
            entry = zipfile.ZipInfo(f"{name}.npy")
            start = archive.start_dir + _LOCAL_HEADER + len(entry.filename.encode()) + _SIZE_FIELD
            blank = -(start + 6) % _ALIGNMENT
            entry.extra = struct.pack("<HHH", _PADDING, 2 + blank, _ALIGNMENT) + bytes(blank)
            with archive.open(entry, "w", force_zip64=True) as member:  # numpy pads its own headers
                np.lib.format.write_array(member, values, allow_pickle=False)


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Return the members of an archive of this size by name; all together are no larger."""
    members: dict[str, zipfile.ZipInfo] = {}
    entries = archive.infolist()
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"its member {entry.filename!r} is compressed")
    if sum(entry.file_size for entry in entries) > size:  # members may overlap
        raise ValueError("its members are larger than the file")
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if name in members:
            raise ValueError(f"its member {name!r} occurs twice")
        members[name] = entry
    return members


def _member_content(name: str, entry: zipfile.ZipInfo, content: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the bytes of a member, after its local header."""
    lengths = entry.header_offset + _LOCAL_HEADER - 4
    if not 0 <= lengths <= content.size - 4:
        raise ValueError(f"its member {name!r} starts after the end of the file")
    start = lengths + 4 + sum(struct.unpack("<HH", content[lengths : lengths + 4].tobytes()))
    if start + entry.file_size > content.size:
        raise ValueError(f"its member {name!r} ends after the end of the file")
    return content[start : start + entry.file_size]


def _array(name: str, member: bytes | NDArray[np.uint8]) -> NDArray[Any]:
    """Return the array of a ``.npy`` member, after checking that the size in its header is that of its data."""
    stream = BytesIO(bytes(member[:_LONGEST_ARRAY_HEADER]))
    version = np.lib.format.read_magic(stream)
    if version not in _ARRAY_HEADERS:
        raise ValueError(f"its member {name!r} has version {version} of .npy, expected (1, 0) or (2, 0)")
    shape, fortran_order, dtype = _ARRAY_HEADERS[version](stream)
    if dtype.kind not in _KINDS:
        raise ValueError(f"its member {name!r} has dtype {dtype}, expected real numbers")
    expected, size = prod(shape) * dtype.itemsize, len(member) - stream.tell()
    if size != expected:
        raise ValueError(f"its member {name!r} has {size} bytes, expected {expected} for shape {shape} of {dtype}")
    return np.ndarray(shape, dtype, member, stream.tell(), order="F" if fortran_order else "C")


@contextmanager
def _damage(name: str, file: BinaryIO) -> Iterator[None]:
    """Raise that a file is not a saved model, or damaged, for any error of zipfile, numpy and json."""
    beginning = file.read(_BEGINNING)
    if not beginning.startswith(_MAGIC):
        is_text = beginning and beginning.isascii() and 0 not in beginning
        kind = "text, such as a table" if is_text else "other bytes" if beginning else "nothing"
        raise ValueError(f"{name} is not a saved model, or damaged: expected a file that save wrote, got {kind}")
    try:
        yield
    except Exception as error:
        message = " ".join(str(error).split()) or type(error).__name__
        reason = f"it has no {error.args[0]}" if isinstance(error, KeyError) else message
        raise ValueError(f"{name} is not a saved model, or damaged: {reason}") from error


def _check_entry(value: Any, place: str, levels: int) -> None:
    if levels == 0:
        raise ValueError(f"expected metadata of at most {_DEEPEST} levels, got more: does {place:.60} contain itself?")
    if isinstance(value, dict | list):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(value, dict) and not isinstance(key, str):
                raise TypeError(f"expected texts as keys of {place}, got {key!r:.60} of type {type(key).__name__}")
            _check_entry(entry, f"{place}[{key!r}]", levels - 1)
    elif isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"expected finite numbers in metadata, got {value} at {place}: pass None, or a text")
    elif value is not None and not isinstance(value, str | int):
        advice = ": pass a list" if isinstance(value, tuple | set) else ""
        methods = [method for method in ("isoformat", "tolist") if hasattr(value, method)]
        advice = f": pass its {methods[0]}()" if methods else advice
        raise TypeError(
            f"expected a JSON value at {place} (dict, list, str, int, float, bool or None), got {type(value).__name__}"
            + advice
        )


# --- Paths, open files and bytes -----------------------------------------------------------------


def write_to(target: Writable, write: Callable[[BinaryIO], object]) -> None:
    """Write to a path, where the file appears when it is complete, or to an open file.

    Parameters
    ----------
    target : str, os.PathLike or binary file
        Symbolic links of a path are followed; pipes and devices are written directly; a new file gets the permissions
        of the one that it replaces. An open file need not be seekable.
    write : callable
        Called with a seekable binary file, or with the pipe or the device.

    Raises
    ------
    TypeError
        If `target` is neither a path nor a file opened in binary mode.
    ValueError
        If the path is empty.
    OSError
        If the target cannot be written; an existing file is unchanged.

    Examples
    --------
    >>> import io, gmm
    >>> file = io.BytesIO()
    >>> gmm.sources.write_to(file, lambda file: file.write(b"K=3"))
    >>> file.getvalue()
    b'K=3'
    """
    if not callable(write):
        raise TypeError(f"expected a function that writes to a file for write, got {write!r:.80}")
    if isinstance(target, str | os.PathLike):
        _write_atomically(target, write)
        return
    if not _is_binary(target, "write"):
        raise TypeError(f"expected a path or a file opened in binary mode ('wb'), got {_described(target)}")
    buffer = BytesIO()
    write(buffer)
    rest = buffer.getvalue()
    while rest:  # an unbuffered file may accept only a part
        rest = rest[target.write(rest) or len(rest) :]


def _write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Write to a temporary file in the same directory, then rename it to `path`."""
    if not os.fspath(path):
        raise ValueError("expected the path of a file to write, got an empty one")
    if not _replaceable(path):
        with open(path, "wb") as file:
            write(file)
        return
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{os.urandom(16).hex()}.part")  # short: the other name may have the largest length
    try:
        with temporary.open("xb") as file:
            if path.exists():
                temporary.chmod(stat.S_IMODE(path.stat().st_mode))
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:  # also an interrupt, once the file exists
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename == str(temporary):
            raise type(error)(error.errno, error.strerror, str(path)) from None
        raise


def _replaceable(path: str | os.PathLike[str]) -> bool:
    """Return whether a path names a regular file, or nothing yet; not a pipe or a device, nor standard output as one.

    Links to these may lead to no name.
    """
    return not os.path.exists(path) or os.path.isfile(path)


def check_target(path: str | os.PathLike[str], suffixes: Sequence[str] | None = None) -> str:
    """Check, before the work, that a file can be written to a path; return its suffix.

    Parameters
    ----------
    path : str or os.PathLike
        A file, or a pipe or a device, which need no suffix.
    suffixes : sequence of str, default=None
        Suffixes that the path may have, in lower case; None means those of `write_table`.

    Returns
    -------
    str
        The suffix in lower case; for a pipe or a device without one, the first of `suffixes`.

    Raises
    ------
    ValueError
        If the path has another suffix.
    OSError
        If it is a directory, or its directory is missing or cannot be written to.
    ModuleNotFoundError
        If `suffixes` are those of `write_table`, and pyarrow is not installed.

    Examples
    --------
    >>> import gmm
    >>> gmm.sources.check_target("labels.CSV")
    '.csv'
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"expected the path of a file to write, got {path!r:.80}")
    if suffixes is None:
        from gmm._rows.writing import WRITERS

        suffixes = [*WRITERS]
    allowed = [check_text(suffix, "suffixes") for suffix in as_list(suffixes)]
    suffix = os.path.splitext(os.fspath(path))[1].lower() or (allowed[0] if allowed and not _replaceable(path) else "")
    if suffix not in allowed:
        raise ValueError(f"{os.fspath(path)!r}: expected a name ending in one of {', '.join(allowed)}")
    if os.path.isdir(path):
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), os.fspath(path))
    try:
        if _replaceable(path):
            TemporaryFile(dir=os.path.dirname(os.path.realpath(path))).close()
    except OSError as error:
        raise type(error)(error.errno, error.strerror, os.fspath(path)) from None
    return suffix


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


def write_predictions(path: str | os.PathLike[str], blocks: Iterable[Predicted]) -> None:
    """Write blocks of predictions to a path, as `write_table` does."""
    check_target(path)
    numbered = ((first + 1 + np.arange(len(labels)), labels, soft) for first, labels, soft in blocks)
    write_table(path, (prediction_columns(*block) for block in numbered))


def write_table(target: Writable, blocks: Iterable[Mapping[str, Any]]) -> None:
    r"""Write a table block by block, such as predictions of rows beyond memory.

    Parameters
    ----------
    target : str, os.PathLike or binary file
        The suffix of a path gives the format: .parquet, .arrow, .feather, .csv or .tsv. The file appears when it is
        complete. An open file gets CSV.
    blocks : iterable of mapping of str to array
        Columns by their names, the same in each block.

    Raises
    ------
    ValueError
        If the suffix is unknown.
    OSError
        If the file cannot be written; an existing one is unchanged.
    ModuleNotFoundError
        If pyarrow is not installed.

    Examples
    --------
    >>> import io, numpy as np, gmm
    >>> file = io.BytesIO()
    >>> gmm.sources.write_table(file, ({"x": np.arange(2) + 2 * part} for part in range(2)))
    >>> file.getvalue()
    b'x\n0\n1\n2\n3\n'
    """
    from gmm._rows.writing import write_blocks

    if not isinstance(target, str | os.PathLike):
        if not _is_binary(target, "write"):
            raise TypeError(f"expected a path or a file opened in binary mode ('wb'), got {_described(target)}")
        write_blocks(target, ".csv", blocks)
        return
    suffix = check_target(target)
    _write_atomically(target, lambda file: write_blocks(file, suffix, blocks))


def prediction_columns(numbers: Any, labels: Any, proba: Any = None, classes: Any = None) -> dict[str, NDArray[Any]]:
    """Return predictions as columns, with the names that `predict_to` and the command line write.

    Parameters
    ----------
    numbers : array-like of shape (n,)
        Numbers of the rows.
    labels : array-like of shape (n,)
        The component or class of each row.
    proba : array-like of shape (n, K), default=None
        Their probabilities.
    classes : array-like of shape (K,), default=None
        The classes, if labels are classes; None for components.

    Returns
    -------
    dict of str to ndarray
        ``row``; ``component`` or ``class``; and ``p_0``, ``p_1``, … or ``p_`` with the name of each class.

    Raises
    ------
    ValueError
        If lengths differ, or two classes have the same text.

    Examples
    --------
    >>> import gmm
    >>> gmm.sources.prediction_columns([1, 2], [0, 1])
    {'row': array([1, 2]), 'component': array([0, 1])}
    """
    columns = {"row": np.asarray(numbers), "component" if classes is None else "class": np.asarray(labels)}
    if proba is not None:
        shares = np.asarray(proba)
        names = range(shares.shape[-1] if shares.ndim else 0) if classes is None else as_list(classes)
        if shares.ndim != 2 or len(names) != shares.shape[1]:
            raise ValueError(f"expected probabilities of shape (n, K), one for each class, got shape {shares.shape}")
        if len({*map(str, names)}) < len(names):
            raise ValueError(f"expected classes of different names, got {names!r:.200}")
        columns |= {f"p_{name}": np.ascontiguousarray(column) for name, column in zip(names, shares.T, strict=True)}
    shapes = {name: column.shape for name, column in columns.items()}
    if len({*shapes.values()}) > 1 or len(columns["row"].shape) != 1:
        raise ValueError(f"expected a number, a label and probabilities for each row, got shapes {shapes}")
    return columns


for _function in (check_target, prediction_columns, write_table, write_to):
    _function.__module__ = "gmm.sources"
