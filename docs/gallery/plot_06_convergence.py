"""
How a fit climbs
================

EM makes passes over the rows, and each makes the likelihood larger. How many passes it takes depends on how much the
components overlap, and where it ends depends on where it began.
"""

import numpy as np
from sklearn.datasets import make_blobs

from gmm import GaussianMixture
from gmm.plotting import plot_convergence

blobs, _ = make_blobs(n_samples=1250, centers=4, cluster_std=0.60, random_state=0)
X = blobs[:, ::-1] @ np.random.RandomState(15).randn(2, 2)

# %%
# Textbook EM from eight random starts, a line each. They stop at a small gain, and that is not always at the top: the
# flat stretches on the way are what a small gain looks like in the middle of a climb.

settings = {"init_params": "random_from_data", "n_init": 8, "tol": 1e-6, "max_iter": 500, "random_state": 10}
em = GaussianMixture(4, acceleration=None, **settings).fit(X)
plot_convergence(em)

# %%
# The default climb aims with what the last passes taught, from the same starts, to the same end.

accelerated = GaussianMixture(4, **settings).fit(X)
plot_convergence(accelerated)

# %%
for name, mixture in {"EM": em, "accelerated": accelerated}.items():
    print(f"{name}: the best start ends at {mixture.lower_bound_:.4f} nats per row")
    for trace in mixture.histories_:
        print(f"    {len(trace):3} passes, end at {trace.lower_bounds[-1]:.4f}")

# %%
# With the default starts, chosen among k-means partitions, there is little left to climb on these rows:

default = GaussianMixture(4, random_state=0).fit(X)
print(f"{default.history_.ending}, at {default.lower_bound_:.4f}: {default.history_.reason}")

# %%
# What to try next
# ----------------
#
# - :ref:`sphx_glr_auto_gallery_plot_07_learning.py`: the same climb as a film.
# - `How a fit climbs <../how-a-fit-climbs.html>`_: what the passes do.
# - ``refine="split-merge"``, which leaves solutions that no pass leaves.
#
# Used here: `gmm.GaussianMixture`, `gmm.Trace`, `gmm.plotting.plot_convergence`.
