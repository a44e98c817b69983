"""`plot_hierarchy`: the tree of clusters, of combined components or of rows by Ward's method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from gmm._fitting.starts import Ward
from gmm._plotting.style import axes_of, colours, inks_of
from gmm._public import publish
from gmm._rows.entrance import as_one_array, as_source
from gmm._text.amounts import amount, counted
from gmm._uses.combining import CombinedComponents, clusters_after
from gmm._validation.parameters import check_random_state
from gmm._validation.scalars import check_whole
from gmm._values.layouts import Array

_MOST_LEAVES = 30


@dataclass(frozen=True, eq=False)
class _Tree:
    """Merges of leaves (m − 1, 2), each named by its first leaf, at rising heights (m − 1,)."""

    merges: NDArray[np.intp]
    heights: Array
    leaves: Sequence[str]
    leaf_name: str
    height_name: str

    @property
    def order(self) -> list[int]:
        """The leaves from left to right, such that no lines cross."""
        members = {leaf: [leaf] for leaf in range(len(self.leaves))}
        for a, b in self.merges.tolist():
            members[a] += members.pop(b)
        return members[0]

    def clusters(self, n_clusters: int) -> NDArray[np.intp]:
        """Return the cluster of each leaf, in the order of their first leaves."""
        n_leaves = len(self.leaves)
        return clusters_after(self.merges[: n_leaves - n_clusters], n_leaves)

    def cut(self, n_clusters: int) -> float:
        """Return a height that so many clusters reach."""
        heights = np.concatenate([[0.0], self.heights, self.heights[-1:] * 1.05])
        return float(heights[len(self.leaves) - n_clusters :][:2].mean())


def plot_hierarchy(
    of: CombinedComponents | ArrayLike,
    n_clusters: int | None = None,
    *,
    random_state: Any = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw the tree of clusters: which ones merge, and how far apart they are.

    Parameters
    ----------
    of : CombinedComponents, or array-like or data frame of shape (n, d)
        From `gmm.analysis.combine_components`, whose leaves are components and whose heights count clusters; or rows,
        for the tree from which ``init_params="hierarchical"`` takes its clusters: Ward's, in units of the covariance of
        all rows, of at most 1000 rows. Its last 30 clusters are drawn, at the heights of scipy's ``ward``.
    n_clusters : int, default=None
        How many clusters to tell apart by colour; None takes the suggested number of combined components, and 1 of
        rows.
    random_state : int, RandomState, Generator or None, default=0
        Seed of the choice among many rows.
    ax : Axes, default=None
        Axes to draw on; None makes a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError, TypeError
        If the rows are unusable, or have missing values.

    Examples
    --------
    >>> from gmm.plotting import plot_hierarchy
    >>> X = [[i + 30 * (i % 3)] for i in range(30)]
    >>> plot_hierarchy(X, 3).get_title()
    '3 clusters of 30 rows'
    """
    tree, what = _of_components(of) if isinstance(of, CombinedComponents) else _of_rows(of, random_state)
    suggestion = of.n_clusters if isinstance(of, CombinedComponents) else 1
    n = check_whole(suggestion if n_clusters is None else n_clusters, "n_clusters", 1, len(tree.leaves))
    with axes_of(ax) as target:
        _draw(target, tree, n)
        target.set_title(f"{counted(n, 'cluster')} of {what}" if n > 1 else what)
    return target


def _of_components(combined: CombinedComponents) -> tuple[_Tree, str]:
    K = len(combined.entropies)
    tree = _Tree(combined.merges, np.arange(1.0, K), [*map(str, range(K))], "component", "clusters")
    return tree, counted(K, "component")


def _of_rows(X: ArrayLike, random_state: Any) -> tuple[_Tree, str]:
    source = as_one_array(as_source(X, estimator=plot_hierarchy.__name__)[0], "a picture")
    ward = Ward.of(source, check_random_state(random_state))
    n = len(ward.weight)
    m = min(n, _MOST_LEAVES)
    leaf_of = ward.hierarchy.clusters(m)
    sizes = np.bincount(leaf_of, ward.weight)
    heights = np.sqrt(2 * ward.weight.sum() * ward.hierarchy.costs[n - m :])
    tree = _Tree(leaf_of[ward.hierarchy.merges[n - m :]], heights, [*map(amount, sizes)], "rows", "distance (Ward)")
    drawn = "" if ward.weight.sum() == source.n_rows else f"{amount(ward.weight.sum())} of "
    return tree, drawn + counted(source.n_rows, "row")


def _draw(ax: Axes, tree: _Tree, n_clusters: int) -> None:
    inks, K = inks_of(ax), len(tree.leaves)
    clusters, shades = tree.clusters(n_clusters), colours(n_clusters)
    x, heights = np.empty(K), np.zeros(K)
    x[tree.order] = np.arange(K)
    lines, tints = [], []
    for number, ((a, b), height) in enumerate(zip(tree.merges.tolist(), tree.heights.tolist(), strict=True)):
        lines.append([(x[a], heights[a]), (x[a], height), (x[b], height), (x[b], heights[b])])
        tints.append(tuple(shades[clusters[a]]) if n_clusters > 1 and number < K - n_clusters else inks.ink)
        x[a], heights[a] = (x[a] + x[b]) / 2, height
    ax.add_collection(LineCollection(lines, colors=tints, linewidths=1.6, zorder=2))
    order = np.array(tree.order)
    if n_clusters > 1:
        ax.scatter(np.arange(K), np.zeros(K), s=26, c=shades[clusters[order]], zorder=3, clip_on=False)
        ax.axhline(tree.cut(n_clusters), color=inks.faint, lw=1.2, ls=(0, (4, 3)), zorder=1)
    ax.set_xticks(np.arange(K), [tree.leaves[leaf] for leaf in order], rotation=90 if K > 15 else 0)
    ax.set_xlim(-0.7, K - 0.3)
    ax.set_ylim(0, (tree.heights[-1] if K > 1 else 1.0) * 1.05)
    if tree.height_name == "clusters":
        ax.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.yaxis.set_major_formatter(lambda height, _: f"{K - height:.0f}")
    ax.set_xlabel(tree.leaf_name)
    ax.set_ylabel(tree.height_name)


publish("gmm.plotting", [plot_hierarchy])
