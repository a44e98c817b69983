"""`Trace`: how a climb went, as data."""

from __future__ import annotations

from dataclasses import dataclass


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
        All its passes, in passes over all rows.
    """

    moves: tuple[tuple[int, int, float], ...]
    tried: int
    passes: float


@dataclass(frozen=True)
class Trace:
    """The passes of one climb.

    Parameters
    ----------
    lower_bounds : tuple of float
        Mean log-likelihood that each pass measured, in nats per unit weight, before its parameter update.
    seconds : tuple of float
        Time of each pass and of the parameter update before it; the mean, where many were made in one go.
    reason : str
        Why the climb ended.
    converged : bool
        Whether it ended because the stopping rule was met.
    start : int
        Which of the ``n_init`` starts it began from, the first being 0.
    refinement : Refinement, optional
        What led to this climb, where that was a refinement.
    """

    lower_bounds: tuple[float, ...]
    seconds: tuple[float, ...]
    reason: str
    converged: bool
    start: int = 0
    refinement: Refinement | None = None

    @property
    def objective(self) -> tuple[float, ...]:
        """What the climb maximises, pass by pass: without a prior the lower bounds themselves."""
        return self.lower_bounds

    def __len__(self) -> int:
        """The number of passes."""
        return len(self.lower_bounds)
