"""What one worker does: blocks, lanes of blocks, and the tree in which partial sums are merged."""
from libc.string cimport memset

from gmm._blas cimport multiply, multiply_transposed, real
from gmm._block cimport (
    DIAGONAL,
    FULL,
    TIED,
    Layout,
    accumulate_diagonal,
    accumulate_triangular,
    add_single,
    append_products,
    centre_rows,
    data,
    density_from_squares,
    likeliest,
    load_rows,
    log_density_diagonal,
    log_density_triangular,
    normalise_hard,
    normalise_soft,
    take_given,
    total_of,
)

cdef extern from "_tile.h" nogil:
    void tile_log_sum_exp_double(double* tile, Py_ssize_t n_components, Py_ssize_t n, Py_ssize_t ld,
                                 double* log_evidence, double* total)
    void tile_log_sum_exp_float(float* tile, Py_ssize_t n_components, Py_ssize_t n, Py_ssize_t ld,
                                float* log_evidence, float* total)

cdef struct Recipe:
    # What all workers of one pass read.
    Py_ssize_t n_components
    Py_ssize_t n_features
    Py_ssize_t n_density        # terms of the linear density, a prefix of the linear moments
    Py_ssize_t n_moments        # terms of the linear moments
    Py_ssize_t block            # rows
    Py_ssize_t lane             # rows
    Py_ssize_t n_sums           # doubles in one node of the merge tree
    Layout layout               # of the whiteners
    Layout moments
    bint linear
    bint single                 # arithmetic in float32
    bint hard
    bint given                  # responsibilities come from the caller
    bint leaves                 # log-sum-exp from _tile.h, else its twin in Cython
    bint common_quadratic       # tied linear: ‖Wx‖² is added row by row
    const double* log_offset
    const void* centres         # (K, d) from the origin
    const double* origin        # (d,) subtracted on loading: the data's centre, or zero
    const void* coefficients    # linear (K, n_moments), else the whiteners
    const void* common          # (d, d) the tied whitener, for common_quadratic


cdef struct Rows:
    # What a pass reads of the data and writes of every row; NULL where there is none.
    Py_ssize_t n
    Py_ssize_t row_stride       # items
    Py_ssize_t column_stride    # items
    const double* weight
    const double* given         # (n, K)
    Py_ssize_t* label
    double* log_evidence
    void* responsibility        # (n, K) in the type of the data


cdef struct Bench:
    # One worker's scratch and its stack of partial sums.
    void* block
    void* tile
    void* centred
    void* product
    void* evidence
    void* total
    void* block_sums
    double* node
    Py_ssize_t* level
    Py_ssize_t* first_lane
    Py_ssize_t n_nodes


# ------------------------------------------------------------------------------------------- density

cdef inline void log_density(
    const Recipe* recipe, const real* block, Py_ssize_t n,     # IN
    real* z, real* y,                              # scratch
    real* tile,                                    # OUT (K, n)
) noexcept nogil:
    cdef Py_ssize_t k, d = recipe.n_features, ld = recipe.block
    cdef Py_ssize_t K = recipe.n_components
    cdef const real* whitener = <const real*>recipe.coefficients
    cdef const real* centres = <const real*>recipe.centres
    if recipe.linear:
        multiply(whitener, recipe.n_moments, block, ld, tile, ld, K, n, recipe.n_density)
        return
    for k in range(K):
        if recipe.layout == FULL or recipe.layout == TIED:
            log_density_triangular(
                block, centres + k * d, whitener + (k * d * d if recipe.layout == FULL else 0),
                recipe.log_offset[k], d, n, ld, z, y, tile + k * ld)
        else:
            log_density_diagonal(
                block, centres + k * d, whitener + (k * d if recipe.layout == DIAGONAL else k),
                recipe.log_offset[k], 1 if recipe.layout == DIAGONAL else 0, d, n, ld, y,
                tile + k * ld)


# ----------------------------------------------------------------------------------------- normalise

cdef inline void normalise(
    bint leaves, real* tile, Py_ssize_t n_components, Py_ssize_t n, Py_ssize_t ld,
    real* log_evidence, real* total,
) noexcept nogil:
    if not leaves:
        normalise_soft(tile, n_components, n, ld, log_evidence, total)
    elif real is double:
        tile_log_sum_exp_double(tile, n_components, n, ld, log_evidence, total)
    else:
        tile_log_sum_exp_float(tile, n_components, n, ld, log_evidence, total)


cdef inline void add_common_quadratic(
    const Recipe* recipe, const real* block, Py_ssize_t n,
    real* y, real* square,                         # scratch (d, n), (n,)
    real* log_evidence,                            # IN, OUT (n,) − ½‖W x‖²
) noexcept nogil:
    cdef Py_ssize_t r, d = recipe.n_features, ld = recipe.block
    multiply(<const real*>recipe.common, d, block + ld, ld, y, ld, d, n, d)
    density_from_squares(y, 0.0, d, n, ld, square)
    for r in range(n):
        log_evidence[r] += square[r]


cdef inline void write_rows(
    const real* tile, const real* log_evidence, Py_ssize_t n_components, Py_ssize_t n, Py_ssize_t ld,
    Py_ssize_t start, const Rows* out, data* responsibility,
) noexcept nogil:
    cdef Py_ssize_t k, r
    if out.log_evidence != NULL:
        for r in range(n):
            out.log_evidence[start + r] = log_evidence[r]
    if out.label != NULL:
        for r in range(n):
            out.label[start + r] = likeliest(tile, n_components, ld, r)
    if responsibility != NULL:
        for r in range(n):
            for k in range(n_components):
                responsibility[(start + r) * n_components + k] = <data>tile[k * ld + r]


# ---------------------------------------------------------------------------------------- accumulate

cdef inline void weigh(
    const double* weight, Py_ssize_t n_components, Py_ssize_t n, Py_ssize_t ld,
    real* tile, real* log_evidence,                # IN, OUT (K, n), (n,)
    double* tail,                                  # IN, OUT [Σ w log evidence, Σ w]
) noexcept nogil:
    cdef Py_ssize_t k, r
    cdef double evidence = 0, total = 0
    if weight == NULL:
        for r in range(n):
            evidence += log_evidence[r]
        total = n
    else:
        for r in range(n):
            evidence += weight[r] * log_evidence[r]
            total += weight[r]
        for k in range(n_components):
            for r in range(n):
                tile[k * ld + r] *= <real>weight[r]
    tail[0] += evidence
    tail[1] += total


cdef inline void accumulate_linear(
    const Recipe* recipe, const real* tile, const real* features, Py_ssize_t n,
    real* block_sums,                              # scratch, float32 only
    double* sums,                                  # IN, OUT (K, n_moments)
) noexcept nogil:
    cdef Py_ssize_t K = recipe.n_components, terms = recipe.n_moments, ld = recipe.block
    if real is double:
        multiply_transposed(tile, ld, features, ld, sums, terms, K, terms, n, 1.0)
    else:
        multiply_transposed(tile, ld, features, ld, block_sums, terms, K, terms, n, <real>0)
        add_single(block_sums, K * terms, sums)


cdef inline void accumulate_centred(
    const Recipe* recipe, const real* tile, const real* block, Py_ssize_t n,
    real* z, real* y, real* block_sums,            # scratch
    double* sums,                                  # IN, OUT counts (K), first (K, d), second
) noexcept nogil:
    cdef Py_ssize_t K = recipe.n_components, d = recipe.n_features, ld = recipe.block
    cdef Py_ssize_t j, k
    cdef const real* responsibility
    cdef const real* centres = <const real*>recipe.centres
    cdef double* second = sums + K * (1 + d)
    cdef double count
    for k in range(K):
        responsibility = tile + k * ld
        count = total_of(responsibility, n)
        if count == 0:
            continue
        sums[k] += count
        centre_rows(block, centres + k * d, d, n, ld, z)
        multiply_transposed(responsibility, ld, z, ld, block_sums, d, 1, d, n, <real>0)
        for j in range(d):
            sums[K + k * d + j] += block_sums[j]
        if recipe.moments == FULL or recipe.moments == TIED:
            accumulate_triangular(z, responsibility, d, n, ld, y, block_sums,
                                  second + (k * d * d if recipe.moments == FULL else 0))
        elif recipe.moments == DIAGONAL:
            accumulate_diagonal(z, responsibility, d, n, ld, 1, block_sums, second + k * d)
        else:
            accumulate_diagonal(z, responsibility, d, n, ld, 0, block_sums, second + k)


# --------------------------------------------------------------------------------------------- lanes

cdef inline void one_block(
    const Recipe* recipe, const Rows* shape, const data* rows, Py_ssize_t start, Py_ssize_t n,
    const Bench* bench, real* tile,
    double* sums,                                  # IN, OUT, NULL when only rows are asked for
) noexcept nogil:
    cdef Py_ssize_t K = recipe.n_components, d = recipe.n_features, ld = recipe.block
    cdef real* features = <real*>bench.block
    cdef real* block = features + ld if recipe.linear else features
    cdef real* evidence = <real*>bench.evidence
    cdef real* total = <real*>bench.total
    cdef real* z = <real*>bench.centred
    cdef real* y = <real*>bench.product
    load_rows(rows + start * shape.row_stride, shape.row_stride, shape.column_stride, n, d,
              recipe.origin, ld, block)
    if recipe.linear:
        append_products(recipe.moments, d, n, ld, features)
    if recipe.given:
        take_given(shape.given + start * K, K, n, ld, tile, evidence)
    else:
        log_density(recipe, features, n, z, y, tile)
        if recipe.hard:
            normalise_hard(tile, K, n, ld, evidence)
        else:
            normalise(recipe.leaves, tile, K, n, ld, evidence, total)
        if recipe.common_quadratic and (sums != NULL or shape.log_evidence != NULL):
            add_common_quadratic(recipe, features, n, y, total, evidence)
    write_rows(tile, evidence, K, n, ld, start, shape, <data*>shape.responsibility)
    if sums == NULL:
        return
    weigh(shape.weight + start if shape.weight != NULL else NULL, K, n, ld, tile, evidence,
          sums + recipe.n_sums - 2)
    if recipe.linear:
        accumulate_linear(recipe, tile, features, n, <real*>bench.block_sums, sums)
    else:
        accumulate_centred(recipe, tile, block, n, z, y, <real*>bench.block_sums, sums)


cdef inline void merge_siblings(Bench* bench, Py_ssize_t n_sums, bint everything) noexcept nogil:
    """Add the last node to the one before while the two are halves of one (or, at the end, always)."""
    cdef Py_ssize_t i, left, right
    cdef double* sums
    while bench.n_nodes > 1:
        left = bench.n_nodes - 2
        right = left + 1
        if not everything and (bench.level[left] != bench.level[right]
                               or (bench.first_lane[left] >> bench.level[left]) & 1):
            return
        sums = bench.node + left * n_sums
        for i in range(n_sums):
            sums[i] += sums[n_sums + i]
        bench.level[left] += 1
        bench.n_nodes -= 1


cdef inline void walk_lanes(
    const Recipe* recipe, const Rows* shape, const data* rows, Py_ssize_t first, Py_ssize_t last,
    Bench* bench, real* tile, bint accumulate,
) noexcept nogil:
    cdef Py_ssize_t lane, start, end
    cdef double* sums = NULL
    for lane in range(first, last):
        if accumulate:
            sums = bench.node + bench.n_nodes * recipe.n_sums
            memset(sums, 0, recipe.n_sums * sizeof(double))
        start = lane * recipe.lane
        end = min(start + recipe.lane, shape.n)
        while start < end:
            one_block(recipe, shape, rows, start, min(recipe.block, end - start), bench, tile, sums)
            start += recipe.block
        if accumulate:
            bench.level[bench.n_nodes] = 0
            bench.first_lane[bench.n_nodes] = lane
            bench.n_nodes += 1
            merge_siblings(bench, recipe.n_sums, False)
