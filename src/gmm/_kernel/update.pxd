"""The parameter update: from moments to the mixture of a family that is most likely, or likeliest a posteriori."""
from libc.float cimport DBL_EPSILON, DBL_MIN
from libc.math cimport M_PI, NAN, log
from libc.string cimport memcpy

from gmm._kernel.constraint cimport NONE, Constraint, constrain, room_for_constraint, work_of_constraint
from gmm._kernel.linear cimport DIAGONAL, FULL, SPHERICAL, TIED, Layout, n_second
from gmm._kernel.moments cimport Moments, mirror
from gmm._kernel.whitener cimport first_singular, matrix_size, n_matrices, whiten

cdef struct Prior:
    # Conjugate, on every mean and covariance: N(μ_k | mean, Σ_k / shrinkage) and an inverse Wishart, or inverse gamma,
    # distribution that says as much of Σ_k as `pseudocount` rows with a scatter of `scale`.
    const double* mean          # (d,), or NULL: there is no prior
    const double* scale         # one matrix in the layout of the covariances
    double shrinkage            # 0: says nothing of the means
    double pseudocount
    double constant             # of its log density


cdef struct Family:
    # Which mixtures there are, and what an update maximises over them.
    Layout layout               # of the covariances, and of the moments
    Constraint constraint       # beyond it
    Py_ssize_t K
    Py_ssize_t d
    double ridge                # on the covariances' diagonals, before they are constrained
    Prior prior


cdef struct Estimate:
    double* weights             # (K,)
    double* means               # (K, d)
    double* covariances         # in the shape of their layout
    double* whiteners           # likewise
    double* log_determinants    # log|W|: (K,), or (1,) for one common covariance
    double* log_offset          # (K,) for a next pass, by `most_likely` alone


cdef inline Py_ssize_t estimate_size(Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    return K * (2 + d) + 2 * n_second(layout, K, d) + n_matrices(layout, K)


cdef inline Estimate estimate_in(double* buffer, Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    cdef Estimate estimate
    estimate.weights = buffer
    estimate.means = buffer + K
    estimate.covariances = estimate.means + K * d
    estimate.whiteners = estimate.covariances + n_second(layout, K, d)
    estimate.log_determinants = estimate.whiteners + n_second(layout, K, d)
    estimate.log_offset = estimate.log_determinants + n_matrices(layout, K)
    return estimate


cdef inline double least_count(const Moments* moments) noexcept nogil:
    """A component that weighs no more is without rows."""
    return DBL_EPSILON * moments.weight


cdef inline bint any_empty(const Moments* moments, Py_ssize_t K) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(K):
        if moments.counts[k] <= least_count(moments):
            return True
    return False


cdef inline double step_of(const Moments* moments, Py_ssize_t k, Py_ssize_t j, Py_ssize_t d) noexcept nogil:
    """From the origin to the mean; moments of a component without rows are zero, whatever divides them."""
    return moments.first[k * d + j] / max(moments.counts[k], DBL_MIN)


cdef inline double update_work(const Family* family) noexcept nogil:
    """Multiply-adds of an update, roughly."""
    cdef Py_ssize_t K = family.K, d = family.d
    cdef double work = 0 if family.constraint == NONE else work_of_constraint(family.constraint, K, d)
    if family.layout == FULL or family.layout == TIED:
        return work + <double>K * d * d + n_matrices(family.layout, K) * <double>d * d * d
    return work + <double>K * d


cdef inline Py_ssize_t room_for_update(const Family* family) noexcept nogil:
    return family.K + room_for_constraint(family.constraint, family.K, family.d)


cdef inline Py_ssize_t most_likely(
    const Moments* moments, const Family* family,  # IN
    double noise,                                  # IN a variance: see `log_offsets`
    const double* previous,                        # IN covariances that a search is not to be worse than, or NULL
    double* room,                                  # scratch: see `room_for_update`
    Estimate* out,                                 # OUT
) noexcept nogil:
    """The first component whose covariance is not positive definite; −1 when there is none."""
    cdef Py_ssize_t failed
    begin(moments, family, out)
    estimate_covariances(moments, family, 0, n_matrices(family.layout, family.K), out)
    constrain_covariances(family, previous, room, out)
    failed = finish(moments, family, out)
    log_offsets(family.layout, family.K, family.d, out.weights, out.whiteners, out.log_determinants, noise,
                out.log_offset)
    return failed


cdef inline void begin(
    const Moments* moments, const Family* family,
    Estimate* out,                                 # OUT the counts as weights, and steps from the origins as means
) noexcept nogil:
    cdef Py_ssize_t j, k
    for k in range(family.K):
        # A component without rows must not divide by zero: it keeps its place, with the ridge as its covariance.
        out.weights[k] = max(moments.counts[k], least_count(moments))
        for j in range(family.d):
            out.means[k * family.d + j] = step_of(moments, k, j, family.d)


cdef inline void constrain_covariances(
    const Family* family, const double* previous,  # IN
    double* room,                                  # scratch: see `room_for_update`
    Estimate* out,                                 # IN counts and free covariances, OUT covariances and their factors
) noexcept nogil:
    """Where the family asks for it; the first log determinant is NaN where there is no solution."""
    cdef Py_ssize_t K = family.K, d = family.d, k
    if family.constraint == NONE:
        return
    for k in range(K):
        room[k] = divisor(family, out.weights[k])
    if constrain(family.constraint, K, d, room, previous, out.covariances, room + K):
        whiten(family.layout, n_matrices(family.layout, K), d, out.covariances, out.whiteners, out.log_determinants)
    else:
        out.log_determinants[0] = NAN


cdef inline Py_ssize_t finish(
    const Moments* moments, const Family* family,  # IN
    Estimate* out,                                 # IN what the steps before wrote, OUT
) noexcept nogil:
    cdef Py_ssize_t K = family.K, d = family.d, j, k, m = n_matrices(family.layout, K)
    cdef double total = 0
    for k in range(K):
        total += out.weights[k]
        for j in range(d):
            out.means[k * d + j] += moments.origins[k * d + j]
            if family.prior.mean != NULL:
                out.means[k * d + j] += (prior_mean_weight(family, out.weights[k])
                                         * (family.prior.mean[j] - out.means[k * d + j]))
    for k in range(K):
        out.weights[k] /= total
    return first_singular(out.log_determinants, m)


cdef inline void estimate_covariances(
    const Moments* moments, const Family* family,  # IN
    Py_ssize_t start, Py_ssize_t end,              # of the covariances
    Estimate* out,                                 # IN what `begin` wrote, OUT free covariances and their factors
) noexcept nogil:
    """(S_k − n_k s_k s_kᵀ) / n_k, s_k being the steps from the origins to the means, and the ridge."""
    cdef Layout layout = family.layout
    cdef Py_ssize_t K = family.K, d = family.d, size = matrix_size(layout, d), at = start * size, k
    cdef double total = 0
    memcpy(out.covariances + at, moments.second + at, (end - start) * size * sizeof(double))
    for k in range(0 if layout == TIED else start, K if layout == TIED else end):
        subtract_outer(layout, d, moments.first + k * d, out.means + k * d,
                       out.covariances + (0 if layout == TIED else k * size))
    if family.prior.mean != NULL:
        add_prior(moments, family, start, end, out)
    if layout == TIED:
        for k in range(K):
            total += out.weights[k]
        divide(layout, d, divisor(family, total), effective_ridge(family, total), out.covariances)
    else:
        for k in range(start, end):
            divide(layout, d, divisor(family, out.weights[k]), effective_ridge(family, out.weights[k]),
                   out.covariances + k * size)
    if family.constraint == NONE:
        whiten(layout, end - start, d, out.covariances + at, out.whiteners + at, out.log_determinants + start)


cdef inline void subtract_outer(
    Layout layout, Py_ssize_t d, const double* a, const double* b,     # IN (d,)
    double* second,                                # IN, OUT −= a bᵀ, the lower triangle of what the layout holds of it
) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef double product = 0
    for i in range(d):
        if layout == FULL or layout == TIED:
            for j in range(i + 1):
                second[i * d + j] -= a[i] * b[j]
        elif layout == DIAGONAL:
            second[i] -= a[i] * b[i]
        else:
            product += a[i] * b[i]
    if layout == SPHERICAL:
        second[0] -= product / d


cdef inline void divide(
    Layout layout, Py_ssize_t d, double count, double ridge,
    double* scatter,                               # IN lower, OUT both triangles: / count + ridge I
) noexcept nogil:
    cdef Py_ssize_t i, j
    if layout == FULL or layout == TIED:
        for i in range(d):
            for j in range(i + 1):
                scatter[i * d + j] /= count
            scatter[i * d + i] += ridge
        mirror(scatter, d)
    else:
        for i in range(d if layout == DIAGONAL else 1):
            scatter[i] = positive(scatter[i]) / count + ridge


cdef inline double positive(double x) noexcept nogil:
    """The number without a sign that rounding gave it; NaN stays."""
    return 0 if x < 0 else x


# -------------------------------------------------------------------------------------------- prior

cdef inline double divisor(const Family* family, double count) noexcept nogil:
    """What a scatter is divided by: of all components together, if their covariance is one matrix."""
    if family.prior.mean == NULL:
        return count
    if family.prior.shrinkage > 0:
        count += family.K if family.layout == TIED else 1
    return count + family.prior.pseudocount


cdef inline double effective_ridge(const Family* family, double count) noexcept nogil:
    """The ridge on a covariance: the rows' own spread is the wider for it, what the prior says is not."""
    return family.ridge * (count / divisor(family, count))


cdef inline double prior_mean_weight(const Family* family, double count) noexcept nogil:
    """How far the prior pulls a mean towards its own, of the whole way."""
    return family.prior.shrinkage / (count + family.prior.shrinkage)


cdef inline void add_prior(
    const Moments* moments, const Family* family, Py_ssize_t start, Py_ssize_t end,    # IN
    Estimate* out,                                 # IN counts and steps, IN, OUT scatter: the prior's is added
) noexcept nogil:
    """Fraley & Raftery (2007), section 3: + κ n_k / (κ + n_k) (x̄_k − m)(x̄_k − m)ᵀ + Λ."""
    cdef Layout layout = family.layout
    cdef Py_ssize_t d = family.d, size = matrix_size(layout, d), i, j, k, m
    cdef double* scatter
    cdef double strength
    for m in range(start, end):
        for i in range(size):
            out.covariances[m * size + i] += family.prior.scale[i]
    for k in range(0 if layout == TIED else start, family.K if layout == TIED else end):
        scatter = out.covariances + (0 if layout == TIED else k * size)
        strength = out.weights[k] * prior_mean_weight(family, out.weights[k])
        for i in range(d):
            if layout == FULL or layout == TIED:
                for j in range(i + 1):
                    scatter[i * d + j] += strength * from_prior(moments, family, out, k, i) * from_prior(
                        moments, family, out, k, j)
            else:
                scatter[i if layout == DIAGONAL else 0] += (
                    strength * from_prior(moments, family, out, k, i) ** 2 / (1 if layout == DIAGONAL else d))


cdef inline double from_prior(
    const Moments* moments, const Family* family, const Estimate* out, Py_ssize_t k, Py_ssize_t j,
) noexcept nogil:
    """x̄_k − m in feature j, while `out` still holds steps."""
    return moments.origins[k * family.d + j] + out.means[k * family.d + j] - family.prior.mean[j]


cdef inline double log_prior(const Family* family, const Estimate* mixture) noexcept nogil:
    """The prior's log density at a mixture; 0 without one."""
    cdef const Prior* prior = &family.prior
    cdef Layout layout = family.layout
    cdef Py_ssize_t K = family.K, d = family.d, size = matrix_size(layout, d), k, m
    cdef double total = prior.constant
    if prior.mean == NULL:
        return 0
    for m in range(n_matrices(layout, K)):
        total += prior.pseudocount * mixture.log_determinants[m]
        total -= half_trace_of_product(layout, d, mixture.whiteners + m * size, prior.scale)
    if prior.shrinkage > 0:
        for k in range(K):
            m = 0 if layout == TIED else k
            total += mixture.log_determinants[m]
            total -= prior.shrinkage * half_square(
                layout, d, mixture.whiteners + m * size, mixture.means + k * d, prior.mean)
    return total


cdef inline double half_square(
    Layout layout, Py_ssize_t d, const double* whitener, const double* a, const double* b,
) noexcept nogil:
    """½‖W (a − b)‖²."""
    cdef Py_ssize_t i, j
    cdef double total = 0, z
    for i in range(d):
        if layout == FULL or layout == TIED:
            z = 0
            for j in range(i + 1):
                z += whitener[i * d + j] * (a[j] - b[j])
        else:
            z = whitener[i if layout == DIAGONAL else 0] * (a[i] - b[i])
        total += z * z
    return total / 2


cdef inline double half_trace_of_product(
    Layout layout, Py_ssize_t d, const double* whitener, const double* matrix,
) noexcept nogil:
    """½ tr Σ⁻¹Λ = ½ tr WΛWᵀ."""
    cdef Py_ssize_t i, j, r
    cdef double total = 0, row
    if layout == DIAGONAL or layout == SPHERICAL:
        for i in range(d if layout == DIAGONAL else 1):
            total += whitener[i] * whitener[i] * matrix[i]
        return total / 2 * (1 if layout == DIAGONAL else d)
    for i in range(d):
        for j in range(i + 1):
            row = 0
            for r in range(i + 1):
                row += matrix[j * d + r] * whitener[i * d + r]
            total += whitener[i * d + j] * row
    return total / 2


# ---------------------------------------------------------------------------------------- log offsets

cdef inline void log_offsets(
    Layout layout, Py_ssize_t K, Py_ssize_t d,
    const double* weights, const double* whiteners, const double* log_determinants, double noise,      # IN
    double* log_offset,                            # OUT (K,) log π_k + log|W_k| − d/2·log 2π − ½ noise tr Σ_k⁻¹
) noexcept nogil:
    """What a pass adds for each component, where rows are seen through noise of that variance in every feature."""
    cdef Py_ssize_t k
    cdef double constant = 0.5 * d * log(2 * M_PI)
    for k in range(K):
        log_offset[k] = log(weights[k]) + log_determinants[0 if layout == TIED else k] - constant
        if noise > 0:
            log_offset[k] -= noise * half_trace_of_precision(layout, d, whiteners, k)


cdef inline double half_trace_of_precision(
    Layout layout, Py_ssize_t d, const double* whiteners, Py_ssize_t k,
) noexcept nogil:
    """½ tr Σ_k⁻¹ = ½‖W_k‖²."""
    cdef Py_ssize_t size = matrix_size(layout, d), i
    cdef double total = 0
    if layout != TIED:
        whiteners += k * size
    for i in range(size):
        total += whiteners[i] * whiteners[i]
    return (d * total if layout == SPHERICAL else total) / 2
