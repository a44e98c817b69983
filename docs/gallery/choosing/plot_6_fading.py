"""
Components that fade
====================

Give `gmm.BayesianGaussianMixture` more components than it needs, and it keeps
those that the data support. It maximises a lower bound of the log evidence, in
which every component with rows has a cost. If two components share one group,
one of them fades.
"""

import numpy as np

from gmm import BayesianGaussianMixture, select
from gmm.plotting import animate_fit, plot_clusters, plot_convergence

rng = np.random.default_rng(3)
centres = np.array([[0.0, 0.0], [6.0, 1.0], [1.0, 6.0], [7.0, 7.0]])
X = centres[rng.integers(4, size=600)] + rng.normal(size=(600, 2))
# sphinx_gallery_thumbnail_number = 3

# %%
# The film starts with ten random rows, each with the rows nearest to it. Every
# frame is a pass of coordinate ascent, the updates that scikit-learn makes
# too. Components without rows go back to the prior: the wide ellipse of all
# rows.

film = animate_fit(X, 10, bayesian=True, init_params="random_from_data")
# sphinx_gallery_defer_figures
film

# %%
# The estimator itself starts from k-means, makes quasi-Newton steps, and
# merges two components if that raises the bound. So it needs fewer passes.
# ``n_effective_components_`` counts the components that expect at least one
# row.

mixture = BayesianGaussianMixture(n_components=10, random_state=0).fit(X)
print(mixture.n_effective_components_, "of", mixture.n_components, "remain")
print("expected rows:", mixture.counts_.round(1))
plot_clusters(mixture, X)

# %%
# Each component that goes raises the bound by a few nats, for any number of
# rows. So ``tol`` is in nats for all rows together; a threshold per row would
# stop too early.

plot_convergence(mixture)

# %%
# The posterior shows how well the parameters are known.

held = mixture.credible_intervals(0.95)
for k in range(mixture.n_effective_components_):
    low, high = held.weights[k]
    print(f"weight {mixture.weights_[k]:.3f}, from {low:.3f} to {high:.3f}")

# %%
# `gmm.select` answers the same question by a criterion, after fits of every
# number of components, and also chooses the shape of the covariances.

found = select(X, range(1, 11), "full")
print("BIC chooses", found.best.n_components)

# %%
# What to try next
# ----------------
#
# - A smaller ``weight_concentration_prior``: fewer components remain.
# - ``score_samples(X, density="predictive")``: the density that averages over
#   the posterior.
# - :ref:`sphx_glr_auto_gallery_choosing_plot_1_how_many.py`: the number of
#   components by BIC.
#
# Used here: `gmm.BayesianGaussianMixture`, `gmm.select`,
# `gmm.plotting.animate_fit`, `gmm.plotting.plot_clusters`,
# `gmm.plotting.plot_convergence`.
