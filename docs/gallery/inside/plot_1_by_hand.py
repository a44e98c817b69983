"""
One E-step and one M-step, by hand
==================================

EM repeats two steps until the likelihood stops rising. The E-step shares each
row among the components; the M-step updates each component from its shares.
`gmm.em.steps` makes one pass at a time, so you can check each number with
pencil and paper, or with four lines of NumPy.
"""

import numpy as np
from scipy.stats import norm

from gmm import GaussianMixture, em
from gmm.plotting import plot_clusters, plot_convergence

X = np.array([[0.0], [1.0], [1.5], [4.0], [5.0], [6.5]])
steps = em.steps(
    X, 2, means_init=[[1.0], [4.0]], tol=1e-3, responsibilities=True
)
first = next(steps)
# sphinx_gallery_thumbnail_number = 2

# %%
# At the start, every row belongs to the nearer of the two given means.

print("weights  ", first.weights)
print("means    ", first.means.ravel())
print("variances", first.covariances.ravel())

# %%
# The E-step comes first. The joint density of a row and a component is the
# component's weight times its density. Divided by the sum over components, it
# is the responsibility.

deviations = np.sqrt(first.covariances.ravel())
joint = first.weights * norm.pdf(X, first.means.ravel(), deviations)
responsibilities = joint / joint.sum(axis=1, keepdims=True)
print(responsibilities.round(4))
print(
    "as em.steps has it:", np.allclose(responsibilities, first.responsibilities)
)

# %%
# The mean of the logarithms of those sums is the log-likelihood per row, which
# EM increases.

bound = np.log(joint.sum(axis=1)).mean()
print(f"{bound:.6f} by hand, {first.lower_bound:.6f} by em.steps")

# %%
# The M-step follows. The count of a component is the sum of its
# responsibilities. Its new weight is its share of all counts. Its new mean and
# variance are those of the rows, weighted by the responsibilities.

counts = responsibilities.sum(axis=0)
weights = counts / len(X)
means = responsibilities.T @ X / counts[:, None]
variances = (responsibilities * (X - means.T) ** 2).sum(axis=0) / counts

second = next(steps)
print("weights  ", weights.round(4), second.weights.round(4))
print("means    ", means.ravel().round(4), second.means.ravel().round(4))
print("variances", variances.round(4), second.covariances.ravel().round(4))
print("the likelihood has risen:", second.lower_bound > first.lower_bound)

# %%
# The variances differ in the seventh digit: ``reg_covar`` adds 1e-6, so that no
# component can collapse.

print(
    "by em.steps they are larger by",
    (second.covariances.ravel() - variances).round(12),
)

# %%
# The remaining passes are the same as those of the estimator.

passes = [first, second, *steps]
mixture = GaussianMixture(2, means_init=[[1.0], [4.0]], acceleration=None).fit(
    X
)
for step in passes:
    print(
        f"pass {step.n_iter}: {step.lower_bound:.6f}",
        step.means.ravel().round(4),
        step.reason or "",
    )
print("as many as the fit:", len(passes) == mixture.n_iter_)
print("and the same end:", passes[-1].lower_bound == mixture.lower_bound_)

# %%
plot_convergence(mixture)

# %%
plot_clusters(mixture, X)

# %%
# What to try next
# ----------------
#
# - :ref:`sphx_glr_auto_gallery_inside_plot_2_learning.py`: the passes as an
#   animation.
# - ``acceleration="auto"``: the steps of the default solver, some of which may
#   be rejected.
#
# Used here: `gmm.em.steps`, `gmm.em.EMStep`, `gmm.plotting.plot_convergence`,
# `gmm.plotting.plot_clusters`.
