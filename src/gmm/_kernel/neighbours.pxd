"""Distances of rows to their neighbours, which measure how dense a place is."""
from libc.math cimport INFINITY
from libc.string cimport memcpy

from gmm._kernel.leaves cimport Kernel, multiply, pad

cdef enum:
    AT_ONCE = 16              # rows, of which the distances to the others fit the cache
    CLASSES = 32              # of the others, whose least distances bound those that count


cdef inline Py_ssize_t length_of(Py_ssize_t n) noexcept nogil:
    """Rows in whole classes, and vectors; an odd number of these, or features would alias in the first cache."""
    return (n + CLASSES - 1) // CLASSES * CLASSES + pad(sizeof(double))


cdef inline Py_ssize_t neighbours_size(Py_ssize_t n_others, Py_ssize_t d) noexcept nogil:
    """Doubles of scratch."""
    return (d + 3 + AT_ONCE) * length_of(n_others) + AT_ONCE * (d + 2)


cdef inline void distances_to_neighbours(
    Kernel kernel, const double* rows, Py_ssize_t n, Py_ssize_t d,     # IN (n, d)
    Py_ssize_t n_others,                           # rows evenly among all, of which neighbours are sought
    int number,                                    # of the neighbour: 1 is the nearest
    double* workspace,                             # scratch of zeros, on 64 bytes
    double* out,                                   # OUT (n,) squared
) noexcept nogil:
    cdef Py_ssize_t ld = length_of(n_others), terms = d + 2, block, start, m, i, j
    cdef const double* x
    cdef double* features = workspace              # (d + 2, ld) the others, 1 and their squares, ∞ beyond them
    cdef double* square = features + terms * ld    # (AT_ONCE, ld)
    cdef double* near = square + AT_ONCE * ld      # (ld,)
    cdef double* across = near + ld                # (AT_ONCE, d + 2) −2 x, the square, and 1
    for i in range(n_others):
        x = rows + i * n // n_others * d
        for j in range(d):
            features[j * ld + i] = x[j]
        features[d * ld + i], features[(d + 1) * ld + i] = 1, square_of(x, d)
    for i in range(n_others, ld):
        features[(d + 1) * ld + i] = INFINITY
    for block in range((n + AT_ONCE - 1) // AT_ONCE):
        start, m = block * AT_ONCE, min(AT_ONCE, n - block * AT_ONCE)
        for i in range(m):
            for j in range(d):
                across[i * terms + j] = -2 * rows[(start + i) * d + j]
            across[i * terms + d], across[i * terms + d + 1] = square_of(rows + (start + i) * d, d), 1
        multiply(kernel, across, terms, features, ld, square, ld, m, ld, terms)
        for i in range(m):
            j = ((start + i) * n_others + n - 1) // n
            if j < n_others and j * n // n_others == start + i:
                square[i * ld + j] = INFINITY      # a row is no neighbour of itself
            out[start + i] = in_order(square + i * ld, (ld - pad(sizeof(double))) // CLASSES, number, near)


cdef inline double square_of(const double* x, Py_ssize_t d) noexcept nogil:
    cdef double total = 0
    cdef Py_ssize_t j
    for j in range(d):
        total += x[j] * x[j]
    return total


cdef inline double in_order(
    const double* values, Py_ssize_t in_class, int number,     # IN (in_class, CLASSES)
    double* near,                                  # scratch (in_class, CLASSES)
) noexcept nogil:
    """Return that number of the values in rising order.

    That number of the least values of so many classes is no less, and only so many classes have values that are not
    above it.
    """
    cdef double[CLASSES] least, sorted_
    cdef double limit = INFINITY
    cdef Py_ssize_t n = 0, i, j
    for i in range(CLASSES):
        least[i] = INFINITY
    for j in range(in_class):
        for i in range(CLASSES):
            least[i] = values[j * CLASSES + i] if values[j * CLASSES + i] < least[i] else least[i]
    if number < CLASSES:
        memcpy(sorted_, least, sizeof(least))
        limit = take_out(sorted_, CLASSES, number)
    for i in range(CLASSES):
        if least[i] <= limit:
            for j in range(in_class):
                near[n] = values[j * CLASSES + i]
                n += values[j * CLASSES + i] <= limit
    return take_out(near, n, number)


cdef inline double take_out(double* values, Py_ssize_t n, int number) noexcept nogil:     # IN, OUT its first are sorted
    """Return that number of the values in rising order, or the largest of fewer."""
    cdef Py_ssize_t i, j
    cdef double value
    for i in range(1, n):
        value = values[i]
        if i >= number and not value < values[number - 1]:
            continue
        j = min(i, number - 1)
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value
    return values[min(number, n) - 1]
