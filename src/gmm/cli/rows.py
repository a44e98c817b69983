"""The numeric rows of a table: which columns are taken, which rows, and what is wrong.

Every rejection of a table's content is made here, with the names of its columns and the
numbers of its rows (counted from 1, without the header).
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gmm._estimator import names_of_features
from gmm.amounts import counted
from gmm.cli.failures import CommandError, quoted
from gmm.cli.show import Screen
from gmm.cli.tables import faithful, is_number, read
from gmm.mixture import GaussianMixture

__all__ = ["Rows", "matched", "numeric_rows", "rows_for"]

_SHOWN = 4
_FEW = 10  # rows of which nothing is said of what grows
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")


@dataclass(frozen=True)
class Rows:
    """The numeric rows of a table, and what was noticed on the way.

    Attributes
    ----------
    names : tuple of str
        Names of the d columns.
    values : ndarray of float64 or float32, shape (n, d)
        The rows, finite.
    numbers : ndarray of int, shape (n,)
        Where each row stood in the table, from 1.
    labels : tuple of str or None, length n, or None
        The label column.
    weights : ndarray of float64, shape (n,), or None
        The weight column.
    notes : tuple of str
        One line each on columns and rows that were left out.
    """

    names: tuple[str, ...]
    values: NDArray[np.floating]
    numbers: NDArray[np.int64]
    labels: tuple[str | None, ...] | None = None
    weights: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()

    @property
    def frame(self) -> Any:
        """The rows as a `Frame`, which estimators take like any other."""
        return Frame(self.names, self.values)

    def part(self, chosen: slice | NDArray[np.int64]) -> Any:
        """Some of the rows, as a `Frame`.

        Parameters
        ----------
        chosen : slice or ndarray of int
            Their places, from 0.

        Returns
        -------
        Frame
        """
        return Frame(self.names, self.values[chosen])


@dataclass(frozen=True, eq=False)
class Frame:
    """A matrix with column names: as much of an Arrow table as an estimator looks at.

    Attributes
    ----------
    column_names : tuple of str
        The names of the d columns.
    values : ndarray of float, shape (n, d)
        The rows.
    """

    column_names: tuple[str, ...]
    values: NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.values)

    def column(self, j: int) -> NDArray[np.floating]:
        """Return column j.

        Parameters
        ----------
        j : int
            Its number, from 0.

        Returns
        -------
        ndarray of float, shape (n,)
            A view.
        """
        return self.values[:, j]


def numeric_rows(
    table: pa.Table,
    *,
    columns: Sequence[str] | None = None,
    exclude: Iterable[str] = (),
    label_column: str | None = None,
    weight_column: str | None = None,
    drop_missing: bool = False,
) -> Rows:
    """Choose the columns to fit and make them rows of numbers.

    Parameters
    ----------
    table : pyarrow.Table
        The table.
    columns : sequence of str, default=None
        The columns to take; None takes all that hold numbers.
    exclude : iterable of str
        Columns to leave out.
    label_column, weight_column : str, default=None
        Columns that are not fitted but kept beside the rows.
    drop_missing : bool, default=False
        Leave out rows with missing values instead of refusing them.

    Returns
    -------
    Rows
        Finite numbers, and notes on what was left out.

    Raises
    ------
    CommandError
        A name is not in the table, no numeric column or no row is left, or values are
        missing or infinite. The message names columns and rows.
    """
    if table.num_rows == 0:
        raise CommandError("the table has no rows")
    beside = [name for name in (label_column, weight_column) if name is not None]
    _require(table, [*(columns or ()), *exclude, *beside])
    overlap = sorted(set(columns or ()) & {*exclude, *beside})
    if overlap:
        raise CommandError(f"{quoted(overlap)} cannot be both fitted and left out")
    if columns is None:
        left = [name for name in table.column_names if name not in {*exclude, *beside}]
        chosen, notes = _numeric_columns(table, left)
    else:
        chosen, notes = _all_numeric(table, columns), ()
    weight = [] if weight_column is None else _all_numeric(table, [weight_column])
    rows = _rows(table, chosen, weight, label_column)
    rows = _without_missing(rows, weight, drop_missing)
    _require_finite(rows)
    if rows.weights is not None:
        _require_weights(rows, str(weight_column))
    counting = () if columns is not None else _identifier_notes(table, rows)
    return replace(rows, notes=(*notes, *rows.notes, *_constant_notes(rows), *counting))


def rows_for(model: GaussianMixture, options: argparse.Namespace, screen: Screen) -> tuple[Rows, Any]:
    """Read the rows that a saved model is to be applied to, and tell what was noticed.

    Parameters
    ----------
    model : GaussianMixture
    options : argparse.Namespace
        With ``file``, which is None for the Old Faithful eruptions, and ``drop_missing``.
    screen : Screen
        Where notes go.

    Returns
    -------
    rows : Rows
    X : Frame or ndarray
        The rows as the model takes them: with names where it has some.
    """
    table, notes = (faithful(), ()) if options.file is None else read(options.file)
    names = names_of_features(model) if hasattr(model, "feature_names_in_") else None
    rows = matched(table, names, model.n_features_in_, options.drop_missing)
    for note in (*notes, *rows.notes):
        screen.note(note)
    return rows, rows.values if names is None else rows.frame


def matched(table: pa.Table, names: Sequence[str] | None, n_features: int, drop_missing: bool) -> Rows:
    """Take from a table the columns a model was fitted to, in its order.

    Parameters
    ----------
    table : pyarrow.Table
        The table.
    names : sequence of str or None
        The model's column names; None where it has none.
    n_features : int
        The model's number of columns.
    drop_missing : bool
        Leave out rows with missing values instead of refusing them.

    Returns
    -------
    Rows
        Finite numbers, and a note on columns that were not used.

    Raises
    ------
    CommandError
        Columns are missing or not numeric, or rows are not usable.
    """
    if names is None:
        rows = numeric_rows(table, drop_missing=drop_missing)
        if len(rows.names) != n_features:
            raise CommandError(
                f"expected {n_features} numeric columns, as the model was fitted to, "
                f"got {len(rows.names)}: {quoted(rows.names)}"
            )
        return rows
    rows = numeric_rows(table, columns=list(names), drop_missing=drop_missing)
    used = set(names)
    unused = [name for name in table.column_names if name not in used]
    constant = set(_constant_notes(rows))
    notes = tuple(note for note in rows.notes if note not in constant)
    told = (f"not used by the model: {quoted(unused)}",) if unused else ()
    return replace(rows, notes=(*told, *notes))


def _require(table: pa.Table, names: Iterable[str]) -> None:
    there = set(table.column_names)
    absent = [name for name in dict.fromkeys(names) if name not in there]
    if absent:
        raise CommandError(f"no column {quoted(absent)}; the table has {quoted(table.column_names)}")


def _numeric_columns(table: pa.Table, names: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Keep the columns that hold numbers; say which do not, and why."""
    reasons = {name: _why_not_numeric(table[name]) for name in names}
    if "" in reasons and not reasons[""]:
        reasons[""] = "it has no name, row numbers often have none"
    chosen = [name for name, why in reasons.items() if not why]
    told = [f"{name!r} ({why})" for name, why in reasons.items() if why]
    if not chosen:
        raise CommandError(f"no numeric column to use; left out: {', '.join(told) or 'none'}")
    return chosen, ((f"left out: {', '.join(told)}",) if told else ())


def _all_numeric(table: pa.Table, names: Sequence[str]) -> list[str]:
    for name in names:
        why = _why_not_numeric(table[name])
        if why:
            raise CommandError(f"expected numbers in column {name!r}: {why}")
    return list(dict.fromkeys(names))


def _why_not_numeric(column: pa.ChunkedArray) -> str:
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return ""
    if pa.types.is_null(kind):
        return "it is empty"
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return f"it holds {kind}"
    values = chain.from_iterable(chunk.to_pylist() for chunk in column.chunks)
    for number, value in enumerate(values, start=1):
        if value is not None and not is_number(value):
            hint = "; decimal commas? write 1.5 for 1,5" if _DECIMAL_COMMA.fullmatch(value.strip()) else ""
            return f"text: {_shortened(value)!r} in row {number}{hint}"
    return "numbers stored as text"


def _shortened(text: str) -> str:
    return text if len(text) <= 24 else text[:23] + "…"


def _rows(table: pa.Table, names: Sequence[str], weight: Sequence[str], label: str | None) -> Rows:
    arrays = [_as_numpy(table[name]) for name in names]
    values = np.empty((table.num_rows, len(names)), dtype=np.result_type(*arrays))
    for j, array in enumerate(arrays):
        values[:, j] = array
    return Rows(
        names=tuple(names),
        values=values,
        numbers=np.arange(1, table.num_rows + 1),
        labels=None if label is None else tuple(_as_text(table[label])),
        weights=_as_numpy(table[weight[0]]).astype(np.float64) if weight else None,
    )


def _as_numpy(column: pa.ChunkedArray) -> NDArray[np.floating]:
    """Return float32 as it is and everything else as float64, missing values as NaN."""
    if not pa.types.is_float32(column.type):
        column = pc.cast(column, pa.float64(), safe=False)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _as_text(column: pa.ChunkedArray) -> Iterable[str | None]:
    for value in column.to_pylist():
        yield None if value is None or value == "" else str(value)


def _without_missing(rows: Rows, weight: Sequence[str], drop: bool) -> Rows:
    missing = np.isnan(rows.values)
    names = list(rows.names)
    if rows.weights is not None:
        missing = np.column_stack([missing, np.isnan(rows.weights)])
        names += weight
    bad = missing.any(axis=1)
    if not bad.any():
        return rows
    per_column = {name: int(n) for name, n in zip(names, missing.sum(axis=0), strict=True) if n}
    told = ", ".join(f"{name}: {n}" for name, n in per_column.items())
    share = f"{bad.sum()} of {counted(len(bad), 'row')}"
    if not drop:
        raise CommandError(
            f"missing values in {share} ({told}): {_places(missing, names)}; --drop-missing leaves such rows out"
        )
    return _taken(rows, ~bad, f"{share} left out for missing values ({told})")


def _taken(rows: Rows, keep: NDArray[np.bool_], note: str) -> Rows:
    return replace(
        rows,
        values=rows.values[keep],
        numbers=rows.numbers[keep],
        labels=None
        if rows.labels is None
        else tuple(label for label, kept in zip(rows.labels, keep, strict=True) if kept),
        weights=None if rows.weights is None else rows.weights[keep],
        notes=(*rows.notes, note),
    )


def _places(bad: NDArray[np.bool_], names: Sequence[str]) -> str:
    """Name the first rows and their columns, ``row 3 (waiting), row 9 (waiting), …``."""
    numbers = np.flatnonzero(bad.any(axis=1))
    told = [f"row {i + 1} ({', '.join(names[int(j)] for j in np.flatnonzero(bad[i]))})" for i in numbers[:_SHOWN]]
    return ", ".join(told) + (", …" if len(numbers) > _SHOWN else "")


def _require_finite(rows: Rows) -> None:
    if len(rows.values) == 0:
        raise CommandError("no rows are left: all have missing values")
    infinite = np.isinf(rows.values)
    if infinite.any():
        i, j = np.argwhere(infinite)[0]
        raise CommandError(
            f"infinite values in {counted(int(infinite.any(axis=1).sum()), 'row')}, the first in "
            f"row {rows.numbers[i]}, column {rows.names[j]!r}"
        )


def _require_weights(rows: Rows, column: str) -> None:
    assert rows.weights is not None  # the caller has looked
    bad = ~((rows.weights >= 0) & np.isfinite(rows.weights))
    if bad.any():
        first = int(np.argmax(bad))
        raise CommandError(
            f"weights must be finite and not negative; column {column!r} has {rows.weights[first]:g} "
            f"in row {rows.numbers[first]}"
        )


def _constant_notes(rows: Rows) -> Iterable[str]:
    constant = np.flatnonzero((rows.values == rows.values[0]).all(axis=0))
    for j in constant if len(rows.values) > 1 else ():
        yield (f"column {rows.names[j]!r} is constant ({rows.values[0, j]:g}); --exclude leaves it out")


def _identifier_notes(table: pa.Table, rows: Rows) -> Iterable[str]:
    """Of whole numbers that grow from row to row: they number the rows, as it seems. A lone column may be sorted."""
    if len(rows.values) < _FEW:
        return
    for j, name in enumerate(rows.names):
        if pa.types.is_integer(table[name].type):
            steps = np.diff(rows.values[:, j])
            if (steps == 1).all() or (len(rows.names) > 1 and (steps > 0).all()):
                yield f"column {name!r} grows from row to row, as identifiers do; --exclude leaves it out"
