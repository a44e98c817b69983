"""The order of the components of a Dirichlet process, or of each class: the bound is higher where heavy ones lead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from gmm._passes.e_step import EStep
from gmm._passes.problem import Beginning, Problem, SolverSettings
from gmm._passes.solver import Iteration, SolverResult, SolverRun

_ROWS = 0.1  # by which a component must outweigh the one before it


def in_falling_order(
    problem: Problem,
    e_step: EStep,
    result: SolverResult,
    settings: SolverSettings,
    callback: Callable[[Iteration], object] | None,
    *,
    paused: SolverResult | None = None,
    on_pause: Callable[[SolverResult, SolverRun], object] = lambda result, run: None,
) -> SolverResult:
    """Sort the components of a converged result, or of each class, by their rows; run on as long as the bound rises.

    Parameters
    ----------
    problem : Problem
    e_step : EStep
        Open over the rows of the problem.
    result : SolverResult
    settings : SolverSettings
        With the maximum number of passes of all runs together.
    callback : callable, optional
        Called after each pass; each run counts its own.
    paused : SolverResult, optional
        The first of these runs, where it had been paused.
    on_pause : callable, optional
        Called wherever a run could pause, with the result that the run is to raise.
    """
    owners = problem.rows.known.owner_of_each(result.parameters.n_components)
    together, last = np.diff(owners) == 0, owners.max() + 1  # components of no class come last
    while result.trace.converged and (np.diff(result.statistics.counts)[together] > _ROWS).any():
        n_passes = settings.max_iter - len(result.trace)
        if n_passes <= 0:
            break
        order = np.lexsort((-result.statistics.counts, np.where(owners < 0, last, owners)))
        statistics = result.statistics.reordered(order)
        begin = Beginning.at_pause(paused) if paused else problem.continuation(e_step, statistics)
        run = problem.run(
            e_step,
            begin,
            settings._replace(max_iter=n_passes),
            start=result.trace.start,
            callback=callback,
            on_pause=partial(on_pause, result),
        ).go()
        paused = None
        if not run.lower_bound > result.lower_bound:
            break
        result = replace(run.result, trace=run.result.trace.behind(result.trace))
    return result
