"""Everything around a plot, its figure, grid of pairs, labels and legend, and the marks that several plots share.

A panel draws the inside of one Axes, in one view.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Protocol

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.text import Annotation
from numpy.typing import NDArray

from gmm._exceptions import InvalidParameterError, raisable
from gmm._plotting.scene import Scene, coordinates, limits, outside_limits, scored
from gmm._plotting.style import NOISE, STYLE, axes_of, closed_on_failure, fix_tick_colours, inks_of
from gmm._plotting.view import MOST_PAIRED, View, columns_of, ellipse, literal, view_of
from gmm._text.words import amount, counted, percent
from gmm._values.coordinates import telling
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters

_WIDEST = 58  # characters of texts beside each other
_LINE = 0.19  # inches
_FONT = 9.0  # points
Entries = list[tuple[Artist, str]]


def dot(colour: Any, marker: str = "o") -> Line2D:
    """Make the mark of a legend entry: a dot, or another marker."""
    return Line2D([], [], marker=marker, linestyle="", color=colour, markersize=7)


def note(text: str) -> tuple[Artist, str]:
    """Make a legend entry that has no mark."""
    return Line2D([], [], linestyle=""), text


def legend_below(ax: Axes, columns: list[Entries]) -> None:
    """Draw the legend of a figure of one Axes below them, and make the figure higher by it: it covers nothing."""
    figure: Any = ax.figure
    columns = [column for column in columns if column]
    if sum(max(len(text) for _, text in column) for column in columns) > _WIDEST:
        columns = [list(chain(*columns))]
    n_lines = max(map(len, columns))
    padded = [[*column, *[note("")] * (n_lines - len(column))] for column in columns]
    figure.legend(
        *zip(*chain(*padded), strict=True),
        loc="outside lower center",
        ncols=len(columns),
        fontsize=_FONT,
        handlelength=1.4,
        labelspacing=0.3,
    )
    figure.set_figheight(figure.get_figheight() + _LINE * n_lines)


def legend_of_labels(ax: Axes, *, own: bool) -> None:
    """Draw the legend of labelled artists, if there are any: below the Axes in a figure of our own."""
    entries: Entries = list(zip(*ax.get_legend_handles_labels(), strict=True))
    if entries and own:
        legend_below(ax, [entries])
    elif entries:
        ax.legend(loc="best")


def legend_of_pairs(grid: NDArray[np.object_], entries: Entries) -> None:
    """Draw the legend of a grid of pairs, above its diagonal."""
    where: Any = {"loc": "upper right", "bbox_to_anchor": (0.99, 0.95)}
    grid[0, 0].figure.legend(*zip(*entries, strict=True), fontsize=_FONT, handlelength=1.4, **where)


_MOST_LISTED = 8
LONGEST_OF_PAIRS = 18  # characters of a feature's name in a grid of pairs


class Panel(Protocol):
    """Draws the inside of one Axes."""

    def __call__(self, ax: Axes, scene: Scene, view: View, edges: Array, *, small: bool) -> list[Entries]:
        """Draw, and return the columns of the legend; `small` for a panel in a grid."""


def draw(scene: Scene, view: Any, ax: Axes | None, panel: Panel, title: str) -> Any:
    """Draw one panel on `ax` or in a new figure, or a grid of panels; return the Axes or an array of Axes."""
    paired = _paired(scene, view)
    if paired is not None:
        return _pairs(scene, *paired, ax, panel, title)
    projection = view_of(scene.mixture, scene.names, view)
    with axes_of(ax, figsize=(5.0, 4.0)) as target:
        if scales := {target.get_xscale(), target.get_yscale()} - {"linear"}:
            raise raisable(InvalidParameterError)(
                "ax must have linear scales, because components are ellipses only there; got "
                f"{', '.join(sorted(scales))}"
            )
        edges = limits(scene, projection)
        columns = _fill(target, scene, projection, panel, edges)
        columns[-1].extend(map(note, notes(scene, projection, edges)))
        for axis, label in zip((target.xaxis, target.yaxis), projection.labels, strict=False):
            axis.set_label_text(label)
        target.set_title(title)
        if ax is None:
            legend_below(target, columns)
        else:
            inks = inks_of(ax)
            style: Any = {"facecolor": inks.paper, "edgecolor": inks.pale_edge, "labelcolor": inks.ink, "fontsize": 8.5}
            style |= {"loc": _emptiest_corner(ax, scene, projection), "frameon": True, "framealpha": 0.85}
            ax.legend(*zip(*chain(*columns), strict=True), **style)
    return target


def component_entries(scene: Scene) -> Entries:
    """Make legend entries with the weight and rows of each component or cluster; of the heaviest if there are many."""
    combined = scene.n_clusters < scene.n_components
    what = "class" if scene.classes else "cluster" if combined else "component"
    shades, (n_noise, *counts) = scene.cluster_shades, scene.counts
    weights, numbers = np.bincount(scene.clusters, scene.mixture.weights), np.unique(scene.clusters[scene.present])
    listed = numbers
    if len(numbers) > _MOST_LISTED:
        numbers = np.sort(numbers[np.argsort(-weights[numbers], kind="stable")[: _MOST_LISTED - 2]])
    word = "rows" if scene.sample_weight is None else "weight of rows"
    entries: Entries = [note(f"{what + ' (components)' * combined}: weight, {word}")]
    for c in numbers:
        members = f" ({' + '.join(map(str, np.flatnonzero(scene.clusters == c)))})" if combined else ""
        name = literal(scene.classes[c], LONGEST_OF_PAIRS, scene.classes) if scene.classes else str(c)
        entries.append((dot(shades[c]), f"{name}{members}:  {percent(weights[c])},  {amount(counts[c])}"))
    if scene.mixture.noise:
        entries.append((dot(NOISE), f"noise:  {percent(scene.mixture.noise_weight)},  {amount(n_noise)}"))
    n_others, kind = len(weights) - len(numbers), "empty" if len(numbers) == len(listed) else "lighter"
    others = counted(n_others, f"{kind} {what}", f"{kind} classes" if scene.classes else None)
    return [*entries, note(f"and {others}")] if n_others else entries


def heading(scene: Scene) -> str:
    """Return the number of components, in words, and how many are not empty or how many clusters they are."""
    n_present, K = len(scene.present), scene.n_components
    if scene.classes:
        classes = counted(scene.n_clusters, "class", "classes")
        return f"{classes} of {counted(K, 'component')}" if scene.n_clusters < K else classes
    if scene.n_clusters < K:
        return f"{counted(scene.n_clusters, 'cluster')} of {counted(K, 'component')}"
    return f"{n_present} of {counted(K, 'component')}" if n_present < K else counted(K, "component")


def marginal_note(what: str, view: View, *, small: bool) -> Entries:
    """Say in the legend that a panel ignores the features outside the view, if there are any."""
    return [] if view.whole else [note(f"{what} {'each' if small else 'this'} view only")]


def _paired(scene: Scene, view: Any) -> tuple[list[int], list[str]] | None:
    """Return the features of a grid of pairs and what the legend says of them, or None if the view is another."""
    d = len(scene.names)
    if isinstance(view, str) and view == "pairs":
        most = sorted(np.argsort(-telling(scene.mixture), kind="stable")[:MOST_PAIRED].tolist())
        return most, [f"{len(most)} of {d} features, in which", "components differ most"] if d > len(most) else []
    if isinstance(view, str | bytes) or not isinstance(view, Sequence | np.ndarray) or len(view) <= 2:
        return None
    return columns_of(view, scene.names), []


def _pairs(
    scene: Scene, columns: list[int], captions: list[str], ax: Axes | None, panel: Panel, title: str
) -> NDArray[np.object_]:
    m, d = len(columns), len(scene.names)
    if ax is not None:
        raise raisable(InvalidParameterError)("view='pairs' draws a grid of its own: give it no ax, or another view")
    with mpl.rc_context(STYLE), closed_on_failure():
        grid = grid_of_pairs(m)
        legend: list[Entries] = []
        names = tuple(literal(scene.names[j], LONGEST_OF_PAIRS, scene.names) for j in columns)
        features = View(np.eye(d)[columns], np.zeros(d), names, of_features=True)
        every = limits(scene, features)
        for i, j in np.ndindex(m, m):
            if j > i:
                continue
            view = view_of(scene.mixture, scene.names, columns[j] if i == j else (columns[j], columns[i]))
            entries = _fill(grid[i, j], scene, view, panel, every[[j] if i == j else [j, i]], small=True)
            if (i, j) == (min(1, m - 1), 0):  # all planes have the same legend; a histogram's has more
                legend = entries
            label_outer(grid[i, j], names, i, j, m)
        grid[0, 0].figure.suptitle(title, fontsize=11)
        legend_of_pairs(grid, [*chain(*legend), *map(note, [*captions, *notes(scene, features, every)])])
    return grid


def grid_of_pairs(m: int) -> Any:
    """Make a figure of m × m Axes, without those above the diagonal: the place of the legend."""
    size = max(1.5 * m + 0.4, 4.5)  # text of four features is legible on a telephone
    grid: Any = np.asarray(plt.subplots(m, m, figsize=(size, size), squeeze=False)[1], dtype=object)
    for (i, j), ax in np.ndenumerate(grid):
        fix_tick_colours(ax)
        if j > i:
            ax.set_axis_off()
    return grid


def label_outer(ax: Axes, names: Sequence[str], i: int, j: int, d: int) -> None:
    """Name the features below and to the left of a grid of pairs, and leave the other ticks without labels."""
    ax.set_xlabel(names[j] if i == d - 1 else "")
    ax.set_ylabel(names[i] if j == 0 and i > 0 else "")
    ax.tick_params(labelbottom=i == d - 1, labelleft=j == 0 and i > 0, labelsize=8)
    for axis in (ax.xaxis, ax.yaxis):
        axis.get_offset_text().set_fontsize(8)
    if i == j:
        ax.tick_params(left=False)


def _fill(ax: Axes, scene: Scene, view: View, panel: Panel, edges: Array, *, small: bool = False) -> list[Entries]:
    columns = panel(ax, scene, view, edges, small=small)
    ax.set_xlim(*edges[0])
    if view.n_axes == 2:
        ax.set_ylim(*edges[1])
    return columns


def notes(scene: Scene, view: View, edges: Array) -> list[str]:
    """List the rows and components that are not drawn."""
    lines = []
    if len(scene.sample_index) < scene.source.n_used:
        lines.append(f"{len(scene.sample_index):,} of {counted(scene.source.n_used, 'row')} shown")
    n_rows, components = outside_limits(scene, view, edges)
    if n_rows:
        lines.append(f"outside the axes: {counted(n_rows, 'row')}")
    if components:
        listed = ", ".join(map(str, components[:5])) + (", …" if len(components) > 5 else "")
        lines.append(f"outside the axes: {'components' if len(components) > 1 else 'component'} {listed}")
    return lines


def _emptiest_corner(ax: Axes, scene: Scene, view: View) -> str:
    """Return the corner with the fewest drawn rows; in a view of one axis, an upper corner."""
    points = view.project(scene.sample_rows)
    low, high = np.sort(np.array([ax.get_xlim(), ax.get_ylim()]), axis=1).T
    place = (points - low[: view.n_axes]) / (high - low)[: view.n_axes]
    right = place[:, 0] > 0.5
    upper = place[:, 1] > 0.5 if view.n_axes == 2 else np.ones(len(place), dtype=bool)
    corners = {"upper right": right & upper, "upper left": ~right & upper}
    if view.n_axes == 2:
        corners |= {"lower left": ~right & ~upper, "lower right": right & ~upper}
    return min(corners, key=lambda corner: np.count_nonzero(corners[corner]))


_FEWEST_BINS, _MOST_BINS = 10, 100
_FEW_ROWS = 200  # most rows that are also drawn as ticks below the histogram


def rows(ax: Axes, scene: Scene, view: View, shades: Any, *, area: Any = 1.0) -> PathCollection:
    """Draw rows as points in colours (s, 4); `area` scales the size that suits their number and weights."""
    points = view.project(scene.sample_rows)
    weight = scene.source.weights
    relative = weight[scene.sample_index] * (scene.source.n_used / weight.sum())
    size = np.clip(9000 / max(len(points), 1), 5, 20) * area * np.clip(relative, 0.1, 8)
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
