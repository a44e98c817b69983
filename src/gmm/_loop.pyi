from collections.abc import Callable
from typing import Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from gmm._em import RowTable
from gmm._kernel.mstep import QuasiNewtonState
from gmm._values.layouts import Layout

_Array = NDArray[np.float64]

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
        form: int = -1,
    ) -> Self: ...
    @property
    def largest_product(self) -> float: ...
    def run_quasi_newton(
        self,
        *,
        at_most: int,
        state: QuasiNewtonState,
        repair_empty: bool,
        lead: float,
        catch_up: float,
        pass_limit: float,
        call_limit: float,
        allowed: Callable[[int], _Array | None] | None = None,
        scatter: Callable[[], _Array] | None = None,
    ) -> list[tuple[float, float, float, bool]] | None: ...
