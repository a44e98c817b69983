"""The adapter for packages with a class ``GaussianMixture`` like scikit-learn's."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.problems import Mixture, Problem


@dataclass(frozen=True)
class EstimatorPeer:
    """A `GaussianMixture` of `module`, which gets the number of threads if it `takes_threads`."""

    module: str
    takes_threads: bool = False

    def version(self) -> str:
        """Import the module, and return the version of its package."""
        import_module(self.module)
        return str(import_module(self.module.partition(".")[0]).__version__)

    def supports(self, problem: Problem) -> bool:
        """Return True: every problem is supported."""
        return True

    def estimator(self, n_threads: int, **parameters: Any) -> Any:
        """Return an unfitted estimator."""
        if self.takes_threads:
            parameters["n_threads"] = n_threads
        return import_module(self.module).GaussianMixture(**parameters)

    def given(self, problem: Problem, start: Mixture, n_iter: int, n_threads: int) -> Any:
        """Return an estimator that runs `n_iter` iterations; ``tol=0`` never stops early."""
        return self.estimator(
            n_threads,
            n_components=problem.n_components,
            covariance_type=problem.covariance_type,
            weights_init=start.weights,
            means_init=start.means,
            precisions_init=start.covariances,  # identities: their own inverses
            max_iter=n_iter,
            tol=0.0,
            reg_covar=0.0,
        )

    def fit(self, problem: Problem, X: np.ndarray, start: Mixture, n_iter: int, n_threads: int) -> Mixture:
        """Fit, and check the number of iterations."""
        estimator = self.given(problem, start, n_iter, n_threads).fit(X)
        if estimator.n_iter_ != n_iter:
            raise RuntimeError(f"expected {n_iter} iterations, got {estimator.n_iter_}")
        return fitted(estimator)


def fitted(estimator: Any) -> Mixture:
    """Return the mixture of a fitted estimator."""
    return Mixture(estimator.weights_, estimator.means_, estimator.covariances_)
