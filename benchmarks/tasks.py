"""Whole fits as tasks of workers: built once in its process, each of whose calls is timed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Timed
from benchmarks.peers import estimator_peer, fitted
from benchmarks.problems import Mixture, component_covariance


@dataclass(frozen=True)
class Fitted:
    """A fit; `n_passes` includes passes of moves and is nan if unknown, `bound` is the last pass's, in nats per row."""

    mixture: Mixture
    n_passes: float
    bound: float


class DefaultFit:
    """Fits by one peer to the same rows, with its default start and stopping rule unless `parameters` set others."""

    def __init__(self, peer: str, rows: Path, n_threads: int) -> None:
        self.peer, self.n_threads = estimator_peer(peer), n_threads
        self.peer.version()  # imports what a fit needs
        self.X = np.load(rows)

    def __call__(self, covariance_type: str, parameters: Mapping[str, Any], start: Mixture | None = None) -> Timed:
        """Fit, from `start` if given; the CPU time of all threads counts, and only that of the fit."""
        initial = {} if start is None else given_start(start, covariance_type)
        estimator = self.peer.estimator(self.n_threads, covariance_type=covariance_type, **parameters, **initial)
        begin = time.process_time()
        estimator.fit(self.X)
        seconds = time.process_time() - begin
        return Timed(seconds, Fitted(fitted(estimator), passes_of(estimator), float(estimator.lower_bound_)))


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
    """Return the inverse covariances in the shape of the type, exactly symmetric, as estimators require."""
    if covariance_type in ("diag", "spherical"):
        return np.asarray(1 / mixture.covariances)
    if covariance_type == "tied":
        inverses = np.linalg.inv(mixture.covariances)
    else:
        K = len(mixture.weights)
        inverses = np.linalg.inv([component_covariance(mixture, covariance_type, k) for k in range(K)])
    return np.asarray((inverses + np.swapaxes(inverses, -1, -2)) / 2)
