"""`plot_standard_errors`: means of components with their confidence intervals, column by column."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from gmm._estimators.contract import names_of_features
from gmm._estimators.fitted import fitted_parameters
from gmm._plotting.style import STYLE, closed_on_failure, colours, fix_tick_colours, inks_of
from gmm._plotting.view import literal
from gmm._public import publish
from gmm._text.amounts import percent
from gmm._uses.standard_errors import StandardErrors

_MOST_COLUMNS, _PER_LINE, _LONGEST = 11, 3, 20


def plot_standard_errors(errors: StandardErrors, *, level: float = 0.95) -> NDArray[np.object_]:
    """Draw the weights and the means of each column with their confidence intervals, component by component.

    Parameters
    ----------
    errors : StandardErrors
        From `gmm.inference.standard_errors`.
    level : float, default=0.95
        Of the intervals.

    Returns
    -------
    ndarray of Axes
        One for the weights, and one for each of the first eleven columns; the title says where there are more.

    Raises
    ------
    TypeError, ValueError
        If `errors` or `level` is something else.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> X = np.concatenate([np.random.default_rng(0).normal(mean, 1, (100, 1)) for mean in (-4, 4)])
    >>> errors = gmm.inference.standard_errors(gmm.GaussianMixture(2, random_state=0).fit(X), X, method="information")
    >>> [ax.get_title() for ax in gmm.plotting.plot_standard_errors(errors)]
    ['weight', 'x0']
    """
    if not isinstance(errors, StandardErrors):
        raise TypeError(f"expected what gmm.inference.standard_errors returns, got {type(errors).__name__}")
    ends, mixture, names = errors.intervals(level), fitted_parameters(errors.model), names_of_features(errors.model)
    parts = [("weight", mixture.weights, ends.weights)]
    parts += [(name, mixture.means[:, j], ends.means[:, j]) for j, name in enumerate(names[:_MOST_COLUMNS])]
    K, lines = mixture.n_components, -(-len(parts) // _PER_LINE)
    across = min(len(parts), _PER_LINE)
    with mpl.rc_context(STYLE), closed_on_failure():
        size = 1.8 * across, 0.3 + lines * (0.9 + 0.3 * K)
        figure, axes = plt.subplots(lines, across, figsize=size, sharey=True, squeeze=False)
        every: Any = axes.ravel()
        for ax, (name, estimates, interval) in zip(every, parts, strict=False):
            fix_tick_colours(ax)
            for k, shade in enumerate(inks_of(ax).strong(colours(K))):
                ax.plot(interval[k], [k, k], color=shade, linewidth=2.2, solid_capstyle="round", zorder=2)
                ax.plot(estimates[k], k, "o", color=shade, ms=5, zorder=3)
            ax.set_title(literal(name, _LONGEST, names))
            ax.grid(axis="x", color=inks_of(ax).bars, linewidth=0.7, zorder=0)
            ax.set_yticks(range(K), [str(k) for k in range(K)])
            ax.locator_params(axis="x", nbins=3)
        every[0].set_ylim(K - 0.5, -0.5)
        for ax in every[len(parts) :]:
            ax.set_axis_off()
        for ax in axes[:, 0]:
            ax.set_ylabel("component")
        hidden = f"; {_MOST_COLUMNS} of {len(names)} columns" if len(names) > _MOST_COLUMNS else ""
        figure.suptitle(f"estimates, {percent(level)} confidence intervals{hidden}", fontsize=11)
    return np.asarray(every[: len(parts)], dtype=object)


publish("gmm.plotting", [plot_standard_errors])
