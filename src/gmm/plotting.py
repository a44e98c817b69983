"""Matplotlib plots of mixtures. Each function draws on an Axes and returns it; none calls `show`.

Pictures of several panels, as of ``view="pairs"``, return an array of Axes. A figure of its own has its legend below
the Axes, ``ax.figure.legends[0]``; Axes of yours, passed as ``ax``, have it inside, ``ax.get_legend()``. Matplotlib is
imported only here and is installed by the extra ``plot``.
"""

from gmm._plotting.boundaries import plot_decision_boundaries
from gmm._plotting.curves import (
    plot_bootstrap_lrt,
    plot_criteria,
    plot_drift,
    plot_eigenvalues,
    plot_entropies,
    plot_hierarchy,
    plot_selection,
    plot_stability,
    plot_standard_errors,
)
from gmm._plotting.passes import FitAnimation, animate_fit, plot_convergence
from gmm._plotting.planes import plot_clusters, plot_density, plot_pairs, plot_uncertainty
from gmm._plotting.style import colours, encoded, inline_svg

__all__ = [
    "FitAnimation",
    "animate_fit",
    "colours",
    "encoded",
    "inline_svg",
    "plot_bootstrap_lrt",
    "plot_clusters",
    "plot_convergence",
    "plot_criteria",
    "plot_decision_boundaries",
    "plot_density",
    "plot_drift",
    "plot_eigenvalues",
    "plot_entropies",
    "plot_hierarchy",
    "plot_pairs",
    "plot_selection",
    "plot_stability",
    "plot_standard_errors",
    "plot_uncertainty",
]
