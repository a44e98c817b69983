"""Matplotlib plots of mixtures. Each function draws on an Axes and returns it; none calls `show`.

Matplotlib is imported only here and is installed by the extra ``plot``.
"""

from gmm._plotting import (
    FitAnimation,
    animate_fit,
    plot_clusters,
    plot_convergence,
    plot_criteria,
    plot_decision_boundaries,
    plot_density,
    plot_entropies,
    plot_selection,
    plot_uncertainty,
)

__all__ = [
    "FitAnimation",
    "animate_fit",
    "plot_clusters",
    "plot_convergence",
    "plot_criteria",
    "plot_decision_boundaries",
    "plot_density",
    "plot_entropies",
    "plot_selection",
    "plot_uncertainty",
]
