"""
Convergence: EM and the accelerated solver
==========================================

EM makes passes over the rows, and each pass increases the likelihood. How many
passes it needs depends on how much the components overlap. Where it ends
depends on where it starts.
"""

import numpy as np
from sklearn.datasets import make_blobs

from gmm import GaussianMixture
from gmm.plotting import plot_convergence

blobs, _ = make_blobs(
    n_samples=1250, centers=4, cluster_std=0.60, random_state=0
)
X = blobs[:, ::-1] @ np.random.RandomState(15).randn(2, 2)
# sphinx_gallery_thumbnail_number = 2

# %%
# Each line is textbook EM from one of eight random starts. The best is in
# colour, and the title states why it stopped. Some starts end lower than
# others: in a local optimum, or at a pass that gains so little that EM stops.

settings = {
    "init_params": "random_from_data",
    "n_init": 8,
    "tol": 1e-6,
    "max_iter": 500,
    "random_state": 10,
}
em = GaussianMixture(4, acceleration=None, **settings).fit(X)
plot_convergence(em)

# %%
# The accelerated solver, the default, starts from the same mixtures. It uses
# the last passes to choose its next step, needs a fraction of EM's passes, and
# stops when the estimated remaining gain is small. One line is flat where EM
# stopped, and then rises to the best optimum. A cross is a rejected step: it
# would have lowered the objective.

accelerated = GaussianMixture(4, **settings).fit(X)
plot_convergence(accelerated)

# %%
for name, mixture in {"EM": em, "accelerated": accelerated}.items():
    print(f"{name}: the best ends at {mixture.lower_bound_:.4f} nats per row")
    for trace in mixture.histories_:
        print(f"  {len(trace):3} passes, end at {trace.lower_bounds[-1]:.4f}")

# %%
# The default starts, chosen among k-means partitions, leave little to gain on
# these rows:

default = GaussianMixture(4, random_state=0).fit(X)
print(f"{default.history_.ending}, at {default.lower_bound_:.4f} nats per row")
print(default.history_.reason)

# %%
# What to try next
# ----------------
#
# - :ref:`sphx_glr_auto_gallery_inside_plot_2_learning.py`: EM as an animation.
# - :doc:`/how-a-fit-climbs` explains the passes.
# - ``refine="split-merge"`` can escape local optima that no pass can leave.
#
# Used here: `gmm.GaussianMixture`, `gmm.em.Trace`,
# `gmm.plotting.plot_convergence`.
