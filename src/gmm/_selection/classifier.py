"""`MixtureClassifier`: a mixture for each class (EDDA and MclustDA)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from math import log
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm import _persistence as archive
from gmm._estimators.attributes import estimator_of, fitted_parameters, persistent_settings, source_of
from gmm._estimators.classes import check_components_per_class, check_labels, classes_with_weight, sorted_classes
from gmm._estimators.contract import Estimator, given_names, names_of_features, record_features
from gmm._estimators.criteria import bic
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.outcome import one_warning, with_remarks
from gmm._estimators.request import fit_settings
from gmm._estimators.saved import from_state, states_of
from gmm._estimators.scorer import Scorer, log_evidence_of
from gmm._estimators.summary import Summary
from gmm._exceptions import WARNINGS, warn
from gmm._fitting.degenerate import Degeneracy
from gmm._fitting.moments import never_observed_together, warn_of_unobserved_pairs
from gmm._fitting.sampling import common_seed
from gmm._lazy import reduced_at_home
from gmm._passes.e_step import EStep
from gmm._rows.input import as_one_array, as_source_to_fit, rows_for
from gmm._rows.sources import ArraySource, Source, relative_ridge
from gmm._selection.progress import Ending
from gmm._selection.request import requested_components, requested_types
from gmm._selection.result import Selection, statuses
from gmm._selection.search import fit_separately
from gmm._selection.standard import in_original_units, log_volume, to_search_units
from gmm._text.frames import data_frame
from gmm._text.html import block, line
from gmm._text.table import LABEL, Column, Table
from gmm._text.words import percent, quoted
from gmm._validation import checks
from gmm._validation.parameters import check_is_fitted, check_parameters, options_with
from gmm._validation.rows import check_feature_names, check_sample_weight
from gmm._validation.scalars import as_list, check_boolean
from gmm._values.coordinates import projected_mixture
from gmm._values.covariance import covariance_model
from gmm._values.layouts import Array, SingularMatrixError
from gmm._values.noise import NO_NOISE
from gmm._values.priors import NormalInverseWishart
from gmm._values.row_data import KnownClasses, in_full

_REQUEST = "n_components", "covariance_type", "class_prior", "standardize"
_TOL = 1e-5  # of single fits; that of a search depends on the number of rows
_SETTINGS = options_with("classes")
_FOLDS = 5  # for the comparison of one component per class with several
_MOST_HELD_OUT = 5_000  # rows
_CLASS_WARNINGS = "degenerate", "never together"  # these name classes, and replace those of single fits
_LEAST = log(1e-15)  # of the probability of a class
_COLLAPSED = (
    "A component of {} is degenerate: too few rows to distinguish it from chance or, as on rounded or copied columns, "
    "less variance in some direction than rounding or reg_covar. Use a conjugate prior, {} or more rows."
)


def one_column(y: Any) -> Any:
    """Return classes as they are; the values of a column of classes, with scikit-learn's warning."""
    values: Any = np.ma.asarray(y, None if hasattr(y, "dtype") else object)  # lists may differ in length
    if values.ndim != 2 or values.shape[1] != 1:
        return y
    warn("column of classes")
    return values.reshape(-1)


class _LabelledRows(NamedTuple):
    """Rows, the classes, and the index of the class of each row, −1 if it is unknown or the row has the weight 0."""

    rows: Any
    classes: NDArray[Any]
    codes: NDArray[np.intp]

    def by_class(self) -> list[Any]:
        """Return the rows of each class."""
        return [self.rows.select_rows(np.flatnonzero(self.codes == code)) for code in range(len(self.classes))]


def _labelled(y: Any, rows: ArraySource) -> _LabelledRows:
    if y is None:
        raise ValueError("MixtureClassifier requires y to be passed, but the target y is None")
    values = one_column(y)
    classes, codes = check_labels(values, rows.n_rows, "y", unknown=None)
    if classes.dtype.kind == "i" and len(classes) > 2:
        codes = np.where(np.asarray(values) == -1, -1, codes)
        if classes.tolist() == [-1, 0, 1]:
            warn("classes of -1", f"{(codes == -1).sum():,} rows have the class -1, others 0 and 1.")
    classes, codes = classes_with_weight(classes, codes, rows.weights > 0)
    if not len(classes):
        raise ValueError("expected rows with a class in y, but all are unknown")
    return _LabelledRows(rows, classes, codes)


@dataclass(frozen=True, eq=False, repr=False)
class ClassifierSummary:
    """The classes of a classifier, and its predictions for rows of known class.

    Attributes
    ----------
    classifier : MixtureClassifier
    labels : ndarray of shape (L,)
        The classes of the rows, sorted.
    confusion : ndarray of float64, shape (L, C)
        For each class of the rows, how many of them are predicted as each of ``classifier.classes_``; with weights,
        their sum.
    accuracy : float
        Share of rows whose class is predicted right, by weight.
    """

    classifier: Any
    labels: NDArray[Any]
    confusion: Array
    accuracy: float
    __reduce_ex__ = reduced_at_home

    def to_frame(self) -> Any:
        """Return the confusion matrix: a column ``class``, and one for each predicted class.

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
        """
        predicted = {str(name): self.confusion[:, j] for j, name in enumerate(self.classifier.classes_.tolist())}
        return data_frame({"class": self.labels} | predicted)

    def __repr__(self) -> str:
        """Return the classes, their mixtures and the confusion matrix as lines of text."""
        matrix = self._matrix._replace(caption="predicted, of rows of each class:")
        return f"{summary_of(self.classifier)}\n{matrix}\n{self._accuracy_text}"

    def _repr_html_(self) -> str:
        return block(*summary_of(self.classifier).html(), self._matrix, line(self._accuracy_text, "faint"))

    @property
    def _accuracy_text(self) -> str:
        totals = self.confusion.sum(axis=1)
        largest = f"{percent(float(totals.max() / totals.sum()), 1)} belong to the largest class"
        right = f"{percent(self.accuracy, 1)} of the labelled rows are predicted right"
        return f"{right} ({largest}); of new rows, it may be fewer"

    @property
    def _matrix(self) -> Table:
        columns = [Column("", self.labels.tolist(), LABEL)]
        for label, counts in zip(self.classifier.classes_.tolist(), self.confusion.T, strict=True):
            columns.append(Column(str(label), [f"{count:.6g}" for count in counts]))
        return Table(columns, "Predicted, of rows of each class")


def summary_of(classifier: Any) -> Summary:
    """Return the summary of a fitted classifier."""
    mixtures = [fitted_parameters(mixture) for mixture in classifier.mixtures_]
    classes = classifier.classes_.tolist(), classifier.class_prior_, mixtures, names_of_features(classifier)
    return Summary.of_classes(*classes, loglik=classifier.log_likelihood_, bic=classifier.bic_)


@dataclass(eq=False, repr=False)
class MixtureClassifier(Estimator):
    """Classifier whose classes are Gaussian mixtures: p(c | x) ∝ π_c p_c(x).

    With one component per class this is EDDA (Bensmail & Celeux 1996): all classes have the same covariance model, of
    which BIC chooses one. EEE is linear, VVV quadratic discriminant analysis. With more it is MclustDA (Fraley &
    Raftery 2002): every class has its own number of components and model, those of the best BIC of plain fits. If one
    is among the numbers, several are chosen only if they predict the classes of held-out rows better: BIC of each class
    does not depend on the others. Rows without a label contribute to the fit by EM.

    Parameters
    ----------
    n_components : int or iterable of int, default=1
        Numbers of components per class to try. 1 is EDDA; with others, it is compared with these by five folds, of at
        most 5,000 rows, and several components must gain more than their standard error.
    covariance_type : str or sequence of str, default="all"
        Covariance types to try; "all" tries the 14 models, or "E" and "V" for one column.
    class_prior : array-like of shape (C,), default=None
        Prior probabilities of the sorted classes; None is their shares in the fit.
    tol, reg_covar, max_iter, n_init, random_state, n_threads
        Parameters of each fit, as in `select`; with one component per class, `tol` is 1e-5 by default.
    prior : {"conjugate"}, NormalInverseWishart or None, default=None
        As in `GaussianMixture`. With several components and few or rounded rows, it prevents BIC from
        choosing degenerate components.
    missing : {"error", "em"}, default="error"
        As in `GaussianMixture`: with "em", NaN in X is a missing value, in fits and predictions.
    standardize : bool, default=False
        Fit in units of each column's standard deviation over all rows, so that units do not matter; mixtures,
        likelihoods and BIC are those of the original columns, and `reg_covar` and a `NormalInverseWishart` as in
        `select`.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
        The classes, sorted.
    class_prior_ : ndarray of shape (C,)
        Their prior probabilities.
    mixtures_ : tuple of GaussianMixture
        The mixture of each class.
    log_likelihood_ : float
        Log-likelihood of rows and labels, in nats, with the shares in the fit as priors.
    bic_ : float
        BIC of the fit; smaller is better. The shares count as C − 1 parameters, which mclust does not count.
    n_iter_ : int
        Number of passes of the fit, or of the longest of several.
    remarks_ : dict of str to str
        The warnings of the fit, by cause, with numbers and names.
    n_features_in_ : int
        Number of features, d.
    feature_names_in_ : ndarray of str, shape (d,)
        Names of the features, if all columns of X had string names.

    See Also
    --------
    GaussianMixture.fit : Its `labels` are for groups that include known classes.

    References
    ----------
    H. Bensmail, G. Celeux (1996). Regularized Gaussian discriminant analysis through eigenvalue decomposition. *Journal
    of the American Statistical Association* 91, 1743-1748. C. Fraley, A. E. Raftery (2002). Model-based clustering,
    discriminant analysis, and density estimation. *Journal of the American Statistical Association* 97, 611-631.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import MixtureClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(0, 1, (50, 2)), rng.normal(4, 1, (50, 2))])
    >>> classifier = MixtureClassifier().fit(X, ["low"] * 50 + ["high"] * 50)
    >>> classifier.predict([[0, 0], [5, 4]]).tolist(), classifier.mixtures_[0].covariance_type
    (['low', 'high'], 'EII')
    """

    metadata = property(archive.metadata_of)

    n_components: int | Iterable[int] = 1
    covariance_type: str | Sequence[str] = "all"
    _: KW_ONLY
    class_prior: ArrayLike | None = None
    tol: float | None = None
    reg_covar: float = 1e-6
    max_iter: int = 1000
    n_init: int = 1
    random_state: int | np.random.RandomState | np.random.Generator | None = None
    n_threads: int | None = None
    prior: str | NormalInverseWishart | None = None
    missing: str = "error"
    standardize: bool = False

    @with_remarks
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit a mixture to each class.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d)
            Rows.
        y : array-like of shape (n,)
            Classes, integers or strings. None, NaN and masked values are unknown, as is −1 with two other classes or
            more; with one other, −1 is a class, as in scikit-learn's problems of two classes: see `classes_`. Rows of
            unknown class contribute by EM, with one covariance type for all classes; the labelled rows of each class
            choose its number of components.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows; a row of weight 2 counts as two rows.

        Returns
        -------
        MixtureClassifier
            The estimator itself.

        Raises
        ------
        ValueError, TypeError
            If the input is invalid; the message states where.

        Warns
        -----
        UserWarning
            If a component has collapsed on few or rounded rows, or has covariances of columns that no row has together;
            also if no row of a class has a positive weight, so that it is not fitted. There is at most one warning, and
            `remarks_` has the details.
        """
        check_parameters(self, [name for name in _SETTINGS if name != "tol" or self.tol is not None])
        table = as_source_to_fit(X, sample_weight, estimator=self, missing=self.missing)
        names, caller = table.feature_names, "MixtureClassifier.fit"
        table = table if table.patterns else as_one_array(table, caller)
        source, _, units = to_search_units(table, NO_NOISE, standardize=self.standardize)
        rows: Any = as_one_array(source, caller, gaps=True)
        labelled = _labelled(y, rows)
        _, classes, codes = labelled
        numbers, types, prior = self._request(rows.n_features, len(classes))
        parts = labelled.by_class()
        mixtures, ridge = list[GaussianMixture](), relative_ridge(rows, self.reg_covar)
        if numbers != [1]:
            parts = self._open_classes(parts, classes)
            is_choice = 1 in numbers and len(classes) > 1
            if not (is_choice and self._one_is_enough(labelled, numbers, types, ridge)):
                mixtures = self._fit_each_class(parts, classes, numbers, types)
        each, in_class = rows.weights, codes >= 0
        if not mixtures or each[~in_class].any():
            per_class = [mixture.n_components for mixture in mixtures] or [1] * len(classes)
            labelled = labelled._replace(rows=source)
            mixtures, shares, loglik, n_parameters = self._fit_all_classes(labelled, per_class, types, ridge)
            warn_of_unobserved_pairs(never_observed_together(source, names, [fitted_parameters(mixtures[0]).model]))
        else:
            labels_of: dict[str, list[Any]] = {}  # covariances of columns that no row of a class has together
            for label, mixture, part in zip(classes.tolist(), mixtures, parts, strict=True):
                unobserved = never_observed_together(part, names, [fitted_parameters(mixture).model])
                labels_of.setdefault(unobserved, []).append(label)
            for columns, labels in labels_of.items():
                warn_of_unobserved_pairs(columns, f" of {_class_names(labels)}")
            weight = np.bincount(codes[in_class], each[in_class])
            shares = weight / weight.sum()
            loglik = weight @ np.log(shares) + sum(map(GaussianMixture.log_likelihood, mixtures, parts))
            n_parameters = sum(mixture.n_parameters_ for mixture in mixtures) + len(classes) - 1
            self.n_iter_ = max(mixture.n_iter_ for mixture in mixtures)
        if units is not None:
            raised = [-log_volume(part, units) / part.survey.weight for part in parts]
            mixtures = [in_original_units(mixture, units, by) for mixture, by in zip(mixtures, raised, strict=True)]
            loglik -= log_volume(source, units)
        vars(self).pop("_metadata", None)
        self.classes_, self.mixtures_ = classes, tuple(mixtures)
        self.class_prior_ = shares if prior is None else prior
        self.log_likelihood_, self.bic_ = loglik, bic(loglik, n_parameters, source.survey.weight)
        estimators: list[Estimator] = [self, *mixtures]
        for estimator in estimators:
            record_features(estimator, rows.n_features, names)
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the class of each row, (n,)."""
        joint = self._log_joint(X)
        return self.classes_[joint.argmax(axis=1)]

    def predict_proba(self, X: ArrayLike) -> Array:
        """Compute the probabilities of the classes for each row, (n, C)."""
        return np.asarray(np.exp(self.predict_log_proba(X)))

    def predict_log_proba(self, X: ArrayLike) -> Array:
        """Compute the logarithms of `predict_proba`, (n, C)."""
        joint = self._log_joint(X)
        joint -= joint.max(axis=1, keepdims=True)  # for outliers, the sums would lose all digits
        return np.asarray(joint - np.logaddexp.reduce(joint, axis=1)[:, None])

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Compute the accuracy: the share of rows, by weight, whose known class is predicted.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d)
        y : array-like of shape (n,)
            Classes; rows of None or NaN are ignored, as are those of −1 if it is no class of the fit.
        sample_weight : array-like of shape (n,), default=None
        """
        predicted, truth, weights = self._known_rows(X, y, sample_weight)
        return float(np.average(predicted == truth, weights=weights))

    def summary(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> ClassifierSummary:
        """Summarise the classes, with the confusion matrix of rows of known class.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d)
        y : array-like of shape (n,)
            Classes, as in `score`. The accuracy is higher for the rows of the fit than for new ones.
        sample_weight : array-like of shape (n,), default=None

        Returns
        -------
        ClassifierSummary
            A printable summary, with its numbers as attributes and as a data frame.

        Examples
        --------
        >>> import numpy as np
        >>> from gmm import MixtureClassifier
        >>> rng = np.random.default_rng(0)
        >>> X = np.concatenate([rng.normal(0, 1, (50, 1)), rng.normal(3, 1, (50, 1))])
        >>> classifier = MixtureClassifier().fit(X, ["low"] * 50 + ["high"] * 50)
        >>> classifier.summary(X, ["low"] * 50 + ["high"] * 50).confusion
        array([[49.,  1.],
               [ 2., 48.]])
        """
        predicted, truth, weights = self._known_rows(X, y, sample_weight)
        labels, rows = np.unique(truth, return_inverse=True)
        columns = np.searchsorted(self.classes_, predicted)
        confusion = np.zeros((len(labels), len(self.classes_)))
        np.add.at(confusion, (rows, columns), weights)
        return ClassifierSummary(self, labels, confusion, float(np.average(predicted == truth, weights=weights)))

    def as_mixture(self) -> GaussianMixture:
        """Return the mixture of all classes: their components, with weights times the probability of the class.

        Functions of mixtures accept it, such as `gmm.analysis.directions`; `component_classes_` has the class of each
        component.

        Returns
        -------
        GaussianMixture
        """
        check_is_fitted(self)
        parts = [fitted_parameters(mixture).to_dense() for mixture in self.mixtures_]
        weights = [prior * part.weights for prior, part in zip(self.class_prior_, parts, strict=True)]
        dense = [part.model.layout.dense(part.covariances, *part.means.shape) for part in parts]
        joint = projected_mixture(
            np.concatenate(weights), np.concatenate([part.means for part in parts]), np.concatenate(dense)
        )
        names, settings = vars(self).get("feature_names_in_"), persistent_settings(self)
        settings["reg_covar"] = min(mixture.reg_covar for mixture in self.mixtures_)
        mixture = estimator_of(GaussianMixture, joint, names, self.mixtures_[0].means_.dtype, **settings)
        mixture.classes_ = self.classes_
        mixture.component_classes_ = np.repeat(self.classes_, [part.n_components for part in parts])
        return mixture

    def save(self, file: archive.Writable, *, metadata: Mapping[str, Any] | None = None) -> None:
        """Write the fitted classifier to a file that contains only numbers and text.

        Parameters
        ----------
        file : str, os.PathLike or binary file
            A path, used as given, or a file open for writing.
        metadata : dict of JSON values, optional
            Other information, such as names, dates, the number of rows or their scores. None writes that of the file
            from which the object was loaded. Nothing is added, so the same object gives the same bytes.
        """
        check_is_fitted(self)
        self._request(self.n_features_in_, len(self.classes_))
        headers, arrays = states_of(self.mixtures_)
        header = {
            "parameters": archive.to_json_values(self._settings()),
            "request": {name: _listed(getattr(self, name)) for name in _REQUEST},
            "classes": self.classes_.tolist(),
            "feature_names": given_names(self),
            "log_likelihood": self.log_likelihood_,
            "bic": self.bic_,
            "n_iter": self.n_iter_,
            "mixtures": headers,
        }
        archive.save_object(self, file, metadata, header, {"class_prior": self.class_prior_} | arrays)

    @classmethod
    def load(cls, file: archive.Readable) -> Self:
        """Read a classifier that `save` wrote; a `random_state` that was a generator is None."""
        return archive.load_object(file, {cls.__name__: cls.from_state})

    @classmethod
    def from_state(cls, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Make the classifier from the header and arrays of a file, and check them."""
        parameters = archive.from_json_values(archive.item(header, "parameters", dict))
        tol = parameters.get("tol", _TOL)
        check_parameters(GaussianMixture(**parameters | {"tol": _TOL if tol is None else tol}))
        request = archive.item(header, "request", dict)
        classes = sorted_classes(archive.item(header, "classes", list))
        every = parameters | {name: request[name] for name in _REQUEST}
        classifier = cls(**{name: every[name] for name in every.keys() & {*cls._get_param_names()}})
        checks.check_shares(arrays["class_prior"], len(classes), "class_prior")
        classifier.classes_, classifier.class_prior_ = classes, arrays["class_prior"].astype(np.float64)
        headers, parts = archive.item(header, "mixtures", list), archive.unbundle(arrays)
        mixtures = [from_state(GaussianMixture, each, parts[str(number)]) for number, each in enumerate(headers)]
        if len(mixtures) != len(classes) or len({mixture.n_features_in_ for mixture in mixtures}) != 1:
            raise ValueError("expected a mixture for each class, all of the same features")
        classifier.mixtures_, d = tuple(mixtures), mixtures[0].n_features_in_
        classifier._request(d, len(classes))
        classifier.log_likelihood_ = archive.item(header, "log_likelihood", float)
        classifier.bic_, classifier.n_iter_ = archive.item(header, "bic", float), archive.item(header, "n_iter", int)
        record_features(classifier, d, check_feature_names(archive.item(header, "feature_names", list) or None, d))
        return classifier

    def __str__(self) -> str:
        """Return the constructor call and, once fitted, a summary of the classes below it."""
        return f"{self!r}\n{summary_of(self)}" if "classes_" in vars(self) else super().__str__()

    def _html_parts(self) -> Sequence[object]:
        return summary_of(self).html() if "classes_" in vars(self) else ()

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: a classifier."""
        from sklearn.utils import ClassifierTags

        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.classifier_tags, tags.target_tags.required = "classifier", ClassifierTags(), True
        return tags

    def _open_classes(self, parts: list[Source], classes: NDArray[Any]) -> list[Source]:
        """Return the labelled rows of each class, checked for a fit."""
        for label, part in zip(classes.tolist(), parts, strict=True):
            if part.n_rows < 2:
                raise ValueError(f"class {label!r} has 1 labelled row: expected two or more, or n_components=1")
        return [self._open(part) for part in parts]

    def _open(self, rows: Source) -> Source:
        return as_source_to_fit(rows, None, estimator=self, missing=self.missing)

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _SETTINGS}

    def _fit_each_class(
        self, parts: list[Source], classes: NDArray[Any], numbers: list[int], types: list[str]
    ) -> list[GaussianMixture]:
        """Fit a mixture to the labelled rows of each class."""
        searches = list[Selection]()
        with one_warning(*_CLASS_WARNINGS):
            for label, part in zip(classes.tolist(), parts, strict=True):
                try:
                    searches.append(fit_separately(part, numbers, types, self._settings()))
                except ValueError as error:
                    raise ValueError(f"class {label!r}: {error}") from error
        collapsed = [
            label
            for label, search in zip(classes.tolist(), searches, strict=True)
            if statuses(search)[search.best_index].kind == Ending.DEGENERATE
        ]
        _warn_of_collapsed(collapsed, several=True)
        return [search.best for search in searches]

    def _one_is_enough(self, labelled: _LabelledRows, numbers: list[int], types: list[str], ridge: float) -> bool:
        """Return whether several components per class predict held-out classes no better than one does.

        Better is a mean gain above its standard error: criteria of rows alone reward components that classify worse.
        """
        rows, classes, codes = labelled
        rng, gains = np.random.default_rng(common_seed(self.random_state)), list[Array]()
        known = rng.permutation(np.flatnonzero((codes >= 0) & (rows.weights > 0)))[:_MOST_HELD_OUT]
        known = known[np.argsort(codes[known], kind="stable")]
        if np.bincount(codes[known], minlength=len(classes)).min() < 2 * _FOLDS:
            return True
        fold = np.arange(len(known)) % _FOLDS  # as many of each class in each
        with one_warning(*WARNINGS):
            for number in range(_FOLDS):
                training, held_out = known[fold != number], known[fold == number]
                part = _LabelledRows(rows.select_rows(training), classes, codes[training])
                try:
                    parts = self._open_classes(part.by_class(), classes)
                    several = self._fit_each_class(parts, classes, numbers, types)
                except ValueError:  # the fit to all rows raises it, too
                    return False
                part, others = part._replace(rows=self._open(part.rows)), self._open(rows.select_rows(held_out))
                one, shares, *_ = self._fit_all_classes(part, [1] * len(classes), types, ridge)
                scores = [self._log_scores(mixtures, shares, others, codes[held_out]) for mixtures in (several, one)]
                gains.append(scores[0] - scores[1])
        gain = np.concatenate(gains)
        return bool(gain.mean() <= gain.std() / np.sqrt(len(gain)))

    def _log_scores(
        self, mixtures: Sequence[GaussianMixture], shares: Array, source: Source, codes: NDArray[np.intp]
    ) -> Array:
        """Return the log probability of the class of each row, at least log 1e-15, times its weight."""
        joint = self._joint(mixtures, shares, source)
        with np.errstate(invalid="ignore"):  # of rows far from all classes
            scores = joint[np.arange(len(codes)), codes] - np.logaddexp.reduce(joint, axis=1)
        return np.asarray(source.weights * np.fmax(scores, _LEAST))

    def _fit_all_classes(
        self, labelled: _LabelledRows, per_class: list[int], types: list[str], ridge: float
    ) -> tuple[list[GaussianMixture], Array, float, int]:
        """Fit all classes at once with each covariance type; return the mixtures, shares and likelihood of the best."""
        rows, classes, codes = labelled
        n_classes, K, components = len(classes), sum(per_class), dict(enumerate(per_class))
        settings = self._settings() | {"tol": _TOL if self.tol is None else self.tol, "reg_covar": ridge}
        owners = check_components_per_class(components, np.arange(n_classes), codes, K)
        restriction, best, failed = KnownClasses((codes + 1).astype(np.intc), owners), None, None
        counts, d = np.bincount(codes + 1, minlength=n_classes + 1), rows.n_features
        most = ((counts[1:] + counts[0]) / per_class).min()  # rows of the component with the fewest
        bounded = [name for name in types if most > covariance_model(name).unbounded_rows(d) or self.prior]
        for name in bounded or types:  # others are degenerate, and slow with many columns
            mixture = GaussianMixture(K, covariance_type=name, **settings)
            try:
                with one_warning(*_CLASS_WARNINGS):
                    mixture.fit(rows, labels=codes, components_per_class=components)
            except SingularMatrixError as error:
                failed = error
                continue
            parameters = fitted_parameters(mixture)
            source = source_of(mixture, rows).with_changes(known=restriction)
            with EStep(source, parameters.model.layout, n_threads=self.n_threads) as e_step:
                statistics = e_step(parameters.whitened())
            objective = fit_settings(mixture, source, parameters.model).objective
            degenerate = Degeneracy.for_fits(objective, rows)(parameters, statistics)
            rank = bool(degenerate.any()), bic(statistics.log_evidence, parameters.n_parameters, source.survey.weight)
            if best is None or rank < best[0]:
                best, self.n_iter_ = (rank, parameters, statistics.log_evidence, owners[degenerate]), mixture.n_iter_
        if best is None:
            raise failed or AssertionError("there is a type at least")
        _, parameters, loglik, collapsed = best
        _warn_of_collapsed(classes[np.unique(collapsed)].tolist(), several=n_classes < K)
        arguments = persistent_settings(self) | {"reg_covar": ridge}
        masks = [owners == number for number in range(n_classes)]
        shares = np.array([parameters.weights[mask].sum() for mask in masks])
        parts = map(parameters.for_components, masks)
        mixtures = [estimator_of(GaussianMixture, part, None, rows.dtype, **arguments) for part in parts]
        return mixtures, shares / shares.sum(), loglik, parameters.n_parameters

    def _request(self, n_features: int, n_classes: int) -> tuple[list[int], list[str], Array | None]:
        """Return the requested numbers of components, covariance types and probabilities of classes, checked."""
        check_boolean(self.standardize, "standardize")
        prior = None if self.class_prior is None else checks.check_weights(self.class_prior, n_classes, "class_prior")
        return sorted(requested_components(self.n_components)), requested_types(self.covariance_type, n_features), prior

    def _known_rows(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[NDArray[Any], NDArray[Any], Array]:
        """Return the predictions for rows of known class, their classes and their weights."""
        predicted = self.predict(X)
        unknown = None if -1 in self.classes_.tolist() else -1
        classes, codes = check_labels(one_column(y), len(predicted), "y", unknown=unknown)
        is_known = codes >= 0
        weights = in_full(check_sample_weight(sample_weight, len(predicted)), len(predicted))[is_known]
        if not weights.sum() > 0:
            n_known = int(is_known.sum())
            raise ValueError(
                f"expected at least one row of known class with a positive weight, got {n_known} with none"
            )
        return predicted[is_known], classes[codes[is_known]], weights

    def _log_joint(self, X: ArrayLike) -> Array:
        """Return log prior plus log density of each class, (n, C); only log priors for rows far from all classes."""
        check_is_fitted(self)
        joint = self._joint(self.mixtures_, self.class_prior_, rows_for(self, X))
        with np.errstate(divide="ignore"):
            joint[np.isneginf(joint).all(axis=1)] = np.log(self.class_prior_)
        return joint

    def _joint(self, mixtures: Sequence[GaussianMixture], shares: Array, source: Source) -> Array:
        """Return log share plus log density of each class, (n, C)."""
        scorers = [Scorer(fitted_parameters(mixture), self.n_threads) for mixture in mixtures]
        densities = np.stack([log_evidence_of(scorer, source, True) for scorer in scorers], axis=1).astype(np.float64)
        with np.errstate(divide="ignore"):
            return np.asarray(densities + np.log(shares))


def _warn_of_collapsed(labels: list[Any], *, several: bool) -> None:
    if labels:
        instead = "fewer components" if several else "a simpler covariance model"
        warn("degenerate class", _COLLAPSED.format(_class_names(labels), instead))


def _class_names(labels: list[Any]) -> str:
    return f"{'class' if len(labels) == 1 else 'classes'} {quoted(labels)}"


def _listed(value: Any) -> Any:
    """Return a number or a name as it is, and several as a list."""
    values = as_list(value)
    one = len(values) == 1 and values[0] is value
    return np.asarray(value if one else values).tolist()


ClassifierSummary.__module__ = "gmm.analysis"
