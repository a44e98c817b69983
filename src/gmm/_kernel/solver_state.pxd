"""The state of the accelerated solver: mixtures, moments and secants, in one buffer."""
from gmm._kernel.estimate cimport Estimate, estimate_in, estimate_size
from gmm._kernel.family cimport EACH_DEGREES, SHARED_DEGREES, Family, FreeTails
from gmm._kernel.layout cimport (
    Layout,
    is_low_rank,
    matrix_count,
    matrix_size,
    n_factors,
    n_matrices,
    packed_size,
    total_size,
)
from gmm._kernel.moments cimport Moments, moments_in, moments_size

cdef enum:
    MEMORY = 5                # secants


cdef struct Frame:
    # Coordinates of states, for each matrix those of a mixture that was accepted when the matrix was last moved.
    double* weights             # (K,)
    double* means               # (K, d)
    double* whiteners           # as their layout stores them
    double* roots               # their inverses, likewise; in low rank, the covariances
    double* log_determinants    # of the whiteners: (K,) or (1,)
    double* tails               # (K,)


cdef struct State:
    Family family
    Py_ssize_t size             # numbers in a state
    double tolerance
    bint confirm_stop           # see `projected_gain`
    # Mixtures: the accepted one; EM's next; a trial; and which of the two is measured next.
    Estimate best
    Estimate plain
    Estimate trial
    bint trying
    Frame frame                 # near the accepted mixture: see `follow`
    Moments held                # of the accepted pass
    Moments tried               # of the trial, about the frame's means
    double mean_rows            # that the objective adds for each mean, per unit weight, …
    double covariance_rows      # … and for each covariance, or for the one of all components
    double weight_rows          # … and for each weight
    double* direction           # the quasi-Newton step
    double* work
    double* here                # the accepted state; it and what follows is remembered
    double* residual            # f = G(here) − here
    double* move                # to the state that is measured next
    double* secants             # (MEMORY, 2, size): steps, the oldest first, and the changes of −f along them
    double* matrices            # scratch: see `matrices_workspace_size`
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
    bint merging                # the trial is a merge: see `merging.pxd`
    bint last_merges            # the run ends unless one of the merges that are left raises the bound
    int merge_wait              # accepted passes until the next one
    int merge_failures          # since one was accepted
    double merge_limit          # the next one promises less: those that promised more have failed
    double merge_objective      # of the last pass of the one that is tried
    double newton               # ½⟨f, direction⟩, the projected gain of the quasi-Newton step
    double remaining            # projected remaining gain, nats per unit weight
    double fall                 # of the objective in a step of EM's own that was taken back; 0: none was
    bint converged
    bint stuck                  # an update needs help


# ------------------------------------------------------------------------------------------- buffer

cdef inline Py_ssize_t n_free_tails(const Family* family) noexcept nogil:
    """Degrees of freedom that are estimated."""
    cdef FreeTails free = family.objective.free_tails
    return family.K if free == EACH_DEGREES else 1 if free == SHARED_DEGREES else 0


cdef inline Py_ssize_t state_size(const Family* family) noexcept nogil:
    cdef Layout layout = family.layout
    return (family.K * (1 + family.d) + n_matrices(layout, family.K) * packed_size(layout, family.d)
            + n_free_tails(family))


cdef inline Py_ssize_t matrices_workspace_size(Layout layout, Py_ssize_t d) noexcept nogil:
    """Doubles for a matrix of second moments, and for a product of it or of first moments; in low rank, a `Change`."""
    cdef Py_ssize_t size = matrix_size(layout, d), q = n_factors(layout)
    return size + max(size, d) + (d + q * (3 * q + 2) if is_low_rank(layout) else 0)


cdef inline Py_ssize_t mixtures_size(const Family* family) noexcept nogil:
    """Doubles of the mixtures and moments, with which the buffer starts."""
    cdef Py_ssize_t K = family.K, d = family.d
    return 3 * estimate_size(family.layout, K, d) + 2 * moments_size(family.layout, K, d)


cdef inline Py_ssize_t frame_size(const Family* family) noexcept nogil:
    cdef Layout layout = family.layout
    cdef Py_ssize_t K = family.K, d = family.d
    return K * (2 + d) + 2 * total_size(layout, K, d) + n_matrices(layout, K)


cdef inline Py_ssize_t state_buffer_size(const Family* family, Py_ssize_t update) noexcept nogil:
    """Doubles that `lay_out` points into, with so many for an update."""
    cdef Py_ssize_t K = family.K, d = family.d
    return (mixtures_size(family) + frame_size(family)
            + (5 + 2 * MEMORY) * state_size(family)
            + matrices_workspace_size(family.layout, d) + K * d + update)


cdef inline void lay_out(State* state, double* buffer) noexcept nogil:
    """Point into the buffer, at places that depend on layouts and shape alone, as pickles need."""
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, size = state_size(&state.family)
    cdef Py_ssize_t estimate = estimate_size(layout, K, d), moments = moments_size(layout, K, d)
    state.size = size
    state.best = estimate_in(buffer, layout, K, d)
    state.plain = estimate_in(buffer + estimate, layout, K, d)
    state.trial = estimate_in(buffer + 2 * estimate, layout, K, d)
    buffer += 3 * estimate
    state.held = moments_in(buffer, K, d)
    state.tried = moments_in(buffer + moments, K, d)
    state.frame.weights = buffer + 2 * moments
    state.frame.means = state.frame.weights + K
    state.frame.whiteners = state.frame.means + K * d
    state.frame.roots = state.frame.whiteners + total_size(layout, K, d)
    state.frame.log_determinants = state.frame.roots + total_size(layout, K, d)
    state.frame.tails = state.frame.log_determinants + n_matrices(layout, K)
    buffer = state.frame.tails + K
    state.direction = buffer
    state.work = buffer + size
    state.here = buffer + 2 * size
    state.residual = buffer + 3 * size
    state.move = buffer + 4 * size
    state.secants = buffer + 5 * size
    state.matrices = state.secants + 2 * MEMORY * size
    state.shifts = state.matrices + matrices_workspace_size(layout, d)
    state.scratch = state.shifts + K * d


cdef inline Py_ssize_t remembered(Py_ssize_t n_pairs) noexcept nogil:
    """Count the vectors from `here` on."""
    return 3 + 2 * n_pairs


cdef inline Py_ssize_t pickled_size(const State* state, const double* buffer, Py_ssize_t n_pairs) noexcept nogil:
    """Doubles of what lies before the scratch, given the number of secants: a pickle holds no more."""
    return state.here - buffer + remembered(n_pairs) * state.size


cdef inline double* step(const State* state, Py_ssize_t i) noexcept nogil:
    return state.secants + 2 * i * state.size


cdef inline double* change(const State* state, Py_ssize_t i) noexcept nogil:
    """Return the change of −f along step i."""
    return step(state, i) + state.size


cdef inline double* packed_of(const State* state, double* vector, Py_ssize_t m) noexcept nogil:
    """Return where a state vector holds the second moments of matrix m."""
    cdef Py_ssize_t K = state.family.K, d = state.family.d
    return vector + K * (1 + d) + m * packed_size(state.family.layout, d)


cdef inline double* tails_of(const State* state, double* vector) noexcept nogil:
    """Return where a state vector has what decides the degrees of freedom that are estimated."""
    return vector + state.size - n_free_tails(&state.family)


cdef inline double count_of(const State* state, const double* vector, Py_ssize_t m) noexcept nogil:
    """Sum the counts of the components of matrix m in a state vector."""
    return matrix_count(state.family.layout, state.family.K, vector, m)


cdef inline const Estimate* next_mixture(const State* state) noexcept nogil:
    """Return the mixture that the next pass measures."""
    return &state.trial if state.trying or state.n_passes == 0 else &state.plain
