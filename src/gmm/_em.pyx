"""The pass over rows, from a whitened mixture to sums or to numbers for every row.

A pass reads rows and a whitened mixture, log ρ_ik = log_offset_k − ½‖W_k (x_i − c_k)‖², and adds up the moments of the
responsibilities r_ik = ρ_ik / Σ_k ρ_ik.  Rows are taken in blocks that fit the cache, feature by feature, so that every
vector runs along rows (`_lanes.one_block`):

    load ▸ log density (a components × rows tile) ▸ normalise ▸ accumulate, or write the rows out

Two forms compute the density and the moments of a block, a linear and a centred one: `_plan.pxd` chooses.

A lane is a fixed number of blocks.  Lanes are summed in order and merged two by two like the digits of a binary
counter, so the sums are the same bit for bit for every number of threads (`_lanes.pxd`).  Here is what Python sees: the
workers' scratch, the pass, and its results.
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport isfinite, log
from libc.string cimport memcpy

from gmm._blas cimport invert_cholesky, real
from gmm._block cimport data
from gmm._lanes cimport Bench, Rows, merge_siblings, walk_lanes
from gmm._leaves cimport normalise, pad
from gmm._linear cimport DIAGONAL, FULL, SPHERICAL, TIED, Layout, n_second, unpack_linear
from gmm._plan cimport Recipe, prepare, room_for, work_of
from gmm._seeding cimport Item, Seeding, first_seed, next_seed
from gmm._seeding cimport lay_out_seeding, merge_equal, room_for_seeding, sorted_items

import os

import numpy as np

cdef extern from "_tile.h":
    int tile_level
    int tile_best()
    const char* const tile_names[]

cdef bint tiles = True      # see use_kernel
cdef str current


cdef double* aligned(double[::1] buffer) noexcept:
    """The first item on a border of 64 bytes."""
    return <double*>(<Py_ssize_t>&buffer[0] + 63 & ~<Py_ssize_t>63)


cdef class Scratch:
    """One worker's buffers, kept between passes of the same fit."""

    cdef Bench bench
    cdef object buffers
    cdef Py_ssize_t n_items, n_sums, n_slots

    def __cinit__(self):
        self.n_items = self.n_sums = self.n_slots = 0

    cdef make_ready(self, const Recipe* recipe, Py_ssize_t n_rows):
        cdef Py_ssize_t K = recipe.n_components, d = recipe.n_features
        cdef Py_ssize_t item = sizeof(float) if recipe.single else sizeof(double)
        cdef Py_ssize_t groups = min(recipe.block, n_rows + pad(item) - 1) // pad(item)
        cdef Py_ssize_t ld = (groups | 1) * pad(item)
        cdef Py_ssize_t wide = recipe.n_moments if recipe.linear else d
        cdef Py_ssize_t narrow = 0 if recipe.linear else max(1 + d, recipe.n_row)
        cdef Py_ssize_t n_lanes = (n_rows + recipe.lane - 1) // recipe.lane
        cdef Py_ssize_t slots = 2, items
        cdef double[::1] work, nodes
        cdef Py_ssize_t[:, ::1] marks
        while (<Py_ssize_t>1 << (slots // 2)) < n_lanes + 1:
            slots += 2
        items = ld * (wide + K + narrow + d + 3) + max(recipe.n_moments * K, d * d) + 8
        if items > self.n_items or recipe.n_sums != self.n_sums or slots + 1 > self.n_slots:
            work = np.zeros(items)
            nodes = np.empty((slots + 1) * recipe.n_sums)
            marks = np.zeros((2, slots + 1), dtype=np.intp)
            self.buffers = (work, nodes, marks)
            self.n_items, self.n_sums, self.n_slots = items, recipe.n_sums, slots + 1
        work, nodes, marks = self.buffers
        self.lay_out(aligned(work), ld, wide, K, narrow, d)
        self.bench.node = &nodes[0]
        self.bench.level = &marks[0, 0]
        self.bench.first_lane = &marks[1, 0]
        self.bench.n_nodes = 0
        fill_ones(recipe.single, ld, self.bench.block if recipe.linear else self.bench.centred)

    cdef lay_out(self, double* work, Py_ssize_t ld, Py_ssize_t wide, Py_ssize_t K, Py_ssize_t narrow, Py_ssize_t d):
        self.bench.ld = ld
        self.bench.block = work
        self.bench.tile = work + ld * wide
        self.bench.centred = work + ld * (wide + K)
        self.bench.product = work + ld * (wide + K + narrow)
        self.bench.evidence = work + ld * (wide + K + narrow + d)
        self.bench.mass = work + ld * (wide + K + narrow + d + 1)
        self.bench.square = work + ld * (wide + K + narrow + d + 2)
        self.bench.block_sums = work + ld * (wide + K + narrow + d + 3)


cdef void fill_ones(bint single, Py_ssize_t n, void* row) noexcept:
    cdef Py_ssize_t r
    for r in range(n):
        if single:
            (<float*>row)[r] = 1
        else:
            (<double*>row)[r] = 1


cdef const void* address(array) except NULL:
    return <const void*><Py_ssize_t>array.__array_interface__["data"][0]


cdef class Pass:
    """One pass over rows with one whitened mixture: which form, in which arithmetic, over which lanes.

    Parameters
    ----------
    log_offset : array of shape (K,)
    centres : array of shape (K, d)
    whiteners : flat array of what `layout` stores
    layout, moments : int
        Codes of the layouts of the whiteners and of the second moments to add up.
    origin, reach : array of shape (d,)
        Where the linear form stands, and max |x − origin| of the rows.
    single : bool
        Whether float32 arithmetic may do for the rows and their weights.
    hard, given, rows_only : bool
        Responsibility 1 for the likeliest component; responsibilities from the caller; no moments.
    common_scatter : bool
        Whether `collect` will be given the rows' scatter about `origin`, so that a tied mixture in
        the linear form need not look at squares.
    form : int
        −1 to choose by shape and conditioning; else bit 0 asks for the linear form, bit 1 for
        float32 arithmetic.
    """

    cdef Recipe recipe
    cdef object arrays
    cdef bint accumulate

    def __init__(
        self,
        const double[::1] log_offset,
        const double[:, ::1] centres,
        const double[::1] whiteners,
        Layout layout,
        Layout moments,
        const double[::1] origin,
        const double[::1] reach,
        bint single,
        bint hard=False,
        bint given=False,
        bint rows_only=False,
        bint common_scatter=False,
        int form=-1,
    ):
        cdef Recipe* recipe = &self.recipe
        cdef Py_ssize_t K = centres.shape[0], d = centres.shape[1]
        cdef double[::1] room
        recipe.n_components, recipe.n_features = K, d
        recipe.layout, recipe.moments = layout, layout if rows_only else moments
        recipe.hard, recipe.given, recipe.tiles = hard, given, tiles
        self.accumulate = not rows_only
        room = np.empty(room_for(layout, recipe.moments, K, d))
        prepare(recipe, &log_offset[0], &centres[0, 0], &whiteners[0], &origin[0], &reach[0], single,
                common_scatter, form, &room[0])
        self.arrays = (log_offset, whiteners, room)

    @property
    def kappa(self):
        """How far rows and centres lie from the origin, squared, in a component's own spreads."""
        return self.recipe.kappa

    @property
    def common_scatter(self):
        """Whether `collect` needs the rows' scatter about the origin."""
        return bool(self.recipe.common_scatter)

    @property
    def linear(self):
        """Whether the linear form was chosen."""
        return bool(self.recipe.linear)

    @property
    def single(self):
        """Whether the arithmetic is float32."""
        return bool(self.recipe.single)

    @property
    def lane_rows(self):
        """Rows in a lane."""
        return self.recipe.lane

    @property
    def work(self):
        """Multiply-adds per lane, roughly."""
        return work_of(&self.recipe, self.recipe.lane)

    @property
    def largest_product(self):
        """Multiply-adds of the largest single call of BLAS."""
        cdef Recipe* recipe = &self.recipe
        if recipe.tiles:
            return 0
        if recipe.linear:
            return recipe.block * recipe.n_components * recipe.n_moments
        return recipe.block * recipe.n_features * recipe.n_features

    def begin(self, Scratch scratch, Py_ssize_t n_rows):
        """Make a worker's scratch ready for this pass."""
        scratch.make_ready(&self.recipe, n_rows)

    def walk(
        self,
        Scratch scratch,
        const data[:, :] rows,
        Py_ssize_t first,
        Py_ssize_t last,
        const double[::1] weight=None,
        const double[:, ::1] given=None,
        Py_ssize_t[::1] label=None,
        double[::1] log_evidence=None,
        data[:, ::1] responsibility=None,
    ):
        """Add up lanes first … last − 1 of the rows in `scratch`, and write what is asked of every row."""
        cdef Rows shape
        cdef Recipe* recipe = &self.recipe
        cdef Bench* bench = &scratch.bench
        cdef bint accumulate = self.accumulate
        if rows.shape[1] != recipe.n_features:
            raise ValueError(f"expected rows of {recipe.n_features} features, got {rows.shape[1]}")
        shape.n = rows.shape[0]
        shape.row_stride = rows.strides[0] // <Py_ssize_t>sizeof(data)
        shape.column_stride = rows.strides[1] // <Py_ssize_t>sizeof(data)
        shape.weight = &weight[0] if weight is not None and accumulate else NULL
        shape.given = &given[0, 0] if given is not None else NULL
        shape.label = &label[0] if label is not None else NULL
        shape.log_evidence = &log_evidence[0] if log_evidence is not None else NULL
        shape.responsibility = &responsibility[0, 0] if responsibility is not None else NULL
        with nogil:
            if recipe.single:
                walk_lanes(recipe, &shape, &rows[0, 0], first, last, bench, <float*>bench.tile,
                           accumulate)
            else:
                walk_lanes(recipe, &shape, &rows[0, 0], first, last, bench, <double*>bench.tile,
                           accumulate)

    def collect(self, list scratches, scatter=None):
        """Merge the workers' sums, in the order of their lanes.

        Returns
        -------
        origins : array of shape (K, d)
        counts : array of shape (K,)
        first : array of shape (K, d)
        second : array in the shape of the moments' layout
        log_evidence, weight : float
        """
        cdef Recipe* recipe = &self.recipe
        cdef Scratch head = scratches[0], other
        cdef Bench* into = &head.bench
        cdef Py_ssize_t i, n_sums = recipe.n_sums
        for other in scratches[1:]:
            for i in range(other.bench.n_nodes):
                memcpy(into.node + into.n_nodes * n_sums, other.bench.node + i * n_sums,
                       n_sums * sizeof(double))
                into.level[into.n_nodes] = other.bench.level[i]
                into.first_lane[into.n_nodes] = other.bench.first_lane[i]
                into.n_nodes += 1
                merge_siblings(into, n_sums, False)
        merge_siblings(into, n_sums, True)
        counts, first, second = self.moments_of(into.node)
        log_evidence, weight = into.node[n_sums - 2], into.node[n_sums - 1]
        if recipe.common_scatter:
            second = scatter
            whitener = np.reshape(self.arrays[1], scatter.shape)
            log_evidence -= 0.5 * np.vdot(whitener, whitener @ scatter)
        return self.origins(), counts, first, second, log_evidence, weight

    cdef origins(self):
        """What was subtracted from the rows: the rounded centres, where those were."""
        cdef Recipe* recipe = &self.recipe
        cdef Py_ssize_t K = recipe.n_components, d = recipe.n_features, j, k
        cdef double[:, ::1] out = np.empty((K, d))
        for k in range(K):
            for j in range(d):
                out[k, j] = recipe.origin[j]
                if not recipe.linear:
                    out[k, j] += ((<float*>recipe.centres)[k * d + j] if recipe.single
                                  else (<double*>recipe.centres)[k * d + j])
        return np.asarray(out)

    cdef moments_of(self, const double* sums):
        cdef Recipe* recipe = &self.recipe
        cdef Py_ssize_t K = recipe.n_components, d = recipe.n_features
        cdef Py_ssize_t size = n_second(recipe.moments, K, d)
        counts, first, second = np.empty(K), np.empty((K, d)), np.empty(size)
        cdef double* n = <double*>address(counts)
        cdef double* x = <double*>address(first)
        cdef double* xx = <double*>address(second)
        if recipe.linear or recipe.moments == DIAGONAL or recipe.moments == SPHERICAL:
            unpack_linear(sums, recipe.moments, K, d, n, x, xx)
        else:
            unpack_linear(sums, TIED, K, d, n, x, NULL)
            memcpy(xx, sums + K * recipe.n_row, size * sizeof(double))
            mirror(recipe, xx)
        if recipe.moments == SPHERICAL:
            second /= d
        return counts, first, second


cdef void mirror(const Recipe* recipe, double* second) noexcept:
    cdef Py_ssize_t d = recipe.n_features, i, j, k
    for k in range(recipe.n_components if recipe.moments == FULL else 1):
        for i in range(d):
            for j in range(i):
                second[(k * d + j) * d + i] = second[(k * d + i) * d + j]


# -------------------------------------------------------------------------------- around the pass

def normalise_tile(real[:, ::1] tile):
    """Turn a tile of log ρ (K, n) into responsibilities, in place, and return log Σ_k ρ_k, (n,).

    For tests of the leaf arithmetic.
    """
    cdef Py_ssize_t K = tile.shape[0], n = tile.shape[1], group = pad(sizeof(real)), k, r
    cdef Py_ssize_t ld = (n + group - 1) // group * group
    cdef double[::1] buffer = np.zeros((K + 2) * ld + 8)
    cdef real* work = <real*>aligned(buffer)
    if n == 0 or K == 0:
        raise ValueError(f"expected a tile of at least one row and column, got shape {(K, n)}")
    for k in range(K):
        for r in range(n):
            work[k * ld + r] = tile[k, r]
    for r in range(n):
        work[K * ld + r] = 1
    normalise(tiles, work, ld, work + K * ld, work + (K + 1) * ld, K, ld)
    for k in range(K):
        for r in range(n):
            tile[k, r] = work[k * ld + r]
    return np.array(<real[:n]>(work + (K + 1) * ld))


def kernels():
    """The kernels that this machine can run, the slowest first: "blas", then _tile.h by instruction set."""
    return ["blas"] + [tile_names[level].decode() for level in range(tile_best() + 1)]


def kernel():
    """The name of the kernel in use."""
    return current


def use_kernel(str name):
    """Compute with the kernel called `name` from now on; `GMM_KERNEL` sets it for a process."""
    global tiles, tile_level, current
    known = kernels()
    if name not in known:
        raise ValueError(f"expected a kernel among {known} (GMM_KERNEL, use_kernel), got {name!r}")
    tiles = name != "blas"
    tile_level = max(known.index(name) - 1, 0)
    current = name


use_kernel(os.environ.get("GMM_KERNEL") or kernels().pop())


def whiten_dense(const double[:, :, ::1] covariances):
    """Inverse Cholesky factors W of (m, d, d) covariances, Σ⁻¹ = WᵀW.

    Returns
    -------
    whiteners : array of shape (m, d, d), lower triangular
    log_determinants : array of shape (m,), log|W|
    failed : int
        The first matrix that is not positive definite, −1 when there is none.
    """
    cdef Py_ssize_t m = covariances.shape[0], d = covariances.shape[1], i, j, k
    whiteners = np.array(covariances, order="C")
    log_determinants = np.zeros(m)
    cdef double[:, :, ::1] W = whiteners
    cdef double[::1] log_det = log_determinants
    cdef Py_ssize_t failed = -1
    with nogil:
        for k in range(m):
            if not invert_cholesky(&W[k, 0, 0], d):
                failed = k
                break
            for i in range(d):
                log_det[k] += log(W[k, i, i])
                for j in range(i + 1, d):
                    W[k, i, j] = 0
            if not isfinite(log_det[k]):
                failed = k
                break
    return whiteners, log_determinants, failed


def survey(const data[:, :] rows, const double[::1] weight=None):
    """What the first look at the rows tells.

    Returns
    -------
    row, column : int
        The first value that is not finite; −1 when there is none.
    total : float
        Σ w.
    centre, low, high : array of shape (d,)
        The weighted mean, and each feature's least and greatest value.
    """
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], i, j
    cdef Py_ssize_t bad_row = -1, bad_column = -1
    cdef double x, w, total = 0
    first_row = np.asarray(rows[0]).astype(np.float64)
    centre, low, high = np.zeros(d), first_row.copy(), first_row.copy()
    cdef double[::1] origin = first_row, c = centre, lo = low, hi = high
    with nogil:
        for i in range(n):
            w = weight[i] if weight is not None else 1.0
            total += w
            for j in range(d):
                x = rows[i, j]
                if not isfinite(x):
                    bad_row, bad_column = i, j
                    break
                c[j] += w * (x - origin[j])
                lo[j] = x if x < lo[j] else lo[j]
                hi[j] = x if x > hi[j] else hi[j]
            if bad_row >= 0:
                break
    if bad_row < 0:
        for j in range(d):
            c[j] = origin[j] + c[j] / total
    return bad_row, bad_column, total, centre, low, high


def distinct_rows(const double[:, ::1] rows, const double[::1] weight=None):
    """The set of rows, ordered by value, each once.

    Returns
    -------
    distinct : array of shape (m, d)
    mass : array of shape (m,)
        The sum of the weights of each, or how often it came.
    """
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], m
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


def kmeans_seeds(
    const double[:, ::1] rows, const double[::1] weight, const double[::1] uniforms,
    Py_ssize_t n_seeds, Py_ssize_t n_draws,
):
    """Indices of the rows (n, d) that seed k-means, (n_seeds,): see `_seeding.pxd`.

    `uniforms` are 1 + (n_seeds − 1) n_draws numbers in [0, 1): one for the first seed, `n_draws` for every other.
    """
    cdef Seeding seeding
    seeding.n, seeding.d, seeding.n_draws, seeding.tiles = rows.shape[0], rows.shape[1], n_draws, tiles
    if uniforms.shape[0] != 1 + (n_seeds - 1) * n_draws or weight.shape[0] != seeding.n:
        raise ValueError(f"expected {1 + (n_seeds - 1) * n_draws} uniforms and {seeding.n} weights, "
                         f"got {uniforms.shape[0]} and {weight.shape[0]}")
    cdef double[::1] room = np.zeros(room_for_seeding(&seeding) + 8)
    seeds = np.empty(n_seeds + n_draws, dtype=np.intp)
    cdef Py_ssize_t[::1] out = seeds
    cdef double* start = aligned(room)
    cdef Py_ssize_t i
    with nogil:
        lay_out_seeding(&seeding, &rows[0, 0], &weight[0], start)
        out[0] = first_seed(&seeding, uniforms[0])
    for i in range(1, n_seeds):
        PyErr_CheckSignals()
        with nogil:
            out[i] = next_seed(&seeding, &uniforms[1 + (i - 1) * n_draws], &out[n_seeds])
    return seeds[:n_seeds]


def reach(const double[::1] low, const double[::1] high, const double[::1] origin):
    """Each feature's greatest distance from `origin`, (d,)."""
    cdef Py_ssize_t d = origin.shape[0], j
    out = np.empty(d)
    cdef double[::1] distance = out
    for j in range(d):
        distance[j] = max(high[j] - origin[j], origin[j] - low[j])
    return out
