"""What is wrong with the covariances of measurement errors, in words."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._validation.arrays import as_array, as_floats, place_in
from gmm._values.errors import RowErrors

_ROUNDING = 1e-8  # relative, of matrices that were computed
_OF_COLUMNS = ("means_init", "precisions_init", "mean_prior", "covariance_prior", "noise")
_LARGEST = 1e300  # sums of a few of these are finite


def check_error_covariance(
    values: Any, n_rows: int, n_features: int, missing: NDArray[np.bool_] | None = None
) -> RowErrors:
    """Return the errors of the rows: variances (d,) or (n, d), or covariances (d, d) or (n, d, d).

    Those of missing values (n, d) may be NaN.

    Raises
    ------
    ValueError
        If the shape is another, a number is not finite or beyond 1e300, a variance is negative, or a matrix is no
        covariance.
    TypeError
        If the values are no numbers.
    """
    name, n, d = "error_covariance", n_rows, n_features
    array = as_floats(as_array(values, name), name, place_in(name)).astype(np.float64)
    if n == d > 1 and array.shape == (n, d):
        raise ValueError(
            f"{name} of shape {(n, d)} may be one covariance of all rows or variances of each: give "
            f"np.broadcast_to(S, {(n, d, d)}) or the variances as matrices, of shape {(n, d, d)}"
        )
    if array.shape not in ((d,), (d, d), (n, d), (n, d, d)):
        raise ValueError(
            f"expected {name} of shape {(n, d)} or {(d,)} (variances of the columns, of each row or of all) or "
            f"{(n, d, d)} or {(d, d)} (covariances), got {array.shape}"
        )
    if array.shape in ((d,), (d, d)):
        array = array[None]
    elif missing is not None:
        without = missing if array.ndim == 2 else missing[:, :, None] | missing[:, None]
        array[without & np.isnan(array)] = 0.0  # a copy
    _check_numbers(array, name)
    errors = RowErrors.of(array, n)
    if errors.covariances.ndim == 3:
        _check_matrices(errors, name)
    return errors


def check_same_columns(values: Any, names: NDArray[np.object_] | None, argument: str = "error_covariance") -> None:
    """Check that the labels of a value for each column of the rows are their names, in their order.

    Raises
    ------
    ValueError
        If it has others; the message says which come first.
    """
    if names is None:
        return
    columns, index = getattr(values, "columns", None), getattr(values, "index", None)
    sides = {} if columns is None else {"column": columns}
    labels = list(index) if index is not None and hasattr(index, "dtype") else []  # a list has a method of this name
    if columns is None and labels and all(isinstance(label, str) for label in labels):
        sides["value"] = labels
    elif columns is not None and set(columns) == set(labels):  # a matrix
        sides["row"] = labels
    for side, labels in sides.items():
        for j, (label, name) in enumerate(zip_longest(map(str, labels), map(str, names))):
            if label != name:
                raise ValueError(
                    f"expected {argument} with the columns of X, got {label!r} instead of {name!r} as {side} {j}: "
                    "select them in the order of X"
                )


def check_same_columns_in(estimator: object, names: NDArray[np.object_] | None) -> None:
    """Check the labels of the parameters that have values for each column.

    Raises
    ------
    ValueError
        As `check_same_columns`.
    """
    prior = getattr(estimator, "prior", None)
    for owner, parameters in ((estimator, _OF_COLUMNS), (prior, ("mean", "scale"))):
        for parameter in parameters:
            check_same_columns(getattr(owner, parameter, None), names, f"{'prior.' * (owner is prior)}{parameter}")


def _check_numbers(array: np.ndarray[Any, Any], name: str) -> None:
    variances = array if array.ndim == 2 else np.diagonal(array, axis1=1, axis2=2)
    for wrong, what, instead in (
        (
            ~(np.abs(array) <= _LARGEST),
            f"finite numbers up to {_LARGEST:g}",
            "where the error is unknown, set the value in X to NaN as well, with missing='em'",
        ),
        (variances < 0, "variances of 0 or more", "it takes squares of standard errors"),
    ):
        if wrong.any():
            place = tuple(np.argwhere(wrong)[0].tolist())
            value = (array if wrong.ndim == array.ndim else variances)[place]
            raise ValueError(f"expected {what} in {name}, got {value:g} at {place}; {instead}")


def _check_matrices(errors: RowErrors, name: str) -> None:
    matrices, codes = errors.covariances, errors.codes
    largest = np.abs(matrices).max(axis=(1, 2))
    uneven = np.abs(matrices - matrices.transpose(0, 2, 1)).max(axis=(1, 2)) > _ROUNDING * largest
    negative = np.linalg.eigvalsh(matrices)[:, 0] < -_ROUNDING * largest
    for wrong, what in ((uneven, "symmetric"), (negative, "positive semidefinite")):
        if wrong.any():
            row = int(wrong[codes].argmax())
            raise ValueError(f"expected {name} to hold covariances, and that of row {row} is not {what}")
