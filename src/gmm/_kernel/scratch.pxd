"""A worker's buffers, for whoever walks rows."""
from gmm._kernel.lanes cimport Workspace
from gmm._kernel.plan cimport PassPlan


cdef inline double* aligned(double[::1] buffer) noexcept:
    """The first item on a border of 64 bytes."""
    return <double*>(<Py_ssize_t>&buffer[0] + 63 & ~<Py_ssize_t>63)


cdef class Scratch:
    cdef Workspace workspace
    cdef PassPlan plan                    # what the workspace is laid out for, …
    cdef Py_ssize_t n_rows                # … and how many rows: none before `make_ready`
    cdef Py_ssize_t next_lane             # behind those that the sums are of
    cdef object buffers
    cdef Py_ssize_t n_items, n_sums, n_slots

    cdef make_ready(self, const PassPlan* plan, Py_ssize_t n_rows)
