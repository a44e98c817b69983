"""Orthonormal axes of symmetric matrices, by hand or LAPACK, and matrices written in such axes.

Axes are the rows of a (d, d) matrix D.  A matrix A in them is D A Dᵀ.
"""
from libc.float cimport DBL_EPSILON
from libc.math cimport INFINITY, fabs, ilogb, ldexp, sqrt
from libc.string cimport memcpy, memset

from gmm._kernel.blas cimport (
    eigenvectors,
    eigenvectors_workspace_size,
    multiply,
    multiply_first_transposed,
    multiply_transposed,
)

cdef enum:
    WIDEST_BY_JACOBI = 8      # order up to which a tridiagonal form takes longer for eigenvectors, …
    WIDEST_BY_HAND = 48       # … and LAPACK longer than that
    WIDEST_PRODUCT = 16       # order up to which BLAS takes longer for a product
    MOST_SWEEPS = 30          # LAPACK's number too, for each eigenvalue


cdef inline void identity(double* axes, Py_ssize_t d) noexcept nogil:
    cdef Py_ssize_t j
    memset(axes, 0, d * d * sizeof(double))
    for j in range(d):
        axes[j * d + j] = 1


cdef inline double magnitude(const double* values, Py_ssize_t n) noexcept nogil:
    """Largest absolute value; NaN where one is NaN."""
    cdef Py_ssize_t i
    cdef double most = 0
    for i in range(n):
        if not fabs(values[i]) <= most:
            most = fabs(values[i])
        if most != most:
            return most
    return most


cdef inline void rescale(double* values, Py_ssize_t n, int exponent) noexcept nogil:
    cdef Py_ssize_t i
    cdef double half = ldexp(1, exponent // 2), rest = ldexp(1, exponent - exponent // 2)
    for i in range(n):
        values[i] = values[i] * half * rest


cdef inline double inner(const double* a, const double* b, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    cdef double even = 0, odd = 0                  # one sum would wait for each addition
    for j in range(0, n - 1, 2):
        even += a[j] * b[j]
        odd += a[j + 1] * b[j + 1]
    return even + odd + (a[n - 1] * b[n - 1] if n % 2 else 0)


cdef inline void add(double factor, const double* a, Py_ssize_t n, double* b) noexcept nogil:
    """b += factor a."""
    cdef Py_ssize_t j
    for j in range(n):
        b[j] += factor * a[j]


cdef inline void add_rows(
    const double* rows, Py_ssize_t ld, const double* factors, double factor, Py_ssize_t n,     # IN (n, n), (n,)
    double* out,                                   # OUT (n,) factor Σ_i f_i x_i
) noexcept nogil:
    cdef Py_ssize_t i
    memset(out, 0, n * sizeof(double))
    for i in range(n):
        add(factor * factors[i], rows + i * ld, n, out)


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
    double* workspace,                             # scratch: see `axes_workspace_size`
) noexcept nogil:
    """Return whether that converged; Jacobi's method always does."""
    cdef Py_ssize_t j
    if d > WIDEST_BY_HAND:
        return eigenvectors(matrix, values, d, workspace)
    if d > WIDEST_BY_JACOBI:
        return tridiagonal_axes(matrix, d, values, workspace)
    memcpy(workspace, matrix, d * d * sizeof(double))
    identity(matrix, d)
    diagonalise(workspace, d, matrix)
    for j in range(d):
        values[j] = workspace[j * d + j]
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


cdef inline bint tridiagonal_axes(
    double* matrix, Py_ssize_t d, double* values,  # IN symmetric, OUT eigenvectors; OUT (d,), ascending
    double* workspace,                             # scratch (3, d)
) noexcept nogil:
    """Return whether QL converged, on a tridiagonal form."""
    cdef double most = magnitude(matrix, d * d)
    cdef int exponent = ilogb(most) if most > 0 else 0
    if not most < INFINITY:
        return False
    rescale(matrix, d * d, -exponent)              # a power of two: squares do not overflow, and nothing is rounded
    tridiagonalise(matrix, d, values, workspace, workspace + d)
    if not turn_to_diagonal(matrix, d, values, workspace):
        return False
    rescale(values, d, exponent)
    sort_axes(values, matrix, d)
    return True


cdef inline void tridiagonalise(
    double* matrix, Py_ssize_t d,                  # IN symmetric A, OUT Q with Q A Qᵀ = T
    double* diagonal, double* off_diagonal,        # OUT of T, (d,) and (d − 1,)
    double* workspace,                             # scratch (2, d)
) noexcept nogil:
    """Householder's reflections I − f v vᵀ, v behind the diagonal of a row and f on it (Golub & Van Loan, 8.3.1)."""
    cdef Py_ssize_t i, j, k, n
    cdef double length, factor, x
    cdef double* v
    cdef double* rest                              # of the matrix, behind row and column k
    cdef double* product = workspace + d
    for k in range(d - 1):
        n, v, rest = d - k - 1, matrix + k * d + k + 1, matrix + (k + 1) * d + k + 1
        length = sqrt(inner(v, v, n))
        diagonal[k], off_diagonal[k] = matrix[k * d + k], -length if v[0] > 0 else length
        x = length * (length + fabs(v[0]))
        factor = matrix[k * d + k] = 1 / x if x > 1e-280 else 0
        v[0] -= off_diagonal[k]
        add_rows(rest, d, v, factor, n, product)
        add(-factor / 2 * inner(product, v, n), v, n, product)
        for i in range(n):
            for j in range(n):
                rest[i * d + j] -= v[i] * product[j] + product[i] * v[j]
    diagonal[d - 1] = matrix[d * d - 1]
    matrix[d * d - 1] = 1
    for k in range(d - 2, -1, -1):                 # Qᵀ, from its end
        n, v, rest = d - k - 1, workspace, matrix + (k + 1) * d + k + 1
        factor = matrix[k * d + k]
        memcpy(v, matrix + k * d + k + 1, n * sizeof(double))
        matrix[k * d + k] = 1
        for i in range(k + 1, d):
            matrix[k * d + i] = matrix[i * d + k] = 0
        add_rows(rest, d, v, factor, n, product)
        for i in range(n):
            add(-v[i], product, n, rest + i * d)
    for i in range(d):
        for j in range(i):
            x = matrix[i * d + j]
            matrix[i * d + j] = matrix[j * d + i]
            matrix[j * d + i] = x


cdef inline bint turn_to_diagonal(
    double* axes, Py_ssize_t d,                    # IN, OUT turned with it
    double* diagonal, double* off_diagonal,        # IN of a tridiagonal matrix, (d,) and (d − 1,), OUT eigenvalues
) noexcept nogil:
    """QL with implicit shifts (Golub & Van Loan, 8.3.5), of entries up to 1; return whether it converged."""
    cdef Py_ssize_t first, last, i, n_sweeps
    cdef double f, g, p, r, c, s, length
    for first in range(d):
        n_sweeps = 0
        while True:
            last = first
            while last < d - 1 and not fabs(off_diagonal[last]) <= DBL_EPSILON / 2:
                last += 1
            if last == first:
                break
            n_sweeps += 1
            if n_sweeps > MOST_SWEEPS:
                return False
            g = (diagonal[first + 1] - diagonal[first]) / (2 * off_diagonal[first])
            g = diagonal[last] - diagonal[first] + off_diagonal[first] / (g + (1 if g >= 0 else -1) * sqrt(g * g + 1))
            c, s, p = 1, 1, 0
            for i in range(last - 1, first - 1, -1):
                f, r = s * off_diagonal[i], c * off_diagonal[i]
                off_diagonal[i + 1] = length = sqrt(f * f + g * g)
                s, c = f / length if length > 0 else 0, g / length if length > 0 else 1
                f = diagonal[i + 1] - p
                g = (diagonal[i] - f) * s + 2 * c * r
                p = s * g
                diagonal[i + 1] = f + p
                g = c * g - r
                turn_rows(axes + (i + 1) * d, axes + i * d, d, c, s)
            diagonal[first] -= p
            off_diagonal[first], off_diagonal[last] = g, 0
    return True


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
    double* workspace,                             # scratch (n, d)
) noexcept nogil:
    cdef Py_ssize_t i, j, m
    cdef double x
    if d > WIDEST_PRODUCT:
        for m in range(n):
            for j in range(d):
                workspace[m * d + j] = values[m] * axes[m * d + j]
        multiply_first_transposed(axes, d, workspace, d, out, d, d, d, n)
        return
    memset(out, 0, d * d * sizeof(double))
    for m in range(n):
        for i in range(d):
            x = values[m] * axes[m * d + i]
            for j in range(i + 1):
                out[i * d + j] += x * axes[m * d + j]
