"""Plots for the documentation: logarithmic axes with plain numbers, and one colour for each peer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers import BASELINE, OURS
from benchmarks.report import Report

COLOURS = {BASELINE: "#E69F00", OURS: "#000000"}  # of Okabe and Ito, distinct for colour-blind readers
MARKERS = {BASELINE: "o", OURS: "D"}
NAMES = {BASELINE: "scikit-learn", OURS: OURS}  # in legends


def saved(draw: Callable[..., Any], values: Any, path: Path | None, report: Report) -> None:
    """Draw the values and save the figure, if there are a path, values and matplotlib."""
    if path is None or not values:
        return
    try:
        import matplotlib as mpl
    except ImportError as reason:
        report.skipped("the plot", str(reason))
        return
    mpl.use("Agg")
    figure = draw(values)
    figure.savefig(path, dpi=150)


def panels(n: int, size: tuple[float, float]) -> tuple[Any, list[Any]]:
    """Return a figure and its axes, one below the other, with shared logarithmic scales."""
    from matplotlib import pyplot, ticker

    figure, grid = pyplot.subplots(n, sharex=True, sharey=True, squeeze=False, figsize=size, layout="constrained")
    for axes in grid[:, 0]:
        axes.set(xscale="log", yscale="log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(ticker.NullFormatter())
        axes.grid(which="major", color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return figure, list(grid[:, 0])
