"""The linear form: log ρ as one product of coefficients with [1, x, squares and products of x].

Its terms about an origin, its coefficients, its sums as moments, and κ, the condition number of the form.
"""
from libc.math cimport INFINITY, fabs, isnan
from libc.string cimport memcpy, memset

from gmm._kernel.layout cimport (
    DIAGONAL,
    FULL,
    SPHERICAL,
    Layout,
    apply_row,
    axis_stride,
    component_stride,
    is_axis_aligned,
    is_dense,
    is_pooled,
    packed_size,
)


cdef inline bint has_products(Layout layout) noexcept nogil:
    """Return whether products of two features are among the terms."""
    return layout == FULL


cdef inline Py_ssize_t n_terms(Layout layout, Py_ssize_t d) noexcept nogil:
    """Terms of the linear form: 1, x, and what `append_products` puts behind."""
    # The squares of pooled covariances cancel in the responsibilities.
    return 1 + d + (0 if is_pooled(layout) else packed_size(layout, d))


cdef inline double condition(
    const double* whiteners, const double* centres, Layout layout, Py_ssize_t K, Py_ssize_t d,
    const double* origin, const double* reach,     # IN (d,), (d,) max |x − origin|
    double* far,                                   # scratch (d,)
) noexcept nogil:
    """κ: the largest squared distance of rows and centres from the origin, in standard deviations of a component.

    The linear form loses κ·eps.  Rows and centres are bounded feature by feature, so units do not matter.
    """
    cdef Py_ssize_t stride = axis_stride(layout), i, j, k
    cdef double kappa = 0, total
    cdef const double* whitener
    for k in range(K):
        whitener = whiteners + k * component_stride(layout, d)
        for j in range(d):
            far[j] = max(fabs(centres[k * d + j] - origin[j]), reach[j])
        total = 0
        for i in range(d):
            if is_dense(layout):
                for j in range(i + 1):
                    total += (whitener[i * d + j] * far[j]) ** 2
            else:
                total += (whitener[i * stride] * far[i]) ** 2
        if isnan(total):  # `max` would drop it
            return INFINITY
        kappa = max(kappa, total)
    return kappa


cdef inline double location_coefficients(
    const double* whitener, const double* centre, const double* origin, Layout layout, Py_ssize_t d,
    double* out,                                   # OUT (d,) Λδ, Λ = WᵀW and δ = c − origin
) noexcept nogil:
    """δᵀΛδ."""
    cdef Py_ssize_t stride = axis_stride(layout), i, j
    cdef double total = 0, y
    if is_axis_aligned(layout):
        for j in range(d):
            y = whitener[j * stride]
            out[j] = y * y * (centre[j] - origin[j])
            total += out[j] * (centre[j] - origin[j])
        return total
    memset(out, 0, d * sizeof(double))
    for i in range(d):
        y = apply_row(layout, d, whitener, i, centre, origin)
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
        whitener = whiteners + k * component_stride(layout, d)
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
            second[k] = term[0] / d
