"""Pictures of rows in a plane: clusters, density, uncertainty, and pairs of columns.

A `Panel` is one Axes in one view, and has what these pictures and films share; `draw` is everything around panels, and
limits of axes and the grids for curves and contours are functions of a view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.contour import ContourSet
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon
from matplotlib.text import Annotation
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.classes import check_labels
from gmm._exceptions import invalid
from gmm._plotting.scene import LONGEST_OF_SEVERAL, Scene, View, columns_of, literal, scene_of, scored, view_of
from gmm._plotting.style import (
    LEGEND,
    NOISE,
    Entries,
    axes_of,
    colours,
    dot,
    inks_of,
    legend_below,
    legend_inside,
    note,
    own_figure,
)
from gmm._rows.input import as_one_array, as_source
from gmm._text.words import amount, column_names, counted, percent
from gmm._validation.combinations import check_compatible
from gmm._validation.parameters import check_random_state
from gmm._validation.scalars import check_real, check_whole
from gmm._values.coordinates import projected_mixture
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters

_MOST_LISTED = 8  # components in a legend
_FEWEST_BINS, _MOST_BINS = 10, 100
_FEW_ROWS = 200  # most rows that are also drawn as ticks below the histogram

_REACH = 3.0  # standard deviations of a component that should fit into the axes
_OUTERMOST = 0.95  # share of a component in the ellipse that should fit into the axes, also of heavy tails
_CORE = 0.9  # the heaviest components that reach this total weight set the scale of the axes
_BEYOND = 2.0  # the axes may extend on either side by this multiple of the core's width
_FINE = 4  # grid points per standard deviation around a component that an even grid would miss
_MOST_POINTS = 1_000_000  # in a grid; fewer for many components


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

    def __init__(self, ax: Axes, scene: Scene, view: View, *, small: bool = False) -> None:
        self.ax, self.scene, self.view, self.edges, self.small = ax, scene, view, limits(scene, view), small
        self.mixture, self.points = view.marginal(scene.mixture), view.project(scene.sample_rows)
        self.inks = inks_of(ax)
        for axis, edges, label in zip("xy", self.edges, view.labels, strict=False):
            ax.set(**{f"{axis}lim": edges, f"{axis}label": label})

    def rows(self, shades: Any, area: Any = 1.0, order: Any = slice(None)) -> PathCollection:
        """Draw rows as points in colours (s, 4); `area` scales the size that suits their number and weights."""
        weight, points = self.scene.source.weights, self.points[order]
        relative = weight[self.scene.sample_index[order]] * (self.scene.source.survey.n_used / weight.sum())
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
        width = min(each for each in (preferred, narrowest) if each > 0)
        n_bins = int(np.clip(np.ceil((high - low) / width), _FEWEST_BINS, _MOST_BINS))
        counts, bins = np.histogram(values, n_bins, (low, high), weights=weight)
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
                self.ax.add_artist(patch)  # add_patch would take each of its lines for a curve
                self.ax.update_datalim(outline)
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
    projection = view_of(scene.mixture, scene.names, view)
    if projection.of_pairs:
        if ax is not None:
            raise invalid("view='pairs' draws a grid of its own: give it no ax, or another view")
        return _draw_pairs(scene, projection, fill, title, chosen=isinstance(view, str))
    with axes_of(ax) as target:
        if scales := {target.get_xscale(), target.get_yscale()} - {"linear"}:
            raise invalid(
                "ax must have linear scales, because components are ellipses only there; got "
                f"{', '.join(sorted(scales))}"
            )
        panel = Panel(target, scene, projection)
        legend = fill(panel)
        legend[-1].extend(map(note, notes(scene, projection, panel.edges)))
        target.set_title(title)
        if ax is None:
            legend_below(target, legend)
        else:
            inks = panel.inks
            style: Any = {"facecolor": inks.paper, "edgecolor": inks.pale_edge, "labelcolor": inks.ink, "fontsize": 8.5}
            style |= {"loc": _emptiest_corner(panel), "frameon": True, "framealpha": 0.85}
            legend_inside(ax, [*chain(*legend)], **style)
    return target


def _draw_pairs(scene: Scene, features: View, fill: Filling, title: str, *, chosen: bool) -> NDArray[np.object_]:
    m, d = features.n_axes, len(scene.names)
    captions = [f"{m} of {d} features, in which", "components differ most"] if chosen and m < d else []
    captions += notes(scene, features, limits(scene, features))

    def fill_pair(ax: Axes, i: int, j: int) -> Entries:
        panel = Panel(ax, scene, features.of_axes([j] if i == j else [j, i]), small=True)
        return [*chain(*fill(panel)), *map(note, captions)]

    return grid_of_pairs(features.labels, title, fill_pair)


def grid_of_pairs(names: Sequence[str], title: str, fill: Callable[[Axes, int, int], Entries]) -> NDArray[np.object_]:
    """Make a figure of m × m Axes for each pair of features, filled on and below the diagonal.

    All planes have the same legend, which is that of the grid; a histogram's has more. It is above the diagonal, or
    below the grid where it would cover a panel.
    """
    m, legend = len(names), Entries()
    size = max(1.5 * m + 0.4, 5.0)  # text of four features is legible on a telephone
    with own_figure(m, m, figsize=(size, size)) as axes:
        for (i, j), ax in np.ndenumerate(axes):
            if j > i:
                ax.set(xticks=[], yticks=[])
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
        figure: Any = axes[0, 0].figure
        figure.suptitle(title, fontsize=11)
        if legend:
            above = figure.legend(*zip(*legend, strict=True), loc="upper right", bbox_to_anchor=(0.99, 0.95), **LEGEND)
            figure.draw_without_rendering()
            box = above.get_window_extent()
            if any(box.overlaps(ax.get_tightbbox()) for ax in axes[np.tril_indices(m)]):
                above.remove()
                half = (len(legend) + 1) // 2
                legend_below(axes[0, 0], [legend[:half], legend[half:]])
    return axes


def component_entries(scene: Scene) -> Entries:
    """Make legend entries with the weight and rows of each component or cluster; of the heaviest if there are many."""
    (what, several), (n_noise, *counts) = scene.kind, scene.counts
    weights, listed = np.bincount(scene.clusters, scene.mixture.weights), np.unique(scene.clusters[scene.present])
    kind = "empty"
    if len(listed) > _MOST_LISTED:
        listed = np.sort(listed[np.argsort(-weights[listed], kind="stable")[: _MOST_LISTED - 2]])
        kind = "lighter"
    word = "rows" if scene.source.sample_weight is None else "weight of rows"
    entries: Entries = [note(f"{what + ' (components)' * scene.combined}: weight, {word}")]
    for c in listed:
        members = f" ({' + '.join(map(str, np.flatnonzero(scene.clusters == c)))})" if scene.combined else ""
        name = literal(scene.classes[c], LONGEST_OF_SEVERAL, scene.classes) if scene.classes else str(c)
        text = f"{name}{members}:  {percent(weights[c])},  {amount(counts[c])}"
        entries.append((dot(scene.cluster_shades[c]), text))
    if scene.mixture.noise:
        entries.append((dot(NOISE), f"noise:  {percent(scene.mixture.noise_weight)},  {amount(n_noise)}"))
    if n_others := len(weights) - len(listed):
        entries.append(note(f"and {counted(n_others, f'{kind} {what}', f'{kind} {several}')}"))
    return entries


def heading(scene: Scene) -> str:
    """Return the number of components, in words, and how many are not empty or how many clusters they are."""
    n_present, components = len(scene.present), counted(scene.n_components, "component")
    if scene.classes or scene.combined:
        clusters = counted(scene.n_clusters, *scene.kind)
        return f"{clusters} of {components}" if scene.combined else clusters
    return f"{n_present} of {components}" if n_present < scene.n_components else components


def marginal_note(what: str, panel: Panel) -> Entries:
    """Note in the legend that a panel ignores the features outside the view, if there are any."""
    return [] if panel.view.shows_all else [note(f"{what} {'each' if panel.small else 'this'} view only")]


def notes(scene: Scene, view: View, edges: Array) -> list[str]:
    """List the rows and components that are not drawn."""
    lines = []
    if len(scene.sample_index) < scene.source.survey.n_used:
        lines.append(f"{len(scene.sample_index):,} of {counted(scene.source.survey.n_used, 'row')} shown")
    rows, components = (
        ((points < edges[:, 0]) | (points > edges[:, 1])).any(axis=1)
        for points in (view.project(scene.used.rows), view.project(scene.mixture.means)[scene.present])
    )
    if rows.any():
        lines.append(f"outside the axes: {counted(int(np.count_nonzero(rows)), 'row')}")
    if components.any():
        components = scene.present[components].tolist()
        listed = ", ".join(map(str, components[:5])) + (", …" if len(components) > 5 else "")
        lines.append(f"outside the axes: {'components' if len(components) > 1 else 'component'} {listed}")
    return lines


def limits(scene: Scene, view: View) -> Array:
    """Compute the limits of each axis, (m, 2).

    The axes cover all rows and components, but extend on either side by at most twice the width of the heaviest
    components, so that outliers do not squeeze everything else. The legend counts what lies outside.
    """
    points, mixture = view.project(scene.used.rows), view.marginal(scene.mixture)
    radii = [mixture.tails.for_components(k).radius(_OUTERMOST) for k in range(mixture.n_components)]
    reach = np.maximum(radii, _REACH)[:, None] * axis_deviations(mixture)
    low, high = mixture.means - reach, mixture.means + reach
    order = np.argsort(-mixture.weights, kind="stable")
    heavier = np.cumsum(mixture.weights[order]) - mixture.weights[order]
    core = order[heavier < _CORE - 1e-9]
    core_low, core_high = low[core].min(axis=0), high[core].max(axis=0)
    beyond, margin = _BEYOND * (core_high - core_low), 0.02 * (core_high - core_low)
    least, most = core_low - beyond, core_high + beyond
    points = np.concatenate([points, low[scene.present], high[scene.present]])
    # Points outside do not stretch the axes at all: the limits are those of the points inside.
    near = (points >= least) & (points <= most)
    low, high = points.min(axis=0, initial=np.inf, where=near), points.max(axis=0, initial=-np.inf, where=near)
    return np.stack([low - margin, high + margin], axis=1)


def coordinates(mixture: MixtureParameters, edges: Array, n: int = 240) -> list[Array]:
    """Choose coordinates along each axis at which to evaluate a mixture of full covariances.

    They are evenly spaced from edge to edge, with extra points around components that are narrow compared with the
    spacing. If these would be too many, only the heaviest narrow components get extra points.
    """
    spreads = axis_deviations(mixture)
    offsets = np.linspace(-6, 6, 12 * _FINE + 1)
    most = n + (_MOST_POINTS / max(1, len(spreads) / 8)) ** (1 / len(edges)) / 2
    axes = []
    for j, (low, high) in enumerate(edges):
        thin = np.flatnonzero((spreads[:, j] < 4 * (high - low) / n) & (mixture.weights > 0))
        thin = thin[np.argsort(-mixture.weights[thin], kind="stable")][: int(most / len(offsets))]
        about = (mixture.means[thin, j, None] + offsets * spreads[thin, j, None]).ravel()
        axes.append(np.unique(np.concatenate([np.linspace(low, high, n), about[(about > low) & (about < high)]])))
    return axes


def grid(axes: list[Array]) -> Array:
    """Return all points of a grid, (n_0 · n_1 …, m); the first axis varies fastest."""
    return np.stack([part.ravel() for part in np.meshgrid(*axes)], axis=1)


def axis_deviations(mixture: MixtureParameters) -> Array:
    """Return the standard deviation of each component along each axis, (K, m), for full covariances."""
    return np.asarray(np.sqrt(np.einsum("kjj->kj", mixture.covariances)))


def ellipse(mixture: MixtureParameters, k: int | np.intp, content: float) -> Array:
    """Return the ellipse that holds the share `content` of component k in a plane, as a polygon (181, 2)."""
    angles = np.linspace(0, 2 * np.pi, 181)
    variances, axes = np.linalg.eigh(mixture.covariances[k])
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    radius = mixture.tails.for_components(k).radius(content)
    return np.asarray(mixture.means[k] + radius * circle * np.sqrt(np.maximum(variances, 0)) @ axes.T)


def check_contents(content: Any) -> list[float]:
    """Check one share or several; return them without duplicates, in ascending order."""
    return sorted({check_real(part, "content", "(0, 1)") for part in np.atleast_1d(np.asarray(content, dtype=object))})


def content_label(content: float) -> str:
    """Format the content of a region in per cent, with all digits given: ``50 %``, ``99.5 %``."""
    return f"{100 * content:.6g}\N{NO-BREAK SPACE}%"


def certainty(shares: Array) -> Array:
    """Rescale the largest of the K probabilities of each row, of clusters or noise, from [1/K, 1] to [0, 1]."""
    K = shares.shape[-1]
    largest = shares.max(axis=-1)
    return np.ones_like(largest) if K == 1 else np.clip((largest - 1 / K) / (1 - 1 / K), 0, 1)


def _emptiest_corner(panel: Panel) -> str:
    """Return the corner with the fewest drawn rows, the first of several; so it is an upper one along an axis."""
    low, high = panel.edges.T
    right, *upper = ((panel.points - low) / (high - low) > 0.5).T
    above, below = (upper[0], ~upper[0]) if upper else (True, True)
    corners = {"upper right": right & above, "upper left": ~right & above}
    corners |= {"lower left": ~right & below, "lower right": right & below}
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
        Weights of the rows. Heavier rows are drawn larger; rows of weight 0 are not drawn.
    max_points : int, default=5000
        Maximum number of rows drawn. Larger tables are subsampled at random, and the legend mentions it. Histograms and
        counts always use all rows.
    random_state : int, RandomState, Generator or None, default=0
        Seed of the subsample.

    Returns
    -------
    Axes, or ndarray of Axes of shape (d, d) for "pairs"
        The legend is ``ax.figure.legends[0]``, below the Axes, or, on Axes of yours, ``ax.get_legend()``, which is
        hidden (``set_visible``) where it would cover more than a quarter of them.

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
    return draw(scene, view, ax, partial(_draw_clusters, contents=contents), heading(scene))


def _draw_clusters(panel: Panel, contents: list[float]) -> list[Entries]:
    scene, inks = panel.scene, panel.inks
    if panel.view.n_axes == 1:
        return [component_entries(scene), _clusters_along_axis(panel)]
    panel.rows(row_colours(scene))
    panel.ellipses(panel.mixture, contents, scene.present)
    panel.numbers(panel.mixture.means, scene.present)
    lines = [Line2D([], [], color=inks.faint, **stroke(order)) for order in range(len(contents))]
    labels = [f"{content_label(part)} of a component" for part in contents]
    return [component_entries(scene), list(zip(lines, labels, strict=True))]


def _clusters_along_axis(panel: Panel) -> Entries:
    ax, scene, mixture, ink = panel.ax, panel.scene, panel.mixture, panel.inks.ink
    x, density, parts = curve(mixture, panel.edges)
    noise, entries = scene.mixture.noise, Entries()
    if noise and panel.view.of_features:  # along another direction, its density is no constant
        low, high = noise.box
        (width,) = np.abs(panel.view.matrix) @ (high - low)
        density = density + float(scene.mixture.noise_weight / width)
    top = panel.histogram(float(density.max()))
    ax.plot(x, density, color=ink, linewidth=1.6, zorder=3)
    for k in scene.present:
        visible = parts[:, k] > 1e-3 * density.max()  # elsewhere the line would run along the axis
        ax.fill_between(x, parts[:, k], where=visible, color=scene.shades[k], alpha=0.25, linewidth=0, zorder=2)
        ax.plot(x[visible], parts[visible, k], color=scene.shades[k], linewidth=1.4, zorder=2.5)
    ax.set(ylim=(0, top), ylabel="density")
    peaks = np.minimum(mixture.weights / np.sqrt(2 * np.pi * mixture.covariances[:, 0, 0]), 0.95 * top)
    panel.numbers(np.column_stack([mixture.means[:, 0], peaks]), scene.present)
    if scene.n_components > 1 or noise:
        line = Line2D([], [], color=ink, linewidth=1.6)
        entries.append((line, f"sum of the components{' and noise' if noise else ''}"))
    return [*entries, (Patch(color=panel.inks.bars), "rows")]


_LEAST, _MORE = 0.6, 5.0  # area of a certain row, and the extra area of a row halfway between two components
_NOTED = 0.1  # uncertainty above which rows are counted
_EXAMPLES = (0.01, 0.1, 0.3, 0.5)


def plot_uncertainty(
    model: Any,
    X: ArrayLike,
    *,
    ax: Axes | None = None,
    view: Any = None,
    sample_weight: ArrayLike | None = None,
    max_points: int = 5000,
    random_state: Any = 0,
) -> Any:
    """Draw rows with larger and darker points (lighter on dark Axes) where their assignment is less certain.

    The uncertainty of a row is one minus its largest responsibility, computed from all features in any view. It is the
    probability that `predict` is wrong if the mixture is the true one. With one feature, the height of each row is
    its uncertainty, and a curve gives the uncertainty by that feature alone. The mean and the share in the legend are
    weighted and use all rows.

    Parameters
    ----------
    model, X, ax, view, sample_weight, max_points, random_state
        As in `plot_clusters`.

    Returns
    -------
    Axes, or ndarray of Axes of shape (d, d) for "pairs"

    Raises
    ------
    NotFittedError, ValueError
        As in `plot_clusters`.

    Examples
    --------
    >>> from gmm import GaussianMixture
    >>> from gmm.plotting import plot_uncertainty
    >>> X = [[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]]
    >>> ax = plot_uncertainty(GaussianMixture(2, random_state=0).fit(X), X)
    >>> ax.get_title()
    'Uncertainty of the assignment'
    """
    scene = scene_of(model, X, sample_weight=sample_weight, max_points=max_points, random_state=random_state)
    return draw(scene, view, ax, _draw_uncertainty, "Uncertainty of the assignment")


def _draw_uncertainty(panel: Panel) -> list[Entries]:
    scene = panel.scene
    uncertainty = 1 - scene.shares_of(scene.responsibilities).max(axis=1)
    largest = 1 - 1 / scene.n_clusters
    if panel.view.n_axes == 1:
        (x,) = coordinates(panel.mixture, panel.edges, n=800)
        shares = scene.shares_of(scored(panel.mixture, x[:, None])[0])
        panel.ax.plot(x, 1 - shares.max(axis=1), color=panel.inks.faint, linewidth=1.4, zorder=1)
        size, shades = 10 * np.sqrt(_area(uncertainty)), _ink(uncertainty, panel)
        panel.ax.scatter(panel.points[:, 0], uncertainty, s=size, c=shades, linewidths=0, zorder=2)
        panel.ax.set(ylim=(-0.04, max(0.55, 1.1 * largest)), ylabel="uncertainty")
        places = np.column_stack([panel.mixture.means[:, 0], np.zeros(scene.n_components)])
    else:
        order = np.argsort(uncertainty, kind="stable")  # the uncertain ones on top
        panel.rows(_ink(uncertainty[order], panel), _area(uncertainty[order]), order)
        places = panel.mixture.means
    panel.numbers(places, scene.present)
    examples = np.array([value for value in _EXAMPLES if value < largest + 1e-9])
    marks = zip(examples, _ink(examples, panel), 4 * np.sqrt(_area(examples)), strict=True)
    sizes: Entries = [(dot(ink, size=size), f"uncertainty {value:g}") for value, ink, size in marks]
    every, weight = scene.uncertainty_of_all, scene.source.sample_weight
    part, mean = (float(np.average(values, weights=weight)) for values in (every > _NOTED, every))
    summary = [f"mean {mean:.2g}", f"above {_NOTED:g}: {percent(part) + ' of' if part else 'no'} rows"]
    return [sizes, list(map(note, summary))]


def _area(uncertainty: Array) -> Array:
    return _LEAST + _MORE * np.clip(2 * uncertainty, 0, 1)


def _ink(uncertainty: Array, panel: Panel) -> Array:
    depth = np.clip(2 * uncertainty, 0, 1) ** 0.5
    return np.column_stack([panel.inks.mixed(depth), 0.35 + 0.5 * depth])


_THIN = 0.06  # in standard deviations of the mixture, and of the component along an axis
_COVERED = 6.0  # standard deviations of each component that the surface covers
_LABEL = 8  # font size in points
_BADGE, _LINE = 2.5, 2.5  # label heights needed by the number in the middle, and by each line around it
_SAMPLE = 50_000  # rows sampled from a mixture: enough for the content of a region to some tenths of a per cent
_SHADED = (0.999, 0.99, 0.97, 0.94, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.03)
_SHADES = ("#f4f7fb", "#9db9dc", "#486ca6")


def plot_density(
    model: Any,
    X: ArrayLike,
    *,
    ax: Axes | None = None,
    view: Any = None,
    content: float | Sequence[float] = (0.5, 0.9, 0.99),
    sample_weight: ArrayLike | None = None,
    max_points: int = 5000,
    random_state: Any = 0,
) -> Any:
    """Draw contours of the log density, each around the smallest region that holds a given share of the mixture.

    The legend gives the log density at each line, in nats, and shading fills the space between the lines. Rows are
    grey dots. If the mixture has more features than the view has axes, the density is the exact marginal in the view.
    With one feature, the density is a curve, and the regions are shaded below it.

    Parameters
    ----------
    model, X, ax, view, sample_weight, max_points, random_state
        As in `plot_clusters`.
    content : float or sequence of float, default=(0.5, 0.9, 0.99)
        Share of the mixture that each region holds, estimated from the densities of 50 000 rows sampled from it.

    Returns
    -------
    Axes, or ndarray of Axes of shape (d, d) for "pairs"

    Raises
    ------
    NotFittedError, ValueError
        As in `plot_clusters`.

    Examples
    --------
    >>> from gmm import GaussianMixture
    >>> from gmm.plotting import plot_density
    >>> X = [[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]]
    >>> ax = plot_density(GaussianMixture(2, random_state=0).fit(X), X)
    >>> ax.get_title()
    'Density of 2 components'
    """
    contents = check_contents(content)
    if not contents:
        raise invalid("content must be one share or several, as in (0.5, 0.9); got none")
    scene = scene_of(model, X, sample_weight=sample_weight, max_points=max_points, random_state=random_state)
    if scene.combined:
        raise ValueError("plot_density shows components only: pass combined.model, or classifier.as_mixture()")
    check_compatible("noise", {"plot_density": scene.mixture.noise})
    return draw(scene, view, ax, partial(_draw_density, contents=contents), f"Density of {heading(scene)}")


def highest_density(mixture: MixtureParameters, contents: Sequence[float]) -> Array:
    """Return the log densities above which given shares of a mixture lie, in nats, in the order of `contents`.

    They are quantiles of the densities of rows sampled from the mixture with a fixed seed (Hyndman 1996).

    References
    ----------
    R. J. Hyndman (1996). Computing and graphing highest density regions. *The American Statistician* 50, 120-126.
    """
    sample, _ = mixture.sample(_SAMPLE, np.random.default_rng(0))
    _, log_density = scored(mixture, sample)
    return np.asarray(np.quantile(log_density, 1 - np.asarray(contents)))


def _draw_density(panel: Panel, contents: list[float]) -> list[Entries]:
    ax, inks, n = panel.ax, panel.inks, len(contents)
    levels, shaded = np.split(highest_density(panel.mixture, [*contents, *_SHADED]), [n])
    shades = LinearSegmentedColormap.from_list("gmm_density", [inks.paper, _SHADES[-1]] if inks.dark else _SHADES)
    keys: list[Artist]
    if panel.view.n_axes == 1:
        tints = shades(np.linspace(0.95, 0.25, n))
        x, density, _ = curve(panel.mixture, panel.edges)
        for level, tint in reversed(list(zip(np.exp(levels), tints, strict=True))):
            ax.fill_between(x, density, where=density >= level, color=tint, linewidth=0, interpolate=True)
        ax.plot(x, density, color=inks.ink, linewidth=1.6)
        ax.set(ylim=(0, 1.08 * density.max()), ylabel="density")
        panel.rug(panel.points[:, 0], 0.015, alpha=0.25)
        marker, keys = "|", [Patch(color=tint) for tint in tints]
    else:
        widths, shaded = [max(1.8 - 0.5 * i, 0.8) for i in range(n)], np.unique(shaded)
        labels = dict(zip(levels, map(content_label, contents), strict=True))
        filled = dict(zip(shaded, shades(np.linspace(0, 1, len(shaded))), strict=True))
        _contours_in_plane(panel, labels, widths[::-1], filled)
        marker, keys = "o", [Line2D([], [], color=inks.ink, linewidth=width) for width in widths]
    above = ["within" if panel.small else f"above log density {level:.3g}".replace("-", "−") for level in levels]
    lines = [(key, f"{content_label(part)} {text}") for key, part, text in zip(keys, contents, above, strict=True)]
    return [lines, [(dot(inks.faint, marker, 4), "rows"), *marginal_note("density in", panel)]]


def _contours_in_plane(panel: Panel, labels: dict[float, str], widths: list[float], tints: dict[float, Any]) -> None:
    """Draw lines at log densities, with their labels and widths from the outermost on, and fill others with tints."""
    ax, mixture, ink, levels = panel.ax, panel.mixture, panel.inks.ink, sorted(labels)
    panel.rows(panel.inks.row, area=0.6).set_alpha(0.45)
    whitened, centre, factor = _whitened(mixture)
    along = axis_deviations(whitened).min(axis=1)
    across = np.sqrt(np.maximum(np.linalg.eigvalsh(whitened.covariances)[:, 0], 0))
    thin = (across < _THIN * along) & (across < _THIN)  # than the spacing of the grid, in a direction that is no axis
    for k in np.flatnonzero(thin & (mixture.weights > 0)):
        for level, tint in tints.items():
            _outline(ax, mixture, k, level, facecolor=tint, zorder=0.5)
        for level, width in zip(levels, widths, strict=True):
            _outline(ax, mixture, k, level, fill=False, edgecolor=ink, linewidth=width, zorder=3)
    present = ~thin & (mixture.weights > 0)
    if present.any():
        # A grid in the coordinates in which the mixture's covariance is 1 covers the other components.
        part = whitened.for_components(present)
        reach = _COVERED * axis_deviations(part)
        axes = coordinates(part, np.stack([(part.means - reach).min(axis=0), (part.means + reach).max(axis=0)], axis=1))
        points = grid(axes)
        heights = scored(part, points)[1] + np.log(whitened.weights[present].sum()) - np.log(np.diag(factor)).sum()
        x, y, z = np.column_stack([points @ factor.T + centre, heights]).T.reshape(3, len(axes[1]), len(axes[0]))
        ax.contourf(x, y, z, levels=list(tints), colors=list(tints.values()), extend="max", zorder=0)
        lines = ax.contour(x, y, z, levels=levels, colors=ink, linewidths=widths, linestyles="solid", zorder=3)
        if not panel.small:
            _label(ax, lines, labels)
    panel.numbers(mixture.means, panel.scene.present)


def _label(ax: Axes, lines: ContourSet, labels: dict[float, str]) -> None:
    """Label each line with the content of its region, except where lines are too close; the legend has it as well."""
    label_height = _LABEL * ax.figure.dpi / 72
    small: list[Array] = []
    for number, segments in enumerate(reversed(lines.allsegs), 1):  # from the innermost level
        outlines = [ax.transData.transform(segment) for segment in segments if len(segment)]
        small += [outline for outline in outlines if _width(outline) < (_BADGE + number * _LINE) * label_height]
    for text in ax.clabel(lines, fmt=labels, fontsize=_LABEL, inline=False):
        text.set_bbox({"boxstyle": "square,pad=0.1", "facecolor": inks_of(ax).paper, "edgecolor": "none"})
        at = ax.transData.transform(text.get_position())
        tight = any(np.abs(outline - at).max(axis=1).min() < label_height / 2 for outline in small)
        if tight or not ax.bbox.contains(*at):
            text.remove()


def _width(outline: Array) -> float:
    """Estimate the smaller width of an outline (n, 2): four times its area over its perimeter."""
    steps = np.diff(outline, axis=0, append=outline[:1])
    area = 0.5 * abs(float(np.sum(outline[:, 0] * steps[:, 1] - outline[:, 1] * steps[:, 0])))
    return 4 * area / max(float(np.hypot(*steps.T).sum()), 1e-300)


def _outline(ax: Axes, mixture: MixtureParameters, k: np.intp, level: float, **style: Any) -> None:
    """Draw the ellipse in which the log density of one component alone is at least `level`, if there is one."""
    highest = np.log(mixture.weights[k]) - np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(mixture.covariances[k])[1]
    content = mixture.tails.for_components(k).content(min(level - highest, 0))
    if 0 < content < 1:
        ax.add_patch(Polygon(ellipse(mixture, k, content), closed=True, **style))


def _whitened(mixture: MixtureParameters) -> tuple[MixtureParameters, Array, Array]:
    """Return the mixture scaled to covariance 1, its centre, and the factor that undoes the scaling."""
    weights = mixture.weights / mixture.weights.sum()
    centre = weights @ mixture.means
    away = mixture.means - centre
    covariance = np.tensordot(weights, mixture.covariances, axes=1) + (away.T * weights) @ away
    scales = np.sqrt(np.diagonal(covariance))
    correlation = covariance / np.outer(scales, scales)
    try:
        factor = scales[:, None] * np.linalg.cholesky(correlation)
    except np.linalg.LinAlgError:  # of equal features
        factor = scales[:, None] * np.linalg.cholesky(correlation + 1e-12 * np.eye(len(scales)))
    inverse = np.linalg.inv(factor)
    whitened = projected_mixture(weights, away @ inverse.T, inverse @ mixture.covariances @ inverse.T)
    return whitened.with_other(tails=mixture.tails), centre, factor


_BINS = 16


def plot_pairs(
    X: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    filled: ArrayLike | None = None,
    columns: Any = None,
    max_points: int = 5000,
    random_state: Any = 0,
) -> NDArray[np.object_]:
    """Draw rows before any fit: histograms of columns, and every pair of them.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d)
        Rows. A missing value leaves its row out where its column is drawn, unless it is `filled`.
    labels : array-like of shape (n,), default=None
        Classes of the rows, which colour them; unknown ones (None, NaN) are black.
    filled : array-like of shape (n, d), default=None
        The same rows without gaps, as `impute` returns them: where X has none, its values are drawn as crosses, and as
        dotted lines in histograms.
    columns : sequence of int or str, default=None
        The columns to draw, by index or name; None draws the first six.
    max_points : int, default=5000
        Maximum number of rows drawn, chosen at random. Histograms use all rows.
    random_state : int, RandomState, Generator or None, default=0
        Seed of the choice.

    Returns
    -------
    ndarray of Axes of shape (m, m)

    Raises
    ------
    ValueError, TypeError
        If the rows, labels or columns are unusable.

    Examples
    --------
    >>> from gmm.plotting import plot_pairs
    >>> plot_pairs([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]]).shape
    (2, 2)
    """
    source = as_source(X, estimator=plot_pairs.__name__, missing="em")
    rows = as_one_array(source, "a picture", gaps=True).rows
    full = rows
    if filled is not None:
        full = as_one_array(as_source(filled, estimator=plot_pairs.__name__), "a picture").rows
        if full.shape != rows.shape:
            raise ValueError(f"expected filled of shape {rows.shape}, as X has, got {full.shape}")
    names = column_names(source.feature_names, rows.shape[1])
    chosen = columns_of(columns, names)
    classes, codes = check_labels([None] * len(rows) if labels is None else labels, len(rows), unknown=None)
    n_drawn = min(check_whole(max_points, "max_points"), len(rows))
    drawn = np.sort(check_random_state(random_state).choice(len(rows), n_drawn, replace=False))
    called, shades = list(map(str, classes.tolist())), colours(len(classes))

    def fill(ax: Axes, i: int, j: int) -> Entries:
        entries: Entries = [
            (dot(shade), literal(name, LONGEST_OF_SEVERAL, called)) for shade, name in zip(shades, called, strict=True)
        ]
        if filled is not None:
            entries.append((dot(inks_of(ax).ink, "x"), "filled"))
        if i == j:
            _draw_column(ax, rows[:, chosen[i]], full[:, chosen[i]], codes, shades)
        else:
            pair = np.ix_(drawn, np.array([chosen[j], chosen[i]]))
            _draw_pair(ax, rows[pair], full[pair], codes[drawn], shades)
        return entries

    title = counted(len(rows), "row") if n_drawn == len(rows) else f"{n_drawn:,} of {counted(len(rows), 'row')}"
    if len(chosen) < len(names):
        title += f", {len(chosen)} of {counted(len(names), 'column')}"
    return grid_of_pairs([literal(names[j], LONGEST_OF_SEVERAL, names) for j in chosen], title, fill)


def _draw_column(ax: Axes, values: NDArray[Any], full: NDArray[Any], codes: NDArray[np.intp], shades: Array) -> None:
    observed = np.isfinite(values)
    finite = values[observed]
    width = finite.max(initial=-np.inf) - finite.min(initial=np.inf)
    tied = width < 2 * _BINS * np.spacing(np.abs(finite).max(initial=0))  # too few numbers lie between for the bins
    edges = np.histogram_bin_edges(finite, bins=1 if tied else _BINS)
    heights, _ = np.histogram(finite, edges)
    ax.stairs(heights, edges, fill=True, color=inks_of(ax).bars, zorder=1)
    if np.isfinite(full[~observed]).any():
        ax.stairs(np.histogram(full[~observed], edges)[0], edges, color=inks_of(ax).ink, linestyle=":", zorder=3)
    for k, shade in enumerate(shades):
        ax.stairs(np.histogram(values[observed & (codes == k)], edges)[0], edges, color=shade, linewidth=1.4, zorder=2)


def _draw_pair(ax: Axes, values: NDArray[Any], full: NDArray[Any], codes: NDArray[np.intp], shades: Array) -> None:
    marks: Any = np.vstack([shades, to_rgb(NOISE)])[codes] if len(shades) else inks_of(ax).row
    ax.scatter(values[:, 0], values[:, 1], s=9, c=marks, alpha=0.7, linewidths=0, zorder=2)
    gaps = np.isnan(values).any(axis=1) & np.isfinite(full).all(axis=1)
    if gaps.any():
        crosses = marks[gaps] if len(shades) else inks_of(ax).ink
        ax.scatter(full[gaps, 0], full[gaps, 1], s=18, c=crosses, marker="x", linewidths=0.9, zorder=3)


plot_clusters.__module__ = plot_density.__module__ = plot_pairs.__module__ = plot_uncertainty.__module__ = (
    "gmm.plotting"
)
