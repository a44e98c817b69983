"""`plot_entropies`: the entropy of clusters against their number, with the bend that suggests one."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from gmm._plotting.lines import mark_best, set_counts_axis
from gmm._plotting.style import axes_of, colours, inks_of
from gmm._public import publish
from gmm._text.amounts import counted
from gmm._uses.combining import CombinedComponents
from gmm._validation.scalars import check_choice


def plot_entropies(combined: CombinedComponents, *, by: str = "clusters", ax: Axes | None = None) -> Axes:
    """Draw the entropy of 1, 2, … K clusters, with the two lines whose meeting point suggests a number of clusters.

    Where the entropy falls steeply from right to left, components that overlap become one cluster. Where it is flat,
    clusters are merged that are apart.

    Parameters
    ----------
    combined : CombinedComponents
        From `gmm.analysis.combine_components`.
    by : {"clusters", "rows"}, default="clusters"
        The horizontal axis: the number of clusters, or the weight of the rows merged from there down to 1 cluster.
    ax : Axes, default=None
        Axes to draw on; None makes a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If `combined` or `by` is something else.

    Examples
    --------
    >>> from gmm import GaussianMixture
    >>> from gmm.analysis import combine_components
    >>> from gmm.plotting import plot_entropies
    >>> X = [[i + 30 * (i % 3)] for i in range(30)]
    >>> combined = combine_components(GaussianMixture(4, random_state=0).fit(X), X)
    >>> plot_entropies(combined).get_xlabel()
    'clusters'
    """
    if not isinstance(combined, CombinedComponents):
        raise TypeError(f"expected what gmm.analysis.combine_components returns, got {type(combined).__name__}")
    check_choice(by, "by", ("clusters", "rows"))
    entropies, K = combined.entropies, len(combined.entropies)
    best = combined.n_clusters if by == "clusters" else combined.n_clusters_by_rows
    x = np.arange(1.0, K + 1) if by == "clusters" else np.concatenate([[0.0], np.cumsum(combined.merged_rows)])
    with axes_of(ax) as target:
        inks, (colour,) = inks_of(target), colours(1)
        for part in (slice(best), slice(best - 1, combined.n_present)):
            if len(x[part]) > 1 and np.ptp(x[part]) > 0:
                slope, level = np.polyfit(x[part], entropies[part], 1)
                target.plot(x[part], slope * x[part] + level, color=inks.faint, lw=1.2, ls=(0, (4, 3)), zorder=1)
        target.plot(x, entropies, color=colour, lw=1.8, marker="o", ms=4.5, zorder=3)
        mark_best(target, x[best - 1], entropies[best - 1], colour)
        if by == "clusters":
            set_counts_axis(target, range(1, K + 1))
        target.set_xlabel("clusters" if by == "clusters" else "rows merged into 1 cluster")
        target.set_ylabel("entropy, nats")
        target.set_title(f"{counted(best, 'cluster')} suggested of {counted(K, 'component')}")
    return target


publish("gmm.plotting", [plot_entropies])
