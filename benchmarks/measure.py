"""Measurement: workers, each a fresh pinned process, and rounds that alternate between them.

A task is a callable that is built in the worker, where its calls are timed. Peak memory is that of the process, so a
worker serves only one peer and one problem.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self, TypeVar

THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
MB = 1e6
SHORT_FIT = 0.05  # seconds up to which a fit is repeated
MOST_FITS = 50

Result = TypeVar("Result")


@dataclass(frozen=True)
class Reading:
    """One call of a task: its duration, the peak memory of the process so far, and its result.

    `grown_mb` is the peak above the resident memory after the task was built, data included.
    """

    seconds: float
    peak_mb: float
    grown_mb: float
    value: Any


@dataclass(frozen=True)
class Timed:
    """Result of a task that times itself: `seconds` replaces the duration of the call."""

    seconds: float
    value: Any


class WorkerError(RuntimeError):
    """A task that could not be built or run; the message gives the reason in one line."""


class Worker:
    """A fresh process pinned to `n_threads` CPUs that answers calls of ``factory(*arguments)``."""

    def __init__(self, n_threads: int, factory: Callable[..., Any], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, factory, arguments), daemon=True)
        with machine_share(n_threads):
            self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        self._receive()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.kill()

    def __call__(self, *arguments: Any) -> Reading:
        """Call the task in the worker process."""
        self._connection.send(arguments)
        reading: Reading = self._receive()
        return reading

    def _receive(self) -> Any:
        try:
            answer = self._connection.recv()
        except EOFError:
            self._process.join()
            raise WorkerError(f"process died, exit code {self._process.exitcode}") from None
        if isinstance(answer, WorkerError):
            raise answer
        return answer


def _serve(connection: Connection, factory: Callable[..., Any], arguments: Sequence[Any]) -> None:
    warnings.simplefilter("ignore")  # a fixed number of iterations need not converge
    task = _attempt(connection, factory, arguments)
    if task is None:
        return
    connection.send(None)
    resident = memory_mb("VmRSS")
    with suppress(EOFError, KeyboardInterrupt):
        while True:
            call = connection.recv()
            begin = time.perf_counter()
            value: Any = _attempt(connection, task, call)
            seconds = time.perf_counter() - begin
            peak = memory_mb("VmHWM")
            if isinstance(value, Timed):
                seconds, value = value.seconds, value.value
            if value is not None:
                connection.send(Reading(seconds, peak, peak - resident, value))


def _attempt(connection: Connection, call: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """Return the result of a call; if it fails, send the error and return None."""
    try:
        return call(*arguments)
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "")
        connection.send(WorkerError(f"{type(error).__name__}: {reason}"))
        return None


def memory_mb(field: str) -> float:
    """Return a memory `field` of this process on Linux; elsewhere always its peak.

    ``ru_maxrss`` is only the fallback: across an exec it inherits the parent's peak.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        import resource  # which Windows lacks, where tests of tails read the tables of benchmarks

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MB
    match = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    return int(match[1]) * 1024 / MB if match else float("nan")


@contextmanager
def machine_share(n_threads: int) -> Iterator[None]:
    """Restrict processes started inside to `n_threads` CPUs, with matching thread settings."""
    settings = dict.fromkeys(THREAD_SETTINGS, str(n_threads))
    before = {name: os.environ.get(name) for name in settings}
    cpus = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else set()
    os.environ.update(settings)
    if cpus:
        os.sched_setaffinity(0, sorted(cpus)[:n_threads])
    try:
        yield
    finally:
        if cpus:
            os.sched_setaffinity(0, cpus)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def worker_pool(
    n_threads: int, jobs: Mapping[str, tuple[Any, ...]], skipped: Callable[[str, str], None]
) -> Iterator[dict[str, Worker]]:
    """Start one worker for each named ``(factory, *arguments)``; report those that fail."""
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for name, (factory, *arguments) in jobs.items():
            try:
                workers[name] = stack.enter_context(Worker(n_threads, factory, *arguments))
            except WorkerError as reason:
                skipped(name, str(reason))
        yield workers


def rounds(
    workers: Mapping[str, Worker],
    measure: Callable[[Worker, int], Result],
    repeats: int,
    skipped: Callable[[str, str], None],
) -> dict[str, list[Result]]:
    """Measure all workers `repeats` times in turn, every other round in reverse order, so that drift cancels.

    `measure` takes a worker and the number of the round. A worker that fails is reported and left out.
    """
    results: dict[str, list[Result]] = {name: [] for name in workers}
    for turn in range(repeats):
        for name in list(results)[:: -1 if turn % 2 else 1]:
            try:
                results[name].append(measure(workers[name], turn))
            except WorkerError as reason:
                del results[name]
                skipped(name, str(reason))
    return results


def slope(worker: Worker, turn: int, n_iter: int, *question: Any) -> tuple[float, Reading]:
    """Return seconds per iteration, and the reading of a long fit.

    The difference between a long and a short fit removes the cost outside the loop. Very short fits are repeated, and
    their medians used.
    """
    if turn == 0:
        worker(*question, 1)  # warm-up
    short, long = [worker(*question, 1)], [worker(*question, 1 + n_iter)]
    for _ in range(min(int(SHORT_FIT / long[0].seconds), MOST_FITS) - 1):
        short.append(worker(*question, 1))
        long.append(worker(*question, 1 + n_iter))
    seconds = [median(reading.seconds for reading in readings) for readings in (short, long)]
    return (seconds[1] - seconds[0]) / n_iter, long[-1]
