"""Model selection: fit every number of components with every covariance type, and choose by a criterion.

`search.py` is the entry point, as a function and as an estimator; `request.py` is what a search is asked for,
`loop.py` its fits, `progress.py` what becomes of its cells, `standard.py` its units, `result.py` its table,
`solutions.py` other divisions of the rows near the best. `resampling.py` tests numbers of components by fits to other
rows, `classifier.py` fits mixtures of known classes.
"""

from gmm._selection.classifier import MixtureClassifier as MixtureClassifier
from gmm._selection.progress import Progress as Progress
from gmm._selection.result import Selection as Selection
from gmm._selection.search import GaussianMixtureSearch as GaussianMixtureSearch
from gmm._selection.search import select as select

GaussianMixtureSearch.__module__ = MixtureClassifier.__module__ = Progress.__module__ = Selection.__module__ = "gmm"
select.__module__ = "gmm"
