"""What `_candidates.pyx` uses of the pass."""
from gmm._kernel.lanes cimport Workspace
from gmm._kernel.layout cimport Layout
from gmm._kernel.moments cimport Moments
from gmm._kernel.plan cimport PassPlan


cdef class Scratch:
    cdef Workspace workspace
    cdef PassPlan plan                    # that the workspace is laid out for, …
    cdef Py_ssize_t n_rows                # … and its number of rows: 0 before `Plan.begin`
    cdef Py_ssize_t next_lane             # after those in the sums
    cdef double[::1] buffer
    cdef double[::1] room                 # of the plans of `CandidateRows`

    cdef make_ready(self, const PassPlan* plan, Py_ssize_t n_rows)


cdef class CandidateRows:
    cdef const double[:, ::1] rows, scatter
    cdef const double[::1] weight, origin, reach
    cdef bint single

    cdef int pass_over(
        self, Scratch scratch, Py_ssize_t K, Layout layout, Layout moments, const double* log_offset,
        const double* centres, const double* whiteners, bint hard, Moments* out,
    ) except -1
