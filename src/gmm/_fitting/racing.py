"""Short runs from several starts, which of them is best, and when to give a run up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf

from gmm._fitting.degenerate import degenerate_under
from gmm._passes.e_step import EStep
from gmm._passes.em import SolverRun
from gmm._passes.problem import Beginning, Problem, SolverSettings
from gmm._passes.solver import Iteration, SolverResult
from gmm._values.layouts import SingularMatrixError
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics

Start = SufficientStatistics | MixtureParameters  # of a run

_ROUGHLY = 1e-3  # nats per unit weight
# A run that ends higher than another may be far below it after a dozen passes: in one of four moves of split–merge.
_AVERAGED, _FORESEEN = 3, 30  # passes: the average gain of the last few is expected of so many to come
RECENT = _AVERAGED + 1  # passes that a judgement needs


def first_runs(
    problem: Problem,
    e_step: EStep,
    starts: Sequence[Start],
    settings: SolverSettings,
    passes: int,
    callback: Callable[[Iteration], object] | None = None,
    lead: float = -inf,
) -> list[SolverRun | SingularMatrixError]:
    """Run each start for some passes, fewer if far below a lead or an earlier one; return errors of singular ones."""
    runs: list[SolverRun | SingularMatrixError] = []
    while len(runs) < len(starts):
        rest = starts[len(runs) :]
        of_moments = [start for start in rest if isinstance(start, SufficientStatistics)]
        one_call = callback is None and len(of_moments) == len(rest)
        compiled = problem.first_runs(e_step, of_moments, settings, passes, lead) if one_call else []
        runs += compiled[:-1]
        lead = max([lead, *(run.lower_bound for run in compiled[:-1])])
        try:
            begin = Beginning(rest[0]) if isinstance(rest[0], MixtureParameters) else rest[0]
            run = compiled[-1] if compiled else problem.run(e_step, begin, settings, callback=callback)
            runs.append(run.go(passes - len(run.passes), lead))
            lead = max(lead, run.lower_bound)
        except SingularMatrixError as error:
            runs.append(error)
    return runs


def short_runs(problem: Problem, starts: Iterable[Start], max_iter: int) -> list[SolverResult | None]:
    """Run each start for a few passes to compare them; None where a covariance becomes singular."""
    settings, results = SolverSettings(tolerance=_ROUGHLY, max_iter=max_iter, confirm_stop=False), []
    with problem.e_step() as e_step:
        for start in starts:
            (run,) = first_runs(problem, e_step, [start], settings, max_iter)
            # The state of a solver is as large as many mixtures.
            results.append(run.result._replace(state=None) if isinstance(run, SolverRun) else None)
    return results


def has_degenerate(problem: Problem, result: SolverResult) -> bool:
    """Tell whether a result has a degenerate component."""
    return bool(degenerate_under(problem.objective, problem.rows, result.parameters, result.statistics).any())


def best_of(problem: Problem, results: Sequence[SolverResult | None]) -> int:
    """Return the index of the highest result without degenerate components, or of the highest if there is none."""
    bounds = [-inf if result is None else result.lower_bound for result in results]

    def is_usable(number: int) -> bool:
        result = results[number]
        return result is not None and not has_degenerate(problem, result)

    falling = sorted(range(len(results)), key=lambda number: -bounds[number])
    return next(filter(is_usable, falling), falling[0])


def foreseen_gain(bounds: Sequence[float]) -> float:
    """Return what a run with these lower bounds may still gain, if its next passes gain as much as the last few."""
    if len(bounds) < RECENT:
        return inf
    return _FORESEEN * max((bounds[-1] - bounds[-1 - _AVERAGED]) / _AVERAGED, 0.0)


def is_hopeless(bounds: Sequence[float], target: float, *, remaining: float = inf) -> bool:
    """Tell whether a run with these lower bounds will end below `target`.

    The gain to expect is `remaining`; if that is unknown, the average gain of the last passes is extrapolated.
    """
    if remaining == inf:
        remaining = foreseen_gain(bounds)
    return bool(bounds) and bounds[-1] + remaining < target
