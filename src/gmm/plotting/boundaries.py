"""`plot_decision_boundaries`: the regions in which each component is the most probable one."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from gmm.layouts import Array
from gmm.parameters import MixtureParameters
from gmm.plotting.frame import Entries, component_entries, draw, of_view_alone
from gmm.plotting.marks import numbers, rows, softly
from gmm.plotting.scene import Scene, certainty, coordinates, grid, scene_of, scored
from gmm.plotting.style import DARKER, INK, PALE, PALE_EDGE, colours
from gmm.plotting.view import View

_TINTS = 400  # points along an axis whose region is tinted; where there is but one axis, twice as many
_PALEST, _FULLEST = 0.06, 0.5  # opacity of a region where all components are as probable, and where one is certain
_STEPS = 8  # Newton's, from a contour of the grid to where two responsibilities are equal


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
    """Regions tinted by the most probable component, and lines where two are equally probable.

    Of a mixture of more features than the view has axes, regions and lines are those of the view, the mixture's exact
    marginal: what one would say who sees these axes alone. The rows' colours are their soft assignments by all
    features, so a row may stand in the region of another component. Along one feature, the responsibilities are curves
    from 0 to 1.

    Parameters
    ----------
    model, X, ax, view, sample_weight, max_points, random_state
        As in `plot_clusters`.
    uncertainty : bool, default=True
        Whether the tint fades where the most probable component is uncertain.

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
    'Most probable of 2 components'
    """
    scene = scene_of(model, X, sample_weight=sample_weight, max_points=max_points, random_state=random_state)
    title = f"Most probable of {scene.n_components} components" if scene.n_components > 1 else "1 component, no choice"
    return draw(scene, view, ax, partial(_panel, uncertainty=bool(uncertainty)), title)


def boundaries(mixture: MixtureParameters, edges: Array) -> list[Array]:
    """Lines (n, 2) of a plane, or points (1, 1) of an axis, where the two largest responsibilities are equal."""
    return _points(mixture, edges) if mixture.n_features == 1 else _lines(mixture, edges)


def _panel(ax: Axes, scene: Scene, view: View, edges: Array, *, small: bool, uncertainty: bool) -> Entries:
    mixture = view.marginal(scene.mixture)
    draw_panel = _axis if view.n_axes == 1 else _plane
    places = draw_panel(ax, scene, view, mixture, edges, uncertainty)
    numbers(ax, places, scene.present, small=small)
    entries = component_entries(scene)
    if scene.n_components > 1:
        entries.append((Line2D([], [], color=INK, linewidth=1), "two equally probable"))
    if scene.n_components > 1 and uncertainty:
        entries.append((Patch(facecolor=PALE, edgecolor=PALE_EDGE), "pale: uncertain"))
    return [*entries, *of_view_alone("regions: by", view, small=small)]


def _plane(ax: Axes, scene: Scene, view: View, mixture: MixtureParameters, edges: Array, uncertainty: bool) -> Array:
    axes = [_centres(edge, _TINTS) for edge in edges]
    responsibilities, _ = scored(mixture, grid(axes))
    tints = _tints(responsibilities, uncertainty).reshape(_TINTS, _TINTS, 4)
    (low, high), (bottom, top) = edges.tolist()
    ax.imshow(tints, extent=(low, high, bottom, top), origin="lower", aspect="auto", interpolation="nearest", zorder=0)
    rows(ax, scene, view, softly(scene, 0.45, 0.95), area=0.8)
    if scene.n_components > 1:
        lines = LineCollection(boundaries(mixture, edges), colors=INK, linewidths=1.0, zorder=3)
        lines.set_gid("boundaries")
        ax.add_collection(lines, autolim=False)
    return mixture.means


def _axis(ax: Axes, scene: Scene, view: View, mixture: MixtureParameters, edges: Array, uncertainty: bool) -> Array:
    (x,) = coordinates(mixture, edges, n=800)
    responsibilities, _ = scored(mixture, x[:, None])
    tints = _tints(scored(mixture, _centres(edges[0], 2 * _TINTS)[:, None])[0], uncertainty)[None]
    extent = (*edges[0].tolist(), 0.0, 1.0)
    ax.imshow(tints, extent=extent, origin="lower", aspect="auto", interpolation="nearest", zorder=0)
    for k, shade in enumerate(colours(scene.n_components)):
        ax.plot(x, responsibilities[:, k], color=shade * DARKER, linewidth=1.6, zorder=2)
    points = boundaries(mixture, edges)
    ax.vlines([point[0, 0] for point in points], 0, 1, color=INK, linewidth=1, zorder=3, gid="boundaries")
    seen = view.project(scene.rows[scene.shown])[:, 0]
    ax.scatter(seen, np.full(len(seen), -0.04), s=30, c=softly(scene), marker="|", linewidths=0.8, clip_on=True)
    ax.set_ylim(-0.08, 1.08)
    ax.set_ylabel("responsibility")
    highest = responsibilities[np.abs(x[:, None] - mixture.means[:, 0]).argmin(axis=0), np.arange(scene.n_components)]
    return np.column_stack([mixture.means[:, 0], highest])


def _centres(edge: Array, n: int) -> Array:
    """The middles of n equal parts of an axis, (n,)."""
    low, high = edge
    return np.asarray(low + (np.arange(n) + 0.5) * (high - low) / n)


def _tints(responsibilities: Array, uncertainty: bool) -> Array:
    opacity = np.full(len(responsibilities), 0.35)
    if uncertainty:
        opacity = _PALEST + (_FULLEST - _PALEST) * certainty(responsibilities)
    shades = colours(responsibilities.shape[1])[responsibilities.argmax(axis=1)]
    return np.column_stack([shades, opacity])


def _lines(mixture: MixtureParameters, edges: Array) -> list[Array]:
    """Contours at 0 of how much more probable each component is than all others, brought to where that is exact.

    Two components share their boundary: it is that of the first of them.
    """
    axes = coordinates(mixture, edges)
    responsibilities, _ = scored(mixture, grid(axes))
    logs = np.log(np.maximum(responsibilities, np.finfo(np.float64).tiny))
    cell = (edges[:, 1] - edges[:, 0]) / 100
    scratch, found = Figure().subplots(), []
    for k in np.flatnonzero(mixture.weights > 0)[:-1]:
        ahead = logs[:, k] - np.delete(logs, k, axis=1).max(axis=1)
        if not (ahead.min() < 0 < ahead.max()):
            continue
        contour = scratch.contour(*axes, ahead.reshape(len(axes[1]), len(axes[0])), levels=[0.0])
        for line in contour.allsegs[0]:
            found += _first(mixture, _polished(mixture, line, cell), k)
    return found


def _first(mixture: MixtureParameters, line: Array, k: int) -> list[Array]:
    """The parts of a boundary of component `k` beyond which the other one has a higher number."""
    two = np.argsort(scored(mixture, line)[0], axis=1)[:, -2:]
    first = two.min(axis=1) == k
    kept = first[1:] | first[:-1]  # a step from one to another is kept twice, lest there be a gap
    turns = np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]])))
    return [line[begin : end + 1] for begin, end in turns.reshape(-1, 2)]


def _polished(mixture: MixtureParameters, line: Array, cell: Array) -> Array:
    """The line's vertices, each moved along the gradient to where the two most probable components are equal."""
    points = np.array(line, dtype=np.float64)
    precisions = mixture.model.layout.gram(mixture.whiteners)
    for _ in range(_STEPS):
        responsibilities, _ = scored(mixture, points)
        best = np.argsort(responsibilities, axis=1)[:, -2:]
        two = np.log(np.maximum(np.take_along_axis(responsibilities, best, axis=1), np.finfo(np.float64).tiny))
        second, first = (_gradient(mixture, precisions, points, best[:, i]) for i in (0, 1))
        slope, ahead = (first - second) * cell, two[:, 1] - two[:, 0]
        steepness = np.maximum((slope**2).sum(axis=1), np.finfo(np.float64).tiny)
        step = -(ahead / steepness)[:, None] * slope
        step /= np.maximum(1, np.abs(step).max(axis=1, keepdims=True))  # by one hundredth of the picture at most
        points += step * cell
    return points


def _gradient(mixture: MixtureParameters, precisions: Array, points: Array, which: NDArray[np.intp]) -> Array:
    """The gradient of the log density of one component at each point, (n, 2)."""
    return -np.einsum("nij,nj->ni", precisions[which], points - mixture.means[which])


def _points(mixture: MixtureParameters, edges: Array) -> list[Array]:
    """Where the most probable component changes along an axis, by bisection of the intervals of a fine grid."""
    (x,) = coordinates(mixture, edges, n=2000)
    labels = scored(mixture, x[:, None])[0].argmax(axis=1)
    at = np.flatnonzero(labels[1:] != labels[:-1])
    if not len(at):
        return []
    low, high, left, right = x[at], x[at + 1], labels[at], labels[at + 1]
    each = np.arange(len(at))
    for _ in range(60):
        middle = 0.5 * (low + high)
        responsibilities, _ = scored(mixture, middle[:, None])
        before = responsibilities[each, left] > responsibilities[each, right]
        low, high = np.where(before, middle, low), np.where(before, high, middle)
    return [np.array([[point]]) for point in 0.5 * (low + high)]
