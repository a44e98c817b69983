"""Does every seed find the best four components of iris? The worst BIC over the seeds, in the units of the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.climbs import RecordedFit
from benchmarks.datasets import Dataset, bundled
from benchmarks.gaps import FEW_SEEDS, SEEDS, Variant, chosen
from benchmarks.goals import BIC, IRIS_BIC, wording
from benchmarks.health import health
from benchmarks.measure import Worker, WorkerError, crew
from benchmarks.optima import loaded, n_parameters
from benchmarks.peers import ESTIMATORS
from benchmarks.problems import mean_log_likelihood, stored
from benchmarks.report import Report
from benchmarks.settings import Settings

PEERS, THREADS = ESTIMATORS, (1,)
IRIS = Dataset("iris", 4, bundled("iris", scaled=False))
REFINED = "gmm, split-merge"
ROUNDING = 0.01  # what may be above a published BIC


@dataclass(frozen=True)
class Found:
    """The BIC of each seed's fit, of which the unhealthy ones are nan."""

    bic: np.ndarray

    @property
    def worst(self) -> float:
        """The highest; infinity where a fit is not healthy, or none is there."""
        return (
            float(np.max(np.where(np.isnan(self.bic), np.inf, self.bic), initial=-np.inf)) if len(self.bic) else np.inf
        )

    @property
    def unhealthy(self) -> int:
        """How many fits are not healthy."""
        return int(np.isnan(self.bic).sum())

    def range(self) -> str:
        """Return the lowest and highest of the healthy ones."""
        known = self.bic[~np.isnan(self.bic)]
        return f"{known.min():.2f} … {known.max():.2f}" if known.size else "–"


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each type."""
    variants = [variant for variant in chosen(settings, report) if variant.seeds > FEW_SEEDS]
    seeds = range(2 if settings.smoke else SEEDS)
    report.note(f"BIC, lowest … highest of the healthy fits of {len(seeds)} seeds, and how many are not healthy")
    report.header("type", *(variant.name for variant in variants), "goal", "verdict")
    for dataset, X in loaded([IRIS], settings, report):
        jobs = {peer: (RecordedFit, peer, stored(X, settings.folder), 1) for peer in settings.peers}
        with crew(1, jobs, report.failed) as workers:
            there = [variant for variant in variants if variant.peer in workers]
            for covariance_type in dataset.types:
                found = {
                    variant.name: Found(
                        np.array([bic(X, covariance_type, variant, seed, workers[variant.peer]) for seed in seeds])
                    )
                    for variant in there
                }
                show(covariance_type, found, [variant.name for variant in variants], report)
    return True


def bic(X: np.ndarray, covariance_type: str, variant: Variant, seed: int, worker: Worker) -> float:
    """Fit; return the BIC, or nan for a fit that raises or is not healthy."""
    K = IRIS.n_components
    try:
        climb = worker(covariance_type, {"n_components": K, "random_state": seed, **variant.parameters}).value
    except WorkerError:
        return np.nan
    if not health(climb.mixture, covariance_type, len(X)).good:
        return np.nan
    n_rows, d = X.shape
    score = mean_log_likelihood(X, climb.mixture, covariance_type)
    return float(n_parameters(covariance_type, K, d) * np.log(n_rows) - 2 * n_rows * score)


def show(covariance_type: str, found: dict[str, Found], names: list[str], report: Report) -> None:
    """Print and keep one row; the goal is that of the refined fit, where there is one."""
    goals = {BIC: IRIS_BIC[covariance_type]}
    judged = found.get(REFINED)
    cells = [f"{found[name].range()} ({found[name].unhealthy})" if name in found else "–" for name in names]
    worst = judged.worst - ROUNDING if judged else np.nan
    met = "–" if judged is None else ("met" if worst <= goals[BIC] else "missed: BIC")
    report.row(
        (covariance_type, *cells, wording(goals), met),
        type=covariance_type,
        bic={name: of_variant.bic.tolist() for name, of_variant in found.items()},
        goals=goals,
        verdict=met,
    )
