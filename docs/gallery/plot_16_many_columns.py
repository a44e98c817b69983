"""
Many columns, one plane
=======================

Thirteen chemical measurements of 178 wines: no two columns show what a mixture found in all of them. There is a plane
that does, the one in which the components differ most against their spread; a picture of more than two columns takes it
unless told otherwise.
"""

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_wine
from sklearn.metrics import adjusted_rand_score

from gmm import GaussianMixture
from gmm.plotting import plot_clusters, plot_uncertainty

wine = load_wine(as_frame=True)

# %%
# Full covariances would need 314 parameters for three components, more than there are wines. VVE has a common
# orientation and free volumes and shapes, and 164. Nothing is scaled: the fit does not depend on the units of columns.

full, mixture = (GaussianMixture(3, covariance_type=name, random_state=0).fit(wine.data) for name in ("VVV", "VVE"))
for fit in full, mixture:
    print(f"{fit.covariance_type}: {fit.n_parameters()} parameters, BIC {fit.bic(wine.data):.1f}")
plot_clusters(mixture, wine.data)

# %%
# The wines come from three cultivars, of which the fit knows nothing.

print(pd.crosstab(wine.target_names[wine.target], mixture.predict(wine.data), rownames=["cultivar"], colnames=["component"]))
kmeans = KMeans(3, n_init=10, random_state=0).fit(wine.data)
for name, labels in {"mixture": mixture.predict(wine.data), "k-means": kmeans.labels_}.items():
    print(f"{name}: adjusted Rand index {adjusted_rand_score(wine.target, labels):.3f}")

# %%
# Four of the columns, each against each.

plot_clusters(mixture, wine.data, view=("flavanoids", "color_intensity"))

# %%
# What to try next
# ----------------
#
# Used here: `gmm.GaussianMixture`, `gmm.plotting.plot_clusters`.
