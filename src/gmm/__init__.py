"""Gaussian mixture models on a compiled core, with scikit-learn's interface.

This module re-exports the public names. What most programs do without is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gmm import _public
from gmm.em.solver import Iteration
from gmm.em.trace import Trace
from gmm.estimators.bayesian import BayesianGaussianMixture
from gmm.estimators.conditional import ConditionalPrediction
from gmm.estimators.mixture import GaussianMixture
from gmm.estimators.predictive import CredibleIntervals, PosteriorSample
from gmm.exceptions import ConvergenceWarning, InvalidParameterError, LostClusterError, NotFittedError
from gmm.frozen import FrozenMixture, get_include
from gmm.rows.opening import rows
from gmm.rows.partitions import partitioned_rows
from gmm.values.priors import NormalInverseWishart
from gmm.values.statistics import SufficientStatistics
from gmm.versions import __version__, show_versions

if TYPE_CHECKING:
    from gmm.estimators.iteration import m_step, statistics_of
    from gmm.estimators.predictions import write_predictions
    from gmm.estimators.steps import EMStep, em_steps
    from gmm.loading import load
    from gmm.selection import GaussianMixtureSearch, MixtureClassifier, Progress, Selection, select
    from gmm.selection.resampling import BootstrapLRT, HeldOut, Replicate, bootstrap_lrt, held_out_log_likelihood
    from gmm.uses.adaptation import adapt, fisher_vector
    from gmm.uses.anomalies import AnomalyThreshold, anomaly_threshold
    from gmm.uses.combining import CombinedComponents, combine_components
    from gmm.uses.directions import Directions, directions
    from gmm.uses.overlap import column_overlap, overlap
    from gmm.uses.standard_errors import StandardErrors, standard_errors
    from gmm.uses.tracking import Tracker, Tracks

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
    "gmm.uses.adaptation": ("adapt", "fisher_vector"),
    "gmm.uses.anomalies": ("AnomalyThreshold", "anomaly_threshold"),
    "gmm.uses.combining": ("CombinedComponents", "combine_components"),
    "gmm.uses.directions": ("Directions", "directions"),
    "gmm.uses.overlap": ("column_overlap", "overlap"),
    "gmm.uses.standard_errors": ("StandardErrors", "standard_errors"),
    "gmm.estimators.iteration": ("m_step", "statistics_of"),
    "gmm.estimators.predictions": ("write_predictions",),
    "gmm.estimators.steps": ("EMStep", "em_steps"),
    "gmm.uses.tracking": ("Tracker", "Tracks"),
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
