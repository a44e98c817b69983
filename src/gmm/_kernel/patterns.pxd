"""The pass over rows of which some lack columns or have known errors: pattern after pattern.

Rows of a pattern have values in the same columns, and one error or each its own.  The mixture as they see it passes
over them, and what comes back is expanded to all columns (`observed.pxd`).  Consecutive patterns are a share, which is
the lane of such a pass: shares are summed in order and merged in pairs, as lanes are.
"""
from libc.float cimport DBL_EPSILON
from libc.string cimport memcpy, memset

from gmm._kernel.lanes cimport merge_siblings, push_node, walk
from gmm._kernel.layout cimport Layout, matrix_size, total_size
from gmm._kernel.moments cimport Moments, moments_in, moments_size
from gmm._kernel.observed cimport (
    Columns, Seen, TrueMixture, add_deconvolved, add_expanded, add_true, find_true, reduce_second, see, see_blurred,
    seen_in, seen_size, true_in, true_size,
)
from gmm._kernel.plan cimport (
    OwnErrors, PassPlan, choose_form, limit_linear_double, measure, n_lanes, prepare, prepare_own, prepared_size,
    set_noise,
)
from gmm._kernel.rows cimport Rows
from gmm._kernel.sums cimport unpack_moments
from gmm._kernel.workspace cimport Workspace, lay_out_nodes, node_slots, workspace_size

cdef enum:
    SHARE_ROWS = 4096           # of a pattern in one share, and what a share costs; a pattern costs as 4 d rows


cdef struct Pattern:
    # Rows that have values in the same columns.
    Rows rows                   # of these columns; `error` where each has its own
    Py_ssize_t first            # of the rows, among those of all patterns
    Columns columns
    const double* origin        # (q,) and its reach: see `prepare`
    const double* reach
    const double* scatter       # (q, q) about the origin, or NULL
    const double* error         # (d, d) or (d,) that the rows share, of all columns; NULL: none


cdef struct Patterns:
    Pattern* items
    Py_ssize_t n_shares         # 0: all rows have all columns
    const Py_ssize_t* shares    # (n_shares + 1,) the first pattern of each
    Py_ssize_t first_share      # the number of the first in the pass
    const double* errors        # (E, d, d) or (E, d) of rows that have their own
    Rows results                # where numbers of each row go, pattern after pattern


cdef struct PatternPass:
    # A mixture of all columns, and how the rows of patterns are passed over with what they see of it.
    const PassPlan* plan        # of all columns
    Layout layout               # of what patterns see: the mixture's or, with errors, a full or a diagonal one
    bint has_errors
    bint single
    int form
    const double* log_offset    # (K,)
    const double* centres       # (K, d)
    const double* whiteners
    const double* log_widths    # (d,) of the box of noise; NULL: none
    Py_ssize_t n_sums           # doubles in a node


cdef inline Py_ssize_t n_sums_of(const PatternPass* whole) noexcept nogil:
    """Return how many sums a pass has: moments but for their origins, then log evidence and weight; or four totals."""
    cdef Py_ssize_t K = whole.plan.n_all, d = whole.plan.n_features
    return 4 if whole.plan.totals else moments_size(whole.layout, K, d) - K * d + 2


cdef inline Moments moments_of_all(const PatternPass* whole, double* sums) noexcept nogil:
    """Return the sums as moments about the centres; what is behind them has no place there."""
    cdef Py_ssize_t K = whole.plan.n_all, d = whole.plan.n_features
    cdef Moments moments = moments_in(sums - K * d, K, d)
    moments.origins = <double*>whole.centres
    return moments


cdef inline Py_ssize_t size_in_form(const PassPlan* plan, Py_ssize_t n_rows) noexcept nogil:
    return node_slots(n_lanes(plan, n_rows)) * (plan.n_sums + 2) + workspace_size(plan, n_rows, False)


cdef inline Py_ssize_t pattern_size(const PatternPass* whole, const Pattern* pattern) noexcept nogil:
    """Return the doubles that a pass over a pattern needs for its workspace, in any form.

    Where empty components are skipped, those of fewer components as well, which may need more.
    """
    cdef PassPlan plan = whole.plan[0]
    cdef OwnErrors own
    cdef Py_ssize_t size = 0, fewer
    cdef int form
    plan.n_features, plan.layout, plan.moments = pattern.columns.q, whole.layout, whole.layout
    plan.common_scatter = plan.common_quadratic = plan.linear = plan.single = False
    plan.n_components = plan.n_all
    if pattern.rows.error != NULL:
        plan.own = &own
        measure(&plan)
        return size_in_form(&plan, pattern.rows.n)
    for fewer in range(plan.n_all if plan.skips_empty else 1):
        plan.n_components = plan.n_all - fewer
        for form in range(4):
            choose_form(&plan, 1, pattern.reach, form)
            measure(&plan)
            size = max(size, size_in_form(&plan, pattern.rows.n))
    return size


cdef inline Py_ssize_t patterns_size(const PatternPass* whole) noexcept nogil:
    """Doubles that `walk_shares` needs in addition to the workspace of a pattern."""
    cdef Py_ssize_t K = whole.plan.n_all, d = whole.plan.n_features
    return (seen_size(whole.layout, K, d) + true_size(whole.layout, K, d) + moments_size(whole.layout, K, d)
            + prepared_size(whole.layout, whole.layout, K, d))


cdef inline void walk_shares(
    const PatternPass* whole, const Patterns* patterns, Py_ssize_t first, Py_ssize_t last,
    Workspace* workspace,                          # IN, OUT its nodes
    bint accumulate,
) noexcept nogil:
    """Pass over the rows of some shares of patterns; add up their moments of all columns, or write numbers of each."""
    cdef Py_ssize_t K = whole.plan.n_all, d = whole.plan.n_features, share, i
    cdef double* work = workspace.patterns
    cdef Seen seen = seen_in(work, whole.layout, K, d)
    cdef TrueMixture mixture = true_in(work + seen_size(whole.layout, K, d), K)
    cdef double* rest = mixture.log_weights + true_size(whole.layout, K, d)
    cdef double* sums = NULL
    if whole.has_errors:
        find_true(whole.plan.layout, whole.layout, K, d, whole.log_offset, whole.whiteners, seen.workspace, &mixture)
    for share in range(first, last):
        if accumulate:
            sums = workspace.node + workspace.n_nodes * whole.n_sums
            memset(sums, 0, whole.n_sums * sizeof(double))
        for i in range(patterns.shares[share], patterns.shares[share + 1]):
            walk_pattern(whole, patterns, patterns.items + i, &mixture, &seen, rest, sums)
        if accumulate:
            push_node(workspace, patterns.first_share + share, whole.n_sums)


cdef inline void walk_pattern(
    const PatternPass* whole, const Patterns* patterns, const Pattern* pattern, const TrueMixture* mixture,     # IN
    Seen* seen, double* work,                      # scratch
    double* sums,                                  # IN, OUT of all columns; NULL where rows are written instead
) noexcept nogil:
    cdef Layout layout = whole.layout
    cdef Py_ssize_t K = whole.plan.n_all, d = whole.plan.n_features, j
    cdef double* prepared = work + moments_size(layout, K, d)
    cdef double log_noise = whole.plan.log_noise
    cdef const Columns* columns = &pattern.columns
    cdef PassPlan plan = whole.plan[0]
    cdef Rows rows = pattern.rows
    cdef Workspace workspace
    cdef Moments part, total
    cdef OwnErrors own
    plan.n_features, plan.layout, plan.moments = columns.q, layout, layout
    for j in range(columns.q, d if whole.log_widths != NULL else 0):
        log_noise += whole.log_widths[columns.order[j]]
    set_noise(&plan, log_noise)
    if whole.has_errors:
        see_blurred(layout, K, columns, whole.centres, mixture, pattern.error, seen)
    else:
        see(layout, K, columns, whole.log_offset, whole.centres, whole.whiteners, seen)
    if rows.error != NULL:
        own.errors, own.covariances, own.order = patterns.errors, seen.whiteners, columns.order
        own.d, own.size = d, matrix_size(layout, d)
        prepare_own(&plan, &own, seen.log_offset, seen.centres, prepared)
    else:
        prepare(&plan, seen.log_offset, seen.centres, seen.whiteners, pattern.origin, pattern.reach, whole.single,
                pattern.scatter != NULL and sums != NULL and not plan.totals, whole.form, prepared)
    if plan.allowed == NULL:                       # a mixture without classes
        rows.code = NULL
    if sums == NULL:
        rows.weight = NULL
        point_to_results(&patterns.results, pattern.first, K, &rows)
    lay_out_nodes(&plan, rows.n, False, prepared + prepared_size(layout, layout, K, d), &workspace)
    walk(&plan, &rows, 0, n_lanes(&plan, rows.n), &workspace, sums != NULL)
    if sums == NULL:
        return
    merge_siblings(&workspace, plan.n_sums, True)
    if plan.totals:
        for j in range(plan.n_sums):
            sums[j] += workspace.node[j]
        return
    part, total = moments_in(work, K, columns.q), moments_of_all(whole, sums)
    unpack_moments(&plan, workspace.node, seen.whiteners, pattern.scatter, &part)
    if whole.has_errors:
        add_deconvolved(layout, K, columns, seen, mixture, rows.error != NULL, &part, &total)
    else:
        add_expanded(layout, K, columns, seen, &part, &total)
    sums[whole.n_sums - 2] += part.log_evidence
    sums[whole.n_sums - 1] += part.weight


cdef inline void point_to_results(
    const Rows* results, Py_ssize_t first, Py_ssize_t K,
    Rows* rows,                                    # IN their type, OUT where numbers of these go
) noexcept nogil:
    cdef Py_ssize_t item = sizeof(float) if rows.single else sizeof(double)
    rows.label = NULL if results.label == NULL else results.label + first
    rows.log_evidence = NULL if results.log_evidence == NULL else results.log_evidence + first
    if results.responsibility != NULL:
        rows.responsibility = <char*>results.responsibility + first * K * item
    if results.largest != NULL:
        rows.largest = <char*>results.largest + first * item


cdef inline void collect_patterns(
    const PatternPass* whole,
    double* sums,                                  # IN of all shares, OUT scratch
    double* work,                                  # scratch: see `collect_size`
    Moments* moments,                              # OUT in the layout of the plan's moments
) noexcept nogil:
    cdef Py_ssize_t K = whole.plan.n_all, d = whole.plan.n_features
    cdef TrueMixture mixture = true_in(work + d * d, K)
    cdef Moments total = moments_of_all(whole, sums)
    if whole.has_errors:
        find_true(whole.plan.layout, whole.layout, K, d, whole.log_offset, whole.whiteners, work, &mixture)
        add_true(whole.layout, K, d, &mixture, &total)
    memcpy(moments.origins, whole.centres, K * d * sizeof(double))
    memcpy(moments.counts, sums, K * (2 + d) * sizeof(double))         # up to the second moments
    reduce_second(whole.layout, whole.plan.moments, K, d, total.second, moments.second)
    moments.log_evidence, moments.weight = sums[whole.n_sums - 2], sums[whole.n_sums - 1]


cdef inline Py_ssize_t collect_size(const PatternPass* whole) noexcept nogil:
    """Doubles of the scratch of `collect_patterns`."""
    return true_size(whole.layout, whole.plan.n_all, whole.plan.n_features) + whole.plan.n_features ** 2


cdef inline double rounding_of_patterns(const PatternPass* whole) noexcept nogil:
    """Bound the relative rounding error of the mean log evidence, whatever form patterns take: κ falls with columns."""
    return 3e-7 if whole.single else max(500.0, min(whole.plan.kappa, limit_linear_double())) * DBL_EPSILON
