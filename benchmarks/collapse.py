"""What guards components of few rows best against collapse: a ridge, a prior or a limit?

Samples of 60 rows of tables with known classes, their columns in standard deviations, fitted with as many components as
there are classes: how close the likeliest of the starts of a sample comes to the classes (adjusted Rand index, mean of
the samples), and the log-likelihood of the rows that were left out (nats per row, median).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from benchmarks.report import Report
from benchmarks.settings import Settings

PEERS, THREADS = ("gmm",), (1,)
TABLES = {"iris": slice(None), "wine": slice(None), "breast_cancer": slice(6)}
ROWS, SAMPLES, STARTS = 60, 12, 4
GUARDS: dict[str, dict[str, Any]] = {
    "reg_covar=1e-6": {},
    "reg_covar=0.01": {"reg_covar": 0.01},
    'prior="conjugate"': {"prior": "conjugate"},
    "max_ratio=10": {"max_ratio": 10},
    "max_ratio=50": {"max_ratio": 50},
    "max_ratio=1000": {"max_ratio": 1000},
    "max_ratio=50, trim=0.05": {"max_ratio": 50, "trim": 0.05},
}


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each guard; return whether all fits have finite scores."""
    names = [name for name in TABLES if settings.only in name][: 1 if settings.smoke else None]
    report.header("guard", *(f"{name}: {what}" for name in names for what in ("ARI", "left out")))
    finite = True
    for guard, parameters in GUARDS.items():
        figures = [measured(name, parameters, 1 if settings.smoke else SAMPLES) for name in names]
        report.row(guard, *(f"{value:.2f}" for pair in figures for value in pair))
        finite &= bool(np.isfinite(figures).all())
    return finite


def measured(name: str, parameters: dict[str, Any], n_samples: int) -> tuple[float, float]:
    """Return the adjusted Rand index and the score of other rows, of the likeliest fit of each sample."""
    from sklearn import datasets
    from sklearn.metrics import adjusted_rand_score

    table = getattr(datasets, f"load_{name}")()
    X, classes = np.asarray(table.data[:, TABLES[name]], float), table.target
    rand, left = [], []
    for sample in range(n_samples):
        order = np.random.default_rng(sample).permutation(len(X))
        inside, outside = order[:ROWS], order[ROWS:]
        rows = X / X[inside].std(axis=0)
        fits = [fitted(rows[inside], len(set(classes)), seed, parameters) for seed in range(STARTS)]
        best = max(fits, key=lambda fit: fit.lower_bound_)
        rand.append(adjusted_rand_score(classes[inside], best.predict(rows[inside])))
        left.append(best.score(rows[outside]))
    return float(np.mean(rand)), float(np.median(left))


def fitted(rows: np.ndarray, n_components: int, seed: int, parameters: dict[str, Any]) -> Any:
    """Return a fit with full covariances, from random responsibilities or k-means by turns."""
    from gmm import GaussianMixture

    start = "random" if seed % 2 else "kmeans"
    how = {"init_params": start, "random_state": seed, "tol": 1e-5, "max_iter": 1000} | parameters
    with warnings.catch_warnings(action="ignore"):
        return GaussianMixture(n_components, **how).fit(rows)
