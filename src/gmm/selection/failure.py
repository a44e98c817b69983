"""Why a cell has no solution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Failure"]

# What rows, numbers and sizes may lead to, in words; any other error is a fault of this package.
_REFUSALS = ValueError, ArithmeticError, MemoryError


@dataclass(frozen=True)
class Failure:
    """Why a cell has no solution."""

    error: Exception

    @property
    def is_fault(self) -> bool:
        """Whether the package failed, rather than refused."""
        return not isinstance(self.error, _REFUSALS) or isinstance(self.error, np.linalg.LinAlgError)

    def __str__(self) -> str:
        """Return a line for the log."""
        return f"failed: {self.error}"
