"""Updates of a mixture of which some parameters are fixed.

The others maximise beside these if all are updated from other moments.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gmm._values.fixed import Fixed
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters
from gmm._values.priors import Prior
from gmm._values.statistics import SufficientStatistics


def moments_beside(
    fixed: Fixed, statistics: SufficientStatistics, previous: MixtureParameters, prior: Prior
) -> SufficientStatistics:
    """Return moments whose update has the free parameters that are best beside the fixed ones.

    Those of a fixed mean are about it, as if it were the mean of the rows, as free covariances are about it; those of a
    fixed covariance only have to be of some matrix that is not singular.

    Parameters
    ----------
    fixed : Fixed
    statistics : SufficientStatistics
        Of a pass.
    previous : MixtureParameters
        The mixture whose parameters stay.
    prior : Prior
        Not variational: a posterior has no parameters to fix.
    """
    layout, of_mean = statistics.layout, fixed.means[:, None]
    about = statistics.recentred(np.where(of_mean, previous.means, statistics.origins))
    first, second = np.where(of_mean, 0.0, about.first), about.second
    off = np.where(of_mean, prior.shortfall(previous.means, about.counts), 0.0)
    second = second + layout.outer(off, off)
    if fixed.covariances.any():
        counts = np.maximum(about.counts, about.least_count)
        root = first / np.sqrt(counts)[:, None]
        mass = counts.sum() if layout.pooled else counts
        stand_in = (mass * previous.covariances.T).T + layout.outer(root, root)
        second = _composite(fixed.covariances, stand_in, second)
    return SufficientStatistics(layout, about.origins, about.counts, first, second, about.log_evidence, about.weight)


def restored(fixed: Fixed, update: MixtureParameters, previous: MixtureParameters) -> MixtureParameters:
    """Return the update of such moments with the fixed parameters as they were."""
    mask = fixed.covariances
    return replace(
        update,
        weights=_weights(fixed, update.weights, previous.weights),
        means=np.where(fixed.means[:, None], previous.means, update.means),
        covariances=_composite(mask, previous.covariances, update.covariances),
        factors=(
            _composite(mask, previous.whiteners, update.whiteners),
            _composite(mask, previous.log_determinants, update.log_determinants),
        ),
        fixed=fixed,
    )


def _weights(fixed: Fixed, weights: Array, previous: Array) -> Array:
    """Return fixed weights, beside which the others share the rest in proportion."""
    stays, free = fixed.weights, weights[~fixed.weights].sum()
    if not stays.any():
        return weights
    if not free > 0:  # all are fixed, or no row is left
        return previous
    return np.where(stays, previous, weights * ((1.0 - previous[stays].sum()) / free))


def _composite(mask: NDArray[np.bool_], fixed: Array, free: Array) -> Array:
    """Return some components' numbers of one array, and the others' of another; all or none where they share them."""
    if mask.all() or not mask.any():
        return fixed if mask.any() else free
    return np.where(mask.reshape((-1,) + (1,) * (fixed.ndim - 1)), fixed, free)
