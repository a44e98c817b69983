"""Everything around a plot, its figure, grid of pairs, labels and legend, and what several plots draw in a `Panel`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

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
from gmm._plotting.scene import Scene, certainty, coordinates, limits, outside_limits, scored
from gmm._plotting.style import NOISE, STYLE, axes_of, closed_on_failure, fix_tick_colours, inks_of
from gmm._plotting.view import MOST_PAIRED, View, columns_of, ellipse, is_of_pairs, literal, view_of
from gmm._text.words import amount, counted, percent
from gmm._values.coordinates import telling
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters

_WIDEST = 58  # characters of texts beside each other
_LINE = 0.19  # inches
_FONT = 9.0  # points
_MOST_LISTED = 8  # components in a legend
_FEWEST_BINS, _MOST_BINS = 10, 100
_FEW_ROWS = 200  # most rows that are also drawn as ticks below the histogram
LONGEST_OF_PAIRS = 18  # characters of a feature's name in a grid of pairs
Entries = list[tuple[Artist, str]]


class Panel:
    """One Axes, the scene in one view on it, and what several plots draw there.

    Attributes
    ----------
    ax : Axes
    scene : Scene
    view : View
    edges : array of shape (m, 2)
        Limits of the axes.
    small : bool
        Whether the panel is one of a grid.
    mixture : MixtureParameters
        The marginal of the mixture in the view.
    points : array of shape (s, m)
        The drawn rows in the view.
    inks : Inks
    """

    def __init__(self, ax: Axes, scene: Scene, view: View, edges: Array, *, small: bool = False) -> None:
        self.ax, self.scene, self.view, self.edges, self.small = ax, scene, view, edges, small
        self.mixture, self.points = view.marginal(scene.mixture), view.project(scene.sample_rows)
        self.inks = inks_of(ax)
        ax.set_xlim(*edges[0])
        if view.n_axes == 2:
            ax.set_ylim(*edges[1])

    def rows(self, shades: Any, area: Any = 1.0, order: Any = slice(None)) -> PathCollection:
        """Draw rows as points in colours (s, 4); `area` scales the size that suits their number and weights."""
        weight, points = self.scene.source.weights, self.points[order]
        relative = weight[self.scene.sample_index[order]] * (self.scene.source.n_used / weight.sum())
        size = np.clip(9000 / max(len(points), 1), 5, 20) * area * np.clip(relative, 0.1, 8)
        return self.ax.scatter(points[:, 0], points[:, 1], s=size, c=shades, linewidths=0, zorder=2)

    def rug(self, values: Array, height: float, **style: Any) -> None:
        """Draw values of one feature as ticks at a height given as a fraction of the Axes."""
        where: Any = {"color": self.inks.ink, "transform": self.ax.get_xaxis_transform()}
        self.ax.plot(values, np.full(len(values), height), "|", **where, **style)

    def histogram(self, highest_curve: float) -> float:
        """Draw the histogram of the rows within the axes, as a density of all rows; return the upper limit of its axis.

        Bins follow Freedman & Diaconis (1981), but are at most one standard deviation of the narrowest visible
        component wide: several modes inflate the interquartile range. A very narrow component does not flatten bars.
        """
        edge, (values, *_), weight = self.edges[0], self.view.project(self.scene.used.rows).T, self.scene.used.weights
        inside = (values >= edge[0]) & (values <= edge[1])
        low, high = (values[inside].min(), values[inside].max()) if inside.any() else edge
        if not high > low:
            low, high = edge
        means, variances = self.mixture.means[:, 0], self.mixture.covariances[:, 0, 0]
        visible = (self.mixture.weights > 0) & (means >= edge[0]) & (means <= edge[1])
        narrowest = np.sqrt(variances[visible].min(initial=(high - low) ** 2))
        preferred = _bin_width(values[inside], weight[inside]) if inside.any() else 0.0
        n_bins = np.ceil((high - low) / min(width for width in (preferred, narrowest) if width > 0))
        counts, bins = np.histogram(
            values, bins=int(np.clip(n_bins, _FEWEST_BINS, _MOST_BINS)), range=(low, high), weights=weight
        )
        heights = counts / (weight.sum() * np.diff(bins))
        self.ax.stairs(heights, bins, fill=True, color=self.inks.bars, zorder=1)
        if len(values) <= _FEW_ROWS:
            self.rug(values, 0.012, ms=5, mew=0.6)
        highest = float(heights.max())
        return 1.1 * (2 * highest if 0 < 4 * highest <= highest_curve else max(highest, highest_curve))

    def ellipses(
        self, mixture: MixtureParameters, contents: Sequence[float], present: NDArray[np.intp]
    ) -> dict[tuple[int, float], Polygon]:
        """Draw outlines that hold given shares of each component present; return them by component and share."""
        patches, shades = {}, self.inks.strong(self.scene.shades)
        for k in present:
            for order, content in enumerate(sorted(contents)):
                outline, style = ellipse(mixture, k, content), stroke(order)
                patch = Polygon(outline, closed=True, fill=False, edgecolor=shades[k], zorder=3, **style)
                patch.set_gid(f"component {k} content {content:g}")
                self.ax.add_patch(patch)
                patches[int(k), content] = patch
        return patches

    def numbers(self, places: Array, present: NDArray[np.intp]) -> dict[int, Annotation]:
        """Draw the numbers of the components at places (K, 2), for readers without colour; return them by component.

        Numbers outside the axes are clipped: matplotlib cannot draw text a billion pixels away.
        """
        labels, shades = {}, self.inks.strong(self.scene.shades)
        style: dict[str, Any] = {"ha": "center", "va": "center", "fontweight": "bold", "color": self.inks.ink}
        style |= {"fontsize": 7 if self.small else 8.5, "zorder": 5, "clip_on": True, "annotation_clip": True}
        for k in present:
            badge = {"boxstyle": "circle,pad=0.18", "facecolor": self.inks.paper, "edgecolor": shades[k]}
            labels[int(k)] = self.ax.annotate(str(k), tuple(places[k]), bbox=badge | {"linewidth": 1.5}, **style)
        return labels


Filling = Callable[[Panel], list[Entries]]  # draws the inside of a panel, and returns the columns of the legend


def draw(scene: Scene, view: Any, ax: Axes | None, fill: Filling, title: str) -> Any:
    """Draw one panel on `ax` or in a new figure, or a grid of panels; return the Axes or an array of Axes."""
    if is_of_pairs(view):
        return _draw_pairs(scene, view, ax, fill, title)
    projection = view_of(scene.mixture, scene.names, view)
    with axes_of(ax) as target:
        if scales := {target.get_xscale(), target.get_yscale()} - {"linear"}:
            raise raisable(InvalidParameterError)(
                "ax must have linear scales, because components are ellipses only there; got "
                f"{', '.join(sorted(scales))}"
            )
        panel = Panel(target, scene, projection, limits(scene, projection))
        legend = fill(panel)
        legend[-1].extend(map(note, notes(scene, projection, panel.edges)))
        for axis, label in zip((target.xaxis, target.yaxis), projection.labels, strict=False):
            axis.set_label_text(label)
        target.set_title(title)
        if ax is None:
            legend_below(target, legend)
        else:
            inks = panel.inks
            style: Any = {"facecolor": inks.paper, "edgecolor": inks.pale_edge, "labelcolor": inks.ink, "fontsize": 8.5}
            style |= {"loc": _emptiest_corner(panel), "frameon": True, "framealpha": 0.85}
            ax.legend(*zip(*chain(*legend), strict=True), **style)
    return target


def _draw_pairs(scene: Scene, pairs: Any, ax: Axes | None, fill: Filling, title: str) -> NDArray[np.object_]:
    captions = []
    if isinstance(pairs, str):
        columns = sorted(np.argsort(-telling(scene.mixture), kind="stable")[:MOST_PAIRED].tolist())
        if len(columns) < len(scene.names):
            captions = [f"{len(columns)} of {len(scene.names)} features, in which", "components differ most"]
    else:
        columns = columns_of(pairs, scene.names)
    if ax is not None:
        raise raisable(InvalidParameterError)("view='pairs' draws a grid of its own: give it no ax, or another view")
    names = tuple(literal(scene.names[j], LONGEST_OF_PAIRS, scene.names) for j in columns)
    features = View(np.eye(len(scene.names))[columns], np.zeros(len(scene.names)), names, of_features=True)
    edges = limits(scene, features)
    captions += notes(scene, features, edges)

    def fill_pair(pair_ax: Axes, i: int, j: int) -> Entries:
        shown = [j] if i == j else [j, i]
        view = view_of(scene.mixture, scene.names, [columns[k] for k in shown])
        return [*chain(*fill(Panel(pair_ax, scene, view, edges[shown], small=True))), *map(note, captions)]

    return grid_of_pairs(names, title, fill_pair)


def grid_of_pairs(names: Sequence[str], title: str, fill: Callable[[Axes, int, int], Entries]) -> NDArray[np.object_]:
    """Make a figure of m × m Axes for each pair of features, filled on and below the diagonal; the legend is above.

    All planes have the same legend, which is that of the grid; a histogram's has more.
    """
    m, legend = len(names), Entries()
    size = max(1.5 * m + 0.4, 4.5)  # text of four features is legible on a telephone
    with mpl.rc_context(STYLE), closed_on_failure():
        figure, axes = plt.subplots(m, m, figsize=(size, size), squeeze=False)
        grid = np.asarray(axes, dtype=object)
        for (i, j), ax in np.ndenumerate(grid):
            fix_tick_colours(ax)
            if j > i:
                ax.set_axis_off()
                continue
            entries = fill(ax, i, j)
            if (i, j) == (min(1, m - 1), 0):
                legend = entries
            below, left = i == m - 1, j == 0 and i > 0
            ax.set(xlabel=names[j] if below else "", ylabel=names[i] if left else "")
            ax.tick_params(labelbottom=below, labelleft=left, labelsize=8)
            for axis in (ax.xaxis, ax.yaxis):
                axis.get_offset_text().set_fontsize(8)
            if i == j:
                ax.tick_params(left=False)
        figure.suptitle(title, fontsize=11)
        if legend:
            where: Any = {"loc": "upper right", "bbox_to_anchor": (0.99, 0.95)}
            figure.legend(*zip(*legend, strict=True), fontsize=_FONT, handlelength=1.4, **where)
    return grid


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
    style: Any = {"fontsize": _FONT, "handlelength": 1.4, "labelspacing": 0.3}
    figure.legend(*zip(*chain(*padded), strict=True), loc="outside lower center", ncols=len(columns), **style)
    figure.set_figheight(figure.get_figheight() + _LINE * n_lines)


def legend_of_labels(ax: Axes, *, own: bool) -> None:
    """Draw the legend of labelled artists, if there are any: below the Axes in a figure of our own."""
    entries: Entries = list(zip(*ax.get_legend_handles_labels(), strict=True))
    if entries and own:
        legend_below(ax, [entries])
    elif entries:
        ax.legend(loc="best")


def component_entries(scene: Scene) -> Entries:
    """Make legend entries with the weight and rows of each component or cluster; of the heaviest if there are many."""
    what = "class" if scene.classes else "cluster" if scene.combined else "component"
    n_noise, *counts = scene.counts
    weights, listed = np.bincount(scene.clusters, scene.mixture.weights), np.unique(scene.clusters[scene.present])
    kind = "empty"
    if len(listed) > _MOST_LISTED:
        listed = np.sort(listed[np.argsort(-weights[listed], kind="stable")[: _MOST_LISTED - 2]])
        kind = "lighter"
    word = "rows" if scene.source.sample_weight is None else "weight of rows"
    entries: Entries = [note(f"{what + ' (components)' * scene.combined}: weight, {word}")]
    for c in listed:
        members = f" ({' + '.join(map(str, np.flatnonzero(scene.clusters == c)))})" if scene.combined else ""
        name = literal(scene.classes[c], LONGEST_OF_PAIRS, scene.classes) if scene.classes else str(c)
        text = f"{name}{members}:  {percent(weights[c])},  {amount(counts[c])}"
        entries.append((dot(scene.cluster_shades[c]), text))
    if scene.mixture.noise:
        entries.append((dot(NOISE), f"noise:  {percent(scene.mixture.noise_weight)},  {amount(n_noise)}"))
    if n_others := len(weights) - len(listed):
        others = counted(n_others, f"{kind} {what}", f"{kind} classes" if scene.classes else None)
        entries.append(note(f"and {others}"))
    return entries


def heading(scene: Scene) -> str:
    """Return the number of components, in words, and how many are not empty or how many clusters they are."""
    n_present, components = len(scene.present), counted(scene.n_components, "component")
    if scene.classes or scene.combined:
        kind = ("class", "classes") if scene.classes else ("cluster",)
        clusters = counted(scene.n_clusters, *kind)
        return f"{clusters} of {components}" if scene.combined else clusters
    return f"{n_present} of {components}" if n_present < scene.n_components else components


def marginal_note(what: str, panel: Panel) -> Entries:
    """Say in the legend that a panel ignores the features outside the view, if there are any."""
    return [] if panel.view.whole else [note(f"{what} {'each' if panel.small else 'this'} view only")]


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


def _emptiest_corner(panel: Panel) -> str:
    """Return the corner with the fewest drawn rows; in a view of one axis, an upper corner."""
    low, high = panel.edges.T
    right, *above = ((panel.points - low) / (high - low) > 0.5).T
    upper = above[0] if above else np.ones(len(right), dtype=bool)
    corners = {"upper right": right & upper, "upper left": ~right & upper}
    if above:
        corners |= {"lower left": ~right & ~upper, "lower right": right & ~upper}
    return min(corners, key=lambda corner: np.count_nonzero(corners[corner]))


def row_colours(scene: Scene, least: float = 0.3, most: float = 0.8, responsibilities: Array | None = None) -> Array:
    """Mix the components' colours by responsibility, (s, 4); what they leave is noise, black.

    Opacity grows with certainty. `responsibilities` (s, K) may be those of another mixture.
    """
    responsibilities = scene.responsibilities if responsibilities is None else responsibilities
    opacity = least + (most - least) * certainty(scene.shares_of(responsibilities))
    return np.column_stack([np.clip(responsibilities @ scene.shades, 0, 1), opacity])


def _bin_width(values: Array, weight: Array) -> float:
    """Return twice the interquartile range over the cube root of the number of values, both weighted."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weight[order])
    lower, upper = values[order][np.searchsorted(below, [0.25 * below[-1], 0.75 * below[-1]])]
    # Weights may be normalised to sum to 1, so count rows as well.
    return float(2 * (upper - lower) / max(below[-1], len(values)) ** (1 / 3))


def stroke(order: int) -> dict[str, Any]:
    """Return the line style of an outline, by its order from the innermost; from the fourth on, all are alike."""
    dashes: Any = [(0, ()), (0, (4, 2)), (0, (1, 1.5)), (0, (8, 2, 1, 2))]
    return {"linewidth": (1.8, 1.2, 1.4, 1.0)[min(order, 3)], "linestyle": dashes[min(order, 3)]}


def curve(mixture: MixtureParameters, edges: Array) -> tuple[Array, Array, Array]:
    """Evaluate a mixture along one axis: points (n,), its density (n,), and each component's share of it (n, K)."""
    (x,) = coordinates(mixture, edges, n=600)
    responsibilities, log_density = scored(mixture, x[:, None])
    density = np.exp(log_density)
    return x, density, responsibilities * density[:, None]
