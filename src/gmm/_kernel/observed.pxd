"""A mixture as rows of a pattern see it, with some columns alone or a known error, and its moments of all columns.

With the missing columns first, the triangular factor R of W = Q R gives both: its last rows are a whitener of the
columns that are observed, and x_m given x_o is c_m + B (x_o − c_o) + R_mm⁻¹ y, B = −R_mm⁻¹ R_mo, with white y.  So the
expected moments of all columns follow from those of the observed ones (Little & Rubin 2019, section 11.2; Ghahramani &
Jordan 1994), and patterns add up.

Rows x = v + e with errors e ~ N(0, S) see T_k = V_k + S in their columns (Bovy, Hogg & Roweis 2011).  With z = U (x −
c), Uᵀ U = T⁻¹, v has the mean c + G z and the covariance V − G Gᵀ, G = V Uᵀ.  A missing value has an infinite error.
Where each row has an error of its own, sums of Uᵀ z and of Uᵀ (z zᵀ − 1) U come in the place of moments, with G = V.
"""
from libc.math cimport M_PI, fabs, log, sqrt
from libc.string cimport memcpy, memset

from gmm._kernel.layout cimport (
    DIAGONAL, SPHERICAL, Layout, axis_stride, component_stride, is_dense, is_pooled, matrix_of, matrix_size, n_matrices,
    total_size,
)
from gmm._kernel.moments cimport Moments
from gmm._kernel.whitener cimport whiten


cdef struct Columns:
    # The columns of a pattern: those that are observed, then the missing ones.
    Py_ssize_t d, q
    const int* order            # (d,)


cdef inline Columns columns_of(
    const unsigned char* missing, Py_ssize_t d,    # IN (d,)
    int* order,                                    # OUT (d,)
) noexcept nogil:
    cdef Columns columns
    cdef Py_ssize_t m = 0, j
    columns.d, columns.q, columns.order = d, 0, order
    for j in range(d):
        if not missing[j]:
            order[columns.q] = j
            columns.q += 1
    for j in range(d):
        if missing[j]:
            order[columns.q + m] = j
            m += 1
    return columns


cdef struct Seen:
    double* log_offset          # (K,)
    double* centres             # (K, q)
    double* whiteners           # as their layout stores those of q columns
    double* maps                # of each matrix B (m, q), R_mm⁻¹ (m, m); of axes the variances (m,); G (d, q) or (q,)
    double* workspace           # (d, d) and (d, d)


cdef struct TrueMixture:
    # The mixture of values without their errors, in the layout of rows with errors: full or diagonal.
    double* log_weights         # (K,) log π_k − d/2·log 2π
    double* covariances         # (K, d, d) or (K, d)


cdef inline Py_ssize_t seen_size(Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    """Doubles of `seen_in`."""
    return K * (1 + d) + total_size(layout, K, d) + n_matrices(layout, K) * d * d + 2 * d * d


cdef inline Seen seen_in(double* buffer, Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    cdef Seen seen
    seen.log_offset, seen.centres = buffer, buffer + K
    seen.whiteners = seen.centres + K * d
    seen.maps = seen.whiteners + total_size(layout, K, d)
    seen.workspace = seen.maps + n_matrices(layout, K) * d * d
    return seen


cdef inline double reflect(double* x, Py_ssize_t n) noexcept nogil:
    """Let x, (n,), be a Householder vector v; return what it makes of the vector's first entry, 0 for a zero vector."""
    cdef double largest = 0, total = 0, end
    cdef Py_ssize_t i
    for i in range(n):
        largest = max(largest, fabs(x[i]))
    if largest == 0:
        return 0
    for i in range(n):
        x[i] /= largest
        total += x[i] * x[i]
    end = -sqrt(total) if x[0] > 0 else sqrt(total)
    x[0] -= end
    return largest * end


cdef inline void triangularise(double* columns, Py_ssize_t d) noexcept nogil:     # IN (d, d) column by column, OUT R
    cdef Py_ssize_t s, t, i
    cdef double diagonal, square, dot
    cdef double* v
    cdef double* x
    for s in range(d):
        v = columns + s * d + s
        diagonal = reflect(v, d - s)
        square = 0
        for i in range(d - s):
            square += v[i] * v[i]
        for t in range(s + 1, d if diagonal != 0 else 0):
            x, dot = columns + t * d + s, 0
            for i in range(d - s):
                dot += v[i] * x[i]
            dot *= 2 / square
            for i in range(d - s):
                x[i] -= dot * v[i]
        v[0] = diagonal


cdef inline double split_factor(
    const double* whitener, const Columns* columns,        # IN (d, d) lower triangle
    double* out,                                   # OUT (q, q) whitener of the observed columns, a lower triangle
    double* maps,                                  # OUT B (m, q), R_mm⁻¹ (m, m)
    double* R,                                     # scratch (d, d)
) noexcept nogil:
    """Return log |R_mm|."""
    cdef Py_ssize_t d = columns.d, q = columns.q, m = d - q, i, j, r, c
    cdef double* slopes = maps
    cdef double* root = maps + m * q
    cdef double total, logs = 0
    for c in range(d):
        # The missing columns, then the others in reverse: so their triangle is a lower one once it is turned.
        j = columns.order[q + c] if c < m else columns.order[d - 1 - c]
        for i in range(d):
            R[c * d + i] = whitener[i * d + j] if i >= j else 0
    triangularise(R, d)
    for i in range(q):
        for j in range(q):
            out[i * q + j] = R[(d - 1 - j) * d + d - 1 - i]
    memset(root, 0, m * m * sizeof(double))
    for c in range(m):
        logs += log(fabs(R[c * d + c]))
        root[c * m + c] = 1 / R[c * d + c]
        for i in range(c - 1, -1, -1):
            total = 0
            for r in range(i + 1, c + 1):
                total += R[r * d + i] * root[r * m + c]
            root[i * m + c] = -total / R[i * d + i]
    for i in range(m):
        for j in range(q):
            total = 0
            for r in range(i, m):
                total -= root[i * m + r] * R[(d - 1 - j) * d + r]
            slopes[i * q + j] = total
    return logs


cdef inline void see(
    Layout layout, Py_ssize_t K, const Columns* columns,
    const double* log_offset, const double* centres, const double* whiteners,  # IN of all columns
    Seen* seen,                                    # OUT
) noexcept nogil:
    """Integrate the missing columns out of a mixture."""
    cdef Py_ssize_t d = columns.d, q = columns.q, m = d - q, size = matrix_size(layout, d), k, j
    cdef double constant = 0.5 * m * log(2 * M_PI), logs = 0, scale
    for k in range(K):
        for j in range(q):
            seen.centres[k * q + j] = centres[k * d + columns.order[j]]
        if k > 0 and is_pooled(layout):
            pass
        elif is_dense(layout):
            logs = split_factor(whiteners + k * size, columns, seen.whiteners + k * q * q,
                                seen.maps + k * m * d, seen.workspace)
        else:
            logs = 0
            for j in range(q if layout != SPHERICAL else 1):
                seen.whiteners[k * matrix_size(layout, q) + j] = (
                    whiteners[k * size + columns.order[j] * axis_stride(layout)])
            for j in range(m):
                scale = whiteners[k * size + columns.order[q + j] * axis_stride(layout)]
                logs += log(fabs(scale))
                seen.maps[k * m + j] = 1 / (scale * scale)
        seen.log_offset[k] = log_offset[k] + constant - logs


cdef inline void add_expanded(
    Layout layout, Py_ssize_t K, const Columns* columns, const Seen* seen,
    Moments* part,                                 # IN of the observed columns, OUT about the centres
    Moments* total,                                # IN, OUT of all columns, about the centres
) noexcept nogil:
    cdef Py_ssize_t d = columns.d, q = columns.q, m = d - q, k, j
    cdef double count = 0
    cdef double* step = seen.workspace
    for k in range(K):
        for j in range(q):
            step[j] = part.origins[k * q + j] - seen.centres[k * q + j]
        add_steps(layout, q, step, part.counts[k], part.first + k * q,
                  part.second + k * component_stride(layout, q))
        total.counts[k] += part.counts[k]
        for j in range(q):
            part.first[k * q + j] += part.counts[k] * step[j]
            total.first[k * d + columns.order[j]] += part.first[k * q + j]
        if is_dense(layout):
            add_mapped(columns, seen.maps + matrix_of(layout, k) * m * d, part.first + k * q, total.first + k * d)
        count = part.counts[k] + (count if is_pooled(layout) else 0)
        if is_pooled(layout) and k < K - 1:
            continue
        if is_dense(layout):
            expand_matrix(columns, seen.maps + matrix_of(layout, k) * m * d, count,
                          part.second + matrix_of(layout, k) * q * q, seen.workspace,
                          total.second + matrix_of(layout, k) * d * d)
        elif layout == SPHERICAL:
            total.second[k] += (q * part.second[k] + m * count * (seen.maps[k * m] if m > 0 else 0)) / d
        else:
            for j in range(q):
                total.second[k * d + columns.order[j]] += part.second[k * q + j]
            for j in range(m):
                total.second[k * d + columns.order[q + j]] += count * seen.maps[k * m + j]


cdef inline void add_steps(
    Layout layout, Py_ssize_t q, const double* step, double count, const double* first,        # IN
    double* second,                                # IN about an origin, OUT a step from it
) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef double total = 0
    if is_dense(layout):
        for i in range(q):
            for j in range(q):
                second[i * q + j] += first[i] * step[j] + step[i] * first[j] + count * step[i] * step[j]
        return
    for j in range(q):
        if layout == SPHERICAL:
            total += (2 * first[j] + count * step[j]) * step[j]
        else:
            second[j] += (2 * first[j] + count * step[j]) * step[j]
    if layout == SPHERICAL:
        second[0] += total / q


cdef inline void add_mapped(
    const Columns* columns, const double* slopes, const double* first,         # IN (m, q), (q,)
    double* total,                                 # IN, OUT (d,)
) noexcept nogil:
    cdef Py_ssize_t q = columns.q, i, j
    for i in range(columns.d - q):
        for j in range(q):
            total[columns.order[q + i]] += slopes[i * q + j] * first[j]


cdef inline void expand_matrix(
    const Columns* columns, const double* maps, double count, const double* second,    # IN second (q, q)
    double* products,                              # scratch (m, q)
    double* total,                                 # IN, OUT (d, d)
) noexcept nogil:
    """Add S, B S and its transpose, and B S Bᵀ + n R_mm⁻¹ R_mm⁻ᵀ to the entries of a matrix."""
    cdef Py_ssize_t d = columns.d, q = columns.q, m = d - q, i, j, r
    cdef const double* root = maps + m * q
    cdef const int* missing = columns.order + q
    cdef double sum_
    for i in range(q):
        for j in range(q):
            total[columns.order[i] * d + columns.order[j]] += second[i * q + j]
    for i in range(m):
        for j in range(q):
            sum_ = 0
            for r in range(q):
                sum_ += maps[i * q + r] * second[j * q + r]
            products[i * q + j] = sum_
            total[missing[i] * d + columns.order[j]] += sum_
            total[columns.order[j] * d + missing[i]] += sum_
    for i in range(m):
        for j in range(i + 1):
            sum_ = 0
            for r in range(q):
                sum_ += products[i * q + r] * maps[j * q + r]
            for r in range(i, m):
                sum_ += count * root[i * m + r] * root[j * m + r]
            total[missing[i] * d + missing[j]] += sum_
            if i != j:
                total[missing[j] * d + missing[i]] += sum_


# ------------------------------------------------------------------------------------------- errors

cdef inline Py_ssize_t true_size(Layout of_rows, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    """Doubles of `true_in`."""
    return K * (1 + matrix_size(of_rows, d))


cdef inline TrueMixture true_in(double* buffer, Py_ssize_t K) noexcept nogil:
    cdef TrueMixture mixture
    mixture.log_weights, mixture.covariances = buffer, buffer + K
    return mixture


cdef inline void find_true(
    Layout layout, Layout of_rows, Py_ssize_t K, Py_ssize_t d, const double* log_offset, const double* whiteners,  # IN
    double* workspace,                             # scratch (d, d)
    TrueMixture* mixture,                          # OUT
) noexcept nogil:
    cdef Py_ssize_t size = matrix_size(of_rows, d), k, i, j, r
    cdef const double* w
    cdef double* v
    cdef double scale, total
    for k in range(K):
        w, v = whiteners + k * component_stride(layout, d), mixture.covariances + k * size
        mixture.log_weights[k] = log_offset[k]
        if is_dense(layout):
            for j in range(d):                     # W⁻¹, column by column
                for i in range(d):
                    total = 1 if i == j else 0
                    for r in range(j, i):
                        total -= w[i * d + r] * workspace[r * d + j]
                    workspace[i * d + j] = total / w[i * d + i] if i >= j else 0
                mixture.log_weights[k] -= log(fabs(w[j * d + j]))
            for i in range(d):
                for j in range(i + 1):
                    total = 0
                    for r in range(j + 1):
                        total += workspace[i * d + r] * workspace[j * d + r]
                    v[i * d + j] = v[j * d + i] = total
            continue
        memset(v, 0, size * sizeof(double))
        for j in range(d):
            scale = w[j * axis_stride(layout)]
            mixture.log_weights[k] -= log(fabs(scale))
            v[j * (d + 1) if is_dense(of_rows) else j] = 1 / (scale * scale)


cdef inline void see_blurred(
    Layout of_rows, Py_ssize_t K, const Columns* columns, const double* centres, const TrueMixture* mixture,
    const double* error,                           # (d, d) or (d,) of all columns; NULL: each row has its own
    Seen* seen,                                    # OUT where each has its own, V as triangles for whiteners; no maps
) noexcept nogil:
    """Add the errors of rows to the covariances of their columns."""
    cdef Py_ssize_t d = columns.d, q = columns.q, size = matrix_size(of_rows, d), of_seen = matrix_size(of_rows, q)
    cdef Py_ssize_t i, j, k, r
    cdef double constant = 0.5 * (d - q) * log(2 * M_PI), log_determinant = 0, total
    cdef const double* v
    cdef double* u
    cdef double* g
    cdef const int* order = columns.order
    for k in range(K):
        v, u, g = mixture.covariances + k * size, seen.whiteners + k * of_seen, seen.maps + k * q * (size // d)
        for j in range(q):
            seen.centres[k * q + j] = centres[k * d + order[j]]
        if error == NULL:
            seen.log_offset[k] = mixture.log_weights[k] + constant
            u = seen.whiteners + k * (q * (q + 1) // 2 if is_dense(of_rows) else q)
            for i in range(q):
                if not is_dense(of_rows):
                    u[i] = v[order[i]]
                    continue
                for j in range(i + 1):
                    u[i * (i + 1) // 2 + j] = v[order[i] * d + order[j]]
            continue
        for i in range(q):
            if not is_dense(of_rows):
                seen.workspace[i] = v[order[i]] + error[order[i]]
                continue
            for j in range(q):
                seen.workspace[i * q + j] = v[order[i] * d + order[j]] + error[order[i] * d + order[j]]
        whiten(of_rows, 1, q, seen.workspace, u, &log_determinant)
        seen.log_offset[k] = mixture.log_weights[k] + constant + log_determinant
        if not is_dense(of_rows):
            for j in range(q):
                g[j] = v[order[j]] * u[j]
            continue
        for i in range(d):
            for j in range(q):
                total = 0
                for r in range(j + 1):
                    total += v[i * d + order[r]] * u[j * q + r]
                g[i * q + j] = total


cdef inline void add_deconvolved(
    Layout of_rows, Py_ssize_t K, const Columns* columns, const Seen* seen, const TrueMixture* mixture,
    bint each,                                     # whether rows have their own errors, and `part` the sums for G = V
    Moments* part,                                 # IN of the observed columns, OUT scratch
    Moments* total,                                # IN, OUT of all columns, about the centres, but for n V: `add_true`
) noexcept nogil:
    cdef Py_ssize_t d = columns.d, q = columns.q, size = matrix_size(of_rows, d), of_seen = matrix_size(of_rows, q)
    cdef Py_ssize_t i, j, k, r
    cdef const int* order = columns.order
    cdef const double* u
    cdef const double* g
    cdef double* f
    cdef double* m
    cdef double* step = seen.workspace
    cdef double* products = seen.workspace + d * d
    cdef double sum_
    for k in range(K):
        u, g = seen.whiteners + k * of_seen, seen.maps + k * q * (size // d)
        f, m = part.first + k * q, part.second + k * of_seen
        if not each:                               # Σ r z and Σ r (z zᵀ − 1)
            for j in range(q):
                step[j] = part.origins[k * q + j] - seen.centres[k * q + j]
            add_steps(of_rows, q, step, part.counts[k], f, m)
            for j in range(q):
                f[j] += part.counts[k] * step[j]
            whiten_moments(of_rows, q, u, part.counts[k], products, f, m)
        total.counts[k] += part.counts[k]
        if not is_dense(of_rows):
            for j in range(q):
                i = order[j]
                sum_ = mixture.covariances[k * d + i] if each else g[j]
                total.first[k * d + i] += sum_ * f[j]
                total.second[k * d + i] += sum_ * (sum_ * m[j])        # the square of a variance may overflow
            continue
        for i in range(d):                         # G, (d, q), and G m
            for j in range(q):
                step[i * q + j] = mixture.covariances[k * size + i * d + order[j]] if each else g[i * q + j]
        for i in range(d):
            for j in range(q):
                total.first[k * d + i] += step[i * q + j] * f[j]
                sum_ = 0
                for r in range(q):
                    sum_ += step[i * q + r] * m[r * q + j]
                products[i * q + j] = sum_
        for i in range(d):
            for j in range(i + 1):
                sum_ = 0
                for r in range(q):
                    sum_ += products[i * q + r] * step[j * q + r]
                total.second[k * size + i * d + j] += sum_
                if i != j:
                    total.second[k * size + j * d + i] += sum_


cdef inline void whiten_moments(
    Layout of_rows, Py_ssize_t q, const double* u, double count,               # IN U (q, q) or (q,)
    double* workspace,                             # scratch (q, q)
    double* first, double* second,                 # IN, OUT U f, U S Uᵀ − n
) noexcept nogil:
    cdef Py_ssize_t i, j, r
    cdef double total
    if not is_dense(of_rows):
        for j in range(q):
            first[j] *= u[j]
            second[j] = u[j] * u[j] * second[j] - count
        return
    for i in range(q - 1, -1, -1):
        total = 0
        for j in range(i + 1):
            total += u[i * q + j] * first[j]
        first[i] = total
    for i in range(q):
        for j in range(q):
            total = 0
            for r in range(i + 1):
                total += u[i * q + r] * second[r * q + j]
            workspace[i * q + j] = total
    for i in range(q):
        for j in range(i + 1):
            total = 0
            for r in range(j + 1):
                total += workspace[i * q + r] * u[j * q + r]
            second[i * q + j] = second[j * q + i] = total - (count if i == j else 0)


cdef inline void add_true(
    Layout of_rows, Py_ssize_t K, Py_ssize_t d, const TrueMixture* mixture, Moments* total,    # IN, OUT
) noexcept nogil:
    """Add n V, once patterns have been added."""
    cdef Py_ssize_t size = matrix_size(of_rows, d), k, i
    for k in range(K):
        for i in range(size):
            total.second[k * size + i] += total.counts[k] * mixture.covariances[k * size + i]


cdef inline void reduce_second(
    Layout layout, Layout into, Py_ssize_t K, Py_ssize_t d,
    const double* second,                          # IN of a full or a diagonal layout
    double* out,                                   # OUT in one of fewer numbers
) noexcept nogil:
    cdef Py_ssize_t size = matrix_size(layout, d), i, k
    cdef double total
    if layout == into:
        memcpy(out, second, total_size(into, K, d) * sizeof(double))
        return
    memset(out, 0, total_size(into, K, d) * sizeof(double))
    for k in range(K):
        total = 0
        for i in range(d):
            total += second[k * size + (i * (d + 1) if is_dense(layout) else i)]
            if into == DIAGONAL:
                out[k * d + i] = second[k * size + i * (d + 1)]
        if into == SPHERICAL:
            out[k] = total / d
        for i in range(size if is_pooled(into) else 0):
            out[i] += second[k * size + i]
