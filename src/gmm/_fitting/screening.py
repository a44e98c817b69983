"""Screening of starts on a part of the rows: which of several are worth a run over all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm._fitting.racing import short_runs
from gmm._fitting.sampling import sample_indices
from gmm._passes.problem import Problem
from gmm._rows.sources import ArraySource, Source
from gmm._values.parameters import MixtureParameters

SCREENING_PASSES = 15
# Fitted to m rows, p parameters are p / 2m nats per row better on these than they are: 0.01.
_ROWS_PER_PARAMETER = 50
_FEWEST_ROWS = 2000
_FEWEST_ROWS_OF_A_COMPONENT = 10  # for each feature
_WORTH_SCREENING = 2  # times the rows that are screened
# Measured with n_init=10 on 60,000 to 150,000 rows, of photos and drawn from overlapping components: 0.01 runs twice as
# many starts as 0, for a gain of at most 0.004 nats per row.
_MARGIN = 0.002  # nats per row
_SAME = 1e-6  # nats per row


def screening_rows(source: Source, first: MixtureParameters, seed: int) -> ArraySource | None:
    """Draw the rows to screen starts on; None if every start is to be run without screening.

    There is no screening of few rows, where it costs nearly as much as the run, nor where the part would hold too few
    rows of some component of the `first` start.
    """
    size = max(_FEWEST_ROWS, _ROWS_PER_PARAMETER * first.n_parameters)
    rarest = size * float(first.weights.min())
    if source.n_used < _WORTH_SCREENING * size or rarest < _FEWEST_ROWS_OF_A_COMPONENT * source.n_features:
        return None
    part = source.subset(sample_indices(source, size, np.random.default_rng(seed)))
    return ArraySource(np.ascontiguousarray(part.rows), part.sample_weight)


@dataclass(frozen=True, eq=False)
class Screened:
    """Result of a short run from a start on a part of the rows.

    Parameters
    ----------
    parameters : MixtureParameters
        Where the run ended.
    lower_bound : float
        Mean log-likelihood on those rows, in nats per unit weight; −∞ if a covariance became singular.
    record : float
        The highest lower bound of the starts before; −∞ for the first.
    promising : bool
        Whether the start comes near the record or above it, and no earlier start ended in the same place.
    """

    parameters: MixtureParameters
    lower_bound: float
    record: float
    promising: bool


class Screening:
    """Short runs on the same rows, one for each start.

    A start is judged only by the starts before it. A start that is promising among few starts is so among more of them,
    so more starts never end lower.

    Parameters
    ----------
    problem : Problem
        Over the rows that `screening_rows` drew.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._reached: list[float] = []

    def __call__(self, parameters: MixtureParameters) -> Screened:
        """Run the next start and judge it."""
        (result,) = short_runs(self._problem, [parameters], SCREENING_PASSES)
        reached = -np.inf if result is None else result.lower_bound
        parameters = parameters if result is None else result.parameters
        record = max(self._reached, default=-np.inf)
        new = all(abs(reached - other) > _SAME for other in self._reached)
        self._reached.append(reached)
        return Screened(parameters, reached, record, reached > record - _MARGIN and new)
