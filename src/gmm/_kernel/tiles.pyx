"""The arithmetic of `tile.h` and `deconvolve.h`, compiled once, and the choice of its instruction set.

A pass and the seeding carry their kernel: another one that is used from then on does not change what is prepared.
Densities and scores of rows that each have an error covariance of their own, by `deconvolve.h`, are asked for here.
"""
from libc.stdint cimport uintptr_t

from gmm._kernel.leaves cimport Kernel, tile_leaves_double, tile_leaves_float

import os

import numpy as np

cdef extern from "tile.h":
    int tile_best()
    const char* const tile_names[]
    const tile_leaves_double* const tile_double[]
    const tile_leaves_float* const tile_float[]

cdef extern from "deconvolve.h" nogil:
    enum:
        ERRORS_ROWS
        ERRORS_LANES
    ctypedef struct errors_functions:
        void (*density)(const double*, const double*, Py_ssize_t, int, const double*, const double*, double, double*,
                        double*) noexcept nogil
        void (*normalise)(double*, Py_ssize_t, const double*, double*) noexcept nogil
        void (*scores)(const double*, const double*, Py_ssize_t, int, const double*, const double*, const double*,
                       double*, double*) noexcept nogil
        void (*collect)(const double*, Py_ssize_t, double*) noexcept nogil
        void (*largest)(const double*, Py_ssize_t, double*) noexcept nogil
    const errors_functions* const errors_sets[]

cdef Kernel in_use
cdef const errors_functions* errors_in_use
cdef str name_in_use


cdef Kernel kernel_in_use() noexcept nogil:
    return in_use


def kernels():
    """Return the kernels that this machine can run, the slowest first: "blas", then tile.h by instruction set."""
    return ["blas"] + [tile_names[level].decode() for level in range(tile_best() + 1)]


def kernel():
    """Return the name of the kernel in use."""
    return name_in_use


def use_kernel(str name):
    """Use the kernel called `name` from now on; `GMM_KERNEL` sets it for a process."""
    global in_use, errors_in_use, name_in_use
    known = kernels()
    cdef Py_ssize_t level
    if name not in known:
        raise ValueError(f"expected a kernel that this machine can run, one of {known} (GMM_KERNEL, use_kernel), "
                         f"got {name!r}")
    level = known.index(name) - 1
    in_use.doubles = tile_double[level] if level >= 0 else NULL
    in_use.floats = tile_float[level] if level >= 0 else NULL
    errors_in_use = errors_sets[max(level, 0)]       # which the twin lacks
    name_in_use = name


use_kernel(os.environ.get("GMM_KERNEL") or kernels().pop())


def leaf_addresses(str name, bint single):
    """Return where the functions of tile.h begin in a kernel but "blas", in their order there: tests call each."""
    cdef Py_ssize_t level = kernels().index(name, 1) - 1, size = sizeof(tile_leaves_double) // sizeof(void*), i
    cdef const void* const* leaf = <const void* const*>tile_float[level] if single \
        else <const void* const*>tile_double[level]
    return [<size_t>leaf[i] for i in range(size)]


# ------------------------------------------------------------------- rows with errors of their own

BLOCK = ERRORS_ROWS


def log_densities(const double[:, ::1] rows, const Py_ssize_t[::1] numbers, const double[:, ::1] errors,
                  const double[:, ::1] centres, const double[:, ::1] covariances, const double[::1] offsets):
    """Return log ρ, (B, K, `BLOCK`), of rows (n, d) with some of the errors (E, p) under covariances (K, p).

    Matrices are lower triangles row by row, or variances alone. The last row fills the last of the B blocks.
    """
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], p = errors.shape[1], K = centres.shape[0], b, k
    _check(rows, numbers, errors, centres, covariances)
    if offsets.shape[0] != K:
        raise ValueError(f"expected {K} offsets, got {offsets.shape[0]}")
    result = np.empty(((n + ERRORS_ROWS - 1) // ERRORS_ROWS, K, ERRORS_ROWS))
    cdef double[:, :, ::1] out = result
    cdef double[::1] x = _aligned(ERRORS_ROWS * d), s = _aligned(ERRORS_ROWS * p), work = _work(d)
    cdef const errors_functions* functions = errors_in_use
    with nogil:
        for b in range(out.shape[0]):
            _gather(rows, numbers, errors, b * ERRORS_ROWS, NULL, &x[0], &s[0])
            for k in range(K):
                functions.density(&x[0], &s[0], d, p == d, &centres[k, 0], &covariances[k, 0], offsets[k],
                                  &out[b, k, 0], &work[0])
    return result


def normalise(double[:, :, ::1] log_joint, const double[:, ::1] log_noise):
    """Make responsibilities of joint log densities in their place; return the log evidence of the rows, (B, `BLOCK`).

    Noise has a log density for each row, −∞ for none. Shares below 1e-18 are 0: sums are not exact to that.
    """
    cdef Py_ssize_t b, K = log_joint.shape[1]
    cdef const errors_functions* functions = errors_in_use
    if log_joint.shape[2] != ERRORS_ROWS or not K:
        raise ValueError(f"expected log densities of blocks of {ERRORS_ROWS} rows, got {log_joint.shape[2]} "
                         f"in {K} components")
    if log_noise.shape[0] != log_joint.shape[0] or log_noise.shape[1] != ERRORS_ROWS:
        raise ValueError(f"expected log densities of noise ({log_joint.shape[0]}, {ERRORS_ROWS}), "
                         f"got ({log_noise.shape[0]}, {log_noise.shape[1]})")
    result = np.empty((log_joint.shape[0], ERRORS_ROWS))
    cdef double[:, ::1] evidence = result
    with nogil:
        for b in range(log_joint.shape[0]):
            functions.normalise(&log_joint[b, 0, 0], K, &log_noise[b, 0], &evidence[b, 0])
    return result


def scores(const double[:, ::1] rows, const Py_ssize_t[::1] numbers, const double[:, ::1] errors,
           const double[:, ::1] centres, const double[:, ::1] covariances, const double[::1] weights,
           const double[:, :, ::1] responsibilities):
    """Return Σ r, Σ r w and Σ r (w wᵀ − T⁻¹), (K, 1 + d + p), with T = V + S and w = T⁻¹ (x − c).

    r are responsibilities as `log_densities` has them, times weights. Rows are taken by their largest one, so that
    vectors of rows lack as many components as they can.
    """
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], p = errors.shape[1], K = centres.shape[0], q = 1 + d + p
    cdef Py_ssize_t b, k, B = (n + ERRORS_ROWS - 1) // ERRORS_ROWS
    _check(rows, numbers, errors, centres, covariances)
    if responsibilities.shape[0] != B or responsibilities.shape[1] != K or responsibilities.shape[2] != ERRORS_ROWS:
        raise ValueError(f"expected responsibilities ({B}, {K}, {ERRORS_ROWS}), got ({responsibilities.shape[0]}, "
                         f"{responsibilities.shape[1]}, {responsibilities.shape[2]})")
    if weights.shape[0] != n:
        raise ValueError(f"expected {n} weights, got {weights.shape[0]}")
    cdef const errors_functions* functions = errors_in_use
    cdef Py_ssize_t[::1] order = _by_component(functions, responsibilities, n)
    cdef double[::1] x = _aligned(ERRORS_ROWS * d), s = _aligned(ERRORS_ROWS * p), work = _work(d)
    cdef double[::1] r = _aligned(ERRORS_ROWS * K), total = _aligned(ERRORS_LANES * K * q)
    result = np.empty((K, q))
    cdef double[:, ::1] sums = result
    total[:] = 0
    with nogil:
        for b in range(B):
            _gather(rows, numbers, errors, b * ERRORS_ROWS, &order[0], &x[0], &s[0])
            _gather_shares(responsibilities, weights, b * ERRORS_ROWS, order, &r[0])
            for k in range(K):
                functions.scores(&x[0], &s[0], d, p == d, &centres[k, 0], &covariances[k, 0], &r[k * ERRORS_ROWS],
                                 &total[k * q * ERRORS_LANES], &work[0])
        for k in range(K):
            functions.collect(&total[k * q * ERRORS_LANES], q, &sums[k, 0])
    return result


cdef void _gather(const double[:, ::1] rows, const Py_ssize_t[::1] numbers, const double[:, ::1] errors,
                  Py_ssize_t first, const Py_ssize_t* order, double* x, double* s) noexcept nogil:
    """Lay out a block of rows and errors column by column; the last row fills it."""
    cdef Py_ssize_t d = rows.shape[1], p = errors.shape[1], r, i, c
    cdef const double* row
    for r in range(ERRORS_ROWS):
        i = min(first + r, rows.shape[0] - 1)
        i = i if order == NULL else order[i]
        row = &rows[i, 0]
        for c in range(d):
            x[c * ERRORS_ROWS + r] = row[c]
        row = &errors[numbers[i], 0]
        for c in range(p):
            s[c * ERRORS_ROWS + r] = row[c]


cdef void _gather_shares(const double[:, :, ::1] responsibilities, const double[::1] weights, Py_ssize_t first,
                         const Py_ssize_t[::1] order, double* r) noexcept nogil:
    """Lay out what a block of rows gives to each component, nothing behind the last row."""
    cdef Py_ssize_t K = responsibilities.shape[1], j, k
    cdef size_t i
    cdef const double* row
    for j in range(ERRORS_ROWS):
        if first + j < order.shape[0]:
            i = order[first + j]
            row = &responsibilities[i // ERRORS_ROWS, 0, i % ERRORS_ROWS]
            for k in range(K):
                r[k * ERRORS_ROWS + j] = weights[i] * row[k * ERRORS_ROWS]
        else:
            for k in range(K):
                r[k * ERRORS_ROWS + j] = 0


cdef Py_ssize_t[::1] _by_component(const errors_functions* functions, const double[:, :, ::1] responsibilities,
                                   Py_ssize_t n):
    """Return the numbers of rows by the component that they give most to, (n,), those of one in order."""
    cdef Py_ssize_t B = responsibilities.shape[0], K = responsibilities.shape[1], i, k
    cdef double[::1] labels = np.empty(B * ERRORS_ROWS)
    cdef Py_ssize_t[::1] order = np.empty(n, dtype=np.intp), starts = np.zeros(K + 1, dtype=np.intp)
    with nogil:
        for i in range(B):
            functions.largest(&responsibilities[i, 0, 0], K, &labels[i * ERRORS_ROWS])
        for i in range(n):
            starts[<Py_ssize_t>labels[i] + 1] += 1
        for k in range(K):
            starts[k + 1] += starts[k]
        for i in range(n):
            k = <Py_ssize_t>labels[i]
            order[starts[k]] = i
            starts[k] += 1
    return order


cdef double[::1] _aligned(Py_ssize_t size):
    """Return room at the boundary of a line of the cache."""
    room = np.empty(size + 8)
    cdef Py_ssize_t skipped = -(<uintptr_t>room.ctypes.data // 8) % 8
    return room[skipped : skipped + size]


cdef double[::1] _work(Py_ssize_t d):
    """Room for a matrix and four vectors, each of the rows of a vector."""
    return _aligned(ERRORS_LANES * (d * (d + 1) // 2 + 4 * d))


cdef object _check(const double[:, ::1] rows, const Py_ssize_t[::1] numbers, const double[:, ::1] errors,
                   const double[:, ::1] centres, const double[:, ::1] covariances):
    cdef Py_ssize_t d = rows.shape[1], p = errors.shape[1], K = centres.shape[0], i
    if (not d or p not in (d, d * (d + 1) // 2) or numbers.shape[0] != rows.shape[0] or centres.shape[1] != d
            or covariances.shape[0] != K or covariances.shape[1] != p):
        raise ValueError(
            "expected rows (n, d), numbers (n,), errors (E, p), centres (K, d) and covariances (K, p), p = d or "
            f"d (d + 1) / 2, got ({rows.shape[0]}, {d}), ({numbers.shape[0]},), ({errors.shape[0]}, {p}), "
            f"({K}, {centres.shape[1]}) and ({covariances.shape[0]}, {covariances.shape[1]})")
    for i in range(numbers.shape[0]):
        if not 0 <= numbers[i] < errors.shape[0]:
            raise ValueError(f"expected numbers from 0 to {errors.shape[0] - 1}, got {numbers[i]} of row {i}")
