"""Limit BLAS to one thread where its threads would compete with ours, or have too little work."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any

from gmm._kernel.mstep import NullContext

# Multiply-adds up to which OpenBLAS uses the calling thread only.
BLAS_STAYS_SINGLE = 2e5
OF_EIGENVECTORS = 12  # multiply-adds for the eigenvectors of a d × d matrix, over d³


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    # Looking through the loaded libraries takes most of a millisecond: once a process.
    return ThreadpoolController().select(user_api="blas")


class _Guard:
    """Limit BLAS to one thread while at least one pass runs, in any number of Python threads."""

    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):
            # A child has none of the threads that limit BLAS, or hold this lock, in its parent.
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._before: list[int] = []

    def outside(self) -> list[int]:
        """Return the libraries' numbers of threads without this limit."""
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
        release = getattr(library, "clear_controlling_thread", lambda force: None)
        release(force=True)
        library.set_num_threads(number)
        release(force=True)


single_threaded_blas = _Guard()
_UNLIMITED = NullContext()


def blas_alone(largest_product: float) -> AbstractContextManager[None]:
    """Limit BLAS to one thread if it would use more for so many multiply-adds."""
    return single_threaded_blas() if largest_product > BLAS_STAYS_SINGLE else _UNLIMITED
