"""`plot_bootstrap_lrt`: the statistics of drawn tables, and that of the data."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from gmm._plotting.style import axes_of, colours, inks_of
from gmm._public import publish
from gmm._selection.resampling import BootstrapLRT
from gmm._text.amounts import counted


def plot_bootstrap_lrt(test: BootstrapLRT, *, ax: Axes | None = None) -> Axes:
    """Draw a histogram of the statistics under K components, with a line at the statistic of the data.

    Parameters
    ----------
    test : BootstrapLRT
        From `gmm.inference.bootstrap_lrt`.
    ax : Axes, default=None
        Axes to draw on; None makes a new figure.

    Returns
    -------
    Axes
        The further right of the bars the line is, the more speaks for one more component.

    Raises
    ------
    TypeError
        If `test` is something else.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> X = np.concatenate([np.random.default_rng(0).normal(mean, 1, (100, 1)) for mean in (-4, 4)])
    >>> test = gmm.inference.bootstrap_lrt(X, 1, n_replicates=19, random_state=0)
    >>> gmm.plotting.plot_bootstrap_lrt(test).get_title()
    '1 component against 2: p = 0.05'
    """
    if not isinstance(test, BootstrapLRT):
        raise TypeError(f"expected what gmm.inference.bootstrap_lrt returns, got {type(test).__name__}")
    K = test.null.n_components
    with axes_of(ax) as target:
        inks, (colour,) = inks_of(target), colours(1)
        heights, edges = np.histogram(test.replicates, bins=min(30, max(8, len(test.replicates) // 5)))
        tables = f"{counted(len(test.replicates), 'table')} drawn from {counted(K, 'component')}"
        target.stairs(heights, edges, fill=True, color=inks.bars, label=tables, zorder=1)
        high = np.quantile(test.replicates, 0.95)
        target.axvline(high, color=inks.faint, lw=1.2, ls=(0, (4, 3)), label="5 % are above", zorder=2)
        target.axvline(test.statistic, color=colour, lw=2.2, label="the data", zorder=3)
        target.set_xlabel("−2 log λ: twice the gain of one more component")
        target.set_ylabel("tables")
        target.set_title(f"{counted(K, 'component')} against {K + 1}: p = {test.p_value:.2g}")
        target.legend(loc="best")
    return target


publish("gmm.plotting", [plot_bootstrap_lrt])
