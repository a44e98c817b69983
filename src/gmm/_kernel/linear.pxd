"""The linear form: log ρ as one product of coefficients with [1, x, squares and products of x].

Its terms about an origin, its coefficients, its sums as moments, and κ, the condition number of the form.
"""
from libc.math cimport INFINITY, fabs, isnan, sqrt
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


cdef inline double column_length(const double* whitener, Py_ssize_t d, Py_ssize_t j) noexcept nogil:
    """Return ‖W e_j‖ of a triangular whitener whose squares may be beyond float64."""
    cdef Py_ssize_t i
    cdef double largest = 0, total = 0
    for i in range(j, d):
        largest = max(largest, fabs(whitener[i * d + j]))
    if largest == 0 or largest == INFINITY:
        return largest
    for i in range(j, d):
        total += (whitener[i * d + j] / largest) ** 2
    return largest * sqrt(total)


cdef inline void column_lengths(
    const double* whitener, Layout layout, Py_ssize_t d,
    double* lengths,                               # OUT (d,) ‖W e_j‖: a feature in standard deviations, at most
) noexcept nogil:
    cdef Py_ssize_t stride = axis_stride(layout), i, j
    cdef double total
    if not is_dense(layout):                       # of low rank: before the factors are subtracted
        for j in range(d):
            lengths[j] = fabs(whitener[j * stride])
        return
    for j in range(d):
        total = 0
        for i in range(j, d):
            total += whitener[i * d + j] * whitener[i * d + j]
        lengths[j] = column_length(whitener, d, j) if total < 1e-280 or total > 1e280 else sqrt(total)


cdef inline double condition(
    const double* whiteners, const double* centres, Layout layout, Py_ssize_t K, Py_ssize_t d,
    const double* origin, const double* reach,     # IN (d,), (d,) max |x − origin|
    double* lengths,                               # scratch (d,)
) noexcept nogil:
    """κ: the largest squared distance of rows and centres from the origin, in standard deviations of a component.

    The linear form loses κ·eps.  Rows and centres are bounded feature by feature, so units do not matter.
    """
    cdef Py_ssize_t j, k
    cdef double kappa = 0, total
    for k in range(K):
        if k == 0 or not is_pooled(layout):
            column_lengths(whiteners + k * component_stride(layout, d), layout, d, lengths)
        total = 0
        for j in range(d):
            total += (lengths[j] * max(fabs(centres[k * d + j] - origin[j]), reach[j])) ** 2
        if isnan(total):  # `max` would drop it
            return INFINITY
        kappa = max(kappa, total)
    return kappa


cdef inline Py_ssize_t extents_size(Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    """Doubles that `measure_extents` writes."""
    return 2 * (K + 1) * d


cdef inline void measure_extents(
    const double* whiteners, const double* centres, Layout layout, Py_ssize_t K, Py_ssize_t d, const double* origin,
    double* out,                                   # OUT lengths and |c − origin|, both (K + 1, d), the last the largest
) noexcept nogil:
    """Measure what κ needs of a mixture."""
    cdef Py_ssize_t j, k
    cdef double* steps = out + (K + 1) * d
    memset(out + K * d, 0, d * sizeof(double))
    memset(steps + K * d, 0, d * sizeof(double))
    for k in range(K):
        column_lengths(whiteners + k * component_stride(layout, d), layout, d, out + k * d)
        for j in range(d):
            steps[k * d + j] = fabs(centres[k * d + j] - origin[j])
            out[K * d + j] = max(out[K * d + j], out[k * d + j])
            steps[K * d + j] = max(steps[K * d + j], steps[k * d + j])


cdef inline double condition_within(
    const double* extents, Py_ssize_t K, Py_ssize_t d,
    const double* reach,                           # IN (d,)
    double limit,
) noexcept nogil:
    """κ as `condition` has it, or any number from it on that is less than `limit`."""
    cdef Py_ssize_t i
    cdef double kappa = squared_extent(extents + K * d, extents + (2 * K + 1) * d, reach, d)
    if kappa < limit:
        return kappa
    kappa = 0
    for i in range(K):
        kappa = max(kappa, squared_extent(extents + i * d, extents + (K + 1 + i) * d, reach, d))
    return kappa


cdef inline double squared_extent(
    const double* lengths, const double* steps, const double* reach, Py_ssize_t d,     # IN (d,)
) noexcept nogil:
    cdef Py_ssize_t j
    cdef double total = 0
    for j in range(d):
        total += (lengths[j] * max(steps[j], reach[j])) ** 2
    return INFINITY if isnan(total) else total


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
    cdef double total
    if layout == FULL:
        for i in range(d):
            for j in range(i + 1):
                total = 0
                for r in range(i, d):
                    total -= whitener[r * d + i] * whitener[r * d + j] / (2 if i == j else 1)
                out[j] = total
            out += i + 1
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
