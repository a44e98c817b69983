"""
EM as an animation
==================

The animation shows textbook EM on the stretched blobs. It starts badly on
purpose, so that there is something to see: four random rows as means, and the
covariance of all rows for each component. The curve is the log-likelihood.
"""

import numpy as np
from sklearn.datasets import make_blobs

from gmm.plotting import animate_fit

blobs, _ = make_blobs(
    n_samples=1250, centers=4, cluster_std=0.60, random_state=0
)
X = blobs[:, ::-1] @ np.random.RandomState(13).randn(2, 2)
# sphinx_gallery_thumbnail_path = "pictures/learning.gif"

# %%
# The first frame is the start. No responsibilities have been computed, and all
# rows are grey. Every further frame is a pass: the rows are shared out again
# (the colours change), and each component moves to its new mean and covariance,
# leaving a trace. This random start ends with the components numbered from
# right to left, as on the other pages that use these blobs.

learning = animate_fit(X, 4, random_state=87)
# sphinx_gallery_defer_figures
learning

# %%
# Where the curve is nearly flat, two components compete for the same rows. Once
# one gives way, the curve rises again. A rule that stops at a small gain may
# stop there, so the animation uses a smaller ``tol`` than the estimator.

# %%
# ``learning.save("learning.gif")`` writes it to a file; this needs only Pillow.

print(f"the start and {learning.n_frames - 1} passes")

# %%
# What to try next
# ----------------
#
# - ``acceleration="auto"``, the default of the estimator, shows the steps of
#   the accelerated solver.
# - ``means_init`` sets the first means. For rows with more than two features,
#   ``view`` chooses the plane.
# - :ref:`sphx_glr_auto_gallery_inside_plot_1_by_hand.py`: one of these passes
#   by hand.
#
# Used here: `gmm.plotting.animate_fit`.
