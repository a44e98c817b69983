"""
Components as they learn
========================

A film of textbook EM on the stretched blobs. It begins badly on purpose, so
that there is something to see: four random rows for means, and for each
component the covariance of all rows. The curve beside it is the log-likelihood
so far.
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
# The first frame is the start: nothing has been shared out yet, and all rows
# are grey. Then a frame for every pass: the rows are shared (the colours
# change), and each component moves to the mean and covariance of its share,
# leaving a trace. Of the random starts this one ends with the components
# numbered from right to left, as on the other pages of these blobs.

learning = animate_fit(X, 4, random_state=87)
# sphinx_gallery_defer_figures
learning

# %%
# Where the curve is nearly flat two components compete for the same rows; once
# one gives way, it climbs again. A rule that stops at a small gain may stop
# there, so the film takes a finer one than the estimator.

# %%
# ``learning.save("learning.gif")`` writes it to a file; Pillow is all that
# needs.

print(f"the start and {learning.n_frames - 1} passes")

# %%
# What to try next
# ----------------
#
# - ``acceleration="auto"``, the default of the estimator, to see the steps of
#   the faster climb.
# - ``means_init``, to begin where you like; ``view``, to see rows of more than
#   two features.
# - :ref:`sphx_glr_auto_gallery_plot_15_by_hand.py`: one pass of these, by hand.
#
# Used here: `gmm.plotting.animate_fit`.
