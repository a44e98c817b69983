"""`CovarianceModel`: the constraints on a mixture's covariances, with the registry of all models.

Only this module knows the models by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from itertools import chain
from typing import NamedTuple

import numpy as np

from gmm._kernel import mstep
from gmm._text.words import counted, suggestion
from gmm._values.layouts import DIAGONAL, FULL, SPHERICAL, TIED, Array, Layout, SingularMatrixError, low_rank

COMMON, _OWN, IDENTITY = "E", "V", "I"  # equal, variable, identity
_FREEDOM = {IDENTITY: 0, COMMON: 1, _OWN: 2}  # no such part, one for all components, one for each


class CovarianceModel:
    """Covariances Σ_k = λ_k D_k A_k D_kᵀ with volumes λ_k, shapes A_k, |A_k| = 1, and orientations D_k.

    The models are those of Banfield & Raftery (1993) and Celeux & Govaert (1995), with the names that mclust made
    standard.

    Parameters
    ----------
    letters : str
        Letters of volume, shape and orientation. E: equal in all components; V: variable; I: the identity.
    layout : Layout
        Layout of the covariances, and of the second moments that an estimate needs.
    constraint : int
        Number of the constraint in the table of `_kernel/mstep.pyx`; 0 if the layout is the only constraint.
    alias : str
        scikit-learn's name; empty if it has none.
    name : str
        Name of the model in files and searches: its letters by default.
    n_factors : int
        Number of factors of each covariance; 0 for models without factors.
    """

    def __init__(
        self, letters: str, layout: Layout, constraint: int, alias: str = "", name: str = "", n_factors: int = 0
    ) -> None:
        self.letters = letters
        self.volume, self.shape, self.orientation = list(letters)
        self.layout = layout
        self.constraint = constraint
        self.alias = alias
        self.name = name or letters
        self.type_name = alias or self.name
        self.n_factors = n_factors
        self.stores_dense = layout.stores_dense  # covariances, not factors and noise
        self.common = _OWN not in letters  # one covariance for all components
        self.joint = layout.pooled or bool(constraint and not n_factors)  # components' covariances depend on each other
        self.own_shapes = self.shape == _OWN
        self.scales_shapes = self.own_shapes and self.volume == COMMON  # to one volume, …
        self.depends_on_moments = self.scales_shapes and self.stores_dense  # in checks for degenerate components

    def __reduce__(self) -> tuple[Callable[[str], CovarianceModel], tuple[str]]:
        """Unpickle to the registered model: models are compared by identity."""
        return covariance_model, (self.name,)

    def printed(self, n_features: int) -> str:
        """Return the name to print, with scikit-learn's; for one feature, only the letter of the volume."""
        if n_features == 1 and self.shape == IDENTITY:
            return self.volume
        name = self.volume if n_features == 1 else self.name
        return f"{name} ({self.alias})" if self.alias else name

    dense = property(mstep.identity, doc="The same model with d × d matrices.")
    for_starts = property(mstep.identity, doc="The model of the starts from which it climbs.")

    @property
    def for_columns(self) -> CovarianceModel:
        """The model of the covariances of some features, marginal or conditional; they stay proportional."""
        return stored_as(self.layout) if _OWN in (self.shape, self.orientation) else self

    @property
    def for_scaled_columns(self) -> CovarianceModel:
        """The smallest model that has its covariances after columns are scaled: itself, for eight models."""
        if self.shape == IDENTITY:
            return _MODELS[self.volume + COMMON + IDENTITY]
        free = self.orientation not in (self.shape, IDENTITY)
        return _MODELS[self.volume + _OWN * 2] if free else self

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Count the free parameters of the covariances (Celeux & Govaert 1995, table 1)."""
        d, copies = n_features, (0, 1, n_components)
        volumes, shapes, orientations = [copies[_FREEDOM[part]] for part in self.letters]
        return volumes + shapes * (d - 1) + orientations * (d * (d - 1) // 2)

    def thin_directions(self, n_features: int) -> int:
        """Return the number r of directions in which a component may be narrow: r rows leave its likelihood unbounded.

        These are all, if its shape and axes are free, less 1 for a given volume; else 1.
        """
        return n_features - self.scales_shapes if self.own_shapes and self.orientation != IDENTITY else 1

    def unbounded_rows(self, n_features: int) -> float:
        """Return the number of rows of a component up to which the likelihood has no bound."""
        return self.thin_directions(n_features)

    def degenerate_rows(self, n_features: int) -> float:
        """Return the number of all rows up to which several components are degenerate: they span no free axes."""
        return self.unbounded_rows(n_features) if self.orientation == IDENTITY else n_features

    def constrained(
        self, covariances: Array, counts: Array, *, previous: Array | None = None, least: float = 0.0
    ) -> Array:
        """Maximise the expected complete-data log-likelihood −½ Σ_k n_k (log|Σ_k| + tr Σ_k⁻¹C_k) under the constraint.

        Parameters
        ----------
        covariances : array in the shape of `layout`
            Unconstrained covariances C_k = S_k / n_k, possibly with a ridge.
        counts : array of shape (K,)
            n_k = Σ_i w_i r_ik.
        previous : array in the shape of `layout`, optional
            Covariances of this model; EVE and VVE start from their axes, factors from their noise, and the result is at
            least as good.
        least : float
            The least variance of the noise of factors.

        Returns
        -------
        array in the shape of `layout`

        Raises
        ------
        SingularMatrixError
            If the maximum is not positive definite.
        """
        if not self.constraint:
            return covariances
        n_features = 1 if self.layout is SPHERICAL else covariances.shape[-1]
        before = None if previous is None else np.ravel(previous)
        result, is_definite = mstep.constrained(
            self.constraint, np.ravel(covariances), counts, before, n_features, self.n_factors, least
        )
        if not is_definite:
            raise SingularMatrixError(0)
        return result.reshape(covariances.shape)

    def nearest(self, covariances: Array, counts: Array) -> Array:
        """Return the covariances of this model that are nearest to some: themselves, if they are of it."""
        return self.constrained(covariances, counts, previous=covariances)


class Factors(NamedTuple):
    """The parts of covariances Λ_k Λ_kᵀ + Ψ_k: see `FactorModel.factors`."""

    loadings: Array
    noise: Array


class FactorModel(CovarianceModel):
    """Covariances Σ_k = Λ_k Λ_kᵀ + Ψ_k with Λ_k (d, q) and a diagonal Ψ_k (Ghahramani & Hinton 1996).

    "factor" is a mixture of factor analysers; "ppca", with Ψ_k = σ_k² I, of principal component analysers (Tipping &
    Bishop 1999). In the terms of the others they are special cases of VVV. A ridge bounds Ψ_k from below as well.
    Covariances are stored as matrices, over which an update maximises, or as Λ_k and Ψ_k, and an update is an EM step.
    """

    def __init__(self, kind: str, n_factors: int, stores_dense: bool) -> None:
        layout, constraint = FULL if stores_dense else low_rank(n_factors), _CONSTRAINT_OF[kind, stores_dense]
        super().__init__(_OWN * 3, layout, constraint, name=f"{kind}{n_factors}", n_factors=n_factors)
        self.kind = kind
        self.isotropic = kind == _PPCA  # all features have the same noise variance

    def __reduce__(self) -> tuple[Callable[[str, int, bool], CovarianceModel], tuple[str, int, bool]]:  # type: ignore[override]
        """Unpickle to the registered model: models are compared by identity."""
        return factor_model, (self.kind, self.n_factors, self.stores_dense)

    @property
    def dense(self) -> CovarianceModel:
        """The same model with d × d matrices."""
        return factor_model(self.kind, self.n_factors)

    @property
    def for_starts(self) -> CovarianceModel:
        """The same model or, with factors stored, that of variances: factors grow in the run."""
        return self if self.stores_dense else stored_as(DIAGONAL)

    @property
    def for_columns(self) -> CovarianceModel:
        """The model of the covariances of some features, marginal or conditional."""
        return stored_as(FULL)

    @property
    def for_scaled_columns(self) -> CovarianceModel:
        """The smallest model that has its covariances after columns are scaled."""
        return factor_model(_FACTOR, self.n_factors, self.stores_dense)

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Count the parameters of loadings, less their rotations, and of noise; never more than VVV has."""
        d, q = n_features, self.n_factors
        each = d * q - q * (q - 1) // 2 + (1 if self.isotropic else d)
        return n_components * min(each, d * (d + 1) // 2)

    def thin_directions(self, n_features: int) -> int:
        """Return 1: for noise and factors, only the number of rows limits what they gain by chance."""
        return 1

    def unbounded_rows(self, n_features: int) -> float:
        """Return the number of rows of a component up to which the likelihood is treated as unbounded.

        It is between VVI's and VVV's; with many columns, the number of parameters of one. Half a row is rounded up.
        """
        return (n_features if self.stores_dense else 0) + 1.5 + self.n_factors

    degenerate_rows = unbounded_rows

    def nearest(self, covariances: Array, counts: Array) -> Array:
        """Return the covariances of this model that are nearest to some: themselves, if they are of it."""
        loadings, noise = self.factors(covariances)
        return np.asarray(loadings @ loadings.transpose(0, 2, 1) + noise[:, :, None] * np.eye(noise.shape[1]))

    def factors(self, covariances: Array, least: float = 0.0) -> Factors:
        """Split stored covariances of this model, with noise of at least the variance `least` if that is possible.

        Returns
        -------
        loadings : array of shape (K, d, q)
            Λ_k, such that Λ_kᵀ Ψ_k⁻¹ Λ_k is diagonal, the largest first; the largest loading of a factor is positive.
        noise : array of shape (K, d)
            The diagonals of Ψ_k.
        """
        d = covariances.shape[-1]
        if not self.stores_dense:
            noise, roots = covariances[:, 0], np.sqrt(covariances[:, 0])
            _, lengths, axes = np.linalg.svd(covariances[:, 1:] / roots[:, None], full_matrices=False)
            return Factors(_turned(roots[:, :, None] * axes.transpose(0, 2, 1) * lengths[:, None]), noise)
        if self.isotropic:
            of_residual = np.linalg.eigvalsh(covariances)[:, : d - self.n_factors]
            noise = np.repeat(of_residual.mean(axis=1, keepdims=True), d, axis=1)
        else:
            noise = mstep.noise_of_factors(np.ascontiguousarray(covariances), self.n_factors, least)
        roots = np.sqrt(noise)
        variances, axes = np.linalg.eigh(covariances / roots[:, :, None] / roots[:, None])
        variances, axes = (values[..., : -self.n_factors - 1 : -1] for values in (variances, axes))
        return Factors(_turned(roots[:, :, None] * axes * np.sqrt(np.maximum(variances - 1, 0))[:, None]), noise)


def with_other_factors(covariances: Array, model: FactorModel, other: FactorModel) -> Array:
    """Return covariances of another model, stored as factors: new factors are small, dropped ones become noise."""
    loadings, noise = model.factors(covariances)
    K, d, q = loadings.shape
    rest, more = loadings[:, :, other.n_factors :], max(other.n_factors - q, 0)
    noise = noise + np.square(rest).sum(axis=2)
    if other.isotropic:
        noise = np.repeat(noise.mean(axis=1, keepdims=True), d, axis=1)
    new = _NEW_LOADING * np.sqrt(noise)[:, None] * np.random.default_rng(0).standard_normal((K, more, d))
    return np.concatenate([noise[:, None], loadings[:, :, : other.n_factors].transpose(0, 2, 1), new], axis=1)


def _turned(loadings: Array) -> Array:
    """Return loadings (K, d, q) with signs such that the largest of a factor is positive."""
    largest = np.take_along_axis(loadings, np.abs(loadings).argmax(axis=1)[:, None], axis=1)
    return loadings * np.where(largest < 0, -1.0, 1.0)


# The maximum-likelihood estimates with S_k = Σ_i r_ik (x_i − μ_k)(x_i − μ_k)ᵀ, n = Σ_k n_k and d features; iterative
# where there is no closed form (`constraint.pxd`).
_REGISTRY = (
    CovarianceModel("EII", SPHERICAL, 1),  # λI: λ = Σ_k tr S_k / (n d)
    CovarianceModel("VII", SPHERICAL, 0, "spherical"),  # λ_k I: λ_k = tr S_k / (n_k d)
    CovarianceModel("EEI", DIAGONAL, 2),  # λA: λA = Σ_k diag S_k / n
    CovarianceModel("VEI", DIAGONAL, 3),  # λ_k A: λ_k = tr(A⁻¹ S_k) / (n_k d) with A ∝ Σ_k diag S_k / λ_k
    CovarianceModel("EVI", DIAGONAL, 4),  # λA_k: A_k ∝ diag S_k, λ = Σ_k |diag S_k|^(1/d) / n
    CovarianceModel("VVI", DIAGONAL, 0, "diag"),  # λ_k A_k: λ_k A_k = diag S_k / n_k
    CovarianceModel("EEE", TIED, 0, "tied"),  # λDADᵀ: Σ = Σ_k S_k / n
    CovarianceModel("VEE", FULL, 5),  # λ_k DADᵀ: λ_k = tr(C⁻¹ S_k) / (n_k d) with C ∝ Σ_k S_k / λ_k
    CovarianceModel("EVE", FULL, 6),  # λDA_kDᵀ: D minimises Σ_k |diag DᵀS_kD|^(1/d), then as EVI
    CovarianceModel("VVE", FULL, 7),  # λ_k DA_kDᵀ: D minimises Σ_k n_k log |diag DᵀS_kD|, then as VVI
    CovarianceModel("EEV", FULL, 8),  # λD_kAD_kᵀ: D_k of S_k = D_k Ω_k D_kᵀ, λA = Σ_k Ω_k / n
    CovarianceModel("VEV", FULL, 9),  # λ_k D_kAD_kᵀ: D_k likewise, then as VEI of Ω_k
    CovarianceModel("EVV", FULL, 10),  # λD_kA_kD_kᵀ: Σ_k ∝ S_k, λ = Σ_k |S_k|^(1/d) / n
    CovarianceModel("VVV", FULL, 0, "full"),  # λ_k D_kA_kD_kᵀ: Σ_k = S_k / n_k
)

PARSIMONIOUS = tuple(model.name for model in _REGISTRY)
LIMITED = tuple(model.type_name for model in _REGISTRY if not model.joint)  # by a ratio of eigenvalues
CLASSIC = ("full", "tied", "diag", "spherical")
OF_ONE_FEATURE = (COMMON, _OWN)  # mclust's names for one feature: only the volume matters
COVARIANCE_TYPES = (*CLASSIC, *PARSIMONIOUS)
OF_FACTORS = _FACTOR, _PPCA = "factor", "ppca"  # a number of factors behind them makes a model's name
_CONSTRAINT_OF = {(_FACTOR, True): 11, (_PPCA, True): 12, (_FACTOR, False): 13, (_PPCA, False): 14}
COVARIANCE_CHOICES = (*COVARIANCE_TYPES, *OF_ONE_FEATURE, *OF_FACTORS)
DEFAULT_COVARIANCE_TYPE = "full"

# From here on an EM step with only factors and noise costs less than a maximum over d × d covariances.
_MANY_COLUMNS, _COLUMNS_PER_NUMBER = 64, 4
_NEW_LOADING = 0.1  # standard deviations of the noise
_BY_FACTORS = re.compile(rf"({_FACTOR}|{_PPCA})([1-9][0-9]{{0,8}})")
MOST_FACTORS = 10**9 - 1
_MODELS = {name: model for model in _REGISTRY for name in (model.name, model.alias) if name}
_MODELS |= {volume: _MODELS[volume + IDENTITY * 2] for volume in OF_ONE_FEATURE}


def covariance_model(name: object, n_features: int | None = None, n_factors: int | None = None) -> CovarianceModel:
    """Return the model of this name; its number of factors may be a separate argument.

    Raises
    ------
    ValueError
        If there is no such model, it is for one feature and there are more, it has too many factors, or no `n_factors`.
    """
    if n_factors is not None and not (names_factors(name) and name in [f"{kind}{n_factors}" for kind in OF_FACTORS]):
        if name not in OF_FACTORS:
            raise ValueError(
                f"expected n_factors=None with covariance_type={name!r:.80}, got {n_factors!r:.80}: a number of "
                f"factors goes only with {' or '.join(map(repr, OF_FACTORS))}"
            )
        name = f"{name}{n_factors}"
    model = (_MODELS.get(name) or _named(name)) if isinstance(name, str) else None
    if model is None:
        expected = ", ".join(map(repr, COVARIANCE_CHOICES))
        near = suggestion(name, (*_MODELS, *OF_FACTORS))
        raise ValueError(f"expected a covariance type among {expected}, got {name!r:.80}{near}")
    if n_features is not None and n_features > 1 and name in OF_ONE_FEATURE:
        raise ValueError(
            f"covariance type {name!r} is for one column: for {n_features} columns, expected a name of three letters "
            f"such as {model.name!r}, or one of {', '.join(map(repr, CLASSIC))}"
        )
    if n_features is not None and model.n_factors and n_features <= model.n_factors:
        instead = (
            f"use at most {counted(n_features - 1, 'factor')}, or 'full'"
            if n_features > 1
            else "use another covariance type"
        )
        sizes = f"{counted(model.n_factors, 'factor')} and n_features={n_features}"
        raise ValueError(f"covariance type {model.name!r}: expected fewer factors than columns, got {sizes}: {instead}")
    return model


def _named(name: str) -> CovarianceModel | None:
    if name in OF_FACTORS:
        raise ValueError(
            f"covariance type {name!r} needs its number of factors: expected it after the name, as in '{name}2', or "
            "as n_factors"
        )
    found = _BY_FACTORS.fullmatch(name)
    return factor_model(found[1], int(found[2])) if found else None


def names_factors(name: object) -> bool:
    """Return whether this is the name of a model with factors: "factor" or "ppca" and their number."""
    return isinstance(name, str) and _BY_FACTORS.fullmatch(name) is not None


@cache
def factor_model(kind: str, n_factors: int, stores_dense: bool = True) -> FactorModel:
    """Return the one model of this kind, "factor" or "ppca", number of factors, and storage of covariances."""
    return FactorModel(kind, n_factors, stores_dense)


def stored_for(model: CovarianceModel, n_features: int, *, has_prior: bool = False) -> CovarianceModel:
    """Return the model that stores factors and noise, and no d × d matrix, if columns are many and factors few.

    A model with a prior also does, which is a density of the noise.
    """
    if not isinstance(model, FactorModel):
        return model
    wide = n_features >= max(_MANY_COLUMNS, _COLUMNS_PER_NUMBER * (1 + model.n_factors))
    return factor_model(model.kind, model.n_factors, not (wide or has_prior))


def of_low_rank(model: CovarianceModel) -> CovarianceModel:
    """Return the same model with noise and factors stored in place of covariances.

    Raises
    ------
    ValueError
        If it has no factors.
    """
    if not isinstance(model, FactorModel):
        raise ValueError(f"expected covariances of factors to be stored in low rank, got those of {model.name}")
    return factor_model(model.kind, model.n_factors, False)


def model_names(names: Iterable[str], numbers: Iterable[int]) -> list[str]:
    """Return names of models without duplicates; "factor" and "ppca" become one with each number of factors."""
    numbers = tuple(numbers)
    each = ([f"{name}{number}" for number in numbers] if name in OF_FACTORS else [name] for name in names)
    return list(dict.fromkeys(chain.from_iterable(each)))


def stored_as(layout: Layout) -> CovarianceModel:
    """Return the model of all covariances that a layout can store."""
    return next(model for model in _REGISTRY if model.layout is layout and not model.constraint)


@cache
def same_as(model: CovarianceModel, n_components: int, n_features: int) -> CovarianceModel:
    """Return the first model of the registry that is equivalent for these numbers of components and features.

    With one component, "variable" is "equal"; with one feature, only the volume matters.
    """
    if model.n_factors:
        return model
    volume, shape, orientation = model.volume, model.shape, model.orientation
    if n_components == 1:
        volume, shape, orientation = (COMMON if part == _OWN else part for part in model.letters)
    if n_features == 1:
        shape = orientation = IDENTITY
    return _MODELS[volume + shape + orientation]
