"""How long does one EM iteration take, and how much memory, from identical starts?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.limit import Gauge, Rates, absence, limit_seconds, typical
from benchmarks.measure import Reading, Worker, rounds, slope, worker_pool
from benchmarks.peers import OURS
from benchmarks.peers import PEERS as KNOWN
from benchmarks.problems import GRID, REFEREE_ROWS, Mixture, Problem, generate, mean_log_likelihood, stored
from benchmarks.report import VS_BASELINE, Report, Settings, UsageError, factor, number, percent, ratios

PEERS = tuple(KNOWN)
THREADS = (1, 2)
# Nats per row by which correct answers may differ: rounding, and the ridge of daal4py.
AGREEMENT = {"float64": 1e-6, "float32": 1e-3}
LIMIT, ALONE = "limit", "gmm on one thread"
# Theirs ÷ ours (twice); limit ÷ ours; ours on one thread ÷ ours on two; daal4py ÷ ours on two threads.
OF_LIMIT = "of limit"
RATIOS = (VS_BASELINE, "vs best peer", OF_LIMIT, "1→2", "vs daal4py")


@dataclass(frozen=True)
class Measurement:
    """One peer's measurement of a cell: seconds per iteration in each round, and the last fit."""

    seconds: Sequence[float]
    last: Reading
    log_likelihood: float

    @property
    def ms(self) -> float:
        """Milliseconds per iteration: the median over the rounds."""
        return 1e3 * median(self.seconds)


@dataclass(frozen=True)
class Cell:
    """One problem on `n_threads`: the measurements of all peers, ours on one thread, and the machine's rates."""

    problem: Problem
    n_threads: int
    measured: dict[str, Measurement] = field(default_factory=dict)
    ms_on_one: float = np.nan
    rates: Rates | None = None

    @property
    def ms(self) -> dict[str, float]:
        """Milliseconds per iteration by peer."""
        return {name: measurement.ms for name, measurement in self.measured.items()}

    @property
    def limit_ms(self) -> float:
        """Least milliseconds that the machine needs."""
        return 1e3 * limit_seconds(self.problem, self.rates) if self.rates else np.nan

    def figures(self) -> dict[str, float]:
        """Return the ratios by column title."""
        ours = self.ms.get(OURS, np.nan)
        values = (
            *ratios(self.ms),
            self.limit_ms / ours,
            self.ms_on_one / ours if self.n_threads > 1 else np.nan,
            self.ms.get("daal4py", np.nan) / ours if self.n_threads > 1 else np.nan,
        )
        return dict(zip(RATIOS, values, strict=True))


class GivenFit:
    """A fixed number of iterations from a given start."""

    def __init__(self, peer: str, problem: Problem, rows: Path, start: Mixture, n_threads: int) -> None:
        self.peer, self.n_threads = KNOWN[peer], n_threads
        self.peer.version()  # imports what a fit needs
        self.problem, self.start, self.X = problem, start, np.load(rows)

    def __call__(self, n_iter: int) -> Mixture:
        """Fit."""
        return self.peer.fit(self.problem, self.X, self.start, n_iter, self.n_threads)


def run(settings: Settings, report: Report) -> bool:
    """Print the grid; return whether all answers agree."""
    report.note("ms per EM iteration (peak MB of the process, + MB added by the fit)")
    report.note("limit: least time that the machine needs, by its rates in the same rounds")
    report.note("1→2: our time on one thread ÷ on two, in the same rounds")
    report.note("Δ: largest difference in nats per row after the same iterations")
    if reason := absence():
        report.skipped(LIMIT, reason)
    titles = ("problem", "dtype", "threads", *settings.peers, LIMIT)
    report.header(*titles, *RATIOS, "Δ")
    agreed, rates = True, {}
    for problem in cells(settings):
        X, start = generate(problem)
        rows = stored(X, settings.folder)
        for n_threads in settings.threads:
            cell = measure(Cell(problem, n_threads), X, rows, start, settings, report)
            agreed &= show(cell, settings, report)
            rates[problem.dtype, n_threads] = cell.rates
    for (dtype, n_threads), last in rates.items():
        if last:
            report.note(f"the machine, {dtype}, threads: {n_threads}: {last.describe()}")
    return agreed


def cells(settings: Settings) -> Iterator[Problem]:
    """Yield the problems whose name contains `only`; in a smoke run, a tiny one of each type."""
    chosen = [problem for problem in GRID if settings.only in problem.name]
    if not chosen:
        names = ", ".join(problem.name for problem in GRID)
        raise UsageError(f"expected a part of one of {names}; got {settings.only!r}")
    if settings.smoke:
        chosen = [problem.tiny() for problem in {p.covariance_type: p for p in reversed(chosen)}.values()]
    for problem, dtype in product(chosen, settings.dtypes):
        yield replace(problem, dtype=dtype)


def measure(cell: Cell, X: np.ndarray, rows: Path, start: Mixture, settings: Settings, report: Report) -> Cell:
    """Time all peers and the machine in turn, and evaluate the answers."""
    problem, n_threads = cell.problem, cell.n_threads
    jobs: dict[str, tuple[Any, ...]] = {
        name: (GivenFit, name, problem, rows, start, n_threads)
        for name in settings.peers
        if KNOWN[name].supports(problem)
    }
    single_jobs = {ALONE: (GivenFit, OURS, problem, rows, start, 1)} if n_threads > 1 and OURS in jobs else {}
    if not absence():
        jobs[LIMIT] = (Gauge, problem.dtype, n_threads)

    def one_round(worker: Worker, turn: int) -> Any:
        return worker().value if worker is workers.get(LIMIT) else slope(worker, turn, problem.n_iter)

    def measurement(slopes: Sequence[tuple[float, Reading]]) -> Measurement:
        last = slopes[-1][1]
        score = mean_log_likelihood(X[:REFEREE_ROWS], last.value, problem.covariance_type)
        return Measurement([seconds for seconds, _ in slopes], last, score)

    with worker_pool(n_threads, jobs, report.failed) as workers, worker_pool(1, single_jobs, report.failed) as alone:
        results = rounds(workers | alone, one_round, settings.repeats, report.failed)
    rates, single = results.pop(LIMIT, None), results.pop(ALONE, None)
    return replace(
        cell,
        measured={name: measurement(slopes) for name, slopes in results.items()},
        ms_on_one=1e3 * median(seconds for seconds, _ in single) if single else np.nan,
        rates=typical(rates) if rates else None,
    )


def show(cell: Cell, settings: Settings, report: Report) -> bool:
    """Print one row; return whether the answers agree."""
    problem, figures = cell.problem, cell.figures()
    answers = [m.log_likelihood for m in cell.measured.values()]
    difference = float(np.ptp(answers)) if answers else np.nan
    agree = len(answers) < 2 or difference <= AGREEMENT[problem.dtype]
    report.row(
        problem.name,
        problem.dtype,
        str(cell.n_threads),
        *(figure(cell.measured.get(name)) for name in settings.peers),
        number(cell.limit_ms),
        *(percent(figures[name]) if name == OF_LIMIT else factor(figures[name]) for name in RATIOS),
        f"{difference:.0e}" if agree else f"**{difference:.0e} DISAGREE**",
    )
    return agree


def figure(measurement: Measurement | None) -> str:
    """Return one peer's cell of the table."""
    if measurement is None:
        return "–"
    last = measurement.last
    return f"{number(measurement.ms)} ({last.peak_mb:.0f}, +{last.grown_mb:.0f})"
