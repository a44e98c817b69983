"""Legends of pictures: below the Axes of a figure of our own, in a corner of others."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from gmm._plotting.style import inks_of

_WIDEST = 58  # characters of texts beside each other
_LINE = 0.19  # inches
_FONT = 9.0  # points
Entries = list[tuple[Artist, str]]


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
    figure.legend(
        *_handles_and_texts(list(chain(*padded))),
        loc="outside lower center",
        ncols=len(columns),
        fontsize=_FONT,
        handlelength=1.4,
        labelspacing=0.3,
    )
    figure.set_figheight(figure.get_figheight() + _LINE * n_lines)


def legend_of_labels(ax: Axes, *, own: bool) -> None:
    """Draw the legend of labelled artists, if there are any: below the Axes in a figure of our own."""
    entries: Entries = list(zip(*ax.get_legend_handles_labels(), strict=True))
    if entries and own:
        legend_below(ax, [entries])
    elif entries:
        ax.legend(loc="best")


def legend_in(corner: Any, ax: Axes, columns: list[Entries]) -> None:
    """Draw the legend in a corner of Axes that are not ours."""
    inks = inks_of(ax)
    ax.legend(
        *_handles_and_texts(list(chain(*columns))),
        loc=corner,
        fontsize=8.5,
        frameon=True,
        framealpha=0.85,
        facecolor=inks.paper,
        edgecolor=inks.pale_edge,
        labelcolor=inks.ink,
    )


def legend_of_pairs(grid: NDArray[np.object_], entries: Entries) -> None:
    """Draw the legend of a grid of pairs, above its diagonal."""
    where: Any = {"loc": "upper right", "bbox_to_anchor": (0.99, 0.95)}
    grid[0, 0].figure.legend(*_handles_and_texts(entries), fontsize=_FONT, handlelength=1.4, **where)


def _handles_and_texts(entries: Entries) -> tuple[list[Artist], list[str]]:
    return [handle for handle, _ in entries], [text for _, text in entries]
