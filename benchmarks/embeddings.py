"""Do mixtures stay sane with few rows for each component and hundreds of columns, as of embeddings?

Rows are drawn from mixtures of factor analysers; each model is given the number of components and of factors, and the
ridge is 1e-3. Figures are means over draws: nats for each of 2000 rows held out, and the adjusted Rand index of the
components of the rows that are fitted. k-means, diagonal covariances, and full ones of principal axes stand beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.beside_factors import RIDGE, OnPrincipalAxes, readings, their_best
from benchmarks.report import Report, number
from benchmarks.settings import Settings

PEERS, THREADS = ("gmm", "sklearn"), (1,)
N_TEST, AXES = 2000, 16
NO_PRIOR, MOST_VALUES = "factors, no prior", 1e6  # of rows that are worth repeating


@dataclass(frozen=True)
class Setting:
    """Sizes of a mixture of factor analysers and of what is drawn from it."""

    n: int
    d: int
    n_components: int
    n_factors: int
    n_draws: int

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
    Setting(300, 64, 6, 3, 10),
    Setting(60, 768, 5, 3, 10),
    Setting(300, 384, 20, 5, 5),
    Setting(2000, 384, 50, 5, 3),
    Setting(2000, 1536, 40, 5, 2),
    Setting(4000, 768, 200, 5, 1),
)


# --- Models: rows to fit, rows to score → labels of the first, nats of the others -----------------------------------


def factors(setting: Setting, rows: np.ndarray, test: np.ndarray) -> tuple[Any, float]:
    """Fit factor analysers."""
    mixture = ours(setting, f"factor{setting.n_factors}").fit(rows)
    return mixture.predict(rows), mixture.score(test)


def likeliest_factors(setting: Setting, rows: np.ndarray, test: np.ndarray) -> tuple[Any, float]:
    """Fit factor analysers without the prior of few rows: repeated rows are many, and have the same likelihood."""
    times = 1 + 20 * (setting.n_factors + 2) * setting.n_components // len(rows)
    mixture = ours(setting, f"factor{setting.n_factors}").fit(np.repeat(rows, times, axis=0))
    return mixture.predict(rows), mixture.score(test)


def diagonal(setting: Setting, rows: np.ndarray, test: np.ndarray) -> tuple[Any, float]:
    """Fit diagonal covariances."""
    mixture = ours(setting, "diag").fit(rows)
    return mixture.predict(rows), mixture.score(test)


def ours(setting: Setting, covariance_type: str) -> Any:
    """Return a mixture of this package, not fitted."""
    from gmm import GaussianMixture

    return GaussianMixture(setting.n_components, covariance_type=covariance_type, reg_covar=RIDGE, random_state=0)


def k_means(setting: Setting, rows: np.ndarray, test: np.ndarray) -> tuple[Any, float]:
    """Fit scikit-learn's k-means, which has no density."""
    from sklearn.cluster import KMeans

    return KMeans(setting.n_components, n_init=3, random_state=0).fit_predict(rows), np.nan


def their_diagonal(setting: Setting, rows: np.ndarray, test: np.ndarray) -> tuple[Any, float]:
    """Fit scikit-learn's diagonal covariances."""
    mixture = their_best(rows, "diag", (setting.n_components,))
    return mixture.predict(rows), mixture.score(test)


def principal_axes(setting: Setting, rows: np.ndarray, test: np.ndarray) -> tuple[Any, float]:
    """Fit scikit-learn's full covariances of a few principal axes."""
    mixture = OnPrincipalAxes(rows, min(AXES, setting.d // 2), (setting.n_components,))
    return mixture.predict(rows), mixture.score_samples(test).mean()


MODELS = {
    "factors": ("gmm", factors),
    NO_PRIOR: ("gmm", likeliest_factors),
    "diag": ("gmm", diagonal),
    "k-means of scikit-learn": ("sklearn", k_means),
    "scikit-learn, diag": ("sklearn", their_diagonal),
    "scikit-learn, PCA and full": ("sklearn", principal_axes),
}


class Fitted:
    """Fits of a model to one draw after the other."""

    def __init__(self, model: str, setting: Setting, n_draws: int) -> None:
        self.draws, self.setting = [setting.draw(seed) for seed in range(n_draws)], setting
        self.fit = MODELS[model][1]

    def __call__(self) -> tuple[float, float]:
        """Return the nats of rows held out, and the adjusted Rand index of the others, as means."""
        figures = []
        for rows, owner, test in self.draws:
            labels, nats = self.fit(self.setting, rows, test)
            figures.append((float(nats), rand(owner, np.asarray(labels))))
        nats, index = np.mean(figures, axis=0).tolist()
        return nats, index


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each setting and model; return whether factors are as good as diagonals and as k-means."""
    report.note(f"nats per row held out and adjusted Rand index, ridge {RIDGE:g}; larger is better")
    report.header("rows", "model", "nats", "Rand", "CPU seconds a fit", "grown MB")
    right = True
    for setting in SETTINGS[:1] if settings.smoke else SETTINGS:
        if settings.only in setting.name:
            right &= compared(setting, settings, report)
    return right


def compared(setting: Setting, settings: Settings, report: Report) -> bool:
    """Print the rows of a setting; return whether factors are as good as diagonals and as k-means."""
    n_draws = 1 if settings.smoke else setting.n_draws
    nats, indices = dict[str, float](), dict[str, float]()
    models = {name: MODELS[name] for name in MODELS if name != NO_PRIOR or setting.n * setting.d < MOST_VALUES}
    for name, reading in readings(models, Fitted, (setting, n_draws), setting.name, settings, report):
        nats[name], indices[name] = reading.value
        figures = "–" if np.isnan(nats[name]) else f"{nats[name]:.1f}", f"{indices[name]:.2f}"
        report.row(setting.name, name, *figures, number(reading.seconds / n_draws), number(reading.grown_mb))
    predicted = nats.get("factors", np.inf) >= nats.get("diag", -np.inf)
    return predicted and indices.get("factors", np.inf) >= indices.get("k-means of scikit-learn", -np.inf)


def rand(owner: np.ndarray, labels: np.ndarray) -> float:
    """Return the adjusted Rand index (Hubert & Arabie 1985)."""
    counts = np.zeros((owner.max() + 1, labels.max() + 1))
    np.add.at(counts, (owner, labels), 1)
    pairs, mine, theirs = ((each * (each - 1) / 2).sum() for each in (counts, counts.sum(axis=1), counts.sum(axis=0)))
    expected = mine * theirs / (len(owner) * (len(owner) - 1) / 2)
    return float((pairs - expected) / ((mine + theirs) / 2 - expected))
