from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

_Array = NDArray[np.float64]

@disjoint_base
class Survey:
    def __new__(cls, chunks: Iterable[tuple[int, NDArray[Any], _Array | None]], n_features: int) -> Self: ...
    @property
    def nonfinite(self) -> tuple[int, int] | None: ...
    @property
    def weight(self) -> float: ...
    @property
    def centre(self) -> _Array: ...
    def reach(self, origin: _Array) -> _Array: ...

def distinct_rows(rows: _Array, weight: _Array | None = None) -> tuple[_Array, _Array]: ...
