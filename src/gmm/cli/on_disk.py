"""`RowsOnDisk`: a table that is read block by block, as often as there are passes, with ``--blocks``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gmm.cli.failures import CommandError, UsageError
from gmm.cli.notes import code_notes, constant_notes, kept_columns
from gmm.cli.rows import check_present, chosen_columns, unused_notes
from gmm.rows.opening import columns_of, rows
from gmm.rows.sources import Source
from gmm.text.lists import quoted
from gmm.validation.columns import MOST_CODES

__all__ = ["RowsOnDisk", "rows_on_disk", "rows_on_disk_to_fit"]

_BEGINNING = 100_000  # rows that are searched for codes
_NOTHING = np.empty(0)
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
    types, weight = columns_of(options.file, header=options.header), vars(options).get("weight_column")
    if types:
        chosen, notes = _of_model(types, columns) if columns is not None else _chosen(options, types, weight)
        source = rows(options.file, columns=chosen, weight=weight, header=options.header)
    else:
        source, notes = rows(options.file, header=options.header), ()
        chosen = [f"x{j}" for j in range(source.n_features)]
        _check_all(chosen, columns if columns is not None else vars(options).get("columns"), options)
        vars(source)["feature_names"] = np.array(chosen, dtype=object)
    _check_rows(chosen, source)
    if columns is None:
        notes = (*notes, *_constant_notes(chosen, source))
    return RowsOnDisk(tuple(chosen), source, notes)


def rows_on_disk_to_fit(options: argparse.Namespace) -> RowsOnDisk:
    """Open the table that the options name, as `rows_on_disk`, without columns that number its rows.

    If there are columns of integers, it is read once more, and again if one of them is left out.
    """
    found = rows_on_disk(options)
    if options.columns is not None:
        return found
    numbers, distinct = _guessed(found.names, found.frame, columns_of(options.file, header=options.header))
    kept, notes = kept_columns(found.names, numbers, found.n_rows)
    names, source = tuple(found.names[j] for j in kept), found.frame
    if len(kept) < len(found.names):
        source = rows(options.file, columns=names, weight=options.weight_column, header=options.header)
    left = replace(found, names=names, frame=source)
    codes = {name: n for name, n in distinct.items() if name in names}
    return replace(left, notes=(*found.notes, *notes, *code_notes(codes, left)))


def _of_model(types: dict[str, pa.DataType], columns: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    check_present(list(types), columns)
    return list(columns), unused_notes(list(types), columns)


def _check_all(names: Sequence[str], wanted: Sequence[str] | None, options: argparse.Namespace) -> None:
    """Check that all columns of an array are wanted, which are read together."""
    check_present(names, wanted or ())
    others = vars(options).get("exclude") or vars(options).get("weight_column")
    if others or (wanted is not None and list(wanted) != list(names)):
        raise CommandError(f"{options.file}: an array is read with all of its columns, in their order, with --blocks")


def _check_rows(names: Sequence[str], source: Source) -> None:
    if source.survey.nonfinite is not None:
        row, column = source.survey.nonfinite
        raise CommandError(
            f"a missing or infinite value in row {row + 1}, column {names[column]!r}; leave such rows out of the file, "
            "or use --drop-missing or, in a fit, --missing em without --blocks"
        )
    if source.n_rows == 1:
        raise CommandError("the table has 1 row; at least 2 are needed")


def _chosen(
    options: argparse.Namespace, types: dict[str, pa.DataType], weight: str | None
) -> tuple[list[str], tuple[str, ...]]:
    wanted, exclude = vars(options).get("columns"), vars(options).get("exclude") or ()
    out = {*exclude, *([] if weight is None else [weight])}
    check_present(list(types), [*(wanted or ()), *out])
    if wanted is not None:
        if overlap := sorted(out.intersection(wanted)):
            raise CommandError(f"columns cannot be both fitted and left out: {quoted(overlap)}")
        return list(dict.fromkeys(wanted)), ()
    return chosen_columns(
        {name: "" if _is_numeric(kind) else f"type {kind}" for name, kind in types.items() if name not in out}
    )


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _constant_notes(names: Sequence[str], source: Source) -> tuple[str, ...]:
    first = source.take(np.array([0]))[0]
    reach = source.survey.reach(first.astype(np.float64))
    return constant_notes([(names[int(j)], first[j]) for j in np.flatnonzero(reach == 0)])


def _guessed(
    names: Sequence[str], source: Source, types: dict[str, pa.DataType]
) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Return which integer columns number the rows, and how many distinct numbers others begin with.

    These increase from row to row, beside other columns, or span as many numbers as there are rows and have the sum and
    the sum of squares of consecutive ones. This reading ends where nothing is left to be found.
    """
    n, (low, high) = source.n_rows, source.survey.box
    whole = np.array([pa.types.is_integer(types[name]) if name in types else False for name in names])
    maybe, wide, before = whole & (len(names) > 1), whole & (high - low == n - 1), None
    seen, sums = {int(j): _NOTHING for j in np.flatnonzero(whole)}, np.zeros((2, int(wide.sum())), np.uint64)
    for chunk in source.chunks() if whole.any() else ():
        rows_here: NDArray[Any] = chunk.rows if before is None else np.concatenate([before, chunk.rows])
        maybe &= (np.diff(rows_here, axis=0) > 0).all(axis=0)
        places = (chunk.rows[:, wide] - low[wide]).astype(np.uint64)
        sums += [places.sum(axis=0), (places * places).sum(axis=0)]
        if chunk.first < _BEGINNING:
            seen = {j: np.union1d(values, chunk.rows[:, j]) for j, values in seen.items() if len(values) <= MOST_CODES}
        if not (maybe | wide).any() and (not seen or chunk.first >= _BEGINNING):
            break
        before = chunk.rows[-1:].copy()
    expected = [n * (n - 1) // 2 % 2**64, (n - 1) * n * (2 * n - 1) // 6 % 2**64]
    wide[wide] = (sums == np.array(expected, np.uint64)[:, None]).all(axis=0)
    return maybe | wide, {names[j]: len(values) for j, values in seen.items()}
