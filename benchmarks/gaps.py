"""How good are whole fits? Log-likelihood against the best that is known of ten real data sets, by type and seed.

The best known are healthy mixtures (`python -m benchmarks optima`). A fit that ends in a component on too few rows or
too thin may lie above them: its gap is then nothing, but it is no hit, and it is counted beside.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.climbs import RecordedFit, SolverResult
from benchmarks.datasets import DATASETS, Dataset
from benchmarks.health import health
from benchmarks.measure import Worker, WorkerError, crew
from benchmarks.optima import best_known, loaded
from benchmarks.peers import BASELINE, ESTIMATORS, OURS
from benchmarks.plots import COLOURS, MARKERS, panels, saved
from benchmarks.problems import mean_log_likelihood, stored
from benchmarks.report import Report, number, percent
from benchmarks.settings import Settings

PEERS, THREADS = ESTIMATORS, (1,)
SEEDS, FEW_SEEDS = 10, 2
HIT = 1e-3  # nats per row
MEAN_GAP, WITHIN = "mean gap", f"within {HIT:g}"
Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Variant:
    """A peer's fit with parameters of its own, over so many seeds."""

    name: str
    peer: str
    parameters: Parameters = field(default_factory=dict)
    seeds: int = SEEDS


VARIANTS = (
    Variant("sklearn", BASELINE),
    Variant("sklearn, n_init=10", BASELINE, {"n_init": 10}),
    Variant("sklearn, n_init=100", BASELINE, {"n_init": 100}, FEW_SEEDS),
    Variant("gmm", OURS),
    Variant("gmm, n_init=10", OURS, {"n_init": 10}),
    Variant("gmm, n_init=100", OURS, {"n_init": 100}, FEW_SEEDS),
    Variant("gmm, split-merge", OURS, {"refine": "split-merge"}),
)


@dataclass(frozen=True)
class Outcome:
    """One fit: nats per row below the best known (negative above), its health, passes (nan if unknown), seconds."""

    gap: float
    healthy: bool
    passes: float
    seconds: float


Cell = dict[str, list[Outcome]]  # by variant


def add_arguments(parser: ArgumentParser) -> None:
    """Add what is only for this question."""
    parser.add_argument("--plot", type=Path, help="PNG to draw the gap against the time to")


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each data set and type, then what they come to."""
    variants = chosen(settings)
    report.note("gap: nats per row below the best known log-likelihood, at least 0; mean over the seeds")
    report.note(f"seeds: {SEEDS}; with n_init=100 {FEW_SEEDS}")
    report.header("problem", "best known", *(variant.name for variant in variants))
    cells = []
    for dataset, X in loaded(DATASETS, settings, report):
        for title, best, cell in measured(dataset, X, variants, settings, report):
            show(title, best, cell, variants, report)
            cells.append(cell)
    told = {
        variant.name: figures([outcome for cell in cells for outcome in cell.get(variant.name, [])])
        for variant in variants
    }
    summarise(told, report)
    saved(draw, told, getattr(settings.arguments, "plot", None), report)
    return True


def chosen(settings: Settings) -> list[Variant]:
    """Return the variants of the peers that are there; for a smoke run, without the longest."""
    fewest = SEEDS if settings.smoke else 0
    return [variant for variant in VARIANTS if variant.peer in settings.peers and variant.seeds >= fewest]


def measured(
    dataset: Dataset, X: np.ndarray, variants: Sequence[Variant], settings: Settings, report: Report
) -> Iterator[tuple[str, float, Cell]]:
    """Yield the title, the best known and the outcomes of each type of which a best is known."""
    jobs = {peer: (RecordedFit, peer, stored(X, settings.folder), 1) for peer in settings.peers}
    with crew(1, jobs, report.failed) as workers:
        for covariance_type in dataset.types:
            title, best = dataset.title(covariance_type), best_known(dataset, covariance_type, X)
            if np.isnan(best):
                report.note(f"{title} left out: no optimum of these rows is stored")
                continue
            cell: Cell = {variant.name: [] for variant in variants if variant.peer in workers}
            for worker in workers.values():
                outcome(X, covariance_type, {"n_components": dataset.n_components}, best, worker)  # first touches
            for seed in range(1 if settings.smoke else SEEDS):
                for variant in variants[:: -1 if seed % 2 else 1]:  # drift cancels
                    if seed < variant.seeds and variant.name in cell:
                        asked = {"n_components": dataset.n_components, "random_state": seed, **variant.parameters}
                        found = outcome(X, covariance_type, asked, best, workers[variant.peer])
                        cell[variant.name].append(found)
            yield title, best, cell


def outcome(X: np.ndarray, covariance_type: str, parameters: Parameters, best: float, worker: Worker) -> Outcome:
    """Fit, and compare with the best known; a fit that raises has no gap, and is not healthy."""
    try:
        reading = worker(covariance_type, parameters)
    except WorkerError:
        return Outcome(np.nan, healthy=False, passes=np.nan, seconds=np.nan)
    climb: SolverResult = reading.value
    score = mean_log_likelihood(X, climb.mixture, covariance_type)
    return Outcome(best - score, health(climb.mixture, covariance_type, len(X)).good, climb.n_passes, reading.seconds)


def figures(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return what all fits of a variant come to; a gap below 0 is 0, and only healthy fits are hits."""
    gaps = np.array([max(outcome.gap, 0.0) for outcome in outcomes])  # nan stays
    healthy = np.array([outcome.healthy for outcome in outcomes], bool)
    if not outcomes:
        return {}
    return {
        MEAN_GAP: known_mean(gaps),
        "mean gap, healthy fits": known_mean(gaps[healthy]),
        WITHIN: float((healthy & (gaps <= HIT)).mean()),
        "unhealthy": float((~healthy).mean()),
        "passes": known_mean([outcome.passes for outcome in outcomes]),
        "seconds": known_mean([outcome.seconds for outcome in outcomes]),
        "above the best known": sum(outcome.healthy and outcome.gap < -1e-6 for outcome in outcomes),
    }


def known_mean(values: Iterable[float]) -> float:
    """Return the mean of what is known; nan if nothing is."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan


def show(title: str, best: float, cell: Cell, variants: Sequence[Variant], report: Report) -> None:
    """Print the mean gaps of one data set and type, and how many fits are not healthy."""
    cells = []
    for variant in variants:
        told = figures(cell.get(variant.name, []))
        sick = sum(not outcome.healthy for outcome in cell.get(variant.name, []))
        cells.append("–" if not told else f"{told[MEAN_GAP]:.4f}" + (f" ({sick} unhealthy)" if sick else ""))
    report.row(title, f"{best:.4f}", *cells)


def summarise(told: Mapping[str, dict[str, float]], report: Report) -> None:
    """Print a row for each figure."""
    words = {
        MEAN_GAP: "{:.4f}".format,
        "mean gap, healthy fits": "{:.4f}".format,
        WITHIN: percent,
        "unhealthy": percent,
        "passes": number,
        "seconds": number,
    }
    for name, word in words.items():
        cells = [word(figures[name]) if figures else "–" for figures in told.values()]
        report.row(f"**{name}**", "", *cells)
    for name, figures in told.items():
        if above := figures.get("above the best known", 0):
            report.note(f"{name}: {above:.0f} healthy fits lie above the best known: worth an optima --update")


def draw(told: Mapping[str, Mapping[str, float]]) -> Any:
    """Draw the mean gap over the mean time of a fit, a line through the numbers of starts of each peer."""
    from matplotlib import ticker

    figure, (axes,) = panels(1, (6.5, 4.2))
    for peer, colour in COLOURS.items():
        of_peer = [variant for variant in VARIANTS if variant.peer == peer and told.get(variant.name)]
        starts = [variant for variant in of_peer if "refine" not in variant.parameters]
        axes.plot(*places(starts, told), f"{MARKERS[peer]}-", color=colour, label=peer, markersize=7, linewidth=1)
        for variant in of_peer:
            x, y = (values[0] for values in places([variant], told))
            n_init = variant.parameters.get("n_init", 1)
            refined = "refine" in variant.parameters
            if refined:
                axes.plot(x, y, "*", color=colour, markersize=14, label="gmm, split–merge")
            text = "split–merge" if refined else f"{n_init} start{'s' * (n_init > 1)}"
            axes.annotate(text, (x, y), (7, 5), textcoords="offset points", fontsize=9, color=colour)
    axes.set(xlabel="seconds of a fit, mean over the problems", ylabel="nats per row below the best known, mean")
    axes.margins(0.14)
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())
    axes.legend(frameon=False)
    return figure


def places(variants: Sequence[Variant], told: Mapping[str, Mapping[str, float]]) -> tuple[list[float], list[float]]:
    """Return the times and gaps of variants."""
    return [told[variant.name]["seconds"] for variant in variants], [
        told[variant.name][MEAN_GAP] for variant in variants
    ]
