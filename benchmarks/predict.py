"""How long does a fitted mixture take to score many rows or a single row?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.measure import Reading, Worker, rounds, worker_pool
from benchmarks.peers import ESTIMATORS, OWN, estimator_peer
from benchmarks.problems import Mixture, Problem, generate, stored
from benchmarks.report import VS_BASELINE, Report, Settings, factor, number, ratios

PEERS, THREADS = ESTIMATORS, (1,)
PROBLEM = Problem(200_000, 8, 16, "full")
METHODS = ("predict_proba", "score_samples")
SMALL = Problem(20_000, 4, 4, "full")  # of a service that scores row by row
SINGLE_CALLS, FROZEN_CALLS = 200, 2000
AGREEMENT = 1e-6


class Predictor:
    """A fitted estimator that scores rows."""

    def __init__(self, peer: str, problem: Problem, rows: Path, start: Mixture, n_threads: int) -> None:
        self.X = np.load(rows)
        estimator = estimator_peer(peer).given(problem, start, n_iter=2, n_threads=n_threads)
        self.estimator = estimator.fit(self.X[: len(self.X) // 10])

    def __call__(self, method: str, n_rows: int, times: int) -> np.ndarray:
        """Call the method `times` times on the first rows, and return at most 1000 values."""
        ask, rows = getattr(self.estimator, method), self.X[:n_rows]
        for _ in range(times):
            answer = ask(rows)
        return np.asarray(answer[:1000], float)


class FrozenPredictor(Predictor):
    """Our fitted mixture, frozen, which writes to the same array at each call."""

    def __init__(self, peer: str, problem: Problem, rows: Path, start: Mixture, n_threads: int) -> None:
        super().__init__(peer, problem, rows, start, n_threads)
        self.mixture = self.estimator.freeze()

    def __call__(self, method: str, n_rows: int, times: int) -> np.ndarray:
        """Call the method `times` times on the first rows, and return at most 1000 values."""
        ask, rows = getattr(self.mixture, method), self.X[:n_rows]
        out = ask(rows)
        for _ in range(times):
            ask(rows, out=out)
        return np.asarray(out[:1000], float)


def run(settings: Settings, report: Report) -> bool:
    """Print milliseconds per call; return whether the answers agree."""
    report.header("ms", "threads", *settings.peers, VS_BASELINE, "Δ")
    agreed = True
    for n_threads in settings.threads:
        many = PROBLEM.tiny() if settings.smoke else PROBLEM
        agreed &= compare(many, Predictor, ((many.n_rows, 1), (1, SINGLE_CALLS)), n_threads, settings, report)
        small = SMALL.tiny() if settings.smoke else SMALL
        agreed &= compare(small, FrozenPredictor, ((1, FROZEN_CALLS),), n_threads, settings, report)
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
    with worker_pool(n_threads, jobs, report.failed) as workers:
        for method, (n_rows, times) in product(METHODS, calls):
            ask = partial(call, method, n_rows, times)
            results = rounds(workers, ask, 1 + settings.repeats, report.failed)
            difference = spread([readings[-1].value for readings in results.values()])
            agreed &= difference <= AGREEMENT or not results
            ms = {name: per_call(readings, times) for name, readings in results.items()}
            frozen = ", gmm's frozen" if ours is FrozenPredictor else ""
            title = f"{method}{frozen}, {problem.name}, {n_rows} row{'s' * (n_rows > 1)}"
            to_baseline, _ = ratios(ms)
            figures = (number(ms.get(name, np.nan)) for name in settings.peers)
            report.row(title, str(n_threads), *figures, factor(to_baseline), f"{difference:.0e}")
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
