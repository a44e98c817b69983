"""How a message says who complains and which place is meant; what is wrong is said elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["column_text", "index_text", "name_of", "row_and_column"]


def name_of(estimator: object) -> str:
    """Return the name that messages use for an estimator: its class's, or the text given."""
    return estimator if isinstance(estimator, str) else type(estimator).__name__


def column_text(column: int, names: Sequence[object] | None) -> str:
    """Return "column 2", with the column's name where it has one."""
    named = "" if names is None or len(names) <= column else f" ({names[column]!r})"
    return f"column {column}{named}"


def row_and_column(row: int, column: int, names: Sequence[object] | None) -> str:
    """Return "row 5, column 2 ('petal width')", both counted from 0."""
    return f"row {row}, {column_text(column, names)}"


def index_text(index: Sequence[int]) -> str:
    """Return the place in an array that is no table of rows: "index 3" or "index (3, 1)"."""
    places = tuple(int(i) for i in index)
    return f"index {places[0] if len(places) == 1 else places}"
