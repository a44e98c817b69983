"""How many rows of known class are predicted wrong, by cross-validation, compared with mclust's MclustDA?

Both choose among 1 … 5 components and 14 covariance models for each class by BIC, and are fitted to the same folds.
Ours also has the predicted probabilities of the true classes.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.labelled import Labelled, Load, digits, of_r, of_scikit_learn
from benchmarks.mclust import installed_version, wrong_predictions
from benchmarks.report import Report, Settings, number

PEERS, THREADS = ("gmm",), (1,)
MOST, FOLDS, SMOKE_TYPES = 5, 5, ("EII", "EEE")
LEAST = np.log(1e-15)  # nats


@dataclass(frozen=True)
class Table:
    """Rows with their classes by name; those of mclust need R."""

    name: str
    load: Load


def groups(folder: Path, *, n: int, d: int, n_classes: int, seed: int) -> Labelled:
    """Draw classes of two groups each, with covariances of their own."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(n_classes), n // n_classes)
    X = np.empty((len(y), d))
    for group in range(2 * n_classes):
        rows = np.flatnonzero(y == group // 2)[group % 2 :: 2]
        axes = np.linalg.qr(rng.normal(size=(d, d)))[0] * np.exp(rng.normal(size=d) / 2)
        X[rows] = 1.5 * rng.normal(size=d) + rng.normal(size=(len(rows), d)) @ axes.T
    return X, y


def rings(folder: Path) -> Labelled:
    """Draw two rings, one in the other."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 150)
    angle, radius = rng.uniform(0, 2 * np.pi, 300), np.where(y == 0, 1.0, 0.5)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]) + rng.normal(0, 0.12, (300, 2)), y


TABLES = (
    Table("iris", of_scikit_learn("iris")),
    Table("wine", of_scikit_learn("wine")),
    Table("banknote", of_r("banknote", "mclust", "Status")),
    Table("thyroid", of_r("thyroid", "mclust", "Diagnosis")),
    Table("diabetes", of_r("diabetes", "mclust", "class")),
    Table("rings, 300 × 2", rings),
    Table("breast cancer, 10 means", of_scikit_learn("breast_cancer", 10)),
    Table("digits 3, 8, 9, 8 axes", digits((3, 8, 9), 8)),
    Table("groups, 300 × 3", partial(groups, n=300, d=3, n_classes=3, seed=1)),
)


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each table; return whether our mean error is no larger than mclust's."""
    report.note(f"share of {FOLDS} folds' rows that fits to the others predict wrong; components 1 … {MOST}, 14 models")
    report.header("table", "rows", "gmm", "mclust", "gmm nats", "gmm s", "mclust s")
    there = not settings.smoke
    try:
        report.note(f"mclust {installed_version()}")
    except (OSError, RuntimeError) as reason:
        report.skipped("mclust", str(reason))
        there = False
    errors: list[tuple[float, float]] = []
    for table in TABLES[:1] if settings.smoke else TABLES:
        if settings.only in table.name:
            try:
                errors.append(compared(table, there, settings, report))
            except (OSError, RuntimeError) as reason:
                report.skipped(table.name, str(reason))
    pairs = np.array([pair for pair in errors if np.isfinite(pair).all()])
    if not len(pairs):
        return True
    ours, theirs = pairs.mean(axis=0)
    report.row("mean", "", f"{ours:.3f}", f"{theirs:.3f}", "", "", "")
    return bool(ours <= theirs)


def compared(table: Table, with_mclust: bool, settings: Settings, report: Report) -> tuple[float, float]:
    """Print the row of one table; return the shares of wrong predictions, ours and mclust's."""
    X, y = table.load(settings.folder)
    folds = np.random.default_rng(1).permutation(len(X)) % FOLDS
    ours, loss, seconds = our_wrong_predictions(X, y, folds, smoke=settings.smoke)
    theirs, their_seconds = wrong_predictions(X, y, folds, settings.folder) if with_mclust else (np.nan, np.nan)
    shares = ours / len(X), theirs / len(X)
    figures = ["–" if np.isnan(share) else f"{share:.3f}" for share in shares]
    report.row(table.name, str(len(X)), *figures, f"{loss / len(X):.3f}", number(seconds), number(their_seconds))
    return shares


def our_wrong_predictions(X: np.ndarray, y: np.ndarray, folds: np.ndarray, *, smoke: bool) -> tuple[int, float, float]:
    """Return how many rows fits to the other folds predict wrong, the nats that these lose, and the seconds."""
    from gmm import MixtureClassifier

    wrong, loss, begin = 0, 0.0, time.perf_counter()
    types = SMOKE_TYPES if smoke else "all"
    for fold in range(FOLDS):
        held = folds == fold
        classifier = MixtureClassifier(range(1, 3 if smoke else MOST + 1), types, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of components that collapsed
            classifier.fit(X[~held], y[~held])
        wrong += int((classifier.predict(X[held]) != y[held]).sum())
        each = np.searchsorted(classifier.classes_, y[held])
        loss -= float(np.maximum(classifier.predict_log_proba(X[held])[np.arange(len(each)), each], LEAST).sum())
    return wrong, loss, time.perf_counter() - begin
