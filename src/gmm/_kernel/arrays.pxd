"""Values of the kernel as arrays of Python, values of Python as the kernel's, and what is checked of these."""
from libc.math cimport INFINITY
from libc.string cimport memcpy

from gmm._kernel.checks cimport expect, expect_matrix
from gmm._kernel.estimate cimport Estimate
from gmm._kernel.family cimport Constraint, Family
from gmm._kernel.layout cimport Layout, is_low_rank, is_pooled, n_matrices, total_size
from gmm._kernel.moments cimport Moments, moments_in


cdef inline check_factors(const Constraint* constraint, Py_ssize_t n_factors, Py_ssize_t d):
    cdef bint of_factors = constraint != NULL and constraint.solve_each != NULL
    if not (1 <= n_factors < d if of_factors else n_factors == 0):
        expected = f"at least 1 factor and fewer than {d}, the number of features" if of_factors else "no factors"
        raise ValueError(f"expected {expected}, got {n_factors}")


cdef inline check_ratio(double max_ratio, Layout layout, Py_ssize_t K, const Constraint* constraint):
    cdef bint joint = K > 1 and (constraint != NULL or is_pooled(layout))
    cdef bint of_factors = is_low_rank(layout) or constraint != NULL and constraint.solve_each != NULL
    if not max_ratio >= 1:
        raise ValueError(f"expected a ratio of eigenvalues of at least 1, got {max_ratio}")
    if max_ratio < INFINITY and (joint or of_factors):
        raise ValueError(f"expected free covariances of {K} components with a ratio of eigenvalues, got {layout}")


cdef inline Estimate view_estimate(estimate, Layout layout, Py_ssize_t K, Py_ssize_t d) except *:
    """View what `estimate_arrays` returns; its arrays are only read, and have to stay."""
    cdef const double[::1] weights, covariances, whiteners, log_determinants, tails
    cdef const double[:, ::1] means
    cdef Py_ssize_t size = total_size(layout, K, d)
    cdef Estimate view
    weights, means, covariances, whiteners, log_determinants, tails = estimate
    expect("weights", weights.shape[0], K)
    expect_matrix("means", means, K, d)
    expect("covariances", covariances.shape[0], size)
    expect("whiteners", whiteners.shape[0], size)
    expect("log_determinants", log_determinants.shape[0], n_matrices(layout, K))
    expect("tails", tails.shape[0], K)
    view.weights, view.means, view.tails = <double*>&weights[0], <double*>&means[0, 0], <double*>&tails[0]
    view.covariances, view.whiteners = <double*>&covariances[0], <double*>&whiteners[0]
    view.log_determinants, view.log_offset = <double*>&log_determinants[0], NULL
    return view


cdef inline copied(double[::1] out, const double* values):
    """Return an array with a copy of so many numbers; that of a pointer's view takes several times as long."""
    memcpy(&out[0], values, out.shape[0] * sizeof(double))
    return out.base


cdef inline estimate_arrays(buffer, Layout layout, Py_ssize_t K, Py_ssize_t d):
    """View the buffer of an `Estimate` as weights, means, covariances, whiteners, log determinants and tails."""
    cdef Py_ssize_t size = total_size(layout, K, d), m = n_matrices(layout, K), covariances = K + K * d
    cdef Py_ssize_t whiteners = covariances + size, log_determinants = whiteners + size
    return (buffer[:K], buffer[K:covariances].reshape(K, d), buffer[covariances:whiteners],
            buffer[whiteners:log_determinants], buffer[log_determinants:log_determinants + m],
            buffer[log_determinants + m + K:])


cdef inline moments_arrays(buffer, layout, Py_ssize_t K, Py_ssize_t d, const Moments* moments):
    """View the buffer of `Moments` as the fields of `SufficientStatistics`, of this `Layout`."""
    n, first, shape = K * d, K * (d + 2), (K, d)
    return (layout, buffer[:n].reshape(shape), buffer[n:n + K], buffer[first:first + n].reshape(shape),
            buffer[first + n:].reshape(layout.shape(K, d)), moments.log_evidence, moments.weight, buffer[n + K:first])


cdef inline copy_statistics(statistics, const Family* family, double[::1] storage, Moments* out):
    """Copy `SufficientStatistics` into storage for moments."""
    cdef const double[::1] counts = statistics.counts, second = statistics.second.reshape(-1)
    cdef const double[::1] precision = statistics.precisions
    cdef Py_ssize_t K = family.K, d = family.d
    expect("counts", counts.shape[0], K)
    expect("precision", precision.shape[0], K)
    expect("second", second.shape[0], total_size(family.layout, K, d))
    out[0] = moments_in(&storage[0], K, d)
    copy_rows("origins", statistics.origins, K, d, out.origins)
    memcpy(out.counts, &counts[0], K * sizeof(double))
    copy_rows("first", statistics.first, K, d, out.first)
    memcpy(out.second, &second[0], second.shape[0] * sizeof(double))
    out.log_evidence, out.weight = statistics.log_evidence, statistics.weight
    memcpy(out.precision, &precision[0], K * sizeof(double))


cdef inline int copy_rows(str name, const double[:, :] rows, Py_ssize_t n, Py_ssize_t m, double* out) except -1:
    cdef Py_ssize_t i, j
    expect_matrix(name, rows, n, m)
    for i in range(n):
        for j in range(m):
            out[i * m + j] = rows[i, j]
    return 0
