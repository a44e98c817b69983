"""Tasks of workers. A task is built once in its process, and each call is timed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.measure import Timed, crew, rounds
from benchmarks.peers import OURS
from benchmarks.peers.estimator import EstimatorPeer, fitted
from benchmarks.problems import Mixture, Problem
from benchmarks.report import Report


class Version:
    """The version of a peer, if it is available."""

    def __init__(self, peer: str) -> None:
        self.peer = peers.load(peer)

    def __call__(self) -> str:
        """Return the version."""
        return self.peer.version()


class GivenFit:
    """A fixed number of iterations from a given start."""

    def __init__(self, peer: str, problem: Problem, rows: Path, start: Mixture, n_threads: int) -> None:
        self.peer, self.n_threads = peers.load(peer), n_threads
        self.peer.version()  # imports what a fit needs
        self.problem, self.start, self.X = problem, start, np.load(rows)

    def __call__(self, n_iter: int) -> Mixture | Timed:
        """Fit."""
        return self.peer.fit(self.problem, self.X, self.start, n_iter, self.n_threads)


class DefaultFit:
    """A fit with the estimator's default start and stopping rule."""

    def __init__(self, peer: str, rows: Path, n_threads: int) -> None:
        self.peer, self.n_threads = estimator_peer(peer), n_threads
        self.peer.version()  # imports what a fit needs
        self.X = np.load(rows)

    def __call__(self, n_components: int, covariance_type: str, seed: int) -> Timed:
        """Fit; the CPU time of all threads counts."""
        estimator = self.peer.estimator(
            self.n_threads,
            n_components=n_components,
            covariance_type=covariance_type,
            random_state=seed,
        )
        begin = time.process_time()
        estimator.fit(self.X)
        return Timed(time.process_time() - begin, fitted(estimator))


class Shares:
    """Where the time of our default fit goes."""

    SEEDS, LONG = 3, 20

    def __init__(self, rows: Path, n_threads: int) -> None:
        self.peer, self.n_threads = estimator_peer(OURS), n_threads
        self.X = np.load(rows)

    def __call__(self, n_components: int, covariance_type: str) -> tuple[float, float, float]:
        """Return the CPU seconds of the start, of the climb's passes at the price of plain EM's, and of the whole."""
        how = {"n_components": n_components, "covariance_type": covariance_type}
        parts = [self.parts(how | {"random_state": seed}) for seed in range(self.SEEDS)]
        start, passes, whole = np.median(parts, axis=0)
        return start, passes, whole

    def parts(self, how: dict[str, Any]) -> tuple[float, float, float]:
        """Return the three for one seed."""
        whole, estimator = self.timed(how)
        start, begun = self.timed(how | {"max_iter": 0})
        given = how | {
            "weights_init": begun.weights_,
            "means_init": begun.means_,
            "precisions_init": begun.precisions_,
            "acceleration": None,
            "tol": 0.0,
        }
        one, many = (self.timed(given | {"max_iter": n})[0] for n in (1, 1 + self.LONG))
        return start, estimator.n_iter_ * max(many - one, 0.0) / self.LONG, whole

    def timed(self, how: dict[str, Any]) -> tuple[float, Any]:
        """Return the CPU seconds of a fit, and the estimator."""
        estimator = self.peer.estimator(self.n_threads, **how)
        begin = time.process_time()
        estimator.fit(self.X)
        return time.process_time() - begin, estimator


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


def estimator_peer(name: str) -> EstimatorPeer:
    """Return the adapter of a peer that has estimators."""
    peer = peers.load(name)
    if not isinstance(peer, EstimatorPeer):
        raise TypeError(f"expected a peer with scikit-learn's interface, got {name!r}")
    return peer


def present(names: Sequence[str], report: Report) -> tuple[str, ...]:
    """Return the available peers; note their versions, and why the others are missing."""
    versions, reasons = versions_of(tuple(names))
    for name, reason in reasons.items():
        report.skipped(name, reason)
    for name, version in versions.items():
        report.note(f"{name} {version}")
    return tuple(name for name in names if name in versions)


@cache
def versions_of(names: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the versions of the available peers, and why the others are missing, each from its own process."""
    reasons: dict[str, str] = {}
    jobs = {name: (Version, name) for name in names}
    with crew(1, jobs, reasons.__setitem__) as workers:
        versions = rounds(workers, lambda worker, _: str(worker().value), 1, reasons.__setitem__)
    return {name: version for name, (version,) in versions.items()}, reasons
