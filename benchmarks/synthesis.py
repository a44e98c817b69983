"""One column of 50,000 rows as RDT and CTGAN fit it, by scikit-learn and by this package with the same arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.beside_factors import Imported
from benchmarks.measure import Worker, WorkerError
from benchmarks.report import Report, number
from benchmarks.settings import Settings

N, HELD_OUT, LEAST_WEIGHT = 50_000, 10_000, 0.005  # RDT's `weight_threshold`


def groups(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw ages of three groups."""
    which = rng.choice(3, n, p=(0.5, 0.3, 0.2))
    return np.asarray(rng.normal(np.array([25.0, 45.0, 70.0])[which], np.array([4.0, 8.0, 5.0])[which]))


def incomes(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw incomes: log-normal, to the next ten."""
    return np.asarray(rng.lognormal(10, 0.8, n).round(-1))


def pixels(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw the brightness of pixels of scikit-learn's photograph of a flower."""
    from sklearn import datasets

    return np.asarray(rng.choice(datasets.load_sample_image("flower.jpg").mean(axis=2).ravel(), n))


COLUMNS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "three groups": groups,
    "incomes": incomes,
    "pixels": pixels,
}


class RdtFit:
    """`ClusterBasedNormalizer` as it is, with scikit-learn's mixture or with ours in its place."""

    def __init__(self, name: str, n: int, n_held_out: int) -> None:
        import pandas as pd
        from rdt.transformers import ClusterBasedNormalizer

        values = COLUMNS[name](np.random.default_rng(0), n + n_held_out)
        self.table, self.test = pd.DataFrame({"x": values[:n]}), values[n:, np.newaxis]
        self.normalizer = ClusterBasedNormalizer

    def __call__(self) -> tuple[int, float]:
        """Return the number of components that remain, and the nats of each row held out."""
        normalizer = self.normalizer()
        normalizer.fit(self.table, "x")
        return int(normalizer.valid_component_indicator.sum()), nats(normalizer._bgm_transformer, self.test)


class Fit:
    """Our mixture with the arguments of RDT."""

    def __init__(self, name: str, n: int, n_held_out: int) -> None:
        values = COLUMNS[name](np.random.default_rng(0), n + n_held_out)[:, np.newaxis]
        self.rows, self.test = values[:n], values[n:]

    def __call__(self) -> tuple[int, float]:
        """Return the number of components that remain, and the nats of each row held out."""
        from gmm import BayesianGaussianMixture

        mixture = BayesianGaussianMixture(
            n_components=10,
            weight_concentration_prior_type="dirichlet_process",
            weight_concentration_prior=0.001,
            random_state=0,
        ).fit(self.rows)
        return int((mixture.weights_ > LEAST_WEIGHT).sum()), nats(mixture, self.test)


def nats(mixture: Any, rows: np.ndarray) -> float:
    """Return the log density of rows under the means of the posterior, in nats per row, for both packages alike."""
    weights, variances = mixture.weights_, np.reshape(mixture.covariances_, -1)
    squares = (rows - mixture.means_.ravel()) ** 2 / variances
    logs = np.log(weights) - 0.5 * (squares + np.log(2 * np.pi * variances))
    return float(np.logaddexp.reduce(logs, axis=1).mean())


WAYS: dict[str, tuple[str, Any]] = {"RDT": ("sklearn", RdtFit), "gmm": ("gmm", Fit)}


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each column and package; return whether ours is the faster one."""
    n = 2000 if settings.smoke else N
    report.header("column", "package", "CPU seconds", "components", "nats per row held out")
    seconds: dict[str, list[float]] = {}
    for column in COLUMNS:
        for name, (peer, task) in WAYS.items():
            try:
                with Worker(1, Imported, peer, task, column, n, HELD_OUT) as worker:
                    reading = worker()
            except WorkerError as reason:
                report.skipped(f"{column}, {name}", str(reason))
                continue
            n_components, score = reading.value
            seconds.setdefault(name, []).append(reading.seconds)
            report.row(column, name, number(reading.seconds), str(n_components), f"{score:.4f}")
    return all(ours <= theirs for ours, theirs in zip(seconds["gmm"], seconds.get("RDT", []), strict=False))
