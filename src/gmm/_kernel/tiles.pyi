import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]
_Numbers = NDArray[np.intp]

BLOCK: int

def log_densities(
    rows: _Array, numbers: _Numbers, errors: _Array, centres: _Array, covariances: _Array, offsets: _Array
) -> _Array: ...
def normalise(log_joint: _Array, log_noise: _Array) -> _Array: ...
def scores(
    rows: _Array,
    numbers: _Numbers,
    errors: _Array,
    centres: _Array,
    covariances: _Array,
    weights: _Array,
    responsibilities: _Array,
) -> _Array: ...
def kernels() -> list[str]: ...
def kernel() -> str: ...
def use_kernel(name: str) -> None: ...
def leaf_addresses(name: str, single: bool) -> list[int]: ...
