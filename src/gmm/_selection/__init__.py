"""Model selection: fit every number of components with every covariance type, and choose by a criterion.

`search.py` is the entry point, `engine.py` orders the work, `cell.py` solves one cell, `candidates.py` gives its
starts, `contenders.py` solves the best ones again, `finishing.py` takes the best to rows beyond memory; `request.py`
is what a search is asked for, `standard.py` its units, `keeping.py` what keeps it; `table.py` is the result, `grid.py`
its layout, `status.py` what became of a cell; `resampling.py` tests numbers of components
and held-out rows, `estimator.py` is the search as an estimator, `classifier.py` mixtures of known classes.
"""

from gmm._public import publish
from gmm._selection.classifier import MixtureClassifier as MixtureClassifier
from gmm._selection.search import GaussianMixtureSearch as GaussianMixtureSearch
from gmm._selection.search import select as select
from gmm._selection.table import Progress as Progress
from gmm._selection.table import Selection as Selection

publish("gmm", [GaussianMixtureSearch, MixtureClassifier, Progress, Selection, select])
