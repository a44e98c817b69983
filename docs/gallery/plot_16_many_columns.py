"""
Many columns, one plane
=======================

Thirteen chemical measurements of 178 wines: no two columns show what a mixture
found in all of them. There is a plane that does, the one in which the
components differ most against their spread; a picture of more than two columns
takes it unless told otherwise.
"""

import pandas as pd
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

from gmm import GaussianMixture, select
from gmm.plotting import plot_clusters

wine = load_wine(as_frame=True)
# sphinx_gallery_thumbnail_number = 1

# %%
# Three components of full covariances have 314 parameters, for 178 wines. The
# best of the 14 models is VVE: one orientation for all components, and volumes
# and shapes of their own. That still is 158 for three components and 185 for
# four: as many numbers as wines. These are the best cells of the search, each
# compared with the cultivars that the wines come from, of which it knows
# nothing.

found = select(wine.data, n_components=range(2, 6), random_state=0)
table = found.to_frame()[
    ["n_components", "covariance_type", "n_parameters", "bic"]
]
table["adjusted Rand"] = [
    adjusted_rand_score(wine.target, fit.predict(wine.data))
    for fit in found.estimators
]
print(table.iloc[found.ranked()[:6]].round(3).to_string(index=False))

# %%
# BIC takes four components, by 38, and two of them share a cultivar. With more
# parameters than rows that is no verdict: BIC rests on many rows for each
# parameter. What it and the cultivars agree on is the model.

cultivar = wine.target_names[wine.target]
print(
    pd.crosstab(
        cultivar,
        found.best.predict(wine.data),
        rownames=["cultivar"],
        colnames=["component"],
    )
)

# %%
# The best three components are the three cultivars, without a single error.
# This is their plane:


def three_of(search, model):
    cells = list(zip(search.n_components, search.covariance_type, strict=True))
    return search.estimators[cells.index((3, model))]


three = three_of(found, "VVE")
plot_clusters(three, wine.data)

# %%
# The units matter here. VVE gives all components one orientation, and angles
# between columns change with their units. So do the fits of EII, VII, EVE, EEV
# and VEV, which compare lengths or angles across columns too, and k-means. The
# other eight models fit the same in any units: EEI, VEI, EVI, VVI, EEE, VEE,
# EVV and VVV. This is what comes out with all columns in standard deviations,
# of VVE and of VEE, which is the best of the eight by BIC:

scaled = StandardScaler().fit_transform(wine.data)
found_scaled = select(scaled, n_components=range(2, 6), random_state=0)
kmeans = KMeans(3, n_init=10, random_state=0)
partitions = {
    "VVE": three.predict(wine.data),
    "VVE, scaled": three_of(found_scaled, "VVE").predict(scaled),
    "VEE": three_of(found, "VEE").predict(wine.data),
    "VEE, scaled": three_of(found_scaled, "VEE").predict(scaled),
    "k-means": kmeans.fit_predict(wine.data),
    "k-means, scaled": kmeans.fit_predict(scaled),
}
for name, labels in partitions.items():
    agreement = adjusted_rand_score(wine.target, labels)
    print(f"{name:15} adjusted Rand index {agreement:.3f}")

# %%
# Two of the thirteen columns, by their names. What is drawn is the same
# mixture, seen from there: its exact marginal, not a fit of two columns.

plot_clusters(three, wine.data, view=("flavanoids", "color_intensity"))

# %%
# The handwritten digits have 64 columns; twenty are left by a rotation to their
# principal axes. Ten components, full covariances and a prior that keeps them
# from collapsing; the numbers in the picture are components, the rows digits.

digits = load_digits()
axes = PCA(20, random_state=0).fit_transform(digits.data)
ten = GaussianMixture(10, prior="conjugate", n_init=5, random_state=0).fit(axes)
plot_clusters(ten, axes)

# %%
# A plane cannot keep ten components of twenty columns apart, though they are:
# what overlaps in the picture is mostly certain.

certain = (ten.predict_proba(axes).max(axis=1) > 0.99).mean()
print(f"{certain:.0%} of the rows are at least 99 % certain")
agreement = adjusted_rand_score(digits.target, ten.predict(axes))
print(f"adjusted Rand index with the digits: {agreement:.3f}")
print(
    pd.crosstab(
        digits.target,
        ten.predict(axes),
        rownames=["digit"],
        colnames=["component"],
    )
)

# %%
# What to try next
# ----------------
#
# - ``view="pairs"`` draws every column against every other; of a few columns it
#   is a good first picture.
# - :ref:`sphx_glr_auto_gallery_plot_10_iris.py`: the same on four columns.
#
# Used here: `gmm.GaussianMixture`, `gmm.select`, `gmm.plotting.plot_clusters`.
