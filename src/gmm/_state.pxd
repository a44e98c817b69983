"""What an accelerated climb remembers, in one buffer."""
from gmm._linear cimport DIAGONAL, FULL, TIED, Layout, n_second
from gmm._moments cimport Moments, moments_in, moments_size
from gmm._update cimport Estimate, Family, Prior, divisor, estimate_in, estimate_size, room_for_update
from gmm._whitener cimport n_matrices

cdef enum:
    MEMORY = 5                # secants


cdef struct State:
    Family family
    Py_ssize_t size             # numbers in a state
    double tolerance
    bint thorough               # see `project`
    # Mixtures: the accepted one, which is the frame; EM's next; a trial; and which of the two is measured next.
    Estimate best
    Estimate plain
    Estimate trial
    bint trying
    Moments held                # of the accepted pass
    Moments tried               # of the trial, about the frame's means
    double for_mean             # rows, per unit weight, that the prior is worth for every mean, …
    double for_covariance       # … and for every covariance, or for the one of all components
    double* roots               # W_k⁻¹ of the frame, in the shape of the whiteners
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
    double rounding                # … and how far rounding may have put it off
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

cdef inline Py_ssize_t packed_size(Layout layout, Py_ssize_t d) noexcept nogil:
    if layout == FULL or layout == TIED:
        return d * (d + 1) // 2
    return d if layout == DIAGONAL else 1


cdef inline Py_ssize_t state_size(Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    return K * (1 + d) + n_matrices(layout, K) * packed_size(layout, d)


cdef inline Py_ssize_t room_for_matrices(Layout layout, Py_ssize_t d) noexcept nogil:
    """Second moments of one component, and what is made of them or of its first ones."""
    cdef Py_ssize_t size = n_second(layout, 1, d)
    return size + max(size, d)


cdef inline Py_ssize_t room_for_state(const Family* family) noexcept nogil:
    cdef Layout layout = family.layout
    cdef Py_ssize_t K = family.K, d = family.d
    return (3 * estimate_size(layout, K, d) + 2 * moments_size(layout, K, d) + n_second(layout, K, d)
            + (5 + 2 * MEMORY) * state_size(layout, K, d) + room_for_matrices(layout, d) + K * d
            + room_for_update(family))


cdef inline void lay_out(State* state, double* room) noexcept nogil:
    """Point into the room, whose layout follows from the shape alone."""
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, size = state_size(layout, K, d)
    cdef Py_ssize_t estimate = estimate_size(layout, K, d), moments = moments_size(layout, K, d)
    state.size = size
    state.best = estimate_in(room, layout, K, d)
    state.plain = estimate_in(room + estimate, layout, K, d)
    state.trial = estimate_in(room + 2 * estimate, layout, K, d)
    room += 3 * estimate
    state.held = moments_in(room, K, d)
    state.tried = moments_in(room + moments, K, d)
    state.roots = room + 2 * moments
    room = state.roots + n_second(layout, K, d)
    state.here = room
    state.residual = room + size
    state.move = room + 2 * size
    state.direction = room + 3 * size
    state.work = room + 4 * size
    state.steps = room + 5 * size
    state.changes = state.steps + MEMORY * size
    state.matrices = state.changes + MEMORY * size
    state.shifts = state.matrices + room_for_matrices(layout, d)
    state.scratch = state.shifts + K * d


cdef inline double* packed_of(const State* state, double* vector, Py_ssize_t m) noexcept nogil:
    return vector + state.family.K * (1 + state.family.d) + m * packed_size(state.family.layout, state.family.d)


cdef inline double counted(const State* state, const double* vector, Py_ssize_t m) noexcept nogil:
    """The count of the components of matrix `m`."""
    cdef Py_ssize_t k
    cdef double total = 0
    if state.family.layout != TIED:
        return vector[m]
    for k in range(state.family.K):
        total += vector[k]
    return total


cdef inline void weigh(State* state, double weight) noexcept nogil:
    """Take in the weight of all rows, which tells what the prior is worth beside them."""
    cdef const Prior* prior = &state.family.prior
    state.held.weight = weight
    state.for_mean = 0 if prior.mean == NULL else prior.shrinkage / weight
    state.for_covariance = 0 if prior.mean == NULL else divisor(&state.family, 0) / weight
