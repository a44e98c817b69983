"""The compiled pass, for other compiled code (``from gmm._em cimport ...``)."""
from gmm._blas cimport real


cdef enum Layout:
    FULL = 0
    TIED = 1
    DIAGONAL = 2
    SPHERICAL = 3


cdef void normalise_soft(
    real* tile, Py_ssize_t n_components, Py_ssize_t n, Py_ssize_t ld,
    real* log_evidence, real* total,
) noexcept nogil
