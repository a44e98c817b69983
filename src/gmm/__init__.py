"""Gaussian mixture models on a compiled core, with scikit-learn's interface.

The estimators, the search, files and errors are here; what belongs to a task of its own is in a module: `analysis`,
`em`, `exchange`, `inference`, `plotting`, `sources` and `tracking`. What most programs do without is imported when it
is first used.
"""

from typing import TYPE_CHECKING

from gmm._estimators.mixture import GaussianMixture
from gmm._exceptions import (
    ConvergenceWarning,
    DegenerateWarning,
    InvalidParameterError,
    LostClusterError,
    NotFittedError,
)
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
    from gmm._selection.options import options
    from gmm._versions import __version__, show_versions

__all__ = [
    "BayesianGaussianMixture",
    "ConditionalPrediction",
    "ConvergenceWarning",
    "CredibleIntervals",
    "DegenerateWarning",
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
    "options",
    "select",
    "show_versions",
]

_MODULES = ("analysis", "em", "exchange", "inference", "plotting", "sources", "tracking")
_ON_DEMAND = {
    "_estimators.bayesian": ("BayesianGaussianMixture", "CredibleIntervals", "PosteriorSample"),
    "_estimators.conditional": ("ConditionalPrediction",),
    "_estimators.regressor": ("MixtureRegressor",),
    "_frozen_mixture": ("FrozenMixture", "get_include"),
    "_loading": ("load",),
    "_rows.opening": ("open_rows",),
    "_selection": ("GaussianMixtureSearch", "MixtureClassifier", "Progress", "Selection", "select"),
    "_selection.options": ("options",),
    "_versions": ("__version__", "show_versions"),
}
_HOMES = {name: module for module, names in _ON_DEMAND.items() for name in names}
__getattr__ = attributes_of(__name__, _MODULES, _HOMES)


def __dir__() -> list[str]:
    return sorted({*(name for name in globals() if name.startswith("_")), *__all__, *_MODULES})


# What pickles and pages name, wherever a definition moves. Behind the class, not in its body: there, `dataclass` would
# look for `KW_ONLY` and `ClassVar` in the public module, and take them for fields.
GaussianMixture.__module__ = NormalInverseWishart.__module__ = __name__
ConvergenceWarning.__module__ = DegenerateWarning.__module__ = __name__
InvalidParameterError.__module__ = LostClusterError.__module__ = NotFittedError.__module__ = __name__
