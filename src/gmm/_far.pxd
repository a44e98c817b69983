"""Rows so far from every component that the squares of their distances overflow.

The densities of a block end at a square of 1e300 (`_leaves.pxd`), where all components tie.  Here such rows are told
apart by distances of any size, and the nearest component takes all of the row, as it does in the limit.
"""
from libc.float cimport DBL_MAX
from libc.math cimport INFINITY, fabs, ilogb, scalbn

from gmm._linear cimport DIAGONAL, FULL, TIED, whitener_size
from gmm._plan cimport Recipe


cdef struct Square:
    # part × 4^exponent; part is 0, or from 1 to 4d.
    double part
    int exponent


cdef inline bint less(Square a, Square b) noexcept nogil:
    return scalbn(a.part, 2 * (a.exponent - b.exponent)) < b.part


cdef inline int scaled(double* values, Py_ssize_t n) noexcept nogil:
    """Divide by the power of two, whose exponent it returns, that brings the largest to 1 … 2."""
    cdef Py_ssize_t j
    cdef double largest = 0
    cdef int exponent
    for j in range(n):
        largest = max(largest, fabs(values[j]))
    if largest == 0:
        return 0
    exponent = ilogb(largest)
    for j in range(n):
        values[j] = scalbn(values[j], -exponent)
    return exponent


cdef inline Square square_of(
    const Recipe* recipe, Py_ssize_t k, const double* row, Py_ssize_t ld,      # IN (d,), `ld` items apart
    double* z, double* y,                          # scratch (d,), (d,)
) noexcept nogil:
    """‖W_k (x − c_k)‖²."""
    cdef Py_ssize_t d = recipe.n_features, i, j
    cdef const double* centre = <const double*>recipe.centres + k * d
    cdef const double* whitener = <const double*>recipe.coefficients + k * whitener_size(recipe.layout, d)
    cdef Square square
    for j in range(d):
        z[j] = row[j * ld] / 2 - centre[j] / 2     # the halves' difference is finite
    square.exponent = 1 + scaled(z, d)
    for i in range(d):
        if recipe.layout == FULL or recipe.layout == TIED:
            y[i] = 0
            for j in range(i + 1):
                y[i] += whitener[i * d + j] * z[j]
        else:
            y[i] = whitener[i if recipe.layout == DIAGONAL else 0] * z[i]
    square.exponent += scaled(y, d)
    square.part = 0
    for i in range(d):
        square.part += y[i] * y[i]
    return square


cdef inline void settle_far_rows(
    const Recipe* recipe, const double* block, Py_ssize_t n, Py_ssize_t ld,    # IN (d, n)
    double* scratch,                               # (2, d)
    double* tile,                                  # IN, OUT log ρ (K, n), at least −DBL_MAX for the nearest component
) noexcept nogil:
    cdef Py_ssize_t K = recipe.n_components, d = recipe.n_features, k, r
    cdef double highest, log_density
    cdef Square nearest, square
    for r in range(n):
        highest = -INFINITY
        for k in range(K):
            highest = max(highest, tile[k * ld + r])
        if highest > -0.49 * 1e300:
            continue
        nearest.part, nearest.exponent = -1, 0     # none yet
        for k in range(K):
            if recipe.log_offset[k] > -INFINITY:
                square = square_of(recipe, k, block + r, ld, scratch, scratch + d)
                nearest = square if nearest.part < 0 or less(square, nearest) else nearest
        log_density = max(-scalbn(nearest.part, 2 * nearest.exponent - 1), -DBL_MAX)
        for k in range(K):
            square = square_of(recipe, k, block + r, ld, scratch, scratch + d)
            tile[k * ld + r] = -INFINITY if recipe.log_offset[k] == -INFINITY or less(nearest, square) else log_density


cdef inline void give_up_far_rows(
    const double* mass, Py_ssize_t n,
    double* log_evidence,                          # IN, OUT (n,) −∞ where it is beyond float64, 0 for rows of no weight
) noexcept nogil:
    cdef Py_ssize_t r
    for r in range(n):
        if log_evidence[r] <= -DBL_MAX:
            log_evidence[r] = -INFINITY if mass[r] > 0 else 0
