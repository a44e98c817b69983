"""What a pass does to one block: leaf loops over pointers and sizes, every vector along rows.

A block is stored feature by feature, a tile component by component; `ld` is the distance between two of either.
"""
from libc.math cimport exp, log, sqrt
from libc.string cimport memcpy, memset

from gmm._blas cimport (
    add_gram_lower,
    multiply,
    multiply_by_lower,
    multiply_transposed,
    real,
)

ctypedef fused data:
    float
    double

cdef enum Layout:
    FULL = 0
    TIED = 1
    DIAGONAL = 2
    SPHERICAL = 3

cdef enum:
    WIDEST_SQUARE = 48        # features up to which a square product beats a triangular one


cdef inline void load_rows(
    const data* rows, Py_ssize_t row_stride, Py_ssize_t column_stride,     # IN, strides in items
    Py_ssize_t n, Py_ssize_t d, const double* origin, Py_ssize_t ld,
    real* block,                                   # OUT (d, n)
) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef const data* row
    for i in range(n):
        row = rows + i * row_stride
        for j in range(d):
            block[j * ld + i] = <real>(<double>row[j * column_stride] - origin[j])


cdef inline void append_products(
    Layout moments, Py_ssize_t d, Py_ssize_t n, Py_ssize_t ld,
    real* features,                                # IN (1 + d, n), OUT the terms behind
) noexcept nogil:
    """Behind [1, x]: x_i x_j (i ≥ j) for full, x_j² for diagonal, x·x for spherical, nothing for tied."""
    cdef Py_ssize_t i, j, r
    cdef real* x = features + ld
    cdef real* out = features + (1 + d) * ld
    if moments == FULL:
        for i in range(d):
            for j in range(i + 1):
                for r in range(n):
                    out[r] = x[i * ld + r] * x[j * ld + r]
                out += ld
    elif moments == DIAGONAL:
        for j in range(d):
            for r in range(n):
                out[j * ld + r] = x[j * ld + r] * x[j * ld + r]
    elif moments == SPHERICAL:
        memset(out, 0, n * sizeof(real))
        for j in range(d):
            for r in range(n):
                out[r] += x[j * ld + r] * x[j * ld + r]


cdef inline void centre_rows(
    const real* block, const real* centre,         # IN (d, n), (d,)
    Py_ssize_t d, Py_ssize_t n, Py_ssize_t ld,
    real* z,                                       # OUT (d, n)
) noexcept nogil:
    cdef Py_ssize_t j, r
    for j in range(d):
        for r in range(n):
            z[j * ld + r] = block[j * ld + r] - centre[j]


cdef inline void density_from_squares(
    const real* y, double log_offset,              # IN (d, n)
    Py_ssize_t d, Py_ssize_t n, Py_ssize_t ld,
    real* log_density,                             # OUT (n,) log_offset − ½ Σ_j y_j²
) noexcept nogil:
    cdef Py_ssize_t j, r
    # The largest square that is kept: rows beyond it tie instead of turning into inf − inf.
    cdef real far = 1e37 if real is float else 1e300
    cdef real square
    memset(log_density, 0, n * sizeof(real))
    for j in range(d):
        for r in range(n):
            log_density[r] += y[j * ld + r] * y[j * ld + r]
    for r in range(n):
        square = log_density[r]
        log_density[r] = <real>log_offset - (square if square < far else far) / 2


cdef inline void log_density_triangular(
    const real* block, const real* centre, const real* whitener, double log_offset,     # IN
    Py_ssize_t d, Py_ssize_t n, Py_ssize_t ld,
    real* z, real* y,                              # scratch (d, n)
    real* log_density,                             # OUT (n,)
) noexcept nogil:
    centre_rows(block, centre, d, n, ld, z)
    if d <= WIDEST_SQUARE:
        multiply(whitener, d, z, ld, y, ld, d, n, d)
        density_from_squares(y, log_offset, d, n, ld, log_density)
    else:
        multiply_by_lower(whitener, z, ld, d, n)
        density_from_squares(z, log_offset, d, n, ld, log_density)


cdef inline void log_density_diagonal(
    const real* block, const real* centre, const real* whitener, double log_offset,     # IN
    Py_ssize_t whitener_stride,                    # 0: one number for all features
    Py_ssize_t d, Py_ssize_t n, Py_ssize_t ld,
    real* y,                                       # scratch (d, n)
    real* log_density,                             # OUT (n,)
) noexcept nogil:
    cdef Py_ssize_t j, r
    cdef real scale
    centre_rows(block, centre, d, n, ld, y)
    for j in range(d):
        scale = whitener[j * whitener_stride]
        for r in range(n):
            y[j * ld + r] *= scale
    density_from_squares(y, log_offset, d, n, ld, log_density)


cdef inline void normalise_soft(
    real* tile,                                    # IN log ρ (K, n), OUT responsibilities
    Py_ssize_t n_components, Py_ssize_t n, Py_ssize_t ld,
    real* log_evidence,                            # OUT (n,) log Σ_k ρ_k
    real* total,                                   # scratch (n,)
) noexcept nogil:
    cdef Py_ssize_t k, r
    cdef real* row
    memcpy(log_evidence, tile, n * sizeof(real))
    for k in range(1, n_components):
        row = tile + k * ld
        for r in range(n):
            log_evidence[r] = row[r] if row[r] > log_evidence[r] else log_evidence[r]
    memset(total, 0, n * sizeof(real))
    for k in range(n_components):
        row = tile + k * ld
        for r in range(n):
            row[r] = <real>exp(row[r] - log_evidence[r])
            total[r] += row[r]
    for r in range(n):
        log_evidence[r] += <real>log(total[r])
        total[r] = 1 / total[r]
    for k in range(n_components):
        row = tile + k * ld
        for r in range(n):
            row[r] *= total[r]


cdef inline Py_ssize_t likeliest(
    const real* tile, Py_ssize_t n_components, Py_ssize_t ld, Py_ssize_t r,
) noexcept nogil:
    """The component that is largest in column r, the first of equals."""
    cdef Py_ssize_t k, best = 0
    for k in range(1, n_components):
        if tile[k * ld + r] > tile[best * ld + r]:
            best = k
    return best


cdef inline void normalise_hard(
    real* tile,                                    # IN log ρ (K, n), OUT 1 for the largest, 0 else
    Py_ssize_t n_components, Py_ssize_t n, Py_ssize_t ld,
    real* log_evidence,                            # OUT (n,) max_k log ρ_k
) noexcept nogil:
    cdef Py_ssize_t k, r, best
    for r in range(n):
        best = likeliest(tile, n_components, ld, r)
        log_evidence[r] = tile[best * ld + r]
        for k in range(n_components):
            tile[k * ld + r] = 0
        tile[best * ld + r] = 1


cdef inline void take_given(
    const double* given, Py_ssize_t n_components, Py_ssize_t n, Py_ssize_t ld,
    real* tile,                                    # OUT (K, n)
    real* log_evidence,                            # OUT (n,) zero: nothing was measured
) noexcept nogil:
    cdef Py_ssize_t k, r
    for r in range(n):
        for k in range(n_components):
            tile[k * ld + r] = <real>given[r * n_components + k]
    memset(log_evidence, 0, n * sizeof(real))


cdef inline void add_single(const float* block_sums, Py_ssize_t n, double* sums) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        sums[i] += block_sums[i]


cdef inline void accumulate_triangular(
    real* z, const real* responsibility, Py_ssize_t d, Py_ssize_t n, Py_ssize_t ld,
    real* y, real* block_sums,                     # scratch (d, n), (d, d)
    double* second,                                # IN, OUT (d, d), the lower triangle counts
) noexcept nogil:
    cdef Py_ssize_t j, r
    cdef real* target = block_sums
    cdef real keep = 0
    if real is double:
        target = second
        keep = 1
    if d <= WIDEST_SQUARE:
        for j in range(d):
            for r in range(n):
                y[j * ld + r] = z[j * ld + r] * responsibility[r]
        multiply_transposed(y, ld, z, ld, target, d, d, d, n, keep)
    else:
        for r in range(n):
            y[r] = <real>sqrt(responsibility[r])
        for j in range(d):
            for r in range(n):
                z[j * ld + r] *= y[r]
        add_gram_lower(z, ld, target, d, n, keep)
    if real is float:
        add_single(block_sums, d * d, second)


cdef inline void accumulate_diagonal(
    real* z, const real* responsibility, Py_ssize_t d, Py_ssize_t n, Py_ssize_t ld,
    Py_ssize_t second_stride,                      # 0: one number for all features
    real* sums,                                    # scratch (d,)
    double* second,                                # IN, OUT
) noexcept nogil:
    cdef Py_ssize_t j, r
    for j in range(d):
        for r in range(n):
            z[j * ld + r] *= z[j * ld + r]
    multiply_transposed(responsibility, ld, z, ld, sums, d, 1, d, n, <real>0)
    for j in range(d):
        second[j * second_stride] += sums[j]


cdef inline double total_of(const real* values, Py_ssize_t n) noexcept nogil:
    """Σ values, in eight strands: one strand would wait for every addition."""
    cdef Py_ssize_t r, whole = n // 8 * 8
    cdef double[8] strand
    cdef double total = 0
    cdef int s
    for s in range(8):
        strand[s] = 0
    for r in range(0, whole, 8):
        for s in range(8):
            strand[s] += values[r + s]
    for r in range(whole, n):
        strand[0] += values[r]
    for s in range(8):
        total += strand[s]
    return total
