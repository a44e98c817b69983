"""Why a cell has no solution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm._estimators.outcome import ill_defined
from gmm._selection.status import FAILED
from gmm._values.covariance import covariance_model
from gmm._values.layouts import SingularMatrixError

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

    def status(self, covariance_type: str) -> str:
        """Return the status of a cell of this type."""
        error, text = self.error, str(self.error)
        if isinstance(error, SingularMatrixError):
            text = str(ill_defined(error, covariance_model(covariance_type)))
        text = " ".join(text.split())
        return FAILED + (f"{type(error).__name__}: {text}".rstrip(": ") if self.is_fault or not text else text)

    def __str__(self) -> str:
        """Return a line for the log."""
        return f"failed: {self.error}"
