"""The style of all plots: colours that are distinct for colour-blind readers and in grey, new Axes, legends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb, to_rgba
from matplotlib.figure import FigureBase
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from gmm._exceptions import invalid

INK, FAINT, PAPER = "#24292f", "#8c959f", "#ffffff"  # text and lines that carry information; what is behind; nothing
DARKER = 0.75  # factor on a component's colour, for lines on its rows
NOISE = "black"  # of rows that belong to no component
# The hues of Okabe & Ito (2008), moved until all are distinct under each kind of red-green blindness, and neighbours by
# lightness alone (tests/test_plotting_style.py).
_PALETTE = ("#486ca6", "#e0af0f", "#02725c", "#d08dad", "#983519", "#22b3f0", "#4a2e93", "#a99233")
_WIDEST = 58  # characters of texts beside each other
_LINE = 0.19  # inches
LEGEND: Any = {"fontsize": 9.0, "handlelength": 1.4}  # of a figure of our own
Entries = list[tuple[Artist, str]]


class Inks(NamedTuple):
    """Colours that depend on the background: of white paper, and `dark` says whether they are for a dark one."""

    dark: bool = False
    ink: str = INK
    faint: str = FAINT
    paper: str = PAPER
    row: str = "#57606a"  # rows, where colour encodes something else
    bars: str = "#d8dde2"  # rows of a histogram
    pale: str = "#f4f5f6"  # a neutral sample of a pale tint
    pale_edge: str = "#c8ccd1"

    def strong(self, shades: NDArray[np.float64]) -> NDArray[np.float64]:
        """Increase the contrast of components' colours (n, 3), for lines on their rows."""
        return 1 - DARKER * (1 - shades) if self.dark else DARKER * shades

    def mixed(self, depth: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return colours (n, 3) from the faint one at a depth of 0 to ink at 1."""
        return (1 - depth[:, None]) * np.array(to_rgb(self.faint)) + depth[:, None] * np.array(to_rgb(self.ink))


STYLE: Any = {
    "figure.figsize": (5.0, 4.0),
    "figure.dpi": 110,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def colours(n: int) -> NDArray[np.float64]:
    """Return the colours of `n` components, (n, 3) in RGB from 0 to 1; from the ninth on they repeat, lighter."""
    base = np.array([to_rgb(name) for name in _PALETTE])
    rounds = np.arange(n) // len(base)
    shade = (0.6**rounds)[:, None]
    return base[np.arange(n) % len(base)] * shade + (1 - shade)


@contextmanager
def axes_of(ax: Axes | None) -> Iterator[Axes]:
    """Yield the caller's Axes, in the caller's style, or those of a new figure, in the package's style.

    A new figure is closed if drawing fails.

    Raises
    ------
    TypeError
        If `ax` is not an Axes, but for example an array of Axes or a figure.
    ValueError
        If the Axes are not rectangular and two-dimensional, but for example polar.
    """
    if ax is not None:
        if not isinstance(ax, Axes):
            several = " of Axes: pass one of them, such as ax[0]" if isinstance(ax, np.ndarray | list | tuple) else ""
            hint = ": pass one of its Axes, such as figure.subplots()" if isinstance(ax, FigureBase) else several
            raise TypeError(f"ax must be one matplotlib Axes or None, got {type(ax).__name__}{hint}")
        if ax.name != "rectilinear":
            raise invalid(f"ax must be two-dimensional rectangular Axes, got Axes of projection {ax.name!r}")
        yield ax
        return
    with own_figure(1, 1) as axes:
        yield axes[0, 0]


@contextmanager
def own_figure(n_rows: int, n_columns: int, **how: Any) -> Iterator[NDArray[np.object_]]:
    """Yield the Axes of a new figure, in the package's style, as a matrix; the figure is closed if drawing fails."""
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(n_rows, n_columns, squeeze=False, **how)
        # Matplotlib makes ticks only when it draws, in the style active then.
        for ax in axes.ravel():
            ax.tick_params(colors=INK)
            for axis in (ax.xaxis, ax.yaxis):
                axis.get_offset_text().set_color(INK)
        try:
            yield axes
        except BaseException:
            plt.close(figure)
            raise


def inks_of(ax: Axes) -> Inks:
    """Return the inks for the background of Axes: their own face, blended with that of their figure behind it."""
    paper = np.ones(3)
    for patch in (ax.figure.patch, ax.patch):
        *face, opacity = to_rgba(patch.get_facecolor() if patch.get_visible() else "none")
        paper = opacity * np.array(face) + (1 - opacity) * paper
    if paper @ [0.2126, 0.7152, 0.0722] > 0.45:
        return Inks()
    tone = to_hex((float(paper[0]), float(paper[1]), float(paper[2])))
    return Inks(True, "#e6edf3", "#8c959f", tone, "#b1bac4", "#4a525b", tone, "#6e7681")


def dot(colour: Any, marker: str = "o", size: float = 7) -> Line2D:
    """Make the mark of a legend entry: a dot, or another marker."""
    return Line2D([], [], marker=marker, linestyle="", color=colour, markersize=size)


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
    style: Any = {"loc": "outside lower center", "ncols": len(columns), "labelspacing": 0.3}
    figure.legend(*zip(*chain(*padded), strict=True), **LEGEND, **style)
    figure.set_figheight(figure.get_figheight() + _LINE * n_lines)


def legend_of_labels(ax: Axes, *, own: bool) -> None:
    """Draw the legend of labelled artists, if there are any: below the Axes in a figure of our own."""
    entries: Entries = list(zip(*ax.get_legend_handles_labels(), strict=True))
    if entries and own:
        legend_below(ax, [entries])
    elif entries:
        ax.legend(loc="best")
