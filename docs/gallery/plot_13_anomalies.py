"""
Anomalies, with a false-alarm rate that holds
=============================================

A mixture of what is normal gives each new row a log density, and a row with a
low one is suspicious. How low? The threshold is not a matter of taste: say how
many false alarms are bearable, and rows that the fit has not seen tell it.
"""

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from gmm import select
from gmm.plotting import plot_density

# sphinx_gallery_thumbnail_number = 1

# %%
# A pump runs slowly, at its usual speed, or at full load, and in each mode its
# flow goes with the speed. 12,000 normal readings: a third to fit, a third to
# set the threshold, a third to check.

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


normal, held_out, fresh = readings(4000), readings(4000), readings(4000)
found = select(normal, n_components=range(1, 7), random_state=0)
pump = found.best
print(pump)

# %%
# One false alarm in a hundred normal readings is bearable. The threshold is
# then the score that one in a hundred of the *held-out* rows fall below: those
# of the fit would flatter it.

rate = 0.01
rank = int(rate * (len(held_out) + 1))
threshold = np.sort(pump.score_samples(held_out))[rank - 1]
print(f"alarm below a log density of {threshold:.2f}")

# %%
# Does it hold? Fresh normal readings raise alarms at about that rate, and the
# interval, in which the true rate lies with 95 % confidence, says how well
# these rows can tell.

alarms = int((pump.score_samples(fresh) < threshold).sum())
interval = binomtest(alarms, len(fresh)).proportion_ci(0.95)
print(f"{alarms} alarms in {len(fresh)} normal readings", end=", ")
print(f"{alarms / len(fresh):.2%}", end=", ")
print(f"between {interval.low:.2%} and {interval.high:.2%}")
print(f"{rate:.0%} is in the interval: {interval.low <= rate <= interval.high}")

# %%
# Three kinds of faults: a leak (less flow at the usual speed), a valve half
# shut (less flow at full load), and a sensor that reports speeds between the
# modes. In each column alone they are within the range of normal rows, with
# limits set for the same rate.

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
# The picture shows why. The lines bound the smallest regions that hold 99 % of
# what the mixture makes: where it is right, one normal reading in a hundred
# lies outside. Faults, in red, lie in the empty space between and beside the
# modes.

ax = plot_density(pump, fresh, content=0.99)
ax.set_title("99 % of normal readings are within the lines")
for name, rows in faults.items():
    ax.plot(rows["speed"], rows["flow"], "x", color="#b3261e", ms=4, mew=0.8)
    x, y = rows.mean()
    ax.text(x, y - 3, name, color="#b3261e", ha="center", va="top")

# %%
# The log density at its line stands in the legend. The threshold of the
# held-out rows is nearly that, and needs no belief in the mixture.

# %%
# What to try next
# ----------------
#
# - ``pump.save("pump.gmm")``, and `gmm.load` where the readings come in.
# - A rate of 0.1 %: how many held-out rows does that need?
#
# Used here: `gmm.select`, ``GaussianMixture.score_samples``,
# `gmm.plotting.plot_density`.
