"""Agreement of components with given labels: a cross-table and the adjusted Rand index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmm.estimators.criteria import adjusted_rand_index

__all__ = ["Agreement", "compare"]


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


def compare(labels: Sequence[str | None], components: NDArray[np.int64], K: int) -> Agreement:
    """Compare labels with components.

    Parameters
    ----------
    labels : sequence of str or None, length n
        None for rows without a label.
    components : ndarray of int, shape (n,)
        Component of each row, from 0; −1 for noise, which is the last column.
    K : int
        Number of components.

    Returns
    -------
    Agreement
    """
    known = np.array([label is not None for label in labels], dtype=bool)
    names, codes = np.unique([label for label in labels if label is not None], return_inverse=True)
    counts = np.zeros((len(names), K + bool((components < 0).any())), dtype=np.int64)
    np.add.at(counts, (codes, components[known]), 1)
    return Agreement(
        labels=tuple(str(name) for name in names),
        counts=counts,
        adjusted_rand_index=adjusted_rand_index(counts),
        n_unlabelled=int(len(known) - known.sum()),
    )
