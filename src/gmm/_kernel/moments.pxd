"""Moments, what `SufficientStatistics` holds, in one buffer."""
from libc.float cimport DBL_EPSILON, DBL_MIN

from libc.string cimport memcpy

from gmm._kernel.layout cimport Layout, component_stride, total_size


cdef struct Moments:
    double* origins             # (K, d)
    double* counts              # (K,)
    double* first               # (K, d)
    double* second              # as their layout stores them
    double log_evidence
    double weight
    double* precision           # (K,) of components with heavy tails: see `tails.pxd`


cdef inline Py_ssize_t moments_size(Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    return K * (2 + 2 * d) + total_size(layout, K, d)


cdef inline Moments moments_in(double* buffer, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    cdef Moments moments
    moments.origins = buffer
    moments.counts = buffer + K * d
    moments.precision = moments.counts + K
    moments.first = moments.precision + K
    moments.second = moments.first + K * d
    moments.log_evidence = moments.weight = 0
    return moments


cdef inline double least_count(const Moments* moments) noexcept nogil:
    """Count up to which a component is empty."""
    return DBL_EPSILON * moments.weight


cdef inline bint any_empty(const Moments* moments, Py_ssize_t K) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(K):
        if moments.counts[k] <= least_count(moments):
            return True
    return False


cdef inline double step_of(const Moments* moments, Py_ssize_t k, Py_ssize_t j, Py_ssize_t d) noexcept nogil:
    """Return x̄_k less the origin in feature j, 0 for a component without rows."""
    return moments.first[k * d + j] / max(moments.counts[k], DBL_MIN)


cdef inline void move_to_means(const Moments* moments, Py_ssize_t K, Py_ssize_t d, double* centres) noexcept nogil:
    """Move each centre to the mean of its rows, if it has any."""
    cdef Py_ssize_t j, k
    for k in range(K):
        if moments.counts[k] > 0:
            for j in range(d):
                centres[k * d + j] = moments.origins[k * d + j] + step_of(moments, k, j, d)


cdef inline void halve(
    Layout layout, Py_ssize_t K, Py_ssize_t d, Py_ssize_t k, Py_ssize_t into,
    const double* step, const double* product,     # IN (d,) or NULL; ½ (f stepᵀ + step fᵀ), f the first moments of k
    Moments* moments,                              # IN, OUT of K components
) noexcept nogil:
    """Move half of the rows of component k to another, with the same mean and spread, or with means two steps apart.

    Then the zeroth, first and second moments of both together stay the same. Where k is the other one itself, all
    components are empty, and k, the heaviest, moves alone.
    """
    cdef Py_ssize_t stride = component_stride(layout, d), j
    cdef double* first = moments.first
    cdef double* second = moments.second
    moments.counts[k] *= 0.5
    moments.precision[k] *= 0.5
    for j in range(d):
        first[k * d + j] *= 0.5
    for j in range(stride):
        second[k * stride + j] *= 0.5
    if into != k:
        moments.counts[into] = moments.counts[k]
        moments.precision[into] = moments.precision[k]
        memcpy(moments.origins + into * d, moments.origins + k * d, d * sizeof(double))
        memcpy(first + into * d, first + k * d, d * sizeof(double))
        memcpy(second + into * stride, second + k * stride, stride * sizeof(double))
    if step == NULL:
        return
    for j in range(d):
        if into != k:
            first[k * d + j] -= moments.counts[k] * step[j]
        first[into * d + j] += moments.counts[into] * step[j]
    for j in range(stride):
        if into != k:
            second[k * stride + j] -= product[j]
        second[into * stride + j] += product[j]
