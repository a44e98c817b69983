"""What do gross outliers move, which rows are marked as outliers, and what do heavy tails cost?

To each table, 5 % and 15 % of rows are added, uniform over a box ten times as wide as the table's. A fit with them is
compared with a fit of the same kind without: the root mean square of how far the means moved, column by column, in
standard deviations within the components of the normal fit. How many of the marked rows were added, and how many of
these are marked, is told beside milder outliers as well. A pass is timed beside that of the same normal mixture.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from time import process_time
from typing import Any

import numpy as np

from benchmarks.datasets import breast_cancer_axes, bundled, faithful, projected
from benchmarks.report import Report
from benchmarks.settings import Settings

PEERS, THREADS = ("gmm",), (1,)
KINDS: dict[str, dict[str, Any]] = {
    "normal": {},
    "noise": {"noise": True},
    "t, ν = 4": {"tails": "t", "degrees_of_freedom": 4},
    "t": {"tails": "t"},
    "contaminated": {"tails": "contaminated"},
    "trim=0.15": {"trim": 0.15},
}
SHARES = (0.05, 0.15)
MARKING = ("noise", "contaminated")
WIDTHS = (10, 2)  # of the box of outliers, in boxes of the table
TIMED: dict[str, dict[str, Any]] = {kind: KINDS[kind] for kind in ("normal", "t", "t, ν = 4", "contaminated")}
SHAPES = ((150_000, 6, 20, "full"), (150_000, 2, 20, "full"), (150_000, 6, 20, "diag"), (150_000, 6, 20, "tied"))
MOST_RATIO, MOST_OF_POWERS = 2.0, 1.2  # of a full pass in six columns: 1.8 and 1.1 on a quiet machine


def heavy_tailed_groups() -> np.ndarray:
    """Return rows of three groups that are Student's t with three degrees of freedom."""
    rng = np.random.default_rng(5)
    centres = np.array([[0.0, 0, 0], [7, 0, 0], [0, 7, 7]])
    return np.asarray(centres[rng.integers(3, size=400)] + rng.standard_t(3, (400, 3)))


TABLES: dict[str, tuple[int, Callable[[], np.ndarray]]] = {
    "iris": (3, bundled("iris")),
    "wine, 5 axes": (3, lambda: projected(bundled("wine")(), 5)),
    "breast cancer, 6 axes": (2, breast_cancer_axes),
    "heavy-tailed groups": (3, heavy_tailed_groups),
    "Old Faithful": (2, faithful),
}


def run(settings: Settings, report: Report) -> bool:
    """Print all tables; return whether heavy tails hold their means in most tables, and a pass is cheap enough."""
    resistant = 0
    report.header("table", *(f"{kind}, {share:.0%}" for share in SHARES for kind in KINDS))
    for name, (K, load) in TABLES.items():
        moved = [movement(load(), K, share, kind) for share in SHARES for kind in KINDS.values()]
        report.row(name, *(f"{each:.2f}" for each in moved))
        resistant += moved[[*KINDS].index("contaminated")] < 0.1 * moved[0]
    report.close()
    report.header("table", *(f"{kind}, {width} times as wide" for width in WIDTHS for kind in MARKING))
    for name, (K, load) in TABLES.items():
        cells = (marks(load(), K, width, KINDS[kind]) for width in WIDTHS for kind in MARKING)
        report.row(name, *(f"{precision:.2f} / {recall:.2f}" for precision, recall in cells))
    report.close()
    report.header(
        "rows × columns, K, type", *(f"{kind}, ms" for kind in TIMED), *(f"{kind}, ratio" for kind in [*TIMED][1:])
    )
    ratios = []
    for shape in SHAPES:
        n, d, K, covariance_type = (2000, *shape[1:]) if settings.smoke else shape
        times = pass_times(n, d, K, covariance_type)
        ratios.append([each / times[0] for each in times[1:]])
        size = f"{n} × {d}, {K}, {covariance_type}"
        report.row(size, *(f"{1e3 * each:.1f}" for each in times), *(f"{each:.2f}" for each in ratios[-1]))
    cheap = ratios[0][0] < MOST_RATIO and ratios[0][1] < MOST_OF_POWERS
    return resistant >= 4 and (settings.smoke or cheap)


def movement(rows: np.ndarray, K: int, share: float, kind: dict[str, Any]) -> float:
    """Return how far the means of a kind of mixture move with a share of outliers."""
    from gmm import GaussianMixture
    from gmm.analysis import match

    fit = partial(GaussianMixture, K, random_state=0, n_init=3, tol=1e-5, max_iter=1000)
    within = fit().fit(rows)
    scale = np.sqrt(np.einsum("k,kjj->j", within.weights_, within.covariances_))
    before, after = (fit(**kind).fit(each).means_ for each in (rows, with_outliers(rows, share)))
    spread = {"weights": np.full(K, 1 / K), "covariances": np.tile(scale**2, (K, 1)), "covariance_type": "diag"}
    order = match(*(GaussianMixture.from_parameters(means=means, **spread) for means in (before, after)))
    return float(np.sqrt((((after[order] - before) / scale) ** 2).mean()))


def with_outliers(rows: np.ndarray, share: float, width: float = 10) -> np.ndarray:
    """Return rows with a share of others, uniform over a box so many times as wide."""
    rng, middle, half = np.random.default_rng(1), rows.mean(axis=0), np.ptp(rows, axis=0) / 2
    added = rng.uniform(middle - width * half, middle + width * half, (round(share * len(rows)), rows.shape[1]))
    return np.concatenate([rows, added])


def marks(rows: np.ndarray, K: int, width: float, kind: dict[str, Any]) -> tuple[float, float]:
    """Return which share of the marked rows was added, and which share of the 5 % that were added is marked."""
    from gmm import GaussianMixture
    from gmm.analysis import outliers

    both = with_outliers(rows, 0.05, width)
    fit = GaussianMixture(K, random_state=0, n_init=3, tol=1e-5, max_iter=1000, **kind).fit(both)
    marked = fit.predict(both) == -1 if "noise" in kind else outliers(fit, both)
    right = marked[len(rows) :].sum()
    return float(right / max(marked.sum(), 1)), float(right / (len(both) - len(rows)))


def pass_times(n: int, d: int, K: int, covariance_type: str) -> list[float]:
    """Return the shortest CPU times of a pass and its update, of each kind in `TIMED`."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(n, d)) + 4 * rng.normal(size=(K, d))[rng.integers(K, size=n)]
    precisions = {"full": np.tile(np.eye(d), (K, 1, 1)), "tied": np.eye(d), "diag": np.ones((K, d))}[covariance_type]
    start = {"weights_init": np.full(K, 1 / K), "means_init": rows[:K], "precisions_init": precisions}
    return [seconds_per_pass(rows, covariance_type=covariance_type, **kind, **start) for kind in TIMED.values()]


def seconds_per_pass(rows: np.ndarray, known: dict[str, Any] | None = None, /, **how: Any) -> float:
    """Return the time of the passes of a fit, less that of a fit of one, divided by their number."""
    from gmm import ConvergenceWarning, GaussianMixture

    times = dict.fromkeys((1, 21), np.inf)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(5):
            for n in times:
                fit = GaussianMixture(
                    len(how["weights_init"]), tol=0, max_iter=n, acceleration=None, n_threads=1, **how
                )
                begin = process_time()
                fit.fit(rows, **(known or {}))
                times[n] = min(times[n], process_time() - begin)
    return (times[21] - times[1]) / 20
