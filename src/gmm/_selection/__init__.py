"""Model selection: fit every number of components with every covariance type, and choose by a criterion.

`search.py` has the function and the estimator; `request.py` the request of a search, `loop.py` its fits, `progress.py`
the status of its cells, `standard.py` its units, `result.py` its table, `solutions.py` other partitions near the best.
`resampling.py` tests numbers of components by fits to other rows; `classifier.py` fits known classes.
"""

from gmm._selection.classifier import MixtureClassifier as MixtureClassifier
from gmm._selection.progress import Progress as Progress
from gmm._selection.result import Selection as Selection
from gmm._selection.search import GaussianMixtureSearch as GaussianMixtureSearch
from gmm._selection.search import select as select

GaussianMixtureSearch.__module__ = MixtureClassifier.__module__ = Progress.__module__ = Selection.__module__ = "gmm"
select.__module__ = "gmm"
