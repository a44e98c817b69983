"""A fitted mixture in words and a small table, for `repr`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmm.inference import Trace
from gmm.parameters import MixtureParameters

_MOST_COMPONENTS = 12
_MOST_FEATURES = 6


def summary(
    parameters: MixtureParameters,
    trace: Trace | None = None,
    lower_bound: float | None = None,
    feature_names: Sequence[str] | None = None,
) -> str:
    """Weights, means and spread of the components, and how the fit went.

    Parameters
    ----------
    parameters : MixtureParameters
    trace : Trace, optional
        Of the fit, where there was one.
    lower_bound : float, optional
        Of the parameters, where there was a fit.
    feature_names : sequence of str, optional

    Returns
    -------
    str
        Several lines; many components or features are cut short, and it says so.
    """
    K, d = parameters.means.shape
    lines = [
        f"{K} component{'s' * (K > 1)}, {d} feature{'s' * (d > 1)}, {parameters.model.known_as} covariance, "
        f"{parameters.n_parameters} free parameters"
    ]
    if trace is not None and len(trace):
        lines.append(f"{trace.ending} ({trace.reason}), mean log-likelihood {lower_bound:.6g} nats")
    return "\n".join(lines + _table(parameters, feature_names))


def _table(parameters: MixtureParameters, names: Sequence[str] | None) -> list[str]:
    K, d = parameters.means.shape
    variances = parameters.model.layout.diagonal(parameters.covariances, d)
    spreads = np.broadcast_to(np.sqrt(variances), (K, d))
    shown = min(d, _MOST_FEATURES)
    titles = [str(name) for name in names] if names is not None else [f"x{j}" for j in range(d)]
    rows = [["", "weight", *titles[:shown]]]
    for k in range(min(K, _MOST_COMPONENTS)):
        cells = [f"{parameters.means[k, j]:.4g} ± {spreads[k, j]:.3g}" for j in range(shown)]
        rows.append([str(k), f"{parameters.weights[k]:.4f}", *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    left_out = [f"{K - _MOST_COMPONENTS} more components"] if K > _MOST_COMPONENTS else []
    left_out += [f"{d - shown} more features"] if d > shown else []
    return lines + [f"  … and {', '.join(left_out)}"] * bool(left_out) + ["  (mean ± standard deviation)"]
