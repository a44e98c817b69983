"""Lines against the number of components, named at their right ends: what pictures of criteria share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from gmm.plotting.style import FAINT

_APART = 0.045  # of the Axes' height: between two labels
_RISES = 5  # a picture is as high as so many times what lines rise after their lowest points


@dataclass(frozen=True, eq=False)
class Line:
    """A criterion at numbers of components.

    Attributes
    ----------
    names : tuple of str
        What it is of: a criterion; or covariance types, several where all their cells are the same.
    counts, values : arrays of shape (n,)
        Numbers of components, and the criterion there; NaN where it has no point.
    colour : str or array of shape (3,)
    """

    names: tuple[str, ...]
    counts: NDArray[np.int64]
    values: NDArray[np.float64]
    colour: Any

    @property
    def label(self) -> str:
        """The first names."""
        return " = ".join(self.names[:2]) + (" = …" if len(self.names) > 2 else "")


def as_high_as_the_best(ax: Axes, lines: Sequence[Line]) -> None:
    """Leave out what is far above: beside the fall from too few components the rest would be one flat line."""
    low, high = ax.get_ylim()
    ax.set_ylim(low, high)  # what is drawn later, spikes among it, moves the limits no more
    drawn = [line.values for line in lines if np.isfinite(line.values).any()]
    rise = max(np.nanmax(values[int(np.nanargmin(values)) :]) - np.nanmin(values) for values in drawn)
    least, highest = (extreme([np.nanmin(values) for values in drawn]) for extreme in (min, max))
    top = highest + _RISES * rise
    if rise > 0 and top < high:
        ax.set_ylim(least - 0.06 * (top - least), top + 0.04 * (top - least))


def name_at_the_end(ax: Axes, lines: Sequence[Line]) -> None:
    """Each line's name right of the Axes, as high as the line ends or beside that; ↑ if it is above the picture."""
    low, high = ax.get_ylim()
    drawn = [line for line in lines if np.isfinite(line.values).any()]
    ends = [int(np.flatnonzero(np.isfinite(line.values))[-1]) for line in drawn]
    last = max(line.counts[-1] for line in lines)
    heights = [min(line.values[end], high) for line, end in zip(drawn, ends, strict=True)]
    for line, end, height in zip(drawn, ends, apart(heights, _APART * (high - low)), strict=True):
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


def apart(heights: Sequence[float], gap: float) -> NDArray[np.float64]:
    """Heights at least a `gap` from each other, in their order, about where they were."""
    order = np.argsort(heights, kind="stable")
    steps = gap * np.arange(len(heights))
    wanted = np.asarray(heights)[order] - steps
    # The nearest that do not fall, least squares: means of those that would (pool adjacent violators).
    pools: list[tuple[float, int]] = []
    for value in wanted:
        pool = (float(value), 1)
        while pools and pools[-1][0] > pool[0]:
            before = pools.pop()
            size = before[1] + pool[1]
            pool = ((before[0] * before[1] + pool[0] * pool[1]) / size, size)
        pools.append(pool)
    placed = np.empty(len(heights))
    placed[order] = np.repeat([value for value, _ in pools], [size for _, size in pools]) + steps
    return placed


def counts_axis(ax: Axes, counts: Iterable[int]) -> None:
    """Whole numbers of components to the right."""
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=12))
    ax.set_xlim(min(counts) - 0.3, max(counts) + 0.3)
    ax.set_xlabel("components")
