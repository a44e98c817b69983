"""
Anomaly detection at a given false-alarm rate
=============================================

Fit a mixture to normal data, and it gives each new row a log density. A row
with a low density is suspicious. How low? Decide how many false alarms you can
accept; held-out rows then give the threshold.
"""

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from gmm import select
from gmm.plotting import plot_density

# sphinx_gallery_thumbnail_number = 1

# %%
# A pump runs slowly, at its usual speed, or at full load. In each mode its flow
# varies with its speed. There are 12,000 normal readings: a third to fit, a
# third to set the threshold, a third to check it.

rng = np.random.default_rng(3)
columns = ["speed", "flow"]
modes = [(0.25, [20, 9]), (0.55, [50, 27]), (0.20, [80, 41])]
shape = np.array([[9.0, 4.5], [4.5, 2.8]])


def readings(n):
    """Normal readings of the pump."""
    mode = rng.choice(3, size=n, p=[share for share, _ in modes])
    means = np.array([mean for _, mean in modes])
    return pd.DataFrame(
        means[mode] + rng.multivariate_normal(np.zeros(2), shape, n),
        columns=columns,
    )


normal, held_out, new = readings(4000), readings(4000), readings(4000)
found = select(normal, n_components=range(1, 7), random_state=0)
pump = found.best
print(pump)

# %%
# One false alarm in a hundred normal readings is acceptable. The threshold is
# the score that one in a hundred of the *held-out* rows falls below. The rows
# of the fit would give too favourable a value.

rate = 0.01
rank = int(rate * (len(held_out) + 1))
threshold = np.sort(pump.score_samples(held_out))[rank - 1]
print(f"alarm below a log density of {threshold:.2f}")

# %%
# Does the rate hold? New normal readings raise alarms at about that rate. The
# 95 % confidence interval of the rate shows how precisely these rows measure
# it.

alarms = int((pump.score_samples(new) < threshold).sum())
interval = binomtest(alarms, len(new)).proportion_ci(0.95)
print(f"{alarms} alarms in {len(new)} normal readings", end=", ")
print(f"{alarms / len(new):.2%}", end=", ")
print(f"between {interval.low:.2%} and {interval.high:.2%}")
print(f"{rate:.0%} is in the interval: {interval.low <= rate <= interval.high}")

# %%
# There are three kinds of faults: a leak (less flow at the usual speed), a
# half-shut valve (less flow at full load), and a sensor that reports speeds
# between the modes. In each single column they stay within limits that are set
# for the same rate.

faults = {
    name: pd.DataFrame(
        rng.multivariate_normal(mean, shape / 4, 100), columns=columns
    )
    for name, mean in {
        "leak": [50, 20],
        "valve half shut": [80, 33],
        "faulty sensor": [35, 22],
    }.items()
}
low, high = normal.quantile(rate / 4), normal.quantile(1 - rate / 4)
print("faults that are found:")
for name, rows in faults.items():
    by_density = (pump.score_samples(rows) < threshold).mean()
    by_limits = ((rows < low) | (rows > high)).any(axis=1).mean()
    print(f"{name:15} by mixture {by_density:4.0%}, by limits {by_limits:4.0%}")

# %%
# The picture shows why. The lines enclose the smallest regions that contain 99
# % of the mixture: if the mixture is right, one normal reading in a hundred
# lies outside. The faults, in red, lie in the empty space around the modes.

ax = plot_density(pump, new, content=0.99)
ax.set_title("99 % of normal readings are within the lines")
for name, rows in faults.items():
    ax.plot(rows["speed"], rows["flow"], "x", color="#b3261e", ms=4, mew=0.8)
    x, y = rows.mean()
    ax.text(x, y - 3, name, color="#b3261e", ha="center", va="top")

# %%
# The legend gives the log density at the line. The threshold from held-out rows
# is close to it, but does not assume that the mixture is right.

# %%
# What to try next
# ----------------
#
# - Save the model with ``pump.save("pump.gmm")``, and read it with `gmm.load`
#   where new readings arrive.
# - `gmm.analysis.anomaly_threshold` gives the threshold and an interval for its
#   rate in one call.
# - How many held-out rows does a rate of 0.1 % need?
# - :doc:`/recipes` has a few lines to copy.
#
# Used here: `gmm.select`, ``GaussianMixture.score_samples``,
# `gmm.plotting.plot_density`.
