"""oneDAL's EM through daal4py: full and diagonal covariances."""

from __future__ import annotations

import sys
from importlib import metadata
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.problems import Mixture, Problem


def daal4py() -> Any:
    """Import daal4py without its scikit-learn patches, which fail with newer versions."""
    sys.modules.setdefault("daal4py.sklearn", ModuleType("daal4py.sklearn"))
    import daal4py

    return daal4py


class Daal4pyPeer:
    """``daal4py.em_gmm``; its ridge acts on ill-conditioned covariances only."""

    def version(self) -> str:
        """Return daal4py's version."""
        daal4py()
        return metadata.version("daal4py")

    def supports(self, problem: Problem) -> bool:
        """Return whether the covariances are full or diagonal."""
        return problem.covariance_type in ("full", "diag")

    def fit(self, problem: Problem, X: np.ndarray, start: Mixture, n_iter: int, n_threads: int) -> Mixture:
        """Fit with a zero accuracy threshold, which never stops early."""
        daal = daal4py()
        daal.daalinit(n_threads)
        diagonal = problem.covariance_type == "diag"
        algorithm = daal.em_gmm(
            problem.n_components,
            fptype="float" if problem.dtype == "float32" else "double",
            maxIterations=n_iter,
            accuracyThreshold=0.0,
            covarianceStorage="diagonal" if diagonal else "full",
        )
        covariances = [c[np.newaxis] if diagonal else c for c in start.covariances]
        result = algorithm.compute(X, start.weights[np.newaxis], start.means, covariances)
        if (done := int(result.nIterations.item())) != n_iter:
            raise RuntimeError(f"expected {n_iter} iterations, got {done}")
        shape = start.covariances.shape
        return Mixture(result.weights.ravel(), result.means, np.array(result.covariances).reshape(shape))


PEER = Daal4pyPeer()
