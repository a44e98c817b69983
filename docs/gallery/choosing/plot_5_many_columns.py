"""
Many columns in one plane
=========================

A table has thirteen chemical measurements of 178 wines. No two columns show the
groups that the mixture finds in all of them. The plane in which the components
differ most, relative to their spread, does. It is the default view for more
than two columns.
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
# Three components with full covariances have 314 parameters, for 178 wines. The
# best of the 14 models is VVE: one orientation for all components, with
# separate volumes and shapes. It still has 158 parameters with three
# components. The table lists the best models of the search and compares each
# with the cultivars of the wines, which the search did not see.

found = select(wine.data, n_components=range(2, 6), random_state=2)
table = found.to_frame()[
    ["n_components", "covariance_type", "n_parameters", "bic"]
]
table["adjusted Rand"] = [
    adjusted_rand_score(wine.target, fit.predict(wine.data))
    for fit in found.estimators
]
print(table.iloc[found.ranked()[:6]].round(3).to_string(index=False))

# %%
# The three components are the three cultivars, without a single error. Four
# VVE components have 185 parameters for 178 wines: one component fits its few
# wines no better than chance allows where the axes that all share turn for it.
# So that fit is degenerate, and not chosen.

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
# This is the plane of the three components:


def three_of(search, model):
    cells = list(zip(search.n_components, search.covariance_type, strict=True))
    return search.estimators[cells.index((3, model))]


three = three_of(found, "VVE")
plot_clusters(three, wine.data)

# %%
# Units matter here. VVE gives all components one orientation, and angles
# between columns change with their units. EII, VII, EVE, EEV, VEV and k-means
# also compare lengths or angles across columns, so their results depend on
# units too. The other eight models do not: EEI, VEI, EVI, VVI, EEE, VEE, EVV
# and VVV. With ``standardize=True`` all columns are divided by their standard
# deviations for the search. Here are the results for VVE and for VEE, which has
# the best BIC of the eight:

found_scaled = select(
    wine.data, n_components=range(2, 6), standardize=True, random_state=2
)
scaled = StandardScaler().fit_transform(wine.data)
kmeans = KMeans(3, n_init=10, random_state=0)
partitions = {
    "VVE": three.predict(wine.data),
    "VVE, scaled": three_of(found_scaled, "VVE").predict(wine.data),
    "VEE": three_of(found, "VEE").predict(wine.data),
    "VEE, scaled": three_of(found_scaled, "VEE").predict(wine.data),
    "k-means": kmeans.fit_predict(wine.data),
    "k-means, scaled": kmeans.fit_predict(scaled),
}
for name, labels in partitions.items():
    agreement = adjusted_rand_score(wine.target, labels)
    print(f"{name:15} adjusted Rand index {agreement:.3f}")

# %%
# Choose two of the thirteen columns by name. The picture shows the exact
# marginal distribution of the same mixture, not a fit of two columns.

plot_clusters(three, wine.data, view=("flavanoids", "color_intensity"))

# %%
# The handwritten digits have 64 columns; we use their first twenty principal
# components. The fit has ten components, full covariances, and a prior that
# keeps them from collapsing. Numbers in the picture are components; the rows
# are digits.

digits = load_digits()
axes = PCA(20, random_state=0).fit_transform(digits.data)
ten = GaussianMixture(10, prior="conjugate", n_init=5, random_state=0).fit(axes)
plot_clusters(ten, axes)

# %%
# A plane cannot show ten components of twenty columns without overlap. Most
# rows that overlap in the picture are assigned with certainty:

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
# - ``view="pairs"`` draws every pair of columns; with few columns it is a good
#   first picture.
# - :ref:`sphx_glr_auto_gallery_choosing_plot_4_iris.py`: the same with four
#   columns.
#
# Used here: `gmm.GaussianMixture`, `gmm.select`, `gmm.plotting.plot_clusters`.
