"""Which cell of a search to predict with: of those near the best, the one that predicts rows held out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from math import inf
from typing import Any

import numpy as np

from gmm._estimators.fitted import fitted_parameters
from gmm._estimators.mixture import GaussianMixture
from gmm._fitting.degenerate import degenerate_components
from gmm._rows.sources import ArraySource, Source
from gmm._selection.status import is_degenerate
from gmm._selection.table import Selection

_FOLDS = 5
_COMPARED = 10  # cells, best first, and the best of a single component


def predictive_cell(selection: Selection, source: Source, settings: Mapping[str, Any]) -> int:
    """Return the index of the cell, of those near the best, with the highest log density of rows held out.

    The cells are fitted again to four fifths of the rows, five times; one with a component that degenerates is out. A
    search that finds every optimum comes to small and peculiar components, which raise the likelihood, and so the
    criterion, of the rows they were made for alone.

    Parameters
    ----------
    selection : Selection
        The cells, fitted to all rows.
    source : Source
        The rows, as the search had them.
    settings : mapping
        Further parameters of the fits, by the names of `GaussianMixture`.
    """
    ranked = [cell for cell in selection.ranked() if not is_degenerate(selection.status[cell])]
    single = [cell for cell in ranked if selection.n_components[cell] == 1]
    compared = list(dict.fromkeys([*ranked[:_COMPARED], *single[:1]]))
    rows = _rows_of(source)
    if len(compared) < 2 or rows.n_rows < 2 * _FOLDS:
        return selection.best_index
    means = {}
    for cell in compared:
        K, kind = int(selection.n_components[cell]), selection.covariance_type[cell]
        means[cell] = _held_out(GaussianMixture(K, covariance_type=kind, **settings), rows)
    best = max(compared, key=means.__getitem__)
    return best if means[best] > -inf else selection.best_index


def _rows_of(source: Source) -> ArraySource:
    """Return the rows that weigh something, with their gaps."""
    (chunk,) = source.chunks()
    return ArraySource(chunk.rows, chunk.sample_weight).subset(np.flatnonzero(chunk.weights))


def _held_out(estimator: GaussianMixture, rows: ArraySource) -> float:
    """Return the mean log density of rows under fits to the other folds; −∞ if one fails or is degenerate."""
    scores = np.empty(rows.n_rows)
    for fold in np.array_split(np.random.default_rng(0).permutation(rows.n_rows), _FOLDS):  # the same for every cell
        training = np.ones(rows.n_rows, dtype=bool)
        training[fold] = False
        part = rows.subset(np.flatnonzero(training))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                estimator.fit(part.rows, sample_weight=part.sample_weight)
        except (ValueError, ArithmeticError):  # a singular covariance without a ridge, or too few rows
            return -inf
        found = fitted_parameters(estimator)
        if degenerate_components(found, part.n_effective, estimator.reg_covar).any():
            return -inf
        scores[fold] = estimator.score_samples(rows.rows[fold])
    return float(np.average(scores, weights=rows.sample_weight))
