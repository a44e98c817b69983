"""Rows drawn from known mixtures with fixed seeds, each difficult to fit for a different reason."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.datasets import Dataset


def drawn(
    n_rows: int,
    centres: np.ndarray,
    factors: np.ndarray,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Draw rows (n, d) around centres (K, d), with a factor (d, d) for each component, in random order."""
    K, d = centres.shape
    labels = rng.choice(K, n_rows, p=weights)
    X = rng.standard_normal((n_rows, d))
    return np.einsum("ij,ijk->ik", X, factors[labels]) + centres[labels]


def stretches(K: int, d: int, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Return factors (K, d, d) that correlate the features by `strength`."""
    return np.asarray(np.eye(d) + strength / np.sqrt(d) * rng.standard_normal((K, d, d)))


def overlap(n_rows: int, d: int, K: int, separation: float, strength: float) -> np.ndarray:
    """Draw from components of equal weight whose centres have the standard deviation `separation`.

    `strength` is how strongly their features are correlated; if it is 0, they have unequal variances instead.
    """
    rng = np.random.default_rng(2)
    centres = separation * rng.standard_normal((K, d))
    if strength == 0:
        return drawn(n_rows, centres, np.eye(d) * np.exp(0.35 * rng.standard_normal((K, 1, d))), rng)
    return drawn(n_rows, centres, stretches(K, d, strength, rng), rng)


def rare() -> np.ndarray:
    """Draw 40 000 rows in 4 dimensions; about 40 and 20 of them belong to two small tight components."""
    rng = np.random.default_rng(5)
    weights = np.array([0.4985, 0.3, 0.2, 0.001, 0.0005])
    centres = np.concatenate([rng.standard_normal((3, 4)), 4 * rng.standard_normal((2, 4))])
    factors = stretches(5, 4, 0.8, rng) * np.array([1, 1, 1, 0.2, 0.2])[:, np.newaxis, np.newaxis]
    return drawn(40_000, centres, factors, rng, weights)


def blobs(n_rows: int, d: int, K: int, separation: float) -> np.ndarray:
    """Draw from spherical, well separated components, where k-means merges two and splits another."""
    rng = np.random.default_rng(8)
    return drawn(n_rows, separation * rng.standard_normal((K, d)), np.tile(np.eye(d), (K, 1, 1)), rng)


def four() -> np.ndarray:
    """Return four blobs with one covariance, for mixtures with too many components."""
    from sklearn.datasets import make_blobs

    X, _ = make_blobs(n_samples=1250, centers=4, cluster_std=0.60, random_state=0)
    return np.asarray(X[:, ::-1] @ np.random.RandomState(15).randn(2, 2))


def problem(name: str, K: int, kind: str, load: Callable[[], np.ndarray]) -> Dataset:
    """Return a data set for one covariance type."""
    return Dataset(name, K, load, (kind,))


SYNTHETIC = (
    problem("four blobs", 4, "full", four),
    problem("four blobs", 8, "full", four),
    problem("overlap2", 5, "full", partial(overlap, 5000, 2, 5, 0.8, 1.0)),
    problem("overlap8", 8, "full", partial(overlap, 5000, 8, 8, 0.8, 0.5)),
    problem("overlap8d", 8, "diag", partial(overlap, 5000, 8, 8, 0.4, 0.0)),
    problem("blobs8", 16, "full", partial(blobs, 4000, 8, 16, 2.5)),
    problem("rare", 5, "full", rare),
    problem("high32", 16, "full", partial(overlap, 20_000, 32, 16, 0.3, 0.5)),
)
