"""How quick is a whole default fit, start, climb and stop together, and where does it end?

CPU time of default fits compared with scikit-learn's, over tables × covariance types × numbers of components × seeds,
and the parts of our time. One set of tables is for tuning, the other one for evaluation.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import bundled, digits_axes, faithful, pixels
from benchmarks.measure import Worker, WorkerError, rounds, worker_pool
from benchmarks.peers import BASELINE, ESTIMATORS, OURS, estimator_peer
from benchmarks.problems import TYPES, Problem, generate, health, mean_log_likelihood, stored
from benchmarks.report import VS_BASELINE, Report, Settings, factor, number, percent
from benchmarks.synthetic import blobs, four, overlap, rare
from benchmarks.tasks import DefaultFit

PEERS, THREADS = ESTIMATORS, (1,)
TOLERANCE = 1e-3  # nats per row that a default fit may lose, in the median over the seeds
COMPONENTS = (2, 3, 5, 10, 20)
SEEDS, FEW_SEEDS = 10, 2
TUNED, EVALUATED = "tuned on", "evaluated on"


@dataclass(frozen=True)
class Table:
    """Rows by name, in one of the two sets, and the fits that are asked for."""

    name: str
    group: str
    load: Callable[[], np.ndarray]
    n_components: tuple[int, ...] = COMPONENTS
    types: tuple[str, ...] = TYPES
    seeds: int = SEEDS


def large(problem: Problem) -> Callable[[], np.ndarray]:
    """Return a loader of a problem's rows."""
    return lambda: generate(problem)[0]


def unscaled_wine() -> np.ndarray:
    """Return the wine set in its own units, one column a thousand times as wide as another."""
    return bundled("wine", scaled=False)()


TABLES = (
    Table("iris", TUNED, bundled("iris")),
    Table("wine", TUNED, bundled("wine")),
    Table("breast cancer", TUNED, bundled("breast_cancer")),
    Table("digits, 10 axes", TUNED, partial(digits_axes, 10)),
    Table("china, pixels", TUNED, pixels("china")),
    Table("overlap 5000 × 2", TUNED, partial(overlap, 5000, 2, 5, 0.8, 1.0)),
    Table("four blobs", TUNED, four),
    Table("digits, 41 axes", TUNED, partial(digits_axes, 41), (110,), ("full",)),
    Table("200k × 16", TUNED, large(Problem(200_000, 16, 64, "diag")), (64,), ("diag",), FEW_SEEDS),
    Table("wine, own units", EVALUATED, unscaled_wine),
    Table("diabetes", EVALUATED, bundled("diabetes", slice(2, 8))),
    Table("Old Faithful", EVALUATED, faithful),
    Table("digits, 30 axes", EVALUATED, partial(digits_axes, 30)),
    Table("flower, pixels", EVALUATED, pixels("flower")),
    Table("overlap 5000 × 8", EVALUATED, partial(overlap, 5000, 8, 8, 0.8, 0.5)),
    Table("blobs 4000 × 8", EVALUATED, partial(blobs, 4000, 8, 16, 2.5)),
    Table("rare 40k × 4", EVALUATED, rare, (3, 5, 10), seeds=FEW_SEEDS),
    Table("overlap 5000 × 60", EVALUATED, partial(overlap, 5000, 60, 6, 0.2, 0.5), (3, 10), seeds=FEW_SEEDS),
    Table("200k × 8", EVALUATED, large(Problem(200_000, 8, 16, "full")), (16,), ("full", "tied"), FEW_SEEDS),
)


@dataclass(frozen=True)
class Fit:
    """One fit: CPU seconds, log-likelihood per row, and whether a component is degenerate; nan for one that raised."""

    seconds: float
    score: float
    degenerate: bool


@dataclass(frozen=True)
class Cell:
    """A table, a number of components, a covariance type, a number of threads: the fits of each peer, seed by seed."""

    table: Table
    n_components: int
    covariance_type: str
    n_threads: int
    fits: dict[str, list[Fit]]
    shares: tuple[float, float, float]  # of our time: the start, passes of the climb, what is between them

    @property
    def ratio(self) -> float:
        """scikit-learn's time over ours, medians over the seeds."""
        return self.seconds(BASELINE) / self.seconds(OURS)

    @property
    def gain(self) -> float:
        """Our median log-likelihood less scikit-learn's; a fit of ours that raised has lost."""
        ours = [-np.inf if np.isnan(fit.score) else fit.score for fit in self.fits.get(OURS, [])]
        return median(ours) - median(fit.score for fit in self.fits.get(BASELINE, []))

    @property
    def lost(self) -> bool:
        """Whether ours ends lower, and scikit-learn's half of the time without a degenerate component."""
        return self.gain < -TOLERANCE and self.degenerate(BASELINE) < len(self.fits[BASELINE]) / 2

    def seconds(self, peer: str) -> float:
        """Return the median CPU time."""
        return median(fit.seconds for fit in self.fits.get(peer, []))

    def degenerate(self, peer: str) -> int:
        """Return how many fits end with a degenerate component."""
        return sum(fit.degenerate for fit in self.fits.get(peer, []))


class Shares:
    """Where the time of our default fit goes."""

    SEEDS, LONG = 3, 20

    def __init__(self, rows: Path, n_threads: int) -> None:
        self.peer, self.n_threads = estimator_peer(OURS), n_threads
        self.X = np.load(rows)

    def __call__(self, n_components: int, covariance_type: str) -> tuple[float, float, float]:
        """Return the CPU seconds of the start, of the climb's passes at the price of plain EM's, and of the whole."""
        settings = {"n_components": n_components, "covariance_type": covariance_type}
        parts = [self.parts(settings | {"random_state": seed}) for seed in range(self.SEEDS)]
        start, passes, whole = np.median(parts, axis=0)
        return start, passes, whole

    def parts(self, settings: dict[str, Any]) -> tuple[float, float, float]:
        """Return the three for one seed."""
        whole, estimator = self.timed(settings)
        start, initial = self.timed(settings | {"max_iter": 0})
        given = settings | {
            "weights_init": initial.weights_,
            "means_init": initial.means_,
            "precisions_init": initial.precisions_,
            "acceleration": None,
            "tol": 0.0,
        }
        one, many = (self.timed(given | {"max_iter": n})[0] for n in (1, 1 + self.LONG))
        return start, estimator.n_iter_ * max(many - one, 0.0) / self.LONG, whole

    def timed(self, settings: dict[str, Any]) -> tuple[float, Any]:
        """Return the CPU seconds of a fit, and the estimator."""
        estimator = self.peer.estimator(self.n_threads, **settings)
        begin = time.process_time()
        estimator.fit(self.X)
        return time.process_time() - begin, estimator


def add_arguments(parser: ArgumentParser) -> None:
    """Add what is only for this question."""
    parser.add_argument("--seeds", type=int, help="fits of each cell at most")
    parser.add_argument("--set", choices=("tuned", "evaluated"), help="one of the two sets of tables")
    parser.add_argument("--types", help="comma-separated covariance types")


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each cell, then what they come to; return whether no cell ends lower than scikit-learn's."""
    report.note("CPU milliseconds and log-likelihood per row: medians over the seeds")
    report.note(
        "gain: ours less scikit-learn's; degenerate: fits that end with a component on too few rows or too thin"
    )
    report.note("start, passes, between: shares of our time; between is arithmetic between passes, and Python")
    titles = ("table", "K, type", "threads", *(f"{peer} ms" for peer in settings.peers), VS_BASELINE, "gain")
    report.header(*titles, "degenerate", "start", "passes", "between")
    cells = list(measured(settings, report))
    for group in (TUNED, EVALUATED):
        for n_threads in settings.threads:
            here = [cell for cell in cells if cell.table.group == group and cell.n_threads == n_threads]
            if here:
                report.note(f"tables {group}, {threads(n_threads)}: {summary(here)}")
    return settings.smoke or not any(cell.lost for cell in cells)


def measured(settings: Settings, report: Report) -> Iterator[Cell]:
    """Measure cell by cell, and print each."""
    for table, X in loaded(settings, report):
        for n_threads in settings.threads:
            rows = stored(X, settings.folder)
            jobs = {peer: (DefaultFit, peer, rows, n_threads) for peer in settings.peers}
            with worker_pool(n_threads, {**jobs, "shares": (Shares, rows, n_threads)}, report.failed) as workers:
                shares = workers.pop("shares", None)
                for n_components, covariance_type in asked(table, settings):
                    fit = partial(fitted, X, n_components, covariance_type)
                    n_seeds = 1 if settings.smoke else min(settings.arguments.seeds or 99, table.seeds)
                    fits = rounds(workers, fit, n_seeds, report.failed)
                    parts = shares_of(shares, n_components, covariance_type)
                    cell = Cell(table, n_components, covariance_type, n_threads, fits, parts)
                    show(cell, settings, report)
                    yield cell


def loaded(settings: Settings, report: Report) -> Iterator[tuple[Table, np.ndarray]]:
    """Yield the tables whose name contains `only`, of the set that is asked for; for a smoke run, the first."""
    group = {"tuned": TUNED, "evaluated": EVALUATED}.get(settings.arguments.set, "")
    for table in TABLES[:1] if settings.smoke else TABLES:
        if settings.only in table.name and group in table.group:
            try:
                yield table, table.load()
            except ImportError as reason:
                report.skipped(table.name, str(reason))


def asked(table: Table, settings: Settings) -> Iterator[tuple[int, str]]:
    """Yield the cells of a table."""
    types = (settings.arguments.types or ",".join(table.types)).split(",")
    for n_components in table.n_components[:2] if settings.smoke else table.n_components:
        for covariance_type in table.types:
            if covariance_type in types:
                yield n_components, covariance_type


def fitted(X: np.ndarray, n_components: int, covariance_type: str, worker: Worker, seed: int) -> Fit:
    """Fit once; the first of a cell twice, for what is only done once in a process."""
    parameters = {"n_components": n_components, "random_state": seed}
    try:
        if seed == 0:
            worker(covariance_type, parameters)
        reading = worker(covariance_type, parameters)
    except WorkerError:
        return Fit(np.nan, np.nan, degenerate=True)
    mixture = reading.value.mixture
    score = mean_log_likelihood(X, mixture, covariance_type)
    return Fit(reading.seconds, score, degenerate=not health(mixture, covariance_type, len(X)).good)


def shares_of(worker: Worker | None, n_components: int, covariance_type: str) -> tuple[float, float, float]:
    """Return which shares of our time the start, the climb's passes and what is between them take."""
    try:
        if worker is not None:
            start, passes, whole = worker(n_components, covariance_type).value
            return start / whole, passes / whole, 1 - (start + passes) / whole
    except WorkerError:
        pass
    return np.nan, np.nan, np.nan


def show(cell: Cell, settings: Settings, report: Report) -> None:
    """Print a row."""
    times = [number(1e3 * cell.seconds(peer)) for peer in settings.peers]
    sick = " / ".join(str(cell.degenerate(peer)) for peer in settings.peers)
    gain = f"{cell.gain:+.4f}" if np.isfinite(cell.gain) else "–"
    title = (cell.table.name, f"{cell.n_components}, {cell.covariance_type}", str(cell.n_threads))
    report.row(*title, *times, factor(cell.ratio), gain, sick, *map(percent, cell.shares))


def summary(cells: Sequence[Cell]) -> str:
    """Return what the cells come to, in one line."""
    ratios = np.array([cell.ratio for cell in cells])
    if np.isnan(ratios).all():
        return "nothing to compare with"
    worst = cells[int(np.nanargmin(ratios))]
    lower = [name(cell) for cell in cells if cell.lost]
    return (
        f"{len(cells)} cells; geometric mean {factor(float(np.exp(np.nanmean(np.log(ratios)))))}; worst "
        f"{factor(float(np.nanmin(ratios)))} ({name(worst)}); slower in {int((ratios < 1).sum())}; more than "
        f"{TOLERANCE:g} lower in {len(lower)}{': ' if lower else ''}{'; '.join(lower)}"
    )


def name(cell: Cell) -> str:
    """Return what names a cell in a sentence."""
    return f"{cell.table.name}, K={cell.n_components}, {cell.covariance_type}"


def threads(n: int) -> str:
    """Return the number of threads in words."""
    return "one thread" if n == 1 else f"{n} threads"


def median(values: Iterable[float]) -> float:
    """Return the median of what is not nan; nan if nothing is."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.median(known)) if known else np.nan
