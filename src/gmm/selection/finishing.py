"""Rows beyond memory: a search runs on a sample of them, and its best cells are finished on all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gmm.em.solver import SolverResult
from gmm.estimators import criteria
from gmm.estimators.fitted import fitted_parameters, set_fitted
from gmm.estimators.mixture import GaussianMixture
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
from gmm.selection.table import Entry, Selection

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
    """
    numbers = distinct(found)[: _FINISHED if found.complete else 1]
    tasks = [partial(_on_all_rows, found, number, settings=settings, names=names, file=file) for number in numbers]
    ended = together(source, tasks, is_up)
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
    journal, resume = journal_of_cell(file, settings.problem(source), begin)
    result = fit_mixture(source, settings, journal, resume=resume).result
    return _entry(found, number, on_sample, result, source, settings, names)


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
    totals = scorer.totals(source)
    scores = criteria.evaluate(
        totals.log_likelihood,
        totals.classification,
        result.parameters.n_parameters,
        source.survey.weight,
        entropy=totals.entropy,
        loglik_of_one=scorer.log_likelihood_of_one(source, settings.reg_covar),
    )
    estimator = GaussianMixture(**on_sample.get_params())
    set_fitted(estimator, result, source, names)
    bad = degenerate_components(result.parameters, source.n_effective, settings.reg_covar)
    return Entry(
        n_components=result.parameters.n_components,
        covariance_type=found.covariance_type[number],
        status=status_of(result.trace, int(bad.argmax()) if bad.any() else -1),
        seconds=float(found.seconds[number]),
        estimator=estimator,
        loglik=totals.log_likelihood,
        n_parameters=result.parameters.n_parameters,
        scores=scores,
    )
