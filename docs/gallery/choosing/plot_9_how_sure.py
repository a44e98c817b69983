"""
How sure are the numbers?
=========================

A fit prints means with many digits. How many of these digits would another
sample of the same size confirm? And would it have the same groups?
`gmm.inference.standard_errors` answers with a few hundred refits to randomly
weighted rows.
"""

from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import gmm
from gmm.plotting import plot_clusters

# sphinx_gallery_thumbnail_number = 1

# %%
# The data are Old Faithful's eruptions: how long they last, and how long the
# wait for the next one is. BIC prefers three groups of the same shape, but the
# eye sees two. Which can we trust?

table = files("gmm") / "data" / "faithful.csv"
eruptions = pd.read_csv(str(table))
close = {"tol": 1e-6, "n_init": 10, "random_state": 0}
two = gmm.GaussianMixture(2, covariance_type="EEE", **close).fit(eruptions)
three = gmm.GaussianMixture(3, covariance_type="EEE", **close).fit(eruptions)
for mixture in (two, three):
    print(f"BIC {mixture.bic(eruptions):.1f}")

sure = gmm.inference.standard_errors(two, eruptions, random_state=0)
unsure = gmm.inference.standard_errors(three, eruptions, random_state=0)
print(sure)
print(unsure)

# %%
# Each dot is the mean of a group in one refit. Refits of two groups agree on
# nearly every eruption. Refits of three groups do not agree on the clustering,
# and the mean of the third group is four times less certain than that of its
# neighbour.

fig, axes = plt.subplots(1, 2, figsize=(5, 3.2), layout="constrained")
for ax, errors in zip(axes, (sure, unsure), strict=True):
    plot_clusters(errors.model, eruptions, ax=ax)
    for means in np.moveaxis(errors.replicates.means, 1, 0):
        ax.plot(*means.T, "k.", markersize=2, alpha=0.5)
    ax.set_title(f"adjusted Rand {errors.adjusted_rand.mean():.2f}")
    ax.get_legend().remove()

# %%
# Why? In this table, row i and column j hold the share of group i's rows that
# look more like group j. A fifth of the third group could as well belong to the
# first.

shares = gmm.analysis.overlap(three)
print(shares.round(3))

# %%
# Which column separates a group from the rest? 0 means no overlap, 1 means no
# difference. The waiting time hardly helps to find the third group.

common = gmm.analysis.column_overlap(three)
print(common)

# %%
# Intervals are the quantiles of the refits. ``method="information"`` needs no
# refits, only two passes for each parameter, also over rows beyond memory. Its
# intervals for means are always symmetric.

exact = gmm.inference.standard_errors(three, eruptions, method="information")
for errors in (unsure, exact):
    print(errors.method, errors.intervals(0.9).means[2, 1].round(1))

# %%
# Do 90 % intervals contain the truth 90 times in 100? Here are intervals for
# the means of two groups in 400 rows, for 40 tables. The groups are four
# standard deviations apart, then two.


def coverage(distance, method):
    means = [[-distance / 2], [distance / 2]]
    truth = gmm.GaussianMixture.from_parameters(
        [0.4, 0.6], means, [[1.0], [1.0]], covariance_type="diag"
    )
    fit = gmm.GaussianMixture(
        2, covariance_type="diag", means_init=means, tol=1e-6, max_iter=1000
    )
    held = []
    for seed in range(40):
        rows, _ = truth.sample(400, random_state=seed)
        errors = gmm.inference.standard_errors(
            fit.fit(rows), rows, method=method, n_replicates=60, random_state=0
        )
        ends = errors.intervals(0.9).means
        held.append((ends[..., 0] < means) & (means < ends[..., 1]))
    return np.mean(held)


methods = ("weighted-bootstrap", "information")
covered = {
    f"{distance} apart": {
        method: coverage(distance, method) for method in methods
    }
    for distance in (4, 2)
}
print(pd.DataFrame(covered).round(2))

# %%
# Trust these errors if groups are apart. If groups overlap strongly, both
# methods give errors that are too small: the fit is biased then, and refits
# that start at it have the same bias. The errors also ignore that the number
# of groups was chosen from the same rows. To include this, repeat the whole
# search with `gmm.select` on resampled rows, or test with
# `gmm.inference.bootstrap_lrt`. With few rows, use a prior or
# `gmm.BayesianGaussianMixture`, but the intervals of a variational posterior
# are too narrow too.

# %%
# What to try next
# ----------------
# - ``errors.replicates`` holds all refits. Compute any number from each refit:
#   the spread is its standard error.
# - ``sample_weight`` counts as repeated rows, in refits and information.
# - ``gmm fit --report`` has a section on standard errors.
#
# Used here: `gmm.inference.standard_errors`, `gmm.analysis.overlap`,
# `gmm.analysis.column_overlap`, `gmm.plotting.plot_clusters`.
