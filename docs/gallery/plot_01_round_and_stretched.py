"""
Round blobs, and stretched ones
===============================

k-means puts every row with the nearest centre. That is right for groups that
are round and of one size, and it has no way to notice when they are not. Here
are four groups for which it is right, the same four groups stretched, and what
k-means, its inertia and the silhouette say then.
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
# k-means is a mixture too, the most modest one: equal weights, and one variance
# for all components and directions. Made of its centres and that variance, it
# can be drawn like any other. Its labels are hard, so no border is drawn pale.
# In all pictures of these blobs the components are numbered from right to left,
# so that one colour is one group.


def k_means(X):
    """Four centres, from right to left, as a mixture of equal circles."""
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
# The same rows under a linear map (there are two here, the second stretches
# more). The groups are now long ellipses, all leaning the same way; k-means
# still thinks in circles, and its straight borders cut off the tips.

kmeans = k_means(X)
ax = plot_decision_boundaries(kmeans, X, uncertainty=False)
ax.set_title("k-means on stretched blobs")

# %%
# A mixture with free covariances takes the ellipses as they are, also where it
# begins at those centres.

mixture = GaussianMixture(4, means_init=kmeans.means_).fit(X)
plot_clusters(mixture, X)

# %%
# How many of the 1250 rows are in the wrong group? For the mixture it is the
# same number under each map: a linear map of the rows maps the means and
# covariances along and changes no responsibility. For k-means, which has one
# row less wrong on the round blobs, it depends on the map.


def wrong(labels):
    """Rows that are not of the group that most rows of their cluster are of."""
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
# The scores that usually come with k-means do not warn of it, for they measure
# by the same circles. Inertia, the sum of squared distances to the centres, is
# smaller for the partition of k-means than for the true groups, however wrong
# that partition is; and it falls with every further cluster, so that it chooses
# no number of them. The silhouette compares distances within clusters with
# those to the next one: on stretched rows it prefers three clusters to the true
# four.


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
# - :ref:`sphx_glr_auto_gallery_plot_02_soft_assignments.py`: what else a
#   mixture knows about a row.
# - :ref:`sphx_glr_auto_gallery_plot_04_how_many.py`: a criterion that does find
#   the four.
# - Stretch the blobs with a map of your own, and count again.
#
# Used here: `gmm.GaussianMixture`, `gmm.plotting.plot_decision_boundaries`,
# `gmm.plotting.plot_clusters`.
