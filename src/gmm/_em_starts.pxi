"""Functions for other starts and for moves of a fit: seeds, distances, merges, splits."""
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free
from libc.float cimport DBL_MIN
from libc.math cimport INFINITY, rint

from gmm._kernel.candidate cimport find_axes, find_axes_workspace_size, split_gain, step_along_axis
from gmm._kernel.checks cimport expect, expect_matrix
from gmm._kernel.layout cimport Layout, component_stride, matrix_size, total_size
from gmm._kernel.neighbours cimport distances_to_neighbours, neighbours_size
from gmm._kernel.plan cimport N_POWERS
from gmm._kernel.seeding cimport (
    Seeding, first_seed, lay_out_seeding, load_seeding_block, next_seed, seeding_buffer_size,
)
from gmm._kernel.tiles cimport kernel_in_use
from gmm._kernel.workspace cimport aligned

import numpy as np


# ----------------------------------------------------------------------------------------- k-means++

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


# ------------------------------------------------------------ dense places and hierarchical clusters

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


# ------------------------------------------------------------- splits of components, and their order

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

    Shares are rounded, so that the last digit does not decide the order of two that are the same.
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
