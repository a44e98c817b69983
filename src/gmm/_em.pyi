from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from gmm._mstep import Ascent, MixtureFamily

_Array = NDArray[np.float64]
_Moments = tuple[_Array, _Array, _Array, _Array, float, float]
_Estimate = tuple[_Array, _Array, _Array, _Array, _Array]

@disjoint_base
class Scratch:
    def __init__(self) -> None: ...

@disjoint_base
class Pass:
    @property
    def common_scatter(self) -> bool: ...
    @property
    def linear(self) -> bool: ...
    @property
    def single(self) -> bool: ...
    @property
    def lane_rows(self) -> int: ...
    @property
    def work(self) -> int: ...
    @property
    def largest_product(self) -> int: ...
    def __new__(
        cls,
        log_offset: _Array,
        centres: _Array,
        whiteners: _Array,
        layout: int,
        moments: int,
        origin: _Array,
        reach: _Array,
        single: bool,
        hard: bool = False,
        given: bool = False,
        rows_only: bool = False,
        common_scatter: bool = False,
        form: int = -1,
        axes: _Array | None = None,
    ) -> Self: ...
    def begin(self, scratch: Scratch, n_rows: int) -> None: ...
    def walk(
        self,
        scratch: Scratch,
        rows: NDArray[Any],
        first: int,
        last: int,
        weight: _Array | None = None,
        given: _Array | None = None,
        label: NDArray[np.intp] | None = None,
        log_evidence: _Array | None = None,
        responsibility: NDArray[Any] | None = None,
    ) -> None: ...
    def collect(self, scratches: list[Scratch], scatter: _Array | None = None) -> _Moments: ...
    def shapes(self, scratches: list[Scratch]) -> tuple[_Array, _Array]: ...
    def climb(
        self,
        scratches: list[Scratch],
        rows: NDArray[Any],
        weight: _Array | None,
        scatter: _Array | None,
        at_most: int,
        family: MixtureFamily,
        means: _Array,
        covariances: _Array,
        log_determinants: _Array,
        before: float,
        tolerance: float,
        refills: bool,
    ) -> tuple[list[float], _Moments, _Estimate | None]: ...
    def ascend(
        self,
        scratches: list[Scratch],
        rows: NDArray[Any],
        weight: _Array | None,
        scatter: _Array | None,
        at_most: int,
        ascent: Ascent,
        refills: bool,
    ) -> list[tuple[float, float, float, bool]]: ...
    def lloyd(
        self,
        scratches: list[Scratch],
        rows: NDArray[Any],
        weight: _Array | None,
        at_most: int,
        centres: _Array,
        spread: float,
        inertia: float,
        total: float,
        least_gain: float,
    ) -> tuple[int, bool, _Array, float, float]: ...

def normalise_tile(tile: NDArray[Any]) -> NDArray[Any]: ...
def kernel() -> str: ...
def kernels() -> list[str]: ...
def use_kernel(name: str) -> None: ...
def survey(rows: NDArray[Any], weight: _Array | None = None) -> tuple[int, int, float, _Array, _Array, _Array]: ...
def distinct_rows(rows: _Array, weight: _Array | None = None) -> tuple[_Array, _Array]: ...
def kmeans_seeds(rows: _Array, weight: _Array, uniforms: _Array, n_seeds: int, n_draws: int) -> NDArray[np.intp]: ...
def reach(low: _Array, high: _Array, origin: _Array) -> _Array: ...
