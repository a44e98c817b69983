"""`plot_density`: the density of a mixture, by regions of highest density."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.contour import ContourSet
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon
from numpy.typing import ArrayLike, NDArray

from gmm._exceptions import InvalidParameterError, raisable
from gmm._plotting.frame import draw, heading, marginal_note
from gmm._plotting.legends import Entries
from gmm._plotting.marks import curve, numbers, rows, rug
from gmm._plotting.scene import Scene, check_components_alone, coordinates, grid, scene_of, scored
from gmm._plotting.style import inks_of
from gmm._plotting.view import View, axis_deviations, check_contents, content_label, ellipse
from gmm._public import publish
from gmm._values.directions import projected_mixture
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters

_THIN = 0.06  # in standard deviations of the mixture, and of the component along an axis
_REACH = 6.0  # standard deviations of each component that the surface covers
_LABEL = 8  # font size in points
_BADGE, _ROOM = 2.5, 2.5  # label heights needed by the number in the middle, and by each line around it
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
        raise raisable(InvalidParameterError)("content must be one share or several, as in (0.5, 0.9); got none")
    scene = scene_of(model, X, sample_weight=sample_weight, max_points=max_points, random_state=random_state)
    check_components_alone(scene, plot_density.__name__)
    return draw(scene, view, ax, partial(_panel, contents=contents), f"Density of {heading(scene)}")


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


def _panel(ax: Axes, scene: Scene, view: View, edges: Array, *, small: bool, contents: list[float]) -> list[Entries]:
    mixture = view.marginal(scene.mixture)
    levels, inks = highest_density(mixture, contents), inks_of(ax)
    if view.n_axes == 1:
        _curve(ax, mixture, edges, levels)
        rug(ax, view.project(scene.sample_rows)[:, 0], 0.015, alpha=0.25)
    else:
        ax.set(xlim=edges[0], ylim=edges[1])  # before the labels are placed, which depends on sizes
        _plane(ax, scene, view, mixture, dict(zip(levels, contents, strict=True)), small)
    keys: list[Artist] = [Line2D([], [], color=inks.ink, linewidth=width) for width in _line_widths(len(contents))]
    if view.n_axes == 1:
        keys = [Patch(color=tint) for tint in _tints(ax, len(contents))]
    lines: Entries = [
        (key, f"{content_label(part)} " + ("within" if small else f"above log density {level:.3g}".replace("-", "−")))
        for key, part, level in zip(keys, contents, levels, strict=True)
    ]
    dots = Line2D([], [], color=inks.faint, marker="o" if view.n_axes == 2 else "|", linestyle="", markersize=4)
    return [lines, [(dots, "rows"), *marginal_note("density in", view, small=small)]]


def _plane(
    ax: Axes,
    scene: Scene,
    view: View,
    mixture: MixtureParameters,
    content_at: dict[float, float],
    small: bool,
) -> None:
    inks = inks_of(ax)
    shaded, levels = np.unique(highest_density(mixture, _SHADED)), sorted(content_at)
    tints, widths = _shades(ax)(np.linspace(0, 1, len(shaded))), _line_widths(len(levels))[::-1]
    rows(ax, scene, view, inks.row, area=0.6).set_alpha(0.45)
    thin = _thin(mixture)
    for k in np.flatnonzero(thin & (mixture.weights > 0)):
        for level, tint in zip(shaded, tints, strict=True):
            _outline(ax, mixture, k, level, facecolor=tint, zorder=0.5)
        for level, width in zip(levels, widths, strict=True):
            _outline(ax, mixture, k, level, fill=False, edgecolor=inks.ink, linewidth=width, zorder=3)
    if not (thin | (mixture.weights == 0)).all():
        x, y, heights = _surface(mixture, thin)
        ax.contourf(x, y, heights, levels=shaded, colors=tints, extend="max", zorder=0)
        lines = ax.contour(
            x, y, heights, levels=levels, colors=inks.ink, linewidths=widths, linestyles="solid", zorder=3
        )
        if not small:
            _label(ax, lines, {level: content_label(part) for level, part in content_at.items()})
    numbers(ax, mixture.means, scene.present, scene.shades, small=small)


def _label(ax: Axes, lines: ContourSet, labels: dict[float, str]) -> None:
    """Label each line with the content of its region, except where lines are too close; the legend has it as well."""
    label_height = _LABEL * ax.figure.dpi / 72
    small: list[Array] = []
    for number, segments in enumerate(reversed(lines.allsegs), 1):  # from the innermost level
        outlines = [ax.transData.transform(segment) for segment in segments if len(segment)]
        small += [outline for outline in outlines if _width(outline) < (_BADGE + number * _ROOM) * label_height]
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
    content = mixture.tails.of_components(k).content(min(level - highest, 0))
    if 0 < content < 1:
        ax.add_patch(Polygon(ellipse(mixture, k, content), closed=True, **style))


def _whitened(mixture: MixtureParameters) -> tuple[MixtureParameters, Array, Array]:
    """Return the mixture scaled to covariance 1, its centre, and the factor that undoes the scaling."""
    weights = mixture.weights / mixture.weights.sum()
    centre = weights @ mixture.means
    away = mixture.means - centre
    factor = _factor(np.tensordot(weights, mixture.covariances, axes=1) + (away.T * weights) @ away)
    inverse = np.linalg.inv(factor)
    covariances = inverse @ mixture.covariances @ inverse.T
    whitened = projected_mixture(weights, away @ inverse.T, covariances)
    return whitened.with_other(tails=mixture.tails), centre, factor


def _factor(covariance: Array) -> Array:
    """Return the Cholesky factor of a covariance, widened slightly if equal features make it singular."""
    scales = np.sqrt(np.diagonal(covariance))
    correlation = covariance / np.outer(scales, scales)
    try:
        return scales[:, None] * np.linalg.cholesky(correlation)
    except np.linalg.LinAlgError:
        return scales[:, None] * np.linalg.cholesky(correlation + 1e-12 * np.eye(len(scales)))


def _thin(mixture: MixtureParameters) -> NDArray[np.bool_]:
    """Return which components are thinner than the grid spacing in a direction that is not an axis, (K,)."""
    whitened, _, _ = _whitened(mixture)
    along = axis_deviations(whitened).min(axis=1)
    across = np.sqrt(np.maximum(np.linalg.eigvalsh(whitened.covariances)[:, 0], 0))
    return (across < _THIN * along) & (across < _THIN)


def _surface(mixture: MixtureParameters, without: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Return coordinates x and y of points that cover the components, and the log densities there, (n, m) each.

    Components `without` are left out. The points are a grid in the coordinates in which the mixture's covariance is 1.
    """
    whole, centre, factor = _whitened(mixture)
    there = ~without & (whole.weights > 0)
    share, part = whole.weights[there].sum(), whole.of_components(there)
    reach = _REACH * axis_deviations(part)
    edges = np.stack([(part.means - reach).min(axis=0), (part.means + reach).max(axis=0)], axis=1)
    axes = coordinates(part, edges)
    points = grid(axes)
    _, log_density = scored(part, points)
    heights = log_density + np.log(share) - np.log(np.diag(factor)).sum()
    x, y = (points @ factor.T + centre).T.reshape(2, len(axes[1]), len(axes[0]))
    return x, y, heights.reshape(x.shape)


def _curve(ax: Axes, mixture: MixtureParameters, edges: Array, levels: Array) -> None:
    x, density, _ = curve(mixture, edges)
    for level, tint in reversed(list(zip(np.exp(levels), _tints(ax, len(levels)), strict=True))):
        ax.fill_between(x, density, where=density >= level, color=tint, linewidth=0, interpolate=True)
    ax.plot(x, density, color=inks_of(ax).ink, linewidth=1.6)
    ax.set_ylim(0, 1.08 * density.max())
    ax.set_ylabel("density")


def _shades(ax: Axes) -> LinearSegmentedColormap:
    inks = inks_of(ax)
    return LinearSegmentedColormap.from_list("gmm_density", [inks.paper, _SHADES[-1]] if inks.dark else _SHADES)


def _line_widths(n: int) -> list[float]:
    return [max(1.8 - 0.5 * i, 0.8) for i in range(n)]


def _tints(ax: Axes, n: int) -> Array:
    return np.asarray(_shades(ax)(np.linspace(0.95, 0.25, n)))


publish("gmm.plotting", [plot_density])
