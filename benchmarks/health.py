"""Detect degenerate solutions: the likelihood is unbounded for components on a few rows or on a plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from benchmarks.problems import Mixture, component_covariance

THINNEST = 1e-4


@dataclass(frozen=True)
class Health:
    """How close a mixture's worst component is to being degenerate.

    `rows` is the least effective number of rows of a component, and `needed` its lower bound. `thinness` is the least
    variance of a component relative to the pooled within-component covariance in the same direction. (A bound relative
    to the larger total covariance of the data would add nothing.)
    """

    rows: float
    needed: int
    thinness: float

    @property
    def good(self) -> bool:
        """Whether every component has enough rows, up to half a row, and is not too thin."""
        return self.rows >= self.needed - 0.5 and self.thinness > THINNEST


def health(mixture: Mixture, covariance_type: str, n_rows: int) -> Health:
    """Return the health of a mixture fitted to `n_rows` rows."""
    fewest = float(mixture.weights.min()) * n_rows
    covariances = [component_covariance(mixture, covariance_type, k) for k in range(len(mixture.weights))]
    within = np.tensordot(np.asarray(mixture.weights, float), np.array(covariances), 1)
    try:
        thinnest = min(scipy.linalg.eigh(covariance, within, eigvals_only=True)[0] for covariance in covariances)
    except np.linalg.LinAlgError:  # the within covariance is singular
        thinnest = 0.0
    return Health(fewest, rows_needed(covariance_type, mixture.means.shape[1]), float(thinnest))


def rows_needed(covariance_type: str, d: int) -> int:
    """Return the effective rows that a component must have; more where its axes are its own, with one feature none."""
    own_axes = covariance_type == "full" or covariance_type.endswith("V")
    return 2 * (d + 1) if own_axes and d > 1 else d + 2
