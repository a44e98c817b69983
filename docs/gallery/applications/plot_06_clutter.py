"""
Find groups in clutter
======================

Some rows belong to no group: faulty readings, background, strays. A mixture
must explain them all the same, with components that are too broad or of no use.
With ``noise=True`` they get a uniform density of their own, as in mclust.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import HDBSCAN
from sklearn.datasets import make_moons
from sklearn.metrics import adjusted_rand_score

from gmm import select
from gmm.plotting import plot_clusters

# sphinx_gallery_thumbnail_number = 1

# %%
# Three groups, two of which cross, and as much clutter as in the largest of
# them, spread over a square.

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

plain = select(rows, range(1, 8), random_state=0).best
noisy = select(rows, range(1, 8), noise=True, random_state=0).best
print(noisy)

# %%
# Black rows are noise, which has the label −1. Without noise, the best mixture
# needs broad components for the clutter, which is no ellipse.

fig, axes = plt.subplots(1, 2, figsize=(5, 5), layout="constrained")
pairs = {"with noise": noisy, "without": plain}
for ax, (title, mixture) in zip(axes, pairs.items(), strict=True):
    plot_clusters(mixture, rows, ax=ax)
    ax.set_title(f"{mixture.n_components} components, {title}")
    legend = ax.get_legend()
    legend.set_loc("upper center")
    legend.set_bbox_to_anchor((0.5, -0.12))

# %%
# How much of the truth is found? The adjusted Rand index is 1 for the same
# partition, and 0 for one by chance. HDBSCAN, of scikit-learn, also leaves rows
# out; it asks for no shape of the groups, but takes what touches for one.

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
# Where groups are no ellipses, it is the other way round: here are two
# crescents. A mixture needs several components for each, and then noise has to
# compete with all of them.

moons, of_moon = make_moons(400, noise=0.06, random_state=0)
strays = rng.uniform([-1.5, -1.0], [2.5, 1.5], (100, 2))
X = np.concatenate([moons, strays])
crescents = np.concatenate([of_moon, np.full(100, -1)])
curved = select(X, range(1, 10), noise=True, random_state=0).best
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
#
# - Noise is spread evenly over a box, that of the rows by default. One row far
#   out makes the box large, and its density small: give the box yourself, as
#   ``noise=[[-10, -10], [10, 10]]``.
# - ``gmm fit FILE --noise`` is the same in a terminal.
# - ``noisy.sample(1000)`` draws clutter too.
#
# Used here: `gmm.select` with ``noise``, `gmm.plotting.plot_clusters`.
