"""Merges: the accelerated solver tries to make one component of two, when it maximises an evidence bound.

Where two components share a group, the bound is higher with one of them, but so flat on the way that it takes hundreds
of passes, more with more rows.  The statistics of both together make a mixture, and one pass tells whether its bound is
higher.  Components whose means lie apart are left alone: with few rows for the features, the prior may make the bound
prefer one for several groups.  A merge is tried while passes gain less than a component may cost; after each one that
fails, the solver waits for more passes.
"""
from libc.math cimport log1p
from libc.string cimport memcpy, memmove, memset

from gmm._kernel.layout cimport (
    Layout,
    component_stride,
    matrix_of,
    mirror_all,
    packed_size,
    shift_second,
)
from gmm._kernel.moments cimport Moments, moments_size
from gmm._kernel.objective cimport is_bound, rows_per_mean
from gmm._kernel.state cimport State
from gmm._kernel.whitener cimport half_square, half_trace_of_product

cdef enum:
    FIRST_MERGE = 5           # passes before it
    RANKS = 11                # of the pairs that are tried in turn, while the wait grows
    APART = 3                 # standard deviations of either, between means that are of different groups


cdef inline bint merge_is_due(const State* state) noexcept nogil:
    """Return whether the last pass gained less than the numbers of a component may cost, and none was tried lately."""
    cdef Py_ssize_t d = state.family.d
    cdef double cost = (1 + d + packed_size(state.family.covariance_layout, d)) * log1p(state.held.weight) / 2
    return (is_bound(&state.family.objective) and state.n_passes >= FIRST_MERGE and state.merge_wait == 0
            and state.n_gains > 0 and state.gains[0] * state.held.weight < cost)


cdef inline void end_merge(State* state, bint accepted) noexcept nogil:
    state.merging = False
    state.merge_failures = 0 if accepted else min(state.merge_failures + 1, RANKS - 1)
    state.merge_wait = 0 if accepted else 1 << state.merge_failures


cdef inline double shape_divergence(const State* state, Py_ssize_t j, Py_ssize_t k) noexcept nogil:
    """KL(N_k ‖ N_j) as if the means were one, of two components of EM's next mixture."""
    cdef Layout layout = state.family.covariance_layout
    cdef Py_ssize_t d = state.family.d, size = component_stride(layout, d)
    cdef const double* logs = state.plain.log_determinants
    return (half_trace_of_product(layout, d, state.plain.whiteners + j * size, state.plain.covariances + k * size)
            - d / 2. + logs[matrix_of(layout, k)] - logs[matrix_of(layout, j)])


cdef inline double mean_divergence(const State* state, Py_ssize_t j, Py_ssize_t k) noexcept nogil:
    """½‖W_j (m_k − m_j)‖², of two components of EM's next mixture."""
    cdef Layout layout = state.family.covariance_layout
    cdef Py_ssize_t d = state.family.d
    return half_square(layout, d, state.plain.whiteners + j * component_stride(layout, d), state.plain.means + j * d,
                       state.plain.means + k * d)


cdef inline bint choose_pair(const State* state, Py_ssize_t* into, Py_ssize_t* gone) noexcept nogil:
    """Choose the pair of least n_k KL(N_k ‖ N_j) or, after failures, one next to it; return whether there is one."""
    cdef Py_ssize_t K = state.family.K, j, k
    cdef const double* counts = state.held.counts
    cdef double[RANKS] nearest
    cdef Py_ssize_t[RANKS] pair
    cdef double least = rows_per_mean(&state.family.objective), apart
    cdef int asked = state.merge_failures + 1, found = 0, at
    for j in range(K):
        for k in range(K):
            if counts[k] < least or not (counts[k] < counts[j] or counts[k] == counts[j] and k > j):
                continue
            apart = mean_divergence(state, j, k)
            if not (2 * apart < APART * APART and 2 * mean_divergence(state, k, j) < APART * APART):
                continue
            apart *= counts[k]
            if found == asked and not apart < nearest[asked - 1]:
                continue                           # the rest is not negative
            apart += counts[k] * shape_divergence(state, j, k)
            if found == asked and not apart < nearest[asked - 1]:
                continue
            found = min(found + 1, asked)
            at = found - 1
            while at > 0 and apart < nearest[at - 1]:
                nearest[at], pair[at] = nearest[at - 1], pair[at - 1]
                at -= 1
            nearest[at], pair[at] = apart, j * K + k
    if found < asked:
        return False
    j, k = pair[asked - 1] // K, pair[asked - 1] % K
    into[0], gone[0] = min(j, k), max(j, k)
    return True


cdef inline void merge(State* state, Py_ssize_t into, Py_ssize_t gone) noexcept nogil:
    """Write the accepted moments with one component less to `tried`; those behind move up, the last is empty."""
    cdef Layout layout = state.family.moment_layout
    cdef Py_ssize_t K = state.family.K, d = state.family.d, after = K - 1 - gone, i
    cdef Py_ssize_t size = component_stride(layout, d)
    cdef Moments* moments = &state.tried
    cdef double* step = state.shifts
    memcpy(moments.origins, state.held.origins, moments_size(layout, K, d) * sizeof(double))
    moments.weight = state.held.weight
    for i in range(d):
        step[i] = moments.origins[gone * d + i] - moments.origins[into * d + i]
    shift_second(layout, d, moments.first + gone * d, step, moments.counts[gone], moments.second + gone * size)
    for i in range(d):
        moments.first[into * d + i] += moments.first[gone * d + i] + moments.counts[gone] * step[i]
    moments.counts[into] += moments.counts[gone]
    for i in range(size):
        moments.second[into * size + i] += moments.second[gone * size + i]
    memmove(moments.origins + gone * d, moments.origins + (gone + 1) * d, after * d * sizeof(double))
    memmove(moments.counts + gone, moments.counts + gone + 1, after * sizeof(double))
    memmove(moments.first + gone * d, moments.first + (gone + 1) * d, after * d * sizeof(double))
    memmove(moments.second + gone * size, moments.second + (gone + 1) * size, after * size * sizeof(double))
    moments.counts[K - 1] = 0
    memset(moments.first + (K - 1) * d, 0, d * sizeof(double))
    memset(moments.second + (K - 1) * size, 0, size * sizeof(double))
    mirror_all(layout, K, d, moments.second)
