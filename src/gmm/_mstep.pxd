"""What the pass takes from here."""
from gmm._linear cimport Layout
from gmm._moments cimport Moments
from gmm._state cimport State
from gmm._update cimport Estimate


cdef class Ascent:
    cdef State state
    cdef double[::1] room

    cdef bint fits(self, Layout layout, Py_ssize_t K, Py_ssize_t d)
    cdef copied(self, const Estimate* mixture)


cdef estimate_arrays(buffer, Layout layout, Py_ssize_t K, Py_ssize_t d)

cdef moments_arrays(buffer, Py_ssize_t K, Py_ssize_t d, const Moments* moments)
