"""Ward's hierarchical clustering of weighted rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmm._blas import single_threaded_blas
from gmm._values.layouts import Array

_TIE = 1e-9  # of a cost: merges that differ by less are ties, which the order of the rows breaks
_TINY = float(np.finfo(np.float64).tiny)


class Hierarchy:
    """The merges of rows by Ward's method (1963), each the one that adds least to the scatter within clusters.

    Merging a and b costs w_a w_b / (w_a + w_b) ‖c_a − c_b‖², so that a row of weight 2 equals two rows.

    Parameters
    ----------
    rows : array of shape (n, d)
        About their centre.
    weight : array of shape (n,)
        Above 0.

    Attributes
    ----------
    merges : array of int, shape (n − 1, 2)
        Each cluster by its first row, in the order of their costs.
    costs : array of shape (n − 1,)
        The scatter that merges add, as a share of the weight.
    """

    def __init__(self, rows: Array, weight: Array) -> None:
        weight = np.maximum(weight / weight.sum(), _TINY)  # none underflows to 0, which has no cost
        merges, costs = _merges(_costs(rows, weight), weight)
        order = np.argsort(costs)
        rank = np.empty_like(order)
        rank[order] = np.cumsum(np.diff(costs[order], prepend=0) > _TIE * costs[order])
        # Stable: a cluster must be made before it is merged, even if both cost the same.
        order = np.argsort(rank, kind="stable")
        self.merges, self.costs = merges[order], costs[order]

    def clusters(self, n_clusters: int) -> NDArray[np.intp]:
        """Return the cluster of each row, (n,), numbered in the order of their first rows; at most one for each row."""
        n = len(self.merges) + 1
        cheapest = self.merges[: max(n - n_clusters, 0)]
        into = np.arange(n)
        into[cheapest[:, 1]] = cheapest[:, 0]
        while not np.array_equal(into, into[into]):
            into = into[into]
        return np.unique(into, return_inverse=True)[1].reshape(-1)


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


def _merges(costs: Array, weight: Array) -> tuple[NDArray[np.intp], Array]:
    """Return all n − 1 merges, (n − 1, 2), and their costs; a cluster has the index of its first row.

    A nearest-neighbour chain (Murtagh 1983) goes from a cluster to its nearest one until two are nearest to each other,
    which are merged sooner or later, whatever the order. `costs` are overwritten.
    """
    weight, n = weight.copy(), len(weight)
    merges, paid, heights = np.empty((n - 1, 2), dtype=np.intp), np.empty(n - 1), np.zeros(n)
    chain = [0]
    for number in range(n - 1):
        a, b = sorted(_nearest_of_each_other(costs, chain))
        paid[number] = heights[a] = max(costs[a, b], heights[a], heights[b])
        merges[number] = a, b
        # Lance & Williams (1967). Infinite costs stay infinite.
        ours, theirs = weight[a] + weight, weight[b] + weight
        row = (ours * costs[a] + theirs * costs[b] - weight * costs[a, b]) / (ours + weight[b])
        costs[a] = costs[:, a] = row
        costs[b] = costs[:, b] = np.inf
        weight[a] += weight[b]
    return merges, paid


def _nearest_of_each_other(costs: Array, chain: list[int]) -> tuple[int, int]:
    """Extend the chain until two clusters are nearest to each other; take them off it."""
    if not chain:
        chain.append(0)  # the first row's cluster is always there
    while True:
        row = costs[chain[-1]]
        near = row <= row.min() * (1 + _TIE)
        # Every link is cheaper than the previous one, so the chain ends.
        if len(chain) > 1 and near[chain[-2]]:
            return chain.pop(), chain.pop()
        chain.append(int(near.argmax()))
