"""`ClassifierSummary`: the classes that `y` names, and how a classifier predicts rows of known class."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.contract import names_of_features
from gmm._estimators.fitted import fitted_parameters
from gmm._estimators.summary import Summary
from gmm._public import publish
from gmm._rows.sources import ArraySource
from gmm._text.frames import data_frame
from gmm._text.html import block, line, table
from gmm._text.words import aligned, percent
from gmm._validation.given import check_labels, check_sample_weight, classes_with_weight
from gmm._values.layouts import Array
from gmm._values.weights import in_full


def one_column(y: Any) -> Any:
    """Return classes as they are or, of a column of them, its values, with scikit-learn's warning."""
    values = np.ma.asarray(y)
    if values.ndim != 2 or values.shape[1] != 1:
        return y
    module = sys.modules.get("sklearn.exceptions")
    text = "A column-vector y was passed when a 1d array was expected. Please change the shape of y to (n_samples,)"
    warnings.warn(text, module.DataConversionWarning if module else UserWarning, stacklevel=4)
    return values.reshape(-1)


def classes_in(y: Any, rows: ArraySource) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the classes and the index of each row's class, −1 where it is unknown or the row weighs nothing."""
    if y is None:
        raise ValueError("MixtureClassifier requires y to be passed, but the target y is None")
    values = one_column(y)
    classes, codes = check_labels(values, rows.n_rows, "y", unknown=None)
    if classes.dtype.kind == "i" and len(classes) > 2:
        codes = np.where(np.asarray(values) == -1, -1, codes)
    classes, codes = classes_with_weight(classes, codes, rows.weights > 0)
    if not len(classes):
        raise ValueError("expected rows with a class in y, but all are unknown")
    return classes, codes


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
        headings, rows = self._matrix
        lines = [str(summary_of(self.classifier)), "predicted, of rows of each class:", *aligned([headings, *rows])]
        return "\n".join([*lines, self._verdict])

    def _repr_html_(self) -> str:
        parts = *summary_of(self.classifier).html(), table(*self._matrix, caption="Predicted, of rows of each class")
        return block(*parts, line(self._verdict, "faint"))

    @property
    def _verdict(self) -> str:
        of_each = self.confusion.sum(axis=1)
        return accuracy_line(self.accuracy, float(of_each.max() / of_each.sum()))

    @property
    def _matrix(self) -> tuple[list[str], list[list[str]]]:
        cells = [[f"{count:.6g}" for count in row] for row in self.confusion]
        rows = [[str(label), *row] for label, row in zip(self.labels.tolist(), cells, strict=True)]
        return ["", *map(str, self.classifier.classes_.tolist())], rows


def summary(self: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> ClassifierSummary:
    """Summarise the classes, with the confusion matrix of rows of known class.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d)
    y : array-like of shape (n,)
        Classes, as in `score`. Of the rows of the fit, more are predicted right than of new ones.
    sample_weight : array-like of shape (n,), default=None

    Returns
    -------
    ClassifierSummary
        It prints, and has its numbers as attributes and as a data frame.

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
    predicted, truth, weights = known_rows(self, X, y, sample_weight)
    labels, rows = np.unique(truth, return_inverse=True)
    columns = np.searchsorted(self.classes_, predicted)
    confusion = np.zeros((len(labels), len(self.classes_)))
    np.add.at(confusion, (rows, columns), weights)
    return ClassifierSummary(self, labels, confusion, float(np.average(predicted == truth, weights=weights)))


def known_rows(
    classifier: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[NDArray[Any], NDArray[Any], Array]:
    """Return what a classifier predicts of the rows of known class, their classes and their weights."""
    predicted = classifier.predict(X)
    unknown = None if -1 in classifier.classes_.tolist() else -1
    classes, codes = check_labels(one_column(y), len(predicted), "y", unknown=unknown)
    there = codes >= 0
    weights = in_full(check_sample_weight(sample_weight, len(predicted)), len(predicted))[there]
    if not weights.sum() > 0:
        n_known = int(there.sum())
        raise ValueError(f"expected at least one row of known class with a positive weight, got {n_known} with none")
    return predicted[there], classes[codes[there]], weights


def summary_of(classifier: Any) -> Summary:
    """Return the summary of a fitted classifier."""
    mixtures = [fitted_parameters(mixture) for mixture in classifier.mixtures_]
    of_classes = classifier.classes_.tolist(), classifier.class_prior_, mixtures, names_of_features(classifier)
    return Summary.of_classes(*of_classes, loglik=classifier.log_likelihood_, bic=classifier.bic_)


def accuracy_line(accuracy: float, largest: float) -> str:
    """Say which share of rows is predicted right, and which would be by naming the largest class alone."""
    alone = f"{percent(largest, 1)} belong to the largest class"
    return f"{percent(accuracy, 1)} of the labelled rows are predicted right ({alone}); of new rows, it may be fewer"


publish("gmm.analysis", [ClassifierSummary])
