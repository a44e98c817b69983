"""`plot_eigenvalues`: how much the components differ along each direction."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gmm._plotting.style import axes_of, colours
from gmm._public import publish
from gmm._text.amounts import percent
from gmm._uses.directions import Directions


def plot_eigenvalues(directions: Directions, *, ax: Axes | None = None) -> Axes:
    """Draw the eigenvalues of directions, largest first, and the share of the first two.

    Parameters
    ----------
    directions : Directions
        From `gmm.analysis.directions`.
    ax : Axes, default=None
        Axes to draw on; None makes a new figure.

    Returns
    -------
    Axes
        Directions behind a steep fall add little to what tells components apart.

    Raises
    ------
    TypeError
        If `directions` is something else.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 5)) + 6 * np.eye(3, 5)[rng.integers(3, size=300)]
    >>> mixture = gmm.GaussianMixture(3, covariance_type="tied", random_state=0).fit(X)
    >>> gmm.plotting.plot_eigenvalues(gmm.analysis.directions(mixture)).get_xlabel()
    'direction'
    """
    if not isinstance(directions, Directions):
        raise TypeError(f"expected what gmm.analysis.directions returns, got {type(directions).__name__}")
    values = directions.eigenvalues
    with axes_of(ax) as target:
        places, (colour,) = np.arange(1, len(values) + 1), colours(1)
        target.bar(places, values, color=colour, width=0.6, zorder=2)
        target.xaxis.set_major_locator(MaxNLocator(integer=True))
        target.set_xlim(0.4, max(len(values), 2) + 0.6)
        target.set_xlabel("direction")
        target.set_ylabel("eigenvalue")
        share = values[:2].sum() / values.sum()
        target.set_title(f"the first {'two have' if len(values) > 1 else 'has'} {percent(share)} of the difference")
    return target


publish("gmm.plotting", [plot_eigenvalues])
