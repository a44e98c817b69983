"""`Past`: what a fit leaves for one that continues it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._kernel.mstep import QuasiNewtonState
from gmm._passes.trace import Trace
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters

if TYPE_CHECKING:
    from gmm._passes.stepwise import Stream

SHRUNK = {  # what a fit maximises, by what gave it a prior that was not asked for
    "rows": "mean log posterior density (noise and means are shrunk: each component has few rows)",
    "errors": "mean log posterior density (covariances are shrunk: errors may explain all spread)",
}


class Past(NamedTuple):
    """What a fit leaves for one that continues it.

    It is one value, and of one mixture, so that threads that share an estimator never see parts of two fits.

    Parameters
    ----------
    parameters : MixtureParameters, optional
        The mixture that the fit found; if the estimator holds another one, this past is over.
    trace : Trace, optional
        Its passes.
    weight : float
        Of the rows; 0 where unknown.
    steps : array of shape (d,), optional
        Those of the columns of the rows: `Source.steps`.
    beside_errors : bool
        Whether the rows had errors, so that the mixture is of true values.
    solver_state : QuasiNewtonState, optional
        Where an accelerated fit can continue.
    problem : tuple
        What `solver_state` maximises.
    stream : Stream, optional
        What is remembered of rows that came block by block, or with a prior.
    prior_parts : tuple
        Prior and noise of `stream`; empty once it was loaded.
    shrunk : {"", "rows", "errors"}
        What gave the fit a prior that was not asked for: rows that are few, or have errors.
    shrunk_by : array of shape (1 + d,), optional
        Beside errors: how many rows that prior is worth, and their standard deviations.
    trimmed : bool array of shape (n,), optional
        The rows that were left out.
    """

    parameters: MixtureParameters | None = None
    trace: Trace | None = None
    weight: float = 0.0
    steps: Array | None = None
    beside_errors: bool = False
    solver_state: QuasiNewtonState | None = None
    problem: tuple[object, ...] = ()
    stream: Stream | None = None
    prior_parts: tuple[object, ...] = ()
    shrunk: str = ""
    shrunk_by: NDArray[np.float64] | None = None
    trimmed: NDArray[np.bool_] | None = None

    @property
    def bounds(self) -> tuple[float, ...]:
        """The lower bound after each pass."""
        return self.trace.lower_bounds if self.trace else ()
