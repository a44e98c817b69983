"""mclust's own search over components and models, `mclustBIC`, timed in R."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.measure import Timed
from benchmarks.problems import Mixture

SCRIPT = Path(__file__).with_suffix(".R")
# Letters as in Celeux and Govaert: volume, shape and orientation, each equal, variable or the identity.
MODELS = ("EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV")


def installed_version() -> str:
    """Return the version of mclust; an OSError or RuntimeError says why there is none."""
    command = ["Rscript", "--vanilla", "-e", 'cat(format(packageVersion("mclust")))']
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode:
        raise RuntimeError(next(iter(asked.stderr.splitlines()), "R ended"))
    return asked.stdout


class MclustSearch:
    """An R process that holds the rows; `cells` are the last search's largest K, models and BIC."""

    def __init__(self, rows: Path) -> None:
        X = np.asarray(np.load(rows), float)
        self.place = TemporaryDirectory()
        self.folder, self.n_features = Path(self.place.name), X.shape[1]
        X.tofile(self.folder / "rows.bin")
        command = ["Rscript", "--vanilla", str(SCRIPT), str(self.folder), *map(str, X.shape)]
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
