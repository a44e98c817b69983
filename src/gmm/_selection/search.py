"""`select` and `GaussianMixtureSearch`, which run a search and return its table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from math import inf
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators import criteria
from gmm._estimators.contract import Estimator, record_features
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.outcome import one_warning, warn_of_light_rows
from gmm._estimators.request import noise_of
from gmm._estimators.scorer import Scorer
from gmm._fitting.moments import never_observed_together, warn_of_unobserved_pairs
from gmm._persistence import Writable
from gmm._rows.input import Names, as_one_array, as_source_to_fit
from gmm._rows.sources import Source, relative_ridge
from gmm._selection.loop import Search
from gmm._selection.progress import Progress, ProgressReporter
from gmm._selection.request import (
    Clock,
    Key,
    Request,
    check_cells,
    check_folds,
    fixed_components,
    folds_of,
    repeated,
    requested_components,
    requested_folds,
    requested_tails,
    requested_types,
    template_of,
)
from gmm._selection.result import Selection, check_criterion, html_parts
from gmm._selection.standard import note_on_shrinkage, restore_units, to_search_units, warn_of_constants
from gmm._text.words import column_names
from gmm._validation import column_notes
from gmm._validation.combinations import check_compatible
from gmm._validation.parameters import check_callback, check_is_fitted, check_labels_of_columns
from gmm._validation.scalars import check_real, check_whole
from gmm._values.covariance import covariance_model
from gmm._values.noise import NO_NOISE
from gmm._values.priors import NormalInverseWishart
from gmm._values.tails import NORMAL_TAILS


def select(
    X: Any,
    n_components: int | Iterable[int] = range(1, 10),
    covariance_type: str | Sequence[str] = "all",
    *,
    n_factors: int | Iterable[int] | None = None,
    tails: str | Sequence[str] = "normal",
    degrees_of_freedom: float | None = None,
    criterion: str = "bic",
    n_splits: int | None = None,
    n_init: int = 1,
    random_state: Any = None,
    n_threads: int | None = None,
    sample_weight: ArrayLike | None = None,
    callback: Callable[[Progress], object] | None = None,
    time_limit: float | None = None,
    standardize: bool = False,
    error_covariance: ArrayLike | None = None,
    verbose: int = 0,
    **parameters: Any,
) -> Selection:
    """Choose the number of components, the covariance type and the tails of a mixture, and fit it.

    Each requested number of components is fitted with each requested covariance type; such a pair is a *cell* of the
    search. With several `tails`, a cell has one of them. A search is a loop of fits:

    - each cell is fitted as by `GaussianMixture`, from `random_state`, and the best two of each number of components
      from two more seeds; if all fits have a degenerate component, every cell is;
    - the cells of one number of components are fitted from the best two mixtures among them, and from the best one and
      their own with one component fewer, of which one is halved;
    - the best two of each number, if within 40 of the best so far, and finally those near the best, continue by
      split–merge moves;
    - the cells within 10 of the best criterion (NEC: 0.1) are fitted from up to 12 more seeds, and those within 100, of
      as many components as the best cell or one more, from its mixture, until it does not improve.

    A cell stores the best of its fits, without degenerate components if possible. **Each can be repeated:** the mixture
    of a cell, such as ``found[3, "VVV"]``, has the seed or the start as its parameters, and its `fit` to the same rows,
    with the same weights and errors, gives the same bits. This does not hold with ``standardize=True``, whose starts
    are in other units, nor after `Selection.load`, as files contain no starts. It holds up to rounding if the search
    drops rows (those without a value and, with missing values or errors, those of weight 0), or repeats rows of whole
    weights for held-out folds.

    On tables of more than 20,000 numbers a fit stops before it converges if its projected gain cannot bring it within
    40 of the best criterion so far; its status is then "not pursued", and its `max_iter` the number of its passes.
    Cells with a `prior` and searches by NEC are always finished.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d)
        Rows. For rows beyond memory, search a sample, and fit the best mixture to all rows with ``warm_start=True``.
    n_components : int or iterable of int, default=range(1, 10)
        Numbers of components to try.
    covariance_type : str or sequence of str, default="all"
        Covariance types to try; "all", alone or among others, are the 14 models, or "E" and "V" for one column.
        "factor" and "ppca" are not among them.
    n_factors : int or iterable of int, default=None
        Numbers of factors to try for "factor" and "ppca". In the table, and as `covariance_type`, these names end with
        the number, such as "factor2".
    tails : str or sequence of str, default="normal"
        Tails to try, "normal" or "t" or both, as in `GaussianMixture`; "VVV t" stands for the covariance
        type VVV with heavy tails. Moves do not refine their cells.
    degrees_of_freedom : float, default=None
        Degrees of freedom of heavy tails; None estimates them in each cell, which counts as a parameter.
    criterion : {"bic", "aic", "aicc", "icl", "nec", "held_out"}, default="bic"
        Criterion that chooses the best mixture; smaller is better. "held_out" is minus twice the log-likelihood of all
        rows, each under a mixture fitted to others (Smyth 2000): use it if the density matters, not the clusters. The
        cells are then fitted `n_splits` times more.
    n_splits : int, default=None
        Number of folds of "held_out", drawn by `random_state`; None is 5. Not for other criteria.
    n_init : int, default=1
        Number of seeds that each cell is fitted from.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the starts. With an int, results are reproducible.
    n_threads : int or None, default=None
        Number of threads; None uses all available cores. Results do not depend on it.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows; the criteria use their sum as the sample size.
    callback : callable, default=None
        Called with a `Progress` for each cell once it is fitted for the first time, and before that in each fold of
        "held_out". A true return value ends the search with the fits made so far, once all cells with this number of
        components are fitted; in a fold, with the folds so far and the first number of components.
    time_limit : float or None, default=None
        Time limit in seconds, after which the search ends with the fits made so far, at least one. See
        ``Selection.complete``. The folds of "held_out" use half of it; those made by then represent all.
    standardize : bool, default=False
        Search in units of each column's standard deviation, so that units do not matter; mixtures, likelihoods and
        criteria are those of the original columns. A `NormalInverseWishart` is in these units about the mean, a box of
        `noise` is in the original ones. The mixtures found have the prior in the original units, as further fits need
        it, and the ridge in the smallest of them. Six models (EII, VII, EVE, VVE, EEV, VEV) are others in original
        units: their mixtures are EEI, VEI, EVV, VVV, EVV and VVV there, and "ppca" is "factor". These count more
        parameters than the table, whose names and numbers of parameters are those of the models searched.
    error_covariance : array-like, default=None
        Covariances of the rows' measurement errors, as in `GaussianMixture.fit`: every cell is a mixture of the values
        without errors, and criteria are of rows with theirs.
    verbose : int, default=0
        1 prints a line for each number of components, or in notebooks a bar of the cells; 2 a line for each cell, too.
    **parameters
        Further parameters of `GaussianMixture`, used for all cells: ``init_params`` (a name), ``acceleration``,
        ``prior``, ``noise``, ``missing``, ``refine="split-merge"`` to refine every fit, ``tol``, ``max_iter``
        and ``max_ratio``, with which "all" are "full", "diag" and "spherical". The defaults here are ``tol=None``,
        which is 1e-5, reduced on large tables so that criteria are accurate to about 0.05, and ``max_iter=1000``.
        ``reg_covar``, here 1e-6 too, is a share of the squared width of the narrowest column that varies: its number of
        different values times the median gap between them, over 2.6, which is the deviation of normal values. So units
        do not matter; the mixtures found have the product as their `reg_covar`. ``fixed={"means": True}`` fixes
        the m rows of ``means_init`` as means of the first m components of every cell, and the search is over the number
        of other ones, from none on: known classes with new ones. ``fixed={"means": True, "covariances": True}`` also
        fixes the ``precisions_init`` of these m, in the shape of `covariance_type`, "full", "diag" or "spherical" if
        there are others; a mask of m fixes some of them. Criteria count free parameters, and each mixture has masks for
        all its components.

    Returns
    -------
    Selection
        Table of all cells, with the best one. The status of a cell states if it could not be fitted.

    Raises
    ------
    ValueError
        If the data, a name or a number is invalid, or no cell could be fitted.
    TypeError
        If `GaussianMixture` has no such parameter, or it does not apply to a search.

    References
    ----------
    P. Smyth (2000). Model selection for probabilistic clustering using cross-validated likelihood. *Statistics and
    Computing* 10, 63-72.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import select
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-4, 1, (100, 2)), rng.normal(4, 1, (100, 2))])
    >>> selection = select(X, range(1, 4), random_state=0)
    >>> selection.best.n_components
    2
    >>> known = select(X, range(1, 4), "full", fixed={"means": True}, means_init=[[4, 4]], random_state=0)
    >>> known.best.means_.round(1)
    array([[ 4. ,  4. ],
           [-4.1, -3.9]])
    """
    check_criterion(criterion, criteria.OF_SEARCHES)
    callback = check_callback(callback)
    verbose = int(verbose) if isinstance(verbose, bool) else check_whole(verbose, "verbose", 0)
    clock = Clock(None if time_limit is None else check_real(time_limit, "time_limit, in seconds,", "[0, inf]"))
    counts = requested_components(n_components)
    template = template_of(parameters | {"n_init": n_init, "n_threads": n_threads, "random_state": random_state})
    with one_warning() as remarks:
        given, features = _given(X, sample_weight, template, error_covariance, criterion)
        types = requested_types(covariance_type, given.n_features, n_factors, limited=template.max_ratio is not None)
        folds = requested_folds(n_splits, criterion)
        cells = counts, types, requested_tails(template, tails, degrees_of_freedom, given), criterion, folds
        names = column_names(features, given.n_features)
        all_rows = as_one_array(given, select.__name__, gaps=True)
        column_notes.check_extremes(all_rows.rows, names, given.sample_weight)
        warn_of_constants(given, features)
        warn_of_unobserved_pairs(never_observed_together(given, features, [covariance_model(name) for name in types]))
        check_cells(template, counts, types, given, standardize=standardize)
        if folds is not None:
            check_folds(given.survey.n_used, folds, min(counts))
        noise = noise_of(template, given)
        fixed = fixed_components(template, counts, types, given.n_features, standardize=standardize)
        opened, noise, units = to_search_units(given, noise, standardize=standardize)
        request = Request(*cells, template, opened, features, parameters.get("tol"), noise, fixed, {})
        template.reg_covar = relative_ridge(opened, template.reg_covar)
        used = as_one_array(opened, select.__name__, gaps=True)
        notes = (  # before the fits, so that these have the time that is left
            *column_notes.identifiers(all_rows.look(column_notes.kinds_in_memory, names), names),
            *all_rows.look(column_notes.singular_columns, names),
            *used.look(column_notes.few_values, names, bool(opened.errors)),
            *used.look(column_notes.long_tails, names),
            *used.look(column_notes.copies, names),
            *all_rows.look(column_notes.error_values, names),
            *column_notes.total((chunk.rows for chunk in given.chunks()), names),
        )
        reports = ProgressReporter(request.keys, callback, verbose)
        held_out = held_out_deviances(request, clock, reports)
        selection = Search(request, clock, reports, held_out).run()
        warn_of_light_rows(opened, int(selection.n_parameters[selection.best_index]))
    notes = (*notes, *note_on_shrinkage(selection.estimators))
    found = replace(restore_units(selection, units, opened), notes=notes)
    found.best.remarks_ = remarks
    return found


def fit_separately(rows: Source, counts: list[int], types: list[str], parameters: dict[str, Any]) -> Selection:
    """Return the table of plain fits, one for each number of components × covariance types.

    Classes are fitted by it. The lower BICs of a search classify held-out rows no better (docs/measurements.md,
    "Classifiers").
    """
    template = template_of(parameters)
    warn_of_constants(rows, None)
    check_cells(template, counts, types, rows, standardize=False)
    fields = counts, types, [NORMAL_TAILS], "bic", None, template, rows, None, parameters["tol"], NO_NOISE, None
    template.reg_covar = relative_ridge(rows, template.reg_covar)
    request = Request(*fields, {})
    table = Search(request, Clock(None), ProgressReporter(request.keys, None), {}).run(separately=True)
    warn_of_light_rows(rows, int(table.n_parameters[table.best_index]))
    return table


def held_out_deviances(request: Request, clock: Clock, reports: ProgressReporter) -> Mapping[Key, float]:
    """Return minus twice the log-likelihood of all rows, each under the mixture of a cell for the other folds.

    The folds have half of the remaining time: then no further fold starts, those so far represent all, and an
    interrupted one counts only if it is the first. The deviance is ∞ for a cell without a mixture in one of them; there
    are none for other criteria.
    """
    if request.n_splits is None:
        return {}
    source, half = request.source, clock.half()
    used, weight, sums = np.flatnonzero(source.weights), 0.0, dict[Key, float]()
    folds = folds_of(len(used), request.n_splits, np.random.default_rng(request.template.random_state))
    for reports.fold, fold in enumerate(folds, 1):
        if weight and (half.is_up() or reports.is_over):
            break
        others, part = source.select_rows(np.delete(used, fold)), source.select_rows(used[fold])
        mixtures = Search(request._replace(source=others, single_log_likelihoods={}), half, reports, {}).mixtures()
        if weight and (half.is_up() or reports.is_over):  # the fold lacks larger numbers of components
            break
        n_threads = request.template.n_threads
        logliks = {key: Scorer(mixture, n_threads).log_likelihood(part) for key, mixture in mixtures.items()}
        sums = {key: sums.get(key, 0.0) + logliks[key] for key in logliks if not weight or key in sums}
        weight += part.survey.weight
    reports.fold = 0
    return {key: -2 * sums.get(key, -inf) * source.survey.weight / weight for key in request.keys}


def _given(X: Any, sample_weight: Any, template: GaussianMixture, errors: Any, criterion: str) -> tuple[Source, Names]:
    """Return the rows to search, and the names of their features; for folds, rows are repeated by their weights."""
    settings: dict[str, Any] = {"estimator": select.__name__, "missing": template.missing}
    source = as_source_to_fit(X, sample_weight, error_covariance=errors, **settings)
    check_compatible("select", {"rows beyond memory": source.storage != "memory"})
    if (names := source.feature_names) is not None:
        check_labels_of_columns(template, names)
    if criterion == criteria.HELD_OUT and source.sample_weight is not None and not source.errors:
        table = repeated(as_one_array(source, select.__name__, gaps=True))
        source = source if table is None else as_source_to_fit(table.rows, None, **settings)
    return source, names


@dataclass(eq=False, repr=False)
class GaussianMixtureSearch(Estimator):
    """Search over numbers of components and covariance types, as an estimator.

    `fit` runs `select`; predictions and scores are those of the best mixture.

    Parameters
    ----------
    n_components : int or iterable of int, default=(1, ..., 9)
        Numbers of components to try.
    covariance_type : str or sequence of str, default="all"
        Covariance types to try; "all", alone or among others, are the 14 models, or "E" and "V" for one column.
        "factor" and "ppca" are not among them.
    n_factors : int or iterable of int, default=None
        Numbers of factors to try for "factor" and "ppca"; see `select`.
    tails : str or sequence of str, default="normal"
        Tails to try, "normal" or "t" or both; see `select`.
    degrees_of_freedom : float, default=None
        Degrees of freedom of heavy tails; None estimates them in each cell.
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
        Name of a start, as in `GaussianMixture`; "kmeans" tries several kinds of partition.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the starts.
    n_threads : int or None, default=None
        Number of threads; None uses all available cores.
    time_limit : float or None, default=None
        Time limit in seconds, after which the search ends with the fits made so far.
    acceleration : {"auto", None}, default="auto"
        As in `GaussianMixture`.
    refine : {"split-merge"} or None, default=None
        "split-merge" refines every fit by moves; None only those of the best cells.
    prior : {"conjugate"}, NormalInverseWishart or None, default=None
        As in `GaussianMixture`.
    noise : bool, float or array-like of shape (2, d), default=False
        As in `GaussianMixture`.
    standardize : bool, default=False
        Whether to search in units of each column's standard deviation; see `select`.
    verbose : int, default=0
        1 prints the progress of the search; see `select`.
    missing : {"error", "em"}, default="error"
        Meaning of NaN; "em" integrates missing values out, as in `GaussianMixture`.
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
        ``status``, ``seconds``, ``tails``, and ``rank``, which is 1 for the best cell and 0 if there is no fit.
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
    verbose: int = 0
    missing: str = "error"
    means_init: ArrayLike | None = None
    precisions_init: ArrayLike | None = None
    fixed: Mapping[str, bool | ArrayLike] | None = None
    max_ratio: float | None = None

    @property
    def results_(self) -> dict[str, NDArray[Any]]:
        """Columns of the table, and the ranks of its cells."""
        check_is_fitted(self)
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
        error_covariance: ArrayLike | None = None,
    ) -> GaussianMixtureSearch:
        """Search for the best mixture.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d)
            Rows.
        y : ignored
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows; a row of weight 2 counts as two rows.
        callback : callable, default=None
            Called with a `Progress` for each cell; a true return value ends the search.
        error_covariance : array-like, default=None
            Covariances of the rows' measurement errors, as in `GaussianMixture.fit` and ``best_estimator_.predict``.

        Returns
        -------
        GaussianMixtureSearch
            The estimator itself.

        Raises
        ------
        ValueError, TypeError
            As `select`.
        """
        arguments: dict[str, Any] = {"callback": callback, "error_covariance": error_covariance}
        selection = select(X, sample_weight=sample_weight, **arguments, **self.get_params())
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
            Other information.
        """
        check_is_fitted(self)
        self.selection_.save(file, metadata=metadata)

    def to_sklearn(self) -> Any:
        """Return the best mixture as scikit-learn's estimator, by `gmm.exchange.sklearn.to_sklearn`."""
        from gmm.exchange.sklearn import to_sklearn

        return to_sklearn(self._best())

    def __str__(self) -> str:
        """Return the constructor call and, once fitted, the table of the search below it."""
        return f"{self!r}\n{self.selection_!r}" if "selection_" in vars(self) else super().__str__()

    def _html_parts(self) -> Sequence[object]:
        return html_parts(self.selection_) if "selection_" in vars(self) else ()

    def _best(self) -> GaussianMixture:
        check_is_fitted(self)
        return self.best_estimator_
