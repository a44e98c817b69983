"""
Iris: 14 models, and what the species say
=========================================

150 flowers, four measurements, three species. The search sees only the measurements; the species are used afterwards,
to see what it found.
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

# %%
found = select(flowers, n_components=range(1, 7), random_state=0)
print(found)

# %%
# A line for each model, BIC against the number of components.

plot_selection(found)

# %%
# The eight cells with the smallest BIC, and the adjusted Rand index of each with the species: 1 where groups and
# species are the same, 0 where they have nothing to do with each other.

table = found.to_frame()[["n_components", "covariance_type", "n_parameters", "bic"]]
table["adjusted Rand"] = [adjusted_rand_score(species, fit.predict(flowers)) for fit in found.estimators]
print(table.sort_values("bic").head(8).round(3).to_string(index=False))

# %%
# Two groups and three are as good as equal: less than one unit of BIC is between them. The measurements alone cannot
# tell whether versicolor and virginica are one group or two; that they are two is what the botanist knew. In the
# plane in which the components of the second-best fit differ most:

three = found.estimators[table["bic"].argsort()[1]]
plot_clusters(three, flowers)

# %%
# The same fit, every feature against every other.

plot_clusters(three, flowers, view="pairs")

# %%
# Its groups against the species. Setosa is alone; five flowers of versicolor are with virginica.

print(pd.crosstab(species, three.predict(flowers), rownames=["species"], colnames=["component"]))

# %%
# Those flowers are the ones on which the mixture is least sure of itself, or nearly so:

largest = three.predict_proba(flowers).max(axis=1)
component = three.predict(flowers)
strays = [i for i in range(len(flowers)) if (species[component == component[i]] == species[i]).mean() < 0.5]
print(f"the mean certainty of all flowers is {largest.mean():.3f}, of those {len(strays)} {largest[strays].mean():.3f}")
print(f"certainty of each: {np.sort(largest[strays]).round(2)}")

# %%
# What to try next
# ----------------
#
# - ``criterion="icl"``, which prefers groups that are apart: it takes two.
# - `gmm.GaussianMixtureSearch`, the same search as an estimator, for pipelines.
#
# Used here: `gmm.select`, `gmm.Selection`, `gmm.plotting.plot_selection`, `gmm.plotting.plot_clusters`.
