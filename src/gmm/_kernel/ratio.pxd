"""A limit on the ratio of the eigenvalues of all covariances (García-Escudero et al. 2008; Fritz et al. 2013).

Σ_k has the axes of the free covariance C_k; of its eigenvalues d, those below m are raised to m and those above c m
lowered to it, with the m that minimises Σ_k n_k Σ_j (log λ_kj + d_kj / λ_kj).  m times the derivative by log m,
Σ n (m − d)₊ − Σ n (d / c − m)₊, rises with m and is linear between the numbers d and d / c: Newton's method ends after
a few steps, each in the bracket of those before.
"""
from libc.float cimport DBL_EPSILON
from libc.math cimport INFINITY, fabs
from libc.string cimport memcpy

from gmm._kernel.axes cimport axes_workspace_size, from_axes, magnitude, principal_axes
from gmm._kernel.layout cimport Layout, diagonal_size, is_dense, mirror, total_size

cdef enum:
    MOST_STEPS = 200          # of Newton's method, which takes some five


cdef inline Py_ssize_t ratio_workspace_size(Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    """In doubles."""
    return K * diagonal_size(layout, d) + (K * d * d + d * d + axes_workspace_size(d) if is_dense(layout) else 0)


cdef inline double work_of_ratio(Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    """Multiply-adds, roughly."""
    return 25. * K * d * d * d if is_dense(layout) else 10. * K * d


cdef inline bint limit_ratio(
    Layout layout, Py_ssize_t K, Py_ssize_t d, double max_ratio, const double* counts,      # IN
    double* covariances,                           # IN free, OUT within the limit; those that are so keep their bits
    double* workspace,                             # scratch: see `ratio_workspace_size`
) noexcept nogil:
    """Return whether there is a solution: not where all rows of each component are equal."""
    cdef Py_ssize_t size = diagonal_size(layout, d), j, k
    cdef double* values = workspace
    cdef double* axes = values + K * size
    cdef double* product = axes + K * d * d
    cdef double most = magnitude(covariances, total_size(layout, K, d)), least
    if not 0 < most < INFINITY:
        return False
    if is_dense(layout):
        memcpy(axes, covariances, K * d * d * sizeof(double))
        for k in range(K):
            if not principal_axes(axes + k * d * d, d, values + k * d, product):
                return False
    else:
        memcpy(values, covariances, K * size * sizeof(double))
    for j in range(K * size):
        values[j] = max(values[j], 0)              # which rounding made negative
    least = least_eigenvalue(K, size, max_ratio, counts, values)
    for k in range(K):
        if not truncate(size, least, max_ratio * least, values + k * size):
            continue
        if is_dense(layout):
            from_axes(axes + k * d * d, values + k * d, d, d, covariances + k * d * d, product)
            mirror(covariances + k * d * d, d)
        else:
            memcpy(covariances + k * size, values + k * size, size * sizeof(double))
    return True


cdef inline bint truncate(Py_ssize_t n, double least, double most, double* values) noexcept nogil:
    """Return whether a value is out of the limits, within which all are brought."""
    cdef Py_ssize_t j
    cdef bint changes = False
    for j in range(n):
        changes = changes or not least <= values[j] <= most
        values[j] = min(max(values[j], least), most)
    return changes


cdef inline double least_eigenvalue(
    Py_ssize_t K, Py_ssize_t size, double max_ratio, const double* counts, const double* values,      # IN (K, size)
) noexcept nogil:
    """Return m."""
    cdef double low = INFINITY, high = 0, m, root
    cdef Py_ssize_t j, step
    for j in range(K * size):
        low, high = min(low, values[j]), max(high, values[j])
    if high <= max_ratio * low:
        return low
    high /= max_ratio
    m = high
    for step in range(MOST_STEPS):
        root = root_of_piece(K, size, max_ratio, counts, values, m)
        low, high = (m, high) if root >= m else (low, m)
        if fabs(root - m) <= DBL_EPSILON * m:
            break
        if step % 3 == 2 or not low < root < high:         # whatever the pieces, the bracket gets narrow
            root = low / 2 + high / 2
        m = root
    return m


cdef inline double root_of_piece(
    Py_ssize_t K, Py_ssize_t size, double max_ratio, const double* counts, const double* values, double m,    # IN
) noexcept nogil:
    """Return where the linear piece about m is 0; m itself where it is 0 everywhere."""
    cdef double rows = 0, total = 0, x
    cdef Py_ssize_t j, k
    for k in range(K):
        for j in range(size):
            x = values[k * size + j]
            if x > m:
                x /= max_ratio
                if x <= m:
                    continue
            rows += counts[k]
            total += counts[k] * x
    return total / rows if rows > 0 else m
