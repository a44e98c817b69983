"""How quick is the k-means start, and does EM end as high from it as from scikit-learn's KMeans?"""

from __future__ import annotations

from statistics import median

import numpy as np

from benchmarks.goals import KMEANS, VS_BASELINE, verdict, wording
from benchmarks.measure import Worker, crew, rounds
from benchmarks.peers import BASELINE, ESTIMATORS, OURS
from benchmarks.problems import Problem, generate, mean_log_likelihood, stored
from benchmarks.report import Report, factor, number, ratios
from benchmarks.settings import Settings
from benchmarks.tasks import Start

PEERS, THREADS = ESTIMATORS, (1,)
PROBLEMS = (
    Problem(200_000, 8, 16, "full"),
    Problem(200_000, 16, 64, "diag"),
    Problem(50_000, 64, 32, "full"),
)
SEEDS = 3


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each problem; nothing here can be wrong."""
    report.note("seconds of the start alone: ours is a whole fit of no passes, theirs KMeans with n_init=1")
    report.note("Δ: log-likelihood per row after our EM from our start, less that after our EM from theirs")
    seconds = (f"{name} s" for name in settings.peers)
    report.header("problem", "threads", *seconds, VS_BASELINE, "goal", "verdict", "Δ, median", "Δ, range")
    chosen = [problem for problem in PROBLEMS if settings.only in problem.name]
    for problem in [problem.tiny() for problem in chosen[:1]] if settings.smoke else chosen:
        X, _ = generate(problem)
        rows = stored(X, settings.folder)
        for n_threads in settings.threads:

            def start(worker: Worker, seed: int, problem: Problem = problem, X: np.ndarray = X) -> tuple[float, float]:
                reading = worker(problem.n_components, problem.covariance_type, seed)
                return reading.seconds, mean_log_likelihood(X, reading.value, problem.covariance_type)

            jobs = {name: (Start, name, rows, n_threads) for name in settings.peers}
            with crew(n_threads, jobs, report.failed) as workers:
                results = rounds(workers, start, 1 if settings.smoke else SEEDS, report.failed)
            show(problem, n_threads, results, settings, report)
    return True


def show(
    problem: Problem,
    n_threads: int,
    results: dict[str, list[tuple[float, float]]],
    settings: Settings,
    report: Report,
) -> None:
    """Print and keep one row."""
    seconds = {name: median(s for s, _ in pairs) for name, pairs in results.items()}
    scores = {name: np.array([score for _, score in pairs]) for name, pairs in results.items()}
    to_baseline, _ = ratios(seconds)
    gains = scores[OURS] - scores[BASELINE] if {OURS, BASELINE} <= set(scores) else np.full(1, np.nan)
    goals = {} if settings.smoke else {VS_BASELINE: KMEANS}
    judged = verdict(goals, {VS_BASELINE: to_baseline})
    report.row(
        (
            problem.name,
            str(n_threads),
            *(number(seconds.get(name, np.nan)) for name in settings.peers),
            factor(to_baseline),
            wording(goals),
            judged,
            f"{np.median(gains):+.5f}",
            f"{gains.min():+.4f} … {gains.max():+.4f}",
        ),
        problem=problem.name,
        n_threads=n_threads,
        seconds=seconds,
        ratio_to_sklearn=to_baseline,
        goals=goals,
        verdict=judged,
        scores={name: values.tolist() for name, values in scores.items()},
    )
