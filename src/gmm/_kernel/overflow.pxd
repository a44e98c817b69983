"""Rows so far from every component that the squares of their distances overflow.

A block cuts squares off at 1e300 (`leaves.pxd`), where all components tie.  Here such rows get squared distances of any
size, and the nearest component gets all of the row, as it does in the limit.
"""
from libc.float cimport DBL_MAX
from libc.math cimport INFINITY, fabs, ilogb, isfinite, scalbn

from gmm._kernel.layout cimport apply_factor, component_stride
from gmm._kernel.plan cimport PassPlan
from gmm._kernel.rows cimport data


cdef struct Square:
    # part × 4^exponent; part is 0, or from 1 to 4d.
    double part
    int exponent


cdef inline bint less(Square a, Square b) noexcept nogil:
    return scalbn(a.part, 2 * (a.exponent - b.exponent)) < b.part


cdef inline int scaled(double* values, Py_ssize_t n) noexcept nogil:
    """Divide by the power of two that brings the largest to 1 … 2, if it is finite; return its exponent."""
    cdef Py_ssize_t j
    cdef double largest = 0
    cdef int exponent
    for j in range(n):
        largest = max(largest, fabs(values[j]))
    if largest == 0 or not isfinite(largest):
        return 0
    exponent = ilogb(largest)
    for j in range(n):
        values[j] = scalbn(values[j], -exponent)
    return exponent


cdef inline Square square_of(
    const PassPlan* plan, Py_ssize_t k, const double* row, Py_ssize_t ld,      # IN (d,), `ld` items apart
    double* z, double* y,                          # scratch (d,), (d,)
) noexcept nogil:
    """‖W_k (x − c_k)‖²."""
    cdef Py_ssize_t d = plan.n_features, j
    cdef const double* centre = <const double*>plan.centres + k * d
    cdef const double* whitener = <const double*>plan.coefficients + k * component_stride(plan.layout, d)
    cdef Square square
    for j in range(d):
        z[j] = row[j * ld] / 2 - centre[j] / 2     # the halves' difference is finite
    square.exponent = 1 + scaled(z, d)
    apply_factor(plan.layout, d, whitener, z, y)
    square.exponent += scaled(y, d)
    square.part = 0
    for j in range(d):
        square.part += y[j] * y[j]
    return square


cdef inline void resolve_overflowed_rows(
    const PassPlan* plan, const double* block, Py_ssize_t n, Py_ssize_t ld,    # IN (d, n)
    double* scratch,                               # (2, d)
    double* tile,                                  # IN, OUT log ρ (K, n), at least −DBL_MAX for the nearest component
) noexcept nogil:
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features, k, r
    cdef double highest, log_density
    cdef Square nearest, square
    for r in range(n):
        highest = -INFINITY
        for k in range(K):
            highest = max(highest, tile[k * ld + r])
        if highest > -0.49 * 1e300:
            continue
        if plan.own != NULL:                       # which have no whitener: all components share the row
            for k in range(K):
                tile[k * ld + r] = -INFINITY if tile[k * ld + r] == -INFINITY else -DBL_MAX
            continue
        nearest.part, nearest.exponent = -1, 0     # none yet
        for k in range(K):
            if tile[k * ld + r] > -INFINITY:       # else it is empty, or not of the row's class
                square = square_of(plan, k, block + r, ld, scratch, scratch + d)
                nearest = square if nearest.part < 0 or less(square, nearest) else nearest
        log_density = max(-scalbn(nearest.part, 2 * nearest.exponent - 1), -DBL_MAX)
        for k in range(K):
            square = square_of(plan, k, block + r, ld, scratch, scratch + d)
            if tile[k * ld + r] > -INFINITY:
                tile[k * ld + r] = -INFINITY if less(nearest, square) else log_density


cdef inline void flag_overflowed_components(
    Py_ssize_t n,
    data* log_joint,                               # IN, OUT (n,) −∞ where it is beyond float64
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        if log_joint[i] <= -DBL_MAX:
            log_joint[i] = -INFINITY


cdef inline void flag_overflowed_rows(
    const double* mass, Py_ssize_t n,
    double* log_evidence,                          # IN, OUT (n,) −∞ where it is beyond float64, 0 for rows of no weight
) noexcept nogil:
    cdef Py_ssize_t r
    for r in range(n):
        if log_evidence[r] <= -DBL_MAX:
            log_evidence[r] = -INFINITY if mass[r] > 0 else 0
