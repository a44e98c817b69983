"""Passes over rows in memory and the steps between them, in turn: one call of Python for many passes."""
from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport INFINITY

from gmm._em cimport RowTable, Scratch, walk_and_run_quasi_newton
from gmm._kernel.estimate cimport Estimate
from gmm._kernel.family cimport NO_TAILS
from gmm._kernel.layout cimport is_layout, is_pooled
from gmm._kernel.leaves cimport is_twin
from gmm._kernel.lengths cimport expect, expect_matrix
from gmm._kernel.loop cimport LoopInputs
from gmm._kernel.moments cimport Moments, moments_in, moments_size
from gmm._kernel.mstep cimport MixtureFamily, QuasiNewtonState
from gmm._kernel.objective cimport log_noise
from gmm._kernel.plan cimport (
    PassPlan, has_tails, n_lanes, prepare, prepared_size, same_workspace, set_noise, set_tails, work_of,
)
from gmm._kernel.state cimport next_mixture
from gmm._kernel.tiles cimport kernel_in_use

import numpy as np


cdef class Loop:
    """Passes over rows in memory and accelerated steps in turn, by one worker without Python between.

    Parameters
    ----------
    table : RowTable
    moments : Layout
        Of the second moments, and of the whiteners.
    origin, reach, single, form
        As `Plan` takes them.
    allowed : callable
        Returns what `Plan` takes for K components.
    catch_up : float
        A run that gained so many times what its second pass did would be given up if it were still below the lead.
    pass_limit : float
        A pass of several lanes and more multiply-adds than these is not made.
    call_limit : float
        A call makes a pass, and others until they have about so many multiply-adds.
    """

    cdef PassPlan plan
    cdef RowTable table
    cdef Scratch scratch
    cdef const double[::1] origin, reach
    cdef double[::1] room, buffer
    cdef LoopInputs inputs
    cdef double pass_limit, call_limit
    cdef object allowed

    def __cinit__(
        self, RowTable table not None, moments, const double[::1] origin, const double[::1] reach, *, bint single,
        int form, allowed, double catch_up, double pass_limit, double call_limit,
    ):
        cdef PassPlan* plan = &self.plan
        plan.n_features, plan.layout, plan.moments = table.n_features, moments.code, moments.code
        if table.rows.n < 1 or not is_layout(plan.layout):
            raise ValueError(f"expected one row at least and a known layout, got {table.rows.n} and {moments.code}")
        expect("origin", origin.shape[0], plan.n_features)
        expect("reach", reach.shape[0], plan.n_features)
        self.table, self.scratch, self.origin, self.reach = table, Scratch(), origin, reach
        self.room = self.buffer = None
        self.inputs.origin, self.inputs.reach = &origin[0], &reach[0]
        self.inputs.single, self.inputs.form, self.inputs.catch_up = single, form, catch_up
        self.allowed, self.pass_limit, self.call_limit = allowed, pass_limit, call_limit

    @property
    def largest_product(self):
        """Multiply-adds of the largest single call of BLAS in a pass."""
        if is_twin(kernel_in_use()):
            return INFINITY
        return self.plan.n_features ** 3 if is_pooled(self.plan.layout) else 0

    def run_quasi_newton(
        self, QuasiNewtonState state not None, scatter, *, Py_ssize_t at_most, bint repair_empty, double lead,
    ):
        """Measure the next mixture of `state`, which takes the pass and chooses another, until this needs Python.

        It stops when `state` has converged or is stuck, after `at_most` passes, and when the next mixture needs another
        form; with `repair_empty`, also before an update in which a component has lost its rows; and after two passes,
        where `catch_up` gains like the second would not raise the bound to `lead`. `scatter` returns the rows' scatter
        about the origin, and is called where tied moments need it.

        Returns
        -------
        passes : list of tuple or None
            Of each: the mean log-likelihood's lower bound, the objective, the projected remaining gain (nats per unit
            weight) and whether it was accepted; the first three are those of the accepted pass before where not. None
            where a pass is above the limit.
        """
        cdef PassPlan* plan = &self.plan
        cdef Py_ssize_t K = state.state.family.K, lanes, n, i
        cdef double work, others
        cdef const double[:, ::1] common = None
        cdef double[:, ::1] records
        cdef Moments moments
        if at_most < 1:
            raise ValueError(f"expected one pass at least, got at_most={at_most}")
        self.prepare_next(state, self.allowed(K))
        lanes = n_lanes(plan, self.table.rows.n)
        work = lanes * work_of(plan, plan.lane)
        if lanes > 1 and work > self.pass_limit:
            return None
        if plan.common_scatter:
            common = scatter()
            expect_matrix("scatter", common, plan.n_features, plan.n_features)
        others = self.call_limit / (work + <double>state.family.work)
        self.inputs.at_most = 1 + <Py_ssize_t>others if others < at_most - 1 else at_most
        self.inputs.scatter = NULL if common is None else &common[0, 0]
        self.inputs.lead = lead
        if self.scratch.n_rows == 0 or not same_workspace(&self.scratch.plan, plan):
            self.scratch.make_ready(plan, self.table.rows.n)
        records, moments = np.empty((self.inputs.at_most, 4)), moments_in(&self.buffer[0], K, plan.n_features)
        self.scratch.workspace.n_nodes = 0
        with nogil:
            n = walk_and_run_quasi_newton(plan, &self.inputs, &self.room[0], repair_empty, &self.scratch.workspace,
                                          &moments, &state.state, &records[0, 0])
        return [(records[i, 0], records[i, 1], records[i, 2], records[i, 3] > 0) for i in range(n)]

    def first_runs(
        self, starts, MixtureFamily family not None, scatter, *, double tolerance, bint confirm_stop,
        Py_ssize_t at_most, bint repair_empty, double lead,
    ):
        """Run starts, `SufficientStatistics`, one after the other as `run_quasi_newton` does, until one needs Python.

        The lead rises to what a run reaches.

        Returns
        -------
        runs : list of (QuasiNewtonState, list of tuple or None)
            Of each run, with what `run_quasi_newton` returns. A start whose first update needs help has none. The last
            run may have paused early.
        """
        cdef QuasiNewtonState state
        cdef list runs = [], passes
        cdef double bound
        for statistics in starts:
            PyErr_CheckSignals()
            state = QuasiNewtonState(family, tolerance, confirm_stop)
            if not state.begin_after(statistics, repair_empty=repair_empty):
                break
            passes = self.run_quasi_newton(state, scatter, at_most=at_most, repair_empty=repair_empty, lead=lead)
            runs.append((state, passes))
            if passes is None:
                break
            bound = passes[len(passes) - 1][0]
            if not (state.state.converged or len(passes) == at_most
                    or len(passes) == 2 and bound + self.inputs.catch_up * (bound - <double>passes[0][0]) < lead):
                break
            lead = max(lead, bound)
        return runs

    cdef int prepare_next(self, QuasiNewtonState state, const double[:, ::1] allowed) except -1:
        """Prepare the pass with the next mixture of a state."""
        cdef PassPlan* plan = &self.plan
        cdef const Estimate* mixture = next_mixture(&state.state)
        cdef Py_ssize_t K = state.state.family.K, d = plan.n_features
        if not state.fits(plan.layout, plan.moments, K, d):
            raise ValueError("expected moments and whiteners in the layouts and shape of the state's family")
        cdef Py_ssize_t needed = prepared_size(plan.layout, plan.moments, K, d)
        if self.room is None or self.room.shape[0] < needed:
            self.room = np.empty(needed)
        needed = moments_size(plan.moments, K, d)
        if self.buffer is None or self.buffer.shape[0] < needed:
            self.buffer = np.empty(needed)
        self.inputs.rows = self.table.rows
        plan.n_all, plan.kernel, plan.allowed = K, kernel_in_use(), NULL
        if allowed is None:
            self.inputs.rows.code = NULL
        else:
            expect_matrix("allowed", allowed, K, max(allowed.shape[1], 1))
            plan.allowed, plan.n_codes = &allowed[0, 0], allowed.shape[1]
        set_noise(plan, log_noise(&state.state.family.objective, K, mixture.weights))
        set_tails(plan, mixture.tails, state.state.family.objective.free_tails == NO_TAILS)
        plan.skips_empty = allowed is None and not has_tails(plan)
        prepare(plan, mixture.log_offset, mixture.means, mixture.whiteners, &self.origin[0], &self.reach[0],
                self.inputs.single, is_pooled(plan.layout), self.inputs.form, &self.room[0])
        return 0
