"""The pass over rows, from a whitened mixture to sums or to numbers for every row.

A pass reads rows and a whitened mixture, log ρ_ik = log_offset_k − ½‖W_k (x_i − c_k)‖², and adds up
the moments of the responsibilities r_ik = ρ_ik / Σ_k ρ_ik.  Rows are taken in blocks that fit the
cache, feature by feature, so that every vector loop runs along rows (`_block.pxd`):

    load ▸ log density (a components × rows tile) ▸ normalise ▸ write rows out ▸ accumulate

Two forms compute the density and the moments of a block; `Pass.choose_form` chooses:

* linear: one product over [1, x, squares and products of x] about the data's centre, for all
  components at once (`_linear.pxd`);
* centred: z = x − c_k and ‖W_k z‖², one component at a time, exact however far or thin it is.

A lane is a fixed number of blocks.  Lanes are summed in order and merged two by two like the digits
of a binary counter, so the sums are the same bit for bit for every number of threads
(`_lanes.pxd`).  Here is what Python sees: the choice, the workers' scratch, and the results.
"""
from libc.math cimport isfinite, log
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from gmm._blas cimport invert_cholesky, real
from gmm._block cimport DIAGONAL, FULL, SPHERICAL, TIED, Layout, data
from gmm._lanes cimport Bench, Recipe, Rows, merge_siblings, normalise, walk_lanes
from gmm._linear cimport condition, linear_coefficients, n_second, n_terms, unpack_linear

import os

import numpy as np

cdef extern from "_tile.h":
    int tile_level
    int tile_best()
    const char* const tile_names[]

# Where the forms change over, measured: see ARCHITECTURE.md, "The kernel".
cdef enum:
    WIDEST_LINEAR = 24        # features of a full covariance in the linear form
    SMALL_PRODUCT = 1000000   # multiply-adds up to which BLAS leaves its operands unpacked
    LANE_ROWS = 2048
    LANE_WORK = 2000000000    # multiply-adds, some tenths of a second
cdef double LINEAR_DOUBLE = 5e4    # condition κ up to which the linear form is exact to 1e-11
cdef double LINEAR_SINGLE = 1e3
cdef double CENTRED_SINGLE = 1e4
cdef double SINGLE_RANGE = 1e12    # magnitudes whose squares, whitened, stay inside float32

cdef bint leaves = True     # see use_kernel
cdef str current


cdef Py_ssize_t block_rows(Py_ssize_t K, Py_ssize_t terms, Py_ssize_t d, bint linear) noexcept nogil:
    """Rows that keep a block's products small; never a multiple of 128, which would alias in the cache."""
    cdef Py_ssize_t rows = SMALL_PRODUCT // (K * terms if linear else d * d)
    rows = min(max(rows, 96), 352 if linear else 160) // 32 * 32
    return rows - 32 if rows % 128 == 0 else rows


cdef class Scratch:
    """One worker's buffers, kept between passes of the same fit."""

    cdef Bench bench
    cdef object buffers
    cdef Py_ssize_t n_items, n_sums, n_slots

    def __cinit__(self):
        self.n_items = self.n_sums = self.n_slots = 0

    cdef prepare(self, const Recipe* recipe, Py_ssize_t n_lanes):
        cdef Py_ssize_t K = recipe.n_components, d = recipe.n_features, ld = recipe.block
        cdef Py_ssize_t wide = recipe.n_moments if recipe.linear else d
        cdef Py_ssize_t sums = max(recipe.n_moments * K, d * d)
        cdef Py_ssize_t slots = 2, items
        cdef double[::1] work, nodes
        cdef Py_ssize_t[:, ::1] marks
        while (<Py_ssize_t>1 << (slots // 2)) < n_lanes + 1:
            slots += 2
        items = ld * (wide + K + 2 * d + 2) + sums
        if items > self.n_items or recipe.n_sums != self.n_sums or slots + 1 > self.n_slots:
            work = np.zeros(items)
            nodes = np.empty((slots + 1) * recipe.n_sums)
            marks = np.zeros((2, slots + 1), dtype=np.intp)
            self.buffers = (work, nodes, marks)
            self.n_items, self.n_sums, self.n_slots = items, recipe.n_sums, slots + 1
        work, nodes, marks = self.buffers
        self.bench.block = &work[0]
        self.bench.tile = &work[ld * wide]
        self.bench.centred = &work[ld * (wide + K)]
        self.bench.product = &work[ld * (wide + K + d)]
        self.bench.evidence = &work[ld * (wide + K + 2 * d)]
        self.bench.total = &work[ld * (wide + K + 2 * d + 1)]
        self.bench.block_sums = &work[ld * (wide + K + 2 * d + 2)]
        self.bench.node = &nodes[0]
        self.bench.level = &marks[0, 0]
        self.bench.first_lane = &marks[1, 0]
        self.bench.n_nodes = 0
        if recipe.linear:
            fill_ones(recipe, self.bench.block)


cdef void fill_ones(const Recipe* recipe, void* block) noexcept:
    cdef Py_ssize_t r
    for r in range(recipe.block):
        if recipe.single:
            (<float*>block)[r] = 1
        else:
            (<double*>block)[r] = 1


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
    cdef readonly double kappa
    cdef bint accumulate
    cdef readonly bint common_scatter

    def __init__(
        self,
        log_offset,
        centres,
        whiteners,
        Layout layout,
        Layout moments,
        origin,
        const double[::1] reach,
        bint single,
        bint hard=False,
        bint given=False,
        bint rows_only=False,
        bint common_scatter=False,
        int form=-1,
    ):
        cdef Recipe* recipe = &self.recipe
        cdef const double[:, ::1] c = centres
        cdef const double[::1] W = whiteners, o = origin
        cdef Py_ssize_t K = c.shape[0], d = c.shape[1]
        recipe.n_components, recipe.n_features = K, d
        recipe.layout, recipe.moments = layout, layout if rows_only else moments
        recipe.hard, recipe.given, recipe.leaves = hard, given, leaves
        self.accumulate = not rows_only
        self.kappa = condition(&W[0], &c[0, 0], layout, K, d, &o[0], &reach[0])
        self.choose_form(single, reach, form)
        self.common_scatter = recipe.linear and layout == TIED and common_scatter
        recipe.common_quadratic = recipe.linear and layout == TIED and not common_scatter
        self.measure()
        self.keep(log_offset, centres, whiteners, origin)

    cdef choose_form(self, bint single, const double[::1] reach, int form):
        """The one place that chooses how a block is computed."""
        cdef Recipe* recipe = &self.recipe
        cdef Py_ssize_t j, d = recipe.n_features
        cdef bint fits = recipe.layout == recipe.moments or recipe.layout == TIED
        if recipe.moments == FULL and d > WIDEST_LINEAR:
            fits = False
        recipe.linear = fits and not recipe.given and self.kappa < LINEAR_DOUBLE
        if form >= 0:
            recipe.linear = form & 1
            recipe.single = single and form & 2
            return
        recipe.single = single and self.kappa < (LINEAR_SINGLE if recipe.linear else CENTRED_SINGLE)
        for j in range(d):
            recipe.single = recipe.single and 1 / SINGLE_RANGE < reach[j] < SINGLE_RANGE

    cdef measure(self):
        """The sizes that follow from the form."""
        cdef Recipe* recipe = &self.recipe
        cdef Py_ssize_t K = recipe.n_components, d = recipe.n_features
        recipe.n_density = n_terms(recipe.layout, d)
        recipe.n_moments = n_terms(recipe.moments, d)
        recipe.block = block_rows(K, recipe.n_moments, d, recipe.linear)
        # Ctrl-C is looked for between lanes: a lane of very large blocks has fewer of them.
        recipe.lane = recipe.block
        while recipe.lane + recipe.block <= LANE_ROWS and self.work < LANE_WORK:
            recipe.lane += recipe.block
        if recipe.linear:
            recipe.n_sums = K * recipe.n_moments + 2
        else:
            recipe.n_sums = K * (1 + d) + n_second(recipe.moments, K, d) + 2

    cdef keep(self, log_offset, centres, whiteners, origin):
        """Hold the arrays that the recipe points into, in the arithmetic's type."""
        cdef Recipe* recipe = &self.recipe
        # Rows far from the origin lose digits on loading, which the centred form would need.
        stand = origin if recipe.linear or recipe.single else np.zeros(recipe.n_features)
        coefficients = self.coefficients(log_offset, centres, whiteners, origin) if recipe.linear else whiteners
        steps, common = centres - stand, whiteners
        if recipe.single:
            steps, common = steps.astype(np.float32), whiteners.astype(np.float32)
            coefficients = coefficients.astype(np.float32)
        recipe.log_offset, recipe.origin = <const double*>address(log_offset), <const double*>address(stand)
        recipe.centres = address(steps)
        recipe.coefficients, recipe.common = address(coefficients), address(common)
        self.arrays = (log_offset, stand, steps, coefficients, common)

    cdef coefficients(self, const double[::1] log_offset, const double[:, ::1] centres,
                      const double[::1] whiteners, const double[::1] origin):
        cdef Recipe* recipe = &self.recipe
        cdef Py_ssize_t K = recipe.n_components, d = recipe.n_features
        theta = np.zeros((K, recipe.n_moments))
        cdef double[:, ::1] out = theta
        cdef double* precision = <double*>malloc(d * d * sizeof(double))
        if precision == NULL:
            raise MemoryError
        linear_coefficients(&log_offset[0], &centres[0, 0], &whiteners[0], recipe.layout, &origin[0],
                            K, d, recipe.n_moments, precision, &out[0, 0])
        free(precision)
        return theta

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
        cdef Recipe* recipe = &self.recipe
        terms = recipe.n_moments if recipe.linear else recipe.n_features * recipe.n_features
        return recipe.lane * recipe.n_components * (2 * terms + 20)

    @property
    def largest_product(self):
        """Multiply-adds of the largest single call of BLAS."""
        cdef Recipe* recipe = &self.recipe
        if recipe.linear:
            return recipe.block * recipe.n_components * recipe.n_moments
        return recipe.block * recipe.n_features * recipe.n_features

    def begin(self, Scratch scratch, Py_ssize_t n_rows):
        """Make a worker's scratch ready for this pass."""
        scratch.prepare(&self.recipe, (n_rows + self.recipe.lane - 1) // self.recipe.lane)

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
        shape.weight = &weight[0] if weight is not None else NULL
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
        _, stand, steps, _, whitener = self.arrays
        if self.common_scatter:
            second = scatter
            whitener = np.asarray(whitener, dtype=np.float64).reshape(scatter.shape)
            log_evidence -= 0.5 * np.vdot(whitener, whitener @ scatter)
        # About the rounded centres, where those were the ones that were subtracted.
        origins = np.zeros_like(first) if recipe.linear else steps
        origins = stand + origins
        return origins, counts, first, second, log_evidence, weight

    cdef moments_of(self, const double* sums):
        cdef Recipe* recipe = &self.recipe
        cdef Py_ssize_t K = recipe.n_components, d = recipe.n_features
        cdef Py_ssize_t size = n_second(recipe.moments, K, d)
        counts, first, second = np.empty(K), np.empty((K, d)), np.empty(size)
        cdef double* n = <double*>address(counts)
        cdef double* x = <double*>address(first)
        cdef double* xx = <double*>address(second)
        if recipe.linear:
            unpack_linear(sums, recipe.moments, K, d, n, x, xx)
        else:
            memcpy(n, sums, K * sizeof(double))
            memcpy(x, sums + K, K * d * sizeof(double))
            memcpy(xx, sums + K * (1 + d), size * sizeof(double))
            mirror(recipe, xx)
        if recipe.moments == SPHERICAL:
            second /= d
        return counts, first, second


cdef void mirror(const Recipe* recipe, double* second) noexcept:
    cdef Py_ssize_t d = recipe.n_features, i, j, k
    if recipe.moments == DIAGONAL or recipe.moments == SPHERICAL:
        return
    for k in range(recipe.n_components if recipe.moments == FULL else 1):
        for i in range(d):
            for j in range(i):
                second[(k * d + j) * d + i] = second[(k * d + i) * d + j]


# -------------------------------------------------------------------------------- around the pass

def normalise_tile(real[:, ::1] tile):
    """Turn a tile of log ρ (K, n) into responsibilities, in place, and return log Σ_k ρ_k, (n,).

    Up to 4096 columns; for tests of the leaf arithmetic.
    """
    cdef Py_ssize_t K = tile.shape[0], n = tile.shape[1]
    cdef real[4096] log_evidence, total
    if not 0 < n <= 4096 or K == 0:
        raise ValueError(f"expected a tile of 1 to 4096 columns, got shape {(K, n)}")
    with nogil:
        normalise(leaves, &tile[0, 0], K, n, n, log_evidence, total)
    return np.array(<real[:n]>log_evidence)


def kernels():
    """The kernels that this machine can run, the slowest first: "blas", then _tile.h by instruction set."""
    return ["blas"] + [tile_names[level].decode() for level in range(tile_best() + 1)]


def kernel():
    """The name of the kernel in use."""
    return current


def use_kernel(str name):
    """Compute with the kernel called `name` from now on; `GMM_KERNEL` sets it for a process."""
    global leaves, tile_level, current
    known = kernels()
    if name not in known:
        raise ValueError(f"expected a kernel among {known} (GMM_KERNEL, use_kernel), got {name!r}")
    leaves = name != "blas"
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
