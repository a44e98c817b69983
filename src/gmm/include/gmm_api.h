/* Score rows under a `gmm.FrozenMixture` from compiled code, without the GIL: the page "In production".
 *
 * Call `gmm_import` once in each source file that includes this, with the GIL, before anything else. It returns 0, or
 * -1 with a Python exception set. The compiler finds this file in `gmm.get_include()`; nothing is linked.
 */
#ifndef GMM_API_H
#define GMM_API_H

#include <Python.h>
#include <stddef.h>

#define GMM_API_VERSION 1

typedef struct gmm_mixture gmm_mixture;

/* What the package hands out. Later versions add functions at the end. */
typedef struct {
    int version;
    const gmm_mixture *(*open)(PyObject *);
    ptrdiff_t (*n_components)(const gmm_mixture *);
    ptrdiff_t (*n_features)(const gmm_mixture *);
    size_t (*scratch_size)(const gmm_mixture *, ptrdiff_t);
    ptrdiff_t (*score)(const gmm_mixture *, const double *, ptrdiff_t, ptrdiff_t *, double *, double *, double *, void *);
    ptrdiff_t (*score_float)(const gmm_mixture *, const float *, ptrdiff_t, ptrdiff_t *, float *, float *, float *,
                             void *);
} gmm_api;

static const gmm_api *gmm_functions;

static inline int gmm_import(void)
{
    PyObject *package = PyImport_ImportModule("gmm");
    if (!package) return -1;
    Py_DECREF(package);
    gmm_functions = (const gmm_api *)PyCapsule_Import("gmm._frozen.api", 0);
    if (!gmm_functions) return -1;
    if (gmm_functions->version >= GMM_API_VERSION) return 0;
    PyErr_Format(PyExc_ImportError, "compiled against version %d of gmm's API, but the installed gmm has version %d",
                 GMM_API_VERSION, gmm_functions->version);
    return -1;
}

/* The mixture in a `gmm.FrozenMixture`, which lives as long as that object; NULL with TypeError set for another object.
 * Needs the GIL, as no function below does. */
static inline const gmm_mixture *gmm_open(PyObject *frozen) { return gmm_functions->open(frozen); }

/* K */
static inline ptrdiff_t gmm_n_components(const gmm_mixture *mixture) { return gmm_functions->n_components(mixture); }

/* d */
static inline ptrdiff_t gmm_n_features(const gmm_mixture *mixture) { return gmm_functions->n_features(mixture); }

/* Bytes of scratch for calls with up to so many rows; it stops growing at some hundred rows. */
static inline size_t gmm_scratch_size(const gmm_mixture *mixture, ptrdiff_t n_rows)
{
    return gmm_functions->scratch_size(mixture, n_rows);
}

/* Score rows (n, d), one behind the other. Of the results, each NULL where it is not wanted, labels and log_likelihood
 * are (n), responsibilities and log_joint (n, K). A row of noise gets the label -1. A row that is not finite gets
 * the label -1 and NaN; the number of such rows is returned. Threads may share the mixture, and each needs a scratch of its own. */
static inline ptrdiff_t gmm_score(const gmm_mixture *mixture, const double *rows, ptrdiff_t n_rows, ptrdiff_t *labels,
                                  double *log_likelihood, double *responsibilities, double *log_joint, void *scratch)
{
    return gmm_functions->score(mixture, rows, n_rows, labels, log_likelihood, responsibilities, log_joint, scratch);
}

/* The same in float32, which computes in float32 where that is exact enough. */
static inline ptrdiff_t gmm_score_float(const gmm_mixture *mixture, const float *rows, ptrdiff_t n_rows,
                                        ptrdiff_t *labels, float *log_likelihood, float *responsibilities,
                                        float *log_joint, void *scratch)
{
    return gmm_functions->score_float(mixture, rows, n_rows, labels, log_likelihood, responsibilities, log_joint,
                                      scratch);
}

#endif
