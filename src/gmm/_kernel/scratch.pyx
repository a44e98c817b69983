"""A worker's buffers and sums, kept between passes of the same fit."""
from gmm._kernel.diagnostics cimport diagnostic_rows
from gmm._kernel.lanes cimport fill_ones, lay_out_workspace
from gmm._kernel.leaves cimport pad
from gmm._kernel.linear cimport n_second
from gmm._kernel.plan cimport PassPlan

import numpy as np


cdef class Scratch:
    """One worker's buffers, kept between passes of the same fit."""

    cdef make_ready(self, const PassPlan* plan, Py_ssize_t n_rows):
        cdef Py_ssize_t K = plan.n_components, d = plan.n_features
        cdef Py_ssize_t item = sizeof(float) if plan.single else sizeof(double)
        cdef Py_ssize_t groups = min(plan.block, n_rows + pad(item) - 1) // pad(item)
        cdef Py_ssize_t ld = (groups | 1) * pad(item)
        cdef Py_ssize_t wide = plan.n_moments if plan.linear else d
        cdef Py_ssize_t narrow = 0 if plan.linear else plan.n_row
        cdef Py_ssize_t n_lanes = (n_rows + plan.lane - 1) // plan.lane
        cdef Py_ssize_t slots = 2, items
        cdef double[::1] work, nodes
        cdef Py_ssize_t[:, ::1] marks
        while (<Py_ssize_t>1 << (slots // 2)) < n_lanes + 1:
            slots += 2
        items = ld * (wide + K + narrow + d + 4 + diagnostic_rows(plan)) + 8
        items += max(plan.n_moments * K, n_second(plan.moments, 1, d))
        if items > self.n_items or plan.n_sums != self.n_sums or slots + 1 > self.n_slots:
            work = np.zeros(items)
            nodes = np.empty((slots + 1) * plan.n_sums)
            marks = np.zeros((2, slots + 1), dtype=np.intp)
            self.buffers = (work, nodes, marks)
            self.n_items, self.n_sums, self.n_slots = items, plan.n_sums, slots + 1
        work, nodes, marks = self.buffers
        lay_out_workspace(&self.workspace, aligned(work), ld, wide, K, narrow, d, diagnostic_rows(plan))
        self.workspace.node = &nodes[0]
        self.workspace.level = &marks[0, 0]
        self.workspace.first_lane = &marks[1, 0]
        self.workspace.n_nodes = 0
        fill_ones(plan.single, ld, self.workspace.block if plan.linear else self.workspace.centred)
        self.workspace.n_ones = -1
        self.plan, self.n_rows, self.next_lane = plan[0], n_rows, 0
