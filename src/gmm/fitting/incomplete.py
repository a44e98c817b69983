"""A single component fitted to rows with missing values, and rows that it completes, from which starts are made."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np

from gmm.em.e_step import EStep
from gmm.em.problem import Problem, SolverSettings
from gmm.rows.incomplete import IncompleteSource
from gmm.rows.sources import Source
from gmm.values.completion import Completion
from gmm.values.covariance import stored_as
from gmm.values.layouts import DIAGONAL, FULL, SPHERICAL, SingularMatrixError
from gmm.values.parameters import MixtureParameters
from gmm.values.whitened import WhitenedMixture

_HOW = float(os.environ.get("HOW", 1))
_LARGEST = 100  # features of which a full covariance is fitted
_ROUGHLY = SolverSettings(tolerance=1e-3, max_iter=20, confirm_stop=False)
_FINELY = SolverSettings(tolerance=1e-9, max_iter=500)


def one_component(problem: Problem, settings: SolverSettings = _FINELY) -> MixtureParameters:
    """Fit a single component.

    Raises
    ------
    SingularMatrixError
        If its covariance is singular and there is no ridge.
    """
    rows = problem.rows
    one = WhitenedMixture(SPHERICAL, np.zeros(1), rows.survey.centre[None], np.ones(1))
    gaps = isinstance(rows, IncompleteSource)
    with EStep(rows.without_gaps or rows, problem.model.moments, n_threads=problem.n_threads) as e_step:
        begin = problem.beginning(e_step, e_step(one, hard=True))
    if not gaps:
        return begin.parameters
    with problem.e_step() as e_step:
        return problem.run(e_step, begin, settings).go().result.parameters


def completed(source: Source, ridge: float, n_threads: int | None = None) -> Source:
    """Return rows, of which gaps are filled for starts: draws given what is there, under one Gaussian fitted to all.

    Means in place of draws would lie in planes, on which components collapse. Draws are the same in every fit.
    """
    if not isinstance(source, IncompleteSource):
        return source
    model = stored_as(FULL if source.n_features <= _LARGEST else DIAGONAL)
    try:
        one = one_component(Problem(rows=source, model=model, ridge=ridge, n_threads=n_threads), _ROUGHLY).whitened()
    except SingularMatrixError:
        return source
    filled, rng = source.given.copy(), np.random.default_rng(0)
    for pattern in source.patterns:
        if len(pattern.missing):
            seen = Completion.of(one, pattern.observed, pattern.missing)
            rows = pattern.rows.rows.astype(np.float64)
            filled[np.ix_(pattern.indices, pattern.missing)] = (
                seen.drawn(0, rows, rng) if _HOW else seen.means_given(rows)[0]
            )
    return replace(source, filled=filled)
