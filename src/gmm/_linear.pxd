"""The linear form: log ρ as one product of coefficients with [1, x, squares and products of x].

Its terms about an origin, its coefficients, how its sums are unpacked into moments, and κ, which
tells when it is exact.
"""
from libc.math cimport fabs
from libc.string cimport memcpy, memset

cdef enum Layout:
    FULL = 0
    TIED = 1
    DIAGONAL = 2
    SPHERICAL = 3


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


cdef inline double precision_of(
    const double* whitener, Layout layout, Py_ssize_t d, Py_ssize_t j
) noexcept nogil:
    """Σ_i W_ij², the precision of feature j."""
    cdef Py_ssize_t i
    cdef double total = 0
    if layout == DIAGONAL or layout == SPHERICAL:
        i = j if layout == DIAGONAL else 0
        return whitener[i] * whitener[i]
    for i in range(j, d):
        total += whitener[i * d + j] * whitener[i * d + j]
    return total


cdef inline Py_ssize_t whitener_size(Layout layout, Py_ssize_t d) noexcept nogil:
    """Distance between two components' whiteners: 0 when they share one."""
    if layout == FULL:
        return d * d
    if layout == TIED:
        return 0
    return d if layout == DIAGONAL else 1


cdef inline double condition(
    const double* whiteners, const double* centres, Layout layout, Py_ssize_t K, Py_ssize_t d,
    const double* origin, const double* reach,     # IN (d,), (d,) max |x − origin|
) noexcept nogil:
    """κ: how far data and centres lie from the origin, squared, in a component's own spreads.

    The linear form loses κ·eps.  Rows and centres are bounded feature by feature, so that a
    feature's unit is of no matter.
    """
    cdef Py_ssize_t j, k
    cdef double kappa = 0, total, far, step
    for k in range(K):
        total = 0
        for j in range(d):
            step = fabs(centres[k * d + j] - origin[j])
            far = step if step > reach[j] else reach[j]
            total += far * far * precision_of(whiteners + k * whitener_size(layout, d), layout, d, j)
        if not total <= kappa:
            kappa = total
    return kappa


cdef inline void precision_matrix(
    const double* whitener, Layout layout, Py_ssize_t d,
    double* precision,                             # OUT (d, d) WᵀW
) noexcept nogil:
    cdef Py_ssize_t i, j, r
    cdef double scale
    memset(precision, 0, d * d * sizeof(double))
    if layout == FULL or layout == TIED:
        for r in range(d):
            for i in range(r + 1):
                for j in range(r + 1):
                    precision[i * d + j] += whitener[r * d + i] * whitener[r * d + j]
    else:
        for j in range(d):
            scale = whitener[j if layout == DIAGONAL else 0]
            precision[j * d + j] = scale * scale


cdef inline void quadratic_coefficients(
    const double* precision, Layout layout, Py_ssize_t d,
    double* out,                                   # OUT −½Λ on the diagonal, −Λ off it
) noexcept nogil:
    cdef Py_ssize_t i, j
    if layout == FULL:
        for i in range(d):
            for j in range(i):
                out[j] = -precision[i * d + j]
            out[i] = -precision[i * d + i] / 2
            out += i + 1
    elif layout == DIAGONAL:
        for j in range(d):
            out[j] = -precision[j * d + j] / 2
    elif layout == SPHERICAL:
        out[0] = -precision[0] / 2


cdef inline void linear_coefficients(
    const double* log_offset, const double* centres, const double* whiteners, Layout layout,
    const double* origin, Py_ssize_t K, Py_ssize_t d, Py_ssize_t terms,
    double* precision,                             # scratch (d, d)
    double* out,                                   # OUT (K, terms)
) noexcept nogil:
    """[log_offset − ½δᵀΛδ, Λδ, −½Λ on the diagonal, −Λ off it], Λ = WᵀW and δ = c − origin."""
    cdef Py_ssize_t i, j, k
    cdef double* theta
    for k in range(K):
        precision_matrix(whiteners + k * whitener_size(layout, d), layout, d, precision)
        theta = out + k * terms
        theta[0] = 0
        for j in range(d):
            theta[1 + j] = 0
            for i in range(d):
                theta[1 + j] += precision[j * d + i] * (centres[k * d + i] - origin[i])
            theta[0] += theta[1 + j] * (centres[k * d + j] - origin[j])
        theta[0] = log_offset[k] - theta[0] / 2
        quadratic_coefficients(precision, layout, d, theta + 1 + d)


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
