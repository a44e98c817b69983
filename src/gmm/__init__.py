"""Gaussian mixture models on a compiled core, with scikit-learn's interface.

The public face; nothing is defined here.
"""

from gmm.exceptions import ConvergenceWarning, InvalidParameterError, NotFittedError
from gmm.inference import Iteration, Trace
from gmm.mixture import GaussianMixture
from gmm.selection import GaussianMixtureSearch, Progress, Selection, select
from gmm.versions import __version__, show_versions

load = GaussianMixture.load

__all__ = [
    "ConvergenceWarning",
    "GaussianMixture",
    "GaussianMixtureSearch",
    "InvalidParameterError",
    "Iteration",
    "NotFittedError",
    "Progress",
    "Selection",
    "Trace",
    "__version__",
    "load",
    "select",
    "show_versions",
]
