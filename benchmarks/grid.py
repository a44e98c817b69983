"""How long is one EM iteration, and how much memory does it take, from identical starts?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from statistics import median
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.measure import Reading, Worker, crew, rounds
from benchmarks.problems import GRID, Mixture, Problem, generate, mean_log_likelihood, stored
from benchmarks.report import Report, factor, number, ratios
from benchmarks.settings import Settings
from benchmarks.tasks import GivenFit

PEERS = tuple(peers.PEERS)
THREADS = (1, 2)
REFEREE_ROWS = 20_000
# Nats per row by which two right answers may differ: rounding, and daal4py's own ridge.
AGREEMENT = {"float64": 1e-6, "float32": 1e-3}


@dataclass(frozen=True)
class Measurement:
    """What one peer made of one cell: seconds per iteration by round, and the last fit."""

    seconds: Sequence[float]
    last: Reading
    log_likelihood: float

    @property
    def ms(self) -> float:
        """Milliseconds per iteration: the median over the rounds."""
        return 1e3 * median(self.seconds)

    def values(self) -> dict[str, Any]:
        """Return what the JSON file keeps."""
        return {
            "ms_per_iteration": self.ms,
            "seconds_per_iteration": self.seconds,
            "peak_mb": self.last.peak_mb,
            "grown_mb": self.last.grown_mb,
            "log_likelihood_per_row": self.log_likelihood,
        }


def run(settings: Settings, report: Report) -> bool:
    """Print the grid; return whether all answers agree."""
    report.note("ms per EM iteration (peak MB of the process, + what the fit added to it)")
    report.note("Δ: largest difference in nats per row after the same iterations")
    titles = ("problem", "dtype", "threads", *settings.peers)
    report.header(*titles, "vs sklearn", "vs best peer", "Δ")
    agreed = True
    for problem in cells(settings):
        X, start = generate(problem)
        rows = stored(X, settings.folder)
        for n_threads in settings.threads:
            jobs = {
                name: (GivenFit, name, problem, rows, start, n_threads)
                for name in settings.peers
                if peers.load(name).supports(problem)
            }
            measured = measure(problem, X, jobs, n_threads, settings.repeats, report)
            agreed &= show(problem, n_threads, measured, settings, report)
    return agreed


def cells(settings: Settings) -> Iterator[Problem]:
    """Yield the problems whose name contains `only`; for a smoke run, a tiny one of each type."""
    chosen = [problem for problem in GRID if settings.only in problem.name]
    if not chosen:
        names = ", ".join(problem.name for problem in GRID)
        raise ValueError(f"expected a part of one of {names}; got {settings.only!r}")
    if settings.smoke:
        chosen = [problem.tiny() for problem in {p.covariance_type: p for p in reversed(chosen)}.values()]
    for problem, dtype in product(chosen, settings.dtypes):
        yield replace(problem, dtype=dtype)


def measure(
    problem: Problem,
    X: np.ndarray,
    jobs: dict[str, tuple[Any, ...]],
    n_threads: int,
    repeats: int,
    report: Report,
) -> dict[str, Measurement]:
    """Time everybody, in turn, and judge the answers."""

    def slope(worker: Worker, turn: int) -> tuple[float, Reading]:
        """Take a long fit less a short one: what surrounds the loop cancels."""
        if turn == 0:
            worker(1)  # first touches, thread pools
        short, long = worker(1), worker(1 + problem.n_iter)
        return (long.seconds - short.seconds) / problem.n_iter, long

    def judge(mixture: Mixture) -> float:
        return mean_log_likelihood(X[:REFEREE_ROWS], mixture, problem.covariance_type)

    with crew(n_threads, jobs, report.failed) as workers:
        results = rounds(workers, slope, repeats, report.failed)
    return {
        name: Measurement([s for s, _ in slopes], slopes[-1][1], judge(slopes[-1][1].value))
        for name, slopes in results.items()
    }


def show(
    problem: Problem,
    n_threads: int,
    measured: dict[str, Measurement],
    settings: Settings,
    report: Report,
) -> bool:
    """Print and keep one row; return whether the answers agree."""
    to_baseline, to_best = ratios({name: m.ms for name, m in measured.items()})
    answers = [m.log_likelihood for m in measured.values()]
    difference = float(np.ptp(answers)) if answers else np.nan
    agree = len(answers) < 2 or difference <= AGREEMENT[problem.dtype]
    figures = [figure(measured.get(name)) for name in settings.peers]
    figures += [factor(to_baseline), factor(to_best)]
    verdict = f"{difference:.0e}" if agree else f"**{difference:.0e} DISAGREE**"
    report.row(
        (problem.name, problem.dtype, str(n_threads), *figures, verdict),
        problem=problem.name,
        dtype=problem.dtype,
        n_threads=n_threads,
        peers={name: m.values() for name, m in measured.items()},
        ratio_to_sklearn=to_baseline,
        ratio_to_best_peer=to_best,
        difference=difference,
    )
    return agree


def figure(measurement: Measurement | None) -> str:
    """Return one peer's cell of the table."""
    if measurement is None:
        return "–"
    last = measurement.last
    return f"{number(measurement.ms)} ({last.peak_mb:.0f}, +{last.grown_mb:.0f})"
