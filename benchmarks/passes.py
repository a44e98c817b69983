"""How many passes does the accelerated solver save, to the same log-likelihood from the same start?

Both solvers begin with the parameters of a k-means start and run until nothing is gained. If they end within 1e-4 nats
per row of each other, the target is the higher end minus 1e-6, else the lower end minus 1e-6. The ridge is only 1e-12:
with the default ridge, the two objectives would differ by more than that. Rejected steps count as passes. Fits are slow
if plain EM takes more than 200 passes, and easy otherwise; if it does not arrive, it counts as 5000.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.climbs import POLISH, TEXTBOOK, RecordedFit, SolverResult
from benchmarks.datasets import DATASETS, HARDER, Dataset
from benchmarks.health import health
from benchmarks.measure import Reading, Worker, WorkerError, crew
from benchmarks.optima import loaded
from benchmarks.peers import BASELINE, OURS
from benchmarks.plots import COLOURS, panels, saved
from benchmarks.problems import stored
from benchmarks.report import Report, factor
from benchmarks.settings import Settings
from benchmarks.synthetic import SYNTHETIC

PEERS, THREADS = (OURS,), (1,)
SEEDS = 4
SLOW = 200  # passes of plain EM
SAME = 1e-4  # nats per row: most difference between two ends at one optimum
CLOSE = 1e-6  # nats per row below the optimum that count as reaching it
PLAIN, ACCELERATED = "plain EM", "accelerated"
CLIMBS: dict[str, dict[str, Any]] = {PLAIN: TEXTBOOK, ACCELERATED: {"acceleration": "auto"}}
RIDGE = {"reg_covar": 1e-12}
LONGEST = POLISH["max_iter"]
ORDINARY = {"iris": ("full",), "wine": ("diag",), "digits, 10 axes": ("full",), "china, pixels": ("full",)}
PROBLEMS = (
    *(replace(dataset, types=ORDINARY[dataset.name]) for dataset in DATASETS if dataset.name in ORDINARY),
    *HARDER,
    *SYNTHETIC,
)
# One panel each, for the first seed from which both solvers end in one optimum.
DRAWN = {"four blobs, K=8, full": "too many components", "overlap2, K=5, full": "overlap"}
LEAST_DRAWN = 1e-8  # nats per row

Bounds = Mapping[str, tuple[float, ...]]  # by climb


@dataclass(frozen=True)
class Comparison:
    """Passes of both solvers to the log-likelihood `target`, where they end, and the bound of each pass."""

    target: float
    passes: dict[str, float]
    ends: dict[str, float]
    bounds: Bounds = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Passes of plain EM ÷ those of the accelerated solver; 0 if the latter does not arrive."""
        return min(self.passes[PLAIN], LONGEST) / self.passes[ACCELERATED]

    @property
    def gain(self) -> float:
        """How much higher the accelerated solver ends, in nats per row."""
        return self.ends[ACCELERATED] - self.ends[PLAIN]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this question."""
    parser.add_argument("--plot", type=Path, help="PNG file for a plot of two of the fits")


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each problem, type and seed, then the ratios."""
    report.note(f"passes to the optimum less {CLOSE:g} nats per row")
    report.header("problem", "seed", *CLIMBS, "class", "plain ÷ accelerated", "end higher by")
    compared: list[Comparison] = []
    drawn: dict[str, Bounds] = {}
    for dataset, X in loaded(PROBLEMS, settings, report):
        jobs = {OURS: (RecordedFit, OURS, stored(X, settings.folder), 1)}
        with crew(1, jobs, report.failed) as workers:
            for covariance_type in dataset.types[: 1 if settings.smoke else None]:
                for seed in range(1 if settings.smoke else SEEDS):
                    case = Case(dataset, covariance_type, len(X), seed, workers[OURS])
                    if comparison := show(case, report):
                        compared.append(comparison)
                        if abs(comparison.gain) <= SAME:
                            drawn.setdefault(case.title, comparison.bounds)
    summarise(compared, report)
    chosen = {title: drawn[title] for title in DRAWN if title in drawn}
    saved(draw, chosen, settings.arguments.plot, report)
    return True


@dataclass(frozen=True)
class Case:
    """Rows, type and seed, and the worker that fits them."""

    dataset: Dataset
    covariance_type: str
    n_rows: int
    seed: int
    worker: Worker

    @property
    def title(self) -> str:
        """Name of the problem: data set, K, type."""
        return self.dataset.title(self.covariance_type)

    def fit(self, parameters: dict[str, Any], climb: SolverResult | None = None) -> Reading:
        """Fit, from the end of another fit if it is given."""
        options = {"n_components": self.dataset.n_components, "random_state": self.seed, **RIDGE, **parameters}
        return self.worker(self.covariance_type, options, climb and climb.mixture)

    def compare(self, start: SolverResult) -> Comparison | str:
        """Run both solvers from the start; if the comparison is meaningless, return the reason."""
        results = {name: self.fit({**options, **POLISH}, start).value for name, options in CLIMBS.items()}
        degenerate = [
            name
            for name, result in results.items()
            if not health(result.mixture, self.covariance_type, self.n_rows).good
        ]
        if degenerate:
            return f"{' and '.join(degenerate)} end in a degenerate component, on too few rows or too thin"
        ends = {name: max(result.bounds) for name, result in results.items()}
        target = (max if max(ends.values()) - min(ends.values()) <= SAME else min)(ends.values()) - CLOSE
        passes = {name: result.passes_to(target) for name, result in results.items()}
        return Comparison(target, passes, ends, {name: result.bounds for name, result in results.items()})


def show(case: Case, report: Report) -> Comparison | None:
    """Print one row; return the comparison, or None if there is none."""
    try:
        comparison = case.compare(case.fit({**TEXTBOOK, "max_iter": 0}).value)
    except WorkerError as reason:
        comparison = str(reason)
    if isinstance(comparison, str):
        report.note(f"{case.title}, seed {case.seed} left out: {comparison}")
        return None
    kind = "slow" if comparison.passes[PLAIN] > SLOW else "easy"
    gain = f"{comparison.gain:+.0e}" if abs(comparison.gain) > CLOSE else "–"
    report.row(
        case.title, str(case.seed), *map(count, comparison.passes.values()), kind, factor(comparison.ratio), gain
    )
    return comparison


def count(passes: float) -> str:
    """Return a number of passes."""
    return f"{passes:.0f}" if np.isfinite(passes) else f"> {LONGEST}"


def summarise(compared: list[Comparison], report: Report) -> None:
    """Summarise the ratios by class."""
    for kind, slow in (("slow", True), ("easy", False)):
        ratios = [comparison.ratio for comparison in compared if (comparison.passes[PLAIN] > SLOW) == slow]
        if ratios:
            spread = " … ".join(map(factor, (min(ratios), median(ratios), max(ratios))))
            report.note(f"{kind} fits: {len(ratios)} of {len(compared)}; plain ÷ accelerated, median between: {spread}")
    gains = np.array([comparison.gain for comparison in compared])
    counts = [int((gains > SAME).sum()), int((abs(gains) <= SAME).sum()), int((gains < -SAME).sum())]
    report.note(f"accelerated ends higher, equal, lower (by {SAME:g} nats per row): {', '.join(map(str, counts))}")


def draw(climbed: Mapping[str, Bounds]) -> Any:
    """Draw the remaining gain against passes, a panel per problem, with crosses for rejected steps."""
    figure, grid = panels(len(climbed), (5, 1 + 2 * len(climbed)))
    for axes, (title, bounds) in zip(grid, climbed.items(), strict=True):
        draw_panel(axes, bounds)
        axes.set_title(f"{DRAWN[title]}: {title}", fontsize=10)
    grid[0].set_ylim(bottom=LEAST_DRAWN)
    figure.supxlabel("passes over the rows", fontsize=10)
    figure.supylabel("log-likelihood still to be gained, nats per row", fontsize=10)
    marks, names = grid[0].get_legend_handles_labels()
    figure.legend(marks, names, loc="outside upper center", ncols=len(names), frameon=False)
    return figure


def draw_panel(axes: Any, bounds: Bounds) -> None:
    """Draw both fits of one problem, from their common start up to the higher end."""
    top = max(max(of_climb) for of_climb in bounds.values())
    for name, peer, width in ((PLAIN, BASELINE, 2.5), (ACCELERATED, OURS, 1.5)):
        left = remaining(bounds[name], top)
        axes.plot(range(1, len(left) + 1), left, color=COLOURS[peer], linewidth=width, label=name)
    back = np.flatnonzero(np.diff(left) == 0) + 1
    axes.plot(back + 1, left[back], "x", color=COLOURS[peer], markersize=5, label="rejected step")


def remaining(bounds: tuple[float, ...], top: float) -> np.ndarray:
    """Return how far each pass was below `top`, up to the first that is too close to draw."""
    left = top - np.array(bounds)
    return left[: int(np.argmax(left < LEAST_DRAWN)) + 1] if (left < LEAST_DRAWN).any() else left
