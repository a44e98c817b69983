"""Trimmed fits: a share of the rows, those of the least density, is left out of the likelihood.

Neykov, Filzmoser, Dimova & Neytchev (2007); with a limit on the ratio of eigenvalues, the mixture form of tclust
(García-Escudero, Gordaliza & Mayo-Iscar 2014). Fits to the rows that are left and choices of these rows take turns;
each raises the trimmed likelihood.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from gmm._fitting.fit import FitSettings, Journal, Listener, MixtureFit, OnSkip, first_mixture, fit_mixture
from gmm._fitting.noisy import start_of_heavy_tails
from gmm._fitting.starts import StartRequest, start_statistics
from gmm._passes.problem import Beginning, Problem
from gmm._passes.solver import Iteration, SolverResult
from gmm._rows.sources import ArraySource, Source, reweighed
from gmm._validation.rows import check_enough_rows
from gmm._values.layouts import Array, SingularMatrixError
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics
from gmm._values.weights import trimmed


def fit_trimmed(
    source: Source,
    share: float,
    settings: FitSettings,
    settings_for: Callable[[Source], FitSettings],
    seeds: Sequence[int],
    *,
    beginning: Beginning | None,
    callback: Callable[[Iteration], object] | None,
    on_end: Callable[[SolverResult], object],
    on_skip: OnSkip,
) -> tuple[MixtureFit, Source, FitSettings]:
    """Fit a mixture to rows of which a share is left out; each start chooses its own, until the same rows stay out.

    Parameters
    ----------
    source : Source
        Rows without gaps, read here.
    share : float
        Of the weight of all rows.
    settings : FitSettings
        For all rows.
    settings_for : callable
        Returns the settings for rows: a prior is completed by those that are left in the first round.
    seeds : sequence of int
        One for each start; empty where a fit begins elsewhere.
    beginning, callback, on_end, on_skip
        As in `fit_mixture`. Each round of passes counts its own.

    Returns
    -------
    MixtureFit
        With the passes of all rounds of a start as those of one run.
    Source
        The rows with the weights that they had in the last round of the best start.
    FitSettings
        Those of the best start.

    Raises
    ------
    SingularMatrixError
        If there is no ridge and every start ends in a singular covariance.
    ValueError
        If a class has too few rows left.
    """
    watch, failure = Listener(callback), SingularMatrixError(0)
    ends = list[tuple[MixtureFit, Source, FitSettings]]()
    for number, seed in enumerate(seeds or (0,)):
        each = None if callback is None else _numbered(watch, number)
        try:
            first = beginning.parameters if beginning else _resistant_mixture(source, settings, seed)
            weight = _weights_under(first, settings.problem(source), share)
            if shortage := _shortage(source, weight):
                raise ValueError(
                    "expected a share to trim that leaves each class a row for each of its components, but "
                    f"trim={share:g} leaves {shortage}: its rows have the least density. Trim less, or give that class "
                    "no label"
                )
            rows = reweighed(source, weight)
            own, journal = settings_for(rows), Journal(seeds[number : number + 1])
            fit, rows = _in_turns(source, share, own, rows, watch, journal, beginning and Beginning(first), each)
        except SingularMatrixError as error:
            failure = error
            on_skip(number, None)
            continue
        result = fit.result._replace(trace=replace(fit.result.trace, start=number))
        on_end(result)
        ends.append((MixtureFit(result, fit.repaired), rows, own))
        if watch.stopped:
            break
    if not ends:
        raise failure
    best, rows, own = max(ends, key=lambda end: end[0].result.lower_bound)
    return best._replace(traces=tuple(fit.result.trace for fit, *_ in ends)), rows, own


def _in_turns(
    source: Source,
    share: float,
    settings: FitSettings,
    rows: Source,
    watch: Listener,
    journal: Journal,
    beginning: Beginning | None,
    callback: Callable[[Iteration], object] | None,
) -> tuple[MixtureFit, Source]:
    """Fit one start to the rows that are left at first, and then to those that each fit leaves.

    Turns end where the objective no longer rises, which beside a ridge the likelihood need not do. Plain EM does not
    record it: there the likelihood decides, and the last turn may be missing.
    """
    check_enough_rows(rows.n_used, settings.n_components)
    fit = fit_mixture(rows, settings, journal, beginning=beginning, callback=callback)
    while not watch.stopped and (n_passes := settings.solver.max_iter - len(fit.result.trace)) > 0:
        weight = _weights_under(fit.result.parameters, settings.problem(source), share)
        if np.array_equal(weight, rows.weights) or _shortage(source, weight):
            break
        others = reweighed(source, weight)
        again = settings._replace(refine=None, solver=settings.solver._replace(max_iter=n_passes))
        here = Beginning(fit.result.parameters)
        result = fit_mixture(others, again, Journal(()), beginning=here, callback=callback).result
        if not result.trace.objective[-1] > fit.result.trace.objective[-1]:
            break
        result = result._replace(trace=result.trace.with_earlier(fit.result.trace))
        fit, rows = fit.improved(result)._replace(repaired=fit.repaired + result.repaired), others
    return fit, rows


def _shortage(source: Source, weight: Array) -> str:
    """Return in words which class has fewer rows left than components; empty if none has."""
    codes, owners = source.known.codes, source.known.owners
    for number, needed in zip(*np.unique(owners[owners >= 0], return_counts=True), strict=True):
        of_class = codes == number + 1
        if (n := np.count_nonzero(weight[of_class])) < needed:
            return f"{n} of the class of row {of_class.argmax()} for {needed}"
    return ""


def _resistant_mixture(source: Source, settings: FitSettings, seed: int) -> MixtureParameters:
    """Return a mixture that rows far away move little, if its start is left to the data; else that of the start."""
    problem, rng = settings.problem(source), np.random.default_rng(seed)
    request = StartRequest(settings.n_components, problem.objective.for_starts, settings.n_threads)

    def start(sample: ArraySource) -> SufficientStatistics:
        return start_statistics(sample, request, settings.start.method, rng)

    K, from_data = settings.n_components, settings.start.from_data
    if from_data and (begun := start_of_heavy_tails(problem, K, start, rng)) is not None:
        return begun
    return first_mixture(source, settings, seed)


def _numbered(callback: Listener, start: int) -> Callable[[Iteration], object]:
    """Return a callback that sees passes of one start as those of another."""
    return lambda iteration: callback(iteration._replace(start=start))


def _weights_under(mixture: MixtureParameters, problem: Problem, share: float) -> Array:
    """Return the weights of the rows, less those of the least density."""
    with problem.e_step() as e_step:
        values = e_step.rows(mixture.whitened(), log_evidence=True).log_evidence
    assert values is not None  # it was asked for
    return trimmed(problem.rows.weights, values, share)
