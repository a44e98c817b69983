"""
Soft assignments
================

A mixture does not only say to which component a row most probably belongs; it
says how probably. A row between two components is shared, and its share is its
responsibility: the probability of the component once the row is seen.
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
# Each row has the colours of its components, mixed by its responsibilities. The
# ellipses hold half and 95 % of what a component makes; they are computed from
# its covariance, not drawn around rows. The start, the centres of k-means from
# right to left, makes component 0 the group on the right, as on all pages of
# these blobs.

plot_clusters(mixture, X)

# %%
# Most rows are clear. Where two components meet, rows are not, and here is
# where that is:

plot_uncertainty(mixture, X)

# %%
# In numbers: how sure is the label of a row? One minus its largest
# responsibility is the probability that the label is wrong, so the sum of these
# is how many wrong labels the mixture itself expects. Here the groups are
# known, and the count can be compared.

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
# The rows it is least sure of:

for i in largest.argsort()[:5]:
    print(X[i].round(2), "shared as", responsibilities[i].round(3))

# %%
# What to try next
# ----------------
#
# - :ref:`sphx_glr_auto_gallery_plot_15_by_hand.py`: how responsibilities come
#   about.
# - Take a threshold, say 0.9, and hand the rows below it to a person.
#
# Used here: `gmm.GaussianMixture`, `gmm.plotting.plot_clusters`,
# `gmm.plotting.plot_uncertainty`.
