"""Marks that several pictures share: rows, ellipses, numbered means, curves of densities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.patches import Polygon
from matplotlib.text import Annotation
from numpy.typing import NDArray

from gmm.layouts import Array
from gmm.parameters import MixtureParameters
from gmm.plotting.scene import Scene, coordinates, scored
from gmm.plotting.style import colours, inks_of
from gmm.plotting.view import View, ellipse

_FEWEST_BINS, _MOST_BINS = 10, 100
_FEW_ROWS = 200  # up to which each is shown below the histogram


def soft_colours(responsibilities: Array) -> Array:
    """Colours mixed by responsibility, (n, 3)."""
    return np.clip(responsibilities @ colours(responsibilities.shape[1]), 0, 1)


def rows(ax: Axes, scene: Scene, view: View, shades: Any, *, area: Any = 1.0) -> PathCollection:
    """The rows shown, in the plane; `shades` (s, 4), `area` times what suits their number and weight."""
    seen = view.project(scene.rows[scene.shown])
    size = np.clip(9000 / max(len(seen), 1), 5, 20) * area * np.clip(scene.relative_weight, 0.1, 8)
    return ax.scatter(seen[:, 0], seen[:, 1], s=size, c=shades, linewidths=0, zorder=2)


def softly(scene: Scene, least: float = 0.3, most: float = 0.8) -> Array:
    """Colours of the rows shown by soft assignment, the more opaque the more certain, (s, 4)."""
    opacity = least + (most - least) * scene.certainty
    return np.column_stack([soft_colours(scene.responsibilities), opacity])


def histogram(ax: Axes, scene: Scene, view: View, mixture: MixtureParameters, edge: Array) -> Array:
    """The rows along an axis, as a density of all of them; the heights (b,) of its bins between the two of `edge`.

    Bins are as wide as Freedman & Diaconis (1981) say, and at most as a standard deviation of the narrowest component
    of `mixture` in sight: several modes make the quartiles wide. A row counts as often as its weight says.
    """
    rows_of_weight, weight = scene.weighted
    seen = view.project(rows_of_weight)[:, 0]
    inside = (seen >= edge[0]) & (seen <= edge[1])
    low, high = (seen[inside].min(), seen[inside].max()) if inside.any() else edge
    if not high > low:
        low, high = edge
    means, variances = mixture.means[:, 0], mixture.covariances[:, 0, 0]
    in_sight = (mixture.weights > 0) & (means >= edge[0]) & (means <= edge[1])
    narrowest = np.sqrt(variances[in_sight].min(initial=(high - low) ** 2))
    wanted = _bin_width(seen[inside], weight[inside]) if inside.any() else 0.0
    n_bins = np.ceil((high - low) / min(width for width in (wanted, narrowest) if width > 0))
    counts, bins = np.histogram(
        seen, bins=int(np.clip(n_bins, _FEWEST_BINS, _MOST_BINS)), range=(low, high), weights=weight
    )
    heights = counts / (weight.sum() * np.diff(bins))
    ax.stairs(heights, bins, fill=True, color=inks_of(ax).bars, zorder=1)
    if len(seen) <= _FEW_ROWS:
        ax.plot(
            seen,
            np.full(len(seen), 0.012),
            "|",
            color=inks_of(ax).ink,
            ms=5,
            mew=0.6,
            transform=ax.get_xaxis_transform(),
        )
    return np.asarray(heights)


def height(heights: Array, highest_curve: float) -> float:
    """How high a picture of a histogram is: a component that is a spike would flatten all else."""
    highest = float(heights.max())
    return 1.1 * (2 * highest if 0 < 4 * highest <= highest_curve else max(highest, highest_curve))


def _bin_width(values: Array, weight: Array) -> float:
    """Twice the distance of the quartiles over the cube root of the number of values; both weighted."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weight[order])
    lower, upper = values[order][np.searchsorted(below, [0.25 * below[-1], 0.75 * below[-1]])]
    # Weights may add up to 1: there are still as many rows.
    return float(2 * (upper - lower) / max(below[-1], len(values)) ** (1 / 3))


def ellipses(ax: Axes, mixture: MixtureParameters, contents: Sequence[float]) -> dict[tuple[int, float], Polygon]:
    """Outlines that hold given shares of each component, by its number and the share; the smallest the strongest."""
    drawn = {}
    shades = inks_of(ax).strong(colours(mixture.n_components))
    for k in np.flatnonzero(mixture.weights > 0):
        for order, content in enumerate(sorted(contents)):
            outline = ellipse(mixture.means[k], mixture.covariances[k], content)
            patch = Polygon(outline, closed=True, fill=False, edgecolor=shades[k], zorder=3, **stroke(order))
            patch.set_gid(f"component {k} content {content:g}")
            ax.add_patch(patch)
            drawn[int(k), content] = patch
    return drawn


def stroke(order: int) -> dict[str, Any]:
    """How the outline of a region is drawn, by its order from the innermost; after the fourth they are alike."""
    dashes: Any = [(0, ()), (0, (4, 2)), (0, (1, 1.5)), (0, (8, 2, 1, 2))]
    return {"linewidth": (1.8, 1.2, 1.4, 1.0)[min(order, 3)], "linestyle": dashes[min(order, 3)]}


def numbers(ax: Axes, points: Array, present: NDArray[np.intp], *, small: bool = False) -> dict[int, Annotation]:
    """The components' numbers at given points (K, 2), where grey or colour-blind readers find them; by number.

    Those beyond the edges are not drawn: no font can be drawn at a distance of a billion pixels.
    """
    drawn = {}
    inks = inks_of(ax)
    shades = inks.strong(colours(len(points)))
    words: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7 if small else 8.5, "fontweight": "bold"}
    words |= {"color": inks.ink, "zorder": 5, "clip_on": True, "annotation_clip": True}
    for k in present:
        badge = {"boxstyle": "circle,pad=0.18", "facecolor": inks.paper, "edgecolor": shades[k], "linewidth": 1.5}
        drawn[int(k)] = ax.annotate(str(k), tuple(points[k]), bbox=badge, **words)
    return drawn


def curve(mixture: MixtureParameters, edges: Array) -> tuple[Array, Array, Array]:
    """Along one axis: points (n,), the density (n,), and the components' parts of it (n, K)."""
    (x,) = coordinates(mixture, edges, n=600)
    responsibilities, log_density = scored(mixture, x[:, None])
    density = np.exp(log_density)
    return x, density, responsibilities * density[:, None]
