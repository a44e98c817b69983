"""Pictures in tests: how they are drawn, and what is found in one."""

import pytest
from matplotlib.collections import LineCollection, PathCollection

from gmm.plotting import plot_clusters, plot_decision_boundaries, plot_density, plot_uncertainty

PLOTS = [plot_clusters, plot_density, plot_decision_boundaries, plot_uncertainty]
each_plot = pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.__name__)


def draw(ax):
    """Draw everything but its pixels; where it is laid out makes no difference to what is asked, and takes longest."""
    ax.figure.set_layout_engine("none")
    ax.figure.draw_without_rendering()


def legend_of(ax):
    return ax.get_legend() or ax.figure.legends[0]


def legend(ax):
    return [text.get_text() for text in legend_of(ax).get_texts() if text.get_text()]


def numbers(ax):
    """The texts in Axes."""
    return {text.get_text() for text in ax.texts}


def dots(ax):
    return next(item for item in ax.collections if isinstance(item, PathCollection))


def lines(ax):
    return next(item for item in ax.collections if isinstance(item, LineCollection))


def bars(ax):
    """The counts of a histogram and its edges."""
    return next(patch for patch in ax.patches if hasattr(patch, "get_data")).get_data()
