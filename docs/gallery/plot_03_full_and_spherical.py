"""
Full against spherical
======================

The covariance type decides what a component may look like, and with it what
borders between components can be. Spherical components are circles of any size;
full ones are ellipses that lean as they like.
"""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from gmm import GaussianMixture
from gmm.plotting import plot_decision_boundaries

blobs, group = make_blobs(
    n_samples=1250, centers=4, cluster_std=0.60, random_state=0
)
X = blobs[:, ::-1] @ np.random.RandomState(13).randn(2, 2)
# sphinx_gallery_thumbnail_number = 2

# %%
# Both fits begin at the centres of k-means, from right to left, so that one
# colour is one group in both pictures. Two circles meet in a straight line or,
# where one is wider, in a circle around the narrower.

centres = KMeans(4, n_init=10, random_state=0).fit(X).cluster_centers_
from_right = centres[centres[:, 0].argsort()[::-1]]
spherical = GaussianMixture(
    4, covariance_type="spherical", means_init=from_right
).fit(X)
plot_decision_boundaries(spherical, X)

# %%
# Two ellipses meet in a conic section: a line, a parabola, a hyperbola or an
# ellipse. The pale band along a border is where the mixture is not sure.

full = GaussianMixture(4, means_init=from_right).fit(X)
plot_decision_boundaries(full, X)

# %%
# Freedom costs parameters. BIC weighs the log-likelihood against their number,
# smaller is better; and since the true groups are known here, the adjusted Rand
# index can tell how well they were found (1 is perfectly, 0 is by chance).

for mixture in spherical, full:
    found = adjusted_rand_score(group, mixture.predict(X))
    log_likelihood = mixture.score(X) * len(X)
    print(
        f"{mixture.covariance_type:10} log-likelihood {log_likelihood:8.1f}",
        end="   ",
    )
    print(f"BIC {mixture.bic(X):7.1f}   adjusted Rand {found:.3f}")

# %%
# What to try next
# ----------------
#
# - :ref:`sphx_glr_auto_gallery_plot_05_shared_shape.py`: there are 14 types,
#   and the best is neither of these two.
# - ``covariance_type="diag"``: ellipses that may not lean.
#
# Used here: `gmm.GaussianMixture`, `gmm.plotting.plot_decision_boundaries`.
