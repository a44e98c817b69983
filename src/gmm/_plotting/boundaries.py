"""`plot_decision_boundaries`: the regions in which each component, cluster or class is the most probable one."""

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

from gmm._plotting.frame import component_entries, draw, heading, marginal_note
from gmm._plotting.legends import Entries
from gmm._plotting.marks import numbers, row_colours, rows
from gmm._plotting.scene import Scene, certainty, coordinates, grid, scene_of, scored
from gmm._plotting.style import inks_of
from gmm._plotting.view import View
from gmm._public import publish
from gmm._uses.combining import shares_of
from gmm._validation.combinations import refuse
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
    refuse("noise", {"plot_decision_boundaries": scene.mixture.noise})
    title = f"Decision regions of {heading(scene)}"
    return draw(scene, view, ax, partial(_panel, uncertainty=bool(uncertainty)), title)


def boundaries(mixture: MixtureParameters, edges: Array, clusters: NDArray[np.intp] | None = None) -> list[Array]:
    """Return lines (n, 2) in a plane, or points (1, 1) on an axis, where the two largest responsibilities are equal.

    Those of clusters, or classes, are exact to a fine grid.
    """
    find = _points if mixture.n_features == 1 else _lines
    return find(mixture, edges, np.arange(mixture.n_components) if clusters is None else clusters)


def _shares(mixture: MixtureParameters, clusters: NDArray[np.intp], points: Array) -> Array:
    """Return the probability of each cluster at points (n, m), without a copy of those of components."""
    responsibilities, _ = scored(mixture, points)
    return responsibilities if len(set(clusters.tolist())) == len(clusters) else shares_of(clusters, responsibilities)


def _panel(ax: Axes, scene: Scene, view: View, edges: Array, *, small: bool, uncertainty: bool) -> list[Entries]:
    mixture = _of_rows(view.marginal(scene.mixture), scene.present)
    draw_panel = _axis if view.n_axes == 1 else _plane
    places = draw_panel(ax, scene, view, mixture, edges, uncertainty)
    numbers(ax, places, scene.present, scene.shades, small=small)
    entries, inks = marginal_note("regions in", view, small=small), inks_of(ax)
    if scene.n_clusters > 1:
        what = "classes" if scene.classes else "clusters" if scene.n_clusters < scene.n_components else "components"
        entries.append((Line2D([], [], color=inks.ink, linewidth=1), f"two {what} equally probable"))
    if scene.n_clusters > 1 and uncertainty:
        entries.append(
            (Patch(facecolor=inks.pale, edgecolor=inks.pale_edge), f"{'dark' if inks.dark else 'pale'}: uncertain")
        )
    return [component_entries(scene), entries]


def _of_rows(mixture: MixtureParameters, present: NDArray[np.intp]) -> MixtureParameters:
    """Leave no weight to components without rows, which a posterior has, so that no region is theirs."""
    weights = np.zeros(mixture.n_components)
    weights[present] = mixture.weights[present]
    return mixture.with_other(weights=weights)


def _plane(ax: Axes, scene: Scene, view: View, mixture: MixtureParameters, edges: Array, uncertainty: bool) -> Array:
    axes = [_centres(edge, _TINTS) for edge in edges]
    tints = _tints(scene, _shares(mixture, scene.clusters, grid(axes)), uncertainty).reshape(_TINTS, _TINTS, 4)
    _show_tints(ax, tints, edges)
    rows(ax, scene, view, row_colours(scene, 0.45, 0.95), area=0.8)
    if scene.n_clusters > 1:
        lines = LineCollection(
            boundaries(mixture, edges, scene.clusters), colors=inks_of(ax).ink, linewidths=1.0, zorder=3
        )
        lines.set_gid("boundaries")
        ax.add_collection(lines, autolim=False)
    return mixture.means


def _axis(ax: Axes, scene: Scene, view: View, mixture: MixtureParameters, edges: Array, uncertainty: bool) -> Array:
    (x,) = coordinates(mixture, edges, n=800)
    shares = _shares(mixture, scene.clusters, x[:, None])
    tints = _tints(scene, _shares(mixture, scene.clusters, _centres(edges[0], 2 * _TINTS)[:, None]), uncertainty)[None]
    _show_tints(ax, tints, [edges[0], (0.0, 1.0)])
    shades = inks_of(ax).strong(scene.cluster_shades)
    for k in np.unique(scene.clusters[scene.present]):
        ax.plot(x, shares[:, k], color=shades[k], linewidth=1.6, zorder=2)
    points = boundaries(mixture, edges, scene.clusters)
    ax.vlines([point[0, 0] for point in points], 0, 1, color=inks_of(ax).ink, linewidth=1, zorder=3, gid="boundaries")
    values = view.project(scene.sample_rows)[:, 0]
    ax.scatter(values, np.full(len(values), -0.04), s=30, c=row_colours(scene), marker="|", linewidths=0.8)
    ax.set_ylim(-0.08, 1.08)
    ax.set_ylabel("responsibility")
    highest = shares[np.abs(x[:, None] - mixture.means[:, 0]).argmin(axis=0), scene.clusters]
    return np.column_stack([mixture.means[:, 0], highest])


def _centres(edge: Array, n: int) -> Array:
    low, high = edge
    return np.asarray(low + (np.arange(n) + 0.5) * (high - low) / n)


def _show_tints(ax: Axes, tints: Array, edges: Any) -> None:
    (left, right), (bottom, top) = edges
    extent = (float(left), float(right), float(bottom), float(top))
    ax.imshow(tints, extent=extent, origin="lower", aspect="auto", interpolation="nearest", zorder=0)


def _tints(scene: Scene, responsibilities: Array, uncertainty: bool) -> Array:
    opacity = np.full(len(responsibilities), 0.35)
    if uncertainty:
        opacity = _PALEST + (_FULLEST - _PALEST) * certainty(responsibilities)
    shades = scene.cluster_shades[responsibilities.argmax(axis=1)]
    return np.column_stack([shades, opacity])


def _lines(mixture: MixtureParameters, edges: Array, clusters: NDArray[np.intp]) -> list[Array]:
    """Find where each component is as probable as the best of the others: contours on a grid, then Newton steps.

    Two components share a boundary; only that of the first of them is kept.
    """
    contours = list(_contours(mixture, coordinates(mixture, edges), clusters))
    if not contours:
        return []
    ends = np.cumsum([len(line) for _, line in contours])
    points = np.concatenate([line for _, line in contours])
    if np.array_equal(clusters, np.arange(mixture.n_components)):
        points = _refined(mixture, points, (edges[:, 1] - edges[:, 0]) / 100)
    lower = _best_two(_shares(mixture, clusters, points)).min(axis=1)
    parts = zip(np.split(points, ends[:-1]), np.split(lower, ends[:-1]), contours, strict=True)
    return [segment for line, first, (k, _) in parts for segment in _segments(first == k, line)]


def _contours(mixture: MixtureParameters, axes: list[Array], clusters: NDArray[np.intp]) -> Iterator[tuple[int, Array]]:
    """Yield clusters, each with a line (n, 2) around a part of the grid in which it is the most probable."""
    shape = len(axes[1]), len(axes[0])
    flat = _shares(mixture, clusters, grid(axes))
    each, best = np.arange(len(flat)), flat.argmax(axis=1)
    largest = flat[each, best]
    flat[each, best] = -1  # for a moment, to avoid a copy of up to a hundred megabytes
    second = flat.max(axis=1).reshape(shape)
    flat[each, best] = largest
    responsibilities, largest, best = flat.reshape(*shape, -1), largest.reshape(shape), best.reshape(shape)
    scratch = Figure().subplots()
    for k, region in enumerate(find_objects(best + 1, max_label=int(clusters.max()))):
        if region is None:
            continue
        down, across = (slice(max(side.start - 1, 0), side.stop + 1) for side in region)
        window = down, across
        others = np.where(best[window] == k, second[window], largest[window])
        ahead = _log(responsibilities[down, across, k]) - _log(others)
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
    return [line[begin : end + 1] for begin, end in turns.reshape(-1, 2)]


def _refined(mixture: MixtureParameters, vertices: Array, cell: Array) -> Array:
    """Move vertices along the gradient to where the two most probable components are equal."""
    points = np.array(vertices, dtype=np.float64)
    precisions = mixture.model.layout.gram(mixture.whiteners)
    for _ in range(_STEPS):
        responsibilities, _ = scored(mixture, points)
        best = _best_two(responsibilities)
        two = _log(np.take_along_axis(responsibilities, best, axis=1))
        with np.errstate(over="ignore", invalid="ignore"):
            second, first = (_gradient(mixture, precisions, points, best[:, i]) for i in (0, 1))
            slope, ahead = (first - second) * cell, two[:, 1] - two[:, 0]
        slope[~np.isfinite(slope).all(axis=1)] = 0  # so steep that the grid is exact enough
        largest = np.abs(slope).max(axis=1, keepdims=True)
        largest[largest == 0] = 1
        slope /= largest  # first, since squares may overflow
        step = -ahead[:, None] / largest * slope / np.maximum((slope**2).sum(axis=1, keepdims=True), 1)
        step /= np.maximum(1, np.abs(step).max(axis=1, keepdims=True))  # at most one hundredth of the axes
        points += step * cell
    return points


def _gradient(mixture: MixtureParameters, precisions: Array, points: Array, which: NDArray[np.intp]) -> Array:
    return -np.einsum("nij,nj->ni", precisions[which], points - mixture.means[which])


def _points(mixture: MixtureParameters, edges: Array, clusters: NDArray[np.intp]) -> list[Array]:
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


publish("gmm.plotting", [plot_decision_boundaries])
