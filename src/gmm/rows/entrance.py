"""Convert X to a checked source of rows; no other module converts it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm.rows.npy import NpySource, is_file_backed
from gmm.rows.opening import gives_batches
from gmm.rows.opening import rows as open_rows
from gmm.rows.sources import ArraySource, Source
from gmm.validation.given import check_sample_weight
from gmm.validation.rows import (
    check_enough_rows,
    check_names,
    check_rows,
    check_shape,
    raise_nonfinite,
    raise_too_heavy,
    raise_too_large,
)
from gmm.validation.tables import is_table
from gmm.validation.where import name_of

# Distances from the centre, and their weighted squares, below which sums over rows stay finite.
_LARGEST_REACH = 1e150
_LARGEST_SQUARES = 1e306

Names = NDArray[np.object_] | None


def as_source(
    X: Any,
    sample_weight: Any = None,
    *,
    estimator: object,
    n_features: int | None = None,
    feature_names: Names = None,
    min_rows: int = 1,
) -> tuple[Source, Names]:
    """Return X as a source of finite rows, and its feature names.

    Parameters
    ----------
    X : Source, array-like, data frame or data set of shape (n, d)
        A source is used as it is, with its own weights. A large memory map is read in pieces, and so is a data set. A
        Dask collection stays where it is.
    sample_weight : array-like of shape (n,), number or None
    estimator : object
        The estimator or its name, for messages.
    n_features, feature_names, min_rows
        As in `gmm.validation.rows.check_rows`.

    Raises
    ------
    TypeError, ValueError
        If X or the weights are unusable; the message says where.
    """
    source: Source
    checked = False
    if is_file_backed(X):
        source = NpySource(X, check_sample_weight(sample_weight, len(X)))
        names = source.feature_names
    elif is_dask(X):
        from gmm.rows.dask import DaskSource

        source = DaskSource(X, sample_weight)
        names = source.feature_names
    elif isinstance(X, Source) or (gives_batches(X) and not is_table(X)):
        source = X if isinstance(X, Source) else open_rows(X)
        names = source.feature_names
        if sample_weight is not None:
            raise TypeError("expected sample_weight=None with a source of rows, which has its own weights")
    else:
        rows, names = check_rows(
            X, estimator=estimator, n_features=n_features, feature_names=feature_names, min_rows=min_rows
        )
        source, checked = ArraySource(rows, check_sample_weight(sample_weight, len(rows))), True
    if not checked:
        if n_features is not None:
            check_names(names, feature_names, estimator)
        check_shape((source.n_rows, source.n_features), name_of(estimator), n_features, min_rows)
    nonfinite = source.survey.nonfinite
    if nonfinite is not None:
        row, column = nonfinite
        known = feature_names if names is None else names
        raise_nonfinite(source.take(np.array([row]))[0, column], row, column, estimator=estimator, feature_names=known)
    return source, names


def is_dask(X: object) -> bool:
    """Return whether X is a Dask collection."""
    return hasattr(X, "__dask_graph__") and not isinstance(X, type)


def as_source_to_fit(X: Any, sample_weight: Any, *, estimator: object, n_components: int = 1) -> tuple[Source, Names]:
    """Return the rows to fit `n_components` to, and their feature names.

    Raises
    ------
    TypeError, ValueError
        As `as_source`; also for too few rows, and for values whose squares overflow.
    """
    source, names = as_source(X, sample_weight, estimator=estimator, min_rows=2)
    check_enough_rows(source.n_used, n_components)
    survey = source.survey
    reach = survey.reach(survey.centre)
    column = int(np.argmax(reach))
    if not reach[column] < _LARGEST_REACH:
        value, row = _farthest(source, column)
        centre = survey.centre[column]
        raise_too_large(value, row, column, centre=centre, estimator=estimator, feature_names=names)
    if not survey.weight * float(reach[column]) * float(reach[column]) < _LARGEST_SQUARES:
        value, row = _farthest(source, column)
        raise_too_heavy(value, row, column, weight=survey.weight, estimator=estimator)
    return source, names


def as_one_array(source: Source, caller: str) -> ArraySource:
    """Return the rows as one array, which may be a map of a file.

    Raises
    ------
    TypeError
        If the rows of the source cannot be addressed as an array.
    """
    if source.addressable is None:
        raise TypeError(
            f"{caller} needs its rows in memory: expected an array or a data frame, got {source!r}; its method "
            "take(indices) gives a sample as an array"
        )
    return source.addressable


def _farthest(source: Source, column: int) -> tuple[np.floating[Any], int]:
    farthest: list[tuple[float, np.floating[Any], int]] = []
    for first, rows, _ in source.chunks():
        distances = np.abs(rows[:, column] - source.survey.centre[column])
        row = int(np.argmax(distances))
        farthest.append((float(distances[row]), rows[row, column], first + row))
    _, value, row = max(farthest, key=lambda entry: entry[0])
    return value, row
