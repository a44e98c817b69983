"""How does one EM iteration grow with rows, features and components, and are there cliffs between the usual shapes?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from statistics import median
from typing import Any

import numpy as np

from benchmarks.goals import OF_LIMIT, VS_BASELINE
from benchmarks.limit import Gauge, absence, limit_seconds, multiply_adds, typical
from benchmarks.measure import Worker, crew, rounds, slope
from benchmarks.peers import ESTIMATORS, OURS
from benchmarks.problems import TYPES, Problem
from benchmarks.report import Report, factor, number, percent, ratios
from benchmarks.settings import Settings
from benchmarks.tasks import GeneratedFit

PEERS, THREADS = ESTIMATORS, (1,)
USUAL = 8  # of features and of components, while the other one grows
SIZES = {
    "n": (1000, 4000, 16_000, 64_000, 256_000),
    "d": (2, 3, 6, 8, 12, 16, 24, 32, 40, 64, 80, 128, 200, 256),
    "K": (2, 5, 7, 8, 16, 20, 48, 64, 200, 256),
}
SMOKE_SIZES = {"n": (500, 2000), "d": (2, 3), "K": (2, 5)}
WORK = 2e7  # multiply-adds of a phase, so that every point takes about as long
MOST_ROWS = 200_000
ROWS_PER_PARAMETER = 8  # a component's; fewer would end in singular covariances
ROUNDS = 3
LIMIT = "limit"


@dataclass
class Curve:
    """What a type's iterations take along one size: seconds per row by peer, and our share of the limit."""

    covariance_type: str
    along: str
    sizes: list[int] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    shares: list[float] = field(default_factory=list)

    def describe(self) -> str:
        """Return slopes, and where our share of the limit is lowest."""
        slopes = (f"{name} {exponent(self.sizes, values):.2f}" for name, values in self.seconds.items())
        text = f"{self.covariance_type}: time ~ {self.along}^p, p = {', '.join(slopes)}"
        if not np.isfinite(self.shares).any():
            return text
        lowest = int(np.nanargmin(self.shares))
        return (
            f"{text}; lowest share of the limit {percent(self.shares[lowest])} at {self.along} = {self.sizes[lowest]}"
        )


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each point and the slopes; nothing here can be wrong."""
    report.note("ms per EM iteration; ps: our picoseconds per row, component and multiply-add of a phase")
    if reason := absence():
        report.skipped(LIMIT, reason)
    report.header("type", "n", "d", "K", *settings.peers, LIMIT, VS_BASELINE, OF_LIMIT, "ps")
    jobs: dict[str, tuple[Any, ...]] = {name: (GeneratedFit, name, 1) for name in settings.peers}
    if not absence():
        jobs[LIMIT] = (Gauge, "float64", 1)
    with crew(1, jobs, report.failed) as workers:
        for along, covariance_type in product(SIZES, TYPES[:2] if settings.smoke else TYPES):
            if settings.only in (covariance_type, along, ""):
                curve = Curve(covariance_type, along)
                for problem in points(curve, settings.smoke):
                    measure(problem, curve, workers, settings, report)
                report.note(curve.describe())
    return True


def points(curve: Curve, smoke: bool) -> Iterator[Problem]:
    """Yield the problems along a curve, and keep their sizes."""
    for size in (SMOKE_SIZES if smoke else SIZES)[curve.along]:
        shape = {"n": 0, "d": USUAL, "K": USUAL, curve.along: size}
        curve.sizes.append(size)
        yield sized(Problem(shape["n"], shape["d"], shape["K"], curve.covariance_type), smoke)


def sized(problem: Problem, smoke: bool) -> Problem:
    """Return the problem with rows, where it has none, and iterations that take about the same time everywhere."""
    a_row = problem.n_components * multiply_adds(problem)
    fewest = ROWS_PER_PARAMETER * problem.n_features * problem.n_components
    n_rows = problem.n_rows or int(max(fewest, min(MOST_ROWS, (WORK / 100 if smoke else WORK) / a_row)))
    n_iter = int(np.clip(WORK / (n_rows * a_row), 3, 50))
    return Problem(n_rows, problem.n_features, problem.n_components, problem.covariance_type, n_iter)


def measure(problem: Problem, curve: Curve, workers: dict[str, Worker], settings: Settings, report: Report) -> None:
    """Time everybody at one point, print and keep it."""
    results = rounds(workers, partial(one_round, workers, problem), min(settings.repeats, ROUNDS), report.failed)
    rates = results.pop(LIMIT, None)
    seconds = {name: median(values) for name, values in results.items()}
    ours = seconds.get(OURS, np.nan)
    limit = limit_seconds(problem, typical(rates)) if rates else np.nan
    per_pair = ours / (problem.n_rows * problem.n_components * multiply_adds(problem))
    for name, value in seconds.items():
        curve.seconds.setdefault(name, []).append(value if curve.along == "n" else value / problem.n_rows)
    curve.shares.append(limit / ours)
    to_baseline, _ = ratios(seconds)
    sizes = (problem.n_rows, problem.n_features, problem.n_components)
    report.row(
        (
            problem.covariance_type,
            *map(str, sizes),
            *(number(1e3 * seconds.get(name, np.nan)) for name in settings.peers),
            number(1e3 * limit),
            factor(to_baseline),
            percent(limit / ours),
            number(1e12 * per_pair),
        ),
        along=curve.along,
        type=problem.covariance_type,
        **dict(zip(("n", "d", "K"), sizes, strict=True)),
        ms={name: 1e3 * value for name, value in seconds.items()},
        limit_ms=1e3 * limit,
        ratio_to_sklearn=to_baseline,
        of_limit=limit / ours,
        ps_per_multiply_add=1e12 * per_pair,
    )


def one_round(workers: dict[str, Worker], problem: Problem, worker: Worker, turn: int) -> Any:
    """Return the machine's rates, or seconds per iteration."""
    if worker is workers.get(LIMIT):
        return worker().value
    return slope(worker, turn, problem.n_iter, problem)[0]


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the slope of a straight line through the logarithms; nan for fewer than two points above 0."""
    x, y = np.asarray(sizes, float), np.asarray(values, float)
    if len(x) != len(y):
        return float("nan")
    known = (y > 0) & np.isfinite(y)
    return float(np.polyfit(np.log(x[known]), np.log(y[known]), 1)[0]) if known.sum() > 1 else float("nan")
