"""Marks that several pictures share: rows, ellipses, numbered means, curves of densities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from gmm.layouts import Array
from gmm.parameters import MixtureParameters
from gmm.plotting.scene import Scene, coordinates, scored
from gmm.plotting.style import INK, colours
from gmm.plotting.view import View, ellipse

BARS = "#d8dde2"
_FEWEST_BINS, _MOST_BINS = 10, 100
_FEW_ROWS = 200  # up to which each is shown below the histogram
_DARKER = 0.75  # of a component's colour, for lines on its rows


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
    of `mixture`, the one that is seen: several modes make the quartiles wide.
    """
    seen = view.project(scene.rows)[:, 0]
    inside = seen[(seen >= edge[0]) & (seen <= edge[1])]
    low, high = (inside.min(), inside.max()) if len(inside) else edge
    if not high > low:
        low, high = edge
    spread = np.subtract(*np.percentile(inside, [75, 25])) if len(inside) else 0.0
    narrowest = np.sqrt(mixture.covariances[mixture.weights > 0, 0, 0].min())
    width = min(width for width in (2 * spread / max(len(inside), 1) ** (1 / 3), narrowest) if width > 0)
    n_bins = int(np.clip(np.ceil((high - low) / width), _FEWEST_BINS, _MOST_BINS))
    counts, bins = np.histogram(seen, bins=n_bins, range=(low, high), weights=scene.sample_weight)
    total = len(seen) if scene.sample_weight is None else scene.sample_weight.sum()
    heights = counts / (total * np.diff(bins))
    ax.stairs(heights, bins, fill=True, color=BARS, zorder=1)
    if len(seen) <= _FEW_ROWS:
        ax.plot(seen, np.full(len(seen), 0.012), "|", color=INK, ms=5, mew=0.6, transform=ax.get_xaxis_transform())
    return np.asarray(heights)


def ellipses(ax: Axes, mixture: MixtureParameters, contents: Sequence[float]) -> None:
    """Outlines that hold given shares of each component; the smallest share in the strongest line."""
    shades = colours(mixture.n_components) * _DARKER
    for k in np.flatnonzero(mixture.weights > 0):
        for order, content in enumerate(sorted(contents)):
            outline = ellipse(mixture.means[k], mixture.covariances[k], content)
            style = {"linewidth": 1.8 if order == 0 else 1.2, "linestyle": "-" if order == 0 else (0, (4, 2))}
            patch = Polygon(outline, closed=True, fill=False, edgecolor=shades[k], zorder=3, **style)
            patch.set_gid(f"component {k} content {content:g}")
            ax.add_patch(patch)


def numbers(ax: Axes, points: Array, present: NDArray[np.intp], *, small: bool = False) -> None:
    """The components' numbers at given points (K, 2), where grey or colour-blind readers find them."""
    shades = colours(len(points)) * _DARKER
    words: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7 if small else 8.5, "fontweight": "bold"}
    for k in present:
        x, y = points[k]
        badge = {"boxstyle": "circle,pad=0.18", "facecolor": "white", "edgecolor": shades[k], "linewidth": 1.5}
        ax.text(x, y, str(k), color=INK, bbox=badge, zorder=5, clip_on=True, **words)


def curve(mixture: MixtureParameters, edges: Array) -> tuple[Array, Array, Array]:
    """Along one axis: points (n,), the density (n,), and the components' parts of it (n, K)."""
    (x,) = coordinates(mixture, edges, n=600)
    responsibilities, log_density = scored(mixture, x[:, None])
    density = np.exp(log_density)
    return x, density, responsibilities * density[:, None]
