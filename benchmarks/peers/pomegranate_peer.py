"""pomegranate, EM in PyTorch: full and diagonal covariances."""

from __future__ import annotations

from importlib import metadata

import numpy as np

from benchmarks.problems import Mixture, Problem


class PomegranatePeer:
    """``GeneralMixtureModel.fit`` of normal distributions, without checks of the data.

    Its tolerance is an improvement that must be reached: −∞ never stops early. It keeps no count of iterations. One
    variance per component cannot be given as a start (its parameter must have a dimension), so it is left out.
    """

    def version(self) -> str:
        """Return the version."""
        import pomegranate.gmm  # noqa: F401

        return f"{metadata.version('pomegranate')}, torch {metadata.version('torch')}"

    def supports(self, problem: Problem) -> bool:
        """Take full and diagonal covariances."""
        return problem.covariance_type in ("full", "diag")

    def fit(self, problem: Problem, X: np.ndarray, start: Mixture, n_iter: int, n_threads: int) -> Mixture:
        """Fit."""
        import torch
        from pomegranate.distributions import Normal
        from pomegranate.gmm import GeneralMixtureModel

        torch.set_num_threads(n_threads)
        components = [
            Normal(torch.tensor(mean), torch.tensor(covariance), problem.covariance_type, check_data=False)
            for mean, covariance in zip(start.means, start.covariances, strict=True)
        ]
        model = GeneralMixtureModel(
            components,
            priors=torch.tensor(start.weights),
            max_iter=n_iter,
            tol=-np.inf,
            check_data=False,
        ).fit(torch.from_numpy(X))
        return Mixture(
            model.priors.numpy(),
            np.array([component.means.numpy() for component in model.distributions]),
            np.array([component.covs.numpy() for component in model.distributions]),
        )


PEER = PomegranatePeer()
