"""What `gmm._em` uses of `mstep.pyx`."""
from gmm._kernel.layout cimport Layout
from gmm._kernel.moments cimport Moments
from gmm._kernel.state cimport State
from gmm._kernel.update cimport Family


cdef class MixtureFamily:
    cdef Family family
    cdef object arguments
    cdef const double[::1] mean
    cdef const double[::1] scale          # the family's objective points into both

    cdef bint takes(self, Layout covariance_layout, Layout moment_layout, Py_ssize_t K, Py_ssize_t d)


cdef class QuasiNewtonState:
    cdef MixtureFamily family             # whose prior `state` points into
    cdef State state
    cdef double[::1] room

    cdef bint fits(self, Layout covariance_layout, Layout moment_layout, Py_ssize_t K, Py_ssize_t d)


cdef estimate_arrays(buffer, Layout layout, Py_ssize_t K, Py_ssize_t d)

cdef moments_arrays(buffer, Py_ssize_t K, Py_ssize_t d, const Moments* moments)
