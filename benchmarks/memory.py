"""How much memory does a default fit need beyond the data?"""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import MB, Reading, Worker, rounds, worker_pool
from benchmarks.peers import ESTIMATORS, OURS
from benchmarks.problems import Problem, generate, stored
from benchmarks.report import Report, Settings, number
from benchmarks.tasks import DefaultFit

PEERS, THREADS = ESTIMATORS, (1,)
TALL = Problem(5_000_000, 2, 4, "full")
PROBLEMS = (
    TALL,
    Problem(500_000, 16, 64, "diag"),
    Problem(20_000, 256, 8, "full"),
)
ALLOWANCE_MB = 150  # for many rows, few features and few components


def run(settings: Settings, report: Report) -> bool:
    """Print the peaks; return whether our process stays within its bound."""
    report.note(f"bound for {TALL.name}: data + {ALLOWANCE_MB} MB for the whole process, imports included")
    columns = ("seconds", "data MB", "peak MB", "beyond data MB", "grown MB")
    report.header("problem", "peer", "threads", *columns)
    kept = True
    chosen = [problem for problem in PROBLEMS if settings.only in problem.name]
    for full_size in chosen[:1] if settings.smoke else chosen:
        problem = full_size.tiny() if settings.smoke else full_size
        X, _ = generate(problem)
        rows, data_mb = stored(X, settings.folder), X.nbytes / MB
        for n_threads in settings.threads:
            for name, reading in fitted(problem, rows, n_threads, settings, report).items():
                beyond = reading.peak_mb - data_mb
                kept &= name != OURS or full_size is not TALL or beyond <= ALLOWANCE_MB
                figures = (reading.seconds, data_mb, reading.peak_mb, beyond, reading.grown_mb)
                report.row(problem.name, name, str(n_threads), *map(number, figures))
    return kept


def fitted(problem: Problem, rows: Path, n_threads: int, settings: Settings, report: Report) -> dict[str, Reading]:
    """Fit once with each peer, each in its own process."""

    def fit(worker: Worker, turn: int) -> Reading:
        return worker(problem.covariance_type, {"n_components": problem.n_components, "random_state": turn})

    jobs = {name: (DefaultFit, name, rows, n_threads) for name in settings.peers}
    with worker_pool(n_threads, jobs, report.failed) as workers:
        return {name: reading for name, (reading,) in rounds(workers, fit, 1, report.failed).items()}
