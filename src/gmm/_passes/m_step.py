"""The M-step of a run: the update of its objective, and repairs of empty components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gmm._kernel.mstep import MixtureFamily
from gmm._values.classes import ALL_UNKNOWN, KnownClasses
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import Array, Layout
from gmm._values.objective import Objective, ShareOut, in_turn, positive_counts
from gmm._values.parameters import Estimate, MixtureParameters
from gmm._values.statistics import SufficientStatistics


class MStep:
    """The M-step of one run, which may give components without rows a new place.

    Parameters
    ----------
    objective : Objective
    repairs : int
        Maximum number of components that get a new place.
    weight : float
        Of all rows: that of statistics differs by rounding.
    classes : KnownClasses
        Of the rows.
    share_out : callable, optional
        As in `Objective.update`.
    repaired : sequence of int
        Components that got a new place before; they count towards `repairs`.
    """

    def __init__(
        self,
        objective: Objective,
        repairs: int,
        *,
        weight: float = 1.0,
        classes: KnownClasses = ALL_UNKNOWN,
        share_out: ShareOut = in_turn,
        repaired: Sequence[int] = (),
    ) -> None:
        self.objective = objective
        self._repairs = repairs
        self._weight = weight
        self._classes = classes
        self._share_out = share_out
        self.repaired = list(repaired)

    @property
    def repair_empty(self) -> bool:
        """Whether a component without rows is given a new place."""
        return self._repairs > len(self.repaired)

    def family(self, shape: tuple[int, ...]) -> MixtureFamily:
        """Return the mixtures with means of a shape, as the compiled core sees them."""
        return self.objective.family(shape, self._weight, self._classes)

    def mixture(self, estimate: Estimate) -> MixtureParameters:
        """Return the result of a compiled update."""
        return self.objective.mixture(estimate, self._weight)

    def adopted(self, parameters: MixtureParameters) -> MixtureParameters:
        """Return a mixture, which may be of another fit, as one of this."""
        return self.objective.adopted(parameters, self._weight)

    def __call__(
        self, statistics: SufficientStatistics, previous: MixtureParameters | None = None
    ) -> MixtureParameters:
        """Maximise the expected complete-data log-likelihood, ridge and prior included; never worse than `previous`."""
        model, at_most = self.objective.model, self._repairs - len(self.repaired)
        pairs = list[tuple[int, int]]()
        if not model.stored_whole:
            statistics, previous, pairs = _halved(statistics, previous, at_most)
            repaired = [into for _, into in pairs]
        else:
            statistics, repaired = refilled(statistics, model, at_most)
        self.repaired += repaired
        mixture = self.objective.update(statistics, previous, weight=self._weight, share_out=self._share_out)
        return _parted(mixture, pairs)


def refilled(
    statistics: SufficientStatistics, model: CovarianceModel, at_most: int
) -> tuple[SufficientStatistics, list[int]]:
    """Give each component without rows half of the heaviest one, split along its widest direction.

    Parameters
    ----------
    statistics : SufficientStatistics
    model : CovarianceModel
    at_most : int
        Maximum number of components to repair; further ones stay where they are.

    Returns
    -------
    statistics : SufficientStatistics
    repaired : list of int
        The components that were given a new place.
    """
    repaired = _empty(statistics, at_most)
    for k in repaired:
        donor = int(np.argmax(statistics.counts))
        free = model.layout.per_count(statistics.scatter, positive_counts(statistics))
        statistics = split_widest(statistics, donor, k, model.layout, free, offset=0.5)
    return statistics, repaired


def _empty(statistics: SufficientStatistics, at_most: int) -> list[int]:
    empty = (statistics.counts <= statistics.least_count).nonzero()[0]
    return [int(k) for k in empty[: at_most if len(statistics.counts) > 1 else 0]]


def _halved(
    statistics: SufficientStatistics, previous: MixtureParameters | None, at_most: int
) -> tuple[SufficientStatistics, MixtureParameters | None, list[tuple[int, int]]]:
    """Give each component without rows half of the heaviest one as it is, in the mixture before as well.

    Also return which got half of which: low-rank moments have no other origin, so that `_parted` moves the means.
    """
    pairs = []
    for k in _empty(statistics, at_most):
        donor = int(np.argmax(statistics.counts))
        statistics = statistics.halved(donor, k)
        pairs.append((donor, k))
        if previous is not None:
            order = np.arange(len(statistics.counts))
            order[k] = donor
            factors = previous.whiteners[order], previous.log_determinants[order]
            previous = replace(previous, covariances=previous.covariances[order], factors=factors)
    return statistics, previous, pairs


def _parted(mixture: MixtureParameters, pairs: list[tuple[int, int]]) -> MixtureParameters:
    """Move the means of each pair of equal components one standard deviation apart, along the widest direction."""
    means = mixture.means.copy()
    for donor, k in pairs:
        step = 0.5 * mixture.model.layout.widest(mixture.covariances, donor, mixture.n_features)
        means[donor] -= step
        means[k] += step
    return mixture.with_other(means=means) if pairs else mixture


def split_widest(
    statistics: SufficientStatistics, component: int, into: int, layout: Layout, covariances: Array, *, offset: float
) -> SufficientStatistics:
    """Split a component in two along its widest direction, the means 2·`offset` standard deviations apart."""
    return statistics.split(component, into, offset * layout.widest(covariances, component, statistics.first.shape[1]))
