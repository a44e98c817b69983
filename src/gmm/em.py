"""EM step by step: the two halves of an iteration, a fit one pass at a time, and the record of a fit.

`e_step` and `m_step` are for a loop of your own; the `SufficientStatistics` between them add up over blocks of rows.
`steps` yields the passes of a fit. `Iteration` is the argument of a callback of `GaussianMixture.fit`, and `Trace` its
``history_``.
"""

from gmm._estimators.steps import EMStep, e_step, m_step, steps
from gmm._passes.solver import Iteration, Trace
from gmm._values.statistics import SufficientStatistics

__all__ = ["EMStep", "Iteration", "SufficientStatistics", "Trace", "e_step", "m_step", "steps"]
