"""Looks at rows before the first pass: their survey, their reach, the distinct ones."""
from libc.math cimport isfinite

from gmm._kernel.block cimport data, look_at
from gmm._kernel.lanes cimport Rows, describe_rows
from gmm._kernel.lengths cimport expect, expect_matrix
from gmm._kernel.seeding cimport Item, merge_equal, sorted_items

import numpy as np


def survey(const data[:, :] rows, const double[::1] weight, double[:, ::1] state, double total, bint begun):
    """Survey rows, or continue a survey with the rows that follow (`begun`).

    `state` (4, d) is read and written: the very first row x_0, Σ w (x − x_0), each feature's least and greatest value;
    `total` is Σ w of the rows before.

    Returns
    -------
    row, column : int
        Indices of the first value that is not finite; −1 where all are.
    total : float
        Σ w of the rows before and these.
    """
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], i, j
    cdef Rows table = describe_rows(rows, weight)
    cdef Py_ssize_t bad_row = -1, bad_column = -1
    cdef double w
    expect_matrix("state", state, 4, d)
    if n < 1 or d < 1:
        raise ValueError(f"expected one row and one column at least, got shape {(n, d)}")
    if not begun:
        for j in range(d):
            state[0, j] = state[2, j] = state[3, j] = rows[0, j]
            state[1, j] = 0
    with nogil:
        for i in range(n):
            w = weight[i] if weight is not None else 1.0
            total += w
            if not look_at(&rows[0, 0] + i * table.row_stride, table.column_stride, d, w, &state[0, 0], &state[1, 0],
                           &state[2, 0], &state[3, 0]):
                bad_row, bad_column = i, 0
                while isfinite(<double>rows[i, bad_column]):
                    bad_column += 1
                break
    return bad_row, bad_column, total


def reach(const double[::1] low, const double[::1] high, const double[::1] origin):
    """Return each feature's greatest distance from `origin`, (d,)."""
    cdef Py_ssize_t d = origin.shape[0], j
    expect("low", low.shape[0], d)
    expect("high", high.shape[0], d)
    out = np.empty(d)
    cdef double[::1] distance = out
    for j in range(d):
        distance[j] = max(high[j] - origin[j], origin[j] - low[j])
    return out


def distinct_rows(const double[:, ::1] rows, const double[::1] weight=None):
    """Return the distinct rows, sorted by value.

    Returns
    -------
    distinct : array of shape (m, d)
    mass : array of shape (m,)
        The sum of the weights of each, or the number of its copies.
    """
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], m
    if n < 1 or d < 1:
        raise ValueError(f"expected one row and one feature at least, got rows of shape {(n, d)}")
    if weight is not None:
        expect("weight", weight.shape[0], n)
    distinct, mass = np.empty((n, d)), np.empty(n)
    cdef double[:, ::1] out = distinct
    cdef double[::1] total = mass
    cdef char[::1] room = np.empty(2 * n * sizeof(Item), dtype=np.int8)
    cdef Item* items = <Item*>&room[0]
    cdef const double* w = &weight[0] if weight is not None else NULL
    with nogil:
        items = sorted_items(&rows[0, 0], n, d, items, items + n)
        m = merge_equal(&rows[0, 0], w, items, n, d, &out[0, 0], &total[0])
    return distinct[:m], mass[:m]
