"""
Full and spherical covariances
==============================

The covariance type decides which shapes the components can take, and so which
borders between them are possible. Spherical components are circles of any size.
Full components are ellipses with any orientation.
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
# Both fits start from the k-means centres, sorted from right to left, so each
# group has the same colour in both pictures. The border between two circles is
# a straight line or, where one circle is wider, a circle around the narrower
# one.

centres = KMeans(4, n_init=10, random_state=0).fit(X).cluster_centers_
from_right = centres[centres[:, 0].argsort()[::-1]]
spherical = GaussianMixture(
    4, covariance_type="spherical", means_init=from_right
).fit(X)
plot_decision_boundaries(spherical, X)

# %%
# The border between two ellipses is a conic section: a line, a parabola, a
# hyperbola or an ellipse. The pale band along a border marks uncertain labels.

full = GaussianMixture(4, means_init=from_right).fit(X)
plot_decision_boundaries(full, X)

# %%
# Full covariances have more parameters. BIC weighs the log-likelihood against
# the number of parameters; smaller is better. The true groups are known here,
# so the adjusted Rand index shows how well they were found: 1 is perfect, 0 is
# chance.

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
# - :ref:`sphx_glr_auto_gallery_choosing_plot_2_shared_shape.py`: there are 14
#   covariance models, and the best one here is neither of these two.
# - ``covariance_type="diag"``: ellipses aligned with the axes.
#
# Used here: `gmm.GaussianMixture`, `gmm.plotting.plot_decision_boundaries`.
