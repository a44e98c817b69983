"""
A shape in common
=================

The blobs of these pages were stretched by one map, so all four ellipses are
alike. A mixture with full covariances has to learn that four times. A *tied*
one knows it: one covariance for all. Does a criterion see it?
"""

import numpy as np
from sklearn.datasets import make_blobs

from gmm import select
from gmm.plotting import plot_clusters, plot_selection

blobs, _ = make_blobs(
    n_samples=1250, centers=4, cluster_std=0.60, random_state=0
)
X = blobs[:, ::-1] @ np.random.RandomState(15).randn(2, 2)
# sphinx_gallery_thumbnail_number = 2

# %%
# The four types of scikit-learn, four components each. Tied has the smallest
# BIC, though full has the larger likelihood: nine parameters more gain it less
# than they cost.

four = select(X, 4, ["full", "tied", "diag", "spherical"], random_state=0)
columns = ["covariance_type", "loglik", "n_parameters", "bic"]
print(four.to_frame()[columns].round(2).to_string(index=False))

# %%
# Now all 14 models that make volume, shape and orientation equal or variable,
# with one to eight components, in one search. Its table marks the best cell;
# EEE is the name of tied there: equal volume, equal shape, equal orientation.

found = select(X, n_components=range(1, 9), random_state=0)
print(found)

# %%
# A line for each model. All but two turn at four components: the two are EII
# and VII, whose components are circles, and it takes more of them to fill an
# ellipse.

plot_selection(found)

# %%
# The best of them, and the ellipses are indeed alike.

plot_clusters(found.best, X)

# %%
# What to try next
# ----------------
#
# - :ref:`sphx_glr_auto_gallery_plot_10_iris.py`: the same search on measured
#   data.
# - What the letters mean: `choosing a model <../choosing-a-model.html>`_.
#
# Used here: `gmm.select`, `gmm.Selection`, `gmm.plotting.plot_selection`,
# `gmm.plotting.plot_clusters`.
