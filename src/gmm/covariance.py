"""Which covariances a mixture may have: each model estimates them from scatter matrices, in one of four layouts.

The only room that knows the models by name. To add one, write a class and a line of the registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gmm.layouts import DIAGONAL, FULL, SPHERICAL, TIED, Array, Layout


class CovarianceModel(Protocol):
    """A constraint on the K covariances, as an estimator."""

    @property
    def name(self) -> str:
        """How `covariance_type` calls it."""

    @property
    def layout(self) -> Layout:
        """Of the covariances."""

    @property
    def moments(self) -> Layout:
        """Of the second moments that `estimate` needs."""

    @property
    def free(self) -> bool:
        """Whether nothing but the layout constrains them: `estimate` is then what `gmm._mstep.Update` computes."""

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Free parameters of the covariances."""

    def fewest_rows(self, n_features: int) -> int:
        """Rows below which a component's parameters say more of these rows than of the data."""

    def estimate(self, scatter: Array, counts: Array) -> Array:
        """The covariances that maximise the expected complete-data log-likelihood.

        Parameters
        ----------
        scatter : array in the shape of `moments`
            Second moments about the components' means.
        counts : array of shape (K,)
            Σ_i w_i r_ik.
        """


@dataclass(frozen=True)
class Ellipsoidal:
    """Σ_k free (VVV; Celeux & Govaert 1995, model [λ_k D_k A_k D_kᵀ]): Σ_k = S_k / n_k."""

    name: str = "full"
    layout: Layout = FULL
    moments: Layout = FULL
    free: bool = True

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_components * n_features * (n_features + 1) // 2

    def fewest_rows(self, n_features: int) -> int:
        return 2 * (n_features + 1) if n_features > 1 else 3  # of one feature it is a variance, as the others'

    def estimate(self, scatter: Array, counts: Array) -> Array:
        return scatter / counts[:, None, None]


@dataclass(frozen=True)
class CommonEllipsoidal:
    """Σ_k = Σ (EEE; model [λ D A Dᵀ]): Σ = Σ_k S_k / n."""

    name: str = "tied"
    layout: Layout = TIED
    moments: Layout = TIED
    free: bool = True

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_features * (n_features + 1) // 2

    def fewest_rows(self, n_features: int) -> int:
        return n_features + 2

    def estimate(self, scatter: Array, counts: Array) -> Array:
        return scatter / counts.sum()


@dataclass(frozen=True)
class AxisAligned:
    """Σ_k diagonal (VVI; model [λ_k B_k]): Σ_k = diag S_k / n_k."""

    name: str = "diag"
    layout: Layout = DIAGONAL
    moments: Layout = DIAGONAL
    free: bool = True

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_components * n_features

    def fewest_rows(self, n_features: int) -> int:
        return n_features + 2

    def estimate(self, scatter: Array, counts: Array) -> Array:
        return np.maximum(scatter, 0) / counts[:, None]


@dataclass(frozen=True)
class Round:
    """Σ_k = λ_k I (VII; model [λ_k I]): λ_k = tr S_k / (n_k d).

    The spherical layout of S_k is tr S_k / d.
    """

    name: str = "spherical"
    layout: Layout = SPHERICAL
    moments: Layout = SPHERICAL
    free: bool = True

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_components

    def fewest_rows(self, n_features: int) -> int:
        return n_features + 2

    def estimate(self, scatter: Array, counts: Array) -> Array:
        return np.maximum(scatter, 0) / counts


_MODELS: dict[str, CovarianceModel] = {
    model.name: model for model in (Ellipsoidal(), CommonEllipsoidal(), AxisAligned(), Round())
}

COVARIANCE_TYPES = tuple(_MODELS)
DEFAULT_COVARIANCE_TYPE = "full"


def covariance_model(name: str) -> CovarianceModel:
    """The model called `name`.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    try:
        return _MODELS[name]
    except KeyError:
        expected = ", ".join(map(repr, COVARIANCE_TYPES))
        raise ValueError(f"expected a covariance type among {expected}, got {name!r}") from None
