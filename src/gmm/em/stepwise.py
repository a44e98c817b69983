"""Stepwise EM: a mixture that is updated after each block of rows, which is then forgotten."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gmm.em.e_step import EStep
from gmm.em.m_step import Prior, most_likely, refilled
from gmm.em.solver import SolverResult
from gmm.rows.sources import ArraySource
from gmm.values.parameters import MixtureParameters
from gmm.values.statistics import SufficientStatistics

# Measured on the data of `python -m benchmarks stream`: with 1, what early mixtures made of their rows stays too long;
# with 4, small blocks decide too much.
_POWER = 3
ROWS_PER_PARAMETER = 3  # that a start counts as


@dataclass(frozen=True, eq=False)
class Stream:
    """What stepwise EM remembers of the rows so far (Cappé & Moulines 2009).

    Parameters
    ----------
    parameters : MixtureParameters
        The current mixture.
    statistics : SufficientStatistics
        Of all rows so far, per unit weight.
    weight : float
        What the past counts as.
    prior : ConjugatePrior or VariationalPrior, optional
    """

    parameters: MixtureParameters
    statistics: SufficientStatistics
    weight: float
    prior: Prior | None = None

    @classmethod
    def from_mixture(
        cls, parameters: MixtureParameters, weight: float, prior: Prior | None, ridge: float = 0.0
    ) -> Stream:
        """Begin with a mixture that counts as rows of this weight, or as three rows for each of its parameters."""
        weight = weight or float(ROWS_PER_PARAMETER * parameters.n_parameters)
        return cls(parameters, implied_statistics(parameters, ridge), weight, prior)

    @classmethod
    def from_fit(cls, result: SolverResult, prior: Prior | None) -> Stream:
        """Continue from a fit, whose prior an update counts anew."""
        weight = result.statistics.weight
        return cls(result.parameters, result.statistics.scaled(1 / weight), weight, prior)

    def taken(
        self, block: ArraySource, *, ridge: float, decay: float, n_threads: int | None
    ) -> tuple[Stream, float, tuple[int, ...]]:
        """Return the stream after a block, the block's mean log-likelihood before it, and components that were empty.

        The statistics are averages of those of the blocks, in which a block that ends at weight W has the share
        1 − (1 − w / W)³ of all up to it. With `decay`, the past counts as 3 / decay at most: its share then falls by
        `decay` for each unit of weight.

        Raises
        ------
        SingularMatrixError
            If a covariance is singular and there is no ridge.
        """
        before, w = self.parameters, block.survey.weight
        past = min(self.weight, _POWER / decay) if decay else self.weight
        kept = (past / (past + w)) ** _POWER
        with EStep(block, before.model.moments, n_threads=n_threads) as e_step:
            new = e_step(before.whitened()).recentred(before.means)
            mixed = self.statistics.recentred(before.means).scaled(kept) + new.scaled((1 - kept) / w)
            mixed, repaired = refilled(mixed, before.model, before.n_components)
            parameters = most_likely(
                mixed.scaled(past + w),
                before.model,
                ridge,
                spread=e_step.spread,
                previous=before.covariances,
                prior=self.prior,
                noise=before.noise,
            )
        after = replace(self, parameters=parameters, statistics=mixed, weight=past + w)
        return after, new.mean_log_evidence, tuple(repaired)


def implied_statistics(parameters: MixtureParameters, ridge: float = 0.0) -> SufficientStatistics:
    """Return the statistics of rows of weight 1 in all, for which an update with `ridge` returns the mixture."""
    model, weights = parameters.model, parameters.weights
    second = model.layout.with_ridge(parameters.covariances, -ridge)
    second = second * (weights.sum() if model.layout.pooled else weights.reshape((-1,) + (1,) * (second.ndim - 1)))
    first = np.zeros(parameters.means.shape)
    return SufficientStatistics(model.moments, parameters.means, weights, first, second, 0.0, 1.0)
