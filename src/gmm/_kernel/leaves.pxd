"""The arithmetic of one block, by `tile.h` or by its twin (`twin.pxd`): the same functions with the same arguments.

Rows run along vectors; `ld` is the distance between two features or components.  The number of rows `n` is a multiple
of `pad` and buffers start on 64 bytes: `tile.h` has no loop with a remainder.
"""
cimport gmm._kernel.blas as blas
cimport gmm._kernel.twin as twin
from gmm._kernel.blas cimport real

cdef extern from "leaves.h" nogil:
    enum:
        TILE_PAD
        TILE_PANEL
    ctypedef struct tile_leaves_double:
        void (*multiply)(const double*, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t,
                         Py_ssize_t, Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*add_products)(const double*, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t,
                             Py_ssize_t, Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*quadratic)(const double*, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t, Py_ssize_t,
                          Py_ssize_t) noexcept nogil
        void (*add_quadratic)(const double*, const double*, Py_ssize_t, double*, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                              Py_ssize_t) noexcept nogil
        void (*triangular)(const double*, const double*, Py_ssize_t, const double*, double, double*, double*,
                           Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*add_scatter)(const double*, Py_ssize_t, const double*, const double*, double*, double*, double*,
                            Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*diagonal)(const double*, Py_ssize_t, const double*, Py_ssize_t, const double*, double, double*,
                         Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*add_axis_moments)(const double*, Py_ssize_t, const double*, const double*, double*, double*, Py_ssize_t,
                                 Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*subtract)(const double*, double, double*, Py_ssize_t) noexcept nogil
        void (*times)(const double*, const double*, double*, Py_ssize_t) noexcept nogil
        void (*choose)(const double*, Py_ssize_t, Py_ssize_t, Py_ssize_t, double*, double*) noexcept nogil
        void (*normalise)(double*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double*, double*) noexcept nogil
        void (*entropies)(const double*, Py_ssize_t, Py_ssize_t, Py_ssize_t, double*, double*, double*) noexcept nogil
        void (*heavy_tails)(double*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double*, const double*, double,
                            double*) noexcept nogil
        void (*weigh_by_precision)(double*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double*, double*) noexcept nogil
        void (*share_by_powers)(double*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double*, double, Py_ssize_t,
                                const double*, double*, double*, double*) noexcept nogil
        void (*low_rank)(const double*, const double*, const double*, const double*, Py_ssize_t, double*, double*,
                         double*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*few_multiply)(const double*, const double*, Py_ssize_t, double*, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                             Py_ssize_t) noexcept nogil
        void (*few_quadratic)(const double*, const double*, Py_ssize_t, double*, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                              Py_ssize_t) noexcept nogil
        void (*few_triangular)(const double*, const double*, Py_ssize_t, double, double*, Py_ssize_t,
                               Py_ssize_t) noexcept nogil
        void (*few_diagonal)(const double*, const double*, Py_ssize_t, const double*, double*, Py_ssize_t, Py_ssize_t,
                             Py_ssize_t, Py_ssize_t) noexcept nogil
    ctypedef struct tile_leaves_float:
        void (*multiply)(const float*, Py_ssize_t, const float*, Py_ssize_t, float*, Py_ssize_t,
                         Py_ssize_t, Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*add_products)(const float*, Py_ssize_t, const float*, Py_ssize_t, double*, Py_ssize_t,
                             Py_ssize_t, Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*quadratic)(const float*, Py_ssize_t, const float*, Py_ssize_t, float*, Py_ssize_t, Py_ssize_t,
                          Py_ssize_t) noexcept nogil
        void (*add_quadratic)(const float*, const float*, Py_ssize_t, double*, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                              Py_ssize_t) noexcept nogil
        void (*triangular)(const float*, const float*, Py_ssize_t, const float*, double, float*, float*,
                           Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*add_scatter)(const float*, Py_ssize_t, const float*, const float*, float*, double*, double*,
                            Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*diagonal)(const float*, Py_ssize_t, const float*, Py_ssize_t, const float*, double, float*,
                         Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*add_axis_moments)(const float*, Py_ssize_t, const float*, const float*, double*, double*, Py_ssize_t,
                                 Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*subtract)(const float*, float, float*, Py_ssize_t) noexcept nogil
        void (*times)(const float*, const float*, float*, Py_ssize_t) noexcept nogil
        void (*choose)(const float*, Py_ssize_t, Py_ssize_t, Py_ssize_t, float*, float*) noexcept nogil
        void (*normalise)(float*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const float*, float*) noexcept nogil
        void (*entropies)(const float*, Py_ssize_t, Py_ssize_t, Py_ssize_t, float*, float*, float*) noexcept nogil
        void (*heavy_tails)(float*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double*, const double*, double,
                            float*) noexcept nogil
        void (*weigh_by_precision)(float*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const float*, double*) noexcept nogil
        void (*share_by_powers)(float*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double*, double, Py_ssize_t,
                                const float*, float*, float*, double*) noexcept nogil
        void (*low_rank)(const float*, const float*, const double*, const float*, Py_ssize_t, float*, float*,
                         float*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*few_multiply)(const float*, const float*, Py_ssize_t, float*, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                             Py_ssize_t) noexcept nogil
        void (*few_quadratic)(const float*, const float*, Py_ssize_t, float*, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                              Py_ssize_t) noexcept nogil
        void (*few_triangular)(const float*, const float*, Py_ssize_t, double, float*, Py_ssize_t,
                               Py_ssize_t) noexcept nogil
        void (*few_diagonal)(const float*, const float*, Py_ssize_t, const double*, float*, Py_ssize_t, Py_ssize_t,
                             Py_ssize_t, Py_ssize_t) noexcept nogil
    enum:
        ERRORS_ROWS
        ERRORS_LANES
    ctypedef struct errors_leaves:
        void (*density)(const double*, const double*, Py_ssize_t, int, const double*, const double*, double, double*,
                        double*) noexcept nogil
        void (*scores)(const double*, const double*, Py_ssize_t, int, const double*, const double*, const double*,
                       double*, double*) noexcept nogil
        void (*collect)(const double*, Py_ssize_t, double*) noexcept nogil


cdef struct Kernel:
    # The functions of one instruction set for the arithmetic of a block, or the twin, with NULL for both.
    const tile_leaves_double* doubles
    const tile_leaves_float* floats
    const errors_leaves* errors         # of rows with errors of their own, which have no twin


cdef inline bint is_twin(Kernel kernel) noexcept nogil:
    return kernel.doubles == NULL


cdef inline Py_ssize_t pad(Py_ssize_t item) noexcept nogil:
    """Number of rows in a group, for items of so many bytes; blocks are whole groups."""
    return TILE_PAD // item


cdef inline Py_ssize_t padded_row(Py_ssize_t d, Py_ssize_t item) noexcept nogil:
    """Items from row to row where d features and one number more lie row by row: an odd number of cache lines."""
    return (((d + 1) * item + 63) // 64 | 1) * 64 // item


cdef inline Py_ssize_t scatter_workspace_size(Py_ssize_t d, Py_ssize_t item) noexcept nogil:
    """Items of scratch for `add_scatter`."""
    return (pad(item) + d + 3) * padded_row(d, item)


cdef inline Py_ssize_t panel_width(Py_ssize_t item) noexcept nogil:
    """Number of results in a panel of `few_rows.h`, for items of so many bytes."""
    return TILE_PANEL // item


cdef inline void multiply(
    Kernel kernel, const real* a, Py_ssize_t lda, const real* b, Py_ssize_t ldb,      # IN (m, k), (k, n)
    real* c, Py_ssize_t ldc,                       # OUT (m, n) = a b
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    if is_twin(kernel):
        blas.multiply(a, lda, b, ldb, c, ldc, m, n, k)
    elif real is double:
        kernel.doubles.multiply(a, lda, b, ldb, c, ldc, m, n, k)
    else:
        kernel.floats.multiply(a, lda, b, ldb, c, ldc, m, n, k)


cdef inline void add_products(
    Kernel kernel, const real* a, Py_ssize_t lda, const real* b, Py_ssize_t ldb,      # IN (m, n), (k, n)
    real* products,                                # scratch (m, k), for the twin in float32
    double* c, Py_ssize_t ldc,                     # IN, OUT (m, k) += a bᵀ
    Py_ssize_t m, Py_ssize_t k, Py_ssize_t n,
) noexcept nogil:
    if is_twin(kernel):
        twin.add_products(a, lda, b, ldb, products, c, ldc, m, k, n)
    elif real is double:
        kernel.doubles.add_products(a, lda, b, ldb, c, ldc, m, k, n)
    else:
        kernel.floats.add_products(a, lda, b, ldb, c, ldc, m, k, n)


cdef inline void log_density_quadratic(
    Kernel kernel,                                 # not the twin
    const real* a, Py_ssize_t terms,               # IN (K, terms)
    const real* x, Py_ssize_t ld,                  # IN (d, n)
    real* tile,                                    # OUT (K, n) = a [1, x, products of x]
    Py_ssize_t K, Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    if real is double:
        kernel.doubles.quadratic(a, terms, x, ld, tile, K, d, n)
    else:
        kernel.floats.quadratic(a, terms, x, ld, tile, K, d, n)


cdef inline void add_quadratic(
    Kernel kernel,                                 # not the twin
    const real* mass, const real* x, Py_ssize_t ld,        # IN (K, n), (1 + d, n) = [1, x]
    double* sums, Py_ssize_t terms,                # IN, OUT (K, terms) += mass [1, x, products of x]ᵀ
    Py_ssize_t K, Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    if real is double:
        kernel.doubles.add_quadratic(mass, x, ld, sums, terms, K, d, n)
    else:
        kernel.floats.add_quadratic(mass, x, ld, sums, terms, K, d, n)


cdef inline void add_scatter(
    Kernel kernel,
    const real* x, Py_ssize_t ld,                  # IN (d, n), for the twin
    const real* rows,                              # IN (n, `padded_row`) the same row by row, zero behind the features
    const real* centre, const real* mass,          # IN (d,), (n,)
    real* y,                                       # scratch (1 + 2d, n), for the twin
    real* workspace,                               # scratch: see `scatter_workspace_size`; for the twin (d, d)
    double* row, double* second,                   # IN, OUT += Σ mass [1, z], the lower triangle of Σ mass z zᵀ
    Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    """Add moments of z = x − centre."""
    if is_twin(kernel):
        twin.add_scatter(x, ld, centre, mass, y, workspace, row, second, d, n)
    elif real is double:
        kernel.doubles.add_scatter(rows, padded_row(d, sizeof(real)), centre, mass, workspace, row, second, d, n)
    else:
        kernel.floats.add_scatter(rows, padded_row(d, sizeof(real)), centre, mass, workspace, row, second, d, n)


cdef inline void log_density_triangular(
    Kernel kernel,
    const real* whitener, const real* x, Py_ssize_t ld, const real* centre,    # IN (d, d), (d, n), (d,) or NULL: zero
    double log_offset,
    real* z,                                       # scratch (d, n)
    real* log_density,                             # OUT (n,) log_offset − ½‖W (x − centre)‖²
    Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    if is_twin(kernel):
        twin.log_density_triangular(whitener, x, ld, centre, log_offset, z, log_density, d, n)
    elif real is double:
        kernel.doubles.triangular(whitener, x, ld, centre, log_offset, z, log_density, d, n)
    else:
        kernel.floats.triangular(whitener, x, ld, centre, log_offset, z, log_density, d, n)


cdef inline void log_density_diagonal(
    Kernel kernel, const real* whitener, Py_ssize_t stride, const real* x, Py_ssize_t ld, const real* centre,  # IN
    double log_offset,
    real* log_density,                             # OUT (n,) log_offset − ½ Σ_j (w_j z_j)², z = x − centre (d, n)
    Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    """`stride` 1: a number for each feature; 0: one for all."""
    if is_twin(kernel):
        twin.log_density_diagonal(whitener, stride, x, ld, centre, log_offset, log_density, d, n)
    elif real is double:
        kernel.doubles.diagonal(whitener, stride, x, ld, centre, log_offset, log_density, d, n)
    else:
        kernel.floats.diagonal(whitener, stride, x, ld, centre, log_offset, log_density, d, n)


cdef inline void log_density_low_rank(
    Kernel kernel,
    const real* coefficients, const real* centres,         # IN see `low_rank_coefficients`, (K, d)
    const double* log_offset, const real* x, Py_ssize_t ld,        # IN (K,), (d, n)
    real* packed, real* y, real* tile,             # scratch (d, n), OUT (K, q, n), (K, n) log_offset − ½‖w z‖² + ½‖y‖²
    Py_ssize_t K, Py_ssize_t q, Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    if is_twin(kernel):
        twin.log_density_low_rank(coefficients, centres, log_offset, x, ld, y, tile, K, q, d, n)
    elif real is double:
        kernel.doubles.low_rank(coefficients, centres, log_offset, x, ld, packed, y, tile, K, q, d, n)
    else:
        kernel.floats.low_rank(coefficients, centres, log_offset, x, ld, packed, y, tile, K, q, d, n)


cdef inline void add_axis_moments(
    Kernel kernel, const real* x, Py_ssize_t ld, const real* centre, const real* mass,    # IN (d, n), (d,), (n,)
    double* first, double* second,                 # IN, OUT += Σ mass z, Σ mass z², z = x − centre
    Py_ssize_t stride, Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    """`stride` 1: a second moment for each feature; 0: their sum."""
    if is_twin(kernel):
        twin.add_axis_moments(x, ld, centre, mass, first, second, stride, d, n)
    elif real is double:
        kernel.doubles.add_axis_moments(x, ld, centre, mass, first, second, stride, d, n)
    else:
        kernel.floats.add_axis_moments(x, ld, centre, mass, first, second, stride, d, n)


cdef inline void subtract(Kernel kernel, const real* x, real c, real* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t r
    if is_twin(kernel):
        for r in range(n):
            out[r] = x[r] - c
    elif real is double:
        kernel.doubles.subtract(x, c, out, n)
    else:
        kernel.floats.subtract(x, c, out, n)


cdef inline void times(Kernel kernel, const real* x, const real* y, real* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t r
    if is_twin(kernel):
        for r in range(n):
            out[r] = x[r] * y[r]
    elif real is double:
        kernel.doubles.times(x, y, out, n)
    else:
        kernel.floats.times(x, y, out, n)


cdef inline void choose(
    Kernel kernel, const real* tile, Py_ssize_t ld,   # IN log ρ (K, n)
    real* peak, real* best,                        # OUT (n,), (n,) the largest and its component, the first of equals
    Py_ssize_t n_components, Py_ssize_t n,
) noexcept nogil:
    if is_twin(kernel):
        twin.choose(tile, ld, peak, best, n_components, n)
    elif real is double:
        kernel.doubles.choose(tile, n_components, n, ld, peak, best)
    else:
        kernel.floats.choose(tile, n_components, n, ld, peak, best)


cdef inline void normalise(
    Kernel kernel,
    real* tile, Py_ssize_t ld,                     # IN log ρ (K, n), OUT mass × responsibilities
    const real* mass,                              # IN (n,)
    real* log_evidence,                            # OUT (n,) log Σ_k ρ_k
    Py_ssize_t n_components, Py_ssize_t n,
) noexcept nogil:
    if is_twin(kernel):
        twin.normalise_soft(tile, ld, mass, log_evidence, n_components, n)
    elif real is double:
        kernel.doubles.normalise(tile, n_components, n, ld, mass, log_evidence)
    else:
        kernel.floats.normalise(tile, n_components, n, ld, mass, log_evidence)


cdef inline void entropies(
    Kernel kernel,
    const real* tile, Py_ssize_t ld,               # IN log ρ (K, n)
    real* log_evidence, real* excess,              # OUT (n,) log Σ_k ρ_k, (n,) that less max_k log ρ_k
    real* entropy,                                 # OUT (n,) −Σ_k r_k log r_k
    Py_ssize_t n_components, Py_ssize_t n,
) noexcept nogil:
    if is_twin(kernel):
        twin.entropies(tile, ld, log_evidence, excess, entropy, n_components, n)
    elif real is double:
        kernel.doubles.entropies(tile, n_components, n, ld, log_evidence, excess, entropy)
    else:
        kernel.floats.entropies(tile, n_components, n, ld, log_evidence, excess, entropy)


cdef inline void heavy_tails(
    Kernel kernel,
    real* tile, Py_ssize_t ld,                     # IN log ρ of normal components (K, n), OUT of heavy-tailed ones
    const double* log_offset, const double* tails, Py_ssize_t d,           # IN (K,), (K,)
    real* precision,                               # OUT (2, K, n) u of rows, and log u − u
    Py_ssize_t n_components, Py_ssize_t n,
) noexcept nogil:
    if is_twin(kernel):
        twin.heavy_tails(tile, ld, log_offset, tails, d, precision, n_components, n)
    elif real is double:
        kernel.doubles.heavy_tails(tile, n_components, n, ld, log_offset, tails, <double>d, precision)
    else:
        kernel.floats.heavy_tails(tile, n_components, n, ld, log_offset, tails, <double>d, precision)


cdef inline void weigh_by_precision(
    Kernel kernel,
    real* tile, Py_ssize_t ld,                     # IN mass × responsibilities (K, n), OUT these times u
    const real* precision,                         # IN as `heavy_tails` writes it
    double* sums,                                  # IN, OUT (2, K) Σ mass r, and times the second of `precision`
    Py_ssize_t n_components, Py_ssize_t n,
) noexcept nogil:
    if is_twin(kernel):
        twin.weigh_by_precision(tile, ld, precision, sums, n_components, n)
    elif real is double:
        kernel.doubles.weigh_by_precision(tile, n_components, n, ld, precision, sums)
    else:
        kernel.floats.weigh_by_precision(tile, n_components, n, ld, precision, sums)


cdef inline void share_by_powers(
    Kernel kernel,                                 # IN not the twin
    real* tile, Py_ssize_t ld,                     # IN log ρ of normal components (K, n), OUT mass × r × u
    const double* log_offset,                      # IN (K,)
    double degrees, Py_ssize_t twice,              # IN ν, and ν + d, a whole number
    const real* mass,                              # IN (n,)
    real* log_evidence,                            # OUT (n,) log Σ_k ρ_k of Student-t components
    real* inverse,                                 # scratch (2, K, n)
    double* sums,                                  # IN, OUT (K,) Σ mass r
    Py_ssize_t n_components, Py_ssize_t n,
) noexcept nogil:
    if real is double:
        kernel.doubles.share_by_powers(tile, n_components, n, ld, log_offset, degrees, twice, mass, log_evidence,
                                       inverse, sums)
    else:
        kernel.floats.share_by_powers(tile, n_components, n, ld, log_offset, degrees, twice, mass, log_evidence,
                                      inverse, sums)


# ----------------------------------------------------------------------- few rows, for which there is no twin

cdef inline void few_multiply(
    Kernel kernel,
    const real* a, const real* b, Py_ssize_t ldb,  # IN (m, k) in panels at a multiple of 64 bytes, (n, k)
    real* c, Py_ssize_t ldc,                       # OUT (m, n) = a bᵀ
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    if real is double:
        kernel.doubles.few_multiply(a, b, ldb, c, ldc, m, n, k)
    else:
        kernel.floats.few_multiply(a, b, ldb, c, ldc, m, n, k)


cdef inline void few_quadratic(
    Kernel kernel,
    const real* a, const real* x, Py_ssize_t ld,   # IN (K, terms) in panels, (n, d)
    real* tile, Py_ssize_t ldc,                    # OUT (K, n) = a [1, x, products of x]
    Py_ssize_t K, Py_ssize_t n, Py_ssize_t d,
) noexcept nogil:
    if real is double:
        kernel.doubles.few_quadratic(a, x, ld, tile, ldc, K, n, d)
    else:
        kernel.floats.few_quadratic(a, x, ld, tile, ldc, K, n, d)


cdef inline void few_triangular(
    Kernel kernel,
    const real* whitener, const real* z, Py_ssize_t ld, double log_offset,     # IN (d, d) in panels, (n, d)
    real* log_density,                             # OUT (n,) log_offset − ½‖W z‖²
    Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    if real is double:
        kernel.doubles.few_triangular(whitener, z, ld, log_offset, log_density, d, n)
    else:
        kernel.floats.few_triangular(whitener, z, ld, log_offset, log_density, d, n)


cdef inline void few_diagonal(
    Kernel kernel,
    const real* panels, const real* x, Py_ssize_t ld, const double* log_offset,    # IN centres and whiteners, (n, d)
    real* tile, Py_ssize_t ldc,                    # OUT (K, n) log_offset − ½ Σ_j (w_j z_j)²
    Py_ssize_t K, Py_ssize_t n, Py_ssize_t d,
) noexcept nogil:
    if real is double:
        kernel.doubles.few_diagonal(panels, x, ld, log_offset, tile, ldc, K, n, d)
    else:
        kernel.floats.few_diagonal(panels, x, ld, log_offset, tile, ldc, K, n, d)
