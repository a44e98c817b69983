"""What one worker does: blocks, lanes of blocks, and the tree in which partial sums are merged."""
from libc.string cimport memset

from gmm._blas cimport real
from gmm._block cimport (
    add_to_best,
    append_products,
    data,
    give_to_best,
    load_mass,
    load_rows,
    take_given,
    total_of,
    weighted_sum,
    write_rows,
)
from gmm._far cimport give_up_far_rows, settle_far_rows
from gmm._leaves cimport (
    add_gram,
    add_products,
    choose,
    log_density_diagonal,
    log_density_triangular,
    multiply,
    normalise,
    pad,
    subtract,
    times,
)
from gmm._linear cimport DIAGONAL, FULL, SPHERICAL, TIED, whitener_size
from gmm._plan cimport Recipe
from gmm._shape cimport add_shapes


cdef enum:
    HARD_BY_ROW = 8             # components from which hard assignment adds row by row


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
    # One worker's scratch and its stack of partial sums; rows are `ld` items long.
    Py_ssize_t ld
    void* block                 # linear [1, x, products], else x
    void* tile                  # (K, ld)
    void* centred               # [1, z, squares]
    void* product               # (d, ld)
    void* evidence
    void* mass                  # (ld,) the rows' weights, zero behind them
    Py_ssize_t n_ones           # rows for which `mass` is one; −1: other weights
    void* best                  # (ld,) the likeliest component
    void* shape                 # see `_shape.pxd`
    void* square
    void* block_sums
    double* node
    Py_ssize_t* level
    Py_ssize_t* first_lane
    Py_ssize_t n_nodes


cdef inline void lay_out_bench(
    Bench* bench, double* work, Py_ssize_t ld,     # OUT, IN scratch and the length of its rows
    Py_ssize_t wide, Py_ssize_t K, Py_ssize_t narrow, Py_ssize_t d, Py_ssize_t shaped,     # IN how many rows of each
) noexcept nogil:
    bench.ld = ld
    bench.block = work
    bench.tile = work + ld * wide
    bench.centred = work + ld * (wide + K)
    bench.product = work + ld * (wide + K + narrow)
    bench.evidence = work + ld * (wide + K + narrow + d)
    bench.mass = work + ld * (wide + K + narrow + d + 1)
    bench.square = work + ld * (wide + K + narrow + d + 2)
    bench.best = work + ld * (wide + K + narrow + d + 3)
    bench.shape = work + ld * (wide + K + narrow + d + 4)
    bench.block_sums = work + ld * (wide + K + narrow + d + 4 + shaped)


cdef inline void fill_ones(bint single, Py_ssize_t n, void* row) noexcept nogil:
    cdef Py_ssize_t r
    for r in range(n):
        if single:
            (<float*>row)[r] = 1
        else:
            (<double*>row)[r] = 1


# ------------------------------------------------------------------------------------------- density

cdef inline void centre_rows(
    const Recipe* recipe, const real* block, Py_ssize_t k, Py_ssize_t n, Py_ssize_t ld,
    real* z,                                       # OUT (d, n) x − c_k
) noexcept nogil:
    cdef Py_ssize_t j, d = recipe.n_features
    cdef const real* centre = <const real*>recipe.centres + k * d
    for j in range(d):
        subtract(recipe.tiles, block + j * ld, centre[j], z + j * ld, n)


cdef inline void log_density_centred(
    const Recipe* recipe, const real* block, Py_ssize_t n, Py_ssize_t ld,      # IN
    real* z, real* y,                              # scratch (d, n)
    real* tile,                                    # OUT (K, n)
) noexcept nogil:
    cdef Py_ssize_t k, d = recipe.n_features, size = whitener_size(recipe.layout, d)
    cdef const real* whiteners = <const real*>recipe.coefficients
    for k in range(recipe.n_components):
        centre_rows(recipe, block, k, n, ld, z)
        if recipe.layout == FULL or recipe.layout == TIED:
            log_density_triangular(recipe.tiles, whiteners + k * size, z, ld, recipe.log_offset[k], y,
                                   tile + k * ld, d, n)
        else:
            log_density_diagonal(recipe.tiles, whiteners + k * size, 1 if recipe.layout == DIAGONAL else 0, z, ld,
                                 recipe.log_offset[k], y, tile + k * ld, d, n)


# ----------------------------------------------------------------------------------------- normalise

cdef inline void add_common_quadratic(
    const Recipe* recipe, const real* block, Py_ssize_t n, Py_ssize_t ld,
    real* y, real* square,                         # scratch (d, n), (n,)
    real* log_evidence,                            # IN, OUT (n,) − ½‖W x‖²
) noexcept nogil:
    cdef Py_ssize_t r, d = recipe.n_features
    log_density_triangular(recipe.tiles, <const real*>recipe.common, block, ld, 0.0, y, square, d, n)
    for r in range(n):
        log_evidence[r] += square[r]


cdef inline double responsibilities(
    const Recipe* recipe, const Rows* shape, const Bench* bench,
    const real* block, Py_ssize_t start, Py_ssize_t n, Py_ssize_t padded, bint rows_only,      # IN
    real* tile,                                    # IN log ρ (K, n), OUT mass × responsibilities, unless hard
) noexcept nogil:
    """Σ w log evidence of the block."""
    cdef Py_ssize_t K = recipe.n_components, ld = bench.ld
    cdef real* evidence = <real*>bench.evidence
    cdef bint measured = not rows_only or shape.log_evidence != NULL
    cdef bint only_labels = recipe.hard or not measured and shape.responsibility == NULL
    if only_labels or shape.label != NULL:
        choose(recipe.tiles, tile, ld, evidence, <real*>bench.best, K, padded)
    if not only_labels:
        normalise(recipe.tiles, tile, ld, <const real*>bench.mass, evidence, K, padded)
    if real is double:
        if recipe.far:
            give_up_far_rows(<const double*>bench.mass, n, evidence)
    if recipe.common_quadratic and measured:
        add_common_quadratic(recipe, block, padded, ld, <real*>bench.product, <real*>bench.square, evidence)
    return 0 if rows_only else weighted_sum(shape.weight + start if shape.weight != NULL else NULL, evidence, n)


# ---------------------------------------------------------------------------------------- accumulate

cdef inline void accumulate_linear(
    const Recipe* recipe, const Bench* bench, real* tile, const real* features, Py_ssize_t n,
    real* block_sums,                              # scratch
    double* sums,                                  # IN, OUT (K, n_moments)
) noexcept nogil:
    cdef Py_ssize_t K = recipe.n_components, terms = recipe.n_moments, ld = bench.ld
    if recipe.hard and K >= HARD_BY_ROW:
        add_to_best(<const real*>bench.best, <const real*>bench.mass, features, terms, n, ld, sums)
        return
    if recipe.hard:
        give_to_best(<const real*>bench.best, <const real*>bench.mass, K, n, ld, tile)
    add_products(recipe.tiles, tile, ld, features, ld, block_sums, sums, terms, K, terms, n)


cdef inline void accumulate_centred(
    const Recipe* recipe, const Bench* bench, real* tile, const real* block, Py_ssize_t n,
    real* centred, real* y, real* block_sums,      # [1, z, squares], scratch (d, n), (d, d)
    double* sums,                                  # IN, OUT (K, n_row), second
) noexcept nogil:
    cdef Py_ssize_t K = recipe.n_components, d = recipe.n_features, ld = bench.ld, row = recipe.n_row
    cdef Py_ssize_t j, k
    cdef const real* responsibility
    cdef real* z = centred + ld
    cdef double* second = sums + K * row
    if recipe.hard:
        give_to_best(<const real*>bench.best, <const real*>bench.mass, K, n, ld, tile)
    for k in range(K):
        responsibility = tile + k * ld
        centre_rows(recipe, block, k, n, ld, z)
        if recipe.moments == DIAGONAL or recipe.moments == SPHERICAL:
            append_products(recipe.tiles, recipe.moments, d, n, ld, centred)
        else:
            for j in range(d):
                times(recipe.tiles, z + j * ld, responsibility, y + j * ld, n)
            add_gram(recipe.tiles, y, z, ld, block_sums,
                     second + (k * d * d if recipe.moments == FULL else 0), d, n)
        add_products(recipe.tiles, responsibility, ld, centred, ld, block_sums, sums + k * row, row, 1, row, n)


# --------------------------------------------------------------------------------------------- lanes

cdef inline void one_block(
    const Recipe* recipe, const Rows* shape, const data* rows, Py_ssize_t start, Py_ssize_t n,
    Bench* bench, real* tile,
    double* sums,                                  # IN, OUT, NULL when only rows are asked for
) noexcept nogil:
    cdef Py_ssize_t K = recipe.n_components, d = recipe.n_features, ld = bench.ld, terms = recipe.n_moments
    cdef Py_ssize_t padded = (n + pad(sizeof(real)) - 1) // pad(sizeof(real)) * pad(sizeof(real))
    cdef real* features = <real*>bench.block
    cdef real* block = features + ld if recipe.linear else features
    cdef real* centred = <real*>bench.centred
    cdef real* y = <real*>bench.product
    cdef double evidence = 0
    load_rows(rows + start * shape.row_stride, shape.row_stride, shape.column_stride, n, padded, d,
              recipe.origin, ld, block)
    if shape.weight != NULL or bench.n_ones != n:
        load_mass(shape.weight + start if shape.weight != NULL else NULL, n, padded, <real*>bench.mass)
        bench.n_ones = n if shape.weight == NULL else -1
    if recipe.linear:
        append_products(recipe.tiles, recipe.moments, d, padded, ld, features)
    if recipe.given:
        take_given(shape.given + start * K, <real*>bench.mass, K, n, padded, ld, tile, <real*>bench.evidence)
    else:
        if recipe.linear:
            multiply(recipe.tiles, <const real*>recipe.coefficients, terms, features, ld, tile, ld,
                     K, padded, recipe.n_density)
        else:
            log_density_centred(recipe, block, padded, ld, centred + ld, y, tile)
        if real is double:
            if recipe.axes != NULL:
                add_shapes(recipe, block, tile, <const double*>bench.mass, padded, ld, <double*>bench.shape,
                           <double*>bench.block_sums, sums)
            if recipe.far:
                settle_far_rows(recipe, block, n, ld, y, tile)
        evidence = responsibilities(recipe, shape, bench, block, start, n, padded, sums == NULL, tile)
    if sums == NULL:
        write_rows(tile, <real*>bench.evidence, <real*>bench.best, K, n, ld,
                   shape.log_evidence + start if shape.log_evidence != NULL else NULL,
                   shape.label + start if shape.label != NULL else NULL,
                   <data*>shape.responsibility + start * K if shape.responsibility != NULL else NULL)
        return
    sums[recipe.n_sums - 2] += evidence
    sums[recipe.n_sums - 1] += n if shape.weight == NULL else total_of(shape.weight + start, n)
    if recipe.linear:
        accumulate_linear(recipe, bench, tile, features, padded, <real*>bench.block_sums, sums)
    else:
        accumulate_centred(recipe, bench, tile, block, padded, centred, y, <real*>bench.block_sums, sums)


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
