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
    double* log_offset          # (K,) for a next pass, by `most_likely` alone


cdef inline Py_ssize_t n_matrices(Layout layout, Py_ssize_t K) noexcept nogil:
    return 1 if layout == TIED else K


cdef inline Py_ssize_t matrix_size(Layout layout, Py_ssize_t d) noexcept nogil:
    return n_second(layout, 1, d)


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


cdef inline double update_work(Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    """Multiply-adds of an update, roughly."""
    if layout == FULL or layout == TIED:
        return <double>K * d * d + n_matrices(layout, K) * <double>d * d * d
    return <double>K * d


cdef inline Py_ssize_t most_likely(
    const Moments* moments, Layout layout, Py_ssize_t K, Py_ssize_t d,     # IN
    double ridge, double noise,                    # IN variances: see `log_offsets` for the second
    Estimate* out,                                 # OUT
) noexcept nogil:
    """The first component whose covariance is not positive definite; −1 when there is none."""
    cdef double total = begin(moments, K, d, out)
    cdef Py_ssize_t failed
    estimate_covariances(moments, layout, K, d, ridge, total, 0, n_matrices(layout, K), out)
    failed = finish(moments, layout, K, d, total, out)
    log_offsets(layout, K, d, out.weights, out.whiteners, out.log_determinants, noise, out.log_offset)
    return failed


cdef inline double begin(
    const Moments* moments, Py_ssize_t K, Py_ssize_t d,
    Estimate* out,                                 # OUT the counts as weights, and steps from the origins as means
) noexcept nogil:
    """Σ counts."""
    cdef Py_ssize_t j, k
    cdef double total = 0
    for k in range(K):
        # A component without rows must not divide by zero: it keeps its place, with the ridge as its covariance.
        out.weights[k] = max(moments.counts[k], least_count(moments))
        total += out.weights[k]
        for j in range(d):
            out.means[k * d + j] = step_of(moments, k, j, d)
    return total


cdef inline Py_ssize_t finish(
    const Moments* moments, Layout layout, Py_ssize_t K, Py_ssize_t d, double total,       # IN
    Estimate* out,                                 # IN, OUT
) noexcept nogil:
    cdef Py_ssize_t j, k, m = n_matrices(layout, K)
    for k in range(K):
        out.weights[k] /= total
        for j in range(d):
            out.means[k * d + j] += moments.origins[k * d + j]
    return first_singular(out.log_determinants, m)


cdef inline void estimate_covariances(
    const Moments* moments, Layout layout, Py_ssize_t K, Py_ssize_t d, double ridge, double total,     # IN
    Py_ssize_t start, Py_ssize_t end,              # of the covariances
    Estimate* out,                                 # IN what `begin` wrote, OUT covariances and their factors
) noexcept nogil:
    """(S_k − n_k s_k s_kᵀ) / n_k, s_k being the steps from the origins to the means, and the ridge."""
    cdef Py_ssize_t size = matrix_size(layout, d), at = start * size, k
    memcpy(out.covariances + at, moments.second + at, (end - start) * size * sizeof(double))
    if layout == TIED:
        for k in range(K):
            subtract_outer(moments.first + k * d, out.means + k * d, d, out.covariances)
        divide(total, ridge, d, out.covariances)
    else:
        for k in range(start, end):
            estimate_one(layout, d, moments.first + k * d, out.means + k * d, out.weights[k], ridge,
                         out.covariances + k * size)
    whiten(layout, end - start, d, out.covariances + at, out.whiteners + at, out.log_determinants + start)


cdef inline void estimate_one(
    Layout layout, Py_ssize_t d, const double* first, const double* step, double count, double ridge,  # IN
    double* covariance,                            # IN a second moment, OUT
) noexcept nogil:
    cdef Py_ssize_t j
    cdef double square = 0
    if layout == FULL:
        subtract_outer(first, step, d, covariance)
        divide(count, ridge, d, covariance)
    elif layout == DIAGONAL:
        for j in range(d):
            covariance[j] = positive(covariance[j] - first[j] * step[j]) / count + ridge
    else:
        for j in range(d):
            square += first[j] * step[j]
        covariance[0] = positive(covariance[0] - square / d) / count + ridge


cdef inline double positive(double x) noexcept nogil:
    """The number without a sign that rounding gave it; NaN stays."""
    return 0 if x < 0 else x


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
    Layout layout, Py_ssize_t K, Py_ssize_t d,
    const double* weights, const double* whiteners, const double* log_determinants, double noise,      # IN
    double* log_offset,                            # OUT (K,) log π_k + log|W_k| − d/2·log 2π − ½ noise tr Σ_k⁻¹
) noexcept nogil:
    """What a pass adds for each component, where rows are seen through noise of that variance in every feature."""
    cdef Py_ssize_t k
    cdef double constant = 0.5 * d * log(2 * M_PI)
    for k in range(K):
        log_offset[k] = log(weights[k]) + log_determinants[0 if layout == TIED else k] - constant
        if noise > 0:
            log_offset[k] -= noise * half_trace_of_precision(layout, d, whiteners, k)


cdef inline double half_trace_of_precision(
    Layout layout, Py_ssize_t d, const double* whiteners, Py_ssize_t k,
) noexcept nogil:
    """½ tr Σ_k⁻¹ = ½‖W_k‖²."""
    cdef Py_ssize_t size = matrix_size(layout, d), i
    cdef double total = 0
    if layout != TIED:
        whiteners += k * size
    for i in range(size):
        total += whiteners[i] * whiteners[i]
    return (d * total if layout == SPHERICAL else total) / 2


# ---------------------------------------------------------------------------------------- whiteners

cdef inline void whiten(
    Layout layout, Py_ssize_t m, Py_ssize_t d, const double* matrices,     # IN m matrices
    double* whiteners, double* log_determinants,   # OUT W with Σ⁻¹ = WᵀW, (m,) log|W|: see `first_singular`
) noexcept nogil:
    cdef Py_ssize_t size = matrix_size(layout, d), k
    memcpy(whiteners, matrices, m * size * sizeof(double))
    for k in range(m):
        if layout == FULL or layout == TIED:
            log_determinants[k] = invert_dense(whiteners + k * size, d)
        else:
            log_determinants[k] = invert_roots(whiteners + k * size, size) * (d // size)


cdef inline Py_ssize_t first_singular(const double* log_determinants, Py_ssize_t m) noexcept nogil:
    """The first matrix that is not positive definite; −1 when there is none."""
    cdef Py_ssize_t k
    for k in range(m):
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
