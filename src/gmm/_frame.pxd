"""The coordinates in which an accelerated climb tells its states, and how they change.

A state is statistics per unit weight, in the *frame* of the mixture measured last and accepted: with z = W_k (x − μ_k),

    n_k = Σ r_ik,   f_k = Σ r_ik z_i,   H_k = Σ r_ik (z_i z_iᵀ − I),

one after the other for all components, H as packed lower triangles (one for all components if they share a covariance,
diagonals, or one mean of the diagonal).  The metric is there Σ_k (n n' + f·f' + ½ H:H') / π_k, the Fisher information
of the complete data, so nothing depends on units or axes.  Frames move with the mixture, and what is remembered moves
along.

A conjugate prior is worth rows (Fraley & Raftery 2007): κ for a mean, c for a covariance, per unit weight.  The f_k and
H_k of a state include their moments, n_k does not count them; in the difference of two states they cancel.  The metric
is then Σ_k (n n' / π_k + f·f' / (π_k + κ) + ½ H:H' / (π_k + c)).
"""
from libc.float cimport DBL_MIN
from libc.string cimport memcpy, memset

from gmm._blas cimport invert_lower, multiply_by_lower
from gmm._cholesky cimport WIDEST_BY_HAND
from gmm._linear cimport DIAGONAL, FULL, SPHERICAL, TIED, Layout, n_second, whitener_size
from gmm._moments cimport Moments, mirror
from gmm._state cimport State, counted, packed_of, packed_size
from gmm._update cimport Estimate, Family, Prior, divisor, subtract_outer
from gmm._whitener cimport n_matrices


cdef inline void conjugate(
    const double* a, Py_ssize_t d,                 # IN (d, d), lower
    double* scratch,                               # (d, d)
    double* matrix,                                # IN (d, d), symmetric, OUT a matrix aᵀ, lower
) noexcept nogil:
    cdef Py_ssize_t i, j, r
    cdef double total
    if d > WIDEST_BY_HAND:
        multiply_by_lower(a, matrix, d, d, d)
        for i in range(d):
            for j in range(i):
                total = matrix[i * d + j]
                matrix[i * d + j] = matrix[j * d + i]
                matrix[j * d + i] = total
        multiply_by_lower(a, matrix, d, d, d)
        return
    memset(scratch, 0, d * d * sizeof(double))
    for i in range(d):
        for r in range(i + 1):
            for j in range(d):
                scratch[i * d + j] += a[i * d + r] * matrix[r * d + j]
    for i in range(d):
        for j in range(i + 1):
            total = 0
            for r in range(j + 1):
                total += scratch[i * d + r] * a[j * d + r]
            matrix[i * d + j] = total


cdef inline void unpack(const double* packed, double count, Py_ssize_t d, double* matrix) noexcept nogil:
    """H + n I, both triangles."""
    cdef Py_ssize_t i, j
    for i in range(d):
        for j in range(i + 1):
            matrix[i * d + j] = matrix[j * d + i] = packed[i * (i + 1) // 2 + j]
        matrix[i * d + i] += count


cdef inline void pack(const double* matrix, double count, Py_ssize_t d, double* packed) noexcept nogil:
    """Take n I off again, of the lower triangle."""
    cdef Py_ssize_t i, j
    for i in range(d):
        for j in range(i + 1):
            packed[i * (i + 1) // 2 + j] = matrix[i * d + j]
        packed[i * (i + 1) // 2 + i] -= count


cdef inline void shift_first(
    Layout layout, Py_ssize_t d, const double* a, const double* b, double count,   # IN z' = a z + b
    double* turned,                                # OUT (d,) a f
    double* first,                                 # IN, OUT (d,) f, then a f + n b
) noexcept nogil:
    cdef Py_ssize_t i, j
    for i in range(d):
        if layout == FULL or layout == TIED:
            turned[i] = 0
            for j in range(i + 1):
                turned[i] += a[i * d + j] * first[j]
        else:
            turned[i] = a[i if layout == DIAGONAL else 0] * first[i]
    for i in range(d):
        first[i] = turned[i] + count * b[i]


cdef inline void shift_second(
    Layout layout, Py_ssize_t d, const double* b, const double* turned, double count,
    double* second,                                # IN, OUT + a f bᵀ + b (a f)ᵀ + n b bᵀ
) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef double total = 0
    for i in range(d):
        if layout == FULL or layout == TIED:
            for j in range(i + 1):
                second[i * d + j] += turned[i] * b[j] + b[i] * turned[j] + count * b[i] * b[j]
        elif layout == DIAGONAL:
            second[i] += (2 * turned[i] + count * b[i]) * b[i]
        else:
            total += (2 * turned[i] + count * b[i]) * b[i]
    if layout == SPHERICAL:
        second[0] += total / d


cdef inline void turn_second(
    Layout layout, Py_ssize_t d, const double* a, double* scratch,
    double* second,                                # IN, OUT a second aᵀ
) noexcept nogil:
    cdef Py_ssize_t j
    if layout == FULL or layout == TIED:
        conjugate(a, d, scratch, second)
    else:
        for j in range(d if layout == DIAGONAL else 1):
            second[j] *= a[j] * a[j]


cdef inline void open_second(
    Layout layout, const double* packed, double count, Py_ssize_t d, double* second,
) noexcept nogil:
    cdef Py_ssize_t j
    if layout == FULL or layout == TIED:
        unpack(packed, count, d, second)
    else:
        for j in range(d if layout == DIAGONAL else 1):
            second[j] = packed[j] + count


cdef inline void close_second(
    Layout layout, const double* second, double count, Py_ssize_t d, double* packed,
) noexcept nogil:
    cdef Py_ssize_t j
    if layout == FULL or layout == TIED:
        pack(second, count, d, packed)
    else:
        for j in range(d if layout == DIAGONAL else 1):
            packed[j] = second[j] - count


cdef inline void carry(
    const State* state, Py_ssize_t m, const double* a, const double* shifts,      # IN z' = a z + b_k
    bint difference,                               # IN of two states
    double* vector,                                # IN, OUT in the old frame, then in the new
) noexcept nogil:
    """Bring the components of matrix `m` (one of them, or all that share it) of a state into another frame."""
    cdef double count = counted(state, vector, m) + (0 if difference else state.for_covariance)
    open_second(state.family.layout, packed_of(state, vector, m), count, state.family.d, state.matrices)
    turn(state, m, a, shifts, difference, vector)


cdef inline void turn(
    const State* state, Py_ssize_t m, const double* a, const double* shifts, bint difference,
    double* vector,                                # IN, OUT; second moments are IN in `state.matrices`
) noexcept nogil:
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, k, first = 0 if layout == TIED else m
    cdef double* second = state.matrices
    cdef double* turned = second + n_second(layout, 1, d)
    cdef double believed = 0 if difference else state.for_mean, count
    turn_second(layout, d, a, turned, second)
    for k in range(first, K if layout == TIED else m + 1):
        count = vector[k] + believed
        shift_first(layout, d, a, shifts + k * d, count, turned, vector + K + k * d)
        shift_second(layout, d, shifts + k * d, turned, count, second)
    count = counted(state, vector, m) + (0 if difference else state.for_covariance)
    close_second(layout, second, count, d, packed_of(state, vector, m))


cdef inline void invert_whiteners(
    const State* state, const Estimate* mixture,
    double* roots,                                 # OUT W⁻¹
) noexcept nogil:
    cdef Py_ssize_t d = state.family.d, m, i, j, r
    cdef const double* whitener
    cdef double* root
    cdef double total
    if state.family.layout == DIAGONAL or state.family.layout == SPHERICAL:
        for i in range(n_second(state.family.layout, state.family.K, d)):
            roots[i] = 1 / mixture.whiteners[i]
        return
    for m in range(n_matrices(state.family.layout, state.family.K)):
        whitener, root = mixture.whiteners + m * d * d, roots + m * d * d
        if d > WIDEST_BY_HAND:
            memcpy(root, whitener, d * d * sizeof(double))
            invert_lower(root, d)
            continue
        memset(root, 0, d * d * sizeof(double))
        for i in range(d):
            for r in range(i):
                total = whitener[i * d + r]
                for j in range(r + 1):
                    root[i * d + j] -= total * root[r * d + j]
            root[i * d + i] = 1
            for j in range(i + 1):
                root[i * d + j] /= whitener[i * d + i]


cdef inline void multiply_triangles(
    const double* a, const double* b, Py_ssize_t d,        # IN (d, d), lower
    double* product,                               # OUT
) noexcept nogil:
    cdef Py_ssize_t i, j, r
    if d > WIDEST_BY_HAND:
        memcpy(product, b, d * d * sizeof(double))
        multiply_by_lower(a, product, d, d, d)
        return
    memset(product, 0, d * d * sizeof(double))
    for i in range(d):
        for r in range(i + 1):
            for j in range(r + 1):
                product[i * d + j] += a[i * d + r] * b[r * d + j]


cdef inline void whiten_step(
    Layout layout, const double* whitener, const double* to, const double* origin, Py_ssize_t d,   # IN
    double* out,                                   # OUT (d,) W (to − origin)
) noexcept nogil:
    cdef Py_ssize_t i, j
    for i in range(d):
        if layout == FULL or layout == TIED:
            out[i] = 0
            for j in range(i + 1):
                out[i] += whitener[i * d + j] * (to[j] - origin[j])
        else:
            out[i] = whitener[i if layout == DIAGONAL else 0] * (to[i] - origin[i])


cdef inline void move_frame(
    State* state, const Estimate* mixture,         # IN the new frame
    double* change,                                # scratch (d, d)
) noexcept nogil:
    """Bring all that is remembered from the frame of `best` into that of `mixture`."""
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, size = whitener_size(layout, d), k, m, i
    cdef const double* whitener
    for k in range(K):
        whiten_step(layout, mixture.whiteners + k * size, state.best.means + k * d, mixture.means + k * d, d,
                    state.shifts + k * d)
    for m in range(n_matrices(layout, K)):
        whitener = mixture.whiteners + m * size
        if layout == FULL or layout == TIED:
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
    const State* state, const Moments* moments, const Estimate* frame,     # IN the first with those of the prior
    double* vector,                                # OUT the state in the frame
) noexcept nogil:
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, size = whitener_size(layout, d), k, m, i
    cdef Py_ssize_t whole = n_second(layout, 1, d)
    cdef double weight = moments.weight
    for k in range(K):
        vector[k] = moments.counts[k] / weight
        whiten_step(layout, frame.whiteners + k * size, moments.origins + k * d, frame.means + k * d, d,
                    state.shifts + k * d)
        for i in range(d):
            vector[K + k * d + i] = moments.first[k * d + i] / weight
    for m in range(n_matrices(layout, K)):
        for i in range(whole):
            state.matrices[i] = moments.second[m * whole + i] / weight
        turn(state, m, frame.whiteners + m * size, state.shifts, False, vector)


cdef inline void to_moments(
    const State* state, const double* vector, double weight,
    Moments* moments,                              # OUT about the frame's means, with those of the prior
) noexcept nogil:
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, size = whitener_size(layout, d), j, k, m
    cdef Py_ssize_t whole = n_second(layout, 1, d)
    cdef double* second = moments.second
    cdef double count
    memcpy(moments.origins, state.best.means, K * d * sizeof(double))
    moments.weight = weight
    memset(state.shifts, 0, d * sizeof(double))
    for k in range(K):
        moments.counts[k] = weight * vector[k]
        memcpy(moments.first + k * d, vector + K + k * d, d * sizeof(double))
        shift_first(layout, d, state.roots + k * size, state.shifts, 0, state.matrices, moments.first + k * d)
        for j in range(d):
            moments.first[k * d + j] *= weight
    for m in range(n_matrices(layout, K)):
        count = counted(state, vector, m) + state.for_covariance
        open_second(layout, packed_of(state, <double*>vector, m), count, d, second)
        turn_second(layout, d, state.roots + m * size, state.matrices, second)
        for j in range(whole):
            second[j] *= weight
        if layout == FULL or layout == TIED:
            mirror(second, d)
        second += whole


cdef inline void state_of_mixture(
    const State* state, const Estimate* mixture,
    double* vector,                                # OUT the state that the mixture is the update of, in its own frame
) noexcept nogil:
    """Counts π_k about the means, and covariances without the ridge: H = −π λ W Wᵀ."""
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, size = n_second(layout, 1, d), i, j, m
    cdef Py_ssize_t packed = packed_size(layout, d)
    cdef const double* whitener
    cdef double* second = vector + K * (1 + d)
    cdef double* product = state.matrices
    cdef double noise
    memset(vector, 0, state.size * sizeof(double))
    memcpy(vector, mixture.weights, K * sizeof(double))
    for m in range(n_matrices(layout, K)):
        whitener = mixture.whiteners + m * size
        noise = counted(state, vector, m) * state.family.ridge
        if layout == FULL or layout == TIED:
            for i in range(d):
                for j in range(d):
                    product[i * d + j] = -noise * whitener[j * d + i]
            multiply_by_lower(whitener, product, d, d, d)
            pack(product, 0, d, second)
        else:
            for i in range(size):
                second[i] = -noise * whitener[i] * whitener[i]
        second += packed


cdef inline void moments_of_mixture(
    const State* state, const Estimate* mixture,   # IN
    Moments* moments,                              # IN counts and origins, OUT those that the mixture is the update of
) noexcept nogil:
    """First moments by the means, second ones by the covariances without the ridge, with those of the prior."""
    cdef const Family* family = &state.family
    cdef Layout layout = family.layout
    cdef Py_ssize_t K = family.K, d = family.d, size = n_second(layout, 1, d), i, j, k, m
    cdef double shrinkage = 0 if family.prior.mean == NULL else family.prior.shrinkage, count = 0, rows
    for k in range(K):
        count = moments.counts[k] if layout != TIED else count + moments.counts[k]
        rows = moments.counts[k] + shrinkage
        for j in range(d):
            moments.first[k * d + j] = rows * (mixture.means[k * d + j] - moments.origins[k * d + j])
        if layout == TIED and k < K - 1:
            continue
        m = 0 if layout == TIED else k
        for i in range(size):
            moments.second[m * size + i] = divisor(family, count) * mixture.covariances[m * size + i]
            if size <= d or i % (d + 1) == 0:
                moments.second[m * size + i] -= count * family.ridge
    for k in range(K):
        m = 0 if layout == TIED else k
        for j in range(d):                         # minus the step, so that its square is added
            state.shifts[j] = -moments.first[k * d + j] / max(moments.counts[k] + shrinkage, DBL_MIN)
        subtract_outer(layout, d, moments.first + k * d, state.shifts, moments.second + m * size)
    mirror_all(layout, K, d, moments.second)


cdef inline void add_prior_rows(
    const State* state, double factor,             # IN 1, or −1 to take them off
    Moments* moments,                              # IN, OUT
) noexcept nogil:
    """Add κ (m − o_k) to first moments, κ (m − o_k)(m − o_k)ᵀ + Λ to second ones; counts have none."""
    cdef const Prior* prior = &state.family.prior
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, size = n_second(layout, 1, d), i, j, k, m
    cdef double* step = state.shifts
    cdef double* minus = state.matrices
    for m in range(n_matrices(layout, K)):
        for i in range(size):
            moments.second[m * size + i] += factor * prior.scale[i]
    for k in range(K):
        for j in range(d):
            step[j] = prior.mean[j] - moments.origins[k * d + j]
            minus[j] = -factor * prior.shrinkage * step[j]
            moments.first[k * d + j] -= minus[j]
        subtract_outer(layout, d, step, minus, moments.second + (0 if layout == TIED else k * size))
    mirror_all(layout, K, d, moments.second)


cdef inline void mirror_all(Layout layout, Py_ssize_t K, Py_ssize_t d, double* second) noexcept nogil:
    cdef Py_ssize_t m
    for m in range(n_matrices(layout, K) if layout == FULL or layout == TIED else 0):
        mirror(second + m * d * d, d)


cdef inline double inner(const State* state, const double* a, const double* b) noexcept nogil:
    """⟨a, b⟩ in the metric of the complete data's Fisher information, the prior's in it."""
    cdef Py_ssize_t K = state.family.K, d = state.family.d, k, m, packed = packed_size(state.family.layout, d)
    cdef const double* weights = state.best.weights
    cdef double for_mean = state.for_mean, for_covariance = state.for_covariance, total = 0, first, second
    for k in range(K):
        first = product_sum(a + K + k * d, b + K + k * d, d)
        if for_mean > 0:
            first *= weights[k] / (weights[k] + for_mean)
        total += (a[k] * b[k] + first) / weights[k]
    a += K * (1 + d)
    b += K * (1 + d)
    for m in range(n_matrices(state.family.layout, K)):
        second = inner_second(state.family.layout, d, a + m * packed, b + m * packed)
        total += second / ((1 if state.family.layout == TIED else weights[m]) + for_covariance)
    return total


cdef inline double inner_second(Layout layout, Py_ssize_t d, const double* a, const double* b) noexcept nogil:
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
