"""Starts of rows whose errors are known: from rows with small errors, which are then taken from the covariances."""

from __future__ import annotations

import numpy as np

from gmm._passes.e_step import EStep
from gmm._passes.problem import Problem
from gmm._rows.sources import Source
from gmm._values.layouts import FULL, Array
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics

_LEAST = 0.05  # share of a variance that errors leave
_MOST_SHARES = 1e150  # of a variance that errors are: squares are finite
_ENOUGH = 50  # rows for each component
_MOST = 1 << 17


def precise_half(source: Source, n_components: int) -> Source:
    """Return the half of the rows with the smallest errors, in units of the columns; of few rows or no errors, all."""
    errors, n = source.errors, source.n_used // 2
    if not errors or n < _ENOUGH * n_components:
        return source
    low, high = source.survey.box
    units = np.where(high > low, high - low, np.inf)
    sizes = np.square(np.sqrt(errors.variances) / units).sum(axis=1)
    size = np.where(source.weights > 0, sizes[errors.codes], np.inf)
    return source.part(np.sort(np.argsort(size, kind="stable")[: min(n, _MOST)]))


def without_errors(problem: Problem, start: Source, mixture: MixtureParameters) -> SufficientStatistics:
    """Return the statistics of a mixture of rows without their errors, which were part of it at the start."""
    errors, (K, d) = start.errors, mixture.means.shape
    with EStep(start.without_gaps, mixture.model.layout, n_threads=problem.n_threads) as e_step:
        responsibilities = e_step.rows(mixture.whitened(), responsibilities=True).responsibilities
    assert responsibilities is not None  # they were asked for
    shares = np.full((len(errors.covariances), K), np.finfo(np.float64).tiny)
    np.add.at(shares, errors.codes, responsibilities * start.weights[:, None])
    mean_errors = np.tensordot((shares / shares.sum(axis=0)).T, errors.stored(FULL), 1)
    covariances = _without(mixture.model.layout.dense(mixture.covariances, K, d), mean_errors)
    counts = mixture.weights * problem.rows.survey.weight
    moments = FULL, mixture.means, counts, np.zeros((K, d)), counts[:, None, None] * covariances
    return SufficientStatistics(*moments, 0.0, float(counts.sum())).reduced(problem.objective.model.moments)


def _without(covariances: Array, errors: Array) -> Array:
    """Return covariances less those of errors, which leave at least a share in every direction."""
    whiteners, _ = FULL.whiten(np.ascontiguousarray(covariances), covariances.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):  # of errors beside which a covariance is nothing
        shares = np.nan_to_num(whiteners @ errors @ whiteners.transpose(0, 2, 1))
        shares = np.clip(shares, -_MOST_SHARES, _MOST_SHARES)
    values, axes = np.linalg.eigh(shares)
    roots = np.linalg.solve(whiteners, axes * np.sqrt(1 - np.clip(values, 0, 1 - _LEAST))[:, None])
    return np.asarray(roots @ roots.transpose(0, 2, 1))
