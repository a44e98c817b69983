/* Score rows from C: labels, log-likelihoods, responsibilities and log joint densities in one call. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>

#include "gmm_api.h"

/* score(frozen, rows, labels, log_likelihood, responsibilities, log_joint): the arguments behind `frozen` are
 * contiguous, of doubles, and labels of intp. */
static PyObject *score(PyObject *module, PyObject *args)
{
    PyObject *frozen;
    Py_buffer view[5];
    const gmm_mixture *mixture;
    ptrdiff_t n, d, K, broken = 0;
    void *scratch = NULL;
    (void)module;
    if (!PyArg_ParseTuple(args, "Oy*w*w*w*w*", &frozen, view, view + 1, view + 2, view + 3, view + 4)) return NULL;
    mixture = gmm_open(frozen); /* alive as long as `frozen` */
    if (mixture) {
        d = gmm_n_features(mixture), K = gmm_n_components(mixture);
        n = view[0].len / (ptrdiff_t)sizeof(double) / d;
        if (view[1].len != n * (ptrdiff_t)sizeof(ptrdiff_t) || view[2].len != n * (ptrdiff_t)sizeof(double) ||
            view[3].len != n * K * (ptrdiff_t)sizeof(double) || view[4].len != view[3].len)
            PyErr_SetString(PyExc_ValueError, "expected results of n, n, n K and n K numbers");
        else if (!(scratch = malloc(gmm_scratch_size(mixture, n)))) /* each thread has its own */
            PyErr_NoMemory();
        else {
            Py_BEGIN_ALLOW_THREADS
            broken = gmm_score(mixture, view[0].buf, n, view[1].buf, view[2].buf, view[3].buf, view[4].buf, scratch);
            Py_END_ALLOW_THREADS
        }
    }
    free(scratch);
    for (int i = 0; i < 5; i++) PyBuffer_Release(view + i);
    return PyErr_Occurred() ? NULL : PyLong_FromSsize_t(broken);
}

static PyMethodDef methods[] = {{"score", score, METH_VARARGS, "Score rows; return how many were not finite."}, {0}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "from_c", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_from_c(void)
{
    if (gmm_import() < 0) return NULL;
    return PyModule_Create(&definition);
}
