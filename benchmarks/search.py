"""How fast is the search over components and models, and is every cell as good as those of other packages?"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.datasets import breast_cancer_axes, bundled, digits_axes, faithful, galaxies, pixels
from benchmarks.mclust import MODELS, MclustSearch, installed_version
from benchmarks.measure import Timed, Worker, rounds, worker_pool
from benchmarks.peers import BASELINE, OURS, estimator_peer
from benchmarks.problems import Mixture, Problem, component_covariance, generate, health, rows_needed, stored
from benchmarks.report import Report, Settings, factor, number

MCLUST = "mclust"
PEERS, THREADS = (BASELINE, OURS), (1,)  # and mclust, which is no Python package
MOST, N_INIT = 9, 10
# scikit-learn's types, by mclust's names.
CLASSIC = {"VVV": "full", "EEE": "tied", "VVI": "diag", "VII": "spherical"}
NEAR = 0.5  # difference of criteria that counts as none
PURSUED = 40.0  # behind the best: a search leaves cells that are farther
# The M-step of mclust does not maximise this model, so its cells are not fits of it.
NOT_COMPARED = ("VVE",)
SMALL_ROWS, LARGE_REPEATS = 1000, 1

Cell = tuple[int, str]


def three_groups() -> np.ndarray:
    """Draw 145 rows in 3 dimensions like clinical data: a compact group, a loose one and a very elongated one."""
    rng = np.random.default_rng(1)
    compact = rng.multivariate_normal([91, 350, 172], [[60, 80, 30], [80, 1300, 400], [30, 400, 3300]], 76)
    loose = rng.multivariate_normal([99, 495, 290], [[80, 250, 100], [250, 3000, 900], [100, 900, 16000]], 36)
    far = rng.multivariate_normal(
        [217, 1040, 110], [[5900, 22000, -2000], [22000, 92000, -9000], [-2000, -9000, 1900]], 33
    )
    return np.concatenate([compact, loose, far])


def drawn(problem: Problem) -> np.ndarray:
    """Return the rows of a problem like those of the grid."""
    return generate(problem)[0]


LOADERS: dict[str, Callable[[], np.ndarray]] = {
    "iris, 150 × 4": bundled("iris", scaled=False),
    "three groups, 145 × 3": three_groups,
    "wine, 178 × 13": bundled("wine", scaled=False),
    "Old Faithful, 272 × 2": faithful,
    "5100 × 4": partial(drawn, Problem(5100, 4, 5, "full")),
    "10000 × 8": partial(drawn, Problem(10_000, 8, 6, "full")),
}


@dataclass(frozen=True)
class SearchResult:
    """The result of a search by cell: BIC, smaller is better, and whether the mixture is `good`: not degenerate."""

    bic: Mapping[Cell, float]
    good: Mapping[Cell, bool]

    def counting(self) -> dict[Cell, float]:
        """Return the criteria that count: those of non-degenerate mixtures."""
        return {cell: value for cell, value in self.bic.items() if self.good[cell] and np.isfinite(value)}

    @property
    def best(self) -> float:
        """Smallest criterion that counts; NaN if none does."""
        return min(self.counting().values(), default=np.nan)


@dataclass(frozen=True)
class Tally:
    """Numbers of cells in which ours is better, the same and worse.

    Cells in which the peer has no fit or a degenerate one are left out. In `degenerate` of the worse cells, ours is
    missing or degenerate; the others fall short by at most `shortfall`. In `near` of the worse cells, the peer's is
    within 40 of the best of both.
    """

    better: int
    same: int
    worse: int
    degenerate: int
    near: int
    left_out: int
    shortfall: float


def tally(ours: SearchResult, theirs: SearchResult) -> Tally:
    """Compare two searches cell by cell; a cell that is degenerate only in ours is worse."""
    mine, other = ours.counting(), theirs.counting()
    above = {cell: mine.get(cell, np.inf) - other[cell] for cell in other if cell[1] not in NOT_COMPARED}
    gaps, limit = np.array(list(above.values())), min(ours.best, theirs.best) + PURSUED
    near = sum(above[cell] > NEAR and other[cell] <= limit for cell in above)
    better, worse, degenerate = (int(cells.sum()) for cells in (gaps < -NEAR, gaps > NEAR, np.isinf(gaps)))
    shortfall = float(gaps[np.isfinite(gaps)].max(initial=0))
    return Tally(better, len(gaps) - better - worse, worse, degenerate, near, len(theirs.bic) - len(gaps), shortfall)


class OurSearch:
    """Our search, ``gmm.select``."""

    def __init__(self, rows: Path, n_threads: int) -> None:
        import gmm

        self.select, self.X, self.n_threads = gmm.select, np.load(rows), n_threads

    def __call__(self, most: int, models: Sequence[str]) -> Timed:
        """Search."""
        begin = time.perf_counter()
        selection = self.select(self.X, range(1, most + 1), models, random_state=0, n_threads=self.n_threads)
        seconds = time.perf_counter() - begin
        cells = [(int(K), name) for K, name in zip(selection.n_components, selection.covariance_type, strict=True)]
        good = {
            cell: fit is not None and healthy(dense(fit, cell[1]), cell[1], len(self.X))
            for cell, fit in zip(cells, selection.estimators, strict=True)
        }
        return Timed(seconds, SearchResult(dict(zip(cells, selection.bic.tolist(), strict=True)), good))


class LoopSearch:
    """A loop instead of a search: for each cell an estimator with ten starts, and its BIC."""

    def __init__(self, rows: Path, n_threads: int) -> None:
        self.X, self.n_threads = np.load(rows), n_threads
        estimator_peer(BASELINE).version()  # imports what a fit needs

    def __call__(self, most: int, models: Sequence[str]) -> Timed:
        """Search over models that scikit-learn has."""
        fits, bic = {}, {}
        begin = time.perf_counter()
        for K in range(1, most + 1):
            for model in models:
                fits[K, model] = estimator_peer(BASELINE).estimator(
                    self.n_threads, n_components=K, covariance_type=CLASSIC[model], n_init=N_INIT, random_state=0
                )
                bic[K, model] = float(fits[K, model].fit(self.X).bic(self.X))
        seconds = time.perf_counter() - begin
        return Timed(
            seconds,
            SearchResult(bic, {cell: healthy(dense(fits[cell], cell[1]), cell[1], len(self.X)) for cell in bic}),
        )


class RSearch:
    """mclust's search, timed in R."""

    def __init__(self, rows: Path, n_threads: int) -> None:
        self.search, self.n_rows = MclustSearch(rows), len(np.load(rows))
        self.mixtures: dict[tuple[Any, ...], dict[Cell, Mixture]] = {}

    def __call__(self, most: int, models: Sequence[str]) -> Timed:
        """Search."""
        names = tuple(models)
        timed = self.search(most, names)
        if (most, names) not in self.mixtures:  # repeated searches give the same mixtures
            self.mixtures[most, names] = self.search.mixtures()
        fits = self.mixtures[most, names]
        bic = {(K, name): float(timed.value[K - 1, j]) for K in range(1, most + 1) for j, name in enumerate(names)}
        good = {cell: cell in fits and healthy(fits[cell], cell[1], self.n_rows) for cell in bic}
        return Timed(timed.seconds, SearchResult(bic, good))


SEARCHES = {MCLUST: RSearch, BASELINE: LoopSearch, OURS: OurSearch}


def dense(fit: Any, model: str) -> Mixture:
    """Return a fitted mixture with a full covariance for each component; `model` is a name of mclust."""
    kind = "spherical" if model.endswith("II") else "diag" if model.endswith("I") else CLASSIC.get(model, "full")
    mixture = Mixture(fit.weights_, fit.means_, fit.covariances_)
    covariances = [component_covariance(mixture, kind, k) for k in range(len(fit.weights_))]
    return replace(mixture, covariances=np.array(covariances))


def healthy(mixture: Mixture, model: str, n_rows: int) -> bool:
    """Return whether no component of a mixture with full covariances is degenerate."""
    state = health(mixture, CLASSIC["VVV"], n_rows)
    return replace(state, needed=rows_needed(CLASSIC.get(model, model), mixture.means.shape[1])).good


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each table, set of models and peer; return whether no cell that counts is worse."""
    if settings.arguments.stability:
        return stability(settings, report)
    report.note(
        f"BIC of 1 … {MOST} components; better and worse mean by more than {NEAR}, if the peer's cell is not degenerate"
    )
    report.note(f"near: the peer's cell is within {PURSUED:g} of the best; a search leaves cells that are farther")
    report.note(f"sklearn: a loop with n_init={N_INIT}; mclust: mclustBIC, timed in R; VVE is timed but not compared")
    titles = ("better", "same", "worse (degenerate; near)", "left out", "worst by", "best BIC", "theirs")
    report.header("table", "models", "peer", "gmm s", "theirs s", "theirs ÷ ours", *titles)
    try:
        report.note(f"{MCLUST} {installed_version()}")
        settings = replace(settings, peers=(*settings.peers, MCLUST))
    except (OSError, RuntimeError) as reason:
        report.skipped(MCLUST, str(reason))
    right = True
    for name, load in chosen(settings, report):
        right &= compare(name, load(), tuple(CLASSIC), (MCLUST, BASELINE), settings, report)
        right &= compare(name, load(), MODELS, (MCLUST,), settings, report)
    return right


# Real tables on which the choice is made again by every seed.
STABILITY: dict[str, Callable[[], np.ndarray]] = {
    "iris": bundled("iris"),
    "wine": bundled("wine"),
    "wine, own units": bundled("wine", scaled=False),
    "wine, 6 columns": bundled("wine", slice(6)),
    "breast cancer, 6 axes": breast_cancer_axes,
    "breast cancer, 10 means": bundled("breast_cancer", slice(10)),
    "digits, 4 axes": partial(digits_axes, 4),
    "linnerud": bundled("linnerud"),
    "diabetes": bundled("diabetes", slice(2, 8)),
    "flower, 1000 pixels": lambda: pixels("flower")()[:1000],
    "galaxies": galaxies,
    "Old Faithful": faithful,
}
SEEDS = 10


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of this question."""
    command.add_argument(
        "--stability", action="store_true", help=f"which cell {SEEDS} seeds choose on {len(STABILITY)} real tables"
    )


def stability(settings: Settings, report: Report) -> bool:
    """Print which cell each seed chooses; return whether it is one, with a BIC that differs by at most `NEAR`."""
    import gmm

    report.note(f"all 14 models, 1 … {MOST} components; how many of {SEEDS} seeds chose each cell; CPU seconds of one")
    report.header("table", "cells", "best BIC", "spread", "found again", "ambiguous", "CPU s")
    right = True
    for name, load in STABILITY.items():
        if settings.only not in name:
            continue
        X, begin = load(), time.process_time()
        found = [gmm.select(X, range(1, MOST + 1), random_state=seed, n_threads=1) for seed in range(SEEDS)]
        seconds = (time.process_time() - begin) / SEEDS
        cells = Counter(f"{one.best.covariance_type},{one.best.n_components}" for one in found)
        bics = [float(one.bic[one.best_index]) for one in found]
        again, fresh = (sum(getattr(one, field) for one in found) for field in ("n_found_again", "n_new_starts"))
        ambiguous = median(len(one.ambiguous) for one in found)
        chosen_by = ", ".join(f"{cell}: {n}" for cell, n in cells.most_common())
        spread = max(bics) - min(bics)
        row = (chosen_by, f"{min(bics):.2f}", f"{spread:.2f}", f"{again} of {fresh}", f"{ambiguous:g}", number(seconds))
        report.row(name, *row)
        right &= len(cells) == 1 and spread <= NEAR
    return right


def chosen(settings: Settings, report: Report) -> list[tuple[str, Callable[[], np.ndarray]]]:
    """Return the tables whose name contains `only`; in a smoke run, only the smallest."""
    available = []
    for name, load in list(LOADERS.items())[: 2 if settings.smoke else None]:
        try:
            load()
        except ImportError as reason:
            report.skipped(name, str(reason))
        else:
            available += [(name, load)] if settings.only in name else []
    return available[:1] if settings.smoke else available


def compare(
    name: str, X: np.ndarray, models: Sequence[str], peers: Sequence[str], settings: Settings, report: Report
) -> bool:
    """Search with all peers, and print a row for each; return whether no peer has a better cell."""
    most = 2 if settings.smoke else MOST

    def searched(worker: Worker, turn: int) -> tuple[float, SearchResult]:
        reading = worker(most, models)
        return reading.seconds, reading.value

    rows = stored(X, settings.folder)
    jobs = {peer: (SEARCHES[peer], rows, 1) for peer in (*peers, OURS) if peer in settings.peers}
    repeats = settings.repeats if len(X) <= SMALL_ROWS else LARGE_REPEATS
    with worker_pool(1, jobs, report.failed) as workers:
        results = rounds(workers, searched, repeats, report.failed)
    results_of = {peer: (median(seconds for seconds, _ in of), of[-1][1]) for peer, of in results.items()}
    right = True
    for peer in peers:
        right &= show((name, len(models), peer), results_of, settings, report)
    return right


def show(
    case: tuple[str, int, str], results_of: Mapping[str, tuple[float, SearchResult]], settings: Settings, report: Report
) -> bool:
    """Print one row; return whether no cell is worse. A missing peer has a row without numbers."""
    name, n_models, peer = case
    if OURS not in results_of or peer not in results_of:
        report.row(name, str(n_models), f"{peer}: not available", *"–" * 10)
        return True
    (seconds, ours), (their_seconds, theirs) = results_of[OURS], results_of[peer]
    counts = tally(ours, theirs)
    report.row(
        name,
        str(n_models),
        peer,
        number(seconds),
        number(their_seconds),
        factor(their_seconds / seconds),
        *map(str, (counts.better, counts.same)),
        f"{counts.worse} ({counts.degenerate}; {counts.near})",
        str(counts.left_out),
        f"{counts.shortfall:.2f}",
        f"{ours.best:.2f}",
        f"{theirs.best:.2f}",
    )
    return settings.smoke or counts.worse == 0
