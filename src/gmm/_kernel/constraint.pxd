"""Covariances under a constraint, from free covariances (Celeux and Govaert 1995).

They are the covariances Σ_k under the constraint that minimise Σ_k n_k (log|Σ_k| + tr Σ_k⁻¹ C_k), where C_k are the
free ones and n_k the counts.  Σ_k = λ_k D_k A_k D_kᵀ: a volume, an orientation and a shape with |A_k| = 1,
each Equal for all components, Variable, or the Identity.  EII constrains spherical covariances; EEI, VEI and EVI
diagonal ones; the others full ones.  Factors (`factors.pxd`) constrain each full covariance by itself, and
so do they in the low-rank layout (`low_rank.pxd`), where the free ones are what a pass holds of them.
"""
from libc.math cimport exp, ilogb, isfinite, log
from libc.string cimport memcpy

from gmm._kernel.axes cimport axes_workspace_size, from_axes, magnitude, principal_axes, rescale
from gmm._kernel.cholesky cimport invert_dense
from gmm._kernel.family cimport Constraint, NoisePrior
from gmm._kernel.layout cimport DIAGONAL, FULL, LOW_RANK, Layout, is_dense, matrix_size, mirror, total_size
from gmm._kernel.orientation cimport common_axes, orientation_workspace_size
from gmm._kernel.volumes cimport common_shape, volumes_workspace_size

cdef inline Layout constrained_layout(const Constraint* constraint, Py_ssize_t n_factors) noexcept nogil:
    """The layout of the covariances that it constrains."""
    return <Layout>(LOW_RANK + n_factors) if constraint.layout == LOW_RANK else constraint.layout


cdef inline Py_ssize_t constraint_workspace_size(
    const Constraint* constraint, Py_ssize_t K, Py_ssize_t d, Py_ssize_t n_factors,
) noexcept nogil:
    """In doubles."""
    return K + constraint.workspace_size(K, d, n_factors) if constraint != NULL else 0


cdef inline double work_of_constraint(
    const Constraint* constraint, Py_ssize_t K, Py_ssize_t d, Py_ssize_t n_factors,
) noexcept nogil:
    """Multiply-adds, roughly."""
    if constraint == NULL:
        return 0
    if constraint.layout == LOW_RANK:
        return 4. * K * d * n_factors * (n_factors + 1)
    if constraint.solve_each != NULL:
        return 100. * K * d * d * d                # eigenvectors, some ten times
    if is_dense(constraint.layout):
        return 10. * K * d * d * d                 # eigenvectors, or a few factorisations
    return <double>K * d


cdef inline bint constrain(
    const Constraint* constraint, Py_ssize_t K, Py_ssize_t d,
    Py_ssize_t n_factors, double least,            # IN factors, and the least variance of noise
    const NoisePrior* prior,                       # IN of these variances
    const double* counts,                          # IN (K,)
    const double* previous,                        # IN what an earlier call wrote, or NULL
    double* covariances,                           # IN free, OUT under the constraint
    double* workspace,                             # scratch: see `constraint_workspace_size`
) noexcept nogil:
    """Return whether there is a solution; without one, `covariances` are undefined.

    An iteration starts at `previous`, and its result is at least as likely.
    """
    cdef Py_ssize_t n = 0, k
    cdef double* weights = workspace
    cdef double total = 0
    cdef int exponent
    cdef bint solved
    if constraint.solve_each != NULL:
        return constrain_each(constraint, K, d, n_factors, least, prior, counts, previous, covariances, workspace + K)
    if K == 1 or (d == 1 and constraint.volumes_vary):
        return True
    n = total_size(constraint.layout, K, d)
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
    if d == 1:
        solved = pool(K, 1, weights, covariances)
    else:
        solved = constraint.solve(K, d, weights, previous, covariances, workspace + K)
    if not solved:
        return False
    rescale(covariances, n, exponent)
    return True


cdef inline bint constrain_each(
    const Constraint* constraint, Py_ssize_t K, Py_ssize_t d, Py_ssize_t n_factors, double least,
    const NoisePrior* prior, const double* counts, const double* previous, double* covariances, double* workspace,
) noexcept nogil:
    cdef Py_ssize_t size = matrix_size(constrained_layout(constraint, n_factors), d), k
    for k in range(K):
        if not constraint.solve_each(constraint.isotropic, d, n_factors, least, counts[k], prior,
                                     NULL if previous == NULL else previous + k * size, covariances + k * size,
                                     workspace):
            return False
    return True


# ------------------------------------------------------------------------------------ arithmetic of solutions

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
    """Mean of the logarithms; not finite where a value is not positive."""
    cdef Py_ssize_t j
    cdef double total = 0
    for j in range(n):
        total += log(values[j])
    return total / n


cdef inline bint common_volume(
    Py_ssize_t K, Py_ssize_t d, const double* weights,
    double* variances,                             # IN, OUT (K, d)
) noexcept nogil:
    """Give all components the mean volume, without a change of their shapes."""
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
    double* workspace,                             # scratch (K + d²,)
) noexcept nogil:
    cdef Py_ssize_t j, k
    cdef double volume = 0, factor
    cdef double* factors = workspace + K
    for k in range(K):
        memcpy(factors, covariances + k * d * d, d * d * sizeof(double))
        workspace[k] = -2 * invert_dense(factors, d) / d
        if not isfinite(workspace[k]):
            return False
        volume += weights[k] * exp(workspace[k])
    for k in range(K):
        factor = volume * exp(-workspace[k])
        for j in range(d * d):
            covariances[k * d * d + j] *= factor
    return True


cdef inline bint own_axes(
    bint volumes_vary, Py_ssize_t K, Py_ssize_t d, const double* weights, const double* previous,
    double* covariances,                           # IN, OUT (K, d, d)
    double* workspace,
) noexcept nogil:
    """Give all components one shape, each in the axes of its own covariance, ordered by variance."""
    cdef Py_ssize_t j, k
    cdef double* values = workspace
    cdef double* product = workspace + K * d
    cdef bint solved
    for k in range(K):
        if not principal_axes(covariances + k * d * d, d, values + k * d, product):
            return False
        for j in range(d):
            values[k * d + j] = max(values[k * d + j], 0)      # which rounding made negative
    if volumes_vary:
        solved = common_shape(DIAGONAL, FULL, K, d, weights, previous, values, product)
    else:
        solved = pool(K, d, weights, values)
    for k in range(K):
        from_axes(covariances + k * d * d, values + k * d, d, d, product, product + d * d)
        mirror(product, d)
        memcpy(covariances + k * d * d, product, d * d * sizeof(double))
    return solved


cdef inline bint one_orientation(
    bint equal_volumes, Py_ssize_t K, Py_ssize_t d, const double* weights, const double* previous,
    double* covariances,                           # IN, OUT (K, d, d)
    double* workspace,
) noexcept nogil:
    cdef Py_ssize_t k
    cdef double* values = workspace
    cdef double* axes = workspace + K * d
    if not common_axes(equal_volumes, K, d, weights, previous, covariances, values, axes, axes + d * d):
        return False
    if equal_volumes and not common_volume(K, d, weights, values):
        return False
    for k in range(K):
        from_axes(axes, values + k * d, d, d, covariances + k * d * d, axes + d * d)
        mirror(covariances + k * d * d, d)
    return True


# ----------------------------------------------------- what the table names: `solve` and its workspace

cdef inline Py_ssize_t no_workspace(Py_ssize_t K, Py_ssize_t d, Py_ssize_t n_factors) noexcept nogil:
    return 0


cdef inline Py_ssize_t diagonal_workspace(Py_ssize_t K, Py_ssize_t d, Py_ssize_t n_factors) noexcept nogil:
    return volumes_workspace_size(K, d)


cdef inline Py_ssize_t dense_workspace(Py_ssize_t K, Py_ssize_t d, Py_ssize_t n_factors) noexcept nogil:
    return K * d + axes_workspace_size(d) + orientation_workspace_size(K, d) + volumes_workspace_size(K, d * d)


cdef inline bint solve_eii(
    Py_ssize_t K, Py_ssize_t d, const double* weights, const double* previous, double* covariances, double* workspace,
) noexcept nogil:
    return pool(K, 1, weights, covariances)


cdef inline bint solve_eei(
    Py_ssize_t K, Py_ssize_t d, const double* weights, const double* previous, double* covariances, double* workspace,
) noexcept nogil:
    return pool(K, d, weights, covariances)


cdef inline bint solve_vei(
    Py_ssize_t K, Py_ssize_t d, const double* weights, const double* previous, double* covariances, double* workspace,
) noexcept nogil:
    return common_shape(DIAGONAL, DIAGONAL, K, d, weights, previous, covariances, workspace)


cdef inline bint solve_evi(
    Py_ssize_t K, Py_ssize_t d, const double* weights, const double* previous, double* covariances, double* workspace,
) noexcept nogil:
    return common_volume(K, d, weights, covariances)


cdef inline bint solve_vee(
    Py_ssize_t K, Py_ssize_t d, const double* weights, const double* previous, double* covariances, double* workspace,
) noexcept nogil:
    return common_shape(FULL, FULL, K, d, weights, previous, covariances, workspace)


cdef inline bint solve_eve(
    Py_ssize_t K, Py_ssize_t d, const double* weights, const double* previous, double* covariances, double* workspace,
) noexcept nogil:
    return one_orientation(True, K, d, weights, previous, covariances, workspace)


cdef inline bint solve_vve(
    Py_ssize_t K, Py_ssize_t d, const double* weights, const double* previous, double* covariances, double* workspace,
) noexcept nogil:
    return one_orientation(False, K, d, weights, previous, covariances, workspace)


cdef inline bint solve_eev(
    Py_ssize_t K, Py_ssize_t d, const double* weights, const double* previous, double* covariances, double* workspace,
) noexcept nogil:
    return own_axes(False, K, d, weights, previous, covariances, workspace)


cdef inline bint solve_vev(
    Py_ssize_t K, Py_ssize_t d, const double* weights, const double* previous, double* covariances, double* workspace,
) noexcept nogil:
    return own_axes(True, K, d, weights, previous, covariances, workspace)


cdef inline bint solve_evv(
    Py_ssize_t K, Py_ssize_t d, const double* weights, const double* previous, double* covariances, double* workspace,
) noexcept nogil:
    return common_volume_dense(K, d, weights, covariances, workspace)
