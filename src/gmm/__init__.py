"""Gaussian mixture models on a compiled core, with scikit-learn's interface.

The estimators, the search, files and errors are here; what belongs to a task of its own is in a module: `analysis`,
`em`, `exchange`, `inference`, `plotting`, `sources` and `tracking`. What most programs do without is imported when it
is first asked for.
"""

from typing import TYPE_CHECKING

from gmm import _public
from gmm._estimators.mixture import GaussianMixture
from gmm._exceptions import ConvergenceWarning, InvalidParameterError, LostClusterError, NotFittedError
from gmm._lazy import attributes_of
from gmm._values.priors import NormalInverseWishart

if TYPE_CHECKING:
    from gmm import analysis, em, exchange, inference, plotting, sources, tracking  # noqa: F401
    from gmm._estimators.bayesian import BayesianGaussianMixture, CredibleIntervals, PosteriorSample
    from gmm._estimators.conditional import ConditionalPrediction
    from gmm._estimators.regressor import MixtureRegressor
    from gmm._frozen_mixture import FrozenMixture, get_include
    from gmm._loading import load
    from gmm._rows.opening import open_rows
    from gmm._selection import GaussianMixtureSearch, MixtureClassifier, Progress, Selection, select
    from gmm._versions import __version__, show_versions

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
_HOME_OF = {
    **{name: f"{__name__}.{name}" for name in _MODULES},
    "BayesianGaussianMixture": "gmm._estimators.bayesian",
    "ConditionalPrediction": "gmm._estimators.conditional",
    "CredibleIntervals": "gmm._estimators.bayesian",
    "FrozenMixture": "gmm._frozen_mixture",
    "MixtureRegressor": "gmm._estimators.regressor",
    "PosteriorSample": "gmm._estimators.bayesian",
    "__version__": "gmm._versions",
    "get_include": "gmm._frozen_mixture",
    "load": "gmm._loading",
    "open_rows": "gmm._rows.opening",
    "show_versions": "gmm._versions",
    **dict.fromkeys(
        ("GaussianMixtureSearch", "MixtureClassifier", "Progress", "Selection", "select"), "gmm._selection"
    ),
}
__getattr__ = attributes_of(__name__, _HOME_OF)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_HOME_OF})


_public.publish(__name__, [globals()[name] for name in __all__ if name not in _HOME_OF])
