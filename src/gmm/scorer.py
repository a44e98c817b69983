"""The frozen mixture: scores rows and holds nothing but its parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np

from gmm.inference import EStep, RowResults
from gmm.layouts import SPHERICAL, Array, SingularMatrixError
from gmm.likelihood import MStep
from gmm.parameters import MixtureParameters
from gmm.sources import ArraySource
from gmm.whitened import WhitenedMixture

_BLOCK = 1 << 20  # responsibilities at once


class Totals(NamedTuple):
    """Sums over rows, in nats.

    Parameters
    ----------
    log_likelihood : float
        Σ_i w_i log Σ_k ρ_ik.
    classification : float
        Σ_i w_i max_k log ρ_ik.
    entropy : float
        −Σ_i w_i Σ_k r_ik log r_ik.
    """

    log_likelihood: float
    classification: float
    entropy: float


@dataclass(frozen=True, eq=False)
class Scorer:
    """What a mixture says of rows.

    Parameters
    ----------
    parameters : MixtureParameters
    n_threads : int, optional
        None for all usable cores.
    """

    parameters: MixtureParameters
    n_threads: int | None = None

    def rows(self, source: ArraySource, **wanted: bool) -> RowResults:
        """Numbers for every row: `labels`, `log_evidence`, `responsibilities`, as asked for."""
        with self._e_step(source) as e_step:
            return e_step.rows(self.parameters.whitened(), **wanted)

    def log_likelihood(self, source: ArraySource) -> float:
        """Σ_i w_i log Σ_k ρ_ik, in nats."""
        log_evidence = self.rows(source, log_evidence=True).log_evidence
        assert log_evidence is not None  # it was asked for
        return _total(log_evidence, source.sample_weight)

    def classification_log_likelihood(self, source: ArraySource) -> float:
        """Σ_i w_i max_k log ρ_ik, in nats."""
        with self._e_step(source) as e_step:
            return e_step(self.parameters.whitened(), hard=True).log_evidence

    def entropy(self, source: ArraySource) -> float:
        """−Σ_i w_i Σ_k r_ik log r_ik of the responsibilities, in nats; 0 where no components overlap."""
        return self.totals(source).entropy

    def totals(self, source: ArraySource) -> Totals:
        """What criteria are made of, by one pass, in blocks, so that no (n, K) array is held."""
        blocks = [self._totals_of(block) for block in self._blocks(source)]
        return blocks[0] if len(blocks) == 1 else Totals(*map(sum, zip(*blocks, strict=True)))

    def largest_responsibilities(self, source: ArraySource) -> Array:
        """How probable the most probable component of each row is, (n,); in blocks, as the totals."""
        parts = []
        for block in self._blocks(source):
            shares = self.rows(block, responsibilities=True).responsibilities
            assert shares is not None  # they were asked for
            parts.append(shares.max(axis=1))
        return np.concatenate(parts, dtype=np.float64)

    def log_likelihood_of_one(self, source: ArraySource, ridge: float) -> float:
        """What a single component of the same model, fitted to the rows with that ridge, says of them, in nats.

        A mixture of one component stands for itself. Infinite where the rows leave a direction without variance, and
        there is no ridge.
        """
        if self.parameters.n_components == 1:
            return self.log_likelihood(source)
        model = self.parameters.model
        one = WhitenedMixture(SPHERICAL, np.zeros(1), source.survey.centre[None], np.ones(1))
        with EStep(source, model.moments, n_threads=self.n_threads) as e_step:
            try:
                fitted = MStep(model, ridge, 0, e_step.spread)(e_step(one, hard=True))
            except SingularMatrixError:
                return inf
        return Scorer(fitted, self.n_threads).log_likelihood(source)

    def _blocks(self, source: ArraySource) -> Iterator[ArraySource]:
        n, size = source.n_rows, max(1, _BLOCK // self.parameters.n_components)
        if n <= size:
            yield source
            return
        for start in range(0, n, size):
            yield source.part(start, min(start + size, n))

    def _totals_of(self, block: ArraySource) -> Totals:
        found = self.rows(block, log_evidence=True, responsibilities=True)
        log_evidence, shares = found.log_evidence, found.responsibilities
        assert log_evidence is not None  # it was asked for
        assert shares is not None  # they were asked for
        logs = np.log(np.maximum(shares, np.finfo(shares.dtype).tiny))
        # Single precision for the rows' sums would lose the small ones.
        rows = log_evidence, log_evidence + logs.max(axis=1), -(shares * logs).sum(axis=1, dtype=np.float64)
        return Totals(*(_total(values, block.sample_weight) for values in rows))

    def _e_step(self, source: ArraySource) -> EStep:
        # About the mixture's own centre: a single row has no spread to stand in.
        origin = self.parameters.weights @ self.parameters.means
        layout = self.parameters.model.layout
        return EStep(source, layout, n_threads=self.n_threads, origin=np.asarray(origin))


def _total(values: Array, weight: Array | None) -> float:
    """Σ_i w_i v_i; a row of no weight counts nothing, be it −∞."""
    with np.errstate(over="ignore"):
        if weight is None:
            return float(values.sum())
        used = weight > 0
        return float(weight[used] @ values[used])
