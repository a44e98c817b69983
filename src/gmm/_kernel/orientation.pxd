"""The common orientation of covariances under EVE and VVE, as d axes.

With a_kj the variances of component k along the axes, the objective to minimise is Σ_k w_k Σ_j log a_kj for VVE, and
d log Σ_k w_k (Π_j a_kj)^(1/d) for EVE.  It is lowered in the plane of two axes at a time: turned by an angle θ, with
ψ = 4θ, the product of a component's two variances becomes a_i a_j (1 + h (1 − cos ψ) − r sin ψ), of period 2π.  As
logarithms and roots are concave, the mean of these factors bounds the objective from above, so that its minimum, at
tan ψ = Σ r / Σ h, is a descent.

One update turns every plane once, first from the axes of the pooled covariance or, if they are better, from the
features: a climb maximises the rest over its passes.
"""
from libc.float cimport DBL_EPSILON
from libc.math cimport INFINITY, atan2, cos, exp, fabs, isfinite, log, log1p, sin, sqrt
from libc.string cimport memset

from gmm._kernel.axes cimport axes_workspace_size, identity, in_axes, principal_axes, turn_rows


cdef struct Planes:
    Py_ssize_t K, d
    double power                # of the product of variances in a summand: 0 for its logarithm
    double* turned              # (d, d, K) covariances in the axes
    double* shares              # (K,) of the components in the objective's derivative
    double* level               # (K,) h
    double* slope               # (K,) r


cdef inline Py_ssize_t orientation_workspace_size(Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    return K * d * d + 2 * d * d + axes_workspace_size(d) + 3 * K


cdef inline bint common_axes(
    bint equal_volumes, Py_ssize_t K, Py_ssize_t d,
    const double* weights,                         # IN (K,)
    const double* previous, const double* covariances,     # IN (K, d, d); the first may be NULL
    double* variances, double* axes,               # OUT (K, d), (d, d)
    double* workspace,
) noexcept nogil:
    """Return whether all variances are positive beyond rounding."""
    cdef Planes planes
    cdef double* one = workspace + K * d * d
    cdef double* product = one + d * d
    cdef Py_ssize_t i, j, k
    cdef double of_features = INFINITY
    planes.K, planes.d, planes.power, planes.turned = K, d, 1. / d if equal_volumes else 0, workspace
    planes.shares = product + d * d + axes_workspace_size(d)
    planes.level = planes.shares + K
    planes.slope = planes.level + K
    if previous == NULL or not mix(previous, K, d, NULL, axes):
        identity(axes, d)
        of_features = enter(&planes, weights, covariances, axes, one)
        mix(covariances, K, d, weights, axes)
    if not principal_axes(axes, d, variances, product):
        return False
    if enter(&planes, weights, covariances, axes, one) > of_features:
        identity(axes, d)
        enter(&planes, weights, covariances, axes, one)
    for i in range(d):
        for j in range(i + 1, d):
            turn_plane(&planes, i, j, axes)
    for k in range(K):
        for j in range(d):
            product[j] = sqrt(max(covariances[(k * d + j) * d + j], 0))
        for j in range(d):                         # a variance of 0 may be rounded up
            variances[k * d + j] = planes.turned[(j * d + j) * K + k]
            if not variances[k * d + j] > 64 * DBL_EPSILON * most_along(axes + j * d, product, d):
                return False
    return True


cdef inline double most_along(const double* axis, const double* deviations, Py_ssize_t d) noexcept nogil:
    """Return the variance along an axis if all correlations were ±1, to which its rounding errors are relative."""
    cdef Py_ssize_t j
    cdef double total = 0
    for j in range(d):
        total += fabs(axis[j]) * deviations[j]
    return total * total


cdef inline bint mix(
    const double* matrices, Py_ssize_t K, Py_ssize_t d,    # IN (K, d, d)
    const double* weights,                         # IN (K,), or NULL: shares of traces that leave no two axes alike
    double* out,                                   # OUT (d, d)
) noexcept nogil:
    """Add up matrices; return whether their traces are positive."""
    cdef Py_ssize_t j, k
    cdef double trace, factor
    memset(out, 0, d * d * sizeof(double))
    for k in range(K):
        trace = 0
        for j in range(d):
            trace += matrices[(k * d + j) * d + j]
        if not (trace > 0 and isfinite(trace)):
            return False
        factor = weights[k] if weights != NULL else (1 + 0.6180339887498949 * (k + 1) % 1) / trace
        for j in range(d * d):
            out[j] += factor * matrices[k * d * d + j]
    return True


cdef inline double enter(
    Planes* planes, const double* weights,         # OUT, IN (K,)
    const double* covariances, const double* axes,         # IN (K, d, d), (d, d)
    double* workspace,                             # scratch (2, d, d)
) noexcept nogil:
    """Write covariances in some axes, and the shares of components; return the objective."""
    cdef Py_ssize_t K = planes.K, d = planes.d, i, j, k
    cdef double total = 0, most = 0
    cdef double* logs = planes.level
    for k in range(K):
        in_axes(axes, covariances + k * d * d, d, workspace, workspace + d * d)
        for i in range(d * d):
            planes.turned[i * K + k] = workspace[i]
        logs[k] = 0
        for j in range(d):
            logs[k] += log(workspace[j * d + j])
        most = max(most, logs[k]) if k else logs[k]
    for k in range(K):
        planes.shares[k] = weights[k] * (exp((logs[k] - most) / d) if planes.power > 0 else 1)
        total += planes.shares[k] if planes.power > 0 else weights[k] * logs[k]
    if planes.power == 0:
        return total
    for k in range(K):
        planes.shares[k] /= total
    return d * log(total) + most


cdef inline void turn_plane(Planes* planes, Py_ssize_t i, Py_ssize_t j, double* axes) noexcept nogil:
    """Turn axes i and j by an angle that lowers the objective."""
    cdef Py_ssize_t K = planes.K, d = planes.d, k
    cdef const double* first = planes.turned + (i * d + i) * K
    cdef const double* second = planes.turned + (j * d + j) * K
    cdef const double* mixed = planes.turned + (i * d + j) * K
    cdef double u, inverse, slope = 0, level = 0, curvature = 0, third = 0, stiffest = 0, angle, c, s
    for k in range(K):
        u, inverse = (first[k] - second[k]) / 2, 1 / (first[k] * second[k])
        planes.slope[k] = u * mixed[k] * inverse
        planes.level[k] = (u * u - mixed[k] * mixed[k]) / 2 * inverse
        slope += planes.shares[k] * planes.slope[k]
        level += planes.shares[k] * planes.level[k]
        u = planes.slope[k] * planes.slope[k]
        curvature += planes.shares[k] * u
        third += planes.shares[k] * fabs(planes.slope[k]) * (1 + 3 * fabs(planes.level[k]) + 2 * u)
        stiffest = max(stiffest, fabs(planes.level[k]) + u)
    curvature = level - (1 - planes.power) * curvature
    angle = slope / curvature
    # Newton's step, where the objective's own parabola is exact enough; else that of the bound.
    if not (curvature > 0 and third * fabs(angle) < curvature and stiffest * angle * angle < 1e-2):
        angle = atan2(slope, level)
    if not fabs(slope * angle) > 1e-27:
        return
    if planes.power > 0:
        c, s = cos(angle), sin(angle)
        for k in range(K):
            planes.shares[k] *= exp(planes.power * log1p(planes.level[k] * (1 - c) - planes.slope[k] * s))
    c, s = cos(angle / 4), sin(angle / 4)
    turn_all(planes, i, j, c, s)
    turn_rows(axes + i * d, axes + j * d, d, c, s)


cdef inline void turn_all(Planes* planes, Py_ssize_t i, Py_ssize_t j, double c, double s) noexcept nogil:
    cdef Py_ssize_t K = planes.K, d = planes.d, k, m
    cdef double* row = planes.turned + i * d * K
    cdef double* other = planes.turned + j * d * K
    cdef double x
    turn_rows(row, other, d * K, c, s)
    for k in range(K):
        x = row[i * K + k]
        row[i * K + k] = c * x + s * row[j * K + k]
        row[j * K + k] = c * row[j * K + k] - s * x
        other[j * K + k] = c * other[j * K + k] - s * other[i * K + k]
    for m in range(d):
        if m != i:
            for k in range(K):
                planes.turned[(m * d + i) * K + k] = row[m * K + k]
        if m != i and m != j:
            for k in range(K):
                planes.turned[(m * d + j) * K + k] = other[m * K + k]
