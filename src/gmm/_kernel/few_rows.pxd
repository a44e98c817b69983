"""The density of fewer rows than a group of vectors: results run along vectors, where a block's rows do.

A row costs as much as it has multiplications, not as much as a whole group, and has the same bits (`few_rows.h`).  A
plan is prepared for it apart from `prepare`, as it is worth a copy of the coefficients only where mixtures score many
times.
"""
from libc.string cimport memset

from gmm._kernel.blas cimport real
from gmm._kernel.layout cimport (
    DIAGONAL,
    FULL,
    SPHERICAL,
    axis_stride,
    component_stride,
    is_dense,
    is_low_rank,
    matrix_size,
    n_matrices,
)
from gmm._kernel.leaves cimport few_diagonal, few_multiply, few_quadratic, few_triangular, is_twin, pad, panel_width
from gmm._kernel.linear cimport has_products
from gmm._kernel.plan cimport PassPlan, fuses, item_size, n_stored
from gmm._kernel.rows cimport data


cdef inline Py_ssize_t panels_of(Py_ssize_t results, Py_ssize_t terms, Py_ssize_t width) noexcept nogil:
    """Numbers in the panels of so many results."""
    return (results + width - 1) // width * width * terms


cdef inline Py_ssize_t triangle_of(Py_ssize_t d, Py_ssize_t width) noexcept nogil:
    """Numbers in the panels of a lower triangular matrix."""
    cdef Py_ssize_t end = 0, size = 0
    while end < d:
        end = min(end + width, d)
        size += end * width
    return size


cdef inline Py_ssize_t size_of_panels(const PassPlan* plan) noexcept nogil:
    """Numbers in the panels of the coefficients."""
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features, width = panel_width(item_size(plan))
    if plan.linear:
        return panels_of(K, plan.n_density, width)
    if is_dense(plan.layout):
        return n_matrices(plan.layout, K) * triangle_of(d, width)
    return panels_of(K, 2 * d, width)


cdef inline bint has_panels(const PassPlan* plan) noexcept nogil:
    return not (is_twin(plan.kernel) or is_low_rank(plan.layout))


cdef inline Py_ssize_t few_panels_size(const PassPlan* plan) noexcept nogil:
    """Doubles that `prepare_few` writes."""
    cdef Py_ssize_t size = size_of_panels(plan)
    if plan.common_quadratic:
        size += triangle_of(plan.n_features, panel_width(item_size(plan)))
    return (size * item_size(plan) + sizeof(double) - 1) // sizeof(double) if has_panels(plan) else 0


cdef inline void prepare_few(
    PassPlan* plan,                                # IN prepared, OUT what few rows need: see `has_panels`
    double* storage,                               # OUT what the plan points into, at a multiple of 64 bytes
) noexcept nogil:
    """Let up to half a group of rows be scored by panels."""
    lay_out_few(plan, storage)
    fill_few(plan)


cdef inline void lay_out_few(
    PassPlan* plan,                                # IN laid out, OUT what few rows need
    double* storage,
) noexcept nogil:
    if has_panels(plan):
        plan.few_rows, plan.panels = pad(item_size(plan)) // 2, storage
        plan.common_panels = <char*>storage + size_of_panels(plan) * item_size(plan)


cdef inline void fill_few(const PassPlan* plan) noexcept nogil:
    """Write the panels of a plan that is filled."""
    if not has_panels(plan):
        return
    if plan.single:
        fill_panels(plan, <float*>plan.panels)
    else:
        fill_panels(plan, <double*>plan.panels)


cdef inline void fill_panels(const PassPlan* plan, real* out) noexcept nogil:
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features, width = panel_width(sizeof(real)), k
    cdef const real* coefficients = <const real*>plan.coefficients
    if plan.linear:
        fill_product(coefficients, plan.n_moments, K, plan.n_density, width, out)
    elif is_dense(plan.layout):
        for k in range(n_matrices(plan.layout, K)):
            fill_triangle(coefficients + k * matrix_size(plan.layout, d), d, width,
                          out + k * triangle_of(d, width))
    else:
        fill_axes(plan, <const real*>plan.centres, coefficients, width, out)
    if plan.common_quadratic:
        fill_triangle(<const real*>plan.common, d, width, <real*>plan.common_panels)


cdef inline void fill_product(
    const real* a, Py_ssize_t lda, Py_ssize_t m, Py_ssize_t k, Py_ssize_t width,       # IN (m, k)
    real* out,                                     # OUT in panels, zero behind the m results
) noexcept nogil:
    cdef Py_ssize_t panel, first, i, p
    for panel in range((m + width - 1) // width):
        first = panel * width
        for p in range(k):
            memset(out, 0, width * sizeof(real))      # results behind the last
            for i in range(first, min(first + width, m)):
                out[i - first] = a[i * lda + p]
            out += width


cdef inline void fill_triangle(const real* a, Py_ssize_t d, Py_ssize_t width, real* out) noexcept nogil:
    """Fill panels that end with their last row's diagonal."""
    cdef Py_ssize_t panel, first, i, p
    for panel in range((d + width - 1) // width):
        first = panel * width
        for p in range(min(first + width, d)):
            memset(out, 0, width * sizeof(real))
            for i in range(max(first, p), min(first + width, d)):
                out[i - first] = a[i * d + p]
            out += width


cdef inline void fill_axes(
    const PassPlan* plan, const real* centres, const real* whiteners, Py_ssize_t width,    # IN (K, d)
    real* out,                                     # OUT of every feature a panel of centres, and one of whiteners
) noexcept nogil:
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features, panel, first, j, k
    cdef Py_ssize_t stride = component_stride(plan.layout, d), step = axis_stride(plan.layout)
    for panel in range((K + width - 1) // width):
        first = panel * width
        for j in range(d):
            memset(out, 0, 2 * width * sizeof(real))
            for k in range(first, min(first + width, K)):
                out[k - first] = centres[k * d + j]
                out[k - first + width] = whiteners[k * stride + j * step]
            out += 2 * width


# ------------------------------------------------------------------------------------------- density

cdef inline Py_ssize_t few_stride(const PassPlan* plan) noexcept nogil:
    """Items between two of few rows."""
    return n_stored(plan) if fuses(plan) else plan.n_density if plan.linear else plan.n_features


cdef inline real* few_features(const PassPlan* plan, real* rows) noexcept nogil:
    """Return the first row's features: in the linear form a one lies before them."""
    return rows + (1 if plan.linear else 0)


cdef inline void load_few(
    const PassPlan* plan, const data* x, Py_ssize_t row_stride, Py_ssize_t column_stride, Py_ssize_t n,    # IN
    real* rows,                                    # OUT (n, few_stride) the terms of the linear form, else the features
) noexcept nogil:
    cdef Py_ssize_t d = plan.n_features, stride = few_stride(plan), j, r
    cdef const data* row
    cdef real* own
    for r in range(n):
        row = x + r * row_stride
        own = few_features(plan, rows + r * stride)
        for j in range(d):
            own[j] = <real>(<double>row[j * column_stride] - plan.origin[j])
        if plan.linear:
            rows[r * stride] = 1
            if not fuses(plan):
                append_few(plan, own, own + d)
    if plan.linear and plan.layout == SPHERICAL:
        add_squares(rows, few_stride(plan), n, d)


cdef inline void append_few(const PassPlan* plan, const real* x, real* out) noexcept nogil:
    """Write the products of one row in the order of `append_products`."""
    cdef Py_ssize_t d = plan.n_features, i, j
    if plan.layout == FULL:
        for i in range(d):
            for j in range(i + 1):
                out[j] = x[i] * x[j]
            out += i + 1
    elif plan.layout == DIAGONAL:
        for j in range(d):
            out[j] = x[j] * x[j]


cdef inline void add_squares(real* rows, Py_ssize_t stride, Py_ssize_t n, Py_ssize_t d) noexcept nogil:
    """Write x·x behind [1, x], in the order of `append_products`."""
    cdef Py_ssize_t j, r
    for r in range(n):                             # feature by feature, as compilers round sums of a row otherwise
        rows[r * stride + 1 + d] = 0
    for j in range(1, 1 + d):
        for r in range(n):
            rows[r * stride + 1 + d] += rows[r * stride + j] * rows[r * stride + j]


cdef inline void log_density_few(
    const PassPlan* plan, real* rows, Py_ssize_t n, Py_ssize_t padded, Py_ssize_t ld,      # IN of `load_few`
    real* z,                                       # scratch (n, d)
    real* tile,                                    # OUT log ρ (K, n), zero behind the n rows
) noexcept nogil:
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features, j, k, r
    cdef Py_ssize_t stride = triangle_of(d, panel_width(sizeof(real))) if plan.layout == FULL else 0
    cdef const real* panels = <const real*>plan.panels
    cdef const real* centre
    for k in range(K):
        memset(tile + k * ld + n, 0, (padded - n) * sizeof(real))
    if fuses(plan) and has_products(plan.layout):
        few_quadratic(plan.kernel, panels, few_features(plan, rows), few_stride(plan), tile, ld, K, n, d)
    elif plan.linear:
        few_multiply(plan.kernel, panels, rows, few_stride(plan), tile, ld, K, n, plan.n_density)
    elif is_dense(plan.layout):
        for k in range(K):
            centre = <const real*>plan.centres + k * d
            for r in range(n):
                for j in range(d):
                    z[r * d + j] = rows[r * d + j] - centre[j]
            few_triangular(plan.kernel, panels + k * stride, z, d, plan.log_offset[k], tile + k * ld, d, n)
    else:
        few_diagonal(plan.kernel, panels, rows, d, plan.log_offset, tile, ld, K, n, d)
