"""How many passes does the accelerated climb save? To the same log-likelihood, from the same start.

Both climbs begin with the parameters of a k-means start and go on until nothing is gained. Where they end in the same
optimum, that is 1e-4 nats per row from each other or less, they are to reach the higher end less 1e-6; else the lower
one. The ridge is next to nothing, 1e-12: with an ordinary one the two maximise what differs by more than is asked.
Rejected trials are passes. Fits are slow where plain EM takes more than 200 passes, and easy else; where it does not
arrive in 5000 they are counted.
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
SAME = 1e-4  # nats per row between two ends of one optimum
CLOSE = 1e-6  # nats per row to what is to be reached
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
# One panel each, of the first seed from which both climbs end in one optimum.
DRAWN = {"iris, K=3, full": "easy", "four blobs, K=8, full": "too many components", "overlap2, K=5, full": "overlap"}
LEAST_DRAWN = 1e-8  # nats per row

Bounds = Mapping[str, tuple[float, ...]]  # by climb


@dataclass(frozen=True)
class Comparison:
    """Passes of both climbs to the same log-likelihood, `target`; their ends, and what each pass measured."""

    target: float
    passes: dict[str, float]
    ends: dict[str, float]
    bounds: Bounds = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Plain EM's passes ÷ the accelerated ones: 0 where these do not arrive."""
        return min(self.passes[PLAIN], LONGEST) / self.passes[ACCELERATED]

    @property
    def gain(self) -> float:
        """How much higher the accelerated climb ends."""
        return self.ends[ACCELERATED] - self.ends[PLAIN]


def add_arguments(parser: ArgumentParser) -> None:
    """Add what is only for this question."""
    parser.add_argument("--plot", type=Path, help="PNG to draw three of the climbs to")


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each problem, type and seed; then the ratios."""
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
                    if found := show(case, report):
                        compared.append(found)
                        if abs(found.gain) <= SAME:
                            drawn.setdefault(case.title, found.bounds)
    summarise(compared, report)
    chosen = {title: drawn[title] for title in DRAWN if title in drawn}
    saved(draw, chosen, getattr(settings.arguments, "plot", None), report)
    return True


@dataclass(frozen=True)
class Case:
    """Rows, type and seed, and who fits them."""

    dataset: Dataset
    covariance_type: str
    n_rows: int
    seed: int
    worker: Worker

    @property
    def title(self) -> str:
        """What names the problem: rows, K, type."""
        return self.dataset.title(self.covariance_type)

    def fit(self, parameters: dict[str, Any], climb: SolverResult | None = None) -> Reading:
        """Fit, from where a climb ended if it is given."""
        asked = {"n_components": self.dataset.n_components, "random_state": self.seed, **RIDGE, **parameters}
        return self.worker(self.covariance_type, asked, climb and climb.mixture)

    def compare(self, start: SolverResult) -> Comparison | str:
        """Climb both ways from the start; where that makes no sense return why."""
        found = {name: self.fit({**asked, **POLISH}, start).value for name, asked in CLIMBS.items()}
        sick = [
            name for name, climb in found.items() if not health(climb.mixture, self.covariance_type, self.n_rows).good
        ]
        if sick:
            return f"{' and '.join(sick)} end in a component on too few rows or too thin"
        ends = {name: max(climb.bounds) for name, climb in found.items()}
        target = (max if max(ends.values()) - min(ends.values()) <= SAME else min)(ends.values()) - CLOSE
        passes = {name: climb.passes_to(target) for name, climb in found.items()}
        return Comparison(target, passes, ends, {name: climb.bounds for name, climb in found.items()})


def show(case: Case, report: Report) -> Comparison | None:
    """Print one row; return the comparison if there is one."""
    try:
        found = case.compare(case.fit({**TEXTBOOK, "max_iter": 0}).value)
    except WorkerError as reason:
        found = str(reason)
    if isinstance(found, str):
        report.note(f"{case.title}, seed {case.seed} left out: {found}")
        return None
    kind = "slow" if found.passes[PLAIN] > SLOW else "easy"
    gain = f"{found.gain:+.0e}" if abs(found.gain) > CLOSE else "–"
    report.row(case.title, str(case.seed), *map(count, found.passes.values()), kind, factor(found.ratio), gain)
    return found


def count(passes: float) -> str:
    """Return a number of passes."""
    return f"{passes:.0f}" if np.isfinite(passes) else f"> {LONGEST}"


def summarise(compared: list[Comparison], report: Report) -> None:
    """Say the ratios by class."""
    for kind, slow in (("slow", True), ("easy", False)):
        ratios = [found.ratio for found in compared if (found.passes[PLAIN] > SLOW) == slow]
        if ratios:
            spread = " … ".join(map(factor, (min(ratios), median(ratios), max(ratios))))
            report.note(f"{kind} fits: {len(ratios)} of {len(compared)}; plain ÷ accelerated, median between: {spread}")
    gains = np.array([found.gain for found in compared])
    counts = [int((gains > SAME).sum()), int((abs(gains) <= SAME).sum()), int((gains < -SAME).sum())]
    report.note(f"accelerated ends higher, equal, lower (by {SAME:g} nats per row): {', '.join(map(str, counts))}")


def draw(climbed: Mapping[str, Bounds]) -> Any:
    """Draw what is still to be gained over passes, a panel per problem; passes whose step was taken back as crosses."""
    figure, grid = panels(len(climbed), (1 + 3.2 * len(climbed), 3.6))
    for axes, (title, bounds) in zip(grid, climbed.items(), strict=True):
        draw_panel(axes, bounds)
        axes.set_title(f"{DRAWN[title]}: {title}", fontsize=10)
        axes.set(xlabel="passes over the rows", ylim=(LEAST_DRAWN, None))
    grid[0].set_ylabel("log-likelihood still to be gained,\nnats per row")
    marks, names = grid[0].get_legend_handles_labels()
    figure.legend(marks, names, loc="outside upper center", ncols=len(names), frameon=False)
    return figure


def draw_panel(axes: Any, bounds: Bounds) -> None:
    """Draw both climbs of one problem, from the same start to where both end, or the higher one."""
    top = max(max(of_climb) for of_climb in bounds.values())
    for name, peer, width in ((PLAIN, BASELINE, 2.5), (ACCELERATED, OURS, 1.5)):
        left = remaining(bounds[name], top)
        axes.plot(range(1, len(left) + 1), left, color=COLOURS[peer], linewidth=width, label=name)
    back = np.flatnonzero(np.diff(left) == 0) + 1
    axes.plot(back + 1, left[back], "x", color=COLOURS[peer], markersize=5, label="a step taken back")


def remaining(bounds: tuple[float, ...], top: float) -> np.ndarray:
    """Return what each pass was below `top`, as far as it is worth drawing."""
    left = top - np.array(bounds)
    return left[: int(np.argmax(left < LEAST_DRAWN)) + 1] if (left < LEAST_DRAWN).any() else left
