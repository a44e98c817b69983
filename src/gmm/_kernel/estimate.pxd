"""The parameters of a mixture with the factors of their covariances, in one buffer."""
from libc.string cimport memcpy

from gmm._kernel.layout cimport Layout, n_matrices, total_size

cdef struct Estimate:
    double* weights             # (K,)
    double* means               # (K, d)
    double* covariances         # as their layout stores them
    double* whiteners           # likewise
    double* log_determinants    # log|W|: (K,), or (1,) for one common covariance
    double* log_offset          # (K,) for a next pass, by `most_likely` alone
    double* tails               # (K,) ν of Student-t components; 0: normal


cdef inline Py_ssize_t estimate_size(Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    return K * (3 + d) + 2 * total_size(layout, K, d) + n_matrices(layout, K)


cdef inline Estimate estimate_in(double* buffer, Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    cdef Estimate estimate
    estimate.weights = buffer
    estimate.means = buffer + K
    estimate.covariances = estimate.means + K * d
    estimate.whiteners = estimate.covariances + total_size(layout, K, d)
    estimate.log_determinants = estimate.whiteners + total_size(layout, K, d)
    estimate.log_offset = estimate.log_determinants + n_matrices(layout, K)
    estimate.tails = estimate.log_offset + K
    return estimate


cdef inline void copy_estimate(
    Layout layout, Py_ssize_t K, Py_ssize_t d, const Estimate* estimate,
    Estimate* out,                                 # OUT all but offsets
) noexcept nogil:
    cdef Py_ssize_t size = total_size(layout, K, d)
    memcpy(out.weights, estimate.weights, K * sizeof(double))
    memcpy(out.means, estimate.means, K * d * sizeof(double))
    memcpy(out.covariances, estimate.covariances, size * sizeof(double))
    memcpy(out.whiteners, estimate.whiteners, size * sizeof(double))
    memcpy(out.log_determinants, estimate.log_determinants, n_matrices(layout, K) * sizeof(double))
    memcpy(out.tails, estimate.tails, K * sizeof(double))
