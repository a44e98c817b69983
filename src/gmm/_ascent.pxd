"""The accelerated climb between two passes: limited-memory quasi-Newton steps on sufficient statistics.

With s the statistics per unit weight that a mixture's parameters stand for and G(s) those that a pass finds with it,
f = G(s) − s is the gradient of the objective in the natural parameters, and in the metric of the complete data's Fisher
information EM is steepest ascent with step one.  So EM is the preconditioner of a quasi-Newton method that begins with
the identity (Jamshidian & Jennrich 1997; Lange 1995); here with a memory of a few secants (L-BFGS, Nocedal 1980).

A conjugate prior is worth rows: their moments are added to s and to G(s), their number to the metric (`_frame.pxd`).
f is then the gradient of the log posterior density, and a component that loses its rows still feels the prior.

Where a model constrains the covariances, s are still the statistics that parameters stand for, and G(s) those that the
*update* after the pass stands for: f is EM's step from mixture to mixture, and the secants are those of its map.  A
state that is no mixture's of the model is brought back by its update.

A step that would lower the objective is taken back: the climb goes on where EM goes from the accepted mixture, whose
statistics are at hand, and the secant of the rejected step is remembered.  Rule R* ends the climb (`project`).  So does
a step of EM's own that lowers the objective: only rounding makes it do so.
"""
from libc.math cimport INFINITY, fabs, isfinite, isnan, sqrt
from libc.string cimport memcpy, memmove

from gmm._constraint cimport NONE
from gmm._frame cimport (
    add,
    add_prior_rows,
    from_moments,
    inner,
    invert_whiteners,
    moments_of_mixture,
    move_frame,
    state_of_mixture,
    to_moments,
)
from gmm._linear cimport FULL, SPHERICAL, TIED, n_second
from gmm._moments cimport Moments, moments_size
from gmm._state cimport MEMORY, State, weigh
from gmm._update cimport Estimate, divisor, estimate_size, half_trace_of_precision, log_prior, most_likely
from gmm._whitener cimport n_matrices

cdef enum:
    PLAIN_PASSES = 2          # before the first step that is not EM's
    PATIENCE = 2              # accepted passes without negative curvature that a stop asks for
    IN_A_ROW = 5              # … and of such that project less than the tolerance to be gained, …
    CLOSE_IN_A_ROW = 3        # … or so few, if the last of them projects …
    HOW_CLOSE = 100           # … so many times less: near a saddle projections fall, but not so far
    BEYOND_DOUBT = 30         # times the rounding: a step of EM's own that falls further ends the climb


cdef inline void start_anew(State* state) noexcept nogil:
    """Forget all passes: the trial's mixture is measured next, whatever its objective."""
    state.trying = state.converged = state.stuck = False
    state.n_pairs = state.n_gains = state.streak = 0
    state.n_passes = 0
    state.since_negative = PATIENCE
    state.radius = 1.5
    state.objective, state.rounding, state.fall = -INFINITY, 0, 0
    state.newton = state.remaining = INFINITY


cdef inline const Estimate* next_mixture(const State* state) noexcept nogil:
    """What the next pass measures."""
    return &state.trial if state.trying or state.n_passes == 0 else &state.plain


# -------------------------------------------------------------------------------- what a pass teaches

cdef inline bint judge(State* state, const Moments* found, double relative_rounding) noexcept nogil:
    """Whether the pass is accepted; its secant is kept in either case."""
    cdef double objective = (found.log_evidence + log_prior(&state.family, next_mixture(state))) / found.weight
    # Of rows too far from all components the objective is −∞.
    cdef double rounding = relative_rounding * (1 + fabs(objective)) if isfinite(objective) else 0
    # The form of a pass may change, and with it the rounding.
    cdef double doubt = max(rounding, state.rounding)
    if state.trying:
        if not objective >= state.objective - doubt:
            reject(state, found)
            return False
        state.radius = min(1.5 * state.radius, 1e6)
    elif state.n_passes > 0 and not objective >= state.objective - BEYOND_DOUBT * doubt:
        end_here(state, state.objective - objective)
        return False
    accept(state, found, objective, rounding)
    return True


cdef inline void reject(State* state, const Moments* found) noexcept nogil:
    """Back to where EM goes from the accepted state; the gradient at the trial still is one."""
    cdef Py_ssize_t n = state.size
    state.n_passes += 1
    if not constrained(state) or updated(state, found, &state.trial):
        from_moments(state, image_of(state, found, &state.trial), &state.best, state.work)
        add(-1, state.here, n, state.work)
        add(-1, state.move, n, state.work)
        remember(state, state.move)
    state.radius = max(1.0, state.radius / 4)
    state.trying = False
    memcpy(state.move, state.residual, n * sizeof(double))


cdef inline void end_here(State* state, double fall) noexcept nogil:
    """Keep what stands: EM's own step has fallen, which only rounding makes it do, of nearly singular covariances."""
    state.n_passes += 1
    state.fall = fall
    state.converged = True


cdef inline void accept(State* state, const Moments* found, double objective, double rounding) noexcept nogil:
    cdef Py_ssize_t n = state.size
    cdef const Estimate* measured = next_mixture(state)
    # Far from the rows the residual overflows: of such a pass nothing is of use either.
    cdef bint first = not isfinite(state.newton)
    if first:
        state.n_pairs = state.n_gains = 0
        state_of_mixture(state, measured, state.here)
    else:
        add(1, state.move, n, state.here)
        # The moments of the trial have been of use: their room serves as scratch.
        move_frame(state, measured, state.tried.second)
    memcpy(state.best.weights, measured.weights,
           estimate_size(state.family.layout, state.family.K, state.family.d) * sizeof(double))
    invert_whiteners(state, &state.best, state.roots)
    hold(state, found)
    state.stuck = not updated(state, found, &state.plain)
    from_moments(state, found if state.stuck else image_of(state, found, &state.plain), &state.best, state.work)
    add(-1, state.here, n, state.work)
    if not first:
        state.since_negative = state.since_negative + 1 if remember(state, state.move) else 0
        note_gain(state, objective - state.objective)
    memcpy(state.residual, state.work, n * sizeof(double))
    state.objective, state.fall = objective, 0
    state.n_passes += 1
    aim(state)
    project(state, max(rounding, state.rounding))
    state.rounding = rounding


cdef inline bint constrained(const State* state) noexcept nogil:
    return state.family.constraint != NONE


cdef inline bint updated(State* state, const Moments* found, Estimate* out) noexcept nogil:
    return most_likely(found, &state.family, state.family.ridge, state.best.covariances, state.scratch, out) < 0


cdef inline const Moments* image_of(State* state, const Moments* found, const Estimate* update) noexcept nogil:
    """The moments that the update after a pass stands for, the prior's among them; perhaps in the trial's room."""
    if not constrained(state) and state.family.prior.mean == NULL:
        return found
    memcpy(state.tried.origins, found.origins,
           moments_size(state.family.layout, state.family.K, state.family.d) * sizeof(double))
    state.tried.weight = found.weight
    if constrained(state):
        moments_of_mixture(state, update, &state.tried)
    else:
        add_prior_rows(state, 1, &state.tried)
    return &state.tried


cdef inline void hold(State* state, const Moments* found) noexcept nogil:
    memcpy(state.held.origins, found.origins,
           moments_size(state.family.layout, state.family.K, state.family.d) * sizeof(double))
    state.held.log_evidence = found.log_evidence
    weigh(state, found.weight)


cdef inline void note_gain(State* state, double gain) noexcept nogil:
    state.gains[2], state.gains[1], state.gains[0] = state.gains[1], state.gains[0], gain
    state.n_gains = min(state.n_gains + 1, 3)


cdef inline bint remember(State* state, const double* step) noexcept nogil:
    """Keep a step and the change of −f along it (`work` is the new f); False where the curvature is negative."""
    cdef Py_ssize_t n = state.size, i
    cdef double* change = state.direction      # which is aimed anew before it is used
    cdef double curvature
    for i in range(n):
        change[i] = state.residual[i] - state.work[i]
    curvature = inner(state, step, change)
    if curvature > 1e-8 * inner(state, step, step):
        if state.n_pairs == MEMORY:
            memmove(state.steps, state.steps + n, (MEMORY - 1) * n * sizeof(double))
            memmove(state.changes, state.changes + n, (MEMORY - 1) * n * sizeof(double))
            state.n_pairs -= 1
        memcpy(state.steps + state.n_pairs * n, step, n * sizeof(double))
        memcpy(state.changes + state.n_pairs * n, change, n * sizeof(double))
        state.n_pairs += 1
    return curvature > 0


cdef inline void aim(State* state) noexcept nogil:
    """The quasi-Newton step by the two loops of L-BFGS, from the identity."""
    cdef Py_ssize_t n = state.size, i
    cdef double[MEMORY] along, curvature
    cdef double* q = state.direction
    memcpy(q, state.residual, n * sizeof(double))
    for i in range(state.n_pairs - 1, -1, -1):
        curvature[i] = inner(state, state.steps + i * n, state.changes + i * n)
        # A frame may have moved so far that a pair has lost its meaning.
        along[i] = inner(state, state.steps + i * n, q) / curvature[i] if curvature[i] > 0 else 0
        add(-along[i], state.changes + i * n, n, q)
    for i in range(state.n_pairs):
        if curvature[i] > 0:
            add(along[i] - inner(state, state.changes + i * n, q) / curvature[i], state.steps + i * n, n, q)
    state.newton = inner(state, state.residual, q) / 2


cdef inline void project(State* state, double rounding) noexcept nogil:
    """Rule R*: what is still to be gained, and whether that has been little for long enough."""
    cdef double scale = 1 + fabs(state.objective), square = inner(state, state.residual, state.residual)
    cdef bint still = sqrt(square) <= rounding         # EM moves no more; squares may overflow
    cdef int enough
    if still:
        state.remaining = 0
    elif state.n_gains < 3 or state.objective == -INFINITY:
        state.remaining = INFINITY
    elif fabs(state.gains[0]) <= rounding and square <= 1e-10 * scale:
        state.remaining = 0
    elif state.since_negative < PATIENCE:
        state.remaining = INFINITY                         # on the way out of a saddle
    else:
        state.remaining = max(max(state.newton, fabs(state.gains[0])), max(by_aitken(state), by_weights(state)))
    if isnan(state.remaining):                             # gains out of the range of numbers
        state.remaining = INFINITY
    state.streak = state.streak + 1 if state.remaining < state.tolerance else 0
    enough = CLOSE_IN_A_ROW if HOW_CLOSE * state.remaining < state.tolerance else IN_A_ROW
    state.converged = state.streak >= (1 if still or not state.thorough else enough)


cdef inline double by_aitken(const State* state) noexcept nogil:
    """What gains that go on to fall as slowly as lately would sum up to; nothing after one that rounding ate."""
    cdef double ratio
    if state.gains[0] <= 0:
        return 0
    if state.gains[1] <= 0 or state.gains[2] <= 0:
        return INFINITY
    ratio = max(state.gains[0] / state.gains[1], state.gains[1] / state.gains[2])
    return state.gains[0] * ratio / (1 - ratio) if ratio < 1 else INFINITY


cdef inline double by_weights(const State* state) noexcept nogil:
    """The most that components with fewer rows than the prior is worth may gain by their weights alone (Lindsay 1983).

    Such a component rests at the prior's mode; that it grows is all it shows of what it will gain.
    """
    cdef Py_ssize_t k
    cdef double most = 0, rows
    if state.family.prior.mean == NULL:
        return 0
    for k in range(state.family.K):
        rows = state.best.weights[k] * state.held.weight
        if rows < divisor(&state.family, 0):
            most = max(most, state.held.counts[k] / rows - 1)
    return most


cdef inline double plain_bound(const State* state) noexcept nogil:
    """The objective without the noise: a lower bound of the mean log-likelihood, as the responsibilities saw the noise.

    It is below by the square of the ridge.
    """
    cdef Py_ssize_t k
    cdef double total = 0
    if state.family.ridge > 0:
        for k in range(state.family.K):
            total += state.held.counts[k] * half_trace_of_precision(
                state.family.layout, state.family.d, state.best.whiteners, k)
    total = state.held.log_evidence + state.family.ridge * total + log_prior(&state.family, &state.best)
    return total / state.held.weight


# ------------------------------------------------------------------------------------ where to go next

cdef inline void propose(State* state) noexcept nogil:
    """Choose what the next pass measures, from an accepted one."""
    cdef Py_ssize_t n = state.size
    cdef double length = sqrt(inner(state, state.direction, state.direction))
    cdef double longest = state.radius * sqrt(inner(state, state.residual, state.residual))
    cdef double factor = 1, least
    state.trying = False
    memcpy(state.move, state.residual, n * sizeof(double))
    if state.n_passes < PLAIN_PASSES:
        return
    if state.n_pairs == 0:
        factor = state.radius
    elif length > longest:
        factor = longest / length
    least = factor / 50
    while factor >= least and not state.trying:
        state.trying = leads_to_mixture(state, factor)
        factor /= 2


cdef inline bint leads_to_mixture(State* state, double factor) noexcept nogil:
    """Whether the state so far along the direction is that of a mixture not much thinner than EM's; `trial` is it then.

    A component may lose nine tenths of its rows, or of its variance in a direction, not more.
    """
    cdef Py_ssize_t K = state.family.K, d = state.family.d, size = n_second(state.family.layout, 1, d), i, j, k, m
    cdef Py_ssize_t width = 1 if state.family.layout == SPHERICAL else d
    cdef Py_ssize_t stride = d + 1 if state.family.layout == FULL or state.family.layout == TIED else 1
    memcpy(state.work, state.here, state.size * sizeof(double))
    add(factor, state.direction, state.size, state.work)
    for k in range(K):
        if not state.work[k] * state.held.weight >= 0.1 * state.held.counts[k]:
            return False
    to_moments(state, state.work, state.held.weight, &state.tried)
    if state.family.prior.mean != NULL:
        add_prior_rows(state, -1, &state.tried)    # which the update adds again
    if not updated(state, &state.tried, &state.trial):
        return False
    for m in range(n_matrices(state.family.layout, K)):
        for j in range(width):
            i = m * size + j * stride
            if not state.trial.whiteners[i] <= sqrt(10.0) * state.plain.whiteners[i]:
                return False
    if constrained(state):
        moments_of_mixture(state, &state.trial, &state.tried)
        from_moments(state, &state.tried, &state.best, state.work)
    for i in range(state.size):
        state.move[i] = state.work[i] - state.here[i] if constrained(state) else factor * state.direction[i]
    return True
