"""A single component fitted to rows with missing values, and rows that it completes, from which starts are made."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._exceptions import warn
from gmm._passes.e_step import EStep
from gmm._passes.problem import Problem, SolverSettings
from gmm._rows.entrance import Names
from gmm._rows.sources import Fill, Pattern, Source
from gmm._text.lists import listed
from gmm._values.completion import Completion, Gaps
from gmm._values.covariance import CovarianceModel, stored_as
from gmm._values.layouts import DIAGONAL, FULL, SPHERICAL, Array, SingularMatrixError
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.whitened import WhitenedMixture

_LARGEST = 100  # features of which a full covariance is fitted
_PAIRS_SHOWN = 4
_NUMBERS_AT_ONCE, _GROUPS = 1 << 12, 64  # in the matrices of patterns that are prepared together, and such groups
_ROUGHLY = SolverSettings(tolerance=1e-3, max_iter=20, confirm_stop=False)
FINELY = SolverSettings(tolerance=1e-9, max_iter=500)


def one_component(problem: Problem, settings: SolverSettings = FINELY) -> MixtureParameters:
    """Fit a single component.

    Raises
    ------
    SingularMatrixError
        If its covariance is singular and there is no ridge.
    """
    rows, moments = problem.rows, problem.objective.model.moments
    one = WhitenedMixture(SPHERICAL, np.zeros(1), rows.survey.centre[None], np.ones(1))
    with EStep(rows.informative.without_gaps, moments, n_threads=problem.n_threads) as e_step:
        begin = problem.beginning(e_step, e_step(one, hard=True))
    if not (rows.in_patterns or problem.objective.tails):
        return begin.parameters
    with problem.e_step() as e_step:
        return problem.run(e_step, begin, settings).go().result.parameters


def completed(source: Source, models: Sequence[CovarianceModel], ridge: float, n_threads: int | None = None) -> Source:
    """Return rows with their gaps filled for the starts of fits of `models`, given what is there, under one Gaussian.

    Spread as that Gaussian says if a model has full covariances: conditional means lie in planes, on which such
    components collapse. Else with these means, which blur groups less. Rows that were filled before stay as they are.
    """
    if not source.unfilled:
        return source
    one_model = stored_as(FULL if source.n_features <= _LARGEST else DIAGONAL)
    problem = Problem(source, Objective(one_model, ridge), n_threads)
    try:
        one = one_component(problem, _ROUGHLY).whitened()
    except SingularMatrixError:
        return source
    return source.filled_by(_filling(one, source.patterns, spread=any(model.layout is FULL for model in models)))


def _filling(one: WhitenedMixture, patterns: list[Pattern], *, spread: bool) -> Fill:
    """Return what fills gaps."""
    at_once = max(1, _NUMBERS_AT_ONCE // one.centres.shape[1] ** 2)

    @lru_cache(_GROUPS)
    def completion_of(group: int) -> Completion:
        some = patterns[group * at_once : (group + 1) * at_once]
        return Completion.of(one, Gaps(np.array([pattern.missing for pattern in some])))

    def fill(number: int, rows: NDArray[Any]) -> Array:
        group, place = divmod(number, at_once)
        return completion_of(group).filled(rows.astype(np.float64), place, spread=spread)

    return fill


def never_observed_together(source: Source, names: Names, models: Sequence[CovarianceModel]) -> str:
    """Name the pairs of columns that no row has together, if a model has covariances; empty if there are none.

    What such columns have to do with each other is not in the likelihood.
    """
    axis_aligned = all(model.layout.axis_aligned for model in models)
    if axis_aligned or not source.unfilled:
        return ""
    has_column = np.zeros((len(source.patterns), source.n_features))
    for row, pattern in zip(has_column, source.patterns, strict=True):
        row[pattern.observed] = pattern.weight > 0
    called = [f"x{j}" if names is None else str(names[j]) for j in range(source.n_features)]
    pairs = np.argwhere(np.triu(has_column.T @ has_column == 0))
    return listed((f"{called[i]!r} and {called[j]!r}" for i, j in pairs), _PAIRS_SHOWN) if len(pairs) else ""


def warn_of_unobserved_pairs(columns: str, whose: str = "") -> None:
    """Warn of pairs of columns that `never_observed_together` names; `whose` says of which rows, if not of all."""
    if columns:
        warn(
            f"No row{whose} has values in both of these columns: {columns}. Nothing says how they vary together, so "
            "the fitted covariance is that of the starts, or of a prior. Leave one of them out, add rows that have "
            "both, or fit a model without covariances: 'diag', 'spherical', or a name that ends in I.",
            UserWarning,
        )
