"""The accelerated solver between two passes: limited-memory quasi-Newton steps on sufficient statistics.

With s the statistics per unit weight that a mixture's parameters stand for and G(s) those that a pass with it adds up,
f = G(s) − s is the gradient of the objective in the natural parameters, and in the metric of the complete data's Fisher
information EM is steepest ascent with step one.  So EM is the preconditioner of a quasi-Newton method that starts with
the identity (Jamshidian & Jennrich 1997; Lange 1995); here with a memory of a few secants (L-BFGS, Nocedal 1980).

A conjugate prior adds rows (`objective.pxd`): their moments are added to s and to G(s), their number to the metric
(`frame.pxd`).  f is then the gradient of the log posterior density, also for a component that loses its rows.

Where a model constrains the covariances, s are still the statistics that parameters stand for, and G(s) those that the
*update* after the pass stands for: f is EM's step from mixture to mixture, and the secants are those of its map.  A
state that is no mixture's of the model is brought back by its update.

In an evidence bound, components fade.  Those whose rows weigh less than the rounding error of a pass are left out of
the next ones (their log offset is −∞, and `plan.pxd` does not look at them); before the run ends, a closing pass looks
at all, and the run goes on where that finds more to gain.  Two that share a group fade for hundreds of passes, or not
at all: merges shorten that, and a run does not end before all that are left were tried (`merging.pxd`).

A step that would lower the objective is taken back: the solver continues with EM's update of the accepted mixture,
whose statistics are at hand, and the secant of the rejected step is kept.  Rule R* ends the run (`projected_gain`).  So
does a step of EM's own that lowers the objective: only rounding makes it do so.
"""
from libc.math cimport INFINITY, fabs, isfinite, isnan, sqrt
from libc.string cimport memcpy, memmove

from gmm._kernel.estimate cimport Estimate, estimate_size
from gmm._kernel.family cimport has_noise, is_constrained, last_of_class, rest_of
from gmm._kernel.frame cimport add, inner
from gmm._kernel.layout cimport Layout, diagonal_size, diagonal_stride, matrix_size, n_matrices
from gmm._kernel.merging cimport (
    choose_pair,
    cost_of_component,
    end_merge,
    forget_merges,
    merge,
    merge_is_due,
    merge_may_rise,
    merge_must_reach,
    wait_if_together,
)
from gmm._kernel.moments cimport Moments, any_empty, least_count, moments_size
from gmm._kernel.objective cimport (
    is_bound,
    least_noise,
    parameter_term,
    rows_per_covariance,
    rows_per_mean,
    rows_per_weight,
)
from gmm._kernel.solver_state cimport MEMORY, State, change, next_mixture, step
from gmm._kernel.state_conversions cimport after_pass, go_to, goes_to_mixtures, mixture_at, start_at, updated
from gmm._kernel.whitener cimport half_trace_of_noise

cdef enum:
    PLAIN_PASSES = 2          # before the first step that is not EM's
    PATIENCE = 2              # accepted passes without negative curvature that a stop requires
    IN_A_ROW = 5              # … and of such that project less than the tolerance to be gained, …
    CLOSE_IN_A_ROW = 3        # … or so few, if the last of them projects …
    HOW_CLOSE = 100           # … so many times less: near a saddle projections fall, but not so far
    BEYOND_DOUBT = 30         # times the rounding: a step of EM's own that falls further ends the run


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


cdef inline void start_anew(State* state) noexcept nogil:
    """Forget all passes: the trial's mixture is measured next, whatever its objective."""
    state.trying = state.converged = state.stuck = False
    state.n_pairs = state.n_gains = state.streak = 0
    state.n_passes = 0
    forget_merges(state)
    state.since_negative = PATIENCE
    state.radius = 1.5
    state.objective, state.rounding, state.fall = -INFINITY, 0, 0
    state.newton = state.remaining = INFINITY


# --------------------------------------------------------------------------------- judging a pass

cdef inline double term_of(const State* state, const Estimate* mixture) noexcept nogil:
    """Return what the objective adds to the log evidence of a mixture."""
    return parameter_term(&state.family.objective, state.family.layout, state.family.K, state.family.d,
                          mixture)


cdef inline bint accept_or_reject(State* state, const Moments* moments, double relative_rounding) noexcept nogil:
    """Return whether the pass is accepted; its secant is kept in either case."""
    cdef double objective = (moments.log_evidence + term_of(state, next_mixture(state))) / moments.weight
    # With rows too far from all components, the objective is −∞.
    cdef double rounding = relative_rounding * (1 + fabs(objective)) if isfinite(objective) else 0
    # The form of a pass may change, and with it the rounding.
    cdef double doubt = max(rounding, state.rounding)
    if state.merging:
        if not objective > merge_must_reach(state):
            reject_merge(state, moments, objective)
            return False
        end_merge(state, True)
        state.newton = INFINITY                    # what is remembered is of other components
    elif state.trying:
        if not objective >= state.objective - doubt:
            reject(state, moments)
            return False
        state.radius = min(1.5 * state.radius, 1e6)
    elif state.n_passes > 0 and not objective >= state.objective - BEYOND_DOUBT * doubt:
        stop_after_fall(state, state.objective - objective)
        return False
    accept(state, moments, objective, rounding)
    return True


cdef inline void reject(State* state, const Moments* moments) noexcept nogil:
    """Go back to EM's update of the accepted state; the trial's gradient still makes a secant."""
    cdef Py_ssize_t n = state.size
    state.n_passes += 1
    memcpy(state.work, state.here, n * sizeof(double))
    add(1, state.move, n, state.work)
    if after_pass(state, moments, &state.trial, state.work, &state.trial) or not is_constrained(&state.family):
        add(-1, state.here, n, state.work)
        add(-1, state.move, n, state.work)
        remember(state, state.move)
    state.radius = max(1.0, state.radius / 4)
    state.trying = False
    memcpy(state.move, state.residual, n * sizeof(double))


cdef inline void reject_merge(State* state, const Moments* moments, double objective) noexcept nogil:
    """Measure EM's next mixture of the merge, or go on as if it had not been tried."""
    state.n_passes += 1
    if not (merge_may_rise(state, objective) and updated(state, moments, &state.trial)):
        end_merge(state, False)


cdef inline void stop_after_fall(State* state, double fall) noexcept nogil:
    """Keep the accepted mixture: EM's own step fell, which only rounding near a singular covariance makes it do."""
    state.n_passes += 1
    state.fall = fall
    state.converged = True


cdef inline void accept(State* state, const Moments* moments, double objective, double rounding) noexcept nogil:
    cdef Py_ssize_t n = state.size
    cdef const Estimate* measured = next_mixture(state)
    # Far from the rows the residual overflows: a pass after such a one starts anew; one after a merge too.
    cdef bint first = not isfinite(state.newton)
    hold(state, moments)
    if state.n_passes == 0:
        wait_if_together(state)
    if first:
        state.n_pairs = state.n_gains = 0
        start_at(state, measured)
    else:
        add(1, state.move, n, state.here)
        go_to(state, measured)
    memcpy(state.best.weights, measured.weights,
           estimate_size(state.family.layout, state.family.K, state.family.d) * sizeof(double))
    memcpy(state.work, state.here, n * sizeof(double))
    state.stuck = not after_pass(state, moments, &state.best, state.work, &state.plain)
    add(-1, state.here, n, state.work)
    if not first:
        state.since_negative = state.since_negative + 1 if remember(state, state.move) else 0
        note_gain(state, objective - state.objective)
        state.merge_wait = max(0, state.merge_wait - 1)
    memcpy(state.residual, state.work, n * sizeof(double))
    state.objective, state.fall = objective, 0
    state.n_passes += 1
    lbfgs_direction(state)
    projected_gain(state, max(rounding, state.rounding))
    state.rounding = rounding


cdef inline void hold(State* state, const Moments* moments) noexcept nogil:
    memcpy(state.held.origins, moments.origins,
           moments_size(state.family.layout, state.family.K, state.family.d) * sizeof(double))
    state.held.log_evidence = moments.log_evidence
    set_weight(state, moments.weight)


cdef inline void note_gain(State* state, double gain) noexcept nogil:
    state.gains[2], state.gains[1], state.gains[0] = state.gains[1], state.gains[0], gain
    state.n_gains = min(state.n_gains + 1, 3)


cdef inline bint remember(State* state, const double* along) noexcept nogil:
    """Keep a step and the change of −f along it (`work` is the new f); return whether the curvature is positive."""
    cdef Py_ssize_t n = state.size, i
    cdef double* fall = state.direction        # overwritten before it is used as a direction
    cdef double curvature
    for i in range(n):
        fall[i] = state.residual[i] - state.work[i]
    curvature = inner(state, along, fall)
    if curvature > 1e-8 * inner(state, along, along):
        if state.n_pairs == MEMORY:
            memmove(state.secants, state.secants + 2 * n, 2 * (MEMORY - 1) * n * sizeof(double))
            state.n_pairs -= 1
        memcpy(step(state, state.n_pairs), along, n * sizeof(double))
        memcpy(change(state, state.n_pairs), fall, n * sizeof(double))
        state.n_pairs += 1
    return curvature > 0


cdef inline void lbfgs_direction(State* state) noexcept nogil:
    """The quasi-Newton step by the two loops of L-BFGS, from the identity."""
    cdef Py_ssize_t n = state.size, i
    cdef double[MEMORY] along, curvature
    cdef double* q = state.direction
    memcpy(q, state.residual, n * sizeof(double))
    for i in range(state.n_pairs - 1, -1, -1):
        curvature[i] = inner(state, step(state, i), change(state, i))
        # A frame may have moved so far that a pair has lost its meaning.
        along[i] = inner(state, step(state, i), q) / curvature[i] if curvature[i] > 0 else 0
        add(-along[i], change(state, i), n, q)
    for i in range(state.n_pairs):
        if curvature[i] > 0:
            add(along[i] - inner(state, change(state, i), q) / curvature[i], step(state, i), n, q)
    state.newton = inner(state, state.residual, q) / 2


cdef inline void projected_gain(State* state, double rounding) noexcept nogil:
    """Rule R*: project the remaining gain, and decide whether it has been small for long enough."""
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
        state.remaining = max(max(state.newton, fabs(state.gains[0])), max(aitken_gain(state), weight_gain(state)))
    if isnan(state.remaining):                             # gains out of the range of numbers
        state.remaining = INFINITY
    state.streak = state.streak + 1 if state.remaining < state.tolerance else 0
    enough = CLOSE_IN_A_ROW if HOW_CLOSE * state.remaining < state.tolerance else IN_A_ROW
    state.converged = state.streak >= (1 if still or not state.confirm_stop else enough)


cdef inline double aitken_gain(const State* state) noexcept nogil:
    """Sum the gains to come if they fall as slowly as the last ones did; 0 after a gain lost to rounding."""
    cdef double ratio
    if state.gains[0] <= 0:
        return 0
    if state.gains[1] <= 0 or state.gains[2] <= 0:
        return INFINITY
    ratio = max(state.gains[0] / state.gains[1], state.gains[1] / state.gains[2])
    return state.gains[0] * ratio / (1 - ratio) if ratio < 1 else INFINITY


cdef inline double weight_gain(const State* state) noexcept nogil:
    """Bound the gain by the weights of components with fewer rows than the objective's own (Lindsay 1983).

    Such a component rests at the prior's mode; only its growing weight shows that there is a gain to come.  In an
    evidence bound, it is the weights' prior that holds it there, and the bound is flat in its rows.
    """
    cdef Py_ssize_t k
    cdef double most = 0, rows, own_rows = rows_per_covariance(&state.family.objective)
    if is_bound(&state.family.objective):
        return 0
    for k in range(state.family.K):
        rows = state.best.weights[k] * state.held.weight
        if rows < own_rows:
            most = max(most, state.held.counts[k] / rows - 1)
    return most


cdef inline double plain_bound(const State* state) noexcept nogil:
    """Return the objective without the noise, a lower bound of the mean log-likelihood.

    It is a bound since the responsibilities are those with noise; the gap is of second order in the ridge.
    """
    cdef Py_ssize_t k
    cdef double total = 0
    if state.family.ridge > 0:
        for k in range(state.family.K):
            total += state.held.counts[k] * half_trace_of_noise(
                state.family.layout, state.family.d, state.best.whiteners, k, state.family.ridge)
    return state.objective + total / state.held.weight


# ------------------------------------------------------------------------------------ where to go next

cdef inline void choose_trial(State* state) noexcept nogil:
    """Choose what the next pass measures, from an accepted one."""
    cdef Py_ssize_t n = state.size
    cdef double length = sqrt(inner(state, state.direction, state.direction))
    cdef double longest = state.radius * sqrt(inner(state, state.residual, state.residual))
    cdef double factor = 1, least
    state.trying = False
    if state.n_pairs == 0:
        factor = state.radius
    elif length > longest:
        factor = longest / length
    least = factor / 50
    while state.n_passes >= PLAIN_PASSES and factor >= least > 0 and not state.trying:  # 0 of an endless direction
        state.trying = leads_to_mixture(state, factor)
        factor /= 2
    if not state.trying:
        memcpy(state.move, state.residual, n * sizeof(double))


cdef inline bint leads_to_mixture(State* state, double factor) noexcept nogil:
    """Return whether a step of `factor` times the direction ends in a mixture not much thinner than EM's.

    A component may lose nine tenths of its rows, or of its variance in a direction, not more; without rows, and without
    a prior's, its mean would be anywhere.  `trial` is the mixture.
    """
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, size = matrix_size(layout, d), i, j, k, m
    cdef Py_ssize_t stride = diagonal_stride(layout, d)
    cdef double fewest = 0, least
    cdef bint left_out
    for i in range(state.size):
        state.move[i] = factor * state.direction[i]
        state.work[i] = state.here[i] + state.move[i]
    if not mixture_at(state, state.work, &state.trial):
        return False
    if not rows_per_mean(&state.family.objective) > 0:
        fewest = least_count(&state.tried)
    for k in range(K):
        # Components that were left out may have lost all rows, but no more: the others would have more than there are.
        left_out = state.plain.log_offset[k] == -INFINITY
        least = -1e-12 * state.held.weight if left_out else max(0.1 * state.held.counts[k], fewest)
        if not state.tried.counts[k] >= least:
            return False
    if has_noise(&state.family.objective) and not rest_of(state.tried.counts, K, state.tried.weight) >= least_noise(
            &state.family.objective, rest_of(state.held.counts, K, state.held.weight), state.held.weight):
        return False
    for m in range(n_matrices(layout, K)):
        for j in range(diagonal_size(layout, d)):
            i = m * size + j * stride
            if not state.trial.whiteners[i] <= sqrt(10.0) * state.plain.whiteners[i]:
                return False
    if goes_to_mixtures(&state.family):
        for i in range(state.size):
            state.move[i] = state.work[i] - state.here[i]
    return True


cdef inline void add_pass(
    State* state,
    const Moments* moments, double relative_rounding, bint repair_empty,    # IN a pass of `next_mixture`
    double* record,                                # OUT bound, objective, remaining gain, whether it was accepted
) noexcept nogil:
    """Accept or reject a pass by its moments, and choose the mixture of the next one."""
    cdef bint merging = state.merging, accepted = accept_or_reject(state, moments, relative_rounding)
    record[0], record[1], record[2], record[3] = plain_bound(state), state.objective, state.remaining, accepted
    if state.merging:
        leave_out_faded(state, relative_rounding, moments.counts, &state.trial)
        return
    if accepted:
        state.stuck = state.stuck or (repair_empty and any_empty(moments, state.family.K))
        if state.converged and leaves_out(state, &state.best):
            state.converged = state.trying = False
            memcpy(state.move, state.residual, state.size * sizeof(double))
            return
        leave_out_faded(state, relative_rounding, state.held.counts, &state.plain)
    if (accepted or merging) and not state.stuck and not try_merge(state, relative_rounding, accepted):
        choose_trial(state)
    if not state.merging:
        leave_out_faded(state, relative_rounding, state.held.counts, &state.trial)


cdef inline bint try_merge(State* state, double relative_rounding, bint accepted) noexcept nogil:
    """Make a merge the trial, if one is due; return whether it is.

    Where the run has converged, it ends when none of the merges that are left raises the bound.
    """
    cdef Py_ssize_t into = 0, gone = 0
    if accepted and state.converged and is_bound(&state.family.objective):
        state.last_merges, state.merge_limit = True, INFINITY
    elif not state.last_merges and not (accepted and state.since_negative >= PATIENCE and merge_is_due(state)):
        return False
    while choose_pair(state, -cost_of_component(state) / 4 if state.last_merges else 0, &into, &gone):
        merge(state, into, gone)
        if updated(state, &state.tried, &state.trial):
            measure_merge(state, last_of_class(&state.family, gone), relative_rounding)
            return True
    state.converged = state.last_merges
    end_merge(state, False)
    state.last_merges = False
    return False


cdef inline void measure_merge(State* state, Py_ssize_t last, double relative_rounding) noexcept nogil:
    """Let the next pass measure the merge, whose `last` component is empty."""
    cdef double offset = state.trial.log_offset[last]
    state.merging = state.trying = True
    state.converged = False
    leave_out_faded(state, relative_rounding, state.tried.counts, &state.trial)
    state.trial.log_offset[last] = offset          # how few rows it will have is not known yet


cdef inline bint leaves_out(const State* state, const Estimate* mixture) noexcept nogil:
    """Return whether a pass with the mixture does not look at all components."""
    cdef Py_ssize_t k
    if not is_bound(&state.family.objective):
        return False
    for k in range(state.family.K):
        if mixture.log_offset[k] == -INFINITY:
            return True
    return False


cdef inline void leave_out_faded(
    const State* state, double relative_rounding, const double* counts, Estimate* mixture,
) noexcept nogil:
    """Leave out of the next pass components that each have at most 1/K of `relative_rounding` times all rows.

    The log evidence then falls by about their counts.  A pass needs a component, also where noise has all rows.
    """
    cdef Py_ssize_t K = state.family.K, heaviest = 0, k
    if not is_bound(&state.family.objective):
        return
    for k in range(1, K):
        heaviest = k if counts[k] > counts[heaviest] else heaviest
    for k in range(K):
        if k != heaviest and K * counts[k] <= relative_rounding * state.held.weight:
            mixture.log_offset[k] = -INFINITY
