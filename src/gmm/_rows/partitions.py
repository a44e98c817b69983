"""`PartitionedSource`: rows in remote partitions, to which tasks are sent; only their sums are returned."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from gmm import _em
from gmm._kernel.mstep import Survey, cached_property
from gmm._rows.sources import ArraySource, Chunk, Source, changed, check_shape, fingerprint, forwarded
from gmm._text.words import listed
from gmm._validation.checks import check_array
from gmm._validation.rows import as_rows, check_sample_weight
from gmm._values.layouts import Array
from gmm._values.row_data import in_full, joined, weights_of
from gmm._values.statistics import SufficientStatistics


class Look(NamedTuple):
    """The result of the first look at a partition.

    Parameters
    ----------
    number : int
        Number of the partition.
    n_rows : int
        Rows of a positive weight; without any, the other fields have no meaning.
    n_features : int
    dtype : dtype
    names : array of str, optional
        Names of the features.
    weighted : bool
    survey : Survey, optional
        None without rows.
    """

    number: int
    n_rows: int
    n_features: int
    dtype: np.dtype[Any]
    names: NDArray[np.object_] | None
    weighted: bool
    survey: Survey | None


class PartitionReader(NamedTuple):
    """How the rows of all partitions are read; it travels with the tasks.

    Parameters
    ----------
    n_rows : tuple of int
        How many rows each partition had at the first look; empty until then.
    dtype : dtype, optional
        The type of all rows, by the first look.
    """

    n_rows: tuple[int, ...] = ()
    dtype: np.dtype[Any] | None = None

    def rows(self, number: int, partition: Any) -> ArraySource:
        """Return the rows of a partition that have a positive weight.

        Raises
        ------
        ValueError
            If there are more or fewer than at the first look.
        """
        name = f"partition {number}"
        values, weight = partition if isinstance(partition, tuple) else (partition, None)
        floats, names = as_rows(values, name)
        check_shape(floats.shape, name, None, 0)
        if weight is not None:
            try:
                weight = check_array(weight, "weights", (len(floats),)).astype(np.float64)
                if weight.any():
                    check_sample_weight(weight, len(floats))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        usable = in_full(weight, len(floats)) > 0
        if not usable.all():
            floats, weight = floats[usable], weights_of(weight, usable)
        if self.n_rows and len(floats) != self.n_rows[number]:
            raise changed(name, f"{self.n_rows[number]} rows the first time, {len(floats)} now")
        floats = floats if self.dtype is None else floats.astype(self.dtype, copy=False)
        return ArraySource(floats, weight, feature_names=names)


# The tasks: with what comes before the number of a partition, each is sent as a `partial`.


def look(reader: PartitionReader, number: int, partition: Any) -> list[Look]:
    """Look at a partition for the first time."""
    source = reader.rows(number, partition)
    n, d, weighted = source.n_rows, source.n_features, source.sample_weight is not None
    return [Look(number, n, d, source.dtype, source.feature_names, weighted, source.survey if n else None)]


def pass_sums(plan: _em.Plan, reader: PartitionReader, number: int, partition: Any) -> Array | float:
    """Make a pass over a partition, on one thread; return its sums, of which there are O(K·d²), or 0 without rows."""
    source = reader.rows(number, partition)
    n_lanes = -(-source.n_rows // plan.lane_rows)
    if not n_lanes:
        return 0.0
    scratch = _em.Scratch()
    plan.start(scratch, source.n_rows)
    plan.walk(scratch, _em.RowTable(source.rows, source.sample_weight), 0, n_lanes)
    return plan.sums(scratch)


def _chosen(
    indices: NDArray[np.intp], reader: PartitionReader, number: int, partition: Any
) -> list[tuple[int, NDArray[Any], Array | None]]:
    """Return the number of a partition, and those of its rows with these indices, with their weights."""
    first = sum(reader.n_rows[:number])
    start, stop = np.searchsorted(indices, [first, first + reader.n_rows[number]])
    if start == stop:
        return []
    part = reader.rows(number, partition).select_rows(indices[start:stop] - first)
    return [(number, part.rows, part.sample_weight)]


def _digest(reader: PartitionReader, number: int, partition: Any) -> list[tuple[int, str]]:
    """Return the number of a partition and its digest."""
    return [(number, fingerprint(reader.rows(number, partition)))]


T = TypeVar("T")
Task = Callable[[int, Any], Any]  # from the number of a partition and its rows to what can be added

_DRIFT = 1e-4  # of the reach: between the means of the rows at the first look and in a pass, which may be in float32


class PartitionedSource(Source):
    """Rows in remote partitions, numbered from 0; a subclass sends tasks to them.

    Rows of weight 0 are dropped. Neither rows nor weights are fetched, except for samples.
    """

    storage = "remote"

    @abstractmethod
    def total(self, task: Task) -> Any:
        """Return Σ_i task(i, rows of partition i), added in the order of the partitions."""

    def summed(self, plan: _em.Plan) -> Array:
        """Make a pass; return the sums over all rows.

        Raises
        ------
        ValueError
            If the number of rows of a partition has changed.
        """
        sums = self.total(partial(pass_sums, plan, self.reader))
        if not isinstance(sums, np.ndarray) or sums.dtype.kind != "f" or sums.ndim != 1:
            raise TypeError(self._no_total(sums, "an array of one dimension"))
        return sums

    def check_unchanged(self, statistics: SufficientStatistics) -> None:
        """Check the weight of the rows of a pass and, unless some are noise or have precisions, their mean.

        Raises
        ------
        ValueError
            If the rows are not those of the first look.
        """
        survey, weight = self.survey, statistics.weight
        moments = statistics.first + statistics.counts[:, None] * (statistics.origins - survey.centre)
        has_mean = statistics.counts.sum() > (1 - 1e-9) * weight and not np.any(statistics.precision)
        moment = moments.sum(axis=0) * has_mean
        far = np.abs(moment) > _DRIFT * weight * survey.reach(survey.centre)
        if abs(weight - survey.weight) > 1e-9 * survey.weight or far.any():
            moved = f", and their mean moved by {moment / weight}" if has_mean else ""
            raise ValueError(
                f"{self!r} changed between two passes: their weight was {survey.weight:.10g} and is {weight:.10g}"
                f"{moved}; expected the same rows each time"
            )

    n_rows: int = forwarded("_facts.n_rows", "Number of rows, n.")
    n_features: int = forwarded("_facts.n_features", "Number of features, d.")
    dtype: np.dtype[Any] = forwarded("_facts.dtype", "Type of the rows: float64 if some are.")
    feature_names: NDArray[np.object_] | None = forwarded("_facts.names", "Names of the features, if they have any.")
    survey: Survey = forwarded("_facts.survey", "Survey of all rows.")

    def digests(self) -> str:
        """Return the digest of all rows and weights, the same for the same rows in the same partitions."""
        return hashlib.blake2b(repr(sorted(self._collected(partial(_digest, self.reader), tuple))).encode()).hexdigest()

    def chunks(self, lane_rows: int = 1) -> Iterator[Chunk]:
        """Raise TypeError, as the rows cannot be fetched.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(
            f"{self!r} cannot be fetched: expected an array for a result with a number for each row; send "
            "model.freeze() to the engine to apply it to each partition, or fetch a sample as an array"
        )

    def take(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """Return the rows with these indices, which increase."""
        return self.select_rows(indices).rows

    def select_rows(self, indices: NDArray[np.intp]) -> ArraySource:
        """Return the rows with these indices, which increase, and their weights."""
        task = partial(_chosen, np.asarray(indices), self.reader)
        parts = sorted(self._collected(task, tuple), key=lambda part: part[0])
        rows = [np.empty((0, self.n_features), self.dtype), *(rows for _, rows, _ in parts)]
        return ArraySource(np.concatenate(rows), joined(weight for _, _, weight in parts))

    def _collected(self, task: Task, kind: type[T]) -> list[T]:
        """Return the results for all partitions of a task that returns lists."""
        results = self.total(task)
        if not isinstance(results, list) or not all(isinstance(part, kind) for part in results):
            raise TypeError(self._no_total(results, f"a list of {kind.__name__}"))
        return results

    def _no_total(self, result: object, expected: str) -> str:
        return (
            f"expected of {self!r} the sum by + of what the task returned for each partition, {expected}, got "
            f"{type(result).__name__}: {result!r:.60}"
        )

    @cached_property
    def _looks(self) -> list[Look]:
        task = partial(look, PartitionReader())
        looks = sorted(self._collected(task, Look), key=lambda found: found.number)
        numbers = [found.number for found in looks]
        if numbers != list(range(len(looks))):
            raise ValueError(f"expected partitions numbered from 0, each once, got {listed(map(str, numbers), 10)}")
        return looks

    @cached_property
    def _facts(self) -> Look:
        """The result of the first look at all partitions together."""
        with_rows = [found for found in self._looks if found.n_rows]
        if not with_rows:
            raise ValueError(f"expected at least one row in the partitions of {self!r}, got none")
        n_rows, parts = 0, []
        for found in with_rows:
            _check_alike(with_rows[0], found)
            parts.append((n_rows, found.survey, None))
            n_rows += found.n_rows
        return with_rows[0]._replace(
            n_rows=n_rows,
            dtype=np.result_type(*(found.dtype for found in with_rows)),
            survey=Survey(parts, with_rows[0].n_features),
        )

    @property
    def reader(self) -> PartitionReader:
        """How the rows are read after the first look."""
        return PartitionReader(tuple(found.n_rows for found in self._looks), self.dtype)


class EngineSource(PartitionedSource):
    """Rows in the partitions of a caller's engine."""

    def __init__(self, total: Callable[[Task], Any]) -> None:
        self._total = total

    def __repr__(self) -> str:
        """Return the origin of the rows."""
        return f"<rows of the engine {getattr(self._total, '__name__', type(self._total).__name__)}>"

    def total(self, task: Task) -> Any:
        """Return the sum of a task by the engine."""
        return self._total(task)


def partitioned_rows(total: Callable[[Task], Any]) -> Source:
    """Use rows in the partitions of an engine for `fit`, `score` and the criteria.

    A fit needs only sums over the rows, so it sends tasks to the rows instead of reading them. Each task is picklable
    and small, O(K·d²) numbers, and so is its result.

    Parameters
    ----------
    total : callable
        ``total(task)`` calls ``task(number, rows)`` for each partition, wherever that is, and returns the sum of the
        results by ``+``. Partitions are numbered from 0; their rows are an array, a data frame, an Arrow table, or a
        tuple of one of these and the weights of its rows. Results that are added in the same order give the same bits.

    Returns
    -------
    Source
        To be passed as ``X``.

    Notes
    -----
    Nothing but sums and samples comes back: `predict` and its like are for the partitions themselves, by
    ``model.freeze()``. Every pass compares the number of rows in each partition with the first look. Rows of weight 0
    are left out.

    See Also
    --------
    gmm.em.e_step, gmm.em.m_step : The two halves of an iteration of EM, for a loop of one's own.
    gmm.open_rows : Rows in files, and from functions that give blocks.

    Examples
    --------
    >>> from functools import reduce
    >>> from operator import add
    >>> import numpy as np, gmm
    >>> rng = np.random.default_rng(0)
    >>> partitions = [rng.normal(size=(1000, 2)) + 10 * (rng.uniform(size=(1000, 1)) < 0.3) for _ in range(4)]
    >>> def total(task):
    ...     return reduce(add, map(task, range(4), partitions))
    >>> mixture = gmm.GaussianMixture(2, random_state=0).fit(gmm.sources.partitioned_rows(total))
    >>> mixture.weights_.round(1)
    array([0.7, 0.3])
    """
    if not callable(total):
        raise TypeError(f"expected a function that adds up a task over partitions, got {type(total).__name__}")
    return EngineSource(total)


def _check_alike(one: Look, other: Look) -> None:
    """Raise ValueError unless two partitions have the same columns, and both have weights or neither."""
    for what, a, b in [
        ("features", one.n_features, other.n_features),
        ("feature names", *(None if each.names is None else list(each.names) for each in (one, other))),
        ("weights", one.weighted, other.weighted),
    ]:
        if a != b:
            raise ValueError(
                f"expected the same {what} in all partitions, got {a} in partition {one.number} and {b} in partition "
                f"{other.number}"
            )


PartitionedSource.__module__ = partitioned_rows.__module__ = "gmm.sources"
