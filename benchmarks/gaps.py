"""How good are whole fits? Compare log-likelihoods with the best known, on ten real data sets, by type and seed.

The best known optima have no degenerate component (`python -m benchmarks optima`). A degenerate fit, with a component
on too few rows or too thin, may lie above them: its gap is then 0, but it is not a hit, and it is counted separately.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import DATASETS, Dataset
from benchmarks.measure import Worker, WorkerError, worker_pool
from benchmarks.optima import best_known, loaded
from benchmarks.peers import BASELINE, ESTIMATORS, OURS
from benchmarks.problems import health, mean_log_likelihood, stored
from benchmarks.report import Report, Settings, number, percent
from benchmarks.tasks import DefaultFit, Fitted

PEERS, THREADS = ESTIMATORS, (1,)
SEEDS, FEW_SEEDS = 10, 2
HIT = 1e-3  # nats per row
MEAN_GAP, REGULAR_GAP, WITHIN = "mean gap", "mean gap, non-degenerate fits", f"within {HIT:g}"
DEGENERATE, ABOVE = "degenerate", "above the best known"
# Colours of Okabe and Ito, distinct for colour-blind readers; markers, and names in the legend.
STYLES = {BASELINE: ("#E69F00", "o", "scikit-learn"), OURS: ("#000000", "D", OURS)}
Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Variant:
    """A peer's fit with its own parameters, over `seeds` seeds."""

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
    """One fit: nats per row below the best known (negative above), its passes (nan if unknown) and seconds."""

    gap: float
    degenerate: bool
    passes: float
    seconds: float


Cell = dict[str, list[Outcome]]  # by variant


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this question."""
    parser.add_argument("--plot", type=Path, help="PNG file for a plot of gap against time")


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each data set and type, then summaries."""
    variants = chosen(settings)
    report.note("gap: nats per row below the best known log-likelihood, at least 0; mean over the seeds")
    report.note(f"seeds: {SEEDS}; with n_init=100 {FEW_SEEDS}")
    report.header("problem", "best known", *(variant.name for variant in variants))
    cells = []
    for dataset, X in loaded(DATASETS, settings, report):
        for title, best, cell in measured(dataset, X, variants, settings, report):
            show(title, best, cell, variants, report)
            cells.append(cell)
    summaries = {
        variant.name: figures([outcome for cell in cells for outcome in cell.get(variant.name, [])])
        for variant in variants
    }
    summarise(summaries, report)
    if settings.arguments.plot and any(summaries.values()):
        try:
            draw(summaries).savefig(settings.arguments.plot, dpi=150)
        except ImportError as reason:
            report.skipped("the plot", str(reason))
    return True


def chosen(settings: Settings) -> list[Variant]:
    """Return the variants of the available peers; in a smoke run, without the slowest."""
    fewest = SEEDS if settings.smoke else 0
    return [variant for variant in VARIANTS if variant.peer in settings.peers and variant.seeds >= fewest]


def measured(
    dataset: Dataset, X: np.ndarray, variants: Sequence[Variant], settings: Settings, report: Report
) -> Iterator[tuple[str, float, Cell]]:
    """Yield the title, best known value and outcomes of each type that has a best known value."""
    jobs = {peer: (DefaultFit, peer, stored(X, settings.folder), 1) for peer in settings.peers}
    with worker_pool(1, jobs, report.failed) as workers:
        for covariance_type in dataset.types:
            title, best = dataset.title(covariance_type), best_known(dataset, covariance_type, X)
            if np.isnan(best):
                report.note(f"{title} left out: no optimum of these rows is stored")
                continue
            cell: Cell = {variant.name: [] for variant in variants if variant.peer in workers}
            for worker in workers.values():
                outcome(X, covariance_type, {"n_components": dataset.n_components}, best, worker)  # warm-up
            for seed in range(1 if settings.smoke else SEEDS):
                for variant in variants[:: -1 if seed % 2 else 1]:  # drift cancels
                    if seed < variant.seeds and variant.name in cell:
                        parameters = {"n_components": dataset.n_components, "random_state": seed, **variant.parameters}
                        result = outcome(X, covariance_type, parameters, best, workers[variant.peer])
                        cell[variant.name].append(result)
            yield title, best, cell


def outcome(X: np.ndarray, covariance_type: str, parameters: Parameters, best: float, worker: Worker) -> Outcome:
    """Fit, and compare with the best known; a fit that raises has no gap and counts as degenerate."""
    try:
        reading = worker(covariance_type, parameters)
    except WorkerError:
        return Outcome(np.nan, degenerate=True, passes=np.nan, seconds=np.nan)
    fitted: Fitted = reading.value
    score = mean_log_likelihood(X, fitted.mixture, covariance_type)
    degenerate = not health(fitted.mixture, covariance_type, len(X)).good
    return Outcome(best - score, degenerate, fitted.n_passes, reading.seconds)


def figures(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Summarise the fits of a variant; negative gaps count as 0, and degenerate fits are never hits."""
    gaps = np.array([max(outcome.gap, 0.0) for outcome in outcomes])  # nan stays
    degenerate = np.array([outcome.degenerate for outcome in outcomes], bool)
    if not outcomes:
        return {}
    return {
        MEAN_GAP: known_mean(gaps),
        REGULAR_GAP: known_mean(gaps[~degenerate]),
        WITHIN: float((~degenerate & (gaps <= HIT)).mean()),
        DEGENERATE: float(degenerate.mean()),
        "passes": known_mean([outcome.passes for outcome in outcomes]),
        "seconds": known_mean([outcome.seconds for outcome in outcomes]),
        ABOVE: sum(not outcome.degenerate and outcome.gap < -1e-6 for outcome in outcomes),
    }


def known_mean(values: Iterable[float]) -> float:
    """Return the mean of the values that are not nan; nan if there are none."""
    finite = [value for value in values if not np.isnan(value)]
    return float(np.mean(finite)) if finite else np.nan


def show(title: str, best: float, cell: Cell, variants: Sequence[Variant], report: Report) -> None:
    """Print the mean gaps of one data set and type, and the number of degenerate fits."""
    cells = []
    for variant in variants:
        summary = figures(cell.get(variant.name, []))
        n_bad = sum(outcome.degenerate for outcome in cell.get(variant.name, []))
        cells.append("–" if not summary else f"{summary[MEAN_GAP]:.4f}" + (f" ({n_bad} degenerate)" if n_bad else ""))
    report.row(title, f"{best:.4f}", *cells)


def summarise(summaries: Mapping[str, dict[str, float]], report: Report) -> None:
    """Print a row for each figure."""
    formats = {
        MEAN_GAP: "{:.4f}".format,
        REGULAR_GAP: "{:.4f}".format,
        WITHIN: percent,
        DEGENERATE: percent,
        "passes": number,
        "seconds": number,
    }
    for name, formatted in formats.items():
        cells = [formatted(figures[name]) if figures else "–" for figures in summaries.values()]
        report.row(f"**{name}**", "", *cells)
    for name, figures in summaries.items():
        if above := figures.get(ABOVE, 0):
            report.note(f"{name}: {above:.0f} non-degenerate fits lie above the best known: run optima --update")


def draw(summaries: Mapping[str, Mapping[str, float]]) -> Any:
    """Draw the mean gap against the mean time of a fit, with a line for each peer."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot, ticker

    figure, axes = pyplot.subplots(figsize=(5, 4), layout="constrained")
    for peer, (colour, marker, label) in STYLES.items():
        of_peer = [variant for variant in VARIANTS if variant.peer == peer and summaries.get(variant.name)]
        places = [(summaries[variant.name]["seconds"], summaries[variant.name][MEAN_GAP]) for variant in of_peer]
        starts = [place for variant, place in zip(of_peer, places, strict=True) if "refine" not in variant.parameters]
        x, y = zip(*starts, strict=True) if starts else ((), ())
        axes.plot(x, y, f"{marker}-", color=colour, label=label, markersize=7, linewidth=1)
        for variant, place in zip(of_peer, places, strict=True):
            n_init = variant.parameters.get("n_init", 1)
            text = f"{n_init} start{'s' * (n_init > 1)}"
            if "refine" in variant.parameters:
                axes.plot(*place, "*", color=colour, markersize=14, label="gmm, split–merge")
                text = "split–merge"
            axes.annotate(text, place, (7, 5), textcoords="offset points", fontsize=9, color=colour)
    axes.set(xscale="log", yscale="log")
    axes.set(xlabel="CPU seconds of a fit, mean over the problems", ylabel="nats per row below the best known, mean")
    axes.margins(x=0.24, y=0.14)  # labels stand to the right of their points
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(ticker.NullFormatter())
    axes.grid(which="major", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure
