"""`write_predictions`: labels and responsibilities of rows that need not fit into memory, to a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._public import publish
from gmm.estimators.fitted import FittedMixture, fitted_parameters, source_of
from gmm.estimators.scorer import Scorer
from gmm.frozen import FrozenMixture
from gmm.persistence import suffix_to_write, write_atomically
from gmm.rows.entrance import as_source
from gmm.rows.sources import Source
from gmm.text.lists import quoted

__all__ = ["write_predictions"]

_ROWS_AT_ONCE = 1 << 16

Predicted: TypeAlias = tuple[int, NDArray[Any], NDArray[Any] | None]  # first row, labels, responsibilities


def write_predictions(
    model: FittedMixture | FrozenMixture,
    X: ArrayLike,
    to: str | os.PathLike[str],
    *,
    responsibilities: bool = True,
) -> None:
    """Write the most probable component of each row, and its responsibilities, to a file; block by block.

    Parameters
    ----------
    model : GaussianMixture, BayesianGaussianMixture or FrozenMixture
        A fitted mixture, or a frozen one, which works on the caller's thread alone.
    X : array-like or data frame of shape (n, d), data set, or what `rows` returns
    to : path
        Its suffix tells the format: .parquet, .arrow, .feather, .csv or .tsv. The file appears when it is complete.
    responsibilities : bool, default=True
        Whether to write them, as the columns p_0, p_1, ..., behind the columns row (numbers from 1) and component
        (from 0). ``gmm predict`` writes the same columns.

    Raises
    ------
    ValueError, TypeError
        If the rows are not those of the fit, or the suffix is unknown.
    OSError
        If the file cannot be written; one that was there is left as it was.
    ModuleNotFoundError
        If pyarrow is not installed.

    See Also
    --------
    rows : Rows from files and functions.
    GaussianMixture.predict : The components as an array.

    Examples
    --------
    >>> import gmm
    >>> from importlib.resources import files
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> faithful = gmm.rows(files("gmm") / "data" / "faithful.csv")
    >>> mixture = gmm.GaussianMixture(2, random_state=0).fit(faithful)
    >>> with TemporaryDirectory() as folder:
    ...     gmm.write_predictions(mixture, faithful, Path(folder) / "labels.csv", responsibilities=False)
    ...     print((Path(folder) / "labels.csv").read_text()[:30])
    row,component
    1,0
    2,1
    3,0
    4,1
    """
    from gmm.rows.writing import WRITERS, prediction_columns, write_blocks

    if not isinstance(to, str | os.PathLike):
        raise TypeError(f"expected the path of a file to write, got {to!r:.80}")
    suffix = suffix_to_write(to, ".csv")
    if suffix not in WRITERS:
        raise ValueError(f"{os.fspath(to)}: expected a name ending in one of {quoted(WRITERS)}")
    blocks = (
        prediction_columns(np.arange(first + 1, first + 1 + len(labels)), labels, soft)
        for first, labels, soft in predicted_blocks(model, source_for(model, X), responsibilities)
    )
    write_atomically(to, lambda file: write_blocks(file, suffix, blocks))


def source_for(model: FittedMixture | FrozenMixture, X: ArrayLike, sample_weight: ArrayLike | None = None) -> Source:
    """Check rows that a mixture, fitted or frozen, is to score; as `source_of`."""
    if isinstance(model, FrozenMixture):
        return as_source(X, sample_weight, estimator=model, n_features=model.n_features)[0]
    return source_of(model, X, sample_weight)


def predicted_blocks(
    model: FittedMixture | FrozenMixture, source: Source, responsibilities: bool
) -> Iterator[Predicted]:
    """Yield the number of a row, and labels and responsibilities of the rows from there on."""
    return (_of_frozen if isinstance(model, FrozenMixture) else _of_fitted)(model, source, responsibilities)


def _of_fitted(model: Any, source: Source, responsibilities: bool) -> Iterator[Predicted]:
    scorer = Scorer(fitted_parameters(model), model.n_threads)
    for first, results in scorer.blocks(source, labels=True, responsibilities=True if responsibilities else None):
        assert results.labels is not None  # they were asked for
        yield first, results.labels, results.responsibilities


def _of_frozen(model: Any, source: Source, responsibilities: bool) -> Iterator[Predicted]:
    for chunk in source.chunks():
        for start in range(0, len(chunk.rows), _ROWS_AT_ONCE):
            rows = chunk.rows[start : start + _ROWS_AT_ONCE]
            yield chunk.first + start, model.predict(rows), model.predict_proba(rows) if responsibilities else None


publish("gmm", [write_predictions])
