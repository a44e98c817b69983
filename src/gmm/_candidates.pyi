from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from gmm._em import CandidateRows, Scratch
from gmm._kernel.mstep import MixtureFamily, QuasiNewtonState
from gmm._values.layouts import Layout
from gmm._values.statistics import SufficientStatistics

_Array = NDArray[np.float64]
_Estimate = tuple[_Array, _Array, _Array, _Array, _Array, _Array]
_Rules = tuple[int, int, float, float, bool, bool, bool, bool]
_Task = Callable[[int, int], object]

@disjoint_base
class CandidateView:
    def __new__(cls, rows: CandidateRows, layout: int, whitener: _Array, centre: _Array) -> Self: ...
    @staticmethod
    def scaled(
        y: _Array,
        weight: _Array | None,
        layout: int,
        whitener: _Array,
        centre: _Array,
        single_limit: float,
    ) -> CandidateView: ...

@disjoint_base
class Opening:
    def __new__(cls, family: MixtureFamily, view: CandidateView) -> Self: ...
    @property
    def lower_bound(self) -> float: ...

@disjoint_base
class Candidate:
    def __new__(cls, family: MixtureFamily, moments: Layout) -> Self: ...
    @property
    def lower_bound(self) -> float: ...
    @property
    def failed(self) -> bool: ...
    @property
    def estimate(self) -> _Estimate: ...
    @property
    def statistics(self) -> SufficientStatistics: ...
    def begin(self, scratch: Scratch, view: CandidateView, seeds: _Array, *, n_lloyd: int, n_soft: int) -> None: ...
    def leave_view(self, scratch: Scratch, rows: CandidateRows) -> None: ...
    def without(self, scratch: Scratch, rows: CandidateRows, family: MixtureFamily, n: int) -> list[Candidate]: ...
    def run(self, scratch: Scratch, rows: CandidateRows, n_passes: int) -> None: ...

@disjoint_base
class Verdict:
    def __new__(cls, rules: _Rules, weight: float, variances: _Array, ridge: float, judge: int) -> Self: ...
    def causes(
        self, estimate: _Estimate, noise: _Array | None = None, of_pass: SufficientStatistics | None = None
    ) -> NDArray[np.uint8]: ...
    def first(self, state: QuasiNewtonState, noise: object, *, of_pass: bool) -> int: ...

@disjoint_base
class Race:
    def __new__(
        cls,
        schedule: object,
        families: Sequence[MixtureFamily],
        moments: Layout,
        uniforms: Sequence[_Array],
        views: Sequence[CandidateView],
        part: CandidateRows,
        rows: CandidateRows,
        *,
        verdict: Verdict | None = None,
        spread: Callable[[_Task, int, int], object] | None = None,
        openings: dict[int, list[Opening]] | None = None,
    ) -> Self: ...
    def best(self) -> Candidate: ...
    def survivors(self, race: list[Candidate], n: int) -> list[Candidate]: ...
    def advance(
        self, field: list[Candidate], task: int, rows: CandidateRows, n_passes: int, start: int, end: int
    ) -> None: ...

def falling_order(counts: _Array, weight: float, origins: _Array, first: _Array) -> NDArray[np.intp]: ...
def centred(rows: _Array, weight: _Array | None, centre: _Array) -> tuple[_Array, _Array]: ...
def make_positive(variances: _Array, reach: _Array, least: float, factor: float) -> None: ...
def total_variances(layout: int, estimate: _Estimate, noise: _Array | None = None) -> _Array: ...
def kmeans_seeds(rows: _Array, weight: _Array | None, uniforms: _Array, n_seeds: int) -> NDArray[np.intp]: ...
def ward_merges(costs: _Array, weight: _Array, tie: float) -> tuple[NDArray[np.intp], _Array]: ...
