"""Passes and updates in turn, without Python: EM and the accelerated solver."""
from libc.float cimport DBL_EPSILON
from libc.math cimport INFINITY, fabs, sqrt
from libc.string cimport memcpy

from cpython.pythread cimport PyThread_release_lock

from gmm._kernel.estimate cimport Estimate
from gmm._kernel.family cimport NO_TAILS, Family
from gmm._kernel.lanes cimport merge_siblings, move_nodes, walk
from gmm._kernel.moments cimport Moments, any_empty
from gmm._kernel.mstep cimport most_likely, parameter_term, add_pass
from gmm._kernel.objective cimport log_noise
from gmm._kernel.patterns cimport PatternPass, Patterns, collect_patterns, rounding_of_patterns, walk_shares
from gmm._kernel.plan cimport PassPlan, has_tails, n_lanes, prepare, set_noise, set_tails
from gmm._kernel.rows cimport Rows
from gmm._kernel.solver_state cimport State, next_mixture
from gmm._kernel.sums cimport unpack_moments
from gmm._kernel.workers cimport Worker, WorkerPool, await_lock, first_lane_of, wake_workers
from gmm._kernel.workspace cimport Workspace


cdef enum:
    COLUMNS = 5               # of the record of a pass: bound, objective, remaining gain, accepted, seconds
    AVERAGED = 3              # passes whose average gain is expected …
    FORESEEN = 30             # … of so many to come


cdef struct StopTarget:
    # The lower bound that a run has to reach, and from which pass on it is checked.
    double lower_bound          # after pass `first` and each later one; −∞: any
    double safety               # times the projected gain that it may still gain; ∞: as the last passes raise the bound
    Py_ssize_t first


cdef inline double reached(const double* records, Py_ssize_t n, bint highest) noexcept nogil:
    """Return the last lower bound of n passes, or the highest: with a ridge, bounds may fall."""
    cdef double bound = records[COLUMNS * (n - 1)]
    cdef Py_ssize_t i
    for i in range(n - 1 if highest else 0):
        bound = max(bound, records[COLUMNS * i])
    return bound


cdef inline double foreseen_gain(const double* records, Py_ssize_t n, bint highest) noexcept nogil:
    """Return what a run may still gain, if its next passes gain as much as the last few."""
    if n <= AVERAGED:
        return INFINITY
    return FORESEEN * max((reached(records, n, highest) - reached(records, n - AVERAGED, highest)) / AVERAGED, 0)


cdef inline bint cannot_reach_target(const StopTarget* target, const double* records, Py_ssize_t n) noexcept nogil:
    """Return whether a run of n passes will not reach what it has to."""
    cdef bint highest = target.safety == INFINITY
    cdef double gain
    if target.lower_bound == -INFINITY or n < target.first:
        return False
    gain = records[COLUMNS * (n - 1) + 2]
    gain = foreseen_gain(records, n, highest) if gain == INFINITY or highest else target.safety * gain
    return reached(records, n, highest) + gain < target.lower_bound


cdef struct LoopInputs:
    # The inputs of every pass of a loop.
    Rows rows
    Patterns patterns           # instead of the rows, and how they are passed over
    PatternPass patterns_pass
    const double* origin        # (d,) and its reach: see `prepare`
    const double* reach
    const double* scatter       # (d, d) about the origin, or NULL
    bint single
    int form
    WorkerPool* pool            # that shares each pass; NULL: one worker makes it
    Py_ssize_t at_most          # passes, one at least
    double unit                 # of what is recorded, in nats per unit weight


cdef inline void walk_share(
    const PassPlan* plan, const Rows* rows, Py_ssize_t first, Py_ssize_t last, Workspace* workspace,
) noexcept nogil:
    """Walk the lanes that a worker walks in each pass of a loop."""
    workspace.n_nodes = 0
    walk(plan, rows, first, last, workspace, True)
    workspace.loaded = rows.n <= plan.block * workspace.n_kept


cdef inline void serve(WorkerPool* pool, Py_ssize_t number) noexcept nogil:
    """Walk the share of a worker in each pass, until the pool is dismissed."""
    cdef Worker* worker = pool.workers + number
    cdef Py_ssize_t lanes
    while True:
        await_lock(worker.work)
        if pool.dismissed:
            return
        lanes = n_lanes(pool.plan, pool.rows.n)
        walk_share(pool.plan, pool.rows, first_lane_of(pool, number + 1, lanes),
                   first_lane_of(pool, number + 2, lanes), worker.workspace)
        PyThread_release_lock(worker.rest)


cdef inline void walk_first(const PassPlan* plan, const LoopInputs* inputs, Workspace* workspace) noexcept nogil:
    """Pass over the rows with the mixture that a plan was prepared for."""
    cdef Py_ssize_t lanes = n_lanes(plan, inputs.rows.n), i
    cdef WorkerPool* pool = inputs.pool
    if pool == NULL:
        walk_share(plan, &inputs.rows, 0, lanes, workspace)
    else:
        pool.plan, pool.rows = plan, &inputs.rows
        wake_workers(pool)
        walk_share(plan, &inputs.rows, 0, first_lane_of(pool, 1, lanes), workspace)
        for i in range(pool.n):
            await_lock(pool.workers[i].rest)
            move_nodes(workspace, pool.workers[i].workspace, plan.n_sums)
    merge_siblings(workspace, plan.n_sums, True)


cdef inline void walk_mixture(
    const PassPlan* plan, LoopInputs* inputs,
    const double* log_offset, const double* centres, const double* whiteners, Workspace* workspace,
) noexcept nogil:
    """Pass over the rows with a mixture, that of the plan."""
    cdef PatternPass* whole = &inputs.patterns_pass
    if inputs.patterns.n_shares == 0:
        walk_first(plan, inputs, workspace)
        return
    whole.plan, whole.log_offset, whole.centres, whole.whiteners = plan, log_offset, centres, whiteners
    workspace.n_nodes = 0
    walk_shares(whole, &inputs.patterns, 0, inputs.patterns.n_shares, workspace, True)
    merge_siblings(workspace, whole.n_sums, True)


cdef inline void gather_moments(
    const PassPlan* plan, const LoopInputs* inputs, const double* whiteners, const Workspace* workspace,
    Moments* moments,                              # OUT of the last pass
) noexcept nogil:
    if inputs.patterns.n_shares == 0:
        unpack_moments(plan, workspace.node, whiteners, inputs.scatter, moments)
    else:
        collect_patterns(&inputs.patterns_pass, workspace.node, workspace.patterns, moments)


cdef inline double rounding_in(const PassPlan* plan, const LoopInputs* inputs) noexcept nogil:
    """Bound the relative rounding error of the mean log evidence of the last pass."""
    return rounding_of(plan) if inputs.patterns.n_shares == 0 else rounding_of_patterns(&inputs.patterns_pass)


cdef inline bint walk_again(
    PassPlan* plan, LoopInputs* inputs, double* storage,
    const double* log_offset, const double* centres, const double* whiteners,
    Workspace* workspace,                                  # IN, OUT laid out for the form of the pass before
) noexcept nogil:
    """Pass over the rows with another mixture; return False where that needs another workspace."""
    cdef bint linear = plan.linear, single = plan.single
    cdef Py_ssize_t n_components = plan.n_components
    prepare(plan, log_offset, centres, whiteners, inputs.origin, inputs.reach, inputs.single,
            inputs.scatter != NULL, inputs.form, storage)
    if inputs.patterns.n_shares == 0 and (
            plan.linear != linear or plan.single != single or plan.n_components != n_components):
        return False
    walk_mixture(plan, inputs, log_offset, centres, whiteners, workspace)
    return True


cdef inline Py_ssize_t run_em(
    PassPlan* plan, LoopInputs* inputs, double* storage,
    const Family* family, const Estimate* start, double before, double tolerance, double doubt, bint repair_empty,
    double* scratch,                               # of an update
    Workspace* workspace,                                  # IN the sums of the first pass
    Moments* moments,                              # OUT of the last pass
    double* counts,                                # OUT (K,) of the pass before
    Estimate* estimates,                           # OUT two: of pass p, counted from 0, the p-th modulo 2
    double* bounds,                                # OUT what each pass measured
) noexcept nogil:
    """Run EM until `at_most` passes are made or Python is needed; return the passes.

    That is where the gain is below `tolerance`, where a pass falls by more than `doubt`, relatively, and where an
    update fails.
    """
    cdef Py_ssize_t K = plan.n_all, n = 0
    cdef const Estimate* measured = start
    cdef Estimate* estimate
    while True:
        if n > 0:
            memcpy(counts, moments.counts, K * sizeof(double))
        gather_moments(plan, inputs, measured.whiteners, workspace, moments)
        moments.log_evidence += parameter_term(&family.objective, family.layout, K, family.d, measured)
        bounds[n] = moments.log_evidence / moments.weight
        n += 1
        if (n == inputs.at_most or fabs(bounds[n - 1] - before) < tolerance or repair_empty and any_empty(moments, K)
                or falls(before, bounds[n - 1], doubt)):
            return n
        before = bounds[n - 1]
        estimate = estimates + n % 2
        if most_likely(moments, family, 0, measured, scratch, estimate) >= 0:
            return n
        measured = estimate
        set_noise(plan, log_noise(&family.objective, K, estimate.weights))
        set_tails(plan, estimate.tails, family.objective.free_tails == NO_TAILS)
        if not walk_again(plan, inputs, storage, estimate.log_offset, estimate.means, estimate.whiteners, workspace):
            return n


cdef inline bint falls(double before, double after, double doubt) noexcept nogil:
    """Return whether an objective falls by more than a share of it; NaN is none to fall from."""
    return before - after > doubt * (1 + fabs(before))


cdef inline double rounding_of(const PassPlan* plan) noexcept nogil:
    """Bound the relative rounding error of the mean log evidence."""
    if plan.single:
        # Normal components come to rest before κ matters; tails crawl to a limit of theirs, step by doubtful step.
        return max(3e-7, 1e-8 * plan.kappa if plan.linear and has_tails(plan) else 0)
    return max(500.0, plan.kappa if plan.linear else 0) * DBL_EPSILON


cdef inline Py_ssize_t run_quasi_newton(
    PassPlan* plan, LoopInputs* inputs, double* storage, bint repair_empty, const StopTarget* target,
    Workspace* workspace,                                  # IN the sums of the first pass
    Moments* moments,                              # scratch
    State* state,                                  # IN, OUT
    double* records,                               # IN (n, COLUMNS) of earlier passes; OUT with these
    Py_ssize_t n,
) noexcept nogil:
    """Run the accelerated solver until it has converged, is stuck or pauses, or for `at_most` passes; return all."""
    cdef Py_ssize_t most = n + inputs.at_most, i
    cdef double* record
    cdef const Estimate* mixture
    while True:
        record = records + COLUMNS * n
        gather_moments(plan, inputs, next_mixture(state).whiteners, workspace, moments)
        add_pass(state, moments, rounding_in(plan, inputs), repair_empty, record)
        for i in range(3):
            record[i] *= inputs.unit
        n += 1
        mixture = next_mixture(state)
        set_noise(plan, log_noise(&state.family.objective, plan.n_all, mixture.weights))
        set_tails(plan, mixture.tails, state.family.objective.free_tails == NO_TAILS)
        if (state.converged or state.stuck or n == most or cannot_reach_target(target, records, n)
                or not walk_again(plan, inputs, storage, mixture.log_offset, mixture.means, mixture.whiteners,
                                  workspace)):
            return n
