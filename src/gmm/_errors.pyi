import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]

LANES: int

def log_densities(rows: _Array, errors: _Array, centres: _Array, covariances: _Array, offsets: _Array) -> _Array: ...
def scores(rows: _Array, errors: _Array, centres: _Array, covariances: _Array, responsibilities: _Array) -> _Array: ...
def normalise(log_joint: _Array, log_noise: float) -> _Array: ...
