"""Rows taken apart by their patterns, the columns that they have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._kernel.first_look import Survey
from gmm._rows.sources import ArraySource, Chunk, Pattern, Piece
from gmm._validation.rows import raise_changed_gaps, raise_too_many_patterns
from gmm._values.errors import RowErrors
from gmm._values.weights import joined as joined_weights
from gmm._values.weights import weights_of

__all__ = ["LANES", "WAITING", "Keyed", "joined", "patterns_of", "split"]

LANES = 1 << 11  # rows of a pattern that are filled together; no lane of a pass has more
WAITING = 2 * LANES  # rows of a pattern beyond memory, from which on whole lanes are walked
_MOST_BYTES = 1 << 31  # of rows that wait, and of what is remembered of each pattern

Keyed = tuple[Any, NDArray[np.bool_], Piece]  # the key of a pattern, what is missing, and rows


def patterns_of(pieces: Iterable[Keyed], errors: RowErrors, *, in_memory: bool) -> dict[Any, Pattern]:
    """Return the patterns in rows by their keys, which increase.

    Raises
    ------
    ValueError
        If rows beyond memory have more patterns than memory is for.
    """
    patterns: dict[Any, Pattern] = {}
    n_bytes = 0
    for key, missing, (_, indices, rows) in pieces:
        before = patterns.get(key)
        error = int(errors.kinds[indices[0]]) if errors else -1
        pattern = patterns[key] = _with(before or Pattern.of(missing, error), rows)
        n_bytes += _n_bytes(pattern) - (_n_bytes(before) if before else 0)
        if n_bytes > _MOST_BYTES and not in_memory:
            raise_too_many_patterns(len(patterns), int(indices[-1]) + 1)
    return dict(sorted(patterns.items()))


def _n_bytes(pattern: Pattern) -> int:
    return 1000 + 40 * len(pattern.missing) + 8 * len(pattern.observed) * min(pattern.n_rows, WAITING)


def _with(pattern: Pattern, rows: ArraySource) -> Pattern:
    """Return a pattern with further rows."""
    n, n_used, survey = pattern.n_rows, pattern.n_used, pattern.survey
    if not n:
        survey = rows.survey if rows.n_features else None
    elif survey is not None:
        survey = Survey([(0, survey, None), (n, rows.rows, rows.sample_weight)], rows.n_features)
    heaviest = max(pattern.heaviest, rows.weights.max())
    return pattern._replace(n_rows=n + rows.n_rows, n_used=n_used + rows.n_used, survey=survey, heaviest=heaviest)


def split(chunk: Chunk, errors: RowErrors, expected: NDArray[Any] | None = None) -> Iterator[Keyed]:
    """Yield the rows of each pattern in a chunk, numbered in the order of its keys, which are among those `expected`.

    Raises
    ------
    ValueError
        If a row has another key.
    """
    keys = _keys(chunk.rows, errors.kinds[chunk.first : chunk.first + len(chunk.rows)])
    if expected is None:
        expected, which = np.unique(keys, return_inverse=True)
    else:
        which = np.searchsorted(expected, keys)
        others = expected[np.minimum(which, len(expected) - 1)] != keys
        if others.any():
            raise_changed_gaps(chunk.first + int(others.argmax()))
    order = np.argsort(which.astype(np.min_scalar_type(len(expected))), kind="stable")
    ends = np.bincount(which, minlength=len(expected)).cumsum()
    # Keys stay numpy's: an array of Python's ints below and above 2**63 is one of float64, which loses their last bits.
    for number, (key, here) in enumerate(zip(expected, np.split(order, ends[:-1]), strict=True)):
        if len(here):
            rows, weight = chunk.rows.take(here, axis=0), weights_of(chunk.sample_weight, here)
            missing = np.isnan(rows[0])
            if missing.any():
                rows = rows.take(np.flatnonzero(~missing), axis=1)
            yield key, missing, Piece(number, here + chunk.first, ArraySource(rows, weight))


def _keys(rows: NDArray[Any], errors: NDArray[np.intp]) -> NDArray[Any]:
    """Return a key for the pattern of each row: its 32 first columns decide first, among them the last; then errors."""
    n, d = rows.shape
    absent, words = np.zeros((n, -(-d // 8) * 8), dtype=bool), np.zeros((n, max(2, -(-d // 32))), "<u4")
    absent[:, :d] = np.isnan(rows)  # not by out=: numpy writes wrong places where strides are not one
    words.view(np.uint8)[:, : absent.shape[1] // 8] = np.packbits(absent.ravel(), bitorder="little").reshape(n, -1)
    if len(errors):
        words = np.column_stack([words, errors.astype("<u4")])
    elif words.shape[1] == 2:
        return words[:, 0].astype(np.uint64) << np.uint64(32) | words[:, 1]
    return words.astype(">u4").view(f"S{4 * words.shape[1]}")[:, 0]


def joined(pieces: list[Piece]) -> Piece:
    """Return rows of one pattern behind each other."""
    if len(pieces) == 1:
        return pieces[0]
    weights = joined_weights(piece.rows.sample_weight for piece in pieces)
    rows = ArraySource(np.concatenate([piece.rows.rows for piece in pieces]), weights)
    return Piece(pieces[0].pattern, np.concatenate([piece.indices for piece in pieces]), rows)
