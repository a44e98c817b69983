"""gmmx, EM in JAX: full and diagonal covariances, float32 (it refuses anything else)."""

from __future__ import annotations

import os
import time
from importlib import metadata

import numpy as np

from benchmarks.measure import Timed
from benchmarks.problems import Mixture, Problem

# Rows × components × features, which it holds at once, several times over.
MOST_NUMBERS = 150_000_000


class GmmxPeer:
    """``EMFitter.fit`` with a zero tolerance, which never stops early.

    Compiling, once per number of iterations, is no part of the measurement: the first call of each is thrown away.
    """

    def __init__(self) -> None:
        self._compiled: set[tuple[Problem, int]] = set()

    def version(self) -> str:
        """Return the version."""
        os.environ["JAX_PLATFORMS"] = "cpu"
        import gmmx  # noqa: F401

        return f"{metadata.version('gmmx')}, jax {metadata.version('jax')}, compiling not timed"

    def supports(self, problem: Problem) -> bool:
        """Take float32, full and diagonal covariances, and what fits the memory."""
        numbers = problem.n_rows * problem.n_components * problem.n_features
        known = problem.dtype == "float32" and problem.covariance_type in ("full", "diag")
        return known and numbers <= MOST_NUMBERS

    def fit(self, problem: Problem, X: np.ndarray, start: Mixture, n_iter: int, n_threads: int) -> Timed:
        """Fit; threads are as many as CPUs may be used."""
        import jax.numpy as jnp
        from gmmx import EMFitter, GaussianMixtureModelJax

        fitter = EMFitter(max_iter=n_iter, tol=0.0, reg_covar=0.0)
        rows = jnp.asarray(X)
        model = GaussianMixtureModelJax.from_squeezed(
            means=jnp.asarray(start.means),
            covariances=jnp.asarray(start.covariances),
            weights=jnp.asarray(start.weights),
            covariance_type=problem.covariance_type,
        )
        if (problem, n_iter) not in self._compiled:
            fitter.fit(rows, model).log_likelihood.block_until_ready()
            self._compiled.add((problem, n_iter))
        begin = time.perf_counter()
        result = fitter.fit(rows, model)
        result.log_likelihood.block_until_ready()
        seconds = time.perf_counter() - begin
        if (done := int(result.n_iter)) != n_iter:
            raise RuntimeError(f"expected {n_iter} iterations, got {done}")
        found = result.gmm
        return Timed(seconds, Mixture(found.weights_numpy, found.means_numpy, found.covariances.values_numpy))


PEER = GmmxPeer()
