"""When work is worth threads, and how many there may be."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import zip_longest
from typing import Any, TypeVar

from gmm._blas import single_threaded_blas
from gmm._rows.ahead import LOOK_UP

T = TypeVar("T")

# Multiply-adds. A pass with fewer stays on one thread: starting others costs more than it saves.
PASS_WORTH_THREADS = 2e6
# Between two checks for Ctrl-C: some tens of milliseconds.
SLICE = 2e8
# A search solves cells one after the other if a pass of the largest has fewer: Python's part would be the larger.
CELLS_WORTH_THREADS = 5e5
# Replicates of a bootstrap run side by side if a pass of one is between these: with fewer they wait for each other in
# Python, with more each pass has threads of its own.
REPLICATES_WORTH_THREADS, REPLICATES_LEFT_TO_PASSES = 1e5, 2e7
# Multiply-adds in which a file's number is decoded, several times over.
READING = 500


def usable_threads() -> int:
    """Return how many cores this process may use, given its affinity and the limit set on BLAS."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return int(min([cores, *single_threaded_blas.outside()]))


def replicated(
    task: Callable[[int, int | None], T], seeds: Sequence[int], *, work: float, n_threads: int | None
) -> Generator[T, None, None]:
    """Yield ``task(seed, n_threads)`` of each seed in order, side by side if passes of this work are worth it.

    Parameters
    ----------
    task : callable
        Takes a seed and the number of threads for its own passes.
    seeds : sequence of int
    work : float
        Multiply-adds of one pass.
    n_threads : int, optional
        None for all usable cores.
    """
    n_workers = n_threads or usable_threads()
    if n_workers == 1 or not REPLICATES_WORTH_THREADS < work < REPLICATES_LEFT_TO_PASSES:
        yield from (task(seed, n_threads) for seed in seeds)
        return
    pool = ThreadPoolExecutor(n_workers, thread_name_prefix="gmm")
    try:
        for seed, replicate in zip_longest(seeds, submitted(pool, task, [(seed, 1) for seed in seeds])):
            yield task(seed, 1) if replicate is None else result_of(replicate)
    finally:
        pool.shutdown(cancel_futures=True)


def submitted(
    pool: ThreadPoolExecutor, task: Callable[..., T], arguments: Iterable[tuple[Any, ...]]
) -> list[Future[T]]:
    """Submit a task with each of these arguments; if threads lack memory, the first ones alone, then done."""
    futures: list[Future[T]] = []
    try:
        futures.extend(pool.submit(task, *each) for each in arguments)
    except RuntimeError:
        pool.shutdown()  # it would still begin the task that it has no thread for, and takes no other from now on
    return futures


def result_of(future: Future[T]) -> T:
    """Return what a task returns or raises, once it has; look for Ctrl-C meanwhile."""
    while not future.done():
        wait([future], LOOK_UP)
    return future.result()
