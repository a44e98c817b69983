"""Which columns are no measurements: those that number the rows, constants, codes, and copies of others.

Each is so for all rows, or not at all: the first rows suspect a column, and later ones clear it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm.text.amounts import counted
from gmm.text.lists import listed
from gmm.validation.columns import Rescaling, is_code, most_codes, rescalings

__all__ = ["SHOWN", "Columns", "slices"]

SHOWN = 4
_FEW = 10  # with fewer rows, columns that number them are not reported
_CODES_EACH = 2  # codes for each other column up to which they are left out
_EXACT = 2.0**53
_SLICE = 1 << 20  # values


class Columns:
    """What the columns of a table are, read block by block until nothing is open.

    Parameters
    ----------
    names : sequence of str
        Names of the d columns.
    blocks : iterable of arrays of shape (m, d)
        All rows in order; missing values are NaN.
    n_rows : int
        Number of rows in all.
    """

    def __init__(self, names: Sequence[str], blocks: Iterable[NDArray[Any]], n_rows: int) -> None:
        d = len(names)
        self._names, self._n_rows = tuple(names), n_rows
        self._whole, self._increase, self._distinct = np.full((3, d), True)
        self._low, self._high = np.full(d, np.inf), np.full(d, -np.inf)
        self._n_present, self._sums = np.zeros(d, np.int64), np.zeros((2, d), np.uint64)
        self._origin = np.zeros(d)
        self._last = np.full(d, np.nan)
        self._seen: dict[int, NDArray[Any]] = {j: np.empty(0) for j in range(d)} if d > 1 else {}
        self._pairs: list[Rescaling] = []
        self._most = most_codes(n_rows)
        with np.errstate(all="ignore"):  # of infinite values, which are an error later
            for block in blocks:
                self._look(block if np.issubdtype(block.dtype, np.floating) else block.astype(np.float64))
                if not (self._open | (self._low == self._high)).any() and not self._pairs and not self._seen:
                    break

    @property
    def _open(self) -> NDArray[np.bool_]:
        """Which columns may still number the rows."""
        return self._whole & (self._increase | self._distinct)

    def _look(self, rows: NDArray[Any]) -> None:
        constant = ~(self._low < self._high)
        before = np.where(constant & np.isfinite(self._low), self._low, np.nan).astype(rows.dtype)
        low, high = np.fmin(self._low, np.fmin.reduce(rows)), np.fmax(self._high, np.fmax.reduce(rows))
        self._pairs = [pair for pair in self._pairs if pair.holds(rows)]
        fresh = np.flatnonzero(constant & (low < high))
        if len(fresh) > 1:
            both = np.concatenate([before[None, fresh], rows[:, fresh]])
            self._pairs += [pair.among(fresh) for pair in rescalings(both)]
        self._low, self._high = low, high
        self._n_present += (~np.isnan(rows)).sum(axis=0)
        self._whole &= ((rows == np.floor(rows)) | np.isnan(rows)).all(axis=0) & (low > -_EXACT) & (high < _EXACT)
        self._seen = {j: values for j, values in self._seen.items() if self._whole[j]}
        self._distinct &= self._n_present <= high - low + 1  # for more, there are too few numbers
        for j in map(int, np.flatnonzero(self._whole)):
            if self._open[j] or j in self._seen:
                self._look_at_whole(j, rows[:, j])

    def _look_at_whole(self, j: int, column: NDArray[Any]) -> None:
        column = column[~np.isnan(column)].astype(np.float64)
        if not len(column):
            return
        if np.isnan(self._last[j]):
            self._origin[j] = column[0]
        places = (column - self._origin[j]).astype(np.int64).astype(np.uint64)
        self._sums[:, j] += [places.sum(), (places * places).sum()]
        self._increase[j] &= not (column[0] <= self._last[j]) and bool((np.diff(column) > 0).all())
        self._last[j] = column[-1]
        if j in self._seen:
            self._seen[j] = np.union1d(self._seen[j], column)
            if len(self._seen[j]) > self._most:
                del self._seen[j]

    def _number_rows(self) -> NDArray[np.bool_]:
        """Return which are whole numbers, of most rows, that increase, beside others, or are consecutive in any order.

        Consecutive ones have the sum and the sum of squares that they must have.
        """
        n, wrap = self._n_present.astype(object), 2**64
        shift = np.array([int(o - low) if np.isfinite(low) and np.isfinite(o) else 0
                          for o, low in zip(self._origin, self._low, strict=True)], object)  # fmt: skip
        first, second = self._sums.astype(object)
        sums = (first + n * shift) % wrap, (second + 2 * shift * first + n * shift * shift) % wrap
        expected = (n * (n - 1) // 2) % wrap, ((n - 1) * n * (2 * n - 1) // 6) % wrap
        consecutive = (
            self._distinct & (self._high - self._low == n - 1) & (sums[0] == expected[0]) & (sums[1] == expected[1])
        )
        some = (2 * n > self._n_rows) & (self._n_rows >= _FEW)
        return np.asarray(self._whole & some & (consecutive | (self._increase & (len(self._names) > 1))), dtype=bool)

    def chosen(self, *, named: bool) -> tuple[NDArray[np.intp], tuple[str, ...]]:
        """Return the columns to fit, and notes on others; all columns where they were `named`."""
        kept, notes = np.full(len(self._names), True), []
        for kind, columns in self._kinds(named=named):
            new = {j: what for j, what in columns.items() if kept[j]}
            others = int(kept.sum()) - len(new)
            left = not named and others > 0 and len(new) <= kind.most * others
            if new:
                notes.append(kind.note([f"{self._names[j]!r}{what}" for j, what in new.items()], left=left))
            if left:
                kept[list(new)] = False
        return np.flatnonzero(kept), tuple(notes)

    def _kinds(self, *, named: bool) -> Iterable[tuple[_Kind, Mapping[int, str]]]:
        """Return the columns of each kind, with what to say of them."""
        numbers = {} if named else {int(j): "" for j in np.flatnonzero(self._number_rows())}
        codes = {} if named else {
            j: f" ({len(values)} distinct values)" for j, values in self._seen.items() if is_code(values, self._n_rows)
        }  # fmt: skip
        copies = dict[int, str]()
        for pair in self._pairs if self._n_rows >= _FEW else ():
            copy, original = pair.copy, pair.original
            if copy in numbers | codes and original not in numbers | codes:
                copy, original = original, copy
            copies[copy] = f" (of {self._names[original]!r})"
        constant = np.flatnonzero((self._low == self._high) & (self._n_present > 1))
        return [
            (_NUMBERS, numbers),
            (_CONSTANT, {int(j): f" ({self._low[j]:g})" for j in constant}),
            (_CODES, codes),
            (_COPIES, dict(sorted(copies.items()))),
        ]


@dataclass(frozen=True)
class _Kind:
    """What is said of columns that are no measurements, and up to how many for each other column are left out."""

    one: str
    several: str
    most: float = np.inf

    def note(self, columns: Sequence[str], *, left: bool) -> str:
        what, them = (self.one, "it") if len(columns) == 1 else (self.several, "them")
        if left:
            return f"left out: {listed(columns, SHOWN)}, which {what}; use --columns to name the columns to fit"
        which = f"column {columns[0]}" if len(columns) == 1 else f"{counted(len(columns), 'column')}"
        names = "" if len(columns) == 1 else f": {listed(columns, SHOWN)}"
        return f"{which} {what}{names}; use --exclude to leave {them} out"


_NUMBERS = _Kind("numbers the rows, like an identifier", "number the rows, like identifiers")
_CONSTANT = _Kind("is constant", "are constant")
_CODES = _Kind("may be a code", "may be codes", most=_CODES_EACH)
_COPIES = _Kind("is a copy or a rescaling", "are copies or rescalings")


def slices(values: NDArray[Any]) -> Iterable[NDArray[Any]]:
    """Return a matrix as blocks of rows."""
    step = max(1, _SLICE // max(1, values.shape[1]))
    return (values[first : first + step] for first in range(0, len(values), step))
