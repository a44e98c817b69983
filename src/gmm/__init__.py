"""Gaussian mixture models on a compiled core, with scikit-learn's interface.

This module re-exports the public names and defines nothing itself.
"""

from gmm import _pickle_aliases, _public
from gmm.em.solver import Iteration
from gmm.em.trace import Trace
from gmm.estimators.bayesian import BayesianGaussianMixture
from gmm.estimators.mixture import GaussianMixture
from gmm.estimators.predictions import write_predictions
from gmm.estimators.predictive import CredibleIntervals, PosteriorSample
from gmm.estimators.steps import EMStep, em_steps
from gmm.exceptions import ConvergenceWarning, InvalidParameterError, NotFittedError
from gmm.frozen import FrozenMixture, get_include
from gmm.loading import load
from gmm.rows.opening import rows
from gmm.selection import GaussianMixtureSearch, Progress, Selection, select
from gmm.selection.resampling import BootstrapLRT, HeldOut, Replicate, bootstrap_lrt, held_out_log_likelihood
from gmm.values.priors import NormalInverseWishart
from gmm.versions import __version__, show_versions

__all__ = [
    "BayesianGaussianMixture",
    "BootstrapLRT",
    "ConvergenceWarning",
    "CredibleIntervals",
    "EMStep",
    "FrozenMixture",
    "GaussianMixture",
    "GaussianMixtureSearch",
    "HeldOut",
    "InvalidParameterError",
    "Iteration",
    "NormalInverseWishart",
    "NotFittedError",
    "PosteriorSample",
    "Progress",
    "Replicate",
    "Selection",
    "Trace",
    "__version__",
    "bootstrap_lrt",
    "em_steps",
    "get_include",
    "held_out_log_likelihood",
    "load",
    "rows",
    "select",
    "show_versions",
    "write_predictions",
]

_public.publish(__name__, __all__)
_pickle_aliases.register()
