"""Gaussian mixture models on a compiled core, with scikit-learn's interface.

This module re-exports the public names. What most programs do without is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gmm import _pickle_aliases, _public
from gmm.em.solver import Iteration
from gmm.em.trace import Trace
from gmm.estimators.anomalies import AnomalyThreshold, anomaly_threshold
from gmm.estimators.bayesian import BayesianGaussianMixture
from gmm.estimators.conditional import ConditionalPrediction
from gmm.estimators.iteration import m_step, statistics_of
from gmm.estimators.mixture import GaussianMixture
from gmm.estimators.predictions import write_predictions
from gmm.estimators.predictive import CredibleIntervals, PosteriorSample
from gmm.exceptions import ConvergenceWarning, InvalidParameterError, LostClusterError, NotFittedError
from gmm.frozen import FrozenMixture, get_include
from gmm.rows.opening import rows
from gmm.rows.partitions import partitioned_rows
from gmm.values.priors import NormalInverseWishart
from gmm.values.statistics import SufficientStatistics
from gmm.versions import __version__, show_versions

if TYPE_CHECKING:
    from gmm.estimators.adaptation import adapt, fisher_vector
    from gmm.estimators.combining import CombinedComponents, combine_components
    from gmm.estimators.directions import Directions, directions
    from gmm.estimators.overlap import column_overlap, overlap
    from gmm.estimators.standard_errors import StandardErrors, standard_errors
    from gmm.estimators.steps import EMStep, em_steps
    from gmm.estimators.tracking import Tracker, Tracks
    from gmm.loading import load
    from gmm.selection import GaussianMixtureSearch, MixtureClassifier, Progress, Selection, select
    from gmm.selection.resampling import BootstrapLRT, HeldOut, Replicate, bootstrap_lrt, held_out_log_likelihood

__all__ = [
    "AnomalyThreshold",
    "BayesianGaussianMixture",
    "BootstrapLRT",
    "CombinedComponents",
    "ConditionalPrediction",
    "ConvergenceWarning",
    "CredibleIntervals",
    "Directions",
    "EMStep",
    "FrozenMixture",
    "GaussianMixture",
    "GaussianMixtureSearch",
    "HeldOut",
    "InvalidParameterError",
    "Iteration",
    "LostClusterError",
    "MixtureClassifier",
    "NormalInverseWishart",
    "NotFittedError",
    "PosteriorSample",
    "Progress",
    "Replicate",
    "Selection",
    "StandardErrors",
    "SufficientStatistics",
    "Trace",
    "Tracker",
    "Tracks",
    "__version__",
    "adapt",
    "anomaly_threshold",
    "bootstrap_lrt",
    "column_overlap",
    "combine_components",
    "directions",
    "em_steps",
    "fisher_vector",
    "get_include",
    "held_out_log_likelihood",
    "load",
    "m_step",
    "overlap",
    "partitioned_rows",
    "rows",
    "select",
    "show_versions",
    "standard_errors",
    "statistics_of",
    "write_predictions",
]

_HOMES = {
    "gmm.estimators.adaptation": ("adapt", "fisher_vector"),
    "gmm.estimators.combining": ("CombinedComponents", "combine_components"),
    "gmm.estimators.directions": ("Directions", "directions"),
    "gmm.estimators.overlap": ("column_overlap", "overlap"),
    "gmm.estimators.standard_errors": ("StandardErrors", "standard_errors"),
    "gmm.estimators.steps": ("EMStep", "em_steps"),
    "gmm.estimators.tracking": ("Tracker", "Tracks"),
    "gmm.loading": ("load",),
    "gmm.selection": ("GaussianMixtureSearch", "MixtureClassifier", "Progress", "Selection", "select"),
    "gmm.selection.resampling": (
        "BootstrapLRT",
        "HeldOut",
        "Replicate",
        "bootstrap_lrt",
        "held_out_log_likelihood",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(_HOME_OF[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


_public.publish(__name__, [globals()[name] for name in __all__ if name not in _HOME_OF])
_pickle_aliases.register()
