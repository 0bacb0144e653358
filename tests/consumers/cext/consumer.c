/* An extension module that calls the core of the installed fastgmmmi: no copy of it, and nothing to link. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define FASTGMMMI_IMPORT
#include "fastgmmmi.h"

/* mutual_information(x, y, seed, n_bootstrap) -> (value, standard_error), x and y being contiguous buffers of doubles. */
static PyObject *mutual_information(PyObject *module, PyObject *arguments) {
    Py_buffer x, y;
    unsigned long long seed;
    int n_bootstrap;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*y*Ki", &x, &y, &seed, &n_bootstrap)) return NULL;
    int64_t n = (x.len < y.len ? x.len : y.len) / (Py_ssize_t)sizeof(double);
    int status;
    fgm_result result = {.size = sizeof result};
    fgm_options options;
    fgm_options_init(&options);
    options.n_bootstrap = n_bootstrap;
    Py_BEGIN_ALLOW_THREADS status = fgm_mutual_information(x.buf, y.buf, n, 1, 1, NULL, &options, seed, &result);
    Py_END_ALLOW_THREADS PyBuffer_Release(&x);
    PyBuffer_Release(&y);
    if (status != FGM_OK) return PyErr_Format(PyExc_ValueError, "mutual_information: %s", fgm_strerror(status));
    return Py_BuildValue("dd", result.value, result.standard_error);
}

static PyMethodDef methods[] = {{"mutual_information", mutual_information, METH_VARARGS, "Value and standard error."}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "consumer", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_consumer(void) {
    if (fastgmmmi_import() < 0) return NULL;
    PyObject *module = PyModule_Create(&definition);
#ifdef Py_GIL_DISABLED
    if (module) PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED); /* all functions of the core are thread-safe */
#endif
    return module;
}
