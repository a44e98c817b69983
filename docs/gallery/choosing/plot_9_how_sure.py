"""
How sure are the numbers?
=========================

A fit prints means with many digits. How many of them would another sample of
the same size repeat? And would it find the same groups?
`gmm.inference.standard_errors` answers by fitting again, a few hundred times,
to the rows with random weights.
"""

from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import gmm
from gmm.plotting import plot_clusters

# sphinx_gallery_thumbnail_number = 1

# %%
# Old Faithful's eruptions: how long they last and how long one waits for the
# next. By BIC there are three groups of the same shape, but two are what one
# sees. Which can be trusted?

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
# Refits of two groups agree on nearly every eruption. Of the three, the third
# is the least certain: its mean is known four times less well than that of its
# neighbour, and the clustering changes from refit to refit. Each dot is the
# mean of a group in one refit.

fig, axes = plt.subplots(1, 2, figsize=(5, 3.2), layout="constrained")
for ax, errors in zip(axes, (sure, unsure), strict=True):
    plot_clusters(errors.model, eruptions, ax=ax)
    for means in np.moveaxis(errors.replicates.means, 1, 0):
        ax.plot(*means.T, "k.", markersize=2, alpha=0.5)
    ax.set_title(f"adjusted Rand {errors.adjusted_rand.mean():.2f}")
    ax.get_legend().remove()

# %%
# Why? Row i and column j: the share of group i's rows that look more like
# those of j. A fifth of the third group could as well be of the first.

shares = gmm.analysis.overlap(three)
print(shares.round(3))

# %%
# And which column tells a group from the rest? 0 is alone in its place, 1 is
# no difference. Waiting hardly helps to find the third group.

common = gmm.analysis.column_overlap(three)
print(common)

# %%
# Intervals are the quantiles of the refits. ``method="information"`` needs no
# refits, only two passes for each parameter, and rows that need not be in
# memory; its intervals are symmetric, also where the refits are not.

exact = gmm.inference.standard_errors(three, eruptions, method="information")
for errors in (unsure, exact):
    print(errors.method, errors.intervals(0.9).means[2, 1].round(1))

# %%
# Do 90 % intervals hold the truth 90 times in 100? Here they are for the means
# of two groups, 400 rows, drawn anew 60 times. The groups are four standard
# deviations apart, then two.


def coverage(distance, method):
    means = [[-distance / 2], [distance / 2]]
    truth = gmm.GaussianMixture.from_parameters(
        [0.4, 0.6], means, [[1.0], [1.0]], covariance_type="diag"
    )
    fit = gmm.GaussianMixture(
        2, covariance_type="diag", means_init=means, tol=1e-6, max_iter=1000
    )
    held = []
    for seed in range(60):
        rows, _ = truth.sample(400, random_state=seed)
        errors = gmm.inference.standard_errors(
            fit.fit(rows), rows, method=method, n_replicates=80, random_state=0
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
# So these errors can be trusted where groups are apart, and are too small where
# groups run into each other, whichever way they are computed: the fit is biased
# then, and no refit that begins at it will say so. Nor do they know that the
# number of groups was chosen from the same rows: for that, repeat the whole
# search, as `gmm.select`, on resampled rows, or test by
# `gmm.inference.bootstrap_lrt`. Of few rows, a prior and
# `gmm.BayesianGaussianMixture` are the safer start, although the intervals of a
# variational posterior are too narrow as well.

# %%
# What to try next
# ----------------
#
# - ``errors.replicates`` has all refits: the errors of any number that you
#   compute from a mixture are the spread of that number over them.
# - ``sample_weight`` counts as repeated rows, in refits and information.
# - ``gmm fit --report`` has a section on it.
#
# Used here: `gmm.inference.standard_errors`, `gmm.analysis.overlap`,
# `gmm.analysis.column_overlap`, `gmm.plotting.plot_clusters`.
