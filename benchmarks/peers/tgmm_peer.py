"""tgmm, EM in PyTorch: all four covariance types."""

from __future__ import annotations

import os
from importlib import metadata

import numpy as np

from benchmarks.problems import Mixture, Problem

# Rows × components × features, which it holds at once, several times over.
MOST_NUMBERS = 150_000_000
NEVER = float(np.nextafter(0, 1))  # the least tolerance it takes


class TgmmPeer:
    """``GaussianMixture.fit`` on the CPU; the E-step with which it begins and no M-step follows is beside the loop."""

    def version(self) -> str:
        """Return the version."""
        os.environ.setdefault("MPLBACKEND", "Agg")  # it imports matplotlib
        import tgmm  # noqa: F401

        return f"{metadata.version('tgmm')}, torch {metadata.version('torch')}"

    def supports(self, problem: Problem) -> bool:
        """Take what fits the memory."""
        return problem.n_rows * problem.n_components * problem.n_features <= MOST_NUMBERS

    def fit(self, problem: Problem, X: np.ndarray, start: Mixture, n_iter: int, n_threads: int) -> Mixture:
        """Fit, and make sure of the number of iterations: it counts from 0."""
        import torch
        from tgmm import GaussianMixture

        torch.set_num_threads(n_threads)
        tied = problem.covariance_type == "tied"
        model = GaussianMixture(
            n_components=problem.n_components,
            n_features=problem.n_features,
            covariance_type="tied_full" if tied else problem.covariance_type,
            max_iter=n_iter,
            tol=NEVER,
            reg_covar=0.0,
            init_means=torch.tensor(start.means),
            init_weights=torch.tensor(start.weights),
            init_covariances=torch.tensor(start.covariances),
            device="cpu",
        ).fit(torch.from_numpy(X))
        if model.n_iter_ + 1 != n_iter:
            raise RuntimeError(f"expected {n_iter} iterations, got {model.n_iter_ + 1}")
        return Mixture(model.weights_.numpy(), model.means_.numpy(), model.covariances_.numpy())


PEER = TgmmPeer()
