"""Convert X to a checked source of rows, which no other module does; and open tables to choose their columns."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._exceptions import warn
from gmm._rows.sources import ArraySource, Source, check_names, check_shape
from gmm._validation.combinations import check_compatible
from gmm._validation.parameters import check_labels_of_columns
from gmm._validation.rows import (
    as_frame,
    as_rows,
    check_sample_weight,
)
from gmm._validation.scalars import (
    as_list,
    check_boolean,
    check_choice,
    check_text,
    check_whole,
    column_text,
    excerpt,
    name_of,
    row_and_column,
)

# Distances from the centre, and their weighted squares, below which sums over rows stay finite.
_LARGEST_REACH = 1e150
_LARGEST_SQUARES = 1e306
_MANY_PATTERNS = 300
_PATTERN_SECONDS, _MATRIX_SECONDS, _BEYOND_SECONDS = 1e-6, 1e-9, 1e-4  # of a pattern, of each of K d³, of Python

Names = NDArray[np.object_] | None


def as_source(
    X: Any,
    sample_weight: Any = None,
    *,
    estimator: object,
    n_features: int | None = None,
    feature_names: Names = None,
    for_fit: bool = False,
    missing: str | None = None,
    error_covariance: Any = None,
) -> Source:
    """Return X as a source of finite rows, or of rows with missing values.

    Parameters
    ----------
    X : Source, array-like, data frame or data set of shape (n, d)
        A source is used as it is, with its own weights. A large memory map is read in pieces, and so is a data set. A
        Dask collection is not moved.
    sample_weight : array-like of shape (n,), number or None
    estimator : object
        The estimator or its name, for messages.
    n_features, feature_names
        Those of the fit, if the rows are for a use of it.
    for_fit : bool
        Whether a mixture is fitted to them, which needs at least two rows.
    missing : {"error", "em"}, optional
        How NaN is treated; None if it is always an error.
    error_covariance : array-like, optional
        Variances (d,) or (n, d), or covariances (d, d) or (n, d, d), of the rows' measurement errors.

    Raises
    ------
    TypeError, ValueError
        If X or the weights are invalid; the message gives the place.
    """
    source = None if type(X) is np.ndarray else _opened(X, sample_weight)
    if source is None:
        rows, names = as_rows(X, estimator)
        weights = check_sample_weight(sample_weight, len(rows)) if len(rows) else None
        source = ArraySource(rows, weights, names)
    if n_features is not None:
        check_names(source.feature_names, feature_names, estimator)
    check_shape((source.n_rows, source.n_features), estimator, n_features, 2 if for_fit else 1)
    names = feature_names if source.feature_names is None else source.feature_names
    if source.survey.nonfinite is not None:
        imputes = n_features is not None and hasattr(estimator, "impute")  # it needs all columns
        source = _with_gaps(source, estimator, names, missing, for_fit=for_fit, imputes=imputes)
    if error_covariance is not None:
        if source.errors:
            raise ValueError("error_covariance: expected None for rows that already have errors")
        check_compatible("error_covariance", {"rows in partitions": source.storage == "remote"})
        from gmm._rows.incomplete import IncompleteSource

        source = IncompleteSource.with_errors(source, error_covariance, names)
    return source


def _opened(X: Any, sample_weight: Any) -> Source | None:
    """Return the source of rows that are not an array in memory; None for others."""
    from gmm._rows.blocks import NpySource, is_from_file
    from gmm._rows.opening import open_rows, query_of

    if is_from_file(X):
        return NpySource(X, check_sample_weight(sample_weight, len(X)))
    if is_dask(X):
        from gmm._rows.dask import DaskSource

        return DaskSource(X, sample_weight)
    if not isinstance(X, Source):
        if query_of(X) is None or as_frame(X) is not None:
            return None
        X = open_rows(X)
    if X.dtype not in (np.float32, np.float64):
        raise TypeError(f"expected a source of float32 or float64 rows, got {X.dtype}")
    check_compatible("sample_weight", {"a source of rows": sample_weight is not None})
    if X.storage == "memory":
        check_sample_weight(X.sample_weight, X.n_rows)
    return X


def _with_gaps(
    source: Source, estimator: object, names: Names, missing: str | None, *, for_fit: bool, imputes: bool
) -> Source:
    """Return rows of which a value is not finite as rows with missing values, if it may be missing.

    `for_fit` is whether a mixture is fitted to them, and `imputes` whether its method `impute` accepts such rows.

    Raises
    ------
    ValueError
        If another value is not finite, or some are missing in remote rows.
    """
    nonfinite = source.survey.nonfinite
    if missing == "em" and source.storage != "remote":
        from gmm._rows.incomplete import IncompleteSource

        if source.survey.infinite is None:
            return IncompleteSource.from_rows(source)
        nonfinite = source.survey.infinite
    value = source.take(np.array(nonfinite[:1]))[0, nonfinite[1]]
    place, name = row_and_column(nonfinite[0], nonfinite[1], names), name_of(estimator)
    if np.isnan(value):
        check_compatible("missing values", {"rows in partitions": missing == "em"})  # others are returned above
        instead = "fit the observed values, with missing='em', impute the others"
        if missing is None:  # the caller has no such parameter
            instead = "impute the missing values, as the method impute of a mixture does"
        elif not for_fit:
            impute = ", impute the others by impute(X)" if imputes else ""
            instead = f"use the observed values, by set_params(missing='em'){impute}"
        raise ValueError(
            f"Input X contains NaN.\n{name} expects a number everywhere, got NaN first at {place}: {instead}, or drop "
            "the rows with missing values (X[~np.isnan(X).any(axis=1)])."
        )
    raise ValueError(
        f"Input X contains infinity or a value too large for {value.dtype!r}.\n"
        f"{name} expects finite numbers, got {value} at {place}: drop the rows that are not finite "
        "(X[np.isfinite(X).all(axis=1)]), or correct them."
    )


def is_dask(X: object) -> bool:
    """Return whether X is a Dask collection."""
    return hasattr(X, "__dask_graph__") and not isinstance(X, type)


def check_enough_rows(n_rows: int, n_components: int) -> None:
    """Check that there are at least as many rows as components.

    Raises
    ------
    ValueError
        If there are fewer.
    """
    if n_rows < n_components:
        raise ValueError(
            f"Expected n_samples >= n_components but got n_components = {n_components}, n_samples = {n_rows}. "
            "Fit fewer components."
        )


def as_source_to_fit(X: Any, sample_weight: Any, *, estimator: object, n_components: int = 1, **kwargs: Any) -> Source:
    """Return the rows to fit `n_components` to; `missing` and `error_covariance` are as in `as_source`.

    Raises
    ------
    TypeError, ValueError
        As `as_source`; also for too few rows, for values whose squares overflow, and for columns without a value.

    Warns
    -----
    UserWarning
        If missing values leave rows in so many patterns that passes take much longer.
    """
    source = as_source(X, sample_weight, estimator=estimator, for_fit=True, **kwargs)
    if (names := source.feature_names) is not None:
        check_labels_of_columns(estimator, names)
    if source.patterns and source is not X:
        _check_gaps(source, names, n_components)
    check_enough_rows(source.survey.n_used, n_components)
    survey = source.survey
    largest = survey.extent
    small, light = largest < _LARGEST_REACH, survey.weight * largest * largest < _LARGEST_SQUARES  # False for NaN
    if not (small and light):
        column = int(np.argmax(survey.reach(survey.centre)))
        centre = float(np.nan_to_num(survey.centre[column], posinf=0, neginf=0))  # weights may have made it infinite
        value, row = _farthest(source, column, centre)
        if not small:
            raise ValueError(
                f"Input X contains a value too large for {name_of(estimator)}: expected values within 1e150 of the "
                f"column's centre ({centre:.6g}), got {value!s} at {row_and_column(row, column, names)}. Divide the "
                "column by its standard deviation, or drop the row."
            )
        raise ValueError(
            f"The weighted sum of squares Σ w x² overflows in {name_of(estimator)}: the weights sum to "
            f"{survey.weight:g}, and X has {value!s} at {row_and_column(row, column, None)}. Divide the weights by "
            "their maximum, or the column by its standard deviation."
        )
    return source


def _check_gaps(source: Source, names: Names, n_components: int) -> None:
    n, empty = len(source.patterns), np.ones(source.n_features, dtype=bool)
    for pattern in source.patterns:
        empty &= pattern.missing if pattern.weight > 0 else True
    if empty.any():
        column = int(empty.argmax())
        scope = "" if all(pattern.missing[column] for pattern in source.patterns) else " in rows of positive weight"
        without = "X[:, ~np.isnan(X).all(axis=0)]" if names is None else "X.dropna(axis=1, how='all')"
        raise ValueError(
            f"All values of {column_text(column, names)} of X{scope} are missing: pass "
            f"{'X without that column' if scope else without}."
        )
    n_rows, errors = source.n_rows, " or with different errors" if source.errors else ""
    if n > _MANY_PATTERNS:
        seconds = _PATTERN_SECONDS + _MATRIX_SECONDS * n_components * source.n_features**3
        seconds = n * (seconds + _BEYOND_SECONDS * (source.storage != "memory"))
        warn(
            "many patterns",
            f"The {n_rows:,} rows have values in {n:,} different sets of columns{errors}; a pass handles one set "
            f"after the other, in about {seconds:.1g} s. Columns with few values cost most of it.",
        )


def check_any(source: Source) -> None:
    """Check that some row has a value and a weight, for sums over the rows.

    Raises
    ------
    ValueError
        If there is none.
    """
    if source.survey.weight == 0:
        raise ValueError(
            f"expected at least one row with a value, got {source.n_rows} without any, or of weight 0: rows without "
            "values have predictions, but no likelihood"
        )


def as_one_array(source: Source, caller: str, *, gaps: bool = False) -> ArraySource:
    """Return the rows as one array, which may be a map of a file; with `gaps`, NaN where a value is missing.

    Raises
    ------
    TypeError
        If the rows of the source cannot be addressed as an array.
    ValueError
        If values are missing or have errors, without `gaps`.
    """
    if source.patterns and not gaps:
        if not any(pattern.missing.any() for pattern in source.patterns):
            raise ValueError(f"{caller} does not support errors: expected rows without an error_covariance")
        raise ValueError(
            f"{caller} needs complete rows, and values are missing: drop such rows, or impute them by impute(X) of a "
            "mixture that was fitted with missing='em'"
        )
    array = source.one_array
    if array is None:
        raise TypeError(
            f"{caller} needs its rows in memory: expected an array or a data frame, got {source!r}; fetch a sample "
            "as an array, by take(indices) of gmm.open_rows or compute() of Dask"
        )
    return array


def _farthest(source: Source, column: int, centre: float) -> tuple[np.floating[Any], int | None]:
    """Return the value that is farthest from the centre and its row, None for remote rows."""
    if source.storage == "remote":
        low, high = source.survey.box[:, column]
        return (high if high - centre > centre - low else low), None
    farthest: list[tuple[float, np.floating[Any], int]] = []
    for first, rows, _ in source.chunks():
        distances = np.abs(rows[:, column] - centre)
        row = int(np.nanargmax(distances))
        farthest.append((float(distances[row]), rows[row, column], first + row))
    _, value, row = max(farthest, key=lambda entry: entry[0])
    return value, row


def rows_for(
    estimator: Any, X: Any, sample_weight: Any = None, *, missing: str | None = None, error_covariance: Any = None
) -> Source:
    """Return rows for a use of a fitted estimator, checked by `as_source`, with its `missing` by default."""
    return as_source(
        X,
        sample_weight,
        estimator=estimator,
        n_features=estimator.n_features_in_,
        feature_names=vars(estimator).get("feature_names_in_"),
        missing=estimator.missing if missing is None else missing,
        error_covariance=error_covariance,
    )


def checked_rows(
    X: Any,
    sample_weight: Any = None,
    *,
    estimator: Any = "checked_rows",
    missing: str = "error",
    error_covariance: Any = None,
) -> Source:
    """Check rows once, for several fits to them or several uses of a mixture.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d), data set, or what `gmm.open_rows` returns
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows; a source has its own.
    estimator : estimator or str, default="checked_rows"
        The fitted mixture or classifier that will use the rows or, for a fit, a name for messages.
    missing : {"error", "em"}, default="error"
        How NaN is treated in a fit, whose own parameter is then ignored. A fitted mixture uses its parameter.
    error_covariance : array-like, default=None
        Covariance of the rows' measurement errors, as in `GaussianMixture.fit`.

    Returns
    -------
    Source
        The rows with their weights and errors, for estimators.

    Raises
    ------
    TypeError, ValueError
        If X, weights or errors are invalid; the message gives the place.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> rows = gmm.sources.checked_rows(X, error_covariance=[0.1, 0.2])
    >>> [gmm.GaussianMixture(K, random_state=0).fit(rows).n_parameters_ for K in (1, 2)]
    [5, 11]
    """
    if isinstance(estimator, str):
        settings: dict[str, Any] = {"missing": missing, "error_covariance": error_covariance}
        check_choice(missing, "missing", ("error", "em"))
        return as_source_to_fit(X, sample_weight, estimator=estimator, **settings)
    if isinstance(estimator, type) or not (hasattr(estimator, "n_features_in_") and hasattr(estimator, "missing")):
        raise TypeError(f"expected a fitted mixture or classifier, or a name, for estimator, got {excerpt(estimator)}")
    return rows_for(estimator, X, sample_weight, error_covariance=error_covariance)


def open_table(
    path: str | os.PathLike[str],
    *,
    header: bool | None = None,
    decimal: str | None = None,
    na_values: Sequence[str] = (),
    delimiter: str | None = None,
    skip: int = 0,
    comments: Sequence[str] = (),
    whole: bool = True,
    content: bytes | None = None,
    words: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    """Open a table of files, to inspect its columns before some are read as rows.

    Parameters
    ----------
    path : str or os.PathLike
        A file, a folder of files, or a pattern, as in `gmm.open_rows`.
    header, decimal, na_values
        Format of delimited text, as in `gmm.open_rows`.
    delimiter : str, default=None
        Separator of fields; None decides by the first lines.
    skip : int, default=0
        Number of lines above the table.
    comments : sequence of str, default=()
        Lines that start with one of these are skipped.
    whole : bool, default=True
        Whether it is read into memory. Types of text are then those of the whole, else of its first block.
    content : bytes, default=None
        The content of the file, if it was read before.
    words : mapping of str to str, default={}
        Names of these settings for messages of programs that call this function.

    Returns
    -------
    FileTable
        Its `fields` describe columns by their names: their Arrow `type`, `is_numeric`, and for text the `obstacle` to
        numbers. ``numbers(columns, weight)`` is a source of rows, ``columns(names)`` reads Arrow tables of columns in
        their types, ``notes(columns)`` describes how they are read, and ``labels()`` returns those that are labels.

    Raises
    ------
    ValueError, TypeError
        If a file is not a table, or two of them differ in columns.
    ModuleNotFoundError
        If pyarrow is not installed.

    Examples
    --------
    >>> from importlib.resources import files
    >>> import gmm
    >>> table = gmm.sources.open_table(files("gmm") / "data" / "faithful.csv")
    >>> [name for name, field in table.fields.items() if field.is_numeric]
    ['eruptions', 'waiting']
    >>> mixture = gmm.GaussianMixture(2, random_state=0).fit(table.numbers(["waiting"]))
    """
    from gmm._rows.file_table import FileTable
    from gmm._rows.formats import TextFormat

    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"expected the path of a table, got {excerpt(path)}")
    if not isinstance(content, bytes | None):
        raise TypeError(f"expected the bytes of a file for content, got {excerpt(content)}")
    text_format = TextFormat.from_user(header, decimal, na_values)
    if delimiter is not None and not (len(check_text(delimiter, "delimiter")) == 1 and delimiter.isascii()):
        raise ValueError(f"expected one character for delimiter, got {delimiter!r:.60}")
    given: Any = words
    defaults = text_format.words
    if not (isinstance(given, Mapping) and given.keys() <= {*defaults._fields}):
        raise ValueError(f"expected words for {', '.join(defaults._fields)}, got {excerpt(words)}")
    text_format = text_format._replace(
        delimiter=delimiter,
        skip=check_whole(skip, "skip", 0, 2**31),
        comments=tuple(check_text(text, "comments") for text in as_list(comments)),
        words=defaults._replace(**{name: check_text(text, name) for name, text in words.items()}),
    )
    return FileTable(os.fspath(path), text_format, whole=check_boolean(whole, "whole"), content=content)


checked_rows.__module__ = open_table.__module__ = "gmm.sources"
