"""Heavy tails: what a pass makes of normal densities, and the degrees of freedom that its sums imply.

A component's density is t with ν degrees of freedom (Peel & McLachlan 2000): log ρ_ik = log_offset_k − ½(ν + d) log(1 +
q/ν), q = ‖W_k (x_i − c_k)‖². It is a normal one whose precision is multiplied by an unknown u ~ Gamma(ν/2, ν/2), with
the mean (ν + d)/(ν + q) given a row. First and second moments are weighted with it, counts are not. A pass also adds
up Σ r E [log u − u], which decides ν.

An update divides all moments by the counts. So those of a pass are brought to what it expects: first ones to n_k times
the mean Σ r u x / Σ r u, second ones to the scatter about it and the square of that mean n_k times. Solvers, covariance
models and the ridge see the statistics of normal components, and EM stays EM.
"""
from libc.float cimport DBL_MIN
from libc.math cimport lgamma, log

from gmm._kernel.layout cimport Layout, component_stride, mirror_all, shift_second
from gmm._kernel.moments cimport Moments
from gmm._kernel.variational cimport digamma

cdef enum:
    HALVINGS = 52             # of an interval, until its ends are the same numbers

cdef inline double least_degrees() noexcept nogil:
    return 1


cdef inline double most_degrees() noexcept nogil:
    return 200


cdef inline double log_tail_constant(double degrees, Py_ssize_t d) noexcept nogil:
    """Return the log normaliser of a t density less that of a normal one; 0 for normal tails."""
    if degrees == 0:
        return 0
    return lgamma((degrees + d) / 2) - lgamma(degrees / 2) - d / 2. * log(degrees / 2)


cdef inline double expected_precision(double degrees) noexcept nogil:
    """E [log u − u], u ~ Gamma(ν/2, ν/2); it rises with ν."""
    return digamma(degrees / 2) - log(degrees / 2) - 1


cdef inline double precision_information(double degrees) noexcept nogil:
    """The variance of log u − u: ψ′(ν/2) − 2/ν (Abramowitz & Stegun 1964, 6.4.6 and 6.4.12)."""
    cdef double x = degrees / 2, total = -1 / x, y
    while x < 10:
        total += 1 / (x * x)
        x += 1
    y = 1 / (x * x)
    return total + 1 / x + y / 2 + y / x * (1 / 6. - y * (1 / 30. - y * (1 / 42. - y * (1 / 30. - y * 5 / 66.))))


cdef inline double likeliest_degrees(double mean) noexcept nogil:
    """The degrees of freedom, within their limits, of which log u − u has this mean."""
    cdef double low = least_degrees(), high = most_degrees(), middle
    cdef int _
    for _ in range(HALVINGS):
        middle = (low * high) ** 0.5
        if expected_precision(middle) < mean:
            low = middle
        else:
            high = middle
    return (low * high) ** 0.5


cdef inline void reduce_to_normal(
    const double* tails, Layout layout, Py_ssize_t K, Py_ssize_t d,
    const double* sums,                            # IN (2, K) as `weigh_by_precision` adds them up
    Moments* moments,                              # IN weighted by r u, OUT as an update expects them
) noexcept nogil:
    cdef Py_ssize_t j, k
    cdef double half
    cdef double* step
    for k in range(K):
        step = moments.first + k * d
        for j in range(d):
            step[j] /= max(moments.counts[k], DBL_MIN)
        shift_second(layout, d, step, step, sums[k] - moments.counts[k] - 2, 1,
                     moments.second + k * component_stride(layout, d))
        for j in range(d):
            step[j] *= sums[k]
        # A row's u has a gamma distribution with the shape (ν + d)/2: its log has another mean than its mean's log.
        half = (tails[k] + d) / 2
        moments.precision[k] = sums[K + k] + sums[k] * (digamma(half) - log(half))
        moments.counts[k] = sums[k]
    mirror_all(layout, K, d, moments.second)
