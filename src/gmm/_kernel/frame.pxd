"""The coordinates of the accelerated solver's states, and how they change with the mixture.

A state is statistics per unit weight, in the *frame* of the last accepted mixture: with z = W_k (x − μ_k),

    n_k = Σ r_ik,   f_k = Σ r_ik z_i,   H_k = Σ r_ik (z_i z_iᵀ − I),

each for all components in turn, H packed: lower triangles (one for all components if they share a covariance),
diagonals, or means of the diagonal.  In a frame the metric of the complete data's Fisher information is
Σ_k (n n' + f·f' + ½ H:H') / π_k, so nothing depends on units or axes.  When a mixture is accepted, the state and the
secants are carried into its frame.

An objective with a conjugate prior adds rows of its own (`objective.pxd`): κ for a mean and c for a covariance, per
unit weight.  The f_k and H_k of a state include their moments, n_k does not count them; in the difference of two states
they cancel.  The metric is then Σ_k (n n' / π_k + f·f' / (π_k + κ) + ½ H:H' / (π_k + c)).  That of a variational
posterior, whose natural parameters are prior rows and statistics, is nearly the same, with n n' / (π_k + α_0).
"""
from libc.float cimport DBL_MIN
from libc.string cimport memcpy, memset

from gmm._kernel.blas cimport multiply_by_lower
from gmm._kernel.estimate cimport Estimate
from gmm._kernel.layout cimport (
    DIAGONAL,
    SPHERICAL,
    Layout,
    add_to_diagonal,
    apply_factor,
    apply_row,
    component_stride,
    end_component,
    first_component,
    is_axis_aligned,
    is_dense,
    is_pooled,
    matrix_count,
    matrix_size,
    mirror,
    mirror_all,
    n_matrices,
    packed_size,
    shift_second,
    subtract_outer,
    total_size,
)
from gmm._kernel.moments cimport Moments
from gmm._kernel.objective cimport divisor, rows_per_mean
from gmm._kernel.state cimport State, count_of, packed_of
from gmm._kernel.triangles cimport conjugate, invert_triangle, multiply_triangles, pack, unpack
from gmm._kernel.update cimport Family


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


cdef inline void unpack_second(
    Layout layout, const double* packed, double count, Py_ssize_t d, double* second,
) noexcept nogil:
    """Unpack H + n I."""
    cdef Py_ssize_t j
    if is_dense(layout):
        unpack(packed, count, d, second)
    else:
        for j in range(matrix_size(layout, d)):
            second[j] = packed[j] + count


cdef inline void pack_second(
    Layout layout, const double* second, double count, Py_ssize_t d, double* packed,
) noexcept nogil:
    """Pack second moments less n I."""
    cdef Py_ssize_t j
    if is_dense(layout):
        pack(second, count, d, packed)
    else:
        for j in range(matrix_size(layout, d)):
            packed[j] = second[j] - count


cdef inline void carry(
    const State* state, Py_ssize_t m, const double* a, const double* shifts,      # IN z' = a z + b_k
    bint difference,                               # IN of two states
    double* vector,                                # IN, OUT in the old frame, then in the new
) noexcept nogil:
    """Bring the components of matrix m into another frame."""
    cdef double count = count_of(state, vector, m) + (0 if difference else state.covariance_rows)
    unpack_second(state.family.moment_layout, packed_of(state, vector, m), count, state.family.d, state.matrices)
    transform(state, m, a, shifts, difference, vector)


cdef inline void transform(
    const State* state, Py_ssize_t m, const double* a, const double* shifts, bint difference,
    double* vector,                                # IN, OUT; second moments are IN in `state.matrices`
) noexcept nogil:
    cdef Layout layout = state.family.moment_layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, k
    cdef double* second = state.matrices
    cdef double* turned = second + matrix_size(layout, d)
    cdef double own_rows = 0 if difference else state.mean_rows, count
    transform_second(layout, d, a, turned, second)
    for k in range(first_component(layout, m), end_component(layout, K, m + 1)):
        count = vector[k] + own_rows
        shift_first(layout, d, a, shifts + k * d, count, turned, vector + K + k * d)
        shift_second(layout, d, turned, shifts + k * d, count, second)
    count = count_of(state, vector, m) + (0 if difference else state.covariance_rows)
    pack_second(layout, second, count, d, packed_of(state, vector, m))


cdef inline void invert_whiteners(
    const State* state, const Estimate* mixture,
    double* roots,                                 # OUT W⁻¹
) noexcept nogil:
    cdef Layout layout = state.family.covariance_layout
    cdef Py_ssize_t d = state.family.d, i, m
    if is_axis_aligned(layout):
        for i in range(total_size(layout, state.family.K, d)):
            roots[i] = 1 / mixture.whiteners[i]
        return
    for m in range(n_matrices(layout, state.family.K)):
        invert_triangle(mixture.whiteners + m * d * d, d, roots + m * d * d)


cdef inline void whiten_step(
    Layout layout, const double* whitener, const double* to, const double* origin, Py_ssize_t d,   # IN
    double* out,                                   # OUT (d,) W (to − origin)
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(d):
        out[i] = apply_row(layout, d, whitener, i, to, origin)


cdef inline void move_frame(
    State* state, const Estimate* mixture,         # IN the new frame
    double* change,                                # scratch (d, d)
) noexcept nogil:
    """Bring the state and the secants from the frame of `best` into that of `mixture`."""
    cdef Layout layout = state.family.covariance_layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, stride = component_stride(layout, d)
    cdef Py_ssize_t size = matrix_size(layout, d), k, m, i
    cdef const double* whitener
    for k in range(K):
        whiten_step(layout, mixture.whiteners + k * stride, state.best.means + k * d, mixture.means + k * d, d,
                    state.shifts + k * d)
    for m in range(n_matrices(layout, K)):
        whitener = mixture.whiteners + m * size
        if is_dense(layout):
            multiply_triangles(whitener, state.roots + m * size, d, change)
        else:
            for i in range(size):
                change[i] = whitener[i] * state.roots[m * size + i]
        carry(state, m, change, state.shifts, False, state.here)
        carry(state, m, change, state.shifts, True, state.residual)
        carry(state, m, change, state.shifts, True, state.move)
        for i in range(state.n_pairs):
            carry(state, m, change, state.shifts, True, state.steps + i * state.size)
            carry(state, m, change, state.shifts, True, state.changes + i * state.size)


cdef inline void from_moments(
    const State* state, const Moments* moments, const Estimate* frame,     # IN moments with the objective's own rows
    double* vector,                                # OUT the state in the frame
) noexcept nogil:
    cdef Layout layout = state.family.covariance_layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, stride = component_stride(layout, d), k, m, i
    cdef Py_ssize_t size = matrix_size(layout, d), whole = matrix_size(state.family.moment_layout, d)
    cdef double weight = moments.weight
    for k in range(K):
        vector[k] = moments.counts[k] / weight
        whiten_step(layout, frame.whiteners + k * stride, moments.origins + k * d, frame.means + k * d, d,
                    state.shifts + k * d)
        for i in range(d):
            vector[K + k * d + i] = moments.first[k * d + i] / weight
    for m in range(n_matrices(state.family.moment_layout, K)):
        for i in range(whole):
            state.matrices[i] = moments.second[m * whole + i] / weight
        transform(state, m, frame.whiteners + m * size, state.shifts, False, vector)


cdef inline void to_moments(
    const State* state, const double* vector, double weight,
    Moments* moments,                              # OUT about the frame's means, with the objective's own rows
) noexcept nogil:
    cdef Layout layout = state.family.moment_layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, j, k, m
    cdef Py_ssize_t stride = component_stride(state.family.covariance_layout, d)
    cdef Py_ssize_t size = matrix_size(state.family.covariance_layout, d), whole = matrix_size(layout, d)
    cdef double* second = moments.second
    cdef double count
    memcpy(moments.origins, state.best.means, K * d * sizeof(double))
    moments.weight = weight
    memset(state.shifts, 0, d * sizeof(double))
    for k in range(K):
        moments.counts[k] = weight * vector[k]
        memcpy(moments.first + k * d, vector + K + k * d, d * sizeof(double))
        shift_first(layout, d, state.roots + k * stride, state.shifts, 0, state.matrices, moments.first + k * d)
        for j in range(d):
            moments.first[k * d + j] *= weight
    for m in range(n_matrices(layout, K)):
        count = count_of(state, vector, m) + state.covariance_rows
        unpack_second(layout, packed_of(state, <double*>vector, m), count, d, second)
        transform_second(layout, d, state.roots + m * size, state.matrices, second)
        for j in range(whole):
            second[j] *= weight
        if is_dense(layout):
            mirror(second, d)
        second += whole


cdef inline void state_of_mixture(
    const State* state, const Estimate* mixture,
    double* vector,                                # OUT the state that the mixture is the update of, in its own frame
) noexcept nogil:
    """Counts π_k about the means, and covariances without the ridge: H = −π λ W Wᵀ."""
    cdef Layout layout = state.family.covariance_layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, size = matrix_size(layout, d), i, j, m
    cdef const double* whitener
    cdef double* second
    cdef double* product = state.matrices
    cdef double noise
    memset(vector, 0, state.size * sizeof(double))
    memcpy(vector, mixture.weights, K * sizeof(double))
    for m in range(n_matrices(layout, K)):
        whitener, second = mixture.whiteners + m * size, packed_of(state, vector, m)
        noise = count_of(state, vector, m) * state.family.ridge
        if is_dense(layout):
            for i in range(d):
                for j in range(d):
                    product[i * d + j] = -noise * whitener[j * d + i]
            multiply_by_lower(whitener, product, d, d, d)
            pack(product, 0, d, second)
        else:
            for i in range(size):
                second[i] = -noise * whitener[i] * whitener[i]


cdef inline void moments_of_mixture(
    const State* state, const Estimate* mixture,   # IN
    Moments* moments,                              # IN counts and origins, OUT those that the mixture is the update of
) noexcept nogil:
    """First moments by the means, second ones by the covariances without the ridge, with the objective's own rows."""
    cdef const Family* family = &state.family
    cdef Layout layout = family.moment_layout
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
    cdef Layout layout = state.family.moment_layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, packed = packed_size(layout, d), k, m
    cdef const double* weights = state.best.weights
    cdef double mean_rows = state.mean_rows, covariance_rows = state.covariance_rows, total = 0, zeroth, first, second
    for k in range(K):
        zeroth, first = a[k] * b[k], product_sum(a + K + k * d, b + K + k * d, d)
        if mean_rows > 0:
            first *= weights[k] / (weights[k] + mean_rows)
        if state.weight_rows > 0:
            zeroth *= weights[k] / (weights[k] + state.weight_rows)
        total += (zeroth + first) / weights[k]
    a += K * (1 + d)
    b += K * (1 + d)
    for m in range(n_matrices(layout, K)):
        second = inner_second(layout, d, a + m * packed, b + m * packed)
        total += second / ((1 if is_pooled(layout) else weights[m]) + covariance_rows)
    return total


cdef inline double inner_second(Layout layout, Py_ssize_t d, const double* a, const double* b) noexcept nogil:
    """½ A:B of packed matrices."""
    cdef Py_ssize_t i
    cdef double diagonal = 0
    if layout == DIAGONAL:
        return product_sum(a, b, d) / 2
    if layout == SPHERICAL:
        return d * a[0] * b[0] / 2
    for i in range(d):
        diagonal += a[i * (i + 3) // 2] * b[i * (i + 3) // 2]
    return product_sum(a, b, d * (d + 1) // 2) - diagonal / 2


cdef inline double product_sum(const double* a, const double* b, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef double even = 0, odd = 0
    for i in range(0, n - 1, 2):
        even += a[i] * b[i]
        odd += a[i + 1] * b[i + 1]
    return even + odd + (a[n - 1] * b[n - 1] if n & 1 else 0)


cdef inline void add(double factor, const double* a, Py_ssize_t n, double* b) noexcept nogil:
    """b += factor a."""
    cdef Py_ssize_t i
    for i in range(n):
        b[i] += factor * a[i]
