"""The parameter update: from moments to the mixture of a family that maximises its objective."""
from libc.float cimport DBL_EPSILON
from libc.math cimport INFINITY, NAN, fabs
from libc.string cimport memcpy, memset

from gmm._kernel.constraint cimport constrain, constraint_workspace_size, work_of_constraint
from gmm._kernel.estimate cimport Estimate
from gmm._kernel.family cimport (
    COVARIANCES,
    MEANS,
    WEIGHTS,
    Family,
    Objective,
    Part,
    has_noise,
    is_constrained,
    rest_of,
)
from gmm._kernel.layout cimport (
    Layout,
    add_to_diagonal,
    component_stride,
    end_component,
    first_component,
    is_dense,
    is_low_rank,
    matrix_count,
    matrix_size,
    mirror,
    n_matrices,
    shift_second,
    subtract_outer,
)
from gmm._kernel.low_rank cimport add_outer_low_rank, divide_low_rank, set_projection
from gmm._kernel.moments cimport Moments, least_count, step_of
from gmm._kernel.objective cimport (
    add_to_scatter,
    adds_rows,
    choose_tails,
    divisor,
    is_bound,
    log_offsets,
    mean_weight,
    normalise_weights,
    shrink_mean,
)
from gmm._kernel.ratio cimport limit_ratio, ratio_workspace_size, work_of_ratio
from gmm._kernel.whitener cimport first_singular, whiten


cdef inline double update_work(const Family* family) noexcept nogil:
    """Multiply-adds of an update, roughly."""
    cdef Py_ssize_t K = family.K, d = family.d
    cdef double work = work_of_constraint(family.constraint, K, d, family.n_factors)
    if family.max_ratio < INFINITY:
        work = work_of_ratio(family.layout, K, d)
    if is_dense(family.layout):
        return work + <double>K * d * d + n_matrices(family.layout, K) * <double>d * d * d
    return work + <double>K * d


cdef inline Py_ssize_t update_workspace_size(const Family* family) noexcept nogil:
    """Doubles of scratch."""
    if family.max_ratio < INFINITY:
        return family.K + ratio_workspace_size(family.layout, family.K, family.d)
    return family.K + constraint_workspace_size(family.constraint, family.K, family.d, family.n_factors)


cdef inline Py_ssize_t most_likely(
    const Moments* moments, const Family* family,  # IN
    double noise,                                  # IN a variance: see `log_offsets`
    const Estimate* before,                        # IN what is fixed, and what a search starts at; or NULL
    double* workspace,                             # scratch: see `update_workspace_size`
    Estimate* out,                                 # OUT
) noexcept nogil:
    """Return the first component whose covariance is not positive definite; −1 where all are."""
    cdef Layout layout = family.layout
    cdef Py_ssize_t failed
    start_update(moments, family, before, out)
    estimate_covariances(moments, family, before, 0, n_matrices(layout, family.K), out)
    constrain_covariances(family, before, workspace, out)
    failed = finish(moments, family, before, out)
    log_offsets(&family.objective, layout, family.K, family.d, out.weights, out.whiteners, out.log_determinants, noise,
                out.tails, out.log_offset)
    return failed


cdef inline const unsigned char* fixed_of(const Family* family, const Estimate* before, Part part) noexcept nogil:
    """Return of which components a part is fixed, (K,); NULL for none, as where there is no mixture before."""
    return NULL if before == NULL or family.fixed == NULL else family.fixed + part * family.K


cdef inline void start_update(
    const Moments* moments, const Family* family, const Estimate* before,
    Estimate* out,                                 # OUT the counts as weights, and steps from the origins as means
) noexcept nogil:
    cdef Py_ssize_t j, k
    cdef const unsigned char* fixed = fixed_of(family, before, MEANS)
    choose_tails(&family.objective, family.K, moments, out.tails)
    for k in range(family.K):
        # A component without rows must not divide by zero: its mean stays, with the ridge as its covariance.
        out.weights[k] = max(moments.counts[k], least_count(moments))
        for j in range(family.d):
            out.means[k * family.d + j] = step_of(moments, k, j, family.d)
            if is_bound(&family.objective):        # where counts may be so small that moments are but rounding
                out.means[k * family.d + j] = moments.first[k * family.d + j] / out.weights[k]
            if fixed != NULL and fixed[k]:
                out.means[k * family.d + j] = before.means[k * family.d + j] - moments.origins[k * family.d + j]


cdef inline void estimate_covariances(
    const Moments* moments, const Family* family,  # IN
    const Estimate* before,                        # IN or NULL
    Py_ssize_t start, Py_ssize_t end,              # of the covariances
    Estimate* out,                                 # IN from `start_update`, OUT free covariances and their factors
) noexcept nogil:
    """(S_k − n_k s_k s_kᵀ) / n_k, s_k being the steps from the origins to the means, and the ridge.

    Where the mean is fixed, what is divided is the scatter about it.
    """
    cdef Layout layout = family.layout
    cdef Py_ssize_t K = family.K, d = family.d, size = matrix_size(layout, d), at = start * size, k, m
    cdef const unsigned char* fixed = fixed_of(family, before, MEANS)
    cdef double* matrix
    cdef double count, divided_by
    memcpy(out.covariances + at, moments.second + at, (end - start) * size * sizeof(double))
    if is_low_rank(layout):
        estimate_low_rank(moments, family, before, start, end, out)
        return
    for k in range(first_component(layout, start), end_component(layout, K, end)):
        matrix = out.covariances + k * component_stride(layout, d)
        if fixed != NULL and fixed[k]:
            shift_second(layout, d, moments.first + k * d, out.means + k * d, moments.counts[k], -1, matrix)
        else:
            subtract_outer(layout, d, moments.first + k * d, out.means + k * d, matrix)
    add_to_scatter(&family.objective, layout, K, d, moments, out.weights, out.means, fixed, start, end,
                   out.covariances)
    for m in range(start, end):
        count = matrix_count(layout, K, out.weights, m)
        divided_by = divisor(&family.objective, count)
        # The ridge widens the spread of the data's rows, not of those that the objective adds.
        divide(layout, d, divided_by, family.ridge * (count / divided_by), out.covariances + m * size)
    if not is_constrained(family):
        whiten(layout, end - start, d, out.covariances + at, out.whiteners + at, out.log_determinants + start)
    keep_covariances(family, before, start, end, out)


cdef inline void estimate_low_rank(
    const Moments* moments, const Family* family, const Estimate* before,      # IN
    Py_ssize_t start, Py_ssize_t end,
    Estimate* out,                                 # IN second moments, OUT what they are of free covariances
) noexcept nogil:
    """The same in the low-rank layout, with scratch where the factors will be."""
    cdef Py_ssize_t d = family.d, q = family.n_factors, size = (1 + q) * d, j, k
    cdef const Objective* objective = &family.objective
    cdef double count, divided_by
    cdef double* projection
    cdef double* step
    for k in range(start, end):
        count, projection, step = out.weights[k], out.whiteners + k * size, out.means + k * d
        set_projection(q, d, NULL if before == NULL else before.covariances + k * size, projection)
        add_outer_low_rank(q, d, -1, moments.first + k * d, step, projection, out.covariances + k * size)
        if adds_rows(objective):
            for j in range(d):                     # in place of ψ^-½
                projection[j] = moments.origins[k * d + j] + step[j] - objective.mean[j]
            add_outer_low_rank(q, d, count * mean_weight(objective, count), projection, projection, projection,
                               out.covariances + k * size)
        divided_by = divisor(objective, count)
        divide_low_rank(q, d, divided_by, family.ridge * (count / divided_by), projection, out.covariances + k * size)


cdef inline void divide(
    Layout layout, Py_ssize_t d, double count, double ridge,
    double* scatter,                               # IN lower, OUT both triangles: / count + ridge I
) noexcept nogil:
    cdef Py_ssize_t i, j
    if is_dense(layout):
        for i in range(d):
            for j in range(i + 1):
                scatter[i * d + j] /= count
            scatter[i * d + i] += ridge
        mirror(scatter, d)
    else:
        for i in range(matrix_size(layout, d)):
            scatter[i] = positive(scatter[i]) / count + ridge


cdef inline double positive(double x) noexcept nogil:
    """Replace a negative variance, an effect of rounding, by 0; NaN stays."""
    return 0 if x < 0 else x


cdef inline void constrain_covariances(
    const Family* family, const Estimate* before,  # IN
    double* workspace,                             # scratch: see `update_workspace_size`
    Estimate* out,                                 # IN counts and free covariances, OUT covariances and their factors
) noexcept nogil:
    """Bring covariances under the family's constraint; all log determinants are NaN where that is impossible."""
    cdef Layout layout = family.layout
    cdef Py_ssize_t K = family.K, d = family.d, n = n_matrices(layout, K), k
    cdef const double* previous = NULL if before == NULL else before.covariances
    cdef bint solved
    if not is_constrained(family):
        return
    for k in range(K):
        workspace[k] = divisor(&family.objective, out.weights[k])
    if family.max_ratio < INFINITY:
        solved = limit_ratio(layout, K, d, family.max_ratio, workspace, out.covariances, workspace + K)
    else:
        solved = constrain(family.constraint, K, d, family.n_factors, family.ridge, &family.objective.factor_noise,
                           workspace, previous, out.covariances, workspace + K)
    if solved:
        whiten(layout, n, d, out.covariances, out.whiteners, out.log_determinants)
    for k in range(0 if solved else n):
        out.log_determinants[k] = NAN
    keep_covariances(family, before, 0, n, out)


cdef inline void raise_ridges(
    const Moments* moments, const Family* family, const Estimate* before,      # IN
    double* workspace,                             # scratch: see `update_workspace_size`
    double* extra,                                 # scratch, a number for each covariance
    Estimate* out,                                 # IN what the steps before wrote, OUT
) noexcept nogil:
    """Add more than the ridge to covariances that rounding made singular, if that helps."""
    cdef Layout layout = family.layout
    cdef Py_ssize_t K = family.K, d = family.d, size = matrix_size(layout, d), n = n_matrices(layout, K)
    cdef Py_ssize_t start = 0, end = n, i, m
    cdef double scale, most
    memset(extra, 0, n * sizeof(double))
    while first_singular(out.log_determinants, n) >= 0:
        if family.constraint == NULL:              # else it is unknown whose covariance it is: raise all of them
            start = first_singular(out.log_determinants, n)
            end = start + 1
        estimate_covariances(moments, family, before, 0, n, out)
        scale = most = 0
        # Not the diagonal: after a component has jumped far, cancellation may have left it negative.
        for i in range(start * size, end * size):
            scale = max(scale, fabs(out.covariances[i]))
        for m in range(start, end):
            extra[m] = max(4 * extra[m], d * DBL_EPSILON * scale)
            most = max(most, extra[m])
        for m in range(n):
            add_to_diagonal(layout, d, extra[m], out.covariances + m * size)
        if is_constrained(family):
            constrain_covariances(family, before, workspace, out)
        else:
            whiten(layout, n, d, out.covariances, out.whiteners, out.log_determinants)
            keep_covariances(family, before, 0, n, out)
        if not 0 < most <= 4 * d * scale < INFINITY:
            return


cdef inline Py_ssize_t finish(
    const Moments* moments, const Family* family, const Estimate* before,      # IN
    Estimate* out,                                 # IN what the steps before wrote, OUT
) noexcept nogil:
    """Turn counts into weights and steps into means; return the first singular covariance, or −1."""
    cdef Py_ssize_t K = family.K, d = family.d, j, k
    for k in range(K):
        for j in range(d):
            out.means[k * d + j] += moments.origins[k * d + j]
        shrink_mean(&family.objective, d, out.weights[k], out.means + k * d)
    normalise_weights(K, moments.weight if has_noise(&family.objective) else -rest_of(out.weights, K, 0), out.weights)
    keep_weights_and_means(family, before, out)
    return first_singular(out.log_determinants, n_matrices(family.layout, K))


cdef inline void keep_covariances(
    const Family* family, const Estimate* before,  # IN
    Py_ssize_t start, Py_ssize_t end,              # of the covariances
    Estimate* out,                                 # OUT those that are fixed, and their factors
) noexcept nogil:
    cdef Py_ssize_t size = matrix_size(family.layout, family.d), m
    cdef const unsigned char* fixed = fixed_of(family, before, COVARIANCES)
    for m in range(start, end if fixed != NULL else start):
        if fixed[m]:
            memcpy(out.covariances + m * size, before.covariances + m * size, size * sizeof(double))
            memcpy(out.whiteners + m * size, before.whiteners + m * size, size * sizeof(double))
            out.log_determinants[m] = before.log_determinants[m]


cdef inline void keep_weights_and_means(
    const Family* family, const Estimate* before,  # IN
    Estimate* out,                                 # IN, OUT: free weights share what fixed ones leave, in proportion
) noexcept nogil:
    cdef Py_ssize_t d = family.d, k
    cdef const unsigned char* fixed = fixed_of(family, before, WEIGHTS)
    cdef const unsigned char* fixed_mean = fixed_of(family, before, MEANS)
    cdef double left = 1, free = 0
    cdef bint none = True
    if fixed == NULL:
        return
    for k in range(family.K):
        if fixed_mean[k]:
            memcpy(out.means + k * d, before.means + k * d, d * sizeof(double))
        if fixed[k]:
            left -= before.weights[k]
            none = False
        else:
            free += out.weights[k]
    for k in range(0 if none else family.K):
        # All are fixed, or no row is left.
        out.weights[k] = before.weights[k] if fixed[k] or not free > 0 else out.weights[k] * (left / free)
