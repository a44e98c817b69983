"""Names of estimators and of positions in arrays, as error messages word them."""

from __future__ import annotations

from collections.abc import Sequence


def name_of(estimator: object) -> str:
    """Return the name of an estimator's class; a string is returned unchanged."""
    return estimator if isinstance(estimator, str) else type(estimator).__name__


def column_text(column: int, names: Sequence[object] | None) -> str:
    """Return "column 2", followed by the column's name if it has one."""
    name = "" if names is None or len(names) <= column else f" ({names[column]!r})"
    return f"column {column}{name}"


def row_and_column(row: int | None, column: int, names: Sequence[object] | None) -> str:
    """Return a position such as "row 5, column 2 ('petal width')", counted from 0; of no row, the column alone."""
    return column_text(column, names) if row is None else f"row {row}, {column_text(column, names)}"


def index_text(index: Sequence[int]) -> str:
    """Return a position such as "index 3" or "index (3, 1)", for arrays other than matrices."""
    position = tuple(int(i) for i in index)
    return f"index {position[0] if len(position) == 1 else position}"
