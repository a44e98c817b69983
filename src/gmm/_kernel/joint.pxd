"""One component of a state of factors, in the state itself, and how it goes into other coordinates.

`factor_frame.pxd` describes the numbers.
"""
from libc.math cimport M_SQRT2, isfinite, sqrt
from libc.string cimport memcpy

from gmm._kernel.cholesky cimport invert_dense
from gmm._kernel.family cimport NoisePrior
from gmm._kernel.low_rank cimport product
from gmm._kernel.solver_state cimport State, packed_of
from gmm._kernel.triangles cimport invert_triangle


cdef struct Joint:
    # The numbers of one component in a state: it and, without units, its rows.
    double count
    double* features            # (d,) Σ r e
    double* squares             # (d,) Σ r e²
    double* products            # (q, d) Σ r p eᵀ
    double* factors             # (q,) Σ r p
    double* gram                # (q, q) Σ r p pᵀ


cdef struct Change:
    # Other coordinates: p' = turn p + shift, then e' = scale e + slopesᵀ p' + step.
    double* turn                # (q, q)
    double* shift               # (q,)
    double* scale               # (d,)
    double* slopes              # (q, d)
    double* step                # (d,)
    double* row                 # (d,) scratch
    double* rows                # (q, d) scratch
    # From a state: the mean a of its factors, and h and h⁻¹ of their covariance h hᵀ.
    double* mean                # (q,)
    double* root                # (q, q)
    double* inverse             # (q, q)


cdef inline Change change_in(const State* state) noexcept nogil:
    cdef Py_ssize_t d = state.family.d, q = state.family.n_factors
    cdef Change change
    change.rows = state.matrices
    change.slopes = change.rows + q * d
    change.scale = change.slopes + q * d
    change.step = change.scale + d
    change.row = change.step + d
    change.turn = change.row + d
    change.root = change.turn + q * q
    change.inverse = change.root + q * q
    change.shift = change.inverse + q * q
    change.mean = change.shift + q
    return change


# --------------------------------------------------------------------------------------------- units

cdef inline double prior_rows(const State* state) noexcept nogil:
    """Rows of the noise's prior, per unit weight."""
    cdef const NoisePrior* prior = &state.family.objective.factor_noise
    return prior.rows / state.held.weight if prior.rows > 0 else 0


cdef inline Joint load_joint(
    const State* state, Py_ssize_t k, bint difference,     # IN of two states
    double* vector,                                # IN, OUT one component without its units
) noexcept nogil:
    cdef Py_ssize_t K = state.family.K, d = state.family.d, q = state.family.n_factors
    cdef Joint joint
    joint.features = vector + K + k * d
    joint.squares = packed_of(state, vector, k)
    joint.products = joint.squares + d
    joint.factors = joint.products + q * d
    joint.gram = joint.factors + q
    set_units(state, state.frame.weights[k], False, vector + k, &joint)
    joint.count = vector[k]
    add_identity(state, joint.count + (0 if difference else state.covariance_rows), &joint)
    return joint


cdef inline void store_joint(
    const State* state, Py_ssize_t k, double weight,       # IN of the frame that has it
    bint difference, Joint* joint, double* vector,
) noexcept nogil:
    """Undo `load_joint`; where noise is the same in all features, only the sum of the squares matters."""
    cdef Py_ssize_t d = state.family.d, j
    cdef double mean = 0
    vector[k] = joint.count
    for j in range(d if state.family.constraint.isotropic else 0):
        mean += joint.squares[j] / d
    for j in range(d if state.family.constraint.isotropic else 0):
        joint.squares[j] = mean
    add_identity(state, -(joint.count + (0 if difference else state.covariance_rows)), joint)
    set_units(state, weight, True, vector + k, joint)


cdef inline void add_identity(const State* state, double factor, Joint* joint) noexcept nogil:
    cdef Py_ssize_t q = state.family.n_factors, i
    for i in range(state.family.d):
        joint.squares[i] += factor
    for i in range(q):
        joint.gram[i * q + i] += factor


cdef inline void set_units(
    const State* state, double weight, bint inverse, double* count, Joint* joint,
) noexcept nogil:
    """Multiply by the units of numbers, or by their inverses."""
    cdef Py_ssize_t d = state.family.d, q = state.family.n_factors
    cdef double of_count = sqrt(weight + state.weight_rows), of_mean = sqrt(weight + state.mean_rows)
    cdef double of_product = sqrt(weight + state.covariance_rows)
    cdef double of_square = M_SQRT2 * sqrt(weight + state.covariance_rows + prior_rows(state))
    cdef double of_gram = M_SQRT2 * of_product     # both triangles
    if inverse:
        of_count, of_mean, of_product = 1 / of_count, 1 / of_mean, 1 / of_product
        of_square, of_gram = 1 / of_square, 1 / of_gram
    count[0] *= of_count
    multiply(of_mean, d, joint.features)
    multiply(of_square, d, joint.squares)
    multiply(of_product, q * d, joint.products)
    multiply(of_mean, q, joint.factors)
    multiply(of_gram, q * q, joint.gram)


cdef inline void multiply(double factor, Py_ssize_t n, double* values) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        values[i] *= factor


# --------------------------------------------------------------------------------------- coordinates

cdef inline void transform_joint(
    Py_ssize_t q, Py_ssize_t d, const Change* change, double rows,     # IN rows that first moments count
    Joint* joint,                                  # IN, OUT in other coordinates
) noexcept nogil:
    turn_factors(q, d, change, rows, joint)
    move_features(q, d, change, rows, joint)


cdef inline void turn_factors(
    Py_ssize_t q, Py_ssize_t d, const Change* change, double rows, Joint* joint,
) noexcept nogil:
    """p' = turn p + shift."""
    cdef Py_ssize_t i, j, m
    cdef double* turned = change.rows              # (q,) and (q, q), once products are done with it
    cdef double* row
    cdef double factor
    memcpy(change.rows, joint.products, q * d * sizeof(double))
    for i in range(q):
        row, factor = joint.products + i * d, change.shift[i]
        for j in range(d):
            row[j] = factor * joint.features[j]
        for m in range(q):
            factor = change.turn[i * q + m]
            for j in range(d):
                row[j] += factor * change.rows[m * d + j]
    for i in range(q):
        turned[i] = product(change.turn + i * q, joint.factors, q)
        for j in range(q):
            turned[q + i * q + j] = product(change.turn + i * q, joint.gram + j * q, q)
    for i in range(q):
        joint.factors[i] = turned[i] + rows * change.shift[i]
        for j in range(q):
            joint.gram[i * q + j] = (product(turned + q + i * q, change.turn + j * q, q) + turned[i] * change.shift[j]
                                     + change.shift[i] * joint.factors[j])
    for i in range(q):
        for j in range(i):
            joint.gram[j * q + i] = joint.gram[i * q + j]


cdef inline void move_features(
    Py_ssize_t q, Py_ssize_t d, const Change* change, double rows, Joint* joint,
) noexcept nogil:
    """e' = scale e + slopesᵀ p + step."""
    cdef Py_ssize_t i, j, m
    cdef const double* slopes
    cdef double* row
    cdef double* added = change.row
    cdef double factor
    for j in range(d):
        joint.squares[j] = (change.scale[j] * change.scale[j] * joint.squares[j]
                            + change.step[j] * (2 * change.scale[j] * joint.features[j] + rows * change.step[j]))
        joint.features[j] = change.scale[j] * joint.features[j] + rows * change.step[j]
    for i in range(q):
        row, slopes, factor = joint.products + i * d, change.slopes + i * d, joint.factors[i]
        for j in range(d):
            row[j] *= change.scale[j]
            added[j] = factor * change.step[j]
            joint.features[j] += factor * slopes[j]
        for m in range(q):
            factor = joint.gram[i * q + m]
            for j in range(d):
                added[j] += factor * change.slopes[m * d + j]
        factor = joint.factors[i]
        for j in range(d):
            joint.squares[j] += slopes[j] * (2 * row[j] + added[j] + factor * change.step[j])
            row[j] += added[j]


cdef inline bint measure_factors(
    const State* state, const Joint* joint, Change* change,        # OUT a, h and h⁻¹
) noexcept nogil:
    """Return whether the covariance of the factors is positive definite."""
    cdef Py_ssize_t q = state.family.n_factors, i, j
    cdef double rows = joint.count + state.mean_rows, spread = joint.count + state.covariance_rows
    for i in range(q):
        change.mean[i] = joint.factors[i] / rows
        for j in range(q):
            change.inverse[i * q + j] = (joint.gram[i * q + j] - change.mean[i] * joint.factors[j]) / spread
    if not isfinite(invert_dense(change.inverse, q)):
        return False
    invert_triangle(change.inverse, q, change.root)
    return True


cdef inline void add_turned_loadings(
    Py_ssize_t q, Py_ssize_t d, const Change* change, const double* loadings,      # IN (q, d)
    double* out,                                   # IN, OUT (q, d) += hᵀ Λᵀ
) noexcept nogil:
    cdef Py_ssize_t i, j, m
    cdef double factor
    for i in range(q):
        for m in range(i, q):
            factor = change.root[m * q + i]
            for j in range(d):
                out[i * d + j] += factor * loadings[m * d + j]
