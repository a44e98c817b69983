"""Trimmed fits: a share of the rows, those of the least density, is left out of the likelihood.

Neykov, Filzmoser, Dimova & Neytchev (2007); with a limit on the ratio of eigenvalues, tclust (García-Escudero et al.
2008). Fits to the rows that are left and choices of these rows take turns; each raises the trimmed likelihood.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gmm._fitting.fit import FitSettings, first_mixture, fit_mixture
from gmm._fitting.noisy import start_of_heavy_tails
from gmm._fitting.progress import Journal, Listener, MixtureFit
from gmm._fitting.starts import StartRequest, start_statistics
from gmm._passes.problem import Beginning, Problem
from gmm._passes.solver import Iteration
from gmm._rows.reweighed import reweighed
from gmm._rows.sources import ArraySource, Source
from gmm._validation.rows import check_enough_rows
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics
from gmm._values.weights import trimmed

__all__ = ["fit_trimmed"]


def fit_trimmed(
    source: Source,
    share: float,
    settings_for: Callable[[Source], FitSettings],
    journal: Journal,
    *,
    beginning: Beginning | None = None,
    callback: Callable[[Iteration], object] | None = None,
    **how: Any,
) -> tuple[MixtureFit, Source]:
    """Fit a mixture to rows of which a share is left out, until the same rows stay out.

    Parameters
    ----------
    source : Source
        Rows without gaps, read here.
    share : float
        Of the weight of all rows.
    settings_for : callable
        Returns the settings for rows: a prior is completed by those that are left.
    journal, beginning, callback
        As in `fit_mixture`. Each round of passes counts its own.
    **how
        Passed on to `fit_mixture`, for the first round.

    Returns
    -------
    MixtureFit
        With the passes of all rounds as those of one run.
    Source
        The rows with the weights that they had in the last round.
    """
    settings, watch = settings_for(source), Listener(callback)
    each = None if callback is None else watch
    first = beginning.parameters if beginning else _resistant_mixture(source, settings, journal.progress.seeds[0])
    weight = _weights_under(first, settings.problem(source), share)
    rows = reweighed(source, weight)
    check_enough_rows(rows.n_used, settings.n_components)
    settings = settings_for(rows)
    beginning = Beginning(first) if beginning else None
    fit = fit_mixture(rows, settings, journal, beginning=beginning, callback=each, **how)
    while not watch.stopped and (n_passes := settings.solver.max_iter - len(fit.result.trace)) > 0:
        weight = _weights_under(fit.result.parameters, settings.problem(source), share)
        if np.array_equal(weight, rows.weights):
            break
        others = reweighed(source, weight)
        again = settings._replace(refine=None, solver=settings.solver._replace(max_iter=n_passes))
        here = Beginning(fit.result.parameters)
        number = fit.result.trace.start
        result = fit_mixture(others, again, Journal(()), beginning=here, callback=_numbered(each, number)).result
        if not result.lower_bound > fit.result.lower_bound:
            break
        result = replace(result, trace=result.trace.behind(fit.result.trace))
        fit, rows = fit.improved(result)._replace(repaired=fit.repaired + result.repaired), others
    return fit, rows


def _resistant_mixture(source: Source, settings: FitSettings, seed: int) -> MixtureParameters:
    """Return a mixture that rows far away move little, if its start is left to the data; else that of the start."""
    problem, rng = settings.problem(source), np.random.default_rng(seed)
    request = StartRequest(settings.n_components, problem.objective.of_components, settings.n_threads)

    def start(sample: ArraySource) -> SufficientStatistics:
        return start_statistics(sample, request, settings.start.method, rng)

    beside_noise = (
        start_of_heavy_tails(problem, settings.n_components, start, rng) if settings.start.from_data else None
    )
    return first_mixture(source, settings, seed) if beside_noise is None else beside_noise


def _numbered(callback: Listener | None, start: int) -> Callable[[Iteration], object] | None:
    """Return a callback that sees passes of one start as those of another."""
    return None if callback is None else lambda iteration: callback(replace(iteration, start=start))


def _weights_under(mixture: MixtureParameters, problem: Problem, share: float) -> Array:
    """Return the weights of the rows, less those of the least density."""
    with problem.e_step() as e_step:
        values = e_step.rows(mixture.whitened(), log_evidence=True).log_evidence
    assert values is not None  # it was asked for
    return trimmed(problem.rows.weights, values, share)
