"""Accelerated passes over rows in memory that are not worth threads: many in one compiled call."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gmm import _em, _loop
from gmm._blas import blas_alone
from gmm._kernel.mstep import MixtureFamily, QuasiNewtonState
from gmm._passes.threads import PASS_WORTH_THREADS, SLICE
from gmm._passes.trace import CATCH_UP
from gmm._rows.sources import Source
from gmm._values.layouts import Array, Layout
from gmm._values.statistics import SufficientStatistics

Record = tuple[float, float, float, bool]
Scatter = Callable[[], Array]


@dataclass(frozen=True, eq=False)
class ResidentPasses:
    """Passes of one worker over rows in memory, which `loop` has.

    `scatter` returns the scatter of the rows about the origin. Kept here it would tie a knot with its `EStep`, and rows
    would stay in memory until the garbage collector comes.
    """

    loop: _loop.Loop

    @classmethod
    def over(
        cls, source: Source, moments: Layout, origin: Array, reach: Array, *, single: bool, form: int, alone: bool
    ) -> ResidentPasses:
        """Make passes over the rows of a source, short ones unless the worker is `alone`; see `gmm._em.Plan`."""
        rows, known = source.resident, source.known
        assert rows is not None  # others are passed over one pass at a time
        limits = {"pass_limit": SLICE if alone else PASS_WORTH_THREADS, "call_limit": SLICE, "catch_up": CATCH_UP}
        table = _em.RowTable(rows.rows, rows.sample_weight, known.codes if known else None)
        return cls(_loop.Loop(table, moments, origin, reach, single=single, form=form, allowed=known.table, **limits))

    def run_quasi_newton(
        self, state: QuasiNewtonState, scatter: Scatter, at_most: int, *, repair_empty: bool, lead: float
    ) -> list[Record] | None:
        """Make passes as `EStep.run_quasi_newton` does; None if one is worth threads."""
        at_most = 1 if state.work > PASS_WORTH_THREADS else min(at_most, sys.maxsize)
        with blas_alone(max(self.loop.largest_product, state.work)):
            return self.loop.run_quasi_newton(state, scatter, at_most=at_most, repair_empty=repair_empty, lead=lead)

    def first_legs(
        self, starts: Sequence[SufficientStatistics], family: MixtureFamily, scatter: Scatter, **how: Any
    ) -> list[tuple[QuasiNewtonState, list[Record] | None]]:
        """Run starts as `gmm._loop.Loop.first_legs` does; none where an update is worth threads."""
        if family.work > PASS_WORTH_THREADS:
            return []
        with blas_alone(max(self.loop.largest_product, family.work)):
            return self.loop.first_legs(starts, family, scatter, **how)
