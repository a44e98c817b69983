"""
How many components?
====================

The likelihood rises with every further component, so it cannot say how many
there are. BIC and AIC charge for each parameter, and their minimum is the
choice. They charge differently: AIC 2 a parameter, BIC the logarithm of the
number of rows.
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
# The stretched blobs of the articles on this subject (the first of the two
# stretches of :ref:`sphx_glr_auto_gallery_plot_01_round_and_stretched.py`).
# Three to ten components by textbook EM, one start each, as one would do with
# any package; one and two are far off. Both criteria choose four, the true
# number; but AIC hardly rises after it.

em = GaussianMixture(acceleration=None, max_iter=500, random_state=0)
by_em = [clone(em).set_params(n_components=K).fit(X) for K in range(3, 11)]
plot_criteria(by_em, X)

# %%
# In this table each row is one component more. It makes twice the
# log-likelihood larger by the gain; the six parameters of a further component
# (a weight, two means, three covariances) cost 12 in AIC and six times the
# logarithm of 1250 in BIC. A component is taken where the gain exceeds the
# cost. One gain is even negative, which cannot be: the best seven components
# are at least as likely as the best six. That climb ended too low.

print(f"cost of a component: AIC {6 * 2}, BIC {6 * np.log(len(X)):.1f}")
for one, two in pairwise(by_em):
    gain = 2 * len(X) * (two.score(X) - one.score(X))
    bic, aic = two.bic(X), two.aic(X)
    K = two.n_components
    print(f"K={K:2}  gain {gain:6.1f}   BIC {bic:7.1f}   AIC {aic:7.1f}")

# %%
# So far AIC was saved by poor fits. EM from one start does not find the best
# mixture of seven components; `gmm.select`, whose cells begin from each other's
# solutions, comes nearer to it, and the gain of needless components grows. Now
# the gain of a fifth one lies between the two costs: AIC takes it, and more,
# and BIC still says four. That is why BIC is called the stricter, and why the
# choice should rest on good fits.

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
# Neither is wrong. BIC asks which mixture is most probably the true one, and
# with enough rows finds it, if it is among those tried. AIC asks which predicts
# new rows best, and for a density a component too many does little harm.

# %%
# What to try next
# ----------------
#
# - :ref:`sphx_glr_auto_gallery_plot_05_shared_shape.py`: choosing the
#   covariance as well.
# - `gmm.held_out_log_likelihood` measures what AIC estimates;
#   `gmm.bootstrap_lrt` tests K components against K + 1.
#
# Used here: `gmm.select`, `gmm.GaussianMixture`, `gmm.plotting.plot_criteria`.
