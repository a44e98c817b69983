"""Covariances under a constraint, from covariances that are free (Celeux and Govaert 1995).

Of the covariances Σ_k that meet the constraint, those with the least Σ_k n_k (log|Σ_k| + tr Σ_k⁻¹ C_k), where
C_k are the free ones and n_k the counts.  Σ_k = λ_k D_k A_k D_kᵀ: a volume, an orientation and a shape with |A_k| = 1,
each Equal for all components, of its own for each (V), or the Identity.  EII is about spherical covariances, EEI,
VEI and EVI about diagonal ones, the others about full ones.
"""
from libc.float cimport DBL_EPSILON
from libc.math cimport INFINITY, NAN, exp, fabs, ilogb, isfinite, ldexp, log
from libc.string cimport memcpy, memset

from gmm._kernel.axes cimport from_axes, in_axes, principal_axes, room_for_axes
from gmm._kernel.cholesky cimport invert_dense
from gmm._kernel.linear cimport DIAGONAL, FULL, SPHERICAL, Layout, n_second
from gmm._kernel.orientation cimport common_axes, room_for_orientation, work_of_orientation

cdef enum Constraint:
    NONE = 0
    EII = 1
    EEI = 2
    VEI = 3
    EVI = 4
    VEE = 5
    EVE = 6
    VVE = 7
    EEV = 8
    VEV = 9
    EVV = 10

cdef enum:
    MOST_STEPS = 200          # of Newton's method for the volumes, which takes 3 to 10 where there is a solution


cdef inline bint is_known(Constraint constraint) noexcept nogil:
    return NONE <= constraint <= EVV


cdef inline Layout layout_of(Constraint constraint) noexcept nogil:
    """Of the covariances it is about."""
    if constraint == EII:
        return SPHERICAL
    return DIAGONAL if EEI <= constraint <= EVI else FULL


cdef inline bint volumes_vary(Constraint constraint) noexcept nogil:
    return constraint == VEI or constraint == VEE or constraint == VVE or constraint == VEV


cdef inline Py_ssize_t room_for_constraint(Constraint constraint, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    """In doubles."""
    cdef Py_ssize_t size = n_second(layout_of(constraint), 1, d)
    if constraint == NONE:
        return 0
    return (K + K * d + room_for_axes(d) + room_for_orientation(K, d) + room_for_volumes(K, size)
            if size > d else K + room_for_volumes(K, size))


cdef inline double work_of_constraint(Constraint constraint, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    """Multiply-adds, roughly."""
    if constraint == EVE or constraint == VVE:
        return work_of_orientation(K, d)
    if layout_of(constraint) == FULL:
        return 10. * K * d * d * d                 # eigenvectors, or a few factorisations
    return <double>K * d


cdef inline bint constrain(
    Constraint constraint, Py_ssize_t K, Py_ssize_t d,
    const double* counts,                          # IN (K,)
    const double* previous,                        # IN what an earlier call wrote, or NULL
    double* covariances,                           # IN free, OUT under the constraint
    double* room,                                  # scratch: see `room_for_constraint`
) noexcept nogil:
    """Whether there is a solution; without one, `covariances` are of no use.

    `previous` is where an iteration begins: nothing that is returned is less likely.
    """
    cdef Py_ssize_t n = n_second(layout_of(constraint), K, d), k
    cdef double* weights = room
    cdef double total = 0
    cdef int exponent
    if constraint == NONE or K == 1 or (d == 1 and volumes_vary(constraint)):
        return True
    for k in range(K):
        total += counts[k]
    for k in range(K):
        weights[k] = counts[k] / total
    # A power of two: nothing is rounded, and nothing overflows below.
    total = magnitude(covariances, n)
    if not (total > 0 and isfinite(total)):
        return False
    exponent = ilogb(total)
    rescale(covariances, n, -exponent)
    if not constrain_scaled(constraint, K, d, weights, previous, covariances, room + K):
        return False
    rescale(covariances, n, exponent)
    return True


cdef inline double magnitude(const double* values, Py_ssize_t n) noexcept nogil:
    """The largest absolute value, NaN where there is one."""
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


cdef inline bint constrain_scaled(
    Constraint constraint, Py_ssize_t K, Py_ssize_t d,
    const double* weights, const double* previous,         # IN
    double* covariances,                           # IN, OUT
    double* room,
) noexcept nogil:
    if constraint == EII or constraint == EEI or d == 1:
        return pool(K, n_second(layout_of(constraint), 1, d), weights, covariances)
    if constraint == VEI:
        return common_shape(DIAGONAL, K, d, weights, previous, covariances, room)
    if constraint == VEE:
        return common_shape(FULL, K, d, weights, previous, covariances, room)
    if constraint == EVI:
        return common_volume(K, d, weights, covariances)
    if constraint == EVV:
        return common_volume_dense(K, d, weights, covariances, room)
    if constraint == EEV or constraint == VEV:
        return own_axes(constraint, K, d, weights, previous, covariances, room)
    return one_orientation(constraint, K, d, weights, previous, covariances, room)


# ---------------------------------------------------------------------------------------- in closed form

cdef inline bint pool(
    Py_ssize_t K, Py_ssize_t size, const double* weights,
    double* variances,                             # IN, OUT (K, size), their mean for every component
) noexcept nogil:
    cdef Py_ssize_t j, k
    cdef double mean
    cdef bint positive = True
    for j in range(size):
        mean = 0
        for k in range(K):
            mean += weights[k] * variances[k * size + j]
        for k in range(K):
            variances[k * size + j] = mean
        positive = positive and mean > 0
    return positive


cdef inline double mean_log(const double* values, Py_ssize_t n) noexcept nogil:
    """Of their logarithms; not finite where one is no positive number."""
    cdef Py_ssize_t j
    cdef double total = 0
    for j in range(n):
        total += log(values[j])
    return total / n


cdef inline bint common_volume(
    Py_ssize_t K, Py_ssize_t d, const double* weights,
    double* variances,                             # IN, OUT (K, d)
) noexcept nogil:
    """Each one's shape, with the mean of their volumes."""
    cdef Py_ssize_t j, k
    cdef double volume = 0, factor
    for k in range(K):
        factor = mean_log(variances + k * d, d)
        if not isfinite(factor):
            return False
        volume += weights[k] * exp(factor)
    for k in range(K):
        factor = volume * exp(-mean_log(variances + k * d, d))
        for j in range(d):
            variances[k * d + j] *= factor
    return True


cdef inline bint common_volume_dense(
    Py_ssize_t K, Py_ssize_t d, const double* weights,
    double* covariances,                           # IN, OUT (K, d, d)
    double* room,                                  # scratch (K + d²,)
) noexcept nogil:
    cdef Py_ssize_t j, k
    cdef double volume = 0, factor
    cdef double* factors = room + K
    for k in range(K):
        memcpy(factors, covariances + k * d * d, d * d * sizeof(double))
        room[k] = -2 * invert_dense(factors, d) / d
        if not isfinite(room[k]):
            return False
        volume += weights[k] * exp(room[k])
    for k in range(K):
        factor = volume * exp(-room[k])
        for j in range(d * d):
            covariances[k * d * d + j] *= factor
    return True


# ---------------------------------------------------------------------------------------- own orientations

cdef inline bint own_axes(
    Constraint constraint, Py_ssize_t K, Py_ssize_t d, const double* weights, const double* previous,
    double* covariances,                           # IN, OUT (K, d, d)
    double* room,
) noexcept nogil:
    """One shape, in each one's own axes: those of its covariance, in the order of their variances."""
    cdef Py_ssize_t j, k
    cdef double* values = room
    cdef double* product = room + K * d
    cdef bint found
    for k in range(K):
        if not principal_axes(covariances + k * d * d, d, values + k * d, product):
            return False
        for j in range(d):
            values[k * d + j] = max(values[k * d + j], 0)      # which rounding made negative
    if constraint == EEV:
        found = pool(K, d, weights, values)
    else:
        found = common_shape_of(DIAGONAL, FULL, K, d, weights, previous, values, product)
    for k in range(K):
        from_axes(covariances + k * d * d, values + k * d, d, product)
        memcpy(covariances + k * d * d, product, d * d * sizeof(double))
    return found


cdef inline bint one_orientation(
    Constraint constraint, Py_ssize_t K, Py_ssize_t d, const double* weights, const double* previous,
    double* covariances,                           # IN, OUT (K, d, d)
    double* room,
) noexcept nogil:
    cdef Py_ssize_t k
    cdef double* values = room
    cdef double* axes = room + K * d
    if not common_axes(constraint == EVE, K, d, weights, previous, covariances, values, axes, axes + d * d):
        return False
    if constraint == EVE and not common_volume(K, d, weights, values):
        return False
    for k in range(K):
        from_axes(axes, values + k * d, d, covariances + k * d * d)
    return True


# ---------------------------------------------------------------------------------------- volumes of one shape

cdef inline Py_ssize_t room_for_volumes(Py_ssize_t K, Py_ssize_t size) noexcept nogil:
    return K * size + 2 * size + K * K + 4 * K


cdef inline bint common_shape(
    Layout layout, Py_ssize_t K, Py_ssize_t d, const double* weights, const double* previous,
    double* covariances, double* room,
) noexcept nogil:
    return common_shape_of(layout, layout, K, d, weights, previous, covariances, room)


cdef inline bint common_shape_of(
    Layout layout, Layout kept, Py_ssize_t K, Py_ssize_t d,
    const double* weights, const double* previous,         # IN the second in the layout `kept`
    double* matrices,                              # IN C_k, OUT λ_k A
    double* room,                                  # scratch: see `room_for_volumes`
) noexcept nogil:
    """The least log|Σ_k w_k C_k / λ_k| + d Σ_k w_k log λ_k, convex in the logarithms, by Newton's method.

    Where a step overshoots, the alternation does not: volumes for the shape, the shape for the volumes.
    """
    cdef Py_ssize_t size = n_second(layout, 1, d), k, _
    cdef double* logs = room                       # log λ_k
    cdef double* step = logs + K
    cdef double* safe = step + K
    cdef double* traces = safe + K
    cdef double* hessian = traces + K
    cdef double* parts = hessian + K * K
    cdef double* shape = parts + K * size
    cdef double objective, held = INFINITY, longest
    if not first_volumes(layout, kept, K, d, weights, previous, matrices, logs):
        return False
    for _ in range(MOST_STEPS):
        objective = split_shape(layout, K, d, weights, logs, matrices, traces, parts, shape)
        for k in range(K):
            objective += d * weights[k] * logs[k]
        if objective != objective:
            return False
        if not objective <= held + 64 * DBL_EPSILON * (d + fabs(held)):
            memcpy(logs, safe, K * sizeof(double))
            continue
        held = objective
        for k in range(K):
            if not traces[k] > 0:
                return False
            safe[k] = logs[k] + log(traces[k] / (d * weights[k]))
        longest = newton_step(K, d, size, weights, traces, parts, hessian, step)
        for k in range(K):
            logs[k] = logs[k] + step[k] if longest < 50 else safe[k]
        if longest < 1e-7:                         # squared by the next
            return assemble(K, size, weights, logs, matrices, shape)
    return False


cdef inline bint first_volumes(
    Layout layout, Layout kept, Py_ssize_t K, Py_ssize_t d,
    const double* weights, const double* previous, const double* matrices,     # IN
    double* logs,                                  # OUT up to a constant
) noexcept nogil:
    """By the traces: of covariances that share a shape, the volumes are as these."""
    cdef const double* source = matrices if previous == NULL else previous
    cdef Layout found = layout if previous == NULL else kept
    cdef Py_ssize_t size = n_second(found, 1, d), apart = d + 1 if found == FULL else 1, j, k
    cdef double mean = 0
    for k in range(K):
        logs[k] = 0
        for j in range(d):
            logs[k] += source[k * size + j * apart]
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
    """M = Σ_k w_k C_k / λ_k = L Lᵀ, and of each summand the share L⁻¹ · L⁻ᵀ of it: log|M|."""
    cdef Py_ssize_t size = n_second(layout, 1, d), j, k
    cdef double factor, log_determinant = 0
    mix(K, size, weights, logs, matrices, shape)
    if layout == FULL:
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
            traces[k] += parts[k * size + (j * (d + 1) if layout == FULL else j)]
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


cdef inline double newton_step(
    Py_ssize_t K, Py_ssize_t d, Py_ssize_t size,
    const double* weights, const double* traces, const double* parts,      # IN
    double* hessian, double* step,                 # scratch (K, K), OUT (K,)
) noexcept nogil:
    """Its longest entry, infinite where the second derivatives are of no use.

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
