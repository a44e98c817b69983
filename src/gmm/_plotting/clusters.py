"""`plot_clusters`: rows coloured by soft assignment, and the components."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from gmm._plotting.frame import component_entries, draw, heading
from gmm._plotting.legends import Entries
from gmm._plotting.marks import curve, ellipses, histogram, numbers, row_colours, rows, stroke, top_limit
from gmm._plotting.scene import Scene, scene_of
from gmm._plotting.style import inks_of
from gmm._plotting.view import View, check_contents, content_label
from gmm._public import publish
from gmm._values.layouts import Array


def plot_clusters(
    model: Any,
    X: ArrayLike,
    *,
    ax: Axes | None = None,
    view: Any = None,
    content: float | Sequence[float] = (0.5, 0.95),
    sample_weight: ArrayLike | None = None,
    max_points: int = 5000,
    random_state: Any = 0,
) -> Any:
    """Draw rows coloured by soft assignment, with the components' ellipses and numbered means.

    The colour of a row mixes the components' colours by its responsibilities, computed from all features in any view.
    Rows with a more certain assignment are more opaque. With one feature, draw a histogram with the density of each
    component and their sum instead.

    Parameters
    ----------
    model : GaussianMixture, GaussianMixtureSearch, MixtureClassifier, a pipeline of one, or CombinedComponents
        The fitted model. A pipeline is drawn in the units of X, if its steps are affine, as scalers are and PCA; behind
        a PCA of fewer components than columns, in those of what it leaves. Of a `BayesianGaussianMixture` in a pipeline
        the mixture of posterior means is drawn. Of `gmm.analysis.combine_components`, components of one cluster have
        its colour; of a classifier, those of one class.
    X : array-like or data frame of shape (n, d)
        Rows, as for `predict`. Missing values of a mixture with ``missing="em"`` are drawn at their conditional means.
    ax : Axes, default=None
        Axes to draw on; None makes a new figure.
    view : None, int, str, sequence of int or str, Directions, "discriminating" or "pairs", default=None
        One or two features, by index or name; three to six, for a grid of all their pairs; the first two of
        `gmm.analysis.directions`; the plane in which the components differ most; or pairs of all features, if more than
        six of the six in which the components differ most, each alone. None draws one or two features as they are, and
        more in the discriminating plane.
    content : float or sequence of float, default=(0.5, 0.95)
        Share of its component that each ellipse holds in the view. An empty sequence draws no ellipses.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows. Heavier rows are drawn larger; rows of weight 0 are not drawn, such as those that a fit
        with `trim` left out in ``sample_weight=~model.trimmed_``.
    max_points : int, default=5000
        Maximum number of rows drawn. Larger tables are subsampled at random, and the legend says so. Histograms and
        counts always use all rows.
    random_state : int, RandomState, Generator or None, default=0
        Seed of the subsample.

    Returns
    -------
    Axes, or ndarray of Axes of shape (d, d) for "pairs"
        The legend is ``ax.figure.legends[0]``, below the Axes, or, on Axes of yours, ``ax.get_legend()``.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    ValueError
        If `view`, `content` or `max_points` is invalid, the model cannot score the rows, or a step of a pipeline is
        not affine.

    Examples
    --------
    >>> from gmm import GaussianMixture
    >>> from gmm.plotting import plot_clusters
    >>> X = [[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]]
    >>> ax = plot_clusters(GaussianMixture(2, random_state=0).fit(X), X)
    >>> ax.get_title()
    '2 components'
    """
    contents = check_contents(content)
    scene = scene_of(model, X, sample_weight=sample_weight, max_points=max_points, random_state=random_state)
    return draw(scene, view, ax, partial(_panel, contents=contents), heading(scene))


def _panel(ax: Axes, scene: Scene, view: View, edges: Array, *, small: bool, contents: list[float]) -> list[Entries]:
    if view.n_axes == 1:
        return _axis(ax, scene, view, edges, small)
    return _plane(ax, scene, view, contents, small)


def _plane(ax: Axes, scene: Scene, view: View, contents: list[float], small: bool) -> list[Entries]:
    mixture = view.marginal(scene.mixture)
    rows(ax, scene, view, row_colours(scene))
    ellipses(ax, mixture, contents, scene.present, scene.shades)
    numbers(ax, mixture.means, scene.present, scene.shades, small=small)
    lines: Entries = [
        (Line2D([], [], color=inks_of(ax).faint, **stroke(order)), f"{content_label(part)} of a component")
        for order, part in enumerate(contents)
    ]
    return [component_entries(scene), lines]


def _axis(ax: Axes, scene: Scene, view: View, edges: Array, small: bool) -> list[Entries]:
    mixture = view.marginal(scene.mixture)
    inks = inks_of(ax)
    heights = histogram(ax, scene, view, mixture, edges[0])
    x, density, parts = curve(mixture, edges)
    noise = _noise_along(scene, view)
    density = density + noise
    ax.plot(x, density, color=inks.ink, linewidth=1.6, zorder=3)
    shades = scene.shades
    for k in scene.present:
        visible = parts[:, k] > 1e-3 * density.max()  # elsewhere the line would run along the axis
        ax.fill_between(x, parts[:, k], where=visible, color=shades[k], alpha=0.25, linewidth=0, zorder=2)
        ax.plot(x[visible], parts[visible, k], color=shades[k], linewidth=1.4, zorder=2.5)
    top = top_limit(heights, float(density.max()))
    ax.set_ylim(0, top)
    ax.set_ylabel("density")
    peaks = np.minimum(mixture.weights / np.sqrt(2 * np.pi * mixture.covariances[:, 0, 0]), 0.95 * top)
    numbers(ax, np.column_stack([mixture.means[:, 0], peaks]), scene.present, scene.shades, small=small)
    sum_entry: Entries = (
        [(Line2D([], [], color=inks.ink, linewidth=1.6), f"sum of the components{' and noise' if noise else ''}")]
        if scene.n_components > 1 or noise
        else []
    )
    return [component_entries(scene), [*sum_entry, (Patch(color=inks.bars), "rows")]]


def _noise_along(scene: Scene, view: View) -> float:
    """Return the density of the noise along a feature; 0 without noise, and along another direction."""
    noise = scene.mixture.noise
    if not noise or not view.of_features:
        return 0.0
    low, high = noise.box
    (width,) = np.abs(view.matrix) @ (high - low)
    return float(scene.mixture.noise_weight / width)


publish("gmm.plotting", [plot_clusters])
