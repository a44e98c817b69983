"""Does a default fit keep its promise on memory: the data plus a constant, whatever n?"""

from __future__ import annotations

from benchmarks.measure import MB, Reading, Worker, crew, rounds
from benchmarks.peers import ESTIMATORS, OURS
from benchmarks.problems import Problem, generate, stored
from benchmarks.report import Report, number
from benchmarks.settings import Settings
from benchmarks.tasks import DefaultFit

PEERS, THREADS = ESTIMATORS, (1,)
PROBLEM = Problem(5_000_000, 2, 4, "full")
ALLOWANCE_MB = 150


def run(settings: Settings, report: Report) -> bool:
    """Print the peaks; return whether ours is within the bound."""
    problem = PROBLEM.tiny() if settings.smoke else PROBLEM
    X, _ = generate(problem)
    rows, data_mb = stored(X, settings.folder), X.nbytes / MB
    report.note(f"the bound: data + {ALLOWANCE_MB} MB for the whole process, imports included")
    columns = ("seconds", "data_mb", "peak_mb", "beyond_data_mb", "grown_mb")
    report.header(problem.name, "threads", *(title.replace("_", " ").replace("mb", "MB") for title in columns))
    kept = True

    def fit(worker: Worker, turn: int) -> Reading:
        return worker(problem.n_components, problem.covariance_type, turn)

    for n_threads in settings.threads:
        jobs = {name: (DefaultFit, name, rows, n_threads) for name in settings.peers}
        with crew(n_threads, jobs, report.failed) as workers:
            results = rounds(workers, fit, 1, report.failed)
        for name, (reading,) in results.items():
            beyond = reading.peak_mb - data_mb
            kept &= name != OURS or beyond <= ALLOWANCE_MB
            figures = (reading.seconds, data_mb, reading.peak_mb, beyond, reading.grown_mb)
            values = dict(zip(columns, figures, strict=True))
            report.row(
                (name, str(n_threads), *map(number, figures)),
                peer=name,
                n_threads=n_threads,
                **values,
            )
    return kept
