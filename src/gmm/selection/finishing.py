"""Rows beyond memory: a search runs on a sample of them, and its best cells are finished on all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import inf

import numpy as np
from numpy.typing import NDArray

from gmm.em.solver import Iteration, SolverResult
from gmm.estimators import criteria
from gmm.estimators.estimated import set_fitted
from gmm.estimators.fitted import fitted_parameters
from gmm.estimators.mixture import GaussianMixture
from gmm.estimators.progress import passes_left
from gmm.estimators.scorer import Scorer
from gmm.fitting.degenerate import degenerate_components
from gmm.fitting.fit import FitSettings, fit_mixture, prior_of
from gmm.fitting.sampling import chosen_rows
from gmm.persistence.checkpoints import SearchCheckpoint
from gmm.rows.sources import Source
from gmm.rows.together import together
from gmm.selection.grid import distinct
from gmm.selection.keeping import journal_of_cell
from gmm.selection.status import status_of
from gmm.selection.table import Entry, Progress, Selection

SEARCHED = 200_000  # rows
_FINISHED = 3  # cells, of different models


def rows_to_search(source: Source, seed: int) -> Source:
    """Return the rows, as an array, if they are in memory or few; else a sample of them."""
    if source.without_gaps is not None:
        return source
    whole = source.n_rows <= SEARCHED
    return source.subset(
        np.arange(source.n_rows) if whole else chosen_rows(source, SEARCHED, np.random.default_rng(seed))
    )


def finished(
    found: Selection,
    source: Source,
    settings: FitSettings,
    names: NDArray[np.object_] | None,
    is_up: Callable[[], bool],
    file: SearchCheckpoint | None,
    callback: Callable[[Progress], object] | None,
) -> Selection:
    """Return the best cells of a search on a sample, fitted to all rows from where they ended there.

    Parameters
    ----------
    found : Selection
    source : Source
        All rows.
    settings : FitSettings
        Those of every cell, but for its number of components, its model and its prior.
    names : array of str, shape (d,), optional
        Names of the features.
    is_up : callable
        Tells whether the time is up; then, or if the search was ended, only the best is finished.
    file : SearchCheckpoint, optional
        Keeps how far each has come.
    callback : callable, optional
        Called after each pass, on the thread of its cell, of which one goes on at a time; a true value is as the time.
    """
    is_over = False

    def told(progress: Progress) -> None:
        nonlocal is_over
        is_over |= callback is not None and bool(callback(progress))

    numbers = distinct(found)[: _FINISHED if found.complete else 1]
    finish = partial(_on_all_rows, found, settings=settings, names=names, file=file, told=told)
    ended = together(source, [partial(finish, number) for number in numbers], lambda: is_over or is_up())
    entries = {
        number: replace(one.result, seconds=one.result.seconds + one.seconds)
        for number, one in zip(numbers, ended, strict=True)
        if one is not None
    }
    complete = found.complete and len(entries) == len(numbers)
    selection = Selection.of([entries[number] for number in sorted(entries)], found.criterion, complete=complete)
    kept = {name: getattr(found, name) for name in ("n_fresh_starts", "n_found_again", "notes")}
    return replace(selection, **kept)


def _on_all_rows(
    found: Selection,
    number: int,
    source: Source,
    *,
    settings: FitSettings,
    names: NDArray[np.object_] | None,
    file: SearchCheckpoint | None,
    told: Callable[[Progress], None],
) -> Entry:
    on_sample = found.estimators[number]
    assert on_sample is not None  # ranked cells have a fit
    begin = fitted_parameters(on_sample)
    K, model, prior = begin.n_components, begin.model, on_sample.prior
    settings = replace(
        settings,
        n_components=K,
        model=model,
        refine=None,
        prior=None if prior is None else prior_of(prior, model, K, source, settings.n_threads),
    )
    journal, beginning = journal_of_cell(file, settings.problem(source), begin)
    watch = _watch(found, number, settings, source.n_rows, told)
    result = fit_mixture(source, settings, journal, beginning=beginning, callback=watch).result
    return _entry(found, number, on_sample, result, source, settings, names)


def _watch(
    found: Selection, number: int, settings: FitSettings, n_rows: int, told: Callable[[Progress], None]
) -> Callable[[Iteration], None]:
    """Return what tells of each pass of a cell."""
    before = inf
    cell = Progress(
        number,
        len(found.status),
        settings.n_components,
        found.covariance_type[number],
        found.status[number],
    )

    def watch(iteration: Iteration) -> None:
        nonlocal before
        most = settings.max_iter - iteration.n_iter
        passes, before = passes_left(iteration.remaining, before, settings.tol, most), iteration.remaining
        speed, left = n_rows / iteration.seconds, iteration.seconds * passes
        told(replace(cell, iteration=iteration, rows_per_second=speed, seconds_left=left))

    return watch


def _entry(
    found: Selection,
    number: int,
    on_sample: GaussianMixture,
    result: SolverResult,
    source: Source,
    settings: FitSettings,
    names: NDArray[np.object_] | None,
) -> Entry:
    scorer = Scorer(result.parameters, settings.n_threads)
    totals, of_one = scorer.totals(source), scorer.log_likelihood_of_one(source, settings.reg_covar)
    n_parameters, n = result.parameters.n_parameters, source.survey.weight
    scores = criteria.evaluate(totals, n_parameters, n, of_one)
    estimator = GaussianMixture(**on_sample.get_params())
    set_fitted(estimator, result, source, names, settings.prior)
    bad = degenerate_components(result.parameters, source.n_effective, settings.reg_covar)
    return Entry(
        n_components=result.parameters.n_components,
        covariance_type=found.covariance_type[number],
        status=status_of(result.trace, int(bad.argmax()) if bad.any() else -1),
        seconds=float(found.seconds[number]),
        estimator=estimator,
        loglik=totals.log_likelihood,
        n_parameters=n_parameters,
        scores=scores,
    )
