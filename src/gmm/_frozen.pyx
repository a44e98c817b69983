"""Rows scored under a fixed mixture with little around the pass of `_em.pyx`: from Python, and from C by a capsule.

A mixture is prepared once in every form that rows may need (`plan.pxd`).  A call measures how far its rows reach, which
chooses the form as an estimator's call would, so the results have the same bits; nothing is written but the results and
the caller's scratch.  Calls from Python borrow scratch from the mixture, which stores some for the next ones.
"""
cimport cython
from cpython.buffer cimport (
    PyBUF_FORMAT,
    PyBUF_STRIDES,
    PyBUF_WRITABLE,
    PyBuffer_IsContiguous,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_RawFree
from cpython.pycapsule cimport PyCapsule_New
from libc.math cimport NAN, fabs

from gmm._em cimport write_lanes
from gmm._kernel.checks cimport expect
from gmm._kernel.layout cimport Layout, is_dense, is_layout, is_pooled, total_size
from gmm._kernel.linear cimport condition_within
from gmm._kernel.memory_pool cimport borrow, give_back
from gmm._kernel.plan cimport PassPlan, choose_form, least_limit, may_be_far, n_lanes, work_of
from gmm._kernel.prepared cimport N_FORMS, Mixture, fill, lay_out
from gmm._kernel.rows cimport Rows, no_output, data
from gmm._kernel.tiles cimport kernel_in_use
from gmm._kernel.workspace cimport Workspace, aligned, lay_out_workspace, workspace_size

from concurrent.futures import ThreadPoolExecutor

import numpy as np

cdef extern from "../include/gmm_api.h":
    enum:
        GMM_API_VERSION
    ctypedef struct gmm_mixture:
        pass
    ctypedef struct gmm_api:
        int version
        const gmm_mixture* (*open)(object) except NULL
        Py_ssize_t (*n_components)(const gmm_mixture*) noexcept nogil
        Py_ssize_t (*n_features)(const gmm_mixture*) noexcept nogil
        size_t (*scratch_size)(const gmm_mixture*, Py_ssize_t) noexcept nogil
        Py_ssize_t (*score)(const gmm_mixture*, const double*, Py_ssize_t, Py_ssize_t*, double*, double*, double*,
                            void*) noexcept nogil
        Py_ssize_t (*score_float)(const gmm_mixture*, const float*, Py_ssize_t, Py_ssize_t*, float*, float*, float*,
                                  void*) noexcept nogil

cdef enum:
    N_POOLED = 4                # scratch that a mixture stores, each for a thread,
    POOL_BYTES = 1048576        # … of so many bytes at most
    SLICE = 200000000           # multiply-adds between two looks for Ctrl-C

cdef enum Output:
    LABELS
    SCORE
    RESPONSIBILITIES
    LOG_JOINT

# --------------------------------------------------------------------------------------------- a call

cdef inline bint is_finite(const data* row, Py_ssize_t column_stride, Py_ssize_t d) noexcept nogil:
    cdef Py_ssize_t j
    cdef double x
    cdef bint broken = False
    for j in range(d):
        x = row[j * column_stride]
        broken |= x - x != 0
    return not broken


cdef Py_ssize_t measure_reach(
    const data* x, const Rows* rows, Py_ssize_t d, const double* origin,
    double* reach,                                 # OUT (d,) max |x − origin|
) noexcept nogil:
    """Measure the finite rows; return how many others there are."""
    cdef Py_ssize_t n_broken = 0, _i, j
    for j in range(d):
        reach[j] = 0
    for _i in range(rows.n):
        if rows.column_stride == 1:                # so that loops are of vectors
            n_broken += not add_reach(x, 1, d, origin, reach)
        else:
            n_broken += not add_reach(x, rows.column_stride, d, origin, reach)
        x += rows.row_stride
    return n_broken


cdef inline bint add_reach(
    const data* row, Py_ssize_t column_stride, Py_ssize_t d, const double* origin,
    double* reach,                                 # IN, OUT (d,)
) noexcept nogil:
    """Look at a row; return whether it is finite, else it does not count."""
    cdef Py_ssize_t j
    if not is_finite(row, column_stride, d):
        return False
    for j in range(d):
        reach[j] = max(reach[j], fabs(<double>row[j * column_stride] - origin[j]))
    return True


cdef void mark_broken(const data* x, const Rows* rows, Py_ssize_t d, Py_ssize_t K) noexcept nogil:
    """Write −1 and NaN for the rows that are not finite."""
    cdef Py_ssize_t i, k
    for i in range(rows.n):
        if not is_finite(x, rows.column_stride, d):
            if rows.label != NULL:
                rows.label[i] = -1
            if rows.score != NULL:
                (<data*>rows.score)[i] = NAN
            for k in range(i * K, (i + 1) * K):
                if rows.responsibility != NULL:
                    (<data*>rows.responsibility)[k] = NAN
                if rows.log_joint != NULL:
                    (<data*>rows.log_joint)[k] = NAN
        x += rows.row_stride


cdef PassPlan plan_for(
    const Mixture* mixture, bint single, bint joint,       # IN whether log ρ is needed
    const double* reach,                           # IN (d,)
) noexcept nogil:
    """Return the plan that an estimator would make for rows that reach so far."""
    cdef PassPlan plan = mixture.plans[0]
    cdef double kappa
    kappa = plan.kappa = condition_within(mixture.extents, plan.n_components, plan.n_features, reach,
                                          least_limit(&plan, single))
    choose_form(&plan, single, reach, -1)
    if joint and is_pooled(plan.layout):
        plan.linear = False
    plan = mixture.plans[plan.linear + 2 * plan.single]
    plan.kappa = kappa
    plan.far = may_be_far(&plan)
    if plan.far:
        plan.few_rows = 0
    return plan


cdef Rows contiguous_rows(const void* values, bint single, Py_ssize_t n, Py_ssize_t d) noexcept nogil:
    cdef Rows rows
    rows.values, rows.single = values, single
    rows.n, rows.first_lane, rows.row_stride, rows.column_stride = n, 0, d, 1
    rows.weight, rows.given, rows.code, rows.error = NULL, NULL, NULL, NULL
    no_output(&rows)
    return rows


# ---------------------------------------------------------------------------------------- for C: `gmm_api.h`

cdef const gmm_mixture* open_mixture(object frozen) except NULL:
    if not isinstance(frozen, CompiledMixture):
        raise TypeError(f"expected a FrozenMixture, as `freeze` makes it, got {type(frozen).__name__}")
    return <const gmm_mixture*>&(<CompiledMixture>frozen).mixture


cdef Py_ssize_t components_of(const gmm_mixture* opened) noexcept nogil:
    return (<const Mixture*>opened).plans[0].n_components


cdef Py_ssize_t features_of(const gmm_mixture* opened) noexcept nogil:
    return (<const Mixture*>opened).plans[0].n_features


cdef size_t scratch_size(const gmm_mixture* opened, Py_ssize_t n_rows) noexcept nogil:
    cdef const Mixture* mixture = <const Mixture*>opened
    cdef Py_ssize_t most = 0, form
    for form in range(N_FORMS):
        most = max(most, workspace_size(&mixture.plans[form], n_rows, False))
    return <size_t>(mixture.plans[0].n_features + most + 8) * sizeof(double)


cdef Py_ssize_t score_rows(
    const Mixture* mixture, const data* x, Py_ssize_t n, Py_ssize_t* labels,
    data* log_likelihood, data* responsibilities, data* log_joint, void* scratch,
) noexcept nogil:
    cdef Py_ssize_t K = mixture.plans[0].n_components, d = mixture.plans[0].n_features, n_broken
    cdef Rows rows = contiguous_rows(x, sizeof(data) == sizeof(float), n, d)
    cdef Workspace workspace
    cdef PassPlan plan
    cdef double* reach = aligned(<double*>scratch)     # C gives no alignment
    rows.label, rows.score, rows.responsibility, rows.log_joint = labels, log_likelihood, responsibilities, log_joint
    n_broken = measure_reach(x, &rows, d, mixture.origin, reach)
    plan = plan_for(mixture, rows.single, log_joint != NULL, reach)
    lay_out_workspace(&workspace, &plan, n, False, aligned(reach + d))
    write_lanes(&plan, &rows, 0, n_lanes(&plan, rows.n), &workspace)
    if n_broken > 0:
        mark_broken(x, &rows, d, K)
    return n_broken


cdef Py_ssize_t score_double(
    const gmm_mixture* opened, const double* x, Py_ssize_t n, Py_ssize_t* labels,
    double* log_likelihood, double* responsibilities, double* log_joint, void* scratch,
) noexcept nogil:
    return score_rows(<const Mixture*>opened, x, n, labels, log_likelihood, responsibilities, log_joint, scratch)


cdef Py_ssize_t score_float(
    const gmm_mixture* opened, const float* x, Py_ssize_t n, Py_ssize_t* labels,
    float* log_likelihood, float* responsibilities, float* log_joint, void* scratch,
) noexcept nogil:
    return score_rows(<const Mixture*>opened, x, n, labels, log_likelihood, responsibilities, log_joint, scratch)


cdef gmm_api functions
functions.version = GMM_API_VERSION
functions.open, functions.n_components, functions.n_features = open_mixture, components_of, features_of
functions.scratch_size, functions.score, functions.score_float = scratch_size, score_double, score_float
api = PyCapsule_New(&functions, "gmm._frozen.api", NULL)


# ------------------------------------------------------------------------------------- buffers from Python

cdef str described(array):
    dtype, shape = getattr(array, "dtype", None), getattr(array, "shape", None)
    return type(array).__name__ + (f" of dtype {dtype}" if dtype else "") + (f" and shape {shape}" if shape else "")


cdef int view_of(array, str name, str wanted, int flags, Py_buffer* view) except -1:
    """Take an array's memory; `view` must be released."""
    if PyObject_CheckBuffer(array):
        try:
            PyObject_GetBuffer(array, view, flags | PyBUF_STRIDES | PyBUF_FORMAT)
            return 0
        except (BufferError, ValueError) as error:
            raise ValueError(f"expected {name} to be {wanted}, got {described(array)}: {error}") from None
    remedy = ": pass numpy.asarray(X, float)" if name == "X" else ""
    raise TypeError(f"expected {name} to be {wanted}, got {described(array)}{remedy}")


cdef inline bint holds(const Py_buffer* view, const char* kinds, Py_ssize_t size) noexcept:
    """Return whether the items, of so many bytes, are one of these kinds, by their letters in `struct`."""
    cdef Py_ssize_t i = 0
    if view.format == NULL or view.format[0] == 0 or view.format[1] != 0 or view.itemsize != size:
        return False
    while kinds[i] != 0:
        if kinds[i] == view.format[0]:
            return <size_t>view.buf % <size_t>size == 0
        i += 1
    return False


cdef int check_rows(X, const Py_buffer* view, Py_ssize_t d) except -1:
    cdef Py_ssize_t axis
    cdef bint whole = holds(view, b"d", sizeof(double)) or holds(view, b"f", sizeof(float))
    for axis in range(view.ndim):
        whole = whole and view.strides[axis] % view.itemsize == 0     # items without fields have no size
    if not whole:
        raise TypeError(f"expected X in float32 or float64 of this machine's byte order, aligned, got {described(X)}: "
                        "pass numpy.require(X, float, 'A')")
    if view.ndim != 2 or view.shape[1] != d:
        raise ValueError(f"expected X of shape (n, {d}), got {described(X)}"
                         + (": pass X.reshape(1, -1) for one row" if view.ndim == 1 else ""))
    if hasattr(X, "_mask") and np.ma.is_masked(X):
        raise ValueError(f"expected X without masked values, got {np.ma.count_masked(X)} of them: pass "
                         "X.filled(numpy.nan), by which their rows get NaN and the label -1")
    return 0


cdef int open_out(out, Output kind, const Py_buffer* x, Py_ssize_t K, Py_buffer* view) except -1:
    """Take the memory to write to, where results of `x` fit; `view` must be released."""
    view_of(out, "out", "an array to write to", PyBUF_WRITABLE, view)
    try:
        check_out(out, view, kind, x, K)
        if share_memory(x, view):
            raise ValueError("expected out to share no memory with X")
    except BaseException:
        PyBuffer_Release(view)
        raise
    return 0


def check_place(out, X, *, Py_ssize_t n_columns=0, bint labels=False):
    """Check that `out` can take results of X, checked rows, as a frozen mixture's methods do.

    Parameters
    ----------
    out : array
    X : array of float32 or float64, shape (n, d)
    n_columns : int
        0 for one number per row.
    labels : bool
        Whether the numbers are labels.

    Raises
    ------
    TypeError, ValueError
        If `out` cannot be written to, or has another dtype, shape or order, or memory of X.
    """
    cdef Py_buffer x, y
    view_of(X, "X", "an array of float32 or float64", 0, &x)
    try:
        open_out(out, LABELS if labels else RESPONSIBILITIES if n_columns else SCORE, &x, n_columns, &y)
        PyBuffer_Release(&y)
    finally:
        PyBuffer_Release(&x)


cdef int check_out(out, const Py_buffer* view, Output kind, const Py_buffer* x, Py_ssize_t K) except -1:
    cdef tuple shape = shape_of(kind, x, K)
    if not (holds(view, b"lqni", sizeof(Py_ssize_t)) if kind == LABELS else holds(view, x.format, x.itemsize)):
        raise TypeError(f"expected out of dtype {dtype_of(kind, x).__name__}, as X requires, aligned and in this "
                        f"machine's byte order, got {described(out)}")
    if view.ndim != len(shape) or view.shape[0] != x.shape[0] or (view.ndim == 2 and view.shape[1] != K):
        raise ValueError(f"expected out of shape {shape}, got {described(out)}")
    if not PyBuffer_IsContiguous(view, b"C"):
        raise ValueError(f"expected out to be C-contiguous, got {described(out)} with strides {out.strides}")
    return 0


cdef tuple shape_of(Output kind, const Py_buffer* x, Py_ssize_t K):
    if kind == LABELS or kind == SCORE:
        return (x.shape[0],)
    return x.shape[0], K


cdef dtype_of(Output kind, const Py_buffer* x):
    if kind == LABELS:
        return np.intp
    return np.float64 if x.itemsize == sizeof(double) else np.float32


cdef bint share_memory(const Py_buffer* x, const Py_buffer* out) noexcept:
    """Return whether the range of X's items meets that of `out`."""
    cdef const char* low = <const char*>x.buf
    cdef const char* high = low + x.itemsize
    cdef const char* start = <const char*>out.buf
    cdef Py_ssize_t axis, extent
    for axis in range(2):
        if x.shape[axis] == 0:
            return False
        extent = (x.shape[axis] - 1) * x.strides[axis]
        low += min(extent, 0)
        high += max(extent, 0)
    return low < start + out.len and start < high


# -------------------------------------------------------------------------------------------- from Python

cdef class CompiledMixture


@cython.freelist(8)
cdef class Call:
    """Rows that are being scored, which threads share."""

    cdef PassPlan plan
    cdef Rows rows
    cdef Py_ssize_t n_parts               # 0 before there are rows
    cdef CompiledMixture mixture          # which lends scratch

    cdef int walk(self, Py_ssize_t first, Py_ssize_t last) except -1:
        """Write lanes first … last − 1."""
        cdef Workspace workspace
        cdef Py_ssize_t together = max(1, <Py_ssize_t>(SLICE / work_of(&self.plan, self.plan.lane))), end
        cdef double* scratch = self.mixture.scratch_for(self.rows.n)
        try:
            lay_out_workspace(&workspace, &self.plan, self.rows.n, False, aligned(scratch))
            while first < last:
                end = min(first + together, last)
                with nogil:
                    write_lanes(&self.plan, &self.rows, first, end, &workspace)
                PyErr_CheckSignals()
                first = end
        finally:
            self.mixture.return_scratch(scratch)
        return 0

    def walk_part(self, Py_ssize_t part):
        """Write one part of the lanes, of as many as there are threads."""
        if not 0 <= part < self.n_parts:
            raise ValueError(f"expected one of {self.n_parts} parts, got {part}")
        cdef Py_ssize_t lanes = n_lanes(&self.plan, self.rows.n)
        self.walk(lanes * part // self.n_parts, lanes * (part + 1) // self.n_parts)

    cdef int walk_all(self, Py_ssize_t n_threads) except -1:
        self.n_parts = min(n_threads, n_lanes(&self.plan, self.rows.n))
        if self.n_parts <= 1:
            return self.walk(0, n_lanes(&self.plan, self.rows.n))
        with ThreadPoolExecutor(self.n_parts) as pool:
            list(pool.map(self.walk_part, range(self.n_parts)))
        return 0


cdef int check_sizes(int layout, Py_ssize_t K, Py_ssize_t d) except -1:
    if K < 1 or d < 1 or not is_layout(<Layout>layout):
        raise ValueError(f"expected centres (K, d) and a known layout, got {(K, d)} and {layout}")
    return 0


def prepare(
    int layout, log_offset, centres, whiteners, origin, double log_noise, const double[::1] tails not None,
):
    """Prepare a mixture, log ρ_ik = log_offset_k − ½‖W_k (x_i − c_k)‖², in every form that rows may need.

    Parameters
    ----------
    layout : int
        Code of the layout of the whiteners.
    log_offset : array of shape (K,)
    centres : array of shape (K, d)
    whiteners : array
        W_k, flat or in the shape of the layout.
    origin : array of shape (d,)
        Where the linear form stands.
    log_noise : float
        Log density of noise, its weight included; −∞ for none.
    tails : array of shape (K,)
        ν of Student-t components; zeros of normal ones.

    Returns
    -------
    ndarray of float64
        The numbers of a `CompiledMixture` with this layout, K, d, noise and tails; read-only, from a multiple of 64
        bytes on.
    """
    cdef Py_ssize_t K, d
    cdef double[::1] numbers
    cdef Mixture mixture
    K, d = np.shape(centres)
    check_sizes(layout, K, d)
    expect("log_offset", np.size(log_offset), K)
    expect("whiteners", np.size(whiteners), total_size(<Layout>layout, K, d))
    expect("origin", np.size(origin), d)
    expect("tails", tails.shape[0], K)
    size = lay_out(&mixture, <Layout>layout, K, d, kernel_in_use(), log_noise, &tails[0],
                   <double*>&mixture)
    buffer = np.zeros(size + 8)                    # so that gaps are the same in every file
    start = -buffer.ctypes.data % 64 // 8
    prepared = buffer[start:start + size]
    given = [np.ravel(each) for each in (log_offset, centres, whiteners, origin)]
    np.concatenate(given, out=prepared[:sum(each.size for each in given)])
    numbers = prepared
    with nogil:
        lay_out(&mixture, <Layout>layout, K, d, kernel_in_use(), log_noise, &tails[0], &numbers[0])
        fill(&mixture)
    prepared.flags.writeable = False
    return prepared


cdef class CompiledMixture:
    """A mixture that does not change, log ρ_ik = log_offset_k − ½‖W_k (x_i − c_k)‖²; see `FrozenMixture`.

    Parameters
    ----------
    layout : int
        Code of the layout of the whiteners.
    n_components, n_features : int
    numbers : array of float64
        The array that `prepare` returned; the mixture reads it and copies nothing.
    log_noise : float
    tails : array of shape (K,)
    """

    cdef Mixture mixture
    cdef const double[::1] numbers, tails
    cdef void* pool[N_POOLED]             # scratch that no call has

    def __cinit__(
        self, int layout, Py_ssize_t n_components, Py_ssize_t n_features, const double[::1] numbers,
        double log_noise, const double[::1] tails not None,
    ):
        cdef Py_ssize_t most = numbers.shape[0], expected
        check_sizes(layout, n_components, n_features)
        self.tails = tails
        if most // n_components < n_features:      # else sizes might overflow
            expected = most + 1
        elif is_dense(<Layout>layout) and most // n_features < n_features * (
                1 if is_pooled(<Layout>layout) else n_components):
            expected = most + 1
        else:
            expect("tails", tails.shape[0], n_components)
            expected = lay_out(&self.mixture, <Layout>layout, n_components, n_features, kernel_in_use(),
                               log_noise, &tails[0], <double*>&numbers[0])
        if expected != most or <size_t>&numbers[0] % 64:
            raise ValueError(f"expected the prepared numbers of K={n_components} and d={n_features}, from a multiple "
                             f"of 64 bytes on, got {most} numbers")
        self.numbers = numbers

    def __dealloc__(self):
        for place in range(N_POOLED):
            PyMem_RawFree(self.pool[place])

    cdef double* scratch_for(self, Py_ssize_t n_rows) except NULL:
        """Return scratch for so many rows, to be returned."""
        cdef double* scratch = borrow(self.pool, N_POOLED, scratch_size(<const gmm_mixture*>&self.mixture, n_rows))
        if scratch == NULL:
            raise MemoryError
        return scratch

    cdef void return_scratch(self, double* scratch) noexcept:
        give_back(self.pool, N_POOLED, POOL_BYTES, scratch)

    @property
    def n_components(self):
        """K, the number of components."""
        return self.mixture.plans[0].n_components

    @property
    def n_features(self):
        """Number of features, d."""
        return self.mixture.plans[0].n_features

    @property
    def arrays(self):
        """The layout's code, log offsets (K,), centres (K, d), whiteners (flat), origin (d,), log noise and tails."""
        cdef Py_ssize_t K = self.n_components, d = self.n_features
        cdef Py_ssize_t end = self.mixture.extents - self.mixture.log_offset
        cdef PassPlan* plan = &self.mixture.plans[0]
        log_offset, centres, whiteners, origin, _ = np.split(self.prepared, [K, K + K * d, end - d, end])
        return int(plan.layout), log_offset, centres.reshape(K, d), whiteners, origin, plan.log_noise, (
            np.asarray(self.tails))

    @property
    def prepared(self):
        """All that the mixture looks at, as `prepare` returned it, read-only."""
        return np.asarray(self.numbers)

    def predict(self, X, *, out=None, n_threads=1):
        """Predict the most probable component of each row.

        Parameters
        ----------
        X : array of float32 or float64, shape (n, d)
        out : array of intp, shape (n,), optional
            Where to write.
        n_threads : int, default=1

        Returns
        -------
        ndarray of int, shape (n,)
            −1 for noise, and for a row with NaN or infinity.
        """
        return self.score_into(X, LABELS, out, n_threads)

    def predict_proba(self, X, *, out=None, n_threads=1):
        """Compute the responsibilities: the probability of each component given each row.

        Parameters
        ----------
        X : array of float32 or float64, shape (n, d)
        out : C-contiguous array of X's dtype, shape (n, K), optional
            Where to write.
        n_threads : int, default=1

        Returns
        -------
        ndarray of shape (n, K)
            In X's dtype. Rows sum to 1, less the probability of noise; NaN for a row with NaN or infinity.
        """
        return self.score_into(X, RESPONSIBILITIES, out, n_threads)

    def score_samples(self, X, *, out=None, n_threads=1):
        """Compute the log-likelihood of each row.

        Parameters
        ----------
        X : array of float32 or float64, shape (n, d)
        out : C-contiguous array of X's dtype, shape (n,), optional
            Where to write.
        n_threads : int, default=1

        Returns
        -------
        ndarray of shape (n,)
            In nats, of X's dtype; NaN for a row with NaN or infinity.
        """
        return self.score_into(X, SCORE, out, n_threads)

    def log_joint(self, X, *, out=None, n_threads=1):
        """Compute the log joint densities of each row and each component, log ρ_ik.

        Without noise, their log-sum-exp is `score_samples` and their softmax `predict_proba`, up to the range of the
        dtype.

        Parameters
        ----------
        X : array of float32 or float64, shape (n, d)
        out : C-contiguous array of X's dtype, shape (n, K), optional
            Where to write.
        n_threads : int, default=1

        Returns
        -------
        ndarray of shape (n, K)
            In nats, of X's dtype; NaN for a row with NaN or infinity. Of a row that is 1e150 standard deviations or
            more from every component, all but the nearest components have −∞.
        """
        return self.score_into(X, LOG_JOINT, out, n_threads)

    cdef score_into(self, X, Output kind, out, Py_ssize_t n_threads):
        cdef Py_ssize_t K = self.mixture.plans[0].n_components, d = self.mixture.plans[0].n_features
        cdef Py_buffer x, y
        if n_threads < 1:
            raise ValueError(f"expected n_threads of 1 or more, got {n_threads}")
        view_of(X, "X", "an array of float32 or float64", 0, &x)
        try:
            check_rows(X, &x, d)
            if out is None:
                out = np.empty(shape_of(kind, &x, K), dtype_of(kind, &x))
            open_out(out, kind, &x, K, &y)
            try:
                self.run(&x, kind, y.buf, n_threads)
            finally:
                PyBuffer_Release(&y)
        finally:
            PyBuffer_Release(&x)
        return out

    cdef int run(self, const Py_buffer* x, Output kind, void* out, Py_ssize_t n_threads) except -1:
        cdef Py_ssize_t K = self.mixture.plans[0].n_components, d = self.mixture.plans[0].n_features, n_broken
        cdef Call call = Call.__new__(Call)
        cdef Rows* rows = &call.rows
        cdef double* reach = self.scratch_for(x.shape[0])
        call.mixture = self
        call.rows = contiguous_rows(x.buf, x.itemsize == sizeof(float), x.shape[0], d)
        rows.row_stride, rows.column_stride = x.strides[0] // x.itemsize, x.strides[1] // x.itemsize
        rows.label = <Py_ssize_t*>out if kind == LABELS else NULL
        rows.score = out if kind == SCORE else NULL
        rows.responsibility = out if kind == RESPONSIBILITIES else NULL
        rows.log_joint = out if kind == LOG_JOINT else NULL
        with nogil:
            if rows.single:
                n_broken = measure_reach(<const float*>x.buf, rows, d, self.mixture.origin, reach)
            else:
                n_broken = measure_reach(<const double*>x.buf, rows, d, self.mixture.origin, reach)
            call.plan = plan_for(&self.mixture, rows.single, kind == LOG_JOINT, reach)
        self.return_scratch(reach)
        call.walk_all(n_threads)
        if n_broken > 0:
            if rows.single:
                mark_broken(<const float*>x.buf, rows, d, K)
            else:
                mark_broken(<const double*>x.buf, rows, d, K)
        return 0
