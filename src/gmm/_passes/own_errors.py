"""Passes over rows that each have an error of their own: every row has a factorisation for each component."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm import _em, _errors
from gmm._passes.e_step import EStep
from gmm._passes.results import RowResults
from gmm._rows.patterns import LANES
from gmm._rows.sources import Chunk
from gmm._values.deconvolution import BlurredMixture
from gmm._values.layouts import FULL, Array
from gmm._values.statistics import SufficientStatistics

__all__ = ["OwnErrorsEStep"]

_ROUNDING = 1e-14
_NEGLIGIBLE = 1e-18  # responsibility


class _Densities(NamedTuple):
    """What a lane's rows are under a mixture: the joint densities of each component and, last, of noise, (K + 1, m)."""

    log_joint: Array
    log_evidence: Array

    @classmethod
    def of(cls, log_joint: Array, log_noise: float, allowed: Array | None) -> _Densities:
        if allowed is not None:
            log_joint += allowed
        log_joint = np.concatenate([log_joint, np.full((1, log_joint.shape[1]), log_noise)])
        most = log_joint.max(axis=0)
        return cls(log_joint, most + np.log(np.exp(log_joint - most).sum(axis=0)))

    @property
    def responsibilities(self) -> Array:
        """Of each component and of noise, (K + 1, m)."""
        return np.exp(self.log_joint - self.log_evidence)

    def write(self, rows: slice, arrays: dict[str, NDArray[Any] | None]) -> None:
        """Write what is asked for of rows."""
        r = self.responsibilities
        values = RowResults(self.log_joint.argmax(axis=0), self.log_evidence, r[:-1].T, r.max(axis=0))
        for name, value in values.outputs.items():
            if (into := arrays.get(name)) is not None and value is not None:
                into[rows] = np.where(value == len(r) - 1, -1, value) if name == "label" else value


class _Plan:
    """How a pass computes, and its sums so far."""

    common_scatter, largest_product, rounding, lane_rows = False, 0.0, _ROUNDING, LANES

    def __init__(self, mixture: BlurredMixture, allowed: Array | None, how: dict[str, bool]) -> None:
        self.mixture, self.allowed, self.classified = mixture, allowed, allowed is not None
        self.totals, self.hard = how.get("totals", False), how.get("hard", False)
        self.total: Array | float = 0.0

    def begin(self, scratch: _em.Scratch, n_rows: int) -> None:
        """Do nothing: the sums are here."""

    def sums(self, scratch: _em.Scratch) -> Array:
        """Return the sums over all rows."""
        return np.asarray(self.total)

    def collect(self, sums: Array, scatter: Array | None = None) -> SufficientStatistics:
        """Return Σ r, Σ r w and Σ r (w wᵀ − T⁻¹) in the place of moments."""
        K, d = self.mixture.centres.shape
        parts = sums[:-2].reshape(K, -1)
        second = _unpacked(parts[:, 1 + d :], d) if self.mixture.layout is FULL else parts[:, 1 + d :]
        return SufficientStatistics(
            self.mixture.layout, self.mixture.centres, parts[:, 0], parts[:, 1 : 1 + d], second, *sums[-2:].tolist()
        )

    def densities(self, rows: Array, errors: Array, codes: NDArray[Any] | None, n: int) -> _Densities:
        """Return the densities of rows (d, m), of which the first n count, with errors (p, m)."""
        mixture = self.mixture
        log_joint = _errors.log_densities(rows, errors, mixture.centres, mixture.packed, mixture.log_offset)[:, :n]
        return _Densities.of(log_joint, mixture.log_noise, None if self.allowed is None else self.allowed[:, codes])

    def sums_of(self, rows: Array, errors: Array, densities: _Densities, weights: Array) -> Array:
        """Return the sums of a lane."""
        r, (n,) = densities.responsibilities, weights.shape
        most = densities.log_joint.max(axis=0)
        evidence = most if self.hard else densities.log_evidence
        if self.totals:
            entropy = -weights @ np.where(r > 0, r * np.log(np.maximum(r, 1e-300)), 0.0).sum(axis=0)
            return np.array([weights @ most, entropy, weights @ evidence, weights.sum()])
        if self.hard:
            r = (np.arange(len(r))[:, None] == densities.log_joint.argmax(axis=0)).astype(np.float64)
        shares = np.zeros((len(r) - 1, rows.shape[1]))
        shares[:, :n] = np.where(r[:-1] > _NEGLIGIBLE, r[:-1] * weights, 0.0)
        scores = _errors.scores(rows, errors, self.mixture.centres, self.mixture.packed, shares)
        moments = np.column_stack([r[:-1] @ weights, scores])
        return np.concatenate([moments.ravel(), [weights @ evidence, weights.sum()]])


class OwnErrorsEStep(EStep):
    """Passes over rows of a pattern that have errors of their own; the mixture comes as a `BlurredMixture`."""

    def plan(self, mixture: Any, **how: Any) -> Any:
        """Prepare a pass."""
        return _Plan(mixture, self._known.table(len(mixture.centres)), how)

    def scratches(self, plan: _em.Plan, n_rows: int, head: _em.Scratch | None = None) -> list[_em.Scratch]:
        """Return a scratch, which nobody needs."""
        return [head or _em.Scratch()]

    def walk(
        self, plan: Any, scratches: list[_em.Scratch], chunk: Chunk, arrays: dict[str, NDArray[Any] | None]
    ) -> None:
        """Walk a chunk of whole lanes."""
        outputs = {name: array for name, array in arrays.items() if name not in ("code", "error")}
        codes, numbers, weights = arrays["code"], arrays["error"], chunk.weights
        assert numbers is not None  # as rows have errors
        n, of_lanes = len(chunk.rows), dict[int, Array]()

        def task(start: int, end: int) -> None:
            for lane in range(start, end):
                part = slice(lane * LANES, min((lane + 1) * LANES, n))
                m = part.stop - part.start
                padded = np.minimum(np.arange(-(-m // _errors.LANES) * _errors.LANES), m - 1) + part.start
                rows = np.ascontiguousarray(chunk.rows[padded].T, dtype=np.float64)
                errors = plan.mixture.errors.take(numbers[padded], axis=1)
                densities = plan.densities(rows, errors, None if codes is None else codes[part], m)
                if outputs:
                    densities.write(part, outputs)
                else:
                    of_lanes[lane] = plan.sums_of(rows, errors, densities, weights[part])

        n_lanes, (K, d) = -(-n // LANES), plan.mixture.centres.shape
        self.spread(task, n_lanes, float(n) * K * d**3)
        for lane in range(len(of_lanes)):  # in order, for the same bits with any number of threads
            plan.total = plan.total + of_lanes[lane]


def _unpacked(triangles: Array, d: int) -> Array:
    """Return symmetric matrices, (K, d, d), of lower triangles row by row."""
    matrices, (i, j) = np.empty((len(triangles), d, d)), np.tril_indices(d)
    matrices[:, i, j] = matrices[:, j, i] = triangles
    return matrices
