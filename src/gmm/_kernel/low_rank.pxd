"""One update of covariances Λ Λᵀ + Ψ in the low-rank layout, from moments that hold no d × d matrix.

It is a step of EM whose factors are free normal variables, u ~ N(a, R), until the end (McLachlan, Peel and Bean 2003;
Liu, Rubin and Wu 1998): Λ ← Cov(x, u) R⁻¹ R^½, and Ψ what is left.  With B = A Ψ^-½ of the mixture before, whose pass
gave C = S / n as its diagonal and B C, the factors y = B (x − μ) have R = Q = I + B C Bᵀ.  As R^½ may be turned,

    Q = N Nᵀ,   Λᵀ = N⁻¹ B C,   ψ = diag C − Σ Λ².

An inverse-gamma prior on each ψ adds rows to it, with their variance; no ψ goes below its least value.
"""
from libc.math cimport isfinite, sqrt
from libc.string cimport memcpy, memset

from gmm._kernel.cholesky cimport invert_dense
from gmm._kernel.family cimport NoisePrior
from gmm._kernel.whitener cimport whiten_low_rank

cdef inline Py_ssize_t low_rank_workspace_size(Py_ssize_t K, Py_ssize_t d, Py_ssize_t q) noexcept nogil:
    """In doubles, whatever the number of components."""
    return (1 + q) * d + q * q


cdef inline void set_projection(
    Py_ssize_t q, Py_ssize_t d, const double* covariance,      # IN [ψ, Λᵀ], or NULL for no factors
    double* out,                                   # OUT [ψ^-½, B], or [0, 0]
) noexcept nogil:
    cdef Py_ssize_t i, j
    if covariance == NULL:
        memset(out, 0, (1 + q) * d * sizeof(double))
        return
    memcpy(out, covariance, (1 + q) * d * sizeof(double))
    whiten_low_rank(q, d, covariance, out)
    for i in range(1, 1 + q):
        for j in range(d):
            out[i * d + j] *= out[j]


cdef inline double product(const double* a, const double* b, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    cdef double[4] sums
    sums[0] = sums[1] = sums[2] = sums[3] = 0
    for j in range(0, n - 3, 4):                   # four sums: one would wait for each addition
        sums[0] += a[j] * b[j]
        sums[1] += a[j + 1] * b[j + 1]
        sums[2] += a[j + 2] * b[j + 2]
        sums[3] += a[j + 3] * b[j + 3]
    for j in range(n // 4 * 4, n):
        sums[0] += a[j] * b[j]
    return (sums[0] + sums[1]) + (sums[2] + sums[3])


cdef inline void add_outer_low_rank(
    Py_ssize_t q, Py_ssize_t d, double factor, const double* a, const double* b,       # IN (d,)
    const double* projection,                      # IN as `set_projection` writes it
    double* moments,                               # IN, OUT += factor [a b, B a bᵀ]
) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef double along
    for j in range(d):
        moments[j] += factor * a[j] * b[j]
    for i in range(1, 1 + q):
        along = factor * product(projection + i * d, a, d)
        for j in range(d):
            moments[i * d + j] += along * b[j]


cdef inline void divide_low_rank(
    Py_ssize_t q, Py_ssize_t d, double count, double ridge,
    const double* projection,                      # IN
    double* moments,                               # IN, OUT / count + ridge [1, B]
) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(d):
        moments[j] = (0 if moments[j] < 0 else moments[j]) / count + ridge      # rounding leaves less than 0
    for j in range(d, (1 + q) * d):
        moments[j] = moments[j] / count + ridge * projection[j]


cdef inline void first_factors(Py_ssize_t q, Py_ssize_t d, double* matrix) noexcept nogil:
    """Turn a diagonal into [ψ, Λᵀ] with the same variances, half of noise and half of loadings by chance."""
    cdef Py_ssize_t i, j
    cdef unsigned int state = 1
    cdef double total
    for j in range(d):
        total = 0
        for i in range(1, 1 + q):
            state = 1664525u * state + 1013904223u             # Numerical Recipes' generator
            matrix[i * d + j] = state / 2147483648. - 1
            total += matrix[i * d + j] * matrix[i * d + j]
        for i in range(1, 1 + q):
            matrix[i * d + j] *= sqrt(matrix[j] / 2 / total)
        matrix[j] /= 2


cdef inline bint next_factors(
    Py_ssize_t q, Py_ssize_t d, const double* previous,        # IN
    double* matrix,                                # IN [diag C, B C], OUT [diag C − Σ Λ², Λᵀ]
    double* workspace,
) noexcept nogil:
    """Return whether all numbers were finite."""
    cdef Py_ssize_t i, j, p
    cdef double* projection = workspace
    cdef double* square = workspace + (1 + q) * d  # (q, q) Q, then N⁻¹
    cdef double* row
    set_projection(q, d, previous, projection)
    for i in range(q):
        for j in range(i + 1):
            square[i * q + j] = product(matrix + (1 + i) * d, projection + (1 + j) * d, d) + (1 if i == j else 0)
    if not isfinite(invert_dense(square, q)):
        return False
    for i in range(q - 1, -1, -1):                 # the last first: a row needs those before it
        row = matrix + (1 + i) * d
        for p in range(d):
            row[p] *= square[i * q + i]
        for j in range(i):
            for p in range(d):
                row[p] += square[i * q + j] * matrix[(1 + j) * d + p]
        for p in range(d):
            matrix[p] -= row[p] * row[p]
    return True


cdef inline void bound_noise(
    bint isotropic, Py_ssize_t d, Py_ssize_t q, double least, double count, const NoisePrior* prior,
    double* matrix,                                # IN [ψ, Λᵀ], OUT with the prior's rows in ψ, and none too small
    double* smallest,                              # (d,) scratch
) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef double mean = 0, mean_smallest = 0
    for j in range(d):
        smallest[j] = matrix[j]
        for i in range(1, 1 + q):
            smallest[j] += matrix[i * d + j] * matrix[i * d + j]
        smallest[j] = max(least, 1e-8 * smallest[j])           # as in `factors.pxd`
        if prior.rows > 0:
            matrix[j] = (count * matrix[j] + prior.scale[j]) / (count + prior.rows)
        mean += matrix[j] / d
        mean_smallest += smallest[j] / d
    for j in range(d):
        matrix[j] = max(mean, mean_smallest) if isotropic else max(matrix[j], smallest[j])


cdef inline bint solve_low_rank(                   # the table of constraints names it
    bint isotropic, Py_ssize_t d, Py_ssize_t q, double least, double count, const NoisePrior* prior,
    const double* previous,
    double* matrix,                                # IN [diag C, B C], OUT [ψ, Λᵀ]
    double* workspace,
) noexcept nogil:
    if previous == NULL:
        first_factors(q, d, matrix)
    elif not next_factors(q, d, previous, matrix, workspace):
        return False
    bound_noise(isotropic, d, q, least, count, prior, matrix, workspace)
    return True
