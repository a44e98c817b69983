"""Stepwise EM: a mixture that is updated after each block of rows, which is then forgotten."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gmm._passes.e_step import EStep
from gmm._passes.em import refill_empty
from gmm._rows.sources import Source
from gmm._values.layouts import Array
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics

# Measured on streams: with 1, early mixtures weigh too much for too long; with 4, small blocks decide too much.
_POWER = 3
ROWS_PER_PARAMETER = 3  # the weight of a start


class Stream(NamedTuple):
    """The state of stepwise EM after the rows so far (Cappé & Moulines 2009).

    Parameters
    ----------
    parameters : MixtureParameters
        The current mixture.
    statistics : SufficientStatistics
        Statistics of all rows so far, per unit weight.
    weight : float
        The weight of the past.
    objective : Objective
    """

    parameters: MixtureParameters
    statistics: SufficientStatistics
    weight: float
    objective: Objective

    @classmethod
    def from_mixture(cls, parameters: MixtureParameters, weight: float, objective: Objective) -> Stream:
        """Start from a mixture that counts as rows of this weight, or as three rows for each of its parameters."""
        parameters = objective.adopted(parameters, weight)
        weight = weight or float(ROWS_PER_PARAMETER * max(parameters.n_parameters, 1))
        return cls(parameters, implied_statistics(parameters, objective, weight=weight), weight, objective)

    def after(self, block: Source, *, decay: float, n_threads: int | None) -> tuple[Stream, float, tuple[int, ...]]:
        """Return the stream after a block, the block's mean log-likelihood before it, and components that were empty.

        The statistics are averages of those of the blocks, in which a block of weight w that ends at weight W has the
        share 1 − (1 − w / W)³ of all up to it. With `decay`, the past counts as 3 / decay at most: its share then falls
        by `decay` for each unit of weight.

        Raises
        ------
        SingularMatrixError
            If a covariance is singular and there is no ridge.
        """
        before, objective, w = self.parameters, self.objective, block.survey.weight
        past = min(self.weight, _POWER / decay) if decay else self.weight
        retention = (past / (past + w)) ** _POWER
        with EStep(block, before.model.layout, n_threads=n_threads) as e_step:
            new = e_step(before.whitened()).recentred(before.means)
            mixed = self.statistics.recentred(before.means).scaled(retention) + new.scaled((1 - retention) / w)
            mixed, repaired = refill_empty(mixed, before.model, before.n_components if objective.repairable else 0)
            parameters = objective.update(mixed.scaled(past + w), before, share_out=e_step.share_out)
        after = self._replace(parameters=parameters, statistics=mixed, weight=past + w)
        return after, new.mean_log_evidence, tuple(repaired)


def implied_statistics(
    parameters: MixtureParameters, objective: Objective, *, weight: float = 1.0
) -> SufficientStatistics:
    """Return statistics per unit weight, of rows of this weight, from which an update makes the mixture.

    They exclude ridge and prior, which the update adds: with a prior, no rows may have these statistics.

    Raises
    ------
    ValueError
        If the prior is so heavy relative to the rows that these numbers overflow.
    """
    model, means, layout = parameters.model, parameters.means, parameters.model.layout
    counts, first = parameters.weights, np.zeros(means.shape)
    divisors = counts.sum(keepdims=True) if layout.pooled else counts
    added: Array | float = 0.0
    spread: Array | float = 1.0  # the share of the rows, which alone have a ridge, not those of the prior
    if (moments := objective.prior.as_moments(model, *means.shape)) is not None:
        n_means = 0 if not moments.shrinkage else len(counts) if layout.pooled else 1
        scale, step = moments.scale.reshape(layout.shape(1, means.shape[1])), means - moments.mean
        with np.errstate(over="ignore", invalid="ignore"):
            of_rows, divisors = divisors, divisors + (moments.pseudocount + n_means) / weight
            spread = of_rows / divisors
            first = moments.shrinkage / weight * step
            added = (moments.shrinkage * layout.outer(step, step) + scale) / weight
        if not (np.isfinite(divisors).all() and np.isfinite(first).all() and np.isfinite(added).all()):
            raise ValueError(
                f"expected a finite prior relative to rows of weight {weight:g}: its scale or shrinkage "
                "divided by it overflows. Multiply the weights by a power of ten, or set another prior"
            )
    second = layout.with_ridge(parameters.covariances, -objective.ridge * spread)
    second = second * divisors.reshape((-1,) + (1,) * (second.ndim - 1)) - added
    return SufficientStatistics(model.layout, means, counts, first, second, 0.0, 1.0)
