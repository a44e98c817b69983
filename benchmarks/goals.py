"""What every cell is to reach: ratios and shares at least, what is in `AT_MOST` at most; data, and a verdict.

A figure or goal is named by what it compares with: ``vs sklearn`` and ``vs best peer`` are times
theirs ÷ ours, ``of limit`` the share limit ÷ ours, ``1→2`` ours on one thread ÷ on two.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.problems import Problem

VS_BASELINE, VS_BEST, OF_LIMIT, SCALING, VS_DAAL4PY = "vs sklearn", "vs best peer", "of limit", "1→2", "vs daal4py"
MS = "ms"

# By problem and dtype, on one thread; None where no peer but scikit-learn fits such a mixture.
GRID_GOALS: dict[tuple[str, str], tuple[float, float | None, float]] = {
    ("full-1M-2-4", "float64"): (60, 6, 0.38),
    ("diag-1M-2-4", "float64"): (60, 8, 0.38),
    ("full-200k-8-16", "float64"): (28, 3.8, 0.58),
    ("full-100k-16-16", "float64"): (14, 3.3, 0.60),
    ("full-50k-64-32", "float64"): (5.5, 3.1, 0.68),
    ("full-20k-256-8", "float64"): (3.4, 3.4, 0.75),
    ("diag-500k-16-64", "float64"): (17, 4.2, 0.66),
    ("diag-200k-16-256", "float64"): (17, 4.2, 0.66),
    ("tied-100k-32-16", "float64"): (50, None, 0.47),
    ("spherical-200k-16-32", "float64"): (20, None, 0.47),
    ("full-200k-8-16", "float32"): (38, 4, 0.52),
    ("full-50k-64-32", "float32"): (4.5, 3.1, 0.52),
    ("diag-500k-16-64", "float32"): (22, 6, 0.52),
}
SMALL_GOALS = {("full-150-4-3", "float64"): 0.008}  # ms
TWO_THREADS = {SCALING: 1.8, VS_DAAL4PY: 2.8}
SCALING_FROM_MS = 5.0  # of an iteration on one thread

PREDICT_PROBA = 20.0
KMEANS = 8.0
DEFAULT_FIT = {"full-200k-8-16": 20.0, "diag-200k-16-64": 10.0, "iris": 10.0}
MEMORY_MB_PER_THREAD = 8.0

# Of the climb: plain EM's passes ÷ the accelerated ones to the same log-likelihood, and the reverse.
SLOW_MEDIAN, SLOW_BEST, EASY_WORST = "slow fits, median", "slow fits, best", "easy fits, worst"
PASSES = {SLOW_MEDIAN: 5.0, SLOW_BEST: 20.0, EASY_WORST: 1.2}
FAR_SHORT = "fits that stop more than 10 tol short"
STOPS = {FAR_SHORT: 0.0}
# Of a whole fit: nats per row below the best known; share of fits within 1e-3 of it; passes ÷ a default fit's.
MEAN_GAP, WITHIN, MORE_PASSES = "mean gap", "within 1e-3", "passes ÷ default's"
GAPS: dict[str, dict[str, float]] = {
    "gmm": {MEAN_GAP: 0.02},
    "gmm, split-merge": {MEAN_GAP: 0.008, WITHIN: 0.8, MORE_PASSES: 10.0},
}
# BIC of iris in its own units with four components, from the worst seed.
IRIS_BIC = {"full": 621.75, "tied": 591.41, "diag": 705.07, "spherical": 783.82}
BIC = "BIC"
# Of a search: theirs ÷ ours, and cells whose criterion is worse than theirs.
VS_PEER, WORSE = "vs peer", "cells worse"
OF_SEARCH: dict[tuple[str, str], dict[str, float]] = {
    ("iris, 150 × 4", "mclust"): {VS_PEER: 1.0, WORSE: 0},
    ("three groups, 145 × 3", "mclust"): {VS_PEER: 1.0, WORSE: 0},
    ("5100 × 4", "mclust"): {VS_PEER: 1.0, WORSE: 0},
    ("10000 × 8", "mclust"): {VS_PEER: 1.0, WORSE: 0},
    ("10000 × 8", "sklearn"): {VS_PEER: 20.0, WORSE: 0},
}
AT_MOST = frozenset({WORSE, MS, EASY_WORST, FAR_SHORT, MEAN_GAP, MORE_PASSES, BIC})
SHARES = frozenset({OF_LIMIT, FAR_SHORT, WITHIN})
UNITS = {WORSE: " worse", MS: " ms", MEAN_GAP: " nats", BIC: ""}


def grid_goal(problem: Problem, n_threads: int, ms_on_one: float) -> dict[str, float]:
    """Return the goals of a cell by name; none where nothing was promised."""
    if n_threads == 2:
        return {name: goal for name, goal in TWO_THREADS.items() if name != SCALING or ms_on_one >= SCALING_FROM_MS}
    key = (problem.name, problem.dtype)
    if n_threads > 1 or key not in GRID_GOALS:
        return {MS: SMALL_GOALS[key]} if n_threads == 1 and key in SMALL_GOALS else {}
    goals = zip((VS_BASELINE, VS_BEST, OF_LIMIT), GRID_GOALS[key], strict=True)
    return {name: goal for name, goal in goals if goal is not None}


def missed(goals: Mapping[str, float], figures: Mapping[str, float]) -> list[str]:
    """Return the names of the goals that a measured figure does not reach."""
    known = {name: figures[name] for name in goals if np.isfinite(figures.get(name, np.nan))}
    return [
        name for name, figure in known.items() if (figure > goals[name] if name in AT_MOST else figure < goals[name])
    ]


def verdict(goals: Mapping[str, float], figures: Mapping[str, float]) -> str:
    """Return "met", or which of the goals are missed; a dash where nothing is promised or measured."""
    if not any(np.isfinite(figures.get(name, np.nan)) for name in goals):
        return "–"
    short = missed(goals, figures)
    return "missed: " + ", ".join(short) if short else "met"


def wording(goals: Mapping[str, float]) -> str:
    """Return the goals in a few characters, in the order of the columns."""
    return " ".join(word(name, goal) for name, goal in goals.items()) or "–"


def word(name: str, goal: float) -> str:
    """Return one goal with the unit that belongs to its name."""
    bound = "≤" if name in AT_MOST else ""
    if name in SHARES:
        return f"{bound}{100 * goal:.0f} %"
    return f"{bound}{goal:g}{UNITS.get(name, '×')}"
