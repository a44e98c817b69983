"""What is fitted: the named problems of the grid, their seeded data and starts, and one referee.

The referee is a NumPy log-likelihood, which evaluates the answers of all peers alike, and finds degenerate ones:
the likelihood is unbounded for components on a few rows or on a plane. Nothing here is timed or depends on a peer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.linalg

TYPES = ("full", "tied", "diag", "spherical")
REFEREE_ROWS = 20_000  # enough to distinguish answers
SEPARATION = 4.0  # standard deviations between two centres, on average
THINNEST = 1e-4


@dataclass(frozen=True)
class Problem:
    """A mixture to fit from a given start, of which `n_iter` iterations are timed."""

    n_rows: int
    n_features: int
    n_components: int
    covariance_type: str
    n_iter: int = 10
    dtype: str = "float64"

    @property
    def name(self) -> str:
        """For example ``full-200k-8-16``: type, rows, features, components."""
        units = ((10**6, "M"), (10**3, "k"), (1, ""))
        rows = next(f"{self.n_rows // u}{suffix}" for u, suffix in units if self.n_rows % u == 0)
        return f"{self.covariance_type}-{rows}-{self.n_features}-{self.n_components}"

    def tiny(self) -> Problem:
        """Return the same problem at a size that takes milliseconds."""
        return replace(
            self,
            n_rows=min(self.n_rows, 2000),
            n_features=min(self.n_features, 8),
            n_components=min(self.n_components, 4),
            n_iter=20,
        )


GRID = (
    Problem(1_000_000, 2, 4, "full"),
    Problem(1_000_000, 2, 4, "diag"),
    Problem(200_000, 8, 16, "full"),
    Problem(100_000, 16, 16, "full"),
    Problem(50_000, 64, 32, "full", n_iter=5),
    Problem(20_000, 256, 8, "full", n_iter=5),
    Problem(500_000, 16, 64, "diag", n_iter=5),
    Problem(200_000, 16, 256, "diag", n_iter=5),
    Problem(100_000, 32, 16, "tied"),
    Problem(200_000, 16, 32, "spherical"),
    Problem(150, 4, 3, "full", n_iter=50),
)


@dataclass(frozen=True)
class Mixture:
    """Weights (K,), means (K, d) and covariances in scikit-learn's shape for the type."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


def generate(problem: Problem, seed: int = 0) -> tuple[np.ndarray, Mixture]:
    """Draw rows from overlapping correlated clusters, and a start near the truth.

    The start's covariances are identities, which are their own inverses, so they also serve peers that take precisions.
    """
    rng = np.random.default_rng(seed)
    n, d, n_components = problem.n_rows, problem.n_features, problem.n_components
    centres = rng.standard_normal((n_components, d)) * SEPARATION / np.sqrt(2 * d)
    labels = rng.integers(n_components, size=n)
    X = rng.standard_normal((n, d))
    for k, centre in enumerate(centres):
        factor = np.eye(d) + 0.4 / np.sqrt(d) * rng.standard_normal((d, d))
        X[labels == k] = X[labels == k] @ factor + centre
    start = Mixture(
        weights=np.full(n_components, 1 / n_components, problem.dtype),
        means=(centres + 0.3 * rng.standard_normal(centres.shape)).astype(problem.dtype),
        covariances=identities(problem).astype(problem.dtype),
    )
    return X.astype(problem.dtype), start


def stored(X: np.ndarray, folder: Path) -> Path:
    """Save the rows for workers; loading them does not affect the peak memory."""
    path = folder / "rows.npy"
    np.save(path, X)
    return path


def identities(problem: Problem) -> np.ndarray:
    """Return unit covariances in the shape of the problem's covariance type."""
    n_components, d = problem.n_components, problem.n_features
    return {
        "full": np.tile(np.eye(d), (n_components, 1, 1)),
        "tied": np.eye(d),
        "diag": np.ones((n_components, d)),
        "spherical": np.ones(n_components),
    }[problem.covariance_type]


def mean_log_likelihood(X: np.ndarray, mixture: Mixture, covariance_type: str) -> float:
    """Return the log-likelihood in nats per row, by the textbook formula in float64.

    It is nan for a covariance that is not positive definite.
    """
    evidence = np.full(len(X), -np.inf)
    try:
        for log_joint in log_joints(X, mixture, covariance_type):
            evidence = np.logaddexp(evidence, log_joint)
    except np.linalg.LinAlgError:
        return float("nan")
    return float(evidence.mean())


def log_joints(X: np.ndarray, mixture: Mixture, covariance_type: str) -> Iterator[np.ndarray]:
    """Yield log(weight × density) of all rows, component by component."""
    X = np.asarray(X, float)
    for k, (weight, mean) in enumerate(zip(mixture.weights, mixture.means, strict=True)):
        factor = np.linalg.cholesky(component_covariance(mixture, covariance_type, k))
        whitened = np.linalg.solve(factor, (X - mean).T)
        log_det = 2 * np.log(np.diagonal(factor)).sum() + X.shape[1] * np.log(2 * np.pi)
        with np.errstate(divide="ignore"):
            yield np.log(weight) - 0.5 * (log_det + (whitened**2).sum(axis=0))


def component_covariance(mixture: Mixture, covariance_type: str, k: int) -> np.ndarray:
    """Return component `k`'s covariance as a (d, d) matrix of float64."""
    covariances = np.asarray(mixture.covariances, float)
    if covariance_type == "tied":
        return covariances
    if covariance_type == "full":
        return np.asarray(covariances[k])
    return np.asarray(np.eye(mixture.means.shape[1]) * covariances[k])


@dataclass(frozen=True)
class Health:
    """How close a mixture's worst component is to being degenerate.

    `rows` is the least effective number of rows of a component, and `needed` its lower bound. `thinness` is the least
    variance of a component relative to the pooled within-component covariance in the same direction. (A bound relative
    to the larger total covariance of the data would add nothing.)
    """

    rows: float
    needed: int
    thinness: float

    @property
    def good(self) -> bool:
        """Whether every component has enough rows, up to half a row, and is not too thin."""
        return self.rows >= self.needed - 0.5 and self.thinness > THINNEST


def health(mixture: Mixture, covariance_type: str, n_rows: int) -> Health:
    """Return the health of a mixture fitted to `n_rows` rows."""
    fewest = float(mixture.weights.min()) * n_rows
    covariances = [component_covariance(mixture, covariance_type, k) for k in range(len(mixture.weights))]
    within = np.tensordot(np.asarray(mixture.weights, float), np.array(covariances), 1)
    try:
        thinnest = min(scipy.linalg.eigh(covariance, within, eigvals_only=True)[0] for covariance in covariances)
    except np.linalg.LinAlgError:  # the within covariance is singular
        thinnest = 0.0
    return Health(fewest, rows_needed(covariance_type, mixture.means.shape[1]), float(thinnest))


def rows_needed(covariance_type: str, d: int) -> int:
    """Return the effective rows that a component must have; more where its axes are its own, with one feature none."""
    own_axes = covariance_type == "full" or covariance_type.endswith("V")
    return 2 * (d + 1) if own_axes and d > 1 else d + 2
