"""The M-step of a mixture of which some parameters are held.

What maximises over the others is an update of all of them, from moments that say what is held.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmm.values.held import Held
from gmm.values.layouts import Array
from gmm.values.parameters import MixtureParameters
from gmm.values.priors import ConjugatePrior
from gmm.values.statistics import SufficientStatistics

__all__ = ["held_in", "moments_beside"]


def moments_beside(
    held: Held, statistics: SufficientStatistics, previous: MixtureParameters, prior: object
) -> SufficientStatistics:
    """Return moments whose update has the free parameters that are best beside the held ones.

    Those of a held mean are about it, as if it were the mean of the rows, since free covariances are about it; those of
    a held covariance only have to be of some matrix that is not singular.

    Parameters
    ----------
    held : Held
    statistics : SufficientStatistics
        Of a pass.
    previous : MixtureParameters
        The mixture whose parameters stay.
    prior : ConjugatePrior or None
        The other prior, of a variational posterior, has no mixture of which to hold a part.
    """
    layout, of_mean = statistics.layout, held.means[:, None]
    about = statistics.recentred(np.where(of_mean, previous.means, statistics.origins))
    first, second = np.where(of_mean, 0.0, about.first), about.second
    if isinstance(prior, ConjugatePrior) and prior.shrinkage > 0:
        # An update adds the square of its own mean's distance from the prior's κ n / (κ + n) times, not κ times.
        share = prior.shrinkage / np.sqrt(prior.shrinkage + about.counts)
        off = np.where(of_mean, (previous.means - prior.mean) * share[:, None], 0.0)
        second = second + layout.outer(off, off)
    if held.covariances.any():
        counts = np.maximum(about.counts, np.finfo(np.float64).eps * about.weight)
        root = first / np.sqrt(counts)[:, None]
        mass = counts.sum() if layout.pooled else counts
        stand_in = (mass * previous.covariances.T).T + layout.outer(root, root)
        second = _chosen(held.covariances, stand_in, second)
    return SufficientStatistics(layout, about.origins, about.counts, first, second, about.log_evidence, about.weight)


def held_in(held: Held, found: MixtureParameters, previous: MixtureParameters) -> MixtureParameters:
    """Return the update `found` of such moments with what is held as it was."""
    mask = held.covariances
    return MixtureParameters(
        _weights(held, found.weights, previous.weights),
        np.where(held.means[:, None], previous.means, found.means),
        _chosen(mask, previous.covariances, found.covariances),
        found.model,
        (
            _chosen(mask, previous.whiteners, found.whiteners),
            _chosen(mask, previous.log_determinants, found.log_determinants),
        ),
        found.noise,
        held,
    )


def _weights(held: Held, found: Array, previous: Array) -> Array:
    """Return held weights, beside which the others share the rest in proportion."""
    stays, free = held.weights, found[~held.weights].sum()
    if not stays.any():
        return found
    if not free > 0:  # all are held, or no row is left
        return previous
    return np.where(stays, previous, found * ((1.0 - previous[stays].sum()) / free))


def _chosen(mask: NDArray[np.bool_], held: Array, free: Array) -> Array:
    """Return some components' numbers of one array, and the others' of another; all or none where they share them."""
    if mask.all() or not mask.any():
        return held if mask.any() else free
    return np.where(mask.reshape((-1,) + (1,) * (held.ndim - 1)), held, free)
