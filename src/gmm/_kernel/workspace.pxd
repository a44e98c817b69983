"""The memory of one worker: a block of rows and what is made of it, and its stack of partial sums."""
from gmm._kernel.deconvolve cimport own_size
from gmm._kernel.layout cimport matrix_size, n_factors
from gmm._kernel.leaves cimport is_twin, pad, padded_row, scatter_workspace_size
from gmm._kernel.plan cimport PassPlan, diagnostic_rows, item_size, keeps_rows, n_lanes, n_stored, tail_rows

cdef enum:
    KEPT_BYTES = 524288         # of blocks that wait for the next pass: a part of the second cache


cdef struct Workspace:
    # One worker's scratch and its stack of partial sums; rows are `ld` items long.
    Py_ssize_t ld
    void* block                 # linear [1, x, products], without products where these are fused, else x
    void* tile                  # (K, ld), and one row more for noise where criteria are summed
    void* precisions            # (2, K, ld) of tails: see `weigh_by_precision`
    void* ones_or_rows          # centred: ones, or the rows of `block` row by row: see `keeps_rows`
    void* scratch               # (d, ld), under the twin (1 + 2d, ld); of low rank y of all components before
    void* evidence
    void* mass                  # (ld,) the rows' weights, zero behind them
    Py_ssize_t n_ones           # rows for which `mass` is one; −1: other weights
    void* kept                  # `block`, `ones_or_rows` and `mass`, of one block behind the other
    Py_ssize_t n_kept           # all blocks that the rows have, or 1
    bint loaded                 # these hold all rows, from a pass of the same form before
    void* best                  # (ld,) the likeliest component
    void* diagnostics           # see `diagnostics.pxd`
    void* square
    void* block_sums
    double* own                 # of rows with errors of their own: see `own_size`
    double* patterns            # what each pattern of rows needs: see `walk_shares`
    double* node
    Py_ssize_t* level
    Py_ssize_t* first_lane
    Py_ssize_t n_nodes


cdef inline double* aligned(double* buffer) noexcept nogil:
    """Return the first item at a multiple of 64 bytes."""
    return <double*>(<Py_ssize_t>buffer + 63 & ~<Py_ssize_t>63)


cdef inline Py_ssize_t row_length(const PassPlan* plan, Py_ssize_t n_rows) noexcept nogil:
    """Items between two features, in blocks of a pass over so many rows."""
    cdef Py_ssize_t group = pad(item_size(plan))
    return (min(plan.block, n_rows + group - 1) // group | 1) * group


cdef inline Py_ssize_t n_ones_or_rows(const PassPlan* plan) noexcept nogil:
    """Rows of `ld` items in `ones_or_rows`."""
    if keeps_rows(plan):
        return padded_row(plan.n_features, item_size(plan))
    return 0 if plan.linear else 1


cdef inline Py_ssize_t scratch_rows(const PassPlan* plan) noexcept nogil:
    """Rows of `ld` items in `scratch`."""
    cdef Py_ssize_t rows = 1 + 2 * plan.n_features if is_twin(plan.kernel) else plan.n_features
    return rows + plan.n_components * n_factors(plan.layout)


cdef inline Py_ssize_t kept_rows(const PassPlan* plan) noexcept nogil:
    """Rows of `ld` items of one block in `kept`."""
    return n_stored(plan) + n_ones_or_rows(plan) + 1


cdef inline Py_ssize_t blocks_to_keep(const PassPlan* plan, Py_ssize_t n_rows, bint again) noexcept nogil:
    """All blocks, if there are to be more passes over them and they fit the cache; else one."""
    cdef Py_ssize_t n = (n_rows - 1) // plan.block + 1
    cdef Py_ssize_t size = kept_rows(plan) * row_length(plan, n_rows) * item_size(plan)
    return n if again and n * size <= KEPT_BYTES else 1


cdef inline Py_ssize_t workspace_size(const PassPlan* plan, Py_ssize_t n_rows, bint again) noexcept nogil:
    """Doubles that `lay_out_workspace` lays out, with those lost to `aligned`."""
    cdef Py_ssize_t K = plan.n_components
    cdef Py_ssize_t width = kept_rows(plan) * blocks_to_keep(plan, n_rows, again) + K + plan.totals
    width += scratch_rows(plan) + 3 + diagnostic_rows(plan) + tail_rows(plan)
    return (row_length(plan, n_rows) * width + 8 + block_sums_size(plan) + own_size(plan))


cdef inline Py_ssize_t block_sums_size(const PassPlan* plan) noexcept nogil:
    cdef Py_ssize_t d = plan.n_features
    return (max(plan.n_moments * plan.n_components, matrix_size(plan.moments, d))
            + (scatter_workspace_size(d, item_size(plan)) if keeps_rows(plan) else 0))


cdef inline void lay_out_workspace(
    Workspace* workspace, const PassPlan* plan, Py_ssize_t n_rows, bint again,     # OUT but for the nodes, IN
    double* work,                                  # scratch at a multiple of 64 bytes
) noexcept nogil:
    cdef Py_ssize_t K = plan.n_components, ld = row_length(plan, n_rows), i
    workspace.ld, workspace.kept, workspace.n_kept = ld, work, blocks_to_keep(plan, n_rows, again)
    work += ld * kept_rows(plan) * workspace.n_kept
    workspace.tile = work
    work += ld * (K + plan.totals)
    workspace.precisions = work
    work += ld * tail_rows(plan)
    workspace.scratch = work
    work += ld * scratch_rows(plan)
    workspace.evidence = work
    workspace.square = work + ld
    workspace.best = work + ld * 2
    workspace.diagnostics = work + ld * 3
    workspace.block_sums = work + ld * (3 + diagnostic_rows(plan))
    workspace.own = work + ld * (3 + diagnostic_rows(plan)) + block_sums_size(plan)
    workspace.n_ones, workspace.loaded = -1, False
    for i in range(workspace.n_kept):
        use_block(workspace, plan, i)
        if not keeps_rows(plan):
            fill_ones(plan.single, ld, workspace.block if plan.linear else workspace.ones_or_rows)


cdef inline Py_ssize_t node_slots(Py_ssize_t lanes) noexcept nogil:
    """Return how many nodes the merge tree of so many lanes may have at once."""
    cdef Py_ssize_t slots = 3
    while (<Py_ssize_t>1 << (slots // 2)) < lanes + 1:
        slots += 2
    return slots


cdef inline double* lay_out_tree(
    Py_ssize_t slots, Py_ssize_t n_sums,
    double* buffer,                                # of as many doubles as these nodes take, and two for each
    Workspace* workspace,                          # OUT its nodes
) noexcept nogil:
    """Return what is left of the buffer."""
    workspace.node = buffer
    workspace.level = <Py_ssize_t*>(workspace.node + slots * n_sums)
    workspace.first_lane = workspace.level + slots
    workspace.n_nodes = 0
    return <double*>(workspace.first_lane + slots)


cdef inline void lay_out_nodes(
    const PassPlan* plan, Py_ssize_t n_rows, bint again,
    double* buffer,                                # of as many doubles as nodes and workspace take
    Workspace* workspace,
) noexcept nogil:
    buffer = lay_out_tree(node_slots(n_lanes(plan, n_rows)), plan.n_sums, buffer, workspace)
    lay_out_workspace(workspace, plan, n_rows, again, aligned(buffer))


cdef inline void use_block(Workspace* workspace, const PassPlan* plan, Py_ssize_t number) noexcept nogil:
    """Work in one of the blocks that are stored."""
    cdef Py_ssize_t row = workspace.ld * item_size(plan)
    workspace.block = <char*>workspace.kept + number * kept_rows(plan) * row
    workspace.ones_or_rows = <char*>workspace.block + n_stored(plan) * row
    workspace.mass = <char*>workspace.ones_or_rows + n_ones_or_rows(plan) * row


cdef inline void fill_ones(bint single, Py_ssize_t n, void* row) noexcept nogil:
    cdef Py_ssize_t r
    for r in range(n):
        if single:
            (<float*>row)[r] = 1
        else:
            (<double*>row)[r] = 1
