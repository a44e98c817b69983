from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from gmm._kernel.mstep import DegeneracyCheck, MixtureFamily, QuasiNewtonState, Survey
from gmm._rows.sources import ArraySource
from gmm._values.layouts import Layout
from gmm._values.statistics import SufficientStatistics
from gmm._values.whitened import WhitenedMixture

_Array = NDArray[np.float64]
_Estimate = tuple[_Array, _Array, _Array, _Array, _Array, _Array]
_Task = Callable[[int, int], object]

@disjoint_base
class Scratch:
    def __init__(self) -> None: ...

@disjoint_base
class RowTable:
    def __new__(
        cls,
        values: NDArray[Any],
        weight: _Array | None = None,
        code: NDArray[np.intc] | None = None,
        labels: NDArray[np.intp] | None = None,
        log_evidence: _Array | None = None,
        responsibilities: NDArray[Any] | None = None,
        largest: NDArray[Any] | None = None,
        *,
        first_lane: int = 0,
        given: _Array | None = None,
    ) -> Self: ...

@disjoint_base
class Plan:
    @property
    def common_scatter(self) -> bool: ...
    @property
    def classified(self) -> bool: ...
    @property
    def linear(self) -> bool: ...
    @property
    def single(self) -> bool: ...
    @property
    def lane_rows(self) -> int: ...
    @property
    def work(self) -> int: ...
    @property
    def rounding(self) -> float: ...
    @property
    def largest_product(self) -> int: ...
    def __new__(
        cls,
        mixture: WhitenedMixture,
        moments: Layout | None,
        origin: _Array,
        reach: _Array,
        *,
        single: bool,
        hard: bool = False,
        given: bool = False,
        rows_only: bool = False,
        totals: bool = False,
        common_scatter: bool = False,
        form: int = -1,
        axes: _Array | None = None,
        allowed: _Array | None = None,
        of_patterns: Layout | None = None,
        with_errors: bool = False,
    ) -> Self: ...
    @property
    def of_patterns(self) -> Layout: ...
    def n_lanes(self, table: RowTable | ObservedRows) -> int: ...
    def suits(self, survey: Survey, single: bool) -> bool: ...
    def start(self, scratch: Scratch, n_rows: int) -> None: ...
    def walk(self, scratch: Scratch, table: RowTable | ObservedRows, first: int, last: int) -> None: ...
    def score(self, table: RowTable) -> None: ...
    def join(self, scratches: list[Scratch]) -> None: ...
    def sums(self, scratch: Scratch) -> _Array: ...
    def collect(self, sums: _Array, scatter: _Array | None = None) -> SufficientStatistics: ...

@disjoint_base
class CandidateRows:
    def __new__(
        cls,
        rows: _Array,
        weight: _Array | None,
        origin: _Array,
        reach: _Array,
        *,
        pooled: bool = False,
        single_limit: float = 0,
        code: NDArray[np.intc] | None = None,
        allowed: _Array | None = None,
    ) -> Self: ...
    @staticmethod
    def of(rows: ArraySource, sample: ArraySource, moments: Layout, single_limit: float = 0.0) -> CandidateRows: ...
    def some(self, indices: NDArray[np.intp]) -> Self: ...
    def views(self, moments: Layout, n_components: int = 1) -> list[CandidateView]: ...
    @property
    def n_rows(self) -> int: ...

LOWERED: str
STOPPED: str
NO_TARGET: StopTarget
SLICE: float

@disjoint_base
class StopTarget:
    def __new__(
        cls,
        *,
        target: float = ...,
        safety: float = ...,
        first: int = ...,
    ) -> Self: ...
    @property
    def is_none(self) -> bool: ...

@disjoint_base
class LoopWorkers:
    def __new__(cls, scratches: list[Scratch]) -> Self: ...
    def serve(self, number: int) -> None: ...

@disjoint_base
class ObservedRows:
    def __new__(
        cls,
        values: NDArray[Any],
        missing: NDArray[np.uint8],
        n_rows: NDArray[np.intp],
        layout: Layout,
        origin: _Array,
        reach: _Array,
        weight: _Array | None = None,
        code: NDArray[np.intc] | None = None,
        errors: _Array | None = None,
        kinds: NDArray[np.intp] | None = None,
        error: NDArray[np.intc] | None = None,
        *,
        with_scatter: bool = False,
        first_lane: int = 0,
        labels: NDArray[np.intp] | None = None,
        log_evidence: _Array | None = None,
        responsibilities: NDArray[Any] | None = None,
        largest: NDArray[Any] | None = None,
    ) -> Self: ...
    @property
    def n_features(self) -> int: ...
    @property
    def n_lanes(self) -> int: ...

@disjoint_base
class Loop:
    def __new__(
        cls,
        table: RowTable | ObservedRows,
        moments: Layout,
        origin: _Array,
        reach: _Array,
        *,
        single: bool,
        form: int,
        allowed: Callable[[int], _Array | None] | None,
        pass_limit: float,
        share_limit: float,
        call_limit: float,
        update_limit: float,
    ) -> Self: ...
    @property
    def largest_product(self) -> float: ...
    def measure(
        self, mixture: WhitenedMixture, scatter: Callable[[], _Array] | None
    ) -> tuple[SufficientStatistics, float] | None: ...
    def of_one(self) -> SufficientStatistics | None: ...
    def run_em(
        self,
        mixture: WhitenedMixture,
        estimate: _Estimate,
        family: MixtureFamily,
        e_step: Any,
        at_most: int,
        *,
        before: float,
        tolerance: float,
        repair_empty: bool,
        doubt: float = ...,
    ) -> tuple[list[float], SufficientStatistics, _Estimate | None, tuple[_Estimate | None, _Array] | None] | None: ...

@disjoint_base
class Ascent:
    mixture: Any
    repair_empty: bool
    @property
    def has_started(self) -> bool: ...
    @property
    def working(self) -> QuasiNewtonState: ...
    @property
    def e_step(self) -> Any: ...
    @property
    def problem(self) -> Any: ...
    @property
    def unit(self) -> float: ...
    @property
    def resumable(self) -> bool: ...
    def __init__(
        self,
        working: QuasiNewtonState,
        e_step: Any,
        problem: Any,
        *,
        unit: float = 1,
        resumable: bool = True,
        repair_empty: bool = False,
    ) -> None: ...
    def start_at(self, start: Any) -> bool: ...
    def pass_once(self) -> None: ...

@disjoint_base
class Run:
    @property
    def solver(self) -> Any: ...
    @property
    def n_passes(self) -> int: ...
    @property
    def lower_bound(self) -> float: ...
    @property
    def ended(self) -> bool: ...
    @property
    def converged(self) -> bool: ...
    @property
    def start(self) -> int: ...
    @property
    def callback(self) -> Callable[[Any], object] | None: ...
    @property
    def before(self) -> float | None: ...
    @property
    def records(self) -> _Array: ...
    @property
    def why(self) -> str: ...
    def __init__(
        self,
        solver: Any,
        max_iter: int,
        *,
        start: int = 0,
        callback: Callable[[Any], object] | None = None,
        before: float | None = None,
        unit: float = 1,
        records: _Array | None = None,
    ) -> None: ...
    def cannot_reach_target(self, target: StopTarget) -> bool: ...
    def go(self, at_most: int | None = None, target: StopTarget = ...) -> Self: ...
    def ended_here(self) -> Self: ...

OFFSET: float

@disjoint_base
class CandidateView:
    def __new__(cls, rows: CandidateRows, layout: int, whitener: _Array, centre: _Array) -> Self: ...
    @property
    def coordinates(self) -> _Array: ...
    @property
    def of_rows(self) -> tuple[int, _Array]: ...
    def in_own_units(self, points: _Array) -> _Array: ...

@disjoint_base
class Clusters:
    def __new__(
        cls, view: CandidateView, seeds: _Array, n_passes: int, scratch: Scratch, number: int = 0, part: int = 0
    ) -> Self: ...
    @property
    def tightness(self) -> float: ...
    @property
    def centres(self) -> _Array: ...

def has_wide_views(moments: Layout, n_features: int) -> bool: ...
def view_of(number: int, n_views: int) -> int: ...
def tightest(found: list[Clusters], n: int, of_each: int) -> list[Clusters]: ...

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
    def initialise(self, scratch: Scratch, rows: CandidateRows, clusters: Clusters, share: float = 0.0) -> None: ...
    def with_splits(self, scratch: Scratch, rows: CandidateRows, family: MixtureFamily) -> Candidate | None: ...
    def without(self, scratch: Scratch, rows: CandidateRows, family: MixtureFamily, n: int) -> list[Candidate]: ...
    def run(self, scratch: Scratch, rows: CandidateRows, n_passes: int) -> None: ...

@disjoint_base
class Race:
    def __new__(
        cls,
        families: Sequence[MixtureFamily],
        moments: Layout,
        views: Sequence[Sequence[CandidateView]],
        parts: list[CandidateRows],
        rows: CandidateRows | None,
        uniforms: _Array,
        *,
        n_seeding: int,
        n_candidates: int,
        shares: Sequence[float] = ...,
        seeds: Sequence[_Array] | None = None,
        clusters: list[Clusters] | None = None,
        degeneracy: DegeneracyCheck | None = None,
        noise: _Array | None = None,
        spread: Callable[[_Task, int, float], object] | None = None,
    ) -> Self: ...
    @property
    def clusters(self) -> list[Clusters]: ...
    def best(self) -> Candidate: ...
    def initial(self) -> list[Candidate]: ...
    def ranked(self, candidates: list[Candidate]) -> list[Candidate]: ...
    def advance(self, items: list[Any], make: Callable[[int, Any, Scratch], Any], start: int, end: int) -> None: ...
    def find_clusters(self, number: int, _: object, scratch: Scratch) -> Clusters: ...
    def finish_clusters(self, number: int, clusters: Clusters, scratch: Scratch) -> Clusters: ...
    def make_candidate(self, number: int, clusters: Clusters, scratch: Scratch) -> Candidate: ...
    def run_on(self, number: int, one: Candidate, scratch: Scratch) -> Candidate: ...

def split_axes(layout: int, weights: _Array, means: _Array, covariances: _Array) -> _Array: ...
def split_step(
    layout: int, covariances: _Array, axes: _Array, component: int, axis: int, d: int, offset: float
) -> _Array: ...
def split_gains(powers: _Array, counts: _Array, weight: float) -> _Array: ...
def falling_order(counts: _Array, weight: float, origins: _Array, first: _Array) -> NDArray[np.intp]: ...
def kmeans_seeds(rows: _Array, weight: _Array | None, uniforms: _Array, n_seeds: int) -> NDArray[np.intp]: ...
def neighbour_distances(rows: _Array, n_others: int, number: int) -> _Array: ...
def ward_merges(costs: _Array, weight: _Array, tie: float) -> tuple[NDArray[np.intp], _Array]: ...
