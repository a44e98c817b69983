"""`plot_stability`: how far partitions by fits to halves of the rows disagree, for each number of components."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from gmm._plotting.lines import mark_best, set_counts_axis
from gmm._plotting.style import axes_of, colours, inks_of
from gmm._public import publish
from gmm._selection.halves import Stability
from gmm._text.amounts import counted


def plot_stability(stability: Stability, *, ax: Axes | None = None) -> Axes:
    """Draw the disagreement for each number of components: mean, standard error, and every split.

    Parameters
    ----------
    stability : Stability
        From `gmm.inference.stability`.
    ax : Axes, default=None
        Axes to draw on; None makes a new figure.

    Returns
    -------
    Axes
        A star marks the most stable number; at 1, partitions are as good as random.

    Raises
    ------
    TypeError
        If `stability` is something else.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> X = np.concatenate([np.random.default_rng(0).normal(mean, 1, (100, 1)) for mean in (-8, 0, 8)])
    >>> gmm.plotting.plot_stability(gmm.inference.stability(X, range(2, 5), random_state=0)).get_title()
    '3 components are the most stable'
    """
    if not isinstance(stability, Stability):
        raise TypeError(f"expected what gmm.inference.stability returns, got {type(stability).__name__}")
    counts, curve = stability.n_components, stability.curve
    with axes_of(ax) as target:
        inks, (colour,) = inks_of(target), colours(1)
        places = np.repeat(counts, stability.splits.shape[1])
        target.plot(places, stability.splits.ravel(), "o", ms=3, color=inks.faint, alpha=0.5, mew=0, zorder=1)
        errors = np.nan_to_num(stability.standard_errors)
        target.errorbar(counts, curve, yerr=errors, color=colour, lw=1.8, marker="o", ms=4.5, capsize=3, zorder=3)
        target.axhline(1, color=inks.faint, lw=1.0, ls=(0, (4, 3)), zorder=0)
        best = stability.best
        mark_best(target, best, float(curve[counts == best][0]), colour)
        set_counts_axis(target, counts)
        target.set_ylabel("disagreement of halves (1: random)")
        target.set_title(f"{counted(best, 'component')} are the most stable")
    return target


publish("gmm.plotting", [plot_stability])
