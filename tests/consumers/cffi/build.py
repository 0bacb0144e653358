"""Build the module _consumer: cffi compiles a few lines of C that call the core of the installed fastgmmmi."""

import cffi

import fastgmmmi

builder = cffi.FFI()
builder.cdef("""
    int connect(void);
    int mutual_information(const double *x, const double *y, int64_t n, int32_t dx, int32_t dy,
                           uint64_t seed, int32_t n_bootstrap, double *value, double *standard_error);
    const char *describe(int status);
""")
builder.set_source(
    "_consumer",
    """
    #include <Python.h>
    #define FASTGMMMI_IMPORT
    #include "fastgmmmi.h"

    /* cffi calls without the GIL, and fastgmmmi_import needs it. */
    static int connect(void) {
        PyGILState_STATE state = PyGILState_Ensure();
        int status = fastgmmmi_import();
        if (status < 0) PyErr_Print();
        PyGILState_Release(state);
        return status;
    }

    static int mutual_information(const double *x, const double *y, int64_t n, int32_t dx, int32_t dy,
                                  uint64_t seed, int32_t n_bootstrap, double *value, double *standard_error) {
        fgm_options options;
        fgm_options_init(&options);
        options.n_bootstrap = n_bootstrap;
        fgm_result result = {sizeof result};
        int status = fgm_mutual_information(x, y, n, dx, dy, NULL, &options, seed, &result);
        *value = result.value;
        *standard_error = result.standard_error;
        return status;
    }

    static const char *describe(int status) { return fgm_strerror(status); }
    """,
    include_dirs=[fastgmmmi.get_include()],
)

if __name__ == "__main__":
    builder.compile()
