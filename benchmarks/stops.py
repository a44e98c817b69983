"""How reliable is the stopping rule? Measure how far below their own optimum default fits end, in units of `tol`.

Our textbook EM continues every fit, whichever peer made it, until nothing more is gained: this is what stopping left.
Fits that lead to a degenerate component are left out, since their likelihood has no maximum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.climbs import POLISH, TEXTBOOK, RecordedFit
from benchmarks.datasets import DATASETS, HARDER, Dataset
from benchmarks.health import health
from benchmarks.measure import Worker, WorkerError, crew
from benchmarks.optima import loaded
from benchmarks.peers import ESTIMATORS, OURS
from benchmarks.problems import mean_log_likelihood, stored
from benchmarks.report import Report, number, percent
from benchmarks.settings import Settings
from benchmarks.synthetic import SYNTHETIC

PEERS, THREADS = ESTIMATORS, (1,)
SEEDS = 5
TOL = 1e-3  # the default `tol`
FAR = 10  # tol
PROBLEMS = (*DATASETS, *HARDER, *SYNTHETIC)
Left = dict[str, list[float]]  # by peer, in units of tol; nan for a fit that is left out


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each problem and type, and a last row for all."""
    report.note(f"remaining gain, in units of tol = {TOL:g} nats per row; over all seeds")
    what = ("median", "90 %", "most", "> tol", f"> {FAR} tol", "of fits")
    report.header("problem", *(f"{peer}: {column}" for peer in settings.peers for column in what))
    everything: Left = {peer: [] for peer in settings.peers}
    for dataset, X in loaded(PROBLEMS, settings, report):
        used = replace(dataset, types=dataset.types[:1]) if settings.smoke else dataset
        for title, left in remaining(used, X, settings, report):
            show(title, left, report)
            for peer, values in left.items():
                everything[peer] += values
    show("all", everything, report)
    return True


def remaining(dataset: Dataset, X: np.ndarray, settings: Settings, report: Report) -> Iterator[tuple[str, Left]]:
    """Yield the title of each type, and the remaining gain of every fit."""
    rows = stored(X, settings.folder)
    jobs = {peer: (RecordedFit, peer, rows, 1) for peer in {OURS, *settings.peers}}
    with crew(1, jobs, report.failed) as workers:
        for covariance_type in dataset.types:
            seeds = range(1 if settings.smoke else SEEDS)
            title = dataset.title(covariance_type)
            yield (
                title,
                {
                    peer: [left(X, dataset.n_components, covariance_type, workers, peer, seed) for seed in seeds]
                    for peer in settings.peers
                },
            )


def left(
    X: np.ndarray, n_components: int, covariance_type: str, workers: Mapping[str, Worker], peer: str, seed: int
) -> float:
    """Return the remaining gain of one fit, in units of tol; nan if it fails or its optimum is degenerate."""
    options: dict[str, Any] = {"n_components": n_components}
    try:
        climb = workers[peer](covariance_type, {**options, "random_state": seed}).value
        polished = workers[OURS](covariance_type, {**options, **TEXTBOOK, **POLISH}, climb.mixture).value
    except (KeyError, WorkerError):
        return np.nan
    if not health(polished.mixture, covariance_type, len(X)).good:
        return np.nan
    gained = mean_log_likelihood(X, polished.mixture, covariance_type) - mean_log_likelihood(
        X, climb.mixture, covariance_type
    )
    return max(gained, 0.0) / TOL


def figures(values: list[float]) -> dict[str, float]:
    """Return the median, 90 % quantile and maximum, and the shares of fits above 1 and above `FAR` tol."""
    finite = np.array(values)[~np.isnan(values)]
    if not finite.size:
        return dict.fromkeys(("median", "p90", "most", "short", "far"), np.nan) | {"fits": 0}
    return {
        "median": float(np.median(finite)),
        "p90": float(np.quantile(finite, 0.9)),
        "most": float(finite.max()),
        "short": float((finite > 1).mean()),
        "far": float((finite > FAR).mean()),
        "fits": finite.size,
    }


def show(title: str, left: Left, report: Report) -> None:
    """Print one row."""
    cells = []
    for of_peer in map(figures, left.values()):
        cells += [few(of_peer[name]) for name in ("median", "p90", "most")]
        cells += [percent(of_peer["short"]), percent(of_peer["far"]), str(of_peer["fits"])]
    report.row(title, *cells)


def few(value: float) -> str:
    """Format a number of tolerances; less than a hundredth is 0."""
    return "0" if value < 0.01 else number(value, 2)
