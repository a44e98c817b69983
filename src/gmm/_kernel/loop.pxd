"""Passes in a row, each after an update by the one before: what one worker does without asking Python."""
from libc.float cimport DBL_EPSILON
from libc.math cimport fabs, sqrt

from gmm._kernel.quasi_newton cimport judge, next_mixture, plain_bound, propose
from gmm._kernel.block cimport data
from gmm._kernel.lanes cimport Bench, Rows, merge_siblings, walk_lanes
from gmm._kernel.moments cimport Moments, take_apart
from gmm._kernel.plan cimport Recipe, prepare
from gmm._kernel.state cimport State
from gmm._kernel.update cimport Estimate, Family, any_empty, log_prior, most_likely, step_of


cdef struct Course:
    # What is the same in every pass of a climb.
    Rows rows
    const double* origin        # (d,) and its reach: see `prepare`
    const double* reach
    const double* scatter       # (d, d) about the origin, or NULL
    bint single
    int form
    Py_ssize_t at_most          # passes, one at least


cdef struct Partition:
    # Where k-means stands.
    double* centres             # (K, d)
    double spread               # of the rows about their centres, in one feature
    double inertia              # Σ w ‖x − c‖²
    double total                # the same about one centre for all


cdef inline void walk(
    const Recipe* recipe, const Rows* shape, const data* rows, Py_ssize_t first, Py_ssize_t last,
    Bench* bench, bint accumulate,
) noexcept nogil:
    if recipe.single:
        walk_lanes(recipe, shape, rows, first, last, bench, <float*>bench.tile, accumulate)
    else:
        walk_lanes(recipe, shape, rows, first, last, bench, <double*>bench.tile, accumulate)


cdef inline bint walk_again(
    Recipe* recipe, const Course* course, const data* rows, double* room,
    const double* log_offset, const double* centres, const double* whiteners,
    Bench* bench,                                  # IN, OUT laid out for the form of the pass before
) noexcept nogil:
    """Another pass, with another mixture; False where that asks for another form, which needs another bench."""
    cdef bint linear = recipe.linear, single = recipe.single
    prepare(recipe, log_offset, centres, whiteners, course.origin, course.reach, course.single,
            course.scatter != NULL, course.form, room)
    if recipe.linear != linear or recipe.single != single:
        return False
    bench.n_nodes = 0
    walk(recipe, &course.rows, rows, 0, (course.rows.n + recipe.lane - 1) // recipe.lane, bench, True)
    merge_siblings(bench, recipe.n_sums, True)
    return True


cdef inline Py_ssize_t climb(
    Recipe* recipe, const Course* course, const data* rows, double* room,
    const Family* family, const Estimate* begin, double before, double tolerance, bint refills,
    double* scratch,                               # of an update
    Bench* bench,                                  # IN the sums of the first pass
    Moments* moments,                              # OUT of the last pass
    Estimate* estimates,                           # OUT two: of pass p, counted from 0, the p-th modulo 2
    double* bounds,                                # OUT what each pass measured
) noexcept nogil:
    """The number of passes: until the gain is below `tolerance`, there are enough, or an update needs help."""
    cdef Py_ssize_t K = recipe.n_components, n = 0
    cdef const Estimate* measured = begin
    cdef Estimate* estimate
    while True:
        take_apart(recipe, bench.node, measured.whiteners, course.scatter, moments)
        moments.log_evidence += log_prior(family, measured)
        bounds[n] = moments.log_evidence / moments.weight
        n += 1
        if n == course.at_most or fabs(bounds[n - 1] - before) < tolerance or refills and any_empty(moments, K):
            return n
        before = bounds[n - 1]
        estimate = estimates + n % 2
        if most_likely(moments, family, 0, measured.covariances, scratch, estimate) >= 0:
            return n
        measured = estimate
        if not walk_again(recipe, course, rows, room, estimate.log_offset, estimate.means, estimate.whiteners, bench):
            return n


cdef inline double rounding_of(const Recipe* recipe) noexcept nogil:
    """How far the mean log evidence may be off by rounding, relatively."""
    if recipe.single:
        return 3e-7
    return max(500.0, recipe.kappa if recipe.linear else 0) * DBL_EPSILON


cdef inline Py_ssize_t ascend(
    Recipe* recipe, const Course* course, const data* rows, double* room, bint refills,
    Bench* bench,                                  # IN the sums of the first pass
    Moments* moments,                              # scratch
    State* state,                                  # IN, OUT
    double* told,                                  # OUT (n, 4) bound, objective, remaining gain, accepted
) noexcept nogil:
    """The number of passes: until converged, there are enough, or an update needs help."""
    cdef Py_ssize_t K = recipe.n_components, n = 0
    cdef const Estimate* mixture
    cdef bint accepted
    while True:
        take_apart(recipe, bench.node, next_mixture(state).whiteners, course.scatter, moments)
        accepted = judge(state, moments, rounding_of(recipe))
        told[4 * n], told[4 * n + 1] = plain_bound(state), state.objective
        told[4 * n + 2], told[4 * n + 3] = state.remaining, accepted
        n += 1
        if accepted:
            state.stuck = state.stuck or (refills and any_empty(moments, K))
            if not state.stuck:
                propose(state)
        mixture = next_mixture(state)
        if (state.converged or state.stuck or n == course.at_most
                or not walk_again(recipe, course, rows, room, mixture.log_offset, mixture.means, mixture.whiteners,
                                  bench)):
            return n


cdef inline Py_ssize_t lloyd(
    Recipe* recipe, const Course* course, const data* rows, double* room, double least_gain,
    Bench* bench,                                  # IN the sums of the first pass, with hard assignment
    Moments* moments,                              # OUT of the last pass
    double* log_offset, double* whiteners,         # scratch (K,), zero, and (K,)
    Partition* partition,                          # IN, OUT
    bint* ended,                                   # OUT whether the last pass gained too little
) noexcept nogil:
    """The number of passes (Lloyd 1982): until one gains less than a `least_gain` of what is explained, or enough."""
    cdef Py_ssize_t K = recipe.n_components, d = recipe.n_features, j, k, n = 0
    cdef double before
    ended[0] = False
    while True:
        take_apart(recipe, bench.node, NULL, NULL, moments)
        n += 1
        for k in range(K):
            if moments.counts[k] > 0:
                for j in range(d):
                    partition.centres[k * d + j] = moments.origins[k * d + j] + step_of(moments, k, j, d)
        before = partition.inertia
        partition.inertia = -2 * (partition.spread * partition.spread) * moments.log_evidence
        ended[0] = not before - partition.inertia > least_gain * max(partition.total - partition.inertia, 0)
        ended[0] = ended[0] or not partition.inertia > 0
        if ended[0]:
            return n
        partition.spread = sqrt(partition.inertia / (d * moments.weight))
        for k in range(K):
            whiteners[k] = 1 / partition.spread
        if n == course.at_most or not walk_again(recipe, course, rows, room, log_offset, partition.centres,
                                                 whiteners, bench):
            return n
