"""How often is each way of choosing K right?

Tables are drawn from mixtures whose number of components is known. BIC and ICL choose by one search, the bootstrap test
and the split likelihood ratio reject numbers one after the other until one is left, and stability takes the partition
that comes back; it cannot choose one component. Printed are the numbers of tables, of those drawn, on which
each names the true K, and on which it names more.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

import gmm
from benchmarks.report import Report, Settings
from gmm.inference import bootstrap_lrt, split_lrt, stability

PEERS, THREADS = ("gmm",), (1,)
MOST, TABLES, N = 6, 20, 600
LEVEL = 0.05
Draw = Callable[[np.random.Generator, int], np.ndarray]


def groups(
    centres: list[list[float]], widths: tuple[float, ...] = (), shares: tuple[float, ...] = (), dof: float = np.inf
) -> Draw:
    """Return a draw of round groups in given places; `dof` makes their tails heavy."""
    K, places = len(centres), np.array(centres)
    spread, weights = np.array(widths or (1.0,) * K), shares or (1 / K,) * K

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        which = rng.choice(K, p=weights, size=n)
        noise = rng.normal(size=(n, places.shape[1]))
        if np.isfinite(dof):
            noise /= np.sqrt(rng.chisquare(dof, size=(n, 1)) / dof)
        return np.asarray(places[which] + spread[which, None] * noise)

    return draw


TRUTHS: dict[str, tuple[int, Draw]] = {
    "one Gaussian": (1, groups([[0, 0]])),
    "separated": (3, groups([[0, 0], [7, 0], [0, 7]])),
    "overlapping": (3, groups([[0, 0], [3, 0], [0, 3]])),
    "unequal": (3, groups([[0, 0], [6, 0], [0, 6]], (2.0, 1.0, 0.5), (0.7, 0.2, 0.1))),
    "concentric": (2, groups([[0, 0], [0, 0]], (1.0, 5.0))),
    "six columns": (4, groups([[0] * 6, [4] + [0] * 5, [0, 4] + [0] * 4, [0, 0, 4] + [0] * 3])),
    "heavy tails": (3, groups([[0, 0], [12, 0], [0, 12]], dof=3)),
}


def by_search(criterion: str) -> Callable[[np.ndarray], int]:
    """Return a choice by a criterion of one search."""
    return lambda X: int(
        gmm.select(X, range(1, MOST + 1), covariance_type="full", criterion=criterion, random_state=0).best.n_components
    )


def by_bootstrap(X: np.ndarray) -> int:
    """Return the first K that the bootstrap test does not reject against K + 1."""
    tests = (bootstrap_lrt(X, K, n_replicates=39, n_init=1, random_state=0, n_threads=1) for K in range(1, MOST))
    return next((K for K, test in enumerate(tests, 1) if test.p_value > LEVEL), MOST)


def by_split(X: np.ndarray) -> int:
    """Return the smallest K in the confidence set."""
    kept = split_lrt(X, range(1, MOST), random_state=0, n_threads=1).confidence_set(1 - LEVEL)
    return int(kept[0]) if len(kept) else MOST


def by_stability(X: np.ndarray) -> int:
    """Return the most stable K."""
    return stability(X, range(2, MOST + 1), random_state=0, n_threads=1).best


WAYS: dict[str, Callable[[np.ndarray], int]] = {
    "BIC": by_search("bic"),
    "ICL": by_search("icl"),
    "bootstrap": by_bootstrap,
    "split LRT": by_split,
    "stability": by_stability,
}


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each truth."""
    n_tables, n = (1, 100) if settings.smoke else (TABLES, N)
    report.header("truth", "K", *(f"{way}: right, more" for way in WAYS))
    for name, (K, draw) in TRUTHS.items():
        if settings.only not in name:
            continue
        tables = [draw(np.random.default_rng(seed), n) for seed in range(n_tables)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answers = [np.array([choose(X) for X in tables]) for choose in WAYS.values()]
        report.row(name, str(K), *(f"{(each == K).sum()}, {(each > K).sum()}" for each in answers))
        if settings.smoke:
            break
    return True
