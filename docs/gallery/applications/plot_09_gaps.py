"""
Fit a table with gaps
=====================

Real tables have missing values. With ``missing="em"`` a fit takes them as they
are: EM integrates them out, so that no row is dropped and no value is made up.
Here it is beside the usual ways, on data whose gaps we make ourselves.
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
# Three species of iris have known labels, which the fits do not see. How
# well are they found (adjusted Rand index: 1 is perfect, 0 is chance), and how
# near do filled values come to the true ones, in standard deviations?

X, species = load_iris(return_X_y=True)
shares = [0.1, 0.2, 0.3, 0.4]
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
            filled = imputer.fit_transform(holed)
            fit = GaussianMixture(3, **how).fit(filled)
            results.append((fit.predict(filled), filled))
        for n, (labels, filled) in enumerate(results):
            away = ((filled - X) / X.std(axis=0))[gaps]
            index[n, s] += adjusted_rand_score(species, labels) / 4
            error[n, s] += np.sqrt(np.mean(away**2)) / 4

fig, axes = plt.subplots(2, 1, figsize=(5, 6), layout="constrained")
titles = ["How well are species found?", "Error of filled values"]
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
# Regressions on the other columns are as good where little is missing. The more
# is, the more it matters that values which were made up count as much as those
# that were measured: filled with means, the table has groups that are not
# there. A fit that integrates them out knows what it does not know.
#
# A picture needs whole rows. `gmm.GaussianMixture.impute` fills them with
# conditional means; with ``draw=True``, with draws, which vary as much as real
# values do.

holed, gaps = with_gaps(X, 0.2, seed=0)
fit = GaussianMixture(3, missing="em", **how).fit(holed)
ax = plot_clusters(fit, fit.impute(holed, draw=True, random_state=0))

# %%
# Why is a value missing?
# -----------------------
#
# EM is right if that depends on nothing, or on what is there in the same row
# ("missing at random"). It is wrong if it depends on the missing value itself,
# and so is every method that is not told how. Here the second of two columns,
# with mean 0, is missing by chance; where the first is large; where it is
# large itself.

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
#
# A mixture learns a covariance of each component. Of 178 wines with 13 columns
# that is too much for three full ones, 314 parameters in all: neighbours and
# regressions come nearer to the true values, and so does a mixture whose
# components share one covariance.

wine = load_wine().data
wine = wine / wine.std(axis=0)
holed, gaps = with_gaps(wine, 0.2, seed=1)
filled_wine = {name: imputers[name].fit_transform(holed) for name in imputers}
for kind in ("full", "tied"):
    fit = GaussianMixture(3, covariance_type=kind, missing="em", tol=0.01)
    filled_wine[kind] = fit.fit(holed).impute(holed)
errors_of_wine = {
    name: np.sqrt(np.mean((filled - wine)[gaps] ** 2))
    for name, filled in filled_wine.items()
}
for name, value in errors_of_wine.items():
    print(f"{name:13} {value:.2f}")

# %%
# What to try next
# ----------------
#
# - ``select(X, missing="em")`` chooses the model, by the likelihood of the
#   values that are there; ``gmm fit FILE --missing em`` does so in a terminal.
# - Each set of columns that rows have is a pass of its own. Where nearly every
#   row has its own set, passes take longer, and a warning says so.
#
# Used here: `gmm.GaussianMixture` with ``missing``, its method ``impute``, and
# `gmm.plotting.plot_clusters`.
