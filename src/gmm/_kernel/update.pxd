"""The parameter update: from moments to the mixture of a family that maximises its objective."""
from libc.math cimport INFINITY, NAN
from libc.string cimport memcpy

from gmm._kernel.constraint cimport constrain, constraint_workspace_size, work_of_constraint
from gmm._kernel.estimate cimport Estimate
from gmm._kernel.family cimport Family, Objective, has_noise, is_constrained, rest_of
from gmm._kernel.layout cimport (
    Layout,
    component_stride,
    end_component,
    first_component,
    is_dense,
    is_low_rank,
    matrix_count,
    matrix_size,
    mirror,
    n_matrices,
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
    const double* previous,                        # IN covariances that a search is not to be worse than, or NULL
    double* room,                                  # scratch: see `update_workspace_size`
    Estimate* out,                                 # OUT
) noexcept nogil:
    """Return the first component whose covariance is not positive definite; −1 where all are."""
    cdef Layout layout = family.layout
    cdef Py_ssize_t failed
    begin(moments, family, out)
    estimate_covariances(moments, family, previous, 0, n_matrices(layout, family.K), out)
    constrain_covariances(family, previous, room, out)
    failed = finish(moments, family, out)
    log_offsets(&family.objective, layout, family.K, family.d, out.weights, out.whiteners, out.log_determinants, noise,
                out.tails, out.log_offset)
    return failed


cdef inline void begin(
    const Moments* moments, const Family* family,
    Estimate* out,                                 # OUT the counts as weights, and steps from the origins as means
) noexcept nogil:
    cdef Py_ssize_t j, k
    choose_tails(&family.objective, family.K, moments, out.tails)
    for k in range(family.K):
        # A component without rows must not divide by zero: it keeps its place, with the ridge as its covariance.
        out.weights[k] = max(moments.counts[k], least_count(moments))
        for j in range(family.d):
            out.means[k * family.d + j] = step_of(moments, k, j, family.d)
            if is_bound(&family.objective):        # where counts may be so small that moments are but rounding
                out.means[k * family.d + j] = moments.first[k * family.d + j] / out.weights[k]


cdef inline void estimate_covariances(
    const Moments* moments, const Family* family,  # IN
    const double* previous,                        # IN covariances before, or NULL
    Py_ssize_t start, Py_ssize_t end,              # of the covariances
    Estimate* out,                                 # IN what `begin` wrote, OUT free covariances and their factors
) noexcept nogil:
    """(S_k − n_k s_k s_kᵀ) / n_k, s_k being the steps from the origins to the means, and the ridge."""
    cdef Layout layout = family.layout
    cdef Py_ssize_t K = family.K, d = family.d, size = matrix_size(layout, d), at = start * size, k, m
    cdef double count, divided_by
    memcpy(out.covariances + at, moments.second + at, (end - start) * size * sizeof(double))
    if is_low_rank(layout):
        estimate_low_rank(moments, family, previous, start, end, out)
        return
    for k in range(first_component(layout, start), end_component(layout, K, end)):
        subtract_outer(layout, d, moments.first + k * d, out.means + k * d,
                       out.covariances + k * component_stride(layout, d))
    add_to_scatter(&family.objective, layout, K, d, moments, out.weights, out.means, start, end, out.covariances)
    for m in range(start, end):
        count = matrix_count(layout, K, out.weights, m)
        divided_by = divisor(&family.objective, count)
        # The ridge widens the spread of the data's rows, not of those that the objective adds.
        divide(layout, d, divided_by, family.ridge * (count / divided_by), out.covariances + m * size)
    if not is_constrained(family):
        whiten(layout, end - start, d, out.covariances + at, out.whiteners + at, out.log_determinants + start)


cdef inline void estimate_low_rank(
    const Moments* moments, const Family* family, const double* previous,      # IN
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
        set_projection(q, d, NULL if previous == NULL else previous + k * size, projection)
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
    """Replace a negative variance, which rounding leaves, by 0; NaN stays."""
    return 0 if x < 0 else x


cdef inline void constrain_covariances(
    const Family* family, const double* previous,  # IN
    double* room,                                  # scratch: see `update_workspace_size`
    Estimate* out,                                 # IN counts and free covariances, OUT covariances and their factors
) noexcept nogil:
    """Bring covariances under the family's constraint; the first log determinant is NaN where that is impossible."""
    cdef Layout layout = family.layout
    cdef Py_ssize_t K = family.K, d = family.d, k
    cdef bint solved
    if not is_constrained(family):
        return
    for k in range(K):
        room[k] = divisor(&family.objective, out.weights[k])
    if family.max_ratio < INFINITY:
        solved = limit_ratio(layout, K, d, family.max_ratio, room, out.covariances, room + K)
    else:
        solved = constrain(family.constraint, K, d, family.n_factors, family.ridge, &family.objective.factor_noise,
                           room, previous, out.covariances, room + K)
    if solved:
        whiten(layout, n_matrices(layout, K), d, out.covariances, out.whiteners, out.log_determinants)
    else:
        out.log_determinants[0] = NAN


cdef inline Py_ssize_t finish(
    const Moments* moments, const Family* family,  # IN
    Estimate* out,                                 # IN what the steps before wrote, OUT
) noexcept nogil:
    """Turn counts into weights and steps into means; return the first singular covariance, or −1."""
    cdef Py_ssize_t K = family.K, d = family.d, j, k
    for k in range(K):
        for j in range(d):
            out.means[k * d + j] += moments.origins[k * d + j]
        shrink_mean(&family.objective, d, out.weights[k], out.means + k * d)
    normalise_weights(K, moments.weight if has_noise(&family.objective) else -rest_of(out.weights, K, 0), out.weights)
    return first_singular(out.log_determinants, n_matrices(family.layout, K))
