"""Records of a solver run: its passes, `Trace`, `Iteration` and `SolverResult`; and the stopping rule of EM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gmm._em import LOWERED
from gmm._kernel.mstep import QuasiNewtonState
from gmm._lazy import reduced_at_home
from gmm._text.words import counted
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics


class PassRecord(NamedTuple):
    """Numbers of one pass.

    Parameters
    ----------
    lower_bound : float
        Lower bound of the mean log-likelihood of the measured mixture, in nats per unit weight.
    objective : float
        Value of the objective, in nats per unit weight.
    remaining : float
        Projected remaining gain of the objective; infinite where it is unknown.
    accepted : bool
        Whether the mixture was kept. If not, the numbers are those of the last mixture that was kept.
    """

    lower_bound: float
    objective: float
    remaining: float = inf
    accepted: bool = True


def plain_records(bounds: ArrayLike, seconds: ArrayLike) -> Array:
    """Return records, as in `Trace`, of passes with known lower bounds and times."""
    records = np.empty((np.size(bounds), 5))
    records[:, 0] = records[:, 1] = bounds
    records[:, 2:] = inf, True, 0
    records[:, 4] = seconds
    return records


class Refinement(NamedTuple):
    """Moves of a split–merge refinement.

    Parameters
    ----------
    moves : tuple of (int, int, float)
        Moves that were kept: the component dropped, the one split, and the gain in nats per unit weight.
    tried : int
        Number of moves tried.
    passes : float
        Passes of all moves and of the run before them, in passes over all rows.
    """

    moves: tuple[tuple[int, int, float], ...]
    tried: int
    passes: float


@dataclass(frozen=True, repr=False, eq=False)
class Trace:
    """The passes of one solver run.

    Parameters
    ----------
    records : array of shape (n, 5)
        The numbers of each pass as in `passes`, and its time in seconds with that of the update before it; the mean
        time, if several passes were made in one compiled loop.
        Traces of different times are equal, and pickles omit times, so that the same fit has the same bytes: an
        unpickled trace, or a deep copy, has NaN. Files of `save` store them.
    reason : str
        Why the run ended.
    converged : bool
        Whether the stopping rule ended it.
    start : int
        Index of the start among ``n_init``, from 0.
    refinement : Refinement, optional
        The split–merge moves; None if there was no refinement, or the run did not converge.

    The properties `lower_bounds`, `objective`, `remaining`, `accepted` and `seconds` are the columns of `records`;
    `remaining` has numbers where `passes` have none.
    """

    records: Array
    reason: str
    converged: bool
    start: int = 0
    refinement: Refinement | None = None
    __reduce_ex__ = reduced_at_home

    def __post_init__(self) -> None:
        """Make the records read-only."""
        self.records.flags.writeable = False

    @property
    def passes(self) -> tuple[PassRecord, ...]:
        """The numbers of each pass but its time."""
        rows = self.records[:, :4].tolist()
        return tuple(PassRecord(bound, objective, left, kept > 0) for bound, objective, left, kept in rows)

    @property
    def seconds(self) -> tuple[float, ...]:
        """Time of each pass."""
        return tuple(self.records[:, 4].tolist())

    @property
    def lower_bounds(self) -> tuple[float, ...]:
        """Lower bound measured by each pass, before its update; a rejected pass repeats the last accepted value."""
        return tuple(self.records[:, 0].tolist())

    @property
    def objective(self) -> tuple[float, ...]:
        """Objective after each pass: with ridge and prior if the run is accelerated, else the lower bounds."""
        return tuple(self.records[:, 1].tolist())

    @property
    def remaining(self) -> tuple[float, ...]:
        """Gain of the objective that remained after each pass, in nats per unit weight.

        It is the projection of that pass or, if there was none (it is infinite in `passes`), the gain of the later
        passes and what then remained. That is estimated by the gain of the later half of the passes, in the median 0.7
        to 2.3 times the true gain, between the third and the hundredth pass of slow fits. After a single pass it is the
        gain of the closing pass; infinite if a callback ended the fit there.
        """
        objective = self.objective
        projected: list[float] = self.records[:, 2].tolist()
        end = projected[-1] if projected else inf
        if end == inf and len(self) > 1 and objective[-1] > -inf:
            end = abs(objective[-1] - objective[(len(self) - 1) // 2])
        return tuple(
            end + max(0.0, objective[-1] - reached) if left == inf else left
            for left, reached in zip(projected, objective, strict=True)
        )

    @property
    def accepted(self) -> tuple[bool, ...]:
        """Whether each pass measured a mixture that was kept."""
        return tuple((self.records[:, 3] > 0).tolist())

    @property
    def ending(self) -> str:
        """End of the run, as text: ``converged after 12 passes``."""
        settings = "converged" if self.converged else "not converged"
        return f"{settings} after {counted(len(self), 'pass', 'passes')}"

    def raised(self, by: float) -> Trace:
        """Return the trace of likelihoods that are larger by a constant."""
        return replace(self, records=self.records + np.array([by, by, 0, 0, 0]))

    def with_earlier(self, before: Trace) -> Trace:
        """Return the trace with the passes of an earlier run before its own."""
        records = np.concatenate([before.records, self.records])
        return replace(self, records=records, start=before.start, refinement=self.refinement or before.refinement)

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields, without the times."""
        records = self.records.copy()
        records[:, 4] = nan
        return vars(self) | {"records": records}

    def __eq__(self, other: object) -> bool:
        """Return whether two runs made the same passes and ended in the same way."""
        if not isinstance(other, Trace):
            return NotImplemented
        same = vars(self) | {"records": self.passes}
        return same == vars(other) | {"records": other.passes}

    def __hash__(self) -> int:
        """Return the hash of the passes."""
        return hash((self.passes, self.reason, self.start))

    def __repr__(self) -> str:
        """Show how the run ended, and why."""
        return f"Trace({self.ending}: {self.reason})"

    def __len__(self) -> int:
        """Return the number of passes."""
        return len(self.records)


class GainBelow(NamedTuple):
    """scikit-learn's rule: the last pass changed the mean log-likelihood by less than `tolerance` nats.

    The text is in units of `unit` nats.
    """

    tolerance: float
    unit: float = 1.0

    def after_fall(self, fall: float, rounding: float) -> str:
        """Return why to stop at the mixture before one whose objective is lower."""
        if fall <= max(rounding, self.tolerance):
            return f"limited by rounding: EM's own step lowers the objective by {fall * self.unit:.2g}"
        return f"{LOWERED} by {fall * self.unit:.2g}: the mixture before it is returned"

    def __call__(self, lower_bounds: Sequence[float]) -> str | None:
        """Return why to stop now, or None to continue."""
        if len(lower_bounds) < 2:
            return None
        gain = lower_bounds[-1] - lower_bounds[-2]
        if abs(gain) < self.tolerance:
            return f"gain {gain * self.unit:.2g} below tol={self.tolerance * self.unit:g}"
        return None


@dataclass(frozen=True, repr=False)
class Iteration:
    """One pass, as passed to a callback.

    Parameters
    ----------
    start : int
        Index of the start, from 0.
    n_iter : int
        Number of the pass, from 1.
    lower_bound : float
        Mean log-likelihood of `parameters`, in nats per unit weight; of a posterior, the lower bound of the log
        evidence, in nats in all, as `gain` and `remaining` then are.
    gain : float
        Change of the lower bound since the previous pass; infinite on the first pass.
    seconds : float
        Time of the pass and of the update before it.
    parameters : MixtureParameters
        The mixture that the pass measured; after a rejected pass, the last accepted mixture.
    remaining : float
        Projected remaining gain, in nats per unit weight; infinite where it is unknown.
    accepted : bool
        Whether the pass measured a mixture that was kept.
    move : int
        Number of the refinement move that the pass belongs to, from 1; 0 before the refinement.
    """

    start: int
    n_iter: int
    lower_bound: float
    gain: float
    seconds: float
    parameters: MixtureParameters
    remaining: float = float("inf")
    accepted: bool = True
    move: int = 0
    __reduce_ex__ = reduced_at_home

    def __repr__(self) -> str:
        """Show the numbers of the pass, rounded."""
        at = f"start={self.start}, n_iter={self.n_iter}" + (f", move={self.move}" if self.move else "")
        numbers = f"lower_bound={self.lower_bound:.6g}, gain={self.gain:.3g}, remaining={self.remaining:.3g}"
        return f"Iteration({at}, {numbers}{'' if self.accepted else ', not accepted'})"


class SolverResult(NamedTuple):
    """The result of a run.

    Parameters
    ----------
    parameters : MixtureParameters
    statistics : SufficientStatistics
        From the pass that measured `parameters`.
    lower_bound : float
        Mean log-likelihood of `parameters`, in nats per unit weight.
    trace : Trace
    repaired : tuple of int
        Components that lost their rows and were moved, in that order.
    state : QuasiNewtonState or None
        The state from which an accelerated run can continue.
    """

    parameters: MixtureParameters
    statistics: SufficientStatistics
    lower_bound: float
    trace: Trace
    repaired: tuple[int, ...] = ()
    state: QuasiNewtonState | None = None


Iteration.__module__ = Trace.__module__ = "gmm.em"
