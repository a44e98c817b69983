"""
Components with one shape in common
===================================

One linear map stretched these blobs, so all four ellipses are alike. A mixture
with full covariances estimates the same ellipse four times. A *tied* mixture
has one covariance for all components. Does BIC prefer it?
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
# The four covariance types of scikit-learn, with four components each. Tied has
# the smallest BIC. Full has the larger likelihood, but its nine extra
# parameters cost more than they gain.

four = select(X, 4, ["full", "tied", "diag", "spherical"], random_state=0)
columns = ["covariance_type", "loglik", "n_parameters", "bic"]
print(four.to_frame()[columns].round(2).to_string(index=False))

# %%
# Now one search over all 14 models, with one to eight components. The models
# make volume, shape and orientation either equal or variable. The table marks
# the best cell: EEE (equal volume, equal shape, equal orientation), which is
# scikit-learn's tied.

found = select(X, n_components=range(1, 9), random_state=0)
print(found)

# %%
# Each model has a line. All except two have their minimum at four components.
# These two are EII and VII. Their components are circles, and an ellipse needs
# several circles.

plot_selection(found)

# %%
# In the best model, the ellipses are indeed alike.

plot_clusters(found.best, X)

# %%
# What to try next
# ----------------
#
# - :ref:`sphx_glr_auto_gallery_choosing_plot_4_iris.py`: the same search on
#   measured data.
# - :doc:`/choosing-a-model` explains the letters.
#
# Used here: `gmm.select`, `gmm.Selection`, `gmm.plotting.plot_selection`,
# `gmm.plotting.plot_clusters`.
