"""Dask collections: `DaskSource`, whose partitions are tasks of a scheduler, and functions of rows mapped over them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from operator import add
from typing import Any

import dask
import dask.array
import numpy as np
from numpy.typing import NDArray

from gmm._exceptions import LostClusterError
from gmm._rows.partitions import PartitionedSource, Task

_ADDED_AT_ONCE = 32  # results that one task of the sum adds


class DaskSource(PartitionedSource):
    """Rows in the partitions of a Dask array or data frame, which are not moved.

    A pass is one task for each partition, and a tree of sums in a fixed order. The data of a pass are a node of its
    graph, so a scheduler that loses a worker can send it again.

    Parameters
    ----------
    X : dask.array.Array of shape (n, d), or dask.dataframe.DataFrame
    sample_weight : dask.array.Array, dask.dataframe.Series or array-like of shape (n,), optional
        In the partitions of X.
    """

    def __init__(self, X: Any, sample_weight: Any = None) -> None:
        self._name = f"a Dask {type(X).__name__.lower()}"
        self._client = _open_client()
        self._partitions = _partitions(X)
        self._weights = [None] * len(self._partitions) if sample_weight is None else _weights(X, sample_weight)
        if len(self._weights) != len(self._partitions):
            raise ValueError(
                f"expected sample_weight in the {len(self._partitions)} partitions of X, got {len(self._weights)}"
            )

    def __repr__(self) -> str:
        """Return the origin of the rows, without reading them."""
        return f"<rows of {self._name} in {len(self._partitions)} partitions>"

    def total(self, task: Task) -> Any:
        """Run a task on every partition, and add up.

        Raises
        ------
        LostClusterError
            If the scheduler is gone, or a partition has cost too many workers; other errors are Dask's own.
        """
        delayed_task = dask.delayed(task, traverse=False)
        apply, total = dask.delayed(_applied, pure=False), dask.delayed(partial(reduce, add), pure=False)
        results = [
            apply(delayed_task, number, rows, weight)
            for number, (rows, weight) in enumerate(zip(self._partitions, self._weights, strict=True))
        ]
        while len(results) > 1:
            results = [total(results[i : i + _ADDED_AT_ONCE]) for i in range(0, len(results), _ADDED_AT_ONCE)]
        if self._client is None:
            return results[0].compute()
        try:
            return self._client.compute(results[0], sync=True)
        except Exception as error:
            if not _is_cluster_error(self._client, error):
                raise
            raise LostClusterError(f"the Dask cluster was lost: {type(error).__name__}: {error}") from error


def mapped(
    function: Callable[[Any], NDArray[Any]], X: Any, dtype: np.dtype[Any] | None = None, shape: tuple[int, ...] = ()
) -> Any:
    """Return a Dask array of the results of a function for each partition; it is not computed yet.

    Parameters
    ----------
    function : callable
        From rows (m, d) to an array (m, *shape).
    X : Dask array or data frame
    dtype : dtype, optional
        Type of the result; by default float32 for float32 rows, else float64.
    shape : tuple of int
    """
    in_array = isinstance(X, dask.array.Array)
    if dtype is None:
        of_rows = X.dtype if in_array else np.result_type(*X.dtypes)
        dtype = np.dtype(np.float32 if of_rows == np.float32 else np.float64)
    apply = dask.delayed(partial(_results, function, dtype, shape), traverse=False)
    counts = X.chunks[0] if in_array else [np.nan] * X.npartitions
    blocks = [
        dask.array.from_delayed(apply(rows), (count, *shape), dtype=dtype)
        for rows, count in zip(_partitions(X), counts, strict=True)
    ]
    return dask.array.concatenate(blocks, allow_unknown_chunksizes=True)


def _results(
    function: Callable[[Any], NDArray[Any]], dtype: np.dtype[Any], shape: tuple[int, ...], rows: Any
) -> NDArray[Any]:
    """Return the result of a function for the rows of a partition, which may have none."""
    results = function(rows) if len(rows) else np.empty((0, *shape))
    return results.astype(dtype, copy=False)


def _partitions(X: Any) -> list[Any]:
    """Return the partitions as delayed values, each with whole rows."""
    if not isinstance(X, dask.array.Array):
        if not isinstance(getattr(X, "npartitions", None), int) or getattr(X, "ndim", None) != 2:
            raise TypeError(f"expected a Dask array or data frame of rows, got a Dask {type(X).__name__}")
        return list(X.to_delayed())
    if X.ndim != 2:
        raise ValueError(f"Expected 2D array, got {X.ndim}D array instead: a Dask array of shape {X.shape}")
    return list(X.rechunk({1: -1}).to_delayed().ravel())


def _weights(X: Any, sample_weight: Any) -> list[Any]:
    if isinstance(X, dask.array.Array) and not np.isnan(X.shape[0]):
        weights = dask.array.asarray(sample_weight)
        if weights.shape != X.shape[:1]:
            raise ValueError(f"sample_weight.shape == {weights.shape}, expected {X.shape[:1]}!")
        return list(weights.rechunk((X.chunks[0],)).to_delayed())
    if not dask.is_dask_collection(sample_weight):
        raise TypeError("expected sample_weight as a Dask collection, in the partitions of X, whose sizes are unknown")
    return list(sample_weight.to_delayed())


def _applied(task: Task, number: int, rows: Any, weight: Any) -> Any:
    return task(number, rows if weight is None else (rows, weight))


def _open_client() -> Any:
    """Return the client of a cluster that is open, if there is one."""
    try:
        from distributed import default_client

        return default_client()
    except (ModuleNotFoundError, ValueError):
        return None


def _is_cluster_error(client: Any, error: Exception) -> bool:
    """Return whether an error is the cluster's: not a task's, nor of rows that a living scheduler has given up."""
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    reason = getattr(error, "reason", None)  # why a future was cancelled
    has_ended = client.status != "running" or reason == "scheduler-connection-lost"
    return has_ended or isinstance(error, (KilledWorker, CommClosedError))
