"""How good and how quick is a default fit: start, climb and stop together?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.datasets import DATASETS
from benchmarks.measure import Worker, WorkerError, crew, rounds
from benchmarks.peers import BASELINE, ESTIMATORS, OURS
from benchmarks.problems import Problem, generate, mean_log_likelihood, stored
from benchmarks.report import Report, factor, number, ratios
from benchmarks.settings import Settings
from benchmarks.tasks import DefaultFit

PEERS, THREADS = ESTIMATORS, (1,)
TYPES = ("full", "tied", "diag", "spherical")
SEEDS = 10
LARGE = (Problem(200_000, 8, 16, "full"), Problem(200_000, 16, 64, "diag"))
LARGE_SEEDS = 3
TOLERANCE = 1e-3  # nats per row that a default fit may lose, in the median over the seeds


@dataclass(frozen=True)
class Case:
    """Rows that are fitted by default, with each of the covariance types and `seeds` seeds."""

    name: str
    X: np.ndarray
    n_components: int
    types: Sequence[str]
    seeds: int


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each data set and type; return whether no median falls short."""
    report.note("seconds: median over the seeds; difference: our log-likelihood in nats per row")
    report.note("less scikit-learn's, seed by seed: its median, and from the lowest to the highest")
    seconds = (f"{name} s" for name in settings.peers)
    report.header("data", "d, K, type", "threads", *seconds, "vs sklearn", "difference", "range")
    short = [
        title
        for case in cases(settings, report)
        for n_threads in settings.threads
        for title, gain in compare(case, n_threads, settings, report)
        if gain < -TOLERANCE
    ]
    report.note(f"more than {TOLERANCE} below scikit-learn: {'; '.join(short) or 'none'}")
    return settings.smoke or not short  # two seeds prove nothing


def cases(settings: Settings, report: Report) -> Iterator[Case]:
    """Yield the real data sets, then the large problems, whose name contains `only`."""
    for dataset in DATASETS[:2] if settings.smoke else DATASETS:
        if settings.only in dataset.name:
            try:
                X = dataset.load()
            except ImportError as reason:
                report.skipped(dataset.name, str(reason))
                continue
            seeds = 2 if settings.smoke else SEEDS
            yield Case(dataset.name, X, dataset.n_components, TYPES, seeds)
    for problem in () if settings.smoke else LARGE:
        if settings.only in problem.name:
            X, _ = generate(problem)
            types = (problem.covariance_type,)
            yield Case(problem.name, X, problem.n_components, types, LARGE_SEEDS)


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
    """Return the seconds and the log-likelihood per row; no numbers for a fit that raises."""
    try:
        reading = worker(n_components, covariance_type, seed)
    except WorkerError:
        return np.nan, np.nan
    return reading.seconds, mean_log_likelihood(X, reading.value, covariance_type)


def show(
    title: tuple[str, str, str],
    results: dict[str, list[tuple[float, float]]],
    settings: Settings,
    report: Report,
) -> float:
    """Print and keep one row; return the median difference, or nan."""
    seconds = {peer: known_median(np.array(pairs)[:, 0]) for peer, pairs in results.items()}
    scores = {peer: np.array(pairs)[:, 1] for peer, pairs in results.items()}
    to_baseline, _ = ratios(seconds)
    gains = np.full(1, np.nan)
    if OURS in scores and BASELINE in scores:  # a fit of ours that raises has lost
        gains = np.nan_to_num(scores[OURS], nan=-np.inf) - scores[BASELINE]
    gain = known_median(gains)
    known = not np.isnan(gain)
    spread = f"{np.nanmin(gains):+.4f} … {np.nanmax(gains):+.4f}" if known else "–"
    difference = f"{gain:+.5f}" if known else "–"
    figures = (number(seconds.get(peer, np.nan)) for peer in settings.peers)
    report.row(
        (*title, *figures, factor(to_baseline), difference, spread),
        data=title[0],
        shape_and_type=title[1],
        n_threads=int(title[2]),
        seconds=seconds,
        ratio_to_sklearn=to_baseline,
        difference=gain,
        scores={peer: values.tolist() for peer, values in scores.items()},
    )
    return gain


def known_median(values: np.ndarray) -> float:
    """Return the median of what is not nan; nan if nothing is."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else np.nan
