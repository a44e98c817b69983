"""The number of clusters by stability: halves of rows and mixtures, beside k-means and Leiden on subsets of rows.

k-means takes the K, and Leiden the resolution on a graph of 15 neighbours, whose clusters of all rows agree best with
those of ten subsets of four fifths, by the adjusted Rand index: the way of single-cell tools.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from benchmarks.classes import Labelled, digits
from benchmarks.how_many import TRUTHS
from benchmarks.report import Report
from benchmarks.settings import Settings

MOST, SUBSETS, NEIGHBOURS = 8, 10, 15
RESOLUTIONS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2)


def bundled(name: str) -> Labelled:
    """Return scikit-learn's table of that name, columns in units of their deviations."""
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return X / X.std(axis=0), y


def made(name: str) -> Labelled:
    """Draw a table of `how-many`; its groups are not told, so that their number is what counts."""
    K, draw = TRUTHS[name]
    return draw(np.random.default_rng(0), 600), np.arange(K)


TABLES: dict[str, Callable[[], Labelled]] = {
    "iris": lambda: bundled("iris"),
    "wine": lambda: bundled("wine"),
    "breast cancer": lambda: bundled("breast_cancer"),
    "digits 0, 1, 4, 6, 7, five axes": lambda: digits((0, 1, 4, 6, 7), 5)(None),  # type: ignore[arg-type]
    "separated": lambda: made("separated"),
    "overlapping": lambda: made("overlapping"),
    "unequal": lambda: made("unequal"),
    "heavy tails": lambda: made("heavy tails"),
}


def by_mixtures(X: np.ndarray) -> np.ndarray:
    """Return the clusters of the most stable mixture."""
    from gmm import GaussianMixture
    from gmm.inference import stability

    K = stability(X, range(2, MOST + 1), random_state=0, n_splits=SUBSETS, n_init=1, n_threads=1).best
    return np.asarray(GaussianMixture(K, n_init=3, random_state=0, n_threads=1).fit_predict(X))


def by_k_means(X: np.ndarray) -> np.ndarray:
    """Return the clusters of the most stable k-means."""
    from sklearn.cluster import KMeans

    return most_stable(X, range(2, MOST + 1), lambda rows, K: KMeans(K, n_init=3, random_state=0).fit_predict(rows))


def by_leiden(X: np.ndarray) -> np.ndarray:
    """Return the clusters of the most stable resolution of Leiden."""
    import igraph
    import leidenalg
    from sklearn.neighbors import kneighbors_graph

    def clusters(rows: np.ndarray, resolution: float) -> np.ndarray:
        edges = np.transpose(kneighbors_graph(rows, NEIGHBOURS).nonzero())
        graph = igraph.Graph(n=len(rows), edges=edges.tolist())
        how: dict[str, Any] = {"resolution_parameter": resolution, "seed": 0}
        return np.array(leidenalg.find_partition(graph, leidenalg.RBConfigurationVertexPartition, **how).membership)

    return most_stable(X, RESOLUTIONS, clusters)


def most_stable(
    X: np.ndarray, settings: Iterable[Any], clusters: Callable[[np.ndarray, Any], np.ndarray]
) -> np.ndarray:
    """Return the clusters that come back best from subsets; one cluster is none."""
    from sklearn.metrics import adjusted_rand_score

    rng = np.random.default_rng(0)
    subsets = [rng.choice(len(X), len(X) * 4 // 5, replace=False) for _ in range(SUBSETS)]
    best, answer = -np.inf, np.zeros(len(X), int)
    for setting in settings:
        whole = clusters(X, setting)
        if whole.max() == 0:
            continue
        agreement = np.mean([adjusted_rand_score(whole[rows], clusters(X[rows], setting)) for rows in subsets])
        if agreement > best:
            best, answer = float(agreement), whole
    return answer


WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mixtures": by_mixtures,
    "k-means": by_k_means,
    "Leiden": by_leiden,
}


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each table: how many clusters each way names, and their agreement with the classes."""
    from sklearn.metrics import adjusted_rand_score

    report.header("table", "classes", *(f"{way}: K, adjusted Rand" for way in WAYS))
    right, left_out = dict.fromkeys(WAYS, 0), set()
    for name, load in list(TABLES.items())[: 1 if settings.smoke else None]:
        X, y = load()
        told = []
        for way, clusters in WAYS.items():
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    labels = clusters(X)
            except ImportError as reason:
                if way not in left_out:
                    report.skipped(way, str(reason))
                left_out.add(way)
                told.append("–")
                continue
            K = len(np.unique(labels))
            right[way] += len(np.unique(y)) == K
            told.append(f"{K}, {adjusted_rand_score(y, labels):.2f}" if len(y) == len(X) else f"{K}")
        report.row(name, str(len(np.unique(y))), *told)
    report.row("right", "", *map(str, right.values()))
    return True
