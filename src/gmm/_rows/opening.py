"""`open_rows`: the source for a path, data of another package, or a function; `column_notes` on its columns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gmm._exceptions import warn
from gmm._rows.blocks import BlockSource, FactorySource, NpySource, ScratchSource, SlicedSource, is_from_file, npy_array
from gmm._rows.formats import SUFFIXES, TEXT, TextFormat, files_of, suffix_of, unknown_type
from gmm._rows.sources import Source
from gmm._text.words import column_names, printable
from gmm._validation import column_notes as on
from gmm._validation.column_notes import ColumnNote
from gmm._validation.scalars import as_list, check_choice, excerpt

if TYPE_CHECKING:
    from gmm._rows.tables import Part

_Path = str | os.PathLike[str]
_SLICED = ("h5py.Dataset", "zarr.Array", "numpy.memmap")
# Types of other packages; each has a row in `gmm._rows.arrow.OF_QUERIES`, as has any other stream of record batches.
_QUERIES = ("polars.LazyFrame", "duckdb.DuckDBPyRelation", "_duckdb.DuckDBPyRelation", "pyarrow.Dataset")
_STREAM = ""


def open_rows(
    data: _Path | Sequence[_Path] | Callable[[], Iterable[Any]] | Any,
    *,
    columns: Sequence[str] | None = None,
    weight: str | None = None,
    header: bool | None = None,
    decimal: str | None = None,
    na_values: Sequence[str] = (),
    scratch: bool | _Path = False,
) -> Source:
    """Open rows, which need not fit into memory, for `fit`, `predict`, `score` and the criteria.

    They are read again for every pass, block by block, and give the same bits as an array of the same rows, except for
    `score` of float32 rows, which is a mean in float32 for an array.

    Parameters
    ----------
    data : path, list of paths, data set, query, array of another package, or callable
        A file, a folder of files, or a pattern such as ``"data/*.parquet"``: Parquet, Arrow or Feather, ORC, delimited
        text (possibly compressed) or .npy, by the suffix; without one, it is text. The files of a folder, and of its
        folders, are read in the order of their paths; those whose names start with a dot or an underscore are not, and
        a warning names those of another kind. A ``pyarrow.dataset.Dataset`` or its ``Scanner``, an Arrow
        table, any object with `schema` and `to_batches` or with Arrow's C stream, a polars ``LazyFrame``, a DuckDB
        relation; an h5py data set, a zarr array or a memory map of shape (n, d). A function that returns an iterable of
        blocks, from the beginning each time it is called: arrays or data frames, or tuples of one and the weights of
        its rows. With `scratch`, also an iterator of such blocks, or a stream of Arrow, which can be read once.
    columns : sequence of str, default=None
        The features, by their names (x0, x1, … for .npy files); by default all columns but the weights.
    weight : str, default=None
        The column of the rows' weights, which are kept in memory: 8 bytes a row.
    header : bool, default=None
        Whether the first line of delimited text has column names. None decides by the text, with a warning if that line
        has numbers.
    decimal : {".", ","}, default=None
        The decimal mark of delimited text; the other one may then separate thousands. None decides by the first
        megabyte, with a warning if it is a comma.
    na_values : list of str, default=()
        Texts that mean a missing value in delimited text, in addition to an empty field, NA, NaN, null and the like.
        Numbers among them, such as "-999", do so in tables of all kinds, in any notation.
    scratch : bool, str or os.PathLike, default=False
        Decode the rows once, into a temporary file in this folder, or in the system's if True, and read that for every
        later pass: useful if decoding is slower than a pass, as for text. It has 8 bytes a number (4 for float32) and
        no name, and is gone when the process ends, in any way. Without space for it, there is a warning, and each pass
        reads the data. Data that can be read only once are copied at once, or an error states why not.

    Returns
    -------
    Source
        To be passed as ``X``. It also has `n_rows`, `n_features`, `dtype` and `feature_names`.

    Raises
    ------
    ValueError, TypeError
        If the data cannot be read as a table of numbers; the message gives the place. Also for a URL, and for data that
        can be read only once, without `scratch`.
    FileNotFoundError
        If there is no file by this name, or none that matches.
    ModuleNotFoundError
        If pyarrow, which reads all files but .npy, is not installed.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> def blocks():
    ...     for part in range(4):
    ...         rng = np.random.default_rng(part)
    ...         yield rng.normal(size=(1000, 2)) + 10 * (rng.uniform(size=(1000, 1)) < 0.3)
    >>> mixture = gmm.GaussianMixture(2, random_state=0).fit(gmm.open_rows(blocks))
    >>> mixture.weights_.round(1)
    array([0.7, 0.3])
    """
    if not isinstance(scratch, bool | str | os.PathLike):
        raise TypeError(f"expected True, False or a folder for scratch, got {scratch!r:.80}")
    reads_once = (isinstance(data, Iterator) and not callable(data)) or _is_a(data, "pyarrow.RecordBatchReader")
    if reads_once and not scratch:
        raise TypeError(
            f"expected a function that returns the blocks anew each time it is called, got a {type(data).__name__}, "
            "which can be read only once: scratch=True stores a copy of its rows"
        )
    source = _block_source(data, columns, weight, TextFormat.from_user(header, decimal, na_values))
    return ScratchSource(source, None if scratch is True else scratch) if scratch else source


def _block_source(data: Any, columns: Sequence[str] | None, weight: str | None, text_format: TextFormat) -> BlockSource:
    paths = [data] if isinstance(data, str | os.PathLike) else data
    if isinstance(paths, list | tuple) and paths and all(isinstance(path, str | os.PathLike) for path in paths):
        return _file_source(paths, columns, weight, text_format)
    if not text_format.is_silent:
        raise TypeError(
            f"{text_format.words.all} to delimited text: expected a path with it, got {type(data).__name__}"
        )
    if (query := query_of(data)) is not None:
        from gmm._rows.arrow import OF_QUERIES
        from gmm._rows.tables import TableSource

        return TableSource([OF_QUERIES[query](data)], columns, weight)
    if columns is not None or weight is not None:
        raise TypeError("columns and weight name columns of a table: expected a path or a data set with them")
    if is_from_file(data):
        return NpySource(data)
    if _is_a(data, *_SLICED):
        return SlicedSource(data)
    if callable(data):
        return FactorySource(data)
    if isinstance(data, Iterator):
        return FactorySource(lambda: data, f"the {type(data).__name__}", once=True)
    instead = (
        f"pass one of its arrays: data[{next(iter(data), 'name')!r}]"
        if _is_a(data, "h5py.Group", "zarr.Group")
        else "pass an array or a data frame to fit and predict directly"
    )
    raise TypeError(
        f"expected a path, a data set or a function that returns blocks, got {type(data).__name__}; {instead}"
    )


def _is_a(data: object, *names: str) -> bool:
    """Return whether an object is of a class by one of these names, "package.Class", or derived from one."""
    return any(f"{kind.__module__.partition('.')[0]}.{kind.__name__}" in names for kind in type(data).__mro__)


def query_of(data: object) -> str | None:
    """Return the class of what gives record batches, empty for any stream of them; None for other objects."""
    if query := next((name for name in _QUERIES if _is_a(data, name)), None):
        return query
    is_described = hasattr(data, "schema") or hasattr(data, "projected_schema")
    gives_batches = is_described and (hasattr(data, "to_batches") or hasattr(data, "get_batch"))
    is_stream = hasattr(data, "__arrow_c_stream__") and not hasattr(data, "__array__")  # as frames have
    return _STREAM if (gives_batches or is_stream) and not isinstance(data, type) else None


def _file_source(
    paths: Sequence[_Path], columns: Sequence[str] | None, weight: str | None, text_format: TextFormat
) -> BlockSource:
    listed = [files_of(path) for path in paths]
    for note in filter(None, (others for _, others in listed)):
        warn("file", note)
    files = [file for some, _ in listed for file in some]
    is_whole = columns is None and weight is None and text_format.is_silent
    if is_whole and list(map(suffix_of, files)) == [".npy"]:
        return NpySource(npy_array(files[0], printable(str(files[0]))))  # needs nothing but numpy
    parts = [open_part(file, text_format) for file in files]
    for part in parts:
        for note in part.notes(columns):
            warn("file", f"{part.name}: {note}")
    shown = {} if columns is not None else parts[0].labels()
    if labels := {name: f"{name!r} ({settings})" for name, settings in shown.items() if name != weight}:
        note = f"{parts[0].name}: {ColumnNote.of(on.LABELS, labels)}; columns=[…] names the columns to use"
        warn("file", note)
    from gmm._rows.tables import TableSource

    return TableSource(parts, columns, weight, text_format.codes)


def open_part(path: PurePath, text_format: TextFormat, *, content: bytes | None = None, whole: bool = False) -> Part:
    """Open a file, or its content, as a `Part`; without a suffix, it is text. `whole` is as for `text_part`.

    Raises
    ------
    ValueError
        If the suffix is unknown, the file is not of its kind, or the settings are for text, and it is not.
    """
    suffix, name = suffix_of(path), printable(str(path))
    source = str(path) if content is None else content
    if not suffix or suffix in TEXT:
        from gmm._rows.delimited import text_part

        return text_part(name, source, text_format, whole=whole)
    if not text_format.is_for_tables:
        raise ValueError(f"{name}: {text_format.words.all} to delimited text, not to a {suffix} file")
    if suffix not in SUFFIXES:
        raise ValueError(unknown_type(name, suffix))
    from gmm._rows.arrow import OF_FILES

    return OF_FILES[suffix](name, source)


def column_notes(
    rows: Any, kinds: Sequence[str] | None = None, *, labels: Mapping[str, str] = MappingProxyType({})
) -> tuple[ColumnNote, ...]:
    """Find columns that are not measurements, or that are difficult for a mixture, before a fit.

    Parameters
    ----------
    rows : Source
        Returned by `checked_rows`, `gmm.open_rows` or `open_table`, or an `ArraySource`. Columns are in their own
        units.
    kinds : sequence of str, default=None
        What to look for, all by default: columns that are "numbers" of the rows or "labels", "constant" ones, "codes",
        "copies" of others in other units; only for rows in memory, those with a "long tail" or an "error value" such
        as -999; and those with a "total", the sum or mean of the others, in the last row.
    labels : mapping of str to str, default={}
        Columns that are labels, with the reasons, such as `labels` of an `open_table` returns.

    Returns
    -------
    tuple of ColumnNote
        In the order above.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> X = np.column_stack([np.arange(50), np.random.default_rng(0).normal(size=50)])
    >>> print(*gmm.sources.column_notes(gmm.sources.checked_rows(X)))
    column 'x0' numbers the rows, like an identifier: drop it
    """
    if not isinstance(rows, Source) or rows.storage == "remote":
        raise TypeError(f"expected rows that checked_rows, open_rows or open_table returns, got {excerpt(rows)}")
    if not isinstance(labels, Mapping):
        raise TypeError(f"expected a mapping of columns to reasons for labels, got {excerpt(labels)}")
    wanted = {check_choice(kind, "kinds", on.KINDS) for kind in (on.KINDS if kinds is None else as_list(kinds))}
    names = column_names(rows.feature_names, rows.n_features)
    notes, array = list[ColumnNote](), rows.one_array
    if wanted & {kind.name for kind in on.BLOCK_KINDS}:
        blocks = (chunk.rows for chunk in rows.chunks())
        found = on.column_kinds(blocks, rows.n_rows, names) if array is None else array.look(on.kinds_in_memory, names)
        given = {name: f"{name!r} ({why})" for name, why in labels.items() if name in names}
        found = {kind: columns | (given if kind is on.LABELS else {}) for kind, columns in found.items()}
        notes += on.notes_of({kind: columns for kind, columns in found.items() if kind.name in wanted})
    if array is not None:
        notes += (note for kind, look in on.ARRAY_KINDS.items() if kind in wanted for note in array.look(look, names))
    if "total" in wanted:
        notes += on.total((chunk.rows for chunk in rows.chunks()), names)
    return tuple(notes)


open_rows.__module__, column_notes.__module__ = "gmm", "gmm.sources"
