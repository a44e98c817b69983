"""Rows as a pass sees them: where they lie, and where it writes the results of each."""
from gmm._kernel.checks cimport expect

ctypedef fused data:
    float
    double


cdef struct Rows:
    # The data that a pass reads, and the results that it writes of every row; NULL where there is none.
    const void* values
    bint single                 # `values` are floats, else doubles
    Py_ssize_t n
    Py_ssize_t first_lane       # the number of the lane that starts with the first row
    Py_ssize_t row_stride       # items
    Py_ssize_t column_stride    # items
    const double* weight
    const double* given         # (n, K)
    const int* code             # (n,) 0 for rows of unknown class: see `keep_to_classes`
    const int* error            # (n,) which error each has, in a plan for errors of their own
    Py_ssize_t* label
    double* log_evidence
    void* score                 # (n,) the same in the type of the data
    void* log_joint             # (n, K) likewise: log ρ; not of a tied mixture in the linear form
    void* responsibility        # (n, K) likewise
    void* largest               # (n,) likewise: the largest responsibility


cdef inline Rows describe_rows(const data[:, :] rows, const double[::1] weight) except *:
    """Check strides and weights; return what a pass reads of the rows."""
    cdef Rows table
    if weight is not None:
        expect("weight", weight.shape[0], rows.shape[0])
    if rows.strides[0] % <Py_ssize_t>sizeof(data) or rows.strides[1] % <Py_ssize_t>sizeof(data):
        raise ValueError(f"expected strides of whole items, got {rows.strides[0]} and {rows.strides[1]} bytes")
    table.values = &rows[0, 0] if rows.shape[0] > 0 and rows.shape[1] > 0 else NULL
    table.single, table.n, table.first_lane = sizeof(data) == sizeof(float), rows.shape[0], 0
    table.row_stride = rows.strides[0] // <Py_ssize_t>sizeof(data)
    table.column_stride = rows.strides[1] // <Py_ssize_t>sizeof(data)
    table.weight = &weight[0] if weight is not None else NULL
    table.given, table.code, table.error = NULL, NULL, NULL
    no_output(&table)
    return table


cdef inline void no_output(Rows* rows) noexcept nogil:
    rows.label, rows.log_evidence, rows.score = NULL, NULL, NULL
    rows.log_joint, rows.responsibility, rows.largest = NULL, NULL, NULL
