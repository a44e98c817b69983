"""
Fewer dimensions that keep the groups
=====================================

Principal components keep variance, whether it separates groups or not.
`gmm.analysis.directions` keeps the differences between the components of a
fitted mixture, in means and in covariances (Scrucca 2010), and shows how many
directions they need.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import adjusted_rand_score

from gmm import GaussianMixture
from gmm.analysis import directions
from gmm.plotting import plot_clusters

# %%
# Three groups in ten columns differ in two directions. In the other eight,
# everything varies four times as much. A rotation hides this from single
# columns.

rng = np.random.default_rng(8)
n = 900
group = rng.integers(3, size=n)
rows = rng.normal(size=(n, 10)) * np.r_[1, 1, np.full(8, 4)]
rows[:, :2] += np.array([[0, 0], [5, 0], [0, 5]])[group]
rows = rows @ np.linalg.qr(rng.normal(size=(10, 10)))[0]

mixture = GaussianMixture(
    3, covariance_type="tied", n_init=3, random_state=0
).fit(rows)
found = directions(mixture)
print(found)

# %%
# There are two directions: components that share a covariance differ in their
# means alone, and three means lie in a plane. Nothing is lost. The mixture in
# these two directions, ``found.mixture``, assigns every row as the mixture of
# ten columns does. Two principal components show none of the groups.

plane = found.transform(rows)
same = found.mixture.predict(plane) == mixture.predict(rows)
print(f"{same.mean():.0%} of the rows have the same component")

principal = PCA(2).fit_transform(rows)
fig, axes = plt.subplots(1, 2, figsize=(5, 3), layout="constrained")
for ax, points, title in zip(
    axes,
    (plane, principal),
    ("directions of the mixture", "principal components"),
    strict=True,
):
    ax.scatter(*points.T, c=group, s=8, cmap="viridis")
    ax.set_title(title)

# %%
# For the thirteen measurements of 178 wines, how well do one, two or three
# directions separate the groups? With ``X``, the directions are in units of the
# rows' covariance, as in mclust's ``MclustDR``. The eigenvalues equal mclust's
# for the same mixture.

wine = load_wine(as_frame=True)
three = GaussianMixture(3, covariance_type="VEE", random_state=0)
three.fit(wine.data)
table = pd.DataFrame(
    [
        {
            "directions": m,
            "last eigenvalue": seen.eigenvalues[-1],
            "with all columns": adjusted_rand_score(
                three.predict(wine.data), labels
            ),
            "with the cultivars": adjusted_rand_score(wine.target, labels),
        }
        for m in (1, 2, 3, 4)
        for seen in [directions(three, wine.data, n_directions=m)]
        for labels in [seen.mixture.predict(seen.transform(wine.data))]
    ]
)
print("adjusted Rand index of the labels in few directions")
print(table.round(3).to_string(index=False))

# %%
# Pictures accept directions as a ``view``, and ``matrix * scales`` shows the
# weight of each column.

wine_view = directions(three, wine.data)
plot_clusters(three, wine.data, view=wine_view)
loadings = pd.DataFrame(
    wine_view.matrix[:2] * wine_view.scales,
    columns=wine.data.columns,
    index=["direction 1", "direction 2"],
)
print(loadings.T.round(2).to_string())

# %%
# Directions have limits. They show only groups that the mixture found, and they
# do not help to find groups. And the components of a mixture always differ.
# These rows have no groups, but the picture shows three. BIC prefers one
# component:

nothing = rng.normal(size=(150, 10))
one, imagined = (
    GaussianMixture(K, covariance_type="VVI", random_state=0).fit(nothing)
    for K in (1, 3)
)
plot_clusters(imagined, nothing, view=directions(imagined, nothing, balance=1))
print(f"BIC: {one.bic(nothing):.0f} with one, {imagined.bic(nothing):.0f}")

# %%
# If you know the groups, use them. On half of the wines, linear discriminant
# analysis learns two directions from the cultivars. The mixture sees only the
# measurements.

train, test = np.arange(0, 178, 2), np.arange(1, 178, 2)
cultivar = wine.target.to_numpy()
supervised = LinearDiscriminantAnalysis().fit(
    wine.data.iloc[train], cultivar[train]
)
unsupervised = GaussianMixture(
    3, covariance_type="tied", n_init=5, random_state=0
).fit(wine.data.iloc[train])
seen = directions(unsupervised)
agreement = {
    "with labels": supervised.predict(wine.data.iloc[test]),
    "without": seen.mixture.predict(seen.transform(wine.data.iloc[test])),
}
for name, labels in agreement.items():
    index = adjusted_rand_score(cultivar[test], labels)
    print(f"{name:12} adjusted Rand index of other wines {index:.3f}")

# %%
# What to try next
# ----------------
#
# - ``balance=1`` looks at means alone, as mclust does by default.
# - The result is a fitted transformer for scikit-learn's pipelines.
# - ``view="pairs"`` shows single columns; of more than six, it picks those in
#   which the components differ most.
#
# Used here: `gmm.GaussianMixture`, `gmm.analysis.directions`,
# `gmm.analysis.Directions`, `gmm.plotting.plot_clusters`.
