"""Pictures of answers: of tests, drift, directions, combined components, stability and standard errors."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from gmm._estimators.contract import names_of_features
from gmm._estimators.fitted import fitted_parameters
from gmm._plotting.lines import mark_best, set_counts_axis
from gmm._plotting.style import STYLE, axes_of, closed_on_failure, colours, fix_tick_colours, inks_of
from gmm._plotting.view import literal
from gmm._public import publish
from gmm._selection.halves import Stability
from gmm._selection.resampling import BootstrapLRT
from gmm._text.amounts import counted, percent
from gmm._uses.combining import CombinedComponents
from gmm._uses.directions import Directions
from gmm._uses.drift import Drift
from gmm._uses.standard_errors import StandardErrors
from gmm._validation.scalars import check_choice

_MOST_COLUMNS, _PER_LINE, _LONGEST = 11, 3, 20  # of errors: columns, pictures side by side, characters of a name


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
    _check_answer(test, BootstrapLRT, "gmm.inference.bootstrap_lrt")
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
    _check_answer(drift, Drift, "gmm.analysis.drift")
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
    _check_answer(directions, Directions, "gmm.analysis.directions")
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
    _check_answer(combined, CombinedComponents, "gmm.analysis.combine_components")
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
    _check_answer(stability, Stability, "gmm.inference.stability")
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
    _check_answer(errors, StandardErrors, "gmm.inference.standard_errors")
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


def _check_answer(answer: object, kind: type, function: str) -> None:
    if not isinstance(answer, kind):
        raise TypeError(f"expected what {function} returns, got {type(answer).__name__}")


_SHOWN = plot_bootstrap_lrt, plot_drift, plot_eigenvalues, plot_entropies, plot_stability, plot_standard_errors
publish("gmm.plotting", _SHOWN)
