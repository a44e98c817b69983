"""Gaussian mixture models on a compiled core, with scikit-learn's interface.

The estimators, the search, files and errors are here; what belongs to a task of its own is in a module: `analysis`,
`em`, `exchange`, `inference`, `plotting`, `sources` and `tracking`. What most programs do without is imported when it
is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gmm import _public
from gmm._estimators.bayesian import BayesianGaussianMixture
from gmm._estimators.conditional import ConditionalPrediction
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.predictive import CredibleIntervals, PosteriorSample
from gmm._exceptions import ConvergenceWarning, InvalidParameterError, LostClusterError, NotFittedError
from gmm._frozen_mixture import FrozenMixture, get_include
from gmm._rows.opening import open_rows
from gmm._values.priors import NormalInverseWishart
from gmm._versions import __version__, show_versions

if TYPE_CHECKING:
    from gmm import analysis, em, exchange, inference, plotting, sources, tracking  # noqa: F401
    from gmm._estimators.regressor import MixtureRegressor
    from gmm._loading import load
    from gmm._selection import GaussianMixtureSearch, MixtureClassifier, Progress, Selection, select

__all__ = [
    "BayesianGaussianMixture",
    "ConditionalPrediction",
    "ConvergenceWarning",
    "CredibleIntervals",
    "FrozenMixture",
    "GaussianMixture",
    "GaussianMixtureSearch",
    "InvalidParameterError",
    "LostClusterError",
    "MixtureClassifier",
    "MixtureRegressor",
    "NormalInverseWishart",
    "NotFittedError",
    "PosteriorSample",
    "Progress",
    "Selection",
    "__version__",
    "get_include",
    "load",
    "open_rows",
    "select",
    "show_versions",
]

_MODULES = ("analysis", "em", "exchange", "inference", "plotting", "sources", "tracking")
_HOME_OF = {"MixtureRegressor": "gmm._estimators.regressor", "load": "gmm._loading"} | dict.fromkeys(
    ("GaussianMixtureSearch", "MixtureClassifier", "Progress", "Selection", "select"), "gmm._selection"
)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(_HOME_OF[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})


_public.publish(__name__, [globals()[name] for name in __all__ if name not in _HOME_OF])
