"""What `_candidates.pyx` and `_frozen.pyx` use of the pass."""
from gmm._kernel.layout cimport Layout
from gmm._kernel.moments cimport Moments
from gmm._kernel.plan cimport PassPlan
from gmm._kernel.rows cimport Rows, data
from gmm._kernel.workspace cimport Workspace


cdef class Scratch:
    cdef Workspace workspace
    cdef PassPlan plan                    # that the workspace is laid out for, …
    cdef Py_ssize_t n_rows                # … and its number of rows: 0 before `make_ready`
    cdef Py_ssize_t next_lane             # after those in the sums
    cdef object owner                     # the `CandidateRows` that alone has used the workspace since `make_ready`
    cdef double[::1] buffer
    cdef double[::1] room                 # of the plans of `CandidateRows`

    cdef make_ready(self, const PassPlan* plan, Py_ssize_t n_rows)


cdef class RowTable:
    cdef Rows rows
    cdef Py_ssize_t n_features, n_given, n_responsibilities
    cdef object values, responsibility, largest    # `rows` points into these arrays
    cdef const double[::1] weight
    cdef const int[::1] code
    cdef const double[:, ::1] given
    cdef Py_ssize_t[::1] label
    cdef double[::1] log_evidence

    cdef int point_to_results(self, data[:, ::1] responsibilities, data[::1] largest) except -1


cdef class CandidateRows:
    cdef const double[:, ::1] rows, scatter
    cdef const double[::1] weight, origin, reach
    cdef double single_limit
    cdef readonly Py_ssize_t n_rows

    cdef int pass_over(
        self, Scratch scratch, Py_ssize_t K, Layout layout, Layout moments, const double* log_offset,
        const double* centres, const double* whiteners, bint hard, bint measured, double single_limit, Moments* out,
    ) except -1

    cdef int diagnose(
        self, Scratch scratch, Py_ssize_t K, Layout layout, Layout moments, const double* log_offset,
        const double* centres, const double* whiteners, const double* axes, Moments* out, double* powers,
    ) except -1

    cdef int add_up(self, const PassPlan* plan, Scratch scratch, const double* whiteners, Moments* out) except -1

    cdef int write_responsibilities(
        self, Scratch scratch, Py_ssize_t K, Layout layout, const double* log_offset, const double* centres,
        const double* whiteners, double* out,
    ) except -1

    cdef int prepare_plan(
        self, PassPlan* plan, Scratch scratch, const double* log_offset, const double* centres,
        const double* whiteners, const double* axes, double single_limit,
    ) except -1


# Writes what `rows` asks for of lanes first … last − 1.
cdef void write_lanes(
    const PassPlan* plan, const Rows* rows, Py_ssize_t first, Py_ssize_t last, Workspace* workspace,
) noexcept nogil
