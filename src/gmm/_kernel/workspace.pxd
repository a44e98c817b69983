"""What one worker works in: a block of rows and what is made of it, and its stack of partial sums."""
from gmm._kernel.layout cimport matrix_size
from gmm._kernel.leaves cimport pad
from gmm._kernel.plan cimport PassPlan, diagnostic_rows


cdef struct Workspace:
    # One worker's scratch and its stack of partial sums; rows are `ld` items long.
    Py_ssize_t ld
    void* block                 # linear [1, x, products], else x
    void* tile                  # (K, ld)
    void* centred               # [1, z]
    void* product               # (d, ld)
    void* evidence
    void* mass                  # (ld,) the rows' weights, zero behind them
    Py_ssize_t n_ones           # rows for which `mass` is one; −1: other weights
    bint loaded                 # `block` and `mass` hold all rows, from a pass of the same form before
    void* best                  # (ld,) the likeliest component
    void* diagnostics           # see `diagnostics.pxd`
    void* square
    void* block_sums
    double* node
    Py_ssize_t* level
    Py_ssize_t* first_lane
    Py_ssize_t n_nodes


cdef inline double* aligned(double* buffer) noexcept nogil:
    """Return the first item at a multiple of 64 bytes."""
    return <double*>(<Py_ssize_t>buffer + 63 & ~<Py_ssize_t>63)


cdef inline Py_ssize_t row_length(const PassPlan* plan, Py_ssize_t n_rows) noexcept nogil:
    """Items between two features, in blocks of a pass over so many rows."""
    cdef Py_ssize_t group = pad(sizeof(float) if plan.single else sizeof(double))
    return (min(plan.block, n_rows + group - 1) // group | 1) * group


cdef inline Py_ssize_t workspace_size(const PassPlan* plan, Py_ssize_t n_rows) noexcept nogil:
    """Doubles that `lay_out_workspace` lays out, with those lost to `aligned`."""
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features
    cdef Py_ssize_t wide = plan.n_moments if plan.linear else d, narrow = 0 if plan.linear else 1 + d
    return (row_length(plan, n_rows) * (wide + K + narrow + d + 4 + diagnostic_rows(plan)) + 8
            + max(plan.n_moments * K, matrix_size(plan.moments, d)))


cdef inline void lay_out_workspace(
    Workspace* workspace, const PassPlan* plan, Py_ssize_t n_rows,         # OUT but for the nodes, IN
    double* work,                                  # scratch at a multiple of 64 bytes
) noexcept nogil:
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features, ld = row_length(plan, n_rows)
    cdef Py_ssize_t wide = plan.n_moments if plan.linear else d, narrow = 0 if plan.linear else 1 + d
    workspace.ld = ld
    workspace.block = work
    workspace.tile = work + ld * wide
    workspace.centred = work + ld * (wide + K)
    workspace.product = work + ld * (wide + K + narrow)
    workspace.evidence = work + ld * (wide + K + narrow + d)
    workspace.mass = work + ld * (wide + K + narrow + d + 1)
    workspace.square = work + ld * (wide + K + narrow + d + 2)
    workspace.best = work + ld * (wide + K + narrow + d + 3)
    workspace.diagnostics = work + ld * (wide + K + narrow + d + 4)
    workspace.block_sums = work + ld * (wide + K + narrow + d + 4 + diagnostic_rows(plan))
    workspace.n_ones, workspace.loaded = -1, False
    fill_ones(plan.single, ld, workspace.block if plan.linear else workspace.centred)


cdef inline void fill_ones(bint single, Py_ssize_t n, void* row) noexcept nogil:
    cdef Py_ssize_t r
    for r in range(n):
        if single:
            (<float*>row)[r] = 1
        else:
            (<double*>row)[r] = 1
