"""Is variational Bayes quick, and where does it end?

Passes: both ways from the same k-means partition, to within 1e-6 nats per row of plain coordinate ascent's end.
Default fits: CPU time compared with scikit-learn's, the bound of each result as ours measures it, and the mean score of
a held-out third. Medians over seeds.
Ends: how much higher default fits end than plain coordinate ascent from the same start, over twenty seeds.
Falls: in how many random fits (weights of rows, covariance types, priors, ridges, units), both ways, from random
responsibilities, a pass lowers the objective by more than a trillionth.
"""

from __future__ import annotations

import warnings
from argparse import ArgumentParser
from collections.abc import Callable
from itertools import product
from statistics import median
from time import process_time
from typing import Any

import numpy as np

from benchmarks.datasets import bundled, digits_axes, faithful, pixels
from benchmarks.peers import ESTIMATORS
from benchmarks.problems import TYPES
from benchmarks.report import Report, Settings, factor

PEERS, THREADS = ESTIMATORS, (1,)
PRIORS = ("dirichlet_process", "dirichlet_distribution")
CLOSE = 1e-6  # nats per row
SEEDS, SEEDS_OF_ENDS = 3, 20
LOWER, SELDOM = 0.1, 0.01  # nats; share of fits that may end in a lower optimum than plain ones
K_OF_FITS = (5, 20)
ROUNDING = 1e-12


def overlap() -> np.ndarray:
    """Return rows of six components that overlap."""
    rng = np.random.default_rng(0)
    centres = 1.5 * rng.normal(size=(6, 2))
    return np.asarray(centres[rng.integers(6, size=2000)] + rng.normal(size=(2000, 2)))


def clusters() -> np.ndarray:
    """Return rows of four clusters."""
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [6, 0], [0, 6], [6, 6]])
    return np.asarray(centres[rng.integers(4, size=1000)] + rng.normal(size=(1000, 2)))


def notes() -> np.ndarray:
    """Return rows like the measurements of banknotes: two kinds, one of them in two groups, in six columns."""
    rng = np.random.default_rng(0)
    shapes = rng.normal(size=(3, 6, 6)) / 2 + np.eye(6)
    centres = np.array([[0, 0, 0, 0, 0, 0], [0, 1, 1, 4, 3, -4], [0, 2, 2, 1, 5, -4]])
    kind = rng.choice(3, p=(0.5, 0.42, 0.08), size=160)
    rows = centres[kind] + np.einsum("nij,nj->ni", shapes[kind], rng.normal(size=(160, 6)))
    return np.asarray(rows / rows.std(axis=0))


Rows = Callable[[], np.ndarray]
PASSES: dict[str, tuple[Rows, int]] = {
    "overlap": (overlap, 6),
    "iris": (bundled("iris", scaled=False), 10),
    "wine": (bundled("wine"), 8),
    "four clusters": (clusters, 20),
}
FITS: dict[str, Rows] = {
    "iris": bundled("iris"),
    "wine": bundled("wine"),
    "breast cancer, 10 columns": bundled("breast_cancer", slice(10)),
    "diabetes": bundled("diabetes"),
    "digits, 8 axes": lambda: digits_axes(8),
    "Old Faithful": faithful,
    "china, pixels": pixels("china"),
}
ENDS: dict[str, Rows] = {
    **FITS,
    "breast cancer": bundled("breast_cancer"),
    "overlap": overlap,
    "four clusters": clusters,
    "notes, 6 columns": notes,
}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this question."""
    parser.add_argument("--falls", type=int, default=10_000, help="number of random fits")


def run(settings: Settings, report: Report) -> bool:
    """Print the tables; return whether none takes 1.25 times plain passes, is slower or falls, and few end lower."""
    smoke = settings.smoke
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        slower = show_passes(report, [name for name in PASSES if settings.only in name][: 1 if smoke else None])
        slow = show_fits(report, [name for name in FITS if settings.only in name][: 1 if smoke else None], smoke=smoke)
        lower = show_ends(report, [name for name in ENDS if settings.only in name][: 1 if smoke else None], smoke=smoke)
        fallen = 0 if settings.only else show_falls(report, 64 if smoke else settings.arguments.falls)
    return not fallen and (smoke or not slower + slow + lower)


def show_passes(report: Report, names: list[str]) -> int:
    """Print the passes of both ways; return how often ours needs more than 1.25 times as many."""
    from sklearn.cluster import KMeans

    report.header("problem", "K", "prior", "plain", "accelerated", "plain ÷ accelerated", "end higher by")
    slower = 0
    for name in names:
        load, K = PASSES[name]
        X = load()
        start = np.eye(K)[KMeans(K, n_init=1, random_state=0).fit_predict(X)]
        for prior in PRIORS:
            plain, ours = (
                fitted(X, K, prior, init_params=start, acceleration=way, tol=1e-9, max_iter=20_000)
                for way in (None, "auto")
            )
            target = min(plain.lower_bound_, ours.lower_bound_) - CLOSE * len(X)
            counts = [int(np.argmax(np.array(one.lower_bounds_) >= target)) + 1 for one in (plain, ours)]
            slower += counts[1] > 1.25 * counts[0]
            gain = f"{ours.lower_bound_ - plain.lower_bound_:+.3f}"
            report.row(name, str(K), prior, *map(str, counts), factor(counts[0] / counts[1]), gain)
    return slower


def show_fits(report: Report, names: list[str], *, smoke: bool) -> int:
    """Print default fits and scikit-learn's; return how often ours takes longer."""
    from sklearn.mixture import BayesianGaussianMixture

    report.header("table", "K", "prior", "sklearn ms", "gmm ms", "ratio", "bound, higher by", "held out, higher by")
    slow = 0
    for name in names:
        X = np.random.default_rng(0).permutation(FITS[name]())
        train, rest = X[: 2 * len(X) // 3], X[2 * len(X) // 3 :]
        for K in K_OF_FITS[: 1 if smoke else None]:
            for prior in PRIORS:
                found: list[list[tuple[float, float, float]]] = [[], []]
                for seed in range(SEEDS):
                    found[0].append(of_sklearn(BayesianGaussianMixture, train, rest, K, prior, seed))
                    found[1].append(of_ours(train, rest, K, prior, seed))
                (a, b, c), (d, e, f) = ([median(column) for column in zip(*each, strict=True)] for each in found)
                slow += d > a
                numbers = f"{1e3 * a:.1f}", f"{1e3 * d:.1f}", factor(a / d), f"{e - b:+.2f}", f"{f - c:+.3f}"
                report.row(name, str(K), prior, *numbers)
    return slow


def show_ends(report: Report, names: list[str], *, smoke: bool) -> bool:
    """Print how much higher our default fits end than plain ones; return whether more than a few end lower."""
    report.header("table", "K", "prior", "median gain", "least gain", "lower", "passes, plain", "ours", "components")
    total = fits = 0
    for name in names:
        X = np.random.default_rng(0).permutation(ENDS[name]())[:2000]
        for K in K_OF_FITS[: 1 if smoke else None]:
            for prior in PRIORS:
                plain, ours = (
                    [
                        fitted(X, K, prior, random_state=seed, acceleration=way, max_iter=1000)
                        for seed in range(2 if smoke else SEEDS_OF_ENDS)
                    ]
                    for way in (None, "auto")
                )
                gains = [b.lower_bound_ - a.lower_bound_ for a, b in zip(plain, ours, strict=True)]
                lower = sum(gain < -LOWER for gain in gains)
                total, fits = total + lower, fits + len(gains)
                passes = (str(int(median(one.n_iter_ for one in way))) for way in (plain, ours))
                left = " → ".join(f"{median(one.n_effective_components_ for one in way):g}" for way in (plain, ours))
                report.row(
                    name, str(K), prior, f"{median(gains):+.2f}", f"{min(gains):+.2f}", str(lower), *passes, left
                )
    return total > SELDOM * fits


def fitted(X: np.ndarray, n_components: int, prior: str, **options: Any) -> Any:
    """Return a fit of ours."""
    from gmm import BayesianGaussianMixture

    mixture = BayesianGaussianMixture(n_components=n_components, weight_concentration_prior_type=prior, **options)
    return mixture.fit(X)


def of_ours(train: np.ndarray, rest: np.ndarray, K: int, prior: str, seed: int) -> tuple[float, float, float]:
    """Return CPU seconds, the bound and the held-out score of our default fit."""
    began = process_time()
    mixture = fitted(train, K, prior, random_state=seed, max_iter=1000, n_threads=1)
    return process_time() - began, mixture.lower_bound_, mixture.score(rest)


def of_sklearn(kind: Any, train: np.ndarray, rest: np.ndarray, K: int, prior: str, seed: int) -> Any:
    """Return the same of scikit-learn's; ours measures the bound, after one update from its responsibilities."""
    began = process_time()
    mixture = kind(n_components=K, weight_concentration_prior_type=prior, random_state=seed, max_iter=1000).fit(train)
    seconds, given = process_time() - began, mixture.predict_proba(train)
    measured = fitted(train, K, prior, init_params=given, acceleration=None, max_iter=1)
    return seconds, measured.lower_bound_, mixture.score(rest)


def show_falls(report: Report, n_fits: int) -> int:
    """Print how often the bound fell, by type and by prior; return how often it did."""
    report.header("covariances", "prior", "way", "fits", "passes", "falls", "largest fall, relative")
    fallen, cells = 0, list(product(TYPES, PRIORS, ("auto", None)))
    for n, (name, prior, way) in enumerate(cells):
        found = [falls(seed, name, prior, way) for seed in range(n, n_fits, len(cells))]
        bad = sum(bool((fall > ROUNDING).any()) for fall in found)
        most = max(float(fall.max(initial=0.0)) for fall in found)
        passes = sum(map(len, found)) + len(found)
        report.row(name, prior, str(way), str(len(found)), str(passes), str(bad), f"{most:.1e}")
        fallen += bad
    return fallen


def falls(seed: int, name: str, prior: str, way: str | None) -> Any:
    """Return how far the objective of a random fit falls from pass to pass, relative to one nat and its size."""
    from gmm import BayesianGaussianMixture

    rng = np.random.default_rng(seed)
    n, d, K = int(rng.integers(10, 200)), int(rng.integers(1, 6)), int(rng.integers(1, 13))
    groups = 3 * rng.normal(size=(int(rng.integers(1, 6)), d))
    unit = 10.0 ** rng.uniform(-3, 3, d if name in ("full", "tied", "diag") else 1)
    rows = unit * (groups[rng.integers(len(groups), size=n)] + rng.normal(size=(n, d)) * rng.uniform(0.1, 2, d))
    mixture = BayesianGaussianMixture(
        n_components=min(K, n),
        covariance_type=name,
        weight_concentration_prior_type=prior,
        weight_concentration_prior=None if rng.random() < 0.3 else 10 ** rng.uniform(-4, 3),
        mean_precision_prior=None if rng.random() < 0.3 else 10 ** rng.uniform(-4, 3),
        degrees_of_freedom_prior=None if rng.random() < 0.3 else d - 1 + 10 ** rng.uniform(-2, 3),
        mean_prior=None if rng.random() < 0.5 else unit * rng.normal(size=d),
        # With a ridge, scikit-learn's update is no ascent of the bound; accelerated, the ridge is part of it.
        reg_covar=float(rng.choice([0, 1e-6, 0.3])) * float(np.min(unit)) ** 2 if way else 0,
        init_params=rng.dirichlet(np.full(min(K, n), 10 ** rng.uniform(-1.5, 1)), n),
        acceleration=way,
        tol=0,
        max_iter=60,
        n_threads=1,
    )
    weight = None if rng.random() < 0.5 else rng.uniform(0, 3, n) * 10 ** rng.uniform(-1, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mixture.fit(rows, sample_weight=weight)
    total = n if weight is None else float(weight.sum())
    objective = np.array(mixture.history_.objective) / total
    return -np.diff(objective) / (1 + np.abs(objective[1:]))
