"""Pictures in tests: how they are drawn, and what is found in one."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection, PolyCollection

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
    return {text.get_text() for text in ax.texts}


def dots(ax):
    return next(item for item in ax.collections if isinstance(item, PathCollection))


def lines(ax):
    return next(item for item in ax.collections if isinstance(item, LineCollection))


def bars(ax):
    """The counts of a histogram and its edges."""
    return next(patch for patch in ax.patches if hasattr(patch, "get_data")).get_data()


def areas(ax):
    return [item for item in ax.collections if isinstance(item, PolyCollection)]


def tints(ax):
    """The middles of the tinted cells of a plane, (n, 2), and their colours, (n, 4)."""
    (picture,) = ax.images
    shades = np.asarray(picture.get_array())
    edges, sizes = np.reshape(picture.get_extent(), (2, 2)), shades.shape[1::-1]
    axes = [np.linspace(*edge, 2 * size + 1)[1::2] for edge, size in zip(edges, sizes, strict=True)]
    return np.stack(np.meshgrid(*axes), axis=2).reshape(-1, 2), shades.reshape(-1, 4)


def assert_ellipse_holds(patch, content, mean, covariance):
    """Its corners, of which the first is there twice more, are in even steps about a component in a plane."""
    corners = patch.get_xy()[:180]
    np.testing.assert_allclose(corners.mean(axis=0), mean, atol=1e-9)
    np.testing.assert_allclose(np.cov(corners.T, bias=True), -np.log(1 - content) * covariance, rtol=1e-9, atol=1e-9)


def line_data(ax):
    """What lines of more than one point are drawn: pairs of tuples, NaN left out."""
    lines = [line for line in ax.lines if line.get_linestyle() != "None"]
    drawn = [(line.get_xdata(), np.asarray(line.get_ydata(), dtype=float)) for line in lines]
    return [(tuple(np.asarray(x)[~np.isnan(y)]), tuple(y[~np.isnan(y)])) for x, y in drawn if len(y) > 1]


def markers(ax, marker):
    return [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if line.get_marker() == marker]
