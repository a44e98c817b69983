"""The numeric rows of a table: choice of columns, missing values and checks.

Messages give column names, and row numbers as in the file (from 1, without the header).
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gmm.cli.failures import CommandError
from gmm.cli.notes import SHOWN, code_notes, constant_notes, kept_columns
from gmm.cli.show import Screen
from gmm.cli.tables import read
from gmm.estimators.contract import names_of_features
from gmm.estimators.estimated import EstimatedMixture
from gmm.rows.delimited import is_missing, is_number
from gmm.selection import MixtureClassifier
from gmm.text.amounts import counted
from gmm.text.lists import listed, quoted

__all__ = ["Frame", "Rows", "check_present", "chosen_columns", "numeric_rows", "read_rows_for", "unused_notes"]

_LEFT_OUT_SHOWN = 8
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")


@dataclass(frozen=True)
class Rows:
    """The numeric rows of a table, with notes on what was left out.

    Attributes
    ----------
    names : tuple of str
        Names of the d columns.
    values : ndarray of float64 or float32, shape (n, d)
        Finite values, or NaN where missing values are kept.
    numbers : ndarray of int, shape (n,)
        Row numbers in the table, from 1.
    labels : tuple of str or None, length n, or None
        The label column.
    weights : ndarray of float64, shape (n,), or None
        The weight column.
    notes : tuple of str
        Notes for the user on columns and rows, one line each.
    """

    names: tuple[str, ...]
    values: NDArray[np.floating]
    numbers: NDArray[np.int64]
    labels: tuple[str | None, ...] | None = None
    weights: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of rows, n."""
        return len(self.values)

    @property
    def sample_weight(self) -> NDArray[np.float64] | None:
        """The weights to fit `frame` with."""
        return self.weights

    @property
    def frame(self) -> Any:
        """The rows as a `Frame`, which estimators accept as a data frame."""
        return Frame(self.names, self.values)

    def without_gaps(self, model: EstimatedMixture) -> Rows:
        """Return the rows with conditional means in the place of missing values."""
        X = self.frame if hasattr(model, "feature_names_in_") else self.values
        return replace(self, values=model.impute(X)) if np.isnan(self.values).any() else self

    @property
    def filled_note(self) -> str:
        """What to say of a picture of the rows without gaps; empty if there are none."""
        n = int(np.isnan(self.values).any(axis=1).sum())
        what = "has missing values, drawn at their" if n == 1 else "have missing values, drawn at their"
        return f"{counted(n, 'row')} {what} conditional means." if n else ""

    def subset(self, chosen: slice | NDArray[np.int64]) -> Any:
        """Return the rows at the given positions (from 0) as a `Frame`."""
        return Frame(self.names, self.values[chosen])


@dataclass(frozen=True, eq=False)
class Frame:
    """A matrix with column names and the part of Arrow's table interface that estimators use.

    Attributes
    ----------
    column_names : tuple of str
        Names of the d columns.
    values : ndarray of float, shape (n, d)
    """

    column_names: tuple[str, ...]
    values: NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.values)

    def column(self, j: int) -> NDArray[np.floating]:
        """Return a view of column j, counted from 0."""
        return self.values[:, j]


def numeric_rows(
    table: pa.Table,
    *,
    columns: Sequence[str] | None = None,
    exclude: Iterable[str] = (),
    label_column: str | None = None,
    weight_column: str | None = None,
    drop_missing: bool = False,
    keep_missing: bool = False,
    identifiers: bool = True,
    instead: str = "with --missing em, they are fitted as they are",
) -> Rows:
    """Choose the columns to fit and convert them to a matrix.

    Parameters
    ----------
    table : pyarrow.Table
    columns : sequence of str, default=None
        Columns to fit; None stands for all numeric columns.
    exclude : iterable of str
        Columns to leave out.
    label_column, weight_column : str, default=None
        Columns of labels and row weights, which are not fitted.
    drop_missing : bool, default=False
        Leave out rows with missing values; otherwise they are an error.
    keep_missing : bool, default=False
        Keep them instead, as NaN, in rows that have a value.
    identifiers : bool, default=True
        Keep columns that number the rows, and say nothing of columns that may be codes.
    instead : str
        What else than --drop-missing the error of missing values advises.

    Returns
    -------
    Rows

    Raises
    ------
    CommandError
        If a name is not in the table, no numeric column or no row is left, or values are missing or infinite. The
        message names columns and rows.
    """
    if table.num_rows == 0:
        raise CommandError("the table has no rows")
    not_fitted = [name for name in (label_column, weight_column) if name is not None]
    check_present(table.column_names, [*(columns or ()), *exclude, *not_fitted])
    out = {*exclude, *not_fitted}
    overlap = sorted(out.intersection(columns or ()))
    if overlap:
        raise CommandError(f"columns cannot be both fitted and left out: {quoted(overlap)}")
    if columns is None:
        chosen, notes = _numeric_columns(table, [name for name in table.column_names if name not in out])
    else:
        chosen, notes = _all_numeric(table, columns), ()
    weight = [] if weight_column is None else _all_numeric(table, [weight_column])
    rows = _rows(table, chosen, weight, label_column)
    rows, codes = (rows, ()) if identifiers else _without_identifiers(table, rows)
    if keep_missing and rows.weights is not None and np.isnan(rows.weights).any():
        raise CommandError(f"missing values in column {weight[0]!r}: leave out rows without a weight, or weigh them 0")
    rows = _some_present(rows) if keep_missing else _without_missing(rows, weight, drop_missing, instead)
    _check_finite(rows)
    if rows.weights is not None:
        _check_weights(rows, rows.weights, str(weight_column))
    return replace(rows, notes=(*notes, *rows.notes, *_constant_notes(rows), *codes))


def read_rows_for(
    model: EstimatedMixture | MixtureClassifier, options: argparse.Namespace, screen: Screen
) -> tuple[Rows, Any]:
    """Read the rows to apply a saved model to, and print notes on them.

    Parameters
    ----------
    model : EstimatedMixture or MixtureClassifier
    options : argparse.Namespace
        With ``file``, ``header`` and ``drop_missing``.
    screen : Screen
        Prints the notes.

    Returns
    -------
    rows : Rows
    X : Frame or ndarray
        The rows for the model's methods: with column names if the model has feature names.
    """
    table, notes = read(options.file, options.header)
    names = names_of_features(model) if hasattr(model, "feature_names_in_") else None
    keep = model.missing == "em" and not options.drop_missing
    rows = _match_columns(table, names, model.n_features_in_, options.drop_missing, keep_missing=keep)
    for note in (*notes, *rows.notes):
        screen.note(note)
    return rows, rows.values if names is None else rows.frame


def _match_columns(
    table: pa.Table, names: Sequence[str] | None, n_features: int, drop_missing: bool, *, keep_missing: bool = False
) -> Rows:
    """Select the columns that a model was fitted to, in its order.

    Parameters
    ----------
    table : pyarrow.Table
    names : sequence of str or None
        The model's feature names, if any.
    n_features : int
        The model's number of features.
    drop_missing, keep_missing : bool
        As in `numeric_rows`.

    Returns
    -------
    Rows

    Raises
    ------
    CommandError
        If columns are missing or not numeric, or values are missing or infinite.
    """
    how: dict[str, Any] = {
        "drop_missing": drop_missing,
        "keep_missing": keep_missing,
        "instead": "a model of gmm fit --missing em takes them as they are",
    }
    if names is None:
        rows = numeric_rows(table, **how)
        if len(rows.names) != n_features:
            raise CommandError(
                f"the model expects {counted(n_features, 'numeric column')}, got {len(rows.names)}: "
                f"{quoted(rows.names)}"
            )
        return rows
    rows = numeric_rows(table, columns=list(names), **how)
    constant = set(_constant_notes(rows))
    notes = tuple(note for note in rows.notes if note not in constant)
    return replace(rows, notes=(*unused_notes(table.column_names, names), *notes))


def unused_notes(columns: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Tell which columns of a table are not among those of a model."""
    used = set(names)
    unused = [name for name in columns if name not in used]
    return (f"columns not used by the model: {quoted(unused)}",) if unused else ()


def check_present(columns: Sequence[str], names: Iterable[str]) -> None:
    """Check that the columns of a table include those with the given names.

    Raises
    ------
    CommandError
        If they do not.
    """
    present = set(columns)
    absent = [name for name in dict.fromkeys(names) if name not in present]
    if absent:
        noun = "column" if len(absent) == 1 else "columns"
        raise CommandError(f"no {noun} {quoted(absent)}; the table has {quoted(columns)}")


def _left_out_notes(reasons: Mapping[str, str]) -> tuple[str, ...]:
    """Tell which columns are left out, and why; those without a reason are not."""
    left_out = listed((f"{name!r} ({why})" for name, why in reasons.items() if why), _LEFT_OUT_SHOWN)
    return (f"left out: {left_out}",) if left_out else ()


def _numeric_columns(table: pa.Table, names: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    return chosen_columns({name: _why_not_numeric(table[name]) for name in names})


def chosen_columns(reasons: dict[str, str]) -> tuple[list[str], tuple[str, ...]]:
    """Return the columns to fit, and notes on the others, from why each one is not numeric: "" if it is.

    Raises
    ------
    CommandError
        If there is none.
    """
    if reasons.get("") == "":
        reasons = reasons | {"": "no name, as for row numbers"}
    chosen, notes = [name for name, why in reasons.items() if not why], _left_out_notes(reasons)
    if not chosen:
        raise CommandError(f"the table has no numeric columns to fit; {notes[0] if notes else 'left out: none'}")
    return chosen, notes


def _all_numeric(table: pa.Table, names: Sequence[str]) -> list[str]:
    for name in names:
        why = _why_not_numeric(table[name])
        if why:
            raise CommandError(f"expected numbers in column {name!r}, got {why}")
    return list(dict.fromkeys(names))


def _why_not_numeric(column: pa.ChunkedArray) -> str:
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return ""
    if pa.types.is_null(kind):
        return "no values"
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return f"type {kind}"
    for number, scalar in enumerate(column, start=1):
        value = scalar.as_py()
        if value and not is_number(value):
            hint = "; write decimal commas as points" if _DECIMAL_COMMA.fullmatch(value.strip()) else ""
            return f"text {_shortened(value)!r} in row {number}{hint}"
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
    """Return labels; whole numbers without .0, which a column with gaps often has."""
    values = column.to_pylist()
    if pa.types.is_floating(column.type) and all(value is None or value != value or value % 1 == 0 for value in values):
        values = [value if value is None or value != value else int(value) for value in values]
    for value in values:
        yield None if value is None or is_missing(str(value)) else str(value)


def _without_identifiers(table: pa.Table, rows: Rows) -> tuple[Rows, tuple[str, ...]]:
    """Return the rows without columns of a table that number them, and notes on columns that may be codes."""
    integers = [pa.types.is_integer(table[name].type) for name in rows.names]
    there = [column[~np.isnan(column)] for column in rows.values.T]
    numbers = [at and _number_rows(column, rows) for column, at in zip(there, integers, strict=True)]
    kept, notes = kept_columns(rows.names, np.array(numbers), rows.n_rows)
    rows = replace(rows, names=tuple(rows.names[j] for j in kept), values=np.ascontiguousarray(rows.values[:, kept]))
    codes = {name: len(np.unique(there[j])) for name, j in zip(rows.names, kept, strict=True) if integers[j]}
    return replace(rows, notes=(*rows.notes, *notes)), code_notes(codes, rows)


def _number_rows(values: NDArray[Any], rows: Rows) -> bool:
    """Return whether whole numbers, of most rows, are consecutive in some order or, beside other columns, increase."""
    increase = len(rows.names) > 1 and (np.diff(values) > 0).all()
    return 2 * len(values) > rows.n_rows and bool(increase or (np.diff(np.sort(values)) == 1).all())


def _some_present(rows: Rows) -> Rows:
    """Leave out rows without a value."""
    gaps = np.isnan(rows.values)
    empty, some = gaps.all(axis=1), gaps.any(axis=1)
    if not some.any():
        return rows
    told = f"missing values in {some.sum()} of {counted(len(some), 'row')}, {gaps.mean():.1%} of all values"
    rows = replace(rows, notes=(*rows.notes, told))
    return _kept(rows, ~empty, f"{counted(int(empty.sum()), 'row')} without a value left out") if empty.any() else rows


def _without_missing(rows: Rows, weight: Sequence[str], drop: bool, instead: str) -> Rows:
    missing = np.isnan(rows.values)
    names = list(rows.names)
    if rows.weights is not None:
        missing = np.column_stack([missing, np.isnan(rows.weights)])
        names += weight
    bad = missing.any(axis=1)
    if not bad.any():
        return rows
    columns = listed((f"{name}: {n}" for name, n in zip(names, missing.sum(axis=0), strict=True) if n), _LEFT_OUT_SHOWN)
    share = f"{bad.sum()} of {counted(len(bad), 'row')}"
    if not drop:
        raise CommandError(
            f"missing values in {share} ({columns}): {_positions(missing, names)}; use --drop-missing to leave these "
            f"rows out; {instead}"
        )
    return _kept(rows, ~bad, f"{share} left out because of missing values ({columns})")


def _kept(rows: Rows, keep: NDArray[np.bool_], note: str) -> Rows:
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


def _positions(bad: NDArray[np.bool_], names: Sequence[str]) -> str:
    """List the first rows and their columns: ``row 3 (waiting), row 9 (waiting), …``."""
    numbers = np.flatnonzero(bad.any(axis=1))
    first = [f"row {i + 1} ({listed((names[int(j)] for j in np.flatnonzero(bad[i])), SHOWN)})" for i in numbers[:SHOWN]]
    return ", ".join(first) + (", …" if len(numbers) > SHOWN else "")


def _check_finite(rows: Rows) -> None:
    if len(rows.values) == 0:
        raise CommandError("no rows are left: all have missing values")
    infinite = np.isinf(rows.values)
    if infinite.any():
        i, j = np.argwhere(infinite)[0]
        raise CommandError(
            f"infinite values in {counted(int(infinite.any(axis=1).sum()), 'row')}, the first in "
            f"row {rows.numbers[i]}, column {rows.names[j]!r}; fix or remove these rows"
        )


def _check_weights(rows: Rows, weights: NDArray[np.float64], column: str) -> None:
    bad = ~((weights >= 0) & np.isfinite(weights))
    if bad.any():
        first = int(np.argmax(bad))
        raise CommandError(
            f"expected finite, non-negative weights in column {column!r}, got {weights[first]:g} in row "
            f"{rows.numbers[first]}"
        )


def _constant_notes(rows: Rows) -> Iterable[str]:
    constant = np.flatnonzero((rows.values == rows.values[0]).all(axis=0)) if len(rows.values) > 1 else ()
    return constant_notes([(rows.names[j], rows.values[0, j]) for j in constant])
