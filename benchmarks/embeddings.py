"""Do mixtures stay sane with few rows for each component and hundreds of columns, as of embeddings?

Rows are drawn from mixtures of factor analysers; each model is given the number of components and of factors, and the
ridge is 1e-3. Figures are nats for each of 2000 rows held out, and the adjusted Rand index of the components of the
rows that are fitted. k-means, diagonal covariances, and full ones of principal axes stand beside. Covariances of
d × d are left out above some columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Worker, WorkerError
from benchmarks.report import Report, number
from benchmarks.settings import Settings

PEERS, THREADS = ("gmm", "sklearn"), (1,)
RIDGE, N_TEST = 1e-3, 2000
WIDEST = 128  # columns up to which matrices of d × d are worth the wait
AXES = 16


@dataclass(frozen=True)
class Setting:
    """Sizes of a mixture of factor analysers and of what is drawn from it."""

    n: int
    d: int
    n_components: int
    n_factors: int

    @property
    def name(self) -> str:
        """The sizes in words."""
        return f"{self.n} × {self.d}, K={self.n_components}, q={self.n_factors}"

    def draw(self, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rows to fit, their components, and rows held out."""
        rng = np.random.default_rng(seed)
        K, d, q = self.n_components, self.d, self.n_factors
        means, loadings = 0.4 * rng.normal(size=(K, d)), 0.27 * rng.normal(size=(K, q, d))
        noise, owner = (
            np.sqrt(rng.uniform(0.2, 1, (K, d))),
            rng.choice(K, self.n + N_TEST, p=rng.dirichlet(np.full(K, 5.0))),
        )
        rows = rng.normal(size=(len(owner), d)) * noise[owner] + means[owner]
        for k in range(K):
            mine = owner == k
            rows[mine] += rng.normal(size=(mine.sum(), q)) @ loadings[k]
        return rows[: self.n], owner[: self.n], rows[self.n :]


SETTINGS = (
    Setting(300, 64, 6, 3),
    Setting(60, 768, 5, 3),
    Setting(300, 384, 20, 5),
    Setting(2000, 384, 50, 5),
    Setting(2000, 1536, 40, 5),
    Setting(4000, 768, 200, 5),
)


# --- Models: rows to fit, rows to score → labels of the first, nats of the others -----------------------------------


def factors(setting: Setting, rows: np.ndarray, test: np.ndarray) -> tuple[Any, float]:
    """Fit factor analysers."""
    from gmm import GaussianMixture

    mixture = GaussianMixture(
        setting.n_components, covariance_type="factor", n_factors=setting.n_factors, reg_covar=RIDGE, random_state=0
    ).fit(rows)
    return mixture.predict(rows), mixture.score(test)


def diagonal(setting: Setting, rows: np.ndarray, test: np.ndarray) -> tuple[Any, float]:
    """Fit diagonal covariances."""
    from gmm import GaussianMixture

    mixture = GaussianMixture(setting.n_components, covariance_type="diag", reg_covar=RIDGE, random_state=0).fit(rows)
    return mixture.predict(rows), mixture.score(test)


def k_means(setting: Setting, rows: np.ndarray, test: np.ndarray) -> tuple[Any, float]:
    """Fit scikit-learn's k-means, which has no density."""
    from sklearn.cluster import KMeans

    return KMeans(setting.n_components, n_init=3, random_state=0).fit_predict(rows), np.nan


def their_diagonal(setting: Setting, rows: np.ndarray, test: np.ndarray) -> tuple[Any, float]:
    """Fit scikit-learn's diagonal covariances."""
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(setting.n_components, covariance_type="diag", reg_covar=RIDGE, random_state=0).fit(rows)
    return mixture.predict(rows), mixture.score(test)


def principal_axes(setting: Setting, rows: np.ndarray, test: np.ndarray) -> tuple[Any, float]:
    """Fit scikit-learn's full covariances of a few principal axes; what is left is noise of one variance."""
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    axes = PCA(min(AXES, setting.d // 2), random_state=0).fit(rows)
    mixture = GaussianMixture(setting.n_components, reg_covar=RIDGE, random_state=0).fit(axes.transform(rows))
    left, variance = setting.d - axes.n_components_, axes.noise_variance_ + RIDGE
    rest = ((test - axes.inverse_transform(axes.transform(test))) ** 2).sum(axis=1).mean()
    outside = -0.5 * (left * np.log(2 * np.pi * variance) + rest / variance)
    return mixture.predict(axes.transform(rows)), mixture.score(axes.transform(test)) + outside


MODELS = {
    "factors": ("gmm", factors),
    "diag": ("gmm", diagonal),
    "k-means of scikit-learn": ("sklearn", k_means),
    "scikit-learn, diag": ("sklearn", their_diagonal),
    "scikit-learn, PCA and full": ("sklearn", principal_axes),
}


class Fitted:
    """One fit of a model to rows in a file."""

    def __init__(self, file: Path, model: str, setting: Setting) -> None:
        held = np.load(file)
        self.rows, self.test, self.setting, self.fit = held["rows"], held["test"], setting, MODELS[model][1]

    def __call__(self) -> tuple[list[int], float]:
        """Return the components of the rows, and the nats of those held out."""
        labels, nats = self.fit(self.setting, self.rows, self.test)
        return np.asarray(labels).tolist(), float(nats)


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each setting and model; return whether factors are as good as diagonal covariances."""
    report.note(f"nats per row held out and adjusted Rand index, ridge {RIDGE:g}; larger is better")
    report.header("rows", "model", "nats", "Rand", "seconds", "grown MB")
    right = True
    for setting in SETTINGS[:1] if settings.smoke else SETTINGS:
        if settings.only in setting.name:
            right &= compared(setting, settings, report)
    return right


def compared(setting: Setting, settings: Settings, report: Report) -> bool:
    """Print the rows of a setting; return whether factors predict at least as well as diagonal covariances."""
    rows, owner, test = setting.draw()
    file, nats = settings.folder / "rows.npz", dict[str, float]()
    np.savez(file, rows=rows, test=test)
    for name in [name for name, (peer, _) in MODELS.items() if peer in settings.peers]:
        if name == "factors" and not is_feasible(setting):
            report.skipped(f"{setting.name}, {name}", f"more than {WIDEST} columns, with covariances of d × d")
            continue
        try:
            with Worker(settings.threads[0], Fitted, file, name, setting) as worker:
                reading = worker()
        except WorkerError as reason:
            report.failed(f"{setting.name}, {name}", str(reason))
            continue
        labels, nats[name] = reading.value
        figures = "–" if np.isnan(nats[name]) else f"{nats[name]:.1f}", f"{rand(owner, np.array(labels)):.2f}"
        report.row(setting.name, name, *figures, number(reading.seconds), number(reading.grown_mb))
    return nats.get("factors", np.inf) >= nats.get("diag", -np.inf)


def is_feasible(setting: Setting) -> bool:
    """Return whether the covariances of the factors are stored without matrices of d × d, or are small."""
    from gmm._values.covariance import covariance_model
    from gmm._values.layouts import FULL

    return setting.d <= WIDEST or covariance_model(f"factor{setting.n_factors}", setting.d).layout is not FULL


def rand(owner: np.ndarray, labels: np.ndarray) -> float:
    """Return the adjusted Rand index (Hubert & Arabie 1985)."""
    counts = np.zeros((owner.max() + 1, labels.max() + 1))
    np.add.at(counts, (owner, labels), 1)
    pairs, mine, theirs = ((each * (each - 1) / 2).sum() for each in (counts, counts.sum(axis=1), counts.sum(axis=0)))
    expected = mine * theirs / (len(owner) * (len(owner) - 1) / 2)
    return float((pairs - expected) / ((mine + theirs) / 2 - expected))
