"""What the pass takes from here."""


cdef class Survey:
    cdef Py_ssize_t n_features
    cdef bint begun
    cdef readonly double weight
    cdef readonly object nonfinite
    cdef double* first_row                # (d,) the origin of `sums`, and the start of the memory
    cdef double* sums                     # (d,) Σ w (x − first row)
    cdef double* low                      # (d,)
    cdef double* high                     # (d,)

    cdef void join(self, Survey other, Py_ssize_t first) except *
    cdef void measure_reach(self, const double* origin, double* out) noexcept
