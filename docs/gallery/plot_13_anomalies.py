"""
Anomalies, with a false-alarm rate that holds
=============================================

A mixture of what is normal gives each new row a log density, and a row with a low one is suspicious. How low? The
threshold is not a matter of taste: say how many false alarms are bearable, and rows that the fit has not seen tell it.
"""

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from gmm import select
from gmm.plotting import plot_clusters, plot_density

# %%
# A pump runs slowly, at its usual speed, or at full load, and in each mode its flow and its vibration go with the
# speed. 12,000 normal readings: a third to fit, a third to set the threshold, a third to check.

rng = np.random.default_rng(3)
columns = ["speed", "flow", "vibration"]
modes = [(0.25, [20, 9, 1.1]), (0.55, [50, 27, 2.0]), (0.20, [80, 41, 3.6])]
shape = np.array([[9.0, 4.5, 0.30], [4.5, 2.8, 0.12], [0.30, 0.12, 0.04]])


def readings(n):
    """Normal readings of the pump."""
    mode = rng.choice(3, size=n, p=[share for share, _ in modes])
    means = np.array([mean for _, mean in modes])
    return pd.DataFrame(means[mode] + rng.multivariate_normal(np.zeros(3), shape, n), columns=columns)


normal, held_out, fresh = readings(4000), readings(4000), readings(4000)
found = select(normal, n_components=range(1, 7), random_state=0)
pump = found.best
print(pump)

# %%
# One false alarm in a hundred normal readings is bearable. The threshold is then the score that one in a hundred of
# the *held-out* rows fall below: those of the fit would flatter it.

rate = 0.01
rank = int(rate * (len(held_out) + 1))
threshold = np.sort(pump.score_samples(held_out))[rank - 1]
print(f"alarm below a log density of {threshold:.2f}")

# %%
# Does it hold? Fresh normal readings raise alarms at about that rate, and the interval, in which the true rate lies
# with 95 % confidence, says how well these rows can tell.

alarms = int((pump.score_samples(fresh) < threshold).sum())
interval = binomtest(alarms, len(fresh)).proportion_ci(0.95)
print(f"{alarms} alarms in {len(fresh)} normal readings: {alarms / len(fresh):.2%}", end=", ")
print(f"between {interval.low:.2%} and {interval.high:.2%}")
print(f"the rate that was asked for is in the interval: {interval.low <= rate <= interval.high}")

# %%
# Three kinds of faults: a leak (less flow at the usual speed), a worn bearing (more vibration), and a sensor that
# reports speeds between the modes. In each column alone they are within the range of normal rows, with limits set for
# the same rate.

usual = fresh[fresh["speed"].between(40, 60)]
faults = {
    "leak": usual.head(200).sub([0, 7, 0]),
    "worn bearing": usual.tail(200).add([0, 0, 0.9]),
    "sensor": pd.DataFrame(rng.normal([35, 18, 1.5], [2, 1, 0.1], (200, 3)), columns=columns),
}
low, high = normal.quantile(rate / 6), normal.quantile(1 - rate / 6)
for name, rows in faults.items():
    by_density = (pump.score_samples(rows) < threshold).mean()
    by_limits = ((rows < low) | (rows > high)).any(axis=1).mean()
    print(f"{name:12} found by the mixture {by_density:6.1%}, by limits for each column {by_limits:6.1%}")

# %%
# The picture shows why: the faults lie in the empty space between and beside the modes.

ax = plot_density(pump, normal, view=("speed", "flow"))
for (name, rows), marker in zip(faults.items(), "xv+", strict=True):
    ax.scatter(rows["speed"], rows["flow"], s=14, marker=marker, color="black", linewidths=0.7, label=name)
ax.legend(loc="upper left")

# %%
plot_clusters(pump, normal, view=("speed", "vibration"))

# %%
# What to try next
# ----------------
#
# - ``pump.save("pump.gmm")``, and `gmm.load` where the readings come in.
# - A rate of 0.1 %: how many held-out rows does that need?
#
# Used here: `gmm.select`, ``GaussianMixture.score_samples``, `gmm.plotting.plot_density`,
# `gmm.plotting.plot_clusters`.
