"""Ward's hierarchy of rows, whose clusters are a start."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmm._blas import single_threaded_blas
from gmm._em import ward_merges
from gmm._fitting.sampling import Rng
from gmm._rows.sources import ArraySource
from gmm._values.layouts import Array

_MOST_ROWS = 1000

_TIE = 1e-9  # of a cost: merges that differ by less are ties, which the order of the rows breaks
_TINY = float(np.finfo(np.float64).tiny)


class Hierarchy:
    """The merges of rows by Ward's method (1963), each the one that adds least to the scatter within clusters.

    Merging a and b costs w_a w_b / (w_a + w_b) ‖c_a − c_b‖², so that a row of weight 2 equals two rows.

    Parameters
    ----------
    rows : array of shape (n, d)
        Centred.
    weight : array of shape (n,)
        Above 0.

    Attributes
    ----------
    weight : array of shape (n,)
    merges : array of int, shape (n − 1, 2)
        Each cluster by its first row, in the order of their costs.
    costs : array of shape (n − 1,)
        The scatter that merges add, as a share of the weight.
    """

    def __init__(self, rows: Array, weight: Array) -> None:
        self.weight, self._rows = weight, rows
        weight = np.maximum(weight / weight.sum(), _TINY)  # none underflows to 0, which has no cost
        merges, costs = ward_merges(_costs(rows, weight), weight, _TIE)
        order = np.argsort(costs)
        rank = np.empty_like(order)
        rank[order] = np.cumsum(np.diff(costs[order], prepend=0) > _TIE * costs[order])
        # Stable: a cluster must be made before it is merged, even if both cost the same.
        order = np.argsort(rank, kind="stable")
        self.merges, self.costs = merges[order], costs[order]

    @classmethod
    def from_sample(cls, rows: ArraySource, rng: Rng) -> Hierarchy:
        """Return the hierarchy of a random sample of at most 1000 rows."""
        if rows.n_rows > _MOST_ROWS:
            rows = rows.select_rows(np.sort(rng.choice(rows.n_rows, _MOST_ROWS, replace=False)))
        return cls(rows.rows, rows.weights)

    def clusters(self, n_clusters: int) -> NDArray[np.intp]:
        """Return the cluster of each row, (n,), numbered in the order of their first rows; at most one for each row."""
        n = len(self.merges) + 1
        cheapest = self.merges[: max(n - n_clusters, 0)]
        into = np.arange(n)
        into[cheapest[:, 1]] = cheapest[:, 0]
        while not np.array_equal(into, into[into]):
            into = into[into]
        return (np.cumsum(into == np.arange(n)) - 1)[into]

    def means(self, n_clusters: int) -> Array:
        """Return the means of the clusters, at most one for each row."""
        labels, rows, weight = self.clusters(n_clusters), self._rows, self.weight
        sums = np.zeros((labels.max() + 1, 1 + rows.shape[1]))
        np.add.at(sums, labels, np.column_stack([weight, rows * weight[:, None]]))
        return np.asarray(sums[:, 1:] / sums[:, :1])


def _costs(rows: Array, weight: Array) -> Array:
    """Return the cost of merging any two rows, (n, n), symmetric to the last bit; ∞ for a row and itself."""
    squares = np.einsum("ij,ij->i", rows, rows)
    with single_threaded_blas():
        distances = rows @ rows.T
    distances *= -2
    distances += squares[:, None] + squares
    np.maximum(distances, 0, out=distances)
    inverse = 1 / weight
    distances /= inverse[:, None] + inverse  # the product of two weights might underflow
    np.fill_diagonal(distances, np.inf)
    return distances
