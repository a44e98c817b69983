"""Lower triangles: their products and inverses, by hand or by BLAS."""
from libc.string cimport memcpy, memset

from gmm._kernel.blas cimport invert_lower, multiply_by_lower
from gmm._kernel.cholesky cimport WIDEST_BY_HAND


cdef inline void invert_triangle(
    const double* a, Py_ssize_t d,                 # IN (d, d), lower
    double* inverse,                               # OUT
) noexcept nogil:
    cdef Py_ssize_t i, j, r
    cdef double total
    if d > WIDEST_BY_HAND:
        memcpy(inverse, a, d * d * sizeof(double))
        invert_lower(inverse, d)
        return
    memset(inverse, 0, d * d * sizeof(double))
    for i in range(d):
        for r in range(i):
            total = a[i * d + r]
            for j in range(r + 1):
                inverse[i * d + j] -= total * inverse[r * d + j]
        inverse[i * d + i] = 1
        for j in range(i + 1):
            inverse[i * d + j] /= a[i * d + i]


cdef inline void multiply_triangles(
    const double* a, const double* b, Py_ssize_t d,        # IN (d, d), lower
    double* product,                               # OUT
) noexcept nogil:
    cdef Py_ssize_t i, j, r
    if d > WIDEST_BY_HAND:
        memcpy(product, b, d * d * sizeof(double))
        multiply_by_lower(a, product, d, d, d)
        return
    memset(product, 0, d * d * sizeof(double))
    for i in range(d):
        for r in range(i + 1):
            for j in range(r + 1):
                product[i * d + j] += a[i * d + r] * b[r * d + j]


cdef inline void conjugate(
    const double* a, Py_ssize_t d,                 # IN (d, d), lower
    double* scratch,                               # (d, d)
    double* matrix,                                # IN (d, d), symmetric, OUT a matrix aᵀ, lower
) noexcept nogil:
    cdef Py_ssize_t i, j, r
    cdef double total
    if d > WIDEST_BY_HAND:
        multiply_by_lower(a, matrix, d, d, d)
        for i in range(d):
            for j in range(i):
                total = matrix[i * d + j]
                matrix[i * d + j] = matrix[j * d + i]
                matrix[j * d + i] = total
        multiply_by_lower(a, matrix, d, d, d)
        return
    memset(scratch, 0, d * d * sizeof(double))
    for i in range(d):
        for r in range(i + 1):
            for j in range(d):
                scratch[i * d + j] += a[i * d + r] * matrix[r * d + j]
    for i in range(d):
        for j in range(i + 1):
            total = 0
            for r in range(j + 1):
                total += scratch[i * d + r] * a[j * d + r]
            matrix[i * d + j] = total
