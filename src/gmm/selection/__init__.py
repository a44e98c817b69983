"""The choice of a mixture: every number of components by every covariance type, each at the best optimum found.

`search.py` is what is called, `engine.py` the order of the work, `cell.py` how one cell is solved, `candidates.py`
where it may begin, `table.py` what comes out, `grid.py` how it is laid out, `estimator.py` the search as an estimator.
"""

from gmm.selection.estimator import GaussianMixtureSearch
from gmm.selection.search import select
from gmm.selection.status import FAILED, NOT_CONVERGED, NOT_TRIED, OK, SPIKE
from gmm.selection.table import Progress, Selection

__all__ = [
    "FAILED",
    "NOT_CONVERGED",
    "NOT_TRIED",
    "OK",
    "SPIKE",
    "GaussianMixtureSearch",
    "Progress",
    "Selection",
    "select",
]
