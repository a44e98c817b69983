"""Validation of X: its type, its shape and its feature names.

The errors for values that the compiled survey rejects are worded here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from gmm._exceptions import warn
from gmm._text.printable import printable
from gmm._validation.arrays import FloatArray, as_array, as_floats, place_in
from gmm._validation.tables import as_table, is_series
from gmm._validation.where import name_of, row_and_column


def check_rows(
    X: Any,
    *,
    estimator: object,
    n_features: int | None = None,
    feature_names: NDArray[np.object_] | None = None,
    min_rows: int = 1,
) -> tuple[FloatArray, NDArray[np.object_] | None]:
    """Convert X to a matrix of floats, without a copy if it already is one, and get its feature names.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
        An array of any strides and byte order, nested lists, or a data frame.
    estimator : object
        The estimator, or its name, for messages.
    n_features : int, optional
        The number of features of the fit; None while fitting.
    feature_names : ndarray of str, optional
        The feature names of the fit, if any.
    min_rows : int
        The minimum number of rows.

    Returns
    -------
    rows : ndarray of shape (n_rows, n_features), float32 or float64
        Native byte order, aligned, any strides, possibly read-only. Finiteness is not checked.
    names : ndarray of str, or None
        The feature names, if X has names and all are text.

    Raises
    ------
    TypeError
        If X is None or sparse, holds values that are not numbers (dates, structures), or only some of its column
        names are text.
    ValueError
        If X holds complex numbers, text or masked values, or its shape or feature names do not match the fit.
    """
    name = name_of(estimator)
    table = as_table(X)
    names = None if table is None else table.feature_names()
    if n_features is not None:
        check_names(names, feature_names, name)
    rows = _rows_of_array(X, name) if table is None else table.floats()
    check_shape(rows.shape, name, n_features, min_rows)
    return rows, names


def check_names(
    names: NDArray[np.object_] | None, feature_names: NDArray[np.object_] | None, estimator: object
) -> None:
    """Compare the feature names of X with those of the fit.

    Raises
    ------
    ValueError
        If both have names, and not the same.

    Warns
    -----
    UserWarning
        If only one has names.
    """
    name = name_of(estimator)
    if names is None and feature_names is not None:
        text = f"X does not have valid feature names, but {name} was fitted with feature names"
        warn(text, UserWarning)
    if names is not None and feature_names is None:
        text = f"X has feature names, but {name} was fitted without feature names"
        warn(text, UserWarning)
    if names is not None and feature_names is not None and list(names) != list(feature_names):
        raise ValueError(_different_names(names, feature_names))


def check_shape(shape: tuple[int, int], name: str, n_features: int | None, min_rows: int) -> None:
    """Check the numbers of rows and features; messages name the estimator.

    Raises
    ------
    ValueError
        If there are too few rows, no features, or not `n_features` of them.
    """
    n, d = shape
    if n < min_rows or d < 1:
        count, word, least = (n, "sample", min_rows) if n < min_rows else (d, "feature", 1)
        raise ValueError(
            f"Found array with {count} {word}(s) (shape={shape}) while a minimum of {least} is required by {name}."
        )
    if n_features is not None and d != n_features:
        raise ValueError(f"X has {d} features, but {name} is expecting {n_features} features as input.")


def check_enough_rows(n_rows: int, n_components: int) -> None:
    """Check that there are at least as many rows as components.

    Raises
    ------
    ValueError
        If there are fewer.
    """
    if n_rows < n_components:
        raise ValueError(
            f"Expected n_samples >= n_components but got n_components = {n_components}, n_samples = {n_rows}"
        )


def check_feature_names(feature_names: Iterable[str] | None, n_features: int) -> NDArray[np.object_] | None:
    """Check the feature names that a user passes.

    Parameters
    ----------
    feature_names : iterable of str, or None
        One name per feature.
    n_features : int
        d.

    Returns
    -------
    ndarray of shape (n_features,) of str objects, or None

    Raises
    ------
    TypeError
        If a name is not text.
    ValueError
        If the number of names is not `n_features`.
    """
    if feature_names is None:
        return None
    if isinstance(feature_names, memoryview) or not isinstance(feature_names, Iterable):
        raise TypeError(f"Feature names must be text, got {feature_names!r:.80}.")
    names = [feature_names] if isinstance(feature_names, str) else list(feature_names)
    for index, name in enumerate(names):
        if not isinstance(name, str):
            raise TypeError(f"Feature names must be text, got {name!r} at index {index}.")
    if len(names) != n_features:
        raise ValueError(f"Expected {n_features} feature names, one per feature, got {len(names)}.")
    return np.array([str(name) for name in names], dtype=object)


def raise_nonfinite(
    value: np.floating[Any],
    row: int,
    column: int,
    *,
    estimator: object,
    feature_names: Sequence[object] | NDArray[np.object_] | None = None,
    instead: str,
) -> NoReturn:
    """Raise the error for a NaN or an infinity in X; `instead` says what to do about NaN.

    Raises
    ------
    ValueError
        Always.
    """
    place = row_and_column(row, column, _listed(feature_names))
    if np.isnan(value):
        raise ValueError(
            f"Input X contains NaN.\n{name_of(estimator)} expects a number everywhere, got NaN first at {place}. "
            f"{instead}"
        )
    raise ValueError(
        f"Input X contains infinity or a value too large for {value.dtype!r}.\n"
        f"{name_of(estimator)} expects finite numbers, got {value} at {place}. Drop the rows that "
        "are not finite (X[np.isfinite(X).all(axis=1)]), or correct them."
    )


def instead_of_gaps(missing: str | None, *, fitted: bool, imputes: bool) -> str:
    """Say what to do about NaN, given what the caller was told it is, None if it could not be told."""
    drop = "drop the rows with missing values (X[~np.isnan(X).any(axis=1)])"
    if missing is None:
        return f"Fill the gaps, as the method impute of a mixture does, or {drop}."
    if fitted:
        fill = "fill the others by impute(X), " if imputes else ""
        return f"Take the values that are there, by set_params(missing='em'), {fill}or {drop}."
    return f"Fit the values that are there, with missing='em', fill the others with an imputer, or {drop}."


def raise_empty(place: str, instead: str) -> NoReturn:
    """Raise the error for a column of X in which every value is missing.

    Raises
    ------
    ValueError
        Always.
    """
    raise ValueError(f"All values of {place} are missing, so there is nothing to learn from it: pass {instead}.")


def raise_changed_gaps(row: int | None = None) -> NoReturn:
    """Raise the error for rows that have values in other columns than at the first look.

    Raises
    ------
    ValueError
        Always.
    """
    place = "rows have" if row is None else f"row {row} has"
    raise ValueError(
        f"the rows changed between two readings: {place} values in other columns than the first time; expected the "
        "same rows each time"
    )


def raise_too_many_patterns(n_patterns: int, n_rows: int) -> NoReturn:
    """Raise the error for rows beyond memory whose patterns have no room in it.

    Raises
    ------
    ValueError
        Always.
    """
    raise ValueError(
        f"The first {n_rows:,} rows have values in {n_patterns:,} different sets of columns, too many to keep rows of "
        "each set until they are enough for a pass: leave out columns with few values, fill the gaps of some by "
        "an imputer, or pass a sample of the rows as an array."
    )


def raise_too_large(
    value: np.floating[Any],
    row: int | None,
    column: int,
    *,
    centre: float,
    estimator: object,
    feature_names: Sequence[object] | NDArray[np.object_] | None = None,
) -> NoReturn:
    """Raise the error for a value so far from its column's centre that its square overflows.

    Raises
    ------
    ValueError
        Always.
    """
    place = row_and_column(row, column, _listed(feature_names))
    raise ValueError(
        f"Input X contains a value too large for {name_of(estimator)}: {value!s} at "
        f"{place}. Expected values within 1e150 of the column's centre ({centre:.6g}), so that their "
        "squares are finite. Divide the column by its standard deviation, or drop the row."
    )


def raise_too_heavy(
    value: np.floating[Any], row: int | None, column: int, *, weight: float, estimator: object
) -> NoReturn:
    """Raise the error for a weighted sum of squares of X that overflows.

    Raises
    ------
    ValueError
        Always.
    """
    raise ValueError(
        f"The weighted sum of squares Σ w x² overflows in {name_of(estimator)}: the weights sum to {weight:g}, and X "
        f"holds {value!s} at {row_and_column(row, column, None)}. Divide the weights by their maximum, or the column "
        "by its standard deviation."
    )


def _listed(names: Sequence[object] | NDArray[np.object_] | None) -> Sequence[object] | None:
    return None if names is None else list(names)


def _rows_of_array(X: Any, name: str) -> FloatArray:
    array = as_array(X, "X")
    if array.dtype.kind in "biufO":
        _check_dimensions(array, X, name)
    return as_floats(array, "X", place_in("X"))


def _check_dimensions(array: NDArray[Any], X: object, name: str) -> None:
    if array.ndim == 2:
        return
    if array.ndim > 2:
        raise ValueError(f"Found array with dim {array.ndim}, while dim <= 2 is required by {name}.")
    if is_series(X):
        name = str(getattr(X, "name", None) or "name")
        raise ValueError(
            f"Expected a 2-dimensional container but got {type(X)} instead. Pass a DataFrame "
            "containing a single row (i.e. single sample) or a single column (i.e. single "
            f"feature) instead. Of one column, pass a table: df[[{name!r}]]."
        )
    numbers = np.array2string(array, threshold=10)
    raise ValueError(
        f"Expected 2D array, got {('scalar', '1D')[array.ndim]} array instead:\narray={numbers}.\n"
        "Reshape your data either using array.reshape(-1, 1) if your data has a single feature "
        "or array.reshape(1, -1) if it contains a single sample."
    )


def _different_names(names: NDArray[np.object_], fitted: NDArray[np.object_]) -> str:
    text = "The feature names should match those that were passed during fit.\n"
    unseen, missing = sorted(set(names) - set(fitted)), sorted(set(fitted) - set(names))
    if unseen:
        text += "Feature names unseen at fit time:\n" + _listing(unseen)
    if missing:
        text += "Feature names seen at fit time, yet now missing:\n" + _listing(missing)
    if not unseen and not missing:
        text += "Feature names must be in the same order as they were in fit.\n"
    return text


def _listing(names: Iterable[object], most: int = 5) -> str:
    lines = [f"- {printable(str(name))}\n" for name in names]
    return "".join(lines[:most] + ["- ...\n"] * (len(lines) > most))
