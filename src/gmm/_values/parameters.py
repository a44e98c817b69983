"""`MixtureParameters`: the weights, means and covariances of a mixture, and which of them are `Fixed`."""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from gmm._kernel import mstep
from gmm._kernel.mstep import cached_property
from gmm._values.covariance import CovarianceModel, FactorModel, with_other_factors
from gmm._values.layouts import Array
from gmm._values.noise import NO_NOISE, Noise
from gmm._values.tails import NORMAL_TAILS, StudentTails, Tails
from gmm._values.whitened import WhitenedMixture

PARTS = "weights", "means", "covariances"


class Fixed:
    """The weights, means and covariances that a fit does not change; false if it fits all.

    Parameters
    ----------
    table : bool array of shape (3, K)
        Whether the weight, the mean and the covariance of each component are fixed.
    """

    def __init__(self, table: NDArray[np.bool_]) -> None:
        self.table = table
        self.weights, self.means, self.covariances = table

    def __bool__(self) -> bool:
        return True

    @property
    def components(self) -> NDArray[np.bool_]:
        """Whether a part of each component is fixed, (K,)."""
        return np.asarray(self.table.any(axis=0))

    @cached_property
    def masks(self) -> dict[str, list[bool]]:
        """The rows of the table that fix something, by name."""
        return {name: row.tolist() for name, row in zip(PARTS, self.table, strict=True) if row.any()}

    def equals(self, other: Fixed) -> bool:
        """Return whether the same parameters are fixed."""
        return self is other or np.array_equal(self.table, other.table)

    def with_others(self, n_others: int) -> Fixed:
        """Append components without fixed parts."""
        return Fixed(np.pad(self.table, ((0, 0), (0, n_others)))) if self else self

    def n_parameters(self, model: CovarianceModel, n_components: int, n_features: int) -> int:
        """Count the parameters that would be free otherwise."""
        K, (weights, means, covariances) = n_components, self.table.sum(axis=1).tolist()
        free = 0 if covariances == K else model.n_parameters(K - covariances, n_features)
        return min(weights, K - 1) + means * n_features + model.n_parameters(K, n_features) - free


class _NothingFixed(Fixed):
    __bool__ = staticmethod(bool)  # false


NOTHING_FIXED: Fixed = _NothingFixed(np.zeros((len(PARTS), 1), dtype=bool))


# Weights, means, covariances and whiteners, both flat, log|W| and numbers of the tails: see `gmm._kernel.mstep.Update`.
Estimate = tuple[Array, Array, Array, Array, Array, Array]


class Kind(Protocol):
    """The properties of a mixture other than its numbers, which mixtures of a kind and objectives of fits have."""

    @property
    def model(self) -> CovarianceModel: ...
    @property
    def noise(self) -> Noise: ...
    @property
    def fixed(self) -> Fixed: ...
    @property
    def tails(self) -> Tails: ...


def n_parameters(kind: Kind, n_components: int, n_features: int) -> int:
    """Count the free parameters: weights less 1, means, covariances, noise and tails, less fixed ones."""
    K, d, model = n_components, n_features, kind.model
    fixed = kind.fixed.n_parameters(model, K, d) if kind.fixed else 0
    return K - 1 + K * d + model.n_parameters(K, d) + kind.noise.n_parameters + kind.tails.n_parameters(K) - fixed


class MixtureParameters:
    """A Gaussian mixture Σ_k π_k N(μ_k, Σ_k), with uniform noise if the weights sum to less than 1.

    Parameters
    ----------
    weights : array of shape (K,)
        π_k, summing to 1 less the weight of the noise.
    means : array of shape (K, d)
    covariances : array in the shape of the model's layout
    model : CovarianceModel
    factors : tuple of arrays, optional
        Whiteners and log determinants of the covariances, if already known.
    noise : Noise
    fixed : Fixed
        Parameters that its fit did not estimate.
    tails : Tails
        Tails of all components; if these are not normal, covariances are scale matrices.

    Attributes
    ----------
    n_components, n_features : int
        K and d.

    Raises
    ------
    SingularMatrixError
        If a covariance is not positive definite.
    """

    _PARTS: tuple[str, ...] = ("weights", "means", "covariances", "model", "noise", "fixed", "tails")

    def __init__(
        self,
        weights: Array,
        means: Array,
        covariances: Array,
        model: CovarianceModel,
        factors: tuple[Array, Array] | None = None,
        noise: Noise = NO_NOISE,
        fixed: Fixed = NOTHING_FIXED,
        tails: Tails = NORMAL_TAILS,
    ) -> None:
        self.n_components, self.n_features = means.shape
        self.weights = weights
        self.means = means
        self.covariances = covariances
        self.model = model
        self.noise = noise
        self.fixed = fixed
        self.tails = tails
        self.whiteners, self.log_determinants = factors or model.layout.whiten(covariances, means.shape[1])
        for values in (weights, means, covariances, self.whiteners):
            values.setflags(write=False)

    def __repr__(self) -> str:
        """Return the sizes and the model; the arrays may be large."""
        return f"MixtureParameters(K={self.n_components}, d={self.n_features}, {self.model.type_name})"

    @staticmethod
    def from_estimate(estimate: Estimate, kind: Kind) -> MixtureParameters:
        """Make the mixture from the result of a compiled update."""
        weights, means, covariances, whiteners, log_determinants, tails = estimate
        shape = kind.model.layout.shape(*means.shape)
        factors = whiteners.reshape(shape), log_determinants
        parts = weights, means, covariances.reshape(shape), kind.model, factors, kind.noise, kind.fixed
        return MixtureParameters(*parts, kind.tails and kind.tails.with_numbers(tails))

    def updated(self, estimate: Estimate) -> MixtureParameters:
        """Make the mixture of another estimate of the same kind."""
        return self.from_estimate(estimate, self)

    @property
    def written_out(self) -> Array:
        """The covariances in the public shape: d × d matrices if factors are stored."""
        return self.model.layout.written_out(self.covariances)

    def as_estimate(self) -> Estimate:
        """Return the arrays of the compiled core."""
        means, matrices = np.ascontiguousarray(self.means), (self.covariances.reshape(-1), self.whiteners.reshape(-1))
        return self.weights, means, *matrices, self.log_determinants, self.tails.numbers(len(means))

    @property
    def column_variances(self) -> Array:
        """Variances of the columns in each component, (K, d); with heavy tails, squared scales."""
        diagonals = self.model.layout.diagonal(self.covariances, self.n_features)
        return np.broadcast_to(diagonals, self.means.shape)

    @property
    def column_precisions(self) -> Array:
        """Diagonals of the inverse covariances, (K, d)."""
        return np.broadcast_to(self.model.layout.inverse_diagonal(self.whiteners, self.n_features), self.means.shape)

    @property
    def rounding(self) -> Array:
        """Rounding errors of log densities, in nats, (K,): large if correlations R are nearly singular.

        They are proportional to tr R⁻¹, an upper bound of 1 / λ_min(R).
        """
        return np.asarray(np.finfo(np.float64).eps * (self.column_variances * self.column_precisions).sum(axis=1))

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return n_parameters(self, *self.means.shape)

    @property
    def noise_weight(self) -> float:
        """Weight of the noise: 1 less the weights."""
        return self.noise.weight(self.weights)

    def with_other(self, **parts: Any) -> Self:
        """Return the mixture with some parts replaced; covariances of the same model keep their factors.

        Replaced covariances may come with their own factors.
        """
        if not parts.keys() & {"covariances", "model"}:
            parts["factors"] = self.whiteners, self.log_determinants
        return type(self)(**{name: getattr(self, name) for name in self._PARTS} | parts)

    def plugged_in(self) -> MixtureParameters:
        """Return the mixture without fixed parts; of a posterior, without the uncertainty of its means."""
        factors = self.whiteners, self.log_determinants
        return MixtureParameters(
            self.weights, self.means, self.covariances, self.model, factors, self.noise, tails=self.tails
        )

    def to_dense(self) -> MixtureParameters:
        """Return the mixture with d × d covariances in place of factors and noise."""
        model = self.model.dense
        return self if model is self.model else self.with_other(covariances=self.written_out, model=model)

    def for_model(self, model: CovarianceModel) -> MixtureParameters:
        """Return the mixture in the storage of another model; factors that this does not have become noise."""
        if model is self.model:
            return self
        if not (isinstance(self.model, FactorModel) and isinstance(model, FactorModel)) or model.stores_dense:
            return self.to_dense()
        return self.with_other(covariances=with_other_factors(self.covariances, self.model, model), model=model)

    def with_noise(self, noise: Noise, share: float) -> MixtureParameters:
        """Return the mixture with noise of this share, and the weights of its components scaled."""
        return self.with_other(weights=self.weights * ((1 - share) / self.weights.sum()), noise=noise)

    def for_components(self, components: NDArray[np.intp] | NDArray[np.bool_]) -> MixtureParameters:
        """Return the mixture of some components, without noise; their weights sum to 1."""
        weights = self.weights[components] / self.weights[components].sum()
        parts = weights, self.means[components], self.covariances_of(components)
        return MixtureParameters(*parts, self.model, tails=self.tails.for_components(components))

    def widenings(self, steps: Array) -> Array:
        """Return 1 / u_ik, the inverse precisions of rows by their steps from the means (K, n, d): (K, n) or (1, 1)."""
        if not isinstance(self.tails, StudentTails):
            return np.ones((1, 1))
        return self.tails.widening(self.squares(steps), self.n_features)

    def squares(self, steps: Array) -> Array:
        """Return the squared Mahalanobis distances of steps from the means (K, n, d), (K, n)."""
        whitened = (self.model.layout.whitened(self.whiteners, k, rows) for k, rows in enumerate(steps))
        return np.stack([np.square(rows).sum(axis=1) for rows in whitened])

    def covariances_of(self, components: NDArray[np.intp] | NDArray[np.bool_]) -> Array:
        """Return the covariances of some components; the common one if all share it."""
        return self.covariances if self.model.layout.pooled else self.covariances[components]

    def sample(self, n: int, rng: np.random.RandomState | np.random.Generator) -> tuple[Array, NDArray[np.intp]]:
        """Draw rows (n, d), ordered by component, and their components (n,); noise, −1, is last."""
        K, d = self.means.shape
        n_noise = self.noise.number(n, self.noise_weight, rng)
        counts = rng.multinomial(n - n_noise, self.weights / self.weights.sum())
        coloured, tails = self.model.layout.coloured, self.tails.for_components
        rows = [
            self.means[k] + tails(k).stretched(coloured(self.whiteners, k, rng.standard_normal((counts[k], d))), rng)
            for k in range(K)
        ]
        rows.append(self.noise.sample((n_noise, d), rng))
        return np.concatenate(rows), np.repeat([*range(K), -1], [*counts, n_noise])

    @property
    def present(self) -> NDArray[np.intp]:
        """Indices of the components that are not empty."""
        return np.flatnonzero(self.weights > 0)

    @property
    def belief(self) -> tuple[float, float, float, bool, float] | None:
        """Numbers of a posterior for expected log densities (`mstep.log_offset`); None for other mixtures."""
        return None

    @property
    def log_weights(self) -> Array:
        """Logarithms of the weights, (K,); of a posterior, their expectations."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.weights))

    def densities(self) -> WhitenedMixture:
        """Return the input of a pass for log densities of components, without weights and noise."""
        return self.with_other(weights=np.ones(self.n_components), noise=NO_NOISE).whitened()

    def whitened(self) -> WhitenedMixture:
        """Return the input of a pass: whiteners, means, and log_offset_k = log π_k + log|W_k| − d/2·log 2π.

        For a posterior, whiteners of E Λ_k, and the expected log density in log_offset_k (Bishop 2006, 10.46).
        """
        layout, (weights, _, _, whiteners, log_determinants, tails) = self.model.layout, self.as_estimate()
        numbers = weights, whiteners, log_determinants
        log_offset, log_noise = mstep.log_offset(
            layout.code, *numbers, self.n_features, self.noise.log_density, self.belief, tails
        )
        parts = log_offset, self.means, self.whiteners, log_noise, tails, self.tails.free > 0, self.noise
        return WhitenedMixture(layout, *parts)
