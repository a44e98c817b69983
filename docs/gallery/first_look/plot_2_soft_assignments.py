"""
Soft assignments
================

A mixture returns the most probable component of a row, and how probable it is.
A row between two components is shared between them. Each share is a
responsibility: the probability of the component given the row.
"""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from gmm import GaussianMixture
from gmm.plotting import plot_clusters, plot_uncertainty

blobs, group = make_blobs(
    n_samples=1250, centers=4, cluster_std=0.60, random_state=0
)
X = blobs[:, ::-1] @ np.random.RandomState(13).randn(2, 2)
centres = KMeans(4, n_init=10, random_state=0).fit(X).cluster_centers_
from_right = centres[centres[:, 0].argsort()[::-1]]
mixture = GaussianMixture(4, means_init=from_right).fit(X)
# sphinx_gallery_thumbnail_number = 1

# %%
# Each row is drawn in the colours of its components, mixed by its
# responsibilities. The solid and dashed ellipses contain 50 % and 95 % of each
# component. They are computed from its covariance, not drawn around rows. The
# fit starts from the k-means centres, sorted from right to left, so component 0
# is the group on the right.

plot_clusters(mixture, X)

# %%
# Most rows are certain. Rows between two components are not. Here they are:

plot_uncertainty(mixture, X)

# %%
# How certain is the label of a row? One minus its largest responsibility is the
# probability that the label is wrong, so the sum of these is the number of
# wrong labels that the mixture expects. The groups are known here, so we can
# compare.

responsibilities = mixture.predict_proba(X)
largest = responsibilities.max(axis=1)
labels = responsibilities.argmax(axis=1)
name = [
    np.bincount(group[labels == k]).argmax() for k in range(4)
]  # the group that a component found
wrong = np.take(name, labels) != group
print(f"{(largest > 0.99).sum()} of {len(X)} rows are more than 99 % certain")
print(f"{(largest < 0.8).sum()} are less than 80 % certain")
print(f"wrong labels: {(1 - largest).sum():.1f} expected, {wrong.sum()} found")

# %%
# The rows with the least certain labels:

for i in largest.argsort()[:5]:
    print(X[i].round(2), "shared as", responsibilities[i].round(3))

# %%
# What to try next
# ----------------
#
# - :ref:`sphx_glr_auto_gallery_inside_plot_1_by_hand.py`: how responsibilities
#   are computed.
# - Choose a threshold, such as 0.9, and have a person check the rows below it.
#
# Used here: `gmm.GaussianMixture`, `gmm.plotting.plot_clusters`,
# `gmm.plotting.plot_uncertainty`.
