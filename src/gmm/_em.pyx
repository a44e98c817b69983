"""The pass over rows, from a whitened mixture to sums or to numbers for every row.

A pass reads rows and a whitened mixture, log ρ_ik = log_offset_k − ½‖W_k (x_i − c_k)‖², and adds up the moments of the
responsibilities r_ik = ρ_ik / Σ_k ρ_ik.  Rows are taken in blocks that fit the cache, feature by feature, so that every
vector runs along rows (`_lanes.one_block`):

    load ▸ log density (a components × rows tile) ▸ normalise ▸ accumulate, or write the rows out

Two forms compute the density and the moments of a block, a linear and a centred one: `_plan.pxd` chooses.

A lane is a fixed number of blocks.  Lanes are summed in order and merged two by two like the digits of a binary
counter, so the sums are the same bit for bit for every number of threads (`_lanes.pxd`).  A pass that is not worth
threads goes on to the next by itself (`_climb.pxd`), with the same parameter update between the two (`_update.pxd`).
Here is what Python sees: the workers' scratch, the pass and its results; `_mstep.pyx` has what is done between passes.
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport isfinite
from libc.string cimport memcpy

from gmm._blas cimport real
from gmm._block cimport data, look_at
from gmm._climb cimport Course, Partition, ascend, climb, lloyd, walk
from gmm._lanes cimport Bench, Rows, fill_ones, lay_out_bench, merge_siblings
from gmm._leaves cimport normalise, pad
from gmm._lengths cimport expect, expect_matrix
from gmm._linear cimport SPHERICAL, Layout, is_layout, n_second
from gmm._moments cimport Moments, moments_in, moments_size, take_apart
from gmm._mstep cimport Ascent, MixtureFamily, estimate_arrays, moments_arrays
from gmm._plan cimport Recipe, n_shape, prepare, room_for, same_room, work_of
from gmm._seeding cimport Item, Seeding, first_seed, next_seed
from gmm._seeding cimport lay_out_seeding, merge_equal, room_for_seeding, sorted_items
from gmm._shape cimport shape_rows
from gmm._update cimport Estimate, estimate_in, estimate_size, room_for_update
from gmm._whitener cimport n_matrices

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
    cdef Recipe recipe                    # what the bench is laid out for, …
    cdef Py_ssize_t n_rows                # … and how many rows: none before `Pass.begin`
    cdef Py_ssize_t next_lane             # behind those that the sums are of
    cdef object buffers
    cdef Py_ssize_t n_items, n_sums, n_slots

    cdef make_ready(self, const Recipe* recipe, Py_ssize_t n_rows):
        cdef Py_ssize_t K = recipe.n_components, d = recipe.n_features
        cdef Py_ssize_t item = sizeof(float) if recipe.single else sizeof(double)
        cdef Py_ssize_t groups = min(recipe.block, n_rows + pad(item) - 1) // pad(item)
        cdef Py_ssize_t ld = (groups | 1) * pad(item)
        cdef Py_ssize_t wide = recipe.n_moments if recipe.linear else d
        cdef Py_ssize_t narrow = 0 if recipe.linear else recipe.n_row
        cdef Py_ssize_t n_lanes = (n_rows + recipe.lane - 1) // recipe.lane
        cdef Py_ssize_t slots = 2, items
        cdef double[::1] work, nodes
        cdef Py_ssize_t[:, ::1] marks
        while (<Py_ssize_t>1 << (slots // 2)) < n_lanes + 1:
            slots += 2
        items = ld * (wide + K + narrow + d + 4 + shape_rows(recipe)) + 8
        items += max(recipe.n_moments * K, n_second(recipe.moments, 1, d))
        if items > self.n_items or recipe.n_sums != self.n_sums or slots + 1 > self.n_slots:
            work = np.zeros(items)
            nodes = np.empty((slots + 1) * recipe.n_sums)
            marks = np.zeros((2, slots + 1), dtype=np.intp)
            self.buffers = (work, nodes, marks)
            self.n_items, self.n_sums, self.n_slots = items, recipe.n_sums, slots + 1
        work, nodes, marks = self.buffers
        lay_out_bench(&self.bench, aligned(work), ld, wide, K, narrow, d, shape_rows(recipe))
        self.bench.node = &nodes[0]
        self.bench.level = &marks[0, 0]
        self.bench.first_lane = &marks[1, 0]
        self.bench.n_nodes = 0
        fill_ones(recipe.single, ld, self.bench.block if recipe.linear else self.bench.centred)
        self.bench.n_ones = -1
        self.recipe, self.n_rows, self.next_lane = recipe[0], n_rows, 0


cdef Rows shape_of(const Recipe* recipe, const data[:, :] rows, const double[::1] weight) except *:
    if rows.shape[1] != recipe.n_features:
        raise ValueError(f"expected rows of {recipe.n_features} features, got {rows.shape[1]}")
    return layout_of(rows, weight)


cdef Rows layout_of(const data[:, :] rows, const double[::1] weight) except *:
    cdef Rows shape
    if weight is not None:
        expect("weight", weight.shape[0], rows.shape[0])
    if rows.strides[0] % <Py_ssize_t>sizeof(data) or rows.strides[1] % <Py_ssize_t>sizeof(data):
        raise ValueError(f"expected strides of whole items, got {rows.strides[0]} and {rows.strides[1]} bytes")
    shape.n = rows.shape[0]
    shape.row_stride = rows.strides[0] // <Py_ssize_t>sizeof(data)
    shape.column_stride = rows.strides[1] // <Py_ssize_t>sizeof(data)
    shape.weight = &weight[0] if weight is not None else NULL
    shape.given, shape.label, shape.log_evidence, shape.responsibility = NULL, NULL, NULL, NULL
    return shape


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
    axes : flat array in the layout of the whiteners, optional
        Measure the components' shapes along these: see `_shape.pxd`, and `shapes`. Not with `single`.
    """

    cdef Recipe recipe
    cdef const double[::1] log_offset, whiteners, origin, reach, axes
    cdef double[::1] room
    cdef bint accumulate, may_be_single, spent
    cdef int form

    def __cinit__(
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
        const double[::1] axes=None,
    ):
        cdef Recipe* recipe = &self.recipe
        cdef Py_ssize_t K = centres.shape[0], d = centres.shape[1]
        if K < 1 or d < 1 or not is_layout(layout) or not is_layout(moments):
            raise ValueError(f"expected centres (K, d) and layouts from 0 to 3, got {(K, d)}, {layout} and {moments}")
        if given and (hard or rows_only):
            raise ValueError("expected responsibilities to be given for moments alone, not for labels or rows")
        expect("log_offset", log_offset.shape[0], K)
        expect("whiteners", whiteners.shape[0], n_second(layout, K, d))
        expect("origin", origin.shape[0], d)
        expect("reach", reach.shape[0], d)
        recipe.n_components, recipe.n_features = K, d
        recipe.layout, recipe.moments = layout, layout if rows_only else moments
        recipe.hard, recipe.given, recipe.tiles = hard, given, tiles
        self.accumulate = not rows_only
        self.log_offset, self.whiteners, self.origin, self.reach = log_offset, whiteners, origin, reach
        self.may_be_single, self.form, self.axes = single, form, axes
        if axes is not None:
            if axes.shape[0] != whiteners.shape[0] or single or given or rows_only:
                raise ValueError("expected axes in the layout of the whiteners, and a pass in float64 over densities")
            recipe.axes = &axes[0]
        self.room = np.empty(room_for(layout, recipe.moments, K, d))
        prepare(recipe, &log_offset[0], &centres[0, 0], &whiteners[0], &origin[0], &reach[0], single,
                common_scatter, form, &self.room[0])

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
            return recipe.n_features ** 3 if recipe.common_scatter else 0
        if recipe.linear:
            return recipe.block * max(recipe.n_components * recipe.n_moments,
                                      recipe.n_features ** 2 if recipe.axes != NULL else 0)
        return recipe.block * recipe.n_features * recipe.n_features

    def begin(self, Scratch scratch not None, Py_ssize_t n_rows):
        """Make a worker's scratch ready for this pass."""
        if n_rows < 1:
            raise ValueError(f"expected one row at least, got n_rows={n_rows}")
        scratch.make_ready(&self.recipe, n_rows)

    def walk(
        self,
        Scratch scratch not None,
        const data[:, :] rows,
        Py_ssize_t first,
        Py_ssize_t last,
        const double[::1] weight=None,
        const double[:, ::1] given=None,
        Py_ssize_t[::1] label=None,
        double[::1] log_evidence=None,
        data[:, ::1] responsibility=None,
    ):
        """Add up lanes first … last − 1 of the rows in `scratch`, and write what is asked of every row.

        They follow those that the scratch has walked before.
        """
        cdef Rows shape = shape_of(&self.recipe, rows, weight)
        cdef Py_ssize_t n = shape.n, K = self.recipe.n_components
        if not self.accumulate:
            shape.weight = NULL
        if self.recipe.given:
            expect_matrix("given", given, n, K)
            shape.given = &given[0, 0]
        if label is not None:
            expect("label", label.shape[0], n)
            shape.label = &label[0]
        if log_evidence is not None:
            expect("log_evidence", log_evidence.shape[0], n)
            shape.log_evidence = &log_evidence[0]
        if responsibility is not None:
            expect("responsibility", responsibility.shape[0], n)
            expect("a row of responsibility", responsibility.shape[1], K)
            shape.responsibility = &responsibility[0, 0]
        self.check_ready(scratch, n)
        if not 0 <= first <= last <= self.n_lanes(n) or (scratch.bench.n_nodes > 0 and first != scratch.next_lane):
            raise ValueError(f"expected lanes from {scratch.next_lane} on, {self.n_lanes(n)} in all, "
                             f"got {first} to {last}")
        with nogil:
            walk(&self.recipe, &shape, &rows[0, 0], first, last, &scratch.bench, self.accumulate)
        scratch.next_lane = last

    cdef Py_ssize_t n_lanes(self, Py_ssize_t n_rows) noexcept:
        return (n_rows + self.recipe.lane - 1) // self.recipe.lane

    cdef int check_ready(self, Scratch scratch, Py_ssize_t n_rows) except -1:
        if self.spent:
            raise ValueError("a pass that went on to others is spent: make a new one")
        if scratch.n_rows != n_rows or not same_room(&scratch.recipe, &self.recipe):
            raise ValueError(f"expected a scratch that `begin` has made ready for this pass and {n_rows} rows")
        return 0

    cdef const double* checked_scatter(self, const double[:, ::1] scatter) except? NULL:
        if scatter is None and not self.recipe.common_scatter:
            return NULL
        expect_matrix("scatter", scatter, self.recipe.n_features, self.recipe.n_features)
        return &scatter[0, 0]

    def collect(self, list scratches, const double[:, ::1] scatter=None):
        """Merge the workers' sums, in the order of their lanes.

        Returns
        -------
        origins : array of shape (K, d)
        counts : array of shape (K,)
        first : array of shape (K, d)
        second : flat array of what the moments' layout stores
        log_evidence, weight : float
        """
        cdef const double* common = self.checked_scatter(scatter)
        cdef Bench* bench = self.merge(scratches)
        cdef Moments moments
        buffer = self.moments_buffer(&moments)
        take_apart(&self.recipe, bench.node, &self.whiteners[0], common, &moments)
        return moments_arrays(buffer, self.recipe.n_components, self.recipe.n_features, &moments)

    def shapes(self, list scratches):
        """What `_shape.pxd` measured, once `collect` has merged the workers' sums: (K,) and (K, 3, d)."""
        cdef Bench* bench = self.merge(scratches[:1])
        cdef Py_ssize_t K = self.recipe.n_components, n = n_shape(&self.recipe)
        sums = np.empty(n)
        cdef double[::1] into = sums
        if n > 0:
            memcpy(&into[0], bench.node + self.recipe.n_sums - 2 - n, n * sizeof(double))
        return sums[:K], sums[K:].reshape(K, -1, self.recipe.n_features)

    cdef Estimate measured(
        self, MixtureFamily family, const double[:, ::1] means, const double[::1] covariances,
        const double[::1] log_determinants,
    ):
        """The pass's own mixture, as an update would have estimated it; nothing is to be written into it."""
        cdef Py_ssize_t K = self.recipe.n_components, d = self.recipe.n_features
        cdef Layout layout = self.recipe.moments
        cdef Estimate mixture
        if self.recipe.layout != layout or not family.takes(layout, K, d):
            raise ValueError("an update needs second moments in the layout and shape of its family's covariances")
        expect_matrix("means", means, K, d)
        expect("covariances", covariances.shape[0], n_second(layout, K, d))
        expect("log_determinants", log_determinants.shape[0], n_matrices(layout, K))
        mixture.means, mixture.covariances = <double*>&means[0, 0], <double*>&covariances[0]
        mixture.whiteners, mixture.log_determinants = <double*>&self.whiteners[0], <double*>&log_determinants[0]
        return mixture

    def climb(
        self,
        list scratches,
        const data[:, :] rows,
        const double[::1] weight,
        const double[:, ::1] scatter,
        Py_ssize_t at_most,
        MixtureFamily family not None,
        const double[:, ::1] means,
        const double[::1] covariances,
        const double[::1] log_determinants,
        double before,
        double tolerance,
        bint refills,
    ):
        """Merge the workers' sums, and go on alone: update the parameters, walk all rows, until this calls for Python.

        That is after `at_most` passes, when one changed the mean log evidence by less than `tolerance`, where an update
        fails or asks for another form; with `refills`, also before an update in which a component has lost its rows.
        This pass is spent then: it has become the last one.

        Parameters
        ----------
        scratches : list of Scratch
            Which have walked all rows; only one, if `at_most` is more than 1.
        rows, weight, scatter : array
            As `walk` and `collect` take them.
        at_most : int
        family : MixtureFamily
            Of the mixtures that updates choose among.
        means, covariances, log_determinants : array, the second one flat
            Of this pass's mixture, and of its whiteners.
        before : float
            The mean log evidence of the pass before this one, NaN if there is none.
        tolerance : float
        refills : bool

        Returns
        -------
        bounds : list of float
            The mean log evidence of each pass, a prior's log density counted in.
        moments : tuple
            Of the last pass, as `collect` returns them.
        estimate : tuple or None
            What the last pass measured, as `Update` returns it; None where that is still the mixture given.
        """
        cdef Recipe* recipe = &self.recipe
        cdef Py_ssize_t K = recipe.n_components, d = recipe.n_features, n, size
        cdef Estimate begin = self.measured(family, means, covariances, log_determinants)
        cdef Course course = self.course(shape_of(recipe, rows, weight), scatter, at_most)
        cdef Bench* bench = self.merge(scratches, course.rows.n)
        cdef Moments moments
        cdef Estimate[2] estimates
        cdef double[::1] measured = np.empty(at_most), both, scratch = np.empty(room_for_update(&family.family))
        cdef double* room = &self.room[0]
        self.spent = True
        buffer = self.moments_buffer(&moments)
        size = estimate_size(recipe.moments, K, d)
        found = np.empty((2, size))
        both = found.reshape(-1)
        estimates[0] = estimate_in(&both[0], recipe.moments, K, d)
        estimates[1] = estimate_in(&both[0] + size, recipe.moments, K, d)
        with nogil:
            n = climb(recipe, &course, &rows[0, 0], room, &family.family, &begin, before, tolerance, refills,
                      &scratch[0], bench, &moments, estimates, &measured[0])
        estimate = estimate_arrays(found[(n - 1) % 2].copy(), recipe.moments, K, d) if n > 1 else None
        return np.asarray(measured[:n]).tolist(), moments_arrays(buffer, K, d, &moments), estimate

    def ascend(
        self,
        list scratches,
        const data[:, :] rows,
        const double[::1] weight,
        const double[:, ::1] scatter,
        Py_ssize_t at_most,
        Ascent ascent not None,
        bint refills,
    ):
        """Merge the workers' sums, let `ascent` judge them and choose the next mixture, and go on alone.

        That is until `ascent` has converged or needs help, for `at_most` passes, or until the next mixture asks for
        another form; with `refills`, also before an update in which a component has lost its rows. This pass is spent
        then. It must have been made of the mixture that `ascent` says is next.

        Parameters
        ----------
        scratches, rows, weight, scatter, at_most, refills
            As `climb` takes them.
        ascent : Ascent

        Returns
        -------
        passes : list of tuple
            Of each: the mean log-likelihood's lower bound, the objective, the projected remaining gain (nats per unit
            weight) and whether it was accepted; the first three are those of the accepted pass before where not.
        """
        cdef Recipe* recipe = &self.recipe
        cdef Py_ssize_t n, i
        cdef Course course = self.course(shape_of(recipe, rows, weight), scatter, at_most)
        cdef Bench* bench = self.merge(scratches, course.rows.n)
        cdef Moments moments
        cdef double[:, ::1] told = np.empty((at_most, 4))
        cdef double* room = &self.room[0]
        if not ascent.fits(recipe.moments, recipe.n_components, recipe.n_features) or recipe.layout != recipe.moments:
            raise ValueError("an ascent needs moments and whiteners in its own layout and shape")
        self.spent = True
        _alive = self.moments_buffer(&moments)
        with nogil:
            n = ascend(recipe, &course, &rows[0, 0], room, refills, bench, &moments, &ascent.state, &told[0, 0])
        return [(told[i, 0], told[i, 1], told[i, 2], told[i, 3] > 0) for i in range(n)]

    def lloyd(
        self,
        list scratches,
        const data[:, :] rows,
        const double[::1] weight,
        Py_ssize_t at_most,
        const double[:, ::1] centres,
        double spread,
        double inertia,
        double total,
        double least_gain,
    ):
        """Merge the workers' sums, move the centres to their rows' means, and go on alone, as `climb` does.

        Parameters
        ----------
        scratches, rows, weight, at_most
            As `climb` takes them.
        centres : array of shape (K, d)
        spread, inertia : float
            Of the rows about their centres, as the pass before told them.
        total : float
            The inertia about one centre for all.
        least_gain : float
            What a pass has to gain, as a share of `total` less the inertia.

        Returns
        -------
        passes : int
        ended : bool
            Whether the last one gained too little.
        centres, spread, inertia
            After the last one.
        """
        cdef Recipe* recipe = &self.recipe
        cdef Py_ssize_t K = recipe.n_components, n
        cdef Course course = self.course(shape_of(recipe, rows, weight), None, at_most)
        cdef Bench* bench = self.merge(scratches, course.rows.n)
        cdef Moments moments
        cdef Partition partition
        cdef bint ended
        cdef double[::1] log_offset = np.zeros(K), whiteners = np.empty(K)
        cdef double* room = &self.room[0]
        if recipe.layout != SPHERICAL:
            raise ValueError("k-means needs a pass with spherical whiteners")
        expect_matrix("centres", centres, K, recipe.n_features)
        moved = np.array(centres)
        cdef double[:, ::1] into = moved
        self.spent = True
        partition.centres, partition.spread, partition.inertia = &into[0, 0], spread, inertia
        partition.total = total
        _alive = self.moments_buffer(&moments)
        with nogil:
            n = lloyd(recipe, &course, &rows[0, 0], room, least_gain, bench, &moments, &log_offset[0], &whiteners[0],
                      &partition, &ended)
        return n, bool(ended), moved, partition.spread, partition.inertia

    cdef Course course(self, Rows rows, const double[:, ::1] scatter, Py_ssize_t at_most) except *:
        cdef Course course
        if at_most < 1:
            raise ValueError(f"expected one pass at least, got at_most={at_most}")
        if self.recipe.given:
            raise ValueError("a pass whose responsibilities are given goes on to no other")
        course.rows = rows
        course.origin, course.reach, course.scatter = &self.origin[0], &self.reach[0], self.checked_scatter(scatter)
        course.single, course.form, course.at_most = self.may_be_single, self.form, at_most
        return course

    cdef Bench* merge(self, list scratches, Py_ssize_t n_rows=-1) except NULL:
        """The first worker's bench, with the sums of all; of `n_rows`, or as many as the first has walked."""
        if not scratches:
            raise ValueError("expected the scratch of one worker at least")
        cdef Scratch head = <Scratch?>scratches[0], other      # the cast refuses None too
        cdef Bench* into = &head.bench
        cdef Py_ssize_t i, n_sums = self.recipe.n_sums
        n_rows = head.n_rows if n_rows < 0 else n_rows
        self.check_ready(head, n_rows)
        for worker in scratches[1:]:
            other = <Scratch?>worker
            self.check_ready(other, n_rows)
            if other.bench.n_nodes == 0 or other.bench.first_lane[0] != head.next_lane:
                raise ValueError("expected scratches of lanes that follow each other")
            for i in range(other.bench.n_nodes):
                memcpy(into.node + into.n_nodes * n_sums, other.bench.node + i * n_sums,
                       n_sums * sizeof(double))
                into.level[into.n_nodes] = other.bench.level[i]
                into.first_lane[into.n_nodes] = other.bench.first_lane[i]
                into.n_nodes += 1
                merge_siblings(into, n_sums, False)
            head.next_lane = other.next_lane
        if into.n_nodes == 0 or into.first_lane[0] != 0 or head.next_lane != self.n_lanes(n_rows):
            raise ValueError(f"expected scratches that have walked all {self.n_lanes(n_rows)} lanes")
        merge_siblings(into, n_sums, True)
        return into

    cdef moments_buffer(self, Moments* moments):
        cdef Recipe* recipe = &self.recipe
        cdef double[::1] view = np.empty(moments_size(recipe.moments, recipe.n_components, recipe.n_features))
        moments[0] = moments_in(&view[0], recipe.n_components, recipe.n_features)
        return view.base


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
    if n < 1 or d < 1:
        raise ValueError(f"expected one row and one feature at least, got rows of shape {(n, d)}")
    cdef Rows shape = layout_of(rows, weight)
    cdef Py_ssize_t bad_row = -1, bad_column = -1
    cdef double w, total = 0
    first_row = np.asarray(rows[0]).astype(np.float64)
    centre, low, high = np.zeros(d), first_row.copy(), first_row.copy()
    cdef double[::1] origin = first_row, c = centre, lo = low, hi = high
    with nogil:
        for i in range(n):
            w = weight[i] if weight is not None else 1.0
            total += w
            if not look_at(&rows[0, 0] + i * shape.row_stride, shape.column_stride, d, w, &origin[0], &c[0], &lo[0],
                           &hi[0]):
                bad_row, bad_column = i, 0
                while isfinite(<double>rows[i, bad_column]):
                    bad_column += 1
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


def kmeans_seeds(
    const double[:, ::1] rows, const double[::1] weight, const double[::1] uniforms,
    Py_ssize_t n_seeds, Py_ssize_t n_draws,
):
    """Indices of the rows (n, d) that seed k-means, (n_seeds,): see `_seeding.pxd`.

    `uniforms` are 1 + (n_seeds − 1) n_draws numbers in [0, 1): one for the first seed, `n_draws` for every other.
    """
    cdef Seeding seeding
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], n_uniforms = uniforms.shape[0]
    if n < 1 or d < 1 or n_draws < 1 or not 1 <= n_seeds <= n_uniforms:
        raise ValueError("expected a row, a feature, a seed and a draw at least, and no more seeds than uniforms, "
                         f"got {n}, {d}, {n_seeds}, {n_draws} and {n_uniforms}")
    n_draws = min(n_draws, n_uniforms)             # so that no product below overflows
    expect("uniforms", n_uniforms, 1 + (n_seeds - 1) * n_draws)
    expect("weight", weight.shape[0], n)
    seeding.n, seeding.d, seeding.n_draws, seeding.tiles = n, d, n_draws, tiles
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
    expect("low", low.shape[0], d)
    expect("high", high.shape[0], d)
    out = np.empty(d)
    cdef double[::1] distance = out
    for j in range(d):
        distance[j] = max(high[j] - origin[j], origin[j] - low[j])
    return out
