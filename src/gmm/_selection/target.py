"""The classes that `y` names, row by row."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._rows.sources import ArraySource
from gmm._validation.labels import check_labels, classes_with_weight


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
