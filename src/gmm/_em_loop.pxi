"""Passes and updates in turn: the compiled loop, the accelerated solver around it, and the run that both belong to.

A `Run` makes the passes of a solver until it converges, reaches its last pass or cannot reach its `StopTarget`.  Where
the solver is an `Ascent`, its passes are those of a `Loop` over rows in memory, which needs Python only where a pass
is worth threads, or an update fails (`loop.pxd`).
"""
cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.pyport cimport PY_SSIZE_T_MAX
from cpython.pythread cimport PyThread_acquire_lock, PyThread_allocate_lock, PyThread_free_lock, WAIT_LOCK
from libc.math cimport INFINITY

cimport gmm._kernel.loop as loop
from gmm._kernel.arrays cimport estimate_arrays, moments_arrays, view_estimate
from gmm._kernel.checks cimport expect, expect_matrix
from gmm._kernel.estimate cimport Estimate, estimate_in, estimate_size
from gmm._kernel.family cimport NO_TAILS, Family
from gmm._kernel.lanes cimport merge_siblings, walk
from gmm._kernel.layout cimport SPHERICAL, is_layout, is_low_rank, is_pooled, total_size
from gmm._kernel.leaves cimport is_twin
from gmm._kernel.loop cimport (
    COLUMNS, LoopInputs, falls, gather_moments, rounding_in, run_em, run_quasi_newton, serve, walk_mixture,
)
from gmm._kernel.moments cimport Moments, moments_in, moments_size
from gmm._kernel.mstep cimport MixtureFamily, QuasiNewtonState, update_workspace_size
from gmm._kernel.objective cimport log_noise
from gmm._kernel.patterns cimport PatternPass
from gmm._kernel.plan cimport (
    PassPlan, has_tails, n_lanes, prepare, prepared_size, same_workspace, set_noise, set_tails, work_of,
)
from gmm._kernel.rows cimport Rows
from gmm._kernel.solver_state cimport State, next_mixture
from gmm._kernel.sums cimport unpack_moments
from gmm._kernel.tiles cimport kernel_in_use
from gmm._kernel.workers cimport Worker, WorkerPool, wake_workers

import time

import numpy as np

from gmm import _blas
from gmm._values import statistics

LOWERED = "the last update lowered the objective"    # in the reason of a run that ended there, and has not converged
STOPPED = "stopped by the callback"                  # the reason of a run that its callback ended
cdef double BLAS_STAYS_SINGLE = _blas.BLAS_STAYS_SINGLE
cdef object clock = time.perf_counter
cdef enum:
    FIRST_RECORDS = 1000                  # passes whose records a run has memory for at first


# -------------------------------------------------------------------- the loop of passes and updates

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


cdef class Loop:
    """Passes over rows in memory and updates in turn, without Python between.

    One thread calls it at a time, and starts others for passes that are worth them.

    Parameters
    ----------
    table : RowTable or ObservedRows
    moments : Layout
        The layout of the second moments, and of the whiteners.
    origin, reach, single, form
        As `Plan` requires them.
    allowed : callable, optional
        Returns what `Plan` requires for K components.
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
        """Measure the next mixture of a state, which accepts it or not and chooses another, until this needs Python.

        It stops when the state has converged or is stuck, after `at_most` passes, where the run pauses, and where the
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

        It has its own plan, as the other one may require the scatter of the rows.
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
            Those of the last pass.
        estimate : tuple or None
            The mixture of the last pass, as `Update` returns it; None where that is the first.
        before : tuple of estimate and counts, or None
            Those of the pass before the last, if the last of several fell.
        """
        cdef const Family* f = &family.family
        cdef Py_ssize_t K = f.K, d = f.d, n, size
        cdef const double[::1] log_offset = mixture.log_offset
        if not family.matches(self.plan.layout, self.plan.moments, K, self.plan.n_features):
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
        set_plan(whole, plan, self.log_widths)
        self.inputs.patterns = self.observed.patterns
        self.scratch.make_ready_for_patterns(whole, self.observed.results.rows.n)
        self.scratch.allocate_for(whole, &self.observed.patterns, 0, self.observed.patterns.n_shares)
        return 0


# ---------------------------------------------------------------------------- the accelerated solver

@cython.auto_pickle(False)
cdef class Ascent:
    """The part of the accelerated solver that needs no Python: its state, and the loop over rows in memory.

    A subclass makes passes by `pass_elsewhere` where there is no loop, or where one is worth threads: it returns what
    `QuasiNewtonState.add_pass` does.

    Parameters
    ----------
    working : QuasiNewtonState
    e_step : EStep
        Its `resident` is the loop, if there is one.
    problem : Problem
        For the subclass.
    unit : float
        The unit of the numbers that the subclass reports.
    resumable : bool
        For the subclass: whether the state of the run may be required.
    repair_empty : bool
        Whether a component without rows makes the state stuck.

    Attributes
    ----------
    mixture : object
        For the subclass, which stores the current mixture here; None as soon as a pass may change it.
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


# ------------------------------------------------------------- a run, its records and where it stops

cdef class StopTarget:
    """The lower bound that a run has to reach, and when it pauses because it will not.

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


@cython.auto_pickle(False)
cdef class Run:
    """Passes of a solver, one after the other, and their records. It can pause after any pass, and go on.

    The passes of an `Ascent` need no Python. Other solvers have the methods `successor`, which returns the solver of
    the next pass, `advance`, which makes passes as `Ascent.pass_on` does, `why_stop`, which returns the reason to stop,
    and `close`.

    Parameters
    ----------
    solver : Ascent, or another solver
    max_iter : int
        Maximum number of passes.
    start : int
        Index of the start, for the record.
    callback : callable, optional
        With one, the method `report` of a subclass is called after each pass, with its record and the lower bound
        before it, if there was one. It returns whether the run ends.
    before : float, optional
        The last lower bound of an earlier run that this one continues.
    unit : float
        The solver's numbers are recorded times this: the weight of all rows, for nats in all.
    records : array of shape (n, 5), optional
        Those of passes that the solver has made, as in `Trace`: if it has converged, the run is over.

    Attributes
    ----------
    solver : object
        The solver that makes the next pass.
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
        """Record that so many passes have been made, and how long the new ones took in all."""
        cdef Py_ssize_t i, before = self.n_passes
        for i in range(before, n_passes):
            self.buffer[i, 4] = seconds / (n_passes - before)
        self.n_passes, self.lower_bound = n_passes, self.buffer[n_passes - 1, 0]
        stopped = self.callback is not None and self.report(
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
                self.ended = self.converged = True    # `why` is read later, by few
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
            self.buffer[0, 2] = max(0, self.lower_bound - self.buffer[0, 0])  # no other gain shows what is left
        return 0


cdef int check_columns(const double[:, ::1] records) except -1:
    if records.shape[1] != COLUMNS:
        raise ValueError(f"expected records of {<int>COLUMNS} columns, got {records.shape[1]}")
    return 0


cdef bint is_lowered(reason):
    return reason is not None and reason.startswith(LOWERED)
