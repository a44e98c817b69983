"""What is asked of rows before the first pass: a survey, the distinct ones, which are equal."""
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from libc.float cimport DBL_EPSILON, FLT_EPSILON
from libc.math cimport fabs, isfinite, rint
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from gmm._kernel.lengths cimport expect
from gmm._kernel.rows cimport Rows, data, describe_rows
from gmm._kernel.seeding cimport Item, merge_equal, sort_by_value

import numpy as np


ctypedef fused bits:
    uint32_t
    uint64_t

ctypedef fused number:
    double
    uint64_t

cdef struct Place:
    uint64_t hash
    Py_ssize_t code  # from 1 on; 0 where none is

# Of a step that values have: how far from a multiple a value may be. A step that is a smaller part of the range than
# the last says nothing that a ridge does not.
cdef double OFF_STEP = 1e-3, LEAST_STEP = 1e-6
cdef double NO_STEP_YET = -1
cdef double WHOLE = 6755399441055744.0    # 1.5 · 2^52

cdef enum:
    SUMMED = 256  # rows, within which an exchange goes unnoticed
    AT_ONCE = 32  # numbers, to which as many are added at once

cdef uint64_t MIXING = 0x9E3779B97F4A7C15  # odd


cdef bint look_at(
    const data* row, Py_ssize_t column_stride, Py_ssize_t d, double weight, const double* origin,      # IN (d,)
    double* sums, double* low, double* high,       # IN, OUT (d,) Σ w (x − origin), least, greatest
) noexcept nogil:
    """Add a row to the survey; return whether all of it is finite."""
    cdef Py_ssize_t j
    cdef double x
    cdef bint broken = False
    for j in range(d):
        x = row[j * column_stride]
        broken |= x - x != 0
        sums[j] += weight * (x - origin[j])
        low[j] = x if x < low[j] else low[j]
        high[j] = x if x > high[j] else high[j]
    return not broken


cdef double nearest(double x) noexcept nogil:
    """Return the whole number nearest to one below 2^51."""
    return (x + WHOLE) - WHOLE


cdef Py_ssize_t step_to(
    const data* row, Py_ssize_t column_stride, double epsilon,
    const double* origin, const double* low, const double* high,
    Py_ssize_t* columns, Py_ssize_t n_columns,     # IN, OUT those that may have steps
    Step* steps,                                   # IN, OUT (d,)
) noexcept nogil:
    """Let steps reach a row as well; return how many columns may still have some."""
    cdef Py_ssize_t i, j, left = 0
    cdef double x, multiple
    for i in range(n_columns):
        j = columns[i]
        x = row[j * column_stride]
        multiple = (x - origin[j]) * steps[j].inverse
        if fabs(multiple - nearest(multiple)) > OFF_STEP or fabs(multiple) > 2 * steps[j].farthest:
            join_step(&steps[j], fabs(x - origin[j]), 4 * epsilon * max(fabs(x), fabs(origin[j])))
            if 0 <= steps[j].size <= LEAST_STEP * (high[j] - low[j]):
                steps[j].size = 0
                continue
        columns[left] = j
        left += 1
    return left


cdef void join_step(Step* step, double distance, double rounding) noexcept nogil:
    """Let a step be the largest of which the distance is a multiple as well, to rounding (Euclid)."""
    cdef double size = step.size, rest = distance, larger, multiple
    if distance <= rounding:
        return
    if size == NO_STEP_YET:
        size = distance
    while rest > max(rounding, OFF_STEP * size):
        larger, size = (size, rest) if size > rest else (rest, size)
        rest = fabs(larger - size * rint(larger / size))
    multiple = rint(distance / size)
    if size != step.size or multiple > step.farthest:
        size, step.farthest = distance / multiple, multiple    # its rounding is the least
    step.size, step.inverse = size, 1 / size


cdef class Survey:
    """What a first look at rows finds: whether they are finite, what they weigh, where they lie, in which steps.

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
    weight, heaviest : float
        Σ w, max w.

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
        self.steps_so_far = <Step*>PyMem_Malloc(n_features * sizeof(Step))
        self.columns = <Py_ssize_t*>PyMem_Malloc(n_features * sizeof(Py_ssize_t))
        if self.first_row == NULL or self.steps_so_far == NULL or self.columns == NULL:
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
        return restored, (np.array(numbers), self.weight, self.heaviest, self.nonfinite, self.steps)

    cdef void join(self, Survey other, Py_ssize_t first) except *:
        """Add a survey of rows of which `first` came before."""
        cdef Py_ssize_t d = self.n_features, j
        expect("a row", other.n_features, d)
        if not self.begun:
            memcpy(self.first_row, other.first_row, 4 * d * sizeof(double))
            memcpy(self.steps_so_far, other.steps_so_far, d * sizeof(Step))
        else:
            for j in range(d):
                self.meet(j, other.first_row[j], other.steps_so_far[j])
                self.sums[j] += other.sums[j] + other.weight * (other.first_row[j] - self.first_row[j])
                self.low[j], self.high[j] = min(self.low[j], other.low[j]), max(self.high[j], other.high[j])
        self.begun = True
        self.weight += other.weight
        self.heaviest = max(self.heaviest, other.heaviest)
        if other.nonfinite is not None:
            self.nonfinite = first + other.nonfinite[0], other.nonfinite[1]

    def __dealloc__(self):
        PyMem_Free(self.first_row)
        PyMem_Free(self.steps_so_far)
        PyMem_Free(self.columns)

    cdef void meet(self, Py_ssize_t j, double x, Step step) noexcept:
        """Let column j have the values of other rows as well, one of which is x, and which have a step."""
        cdef double first = self.first_row[j], rounding = 4 * DBL_EPSILON * max(fabs(first), fabs(x))
        if self.steps_so_far[j].size == 0 or step.size == 0:
            self.steps_so_far[j].size = 0
            return
        join_step(&self.steps_so_far[j], fabs(x - first), rounding)
        if step.size != NO_STEP_YET:
            join_step(&self.steps_so_far[j], step.size * step.farthest, rounding)
            join_step(&self.steps_so_far[j], step.size, rounding)

    @property
    def steps(self):
        """The largest steps of which all differences in a column are multiples, (d,); 0 for continuous columns."""
        cdef Py_ssize_t j
        out = np.zeros(self.n_features)
        cdef double[::1] steps = out
        cdef double extent
        for j in range(self.n_features):
            extent = self.high[j] - self.low[j]
            if self.steps_so_far[j].size > LEAST_STEP * extent:
                # Of the whole range, which has the least rounding.
                steps[j] = extent / max(rint(extent / self.steps_so_far[j].size), 1)
        return out

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

    @property
    def extent(self):
        """The greatest distance from the centre in any feature; NaN where weights have made that no number."""
        cdef Py_ssize_t j
        cdef double centre, distance, most = 0
        for j in range(self.n_features):
            centre = self.first_row[j] + self.sums[j] / self.weight
            distance = max(self.high[j] - centre, centre - self.low[j])
            most = most if most >= distance else distance
            if most != most:
                break
        return most

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


def restored(const double[::1] numbers, double weight, double heaviest, nonfinite, const double[::1] steps):
    """Return the survey that was pickled."""
    cdef Py_ssize_t d = numbers.shape[0] // 4, j
    cdef Survey survey = Survey([(0, np.zeros((1, d)), None)], d)
    memcpy(survey.first_row, &numbers[0], 4 * d * sizeof(double))
    for j in range(d):
        survey.steps_so_far[j] = Step(steps[j], 0, -1)
    survey.weight, survey.heaviest, survey.nonfinite = weight, heaviest, nonfinite
    return survey


cdef int look(Survey survey, const data[:, :] rows, const double[::1] weight, Py_ssize_t first) except -1:
    """Add rows to a survey, of which `first` came before these."""
    cdef Py_ssize_t n = rows.shape[0], d = survey.n_features, i, j
    cdef Rows table = describe_rows(rows, weight)
    cdef Py_ssize_t bad_row = -1, bad_column = 0, n_stepped = 0
    cdef double total = survey.weight, heaviest = survey.heaviest, w
    cdef double epsilon = FLT_EPSILON if sizeof(data) == sizeof(float) else DBL_EPSILON
    expect("a row", rows.shape[1], d)
    if n < 1:
        raise ValueError(f"expected one row at least in each chunk, got shape {(n, d)}")
    if not survey.begun:
        for j in range(d):
            survey.first_row[j] = survey.low[j] = survey.high[j] = rows[0, j]
            survey.sums[j] = 0
            survey.steps_so_far[j] = Step(NO_STEP_YET, 0, -1)
        survey.begun = True
    for j in range(d):
        if survey.steps_so_far[j].size != 0:
            survey.columns[n_stepped] = j
            n_stepped += 1
    with nogil:
        for i in range(n):
            w = weight[i] if weight is not None else 1.0
            total += w
            heaviest = w if w > heaviest else heaviest
            if not look_at(&rows[0, 0] + i * table.row_stride, table.column_stride, d, w, survey.first_row,
                           survey.sums, survey.low, survey.high):
                bad_row = i
                while isfinite(<double>rows[i, bad_column]):
                    bad_column += 1
                break
            if n_stepped and w > 0:
                n_stepped = step_to(&rows[0, 0] + i * table.row_stride, table.column_stride, epsilon, survey.first_row,
                                    survey.low, survey.high, survey.columns, n_stepped, survey.steps_so_far)
    survey.weight, survey.heaviest = total, heaviest
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


def equal_rows(const number[:, ::1] rows):
    """Return the first of each set of equal rows, (E,), in order, and to which of the sets each row belongs, (n,).

    −0 equals 0, and NaN itself.
    """
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], size = 16, place, i, code, n_sets = 0
    cdef uint64_t hashed
    firsts, codes = np.empty(n, dtype=np.intp), np.empty(n, dtype=np.intp)
    cdef Py_ssize_t[::1] first_of = firsts, code_of = codes
    if not d:
        raise ValueError("expected one feature at least, got none")
    while size < 2 * n:
        size *= 2
    cdef Place* table = <Place*>PyMem_Calloc(size, sizeof(Place))
    if table == NULL:
        raise MemoryError
    with nogil:
        for i in range(n):
            hashed = hash_row(&rows[i, 0], d)
            place = hashed & (size - 1)
            while True:
                code = table[place].code - 1
                if code < 0:
                    table[place] = Place(hashed, n_sets + 1)
                    first_of[n_sets], code_of[i] = i, n_sets
                    n_sets += 1
                    break
                if table[place].hash == hashed and are_equal(&rows[i, 0], &rows[first_of[code], 0], d):
                    code_of[i] = code
                    break
                place = (place + 1) & (size - 1)
    PyMem_Free(table)
    return firsts[:n_sets].copy(), codes


cdef inline uint64_t bits_of(number x) noexcept nogil:
    cdef uint64_t result
    if number is double:
        x = x + 0.0  # −0 becomes 0
        memcpy(&result, &x, sizeof(double))
        return result
    else:
        return x


cdef inline uint64_t hash_row(const number* row, Py_ssize_t d) noexcept nogil:
    cdef uint64_t total = 0, factor = 1, value
    cdef Py_ssize_t j
    for j in range(d):
        value = bits_of(row[j])
        factor *= MIXING
        total += (value ^ value >> 29) * factor  # the low bits of most numbers are 0
    total ^= total >> 32
    total *= MIXING
    return total ^ total >> 29


cdef inline bint are_equal(const number* one, const number* other, Py_ssize_t d) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(d):
        if bits_of(one[j]) != bits_of(other[j]):
            return False
    return True


def checksum(rows, Py_ssize_t first):
    """Return what rows, of which `first` come before these, add to the checksum of all.

    It is Σ_s (2s + 1) Σ_j g^j b_sj modulo 2^64, where b_sj is the sum of the bits of column j in the s-th 256 rows of
    all, as integers, and g is odd: values that change, or change places, give another number.

    Parameters
    ----------
    rows : array of shape (m, d), float32 or float64
        C-contiguous, or each column.
    """
    if not rows.size:
        return 0
    integers = rows.view(f"u{rows.itemsize}")
    if rows.flags.c_contiguous and rows.shape[1] > 1:
        sums = np.empty(max(rows.shape[1], AT_ONCE), np.uint64)
        if rows.itemsize == sizeof(uint32_t):
            return checksum_by_rows[uint32_t](integers, first, sums)
        return checksum_by_rows[uint64_t](integers, first, sums)
    if rows.itemsize == sizeof(uint32_t):
        return checksum_by_columns[uint32_t](integers, first)
    return checksum_by_columns[uint64_t](integers, first)


cdef inline Py_ssize_t end_of_group(Py_ssize_t start, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    return min(n, start + SUMMED - (first + start) % SUMMED)


cdef inline uint64_t group_weight(Py_ssize_t row) noexcept nogil:
    return 2 * <uint64_t>(row // SUMMED) + 1


cdef uint64_t checksum_by_columns(const bits[:, :] rows, Py_ssize_t first) noexcept:
    cdef Py_ssize_t n = rows.shape[0], i, j, start, stop
    cdef const bits* column
    cdef uint64_t total = 0, column_total, group
    with nogil:
        for j in range(rows.shape[1] - 1, -1, -1):
            column, column_total, start = &rows[0, j], 0, 0
            while start < n:
                stop, group = end_of_group(start, first, n), 0
                for i in range(start, stop):
                    group += column[i]
                column_total += group_weight(first + start) * group
                start = stop
            total = MIXING * (total + column_total)
    return total


cdef uint64_t checksum_by_rows(const bits[:, ::1] rows, Py_ssize_t first, uint64_t[::1] sums) noexcept:
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], j, start = 0, stop
    cdef uint64_t total = 0, group
    with nogil:
        while start < n:
            stop, group = end_of_group(start, first, n), 0
            sum_columns(&rows[start, 0], stop - start, d, &sums[0])
            for j in range(d - 1, -1, -1):
                group = MIXING * (group + sums[j])
            total += group_weight(first + start) * group
            start = stop
    return total


cdef void sum_columns(const bits* rows, Py_ssize_t n, Py_ssize_t d, uint64_t* sums) noexcept nogil:
    """Sum each column; of few columns, several rows are added as one, and four of these at once."""
    cdef Py_ssize_t together = max(1, AT_ONCE // d), length = together * d, whole = n // (4 * together), i, j
    cdef const bits* four
    for j in range(length):
        sums[j] = 0
    for i in range(whole):
        four = rows + 4 * i * length
        for j in range(length):
            sums[j] += <uint64_t>four[j] + four[length + j] + four[2 * length + j] + four[3 * length + j]
    for j in range(d, length):
        sums[j % d] += sums[j]
    for i in range(4 * whole * together, n):
        for j in range(d):
            sums[j] += rows[i * d + j]
