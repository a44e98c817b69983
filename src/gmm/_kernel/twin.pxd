"""The twin of `tile.h` in Cython and BLAS: the same arithmetic for every compiler, and a reference for tests.

Rows run along vectors; `ld` is the distance between two features or components.
"""
from libc.math cimport exp, log
from libc.string cimport memset

from gmm._kernel.blas cimport multiply, multiply_by_lower, multiply_transposed, real


cdef inline void add_products(
    const real* a, Py_ssize_t lda, const real* b, Py_ssize_t ldb,      # IN (m, n), (k, n)
    real* products,                                # scratch (m, k), for float32
    double* c, Py_ssize_t ldc,                     # IN, OUT (m, k) += a bᵀ
    Py_ssize_t m, Py_ssize_t k, Py_ssize_t n,
) noexcept nogil:
    cdef Py_ssize_t i, j
    if real is double:
        multiply_transposed(a, lda, b, ldb, c, ldc, m, k, n, 1.0)
    else:
        multiply_transposed(a, lda, b, ldb, products, k, m, k, n, <real>0)
        for i in range(m):
            for j in range(k):
                c[i * ldc + j] += products[i * k + j]


cdef inline void add_scatter(
    const real* x, Py_ssize_t ld, const real* centre, const real* mass,    # IN (d, n), (d,), (n,)
    real* y, real* products,                       # scratch (1 + 2d, n), (d, d)
    double* row, double* second,                   # IN, OUT += Σ mass [1, z], Σ mass z zᵀ, z = x − centre
    Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    cdef Py_ssize_t j, r
    cdef real* z = y + d * ld
    for r in range(n):
        z[r] = 1
    for j in range(d):
        for r in range(n):
            z[(1 + j) * ld + r] = x[j * ld + r] - centre[j]
            y[j * ld + r] = mass[r] * z[(1 + j) * ld + r]
    add_products(mass, ld, z, ld, products, row, 1 + d, 1, 1 + d, n)
    add_products(y, ld, z + ld, ld, products, second, d, d, d, n)


cdef inline void log_density_triangular(
    const real* whitener, const real* x, Py_ssize_t ld, const real* centre,    # IN (d, d), (d, n), (d,) or NULL: zero
    double log_offset,
    real* y,                                       # scratch (d, n)
    real* log_density,                             # OUT (n,) log_offset − ½‖W (x − centre)‖²
    Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    cdef Py_ssize_t j, r
    for j in range(d):
        for r in range(n):
            y[j * ld + r] = x[j * ld + r] - (centre[j] if centre != NULL else 0)
    multiply_by_lower(whitener, y, ld, d, n)
    density_from_squares(y, ld, log_offset, log_density, d, n)


cdef inline void log_density_diagonal(
    const real* whitener, Py_ssize_t stride, const real* x, Py_ssize_t ld, const real* centre, double log_offset,  # IN
    real* log_density,                             # OUT (n,) log_offset − ½ Σ_j (w_j z_j)², z = x − centre
    Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    cdef Py_ssize_t j, r
    cdef real y
    memset(log_density, 0, n * sizeof(real))
    for j in range(d):
        for r in range(n):
            y = whitener[j * stride] * (x[j * ld + r] - centre[j])
            log_density[r] += y * y
    density_of_squares(log_offset, log_density, n)


cdef inline void log_density_low_rank(
    const real* roots, const real* centres,        # IN (K, d), behind it all maps (K, q, d) and shifts (K, q), (K, d)
    const double* log_offset, const real* x, Py_ssize_t ld,        # IN (K,), (d, n)
    real* y, real* tile,                           # OUT (K, q, n), (K, n) log_offset − ½ Σ_j (w_j z_j)² + ½‖y‖²
    Py_ssize_t K, Py_ssize_t q, Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    cdef Py_ssize_t i, k
    multiply(roots + K * d, d, x, ld, y, ld, K * q, n, d)
    for k in range(K):
        log_density_diagonal(roots + k * d, 1, x, ld, centres + k * d, log_offset[k], tile + k * ld, d, n)
        for i in range(k * q, (k + 1) * q):
            add_half_squares(roots[K * (1 + q) * d + i], n, y + i * ld, tile + k * ld)


cdef inline void add_half_squares(
    real shift, Py_ssize_t n,
    real* y,                                       # IN, OUT (n,) less the shift
    real* log_density,                             # IN, OUT (n,) + ½ y²
) noexcept nogil:
    cdef real far = 1e35 if real is float else 1e290       # beyond which the square that it is part of is cut off
    cdef real half
    cdef Py_ssize_t r
    for r in range(n):
        y[r] -= shift
        half = y[r] * y[r] / 2
        log_density[r] += half if half < far else 0


cdef inline void add_axis_moments(
    const real* x, Py_ssize_t ld, const real* centre, const real* mass,    # IN (d, n), (d,), (n,)
    double* first, double* second,                 # IN, OUT += Σ mass z, Σ mass z², z = x − centre
    Py_ssize_t stride, Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    cdef Py_ssize_t j, r
    cdef real y, z
    for j in range(d):
        for r in range(n):
            z = x[j * ld + r] - centre[j]
            y = mass[r] * z
            first[j] += y
            second[j * stride] += y * z


cdef inline void density_from_squares(
    const real* y, Py_ssize_t ld, double log_offset,       # IN (d, n)
    real* log_density,                             # OUT (n,) log_offset − ½ Σ_j y_j²
    Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    cdef Py_ssize_t j, r
    memset(log_density, 0, n * sizeof(real))
    for j in range(d):
        for r in range(n):
            log_density[r] += y[j * ld + r] * y[j * ld + r]
    density_of_squares(log_offset, log_density, n)


cdef inline void density_of_squares(
    double log_offset,
    real* log_density,                             # IN squares, OUT (n,) log_offset − ½ of them
    Py_ssize_t n,
) noexcept nogil:
    # The largest square that is kept: rows beyond it tie instead of turning into inf − inf.
    cdef real far = 1e37 if real is float else 1e300
    cdef real square
    cdef Py_ssize_t r
    for r in range(n):
        square = log_density[r]
        log_density[r] = <real>log_offset - (square if square < far else far) / 2


cdef inline void choose(
    const real* tile, Py_ssize_t ld,               # IN log ρ (K, n)
    real* peak, real* best,                        # OUT (n,), (n,) the largest and its component, the first of equals
    Py_ssize_t n_components, Py_ssize_t n,
) noexcept nogil:
    cdef Py_ssize_t k, r, likeliest
    for r in range(n):
        likeliest = 0
        for k in range(1, n_components):
            if tile[k * ld + r] > tile[likeliest * ld + r]:
                likeliest = k
        peak[r] = tile[likeliest * ld + r]
        best[r] = <real>likeliest


cdef inline void normalise_soft(
    real* tile, Py_ssize_t ld,                     # IN log ρ (K, n), OUT mass × responsibilities
    const real* mass,                              # IN (n,)
    real* log_evidence,                            # OUT (n,) log Σ_k ρ_k, or NULL
    Py_ssize_t n_components, Py_ssize_t n,
) noexcept nogil:
    cdef Py_ssize_t k, r
    cdef real peak, total
    for r in range(n):
        peak = tile[r]
        for k in range(1, n_components):
            if tile[k * ld + r] > peak:
                peak = tile[k * ld + r]
        total = 0
        for k in range(n_components):
            tile[k * ld + r] = <real>exp(tile[k * ld + r] - peak)
            total += tile[k * ld + r]
        if log_evidence != NULL:
            log_evidence[r] = peak + <real>log(total)
        for k in range(n_components):
            tile[k * ld + r] *= mass[r] / total


cdef inline void entropies(
    const real* tile, Py_ssize_t ld,               # IN log ρ (K, n)
    real* log_evidence, real* excess,              # OUT (n,) log Σ_k ρ_k, (n,) that less max_k log ρ_k
    real* entropy,                                 # OUT (n,) −Σ_k r_k log r_k
    Py_ssize_t n_components, Py_ssize_t n,
) noexcept nogil:
    cdef Py_ssize_t k, r
    cdef real peak, total, below, share
    for r in range(n):
        peak = tile[r]
        for k in range(1, n_components):
            peak = max(peak, tile[k * ld + r])
        total = below = 0
        for k in range(n_components):
            share = <real>exp(tile[k * ld + r] - peak)
            total += share
            if share > 0:
                below += share * (peak - tile[k * ld + r])
        excess[r] = <real>log(total)
        log_evidence[r] = peak + excess[r]
        entropy[r] = excess[r] + below / total


cdef inline void heavy_tails(
    real* tile, Py_ssize_t ld,                     # IN log ρ of normal components (K, n), OUT of heavy-tailed ones
    const double* log_offset, const double* tails, Py_ssize_t d,           # IN (K,), (K,)
    real* precision,                               # OUT (2, K, n) u of rows, and log u − u
    Py_ssize_t n_components, Py_ssize_t n,
) noexcept nogil:
    cdef Py_ssize_t k, r
    cdef real far = 1e37 if real is float else 1e300
    cdef real square, log_most, logarithm
    cdef real* statistic = precision + n_components * ld
    for k in range(n_components):
        log_most = <real>log((tails[k] + d) / tails[k])
        for r in range(k * ld, k * ld + n):
            square = max(2 * (<real>log_offset[k] - tile[r]), 0)
            square = square if square < far else far
            precision[r] = <real>((tails[k] + d) / (tails[k] + square))
            logarithm = <real>log(precision[r])
            statistic[r] = logarithm - precision[r]
            tile[r] = <real>(log_offset[k] - (tails[k] + d) / 2 * (log_most - logarithm))


cdef inline void weigh_by_precision(
    real* tile, Py_ssize_t ld,                     # IN mass × responsibilities (K, n), OUT these times u
    const real* precision,                         # IN as `heavy_tails` writes it
    double* sums,                                  # IN, OUT (2, K)
    Py_ssize_t n_components, Py_ssize_t n,
) noexcept nogil:
    cdef Py_ssize_t k, r
    cdef const real* statistic = precision + n_components * ld
    for k in range(n_components):
        for r in range(k * ld, k * ld + n):
            sums[k] += tile[r]
            sums[n_components + k] += tile[r] * statistic[r]
            tile[r] *= precision[r]
