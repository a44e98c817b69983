"""What passes compute beside statistics: numbers for every row, sums over them, diagnostics of components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics

Output = Literal[True] | NDArray[Any] | None


class RowResults(NamedTuple):
    """Numbers for every row; None where they were not requested.

    Parameters
    ----------
    labels : int array of shape (n,)
        The most probable component.
    log_evidence : array of shape (n,)
        log Σ_k ρ_ik, in nats, float64.
    responsibilities : array of shape (n, K)
        In the type of the rows.
    largest : array of shape (n,)
        The largest responsibility of each row, likewise.
    """

    labels: NDArray[np.intp] | None = None
    log_evidence: Array | None = None
    responsibilities: NDArray[Any] | None = None
    largest: NDArray[Any] | None = None

    @staticmethod
    def room(
        n: int,
        K: int,
        dtype: np.dtype[Any],
        labels: Output = None,
        log_evidence: Output = None,
        responsibilities: Output = None,
        largest: Output = None,
    ) -> RowResults:
        """Make room for numbers of n rows: an array is where to write, True asks for a new one."""
        return RowResults(
            np.empty(n, np.intp) if labels is True else labels,
            np.empty(n) if log_evidence is True else log_evidence,
            np.empty((n, K), dtype) if responsibilities is True else responsibilities,
            np.empty(n, dtype) if largest is True else largest,
        )

    @property
    def outputs(self) -> dict[str, NDArray[Any] | None]:
        """The arrays by the names that a pass has for them."""
        names = "label", "log_evidence", "responsibility", "largest"
        return dict(zip(names, self, strict=True))


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
class PassBatch:
    """Results of consecutive passes.

    Parameters
    ----------
    bounds : list of float
        Mean log evidence of each pass.
    statistics : SufficientStatistics
        From the last pass.
    parameters : MixtureParameters
        The mixture that the last pass measured.
    before : tuple of MixtureParameters and array of shape (K,), optional
        The mixture and counts of the pass before, of several of which the last fell.
    """

    bounds: list[float]
    statistics: SufficientStatistics
    parameters: MixtureParameters
    before: tuple[MixtureParameters, Array] | None = None


@dataclass(frozen=True, eq=False)
class ComponentDiagnostics:
    """How far from Gaussian each component is, and how much the fit would lose without it.

    Parameters
    ----------
    statistics : SufficientStatistics
        From the same pass.
    log_rest : array of shape (K,)
        Σ_i w_i log(1 − r_ik), in nats: the loss of dropping the component.
    powers : array of shape (3, K, d)
        Σ_i w_i r_ik y^p for p = 2, 3, 4, y the coordinates from the component's centre along its axes.
    """

    statistics: SufficientStatistics
    log_rest: Array
    powers: Array


@dataclass(frozen=True, eq=False)
class Partition:
    """A k-means partition.

    Parameters
    ----------
    centres : array of shape (K, d)
    spread : float
        Standard deviation of the rows about their centres in one feature; a pass derives its precision from it.
    total : float
        Σ w ‖x − mean‖² of all rows about their mean.
    inertia : float
        Σ w ‖x − c‖² from the previous pass; infinite if there was none.
    """

    centres: Array
    spread: float
    total: float
    inertia: float = float("inf")
