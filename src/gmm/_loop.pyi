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

def foreseen_gain(records: _Array, n: int) -> float: ...

@disjoint_base
class Outlook:
    def __new__(
        cls,
        *,
        lead: float = ...,
        target: float = ...,
        safety: float = ...,
        first: int = ...,
        period: int = ...,
        since: int = ...,
        fewest: float = ...,
        checked: int = ...,
    ) -> Self: ...
    def is_hopeless(self, records: _Array, n: int) -> bool: ...
    @property
    def fewest(self) -> float: ...
    def asks(self, n: int) -> bool: ...
    def left(self, n: int) -> int: ...

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
        pass_limit: float,
        call_limit: float,
    ) -> Self: ...
    @property
    def largest_product(self) -> float: ...
    def run_quasi_newton(
        self,
        state: QuasiNewtonState,
        scatter: Callable[[], _Array] | None,
        records: _Array,
        n: int,
        at_most: int,
        *,
        repair_empty: bool,
        outlook: Outlook,
        unit: float = 1,
    ) -> int: ...
    def first_runs(
        self,
        starts: Sequence[SufficientStatistics],
        family: MixtureFamily,
        scatter: Callable[[], _Array] | None,
        at_most: int,
        *,
        tolerance: float,
        confirm_stop: bool,
        repair_empty: bool,
        lead: float,
    ) -> list[tuple[QuasiNewtonState, _Array, int]]: ...
