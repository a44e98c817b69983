"""Densities and scores of rows that each have an error covariance of their own, by `deconvolve.h`."""

cdef extern from "deconvolve.h" nogil:
    enum:
        ERRORS_LANES
    ctypedef struct errors_functions:
        void (*density)(const double*, const double*, Py_ssize_t, Py_ssize_t, int, const double*, const double*,
                        double, double*, double*) noexcept nogil
        void (*scores)(const double*, const double*, Py_ssize_t, Py_ssize_t, int, const double*, const double*,
                       const double*, double*, double*) noexcept nogil
        void (*normalise)(double*, Py_ssize_t, Py_ssize_t, double, double*) noexcept nogil
    const errors_functions* const errors_sets[]

import numpy as np

from gmm._kernel.tiles import kernel

LANES = ERRORS_LANES
_SETS = {"avx2": 1, "avx512": 2}


def _work(Py_ssize_t d, Py_ssize_t p):
    """Room for a matrix, four vectors and the sums of the rows of a vector."""
    return np.empty(ERRORS_LANES * (d * (d + 1) // 2 + 5 * d + p) + 8)


def log_densities(const double[:, ::1] rows, const double[:, ::1] errors, const double[:, ::1] centres,
                  const double[:, ::1] covariances, const double[::1] offsets):
    """Return log ρ, (K, n), of rows (d, n) with errors (p, n) under covariances (K, p).

    Matrices are lower triangles row by row, or variances alone; n is a multiple of `LANES`.
    """
    cdef Py_ssize_t d = rows.shape[0], n = rows.shape[1], p = errors.shape[0], K = centres.shape[0], k
    _check(rows, errors, centres, covariances)
    if offsets.shape[0] != K:
        raise ValueError(f"expected {K} offsets, got {offsets.shape[0]}")
    result = np.empty((K, n))
    cdef double[:, ::1] out = result
    cdef double[::1] work = _work(d, p)
    cdef const errors_functions* functions = errors_sets[<Py_ssize_t>_SETS.get(kernel(), 0)]
    if n == 0:
        return result
    with nogil:
        for k in range(K):
            functions.density(&rows[0, 0], &errors[0, 0], n, d, p == d, &centres[k, 0], &covariances[k, 0],
                              offsets[k], &out[k, 0], &work[0])
    return result


def scores(const double[:, ::1] rows, const double[:, ::1] errors, const double[:, ::1] centres,
           const double[:, ::1] covariances, const double[:, ::1] responsibilities):
    """Return Σ r w and Σ r (w wᵀ − T⁻¹), (K, d + p), with T = V + S and w = T⁻¹ (x − c), for given r (K, n)."""
    cdef Py_ssize_t d = rows.shape[0], n = rows.shape[1], p = errors.shape[0], K = centres.shape[0], k
    _check(rows, errors, centres, covariances)
    if responsibilities.shape[0] != K or responsibilities.shape[1] != n:
        raise ValueError(f"expected responsibilities ({K}, {n})")
    result = np.zeros((K, d + p))
    cdef double[:, ::1] sums = result
    cdef double[::1] work = _work(d, p)
    cdef const errors_functions* functions = errors_sets[<Py_ssize_t>_SETS.get(kernel(), 0)]
    if n == 0:
        return result
    with nogil:
        for k in range(K):
            functions.scores(&rows[0, 0], &errors[0, 0], n, d, p == d, &centres[k, 0], &covariances[k, 0],
                             &responsibilities[k, 0], &sums[k, 0], &work[0])
    return result


def normalise(double[:, ::1] log_joint, double log_noise):
    """Make responsibilities of joint log densities, (K, n), in their place; return the log evidence of the rows, (n,).

    Noise has the same density everywhere, −∞ for none. Shares below 1e-18 are 0.
    """
    cdef Py_ssize_t n = log_joint.shape[1], K = log_joint.shape[0]
    cdef const errors_functions* functions = errors_sets[<Py_ssize_t>_SETS.get(kernel(), 0)]
    result = np.empty(n)
    cdef double[::1] evidence = result
    if n % ERRORS_LANES:
        raise ValueError(f"expected a multiple of {ERRORS_LANES} rows, got {n}")
    if n:
        with nogil:
            functions.normalise(&log_joint[0, 0], n, K, log_noise, &evidence[0])
    return result


cdef object _check(const double[:, ::1] rows, const double[:, ::1] errors, const double[:, ::1] centres,
                   const double[:, ::1] covariances):
    cdef Py_ssize_t d = rows.shape[0], p = errors.shape[0]
    if (rows.shape[1] % ERRORS_LANES or errors.shape[1] != rows.shape[1] or p not in (d, d * (d + 1) // 2)
            or centres.shape[1] != d or covariances.shape[1] != p or covariances.shape[0] != centres.shape[0]):
        raise ValueError("expected rows (d, n), errors (p, n), centres (K, d) and covariances (K, p), n a multiple of "
                         f"{ERRORS_LANES}")
