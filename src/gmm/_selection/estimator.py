"""`GaussianMixtureSearch`: the search as an estimator, for pipelines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.contract import Estimator, record_features
from gmm._estimators.mixture import GaussianMixture
from gmm._persistence import Writable
from gmm._selection.search import select
from gmm._selection.table import Progress, Selection, html_parts
from gmm._text.html import Html
from gmm._validation.parameters import check_is_fitted
from gmm._values.priors import NormalInverseWishart


@dataclass(eq=False, repr=False)
class GaussianMixtureSearch(Estimator):
    """Search over numbers of components and covariance types, as an estimator.

    `fit` runs `select`; predictions and scores are those of the best mixture.

    Parameters
    ----------
    n_components : int or iterable of int, default=(1, ..., 9)
        Numbers of components to try.
    covariance_type : str or sequence of str, default="all"
        Covariance types to try; "all", alone or among others, are the 14 models, of one column the two that there are,
        "E" and "V". "factor" and "ppca" are not among them.
    n_factors : int or iterable of int, default=None
        Numbers of factors to try for "factor" and "ppca"; see `select`.
    tails : str or sequence of str, default="normal"
        Tails to try, among "normal", "t" and "contaminated"; see `select`.
    degrees_of_freedom : float, default=None
        Of heavy tails; None estimates it in each cell.
    criterion : {"bic", "aic", "aicc", "icl", "nec", "held_out"}, default="bic"
        Criterion that chooses the best mixture; smaller is better.
    n_splits : int, default=None
        Number of folds of "held_out"; see `select`.
    tol : float or None, default=None
        As in `GaussianMixture`; None is 1e-5, reduced on large tables so that criteria can be compared.
    reg_covar : float, default=1e-6
        Added to the diagonal of the covariances, times the squared width of the narrowest column; see `select`.
    max_iter : int, default=1000
        Maximum number of passes per fit.
    n_init : int, default=1
        Number of seeds for the starts; see `select`.
    init_params : str, default="kmeans"
        Name of a start, as in `GaussianMixture`; "kmeans" takes several kinds of partition.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the starts.
    n_threads : int or None, default=None
        Number of threads; None uses all available cores.
    time_limit : float or None, default=None
        Time limit in seconds, after which the search ends with the fits made so far.
    acceleration : {"auto", None}, default="auto"
        As in `GaussianMixture`.
    refine : {"split-merge"} or None, default=None
        "split-merge" tries split–merge moves in every cell; None only in the best ones.
    prior : {"conjugate"}, NormalInverseWishart or None, default=None
        As in `GaussianMixture`.
    noise : bool, float or array-like of shape (2, d), default=False
        As in `GaussianMixture`.
    standardize : bool, default=False
        Whether to search in units of each column's standard deviation; see `select`.
    missing : {"error", "em"}, default="error"
        What NaN is; "em" integrates missing values out, as in `GaussianMixture`.
    means_init, precisions_init, fixed
        Known components, the first of every cell; see `select`.
    max_ratio : float, default=None
        As in `GaussianMixture`; "all" are then "full", "diag" and "spherical".

    Attributes
    ----------
    best_estimator_ : GaussianMixture
        The best mixture.
    selection_ : Selection
        Result of the search.
    results_ : dict of str to ndarray of shape (n_cells,)
        Columns of the table: ``n_components``, ``covariance_type``, ``loglik``, ``n_parameters``, the criteria by name,
        ``status``, ``seconds``, ``tails``, and ``rank``, which is 1 for the best cell and 0 where there is no fit.
    best_index_ : int
        Index of the best cell.
    n_components_ : int
        Number of components of the best mixture.
    covariance_type_ : str
        Covariance type of the best mixture.
    n_features_in_ : int
        Number of features, d.
    feature_names_in_ : ndarray of str, shape (d,)
        Names of the features, if all columns of X had string names.

    See Also
    --------
    select : The search itself.

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

    best_estimator_: GaussianMixture = field(init=False)
    selection_: Selection = field(init=False)
    best_index_: int = field(init=False)
    n_components_: int = field(init=False)
    covariance_type_: str = field(init=False)

    n_components: int | Iterable[int] = tuple(range(1, 10))
    covariance_type: str | Sequence[str] = "all"
    _: KW_ONLY
    n_factors: int | Iterable[int] | None = None
    tails: str | Sequence[str] = "normal"
    degrees_of_freedom: float | None = None
    criterion: str = "bic"
    n_splits: int | None = None
    tol: float | None = None
    reg_covar: float = 1e-6
    max_iter: int = 1000
    n_init: int = 1
    init_params: str = "kmeans"
    random_state: int | np.random.RandomState | np.random.Generator | None = None
    n_threads: int | None = None
    time_limit: float | None = None
    acceleration: str | None = "auto"
    refine: str | None = None
    prior: str | NormalInverseWishart | None = None
    noise: bool | float | ArrayLike = False
    standardize: bool = False
    missing: str = "error"
    means_init: ArrayLike | None = None
    precisions_init: ArrayLike | None = None
    fixed: Mapping[str, bool | ArrayLike] | None = None
    max_ratio: float | None = None

    @property
    def results_(self) -> dict[str, NDArray[Any]]:
        """Columns of the table, and the ranks of its cells."""
        ranks = np.zeros(len(self.selection_.status), dtype=np.int64)
        ranked = self.selection_.ranked()
        ranks[ranked] = np.arange(1, len(ranked) + 1)
        return self.selection_.columns() | {"rank": ranks}

    def fit(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        callback: Callable[[Progress], object] | None = None,
        *,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        error_covariance: ArrayLike | None = None,
    ) -> GaussianMixtureSearch:
        """Search for the best mixture.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
            Rows.
        y : ignored
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows; a row of weight 2 counts as two rows.
        callback : callable, default=None
            Called with a `Progress` for each cell; a true return value ends the search.
        checkpoint : path, default=None
            File in which to keep how far the search has come, as of `select`.
        resume : bool, default=False
            Continue the search of the file `checkpoint`; begin it if there is no such file.
        error_covariance : array-like, default=None
            Of the rows' measurement errors, as in `GaussianMixture.fit`; ``best_estimator_.predict`` takes some too.

        Returns
        -------
        GaussianMixtureSearch
            The estimator itself.

        Raises
        ------
        ValueError, TypeError
            As `select`.
        """
        of_fit: dict[str, Any] = {"checkpoint": checkpoint, "resume": resume, "error_covariance": error_covariance}
        selection = select(X, sample_weight=sample_weight, callback=callback, **of_fit, **self.get_params())
        best, index = selection.best, selection.best_index
        self.selection_, self.best_estimator_, self.best_index_ = selection, best, index
        self.n_components_ = int(selection.n_components[index])
        self.covariance_type_ = selection.covariance_type[index]
        record_features(self, best.n_features_in_, getattr(best, "feature_names_in_", None))
        return self

    def fit_predict(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        callback: Callable[[Progress], object] | None = None,
    ) -> NDArray[np.intp]:
        """Search and return ``fit(X).predict(X)``, the most probable component of each row, (n,)."""
        return self.fit(X, y, sample_weight, callback).predict(X)

    def predict(self, X: ArrayLike) -> NDArray[np.intp]:
        """Predict the most probable component of the best mixture for each row, (n,)."""
        return self._best().predict(X)

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Compute the responsibilities of the best mixture's components, (n, K), in the dtype of X."""
        return self._best().predict_proba(X)

    def score_samples(self, X: ArrayLike) -> NDArray[Any]:
        """Compute the log-likelihood of each row under the best mixture, (n,), in nats and the dtype of X."""
        return self._best().score_samples(X)

    def score(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> float:
        """Compute the mean log-likelihood under the best mixture, in nats per unit weight."""
        return self._best().score(X, y, sample_weight)

    def save(self, file: Writable, *, metadata: Mapping[str, Any] | None = None) -> None:
        """Write the search's table and all its mixtures to a file, which `load` opens as a `Selection`.

        Parameters
        ----------
        file : str, os.PathLike or binary file
            A path, used as given, or a file open for writing.
        metadata : dict of JSON values, optional
            What else people or programs should know.
        """
        check_is_fitted(self)
        self.selection_.save(file, metadata=metadata)

    def to_sklearn(self) -> Any:
        """Return the best mixture as scikit-learn's estimator, by `gmm.exchange.sklearn.to_sklearn`."""
        from gmm._exchange.scikit_learn import to_sklearn

        return to_sklearn(self._best())

    def __str__(self) -> str:
        """Return the constructor call and, once fitted, the table of the search below it."""
        return f"{self!r}\n{self.selection_!r}" if "selection_" in vars(self) else super().__str__()

    def _html_parts(self) -> Sequence[Html]:
        return html_parts(self.selection_) if "selection_" in vars(self) else ()

    def _best(self) -> GaussianMixture:
        check_is_fitted(self)
        return self.best_estimator_
