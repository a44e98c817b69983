"""How fast is a whole default fit, and how good is its result?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from benchmarks.datasets import DATASETS
from benchmarks.measure import Worker, WorkerError, crew, rounds
from benchmarks.peers import BASELINE, ESTIMATORS, OURS
from benchmarks.problems import TYPES, Problem, generate, mean_log_likelihood, stored
from benchmarks.report import VS_BASELINE, Report, factor, number, ratios
from benchmarks.settings import Settings
from benchmarks.tasks import DefaultFit

PEERS, THREADS = ESTIMATORS, (1,)
SMALL = "iris"
LARGE = (Problem(200_000, 8, 16, "full"), Problem(200_000, 16, 64, "diag"))
SEEDS, LARGE_SEEDS = 20, 3
TOLERANCE = 1e-3  # nats per row that a default fit may lose, in the median over the seeds


@dataclass(frozen=True)
class Case:
    """Rows to fit with default settings, for each covariance type and `seeds` seeds."""

    name: str
    X: np.ndarray
    n_components: int
    types: Sequence[str]
    seeds: int


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each case and type; return whether no median falls short."""
    report.note("seconds and log-likelihood per row: medians over the seeds")
    report.note("difference: our log-likelihood minus scikit-learn's for each seed: median and range")
    columns = [f"{name} {what}" for what in ("s", "log-likelihood") for name in settings.peers]
    report.header("data", "d, K, type", "threads", *columns, VS_BASELINE, "difference", "range")
    short = [
        title
        for case in cases(settings, report)
        for n_threads in settings.threads
        for title, gain in compare(case, n_threads, settings, report)
        if gain < -TOLERANCE
    ]
    report.note(f"more than {TOLERANCE} below scikit-learn: {'; '.join(short) or 'none'}")
    return settings.smoke or not short  # one seed proves nothing


def cases(settings: Settings, report: Report) -> Iterator[Case]:
    """Yield the cases whose name contains `only`, smaller in a smoke run."""
    for problem in LARGE:
        if settings.only in problem.name:
            used = replace(problem.tiny(), n_features=2) if settings.smoke else problem
            X, _ = generate(used)
            yield Case(used.name, X, used.n_components, (used.covariance_type,), 1 if settings.smoke else LARGE_SEEDS)
    small = next(dataset for dataset in DATASETS if dataset.name == SMALL)
    if settings.only in SMALL:
        try:
            yield Case(SMALL, small.load(), small.n_components, TYPES, 1 if settings.smoke else SEEDS)
        except ImportError as reason:
            report.skipped(SMALL, str(reason))


def compare(case: Case, n_threads: int, settings: Settings, report: Report) -> Iterator[tuple[str, float]]:
    """Print a row for each covariance type; yield its title and the median difference."""
    rows = stored(case.X, settings.folder)
    jobs = {peer: (DefaultFit, peer, rows, n_threads) for peer in settings.peers}
    with crew(n_threads, jobs, report.failed) as workers:
        for covariance_type in case.types:
            fit = partial(fitted, case.X, case.n_components, covariance_type)
            results = rounds(workers, fit, case.seeds, report.failed)
            shape = f"{case.X.shape[1]}, {case.n_components}, {covariance_type}"
            title = (case.name, shape, str(n_threads))
            yield " ".join(title), show(title, results, settings, report)


def fitted(X: np.ndarray, n_components: int, covariance_type: str, worker: Worker, seed: int) -> tuple[float, float]:
    """Return the seconds and the log-likelihood per row; nan for a fit that raises."""
    try:
        reading = worker(n_components, covariance_type, seed)
    except WorkerError:
        return np.nan, np.nan
    return reading.seconds, mean_log_likelihood(X, reading.value, covariance_type)


def show(
    title: tuple[str, str, str], results: dict[str, list[tuple[float, float]]], settings: Settings, report: Report
) -> float:
    """Print one row; return the median difference, or nan."""
    seconds = {peer: known_median(np.array(pairs)[:, 0]) for peer, pairs in results.items()}
    scores = {peer: np.array(pairs)[:, 1] for peer, pairs in results.items()}
    to_baseline, _ = ratios(seconds)
    gains = np.full(1, np.nan)
    if OURS in scores and BASELINE in scores:  # if our fit raises, it loses
        gains = np.nan_to_num(scores[OURS], nan=-np.inf) - scores[BASELINE]
    gain = known_median(gains)
    compared = not np.isnan(gain)
    figures = [number(seconds.get(peer, np.nan)) for peer in settings.peers]
    figures += [likelihood(scores.get(peer)) for peer in settings.peers]
    spread = f"{np.nanmin(gains):+.4f} … {np.nanmax(gains):+.4f}" if compared else "–"
    report.row(*title, *figures, factor(to_baseline), f"{gain:+.5f}" if compared else "–", spread)
    return gain


def known_median(values: np.ndarray) -> float:
    """Return the median of the values that are not nan; nan if there are none."""
    finite = values[~np.isnan(values)]
    return float(np.median(finite)) if finite.size else np.nan


def likelihood(scores: np.ndarray | None) -> str:
    """Return the median log-likelihood per row for the table."""
    median = np.nan if scores is None else known_median(scores)
    return "–" if np.isnan(median) else f"{median:.4f}"
