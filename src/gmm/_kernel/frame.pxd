"""The coordinates of the accelerated solver's states, and how they change with the mixture.

A state is statistics per unit weight, in a *frame*, a mixture near the last accepted one: with z = W_k (x − μ_k),

    n_k = Σ r_ik,   f_k = Σ r_ik z_i,   H_k = Σ r_ik (z_i z_iᵀ − I),

each for all components in turn, H packed: lower triangles (one for all components if they share a covariance),
diagonals, or means of the diagonal.  In a frame the metric of the complete data's Fisher information is
Σ_k (n n' + f·f' + ½ H:H') / π_k, so nothing depends on units or axes.  Numbers are stored in units in which it is a
plain sum of products: √π_k, and √(2 π_k) on the diagonal of H.  When a mixture is accepted that has left the frame in
some component, the numbers of that component in the state and the secants are carried into the frame of the new one.

Where the degrees of freedom ν of Student-t components are estimated, a last number, or one for each component, is
Σ r E [log u − u] less what that of the frame's ν would be; its unit is the standard deviation of log u − u
(`tails.pxd`), times √π_k where it is a component's own.

An objective with a conjugate prior adds rows of its own (`objective.pxd`): κ for a mean and c for a covariance, per
unit weight.  The f_k and H_k of a state include their moments, n_k does not count them; in the difference of two states
they cancel.  The metric is then Σ_k (n n' / π_k + f·f' / (π_k + κ) + ½ H:H' / (π_k + c)).  That of a variational
posterior, whose natural parameters are prior rows and statistics, is nearly the same, with n n' / (π_k + α_0).
"""
from libc.float cimport DBL_MIN
from libc.math cimport M_SQRT2, fabs, sqrt
from libc.string cimport memcpy, memset

from gmm._kernel.blas cimport multiply_by_lower
from gmm._kernel.estimate cimport Estimate
from gmm._kernel.family cimport EACH_DEGREES, Family, has_noise, rest_of
from gmm._kernel.layout cimport (
    Layout,
    add_to_diagonal,
    apply_factor,
    apply_row,
    component_stride,
    end_component,
    features_per_number,
    first_component,
    is_dense,
    is_pooled,
    matrix_count,
    matrix_size,
    mirror,
    mirror_all,
    n_matrices,
    shift_second,
    subtract_outer,
)
from gmm._kernel.moments cimport Moments
from gmm._kernel.objective cimport divisor, rows_per_mean
from gmm._kernel.solver_state cimport State, count_of, n_free_tails, packed_of, remembered, tails_of
from gmm._kernel.tails cimport expected_precision, least_degrees, most_degrees, precision_information
from gmm._kernel.triangles cimport conjugate, invert_triangle, multiply_triangles

cdef enum:
    NEAR = 3                  # percent of its spread and of its weight that a component may be from its frame


cdef inline void shift_first(
    Layout layout, Py_ssize_t d, const double* a, const double* b, double count,   # IN z' = a z + b
    double* turned,                                # OUT (d,) a f
    double* first,                                 # IN, OUT (d,) f, then a f + n b
) noexcept nogil:
    cdef Py_ssize_t i
    apply_factor(layout, d, a, first, turned)
    for i in range(d):
        first[i] = turned[i] + count * b[i]


cdef inline void transform_second(
    Layout layout, Py_ssize_t d, const double* a, double* scratch,
    double* second,                                # IN, OUT a second aᵀ
) noexcept nogil:
    cdef Py_ssize_t j
    if is_dense(layout):
        conjugate(a, d, scratch, second)
    else:
        for j in range(matrix_size(layout, d)):
            second[j] *= a[j] * a[j]


cdef inline bint has_own_tails(const State* state) noexcept nogil:
    """Return whether the degrees of freedom of each component are estimated."""
    return state.family.objective.free_tails == EACH_DEGREES


cdef inline double unit_of_count(const State* state, double weight) noexcept nogil:
    return sqrt(weight + state.weight_rows)


cdef inline double unit_of_mean(const State* state, double weight) noexcept nogil:
    return sqrt(weight + state.mean_rows)


cdef inline double unit_of_matrix(const State* state, const double* weights, Py_ssize_t m) noexcept nogil:
    """Return the unit of what is off the diagonal; on it, it is larger by √2."""
    cdef double weight = 1 if is_pooled(state.family.layout) else weights[m]
    if has_noise(&state.family.objective):
        weight = matrix_count(state.family.layout, state.family.K, weights, m)
    return sqrt(weight + state.covariance_rows)


cdef inline double of_all_features(Layout layout, Py_ssize_t d) noexcept nogil:
    """Return what the unit of a number is divided by that stands for so many features."""
    return sqrt(<double>features_per_number(layout, d))


cdef inline void load(
    const State* state, Py_ssize_t m,
    bint difference,                               # IN of two states
    double* vector,                                # IN, OUT counts and first moments without their units
) noexcept nogil:
    """Take the components of matrix m out of their units; second moments go to `state.matrices`, whole."""
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, i, j, k
    cdef const double* weights = state.frame.weights
    cdef const double* packed = packed_of(state, vector, m)
    cdef double* second = state.matrices
    cdef double count = 0 if difference else state.covariance_rows, unit, diagonal
    for k in range(first_component(layout, m), end_component(layout, K, m + 1)):
        vector[k] *= unit_of_count(state, weights[k])
        if has_own_tails(state):
            tails_of(state, vector)[k] *= unit_of_count(state, weights[k])
        count += vector[k]
        unit = unit_of_mean(state, weights[k])
        for j in range(d):
            vector[K + k * d + j] *= unit
    unit = unit_of_matrix(state, weights, m)
    diagonal = unit * M_SQRT2 / of_all_features(layout, d)
    if not is_dense(layout):
        for j in range(matrix_size(layout, d)):
            second[j] = diagonal * packed[j] + count
        return
    for i in range(d):
        for j in range(i):
            second[i * d + j] = second[j * d + i] = unit * packed[j]
        second[i * d + i] = diagonal * packed[i] + count
        packed += i + 1


cdef inline void store(
    const State* state, Py_ssize_t m, const double* weights,           # IN (K,) of the frame
    bint difference,                               # IN of two states
    double* vector,                                # IN, OUT counts and first moments with their units, second moments
) noexcept nogil:
    """Undo `load`, in the units of a frame with other weights."""
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, i, j, k
    cdef double* packed = packed_of(state, vector, m)
    cdef const double* second = state.matrices
    cdef double count = 0 if difference else state.covariance_rows, unit, diagonal
    for k in range(first_component(layout, m), end_component(layout, K, m + 1)):
        count += vector[k]
        vector[k] /= unit_of_count(state, weights[k])
        if has_own_tails(state):
            tails_of(state, vector)[k] /= unit_of_count(state, weights[k])
        unit = 1 / unit_of_mean(state, weights[k])
        for j in range(d):
            vector[K + k * d + j] *= unit
    unit = 1 / unit_of_matrix(state, weights, m)
    diagonal = unit * of_all_features(layout, d) / M_SQRT2
    if not is_dense(layout):
        for j in range(matrix_size(layout, d)):
            packed[j] = diagonal * (second[j] - count)
        return
    for i in range(d):
        for j in range(i):
            packed[j] = unit * second[i * d + j]
        packed[i] = diagonal * (second[i * d + i] - count)
        packed += i + 1


cdef inline void transform(
    const State* state, Py_ssize_t m, const double* a, const double* shifts,      # IN z' = a z + b_k
    bint difference,                               # IN of two states
    double* vector,                                # IN, OUT counts, and first moments without units
) noexcept nogil:
    """Bring the components of matrix m, as `load` writes them, into other coordinates."""
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, k
    cdef double* second = state.matrices
    cdef double* turned = second + matrix_size(layout, d)
    cdef double own_rows = 0 if difference else state.mean_rows, count
    transform_second(layout, d, a, turned, second)
    for k in range(first_component(layout, m), end_component(layout, K, m + 1)):
        count = vector[k] + own_rows
        shift_first(layout, d, a, shifts + k * d, count, turned, vector + K + k * d)
        shift_second(layout, d, turned, shifts + k * d, count, 1, second)


cdef inline void whiten_step(
    Layout layout, const double* whitener, const double* to, const double* origin, Py_ssize_t d,   # IN
    double* out,                                   # OUT (d,) W (to − origin)
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(d):
        out[i] = apply_row(layout, d, whitener, i, to, origin)


cdef inline void place(State* state, Py_ssize_t m, const Estimate* mixture) noexcept nogil:
    """Make matrix m of a mixture, and the components that have it, their own frame."""
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t d = state.family.d, size = matrix_size(layout, d), i
    cdef Py_ssize_t start = first_component(layout, m), n = end_component(layout, state.family.K, m + 1) - start
    cdef double* roots = state.frame.roots + m * size
    memcpy(state.frame.weights + start, mixture.weights + start, n * sizeof(double))
    memcpy(state.frame.means + start * d, mixture.means + start * d, n * d * sizeof(double))
    memcpy(state.frame.whiteners + m * size, mixture.whiteners + m * size, size * sizeof(double))
    state.frame.log_determinants[m] = mixture.log_determinants[m]
    if is_dense(layout):
        invert_triangle(mixture.whiteners + m * size, d, roots)
    else:
        for i in range(size):
            roots[i] = 1 / mixture.whiteners[m * size + i]


cdef inline bint is_near(
    const State* state, Py_ssize_t m, const Estimate* mixture, const double* change,       # IN W_k of it W_k⁻¹ of ours
) noexcept nogil:
    """Return whether the components of matrix m have hardly left the frame; their steps are in `shifts`.

    The divergence of a component from its frame, ½(‖W W_frame⁻¹‖² − d + ‖step‖²) − log|W W_frame⁻¹|, has no axes.
    """
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t d = state.family.d, size = matrix_size(layout, d), k
    cdef double near = NEAR / 100.0, limit = near * near * d / 2
    limit -= (product_sum(change, change, size) * features_per_number(layout, d) - d) / 2
    limit += mixture.log_determinants[m] - state.frame.log_determinants[m]
    for k in range(first_component(layout, m), end_component(layout, state.family.K, m + 1)):
        if (not product_sum(state.shifts + k * d, state.shifts + k * d, d) / 2 <= limit
                or not fabs(mixture.weights[k] - state.frame.weights[k])
                <= near * (state.frame.weights[k] + state.weight_rows)):
            return False
    return True


cdef inline void follow(
    State* state, const Estimate* mixture,         # IN what was accepted
    double* change,                                # scratch (d, d)
) noexcept nogil:
    """Bring the state and the secants into a mixture's frame, matrix by matrix, where it has left the old one."""
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, size = matrix_size(layout, d), k, m, i
    cdef const double* whitener
    cdef const double* root
    cdef double* vector
    follow_tails(state, mixture.tails)
    for m in range(n_matrices(layout, K)):
        whitener, root = mixture.whiteners + m * size, state.frame.roots + m * size
        for k in range(first_component(layout, m), end_component(layout, K, m + 1)):
            whiten_step(layout, whitener, state.frame.means + k * d, mixture.means + k * d, d, state.shifts + k * d)
        if is_dense(layout):
            multiply_triangles(whitener, root, d, change)
        else:
            for i in range(size):
                change[i] = whitener[i] * root[i]
        if is_near(state, m, mixture, change):
            continue
        for i in range(remembered(state.n_pairs)):
            vector = state.here + i * state.size
            load(state, m, i > 0, vector)
            transform(state, m, change, state.shifts, i > 0, vector)
            store(state, m, mixture.weights, i > 0, vector)
        place(state, m, mixture)


cdef inline double unit_of_precision(double degrees) noexcept nogil:
    return sqrt(precision_information(degrees))


cdef inline double of_tails(const State* state, const double* values, Py_ssize_t i) noexcept nogil:
    """Sum a number of components over those that have the i-th degrees of freedom."""
    return values[i] if has_own_tails(state) else -rest_of(values, state.family.K, 0)


cdef inline void store_precision(
    const State* state, const Moments* moments,
    double* vector,                                # OUT its last numbers, in units of components without weight
) noexcept nogil:
    """Store what belongs to the nearest tails that there may be."""
    cdef double least = expected_precision(least_degrees()), most = expected_precision(most_degrees())
    cdef double degrees, count, mean
    cdef Py_ssize_t i
    for i in range(n_free_tails(&state.family)):
        degrees, count = state.frame.tails[i], of_tails(state, moments.counts, i)
        mean = max(least, min(most, of_tails(state, moments.precision, i) / max(count, DBL_MIN)))
        tails_of(state, vector)[i] = count / moments.weight * (
            mean - expected_precision(degrees)) / unit_of_precision(degrees)


cdef inline void load_precision(
    const State* state, double* vector, double weight,     # IN a state as `load` writes it
    double* precision,                             # OUT (K,) that of all in the first, where components share ν
) noexcept nogil:
    cdef double degrees
    cdef Py_ssize_t i
    memset(precision, 0, state.family.K * sizeof(double))
    for i in range(n_free_tails(&state.family)):
        degrees = state.frame.tails[i]
        precision[i] = weight * (tails_of(state, vector)[i] * unit_of_precision(degrees)
                                 + of_tails(state, vector, i) * expected_precision(degrees))


cdef inline void follow_tails(State* state, const double* tails) noexcept nogil:
    """Bring the last numbers of the state and the secants into the frame of other tails."""
    cdef double change, ratio, count
    cdef double* vector
    cdef Py_ssize_t i, v
    for i in range(n_free_tails(&state.family)):
        ratio = unit_of_precision(state.frame.tails[i]) / unit_of_precision(tails[i])
        change = expected_precision(state.frame.tails[i]) - expected_precision(tails[i])
        change /= unit_of_precision(tails[i])
        for v in range(remembered(state.n_pairs)):
            vector = state.here + v * state.size
            # In units of counts both are divided by the same root.
            count = vector[i] if has_own_tails(state) else sum_of_counts(state, vector)
            tails_of(state, vector)[i] = ratio * tails_of(state, vector)[i] + change * count
    memcpy(state.frame.tails, tails, state.family.K * sizeof(double))


cdef inline void from_moments(
    const State* state, const Moments* moments,    # IN moments with the objective's own rows
    double* vector,                                # OUT the state
) noexcept nogil:
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, stride = component_stride(layout, d), k, m, i
    cdef Py_ssize_t size = matrix_size(layout, d)
    cdef double weight = moments.weight
    store_precision(state, moments, vector)
    for k in range(K):
        vector[k] = moments.counts[k] / weight
        whiten_step(layout, state.frame.whiteners + k * stride, moments.origins + k * d, state.frame.means + k * d, d,
                    state.shifts + k * d)
        for i in range(d):
            vector[K + k * d + i] = moments.first[k * d + i] / weight
    for m in range(n_matrices(layout, K)):
        for i in range(size):
            state.matrices[i] = moments.second[m * size + i] / weight
        transform(state, m, state.frame.whiteners + m * size, state.shifts, False, vector)
        store(state, m, state.frame.weights, False, vector)


cdef inline void to_moments(
    const State* state, double* vector, double weight,     # IN; counts and first moments OUT without their units
    Moments* moments,                              # OUT about the frame's means, with the objective's own rows
) noexcept nogil:
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, j, k, m
    cdef Py_ssize_t stride = component_stride(layout, d), size = matrix_size(layout, d)
    cdef double* second = moments.second
    memcpy(moments.origins, state.frame.means, K * d * sizeof(double))
    moments.weight = weight
    for m in range(n_matrices(layout, K)):
        load(state, m, False, vector)
        for j in range(size):
            second[j] = weight * state.matrices[j]
        transform_second(layout, d, state.frame.roots + m * size, state.matrices, second)
        if is_dense(layout):
            mirror(second, d)
        second += size
    for k in range(K):
        moments.counts[k] = weight * vector[k]
        apply_factor(layout, d, state.frame.roots + k * stride, vector + K + k * d, moments.first + k * d)
        for j in range(d):
            moments.first[k * d + j] *= weight
    load_precision(state, vector, weight, moments.precision)


cdef inline void state_of_mixture(
    State* state, const Estimate* mixture,
    double* vector,                                # OUT the state that the mixture is the update of
) noexcept nogil:
    """Make a mixture the frame; in it, it stands for counts π_k, and covariances without the ridge: H = −π λ W Wᵀ."""
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, size = matrix_size(layout, d), i, j, m
    cdef const double* whitener
    cdef double* second = state.matrices
    cdef double count, noise
    memset(vector, 0, state.size * sizeof(double))
    memcpy(state.frame.tails, mixture.tails, 2 * K * sizeof(double))
    memcpy(vector, mixture.weights, K * sizeof(double))
    for m in range(n_matrices(layout, K)):
        place(state, m, mixture)
        whitener, count = mixture.whiteners + m * size, count_of(state, vector, m)
        noise = count * state.family.ridge
        if is_dense(layout):
            for i in range(d):
                for j in range(d):
                    second[i * d + j] = -noise * whitener[j * d + i]
            multiply_by_lower(whitener, second, d, d, d)
        else:
            for i in range(size):
                second[i] = -noise * whitener[i] * whitener[i]
        add_to_diagonal(layout, d, count + state.covariance_rows, second)
        store(state, m, mixture.weights, False, vector)


cdef inline void moments_of_mixture(
    const State* state, const Estimate* mixture,   # IN
    Moments* moments,                              # IN counts and origins, OUT those that the mixture is the update of
) noexcept nogil:
    """First moments by the means, second ones by the covariances without the ridge, with the objective's own rows."""
    cdef const Family* family = &state.family
    cdef Layout layout = family.layout
    cdef Py_ssize_t K = family.K, d = family.d, size = matrix_size(layout, d), i, j, k, m
    cdef double own_rows = rows_per_mean(&family.objective), count, rows, factor
    for k in range(K):
        rows = moments.counts[k] + own_rows
        for j in range(d):
            moments.first[k * d + j] = rows * (mixture.means[k * d + j] - moments.origins[k * d + j])
    for m in range(n_matrices(layout, K)):
        count = matrix_count(layout, K, moments.counts, m)
        factor = divisor(&family.objective, count)
        for i in range(size):
            moments.second[m * size + i] = factor * mixture.covariances[m * size + i]
        add_to_diagonal(layout, d, -(count * family.ridge), moments.second + m * size)
    for k in range(K):
        for j in range(d):                         # minus the step, so that its square is added
            state.shifts[j] = -moments.first[k * d + j] / max(moments.counts[k] + own_rows, DBL_MIN)
        subtract_outer(layout, d, moments.first + k * d, state.shifts,
                       moments.second + k * component_stride(layout, d))
    mirror_all(layout, K, d, moments.second)


# -------------------------------------------------------------------------------------------- metric

cdef inline double inner(const State* state, const double* a, const double* b) noexcept nogil:
    """⟨a, b⟩ in the metric of the complete data's Fisher information, the objective's own rows included."""
    cdef double product = product_sum(a, b, state.size), weight
    if has_noise(&state.family.objective):         # whose count is what the components leave
        weight = rest_of(state.best.weights, state.family.K, 1)
        if weight > 0:
            product += sum_of_counts(state, a) * sum_of_counts(state, b) / weight
    return product


cdef inline double sum_of_counts(const State* state, const double* vector) noexcept nogil:
    cdef Py_ssize_t k
    cdef double total = 0
    for k in range(state.family.K):
        total += vector[k] * unit_of_count(state, state.frame.weights[k])
    return total


cdef inline double product_sum(const double* a, const double* b, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, j, end = n - n % 8
    cdef double[8] sums
    cdef double rest = 0
    for j in range(8):
        sums[j] = 0
    for i in range(0, end, 8):
        for j in range(8):
            sums[j] += a[i + j] * b[i + j]
    for i in range(end, n):
        rest += a[i] * b[i]
    return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7])) + rest


cdef inline void add(double factor, const double* a, Py_ssize_t n, double* b) noexcept nogil:
    """b += factor a."""
    cdef Py_ssize_t i
    for i in range(n):
        b[i] += factor * a[i]
