"""Model selection: fit every number of components with every covariance type, and choose by a criterion.

`search.py` is the entry point, `engine.py` orders the work, `cell.py` solves one cell, `candidates.py` gives its
starts, `contenders.py` solves the best ones again, `table.py` is the result, `grid.py` its layout, `estimator.py` the
search as an estimator, `classifier.py` mixtures of known classes.
"""

from gmm._public import publish
from gmm.selection.classifier import MixtureClassifier
from gmm.selection.estimator import GaussianMixtureSearch
from gmm.selection.search import select
from gmm.selection.status import DEGENERATE, FAILED, NOT_CONVERGED, NOT_TRIED, OK
from gmm.selection.table import Progress, Selection

__all__ = [
    "DEGENERATE",
    "FAILED",
    "NOT_CONVERGED",
    "NOT_TRIED",
    "OK",
    "GaussianMixtureSearch",
    "MixtureClassifier",
    "Progress",
    "Selection",
    "select",
]

publish("gmm", [GaussianMixtureSearch, MixtureClassifier, Progress, Selection, select])
