"""The parameters of a mixture with the factors of their covariances, in one buffer."""
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
