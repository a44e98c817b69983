"""What is asked of rows before the first pass: a survey, the distinct ones."""
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport isfinite
from libc.string cimport memcpy

from gmm._kernel.block cimport data, look_at
from gmm._kernel.lanes cimport Rows, describe_rows
from gmm._kernel.lengths cimport expect
from gmm._kernel.seeding cimport Item, merge_equal, sort_by_value

import numpy as np


cdef class Survey:
    """What a first look at rows finds: whether they are finite, what they weigh, and where they lie.

    It does not change once it is made, and has the same bits, whatever chunks the rows come in.

    Parameters
    ----------
    chunks : iterable of (first, rows, weight)
        The number of the first row, rows (m, d) in float32 or float64, and their weights (m,) or None; in order. Or, in
        place of rows, their survey, whose sums are added.
    n_features : int

    Attributes
    ----------
    nonfinite : tuple of int, or None
        Row and column of the first value that is not finite; the other attributes mean nothing then.
    weight : float
        Σ w.

    Raises
    ------
    ValueError
        For no rows, no features, and arrays of other lengths.
    """

    def __cinit__(self, chunks, Py_ssize_t n_features):
        self.n_features = n_features
        if n_features < 1:
            raise ValueError(f"expected one feature at least, got n_features={n_features}")
        self.first_row = <double*>PyMem_Malloc(4 * n_features * sizeof(double))
        if self.first_row == NULL:
            raise MemoryError
        self.sums, self.low = self.first_row + n_features, self.first_row + 2 * n_features
        self.high = self.first_row + 3 * n_features
        for first, rows, weight in chunks:
            if isinstance(rows, Survey):
                self.join(rows, first)
            elif rows.itemsize == sizeof(float):
                look[float](self, rows, weight, first)
            else:
                look[double](self, rows, weight, first)
            if self.nonfinite is not None:
                break
        if not self.begun:
            raise ValueError("expected one row at least, got no chunk of rows")

    def __reduce__(self):
        cdef const double[::1] numbers = <double[:4 * self.n_features]>self.first_row
        return restored, (np.array(numbers), self.weight, self.nonfinite)

    cdef void join(self, Survey other, Py_ssize_t first) except *:
        """Add a survey of rows of which `first` came before."""
        cdef Py_ssize_t d = self.n_features, j
        expect("a row", other.n_features, d)
        if not self.begun:
            memcpy(self.first_row, other.first_row, 4 * d * sizeof(double))
        else:
            for j in range(d):
                self.sums[j] += other.sums[j] + other.weight * (other.first_row[j] - self.first_row[j])
                self.low[j], self.high[j] = min(self.low[j], other.low[j]), max(self.high[j], other.high[j])
        self.begun = True
        self.weight += other.weight
        if other.nonfinite is not None:
            self.nonfinite = first + other.nonfinite[0], other.nonfinite[1]

    def __dealloc__(self):
        PyMem_Free(self.first_row)

    @property
    def centre(self):
        """The weighted mean, (d,)."""
        cdef Py_ssize_t j
        out = np.empty(self.n_features)
        cdef double[::1] centre = out
        for j in range(self.n_features):
            centre[j] = self.first_row[j] + self.sums[j] / self.weight
        return out

    @property
    def box(self):
        """The least and the greatest number of each feature, (2, d)."""
        cdef const double[::1] ends = <double[:2 * self.n_features]>self.low
        return np.array(ends).reshape(2, self.n_features)

    def reach(self, const double[::1] origin):
        """Each feature's greatest distance from `origin`, (d,)."""
        expect("origin", origin.shape[0], self.n_features)
        out = np.empty(self.n_features)
        cdef double[::1] distance = out
        self.measure_reach(&origin[0], &distance[0])
        return out

    cdef void measure_reach(self, const double* origin, double* out) noexcept:
        cdef Py_ssize_t j
        for j in range(self.n_features):
            out[j] = max(self.high[j] - origin[j], origin[j] - self.low[j])


def restored(const double[::1] numbers, double weight, nonfinite):
    """Return the survey that was pickled."""
    cdef Py_ssize_t d = numbers.shape[0] // 4
    cdef Survey survey = Survey([(0, np.zeros((1, d)), None)], d)
    memcpy(survey.first_row, &numbers[0], 4 * d * sizeof(double))
    survey.weight, survey.nonfinite = weight, nonfinite
    return survey


cdef int look(Survey survey, const data[:, :] rows, const double[::1] weight, Py_ssize_t first) except -1:
    """Add rows to a survey, of which `first` came before these."""
    cdef Py_ssize_t n = rows.shape[0], d = survey.n_features, i, j
    cdef Rows table = describe_rows(rows, weight)
    cdef Py_ssize_t bad_row = -1, bad_column = 0
    cdef double total = survey.weight, w
    expect("a row", rows.shape[1], d)
    if n < 1:
        raise ValueError(f"expected one row at least in each chunk, got shape {(n, d)}")
    if not survey.begun:
        for j in range(d):
            survey.first_row[j] = survey.low[j] = survey.high[j] = rows[0, j]
            survey.sums[j] = 0
        survey.begun = True
    with nogil:
        for i in range(n):
            w = weight[i] if weight is not None else 1.0
            total += w
            if not look_at(&rows[0, 0] + i * table.row_stride, table.column_stride, d, w, survey.first_row,
                           survey.sums, survey.low, survey.high):
                bad_row = i
                while isfinite(<double>rows[i, bad_column]):
                    bad_column += 1
                break
    survey.weight = total
    if bad_row >= 0:
        survey.nonfinite = first + bad_row, bad_column
    return 0


def distinct_rows(const double[:, ::1] rows, const double[::1] weight=None):
    """Return the distinct rows, sorted by value.

    Returns
    -------
    distinct : array of shape (m, d)
    mass : array of shape (m,)
        The sum of the weights of each, or the number of its copies.
    """
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], m
    if n < 1 or d < 1:
        raise ValueError(f"expected one row and one feature at least, got rows of shape {(n, d)}")
    if weight is not None:
        expect("weight", weight.shape[0], n)
    distinct, mass = np.empty((n, d)), np.empty(n)
    cdef double[:, ::1] out = distinct
    cdef double[::1] total = mass
    cdef char[::1] room = np.empty(2 * n * sizeof(Item) + (n + 1) * sizeof(Py_ssize_t), dtype=np.int8)
    cdef Item* items = <Item*>&room[0]
    cdef const double* w = &weight[0] if weight is not None else NULL
    with nogil:
        sort_by_value(&rows[0, 0], n, d, items, items + n, <Py_ssize_t*>(items + 2 * n))
        m = merge_equal(&rows[0, 0], w, items, n, d, &out[0, 0], &total[0])
    return distinct[:m], mass[:m]
