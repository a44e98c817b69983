"""Which solutions count: the highest likelihoods, without a bound, are of components on a few rows or a plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from benchmarks.problems import Mixture, component_covariance

THINNEST = 1e-4


@dataclass(frozen=True)
class Health:
    """How poor a mixture's poorest component is.

    `rows` is the least effective number of rows, and `needed` what it has to be; `thinness` the least variance of a
    component in units of the pooled within covariance's in the same direction. A lower bound relative to the data's
    total covariance, the larger matrix, would say nothing more.
    """

    rows: float
    needed: int
    thinness: float

    @property
    def good(self) -> bool:
        """Whether no component has too few rows, half a row being rounded up, or is too thin."""
        return self.rows >= self.needed - 0.5 and self.thinness > THINNEST


def health(mixture: Mixture, covariance_type: str, n_rows: int) -> Health:
    """Return the health of a mixture that was fitted to `n_rows` rows."""
    fewest = float(mixture.weights.min()) * n_rows
    covariances = [component_covariance(mixture, covariance_type, k) for k in range(len(mixture.weights))]
    within = np.tensordot(np.asarray(mixture.weights, float), np.array(covariances), 1)
    try:
        thinnest = min(scipy.linalg.eigh(covariance, within, eigvals_only=True)[0] for covariance in covariances)
    except np.linalg.LinAlgError:  # no direction of the within covariance may be lost
        thinnest = 0.0
    return Health(fewest, rows_needed(covariance_type, mixture.means.shape[1]), float(thinnest))


def rows_needed(covariance_type: str, d: int) -> int:
    """Return the effective rows that a component must have; of one feature full covariances are diagonal ones."""
    return 2 * (d + 1) if covariance_type == "full" and d > 1 else d + 2
