from math import inf
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

_Array = NDArray[np.float64]
_Moments = tuple[_Array, _Array, _Array, _Array, float, float, _Array]
_Estimate = tuple[_Array, _Array, _Array, _Array, _Array, _Array]

_Prior = tuple[_Array, _Array, float, float, float]

@disjoint_base
class MixtureFamily:
    @property
    def work(self) -> float: ...
    def __new__(
        cls,
        covariance_layout: int,
        constraint: int,
        n_components: int,
        n_features: int,
        ridge: float,
        prior: _Prior | None = None,
        moment_layout: int | None = None,
        weights_prior: tuple[float, bool, float] | None = None,
        log_noise: float = -inf,
        owners: NDArray[np.intc] | None = None,
        n_factors: int = 0,
        max_ratio: float = inf,
        tails: _Array | None = None,
        free_tails: int = 0,
    ) -> Self: ...
    def parameter_term(self, weights: _Array, means: _Array, whiteners: _Array, log_determinants: _Array) -> float: ...

@disjoint_base
class Update:
    @property
    def n_covariances(self) -> int: ...
    def __new__(
        cls,
        family: MixtureFamily,
        origins: _Array,
        counts: _Array,
        first: _Array,
        second: _Array,
        weight: float,
        previous: _Array | None = None,
        precision: _Array | None = None,
    ) -> Self: ...
    def covariances(self, start: int, end: int) -> None: ...
    def constrain(self, start: int, end: int) -> None: ...
    def finish(self) -> tuple[_Estimate, int]: ...

def constrained(
    constraint: int,
    covariances: _Array,
    counts: _Array,
    previous: _Array | None,
    d: int,
    n_factors: int = 0,
    least: float = 0.0,
) -> tuple[_Array, bool]: ...
def of_limited_ratio(
    layout: int, covariances: _Array, counts: _Array, d: int, max_ratio: float
) -> tuple[_Array, bool]: ...
def noise_of_factors(covariances: _Array, n_factors: int, least: float = 0.0) -> _Array: ...
def whiten(layout: int, matrices: _Array, d: int) -> tuple[_Array, _Array, int]: ...
def log_gamma_sum(dof: float, d: int) -> float: ...
def noise_weight(weights: _Array) -> float: ...
def log_offset(
    layout: int,
    weights: _Array,
    whiteners: _Array,
    log_determinants: _Array,
    d: int,
    log_noise: float = -inf,
    variational: tuple[float, float, float, bool, float] | None = None,
    tails: _Array | None = None,
) -> tuple[_Array, float]: ...

@disjoint_base
class QuasiNewtonState:
    tolerance: float
    @property
    def work(self) -> float: ...
    @property
    def converged(self) -> bool: ...
    @property
    def stuck(self) -> bool: ...
    @property
    def lower_bound(self) -> float: ...
    @property
    def remaining(self) -> float: ...
    @property
    def fall(self) -> float: ...
    def __new__(cls, family: MixtureFamily, tolerance: float, confirm_stop: bool) -> Self: ...
    def begin(self, *estimate: _Array) -> None: ...
    def begin_after(self, statistics: Any, *, repair_empty: bool) -> bool: ...
    def measured(self) -> _Estimate: ...
    def next(self) -> tuple[_Array, _Array, _Array, float, _Array, bool]: ...
    def promise(self, into: int, gone: int) -> float: ...
    def take(self, statistics: Any, rounding: float, *, repair_empty: bool) -> tuple[float, float, float, bool]: ...
    def moments(self) -> _Moments: ...
    def __copy__(self) -> Self: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    def __setstate__(self, saved: tuple[Any, _Array]) -> None: ...
