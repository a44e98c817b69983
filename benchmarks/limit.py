"""The limit of the machine: its rates, measured together with the peers, and the shortest pass they allow.

C++ files are compiled for this machine on demand, once per version of the source.
"""

from __future__ import annotations

import ctypes
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.problems import Problem

SOURCE = Path(__file__).with_name("limit.cpp")
BUILD = Path(__file__).parents[1] / "build" / "benchmarks"
COMPILE = ("g++", "-O3", "-march=native", "-shared", "-fPIC")
CACHED = 2048  # numbers whose exponentials are computed repeatedly
STREAMED = 16 * 2**20  # float64 numbers that a thread reads: larger than any cache
ROUNDS = 500_000  # of multiply-adds
TRIES = 3  # the fastest counts: it is the closest to the limit


@dataclass(frozen=True)
class Rates:
    """Multiply-adds, exponentials and bytes read, each per second over all threads."""

    multiply_adds: float
    exponentials: float
    bytes_read: float

    def describe(self) -> str:
        """Return the rates in customary units."""
        return (
            f"{2e-9 * self.multiply_adds:.1f} GF, {1e9 / self.exponentials:.3f} ns per exp, "
            f"{1e-9 * self.bytes_read:.1f} GB/s"
        )


def multiply_adds(problem: Problem) -> int:
    """Return the multiply-adds per row and component in each of the two phases."""
    d = problem.n_features
    return {"full": d * (d + 1) // 2 + d, "tied": d, "diag": 2 * d, "spherical": d + 1}[problem.covariance_type]


def limit_seconds(problem: Problem, rates: Rates) -> float:
    """Return the least seconds of a pass: either its arithmetic, exp included, or reading the rows."""
    pairs = problem.n_rows * problem.n_components
    arithmetic = 2 * pairs * multiply_adds(problem) / rates.multiply_adds + pairs / rates.exponentials
    size = problem.n_rows * problem.n_features * np.dtype(problem.dtype).itemsize
    return float(max(arithmetic, size / rates.bytes_read))


def typical(rates: Sequence[Rates]) -> Rates:
    """Return the median of each rate."""
    return Rates(
        median(r.multiply_adds for r in rates),
        median(r.exponentials for r in rates),
        median(r.bytes_read for r in rates),
    )


@cache
def library(source: Path, *flags: str) -> ctypes.CDLL:
    """Compile `source` with `flags` and load it; an error gives the reason in one line."""
    identity = repr((source.read_bytes(), flags, platform.node()))
    built = BUILD / f"{source.stem}-{sha256(identity.encode()).hexdigest()[:12]}.so"
    if not built.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        command = (*COMPILE, str(source), *flags, "-o", str(built))
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            errors = (line for line in result.stderr.splitlines() if "error" in line or "cannot find" in line)
            raise RuntimeError(f"compilation failed: {next(errors, result.stderr)}")
    return ctypes.CDLL(str(built))


@cache
def absence() -> str:
    """Return why the rates cannot be measured; an empty string if they can."""
    try:
        library(SOURCE)
    except (OSError, RuntimeError) as reason:
        return str(reason)
    return ""


class Gauge:
    """The task that measures the rates, on `n_threads` threads at once."""

    def __init__(self, dtype: str, n_threads: int) -> None:
        self.compiled, self.n_threads = library(SOURCE), n_threads
        self.itemsize = np.dtype(dtype).itemsize
        self.multiply_add = getattr(self.compiled, f"multiply_add_{dtype}")
        self.exp = getattr(self.compiled, f"exp_{dtype}")
        self.streams = [np.ones(STREAMED) for _ in range(n_threads)]
        self.cached = [aligned(CACHED, dtype) for _ in range(2 * n_threads)]

    def __call__(self) -> Rates:
        """Measure."""
        with ThreadPoolExecutor(self.n_threads) as pool:
            return Rates(*(self._rate(pool, ask) for ask in (self._multiply_add, self._exp, self._read)))

    def _rate(self, pool: ThreadPoolExecutor, ask: Callable[[int], float]) -> float:
        """Return the amount that `ask` reports per second of wall-clock time, over all threads."""

        def once() -> float:
            begin = time.perf_counter()
            done = sum(pool.map(ask, range(self.n_threads)))
            return done / (time.perf_counter() - begin)

        return max(once() for _ in range(TRIES))

    def _multiply_add(self, thread: int) -> float:
        self.multiply_add(ctypes.c_ssize_t(ROUNDS))
        return float(ROUNDS * self.compiled.multiply_adds_a_round(ctypes.c_ssize_t(self.itemsize)))

    def _exp(self, thread: int) -> float:
        rounds = 5000
        x, y = (pointer(array) for array in self.cached[2 * thread : 2 * thread + 2])
        self.exp(x, y, ctypes.c_ssize_t(CACHED), ctypes.c_ssize_t(rounds))
        return float(rounds * CACHED)

    def _read(self, thread: int) -> float:
        rows = self.streams[thread]
        self.compiled.read_all(pointer(rows), ctypes.c_ssize_t(rows.size))
        return float(rows.nbytes)


def aligned(size: int, dtype: str) -> np.ndarray:
    """Return numbers from −20 to 0 at an address that is a multiple of 64."""
    raw = np.empty(size + 64, dtype)
    first = -raw.ctypes.data % 64 // raw.itemsize
    raw[first : first + size] = np.linspace(-20, 0, size)
    return raw[first : first + size]


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """Return an array's address for C."""
    return ctypes.c_void_p(array.ctypes.data)
