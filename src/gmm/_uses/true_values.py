"""The true values of rows with known errors, under a fitted mixture."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.attributes import checked_for, source_of
from gmm._estimators.fitted import FittedMixture
from gmm._estimators.scorer import Scorer
from gmm._text.table import Table
from gmm._text.words import column_names, counted, plus_minus
from gmm._values.layouts import FULL, Array

_NUMBERS_AT_ONCE = 1 << 20


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
        """Return the first rows as a table, and their number."""
        n, d = self.means.shape
        deviations = np.sqrt(np.einsum("ijj->ij", self.covariances))
        rows = (
            [plus_minus([m], [s], 2)[0] for m, s in zip(self.means[i], deviations[i], strict=True)][:6]
            for i in range(n)
        )
        title = f"TrueValues of {counted(n, 'row')} of {counted(d, 'column')}, mean ± standard deviation"
        return str(Table.beginning(column_names(None, min(d, 6)), rows, n, title))


def true_values(model: FittedMixture, X: ArrayLike, error_covariance: ArrayLike) -> TrueValues:
    """Compute the mean and the covariance of the true values of measured rows.

    Under component k, v ~ N(μ_k, Σ_k) and x = v + e with e ~ N(0, S) have T = Σ_k + S, and v given x has the mean
    μ_k + Σ_k T⁻¹ (x − μ_k) and the covariance Σ_k − Σ_k T⁻¹ Σ_k (Bovy, Hogg & Roweis 2011). Components are weighted by
    their responsibilities. A missing value (``missing="em"``) has an infinite error.

    Parameters
    ----------
    model : GaussianMixture
        A mixture of true values, such as one fitted with `error_covariance`.
    X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
    error_covariance : array-like
        Covariances of the rows' measurement errors, as in `fit`.

    Returns
    -------
    TrueValues
        ``means`` and ``covariances``, float64.

    Raises
    ------
    ValueError, TypeError
        If X or the errors are invalid, or the mixture has noise.

    Examples
    --------
    >>> import gmm
    >>> mixture = gmm.GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]])
    >>> means, covariances = gmm.analysis.true_values(mixture, [[2.0], [2.0]], [[1.0], [0.0]])
    >>> means.ravel(), covariances.ravel()
    (array([1., 2.]), array([0.5, 0. ]))
    """
    parameters = checked_for(model, "true_values")
    if error_covariance is None:
        raise ValueError("expected an error_covariance, got None: without errors, the rows are their true values")
    source = source_of(model, X, error_covariance=error_covariance)
    responsibilities = Scorer(parameters, model.n_threads).responsibilities(source)
    (n, K), d = responsibilities.shape, source.n_features
    means, covariances = np.empty((n, d)), np.empty((n, d, d))
    dense = parameters.model.layout.dense(parameters.covariances, K, d)
    errors, step = source.errors.stored(FULL), max(1, _NUMBERS_AT_ONCE // (K * d * d))
    for pattern, indices, rows in source.iter_patterns():
        columns = pattern.observed
        for start in range(0, len(indices), step):
            some, part = indices[start : start + step], rows.rows[start : start + step]
            distinct, codes = np.unique(source.errors.codes[some], return_inverse=True)
            slopes, rest = _regressions(dense, columns, FULL.for_columns(errors[distinct], columns))
            residuals = part[:, None] - parameters.means[:, columns]
            expected = parameters.means + (slopes[codes] @ residuals[..., None])[..., 0]
            shares = responsibilities[some].astype(np.float64)
            means[some] = np.einsum("nk,nki->ni", shares, expected)
            steps = expected - means[some][:, None]
            spread = np.einsum("nk,nki,nkj->nij", shares, steps, steps)
            within = np.einsum("nk,nkij->nij", shares, rest[codes]) + spread
            covariances[some] = 0.5 * (within + within.transpose(0, 2, 1))
    return TrueValues(means, covariances)


def _regressions(covariances: Array, columns: NDArray[np.intp], errors: Array) -> tuple[Array, Array]:
    """Return slopes G = C (V + S)⁻¹, (m, K, d, q), and covariances Σ − G Cᵀ, (m, K, d, d), for errors S, (m, q, q).

    C and V are columns of Σ, (K, d, d). With V⁻¹ = B Bᵀ, S = F Fᵀ and U = Bᵀ F, V + S has the inverse
    B (I − U (I + UᵀU)⁻¹ Uᵀ) Bᵀ, so that Σ − G Cᵀ is Σ − C V⁻¹ Cᵀ plus squares. Columns of Σ and U are scaled, so that
    neither is lost in rounding, even if some errors are large.
    """
    q, units = len(columns), np.sqrt(np.diagonal(covariances, axis1=1, axis2=2)[:, columns])
    least = q * np.finfo(np.float64).eps
    between = covariances[:, :, columns] / units[:, None]
    values, axes = np.linalg.eigh(between[:, columns] / units[:, :, None])
    inverse = axes / np.sqrt(np.maximum(values, least))[:, None]
    U = inverse.swapaxes(1, 2) @ (_roots(errors)[:, None] / units[:, :, None])
    lengths = np.abs(U).max(axis=2, initial=1.0)
    U /= lengths[:, :, None]
    values, axes = np.linalg.eigh(U.swapaxes(2, 3) @ U + (lengths**-2.0)[..., None] * np.eye(q))
    U = U @ (axes / np.sqrt(np.where(values > least, values, np.inf))[:, :, None])
    parts = between @ inverse
    blurred = parts @ U
    slopes = (parts - blurred @ U.swapaxes(2, 3)) @ inverse.swapaxes(1, 2) / units[:, None]
    rest = covariances - parts @ parts.swapaxes(1, 2)
    rest[:, columns] = rest[:, :, columns] = 0.0
    diagonal = np.arange(rest.shape[1])
    rest[:, diagonal, diagonal] = np.maximum(rest[:, diagonal, diagonal], 0.0)
    return slopes, rest + blurred @ blurred.swapaxes(2, 3)


def _roots(covariances: Array) -> Array:
    """Return F of F Fᵀ = S, (m, q, q), by Cholesky's steps, without those whose pivot is rounding of its column."""
    rest, roots, q = covariances.copy(), np.zeros_like(covariances), covariances.shape[1]
    least = q * np.finfo(np.float64).eps * np.diagonal(covariances, axis1=1, axis2=2)
    for j in range(q):
        pivots = np.where(rest[:, j, j] > least[:, j], rest[:, j, j], np.inf)
        roots[:, j:, j] = rest[:, j:, j] / np.sqrt(pivots)[:, None]
        rest -= roots[:, :, None, j] * roots[:, None, :, j]
    return roots


TrueValues.__module__ = true_values.__module__ = "gmm.analysis"
