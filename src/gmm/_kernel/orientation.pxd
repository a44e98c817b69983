"""The common orientation of covariances under EVE and VVE, as d axes.

With a_kj the variances of component k along the axes, the objective to minimise is Σ_k w_k Σ_j log a_kj for VVE, and
d log Σ_k w_k (Π_j a_kj)^(1/d) for EVE.  It is lowered in the plane of two axes at a time: turned by an angle θ, with
ψ = 4θ, the product of a component's two variances becomes a_i a_j (1 + h (1 − cos ψ) − r sin ψ), of period 2π.
"""
from libc.float cimport DBL_EPSILON
from libc.math cimport INFINITY, M_PI, atan2, cos, exp, expm1, fabs, isfinite, log, log1p, sin, sqrt
from libc.string cimport memcpy, memset

from gmm._kernel.axes cimport (
    diagonalise_jointly,
    identity,
    in_axes,
    principal_axes,
    axes_workspace_size,
    turn,
    turn_rows,
)

cdef enum:
    SCANNED = 8               # angles that a search tries in a plane, with the best of each component
    MOST_STARTS = 2           # components whose axes a search begins from
    MOST_PASSES = 400         # over all planes, of a search
    WIDEST_EXHAUSTIVE = 8     # features up to which every start of a search is followed to its last digit
    FEW_PASSES = 4            # of a start beyond that, to compare it with others
    MOST_FOLLOWED = 3000000   # K d³ up to which the best start is followed while it gains; else for so few passes


cdef struct Planes:
    Py_ssize_t K
    double power                # of the product of variances in a summand: 0 for its logarithm
    const double* weights       # (K,)
    double* shares              # (K,)
    double* level               # (K,) h
    double* slope               # (K,) r


cdef inline Py_ssize_t orientation_workspace_size(Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    return K * d * d + 2 * d * d + axes_workspace_size(d) + K * d + 3 * K


cdef inline bint common_axes(
    bint equal_volumes, Py_ssize_t K, Py_ssize_t d,
    const double* weights,                         # IN (K,)
    const double* previous, const double* covariances,     # IN (K, d, d); the first may be NULL
    double* variances, double* axes,               # OUT (K, d), (d, d)
    double* room,
) noexcept nogil:
    """Return whether all variances are positive beyond rounding."""
    cdef Planes planes
    cdef double* turned = room
    cdef double* product = turned + K * d * d
    cdef Py_ssize_t j, k
    planes.K, planes.power, planes.weights = K, 1. / d if equal_volumes else 0, weights
    planes.shares = product + 2 * d * d + axes_workspace_size(d) + K * d
    planes.level = planes.shares + K
    planes.slope = planes.level + K
    if previous == NULL or not axes_of(previous, K, d, turned, axes):
        search_axes(&planes, d, covariances, variances, axes, turned, product)
    else:
        # A climb maximises over its passes what one update leaves.
        lower_objective(&planes, d, covariances, axes, turned, product, False, 1)
    for k in range(K):
        in_axes(axes, covariances + k * d * d, d, turned, product)
        for j in range(d):                         # a variance of 0 may be rounded up
            variances[k * d + j] = turned[j * d + j]
            if not variances[k * d + j] > 64 * DBL_EPSILON * most_along(axes + j * d, covariances + k * d * d, d):
                return False
    return True


cdef inline double most_along(const double* axis, const double* covariance, Py_ssize_t d) noexcept nogil:
    """Return the variance along an axis if all correlations were ±1, to which its rounding errors are relative."""
    cdef Py_ssize_t j
    cdef double total = 0
    for j in range(d):
        total += fabs(axis[j]) * sqrt(max(covariance[j * d + j], 0))
    return total * total


cdef inline bint axes_of(
    const double* matrices, Py_ssize_t K, Py_ssize_t d,    # IN (K, d, d) that share their axes
    double* scaled, double* axes,                  # scratch (K, d, d), OUT (d, d)
) noexcept nogil:
    cdef Py_ssize_t j, k
    cdef double trace
    for k in range(K):
        trace = 0
        for j in range(d):
            trace += matrices[(k * d + j) * d + j]
        if not (trace > 0 and isfinite(trace)):
            return False
        for j in range(d * d):
            scaled[k * d * d + j] = matrices[k * d * d + j] / trace
    identity(axes, d)
    diagonalise_jointly(scaled, K, d, axes)
    return True


cdef inline void search_axes(
    Planes* planes, Py_ssize_t d, const double* covariances,       # IN
    double* first_variances, double* axes,         # scratch (K, d), OUT (d, d)
    double* turned, double* product,               # scratch
) noexcept nogil:
    """Start from the features, the axes of the pooled covariance and of two components; keep the lowest objective."""
    cdef Py_ssize_t K = planes.K, start, j, k
    cdef bint followed = K * d * d * d <= MOST_FOLLOWED
    cdef Py_ssize_t most_passes = MOST_PASSES if d <= WIDEST_EXHAUSTIVE else FEW_PASSES if followed else 0
    cdef double* candidate = product + d * d
    cdef double* work = candidate + d * d
    cdef double objective, least = INFINITY
    for start in range(-2, min(K, MOST_STARTS)):
        identity(candidate, d)
        if start >= 0:
            memcpy(candidate, covariances + start * d * d, d * d * sizeof(double))
        elif start == -1:
            memset(candidate, 0, d * d * sizeof(double))
            for k in range(K):
                for j in range(d * d):
                    candidate[j] += planes.weights[k] * covariances[k * d * d + j]
        if start > -2 and not principal_axes(candidate, d, first_variances, work):
            continue
        objective = lower_objective(planes, d, covariances, candidate, turned, product, True, most_passes)
        if objective < least or start == -2:
            least = objective
            memcpy(axes, candidate, d * d * sizeof(double))
    if most_passes < MOST_PASSES:
        lower_objective(planes, d, covariances, axes, turned, product, False, MOST_PASSES if followed else FEW_PASSES)


cdef inline double lower_objective(
    Planes* planes, Py_ssize_t d, const double* covariances,       # IN
    double* axes,                                  # IN, OUT
    double* turned, double* product,               # scratch (K, d, d), (d, d)
    bint search,                                   # whether to try wide angles first
    Py_ssize_t most_passes,
) noexcept nogil:
    """Lower the objective from `axes`; return it."""
    cdef Py_ssize_t k, _
    # Of many features the last digits take most of the sweeps, and later updates find them.
    cdef double gain, before = INFINITY, enough = 1e-20 if d <= WIDEST_EXHAUSTIVE else 1e-8
    for k in range(planes.K):
        in_axes(axes, covariances + k * d * d, d, turned + k * d * d, product)
    for _ in range(most_passes):
        gain = sweep(planes, d, search, turned, axes)
        if not gain > enough or (gain < 1e-19 and gain >= before):
            break
        before = gain
        search = False
    return update_shares(planes, d, turned)


cdef inline double sweep(
    Planes* planes, Py_ssize_t d, bint search,
    double* turned, double* axes,                  # IN, OUT
) noexcept nogil:
    """Turn in every plane once; return the gain."""
    cdef Py_ssize_t i, j
    cdef double gain = 0
    update_shares(planes, d, turned)
    for i in range(d):
        for j in range(i + 1, d):
            gain += turn_plane(planes, d, i, j, search, turned, axes)
    return gain


cdef inline double update_shares(Planes* planes, Py_ssize_t d, const double* turned) noexcept nogil:
    """Write each component's share of the objective's derivative; return the objective."""
    cdef Py_ssize_t j, k
    cdef double total = 0, most = -INFINITY
    cdef double* shares = planes.shares
    for k in range(planes.K):
        shares[k] = 0
        for j in range(d):
            shares[k] += log(turned[(k * d + j) * d + j])
    if planes.power == 0:
        for k in range(planes.K):
            total += planes.weights[k] * shares[k]
            shares[k] = planes.weights[k]
        return total
    for k in range(planes.K):
        most = max(most, shares[k])
    for k in range(planes.K):
        shares[k] = planes.weights[k] * exp((shares[k] - most) / d)
        total += shares[k]
    for k in range(planes.K):
        shares[k] /= total
    return d * log(total) + most


cdef inline double turn_plane(
    Planes* planes, Py_ssize_t d, Py_ssize_t i, Py_ssize_t j, bint search,
    double* turned, double* axes,                  # IN, OUT
) noexcept nogil:
    """Turn axes i and j by the best angle; return the gain."""
    cdef Py_ssize_t K = planes.K, k
    cdef double p, q, s, u, inverse, slope = 0, curvature = 0, stiffest = 0, angle, gain
    for k in range(K):
        p, q, s = turned[(k * d + i) * d + i], turned[(k * d + j) * d + j], turned[(k * d + i) * d + j]
        u, inverse = (p - q) / 2, 1 / (p * q)
        planes.slope[k] = u * s * inverse
        planes.level[k] = (u * u - s * s) / 2 * inverse
        slope += planes.shares[k] * planes.slope[k]
        curvature += planes.shares[k] * (planes.level[k] - (1 - planes.power) * planes.slope[k] ** 2)
        stiffest = max(stiffest, planes.level[k])
    angle = slope / curvature
    gain = slope * angle / 2
    # A parabola is exact enough for small angles, unless a component is so thin that its valley is narrower still.
    if search or not curvature > 0 or not fabs(angle) < 1e-3 or not stiffest * angle * angle < 1e-2:
        gain = -objective_change(planes, angle) if curvature > 0 else 0
        if search or not gain > 0:
            gain = scan_angles(planes, gain, &angle)
    if not gain > 1e-27:
        return 0
    p, q = cos(angle / 4), sin(angle / 4)
    for k in range(K):
        if planes.power > 0:
            planes.shares[k] *= exp(planes.power * log_ratio(planes, k, cos(angle), sin(angle)))
        turn(turned + k * d * d, d, i, j, p, q)
    turn_rows(axes + i * d, axes + j * d, d, p, q)
    return gain


cdef inline double log_ratio(const Planes* planes, Py_ssize_t k, double c, double s) noexcept nogil:
    """Log ratio of the products of variances after and before a turn."""
    return log1p(planes.level[k] * (1 - c) - planes.slope[k] * s)


cdef inline double objective_change(const Planes* planes, double angle) noexcept nogil:
    """Change of the objective by a turn."""
    cdef Py_ssize_t k
    cdef double total = 0, c = cos(angle), s = sin(angle), ratio
    for k in range(planes.K):
        ratio = log_ratio(planes, k, c, s)
        total += planes.shares[k] * (ratio if planes.power == 0 else expm1(planes.power * ratio))
    return total if planes.power == 0 else total / planes.power


cdef inline double scan_angles(
    const Planes* planes, double gain,             # IN of `angle`
    double* angle,                                 # IN, OUT
) noexcept nogil:
    """Try angles all around; return the gain of the best."""
    cdef Py_ssize_t n
    cdef double tried, better
    for n in range(SCANNED + planes.K):
        tried = (2 * n + 1) * M_PI / SCANNED
        if n >= SCANNED:
            tried = atan2(planes.slope[n - SCANNED], planes.level[n - SCANNED])
        better = -objective_change(planes, tried)
        if better > gain:
            gain, angle[0] = better, tried
    return gain
