"""How long does a fitted mixture take to score many rows or a single row, and how long does the import take?"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from itertools import product
from statistics import median

import numpy as np

from benchmarks.measure import Reading, Worker, crew, machine_share, rounds
from benchmarks.peers import ESTIMATORS, OURS, OWN
from benchmarks.problems import Problem, generate, stored
from benchmarks.report import VS_BASELINE, Report, factor, number, ratios
from benchmarks.settings import Settings
from benchmarks.tasks import FrozenPredictor, Predictor, estimator_peer

PEERS, THREADS = ESTIMATORS, (1,)
PROBLEM = Problem(200_000, 8, 16, "full")
METHODS = ("predict_proba", "score_samples")
SMALL = Problem(20_000, 4, 4, "full")  # of a service that scores row by row
SINGLE_CALLS, FROZEN_CALLS = 200, 2000
AGREEMENT = 1e-6
FLOOR = "numpy, scipy.linalg"
IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def run(settings: Settings, report: Report) -> bool:
    """Print milliseconds per call; return whether the answers agree."""
    report.header("ms", "threads", *settings.peers, VS_BASELINE, "Δ")
    agreed = True
    for n_threads in settings.threads:
        many = PROBLEM.tiny() if settings.smoke else PROBLEM
        agreed &= compare(many, Predictor, ((many.n_rows, 1), (1, SINGLE_CALLS)), n_threads, settings, report)
        small = SMALL.tiny() if settings.smoke else SMALL
        agreed &= compare(small, FrozenPredictor, ((1, FROZEN_CALLS),), n_threads, settings, report)
    ms = imports(settings)
    floor = ms.pop(FLOOR)
    show("import", 1, ms, 0.0, settings, report)
    if OURS in ms:
        report.note(f"import of {FLOOR}, which ours includes: {floor:.0f} ms; ours {ms[OURS] / floor:.2f} times that")
    return agreed


def compare(
    problem: Problem,
    ours: type[Predictor],
    calls: Sequence[tuple[int, int]],
    n_threads: int,
    settings: Settings,
    report: Report,
) -> bool:
    """Print a row for each method, number of rows and number of calls; return whether the answers agree."""
    X, start = generate(problem)
    rows, agreed = stored(X, settings.folder), True
    jobs = {
        name: (ours if name in OWN else Predictor, name, problem, rows, start, n_threads) for name in settings.peers
    }
    with crew(n_threads, jobs, report.failed) as workers:
        for method, (n_rows, times) in product(METHODS, calls):
            ask = partial(call, method, n_rows, times)
            results = rounds(workers, ask, 1 + settings.repeats, report.failed)
            difference = spread([readings[-1].value for readings in results.values()])
            agreed &= difference <= AGREEMENT or not results
            ms = {name: per_call(readings, times) for name, readings in results.items()}
            frozen = ", gmm's frozen" if ours is FrozenPredictor else ""
            title = f"{method}{frozen}, {problem.name}, {n_rows} row{'s' * (n_rows > 1)}"
            show(title, n_threads, ms, difference, settings, report)
    return agreed


def call(method: str, n_rows: int, times: int, worker: Worker, turn: int) -> Reading:
    """Call one worker; use with `partial`."""
    return worker(method, n_rows, times)


def per_call(readings: list[Reading], times: int) -> float:
    """Return milliseconds per call; the first round is a warm-up."""
    return 1e3 * median(reading.seconds for reading in readings[1:]) / times


def spread(answers: list[np.ndarray]) -> float:
    """Return the largest difference of any answer from the first."""
    return max((float(np.abs(answer - answers[0]).max()) for answer in answers), default=np.nan)


def imports(settings: Settings) -> dict[str, float]:
    """Return the milliseconds that the import of each peer, and of the least it needs, takes in a fresh interpreter."""
    seconds: dict[str, list[float]] = {}
    modules = {FLOOR: FLOOR} | {name: estimator_peer(name).module for name in settings.peers}
    for _, (name, module) in product(range(settings.repeats), modules.items()):
        command = [sys.executable, "-c", IMPORT.format(module)]
        with machine_share(1):
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds.setdefault(name, []).append(float(answer.stdout))
    return {name: 1e3 * median(values) for name, values in seconds.items()}


def show(
    title: str,
    n_threads: int,
    ms: dict[str, float],
    difference: float,
    settings: Settings,
    report: Report,
) -> None:
    """Print one row."""
    to_baseline, _ = ratios(ms)
    figures = (number(ms.get(name, np.nan)) for name in settings.peers)
    report.row(title, str(n_threads), *figures, factor(to_baseline), f"{difference:.0e}")
