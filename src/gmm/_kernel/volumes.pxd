"""The volumes λ_k and the shape of covariances λ_k A that share a shape A, or axes and shape, by Newton's method."""
from libc.float cimport DBL_EPSILON
from libc.math cimport INFINITY, NAN, exp, fabs, isfinite, log
from libc.string cimport memset

from gmm._kernel.axes cimport in_axes
from gmm._kernel.cholesky cimport invert_dense
from gmm._kernel.layout cimport Layout, diagonal_stride, is_dense, matrix_size

cdef enum:
    MOST_STEPS = 200          # of Newton's method, which takes 3 to 10 where there is a solution
    LONGEST_STEP = 10         # of a log volume


cdef inline Py_ssize_t volumes_workspace_size(Py_ssize_t K, Py_ssize_t size) noexcept nogil:
    return K * size + 2 * size + K * K + 3 * K


cdef inline bint common_shape(
    Layout layout, Layout kept, Py_ssize_t K, Py_ssize_t d,
    const double* weights, const double* previous,         # IN `previous` in the layout `kept`
    double* matrices,                              # IN C_k, OUT λ_k A
    double* workspace,                             # scratch: see `volumes_workspace_size`
) noexcept nogil:
    """Minimise log|Σ_k w_k C_k / λ_k| + d Σ_k w_k log λ_k, convex in the log λ_k, by Newton's method.

    A step that gains too little is halved: where covariances are thin and cross, the valley is wide and its walls are
    steep.
    """
    cdef Py_ssize_t size = matrix_size(layout, d), k, _
    cdef double* logs = workspace                  # log λ_k
    cdef double* step = logs + K
    cdef double* traces = step + K
    cdef double* hessian = traces + K
    cdef double* parts = hessian + K * K
    cdef double* shape = parts + K * size
    cdef double objective, least = INFINITY, promise = 0, longest = INFINITY
    if not first_volumes(layout, kept, K, d, weights, previous, matrices, logs):
        return False
    for _ in range(MOST_STEPS):
        objective = split_shape(layout, K, d, weights, logs, matrices, traces, parts, shape)
        for k in range(K):
            objective += d * weights[k] * logs[k]
        if objective != objective:
            return False
        if objective <= least - promise / 10 + 64 * DBL_EPSILON * (d + fabs(least)):
            least = objective
            longest = next_step(K, d, size, weights, traces, parts, hessian, step, &promise)
            if longest == INFINITY:
                return False
        else:
            longest, promise = longest / 2, promise / 2
            for k in range(K):
                step[k] /= 2
                logs[k] -= 2 * step[k]
        for k in range(K):
            logs[k] += step[k]
        if longest < 1e-7:                         # squared by the next
            return assemble(K, size, weights, logs, matrices, shape)
    return False


cdef inline bint first_volumes(
    Layout layout, Layout kept, Py_ssize_t K, Py_ssize_t d,
    const double* weights, const double* previous, const double* matrices,     # IN
    double* logs,                                  # OUT up to a constant
) noexcept nogil:
    """Take the traces: volumes of covariances with one shape are proportional to them."""
    cdef const double* source = matrices if previous == NULL else previous
    cdef Layout stored = layout if previous == NULL else kept
    cdef Py_ssize_t size = matrix_size(stored, d), stride = diagonal_stride(stored, d), j, k
    cdef double mean = 0
    for k in range(K):
        logs[k] = 0
        for j in range(d):
            logs[k] += source[k * size + j * stride]
        logs[k] = log(logs[k])
        mean += weights[k] * logs[k]
    for k in range(K):
        logs[k] -= mean
        if not isfinite(logs[k]):
            return previous != NULL and first_volumes(layout, kept, K, d, weights, NULL, matrices, logs)
    return True


cdef inline double split_shape(
    Layout layout, Py_ssize_t K, Py_ssize_t d, const double* weights, const double* logs, const double* matrices,  # IN
    double* traces, double* parts,                 # OUT (K,), (K, size): shares P_k, which add up to I
    double* shape,                                 # OUT scratch
) noexcept nogil:
    """Split M = Σ_k w_k C_k / λ_k = L Lᵀ into shares P_k, the summands between L⁻¹ and L⁻ᵀ; return log|M|."""
    cdef Py_ssize_t size = matrix_size(layout, d), stride = diagonal_stride(layout, d), j, k
    cdef double factor, log_determinant = 0
    mix(K, size, weights, logs, matrices, shape)
    if is_dense(layout):
        log_determinant = -2 * invert_dense(shape, d)
        for k in range(K):
            in_axes(shape, matrices + k * size, d, parts + k * size, shape + size)
    else:
        for j in range(d):
            log_determinant += log(shape[j])
            for k in range(K):
                parts[k * d + j] = matrices[k * d + j] / shape[j]
    if not isfinite(log_determinant):
        return NAN
    for k in range(K):
        factor = weights[k] * exp(-logs[k])
        traces[k] = 0
        for j in range(size):
            parts[k * size + j] *= factor
        for j in range(d):
            traces[k] += parts[k * size + j * stride]
    return log_determinant


cdef inline void mix(
    Py_ssize_t K, Py_ssize_t size, const double* weights, const double* logs, const double* matrices,  # IN
    double* shape,                                 # OUT (size,) Σ_k w_k C_k / λ_k
) noexcept nogil:
    cdef Py_ssize_t j, k
    cdef double factor
    memset(shape, 0, size * sizeof(double))
    for k in range(K):
        factor = weights[k] * exp(-logs[k])
        for j in range(size):
            shape[j] += factor * matrices[k * size + j]


cdef inline double next_step(
    Py_ssize_t K, Py_ssize_t d, Py_ssize_t size,
    const double* weights, const double* traces, const double* parts,      # IN
    double* hessian, double* step,                 # scratch (K, K), OUT (K,)
    double* promise,                               # OUT what it would gain along a line
) noexcept nogil:
    """Return the step's longest entry, infinite where a trace is not positive."""
    cdef Py_ssize_t k
    cdef double longest = newton_step(K, d, size, weights, traces, parts, hessian, step)
    cdef double share = min(1, LONGEST_STEP / longest)
    promise[0] = longest = 0
    for k in range(K):
        if not traces[k] > 0:
            return INFINITY
        # Without second derivatives, as if M were the same for all volumes: a step of the alternation.
        step[k] = share * step[k] if share > 0 else log(traces[k] / (d * weights[k]))
        promise[0] += (traces[k] - d * weights[k]) * step[k]
        longest = max(longest, fabs(step[k]))
    return longest


cdef inline double newton_step(
    Py_ssize_t K, Py_ssize_t d, Py_ssize_t size,
    const double* weights, const double* traces, const double* parts,      # IN
    double* hessian, double* step,                 # scratch (K, K), OUT (K,)
) noexcept nogil:
    """Return the step's longest entry, infinite where the second derivatives are not positive definite.

    gradient d w_k − tr P_k; second derivatives δ_kl tr P_k − tr P_k P_l, and d w wᵀ: a common factor is held.
    """
    cdef Py_ssize_t j, k, other
    cdef double total, longest = 0
    for k in range(K):
        for other in range(k + 1):
            total = d * weights[k] * weights[other]
            for j in range(size):
                total -= parts[k * size + j] * parts[other * size + j]
            hessian[k * K + other] = total
        hessian[k * K + k] += traces[k]
        step[k] = 0
    if not isfinite(invert_dense(hessian, K)):
        return INFINITY
    for k in range(K):
        total = 0
        for other in range(k + 1):
            total += hessian[k * K + other] * (traces[other] - d * weights[other])
        for other in range(k + 1):
            step[other] += hessian[k * K + other] * total
    for k in range(K):
        longest = max(longest, fabs(step[k])) if step[k] == step[k] else INFINITY
    return longest


cdef inline bint assemble(
    Py_ssize_t K, Py_ssize_t size, const double* weights, const double* logs,
    double* matrices, double* shape,               # IN, OUT λ_k Σ_l w_l C_l / λ_l; scratch
) noexcept nogil:
    cdef Py_ssize_t j, k
    cdef double volume
    mix(K, size, weights, logs, matrices, shape)
    for k in range(K):
        volume = exp(logs[k])
        for j in range(size):
            matrices[k * size + j] = volume * shape[j]
    return True
