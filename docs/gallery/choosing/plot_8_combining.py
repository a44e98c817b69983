"""
Clusters of several components
==============================

BIC counts the Gaussians that a density needs. A cluster that is not Gaussian
needs several. `gmm.analysis.combine_components` keeps the mixture and merges
components into clusters, step by step, always the two between which rows are
the least decided (Baudry and others 2010).
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
# Two crosses, each of two Gaussians, and two Gaussians: like the first example
# of the paper. BIC rightly finds six components.

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
found = select(rows, range(1, 9), random_state=0)
print(f"{found.best.n_components} components, {found.best.covariance_type}")
plot_clusters(found.best, rows)

# %%
# Merging begins with six clusters and ends with one. The components of a
# cluster share its colour; the ellipses are still theirs.

combined = combine_components(found.best, rows)
print(f"{combined.n_clusters} clusters suggested")
print(f"cluster of each component: {combined.clusters()}")
plot_clusters(combined, rows)
index = adjusted_rand_score(cluster, combined.predict(rows))
print(f"adjusted Rand index {index:.3f}")

# %%
# Why four? From right to left, the entropy falls as long as components become
# one that overlap. Then it is flat: what is merged now is apart. Two straight
# lines are fitted, and meet at the suggested number.

plot_entropies(combined)

# %%
# As a tree: two lines that meet low are components that became one early. The
# dashed line leaves four clusters below it.

plot_hierarchy(combined)

# %%
# Look at the picture before you believe the number. A rule that looks for a
# bend finds one in any line. It never suggests one cluster, and with three
# components it can only say two. Where all is flat and near 0, every component
# is a cluster; where it falls all the way, there is one.

apart = select(
    rng.normal(size=(300, 2)) + 20 * np.eye(5, 2)[rng.integers(3, size=300)],
    range(1, 5),
    random_state=0,
)
three = combine_components(apart.best, apart.best.sample(300, 0)[0])
print(f"{apart.best.n_components} groups far apart; suggested:", end=" ")
print(f"{three.n_clusters}, entropies {three.entropies.round(2)}")

# %%
# ``predict(X, n_clusters)`` gives labels at any level, and ``at`` the same
# hierarchy with another number, for pictures.

for n in (6, 5, 4, 3, 2):
    sizes = np.bincount(combined.predict(rows, n))
    print(f"{n} clusters of {', '.join(map(str, sizes))} rows")
plot_clusters(combined.at(2), rows)

# %%
# Where another method is better: clusters that are curves need many Gaussians.
# The hierarchy puts them together again, but the bend suggests three clusters
# where there are two. HDBSCAN looks for gaps, and needs no number. Where noise
# fills the gap and you know the number, the hierarchy is the better one.

for noise in (0.06, 0.12):
    moons, moon = make_moons(600, noise=noise, random_state=0)
    best = select(moons, range(1, 13), random_state=0).best
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
#
# - ``plot_entropies(combined, by="rows")`` has the rows that were merged as its
#   axis, which does not overrate merges of large clusters.
# - ``criterion="icl"`` chooses fewer components from the start: it prefers
#   components that are clusters by themselves, and pays with the density.
#
# Used here: `gmm.analysis.combine_components`,
# `gmm.analysis.CombinedComponents`, `gmm.select`, `gmm.plotting.plot_clusters`,
# `gmm.plotting.plot_entropies`, `gmm.plotting.plot_hierarchy`.
