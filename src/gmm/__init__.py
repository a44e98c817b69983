"""Gaussian mixture models on a compiled core, with scikit-learn's interface.

The public face; nothing is defined here.
"""

from gmm.exceptions import ConvergenceWarning, InvalidParameterError, NotFittedError
from gmm.inference import Iteration, Trace
from gmm.loading import load
from gmm.mixture import GaussianMixture
from gmm.priors import NormalInverseWishart
from gmm.resampling import BootstrapLRT, HeldOut, Replicate, bootstrap_lrt, held_out_log_likelihood
from gmm.selection import GaussianMixtureSearch, Progress, Selection, select
from gmm.steps import EMStep, em_steps
from gmm.versions import __version__, show_versions

__all__ = [
    "BootstrapLRT",
    "ConvergenceWarning",
    "EMStep",
    "GaussianMixture",
    "GaussianMixtureSearch",
    "HeldOut",
    "InvalidParameterError",
    "Iteration",
    "NormalInverseWishart",
    "NotFittedError",
    "Progress",
    "Replicate",
    "Selection",
    "Trace",
    "__version__",
    "bootstrap_lrt",
    "em_steps",
    "held_out_log_likelihood",
    "load",
    "select",
    "show_versions",
]
