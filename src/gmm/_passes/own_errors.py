"""Passes over rows that each have an error of their own: every row has a factorisation for each component."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm import _em, _errors
from gmm._passes.e_step import EStep
from gmm._passes.results import RowResults
from gmm._rows.incomplete import LANES
from gmm._rows.sources import Chunk
from gmm._values.deconvolution import BlurredMixture
from gmm._values.errors import lower_triangle
from gmm._values.layouts import FULL, Array
from gmm._values.statistics import SufficientStatistics

_ROUNDING = 1e-14


class _Densities(NamedTuple):
    """Joint log densities of each component and, last, of noise, (K + 1, m), and their sum, (m,)."""

    log_joint: Array
    log_evidence: Array

    @property
    def responsibilities(self) -> Array:
        """Of each component and of noise, (K + 1, m); a row beyond all densities belongs to each component alike."""
        most = self.log_joint.max(axis=0)  # not the log evidence, whose rounding is large where densities are tiny
        r = np.exp(self.log_joint - np.where(np.isfinite(most), most, 0.0))
        r[:-1, ~np.isfinite(most)] = 1.0
        return np.asarray(r / r.sum(axis=0))

    def write(self, rows: slice, arrays: dict[str, NDArray[Any] | None]) -> None:
        """Write what is asked for of rows."""
        r = self.responsibilities
        values = RowResults(self.log_joint.argmax(axis=0), self.log_evidence, r[:-1].T, r.max(axis=0))
        for name, value in values.outputs.items():
            if (into := arrays.get(name)) is not None and value is not None:
                into[rows] = np.where(value == len(r) - 1, -1, value) if name == "label" else value


class _Lane(NamedTuple):
    """Rows (n, d) with weights, and which of the errors and codes they have, (n,)."""

    rows: Array
    weights: Array
    numbers: NDArray[np.intp]
    codes: NDArray[Any] | None

    @classmethod
    def of(cls, chunk: Chunk, part: slice, arrays: dict[str, NDArray[Any] | None]) -> _Lane:
        """Take some rows of a chunk."""
        numbers, codes = arrays["error"], arrays["code"]
        assert numbers is not None  # as rows have errors
        rows = np.ascontiguousarray(chunk.rows[part], dtype=np.float64)
        return cls(rows, chunk.weights[part], numbers[part], None if codes is None else codes[part])


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

    def blocks_of(self, lane: _Lane) -> tuple[Array, Array]:
        """Return the joint log densities of the components and of noise, which rows of known class are not."""
        mixture, of_rows = self.mixture, (lane.rows, lane.numbers)
        joint = _errors.log_densities(*of_rows, mixture.errors, mixture.centres, mixture.packed, mixture.log_offset)
        noise = np.full((len(joint), _errors.BLOCK), mixture.log_noise)
        if self.allowed is not None and lane.codes is not None:
            codes = np.pad(lane.codes, (0, -len(lane.codes) % _errors.BLOCK), mode="edge").reshape(noise.shape)
            joint += self.allowed[:, codes].swapaxes(0, 1)
            noise[codes > 0] = -np.inf
        return joint, noise

    def densities(self, lane: _Lane) -> _Densities:
        """Return the densities of a lane."""
        (joint, noise), n = self.blocks_of(lane), len(lane.rows)
        evidence = _errors.normalise(joint.copy(), noise)
        of_rows = joint.swapaxes(0, 1).reshape(joint.shape[1], -1)[:, :n]
        return _Densities(np.concatenate([of_rows, noise.reshape(1, -1)[:, :n]]), evidence.ravel()[:n])

    def sums_of(self, lane: _Lane) -> Array:
        """Return the sums of a lane."""
        weights = lane.weights
        if self.totals:
            joint, log_evidence = densities = self.densities(lane)
            r = densities.responsibilities
            entropy = -weights @ np.where(r > 0, r * np.log(np.maximum(r, 1e-300)), 0.0).sum(axis=0)
            return np.array([weights @ joint.max(axis=0), entropy, weights @ log_evidence, weights.sum()])
        shares, noise = self.blocks_of(lane)
        if self.hard:
            best, most = shares.argmax(axis=1), shares.max(axis=1)
            evidence = np.maximum(most, noise)
            shares = ((np.arange(shares.shape[1])[:, None] == best[:, None]) & (most >= noise)[:, None]) * 1.0
        else:
            evidence = _errors.normalise(shares, noise)
        mixture, of_rows = self.mixture, (lane.rows, lane.numbers)
        sums = _errors.scores(*of_rows, mixture.errors, mixture.centres, mixture.packed, weights, shares)
        return np.concatenate([sums.ravel(), [weights @ evidence.ravel()[: len(weights)], weights.sum()]])


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
        n, of_lanes = len(chunk.rows), dict[int, Array]()

        def task(start: int, end: int) -> None:
            for number in range(start, end):
                part = slice(number * LANES, min((number + 1) * LANES, n))
                lane = _Lane.of(chunk, part, arrays)
                if outputs:
                    plan.densities(lane).write(part, outputs)
                else:
                    of_lanes[number] = plan.sums_of(lane)

        n_lanes, (K, d) = -(-n // LANES), plan.mixture.centres.shape
        self.share_out(task, n_lanes, float(n) * K * d**3)
        for lane in range(len(of_lanes)):  # in order, for the same bits with any number of threads
            plan.total = plan.total + of_lanes[lane]


def _unpacked(triangles: Array, d: int) -> Array:
    """Return symmetric matrices, (K, d, d), of lower triangles row by row."""
    matrices, (i, j) = np.empty((len(triangles), d, d)), lower_triangle(d)
    matrices[:, i, j] = matrices[:, j, i] = triangles
    return matrices
