"""Stopping rules of EM, as values that say why to stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

CATCH_UP = 20  # passes that a run may take to come up with a lead, each gaining what its second did


class Stopping(Protocol):
    """A rule over the lower bounds measured so far, with the unit of its words in nats."""

    @property
    def unit(self) -> float: ...

    def __call__(self, lower_bounds: Sequence[float]) -> str | None:
        """Return why to stop now, or None to continue."""


@dataclass(frozen=True)
class GainBelow:
    """scikit-learn's rule: the last pass changed the mean log-likelihood by less than `tolerance` nats.

    The text is in units of `unit` nats.
    """

    tolerance: float
    unit: float = 1.0

    def __call__(self, lower_bounds: Sequence[float]) -> str | None:
        """Return why to stop now, or None to continue."""
        if len(lower_bounds) < 2:
            return None
        gain = lower_bounds[-1] - lower_bounds[-2]
        if abs(gain) < self.tolerance:
            return f"gain {gain * self.unit:.2g} below tol={self.tolerance * self.unit:g}"
        return None
