"""How a mixture follows a stream of rows, one block after the other."""

from __future__ import annotations

from contextlib import closing
from time import perf_counter

import numpy as np
from numpy.typing import ArrayLike

from gmm._estimators.estimated import check_same, source_to_fit
from gmm._estimators.fitted import FittedMixture, model_of, source_of
from gmm._passes.stepwise import Stream
from gmm._rows.entrance import Names, check_any
from gmm._rows.incomplete import IncompleteSource
from gmm._rows.sources import ArraySource, Source, chunks_in_order
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters

_LARGEST_SQUARES = 1e300


def block_of(
    mixture: FittedMixture, X: ArrayLike, sample_weight: ArrayLike | None, previous: MixtureParameters | None
) -> tuple[Source, Names]:
    """Check the rows of a block; return them, and the names of the features."""
    if previous is None:
        return source_to_fit(mixture, X, sample_weight)
    source = source_of(mixture, X, sample_weight)
    check_any(source)
    model = model_of(mixture)
    check_same(mixture, previous, model, source, "partial_fit", "Clone the estimator")
    _check_near(previous.means, source)
    return source, vars(mixture).get("feature_names_in_")


def stream_blocks(
    stream: Stream, source: Source, *, decay: float, n_threads: int | None
) -> tuple[Stream, list[float], list[float], list[int]]:
    """Follow the blocks of a source; return the stream, and bounds, seconds and repairs of its blocks."""
    bounds: list[float] = []
    seconds: list[float] = []
    repaired: list[int] = []
    with closing(chunks_in_order(source, 1)) as chunks:
        for chunk in chunks:
            began = perf_counter()
            rows = ArraySource(chunk.rows, chunk.sample_weight)
            block = IncompleteSource.from_rows(rows) if source.in_patterns else rows
            if block.n_used:
                stream, bound, empty = stream.after(block, decay=decay, n_threads=n_threads)
                bounds.append(bound)
                repaired += empty
                seconds.append(perf_counter() - began)
    return stream, bounds, seconds, repaired


def _check_near(means: Array, source: Source) -> None:
    """Check that sums of squares about the means stay finite."""
    centre = means.mean(axis=0)
    reach = source.survey.reach(centre) + np.ptp(means, axis=0)
    column = int(np.argmax(reach))
    with np.errstate(over="ignore"):
        squares = source.survey.weight * reach[column] ** 2
    if not squares < _LARGEST_SQUARES:
        raise ValueError(
            f"Input X contains a value too far from the means of the mixture: {reach[column]:g} in column {column}, so "
            "that the sum of squares overflows. Drop the row, or divide the column by its standard deviation from the "
            "first block on."
        )
