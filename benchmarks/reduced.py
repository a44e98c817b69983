"""Embeddings in ten columns, clustered as RAPTOR does, by scikit-learn and by this package.

Rows are float32, as UMAP returns them: 60 topics of unequal sizes and shapes, and one row in a hundred is a copy of one
of twenty texts, on which a component may collapse. RAPTOR tries every K; here both packages try the same few. Ours is
asked with its defaults, with a ridge of 0.01, some tenth of a topic's variances, with a prior, and for rows held out.
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np

from benchmarks.beside_factors import Imported
from benchmarks.measure import Worker, WorkerError
from benchmarks.report import Report, number
from benchmarks.settings import Settings

D, TOPICS, TEXTS = 10, 60, 20
RIDGE = "gmm, ridge"
HOW: dict[str, dict[str, Any]] = {
    "gmm": {},
    RIDGE: {"reg_covar": 0.01},
    "gmm, prior": {"prior": "conjugate"},
    "gmm, held out": {"criterion": "held_out"},
}
SIZES: tuple[tuple[int, tuple[int, ...], tuple[str, ...]], ...] = (
    (20_000, (16, 32, 48, 64), ("scikit-learn", *HOW)),
    (97_000, (16, 32, 64, 96), (RIDGE,)),
)
SMOKE = ((2000, (8, 16), ("scikit-learn", RIDGE)),)


def embeddings(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows, and their topics."""
    rng = np.random.default_rng(0)
    topic = rng.choice(TOPICS, n, p=rng.dirichlet(np.full(TOPICS, 3.0)))
    shapes = rng.normal(size=(TOPICS, D, D)) * np.exp(rng.normal(-1.5, 0.5, (TOPICS, 1, D)))
    rows = rng.uniform(-6, 6, (TOPICS, D))[topic] + np.einsum("nij,nj->ni", shapes[topic], rng.normal(size=(n, D)))
    copies = rng.choice(n, n // 100, replace=False)
    source = rng.choice(n, TEXTS)[rng.integers(TEXTS, size=len(copies))]
    rows[copies], topic[copies] = rows[source], topic[source]
    return rows.astype(np.float32), topic


class Search:
    """A search for K, scikit-learn's by BIC as in RAPTOR, or ours."""

    def __init__(self, name: str, n: int, n_components: tuple[int, ...]) -> None:
        (self.rows, self.topic), self.n_components = embeddings(n), n_components
        self.search = partial(self.ours, **HOW[name]) if name in HOW else self.theirs

    def __call__(self) -> tuple[int, int, float, float]:
        """Return K, how many fits failed, the BIC of each row and the adjusted Rand index of the topics."""
        from sklearn.metrics import adjusted_rand_score

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            best, failed = self.search()
        bic = float(best.bic(self.rows)) / len(self.rows)
        return best.n_components, failed, bic, float(adjusted_rand_score(self.topic, best.predict(self.rows)))

    def theirs(self) -> tuple[Any, int]:
        """Fit each K with the defaults, as RAPTOR does."""
        from sklearn.mixture import GaussianMixture

        fits, failed = [], 0
        for K in self.n_components:
            try:
                fits.append(GaussianMixture(K, random_state=224).fit(self.rows))
            except ValueError:
                failed += 1
        return min(fits, key=lambda fit: fit.bic(self.rows)), failed

    def ours(self, **how: Any) -> tuple[Any, int]:
        """Search."""
        from gmm import select

        found = select(self.rows, self.n_components, "full", random_state=224, n_threads=1, **how)
        return found.best, int(np.isnan(found.bic).sum())


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each size and package; return whether no fit of ours failed."""
    report.header("rows", "K", "package", "CPU seconds", "K chosen", "fits that failed", "BIC per row", "adjusted Rand")
    right = True
    for n, n_components, names in SMOKE if settings.smoke else SIZES:
        for name in names:
            peer = "sklearn" if name == "scikit-learn" else "gmm"
            try:
                with Worker(1, Imported, peer, Search, name, n, n_components) as worker:
                    reading = worker()
            except WorkerError as reason:
                report.failed(f"{n} rows, {name}", str(reason))
                continue
            K, failed, bic, agreement = reading.value
            asked = f"{n_components[0]} … {n_components[-1]}"
            figures = str(K), str(failed), f"{bic:.3f}", f"{agreement:.3f}"
            report.row(f"{n:,} × {D}", asked, name, number(reading.seconds), *figures)
            right &= name == "scikit-learn" or failed == 0
    return right
