"""Pictures of mixtures, with matplotlib, which is imported in this room alone."""

from gmm._public import publish as _publish
from gmm._versions import install_line as _install_line

try:
    import matplotlib as _matplotlib  # noqa: F401
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"gmm.plotting draws with matplotlib, which is not installed: {_install_line('plot')}", name=_error.name
    ) from None

from gmm._plotting.animation import FitAnimation, animate_fit
from gmm._plotting.boundaries import plot_decision_boundaries
from gmm._plotting.clusters import plot_clusters
from gmm._plotting.convergence import plot_convergence
from gmm._plotting.criteria import plot_criteria
from gmm._plotting.density import plot_density
from gmm._plotting.entropies import plot_entropies
from gmm._plotting.selection import plot_selection
from gmm._plotting.uncertainty import plot_uncertainty

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

_publish("gmm.plotting", [globals()[_name] for _name in __all__])
