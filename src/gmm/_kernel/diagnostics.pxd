"""Diagnostics of components, with the moments: what dropping one costs, and its higher moments along given axes.

For a whitened mixture, axes A_k (their rows) and every component k

    Σ w log(1 − r_k)        where 1 − r_k is the others' share; zero for a plan that skips the evidence
    Σ w r_k y^p             y = A_k (x − c_k), p = 2, 3, 4

in float64 arithmetic alone.
"""
from libc.math cimport INFINITY, exp, log1p

from gmm._kernel.block cimport share_with_noise
from gmm._kernel.layout cimport axis_stride, component_stride, is_dense, is_pooled
from gmm._kernel.leaves cimport Kernel, add_products, choose, multiply, normalise, subtract, times
from gmm._kernel.plan cimport BUFFERS, N_POWERS, PassPlan, n_diagnostics


cdef inline double log_rest_of_best(double lead) noexcept nogil:
    """log(1 − r) of the likeliest component, `lead` log odds before all the others; NaN where there are none."""
    if lead != lead:
        return -INFINITY
    return -lead - log1p(exp(-lead)) if lead > 0 else -log1p(exp(lead))


cdef inline double log_rest(double share) noexcept nogil:
    """log(1 − share) of another component, whose share is at most ½."""
    if share < 1e-4:  # exact to rounding, and most are
        return -share * (1 + share * (0.5 + share * (1.0 / 3 + 0.25 * share)))
    return log1p(-share)


cdef inline void add_log_rest(
    const PassPlan* plan, const double* tile, const double* mass,     # IN log ρ (K, n), (n,)
    Py_ssize_t n, Py_ssize_t ld,
    double* scratch,                               # (`diagnostic_rows`, ld)
    double* sums,                                  # IN, OUT a node of the merge tree
) noexcept nogil:
    """The others' evidence is summed without the likeliest component, so 1 − r is no difference of near numbers."""
    cdef Py_ssize_t K = plan.n_components, k, r
    cdef double* share = scratch                   # of the others, mass × r
    cdef double* best = scratch + K * ld
    cdef double* peak = best + ld
    cdef double* others = peak + ld
    cdef double* out = sums + plan.n_sums - 2 - n_diagnostics(plan)
    cdef double total
    choose(plan.kernel, tile, ld, peak, best, K, n)
    for k in range(K):
        for r in range(n):
            share[k * ld + r] = -INFINITY if best[r] == k else tile[k * ld + r]
    normalise(plan.kernel, share, ld, mass, others, K, n)
    if plan.noisy:
        share_with_noise[double](plan.log_noise, NULL, 0, K, n, ld, others + ld, share, others)
    for r in range(n):
        others[r] = log_rest_of_best(peak[r] - others[r])
        peak[r] = exp(others[r])
    for k in range(K):
        total = 0
        for r in range(n):
            if mass[r] != 0 and best[r] == k:
                total += mass[r] * others[r]
            elif mass[r] != 0 and peak[r] > 0:
                total += mass[r] * log_rest(share[k * ld + r] * peak[r] / mass[r])
        out[k] += total


cdef inline void add_powers(
    const PassPlan* plan, const double* block,     # IN (d, n)
    const double* responsibilities,                # IN mass × r (K, n)
    Py_ssize_t n, Py_ssize_t ld,
    double* y,                                     # scratch (`diagnostic_rows`, ld)
    double* block_sums,                            # scratch, as `add_products` requires
    double* sums,                                  # IN, OUT a node of the merge tree
) noexcept nogil:
    cdef Py_ssize_t K = plan.n_components, d = plan.n_features, k
    cdef double* common = y + (BUFFERS - 1) * d * ld
    cdef double* out = sums + plan.n_sums - 2 - n_diagnostics(plan) + K
    # In the linear form rows are near the origin: pooled axes are applied once for all components.
    cdef bint once = is_pooled(plan.layout) and plan.linear
    if once:
        multiply(plan.kernel, plan.axes, d, block, ld, common, ld, d, n, d)
    for k in range(K):
        if once:
            step_along_axes(plan, common, k, n, ld, y + d * ld)
        else:
            whiten_along_axes(plan, block, k, n, ld, y, y + d * ld)
        raise_to_powers(plan.kernel, d, n, ld, y + d * ld)
        add_products(plan.kernel, responsibilities + k * ld, ld, y + 2 * d * ld, ld, block_sums,
                     out + N_POWERS * d * k, N_POWERS * d, 1, N_POWERS * d, n)


cdef inline void whiten_along_axes(
    const PassPlan* plan, const double* block, Py_ssize_t k, Py_ssize_t n, Py_ssize_t ld,
    double* z, double* y,                          # scratch, OUT (d, n) A_k (x − c_k)
) noexcept nogil:
    cdef Py_ssize_t d = plan.n_features, stride = axis_stride(plan.layout), j, r
    cdef const double* centre = <const double*>plan.centres + k * d
    cdef const double* axes = plan.axes + k * component_stride(plan.layout, d)
    cdef double scale
    for j in range(d):
        subtract(plan.kernel, block + j * ld, centre[j], z + j * ld, n)
    if is_dense(plan.layout):
        multiply(plan.kernel, axes, d, z, ld, y, ld, d, n, d)
        return
    for j in range(d):
        scale = axes[j * stride]
        for r in range(n):
            y[j * ld + r] = scale * z[j * ld + r]


cdef inline void step_along_axes(
    const PassPlan* plan, const double* common, Py_ssize_t k, Py_ssize_t n, Py_ssize_t ld,      # IN (d, n) A x
    double* y,                                     # OUT (d, n) A (x − c_k)
) noexcept nogil:
    cdef Py_ssize_t d = plan.n_features, i, j
    cdef const double* centre = <const double*>plan.centres + k * d
    cdef double step
    for j in range(d):
        step = 0
        for i in range(d):
            step += plan.axes[j * d + i] * centre[i]
        subtract(plan.kernel, common + j * ld, step, y + j * ld, n)


cdef inline void raise_to_powers(
    Kernel kernel, Py_ssize_t d, Py_ssize_t n, Py_ssize_t ld,
    double* y,                                     # IN (d, n), OUT y², y³, y⁴ behind
) noexcept nogil:
    cdef Py_ssize_t j, step = d * ld
    for j in range(d):
        times(kernel, y + j * ld, y + j * ld, y + step + j * ld, n)
        times(kernel, y + step + j * ld, y + j * ld, y + 2 * step + j * ld, n)
        times(kernel, y + step + j * ld, y + step + j * ld, y + 3 * step + j * ld, n)
