"""The numeric rows of a table: choice of columns, missing values and checks.

Messages give column names, and row numbers as in the file (from 1, without the header).
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gmm.cli.columns import SHOWN, Columns, slices
from gmm.cli.failures import CommandError
from gmm.cli.show import Screen
from gmm.cli.tables import OPTIONS, format_of, read
from gmm.estimators.contract import names_of_features
from gmm.estimators.estimated import EstimatedMixture
from gmm.rows.delimited import is_missing
from gmm.rows.numerals import Obstacle
from gmm.selection import MixtureClassifier
from gmm.text.amounts import counted
from gmm.text.lists import listed, quoted

__all__ = ["Frame", "Rows", "columns_to_keep", "columns_to_read", "numeric_rows", "read_rows_for", "unused_notes"]

_LEFT_OUT_SHOWN = 8


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
    own : mapping of str to pyarrow.ChunkedArray
        Columns of the table that are written beside predictions.
    """

    names: tuple[str, ...]
    values: NDArray[np.floating]
    numbers: NDArray[np.int64]
    labels: tuple[str | None, ...] | None = None
    weights: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()
    own: Mapping[str, Any] = field(default_factory=dict)

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
    to_fit: bool = False,
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
    to_fit : bool, default=False
        Leave out columns that are no measurements, unless `columns` names them, and say so.
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
    fields = {field.name: field for field in table.schema}
    not_fitted = [name for name in (label_column, weight_column) if name is not None]
    chosen, notes = columns_to_read(fields, columns, exclude, not_fitted)
    weight = [] if weight_column is None else columns_to_read(fields, [weight_column])[0]
    rows = _rows(table, chosen, weight, label_column)
    rows = _measurements(rows, named=columns is not None) if to_fit else rows
    if keep_missing and rows.weights is not None and np.isnan(rows.weights).any():
        raise CommandError(f"missing values in column {weight[0]!r}: leave out rows without a weight, or weigh them 0")
    rows = _some_present(rows) if keep_missing else _without_missing(rows, weight, drop_missing, instead)
    _check_finite(rows)
    if rows.weights is not None:
        _check_weights(rows, rows.weights, str(weight_column))
    return replace(rows, notes=(*notes, *rows.notes))


def read_rows_for(
    model: EstimatedMixture | MixtureClassifier,
    options: argparse.Namespace,
    screen: Screen,
    predicted: Sequence[str] = (),
) -> tuple[Rows, Any]:
    """Read the rows to apply a saved model to, and print notes on them.

    Parameters
    ----------
    model : EstimatedMixture or MixtureClassifier
    options : argparse.Namespace
        With ``file``, ``header`` and ``drop_missing``.
    screen : Screen
        Prints the notes.
    predicted : sequence of str
        Further columns that are of use, though not read.

    Returns
    -------
    rows : Rows
    X : Frame or ndarray
        The rows for the model's methods: with column names if the model has feature names.
    """
    with screen.working("reading"):
        table, notes = read(options.file, format_of(options))
    names = names_of_features(model) if hasattr(model, "feature_names_in_") else None
    keep = model.missing == "em" and not options.drop_missing
    rows = _match_columns(table, names, model.n_features_in_, options.drop_missing, keep_missing=keep)
    unused = () if names is None else unused_notes(table.column_names, (*names, *predicted))
    screen.notes((*notes, *unused, *rows.notes))
    own = columns_to_keep(table.column_names, vars(options).get("keep"))
    rows = replace(rows, own={name: table[name].take(rows.numbers - 1) for name in own})
    return rows, rows.values if names is None else rows.frame


def columns_to_keep(names: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """Return the columns of a table that are wanted beside predictions, if any; "all" are all.

    Raises
    ------
    CommandError
        If one is not there.
    """
    if wanted == ["all"]:
        return list(names)
    _check_present(names, wanted or ())
    return list(dict.fromkeys(wanted or ()))


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
    return numeric_rows(table, columns=list(names), **how)


def unused_notes(columns: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Tell which columns of a table are not among those of a model."""
    used = set(names)
    unused = [name for name in columns if name not in used]
    return (f"columns not used by the model: {quoted(unused)}",) if unused else ()


def columns_to_read(
    fields: Mapping[str, pa.Field],
    columns: Sequence[str] | None = None,
    exclude: Iterable[str] = (),
    not_fitted: Iterable[str] = (),
) -> tuple[list[str], tuple[str, ...]]:
    """Choose the columns that are to be read as numbers, in memory or not.

    Parameters
    ----------
    fields : mapping of str to pyarrow.Field
        Names, types and obstacles of all columns.
    columns : sequence of str, optional
        Those to choose; by default all numeric ones.
    exclude, not_fitted : iterable of str
        Those not to choose: the options of the user, and columns that serve as something else.

    Returns
    -------
    names : list of str
    notes : tuple of str
        Says which columns are left out, and why.

    Raises
    ------
    CommandError
        If a column is not there, is both chosen and not to be, or is not one of numbers; if there are none to choose;
        or if a column of numbers and other texts would be left out.
    """
    out = {*exclude, *not_fitted}
    _check_present(fields, [*(columns or ()), *exclude, *not_fitted])
    if overlap := sorted(out.intersection(columns or ())):
        raise CommandError(f"columns cannot be both fitted and left out: {quoted(overlap)}")
    if columns is not None:
        for name in columns:
            if why := _why_not_numeric(fields[name]):
                raise CommandError(f"expected numbers in column {name!r}, got {why}{_remedy(fields[name])}")
        return list(dict.fromkeys(columns)), ()
    reasons = {name: _why_not_numeric(field) for name, field in fields.items() if name not in out}
    for name in reasons:
        obstacle = Obstacle.of(fields[name])
        if obstacle is not None and obstacle.mostly_numbers:
            raise CommandError(
                f"column {name!r} holds numbers, and {obstacle.reason}{_remedy(fields[name])}; --exclude {name!r} "
                "leaves it out, and --columns names those to fit"
            )
    if reasons.get("") == "":
        reasons[""] = "no name, as for row numbers"
    chosen = [name for name, why in reasons.items() if not why]
    left_out = listed((f"{name!r} ({why})" for name, why in reasons.items() if why), _LEFT_OUT_SHOWN)
    notes = (f"left out: {left_out}",) if left_out else ()
    if not chosen:
        raise CommandError(f"the table has no numeric columns to fit; {notes[0] if notes else 'left out: none'}")
    return chosen, notes


def _check_present(names: Collection[str], wanted: Iterable[str]) -> None:
    absent = [name for name in dict.fromkeys(wanted) if name not in names]
    if absent:
        noun = "column" if len(absent) == 1 else "columns"
        raise CommandError(f"no {noun} {quoted(absent)}; the table has {quoted(names)}")


def _why_not_numeric(field: pa.Field) -> str:
    kind, obstacle = field.type, Obstacle.of(field)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return ""
    if obstacle is not None:
        return obstacle.reason
    return "no values" if pa.types.is_null(kind) else f"type {kind}"


def _remedy(field: pa.Field) -> str:
    obstacle = Obstacle.of(field)
    remedy = "" if obstacle is None else obstacle.remedy(OPTIONS)
    return f"; {remedy}" if remedy else ""


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


def _measurements(rows: Rows, *, named: bool) -> Rows:
    """Return the rows without columns that are no measurements, unless the user named them."""
    kept, notes = Columns(rows.names, slices(rows.values), rows.n_rows).chosen(named=named)
    values = rows.values if len(kept) == len(rows.names) else np.ascontiguousarray(rows.values[:, kept])
    return replace(rows, names=tuple(rows.names[j] for j in kept), values=values, notes=(*rows.notes, *notes))


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
