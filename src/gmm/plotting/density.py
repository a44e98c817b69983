"""`plot_density`: where a mixture says rows lie, by regions of highest density."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

from gmm.layouts import Array
from gmm.parameters import MixtureParameters
from gmm.plotting.frame import Entries, draw, heading, share
from gmm.plotting.marks import curve, numbers, rows
from gmm.plotting.scene import Scene, coordinates, grid, scene_of, scored
from gmm.plotting.style import FAINT, INK
from gmm.plotting.view import View, check_content

_DRAWN = 50_000  # rows drawn from a mixture, whose densities tell what a region holds to some tenths of a per cent
_SHADED = (0.999, 0.99, 0.97, 0.94, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.03)
_SHADES = LinearSegmentedColormap.from_list("gmm_density", ["#f4f7fb", "#9db9dc", "#486ca6"])


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
    """Contours of the log density, each about the smallest region that holds a given share of the mixture.

    The log density at each line stands in the legend, in nats; the shading between the lines follows it. Of a mixture
    of more features than the view has axes it is the density of the view, the mixture's exact marginal; rows are grey
    dots. Along one feature, the density is a curve with those regions below it.

    Parameters
    ----------
    model, X, ax, view, sample_weight, max_points, random_state
        As in `plot_clusters`.
    content : float or sequence of float, default=(0.5, 0.9, 0.99)
        What share of the mixture each region holds, by the densities of 50 000 rows drawn from it.

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
    contents = [check_content(part) for part in np.atleast_1d(np.asarray(content, dtype=object))]
    scene = scene_of(model, X, sample_weight=sample_weight, max_points=max_points, random_state=random_state)
    return draw(scene, view, ax, partial(_panel, contents=sorted(set(contents))), f"Density of {heading(scene)}")


def highest_density(mixture: MixtureParameters, contents: Sequence[float]) -> Array:
    """Log densities above which given shares of a mixture lie, in nats, in the order of `contents`.

    By the densities of rows drawn from it, always the same ones (Hyndman 1996).

    References
    ----------
    R. J. Hyndman (1996). Computing and graphing highest density regions. *The American Statistician* 50, 120-126.
    """
    drawn, _ = mixture.sample(_DRAWN, np.random.default_rng(0))
    _, log_density = scored(mixture, drawn)
    return np.asarray(np.quantile(log_density, 1 - np.asarray(contents)))


def _panel(ax: Axes, scene: Scene, view: View, edges: Array, *, small: bool, contents: list[float]) -> Entries:
    mixture = view.marginal(scene.mixture)
    levels = highest_density(mixture, contents)
    if view.n_axes == 1:
        _curve(ax, mixture, edges, levels)
        seen = view.project(scene.rows[scene.shown])[:, 0]
        ax.plot(seen, np.full(len(seen), 0.015), "|", color=INK, alpha=0.25, transform=ax.get_xaxis_transform())
    else:
        _plane(ax, scene, view, mixture, edges, dict(zip(levels, contents, strict=True)), small)
    keys: list[Artist] = [Line2D([], [], color=INK, linewidth=width) for width in _strengths(len(contents))]
    if view.n_axes == 1:
        keys = [Patch(color=tint) for tint in _tints(len(contents))]
    lines: Entries = [
        (key, f"{share(part)} " + ("within" if small else f"above log density {level:.3g}".replace("-", "−")))
        for key, part, level in zip(keys, contents, levels, strict=True)
    ]
    dots = Line2D([], [], color=FAINT, marker="o" if view.n_axes == 2 else "|", linestyle="", markersize=4)
    marginal: Entries = (
        [] if view.whole else [(Line2D([], [], linestyle=""), f"density of {'each' if small else 'this'} view alone")]
    )
    return [*lines, (dots, "rows"), *marginal]


def _plane(
    ax: Axes,
    scene: Scene,
    view: View,
    mixture: MixtureParameters,
    edges: Array,
    content_at: dict[float, float],
    small: bool,
) -> None:
    axes = coordinates(mixture, edges)
    _, log_density = scored(mixture, grid(axes))
    heights = log_density.reshape(len(axes[1]), len(axes[0]))
    shaded = np.unique(highest_density(mixture, _SHADED))
    ax.contourf(*axes, heights, levels=shaded, cmap=_SHADES, extend="max", zorder=0)
    rows(ax, scene, view, "#57606a", area=0.6).set_alpha(0.45)
    levels = sorted(content_at)
    lines = ax.contour(
        *axes,
        heights,
        levels=levels,
        colors=INK,
        linewidths=_strengths(len(levels))[::-1],
        linestyles="solid",
        zorder=3,
    )
    if not small:
        texts = ax.clabel(lines, fmt={level: share(content_at[level]) for level in levels}, fontsize=8, inline=False)
        for text in texts:
            text.set_path_effects([withStroke(linewidth=3, foreground="white")])
    numbers(ax, mixture.means, scene.present, small=small)


def _curve(ax: Axes, mixture: MixtureParameters, edges: Array, levels: Array) -> None:
    x, density, _ = curve(mixture, edges)
    for level, tint in reversed(list(zip(np.exp(levels), _tints(len(levels)), strict=True))):
        ax.fill_between(x, density, where=density >= level, color=tint, linewidth=0, interpolate=True)
    ax.plot(x, density, color=INK, linewidth=1.6)
    ax.set_ylim(0, 1.08 * density.max())
    ax.set_ylabel("density")


def _strengths(n: int) -> list[float]:
    """Widths of the lines about regions, the innermost first."""
    return [max(1.8 - 0.5 * i, 0.8) for i in range(n)]


def _tints(n: int) -> Array:
    """Shades of regions along one axis, the innermost first, (n, 4)."""
    return np.asarray(_SHADES(np.linspace(0.95, 0.25, n)))
