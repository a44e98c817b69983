"""Merges: the accelerated solver tries to make one component of two, when it maximises an evidence bound.

Where two components share a group, the bound is higher with one of them, but so flat on the way that it takes hundreds
of passes, more with more rows.  With few rows for the features it may not rise on the way at all.

The statistics of two components add up to those of one, and what the bound is with it follows from them without a pass,
but for the entropy of the rows' shares in the two.  That entropy is lost, so a merge promises what the rest gains: a
limit of what it gains at once.  Pairs are tried by falling promise.  A trial is a pass of EM, or some, and is accepted
as soon as the bound is higher than the run foresees without it.  Merges are tried while passes gain little, after each
failure with a longer wait, and when the run has converged, without one.  Earlier ones would take components that would
part: what a merge gains at once may be much less than what the passes to come do.

A run that starts where all components are nearly equal has not left that saddle yet: its merges wait until it converges
(`wait_if_together`).

Components whose means lie apart are left alone: with few rows for the features, the prior may make the bound prefer
one for several groups.  So are components of different classes, where rows have classes.
"""
from libc.math cimport INFINITY, isfinite, log, log1p
from libc.string cimport memcpy, memmove, memset

from gmm._kernel.family cimport has_noise, last_of_class, rest_of
from gmm._kernel.layout cimport (
    Layout,
    add_to_diagonal,
    component_stride,
    is_pooled,
    matrix_count,
    matrix_of,
    matrix_size,
    mirror_all,
    n_matrices,
    packed_size,
    shift_second,
    subtract_outer,
)
from gmm._kernel.moments cimport Moments, moments_size, step_of
from gmm._kernel.objective cimport (
    covariance_evidence,
    gain_of_merged_means,
    gain_of_merged_shares,
    is_bound,
)
from gmm._kernel.solver_state cimport State
from gmm._kernel.update cimport estimate_covariances, start_update
from gmm._kernel.whitener cimport half_square, whiten

cdef enum:
    FIRST_MERGE = 5           # passes before it
    SETTLED = 3               # nats: the last pass before it gains less
    TIMES_PROJECTED = 2       # the gain that the quasi-Newton step projects: it must gain more
    LONGEST_WAIT = 10         # doublings
    NEVER = 1 << 30           # passes to wait
    APART = 16                # squared standard deviations, between the means of two groups at least, …
    TIMES_CHANCE = 8          # … and so many times what chance puts between means: components are no random rows
    WORTH = 10                # times its last gain must bring a trial to the accepted bound, or it ends


cdef inline double cost_of_component(const State* state) noexcept nogil:
    """Return what the numbers of a component may cost, in nats."""
    cdef Py_ssize_t d = state.family.d
    return (1 + d + packed_size(state.family.layout, d)) * log1p(state.held.weight) / 2


cdef inline bint merge_is_due(const State* state) noexcept nogil:
    """Return whether the last pass gained little, and no merge was tried lately."""
    return (is_bound(&state.family.objective) and state.n_passes >= FIRST_MERGE and state.merge_wait == 0
            and state.n_gains > 0 and state.gains[0] * state.held.weight < SETTLED)


cdef inline void forget_merges(State* state) noexcept nogil:
    state.merging = state.last_merges = False
    state.merge_wait = state.merge_failures = 0
    state.merge_limit, state.merge_objective = INFINITY, -INFINITY


cdef inline void wait_if_together(State* state) noexcept nogil:
    """Try no merge before the run has converged, if chance alone puts the means of a first pass as far apart.

    That is a saddle, as random responsibilities make it: components that would part gain little before they do.
    """
    cdef const double* counts = state.held.counts
    cdef Py_ssize_t k
    if not is_bound(&state.family.objective):
        return
    for k in range(1, state.family.K):
        if squared_distance(state, 0, 0, k) > state.family.d * (1 / counts[0] + 1 / counts[k]):
            return
    state.merge_failures, state.merge_wait = LONGEST_WAIT, NEVER


cdef inline double what_may_be_left(const State* state) noexcept nogil:
    """How far below its optimum a run may end, in nats per unit weight."""
    return max(state.tolerance, state.rounding)


cdef inline double merge_must_reach(const State* state) noexcept nogil:
    """Return the objective that a merge must reach: that of the run without it, or of its optimum once it converged."""
    cdef double foreseen = max(0, max(state.gains[0], TIMES_PROJECTED * state.newton))
    return state.objective + (what_may_be_left(state) if state.last_merges else foreseen)


cdef inline bint merge_may_rise(State* state, double objective) noexcept nogil:
    """Return whether more passes may bring the merge that is tried above a bound that has converged."""
    cdef double gain = objective - state.merge_objective
    state.merge_objective = objective
    return state.last_merges and merge_must_reach(state) - objective < WORTH * gain


cdef inline void end_merge(State* state, bint accepted) noexcept nogil:
    if accepted:
        forget_merges(state)
        return
    state.merging = False
    state.merge_objective = -INFINITY
    state.merge_failures = min(state.merge_failures + 1, LONGEST_WAIT)
    state.merge_wait = 1 << state.merge_failures


# ------------------------------------------------------------------------------------ which two

cdef inline bint choose_pair(State* state, double least, Py_ssize_t* into, Py_ssize_t* gone) noexcept nogil:
    """Choose the pair that promises most, but more than `least` and less than those tried; return whether one does."""
    cdef Py_ssize_t K = state.family.K, j, k
    cdef const double* counts = state.held.counts
    cdef double most = least, empty = evidence_of_empty(state), promise, shared
    for k in range(K):
        for j in range(k):
            shared = promise_of_shared(counts[j], counts[k])
            if shared <= what_may_be_left(state) * state.held.weight or last_of_class(&state.family, j) < k:
                continue
            combine(state, j, k)
            promise = promise_of(state, j, k, empty)
            if promise <= shared and 2 * min(counts[j], counts[k]) < 1:     # of no row the most probable
                continue
            if most < promise < state.merge_limit and not lie_apart(state, j, k):
                most, into[0], gone[0] = promise, j, k
    state.merge_limit = most if most > least else INFINITY
    return most > least


cdef inline double promise_of_shared(double one, double other) noexcept nogil:
    """Return what two components promise at most near an optimum, if the smaller has few rows, all also the other's.

    It is lost again: they then share these rows as one would have them.
    """
    cdef double few = min(one, other)
    return few * log((one + other) / few) if few > 0 else 0


cdef inline double promise_of(const State* state, Py_ssize_t into, Py_ssize_t gone, double empty) noexcept nogil:
    """How much the bound gains at once if two components that were combined are one, in nats, less the entropy lost.

    The other's covariance is then that of a component without rows, whose evidence is `empty`.
    """
    cdef Py_ssize_t K = state.family.K, d = state.family.d
    cdef const double* counts = state.held.counts
    cdef const double* before = state.plain.log_determinants
    cdef double gain = gain_of_merged_shares(
        &state.family.objective, K, counts, into, gone, last_of_class(&state.family, gone))
    gain += gain_of_merged_means(&state.family.objective, d, counts[into], counts[gone])
    gain += evidence_of(state, state.tried.counts, state.trial.log_determinants, into)
    gain -= evidence_of(state, counts, before, into)
    if is_pooled(state.family.layout):
        return gain
    return gain + empty - evidence_of(state, counts, before, gone)


cdef inline double evidence_of(
    const State* state, const double* counts, const double* log_determinants, Py_ssize_t k,
) noexcept nogil:
    """Evidence of the covariance of a component."""
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, m = matrix_of(layout, k)
    return covariance_evidence(&state.family.objective, layout, K, state.family.d, matrix_count(layout, K, counts, m),
                               log_determinants[m])


cdef inline double evidence_of_empty(State* state) noexcept nogil:
    """Evidence of the covariance of a component without rows: the first one of `tried` is emptied to see it."""
    copy_moments(state, 0)
    empty_component(&state.tried, state.family.layout, state.family.d, 0)
    start_update(&state.tried, &state.family, NULL, &state.trial)
    estimate_covariances(&state.tried, &state.family, NULL, 0, 1, &state.trial)
    return evidence_of(state, state.tried.counts, state.trial.log_determinants, 0)


cdef inline bint lie_apart(State* state, Py_ssize_t into, Py_ssize_t gone) noexcept nogil:
    """Return whether the means of two components are too far apart for one group, in standard deviations of either.

    The means of few rows lie apart by chance: on average by d (1/n_j + 1/n_k), squared.
    """
    cdef Py_ssize_t d = state.family.d
    cdef double most = APART + TIMES_CHANCE * d * (1 / state.held.counts[into] + 1 / state.held.counts[gone])
    return squared_distance(state, into, into, gone) > most or squared_distance(state, gone, into, gone) > most


cdef inline double squared_distance(State* state, Py_ssize_t of, Py_ssize_t one, Py_ssize_t other) noexcept nogil:
    """Squared distance between the means of the rows of two components, in standard deviations of a third.

    These are of its rows and, as if of d more, of all components' (Friedman 1989): few rows are too near to each other.
    """
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, size = matrix_size(layout, d), i, j, k
    cdef const Moments* moments = &state.held
    cdef double* scatter = state.matrices
    cdef double* whitener = state.matrices + size
    cdef double* mean = state.shifts
    cdef double every = component_rows(state), rows = every if is_pooled(layout) else d + moments.counts[of]
    cdef double share, log_determinant
    memset(scatter, 0, size * sizeof(double))
    for k in range(K):
        share = 1 if is_pooled(layout) else d / every + (k == of)
        for j in range(d):
            mean[j] = share * step_of(moments, k, j, d)
        subtract_outer(layout, d, moments.first + k * d, mean, scatter)
        if k < n_matrices(layout, K):
            for i in range(size):
                scatter[i] += share * moments.second[k * size + i]
    add_to_diagonal(layout, d, rows * state.family.ridge, scatter)
    whiten(layout, 1, d, scatter, whitener, &log_determinant)
    for j in range(d):
        mean[j] = moments.origins[one * d + j] + step_of(moments, one, j, d)
        mean[d + j] = moments.origins[other * d + j] + step_of(moments, other, j, d)
    # Rows that are equal in a column leave it to the bound.
    return 2 * rows * half_square(layout, d, whitener, mean, mean + d) if isfinite(log_determinant) else 0


cdef inline double component_rows(const State* state) noexcept nogil:
    """Rows of all components."""
    return -rest_of(state.held.counts, state.family.K, 0) if has_noise(&state.family.objective) else state.held.weight


# ------------------------------------------------------------------------------------- the two as one

cdef inline void combine(State* state, Py_ssize_t into, Py_ssize_t gone) noexcept nogil:
    """Write the accepted moments of two components, which become one, to `tried`, and its covariance to `trial`.

    The other is without rows; all other counts and means are written as well.
    """
    cdef Py_ssize_t m = matrix_of(state.family.layout, into)
    copy_moments(state, into)
    copy_moments(state, gone)
    join(state, into, gone)
    start_update(&state.tried, &state.family, NULL, &state.trial)
    estimate_covariances(&state.tried, &state.family, NULL, m, m + 1, &state.trial)


cdef inline void copy_moments(State* state, Py_ssize_t k) noexcept nogil:
    """Copy all accepted counts and first moments to `tried`, and the second ones of one component."""
    cdef Py_ssize_t d = state.family.d, size = matrix_size(state.family.layout, d)
    cdef Py_ssize_t m = matrix_of(state.family.layout, k)
    memcpy(state.tried.origins, state.held.origins, (state.held.second - state.held.origins) * sizeof(double))
    memcpy(state.tried.second + m * size, state.held.second + m * size, size * sizeof(double))
    state.tried.weight = state.held.weight


cdef inline void join(State* state, Py_ssize_t into, Py_ssize_t gone) noexcept nogil:
    """Add the moments of one component of `tried` to another's, and leave it empty; only one triangle is right then."""
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t d = state.family.d, size = component_stride(layout, d), i
    cdef Moments* moments = &state.tried
    cdef double* step = state.shifts
    for i in range(d):
        step[i] = moments.origins[gone * d + i] - moments.origins[into * d + i]
    shift_second(layout, d, moments.first + gone * d, step, moments.counts[gone], 1, moments.second + gone * size)
    for i in range(d):
        moments.first[into * d + i] += moments.first[gone * d + i] + moments.counts[gone] * step[i]
    moments.counts[into] += moments.counts[gone]
    for i in range(size):
        moments.second[into * size + i] += moments.second[gone * size + i]
    empty_component(moments, layout, d, gone)


cdef inline void empty_component(Moments* moments, Layout layout, Py_ssize_t d, Py_ssize_t k) noexcept nogil:
    cdef Py_ssize_t size = component_stride(layout, d)
    moments.counts[k] = 0
    memset(moments.first + k * d, 0, d * sizeof(double))
    memset(moments.second + k * size, 0, size * sizeof(double))


cdef inline void merge(State* state, Py_ssize_t into, Py_ssize_t gone) noexcept nogil:
    """Write the accepted moments with one component less to `tried`: of its class, those behind move up."""
    cdef Layout layout = state.family.layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d
    cdef Py_ssize_t last = last_of_class(&state.family, gone), after = last - gone
    cdef Py_ssize_t size = component_stride(layout, d)
    cdef Moments* moments = &state.tried
    memcpy(moments.origins, state.held.origins, moments_size(layout, K, d) * sizeof(double))
    moments.weight = state.held.weight
    join(state, into, gone)
    memmove(moments.origins + gone * d, moments.origins + (gone + 1) * d, after * d * sizeof(double))
    memmove(moments.counts + gone, moments.counts + gone + 1, after * sizeof(double))
    memmove(moments.first + gone * d, moments.first + (gone + 1) * d, after * d * sizeof(double))
    memmove(moments.second + gone * size, moments.second + (gone + 1) * size, after * size * sizeof(double))
    empty_component(moments, layout, d, last)
    mirror_all(layout, K, d, moments.second)
