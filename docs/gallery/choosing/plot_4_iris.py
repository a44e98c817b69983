"""
Iris: 14 models compared with the species
=========================================

The iris data have 150 flowers of three species, with four measurements each.
The search sees only the measurements. The species are used afterwards, to
evaluate the result.
"""

import numpy as np
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

from gmm import select
from gmm.plotting import plot_clusters, plot_selection

iris = load_iris(as_frame=True)
flowers = iris.data.rename(columns=lambda name: name.removesuffix(" (cm)"))
species = iris.target_names[iris.target]
# sphinx_gallery_thumbnail_number = 2

# %%
# Search one to six components with each of the 14 models.

found = select(flowers, n_components=range(1, 7), random_state=0)
print(found)

# %%
# The picture shows BIC against the number of components, with a line for each
# model.

plot_selection(found)

# %%
# This table lists the eight models with the smallest BIC, and their adjusted
# Rand index with the species: 1 if groups and species are the same, 0 if they
# agree no better than chance.

table = found.to_frame()[
    ["n_components", "covariance_type", "n_parameters", "bic"]
]
table["adjusted Rand"] = [
    adjusted_rand_score(species, fit.predict(flowers))
    for fit in found.estimators
]
print(table.iloc[found.ranked()[:8]].round(3).to_string(index=False))

# %%
# Two groups and three are almost equally good: their BIC differs by less than
# one. The measurements alone do not show whether versicolor and virginica are
# one group or two; a botanist knows that they are two. The picture shows the
# second-best fit in the plane in which its components differ most:

three = found.estimators[found.ranked()[1]]
plot_clusters(three, flowers)

# %%
# Here is the same fit for every pair of features.

plot_clusters(three, flowers, view="pairs")

# %%
# Compare the components with the species. Setosa is separate. Five versicolor
# flowers are in the component of virginica.

print(
    pd.crosstab(
        species,
        three.predict(flowers),
        rownames=["species"],
        colnames=["component"],
    )
)

# %%
# On average the mixture is less certain of those five than of all flowers, but
# it is quite certain of one of them, and wrong. A responsibility is a
# probability under the model, not under the truth.

largest = three.predict_proba(flowers).max(axis=1)
component = three.predict(flowers)
misplaced = [
    i
    for i in range(len(flowers))
    if (species[component == component[i]] == species[i]).mean() < 0.5
]
print(f"mean certainty of all flowers: {largest.mean():.3f}")
print(f"of those {len(misplaced)}: {largest[misplaced].mean():.3f}")
print(f"each of those: {np.sort(largest[misplaced]).round(2)}")

# %%
# What to try next
# ----------------
#
# - ``criterion="icl"`` prefers well-separated groups; here it chooses two.
# - `gmm.GaussianMixtureSearch` is the same search as an estimator, for
#   pipelines.
#
# Used here: `gmm.select`, `gmm.Selection`, `gmm.plotting.plot_selection`,
# `gmm.plotting.plot_clusters`.
