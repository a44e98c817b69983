from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from gmm._em import RowTable
from gmm._kernel.mstep import MixtureFamily, QuasiNewtonState
from gmm._values.layouts import Layout
from gmm._values.statistics import SufficientStatistics

_Array = NDArray[np.float64]
_Record = tuple[float, float, float, bool]

@disjoint_base
class Loop:
    def __new__(
        cls,
        table: RowTable,
        moments: Layout,
        origin: _Array,
        reach: _Array,
        *,
        single: bool,
        form: int,
        allowed: Callable[[int], _Array | None],
        catch_up: float,
        pass_limit: float,
        call_limit: float,
    ) -> Self: ...
    @property
    def largest_product(self) -> float: ...
    def run_quasi_newton(
        self,
        state: QuasiNewtonState,
        scatter: Callable[[], _Array] | None,
        *,
        at_most: int,
        repair_empty: bool,
        lead: float,
    ) -> list[_Record] | None: ...
    def first_runs(
        self,
        starts: Sequence[SufficientStatistics],
        family: MixtureFamily,
        scatter: Callable[[], _Array] | None,
        *,
        tolerance: float,
        confirm_stop: bool,
        at_most: int,
        repair_empty: bool,
        lead: float,
    ) -> list[tuple[QuasiNewtonState, list[_Record] | None]]: ...
