"""Agreement of components with given labels: a cross-table and the adjusted Rand index."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.criteria import adjusted_rand_index
from gmm._rows.delimited import is_missing

__all__ = ["Agreement", "Labels", "compare"]

_WHOLE = re.compile(r"-?\d+\.0+")


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of rows.

    Attributes
    ----------
    names : ndarray of str
        The distinct ones, sorted.
    codes : ndarray of int, shape (n,)
        Which of them each row has, −1 without a label.
    """

    names: NDArray[np.object_]
    codes: NDArray[np.intp]

    @classmethod
    def of(cls, column: Iterable[Any], missing: Iterable[str], rows: NDArray[np.intp] | None) -> Labels:
        """Read blocks of a column of any type; `rows` are those that are wanted, counted from 0, None if all are.

        Whole numbers lose the .0 that a column with gaps often has.
        """
        absent, numbers, parts = {*missing}, dict[str, int](), []
        for block in column:
            encoded = block.combine_chunks().dictionary_encode()
            texts = ["" if value is None else str(value) for value in encoded.dictionary.to_pylist()]
            named = [
                -1 if is_missing(text) or text in absent else numbers.setdefault(text, len(numbers)) for text in texts
            ]
            codes = encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
            parts.append(np.array([*named, -1])[codes])
        texts = [text.partition(".")[0] for text in numbers] if all(map(_WHOLE.fullmatch, numbers)) else list(numbers)
        codes = np.concatenate([np.empty(0, np.intp), *parts])
        codes = codes if rows is None else codes[rows]
        every, places = np.unique([*texts, ""], return_inverse=True)
        return cls(every.astype(object), np.append(places[:-1], -1)[codes]).among(
            texts[code] for code in np.unique(codes[codes >= 0])
        )

    def among(self, names: Iterable[str]) -> Labels:
        """Return the labels with these names; other rows have none."""
        there = np.isin(self.names, list(names))
        return Labels(self.names[there], np.append(np.where(there, np.cumsum(there) - 1, -1), -1)[self.codes])

    @property
    def n_unlabelled(self) -> int:
        """Number of rows without a label."""
        return int((self.codes < 0).sum())


@dataclass(frozen=True)
class Agreement:
    """Agreement of labels and components.

    Attributes
    ----------
    labels : tuple of str
        Distinct labels, sorted.
    counts : ndarray of int, shape (n_labels, K) or (n_labels, K + 1)
        Rows of each label in each component and, if there are any, in the noise.
    adjusted_rand_index : float
        1 for identical partitions, 0 on average for independent ones.
    n_unlabelled : int
        Number of rows without a label, which are not counted above.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.int64]
    adjusted_rand_index: float
    n_unlabelled: int


def compare(labels: Labels, components: Iterable[NDArray[np.integer[Any]]], K: int) -> Agreement:
    """Compare labels with components.

    Parameters
    ----------
    labels : Labels
    components : iterable of arrays of int
        Component of each row, block by block, from 0; −1 for noise, which is the last column.
    K : int
        Number of components.
    """
    counts, first, noise = np.zeros((len(labels.names), K + 1), dtype=np.int64), 0, False
    for block in components:
        codes = labels.codes[first : first + len(block)]
        first, noise = first + len(block), noise or bool((block < 0).any())
        np.add.at(counts, (codes[codes >= 0], block[codes >= 0]), 1)
    counts = counts if noise else counts[:, :K]
    return Agreement(
        labels=tuple(labels.names.tolist()),
        counts=counts,
        adjusted_rand_index=adjusted_rand_index(counts),
        n_unlabelled=labels.n_unlabelled,
    )
