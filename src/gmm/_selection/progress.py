"""What becomes of the cells of a search, and how it reports them on its way."""

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
# What rows, numbers and sizes may lead to, in words; any other error is a fault of this package.
_REFUSALS = ValueError, ArithmeticError, MemoryError


class Ending(StrEnum):
    """What may become of a cell."""

    OK = "ok"
    NOT_CONVERGED = "not converged"
    LOWERED = "ended since an update lowered the objective"
    NOT_TRIED = "not tried"
    DEGENERATE = "degenerate"
    FAILED = "failed"
    LEFT = "not pursued"


_DETAILED = Ending.DEGENERATE, Ending.FAILED


class Status(NamedTuple):
    """What became of a cell, one of the kinds of `Ending`.

    `detail` names the component that is degenerate, or says why it has failed.
    """

    kind: str
    detail: str = ""

    @classmethod
    def of(cls, text: str) -> Status:
        """Return the status that a table, a file or the record of a run words so."""
        kind, _, detail = text.partition(": ")
        return cls(kind, detail)

    @classmethod
    def of_error(cls, error: Exception, name: str) -> Status:
        """Return that of a cell of a covariance type without a fit."""
        told = ill_defined(error, covariance_model(name)) if isinstance(error, SingularMatrixError) else error
        text = " ".join(str(told).split())
        is_told_by_name = is_fault(error) or not text
        return cls(Ending.FAILED, f"{type(error).__name__}: {text}".rstrip(": ") if is_told_by_name else text)

    def __str__(self) -> str:
        """Return the text of tables and files."""
        return f"{self.kind}: {self.detail}" if self.kind in _DETAILED else f"{self.kind}"

    @property
    def is_solved(self) -> bool:
        """Whether the cell has a fit."""
        return self.kind not in (Ending.FAILED, Ending.NOT_TRIED)

    def is_eligible(self, criterion: str) -> bool:
        """Return whether this criterion of a cell with a fit may choose it: rows held out judge all."""
        return criterion == HELD_OUT or self.kind not in (Ending.DEGENERATE, Ending.LOWERED)


def is_fault(error: Exception) -> bool:
    """Tell whether the package failed, rather than refused."""
    return not isinstance(error, _REFUSALS) or isinstance(error, np.linalg.LinAlgError)


@dataclass(frozen=True)
class Progress:
    """One cell of a search, as `select` reports it to its callback.

    Attributes
    ----------
    cell, n_cells : int
        Index of the cell in the table, and the number of cells.
    n_components : int
        Number of components.
    covariance_type, tails : str
        Covariance type, and tails of the components.
    status : str
        As in `Selection`. The cell may still be improved.
    fold : int
        Number of the fold that is left out, from 1, of a search by "held_out"; 0 as the cells are fitted to all rows.
    """

    cell: int
    n_cells: int
    n_components: int
    covariance_type: str
    tails: str
    status: str
    fold: int = 0


class Reports:
    """Tells the callback of every cell once it is fitted, and so in each fold; with `verbose`, prints how far it is.

    Notebooks show a bar of the cells instead, unless `verbose` is above 1.

    Attributes
    ----------
    fold : int
        That is left out, from 1; 0 for fits to all rows.
    is_over : bool
        Whether the callback has ended the search.
    prints : bool
        Whether it prints lines.
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
        """Tell what became of a cell."""
        if self._callback is not None and not self.is_over:
            (K, name, tails), number = key, self._keys.index(key)
            progress = Progress(number, len(self._keys), K, name, tails.name, str(status), self.fold)
            self.is_over = bool(self._callback(progress))
        if self._bar is not None:
            self._bar.progress = self._n_fitted % len(self._keys) + 1  # which displays it
        self._n_fitted += 1
        if self._verbose > 1:
            self.print(f"K={key.n_components} {key.kind}  {status}")

    def print(self, text: str) -> None:
        """Print what has been done, and the time since the search began."""
        fold = f"fold {self.fold}  " if self.fold else ""
        print(f"{fold}{text}  {perf_counter() - self._began:.1f} s", flush=True)
