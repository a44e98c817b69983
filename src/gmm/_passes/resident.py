"""Accelerated passes over rows in memory that are not worth threads: many in one compiled call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gmm import _em, _loop
from gmm._blas import blas_alone
from gmm._kernel.mstep import MixtureFamily, QuasiNewtonState
from gmm._passes.stopping import CATCH_UP
from gmm._passes.threads import PASS_WORTH_THREADS, SLICE
from gmm._rows.sources import Source
from gmm._values.classes import KnownClasses
from gmm._values.layouts import Array, Layout
from gmm._values.statistics import SufficientStatistics

Record = tuple[float, float, float, bool]


@dataclass(frozen=True, eq=False)
class ResidentPasses:
    """Passes of one worker over rows in memory.

    `loop` has the rows, and `known` are their classes.
    """

    loop: _loop.Loop
    known: KnownClasses

    @classmethod
    def over(
        cls,
        source: Source,
        moments: Layout,
        origin: Array,
        reach: Array,
        single: bool,
        form: int,
    ) -> ResidentPasses:
        """Make passes over the rows of a source; the others are as in `gmm._em.Plan`."""
        rows, known = source.resident, source.known
        assert rows is not None  # others are passed over one pass at a time
        table = _em.RowTable(rows.rows, rows.sample_weight, known.codes if known else None)
        loop = _loop.Loop(table, moments, origin, reach, single=single, form=form)
        return cls(loop, known)

    def run_quasi_newton(
        self,
        state: QuasiNewtonState,
        at_most: int,
        scatter: Callable[[], Array],
        *,
        alone: bool,
        repair_empty: bool,
        lead: float,
    ) -> list[Record] | None:
        """Make passes as `EStep.run_quasi_newton` does; None if one is worth threads, unless the worker is `alone`.

        `scatter` returns the scatter of the rows about the origin. Kept here it would tie a knot with its `EStep`, and
        rows would stay in memory until the garbage collector comes.
        """
        at_most = 1 if state.work > PASS_WORTH_THREADS else at_most
        with blas_alone(max(self.loop.largest_product, state.work)):
            how = self._how(scatter, alone=alone, repair_empty=repair_empty)
            return self.loop.run_quasi_newton(state=state, at_most=at_most, lead=lead, **how)

    def first_legs(
        self,
        starts: Sequence[SufficientStatistics],
        family: MixtureFamily,
        scatter: Callable[[], Array],
        *,
        alone: bool,
        repair_empty: bool,
        **until: float,
    ) -> list[tuple[QuasiNewtonState, list[Record] | None]]:
        """Run starts as `gmm._loop.Loop.first_legs` does; none where an update is worth threads."""
        if family.work > PASS_WORTH_THREADS:
            return []
        with blas_alone(max(self.loop.largest_product, family.work)):
            how = self._how(scatter, alone=alone, repair_empty=repair_empty)
            return self.loop.first_legs(starts, family, **until, **how)

    def _how(self, scatter: Callable[[], Array], *, alone: bool, repair_empty: bool) -> dict[str, Any]:
        return {
            "repair_empty": repair_empty,
            "catch_up": CATCH_UP,
            "pass_limit": SLICE if alone else PASS_WORTH_THREADS,
            "call_limit": SLICE,
            "allowed": self.known.table,
            "scatter": scatter,
        }
