"""
Old Faithful
============

Eruptions of a geyser: minutes that one lasts, and minutes until the next.
"""

from importlib.resources import files

import numpy as np

from gmm import GaussianMixture

X = np.loadtxt(files("gmm") / "data" / "faithful.csv", delimiter=",", skiprows=1)
print(GaussianMixture(2, random_state=0).fit(X))
