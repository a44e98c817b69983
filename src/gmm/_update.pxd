"""The parameter update: from moments to the most likely mixture whose covariances are free in their layout."""
from libc.float cimport DBL_EPSILON, DBL_MIN
from libc.math cimport INFINITY, M_PI, isfinite, log, sqrt
from libc.string cimport memcpy, memset

from gmm._blas cimport invert_cholesky
from gmm._linear cimport DIAGONAL, FULL, SPHERICAL, TIED, Layout, n_second
from gmm._moments cimport Moments, mirror

cdef enum:
    WIDEST_BY_HAND = 16       # features up to which a call of LAPACK costs more than its work


cdef struct Estimate:
    double* weights             # (K,)
    double* means               # (K, d)
    double* covariances         # in the shape of their layout
    double* whiteners           # likewise
    double* log_determinants    # log|W|: (K,), or (1,) for one common covariance
    double* log_offset          # (K,)


cdef inline Py_ssize_t n_matrices(Layout layout, Py_ssize_t K) noexcept nogil:
    return 1 if layout == TIED else K


cdef inline Py_ssize_t estimate_size(Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    return K * (2 + d) + 2 * n_second(layout, K, d) + n_matrices(layout, K)


cdef inline Estimate estimate_in(double* buffer, Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    cdef Estimate estimate
    estimate.weights = buffer
    estimate.means = buffer + K
    estimate.covariances = estimate.means + K * d
    estimate.whiteners = estimate.covariances + n_second(layout, K, d)
    estimate.log_determinants = estimate.whiteners + n_second(layout, K, d)
    estimate.log_offset = estimate.log_determinants + n_matrices(layout, K)
    return estimate


cdef inline double least_count(const Moments* moments) noexcept nogil:
    """A component that weighs no more is without rows."""
    return DBL_EPSILON * moments.weight


cdef inline bint any_empty(const Moments* moments, Py_ssize_t K) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(K):
        if moments.counts[k] <= least_count(moments):
            return True
    return False


cdef inline double step_of(const Moments* moments, Py_ssize_t k, Py_ssize_t j, Py_ssize_t d) noexcept nogil:
    """From the origin to the mean; moments of a component without rows are zero, whatever divides them."""
    return moments.first[k * d + j] / max(moments.counts[k], DBL_MIN)


cdef inline Py_ssize_t most_likely(
    const Moments* moments, Layout layout, Py_ssize_t K, Py_ssize_t d, double ridge,       # IN
    Estimate* out,                                 # OUT, all of it or, where a matrix failed, up to there
) noexcept nogil:
    """The first component whose covariance is not positive definite; −1 when there is none."""
    cdef Py_ssize_t failed, j, k
    cdef double total = 0
    for k in range(K):
        # A component without rows must not divide by zero: it keeps its place, with the ridge as its covariance.
        out.weights[k] = max(moments.counts[k], least_count(moments))
        total += out.weights[k]
        for j in range(d):
            out.means[k * d + j] = step_of(moments, k, j, d)
    covariances_of(moments, layout, K, d, ridge, out.weights, total, out.means, out.covariances)
    for k in range(K):
        out.weights[k] /= total
        for j in range(d):
            out.means[k * d + j] += moments.origins[k * d + j]
    failed = whiten(layout, n_matrices(layout, K), d, out.covariances, out.whiteners, out.log_determinants)
    if failed < 0:
        log_offsets(out.weights, out.log_determinants, layout, K, d, out.log_offset)
    return failed


cdef inline void covariances_of(
    const Moments* moments, Layout layout, Py_ssize_t K, Py_ssize_t d, double ridge,
    const double* counts, double total, const double* steps,               # IN (K,), their sum, (K, d)
    double* covariances,                           # OUT
) noexcept nogil:
    """(S_k − n_k s_k s_kᵀ) / n_k, s_k being the steps from the origins to the means, and the ridge."""
    cdef const double* first = moments.first
    cdef const double* second = moments.second
    cdef Py_ssize_t j, k
    cdef double about
    memcpy(covariances, second, n_second(layout, K, d) * sizeof(double))
    if layout == FULL or layout == TIED:
        for k in range(K):
            subtract_outer(first + k * d, steps + k * d, d, covariances + (k * d * d if layout == FULL else 0))
        for k in range(n_matrices(layout, K)):
            divide(counts[k] if layout == FULL else total, ridge, d, covariances + k * d * d)
    elif layout == DIAGONAL:
        for k in range(K):
            for j in range(d):
                about = second[k * d + j] - first[k * d + j] * steps[k * d + j]
                covariances[k * d + j] = (0 if about < 0 else about) / counts[k] + ridge
    else:
        for k in range(K):
            about = 0
            for j in range(d):
                about += first[k * d + j] * steps[k * d + j]
            about = second[k] - about / d
            covariances[k] = (0 if about < 0 else about) / counts[k] + ridge


cdef inline void subtract_outer(
    const double* a, const double* b, Py_ssize_t d,        # IN (d,)
    double* matrix,                                # IN, OUT (d, d), lower: −= a bᵀ
) noexcept nogil:
    cdef Py_ssize_t i, j
    for i in range(d):
        for j in range(i + 1):
            matrix[i * d + j] -= a[i] * b[j]


cdef inline void divide(
    double count, double ridge, Py_ssize_t d,
    double* matrix,                                # IN (d, d), lower, OUT both triangles: / count + ridge I
) noexcept nogil:
    cdef Py_ssize_t i, j
    for i in range(d):
        for j in range(i + 1):
            matrix[i * d + j] /= count
        matrix[i * d + i] += ridge
    mirror(matrix, d)


cdef inline void log_offsets(
    const double* weights, const double* log_determinants, Layout layout, Py_ssize_t K, Py_ssize_t d,
    double* log_offset,                            # OUT (K,) log π_k + log|W_k| − d/2·log 2π
) noexcept nogil:
    cdef Py_ssize_t k
    cdef double constant = 0.5 * d * log(2 * M_PI)
    for k in range(K):
        log_offset[k] = log(weights[k]) + log_determinants[0 if layout == TIED else k] - constant


# ---------------------------------------------------------------------------------------- whiteners

cdef inline Py_ssize_t whiten(
    Layout layout, Py_ssize_t m, Py_ssize_t d, const double* matrices,     # IN m matrices
    double* whiteners, double* log_determinants,                           # OUT W with Σ⁻¹ = WᵀW, (m,) log|W|
) noexcept nogil:
    """The first matrix that is not positive definite; −1 when there is none."""
    cdef Py_ssize_t size = n_second(layout, m, d) // m, k
    cdef double* whitener
    memcpy(whiteners, matrices, m * size * sizeof(double))
    for k in range(m):
        whitener = whiteners + k * size
        if layout == FULL or layout == TIED:
            log_determinants[k] = invert_dense(whitener, d)
        else:
            log_determinants[k] = invert_roots(whitener, size) * (d // size)
        if not isfinite(log_determinants[k]):
            return k
    return -1


cdef inline double invert_roots(double* values, Py_ssize_t n) noexcept nogil:
    """Turn variances v into 1/√v; Σ log of those, infinite or NaN where one is no positive number."""
    cdef Py_ssize_t j
    cdef double total = 0
    for j in range(n):
        total -= log(values[j]) / 2
        values[j] = 1 / sqrt(values[j])
    return total


cdef inline double invert_dense(
    double* matrix, Py_ssize_t d,                  # IN, OUT (d, d): A, then L⁻¹ where A = L Lᵀ, zero above
) noexcept nogil:
    """log|L⁻¹|, infinite where A is not positive definite."""
    cdef Py_ssize_t i
    cdef double total = 0
    if not (invert_by_hand(matrix, d) if d <= WIDEST_BY_HAND else invert_cholesky(matrix, d)):
        return -INFINITY
    for i in range(d):
        total += log(matrix[i * d + i])
        memset(matrix + i * d + i + 1, 0, (d - i - 1) * sizeof(double))
    return total


cdef inline bint invert_by_hand(
    double* matrix, Py_ssize_t d,                  # IN, OUT (d, d), lower: A, then L⁻¹ where A = L Lᵀ
) noexcept nogil:
    """Whether A was positive definite."""
    cdef Py_ssize_t i, j, p
    cdef double rest
    cdef double* row
    cdef double* other
    for i in range(d):
        row = matrix + i * d
        for j in range(i):
            other = matrix + j * d
            rest = row[j]
            for p in range(j):
                rest -= row[p] * other[p]
            row[j] = rest / other[j]
        rest = row[i]
        for p in range(i):
            rest -= row[p] * row[p]
        if not rest > 0:
            return False
        row[i] = sqrt(rest)
    for i in range(d):
        row = matrix + i * d
        row[i] = 1 / row[i]
        for j in range(i):
            rest = 0
            for p in range(j, i):
                rest += row[p] * matrix[p * d + j]
            row[j] = -rest * row[i]
    return True
