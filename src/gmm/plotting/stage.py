"""The figure of an animated fit: rows and components on the left, the log-likelihood on the right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.ticker import MaxNLocator

from gmm.amounts import counted
from gmm.plotting import marks
from gmm.plotting.film import Film
from gmm.plotting.frame import notes
from gmm.plotting.scene import limits
from gmm.plotting.style import FAINT, INK, colours, steady_ticks
from gmm.plotting.view import View, content_told, ellipse

_CONTENTS = (0.5, 0.95)
_GREY = np.array([to_rgba(FAINT, 0.55)])


def stage(film: Film) -> tuple[Figure, Callable[[int], list[Any]]]:
    """The figure, and what draws a frame on it by its number."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.6), width_ratios=(1.5, 1))
    for ax in (left, right):
        steady_ticks(ax)
    panel = _histogram(left, film) if film.view.n_axes == 1 else _plane(left, film)
    grown = _curve(right, film)

    def draw(number: int) -> list[Any]:
        panel(number)
        grown(number)
        left.set_title(_told(film, number), loc="left")
        return []

    caption = "; ".join([*_what_ellipses_hold(film.view), *notes(film.scene, film.view, limits(film.scene, film.view))])
    if caption:
        figure.supxlabel(caption, x=0.01, ha="left", fontsize=8, color=INK)
    draw(len(film.passes))
    figure.draw_without_rendering()  # the layout, once for all frames
    with mpl.rc_context({"figure.constrained_layout.use": False}):
        figure.set_layout_engine(None)
    draw(0)
    return figure, draw


def _what_ellipses_hold(view: View) -> list[str]:
    return [f"ellipses hold {' and '.join(map(content_told, _CONTENTS))}"] if view.n_axes == 2 else []


def _told(film: Film, number: int) -> str:
    n, K = len(film.passes), film.scene.n_components
    if number == 0:
        return f"The start: {counted(K, 'component')}"
    told = f"Pass {number} of {n}"
    if number == n:
        return f"{told}: {film.reason}"
    return told if film.passes[number - 1].accepted else f"{told}, a step taken back"


def _plane(ax: Axes, film: Film) -> Callable[[int], None]:
    """Rows, ellipses, and the numbered means with their ways."""
    scene, view, start = film.scene, film.view, film.passes[0].mixture
    edges = limits(scene, view)
    points = marks.rows(ax, scene, view, _GREY)
    outlines = marks.ellipses(ax, start, _CONTENTS)
    badges = marks.numbers(ax, start.means, scene.present)
    shades = colours(scene.n_components)
    ways = [ax.plot([], [], color=shade, lw=1.2, alpha=0.9, zorder=4)[0] for shade in shades]
    paths = np.stack([one.mixture.means for one in film.passes])
    ax.set(xlim=edges[0], ylim=edges[1], xlabel=view.labels[0], ylabel=view.labels[1])

    def draw(number: int) -> None:
        now = film.passes[max(number, 1) - 1]
        soft = marks.softly(replace(scene, responsibilities=now.responsibilities))
        points.set_facecolor(list(map(tuple, _GREY if number == 0 else soft)))
        for (k, content), outline in outlines.items():
            outline.set_xy(ellipse(now.mixture.means[k], now.mixture.covariances[k], content))
        for k, badge in badges.items():
            badge.xy = badge.xyann = tuple(now.mixture.means[k])
            ways[k].set_data(paths[:number, k].T)

    return draw


def _histogram(ax: Axes, film: Film) -> Callable[[int], None]:
    """The rows' histogram, and over it the density of each component and their sum."""
    scene, view = film.scene, film.view
    edges = limits(scene, view)
    heights = marks.histogram(ax, scene, view, film.passes[-1].mixture, edges[0])
    shades = colours(scene.n_components)
    parts = [Polygon([[0, 0]], closed=True, fc=(*shade, 0.3), ec=shade, lw=1.5, zorder=2) for shade in shades]
    for part in parts:
        ax.add_patch(part)
    (total,) = ax.plot([], [], color=INK, lw=1.6, zorder=3)
    highest = max(marks.curve(one.mixture, edges)[1].max() for one in film.passes)
    ax.set(
        xlim=edges[0],
        ylim=(0, marks.height(heights, float(highest))),
        xlabel=view.labels[0],
        ylabel="density",
        yticks=[],
    )

    def draw(number: int) -> None:
        x, density, of_parts = marks.curve(film.passes[max(number, 1) - 1].mixture, edges)
        total.set_data(x, density)
        for part, heights_of_part in zip(parts, of_parts.T, strict=True):
            corners = [(x[0], 0.0), *zip(x, heights_of_part, strict=True), (x[-1], 0.0)]
            part.set_xy(np.array(corners))

    return draw


def _curve(ax: Axes, film: Film) -> Callable[[int], None]:
    """The mean log-likelihood, from the first pass to the one that is shown."""
    bounds: Sequence[float] = [one.lower_bound for one in film.passes]
    low, high = min(bounds), max(bounds)
    room = 0.06 * (high - low) or 0.5
    n = len(bounds)
    (line,) = ax.plot([], [], color=INK, lw=1.8, zorder=2)
    (head,) = ax.plot([], [], "o", color=INK, ms=7, zorder=3)
    ax.set(xlim=(1 - 0.04 * n, 1.04 * n + 0.5), ylim=(low - room, high + room))
    ax.set(xlabel="pass", ylabel=f"mean {film.measured} (nats per row)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.grid(axis="y", color=FAINT, alpha=0.25, lw=0.7)

    def draw(number: int) -> None:
        line.set_data(range(1, number + 1), bounds[:number])
        head.set_data([number] * (number > 0), bounds[max(number - 1, 0) : number])
        value = f"{bounds[number - 1]:.4f}".replace("-", "−")
        ax.set_title(f"{film.measured.capitalize()} {value}" if number else "", loc="left")

    return draw
