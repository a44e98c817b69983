"""Stopping rules of EM, as values that say why to stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

LOWERED = "the last update lowered the objective"  # in the reason of a run that ended there, and has not converged
CATCH_UP = 20  # passes that a run may take to come up with a lead, each gaining what its second did


class Stopping(Protocol):
    """A rule over the lower bounds measured so far."""

    def after_fall(self, fall: float, rounding: float) -> str:
        """Return why to stop at the mixture before one whose objective is lower."""

    def __call__(self, lower_bounds: Sequence[float]) -> str | None:
        """Return why to stop now, or None to continue."""


@dataclass(frozen=True)
class GainBelow:
    """scikit-learn's rule: the last pass changed the mean log-likelihood by less than `tolerance` nats.

    The text is in units of `unit` nats.
    """

    tolerance: float
    unit: float = 1.0

    def after_fall(self, fall: float, rounding: float) -> str:
        """Return why to stop at the mixture before one whose objective is lower."""
        if fall <= max(rounding, self.tolerance):
            return f"limited by rounding: EM's own step lowers the objective by {fall * self.unit:.2g}"
        return f"{LOWERED} by {fall * self.unit:.2g}: the mixture before it is kept"

    def __call__(self, lower_bounds: Sequence[float]) -> str | None:
        """Return why to stop now, or None to continue."""
        if len(lower_bounds) < 2:
            return None
        gain = lower_bounds[-1] - lower_bounds[-2]
        if abs(gain) < self.tolerance:
            return f"gain {gain * self.unit:.2g} below tol={self.tolerance * self.unit:g}"
        return None
