"""Everything around a plot: its figure or the caller's Axes, the grid of pairs, labels, and the legend with its notes.

A panel draws the inside of one Axes, in one view.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Protocol

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from numpy.typing import NDArray

from gmm._exceptions import InvalidParameterError, raisable
from gmm._plotting.legends import Entries, dot, legend_below, legend_in, legend_of_pairs, note
from gmm._plotting.scene import Scene, limits, outside_limits
from gmm._plotting.style import NOISE, STYLE, axes_of, closed_on_failure, fix_tick_colours
from gmm._plotting.view import MOST_PAIRED, View, columns_of, literal, view_of
from gmm._text.amounts import amount, counted, percent
from gmm._values.directions import telling
from gmm._values.layouts import Array

_MOST_LISTED = 8
_LONGEST_OF_PAIRS = 18  # characters of a feature's name in a grid of pairs


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
        _check_scales(target)
        edges = limits(scene, projection)
        columns = _fill(target, scene, projection, panel, edges)
        columns[-1].extend(map(note, notes(scene, projection, edges)))
        for axis, label in zip((target.xaxis, target.yaxis), projection.labels, strict=False):
            axis.set_label_text(label)
        target.set_title(title)
        if ax is None:
            legend_below(target, columns)
        else:
            legend_in(_emptiest_corner(ax, scene, projection), ax, columns)
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
        name = literal(scene.classes[c], _LONGEST_OF_PAIRS, scene.classes) if scene.classes else str(c)
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


def _check_scales(ax: Axes) -> None:
    scales = {ax.get_xscale(), ax.get_yscale()} - {"linear"}
    if scales:
        raise raisable(InvalidParameterError)(
            f"ax must have linear scales, because components are ellipses only there; got {', '.join(sorted(scales))}"
        )


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
        names = tuple(literal(scene.names[j], _LONGEST_OF_PAIRS, scene.names) for j in columns)
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
