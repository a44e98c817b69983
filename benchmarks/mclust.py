"""mclust and tables of packages of R, by scripts in this folder; an OSError or RuntimeError states what is missing."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.measure import Timed
from benchmarks.problems import Mixture

SCRIPTS = Path(__file__).parent
# Letters as in Celeux and Govaert: volume, shape and orientation, each equal, variable or the identity.
MODELS = ("EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV")


def lines_of_r(*words: object) -> list[str]:
    """Return the lines that Rscript prints for a script and its arguments."""
    command = ["Rscript", "--vanilla", *map(str, words)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(next(iter(answer.stderr.splitlines()), "R ended"))
    return answer.stdout.splitlines()


def installed_version() -> str:
    """Return the version of mclust."""
    return lines_of_r("-e", 'cat(format(packageVersion("mclust")))')[0]


def r_table(package: str, name: str, folder: Path) -> tuple[np.ndarray, list[str]]:
    """Return a data set of a package of R and the names of its columns; texts are numbered in order.

    MASS comes with R, and mlbench is r-cran-mlbench of Debian.
    """
    place = folder / f"{name}.bin"
    sizes, *names = lines_of_r(SCRIPTS / "r_table.R", package, name, place)
    return np.fromfile(place).reshape(*map(int, sizes.split())), names


def clusters(X: np.ndarray, K: int, folder: Path) -> np.ndarray:
    """Return the cluster of each row by the model that BIC chooses."""
    X.tofile(folder / "rows.bin")
    return np.array(" ".join(lines_of_r(SCRIPTS / "mclust_labels.R", folder, *X.shape, K)).split(), int)


def wrong_predictions(X: np.ndarray, y: np.ndarray, folds: np.ndarray, folder: Path) -> tuple[float, float]:
    """Return how many rows `MclustDA` predicts wrong from the other folds, NaN if a fit fails, and the seconds."""
    for name, values in (("rows", X), ("classes", y), ("folds", folds)):
        np.asarray(values, float).tofile(folder / f"{name}.bin")
    answers = lines_of_r(SCRIPTS / "mclust_classes.R", folder, *X.shape)
    wrong, seconds = np.array([line.replace("NA", "nan").split() for line in answers], float).sum(axis=0)
    return float(wrong), float(seconds)


class MclustSearch:
    """An R process that holds the rows and answers with `mclustBIC`, timed in R.

    `cells` are the last search's largest K, models and BIC.
    """

    def __init__(self, rows: Path) -> None:
        X = np.asarray(np.load(rows), float)
        self.place = TemporaryDirectory()
        self.folder, self.n_features = Path(self.place.name), X.shape[1]
        X.tofile(self.folder / "rows.bin")
        command = ["Rscript", "--vanilla", str(SCRIPTS / "mclust_search.R"), str(self.folder), *map(str, X.shape)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.version = self._line()
        self.cells: tuple[int, tuple[str, ...], np.ndarray] = (0, (), np.empty((0, 0)))

    def __call__(self, most: int, models: Sequence[str]) -> Timed:
        """Search 1 … `most` components for each model.

        The value is the BIC of each cell in our sign, (most, n_models); NaN where mclust has none.
        """
        seconds = float(self._answer(f"{most} {' '.join(models)}"))
        self.cells = (most, tuple(models), -self._numbers().reshape(len(models), most).T)
        return Timed(seconds, self.cells[2])

    def mixtures(self) -> dict[tuple[int, str], Mixture]:
        """Return the mixtures of the last search, by K and model, with full covariances."""
        most, models, bic = self.cells
        self._answer("mixtures")
        values, d, start, mixtures = self._numbers(), self.n_features, 0, {}
        for j, model in enumerate(models):
            for K in range(1, most + 1):
                if np.isfinite(bic[K - 1, j]):
                    ends = start + np.cumsum([K, K * d, K * d * d])
                    weights, means, covariances = np.split(values[start : ends[-1]], ends[:-1] - start)
                    mixtures[K, model] = Mixture(weights, means.reshape(K, d), covariances.reshape(K, d, d))
                    start = ends[-1]
        return mixtures

    def _answer(self, question: str) -> str:
        assert self.process.stdin is not None
        print(question, file=self.process.stdin, flush=True)
        return self._line()

    def _numbers(self) -> np.ndarray:
        return np.fromfile(self.folder / "answer.bin")

    def _line(self) -> str:
        assert self.process.stdout is not None
        if line := self.process.stdout.readline().strip():
            return line
        _, errors = self.process.communicate()
        raise RuntimeError(next(iter(errors.splitlines()), "R ended"))
