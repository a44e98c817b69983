from typing import Any

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]

def survey(
    rows: NDArray[Any], weight: _Array | None, state: _Array, total: float, begun: bool
) -> tuple[int, int, float]: ...
def reach(low: _Array, high: _Array, origin: _Array) -> _Array: ...
def distinct_rows(rows: _Array, weight: _Array | None = None) -> tuple[_Array, _Array]: ...
