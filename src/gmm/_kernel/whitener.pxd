"""Whiteners of symmetric matrices in any layout: W with Σ⁻¹ = WᵀW, and log|W|."""
from libc.math cimport isfinite, log, sqrt
from libc.string cimport memcpy

from gmm._kernel.cholesky cimport invert_dense
from gmm._kernel.linear cimport FULL, TIED, Layout, n_second


cdef inline Py_ssize_t matrix_size(Layout layout, Py_ssize_t d) noexcept nogil:
    return n_second(layout, 1, d)


cdef inline Py_ssize_t n_matrices(Layout layout, Py_ssize_t K) noexcept nogil:
    return 1 if layout == TIED else K


cdef inline void whiten(
    Layout layout, Py_ssize_t m, Py_ssize_t d, const double* matrices,     # IN m matrices
    double* whiteners, double* log_determinants,   # OUT W with Σ⁻¹ = WᵀW, (m,) log|W|: see `first_singular`
) noexcept nogil:
    cdef Py_ssize_t size = matrix_size(layout, d), k
    memcpy(whiteners, matrices, m * size * sizeof(double))
    for k in range(m):
        if layout == FULL or layout == TIED:
            log_determinants[k] = invert_dense(whiteners + k * size, d)
        else:
            log_determinants[k] = invert_roots(whiteners + k * size, size) * (d // size)


cdef inline Py_ssize_t first_singular(const double* log_determinants, Py_ssize_t m) noexcept nogil:
    """The first matrix that is not positive definite; −1 when there is none."""
    cdef Py_ssize_t k
    for k in range(m):
        if not isfinite(log_determinants[k]):
            return k
    return -1


cdef inline double invert_roots(double* values, Py_ssize_t n) noexcept nogil:
    """Turn variances v into 1/√v; Σ log of those, infinite or NaN where one is no positive number."""
    cdef Py_ssize_t j
    cdef double total = 0
    for j in range(n):
        total -= log(values[j]) / 2
        values[j] = 1 / sqrt(values[j])
    return total
