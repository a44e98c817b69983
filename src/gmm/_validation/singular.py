"""Columns in which rows lie on a plane or a point: some add up, some are mostly one value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._text.amounts import percent
from gmm._text.lists import listed

_READ, _LOOKED_AT = 100_000, 1000  # rows; of them those that tell which columns may be meant
_NAMED = 6  # columns in a note
_ROWS_PER_COLUMN = 3  # with fewer, columns may depend on each other by chance
_LIKELY, _EXACT = 0.1, 2e-6  # deviations from the others, of a column's own, that may be rounding, and that are
_UNIT = 0.05  # how far a coefficient may be from one
_MOSTLY, _FEW = 0.3, 10  # share of the rows; distinct values that other notes are about


def singular_columns(rows: NDArray[Any], names: Sequence[str]) -> tuple[str, ...]:
    """Point out columns of rows (n, d) that are mostly one value, and three or more that add up, in their own units."""
    some = rows[:: max(1, len(rows) // _READ)]
    return (*_of_one_value(some, names), *_sums(some, names))


def _of_one_value(rows: NDArray[Any], names: Sequence[str]) -> Iterator[str]:
    """Point out columns of many values that are one and the same in many rows."""
    found = []
    for name, column in zip(names, rows.T, strict=True):
        there = column[~np.isnan(column)]
        values, counts = np.unique(there[:: max(1, len(there) // _LOOKED_AT)], return_counts=True)
        if len(values) > _FEW and counts.max() >= _MOSTLY * counts.sum():
            value = values[counts.argmax()]
            found.append(f"{name!r} ({value:g} in {percent(np.mean(there == value), 0)})")
    if found:
        what = f"column {found[0]} is" if len(found) == 1 else f"columns {listed(found, _NAMED)} are"
        yield f"{what} one value in many rows, on which a component may settle: fit the other rows by themselves"


def _sums(rows: NDArray[Any], names: Sequence[str]) -> Iterator[str]:
    """Point out three and more columns of which one follows from the others, also but for rounding."""
    some = rows[:: max(1, len(rows) // _LOOKED_AT)].astype(np.float64)
    with np.errstate(all="ignore"):  # of values without squares
        some = some[~np.isnan(some).any(axis=1)]
        scales = np.sqrt(np.square(some - some.mean(axis=0)).mean(axis=0)) if len(some) else some.sum(axis=0)
    varied = np.flatnonzero((scales > 0) & np.isfinite(scales))
    if len(varied) < 3 or len(some) < _ROWS_PER_COLUMN * len(varied):
        return
    from scipy.linalg import qr, solve_triangular

    whitened = (some - some.mean(axis=0))[:, varied] / scales[varied] / np.sqrt(len(some))
    upper, order = qr(whitened, mode="r", pivoting=True)
    rank = int((np.abs(np.diag(upper)) > _LIKELY).sum())
    slopes = solve_triangular(upper[:rank, :rank], upper[:rank, rank : len(order)])
    for column, slope in zip(varied[order[rank:]], slopes.T, strict=True):
        others = varied[order[:rank]][np.abs(slope) > _UNIT]
        weights = slope[np.abs(slope) > _UNIT] * scales[column] / scales[others]
        if len(others) > 1:
            yield from _note_on_sum(rows, names, np.append(others, column), np.append(-weights, 1.0))


def _note_on_sum(
    rows: NDArray[Any], names: Sequence[str], columns: NDArray[np.intp], weights: NDArray[np.float64]
) -> Iterator[str]:
    """Say how columns (m,) depend on each other, if they add up to a constant, each times its weight, the last 1."""
    units = np.sign(weights)
    are_units = bool((np.abs(weights - units) < _UNIT).all())
    values = rows[:, columns].astype(np.float64)
    values = values[~np.isnan(values).any(axis=1)]
    totals = values @ (units if are_units else weights)
    spread, rounding = np.ptp(totals), len(columns) * max(np.diff(np.unique(column)).min() for column in values.T)
    exact = spread <= _EXACT * values[:, -1].std()
    if not (exact or (are_units and spread <= rounding)):
        return
    few, many = sorted(([repr(names[j]) for j in sorted(columns[units == sign])] for sign in (1, -1)), key=len)
    if are_units and len(few) < 2:
        what = f"columns {listed(many, _NAMED)}"
        what = f"column {few[0]} is the sum of {what}" if few else f"{what} add up to {np.median(totals):.6g}"
    else:
        what = f"columns {listed((repr(names[j]) for j in sorted(columns)), _NAMED)} depend on each other"
    effect = "which makes covariances singular" if exact else "but for rounding, which can drive the choice"
    yield f"{what}{', ' if exact else ' '}{effect}: leave one of them out"
