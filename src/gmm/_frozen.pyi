from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

_Array = NDArray[np.float64]

api: object

def prepare(
    layout: int,
    log_offset: ArrayLike,
    centres: ArrayLike,
    whiteners: ArrayLike,
    origin: ArrayLike,
    log_noise: float,
    tails: _Array,
) -> _Array: ...
def check_place(out: Any, X: Any, *, n_columns: int = 0, labels: bool = False) -> None: ...

@disjoint_base
class Call:
    def walk_part(self, part: int) -> None: ...

@disjoint_base
class CompiledMixture:
    @property
    def n_components(self) -> int: ...
    @property
    def n_features(self) -> int: ...
    @property
    def arrays(self) -> tuple[int, _Array, _Array, _Array, _Array, float, _Array]: ...
    @property
    def prepared(self) -> _Array: ...
    def __new__(
        cls,
        layout: int,
        n_components: int,
        n_features: int,
        numbers: _Array,
        log_noise: float,
        tails: _Array,
    ) -> Self: ...
    def predict(self, X: Any, *, out: Any = None, n_threads: int = 1) -> Any: ...
    def predict_proba(self, X: Any, *, out: Any = None, n_threads: int = 1) -> Any: ...
    def score_samples(self, X: Any, *, out: Any = None, n_threads: int = 1) -> Any: ...
    def log_joint(self, X: Any, *, out: Any = None, n_threads: int = 1) -> Any: ...
