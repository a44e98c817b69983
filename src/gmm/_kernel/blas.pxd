"""BLAS and LAPACK calls for row-major arrays.

The libraries are column-major: they see a row-major array as its transpose, so every call swaps its operands.  ``ld``
is the distance between two rows.  BLAS integers are used here and nowhere else.
"""
from scipy.linalg.cython_blas cimport dgemm, dtrmm, sgemm, strmm
from scipy.linalg.cython_lapack cimport dpotrf, dsyevd, dtrtri

ctypedef fused real:
    float
    double


cdef inline void multiply(
    const real* a, Py_ssize_t ld_a,      # IN  (m, k)
    const real* b, Py_ssize_t ld_b,      # IN  (k, n)
    real* c, Py_ssize_t ld_c,            # OUT (m, n) = a b
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    cdef int rows = <int>m, columns = <int>n, inner = <int>k
    cdef int lda = <int>ld_a, ldb = <int>ld_b, ldc = <int>ld_c
    cdef real one = 1, zero = 0
    if real is float:
        sgemm(b"N", b"N", &columns, &rows, &inner, &one, <float*>b, &ldb, <float*>a, &lda,
              &zero, c, &ldc)
    else:
        dgemm(b"N", b"N", &columns, &rows, &inner, &one, <double*>b, &ldb, <double*>a, &lda,
              &zero, c, &ldc)


cdef inline void multiply_transposed(
    const real* a, Py_ssize_t ld_a,      # IN  (m, k)
    const real* b, Py_ssize_t ld_b,      # IN  (n, k)
    real* c, Py_ssize_t ld_c,            # IN, OUT (m, n) = keep c + a bᵀ
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    real keep,
) noexcept nogil:
    cdef int rows = <int>m, columns = <int>n, inner = <int>k
    cdef int lda = <int>ld_a, ldb = <int>ld_b, ldc = <int>ld_c
    cdef real one = 1
    if real is float:
        sgemm(b"T", b"N", &columns, &rows, &inner, &one, <float*>b, &ldb, <float*>a, &lda,
              &keep, c, &ldc)
    else:
        dgemm(b"T", b"N", &columns, &rows, &inner, &one, <double*>b, &ldb, <double*>a, &lda,
              &keep, c, &ldc)


cdef inline void multiply_first_transposed(
    const double* a, Py_ssize_t ld_a,    # IN  (k, m)
    const double* b, Py_ssize_t ld_b,    # IN  (k, n)
    double* c, Py_ssize_t ld_c,          # OUT (m, n) = aᵀ b
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
) noexcept nogil:
    cdef int rows = <int>m, columns = <int>n, inner = <int>k
    cdef int lda = <int>ld_a, ldb = <int>ld_b, ldc = <int>ld_c
    cdef double one = 1, zero = 0
    dgemm(b"N", b"T", &columns, &rows, &inner, &one, <double*>b, &ldb, <double*>a, &lda, &zero, c, &ldc)


cdef inline void multiply_by_lower(
    const real* triangle,                # IN (m, m), lower; nothing above the diagonal is read
    real* b, Py_ssize_t ld_b,            # IN, OUT (m, n) = triangle b
    Py_ssize_t m, Py_ssize_t n,
) noexcept nogil:
    cdef int order = <int>m, columns = <int>n, ldb = <int>ld_b
    cdef real one = 1
    if real is float:
        strmm(b"R", b"U", b"N", b"N", &columns, &order, &one, <float*>triangle, &order, b, &ldb)
    else:
        dtrmm(b"R", b"U", b"N", b"N", &columns, &order, &one, <double*>triangle, &order, b, &ldb)


cdef inline void invert_lower(
    double* matrix,                      # IN, OUT (m, m), lower, no zero on the diagonal; nothing above it is read
    Py_ssize_t m,
) noexcept nogil:
    cdef int order = <int>m, info = 0
    dtrtri(b"U", b"N", &order, matrix, &order, &info)


cdef inline bint invert_cholesky(
    double* matrix,                      # IN, OUT (m, m), lower: A, then L⁻¹ where A = L Lᵀ
    Py_ssize_t m,
) noexcept nogil:
    """Return whether A was positive definite; ``matrix`` is undefined where it was not."""
    cdef int order = <int>m, info = 0
    dpotrf(b"U", &order, matrix, &order, &info)
    if info == 0:
        invert_lower(matrix, m)
    return info == 0


cdef inline Py_ssize_t eigenvectors_workspace_size(Py_ssize_t m) noexcept nogil:
    """Doubles of scratch: LAPACK's work, and its integers."""
    return 1 + 6 * m + 2 * m * m + 3 + 5 * m


cdef inline bint eigenvectors(
    double* matrix,                      # IN (m, m), symmetric, OUT a unit eigenvector in each row
    double* values,                      # OUT (m,), ascending
    Py_ssize_t m,
    double* workspace,                   # scratch: see `eigenvectors_workspace_size`
) noexcept nogil:
    """Return whether LAPACK converged."""
    cdef int order = <int>m, n_doubles = 1 + 6 * order + 2 * order * order, n_integers = 3 + 5 * order, info = 0
    dsyevd(b"V", b"U", &order, matrix, &order, values, workspace, &n_doubles, <int*>(workspace + n_doubles),
           &n_integers, &info)
    return info == 0
