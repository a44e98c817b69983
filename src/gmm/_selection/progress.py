"""The status of the cells of a search, and its reports of progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from gmm._estimators.criteria import HELD_OUT
from gmm._estimators.outcome import ill_defined
from gmm._selection.request import Key
from gmm._values.covariance import covariance_model
from gmm._values.layouts import SingularMatrixError

MORE_THAN_ROWS = "more components than rows"
TOO_FEW_ROWS = "too few distinct rows for covariances of so many columns"
# Errors because of rows, numbers and sizes; any other error is a fault of this package.
_REFUSALS = ValueError, ArithmeticError, MemoryError


class Ending(StrEnum):
    """The kinds of status of a cell."""

    OK = "ok"
    NOT_CONVERGED = "not converged"
    LOWERED = "stopped because an update lowered the objective"
    NOT_TRIED = "not tried"
    DEGENERATE = "degenerate"
    FAILED = "failed"
    NOT_PURSUED = "not pursued"


_DETAILED = Ending.DEGENERATE, Ending.FAILED


class Status(NamedTuple):
    """The status of a cell, one of the kinds of `Ending`.

    `detail` names the component that is degenerate, or gives the reason of a failure.
    """

    kind: str
    detail: str = ""

    @classmethod
    def of(cls, text: str) -> Status:
        """Return the status with this text of a table, a file or the record of a run."""
        kind, _, detail = text.partition(": ")
        return cls(kind, detail)

    @classmethod
    def of_error(cls, error: Exception, name: str) -> Status:
        """Return the status of a cell of a covariance type without a fit."""
        reason = ill_defined(error, covariance_model(name)) if isinstance(error, SingularMatrixError) else error
        text = " ".join(str(reason).split())
        needs_type = is_fault(error) or not text
        return cls(Ending.FAILED, f"{type(error).__name__}: {text}".rstrip(": ") if needs_type else text)

    def __str__(self) -> str:
        """Return the text of tables and files."""
        return f"{self.kind}: {self.detail}" if self.kind in _DETAILED else f"{self.kind}"

    @property
    def is_solved(self) -> bool:
        """Whether the cell has a fit."""
        return self.kind not in (Ending.FAILED, Ending.NOT_TRIED)

    def is_eligible(self, criterion: str) -> bool:
        """Return whether a cell with a fit may be chosen by this criterion: by held-out rows, any may."""
        return criterion == HELD_OUT or self.kind not in (Ending.DEGENERATE, Ending.LOWERED)


def is_fault(error: Exception) -> bool:
    """Return whether an error is a fault of the package, not of its input."""
    return not isinstance(error, _REFUSALS) or isinstance(error, np.linalg.LinAlgError)


@dataclass(frozen=True)
class Progress:
    """One cell of a search, as passed to the callback of `select`.

    Attributes
    ----------
    cell, n_cells : int
        Index of the cell in the table, and the number of cells.
    n_components : int
        Number of components.
    covariance_type, tails : str
        Covariance type, and tails of the components.
    status : str
        As in `Selection`. The cell may still improve.
    fold : int
        Number of the held-out fold, from 1, of a search by "held_out"; 0 for fits to all rows.
    """

    cell: int
    n_cells: int
    n_components: int
    covariance_type: str
    tails: str
    status: str
    fold: int = 0


class ProgressReporter:
    """Calls the callback with every cell once it is fitted, in each fold; with `verbose`, prints the progress.

    Notebooks show a bar of the cells instead, unless `verbose` is above 1.

    Attributes
    ----------
    fold : int
        Number of the held-out fold, from 1; 0 for fits to all rows.
    is_over : bool
        Whether the callback has ended the search.
    prints : bool
        Whether lines are printed.
    """

    def __init__(self, keys: Sequence[Key], callback: Callable[[Progress], object] | None, verbose: int = 0) -> None:
        self._keys, self._callback, self._verbose = keys, callback, verbose
        self.fold, self.is_over = 0, False
        self._n_fitted, self._began = 0, perf_counter()
        ipython: Any = sys.modules.get("IPython")
        in_notebook = verbose == 1 and ipython is not None and hasattr(ipython.get_ipython(), "kernel")
        self._bar = ipython.display.ProgressBar(len(keys)) if in_notebook else None
        self.prints = verbose > 0 and not in_notebook

    def __call__(self, key: Key, status: Status) -> None:
        """Report the status of a cell."""
        if self._callback is not None and not self.is_over:
            (K, name, tails), number = key, self._keys.index(key)
            progress = Progress(number, len(self._keys), K, name, tails.name, str(status), self.fold)
            self.is_over = bool(self._callback(progress))
        if self._bar is not None:
            self._bar.progress = self._n_fitted % len(self._keys) + 1  # this displays it
        self._n_fitted += 1
        if self._verbose > 1:
            self.print(f"K={key.n_components} {key.kind}  {status}")

    def print(self, text: str) -> None:
        """Print what has been done, and the time since the search began."""
        fold = f"fold {self.fold}  " if self.fold else ""
        print(f"{fold}{text}  {perf_counter() - self._began:.1f} s", flush=True)
