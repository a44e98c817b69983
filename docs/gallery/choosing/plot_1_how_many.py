"""
How many components?
====================

The likelihood rises with every added component, so it does not determine how
many there are. BIC and AIC add a penalty for each parameter: AIC adds 2, BIC
adds the logarithm of the number of rows. The model with the smallest value is
chosen.
"""

from itertools import pairwise

import numpy as np
from sklearn.base import clone
from sklearn.datasets import make_blobs

from gmm import GaussianMixture, select
from gmm.plotting import plot_criteria

blobs, _ = make_blobs(
    n_samples=1250, centers=4, cluster_std=0.60, random_state=0
)
X = blobs[:, ::-1] @ np.random.RandomState(15).randn(2, 2)

# %%
# The rows are the stretched blobs of
# :ref:`sphx_glr_auto_gallery_first_look_plot_1_round_and_stretched.py`, the
# first of the two stretches. We fit three to ten components by textbook EM from
# one start each, as in many packages; one and two components are far off.
# Both criteria choose four, the true number, but AIC hardly rises after that.

em = GaussianMixture(
    init_params="k-means++", acceleration=None, max_iter=500, random_state=1
)
by_em = [clone(em).set_params(n_components=K).fit(X) for K in range(3, 11)]
plot_criteria(by_em, X)

# %%
# Each row of this table adds one component. Twice the log-likelihood rises by
# the gain. The six parameters of another component (a weight, two means, three
# covariances) cost 12 in AIC and six times the logarithm of 1250 in BIC. A
# component is worth adding if its gain exceeds its cost. One gain is negative.
# The best eight components are at least as likely as the best seven, so that
# fit ended too low.

print(f"cost of a component: AIC {6 * 2}, BIC {6 * np.log(len(X)):.1f}")
for one, two in pairwise(by_em):
    gain = 2 * len(X) * (two.score(X) - one.score(X))
    bic, aic = two.bic(X), two.aic(X)
    K = two.n_components
    print(f"K={K:2}  gain {gain:6.1f}   BIC {bic:7.1f}   AIC {aic:7.1f}")

# %%
# So far AIC chose the right number only because of poor fits. EM from one
# start does not find the best mixture of eight components. `gmm.select` starts
# each model from the solutions of others and finds better fits, so superfluous
# components gain more. The gain of a fifth component now lies between the two
# costs. AIC accepts it, and more; BIC still chooses four. BIC is the stricter
# criterion, and both need good fits.

found = select(
    X, n_components=range(3, 11), covariance_type="full", random_state=0
)
plot_criteria(found)

# %%
for K, bic, aic in zip(found.n_components, found.bic, found.aic, strict=True):
    print(f"K={K:2}  BIC {bic:7.1f}   AIC {aic:7.1f}")
by_bic, by_aic = (
    found.n_components[found.ranked(name)[0]] for name in ("bic", "aic")
)
print(f"BIC chooses {by_bic}, AIC {by_aic}")

# %%
# Neither is wrong. BIC estimates which model is most probable; with enough
# rows it finds the true one, if that is among those tried. AIC estimates which
# model predicts new rows best, and for a density one component too many does
# little harm.

# %%
# What to try next
# ----------------
#
# - :ref:`sphx_glr_auto_gallery_choosing_plot_2_shared_shape.py`: choose the
#   covariance model as well.
# - `gmm.inference.held_out_log_likelihood` measures what AIC estimates;
#   `gmm.inference.bootstrap_lrt` tests K components against K + 1.
#
# Used here: `gmm.select`, `gmm.GaussianMixture`, `gmm.plotting.plot_criteria`.
