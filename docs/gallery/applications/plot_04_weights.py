"""
Weighted rows: fitting a histogram
==================================

A million measurements often come as a table of counts. A row whose
``sample_weight`` is its count is equivalent to that many rows, both in the fit
and in the scores, so the table is enough.
"""

import numpy as np
import pandas as pd

from gmm import GaussianMixture
from gmm.plotting import plot_clusters

rng = np.random.default_rng(0)
n = 1_000_000
measured = np.where(
    rng.random(n) < 0.35, rng.normal(62, 5, n), rng.normal(80, 8, n)
)
counts, edges = np.histogram(measured, bins=100)
centres = (edges[:-1] + edges[1:]) / 2
table = pd.DataFrame(
    {"millimetres": centres[counts > 0], "count": counts[counts > 0]}
)
print(
    table.head().round(2).to_string(index=False),
    f"\n… {len(table)} rows that stand for {table['count'].sum()}",
)
# sphinx_gallery_thumbnail_number = 1

# %%
X = table[["millimetres"]]
repeated = X.loc[X.index.repeat(table["count"])]
by_counts = GaussianMixture(2, tol=1e-9, random_state=0).fit(
    X, sample_weight=table["count"]
)
by_rows = GaussianMixture(2, tol=1e-9, random_state=0).fit(repeated)

for name, mixture in {"counts": by_counts, "repeated rows": by_rows}.items():
    means = mixture.means_.ravel()
    print(
        f"{name:14} weights {mixture.weights_.round(6)}, means {means.round(6)}"
    )
apart = np.abs(by_counts.means_ - by_rows.means_).max()
print(f"largest difference of the means: {apart:.1e}")

# %%
# Scores use weights in the same way: BIC of the table equals BIC of the
# million rows.

weighted = by_counts.bic(X, sample_weight=table["count"])
print(f"{len(table):7} rows, weighted: BIC {weighted:.1f}")
print(f"{n:7} rows: BIC {by_rows.bic(repeated):.1f}")

# %%
# The only loss is that of the histogram itself. Every measurement was moved to
# the middle of its bin, which adds a twelfth of the squared bin width to the
# variances.

exact = GaussianMixture(2, tol=1e-9, random_state=0).fit(measured[:, None])
width = edges[1] - edges[0]
for name, mixture in {"measured": exact, "histogram": by_counts}.items():
    order = mixture.means_.ravel().argsort()
    means, variances = (
        mixture.means_[order, 0],
        mixture.covariances_[order, 0, 0],
    )
    print(f"{name:10} means {means.round(3)}, variances {variances.round(3)}")
print(f"a twelfth of the squared width: {width**2 / 12:.3f}")

# %%
plot_clusters(by_counts, repeated)

# %%
# What to try next
# ----------------
#
# - Weights need not be counts. They can be inverse sampling probabilities,
#   degrees of trust, or a decay with age.
# - `gmm.select` has ``sample_weight`` too. Its criteria use the sum of the
#   weights as the number of rows.
#
# Used here: `gmm.GaussianMixture`, `gmm.plotting.plot_clusters`.
