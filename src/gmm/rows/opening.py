"""`rows`: the source for a path, a data set or a function that gives blocks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from errno import ENOENT
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from gmm.rows.blocks import BlockSource
from gmm.rows.factory import FactorySource
from gmm.rows.npy import npy_source
from gmm.rows.scratch import ScratchSource
from gmm.rows.sources import Source
from gmm.rows.suffixes import ARROW, COMPRESSED, PARQUET, TEXT
from gmm.text.lists import quoted

if TYPE_CHECKING:
    from gmm.rows.tables import Part

__all__ = ["columns_of", "gives_batches", "rows"]

_Path = str | os.PathLike[str]


def rows(
    data: _Path | Sequence[_Path] | Callable[[], Iterable[Any]] | Any,
    *,
    columns: Sequence[str] | None = None,
    weight: str | None = None,
    header: bool | None = None,
    scratch: bool | _Path = False,
) -> Source:
    """Make rows that need not fit into memory ready for `fit`, `predict`, `score` and the criteria.

    They are read anew for every pass, block by block, and give the same bits as an array of the same rows, but for
    `score` of float32 rows, which of an array is a mean in float32.

    Parameters
    ----------
    data : path, list of paths, data set, or callable
        A file or a folder of files: Parquet, Arrow or Feather, delimited text (possibly compressed), or one .npy file,
        which the suffix tells. The files of a folder, and of its folders, are read in the order of their paths; those
        whose names begin with a dot or an underscore are not. A ``pyarrow.dataset.Dataset``, an Arrow table, or any
        object with `schema` and `to_batches`. Or a function that returns an iterable of blocks, from the beginning
        each time it is called: arrays or data frames, or tuples of one and the weights of its rows.
    columns : sequence of str, default=None
        The features, by their names; all columns but the weight's by default.
    weight : str, default=None
        The column of the rows' weights, which are kept in memory: 8 bytes a row.
    header : bool, default=None
        Whether the first line of delimited text holds column names. None decides from the text, with a warning if that
        line holds numbers.
    scratch : bool, str or os.PathLike, default=False
        Decode the rows once, into a temporary file in this folder, or in the system's if True, and read that for every
        later pass: worth it where decoding takes longer than a pass, as of text. It takes 8 bytes a number (4 of
        float32), has no name, and is gone when the process ends, however it does. Without room for it, a warning says
        so, and each pass reads the data.

    Returns
    -------
    Source
        To be passed as ``X``. It also has `n_rows`, `n_features`, `dtype` and `feature_names`.

    Raises
    ------
    ValueError, TypeError
        If the data cannot be read as a table of numbers; the message says where.
    ModuleNotFoundError
        If pyarrow, which reads all files but .npy, is not installed.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> def blocks():
    ...     for part in range(4):
    ...         rng = np.random.default_rng(part)
    ...         yield rng.normal(size=(1000, 2)) + 10 * (rng.uniform(size=(1000, 1)) < 0.3)
    >>> mixture = gmm.GaussianMixture(2, random_state=0).fit(gmm.rows(blocks))
    >>> mixture.weights_.round(1)
    array([0.7, 0.3])
    """
    source = _source(data, columns, weight, header)
    return ScratchSource(source, None if scratch is True else scratch) if scratch else source


def _source(data: Any, columns: Sequence[str] | None, weight: str | None, header: bool | None) -> BlockSource:
    if isinstance(data, str | os.PathLike):
        return _of_paths([Path(data)], columns, weight, header)
    if isinstance(data, list | tuple) and data and all(isinstance(item, str | os.PathLike) for item in data):
        return _of_paths([Path(item) for item in data], columns, weight, header)
    if header is not None:
        raise TypeError(f"header applies to delimited text: expected a path with it, got {type(data).__name__}")
    if gives_batches(data):
        from gmm.rows.arrow import BatchesPart

        return _of_parts([BatchesPart(data)], columns, weight)
    if columns is not None or weight is not None:
        raise TypeError("columns and weight name columns of a table: expected a path or a data set with them")
    if callable(data):
        return FactorySource(data)
    if isinstance(data, Iterator):
        raise TypeError(
            f"expected a function that returns the blocks anew each time it is called, got a {type(data).__name__}, "
            "which can be read only once"
        )
    raise TypeError(
        f"expected a path, a data set or a function that returns blocks, got {type(data).__name__}; an array or a data "
        "frame is passed to fit and predict as it is"
    )


def columns_of(path: _Path, *, header: bool | None = None) -> dict[str, Any]:
    """Return the names of the columns of a file, or of the first in a folder, and their Arrow types; none of .npy."""
    file = _files(Path(path))[0]
    if file.suffix.lower() == ".npy":
        return {}
    part = _part(file, header)
    schema = getattr(part, "guessed", part.schema)  # text is read as numbers, whatever it holds
    return dict(zip(schema.names, schema.types, strict=True))


def gives_batches(data: object) -> bool:
    """Return whether an object gives record batches, as Arrow's tables and data sets do."""
    return hasattr(data, "to_batches") and hasattr(data, "schema") and not isinstance(data, type)


def _of_paths(
    paths: Sequence[Path], columns: Sequence[str] | None, weight: str | None, header: bool | None
) -> BlockSource:
    files = [file for path in paths for file in _files(path)]
    if any(file.suffix.lower() == ".npy" for file in files):
        if len(files) > 1 or columns is not None or weight is not None:
            raise ValueError(
                "a .npy file is read alone and has no names of columns: expected one path and nothing else"
            )
        _check_no_header(files[0], header)
        return npy_source(files[0])
    return _of_parts([_part(file, header) for file in files], columns, weight)


def _of_parts(parts: Sequence[Part], columns: Sequence[str] | None, weight: str | None) -> BlockSource:
    from gmm.rows.tables import TableSource

    return TableSource(parts, columns, weight)


def _files(path: Path) -> list[Path]:
    """Return the path or, of a folder, the files in it, in the order of their paths."""
    if not path.exists():
        raise FileNotFoundError(ENOENT, os.strerror(ENOENT), str(path))
    if not path.is_dir():
        return [path]
    hidden = (".", "_")
    found = sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and not any(part.startswith(hidden) for part in file.relative_to(path).parts)
    )
    if not found:
        raise ValueError(f"the folder {path} holds no files of rows")
    return found


def _check_no_header(path: Path, header: bool | None) -> None:
    if header is not None:
        raise ValueError(f"{path}: header applies to delimited text, not to a {path.suffix} file")


def _part(path: Path, header: bool | None) -> Part:
    suffixes = [suffix.lower() for suffix in PurePath(path).suffixes[-2:]]
    suffix = suffixes[-1] if suffixes else ""
    if suffix in TEXT or (suffix in COMPRESSED and suffixes[0] in TEXT):
        from gmm.rows.delimited import TextPart

        return TextPart(str(path), header)
    _check_no_header(path, header)
    if suffix in PARQUET:
        from gmm.rows.parquet import ParquetPart

        return ParquetPart(str(path))
    if suffix in ARROW:
        from gmm.rows.arrow import ArrowPart

        return ArrowPart(str(path))
    known = quoted((*PARQUET, *ARROW, *TEXT, ".npy"))
    raise ValueError(f"{path}: unknown file type {suffix!r}, expected one of {known}")
