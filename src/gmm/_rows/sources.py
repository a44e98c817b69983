"""`Source`: rows that can be read in chunks, any number of times.

`ArraySource` holds an array in memory. Another subclass of `Source` can take its place in `fit`, `predict` and `score`;
it gives the same bits as an array of the same rows.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, nullcontext
from math import ceil, inf
from operator import attrgetter
from time import perf_counter
from typing import Any, Literal, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from gmm._exceptions import warn
from gmm._kernel.mstep import Survey, cached_property, distinct_rows, equal_rows, identity, survey_of
from gmm._lazy import reduced_at_home
from gmm._text.words import printable
from gmm._validation.scalars import check_real, excerpt, name_of
from gmm._values.layouts import Array
from gmm._values.row_data import ALL_UNKNOWN, NO_ERRORS, KnownClasses, RowErrors, in_full, weights_of

_Found = TypeVar("_Found")

# Seconds that a thread waits before it looks for Ctrl-C: on Windows a wait is not interrupted, and elsewhere a signal
# just before a wait is lost to it.
LOOK_UP = 0.2
_HASHED_AT_ONCE = 1 << 16  # rows
_MEASURED = 100_000  # rows that determine the width of a column
_OF_NORMAL_VALUES = 2.6  # deviations: how many values there are times the median gap between them
_ROUNDING = 8 * np.finfo(np.float64).eps  # relative: values that are nearer to each other are one
_SAME = 1e-9  # of the range of the middle half: the same
_DOUBLE = np.dtype(np.float64)
_FLOATS = _DOUBLE, np.dtype(np.float32)
_CONVERTS = "gmm.sources.checked_rows(X, sample_weight) converts others"


class Chunk(NamedTuple):
    """Consecutive rows of a source.

    Parameters
    ----------
    first : int
        Index of the first row in the source.
    rows : array of shape (m, d), float32 or float64
    sample_weight : array of shape (m,), or None
    """

    first: int
    rows: NDArray[Any]
    sample_weight: Array | None

    @property
    def weights(self) -> Array:
        """Weights of the rows, (m,), ones where they have none."""
        return in_full(self.sample_weight, len(self.rows))

    def pieces(self, at_most: int) -> Iterator[Chunk]:
        """Yield the rows in order, so many at a time."""
        for start in range(0, len(self.rows), at_most):
            index = slice(start, start + at_most)
            yield Chunk(self.first + start, self.rows[index], weights_of(self.sample_weight, index))


class Pattern(NamedTuple):
    """A set of columns, and facts of the rows that have values only in these.

    Parameters
    ----------
    missing : bool array of shape (d,)
        Whether a column is not in the set.
    n_rows : int
        Number of the rows.
    weight : float
        Their weight; 0 if they have no value.
    error : int
        Which of the source's errors they share, or `RowErrors.own`; −1 for none.
    """

    missing: NDArray[np.bool_]
    n_rows: int
    weight: float
    error: int = -1

    @property
    def observed(self) -> NDArray[np.intp]:
        """The columns."""
        return np.flatnonzero(~self.missing)

    def joined(self, other: Pattern) -> Pattern:
        """Return the same pattern of both rows."""
        return self._replace(n_rows=other.n_rows + self.n_rows, weight=other.weight + self.weight)


def forwarded(path: str, what: str) -> Any:
    """Return a property that is an attribute of a part, such as ``base.n_rows``."""
    return property(attrgetter(path), doc=what)


class Source(ABC):
    """Rows that can be read any number of times.

    A subclass sets `n_rows`, `n_features` and `dtype`, of rows with weights also `sample_weight`, and defines `chunks`;
    where single rows can be read, `take` too.

    Attributes
    ----------
    n_rows : int
        Number of rows, n.
    n_features : int
        Number of features, d.
    dtype : dtype
        Type of the rows, float32 or float64, and so of results per row. Passes may compute in it.
    sample_weight : array of shape (n,), or None
        Weights of all rows.
    known : KnownClasses
        Known classes, which restrict the components of rows.
    errors : RowErrors
        Measurement errors, which passes account for.
    feature_names : array of str, shape (d,), or None
        Names of the features, if they have any.
    reads_ahead : bool
        Whether chunks are made on a thread of their own.
    on_reading : callable, optional
        Called after each chunk of a pass, with the number of rows that the pass has read, and its seconds.
    storage : str
        "memory"; "streamed", if passes read the rows chunk by chunk; "remote", if passes run where the rows are, in a
        `PartitionedSource`.
    one_array : ArraySource or None
        The rows as one array if they can be addressed as one, NaN where a value is missing.
    patterns : sequence of Pattern
        Observed columns of rows with missing values or errors; passes read the rows pattern by pattern.
    """

    n_rows: int
    n_features: int
    dtype: np.dtype[Any]
    sample_weight: Array | None = None
    known: KnownClasses = ALL_UNKNOWN
    errors: RowErrors = NO_ERRORS
    feature_names: NDArray[np.object_] | None = None
    reads_ahead: bool = False
    on_reading: Callable[[int, float], object] | None = None
    storage: Literal["memory", "streamed", "remote"] = "streamed"
    one_array: ArraySource | None = None
    patterns: Sequence[Pattern] = ()

    @property
    def without_gaps(self) -> Source:
        """The rows, with missing values imputed."""
        return self

    @abstractmethod
    def chunks(self, lane_rows: int = 1) -> Iterator[Chunk]:
        """Yield all rows in order, in chunks of whole lanes of `lane_rows` rows; the last lane may be shorter."""

    def take(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """Return the rows with these indices, which increase, by one reading up to the last of them.

        Raises
        ------
        IndexError, TypeError
            If there are no such rows, or these are no integers that increase.
        """
        indices = np.asarray(indices)
        if indices.dtype.kind not in "iu" or indices.ndim != 1 or (np.diff(indices) < 0).any():
            raise TypeError("expected an array of row numbers that increase; numpy.sort brings them into order")
        n, count, result = len(indices), 0, np.empty((len(indices), self.n_features), self.dtype)
        if n and not 0 <= indices[0] <= indices[-1] < self.n_rows:
            raise IndexError(f"expected row numbers from 0 to {self.n_rows - 1}, got {indices[0]} to {indices[-1]}")
        with closing(chunks_in_order(self, 1)) as chunks:
            while count < n:
                first, rows, _ = next(chunks)
                end = int(np.searchsorted(indices, first + len(rows)))
                result[count:end] = rows[indices[count:end] - first]
                count = end
        return result

    def select_rows(self, indices: NDArray[np.intp]) -> ArraySource:
        """Return the rows with these indices, which increase, in memory; those with gaps or errors keep them."""
        return ArraySource(self.take(indices), weights_of(self.sample_weight, indices))

    def iter_patterns(self) -> Iterator[tuple[Pattern, NDArray[np.intp], ArraySource]]:
        """Yield the patterns of rows, chunk by chunk, with the numbers of the rows and their observed columns."""
        complete = Pattern(np.zeros(self.n_features, dtype=bool), self.n_rows, self.survey.weight)
        for first, rows, weight in self.chunks():
            yield complete, np.arange(first, first + len(rows)), ArraySource(rows, weight)

    @property
    def weights(self) -> Array:
        """Weights of all rows, (n,), ones where they have none."""
        return in_full(self.sample_weight, self.n_rows)

    def with_changes(self, **changes: Any) -> Self:
        """Return the source with other attributes; cached facts of the rows are kept if only their classes change."""
        kind, facts = type(self), vars(self)
        if not changes or changes.keys() - {"known", "on_reading"}:
            found = {name for name in facts if isinstance(getattr(kind, name, None), cached_property)}
            facts = {name: fact for name, fact in facts.items() if name not in found}
        other = object.__new__(kind)
        vars(other).update(facts | changes)
        return other

    @cached_property
    def survey(self) -> Survey:
        """Survey of all rows, made once."""
        return Survey(chunks_in_order(self, 1), self.n_features)


class ArraySource(Source):
    """Rows (n, d) in memory, in any order, float32 or float64, with weights (n,) in float64 and feature names (d,).

    Their values are not checked: `checked_rows` does that.
    """

    storage = "memory"
    __reduce_ex__ = reduced_at_home

    def __init__(
        self, rows: NDArray[Any], sample_weight: Array | None = None, feature_names: NDArray[np.object_] | None = None
    ) -> None:
        X: Any = rows
        is_array = isinstance(X, np.ndarray) and not isinstance(X, np.ma.MaskedArray)
        if not is_array or rows.ndim != 2 or rows.dtype not in _FLOATS:
            raise TypeError(f"expected an array (n, d) of float32 or float64, got {excerpt(X)}: {_CONVERTS}")
        if sample_weight is not None:
            weights: Any = sample_weight
            has_type = isinstance(weights, np.ndarray) and weights.dtype == _DOUBLE
            if not has_type or weights.shape != (len(rows),):
                got = f"got {excerpt(weights)}: {_CONVERTS}"
                raise TypeError(f"expected weights of shape {(len(rows),)} in an array of float64, {got}")
        self.rows, self.sample_weight, self.feature_names = rows, sample_weight, feature_names
        (self.n_rows, self.n_features), self.dtype = rows.shape, rows.dtype

    survey = cached_property(survey_of)
    one_array = property(identity, doc="The source itself.")

    def merged(self) -> ArraySource:
        """Return the distinct rows in float64, sorted by value, with the weights of their copies."""
        rows = ArraySource(*distinct_rows(np.ascontiguousarray(self.rows, dtype=np.float64), self.sample_weight))
        rows.n_distinct = rows.n_rows
        return rows

    distinct = cached_property(merged)

    @cached_property
    def n_distinct(self) -> int:
        """Number of distinct rows with a positive weight."""
        if "distinct" in vars(self) and self.survey.n_used == self.n_rows:  # a start computes them
            return self.distinct.n_rows
        rows = self.rows if self.sample_weight is None else self.rows[self.sample_weight > 0]
        return len(equal_rows(np.ascontiguousarray(rows, dtype=np.float64))[0])

    @cached_property
    def _found(self) -> dict[Any, Any]:
        return {}

    def look(self, function: Callable[..., _Found], *args: Any) -> _Found:
        """Return the result of a function of the rows, which is called once for the same arguments."""
        found = self._found
        if (function, *args) not in found:
            found[function, *args] = function(self.rows, *args)
        result: _Found = found[function, *args]
        return result

    def chunks(self, lane_rows: int = 1) -> Iterator[Chunk]:
        """Return all rows as one chunk."""
        return iter([Chunk(0, self.rows, self.sample_weight)])

    def take(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """Return the rows with these indices."""
        return self.rows.take(indices, axis=0)  # several times faster than an index


def fingerprint(source: Any) -> str:
    """Return the digest of all rows, weights and errors, the same for equal rows from any source."""
    if source.storage == "remote":
        digests: str = source.digests()
        return digests
    digest = hashlib.blake2b(repr(((source.n_rows, source.n_features), source.dtype.str)).encode())
    for chunk in source.chunks():
        for piece in chunk.pieces(_HASHED_AT_ONCE):
            digest.update(np.ascontiguousarray(piece.rows).data)
    if source.sample_weight is not None:
        digest.update(np.ascontiguousarray(source.sample_weight).data)
    digest.update(source.errors.fingerprint.encode())
    return digest.hexdigest()


def box_of(source: Source) -> NDArray[Any]:
    """Return the least and the largest number of each feature of rows of positive weight, (2, d), in float64."""
    if source.survey.n_used == source.n_rows:
        return source.survey.box.astype(np.float64)
    low, high = np.full((2, source.n_features), [[np.inf], [-np.inf]])
    for chunk in source.chunks():
        rows = chunk.rows[chunk.weights > 0]
        low = np.fmin(low, np.fmin.reduce(rows, axis=0, initial=np.inf))  # of NaN, which is no value, and a number
        high = np.fmax(high, np.fmax.reduce(rows, axis=0, initial=-np.inf))  # the number
    return np.array([low, high])


def column_widths(source: Source) -> Array:
    """Return the widths of the columns, (d,), infinite for a constant one.

    A width is the number of distinct values times the median gap between them, over 2.6, which is the deviation of
    normal values. Far rows, or groups that are far apart, hardly change it; repeated rows do not.
    """
    widths = np.full(source.n_features, inf)
    for j, values in enumerate(some_rows(source)[0].T):
        ordered = np.unique(values[np.isfinite(values)])
        gaps, sizes = np.diff(ordered), np.maximum(np.abs(ordered[1:]), np.abs(ordered[:-1]))
        half = ordered[3 * len(gaps) // 4] - ordered[len(gaps) // 4] if len(gaps) else 0.0
        if len(gaps := gaps[gaps > np.maximum(_ROUNDING * sizes, _SAME * half)]):
            widths[j] = (len(gaps) + 1) * np.median(gaps) / _OF_NORMAL_VALUES
    return widths


def some_rows(source: Source) -> tuple[Array, Array]:
    """Return at most 100,000 rows of positive weight, evenly spread, in float64, and their weights."""
    indices = np.arange(0, source.n_rows, ceil(source.n_rows / _MEASURED))
    weights = in_full(weights_of(source.sample_weight, indices), len(indices))
    used = weights > 0
    return source.take(indices[used]).astype(np.float64), weights[used]


def relative_ridge(source: Source, reg_covar: float) -> float:
    """Return a ridge in the units of rows: `reg_covar` times the squared width of the narrowest column that varies.

    Parameters
    ----------
    source : Source
        The rows, such as those of `checked_rows`.
    reg_covar : float
        As `select` takes it.

    Returns
    -------
    float
        As `GaussianMixture` takes it.
    """
    if not isinstance(source, Source):
        raise TypeError(f"expected a source of rows, as checked_rows returns it, got {excerpt(source)}")
    reg_covar, least = check_real(reg_covar, "reg_covar", "[0.0, inf)"), float(column_widths(source).min())
    width = least if least < inf else 1.0
    return max(reg_covar * width * width, np.finfo(np.float64).tiny if reg_covar > 0 else 0.0)


relative_ridge.__module__ = "gmm.sources"


def changed(what: str, difference: str, expected: str = "the same rows each time") -> ValueError:
    """Return the error for rows that differ between two readings."""
    return ValueError(f"{what} changed between two readings: {difference}; expected {expected}")


def check_part(values: Any, shape: tuple[int, ...], where: str) -> None:
    """Check that values of a source are an array of numbers of this shape.

    Raises
    ------
    ValueError
        If it is none.
    """
    is_array = isinstance(values, np.ndarray) and not isinstance(values, np.ma.MaskedArray)
    if not is_array or values.dtype.kind not in "biuf" or values.shape != shape:
        got = f"{values.dtype} of shape {values.shape}" if is_array else f"a {type(values).__name__}"
        raise ValueError(f"expected an array of numbers of shape {shape} in {where}, got {got}")


def chunks_in_order(source: Source, lane_rows: int) -> Generator[Chunk, None, None]:
    """Yield the chunks of a source, checked to be all of its rows in order.

    Raises
    ------
    TypeError, ValueError
        If a chunk is none, or rows are missing, repeated or out of order.
    """
    stop, began, chunks = 0, perf_counter(), source.chunks(lane_rows)
    with closing(chunks) if isinstance(chunks, Generator) else nullcontext():  # a destructor would ignore Ctrl-C
        for chunk in chunks:
            if not isinstance(chunk, Chunk):
                raise TypeError(f"expected a Chunk of the source, got {excerpt(chunk)}")
            if type(source) is not ArraySource:
                check_part(chunk.rows, (len(chunk.rows), source.n_features), "a chunk")
            if chunk.first != stop:
                raise ValueError(f"expected chunks in order, row {stop} next, got one from row {chunk.first}")
            stop += len(chunk.rows)
            yield chunk
            if source.on_reading is not None:
                source.on_reading(stop, perf_counter() - began)
    if stop != source.n_rows:
        raise ValueError(f"expected chunks of all {source.n_rows} rows of the source, got the first {stop}")


ArraySource.__module__ = Chunk.__module__ = Source.__module__ = "gmm.sources"


def check_names(
    names: NDArray[np.object_] | None, feature_names: NDArray[np.object_] | None, estimator: object
) -> None:
    """Compare the feature names of X with those of the fit.

    Raises
    ------
    ValueError
        If both have names, and not the same.

    Warns
    -----
    UserWarning
        If only one has names.
    """
    if names is None or feature_names is None:
        if feature_names is not None:
            text = f"X does not have valid feature names, but {name_of(estimator)} was fitted with feature names"
            warn("feature names", text)
        elif names is not None:
            warn("feature names", f"X has feature names, but {name_of(estimator)} was fitted without feature names")
    elif list(names) != list(feature_names):
        text = "The feature names should match those that were passed during fit.\n"
        unseen, missing = sorted(set(names) - set(feature_names)), sorted(set(feature_names) - set(names))
        for heading, others in (("unseen at fit time", unseen), ("seen at fit time, yet now missing", missing)):
            if others:
                lines = [f"- {printable(str(other))}\n" for other in others]
                text += f"Feature names {heading}:\n" + "".join(lines[:5] + ["- ...\n"] * (len(lines) > 5))
        if not unseen and not missing:
            text += "Feature names must be in the same order as they were in fit.\n"
        raise ValueError(text)


def check_shape(shape: tuple[int, int], estimator: object, n_features: int | None, min_rows: int) -> None:
    """Check the numbers of rows and features; messages name the estimator.

    Raises
    ------
    ValueError
        If there are too few rows, no features, or not `n_features` of them.
    """
    n, d = shape
    if n < min_rows or d < 1:
        count, word, least = (n, "sample", min_rows) if n < min_rows else (d, "feature", 1)
        raise ValueError(
            f"Found array with {count} {word}(s) (shape={shape}) while a minimum of {least} is required by "
            f"{name_of(estimator)}."
        )
    if n_features is not None and d != n_features:
        raise ValueError(f"X has {d} features, but {name_of(estimator)} is expecting {n_features} features as input.")
