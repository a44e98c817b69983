"""The metric within clusters, before any cluster is known: from pairs of rows that are near each other in it.

Clusters are round in it (Art, Gnanadesikan & Kettenring 1982).  It starts as the metric of all rows; the share
1 / (2 K) of pairs that are nearest in it lie within clusters for the most part, and the scatter of their differences is
the next metric, and so on.  With weights w and 1 for a near pair in N, that scatter is
Σ_k w_k (D_k y_k − C_k) y_kᵀ, C = Y diag(w) N and D = wᵀ N.
"""
from libc.float cimport DBL_EPSILON
from libc.math cimport INFINITY
from libc.string cimport memcpy, memset

from gmm._kernel.cholesky cimport invert_dense
from gmm._kernel.leaves cimport Kernel, add_products, multiply, pad

cdef enum:
    ROWS = 8                  # for each component and column, that is sixty near pairs for each column, …
    ENOUGH = 512              # … up to so many rows, and then …
    ROWS_OF_MANY = 2          # … for each again
    N_METRICS = 5             # one after the other, …
    ROUGH = 3                 # … of which so many are of some blocks, as many at least
    COUNTED = 256             # pairs that show how near the nearest are
    ROUNDING = 1000000        # times that of a square
    NARROWEST = 1000000       # times less variance than in all columns is not distinguished in a direction


cdef struct Pairs:
    # Rows in blocks, of which all pairs in a block count.
    Kernel kernel
    Py_ssize_t d, block, n_blocks, ld
    double* y                 # (d, ld) rows in coordinates in which all have variance 1
    double* weighted          # (d + 1, ld) w y, and w: 0 beyond the rows
    double* sums              # (d + 1, ld) C and D
    double* z                 # (d + 2, block) y in the metric, 1, and the square of z
    double* across            # (block, d + 2) −2 z, the square, and 1, row by row
    double* square            # (n_blocks, block, block)
    double* some              # (COUNTED,)
    double* weights           # (COUNTED,)
    double* scatter           # (d, d)


cdef inline Py_ssize_t pairs_size(Pairs* p, Py_ssize_t n, Py_ssize_t d, Py_ssize_t K) noexcept nogil:
    """Choose the blocks; return the doubles that `lay_out_pairs` needs."""
    cdef Py_ssize_t line = 64 // sizeof(double)
    p.d, p.block = d, pad(sizeof(double))
    p.n_blocks = (min(n, min(ROWS * K * d, max(ENOUGH, ROWS_OF_MANY * K * d))) + p.block - 1) // p.block
    p.ld = (p.n_blocks * p.block // line | 1) * line       # an odd number of lines: columns do not share one
    return (3 * d + 2) * p.ld + p.n_blocks * p.block * p.block + 2 * p.block * (d + 2) + 2 * COUNTED + d * d + line


cdef inline void lay_out_pairs(Pairs* p, double* buffer) noexcept nogil:     # zeros, on 64 bytes
    p.square = buffer
    p.y = p.square + p.n_blocks * p.block * p.block
    p.weighted = p.y + p.d * p.ld
    p.sums = p.weighted + (p.d + 1) * p.ld
    p.z = p.sums + (p.d + 1) * p.ld
    p.across = p.z + p.block * (p.d + 2)
    p.some = p.across + p.block * (p.d + 2)
    p.weights = p.some + COUNTED
    p.scatter = p.weights + COUNTED


cdef inline void load_pairs(
    Pairs* p, const double* rows, const double* weight, Py_ssize_t n,      # IN (n, d), (n,) or NULL
) noexcept nogil:
    """Deal the rows out to the blocks, so that rows which follow each other are in different ones."""
    cdef Py_ssize_t used = min(n, p.n_blocks * p.block), i, j, row, place
    cdef double w
    for i in range(used):
        row, place = i * n // used, i % p.n_blocks * p.block + i // p.n_blocks
        w = 1 if weight == NULL else weight[row]
        for j in range(p.d):
            p.y[j * p.ld + place] = rows[row * p.d + j]
            p.weighted[j * p.ld + place] = w * rows[row * p.d + j]
        p.weighted[p.d * p.ld + place] = w


cdef inline void measure_pairs(Pairs* p, const double* whitener, Py_ssize_t n_blocks) noexcept nogil:
    """Fill the squared distances of pairs in the metric W."""
    cdef Py_ssize_t b, i, j, m = p.block, d = p.d
    cdef double* ones = p.z + d * m
    cdef double* norm = ones + m
    for b in range(n_blocks):
        multiply(p.kernel, whitener, d, p.y + b * m, p.ld, p.z, m, d, m, d)
        for i in range(m):
            ones[i], norm[i] = 1, 0
        for j in range(d):
            for i in range(m):
                norm[i] += p.z[j * m + i] * p.z[j * m + i]
        for i in range(m):
            for j in range(d):
                p.across[i * (d + 2) + j] = -2 * p.z[j * m + i]
            p.across[i * (d + 2) + d], p.across[i * (d + 2) + d + 1] = norm[i], 1
        multiply(p.kernel, p.across, d + 2, p.z, m, p.square + b * m * m, m, m, m, d + 2)


cdef inline double limit_of_near(Pairs* p, double share, Py_ssize_t n_blocks) noexcept nogil:
    """Return the squared distance up to which a share of the pairs' weight is, of some pairs evenly among all."""
    cdef Py_ssize_t m = p.block, total = n_blocks * m * m, step = total // COUNTED | 1, n = 0, i = 0, row
    cdef const double* weight = p.weighted + p.d * p.ld
    cdef double mass = 0, w
    while i < total and n < COUNTED:
        row = i // m
        w = weight[row] * weight[row // m * m + i % m]
        if w > 0 and row % m != i % m:
            p.some[n], p.weights[n] = p.square[i], w
            mass += w
            n += 1
        i += step
    return weighted_quantile(p.some, p.weights, n, share * mass) * (1 + ROUNDING * DBL_EPSILON)    # to both of a pair


cdef inline double weighted_quantile(double* values, double* weights, Py_ssize_t n, double mass) noexcept nogil:
    """Return the least of n values up to which there is so much weight, by quickselect; 0 of none."""
    cdef Py_ssize_t first = 0, last = n, i, j, _
    cdef double pivot, below
    cdef bint equal = False
    for _ in range(2 * n):                         # at most, whatever the values
        if last - first <= 1:
            break
        # First those below the pivot; where there were none, its equals.
        pivot, below, i = values[(first + last) // 2] if not equal else pivot, 0, first
        for j in range(first, last):
            if values[j] < pivot or equal and values[j] == pivot:
                values[i], values[j] = values[j], values[i]
                weights[i], weights[j] = weights[j], weights[i]
                below += weights[i]
                i += 1
        if i == first:
            equal = True
        elif mass < below or i == last:
            if equal:
                return pivot
            last = i
        else:
            mass, first, equal = mass - below, i, False
    return values[first] if n > 0 else 0


cdef inline void add_near(Pairs* p, double limit, Py_ssize_t n_blocks) noexcept nogil:
    """Add up the scatter of pairs up to a limit."""
    cdef Py_ssize_t m = p.block, d = p.d, n = n_blocks * m, b, i, j
    cdef double* degree = p.sums + d * p.ld
    cdef double* near
    for b in range(n_blocks):
        near = p.square + b * m * m
        for i in range(m * m):
            near[i] = 1 if near[i] <= limit else 0
        multiply(p.kernel, p.weighted + b * m, p.ld, near, m, p.sums + b * m, p.ld, d + 1, m, m)
    for j in range(d):
        for i in range(n):
            p.sums[j * p.ld + i] = degree[i] * p.y[j * p.ld + i] - p.sums[j * p.ld + i]
    memset(p.scatter, 0, d * d * sizeof(double))
    add_products(p.kernel, p.sums, p.ld, p.weighted, p.ld, p.z, p.scatter, d, d, d, n)


cdef inline bint find_within(
    Pairs* p, Py_ssize_t K,
    double* whitener,                              # OUT (d, d) lower triangle, of the coordinates y
) noexcept nogil:
    """Return whether a metric was found."""
    cdef Py_ssize_t d = p.d, n_blocks, j, step
    cdef double trace
    memset(whitener, 0, d * d * sizeof(double))
    for j in range(d):
        whitener[j * d + j] = 1
    for step in range(N_METRICS):
        # The first metrics are rough, so that some blocks suffice.
        n_blocks = p.n_blocks if step >= ROUGH else min(p.n_blocks, max(ROUGH, p.n_blocks // 4))
        measure_pairs(p, whitener, n_blocks)
        add_near(p, limit_of_near(p, 0.5 / K, n_blocks), n_blocks)
        trace = 0
        for j in range(d):
            trace += p.scatter[j * d + j]
        if not 0 < trace < INFINITY:
            return False
        memcpy(whitener, p.scatter, d * d * sizeof(double))
        for j in range(d):
            whitener[j * d + j] += trace / NARROWEST
        if invert_dense(whitener, d) == -INFINITY:
            return False
    return True
