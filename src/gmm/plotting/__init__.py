"""Matplotlib plots of mixtures. Each function draws on an Axes and returns it; none calls `show`.

Matplotlib is imported only here and is installed by the extra ``plot``.
"""

from gmm._public import publish as _publish
from gmm.versions import install_line as _install_line

try:
    import matplotlib as _matplotlib  # noqa: F401
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"gmm.plotting draws with matplotlib, which is not installed: {_install_line('plot')}", name=_error.name
    ) from None

from gmm.plotting.animation import FitAnimation, animate_fit
from gmm.plotting.boundaries import plot_decision_boundaries
from gmm.plotting.clusters import plot_clusters
from gmm.plotting.convergence import plot_convergence
from gmm.plotting.criteria import plot_criteria
from gmm.plotting.density import plot_density
from gmm.plotting.entropies import plot_entropies
from gmm.plotting.selection import plot_selection
from gmm.plotting.uncertainty import plot_uncertainty

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

_publish(__name__, [globals()[_name] for _name in __all__])
