"""
Old Faithful
============

272 times somebody wrote down how many minutes an eruption of the geyser lasted,
and how many passed until the next. The table ships with the package, and ``gmm
fit`` without a file takes it.
"""

from importlib.resources import files

import pandas as pd

import gmm
from gmm.plotting import plot_clusters, plot_density, plot_selection

faithful = pd.read_csv(files("gmm") / "data" / "faithful.csv")
print(faithful.describe().round(2).to_string())
# sphinx_gallery_thumbnail_number = 4

# %%
# Every number of components from 1 to 9 with each of 14 covariance models, in
# one search. The best is three components of one common covariance: a story
# that the published analyses of these data tell too.

found = gmm.select(faithful, random_state=0)
plot_selection(found)

# %%
best = found.best
print(best)
plot_clusters(best, faithful)

# %%
# Short eruptions are followed by short waits, long ones by long waits; the
# third component is the lower shoulder of the long ones. Are there two kinds,
# or three? By BIC three, and not by much: a table of the nearest rivals.

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
# ICL asks for components that are well apart, and takes two. Two well-separated
# *clusters* of which the larger is not quite Gaussian, so that its *density*
# takes two components: both answers are right, to different questions.

two = gmm.select(faithful, criterion="icl", random_state=0).best
print(f"ICL: {two.n_components} components, {two.covariance_type}")
plot_clusters(two, faithful)

# %%
# The density itself. The lines bound the smallest regions that hold 50, 90 and
# 99 % of what the mixture makes: those of highest density.

plot_density(best, faithful)

# %%
# A mixture can answer what its rows are asked: this eruption lasted three
# minutes and the next came after 66. Of which kind was it?

odd = pd.DataFrame({"eruptions": [3.0], "waiting": [66.0]})
print(
    "responsibilities",
    two.predict_proba(odd).round(3),
    "log density",
    two.score_samples(odd).round(2),
)
less_likely = (two.score_samples(faithful) < two.score_samples(odd)).sum()
print(f"of the 272 rows {less_likely} have a smaller one")

# %%
# What to try next
# ----------------
#
# - ``gmm fit --report`` writes a page about these data, with these pictures.
# - ``best.sample(1000, random_state=0)`` makes new eruptions.
#
# Used here: `gmm.select`, `gmm.Selection`, `gmm.plotting.plot_selection`,
# `gmm.plotting.plot_clusters`, `gmm.plotting.plot_density`.
