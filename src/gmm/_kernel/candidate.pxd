"""Candidates for a start: how they begin in a view of the rows, and how they leave it.

A view has the coordinates y = V (x − centre) of a metric V, in which the variance of the rows is about 1. There k-means
moves the seeds. For families with diagonal or full covariances, a few passes of EM then fit a simpler mixture, with
spherical or diagonal ones. Its responsibilities give the family its first mixture, in the coordinates of x.
"""
from libc.math cimport log
from libc.string cimport memset

from gmm._kernel.estimate cimport Estimate, estimate_in, estimate_size
from gmm._kernel.family cimport Family, likelihood
from gmm._kernel.layout cimport (
    DIAGONAL,
    FULL,
    SPHERICAL,
    Layout,
    axis_stride,
    diagonal_stride,
    is_dense,
    is_pooled,
    matrix_size,
    n_matrices,
    total_size,
)
from gmm._kernel.moments cimport Moments, moments_in, moments_size
from gmm._kernel.whitener cimport half_trace_of_product


cdef struct ViewMetric:
    Layout layout               # spherical, diagonal or tied
    const double* whitener      # V, as its layout stores it
    const double* centre        # (d,) in the coordinates of x


cdef struct BeginRoom:
    # What a candidate needs before its family's first mixture.
    double* zero                # (K,)
    double* centres             # (K, d) of y, in the end of x
    double* whiteners           # (K, d) at most
    double* wide                # whiteners of x
    double* update              # scratch of an update of `simple`
    Moments moments             # of y
    Estimate simple             # the simpler mixture
    double spread               # root mean square of a feature of y about the centres
    bint soft                   # leave with the responsibilities of `simple`, else with a partition about `centres`
    Layout layout               # of `wide`


cdef inline Layout layout_of_rows(Layout metric, Layout simpler) noexcept nogil:
    """Layout of the whiteners W V."""
    if is_dense(metric):
        return FULL
    return DIAGONAL if metric == DIAGONAL else simpler


cdef inline Py_ssize_t wide_size(Layout metric, Layout simpler, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    """Numbers in whiteners of x, of whichever kind."""
    return max(total_size(metric, K, d), total_size(layout_of_rows(metric, simpler), K, d))


cdef inline Py_ssize_t begin_size(Layout metric, Layout simpler, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    """Doubles that `lay_out_begin` needs."""
    return (2 * K + 2 * K * d + wide_size(metric, simpler, K, d) + moments_size(DIAGONAL, K, d)
            + estimate_size(DIAGONAL, K, d))


cdef inline void lay_out_begin(
    BeginRoom* room, double* buffer, Layout metric, Layout simpler, Py_ssize_t K, Py_ssize_t d,
) noexcept nogil:
    cdef double* rest
    room.zero, room.update = buffer, buffer + K
    room.centres = buffer + 2 * K
    room.whiteners = room.centres + K * d
    room.wide = room.whiteners + K * d
    rest = room.wide + wide_size(metric, simpler, K, d)
    room.moments = moments_in(rest, K, d)
    room.simple = estimate_in(rest + moments_size(DIAGONAL, K, d), DIAGONAL, K, d)


# ------------------------------------------------------------------------------- the simpler mixture

cdef inline bint has_simpler(Layout layout, Py_ssize_t d) noexcept nogil:
    """Return whether there is one that is of use: of one feature, all families would have the same."""
    return d > 1 and (layout == DIAGONAL or layout == FULL)


cdef inline Layout simpler_layout(Layout layout) noexcept nogil:
    return SPHERICAL if layout == DIAGONAL else DIAGONAL


cdef inline Family simpler_family(Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    cdef Family family
    family.covariance_layout = family.moment_layout = layout
    family.constraint, family.K, family.d = NULL, K, d
    family.ridge = 1e-6                     # of the variance of y
    family.objective, family.owners = likelihood(), NULL
    return family


# ------------------------------------------------------------------------------------------- k-means

cdef inline double largest_reach(const double* reach, Py_ssize_t d) noexcept nogil:
    """Return the largest of d numbers, or 1 if none is positive."""
    cdef Py_ssize_t j
    cdef double most = 0
    for j in range(d):
        most = max(most, reach[j])
    return most if most > 0 else 1


cdef inline void fill_whiteners(Layout layout, Py_ssize_t K, Py_ssize_t d, double scale, double* out) noexcept nogil:
    """Write `scale` for every component of an axis-aligned layout."""
    cdef Py_ssize_t i
    for i in range(total_size(layout, K, d)):
        out[i] = scale


# ---------------------------------------------------------------------------------- from y back to x

cdef inline double log_volume(const ViewMetric* metric, Py_ssize_t d) noexcept nogil:
    """log|V|."""
    cdef Py_ssize_t stride = diagonal_stride(metric.layout, d) if metric.layout != SPHERICAL else 0, j
    cdef double total = 0
    for j in range(d):
        total += log(metric.whitener[j * stride])
    return total


cdef inline void points_to_rows(const ViewMetric* metric, Py_ssize_t n, Py_ssize_t d, double* points) noexcept nogil:
    """Bring points y, (n, d), to the coordinates of x, in place."""
    cdef Py_ssize_t stride = axis_stride(metric.layout), i, j, k
    cdef double* y
    for k in range(n):
        y = points + k * d
        for i in range(d):
            if is_dense(metric.layout):
                for j in range(i):
                    y[i] -= metric.whitener[i * d + j] * y[j]
                y[i] /= metric.whitener[i * d + i]
            else:
                y[i] /= metric.whitener[i * stride]
        for i in range(d):
            y[i] += metric.centre[i]


cdef inline void whiteners_to_rows(
    const ViewMetric* metric, Layout simpler, const double* whiteners, Py_ssize_t K, Py_ssize_t d,     # IN W
    double* out,                                   # OUT W V in `layout_of_rows`
) noexcept nogil:
    cdef Layout layout = layout_of_rows(metric.layout, simpler)
    cdef Py_ssize_t size = matrix_size(simpler, d), wide = matrix_size(layout, d), i, j, k
    cdef Py_ssize_t stride = axis_stride(simpler), along = axis_stride(metric.layout)
    for k in range(K):
        if is_dense(layout):
            for i in range(d):
                for j in range(d):
                    out[k * wide + i * d + j] = (
                        whiteners[k * size + i * stride] * metric.whitener[i * d + j] if j <= i else 0)
        else:
            for i in range(wide):
                out[k * wide + i] = whiteners[k * size + i * stride] * metric.whitener[i * along]


cdef inline void scaled_metric(
    const ViewMetric* metric, Py_ssize_t K, Py_ssize_t d, double scale,    # IN
    double* out,                                   # OUT V × `scale` for every component
) noexcept nogil:
    cdef Py_ssize_t size = matrix_size(metric.layout, d), i, k
    for k in range(n_matrices(metric.layout, K)):
        for i in range(size):
            out[k * size + i] = scale * metric.whitener[i]


# --------------------------------------------------------------------------------- what it has become

cdef inline double thinness(const Family* family, const Estimate* mixture, double* pooled) noexcept nogil:
    """Return max_k tr Σ_k⁻¹P, P = Σ_k π_k Σ_k, which goes into `pooled`."""
    cdef Layout layout = family.covariance_layout
    cdef Py_ssize_t K = family.K, d = family.d, size = matrix_size(layout, d), i, k
    cdef double most = 0
    if is_pooled(layout):
        return d
    memset(pooled, 0, size * sizeof(double))
    for k in range(K):
        for i in range(size):
            pooled[i] += mixture.weights[k] * mixture.covariances[k * size + i]
    for k in range(K):
        most = max(most, 2 * half_trace_of_product(layout, d, mixture.whiteners + k * size, pooled))
    return most
