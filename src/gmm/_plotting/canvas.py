"""`Canvas`: the figure of an animated fit, with rows and components on the left and the log-likelihood on the right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.ticker import MaxNLocator

from gmm._plotting import marks
from gmm._plotting.film import Film
from gmm._plotting.frame import notes
from gmm._plotting.scene import limits
from gmm._plotting.style import FAINT, INK, fix_tick_colours
from gmm._plotting.view import content_label, ellipse
from gmm._text.amounts import counted

_CONTENTS = (0.5, 0.95)
_GREY = np.array([to_rgba(FAINT, 0.55)])


@dataclass(frozen=True, eq=False)
class Canvas:
    """A figure, and the function that draws a frame on it, given its number."""

    figure: Figure
    draw: Callable[[int], list[Any]]


def canvas_of(film: Film) -> Canvas:
    """Make the figure of an animation, and draw the first frame."""
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(5.0, 6.4), height_ratios=(1.8, 1))
    for ax in (upper, lower):
        fix_tick_colours(ax)
    draw_components = _histogram(upper, film) if film.view.n_axes == 1 else _plane(upper, film)
    draw_curve = _curve(lower, film)

    def draw(number: int) -> list[Any]:
        draw_components(number)
        draw_curve(number)
        upper.set_title(_title(film, number), loc="left")
        return []

    captions = notes(film.scene, film.view, limits(film.scene, film.view))
    if film.view.n_axes == 2:
        captions = [f"ellipses hold {' and '.join(map(content_label, _CONTENTS))} of each component", *captions]
    if captions:
        figure.supxlabel("\n".join(captions), x=0.01, ha="left", fontsize=9, color=INK)
    draw(len(film.passes))
    figure.draw_without_rendering()  # computes the layout, once for all frames
    with mpl.rc_context({"figure.constrained_layout.use": False}):
        figure.set_layout_engine(None)
    draw(0)
    return Canvas(figure, draw)


def _title(film: Film, number: int) -> str:
    n, K = len(film.passes), film.scene.n_components
    if number == 0:
        return f"Start: {counted(K, 'component')}"
    title = f"Pass {number} of {n}"
    if number == n:
        return f"{title}: {film.reason}"
    return title if film.passes[number - 1].accepted else f"{title}, step rejected"


def _plane(ax: Axes, film: Film) -> Callable[[int], None]:
    scene, view, start = film.scene, film.view, film.passes[0].mixture
    edges = limits(scene, view)
    points = marks.rows(ax, scene, view, _GREY)
    present = np.flatnonzero(start.weights > 0)  # at first: some may fade
    outlines = marks.ellipses(ax, start, _CONTENTS, present, scene.shades)
    badges = marks.numbers(ax, start.means, present, scene.shades)
    trails = [ax.plot([], [], color=shade, lw=1.2, alpha=0.9, zorder=4)[0] for shade in scene.shades]
    means = np.stack([each.mixture.means for each in film.passes])
    ax.set(xlim=edges[0], ylim=edges[1], xlabel=view.labels[0], ylabel=view.labels[1])

    def draw(number: int) -> None:
        now = film.passes[max(number, 1) - 1]
        shades_of_rows = marks.row_colours(replace(scene, responsibilities=now.responsibilities))
        points.set_facecolor(list(map(tuple, _GREY if number == 0 else shades_of_rows)))
        for (k, content), outline in outlines.items():
            outline.set_xy(ellipse(now.mixture, k, content))
        for k, badge in badges.items():
            badge.xy = badge.xyann = tuple(now.mixture.means[k])
            trails[k].set_data(means[:number, k].T)

    return draw


def _histogram(ax: Axes, film: Film) -> Callable[[int], None]:
    scene, view = film.scene, film.view
    edges = limits(scene, view)
    heights = marks.histogram(ax, scene, view, film.passes[-1].mixture, edges[0])
    areas = [Polygon([[0, 0]], closed=True, fc=(*shade, 0.3), ec=shade, lw=1.5, zorder=2) for shade in scene.shades]
    for area in areas:
        ax.add_patch(area)
    (total,) = ax.plot([], [], color=INK, lw=1.6, zorder=3)
    highest = max(marks.curve(each.mixture, edges)[1].max() for each in film.passes)
    ax.set(
        xlim=edges[0],
        ylim=(0, marks.top_limit(heights, float(highest))),
        xlabel=view.labels[0],
        ylabel="density",
        yticks=[],
    )

    def draw(number: int) -> None:
        x, density, parts = marks.curve(film.passes[max(number, 1) - 1].mixture, edges)
        total.set_data(x, density)
        for area, part in zip(areas, parts.T, strict=True):
            area.set_xy(np.array([(x[0], 0.0), *zip(x, part, strict=True), (x[-1], 0.0)]))

    return draw


def _curve(ax: Axes, film: Film) -> Callable[[int], None]:
    bounds: Sequence[float] = [each.lower_bound for each in film.passes]
    low, high = min(bounds), max(bounds)
    room = 0.06 * (high - low) or 0.5
    n = len(bounds)
    (line,) = ax.plot([], [], color=INK, lw=1.8, zorder=2)
    (head,) = ax.plot([], [], "o", color=INK, ms=7, zorder=3)
    ax.set(xlim=(1 - 0.04 * n, 1.04 * n + 0.5), ylim=(low - room, high + room))
    ax.set(xlabel="pass", ylabel=film.label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.grid(axis="y", color=FAINT, alpha=0.25, lw=0.7)

    def draw(number: int) -> None:
        line.set_data(range(1, number + 1), bounds[:number])
        head.set_data([number] * (number > 0), bounds[max(number - 1, 0) : number])
        value = f"{bounds[number - 1]:.4f}".replace("-", "−")
        ax.set_title(f"{film.objective.capitalize()} {value}" if number else "", loc="left")

    return draw
