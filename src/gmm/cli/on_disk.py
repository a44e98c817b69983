"""`RowsOnDisk`: a table that is read block by block, as often as there are passes, with ``--blocks``."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gmm.cli.columns import Columns
from gmm.cli.failures import CommandError, UsageError
from gmm.cli.rows import Frame, columns_to_keep, columns_to_read, unused_notes
from gmm.cli.tables import format_of
from gmm.rows.factory import FactorySource
from gmm.rows.opening import batches_of, block_source, schema_of
from gmm.rows.paths import files_of
from gmm.rows.sources import Source
from gmm.rows.suffixes import NPY, suffix_of

__all__ = ["RowsOnDisk", "own_blocks", "rows_on_disk", "rows_on_disk_to_fit"]

_IN_MEMORY = ("drop_missing", "missing", "label_column", "report", "plot")


@dataclass(frozen=True, eq=False)
class RowsOnDisk:
    """What `gmm.cli.rows.Rows` is for a table in memory.

    Attributes
    ----------
    names : tuple of str
        Names of the d columns.
    frame : Source
        The rows, with their weights.
    notes : tuple of str
        Notes for the user, one line each.
    """

    names: tuple[str, ...]
    frame: Any
    notes: tuple[str, ...]
    labels: ClassVar[None] = None
    sample_weight: ClassVar[None] = None  # the rows have their own

    @property
    def n_rows(self) -> int:
        """Number of rows, n."""
        return self.frame.n_rows

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """The weight column."""
        return self.frame.sample_weight


def _check_blocks(options: argparse.Namespace) -> None:
    """Reject what needs the table in memory, beside ``--blocks``.

    Raises
    ------
    UsageError
        If there is such an option, or no file that can be read again and again.
    """
    for name in _IN_MEMORY:
        if vars(options).get(name):
            raise UsageError(f"--{name.replace('_', '-')}: not with --blocks; it needs the table in memory")
    if options.file in (None, "-"):
        raise UsageError("--blocks reads the table once for each pass: expected a file")


def rows_on_disk(options: argparse.Namespace, columns: Sequence[str] | None = None) -> RowsOnDisk:
    """Open the table that the options name, and look at it once.

    Parameters
    ----------
    options : argparse.Namespace
    columns : sequence of str, optional
        Those of a model; by default those that the options ask for.

    Raises
    ------
    CommandError
        If a name is not in the table or no numeric column is left.
    UsageError
        If an option needs the table in memory.
    """
    _check_blocks(options)
    fields, warned = _fields(options)
    weight, wanted = vars(options).get("weight_column"), vars(options).get("columns")
    if columns is None:
        out = vars(options).get("exclude") or ()
        chosen, notes = columns_to_read(fields, wanted, out, () if weight is None else (weight,))
    else:
        chosen, notes = columns_to_read(fields, columns)
        notes = (*unused_notes(list(fields), columns), *notes)
    source = _opened(options, list(fields), chosen)
    _check_rows(chosen, source)
    return RowsOnDisk(tuple(chosen), source, (*warned, *notes))


def rows_on_disk_to_fit(options: argparse.Namespace) -> RowsOnDisk:
    """Open the table that the options name, as `rows_on_disk`, without columns that are no measurements.

    It is read once more as far as that is open, and again if one of them is left out.
    """
    all_rows = rows_on_disk(options)
    blocks = (chunk.rows for chunk in all_rows.frame.chunks())
    columns = Columns(all_rows.names, blocks, all_rows.n_rows)
    kept, notes = columns.chosen(named=options.columns is not None)
    names, source = tuple(all_rows.names[j] for j in kept), all_rows.frame
    if len(kept) < len(all_rows.names):
        source = _opened(options, list(_fields(options)[0]), names)
    return RowsOnDisk(names, source, (*all_rows.notes, *notes))


def own_blocks(options: argparse.Namespace) -> Iterator[pa.RecordBatch]:
    """Return the columns of the table that are written beside predictions.

    Raises
    ------
    CommandError, UsageError
        If one is not there, or the table is an array.
    """
    if _is_array(options.file):
        raise UsageError("--keep: not with --blocks and an array, which has no columns of its own")
    names = columns_to_keep(list(_fields(options)[0]), options.keep)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from batches_of(options.file, names, format_of(options))


def _fields(options: argparse.Namespace) -> tuple[dict[str, pa.Field], tuple[str, ...]]:
    """Return the columns of the table, as its beginning shows them, and what to tell of how it is read."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        schema = schema_of(options.file, format_of(options))
        if schema is None:
            width = block_source(options.file, None, None, format_of(options)).n_features
            schema = pa.schema([(f"x{j}", pa.float64()) for j in range(width)])
    notes = tuple(str(warning.message).removeprefix(f"{options.file}: ") for warning in caught)
    return {field.name: field for field in schema}, notes


def _is_array(path: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # told of by `_fields`
        return suffix_of(files_of(path)[0]) in NPY


def _opened(options: argparse.Namespace, names: Sequence[str], columns: Sequence[str]) -> Source:
    """Open the table of the options, which has these names, to read some columns, and the weights."""
    says, weight = format_of(options), vars(options).get("weight_column")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # told of by `_fields`
        if not _is_array(options.file):
            return block_source(options.file, columns, weight, says)
    array = block_source(options.file, None, None, says)
    if weight is None and list(columns) == list(names):
        vars(array)["feature_names"] = np.array(columns, dtype=object)
        return array
    return FactorySource(partial(_blocks, array, names, columns, weight))


def _blocks(array: Source, names: Sequence[str], columns: Sequence[str], weight: str | None) -> Iterator[Any]:
    places = [names.index(name) for name in columns]
    for chunk in array.chunks():
        rows = Frame(tuple(columns), chunk.rows[:, places])
        yield rows if weight is None else (rows, chunk.rows[:, names.index(weight)])


def _check_rows(names: Sequence[str], source: Source) -> None:
    if source.survey.nonfinite is not None:
        row, column = source.survey.nonfinite
        raise CommandError(
            f"a missing or infinite value in row {row + 1}, column {names[column]!r}; leave such rows out of the file, "
            "or use --drop-missing or, in a fit, --missing em without --blocks"
        )
    if source.n_rows == 1:
        raise CommandError("the table has 1 row; at least 2 are needed")
