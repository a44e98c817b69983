"""Candidates for a start, and a few passes of EM from each: see `_kernel/candidate.pxd`."""
from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport log, sqrt
from libc.string cimport memcpy

from gmm._em cimport CandidateRows, Scratch
from gmm._kernel.candidate cimport (
    BeginRoom,
    ViewMetric,
    begin_size,
    drop_losses,
    fill_whiteners,
    has_simpler,
    largest_reach,
    lay_out_begin,
    layout_of_rows,
    log_volume,
    points_to_rows,
    scaled_metric,
    simpler_family,
    simpler_layout,
    take_components,
    thinness,
    whiteners_to_rows,
)
from gmm._kernel.estimate cimport Estimate, estimate_in, estimate_size
from gmm._kernel.family cimport Family
from gmm._kernel.layout cimport FULL, SPHERICAL, Layout, is_layout, matrix_size
from gmm._kernel.lengths cimport expect, expect_matrix
from gmm._kernel.moments cimport Moments, moments_in, moments_size, move_to_means
from gmm._kernel.mstep cimport (
    MixtureFamily,
    estimate_arrays,
    moments_arrays,
    most_likely,
    parameter_term,
    update_workspace_size,
)
from gmm._kernel.seeding cimport (
    Seeding,
    first_seed,
    lay_out_seeding,
    load_seeding_block,
    next_seed,
    seeding_buffer_size,
)
from gmm._kernel.tiles cimport kernel_in_use
from gmm._kernel.workspace cimport aligned

import numpy as np

from gmm._values import statistics


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
    cdef double[::1] buffer, begin_buffer
    cdef double* room                     # of an update
    cdef BeginRoom begun                  # in `begin_buffer`
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
        self.failed, self.lower_bound, self.begin_buffer = False, -np.inf, None
        self.buffer = np.zeros(before + 2 * size + max(update_workspace_size(f), matrix_size(f.covariance_layout, d)))
        self.moments = moments_in(&self.buffer[0], K, d)
        self.estimates[0] = estimate_in(&self.buffer[0] + before, f.covariance_layout, K, d)
        self.estimates[1] = estimate_in(&self.buffer[0] + before + size, f.covariance_layout, K, d)
        self.room = &self.buffer[0] + before + 2 * size

    def begin(
        self, Scratch scratch not None, CandidateView view not None, const double[:, ::1] seeds, *,
        int n_lloyd, int n_soft,
    ):
        """Partition the rows of a view about seeds (K, d).

        `n_lloyd` passes of k-means move the seeds. Then come `n_soft` passes with a simpler mixture, if the family has
        one, the first with hard assignment.
        """
        cdef Layout layout = self.family.family.covariance_layout
        cdef Py_ssize_t K = self.family.family.K, d = self.family.family.d
        cdef BeginRoom* room = &self.begun
        expect_matrix("seeds", seeds, K, d)
        expect("a row of the view", view.rows.rows.shape[1], d)
        self.begin_buffer = np.zeros(begin_size(view.metric.layout, simpler_layout(layout), K, d))
        lay_out_begin(room, &self.begin_buffer[0], view.metric.layout, simpler_layout(layout), K, d)
        memcpy(room.centres, &seeds[0, 0], K * d * sizeof(double))
        room.spread = largest_reach(&view.rows.reach[0], d)
        for _ in range(n_lloyd):
            fill_whiteners(SPHERICAL, K, d, 1 / room.spread, room.whiteners)
            view.rows.pass_over(scratch, K, SPHERICAL, SPHERICAL, room.zero, room.centres, room.whiteners, True,
                                view.rows.single_limit, &room.moments)
            move_to_means(&room.moments, K, d, room.centres)
            room.spread *= sqrt(max(-2 * room.moments.log_evidence / (d * room.moments.weight), 1e-16))
        room.soft = n_soft > 0 and has_simpler(layout, d)
        if room.soft:
            self.soften(scratch, view, n_soft)
            return
        room.layout = view.metric.layout
        scaled_metric(&view.metric, K, d, 1 / room.spread, room.wide)
        points_to_rows(&view.metric, K, d, room.centres)
        self.lower_bound = log_volume(&view.metric, d) - d * log(room.spread)

    cdef int soften(self, Scratch scratch, CandidateView view, int n_passes) except -1:
        """Fit the simpler mixture, and bring it to the coordinates of x."""
        cdef BeginRoom* room = &self.begun
        cdef Py_ssize_t K = self.family.family.K, d = self.family.family.d
        cdef Layout layout = simpler_layout(self.family.family.covariance_layout)
        cdef Family simpler = simpler_family(layout, K, d)
        cdef Estimate* now = &room.simple
        fill_whiteners(layout, K, d, 1 / room.spread, room.whiteners)
        for i in range(n_passes):
            if i == 0:
                view.rows.pass_over(scratch, K, layout, layout, room.zero, room.centres, room.whiteners, True,
                                    view.rows.single_limit, &room.moments)
            else:
                view.rows.pass_over(scratch, K, layout, layout, now.log_offset, now.means, now.whiteners, False,
                                    view.rows.single_limit, &room.moments)
            # The ridge keeps every variance positive.
            most_likely(&room.moments, &simpler, 0, NULL, room.update, now)
        self.lower_bound = room.moments.log_evidence / room.moments.weight + log_volume(&view.metric, d)
        room.layout = layout_of_rows(view.metric.layout, layout)
        whiteners_to_rows(&view.metric, layout, now.whiteners, K, d, room.wide)
        points_to_rows(&view.metric, K, d, now.means)
        return 0

    def leave_view(self, Scratch scratch not None, CandidateRows rows not None):
        """Pass over rows in their own coordinates, and estimate the family's first mixture.

        Where a covariance is singular in float32, it is estimated again from moments in float64.
        """
        cdef const Family* family = &self.family.family
        cdef BeginRoom* room = &self.begun
        cdef double limit
        expect("a row", rows.rows.shape[1], family.d)
        if self.begin_buffer is None:
            raise ValueError("expected a candidate that has begun in a view, and has not left it")
        for limit in (rows.single_limit, 0):
            rows.pass_over(scratch, family.K, room.layout, family.moment_layout,
                           room.simple.log_offset if room.soft else room.zero,
                           room.simple.means if room.soft else room.centres, room.wide, not room.soft, limit,
                           &self.moments)
            self.failed = most_likely(&self.moments, family, 0, NULL, self.room, &self.estimates[0]) >= 0
            if limit == 0 or not self.failed:
                break
        self.current, self.begin_buffer = 0, None

    def run(self, Scratch scratch not None, CandidateRows rows not None, int n_passes):
        """Make `n_passes` passes of EM over rows, with an update after each, until one fails."""
        cdef const Family* family = &self.family.family
        cdef Layout layout = family.covariance_layout
        cdef Estimate* now
        expect("a row", rows.rows.shape[1], family.d)
        for _ in range(n_passes):
            if self.failed:
                self.lower_bound = -np.inf
                return
            now = &self.estimates[self.current]
            rows.pass_over(scratch, family.K, layout, family.moment_layout, now.log_offset, now.means, now.whiteners,
                           False, rows.single_limit, &self.moments)
            self.moments.log_evidence += parameter_term(&family.objective, layout, family.K, family.d, now)
            self.lower_bound = self.moments.log_evidence / self.moments.weight
            self.current = 1 - self.current
            self.failed = most_likely(&self.moments, family, 0, now.covariances, self.room,
                                      &self.estimates[self.current]) >= 0

    def without(self, Scratch scratch not None, CandidateRows rows not None, MixtureFamily family not None, int n):
        """Return candidates of a family with fewer components: of this one's mixture, without those cheapest to drop.

        The candidates differ in the component that is dropped last, for which the `n` cheapest are tried.
        """
        cdef const Family* f = &self.family.family
        cdef const Estimate* now = &self.estimates[self.current]
        cdef Py_ssize_t K = f.K, fewer = family.family.K
        if not 0 < fewer < K:
            raise ValueError(f"expected a family of fewer components than {K}, got {fewer}")
        expect("a row", rows.rows.shape[1], f.d)
        cdef double[:, ::1] responsibility = np.empty((rows.n_rows, K))
        cdef double[::1] losses = np.empty(K), shares = np.array(<double[:K]>now.weights)
        rows.write_responsibilities(scratch, K, f.covariance_layout, now.log_offset, now.means, now.whiteners,
                                    &responsibility[0, 0])
        self.measure_losses(rows, responsibility, shares, losses)
        for _ in range(K - fewer - 1):
            shares[np.argmin(losses)] = 0
            self.measure_losses(rows, responsibility, shares, losses)
        candidates = []
        for last in np.argsort(losses, kind="stable")[:min(n, fewer + 1)]:
            one = Candidate(family, self.layout)
            rest = np.array(shares)
            rest[last] = 0
            (<Candidate>one).take(scratch, rows, now, rest, K)
            candidates.append(one)
        return candidates

    cdef int measure_losses(
        self, CandidateRows rows, const double[:, ::1] responsibility, const double[::1] shares, double[::1] losses,
    ) except -1:
        with nogil:
            drop_losses(&responsibility[0, 0], NULL if rows.weight is None else &rows.weight[0], rows.n_rows,
                        shares.shape[0], &shares[0], &losses[0])
        return 0

    cdef int take(
        self, Scratch scratch, CandidateRows rows, const Estimate* mixture, const double[::1] shares, Py_ssize_t n,
    ) except -1:
        """Pass over rows with those of n components that have a share, and estimate the first mixture."""
        cdef const Family* f = &self.family.family
        cdef Estimate* left = &self.estimates[1]
        take_components(f.covariance_layout, f.d, mixture, &shares[0], n, left)
        rows.pass_over(scratch, f.K, f.covariance_layout, f.moment_layout, left.log_offset, left.means, left.whiteners,
                       False, rows.single_limit, &self.moments)
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
        arrays = moments_arrays(self.buffer.base[:size].copy(), family.K, family.d, &self.moments)
        return statistics.SufficientStatistics.from_kernel(self.layout, *arrays)

    @property
    def least_weight(self):
        """The smallest weight of the next mixture."""
        cdef const double* weights = self.estimates[self.current].weights
        cdef Py_ssize_t k
        cdef double least = 1
        for k in range(self.family.family.K):
            least = min(least, weights[k])
        return least

    @property
    def thinness(self):
        """max_k tr Σ_k⁻¹P of the next mixture, P = Σ_k π_k Σ_k: at least one over the least eigenvalue of P⁻¹Σ_k."""
        return thinness(&self.family.family, &self.estimates[self.current], self.room)


def kmeans_seeds(
    const double[:, ::1] rows, const double[::1] weight, const double[:, ::1] uniforms,
    Py_ssize_t n_seeds, Py_ssize_t n_draws,
):
    """Return the indices of the rows (n, d) that seed k-means, (s, n_seeds), s times: see `seeding.pxd`.

    `uniforms`, (s, 1 + (n_seeds − 1) n_draws), are in [0, 1): one for the first seed, `n_draws` for every other.
    """
    cdef Seeding seeding
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], n_uniforms = uniforms.shape[1], n_sets = uniforms.shape[0]
    if n < 1 or d < 1 or n_draws < 1 or not 1 <= n_seeds <= n_uniforms:
        raise ValueError("expected a row, a feature, a seed and a draw at least, and no more seeds than uniforms, "
                         f"got {n}, {d}, {n_seeds}, {n_draws} and {n_uniforms}")
    n_draws = min(n_draws, n_uniforms)             # so that no product below overflows
    expect("uniforms", n_uniforms, 1 + (n_seeds - 1) * n_draws)
    expect("weight", weight.shape[0], n)
    seeding.n, seeding.d, seeding.n_draws, seeding.kernel = n, d, n_draws, kernel_in_use()
    cdef double[::1] room = np.zeros(seeding_buffer_size(&seeding) + 8)
    seeds = np.empty((n_sets, n_seeds), dtype=np.intp)
    cdef Py_ssize_t[:, ::1] out = seeds
    cdef Py_ssize_t[::1] draws = np.empty(n_draws, dtype=np.intp)
    cdef double* start = aligned(&room[0])
    cdef Py_ssize_t i, k
    lay_out_seeding(&seeding, start)
    for i in range(seeding.n_blocks):
        PyErr_CheckSignals()
        with nogil:
            load_seeding_block(&seeding, i, &rows[0, 0], &weight[0])
    for i in range(n_sets):
        with nogil:
            out[i, 0] = first_seed(&seeding, uniforms[i, 0])
        for k in range(1, n_seeds):
            PyErr_CheckSignals()
            with nogil:
                out[i, k] = next_seed(&seeding, &uniforms[i, 1 + (k - 1) * n_draws], &draws[0])
    return seeds
