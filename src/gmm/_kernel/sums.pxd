"""Moments from the sums of a pass."""
from libc.string cimport memcpy, memmove, memset

from gmm._kernel.blas cimport multiply_by_lower, real
from gmm._kernel.layout cimport TIED, component_stride, is_low_rank, mirror, n_factors, n_matrices, total_size
from gmm._kernel.linear cimport unpack_linear
from gmm._kernel.moments cimport Moments
from gmm._kernel.plan cimport PassPlan, crosses, has_tails, is_left_out, n_tails
from gmm._kernel.tails cimport reduce_to_normal

cdef enum:
    TRACE_BY_HAND = 58        # features up to which no pass holds BLAS, whose trmm starts threads from 6 on


cdef inline void unpack_moments(
    const PassPlan* plan, const double* sums,
    const double* whiteners, const double* scatter,        # IN for `common_scatter`, which is not in the sums
    Moments* moments,                              # OUT
) noexcept nogil:
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features, k
    cdef double* second = moments.second
    write_origins(plan, moments.origins)
    moments.log_evidence, moments.weight = sums[plan.n_sums - 2], sums[plan.n_sums - 1]
    if plan.packed:
        unpack_linear(sums, plan.moments, K, d, moments.counts, moments.first, second)
    elif is_low_rank(plan.moments):
        unpack_low_rank(plan, sums, moments)
    else:
        unpack_linear(sums, TIED, K, d, moments.counts, moments.first, NULL)
        memcpy(second, sums + K * plan.n_row, total_size(plan.moments, K, d) * sizeof(double))
        for k in range(n_matrices(plan.moments, K)):
            mirror(second + k * d * d, d)
    if plan.common_scatter:
        moments.log_evidence -= half_trace(whiteners, scatter, d, second)
        memcpy(second, scatter, d * d * sizeof(double))
    memset(moments.precision, 0, plan.n_all * sizeof(double))
    if has_tails(plan):
        reduce_to_normal(plan.tails, plan.moments, K, d, sums + plan.n_sums - 2 - n_tails(plan), moments)
    if K < plan.n_all:
        spread_to_all(plan, moments)


cdef inline void unpack_low_rank(const PassPlan* plan, const double* sums, Moments* moments) noexcept nogil:
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features, q = n_factors(plan.moments), k
    cdef const double* row = sums
    cdef const double* cross = sums + K * plan.n_row
    cdef double* second = moments.second
    for k in range(K):
        moments.counts[k] = row[0]
        memcpy(moments.first + k * d, row + 1, d * sizeof(double))
        memcpy(second, row + 1 + d, d * sizeof(double))
        memcpy(second + d, cross, q * d * sizeof(double))
        row += plan.n_row
        cross += q * d
        second += (1 + q) * d
    if crosses(plan) and plan.single:
        centre_products(plan, <const float*>plan.coefficients, <const float*>plan.centres, moments)
    elif crosses(plan):
        centre_products(plan, <const double*>plan.coefficients, <const double*>plan.centres, moments)


cdef inline void centre_products(
    const PassPlan* plan, const real* coefficients, const real* centres,
    Moments* moments,                              # IN Σ r y (z + c)ᵀ among the second moments, OUT Σ r y zᵀ
) noexcept nogil:
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features, q = n_factors(plan.moments), i, j, k
    cdef const real* map_ = coefficients + K * d
    cdef double* products
    cdef double total
    for k in range(K):
        for i in range(q):
            products, total = moments.second + (k * (1 + q) + 1 + i) * d, 0
            for j in range(d):
                total += map_[j] * moments.first[k * d + j]        # Σ r y = B Σ r z
            for j in range(d):
                products[j] -= total * centres[k * d + j]
            map_ += d


cdef inline void spread_to_all(
    const PassPlan* plan,
    Moments* moments,                              # IN of the components that were looked at, OUT zero of the others
) noexcept nogil:
    cdef Py_ssize_t d = plan.n_features, size = component_stride(plan.moments, d), n = plan.n_components, k
    for k in range(plan.n_all - 1, -1, -1):        # from behind, so that nothing is overwritten that is still to move
        if is_left_out(plan, k):
            memcpy(moments.origins + k * d, plan.all_centres + k * d, d * sizeof(double))
            moments.counts[k] = 0
            memset(moments.first + k * d, 0, d * sizeof(double))
            memset(moments.second + k * size, 0, size * sizeof(double))
            continue
        n -= 1
        memmove(moments.origins + k * d, moments.origins + n * d, d * sizeof(double))
        moments.counts[k] = moments.counts[n]
        memmove(moments.first + k * d, moments.first + n * d, d * sizeof(double))
        memmove(moments.second + k * size, moments.second + n * size, size * sizeof(double))


cdef inline void write_origins(const PassPlan* plan, double* origins) noexcept nogil:
    """Write what was subtracted from the rows: in the centred form the centres, rounded as the rows are."""
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features, n = 0, j, k
    if is_low_rank(plan.layout):                   # exactly, as these moments have no other origin
        for k in range(plan.n_all):
            if not is_left_out(plan, k):
                memcpy(origins + n * d, plan.all_centres + k * d, d * sizeof(double))
                n += 1
        return
    for k in range(K):
        for j in range(d):
            origins[k * d + j] = plan.origin[j]
            if not plan.linear:
                origins[k * d + j] += ((<const float*>plan.centres)[k * d + j] if plan.single
                                       else (<const double*>plan.centres)[k * d + j])


cdef inline double half_trace(
    const double* whitener, const double* scatter, Py_ssize_t d,       # IN (d, d)
    double* product,                               # scratch (d, d)
) noexcept nogil:
    """½ tr W S Wᵀ."""
    cdef Py_ssize_t i, j, r
    cdef double total = 0
    if d <= TRACE_BY_HAND:
        memset(product, 0, d * d * sizeof(double))
        for i in range(d):
            for r in range(i + 1):
                for j in range(i + 1):
                    product[i * d + j] += whitener[i * d + r] * scatter[r * d + j]
    else:
        memcpy(product, scatter, d * d * sizeof(double))
        multiply_by_lower(whitener, product, d, d, d)
    for i in range(d):
        for j in range(i + 1):
            total += whitener[i * d + j] * product[i * d + j]
    return total / 2
