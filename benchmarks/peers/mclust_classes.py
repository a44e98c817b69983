"""mclust's classifier, `MclustDA`, on folds that are given, and mclust's own tables of known classes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).with_suffix(".R")


def wrong_predictions(X: np.ndarray, y: np.ndarray, folds: np.ndarray, folder: Path) -> tuple[float, float]:
    """Return how many rows are predicted wrong by fits to the other folds, NaN if a fit fails, and the seconds."""
    for name, values in (("rows", X), ("classes", y), ("folds", folds)):
        np.asarray(values, float).tofile(folder / f"{name}.bin")
    answers = _asked("folds", str(folder), *map(str, X.shape))
    wrong, seconds = np.array([line.split() for line in answers], float).sum(axis=0)
    return float(wrong), float(seconds)


def own_table(name: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and classes of one of mclust's tables."""
    n, d = map(int, _asked("table", name, str(folder))[0].split())
    rows, classes = (np.fromfile(folder / f"{what}.bin") for what in ("rows", "classes"))
    return rows.reshape(n, d), classes.astype(int)


def _asked(*words: str) -> list[str]:
    command = ["Rscript", "--vanilla", str(SCRIPT), *words]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(next(iter(answer.stderr.splitlines()), "R ended"))
    return [line.replace("NA", "nan") for line in answer.stdout.splitlines()]
