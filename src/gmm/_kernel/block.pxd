"""Input and output of one block of a pass: rows and weights in; labels and responsibilities out.

A block is stored feature by feature, a tile component by component; `ld` is the distance between two of either.
"""
from libc.math cimport INFINITY, exp, fabs, log1p
from libc.string cimport memset

from gmm._kernel.blas cimport real
from gmm._kernel.layout cimport DIAGONAL, FULL, SPHERICAL, Layout
from gmm._kernel.leaves cimport Kernel, padded_row, times
from gmm._kernel.rows cimport data

cdef extern from "compiler.h" nogil:
    void tile_prefetch(const void* address)

cdef enum:
    AHEAD = 64                # rows that are prefetched before they are needed
    LINE = 64                 # bytes of the cache

cdef inline void load_rows(
    const data* rows, Py_ssize_t row_stride, Py_ssize_t column_stride,     # IN, strides in items
    Py_ssize_t n, Py_ssize_t padded, Py_ssize_t d, const double* origin, Py_ssize_t ld,
    real* block,                                   # OUT (d, padded), zero behind the n rows
) noexcept nogil:
    cdef Py_ssize_t i, j
    if row_stride == 1:
        for j in range(d):
            for i in range(n):
                block[j * ld + i] = <real>(<double>rows[j * column_stride + i] - origin[j])
    elif d == 2 and row_stride == 2 and column_stride == 1:
        for i in range(n):
            block[i] = <real>(<double>rows[2 * i] - origin[0])
            block[ld + i] = <real>(<double>rows[2 * i + 1] - origin[1])
    else:
        load_by_eights(rows, row_stride, column_stride, n, d, origin, ld, block)
    for j in range(d):
        for i in range(n, padded):
            block[j * ld + i] = 0


cdef inline void load_by_eights(
    const data* rows, Py_ssize_t row_stride, Py_ssize_t column_stride, Py_ssize_t n, Py_ssize_t d,
    const double* origin, Py_ssize_t ld, real* block,
) noexcept nogil:
    """Load eight rows at a time, so that every cache line is read and written once."""
    cdef Py_ssize_t i, j, start, whole = n // 8 * 8
    cdef const data* row
    cdef real* out
    for start in range(0, whole, 8):
        if row_stride == d and column_stride == 1:
            for i in range(<Py_ssize_t>(8 * d * sizeof(data)) // LINE):
                tile_prefetch(<const char*>(rows + (start + AHEAD) * d) + i * LINE)
        for j in range(d):
            row = rows + start * row_stride + j * column_stride
            out = block + j * ld + start
            for i in range(8):
                out[i] = <real>(<double>row[i * row_stride] - origin[j])
    for i in range(whole, n):
        row = rows + i * row_stride
        for j in range(d):
            block[j * ld + i] = <real>(<double>row[j * column_stride] - origin[j])


cdef inline void copy_rows(
    const data* rows, Py_ssize_t stride, Py_ssize_t column_stride,         # IN, strides in items
    Py_ssize_t n, Py_ssize_t padded, Py_ssize_t d, const double* origin,
    real* out,                                     # OUT (padded, `padded_row`), zero behind the rows and features
) noexcept nogil:
    cdef Py_ssize_t length = padded_row(d, sizeof(real)), i, j
    cdef const data* row
    for i in range(n):
        row = rows + i * stride
        if column_stride == 1:
            for j in range(d):
                out[i * length + j] = <real>(<double>row[j] - origin[j])
        else:
            for j in range(d):
                out[i * length + j] = <real>(<double>row[j * column_stride] - origin[j])
        for j in range(d, length):
            out[i * length + j] = 0
    memset(out + n * length, 0, (padded - n) * length * sizeof(real))


cdef inline void load_mass(
    const double* weight, Py_ssize_t n, Py_ssize_t padded,                 # IN (n,) or NULL: 1
    real* mass,                                    # OUT (padded,), zero behind the n rows
) noexcept nogil:
    cdef Py_ssize_t r
    for r in range(n):
        mass[r] = 1 if weight == NULL else <real>weight[r]
    for r in range(n, padded):
        mass[r] = 0


cdef inline void append_products(
    Kernel kernel, Layout moments, Py_ssize_t d, Py_ssize_t n, Py_ssize_t ld,
    real* features,                                # IN (1 + d, n), OUT the terms behind
) noexcept nogil:
    """Append to [1, x]: x_i x_j (i ≥ j) for full, x_j² for diagonal, x·x for spherical, nothing for tied."""
    cdef Py_ssize_t i, j, r
    cdef real* x = features + ld
    cdef real* out = features + (1 + d) * ld
    if moments == FULL:
        for i in range(d):
            for j in range(i + 1):
                times(kernel, x + i * ld, x + j * ld, out, n)
                out += ld
    elif moments == DIAGONAL:
        for j in range(d):
            times(kernel, x + j * ld, x + j * ld, out + j * ld, n)
    elif moments == SPHERICAL:
        memset(out, 0, n * sizeof(real))
        for j in range(d):
            for r in range(n):
                out[r] += x[j * ld + r] * x[j * ld + r]


cdef inline void give_to_best(
    const real* best, const real* mass,            # IN (n,), (n,)
    Py_ssize_t n_components, Py_ssize_t n, Py_ssize_t ld,
    real* tile,                                    # OUT (K, n) mass for the best component, 0 else
) noexcept nogil:
    cdef Py_ssize_t k, r
    cdef real component, m
    for k in range(n_components):
        component = <real>k
        for r in range(n):
            m = mass[r]                     # read in any case: a branch would be guessed wrong once a row
            tile[k * ld + r] = m if best[r] == component else 0


cdef inline void add_to_best(
    const real* best, const real* mass, const real* features, Py_ssize_t terms, Py_ssize_t n, Py_ssize_t ld,   # IN
    double* sums,                                  # IN, OUT (K, terms)
) noexcept nogil:
    cdef Py_ssize_t r, t
    cdef double* row
    for r in range(n):
        row = sums + <Py_ssize_t>best[r] * terms
        for t in range(terms):
            row[t] += mass[r] * features[t * ld + r]


cdef inline Py_ssize_t drop_negligible(
    const real* weights, Py_ssize_t n,             # IN (n,) of the rows
    real* mass,                                    # IN, OUT (n,) zero where the share of a row is beyond all digits
) noexcept nogil:
    """Drop shares that as subnormal numbers make products ten times slower; return how many rows still have one."""
    cdef Py_ssize_t r, count = 0
    for r in range(n):
        mass[r] = mass[r] if mass[r] >= <real>1e-30 * weights[r] else 0
        count += mass[r] > 0
    return count


cdef inline void add_row_by_row(
    const data* rows, Py_ssize_t row_stride, Py_ssize_t column_stride, const double* origin,     # IN, strides in items
    const real* centre, const real* mass, const real* y, Py_ssize_t ld,        # IN (d,), (n,), (q, n)
    real* row,                                     # scratch (d,)
    double* first, double* second, double* cross,  # IN, OUT (d,), (d,), (q, d) += Σ mass z, Σ mass z², Σ mass y xᵀ
    Py_ssize_t q, Py_ssize_t d, Py_ssize_t n,
) noexcept nogil:
    """Add up rows x = row − origin of low rank of which few have a share, z = x − centre."""
    cdef Py_ssize_t i, j, r
    cdef real z, share
    cdef const data* own
    for r in range(n):
        if mass[r] == 0:
            continue
        own = rows + r * row_stride
        for j in range(d):
            row[j] = <real>(<double>own[j * column_stride] - origin[j])
            z = row[j] - centre[j]
            first[j] += mass[r] * z
            second[j] += mass[r] * z * z
        for i in range(q):
            share = mass[r] * y[i * ld + r]
            for j in range(d):
                cross[i * d + j] += share * row[j]


cdef inline void weigh(const real* mass, Py_ssize_t n, real* y) noexcept nogil:
    cdef Py_ssize_t r
    for r in range(n):
        y[r] *= mass[r]


cdef inline void keep_to_classes(
    const double* allowed, Py_ssize_t n_codes, const int* code,            # IN (K, n_codes) 0 or −∞, (rows,)
    Py_ssize_t n_components, Py_ssize_t rows, Py_ssize_t ld,
    real* tile,                                    # IN, OUT log ρ (K, n)
) noexcept nogil:
    """Leave rows of known class the components of that class alone."""
    cdef Py_ssize_t k, r
    for k in range(n_components):
        for r in range(rows):
            tile[k * ld + r] += <real>allowed[k * n_codes + code[r]]


cdef inline double noise_for(double log_noise, const int* code, Py_ssize_t r, Py_ssize_t rows) noexcept nogil:
    """Rows of known class are no noise."""
    return log_noise if code == NULL or r >= rows or code[r] == 0 else -INFINITY


cdef inline void share_with_noise(
    double log_noise, const int* code, Py_ssize_t rows,                    # IN codes (rows,) or NULL
    Py_ssize_t n_components, Py_ssize_t n, Py_ssize_t ld,
    real* share,                                   # scratch (n,)
    real* tile,                                    # IN, OUT mass × responsibilities (K, n)
    real* log_evidence,                            # IN, OUT (n,)
) noexcept nogil:
    """Give rows that were shared by the components alone to uniform noise as well, as its density demands."""
    cdef Py_ssize_t k, r
    cdef double ahead, noise
    for r in range(n):
        noise = noise_for(log_noise, code, r, rows)
        ahead = log_evidence[r] - noise            # −∞ of rows far from all components
        share[r] = <real>(1 / (1 + exp(-ahead)))
        log_evidence[r] = <real>(max(<double>log_evidence[r], noise) + log1p(exp(-fabs(ahead))))
    for k in range(n_components):
        for r in range(n):
            tile[k * ld + r] *= share[r]


cdef inline void append_noise(
    double log_noise, const int* code, Py_ssize_t rows, Py_ssize_t n,      # IN codes (rows,) or NULL
    real* log_density,                             # OUT (n,) as of one more component
) noexcept nogil:
    cdef Py_ssize_t r
    for r in range(n):
        log_density[r] = <real>noise_for(log_noise, code, r, rows)


cdef inline void prefer_noise(
    double log_noise, const int* code, Py_ssize_t rows, Py_ssize_t n,      # IN codes (rows,) or NULL
    real* peak, real* best,                        # IN, OUT (n,), (n,): −1 where noise is likelier than any component
) noexcept nogil:
    cdef Py_ssize_t r
    for r in range(n):
        if noise_for(log_noise, code, r, rows) > peak[r]:
            peak[r], best[r] = <real>log_noise, -1


cdef inline double share_of_noise(
    const real* tile, Py_ssize_t r, Py_ssize_t n_components, Py_ssize_t ld,        # IN responsibilities (K, n)
) noexcept nogil:
    """Return the part of a row that is not the components'."""
    cdef Py_ssize_t k
    cdef double rest = 1
    for k in range(n_components):
        rest -= tile[k * ld + r]
    return max(rest, 0.0)


cdef inline void take_given(
    const double* given, const real* mass,         # IN (rows, K), (n,)
    Py_ssize_t n_components, Py_ssize_t rows, Py_ssize_t n, Py_ssize_t ld,
    real* tile,                                    # OUT (K, n), zero behind the rows
    real* log_evidence,                            # OUT (n,) zero: nothing was measured
) noexcept nogil:
    cdef Py_ssize_t k, r
    for k in range(n_components):
        for r in range(rows):
            tile[k * ld + r] = <real>given[r * n_components + k] * mass[r]
        for r in range(rows, n):
            tile[k * ld + r] = 0
    memset(log_evidence, 0, n * sizeof(real))


cdef inline void write_components(
    const real* tile, Py_ssize_t n_components, Py_ssize_t n, Py_ssize_t ld,        # IN (K, n)
    data* out,                                     # OUT (n, K)
) noexcept nogil:
    cdef Py_ssize_t k, r, start
    for start in range(0, n, 8):
        for k in range(n_components):
            for r in range(start, min(start + 8, n)):
                out[r * n_components + k] = <data>tile[k * ld + r]


cdef inline void write_rows(
    const real* tile, const real* log_evidence, const real* best,          # IN
    Py_ssize_t n_components, Py_ssize_t n, Py_ssize_t ld, bint noisy,
    double* evidence, data* score, Py_ssize_t* label, data* responsibility, data* largest,     # OUT, NULL: not needed
) noexcept nogil:
    cdef Py_ssize_t k, r
    if evidence != NULL:
        for r in range(n):
            evidence[r] = log_evidence[r]
    if score != NULL:
        for r in range(n):
            score[r] = <data>log_evidence[r]
    if label != NULL:
        for r in range(n):
            label[r] = <Py_ssize_t>best[r]
    if responsibility != NULL:
        write_components(tile, n_components, n, ld, responsibility)
    if largest != NULL:
        for r in range(n):
            largest[r] = <data>tile[r]
        for k in range(1, n_components):
            for r in range(n):
                largest[r] = max(largest[r], <data>tile[k * ld + r])
        if noisy:
            for r in range(n):
                largest[r] = max(largest[r], <data>share_of_noise(tile, r, n_components, ld))


cdef inline double total_of(const real* values, Py_ssize_t n) noexcept nogil:
    """Σ values, in eight independent sums: one sum would wait for every addition."""
    cdef Py_ssize_t r, whole = n // 8 * 8
    cdef double[8] partial
    cdef double total = 0
    cdef int s
    for s in range(8):
        partial[s] = 0
    for r in range(0, whole, 8):
        for s in range(8):
            partial[s] += values[r + s]
    for r in range(whole, n):
        partial[0] += values[r]
    for s in range(8):
        total += partial[s]
    return total


cdef inline double weighted_sum(const double* weight, const real* values, Py_ssize_t n) noexcept nogil:
    """Σ weight × values; Σ values without weights."""
    cdef Py_ssize_t r
    cdef double total = 0
    if weight == NULL:
        return total_of(values, n)
    for r in range(n):
        total += weight[r] * values[r]
    return total
