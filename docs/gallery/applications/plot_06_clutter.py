"""
Find groups in clutter
======================

Some rows belong to no group: faulty readings, background, outliers. A plain
mixture has to explain them too, with components that are too broad or useless.
``noise=True`` adds a uniform density for them, as in mclust.
"""

import numpy as np
from sklearn.cluster import HDBSCAN
from sklearn.datasets import make_moons
from sklearn.metrics import adjusted_rand_score

from gmm import select
from gmm.plotting import plot_clusters

# sphinx_gallery_thumbnail_number = 1

# %%
# The table has three groups, two of which cross, and clutter spread over a
# square. There is as much clutter as there are rows in the largest group.

rng = np.random.default_rng(0)
shapes = [
    ((-2, 0), [[2.0, 1.6], [1.6, 1.6]], 250),
    ((-1, 1), [[1.6, -1.4], [-1.4, 1.6]], 200),
    ((5, -4), [[0.3, 0.0], [0.0, 1.5]], 150),
]
groups = [rng.multivariate_normal(*shape) for shape in shapes]
clutter = rng.uniform(-10, 10, (250, 2))
rows = np.concatenate([*groups, clutter])
truth = np.repeat([0, 1, 2, -1], [250, 200, 150, 250])

plain = select(rows, range(3, 8), random_state=0).best
noisy = select(rows, range(1, 6), noise=True, random_state=0).best
print(noisy)

# %%
# Black rows are noise, with the label −1.

ax = plot_clusters(noisy, rows)
ax.set_title(f"{noisy.n_components} components, with noise")

# %%
# Without noise, the best mixture needs broad components for the clutter, which
# is not an ellipse.

ax = plot_clusters(plain, rows)
ax.set_title(f"{plain.n_components} components, without")

# %%
# How close are the labels to the truth? The adjusted Rand index is 1 for the
# same partition and about 0 for a random one. scikit-learn's HDBSCAN also
# marks rows as noise. It assumes no shape of the groups, but merges groups
# that touch.

found = {
    "mixture with noise": noisy.predict(rows),
    "mixture without": plain.predict(rows),
    "HDBSCAN": HDBSCAN(min_cluster_size=20, copy=True).fit_predict(rows),
}
scores = {name: adjusted_rand_score(truth, y) for name, y in found.items()}
for name, score in scores.items():
    print(f"{name:20} {score:.2f}")
print(f"clutter: {len(clutter) / len(rows):.0%} of the rows", end=", ")
print(f"weight of the noise: {noisy.noise_weight_:.0%}")

# %%
# If groups are not ellipses, HDBSCAN is better. Here are two crescents. A
# mixture needs several components for each, and noise has to compete with all
# of them.

moons, of_moon = make_moons(400, noise=0.06, random_state=0)
outliers = rng.uniform([-1.5, -1.0], [2.5, 1.5], (100, 2))
X = np.concatenate([moons, outliers])
crescents = np.concatenate([of_moon, np.full(100, -1)])
curved = select(X, range(5, 10), noise=True, random_state=0).best
by_density = HDBSCAN(min_cluster_size=20, copy=True).fit_predict(X)
scores_of_moons = {
    "mixture with noise": adjusted_rand_score(crescents, curved.predict(X)),
    "HDBSCAN": adjusted_rand_score(crescents, by_density),
}
print(f"{curved.n_components} components for two crescents")
for name, score in scores_of_moons.items():
    print(f"{name:20} {score:.2f}")

# %%
# What to try next
# ----------------
# - Noise is uniform over a box, by default the box of the rows. One row far
#   away makes the box large and its density small. Set the box yourself:
#   ``noise=[[-10, -10], [10, 10]]``.
# - ``gmm fit FILE --noise`` does the same in a terminal.
# - ``noisy.sample(1000)`` draws clutter too.
#
# Used here: `gmm.select` with ``noise``, `gmm.plotting.plot_clusters`.
