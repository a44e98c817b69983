"""Marks that several plots share: rows, ellipses, numbered means, density curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.patches import Polygon
from matplotlib.text import Annotation
from numpy.typing import NDArray

from gmm._plotting.scene import Scene, coordinates, scored
from gmm._plotting.style import inks_of
from gmm._plotting.view import View, ellipse
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters

_FEWEST_BINS, _MOST_BINS = 10, 100
_FEW_ROWS = 200  # most rows that are also drawn as ticks below the histogram


def rows(ax: Axes, scene: Scene, view: View, shades: Any, *, area: Any = 1.0) -> PathCollection:
    """Draw rows as points in colours (s, 4); `area` scales the size that suits their number and weights."""
    points = view.project(scene.sample_rows)
    size = np.clip(9000 / max(len(points), 1), 5, 20) * area * np.clip(scene.relative_weight, 0.1, 8)
    return ax.scatter(points[:, 0], points[:, 1], s=size, c=shades, linewidths=0, zorder=2)


def rug(ax: Axes, values: Array, height: float, **style: Any) -> None:
    """Draw values of one feature as ticks at a height given as a fraction of the Axes."""
    heights = np.full(len(values), height)
    ax.plot(values, heights, "|", color=inks_of(ax).ink, transform=ax.get_xaxis_transform(), **style)


def row_colours(scene: Scene, least: float = 0.3, most: float = 0.8) -> Array:
    """Mix the components' colours by responsibility, (s, 4); what they leave is noise, black.

    Opacity grows with certainty.
    """
    opacity = least + (most - least) * scene.certainty
    return np.column_stack([np.clip(scene.responsibilities @ scene.shades, 0, 1), opacity])


def histogram(ax: Axes, scene: Scene, view: View, mixture: MixtureParameters, edge: Array) -> Array:
    """Draw the histogram of the rows within `edge`, as a density of all rows; return the heights of its bins, (b,).

    Bins follow Freedman & Diaconis (1981), but are at most one standard deviation of the narrowest visible component
    of `mixture` wide: several modes inflate the interquartile range.
    """
    weighted_rows, weight = scene.weighted
    values = view.project(weighted_rows)[:, 0]
    inside = (values >= edge[0]) & (values <= edge[1])
    low, high = (values[inside].min(), values[inside].max()) if inside.any() else edge
    if not high > low:
        low, high = edge
    means, variances = mixture.means[:, 0], mixture.covariances[:, 0, 0]
    visible = (mixture.weights > 0) & (means >= edge[0]) & (means <= edge[1])
    narrowest = np.sqrt(variances[visible].min(initial=(high - low) ** 2))
    preferred = _bin_width(values[inside], weight[inside]) if inside.any() else 0.0
    n_bins = np.ceil((high - low) / min(width for width in (preferred, narrowest) if width > 0))
    counts, bins = np.histogram(
        values, bins=int(np.clip(n_bins, _FEWEST_BINS, _MOST_BINS)), range=(low, high), weights=weight
    )
    heights = counts / (weight.sum() * np.diff(bins))
    ax.stairs(heights, bins, fill=True, color=inks_of(ax).bars, zorder=1)
    if len(values) <= _FEW_ROWS:
        rug(ax, values, 0.012, ms=5, mew=0.6)
    return np.asarray(heights)


def top_limit(heights: Array, highest_curve: float) -> float:
    """Choose the upper limit of a histogram's axis, so that a very narrow component does not flatten the bars."""
    highest = float(heights.max())
    return 1.1 * (2 * highest if 0 < 4 * highest <= highest_curve else max(highest, highest_curve))


def _bin_width(values: Array, weight: Array) -> float:
    """Return twice the interquartile range over the cube root of the number of values, both weighted."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weight[order])
    lower, upper = values[order][np.searchsorted(below, [0.25 * below[-1], 0.75 * below[-1]])]
    # Weights may be normalised to sum to 1, so count rows as well.
    return float(2 * (upper - lower) / max(below[-1], len(values)) ** (1 / 3))


def ellipses(
    ax: Axes, mixture: MixtureParameters, contents: Sequence[float], present: NDArray[np.intp], colours: Array
) -> dict[tuple[int, float], Polygon]:
    """Draw outlines that hold given shares of each component that is present; return them by component and share."""
    patches = {}
    shades = inks_of(ax).strong(colours)
    for k in present:
        for order, content in enumerate(sorted(contents)):
            patch = Polygon(
                ellipse(mixture, k, content), closed=True, fill=False, edgecolor=shades[k], zorder=3, **stroke(order)
            )
            patch.set_gid(f"component {k} content {content:g}")
            ax.add_patch(patch)
            patches[int(k), content] = patch
    return patches


def stroke(order: int) -> dict[str, Any]:
    """Return the line style of an outline, by its order from the innermost; from the fourth on, all are alike."""
    dashes: Any = [(0, ()), (0, (4, 2)), (0, (1, 1.5)), (0, (8, 2, 1, 2))]
    return {"linewidth": (1.8, 1.2, 1.4, 1.0)[min(order, 3)], "linestyle": dashes[min(order, 3)]}


def numbers(
    ax: Axes, points: Array, present: NDArray[np.intp], colours: Array, *, small: bool = False
) -> dict[int, Annotation]:
    """Draw the numbers of the components at points (K, 2), for readers without colour; return them by component.

    Numbers outside the axes are clipped: matplotlib cannot draw text a billion pixels away.
    """
    labels = {}
    inks = inks_of(ax)
    shades = inks.strong(colours)
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7 if small else 8.5, "fontweight": "bold"}
    style |= {"color": inks.ink, "zorder": 5, "clip_on": True, "annotation_clip": True}
    for k in present:
        badge = {"boxstyle": "circle,pad=0.18", "facecolor": inks.paper, "edgecolor": shades[k], "linewidth": 1.5}
        labels[int(k)] = ax.annotate(str(k), tuple(points[k]), bbox=badge, **style)
    return labels


def curve(mixture: MixtureParameters, edges: Array) -> tuple[Array, Array, Array]:
    """Evaluate a mixture along one axis: points (n,), its density (n,), and each component's share of it (n, K)."""
    (x,) = coordinates(mixture, edges, n=600)
    responsibilities, log_density = scored(mixture, x[:, None])
    density = np.exp(log_density)
    return x, density, responsibilities * density[:, None]
