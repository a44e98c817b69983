"""What stands beside factor analysers: scikit-learn's mixtures of diagonal covariances, and of principal axes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.measure import Reading, Timed, Worker, WorkerError
from benchmarks.report import Report
from benchmarks.settings import Settings

RIDGE = 1e-3
MODULES = {"gmm": ("gmm",), "sklearn": ("sklearn.cluster", "sklearn.decomposition", "sklearn.mixture")}
Models = Mapping[str, tuple[str, Any]]  # by name: the peer, and how it fits


def their_best(rows: np.ndarray, covariance_type: str, n_components: Sequence[int]) -> Any:
    """Return scikit-learn's mixture with the best BIC of three starts each."""
    from sklearn.mixture import GaussianMixture

    how: dict[str, Any] = {"covariance_type": covariance_type, "reg_covar": RIDGE, "n_init": 3, "random_state": 0}
    fits = [GaussianMixture(K, **how).fit(rows) for K in n_components]
    return fits[0] if len(fits) == 1 else min(fits, key=lambda each: each.bic(rows))


class OnPrincipalAxes:
    """Scikit-learn's full covariances of a number, or a share, of principal axes; the rest is noise of one variance."""

    def __init__(self, rows: np.ndarray, n_axes: float, n_components: Sequence[int]) -> None:
        from sklearn.decomposition import PCA

        self._axes = PCA(n_axes, random_state=0, svd_solver="full" if n_axes < 1 else "auto").fit(rows)
        self.mixture, self.n_axes = (
            their_best(self._axes.transform(rows), "full", n_components),
            self._axes.n_components_,
        )

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Return the components of rows."""
        return np.asarray(self.mixture.predict(self._axes.transform(rows)))

    def score_samples(self, rows: np.ndarray) -> np.ndarray:
        """Return the log density of rows in all columns."""
        on_axes, left = self._axes.transform(rows), rows.shape[1] - self.n_axes
        inside = self.mixture.score_samples(on_axes)
        if not left:
            return np.asarray(inside)
        rest = ((rows - self._axes.inverse_transform(on_axes)) ** 2).sum(axis=1)
        variance = self._axes.noise_variance_ + RIDGE
        return np.asarray(inside - 0.5 * (left * np.log(2 * np.pi * variance) + rest / variance))


def readings(
    models: Models, task: Callable[..., Any], arguments: tuple[Any, ...], title: str, settings: Settings, report: Report
) -> Iterator[tuple[str, Reading]]:
    """Yield a call of ``task(model, *arguments)`` for each model of the peers, in a process of its own."""
    for name in [name for name, (peer, _) in models.items() if peer in settings.peers]:
        try:
            with Worker(settings.threads[0], Imported, models[name][0], task, name, *arguments) as worker:
                yield name, worker()
        except WorkerError as reason:
            report.failed(f"{title}, {name}", str(reason))


class Imported:
    """A task whose packages are imported before its time is taken."""

    def __init__(self, peer: str, task: Callable[..., Any], *arguments: Any) -> None:
        for module in MODULES[peer]:
            import_module(module)
        self._call = task(*arguments)

    def __call__(self) -> Timed:
        """Run the task; its seconds are those of the processor, for fits that take minutes beside other work."""
        begin = time.process_time()
        value = self._call()
        return Timed(time.process_time() - begin, value)
