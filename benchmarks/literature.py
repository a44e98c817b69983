"""Which figures that others printed does this package reach?

The tables are those of mclust's vignette, "A quick tour of mclust" (mclust 6.0.0, 31 October 2022), and the wines of
its article (Scrucca, Fop, Murphy & Raftery 2016). Beside each printed figure stand that of the installed mclust, and
ours: of the same cell, without a ridge, by one search of 1 … 9 components and 14 models; of the galaxies, from forty
starts. BIC and ICL have mclust's sign, so that larger is better. "same" is within 0.05 nats or BIC (1 of ICL), within
1 % of what follows from a fit, within 15 % of resampled figures, and within the printed standard error of errors in
ten folds; "of a better fit" is another figure of a fit that is better than the printed one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import faithful, galaxies
from benchmarks.peers.mclust_classes import own_table
from benchmarks.peers.mclust_literature import computed
from benchmarks.peers.mclust_search import installed_version
from benchmarks.peers.r_tables import r_table
from benchmarks.report import Report
from benchmarks.settings import Settings

PEERS, THREADS = ("gmm",), (1,)
REPLICATES, DRAWS = 999, 3
Numbers = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """How a figure is judged: is larger better (1), or smaller (−1), or neither; and how near counts as the same."""

    better: int
    absolute: float = 0.0
    relative: float = 0.0


FIT, FOLLOWS, RESAMPLED = Kind(1, 0.05), Kind(0, 0.005, 0.01), Kind(0, 0.0, 0.15)
ICL, ERROR, CHANCE, AGREEMENT, ENDS = Kind(0, 1.0), Kind(-1), Kind(0, 0.1), Kind(1), Kind(1, 0.0, 0.01)


@dataclass(frozen=True)
class Figure:
    """What others printed: numbers in their digits, and the BIC of the fit that they follow from."""

    name: str
    printed: str
    kind: Kind
    fit: str = ""


DIABETES = "diabetes: BIC of VVV,3"
FIGURES = (
    Figure("diabetes: BIC of VVV,3", "-4751.316", FIT),
    Figure("diabetes: BIC of VVV,4", "-4784.322", FIT),
    Figure("diabetes: BIC of EVE,6", "-4785.246", FIT),
    Figure("diabetes: BIC of VVE,4", "-4757.092", FIT),
    Figure("diabetes: BIC of VVE,3", "-4775.537", FIT),
    Figure("diabetes: ICL of EVE,6", "-4797.382", ICL, "diabetes: BIC of EVE,6"),
    Figure("diabetes: ICL of EVE,7", "-4797.506", ICL, "diabetes: BIC of EVE,6"),
    Figure("diabetes: VVV,3, log-likelihood", "-2303.496", FIT),
    Figure("diabetes: VVV,3, ICL", "-4770.169", ICL, DIABETES),
    Figure("diabetes: VVV,3, weights", "0.5369 0.2650 0.1981", FOLLOWS, DIABETES),
    Figure(
        "diabetes: VVV,3, means", "90.96 357.79 163.75 104.53 494.83 309.56 229.42 1098.26 81.60", FOLLOWS, DIABETES
    ),
    Figure("diabetes: VVV,3, rows unlike their class", "20", ERROR),
    Figure("diabetes: VVV,3, eigenvalues of directions", "1.2629 0.3522", FOLLOWS, DIABETES),
    Figure("diabetes: VVV,3, errors of weights", "0.0519 0.0506 0.0356", RESAMPLED),
    Figure("diabetes: VVV,3, errors of means", "1.04 7.55 7.67 3.44 29.05 31.68 16.34 63.48 9.93", RESAMPLED),
    Figure("diabetes: VVV, statistic of 1 against 2", "361.167", ENDS),
    Figure("diabetes: VVV, p of 1 against 2", "0.001", CHANCE),
    Figure("diabetes: VVV, statistic of 2 against 3", "123.497", FOLLOWS, "diabetes: VVV, statistic of 1 against 2"),
    Figure("diabetes: VVV, p of 2 against 3", "0.001", CHANCE),
    Figure("diabetes: VVV, statistic of 3 against 4", "16.762", FOLLOWS, "diabetes: BIC of VVV,4"),
    Figure("diabetes: VVV, p of 3 against 4", "0.498", CHANCE, "diabetes: BIC of VVV,4"),
    Figure("galaxies: BIC of V,3", "-441.6122", FIT),
    Figure("galaxies: BIC of V,4", "-443.3997", FIT),
    Figure("galaxies: BIC of V,5", "-446.3497", FIT),
    Figure("galaxies: V,3, log-likelihood", "-203.1792", FIT),
    Figure("galaxies: V,3, ICL", "-441.6126", ICL),
    Figure("acidity: BIC of E,2", "-392.0723", FIT),
    Figure("acidity: E,2, log-likelihood", "-185.9493", FIT),
    Figure("acidity: E,2, ICL", "-398.5554", ICL, "acidity: BIC of E,2"),
    Figure("acidity: E,2, errors of weights", "0.0413 0.0413", RESAMPLED),
    Figure("acidity: E,2, errors of means", "0.0467 0.0672", RESAMPLED),
    Figure("Old Faithful: BIC of EEE,3", "-2314.316", FIT),
    Figure("Old Faithful: EEE,3, log-likelihood", "-1126.326", FIT),
    Figure("Old Faithful: EEE,3, ICL", "-2357.824", ICL, "Old Faithful: BIC of EEE,3"),
    Figure("wine: BIC of VVE,3", "-6849.391", FIT),
    Figure("wine: VVE,3, log-likelihood", "-3015.335", FIT),
    Figure("wine: VVE,3, ICL", "-6850.734", ICL, "wine: BIC of VVE,3"),
    Figure("wine: VVE,3, adjusted Rand index", "0.9667", AGREEMENT, "wine: BIC of VVE,3"),
    Figure("wine: choice, adjusted Rand index", "0.9667", AGREEMENT, "wine: BIC of VVE,3"),
    Figure("iris: EDDA, log-likelihood", "-187.7097", FIT),
    Figure("iris: EDDA, BIC", "-555.8024", FIT),
    Figure("iris: EDDA, error", "0.0200", ERROR),
    Figure("iris: EDDA, Brier score", "0.0127", FOLLOWS),
    Figure("iris: EDDA, ten folds, error", "0.0267", Kind(-1, 0.0109)),
    Figure("iris: EDDA, ten folds, Brier score", "0.0208", Kind(-1, 0.0074)),
    Figure("iris: EDDA, eigenvalues of directions", "1.8813 0.0986", FOLLOWS),
    Figure("banknote: MclustDA, log-likelihood", "-646.0801", FIT),
    Figure("banknote: MclustDA, BIC", "-1641.849", FIT, "banknote: MclustDA, log-likelihood"),
    Figure("banknote: MclustDA, error", "0", ERROR),
    Figure("banknote: MclustDA, Brier score", "0", FOLLOWS),
    Figure("banknote: MclustDA, ten folds, error", "0.0050", Kind(-1, 0.0050)),
    Figure("banknote: MclustDA, ten folds, Brier score", "0.0051", Kind(-1, 0.0050)),
    Figure("banknote: MclustDA, eigenvalues of directions", "1.7188 1.0607", FOLLOWS),
)


# --- Ours ---------------------------------------------------------------------------------------


def cells(table: str, X: np.ndarray, wanted: str, types: Any = "all", **how: Any) -> tuple[Any, Numbers]:
    """Search, and return BIC, ICL and log-likelihood of the cells in `wanted`, and the search."""
    from gmm import select

    found = select(X, range(1, 10), types, reg_covar=0, random_state=0, **how)
    names = [f"{name},{K}" for name, K in zip(found.covariance_type, found.n_components, strict=True)]
    figures: dict[str, Any] = {}
    for cell in wanted.split():
        n = names.index(cell)
        figures[f"{table}: BIC of {cell}"] = -found.bic[n]
        figures |= {f"{table}: ICL of {cell}": -found.icl[n], f"{table}: {cell}, ICL": -found.icl[n]}
        figures[f"{table}: {cell}, log-likelihood"] = found.estimators[n].log_likelihood(X)
    return found, figures


def errors(name: str, mixture: Any, X: np.ndarray, n_replicates: int) -> Numbers:
    """Return standard errors of weights and means by the bootstrap of rows; components by their first mean."""
    from gmm.inference import standard_errors

    found = standard_errors(mixture, X, method="bootstrap", n_replicates=n_replicates, random_state=0)
    order = np.argsort(mixture.means_[:, 0])
    return {
        f"{name}, errors of weights": found.weights[order],
        f"{name}, errors of means": found.means[order].ravel(),
    }


def of_diabetes(folder: Path, n_replicates: int) -> Numbers:
    """Return the figures of 145 patients in three classes."""
    from gmm.analysis import directions
    from gmm.inference import bootstrap_lrt

    X, y = own_table("diabetes", folder)
    found, figures = cells("diabetes", X, "VVV,3 VVV,4 EVE,6 EVE,7 VVE,4 VVE,3")
    best = found.best
    order, name = np.argsort(best.means_[:, 0]), "diabetes: VVV,3"
    figures |= {
        f"{name}, weights": best.weights_[order],
        f"{name}, means": best.means_[order].ravel(),
        f"{name}, rows unlike their class": rows_unlike(best.predict(X), y),
        f"{name}, eigenvalues of directions": directions(best, X, balance=1).eigenvalues,
        **errors(name, best, X, n_replicates),
    }
    how: dict[str, Any] = {"covariance_type": "VVV", "reg_covar": 0, "n_replicates": n_replicates, "random_state": 0}
    for K in (1, 2, 3):
        test = bootstrap_lrt(X, K, **how)
        figures[f"diabetes: VVV, statistic of {K} against {K + 1}"] = test.statistic
        figures[f"diabetes: VVV, p of {K} against {K + 1}"] = test.p_value
    return figures


def rows_unlike(labels: np.ndarray, y: np.ndarray) -> int:
    """Return how many rows are not of their component's class, after the best numbering."""
    from scipy.optimize import linear_sum_assignment

    table = np.array([[(labels[y == c] == k).sum() for k in np.unique(labels)] for c in np.unique(y)])
    return int(len(y) - table[linear_sum_assignment(-table)].sum())


def of_galaxies(folder: Path, n_replicates: int) -> Numbers:
    """Return the figures of 82 velocities: the best of twenty starts from k-means and twenty random ones."""
    from gmm import GaussianMixture

    X = galaxies()
    figures: Numbers = {}
    how: dict[str, Any] = {"covariance_type": "V", "reg_covar": 0, "tol": 1e-6, "max_iter": 5000, "random_state": 0}
    for K in (3, 4, 5):
        starts = [GaussianMixture(K, n_init=20, init_params=start, **how).fit(X) for start in ("kmeans", "random")]
        fit = min(starts, key=lambda each: each.bic(X))
        figures[f"galaxies: BIC of V,{K}"] = -fit.bic(X)
        figures[f"galaxies: V,{K}, log-likelihood"] = fit.log_likelihood(X)
        figures[f"galaxies: V,{K}, ICL"] = -fit.criteria(X)["icl"]
    return figures


def of_acidity(folder: Path, n_replicates: int) -> Numbers:
    """Return the figures of the acidity of 155 lakes."""
    X = r_table("mclust", "acidity", ["value"], folder)
    found, figures = cells("acidity", X, "E,2", ["E", "V"])
    return {**figures, **errors("acidity: E,2", found.best, X, n_replicates)}


def of_old_faithful(folder: Path, n_replicates: int) -> Numbers:
    """Return the figures of 272 eruptions."""
    return cells("Old Faithful", faithful(), "EEE,3")[1]


def of_wine(folder: Path, n_replicates: int) -> Numbers:
    """Return the figures of 178 wines of three kinds, in their own units."""
    from sklearn import datasets, metrics

    X, y = datasets.load_wine(return_X_y=True)
    found, figures = cells("wine", X, "VVE,3")
    three = next(each for each in found.estimators if (each.n_components, each.covariance_type) == (3, "VVE"))
    for name, fit in (("choice", found.best), ("VVE,3", three)):
        figures[f"wine: {name}, adjusted Rand index"] = metrics.adjusted_rand_score(y, fit.predict(X))
    return figures


def of_iris(folder: Path, n_replicates: int) -> Numbers:
    """Return the figures of EDDA."""
    from sklearn import datasets

    from gmm import MixtureClassifier

    X, y = datasets.load_iris(return_X_y=True)
    classifier = MixtureClassifier(reg_covar=0).fit(X, y)
    penalty = classifier.bic_ + 2 * classifier.log_likelihood_ - 2 * np.log(len(X))  # mclust counts no shares
    folds = held_out_errors(
        "iris: EDDA", MixtureClassifier(1, classifier.mixtures_[0].covariance_type, reg_covar=0), X, y
    )
    return {**of_classes("iris: EDDA", classifier.mixtures_, penalty, classifier, X, y), **folds}


def of_banknote(folder: Path, n_replicates: int) -> Numbers:
    """Return the figures of MclustDA, with the best BIC of each class."""
    from gmm import MixtureClassifier

    X, y = own_table("banknote", folder)
    classifier = MixtureClassifier(range(1, 6), criterion="bic", reg_covar=0, random_state=0)
    folds = held_out_errors("banknote: MclustDA", classifier, X, y)
    mixtures = classifier.fit(X, y).mixtures_
    penalty = sum(each.n_parameters_ for each in mixtures) * np.log(len(X))
    return {**of_classes("banknote: MclustDA", mixtures, penalty, classifier, X, y), **folds}


def of_classes(name: str, mixtures: Any, penalty: float, classifier: Any, X: np.ndarray, y: np.ndarray) -> Numbers:
    """Return likelihood, BIC and directions of the mixtures of classes, and the classifier's errors on its own rows."""
    from gmm import GaussianMixture
    from gmm.analysis import directions

    shares = np.unique(y, return_counts=True)[1] / len(y)
    whole = GaussianMixture.from_parameters(
        np.concatenate([share * each.weights_ for share, each in zip(shares, mixtures, strict=True)]),
        np.concatenate([each.means_ for each in mixtures]),
        np.concatenate([full_covariances(each) for each in mixtures]),
    )
    log_likelihood = whole.log_likelihood(X)
    return {
        f"{name}, log-likelihood": log_likelihood,
        f"{name}, BIC": 2 * log_likelihood - penalty,
        f"{name}, eigenvalues of directions": directions(whole, X, balance=1).eigenvalues,
        f"{name}, error": np.mean(classifier.predict(X) != y),
        f"{name}, Brier score": brier_score(classifier.predict_proba(X), y),
    }


def full_covariances(mixture: Any) -> np.ndarray:
    """Return covariances as (K, d, d), whatever the model stores."""
    (K, d), stored = mixture.means_.shape, np.asarray(mixture.covariances_)
    if stored.shape in ((K, d, d), (d, d)):
        return np.broadcast_to(stored, (K, d, d))
    variances = stored[:, None] if stored.ndim == 1 else stored
    return np.eye(d) * np.broadcast_to(variances, (K, d))[:, None, :]


def brier_score(probabilities: np.ndarray, y: np.ndarray) -> float:
    """Return mclust's score: half of the usual one."""
    return float(((probabilities - (y[:, None] == np.unique(y))) ** 2).sum() / 2 / len(y))


def held_out_errors(name: str, classifier: Any, X: np.ndarray, y: np.ndarray) -> Numbers:
    """Return the errors on rows held out, in ten folds of all classes: the means over draws."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = [StratifiedKFold(10, shuffle=True, random_state=seed) for seed in range(DRAWS)]
    draws = [cross_val_predict(classifier, X, y, cv=each, method="predict_proba") for each in folds]
    wrong = [np.mean(np.unique(y)[each.argmax(axis=1)] != y) for each in draws]
    return {
        f"{name}, ten folds, error": np.mean(wrong),
        f"{name}, ten folds, Brier score": np.mean([brier_score(each, y) for each in draws]),
    }


OURS: dict[str, Callable[[Path, int], Numbers]] = {
    "diabetes": of_diabetes,
    "galaxies": of_galaxies,
    "acidity": of_acidity,
    "Old Faithful": of_old_faithful,
    "wine": of_wine,
    "iris": of_iris,
    "banknote": of_banknote,
}


# --- The question -------------------------------------------------------------------------------


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each figure; return whether none is missed but by a better fit."""
    n_replicates = 9 if settings.smoke else REPLICATES
    theirs: Numbers = {}
    try:
        report.note(f"mclust {installed_version()}")
        theirs = {} if settings.smoke else computed(n_replicates)
    except (OSError, RuntimeError) as reason:
        report.skipped("mclust and its tables", str(reason))
    ours: Numbers = {}
    for table, figures_of in OURS.items():
        if settings.only not in table or (settings.smoke and table != "iris"):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of components that collapsed
            try:
                ours |= figures_of(settings.folder, n_replicates)
            except (OSError, RuntimeError) as reason:
                report.skipped(table, str(reason))
    report.header("figure", "printed", "mclust here", "gmm", "")
    verdicts: dict[str, str] = {}
    for figure in FIGURES:
        if figure.name in ours:
            verdicts[figure.name] = verdict = judged(figure, ours[figure.name], verdicts)
            told = (in_digits_of(figure.printed, numbers.get(figure.name)) for numbers in (theirs, ours))
            report.row(figure.name, figure.printed, *told, verdict)
    return not {"lower", "differs"} & set(verdicts.values())


def judged(figure: Figure, ours: Any, verdicts: dict[str, str]) -> str:
    """Compare our numbers with the printed ones: same, better, of a better fit, lower or differs."""
    printed, kind = np.array(figure.printed.split(), float), figure.kind
    gap = np.atleast_1d(np.asarray(ours, float))[: len(printed)] - printed
    if (np.abs(gap) <= kind.absolute + kind.relative * np.abs(printed)).all():
        return "same"
    if kind.better and (kind.better * gap > 0).all():
        return "better"
    if verdicts.get(figure.fit, "") in ("better", "of a better fit"):
        return "of a better fit"
    return "lower" if kind.better else "differs"


def in_digits_of(printed: str, numbers: Any) -> str:
    """Format numbers with the decimals of the printed ones; a dash for none."""
    if numbers is None:
        return "–"
    decimals = (len(text.partition(".")[2]) for text in printed.split())
    return " ".join(f"{value:.{n}f}" for value, n in zip(np.atleast_1d(numbers), decimals, strict=False))
