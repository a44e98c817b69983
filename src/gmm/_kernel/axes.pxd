"""Orthonormal axes of symmetric matrices, by plane rotations or LAPACK, and matrices written in such axes.

Axes are the rows of a (d, d) matrix D.  A matrix A in them is D A Dᵀ.
"""
from libc.float cimport DBL_EPSILON
from libc.math cimport fabs, sqrt
from libc.string cimport memcpy, memset

from gmm._kernel.blas cimport eigenvectors, multiply, multiply_transposed, eigenvectors_workspace_size

cdef enum:
    WIDEST_BY_ROTATION = 8    # order up to which LAPACK takes longer for eigenvectors
    WIDEST_PRODUCT = 16       # order up to which BLAS takes longer for a product
    MOST_SWEEPS = 30


cdef inline void identity(double* axes, Py_ssize_t d) noexcept nogil:
    cdef Py_ssize_t j
    memset(axes, 0, d * d * sizeof(double))
    for j in range(d):
        axes[j * d + j] = 1


cdef inline void turn_rows(double* a, double* b, Py_ssize_t n, double c, double s) noexcept nogil:
    """(a, b) ← (c a + s b, c b − s a)."""
    cdef Py_ssize_t j
    cdef double x
    for j in range(n):
        x = a[j]
        a[j] = c * x + s * b[j]
        b[j] = c * b[j] - s * x


cdef inline void turn(
    double* matrix, Py_ssize_t d,                  # IN, OUT (d, d), symmetric
    Py_ssize_t i, Py_ssize_t j, double c, double s,        # axes i and j turn by the angle of this cosine and sine
) noexcept nogil:
    cdef Py_ssize_t m
    cdef double p = matrix[i * d + i], q = matrix[j * d + j], r = matrix[i * d + j], x
    cdef double* row = matrix + i * d
    cdef double* other = matrix + j * d
    for m in range(d):
        x = row[m]
        row[m] = c * x + s * other[m]
        other[m] = c * other[m] - s * x
        matrix[m * d + i] = row[m]
        matrix[m * d + j] = other[m]
    row[i] = c * c * p + 2 * c * s * r + s * s * q
    other[j] = s * s * p - 2 * c * s * r + c * c * q
    row[j] = other[i] = (c * c - s * s) * r + c * s * (q - p)


# ---------------------------------------------------------------------------------------- of one matrix

cdef inline Py_ssize_t axes_workspace_size(Py_ssize_t d) noexcept nogil:
    return eigenvectors_workspace_size(d)


cdef inline bint principal_axes(
    double* matrix, Py_ssize_t d,                  # IN symmetric, OUT its eigenvectors, one a row
    double* values,                                # OUT (d,), ascending
    double* room,                                  # scratch: see `axes_workspace_size`
) noexcept nogil:
    """Return whether LAPACK converged; rotations always do."""
    cdef Py_ssize_t j
    if d > WIDEST_BY_ROTATION:
        return eigenvectors(matrix, values, d, room)
    memcpy(room, matrix, d * d * sizeof(double))
    identity(matrix, d)
    diagonalise(room, d, matrix)
    for j in range(d):
        values[j] = room[j * d + j]
    sort_axes(values, matrix, d)
    return True


cdef inline void diagonalise(
    double* matrix, Py_ssize_t d,                  # IN symmetric, OUT diagonal
    double* axes,                                  # IN, OUT turned with it
) noexcept nogil:
    """Jacobi's method, cyclic by rows."""
    cdef Py_ssize_t i, j, _
    cdef double c, s, t, p, q, r
    cdef bint turned
    for _ in range(MOST_SWEEPS):
        turned = False
        for i in range(d):
            for j in range(i + 1, d):
                p, q, r = matrix[i * d + i], matrix[j * d + j], matrix[i * d + j]
                if not fabs(r) > DBL_EPSILON / 4 * sqrt(fabs(p)) * sqrt(fabs(q)):
                    continue
                t = (p - q) / (2 * r)
                t = (1 if t >= 0 else -1) / (fabs(t) + sqrt(1 + t * t))
                c = 1 / sqrt(1 + t * t)
                s = c * t
                turn(matrix, d, i, j, c, s)
                matrix[i * d + j] = matrix[j * d + i] = 0
                turn_rows(axes + i * d, axes + j * d, d, c, s)
                turned = True
        if not turned:
            return


cdef inline void sort_axes(double* values, double* axes, Py_ssize_t d) noexcept nogil:
    """Sort values, and axes with them, ascending."""
    cdef Py_ssize_t i, j, least
    cdef double value
    for i in range(d):
        least = i
        for j in range(i + 1, d):
            if values[j] < values[least]:
                least = j
        if least != i:
            value = values[i]
            values[i] = values[least]
            values[least] = value
            for j in range(d):
                value = axes[i * d + j]
                axes[i * d + j] = axes[least * d + j]
                axes[least * d + j] = value


# ------------------------------------------------------------------------------- matrices in other axes

cdef inline void in_axes(
    const double* axes, const double* matrix, Py_ssize_t d,        # IN (d, d)
    double* out,                                   # OUT D A Dᵀ, symmetric to the last digit
    double* product,                               # scratch (d, d)
) noexcept nogil:
    cdef Py_ssize_t i, j
    if d > WIDEST_PRODUCT:
        multiply(axes, d, matrix, d, product, d, d, d, d)
        multiply_transposed(product, d, axes, d, out, d, d, d, d, <double>0)
    else:
        multiply_rows(axes, matrix, d, out)
        transpose(out, d, product)
        multiply_rows(axes, product, d, out)
        transpose(out, d, out)
    for i in range(d):
        for j in range(i):
            out[j * d + i] = out[i * d + j]


cdef inline void transpose(const double* matrix, Py_ssize_t d, double* out) noexcept nogil:
    """Write a (d, d) matrix transposed; in place, its upper triangle is mirrored."""
    cdef Py_ssize_t i, j
    for i in range(d):
        for j in range(d):
            out[j * d + i] = matrix[i * d + j]


cdef inline void multiply_rows(const double* a, const double* b, Py_ssize_t d, double* out) noexcept nogil:
    """Multiply two (d, d) matrices row by row."""
    cdef Py_ssize_t i, j, m
    memset(out, 0, d * d * sizeof(double))
    for i in range(d):
        for m in range(d):
            for j in range(d):
                out[i * d + j] += a[i * d + m] * b[m * d + j]


cdef inline void from_axes(
    const double* axes, const double* values, Py_ssize_t n, Py_ssize_t d,      # IN (n, d), (n,)
    double* out,                                   # OUT (d, d) Dᵀ diag(values) D, lower
) noexcept nogil:
    cdef Py_ssize_t i, j, m
    cdef double x
    memset(out, 0, d * d * sizeof(double))
    for m in range(n):
        for i in range(d):
            x = values[m] * axes[m * d + i]
            for j in range(i + 1):
                out[i * d + j] += x * axes[m * d + j]
