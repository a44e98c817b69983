"""Passes over rows in memory and the steps between them, in turn: one call of Python for many passes."""
from cpython.exc cimport PyErr_CheckSignals
from cpython.pyport cimport PY_SSIZE_T_MAX
from libc.math cimport INFINITY

cimport gmm._kernel.loop as loop
from gmm._em cimport RowTable, Scratch, walk_and_run_quasi_newton
from gmm._kernel.estimate cimport Estimate
from gmm._kernel.family cimport NO_TAILS
from gmm._kernel.layout cimport is_layout, is_pooled
from gmm._kernel.leaves cimport is_twin
from gmm._kernel.lengths cimport expect, expect_matrix
from gmm._kernel.loop cimport COLUMNS, LoopInputs
from gmm._kernel.moments cimport Moments, moments_in, moments_size
from gmm._kernel.mstep cimport MixtureFamily, QuasiNewtonState
from gmm._kernel.objective cimport log_noise
from gmm._kernel.plan cimport (
    PassPlan, has_tails, n_lanes, prepare, prepared_size, same_workspace, set_noise, set_tails, work_of,
)
from gmm._kernel.state cimport next_mixture
from gmm._kernel.tiles cimport kernel_in_use

import numpy as np


cdef class Outlook:
    """What a run has to reach, and when it rests because it will not, or so that Python is asked.

    Parameters
    ----------
    lead : float
        After two passes, gains like the second have to come up with this lower bound: see `CATCH_UP`.
    target : float
        The lower bound that a run has to reach. It is asked after pass `first` and later, where a period begins: a
        period is so many passes, and `since` are those that were made when the first began.
    safety : float
        Times the projected gain that a run may still gain. Where there is no projection, or by default, its next 30
        passes gain as much on average as the last three.
    first, period, since : int
    fewest : float
        After `checked` passes a run also rests where a period begins, if a component has less weight.
    checked : int
    """

    cdef loop.Outlook rule

    def __cinit__(
        self, *, double lead=-INFINITY, double target=-INFINITY, double safety=INFINITY, Py_ssize_t first=1,
        Py_ssize_t period=1, Py_ssize_t since=0, double fewest=0, Py_ssize_t checked=0,
    ):
        if period < 1 or since < 0:
            raise ValueError(f"expected a period of one pass at least and passes before it, got {period} and {since}")
        self.rule.lead, self.rule.target, self.rule.safety, self.rule.first = lead, target, safety, first
        self.rule.period, self.rule.phase, self.rule.fewest, self.rule.checked = period, since % period, fewest, checked

    def is_hopeless(self, const double[:, ::1] records, Py_ssize_t n):
        """Return whether a run of n passes, of which these are the records, will not reach what it has to."""
        check_records(records, n)
        return n > 0 and loop.is_hopeless(&self.rule, &records[0, 0], n)

    @property
    def fewest(self):
        """The weight of a component below which a run rests."""
        return self.rule.fewest

    def asks(self, Py_ssize_t n):
        """Return whether a run rests after n passes, if a component has less weight than the fewest."""
        return self.rule.fewest > 0 and n >= self.rule.checked and loop.is_due(&self.rule, n)

    def left(self, Py_ssize_t n):
        """Return how many passes after n a run may be asked again."""
        cdef Py_ssize_t left = PY_SSIZE_T_MAX
        if n < 2 and self.rule.lead > -INFINITY:
            left = 2 - n
        if self.rule.target > -INFINITY or self.rule.fewest > 0:
            left = min(left, self.rule.period - (n - self.rule.phase) % self.rule.period)
        return left


cdef int check_records(const double[:, ::1] records, Py_ssize_t n) except -1:
    if records.shape[1] != COLUMNS or not 0 <= n <= records.shape[0]:
        shape = records.shape[0], records.shape[1]
        raise ValueError(f"expected records of {n} passes, of {<int>COLUMNS} columns, got shape {shape}")
    return 0


def foreseen_gain(const double[:, ::1] records, Py_ssize_t n):
    """Return what a run of n passes may still gain, if its next passes gain as much as the last few."""
    check_records(records, n)
    return loop.foreseen_gain(&records[0, 0], n) if n > 0 else INFINITY


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
        int form, allowed, double pass_limit, double call_limit,
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
        self.inputs.single, self.inputs.form = single, form
        self.allowed, self.pass_limit, self.call_limit = allowed, pass_limit, call_limit

    @property
    def largest_product(self):
        """Multiply-adds of the largest single call of BLAS in a pass."""
        if is_twin(kernel_in_use()):
            return INFINITY
        return self.plan.n_features ** 3 if is_pooled(self.plan.layout) else 0

    def run_quasi_newton(
        self, QuasiNewtonState state not None, scatter, double[:, ::1] records, Py_ssize_t n, Py_ssize_t at_most, *,
        bint repair_empty, Outlook outlook not None, double unit=1,
    ):
        """Measure the next mixture of `state`, which takes the pass and chooses another, until this needs Python.

        It stops when `state` has converged or is stuck, after `at_most` passes, where the run rests, and when the next
        mixture needs another form; with `repair_empty`, also before an update in which a component has lost its rows.
        `scatter` returns the rows' scatter about the origin, and is called where tied moments need it.

        Parameters
        ----------
        records : array of shape (m, 5)
            Those of n passes, with room for one more at least. Of each: the mean log-likelihood's lower bound, the
            objective, the projected remaining gain (times `unit` nats per unit weight), whether it was accepted, and
            its seconds, which are left as they are. The first three are those of the accepted pass before where not.

        Returns
        -------
        int
            How many passes have records now; n where a pass is above the limit.
        """
        cdef PassPlan* plan = &self.plan
        cdef Py_ssize_t K = state.state.family.K, lanes
        cdef double work, others
        cdef const double[:, ::1] common = None
        cdef Moments moments
        check_records(records, n)
        at_most = min(at_most, records.shape[0] - n)
        if at_most < 1:
            raise ValueError(f"expected one pass at least and room for it, got at_most={at_most}")
        self.prepare_next(state, self.allowed(K))
        lanes = n_lanes(plan, self.table.rows.n)
        work = lanes * work_of(plan, plan.lane)
        if lanes > 1 and work > self.pass_limit:
            return n
        if plan.common_scatter:
            common = scatter()
            expect_matrix("scatter", common, plan.n_features, plan.n_features)
        others = self.call_limit / (work + <double>state.family.work)
        self.inputs.at_most = 1 + <Py_ssize_t>others if others < at_most - 1 else at_most
        self.inputs.scatter = NULL if common is None else &common[0, 0]
        self.inputs.unit = unit
        if self.scratch.n_rows == 0 or not same_workspace(&self.scratch.plan, plan):
            self.scratch.make_ready(plan, self.table.rows.n)
        moments = moments_in(&self.buffer[0], K, plan.n_features)
        self.scratch.workspace.n_nodes = 0
        with nogil:
            n = walk_and_run_quasi_newton(plan, &self.inputs, &self.room[0], repair_empty, &outlook.rule,
                                          &self.scratch.workspace, &moments, &state.state, &records[0, 0], n)
        return n

    def first_runs(
        self, starts, MixtureFamily family not None, scatter, Py_ssize_t at_most, *, double tolerance,
        bint confirm_stop, bint repair_empty, double lead,
    ):
        """Run starts, `SufficientStatistics`, one after the other as `run_quasi_newton` does, until one needs Python.

        The lead rises to what a run reaches.

        Returns
        -------
        runs : list of (QuasiNewtonState, array of shape (m, 5), int)
            Of each run, with its records and how many there are. A start whose first update needs help has none. The
            last run may have paused early.
        """
        cdef QuasiNewtonState state
        cdef Outlook outlook = Outlook(lead=lead)
        cdef Py_ssize_t n
        cdef double[:, ::1] rows
        cdef list runs = []
        for statistics in starts:
            PyErr_CheckSignals()
            state = QuasiNewtonState(family, tolerance, confirm_stop)
            if not state.begin_after(statistics, repair_empty=repair_empty):
                break
            records = np.empty((at_most, COLUMNS))
            rows = records
            n = self.run_quasi_newton(state, scatter, rows, 0, at_most, repair_empty=repair_empty, outlook=outlook)
            runs.append((state, records, n))
            if n == 0 or not (state.state.converged or n == at_most or loop.is_hopeless(&outlook.rule, &rows[0, 0], n)):
                break
            outlook.rule.lead = max(outlook.rule.lead, rows[n - 1, 0])
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
