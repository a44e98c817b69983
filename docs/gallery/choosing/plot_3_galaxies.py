"""
Galaxies: one dimension, several modes
======================================

The data are the velocities of 82 galaxies in the direction of the constellation
Corona Borealis (Roeder 1990), in 1000 km/s. More distant galaxies recede
faster, so modes in the velocities are clusters of galaxies in space, with voids
between them. How many modes are there?
"""

import numpy as np
import pandas as pd

from gmm import select
from gmm.plotting import plot_clusters, plot_selection

velocity = [
    9.172, 9.350, 9.483, 9.558, 9.775, 10.227, 10.406, 16.084, 16.170, 18.419,
    18.552, 18.600, 18.927, 19.052, 19.070, 19.330, 19.343, 19.349, 19.440,
    19.473, 19.529, 19.541, 19.547, 19.663, 19.846, 19.856, 19.863, 19.914,
    19.918, 19.973, 19.989, 20.166, 20.175, 20.179, 20.196, 20.215, 20.221,
    20.415, 20.629, 20.795, 20.821, 20.846, 20.875, 20.986, 21.137, 21.492,
    21.701, 21.814, 21.921, 21.960, 22.185, 22.209, 22.242, 22.249, 22.314,
    22.374, 22.495, 22.746, 22.747, 22.888, 22.914, 23.206, 23.241, 23.263,
    23.484, 23.538, 23.542, 23.666, 23.706, 23.711, 24.129, 24.285, 24.289,
    24.366, 24.717, 24.990, 25.633, 26.690, 26.995, 32.065, 32.789, 34.279
]  # fmt: skip
galaxies = pd.DataFrame({"velocity (1000 km/s)": velocity})
# sphinx_gallery_thumbnail_number = 2

# %%
# In one dimension a component has a mean and a variance. The variance is either
# common to all components (E) or its own (V).

found = select(galaxies, n_components=range(1, 10), random_state=0)
print(found)
plot_selection(found)

# %%
# BIC chooses three components with different variances: a small near group, a
# small far one, and most galaxies in one broad component, which covers two
# modes. The table marks fits in which a component has so few galaxies that
# chance may have made it. Such fits are never chosen.

plot_clusters(found.best, galaxies)

# %%
# Galaxies per component, with each component's mean and standard deviation:

best = found.best
order = best.means_.ravel().argsort()
for k in order:
    mean, deviation = best.means_[k, 0], np.sqrt(best.covariances_[k])
    n = (best.predict(galaxies) == k).sum()
    print(f"{n:2} galaxies, {mean:.1f} ± {deviation:.1f} thousand km/s")

# %%
# Four components separate the two modes, but BIC is larger.

table = found.to_frame()
four = table.query("n_components == 4 and covariance_type == 'V'").index[0]
difference = found.bic[four] - found.bic[found.best_index]
print(f"ΔBIC of four components: {difference:.2f}")
plot_clusters(found.estimators[four], galaxies)

# %%
# What to try next
# ----------------
#
# - `gmm.inference.bootstrap_lrt` tests three components against four.
# - ``select(galaxies, criterion="aic")`` uses a less strict criterion.
#
# Used here: `gmm.select`, `gmm.plotting.plot_selection`,
# `gmm.plotting.plot_clusters`.
