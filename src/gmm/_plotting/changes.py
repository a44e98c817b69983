"""`plot_drift`: which components grew and which columns moved, in standard errors."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from gmm._plotting.style import axes_of, colours, inks_of
from gmm._public import publish
from gmm._uses.drift import Drift


def plot_drift(drift: Drift, *, ax: Axes | None = None) -> Axes:
    """Draw the growth of components and the shifts of columns, in standard errors, with the limits of chance.

    Parameters
    ----------
    drift : Drift
        From `gmm.analysis.drift`.
    ax : Axes, default=None
        Axes to draw on; None makes a new figure.

    Returns
    -------
    Axes
        Bars beyond the dashed lines are the changes that `drift` names. To the right, components grew and columns rose.

    Raises
    ------
    TypeError
        If `drift` is something else.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> from gmm.plotting import plot_drift
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> change = gmm.analysis.drift(gmm.GaussianMixture(1).fit(X), X[:100] + [0, 1], X)
    >>> plot_drift(change).get_title()
    'drift: alarm at level 0.01, p = 0.001'
    """
    if not isinstance(drift, Drift):
        raise TypeError(f"expected what gmm.analysis.drift returns, got {type(drift).__name__}")
    K, d = len(drift.growth), len(drift.movement)
    errors = np.concatenate([drift.growth, drift.movement])
    with axes_of(ax) as target:
        inks, shades = inks_of(target), colours(K)
        target.barh(np.arange(K + d), errors, color=[*shades, *[inks.row] * d], height=0.7, zorder=2)
        for edge in (-drift.limit, drift.limit):
            target.axvline(edge, color=inks.faint, lw=1.0, ls=(0, (4, 3)), zorder=1)
        target.axvline(0, color=inks.ink, lw=0.8, zorder=3)
        target.set_yticks(np.arange(K + d), [*(f"component {k}" for k in range(K)), *drift.columns])
        target.invert_yaxis()
        target.set_xlabel("standard errors\n← shrank or fell        grew or rose →\ndashed: limits of chance")
        verdict = "drift: alarm" if drift.alarm else "drift: none"
        target.set_title(f"{verdict} at level {drift.level:g}, p = {drift.p_value:.2g}")
    return target


publish("gmm.plotting", [plot_drift])
