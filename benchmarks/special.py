"""What do noise, heavy tails, missing values, labels and known errors cost, compared with the plain fit?

One table is drawn, and what is special is added to it. Fits alternate in one process, on one core.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import gmm
from benchmarks.measure import Worker
from benchmarks.report import Report, Settings, number
from gmm import GaussianMixture

PEERS, THREADS = ("gmm",), (1,)
ROWS, SMOKE_ROWS, FEATURES, COMPONENTS, SHARE, ROUNDS = 5000, 500, 8, 4, 0.1, 15
Fit = Callable[[], object]


def run(settings: Settings, report: Report) -> bool:
    """Print milliseconds of each fit, its ratio to the plain fit, and its calls of Python."""
    n = SMOKE_ROWS if settings.smoke else ROWS
    n_rounds = 2 if settings.smoke else settings.arguments.repeats or ROUNDS
    report.note(f"default fits, {n:,} × {FEATURES}, K={COMPONENTS}; medians of {n_rounds} rounds")
    report.header("fit", "ms", "× plain", "calls in gmm")
    with Worker(1, Special, n, n_rounds) as worker:
        seconds, calls = worker().value
    for name, of_fit in seconds.items():
        ratio = of_fit / seconds["plain"]
        report.row(name, number(1e3 * of_fit), f"{ratio:.1f}", f"{calls[name]:,}")
    return True


class Special:
    """Makes the fits, all in turn."""

    def __init__(self, n: int, n_rounds: int) -> None:
        self.fits, self.n_rounds = fits(n), n_rounds
        warnings.simplefilter("ignore")
        for fit in self.fits.values():
            fit()

    def __call__(self) -> tuple[dict[str, float], dict[str, int]]:
        """Return the seconds of each fit, and its calls."""
        rounds = [{name: elapsed(fit) for name, fit in self.fits.items()} for _ in range(self.n_rounds)]
        seconds = {name: median(each[name] for each in rounds) for name in self.fits}
        return seconds, {name: calls_of(fit) for name, fit in self.fits.items()}


def fits(n: int) -> dict[str, Fit]:
    """Return the fits by name."""
    rng = np.random.default_rng(0)
    labels = rng.integers(COMPONENTS, size=n)
    X = rng.normal(size=(n, FEATURES)) + 3 * rng.normal(size=(COMPONENTS, FEATURES))[labels]
    gaps = np.where(rng.random(X.shape) < SHARE, np.nan, X)
    known = np.where(rng.random(n) < SHARE, labels, -1)
    shared, own = (0.5 * rng.gamma(1, 1, size=(m, FEATURES)) for m in (8, n))
    errors = {"8 errors": shared[rng.integers(8, size=n)], "an error for each row": own}

    def fit(X: np.ndarray, settings: dict[str, Any] | None = None, **arguments: Any) -> Fit:
        return lambda: GaussianMixture(COMPONENTS, random_state=0, n_threads=1, **settings or {}).fit(X, **arguments)

    return {
        "plain": fit(X),
        "noise": fit(X, {"noise": True}),
        "heavy tails": fit(X, {"tails": "t"}),
        "10 % of the values missing": fit(gaps, {"missing": "em"}),
        "10 % of the labels known": fit(X, labels=known),
        **{name: fit(X + rng.normal(size=X.shape) * np.sqrt(of), error_covariance=of) for name, of in errors.items()},
    }


def elapsed(fit: Fit) -> float:
    """Return the seconds of a fit."""
    began = perf_counter()
    fit()
    return perf_counter() - began


def calls_of(fit: Fit) -> int:
    """Return how many functions of the package a fit calls."""
    place, count = str(Path(gmm.__file__).parent) + os.sep, 0

    def watch(frame: Any, event: str, _: object) -> None:
        nonlocal count
        count += event == "call" and frame.f_code.co_filename.startswith(place)

    sys.setprofile(watch)
    try:
        fit()
    finally:
        sys.setprofile(None)
    return count
