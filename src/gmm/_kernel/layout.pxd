"""How K symmetric (d, d) matrices are stored, and the operations whose loops depend on it.

| layout | stored as | one matrix |
| --- | --- | --- |
| FULL | (K, d, d) | dense: both triangles of a covariance, the lower one of a factor |
| TIED | (d, d) | dense, and pooled: all components share it |
| DIAGONAL | (K, d) | axis-aligned: its diagonal |
| SPHERICAL | (K,) | axis-aligned: the mean of its diagonal |
| LOW_RANK + q | (K, 1 + q, d) | low rank: a diagonal, and q rows of d numbers after it |

A low-rank covariance Ψ + ΛΛᵀ is stored as [ψ, Λᵀ].  Its whitener is [ψ^-½, A], A = L⁻¹C with C = Λᵀ Ψ^-½ and
I + CCᵀ = L Lᵀ: of z = Ψ^-½ x and y = A z, ‖Wx‖² is ‖z‖² − ‖y‖².  Second moments are [Σ r x², Σ r y xᵀ], with y by
the mixture of the pass.

`gmm._values.layouts` has the same for NumPy, by the same codes.
"""

cdef enum:
    MOST_FACTORS = 999999999

cdef enum Layout:
    FULL = 0
    TIED = 1
    DIAGONAL = 2
    SPHERICAL = 3
    LOW_RANK = 4              # and the number of factors


cdef inline bint is_layout(Layout layout) noexcept nogil:
    """Return whether a code from Python is that of a layout."""
    return 0 <= <int>layout <= LOW_RANK + MOST_FACTORS and layout != LOW_RANK


cdef inline bint is_dense(Layout layout) noexcept nogil:
    return layout == FULL or layout == TIED


cdef inline bint is_axis_aligned(Layout layout) noexcept nogil:
    return layout == DIAGONAL or layout == SPHERICAL


cdef inline bint is_low_rank(Layout layout) noexcept nogil:
    return <int>layout > LOW_RANK


cdef inline Py_ssize_t n_factors(Layout layout) noexcept nogil:
    """Rows after the diagonal of a low-rank matrix; 0 for others."""
    return <Py_ssize_t>layout - LOW_RANK if is_low_rank(layout) else 0


cdef inline bint is_pooled(Layout layout) noexcept nogil:
    return layout == TIED


# --------------------------------------------------------------------------------------------- sizes

cdef inline Py_ssize_t matrix_size(Layout layout, Py_ssize_t d) noexcept nogil:
    """Numbers in one matrix."""
    if is_dense(layout):
        return d * d
    if layout == SPHERICAL:
        return 1
    return d * (1 + n_factors(layout))


cdef inline Py_ssize_t n_matrices(Layout layout, Py_ssize_t K) noexcept nogil:
    return 1 if is_pooled(layout) else K


cdef inline Py_ssize_t total_size(Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    """Numbers in the matrices of all components."""
    return n_matrices(layout, K) * matrix_size(layout, d)


cdef inline Py_ssize_t packed_size(Layout layout, Py_ssize_t d) noexcept nogil:
    """Numbers in one matrix without its upper triangle; in low rank, with first and second moments of factors."""
    cdef Py_ssize_t q = n_factors(layout)
    return d * (d + 1) // 2 if is_dense(layout) else matrix_size(layout, d) + q * (1 + q)


# ------------------------------------------------------------------------- matrices and components

cdef inline Py_ssize_t component_stride(Layout layout, Py_ssize_t d) noexcept nogil:
    """Distance between two components' matrices: 0 where they share one."""
    return 0 if is_pooled(layout) else matrix_size(layout, d)


cdef inline Py_ssize_t matrix_of(Layout layout, Py_ssize_t k) noexcept nogil:
    """Index of component k's matrix."""
    return 0 if is_pooled(layout) else k


cdef inline Py_ssize_t first_component(Layout layout, Py_ssize_t start) noexcept nogil:
    """First component of the matrices from `start` on."""
    return 0 if is_pooled(layout) else start


cdef inline Py_ssize_t end_component(Layout layout, Py_ssize_t K, Py_ssize_t end) noexcept nogil:
    """One past the last component of the matrices before `end`."""
    return K if is_pooled(layout) else end


cdef inline double matrix_count(
    Layout layout, Py_ssize_t K, const double* counts, Py_ssize_t m,       # IN counts (K,)
) noexcept nogil:
    """Sum the counts of the components of matrix m."""
    cdef Py_ssize_t k
    cdef double total = 0
    if not is_pooled(layout):
        return counts[m]
    for k in range(K):
        total += counts[k]
    return total


# ------------------------------------------------------------------------------ inside one matrix

cdef inline Py_ssize_t axis_stride(Layout layout) noexcept nogil:
    """Distance between two features' numbers on a diagonal, unless it is dense: 0 where they share one."""
    return 0 if layout == SPHERICAL else 1


cdef inline Py_ssize_t features_per_number(Layout layout, Py_ssize_t d) noexcept nogil:
    """Features that one number on the diagonal stands for."""
    return d if layout == SPHERICAL else 1


cdef inline Py_ssize_t diagonal_size(Layout layout, Py_ssize_t d) noexcept nogil:
    """Numbers on the diagonal of one matrix."""
    return 1 if layout == SPHERICAL else d


cdef inline Py_ssize_t diagonal_stride(Layout layout, Py_ssize_t d) noexcept nogil:
    """Distance between two numbers on the diagonal."""
    return d + 1 if is_dense(layout) else 1


cdef inline void add_to_diagonal(
    Layout layout, Py_ssize_t d, double x,
    double* matrix,                                # IN, OUT + x I
) noexcept nogil:
    cdef Py_ssize_t stride = diagonal_stride(layout, d), j
    for j in range(diagonal_size(layout, d)):
        matrix[j * stride] += x


cdef inline void subtract_outer(
    Layout layout, Py_ssize_t d, const double* a, const double* b,         # IN (d,)
    double* matrix,                                # IN, OUT −= a bᵀ, dense: the lower triangle
) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef double product = 0
    if is_dense(layout):
        for i in range(d):
            for j in range(i + 1):
                matrix[i * d + j] -= a[i] * b[j]
    elif layout == DIAGONAL:
        for i in range(d):
            matrix[i] -= a[i] * b[i]
    else:
        for i in range(d):
            product += a[i] * b[i]
        matrix[0] -= product / d


cdef inline void shift_second(
    Layout layout, Py_ssize_t d, const double* a, const double* b, double count,       # IN (d,)
    double sign,                                   # IN 1, or −1 for the step −b
    double* matrix,                                # IN, OUT += ± (a bᵀ + b aᵀ) + count b bᵀ, dense: the lower triangle
) noexcept nogil:
    """Bring second moments about an origin, with first ones `a`, to the origin less `b`, or plus `b`."""
    cdef Py_ssize_t i, j
    cdef double total = 0
    if is_dense(layout):
        for i in range(d):
            for j in range(i + 1):
                matrix[i * d + j] += sign * (a[i] * b[j] + b[i] * a[j]) + count * b[i] * b[j]
    elif layout == DIAGONAL:
        for i in range(d):
            matrix[i] += (sign * 2 * a[i] + count * b[i]) * b[i]
    else:
        for i in range(d):
            total += (sign * 2 * a[i] + count * b[i]) * b[i]
        matrix[0] += total / d


cdef inline void mirror(double* matrix, Py_ssize_t d) noexcept nogil:
    """Copy the lower triangle of a (d, d) matrix into the upper."""
    cdef Py_ssize_t i, j
    for i in range(d):
        for j in range(i):
            matrix[j * d + i] = matrix[i * d + j]


cdef inline void mirror_all(Layout layout, Py_ssize_t K, Py_ssize_t d, double* matrices) noexcept nogil:
    """Mirror every matrix that has triangles."""
    cdef Py_ssize_t m
    if is_dense(layout):
        for m in range(n_matrices(layout, K)):
            mirror(matrices + m * d * d, d)


# ---------------------------------------------------------------- factors: lower triangular, or diagonal

cdef inline void apply_factor(
    Layout layout, Py_ssize_t d, const double* factor, const double* x,    # IN x (d,)
    double* out,                                   # OUT (d,) W x
) noexcept nogil:
    cdef Py_ssize_t stride = axis_stride(layout), i, j
    if is_dense(layout):
        for i in range(d):
            out[i] = 0
            for j in range(i + 1):
                out[i] += factor[i * d + j] * x[j]
    else:
        for i in range(d):
            out[i] = factor[i * stride] * x[i]


cdef inline double apply_row(
    Layout layout, Py_ssize_t d, const double* factor, Py_ssize_t i, const double* a, const double* b,     # IN (d,)
) noexcept nogil:
    """Return entry i of W (a − b)."""
    cdef Py_ssize_t j
    cdef double total = 0
    if is_axis_aligned(layout):
        return factor[i * axis_stride(layout)] * (a[i] - b[i])
    for j in range(i + 1):
        total += factor[i * d + j] * (a[j] - b[j])
    return total
