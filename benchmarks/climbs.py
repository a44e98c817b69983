"""Recorded fits: tasks that take any parameters and start, and return the whole course of a fit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Timed
from benchmarks.peers.estimator import fitted
from benchmarks.problems import Mixture, component_covariance
from benchmarks.tasks import estimator_peer

POLISH = {"tol": 1e-10, "max_iter": 5000}  # continue to the optimum


@dataclass(frozen=True)
class SolverResult:
    """The result of a fit.

    `bounds` is the mean log-likelihood that each pass measured, in nats per row, before its update; a rejected pass
    repeats the last accepted value. `n_passes` includes passes of moves; nan if the estimator does not report them.
    """

    mixture: Mixture
    bounds: tuple[float, ...]
    n_passes: float
    score: float


class RecordedFit:
    """Fits by one peer to the same rows."""

    def __init__(self, peer: str, rows: Path, n_threads: int) -> None:
        self.peer, self.n_threads = estimator_peer(peer), n_threads
        self.peer.version()  # imports what a fit needs
        self.X = np.load(rows)

    def __call__(self, covariance_type: str, parameters: Mapping[str, Any], start: Mixture | None = None) -> Timed:
        """Fit, from `start` if given; only the fit is timed."""
        initial = {} if start is None else given_start(start, covariance_type)
        estimator = self.peer.estimator(self.n_threads, covariance_type=covariance_type, **parameters, **initial)
        begin = time.perf_counter()
        estimator.fit(self.X)
        seconds = time.perf_counter() - begin
        score = float(estimator.score(self.X))
        climb = SolverResult(fitted(estimator), tuple(estimator.lower_bounds_), passes_of(estimator), score)
        return Timed(seconds, climb)


class LabelledFit(RecordedFit):
    """Fits that start from the clusters of scikit-learn's KMeans."""

    def __init__(self, peer: str, rows: Path, n_threads: int) -> None:
        super().__init__(peer, rows, n_threads)
        from sklearn.cluster import KMeans

        self.clusters = KMeans

    def __call__(self, covariance_type: str, parameters: Mapping[str, Any], start: Mixture | None = None) -> Timed:
        """Fit; `random_state` is the seed of KMeans."""
        K = parameters["n_components"]
        labels = self.clusters(K, n_init=1, random_state=parameters["random_state"]).fit(self.X).labels_
        return super().__call__(covariance_type, {**parameters, "init_params": np.eye(K)[labels]})


def passes_of(estimator: Any) -> float:
    """Return the passes of all starts and moves; nan if the estimator does not report them."""
    refinement = getattr(getattr(estimator, "history_", None), "refinement", None)
    if estimator.n_init > 1:
        return np.nan
    return float(estimator.n_iter_ if refinement is None else refinement.passes)


def given_start(start: Mixture, covariance_type: str) -> dict[str, np.ndarray]:
    """Return a mixture as parameters of an estimator with scikit-learn's interface."""
    return {
        "weights_init": start.weights / start.weights.sum(),
        "means_init": start.means,
        "precisions_init": precisions(start, covariance_type),
    }


def precisions(mixture: Mixture, covariance_type: str) -> np.ndarray:
    """Return the inverse covariances in the shape of the type."""
    if covariance_type in ("diag", "spherical"):
        return np.asarray(1 / mixture.covariances)
    if covariance_type == "tied":
        return inverse(mixture.covariances)
    K = len(mixture.weights)
    return np.array([inverse(component_covariance(mixture, covariance_type, k)) for k in range(K)])


def inverse(covariance: np.ndarray) -> np.ndarray:
    """Return an exactly symmetric inverse, as estimators require."""
    inverted = np.linalg.inv(covariance)
    return np.asarray((inverted + inverted.T) / 2)
