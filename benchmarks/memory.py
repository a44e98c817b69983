"""Does a default fit keep its promises on memory: the data, some MB for each thread, and the statistics, whatever n?"""

from __future__ import annotations

from pathlib import Path

from benchmarks.goals import MEMORY_MB_PER_THREAD
from benchmarks.measure import MB, Reading, Worker, crew, rounds
from benchmarks.peers import ESTIMATORS, OURS
from benchmarks.problems import Problem, generate, stored
from benchmarks.report import Report, number
from benchmarks.settings import Settings
from benchmarks.tasks import DefaultFit

PEERS, THREADS = ESTIMATORS, (1,)
TALL = Problem(5_000_000, 2, 4, "full")
PROBLEMS = (
    TALL,
    Problem(500_000, 16, 64, "diag"),
    Problem(20_000, 256, 8, "full"),
)
ALLOWANCE_MB = 150  # where nothing but n is large


def run(settings: Settings, report: Report) -> bool:
    """Print the peaks; return whether our whole process is within its bound."""
    report.note(f"the bound, {TALL.name}: data + {ALLOWANCE_MB} MB for the whole process, imports included")
    report.note(f"the goal: what the fit adds is at most {MEMORY_MB_PER_THREAD:g} MB per thread and the statistics")
    columns = ("seconds", "data_mb", "peak_mb", "beyond_data_mb", "grown_mb", "goal_mb")
    titles = (title.replace("_", " ").replace("mb", "MB") for title in columns)
    report.header("problem", "peer", "threads", *titles, "verdict")
    kept = True
    chosen = [problem for problem in PROBLEMS if settings.only in problem.name]
    for asked in chosen[:1] if settings.smoke else chosen:
        problem = asked.tiny() if settings.smoke else asked
        X, _ = generate(problem)
        rows, data_mb = stored(X, settings.folder), X.nbytes / MB
        for n_threads in settings.threads:
            goal_mb = MEMORY_MB_PER_THREAD * n_threads + statistics_mb(problem)
            for name, reading in fitted(problem, rows, n_threads, settings, report).items():
                beyond = reading.peak_mb - data_mb
                kept &= name != OURS or asked is not TALL or beyond <= ALLOWANCE_MB
                figures = (reading.seconds, data_mb, reading.peak_mb, beyond, reading.grown_mb, goal_mb)
                judged = "met" if reading.grown_mb <= goal_mb else "missed"
                report.row(
                    (problem.name, name, str(n_threads), *map(number, figures), judged if name == OURS else "–"),
                    problem=problem.name,
                    peer=name,
                    n_threads=n_threads,
                    **dict(zip(columns, figures, strict=True)),
                    verdict=judged,
                )
    return kept


def fitted(problem: Problem, rows: Path, n_threads: int, settings: Settings, report: Report) -> dict[str, Reading]:
    """Return everybody's one default fit, each in a process of its own."""

    def fit(worker: Worker, turn: int) -> Reading:
        return worker(problem.n_components, problem.covariance_type, turn)

    jobs = {name: (DefaultFit, name, rows, n_threads) for name in settings.peers}
    with crew(n_threads, jobs, report.failed) as workers:
        return {name: reading for name, (reading,) in rounds(workers, fit, 1, report.failed).items()}


def statistics_mb(problem: Problem) -> float:
    """Return the size of the counts, first and second moments of all components, in float64."""
    d = problem.n_features
    second = {"full": d * d, "tied": d * d / problem.n_components, "diag": d, "spherical": 1}[problem.covariance_type]
    return problem.n_components * (1 + d + second) * 8 / MB
