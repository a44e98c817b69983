"""What are the best known optima? The stored highest likelihoods without a degenerate component, and their origins.

`--update` continues the search where the last one ended. For each problem it fits from each kind of start in turn, with
a new seed in every round, until the time is over, and polishes the best fits until nothing more is gained. A stored
value never falls. Without `--update`, print the table, and repeat the fit from each best start.
"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import DATASETS, HARDER, Dataset
from benchmarks.measure import Timed, Worker, WorkerError, worker_pool
from benchmarks.peers import OURS
from benchmarks.problems import Health, Mixture, health, mean_log_likelihood, rows_needed, stored
from benchmarks.report import Report, Settings, conditions
from benchmarks.synthetic import SYNTHETIC
from benchmarks.tasks import DefaultFit, Fitted

PEERS, THREADS = (OURS,), (1,)
STORED = Path(__file__).with_name("optima.json")
PROBLEMS = (*DATASETS, *HARDER, *SYNTHETIC)
SECONDS = 20.0  # search time for one problem and type
FINALISTS = 6
DISTINCT = 1e-5  # nats per row between two finalists
NEAR = 1e-3  # nats per row within which a fit counts as having reached an optimum
SCREEN = {"tol": 1e-5, "max_iter": 300}
POLISH = {"tol": 1e-10, "max_iter": 5000}  # continue to the optimum
KINDS: dict[str, dict[str, Any]] = {
    "k-means": {"init_params": "kmeans"},
    "k-means++": {"init_params": "k-means++"},
    "rows": {"init_params": "random_from_data"},
    "scikit-learn's KMeans": {},
    "split-merge": {"refine": "split-merge"},
}
LABELLED = "scikit-learn's KMeans"
Entry = dict[str, Any]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this question."""
    parser.add_argument("--update", action="store_true", help="continue the search, and store better optima")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="search time for each problem and type")


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each problem and type; return whether all stored optima are of the current rows."""
    update = settings.arguments.update
    report.note("log-likelihood in nats per row; rows and thinness are those of the worst component")
    report.header(
        "problem", "one component", "best known", "BIC", "rows, of needed", "thinness", "found by", "hits", "again"
    )
    answers = []
    for dataset, X in loaded(PROBLEMS, settings, report):
        jobs = {
            OURS: (DefaultFit, OURS, stored(X, settings.folder), 1),
            LABELLED: (LabelledFit, OURS, stored(X, settings.folder), 1),
        }
        with worker_pool(1, jobs, report.failed) as workers:
            for covariance_type in dataset.types:
                search = Search(dataset, covariance_type, X, workers)
                entry = entries().get(search.title)
                if update and not settings.smoke:
                    entry = searched(search, entry, settings.arguments.seconds)
                    keep(search.title, entry)
                answers.append(show(search, entry, report, check=not update))
    return settings.smoke or all(answers)


class LabelledFit(DefaultFit):
    """Fits that start from the clusters of scikit-learn's KMeans."""

    def __call__(self, covariance_type: str, parameters: Mapping[str, Any], start: Mixture | None = None) -> Timed:
        """Fit; `random_state` is the seed of KMeans."""
        from sklearn.cluster import KMeans

        K = parameters["n_components"]
        labels = KMeans(K, n_init=1, random_state=parameters["random_state"]).fit(self.X).labels_
        return super().__call__(covariance_type, {**parameters, "init_params": np.eye(K)[labels]})


class Search:
    """One problem and type, and the workers that fit it."""

    def __init__(self, dataset: Dataset, covariance_type: str, X: np.ndarray, workers: dict[str, Worker]) -> None:
        self.X, self.covariance_type, self.workers = X, covariance_type, workers
        self.n_components, self.title = dataset.n_components, dataset.title(covariance_type)

    def fit(self, kind: str, seed: int, **parameters: Any) -> Fitted | None:
        """Fit from a start of that kind; return None if the fit fails."""
        options = {"n_components": self.n_components, "random_state": seed, **KINDS[kind], **parameters}
        return climbed(self.workers.get(LABELLED if kind == LABELLED else OURS), self.covariance_type, options)

    def polish(self, climb: Fitted) -> Fitted | None:
        """Continue a fit until nothing more is gained."""
        options = {"n_components": self.n_components, **POLISH}
        return climbed(self.workers.get(OURS), self.covariance_type, options, climb.mixture)

    def score(self, climb: Fitted) -> float:
        """Return the reference log-likelihood."""
        return mean_log_likelihood(self.X, climb.mixture, self.covariance_type)

    def health(self, climb: Fitted) -> Health:
        """Return the health of the fitted mixture."""
        return health(climb.mixture, self.covariance_type, len(self.X))


def show(search: Search, entry: Entry | None, report: Report, *, check: bool) -> bool:
    """Print one row; return whether the entry belongs to these rows."""
    if entry is None:
        report.row(search.title, *["–"] * 8)
        return True
    again = np.nan
    if check and (first := search.fit(entry["kind"], entry["seed"], **SCREEN)) and (climb := search.polish(first)):
        again = search.score(climb) - entry["score"]
    same = bool(np.isclose(entry["one_component"], alone(search.X), rtol=1e-9))
    if not same:
        report.note(f"{search.title}: the stored optimum is of other rows")
    n_rows, d = search.X.shape
    bic = n_parameters(search.covariance_type, search.n_components, d) * np.log(n_rows) - 2 * n_rows * entry["score"]
    report.row(
        search.title,
        f"{entry['one_component']:.4f}",
        f"{entry['score']:.6f}",
        f"{bic:.2f}",
        f"{entry['rows']:.1f} of {rows_needed(search.covariance_type, d)}",
        f"{entry['thinness']:.1e}",
        f"{entry['kind']}, seed {entry['seed']}",
        f"{entry['last']['hits']} of {entry['last']['restarts']}",
        f"{again:+.0e}" if np.isfinite(again) else "–",
    )
    return same


def n_parameters(covariance_type: str, K: int, d: int) -> int:
    """Return the number of free parameters."""
    square = d * (d + 1) // 2
    return K - 1 + K * d + {"full": K * square, "tied": square, "diag": K * d, "spherical": K}[covariance_type]


def loaded(problems: Iterable[Dataset], settings: Settings, report: Report) -> Iterator[tuple[Dataset, np.ndarray]]:
    """Yield the available data sets whose name contains `only`, with their rows; in a smoke run, one."""
    chosen = [dataset for dataset in problems if settings.only in dataset.name]
    for dataset in chosen[:1] if settings.smoke else chosen:
        try:
            yield dataset, dataset.load()
        except ImportError as reason:
            report.skipped(dataset.name, str(reason))


def climbed(worker: Worker | None, *question: Any) -> Fitted | None:
    """Return a worker's fit, or None if there is no worker or the fit fails."""
    try:
        return None if worker is None else worker(*question).value
    except WorkerError:
        return None


def searched(search: Search, entry: Entry | None, seconds: float) -> Entry | None:
    """Search again and return the updated entry, or None if only degenerate mixtures are known."""
    before = entry or {"score": -np.inf, "tried": {}}
    tried = dict(before["tried"])
    fits = []
    for kind, seed, climb in rounds(search, tried, seconds):
        tried[kind] = seed + 1
        if climb is not None and search.health(climb).good:
            fits.append((climb.bound, kind, seed, climb))
    best = before
    for _, kind, seed, climb in finalists(fits):
        polished = search.polish(climb)
        if polished is None or not search.health(polished).good:
            continue
        score = search.score(polished)
        if score > best["score"] + 1e-9:
            state = search.health(polished)
            made = {key: conditions()[key] for key in ("date", "python", "cpu")} | {"versions": versions()}
            best = {"score": score, "rows": state.rows, "thinness": state.thinness, "kind": kind, "seed": seed, **made}
    if not np.isfinite(best["score"]):
        return None
    hits = sum(score > best["score"] - NEAR for score, *_ in fits)
    last = {"hits": hits, "restarts": sum(tried.values()) - sum(before["tried"].values())}
    return {**best, "one_component": alone(search.X), "tried": tried, "last": last}


def rounds(search: Search, tried: dict[str, int], seconds: float) -> Iterator[tuple[str, int, Fitted | None]]:
    """Yield fits from each kind of start in turn, each with its next seed."""
    end = time.monotonic() + seconds
    next_seed = {kind: tried.get(kind, 0) for kind in KINDS}
    while time.monotonic() < end:
        for kind in KINDS:
            yield kind, next_seed[kind], search.fit(kind, next_seed[kind], **SCREEN)
            next_seed[kind] += 1


def finalists(fits: list[tuple[float, str, int, Fitted]]) -> Iterator[tuple[float, str, int, Fitted]]:
    """Yield the best distinct fits."""
    last, count = np.inf, 0
    for candidate in sorted(fits, key=lambda fit: fit[0], reverse=True):
        if candidate[0] < last - DISTINCT and count < FINALISTS:
            yield candidate
            last, count = candidate[0], count + 1


def versions() -> dict[str, str]:
    """Return the versions that a fit depends on."""
    relevant = ("gmm-em", "numpy", "scikit-learn")
    return {name: version for name, version in conditions()["versions"].items() if name in relevant}


def alone(X: np.ndarray) -> float:
    """Return the log-likelihood of one full Gaussian, which identifies the rows."""
    _, log_det = np.linalg.slogdet(np.atleast_2d(np.cov(X.T, bias=True)))
    return float(-0.5 * (X.shape[1] * (1 + np.log(2 * np.pi)) + log_det))


@cache
def entries() -> dict[str, Entry]:
    """Return the stored table."""
    table: dict[str, Entry] = json.loads(STORED.read_text()) if STORED.exists() else {}
    return table


def best_known(dataset: Dataset, covariance_type: str, X: np.ndarray) -> float:
    """Return the stored optimum of these rows; nan if there is none."""
    entry = entries().get(dataset.title(covariance_type))
    if entry is None or not np.isclose(entry["one_component"], alone(X), rtol=1e-9):
        return np.nan
    return float(entry["score"])


def keep(title: str, entry: Entry | None) -> None:
    """Store an entry at once, so that a search can be stopped and resumed."""
    if entry is not None:
        entries()[title] = entry
        STORED.write_text(json.dumps(entries(), indent=1) + "\n")
