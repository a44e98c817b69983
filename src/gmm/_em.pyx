"""The pass over rows, from a whitened mixture to sums or to numbers for every row.

A pass reads rows and a whitened mixture, log ρ_ik = log_offset_k − ½‖W_k (x_i − c_k)‖², and adds up the moments of the
responsibilities r_ik = ρ_ik / Σ_k ρ_ik.  Rows are taken in blocks that fit the cache, feature by feature, so that every
vector runs along rows (`one_block` in `lanes.pxd`):

    load ▸ log density (a components × rows tile) ▸ normalise ▸ accumulate, or write the rows out

Two forms compute the density and the moments of a block, a linear and a centred one: `plan.pxd` chooses.

A lane is a fixed number of blocks.  Lanes are summed in order and merged two by two like the digits of a binary
counter, so the sums are the same bit for bit for every number of threads (`lanes.pxd`).  Passes that are not worth
threads follow each other in a compiled loop (`loop.pxd`), with the same parameter update between two (`update.pxd`).

This file has what Python sees of a pass: a worker's scratch, rows with their results, and the plan.  The module
includes three others: the loop and the runs that use it (`_em_loop.pxi`), candidates for a start and the race between
them (`_em_race.pxi`), and what other starts and moves need (`_em_starts.pxi`).  `mstep.pyx` has the work between
passes.
"""
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from libc.math cimport INFINITY
from libc.string cimport memcpy

from gmm._kernel.arrays cimport moments_arrays
from gmm._kernel.checks cimport expect, expect_matrix
from gmm._kernel.few_rows cimport few_panels_size, prepare_few
from gmm._kernel.lanes cimport merge_siblings, move_nodes, walk
from gmm._kernel.layout cimport (
    DIAGONAL, FULL, Layout, is_dense, is_layout, is_low_rank, matrix_size, mirror, n_factors, total_size,
)
from gmm._kernel.leaves cimport is_twin
from gmm._kernel.linear cimport condition_within, measure_extents, extents_size, n_terms
from gmm._kernel.loop cimport rounding_of
from gmm._kernel.memory_pool cimport borrow, give_back
from gmm._kernel.moments cimport Moments, moments_in, moments_size
from gmm._kernel.mstep cimport Survey
from gmm._kernel.observed cimport columns_of
from gmm._kernel.patterns cimport (
    SHARE_ROWS, Pattern, PatternPass, Patterns, collect_patterns, collect_size, n_sums_of, pattern_size, patterns_size,
    rounding_of_patterns, walk_shares,
)
from gmm._kernel.plan cimport (
    PassPlan, choose_form, has_tails, least_limit, may_be_far, n_lanes, prepare, prepared_size, same_workspace,
    set_noise, set_tails, work_of,
)
from gmm._kernel.rows cimport Rows, data, describe_rows
from gmm._kernel.sums cimport unpack_moments
from gmm._kernel.tiles cimport kernel_in_use
from gmm._kernel.workspace cimport Workspace, aligned, lay_out_nodes, lay_out_tree, node_slots, workspace_size

import functools

import numpy as np

from gmm._values import statistics

SLICE = 2e8                                          # multiply-adds between two checks for Ctrl-C: some tens of ms
cdef double BETWEEN_CHECKS = SLICE
cdef enum:
    POOL_BYTES = 2097152                  # that are kept for the next scratch
cdef void* pool = NULL                    # of a scratch that is gone: new pages take as long as passes over few rows


# -------------------------------------------------------------------------------- memory of a worker

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
        self.storage = None               # which a debug build requires before it compares with None

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


# ---------------------------------------------------------------------------------------------- rows

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
        Responsibilities, for a plan with `given`.
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
        The layout of passes over them: that of the mixture or, with errors, FULL or DIAGONAL.
    origin, reach : array of shape (d,)
        As `Plan` requires them.
    weight : array of shape (n,), optional
    code : array of shape (n,), optional
        As `RowTable` requires it.
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
        Results, as `RowTable` requires them.
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


# -------------------------------------------------------------------------------- the plan of a pass

cdef class Plan:
    """How rows are passed over with one whitened mixture: in which form and arithmetic, in which lanes.

    A plan does not change once it is made, so threads share it; sums are in the workers' scratch.

    Parameters
    ----------
    mixture : WhitenedMixture
    moments : Layout
        The layout of the second moments to add up; not used with `rows_only` and `totals`.
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
        −1 to choose by shape and conditioning; else bit 0 selects the linear form, bit 1
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
        set_plan(whole, plan, self.log_widths)
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
        kwargs = dict(single=self.may_be_single, hard=self.plan.hard, given=self.plan.given, totals=self.plan.totals,
                      rows_only=not self.accumulate, common_scatter=self.plan.common_scatter, form=self.form,
                      axes=None if self.plan.axes == NULL else np.asarray(self.axes),
                      allowed=None if self.plan.allowed == NULL else np.asarray(self.allowed))
        position = np.asarray(self.origin), np.asarray(self.reach)
        return functools.partial(Plan, self.mixture, self.moments, *position, **kwargs), ()

    def suits(self, Survey survey not None, bint single):
        """Return whether the rows of a survey can be passed over in the same form, by a plan with `rows_only`."""
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
        """Whether codes of the rows decide which components they may belong to."""
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
        """Add up lanes first … last − 1 of the rows in `scratch`, and write the table's results of every row.

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
        """Write the results of rows that need no threads, as `walk` does."""
        cdef Scratch scratch = Scratch()
        self.start(scratch, table.rows.n)
        self.walk(scratch, table, 0, n_lanes(&self.plan, table.rows.n))

    cdef Rows rows_of(self, RowTable table) except *:
        """Return the rows of a table, with what this pass reads and writes."""
        cdef Rows rows = table.rows
        cdef Py_ssize_t K = self.plan.n_components
        expect("a row", table.n_features, self.plan.n_features)
        if rows.code != NULL and self.plan.allowed == NULL:
            raise ValueError("expected a plan that states which components rows may belong to, by their codes")
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
            move_nodes(&head.workspace, &other.workspace, self.n_sums())

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


cdef int set_plan(PatternPass* whole, const PassPlan* plan, const double[::1] log_widths) except -1:
    """Set the plan of a pass over patterns, and the box of its noise, whose arrays the caller stores."""
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


cdef void start_plan(PassPlan* plan, Py_ssize_t K, Py_ssize_t d, Layout layout, Layout moments) noexcept:
    """Plan a pass with so many normal components and soft assignments, whose evidence nobody reads."""
    plan.n_all, plan.n_features, plan.layout, plan.moments = K, d, layout, moments
    plan.hard = plan.given = plan.totals = plan.skips_empty = plan.noisy = False
    plan.skips_evidence, plan.log_noise, plan.axes, plan.kernel = True, -INFINITY, NULL, kernel_in_use()
    plan.tails, plan.power, plan.allowed, plan.own = NULL, 0, NULL, NULL


cdef void write_lanes(
    const PassPlan* plan, const Rows* rows, Py_ssize_t first, Py_ssize_t last, Workspace* workspace,
) noexcept nogil:
    walk(plan, rows, first, last, workspace, False)


include "_em_loop.pxi"
include "_em_race.pxi"
include "_em_starts.pxi"
