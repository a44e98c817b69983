"""Score rows under a `FrozenMixture` from Cython, without the GIL; `gmm_api.h` describes each function.

Add `gmm.get_include()` to the extension's include_dirs, and call `gmm_import()` once in the module.
"""

cdef extern from "gmm_api.h":
    ctypedef struct gmm_mixture:
        pass
    int gmm_import() except -1
    const gmm_mixture* gmm_open(object frozen) except NULL

cdef extern from "gmm_api.h" nogil:
    Py_ssize_t gmm_n_components(const gmm_mixture* mixture)
    Py_ssize_t gmm_n_features(const gmm_mixture* mixture)
    size_t gmm_scratch_size(const gmm_mixture* mixture, Py_ssize_t n_rows)
    Py_ssize_t gmm_score(
        const gmm_mixture* mixture, const double* rows, Py_ssize_t n_rows, Py_ssize_t* labels,
        double* log_likelihood, double* responsibilities, double* log_joint, void* scratch,
    )
    Py_ssize_t gmm_score_float(
        const gmm_mixture* mixture, const float* rows, Py_ssize_t n_rows, Py_ssize_t* labels,
        float* log_likelihood, float* responsibilities, float* log_joint, void* scratch,
    )
