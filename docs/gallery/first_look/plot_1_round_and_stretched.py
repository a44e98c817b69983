"""
k-means and mixtures on round and stretched groups
==================================================

k-means assigns every row to the nearest centre. That works for round groups of
equal size, and nothing in k-means warns you when the groups are not. This page
takes four round groups, stretches them, and compares k-means with a Gaussian
mixture.
"""

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import silhouette_score

from gmm import GaussianMixture
from gmm.plotting import plot_clusters, plot_decision_boundaries

blobs, group = make_blobs(
    n_samples=1250, centers=4, cluster_std=0.60, random_state=0
)
blobs = blobs[:, ::-1]
stretched = blobs @ np.random.RandomState(15).randn(2, 2)
X = stretched_more = blobs @ np.random.RandomState(13).randn(2, 2)
# sphinx_gallery_thumbnail_number = 2

# %%
# k-means is itself a simple mixture: equal weights, and one variance for all
# components and directions. `gmm.GaussianMixture.from_parameters` builds that
# mixture from the centres, so that it can be drawn like any other. Its labels
# are hard, so the borders are drawn without uncertainty. On every page that
# uses these blobs the components are numbered from right to left, so each group
# keeps its colour.


def k_means(X):
    """k-means centres, from right to left, as a mixture of equal circles."""
    found = KMeans(4, n_init=10, random_state=0).fit(X)
    centres = found.cluster_centers_
    centres = centres[centres[:, 0].argsort()[::-1]]
    variance = found.inertia_ / X.size
    return GaussianMixture.from_parameters(
        [1 / 4] * 4, centres, [variance] * 4, covariance_type="EII"
    )


kmeans = k_means(blobs)
ax = plot_decision_boundaries(kmeans, blobs, uncertainty=False)
ax.set_title("k-means on round blobs")

# %%
# The same rows after a linear map. (There are two maps on this page; the second
# stretches more.) The groups are now long ellipses that lean the same way.
# k-means still measures distance in circles, and its straight borders cut off
# their tips.

kmeans = k_means(X)
ax = plot_decision_boundaries(kmeans, X, uncertainty=False)
ax.set_title("k-means on stretched blobs")

# %%
# A mixture with full covariances fits the ellipses, even when it starts from
# the k-means centres.

mixture = GaussianMixture(4, means_init=kmeans.means_).fit(X)
plot_clusters(mixture, X)

# %%
# How many of the 1250 rows end in the wrong group? The mixture gets the same
# number wrong under each map: a linear map of the rows carries the means and
# covariances along and changes no responsibility. k-means has one row fewer
# wrong on the round blobs, and many more once they are stretched.


def wrong(labels):
    """Rows outside the majority group of their cluster."""
    return len(group) - pd.crosstab(labels, group).max(axis=1).sum()


tables = {
    "round": blobs,
    "stretched": stretched,
    "stretched more": stretched_more,
}
for name, rows in tables.items():
    by_kmeans = KMeans(4, n_init=10, random_state=0).fit_predict(rows)
    by_mixture = GaussianMixture(4, random_state=0).fit_predict(rows)
    counts = f"k-means {wrong(by_kmeans):3}, mixture {wrong(by_mixture)}"
    print(f"{name:15} wrong: {counts}")

# %%
# The usual k-means scores do not reveal the problem, because they use the same
# circles. Inertia, the sum of squared distances to the centres, is
# lower for the k-means partition than for the true groups, however wrong that
# partition is. It also falls with every added cluster, so it cannot choose
# their number. The silhouette compares distances within clusters with distances
# to the nearest other cluster. On the stretched rows it prefers three clusters
# to the true four.


def inertia(rows, labels):
    """Sum of squared distances to the centres of the clusters."""
    return sum(
        ((rows[labels == k] - rows[labels == k].mean(axis=0)) ** 2).sum()
        for k in np.unique(labels)
    )


for name, rows in tables.items():
    partitions = {
        f"k-means, K={K}": KMeans(K, n_init=5, random_state=0).fit_predict(rows)
        for K in range(2, 7)
    }
    partitions["the true groups"] = group
    scores = {
        which: (inertia(rows, labels), silhouette_score(rows, labels))
        for which, labels in partitions.items()
    }
    scores = pd.DataFrame(scores, index=["inertia", "silhouette"]).T
    print(
        f"{name}: the largest silhouette has {scores['silhouette'].idxmax()}",
        scores.round(3),
        sep="\n",
        end="\n\n",
    )

# %%
# What to try next
# ----------------
#
# - :ref:`sphx_glr_auto_gallery_first_look_plot_2_soft_assignments.py`: what
#   else a mixture knows about a row.
# - :ref:`sphx_glr_auto_gallery_choosing_plot_1_how_many.py`: a criterion that
#   does find the four groups.
# - Stretch the blobs with your own map and count again.
#
# Used here: `gmm.GaussianMixture`, `gmm.plotting.plot_decision_boundaries`,
# `gmm.plotting.plot_clusters`.
