"""The frozen mixture: scores rows and holds nothing but its parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm.inference import EStep, RowResults
from gmm.parameters import MixtureParameters
from gmm.sources import ArraySource


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
        weight = source.sample_weight
        return float(log_evidence.sum() if weight is None else weight @ log_evidence)

    def classification_log_likelihood(self, source: ArraySource) -> float:
        """Σ_i w_i max_k log ρ_ik, in nats."""
        with self._e_step(source) as e_step:
            return e_step(self.parameters.whitened(), hard=True).log_evidence

    def _e_step(self, source: ArraySource) -> EStep:
        # About the mixture's own centre: a single row has no spread to stand in.
        origin = self.parameters.weights @ self.parameters.means
        layout = self.parameters.model.layout
        return EStep(source, layout, n_threads=self.n_threads, origin=np.asarray(origin))
