"""Blocks of rows that each have an error covariance S of their own, by `deconvolve.h`: their density, and their scores.

With T = V + S and w = T⁻¹ (x − c), the scores Σ r, Σ r w and Σ r (w wᵀ − T⁻¹) come in the place of moments.
"""
from libc.string cimport memcpy, memset

from gmm._kernel.layout cimport is_dense
from gmm._kernel.leaves cimport ERRORS_LANES, ERRORS_ROWS
from gmm._kernel.plan cimport PassPlan, n_triangle


cdef inline Py_ssize_t n_scores(const PassPlan* plan) noexcept nogil:
    """Scores of a component."""
    return 1 + plan.n_features + n_triangle(plan.layout, plan.n_features)


cdef inline Py_ssize_t own_size(const PassPlan* plan) noexcept nogil:
    """Doubles of the workspace of both functions below."""
    cdef Py_ssize_t d = plan.n_features, p = n_triangle(plan.layout, d), K = plan.n_components
    if plan.own == NULL:
        return 0
    return ERRORS_ROWS * (d + p + 1) + work_size(d) + (ERRORS_LANES + 1) * n_scores(plan) + plan.block + K


cdef inline Py_ssize_t work_size(Py_ssize_t d) noexcept nogil:
    """Doubles of the scratch of density and scores: a matrix, though it is diagonal, and four vectors, of rows."""
    return ERRORS_LANES * (d * (d + 1) // 2 + 4 * d)


cdef inline void gather(
    const PassPlan* plan, const int* code, const double* block, Py_ssize_t ld,     # IN (n,), (d, n)
    const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t n,       # IN (n,) or NULL
    double* x, double* s,                          # OUT (d, ERRORS_ROWS), (p, ERRORS_ROWS)
) noexcept nogil:
    """Lay out some rows and their errors; the last row fills what is left."""
    cdef Py_ssize_t d = plan.n_features, r, at, i, j, c
    cdef const int* column = plan.own.order
    cdef const double* error
    for r in range(ERRORS_ROWS):
        at = min(first + r, n - 1)
        at = at if order == NULL else order[at]
        for i in range(d):
            x[i * ERRORS_ROWS + r] = block[i * ld + at]
        error, c = plan.own.errors + code[at] * plan.own.size, 0
        for i in range(d):
            if not is_dense(plan.layout):
                s[i * ERRORS_ROWS + r] = error[column[i]]
                continue
            for j in range(i + 1):
                s[c * ERRORS_ROWS + r] = error[column[i] * plan.own.d + column[j]]
                c += 1


cdef inline void log_density_own(
    const PassPlan* plan, const int* code, const double* block, Py_ssize_t n, Py_ssize_t padded, Py_ssize_t ld,  # IN
    double* workspace,                             # scratch
    double* tile,                                  # OUT (K, n)
) noexcept nogil:
    cdef Py_ssize_t d = plan.n_features, p = n_triangle(plan.layout, d), start = 0, k
    cdef double* x = workspace
    cdef double* s = x + ERRORS_ROWS * d
    cdef double* out = s + ERRORS_ROWS * p
    while start < padded:
        gather(plan, code, block, ld, NULL, start, n, x, s)
        for k in range(plan.n_components):
            plan.kernel.errors.density(x, s, d, not is_dense(plan.layout), <const double*>plan.centres + k * d,
                                       plan.own.covariances + k * p, plan.log_offset[k], out, out + ERRORS_ROWS)
            memcpy(tile + k * ld + start, out, min(<Py_ssize_t>ERRORS_ROWS, padded - start) * sizeof(double))
        start += ERRORS_ROWS


cdef inline void order_by_component(
    const double* best, Py_ssize_t n, Py_ssize_t K,    # IN (n,) their likeliest component, −1 for noise
    Py_ssize_t* starts,                            # scratch (K,)
    Py_ssize_t* order,                             # OUT (n,) rows of one component in order
) noexcept nogil:
    cdef Py_ssize_t r, k, start = 0, count
    memset(starts, 0, K * sizeof(Py_ssize_t))
    for r in range(n):
        starts[max(<Py_ssize_t>best[r], 0)] += 1
    for k in range(K):
        count, starts[k] = starts[k], start
        start += count
    for r in range(n):
        k = max(<Py_ssize_t>best[r], 0)
        order[starts[k]] = r
        starts[k] += 1


cdef inline void accumulate_own(
    const PassPlan* plan, const int* code, const double* block, const double* best, const double* mass,    # IN
    const double* tile, Py_ssize_t n, Py_ssize_t ld,   # IN (K, n) mass × responsibilities
    double* workspace,                             # scratch
    double* sums,                                  # IN, OUT as of moments in the centred form
) noexcept nogil:
    """Add the scores of a block; rows are taken by component, so that vectors of rows lack as many as they can."""
    cdef Py_ssize_t d = plan.n_features, p = n_triangle(plan.layout, d), K = plan.n_components, q = n_scores(plan)
    cdef Py_ssize_t first = 0, k, j, at, i, row = plan.n_row
    cdef double* x = workspace
    cdef double* s = x + ERRORS_ROWS * d
    cdef double* shares = s + ERRORS_ROWS * p
    cdef double* work = shares + ERRORS_ROWS
    cdef double* total = work + work_size(d)
    cdef double* scores = total + ERRORS_LANES * q
    cdef Py_ssize_t* order = <Py_ssize_t*>(scores + q)
    cdef double most
    cdef double* second
    order_by_component(best, n, K, order + n, order)
    while first < n:
        gather(plan, code, block, ld, order, first, n, x, s)
        for k in range(K):
            most = 0
            for j in range(ERRORS_ROWS):
                shares[j] = 0
                if first + j < n:
                    at = order[first + j]
                    # Sums are not exact to that.
                    shares[j] = tile[k * ld + at] if tile[k * ld + at] > 1e-18 * mass[at] else 0
                most = max(most, shares[j])
            if most == 0:
                continue
            memset(total, 0, ERRORS_LANES * q * sizeof(double))
            plan.kernel.errors.scores(x, s, d, not is_dense(plan.layout), <const double*>plan.centres + k * d,
                                      plan.own.covariances + k * p, shares, total, work)
            plan.kernel.errors.collect(total, q, scores)
            for i in range(1 + d):
                sums[k * row + i] += scores[i]
            second = sums + k * row + 1 + d if plan.packed else sums + K * row + k * d * d
            for i in range(d):
                if not is_dense(plan.layout):
                    second[i] += scores[1 + d + i]
                    continue
                for j in range(i + 1):
                    second[i * d + j] += scores[1 + d + i * (i + 1) // 2 + j]
        first += ERRORS_ROWS
