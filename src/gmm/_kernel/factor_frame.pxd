"""States of the accelerated solver and their coordinates, as in `frame.pxd`, where Ψ_k and Λ_k are stored themselves.

The complete data have free factors, u ~ N(a, R) (Liu, Rubin & Wu 1998): a regular exponential family, in which G(s) − s
is the gradient here too.  In the frame of a mixture, with p = u and e = Ψ^-½ (x − μ − Λu), a state is

    n = Σ r,   Σ r e,   Σ r (e² − 1),   Σ r p eᵀ,   Σ r p,   Σ r (p pᵀ − I),

in units that make the metric a sum of products.  A state determines a and R = h hᵀ as well, though its mixture has
factors v ~ N(0, I): u = a + h v brings the moments of v in a pass back to the state's own factors, and those of one
frame to the next.

A prior's rows of the means are added as in `frame.pxd`; those of the noise, ν with scatter l, are in the metric alone:
a mixture stands for Σ r e² less (l − ν ψ) / ψ.  So is the least noise: a mixture stands for the ψ that it has.
"""
from libc.string cimport memcpy, memset

from gmm._kernel.cholesky cimport invert_dense
from gmm._kernel.estimate cimport Estimate
from gmm._kernel.family cimport NoisePrior, has_noise, rest_of
from gmm._kernel.joint cimport (
    Change,
    Joint,
    add_identity,
    add_turned_loadings,
    change_in,
    load_joint,
    measure_factors,
    multiply,
    prior_rows,
    store_joint,
    transform_joint,
)
from gmm._kernel.layout cimport matrix_size
from gmm._kernel.low_rank cimport bound_noise, product
from gmm._kernel.moments cimport Moments
from gmm._kernel.objective cimport log_offsets, normalise_weights
from gmm._kernel.solver_state cimport State, packed_of, remembered
from gmm._kernel.whitener cimport first_singular, whiten


# ------------------------------------------------------------------------------ states and mixtures

cdef inline void state_of_factors(
    State* state, const Estimate* mixture,
    double* vector,                                # OUT the state that the mixture stands for, in its frame
) noexcept nogil:
    """Make a mixture the frame."""
    cdef Py_ssize_t k
    for k in range(state.family.K):
        place_factors(state, k, mixture, vector)


cdef inline void place_factors(State* state, Py_ssize_t k, const Estimate* mixture, double* vector) noexcept nogil:
    cdef Py_ssize_t K = state.family.K, d = state.family.d, size = matrix_size(state.family.layout, d), j
    cdef const NoisePrior* prior = &state.family.objective.factor_noise
    cdef double weight = state.held.weight, rows = prior_rows(state)
    cdef double* root = state.frame.whiteners + k * size           # ψ^-½ before A
    cdef Joint joint
    state.frame.weights[k] = mixture.weights[k]
    memcpy(state.frame.means + k * d, mixture.means + k * d, d * sizeof(double))
    memcpy(root, mixture.whiteners + k * size, size * sizeof(double))
    memcpy(state.frame.roots + k * size, mixture.covariances + k * size, size * sizeof(double))
    vector[k] = 0
    memset(vector + K + k * d, 0, d * sizeof(double))
    memset(packed_of(state, vector, k), 0, (packed_of(state, vector, 1) - packed_of(state, vector, 0)) * sizeof(double))
    joint = load_joint(state, k, False, vector)
    joint.count = mixture.weights[k]
    add_identity(state, joint.count, &joint)
    for j in range(d if rows > 0 else 0):
        joint.squares[j] += rows - prior.scale[j] / weight * root[j] * root[j]
    store_joint(state, k, state.frame.weights[k], False, &joint, vector)


cdef inline void follow_factors(State* state, const Estimate* mixture) noexcept nogil:
    """Bring the state, which is the mixture's, and the secants into the mixture's frame."""
    cdef Py_ssize_t d = state.family.d, q = state.family.n_factors, i, k
    cdef Change change = change_in(state)
    cdef Joint joint
    cdef double* vector
    for k in range(state.family.K):
        joint = load_joint(state, k, False, state.here)
        measure_factors(state, &joint, &change)
        change_frame(state, k, mixture, &change)
        for i in range(1, remembered(state.n_pairs)):
            vector = state.here + i * state.size
            joint = load_joint(state, k, True, vector)
            transform_joint(q, d, &change, joint.count, &joint)
            store_joint(state, k, mixture.weights[k], True, &joint, vector)
        place_factors(state, k, mixture, state.here)


cdef inline void change_frame(
    const State* state, Py_ssize_t k, const Estimate* mixture, Change* change,     # IN a and h, OUT
) noexcept nogil:
    cdef Py_ssize_t d = state.family.d, q = state.family.n_factors, size = (1 + q) * d, i, j
    cdef const double* before = state.frame.roots + k * size
    cdef const double* whitener = mixture.whiteners + k * size
    memcpy(change.turn, change.inverse, q * q * sizeof(double))
    for i in range(q):
        change.shift[i] = -product(change.inverse + i * q, change.mean, q)
    for i in range(q * d):
        change.slopes[i] = -mixture.covariances[k * size + d + i]
    add_turned_loadings(q, d, change, before + d, change.slopes)
    for j in range(d):
        change.scale[j] = whitener[j] / state.frame.whiteners[k * size + j]
        change.step[j] = state.frame.means[k * d + j] - mixture.means[k * d + j]
        for i in range(q):
            change.step[j] += before[(1 + i) * d + j] * change.mean[i]
            change.slopes[i * d + j] *= whitener[j]
        change.step[j] *= whitener[j]


cdef inline bint after_pass_of_factors(
    State* state, const Moments* moments, const Estimate* measured,    # IN a pass and its mixture
    double* vector,                                # IN the mixture's state, OUT that after the pass
    Estimate* update,                              # OUT
) noexcept nogil:
    """Return whether there is an update."""
    cdef Py_ssize_t d = state.family.d, q = state.family.n_factors, k
    cdef Change change = change_in(state)
    cdef Joint joint
    cdef bint solved = True
    for k in range(state.family.K):
        joint = load_joint(state, k, False, vector)
        solved = measure_factors(state, &joint, &change) and solved
        read_pass(state, k, moments, measured, &change, &joint)
        change_from_pass(state, k, moments, measured, &change)
        transform_joint(q, d, &change, joint.count + state.mean_rows, &joint)
        solved = mixture_of_joint(state, k, &change, &joint, update) and solved
        store_joint(state, k, state.frame.weights[k], False, &joint, vector)
    return complete(state, update) and solved


cdef inline void read_pass(
    const State* state, Py_ssize_t k, const Moments* moments, const Estimate* measured, const Change* change,
    Joint* joint,                                  # OUT of x less the origin, and of y ~ N(B (x − μ), I)
) noexcept nogil:
    cdef Py_ssize_t d = state.family.d, q = state.family.n_factors, size = (1 + q) * d, i, j
    cdef double weight = state.held.weight, count = moments.counts[k] / weight, along
    cdef const double* second = moments.second + k * size
    cdef const double* whitener = measured.whiteners + k * size
    cdef double* projection = change.slopes
    cdef double* apart = change.row                # of the prior's rows
    joint.count = count
    for j in range(d):
        apart[j] = state.family.objective.mean[j] - moments.origins[k * d + j] if state.mean_rows > 0 else 0
        joint.features[j] = moments.first[k * d + j] / weight + state.mean_rows * apart[j]
        joint.squares[j] = second[j] / weight + count * state.family.ridge + state.mean_rows * apart[j] * apart[j]
    for i in range(q):
        for j in range(d):
            projection[i * d + j] = whitener[(1 + i) * d + j] * whitener[j]
        along = state.mean_rows * product(projection + i * d, apart, d)
        for j in range(d):
            joint.products[i * d + j] = (second[(1 + i) * d + j] / weight + along * apart[j]
                                         + count * state.family.ridge * projection[i * d + j])
        joint.factors[i] = product(projection + i * d, joint.features, d)
    for i in range(q):
        for j in range(i + 1):
            joint.gram[i * q + j] = product(joint.products + i * d, projection + j * d, d)
            joint.gram[j * q + i] = joint.gram[i * q + j]
        joint.gram[i * q + i] += count + state.covariance_rows


cdef inline void change_from_pass(
    const State* state, Py_ssize_t k, const Moments* moments, const Estimate* measured,
    Change* change,                                # IN a and h of the mixture's state, OUT from x and y to e and p
) noexcept nogil:
    """As v = L⁻ᵀ y with I + Λᵀ Ψ⁻¹ Λ = L Lᵀ, p = a + h L⁻ᵀ y."""
    cdef Py_ssize_t d = state.family.d, q = state.family.n_factors, size = (1 + q) * d, i, j
    cdef const double* loadings = measured.covariances + k * size + d
    cdef const double* roots = measured.whiteners + k * size
    cdef const double* frame = state.frame.whiteners + k * size
    for i in range(q):
        for j in range(d):
            change.row[j] = loadings[i * d + j] * roots[j] * roots[j]
        for j in range(q):
            change.inverse[i * q + j] = product(change.row, loadings + j * d, d) + (1 if i == j else 0)
    invert_dense(change.inverse, q)
    for i in range(q):
        change.shift[i] = change.mean[i]
        for j in range(q):
            change.turn[i * q + j] = product(change.root + i * q, change.inverse + j * q, q)
    for j in range(d):
        change.scale[j] = frame[j]
        change.step[j] = frame[j] * (moments.origins[k * d + j] - state.frame.means[k * d + j])
        for i in range(q):
            change.slopes[i * d + j] = -frame[j] * state.frame.roots[k * size + (1 + i) * d + j]


cdef inline bint mixture_of_factors(
    State* state,
    double* vector,                                # IN a state, OUT that of its mixture
    Estimate* out,                                 # OUT
) noexcept nogil:
    """Return whether there is a mixture."""
    cdef Change change = change_in(state)
    cdef Joint joint
    cdef bint solved = True
    cdef Py_ssize_t k
    for k in range(state.family.K):
        joint = load_joint(state, k, False, vector)
        solved = mixture_of_joint(state, k, &change, &joint, out) and solved
        store_joint(state, k, state.frame.weights[k], False, &joint, vector)
    return complete(state, out) and solved


cdef inline bint mixture_of_joint(
    State* state, Py_ssize_t k,
    Change* change,                                # scratch
    Joint* joint,                                  # IN, OUT with the squares that the mixture stands for
    Estimate* out,                                 # OUT count, mean and covariance
) noexcept nogil:
    """Regress e on p; return whether that is possible."""
    cdef Py_ssize_t d = state.family.d, q = state.family.n_factors, size = (1 + q) * d, i, j
    cdef const NoisePrior* prior = &state.family.objective.factor_noise
    cdef double weight = state.held.weight, rows = joint.count + state.mean_rows
    cdef double spread = joint.count + state.covariance_rows, own = prior_rows(state)
    cdef const double* frame = state.frame.roots + k * size
    cdef const double* roots = state.frame.whiteners + k * size
    cdef double* noise = out.covariances + k * size
    cdef double* loadings = noise + d
    cdef double* explained = change.row            # of Σ r e²
    cdef double* mean = out.means + k * d
    out.weights[k] = state.tried.counts[k] = weight * joint.count
    if not measure_factors(state, joint, change):
        return False
    regress(q, d, spread, change, joint, loadings)
    for j in range(d):
        explained[j] = joint.features[j] * joint.features[j] / rows
        mean[j] = state.frame.means[k * d + j] + joint.features[j] / (rows * roots[j])
    for i in range(q):
        for j in range(d):
            explained[j] += spread * loadings[i * d + j] * loadings[i * d + j]
            mean[j] += change.mean[i] * frame[(1 + i) * d + j]
            loadings[i * d + j] /= roots[j]
    add_turned_loadings(q, d, change, frame + d, loadings)
    for j in range(d):
        noise[j] = (joint.squares[j] - explained[j]) / spread * frame[j]
    bound_noise(state.family.constraint.isotropic, d, q, state.family.ridge, weight * spread, prior, noise,
                change.step)
    for j in range(d):
        joint.squares[j] = explained[j] + (spread + own) * noise[j] * roots[j] * roots[j]
        if own > 0:
            joint.squares[j] -= prior.scale[j] / weight * roots[j] * roots[j]
    return True


cdef inline void regress(
    Py_ssize_t q, Py_ssize_t d, double spread, const Change* change, const Joint* joint,
    double* out,                                   # OUT (q, d) h⁻¹ Cov(p, e)
) noexcept nogil:
    cdef Py_ssize_t i, j, m
    cdef double factor
    for i in range(q):
        for j in range(d):
            out[i * d + j] = (joint.products[i * d + j] - change.mean[i] * joint.features[j]) / spread
    for i in range(q - 1, -1, -1):                 # the last first: a row needs those before it
        multiply(change.inverse[i * q + i], d, out + i * d)
        for m in range(i):
            factor = change.inverse[i * q + m]
            for j in range(d):
                out[i * d + j] += factor * out[m * d + j]


cdef inline bint complete(
    State* state, Estimate* out,                   # IN counts, means and covariances, OUT
) noexcept nogil:
    """Return whether all covariances are positive definite."""
    cdef Py_ssize_t K = state.family.K, d = state.family.d
    state.tried.weight = state.held.weight
    whiten(state.family.layout, K, d, out.covariances, out.whiteners, out.log_determinants)
    normalise_weights(K, state.held.weight if has_noise(&state.family.objective) else -rest_of(out.weights, K, 0),
                      out.weights)
    log_offsets(&state.family.objective, state.family.layout, K, d, out.weights, out.whiteners,
                out.log_determinants, state.family.ridge, out.tails, out.log_offset)
    return first_singular(out.log_determinants, K) < 0
