"""`IncompleteSource`: rows of which some values are missing, taken by the columns that they have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, starmap
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._em import ObservedRows
from gmm._kernel.mstep import Survey, cached_property, equal_rows
from gmm._rows.blocks import FactorySource
from gmm._rows.sources import ArraySource, Chunk, Pattern, Piece, Source, changed, chunks_in_order
from gmm._values.errors import NO_ERRORS, RowErrors
from gmm._values.layouts import Array, Layout
from gmm._values.weights import joined as joined_weights
from gmm._values.weights import weights_of

LANES = 1 << 11  # rows of a pattern that are filled together; no lane of a pass has more
WAITING = 2 * LANES  # rows of a pattern beyond memory, from which on whole lanes are walked
_MOST_BYTES = 1 << 31  # of rows that wait, and of what is remembered of each pattern
_DONORS = 500  # rows whose values stand in the gaps of others
_FARTHEST = 1e290  # where rows have no column in common
_OTHERS = "values in other columns than the first time"
_FACTS = "n_rows", "n_features", "dtype", "sample_weight", "feature_names", "known", "reads_ahead", "place"


class Arranged(NamedTuple):
    """Rows of a chunk in the order of their patterns, of which those come first that lack least.

    Parameters
    ----------
    chunk : Chunk
    keys : list of bytes
        Of the P patterns.
    missing : bool array of shape (P, d)
    n_rows : int array of shape (P,)
    weights : array of shape (P,)
        Of the rows that have a value.
    kinds : int array of shape (P,)
        Which error their rows have, or `RowErrors.own`; −1 for none.
    order : int array of shape (n,)
        The rows of the chunk.
    """

    chunk: Chunk
    keys: list[bytes]
    missing: NDArray[np.bool_]
    n_rows: NDArray[np.intp]
    weights: Array
    kinds: NDArray[np.intp]
    order: NDArray[np.intp]

    def rows_of(self, some: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the rows of some patterns, (P,), in their order."""
        return self.order[np.repeat(some, self.n_rows)]


class IncompleteSource(Source):
    """Rows with NaN where a value is missing. A row without a value has no weight: it says nothing.

    Passes go to the rows of each pattern, in lanes of its own, which no chunk or block of the rows changes. Of rows
    beyond memory, those wait that do not fill a lane. What needs whole rows gets those of `without_gaps`.

    Parameters
    ----------
    base : Source
        The rows.
    errors : RowErrors
    **facts : Any
        Attributes that differ from those of `base`.
    """

    def __init__(self, base: Source, errors: RowErrors = NO_ERRORS, **facts: Any) -> None:
        if isinstance(base, ArraySource) and not base.rows.flags.c_contiguous:
            base = base.with_changes(rows=np.ascontiguousarray(base.rows))
        self.base, self.errors = base, errors
        vars(self).update({name: getattr(base, name) for name in _FACTS} | facts)

    def __repr__(self) -> str:
        """Show the rows as they are given."""
        return repr(self.base)

    def chunks(self, lane_rows: int = 1) -> Iterator[Chunk]:
        """Begin a reading, with the gaps."""
        for first, rows, _ in self.base.chunks(lane_rows):
            yield Chunk(first, rows, weights_of(self.sample_weight, slice(first, first + len(rows))))

    def take(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """Return the rows with these indices, with their gaps."""
        return self.base.take(indices)

    @classmethod
    def from_rows(cls, rows: Source) -> IncompleteSource:
        """Take the weight from rows without a value."""
        source = cls(rows)
        empty = source.empty
        if empty.any():
            source.sample_weight = np.where(empty, 0.0, rows.weights)
        return source

    @classmethod
    def with_errors(cls, rows: Source, errors: RowErrors) -> IncompleteSource:
        """Return rows, with gaps or not, whose errors are known."""
        base = rows.base if isinstance(rows, IncompleteSource) else rows
        return cls(base, errors, sample_weight=rows.sample_weight)

    @cached_property
    def patterns(self) -> list[Pattern]:
        """The sets of columns that rows have, in the order of their keys."""
        return list(self.by_key.values())

    def pieces(self) -> Iterator[Piece]:
        """Yield the rows of each pattern in a chunk; in memory, all rows of a pattern at once."""
        if self.place == "memory":
            return iter(self._in_memory.values())
        return chain.from_iterable(map(self.split, chunks_in_order(self, 1)))

    def lanes(self, order: Sequence[bytes], lane_rows: Callable[[bytes], int]) -> Iterator[tuple[int, Piece]]:
        """Yield the rows of some patterns, by keys, in whole lanes, each time with the number of those before them.

        Of rows beyond memory, lanes come as they are full. In the end come the last rows of each pattern, one at least,
        in the order of `order`; in memory, these are all.
        """
        if self.place == "memory":
            yield from ((0, self._in_memory[key]) for key in order)
            return
        waiting: dict[bytes, list[Piece]] = {key: [] for key in order}
        n_before, n_waiting = dict.fromkeys(order, 0), dict.fromkeys(order, 0)
        for piece in self.pieces():
            key = piece.pattern
            if key not in waiting:
                continue
            waiting[key].append(piece)
            n_waiting[key] += len(piece.indices)
            n = n_waiting[key]
            if n >= WAITING:
                n_walked = (n - 1) // lane_rows(key) * lane_rows(key)
                one = joined(waiting[key])
                yield n_before[key], one.part(slice(n_walked))
                waiting[key] = [one.part(np.arange(n_walked, n))]  # a copy, so that the others can go
                n_before[key] += n_walked
                n_waiting[key] -= n_walked
        for key in order:
            if n_before[key] + n_waiting[key] != self.by_key[key].n_rows:
                raise changed("the rows", f"rows have {_OTHERS}")
            yield n_before[key], joined(waiting.pop(key))

    @cached_property
    def one_array(self) -> ArraySource | None:
        """The rows as one array if they can be addressed as one, NaN where a value is missing."""
        array, weight = self.base.one_array, self.sample_weight
        return array if array is None or array.sample_weight is weight else array.with_changes(sample_weight=weight)

    def where(self, there: NDArray[np.bool_]) -> IncompleteSource:
        """Return some of the rows."""

        def chosen() -> Iterator[NDArray[Any]]:
            return (rows[there[first : first + len(rows)]] for first, rows, _ in self.base.chunks())

        weight = None if (self.weights[there] == 1).all() else weights_of(self.sample_weight, there)
        base = ArraySource(next(chosen())) if self.place == "memory" else FactorySource(chosen)
        names = self.feature_names
        return IncompleteSource(base, self.errors.for_rows(there), sample_weight=weight, feature_names=names)

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Whether rows have no value, (n,)."""
        return np.concatenate([np.isnan(chunk.rows).all(axis=1) for chunk in self.chunks()])

    def select_rows(self, indices: NDArray[np.intp]) -> IncompleteSource:  # type: ignore[override]
        """Return the rows with these indices, which increase, in memory, with their gaps and errors."""
        return IncompleteSource(super().select_rows(indices), self.errors.for_rows(indices))

    @cached_property
    def _filled(self) -> Source:
        if self.base.survey.nonfinite is None and self.base.sample_weight is self.sample_weight:
            return self.base
        filled = _Filled(self)
        if self.place == "memory":
            (chunk,) = filled.chunks()
            return ArraySource(chunk.rows, self.sample_weight)
        return filled

    @property
    def without_gaps(self) -> Source:
        """The rows with their gaps filled by the values of others that are like them in the other columns."""
        filled = self._filled
        return filled if filled.known is self.known else filled.with_changes(known=self.known)

    @cached_property
    def _given(self) -> Survey:
        """Survey of the values that are there."""
        has_own_weights = self.sample_weight is not self.base.sample_weight
        return Survey(self.chunks(), self.n_features) if has_own_weights else self.base.survey

    @cached_property
    def survey(self) -> Survey:
        """Survey of the rows, with the means of the columns in their gaps: it says where the given values lie."""
        if self.base.survey.nonfinite is None:
            return self._given
        return Survey(self.chunks(), self.n_features, self.column_means.astype(np.float64), self._given)

    def split(self, chunk: Chunk, *, is_known: bool = True) -> Iterator[Piece]:
        """Yield the rows of each pattern in a chunk, in the order of keys, which are known after a first reading.

        Raises
        ------
        ValueError
            If a row has another key.
        """
        _, keys, missing, n_rows, _, _, order = self.arranged(chunk)
        firsts = n_rows.cumsum() - n_rows
        others = [order[at] for key, at in zip(keys, firsts, strict=True) if is_known and key not in self.by_key]
        if others:
            raise changed("the rows", f"row {chunk.first + int(min(others))} has {_OTHERS}")
        for number in sorted(range(len(keys)), key=keys.__getitem__):
            here = order[firsts[number] : firsts[number] + n_rows[number]]
            # Rows beyond memory may wait for others of their pattern, and the next chunk takes the place of this one.
            is_whole = self.place == "memory" and len(keys) == 1
            rows = chunk.rows if is_whole else chunk.rows.take(here, axis=0)
            if missing[number].any():
                rows = rows.take(np.flatnonzero(~missing[number]), axis=1)
            part = ArraySource(rows, weights_of(chunk.sample_weight, here))
            yield Piece(keys[number], missing[number], here + chunk.first, part)

    def _kinds(self, chunk: Chunk) -> NDArray[np.intp]:
        return self.errors.kinds[chunk.first : chunk.first + len(chunk.rows)]

    def rows_filled(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return rows with the values of others that are like them in their gaps (hot deck)."""
        filled = rows.copy()
        gappy = np.flatnonzero(np.isnan(rows).any(axis=1))
        for start in range(0, len(gappy), LANES):
            here = gappy[start : start + LANES]
            filled[here] = self._like_others(rows[here])
        return filled

    def _like_others(self, rows: NDArray[Any]) -> Array:
        """Fill rows (m, d) from the donors that are nearest in the columns which both have.

        A donor has all columns that a row lacks, which keeps what they have to do with each other; where there is none,
        each column has its own, or its mean.
        """
        donors, scales = self.donors
        means, missing, has = self.column_means.astype(np.float64), np.isnan(rows), ~np.isnan(donors)
        ours, theirs = (np.where(np.isnan(x), 0.0, x) / scales for x in (rows - means, donors))
        with np.errstate(over="ignore", invalid="ignore"):  # of rows very far away
            squares = np.hstack([np.square(ours), ~missing, -2 * ours]) @ np.hstack([has, np.square(theirs), theirs]).T
        n_common = (~missing).astype(np.float64) @ has.T.astype(np.float64)
        if n_common.min() == 0:
            squares[n_common == 0] = _FARTHEST
            n_common = np.maximum(n_common, 1)
        squares /= n_common
        lacks = missing.astype(np.float64) @ (~has).T.astype(np.float64)
        nearest = np.where(lacks > 0, np.inf, squares).argmin(axis=1)
        filled = np.where(missing, donors[nearest] + means, rows)
        for row in np.flatnonzero((missing & ~has[nearest]).any(axis=1)):
            for column in np.flatnonzero(missing[row]):
                of_column = np.where(has[:, column], squares[row], np.inf).argmin()
                filled[row, column] = means[column] + (donors[of_column, column] if has[:, column].any() else 0.0)
        return filled

    @cached_property
    def donors(self) -> tuple[Array, Array]:
        """Some rows of weight above 0, less the means of the columns, and the deviations of these."""
        used = np.flatnonzero(self.weights)
        if len(used) > _DONORS:  # by chance, as gaps may come in turns
            used = np.sort(np.random.default_rng(0).choice(used, _DONORS, replace=False))
        rows = self.take(used).astype(np.float64) - self.column_means
        scales = np.sqrt(np.nanmean(np.vstack([np.square(rows), np.zeros(rows.shape[1])]), axis=0))
        return rows, np.where(scales > 0, scales, 1.0)

    def arranged(self, chunk: Chunk) -> Arranged:
        """Return the rows of a chunk in the order of their patterns."""
        kinds = self._kinds(chunk)
        words = _words(chunk.rows, kinds)
        firsts, which = equal_rows(words.view(np.uint64))
        missing = np.isnan(chunk.rows[firsts])
        places = np.lexsort((*words[firsts].T[::-1], missing.sum(axis=1)))
        missing, firsts, which = missing[places], firsts[places], np.argsort(places)[which]
        weights = np.bincount(which, chunk.sample_weight).astype(np.float64) * ~missing.all(axis=1)
        order = np.argsort(which.astype(np.min_scalar_type(len(places))), kind="stable")
        kinds = kinds[firsts] if self.errors else np.full(len(firsts), -1)
        keys = [key.tobytes() for key in words[firsts].astype(">u4")]
        return Arranged(chunk, keys, missing, np.bincount(which), weights, kinds, order)

    @cached_property
    def _arranged(self) -> Arranged:
        (chunk,) = self.chunks()
        return self.arranged(chunk)

    def observed_rows(
        self, origin: Array, reach: Array, moments: Layout, arranged: Arranged, some: NDArray[np.bool_]
    ) -> ObservedRows:
        """Return the rows of some patterns, but none with errors of their own, as compiled passes read them.

        `moments` is the layout of the statistics of a pattern.
        """
        order, chunk = arranged.rows_of(some), arranged.chunk
        rows = chunk.rows[order]
        codes = self.known.codes[chunk.first + order] if self.known else None
        errors = self.errors.stored(moments)[arranged.kinds[some]] if self.errors else None
        rest = weights_of(chunk.sample_weight, order), codes, origin, reach, moments, errors
        return ObservedRows(rows[~np.isnan(rows)], arranged.missing[some].view(np.uint8), arranged.n_rows[some], *rest)

    @property
    def rows_in_memory(self) -> tuple[Arranged, NDArray[np.bool_]] | None:
        """The rows that weigh something, and which patterns these are.

        None of rows beyond memory, and where some have errors of their own.
        """
        if self.place != "memory":
            return None
        some = self._arranged.weights > 0
        return None if (self._arranged.kinds[some] == self.errors.own).any() else (self._arranged, some)

    @cached_property
    def _in_memory(self) -> dict[bytes, Piece]:
        """The rows of each pattern, in memory."""
        return {piece.pattern: piece for piece in self._split()}

    def _split(self) -> Iterator[Piece]:
        """Yield the rows of each pattern, chunk by chunk."""
        return chain.from_iterable(self.split(chunk, is_known=False) for chunk in self.chunks())

    @cached_property
    def by_key(self) -> dict[bytes, Pattern]:
        """The patterns by their keys, which increase.

        Raises
        ------
        ValueError
            If rows beyond memory have more patterns than memory is for.
        """
        if self.place == "memory":
            _, keys, missing, n_rows, weights, kinds, _ = self._arranged
            observed = [np.flatnonzero(~row) for row in missing]
            parts = zip(observed, missing, n_rows.tolist(), weights.tolist(), kinds.tolist(), strict=True)
            return dict(sorted(zip(keys, starmap(Pattern, parts), strict=True)))
        patterns: dict[bytes, Pattern] = {}
        n_bytes = 0
        for key, missing, indices, rows in self._split():
            n_before, weight = 0, float(rows.weights.sum()) if rows.n_features else 0.0
            if (before := patterns.get(key)) is None:
                error = int(self.errors.kinds[indices[0]]) if self.errors else -1
                pattern = Pattern(np.flatnonzero(~missing), missing, rows.n_rows, weight, error)
                n_bytes += 1000 + 40 * len(missing)
            else:
                n_before = before.n_rows
                pattern = before._replace(n_rows=n_before + rows.n_rows, weight=before.weight + weight)
            patterns[key] = pattern
            n_bytes += 8 * len(pattern.observed) * (min(pattern.n_rows, WAITING) - min(n_before, WAITING))
            if n_bytes > _MOST_BYTES:
                raise ValueError(
                    f"The first {int(indices[-1]) + 1:,} rows have values in {len(patterns):,} different sets of "
                    "columns, too many to keep rows of each set until they are enough for a pass: leave out columns "
                    "with few values, fill the gaps of some by an imputer, or pass a sample of the rows as an array."
                )
        return dict(sorted(patterns.items()))

    @cached_property
    def column_means(self) -> NDArray[Any]:
        """The mean of each column over the rows that have it."""
        with np.errstate(over="ignore"):
            return self._given.centre.astype(self.dtype)


class _Filled(Source):
    """Rows with gaps that are filled as they are read."""

    def __init__(self, gappy: IncompleteSource) -> None:
        self._gappy = gappy
        vars(self).update({name: getattr(gappy, name) for name in _FACTS})

    def chunks(self, lane_rows: int = 1) -> Iterator[Chunk]:
        """Begin a reading, once others have told donors: a connection to a database has one open result."""
        _ = self._gappy.donors
        for chunk in self._gappy.chunks(lane_rows):
            yield chunk._replace(rows=self._gappy.rows_filled(chunk.rows))

    def take(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """Return the rows with these indices."""
        return self._gappy.rows_filled(self._gappy.take(indices))


def mapped(rows: Source, function: Callable[[NDArray[Any]], NDArray[Any]]) -> Source:
    """Return rows in memory that a function makes of others, with their weights, and gaps at the same places."""
    if isinstance(rows, IncompleteSource):
        base = mapped(rows.base, function)
        return rows.with_changes(base=base, dtype=base.dtype, feature_names=None)
    (chunk,) = rows.chunks()
    return ArraySource(function(chunk.rows), rows.sample_weight)


def _words(rows: NDArray[Any], kinds: NDArray[np.intp]) -> NDArray[np.uint32]:
    """Return a key for the pattern of each row: its 32 first columns decide first, among them the last; then errors."""
    n, d = rows.shape
    absent = np.zeros((n, -(-d // 8) * 8), dtype=bool)
    absent[:, :d] = np.isnan(rows)  # not by out=: numpy writes wrong places where strides are not one
    words = np.zeros((n, 2 * -(-d // 64) + 2 * (len(kinds) > 0)), "<u4")
    words.view(np.uint8)[:, : absent.shape[1] // 8] = np.packbits(absent.ravel(), bitorder="little").reshape(n, -1)
    if len(kinds):
        words[:, -1] = kinds
    return words


def joined(pieces: list[Piece]) -> Piece:
    """Return rows of one pattern behind each other."""
    if len(pieces) == 1:
        return pieces[0]
    weights = joined_weights(piece.rows.sample_weight for piece in pieces)
    rows = ArraySource(np.concatenate([piece.rows.rows for piece in pieces]), weights)
    return pieces[0]._replace(indices=np.concatenate([piece.indices for piece in pieces]), rows=rows)
