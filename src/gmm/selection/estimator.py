"""`GaussianMixtureSearch`: the search as an estimator, for pipelines and whatever else wants one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm.estimators.contract import Estimator, record_features
from gmm.estimators.mixture import GaussianMixture
from gmm.selection.search import select
from gmm.selection.table import Progress, Selection
from gmm.text.html import Html
from gmm.validation.parameters import check_is_fitted
from gmm.values.priors import NormalInverseWishart

__all__ = ["GaussianMixtureSearch"]


class GaussianMixtureSearch(Estimator):
    """The best Gaussian mixture among many: `select` as an estimator.

    It predicts and scores by the best mixture that it found.

    Parameters
    ----------
    n_components : int or iterable of int, default=(1, ..., 9)
        The numbers of components to try.
    covariance_type : str or sequence of str, default="all"
        The covariance types to try.
    criterion : str, default="bic"
        What chooses, "bic", "aic", "aicc", "icl" or "nec"; smaller is better.
    tol : float, default=1e-5
        As `GaussianMixture`'s; of many rows less is taken, so that criteria can be compared.
    reg_covar : float, default=1e-6
        Added to the diagonal of the covariances.
    max_iter : int, default=1000
        Most passes of a fit.
    n_init : int, default=1
        Seeds of starts, the same for all types: see `select`.
    init_params : str, default="kmeans"
        The name of a start; "kmeans" takes partitions of several kinds.
    random_state : int, RandomState, Generator or None, default=None
        Seeds the starts.
    n_threads : int or None, default=None
        Threads, for cells or their passes; None for all usable cores.
    time_limit : float or None, default=None
        Seconds after which the search ends with what there is.
    acceleration : {"auto", None}, default="auto"
        As `GaussianMixture`'s.
    refine : {"split-merge"} or None, default=None
        "split-merge" refines all cells, and not only the best.
    prior : {"conjugate"}, NormalInverseWishart or None, default=None
        As `GaussianMixture`'s.

    Attributes
    ----------
    best_estimator_ : GaussianMixture
        The best mixture.
    selection_ : Selection
        All that the search found.
    results_ : dict of str to ndarray
        The table, one entry for each cell: ``n_components``, ``covariance_type``, ``loglik``, ``n_parameters``, the
        criteria by their names, ``status``, ``seconds``, and ``rank``, from 1 for the best, 0 where there is no fit.
    best_index_ : int
        The place of the best in the table.
    n_components_ : int
        Its number of components.
    covariance_type_ : str
        Its covariance type.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where all columns had text names.

    See Also
    --------
    select : What it does, and how.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import GaussianMixtureSearch
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-4, 1, (100, 2)), rng.normal(4, 1, (100, 2))])
    >>> search = GaussianMixtureSearch(range(1, 4), random_state=0).fit(X)
    >>> search.n_components_, len(search.results_["bic"]) // 3 > 1
    (2, True)
    >>> np.bincount(search.predict(X)).tolist()
    [100, 100]
    """

    best_estimator_: GaussianMixture
    selection_: Selection
    results_: dict[str, NDArray[Any]]
    best_index_: int
    n_components_: int
    covariance_type_: str

    def __init__(
        self,
        n_components: int | Iterable[int] = tuple(range(1, 10)),
        covariance_type: str | Sequence[str] = "all",
        *,
        criterion: str = "bic",
        tol: float = 1e-5,
        reg_covar: float = 1e-6,
        max_iter: int = 1000,
        n_init: int = 1,
        init_params: str = "kmeans",
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        n_threads: int | None = None,
        time_limit: float | None = None,
        acceleration: str | None = "auto",
        refine: str | None = None,
        prior: str | NormalInverseWishart | None = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.criterion = criterion
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.random_state = random_state
        self.n_threads = n_threads
        self.time_limit = time_limit
        self.acceleration = acceleration
        self.refine = refine
        self.prior = prior

    def fit(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        callback: Callable[[Progress], object] | None = None,
    ) -> GaussianMixtureSearch:
        """Search for the best mixture for the rows.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Rows.
        y : ignored
        sample_weight : array-like of shape (n,), default=None
            A row of weight 2 counts as two rows.
        callback : callable, default=None
            Called with a `Progress` for each cell; a true answer ends the search.

        Returns
        -------
        GaussianMixtureSearch
            The estimator itself.

        Raises
        ------
        ValueError, TypeError
            As `select`.
        """
        found = select(X, sample_weight=sample_weight, callback=callback, **self.get_params())
        self.selection_, self.best_estimator_, self.best_index_ = found, found.best, found.best_index
        self.n_components_ = int(found.n_components[found.best_index])
        self.covariance_type_ = found.covariance_type[found.best_index]
        self.results_ = _results(found)
        record_features(self, found.best.n_features_in_, getattr(found.best, "feature_names_in_", None))
        return self

    def fit_predict(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        callback: Callable[[Progress], object] | None = None,
    ) -> NDArray[np.intp]:
        """Search, and return the most probable component of each row, (n,); as ``fit(X).predict(X)``."""
        return self.fit(X, y, sample_weight, callback).predict(X)

    def predict(self, X: ArrayLike) -> NDArray[np.intp]:
        """The most probable component of each row under the best mixture, (n,)."""
        return self._best().predict(X)

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """The responsibilities of its components for each row, (n, K), in the type of X."""
        return self._best().predict_proba(X)

    def score_samples(self, X: ArrayLike) -> NDArray[Any]:
        """The log-likelihood of each row under it, (n,), in nats and the type of X."""
        return self._best().score_samples(X)

    def score(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> float:
        """The mean log-likelihood under it, in nats per unit weight."""
        return self._best().score(X, y, sample_weight)

    def __str__(self) -> str:
        """The call that makes the estimator; once fitted, the table of what was found below it."""
        return f"{self!r}\n{self.selection_!r}" if "selection_" in vars(self) else super().__str__()

    def _described(self) -> Sequence[Html]:
        return self.selection_._described() if "selection_" in vars(self) else ()

    def _best(self) -> GaussianMixture:
        check_is_fitted(self)
        return self.best_estimator_


def _results(found: Selection) -> dict[str, NDArray[Any]]:
    ranks = np.zeros(len(found.status), dtype=np.int64)
    ranked = found.ranked()
    ranks[ranked] = np.arange(1, len(ranked) + 1)
    return found.columns() | {"rank": ranks}
