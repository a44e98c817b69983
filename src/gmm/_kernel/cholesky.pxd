"""Inverted Cholesky factors, by hand for small matrices and by LAPACK for large ones."""
from libc.float cimport DBL_MAX
from libc.math cimport INFINITY, log, sqrt
from libc.string cimport memset

from gmm._kernel.blas cimport invert_cholesky

cdef enum:
    WIDEST_BY_HAND = 16       # order up to which a call of LAPACK costs more than its work


cdef inline double invert_dense(
    double* matrix, Py_ssize_t d,                  # IN, OUT (d, d): A, then L⁻¹ where A = L Lᵀ, zero above
) noexcept nogil:
    """Return log|L⁻¹|, −∞ where A is not positive definite or the square of L⁻¹ is beyond float64."""
    cdef Py_ssize_t i
    cdef double total = 0
    if not (invert_by_hand(matrix, d) if d <= WIDEST_BY_HAND else invert_cholesky(matrix, d)):
        return -INFINITY
    for i in range(d):
        if matrix[i * d + i] * matrix[i * d + i] > DBL_MAX:
            return -INFINITY
        total += log(matrix[i * d + i])
        memset(matrix + i * d + i + 1, 0, (d - i - 1) * sizeof(double))
    return total


cdef inline bint invert_by_hand(
    double* matrix, Py_ssize_t d,                  # IN, OUT (d, d), lower: A, then L⁻¹ where A = L Lᵀ
) noexcept nogil:
    """Return whether A was positive definite."""
    cdef Py_ssize_t i, j, p
    cdef double rest
    cdef double* row
    cdef double* other
    for i in range(d):
        row = matrix + i * d
        for j in range(i):
            other = matrix + j * d
            rest = row[j]
            for p in range(j):
                rest -= row[p] * other[p]
            row[j] = rest / other[j]
        rest = row[i]
        for p in range(i):
            rest -= row[p] * row[p]
        if not rest > 0:
            return False
        row[i] = sqrt(rest)
    for i in range(d):
        row = matrix + i * d
        row[i] = 1 / row[i]
        for j in range(i):
            rest = 0
            for p in range(j, i):
                rest += row[p] * matrix[p * d + j]
            row[j] = -rest * row[i]
    return True
