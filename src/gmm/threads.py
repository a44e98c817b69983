"""How many workers a pass gets, and keeping BLAS from adding threads of its own to them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


@cache
def _blas() -> Any:
    # Looking through the loaded libraries takes most of a millisecond: once a process.
    return ThreadpoolController().select(user_api="blas")


def usable_threads() -> int:
    """Cores this process may use, by its affinity and by the limit that its host set on BLAS."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    limits = [library["num_threads"] for library in _blas().info()]
    return int(min([cores, *limits]))


class _Guard:
    """Holds BLAS to one thread while at least one pass runs, in however many Python threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._limiter: Any = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                self._limiter = _blas().limit(limits=1)
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0:
                    self._limiter.restore_original_limits()


single_threaded_blas = _Guard()
