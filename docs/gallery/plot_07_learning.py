"""
Components as they learn
========================

A film of textbook EM on the stretched blobs. It begins badly on purpose, all components in one place, so that there is
something to see; the curve beside it is what each pass gains.
"""

import numpy as np
from sklearn.datasets import make_blobs

from gmm.plotting import animate_fit

blobs, _ = make_blobs(n_samples=1250, centers=4, cluster_std=0.60, random_state=0)
X = blobs[:, ::-1] @ np.random.RandomState(13).randn(2, 2)

# %%
# The first frame is the start: no row has been looked at, and all are grey. Then a frame for every pass: the rows are
# shared out (the colours change), and each component moves to the mean and covariance of its share.

learning = animate_fit(X, 4)
learning

# %%
# ``learning.save("learning.gif")`` writes it to a file; Pillow is all that needs.
#
# What to try next
# ----------------
#
# - ``acceleration="auto"``, the default of the estimator, to see the steps of the faster climb.
# - ``means_init``, to begin where you like; ``view``, to see rows of more than two features.
# - :ref:`sphx_glr_auto_gallery_plot_15_by_hand.py`: one pass of these, by hand.
#
# Used here: `gmm.plotting.animate_fit`.
