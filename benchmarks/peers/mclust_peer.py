"""mclust's `me`, EM in Fortran under R: all four covariance types, small data."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.measure import Timed
from benchmarks.problems import Mixture, Problem, responsibilities

SCRIPT = Path(__file__).with_name("mclust.R")
MODELS = {"full": "VVV", "tied": "EEE", "diag": "VVI", "spherical": "VII"}
MOST_ROWS = 10_000


class Session:
    """An R process that has the rows of one problem and fits them when it is asked."""

    def __init__(self, model: str = "", X: np.ndarray | None = None, z: np.ndarray | None = None) -> None:
        self.place = TemporaryDirectory()
        self.folder = Path(self.place.name)
        sizes = (0, 0, 0)
        if X is not None and z is not None:
            sizes = (*X.shape, z.shape[1])
            X.tofile(self.folder / "rows.bin")
            z.tofile(self.folder / "responsibilities.bin")
        command = ["Rscript", "--vanilla", str(SCRIPT), str(self.folder), *map(str, sizes), model]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.version = self._line()

    def fit(self, n_iter: int) -> tuple[float, int, np.ndarray]:
        """Return seconds, iterations and the parameters as R lays them out."""
        assert self.process.stdin is not None
        print(n_iter, file=self.process.stdin, flush=True)
        seconds, iterations = self._line().split()
        return float(seconds), int(iterations), np.fromfile(self.folder / "parameters.bin")

    def close(self) -> None:
        """End the process."""
        self.process.communicate()
        self.place.cleanup()

    def _line(self) -> str:
        assert self.process.stdout is not None
        if line := self.process.stdout.readline().strip():
            return line
        _, errors = self.process.communicate()
        raise RuntimeError(next(iter(errors.splitlines()), "R ended"))


class MclustPeer:
    """``me`` from the responsibilities of the start, so that its M-steps are everybody's; timed in R.

    R's own memory is not measured.
    """

    def __init__(self) -> None:
        self._problem: Problem | None = None
        self._session: Session | None = None

    def version(self) -> str:
        """Return mclust's version."""
        session = Session()
        session.close()
        return f"{session.version}, timed in R, memory not R's"

    def supports(self, problem: Problem) -> bool:
        """Take float64 and few rows."""
        return problem.dtype == "float64" and problem.n_rows <= MOST_ROWS

    def fit(self, problem: Problem, X: np.ndarray, start: Mixture, n_iter: int, n_threads: int) -> Timed:
        """Fit on one thread, and make sure of the number of iterations."""
        if self._session is None or problem != self._problem:
            if self._session is not None:
                self._session.close()
            z = responsibilities(X, start, problem.covariance_type)
            self._session, self._problem = Session(MODELS[problem.covariance_type], X, z), problem
        seconds, done, parameters = self._session.fit(n_iter)
        if done != n_iter:
            raise RuntimeError(f"expected {n_iter} iterations, got {done}")
        return Timed(seconds, unpacked(parameters, problem))


def unpacked(parameters: np.ndarray, problem: Problem) -> Mixture:
    """Return R's weights, means (d × K) and covariances (d × d × K), column-major, as a mixture."""
    n_components, d = problem.n_components, problem.n_features
    weights, means, covariances = np.split(parameters, [n_components, n_components * (1 + d)])
    full = covariances.reshape(n_components, d, d)
    return Mixture(
        weights,
        means.reshape(n_components, d),
        {
            "full": full,
            "tied": full[0],
            "diag": np.diagonal(full, axis1=1, axis2=2),
            "spherical": full[:, 0, 0],
        }[problem.covariance_type],
    )


PEER = MclustPeer()
