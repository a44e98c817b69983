"""The linear form: log ρ as one product of coefficients with [1, x, squares and products of x].

Its terms about an origin, its coefficients, how its sums are unpacked into moments, and κ, which
tells when it is exact.
"""
from libc.math cimport INFINITY, fabs, isnan
from libc.string cimport memcpy, memset

cdef enum Layout:
    FULL = 0
    TIED = 1
    DIAGONAL = 2
    SPHERICAL = 3


cdef inline bint is_layout(Layout layout) noexcept nogil:
    """Whether a number that a caller gave is one of the four."""
    return 0 <= <int>layout <= SPHERICAL


cdef inline Py_ssize_t n_terms(Layout layout, Py_ssize_t d) noexcept nogil:
    """Terms of the linear form: 1, x, and what `append_products` puts behind."""
    if layout == FULL:
        return 1 + d + d * (d + 1) // 2
    if layout == DIAGONAL:
        return 1 + 2 * d
    return 2 + d if layout == SPHERICAL else 1 + d


cdef inline Py_ssize_t n_second(Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    if layout == FULL:
        return K * d * d
    if layout == TIED:
        return d * d
    return K * d if layout == DIAGONAL else K


cdef inline Py_ssize_t whitener_size(Layout layout, Py_ssize_t d) noexcept nogil:
    """Distance between two components' whiteners: 0 when they share one."""
    return 0 if layout == TIED else n_second(layout, 1, d)


cdef inline double condition(
    const double* whiteners, const double* centres, Layout layout, Py_ssize_t K, Py_ssize_t d,
    const double* origin, const double* reach,     # IN (d,), (d,) max |x − origin|
    double* far,                                   # scratch (d,)
) noexcept nogil:
    """κ: how far data and centres lie from the origin, squared, in a component's own spreads.

    The linear form loses κ·eps.  Rows and centres are bounded feature by feature, so that a
    feature's unit is of no matter.
    """
    cdef Py_ssize_t i, j, k
    cdef double kappa = 0, total
    cdef const double* whitener
    for k in range(K):
        whitener = whiteners + k * whitener_size(layout, d)
        for j in range(d):
            far[j] = max(fabs(centres[k * d + j] - origin[j]), reach[j])
        total = 0
        for i in range(d):
            if layout == DIAGONAL or layout == SPHERICAL:
                total += (whitener[i if layout == DIAGONAL else 0] * far[i]) ** 2
            else:
                for j in range(i + 1):
                    total += (whitener[i * d + j] * far[j]) ** 2
        if isnan(total):  # which no comparison would keep
            return INFINITY
        kappa = max(kappa, total)
    return kappa


cdef inline double location_coefficients(
    const double* whitener, const double* centre, const double* origin, Layout layout, Py_ssize_t d,
    double* out,                                   # OUT (d,) Λδ, Λ = WᵀW and δ = c − origin
) noexcept nogil:
    """δᵀΛδ."""
    cdef Py_ssize_t i, j
    cdef double total = 0, y
    if layout == DIAGONAL or layout == SPHERICAL:
        for j in range(d):
            y = whitener[j if layout == DIAGONAL else 0]
            out[j] = y * y * (centre[j] - origin[j])
            total += out[j] * (centre[j] - origin[j])
        return total
    memset(out, 0, d * sizeof(double))
    for i in range(d):
        y = 0
        for j in range(i + 1):
            y += whitener[i * d + j] * (centre[j] - origin[j])
        for j in range(i + 1):
            out[j] += whitener[i * d + j] * y
        total += y * y
    return total


cdef inline void quadratic_coefficients(
    const double* whitener, Layout layout, Py_ssize_t d,
    double* out,                                   # OUT −½Λ on the diagonal, −Λ off it; nothing for tied
) noexcept nogil:
    cdef Py_ssize_t i, j, r
    cdef double* row
    if layout == FULL:
        memset(out, 0, d * (d + 1) // 2 * sizeof(double))
        for r in range(d):
            row = out
            for i in range(r + 1):
                for j in range(i):
                    row[j] -= whitener[r * d + i] * whitener[r * d + j]
                row[i] -= whitener[r * d + i] * whitener[r * d + i] / 2
                row += i + 1
    elif layout == DIAGONAL:
        for j in range(d):
            out[j] = -whitener[j] * whitener[j] / 2
    elif layout == SPHERICAL:
        out[0] = -whitener[0] * whitener[0] / 2


cdef inline void linear_coefficients(
    const double* log_offset, const double* centres, const double* whiteners, Layout layout,
    const double* origin, Py_ssize_t K, Py_ssize_t d, Py_ssize_t terms,
    double* out,                                   # OUT (K, terms)
) noexcept nogil:
    """[log_offset − ½δᵀΛδ, Λδ, −½Λ on the diagonal, −Λ off it], Λ = WᵀW and δ = c − origin."""
    cdef Py_ssize_t k
    cdef const double* whitener
    for k in range(K):
        whitener = whiteners + k * whitener_size(layout, d)
        out[0] = log_offset[k] - location_coefficients(whitener, centres + k * d, origin, layout, d, out + 1) / 2
        quadratic_coefficients(whitener, layout, d, out + 1 + d)
        out += terms


cdef inline void unpack_linear(
    const double* sums, Layout moments, Py_ssize_t K, Py_ssize_t d,    # IN (K, terms)
    double* counts, double* first, double* second,                     # OUT
) noexcept nogil:
    cdef Py_ssize_t i, j, k, terms = n_terms(moments, d)
    cdef const double* term
    for k in range(K):
        counts[k] = sums[k * terms]
        term = sums + k * terms + 1
        memcpy(first + k * d, term, d * sizeof(double))
        term += d
        if moments == FULL:
            for i in range(d):
                for j in range(i + 1):
                    second[(k * d + i) * d + j] = second[(k * d + j) * d + i] = term[j]
                term += i + 1
        elif moments == DIAGONAL:
            memcpy(second + k * d, term, d * sizeof(double))
        elif moments == SPHERICAL:
            second[k] = term[0]
