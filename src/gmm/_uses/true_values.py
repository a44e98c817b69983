"""The true values of rows with known errors, under a fitted mixture."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.exclusions import checked_without
from gmm._estimators.fitted import FittedMixture, source_of
from gmm._estimators.scorer import Scorer
from gmm._public import publish
from gmm._rows.sources import Source
from gmm._text.amounts import counted, plus_minus
from gmm._text.lists import beginning
from gmm._values.layouts import FULL, Array

__all__ = ["TrueValues", "true_values"]

_NUMBERS_AT_ONCE = 1 << 20
_SINGULAR = 1e-10  # least eigenvalue of correlations, below which sums have lost a part


class TrueValues(NamedTuple):
    """True values of measured rows: their means and covariances under a mixture.

    Attributes
    ----------
    means : ndarray of shape (n, d)
        Expected true values: they have the least expected squared error.
    covariances : ndarray of shape (n, d, d)
        Their uncertainty.
    """

    means: NDArray[Any]
    covariances: NDArray[Any]

    def __repr__(self) -> str:
        """Return the first rows as a table, and how many there are."""
        n, d = self.means.shape
        deviations = np.sqrt(np.einsum("ijj->ij", self.covariances))
        rows = (
            [plus_minus([m], [s], 2)[0] for m, s in zip(self.means[i], deviations[i], strict=True)][:6]
            for i in range(n)
        )
        title = f"TrueValues of {counted(n, 'row')} of {counted(d, 'column')}, mean ± standard deviation"
        return "\n".join([title, *beginning([f"x{j}" for j in range(min(d, 6))], rows, n)])


def true_values(model: FittedMixture, X: ArrayLike, error_covariance: ArrayLike) -> TrueValues:
    """Compute the mean and the covariance of the true values of measured rows.

    Under component k, v ~ N(μ_k, Σ_k) and x = v + e with e ~ N(0, S) have T = Σ_k + S, and v given x has the mean
    μ_k + Σ_k T⁻¹ (x − μ_k) and the covariance Σ_k − Σ_k T⁻¹ Σ_k (Bovy, Hogg & Roweis 2011). Components are weighed by
    their responsibilities. What is missing (``missing="em"``) has an infinite error.

    Parameters
    ----------
    model : GaussianMixture
        Fitted with `error_covariance`, or otherwise a mixture of true values.
    X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
    error_covariance : array-like
        Of the rows' measurement errors, as in `fit`.

    Returns
    -------
    TrueValues
        ``means`` and ``covariances``, float64.

    Raises
    ------
    ValueError, TypeError
        If X or the errors are unusable, or the mixture has noise.

    Examples
    --------
    >>> import gmm
    >>> mixture = gmm.GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]])
    >>> means, covariances = gmm.analysis.true_values(mixture, [[2.0], [2.0]], [[1.0], [0.0]])
    >>> means.ravel(), covariances.ravel()
    (array([1., 2.]), array([0.5, 0. ]))
    """
    parameters = checked_without(model, "true_values", "noise")
    if error_covariance is None:
        raise ValueError("expected an error_covariance, got None: without errors, the rows are their true values")
    source = source_of(model, X, error_covariance=error_covariance)
    responsibilities = Scorer(parameters, model.n_threads).responsibilities(source)
    (n, K), d = responsibilities.shape, source.n_features
    means, covariances = np.empty((n, d)), np.empty((n, d, d))
    dense = parameters.model.layout.dense(parameters.covariances, K, d)
    step = max(1, _NUMBERS_AT_ONCE // (K * d * d))
    for number, indices, rows in source.pieces():
        columns = source.patterns[number].observed
        for start in range(0, len(indices), step):
            here, part = indices[start : start + step], rows.rows[start : start + step]
            of_rows = _of_rows(parameters.means, dense, columns, part, _errors(source, here, columns))
            means[here], covariances[here] = _mixed(*of_rows, responsibilities[here].astype(np.float64))
    return TrueValues(means, covariances)


def _errors(source: Source, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Array:
    """Return the covariances of the errors of some columns of rows, (m, q, q)."""
    return FULL.of_columns(source.errors.stored(FULL)[source.errors.codes[rows]], columns)


def _of_rows(
    means: Array, covariances: Array, columns: NDArray[np.intp], rows: NDArray[Any], errors: Array
) -> tuple[Array, Array]:
    """Return means (m, K, d) and covariances (m, K, d, d) of true values in each component."""
    slopes = np.zeros((len(rows), *covariances.shape[:2], len(columns)))
    left = np.broadcast_to(covariances, (len(rows), *covariances.shape)).copy()
    if len(columns):
        hidden = _hidden(covariances[:, columns[:, None], columns], errors)
        for which, of_errors in ((hidden, _beside_large_errors), (~hidden, _beside_errors)):
            if which.any():
                slopes[which], left[which] = of_errors(covariances, columns, errors[which])
    expected = means + (slopes @ (rows[:, None] - means[:, columns])[..., None])[..., 0]
    return expected, left


def _hidden(within: Array, errors: Array) -> NDArray[np.bool_]:
    """Tell of each of the errors (m, q, q) whether V is lost in V + S, but for the units of the columns."""
    variances = np.diagonal(errors, axis1=1, axis2=2)
    hidden = (np.abs(errors).sum(axis=(1, 2)) > variances.sum(axis=1)).astype(bool)
    if hidden.any():
        totals = within + errors[hidden, None]
        roots = np.sqrt(np.diagonal(totals, axis1=2, axis2=3))
        values = np.linalg.eigvalsh(totals / roots[..., None] / roots[..., None, :])
        hidden[hidden] = (values[..., 0] < _SINGULAR).any(axis=1)
    return hidden


def _beside_errors(covariances: Array, columns: NDArray[np.intp], errors: Array) -> tuple[Array, Array]:
    """Return G = C (V + S)⁻¹ and the covariance A Σ Aᵀ + G S Gᵀ, A = I − G: no variance is below zero."""
    between = covariances[:, columns]
    totals = between[:, :, columns] + errors[:, None]
    solved = np.linalg.solve(totals, np.broadcast_to(between, (len(errors), *between.shape)))
    slopes = np.asarray(solved, dtype=np.float64).swapaxes(2, 3)
    rest = np.broadcast_to(np.eye(covariances.shape[1]), (*slopes.shape[:3], covariances.shape[1])).copy()
    rest[..., columns] -= slopes
    rest = rest @ np.linalg.cholesky(covariances)
    return slopes, rest @ rest.swapaxes(2, 3) + slopes @ errors[:, None] @ slopes.swapaxes(2, 3)


def _beside_large_errors(covariances: Array, columns: NDArray[np.intp], errors: Array) -> tuple[Array, Array]:
    """Return G and the covariance along the axes of S beside V: L⁻¹ S L⁻ᵀ = Q Λ Qᵀ, V = L Lᵀ, B = L⁻ᵀ Q, V⁻¹ = B Bᵀ.

    G = C B (1 + Λ)⁻¹ Bᵀ, and the covariance is Σ − C V⁻¹ Cᵀ + C B Λ (1 + Λ)⁻¹ Bᵀ Cᵀ. Eigenvalues that are rounding
    count as zero: the errors say nothing of these directions.
    """
    between, unit = covariances[:, :, columns], errors.max(axis=(1, 2))[:, None, None, None]
    lower = np.linalg.cholesky(between[:, columns])
    halves = np.linalg.solve(lower, np.broadcast_to(errors[:, None] / unit, (len(errors), *lower.shape)))
    values, axes = np.linalg.eigh(np.linalg.solve(lower, halves.swapaxes(2, 3)))
    values[values < len(columns) * np.finfo(np.float64).eps * values[..., -1:]] = 0
    axes = np.linalg.solve(lower.swapaxes(1, 2), axes)
    steps = between @ axes
    with np.errstate(over="ignore", divide="ignore"):
        certain = 1 / (1 + values * unit[..., 0])[..., None, :]
    slopes = (steps * certain) @ axes.swapaxes(2, 3)
    exact = np.linalg.solve(lower, between.swapaxes(1, 2))
    rest = covariances - exact.swapaxes(1, 2) @ exact
    rest[:, columns], rest[:, :, columns] = 0, 0
    return slopes, rest + (steps * (1 - certain)) @ steps.swapaxes(2, 3)


def _mixed(means: Array, covariances: Array, weights: Array) -> tuple[Array, Array]:
    """Return the moments of mixtures of weights (m, K)."""
    mean = np.einsum("nk,nki->ni", weights, means)
    steps = means - mean[:, None]
    spread = np.einsum("nk,nki,nkj->nij", weights, steps, steps)
    covariance = np.einsum("nk,nkij->nij", weights, covariances) + spread
    return mean, 0.5 * (covariance + covariance.transpose(0, 2, 1))


publish("gmm.analysis", [TrueValues, true_values])
