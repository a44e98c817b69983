"""
Old Faithful
============

The table has 272 eruptions of the geyser Old Faithful: how many minutes each
lasted, and how many minutes passed until the next. It ships with the package,
and ``gmm fit`` without a file uses it.
"""

from importlib.resources import files

import pandas as pd

import gmm
from gmm.plotting import plot_clusters, plot_density, plot_selection

faithful = pd.read_csv(files("gmm") / "data" / "faithful.csv")
print(faithful.describe().round(2).to_string())
# sphinx_gallery_thumbnail_number = 4

# %%
# One search fits every number of components from 1 to 9 with each of the 14
# covariance models. The best has three components that share one covariance, as
# in published analyses of these data.

found = gmm.select(faithful, random_state=0)
plot_selection(found)

# %%
best = found.best
print(best)
plot_clusters(best, faithful)

# %%
# Short eruptions are followed by short waits, and long ones by long waits. The
# third component is the lower shoulder of the long ones. Are there two kinds of
# eruption or three? BIC prefers three, by a small margin. These are the closest
# models:

columns = [
    "n_components",
    "covariance_type",
    "loglik",
    "n_parameters",
    "bic",
    "icl",
]
print(
    found.to_frame()
    .sort_values("bic")[columns]
    .head(6)
    .round(2)
    .to_string(index=False)
)

# %%
# ICL prefers well-separated components, and chooses two. Both answers are
# right, to different questions. There are two well-separated *clusters*; the
# larger one is not quite Gaussian, so its *density* needs two components.

two = gmm.select(faithful, criterion="icl", random_state=0).best
print(f"ICL: {two.n_components} components, {two.covariance_type}")
plot_clusters(two, faithful)

# %%
# In the picture of the density, each line encloses the smallest region that
# contains 50, 90 or 99 % of the mixture (the region of highest density).

plot_density(best, faithful)

# %%
# The mixture can classify a new eruption. This one lasted three minutes, and
# the next came after 66 minutes. Which kind was it?

odd = pd.DataFrame({"eruptions": [3.0], "waiting": [66.0]})
print(
    "responsibilities",
    two.predict_proba(odd).round(3),
    "log density",
    two.score_samples(odd).round(2),
)
less_likely = (two.score_samples(faithful) < two.score_samples(odd)).sum()
print(f"{less_likely} of the 272 rows have a lower density")

# %%
# What to try next
# ----------------
#
# - ``gmm fit --report`` writes a page about these data, with these pictures.
# - ``best.sample(1000, random_state=0)`` draws new eruptions.
#
# Used here: `gmm.select`, `gmm.Selection`, `gmm.plotting.plot_selection`,
# `gmm.plotting.plot_clusters`, `gmm.plotting.plot_density`.
