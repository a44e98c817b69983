"""What a pass and a start use of `mstep.pyx`, which compiles the work between two passes once for all modules."""
from gmm._kernel.estimate cimport Estimate
from gmm._kernel.family cimport Family, Objective
from gmm._kernel.layout cimport Layout
from gmm._kernel.moments cimport Moments
from gmm._kernel.state cimport State


cdef class MixtureFamily:
    cdef Family family
    cdef object arguments
    cdef const double[::1] mean
    cdef const double[::1] scale
    cdef const int[::1] owners            # the family points into these
    cdef const double[:, ::1] tails       # likewise

    cdef set_prior(self, prior, weights_prior)

    cdef bint takes(self, Layout covariance_layout, Layout moment_layout, Py_ssize_t K, Py_ssize_t d)


cdef class QuasiNewtonState:
    cdef readonly MixtureFamily family    # whose prior `state` points into
    cdef State state
    cdef double[::1] room

    cdef bint fits(self, Layout covariance_layout, Layout moment_layout, Py_ssize_t K, Py_ssize_t d)


cdef double parameter_term(
    const Objective* objective, Layout layout, Py_ssize_t K, Py_ssize_t d, const Estimate* mixture,
) noexcept nogil

cdef Py_ssize_t update_workspace_size(const Family* family) noexcept nogil

cdef Py_ssize_t most_likely(
    const Moments* moments, const Family* family, double noise, const double* previous, double* room, Estimate* out,
) noexcept nogil

cdef void take_pass(
    State* state, const Moments* moments, double rounding, bint repair_empty, double* record,
) noexcept nogil
