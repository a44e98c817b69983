"""Which covariances a mixture may have: each model estimates them from scatter matrices, in one of four layouts.

The only room that knows the models by name. To add one, write a line of the registry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from gmm._kernel import mstep
from gmm.values.layouts import DIAGONAL, FULL, SPHERICAL, TIED, Array, Layout, SingularMatrixError

_COMMON, _OWN, _IDENTITY = "E", "V", "I"  # equal, variable, identity
_FREEDOM = {_IDENTITY: 0, _COMMON: 1, _OWN: 2}


@dataclass(frozen=True, eq=False)
class CovarianceModel:
    """Covariances Σ_k = λ_k D_k A_k D_kᵀ with volumes λ_k, shapes A_k, |A_k| = 1, and orientations D_k.

    Each of the three is the components' own, common to all, or the identity (Banfield & Raftery 1993; Celeux & Govaert
    1995, whose models these are, by the names that mclust made standard).

    Parameters
    ----------
    volume, shape, orientation : {"E", "V", "I"}
        E: equal in all components; V: variable; I: the identity.
    constraint : int
        The number the compiled update knows the constraint by; 0 where nothing but the layout constrains.
    alias : str
        Another name for it, scikit-learn's; empty where there is none.
    """

    volume: str
    shape: str
    orientation: str
    constraint: int
    alias: str = ""

    def __reduce__(self) -> tuple[Callable[[str], CovarianceModel], tuple[str]]:
        """Models are told apart by identity: what comes out of a pickle is the one that is there."""
        return covariance_model, (self.name,)

    @cached_property
    def name(self) -> str:
        """Volume, shape and orientation."""
        return self.volume + self.shape + self.orientation

    @property
    def known_as(self) -> str:
        """The name it is spoken of."""
        return self.alias or self.name

    @cached_property
    def layout(self) -> Layout:
        """Of the covariances."""
        if self.shape == _IDENTITY:
            return SPHERICAL
        if self.orientation == _IDENTITY:
            return DIAGONAL
        return TIED if self.name == _COMMON * 3 else FULL

    @property
    def moments(self) -> Layout:
        """Of the second moments that an estimate needs."""
        return self.layout

    @property
    def common(self) -> bool:
        """Whether all components share one covariance."""
        return _OWN not in self.name

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Free parameters of the covariances (Celeux & Govaert 1995, table 1)."""
        K, d = n_components, n_features
        many = {_IDENTITY: 0, _COMMON: 1, _OWN: K}
        return many[self.volume] + many[self.shape] * (d - 1) + many[self.orientation] * (d * (d - 1) // 2)

    def fewest_rows(self, n_features: int) -> int:
        """Rows below which a component's parameters say more of these rows than of the data."""
        own_matrix = self.shape == self.orientation == _OWN
        return 2 * (n_features + 1) if own_matrix and n_features > 1 else n_features + 2

    def constrained(self, covariances: Array, counts: Array, *, previous: Array | None = None) -> Array:
        """The covariances that maximise the expected complete-data log-likelihood −½ Σ_k n_k (log|Σ_k| + tr Σ_k⁻¹C_k).

        Parameters
        ----------
        covariances : array in the shape of `layout`
            The free ones C_k = S_k / n_k, a ridge on their diagonals perhaps.
        counts : array of shape (K,)
            n_k = Σ_i w_i r_ik.
        previous : array in the shape of `layout`, optional
            Covariances of the model that a search (EVE, VVE) is never worse than.

        Raises
        ------
        SingularMatrixError
            If there are no positive definite ones.
        """
        if not self.constraint:
            return covariances
        n_features = 1 if self.layout is SPHERICAL else covariances.shape[-1]
        before = None if previous is None else np.ravel(previous)
        found, there = mstep.constrained(self.constraint, np.ravel(covariances), counts, before, n_features)
        if not there:
            raise SingularMatrixError(0)
        return found.reshape(covariances.shape)


# With S_k = Σ_i r_ik (x_i − μ_k)(x_i − μ_k)ᵀ, n = Σ_k n_k and d features, what maximises the likelihood, or is searched
# for where there is no closed form (`constraint.pxd`).
_REGISTRY = (
    CovarianceModel("E", "I", "I", 1),  # λI: λ = Σ_k tr S_k / (n d)
    CovarianceModel("V", "I", "I", 0, "spherical"),  # λ_k I: λ_k = tr S_k / (n_k d)
    CovarianceModel("E", "E", "I", 2),  # λA: λA = Σ_k diag S_k / n
    CovarianceModel("V", "E", "I", 3),  # λ_k A: λ_k = tr(A⁻¹ S_k) / (n_k d) with A ∝ Σ_k diag S_k / λ_k
    CovarianceModel("E", "V", "I", 4),  # λA_k: A_k ∝ diag S_k, λ = Σ_k |diag S_k|^(1/d) / n
    CovarianceModel("V", "V", "I", 0, "diag"),  # λ_k A_k: λ_k A_k = diag S_k / n_k
    CovarianceModel("E", "E", "E", 0, "tied"),  # λDADᵀ: Σ = Σ_k S_k / n
    CovarianceModel("V", "E", "E", 5),  # λ_k DADᵀ: λ_k = tr(C⁻¹ S_k) / (n_k d) with C ∝ Σ_k S_k / λ_k
    CovarianceModel("E", "V", "E", 6),  # λDA_kDᵀ: D least in Σ_k |diag DᵀS_kD|^(1/d), then as EVI
    CovarianceModel("V", "V", "E", 7),  # λ_k DA_kDᵀ: D least in Σ_k n_k log |diag DᵀS_kD|, then as VVI
    CovarianceModel("E", "E", "V", 8),  # λD_kAD_kᵀ: D_k of S_k = D_k Ω_k D_kᵀ, λA = Σ_k Ω_k / n
    CovarianceModel("V", "E", "V", 9),  # λ_k D_kAD_kᵀ: D_k likewise, then as VEI of Ω_k
    CovarianceModel("E", "V", "V", 10),  # λD_kA_kD_kᵀ: Σ_k ∝ S_k, λ = Σ_k |S_k|^(1/d) / n
    CovarianceModel("V", "V", "V", 0, "full"),  # λ_k D_kA_kD_kᵀ: Σ_k = S_k / n_k
)

PARSIMONIOUS = tuple(model.name for model in _REGISTRY)
CLASSIC = ("full", "tied", "diag", "spherical")
COVARIANCE_TYPES = (*CLASSIC, *PARSIMONIOUS)
DEFAULT_COVARIANCE_TYPE = "full"

_MODELS = {name: model for model in _REGISTRY for name in (model.name, model.alias) if name}


def covariance_model(name: str) -> CovarianceModel:
    """The model called `name`.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    try:
        return _MODELS[name]
    except (KeyError, TypeError):
        expected = ", ".join(map(repr, COVARIANCE_TYPES))
        raise ValueError(f"expected a covariance type among {expected}, got {name!r}") from None


@cache
def special_case(constrained: CovarianceModel, general: CovarianceModel) -> bool:
    """Whether every covariance of the first model is one of the second, which has more."""
    freedoms = [(_FREEDOM[one], _FREEDOM[other]) for one, other in zip(constrained.name, general.name, strict=True)]
    return constrained is not general and all(one <= other for one, other in freedoms)


@cache
def same_as(model: CovarianceModel, n_components: int, n_features: int) -> CovarianceModel:
    """The first model of the registry that allows the same covariances for so many components and features.

    One component's are common to all; of one feature there are volumes alone.
    """
    volume, shape, orientation = model.volume, model.shape, model.orientation
    if n_components == 1:
        volume, shape, orientation = (_COMMON if part == _OWN else part for part in model.name)
    if n_features == 1:
        shape = orientation = _IDENTITY
    return _MODELS[volume + shape + orientation]
