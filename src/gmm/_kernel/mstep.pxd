"""The part of `mstep.pyx` that passes and starts use: it compiles the work before and between passes once for all."""
from gmm._kernel.degenerate cimport DegeneracyInput
from gmm._kernel.estimate cimport Estimate
from gmm._kernel.family cimport Family, Objective
from gmm._kernel.layout cimport Layout
from gmm._kernel.moments cimport Moments
from gmm._kernel.solver_state cimport State


cdef class MixtureFamily:
    cdef Family family
    cdef object arguments
    cdef const double[::1] mean
    cdef const double[::1] scale
    cdef const int[::1] owners            # the family points into these
    cdef const double[::1] tails          # likewise
    cdef const unsigned char[:, ::1] fixed

    cdef set_prior(self, prior, weights_prior)

    cdef bint matches(self, Layout layout, Layout moments, Py_ssize_t K, Py_ssize_t d)


cdef class QuasiNewtonState:
    cdef readonly MixtureFamily family    # whose prior `state` points into
    cdef State state
    cdef double[::1] buffer

    cdef bint fits(self, Layout layout, Layout moments, Py_ssize_t K, Py_ssize_t d)


cdef double parameter_term(
    const Objective* objective, Layout layout, Py_ssize_t K, Py_ssize_t d, const Estimate* mixture,
) noexcept nogil

cdef Py_ssize_t update_workspace_size(const Family* family) noexcept nogil

cdef Py_ssize_t most_likely(
    const Moments* moments, const Family* family, double noise, const Estimate* before, double* workspace,
    Estimate* out,
) noexcept nogil

cdef void add_pass(
    State* state, const Moments* moments, double rounding, bint repair_empty, double* record,
) noexcept nogil


cdef class DegeneracyCheck:
    cdef DegeneracyInput inputs
    cdef const double[::1] weight
    cdef readonly double[::1] variances   # the inputs point into these

    cdef causes_of(self, DegeneracyInput* inputs)
    cdef causes_with_moments(self, DegeneracyInput* inputs, const Moments* moments)
    cdef double worth_of(
        self, const Family* family, const Estimate* mixture, const double* noise, double lower_bound,
    ) except? -1
    cdef double bound_of(self, DegeneracyInput* inputs, double lower_bound) except? -1


cdef struct Step:
    double size                           # of which distances are multiples; 0 of continuous values, −1 of only one
    double inverse
    double farthest                       # the greatest multiple that has made it exact


cdef class Survey:
    cdef Py_ssize_t n_features
    cdef bint started, has_gaps
    cdef readonly double weight, heaviest
    cdef readonly Py_ssize_t n_used
    cdef readonly object nonfinite, infinite
    cdef double* first_row                # (d,) the origin of `sums`, and the start of the memory
    cdef double* sums                     # (d,) Σ w (x − first row)
    cdef double* low                      # (d,)
    cdef double* high                     # (d,)
    cdef double* column_weights           # (d,) Σ w of the rows that have a value, once there are gaps
    cdef Step* steps_so_far               # (d,)
    cdef Py_ssize_t* columns              # (d,) scratch: those that may have steps

    cdef void join(self, Survey other, Py_ssize_t first) except *
    cdef void meet(self, Py_ssize_t j, double x, Step step) noexcept
    cdef void measure_reach(self, const double* origin, double* out) noexcept
