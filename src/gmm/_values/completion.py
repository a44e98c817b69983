"""`Completion`: a mixture seen in some columns only, and what its statistics there say about all columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, pi

import numpy as np
from numpy.typing import NDArray

from gmm._values.columns import Columns
from gmm._values.layouts import DIAGONAL, Array
from gmm._values.statistics import SufficientStatistics
from gmm._values.whitened import WhitenedMixture

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

    def of_mixture(self, mixture: WhitenedMixture) -> Completion:
        """Return a mixture as the rows show it."""
        return Completion.of(mixture, self)


@dataclass(frozen=True, eq=False)
class Completion:
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

    @classmethod
    def of(cls, mixture: WhitenedMixture, gaps: Gaps) -> Completion:
        """Integrate missing columns out."""
        mixture = mixture.whole()
        whiteners, maps, log_scales = (_by_axes if mixture.layout.axis_aligned else _by_factors)(mixture, gaps)
        log_offset = mixture.log_offset + (0.5 * log(2 * pi) * gaps.n_missing[:, None] - log_scales)
        log_noise = np.full(len(log_offset), mixture.log_noise) + mixture.noise.log_volumes(gaps.missing)
        marginals = [
            WhitenedMixture(mixture.layout, offset, np.ascontiguousarray(mixture.centres[:, columns]), *of_pattern)
            for offset, columns, *of_pattern in zip(
                log_offset, gaps.observed, whiteners, log_noise.tolist(), strict=True
            )
        ]
        return cls(gaps, marginals, mixture.centres, maps)

    def expanded(self, statistics: Sequence[SufficientStatistics]) -> SufficientStatistics:
        """Return the expected statistics of all columns from those that each pattern has, about the centres.

        The moments of the rows are those of y, mapped; the noise in y has second moments n_k (Little & Rubin 2019,
        section 11.2; Ghahramani & Jordan 1994).
        """
        layout, (P, d), K = statistics[0].layout, self.gaps.missing.shape, len(self.centres)
        by_axes = layout.axis_aligned
        counts = np.array([part.counts for part in statistics])
        spread = counts.sum(axis=1, keepdims=True) if layout.pooled else counts
        noise = np.where(self.gaps.missing[:, None], spread[:, :, None], 0.0)
        first, steps, second = np.zeros((P, K, d)), np.zeros((P, K, d)), noise
        if not by_axes:
            second = noise[..., None] * np.eye(d)
        for p, (columns, marginal, part) in enumerate(zip(self.gaps.observed, self.marginals, statistics, strict=True)):
            first[p][:, columns], steps[p][:, columns] = part.first, part.origins - marginal.centres
            if by_axes:
                second[p][:, columns] = layout.diagonal(part.second, len(columns))
            else:
                second[p][:, columns[:, None], columns] = part.second
        mass = counts[..., None] * steps
        both, first = 2 * first + mass, first + mass
        if by_axes:
            second = layout.reduced(((second + both * steps) * self.maps**2).sum(axis=0), DIAGONAL, d)
        else:
            if layout.pooled:
                second += (both.swapaxes(1, 2) @ steps)[:, None]
            else:
                second += both[..., None] * steps[:, :, None]
            maps = self.maps if self.maps.ndim == 4 else self.maps[..., None] * np.eye(d)
            first = (maps @ first[..., None])[..., 0]
            second = (maps @ second @ maps.swapaxes(2, 3)).sum(axis=0)
            second = (0.5 * (second + second.swapaxes(1, 2))).reshape(layout.shape(K, d))
        log_evidence, weight = sum(part.log_evidence for part in statistics), sum(part.weight for part in statistics)
        return SufficientStatistics(
            layout, self.centres, counts.sum(axis=0), first.sum(axis=0), second, log_evidence, weight
        )

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
    of_observed = [layout.of_columns(whiteners, columns) for columns in gaps.observed]
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
    log_scales = np.where(of_missing, np.log(np.abs(scales)), 0.0).sum(axis=2)
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
