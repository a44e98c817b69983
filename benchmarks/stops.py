"""Can the stop be trusted? How far below their own optimum default fits end, in units of `tol`.

Each fit climbs on from its parameters, by our textbook EM whoever fitted, until passes gain nothing: what it gains is
what the stop has left. Fits are left out whose optimum has a component on too few rows or too thin: it has no end.
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
TOL = 1e-3  # of a default fit
FAR = 10  # tol
PROBLEMS = (*DATASETS, *HARDER, *SYNTHETIC)
Left = dict[str, list[float]]  # by peer, in units of tol; nan for a fit that is left out


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each problem and type, the last for all."""
    report.note(f"what is left to be gained, in units of tol = {TOL:g} nats per row; over all seeds")
    what = ("median", "90 %", "most", "> tol", f"> {FAR} tol", "of fits")
    report.header("problem", *(f"{peer}: {column}" for peer in settings.peers for column in what))
    everything: Left = {peer: [] for peer in settings.peers}
    for dataset, X in loaded(PROBLEMS, settings, report):
        asked = replace(dataset, types=dataset.types[:1]) if settings.smoke else dataset
        for title, left in remaining(asked, X, settings, report):
            show(title, left, report)
            for peer, values in left.items():
                everything[peer] += values
    show("all", everything, report)
    return True


def remaining(dataset: Dataset, X: np.ndarray, settings: Settings, report: Report) -> Iterator[tuple[str, Left]]:
    """Yield the title of each type, and what every fit has left."""
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
    """Return what one fit has left, in units of tol; nan where there is no fit or no healthy optimum."""
    asked: dict[str, Any] = {"n_components": n_components}
    try:
        climb = workers[peer](covariance_type, {**asked, "random_state": seed}).value
        polished = workers[OURS](covariance_type, {**asked, **TEXTBOOK, **POLISH}, climb.mixture).value
    except (KeyError, WorkerError):
        return np.nan
    if not health(polished.mixture, covariance_type, len(X)).good:
        return np.nan
    gained = mean_log_likelihood(X, polished.mixture, covariance_type) - mean_log_likelihood(
        X, climb.mixture, covariance_type
    )
    return max(gained, 0.0) / TOL


def figures(values: list[float]) -> dict[str, float]:
    """Return the median, the 90 % quantile, the most, and the shares of fits that stop short and far short."""
    known = np.array(values)[~np.isnan(values)]
    if not known.size:
        return dict.fromkeys(("median", "p90", "most", "short", "far"), np.nan) | {"fits": 0}
    return {
        "median": float(np.median(known)),
        "p90": float(np.quantile(known, 0.9)),
        "most": float(known.max()),
        "short": float((known > 1).mean()),
        "far": float((known > FAR).mean()),
        "fits": known.size,
    }


def show(title: str, left: Left, report: Report) -> None:
    """Print one row."""
    cells = []
    for of_peer in map(figures, left.values()):
        cells += [few(of_peer[name]) for name in ("median", "p90", "most")]
        cells += [percent(of_peer["short"]), percent(of_peer["far"]), str(of_peer["fits"])]
    report.row(title, *cells)


def few(value: float) -> str:
    """Return a number of tolerances: what is less than a hundredth is nothing."""
    return "0" if value < 0.01 else number(value, 2)
