"""Regions of components, clusters or classes, and the boundaries between them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import find_objects

from gmm._plotting.planes import (
    Panel,
    certainty,
    component_entries,
    coordinates,
    draw,
    grid,
    heading,
    marginal_note,
    row_colours,
)
from gmm._plotting.scene import scene_of, scored
from gmm._plotting.style import Entries
from gmm._uses.overlap import shares_of
from gmm._validation.combinations import check_compatible
from gmm._validation.scalars import check_boolean
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters

_TINTS = 400  # tinted cells along each axis of a plane; twice as many along a single axis
_PALEST, _FULLEST = 0.06, 0.5  # opacity where all components are equally probable, and where one is certain
_STEPS = 8  # Newton steps from a contour of the grid to the points where two responsibilities are equal


def plot_decision_boundaries(
    model: Any,
    X: ArrayLike,
    *,
    ax: Axes | None = None,
    view: Any = None,
    uncertainty: bool = True,
    sample_weight: ArrayLike | None = None,
    max_points: int = 2000,
    random_state: Any = 0,
) -> Any:
    """Tint regions by their most probable component, cluster or class; draw lines where two are equally probable.

    If the mixture has more features than the view has axes, regions and lines are those of the exact marginal in the
    view: the assignment given these axes alone. Components without rows, which a posterior has, have no region. Rows
    are coloured by soft assignment from all features, so a row may lie in the region of another component. With one
    feature, the responsibilities are curves from 0 to 1.

    Parameters
    ----------
    model, X, ax, view, sample_weight, max_points, random_state
        As in `plot_clusters`.
    uncertainty : bool, default=True
        Whether tints fade where the most probable component is uncertain.

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
    >>> from gmm.plotting import plot_decision_boundaries
    >>> X = [[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]]
    >>> ax = plot_decision_boundaries(GaussianMixture(2, random_state=0).fit(X), X)
    >>> ax.get_title()
    'Decision regions of 2 components'
    """
    scene = scene_of(model, X, sample_weight=sample_weight, max_points=max_points, random_state=random_state)
    check_compatible("noise", {"plot_decision_boundaries": scene.mixture.noise})
    title = f"Decision regions of {heading(scene)}"
    return draw(scene, view, ax, partial(_draw_regions, uncertainty=check_boolean(uncertainty, "uncertainty")), title)


def boundaries(mixture: MixtureParameters, edges: Array, clusters: NDArray[np.intp] | None = None) -> list[Array]:
    """Return lines (n, 2) in a plane, or points (1, 1) on an axis, where the two largest responsibilities are equal.

    Those of clusters, or classes, are exact to a fine grid.
    """
    find = _boundary_points if mixture.n_features == 1 else _boundary_lines
    return find(mixture, edges, np.arange(mixture.n_components) if clusters is None else clusters)


def _shares(mixture: MixtureParameters, clusters: NDArray[np.intp], points: Array) -> Array:
    """Return the probability of each cluster at points (n, m), without a copy of those of components."""
    responsibilities, _ = scored(mixture, points)
    return responsibilities if len(set(clusters.tolist())) == len(clusters) else shares_of(clusters, responsibilities)


def _draw_regions(panel: Panel, uncertainty: bool) -> list[Entries]:
    scene, inks = panel.scene, panel.inks
    is_present = np.isin(np.arange(scene.n_components), scene.present)  # components without rows have no region
    mixture = panel.mixture.with_other(weights=np.where(is_present, panel.mixture.weights, 0))
    draw_panel = _regions_along_axis if panel.view.n_axes == 1 else _regions_in_plane
    panel.numbers(draw_panel(panel, mixture, uncertainty), scene.present)
    entries = marginal_note("regions in", panel)
    if scene.n_clusters > 1:
        line, patch = Line2D([], [], color=inks.ink, linewidth=1), Patch(facecolor=inks.pale, edgecolor=inks.pale_edge)
        entries.append((line, f"two {scene.kind[1]} equally probable"))
        entries += [(patch, f"{'dark' if inks.dark else 'pale'}: uncertain")] * uncertainty
    return [component_entries(scene), entries]


def _regions_in_plane(panel: Panel, mixture: MixtureParameters, uncertainty: bool) -> Array:
    scene = panel.scene
    _show_tints(panel, mixture, uncertainty, _TINTS)
    panel.rows(row_colours(scene, 0.45, 0.95), area=0.8)
    if scene.n_clusters > 1:
        segments = boundaries(mixture, panel.edges, scene.clusters)
        lines = LineCollection(segments, colors=panel.inks.ink, linewidths=1.0, zorder=3)
        lines.set_gid("boundaries")
        panel.ax.add_collection(lines, autolim=False)
    return mixture.means


def _regions_along_axis(panel: Panel, mixture: MixtureParameters, uncertainty: bool) -> Array:
    ax, scene, means = panel.ax, panel.scene, mixture.means[:, 0]
    (x,) = coordinates(mixture, panel.edges, n=800)
    shares = _shares(mixture, scene.clusters, x[:, None])
    _show_tints(panel, mixture, uncertainty, 2 * _TINTS)
    shades = panel.inks.strong(scene.cluster_shades)
    for k in np.unique(scene.clusters[scene.present]):
        ax.plot(x, shares[:, k], color=shades[k], linewidth=1.6, zorder=2)
    points = np.ravel(boundaries(mixture, panel.edges, scene.clusters))
    ax.vlines(points, 0, 1, color=panel.inks.ink, linewidth=1, zorder=3, gid="boundaries")
    values = panel.points[:, 0]
    ax.scatter(values, np.full(len(values), -0.04), s=30, c=row_colours(scene), marker="|", linewidths=0.8)
    ax.set(ylim=(-0.08, 1.08), ylabel="responsibility")
    return np.column_stack([means, shares[np.abs(x[:, None] - means).argmin(axis=0), scene.clusters]])


def _show_tints(panel: Panel, mixture: MixtureParameters, uncertainty: bool, n: int) -> None:
    """Tint n cells along each axis by their most probable cluster; those of a single axis extend from 0 to 1."""
    centres = [low + (np.arange(n) + 0.5) * (high - low) / n for low, high in panel.edges]
    shares = _shares(mixture, panel.scene.clusters, grid(centres))
    opacity = np.full(len(shares), 0.35)
    if uncertainty:
        opacity = _PALEST + (_FULLEST - _PALEST) * certainty(shares)
    tints = np.column_stack([panel.scene.cluster_shades[shares.argmax(axis=1)], opacity]).reshape(-1, n, 4)
    across, up = [*panel.edges, (0.0, 1.0)][:2]
    style: Any = {"origin": "lower", "aspect": "auto", "interpolation": "nearest", "zorder": 0}
    panel.ax.imshow(tints, extent=(*across, *up), **style)


def _boundary_lines(mixture: MixtureParameters, edges: Array, clusters: NDArray[np.intp]) -> list[Array]:
    """Find where each component is as probable as the best of the others: contours on a grid, then Newton steps.

    Two components share a boundary; only that of the first of them is kept.
    """
    segments, is_exact = list[Array](), np.array_equal(clusters, np.arange(mixture.n_components))
    for k, contour in _contours(mixture, coordinates(mixture, edges), clusters):
        line = _refined(mixture, contour, (edges[:, 1] - edges[:, 0]) / 100) if is_exact else contour
        segments += _segments(_best_two(_shares(mixture, clusters, line)).min(axis=1) == k, line)
    return segments


def _contours(mixture: MixtureParameters, axes: list[Array], clusters: NDArray[np.intp]) -> Iterator[tuple[int, Array]]:
    """Yield clusters, each with a line (n, 2) around a part of the grid in which it is the most probable."""
    shares = _shares(mixture, clusters, grid(axes)).reshape(len(axes[1]), len(axes[0]), -1)
    scratch = Figure().subplots()
    for k, region in enumerate(find_objects(shares.argmax(axis=2) + 1, max_label=int(clusters.max()))):
        if region is None:
            continue
        down, across = (slice(max(side.start - 1, 0), side.stop + 1) for side in region)
        inside = shares[down, across]
        ahead = _log(inside[..., k]) - _log(np.delete(inside, k, axis=2).max(axis=2, initial=0))
        if ahead.min() < 0 < ahead.max():
            contour = scratch.contour(axes[0][across], axes[1][down], ahead, levels=[0.0])
            yield from ((k, line) for line in contour.allsegs[0])


def _log(responsibilities: Array) -> Array:
    return np.asarray(np.log(np.maximum(responsibilities, np.finfo(np.float64).tiny)))


def _best_two(responsibilities: Array) -> NDArray[np.intp]:
    """Return the second and the most probable component, (n, 2)."""
    return np.argpartition(responsibilities, -2, axis=1)[:, -2:]


def _segments(first: NDArray[np.bool_], line: Array) -> list[Array]:
    """Return the parts of a line whose vertices are `first`."""
    steps = first[1:] | first[:-1]  # both lines keep the step between two parts, which avoids a gap
    turns = np.flatnonzero(np.diff(np.concatenate([[False], steps, [False]])))
    return [line[start : end + 1] for start, end in turns.reshape(-1, 2)]


def _refined(mixture: MixtureParameters, vertices: Array, cell: Array) -> Array:
    """Move vertices along the gradient to where the two most probable components are equal."""
    points = np.array(vertices, dtype=np.float64)
    precisions = mixture.model.layout.gram(mixture.whiteners)
    for _ in range(_STEPS):
        responsibilities, _ = scored(mixture, points)
        best = _best_two(responsibilities)
        two = _log(np.take_along_axis(responsibilities, best, axis=1))
        with np.errstate(over="ignore", invalid="ignore"):
            second, first = (-np.einsum("nij,nj->ni", precisions[k], points - mixture.means[k]) for k in best.T)
            slope, ahead = (first - second) * cell, two[:, 1] - two[:, 0]
        slope[~np.isfinite(slope).all(axis=1)] = 0  # so steep that the grid is exact enough
        largest = np.abs(slope).max(axis=1, keepdims=True)
        largest[largest == 0] = 1
        slope /= largest  # first, since squares may overflow
        step = -ahead[:, None] / largest * slope / np.maximum((slope**2).sum(axis=1, keepdims=True), 1)
        step /= np.maximum(1, np.abs(step).max(axis=1, keepdims=True))  # at most one hundredth of the axes
        points += step * cell
    return points


def _boundary_points(mixture: MixtureParameters, edges: Array, clusters: NDArray[np.intp]) -> list[Array]:
    """Find where the most probable component changes along an axis, by bisection of a fine grid's intervals."""
    (x,) = coordinates(mixture, edges, n=2000)
    labels = _shares(mixture, clusters, x[:, None]).argmax(axis=1)
    at = np.flatnonzero(labels[1:] != labels[:-1])
    if not len(at):
        return []
    low, high, left, right = x[at], x[at + 1], labels[at], labels[at + 1]
    each = np.arange(len(at))
    for _ in range(60):
        middle = 0.5 * (low + high)
        responsibilities = _shares(mixture, clusters, middle[:, None])
        before = responsibilities[each, left] > responsibilities[each, right]
        low, high = np.where(before, middle, low), np.where(before, high, middle)
    return [np.array([[point]]) for point in 0.5 * (low + high)]


plot_decision_boundaries.__module__ = "gmm.plotting"
