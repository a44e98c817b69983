"""The arithmetic of one block, by `tile.h` or by its twin (`twin.pxd`): the same functions with the same arguments.

Rows run along vectors; `ld` is the distance between two features or components.  The number of rows `n` is a multiple
of `pad` and buffers begin on 64 bytes: `tile.h` has no loop with a remainder.
"""
from gmm._kernel cimport blas, twin
from gmm._kernel.blas cimport real

cdef extern from "tile.h" nogil:
    enum:
        TILE_PAD
        TILE_PANEL
    int tile_level
    ctypedef struct tile_leaves_double:
        void (*multiply)(const double*, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t,
                         Py_ssize_t, Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*add_products)(const double*, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t,
                             Py_ssize_t, Py_ssize_t, Py_ssize_t, int) noexcept nogil
        void (*triangular)(const double*, const double*, Py_ssize_t, double, double*, Py_ssize_t,
                           Py_ssize_t) noexcept nogil
        void (*diagonal)(const double*, Py_ssize_t, const double*, Py_ssize_t, const double*, double, double*,
                         Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*add_axis_moments)(const double*, Py_ssize_t, const double*, const double*, double*, double*, Py_ssize_t,
                                 Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*subtract)(const double*, double, double*, Py_ssize_t) noexcept nogil
        void (*times)(const double*, const double*, double*, Py_ssize_t) noexcept nogil
        void (*choose)(const double*, Py_ssize_t, Py_ssize_t, Py_ssize_t, double*, double*) noexcept nogil
        void (*normalise)(double*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double*, double*) noexcept nogil
        void (*few_multiply)(const double*, const double*, Py_ssize_t, double*, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                             Py_ssize_t) noexcept nogil
        void (*few_triangular)(const double*, const double*, Py_ssize_t, double, double*, Py_ssize_t,
                               Py_ssize_t) noexcept nogil
        void (*few_diagonal)(const double*, const double*, Py_ssize_t, const double*, double*, Py_ssize_t, Py_ssize_t,
                             Py_ssize_t, Py_ssize_t) noexcept nogil
    ctypedef struct tile_leaves_float:
        void (*multiply)(const float*, Py_ssize_t, const float*, Py_ssize_t, float*, Py_ssize_t,
                         Py_ssize_t, Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*add_products)(const float*, Py_ssize_t, const float*, Py_ssize_t, double*, Py_ssize_t,
                             Py_ssize_t, Py_ssize_t, Py_ssize_t, int) noexcept nogil
        void (*triangular)(const float*, const float*, Py_ssize_t, double, float*, Py_ssize_t,
                           Py_ssize_t) noexcept nogil
        void (*diagonal)(const float*, Py_ssize_t, const float*, Py_ssize_t, const float*, double, float*,
                         Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*add_axis_moments)(const float*, Py_ssize_t, const float*, const float*, double*, double*, Py_ssize_t,
                                 Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*subtract)(const float*, float, float*, Py_ssize_t) noexcept nogil
        void (*times)(const float*, const float*, float*, Py_ssize_t) noexcept nogil
        void (*choose)(const float*, Py_ssize_t, Py_ssize_t, Py_ssize_t, float*, float*) noexcept nogil
        void (*normalise)(float*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const float*, float*) noexcept nogil
        void (*few_multiply)(const float*, const float*, Py_ssize_t, float*, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                             Py_ssize_t) noexcept nogil
        void (*few_triangular)(const float*, const float*, Py_ssize_t, double, float*, Py_ssize_t,
                               Py_ssize_t) noexcept nogil
        void (*few_diagonal)(const float*, const float*, Py_ssize_t, const double*, float*, Py_ssize_t, Py_ssize_t,
                             Py_ssize_t, Py_ssize_t) noexcept nogil
    const tile_leaves_double* const* tile_double
    const tile_leaves_float* const* tile_float


cdef inline Py_ssize_t pad(Py_ssize_t item) noexcept nogil:
    """Number of rows in a group, for items of so many bytes; blocks are whole groups."""
    return TILE_PAD // item


cdef inline Py_ssize_t panel_width(Py_ssize_t item) noexcept nogil:
    """Number of results in a panel of `few.h`, for items of so many bytes."""
    return TILE_PANEL // item


cdef inline void multiply(
    bint tiles, const real* a, Py_ssize_t lda, const real* b, Py_ssize_t ldb,      # IN (m, k), (k, n)
    real* c, Py_ssize_t ldc,                       # OUT (m, n) = a b
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    if not tiles:
        blas.multiply(a, lda, b, ldb, c, ldc, m, n, k)
    elif real is double:
        tile_double[tile_level].multiply(a, lda, b, ldb, c, ldc, m, n, k)
    else:
        tile_float[tile_level].multiply(a, lda, b, ldb, c, ldc, m, n, k)


cdef inline void add_products(
    bint tiles, const real* a, Py_ssize_t lda, const real* b, Py_ssize_t ldb,      # IN (m, n), (k, n)
    real* products,                                # scratch (m, k), for the twin in float32
    double* c, Py_ssize_t ldc,                     # IN, OUT (m, k) += a bᵀ
    Py_ssize_t m, Py_ssize_t k, Py_ssize_t n,
) noexcept nogil:
    if not tiles:
        twin.add_products(a, lda, b, ldb, products, c, ldc, m, k, n)
    elif real is double:
        tile_double[tile_level].add_products(a, lda, b, ldb, c, ldc, m, k, n, False)
    else:
        tile_float[tile_level].add_products(a, lda, b, ldb, c, ldc, m, k, n, False)


cdef inline void add_gram(
    bint tiles, const real* y, const real* z, Py_ssize_t ld,       # IN (d, n), y a multiple of z row by row
    real* products,                                # scratch (d, d), for the twin in float32
    double* c,                                     # IN, OUT (d, d) += y zᵀ, of which the lower triangle counts
    Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    if not tiles:
        twin.add_products(y, ld, z, ld, products, c, d, d, d, n)
    elif real is double:
        tile_double[tile_level].add_products(y, ld, z, ld, c, d, d, d, n, True)
    else:
        tile_float[tile_level].add_products(y, ld, z, ld, c, d, d, d, n, True)


cdef inline void log_density_triangular(
    bint tiles, const real* whitener, const real* z, Py_ssize_t ld, double log_offset,      # IN (d, d), (d, n)
    real* y,                                       # scratch (d, n), for the twin
    real* log_density,                             # OUT (n,) log_offset − ½‖W z‖²
    Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    if not tiles:
        twin.log_density_triangular(whitener, z, ld, log_offset, y, log_density, d, n)
    elif real is double:
        tile_double[tile_level].triangular(whitener, z, ld, log_offset, log_density, d, n)
    else:
        tile_float[tile_level].triangular(whitener, z, ld, log_offset, log_density, d, n)


cdef inline void log_density_diagonal(
    bint tiles, const real* whitener, Py_ssize_t stride, const real* x, Py_ssize_t ld, const real* centre,  # IN
    double log_offset,
    real* log_density,                             # OUT (n,) log_offset − ½ Σ_j (w_j z_j)², z = x − centre (d, n)
    Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    """`stride` 1: a number for each feature; 0: one for all."""
    if not tiles:
        twin.log_density_diagonal(whitener, stride, x, ld, centre, log_offset, log_density, d, n)
    elif real is double:
        tile_double[tile_level].diagonal(whitener, stride, x, ld, centre, log_offset, log_density, d, n)
    else:
        tile_float[tile_level].diagonal(whitener, stride, x, ld, centre, log_offset, log_density, d, n)


cdef inline void add_axis_moments(
    bint tiles, const real* x, Py_ssize_t ld, const real* centre, const real* mass,    # IN (d, n), (d,), (n,)
    double* first, double* second,                 # IN, OUT += Σ mass z, Σ mass z², z = x − centre
    Py_ssize_t stride, Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    """`stride` 1: a second moment for each feature; 0: their sum."""
    if not tiles:
        twin.add_axis_moments(x, ld, centre, mass, first, second, stride, d, n)
    elif real is double:
        tile_double[tile_level].add_axis_moments(x, ld, centre, mass, first, second, stride, d, n)
    else:
        tile_float[tile_level].add_axis_moments(x, ld, centre, mass, first, second, stride, d, n)


cdef inline void subtract(bint tiles, const real* x, real c, real* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t r
    if not tiles:
        for r in range(n):
            out[r] = x[r] - c
    elif real is double:
        tile_double[tile_level].subtract(x, c, out, n)
    else:
        tile_float[tile_level].subtract(x, c, out, n)


cdef inline void times(bint tiles, const real* x, const real* y, real* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t r
    if not tiles:
        for r in range(n):
            out[r] = x[r] * y[r]
    elif real is double:
        tile_double[tile_level].times(x, y, out, n)
    else:
        tile_float[tile_level].times(x, y, out, n)


cdef inline void choose(
    bint tiles, const real* tile, Py_ssize_t ld,   # IN log ρ (K, n)
    real* peak, real* best,                        # OUT (n,), (n,) the largest and its component, the first of equals
    Py_ssize_t n_components, Py_ssize_t n,
) noexcept nogil:
    if not tiles:
        twin.choose(tile, ld, peak, best, n_components, n)
    elif real is double:
        tile_double[tile_level].choose(tile, n_components, n, ld, peak, best)
    else:
        tile_float[tile_level].choose(tile, n_components, n, ld, peak, best)


cdef inline void normalise(
    bint tiles,
    real* tile, Py_ssize_t ld,                     # IN log ρ (K, n), OUT mass × responsibilities
    const real* mass,                              # IN (n,)
    real* log_evidence,                            # OUT (n,) log Σ_k ρ_k
    Py_ssize_t n_components, Py_ssize_t n,
) noexcept nogil:
    if not tiles:
        twin.normalise_soft(tile, ld, mass, log_evidence, n_components, n)
    elif real is double:
        tile_double[tile_level].normalise(tile, n_components, n, ld, mass, log_evidence)
    else:
        tile_float[tile_level].normalise(tile, n_components, n, ld, mass, log_evidence)


# ----------------------------------------------------------------------- few rows, for which there is no twin

cdef inline void few_multiply(
    const real* a, const real* b, Py_ssize_t ldb,  # IN (m, k) in panels at a multiple of 64 bytes, (n, k)
    real* c, Py_ssize_t ldc,                       # OUT (m, n) = a bᵀ
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    if real is double:
        tile_double[tile_level].few_multiply(a, b, ldb, c, ldc, m, n, k)
    else:
        tile_float[tile_level].few_multiply(a, b, ldb, c, ldc, m, n, k)


cdef inline void few_triangular(
    const real* whitener, const real* z, Py_ssize_t ld, double log_offset,     # IN (d, d) in panels, (n, d)
    real* log_density,                             # OUT (n,) log_offset − ½‖W z‖²
    Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    if real is double:
        tile_double[tile_level].few_triangular(whitener, z, ld, log_offset, log_density, d, n)
    else:
        tile_float[tile_level].few_triangular(whitener, z, ld, log_offset, log_density, d, n)


cdef inline void few_diagonal(
    const real* panels, const real* x, Py_ssize_t ld, const double* log_offset,    # IN centres and whiteners, (n, d)
    real* tile, Py_ssize_t ldc,                    # OUT (K, n) log_offset − ½ Σ_j (w_j z_j)²
    Py_ssize_t K, Py_ssize_t n, Py_ssize_t d,
) noexcept nogil:
    if real is double:
        tile_double[tile_level].few_diagonal(panels, x, ld, log_offset, tile, ldc, K, n, d)
    else:
        tile_float[tile_level].few_diagonal(panels, x, ld, log_offset, tile, ldc, K, n, d)
