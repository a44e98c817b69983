"""What is said of columns: constant ones, numbers of the rows, and codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm.text.amounts import counted
from gmm.text.lists import listed
from gmm.validation.columns import coded

__all__ = ["SHOWN", "code_notes", "constant_notes", "kept_columns"]

SHOWN = 4
_FEW = 10  # with fewer rows, columns that number them are not reported


def constant_notes(columns: Sequence[tuple[str, Any]]) -> tuple[str, ...]:
    """Tell which columns are constant, and their values."""
    return _note([f"{name!r} ({value:g})" for name, value in columns], "is constant", "are constant")


def kept_columns(
    names: Sequence[str], numbers: NDArray[np.bool_], n_rows: int
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Return the columns to keep, without those that number the rows unless no others are left, and notes on these.

    Of few rows that says little, so all are kept.
    """
    found = [repr(name) for name, found in zip(names, numbers, strict=True) if found] if n_rows >= _FEW else []
    one, several = "numbers the rows, like an identifier", "number the rows, like identifiers"
    if len(found) in (0, len(names)):
        return np.arange(len(names)), _note(found, one, several)
    what, them = (one, "it") if len(found) == 1 else (several, "them")
    return np.flatnonzero(~numbers), (f"left out: {listed(found, SHOWN)} ({what}); use --columns to keep {them}",)


def code_notes(distinct: Mapping[str, int], rows: Any) -> tuple[str, ...]:
    """Point out the columns of whole numbers that may be codes."""
    columns = [(name, distinct.get(name, 0)) for name in rows.names]
    return _note(coded(columns, rows.n_rows), "may be a code", "may be codes")


def _note(columns: Sequence[str], one: str, several: str) -> tuple[str, ...]:
    if not columns:
        return ()
    if len(columns) == 1:
        return (f"column {columns[0]} {one}; use --exclude to leave it out",)
    return (f"{counted(len(columns), 'column')} {several}: {listed(columns, SHOWN)}; use --exclude to leave them out",)
