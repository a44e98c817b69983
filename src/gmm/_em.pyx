"""The pass over rows, from a whitened mixture to sums or to numbers for every row.

A pass reads rows and a whitened mixture, log ρ_ik = log_offset_k − ½‖W_k (x_i − c_k)‖², and adds up the moments of the
responsibilities r_ik = ρ_ik / Σ_k ρ_ik.  Rows are taken in blocks that fit the cache, feature by feature, so that every
vector runs along rows (`one_block` in `lanes.pxd`):

    load ▸ log density (a components × rows tile) ▸ normalise ▸ accumulate, or write the rows out

Two forms compute the density and the moments of a block, a linear and a centred one: `plan.pxd` chooses.

A lane is a fixed number of blocks.  Lanes are summed in order and merged two by two like the digits of a binary
counter, so the sums are the same bit for bit for every number of threads (`lanes.pxd`).  Passes that are not worth
threads follow each other in a compiled loop (`loop.pxd`), with the same parameter update between two (`update.pxd`).
This module has what Python sees: workers' scratch, the pass and its results, the loop, and the run that it belongs to;
then candidates for a start, a few passes of EM from each, and the race between them (`candidate.pxd`).  `mstep.pyx` has
the work between passes.
"""
cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from cpython.pyport cimport PY_SSIZE_T_MAX
from cpython.pythread cimport PyThread_acquire_lock, PyThread_allocate_lock, PyThread_free_lock, WAIT_LOCK
from libc.float cimport DBL_EPSILON, DBL_MIN
from libc.math cimport INFINITY, fabs, isfinite, log, rint, sqrt
from libc.string cimport memcmp, memcpy

cimport gmm._kernel.loop as loop
from gmm._kernel.arrays cimport copied, estimate_arrays, moments_arrays, view_estimate
from gmm._kernel.axes cimport multiply_rows
from gmm._kernel.blas cimport multiply_first_transposed, multiply_transposed
from gmm._kernel.candidate cimport (
    Drops,
    Splits,
    ViewMetric,
    cheapest,
    drop,
    fill_whiteners,
    find_axes,
    find_axes_workspace_size,
    find_splits,
    largest_reach,
    lay_out_splits,
    log_volume,
    points_to_rows,
    scaled_metric,
    split_component,
    split_gain,
    splits_size,
    step_along_axis,
    take_components,
)
from gmm._kernel.checks cimport expect, expect_matrix
from gmm._kernel.estimate cimport Estimate, estimate_in, estimate_size
from gmm._kernel.family cimport NO_TAILS, Family
from gmm._kernel.few_rows cimport few_panels_size, prepare_few
from gmm._kernel.lanes cimport merge_siblings, take_nodes, walk
from gmm._kernel.layout cimport (
    DIAGONAL, FULL, SPHERICAL, TIED, Layout, component_stride, is_dense, is_layout, is_low_rank, is_pooled,
    matrix_size, mirror, n_factors, total_size,
)
from gmm._kernel.leaves cimport is_twin
from gmm._kernel.linear cimport condition_within, measure_extents, extents_size, n_terms
from gmm._kernel.loop cimport (
    COLUMNS, LoopInputs, falls, gather_moments, rounding_in, rounding_of, run_em, run_quasi_newton, serve,
    walk_mixture,
)
from gmm._kernel.memory_pool cimport borrow, give_back
from gmm._kernel.moments cimport Moments, moments_in, moments_size, move_to_means
from gmm._kernel.mstep cimport (
    DegeneracyCheck, MixtureFamily, QuasiNewtonState, Survey, most_likely, parameter_term, update_workspace_size,
)
from gmm._kernel.neighbours cimport distances_to_neighbours, neighbours_size
from gmm._kernel.objective cimport log_noise, set_initial_share
from gmm._kernel.observed cimport columns_of
from gmm._kernel.patterns cimport (
    SHARE_ROWS, Pattern, PatternPass, Patterns, collect_patterns, collect_size, n_sums_of, pattern_size, patterns_size,
    rounding_of_patterns, walk_shares,
)
from gmm._kernel.plan cimport (
    N_POWERS, PassPlan, choose_form, has_tails, least_limit, may_be_far, n_lanes, prepare, prepared_size,
    same_workspace, set_noise, set_tails, work_of,
)
from gmm._kernel.rows cimport Rows, data, describe_rows
from gmm._kernel.seeding cimport (
    Seeding,
    first_seed,
    lay_out_seeding,
    load_seeding_block,
    next_seed,
    seeding_buffer_size,
)
from gmm._kernel.solver_state cimport State, next_mixture
from gmm._kernel.sums cimport unpack_moments
from gmm._kernel.tiles cimport kernel_in_use
from gmm._kernel.whitener cimport half_square, whiten
from gmm._kernel.within_clusters cimport Pairs, find_within, lay_out_pairs, load_pairs, pairs_size
from gmm._kernel.workers cimport Worker, WorkerPool, wake_workers
from gmm._kernel.workspace cimport Workspace, aligned, lay_out_nodes, lay_out_tree, node_slots, workspace_size

import functools
import time

import numpy as np

from gmm import _blas
from gmm._values import statistics

LOWERED = "the last update lowered the objective"    # in the reason of a run that ended there, and has not converged
STOPPED = "stopped by the callback"                  # the reason of a run that its callback ended
SLICE = 2e8                                          # multiply-adds between two checks for Ctrl-C: some tens of ms
cdef double BETWEEN_CHECKS = SLICE, BLAS_STAYS_SINGLE = _blas.BLAS_STAYS_SINGLE
cdef object clock = time.perf_counter
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
    FIRST_RECORDS = 1000                  # passes whose records a run has memory for at first
    N_LAST_DROPS = 3                      # ways in which it drops the last of its surplus
    N_LLOYD = 2                           # passes of k-means, …
    N_LLOYD_OF_MANY = 4                   # … of clusterings of which few become candidates, …
    N_LLOYD_LAST = 6                      # … and more of these
    N_FIRST = 2                           # passes of its first mixture
    N_LARGER = 6                          # passes between its splits and its drops
    N_SHORTLIST = 2                       # of what is left then and what there was, after one pass, …
    N_FINAL = 2                           # … which make so many more
    N_SETTLED = 40                        # passes at most, by which the best of the views are told apart
    AHEAD = 3                             # times the gain of the last pass, by which a candidate may catch up, …
    AHEAD_OF_ALL = 25                     # … and where all run on
    N_LAST = 2                            # passes of the winner over all rows
    # Features up to which starts of diagonal and spherical models also use the metric of the whole covariance. It costs
    # n·d² and d³, far more on wide tables than all their passes. With each feature's own variance instead, fits of ten
    # real data sets by six types lose 0.014 (wine, diag) and 0.19 nats per row (breast cancer, EVI), and gain less on
    # others.
    WHOLE_METRIC = 64
    WHITENED = 768                        # rows at a time: BLAS packs and keeps all it gets; whole tiles, for its bits
    POOL_BYTES = 2097152                  # that are kept for the next scratch

cdef void* pool = NULL                    # of a scratch that is gone: new pages take as long as passes over few rows


cdef class Scratch:
    """One worker's buffers, kept between passes of the same fit."""

    cdef Workspace workspace
    cdef PassPlan plan                    # that the workspace is laid out for, …
    cdef Py_ssize_t n_rows                # … and its number of rows: 0 before `make_ready`
    cdef Py_ssize_t next_lane             # after those in the sums
    cdef object owner                     # the `CandidateRows` that alone has used the workspace since `make_ready`
    cdef double* buffer                   # borrowed, …
    cdef Py_ssize_t size                  # … for so many doubles
    cdef double[::1] storage              # of the plans of `CandidateRows`, or of passes over patterns

    def __cinit__(self):
        self.storage = None               # which a debug build asks for before it compares with None

    def __dealloc__(self):
        give_back(&pool, 1, POOL_BYTES, self.buffer)

    cdef make_ready(self, const PassPlan* plan, Py_ssize_t n_rows, bint again=False):
        cdef Py_ssize_t slots = node_slots(n_lanes(plan, n_rows))
        self.ensure(slots * (plan.n_sums + 2) + workspace_size(plan, n_rows, again))
        lay_out_nodes(plan, n_rows, again, self.buffer, &self.workspace)
        self.plan, self.n_rows, self.next_lane, self.owner = plan[0], n_rows, 0, None

    cdef make_ready_for_patterns(self, const PatternPass* whole, Py_ssize_t n_rows):
        cdef Py_ssize_t slots = node_slots(n_rows)
        self.ensure(slots * (whole.n_sums + 2))
        lay_out_tree(slots, whole.n_sums, self.buffer, &self.workspace)
        self.plan, self.n_rows, self.next_lane, self.owner = whole.plan[0], n_rows, 0, None
        self.plan.n_sums = whole.n_sums

    cdef int allocate_for(
        self, const PatternPass* whole, const Patterns* patterns, Py_ssize_t first, Py_ssize_t last,
    ) except -1:
        """Allocate the workspace of the largest pattern of some shares."""
        cdef Py_ssize_t size = 0, i
        for i in range(patterns.shares[first], patterns.shares[last]):
            size = max(size, pattern_size(whole, patterns.items + i))
        size += patterns_size(whole)
        if self.storage is None or self.storage.shape[0] < size:
            self.storage = np.empty(size)
        self.workspace.patterns = &self.storage[0]
        return 0

    cdef int ensure(self, Py_ssize_t size) except -1:
        """Ensure a buffer of so many doubles."""
        if self.size < size:
            self.n_rows, self.owner = 0, None     # nothing is laid out if there is no memory
            give_back(&pool, 1, POOL_BYTES, self.buffer)
            self.buffer, self.size = borrow(&pool, 1, size * sizeof(double)), 0
            if self.buffer == NULL:
                raise MemoryError
            self.size = size
        return 0


cdef class RowTable:
    """Rows for a pass: their values, what is known of each, and where results for each are written.

    Parameters
    ----------
    values : array of shape (n, d), float32 or float64
    weight : array of shape (n,), optional
    code : array of shape (n,), optional
        Which components rows may belong to, for a plan with `allowed`.
    labels, log_evidence : array of shape (n,), optional
        Results; so are `responsibilities`, (n, K), and `largest`, (n,), in the type of the values.
    first_lane : int
        The number of the lane that starts with the first of the rows, where others came before these.
    given : array of shape (n, K), optional
        Responsibilities, for a plan that asks for them.
    """

    cdef Rows rows
    cdef Py_ssize_t n_features, n_given, n_responsibilities
    cdef object values, responsibility, largest    # `rows` points into these arrays
    cdef const double[::1] weight
    cdef const int[::1] code
    cdef const double[:, ::1] given
    cdef Py_ssize_t[::1] label
    cdef double[::1] log_evidence

    def __cinit__(
        self, values, const double[::1] weight=None, const int[::1] code=None, Py_ssize_t[::1] labels=None,
        double[::1] log_evidence=None, responsibilities=None, largest=None, *, Py_ssize_t first_lane=0,
        const double[:, ::1] given=None,
    ):
        cdef const float[:, :] floats
        cdef const double[:, :] doubles
        if values.itemsize == sizeof(float):
            floats = values
            self.rows, self.n_features = describe_rows(floats, weight), floats.shape[1]
            self.point_to_results[float](responsibilities, largest)
        else:
            doubles = values
            self.rows, self.n_features = describe_rows(doubles, weight), doubles.shape[1]
            self.point_to_results[double](responsibilities, largest)
        self.rows.first_lane = first_lane
        if code is not None:
            expect("code", code.shape[0], self.rows.n)
            self.rows.code = &code[0]
        if given is not None:
            expect("given", given.shape[0], self.rows.n)
            self.rows.given, self.n_given = &given[0, 0], given.shape[1]
        if labels is not None:
            expect("labels", labels.shape[0], self.rows.n)
            self.rows.label = &labels[0]
        if log_evidence is not None:
            expect("log_evidence", log_evidence.shape[0], self.rows.n)
            self.rows.log_evidence = &log_evidence[0]
        self.values, self.responsibility, self.largest = values, responsibilities, largest
        self.weight, self.code, self.given, self.label, self.log_evidence = weight, code, given, labels, log_evidence

    cdef int point_to_results(self, data[:, ::1] responsibilities, data[::1] largest) except -1:
        if responsibilities is not None:
            expect("responsibilities", responsibilities.shape[0], self.rows.n)
            self.rows.responsibility, self.n_responsibilities = &responsibilities[0, 0], responsibilities.shape[1]
        if largest is not None:
            expect("largest", largest.shape[0], self.rows.n)
            self.rows.largest = &largest[0]
        return 0


cdef class Plan:
    """How rows are passed over with one whitened mixture: in which form and arithmetic, in which lanes.

    A plan does not change once it is made, so threads share it; sums are in the workers' scratch.

    Parameters
    ----------
    mixture : WhitenedMixture
    moments : Layout
        Of the second moments to add up; not looked at with `rows_only` and `totals`.
    origin, reach : array of shape (d,)
        Where the linear form stands, and max |x − origin| of the rows.
    single : bool
        Whether float32 arithmetic may do for the rows and their weights.
    hard, given, rows_only, totals : bool
        Responsibility 1 for the likeliest component; responsibilities from the caller; no sums; no moments, but what
        criteria are made of.
    common_scatter : bool
        Whether `collect` will be given the rows' scatter about `origin`, so that a tied mixture in
        the linear form need not look at squares.
    form : int
        −1 to choose by shape and conditioning; else bit 0 asks for the linear form, bit 1 for
        float32 arithmetic.
    axes : array in the layout of the whiteners, optional
        Measure the components along these: see `diagnostics.pxd`. Not with `single`.
    allowed : array of shape (K, number of codes), optional
        0 where rows of a code may belong to a component, −∞ where not.
    of_patterns : Layout, optional
        For `ObservedRows`: the layout that these are passed over in.
    with_errors : bool
        Whether these have errors.
    """

    cdef PassPlan plan
    cdef PatternPass whole
    cdef readonly object of_patterns
    cdef object mixture, moments
    cdef const double[::1] log_widths
    cdef const double[::1] log_offset, whiteners, origin, reach, axes, tails
    cdef const double[:, ::1] centres, allowed
    cdef double[::1] storage, panels, extents
    cdef bint accumulate, may_be_single
    cdef int form

    def __cinit__(
        self, mixture, moments, const double[::1] origin, const double[::1] reach, *, bint single, bint hard=False,
        bint given=False, bint rows_only=False, bint totals=False, bint common_scatter=False, int form=-1, axes=None,
        const double[:, ::1] allowed=None, of_patterns=None, bint with_errors=False,
    ):
        cdef PassPlan* plan = &self.plan
        self.mixture, self.centres, self.log_offset = mixture, np.ascontiguousarray(mixture.centres), mixture.log_offset
        self.whiteners, self.origin, self.reach = np.ascontiguousarray(mixture.whiteners).reshape(-1), origin, reach
        cdef Py_ssize_t K = self.centres.shape[0], d = self.centres.shape[1]
        self.moments = mixture.layout if rows_only or totals else moments
        plan.n_all, plan.n_features, plan.layout, plan.moments = K, d, mixture.layout.code, self.moments.code
        if K < 1 or d < 1 or not is_layout(plan.layout) or not is_layout(plan.moments):
            raise ValueError(f"expected centres (K, d) and known layouts, got {(K, d)}, {plan.layout}, {plan.moments}")
        if n_factors(plan.moments) > max(d, n_factors(plan.layout)) or is_low_rank(plan.layout) and (
            axes is not None or is_low_rank(plan.moments) and plan.moments != plan.layout
        ):
            raise ValueError("expected moments of the mixture's factors, or at most one a column, and no axes there")
        if given and (hard or rows_only or totals):
            raise ValueError("expected responsibilities to be given for moments alone, not for labels or rows")
        expect("log_offset", self.log_offset.shape[0], K)
        expect("whiteners", self.whiteners.shape[0], total_size(plan.layout, K, d))
        expect("origin", origin.shape[0], d)
        expect("reach", reach.shape[0], d)
        plan.skips_empty = not (rows_only or hard or given or totals or axes is not None or allowed is not None)
        if allowed is not None:
            expect_matrix("allowed", allowed, K, max(allowed.shape[1], 1))
            self.allowed, plan.allowed, plan.n_codes = allowed, &allowed[0, 0], allowed.shape[1]
        plan.hard, plan.given, plan.totals, plan.kernel = hard, given, totals, kernel_in_use()
        self.set_density(axes is not None)
        self.accumulate, self.may_be_single, self.form = not rows_only, single, form
        if axes is not None:
            self.axes = np.ravel(axes)
            if self.axes.shape[0] != self.whiteners.shape[0] or single or given or totals or rows_only:
                raise ValueError("expected axes in the layout of the whiteners, and a pass in float64 over densities")
            plan.axes = &self.axes[0]
        self.storage = np.empty(prepared_size(plan.layout, plan.moments, K, d))
        prepare(plan, &self.log_offset[0], &self.centres[0, 0], &self.whiteners[0], &origin[0], &reach[0], single,
                common_scatter, form, &self.storage[0])
        if of_patterns is not None:
            self.prepare_for_patterns(of_patterns, with_errors, single, form)
        elif rows_only:
            self.prepare_for_calls()

    cdef int prepare_for_patterns(self, of_patterns, bint with_errors, bint single, int form) except -1:
        """Prepare a pass over rows of which some lack columns or have errors."""
        cdef PassPlan* plan = &self.plan
        cdef PatternPass* whole = &self.whole
        expect_whole(plan.layout)
        expect_whole(of_patterns.code)
        if has_tails(plan) or plan.given or plan.axes != NULL or plan.common_scatter or not (
                of_patterns.code == plan.layout or with_errors and of_patterns.code in (DIAGONAL, FULL)):
            raise ValueError("expected normal components and, of patterns, their layout or, with errors, a full or a "
                             "diagonal one")
        self.of_patterns, self.log_widths = of_patterns, self.mixture.noise.log_widths
        whole.layout, whole.has_errors, whole.single, whole.form = of_patterns.code, with_errors, single, form
        whole.log_offset, whole.centres = &self.log_offset[0], &self.centres[0, 0]
        whole.whiteners = &self.whiteners[0]
        take_plan(whole, plan, self.log_widths)
        plan.skips_empty = plan.n_components < plan.n_all
        return 0

    cdef int set_density(self, bint along_axes) except -1:
        """Set the mixture's noise and tails; heavy ones exclude what only normal components have."""
        cdef PassPlan* plan = &self.plan
        set_noise(plan, self.mixture.log_noise)
        self.tails = np.zeros(plan.n_all) if self.mixture.tails is None else self.mixture.tails
        expect("tails", self.tails.shape[0], plan.n_all)
        set_tails(plan, &self.tails[0], not self.mixture.fits_tails)
        if has_tails(plan) and (plan.hard or plan.given or along_axes or is_low_rank(plan.moments)):
            raise ValueError("expected soft responsibilities of heavy-tailed components, no axes, and whole matrices")
        plan.skips_empty = plan.skips_empty and not has_tails(plan)        # `unpack_moments` finds no gaps in its sums
        return 0

    cdef int prepare_for_calls(self) except -1:
        """Prepare what many calls for few rows need."""
        cdef PassPlan* plan = &self.plan
        cdef Py_ssize_t K = plan.n_all, d = plan.n_features
        self.extents = np.empty(extents_size(K, d))
        measure_extents(&self.whiteners[0], &self.centres[0, 0], plan.layout, K, d, &self.origin[0], &self.extents[0])
        if not plan.far:
            self.panels = np.empty(few_panels_size(plan) + 8)
            prepare_few(plan, aligned(&self.panels[0]))
        return 0

    def __reduce__(self):
        how = dict(single=self.may_be_single, hard=self.plan.hard, given=self.plan.given, totals=self.plan.totals,
                   rows_only=not self.accumulate, common_scatter=self.plan.common_scatter, form=self.form,
                   axes=None if self.plan.axes == NULL else np.asarray(self.axes),
                   allowed=None if self.plan.allowed == NULL else np.asarray(self.allowed))
        where = np.asarray(self.origin), np.asarray(self.reach)
        return functools.partial(Plan, self.mixture, self.moments, *where, **how), ()

    def suits(self, Survey survey not None, bint single):
        """Whether the rows of a survey, of which only rows are asked, can be passed over in the same form."""
        cdef PassPlan other = self.plan
        cdef Py_ssize_t d = other.n_features
        expect("a row", survey.n_features, d)
        if self.accumulate:
            return False
        cdef double* reach = <double*>PyMem_Malloc(d * sizeof(double))
        if reach == NULL:
            raise MemoryError
        survey.measure_reach(&self.origin[0], reach)
        other.kappa = condition_within(&self.extents[0], other.n_components, d, reach, least_limit(&other, single))
        choose_form(&other, single, reach, self.form)
        PyMem_Free(reach)
        return (other.linear == self.plan.linear and other.single == self.plan.single
                and may_be_far(&other) == self.plan.far)

    @property
    def common_scatter(self):
        """Whether `collect` needs the rows' scatter about the origin."""
        return bool(self.plan.common_scatter)

    @property
    def classified(self):
        """Whether codes of the rows say which components they may belong to."""
        return self.plan.allowed != NULL

    @property
    def linear(self):
        """Whether the linear form was chosen."""
        return bool(self.plan.linear)

    @property
    def single(self):
        """Whether the arithmetic is float32."""
        return bool(self.plan.single)

    @property
    def lane_rows(self):
        """Rows in a lane."""
        return self.plan.lane

    @property
    def work(self):
        """Multiply-adds per lane, roughly."""
        return work_of(&self.plan, self.plan.lane)

    def n_lanes(self, table not None):
        """Return how many lanes the rows of a table have."""
        if self.of_patterns is None:
            return n_lanes(&self.plan, (<RowTable?>table).rows.n)
        return (<ObservedRows?>table).n_lanes

    @property
    def rounding(self):
        """How far the mean log evidence may be off by rounding, relatively."""
        return rounding_of(&self.plan) if self.of_patterns is None else rounding_of_patterns(&self.whole)

    @property
    def largest_product(self):
        """Multiply-adds of the largest single call of BLAS."""
        cdef PassPlan* plan = &self.plan
        if not is_twin(plan.kernel):
            return plan.n_features ** 3 if plan.common_scatter else 0
        if plan.linear:
            return plan.block * max(plan.n_components * plan.n_moments,
                                    plan.n_features ** 2 if plan.axes != NULL else 0)
        return plan.block * plan.n_features * max(plan.n_features, plan.n_components * n_factors(plan.layout))

    def start(self, Scratch scratch not None, Py_ssize_t n_rows):
        """Make a worker's scratch ready for a pass over `n_rows` rows in all."""
        if n_rows < 1:
            raise ValueError(f"expected one row at least, got n_rows={n_rows}")
        if self.of_patterns is None:
            scratch.make_ready(&self.plan, n_rows)
        else:
            scratch.make_ready_for_patterns(&self.whole, n_rows)

    def walk(self, Scratch scratch not None, table not None, Py_ssize_t first, Py_ssize_t last):
        """Add up lanes first … last − 1 of the rows in `scratch`, and write what the table asks of every row.

        They follow those that the scratch has walked before.
        """
        if self.of_patterns is not None:
            self.walk_patterns(scratch, table, first, last)
        else:
            self.walk_rows(scratch, table, first, last)

    cdef int walk_patterns(
        self, Scratch scratch, ObservedRows table, Py_ssize_t first, Py_ssize_t last,
    ) except -1:
        cdef const Patterns* patterns = &table.patterns
        cdef double of_share = table.work(self.plan.n_all) / patterns.n_shares
        cdef Py_ssize_t step = max(1, <Py_ssize_t>(BETWEEN_CHECKS / (1 + of_share)))
        expect("a row", table.n_features, self.plan.n_features)
        self.check_ready(scratch)
        if table.layout != self.whole.layout or table.has_errors != self.whole.has_errors:
            raise ValueError("expected rows for the layout of the plan, with errors or without")
        if patterns.results.responsibility != NULL:
            expect("a row of responsibility", table.results.n_responsibilities, self.plan.n_all)
        if not 0 <= first <= last <= patterns.n_shares or (
                scratch.workspace.n_nodes > 0 and patterns.first_share + first != scratch.next_lane):
            raise ValueError(f"expected lanes from {scratch.next_lane - patterns.first_share} on, {patterns.n_shares} "
                             f"in all, got {first} to {last}")
        scratch.allocate_for(&self.whole, patterns, first, last)
        while first < last:
            with nogil:
                walk_shares(&self.whole, patterns, first, min(first + step, last), &scratch.workspace, self.accumulate)
            first = min(first + step, last)
            scratch.next_lane = patterns.first_share + first
            PyErr_CheckSignals()
        return 0

    cdef int walk_rows(self, Scratch scratch, RowTable table, Py_ssize_t first, Py_ssize_t last) except -1:
        cdef Rows rows = self.rows_of(table)
        cdef Py_ssize_t step = max(1, <Py_ssize_t>(BETWEEN_CHECKS / work_of(&self.plan, self.plan.lane)))
        self.check_lanes(scratch, rows.n, first, last, rows.first_lane)
        while first < last:
            with nogil:
                walk(&self.plan, &rows, first, min(first + step, last), &scratch.workspace, self.accumulate)
            first = min(first + step, last)
            scratch.next_lane = rows.first_lane + first
            PyErr_CheckSignals()
        return 0

    def score(self, RowTable table not None):
        """Write what `walk` writes, of rows that need no threads."""
        cdef Scratch scratch = Scratch()
        self.start(scratch, table.rows.n)
        self.walk(scratch, table, 0, n_lanes(&self.plan, table.rows.n))

    cdef Rows rows_of(self, RowTable table) except *:
        """Return what this pass reads and writes of a table."""
        cdef Rows rows = table.rows
        cdef Py_ssize_t K = self.plan.n_components
        expect("a row", table.n_features, self.plan.n_features)
        if rows.code != NULL and self.plan.allowed == NULL:
            raise ValueError("expected a plan that knows which components rows may belong to, by their codes")
        if self.plan.given:
            expect("given", table.n_given, K)
        if rows.responsibility != NULL:
            expect("a row of responsibility", table.n_responsibilities, K)
        if not self.accumulate:
            rows.weight = NULL
        return rows

    cdef int check_ready(self, Scratch scratch) except -1:
        if scratch.n_rows < 1 or not same_workspace(&scratch.plan, &self.plan) or scratch.plan.n_sums != self.n_sums():
            raise ValueError("expected a scratch that `start` has made ready for this plan")
        return 0

    cdef Py_ssize_t n_sums(self) noexcept:
        return self.plan.n_sums if self.of_patterns is None else self.whole.n_sums

    cdef int check_lanes(
        self, Scratch scratch, Py_ssize_t n, Py_ssize_t first, Py_ssize_t last, Py_ssize_t first_lane,
    ) except -1:
        """Raise ValueError unless the rows and the scratch have these lanes, and they follow those walked before."""
        cdef Py_ssize_t here = n_lanes(&self.plan, n), left = scratch.n_rows - first_lane * self.plan.lane
        self.check_ready(scratch)
        if first_lane < 0 or n > left or (n < left and n % self.plan.lane):
            raise ValueError(f"expected whole lanes of {self.plan.lane} rows, or the last of {scratch.n_rows} in all, "
                             f"got {n} rows from lane {first_lane} on")
        if not 0 <= first <= last <= here or (
                scratch.workspace.n_nodes > 0 and first_lane + first != scratch.next_lane):
            raise ValueError(f"expected lanes from {scratch.next_lane - first_lane} on, {here} in all, "
                             f"got {first} to {last}")
        return 0

    cdef const double* checked_scatter(self, const double[:, ::1] scatter) except? NULL:
        if scatter is None and not self.plan.common_scatter:
            return NULL
        expect_matrix("scatter", scatter, self.plan.n_features, self.plan.n_features)
        return &scatter[0, 0]

    def join(self, list scratches not None):
        """Move the sums of the other workers to the first one, in the order of their lanes."""
        cdef Scratch head, other
        head = <Scratch?>scratches[0]              # the cast refuses None too
        self.check_ready(head)
        for worker in scratches[1:]:
            other = <Scratch?>worker
            self.check_ready(other)
            if other.n_rows != head.n_rows or (
                    other.workspace.n_nodes > 0 and other.workspace.first_lane[0] != head.next_lane):
                raise ValueError("expected scratches of lanes that follow each other")
            if other.workspace.n_nodes > 0:
                head.next_lane = other.next_lane
            take_nodes(&head.workspace, &other.workspace, self.n_sums())

    def sums(self, Scratch scratch not None):
        """Return the sums over all rows, whose lanes `scratch` has walked or joined; those of parts of the rows add up.

        The last two are the log evidence and the weight, behind those of `diagnostics.pxd`. With `totals` all are
        Σ w max_k log ρ_k, −Σ w Σ_k r_k log r_k, Σ w log Σ_k ρ_k and Σ w.
        """
        sums = np.empty(self.n_sums())
        cdef double[::1] into = sums
        memcpy(&into[0], self.merged(scratch).node, self.n_sums() * sizeof(double))
        return sums

    def collect(self, const double[::1] sums not None, const double[:, ::1] scatter=None):
        """Return the statistics in the sums over all rows."""
        cdef const double* common = self.checked_scatter(scatter)
        cdef Moments moments
        cdef double[::1] spoiled, workspace
        buffer = self.moments_buffer(&moments)
        expect("sums", sums.shape[0], self.n_sums())
        if self.of_patterns is None:
            unpack_moments(&self.plan, &sums[0], &self.whiteners[0], common, &moments)
        else:
            spoiled, workspace = sums.copy(), np.empty(collect_size(&self.whole))
            collect_patterns(&self.whole, &spoiled[0], &workspace[0], &moments)
        return self.as_statistics(buffer, &moments)

    cdef Workspace* merged(self, Scratch scratch) except NULL:
        """Return the scratch's workspace, with the sums of all rows in its only node."""
        cdef Workspace* workspace = &scratch.workspace
        cdef Py_ssize_t lanes = n_lanes(&self.plan, scratch.n_rows)
        self.check_ready(scratch)
        if workspace.n_nodes == 0 or workspace.first_lane[0] != 0 or (
                self.of_patterns is None and scratch.next_lane != lanes):
            raise ValueError(f"expected a scratch that has walked all {lanes} lanes")
        merge_siblings(workspace, self.n_sums(), True)
        return workspace

    cdef moments_buffer(self, Moments* moments):
        cdef PassPlan* plan = &self.plan
        if plan.totals:
            raise ValueError("expected a plan that adds up moments, got one with totals=True")
        cdef double[::1] view = np.empty(moments_size(plan.moments, plan.n_all, plan.n_features))
        moments[0] = moments_in(&view[0], plan.n_all, plan.n_features)
        return view.base

    cdef as_statistics(self, buffer, const Moments* moments):
        """Return the moments in a buffer as `SufficientStatistics`."""
        cdef Py_ssize_t K = self.plan.n_all, d = self.plan.n_features
        return statistics.SufficientStatistics(*moments_arrays(buffer, self.moments, K, d, moments))


cdef class StopTarget:
    """What a run has to reach, and when it pauses because it will not.

    Parameters
    ----------
    target : float
        The lower bound that a run has to reach. It is compared after pass `first` and each later one.
    safety : float
        Times the projected gain that a run may still gain. Where there is no projection, or by default, its next 30
        passes gain as much on average as the last three; by default these numbers are the highest so far, not the last.
    first : int
    """

    cdef loop.StopTarget rule

    def __cinit__(self, *, double target=-INFINITY, double safety=INFINITY, Py_ssize_t first=1):
        self.rule.lower_bound, self.rule.safety, self.rule.first = target, safety, first

    @property
    def is_none(self):
        """Whether any lower bound will do."""
        return self.rule.lower_bound == -INFINITY


NO_TARGET = StopTarget()                  # any lower bound will do


cdef int check_columns(const double[:, ::1] records) except -1:
    if records.shape[1] != COLUMNS:
        raise ValueError(f"expected records of {<int>COLUMNS} columns, got {records.shape[1]}")
    return 0


cdef class LoopWorkers:
    """Threads that work for one call of a loop, next to the calling one, each with a scratch."""

    cdef WorkerPool pool
    cdef Py_ssize_t n_locked              # workers whose locks are made
    cdef list scratches, futures

    def __cinit__(self, list scratches not None):
        cdef Worker* worker
        cdef Py_ssize_t n = len(scratches)
        self.scratches, self.futures = scratches, []
        self.pool.workers = <Worker*>PyMem_Calloc(max(n, 1), sizeof(Worker))
        if self.pool.workers == NULL:
            raise MemoryError
        for scratch in scratches:
            worker = self.pool.workers + self.n_locked
            worker.workspace, worker.work, worker.rest = (
                &(<Scratch?>scratch).workspace, PyThread_allocate_lock(), PyThread_allocate_lock())
            self.n_locked += 1
            if worker.work == NULL or worker.rest == NULL:
                raise MemoryError
            PyThread_acquire_lock(worker.work, WAIT_LOCK)
            PyThread_acquire_lock(worker.rest, WAIT_LOCK)

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.n_locked):
            if self.pool.workers[i].work != NULL:
                PyThread_free_lock(self.pool.workers[i].work)
            if self.pool.workers[i].rest != NULL:
                PyThread_free_lock(self.pool.workers[i].rest)
        PyMem_Free(self.pool.workers)

    def serve(self, Py_ssize_t number):
        """Be one of the workers, until the pool is dismissed."""
        if not 0 <= number < self.n_locked:
            raise ValueError(f"expected one of {self.n_locked} workers, got {number}")
        with nogil:
            serve(&self.pool, number)

    cdef dismiss(self):
        """Dismiss all workers, also those that start late."""
        self.pool.dismissed, self.pool.n = True, self.n_locked
        wake_workers(&self.pool)


cdef class ObservedRows:
    """Rows of which some have no values in some columns, or known errors, pattern by pattern.

    Parameters
    ----------
    values : array of shape (number of values,), float32 or float64
        Those of the first pattern's rows, row by row, then those of the next pattern.
    missing : bool array of shape (P, d)
        Which columns the rows of each pattern lack; no pattern lacks all.
    n_rows : array of shape (P,)
    layout : Layout
        Of passes over them: that of the mixture or, with errors, FULL or DIAGONAL.
    origin, reach : array of shape (d,)
        As `Plan` takes them.
    weight : array of shape (n,), optional
    code : array of shape (n,), optional
        As `RowTable` takes it.
    errors : array of shape (E, d, d) or (E, d), optional
        Covariances of errors.
    kinds : array of shape (P,), optional
        Which of these the rows of each pattern share; E where each row has its own.
    error : array of shape (n,), optional
        Which of these each row has.
    with_scatter : bool
        Whether the scatter of each pattern's rows is computed, for moments in a tied layout.
    first_lane : int
        The number of the lane that starts with the first of the rows, where others came before these.
    labels, log_evidence, responsibilities, largest : array, optional
        Results, as `RowTable` takes them.
    """

    cdef readonly Py_ssize_t n_features
    cdef Patterns patterns
    cdef Layout layout
    cdef bint has_errors
    cdef RowTable results
    cdef object values                    # into which, and into these, the patterns point
    cdef const double[::1] weight
    cdef const int[::1] code, error
    cdef int[:, ::1] order
    cdef double[:, ::1] origins, reaches
    cdef double[:, :, ::1] scatters
    cdef const double[:, ::1] errors
    cdef Py_ssize_t[::1] shares

    def __cinit__(
        self, values, const unsigned char[:, ::1] missing not None, const Py_ssize_t[::1] n_rows not None, layout,
        const double[::1] origin not None, const double[::1] reach not None, const double[::1] weight=None,
        const int[::1] code=None, errors=None, const Py_ssize_t[::1] kinds=None, const int[::1] error=None, *,
        bint with_scatter=False, Py_ssize_t first_lane=0, labels=None, log_evidence=None, responsibilities=None,
        largest=None,
    ):
        cdef Py_ssize_t P = missing.shape[0], d = missing.shape[1], n = 0, n_values = 0, n_parts = 0, i, j
        expect("n_rows", n_rows.shape[0], P)
        expect_whole(layout.code)
        expect("origin", origin.shape[0], d)
        expect("reach", reach.shape[0], d)
        self.n_features, self.layout, self.has_errors, self.errors = d, layout.code, errors is not None, None
        self.order, self.origins, self.reaches = np.empty((P, d), np.intc), np.empty((P, d)), np.empty((P, d))
        for i in range(P):
            columns = columns_of(&missing[i, 0], d, &self.order[i, 0])
            if columns.q < 1 or not 1 <= n_rows[i] <= values.shape[0] - n:
                raise ValueError(f"expected a column and a row of pattern {i} at least, and a value of each row, got "
                                 f"{columns.q} and {n_rows[i]}")
            n, n_values = n + n_rows[i], n_values + n_rows[i] * columns.q
            n_parts += (n_rows[i] + SHARE_ROWS - 1) // SHARE_ROWS
            for j in range(columns.q):
                self.origins[i, j], self.reaches[i, j] = origin[self.order[i, j]], reach[self.order[i, j]]
        if P < 1:
            raise ValueError("expected a pattern at least, got none")
        expect("values", values.shape[0], n_values)
        for name, array in ("weight", weight), ("code", code), ("error", error):
            if array is not None:
                expect(name, array.shape[0], n)
        if self.has_errors:
            if self.layout not in (DIAGONAL, FULL) or len(errors) < 1 or kinds is None or error is None:
                raise ValueError("expected an error at least, the kinds of patterns and the error of each row, for a "
                                 "full or a diagonal layout")
            self.errors = np.ascontiguousarray(errors).reshape(len(errors), -1)
            expect_matrix("errors", self.errors, self.errors.shape[0], matrix_size(self.layout, d))
            expect("kinds", kinds.shape[0], P)
            for i in range(P):
                if not 0 <= kinds[i] <= self.errors.shape[0]:
                    raise ValueError(f"expected kinds up to {self.errors.shape[0]}, got {kinds[i]} of pattern {i}")
            for i in range(n):
                if not 0 <= error[i] < self.errors.shape[0]:
                    raise ValueError(f"expected one of {self.errors.shape[0]} errors, got {error[i]} of row {i}")
        self.values, self.weight, self.code, self.error = values, weight, code, error
        self.results = RowTable(np.broadcast_to(values[:1].reshape(1, 1), (n, 1)), None, None, labels, log_evidence,
                                responsibilities, largest)
        self.patterns.items = <Pattern*>PyMem_Calloc(n_parts, sizeof(Pattern))
        if self.patterns.items == NULL:
            raise MemoryError
        self.patterns.first_share, self.patterns.results = first_lane, self.results.rows
        self.patterns.errors = NULL if errors is None else &self.errors[0, 0]
        self.scatters = np.zeros((n_parts, d, d)) if with_scatter else None
        self.share_out(missing, n_rows, kinds)

    def __dealloc__(self):
        PyMem_Free(self.patterns.items)

    @property
    def n_lanes(self):
        """How many lanes the rows have."""
        return self.patterns.n_shares

    cdef int share_out(
        self, const unsigned char[:, ::1] missing, const Py_ssize_t[::1] n_rows, const Py_ssize_t[::1] kinds,
    ) except -1:
        """Lay out patterns, those of many rows in parts, and divide them into shares."""
        cdef bint single = self.values.itemsize == sizeof(float)
        cdef const char* start = <const char*>self.results.rows.values
        cdef Py_ssize_t d = self.n_features, row = 0, first = 0, part = 0, cost = 0, i, n, done
        cdef Pattern* pattern
        cdef list shares = [0]
        for i in range(missing.shape[0]):
            done = 0
            while done < n_rows[i]:
                pattern, n = self.patterns.items + part, min(<Py_ssize_t>SHARE_ROWS, n_rows[i] - done)
                pattern.first, pattern.columns = row, columns_of(&missing[i, 0], d, &self.order[i, 0])
                pattern.origin, pattern.reach = &self.origins[i, 0], &self.reaches[i, 0]
                pattern.rows.values = start + first * (sizeof(float) if single else sizeof(double))
                pattern.rows.single, pattern.rows.n, pattern.rows.row_stride, pattern.rows.column_stride = (
                    single, n, pattern.columns.q, 1)
                pattern.rows.weight = NULL if self.weight is None else &self.weight[row]
                pattern.rows.code = NULL if self.code is None else &self.code[row]
                if self.has_errors and kinds[i] < self.errors.shape[0]:
                    pattern.error = &self.errors[kinds[i], 0]
                elif self.has_errors:
                    pattern.rows.error = &self.error[row]
                if self.scatters is not None:
                    pattern.scatter = &self.scatters[part, 0, 0]
                    add_scatter_about(&pattern.rows, pattern.origin, pattern.columns.q, &self.scatters[part, 0, 0])
                    mirror(&self.scatters[part, 0, 0], pattern.columns.q)
                done, row, first, part = done + n, row + n, first + n * pattern.columns.q, part + 1
                cost += n + 4 * d
                if cost >= SHARE_ROWS:
                    shares.append(part)
                    cost = 0
        if cost > 0:
            shares.append(part)
        self.shares = np.array(shares)
        self.patterns.n_shares, self.patterns.shares = len(shares) - 1, &self.shares[0]
        return 0

    cdef double work(self, Py_ssize_t K) noexcept:
        """Return the multiply-adds of a pass, roughly."""
        cdef Py_ssize_t n = self.shares[self.patterns.n_shares], d = self.n_features, i, q
        cdef double work = 0
        for i in range(n):
            q = self.patterns.items[i].columns.q
            work += K * <double>self.patterns.items[i].rows.n * (2 * n_terms(self.layout, q) + 20) * (
                1 + q / 2. if self.patterns.items[i].rows.error != NULL else 1)
        return work + ((4. + 4 * self.has_errors) * n * K * d * d * d if is_dense(self.layout) else 0)


cdef void add_scatter_about(const Rows* rows, const double* origin, Py_ssize_t q, double* out) noexcept:
    cdef Py_ssize_t r, i, j
    cdef double w, x
    for r in range(rows.n):
        w = 1 if rows.weight == NULL else rows.weight[r]
        for i in range(q):
            x = w * (value_of(rows, r, i) - origin[i])
            for j in range(i + 1):
                out[i * q + j] += x * (value_of(rows, r, j) - origin[j])


cdef inline double value_of(const Rows* rows, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    cdef Py_ssize_t at = i * rows.row_stride + j * rows.column_stride
    return (<const float*>rows.values)[at] if rows.single else (<const double*>rows.values)[at]


cdef class Loop:
    """Passes over rows in memory and updates in turn, without Python between.

    One thread calls it at a time. It has others beside it for passes that are worth them.

    Parameters
    ----------
    table : RowTable or ObservedRows
    moments : Layout
        Of the second moments, and of the whiteners.
    origin, reach, single, form
        As `Plan` takes them.
    allowed : callable, optional
        Returns what `Plan` takes for K components.
    pass_limit : float
        A pass of several lanes and more multiply-adds than these is not made alone.
    share_limit : float
        Passes of several lanes and more multiply-adds than these, and together more than `pass_limit`, are shared.
    call_limit : float
        A call makes a pass, and others until they have about so many multiply-adds. A pass of several lanes and more
        is not made.
    update_limit : float
        After an update of more multiply-adds a call ends.
    """

    cdef PassPlan plan
    cdef RowTable table                   # None of …
    cdef ObservedRows observed            # … rows that have some columns alone, or None
    cdef Scratch scratch
    cdef const double[::1] origin, reach
    cdef double[::1] storage, buffer
    cdef const double[::1] log_widths     # of the box of noise, of patterns
    cdef LoopInputs inputs
    cdef list others                      # scratches of other workers
    cdef Py_ssize_t n_others              # of these that share the blocks which workspaces keep
    cdef double pass_limit, share_limit, call_limit, update_limit
    cdef object allowed, moments
    cdef const double[:, ::1] classes, common      # into which the plan and the inputs point

    def __cinit__(
        self, table not None, moments, const double[::1] origin, const double[::1] reach, *, bint single,
        int form, allowed, double pass_limit, double share_limit, double call_limit, double update_limit,
    ):
        cdef PassPlan* plan = &self.plan
        cdef Py_ssize_t n
        if isinstance(table, ObservedRows):
            self.observed = table
            plan.n_features, n = self.observed.n_features, self.observed.patterns.n_shares
        else:
            self.table = <RowTable?>table
            plan.n_features, n = self.table.n_features, self.table.rows.n
        plan.layout = plan.moments = moments.code
        if n < 1 or not is_layout(plan.layout) or (self.observed is not None and is_low_rank(plan.layout)):
            raise ValueError(f"expected one row at least and a known layout, got {n} and {moments.code}")
        expect("origin", origin.shape[0], plan.n_features)
        expect("reach", reach.shape[0], plan.n_features)
        self.scratch, self.origin, self.reach = Scratch(), origin, reach
        self.storage = self.buffer = None
        self.inputs.origin, self.inputs.reach = &origin[0], &reach[0]
        self.inputs.single, self.inputs.form = single, form
        self.pass_limit, self.share_limit = pass_limit, share_limit
        self.call_limit, self.update_limit, self.others = call_limit, update_limit, []
        self.allowed, self.moments = allowed, moments

    @property
    def largest_product(self):
        """Multiply-adds of the largest single call of BLAS in a pass."""
        return self.largest_product_in_pass()

    cdef double largest_product_in_pass(self) noexcept:
        if is_twin(kernel_in_use()):
            return INFINITY
        return <double>self.plan.n_features ** 3 if is_pooled(self.plan.layout) else 0

    cdef Py_ssize_t ascend(
        self, Ascent ascent, double[:, ::1] records, Py_ssize_t n, Py_ssize_t at_most, StopTarget target, double unit,
    ) except -1:
        """Measure the next mixture of a state, which takes the pass and chooses another, until this needs Python.

        It stops when the state has converged or is stuck, after `at_most` passes, where the run rests, and where the
        next mixture needs another form; with `repair_empty`, also before an update where a component has lost its rows.
        Return how many passes have records now, n before; n where a pass is above the limit.
        """
        cdef State* state = &ascent.working.state
        cdef const Family* family = &state.family
        cdef const Estimate* mixture = next_mixture(state)
        cdef Moments moments
        self.plan.n_all = family.K
        set_noise(&self.plan, log_noise(&family.objective, family.K, mixture.weights))
        set_tails(&self.plan, mixture.tails, family.objective.free_tails == NO_TAILS)
        if not self.is_ready(family.K, mixture.log_offset, mixture.means, mixture.whiteners,
                             None if self.observed is None else ascent.problem.objective.noise,
                             ascent.e_step.common_scatter,
                             min(at_most, records.shape[0] - n), ascent.work, self.call_limit):
            return n
        if self.buffer is None or self.buffer.shape[0] < moments_size(self.plan.moments, family.K, family.d):
            self.buffer = np.empty(moments_size(self.plan.moments, family.K, family.d))
        moments, self.inputs.unit = moments_in(&self.buffer[0], family.K, family.d), unit
        workers = self.start_workers(ascent.e_step)
        try:
            with nogil:
                walk_mixture(&self.plan, &self.inputs, mixture.log_offset, mixture.means, mixture.whiteners,
                             &self.scratch.workspace)
                n = run_quasi_newton(&self.plan, &self.inputs, &self.storage[0], ascent.repair_empty, &target.rule,
                                     &self.scratch.workspace, &moments, state, &records[0, 0], n)
        finally:
            self.dismiss(workers, ascent.e_step)
        return n

    cdef LoopWorkers start_workers(self, e_step):
        """Start other workers for the passes of a call that is ready; return None if it makes them alone."""
        cdef PassPlan* plan = &self.plan
        cdef LoopWorkers workers = None
        cdef Scratch scratch
        if self.observed is not None:              # of which most have few rows
            return None
        cdef Py_ssize_t lanes = n_lanes(plan, self.table.rows.n), n = 0
        cdef double work = lanes * work_of(plan, plan.lane)
        if lanes > 1 and work > self.share_limit and work * self.inputs.at_most > self.pass_limit:
            # A worker that has less to do than that starts too late.
            n = e_step.n_other_threads(<Py_ssize_t>min(<double>lanes, 2 * work / max(self.share_limit, 1)))
        if n > 0:
            while len(self.others) < n:
                self.others.append(Scratch())
            for worker in self.others[:n]:
                scratch = worker
                if scratch.n_rows == 0 or not same_workspace(&scratch.plan, plan):
                    scratch.make_ready(plan, self.table.rows.n, again=True)
            workers = LoopWorkers(self.others[:n])
            try:
                workers.futures = e_step.start_in_threads(workers.serve, n)
            except BaseException:
                workers.dismiss()
                raise
            n = workers.pool.n = len(workers.futures)
        self.share_among(n)
        self.inputs.pool = &workers.pool if n > 0 else NULL
        return workers

    cdef int share_among(self, Py_ssize_t n) except -1:
        """Let this worker and n others make the next pass, of whose lanes other workers may store the blocks."""
        if n != self.n_others:
            self.n_others, self.scratch.workspace.loaded = n, False
            for worker in self.others:
                (<Scratch>worker).workspace.loaded = False
        return 0

    cdef int dismiss(self, LoopWorkers workers, e_step) except -1:
        self.inputs.pool = NULL
        if workers is not None:
            workers.dismiss()
            e_step.wait_for(workers.futures)
        return 0

    def measure(self, mixture, scatter):
        """Pass over the rows once; return the statistics, and by how much rounding may put off the mean log evidence.

        None where a pass is above the limit. The mixture is a `WhitenedMixture` in the layout of the moments.
        """
        cdef const double[::1] log_offset = mixture.log_offset, tails = mixture.tails
        cdef const double[::1] whiteners = np.ascontiguousarray(mixture.whiteners).reshape(-1)
        cdef const double[:, ::1] centres = np.ascontiguousarray(mixture.centres)
        cdef Py_ssize_t K = log_offset.shape[0], d = self.plan.n_features
        cdef Moments moments
        expect_matrix("centres", centres, max(K, 1), d)
        expect("whiteners", whiteners.shape[0], total_size(self.plan.layout, K, d))
        self.plan.n_all = K
        set_noise(&self.plan, mixture.log_noise)
        if tails is None:
            self.plan.tails, self.plan.power = NULL, 0
        else:
            expect("tails", tails.shape[0], K)
            set_tails(&self.plan, &tails[0], not mixture.fits_tails)
        if not self.is_ready(K, &log_offset[0], &centres[0, 0], &whiteners[0],
                             None if self.observed is None else mixture.noise, scatter, 1, 0, self.pass_limit):
            return None
        self.share_among(0)
        buffer = np.empty(moments_size(self.plan.moments, K, d))
        cdef double[::1] sums = buffer
        moments = moments_in(&sums[0], K, d)
        with nogil:
            walk_mixture(&self.plan, &self.inputs, &log_offset[0], &centres[0, 0], &whiteners[0],
                         &self.scratch.workspace)
            gather_moments(&self.plan, &self.inputs, &whiteners[0], &self.scratch.workspace, &moments)
        found = statistics.SufficientStatistics(*moments_arrays(buffer, self.moments, K, d, &moments))
        return found, rounding_in(&self.plan, &self.inputs)

    def of_one(self):
        """Return the statistics of all rows as one component, about the origin; None where a pass is above the limit.

        Its plan is its own: the others may ask for the scatter of the rows.
        """
        if self.observed is not None:
            return None
        cdef PassPlan plan
        cdef Rows rows = self.table.rows
        cdef double offset = 0, whitener = 1
        cdef Py_ssize_t d = self.plan.n_features, size = moments_size(self.plan.moments, 1, d)
        cdef Moments moments
        start_plan(&plan, 1, d, SPHERICAL, self.plan.moments)
        plan.hard, plan.skips_evidence = True, False
        cdef double[::1] sums = np.empty(size + prepared_size(SPHERICAL, plan.moments, 1, d))
        prepare(&plan, &offset, &self.origin[0], &whitener, &self.origin[0], &self.reach[0], 0, False, 0, &sums[size])
        if n_lanes(&plan, rows.n) > 1 and n_lanes(&plan, rows.n) * work_of(&plan, plan.lane) > self.pass_limit:
            return None
        self.scratch.make_ready(&plan, rows.n)
        rows.code, moments = NULL, moments_in(&sums[0], 1, d)
        with nogil:
            walk(&plan, &rows, 0, n_lanes(&plan, rows.n), &self.scratch.workspace, True)
            merge_siblings(&self.scratch.workspace, plan.n_sums, True)
            unpack_moments(&plan, self.scratch.workspace.node, &whitener, NULL, &moments)
        self.scratch.n_rows = 0                    # its blocks are not those of the loop
        return statistics.SufficientStatistics(*moments_arrays(sums.base[:size], self.moments, 1, d, &moments))

    def run_em(
        self, mixture, tuple estimate not None, MixtureFamily family not None, e_step, Py_ssize_t at_most, *,
        double before, double tolerance, bint repair_empty, double doubt=INFINITY,
    ):
        """Run EM from a mixture: pass over the rows and update the parameters, until this needs Python.

        It stops after `at_most` passes, when one changed the mean log evidence by less than `tolerance`, when one
        lowered it by more than the share `doubt` of 1 and its amount, and when an update fails or needs another form;
        with `repair_empty`, also before an update in which a component has lost its rows.

        Parameters
        ----------
        mixture : WhitenedMixture
        estimate : tuple
            The same mixture, as `Update` returns it.
        e_step : EStep
            Which has the scatter of the rows, and threads.
        before : float
            The mean log evidence of the pass before, NaN if there is none.

        Returns
        -------
        bounds : list of float
            The mean log evidence of each pass, with the log density of a prior added. Instead of all, None where a pass
            is above the limit.
        statistics : SufficientStatistics
            Of the last pass.
        estimate : tuple or None
            The mixture of the last pass, as `Update` returns it; None where that is the first.
        before : tuple of estimate and counts, or None
            Those of the pass before, of several of which the last fell.
        """
        cdef const Family* f = &family.family
        cdef Py_ssize_t K = f.K, d = f.d, n, size
        cdef const double[::1] log_offset = mixture.log_offset
        if not family.takes(self.plan.layout, self.plan.moments, K, self.plan.n_features):
            raise ValueError("expected second moments and whiteners in the layouts and shape of the family")
        cdef Estimate start = view_estimate(estimate, self.plan.layout, K, d)
        expect("log_offset", log_offset.shape[0], K)
        self.plan.n_all = K
        set_noise(&self.plan, mixture.log_noise)
        set_tails(&self.plan, start.tails, not mixture.fits_tails)
        if not self.is_ready(K, &log_offset[0], start.means, start.whiteners,
                             None if self.observed is None else mixture.noise, e_step.common_scatter, at_most,
                             <double>family.work, self.call_limit):
            return None
        size = estimate_size(self.plan.layout, K, d)
        buffer, buffers = np.empty(moments_size(self.plan.moments, K, d)), np.empty((2, size))
        cdef double[::1] both = buffers.reshape(-1), sums = buffer, counts = np.empty(K)
        cdef double[::1] measured = np.empty(self.inputs.at_most), work = np.empty(update_workspace_size(f))
        cdef Moments moments = moments_in(&sums[0], K, d)
        cdef Estimate[2] estimates
        estimates[0] = estimate_in(&both[0], self.plan.layout, K, d)
        estimates[1] = estimate_in(&both[0] + size, self.plan.layout, K, d)
        workers = self.start_workers(e_step)
        try:
            with nogil:
                walk_mixture(&self.plan, &self.inputs, &log_offset[0], start.means, start.whiteners,
                             &self.scratch.workspace)
                n = run_em(&self.plan, &self.inputs, &self.storage[0], f, &start, before, tolerance, doubt,
                           repair_empty, &work[0], &self.scratch.workspace, &moments, &counts[0], estimates,
                           &measured[0])
        finally:
            self.dismiss(workers, e_step)
        last = preceding = None
        if n > 1:
            last = estimate_arrays(buffers[(n - 1) % 2].copy(), self.plan.layout, K, d)
            if falls(measured[n - 2], measured[n - 1], doubt):
                other = estimate_arrays(buffers[n % 2], self.plan.layout, K, d) if n > 2 else None
                preceding = other, np.asarray(counts)
        found = statistics.SufficientStatistics(*moments_arrays(buffer, self.moments, K, d, &moments))
        return np.asarray(measured[:n]).tolist(), found, last, preceding

    cdef bint is_ready(
        self, Py_ssize_t K, const double* log_offset, const double* centres, const double* whiteners,
        noise, scatter, Py_ssize_t at_most, double work_between, double pass_limit,
    ) except -1:
        """Prepare the first pass of a call with a mixture whose noise and tails are set; False if it is too long."""
        cdef PassPlan* plan = &self.plan
        cdef double work = 0, others
        cdef Py_ssize_t lanes, needed = prepared_size(plan.layout, plan.moments, K, plan.n_features)
        if at_most < 1:
            raise ValueError(f"expected one pass at least and a row of records for it, got at_most={at_most}")
        if self.storage is None or self.storage.shape[0] < needed:
            self.storage = np.empty(needed)
        self.classes = self.common = None
        if self.allowed is not None:
            self.classes = self.allowed(K)
        plan.n_all, plan.hard, plan.kernel, plan.allowed = K, False, kernel_in_use(), NULL
        if self.classes is not None:
            expect_matrix("allowed", self.classes, K, max(self.classes.shape[1], 1))
            plan.allowed, plan.n_codes = &self.classes[0, 0], self.classes.shape[1]
        plan.skips_empty = self.classes is None and not has_tails(plan)
        if self.observed is not None:
            work = self.observed.work(K)
            if work > pass_limit:
                return False
            self.ready_patterns(log_offset, noise)
        prepare(plan, log_offset, centres, whiteners, &self.origin[0], &self.reach[0], self.inputs.single,
                self.observed is None and is_pooled(plan.layout), self.inputs.form, &self.storage[0])
        if self.observed is None:
            self.inputs.rows = self.table.rows
            if self.classes is None:
                self.inputs.rows.code = NULL
            lanes = n_lanes(plan, self.table.rows.n)
            work = lanes * work_of(plan, plan.lane)
            if lanes > 1 and work > pass_limit:
                self.storage = None                # as large as two mixtures, and of no use
                return False
            if plan.common_scatter:
                self.common = scatter()
                expect_matrix("scatter", self.common, plan.n_features, plan.n_features)
            self.inputs.scatter = NULL if self.common is None else &self.common[0, 0]
            if self.scratch.n_rows == 0 or not same_workspace(&self.scratch.plan, plan):
                self.scratch.make_ready(plan, self.table.rows.n, again=True)
        others = 0 if work_between > self.update_limit else self.call_limit / (work + work_between)
        self.inputs.at_most = 1 + <Py_ssize_t>others if others < at_most - 1 else at_most
        return True

    cdef int ready_patterns(self, const double* log_offset, noise) except -1:
        """Allocate the workspaces of passes over patterns, with noise.

        No update empties a component wholly, so that only those that are empty at first are skipped.
        """
        cdef PassPlan* plan = &self.plan
        cdef PatternPass* whole = &self.inputs.patterns_pass
        cdef Py_ssize_t i
        cdef bint any_empty = False
        if plan.tails != NULL:
            raise ValueError("expected normal components of rows without some columns")
        for i in range(plan.n_all):
            any_empty = any_empty or log_offset[i] == -INFINITY
        plan.skips_empty = plan.skips_empty and any_empty
        self.log_widths = noise.log_widths
        whole.layout, whole.has_errors = self.observed.layout, self.observed.has_errors
        whole.single, whole.form = self.inputs.single, self.inputs.form
        take_plan(whole, plan, self.log_widths)
        self.inputs.patterns = self.observed.patterns
        self.scratch.make_ready_for_patterns(whole, self.observed.results.rows.n)
        self.scratch.allocate_for(whole, &self.observed.patterns, 0, self.observed.patterns.n_shares)
        return 0


@cython.auto_pickle(False)
cdef class Ascent:
    """What the accelerated solver is without Python: its state, and the loop over rows in memory.

    A subclass says in `pass_elsewhere` how a pass is made where there is no loop, or where one is worth threads: it
    returns what `QuasiNewtonState.take` does.

    Parameters
    ----------
    working : QuasiNewtonState
    e_step : EStep
        Its `resident` is the loop, if there is one.
    problem : Problem
        For the subclass.
    unit : float
        Of what the subclass says of the run.
    resumable : bool
        For the subclass: whether the run may be asked for its state.
    repair_empty : bool
        Whether a component without rows makes the state stuck.

    Attributes
    ----------
    mixture : object
        For the subclass, which keeps the current mixture here; None as soon as a pass may change it.
    has_started : bool
        Whether a pass has started.
    """

    cdef readonly QuasiNewtonState working
    cdef readonly object e_step, problem
    cdef readonly double unit
    cdef readonly bint resumable
    cdef public object mixture
    cdef readonly bint has_started
    cdef public bint repair_empty
    cdef Loop resident
    cdef double work

    def __init__(
        self, QuasiNewtonState working not None, e_step, problem, *, double unit=1, bint resumable=True,
        bint repair_empty=False,
    ):
        cdef const Family* family = &working.state.family
        cdef Loop resident = e_step.resident
        if resident is not None and not working.fits(
                resident.plan.layout, resident.plan.moments, family.K, resident.plan.n_features):
            raise ValueError("expected moments and whiteners in the layouts and shape of the state's family")
        self.working, self.e_step, self.problem, self.unit, self.resumable = working, e_step, problem, unit, resumable
        self.resident, self.repair_empty, self.work = resident, repair_empty, working.work

    def start_at(self, start):
        """Measure next the mixture that follows statistics, or has the parts in a tuple: see `QuasiNewtonState`.

        Return whether it does not need help.
        """
        if self.work <= BLAS_STAYS_SINGLE:
            return self.measure_next(start)
        with _blas.single_threaded_blas():
            return self.measure_next(start)

    cdef measure_next(self, start):
        if isinstance(start, tuple):
            return self.working.start_at(*start)
        return self.working.start_after(start, repair_empty=self.repair_empty)

    def pass_once(self):
        """Make a pass that has no record."""
        self.pass_on(np.empty((1, COLUMNS)), 0, 1, NO_TARGET, 1)

    cdef Py_ssize_t pass_on(
        self, double[:, ::1] records, Py_ssize_t n, Py_ssize_t at_most, StopTarget target, double unit,
    ) except -1:
        """Make as many passes as one loop is worth, or one elsewhere; return how many have records now."""
        cdef Py_ssize_t made = n
        self.mixture, self.has_started = None, True
        if self.resident is not None and max(self.work, self.resident.largest_product_in_pass()) <= BLAS_STAYS_SINGLE:
            made = self.resident.ascend(self, records, n, at_most, target, unit)
        elif self.resident is not None:
            with _blas.single_threaded_blas():
                made = self.resident.ascend(self, records, n, at_most, target, unit)
        if made == n:
            bound, objective, remaining, accepted = self.pass_elsewhere()
            records[n, 0], records[n, 1], records[n, 2] = bound * unit, objective * unit, remaining * unit
            records[n, 3], made = accepted, n + 1
        return made


@cython.auto_pickle(False)
cdef class Run:
    """Passes of a solver, one after the other, and their records. It can pause after any pass, and go on.

    The passes of an `Ascent` need no Python. Other solvers have the verbs `successor`, which returns what makes the
    next pass, `advance`, which makes passes as `Ascent.pass_on` does, `why_stop`, which says why to stop, and `close`.

    Parameters
    ----------
    solver : Ascent, or another solver
    max_iter : int
        Maximum number of passes.
    start : int
        Index of the start, for the record.
    callback : callable, optional
        With one, the method `tell` of a subclass is called after each pass, with its record and the lower bound before
        it, if there was one. It returns whether the run ends.
    before : float, optional
        The last lower bound of an earlier run that this one continues.
    unit : float
        The solver's numbers are recorded times this: the weight of all rows, for nats in all.
    records : array of shape (n, 5), optional
        Of passes that the solver has made, as in `Trace`: if it has converged, the run is over.

    Attributes
    ----------
    solver : object
        What makes the next pass.
    n_passes : int
    lower_bound : float
        Mean log-likelihood of the current mixture, in nats per unit weight.
    ended, converged : bool
        Whether the run is over, and whether the solver's stopping rule ended it.
    """

    cdef readonly object solver
    cdef readonly Py_ssize_t n_passes
    cdef readonly double lower_bound
    cdef readonly bint ended, converged
    cdef readonly object start, callback, before
    cdef Py_ssize_t max_iter
    cdef double unit
    cdef object reason
    cdef double[:, ::1] buffer

    def __init__(self, solver, max_iter, *, start=0, callback=None, before=None, double unit=1, records=None):
        self.solver, self.max_iter, self.unit = solver, min(max_iter, PY_SSIZE_T_MAX), unit
        self.start, self.callback, self.before, self.reason = start, callback, before, None
        self.ended = self.converged = False
        self.n_passes, self.lower_bound = 0, -INFINITY
        if records is None:
            self.buffer = np.empty((min(self.max_iter, FIRST_RECORDS), COLUMNS))
            return
        self.buffer = np.array(records)
        check_columns(self.buffer)
        self.n_passes = self.buffer.shape[0]
        if self.n_passes > 0:
            self.lower_bound = self.buffer[self.n_passes - 1, 0]
            self.end_if_converged()

    @property
    def records(self):
        """Those of the passes so far, as in `Trace`."""
        return np.array(self.buffer[:self.n_passes])

    @property
    def why(self):
        """Why the run ended, as text."""
        if self.reason is None and self.converged:
            self.reason = self.solver.why_stop()
        return self.reason or "not finished"

    def cannot_reach_target(self, StopTarget target not None):
        """Return whether the run will not reach what it has to."""
        return self.n_passes > 0 and loop.cannot_reach_target(&target.rule, &self.buffer[0, 0], self.n_passes)

    def go(self, at_most=None, StopTarget target not None=NO_TARGET):
        """Make up to `at_most` further passes, or all; the last possible one lets the solver finish its update.

        The run pauses where it cannot reach its target, maybe at once.
        """
        cdef Py_ssize_t enough = self.max_iter, at_once, made
        if at_most is not None:
            enough = self.n_passes + max(min(<Py_ssize_t>at_most, self.max_iter - self.n_passes), 0)
        while not (self.ended or self.n_passes >= enough or self.cannot_reach_target(target)):
            if self.n_passes == self.buffer.shape[0]:
                more = min(self.max_iter - self.n_passes, max(self.n_passes, FIRST_RECORDS))
                self.buffer = np.concatenate([self.buffer, np.empty((more, COLUMNS))])
            at_once = 1 if self.callback is not None else min(enough, self.buffer.shape[0]) - self.n_passes
            before = clock()
            made = self.pass_on(at_once, target)
            self.note(made, clock() - before)
            PyErr_CheckSignals()
        if not self.ended and self.n_passes == self.max_iter:
            self.close()
        return self

    def ended_here(self):
        """Return the run, which ends as if its passes so far were `max_iter`, unless it has ended."""
        if not self.ended:
            self.close()
        return self

    cdef Py_ssize_t pass_on(self, Py_ssize_t at_most, StopTarget target) except -1:
        """Let the solver make passes, which may become another one before; return how many have records now."""
        if not isinstance(self.solver, Ascent) or (<Ascent>self.solver).working.state.stuck:
            self.solver = self.solver.successor()
        if isinstance(self.solver, Ascent):
            return (<Ascent>self.solver).pass_on(self.buffer, self.n_passes, at_most, target, self.unit)
        return self.solver.advance(np.asarray(self.buffer), self.n_passes, at_most, target, self.unit)

    cdef int note(self, Py_ssize_t n_passes, double seconds) except -1:
        """Note that there are records of so many passes, of which the new ones took so long in all."""
        cdef Py_ssize_t i, before = self.n_passes
        for i in range(before, n_passes):
            self.buffer[i, 4] = seconds / (n_passes - before)
        self.n_passes, self.lower_bound = n_passes, self.buffer[n_passes - 1, 0]
        stopped = self.callback is not None and self.tell(
            np.asarray(self.buffer[n_passes - 1]).tolist(), self.buffer[before - 1, 0] if before else self.before)
        self.end_if_converged()
        if stopped and not self.ended:
            self.ended, self.reason = True, STOPPED
        return 0

    cdef int end_if_converged(self) except -1:
        cdef const State* state
        if isinstance(self.solver, Ascent):
            state = &(<Ascent>self.solver).working.state
            if not state.converged:
                return 0
            if state.fall == 0:
                self.ended = self.converged = True    # `why` is asked for later, by few
                return 0
        reason = self.solver.why_stop()
        if reason:
            self.reason, self.ended, self.converged = reason, True, not is_lowered(reason)
        return 0

    cdef int close(self) except -1:
        """Let the solver finish its update after the last pass."""
        self.reason, bound = self.solver.close()
        self.lower_bound, self.ended = bound * self.unit, True
        if self.n_passes == 1 and self.buffer[0, 2] == INFINITY and self.buffer[0, 0] > -INFINITY:
            self.buffer[0, 2] = max(0, self.lower_bound - self.buffer[0, 0])  # no other gain tells what is left
        return 0


cdef bint is_lowered(reason):
    return reason is not None and reason.startswith(LOWERED)


# ---------------------------------------------------- candidates for a start, and the race between them

cdef class CandidateRows:
    """Float64 rows in memory that candidates for a start pass over.

    Parameters
    ----------
    rows : array of shape (n, d)
    weight : array of shape (n,), optional
    origin, reach : array of shape (d,)
        As `Plan` takes them.
    pooled : bool
        Whether moments are tied, which need the rows' scatter about `origin`.
    single_limit : float
        By how much the limits of float32 arithmetic may be passed; 0 for float64.
    code : array of shape (n,), optional
    allowed : array of shape (K, number of codes), optional
        As `RowTable` and `Plan` take them.
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
        how = {"pooled": is_pooled(moments.code), "single_limit": single_limit} | classes_of(rows)
        return CandidateRows(rows.rows, rows.sample_weight, centre, sample.survey.reach(centre), **how)

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
            # What is near the least of all numbers has lost digits, and a matrix of it its definiteness.
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
        """Set what passes with so many normal components, of soft assignments, have in common."""
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


cdef void start_plan(PassPlan* plan, Py_ssize_t K, Py_ssize_t d, Layout layout, Layout moments) noexcept:
    """Plan a pass with so many normal components, of soft assignments, whose evidence nobody reads."""
    plan.n_all, plan.n_features, plan.layout, plan.moments = K, d, layout, moments
    plan.hard = plan.given = plan.totals = plan.skips_empty = plan.noisy = False
    plan.skips_evidence, plan.log_noise, plan.axes, plan.kernel = True, -INFINITY, NULL, kernel_in_use()
    plan.tails, plan.power, plan.allowed, plan.own = NULL, 0, NULL, NULL


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


cdef dict classes_of(rows):
    return {"code": rows.known.codes, "allowed": rows.known.allowed} if rows.known else {}


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


def has_wide_views(moments, Py_ssize_t n_features):
    """Tell whether the metric of the whole covariance costs more than it is worth to a model of these moments."""
    return n_features > WHOLE_METRIC and moments.axis_aligned


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
        Of the view among others, and of the rows that it shows.

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
    cdef bint rests                       # whether a pass has moved no centre
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
            for _ in range(0 if self.rests else n_passes):
                memcpy(before, &self.seen[0, 0], K * d * sizeof(double))
                fill_whiteners(SPHERICAL, K, d, 1 / self.spread, workspace + K)
                rows.assign(scratch, K, SPHERICAL, SPHERICAL, workspace, &self.seen[0, 0], workspace + K,
                            rows.single_limit, &moments)
                move_to_means(&moments, K, d, &self.seen[0, 0])
                self.spread *= sqrt(max(-2 * moments.log_evidence / (d * moments.weight), 1e-16))
                self.rests = memcmp(before, &self.seen[0, 0], K * d * sizeof(double)) == 0
                if self.rests:
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
    cdef bint has_grown                   # is left of one whose components were split
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

        It leaves noise a share, if the family has noise. Where a covariance is singular in float32, it is estimated
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
        """Return candidates of a family with fewer components: of this one's mixture, without those cheapest to drop.

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
            one.take(scratch, rows, now, shares, K)
            shares[last] = share
            candidates.append(one)
        return candidates

    cdef int take(
        self, Scratch scratch, CandidateRows rows, const Estimate* mixture, const double[::1] shares, Py_ssize_t n,
    ) except -1:
        """Pass over rows with those of n components that have a share, and estimate the first mixture."""
        cdef const Family* f = &self.family.family
        cdef Estimate* left = &self.estimates[1]
        take_components(f.layout, f.d, mixture, &shares[0], n, left)
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
        Of each of the parts; clusters are sought in these by turns.
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
        What it found in such views from the same numbers before, which then are not needed.
    degeneracy : DegeneracyCheck, optional
        That of the families' model. None if no candidate is degenerate.
    noise : array of shape (d,), optional
        The variances of noise beside the components.
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
    cdef bint all_run_on                  # not the best of each view: of parts and of classes few passes tell less

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
        """Return the candidate that is left in the end."""
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


cdef int take_plan(PatternPass* whole, const PassPlan* plan, const double[::1] log_widths) except -1:
    """Set the plan of a pass over patterns, and the box of its noise, whose arrays the caller keeps."""
    whole.plan, whole.log_widths = plan, NULL
    if log_widths is not None:
        expect("log_widths", log_widths.shape[0], plan.n_features)
        whole.log_widths = &log_widths[0]
    whole.n_sums = n_sums_of(whole)
    return 0


cdef int expect_whole(Layout layout) except -1:
    if not is_layout(layout) or is_low_rank(layout):
        raise ValueError(f"expected the layout of whole matrices, got {layout}")
    return 0


def split_axes(Layout layout, const double[::1] weights, const double[:, ::1] means, covariances):
    """Return the principal axes of covariances that a layout stores, in their shape: see `find_axes`.

    Rows of a matrix are axes, or its numbers lie on those of the columns.
    """
    cdef Py_ssize_t K = means.shape[0], d = means.shape[1]
    expect_whole(layout)
    expect("weights", weights.shape[0], K)
    cdef const double[::1] matrices = np.ascontiguousarray(covariances).reshape(-1)
    cdef double[::1] workspace = np.empty(find_axes_workspace_size(layout, d) + 1)
    axes = np.empty(np.shape(covariances))
    cdef double[::1] out = axes.reshape(-1)
    expect("covariances", matrices.shape[0], total_size(layout, K, d))
    if not find_axes(layout, K, d, &weights[0], &means[0, 0], &matrices[0], &out[0], &workspace[0]):
        raise np.linalg.LinAlgError("the axes of a covariance were not found")
    return axes


def split_step(Layout layout, covariances, axes, Py_ssize_t component, Py_ssize_t axis, Py_ssize_t d, double offset):
    """Return the step from a component's mean that is `offset` standard deviations along one of its axes, (d,)."""
    cdef const double[::1] matrices = np.ascontiguousarray(covariances).reshape(-1)
    cdef const double[::1] rows = np.ascontiguousarray(axes).reshape(-1)
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
    cdef double* workspace = zeros(size + n_draws)
    try:
        lay_out_seeding(&seeding, aligned(workspace))
        for i in range(seeding.n_blocks):
            PyErr_CheckSignals()
            with nogil:
                load_seeding_block(&seeding, i, &rows[0, 0], NULL if weight is None else &weight[0])
        with nogil:
            seeds[0] = first_seed(&seeding, uniforms[0])
        for k in range(n_others):
            PyErr_CheckSignals()
            with nogil:
                seeds[1 + k] = next_seed(&seeding, &uniforms[1 + k * n_draws], <Py_ssize_t*>(workspace + size))
    finally:
        PyMem_Free(workspace)
    return 0


def neighbour_distances(const double[:, ::1] rows not None, Py_ssize_t n_others, int number):
    """Return the squared distances of rows to a neighbour among `n_others` of them, (n,); number 1 is the nearest."""
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1]
    if not (0 < number < n_others <= n and d > 0):
        raise ValueError(f"expected more than {number} rows, of {n}, to find so many neighbours in, got {n_others}")
    squares = np.empty(n)
    cdef double[::1] out = squares
    cdef double* workspace = zeros(neighbours_size(n_others, d) + 8)
    with nogil:
        distances_to_neighbours(kernel_in_use(), &rows[0, 0], n, d, n_others, number, aligned(workspace), &out[0])
    PyMem_Free(workspace)
    return squares


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


# -------------------------------------------------------------------------------- around the pass

cdef void write_lanes(
    const PassPlan* plan, const Rows* rows, Py_ssize_t first, Py_ssize_t last, Workspace* workspace,
) noexcept nogil:
    walk(plan, rows, first, last, workspace, False)
