"""What is a component of few rows worth, and which rule distinguishes it from chance?

Tables of known truth are fitted with 1 to 4 components of each of the 14 models. What a component is worth is the loss
if another one takes its rows (Runnalls 2007), at most. Each rule leaves out fits with a component that is worth too
little; printed is on how many tables BIC chooses the true number among the others, and on how many more than that. The
package's rule is the last but one; the last one is its search, which also looks at what a density owes to rows that
repeat: there, each true number is 1.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from math import lgamma

import numpy as np

import gmm
from benchmarks.mclust import MODELS
from benchmarks.report import Report, Settings
from gmm import GaussianMixture

PEERS, THREADS = ("gmm",), (1,)
MOST, SEEDS = 4, 3
Draw = Callable[[np.random.Generator], tuple[np.ndarray, int]]


# --- Tables --------------------------------------------------------------------------------------


def noise(n: int, d: int) -> Draw:
    """Return a draw of one Gaussian."""
    return lambda rng: (rng.normal(size=(n, d)), 1)


def groups(n: int, d: int, K: int) -> Draw:
    """Return a draw of groups of any shapes, some of which overlap."""

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, int]:
        sizes = np.maximum(rng.multinomial(n, rng.dirichlet(np.full(K, 8.0))), d + 2)
        means, shapes = rng.normal(0, 6.0 if d < 4 else 4.0, (K, d)), rng.normal(size=(K, d, d))
        covariances = shapes @ shapes.transpose(0, 2, 1) / d + 0.3 * np.eye(d)
        each = zip(means, covariances, sizes.tolist(), strict=True)
        return np.concatenate([rng.multivariate_normal(*of_group) for of_group in each]), K

    return draw


def far_groups(n: int, d: int) -> Draw:
    """Return a draw of three groups, 20 deviations apart, of about as many rows as columns."""

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, int]:
        means = rng.normal(size=(3, d))
        means *= 20 / np.linalg.norm(means, axis=1, keepdims=True)
        turned = rng.normal(size=(d, d)) / np.sqrt(d) + 0.5 * np.eye(d)
        return np.repeat(means, n // 3, axis=0) + rng.normal(size=(3 * (n // 3), d)) @ turned, 3

    return draw


def small_group(n: int, d: int, m: int) -> Draw:
    """Return a draw of two large groups and one of m rows."""

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, int]:
        X, away = rng.normal(size=(n, d)), rng.normal(size=d)
        X[n // 2 : n - m, 0] += 5
        X[n - m :] = 0.7 * X[n - m :] + 9 * away / np.linalg.norm(away)
        return X, 3

    return draw


def counts(transform: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Draw:
    """Return a draw of independent counts, transformed, given them and their sums."""

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, int]:
        drawn = rng.poisson([0.4, 3, 20], (400, 3)).astype(float)
        return transform(drawn, drawn.sum(axis=1, keepdims=True)), 1

    return draw


def codes(rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Draw independent codes from 0 to 2, in principal components."""
    drawn = rng.binomial(2, [0.1, 0.2, 0.3, 0.4, 0.5, 0.3], (400, 6)).astype(float)
    vectors, lengths, _ = np.linalg.svd(drawn - drawn.mean(axis=0), full_matrices=False)
    return vectors * lengths, 1


KINDS: dict[str, list[Draw]] = {
    "noise, 10 to 30 rows": [noise(n, d) for n in (10, 15, 20, 30) for d in (2, 3, 5, 10)],
    "noise, 50 to 400 rows": [noise(n, d) for n in (50, 100, 400) for d in (2, 5, 8)],
    "groups, 20 to 60 rows": [groups(n, d, K) for n in (20, 40, 60) for d in (2, 4) for K in (2, 3)],
    "groups, 100 to 300 rows": [groups(n, d, K) for n in (100, 300) for d in (2, 4) for K in (2, 3)],
    "groups of d to 2 d rows": [far_groups(n, d) for n, d in ((90, 30), (60, 20), (120, 25), (60, 10))],
    "a group of 1 %": [small_group(n, d, n // 100) for n in (1000, 2000) for d in (2, 4)],
    "counts": [
        counts(lambda drawn, _: np.log1p(drawn)),
        counts(lambda drawn, _: np.sqrt(drawn)),
        counts(lambda drawn, _: 2 * np.sqrt(drawn + 3 / 8)),
        counts(lambda drawn, sums: np.log1p(1e4 * drawn / sums)),
        counts(lambda drawn, sums: np.arcsinh(1e4 * drawn / sums)),
        counts(lambda drawn, sums: np.log1p(20 * drawn / sums)),
    ],
    "codes, turned": [codes] * 3,
}


# --- What a component is worth -------------------------------------------------------------------


class Fit:
    """A fit, its BIC, and of each component its number of rows and what it is worth in nats."""

    def __init__(self, X: np.ndarray, name: str, K: int) -> None:
        mixture = GaussianMixture(K, covariance_type=name, n_init=min(K, 2), random_state=0).fit(X)
        (self.n, self.d), self.name, self.K, self.bic = X.shape, name, K, mixture.bic(X)
        self.rows = self.n * mixture.weights_
        self.worth = [self.n * worth(k, mixture.weights_, mixture.means_, dense(mixture), name) for k in range(K)]

    def parameters(self, K: int) -> tuple[int, int]:
        """Count those of weights and means, and of covariances."""
        copies = {"E": 1, "V": K, "I": 0}
        volume, shape, axes = (copies[letter] for letter in self.name)
        return K - 1 + K * self.d, volume + shape * (self.d - 1) + axes * self.d * (self.d - 1) // 2

    @property
    def of_another(self) -> int:
        """Parameters of one component more."""
        return sum(self.parameters(2)) - sum(self.parameters(1))

    @property
    def thin(self) -> int:
        """Directions in which a component may be thin by chance."""
        turns = self.name[1] == "V" and self.name[2] != "I"
        return self.d - (self.name[0] == "E") if turns else 1


def dense(mixture: GaussianMixture) -> np.ndarray:
    """Return the covariances written out, (K, d, d)."""
    K, d = mixture.means_.shape
    stored = np.asarray(mixture.covariances_)
    if mixture.covariance_type in ("EII", "VII"):
        return stored.reshape(-1, 1, 1) * np.ones((K, 1, 1)) * np.eye(d)
    if stored.shape == (d, d):
        return np.stack([stored] * K)
    return stored if stored.ndim == 3 else stored.reshape(-1, d, 1) * np.ones((K, 1, 1)) * np.eye(d)


def worth(k: int, w: np.ndarray, means: np.ndarray, S: np.ndarray, name: str) -> float:
    """Return the most nats per row that are lost if a component and another one become one (equation 16)."""
    losses, d = [], len(means[0])

    def size(matrix: np.ndarray) -> float:
        return float(np.linalg.slogdet(matrix)[1])

    for j in set(range(len(w))) - {k}:
        both, apart = w[j] + w[k], means[j] - means[k]
        far = w[j] * w[k] / both * np.outer(apart, apart)
        mean, merged = (S[j] + S[k]) / 2, S[k] + far
        if "V" in name:
            merged = (w[j] * S[j] + w[k] * S[k] + far) / both
        if name[1:] == "II":
            merged = np.trace(merged) / d * np.eye(d)
        elif name[2] == "I":
            merged = np.diag(np.diag(merged))
        lost = (both * size(merged) - w[j] * size(S[j]) - w[k] * size(S[k])) / 2
        if "V" not in name:
            lost = (size(merged) - size(S[k])) / 2
        overlap = (size(S[j]) + size(S[k])) / 4 - size(mean) / 2 - apart @ np.linalg.solve(mean, apart) / 8
        entropy = w[j] * np.log(w[j] / both) + w[k] * np.log(w[k] / both)
        losses.append(lost + entropy + 2 * np.log(2) * np.sqrt(w[j] * w[k]) * np.exp(overlap))
    return float(min(losses, default=np.inf))


# --- Rules ---------------------------------------------------------------------------------------


def rows_of_a_bound(fit: Fit, m: float, _: float) -> bool:
    """Return whether a component has enough rows for a bound of its likelihood."""
    return m > (1.5 if "V" not in fit.name else fit.thin)


def log_choice(fit: Fit, m: float, gain: float) -> bool:
    """Return whether it gains log C(n, m) + p / 2 log m."""
    choice = lgamma(fit.n + 1) - lgamma(m + 1) - lgamma(fit.n - m + 1) if m < fit.n else 0
    return rows_of_a_bound(fit, m, gain) and gain >= choice + fit.of_another / 2 * np.log(max(m, 1))


def by_choice_of_rows(fit: Fit, m: float, gain: float, *, paid: bool = False) -> bool:
    """Return whether a component of few rows gains more than their choice gives by chance: see `least_worth`."""
    if not rows_of_a_bound(fit, m, gain) or m >= fit.n:
        return rows_of_a_bound(fit, m, gain)
    times = m * fit.thin / (m - fit.thin) if "V" in fit.name else 0.0
    if m * fit.d > 8 * fit.of_another:
        return gain >= times * np.log(fit.n) * (times > fit.of_another / 2)
    least = times * np.log(fit.n / m)
    if "V" not in fit.name:
        least = m * np.log(fit.n / m) + (fit.n - m) * np.log(fit.n / (fit.n - m))
    if paid:
        least += np.log(fit.n) / 2 * (1 + price(fit, fit.K) - price(fit, fit.K - 1))
    return gain >= least


def price(fit: Fit, K: int) -> float:
    """Return as how many parameters those of K components count, those of covariances twice (Bedrick & Tsai 1994)."""
    of_means, of_covariances = fit.parameters(K)
    rest = fit.n * fit.d - of_means - 2 * of_covariances
    return (of_means + of_covariances) * fit.n * fit.d / rest if rest > 0 else np.inf


def by_both(fit: Fit, m: float, gain: float) -> bool:
    """Return whether it also gains more than its parameters cost: the rule of the package."""
    return price(fit, fit.K) < np.inf and by_choice_of_rows(fit, m, gain, paid=True)


RULES: dict[str, Callable[[Fit, float, float], bool]] = {
    "BIC alone": lambda *_: True,
    "rows of a bound": rows_of_a_bound,
    "log C(n, m) + p/2 log m": log_choice,
    "choice": by_choice_of_rows,
    "choice + price": by_both,
}


def chosen(fits: list[Fit], rule: Callable[[Fit, float, float], bool]) -> int:
    """Return the number of components that BIC chooses among fits of which every component passes the rule."""
    left = [fit for fit in fits if fit.K == 1 or all(map(lambda *of: rule(fit, *of), fit.rows, fit.worth))]
    return min(left, key=lambda fit: fit.bic).K


def fits_of(X: np.ndarray) -> Iterator[Fit]:
    """Yield the fits that have a maximum."""
    for K in range(1, min(MOST, len(X) - 1) + 1):
        for name in MODELS:
            try:
                yield Fit(X, name, K)
            except ValueError:
                continue


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each kind of tables; return whether the package's search takes its rule."""
    report.header("tables", "", *(f"{rule}: right, more" for rule in (*RULES, "search")))
    for name, draws in KINDS.items():
        if settings.only not in name:
            continue
        answers = []
        for number, draw in enumerate(draws[:1] if settings.smoke else draws):
            for seed in range(1 if settings.smoke else SEEDS):
                X, K = draw(np.random.default_rng([number, seed]))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    fits = list(fits_of(X))
                    found = gmm.select(X, range(1, MOST + 1), random_state=0).best.n_components
                answers.append(
                    [np.sign(each - K) for each in (*(chosen(fits, rule) for rule in RULES.values()), found)]
                )
        signs = np.array(answers)
        report.row(name, str(len(signs)), *(f"{(each == 0).sum()}, {(each > 0).sum()}" for each in signs.T))
        if settings.smoke:
            break
    return True
