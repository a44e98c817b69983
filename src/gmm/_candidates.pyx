"""Candidates for a start, a few passes of EM from each, the race between them: see `_kernel/candidate.pxd`.

And the `Verdict` on degenerate components, which ends some of them: see `_kernel/degenerate.pxd`.
"""
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.float cimport DBL_MIN
from libc.math cimport INFINITY, fabs, log, rint, sqrt
from libc.string cimport memcpy

from gmm._em cimport CandidateRows, Scratch
from gmm._kernel.arrays cimport copy_statistics, estimate_arrays, moments_arrays, view_estimate
from gmm._kernel.candidate cimport (
    BeginRoom,
    Splits,
    ViewMetric,
    axes_room,
    begin_size,
    drop_losses,
    fill_whiteners,
    find_axes,
    find_splits,
    has_simpler,
    largest_reach,
    lay_out_begin,
    lay_out_splits,
    layout_of_rows,
    log_volume,
    points_to_rows,
    scaled_metric,
    simpler_family,
    simpler_layout,
    split_component,
    split_gain,
    splits_size,
    squared_length,
    step_along_axis,
    take_components,
    whiteners_to_rows,
)
from gmm._kernel.degenerate cimport (
    RIDGES, Case, Judge, case_size, find_causes, lay_out_case, may_be_degenerate, total_spread,
)
from gmm._kernel.estimate cimport Estimate, estimate_in, estimate_size
from gmm._kernel.family cimport Family, has_noise, is_constrained
from gmm._kernel.layout cimport (
    FULL, SPHERICAL, Layout, component_stride, is_dense, is_layout, is_low_rank, matrix_size, n_matrices,
)
from gmm._kernel.lengths cimport expect, expect_matrix
from gmm._kernel.moments cimport Moments, moments_in, moments_size, move_to_means
from gmm._kernel.mstep cimport (
    MixtureFamily,
    QuasiNewtonState,
    most_likely,
    parameter_term,
    update_workspace_size,
)
from gmm._kernel.objective cimport is_bound
from gmm._kernel.plan cimport N_POWERS
from gmm._kernel.seeding cimport (
    Seeding,
    first_seed,
    lay_out_seeding,
    load_seeding_block,
    next_seed,
    seeding_buffer_size,
)
from gmm._kernel.state cimport State
from gmm._kernel.tiles cimport kernel_in_use
from gmm._kernel.workspace cimport aligned

from functools import partial
from operator import attrgetter

import numpy as np

from gmm._values import statistics

cdef double SAME_LIKELIHOOD = 1e-6        # nats per row
cdef double APART = 0.8                   # standard deviations between the mean of a component and that of each half
OFFSET = APART
cdef enum:
    N_SOFT = 3                            # passes of each candidate with a simpler mixture
    N_LAST_DROPS = 4                      # ways in which it drops the last of its surplus
    N_LAST = 2                            # passes of the winner over all rows


cdef double* zeros(Py_ssize_t n) except NULL:
    cdef double* room = <double*>PyMem_Calloc(n, sizeof(double))
    if room == NULL:
        raise MemoryError
    return room


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

    @staticmethod
    def scaled(
        double[:, ::1] y, weight, Layout layout, const double[::1] whitener, centre, double single_limit,
    ):
        """Return a view of rows, which it multiplies by a number so that their mean variance is 1, as the whitener."""
        cdef Py_ssize_t n = y.shape[0], d = y.shape[1], i, j
        cdef double variance, scale
        squares, of_view, origin, reach = np.empty(n), np.empty(whitener.shape[0]), np.zeros(d), np.zeros(d)
        cdef double[::1] square = squares, farthest = reach, wide = of_view
        for i in range(n):
            square[i] = squared_length(&y[i, 0], d)
        variance = (squares.mean() if weight is None else squares @ weight / weight.sum()) / d
        scale = 1 / sqrt(variance) if variance > 0 else 1
        for i in range(n):
            for j in range(d):
                y[i, j] *= scale
                farthest[j] = max(farthest[j], fabs(y[i, j]))
        for i in range(whitener.shape[0]):
            wide[i] = scale * whitener[i]
        return CandidateView(CandidateRows(y, weight, origin, reach, single_limit=single_limit), layout, of_view,
                             centre)


cdef class Opening:
    """How a candidate begins in a view, before its family's first mixture: alike for all families of one layout.

    Parameters
    ----------
    family : MixtureFamily
    view : CandidateView

    Attributes
    ----------
    lower_bound : float
        That of the partition or the simpler mixture.
    """

    cdef Layout simpler
    cdef bint has_simpler
    cdef Py_ssize_t K
    cdef double* buffer
    cdef BeginRoom room                   # in `buffer`
    cdef readonly double lower_bound

    def __cinit__(self, MixtureFamily family not None, CandidateView view not None):
        cdef Layout layout = family.family.covariance_layout, metric = view.metric.layout
        cdef Py_ssize_t K = family.family.K, d = family.family.d
        expect("a row of the view", view.rows.rows.shape[1], d)
        self.K, self.simpler, self.has_simpler = K, simpler_layout(layout), has_simpler(layout, d)
        self.buffer, self.lower_bound = zeros(begin_size(metric, self.simpler, K, d)), -INFINITY
        lay_out_begin(&self.room, self.buffer, metric, self.simpler, K, d)
        self.room.spread = largest_reach(&view.rows.reach[0], d)

    def __dealloc__(self):
        PyMem_Free(self.buffer)

    cdef int partition(self, CandidateView view, Scratch scratch, int n_lloyd, int n_soft) except -1:
        """Move the seeds; fit the simpler mixture, if there is one; and bring either to the coordinates of x."""
        cdef Layout layout = self.simpler
        cdef Py_ssize_t K = self.K, d = view.centre.shape[0]
        cdef BeginRoom* room = &self.room
        cdef Family simpler = simpler_family(layout, K, d)
        cdef Estimate* now = &room.simple
        for _ in range(n_lloyd):
            fill_whiteners(SPHERICAL, K, d, 1 / room.spread, room.whiteners)
            view.rows.pass_over(scratch, K, SPHERICAL, SPHERICAL, room.zero, room.centres, room.whiteners, True, True,
                                view.rows.single_limit, &room.moments)
            move_to_means(&room.moments, K, d, room.centres)
            room.spread *= sqrt(max(-2 * room.moments.log_evidence / (d * room.moments.weight), 1e-16))
        room.soft = n_soft > 0 and self.has_simpler
        if not room.soft:
            room.layout = view.metric.layout
            scaled_metric(&view.metric, K, d, 1 / room.spread, room.wide)
            points_to_rows(&view.metric, K, d, room.centres)
            self.lower_bound = log_volume(&view.metric, d) - d * log(room.spread)
            return 0
        fill_whiteners(layout, K, d, 1 / room.spread, room.whiteners)
        for i in range(n_soft):
            if i == 0:
                view.rows.pass_over(scratch, K, layout, layout, room.zero, room.centres, room.whiteners, True,
                                    n_soft == 1, view.rows.single_limit, &room.moments)
            else:
                view.rows.pass_over(scratch, K, layout, layout, now.log_offset, now.means, now.whiteners, False,
                                    i == n_soft - 1, view.rows.single_limit, &room.moments)
            # The ridge keeps every variance positive.
            most_likely(&room.moments, &simpler, 0, NULL, room.update, now)
        self.lower_bound = room.moments.log_evidence / room.moments.weight + log_volume(&view.metric, d)
        room.layout = layout_of_rows(view.metric.layout, layout)
        whiteners_to_rows(&view.metric, layout, now.whiteners, K, d, room.wide)
        points_to_rows(&view.metric, K, d, now.means)
        return 0


cdef Py_ssize_t cheapest(const double[::1] losses, Py_ssize_t n) noexcept:
    cdef Py_ssize_t best = 0, k
    for k in range(1, n):
        best = k if losses[k] < losses[best] else best
    return best


cdef class Candidate:
    """A start: `begin` in a view, `leave_view`, then passes of EM by `run`.

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
    cdef Opening opening
    cdef double* buffer
    cdef double* room                     # of an update
    cdef Moments moments
    cdef Estimate[2] estimates
    cdef int current                      # of `estimates`, the next one to pass over the rows with
    cdef readonly double lower_bound
    cdef readonly bint failed

    def __cinit__(self, MixtureFamily family not None, moments):
        cdef const Family* f = &family.family
        cdef Py_ssize_t K = f.K, d = f.d, size = estimate_size(f.covariance_layout, K, d)
        cdef Py_ssize_t before = moments_size(f.moment_layout, K, d)
        if moments.code != f.moment_layout:
            raise ValueError(f"expected the layout of the family's moments, got {moments.code}")
        self.family, self.layout = family, moments
        self.failed, self.lower_bound, self.opening = False, -INFINITY, None
        self.buffer = zeros(before + 2 * size + max(update_workspace_size(f), matrix_size(f.covariance_layout, d)))
        self.moments = moments_in(self.buffer, K, d)
        self.estimates[0] = estimate_in(self.buffer + before, f.covariance_layout, K, d)
        self.estimates[1] = estimate_in(self.buffer + before + size, f.covariance_layout, K, d)
        self.room = self.buffer + before + 2 * size

    def __dealloc__(self):
        PyMem_Free(self.buffer)

    def begin(
        self, Scratch scratch not None, CandidateView view not None, const double[:, ::1] seeds, *,
        int n_lloyd, int n_soft,
    ):
        """Partition the rows of a view about seeds (K, d).

        `n_lloyd` passes of k-means move the seeds. Then come `n_soft` passes with a simpler mixture, if the family has
        one, the first with hard assignment.
        """
        cdef Opening opening = Opening(self.family, view)
        expect_matrix("seeds", seeds, opening.K, view.centre.shape[0])
        memcpy(opening.room.centres, &seeds[0, 0], seeds.size * sizeof(double))
        opening.partition(view, scratch, n_lloyd, n_soft)
        self.follow(opening)

    cdef int follow(self, Opening opening) except -1:
        """Begin as another candidate has, of a family of the same layout."""
        self.opening, self.lower_bound = opening, opening.lower_bound
        return 0

    def leave_view(self, Scratch scratch not None, CandidateRows rows not None):
        """Pass over rows in their own coordinates, and estimate the family's first mixture.

        Where a covariance is singular in float32, it is estimated again from moments in float64.
        """
        cdef const Family* family = &self.family.family
        cdef const BeginRoom* room
        cdef double limit
        expect("a row", rows.rows.shape[1], family.d)
        if self.opening is None:
            raise ValueError("expected a candidate that has begun in a view, and has not left it")
        room = &self.opening.room
        for limit in (rows.single_limit, 0):
            rows.pass_over(scratch, family.K, room.layout, family.moment_layout,
                           room.simple.log_offset if room.soft else room.zero,
                           room.simple.means if room.soft else room.centres, room.wide, not room.soft, False,
                           limit, &self.moments)
            self.failed = most_likely(&self.moments, family, 0, NULL, self.room, &self.estimates[0]) >= 0
            if limit == 0 or not self.failed:
                break
        self.current, self.opening = 0, None

    def run(self, Scratch scratch not None, CandidateRows rows not None, int n_passes):
        """Make `n_passes` passes of EM over rows, with an update after each, until one fails."""
        cdef const Family* family = &self.family.family
        cdef Layout layout = family.covariance_layout
        cdef Estimate* now
        cdef int i
        expect("a row", rows.rows.shape[1], family.d)
        for i in range(n_passes):
            if self.failed:
                self.lower_bound = -INFINITY
                return
            now = &self.estimates[self.current]
            rows.pass_over(scratch, family.K, layout, family.moment_layout, now.log_offset, now.means, now.whiteners,
                           False, i == n_passes - 1, rows.single_limit, &self.moments)
            self.moments.log_evidence += parameter_term(&family.objective, layout, family.K, family.d, now)
            self.lower_bound = self.moments.log_evidence / self.moments.weight
            if is_constrained(family) or is_low_rank(layout):      # an update begins at the covariances before
                self.current = 1 - self.current
            self.failed = most_likely(&self.moments, family, 0, now.covariances, self.room,
                                      &self.estimates[self.current]) >= 0

    def with_splits(self, Scratch scratch not None, CandidateRows rows not None, MixtureFamily family not None):
        """Return a candidate of a family with more components: it splits those of this one's that gain most by it.

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
        cdef double[::1] room = np.empty(splits_size(f.covariance_layout, f.moment_layout, K, d))
        lay_out_splits(&splits, &room[0], f.covariance_layout, f.moment_layout, K, d)
        if not find_axes(f.covariance_layout, n_matrices(f.covariance_layout, K), d, now.covariances, &rows.reach[0],
                         splits.axes, splits.room):
            return None
        # Each of its arrays begins with what belongs to these components.
        rows.diagnose(scratch, K, f.covariance_layout, f.moment_layout, now.log_offset, now.means, now.whiteners,
                      splits.axes, moments, splits.powers)
        find_splits(&splits, f.covariance_layout, K, d, now.covariances, moments, APART)
        for i in range(more):
            best = 0
            for k in range(1, K):
                best = k if splits.gains[k] > splits.gains[best] else best
            splits.gains[best] = -INFINITY
            split_component(&splits, f.moment_layout, K + more, d, best, K + i, moments)
        one.failed = most_likely(moments, &family.family, 0, NULL, one.room, &one.estimates[0]) >= 0
        return one

    def without(self, Scratch scratch not None, CandidateRows rows not None, MixtureFamily family not None, int n):
        """Return candidates of a family with fewer components: of this one's mixture, without those cheapest to drop.

        The candidates differ in the component that is dropped last, for which the `n` cheapest are tried.
        """
        cdef const Family* f = &self.family.family
        cdef const Estimate* now = &self.estimates[self.current]
        cdef Py_ssize_t K = f.K, fewer = family.family.K, last
        cdef double share
        cdef Candidate one
        if not 0 < fewer < K:
            raise ValueError(f"expected a family of fewer components than {K}, got {fewer}")
        expect("a row", rows.rows.shape[1], f.d)
        cdef double[:, ::1] responsibility = np.empty((rows.n_rows, K))
        cdef double[::1] losses = np.empty(2 * K), shares = np.array(<double[:K]>now.weights)
        rows.write_responsibilities(scratch, K, f.covariance_layout, now.log_offset, now.means, now.whiteners,
                                    &responsibility[0, 0])
        self.measure_losses(rows, responsibility, shares, losses)
        for _ in range(K - fewer - 1):
            shares[cheapest(losses, K)] = 0
            self.measure_losses(rows, responsibility, shares, losses)
        candidates = []
        for _ in range(min(n, fewer + 1)):
            last = cheapest(losses, K)
            share, shares[last], losses[last] = shares[last], 0, INFINITY
            one = Candidate(family, self.layout)
            one.take(scratch, rows, now, shares, K)
            shares[last] = share
            candidates.append(one)
        return candidates

    cdef int measure_losses(
        self, CandidateRows rows, const double[:, ::1] responsibility, const double[::1] shares, double[::1] losses,
    ) except -1:
        with nogil:
            drop_losses(&responsibility[0, 0], NULL if rows.weight is None else &rows.weight[0], rows.n_rows,
                        shares.shape[0], &shares[0], &losses[shares.shape[0]], &losses[0])
        return 0

    cdef int take(
        self, Scratch scratch, CandidateRows rows, const Estimate* mixture, const double[::1] shares, Py_ssize_t n,
    ) except -1:
        """Pass over rows with those of n components that have a share, and estimate the first mixture."""
        cdef const Family* f = &self.family.family
        cdef Estimate* left = &self.estimates[1]
        take_components(f.covariance_layout, f.d, mixture, &shares[0], n, left)
        rows.pass_over(scratch, f.K, f.covariance_layout, f.moment_layout, left.log_offset, left.means, left.whiteners,
                       False, False, rows.single_limit, &self.moments)
        self.failed = most_likely(&self.moments, f, 0, left.covariances, self.room, &self.estimates[0]) >= 0
        return 0

    @property
    def estimate(self):
        """The next mixture, as `Update` returns it."""
        cdef const Family* family = &self.family.family
        cdef Py_ssize_t size = estimate_size(family.covariance_layout, family.K, family.d)
        found = np.array(<double[:size]>self.estimates[self.current].weights)
        return estimate_arrays(found, family.covariance_layout, family.K, family.d)

    @property
    def statistics(self):
        """The `SufficientStatistics` of the last pass, from which `estimate` was made."""
        cdef const Family* family = &self.family.family
        cdef Py_ssize_t size = moments_size(family.moment_layout, family.K, family.d)
        arrays = moments_arrays(np.array(<double[:size]>self.buffer), family.K, family.d, &self.moments)
        return statistics.SufficientStatistics.from_kernel(self.layout, *arrays)


cdef class Verdict:
    """Which components of mixtures of a model are degenerate, of the rows of a fit.

    Parameters
    ----------
    rules : tuple
        The first fields of a `Case`, from `layout` on.
    weight : float
        Of all rows.
    variances : array of shape (d,)
        Up to which a variance is that of rounding and of the ridge.
    ridge : float
    judge : int
        A `Judge`.
    """

    cdef Case case
    cdef const double[::1] variances      # the case points into these

    def __cinit__(self, rules, double weight, const double[::1] variances, double ridge, Judge judge):
        cdef Case* case = &self.case
        (case.layout, case.d, case.fewest, case.n_parameters, case.common, case.common_axes, case.own_shapes,
         case.scales_shapes) = rules
        expect("variances", variances.shape[0], case.d)
        self.variances, case.variances = variances, &variances[0]
        case.weight, case.ridge, case.judge = weight, RIDGES * ridge, judge

    def causes(self, estimate, const double[::1] noise=None, of_pass=None):
        """Return the first `Cause` by which each component of a mixture is degenerate, (K,); 0 for the others.

        The mixture is as `Update` returns it, and `noise` has the variances of its uniform noise, (d,). Of components
        that were scaled to one volume, the `SufficientStatistics` of a pass tell the covariances before.
        """
        cdef Case case = self.case
        cdef Family family
        cdef Moments moments
        set_mixture(&case, estimate, noise)
        if of_pass is None:
            return self.judged(&case)
        family = simpler_family(case.layout, case.K, case.d)
        cdef double[::1] room = np.empty(moments_size(case.layout, case.K, case.d))
        copy_statistics(of_pass, &family, room, &moments)
        return self.judged_by(&case, &moments)

    def first(self, QuasiNewtonState state not None, noise, *, bint of_pass):
        """Return the first component of the state's accepted mixture for which `causes` tells one, or −1.

        `noise` is the `Noise` of its family; the statistics of the pass are looked at if they are asked for. A
        posterior has no such component.
        """
        cdef Case case = self.case
        cdef const State* held = &state.state
        cdef const unsigned char[::1] causes
        cdef Py_ssize_t k
        if held.family.covariance_layout != case.layout or held.family.d != case.d or held.n_passes == 0:
            raise ValueError("expected a mixture of the model of a verdict, from a pass that was accepted")
        if is_bound(&held.family.objective):
            return -1
        case.K, case.mixture = held.family.K, held.best
        set_noise(&case, noise.variances if has_noise(&held.family.objective) else None)
        causes = self.judged_by(&case, &held.held) if of_pass else self.judged(&case)
        for k in range(case.K):
            if causes[k] > 0:
                return k
        return -1

    cdef judged_by(self, Case* case, const Moments* moments):
        """Judge a mixture with the moments of its pass."""
        cdef Family family = simpler_family(case.layout, case.K, case.d)
        cdef double[::1] room = np.empty(estimate_size(case.layout, case.K, case.d))
        cdef Estimate free = estimate_in(&room[0], case.layout, case.K, case.d)
        family.ridge = case.ridge / RIDGES
        if most_likely(moments, &family, 0, NULL, NULL, &free) < 0:
            case.free = free.whiteners
        return self.judged(case)

    cdef bint rejects(self, const Family* family, const Estimate* mixture) except -1:
        """Return whether a component of a mixture without noise is degenerate, if a bound does not rule that out."""
        cdef Case case = self.case
        if family.covariance_layout != case.layout or family.d != case.d:
            raise ValueError("expected candidates of the model of a verdict, got the verdict of another model")
        case.K, case.mixture, case.free = family.K, mixture[0], mixture.whiteners
        case.noise, case.explained = NULL, False
        return may_be_degenerate(&case) and self.judged(&case).any()

    cdef judged(self, Case* case):
        cdef double[::1] room = np.empty(case_size(case.layout, case.K, case.d))
        cdef unsigned char[::1] causes = np.empty(case.K, np.uint8)
        lay_out_case(case, &room[0])
        with nogil:
            find_causes(case, &causes[0])
        return causes.base


def total_variances(Layout layout, estimate, const double[::1] noise=None):
    """Return the variances of a whole mixture, (d,), given what `Verdict.causes` takes."""
    cdef Case case
    _, means, *_ = estimate
    cdef const double[:, ::1] of_means = means
    case.layout, case.d = layout, of_means.shape[1]
    set_mixture(&case, estimate, noise)
    cdef double[::1] room = np.empty(case_size(layout, case.K, case.d))
    lay_out_case(&case, &room[0])
    total_spread(&case)
    return room.base[:case.d * case.d:case.d + 1] if is_dense(layout) else room.base[:case.d]


cdef int set_mixture(Case* case, estimate, const double[::1] noise) except -1:
    given, *_ = estimate
    cdef const double[::1] weights = given
    case.K = weights.shape[0]
    if not is_layout(case.layout) or case.K < 1 or case.d < 1:
        raise ValueError(f"expected a layout, components and features, got {(case.layout, case.K, case.d)}")
    case.mixture = view_estimate(estimate, case.layout, case.K, case.d)
    return set_noise(case, noise)


cdef int set_noise(Case* case, const double[::1] noise) except -1:
    cdef Py_ssize_t k
    if noise is not None:
        expect("noise", noise.shape[0], case.d)
    case.free, case.noise = case.mixture.whiteners, NULL if noise is None else &noise[0]
    case.explained = noise is not None
    for k in range(case.K):
        case.explained = case.explained or case.mixture.tails[k] > 0
    return 0


cdef enum:
    BEGIN, LEAVE, RUN                     # what the candidates of a field do next


cdef class Race:
    """Successive halving of candidates. What is left splits some components and drops others, as long as that helps.

    Parameters
    ----------
    schedule : Schedule
    families : sequence of MixtureFamily
        That of the candidates and, unless nothing is split, one with more components.
    moments : Layout
        Layout of the families' moments.
    uniforms : array
        What `kmeans_seeds` draws the seeds of candidates by, a row for each that needs them.
    views : sequence of CandidateView
        Of the rows that candidates begin on; they take turns in them.
    part, rows : CandidateRows
        The rows that candidates are compared on, and all of them.
    verdict : Verdict, optional
        Of the model of the families. None if no candidate is degenerate.
    spread : callable, optional
        Runs a task for so many candidates in threads, given the rows that each passes over.
    openings : list of Opening, optional
        How candidates began in an earlier race over the same rows, of families of the same layout; empty before it.
    """

    cdef object schedule, families, moments, views, spread, openings
    cdef Verdict verdict
    cdef CandidateRows part, rows
    cdef list scratches
    cdef const double[:, ::1] uniforms
    cdef bint random_seeds
    cdef int n_lloyd, n_larger, n_final
    cdef Py_ssize_t n_seeding

    def __cinit__(
        self, schedule, families, moments, const double[:, ::1] uniforms, views, CandidateRows part not None,
        CandidateRows rows not None, *, Verdict verdict=None, spread=None, list openings=None,
    ):
        self.schedule, self.families, self.moments = schedule, families, moments
        self.uniforms, self.views, self.part, self.rows = uniforms, views, part, rows
        self.verdict, self.openings = verdict, openings
        self.random_seeds, self.n_lloyd, self.n_seeding = schedule.random_seeds, schedule.n_lloyd, schedule.n_seeding
        self.n_larger, self.n_final = schedule.n_larger, schedule.n_final
        self.spread, self.scratches = spread, []

    def best(self):
        """Return the candidate that is left in the end."""
        cdef list race = self.field()
        cdef Candidate winner
        cdef bint splits = len(self.families) > 1
        *cuts, last = self.schedule.cuts
        for cut in cuts:
            race = self.survivors_of_cut(race, cut, self.part)
        race = self.survivors_of_cut(race, last, self.part if splits else self.rows)
        winner = race[0]
        if splits:
            winner = self.survivors([self.improved(one) for one in race], 1)[0]
            if winner not in race:
                winner = self.improved(winner)
            self.each([winner], RUN, self.rows, N_LAST)    # from sums of a part, a climb takes longer
        return winner

    cdef list survivors_of_cut(self, list race, cut, CandidateRows rows):
        """Run candidates for the passes of a cut, and keep the best."""
        self.each(race, RUN, rows, cut.passes)
        return self.survivors(race, cut.n_survivors)

    cdef Candidate improved(self, Candidate one):
        """Return a candidate whose components split, and of which as many were dropped, if it is higher."""
        cdef Candidate larger = None if one.failed else one.with_splits(self.scratches[0], self.part, self.families[1])
        cdef list finalists = [one]
        if larger is not None:
            self.each([larger], RUN, self.part, self.n_larger)
            if not larger.failed:
                finalists += larger.without(self.scratches[0], self.part, self.families[0], N_LAST_DROPS)
        self.each(finalists, RUN, self.part, self.n_final)
        return self.survivors(finalists, 1)[0]

    cdef list field(self):
        """Let the candidates begin; those of the likeliest simpler mixtures estimate their family's first one."""
        cdef list race = [Candidate(self.families[0], self.moments) for _ in range(self.schedule.n_candidates)]
        cdef Candidate one
        if self.openings:
            for one, opening in zip(race, self.openings):
                one.follow(opening)
        else:
            self.each(race, BEGIN, self.part, self.n_lloyd + N_SOFT)
            self.views = None             # in which nobody begins any more
            if self.openings is not None:
                self.openings.extend([(<Candidate>one).opening for one in race])
        if self.schedule.n_mixtures < len(race):
            race = sorted(race, key=attrgetter("lower_bound"), reverse=True)[:self.schedule.n_mixtures]
        self.each(race, LEAVE, self.part, 1)
        return race

    def survivors(self, list race, Py_ssize_t n):
        """Return the n highest, degenerate ones last, and one of those that have the same likelihood."""
        cdef Candidate one, last
        cdef list order, left
        order = sorted([(self.is_degenerate(one), -one.lower_bound, i) for i, one in enumerate(race)])
        last = race[order[0][2]]
        left = [last]
        for _, _, i in order[1:n]:
            one = race[i]
            if fabs(last.lower_bound - one.lower_bound) > SAME_LIKELIHOOD:
                left.append(one)
                last = one
        return left

    cdef bint is_degenerate(self, Candidate one) except -1:
        return self.verdict is not None and (
            one.failed or self.verdict.rejects(&one.family.family, &one.estimates[one.current]))

    cdef int each(self, list field, int task, CandidateRows rows, int n_passes) except -1:
        if self.spread is None:
            self.advance(field, task, rows, n_passes, 0, len(field))
        else:
            self.spread(partial(self.advance, field, task, rows, n_passes), len(field), rows.n_rows * n_passes)
        return 0

    def advance(self, list field, int task, CandidateRows rows, int n_passes, Py_ssize_t start, Py_ssize_t end):
        """Let candidates start … end − 1 of a field do what is next; disjoint ranges may run in threads."""
        cdef Scratch scratch
        cdef Candidate one
        cdef Py_ssize_t i
        try:
            scratch = self.scratches.pop()  # asking whether there is one first would be a race without the GIL
        except IndexError:
            scratch = Scratch()
        for i in range(start, end):
            PyErr_CheckSignals()
            one = field[i]
            if task == BEGIN:
                self.begin(one, scratch, i)
            elif task == LEAVE:
                one.leave_view(scratch, rows)
            else:
                one.run(scratch, rows, n_passes)
        self.scratches.append(scratch)

    cdef int begin(self, Candidate one, Scratch scratch, Py_ssize_t i) except -1:
        """Begin with candidate i of a race, by turns in each view, there by turns from random rows or k-means++."""
        cdef Py_ssize_t K = one.family.family.K, k
        cdef CandidateView view = self.views[i % 2]
        cdef const double[:, ::1] rows = view.rows.rows
        cdef Opening opening = Opening(one.family, view)
        cdef Py_ssize_t* seeds = <Py_ssize_t*>opening.room.whiteners   # (K, d), not yet needed
        # Candidates 0, 1: rows, in the first view and the second; 2, 3: seeds of k-means++ there.
        if self.random_seeds and i // 2 % 2 == 0:
            for k in range(K):
                seeds[k] = (i // 2 * K + k) % rows.shape[0]
        else:
            i = i // 4 * 2 + i % 2 if self.random_seeds else i
            choose_seeds(rows[:self.n_seeding], view.rows.weight, self.uniforms[i], seeds, K)
        for k in range(K):
            memcpy(opening.room.centres + k * rows.shape[1], &rows[seeds[k], 0], rows.shape[1] * sizeof(double))
        opening.partition(view, scratch, self.n_lloyd, N_SOFT)
        return one.follow(opening)


cdef int expect_whole(Layout layout) except -1:
    if not is_layout(layout) or is_low_rank(layout):
        raise ValueError(f"expected the layout of whole matrices, got {layout}")
    return 0


def split_axes(Layout layout, covariances, const double[::1] reach):
    """Return the principal axes of covariances that a layout stores, in their shape: see `find_axes`.

    `reach`, (d,), are the units of the columns. Rows of a matrix are axes, or its numbers lie on those of the columns.
    """
    cdef Py_ssize_t d = reach.shape[0], size
    expect_whole(layout)
    cdef const double[::1] matrices = np.ravel(covariances)
    cdef double[::1] room = np.empty(axes_room(layout, d) + 1)
    size = matrix_size(layout, d)
    axes = np.empty(np.shape(covariances))
    cdef double[::1] out = axes.reshape(-1)
    if matrices.shape[0] == 0 or matrices.shape[0] % size:
        raise ValueError(f"expected covariances of {d} features, got {matrices.shape[0]} numbers")
    if not find_axes(layout, matrices.shape[0] // size, d, &matrices[0], &reach[0], &out[0], &room[0]):
        raise np.linalg.LinAlgError("the axes of a covariance were not found")
    return axes


def split_step(Layout layout, covariances, axes, Py_ssize_t component, Py_ssize_t axis, Py_ssize_t d, double offset):
    """Return the step from a component's mean that is `offset` standard deviations along one of its axes, (d,)."""
    cdef const double[::1] matrices = np.ravel(covariances), rows = np.ravel(axes)
    cdef Py_ssize_t first = component * component_stride(layout, d)
    expect_whole(layout)
    expect("axes", rows.shape[0], matrices.shape[0])
    if not (0 <= axis < d and 0 <= component and first + matrix_size(layout, d) <= matrices.shape[0]):
        raise ValueError(f"expected an axis of a component, got {axis} of {component}")
    step = np.empty(d)
    cdef double[::1] out = step
    step_along_axis(layout, d, &matrices[first], &rows[first], axis, offset, &out[0])
    return step


def split_gains(const double[:, :, ::1] powers, const double[::1] counts, double weight):
    """Return what splits of each component along each axis gain, (K, d), in nats per unit weight: see `split_gain`.

    `powers`, (K, 3, d), are as of a pass with `split_axes`.
    """
    cdef Py_ssize_t K = powers.shape[0], d = powers.shape[2], k, j
    expect("powers", powers.shape[1], N_POWERS)
    expect("counts", counts.shape[0], K)
    gains = np.empty((K, d))
    cdef double[:, ::1] out = gains
    for k in range(K):
        for j in range(d):
            out[k, j] = split_gain(&powers[k, 0, 0], d, j, max(counts[k], DBL_MIN)) * counts[k] / weight
    return gains


def falling_order(
    const double[:] counts, double weight, const double[:, :] origins, const double[:, :] first,
):
    """Return the order of components from the heaviest to the lightest, and by falling means where they weigh the same.

    Shares are rounded, so that the last digit does not tell the order of two that are the same.
    """
    cdef Py_ssize_t K = counts.shape[0], d = origins.shape[1], k, j
    cdef double mass
    if origins.shape[0] != K or first.shape[0] != K or first.shape[1] != d:
        raise ValueError(f"expected {K} origins and first moments of {d} features")
    keys = []
    for k in range(K):
        mass = max(counts[k], DBL_MIN)
        keys.append((-rint(counts[k] / weight * 1e9),
                     [-(origins[k, j] + first[k, j] / mass) for j in range(d)], k))
    keys.sort()
    return np.array([key[2] for key in keys])


def centred(const double[:, ::1] rows, const double[::1] weight, const double[::1] centre):
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


def make_positive(double[:] variances, const double[::1] reach, double least, double factor):
    """Multiply variances by a factor, and raise them to (least × reach)²; that of a constant feature becomes 1."""
    cdef Py_ssize_t j
    expect("reach", reach.shape[0], variances.shape[0])
    for j in range(variances.shape[0]):
        variances[j] *= factor
        variances[j] = max(variances[j], (least * reach[j]) ** 2) if variances[j] > 0 else 1


def kmeans_seeds(
    const double[:, ::1] rows, const double[::1] weight, const double[::1] uniforms, Py_ssize_t n_seeds,
):
    """Return the indices of the rows (n, d) that seed k-means, (n_seeds,): see `seeding.pxd`.

    `uniforms` are in [0, 1): one for the first seed, and the same number of draws for each of the others.
    """
    if n_seeds < 1:
        raise ValueError(f"expected one seed at least, got {n_seeds}")
    if weight is not None:
        expect("weight", weight.shape[0], rows.shape[0])
    seeds = np.empty(n_seeds, dtype=np.intp)
    cdef Py_ssize_t[::1] into = seeds
    choose_seeds(rows, weight, uniforms, &into[0], n_seeds)
    return seeds


cdef int choose_seeds(
    const double[:, ::1] rows, const double[::1] weight, const double[::1] uniforms, Py_ssize_t* seeds,
    Py_ssize_t n_seeds,
) except -1:
    cdef Seeding seeding
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], n_others = n_seeds - 1, size, i, k
    cdef Py_ssize_t n_draws = max(1, (uniforms.shape[0] - 1) // max(1, n_others))
    if n < 1 or d < 1:
        raise ValueError(f"expected a row and a feature at least, got shape {(n, d)}")
    expect("uniforms", uniforms.shape[0], 1 + n_others * n_draws)
    seeding.n, seeding.d, seeding.n_draws, seeding.kernel = n, d, n_draws, kernel_in_use()
    size = seeding_buffer_size(&seeding) + 8
    cdef double* room = zeros(size + n_draws)
    try:
        lay_out_seeding(&seeding, aligned(room))
        for i in range(seeding.n_blocks):
            PyErr_CheckSignals()
            with nogil:
                load_seeding_block(&seeding, i, &rows[0, 0], NULL if weight is None else &weight[0])
        with nogil:
            seeds[0] = first_seed(&seeding, uniforms[0])
        for k in range(n_others):
            PyErr_CheckSignals()
            with nogil:
                seeds[1 + k] = next_seed(&seeding, &uniforms[1 + k * n_draws], <Py_ssize_t*>(room + size))
    finally:
        PyMem_Free(room)
    return 0


def ward_merges(double[:, ::1] costs not None, const double[::1] weight not None, double tie):
    """Return all n − 1 merges of Ward's method, (n − 1, 2), and their costs; a cluster has the index of its first row.

    A nearest-neighbour chain (Murtagh 1983) goes from a cluster to its nearest one until two are nearest to each other,
    which are merged sooner or later, whatever the order. Costs that differ by a share of less than `tie` are equal.
    `costs`, (n, n), ∞ on the diagonal, are overwritten.
    """
    cdef Py_ssize_t n = weight.shape[0], number, last, near, i, a, b, length = 0
    cdef double least, ours, theirs, cost
    expect_matrix("costs", costs, n, n)
    made, costs_of_merges = np.empty((n - 1, 2), dtype=np.intp), np.empty(n - 1)
    cdef Py_ssize_t[:, ::1] merges = made
    cdef double[::1] paid = costs_of_merges, mass = np.array(weight), heights = np.zeros(n)
    cdef Py_ssize_t[::1] chain = np.empty(n + 1, dtype=np.intp)
    for number in range(n - 1):
        PyErr_CheckSignals()
        with nogil:
            if length == 0:
                chain[0], length = 0, 1               # the first row's cluster is always there
            while True:
                last, least = chain[length - 1], INFINITY
                for i in range(n):
                    least = min(least, costs[last, i])
                least *= 1 + tie
                if length > 1 and costs[last, chain[length - 2]] <= least:
                    break
                # Every link is cheaper than the previous one, so the chain ends.
                near = 0
                while near < n and not costs[last, near] <= least:
                    near += 1
                if near == n or length > n:
                    with gil:
                        raise ValueError("expected costs that are numbers, and infinite on the diagonal alone")
                chain[length] = near
                length += 1
            length -= 2
            a, b = min(chain[length], last), max(chain[length], last)
            cost = costs[a, b]
            paid[number] = heights[a] = max(cost, max(heights[a], heights[b]))
            merges[number, 0], merges[number, 1] = a, b
            for i in range(n):                        # Lance & Williams (1967); infinite costs stay infinite
                ours, theirs = mass[a] + mass[i], mass[b] + mass[i]
                costs[a, i] = (ours * costs[a, i] + theirs * costs[b, i] - mass[i] * cost) / (ours + mass[b])
            for i in range(n):
                costs[i, a], costs[b, i], costs[i, b] = costs[a, i], INFINITY, INFINITY
            costs[a, b] = INFINITY
            mass[a] += mass[b]
    return made, costs_of_merges
