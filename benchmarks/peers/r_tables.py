"""Data sets that packages of R ship: MASS comes with R, mlbench is r-cran-mlbench of Debian."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).with_suffix(".R")


def r_table(package: str, name: str, columns: Sequence[str], folder: Path) -> np.ndarray:
    """Return columns of a data set of a package of R; texts are numbered in order.

    Raises
    ------
    OSError, RuntimeError
        If R or the package is not there.
    """
    return whole_r_table(package, name, folder, columns)[0]


def whole_r_table(
    package: str, name: str, folder: Path, columns: Sequence[str] = ()
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the same columns, or all, with their names."""
    place = folder / f"{name}.bin"
    command = ["Rscript", "--vanilla", str(SCRIPT), package, name, str(place), *columns]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(next(iter(answer.stderr.splitlines()), "R ended"))
    sizes, *names = answer.stdout.splitlines()
    return np.fromfile(place).reshape(*map(int, sizes.split())), tuple(names)
