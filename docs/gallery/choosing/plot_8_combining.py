"""
Clusters of several components
==============================

BIC counts the Gaussians that a density needs. A cluster that is not Gaussian
needs several. `gmm.analysis.combine_components` keeps the mixture and merges
its components into clusters. Each step merges the two clusters that share most
rows (Baudry and others 2010).
"""

import numpy as np
from sklearn.cluster import HDBSCAN
from sklearn.datasets import make_moons
from sklearn.metrics import adjusted_rand_score

from gmm import select
from gmm.analysis import combine_components
from gmm.plotting import plot_clusters, plot_entropies, plot_hierarchy

# sphinx_gallery_thumbnail_number = 2

# %%
# The table has two crosses of two Gaussians each, and two single Gaussians, as
# in the first example of the paper. BIC rightly finds six components.

rng = np.random.default_rng(3)
shapes = [
    ((0, 0), (0.4, 3.0), 100),
    ((0, 0), (3.0, 0.4), 100),
    ((15, 9), (0.4, 3.0), 100),
    ((15, 9), (3.0, 0.4), 100),
    ((15, -3), (1.0, 1.0), 100),
    ((0, 12), (1.0, 1.0), 100),
]
rows = np.concatenate(
    [rng.normal(mean, sd, (size, 2)) for mean, sd, size in shapes]
)
cluster = np.repeat([0, 0, 1, 1, 2, 3], 100)
found = select(rows, range(1, 8), random_state=0)
print(f"{found.best.n_components} components, {found.best.covariance_type}")
plot_clusters(found.best, rows)

# %%
# Merging starts with six clusters and ends with one. The components of a
# cluster share its colour and keep their ellipses.

combined = combine_components(found.best, rows)
print(f"{combined.n_clusters} clusters suggested")
print(f"cluster of each component: {combined.clusters()}")
plot_clusters(combined, rows)
index = adjusted_rand_score(cluster, combined.predict(rows))
print(f"adjusted Rand index {index:.3f}")

# %%
# Why four? Read from right to left: the entropy falls while merges join
# overlapping components. Then it is flat, because the remaining clusters are
# apart. Two fitted straight lines meet at the suggested number.

plot_entropies(combined)

# %%
# The tree shows the same. Components that merged early meet low. Four clusters
# hang below the dashed line.

plot_hierarchy(combined)

# %%
# Look at the picture before you believe the number. A rule that looks for a
# bend finds one in any line, and it never suggests one cluster: if the line
# falls all the way, there is one. Where no merger removes the entropy of even
# one undecided row, log 2, every component is a cluster.

apart = select(
    rng.normal(size=(300, 2)) + 20 * np.eye(5, 2)[rng.integers(3, size=300)],
    range(1, 5),
    random_state=0,
)
three = combine_components(apart.best, apart.best.sample(300, 0)[0])
print(f"{apart.best.n_components} groups far apart; suggested:", end=" ")
print(f"{three.n_clusters}, entropies {three.entropies.round(2)}")

# %%
# ``predict(X, n_clusters)`` returns labels at any level. ``at`` returns the
# same hierarchy with another number of clusters, for pictures.

for n in (6, 5, 4, 3, 2):
    sizes = np.bincount(combined.predict(rows, n))
    print(f"{n} clusters of {', '.join(map(str, sizes))} rows")
plot_clusters(combined.at(2), rows)

# %%
# Another method can be better: curved clusters need many Gaussians. The
# hierarchy merges them again, but the bend suggests three clusters instead of
# two. HDBSCAN looks for gaps and needs no number. If there is noise in the gap
# and you know the number, the hierarchy is better.

for noise in (0.06, 0.12):
    moons, moon = make_moons(600, noise=noise, random_state=0)
    best = select(moons, range(4, 11), random_state=0).best
    merged = combine_components(best, moons)
    dense = HDBSCAN(min_cluster_size=25, copy=True).fit_predict(moons)
    scores = [
        adjusted_rand_score(moon, labels)
        for labels in (
            merged.predict(moons),
            merged.predict(moons, 2),
            dense,
        )
    ]
    print(
        f"moons, noise {noise}: {best.n_components} components; "
        f"{merged.n_clusters} clusters, adjusted Rand index {scores[0]:.2f}; "
        f"2 clusters, {scores[1]:.2f}; HDBSCAN {scores[2]:.2f}"
    )

# %%
# What to try next
# ----------------
# - ``plot_entropies(combined, by="rows")`` has the number of merged rows as its
#   axis, which does not overrate merges of large clusters.
# - ``criterion="icl"`` chooses fewer components from the start. It prefers
#   components that are clusters by themselves, at the cost of the density.
#
# Used here: `gmm.analysis.combine_components`,
# `gmm.analysis.CombinedComponents`, `gmm.select`, `gmm.plotting.plot_clusters`,
# `gmm.plotting.plot_entropies`, `gmm.plotting.plot_hierarchy`.
