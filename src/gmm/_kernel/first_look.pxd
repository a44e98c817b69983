"""What the pass takes from here."""


cdef struct Step:
    double size                           # of which distances are multiples; 0 of continuous values, −1 of only one
    double inverse
    double farthest                       # the greatest multiple that has made it exact


cdef class Survey:
    cdef Py_ssize_t n_features
    cdef bint begun
    cdef readonly double weight, heaviest
    cdef readonly object nonfinite
    cdef double* first_row                # (d,) the origin of `sums`, and the start of the memory
    cdef double* sums                     # (d,) Σ w (x − first row)
    cdef double* low                      # (d,)
    cdef double* high                     # (d,)
    cdef Step* steps_so_far               # (d,)
    cdef Py_ssize_t* columns              # (d,) scratch: those that may have steps

    cdef void join(self, Survey other, Py_ssize_t first) except *
    cdef void meet(self, Py_ssize_t j, double x, Step step) noexcept
    cdef void measure_reach(self, const double* origin, double* out) noexcept
