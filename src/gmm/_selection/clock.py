"""`Clock`: the time limit of a search."""

from __future__ import annotations

import time


class Clock:
    """The time limit of a search, in seconds from now; it does not end before there is a solution."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.perf_counter() + seconds
        self.has_solution = False

    def half(self) -> Clock:
        """Return a clock of half the time that is left."""
        return Clock(None if self._end is None else max(self._end - time.perf_counter(), 0.0) / 2)

    def is_up(self) -> bool:
        """Tell whether to begin nothing more."""
        return self.has_solution and self._end is not None and time.perf_counter() >= self._end
