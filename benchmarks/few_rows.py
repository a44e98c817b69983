"""How long does a frozen mixture take to score few rows, compared with a few lines of numpy?

The lines multiply rows and prepared matrices, add squares and take log-sum-exp, as one would write them for a service.
Both run in one process and take turns, BLAS on one thread; the figure is the least of many calls.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from time import perf_counter, perf_counter_ns

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.peers import OURS
from benchmarks.report import Report, Settings, number
from gmm import GaussianMixture

PEERS, THREADS = (OURS,), (1,)
KINDS = ("full", "tied", "diag", "spherical")
FEATURES, COMPONENTS, ROWS = (2, 4, 8, 16, 32, 64, 128, 256), (1, 4, 16, 32, 64), (1, 2, 4, 8, 16, 32, 33, 64)
SMOKE = (2, 20), (1, 3), (1, 5)
SECONDS, SMOKE_SECONDS, MOST_CALLS = 0.05, 0.001, 2000
AGREEMENT = 1e-9

Score = Callable[[np.ndarray], np.ndarray]


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each mixture, microseconds of both and their ratio; return whether the answers agree."""
    features, components, rows = SMOKE if settings.smoke else (FEATURES, COMPONENTS, ROWS)
    report.note("microseconds of score_samples, frozen / numpy = ratio; rows in a call:")
    report.header("mixture", *map(str, rows))
    agreed = True
    with threadpool_limits(1, "blas"):
        for kind, d, K in product(KINDS, features, components):
            name = f"{kind}, d={d}, K={K}"
            if settings.only in name:
                figures = [compared(mixture(kind, d, K), kind, n, settings.smoke) for n in rows]
                agreed &= all(difference <= AGREEMENT for *_, difference in figures)
                report.row(name, *(f"{number(a)} / {number(b)} = {a / b:.2f}" for a, b, _ in figures))
    return agreed


def mixture(kind: str, d: int, K: int) -> GaussianMixture:
    """Return a mixture of well-conditioned components some standard deviations apart."""
    rng = np.random.default_rng(d * 1000 + K)
    factors = rng.normal(size=(K, d, d)) / np.sqrt(d)
    full = factors @ factors.transpose(0, 2, 1) + np.eye(d)
    variances = rng.uniform(0.5, 2, size=(K, d))
    covariances = {"full": full, "tied": full[0], "diag": variances, "spherical": variances[:, 0]}[kind]
    weights, means = rng.dirichlet(np.full(K, 3.0)), rng.normal(scale=3, size=(K, d))
    return GaussianMixture.from_parameters(weights, means, covariances, covariance_type=kind)


def compared(fitted: GaussianMixture, kind: str, n_rows: int, smoke: bool) -> tuple[float, float, float]:
    """Return the least microseconds of a call, ours and numpy's, and the relative difference of the answers."""
    frozen, theirs = fitted.freeze(), by_numpy(fitted, kind)
    X, out = np.ascontiguousarray(fitted.sample(n_rows, random_state=0)[0]), np.empty(n_rows)
    difference = float(np.abs(theirs(X) / frozen.score_samples(X) - 1).max())
    seconds = SMOKE_SECONDS if smoke else SECONDS
    return least(lambda rows: frozen.score_samples(rows, out=out), X, seconds), least(theirs, X, seconds), difference


def least(score: Score, X: np.ndarray, seconds: float) -> float:
    """Return the least microseconds of a call: other work on the machine only adds."""
    best, end = np.inf, perf_counter() + seconds
    for _ in range(MOST_CALLS):
        began = perf_counter_ns()
        score(X)
        best = min(best, perf_counter_ns() - began)
        if perf_counter() > end:
            break
    return best / 1e3


def by_numpy(fitted: GaussianMixture, kind: str) -> Score:
    """Return what scores rows by prepared matrices."""
    joint = {"full": _full, "tied": _tied}.get(kind, _diagonal)(fitted)

    def score(X: np.ndarray) -> np.ndarray:
        log_joint = joint(X)
        peak = log_joint.max(axis=1)
        return np.asarray(peak + np.log(np.exp(log_joint - peak[:, None]).sum(axis=1)))

    return score


def _full(fitted: GaussianMixture) -> Score:
    K, d = fitted.means_.shape
    factors = np.linalg.inv(np.linalg.cholesky(fitted.covariances_)).transpose(0, 2, 1)
    offset = np.log(fitted.weights_) - d / 2 * np.log(2 * np.pi) + np.log(np.einsum("kii->ki", factors)).sum(axis=1)
    together = np.ascontiguousarray(factors.transpose(1, 0, 2).reshape(d, K * d))
    shift = np.einsum("kd,kde->ke", fitted.means_, factors).ravel()

    def joint(X: np.ndarray) -> np.ndarray:
        white = (X @ together - shift).reshape(len(X), K, d)
        return np.asarray(offset - 0.5 * np.einsum("nkd,nkd->nk", white, white))

    return joint


def _tied(fitted: GaussianMixture) -> Score:
    d = fitted.means_.shape[1]
    factor = np.linalg.inv(np.linalg.cholesky(fitted.covariances_)).T
    means = np.ascontiguousarray((fitted.means_ @ factor).T)
    offset = np.log(fitted.weights_) - d / 2 * np.log(2 * np.pi) + np.log(np.diag(factor)).sum()
    offset -= 0.5 * (means**2).sum(axis=0)

    def joint(X: np.ndarray) -> np.ndarray:
        white = X @ factor
        return np.asarray(offset + white @ means - 0.5 * np.einsum("nd,nd->n", white, white)[:, None])

    return joint


def _diagonal(fitted: GaussianMixture) -> Score:
    d = fitted.means_.shape[1]
    variances = fitted.covariances_.reshape(len(fitted.means_), -1) * np.ones(d)
    offset = np.log(fitted.weights_) - d / 2 * np.log(2 * np.pi) - 0.5 * np.log(variances).sum(axis=1)
    offset -= 0.5 * (fitted.means_**2 / variances).sum(axis=1)
    linear, squares = (fitted.means_ / variances).T.copy(), (-0.5 / variances).T.copy()
    return lambda X: np.asarray(offset + X @ linear + (X * X) @ squares)
