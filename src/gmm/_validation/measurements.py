"""`ColumnKinds`: which columns of a table are no measurements, but number rows, are constant, codes, or copies.

Each is so for all rows, or not at all: the first rows suspect a column, and later ones clear it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._validation.columns import FEW_ROWS, is_code, most_codes
from gmm._validation.rescalings import Rescaling, rescalings

__all__ = ["ColumnKinds", "slices"]

_EXACT = 2.0**53
_WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")  # of "customer_id" and "customerID", each of two


class ColumnKinds:
    """Kinds of columns, told from rows that are read block by block until nothing is open.

    Parameters
    ----------
    blocks : iterable of arrays of shape (m, d)
        All rows in order; missing values are NaN.
    n_rows : int
        Their number in all.
    names : sequence of str
        Those of the d columns.

    Attributes
    ----------
    numbers : list of int
        Columns of whole numbers, of most rows, that increase beside others, or are distinct and fill most of a range
        or have the name of an identifier.
    constants, codes : dict of int to float, dict of int to int
        Columns of one value, and of few whole ones: the value, and how many.
    copies : dict of int to int
        Columns that are others in other units: which.
    """

    def __init__(self, blocks: Iterable[NDArray[Any]], n_rows: int, names: Sequence[str]) -> None:
        d = len(names)
        self._n_rows, self._span, self._most = n_rows, n_rows + n_rows // 4, most_codes(n_rows)
        self._whole, self._increase = np.full((2, d), d > 0)
        self._low, self._high = np.full(d, np.inf), np.full(d, -np.inf)
        self._n_present, self._last = np.zeros(d, np.int64), np.full(d, np.nan)
        self._marks: dict[int, tuple[float, NDArray[np.bool_]]] = {}  # the least number with a place, and the places
        self._distinct: set[int] = set(range(d))
        self._identifiers: dict[int, list[NDArray[Any]]] = {j: [] for j in range(d) if _is_of_identifier(names[j])}
        self._seen: dict[int, NDArray[Any]] = {j: np.empty(0) for j in range(d)} if d > 1 else {}
        self._pairs: list[Rescaling] = []
        with np.errstate(all="ignore"):  # of infinite values, which are an error later
            for block in blocks:
                self._look(block if np.issubdtype(block.dtype, np.floating) else block.astype(np.float64))
                constant = (self._low == self._high).any()
                if not (constant or self._open.any() or self._pairs or self._seen):
                    break
        self.numbers = [int(j) for j in np.flatnonzero(self._open) if self._numbers_rows(int(j))]
        constant = np.flatnonzero((self._low == self._high) & (self._n_present > 1))
        self.constants = {int(j): float(self._low[j]) for j in constant}
        self.codes = {j: len(values) for j, values in self._seen.items() if is_code(values, n_rows)}
        self.copies = dict(sorted(self._copy(pair) for pair in self._pairs)) if n_rows >= FEW_ROWS else {}

    @property
    def _open(self) -> NDArray[np.bool_]:
        """Which columns may still number the rows."""
        distinct = np.isin(np.arange(len(self._whole)), [*self._distinct, *self._identifiers])
        return np.asarray(self._whole & (self._increase | distinct))

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
        self._identifiers = {j: parts for j, parts in self._identifiers.items() if self._whole[j]}
        self._distinct -= set(np.flatnonzero(high - low >= self._span).tolist())
        still = self._open
        for j in map(int, np.flatnonzero(self._whole)):
            if still[j] or j in self._seen:
                self._look_at_whole(j, rows[:, j])

    def _look_at_whole(self, j: int, column: NDArray[Any]) -> None:
        column = column[~np.isnan(column)].astype(np.float64)
        if not len(column):
            return
        self._increase[j] &= not (column[0] <= self._last[j]) and bool((np.diff(column) > 0).all())
        self._last[j] = column[-1]
        values = np.unique(column)
        if j in self._distinct and not (len(values) == len(column) and self._mark(j, values)):
            self._distinct.remove(j)
            self._marks.pop(j, None)
        if j in self._identifiers:
            self._identifiers[j].append(values)
            if len(values) < len(column):
                del self._identifiers[j]
        if j in self._seen:
            self._seen[j] = np.union1d(self._seen[j], values)
            if len(self._seen[j]) > self._most:
                del self._seen[j]

    def _mark(self, j: int, values: NDArray[Any]) -> bool:
        """Mark the places of values, and return whether all were free."""
        least, places = self._marks.setdefault(j, (values[0] - self._span, np.zeros(2 * self._span + 1, np.bool_)))
        here = (values - least).astype(np.intp)
        free = not places[here].any()
        places[here] = True
        return free

    def _numbers_rows(self, j: int) -> bool:
        n, width = self._n_present[j], self._high[j] - self._low[j] + 1
        dense = j in self._distinct and width <= n + n // 4
        in_order = bool(self._increase[j]) and len(self._whole) > 1
        most = bool(2 * n > self._n_rows >= FEW_ROWS)
        return most and (dense or in_order or self._identifies_rows(j))

    def _identifies_rows(self, j: int) -> bool:
        parts = self._identifiers.get(j)
        return parts is not None and len(np.unique(np.concatenate(parts))) == self._n_present[j]

    def _copy(self, pair: Rescaling) -> tuple[int, int]:
        """Return a copy and its original, which is no number of rows and no code if one of them is none."""
        odd = {*self.numbers, *self.codes}
        if pair.copy in odd and pair.original not in odd:
            return pair.original, pair.copy
        return pair.copy, pair.original


def slices(values: NDArray[Any], size: int = 1 << 20) -> Iterable[NDArray[Any]]:
    """Return a matrix as blocks of rows, of about so many values each."""
    step = max(1, size // max(1, values.shape[1]))
    return (values[first : first + step] for first in range(0, len(values), step))


def _is_of_identifier(name: str) -> bool:
    """Return whether a column of this name holds identifiers, if its numbers are whole and distinct."""
    words = [word.lower() for word in _WORD.findall(name)]
    return bool(words) and (words == ["index"] or words[0] == "id" or words[-1] in ("id", "key"))
