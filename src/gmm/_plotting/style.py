"""The style of all plots: colours that are distinct for colour-blind readers and in grey, and new Axes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb, to_rgba
from matplotlib.figure import FigureBase
from numpy.typing import NDArray

from gmm._exceptions import InvalidParameterError, raisable

INK, FAINT = "#24292f", "#8c959f"  # text and lines that carry information; everything behind them
PAPER = "#ffffff"
ROW = "#57606a"  # rows, where colour encodes something else
BARS = "#d8dde2"  # rows of a histogram
PALE, PALE_EDGE = "#f4f5f6", "#c8ccd1"  # a neutral sample of a pale tint
DARKER = 0.75  # factor on a component's colour, for lines on its rows
# The hues of Okabe & Ito (2008), moved until all are distinct under each kind of red-green blindness, and neighbours by
# lightness alone (tests/test_plotting_style.py).
_PALETTE = ("#486ca6", "#e0af0f", "#02725c", "#d08dad", "#983519", "#22b3f0", "#4a2e93", "#a99233")


class Inks(NamedTuple):
    """Colours that depend on the background; `dark` says whether that is dark."""

    dark: bool
    ink: str
    faint: str
    paper: str
    row: str
    bars: str
    pale: str
    pale_edge: str

    def strong(self, shades: NDArray[np.float64]) -> NDArray[np.float64]:
        """Increase the contrast of components' colours (n, 3), for lines on their rows."""
        return 1 - DARKER * (1 - shades) if self.dark else DARKER * shades


_ON_LIGHT = Inks(False, INK, FAINT, PAPER, ROW, BARS, PALE, PALE_EDGE)
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


NOISE = "black"  # of rows that belong to no component


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
            raise raisable(InvalidParameterError)(
                f"ax must be two-dimensional rectangular Axes, got Axes of projection {ax.name!r}"
            )
        yield ax
        return
    with mpl.rc_context(STYLE), closed_on_failure():
        axes: Axes = plt.subplots()[1]
        fix_tick_colours(axes)
        yield axes


@contextmanager
def closed_on_failure() -> Iterator[None]:
    """Close the figures made in this context if it raises."""
    before = set(plt.get_fignums())
    try:
        yield
    except BaseException:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)
        raise


def inks_of(ax: Axes) -> Inks:
    """Return the inks for the background of Axes: their own face, blended with that of their figure behind it."""
    paper = np.ones(3)
    for patch in (ax.figure.patch, ax.patch):
        *face, opacity = to_rgba(patch.get_facecolor() if patch.get_visible() else "none")
        paper = opacity * np.array(face) + (1 - opacity) * paper
    if paper @ [0.2126, 0.7152, 0.0722] > 0.45:
        return _ON_LIGHT
    tone = to_hex((float(paper[0]), float(paper[1]), float(paper[2])))
    return Inks(True, "#e6edf3", "#8c959f", tone, "#b1bac4", "#4a525b", tone, "#6e7681")


def fix_tick_colours(ax: Axes) -> None:
    """Set the colours of ticks now: matplotlib makes ticks only when it draws, in the style active then."""
    ax.tick_params(colors=INK)
    for axis in (ax.xaxis, ax.yaxis):
        axis.get_offset_text().set_color(INK)
