"""Whiteners W of symmetric positive definite matrices, Σ⁻¹ = WᵀW, in any layout; log|W|; and traces and norms by W."""
from libc.float cimport DBL_MAX
from libc.math cimport INFINITY, isfinite, log, sqrt
from libc.string cimport memcpy, memset

from gmm._kernel.blas cimport multiply_first_transposed
from gmm._kernel.cholesky cimport WIDEST_BY_HAND, invert_dense
from gmm._kernel.layout cimport (
    Layout,
    apply_row,
    component_stride,
    features_per_number,
    is_axis_aligned,
    is_dense,
    is_low_rank,
    matrix_size,
    n_factors,
)


cdef inline void whiten(
    Layout layout, Py_ssize_t m, Py_ssize_t d, const double* matrices,     # IN m matrices
    double* whiteners, double* log_determinants,   # OUT W with Σ⁻¹ = WᵀW, (m,) log|W|: see `first_singular`
) noexcept nogil:
    cdef Py_ssize_t size = matrix_size(layout, d), k
    memcpy(whiteners, matrices, m * size * sizeof(double))
    for k in range(m):
        if is_low_rank(layout):
            log_determinants[k] = whiten_low_rank(n_factors(layout), d, matrices + k * size, whiteners + k * size)
        elif is_dense(layout):
            log_determinants[k] = invert_dense(whiteners + k * size, d)
        else:
            log_determinants[k] = invert_roots(whiteners + k * size, size) * features_per_number(layout, d)


cdef inline Py_ssize_t invert(
    Layout layout, Py_ssize_t m, Py_ssize_t d, const double* matrices,     # IN m matrices, not of low rank
    double* whiteners, double* log_determinants,   # OUT as `whiten` has them
    double* inverses,                              # OUT WᵀW
) noexcept nogil:
    """Return the first matrix that is not positive definite, −1 where all are."""
    cdef Py_ssize_t size = matrix_size(layout, d), i, j, k, r
    cdef double* into
    cdef const double* w
    whiten(layout, m, d, matrices, whiteners, log_determinants)
    for k in range(m):
        w, into = whiteners + k * size, inverses + k * size
        if not is_dense(layout):
            for j in range(size):
                into[j] = w[j] * w[j]
        elif d > WIDEST_BY_HAND:
            multiply_first_transposed(w, d, w, d, into, d, d, d, d)
        else:
            memset(into, 0, size * sizeof(double))
            for r in range(d):
                for i in range(r + 1):
                    for j in range(r + 1):
                        into[i * d + j] += w[r * d + i] * w[r * d + j]
    return first_singular(log_determinants, m)


cdef inline Py_ssize_t first_singular(const double* log_determinants, Py_ssize_t m) noexcept nogil:
    """Index of the first matrix that is not positive definite; −1 where all are."""
    cdef Py_ssize_t k
    for k in range(m):
        if not isfinite(log_determinants[k]):
            return k
    return -1


cdef inline double invert_roots(double* values, Py_ssize_t n) noexcept nogil:
    """Turn variances v into 1/√v; return Σ log 1/√v, infinite or NaN where a v is not positive or 1/v infinite."""
    cdef Py_ssize_t j
    cdef double total = 0
    for j in range(n):
        total -= log(values[j]) / 2
        values[j] = 1 / sqrt(values[j])
        if values[j] * values[j] > DBL_MAX:
            total = INFINITY
    return total


cdef inline double whiten_low_rank(
    Py_ssize_t q, Py_ssize_t d, const double* matrix,      # IN (1 + q, d) [ψ, Λᵀ]
    double* whitener,                              # IN the same, OUT [ψ^-½, A]
) noexcept nogil:
    """Return log|W|, infinite or NaN where a ψ is not positive."""
    cdef Py_ssize_t i, j, p
    cdef double total = invert_roots(whitener, d), square, entry
    cdef const double* loadings
    cdef const double* other
    cdef double* row
    for i in range(q):
        loadings, row = matrix + (1 + i) * d, whitener + (1 + i) * d
        square = 1
        for p in range(d):
            row[p] *= whitener[p]
            square += row[p] * row[p]
        for j in range(i):
            other = whitener + (1 + j) * d
            entry = 0                              # of L: as I + CCᵀ = L Lᵀ, C Aᵀ is L less an upper triangle
            for p in range(d):
                entry += loadings[p] * whitener[p] * other[p]
            square -= entry * entry
            for p in range(d):
                row[p] -= entry * other[p]
        square = sqrt(max(square, 1))              # which rounding may make less than 1
        total -= log(square)
        for p in range(d):
            row[p] /= square
    return total


cdef inline double half_square(
    Layout layout, Py_ssize_t d, const double* whitener, const double* a, const double* b,     # IN a, b (d,)
) noexcept nogil:
    """½‖W (a − b)‖²."""
    cdef Py_ssize_t i
    cdef double total = 0, z
    if is_low_rank(layout):
        return half_square_low_rank(n_factors(layout), d, whitener, a, b)
    for i in range(d):
        z = apply_row(layout, d, whitener, i, a, b)
        total += z * z
    return total / 2


cdef inline double half_square_low_rank(
    Py_ssize_t q, Py_ssize_t d, const double* whitener, const double* a, const double* b,      # IN a, b (d,)
) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef double total = 0, y
    for j in range(d):
        total += (whitener[j] * (a[j] - b[j])) ** 2
    for i in range(1, 1 + q):
        y = 0
        for j in range(d):
            y += whitener[i * d + j] * whitener[j] * (a[j] - b[j])
        total -= y * y
    return total / 2


cdef inline double half_trace_of_noise(
    Layout layout, Py_ssize_t d, const double* whiteners, Py_ssize_t k, double noise,
) noexcept nogil:
    """½ ν tr Σ_k⁻¹ = ½‖√ν W_k‖², of noise ν in every direction; squares of W_k alone may overflow."""
    cdef Py_ssize_t i, j
    cdef const double* whitener = whiteners + k * component_stride(layout, d)
    cdef double total = 0, root = sqrt(noise)
    if is_low_rank(layout):
        for j in range(d):
            total += (root * whitener[j]) ** 2
            for i in range(1, 1 + n_factors(layout)):
                total -= (whitener[i * d + j] * (root * whitener[j])) ** 2
        return total / 2
    for i in range(matrix_size(layout, d)):
        total += (root * whitener[i]) ** 2
    return features_per_number(layout, d) * total / 2


cdef inline double half_trace_of_product(
    Layout layout, Py_ssize_t d, const double* whitener, const double* matrix,
) noexcept nogil:
    """½ tr Σ⁻¹Λ = ½ tr WΛWᵀ."""
    cdef Py_ssize_t i, j, r
    cdef double total = 0, twice, w
    cdef double[4] sums
    if is_axis_aligned(layout):
        for i in range(matrix_size(layout, d)):
            total += whitener[i] * whitener[i] * matrix[i]
        return total / 2 * features_per_number(layout, d)
    for i in range(d):
        for r in range(i + 1):
            sums[0] = sums[1] = sums[2] = sums[3] = twice = 0
            for j in range(0, r - 3, 4):           # four sums: one would wait for each addition
                sums[0] += matrix[r * d + j] * whitener[i * d + j]
                sums[1] += matrix[r * d + j + 1] * whitener[i * d + j + 1]
                sums[2] += matrix[r * d + j + 2] * whitener[i * d + j + 2]
                sums[3] += matrix[r * d + j + 3] * whitener[i * d + j + 3]
            for j in range(r // 4 * 4, r):
                twice += matrix[r * d + j] * whitener[i * d + j]
            w = whitener[i * d + r]
            total += w * (2 * (twice + (sums[0] + sums[1]) + (sums[2] + sums[3])) + matrix[r * d + r] * w)
    return total / 2
