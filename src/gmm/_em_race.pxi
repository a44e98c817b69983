"""Candidates for a start, a few passes of EM from each, and the race between them (`candidate.pxd`).

A `Race` finds `Clusters` in views of the rows, makes a `Candidate` of each, and chooses the best ones while they climb,
split components and drop others.  `CandidateRows` are what all of them pass over.
"""
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.float cimport DBL_EPSILON, DBL_MIN
from libc.math cimport INFINITY, fabs, isfinite, log, sqrt
from libc.string cimport memcmp, memcpy

from gmm._kernel.arrays cimport copied, estimate_arrays, moments_arrays
from gmm._kernel.axes cimport multiply_rows
from gmm._kernel.blas cimport multiply_first_transposed, multiply_transposed
from gmm._kernel.candidate cimport (
    Drops, Splits, ViewMetric, cheapest, drop, fill_whiteners, find_axes, find_splits, largest_reach, lay_out_splits,
    log_volume, points_to_rows, scaled_metric, split_component, splits_size, select_components,
)
from gmm._kernel.checks cimport expect
from gmm._kernel.estimate cimport Estimate, estimate_in, estimate_size
from gmm._kernel.family cimport NO_TAILS, Family
from gmm._kernel.lanes cimport merge_siblings, walk
from gmm._kernel.layout cimport (
    DIAGONAL, FULL, SPHERICAL, TIED, Layout, component_stride, is_layout, is_pooled, matrix_size, total_size,
)
from gmm._kernel.linear cimport n_terms
from gmm._kernel.moments cimport Moments, moments_in, moments_size, move_to_means
from gmm._kernel.mstep cimport DegeneracyCheck, MixtureFamily, most_likely, parameter_term, update_workspace_size
from gmm._kernel.objective cimport log_noise, set_initial_share
from gmm._kernel.plan cimport N_POWERS, PassPlan, n_lanes, prepare, prepared_size, same_workspace, set_noise, set_tails
from gmm._kernel.rows cimport Rows, describe_rows
from gmm._kernel.sums cimport unpack_moments
from gmm._kernel.tiles cimport kernel_in_use
from gmm._kernel.whitener cimport half_square, whiten
from gmm._kernel.within_clusters cimport Pairs, find_within, lay_out_pairs, load_pairs, pairs_size
from gmm._kernel.workspace cimport aligned

import functools

import numpy as np

from gmm._values import statistics

# Measured on 200k × 8 and × 16 and 50k × 64 (docs/measurements.md), among 1e-6 … 0.1: without shrinkage,
# directions of little variance add only noise.
cdef double SHRINKAGE = 0.03              # of the total variance, added to each once every feature has variance 1
cdef double LEAST_DEVIATION = 1e-50       # of a feature's reach: squares of rows in its units are then finite
cdef double LEAST_VARIANCE = DBL_MIN / DBL_EPSILON
cdef double SAME_CENTRE = 0.1             # of the spread of clusters
cdef double SAME = 0.25                   # of a standard deviation, between components of candidates that are alike
cdef double APART = 0.8                   # standard deviations between the mean of a component and that of each half
OFFSET = APART
cdef enum:
    N_LAST_DROPS = 3                      # ways in which it drops the last of its surplus
    N_LLOYD = 2                           # passes of k-means, …
    N_LLOYD_OF_MANY = 4                   # … of clusterings of which few become candidates, …
    N_LLOYD_LAST = 6                      # … and more of these
    N_FIRST = 2                           # passes of its first mixture
    N_LARGER = 6                          # passes between its splits and its drops
    N_SHORTLIST = 2                       # of what is left then and what there was, after one pass, …
    N_FINAL = 2                           # … which make so many more
    N_SETTLED = 40                        # passes at most, by which the best of the views can be ranked
    AHEAD = 3                             # times the gain of the last pass, by which a candidate may catch up, …
    AHEAD_OF_ALL = 25                     # … and where all run on
    N_LAST = 2                            # passes of the winner over all rows
    # Features up to which starts of diagonal and spherical models also use the metric of the whole covariance. It costs
    # n·d² and d³, far more on wide tables than all their passes. With each feature's own variance instead, fits of ten
    # real data sets by six types lose 0.014 (wine, diag) and 0.19 nats per row (breast cancer, EVI), and gain less on
    # others.
    WHOLE_METRIC = 64
    WHITENED = 768                        # rows at a time: BLAS packs and stores all it gets; whole tiles, for its bits


# --------------------------------------------------------------- rows of candidates, and their views

cdef class CandidateRows:
    """Float64 rows in memory that candidates for a start pass over.

    Parameters
    ----------
    rows : array of shape (n, d)
    weight : array of shape (n,), optional
    origin, reach : array of shape (d,)
        As `Plan` requires them.
    pooled : bool
        Whether moments are tied, which need the rows' scatter about `origin`.
    single_limit : float
        By how much the limits of float32 arithmetic may be passed; 0 for float64.
    code : array of shape (n,), optional
    allowed : array of shape (K, number of codes), optional
        As `RowTable` and `Plan` require them.
    """

    cdef const double[:, ::1] rows, scatter, allowed
    cdef const double[::1] weight, origin, reach
    cdef const int[::1] code
    cdef double single_limit
    cdef readonly Py_ssize_t n_rows

    def __cinit__(
        self, const double[:, ::1] rows, const double[::1] weight, const double[::1] origin, const double[::1] reach, *,
        bint pooled=False, double single_limit=0, const int[::1] code=None, const double[:, ::1] allowed=None,
    ):
        cdef Py_ssize_t d = rows.shape[1]
        if rows.shape[0] < 1 or d < 1:
            raise ValueError(f"expected one row and one feature at least, got shape {(rows.shape[0], d)}")
        expect("origin", origin.shape[0], d)
        expect("reach", reach.shape[0], d)
        if weight is not None:
            expect("weight", weight.shape[0], rows.shape[0])
        if code is not None:
            expect("code", code.shape[0], rows.shape[0])
        if (code is None) != (allowed is None):
            raise ValueError("expected codes of rows and a table of what they allow, got one without the other")
        self.rows, self.weight, self.origin, self.reach = rows, weight, origin, reach
        self.single_limit, self.n_rows, self.code, self.allowed = single_limit, rows.shape[0], code, allowed
        self.scatter = None
        if pooled:
            z, weighted = centred(rows, weight, origin)
            self.scatter = np.dot(weighted.T, z)

    @staticmethod
    def of(rows, sample, moments, double single_limit=0):
        """Return rows of a sample, both `ArraySource`s, with its centre and reach."""
        centre = sample.survey.centre
        kwargs = {"pooled": is_pooled(moments.code), "single_limit": single_limit} | classes_of(rows)
        return CandidateRows(rows.rows, rows.sample_weight, centre, sample.survey.reach(centre), **kwargs)

    def some(self, const Py_ssize_t[::1] indices not None):
        """Return some of the rows, about their own mean."""
        cdef Py_ssize_t n = indices.shape[0], d = self.rows.shape[1], i, j
        cdef double w, total = 0
        if n < 1:
            raise ValueError("expected some of the rows, got none")
        cdef double[:, ::1] rows = np.empty((n, d))
        cdef double[::1] origin = np.zeros(d), reach = np.zeros(d)
        cdef double[::1] weight = None if self.weight is None else np.empty(n)
        cdef int[::1] code = None if self.code is None else np.empty(n, np.intc)
        for i in range(n):
            if not 0 <= indices[i] < self.n_rows:
                raise ValueError(f"expected numbers of {self.n_rows} rows, got {indices[i]}")
            w = 1 if self.weight is None else self.weight[indices[i]]
            total += w
            for j in range(d):
                rows[i, j] = self.rows[indices[i], j]
                origin[j] += w * (rows[i, j] - rows[0, j])     # the mean of all may be far from some
            if weight is not None:
                weight[i] = w
            if code is not None:
                code[i] = self.code[indices[i]]
        for j in range(d):
            origin[j] = rows[0, j] + origin[j] / max(total, DBL_MIN)
            for i in range(n):
                reach[j] = max(reach[j], fabs(rows[i, j] - origin[j]))
        return CandidateRows(rows, weight, origin, reach, pooled=self.scatter is not None,
                             single_limit=self.single_limit, code=code, allowed=self.allowed)

    def views(self, moments, Py_ssize_t n_components=1):
        """Return the rows in their own units, and in the units of their covariance, shrunk towards its diagonal.

        For models of variances alone and many features, the last view is in units of each feature's standard
        deviation. Otherwise there is one between for several components, in the metric within so many clusters.
        """
        cdef const double[:, ::1] rows = self.rows
        cdef const double[::1] w = self.weight
        cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], i, j
        cdef double total = weight_of(w, n), log_determinant
        cdef bint wide = has_wide_views(moments, d)
        cdef Layout layout = DIAGONAL if wide else TIED
        cdef double[:, ::1] own = np.empty((n, d)), white = np.empty((n, d)), within
        cdef double[::1] variances = np.zeros(d if wide else d * d), whitener = np.empty(d if wide else d * d), metric
        for i in range(n):
            for j in range(d):
                own[i, j] = rows[i, j] - self.origin[j]
                white[i, j] = (1 if w is None else w[i]) / total * own[i, j]
        if wide:
            for i in range(n):
                for j in range(d):
                    variances[j] += own[i, j] * white[i, j]
        else:
            multiply_first_transposed(&white[0, 0], d, &own[0, 0], d, &variances[0], d, d, d, n)
        for j in range(d):
            i = j if wide else j * (d + 1)
            variances[i] *= 1 if wide else 1 + d * SHRINKAGE
            # Numbers near the least positive one have lost digits, and a matrix of them its definiteness.
            least = (LEAST_DEVIATION * self.reach[j]) ** 2
            variances[i] = max(variances[i], least) if variances[i] > LEAST_VARIANCE else 1
        whiten(layout, 1, d, &variances[0], &whitener[0], &log_determinant)
        if not isfinite(log_determinant):
            raise np.linalg.LinAlgError("the covariance of all rows was found singular")
        to_metric(layout, own, &whitener[0], white)
        views = []
        if not wide and d > 1 and n_components > 1:
            metric = np.empty(d * d)
            if find_metric(white, w, n_components, &whitener[0], &metric[0]):
                within = np.empty((n, d))
                to_metric(TIED, own, &metric[0], within)
                views.append(self.view(TIED, metric, within))
        return [self.view(SPHERICAL, np.array([1.]), own), *views, self.view(layout, whitener, white)]

    cdef view(self, Layout layout, double[::1] whitener, double[:, ::1] y):
        """Return a view of the rows y = V (x − origin), multiplied by a number so that their mean variance is 1.

        Rows that are far for their weight are at most 1e50 then, and their squares finite.
        """
        cdef Py_ssize_t n = y.shape[0], d = y.shape[1], i, j
        cdef double total = weight_of(self.weight, n), squares = 0, square, least, scale
        cdef double[::1] origin = np.zeros(d), farthest = np.zeros(d)
        for i in range(n):
            square = 0
            for j in range(d):
                square += y[i, j] * y[i, j]
                farthest[j] = max(farthest[j], fabs(y[i, j]))
            squares += square if self.weight is None else self.weight[i] * square
        least = LEAST_DEVIATION * largest_reach(&farthest[0], d)
        scale = 1 / max(sqrt(squares / total / d), least) if squares > 0 else 1
        for j in range(d):
            farthest[j] *= scale
        for i in range(n):
            for j in range(d):
                y[i, j] *= scale
        for i in range(whitener.shape[0]):
            whitener[i] *= scale
        seen = CandidateRows(y, self.weight, origin, farthest, single_limit=self.single_limit, code=self.code,
                             allowed=self.allowed)
        return CandidateView(seen, layout, whitener, self.origin)

    cdef int assign(
        self, Scratch scratch, Py_ssize_t K, Layout layout, Layout moments, const double* log_offset,
        const double* centres, const double* whiteners, double single_limit, Moments* out,
    ) except -1:
        """Assign each row to its likeliest component; the moments go into `out`, with the log evidence."""
        cdef PassPlan plan
        self.start_plan(&plan, K, layout, moments)
        plan.hard, plan.skips_evidence = True, False
        self.prepare_plan(&plan, scratch, log_offset, centres, whiteners, single_limit)
        return self.add_up(&plan, scratch, whiteners, out)

    cdef int pass_over(
        self, Scratch scratch, const Family* family, const Estimate* mixture, bint measured, double single_limit,
        Moments* out,
    ) except -1:
        """Pass over the rows with a mixture; its moments go into `out`, with the log evidence if that is measured."""
        cdef PassPlan plan
        self.start_plan(&plan, family.K, family.layout, family.layout)
        plan.skips_evidence = not measured
        set_noise(&plan, log_noise(&family.objective, family.K, mixture.weights))
        set_tails(&plan, mixture.tails, family.objective.free_tails == NO_TAILS)
        self.prepare_plan(&plan, scratch, mixture.log_offset, mixture.means, mixture.whiteners, single_limit)
        return self.add_up(&plan, scratch, mixture.whiteners, out)

    cdef int diagnose(
        self, Scratch scratch, Py_ssize_t K, Layout layout, Layout moments, const double* log_offset,
        const double* centres, const double* whiteners, const double* axes, Moments* out, double* powers,
    ) except -1:
        """Pass over the rows in float64, and add up powers of their coordinates along axes too, (K, `N_POWERS`, d)."""
        cdef PassPlan plan
        cdef Py_ssize_t size = K * N_POWERS * self.rows.shape[1]
        self.start_plan(&plan, K, layout, moments)
        plan.axes = axes
        self.prepare_plan(&plan, scratch, log_offset, centres, whiteners, 0)
        self.add_up(&plan, scratch, whiteners, out)
        memcpy(powers, scratch.workspace.node + plan.n_sums - 2 - size, size * sizeof(double))
        return 0

    cdef int add_up(self, const PassPlan* plan, Scratch scratch, const double* whiteners, Moments* out) except -1:
        cdef Rows table = describe_rows[double](self.rows, self.weight)
        if self.code is not None:
            table.code = &self.code[0]
        if scratch.owner is not self or not same_workspace(&scratch.plan, plan):
            scratch.make_ready(plan, table.n, again=True)
        scratch.workspace.n_nodes = 0
        with nogil:
            walk(plan, &table, 0, n_lanes(plan, table.n), &scratch.workspace, True)
            merge_siblings(&scratch.workspace, plan.n_sums, True)
            unpack_moments(plan, scratch.workspace.node, whiteners,
                           &self.scatter[0, 0] if plan.common_scatter else NULL, out)
        scratch.owner, scratch.workspace.loaded = self, table.n <= plan.block * scratch.workspace.n_kept
        return 0

    cdef int write_responsibilities(
        self, Scratch scratch, Py_ssize_t K, Layout layout, const double* log_offset, const double* centres,
        const double* whiteners, double* out,
    ) except -1:
        """Write the responsibilities of a mixture, (n, K)."""
        cdef PassPlan plan
        cdef Rows table = describe_rows[double](self.rows, None)
        self.start_plan(&plan, K, layout, layout)
        self.prepare_plan(&plan, scratch, log_offset, centres, whiteners, self.single_limit)
        scratch.make_ready(&plan, table.n)
        table.responsibility = out
        with nogil:
            walk(&plan, &table, 0, n_lanes(&plan, table.n), &scratch.workspace, False)
        scratch.owner = None                       # the block in the workspace has no weights
        return 0

    cdef int start_plan(self, PassPlan* plan, Py_ssize_t K, Layout layout, Layout moments) except -1:
        """Set what passes with so many normal components and soft assignments have in common."""
        start_plan(plan, K, self.rows.shape[1], layout, moments)
        if self.allowed is not None:
            expect("owners of components", self.allowed.shape[0], K)
            plan.allowed, plan.n_codes = &self.allowed[0, 0], self.allowed.shape[1]
        return 0

    cdef int prepare_plan(
        self, PassPlan* plan, Scratch scratch, const double* log_offset, const double* centres,
        const double* whiteners, double single_limit,
    ) except -1:
        cdef Py_ssize_t needed = prepared_size(plan.layout, plan.moments, plan.n_all, plan.n_features)
        cdef bint pooled = self.scatter is not None and is_pooled(plan.layout) and is_pooled(plan.moments)
        if scratch.storage is None or scratch.storage.shape[0] < needed:
            scratch.storage = np.empty(needed)
        prepare(plan, log_offset, centres, whiteners, &self.origin[0], &self.reach[0], single_limit, pooled, -1,
                &scratch.storage[0])
        return 0


cdef class CandidateView:
    """Rows in the coordinates of a metric, y = V (x − centre).

    Parameters
    ----------
    rows : CandidateRows
        The rows y, whose variance should be about 1.
    layout : int
        Code of the layout of V: spherical, diagonal or tied.
    whitener : flat array
        V, as the layout stores it for one component.
    centre : array of shape (d,)
        In the coordinates of x.
    """

    cdef CandidateRows rows
    cdef const double[::1] whitener, centre
    cdef ViewMetric metric

    def __cinit__(
        self, CandidateRows rows not None, Layout layout, const double[::1] whitener, const double[::1] centre,
    ):
        cdef Py_ssize_t d = rows.rows.shape[1]
        if not is_layout(layout) or layout == FULL:
            raise ValueError(f"expected the layout of a metric, spherical, diagonal or tied, got {layout}")
        expect("whitener", whitener.shape[0], matrix_size(layout, d))
        expect("centre", centre.shape[0], d)
        self.rows, self.whitener, self.centre = rows, whitener, centre
        self.metric.layout, self.metric.whitener, self.metric.centre = layout, &whitener[0], &centre[0]

    @property
    def coordinates(self):
        """The rows y, (n, d)."""
        return np.asarray(self.rows.rows)

    @property
    def of_rows(self):
        """The code of the layout of V, and V."""
        return self.metric.layout, np.asarray(self.whitener)

    def in_own_units(self, points):
        """Return points y, (m, d), in the coordinates of x."""
        cdef double[:, ::1] moved = np.array(points, np.float64)
        expect("a point", moved.shape[1], self.centre.shape[0])
        if moved.shape[0]:
            points_to_rows(&self.metric, moved.shape[0], moved.shape[1], &moved[0, 0])
        return moved.base


def has_wide_views(moments, Py_ssize_t n_features):
    """Return whether the metric of the whole covariance costs more than it is worth to a model of these moments."""
    return n_features > WHOLE_METRIC and moments.axis_aligned


cdef bint find_metric(
    const double[:, ::1] rows, const double[::1] weight, Py_ssize_t n_components,  # IN in a metric
    const double* metric,                          # IN (d, d) of which
    double* out,                                   # OUT (d, d) the metric within clusters
) except -1:
    """Return whether a metric within clusters was found."""
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1]
    cdef Pairs pairs
    cdef bint found
    cdef double* workspace = zeros(d * d + pairs_size(&pairs, n, d, n_components))
    pairs.kernel = kernel_in_use()
    with nogil:
        lay_out_pairs(&pairs, aligned(workspace + d * d))
        load_pairs(&pairs, &rows[0, 0], NULL if weight is None else &weight[0], n)
        found = find_within(&pairs, n_components, workspace)
        multiply_rows(workspace, metric, d, out)
    PyMem_Free(workspace)
    return found


cdef int to_metric(Layout layout, const double[:, ::1] rows, const double* whitener, double[:, ::1] out) except -1:
    """Write the coordinates of rows in a diagonal or a dense metric."""
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], first = 0, last = 0, i, j
    if layout == DIAGONAL:
        for i in range(n):
            for j in range(d):
                out[i, j] = whitener[j] * rows[i, j]
    while layout != DIAGONAL and last < n:
        first, last = last, last + WHITENED if n - last >= 2 * WHITENED else n
        multiply_transposed(&rows[first, 0], d, whitener, d, &out[first, 0], d, last - first, d, d, <double>0)
    return 0


cdef dict classes_of(rows):
    return {"code": rows.known.codes, "allowed": rows.known.allowed} if rows.known else {}


cdef double weight_of(const double[::1] weight, Py_ssize_t n) except? -1:
    """Return the weight of n rows; raise ValueError if there are weights of another number."""
    cdef double total = 0
    cdef Py_ssize_t i
    if weight is None:
        return n
    expect("weight", weight.shape[0], n)
    for i in range(n):
        total += weight[i]
    return total


cdef double* zeros(Py_ssize_t n) except NULL:
    cdef double* buffer = <double*>PyMem_Calloc(n, sizeof(double))
    if buffer == NULL:
        raise MemoryError
    return buffer


cdef centred(const double[:, ::1] rows, const double[::1] weight, const double[::1] centre):
    """Return rows less their centre, and these differences times the weights: themselves if there are none."""
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], i, j
    expect("centre", centre.shape[0], d)
    differences = np.empty((n, d))
    cdef double[:, ::1] z = differences, wz
    for i in range(n):
        for j in range(d):
            z[i, j] = rows[i, j] - centre[j]
    if weight is None:
        return differences, differences
    expect("weight", weight.shape[0], n)
    weighted = np.empty((n, d))
    wz = weighted
    for i in range(n):
        for j in range(d):
            wz[i, j] = z[i, j] * weight[i]
    return differences, weighted


# -------------------------------------------------------------------------------- clusters of a view

cdef class Clusters:
    """Clusters of the rows of a view, by k-means (Lloyd 1982).

    Parameters
    ----------
    view : CandidateView
    seeds : array of shape (K, d)
        In the coordinates of the view.
    n_passes : int
    scratch : Scratch
    number, part : int
        Numbers of the view among others, and of the rows that it shows.

    Attributes
    ----------
    centres : array of shape (K, d)
        In the coordinates of x.
    tightness : float
        The log-likelihood, in the coordinates of x, of spheres of one size about the centres of a view, in nats per
        unit weight, less a constant.
    """

    cdef CandidateView view               # None once there are no more passes
    cdef const double[::1] whitener, centre
    cdef ViewMetric metric                # that of the view, which points into these
    cdef double spread                    # root mean square of a feature of y about the centres
    cdef double[:, ::1] seen, points      # centres in the coordinates of the view, and in those of x
    cdef bint converged                   # whether a pass has moved no centre
    cdef int number, part                 # of the view, and of its rows
    cdef readonly double tightness

    def __cinit__(
        self, CandidateView view not None, const double[:, ::1] seeds, int n_passes, Scratch scratch not None,
        int number=0, int part=0,
    ):
        cdef Py_ssize_t d = view.centre.shape[0]
        expect("a seed", seeds.shape[1], d)
        self.number, self.part = number, part
        self.view, self.whitener, self.centre, self.metric = view, view.whitener, view.centre, view.metric
        self.seen, self.points = np.empty((2, seeds.shape[0], d))
        self.seen[:, :] = seeds
        self.spread = largest_reach(&view.rows.reach[0], d)
        self.go(n_passes, scratch)

    cdef int go(self, int n_passes, Scratch scratch) except -1:
        """Make some passes, but none after one that moves no centre."""
        cdef CandidateRows rows = self.view.rows
        cdef Py_ssize_t K = self.seen.shape[0], d = self.seen.shape[1]
        cdef Moments moments
        cdef double* workspace = zeros(2 * K + moments_size(SPHERICAL, K, d) + K * d)
        cdef double* before = workspace + 2 * K + moments_size(SPHERICAL, K, d)
        try:
            moments = moments_in(workspace + 2 * K, K, d)
            for _ in range(0 if self.converged else n_passes):
                memcpy(before, &self.seen[0, 0], K * d * sizeof(double))
                fill_whiteners(SPHERICAL, K, d, 1 / self.spread, workspace + K)
                rows.assign(scratch, K, SPHERICAL, SPHERICAL, workspace, &self.seen[0, 0], workspace + K,
                            rows.single_limit, &moments)
                move_to_means(&moments, K, d, &self.seen[0, 0])
                self.spread *= sqrt(max(-2 * moments.log_evidence / (d * moments.weight), 1e-16))
                self.converged = memcmp(before, &self.seen[0, 0], K * d * sizeof(double)) == 0
                if self.converged:
                    break
        finally:
            PyMem_Free(workspace)
        self.points[:, :] = self.seen
        points_to_rows(&self.metric, K, d, &self.points[0, 0])
        self.tightness = log_volume(&self.metric, d) - d * log(self.spread)
        return 0

    @property
    def centres(self):
        """(K, d), in the coordinates of x."""
        return np.asarray(self.points)

    cdef bint is_like(self, Clusters other):
        """Return whether each centre is near one of the others."""
        cdef const ViewMetric* metric = &self.metric
        cdef Py_ssize_t K = self.points.shape[0], d = self.points.shape[1], k, j
        cdef double nearest
        for k in range(K):
            nearest = INFINITY
            for j in range(K):
                nearest = min(nearest, half_square(metric.layout, d, metric.whitener, &self.points[k, 0],
                                                   &other.points[j, 0]))
            if 2 * nearest > (SAME_CENTRE * self.spread) ** 2:
                return False
        return True


def view_of(Py_ssize_t number, Py_ssize_t n_views):
    """Return in which view to seek a clustering: every other one within clusters, which are round there."""
    return number % 2 if n_views == 2 else 1 if number % 2 else number // 2 % 2 * 2


def tightest(list found, Py_ssize_t n, Py_ssize_t of_each):
    """Return the n tightest of some clusterings that are not alike, the tightest first, and of each view so many.

    Those of each part of the rows compete among themselves.
    """
    cdef Clusters one, other
    cdef list chosen = []
    cdef Py_ssize_t same, of_part
    for one in sorted(found, key=lambda one: one.tightness, reverse=True):
        same = of_part = 0
        for other in chosen:
            if other.part != one.part:
                continue
            of_part += 1
            same += other.number == one.number
            if same == of_each or of_part == n or one.is_like(other):
                break
        else:
            chosen.append(one)
    return chosen


# ---------------------------------------------------------------------------------------- candidates

cdef class Candidate:
    """A start: a partition about the centres of clusters, by `initialise`, then passes of EM, by `run`.

    Parameters
    ----------
    family : MixtureFamily
    moments : Layout
        Layout of the family's moments.

    Attributes
    ----------
    lower_bound : float
        The mean log evidence of the last pass and the prior's term, in nats per unit weight of x; −∞ before there is
        one, and after a failure.
    failed : bool
        Whether a covariance was not positive definite.
    """

    cdef MixtureFamily family
    cdef object layout
    cdef double* buffer
    cdef double* workspace                # of an update
    cdef Moments moments
    cdef Estimate[2] estimates
    cdef int current                      # of `estimates`, the next one to pass over the rows with
    cdef readonly double lower_bound
    cdef readonly bint failed
    cdef bint has_grown                   # remains of one whose components were split
    cdef int group                        # of candidates, of which the best runs on: those of a view
    cdef double gain                      # of the last pass

    def __cinit__(self, MixtureFamily family not None, moments):
        cdef const Family* f = &family.family
        cdef Py_ssize_t K = f.K, d = f.d, size = estimate_size(f.layout, K, d)
        cdef Py_ssize_t before = moments_size(f.layout, K, d)
        if moments.code != f.layout:
            raise ValueError(f"expected the layout of the family's moments, got {moments.code}")
        self.family, self.layout, self.failed, self.lower_bound = family, moments, False, -INFINITY
        self.buffer = zeros(before + 2 * size + max(update_workspace_size(f), matrix_size(f.layout, d)))
        self.moments = moments_in(self.buffer, K, d)
        self.estimates[0] = estimate_in(self.buffer + before, f.layout, K, d)
        self.estimates[1] = estimate_in(self.buffer + before + size, f.layout, K, d)
        self.workspace = self.buffer + before + 2 * size

    def __dealloc__(self):
        PyMem_Free(self.buffer)

    def initialise(
        self, Scratch scratch not None, CandidateRows rows not None, Clusters clusters not None, double share=0,
    ):
        """Assign rows to the nearest of the centres of clusters, and estimate the family's first mixture.

        Noise gets a share, if the family has noise. Where a covariance is singular in float32, it is estimated
        again from moments in float64.
        """
        cdef const Family* family = &self.family.family
        cdef const ViewMetric* metric = &clusters.metric
        cdef Py_ssize_t K = family.K, d = family.d
        cdef double limit
        expect("a row", rows.rows.shape[1], d)
        expect("clusters", clusters.points.shape[0], K)
        expect("a centre", clusters.points.shape[1], d)
        cdef double[::1] workspace = np.zeros(K + total_size(metric.layout, K, d))
        scaled_metric(metric, K, d, 1 / clusters.spread, &workspace[K])
        for limit in (rows.single_limit, 0):
            rows.assign(scratch, K, metric.layout, family.layout, &workspace[0], &clusters.points[0, 0], &workspace[K],
                        limit, &self.moments)
            set_initial_share(&family.objective, K, share, &self.moments)
            self.failed = most_likely(&self.moments, family, 0, NULL, self.workspace, &self.estimates[0]) >= 0
            if limit == 0 or not self.failed:
                break
        self.current = 0

    def run(self, Scratch scratch not None, CandidateRows rows not None, int n_passes):
        """Make `n_passes` passes of EM over rows, with an update after each, until one fails in float64 as well."""
        cdef const Family* family = &self.family.family
        cdef Layout layout = family.layout
        cdef Estimate* now
        cdef double limit
        cdef int i
        expect("a row", rows.rows.shape[1], family.d)
        for i in range(n_passes):
            if self.failed:
                self.lower_bound = -INFINITY
                return
            now = &self.estimates[self.current]
            self.current = 1 - self.current
            for limit in (rows.single_limit, 0):
                rows.pass_over(scratch, family, now, i == n_passes - 1, limit, &self.moments)
                self.moments.log_evidence += parameter_term(&family.objective, layout, family.K, family.d, now)
                self.lower_bound = self.moments.log_evidence / self.moments.weight
                self.failed = most_likely(&self.moments, family, 0, now, self.workspace,
                                          &self.estimates[self.current]) >= 0
                if limit == 0 or not self.failed:
                    break

    def with_splits(self, Scratch scratch not None, CandidateRows rows not None, MixtureFamily family not None):
        """Return a candidate of a family with more components, which splits those of this one that gain most by it.

        None where the axes of a covariance cannot be found.
        """
        cdef const Family* f = &self.family.family
        cdef const Estimate* now = &self.estimates[self.current]
        cdef Py_ssize_t K = f.K, d = f.d, more = family.family.K - K, best, k, i
        cdef Candidate one = Candidate(family, self.layout)
        cdef Moments* moments = &one.moments
        cdef Splits splits
        if not 0 < more <= K:
            raise ValueError(f"expected a family of {K + 1} to {2 * K} components, got {K + more}")
        expect("a row", rows.rows.shape[1], d)
        cdef double[::1] workspace = np.empty(splits_size(f.layout, K, d))
        lay_out_splits(&splits, &workspace[0], f.layout, K, d)
        if not find_axes(f.layout, K, d, now.weights, now.means, now.covariances, splits.axes, splits.workspace):
            return None
        # Each of its arrays starts with the numbers of these components.
        rows.diagnose(scratch, K, f.layout, f.layout, now.log_offset, now.means, now.whiteners,
                      splits.axes, moments, splits.powers)
        find_splits(&splits, f.layout, K, d, now.covariances, moments, APART)
        for i in range(more):
            best = 0
            for k in range(1, K):
                best = k if splits.gains[k] > splits.gains[best] else best
            splits.gains[best] = -INFINITY
            split_component(&splits, f.layout, K + more, d, best, K + i, moments)
        one.failed = most_likely(moments, &family.family, 0, NULL, one.workspace, &one.estimates[0]) >= 0
        return one

    def without(self, Scratch scratch not None, CandidateRows rows not None, MixtureFamily family not None, int n):
        """Return candidates of a family with fewer components: this mixture without the cheapest to drop.

        The candidates differ in the component that is dropped last, for which the `n` cheapest are tried.
        """
        cdef const Family* f = &self.family.family
        cdef const Estimate* now = &self.estimates[self.current]
        cdef Py_ssize_t K = f.K, fewer = family.family.K, n_rows = rows.n_rows, last, _
        cdef double share
        cdef Drops drops
        cdef Candidate one
        if not 0 < fewer < K:
            raise ValueError(f"expected a family of fewer components than {K}, got {fewer}")
        expect("a row", rows.rows.shape[1], f.d)
        cdef double[:, ::1] responsibility = np.empty((n_rows, K))
        cdef double[::1] shares = copied(np.empty(K), now.weights), totals = np.ones(n_rows), losses = np.zeros(K)
        cdef int[::1] known = np.zeros(K, dtype=np.intc)
        rows.write_responsibilities(scratch, K, f.layout, now.log_offset, now.means, now.whiteners,
                                    &responsibility[0, 0])
        drops.n, drops.K, drops.weight = n_rows, K, NULL if rows.weight is None else &rows.weight[0]
        drops.responsibility, drops.totals = &responsibility[0, 0], &totals[0]
        drops.shares, drops.losses, drops.known = &shares[0], &losses[0], &known[0]
        drops.mass = weight_of(rows.weight, n_rows)
        with nogil:
            for _ in range(K - fewer - 1):
                drop(&drops, cheapest(&drops))
        candidates = []
        for _ in range(min(n, fewer + 1)):
            with nogil:
                last = cheapest(&drops)
            share, shares[last], losses[last] = shares[last], 0, INFINITY
            one = Candidate(family, self.layout)
            one.start_from(scratch, rows, now, shares, K)
            shares[last] = share
            candidates.append(one)
        return candidates

    cdef int start_from(
        self, Scratch scratch, CandidateRows rows, const Estimate* mixture, const double[::1] shares, Py_ssize_t n,
    ) except -1:
        """Pass over rows with those of n components that have a share, and estimate the first mixture."""
        cdef const Family* f = &self.family.family
        cdef Estimate* left = &self.estimates[1]
        select_components(f.layout, f.d, mixture, &shares[0], n, left)
        rows.pass_over(scratch, f, left, False, rows.single_limit, &self.moments)
        self.failed = most_likely(&self.moments, f, 0, left, self.workspace, &self.estimates[0]) >= 0
        return 0

    cdef bint is_like(self, Candidate other):
        """Return whether each component is where one of the other candidate's is, and as wide."""
        cdef const Family* family = &self.family.family
        cdef Py_ssize_t K = family.K, d = family.d, stride = component_stride(family.layout, d), k, j
        cdef const Estimate* ours = &self.estimates[self.current]
        cdef const Estimate* theirs = &other.estimates[other.current]
        cdef double size
        for k in range(K):
            for j in range(K):
                size = fabs(ours.log_determinants[k if stride else 0] - theirs.log_determinants[j if stride else 0])
                if size < SAME * d and 2 * half_square(family.layout, d, theirs.whiteners + j * stride,
                                                       theirs.means + j * d, ours.means + k * d) < SAME * SAME:
                    break
            else:
                return False
        return True

    @property
    def estimate(self):
        """The next mixture, as `Update` returns it."""
        cdef const Family* family = &self.family.family
        size = estimate_size(family.layout, family.K, family.d)
        found = copied(np.empty(size), self.estimates[self.current].weights)
        return estimate_arrays(found, family.layout, family.K, family.d)

    @property
    def statistics(self):
        """The `SufficientStatistics` of the last pass, from which `estimate` was made."""
        cdef const Family* family = &self.family.family
        buffer = copied(np.empty(moments_size(family.layout, family.K, family.d)), self.buffer)
        return statistics.SufficientStatistics(*moments_arrays(buffer, self.layout, family.K, family.d, &self.moments))


# ----------------------------------------------------------------------- the race between candidates

cdef class Race:
    """The best of some candidates, which splits components and drops others, and does so again if that helped.

    Measured on 568 fits to 40 tables: where all clusterings are alike, that led nowhere but away from ties.

    Parameters
    ----------
    families : sequence of MixtureFamily
        That of the candidates and, unless nothing is split, one with more components.
    moments : Layout
        Layout of the families' moments.
    views : sequence of sequences of CandidateView
        The views of each of the parts; clusters are sought in these by turns.
    parts : sequence of CandidateRows
        The rows on which candidates are compared, and those of dense places among them.
    rows : CandidateRows, optional
        All rows, over which the best one passes in the end; None: the part in float64.
    uniforms : array of shape (n, …)
        By which `kmeans_seeds` draws the seeds of each clustering, among the first `n_seeding` rows of its part; as
        many clusterings for each part.
    n_seeding : int
    n_candidates : int
        How many of the clusterings of each part become candidates: if not all, the tightest of each view.
    shares : sequence of float
        The share of noise in the first mixture of candidates of each part.
    seeds : sequence of array of shape (K, d), optional
        Those of each clustering in the coordinates of its view, in place of `kmeans_seeds`.
    clusters : list of Clusters, optional
        Those found in such views from the same numbers before, which then are not needed.
    degeneracy : DegeneracyCheck, optional
        That of the families' model. None if no candidate is degenerate.
    noise : array of shape (d,), optional
        The variances of uniform noise.
    spread : callable, optional
        Runs a task for so many numbers in threads, given the multiply-adds of all.

    Attributes
    ----------
    clusters : list of Clusters
        From which the candidates start; they do not depend on the families.
    """

    cdef object families, moments, views, spread, shares, seeds
    cdef readonly list clusters
    cdef DegeneracyCheck degeneracy
    cdef list parts
    cdef CandidateRows part, rows
    cdef list scratches
    cdef const double[:, ::1] uniforms
    cdef const double[::1] noise
    cdef int n_candidates, n_of_view, n_lloyd
    cdef Py_ssize_t n_seeding, n_of_part
    cdef bint of_many                     # candidates are the tightest of each view
    cdef bint all_run_on                  # not the best of each view: for parts and for classes few passes predict less

    def __cinit__(
        self, families, moments, views, list parts not None, CandidateRows rows, const double[:, ::1] uniforms, *,
        Py_ssize_t n_seeding, int n_candidates, shares=(0,), seeds=None, list clusters=None,
        DegeneracyCheck degeneracy=None, const double[::1] noise=None, spread=None,
    ):
        self.families, self.moments, self.views, self.parts, self.rows = families, moments, views, parts, rows
        self.part, self.shares, self.seeds = <CandidateRows?>parts[0], shares, seeds
        self.uniforms, self.n_seeding, self.n_candidates = uniforms, n_seeding, n_candidates
        self.n_of_part, self.all_run_on = uniforms.shape[0] // len(parts), len(parts) > 1 or seeds is not None
        self.of_many = self.n_of_part > n_candidates
        self.n_of_view = 1 if self.of_many else n_candidates
        self.n_lloyd = N_LLOYD_LAST if seeds is not None else N_LLOYD_OF_MANY if self.of_many else N_LLOYD
        self.clusters, self.degeneracy, self.noise = clusters, degeneracy, noise
        self.spread, self.scratches = spread, []

    def best(self):
        """Return the candidate that wins."""
        cdef list found = self.partitions(), others
        cdef Scratch scratch
        cdef Candidate winner
        self.for_each(found, self.make_candidate, (<MixtureFamily>self.families[0]).family.layout, N_FIRST)
        found, scratch = self.ranked(found), self.scratches[0]
        winner = found[0]
        others = self.best_of_other_groups(found)
        if len(self.families) > 1 and (len(found) > 1 or not isfinite(self.worth(winner))):
            winner = self.grown(winner, scratch)
            if winner.has_grown:
                winner = self.grown(winner, scratch)
        winner = self.settled([winner, *others])
        if self.rows is None:
            self.rows, self.part.single_limit = self.part, 0
        winner.run(scratch, self.rows, N_LAST)                 # from sums of a part, a climb takes longer
        return winner

    def initial(self):
        """Return the candidates that start from clusters of many passes, before their first pass over all rows."""
        cdef Clusters clusters
        cdef Candidate one
        cdef Scratch scratch = Scratch()
        cdef list candidates = []
        self.n_lloyd = N_LLOYD_OF_MANY + N_LLOYD_LAST
        for clusters in self.partitions():
            one = Candidate(self.families[0], self.moments)
            all_rows = self.rows is not None and clusters.part == 0
            one.initialise(scratch, self.rows if all_rows else self.parts[clusters.part], clusters,
                           self.shares[clusters.part])
            candidates.append(one)
        return candidates

    cdef list partitions(self):
        """Return the clusters from which the candidates start, the tightest first."""
        cdef list found
        cdef Clusters clusters
        if self.clusters is None:
            found = [None] * self.uniforms.shape[0]
            self.for_each(found, self.find_clusters, SPHERICAL, self.n_lloyd)
            self.clusters = tightest(found, self.n_candidates, self.n_of_view)
            if self.of_many:
                self.for_each(self.clusters, self.finish_clusters, SPHERICAL, N_LLOYD_LAST)
            for clusters in self.clusters:
                clusters.view = None
        self.views = None
        return tightest(self.clusters, self.n_candidates, self.n_of_view)

    cdef list best_of_other_groups(self, list ranked):
        """Return the best of each group but that of the first."""
        cdef Candidate one
        best = {}
        for one in ranked:
            best.setdefault(one.group, one)
        return list(best.values())[1:]

    cdef Candidate settled(self, list candidates):
        """Return the best of some candidates once none may catch up, by the gain of its last pass.

        The quickest in the first passes is not always the highest in the end.
        """
        cdef Candidate first, one
        cdef int _
        for _ in range(N_SETTLED):
            if len(candidates) == 1:
                break
            self.for_each(candidates, self.run_on, (<MixtureFamily>self.families[0]).family.layout, 1)
            candidates = self.ranked(candidates)
            first = candidates[0]
            candidates = [first] + [one for one in candidates[1:] if self.may_pass(one, first)]
        return candidates[0]

    cdef bint may_pass(self, Candidate one, Candidate first) except -1:
        cdef double lead = self.worth(first) - self.worth(one)
        cdef int ahead = AHEAD_OF_ALL if self.all_run_on else AHEAD
        return not one.failed and lead <= ahead * one.gain and not one.is_like(first)

    def run_on(self, number, Candidate one not None, Scratch scratch not None):
        """Make one pass."""
        cdef double before = self.worth(one)
        one.run(scratch, self.part, 1)
        one.gain = self.worth(one) - before
        return one

    cdef Candidate grown(self, Candidate one, Scratch scratch):
        """Return a candidate whose components split, and of which as many were dropped, if it is higher."""
        cdef Candidate larger = None if one.failed else one.with_splits(scratch, self.part, self.families[1])
        cdef list shortlist = [one]
        cdef Candidate each
        if larger is not None:
            larger.run(scratch, self.part, N_LARGER)
            if not larger.failed:
                shortlist += larger.without(scratch, self.part, self.families[0], N_LAST_DROPS)
        for each in shortlist:
            each.run(scratch, self.part, 1)
        shortlist = self.ranked(shortlist)[:N_SHORTLIST]
        for each in shortlist:
            each.run(scratch, self.part, N_FINAL)
        each = self.ranked(shortlist)[0]
        each.has_grown = each is not one and not each.is_like(one)
        return each

    def ranked(self, list candidates):
        """Sort candidates by what they are worth, and those whose likelihood means nothing by their lower bounds."""
        return sorted(candidates, key=lambda one: (-self.worth(one), -one.lower_bound))

    cdef double worth(self, Candidate one) except? -1:
        if self.degeneracy is None:
            return one.lower_bound
        return -INFINITY if one.failed else self.degeneracy.worth_of(
            &one.family.family, &one.estimates[one.current], NULL if self.noise is None else &self.noise[0],
            one.lower_bound)

    cdef int for_each(self, list items, make, Layout layout, int n_passes) except -1:
        """Replace each of some items by what passes over the part make of it."""
        cdef const Family* family = &(<MixtureFamily>self.families[0]).family
        cdef double work = <double>self.part.n_rows * n_passes * family.K * (2 * n_terms(layout, family.d) + 20)
        if self.spread is None:
            self.advance(items, make, 0, len(items))
        else:
            self.spread(functools.partial(self.advance, items, make), len(items), len(items) * work)
        return 0

    def advance(self, list items, make, Py_ssize_t start, Py_ssize_t end):
        """Replace items start … end − 1; disjoint ranges may run in threads."""
        cdef Py_ssize_t i
        try:
            scratch = self.scratches.pop()  # asking whether there is one first would be a race without the GIL
        except IndexError:
            scratch = Scratch()
        for i in range(start, end):
            PyErr_CheckSignals()
            items[i] = make(i, items[i], scratch)
        self.scratches.append(scratch)

    def find_clusters(self, Py_ssize_t number, _, Scratch scratch not None):
        """Return clusters in one of the views of a part, from seeds of k-means++."""
        cdef int part = number // self.n_of_part
        cdef int place = view_of(number % self.n_of_part, len(self.views[part]))
        cdef CandidateView view = self.views[part][place]
        if self.seeds is not None:
            return Clusters(view, self.seeds[number], self.n_lloyd, scratch, place, part)
        cdef Py_ssize_t K = (<MixtureFamily>self.families[0]).family.K, k
        seeds = np.empty((K, view.centre.shape[0]))
        cdef Py_ssize_t[::1] chosen = np.empty(K, dtype=np.intp)
        cdef double[:, ::1] into = seeds
        choose_seeds(view.rows.rows[:self.n_seeding], view.rows.weight, self.uniforms[number], &chosen[0], K)
        for k in range(K):
            into[k] = view.rows.rows[chosen[k]]
        return Clusters(view, seeds, self.n_lloyd, scratch, place, part)

    def finish_clusters(self, number, Clusters clusters not None, Scratch scratch not None):
        """Make more passes."""
        clusters.go(N_LLOYD_LAST, scratch)
        return clusters

    def make_candidate(self, number, Clusters clusters not None, Scratch scratch not None):
        """Return a candidate that starts from clusters."""
        cdef Candidate one = Candidate(self.families[0], self.moments)
        one.initialise(scratch, self.parts[clusters.part], clusters, self.shares[clusters.part])
        one.run(scratch, self.part, N_FIRST)
        one.group = number if self.all_run_on else clusters.number
        return one
