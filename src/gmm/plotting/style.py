"""One style for all pictures: colours that are told apart by everyone and in grey, and how Axes are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb, to_rgba
from matplotlib.figure import FigureBase
from numpy.typing import NDArray

from gmm.exceptions import InvalidParameterError, raisable

INK, FAINT = "#24292f", "#8c959f"  # text and lines that say something; what stands behind
PAPER = "#ffffff"
ROW = "#57606a"  # rows where colours say something else
BARS = "#d8dde2"  # rows of a histogram
PALE, PALE_EDGE = "#f4f5f6", "#c8ccd1"  # a sample of a tint that says little
DARKER = 0.75  # of a component's colour, for lines on its rows
# The hues of Okabe & Ito (2008), moved until all are told apart with each kind of red-green blindness, and neighbours
# by lightness alone (tests/test_plotting_style.py).
_PALETTE = ("#486ca6", "#e0af0f", "#02725c", "#d08dad", "#983519", "#22b3f0", "#4a2e93", "#a99233")


@dataclass(frozen=True)
class Inks:
    """Colours that say something only beside the paper's; `dark` is the paper's kind."""

    dark: bool
    ink: str
    faint: str
    paper: str
    row: str
    bars: str
    pale: str
    pale_edge: str

    def strong(self, shades: NDArray[np.float64]) -> NDArray[np.float64]:
        """Components' colours (n, 3) for lines on their rows: farther from the paper."""
        return 1 - DARKER * (1 - shades) if self.dark else DARKER * shades


_ON_LIGHT = Inks(False, INK, FAINT, PAPER, ROW, BARS, PALE, PALE_EDGE)
STYLE: Any = {
    "figure.figsize": (6.0, 4.5),
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
    """Colours of `n` components, (n, 3) in RGB from 0 to 1; after the eighth they come again, lighter."""
    base = np.array([to_rgb(name) for name in _PALETTE])
    rounds = np.arange(n) // len(base)
    shade = (0.6**rounds)[:, None]
    return base[np.arange(n) % len(base)] * shade + (1 - shade)


@contextmanager
def axes_of(ax: Axes | None, **figure: Any) -> Iterator[Axes]:
    """The Axes to draw on: the caller's, in the caller's style, or those of a new figure, in the package's.

    A new figure is closed again where drawing fails.

    Raises
    ------
    TypeError
        For what is no Axes, such as an array of them or a figure.
    ValueError
        For Axes that are not flat and rectangular, such as polar ones and those of three dimensions.
    """
    if ax is not None:
        yield _checked(ax)
        return
    with mpl.rc_context(STYLE), closed_on_failure():
        made: Axes = plt.subplots(**figure)[1]
        steady_ticks(made)
        yield made


@contextmanager
def closed_on_failure() -> Iterator[None]:
    """Close, where drawing fails, the figures that were made since."""
    before = set(plt.get_fignums())
    try:
        yield
    except BaseException:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)
        raise


def _checked(ax: Any) -> Axes:
    if not isinstance(ax, Axes):
        several = " of Axes: give one of them, such as ax[0]" if isinstance(ax, np.ndarray | list | tuple) else ""
        hint = ": give one of its Axes, such as figure.subplots()" if isinstance(ax, FigureBase) else several
        raise TypeError(f"ax must be one matplotlib Axes or None, got {type(ax).__name__}{hint}")
    if ax.name != "rectilinear":
        raise raisable(InvalidParameterError)(f"ax must be flat, rectangular Axes, got Axes of projection {ax.name!r}")
    return ax


def inks_of(ax: Axes) -> Inks:
    """The inks for the paper that Axes have: their own face, over that of their figure where it lets it through."""
    paper = np.ones(3)
    for patch in (ax.figure.patch, ax.patch):
        *face, opacity = to_rgba(patch.get_facecolor() if patch.get_visible() else "none")
        paper = opacity * np.array(face) + (1 - opacity) * paper
    if paper @ [0.2126, 0.7152, 0.0722] > 0.45:
        return _ON_LIGHT
    tone = to_hex((float(paper[0]), float(paper[1]), float(paper[2])))
    return Inks(True, "#e6edf3", "#8c959f", tone, "#b1bac4", "#4a525b", tone, "#6e7681")


def steady_ticks(ax: Axes) -> None:
    """Keep the ticks' colours: matplotlib makes ticks when it draws, in the style that holds then."""
    ax.tick_params(colors=INK)
    for axis in (ax.xaxis, ax.yaxis):
        axis.get_offset_text().set_color(INK)
