"""When work is worth threads, how many there may be, and keeping BLAS from adding its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")

# Multiply-adds. A pass with fewer stays on one thread: starting others costs more than it saves.
PASS_WORTH_THREADS = 2e6
# A search solves cells one after the other if a pass of the largest has fewer: Python's part would be the larger.
CELLS_WORTH_THREADS = 5e5
# Replicates of a bootstrap run side by side if a pass of one is between these: with fewer they wait for each other in
# Python, with more each pass has threads of its own.
REPLICATES_WORTH_THREADS, REPLICATES_LEFT_TO_PASSES = 1e5, 2e7
# Multiply-adds in which a file's number is decoded, several times over.
READING = 500
# Up to which OpenBLAS uses the calling thread only.
_BLAS_STAYS_SINGLE = 2e5


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    # Looking through the loaded libraries takes most of a millisecond: once a process.
    return ThreadpoolController().select(user_api="blas")


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
        for replicate in [pool.submit(task, seed, 1) for seed in seeds]:
            yield replicate.result()
    finally:
        pool.shutdown(cancel_futures=True)


class _Guard:
    """Hold BLAS to one thread while at least one pass runs, in any number of Python threads."""

    def __init__(self) -> None:
        self._begin()
        if hasattr(os, "register_at_fork"):
            # A child has none of the threads that hold BLAS, or this lock, in its parent.
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._before: list[int] = []

    def outside(self) -> list[int]:
        """Return the libraries' numbers of threads, as they are while nobody holds them."""
        with self._lock:
            return self._before if self._holders else _numbers()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                self._before = _numbers()
                _set_threads([1] * len(self._before))
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0:
                    _set_threads(self._before)


def _numbers() -> list[int]:
    return [library.get_num_threads() for library in _blas().lib_controllers]


def _set_threads(numbers: list[int]) -> None:
    for library, number in zip(_blas().lib_controllers, numbers, strict=True):
        # Newer versions of threadpoolctl listen to the first thread that sets OpenBLAS, as long as it lives; the last
        # holder to leave may be another.
        let_go = getattr(library, "clear_controlling_thread", lambda force: None)
        let_go(force=True)
        library.set_num_threads(number)
        let_go(force=True)


single_threaded_blas = _Guard()


def blas_alone(largest_product: float) -> AbstractContextManager[None]:
    """Hold BLAS to one thread if it would use more for so many multiply-adds."""
    return single_threaded_blas() if largest_product > _BLAS_STAYS_SINGLE else nullcontext()
