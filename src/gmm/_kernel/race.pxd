"""Candidates for a start: seeds, passes of k-means, passes of a simpler mixture, and EM of the family that is fitted.

The simpler mixture is one of spherical covariances where the family's are diagonal, and of diagonal ones where they are
full. It lives in the coordinates of a view of the sample, y = V (x − centre), so that the units of the rows and how
they are correlated do not matter to it.
"""
from libc.math cimport log
from libc.string cimport memset

from gmm._kernel.constraint cimport NONE
from gmm._kernel.linear cimport DIAGONAL, FULL, SPHERICAL, TIED, Layout, n_second
from gmm._kernel.moments cimport Moments, moments_in, moments_size
from gmm._kernel.update cimport (
    Estimate,
    Family,
    estimate_in,
    estimate_size,
    half_trace_of_product,
    room_for_update,
    step_of,
)
from gmm._kernel.whitener cimport matrix_size


cdef struct Metric:
    # Of a view, in which the rows' variance is about 1.
    Layout layout               # spherical, diagonal or tied
    const double* whitener      # V: one number, (d,), or (d, d) lower triangular
    const double* centre        # (d,) in the sample's own coordinates


cdef struct BeginRoom:
    # What a candidate needs until it has its first mixture.
    double* zero                # (K,)
    double* centres             # (K, d) in the view's coordinates, then in the sample's
    double* whiteners           # (K, d) at most
    double* wide                # (K, d, d) at most: whiteners in the sample's coordinates
    double* update              # scratch
    Moments moments             # of the simpler mixture
    Estimate[1] simple
    bint soft                   # whether `simple` is what was begun, else a partition about `centres`
    Layout layout               # of `wide`
    double spread               # of the rows about their centres, in one feature of the view


cdef inline Py_ssize_t room_to_begin(Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    return 2 * K + 2 * K * d + K * d * d + moments_size(DIAGONAL, K, d) + estimate_size(DIAGONAL, K, d)


cdef inline void lay_out_room(BeginRoom* room, double* buffer, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    room.zero, room.update = buffer, buffer + K
    room.centres = buffer + 2 * K
    room.whiteners = room.centres + K * d
    room.wide = room.whiteners + K * d
    room.moments = moments_in(room.wide + K * d * d, K, d)
    room.simple[0] = estimate_in(room.wide + K * d * d + moments_size(DIAGONAL, K, d), DIAGONAL, K, d)


cdef inline bint has_simpler(Layout layout) noexcept nogil:
    return layout == DIAGONAL or layout == FULL


cdef inline double log_volume(const Metric* metric, Py_ssize_t d) noexcept nogil:
    """log|V|."""
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(d):
        total += log(metric.whitener[i * (d + 1) if metric.layout == TIED else i if metric.layout == DIAGONAL else 0])
    return total


cdef inline Layout simpler_layout(Layout layout) noexcept nogil:
    return SPHERICAL if layout == DIAGONAL else DIAGONAL


cdef inline double largest(const double* reach, Py_ssize_t d) noexcept nogil:
    """The largest of d numbers; 1 where none is positive."""
    cdef Py_ssize_t j
    cdef double most = 0
    for j in range(d):
        most = max(most, reach[j])
    return most if most > 0 else 1


cdef inline void fill_whiteners(Layout layout, Py_ssize_t K, Py_ssize_t d, double scale, double* out) noexcept nogil:
    """`scale` for every component, spherical or diagonal."""
    cdef Py_ssize_t i
    for i in range(n_second(layout, K, d)):
        out[i] = scale


cdef inline Family simpler_family(Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    cdef Family family
    family.layout, family.constraint, family.K, family.d = layout, NONE, K, d
    family.ridge, family.prior.mean, family.prior.scale = 1e-6, NULL, NULL
    family.prior.shrinkage = family.prior.pseudocount = family.prior.constant = 0
    return family


cdef inline void to_sample(const Metric* metric, Py_ssize_t n, Py_ssize_t d, double* points) noexcept nogil:
    """Points (n, d) of a view in the sample's own coordinates, in place."""
    cdef Py_ssize_t i, j, k
    cdef double* y
    for k in range(n):
        y = points + k * d
        for i in range(d):
            if metric.layout == TIED:
                for j in range(i):
                    y[i] -= metric.whitener[i * d + j] * y[j]
                y[i] /= metric.whitener[i * d + i]
            else:
                y[i] /= metric.whitener[i if metric.layout == DIAGONAL else 0]
        for i in range(d):
            y[i] += metric.centre[i]


cdef inline Layout layout_in_sample(Layout metric, Layout simpler) noexcept nogil:
    """The layout of a simpler mixture's whiteners W V."""
    if metric == TIED:
        return FULL
    return DIAGONAL if metric == DIAGONAL else simpler


cdef inline void whiteners_in_sample(
    const Metric* metric, Layout simpler, const double* whiteners, Py_ssize_t K, Py_ssize_t d,     # IN W
    double* out,                                   # OUT W V in `layout_in_sample`
) noexcept nogil:
    cdef Layout layout = layout_in_sample(metric.layout, simpler)
    cdef Py_ssize_t size = matrix_size(simpler, d), wide = matrix_size(layout, d), i, j, k
    cdef double w
    for k in range(K):
        for i in range(wide if layout != FULL else d):
            w = whiteners[k * size + (i if simpler == DIAGONAL else 0)]
            if layout == FULL:
                for j in range(d):
                    out[k * wide + i * d + j] = w * metric.whitener[i * d + j] if j <= i else 0
            else:
                out[k * wide + i] = w * metric.whitener[i if metric.layout == DIAGONAL else 0]


cdef inline void repeat(const Metric* metric, Py_ssize_t K, Py_ssize_t d, double scale, double* out) noexcept nogil:
    """V × `scale` for each component, where components do not share one."""
    cdef Py_ssize_t size = matrix_size(metric.layout, d), i, k
    for k in range(1 if metric.layout == TIED else K):
        for i in range(size):
            out[k * size + i] = scale * metric.whitener[i]


cdef inline void move_to_means(const Moments* moments, Py_ssize_t K, Py_ssize_t d, double* centres) noexcept nogil:
    """Each centre to the mean of its rows, if it has any."""
    cdef Py_ssize_t j, k
    for k in range(K):
        if moments.counts[k] > 0:
            for j in range(d):
                centres[k * d + j] = moments.origins[k * d + j] + step_of(moments, k, j, d)


cdef inline double thinness(const Family* family, const Estimate* mixture, double* pooled) noexcept nogil:
    """max_k tr Σ_k⁻¹W, W = Σ_k π_k Σ_k, which goes into `pooled`."""
    cdef Py_ssize_t K = family.K, d = family.d, size = matrix_size(family.layout, d), i, k
    cdef double most = 0
    if family.layout == TIED:
        return d
    memset(pooled, 0, size * sizeof(double))
    for k in range(K):
        for i in range(size):
            pooled[i] += mixture.weights[k] * mixture.covariances[k * size + i]
    for k in range(K):
        most = max(most, 2 * half_trace_of_product(family.layout, d, mixture.whiteners + k * size, pooled))
    return most
