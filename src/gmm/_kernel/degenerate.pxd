"""Degenerate components of a mixture, and the first cause of each; `gmm._fitting.degenerate` states the rules."""
from libc.float cimport DBL_EPSILON
from libc.math cimport INFINITY, M_PI, exp, fabs, isnan, log, log1p, sqrt
from libc.string cimport memcpy

from gmm._kernel.axes cimport axes_workspace_size, in_axes, multiply_rows, principal_axes
from gmm._kernel.cholesky cimport invert_dense
from gmm._kernel.estimate cimport Estimate
from gmm._kernel.family cimport rest_of
from gmm._kernel.layout cimport (
    FULL, SPHERICAL, Layout, axis_stride, component_stride, is_dense, is_low_rank, mirror, n_factors, n_matrices,
)
from gmm._kernel.whitener cimport half_square

cdef enum:
    RIDGES = 2                # of which one is in every covariance: a component has no more variance than the ridge
    FEW = 8                   # numbers for each parameter of a component, with fewer of which chance may make it, …
    FEWEST = 2                # where one number of components is tried
    STEPS_TO_AXIS = 30        # of the power method

cdef enum DegeneracyRule:
    ONE_NUMBER, CRITERION, HELD_OUT

cdef enum Cause:
    VALID, FEW_ROWS, CHANCE, DEPENDENT, NO_SPREAD, NARROW, TIES


cdef struct DegeneracyInput:
    Layout layout
    Py_ssize_t d
    double none                 # rows of a component, up to which its covariance has no bound
    double directions           # in which it may be thin by chance
    double of_one, of_another   # parameters of a component alone, and of one more
    bint common                 # as `CovarianceModel` has it
    double n                    # distinct rows
    double n_copies             # the weight of all rows over the geometric mean of their weights
    double ridge                # variance up to which it is the ridge's
    const double* variances     # (d,) the same with that of rounding
    DegeneracyRule rule
    Py_ssize_t K
    Estimate mixture
    const double* free          # whiteners of the covariances before they were scaled to one volume
    const double* noise         # (d,) variances of uniform noise; NULL: there is none
    double* total               # covariance of the whole mixture, (d, d), or its variances, (d,), if not dense
    double* workspace           # scratch


cdef inline Py_ssize_t degeneracy_workspace_size(Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    """Doubles of scratch."""
    return (K + 1) * d + (5 * d * d + axes_workspace_size(d) if is_dense(layout) else 0)


cdef inline void lay_out_degeneracy(DegeneracyInput* inputs, double* buffer) noexcept nogil:
    inputs.total, inputs.workspace = buffer, buffer + (inputs.d * inputs.d if is_dense(inputs.layout) else inputs.d)


cdef inline void find_causes(const DegeneracyInput* inputs, unsigned char* causes) noexcept nogil:
    cdef Cause of_spread = VALID
    cdef Py_ssize_t k
    if inputs.K == 1 and inputs.noise == NULL:
        causes[0] = cause_of_all(inputs)
        return
    total_spread(inputs)
    for k in range(inputs.K):
        if k < n_matrices(inputs.layout, inputs.K):
            of_spread = cause_in_spread(inputs, k)
        causes[k] = cause_in_rows(inputs, k)
        if causes[k] == VALID:
            causes[k] = of_spread


cdef inline double worth_of_bound(const DegeneracyInput* inputs, double lower_bound) noexcept nogil:
    """Return a lower bound in nats per row, −∞ if it has no meaning: by this, mixtures of one K compare.

    It has none where a component is degenerate. But a narrow one on many rows may be a group of one value: then the
    bound is less by what it owes to rows that repeat.
    """
    cdef Cause of_spread = VALID
    cdef Py_ssize_t k
    if inputs.K == 1 and inputs.noise == NULL:
        return lower_bound if cause_of_all(inputs) == VALID else -INFINITY
    total_spread(inputs)
    for k in range(inputs.K):
        if k < n_matrices(inputs.layout, inputs.K):
            of_spread = cause_in_spread(inputs, k)
        if (of_spread > DEPENDENT
                and inputs.n_copies * inputs.mixture.weights[k] * inputs.d > FEWEST * inputs.of_another):
            lower_bound -= lost_to_ties(inputs, k)
        elif of_spread != VALID or cause_in_rows(inputs, k) != VALID:
            return -INFINITY
    return lower_bound


cdef inline Cause cause_of_all(const DegeneracyInput* inputs) noexcept nogil:
    """Check a single component, which may have too few rows to span all directions with more than the ridge."""
    cdef Py_ssize_t d = inputs.d
    cdef double* values = inputs.workspace + d * d
    if is_dense(inputs.layout) and is_singular(inputs, 0):
        return DEPENDENT
    if not is_dense(inputs.layout) or inputs.n >= d + 1:
        return VALID
    memcpy(inputs.workspace, inputs.mixture.covariances, d * d * sizeof(double))
    principal_axes(inputs.workspace, d, values, values + d)
    return FEW_ROWS if values[0] <= inputs.ridge else VALID


cdef inline bint may_be_degenerate(const DegeneracyInput* inputs) noexcept nogil:
    """Return whether rows are few, or a bound without eigenvalues does not exclude that a component is narrow."""
    cdef Py_ssize_t k
    for k in range(inputs.K):
        if (least_worth(inputs, inputs.n * inputs.mixture.weights[k]) > 0
                or not trace_of_product(inputs, inputs.mixture.whiteners, k, inputs.variances, 1) < 1):
            return True
    return False


# ---------------------------------------------------------------------------------------------- rows

cdef inline Cause cause_in_rows(const DegeneracyInput* inputs, Py_ssize_t k) noexcept nogil:
    cdef double least = least_worth(inputs, inputs.n * inputs.mixture.weights[k])
    if least == INFINITY:
        return FEW_ROWS
    return CHANCE if least > 0 and worth(inputs, k) < least else VALID


cdef inline double least_worth(const DegeneracyInput* inputs, double m) noexcept nogil:
    """Return the nats that a component of m rows has to be worth; 0 where these are many, infinite where none may be.

    To choose m of n rows, chance has as many ways as they have entropy: n H(m / n) nats, which it gains where all share
    one covariance. With a shape of its own along axes that it turns as it needs, the best component on m of n rows
    gains m r / (m − r) log n/m, r = d, less 1 for a given volume; else r = 1. Where several numbers of components
    compare, it also pays for its parameters and one more. Where all share axes, which turn for each of them, chance may
    give more than a criterion subtracts for many rows, too, up to m r / (m − r) log n.
    """
    cdef double r = inputs.directions, times, least
    if m <= (1.5 if inputs.common else inputs.none):  # half a row more may be the end of a long tail
        return 0 if inputs.common and inputs.rule == HELD_OUT else INFINITY
    if m >= inputs.n or inputs.rule == HELD_OUT:
        return 0
    times = 0 if inputs.common else m * r / (m - r)
    if inputs.rule != CRITERION and m >= 2 * (r + 1) and m * inputs.d > FEWEST * inputs.of_another:
        return 0
    if inputs.rule == CRITERION and m * inputs.d > FEW * inputs.of_another:
        return times * log(inputs.n) if times > inputs.of_another / 2 else 0
    least = times * log(inputs.n / m)
    if inputs.common:
        least = m * log(inputs.n / m) + (inputs.n - m) * log(inputs.n / (inputs.n - m))
    if inputs.rule == CRITERION:
        if price(inputs, inputs.K) == INFINITY:
            return INFINITY
        least += (1 + price(inputs, inputs.K) - price(inputs, inputs.K - 1)) / 2 * log(inputs.n)
    return least


cdef inline double price(const DegeneracyInput* inputs, Py_ssize_t K) noexcept nogil:
    """Return as how many parameters those of K components count, as they fit few rows better than others.

    P of them count as P N / (N − P'), N the numbers in the rows, with those of covariances twice in P' (Bedrick & Tsai
    1994).
    """
    cdef Py_ssize_t d = inputs.d
    cdef double N = inputs.n * d, P = inputs.of_one + (K - 1) * inputs.of_another, rest = N - 2 * P + K * (d + 1) - 1
    return P * N / rest if rest > 0 else INFINITY


cdef inline double worth(const DegeneracyInput* inputs, Py_ssize_t k) noexcept nogil:
    """Return the most that the mixture may lose, in nats, if a component and another one become one.

    For rows in one of two components for sure, the normal density of both loses n B less n H, where their weights give
    B = ½ (s log|Σ| − π_j log|Σ_j| − π_k log|Σ_k|), s = π_j + π_k, with Σ of both (Runnalls 2007, eq. 16), and H
    the entropy of their shares. Rows in both lose less of it, but no more than 2 n log 2 √(π_j π_k) c with
    Bhattacharyya's coefficient c, since the entropy of q, 1 − q is at most 2 log 2 √(q (1 − q)).
    """
    cdef Py_ssize_t d = inputs.d, j
    cdef const double* sizes = inputs.mixture.log_determinants
    cdef const double* own_mean = inputs.mixture.means + k * d
    cdef const double* their_mean
    cdef double own = inputs.mixture.weights[k], their, both, apart, overlap, square, loss, least = INFINITY
    if is_low_rank(inputs.layout):                 # which are not merged
        return least
    for j in range(inputs.K):
        their, their_mean = inputs.mixture.weights[j], inputs.mixture.means + j * d
        both = own + their
        if j == k:
            continue
        if inputs.common:
            apart = widened(inputs, own * their / both, own_mean, their_mean, &square) / 2
            overlap = -square / 8
        elif is_dense(inputs.layout):
            overlap = whiten_mean(inputs, k, j, 0.5) - (sizes[k] + sizes[j]) / 2
            overlap -= half_square(FULL, d, inputs.workspace, own_mean, their_mean) / 4
            apart = own * sizes[k] + their * sizes[j] - both * whiten_mean(inputs, k, j, own / both)
            square = 2 * half_square(FULL, d, inputs.workspace, own_mean, their_mean)
            apart += both * log1p(own * their / (both * both) * square) / 2
        else:
            overlap = -log_size_along_axes(inputs, k, j, 0.5, 0, &square) / 2 - (sizes[k] + sizes[j]) / 2 - square / 8
            apart = own * sizes[k] + their * sizes[j]
            apart += both * log_size_along_axes(inputs, k, j, own / both, own * their / (both * both), &square) / 2
        loss = apart + own * log(own / both) + their * log(their / both)
        loss = inputs.n * (loss + 2 * log(2) * sqrt(own * their) * exp(overlap))
        least = loss if loss < least or isnan(loss) else least
    return least


cdef inline double widened(
    const DegeneracyInput* inputs, double share, const double* mean, const double* other,
    double* square,                                # OUT of their distance
) noexcept nogil:
    """Return by how much log|Σ| of one covariance for all grows by the distance of two means."""
    cdef Py_ssize_t d = inputs.d, j
    cdef double log_size = 0
    square[0] = 2 * half_square(inputs.layout, d, inputs.mixture.whiteners, mean, other)
    if inputs.layout == SPHERICAL:
        return d * log1p(share * square[0] / d)
    if is_dense(inputs.layout):
        return log1p(share * square[0])
    for j in range(d):
        log_size += log1p(share * ((mean[j] - other[j]) * inputs.mixture.whiteners[j]) ** 2)
    return log_size


cdef inline double log_size_along_axes(
    const DegeneracyInput* inputs, Py_ssize_t k, Py_ssize_t j,
    double share, double apart,                    # IN of the first; of squares between
    double* square,                                # OUT squared distance of the means in the mean of both
) noexcept nogil:
    """Return log|Σ| of the mean of two axis-aligned covariances, and of the distance of their means."""
    cdef Py_ssize_t d = inputs.d, i
    cdef double log_size = 0, trace = 0, away, mean
    square[0] = 0
    for i in range(d):
        away = inputs.mixture.means[k * d + i] - inputs.mixture.means[j * d + i]
        mean = share * variance(inputs, k, i) + (1 - share) * variance(inputs, j, i)
        square[0] += away * away / mean
        mean += apart * away * away
        trace += mean
        log_size += log(mean)
    return d * log(trace / d) if inputs.layout == SPHERICAL else log_size


cdef inline double whiten_mean(const DegeneracyInput* inputs, Py_ssize_t k, Py_ssize_t j, double share) noexcept nogil:
    """Whiten the mean of two covariances, of which the first has this share; return log|W|."""
    cdef Py_ssize_t size = inputs.d * inputs.d, i
    cdef const double* covariances = inputs.mixture.covariances
    for i in range(size):
        inputs.workspace[i] = share * covariances[k * size + i] + (1 - share) * covariances[j * size + i]
    return invert_dense(inputs.workspace, inputs.d)


cdef inline double lost_to_ties(const DegeneracyInput* inputs, Py_ssize_t k) noexcept nogil:
    """Return the nats per row by which the density of a narrow component exceeds the mass of rows that repeat.

    A row of a step h has about the mass h times a density that has h²/2π more variance there: at the mean of one that
    is on one value, its weight. There a density loses ½ log|Σ + H| / |Σ|, more than anywhere else.
    """
    cdef Py_ssize_t d = inputs.d, j
    cdef const double* whitener = inputs.mixture.whiteners + k * component_stride(inputs.layout, d)
    cdef double* across = inputs.workspace + d * d
    cdef double lost = 0, square
    if is_dense(inputs.layout):
        find_where_white(inputs, whitener, inputs.variances, 1, across)
    for j in range(d):
        if is_dense(inputs.layout):
            square = across[j]
        else:
            square = inputs.variances[j] * whitener[j * axis_stride(inputs.layout)] ** 2
        lost += log1p(6 / M_PI * square) / 2       # h²/12 are there
    return inputs.mixture.weights[k] * lost


# -------------------------------------------------------------------------------------------- spread

cdef inline Cause cause_in_spread(const DegeneracyInput* inputs, Py_ssize_t m) noexcept nogil:
    if is_dense(inputs.layout) and is_singular(inputs, m):
        return DEPENDENT
    if is_narrow(inputs, m, &inputs.ridge, 0):
        return NO_SPREAD
    return NARROW if is_narrow(inputs, m, inputs.variances, 1) else VALID


cdef inline bint is_singular(const DegeneracyInput* inputs, Py_ssize_t m) noexcept nogil:
    """Return whether correlations R are singular to rounding, by tr R⁻¹, which bounds 1 / λ_min(R) from above."""
    cdef Py_ssize_t d = inputs.d
    cdef const double* covariance = inputs.mixture.covariances + m * component_stride(inputs.layout, d)
    return 2 * d * DBL_EPSILON * trace_of_product(inputs, inputs.mixture.whiteners, m, covariance, d + 1) >= 1


cdef inline double trace_of_product(
    const DegeneracyInput* inputs, const double* whiteners, Py_ssize_t k, const double* diagonal, Py_ssize_t stride,
) noexcept nogil:
    """tr Σ_k⁻¹N for a diagonal matrix N: at least 1 / λ_min(N⁻¹Σ_k). With factors, that of the noise."""
    cdef Py_ssize_t d = inputs.d, i, j
    cdef const double* whitener = whiteners + k * component_stride(inputs.layout, d)
    cdef double trace = 0
    for i in range(d if is_dense(inputs.layout) else 1):
        for j in range(d):
            trace += diagonal[j * stride] * whitener[i * d + j * axis_stride(inputs.layout)] ** 2
    return trace


cdef inline bint is_narrow(
    const DegeneracyInput* inputs, Py_ssize_t m, const double* least, Py_ssize_t stride,
) noexcept nogil:
    """Return whether less than the `least` variances is in a direction where all rows have four times more.

    With factors and noise, stored without a d × d matrix, some direction is narrow where more columns than there are
    factors have hardly any noise.
    """
    cdef Py_ssize_t d = inputs.d, n = 0, i, j
    cdef const double* whitener = inputs.free + m * component_stride(inputs.layout, d)
    cdef double* axes = inputs.workspace
    cdef double* across = axes + d * d
    cdef double* spread = across + d * d
    cdef double* workspace = spread + d * d
    cdef double square
    if not is_dense(inputs.layout):
        for j in range(d):
            square = whitener[j * axis_stride(inputs.layout)] ** 2
            n += least[j * stride] * square > 1 and inputs.total[j] * square > 4
        return n > n_factors(inputs.layout)
    if trace_of_product(inputs, inputs.free, m, least, stride) < 1:
        return False
    if not find_where_white(inputs, whitener, least, stride, across):
        return False
    while n < d and across[d - 1 - n] > 1:
        n += 1
    multiply_rows(axes, whitener, d, across)
    in_axes(across, inputs.total, d, spread, workspace)
    for i in range(n * n):
        axes[i] = clipped(spread[(d - n + i // n) * d + d - n + i % n])
    return n > 0 and principal_axes(axes, n, across, workspace) and across[n - 1] > 4


cdef inline bint find_where_white(
    const DegeneracyInput* inputs, const double* whitener, const double* variances, Py_ssize_t stride,
    double* across,                                # OUT (d,) ascending; the axes are left in `inputs.workspace`
) noexcept nogil:
    """Find variances of the columns where a dense component is white, of variance 1 in every direction."""
    cdef Py_ssize_t d = inputs.d, i, j, r
    cdef double* axes = inputs.workspace
    cdef double square
    for i in range(d):
        for j in range(i + 1):
            square = 0
            for r in range(j + 1):
                square += whitener[i * d + r] * variances[r * stride] * whitener[j * d + r]
            axes[i * d + j] = axes[j * d + i] = clipped(square)
    return principal_axes(axes, d, across, axes + 3 * d * d)


cdef inline double thinnest(
    const DegeneracyInput* inputs, Py_ssize_t k,
    double* axis,                                  # OUT (d,) along which the component has variance 1
) noexcept nogil:
    """Find where a dense component is thinnest, in units of the columns; return its variance in all rows."""
    cdef Py_ssize_t d = inputs.d, i, j, best = 0, _
    cdef const double* whitener = inputs.mixture.whiteners + k * component_stride(inputs.layout, d)
    cdef double* white = inputs.workspace
    cdef double share = 1, size, least = INFINITY, all_rows = 0
    for i in range(d):
        axis[i] = 0
    for j in range(d):
        size = 0
        for i in range(d):
            size += whitener[i * d + j] ** 2
        if size * inputs.total[j * (d + 1)] > 1 / least:
            best, least = j, 1 / (size * inputs.total[j * (d + 1)])
    axis[best] = 1 / sqrt(inputs.total[best * (d + 1)])
    for _ in range(STEPS_TO_AXIS):                 # a ← N Σ⁻¹ N a, N = diag(total): the power method, columns scaled
        for i in range(d):
            white[i] = 0
            for j in range(i + 1):
                white[i] += whitener[i * d + j] * inputs.total[j * (d + 1)] * axis[j]
        size = 0
        for j in range(d):
            axis[j] = 0
            for i in range(j, d):
                axis[j] += whitener[i * d + j] * white[i]
            size += axis[j] ** 2 * inputs.total[j * (d + 1)]
        if not (0 < size < INFINITY):
            return 0
        for j in range(d):
            axis[j] /= sqrt(size)
    share = 0
    for i in range(d):
        for j in range(d):
            share += axis[i] * axis[j] * inputs.mixture.covariances[k * component_stride(inputs.layout, d) + i * d + j]
            all_rows += axis[i] * axis[j] * inputs.total[i * d + j]
    if not (share > 0 and all_rows > 0):
        return 0
    for j in range(d):
        axis[j] /= sqrt(share)
    return all_rows / share


cdef inline double clipped(double x) noexcept nogil:
    """Replace what overflows."""
    return x if fabs(x) <= 1e300 else -1e300 if x < 0 else 1e300


cdef inline double variance(const DegeneracyInput* inputs, Py_ssize_t k, Py_ssize_t j) noexcept nogil:
    """Variance of column j in component k."""
    cdef Py_ssize_t d = inputs.d, i
    cdef const double* covariance = inputs.mixture.covariances + k * component_stride(inputs.layout, d)
    cdef double noise = covariance[j * (d + 1 if is_dense(inputs.layout) else axis_stride(inputs.layout))]
    for i in range(1, 1 + n_factors(inputs.layout)):
        noise += covariance[i * d + j] ** 2
    return noise


cdef inline void total_spread(const DegeneracyInput* inputs) noexcept nogil:
    """Write the total, with means about their own one, and as equal where they differ by rounding."""
    cdef const double* weights = inputs.mixture.weights
    cdef const double* means = inputs.mixture.means
    cdef Py_ssize_t K = inputs.K, d = inputs.d, i, j, k
    cdef double* away = inputs.workspace
    cdef double* row
    cdef double whole = -rest_of(weights, K, 0), mean, most
    for j in range(d):
        mean = most = 0
        for k in range(K):
            mean += weights[k] / whole * means[k * d + j]
            most = max(most, fabs(means[k * d + j]))
        for k in range(K):
            away[k * d + j] = means[k * d + j] - mean
            if fabs(away[k * d + j]) <= K * DBL_EPSILON * most:
                away[k * d + j] = 0
    for i in range(d):
        row = inputs.total + i * d if is_dense(inputs.layout) else inputs.total
        for j in range(0 if is_dense(inputs.layout) else i, i + 1):
            row[j] = max(0., rest_of(weights, K, 1)) * inputs.noise[i] if inputs.noise != NULL and i == j else 0
            for k in range(K):
                row[j] += weights[k] * (away[k * d + i] * away[k * d + j] + (
                    variance(inputs, k, j) if i == j else
                    inputs.mixture.covariances[k * component_stride(inputs.layout, d) + i * d + j]))
    if is_dense(inputs.layout):
        mirror(inputs.total, d)
