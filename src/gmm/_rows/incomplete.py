"""`IncompleteSource`: rows of which some values are missing, grouped by their observed columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._blas import blas_alone
from gmm._em import ObservedRows
from gmm._kernel.mstep import Survey, cached_property, equal_rows
from gmm._rows.blocks import FactorySource
from gmm._rows.sources import ArraySource, Chunk, Pattern, Source, chunks_in_order
from gmm._validation.rows import check_same_columns, check_values, first_index, floats_of, place
from gmm._values.layouts import Array, Layout
from gmm._values.row_data import NO_ERRORS, RowErrors, weights_of

WINDOW = 1 << 16  # consecutive rows that are taken pattern by pattern
_AT_ONCE = 1 << 8  # rows that are imputed together
_DONORS = 500  # rows whose values are imputed in others
_FARTHEST = 1e290  # where rows have no column in common
_FACTS = "n_rows", "n_features", "dtype", "sample_weight", "feature_names", "known", "reads_ahead", "storage"


class Window(NamedTuple):
    """Consecutive rows in the order of their patterns, of which those come first that lack least.

    Parameters
    ----------
    chunk : Chunk
        The rows, in their order.
    keys : list of bytes
        Keys of the P patterns.
    missing : bool array of shape (P, d)
    n_rows : int array of shape (P,)
    weights : array of shape (P,)
        Weights of the rows that have a value.
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

    def patterns(self) -> Iterator[Pattern]:
        """Return the patterns."""
        return map(Pattern, self.missing, self.n_rows.tolist(), self.weights.tolist(), self.kinds.tolist())


class IncompleteSource(Source):
    """Rows with NaN where a value is missing. A row without a value has no weight.

    Passes read windows of consecutive rows, which do not depend on chunks or blocks, pattern by pattern. Uses of
    complete rows get those of `without_gaps`.

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
        """Return the text of the rows."""
        return repr(self.base)

    def chunks(self, lane_rows: int = 1) -> Iterator[Chunk]:
        """Start a reading, with the missing values."""
        is_same = self.sample_weight is self.base.sample_weight
        return self.base.chunks(lane_rows) if is_same else self._weighed(lane_rows)

    def _weighed(self, lane_rows: int) -> Iterator[Chunk]:
        for first, rows, _ in self.base.chunks(lane_rows):
            yield Chunk(first, rows, weights_of(self.sample_weight, slice(first, first + len(rows))))

    def take(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """Return the rows with these indices, with their missing values."""
        return self.base.take(indices)

    @classmethod
    def from_rows(cls, rows: Source) -> IncompleteSource:
        """Return rows of which those without a value have weight 0."""
        source = cls(rows)
        empty = source.empty
        if empty.any():
            source.sample_weight = np.where(empty, 0.0, rows.weights)
        return source

    @classmethod
    def with_errors(cls, rows: Source, error_covariance: Any, names: NDArray[np.object_] | None) -> IncompleteSource:
        """Return rows with errors, with missing values or not, if the errors are valid and of columns of these names.

        Raises
        ------
        TypeError, ValueError
            If they are not.
        """
        check_same_columns(error_covariance, names)
        values = floats_of(error_covariance, "error_covariance").astype(np.float64, copy=False)
        missing = np.concatenate([np.isnan(chunk.rows) for chunk in rows.chunks()]) if rows.patterns else None
        errors = _errors_of(values, rows.n_rows, rows.n_features, missing)
        base = rows.base if isinstance(rows, IncompleteSource) else rows
        return cls(base, errors, sample_weight=rows.sample_weight)

    @cached_property
    def patterns(self) -> list[Pattern]:
        """The sets of columns that rows have, in the order of their keys."""
        found: dict[bytes, Pattern] = {}
        for window in self.windows():
            for key, pattern in zip(window.keys, window.patterns(), strict=True):
                found[key] = pattern.joined(found[key]) if key in found else pattern
        return [found[key] for key in sorted(found)]

    def windows(self) -> Iterable[Window]:
        """Return the rows in windows."""
        return self._in_memory if self.storage == "memory" else self._windows()

    def _windows(self) -> Iterator[Window]:
        with closing(chunks_in_order(self, WINDOW)) as chunks:
            for chunk in chunks:
                yield from map(self._window, chunk.pieces(WINDOW))

    @cached_property
    def _in_memory(self) -> list[Window]:
        (chunk,) = self.chunks()
        return list(map(self._window, chunk.pieces(WINDOW)))

    def iter_patterns(self) -> Iterator[tuple[Pattern, NDArray[np.intp], ArraySource]]:
        """Yield the patterns of each window, with the numbers of their rows and the columns that these have."""
        for window in self.windows():
            rows_of_each = np.split(window.order, window.n_rows.cumsum()[:-1])
            for pattern, here in zip(window.patterns(), rows_of_each, strict=True):
                rows = window.chunk.rows.take(here, axis=0).take(pattern.observed, axis=1)
                part = ArraySource(rows, weights_of(window.chunk.sample_weight, here))
                yield pattern, here + window.chunk.first, part

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
        base = ArraySource(next(chosen())) if self.storage == "memory" else FactorySource(chosen)
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
        if self.storage == "memory":
            (chunk,) = filled.chunks()
            return ArraySource(chunk.rows, self.sample_weight)
        return filled

    @property
    def without_gaps(self) -> Source:
        """The rows with missing values imputed from others that are similar in the other columns."""
        filled = self._filled
        return filled if filled.known is self.known else filled.with_changes(known=self.known)

    @cached_property
    def _observed(self) -> Survey:
        """Survey of the observed values."""
        has_own_weights = self.sample_weight is not self.base.sample_weight
        return Survey(self.chunks(), self.n_features) if has_own_weights else self.base.survey

    @cached_property
    def survey(self) -> Survey:
        """Survey of the rows, with the means of the columns for missing values, so that it has those observed."""
        if self.base.survey.nonfinite is None:
            return self._observed
        return Survey(self.chunks(), self.n_features, self.column_means.astype(np.float64), self._observed)

    def rows_filled(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return rows with missing values imputed from similar rows (hot deck)."""
        filled = rows.copy()
        gappy = np.flatnonzero(np.isnan(rows).any(axis=1))
        # Written again for all rows: new pages take several times as long as the products.
        workspace = np.empty((2, min(_AT_ONCE, len(gappy)), len(self.donors[0])))
        with blas_alone(3.0 * workspace.size * rows.shape[1]):
            for start in range(0, len(gappy), _AT_ONCE):
                some = gappy[start : start + _AT_ONCE]
                filled[some] = self._imputed(rows[some], *workspace[:, : len(some)])
        return filled

    def _imputed(self, rows: NDArray[Any], squares: Array, numbers: Array) -> Array:
        """Impute rows (m, d) from the donors that are nearest in the columns which both have.

        A donor has all columns that a row lacks, which preserves their dependence; if there is none, each column has
        its own donor, or its mean.
        """
        donors, scales = self.donors
        means, missing, has = self.column_means.astype(np.float64), np.isnan(rows), ~np.isnan(donors)
        scaled = np.where(missing, 0.0, rows - means) / scales
        others = np.where(has, donors, 0.0) / scales
        with np.errstate(over="ignore", invalid="ignore"):  # of rows very far away
            sides = [np.square(scaled), ~missing, -2 * scaled], [has, np.square(others), others]
            np.matmul(np.hstack(sides[0]), np.hstack(sides[1]).T, out=squares)
        np.matmul((~missing).astype(np.float64), has.T.astype(np.float64), out=numbers)  # of columns in common
        squares[numbers == 0] = _FARTHEST
        squares /= np.maximum(numbers, 1, out=numbers)
        np.matmul(missing.astype(np.float64), (~has).T.astype(np.float64), out=numbers)  # that both lack
        nearest = np.where(numbers > 0, np.inf, squares).argmin(axis=1)
        filled = np.where(missing, donors[nearest] + means, rows)
        for row in np.flatnonzero((missing & ~has[nearest]).any(axis=1)):
            for column in np.flatnonzero(missing[row]):
                donor = np.where(has[:, column], squares[row], np.inf).argmin()
                filled[row, column] = means[column] + (donors[donor, column] if has[:, column].any() else 0.0)
        return filled

    @cached_property
    def donors(self) -> tuple[Array, Array]:
        """Some rows of weight above 0, less the means of the columns, and the deviations of these."""
        used = np.flatnonzero(self.weights)
        if len(used) > _DONORS:  # at random, as missing values may be periodic
            used = np.sort(np.random.default_rng(0).choice(used, _DONORS, replace=False))
        rows = self.take(used).astype(np.float64) - self.column_means
        scales = np.sqrt(np.nanmean(np.vstack([np.square(rows), np.zeros(rows.shape[1])]), axis=0))
        return rows, np.where(scales > 0, scales, 1.0)

    def _window(self, chunk: Chunk) -> Window:
        """Return the rows of a chunk in the order of their patterns."""
        kinds = self.errors.kinds[chunk.first : chunk.first + len(chunk.rows)]
        words = _words(chunk.rows, kinds)
        firsts, which = equal_rows(words.view(np.uint64))
        missing = np.isnan(chunk.rows[firsts])
        places = np.lexsort((*words[firsts].T[::-1], missing.sum(axis=1)))
        missing, firsts, which = missing[places], firsts[places], np.argsort(places)[which]
        weights = np.bincount(which, chunk.sample_weight).astype(np.float64) * ~missing.all(axis=1)
        order = np.argsort(which.astype(np.min_scalar_type(len(places))), kind="stable")
        kinds = kinds[firsts] if self.errors else np.full(len(firsts), -1)
        keys = [key.tobytes() for key in words[firsts].astype(">u4")]
        return Window(chunk, keys, missing, np.bincount(which), weights, kinds, order)

    def observed_rows(
        self, window: Window, some: NDArray[np.bool_], layout: Layout, origin: Array, reach: Array, **kwargs: Any
    ) -> ObservedRows:
        """Return the rows of some patterns of a window as a compiled pass in a layout reads them."""
        order, chunk = window.rows_of(some), window.chunk
        rows, numbers = chunk.rows[order], chunk.first + order
        kwargs["weight"] = weights_of(chunk.sample_weight, order)
        kwargs["code"] = self.known.codes[numbers] if self.known else None
        if self.errors:
            kwargs["errors"], kwargs["kinds"] = self.errors.stored(layout), window.kinds[some]
            kwargs["error"] = self.errors.codes[numbers].astype(np.intc)
        patterns = window.missing[some].view(np.uint8), window.n_rows[some]
        return ObservedRows(rows[~np.isnan(rows)], *patterns, layout, origin, reach, **kwargs)

    @cached_property
    def column_means(self) -> NDArray[Any]:
        """The mean of each column over the rows that have it."""
        with np.errstate(over="ignore"):
            return self._observed.centre.astype(self.dtype)


class _Filled(Source):
    """Rows whose missing values are imputed as they are read."""

    def __init__(self, gappy: IncompleteSource) -> None:
        self._gappy = gappy
        vars(self).update({name: getattr(gappy, name) for name in _FACTS})

    def chunks(self, lane_rows: int = 1) -> Iterator[Chunk]:
        """Start a reading, after one for donors: a connection to a database has one open result."""
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


_UNEVEN = 1e-8  # relative, of covariances that were computed
_LARGEST_ERROR = 1e300  # sums of a few of these are finite


def _errors_of(array: Array, n_rows: int, n_features: int, missing: NDArray[np.bool_] | None = None) -> RowErrors:
    """Return the errors of the rows: variances (d,) or (n, d), or covariances (d, d) or (n, d, d).

    Those of missing values (n, d) may be NaN.

    Raises
    ------
    ValueError
        If the shape is another, a number is not finite or beyond 1e300, a variance is negative, or a matrix is
        not a covariance.
    """
    name, n, d = "error_covariance", n_rows, n_features
    if n == d > 1 and array.shape == (n, d):
        raise ValueError(
            f"{name} of shape {(n, d)} may be one covariance matrix of all rows, or the variances of each row. Pass "
            f"np.broadcast_to({name}, {(n, d, d)}) for a matrix, np.eye({d}) * {name}[:, None] for variances"
        )
    if array.shape not in ((d,), (d, d), (n, d), (n, d, d)):
        raise ValueError(
            f"expected {name} of shape {(n, d)} or {(d,)} (variances, of each row or of all rows) or "
            f"{(n, d, d)} or {(d, d)} (covariance matrices, likewise), got {array.shape}"
        )
    is_common = array.shape in ((d,), (d, d))
    if is_common:
        array = array[None]
    elif missing is not None:
        without = missing if array.ndim == 2 else missing[:, :, None] | missing[:, None]
        array = np.where(without & np.isnan(array), 0.0, array)
    errors = RowErrors.from_values(array, n)
    matrices = errors.covariances

    def of_row(index: tuple[int, ...]) -> str:
        row = () if is_common else (int((errors.codes == index[0]).argmax()),)
        return place((*row, *index[1:]), name)

    def on_diagonal(index: tuple[int, ...]) -> str:
        return of_row(index if matrices.ndim == 2 else (*index, index[-1]))

    unknown = ". Where an error is unknown, set the value in X to NaN as well, and fit with missing='em'."
    drop = ". Correct it, or drop the column from X."
    check_values(
        np.abs(matrices) <= _LARGEST_ERROR,
        matrices,
        f"finite numbers up to {_LARGEST_ERROR:g}",
        of_row,
        drop if is_common else unknown,
    )
    variances, squares = errors.variances, ". Variances are the squares of standard errors."
    check_values(variances >= 0, variances, "variances of 0 or more", on_diagonal, squares)
    if matrices.ndim == 3:
        largest = np.abs(matrices).max(axis=(1, 2))
        uneven = np.abs(matrices - matrices.transpose(0, 2, 1)).max(axis=(1, 2)) > _UNEVEN * largest
        negative = np.linalg.eigvalsh(matrices)[:, 0] < -_UNEVEN * largest
        for wrong, what in ((uneven, "symmetric"), (negative, "positive semidefinite")):
            if (index := first_index(wrong)) is not None:
                raise ValueError(f"expected covariance matrices, got one that is not {what}: {of_row(index)}")
    return errors
