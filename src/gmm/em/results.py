"""What passes compute beside statistics: numbers for every row, and sums over them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm.values.layouts import Array


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
    def room(n: int, K: int, dtype: np.dtype[Any], **wanted: bool | NDArray[Any]) -> RowResults:
        """Make room for numbers of n rows by name: an array is where to write, True asks for a new one."""
        shapes: dict[str, tuple[Any, Any]] = {
            "labels": (n, np.intp),
            "log_evidence": (n, np.float64),
            "responsibilities": ((n, K), dtype),
            "largest": (n, dtype),
        }
        return RowResults(
            **{
                name: where if isinstance(where, np.ndarray) else np.empty(*shapes[name])
                for name, where in wanted.items()
                if where is not False
            }
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
