"""Lines over the number of components, labelled at their right ends, for plots of criteria."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from gmm._plotting.style import FAINT, inks_of

_APART = 0.045  # least distance between two labels, as a fraction of the Axes' height
_RISES = 5  # height of the plot, in multiples of the most that a line rises after its minimum


@dataclass(frozen=True, eq=False)
class Line:
    """A criterion as a function of the number of components.

    Attributes
    ----------
    names : tuple of str
        The criterion; or the covariance type, or several types whose cells are all equal.
    counts, values : arrays of shape (n,)
        Numbers of components, and the criterion for each; NaN where there is no point.
    colour : str or array of shape (3,)
    """

    names: tuple[str, ...]
    counts: NDArray[np.int64]
    values: NDArray[np.float64]
    colour: Any

    @property
    def label(self) -> str:
        """The first two names."""
        return " = ".join(self.names[:2]) + (" = …" if len(self.names) > 2 else "")


def draw_line(ax: Axes, line: Line) -> None:
    """Draw a line in its colour, with a dot for each number of components."""
    ax.plot(line.counts, line.values, color=line.colour, lw=1.8, marker="o", ms=4.5, zorder=3)


def mark_best(ax: Axes, count: int, value: float, colour: Any) -> None:
    """Draw an open star about the best value."""
    ax.plot(count, value, "*", ms=20, mfc="none", mec=colour, mew=1.4, zorder=7)


def limit_height(ax: Axes, lines: Sequence[Line]) -> None:
    """Cut off the steep fall from too few components, which would flatten the rest; mark it by triangles at the top."""
    low, high = ax.get_ylim()
    ax.set_ylim(low, high)  # later artists, such as degenerate cells, no longer change the limits
    curves = [line.values for line in lines if np.isfinite(line.values).any()]
    rise = max(np.nanmax(values[int(np.nanargmin(values)) :]) - np.nanmin(values) for values in curves)
    least, highest = (extreme([np.nanmin(values) for values in curves]) for extreme in (min, max))
    top = highest + _RISES * rise
    if rise > 0 and top < high:
        ax.set_ylim(least - 0.06 * (top - least), top + 0.04 * (top - least))
        _mark_above(ax, lines)


def _mark_above(ax: Axes, lines: Sequence[Line]) -> None:
    """Mark numbers of components with values above the Axes by a triangle at the top, one for all lines."""
    top = ax.get_ylim()[1]
    above = sorted({count for line in lines for count in line.counts[line.values > top].tolist()})
    where: Any = {"ls": "", "clip_on": False, "transform": ax.get_xaxis_transform()}
    if above:
        ax.plot(above, [1] * len(above), "^", color=inks_of(ax).faint, ms=6, label="above the picture", **where)


def label_ends(ax: Axes, lines: Sequence[Line]) -> None:
    """Label each line to the right of the Axes, near the height of its end; add ↑ if that is above the Axes."""
    low, high = ax.get_ylim()
    curves = [line for line in lines if np.isfinite(line.values).any()]
    ends = [int(np.flatnonzero(np.isfinite(line.values))[-1]) for line in curves]
    last = max(line.counts[-1] for line in lines)
    heights = [min(line.values[end], high) for line, end in zip(curves, ends, strict=True)]
    for line, end, height in zip(curves, ends, spaced(heights, _APART * (high - low)), strict=True):
        beside = line.counts[end] == last and abs(height - line.values[end]) < 0.01 * (high - low)
        above = line.values[end] > high
        leader = {"arrowstyle": "-", "color": FAINT, "lw": 0.7, "ls": ":", "shrinkA": 1, "shrinkB": 5}
        ax.annotate(
            line.label + " ↑" * bool(above),
            (line.counts[end], line.values[end]),
            (1.02, height),
            xycoords="data",
            textcoords=ax.get_yaxis_transform(),
            color=line.colour,
            va="center",
            annotation_clip=False,
            arrowprops=None if beside or above else leader,
        )


def spaced(heights: Sequence[float], gap: float) -> NDArray[np.float64]:
    """Move heights until they are at least `gap` apart, in their order and as little as possible."""
    order = np.argsort(heights, kind="stable")
    steps = gap * np.arange(len(heights))
    targets = np.asarray(heights)[order] - steps
    # Isotonic least squares by pooling adjacent violators.
    pools: list[tuple[float, int]] = []
    for value in targets:
        pool = (float(value), 1)
        while pools and pools[-1][0] > pool[0]:
            before = pools.pop()
            size = before[1] + pool[1]
            pool = ((before[0] * before[1] + pool[0] * pool[1]) / size, size)
        pools.append(pool)
    placed = np.empty(len(heights))
    placed[order] = np.repeat([value for value, _ in pools], [size for _, size in pools]) + steps
    return placed


def set_counts_axis(ax: Axes, counts: Iterable[int]) -> None:
    """Make the horizontal axis the number of components, with integer ticks."""
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=12))
    ax.set_xlim(min(counts) - 0.3, max(counts) + 0.3)
    ax.set_xlabel("components")
