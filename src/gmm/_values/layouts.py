"""`Layout`: ways to store a symmetric d × d matrix per component, with their operations: four, and `low_rank`.

They store covariances, whiteners and second moments. Constraints on covariances are in `covariance`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from gmm._blas import blas_alone
from gmm._kernel import mstep

Array = NDArray[np.float64]


class SingularMatrixError(ValueError):
    """The matrix of `component` is not positive definite."""

    def __init__(self, component: int, message: str = "") -> None:
        super().__init__(message or f"the matrix of component {component} is not positive definite")
        self.component = component

    def __reduce__(self) -> tuple[type[SingularMatrixError], tuple[int, str]]:
        return type(self), (self.component, str(self))


class Layout:
    """Operations on stored matrices of K components and d features: one for each, (K, d, d), or one for all, (d, d).

    Subclasses store less.

    Parameters
    ----------
    code : int
        Code of the layout in the compiled modules.
    sizes : str
        Shape of the array, as text.
    pooled : bool
        Whether all components share one matrix.
    """

    axis_aligned = False  # whether only variances are stored, so that no d × d matrix is ever needed
    stores_dense = True  # whether matrices or variances are stored, not factors and noise

    def __init__(self, code: int, sizes: str, *, pooled: bool = False) -> None:
        self.code = code
        self.pooled = pooled
        self._sizes = sizes

    def __reduce__(self) -> tuple[Callable[[int], Layout], tuple[int]]:
        """Unpickle to the same instance: layouts are compared by identity."""
        return layout_with_code, (self.code,)

    def __repr__(self) -> str:
        """Return the shape."""
        return self._sizes

    @lru_cache  # noqa: B019  layouts stay
    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        """Shape of the array."""
        return (n_features, n_features) if self.pooled else (n_components, n_features, n_features)

    def outer(self, a: Array, b: Array) -> Array:
        """Symmetric products ½(a_k b_kᵀ + b_k a_kᵀ) in this layout, of a and b of shape (K, d)."""
        product = a.T @ b if self.pooled else a[:, :, None] * b[:, None, :]
        return product if a is b else 0.5 * (product + product.swapaxes(-1, -2))

    def whiten(self, matrices: Array, n_features: int) -> tuple[Array, Array]:
        """Whiteners W with Σ⁻¹ = WᵀW and log|W| (K,) or (1,).

        Raises
        ------
        SingularMatrixError
            If a matrix is not positive definite.
        """
        with blas_alone(0 if self.axis_aligned else n_features**3):
            whiteners, log_determinants, failed = mstep.whiten(
                self.code, np.ascontiguousarray(matrices).reshape(-1), n_features
            )
        if failed >= 0:
            raise SingularMatrixError(failed)
        return whiteners.reshape(matrices.shape), log_determinants

    def _one(self, matrices: Array, component: int) -> Array:
        """The matrix of a component."""
        return matrices if self.pooled else matrices[component]

    def widest(self, matrices: Array, component: int, n_features: int) -> Array:
        """One standard deviation of `component` along its widest direction, (d,)."""
        variances, axes = np.linalg.eigh(self._one(matrices, component))
        return np.asarray(np.sqrt(max(variances[-1], 0.0)) * axes[:, -1], dtype=np.float64)

    def gram(self, whiteners: Array) -> Array:
        """The matrices WᵀW."""
        return whiteners.swapaxes(-1, -2) @ whiteners

    def inverse(self, matrices: Array, n_features: int) -> Array:
        """The inverses of positive definite matrices; raises as `whiten` does."""
        with blas_alone(0 if self.axis_aligned else n_features**3):
            return self.gram(self.whiten(matrices, n_features)[0])

    def transposed(self, whiteners: Array) -> Array:
        """The factors Wᵀ, scikit-learn's ``precisions_cholesky_``; its own inverse."""
        return np.ascontiguousarray(whiteners.swapaxes(-1, -2))

    def whitened(self, whiteners: Array, component: int, rows: Array) -> Array:
        """Rows (n, d) whitened by `component`: W x."""
        return rows @ self._one(whiteners, component).T

    def coloured(self, whiteners: Array, component: int, white: Array) -> Array:
        """White noise (n, d) coloured with the covariance of `component`: W⁻¹ z."""
        return np.asarray(np.linalg.solve(self._one(whiteners, component), white.T).T, dtype=np.float64)

    def diagonal(self, matrices: Array, n_features: int) -> Array:
        """The diagonals, (K, d) or (1, d)."""
        return np.diagonal(matrices, axis1=-2, axis2=-1).reshape(-1, n_features)

    def inverse_diagonal(self, whiteners: Array, n_features: int) -> Array:
        """The diagonals of WᵀW, (K, d) or (1, d)."""
        return np.asarray(np.square(whiteners).sum(axis=-2).reshape(-1, n_features))

    def per_count(self, scatter: Array, counts: Array) -> Array:
        """Scatter matrices divided by counts, (K,): S_k / n_k, or their sum by the total count if pooled."""
        return np.asarray(scatter / (counts.sum() if self.pooled else counts[:, None, None]), dtype=np.float64)

    def with_ridge(self, matrices: Array, ridge: Array | float) -> Array:
        """The matrices with `ridge`, a number or one per matrix, added to their diagonals."""
        ridged, d = matrices.copy(), matrices.shape[-1]
        ridged.reshape(-1, d * d)[:, :: d + 1] += np.reshape(ridge, (-1, 1))
        return ridged

    def multipliers(self, scales: Array) -> Array:
        """The factors of the matrices if features are multiplied by `scales`, (d,)."""
        return np.outer(scales, scales)

    def dense(self, matrices: Array, n_components: int, n_features: int) -> Array:
        """The full matrices, (K, d, d)."""
        return np.broadcast_to(matrices, (n_components, n_features, n_features))

    def written_out(self, matrices: Array) -> Array:
        """The matrices in their public shape: that of the layout or, for factors, dense."""
        return matrices

    def projected(self, matrices: Array, n_components: int, directions: Array) -> Array:
        """The matrices A Σ_k Aᵀ, (K, m, m), for the m directions in the rows of A, (m, d)."""
        return directions @ self.dense(matrices, n_components, directions.shape[1]) @ directions.T

    def for_columns(self, matrices: Array, columns: NDArray[np.intp]) -> Array:
        """The matrices of some of the features, in this order."""
        return np.ascontiguousarray(matrices[..., columns[:, None], columns])

    def reduced(self, moments: Array, layout: Layout, n_features: int) -> Array:
        """Convert second moments from a `layout` that stores at least as much.

        Raises
        ------
        ValueError
            If it stores less.
        """
        _check_determined(layout, self)
        return moments.sum(axis=0) if self.pooled and layout is FULL else moments


class _Variances(Layout):
    """One variance per component and feature, (K, d), or one per component, (K,): the mean of the diagonal."""

    axis_aligned = True

    @lru_cache  # noqa: B019
    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components,) if self is SPHERICAL else (n_components, n_features)

    def outer(self, a: Array, b: Array) -> Array:
        return np.einsum("kj,kj->k", a, b) / a.shape[1] if self is SPHERICAL else a * b

    def widest(self, matrices: Array, component: int, n_features: int) -> Array:
        variances, step = self.diagonal(matrices, n_features)[component], np.zeros(n_features)
        axis = int(variances.argmax())
        step[axis] = np.sqrt(max(variances[axis], 0.0))
        return step

    def gram(self, whiteners: Array) -> Array:
        return whiteners**2

    def transposed(self, whiteners: Array) -> Array:
        return whiteners

    def whitened(self, whiteners: Array, component: int, rows: Array) -> Array:
        return rows * whiteners[component]

    def coloured(self, whiteners: Array, component: int, white: Array) -> Array:
        return white / whiteners[component]

    def diagonal(self, matrices: Array, n_features: int) -> Array:
        return np.repeat(matrices[:, None], n_features, axis=1) if self is SPHERICAL else matrices

    def inverse_diagonal(self, whiteners: Array, n_features: int) -> Array:
        return self.diagonal(np.square(whiteners), n_features)

    def per_count(self, scatter: Array, counts: Array) -> Array:
        return np.asarray(np.maximum(scatter, 0) / counts.reshape((-1,) + (1,) * (scatter.ndim - 1)), dtype=np.float64)

    def with_ridge(self, matrices: Array, ridge: Array | float) -> Array:
        return matrices + np.reshape(ridge, (-1,) + (1,) * (matrices.ndim - 1))

    def multipliers(self, scales: Array) -> Array:
        return np.square(scales)

    def dense(self, matrices: Array, n_components: int, n_features: int) -> Array:
        return matrices.reshape(n_components, -1, 1) * np.eye(n_features)

    def projected(self, matrices: Array, n_components: int, directions: Array) -> Array:
        return directions * self.diagonal(matrices, directions.shape[1])[:, None] @ directions.T

    def for_columns(self, matrices: Array, columns: NDArray[np.intp]) -> Array:
        return matrices if self is SPHERICAL else np.ascontiguousarray(matrices[:, columns])

    def reduced(self, moments: Array, layout: Layout, n_features: int) -> Array:
        _check_determined(layout, self)
        if layout is self:
            return np.ascontiguousarray(moments)
        variances = np.ascontiguousarray(layout.diagonal(moments, n_features))
        return variances.sum(axis=1) / n_features if self is SPHERICAL else variances


_FIRST_CODE = 4
_STEPS = 60  # of the power method, for a direction that need not be exact


class LowRank(Layout):
    """A diagonal and q rows of d numbers per component, (K, 1 + q, d).

    A covariance is stored as [ψ, Λᵀ]; its whitener as [ψ^-½, A] with A = L⁻¹C, C = Λᵀ Ψ^-½ and I + CCᵀ = L Lᵀ; second
    moments as [Σ r x̃², Σ r y x̃ᵀ] about an origin, with y = A Ψ^-½ x̃ by the mixture of the pass. They can be added, but
    not moved to another origin.

    Parameters
    ----------
    n_factors : int
        Columns q of Λ.
    """

    stores_dense = False

    def __init__(self, n_factors: int) -> None:
        super().__init__(_FIRST_CODE + n_factors, f"(K, {1 + n_factors}, d)")
        self.n_factors = n_factors

    @lru_cache  # noqa: B019
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
        """The matrices WᵀW, dense: the layout cannot store differences."""
        rows = whiteners[:, 1:] * whiteners[:, :1]
        product = -rows.transpose(0, 2, 1) @ rows
        d = whiteners.shape[2]
        product.reshape(-1, d * d)[:, :: d + 1] += whiteners[:, 0] ** 2
        return product

    def coloured(self, whiteners: Array, component: int, white: Array) -> Array:
        """White noise coloured by W = (I − AᵀA)^½ Ψ^-½."""
        _, lengths, axes = np.linalg.svd(whiteners[component, 1:], full_matrices=False)
        factors = np.maximum((1 - lengths) * (1 + lengths), np.finfo(np.float64).tiny) ** -0.5 - 1
        return np.asarray((white + (white @ axes.T * factors) @ axes) / whiteners[component, 0])

    def diagonal(self, matrices: Array, n_features: int) -> Array:
        return np.asarray(matrices[:, 0] + np.square(matrices[:, 1:]).sum(axis=1))

    def inverse_diagonal(self, whiteners: Array, n_features: int) -> Array:
        return np.asarray(np.square(whiteners[:, 0]) * np.maximum(1 - np.square(whiteners[:, 1:]).sum(axis=1), 0))

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

    def for_columns(self, matrices: Array, columns: NDArray[np.intp]) -> Array:
        """The covariances of some of the features, in this order, dense: there may be fewer than factors."""
        return self.dense(np.ascontiguousarray(matrices[:, :, columns]), len(matrices), len(columns))

    def transposed(self, whiteners: Array) -> Array:
        """Upper triangular factors of WᵀW, dense."""
        factors = np.linalg.cholesky(self.gram(whiteners)[:, ::-1, ::-1])[:, ::-1, ::-1]
        return np.ascontiguousarray(factors, dtype=np.float64)

    def reduced(self, moments: Array, layout: Layout, n_features: int) -> Array:
        """Convert second moments of rows without factors, for which products with factors are zero."""
        if layout is self:
            return moments
        variances = DIAGONAL.reduced(moments, layout, n_features)
        return np.concatenate([variances[:, None], np.zeros((len(variances), self.n_factors, n_features))], axis=1)

    def _refused(self, *_: Any, **__: Any) -> NoReturn:
        raise ValueError(
            "expected d × d covariances for moments about another origin, axes or initial precisions, "
            f"got {self.n_factors} factors and noise: use fewer columns or another covariance type"
        )

    outer = inverse = per_count = with_ridge = whitened = _refused


@cache
def low_rank(n_factors: int) -> Layout:
    """Return the only layout with this number of factors: layouts are compared by identity."""
    return LowRank(n_factors)


def determines(layout: Layout, target: Layout) -> bool:
    """Return whether second moments in a layout determine those of a `target`."""
    return layout is target or layout is FULL or (layout is DIAGONAL and target is SPHERICAL)


def _check_determined(layout: Layout, target: Layout) -> None:
    if not determines(layout, target):
        raise ValueError(f"expected moments that determine those of shape {target}, got moments of shape {layout}")


FULL = Layout(0, "(K, d, d)")
TIED = Layout(1, "(d, d)", pooled=True)
DIAGONAL: Layout = _Variances(2, "(K, d)")
SPHERICAL: Layout = _Variances(3, "(K,)")


def layout_with_code(code: int) -> Layout:
    """Return the layout with this code in the compiled modules, one of the four or of low rank."""
    return (FULL, TIED, DIAGONAL, SPHERICAL)[code] if code < _FIRST_CODE else low_rank(code - _FIRST_CODE)
