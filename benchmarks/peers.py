"""The packages that are compared. To add a peer, add a line in `PEERS`.

If reading the version of a peer raises an error, the peer is skipped for that reason.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import import_module, metadata
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.problems import Mixture, Problem

BASELINE = "sklearn"
OURS, TWIN = "gmm", "gmm (blas)"  # the best kernel for the machine, and the kernel of Cython and BLAS alone
OWN = (OURS, TWIN)
ESTIMATORS = (BASELINE, OURS)  # those with scikit-learn's interface


@dataclass(frozen=True)
class EstimatorPeer:
    """A `GaussianMixture` of `module` with scikit-learn's interface."""

    module: str

    def version(self) -> str:
        """Import the module, and return the version of its package."""
        import_module(self.module)
        return str(import_module(self.module.partition(".")[0]).__version__)

    def supports(self, problem: Problem) -> bool:
        """Return whether the peer can fit this covariance type."""
        return True

    def estimator(self, n_threads: int, **parameters: Any) -> Any:
        """Return an unfitted estimator."""
        return import_module(self.module).GaussianMixture(**parameters)

    def given(self, problem: Problem, start: Mixture, n_iter: int, n_threads: int, **parameters: Any) -> Any:
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
            **parameters,
        )

    def fit(self, problem: Problem, X: np.ndarray, start: Mixture, n_iter: int, n_threads: int) -> Mixture:
        """Run exactly `n_iter` EM iterations from `start`, without a ridge."""
        estimator = self.given(problem, start, n_iter, n_threads).fit(X)
        if estimator.n_iter_ != n_iter:
            raise RuntimeError(f"expected {n_iter} iterations, got {estimator.n_iter_}")
        return fitted(estimator)


@dataclass(frozen=True)
class GmmPeer(EstimatorPeer):
    """This package, with the kernel that it chooses for the machine or with a given one, chosen once per process."""

    module: str = "gmm"
    kernel: str = ""

    def version(self) -> str:
        """Return the version and the kernel in use."""
        if self.kernel:
            os.environ["GMM_KERNEL"] = self.kernel
        version, kernel = super().version(), import_module("gmm._kernel.tiles").kernel()
        if self.kernel not in ("", kernel):
            raise RuntimeError(f"expected kernel {self.kernel}, got {kernel or 'an unnamed one'}")
        return f"{version}, kernel {kernel}" if kernel else version

    def estimator(self, n_threads: int, **parameters: Any) -> Any:
        """Return an unfitted estimator with its number of threads."""
        return import_module(self.module).GaussianMixture(n_threads=n_threads, **parameters)

    def given(self, problem: Problem, start: Mixture, n_iter: int, n_threads: int, **parameters: Any) -> Any:
        """Return an estimator that runs textbook EM."""
        return super().given(problem, start, n_iter, n_threads, acceleration=None, **parameters)


class Daal4pyPeer:
    """oneDAL's EM through daal4py: full and diagonal covariances; its ridge acts on ill-conditioned ones only."""

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


def daal4py() -> Any:
    """Import daal4py without its scikit-learn patches, which fail with newer versions."""
    sys.modules.setdefault("daal4py.sklearn", ModuleType("daal4py.sklearn"))
    import daal4py

    return daal4py


PEERS: dict[str, EstimatorPeer | Daal4pyPeer] = {
    BASELINE: EstimatorPeer("sklearn.mixture"),
    "daal4py": Daal4pyPeer(),
    OURS: GmmPeer(),
    TWIN: GmmPeer(kernel="blas"),
}


def estimator_peer(name: str) -> EstimatorPeer:
    """Return a peer that has estimators."""
    peer = PEERS[name]
    if not isinstance(peer, EstimatorPeer):
        raise TypeError(f"expected a peer with scikit-learn's interface, got {name!r}")
    return peer


def fitted(estimator: Any) -> Mixture:
    """Return the mixture of a fitted estimator."""
    return Mixture(estimator.weights_, estimator.means_, estimator.covariances_)
