"""`Trace`: how a climb went, as data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from gmm.amounts import counted


class PassRecord(NamedTuple):
    """What one pass told.

    Parameters
    ----------
    lower_bound : float
        Of the mean log-likelihood of the mixture that was measured, in nats per unit weight.
    objective : float
        What is climbed.
    remaining : float
        Projected remaining gain of the objective; infinite where it is not known.
    accepted : bool
        Whether the mixture was kept. Where it was not, the numbers are those of the one kept before.
    """

    lower_bound: float
    objective: float
    remaining: float = float("inf")
    accepted: bool = True


@dataclass(frozen=True)
class Refinement:
    """What split–merge did after a climb.

    Parameters
    ----------
    moves : tuple of (int, int, float)
        Those that were kept: the component dropped, the one split, and the gain in nats per unit weight.
    tried : int
        How many were.
    passes : float
        Those of all moves and of the climb before them, in passes over all rows.
    """

    moves: tuple[tuple[int, int, float], ...]
    tried: int
    passes: float


@dataclass(frozen=True, repr=False)
class Trace:
    """The passes of one climb.

    Parameters
    ----------
    passes : tuple of PassRecord
    seconds : tuple of float
        Time of each pass and of the parameter update before it; the mean, where many were made in one go.
    reason : str
        Why the climb ended.
    converged : bool
        Whether it ended because the stopping rule was met.
    start : int
        Which of the ``n_init`` starts it began from, the first being 0.
    refinement : Refinement, optional
        What split–merge did; None where it was not asked for, or the climb did not converge.

    The properties `lower_bounds`, `objective`, `remaining` and `accepted` are the columns of `passes`.
    """

    passes: tuple[PassRecord, ...]
    seconds: tuple[float, ...]
    reason: str
    converged: bool
    start: int = 0
    refinement: Refinement | None = None

    @cached_property
    def lower_bounds(self) -> tuple[float, ...]:
        """Of the mean log-likelihood that each pass measured, in nats per unit weight, before its parameter update."""
        return tuple(record.lower_bound for record in self.passes)

    @property
    def objective(self) -> tuple[float, ...]:
        """What the climb maximises, pass by pass: with ridge and prior where it is accelerated, else the bounds."""
        return tuple(record.objective for record in self.passes)

    @property
    def remaining(self) -> tuple[float, ...]:
        """Projected remaining gain after each pass, in nats per unit weight; infinite where it is not known."""
        return tuple(record.remaining for record in self.passes)

    @property
    def accepted(self) -> tuple[bool, ...]:
        """Whether each pass measured a mixture that was kept; a rejected one repeats the bound before."""
        return tuple(record.accepted for record in self.passes)

    @property
    def ending(self) -> str:
        """In words: ``converged after 12 passes``."""
        how = "converged" if self.converged else "not converged"
        return f"{how} after {counted(len(self), 'pass', 'passes')}"

    def __repr__(self) -> str:
        """How it ended, and why."""
        return f"Trace({self.ending}: {self.reason})"

    def __len__(self) -> int:
        """The number of passes."""
        return len(self.passes)
