"""The pass of one worker: blocks, lanes of blocks, and the tree in which partial sums are merged."""
from libc.string cimport memcpy, memset

from gmm._kernel.blas cimport real
from gmm._kernel.block cimport (
    add_row_by_row,
    add_to_best,
    append_noise,
    append_products,
    copy_rows,
    drop_negligible,
    give_to_best,
    keep_to_classes,
    load_mass,
    load_rows,
    prefer_noise,
    share_with_noise,
    take_given,
    total_of,
    weigh,
    weighted_sum,
    write_components,
    write_rows,
)
from gmm._kernel.deconvolve cimport accumulate_own, log_density_own
from gmm._kernel.diagnostics cimport add_log_rest, add_powers
from gmm._kernel.few_rows cimport few_features, few_stride, load_few, log_density_few
from gmm._kernel.layout cimport axis_stride, component_stride, is_axis_aligned, is_dense, is_low_rank, n_factors
from gmm._kernel.leaves cimport (
    add_axis_moments,
    add_products,
    add_quadratic,
    add_scatter,
    choose,
    entropies,
    few_triangular,
    heavy_tails,
    log_density_diagonal,
    log_density_low_rank,
    log_density_quadratic,
    log_density_triangular,
    multiply,
    normalise,
    pad,
    share_by_powers,
    weigh_by_precision,
)
from gmm._kernel.linear cimport has_products
from gmm._kernel.overflow cimport flag_overflowed_components, flag_overflowed_rows, resolve_overflowed_rows
from gmm._kernel.plan cimport (
    PassPlan,
    crosses,
    fuses,
    has_powers,
    has_tails,
    item_size,
    keeps_rows,
    tail_sums,
)
from gmm._kernel.rows cimport Rows, data
from gmm._kernel.workspace cimport Workspace, use_block


cdef enum:
    HARD_BY_ROW = 8             # components from which hard assignment adds row by row
    FEW_OF = 8                  # rows of a block: of low rank, one with a share in so many is added by itself


# ------------------------------------------------------------------------------------------- density

cdef inline void log_density_centred(
    const PassPlan* plan, const real* block, Py_ssize_t n, Py_ssize_t ld,      # IN
    real* z,                                       # scratch (d, n)
    real* tile,                                    # OUT (K, n)
) noexcept nogil:
    cdef Py_ssize_t k, d = plan.n_features, stride = component_stride(plan.layout, d)
    cdef const real* whiteners = <const real*>plan.coefficients
    cdef const real* centre
    for k in range(plan.n_components):
        centre = <const real*>plan.centres + k * d
        if is_dense(plan.layout):
            log_density_triangular(plan.kernel, whiteners + k * stride, block, ld, centre, plan.log_offset[k], z,
                                   tile + k * ld, d, n)
        else:
            log_density_diagonal(plan.kernel, whiteners + k * stride, axis_stride(plan.layout), block, ld, centre,
                                 plan.log_offset[k], tile + k * ld, d, n)


# ----------------------------------------------------------------------------------------- normalise

cdef inline void add_common_quadratic(
    const PassPlan* plan, const real* block, Py_ssize_t n, Py_ssize_t padded, Py_ssize_t ld,
    real* z, real* square,                         # scratch (d, n), (n,)
    real* log_evidence,                            # IN, OUT (n,) − ½‖W x‖²
) noexcept nogil:
    cdef Py_ssize_t r, d = plan.n_features
    if n <= plan.few_rows:
        few_triangular(plan.kernel, <const real*>plan.common_panels, block, few_stride(plan), 0.0, square, d, n)
    else:
        log_density_triangular(plan.kernel, <const real*>plan.common, block, ld, NULL, 0.0, z, square, d, padded)
    for r in range(n):
        log_evidence[r] += square[r]


cdef inline double responsibilities(
    const PassPlan* plan, const Rows* rows, const Workspace* workspace,
    const real* block, Py_ssize_t start, Py_ssize_t n, Py_ssize_t padded,      # IN
    double* sums,                                  # IN, OUT of tails, NULL where rows are written instead
    real* tile,                                    # IN log ρ (K, n), OUT mass × responsibilities for soft moments
) noexcept nogil:
    """Normalise the tile as the plan requires; return Σ w log evidence of the block."""
    cdef bint rows_only = sums == NULL
    cdef Py_ssize_t K = plan.n_components, ld = workspace.ld
    cdef real* evidence = <real*>workspace.evidence
    cdef bint measured = not rows_only or rows.log_evidence != NULL or rows.score != NULL
    cdef const int* code = NULL if rows.code == NULL else rows.code + start
    cdef const double* weight = NULL if rows.weight == NULL else rows.weight + start
    cdef bint only_labels = plan.hard or not measured and rows.responsibility == NULL and rows.largest == NULL
    if only_labels or rows.label != NULL:
        choose(plan.kernel, tile, ld, evidence, <real*>workspace.best, K, padded)
        if plan.noisy:
            prefer_noise(plan.log_noise, code, n, padded, evidence, <real*>workspace.best)
    if plan.totals:
        if plan.noisy:
            append_noise(plan.log_noise, code, n, padded, tile + K * ld)
        entropies(plan.kernel, tile, ld, evidence, <real*>workspace.best, <real*>workspace.square, K + plan.noisy,
                  padded)
        sums[0] -= weighted_sum(weight, <const real*>workspace.best, n)
        sums[1] += weighted_sum(weight, <const real*>workspace.square, n)
    elif has_powers(plan) and not rows_only:
        share_by_powers(plan.kernel, tile, ld, plan.log_offset, plan.tails[0], plan.power,
                        <const real*>workspace.mass, evidence, <real*>workspace.precisions,
                        tail_sums(plan, sums), K, padded)
    elif plan.skips_evidence and not (only_labels or plan.noisy or plan.far or plan.common_quadratic):
        normalise(plan.kernel, tile, ld, <const real*>workspace.mass, <real*>NULL, K, padded)
        return 0
    elif not only_labels:
        normalise(plan.kernel, tile, ld, <const real*>workspace.mass, evidence, K, padded)
        if plan.noisy:
            share_with_noise(plan.log_noise, code, n, K, padded, ld, <real*>workspace.square, tile, evidence)
    if real is double:
        if plan.far:
            flag_overflowed_rows(<const double*>workspace.mass, n, evidence)
    if plan.common_quadratic and measured:
        add_common_quadratic(plan, block, n, padded, ld, <real*>workspace.scratch, <real*>workspace.square, evidence)
    if rows_only or plan.skips_evidence:
        return 0
    return weighted_sum(weight, evidence, n)


# ---------------------------------------------------------------------------------------- accumulate

cdef inline void accumulate_linear(
    const PassPlan* plan, const Workspace* workspace, real* tile, const real* features, Py_ssize_t n,
    real* block_sums,                              # scratch
    double* sums,                                  # IN, OUT (K, n_moments)
) noexcept nogil:
    cdef Py_ssize_t K = plan.n_components, terms = plan.n_moments, ld = workspace.ld
    if plan.hard and K >= HARD_BY_ROW and not plan.noisy and not fuses(plan):
        add_to_best(<const real*>workspace.best, <const real*>workspace.mass, features, terms, n, ld, sums)
        return
    if plan.hard:
        give_to_best(<const real*>workspace.best, <const real*>workspace.mass, K, n, ld, tile)
    if fuses(plan):
        add_quadratic(plan.kernel, tile, features, ld, sums, terms, K, plan.n_features, n)
    else:
        add_products(plan.kernel, tile, ld, features, ld, block_sums, sums, terms, K, terms, n)


cdef inline void accumulate_centred(
    const PassPlan* plan, const Workspace* workspace, real* tile, const real* block, Py_ssize_t n,
    const real* ones_or_rows, real* scratch, real* block_sums,  # IN rows or ones: see `Workspace`; scratch
    double* sums,                                  # IN, OUT (K, n_row), second
) noexcept nogil:
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features, ld = workspace.ld, row = plan.n_row
    cdef Py_ssize_t k
    cdef double* second = sums + K * row
    if plan.hard:
        give_to_best(<const real*>workspace.best, <const real*>workspace.mass, K, n, ld, tile)
    if is_axis_aligned(plan.moments):
        add_products(plan.kernel, tile, ld, ones_or_rows, ld, block_sums, sums, row, K, 1, n)
        for k in range(K):
            add_axis_moments(plan.kernel, block, ld, <const real*>plan.centres + k * d, tile + k * ld,
                             sums + k * row + 1, sums + k * row + 1 + d, axis_stride(plan.moments), d, n)
        return
    for k in range(K):
        add_scatter(plan.kernel, block, ld, ones_or_rows, <const real*>plan.centres + k * d, tile + k * ld, scratch,
                    block_sums, sums + k * row, second + k * component_stride(plan.moments, d), d, n)


cdef inline void accumulate_low_rank(
    const PassPlan* plan, const Workspace* workspace, real* tile, const real* block, Py_ssize_t n,
    const Rows* rows, const data* x,               # IN, the first of the block
    const real* ones, real* y, real* block_sums,   # IN, IN where `crosses`, scratch
    double* sums,                                  # IN, OUT (K, n_row), (K, q, d)
) noexcept nogil:
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features, q = n_factors(plan.moments), ld = workspace.ld
    cdef Py_ssize_t i, k, strip, n_crossed = q if crosses(plan) else 0, row = plan.n_row
    cdef double* first
    if plan.hard:
        give_to_best(<const real*>workspace.best, <const real*>workspace.mass, K, n, ld, tile)
    for k in range(K):
        if FEW_OF * drop_negligible(<const real*>workspace.mass, n, tile + k * ld) > n:
            for i in range(k * q, k * q + n_crossed):
                weigh(tile + k * ld, n, y + i * ld)
        else:
            first = sums + k * row + 1
            add_row_by_row(x, rows.row_stride, rows.column_stride, plan.origin, <const real*>plan.centres + k * d,
                           tile + k * ld, y + k * q * ld, ld, block_sums, first, first + d,
                           sums + K * row + k * q * d, n_crossed, d, n)
    for strip in range(plan.n_strips):
        accumulate_strip(plan, workspace, tile, block, n, ld, d * strip // plan.n_strips,
                         d * (strip + 1) // plan.n_strips, y, block_sums, sums)
    add_products(plan.kernel, tile, ld, ones, ld, block_sums, sums, plan.n_row, K, 1, n)


cdef inline void accumulate_strip(
    const PassPlan* plan, const Workspace* workspace, real* tile, const real* block, Py_ssize_t n, Py_ssize_t ld,
    Py_ssize_t start, Py_ssize_t end,              # of the features
    const real* y, real* block_sums, double* sums,
) noexcept nogil:
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features, q = n_factors(plan.moments), row = plan.n_row
    cdef Py_ssize_t width = end - start, first = 0, k
    cdef double* cross = sums + K * row + start
    block += start * ld
    for k in range(K + 1):
        if k < K and FEW_OF * drop_negligible(<const real*>workspace.mass, n, tile + k * ld) > n:
            add_axis_moments(plan.kernel, block, ld, <const real*>plan.centres + k * d + start, tile + k * ld,
                             sums + k * row + 1 + start, sums + k * row + 1 + d + start, 1, width, n)
            continue
        if first < k and crosses(plan):            # those in a row that have many rows in the block
            add_products(plan.kernel, y + first * q * ld, ld, block, ld, block_sums, cross + first * q * d, d,
                         (k - first) * q, width, n)
        first = k + 1


# --------------------------------------------------------------------------------------------- lanes

cdef inline void load_block(
    const PassPlan* plan, const Rows* rows, const data* x, Py_ssize_t start, Py_ssize_t n, Py_ssize_t padded,
    Workspace* workspace,                          # OUT its mass
    real* features, real* block,                   # OUT
    bint accumulate,
) noexcept nogil:
    cdef const double* weight = NULL if rows.weight == NULL else rows.weight + start
    cdef bint few = n <= plan.few_rows
    if few:
        load_few(plan, x + start * rows.row_stride, rows.row_stride, rows.column_stride, n, features)
    else:
        load_rows(x + start * rows.row_stride, rows.row_stride, rows.column_stride, n, padded, plan.n_features,
                  plan.origin, workspace.ld, block)
    if weight != NULL or workspace.n_ones != n or workspace.n_kept > 1:
        load_mass(weight, n, padded, <real*>workspace.mass)
        workspace.n_ones = n if weight == NULL else -1
    if plan.linear and not few and not fuses(plan):
        append_products(plan.kernel, plan.moments, plan.n_features, padded, workspace.ld, features)
    if keeps_rows(plan) and accumulate:
        copy_rows(x + start * rows.row_stride, rows.row_stride, rows.column_stride, n, padded, plan.n_features,
                  plan.origin, <real*>workspace.ones_or_rows)


cdef inline void one_block(
    const PassPlan* plan, const Rows* rows, const data* x, Py_ssize_t start, Py_ssize_t n,
    Workspace* workspace, real* tile,
    double* sums,                                  # IN, OUT, NULL where rows are written instead
) noexcept nogil:
    cdef Py_ssize_t K = plan.n_components, ld = workspace.ld, terms = plan.n_moments
    cdef Py_ssize_t padded = (n + pad(sizeof(real)) - 1) // pad(sizeof(real)) * pad(sizeof(real))
    cdef real* features = <real*>workspace.block
    cdef bint few = n <= plan.few_rows, at_once = sums != NULL and has_powers(plan)
    cdef real* block = few_features(plan, features) if few else features + ld if plan.linear else features
    cdef real* scratch = <real*>workspace.scratch
    cdef double evidence = 0
    cdef bint own = plan.own != NULL and real is double
    if not workspace.loaded:
        load_block(plan, rows, x, start, n, padded, workspace, features, block, sums != NULL)
    if plan.given:
        take_given(rows.given + start * K, <real*>workspace.mass, K, n, padded, ld, tile, <real*>workspace.evidence)
    else:
        if own:
            log_density_own(plan, rows.error + start, <const double*>block, n, padded, ld, workspace.own,
                            <double*>tile)
        elif few:
            log_density_few(plan, features, n, padded, ld, scratch, tile)
        elif fuses(plan) and has_products(plan.layout):
            log_density_quadratic(plan.kernel, <const real*>plan.coefficients, terms, block, ld, tile, K,
                                  plan.n_features, padded)
        elif plan.linear:
            multiply(plan.kernel, <const real*>plan.coefficients, terms, features, ld, tile, ld,
                     K, padded, plan.n_density)
        elif is_low_rank(plan.layout):
            log_density_low_rank(plan.kernel, <const real*>plan.coefficients, <const real*>plan.centres,
                                 plan.log_offset, block, ld, scratch + K * n_factors(plan.layout) * ld, scratch, tile,
                                 K, n_factors(plan.layout), plan.n_features, padded)
        else:
            log_density_centred(plan, block, padded, ld, scratch, tile)
        if has_tails(plan) and not at_once:
            heavy_tails(plan.kernel, tile, ld, plan.log_offset, plan.tails, plan.n_features,
                        <real*>workspace.precisions, K, padded)
        if rows.code != NULL:
            keep_to_classes(plan.allowed, plan.n_codes, rows.code + start, K, n, ld, tile)
        if real is double:
            if plan.axes != NULL and not plan.skips_evidence:
                add_log_rest(plan, tile, <const double*>workspace.mass, padded, ld,
                             <double*>workspace.diagnostics, sums)
            if plan.far:
                resolve_overflowed_rows(plan, block, n, ld, <double*>scratch, tile)
        if sums == NULL and rows.log_joint != NULL:
            write_components(tile, K, n, ld, <data*>rows.log_joint + start * K)
            if plan.far:
                flag_overflowed_components(n * K, <data*>rows.log_joint + start * K)
        if own and sums != NULL and not (plan.totals or plan.hard):        # the order of the rows
            choose(plan.kernel, tile, ld, <real*>workspace.evidence, <real*>workspace.best, K, padded)
        evidence = responsibilities(plan, rows, workspace, block, start, n, padded, sums, tile)
    if sums == NULL:
        write_rows(tile, <real*>workspace.evidence, <real*>workspace.best, K, n, ld, plan.noisy,
                   rows.log_evidence + start if rows.log_evidence != NULL else NULL,
                   <data*>rows.score + start if rows.score != NULL else NULL,
                   rows.label + start if rows.label != NULL else NULL,
                   <data*>rows.responsibility + start * K if rows.responsibility != NULL else NULL,
                   <data*>rows.largest + start if rows.largest != NULL else NULL)
        return
    if real is double:
        if plan.axes != NULL:
            add_powers(plan, block, tile, padded, ld, <double*>workspace.diagnostics, <double*>workspace.block_sums,
                       sums)
    sums[plan.n_sums - 2] += evidence
    sums[plan.n_sums - 1] += n if rows.weight == NULL else total_of(rows.weight + start, n)
    if has_tails(plan) and not plan.totals and not at_once:
        weigh_by_precision(plan.kernel, tile, ld, <const real*>workspace.precisions,
                           tail_sums(plan, sums), K, padded)
    if plan.totals:
        sums[0] += evidence
    elif own:
        if plan.hard:
            give_to_best(<const real*>workspace.best, <const real*>workspace.mass, K, n, ld, tile)
        accumulate_own(plan, rows.error + start, <const double*>block, <const double*>workspace.best,
                       <const double*>workspace.mass, <const double*>tile, n, ld, workspace.own, sums)
    elif plan.linear:
        accumulate_linear(plan, workspace, tile, features, padded, <real*>workspace.block_sums, sums)
    elif is_low_rank(plan.moments):
        accumulate_low_rank(plan, workspace, tile, block, padded, rows, x + start * rows.row_stride,
                            <real*>workspace.ones_or_rows, scratch, <real*>workspace.block_sums, sums)
    else:
        accumulate_centred(plan, workspace, tile, block, padded, <real*>workspace.ones_or_rows, scratch,
                           <real*>workspace.block_sums, sums)


cdef inline void merge_siblings(Workspace* workspace, Py_ssize_t n_sums, bint everything) noexcept nogil:
    """Add the last node to the one before while the two are halves of one (or, at the end, always)."""
    cdef Py_ssize_t i, left, right
    cdef double* sums
    while workspace.n_nodes > 1:
        left = workspace.n_nodes - 2
        right = left + 1
        if not everything and (workspace.level[left] != workspace.level[right]
                               or (workspace.first_lane[left] >> workspace.level[left]) & 1):
            return
        sums = workspace.node + left * n_sums
        for i in range(n_sums):
            sums[i] += sums[n_sums + i]
        workspace.level[left] += 1
        workspace.n_nodes -= 1


cdef inline void push_node(Workspace* workspace, Py_ssize_t lane, Py_ssize_t n_sums) noexcept nogil:
    """Take the sums behind the last node for those of a lane."""
    workspace.level[workspace.n_nodes] = 0
    workspace.first_lane[workspace.n_nodes] = lane
    workspace.n_nodes += 1
    merge_siblings(workspace, n_sums, False)


cdef inline void move_nodes(Workspace* workspace, Workspace* other, Py_ssize_t n_sums) noexcept nogil:
    """Move the sums of another worker, of the lanes that follow, to those of this one."""
    cdef Py_ssize_t i
    for i in range(other.n_nodes):
        memcpy(workspace.node + workspace.n_nodes * n_sums, other.node + i * n_sums, n_sums * sizeof(double))
        workspace.level[workspace.n_nodes] = other.level[i]
        workspace.first_lane[workspace.n_nodes] = other.first_lane[i]
        workspace.n_nodes += 1
        merge_siblings(workspace, n_sums, False)
    other.n_nodes = 0


cdef inline Py_ssize_t block_rows(const PassPlan* plan, Py_ssize_t left) noexcept nogil:
    """Return how many of the rows left are the next block: few behind whole groups are a block of their own."""
    cdef Py_ssize_t n = min(plan.block, left)
    cdef Py_ssize_t few = n % pad(item_size(plan))
    return n - few if few <= plan.few_rows and few < n else n


cdef inline void walk_lanes(
    const PassPlan* plan, const Rows* rows, const data* x, Py_ssize_t first, Py_ssize_t last,
    Workspace* workspace, real* tile, bint accumulate,
) noexcept nogil:
    cdef Py_ssize_t lane, start, end, n
    cdef double* sums = NULL
    for lane in range(first, last):
        if accumulate:
            sums = workspace.node + workspace.n_nodes * plan.n_sums
            memset(sums, 0, plan.n_sums * sizeof(double))
        start = lane * plan.lane
        end = min(start + plan.lane, rows.n)
        while start < end:
            n = block_rows(plan, end - start)
            if workspace.n_kept > 1:
                use_block(workspace, plan, start // plan.block)
            one_block(plan, rows, x, start, n, workspace, tile, sums)
            start += n
        if accumulate:
            push_node(workspace, rows.first_lane + lane, plan.n_sums)


cdef inline void walk(
    const PassPlan* plan, const Rows* rows, Py_ssize_t first, Py_ssize_t last, Workspace* workspace, bint accumulate,
) noexcept nogil:
    if rows.single:
        walk_in_type(plan, rows, <const float*>rows.values, first, last, workspace, accumulate)
    else:
        walk_in_type(plan, rows, <const double*>rows.values, first, last, workspace, accumulate)


cdef inline void walk_in_type(
    const PassPlan* plan, const Rows* rows, const data* x, Py_ssize_t first, Py_ssize_t last,
    Workspace* workspace, bint accumulate,
) noexcept nogil:
    if plan.single:
        walk_lanes(plan, rows, x, first, last, workspace, <float*>workspace.tile, accumulate)
    else:
        walk_lanes(plan, rows, x, first, last, workspace, <double*>workspace.tile, accumulate)
