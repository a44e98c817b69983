"""The state of the accelerated solver: mixtures, moments and secants, in one buffer."""
from gmm._kernel.estimate cimport Estimate, estimate_in, estimate_size
from gmm._kernel.layout cimport Layout, matrix_count, matrix_size, n_matrices, packed_size, total_size
from gmm._kernel.moments cimport Moments, moments_in, moments_size
from gmm._kernel.objective cimport rows_per_covariance, rows_per_mean, rows_per_weight
from gmm._kernel.update cimport Family, room_for_update

cdef enum:
    MEMORY = 5                # secants


cdef struct State:
    Family family
    Py_ssize_t size             # numbers in a state
    double tolerance
    bint confirm_stop           # see `projected_gain`
    # Mixtures: the accepted one, which is the frame; EM's next; a trial; and which of the two is measured next.
    Estimate best
    Estimate plain
    Estimate trial
    bint trying
    Moments held                # of the accepted pass
    Moments tried               # of the trial, about the frame's means
    double mean_rows            # that the objective adds for each mean, per unit weight, …
    double covariance_rows      # … and for each covariance, or for the one of all components
    double weight_rows          # … and for each weight
    double* roots               # W_k⁻¹ of the frame, stored as the whiteners
    double* here                # the accepted state
    double* residual            # f = G(here) − here
    double* move                # to the state that is measured next
    double* direction           # the quasi-Newton step
    double* work
    double* steps               # (MEMORY, size), the oldest first
    double* changes             # (MEMORY, size) of −f along them
    double* matrices            # scratch: see `room_for_matrices`
    double* shifts              # scratch (K, d)
    double* scratch             # of an update
    int n_pairs
    Py_ssize_t n_passes
    double radius
    double objective            # of the accepted pass, …
    double rounding             # … and how far rounding may have put it off
    double[3] gains             # the last, the one before, …
    int n_gains
    int since_negative
    int streak
    double newton               # ½⟨f, direction⟩, the projected gain of the quasi-Newton step
    double remaining            # projected remaining gain, nats per unit weight
    double fall                 # of the objective in a step of EM's own that was taken back; 0: none was
    bint converged
    bint stuck                  # an update needs help


# --------------------------------------------------------------------------------------------- room

cdef inline Py_ssize_t state_size(Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    return K * (1 + d) + n_matrices(layout, K) * packed_size(layout, d)


cdef inline Py_ssize_t room_for_matrices(Layout layout, Py_ssize_t d) noexcept nogil:
    """Room for one matrix of second moments, and for a product of it or of first moments."""
    cdef Py_ssize_t size = matrix_size(layout, d)
    return size + max(size, d)


cdef inline Py_ssize_t room_for_state(const Family* family) noexcept nogil:
    """Doubles that `lay_out` points into."""
    cdef Layout layout = family.covariance_layout, moments = family.moment_layout
    cdef Py_ssize_t K = family.K, d = family.d
    return (3 * estimate_size(layout, K, d) + 2 * moments_size(moments, K, d) + total_size(layout, K, d)
            + (5 + 2 * MEMORY) * state_size(moments, K, d) + room_for_matrices(moments, d) + K * d
            + room_for_update(family))


cdef inline void lay_out(State* state, double* room) noexcept nogil:
    """Point into the room; where, depends on layouts and shape alone, so pickles hold the whole of it."""
    cdef Layout layout = state.family.covariance_layout, moment_layout = state.family.moment_layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, size = state_size(moment_layout, K, d)
    cdef Py_ssize_t estimate = estimate_size(layout, K, d), moments = moments_size(moment_layout, K, d)
    state.size = size
    state.best = estimate_in(room, layout, K, d)
    state.plain = estimate_in(room + estimate, layout, K, d)
    state.trial = estimate_in(room + 2 * estimate, layout, K, d)
    room += 3 * estimate
    state.held = moments_in(room, K, d)
    state.tried = moments_in(room + moments, K, d)
    state.roots = room + 2 * moments
    room = state.roots + total_size(layout, K, d)
    state.here = room
    state.residual = room + size
    state.move = room + 2 * size
    state.direction = room + 3 * size
    state.work = room + 4 * size
    state.steps = room + 5 * size
    state.changes = state.steps + MEMORY * size
    state.matrices = state.changes + MEMORY * size
    state.shifts = state.matrices + room_for_matrices(moment_layout, d)
    state.scratch = state.shifts + K * d


cdef inline double* packed_of(const State* state, double* vector, Py_ssize_t m) noexcept nogil:
    """Return where a state vector holds the second moments of matrix m."""
    cdef Py_ssize_t K = state.family.K, d = state.family.d
    return vector + K * (1 + d) + m * packed_size(state.family.moment_layout, d)


cdef inline double count_of(const State* state, const double* vector, Py_ssize_t m) noexcept nogil:
    """Sum the counts of the components of matrix m in a state vector."""
    return matrix_count(state.family.moment_layout, state.family.K, vector, m)


cdef inline void set_weight(State* state, double weight) noexcept nogil:
    """Take in the weight of all rows, and scale the objective's own rows by it."""
    cdef double mean_rows = rows_per_mean(&state.family.objective)
    cdef double covariance_rows = rows_per_covariance(&state.family.objective)
    cdef double weight_rows = rows_per_weight(&state.family.objective)
    state.held.weight = weight
    # No rows are 0 per weight before the first pass too, when the weight is 0.
    state.mean_rows = mean_rows / weight if mean_rows > 0 else 0
    state.covariance_rows = covariance_rows / weight if covariance_rows > 0 else 0
    state.weight_rows = weight_rows / weight if weight_rows > 0 else 0
