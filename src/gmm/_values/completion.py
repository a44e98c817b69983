"""`Regression` and `Completion`: some columns of a mixture, alone or given the others, and rows with filled gaps."""

from __future__ import annotations

from math import log, pi
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._values.covariance import CovarianceModel, stored_as
from gmm._values.layouts import FULL, Array
from gmm._values.noise import NO_NOISE, Noise
from gmm._values.parameters import MixtureParameters
from gmm._values.whitened import WhitenedMixture

Columns = NDArray[np.intp]
_FAR = 1e297  # a pass cuts squares off at 1e300


def marginal(mixture: MixtureParameters, columns: Columns) -> MixtureParameters:
    """Return the mixture of some columns, in this order."""
    model = mixture.model.for_columns
    covariances = mixture.model.layout.for_columns(mixture.covariances, columns)
    means = np.ascontiguousarray(mixture.means[:, columns])
    noise = mixture.noise.for_columns(columns)
    return MixtureParameters(mixture.weights, means, covariances, model, noise=noise, tails=mixture.tails)


class Regression(NamedTuple):
    """The other columns of a mixture given those of `known`: in component k, N(means_k + slopes_k (x − μ_k), Σ_k).

    Parameters
    ----------
    predictors : MixtureParameters
        The marginal mixture of the q known columns, with means μ_k; it weighs the components. If q is 0, that of the
        others, of which only the weights count.
    means : array of shape (K, m)
        Of the m other columns.
    slopes : array of shape (K, m, q) or (1, m, q), or None
        None where the columns of a component are independent.
    covariances : array in the shape of the model's layout
        Of the other columns, given the known ones.
    model : CovarianceModel
    noise : Noise
        Of the other columns.
    """

    predictors: MixtureParameters
    means: Array
    slopes: Array | None
    covariances: Array
    model: CovarianceModel
    noise: Noise = NO_NOISE

    @classmethod
    def from_mixture(cls, mixture: MixtureParameters, columns: Columns, others: Columns) -> Regression:
        """Regress the columns `others` on `columns`; together they are all columns (Bishop 2006, 2.81 and 2.82).

        Raises
        ------
        SingularMatrixError
            If a covariance is not positive definite, to rounding, in the order of the columns that this needs.
        """
        if not len(columns):
            alone = marginal(mixture, others)
            return cls(alone, alone.means, None, alone.covariances, alone.model, alone.noise)
        model, before = mixture.model.for_columns, marginal(mixture, columns)
        layout, means = model.layout, mixture.means[:, others]
        noise = mixture.noise.for_columns(others)
        if layout.axis_aligned:
            return cls(before, means, None, layout.for_columns(mixture.covariances, others), model, noise)
        ordered = mixture.model.layout.for_columns(mixture.covariances, np.concatenate([columns, others]))
        q, d = len(columns), mixture.n_features
        # Of Σ = L Lᵀ in this order, L⁻¹ has the inverse factor of the conditional covariance in its last rows.
        rows = layout.whiten(ordered, d)[0].reshape(-1, d, d)[:, q:]
        factors = np.linalg.inv(rows[:, :, q:])
        covariances = factors @ factors.transpose(0, 2, 1)
        covariances = 0.5 * (covariances + covariances.transpose(0, 2, 1))
        return cls(
            before, means, -factors @ rows[:, :, :q], covariances.reshape(layout.shape(*means.shape)), model, noise
        )

    def conditional_means(self, rows: Array) -> Array:
        """Return the means of the other columns in each component, given rows (n, q): (K, n, m)."""
        K, m = self.means.shape
        if self.slopes is None:
            return np.broadcast_to(self.means[:, None], (K, len(rows), m))
        steps = rows - self.predictors.means[:, None]
        return np.asarray(self.means[:, None] + steps @ self.slopes.transpose(0, 2, 1))

    def widenings(self, rows: Array) -> Array:
        """Return by how much the scale matrices of t components grow given rows (n, q), (K, n) or (1, 1).

        It is (ν + ‖W_k (x − μ_k)‖²) / (ν + q), and the other columns have ν + q degrees of freedom (Ding 2016). Squares
        that a pass cuts off are infinite.
        """
        if not rows.shape[1]:
            return np.ones((1, 1))
        widenings = self.predictors.widenings(rows - self.predictors.means[:, None])
        return np.where(widenings < _FAR, widenings, np.inf)

    def conditional(self, row: Array, weights: Array) -> MixtureParameters:
        """Return the mixture of the other columns given one row (q,), to which the components have these weights."""
        means = np.ascontiguousarray(self.conditional_means(row[None])[:, 0])
        covariances, model, tails = self.covariances, self.model, self.predictors.tails.given(len(row))
        if tails:  # each component has a scale of its own
            model = stored_as(FULL if model.layout.pooled else model.layout)
            each = self.model.layout.dense(covariances, *means.shape) * self.widenings(row[None])[:, :, None]
            covariances = model.layout.reduced(each, FULL, means.shape[1])
        return MixtureParameters(weights, means, covariances, model, noise=self.noise, tails=tails)


_MIXING = 1e3  # of whitened values: their fractions are spread evenly, and rounding is far below


class Gaps:
    """Which columns P patterns of rows lack, and what follows from that alone.

    Parameters
    ----------
    missing : bool array of shape (P, d)
    """

    def __init__(self, missing: NDArray[np.bool_]) -> None:
        P, d = missing.shape
        j = np.arange(d)
        self.missing, self.n_missing = missing, missing.sum(axis=1)
        self.observed: list[Columns] = [np.flatnonzero(~gaps) for gaps in missing]
        # The missing columns first, then the others in reverse, and where entries of d × d matrices go to from there.
        self.order = np.argsort(np.where(missing, j, 2 * d - j), axis=1)
        place = np.argsort(self.order, axis=1)
        self.entries = (d * place[:, :, None] + place[:, None]).reshape(P, 1, d * d)

    def for_mixture(self, mixture: WhitenedMixture) -> Completion:
        """Return a mixture as the rows show it: with missing columns integrated out."""
        mixture = mixture.whole()
        whiteners, maps, log_scales = (_by_axes if mixture.layout.axis_aligned else _by_factors)(mixture, self)
        log_offset = mixture.log_offset + (0.5 * log(2 * pi) * self.n_missing[:, None] - log_scales)
        centres = [np.ascontiguousarray(mixture.centres[:, columns]) for columns in self.observed]
        parts = zip(log_offset, centres, whiteners, self._log_noise(mixture), strict=True)
        marginals = [WhitenedMixture(mixture.layout, *of_pattern) for of_pattern in parts]
        return Completion(self, marginals, mixture.centres, maps)

    def _log_noise(self, mixture: WhitenedMixture) -> list[float]:
        """Return the log density of noise in the columns of each pattern."""
        log_noise = np.full(len(self.missing), mixture.log_noise) + mixture.noise.log_volumes(self.missing)
        return list(log_noise.tolist())


class Completion(NamedTuple):
    """Rows of P patterns, in component k: c_k + M_pk y, of which y has what is there, x − c_k, and else white noise.

    Parameters
    ----------
    gaps : Gaps
    marginals : list of WhitenedMixture
        Of the columns that each pattern has: the mixture with the others integrated out.
    centres : array of shape (K, d)
    maps : array of shape (P, K, d, d) or (P, 1, d, d), or (P, K, d)
        M_pk: of a column that is there, a row of the identity; of another, its slopes on those that are there and a
        root of the covariance that is left. Only its diagonal where the columns of a component are independent.
    """

    gaps: Gaps
    marginals: list[WhitenedMixture]
    centres: Array
    maps: Array

    def conditional_means(self, rows: Array, pattern: int = 0) -> Array:
        """Return the means of the missing columns in each component, (K, n, m), given rows (n, q) of one pattern."""
        gaps, maps, observed = self.gaps.missing[pattern], self.maps[pattern], self.marginals[pattern]
        centres = self.centres[:, None, gaps]
        if maps.ndim == 2:
            return np.broadcast_to(centres, (len(centres), len(rows), centres.shape[2]))
        return np.asarray(centres + (rows - observed.centres[:, None]) @ maps[:, gaps][:, :, ~gaps].transpose(0, 2, 1))

    def filled(self, rows: Array, pattern: int, *, spread: bool) -> Array:
        """Return values for the missing columns of a single component, given rows (n, q) of one pattern: (n, m).

        They are the conditional means or, `spread`, have the conditional covariance as well: deviations are fractions
        of large multiples of what is there, whitened. So they look random, and yet depend on no other row, no order of
        rows, and no unit.
        """
        gaps, maps, observed = self.gaps.missing[pattern], self.maps[pattern, 0], self.marginals[pattern]
        away, whitener = rows - observed.centres[0], observed.whiteners[0]
        values, root = np.tile(self.centres[0, gaps], (len(rows), 1)), maps[gaps]
        if maps.ndim == 2:
            values += _by_columns(away, root[:, ~gaps])
            root = root[:, gaps]
        if spread:
            multiples = np.sqrt(2.0 + np.arange(len(gaps)))
            mixed = _MIXING * multiples[~gaps]
            mixed = mixed @ whitener if whitener.ndim == 2 else mixed * whitener
            deviations = np.sqrt(12) * (_by_columns(away, mixed[None]) * multiples[gaps] % 1 - 0.5)
            values += _by_columns(deviations, root) if maps.ndim == 2 else deviations * root
        return values

    def draw(
        self, component: int, rows: Array, rng: np.random.RandomState | np.random.Generator, pattern: int = 0
    ) -> Array:
        """Draw the missing columns in one component, given rows (n, q) of one pattern: (n, m)."""
        gaps, maps = self.gaps.missing[pattern], self.maps[pattern]
        white, root = rng.standard_normal((len(rows), int(gaps.sum()))), maps[min(component, len(maps) - 1)][gaps]
        noise = white * root if maps.ndim == 2 else white @ root[:, gaps].T
        return np.asarray(self.conditional_means(rows, pattern)[component] + noise)


def _by_columns(values: Array, matrix: Array) -> Array:
    """Return values (n, q) times a matrix (m, q), transposed: by loops, so that no number of rows changes the bits."""
    total = np.zeros((len(values), len(matrix)))
    for column, row in zip(values.T, matrix.T, strict=True):
        total += column[:, None] * row
    return total


def _by_axes(mixture: WhitenedMixture, gaps: Gaps) -> tuple[list[Array], Array, Array]:
    """Return whiteners of what each pattern has, the diagonals of the maps, and Σ log|scale| of what is missing."""
    layout, (K, d) = mixture.layout, mixture.centres.shape
    whiteners = mixture.whiteners.reshape(layout.shape(K, d))
    scales = np.where(gaps.missing[:, None], layout.diagonal(whiteners, d), 1.0)
    of_observed = [layout.for_columns(whiteners, columns) for columns in gaps.observed]
    return of_observed, 1 / scales, np.log(scales).sum(axis=2)


def _by_factors(mixture: WhitenedMixture, gaps: Gaps) -> tuple[list[Array], Array, Array]:
    """Return the same where whiteners are matrices.

    ‖W x‖² = ‖R x‖² for the triangular factor R of W = Q R. With the missing columns first, its last rows are a whitener
    of the others; these come in reverse, so that it is a lower triangle once it is turned.
    """
    layout, (K, d), P = mixture.layout, mixture.centres.shape, len(gaps.order)
    ordered = mixture.whiteners.reshape(-1, d, d)[:, :, gaps.order].transpose(2, 0, 1, 3)
    R = np.asarray(np.linalg.qr(ordered, mode="r"), dtype=np.float64)
    of_missing = (np.arange(d) < gaps.n_missing[:, None])[:, None]
    scales = np.diagonal(R, axis1=2, axis2=3)
    log_scales = np.log(np.where(of_missing, np.abs(scales), 1.0)).sum(axis=2)
    R *= np.where(of_missing, 1.0, np.sign(scales))[..., None]
    of_observed = [
        np.ascontiguousarray(factors[:, m:, m:][:, ::-1, ::-1]).reshape(layout.shape(K, d - m))
        for factors, m in zip(R, gaps.n_missing.tolist(), strict=True)
    ]
    # The inverse of [[R_mm, R_mo], [0, 1]] is [[root, slopes], [0, 1]]; its other rows are the identity's.
    most, maps = int(gaps.n_missing.max()), np.where(of_missing[..., None], R, np.eye(d))
    maps[:, :, :most, :most] = np.linalg.inv(maps[:, :, :most, :most])
    maps[:, :, :most, most:] = -maps[:, :, :most, :most] @ maps[:, :, :most, most:]
    return of_observed, np.take_along_axis(maps.reshape(P, -1, d * d), gaps.entries, 2).reshape(R.shape), log_scales
