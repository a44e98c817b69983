"""Score rows one by one, as a service would, from Cython."""
from libc.stdlib cimport free, malloc

from gmm.api cimport gmm_import, gmm_mixture, gmm_n_components, gmm_n_features, gmm_open, gmm_score, gmm_scratch_size

gmm_import()


def responsibilities(frozen, const double[:, ::1] rows, double[:, ::1] out):
    """Write the responsibilities (n, K) of the rows (n, d); return how many rows were not finite."""
    cdef const gmm_mixture* mixture = gmm_open(frozen)     # alive as long as `frozen`
    cdef Py_ssize_t n = rows.shape[0], n_broken = 0, i
    cdef void* scratch
    if rows.shape[1] != gmm_n_features(mixture) or out.shape[0] != n or out.shape[1] != gmm_n_components(mixture):
        raise ValueError("expected rows (n, d) and out (n, K)")
    scratch = malloc(gmm_scratch_size(mixture, 1))         # each thread has its own
    if scratch == NULL:
        raise MemoryError
    with nogil:
        for i in range(n):
            n_broken += gmm_score(mixture, &rows[i, 0], 1, NULL, NULL, &out[i, 0], NULL, scratch)
    free(scratch)
    return n_broken
