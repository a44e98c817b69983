"""`LowRank`: covariances Λ Λᵀ + Ψ stored as Ψ and Λ: no d × d matrix is needed where there are many features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gmm._values.layouts import DIAGONAL, Array, Layout, Stored, layout_of_code

_FIRST_CODE = 4
_STEPS = 60  # of the power method, for a direction that need not be exact


@dataclass(frozen=True)
class LowRank(Stored):
    """A diagonal and q rows of d numbers per component, (K, 1 + q, d).

    Of a covariance [ψ, Λᵀ]; of its whitener [ψ^-½, A] with A = L⁻¹C, C = Λᵀ Ψ^-½ and I + CCᵀ = L Lᵀ; of second moments
    [Σ r x̃², Σ r y x̃ᵀ] about an origin, y = A Ψ^-½ x̃ by the mixture of the pass. They add up, but have no other origin.

    Parameters
    ----------
    n_factors : int
        Columns q of Λ.
    """

    n_factors: int
    pooled: bool = False
    axis_aligned: bool = False

    @property
    def whole(self) -> bool:
        return False

    def __reduce__(self) -> tuple[Callable[[int], Layout], tuple[int]]:
        return low_rank, (self.n_factors,)

    @property
    def code(self) -> int:
        return _FIRST_CODE + self.n_factors

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components, 1 + self.n_factors, n_features)

    def widest(self, matrices: Array, component: int, n_features: int) -> Array:
        noise, loadings = matrices[component, 0], matrices[component, 1:]
        axis = noise + np.square(loadings).sum(axis=0)
        for _ in range(_STEPS):
            axis = axis / np.linalg.norm(axis)
            axis = noise * axis + (loadings @ axis) @ loadings
        return np.asarray(axis / np.sqrt(np.linalg.norm(axis)))

    def gram(self, whiteners: Array) -> Array:
        """The matrices WᵀW, dense: differences have no place in the layout."""
        rows = whiteners[:, 1:] * whiteners[:, :1]
        product = -rows.transpose(0, 2, 1) @ rows
        d = whiteners.shape[2]
        product.reshape(-1, d * d)[:, :: d + 1] += whiteners[:, 0] ** 2
        return product

    def whitened(self, whiteners: Array, component: int, rows: Array) -> Array:
        return _stretched(whiteners[component], rows * whiteners[component, 0], 0.5)

    def coloured(self, whiteners: Array, component: int, white: Array) -> Array:
        return _stretched(whiteners[component], white, -0.5) / whiteners[component, 0]

    def diagonal(self, matrices: Array, n_features: int) -> Array:
        return np.asarray(matrices[:, 0] + np.square(matrices[:, 1:]).sum(axis=1))

    def inverse_diagonal(self, whiteners: Array, n_features: int) -> Array:
        return np.asarray(np.square(whiteners[:, 0]) * np.maximum(1 - np.square(whiteners[:, 1:]).sum(axis=1), 0))

    def with_ridge(self, matrices: Array, ridge: Array | float) -> Array:
        ridged = matrices.copy()
        ridged[:, 0] += np.reshape(ridge, (-1, 1))
        return ridged

    def multipliers(self, scales: Array) -> Array:
        return np.vstack([np.square(scales), np.tile(scales, (self.n_factors, 1))])

    def dense(self, matrices: Array, n_components: int, n_features: int) -> Array:
        covariances = matrices[:, 1:].transpose(0, 2, 1) @ matrices[:, 1:]
        covariances.reshape(n_components, n_features**2)[:, :: n_features + 1] += matrices[:, 0]
        return covariances

    def written_out(self, matrices: Array) -> Array:
        return self.dense(matrices, len(matrices), matrices.shape[2])

    def projected(self, matrices: Array, n_components: int, directions: Array) -> Array:
        along = matrices[:, 1:] @ directions.T
        return np.asarray((matrices[:, :1] * directions) @ directions.T + along.transpose(0, 2, 1) @ along)

    def of_columns(self, matrices: Array, columns: NDArray[np.intp]) -> Array:
        """The covariances of some of the features, in this order, dense: there may be fewer than factors."""
        return self.dense(np.ascontiguousarray(matrices[:, :, columns]), len(matrices), len(columns))

    def outer(self, a: Array, b: Array) -> Array:
        raise self._refusal("moments about another origin")

    def principal(self, matrices: Array) -> Array:
        raise self._refusal("principal axes")

    def deviation(self, principal: Array, component: int, axis: int, n_features: int) -> Array:
        raise self._refusal("principal axes")

    def inverse(self, matrices: Array, n_features: int) -> Array:
        raise self._refusal("precisions to begin with")

    def transposed(self, whiteners: Array) -> Array:
        """Upper triangular factors of WᵀW, dense."""
        factors = np.linalg.cholesky(self.gram(whiteners)[:, ::-1, ::-1])[:, ::-1, ::-1]
        return np.ascontiguousarray(factors, dtype=np.float64)

    def per_count(self, scatter: Array, counts: Array) -> Array:
        raise self._refusal("scatter matrices")

    def reduced(self, moments: Array, layout: Layout, n_features: int) -> Array:
        """Convert second moments of rows without factors, whose products with these are zero."""
        if layout is self:
            return moments
        variances = DIAGONAL.reduced(moments, layout, n_features)
        return np.concatenate([variances[:, None], np.zeros((len(variances), self.n_factors, n_features))], axis=1)

    def _refusal(self, what: str) -> ValueError:
        return ValueError(
            f"expected covariances stored whole for {what}, got {self.n_factors} factors and noise: use fewer columns "
            f"or another covariance type"
        )


def _stretched(whitener: Array, rows: Array, power: float) -> Array:
    """Multiply rows by (I − AᵀA)^power, the whitener of rows whose noise is 1."""
    _, lengths, axes = np.linalg.svd(whitener[1:], full_matrices=False)
    factors = np.maximum((1 - lengths) * (1 + lengths), np.finfo(np.float64).tiny) ** power - 1
    return np.asarray(rows + (rows @ axes.T * factors) @ axes)


def layout_with_code(code: int) -> Layout:
    """Return the layout with this code in the compiled modules, one of the four or of low rank."""
    return layout_of_code(code) if code < _FIRST_CODE else low_rank(code - _FIRST_CODE)


@cache
def low_rank(n_factors: int) -> Layout:
    """Return the one layout of this number of factors: layouts are compared by identity."""
    return LowRank(n_factors)
