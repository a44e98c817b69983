"""Rows for starts: the distinct rows with their weights, and the seeds of k-means.

Seeds are drawn by greedy weighted D² sampling (Arthur & Vassilvitskii 2007; the greedy variant of their section 5): of
several rows drawn by their distance to the nearest seed so far, the one that lowers the sum of distances most.
"""
from libc.math cimport INFINITY
from libc.string cimport memcpy, memset

from gmm._kernel.leaves cimport Kernel, multiply, pad

cdef enum:
    MOST_SEEDING_GROUPS = 7     # of `pad` rows in a block: odd, or features would alias in the first cache
    PARTS = 8                   # sums side by side
    RUN = 8                     # rows that are sorted by insertion

cdef struct Item:
    # A row to sort: its first feature, and where it is.
    double key
    Py_ssize_t row

cdef struct Seeding:
    Py_ssize_t n
    Py_ssize_t d
    Py_ssize_t block            # rows in a block
    Py_ssize_t n_blocks
    Py_ssize_t n_draws          # for each seed after the first
    Kernel kernel
    double* features            # (n_blocks, 1 + d, block) ‖x‖² and x
    double* weight              # (n_blocks, block), 0 beyond n, as all of these
    double* distance            # (n_blocks, block) squared, to the nearest seed
    double* mass                # (n_blocks,) Σ weight × distance
    double* candidate           # (n_blocks, n_draws, block) the distances that each draw would leave
    double* candidate_mass      # (n_blocks, n_draws)
    double* coefficients        # (n_draws, 1 + d) what makes distances of features, but for ‖c‖²


# --------------------------------------------------------------------------------- distinct rows

cdef inline int compare(const double* rows, Py_ssize_t d, Item a, Item b) noexcept nogil:
    """Compare two rows by their values, the first feature first; return −1, 0 or 1."""
    cdef const double* x = rows + a.row * d
    cdef const double* y = rows + b.row * d
    cdef Py_ssize_t j
    if a.key != b.key:
        return -1 if a.key < b.key else 1
    for j in range(1, d):
        if x[j] != y[j]:
            return -1 if x[j] < y[j] else 1
    return 0


cdef inline Py_ssize_t size_to_sort(Py_ssize_t n) noexcept nogil:
    """Bytes for the items, as many of scratch and the starts of n rows."""
    return 2 * n * sizeof(Item) + (n + 1) * sizeof(Py_ssize_t)


cdef inline void sort_by_value(
    const double* rows, Py_ssize_t n, Py_ssize_t d,        # IN (n, d)
    Item* items, Item* scratch,                            # OUT (n,), scratch (n,)
    Py_ssize_t* starts,                                    # scratch (n + 1,)
) noexcept nogil:
    """Sort rows by value, stably.

    First they go into n buckets, which divide the range of the first feature evenly; then each bucket is sorted. That
    takes time proportional to n where values are spread evenly, and to n log n at most.
    """
    cdef Py_ssize_t i, start, end
    cdef double low = rows[0], high = rows[0], width
    for i in range(n):
        low, high = min(low, rows[i * d]), max(high, rows[i * d])
        scratch[i].key, scratch[i].row = rows[i * d], i
    width = high / 2 - low / 2              # halves, for the range itself may overflow
    memset(starts, 0, (n + 1) * sizeof(Py_ssize_t))
    for i in range(n):
        starts[bucket_of(scratch[i].key, low, width, n) + 1] += 1
    for i in range(n):
        starts[i + 1] += starts[i]
    for i in range(n):
        start = bucket_of(scratch[i].key, low, width, n)
        items[starts[start]] = scratch[i]
        starts[start] += 1
    start = 0
    for i in range(n):
        end = starts[i]                     # counted up to the end of the bucket
        if end > start + 1:
            merge_sort(rows, d, end - start, items + start, scratch)
        start = end


cdef inline Py_ssize_t bucket_of(double value, double low, double width, Py_ssize_t n) noexcept nogil:
    """Return a number that rises with the value, 0 where all values are equal."""
    return <Py_ssize_t>((value / 2 - low / 2) / width * (n - 1)) if width > 0 else 0


cdef inline void merge_sort(
    const double* rows, Py_ssize_t d, Py_ssize_t n,
    Item* items, Item* scratch,                            # IN, OUT (n,), scratch (n,)
) noexcept nogil:
    """Sort short runs by insertion, then merge them bottom up."""
    cdef Py_ssize_t width = RUN, start, middle, end, left, right, i
    cdef Item* source = items
    cdef Item* target = scratch
    for i in range((n + RUN - 1) // RUN):
        sort_by_insertion(rows, d, min(RUN, n - i * RUN), items + i * RUN)
    while width < n:
        start = 0
        while start < n:
            middle, end = min(start + width, n), min(start + 2 * width, n)
            left, right = start, middle
            for i in range(start, end):
                if left < middle and (right >= end or compare(rows, d, source[left], source[right]) <= 0):
                    target[i] = source[left]
                    left += 1
                else:
                    target[i] = source[right]
                    right += 1
            start = end
        source, target = target, source
        width *= 2
    if source != items:
        memcpy(items, source, n * sizeof(Item))


cdef inline void sort_by_insertion(const double* rows, Py_ssize_t d, Py_ssize_t n, Item* items) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef Item item
    for i in range(1, n):
        item, j = items[i], i
        while j > 0 and compare(rows, d, items[j - 1], item) > 0:
            items[j] = items[j - 1]
            j -= 1
        items[j] = item


cdef inline Py_ssize_t merge_equal(
    const double* rows, const double* weight, const Item* items, Py_ssize_t n, Py_ssize_t d,    # IN; weight may be NULL
    double* distinct, double* mass,                        # OUT (n, d), (n,), of which the first so many count
) noexcept nogil:
    """Write each distinct row once, with the sum of its weights; return how many there are."""
    cdef Py_ssize_t i, n_distinct = 0
    cdef double w
    for i in range(n):
        w = 1 if weight == NULL else weight[items[i].row]
        if i > 0 and compare(rows, d, items[i - 1], items[i]) == 0:
            mass[n_distinct - 1] += w
            continue
        memcpy(distinct + n_distinct * d, rows + items[i].row * d, d * sizeof(double))
        mass[n_distinct] = w
        n_distinct += 1
    return n_distinct


# ----------------------------------------------------------------------------------------- seeds

cdef inline Py_ssize_t seeding_buffer_size(Seeding* s) noexcept nogil:
    """Choose the blocks; return the doubles that `lay_out_seeding` needs."""
    cdef Py_ssize_t group = pad(sizeof(double))
    cdef Py_ssize_t groups = min((s.n + group - 1) // group, MOST_SEEDING_GROUPS)
    s.block = (groups | 1) * group
    s.n_blocks = (s.n + s.block - 1) // s.block
    return s.n_blocks * (s.block * (s.d + 3 + s.n_draws) + 1 + s.n_draws) + s.n_draws * (1 + s.d)


cdef inline void lay_out_seeding(
    Seeding* s,
    double* buffer,                                            # zeros, on 64 bytes
) noexcept nogil:
    cdef Py_ssize_t size = s.n_blocks * s.block
    s.features = buffer
    s.weight = s.features + size * (1 + s.d)
    s.distance = s.weight + size
    s.candidate = s.distance + size
    s.mass = s.candidate + size * s.n_draws
    s.candidate_mass = s.mass + s.n_blocks
    s.coefficients = s.candidate_mass + s.n_blocks * s.n_draws


cdef inline void load_seeding_block(
    Seeding* s, Py_ssize_t b, const double* rows, const double* weight,        # IN (n, d), (n,) or NULL
) noexcept nogil:
    """Store block `b` feature by feature, eight rows at a time, so that every cache line is written once."""
    cdef Py_ssize_t first = b * s.block, n = min(s.block, s.n - first), start, j, r
    cdef double* norm = s.features + b * (1 + s.d) * s.block
    cdef double* feature
    for start in range(0, n, 8):
        for j in range(s.d):
            feature = norm + (1 + j) * s.block
            for r in range(start, min(start + 8, n)):
                feature[r] = rows[(first + r) * s.d + j]
                norm[r] += feature[r] * feature[r]
    for r in range(n):
        s.weight[first + r] = 1 if weight == NULL else weight[first + r]


cdef inline Py_ssize_t drawn(const Seeding* s, double uniform) noexcept nogil:
    """Return the row at `uniform` of the cumulated mass; any row where there is no mass."""
    cdef double total = 0, reached = 0, step
    cdef Py_ssize_t b, i, last = 0
    for b in range(s.n_blocks):
        total += s.mass[b]
    if not total > 0:
        return max(0, min(<Py_ssize_t>(uniform * s.n), s.n - 1))
    total *= uniform
    for b in range(s.n_blocks):
        if reached + s.mass[b] > total:
            break
        reached += s.mass[b]
    else:
        b, reached = 0, 0
    for i in range(b * s.block, s.n):
        step = s.weight[i] * s.distance[i]
        reached += step
        if step > 0:
            last = i
            if reached > total:
                break
    return last


cdef inline void measure_draws(
    Seeding* s, const Py_ssize_t* rows, Py_ssize_t n_rows,     # IN the draws
) noexcept nogil:
    """Fill `candidate` and `candidate_mass`: the distances if each of the draws were a seed."""
    cdef Py_ssize_t width = 1 + s.d, b, i, j, k, p, r
    cdef const double* block
    cdef const double* weight
    cdef const double* distance
    cdef double* left
    cdef double norm, square
    cdef double[PARTS] sums
    for k in range(n_rows):
        block = s.features + rows[k] // s.block * width * s.block + rows[k] % s.block
        s.coefficients[k * width] = 1
        for j in range(1, width):
            s.coefficients[k * width + j] = -2 * block[j * s.block]
    for b in range(s.n_blocks):
        left = s.candidate + b * s.n_draws * s.block
        multiply(s.kernel, s.coefficients, width, s.features + b * width * s.block, s.block, left, s.block,
                 n_rows, s.block, width)
        weight, distance = s.weight + b * s.block, s.distance + b * s.block
        for k in range(n_rows):
            norm = s.features[rows[k] // s.block * width * s.block + rows[k] % s.block]
            for r in range(s.block):
                square = left[r] + norm
                square = square if square > 0 else 0
                left[r] = square if square < distance[r] else distance[r]
            for p in range(PARTS):
                sums[p] = 0
            for i in range(s.block // PARTS):
                for p in range(PARTS):
                    sums[p] += weight[i * PARTS + p] * left[i * PARTS + p]
            s.candidate_mass[b * s.n_draws + k] = (
                ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]))
            )
            left += s.block


cdef inline void make_seed(Seeding* s, Py_ssize_t k, Py_ssize_t row) noexcept nogil:
    """Make draw `k` the next seed."""
    cdef Py_ssize_t b
    for b in range(s.n_blocks):
        memcpy(s.distance + b * s.block, s.candidate + (b * s.n_draws + k) * s.block, s.block * sizeof(double))
        s.mass[b] = s.candidate_mass[b * s.n_draws + k]
    s.distance[row] = 0


cdef inline Py_ssize_t best_draw(const Seeding* s) noexcept nogil:
    cdef Py_ssize_t b, k, best = 0
    cdef double mass, least = INFINITY
    for k in range(s.n_draws):
        mass = 0
        for b in range(s.n_blocks):
            mass += s.candidate_mass[b * s.n_draws + k]
        if mass < least:
            best, least = k, mass
    return best


cdef inline Py_ssize_t first_seed(Seeding* s, double uniform) noexcept nogil:
    """Return the first seed, a row drawn by weight; what other seeds have left is forgotten."""
    cdef Py_ssize_t seed, i
    memset(s.mass, 0, s.n_blocks * sizeof(double))
    for i in range(s.n):
        s.distance[i] = 1
        s.mass[i // s.block] += s.weight[i]
    seed = drawn(s, uniform)
    for i in range(s.n):
        s.distance[i] = INFINITY
    measure_draws(s, &seed, 1)
    make_seed(s, 0, seed)
    return seed


cdef inline Py_ssize_t next_seed(
    Seeding* s, const double* uniforms,            # IN (n_draws,), each in [0, 1)
    Py_ssize_t* draws,                             # scratch (n_draws,)
) noexcept nogil:
    """Return the next seed, the best of `n_draws` rows drawn by weight × distance."""
    cdef Py_ssize_t k
    for k in range(s.n_draws):
        draws[k] = drawn(s, uniforms[k])
    measure_draws(s, draws, s.n_draws)
    k = best_draw(s)
    make_seed(s, k, draws[k])
    return draws[k]
