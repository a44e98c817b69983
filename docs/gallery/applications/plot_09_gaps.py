"""
Fit a table with gaps
=====================

Real tables have missing values. With ``missing="em"``, EM integrates them out:
it drops no row and imputes no value. This page compares it with the usual
methods, on data with simulated gaps.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris, load_wine
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.metrics import adjusted_rand_score

from gmm import GaussianMixture
from gmm.plotting import plot_clusters

# sphinx_gallery_thumbnail_number = 1


def with_gaps(X, share, seed):
    """Knock out a share of the values by chance, but for one in each row."""
    rng = np.random.default_rng(seed)
    gaps = rng.uniform(size=X.shape) < share
    gaps[np.arange(len(X)), rng.integers(X.shape[1], size=len(X))] = False
    return np.where(gaps, np.nan, X), gaps


# %%
# The fits do not see the three species of iris. How well do they find them
# (adjusted Rand index: 1 is perfect, 0 is chance)? And how near are imputed
# values to the true ones, in standard deviations?

X, species = load_iris(return_X_y=True)
shares = [0.1, 0.2, 0.4]
imputers = {
    "means": SimpleImputer(),
    "neighbours": KNNImputer(),
    "regressions": IterativeImputer(max_iter=100, tol=0.05, random_state=0),
}
names = ['missing="em"', *imputers]
index, error = np.zeros((2, len(names), len(shares)))
how = {"random_state": 0, "n_init": 3, "max_iter": 300}
for s, share in enumerate(shares):
    for seed in range(4):
        holed, gaps = with_gaps(X, share, seed)
        fit = GaussianMixture(3, missing="em", **how).fit(holed)
        results = [(fit.predict(holed), fit.impute(holed))]
        for imputer in imputers.values():
            imputed = imputer.fit_transform(holed)
            fit = GaussianMixture(3, **how).fit(imputed)
            results.append((fit.predict(imputed), imputed))
        for n, (labels, imputed) in enumerate(results):
            away = ((imputed - X) / X.std(axis=0))[gaps]
            index[n, s] += adjusted_rand_score(species, labels) / 4
            error[n, s] += np.sqrt(np.mean(away**2)) / 4

fig, axes = plt.subplots(2, 1, figsize=(5, 6), layout="constrained")
titles = ["How well are species found?", "Error of imputed values"]
units = ["adjusted Rand index", "standard deviations"]
for ax, values, title, unit in zip(
    axes, (index, error), titles, units, strict=True
):
    for name, line in zip(names, values, strict=True):
        ax.plot(shares, line, "o-", label=name)
    ax.set(title=title, xlabel="share of missing values", ylabel=unit)
fig.legend(
    *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2
)
for name, line in zip(names, index, strict=True):
    print(f"{name:13}", *(f"{value:.2f}" for value in line))

# %%
# Regressions on the other columns are as good if little is missing. With more
# gaps, it hurts that imputed values count as much as measured ones: a table
# imputed by means has groups that do not exist. EM does not treat a gap as a
# measurement. A picture needs complete rows. `gmm.GaussianMixture.impute`
# replaces missing values by conditional means or, with ``draw=True``, by
# random draws, which vary as much as real values do.

holed, gaps = with_gaps(X, 0.2, seed=0)
fit = GaussianMixture(3, missing="em", **how).fit(holed)
ax = plot_clusters(fit, fit.impute(holed, draw=True, random_state=0))

# %%
# Why is a value missing?
# -----------------------
# EM is right if this depends on nothing, or on observed values of the same row
# ("missing at random"). It is wrong if this depends on the missing value
# itself, like every method that has no model of it. Here the second of two
# columns has mean 0. It is missing by chance, or if the first column is large,
# or if it is large itself.

rng = np.random.default_rng(0)
pairs = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 4000)
reasons = {
    "chance": rng.uniform(size=4000) < 0.4,
    "the other value": pairs[:, 0] > 0.25,
    "the value itself": pairs[:, 1] > 0.25,
}
estimates = {}
for reason, gone in reasons.items():
    seen = pairs.copy()
    seen[gone, 1] = np.nan
    by_em = GaussianMixture(1, missing="em").fit(seen).means_[0, 1]
    estimates[reason] = by_em, seen[~gone, 1].mean()
    print(f"{reason:16} by EM {by_em:+.2f}, rows dropped", end=" ")
    print(f"{estimates[reason][1]:+.2f}")

# %%
# Where another method is better
# ------------------------------
# 178 wines with 13 columns are too few for three full covariances, which have
# 314 parameters in all. Neighbours and regressions come nearer to the true
# values. So does a mixture with one covariance for all components.

wine = load_wine().data
wine = wine / wine.std(axis=0)
holed, gaps = with_gaps(wine, 0.2, seed=1)
imputed_wine = {name: imputers[name].fit_transform(holed) for name in imputers}
for kind in ("full", "tied"):
    fit = GaussianMixture(3, covariance_type=kind, missing="em", tol=0.01)
    imputed_wine[kind] = fit.fit(holed).impute(holed)
errors_of_wine = {
    name: np.sqrt(np.mean((imputed - wine)[gaps] ** 2))
    for name, imputed in imputed_wine.items()
}
for name, value in errors_of_wine.items():
    print(f"{name:13} {value:.2f}")

# %%
# What to try next
# ----------------
# - ``select(X, missing="em")`` chooses the model by the likelihood of the
#   observed values; ``gmm fit FILE --missing em`` does so in a terminal.
# - Rows with the same observed columns share their work. If nearly every row
#   has a different set of them, passes take longer, and a warning is issued.
#
# Used here: `gmm.GaussianMixture` with ``missing``, its method ``impute``, and
# `gmm.plotting.plot_clusters`.
