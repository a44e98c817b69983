"""Labels and responsibilities of rows that need not fit into memory, to a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gmm._persistence.places import suffix_to_write, write_atomically
from gmm._text.lists import quoted

Predicted: TypeAlias = tuple[int, NDArray[Any], NDArray[Any] | None]  # first row, labels, responsibilities


def write_predictions(path: str | os.PathLike[str], blocks: Iterable[Predicted]) -> None:
    """Write blocks of predictions, as `write_table` does."""
    from gmm._rows.writing import prediction_columns

    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"expected the path of a file to write, got {path!r:.80}")
    write_table(
        path,
        (
            prediction_columns(np.arange(first + 1, first + 1 + len(labels)), labels, soft)
            for first, labels, soft in blocks
        ),
    )


def write_table(path: str | os.PathLike[str], blocks: Iterable[Mapping[str, Any]]) -> None:
    """Write blocks of columns in the format of the suffix, CSV without one; the file appears when it is complete.

    Raises
    ------
    ValueError
        If the suffix is unknown.
    OSError
        If the file cannot be written; one that was there is left as it was.
    """
    from gmm._rows.writing import WRITERS, write_blocks

    suffix = suffix_to_write(path, ".csv")
    if suffix not in WRITERS:
        raise ValueError(f"{os.fspath(path)}: expected a name ending in one of {quoted(WRITERS)}")
    write_atomically(path, lambda file: write_blocks(file, suffix, blocks))
